#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`pool transaction`: many clients over few server connections, and none notices the others."""
import os, random, socket, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

SQL = """
create table t (id int primary key, note text);
create table people (id int, name text, ssn text);
insert into people values (1, 'ann', '123-45-6789');
create schema other; create table other.people (id int, ssn text);
insert into other.people values (1, 'not masked');
create view own_names as select name, statement from pg_prepared_statements;
create function remember(v text) returns text language plpgsql as
  $$ begin perform set_config('my.own', v, false); return v; end $$;
"""
HOLDS = """
policy p
group dba = idp "dba-oncall"
default allow
hold deletes "a DBA looks at deletes" do sql.delete for 1 of dba not self within 60s once
"""
MASKS = """
policy p
data ssn = column public.people.ssn
default allow
mask ssn with last(4)
limit few do sql.select rows 100 per command
"""
pg = weir = None
BACKEND = "select pg_backend_pid()"


def setup():
    global pg, weir, psycopg
    import logging, psycopg
    logging.getLogger("psycopg").setLevel(logging.CRITICAL) # what it says of pipelines that fail
    pg = h.Postgres(sql=SQL)
    weir = one_worker("transaction size 2 wait 5s")


def one_worker(pool, **kw):
    return h.Weir(pg, pool=pool, extra="limit workers 1\n", **kw)


def connect(user="planner-7", w=None, options=None, **kw):
    return psycopg.connect((w or weir).conninfo(user), autocommit=True, options=options, **kw)


def one(c, sql, *args):
    return c.execute(sql, args or None).fetchone()[0]


def fails(c, sql, *says):
    try:
        c.execute(sql)
    except psycopg.Error as e:
        h.has(f"{e}\n{e.diag.message_detail}\n{e.diag.message_hint}", *says)
        return e
    raise h.Failure(f"not refused: {sql}")


def alive(p):
    return pg.super(f"select count(*) from pg_stat_activity where pid = {p}") == "1"


def test_many_clients_over_few_connections():
    clients = [connect(u) for u in list(h.KEYS) * 5]
    pids = {one(c, BACKEND) for c in clients for _ in range(3)}
    h.check(len(pids) <= 2, f"{len(pids)} server connections")
    for c in clients:
        c.close()


def test_a_transaction_keeps_its_connection():
    a, b, c = connect("ana"), connect("bo"), connect("cy")
    with a.transaction():
        mine = one(a, BACKEND)
        with b.transaction():
            other = one(b, BACKEND)
            h.check(mine != other, "two transactions on one connection")
            for _ in range(3):
                h.eq((one(a, BACKEND), one(b, BACKEND)), (mine, other))
        h.eq(one(c, BACKEND), other)
        h.eq(one(a, BACKEND), mine)


def test_settings_follow_the_session():
    a, b = connect("ana", application_name="one"), connect("bo", application_name="two")
    a.execute("set timezone = 'Asia/Tokyo'; set datestyle = 'German'")
    b.execute("set timezone = 'America/New_York'")
    want = {a: ("Asia/Tokyo", "German, DMY", "ana/one"),
            b: ("America/New_York", "ISO, MDY", "bo/two")}
    for c in (a, b, b, a, b, a):
        got = c.execute("select current_setting('timezone'), current_setting('datestyle'),"
                        " current_setting('application_name')").fetchone()
        h.eq(got, want[c])
        h.eq(c.info.parameter_status("TimeZone"), want[c][0])
    a.execute("reset timezone; set application_name = 'mine'")
    default = pg.super("show timezone")
    for c in (b, a):
        one(c, BACKEND)
    h.eq((one(a, "show timezone"), one(a, "show application_name")), (default, "ana/mine"))
    h.eq(one(b, "show timezone"), "America/New_York")
    # In a transaction that is rolled back it never happened.
    a.execute("begin; set timezone = 'Europe/Rome'; rollback")
    one(b, BACKEND)
    h.eq(one(a, "show timezone"), default)


def test_startup_settings_and_reset():
    a, b = connect("ana", options="-c work_mem=9MB -c timezone=Europe/Rome"), connect("bo")
    for _ in range(2):
        h.eq((one(a, "show work_mem"), one(b, "show work_mem")), ("9MB", "4MB"))
    a.execute("set timezone = 'UTC'; reset all")
    h.eq(one(a, "show timezone"), "Europe/Rome")
    a.execute("discard all")
    h.eq(one(a, "show timezone"), "Europe/Rome")
    try:
        connect("ana", options="-c search_path=pg_temp,public")
        h.check(False, "temporary search path")
    except psycopg.Error as e:
        h.has(str(e), "pg_temp", "WEIR-POOL")


