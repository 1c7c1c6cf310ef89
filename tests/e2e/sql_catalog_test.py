#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The analyser's tables and the catalog snapshot against real servers: the table of functions is what their
pg_proc gives, and what is not in it is opaque; names, parents and views are read as the server has them."""
import re

import harness as h

SQL = """
create schema s;
create domain s.short as varchar(20);
create domain s.ssn as s.short check (value <> '');
create table s.people (id int, gone int, ssn s.ssn, name varchar(40), fee numeric(10, 2));
alter table s.people drop column gone;
create table s.kid () inherits (s.people);
create view s.v as select id, upper(ssn) as u from s.people;
create view vv as select u from s.v;
create temp table t (a int);
create function public.lower(int) returns int language sql as 'select 1';
create table part (a int) partition by range (a);
create table part1 partition of part for values from (0) to (10);
alter database orders set search_path = s, public;
"""


def conninfo(server):
    return f"host=127.0.0.1 port={server.port} user=postgres password=pw dbname=postgres"


def test_the_table_of_functions_is_what_the_servers_have():
    """grammar/functions.def, written again from the oldest and the newest server."""
    new = h.Postgres(folder=h.pg18())
    r = h.run([f"{h.ROOT}/grammar/functions.py", "--check", conninfo(pg), conninfo(new)])
    h.eq(r.code, 0, repr(r))


def classes():
    """The strictest class of each name, and the class by OID."""
    with open(f"{h.ROOT}/grammar/functions.def") as f:
        rows = re.findall(r"^FUNC\((\w+), (\d+), (\d+), \d+, (\w+),", f.read(), re.M)
    h.check(len(rows) > 3000, "the table is read")
    return {int(oid): cls for name, oid, first, cls in rows if oid != "0" and first == "15"}


def test_operators_casts_and_types_need_no_class():
    """What a statement calls without naming it computes, or takes what no statement has."""
    by_oid = classes()
    calls = pg.super("select oprcode::oid, oprname from pg_operator union "
                     "select castfunc, 'cast' from pg_cast union "
                     "select unnest(array[typinput, typoutput, typreceive, typsend, typmodin, typmodout])::oid,"
                     " typname from pg_type union "
                     "select unnest(array[aggtransfn, aggfinalfn, aggmtransfn, aggminvtransfn])::oid,"
                     " aggfnoid::text from pg_aggregate", db="postgres").splitlines()
    wrong = []
    for oid, what in (c.split("|", 1) for c in calls):
        if oid != "0" and int(oid) < 10000 and by_oid[int(oid)] not in ("SAFE", "INTERNAL"):
            wrong.append((what, oid, by_oid[int(oid)]))
    h.eq(wrong, [])


def test_what_the_table_does_not_have_is_opaque():
    """A function that somebody made in pg_catalog, and one whose traits are not what was classed."""
    own = h.Postgres()
    weir = h.Weir(own, policy="""
policy p
allow everyday do sql.basics, sql.select
deny opaque "not known" do sql.opaque-function
""")
    h.eq(weir.psql("select upper('a'), abs(-1), pg_catalog.lower('B')").out, "A|1|b")
    own.super("set allow_system_table_mods = on; "
              "create function pg_catalog.abs(text) returns text language sql as 'select $1'; "
              "create function pg_catalog.newer(int) returns int language sql as 'select $1'; "
              "update pg_proc set provolatile = 'v' where oid = 'pg_catalog.lower(text)'::regprocedure",
              db=own.database)
    weir.stop()
    weir.start()
    for call in ("abs(-1)", "pg_catalog.abs(-1)", "newer(1)", "pg_catalog.newer(1)", "lower('B')"):
        h.has(weir.psql(f"select {call}").err, "opaque")
    h.eq(weir.psql("select upper('a'), sqrt(4)").out, "A|2")


def test_columns_of_functions_are():
    """from.c knows the columns of these in FROM: what they name themselves, else one that an alias calls."""
    text = open(f"{h.ROOT}/runtime/sql/from.c").read()
    table = {name: re.findall(r'"(\w+)"', columns)
             for name, columns in re.findall(r'\{"(\w+)", \{([^}]*)\}\}', text)}
    h.check(len(table) > 10, "the table is read")
    rows = pg.super("select proname, typtype, (select coalesce(string_agg(n, ','), '') "
                    "from unnest(proargnames, proargmodes) a (n, mode) where mode in ('o', 'b', 't')) "
                    "from pg_proc p join pg_type t on t.oid = prorettype "
                    "where pronamespace = 'pg_catalog'::regnamespace").splitlines()
    seen = set()
    for name, kind, out in (r.split("|") for r in rows):
        if name in table:
            seen.add(name)
            h.check(kind in "bp", f"{name} gives a {kind}")
            h.eq(table[name], [n for n in out.split(",") if n], name)
    h.eq(sorted(set(table) - seen), [], "functions that do not exist")


def test_catalog_is_read():
    r = h.run([f"{h.ROOT}/build/opt/tests/catalog_probe",
               f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} "
               f"dbname={pg.database}"])
    h.eq(r.code, 0, r.err)
    h.has(r.out, "search_path = s, public", "shadows lower=1 upper=0",
          "relation s.people r\n  1 id 23:-1\n  3 ssn 1043:24 domain\n  4 name 1043:44\n  5 fee 1700:655366\n",
          "relation s.kid r\n  1 id 23:-1\n  2 ssn 1043:24 domain\n  3 name 1043:44\n  4 fee 1700:655366\n  parent people\n",
          "relation public.part1 r partition\n  1 a 23:-1\n  parent part\n",
          "relation public.vv v\n  1 u 25:-1\n  reads people 1\n  reads people 3\n  reads v 2\n  is query\n",
          "relation s.v v\n  1 id 23:-1\n  2 u 25:-1\n  reads people 1\n  reads people 3\n  is query")
    h.lacks(r.out, "pg_toast", "pg_temp")


pg = h.Postgres(sql=SQL)
h.main(test_the_table_of_functions_is_what_the_servers_have,
       test_operators_casts_and_types_need_no_class, test_what_the_table_does_not_have_is_opaque,
       test_columns_of_functions_are, test_catalog_is_read)
