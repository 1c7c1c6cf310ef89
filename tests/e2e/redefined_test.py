#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What calls mean, while functions come to be: by the session itself, which no catalog has seen yet, and by others,
while what was judged before is on its way."""
import os, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create table public.notes (id int, note text);
insert into public.notes values (1, 'a'), (2, 'b');
grant all on public.notes to app;
grant create on schema public to app;
create table public.people (id int, ssn text);
insert into public.people values (1, '078-05-1120');
grant all on public.people to app;
"""
MASKS = """
policy masks
group dba = idp "dba-oncall"
data ssn  = column public.people.ssn
default allow
mask ssn with last(4) unless who dba
"""
LEAK = ("create function public.upper(int) returns text language sql as "
        "$$ select ssn from public.people where id = $1 $$")
RULES = """
policy rules
group agents = idp "ai-agents"
default allow
deny opaque "not known" do sql.opaque-function
"""
UPPER = "create or replace function public.upper(int) returns text language sql as $$ select 'own' $$"
GONE = "drop function if exists public.upper(int)"
pg = rules = masks = None


def setup():
    global pg, rules, masks
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)
    rules = h.Weir(pg, policy=RULES, extra="limit catalog 1h\n")
    masks = h.Weir(pg, policy=MASKS, extra="limit catalog 1h\n")


def session():
    return psycopg.connect(rules.conninfo(), autocommit=True)


def denied(c, sql):
    try:
        got = c.execute(sql).fetchall()
    except psycopg.Error as e:
        h.eq(e.sqlstate, "42501", repr(e))
        h.has(str(e), "not known")
        return
    raise h.Failure(f"{sql} gives {got}")


def test_in_its_own_transaction():
    with session() as c:
        for undo in ("rollback", "commit"):
            c.execute("begin")
            c.execute(UPPER)
            h.eq(c.execute("select lower('A'), count(*) from notes where id = 1").fetchone(), ("a", 1),
                 "what has another name")
            h.eq(c.execute("select pg_catalog.upper('a')").fetchone(), ("A",), "what is qualified")
            denied(c, "select upper(7)")
            c.execute(undo)
        c.execute(GONE)


def test_in_the_same_message():
    with session() as c:
        denied(c, f"{UPPER}; select upper(7)")
        denied(c, f"begin; {UPPER}; commit; select upper(7)")
        h.eq(c.execute("select upper('a')").fetchone(), ("A",), "there is none")
        # What comes in front of it means what it did.
        c.execute(f"select upper('a'); {UPPER}; {GONE}")


def test_in_a_pipeline():
    with session() as c:
        try:
            with c.pipeline():
                c.execute(UPPER)
                got = c.execute("select upper(7)")
                c.pipeline and got.fetchall()
            raise h.Failure("it runs")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "42501", repr(e))
            h.has(str(e), "not known")
        c.execute(GONE)


def test_until_the_catalog_has_been_read():
    with session() as c:
        for _ in range(3):
            c.execute(UPPER)
            denied(c, "select upper(7)")
            c.execute(GONE)
            h.eq(c.execute("select upper('a')").fetchone(), ("A",), "its catalog is waited for")


def test_code_that_may_define_something():
    with session() as c:
        c.execute("begin")
        c.execute(f"do $x$ begin {UPPER}; end $x$")
        denied(c, "select upper(7)")
        c.execute("rollback")
        c.execute(f"do $x$ begin {UPPER}; end $x$")
        denied(c, "select upper(7)")
        h.eq(c.execute("select lower('A')").fetchone(), ("a",), "what it did not define")
        c.execute(GONE)


def test_casts_types_and_operators():
    with session() as c:
        for sql, call in (
                ("create domain public.text as pg_catalog.text", "select 'x'::\"text\""),
                ("create operator public.^ (leftarg = text, rightarg = text, function = textcat)",
                 "select 'a' ^ 'b'"),
                ("create aggregate public.max(boolean) (sfunc = booland_statefunc, stype = boolean)",
                 "select max(true)"),
                ("create schema own; create function own.f(int) returns int language sql as 'select 1';"
                 "alter function own.f(int) rename to upper; alter function own.upper(int) set schema public",
                 "select upper(7)")):
            c.execute("begin")
            c.execute(sql)
            denied(c, call)
            c.execute("rollback")


def defined():
    return pg.super("select to_regprocedure('public.upper(int)') is not null", db=pg.database) == "t"


def test_by_others_whose_message_has_not_ended():
    """The server has committed it, and says so when the rest of the message is done."""
    def define():
        with psycopg.connect(masks.conninfo("ana", "k-ana"), autocommit=True) as c:
            c.execute(f"begin; {LEAK}; commit; select pg_sleep(4)")

    with psycopg.connect(masks.conninfo(), autocommit=True) as c:
        h.eq(c.execute("select upper('a')").fetchone(), ("A",))
        t = threading.Thread(target=define, daemon=True)
        t.start()
        h.wait_for(defined, 10, "it is there")
        for sql in ("select upper(1)", "select id, upper(id) from people"):
            try:
                got = c.execute(sql).fetchall()
                raise h.Failure(f"{sql} gives {got}")
            except psycopg.Error as e:
                h.check(t.is_alive(), "the message has ended before")
                h.check(e.sqlstate in ("55006", "42501"), repr(e))
                h.lacks(str(e), "078-05")
        h.eq(c.execute("select pg_catalog.upper('a')").fetchone(), ("A",), "the session goes on")
        t.join(30)
        pg.super(GONE, db=pg.database)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
