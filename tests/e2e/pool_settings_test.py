#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Settings under `pool transaction`: what a client sets is its own, on whatever connection, with the
server's own rules for transactions; and no other client ever has it."""
import os, random, re, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create table people (id int, ssn text);
insert into people values (1, '123-45-6789');
create function lies() returns text immutable language sql as $$ select current_setting('app.tenant', true) $$;
create view lied as select lies() as who;
create table notes (tenant int, note text); insert into notes select n, 'of ' || n from generate_series(1, 4) n;
alter table notes enable row level security; alter table notes force row level security;
create policy own on notes using (tenant = nullif(current_setting('app.tenant', true), '')::int);
create schema other; create table other.people (id int, name text, ssn text);
insert into other.people values (1, 'ann', 'not masked');
"""
MASKS = """
policy p
data ssn = column public.people.ssn
default allow
mask ssn with last(4)
"""
NEW = os.environ.get("POOL_SERVER") == "18"
pg = weir = None


def setup():
    global pg, weir, psycopg
    import psycopg
    pg = h.Postgres(sql=SQL, folder=h.pg18() if NEW else None)
    weir = one_worker("transaction size 1 wait 20s")


def one_worker(pool, **kw):
    return h.Weir(pg, pool=pool, extra="limit workers 1\n", **kw)


def connect(user="ana", w=None, **kw):
    return psycopg.connect((w or weir).conninfo(user), autocommit=True,
                           **{"prepare_threshold": None, **kw})


def one(c, sql, *args):
    return c.execute(sql, args or None).fetchone()[0]


def state(c, sql, *args):
    """The SQLSTATE it fails with, or None."""
    try:
        c.execute(sql, args or None)
    except psycopg.Error as e:
        return e.sqlstate


def show(c, *names):
    return [one(c, f"show {n}") for n in names]


def carried():
    with open(f"{h.ROOT}/grammar/carried.def") as f:
        return re.findall(r'^CARRIED\("(\w+)", \w+, "(.*)"\)', f.read(), re.M)


LEFT = """select name, setting from pg_settings where source = 'session' and setting <> reset_val
          and name <> 'application_name'"""


# -- whose they are --------------------------------------------------------------------------------

def another_value(c, name):
    """One that is not what the session has, of the setting's type."""
    row = c.execute("select vartype, setting, enumvals, min_val, max_val from pg_settings where name = %s",
                    (name,)).fetchone()
    if not row:
        return None # of another version
    kind, now, values, low, high = row
    if name.endswith("_timeout"):
        return "77s"
    if kind == "bool":
        return "off" if now == "on" else "on"
    if kind == "enum":
        return next((v for v in values if v != now), None)
    if kind in ("integer", "real"):
        return low if float(now) == float(high) else f"{min(float(now) + 1, float(high)):g}"
    return {"search_path": "other", "default_tablespace": "pg_default", "temp_tablespaces": "pg_default",
            "default_text_search_config": "pg_catalog.german", "lc_monetary": "POSIX",
            "lc_numeric": "POSIX", "lc_time": "POSIX", "timezone_abbreviations": "India",
            "restrict_nonsystem_relation_kind": "view, foreign-table"}.get(name)


def test_every_setting_of_the_table_is_ones_own():
    a, b = connect("ana"), connect("bo")
    default = dict(b.execute("select name, setting from pg_settings").fetchall())
    seen = 0
    for name, values in carried():
        value = "0" if values else another_value(a, name)
        if value is None or name not in default:
            continue
        seen += 1
        a.execute(f"set {name} = '{value}'")
        h.eq(b.execute(LEFT).fetchall(), [], f"bo has what ana set: {name}")
        now = one(a, "select setting from pg_settings where name = %s", name)
        h.check(now != default[name] or values, f"{name} is not carried: {now}")
    h.check(seen > 70, f"only {seen} settings")
    want = dict(a.execute("select name, setting from pg_settings").fetchall())
    for _ in range(3):
        got = dict(b.execute("select name, setting from pg_settings").fetchall())
        h.eq({n: v for n, v in got.items() if v != default[n]},
             {"application_name": "bo"} if default["application_name"] != "bo" else {}, "of bo")
        got = dict(a.execute("select name, setting from pg_settings").fetchall())
        h.eq({n: v for n, v in got.items() if v != want[n]}, {}, "of ana")
    a.execute("reset all")
    h.eq((a.execute(LEFT).fetchall(), b.execute(LEFT).fetchall()), ([], []))


