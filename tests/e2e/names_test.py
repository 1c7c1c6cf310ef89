#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names and time: a statement is judged by what its names mean, and then waits for a lock while somebody
renames. Two sessions, a lock, a rename, its release, with a real PostgreSQL."""
import os, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
SQL = f"""
create schema open;
create table public.cards (id int, pan text);
insert into public.cards values (1, '{SECRET}');
create table open.cards (id int, pan text);
insert into open.cards values (7, 'open card'), (8, 'open card');
create view open.shown as select pan as note from open.cards;
alter role app set search_path = open, public;
"""
TABLES = """
policy tables
group dba    = idp "dba-oncall"
group agents = idp "ai-agents"
allow everything who dba do sql
allow everyday who agents do sql.basics, sql.alter, sql.create
allow open who agents do sql.select, sql.update, sql.copy-out
  when table in {"open.cards", "open.shown"}
"""
MASKS = """
policy masks
group dba = idp "dba-oncall"
data pan  = column public.cards.pan
default allow
mask pan with last(4) unless who dba
"""
pg = tables = masks = None


def setup():
    global pg, tables, masks
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)
    tables, masks = (h.Weir(pg, policy=p, extra="limit catalog 1s\n") for p in (TABLES, MASKS))


def waiting():
    return pg.super("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") != "0"


def through(w):
    return psycopg.connect(w.conninfo("ana", "k-ana"), autocommit=True)


def past(_):
    return psycopg.connect(f"host=127.0.0.1 port={pg.port} user=postgres password=pw dbname={pg.database}",
                           autocommit=True)


def settled(w):
    """The gateway's catalog is that of the beginning."""
    cards = "open.cards" if w is masks else "cards"
    h.wait_for(lambda: w.psql(f"select count(*) from {cards}, open.shown").out == "4", 10, "catalog")


def while_it_waits(w, other, change, sql, undo, what=lambda c: c.fetchall()):
    """What `sql` gives that waits for a lock of `change`; then `undo`."""
    got = []
    settled(w)

    def run():
        with psycopg.connect(w.conninfo(), autocommit=True) as c:
            c.execute("show role")
            ready.set()
            go.wait(10)
            try:
                got.append(what(c.execute(sql)))
            except psycopg.Error as e:
                got.append(e)
            try:
                got.append(c.execute("show role").fetchone())
            except psycopg.Error as e:
                got.append(e)

    ready, go = threading.Event(), threading.Event()
    t = threading.Thread(target=run, daemon=True)
    t.start()
    h.check(ready.wait(10), "the session begins")
    with other(w) as o:
        o.execute("begin")
        for x in change:
            o.execute(x)
        go.set()
        h.wait_for(lambda: got or waiting(), 10, "the statement waits for a lock")
        h.check(not got, f"{sql} does not wait: {got}")
        o.execute("commit")
        t.join(30)
        for x in undo:
            o.execute(x)
    h.check(len(got) == 2, f"{sql}: no end")
    h.eq(got[1], ("none",), "the session goes on")
    return got[0]


AWAY, BACK = ["alter table open.cards rename to gone"], ["alter table open.gone rename to cards"]


def refused(got, sql):
    h.check(isinstance(got, psycopg.Error), f"{sql} gives {got}")
    h.eq(got.sqlstate, "55006", repr(got))
    h.has(str(got), "renamed while it waited")


def test_a_rename_through_the_gateway():
    for sql in ("select pan from cards", "select count(*) from cards", "select max(pan) from cards",
                "select pan from cards union all select 'x'", "select (select pan from cards limit 1)"):
        refused(while_it_waits(tables, through, AWAY, sql, BACK), sql)


def test_a_rename_past_the_gateway():
    """The server says which table a column is of."""
    for sql in ("select pan from cards", "select c.pan from cards c where id > 0",
                "with x as (select * from cards) select pan from x"):
        refused(while_it_waits(tables, past, AWAY, sql, BACK), sql)
    # What it may read under its new name it may read.
    got = while_it_waits(tables, past, ["alter table open.cards rename to gone",
                                        "create table open.cards as select 9 as id, 'new' as pan",
                                        "grant select on open.cards to app"],
                         "select pan from cards", ["drop table open.cards", *BACK])
    h.eq(got, [("new",)])


def test_copy():
    got = []
    settled(tables)

    def run():
        with psycopg.connect(tables.conninfo(), autocommit=True) as c:
            try:
                with c.cursor().copy("copy cards to stdout") as out:
                    got.append(b"".join(out))
            except psycopg.Error as e:
                got.append(e)
            got.append(c.execute("show role").fetchone())

    with through(tables) as o:
        o.execute("begin")
        o.execute(AWAY[0])
        t = threading.Thread(target=run, daemon=True)
        t.start()
        h.wait_for(lambda: got or waiting(), 10, "COPY waits")
        h.check(not got, f"it does not wait: {got}")
        o.execute("commit")
        t.join(30)
        o.execute(BACK[0])
    refused(got[0], "copy")
    h.eq(got[1], ("none",))


def test_a_write_does_not_wait_for_a_rename():
    settled(tables)
    with through(tables) as o, psycopg.connect(tables.conninfo(), autocommit=True) as c:
        o.execute("begin")
        o.execute(AWAY[0])
        try:
            c.execute("update cards set pan = 'spoilt' where id = 1")
            raise h.Failure("it ran")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "55006", repr(e))
            h.has(str(e), "another session is renaming")
        o.execute("rollback")
        c.execute("update cards set pan = 'open card' where id = 7")
    h.eq(pg.super(f"select pan from public.cards", db=pg.database), SECRET)


