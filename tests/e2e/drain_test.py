#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGTERM and what it ends: idle clients, running queries, held commands; the exit code and the
audit log afterwards. The drain limit is far longer than any of these may take."""
import json, os, signal, socket, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = "create table t (a int); insert into t values (1)"
POLICY = """
policy p
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
hold inserts "inserts wait for a DBA"
  who agents do sql.insert for 1 of dba not self within 15m once
default allow
"""
pg = None


def setup():
    global pg
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)


def gateway():
    return h.Weir(pg, policy=POLICY, extra="limit drain 60s\n")


def connect(w, **kw):
    return psycopg.connect(w.conninfo(), autocommit=True, **kw)


def gone(w, seconds=5):
    """Exit code 0 within the time, everything on record."""
    try:
        code = w.p.wait(seconds)
    except Exception:
        raise h.Failure(f"still there {seconds} s after the signal:\n{w.log()}")
    h.eq(code, 0, "exit code")
    h.lacks(w.log(), "Z error ")
    r = w.audit("verify", w.state)
    h.eq(r.code, 0, repr(r))


def bodies(w, kind):
    r = w.audit("export", w.state, "--format", "jsonl")
    h.eq(r.code, 0, repr(r))
    return [x["body"] for x in map(json.loads, r.out.splitlines()) if x.get("type") == kind]


def fatal(c, sql="select 1"):
    """The error that an open connection ends with. (libpq gives no SQLSTATE for one that arrives
    between commands.)"""
    try:
        c.execute(sql)
    except psycopg.Error as e:
        return str(e)
    raise h.Failure(f"{sql} ran on a connection that should be gone")


def sleepers():
    return int(pg.super("select count(*) from pg_stat_activity where state = 'active' and "
                        "query like '%pg_sleep(30)'"))


def sleeper(w):
    """A client whose query runs for longer than any test."""
    p = w.psql_start("select pg_sleep(30)", options=("-v", "VERBOSITY=verbose"))
    h.wait_for(lambda: sleepers() == 1, what="the query runs")
    return p


def no_sleepers():
    h.wait_for(lambda: sleepers() == 0, 5, "the server no longer runs the query")


def test_an_idle_client_gets_57P01():
    w = gateway()
    c = connect(w)
    h.eq(c.execute("select 1").fetchone(), (1,))
    w.p.send_signal(signal.SIGTERM)
    h.wait_for(lambda: "drain" in w.log(), what="the drain began")
    h.has(fatal(c), "shutting down", "WEIR-SHUTDOWN")
    c.close()
    gone(w)


def test_nobody_is_waited_for_who_is_idle():
    """As PostgreSQL: a client has its error to read, and need not hang up. (Who does not would be waited
    for 5 s.)"""
    w = gateway()
    fresh, used, failed = connect(w), connect(w), psycopg.connect(w.conninfo(user="ana"))
    h.eq(used.execute("select 1").fetchone(), (1,))
    try:
        failed.execute("select 1 / 0")
    except psycopg.Error:
        pass
    w.p.send_signal(signal.SIGTERM)
    gone(w, 4)
    for c in (fresh, used, failed):
        h.has(fatal(c), "shutting down", "WEIR-SHUTDOWN")


def test_who_was_told_before_is_not_waited_for_either():
    w = gateway()
    s = socket.create_connection(("127.0.0.1", w.port))
    s.sendall(b"\0\0\0\x08\0\0\0\0")
    h.wait_for(lambda: s.recv(1, socket.MSG_PEEK) == b"E", what="an error")
    w.p.send_signal(signal.SIGTERM)
    gone(w, 4)
    s.close()


def test_nobody_comes_in_while_it_drains():
    w = gateway()
    busy = sleeper(w)
    w.p.send_signal(signal.SIGTERM)
    h.wait_for(lambda: not h.listening(w.port), what="the port is closed")
    busy.p.kill()
    gone(w)
    no_sleepers()


def test_a_running_query_finishes():
    w = gateway()
    q = w.psql_start("select pg_sleep(1), 'finished'")
    h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where state = 'active' and "
                                "query like '%''finished'''") == "1", what="the query runs")
    w.p.send_signal(signal.SIGTERM)
    r = q.wait()
    h.eq(r.out, "|finished", repr(r))
    gone(w)


def test_a_transaction_under_way_may_commit():
    w = gateway()
    c = psycopg.connect(w.conninfo(user="ana"))
    c.execute("insert into t values (100)")
    w.p.send_signal(signal.SIGTERM)
    h.wait_for(lambda: "drain" in w.log(), what="the drain began")
    c.execute("insert into t values (101)")
    c.commit()
    c.close()
    gone(w)
    h.eq(pg.query("select count(*) from t where a in (100, 101)"), "2")


def test_a_failed_transaction_is_not_waited_for():
    w = gateway()
    c = psycopg.connect(w.conninfo(user="ana"))
    try:
        c.execute("select 1 / 0")
    except psycopg.Error:
        pass
    w.p.send_signal(signal.SIGTERM)
    h.wait_for(lambda: "drain" in w.log(), what="the drain began")
    h.has(fatal(c), "shutting down")
    c.close()
    gone(w)


def test_a_held_command_is_dropped_at_once():
    w = gateway()
    q = w.psql_start("insert into t values (2)", options=("-v", "VERBOSITY=verbose"))
    q.saw("waiting for approval")
    w.p.send_signal(signal.SIGTERM)
    r = q.wait(5)
    h.check(r.code != 0, repr(r))
    h.has(r.err, "ERROR:  57P01", "shutting down", "did not run", "WEIR-SHUTDOWN")
    gone(w)
    h.eq(pg.query("select count(*) from t where a = 2"), "0")
    h.eq([(x["state"], x.get("by")) for x in bodies(w, "approval.close")],
         [("cancelled", "the gateway is shutting down")])


def test_a_held_command_in_a_transaction_too():
    w = gateway()
    q = w.psql_start(input="begin;\nselect a from t limit 1;\ninsert into t values (3);\n"
                     "select 'later';\ncommit;\n", options=("-v", "ON_ERROR_STOP=0"))
    q.saw("waiting for approval")
    w.p.send_signal(signal.SIGTERM)
    r = q.wait(5)
    h.has(r.err, "shutting down")
    h.lacks(r.out, "later")
    gone(w)
    h.eq(pg.query("select count(*) from t where a = 3"), "0")


def test_held_commands_in_a_pipeline():
    """What runs before the held command finishes; what is behind it is not held once more."""
    w = gateway()
    c = psycopg.pq.PGconn.connect(w.conninfo().encode())
    c.enter_pipeline_mode()
    for sql in (b"select pg_sleep(0.5), 'finished'", b"insert into t values (4)",
                b"insert into t values (5)"):
        c.send_query_params(sql, None)
        c.pipeline_sync()
    c.flush()
    w.pending()
    w.p.send_signal(signal.SIGTERM)
    got = []
    syncs = 0
    while c.status == psycopg.pq.ConnStatus.OK and syncs < 3:
        r = c.get_result()
        syncs += bool(r) and r.status == psycopg.pq.ExecStatus.PIPELINE_SYNC
        if r and r.status == psycopg.pq.ExecStatus.TUPLES_OK:
            got.append(r.get_value(0, 1))
        elif r and r.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            got.append(r.error_field(psycopg.pq.DiagnosticField.SQLSTATE))
    c.finish()
    gone(w)
    h.eq(got[:2], [b"finished", b"57P01"])
    h.check(set(got[2:]) <= {b"57P01", None}, f"the rest: {got[2:]}")
    h.eq(pg.query("select count(*) from t where a in (4, 5)"), "0")


def test_a_copy_under_way_is_finished():
    w = gateway()
    with connect(w) as c, c.cursor() as cur:
        with cur.copy("copy t from stdin") as copy:
            copy.write("900\n" * 1000)
            w.p.send_signal(signal.SIGTERM)
            h.wait_for(lambda: "drain" in w.log(), what="the drain began")
            copy.write("901\n" * 1000)
        h.eq(cur.rowcount, 2000)
        fatal(c)  # its text came with the end of the COPY, where libpq makes a notice of it
    h.eq(pg.query("select count(*) from t where a in (900, 901)"), "2000")
    pg.query("delete from t where a in (900, 901)")
    gone(w)


def test_a_second_signal_ends_it_now():
    w = gateway()
    q = sleeper(w)
    w.p.send_signal(signal.SIGTERM)
    h.wait_for(lambda: "drain" in w.log(), what="the drain began")
    w.p.send_signal(signal.SIGTERM)
    r = q.wait(5)
    h.has(r.err, "57P01", "shutting down")
    gone(w)
    no_sleepers()


def test_the_drain_limit_ends_what_still_runs():
    w = h.Weir(pg, policy=POLICY, extra="limit drain 1s\n")
    q = sleeper(w)
    t = time.monotonic()
    w.p.send_signal(signal.SIGTERM)
    h.has(q.wait(10).err, "57P01")
    gone(w, 10)
    no_sleepers()
    h.check(time.monotonic() - t < 8, "much longer than the drain limit")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
