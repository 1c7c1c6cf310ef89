#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A column that got its name past the gateway, which has not looked since: whoever asks for it by that name waits for a
look, and is then judged by what it is. A name that no table has is looked for once, and left to the server."""
import os, sys, threading, time

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
create table people (id int, name text, boss int);
insert into people values (1, 'ana', null), (2, 'ben', 1);
create view staff as select id, name from people;
create type pair as (a int, b text);
create table pairs (id int, p pair);
insert into pairs values (1, (1, 'x'));
create table emp (dept text, pay int);
insert into emp values ('a', 1), ('a', 2), ('b', 3);
create table s (dept text, n bigint);
"""
POLICY = """policy unknown
data pan = column *.cards.pan, column *.*.ssn
default allow
mask pan with last(4) unless who dba
group dba = idp "dba-oncall"
"""
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)
    weir.stop()
    with open(weir.conf_path, "a") as f:
        f.write("limit catalog 1h\n")
    weir.start()
    h.eq(weir.psql("select pan from cards where id = 1").out, SHOWN)


def reads():
    return weir.metric("weir_catalog_reads_total")


def direct(sql):
    with psycopg.connect(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}",
                         autocommit=True) as c:
        return c.execute(sql).fetchall()


now = "pan"


def rename(relation="cards"):
    """To a name that nobody has heard of."""
    global now
    was, now = now, f"n{time.monotonic_ns()}"
    pg.super(f"alter table {relation} rename {was} to {now}", db=pg.database)
    return now


SHOWS = ["select {0} from cards where id = 1", "select c.{0} from cards c where id = 1",
         "select public.cards.{0} from cards where id = 1", "select s.{0} from (select * from cards where id = 1) s",
         "with w as (select {0} from cards where id = 1) select * from w", "copy (select {0} from cards where id = 1) to stdout",
         "update cards set owner = owner where id = 1 returning {0}", "select (select {0} from cards where id = 1)",
         "select {0} as pan from cards where id = 1 union all select {0} from cards where false"]
USES = ["select upper({0}) from cards", "select upper(c.{0}) from cards c", "select count(*) from cards where {0} like '4%'",
        "select id from cards order by {0}", "select id from cards group by id, {0}", "select distinct {0} from cards",
        "select max(id) filter (where {0} like '4%') from cards", "select p.id from people p, cards c where c.{0} = p.name",
        "select a.id from cards a join cards b using ({0})", "update cards set owner = {0}", "delete from cards where {0} = '4'",
        "insert into people (name) select {0} from cards", "select row_number() over (order by {0}) from cards",
        "select exists (select from cards where {0} > '5')", "select name from people p where exists (select from cards where {0} = name)",
        "explain analyze select from cards where {0} = '1'", "select {0} || '' as x from cards order by x",
        # An output's name is one only as the whole of an item of ORDER BY, and there only.
        "select id as {0} from cards order by case when {0} like '4%' then 0 else 1 end", "select id as {0} from cards order by {0} || ''",
        "select id as {0}, row_number() over (order by {0}) from cards", "select id as {0}, rank() over w from cards window w as (order by {0})",
        "select id as {0}, array_agg(id order by {0}) from cards group by id", 'select id as {0} from cards order by {0} collate "C"',
        "create table x as select id as {0} from cards order by {0} || ''", "select array(select id as {0} from cards order by {0} || '')",
        "select array(select upper(owner) from cards order by {0})", "select case when true then '' else {0} end from cards order by {0}"]


def test_it_is_masked_by_its_new_name():
    for sql in SHOWS:
        r = weir.psql(sql.format(rename()))
        h.eq(r.out, SHOWN, f"{sql}: {r!r}")
    r = weir.psql(f"copy cards ({rename()}) to stdout")
    h.lacks(r.out, SECRET, "5500")
    h.has(r.out, SHOWN)


def test_and_used_for_nothing_else():
    for sql in USES:
        r = weir.psql(sql.format(rename()))
        h.check("WEIR-MASKED-USE" in r.err and SECRET not in r.out, f"{sql}: {r!r}")
    h.eq(pg.query("select count(*) from cards"), "2")


