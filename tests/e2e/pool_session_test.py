#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`pool session`: server connections are used again, and nothing of a session is in them when the
next one gets them."""
import os, select, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create table t (id serial primary key, note text);
create function remember(v text) returns text language plpgsql as
  $$ begin perform set_config('my.own', v, false); return v; end $$;
"""
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL)
    pg.super("create role reader; grant reader to app")
    weir = one_worker("session size 1 wait 10s") # whoever comes gets the one that there is


def one_worker(pool, **kw):
    return h.Weir(pg, pool=pool, extra="limit workers 1\n", **kw)


def pid(w=None, user="planner-7", options=(), conn=""):
    r = h.run(h.psql_argv((w or weir).port, user, "orders", "select pg_backend_pid()", options, conn),
              env={"PGPASSWORD": h.KEYS[user]})
    h.check(r.code == 0, repr(r))
    return r.out


def alive(p):
    return pg.super(f"select count(*) from pg_stat_activity where pid = {p}") == "1"


def idle_again(p):
    """The connection was cleaned after its session, or is gone."""
    h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where pid = "
                                f"{p} and not (state = 'idle' and query = 'discard all')") == "0",
               what="cleaned")


def connect(user="planner-7", w=None, **kw):
    import psycopg
    return psycopg.connect((w or weir).conninfo(user), autocommit=True, **kw)


def used_by_next(p, user="ana"):
    """True: the next session got the same server connection."""
    idle_again(p)
    return pid(user=user) == p


def test_a_connection_serves_one_session_after_the_other():
    first = pid()
    for user in ("ana", "bo", "planner-7"):
        h.check(used_by_next(first, user), "another server connection")


def test_it_says_whose_it_is():
    with connect(application_name="report") as c:
        h.eq(c.execute("show application_name").fetchone()[0], "planner-7/report")
        h.eq(c.info.parameter_status("application_name"), "planner-7/report")
        p = c.info.backend_pid
        h.eq(pg.super("select application_name from pg_stat_activity where application_name like"
                      " '%/report'"), "planner-7/report")
    with connect("ana", application_name="") as c:
        h.has(c.execute("show application_name").fetchone()[0], "ana")


LEAVES = {
    "a setting": ("set work_mem = '7MB'", "show work_mem", "4MB"),
    "a time zone": ("set timezone = 'Asia/Tokyo'", "show timezone", None),
    "a temporary table": ("create temp table left_here (a int)",
                          "select count(*) from pg_class where relname = 'left_here'", "0"),
    "a prepared statement": ("prepare p as select 1", "select count(*) from pg_prepared_statements",
                             "0"),
    "an advisory lock": ("select pg_advisory_lock(42)",
                         "select count(*) from pg_locks where locktype = 'advisory'", "0"),
    "a cursor": ("begin; declare c cursor with hold for select 1; commit",
                 "select count(*) from pg_cursors", "0"),
    "a channel": ("listen news", "select count(*) from pg_listening_channels()", "0"),
    "a role": ("set role reader", "select current_user", "app"),
    "a search path": ("set search_path = pg_catalog", "show search_path", '"$user", public'),
    "a read-only default": ("set session characteristics as transaction read only",
                            "show default_transaction_read_only", "off"),
}


def test_nothing_is_left():
    for what, (leave, look, want) in LEAVES.items():
        before = weir.psql(look).out
        r = weir.psql(f"{leave}; select pg_backend_pid()")
        h.check(r.code == 0, f"{what}: {r}")
        p = r.out.splitlines()[-1]
        idle_again(p)
        r = weir.psql(f"{look}; select pg_backend_pid()", user="ana")
        h.eq(r.out.splitlines(), [want if want is not None else before, p], what)


def test_the_last_value_of_a_sequence_is_not_left():
    p = weir.psql("insert into t (note) values ('x'); select pg_backend_pid()").out
    idle_again(p)
    r = weir.psql("select lastval()", user="ana")
    h.has(r.err, "lastval is not yet defined")


def test_a_protocol_prepared_statement_is_not_left():
    with connect() as c:
        p = c.execute("select pg_backend_pid()").fetchone()[0]
        for i in range(3):
            c.execute("select %s::int", (i,), prepare=True)
        h.eq(c.execute("select count(*) from pg_prepared_statements").fetchone()[0], 1)
    idle_again(p)
    with connect("ana") as c:
        h.eq(c.execute("select pg_backend_pid()").fetchone()[0], p)
        h.eq(c.execute("select count(*) from pg_prepared_statements").fetchone()[0], 0)


def test_what_cannot_be_undone_ends_the_connection():
    for leave in ("select remember('x')", "do $$ begin perform set_config('my.own', 'x', false); end $$",
                  "set my.own = 'x'", "select setseed(0.5)", "explain select remember('x')"):
        r = weir.psql(f"{leave}; select pg_backend_pid()")
        p = r.out.splitlines()[-1] if r.code == 0 else None
        h.check(p, f"{leave}: {r}")
        h.wait_for(lambda: not alive(p), what=f"the connection ends after {leave}")
    h.eq(weir.psql("select current_setting('my.own', true) is null").out, "t")


def test_what_was_left_in_the_middle_ends_the_connection():
    for leave in ("begin; select pg_backend_pid()", "begin; select pg_backend_pid(); select 1/0"):
        r = weir.psql(leave, options=("-v", "ON_ERROR_STOP=0"))
        p = r.out.splitlines()[0]
        h.wait_for(lambda: not alive(p), what=f"the connection ends after {leave}")
    c = weir.psql_start("select pg_sleep(60)")
    p = h.wait_for(lambda: pg.super("select pid from pg_stat_activity where query = "
                                    "'select pg_sleep(60)' and state = 'active'"), what="it runs")
    c.p.kill()
    h.wait_for(lambda: not alive(p), what="the connection ends with its client")