REFUSED = (
    "set role app", "reset role", "set session authorization app", "set session_replication_role = replica",
    "set backslash_quote = on", "set escape_string_warning = off", "set plpgsql.check_asserts = off",
    "set Plpgsql.variable_conflict = 'use_column'", "select set_config('my.\u00f6wn', 'x', false)",
    "select set_config('my' || '.own', 'x', false)", "set my.\"own name\" = 'x'", "select set_config('my..own', 'x', false)",
    "set debug_print_plan = on", "set log_statement = 'none'", "set temp_buffers = '1MB'",
    "set idle_session_timeout = '1ms'", "set transaction_timeout = '1ms'",
    "select set_config('idle_session_timeout', '5', false)", "set search_path = public, pg_temp",
    "set search_path = pg_temp", "select set_config('search_path', 'pg_' || 'temp', false)",
    "set local search_path = pg_temp", "select set_config('ro' || 'le', 'app', false)",
)


def test_what_is_not_harmless_stays_refused():
    a, b = connect("ana"), connect("bo")
    for sql in REFUSED:
        for run in (sql, f"begin; {sql}"):
            got = state(a, run)
            h.check(got in ("0A000", "42501"), f"not refused: {run}: {got}")
            a.execute("rollback")
        h.eq(b.execute(LEFT).fetchall(), [], sql)
    h.check(state(a, "set standard_conforming_strings = off") is not None, "strings")
    h.check(state(a, "set client_encoding = 'SJIS'") is not None, "encoding")


# -- like the server's own -------------------------------------------------------------------------

def test_transactions_and_savepoints():
    a, b = connect("ana"), connect("bo")
    steps = (
        ("set work_mem = '5MB'", "5MB"),
        ("begin; set work_mem = '6MB'; rollback", "5MB"),
        ("begin; set local work_mem = '7MB'; commit", "5MB"),
        ("begin; set work_mem = '8MB'; set local work_mem = '9MB'; commit", "8MB"),
        ("begin; set work_mem = '10MB'; savepoint s; set work_mem = '11MB'; rollback to s; commit", "10MB"),
        ("begin; savepoint s; set work_mem = '12MB'; release s; commit", "12MB"),
        ("begin; reset work_mem; rollback", "12MB"),
        ("select set_config('work_mem', '1' || '3MB', false)", "13MB"),
        ("select set_config('work_mem', '14MB', true)", "13MB"),
        ("begin; discard plans; reset all; rollback", "13MB"),
        ("set work_mem to default", "4MB"),
        ("set session work_mem = '15MB'", "15MB"),
        ("discard all", "4MB"),
    )
    for sql, want in steps:
        a.execute(sql)
        h.eq((one(b, "show work_mem"), one(a, "show work_mem"), one(a, "show work_mem")),
             ("4MB", want, want), sql)
    a.execute("begin; set work_mem = '16MB'")
    h.eq(state(a, "select 1/0"), "22012")
    a.execute("rollback")
    h.eq((one(b, "show work_mem"), one(a, "show work_mem")), ("4MB", "4MB"))
    h.eq(state(a, "set work_mem = 'much'"), "22023")
    h.check(state(a, "set work_memory = 'much'") is not None, "no such setting")
    a.execute("set session characteristics as transaction isolation level repeatable read, deferrable")
    h.eq((show(b, "transaction_isolation"), show(a, "transaction_isolation", "transaction_deferrable")),
         (["read committed"], ["repeatable read", "on"]))