REFUSED = (
    "set temp_buffers = '5MB'", "set role app", "reset role", "set session authorization app",
    "select set_config('temp_buffers', '5MB', false)", "select set_config('temp_buffers', '5MB', 1 = 1)",
    "set local search_path = pg_temp", "select set_config('search_path', 'pg_temp', true)",
    "listen news", "create temp table x (a int)", "create table pg_temp.x (a int)",
    "select 1 as a into temp x", "create temp view v as select 1", "create temp sequence s",
    "create function pg_temp.f() returns int language sql as 'select 1'",
    "create type pg_temp.t as (a int)", "create domain pg_temp.d as int",
    "select pg_advisory_lock(1)", "select pg_catalog.pg_try_advisory_lock(1)",
    "select pg_advisory_unlock_all()", "prepare p as select 1", "select lastval()",
    "declare c cursor with hold for select 1", "select * from pg_prepared_statements",
    "select currval('pg_temp.s')", "load 'plpgsql'",
)


def test_what_cannot_be_carried_is_refused():
    c = connect("ana")
    for sql in REFUSED:
        e = fails(c, sql, "WEIR-POOL", "pool session")
        h.eq(e.sqlstate, "0A000", sql)
        try:
            c.execute(sql, prepare=True) if ";" not in sql else None
        except psycopg.errors.FeatureNotSupported:
            pass
        h.eq(one(c, "select 1"), 1)
    for sql in ("begin; set local work_mem = '5MB'; set local search_path = other; commit",
                "select set_config('app.who', 'x', true)", "select pg_advisory_xact_lock(1)",
                "unlisten *", "notify news", "set transaction isolation level serializable",
                "reset work_mem", "begin; declare c cursor for select 1; fetch c; close c; commit",
                "deallocate all", "discard all"):
        c.execute(sql)
    h.eq(one(c, "select current_setting('app.who', true)"), "")


STARTS = (
    # pgAdmin
    "SET DateStyle=ISO; SET client_min_messages=notice; SELECT set_config('bytea_output','hex',false) FROM "
    "pg_show_all_settings() WHERE name = 'bytea_output'; SET client_encoding='UTF-8';",
    # pgjdbc, DBeaver
    "SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'", "SHOW TRANSACTION ISOLATION LEVEL",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED", "SHOW search_path",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SELECT current_schema(),session_user",
    "SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), obj_description(c.oid, 'pg_class') "
    "FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c WHERE c.relnamespace = n.oid",
    # psycopg2, SQLAlchemy, Rails, Npgsql
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ", "select pg_catalog.version()",
    "show standard_conforming_strings", "SET client_min_messages TO 'warning'", "SET standard_conforming_strings = on",
    "SET SESSION timezone TO 'UTC'", "SET SESSION statement_timeout TO 0", "SELECT pg_try_advisory_xact_lock(1)", "DISCARD ALL",
)


def test_what_programs_begin_with():
    c = connect("ana")
    for sql in STARTS:
        for prepare in (False, ";" not in sql):
            c.execute(sql, prepare=prepare)


def test_temporary_tables_of_a_transaction():
    """ON COMMIT DROP: nothing of them is left for the next who has the connection."""
    a, b = connect("ana"), connect("bo")
    for end in ("commit", "rollback"):
        for make in ("create temp table own (a int) on commit drop", "create temp table own on commit drop as select 1 as a"):
            a.execute("begin")
            a.execute(make)
            a.execute("insert into own values (2)")
            a.execute("create index on own (a)")
            p = one(a, BACKEND)
            for _ in range(6):
                h.has(repr(a.execute("select a from own", prepare=end == "rollback").fetchall()), "(2,)")
            a.execute(end)
            fails(a, "select * from own", "own")
            fails(b, "select * from own", "own")
            if end == "rollback":
                h.wait_for(lambda: not alive(p), what="a plan that names one is not left for others")
            else:
                h.check(alive(p), "the connection is used again")
    # Outside a transaction it is gone at once.
    a.execute("create temp table own (a int) on commit drop")
    fails(a, "select * from own", "own")
    for sql in ("create temp table own (a int) on commit delete rows", "create temp table pg_temp.own (a int) on commit drop",
                "create temp table own (a int) on commit preserve rows"):
        fails(a, sql, "WEIR-POOL", "ON COMMIT DROP")