def test_with_the_extended_protocol():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        h.eq(c.execute(f"select {rename()} from cards where id = %s", [1], prepare=True).fetchone(), (SHOWN,))
        try:
            c.execute(f"select upper({rename()}) from cards where id = %s", [1], prepare=True)
            raise h.Failure("it was computed")
        except psycopg.errors.InsufficientPrivilege as e:
            h.has(str(e), "is masked")
        with c.transaction():
            h.eq(c.execute(f"select {rename()} from cards where id = 1").fetchone(), (SHOWN,))
        name = rename()
        c.execute(f"prepare p as select {name} from cards where id = 1")
        h.eq(c.execute("execute p").fetchone(), (SHOWN,))


def test_a_column_that_is_new():
    pg.super("alter table people add ssn text default '078-05-1120'", db=pg.database)
    h.has(weir.psql("select upper(ssn) from people").err, "WEIR-MASKED-USE")
    pg.super("alter table people drop ssn", db=pg.database)


def test_who_is_under_no_mask():
    h.eq(weir.psql(f"select upper({rename()}) from cards where id = 1", user="ana").out, SECRET)


def test_a_name_that_nobody_has():
    n = reads()
    r = weir.psql("select nosuch from cards", options=("-v", "VERBOSITY=verbose"))
    h.has(r.err, "42703", 'column "nosuch" does not exist')
    h.lacks(r.err, "WEIR-")
    h.eq(reads(), n + 1, "one look")
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        for _ in range(2):
            try:
                c.execute("select id from people where nosuch = %s", [1])
                raise h.Failure("it went through")
            except psycopg.errors.UndefinedColumn as e:
                h.has(str(e), "nosuch")
        h.eq(c.execute("select 1").fetchone(), (1,), "the session goes on")
    # Those who ask at the same time share a look, and looks have a pause between them.
    refused = []

    def ask(c):
        for _ in range(20):
            try:
                c.execute("select nosuch from cards")
            except psycopg.errors.UndefinedColumn:
                refused.append(1)
    many = [psycopg.connect(weir.conninfo(), autocommit=True) for _ in range(8)]
    n, began = reads(), time.monotonic()
    threads = [threading.Thread(target=ask, args=(c,)) for c in many]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    looks = reads() - n
    h.eq(len(refused), 160)
    h.check(looks < 80 and looks <= (time.monotonic() - began) / 0.02 + 1, f"{looks} looks for 160 statements")
    for c in many:
        c.close()


# Names of outputs, as the server has them: nothing is looked for.
OUTPUTS = ["select upper(name) from people order by upper", "select name::varchar(3) from people order by name",
           "select 1::text from people order by text", "select dept, count(*) from emp group by dept order by count, dept",
           "select case when id = 1 then 'a' end from people order by \"case\"", "select case when id = 3 then 'a' else name end from people order by name",
           "select case id when 1 then 2 end::text from people order by text", 'select name || \'x\' from people order by "?column?"',
           'select upper(name) collate "C" from people order by upper', "select (p).a from pairs order by a", "select ((p).b)::varchar from pairs order by b",
           "select (array[id])[1] from people order by \"array\"", "select (select p.name) from people p order by name",
           "select (select p.name as mine) from people p order by mine", "select (select upper(p.name) union select 'x' order by 1 limit 1) from people p order by upper",
           "select exists (select) from people order by \"exists\"", "select array(select 1) from people order by \"array\"", "select row(id) from people order by \"row\"",
           "select coalesce(name, 'x') from people order by \"coalesce\"", "select greatest(id, 2) from people order by \"greatest\"",
           "select least(id, 1) from people order by \"least\"", "select nullif(id, 1) from people order by \"nullif\"",
           "select current_date = now() from people order by \"?column?\"", "select current_user from people order by \"current_user\"",
           "select xmlforest(id as x)::text from people order by \"xmlforest\"", "select distinct on (upper) upper(name) from people",
           "select grouping(name) from people group by name order by \"grouping\"", "select array(select upper(name) from people order by upper)",
           "select (select upper(name) from people order by upper limit 1) || 'x'", "explain (costs off) select upper(name) from people order by upper",
           "select id as day, count(*) from people group by day order by day", "select id as day from people order by day",
           "select distinct on (day) id as day from people order by day"]