def test_in_the_extended_protocol():
    a, b = connect("ana", prepare_threshold=0), connect("bo", prepare_threshold=0)
    a.execute("set extra_float_digits = 0", prepare=True)
    a.execute("select set_config(%s, '9MB', false)".replace("%s", "'work_mem'"), prepare=True)
    for _ in range(3):
        h.eq((show(b, "extra_float_digits", "work_mem"), show(a, "extra_float_digits", "work_mem")),
             (["1", "4MB"], ["0", "9MB"]))
        h.eq((one(b, "select 0.1::float8 + 0.2"), one(a, "select (0.1::float8 + 0.2)::text")),
             (0.30000000000000004, "0.3"))
    with a.pipeline():
        a.execute("set work_mem = '11MB'")
        x = a.execute("show work_mem")
        a.execute("set work_mem = '12MB'")
    h.eq((x.fetchone()[0], one(b, "show work_mem"), one(a, "show work_mem")), ("11MB", "4MB", "12MB"))


NAMES = ("work_mem", "extra_float_digits", "search_path", "statement_timeout", "timezone", "datestyle",
         "enable_sort", "default_transaction_isolation", "lock_timeout", "my.own", "My.Other")
VALUES = {"work_mem": ("1MB", "77kB", "no"), "extra_float_digits": ("0", "3", "99"),
          "search_path": ("other", "public, other", '"$user"', "''"), "statement_timeout": ("7s", "0"),
          "timezone": ("'Asia/Tokyo'", "'Nowhere'"), "datestyle": ("'German'", "'SQL, DMY'"),
          "enable_sort": ("off", "on"), "lock_timeout": ("3s", "1min"),
          "my.own": ("'it''s'", "7", "''"), "My.Other": ("'x'", '"y"', "on"),
          "default_transaction_isolation": ("'serializable'", "'repeatable read'")}


def current(c):
    """A name that nobody here has set is known where somebody else has: empty, not NULL."""
    return [one(c, "select coalesce(current_setting(%s, true), '')", n) for n in NAMES]


def random_step(rng):
    name = rng.choice(NAMES)
    return rng.choice((
        lambda: f"set {name} = {rng.choice(VALUES[name])}", lambda: f"set {name} = {rng.choice(VALUES[name])}",
        lambda: f"set local {name} = {rng.choice(VALUES[name])}", lambda: f"reset {name}",
        lambda: f"set {name} to default", lambda: "begin", lambda: "commit", lambda: "rollback",
        lambda: "savepoint s", lambda: "rollback to s", lambda: "release s", lambda: "reset all",
        lambda: "select 1/0", lambda: "select count(*) from people",
        lambda: f"begin; set {name} = {rng.choice(VALUES[name])}; savepoint t; reset {name}; rollback to t",
        lambda: f"select set_config('{name}', $${rng.choice(VALUES[name]).strip(chr(39))}$$, false)",
    ))()


def test_any_order_of_them_is_as_on_a_connection_of_ones_own():
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    rng = random.Random(seed)
    direct = f"host=127.0.0.1 port={pg.port} user=app password=app-secret dbname=orders"
    stop = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", 3))
    w = one_worker("transaction size 2 wait 20s")
    rounds = 0
    while time.monotonic() < stop or not rounds:
        users = list(h.KEYS)[:3]
        pairs = {u: (connect(u, w), psycopg.connect(direct, autocommit=True)) for u in users}
        done = []
        for _ in range(40):
            u = rng.choice(users)
            # Two connections, three users: at most one keeps its transaction open.
            if any(p[1].info.transaction_status for x, p in pairs.items() if x != u):
                u = next(x for x, p in pairs.items() if p[1].info.transaction_status)
            sql = random_step(rng)
            done.append(f"{u}: {sql}")
            got = [state(c, sql) for c in pairs[u]]
            h.eq(got[0], got[1], f"seed {seed}:\n" + "\n".join(done))
            for x, p in pairs.items():
                if p[1].info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
                    continue
                got = [current(c) for c in p]
                h.eq(got[0], got[1], f"seed {seed}: of {x} after\n" + "\n".join(done))
        for p in pairs.values():
            for c in p:
                c.close()
        rounds += 1
    w.kill()


# -- made up -----------------------------------------------------------------------------------------

OWN = "select current_setting('app.tenant', true)"