def test_code_that_is_not_known_ends_its_connection():
    a = connect("ana")
    for sql in ("select remember('x')", "do $$ begin perform set_config('my.own', 'x', false); end $$"):
        with a.transaction():
            p = one(a, BACKEND)
            a.execute(sql)
            h.check(alive(p), "ended within its transaction")
        h.wait_for(lambda: not alive(p), what=f"the connection ends after {sql}")
    h.eq(one(connect("bo"), "select current_setting('my.own', true)"), None)


def test_who_does_not_wait_for_approvals():
    w = one_worker("transaction size 1 wait 5s", policy=HOLDS)
    a, b = connect("planner-7", w), connect("bo", w)
    a.execute("set weir.approval = async")
    p = one(a, BACKEND)
    h.eq((one(b, BACKEND), one(b, "select current_setting('weir.approval', true)")), (p, ""))
    h.eq((one(a, "show weir.approval"), one(a, BACKEND)), ("async", p))
    fails(a, "delete from t", "approval=")
    fails(a, "set weir.approval = 'asynch'", "invalid value", "async", "wait")
    w.kill()


# -- prepared statements ---------------------------------------------------------------------------

class Raw:
    """libpq's own prepared statements, by the names the test gives."""

    def __init__(self, user, **kw):
        self.c = connect(user, **kw)
        self.pq = self.c.pgconn

    def prepare(self, name, sql):
        return self.result(self.pq.prepare(name.encode(), sql.encode()))

    def run(self, name, *args):
        return self.result(self.pq.exec_prepared(name.encode(), [str(a).encode() for a in args]))

    def describe(self, name):
        r = self.pq.describe_prepared(name.encode())
        return [r.fname(i).decode() for i in range(r.nfields)]

    def query(self, sql):
        return self.result(self.pq.exec_(sql.encode()))

    @staticmethod
    def result(r):
        if r.status not in (1, 2):
            return r.error_message.decode()
        return r.get_value(0, 0).decode() if r.ntuples else None


def test_sql_prepares_for_its_transaction():
    a, b = Raw("ana"), Raw("bo")
    h.has(a.query("prepare p as select 1"), "its transaction", "WEIR-POOL", "BEGIN")
    a.query("begin")
    p = a.query(BACKEND)
    h.eq(a.query("prepare p(int) as select $1 + 1"), None)
    h.eq((a.query("execute p(1)"), a.query("explain (costs off) execute p(1)"), a.query("execute p(2)")),
         ("2", "Result", "3"))
    h.eq((a.describe("p"), a.query("prepare q as select 'q'"), a.query("execute q"), a.query("deallocate q")),
         (["?column?"], None, "q", None))
    h.eq((a.query("prepare q as select 'again'"), a.query("execute q")), (None, "again"))
    h.eq(a.query("prepare k as select set_config('work_mem', '9MB', false)"), None)
    h.eq(a.query("execute k"), "9MB")
    a.query("commit")
    # It ended, and the connection with it.
    h.has(a.query("execute p(1)"), "WEIR-UNKNOWN-STATEMENT")
    h.wait_for(lambda: not alive(p), what="nobody else has that connection")
    h.eq((a.query("show work_mem"), b.query("show work_mem")), ("9MB", "4MB"))
    # The names on a connection are shared with what others prepared there.
    other, mine = "select 'of bo'", "select 'of ana'"
    h.eq((b.prepare("weir_1", other), b.prepare("x", other), a.prepare("x", mine)), (None, None, None))
    for sql, state in (("prepare weir_1 as select 1", "42939"), ("execute weir_1", "26000"), ("execute x", "0A000"),
                       ("prepare x as select 2", "42P05"), ("explain execute x", "0A000"),
                       ("create temp table y on commit drop as execute x", "0A000")):
        for n in range(1, 40) if sql == "execute weir_1" else (1,):
            a.query("begin")
            r = a.pq.exec_(sql.replace("weir_1", f"weir_{n}").encode())
            h.eq(r.error_field(psycopg.pq.DiagnosticField.SQLSTATE), state.encode(), f"{sql} {n}")
            a.query("rollback")
    h.eq((b.run("weir_1"), b.run("x"), a.run("x")), ("of bo", "of bo", "of ana"))
    a.query("begin")
    h.eq(a.query("prepare z as select 'z'"), None)
    h.has(a.run("z"), "WEIR-SQL-PREPARED")
    a.query("rollback")
    h.eq((a.prepare("z", mine), a.run("z")), (None, "of ana"))


