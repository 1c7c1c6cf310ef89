#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The analyser's tables and the catalog snapshot against a real server: every function called SAFE exists
and none of its overloads is volatile unless known to be harmless; names, parents and views are read as
the server has them."""
import re

import harness as h

HARMLESS = set("""random clock_timestamp gen_random_uuid timeofday currval lastval pg_is_in_recovery
  pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_database_size
  pg_partition_tree pg_partition_ancestors pg_sequence_last_value txid_status pg_xact_status
  current_query pg_collation_actual_version pg_jit_available pg_current_wal_lsn
  pg_last_wal_replay_lsn pg_last_wal_receive_lsn pg_last_xact_replay_timestamp
  pg_safe_snapshot_blocking_pids""".split())

SQL = """
create schema s;
create domain s.ssn as text check (value <> '');
create table s.people (id int, gone int, ssn s.ssn);
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


def test_safe_functions_are():
    text = open(f"{h.ROOT}/grammar/functions.def").read()
    safe = set(re.findall(r"^FUNC\((\w+), SAFE\)", text, re.M))
    h.check(len(safe) > 500, "the table is read")
    rows = pg.super("select distinct proname, provolatile from pg_proc"
                    " where pronamespace = 'pg_catalog'::regnamespace").splitlines()
    known = {r.split("|")[0] for r in rows}
    volatile = {r.split("|")[0] for r in rows if r.endswith("|v")}
    h.eq(sorted(safe - known), [], "SAFE but unknown")
    h.eq(sorted((safe & volatile) - HARMLESS), [], "SAFE but volatile")


def test_functions_of_one_column_are():
    """from.c counts the columns of these in FROM, and knows what an alias calls them."""
    text = open(f"{h.ROOT}/runtime/sql/from.c").read()
    table = dict(re.findall(r'\{"(\w+)", (true|false)\}', text))
    h.check(len(table) > 10, "the table is read")
    rows = pg.super("select proname, typtype, coalesce(array_length(proargmodes, 1), 0) > 0 "
                    "from pg_proc p join pg_type t on t.oid = prorettype "
                    "where pronamespace = 'pg_catalog'::regnamespace").splitlines()
    seen = set()
    for name, kind, has_out in (r.split("|") for r in rows):
        if name in table:
            seen.add(name)
            h.check(kind in "bp", f"{name} gives a {kind}")
            h.check(has_out == "f" or table[name] == "true", f"{name} names its column")
    h.eq(sorted(set(table) - seen), [], "functions that do not exist")


def test_catalog_is_read():
    r = h.run([f"{h.ROOT}/build/opt/tests/catalog_probe",
               f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} "
               f"dbname={pg.database}"])
    h.eq(r.code, 0, r.err)
    h.has(r.out, "search_path = s, public", "shadows lower=1 upper=0",
          "relation s.people r\n  1 id 23\n  3 ssn 25 domain\n",
          "relation s.kid r\n  1 id 23\n  2 ssn 25 domain\n  parent people\n",
          "relation public.part1 r partition\n  1 a 23\n  parent part\n",
          "relation public.vv v\n  1 u 25\n  reads people 1\n  reads people 3\n  reads v 2\n  is query\n",
          "relation s.v v\n  1 id 23\n  2 u 25\n  reads people 1\n  reads people 3\n  is query")
    h.lacks(r.out, "pg_toast", "pg_temp")


pg = h.Postgres(sql=SQL)
h.main(test_safe_functions_are, test_functions_of_one_column_are, test_catalog_is_read)
