#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What libpq and psql do beyond plain queries: psql's own commands, pipelines, COPY, single rows,
COPY that fails, notices, LISTEN."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
    from psycopg import pq
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
SQL = f"""
create table t (a int primary key, b text);
insert into t select i, 'row ' || i from generate_series(1, 10) i;
create table cards (id int primary key, pan text not null);
insert into cards select i, '{SECRET}' from generate_series(1, 3) i;
create table bulk (a int, b text);
"""
POLICY = """
policy p
group agents = idp "ai-agents"
data card = column public.cards.pan
deny unbounded-write "UPDATE or DELETE needs a real WHERE clause"
  do sql.update, sql.delete when not sql.where or sql.where-constant
default allow
mask card with last(4)
"""
MASKED = "************1111"
pg = w = None


def setup():
    global pg, w
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)
    w = h.Weir(pg, policy=POLICY)


def psql(text, *options):
    return w.psql(input=text, options=("-v", "ON_ERROR_STOP=0", *options))


def raw():
    c = pq.PGconn.connect(w.conninfo().encode())
    h.eq(c.status, pq.ConnStatus.OK, c.error_message)
    return c


# -- psql ------------------------------------------------------------------------------------------

def test_gdesc_describes_without_running():
    r = psql("select a, b from t \\gdesc\nselect id, pan from cards \\gdesc\n")
    h.eq(r.out, "a|integer\nb|text\nid|integer\npan|text", repr(r))


def test_gset_gexec_gx():
    r = psql("select a as x, b as y from t where a = 3 \\gset\nselect :x + 1, :'y';\n"
             "select 'select ' || a from t where a < 3 order by a \\gexec\n"
             "select pan from cards where id = 1 \\gset\nselect :'pan';\n")
    h.eq(r.out, f"4|row 3\n1\n2\n{MASKED}", repr(r))


def test_describe_commands():
    r = psql("\\d t\n\\dt\n\\dn\n\\l\n\\du\n\\df public.*\n\\d+ cards\n")
    h.eq(r.err, "", repr(r))
    h.has(r.out, "a|integer||not null|", "public|cards|table|app", "pan|text")


def test_fetch_count_uses_a_cursor():
    r = psql("select a from t order by a;\nselect pan from cards order by id;\n", "-v", "FETCH_COUNT=2")
    h.eq(r.out, "\n".join(map(str, range(1, 11))) + f"\n{MASKED}" * 3, repr(r))


def test_several_statements_in_one_message():
    r = w.psql("select 1; select b from t where a = 2; select a from t where a = 3")
    h.eq(r.out, "1\nrow 2\n3", repr(r))
    r = w.psql("select b from t where a = 2; select pan from cards where id = 1")
    h.lacks(r.out + r.err, SECRET)
    h.has(r.out, MASKED)


def test_copy_both_ways():
    path = f"{h.tmp()}/rows"
    with open(path, "w") as f:
        f.writelines(f"{i}\tline {i} \\\\ \\t \u00e4\n" for i in range(50000))
    r = psql(f"\\copy bulk from '{path}'\nselect count(*), sum(a) from bulk;\n"
             f"\\copy (select a, b from bulk order by a) to '{path}.back'\n"
             f"\\copy cards to '{path}.cards'\n")
    h.eq(r.err, "", repr(r))
    h.eq(r.out, f"50000|{sum(range(50000))}")
    with open(path) as f, open(f"{path}.back") as g:
        h.check(f.read() == g.read(), "what came back is not what went in")
    with open(f"{path}.cards") as f:
        h.eq(f.read(), "".join(f"{i}\t{MASKED}\n" for i in (1, 2, 3)))
    r = psql("\\copy bulk to stdout csv\n")
    h.eq(len(r.out.splitlines()), 50000)


def test_copy_that_fails_leaves_the_session_usable():
    path = f"{h.tmp()}/bad"
    with open(path, "w") as f:
        f.writelines(f"{i}\tx\n" for i in range(20000))
        f.write("not a number\tx\n")
        f.writelines(f"{i}\tx\n" for i in range(20000))
    r = psql(f"truncate bulk;\n\\copy bulk from '{path}'\nselect count(*) from bulk;\n"
             f"\\copy nowhere from '{path}'\n\\copy bulk from '{path}.none'\nselect 'still here';\n")
    h.has(r.err, "invalid input syntax for type integer", "nowhere", "WEIR-UNKNOWN-RELATION")
    h.eq(r.out, "0\nstill here", repr(r))


# -- libpq -----------------------------------------------------------------------------------------

def pipeline(c, *queries):
    """Sends (sql, params) each, and "sync"; returns what came for each as a list."""
    c.enter_pipeline_mode()
    for q in queries:
        if q == "sync":
            c.pipeline_sync()
        else:
            c.send_query_params(q[0].encode(), [str(p).encode() for p in q[1:]])
    c.pipeline_sync()
    c.flush()
    got, syncs = [], 1 + sum(q == "sync" for q in queries)
    while syncs:
        r = c.get_result()
        if r is None:
            continue
        if r.status == pq.ExecStatus.PIPELINE_SYNC:
            got.append("sync")
            syncs -= 1
        elif r.status == pq.ExecStatus.TUPLES_OK:
            got.append([r.get_value(i, 0).decode() for i in range(r.ntuples)])
        elif r.status == pq.ExecStatus.FATAL_ERROR:
            got.append((r.error_field(pq.DiagnosticField.SQLSTATE) or b"-").decode())
        elif r.status == pq.ExecStatus.PIPELINE_ABORTED:
            got.append("aborted")
        else:
            got.append((r.command_status or b"").decode())
    c.exit_pipeline_mode()
    return got


