// SPDX-License-Identifier: MIT
// Connects with JDBC and prints what it hears on the way: Door URL APPLICATION
import java.sql.*;
import java.util.Properties;

public class Door {
	public static void main(String[] args) throws Exception {
		Properties p = new Properties();
		p.setProperty("user", "planner-7");
		p.setProperty("password", "k-planner");
		p.setProperty("ApplicationName", args[1]);
		p.setProperty("assumeMinServerVersion", "9.0");
		try (Connection c = DriverManager.getConnection(args[0], p)) {
			for (SQLWarning w = c.getWarnings(); w != null; w = w.getNextWarning())
				System.out.println("notice " + w.getMessage());
			ResultSet r = c.createStatement().executeQuery("select 40 + 2");
			r.next();
			System.out.println(r.getInt(1));
		} catch (SQLException e) {
			System.out.println(e.getSQLState() + " " + e.getMessage());
			System.exit(1);
		}
	}
}
