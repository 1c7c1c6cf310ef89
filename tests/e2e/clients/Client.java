// SPDX-License-Identifier: MIT
// What JDBC does, printed: Client URL USER PASSWORD
import java.io.*;
import java.sql.*;
import java.util.*;
import org.postgresql.*;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.*;

public class Client {
	static void show(ResultSet r) throws SQLException {
		int n = r.getMetaData().getColumnCount();
		StringBuilder line = new StringBuilder();
		int rows = 0;
		while (r.next() && rows++ < 50)
			for (int i = 1; i <= n; i++)
				line.append(i == 1 ? " | " : ", ").append(r.getString(i));
		System.out.println(line);
	}

	interface Body { void run() throws Exception; }

	static void fails(Body b) throws Exception {
		try {
			b.run();
			System.out.println("not refused");
		} catch (SQLException e) {
			System.out.println(e.getSQLState() + " " + e.getMessage());
		}
	}

	/* `pool transaction`: nothing that is the connection's own. */
	static final boolean SHARED = System.getenv("CLIENTS_SHARED") != null;
	static final String TEMP = SHARED ? "" : "temp ";

	public static void main(String[] args) throws Exception {
		Properties p = new Properties();
		p.setProperty("user", args[1]);
		p.setProperty("password", args[2]);
		p.setProperty("ApplicationName", "jdbc");
		p.setProperty("options", "-c search_path=public -c statement_timeout=60s");
		Connection c = DriverManager.getConnection(args[0], p);
		Statement s = c.createStatement();
		show(s.executeQuery("select 1, 'x', null, true, 1.5, array[1,2], date '2026-11-25', current_setting('search_path')"));
		s.execute("create " + TEMP + "table t (a int primary key, b text, c bytea)");
		PreparedStatement q = c.prepareStatement("insert into t values (?, ?, ?)");
		for (int i = 0; i < 100; i++) {
			q.setInt(1, i);
			q.setString(2, "row " + i);
			q.setBytes(3, new byte[] {0, (byte) i});
			q.addBatch();
		}
		System.out.println(Arrays.stream(q.executeBatch()).sum());
		q = c.prepareStatement("select a, b, c, a * 1.5 from t where a between ? and ? order by a");
		for (int i = 0; i < 9; i++) { // from the fifth on under a name, in binary
			q.setInt(1, i);
			q.setInt(2, i + 2);
			show(q.executeQuery());
		}
		c.setAutoCommit(false);
		q = c.prepareStatement("select a from t order by a");
		q.setFetchSize(7);
		ResultSet r = q.executeQuery();
		int sum = 0;
		while (r.next())
			sum += r.getInt(1);
		System.out.println(sum);
		Savepoint sp = c.setSavepoint("here");
		fails(() -> s.execute("insert into t values (1)"));
		fails(() -> s.execute("select 1"));
		c.rollback(sp);
		show(s.executeQuery("select count(*) from t"));
		c.rollback();
		c.setAutoCommit(true);
		s.execute("create " + TEMP + "table if not exists t (a int primary key, b text, c bytea)");
		s.execute("select 1; select 2; insert into t values (1000, 'm', null)");
		do {
			if (s.getResultSet() != null)
				show(s.getResultSet());
			else
				System.out.println(s.getUpdateCount());
		} while (s.getMoreResults() || s.getUpdateCount() != -1);
		fails(() -> s.execute("selec"));
		fails(() -> { PreparedStatement z = c.prepareStatement("select 1 / ?"); z.setInt(1, 0); z.executeQuery(); });
		PGConnection pg = c.unwrap(PGConnection.class);
		CopyManager copy = pg.getCopyAPI();
		StringBuilder in = new StringBuilder();
		for (int i = 2000; i < 3000; i++)
			in.append(i).append("\tcopied\t\\N\n");
		System.out.println(copy.copyIn("copy t from stdin", new StringReader(in.toString())));
		StringWriter out = new StringWriter();
		System.out.println(copy.copyOut("copy (select a, b from t order by a limit 4) to stdout csv", out) + out.toString());
		fails(() -> copy.copyIn("copy t from stdin", new StringReader("x\n")));
		c.setAutoCommit(false);
		LargeObjectManager lob = pg.getLargeObjectAPI();
		long oid = lob.createLO(LargeObjectManager.READWRITE);
		LargeObject o = lob.open(oid, LargeObjectManager.READWRITE);
		o.write("large object".getBytes());
		o.seek(6);
		System.out.println(new String(o.read(20)));
		o.close();
		lob.delete(oid);
		c.commit();
		c.setAutoCommit(true);
		show(c.getMetaData().getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}));
		show(c.getMetaData().getColumns(null, "public", "%", "%"));
		show(c.getMetaData().getPrimaryKeys(null, "public", "orders"));
		show(c.getMetaData().getTypeInfo());
		s.execute("do $$ begin raise notice 'a notice'; end $$");
		System.out.println(s.getWarnings());
		if (!SHARED)
			s.execute("listen news");
		s.execute("notify news, 'payload'");
		for (PGNotification n : SHARED ? new PGNotification[0] : pg.getNotifications(2000))
			System.out.println(n.getName() + " " + n.getParameter());
		new java.util.Timer(true).schedule(new TimerTask() {
			public void run() { try { s.cancel(); } catch (SQLException e) { System.out.println(e); } }
		}, 300);
		fails(() -> s.execute("select pg_sleep(20)"));
		c.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
		c.setReadOnly(true);
		c.setSchema("public");
		System.out.println(c.getSchema() + " " + c.getTransactionIsolation() + " " + c.isValid(5));
		show(s.executeQuery("select 'after'"));
		c.close();
		p.setProperty("preferQueryMode", "simple");
		c.close();
		try (Connection d = DriverManager.getConnection(args[0], p)) {
			PreparedStatement z = d.prepareStatement("select ?, ?");
			z.setInt(1, 1);
			z.setString(2, "a'b\\c");
			show(z.executeQuery());
		}
	}
}
