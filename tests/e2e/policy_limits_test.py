#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Limit rules of the policy with a real PostgreSQL: rows, bytes and time of a command, budgets."""
import ctypes, json, os, struct, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create table orders (id int primary key, note text);
insert into orders select i, 'note ' || i from generate_series(1, 200000) i;
create table cards (id int primary key, pan text);
insert into cards select i, '4111111111111111' from generate_series(1, 5000) i;
create table log (id int);
"""
POLICY = """
policy limits
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data card = column cards.pan
allow everyday who agents, dba
  do sql.basics, sql.select, sql.insert, sql.update, sql.copy-out, sql.copy-in, sql.explain
limit agent-rows "a thousand rows are plenty"  who agents  rows 1000 per command  time 1500ms
limit selects  who agents  do sql.select  rows 1500
limit ana-bytes  who dba  bytes 100KB
mask card with last(4) unless who dba
"""
BUDGET = """
policy budgets
group agents = idp "ai-agents"
allow everyday who agents do sql.basics, sql.select, sql.insert
limit hourly  who agents  rows {rows} per hour  rows 100000 per day
"""
COMMANDS = """
policy commands
group agents = idp "ai-agents"
allow everyday who agents do sql.basics, sql.select, sql.insert, sql.update
limit writes  who agents  do sql.insert, sql.update  commands 5 per hour
limit sitting  who agents  do sql.select  commands 3 per session
"""
CODE = "WEIR-LIMIT-ROWS"
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)


def script(text, user="planner-7"):
    """The lines of a psql session that goes on after errors: output, errors."""
    r = weir.psql(input=text, user=user, options=("-v", "ON_ERROR_STOP=0"))
    return r.out, r.err


def connect(w=None, user="planner-7", **kw):
    return psycopg.connect((w or weir).conninfo(user), **kw)


def results(w):
    """Result records that say a limit was reached."""
    w_stop = [json.loads(x) for x in w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit")
              .out.splitlines()]
    return [r["body"] for r in w_stop if r["type"] == "result" and r["body"].get("limit_hit")]


def test_as_many_rows_as_allowed_pass():
    h.eq(len(weir.psql("select id from orders limit 1000").out.splitlines()), 1000)


def test_a_row_too_many_ends_the_command_and_nothing_else():
    for limit in ("1001", "1500", "200000"):
        out, err = script(f"select id from orders limit {limit};\nselect 'next';\n")
        h.has(err, 'stopped by limit "agent-rows": at most 1000 rows per command', CODE,
              "a thousand rows are plenty", "1000 rows delivered", "HINT")
        h.eq(out.splitlines()[-1], "next")


def test_rows_up_to_the_limit_arrive():
    with connect(autocommit=True) as c:
        p = c.pgconn
        p.send_query(b"select id from orders")
        p.set_single_row_mode()
        rows, error = 0, None
        while (r := p.get_result()) is not None:
            if r.status == psycopg.pq.ExecStatus.SINGLE_TUPLE:
                rows += 1
            elif r.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                error = r.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
        h.eq((rows, error), (1000, b"54000"))
        h.eq(p.transaction_status, psycopg.pq.TransactionStatus.IDLE)


def test_a_transaction_fails_as_the_servers_own_error_fails_it():
    for rows in ("1001", "200000"):  # the cancel comes too late for the first
        out, err = script("begin;\ninsert into log values (1);\n"
                          f"select id from orders limit {rows};\nselect 1;\ncommit;\n"
                          "select count(*) from log;\n")
        h.has(err, CODE, "current transaction is aborted")
        h.eq(out.splitlines()[-1], "0")
        with connect() as c:
            c.execute("insert into log values (2)")
            for prepare in (False, True):
                try:
                    with c.transaction():
                        c.execute(f"select id from orders limit {rows}", prepare=prepare)
                    raise h.Failure("no error")
                except psycopg.Error as e:
                    h.eq(e.sqlstate, "54000")
            h.eq(c.execute("select count(*) from log").fetchone(), (1,))
            c.rollback()
    h.eq(pg.query("select count(*) from log"), "0")


def test_a_write_that_took_effect_is_not_reported_as_failed():
    out, err = script("insert into log select generate_series(1, 1001) returning id;\n")
    h.has(err, "WARNING", "rows withheld", CODE, "1 withheld")
    h.eq(pg.query("select count(*) from log"), "1001")
    pg.query("delete from log")


def test_statements_of_a_message_share_the_limit():
    one = "select id from orders limit 600"
    r = weir.psql(f"{one}; {one}")
    h.has(r.err, CODE)
    h.eq(len(weir.psql(f"{one}; select id from orders limit 400").out.splitlines()), 1000)
    # All of it is one transaction of the server.
    r = weir.psql("insert into log values (7); select id from orders")
    h.check(CODE in r.err, repr(r))
    done = pg.query("select count(*) from log where id = 7")
    h.check(done == ("1" if "WARNING" in r.err else "0"), f"{done} rows, said: {r.err}")
    pg.query("delete from log")


def test_a_portal_read_in_pieces_is_one_command():
    with connect() as c:
        p = c.pgconn
        h.eq(p.exec_(b"begin").status, psycopg.pq.ExecStatus.COMMAND_OK)
        with c.cursor("named") as cur:
            cur.execute("select id from orders")
            h.eq(len(cur.fetchmany(600)), 600)
            try:
                cur.fetchmany(600)
                raise h.Failure("no error")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "54000")
                h.has(str(e), "agent-rows")
        c.rollback()
        h.eq(c.execute("select 1").fetchone(), (1,))


def test_copy_is_limited():
    for options in ("", " with (format csv, header)", " with (format binary)"):
        out, err = script(f"copy (select id from orders limit 1000) to stdout{options};\n")
        h.eq(err, "")
        out, err = script(f"copy orders to stdout{options};\nselect 'next';\n")
        h.has(err, CODE, "1000 rows delivered")
        h.check(out.endswith("next"), out[-40:])
    h.eq(len(script("copy orders to stdout with (format csv, header);\n")[0].splitlines()), 1001)
    out, err = script("copy cards (pan) to stdout;\n")
    h.has(err, CODE)
    h.eq(set(out.splitlines()), {"************1111"})
    h.eq(len(out.splitlines()), 1000)


def test_masked_rows_are_limited():
    out, err = script("select pan from cards;\n")
    h.has(err, CODE)
    with connect(autocommit=True) as c:
        h.eq(len(c.execute("select pan from cards limit 1000").fetchall()), 1000)


def test_time():
    began = time.monotonic()
    out, err = script("select count(*) from generate_series(1, 1000000000);\nselect 'next';\n")
    h.has(err, "at most 1500 ms per command", "WEIR-LIMIT-TIME")
    h.eq(out.splitlines()[-1], "next")
    h.check(1.4 < time.monotonic() - began < 10, "the command ends when its time is up")
    h.eq(script("select count(*) from generate_series(1, 100000);\n")[0], "100000")
    with connect() as c:
        try:
            with c.cursor() as cur, cur.copy("copy log from stdin") as copy:
                copy.write("1\n")
                time.sleep(2)
                copy.write("2\n")
            raise h.Failure("no error")
        except psycopg.Error as e:
            h.has(str(e), "agent-rows")
        c.rollback()
        h.eq(c.execute("select count(*) from log").fetchone(), (0,))


def test_bytes():
    out, err = script("select note from orders;\n", user="ana")
    h.has(err, "at most 100000 bytes per command", "WEIR-LIMIT-BYTES")
    h.eq(len(script("select note from orders limit 1001;\n", user="ana")[0].splitlines()), 1001)


def test_the_record_says_what_was_limited():
    before = len(results(weir))
    script("select id from orders;\n")
    got = h.wait_for(lambda: results(weir)[before:], 10, "a result record")[0]
    h.eq((got["rows"], got["limit"], got["status"], got["code"]),
         (1000, "agent-rows", "error", "54000"))
    h.check(got["withheld"] > 0, str(got))
    # A DataRow of one number is 11 bytes and the digits that it has: 1 to 6.
    h.check(12 * 1000 <= got["bytes_down"] <= 17 * 1000, str(got))
    all_ = [json.loads(x) for x in weir.audit("tail", "--json", "-n", "100000",
                                              f"{weir.state}/audit").out.splitlines()]
    intent = [r["body"] for r in all_ if r["type"] == "command"
              and r["body"]["statement"] == "select id from orders;"][-1]
    h.eq(intent["decision"]["obligations"], ["agent-rows", "selects"])


def rows_left(w, n):
    """n, or 0 when that is more than there is; what there was is used up then."""
    r = w.psql(f"select id from orders order by id limit {n}")
    h.eq("WEIR-LIMIT-BUDGET" in r.err, r.code != 0)
    return len(r.out.split())


def start_again(w):
    """The address alone may still be that of the one that was killed."""
    n = w.log().count(" ready version=")
    w.start()
    h.wait_for(lambda: w.log().count(" ready version=") > n, 20, "it is ready")


def test_budgets_survive_a_restart():
    w = h.Weir(pg, policy=BUDGET.format(rows=1000))
    h.eq(rows_left(w, 600), 600)
    h.eq(w.stop(), 0)
    start_again(w)
    h.eq(rows_left(w, 300), 300)
    time.sleep(2.5)
    w.kill()
    start_again(w)
    h.eq(rows_left(w, 101), 0)
    time.sleep(2.5)
    w.kill()
    start_again(w)
    h.eq(rows_left(w, 1), 0)
    h.eq(w.stop(), 0)
    path = f"{w.state}/budgets"
    with open(path, "r+b") as f:
        f.seek(5)
        f.write(b"\xff\xff")
    start_again(w)
    h.eq(rows_left(w, 1), 0)
    h.has(w.log(), "budgets is damaged: every budget counts as used up")
    h.eq(w.stop(), 0)
    os.remove(path)
    start_again(w)
    h.eq(rows_left(w, 1000), 1000)
    h.eq(w.stop(), 0)


def test_budgets():
    w = h.Weir(pg, policy=BUDGET.format(rows=1000))
    with connect(w, autocommit=True) as a, connect(w, autocommit=True) as b:
        h.eq(len(a.execute("select id from orders limit 600").fetchall()), 600)
        for c, left in ((b, 400), (a, 0)):
            try:
                c.execute("select id from orders limit 600")
                raise h.Failure("no error")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "53400")
                h.has(e.diag.message_primary, '"hourly": at most 1000 rows per hour')
                h.has(e.diag.message_hint, "available again in 6")
        # What returns no rows is not refused, and other principals have budgets of their own.
        b.execute("insert into log values (1)")
        with connect(w, user="cy", autocommit=True) as other:
            h.eq(len(other.execute("select id from orders limit 600").fetchall()), 600)
        # A reload forgets nothing, and more is more.
        with open(w.policy, "w") as f:
            f.write(BUDGET.format(rows=1200))
        w.reload()
        h.wait_for(lambda: "reloaded" in w.log(), 10, "the reload")
        h.eq(len(a.execute("select id from orders limit 200").fetchall()), 200)
        try:
            a.execute("select id from orders limit 1")
            raise h.Failure("no error")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "53400")
    pg.query("delete from log")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def written(w, n):
    """What a session that writes n times gets to say."""
    r = w.psql(input="insert into log values (1);\n" * n, options=("-v", "ON_ERROR_STOP=0"))
    return r.err.count("WEIR-LIMIT-BUDGET"), r.err


def test_commands_are_counted_by_principal_and_by_session():
    w = h.Weir(pg, policy=COMMANDS)
    h.eq(written(w, 2), (0, ""))
    with connect(w, autocommit=True) as c:
        h.eq(c.execute("select 1; select 2").nextset(), True)
        h.eq(c.execute("select 3", prepare=True).fetchone(), (3,))
        c.execute("show server_version")
        for say in ("select 1", "select 1; select 2"):
            try:
                c.execute(say)
                raise h.Failure("no error")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "53400")
                h.has(str(e), 'used up: limit "sitting": at most 3 commands per session',
                      "WEIR-LIMIT-SESSION", "a new one begins anew")
    h.eq(w.psql("select 1").out, "1")
    # Another session's, a restart's, and a crash's: the budget is the principal's.
    h.eq(w.stop(), 0)
    start_again(w)
    h.eq(written(w, 2), (0, ""))
    time.sleep(2.5)
    w.kill()
    start_again(w)
    n, err = written(w, 3)
    h.eq(n, 2)
    h.has(err, 'used up: limit "writes": at most 5 commands per hour', "available again in 6")
    h.eq(pg.query("select count(*) from log"), "5")
    refused = [json.loads(x)["body"] for x in w.audit("tail", "--json", "-n", "100", f"{w.state}/audit")
               .out.splitlines() if "WEIR-LIMIT-BUDGET" in x]
    h.eq(refused[-1]["decision"]["rules"], ["writes"])
    with connect(w, user="cy", autocommit=True) as other:
        other.execute("insert into log values (2)")
    # BEGIN is no write; the transaction that a refusal fails can end.
    with connect(w) as c:
        try:
            c.execute("update log set id = 3")
            raise h.Failure("no error")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "53400")
        c.rollback()
        h.eq(c.execute("select count(*) from log").fetchone(), (6,))
    pg.query("delete from log")
    h.eq(w.stop(), 0)


def test_a_client_that_goes_on_at_once_is_not_cancelled_for_it():
    with connect(autocommit=True) as c:
        for _ in range(100):
            try:
                c.execute("select id from orders limit 1001")
                raise h.Failure("no error")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "54000")
            h.eq(c.execute("select count(*) from orders where id < 10").fetchone(), (9,))


def test_an_empty_binary_copy_is_no_row():
    """The server sends its header and trailer in one piece."""
    w = h.Weir(pg, policy=BUDGET.format(rows=2).replace("sql.insert", "sql.insert, sql.copy-out"))
    with connect(w) as c:
        for _ in range(3):
            with c.cursor().copy("copy (select id from orders where id < 0) to stdout (format binary)") as out:
                h.eq(len(b"".join(out)), 21)
        with c.cursor().copy("copy (select 1) to stdout (format binary)") as out:
            h.eq(len(b"".join(out)), 31)
        h.eq(c.execute("select id from orders where id = 7").fetchall(), [(7,)])
        try:
            c.execute("select id from orders where id = 7").fetchall()
            raise h.Failure("the budget is not used up")
        except psycopg.Error as e:
            h.has(str(e), "used up")


class Libpq:
    """A plain libpq connection, for what psycopg does not have."""
    lib = ctypes.CDLL("libpq.so.5")
    lib.PQconnectdb.restype = lib.PQexec.restype = lib.PQfn.restype = ctypes.c_void_p
    lib.PQresultErrorMessage.restype = ctypes.c_char_p

    class Arg(ctypes.Structure):
        _fields_ = [("len", ctypes.c_int), ("isint", ctypes.c_int), ("ptr", ctypes.c_void_p)]

    def __init__(self, conninfo):
        self.conn = ctypes.c_void_p(self.lib.PQconnectdb(conninfo.encode()))

    def error(self, call, *args):
        """The error of a call that must end soon; "" when it went well."""
        out = []
        t = threading.Thread(target=lambda: out.append(call(self.conn, *args)), daemon=True)
        t.start()
        t.join(10)
        h.check(out, "the call does not end")
        return self.lib.PQresultErrorMessage(ctypes.c_void_p(out[0])).decode()

    def run(self, sql):
        return self.error(self.lib.PQexec, sql.encode())

    def sleep(self, seconds):
        """pg_sleep by its OID."""
        value, n = ctypes.create_string_buffer(struct.pack("!d", seconds), 8), ctypes.c_int()
        arg, room = self.Arg(8, 0, ctypes.addressof(value)), ctypes.create_string_buffer(64)
        return self.error(self.lib.PQfn, 2626, room, ctypes.byref(n), 0, ctypes.byref(arg), 1)


def test_the_time_of_a_function_call():
    w = h.Weir(pg, policy='''
policy calls
group agents = idp "ai-agents"
allow everyday who agents do sql.basics, sql.select, sql.function-call, sql.lock
limit quick who agents time 500ms
''')
    c = Libpq(w.conninfo("planner-7"))
    h.eq(c.sleep(0.01), "")
    for begin in ("select 1", "begin"):
        h.eq(c.run(begin), "")
        h.has(c.sleep(30.0), 'stopped by limit "quick": at most 500 ms per command')
    h.has(c.run("select 1"), "current transaction is aborted")
    h.eq(c.run("rollback"), "")
    h.eq(c.run("select 1"), "")


def test_time_in_the_extended_protocol():
    """The server says nothing before the end, not even of Parse."""
    with connect(autocommit=True) as c:
        for kw in ({"prepare": True}, {"params": (3,)}):
            for begin in ("select 1", "begin"):
                c.execute(begin)
                began = time.monotonic()
                try:
                    c.execute("select count(*) from generate_series(1, 1000000000) where 3 = %s" if "params" in kw else
                              "select count(*) from generate_series(1, 1000000000)", **kw)
                    raise h.Failure("no error")
                except psycopg.Error as e:
                    h.eq(e.sqlstate, "57014")
                    h.has(str(e), "at most 1500 ms per command", "WEIR-LIMIT-TIME")
                h.check(time.monotonic() - began < 10, "the command ends when its time is up")
                c.execute("rollback")
            h.eq(c.execute("select count(*) from generate_series(1, 1000)", prepare=True).fetchone(), (1000,))


def test_time_of_a_cursor():
    """Read in pieces, each of which is quick."""
    w = h.Weir(pg, policy='''
policy cursors
group agents = idp "ai-agents"
allow everyday who agents do sql.basics, sql.select, sql.lock
limit quick who agents time 900ms
''')
    slow = "select i, pg_sleep(0.05) from generate_series(1, 1000) i"
    for opens in (f"declare c cursor for {slow}", None):
        with connect(w) as c:
            cur = c.cursor() if opens else psycopg.ServerCursor(c, "named")
            cur.execute(opens or slow)
            try:
                for n in range(12):
                    if opens:
                        cur.execute("fetch 5 from c")
                    h.eq(len(cur.fetchmany(5)), 5)
                raise h.Failure("12 times 250 ms went by")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "57014")
                h.has(str(e), 'limit "quick": at most 900 ms per command')
            h.check(n < 4, f"{n} pieces of 250 ms")
            c.rollback()
            h.eq(c.execute("select 1").fetchone(), (1,))
    w.kill()


def test_the_log_verifies():
    h.eq(weir.stop(), 0)
    h.eq(weir.audit("verify", f"{weir.state}/audit").code, 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