def test_names_that_a_transaction_moves_itself():
    with psycopg.connect(tables.conninfo(), autocommit=True) as c:
        for change in ("alter table public.cards rename to other",
                       "alter table open.cards rename to x; alter table public.cards set schema open",
                       "create or replace view open.shown as select pan as note from public.cards"):
            c.execute("begin")
            try:
                c.execute(change)
                for sql in ("select * from public.other", "select pan from open.cards",
                            "select note from open.shown"):
                    c.execute(sql)
                    raise h.Failure(f"{change}: {sql} runs")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "42501", repr(e))
            c.execute("rollback")
        try:
            c.execute("alter table public.cards rename to other; select * from public.other")
            raise h.Failure("one message moves and reads")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "42501", repr(e))
        h.eq(c.execute("select count(*) from cards").fetchone(), (2,))
    h.eq(pg.super("select to_regclass('public.other') is null", db=pg.database), "t")


def test_a_view_replaced_while_its_reader_waits():
    """A result whose fields name no table rests on the analysis, which must be that of the new view."""
    leak = ["create or replace view open.shown as select pan as note from public.cards"]
    undo = ["create or replace view open.shown as select pan as note from open.cards"]
    for sql in ("select note from open.shown union all select 'x'",
                "select (select note from open.shown limit 1)", "select note from open.shown"):
        got = while_it_waits(masks, through, leak, sql, undo)
        h.check(isinstance(got, psycopg.Error), f"{sql} gives {got}")
        h.lacks(str(got), SECRET)


def test_a_temporary_table_may_have_a_name_that_is_taken():
    with psycopg.connect(tables.conninfo("ana", "k-ana"), autocommit=True) as c:
        c.execute("create temp table cards as select 5 as id, 'own' as pan")
        for prepare in (False, True):
            h.eq(c.execute("select id, pan from cards", prepare=prepare).fetchall(), [(5, "own")])
        h.eq(c.execute("select c.* from cards c union all select 6, 'x' order by 1").fetchall(),
             [(5, "own"), (6, "x")])
    r = tables.psql(input="create temp table cards as select 5 as id, 'own' as pan;\n"
                    "select id, pan from cards;\n\\d cards\nselect count(*) from cards;\n",
                    user="ana", key="k-ana")
    h.eq(r.out.splitlines()[0], "5|own", repr(r))
    h.eq(r.out.splitlines()[-1], "1", repr(r))


def test_renames_leave_no_trace():
    for w in (tables, masks):
        settled(w)
        h.eq(w.psql("select count(*) from open.cards").out, "2")
        h.eq(w.psql("update open.cards set pan = 'open card' where id = 7 returning id").out, "7")


def renamer(w, scripts, over, count):
    """A thread that sends the scripts one after the other until it is over."""
    def run():
        with through(w) as o:
            while not over.is_set() or count[0] % len(scripts):
                for x in scripts[count[0] % len(scripts)]:
                    try:
                        o.execute(x)
                    except psycopg.errors.ObjectInUse:
                        break  # others rename as well: again
                else:
                    count[0] += 1
    t = threading.Thread(target=run, daemon=True)
    t.start()
    return t


def test_who_renames_in_a_loop_holds_nobody_up():
    """Others are answered or refused, soon, and never shown what a name meant in between."""
    one = [("open card",)]
    allowed = {"select max(pan) from cards": [one], "select count(*) from cards": [[(2,)]],
               "select pan from cards union all select 'x'": [[*one, *one, ("x",)]],
               "select pan from cards": [[*one, *one]], "update cards set pan = pan where id = 7": [[]],
               "select count(*) from open.shown": [[(2,)]]}
    for w in (tables, masks):
        with through(w) as o:
            for i in range(3):
                o.execute(f"create table scratch_{i} (id int)")
        settled(w)
        over, counts = threading.Event(), [[0] for _ in range(4)]
        threads = [renamer(w, (AWAY, BACK, ["; ".join(["begin", *AWAY, "commit", "begin", *BACK, "commit"])]),
                           over, counts[0])]
        for i in range(3):
            there, back = f"alter table scratch_{i} rename to moved_{i}", f"alter table moved_{i} rename to scratch_{i}"
            threads.append(renamer(w, ([there], [back]), over, counts[i + 1]))
        seen, longest, end = {"answered": 0, "refused": 0}, 0, time.monotonic() + 1
        with psycopg.connect(w.conninfo(), autocommit=True) as c:
            # A slow machine gets longer, until each has been in its loop.
            while time.monotonic() < end or (min(c[0] for c in counts) <= 3 and time.monotonic() < end + 20):
                for sql, answers in allowed.items():
                    began = time.monotonic()
                    try:
                        cur = c.execute(sql)
                        got = cur.fetchall() if cur.description else []
                        h.check(got in answers or (w is masks and SECRET not in str(got)), f"{sql} gives {got}")
                        seen["answered"] += 1
                    except psycopg.Error as e:
                        h.check(e.sqlstate in ("55006", "42501", "42P01"), f"{sql}: {e!r} {e.sqlstate}")
                        h.lacks(str(e), SECRET)
                        seen["refused"] += 1
                    longest = max(longest, time.monotonic() - began)
        over.set()
        for t in threads:
            t.join(20)
        print(f"# {sum(c[0] for c in counts)} renames, {seen}, longest {longest:.2f} s", flush=True)
        h.check(longest < 10, f"a statement took {longest:.1f} s")
        h.check(min(c[0] for c in counts) > 3, f"no loop: {counts}")
        with through(w) as o:
            for i in range(3):
                o.execute(f"drop table scratch_{i}")
        settled(w)
        with psycopg.connect(w.conninfo(), autocommit=True) as c:
            h.eq(c.execute("select count(*) from open.cards").fetchone(), (2,), "when it has ended")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
