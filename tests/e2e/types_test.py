#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Types of what calls are given, on PostgreSQL 15 and 18: where they can be told, a call means what the server
takes it for, and is open though something user-defined has its name; where they cannot, it is refused."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

try:
    import psycopg
except ImportError:
    psycopg = None

# What somebody defined says CHOSEN; none of it has a built-in beside it that literals would mean in any case.
SQL = """
create type mood as enum ('sad', 'happy');
create domain word as text;
create domain moods as mood;
create type soft as enum ('x', 'y');
create table users (id int primary key, note text, feeling mood, said word, felt moods, mild soft);
insert into users values (1, 'one', 'sad', 'hm', 'happy', 'x');
create table plain (id int, note text, n bigint, ids int[], said word);
insert into plain values (1, 'one', 10, '{1,2}', 'hm'), (2, 'two', 20, '{3}', null);
create function chosen() returns text language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create function lower(mood, int default 1) returns text language sql as 'select chosen()';
create function upper(anyenum, int default 1) returns text language sql as 'select chosen()';
create function md5(soft, int default 1) returns text language sql as 'select chosen()';
create function ascii(word, int default 1) returns int language sql as 'select length(chosen())';
create function array_length(mood[], int) returns int language sql as 'select length(chosen())';
create function numbered(int, bigint) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator ~ (leftarg = int, rightarg = bigint, procedure = numbered);
create function same(mood, text) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator = (leftarg = mood, rightarg = text, procedure = same);
"""
servers = []


def setup():
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    for folder in (None, h.pg18()):
        pg = h.Postgres(folder=folder, sql=g.SQL + SQL)
        servers.append((pg, h.Weir(pg, policy=g.POLICY)))


def direct(pg):
    return f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}"


def opens(sql):
    """As the server answers it itself."""
    for pg, weir in servers:
        c, d = g.Client(weir.conninfo()), g.Client(direct(pg))
        for line in sql.strip().splitlines():
            for ext in (False, True):
                a, b = d.run(line, extended=ext), c.run(line, extended=ext)
                h.eq((a.error, b.error), (None, None), line)
                h.eq(a.rows, b.rows, line)


def refuses(sql):
    """What the server takes for what somebody defined, or an error."""
    for pg, weir in servers:
        c, d = g.Client(weir.conninfo()), g.Client(direct(pg))
        for line in sql.strip().splitlines():
            for ext in (False, True):
                a, b = d.run(line, extended=ext), c.run(line, extended=ext)
                h.check(a.error, f"{line}: the server runs it")
                h.eq(b.state, "42501", f"{line}: {b.error} {b.rows}")


def test_values_that_become_one():
    opens("""
select lower(case when id > 0 then note end) from plain
select lower(case id when 1 then note else 'x' end), md5(case note when 'one' then said else note end) from plain
select lower(coalesce(note, 'x')), upper(greatest(note, 'm')), upper(least(said, note)) from plain
select lower(nullif(note, 'one')), lower(nullif('x', note)) from plain
select lower((select note from plain p where p.id = q.id)) from plain q
select lower((select 'A' union select null order by 1 limit 1)), lower((select coalesce(note, 'x') from plain limit 1))
select array_length(array[id, 1], 1), array_length(array['x', note], 1) from plain
select array_length(array(select id from plain), 1), array_length(array[ids, ids], 1) from plain where ids <> '{3}'
select lower(case when feeling is null then 'A' else note end) from users
select ascii(coalesce(said, 'x')), ascii(coalesce(said, note)) from plain
""")
    refuses("""
select lower(case when id > 0 then feeling end) from users
select lower(case when id > 0 then null else feeling end) from users
select lower(coalesce(feeling, 'sad')) from users
select lower(coalesce('sad', felt)) from users
select lower(greatest('sad', feeling)) from users
select lower(nullif(feeling, 'sad')) from users
select lower((select feeling from users))
select lower((select null union select feeling from users order by 1 limit 1))
select upper((select coalesce(feeling, 'sad') from users))
select ascii(coalesce(said, said)) from users
select array_length(array[feeling], 1) from users
select array_length(array['sad', feeling], 1) from users
select array_length(array(select feeling from users), 1)
select array['sad']::mood[] = array[feeling], lower((array[feeling])[1]) from users
select coalesce(id, 1) ~ coalesce(n, 1) from plain
select case feeling when 'sad'::text then 1 end from users
select lower(coalesce(feeling, id)) from users
select lower((values ('sad'::mood)))
""")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
