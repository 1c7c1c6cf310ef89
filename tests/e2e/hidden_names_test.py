#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A masked column got a name past the gateway, which has not looked since, that something else has as well; and the
server looks at the column first. Whoever asks by that name waits for a look, unless the last one was a moment ago, and is
then judged by what it is. What no column could hide so costs no look."""
import os, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SECRET, SHOWN = "4111111111111111", "************1111"
SQL = f"""
create table cards (id int, pan text, owner text);
insert into cards values (1, '{SECRET}', 'ana'), (2, '5500000000000004', 'ben');
create table people (id int primary key, name text, boss int);
insert into people values (1, 'ana', null), (2, 'ben', 1);
create table events (id int, at timestamptz, note text, data jsonb, badge text);
insert into events values (1, '2026-01-01', 'a', '{{"x":1}}', 'b7');
"""
POLICY = """policy hidden
data pan = column *.cards.pan, column *.people.ssn, column *.events.badge
default allow
mask pan with last(4) unless who dba
group dba = idp "dba-oncall"
"""
pg = weir = client = None
now = "pan"
took = 1.0
NEW_TIMES = 3  # a catalog is new for so long as its read took (catalog_reader.c)


def setup():
    global pg, weir, client
    pg, weir = h.started(psycopg, SQL, POLICY)
    weir.stop()
    with open(weir.conf_path, "a") as f:
        f.write("limit catalog 1h\n")
    weir.start()
    client = psycopg.connect(weir.conninfo(), autocommit=True)


def reads():
    return weir.metric("weir_catalog_reads_total")


def ask(sql):
    """What it answers, and how long the look that it waited for took, at most."""
    global took
    n, began = reads(), time.monotonic()
    try:
        return client.execute(sql).fetchall()
    finally:
        spent = time.monotonic() - began
        if reads() > n:
            took = spent


def grow_old():
    time.sleep(NEW_TIMES * took)


def direct(sql):
    with psycopg.connect(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}",
                         autocommit=True) as c:
        return c.execute(sql).fetchall()


def rename_to(name):
    """The gateway knows the name before."""
    global now
    if now == name:
        rename_to("otherwise")
        h.eq(ask("select otherwise from cards where id = 1"), [(SHOWN,)])
    pg.super(f"alter table cards rename {now} to {name}", db=pg.database)
    now = name
    grow_old()


def refused(sql):
    try:
        h.check(False, f"{sql}: {ask(sql)}")
    except psycopg.errors.InsufficientPrivilege as e:
        h.has(str(e), "WEIR-MASKED-USE")
        h.lacks(str(e), SECRET)


# The name is known, of something that the server looks at after the table which has got it.
HIDE_SHOWS = [("name", "select (select name from cards where id = p.id) from people p where p.id = 1"),
              ("name", "select s from people p, lateral (select name as s from cards c where c.id = p.id) x where p.id = 1"),
              ("name", "select (select name from (select * from cards) c where c.id = p.id) from people p where p.id = 1"),
              ("p", "select p from people p, cards c where c.id = 1 and p.id = 1"),
              ("k", "select k from cards c, jsonb_to_record('{\"b\":1}') k(b int) where c.id = 1"),
              ("value", "select value from cards c, xmltable('/r' passing '<r/>' columns a int path '@a') x where c.id = 1")]
HIDE_USES = [("name", "select (select upper(name) from cards limit 1) from people"),
             ("key", "select upper(s) from jsonb_each('{\"a\":1}') j(key, v), lateral (select key || '' as s from cards) x"),
             ("name", "select name from people where exists (select from cards where name like '4%')"),
             ("odd", "select min(id) as odd, array_agg(id) from cards group by odd"),
             ("name", "select s from people, lateral (select upper(name) as s from cards) x"),
             ("p", "select upper(p::text) from people p, cards"), ("name", "select array(select name from cards) from people"),
             ("odd", "select 1 as odd, array_agg(id) from cards group by odd"),
             ("name", "select (select upper(name) from (select * from cards) c limit 1) from people"),
             ("p", "select (select upper(p::text) from cards limit 1) from people p"),
             ("name", "with c as (select * from cards) select (select upper(name) from c limit 1) from people"),
             ("odd", "select owner as odd, array_agg(id) from cards group by odd, owner"),
             ("name", "select (select upper(name) from cards x(id) limit 1) from people"),
             ("p", "select (select to_json(p) from people p limit 1) from cards"),
             ("name", "update people set boss = 3 where exists (select from cards where name like '4%')"),
             ("odd", "select owner as odd, array_agg(id) from cards group by grouping sets ((odd, owner), owner)"),
             ("name", "insert into people (name) select (select name from cards limit 1) from people"),
             ("v", "select upper(v::text) from cards, (values (1)) v"),
             ("name", "select count(*) from people natural join cards"),
             ("odd", "select p.name as odd, array_agg(c.id) from people p, cards c group by odd, p.id"),
             ("name", "select id from people natural left join cards"),
             ("p", "select (select upper(p::text) from cards p limit 1) from (select 1 as p) q"),
             ("odd", "select (select id % 2 as odd from (select 1) q group by odd) from cards"),
             ("w", "with w as (select 1) select upper(w::text) from cards, w"),
             ("j", "select upper(j::text) from cards, jsonb_each('{\"a\":1}') j"),
             ("novel", "select upper(novel) from cards, unnest(array['a'])"),
             ("novel", "select id from cards, jsonb_to_record('{\"b\":1}') k(b int) order by novel"),
             ("min", "select min(id), array_agg(id) from cards group by min")]


def test_a_name_that_something_else_has():
    for name, sql in HIDE_SHOWS:
        rename_to(name)
        h.eq(ask(sql), [(SHOWN,)], sql)
    for name, sql in HIDE_USES:
        rename_to(name)
        refused(sql)
    h.eq(pg.query("select count(*) from people where boss = 3"), "0")


def test_a_temporary_table_beside_it():
    client.execute("create temp table scratch (a int)")
    client.execute("insert into scratch values (1)")
    h.eq(client.execute("select a from scratch").fetchall(), [(1,)])
    rename_to("never_seen")
    refused("select upper(never_seen) from cards, scratch")


def test_a_column_that_is_new_and_hides_another():
    """Of a table that nothing of is masked so far."""
    pg.super("alter table people add ssn text default '078-05-1120'", db=pg.database)
    grow_old()
    refused("select (select upper(ssn) from people limit 1) from (select 'x' as ssn) o")
    pg.super("alter table people drop ssn", db=pg.database)


# Nothing could hide what these name, or what did would be no query: no look.
NO_LOOK = ["select (select max(c.owner) from cards c where c.id = p.id) from people p order by p.id",
           "select (select max(owner) from cards where cards.id = p.boss) from people p order by p.id",
           "select p.id from people p join cards c using (id) where name like 'a%'",
           "select name, (select max(q.id) from people q where boss is null) from people order by name",
           "select id % 2 as odd, count(*) from cards group by odd order by odd",
           "select date_trunc('day', at) as day, note, count(*) from events group by day, note order by note",
           "select case when id > 1 then lower(note) end as kind, count(*) from events group by rollup (kind) order by 1",
           "select id % 2 as odd, c.owner, count(*) from cards c group by odd, c.owner order by 2",
           "select lower(owner), count(*) from cards group by lower order by 1",
           "select key, value from events, jsonb_each(data) order by key", "select value from events, jsonb_array_elements('[1]') e order by 1",
           "select e, ordinality from events, jsonb_object_keys(data) with ordinality e order by 1",
           "select g from events, generate_series(1, 2) g order by g",
           "select a from cards, jsonb_to_record('{\"a\":1}') r(a int) order by id", "select b from events, unnest(array[1]) u(b)"]


def test_what_needs_no_look():
    for sql in NO_LOOK:
        n = reads()
        h.eq(client.execute(sql).fetchall(), direct(sql), sql)
        h.eq(reads(), n, sql)


# It waits, and is shown, where it might.
LOOKED_AT = ["select (select max(owner) from cards where owner = name) from people order by id",
             "select id from people natural join cards order by id", "select unnest from cards, unnest(array[1]) order by id",
             "select to_json(p) from people p, cards c where p.id = c.id order by p.id", "select 1 as one, count(*) from cards group by one",
             "select owner as who, count(*) from cards group by who, owner order by who"]


def test_what_waits_for_a_look():
    for sql in LOOKED_AT:
        grow_old()
        n = reads()
        h.eq(ask(sql), direct(sql), sql)
        h.eq(reads(), n + 1, sql)
    n = reads()
    with psycopg.connect(weir.conninfo("ana"), autocommit=True) as c:
        for sql in LOOKED_AT:
            c.execute(sql)
    h.eq(reads(), n, "nothing is looked for where no mask is")


def test_what_is_asked_again_and_again():
    n, began = reads(), time.monotonic()
    for _ in range(20):
        for sql in LOOKED_AT:
            client.execute(sql)
    h.check(reads() - n <= 20 * len(LOOKED_AT) / 2, f"{reads() - n} looks in {time.monotonic() - began:.1f} s")


h.main(test_a_name_that_something_else_has, test_a_temporary_table_beside_it, test_a_column_that_is_new_and_hides_another,
       test_what_needs_no_look, test_what_waits_for_a_look,
       test_what_is_asked_again_and_again, setup=setup)
