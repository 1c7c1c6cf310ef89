#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Attacks at the moment a server connection changes hands: cancels at any time, and sessions that leave
behind what the next one, or the cleaning between, should stumble over."""
import os, random, socket, struct, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create table t (id int primary key, note text); create table u ();
insert into t select i, 'note ' || i from generate_series(1, 200) i;
"""
pg = None
SECONDS = float(os.environ.get("FUZZ_SECONDS", 4))


def setup():
    global pg, psycopg
    import psycopg
    pg = h.Postgres(sql=SQL)


def connect(w, user, **kw):
    return psycopg.connect(w.conninfo(user), autocommit=True, **kw)


def one(c, sql):
    return c.execute(sql).fetchone()[0]


# -- cancels ---------------------------------------------------------------------------------------

def guess(port, pid, key):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(struct.pack("!IIII", 16, 80877102, pid, key))
        s.recv(1)


def attacked(pool, workers):
    """Two sessions cancel themselves at random times, two come and go and leave cancels behind, one guesses;
    three never asked for any, and must never see one."""
    w = h.Weir(pg, pool=pool, extra=f"limit workers {workers}\n")
    stop = time.monotonic() + SECONDS
    seen = {"own": 0, "late": 0, "other": 0, "ran": 0, "fired": 0}
    rng = random.Random(7)

    def fire(cancel, after):
        time.sleep(after)
        try:
            cancel.cancel()
            seen["fired"] += 1
        except psycopg.Error:
            pass

    def cancels():
        c = connect(w, "ana")
        while time.monotonic() < stop:
            k = c.pgconn.get_cancel()
            timers = [threading.Thread(target=fire, args=(k, rng.uniform(0, 0.012)))
                      for _ in range(rng.choice((1, 1, 3)))]
            for t in timers:
                t.start()
            try:
                if rng.random() < 0.3:
                    c.execute("begin")
                    c.execute("select pg_sleep(0.004)")
                c.execute("select pg_sleep(0.006)")
            except psycopg.errors.QueryCanceled:
                seen["own"] += 1
            for t in timers:
                t.join()
            # All of them were taken: nothing of them may be left for what comes now.
            try:
                c.execute("rollback")
                c.execute("select pg_sleep(0.002)")
            except psycopg.errors.QueryCanceled:
                seen["late"] += 1

    def leaves():
        while time.monotonic() < stop:
            c = connect(w, "cy")
            k = c.pgconn.get_cancel()
            timers = [threading.Thread(target=fire, args=(k, rng.uniform(0, 0.01))) for _ in range(2)]
            c.pgconn.send_query(b"select pg_sleep(0.003)")
            for t in timers:
                t.start()
            time.sleep(rng.uniform(0, 0.006))
            c.pgconn.finish() # in the middle, or behind it
            for t in timers:
                t.join()

    def guesses():
        while time.monotonic() < stop:
            try:
                guess(w.port, rng.randrange(workers) << 24 | rng.randrange(40), rng.randrange(1 << 32))
            except OSError:
                pass

    def innocent():
        c = None
        while time.monotonic() < stop:
            try:
                if not c or rng.random() < 0.1:
                    c = connect(w, "bo", prepare_threshold=1)
                c.execute("select pg_sleep(%s), 'mine'", (0.002,))
                with c.transaction():
                    c.execute("select 1")
                    c.execute("select pg_sleep(0.001)")
                seen["ran"] += 2
            except psycopg.errors.QueryCanceled:
                seen["other"] += 1
    threads = [threading.Thread(target=f)
               for f in (cancels, cancels, leaves, leaves, guesses, innocent, innocent, innocent)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    w.kill()
    h.check(seen["other"] == 0, f"{pool}: another session's cancel: {seen}")
    h.check(seen["late"] == 0, f"{pool}: a cancel that was over: {seen}")
    h.check(seen["own"] > 3 and seen["ran"] > 20 and seen["fired"] > 50, f"{pool}: {seen}")
    print(f"# {pool}: {seen}")


def test_cancels_by_transaction():
    attacked("transaction size 2 wait 30s", 1)


def test_cancels_by_transaction_of_several_workers():
    attacked("transaction size 4 wait 30s", 2)


def test_cancels_by_session():
    attacked("session size 6 wait 30s", 1)


# -- what the cleaning stumbles over ---------------------------------------------------------------

LEFT = (
    "create temp table x (a int); insert into x select generate_series(1, 1000);"
    " declare c cursor with hold for select * from x",
    "begin; create temp table y (a int) on commit drop; declare c cursor for select * from y; fetch c",
    "set statement_timeout = '1ms'; set lock_timeout = '1ms'; set idle_in_transaction_session_timeout = '1ms'",
    "set default_transaction_isolation = serializable; set default_transaction_read_only = on;"
    " set default_transaction_deferrable = on",
    "select pg_advisory_lock(815)", "listen news; notify news, 'x'", "prepare p as select 1",
    "begin; lock table u", "begin; select 1/0", "set role app; set search_path = pg_temp",
    "create temp view v as select 1; create temp sequence s; select nextval('s')",
    "do $$ begin perform pg_sleep(0); end $$", "select lo_open(lo_from_bytea(0, 'x'), 262144)",
    "begin; select pg_terminate_backend(pg_backend_pid())", "discard all", "deallocate all; reset all",
    "set idle_session_timeout = '1ms'", "set session characteristics as transaction read only",
    "do $$ begin for i in 1..300 loop execute 'create temp table many' || i || ' (a int)'; end loop; end $$;"
    " set statement_timeout = '1ms'",
)
TRACES = """select (select count(*) from pg_locks where locktype = 'advisory')
  + (select count(*) from pg_prepared_statements) + (select count(*) from pg_cursors)
  + (select count(*) from pg_class where relpersistence = 't' and pg_table_is_visible(oid))
  + (select count(*) from pg_settings where source = 'session' and setting <> reset_val
     and name <> 'application_name') + (select count(*) from pg_listening_channels())"""


def test_whatever_is_left_is_cleaned_or_closed():
    writer = psycopg.connect(f"host=127.0.0.1 port={pg.port} user=app password=app-secret dbname=orders")
    writer.execute("set transaction isolation level serializable")
    writer.execute("update t set note = 'changed' where id = (select max(id) from t)")
    for pool in ("session size 1 wait 4s", "transaction size 1 wait 4s max-prepared 1"):
        w = h.Weir(pg, pool=pool, extra="limit workers 1\n")

        def pools():
            return w.cli("pools", "--json", "--as", "ana", "-c", w.conf_path, user="ana").json()["pools"][0]
        for sql in LEFT:
            before = pools()["opened"]
            a = connect(w, "ana")
            try:
                a.execute(sql)
            except psycopg.Error:
                pass # refused, or it ended itself
            if pool.startswith("session") or a.closed or a.info.transaction_status != 0:
                a.close()
            began = time.monotonic()
            b = connect(w, "bo", prepare_threshold=None)
            h.eq(b.execute("select 'served'").fetchone()[0], "served")
            h.check(time.monotonic() - began < 3, f"{pool}: {sql} made the next wait")
            if pool.startswith("session"):
                h.eq(one(b, TRACES), 0, f"{pool}: left of {sql}")
            else:
                h.eq(one(b, TRACES.replace("(select count(*) from pg_prepared_statements)", "0")), 0,
                     f"{pool}: left of {sql}")
            b.close()
            # One connection for another, if need be; never again and again.
            h.check(pools()["opened"] - before <= 2, f"{pool}: {sql} opened {pools()['opened'] - before}")
            a.close()
        h.lacks(w.log(), "assert", "restored")
        w.kill()
    writer.rollback()


def test_the_server_ends_a_connection_that_is_asked_or_set():
    w = h.Weir(pg, pool="transaction size 2 wait 5s", extra="limit workers 1\n")
    one(connect(w, "ana"), "select 1") # the catalog is read with the same login, and ended as well as any other
    stop = time.monotonic() + SECONDS / 2
    lost, ran = [0], [0]

    def terminates():
        while time.monotonic() < stop:
            pg.super("select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'"
                     " and random() < 0.5")

    def sets(user):
        c = None
        while time.monotonic() < stop:
            try:
                c = c if c and not c.closed else connect(w, user, prepare_threshold=None)
                c.execute(f"set work_mem = '{random.randrange(1, 9)}MB'")
                c.execute("select 1")
                ran[0] += 1
            except psycopg.Error as e:
                lost[0] += 1
                h.check(e.sqlstate in (None, "57P01", "08006", "08001", "53300"), f"{e.sqlstate} {e}")
    threads = [threading.Thread(target=terminates)] + \
        [threading.Thread(target=sets, args=(u,)) for u in ("ana", "bo", "cy")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    h.check(ran[0] > 20, f"{ran} ran, {lost} lost")
    h.eq(one(connect(w, "planner-7"), "show work_mem"), "4MB")
    w.kill()


def test_copy_data_that_belongs_to_no_copy():
    """PostgreSQL ignores it, also in the middle of a batch; nobody keeps a connection with it."""
    import raw
    batch = raw.parse("", "select 1") + raw.bind() + raw.execute()
    for pool in (None, "session size 1 wait 5s", "transaction size 1 wait 5s"):
        w = h.Weir(pg, pool=pool, extra="limit workers 1\n")
        for stray in (raw.frame("f", raw.z("no")), raw.frame("c"), raw.frame("d", b"1\n") + raw.frame("c")):
            for before, after, n in ((batch, b"", 1), (batch, batch, 2), (batch + raw.SYNC, batch, 2), (b"", batch, 1),
                                     (raw.query("select 1"), raw.query("select 1"), 2)):
                c = raw.Raw(w.conninfo(), seconds=10)
                c.send(before + stray + after + raw.SYNC + raw.query("select 2"))
                got = []
                while ("D", b"\0\1\0\0\0\0012") not in got:
                    got += c.ready()
                h.eq([k for k, _ in got].count("D"), n + 1, f"{pool}: {got}")
                h.check("E" not in [k for k, _ in got], f"{got}")
                c.close()
            left = raw.Raw(w.conninfo(), seconds=10)
            left.send(batch + stray)
            left.close()
        h.eq(one(connect(w, "ana"), "select 3"), 3)
        w.kill()


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