def test_names_are_the_sessions_own():
    a, b = Raw("ana"), Raw("bo")
    h.eq(a.prepare("s", "select 'a' || $1::text as from_a"), None)
    h.eq(b.prepare("s", "select 'b' || $1::text as from_b"), None)
    for _ in range(3):
        h.eq((a.run("s", 1), b.run("s", 2)), ("a1", "b2"))
        h.eq((a.describe("s"), b.describe("s")), (["from_a"], ["from_b"]))
    h.has(a.prepare("s", "select 1"), 'prepared statement "s" already exists')
    h.has(Raw("cy").run("s", 1), "does not exist")
    h.eq(a.query("deallocate s"), None)
    h.has(a.run("s", 1), "does not exist")
    h.has(a.query("deallocate s"), "does not exist")
    h.eq(b.run("s", 3), "b3")
    h.eq(a.prepare("s", "select 'again ' || $1::text"), None)
    h.eq(a.run("s", 4), "again 4")
    b.query("deallocate all")
    h.has(b.run("s", 1), "does not exist")
    h.eq(a.run("s", 5), "again 5")


def test_equal_statements_are_prepared_once():
    w = one_worker("transaction size 1")
    many = [Raw(u, w=w) for u in list(h.KEYS) * 3]
    for i, r in enumerate(many):
        h.eq(r.prepare(f"mine{i}", "select $1::int + 1"), None)
        h.eq(r.run(f"mine{i}", i), str(i + 1))
    h.eq(one(many[0].c, "select count(*) from own_names"), 1)
    w.kill()


def test_the_unnamed_statement_stays():
    a, b = Raw("ana"), Raw("bo")
    a.prepare("", "select 'a' || $1::text")
    b.prepare("", "select 'b' || $1::text")
    for _ in range(3):
        h.eq((a.run("", 1), b.run("", 2)), ("a1", "b2"))
    a.query("select 1")
    h.has(a.run("", 1), "does not exist")


def test_no_more_are_kept_than_configured():
    w = one_worker("transaction size 1 max-prepared 3")
    a, b = Raw("ana", w=w), Raw("bo", w=w)
    for i in range(10):
        a.prepare(f"s{i}", f"select {i} + $1::int")
        b.prepare(f"s{i}", f"select {i} * $1::int")
    for _ in range(3):
        for i in random.sample(range(10), 10):
            h.eq((a.run(f"s{i}", 2), b.run(f"s{i}", 2)), (str(i + 2), str(i * 2)))
    h.check(one(a.c, "select count(*) from own_names") <= 3, "too many")
    w.kill()


def test_literals_are_read_under_the_sessions_settings():
    a, b = Raw("ana"), Raw("bo")
    a.query("set datestyle = 'ISO, DMY'")
    sql = "select '01/02/2020'::date::text"
    h.eq((a.prepare("s", sql), b.prepare("s", sql)), (None, None))
    for _ in range(2):
        h.eq((a.run("s"), b.run("s")), ("2020-02-01", "2020-01-02"))
    # Read once, a statement stays what it was; on a connection without it that cannot be had.
    b.query("set datestyle = 'ISO, DMY'")
    h.check(b.run("s").startswith("2020-01-02") or "other settings" in b.run("s"), "read anew")


def test_a_failed_parse_is_not_there():
    a, b = Raw("ana"), Raw("bo")
    h.has(a.prepare("s", "select * from not_there where id = $1"), "not_there")
    h.has(a.run("s", 1), "does not exist")
    pg.query("create table later (id int)")
    h.eq(a.prepare("s", "select count(*) from later where id = $1"), None)
    h.eq(a.run("s", 1), "0")
    pg.query("drop table later")
    h.has(b.prepare("s", "select count(*) from later where id = $1") or b.run("s", 1), "later")
    h.has(a.run("s", 1), "later")
    h.eq(one(a.c, "select 1"), 1)


