#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Code that nobody sees run (triggers, defaults, functions in views, policies and the like) leaves something in
a server connection that sessions share: the next session finds none of it, and what runs no such code costs
nothing for that."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SERVER = os.environ.get("POOL_SERVER")
# What the code does, by what is left.
LEAVES = {
    "setting": "perform set_config('app.tenant', '7', false)",
    "memory": "perform set_config('work_mem', '123MB', false)",
    "path": "perform set_config('search_path', 'elsewhere, public', false)",
    "role": "execute 'set role other'",
    "read-only": "perform set_config('default_transaction_read_only', 'on', false)",
    "isolation": "perform set_config('default_transaction_isolation', 'serializable', false), "
                 "set_config('default_transaction_deferrable', 'on', false)",
    "timeout": "perform set_config('statement_timeout', '77s', false)",
    "zone": "perform set_config('TimeZone', 'Asia/Tokyo', false)",
    "lock": "perform pg_advisory_lock(42)",
    "channel": "execute 'listen passed'",
    "sequence": "perform nextval('numbers')",
    "table": "execute 'create temporary table passed as select 1 as a'",
    "statement": "execute 'prepare passed as select 1'",
    "cursor": "execute 'declare passed cursor with hold for select 1'",
}
# A table or view each, and the command that makes it run leave('setting'). Functions say that they are immutable
# where nothing else may stand there.
WAYS = {
    "default": ("create table by_default (a int default left_int())", "insert into by_default values (default)"),
    "check": ("create table by_check (a int check (left_bool()))", "insert into by_check values (1)"),
    "generated": ("create table by_generated (a int, b int generated always as (left_int(a)) stored)",
                  "insert into by_generated values (1)"),
    "index": ("create table by_index (a int); create index on by_index ((left_int(a)))",
              "insert into by_index values (1)"),
    "predicate": ("create table by_predicate (a int); create index on by_predicate (a) where left_bool(a)",
                  "insert into by_predicate values (1)"),
    # What the planner takes for constant it runs when the table is read.
    "index of a constant": ("create table by_constant (a int); create index on by_constant ((a + left_int(1)))",
                            "select a from by_constant where a = 1"),
    "check of a constant": ("create table by_parent (a int); create table by_child (check (left_bool()))"
                            " inherits (by_parent)", "select a from by_parent where a = 1"),
    "statistics of a constant": ("create table by_statistics (a int);"
                                 "create statistics by_s on (a + left_int(1)) from by_statistics",
                                 "select a from by_statistics where a = 1"),
    "domain": ("create domain checked as int check (left_bool()); create table by_domain (a checked)",
               "insert into by_domain values (1)"),
    "rule": ("create table by_rule (a int); create rule r as on insert to by_rule do also select left_int()",
             "insert into by_rule values (1)"),
    "view": ("create view by_view as select left_int() as a", "select a from by_view"),
    "view of a view": ("create view by_views as select a from by_view", "select * from by_views"),
    "built-in view": ("create view by_set as select set_config('app.tenant', '7', false) as a",
                      "select a from by_set"),
    "built-in default": ("create table by_set_default (a int, b text default set_config('app.tenant', '7', false))",
                         "insert into by_set_default values (1)"),
    "operator": ("create function same(int, int) returns bool language sql as 'select left_bool()';"
                 "create operator ==== (function = same, leftarg = int, rightarg = int);"
                 "create table by_operator (a int check (a ==== 1))", "insert into by_operator values (1)"),
    "policy": ("create table by_policy (a int); insert into by_policy values (1);"
               "alter table by_policy enable row level security; alter table by_policy force row level security;"
               "create policy p on by_policy using (left_bool())", "select a from by_policy"),
    "policy's table": ("create table by_reading (a int); insert into by_reading values (1);"
                       "alter table by_reading enable row level security;"
                       "alter table by_reading force row level security;"
                       "create policy p on by_reading using (exists (select from by_view where a = 1))",
                       "select a from by_reading"),
    "trigger": ("create table by_trigger (a int); create trigger t after insert on by_trigger for each row "
                "execute function fires('setting')", "copy by_trigger from stdin"),
    "partition": ("create table by_part (a int) partition by range (a);"
                  "create table by_part_1 partition of by_part for values from (0) to (9);"
                  "create trigger t after insert on by_part_1 for each row execute function fires('setting')",
                  "insert into by_part values (1)"),
    "cascade": ("create table by_cascade (a int primary key); insert into by_cascade values (1);"
                "create table by_cascade_to (a int references by_cascade on delete cascade);"
                "insert into by_cascade_to values (1);"
                "create trigger t after delete on by_cascade_to for each row execute function fires('setting')",
                "delete from by_cascade where a = 1"),
    "deferred": ("create table by_deferred (a int); create constraint trigger t after insert on by_deferred "
                 "deferrable initially deferred for each row execute function fires('setting')",
                 "begin; insert into by_deferred values (1); commit"),
    "type": ("create type two as (a int); create function of_two(two) returns bool language sql immutable "
             "as 'select left_bool()'; create table by_type (a two check (of_two(a)))",
             "insert into by_type values (row(1))"),
}
SQL = """
create table plain (id int primary key, note text);
insert into plain select i, 'note ' || i from generate_series(1, 9) i;
create view plain_view as select id, upper(note) as note from plain where id > 0;
create type mood as enum ('good');
create table usual (id uuid primary key default gen_random_uuid(), at timestamptz default now(),
    note text check (length(note) < 99) not null unique, parent uuid references usual, how mood default 'good');
create index on usual (lower(note)) where note <> '';
create sequence numbers;
create table leaver (what text);
create function leave(what text) returns void language plpgsql as $$ begin case what
""" + "".join(f"when '{what}' then {code};\n" for what, code in LEAVES.items()) + """
when 'seed' then perform setseed(0.5);
when 'ours' then execute (select 'deallocate ' || name from pg_prepared_statements where name ~ '^weir_' limit 1);
when 'replaced' then
  what := (select name from pg_prepared_statements where name ~ '^weir_' limit 1);
  execute 'deallocate ' || what;
  execute 'prepare ' || what || '(int) as select ''not what was prepared''::text';
end case; end $$;
create function left_int(a int default 1) returns int language plpgsql immutable as
$$ begin perform public.leave('setting'); return 1; end $$;
create function left_bool(a int default 1) returns bool language plpgsql immutable as
$$ begin perform public.leave('setting'); return true; end $$;
create function fires() returns trigger language plpgsql as
$$ begin perform leave(coalesce(tg_argv[0], to_jsonb(new) ->> 'what')); return null; end $$;
create trigger t after insert on leaver for each row execute function fires();
create function last() returns text language plpgsql as
$$ begin return lastval(); exception when object_not_in_prerequisite_state then return 'none'; end $$;
create function found(out pid int, out what text[]) language sql as $$ select pg_backend_pid(), array[
'setting ' || coalesce(nullif(current_setting('app.tenant', true), ''), 'none'),
'memory ' || current_setting('work_mem'), 'path ' || current_setting('search_path'), 'role ' || current_user,
'read-only ' || current_setting('default_transaction_read_only'),
'isolation ' || current_setting('default_transaction_isolation') || current_setting('default_transaction_deferrable'),
'timeout ' || current_setting('statement_timeout'), 'zone ' || current_setting('TimeZone'),
'lock ' || (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'),
'channel ' || (select count(*) from pg_listening_channels()), 'sequence ' || last(),
'table ' || (select count(*) from pg_class where relnamespace = pg_my_temp_schema()),
'statement ' || (select count(*) from pg_prepared_statements where from_sql),
'cursor ' || (select count(*) from pg_cursors where is_holdable)] $$;
""" + ";\n".join(made for made, _ in WAYS.values())
pg = None