def test_reset_goes_back_to_the_startup_packet():
    conn = "options='-c work_mem=9MB'"
    sql = "set work_mem = '10MB'; reset work_mem; show work_mem"
    p = pid(conn=conn)
    h.check(pid() != p, "a session without the setting got the connection with it")
    h.check(not alive(p), "more connections than there may be")
    for user in ("ana", "bo"):
        r = h.run(h.psql_argv(weir.port, user, "orders", sql, conn=conn),
                  env={"PGPASSWORD": h.KEYS[user]})
        h.eq(r.out, "9MB", repr(r))
    h.eq(weir.psql(sql).out, "4MB")
    r = h.run(h.psql_argv(weir.port, "ana", "orders", "select 1", conn="options='-c work_mem=lots'"),
              env={"PGPASSWORD": "k-ana"})
    h.has(r.err, "invalid value for parameter")


def test_a_role_by_default_is_not_lost():
    pg.super("alter role app set role = 'reader'")
    try:
        w = one_worker("session size 2")
        for user in ("planner-7", "ana", "bo"):
            h.eq(w.psql("select current_user", user=user).out, "reader")
        w.kill()
    finally:
        pg.super("alter role app reset role")


def test_who_finds_none_free_waits():
    w = one_worker("session size 1 wait 2s queue 1")
    with connect(w=w) as c:
        held = c.execute("select pg_backend_pid()").fetchone()[0]
        second = w.psql_start("select pg_backend_pid()", user="ana")
        time.sleep(0.3)
        r = w.psql("select 1", user="bo")
        h.has(r.err, "too many sessions wait", "WEIR-POOL-FULL")
    h.eq(second.wait().out, str(held))
    with connect(w=w) as c:
        began = time.monotonic()
        r = w.psql("select 1", user="bo")
        h.has(r.err, "no connection to the target became free in time", "WEIR-POOL-FULL", "HINT")
        h.check(1.5 < time.monotonic() - began < 10, "did not wait for the time configured")
    h.eq(w.psql("select 1", user="bo").out, "1")
    w.kill()


def test_workers_share_the_size():
    w = h.Weir(pg, pool="session size 2 wait 10s", extra="limit workers 4\n")
    done = []

    def one(i):
        r = w.psql("select pg_sleep(0.05)", user="ana")
        done.append(r.code)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
    for t in threads:
        t.start()
    most = 0
    while any(t.is_alive() for t in threads):
        most = max(most, int(pg.super("select count(*) from pg_stat_activity where application_name"
                                      " = 'ana/psql'")))
    for t in threads:
        t.join()
    h.eq(done, [0] * 16)
    h.check(1 <= most <= 2, f"{most} server connections at a time")
    w.kill()


def test_a_cancel_reaches_the_command_and_no_other():
    import psycopg
    with connect() as c:
        t = threading.Timer(0.3, c.cancel)
        t.start()
        try:
            c.execute("select pg_sleep(30)")
            h.check(False, "not cancelled")
        except psycopg.errors.QueryCanceled:
            pass
        p = c.execute("select pg_backend_pid()").fetchone()[0]
        old = c.pgconn.get_cancel()
        time.sleep(0.5) # until the cancel is settled: before that the connection would be closed
    idle_again(p)
    with connect("ana") as c:
        h.eq(c.execute("select pg_backend_pid()").fetchone()[0], p)
        t = threading.Timer(0.2, old.cancel)
        t.start()
        c.execute("select pg_sleep(0.6)")
        t.join()


def test_the_server_may_close_and_restart():
    p = pid()
    idle_again(p)
    pg.super(f"select pg_terminate_backend({p})")
    h.wait_for(lambda: not alive(p))
    h.check(pid() != p, "a dead connection was used")
    idle_again(pid())
    pg.stop()
    h.has(weir.psql("select 1").err, "WEIR-TARGET")
    pg.start()
    h.eq(h.wait_for(lambda: weir.psql("select 1").out, what="it recovers"), "1")


def test_idle_connections_are_closed():
    w = one_worker("session size 2 idle 1s")
    p = pid(w)
    h.check(alive(p), "closed at once")
    h.wait_for(lambda: not alive(p), 5, "closed after a second")
    w.kill()


def test_a_reload_changes_the_pool():
    w = one_worker("session size 3")
    many = [connect(w=w) for _ in range(3)]
    pids = [c.execute("select pg_backend_pid()").fetchone()[0] for c in many]
    w.pool = "session size 1"
    w.configure(None, "limit workers 1\n")
    w.reload()
    h.wait_for(lambda: " reloaded " in w.log(), what="reloaded")
    for c in many:
        c.close()
    h.wait_for(lambda: sum(alive(p) for p in pids) <= 1, what="at most one is left")
    w.pool = None
    w.configure(None, "limit workers 1\n")
    w.reload()
    h.wait_for(lambda: not any(alive(p) for p in pids), what="none is left")
    h.eq(w.psql("select 1").out, "1")
    w.kill()


def test_it_drains():
    w = one_worker("session size 3")
    p = pid(w)
    busy = w.psql_start("select pg_sleep(1), pg_backend_pid()")
    h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where state = 'active' and"
                                " query like 'select pg_sleep(1)%'") == "1")
    h.eq(w.stop(), 0)
    r = busy.wait()
    h.eq(r.code, 0, repr(r))
    h.wait_for(lambda: not alive(p) and not alive(r.out.split("|")[1]))


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