def test_pipelines():
    clients = [connect(u, prepare_threshold=0) for u in h.KEYS]
    for round_ in range(5):
        for n, c in enumerate(clients):
            try:
                with c.pipeline() as p:
                    first = [c.execute("select %s::int + %s", (n, i)) for i in range(5)]
                    p.sync()
                    c.execute("select %s / 0", (n,))
                    c.execute("select 'skipped'")
                h.check(False, "no error")
            except psycopg.errors.DivisionByZero:
                pass
            h.eq([x.fetchone()[0] for x in first], [n + i for i in range(5)])
            h.eq(one(c, "select %s::int", n), n)


# -- what goes wrong -------------------------------------------------------------------------------

def test_failed_transactions():
    a, b = connect("ana"), connect("bo")
    a.execute("begin")
    fails(a, "select 1/0", "division by zero")
    fails(a, "select 1", "current transaction is aborted")
    h.eq(one(b, "select 1"), 1)
    a.execute("rollback")
    a.execute("begin")
    fails(a, "listen x", "WEIR-POOL")
    fails(a, "select 1", "current transaction is aborted")
    a.execute("commit")
    h.eq(one(a, "select 1"), 1)


def test_copy():
    a, b = connect("ana"), connect("bo")
    with a.cursor() as cur:
        with cur.copy("copy t from stdin") as copy:
            for i in range(1000):
                copy.write_row((i, f"note {i}"))
                if i == 500:
                    h.eq(one(b, "select count(*) from t"), 0)
        with cur.copy("copy t to stdout") as copy:
            rows = list(copy.rows())
    h.eq(len(rows), 1000)
    try:
        with a.cursor() as cur, cur.copy("copy t from stdin") as copy:
            copy.write_row((1, "twice"))
        h.check(False, "no error")
    except psycopg.errors.UniqueViolation:
        pass
    h.eq((one(a, "select count(*) from t"), one(b, "select count(*) from t")), (1000, 1000))


def test_a_client_that_vanishes_leaves_nothing():
    w = one_worker("transaction size 1 wait 5s")
    for leave in ("begin; insert into t values (-1, 'gone')", "select pg_sleep(60)", "select 1"):
        p = w.psql_start(input=f"{leave};\n\\! sleep 60\n")
        time.sleep(0.3)
        p.p.kill()
        h.eq(w.psql("select count(*) from t where id < 0", user="bo").out, "0", leave)
    # It said good-bye behind its last command, which runs.
    for i in range(5):
        c = connect("ana", w=w)
        c.pgconn.send_query(f"insert into t values ({-10 - i}, 'said good-bye')".encode())
        c.pgconn.finish()
    h.wait_for(lambda: pg.query("select count(*) from t where id <= -10") == "5", what="they ran")
    h.eq(w.psql("select 1").out, "1")
    w.kill()


def test_cancel():
    w = one_worker("transaction size 1 wait 10s")
    a, b = connect("ana", w=w), connect("bo", w=w)
    old = b.pgconn.get_cancel()
    h.eq(one(b, "select 1"), 1)
    timer = threading.Timer(0.3, old.cancel)
    timer.start()
    h.eq(one(a, "select 'not hit' from pg_sleep(0.8)"), "not hit")
    timer.join()
    timer = threading.Timer(0.3, a.cancel)
    timer.start()
    fails(a, "select pg_sleep(30)", "canceling statement due to user request")
    timer.join()
    # One that waits for its turn.
    a.execute("begin")
    timer = threading.Timer(0.3, b.cancel)
    timer.start()
    began = time.monotonic()
    e = fails(b, "select 1", "canceling statement", "WEIR-POOL-CANCELLED")
    h.eq(e.sqlstate, "57014")
    h.check(time.monotonic() - began < 5, "it waited on")
    a.execute("commit")
    h.eq((one(a, "select 1"), one(b, "select 2")), (1, 2))
    w.kill()