def setup():
    global pg, psycopg
    import psycopg
    pg = h.Postgres(folder=h.pg18() if SERVER == "18" else None, sql="select 1")
    pg.super("create role other; grant other to app; create schema elsewhere authorization app")
    h.Postgres._ok(pg.psql(SQL))


def gateway(pool="transaction size 1 wait 5s", **kw):
    # A connection belongs to a worker.
    return h.Weir(pg, pool=pool, extra="limit workers 1\n", **kw)


def connect(w, user, **kw):
    return psycopg.connect(w.conninfo(user), autocommit=True, **kw)


def one(c, sql, *args):
    return c.execute(sql, *args).fetchone()[0]


def found(w):
    """As somebody else finds the connection; what they call closes it behind them."""
    with connect(w, "cy", application_name="") as c:
        pid, what = c.execute("select * from found()").fetchone()
        return pid, what


def leave(c, command):
    if command.startswith("copy"):
        with c.cursor().copy(command) as copy:
            copy.write("1\n")
    else:
        for part in command.split("; "):
            c.execute(part)


def test_nothing_of_what_a_trigger_leaves_is_there_for_the_next():
    for pool in ("transaction size 1 wait 5s", "session size 1 wait 5s"):
        w = gateway(pool)
        fresh = found(w)[1]
        for what in LEAVES:
            with connect(w, "planner-7") as c:
                pid = one(c, "select pg_backend_pid()")
                c.execute("insert into leaver values (%s)", (what,), prepare=False)
                if pool.startswith("transaction"):
                    h.eq(found(w), (pid, fresh), f"behind {what}")
            if pool.startswith("session"):
                h.eq(found(w), (pid, fresh), f"behind {what}")
        w.stop()