def test_names_of_outputs():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        for sql in OUTPUTS:
            n = reads()
            h.eq(c.execute(sql).fetchall(), direct(sql), sql)
            h.eq(reads(), n, sql)
        n = reads()
        c.execute("insert into s select dept, count(*) from emp group by dept order by count")
        c.execute("declare d cursor with hold for select upper(name) from people order by upper")
        h.eq((c.execute("fetch d").fetchone(), reads()), (("ANA",), n))
        c.execute("create table x as select upper(name) from people order by upper")
        h.eq(c.execute("select * from x").fetchall(), [("ANA",), ("BEN",)])


# Where the text does not tell, or a column may be meant, there is a look: and no statement is refused.
LOOKED_FOR = ["select (p).* from pairs order by a", "select (select * from (select p.name) s) from people p order by name",
              "select min(p.id) as day, count(*) from people p, cards c where p.id = c.id group by c.id order by c.id",
              "select upper(name), count(*) from people group by upper order by 1"]


def test_no_valid_statement_is_refused():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        for sql in LOOKED_FOR:
            try:
                for _ in range(2):
                    h.eq(c.execute(sql, prepare=True).fetchall(), direct(sql), sql)
            except psycopg.Error as e:
                raise h.Failure(f"{sql}: {e}")


FINE = ["select id % 2 as odd, count(*) from cards group by odd order by odd",
        "select (select p.name) from people p order by id", "select id + 1 from people p group by 1, id order by id",
        "select name as x from people order by x", "select name x, count(*) from people group by x order by count, x",
        "select people from people order by id", "select p from people p order by p.id", "select ctid, tableoid > '0' from people",
        "select key from jsonb_each('{\"a\":1}')", "select t.key, value from jsonb_each('{\"a\":1}') as t", "select x from generate_series(1, 3) x",
        "select x, n from unnest(array[1,2], array[3,4]) as t(x, n)", "select a from json_to_recordset('[{\"a\":1}]') as t(a int)",
        "select column1 from (values (1), (2)) v", "select y from (values (1), (2)) v(y)",
        "select p.name, (select q.name from people q where q.id = p.boss) from people p order by 1",
        "select p.name, s from people p, lateral (select p.id + 1 as s) l order by 1",
        "select id from people union select id from staff order by id", "select (p).a from pairs", "select (p).* from pairs",
        "select name from people join staff using (name) order by name", "select id from people natural join staff order by id",
        "with recursive r(k) as (select 1 union all select k + 1 from r where k < 3) select k from r",
        "with w as (insert into people values (3, 'cem') returning id) select id from w", "delete from people where id = 3 returning name",
        "select rank() over w from people window w as (order by id)", "select relname from pg_class where relname = 'people'",
        "select attname from pg_attribute where attrelid = 'people'::regclass and attnum = 1", "select nspname from pg_namespace n where n.nspname = 'public'",
        "select p from (select 1 as a) p", "select j.b from jsonb_each('{\"a\":1}') as j(a, b)", "select upper from upper('x')",
        "select x.* from people p cross join lateral (values (p.id)) x(v) order by v", "select ordinality from unnest(array[7]) with ordinality",
        "select grp from (select 1 as grp, count(*) from people group by 1) s", "select case when id = 1 then 'a' end from people order by \"case\"",
        "select current_user = user, current_date = current_date", "select id from people group by id having count(*) > 0 order by count(*), id",
        "select id from xmltable('/r' passing '<r id=\"4\"/>' columns id int path '@id')",
        "insert into people as p (id, name) values (9, 'x') on conflict do nothing returning p.name", "delete from people where id = 9"]


def test_what_is_no_column_is_none():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        for sql in FINE:
            try:
                rows = c.execute(sql).fetchall() if "delete from people where id = 9" != sql else c.execute(sql)
            except psycopg.Error as e:
                raise h.Failure(f"{sql}: {e}")
            if "insert" not in sql and "delete" not in sql:
                h.eq(rows, direct(sql), sql)


h.main(test_it_is_masked_by_its_new_name, test_and_used_for_nothing_else, test_with_the_extended_protocol,
       test_a_column_that_is_new, test_who_is_under_no_mask, test_a_name_that_nobody_has, test_names_of_outputs,
       test_no_valid_statement_is_refused, test_what_is_no_column_is_none, setup=setup)