def test_pipeline():
    c = raw()
    h.eq(pipeline(c, ("select b from t where a = $1", 1), ("select pan from cards where id = $1", 2),
                  "sync", ("select a from t where a < $1 order by a", 4)),
         [["row 1"], [MASKED], "sync", ["1", "2", "3"], "sync"])
    c.finish()


def test_pipeline_with_a_refusal_is_skipped_up_to_sync():
    c = raw()
    h.eq(pipeline(c, ("insert into t values (100, 'x')",), ("delete from t",), ("select 1",), "sync",
                  ("select count(*) from t where a = 100",)),
         ["INSERT 0 1", "42501", "aborted", "sync", ["0"], "sync"])
    h.eq(pipeline(c, ("delete from t",), ("select 1",), "sync", ("select count(*) from t",)),
         ["42501", "aborted", "sync", ["10"], "sync"])
    c.finish()


def test_pipeline_with_an_error_of_the_server():
    c = raw()
    h.eq(pipeline(c, ("select 1",), ("select 1 / 0",), ("select 2",), "sync", ("select 3",)),
         [["1"], "22012", "aborted", "sync", ["3"], "sync"])
    c.finish()


def test_a_long_pipeline():
    c = raw()
    n = 1000
    c.nonblocking = 1
    c.enter_pipeline_mode()
    for i in range(n):
        c.send_query_params(b"select b || $1 from t where a = 1", [str(i).encode()])
        if i % 100 == 99:
            c.pipeline_sync()
    while c.flush():
        c.consume_input()
    got = []
    syncs = 0
    while syncs < n // 100:
        r = c.get_result()
        if r and r.status == pq.ExecStatus.PIPELINE_SYNC:
            syncs += 1
        elif r:
            h.eq(r.status, pq.ExecStatus.TUPLES_OK, r.error_message)
            got.append(r.get_value(0, 0))
    h.eq(got, [b"row 1%d" % i for i in range(n)])
    c.finish()


def test_what_was_sent_before_terminate_runs():
    """As far as a server goes that cannot send its answers."""
    for i in range(10):
        c = raw()
        c.send_query_params(b"insert into bulk select $1::int, pg_sleep(0.05)::text", [b"%d" % (i - 100)])
        c.flush()
        c.finish()  # Terminate, and the socket is closed
    h.wait_for(lambda: pg.query("select count(*) from bulk where a < 0") == "10", 10, "10 rows")
    h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where usename = 'app' and "
                                "application_name <> 'weir-catalog'") == "0", 10, "nobody lingers")


def test_single_rows_and_binary():
    c = raw()
    c.send_query_params(b"select id, pan from cards order by id", None, result_format=1)
    c.set_single_row_mode()
    got = []
    while r := c.get_result():
        if r.status == pq.ExecStatus.SINGLE_TUPLE:
            got.append((int.from_bytes(r.get_value(0, 0), "big"), r.get_value(0, 1).decode()))
    h.eq(got, [(i, MASKED) for i in (1, 2, 3)])
    c.finish()


def test_describe_prepared_and_portal():
    c = raw()
    h.eq(c.prepare(b"p", b"select id, pan from cards where id = $1").status,
         pq.ExecStatus.COMMAND_OK)
    d = c.describe_prepared(b"p")
    h.eq((d.nparams, d.nfields, d.fname(1)), (1, 2, b"pan"))
    h.eq(c.exec_prepared(b"p", [b"2"]).get_value(0, 1).decode(), MASKED)
    c.exec_(b"begin")
    c.exec_(b"declare k cursor for select pan from cards order by id")
    d = c.describe_portal(b"k")
    h.eq((d.nfields, d.fname(0)), (1, b"pan"), d.error_message)
    h.eq(c.exec_(b"fetch 1 from k").get_value(0, 0).decode(), MASKED)
    h.eq(c.exec_(b"commit").status, pq.ExecStatus.COMMAND_OK)
    c.finish()


def test_cancel_in_a_transaction():
    import threading
    with psycopg.connect(w.conninfo()) as c:
        c.execute("select 1")
        threading.Timer(0.3, c.cancel).start()
        try:
            c.execute("select pg_sleep(20)")
            raise h.Failure("not cancelled")
        except psycopg.errors.QueryCanceled:
            c.rollback()
        h.eq(c.execute("select b from t where a = 1").fetchone(), ("row 1",))


def test_parameter_status_and_notices_arrive():
    c = raw()
    h.eq(c.parameter_status(b"client_encoding"), b"UTF8")
    h.check(c.parameter_status(b"server_version").startswith(b"1"), "server_version")
    c.exec_(b"set application_name = 'of the test'")
    h.eq(c.parameter_status(b"application_name"), b"of the test")
    c.finish()
    r = w.psql("drop table if exists never_was")
    h.has(r.err, 'NOTICE:  table "never_was" does not exist')


def test_listen_and_notify():
    with psycopg.connect(w.conninfo(), autocommit=True) as c:
        try:
            c.execute("listen news")
        except psycopg.errors.InsufficientPrivilege as e:
            h.has(str(e), "WEIR-")
            raise h.Skip("LISTEN is refused")
        h.eq(w.psql("notify news, 'hello'").code, 0)
        n = next(c.notifies())
        h.eq((n.channel, n.payload), ("news", ""), "under masks (notification_test.py)")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