def test_nor_of_what_a_table_or_view_runs():
    w = gateway()
    fresh = found(w)[1]
    for way, (_, command) in WAYS.items():
        with connect(w, "planner-7") as c:
            pid = one(c, "select pg_backend_pid()")
            leave(c, command)
            h.eq(found(w), (pid, fresh), f"behind {way}")
    w.stop()


def test_they_would_leave_something():
    """Without a pool, so that the two tests above are about something."""
    w = gateway("none")
    for way, (_, command) in WAYS.items():
        with connect(w, "planner-7") as c:
            leave(c, command)
            h.eq(one(c, "select current_setting('app.tenant', true)"), "7", f"by {way}")
    for what in LEAVES:
        with connect(w, "planner-7") as c:
            before = c.execute("select what from found()").fetchone()[0]
            c.execute("insert into leaver values (%s)", (what,))
            after = c.execute("select what from found()").fetchone()[0]
            h.check(any(b != a and a.startswith(what) for b, a in zip(before, after)), f"{what}: {after}")
    w.stop()


def test_what_random_gives_is_not_for_others_to_foresee():
    with psycopg.connect(f"host=127.0.0.1 port={pg.port} user=app password=app-secret dbname=orders") as c:
        c.execute("select setseed(0.5)")
        foreseen = one(c, "select random()")
    for pool in ("transaction size 1 wait 5s", "session size 1 wait 5s"):
        w = gateway(pool)
        with connect(w, "planner-7") as c:
            c.execute("insert into leaver values ('seed')")
            pid = one(c, "select pg_backend_pid()")
            if pool.startswith("session"):
                c.close()
            with connect(w, "cy") as other:
                h.eq(one(other, "select pg_backend_pid()"), pid)
                h.check(one(other, "select random()") != foreseen, f"{pool}: foreseen")
        w.stop()


def test_shared_statements_are_what_was_prepared():
    w = gateway()
    a, b = (connect(w, u, prepare_threshold=0) for u in ("planner-7", "cy"))
    for what in ("ours", "replaced"):
        for _ in range(2):
            for c in (a, b):
                h.eq(one(c, "select note from plain where id = %s::int", (3,)), "note 3")
        a.execute("insert into leaver values (%s)", (what,), prepare=False)
        h.eq(one(b, "select note from plain where id = %s::int", (4,)), "note 4", what)
    a.close(), b.close()
    w.stop()


def pools(w):
    return w.cli("pools", "--json", "--as", "ana", "-c", w.conf_path, user="ana").json()["pools"][0]


def prepared_behind(w, commands):
    """How many statements are prepared again, for two sessions in turns."""
    conns = [connect(w, u, prepare_threshold=0) for u in ("planner-7", "cy")]
    for _ in range(2):
        for c in conns:
            for sql in commands:
                c.execute(sql)
    was = h.wait_for(lambda: pools(w)["handovers"] and pools(w))["prepared"]
    for _ in range(5):
        for c in conns:
            for sql in commands:
                c.execute(sql)
    for c in conns:
        c.close()
    return h.wait_for(lambda: pools(w)["in_use"] == 0 and pools(w))["prepared"] - was


def test_what_runs_nothing_unseen_keeps_its_statements():
    quiet = ["select note from plain where id = 1", "update plain set note = note where id = 2",
             "select note from plain_view where id = 3", "insert into plain values (100, '') on conflict do nothing",
             "insert into usual (note) values ('a') on conflict do nothing", "delete from usual where note = 'b'",
             "select count(*), now(), pg_advisory_xact_lock(7) from plain", "select set_config('app.x', '1', true)"]
    w = gateway()
    h.wait_for(lambda: "catalog target=orders" in w.log(), what="the catalog")
    h.eq(prepared_behind(w, quiet), 0)
    h.check(prepared_behind(w, quiet + ["insert into by_trigger values (1)"]) > 0, "no undoing")
    w.stop()


def test_a_trigger_made_through_the_gateway_is_known_at_once():
    w = gateway("transaction size 2 wait 5s")
    with connect(w, "planner-7") as c:
        c.execute("create table late (a int)")
        c.execute("create trigger t after insert on late for each row execute function fires('setting')")
        c.execute("insert into late values (1)")
        with connect(w, "cy") as other:
            h.eq(one(other, "select coalesce(nullif(current_setting('app.tenant', true), ''), 'none')"), "none")
        c.execute("drop table late")
    w.stop()