def test_what_is_made_up_is_ones_own():
    a, b, c = connect("ana"), connect("bo"), connect("cy")
    p = one(a, "select pg_backend_pid()")
    for sql, want in (
            ("set app.tenant = '7'", "7"), ("set App.Tenant to 'O''Neill \\ $$ \u00fc'", "O'Neill \\ $$ \u00fc"),
            ("select set_config('app.tenant', '8', false)", "8"), ("begin; set app.tenant = '9'; rollback", "8"),
            ("begin; set local app.tenant = '9'; commit", "8"), ("select set_config('app.tenant', '9', true)", "8"),
            ("begin; set app.tenant = '10'; savepoint s; set app.tenant = '11'; rollback to s; commit", "10"),
            ("reset app.tenant", ""), ("set app.tenant = '12'", "12"), ("reset all", ""),
            ("set app.tenant = '13'", "13"), ("discard all", ""), ("set app.tenant = '14'; set app.x.y = '1'", "14")):
        a.execute(sql)
        for _ in range(2):
            h.eq((one(b, OWN) or "", one(a, OWN), one(c, OWN) or ""), ("", want, ""), sql)
    h.eq(one(a, "select current_setting('app.x.y')"), "1")
    h.eq(state(a, "set app.tenant = '15'; select 1/0"), "22012")
    b.execute("set app.tenant = '20'")
    for _ in range(3):
        h.eq((one(a, OWN), one(b, OWN), one(c, OWN)), ("14", "20", ""))
    h.eq(one(c, "select pg_backend_pid()"), p, "the connection is the same")


def test_row_security_by_what_is_made_up():
    w = one_worker("transaction size 2 wait 20s")
    users = ("ana", "bo", "cy", "planner-7")
    failures = []

    def work(n):
        try:
            c = connect(users[n - 1], w, prepare_threshold=0)
            for i in range(40):
                if i % 10 == 5:
                    c.execute("reset app.tenant")
                    got, want = c.execute("select note from notes").fetchall(), []
                else:
                    if i % 10 in (0, 6):
                        c.execute("select set_config('app.tenant', %s, false)", (str(n),), prepare=True)
                    got, want = c.execute("select note from notes").fetchall(), [(f"of {n}",)]
                if got != want:
                    failures.append((n, i, got))
        except psycopg.Error as e:
            failures.append((n, str(e)))
    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2, 3, 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    h.eq(failures, [])
    h.eq(connect("ana", w).execute("select note from notes").fetchall(), [])
    w.kill()


def test_a_plan_is_not_shared_by_who_made_up_otherwise():
    """What a function says that lies about being immutable is part of the plan."""
    a, b = connect("ana"), connect("bo")
    a.execute("set app.tenant = 'of ana'")
    b.execute("set app.tenant = 'of bo'")
    for c in (a, b):
        h.eq(prepare(c, "s", "select who from lied"), None)
    for _ in range(3):
        for c, want in ((a, b"of ana"), (b, b"of bo")):
            h.eq(c.pgconn.exec_prepared(b"s", []).get_value(0, 0), want)


def test_bounds_of_what_is_made_up():
    a, b = connect("ana"), connect("bo")
    for n in range(64):
        a.execute(f"set many.n{n} = '{n}'")
    for sql in ("set many.more = '1'", "begin; set many.more = '1'", "select set_config('many.more', '1', false)"):
        try:
            a.execute(sql)
            raise h.Failure(f"not refused: {sql}")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "54000")
            h.has(f"{e.diag.message_primary}{e.diag.message_detail}{e.diag.message_hint}", "64", "WEIR-POOL", "SET LOCAL")
        a.execute("rollback")
    a.execute("set local many.more = '1'; set many.n5 = 'again'; reset many.n6")
    h.eq([one(a, f"select current_setting('many.n{n}')") for n in (0, 5, 6, 63)], ["0", "again", "", "63"])
    h.eq([one(b, f"select current_setting('many.n{n}', true)") or "" for n in (0, 5, 6, 63)], [""] * 4)
    b.execute("begin; " + "; ".join(f"set many.m{n} = 'x'" for n in range(40)) + "; rollback")
    h.eq(state(b, "; ".join(f"set many.k{n} = 'x'" for n in range(65))), "54000")
    # A value that is written out is refused; one that is not cannot be carried, and ends the session.
    h.eq(state(b, f"set app.tenant = '{'x' * 4097}'"), "54000")
    b.execute(f"set app.tenant = '{'x' * 4096}'")
    one(a, "select 1")
    h.eq(one(b, OWN), "x" * 4096)
    try:
        b.execute("select set_config('app.tenant', repeat('y', 5000), false)")
        b.execute("select 1")
        raise h.Failure("a long value was carried")
    except psycopg.Error:
        h.check(b.closed, "the session goes on without what it set")
    c = connect("cy")
    h.eq(one(c, OWN) or "", "")
    for n in range(4):
        c.execute(f"set app.long{n} = '{'x' * 4000}'")
    try:
        c.execute(f"set app.long5 = '{'x' * 4000}'")
        c.execute("select 1")
        raise h.Failure("too much was carried")
    except psycopg.Error:
        h.check(c.closed, "the session goes on")
    d = connect("planner-7")
    h.eq([one(d, f"select current_setting('app.long{n}', true)") or "" for n in (0, 3, 5)], [""] * 3)