def test_many_cancels_hit_only_their_own():
    w = one_worker("transaction size 1 wait 30s")
    stop = time.monotonic() + 3
    hits = {"own": 0, "other": 0, "ran": 0}

    def cancelled():
        c = connect("ana", w=w)
        while time.monotonic() < stop:
            timer = threading.Timer(random.uniform(0, 0.01), c.cancel)
            timer.start()
            try:
                c.execute("select pg_sleep(0.005)")
            except psycopg.errors.QueryCanceled:
                hits["own"] += 1
            timer.join()

    def innocent():
        c = connect("bo", w=w)
        while time.monotonic() < stop:
            try:
                c.execute("select pg_sleep(0.002)")
                hits["ran"] += 1
            except psycopg.errors.QueryCanceled:
                hits["other"] += 1
    threads = [threading.Thread(target=f) for f in (cancelled, innocent, innocent)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    h.check(hits["own"] > 10 and hits["ran"] > 10 and hits["other"] == 0, str(hits))
    w.kill()


def test_the_server_goes_and_comes_back():
    w = one_worker("transaction size 1 wait 5s")
    a, b = connect("ana", w=w), connect("bo", w=w)
    p = one(b, BACKEND)
    pg.super(f"select pg_terminate_backend({p})")
    h.wait_for(lambda: not alive(p))
    h.check(one(a, BACKEND) != p, "a dead connection")
    with_tx = connect("cy", w=w)
    with_tx.execute("begin")
    pg.super(f"select pg_terminate_backend({one(with_tx, BACKEND)})")
    fails(with_tx, "select 1", "terminating connection")
    h.eq(one(a, "select 1"), 1)
    pg.stop()
    e = fails(a, "select 1", "cannot be reached", "WEIR-TARGET")
    h.eq(e.sqlstate, "08006")
    fails(b, "select 1", "cannot be reached")
    pg.start()
    h.eq((one(a, "select 1"), one(b, "select 2")), (1, 2))
    w.kill()


def test_who_waits_too_long_is_told_and_goes_on():
    w = one_worker("transaction size 1 wait 1s queue 1")
    a, b, c = (connect(u, w=w) for u in ("ana", "bo", "cy"))
    a.execute("begin")
    e = fails(b, "select 1", "no connection to the target became free in time", "WEIR-POOL-FULL")
    h.eq(e.sqlstate, "53300")
    t = threading.Thread(target=lambda: fails(b, "select 1", "became free"))
    t.start()
    time.sleep(0.3)
    fails(c, "select 1", "too many sessions wait")
    t.join()
    a.execute("commit")
    h.eq((one(b, "select 1"), one(c, "select 2")), (1, 2))
    w.kill()


def test_weir_pools():
    w = one_worker("transaction size 2 wait 9s")
    a, b, c = (Raw(u, w=w) for u in ("ana", "bo", "cy"))
    for x in (a, b):
        x.query("begin")
        x.prepare("s", "select $1::int")
        h.eq(x.run("s", 1), "1")
    t = threading.Thread(target=c.query, args=("select 1",))
    t.start()

    def pool():
        r = w.cli("pools", "--json", "--as", "ana", "-c", w.conf_path, user="ana")
        h.eq(r.code, 0, repr(r))
        return r.json()["pools"][0]
    p = h.wait_for(lambda: pool()["waiting"] and pool(), what="one waits")
    h.eq([p[k] for k in ("target", "mode", "size", "in_use", "idle", "waiting")],
         ["orders", "transaction", 2, 2, 0, 1])
    h.check(p["longest_wait_s"] >= 0 and p["opened"] == 2, repr(p))
    r = w.cli("pools", "--as", "ana", "-c", w.conf_path, user="ana")
    h.eq(r.out.splitlines()[0].split(), "TARGET MODE SIZE IN USE IDLE WAITING LONGEST HANDOVERS"
         " PREPARED".split())
    h.eq(r.out.splitlines()[1].split()[:6], ["orders", "transaction", "2", "2", "0", "1"])
    a.query("commit")
    b.query("commit")
    t.join()
    with_it = Raw("cy", w=w)
    with_it.prepare("s", "select $1::int + 1")
    h.eq([with_it.run("s", 1) for _ in range(2)], ["2", "2"])
    p = h.wait_for(lambda: pool()["idle"] == 2 and pool(), what="all idle")
    h.check(p["handovers"] >= 3 and p["waits"] >= 1, repr(p))
    r = w.cli("pools", "-c", w.conf_path)
    h.eq(r.code, 2, repr(r))
    h.eq(w.cli("pools", "--help").code, 0)
    h.eq(w.cli("pools", "extra").code, 2)
    w.kill()


# -- the policy on a connection that changes -------------------------------------------------------

def test_a_held_command_holds_no_connection():
    w = one_worker("transaction size 1 wait 5s", policy=HOLDS)
    held = w.psql_start("delete from t where id = 7", user="planner-7")
    held.saw("waiting for approval")
    h.eq(w.psql("select 'goes on'", user="bo").out, "goes on")
    c = connect("bo", w=w)
    c.execute("begin")
    r = w.approvals("approve", w.pending()[0]["id"], "--reason", "fine")
    h.eq(r.code, 0, repr(r))
    time.sleep(0.3)
    h.check(held.p.poll() is None, "it ran without a connection")
    c.execute("commit")
    h.eq(held.wait().code, 0, repr(held.wait()))
    h.eq(pg.query("select count(*) from t where id = 7"), "0")
    w.kill()


def held(run, w, state=None):
    """Runs it in the background, and gives its request and how it ends."""
    end = {}

    def go():
        try:
            end["rows"] = run()
        except psycopg.Error as e:
            end["state"] = e.sqlstate
    t = threading.Thread(target=go)
    t.start()
    request = w.pending()[0]
    return t, request, end


def test_a_held_batch_holds_no_connection():
    w = one_worker("transaction size 1 wait 5s", policy=HOLDS)
    pg.query("insert into t select i, 'held' from generate_series(5700, 5740) i on conflict do nothing")
    a, b = connect("planner-7", w=w, prepare_threshold=None), connect("bo", w=w)
    ready = connect("cy", w=w, prepare_threshold=0)
    delete = "delete from t where id = %s and note = 'held'"

    def ways():
        yield "unnamed", lambda i: a.execute(delete, (i,)).rowcount
        # P D S with the server, then B E S.
        yield "named", lambda i: ready.execute(delete, (i,)).rowcount
        yield "again", lambda i: ready.execute(delete, (i,)).rowcount
        yield "exec_params", lambda i: int(a.pgconn.exec_params(
            delete.replace("%s", "$1").encode(), [str(i).encode()]).command_tuples or 0)
        yield "large", lambda i: a.execute(delete + " and %s <> ''", (i, "x" * 20000)).rowcount
    for i, (way, run) in enumerate(ways()):
        t, request, end = held(lambda: run(5700 + i), w)
        for _ in range(3):
            h.eq(one(b, "select 'goes on'"), "goes on", way)
        b.execute("begin")
        h.eq(w.approvals("approve", request["id"], "--reason", "fine").code, 0)
        time.sleep(0.2)
        h.check(t.is_alive(), f"{way}: it ran without a connection")
        b.execute("commit")
        t.join()
        h.eq(end, {"rows": 1}, way)
        t, request, end = held(lambda: run(5720 + i), w)
        h.eq(one(b, "select 1"), 1)
        h.eq(w.approvals("reject", request["id"], "--reason", "no").code, 0)
        t.join()
        h.check(end == {"state": "42501"} or end == {"rows": 0}, f"{way}: {end}")
        h.eq((one(a, "select 1"), one(ready, "select 2"), one(b, "select 3")), (1, 2, 3))
    h.eq(pg.query("select count(*) from t where note = 'held' and id between 5720 and 5730"), "11")
    t, request, end = held(lambda: a.execute(delete, (5735,)), w)
    a.cancel()
    t.join()
    h.eq(end, {"state": "57014"})
    # In a transaction it keeps its connection, and nobody may take longer than a minute.
    a.execute("begin")
    t, request, end = held(lambda: a.execute(delete, (5736,)).rowcount, w)
    e = fails(b, "select 1", "WEIR-POOL-FULL")
    h.eq(w.approvals("approve", request["id"], "--reason", "fine").code, 0)
    t.join()
    h.eq(end, {"rows": 1})
    a.execute("rollback")
    h.eq(one(b, "select count(*) from t where id = 5736"), 1)
    w.kill()


def test_a_held_batch_in_pieces_and_pipelines():
    """Whatever the client sends behind it waits, and what is not the batch that was released does not run."""
    w = one_worker("transaction size 1 wait 5s", policy=HOLDS)
    pg.query("insert into t select i, 'pieces' from generate_series(800, 820) i on conflict do nothing")

    def batch(i, text="delete from t where id = {}"):
        return (g._frame(b"P", b"\0" + text.format(i).encode() + b"\0\0\0") +
                g._frame(b"B", bytes(8)) + g._frame(b"E", b"\0" + bytes(4)))
    sync = g._frame(b"S")
    for n, cut in enumerate((1, 7, 40, 60, 75)):
        c = g.Client(w.conninfo("planner-7"))
        whole = batch(800 + n) + sync + batch(n, "select {}") + sync
        c.sock.sendall(whole[:cut])
        time.sleep(0.05)
        c.sock.sendall(whole[cut:])
        request = w.pending()[0]
        h.eq(w.psql("select 1", user="bo").out, "1", f"cut at {cut}")
        h.eq(w.approvals("approve", request["id"], "--reason", "fine").code, 0)
        got = b""
        while got.count(b"Z\0\0\0\5I") < 2:
            got += c.sock.recv(65536)
        h.has(got.decode(errors="replace"), "DELETE 1", "SELECT 1")
        c.sock.close()
        c.c.close()
    # A client that stops in the middle holds nothing, and is not waited for.
    c = g.Client(w.conninfo("planner-7"))
    c.sock.sendall(batch(810)[:-10])
    time.sleep(0.1)
    h.eq(w.psql("select 2", user="bo").out, "2")
    c.sock.sendall(batch(810)[-10:] + g._frame(b"X"))
    c.sock.close()
    c.c.close()
    h.eq(w.psql("select count(*) from t where id = 810", user="bo").out, "1")
    w.kill()


def test_masks_and_search_paths():
    w = one_worker("transaction size 2 wait 5s", policy=MASKS)
    a, b = connect("ana", w=w), connect("bo", w=w, options="-c search_path=other")
    c = connect("cy", w=w)
    for _ in range(3):
        h.eq(one(a, "select ssn from people"), "*******6789")
        h.eq(one(b, "select ssn from people"), "not masked")
        h.eq(one(c, "select %s || (select count(*)::text from people)", "n"), "n1")
        fails(a, "select upper(ssn) from people", "masked")
    with a.transaction():
        a.execute("set local search_path = other")
        h.eq(one(a, "select ssn from people"), "not masked")
    for x in (c, a, c, a):
        h.eq(one(x, "select ssn from people"), "*******6789")
    with a.cursor(binary=True) as cur:
        h.eq(cur.execute("select ssn from people where id = %s", (1,)).fetchone()[0], "*******6789")
    fails(a, "select * from generate_series(1, 100000)", "WEIR-LIMIT-ROWS")
    h.eq(one(c, "select 1"), 1)
    w.kill()


def test_a_goodbye_in_the_middle_frees_the_connection():
    """What the server waits for will not come: neither rows nor a Sync."""
    goodbye = b"X\0\0\0\4"
    query = g._frame(b"Q", b"copy t from stdin\0")
    batch = (g._frame(b"P", b"\0insert into t values (-77, 'q')\0\0\0") +
             g._frame(b"B", bytes(8)) + g._frame(b"E", b"\0" + bytes(4)))
    copies = batch.replace(b"insert into t values (-77, 'q')", b"copy t from stdin".ljust(31))
    for mode in ("transaction", "session"):
        w = one_worker(f"{mode} size 1 wait 2s")
        for parts in ([query, goodbye], [query + goodbye], [batch, goodbye], [batch + goodbye],
                      [copies + g._frame(b"S"), goodbye], [g._frame(b"Q", b"begin\0") + batch + goodbye]):
            c = g.Client(w.conninfo("ana"))
            for p in parts:
                c.sock.sendall(p)
                time.sleep(0.05) # either way is right
            c.sock.shutdown(socket.SHUT_RDWR)
            c.sock.close()
            c.c.close()
            b = connect("bo", w=w)
            h.eq(one(b, "select count(*) from t where note = 'q'"), 0)
            b.close()
        w.kill()


def test_a_reload_and_a_drain():
    w = one_worker("transaction size 2 wait 5s")
    a, b = connect("ana", w=w), connect("bo", w=w)
    a.execute("begin")
    w.pool = None
    w.configure(None, "limit workers 1\n")
    w.reload()
    h.wait_for(lambda: " reloaded " in w.log(), what="reloaded")
    h.eq((one(a, "select 1"), one(b, "select 2")), (1, 2))
    a.execute("commit")
    h.eq((one(a, "select 1"), one(connect("cy", w=w), "select 2")), (1, 2))
    a.execute("begin")
    t = threading.Timer(0.5, lambda: a.execute("commit"))
    t.start()
    h.eq(w.stop(), 0)
    t.join()


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