def test_what_delays_or_breaks_off_transactions_does_not_stop_the_next():
    """The undoing itself begins a transaction."""
    w = gateway()
    for what in ("isolation", "read-only"):
        with connect(w, "planner-7") as c, connect(w, "cy") as other:
            c.execute("insert into leaver values (%s)", (what,))
            h.eq(one(other, "update plain set note = 'note 1' where id = 1 returning note"), "note 1")
    w.stop()


def test_where_it_cannot_be_undone_nothing_runs():
    """Nothing of the next session is sent before the server has undone it, and nothing after it could not."""
    w = gateway()
    with connect(w, "planner-7") as c:
        c.execute("insert into leaver values ('setting')")
        pg.super("revoke execute on function pg_advisory_unlock_all() from public", db="orders")
        try:
            other = connect(w, "cy")
            try:
                other.execute("insert into plain values (200, current_setting('app.tenant', true))")
                raise h.Failure("it ran")
            except psycopg.OperationalError as e:
                h.has(str(e), "WEIR-POOL-SETTINGS")
            h.has(w.log(), "what was left on a connection cannot be undone", "42501")
            h.eq(pg.query("select count(*) from plain where id = 200"), "0")
            h.check(other.closed, "the session goes on")
        finally:
            pg.super("grant execute on function pg_advisory_unlock_all() to public", db="orders")
    with connect(w, "cy") as other:
        h.eq(one(other, "select nullif(current_setting('app.tenant', true), '')"), None)
    w.stop()


def test_what_may_be_kept_in_the_process_ends_with_it():
    """A language other than PL/pgSQL has variables that no SQL takes away."""
    pg.super("create language tongue handler plpgsql_call_handler", db="orders")
    pg.super("create function fires_too() returns trigger language tongue as 'begin return null; end'", db="orders")
    try:
        for pool in ("transaction size 1 wait 5s", "session size 1 wait 5s"):
            w = gateway(pool)
            h.wait_for(lambda: "catalog target=orders" in w.log(), what="the catalog")
            with connect(w, "planner-7") as c:
                pid = one(c, "select pg_backend_pid()")
                c.execute("select note from plain where id = 1")
            with connect(w, "cy") as c:
                h.eq(one(c, "select pg_backend_pid()"), pid, pool)
                c.execute("insert into leaver values ('setting')")
            with connect(w, "bo") as c:
                h.check(one(c, "select pg_backend_pid()") != pid, f"{pool}: the same connection")
            w.stop()
    finally:
        pg.super("drop language tongue cascade", db="orders")


def test_a_timeout_that_is_known_to_be_there_is_waited_out():
    w = gateway()
    with connect(w, "planner-7") as c, connect(w, "cy") as other:
        c.execute("set statement_timeout = '1ms'")
        for _ in range(20):
            try:
                c.execute("insert into leaver values ('setting')")
            except psycopg.errors.QueryCanceled:
                pass
            h.eq(one(other, "select nullif(current_setting('app.tenant', true), '')"), None)
    w.stop()


def test_settings_of_the_session_are_there_behind_it():
    w = gateway()
    with connect(w, "planner-7") as c, connect(w, "cy") as other:
        other.execute("set work_mem = '7MB'; set TimeZone = 'Europe/Paris'; set app.tenant = 'mine'")
        for what in ("memory", "zone", "setting", "timeout"):
            c.execute("insert into leaver values (%s)", (what,))
            h.eq(other.execute("select current_setting('work_mem'), current_setting('TimeZone'), "
                               "current_setting('app.tenant'), current_setting('statement_timeout')").fetchone(),
                 ("7MB", "Europe/Paris", "mine", "0"), what)
    w.stop()


h.main(test_they_would_leave_something,
       test_nothing_of_what_a_trigger_leaves_is_there_for_the_next,
       test_nor_of_what_a_table_or_view_runs,
       test_what_random_gives_is_not_for_others_to_foresee,
       test_shared_statements_are_what_was_prepared,
       test_what_runs_nothing_unseen_keeps_its_statements,
       test_a_trigger_made_through_the_gateway_is_known_at_once,
       test_what_delays_or_breaks_off_transactions_does_not_stop_the_next,
       test_where_it_cannot_be_undone_nothing_runs,
       test_what_may_be_kept_in_the_process_ends_with_it,
       test_a_timeout_that_is_known_to_be_there_is_waited_out,
       test_settings_of_the_session_are_there_behind_it,
       setup=setup)