def test_what_is_stored_sets_nothing():
    a = connect("ana")
    for sql in ("create view v as select set_config('app.tenant', '5', false)",
                "create materialized view m as select set_config('app.tenant', '5', false)"):
        h.eq(state(a, sql), "0A000", sql)
        a.execute("rollback")


# -- what is prepared ------------------------------------------------------------------------------

def prepare(c, name, sql):
    r = c.pgconn.prepare(name.encode(), sql.encode())
    return r.error_message.decode() if r.status != 1 else None


def run(c, name):
    r = c.pgconn.exec_prepared(name.encode(), [])
    return [r.fname(i).decode() for i in range(r.nfields)] if r.status == 2 else r.error_message.decode()


def test_a_statement_is_prepared_under_its_sessions_path():
    a, b = connect("ana"), connect("bo")
    sql = "select * from people"
    a.execute("set search_path = other")
    h.eq((prepare(a, "s", sql), prepare(b, "s", sql)), (None, None))
    for _ in range(3):
        h.eq((run(a, "s"), run(b, "s")), (["id", "name", "ssn"], ["id", "ssn"]))
    # What one prepares under a path of the moment is not what another runs.
    c, d = connect("cy"), connect("planner-7")
    text = "select * from people where true"
    c.execute("begin; set local search_path = other")
    h.eq(prepare(c, "s", text), None)
    h.eq(run(c, "s"), ["id", "name", "ssn"])
    c.execute("commit")
    h.eq(prepare(d, "s", text), None)
    for _ in range(3):
        h.eq((run(d, "s"), run(c, "s")), (["id", "ssn"], ["id", "ssn"]))
    d.execute("begin; set search_path = other")
    h.eq(prepare(d, "t", sql), None)
    d.execute("rollback")
    h.eq((run(a, "s"), run(b, "s")), (["id", "name", "ssn"], ["id", "ssn"]))
    b.execute("set work_mem = '9MB'")
    h.eq((run(a, "s"), run(b, "s"), run(d, "t")), (["id", "name", "ssn"], ["id", "ssn"], ["id", "ssn"]))


def test_masks_see_the_sessions_path():
    w = one_worker("transaction size 2 wait 5s", policy=MASKS)
    a, b = connect("ana", w), connect("bo", w)
    a.execute("set search_path = other")
    for _ in range(4):
        h.eq((one(a, "select ssn from people"), one(b, "select ssn from people")),
             ("not masked", "*******6789"))
    with a.transaction():
        h.eq(one(b, "select ssn from people"), "*******6789")
        h.eq(one(a, "select ssn from people"), "not masked")
        a.execute("reset search_path")
        h.eq(one(a, "select ssn from people"), "*******6789")
    for _ in range(4):
        h.eq((one(b, "select ssn from people"), one(a, "select ssn from people")), ("*******6789",) * 2)
    w.kill()


# -- what one could do to others -------------------------------------------------------------------

def test_a_short_timeout_is_ones_own():
    a, b = connect("ana"), connect("bo")
    a.execute("set statement_timeout = '1ms'; set lock_timeout = '1ms'; "
              "set idle_in_transaction_session_timeout = '1ms'")
    for _ in range(100):
        h.check(state(a, "select 1") in (None, "57014"), "ana is gone")
        h.eq(one(b, "select 'whole' from pg_sleep(0.005)"), "whole")
    h.eq(state(a, "select pg_sleep(1)"), "57014")
    h.eq(one(b, "show statement_timeout"), "0")


def serializable_writer():
    c = psycopg.connect(f"host=127.0.0.1 port={pg.port} user=app password=app-secret dbname=orders")
    c.execute("set transaction isolation level serializable")
    c.execute("create table if not exists written (a int)")
    c.execute("insert into written select count(*) from people")
    return c


WAITS = ("set default_transaction_isolation = serializable; set default_transaction_read_only = on; "
         "set default_transaction_deferrable = on")


def test_who_waits_for_a_safe_snapshot_waits_alone():
    writer = serializable_writer()
    for pool in ("transaction size 1 wait 3s", "session size 1 wait 3s"):
        w = one_worker(pool)
        a = connect("ana", w)
        a.execute(WAITS)
        if pool.startswith("session"):
            a.close()
        began = time.monotonic()
        h.eq(one(connect("bo", w), "select 'at once'"), "at once")
        h.check(time.monotonic() - began < 2.5, "it waited")
        w.kill()
    writer.rollback()


def test_nobody_hears_what_another_wants_to_hear():
    a, b = connect("ana"), connect("bo")
    heard = []
    b.add_notice_handler(lambda d: heard.append(d.message_primary))
    a.execute("set client_min_messages = debug5; set work_mem = '5MB'")
    for _ in range(3):
        one(a, "select 1")
        one(b, "select 1")
    h.eq(heard, [])


def test_who_leaves_at_once_leaves_nothing():
    for sql in ("set work_mem = '5MB'", "set search_path = other", WAITS, "set statement_timeout = '1ms'",
                "set app.tenant = '5'"):
        for way in ("goodbye", "gone"):
            c = connect("ana")
            c.pgconn.send_query(sql.encode())
            if way == "goodbye":
                c.pgconn.finish()
            else:
                os.close(os.dup(c.fileno()))
                os.closerange(c.fileno(), c.fileno() + 1)
            b = connect("bo")
            h.eq(b.execute(LEFT).fetchall(), [], f"{sql}, {way}")
            h.check(one(b, OWN) in (None, ""), f"{sql}, {way}")
            b.close()


def test_a_reload_to_another_mode_shares_nothing():
    w = one_worker("transaction size 2 wait 5s")
    a = connect("ana", w)
    a.execute("set timezone = 'Asia/Tokyo'; set work_mem = '5MB'")
    r = a.pgconn.prepare(b"s", b"select 'of ana'")
    h.eq(r.status, 1)
    w.pool = "session size 2 wait 5s"
    w.configure(None, "limit workers 1\n")
    w.reload()
    h.wait_for(lambda: " reloaded " in w.log(), what="reloaded")
    b = connect("bo", w)
    h.eq(show(b, "timezone", "work_mem"), [pg.super("show timezone"), "4MB"])
    h.eq(one(b, "select count(*) from pg_prepared_statements"), 0)
    h.eq(show(a, "timezone", "work_mem"), ["Asia/Tokyo", "5MB"])
    w.kill()


def test_a_connection_says_whose_it_is():
    seen = "select application_name from pg_stat_activity where pid = "
    for pool in ("transaction size 1 wait 5s", "session size 2 wait 5s"):
        w = one_worker(pool)
        a = connect("ana", w, application_name="tool")
        for sql, want in (("select 1", "ana/tool"), ("set application_name = 'nobody'", "ana/nobody"),
                          ("set application_name = 'bo/psql'", "ana/bo/psql"),
                          ("set application_name = 'analyst'", "ana/analyst"),
                          ("set application_name = ''", "ana"), ("set application_name = 'x'; reset all", "ana"),
                          ("discard all", "ana"), ("set application_name = 'ana/x'", "ana/x"),
                          ("select set_config('application_name', 'y', false)", "ana/y")):
            a.execute(sql)
            a.execute("begin")
            h.eq(pg.super(seen + str(one(a, "select pg_backend_pid()"))), want, f"{pool}: {sql}")
            a.execute("commit")
            h.eq(one(a, "show application_name"), want)
            h.eq(a.info.parameter_status("application_name"), want)
        w.kill()


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
