#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a server tells beside the tables: statistics of a masked column, statements of other people and their
constants, files that tables lie in, foreign tables. Tried by somebody under a mask, on a login that could."""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET, RARE = "4111111111111111", "5500005555555559"
SQL = f"""
create schema payments;
create table payments.cards (id int primary key, pan text not null);
insert into payments.cards select i, '{SECRET}' from generate_series(1, 50) i;
insert into payments.cards select i, '{RARE}' from generate_series(51, 60) i;
create table orders (id int, note text);
insert into orders values (1, 'x');
create statistics st on id, pan from payments.cards;
analyze payments.cards;
create view public.stolen as select most_common_vals::text as m from pg_stats where tablename = 'cards';
create materialized view public.kept as select most_common_vals::text as m from pg_stats where tablename = 'cards';
"""
POLICY = """
policy p
default allow
group dba = idp "dba-oncall"
data card = column payments.cards.pan
mask card with last(4) unless who dba
"""
TELLING = """
select most_common_vals::text, histogram_bounds::text from pg_stats where tablename = 'cards'
table pg_statistic
select (s).most_common_vals from pg_stats s
select * from pg_stats_ext
select * from pg_statistic_ext_data
select s.* from pg_statistic_ext e, pg_statistic_ext_data d, pg_mcv_list_items(d.stxdmcv) s
copy pg_statistic to stdout
copy (select * from pg_stats) to stdout
create view mine as select * from pg_stats
create table mine as select * from pg_stats
select * from stolen
select * from kept
explain select * from payments.cards where pan = 'x'
select query from pg_stat_activity
select a.query from pg_locks l join pg_stat_activity a using (pid)
select * from pg_stat_get_activity(null)
select pg_stat_get_backend_activity(s) from pg_stat_get_backend_idset() s
select query from pg_stat_statements
select * from pg_stat_statements(true)
select * from pg_prepared_statements
select * from pg_cursors
select ident from pg_backend_memory_contexts
select * from pg_largeobject
select encode(pg_read_binary_file('base/' || d.oid || '/' || pg_relation_filenode('payments.cards')), 'escape') from pg_database d where datname = current_database()
select encode(pg_read_binary_file('{file}'), 'escape')
select pg_read_file('pg_hba.conf')
copy orders (note) from '{file}'
copy orders to program 'true'
select lo_import('{file}')
create server loop foreign data wrapper postgres_fdw options (port '{port}', dbname 'orders')
create foreign table alias (id int, pan text) server there options (schema_name 'payments', table_name 'cards') | select pan || '' from alias
import foreign schema payments from server there into public | select pan || '' from public.cards
select * from dblink('port={port} dbname=orders user=app password=app-secret host=127.0.0.1', 'select pan from payments.cards') x(pan text)
""".strip().splitlines()
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL, settings={"shared_preload_libraries": "pg_stat_statements"}.items())
    pg.super("create extension pg_stat_statements; create extension postgres_fdw; create extension dblink;"
             "grant pg_monitor, pg_read_server_files, pg_execute_server_program to app;"
             "grant execute on all functions in schema pg_catalog to app;"
             "grant usage on foreign data wrapper postgres_fdw to app;"
             f"create server there foreign data wrapper postgres_fdw options (port '{pg.port}', "
             "host '127.0.0.1', dbname 'orders'); grant usage on foreign server there to app;"
             "create user mapping for app server there options (user 'app', password 'app-secret')",
             db=pg.database)
    weir = h.Weir(pg, policy=POLICY)


def test_what_tells_is_refused_under_a_mask():
    path = pg.super("select pg_relation_filepath('payments.cards')", db=pg.database)
    h.eq(pg.query("select count(*) from pg_stats where most_common_vals::text like '%4111%'"), "1")
    h.eq(weir.psql(f"select count(*) from payments.cards where pan = '{RARE}'", user="ana").out, "10")
    wrong = []
    for way in TELLING:
        way = way.replace("{file}", path).replace("{port}", str(pg.port))
        r = weir.psql(input=";\n".join(way.split(" | ")) + ";\n", options=("-v", "ON_ERROR_STOP=0",
                                                                       "-v", "VERBOSITY=verbose"))
        if "code WEIR-" not in r.err or SECRET in r.out + r.err or RARE in r.out + r.err:
            wrong.append((way, r.out[:200], r.err[:200]))
    h.eq(wrong, [])


def test_nobody_else_is_kept_from_them():
    for way in ("select count(*) > 0 from pg_stats", "select count(*) > 0 from pg_stat_activity",
                "select count(*) > 0 from pg_stat_statements"):
        h.eq(weir.psql(way, user="ana").out, "t")


def test_every_view_that_quotes_is_known():
    """Columns of values, and of statements, in the catalogs of the oldest and the newest server."""
    with open(f"{h.ROOT}/grammar/telling.def") as f:
        known = set(re.findall(r"^TELLING\((\w+),", f.read(), re.M))
    harmless = {
        "pg_attribute",    # attmissingval: a default, as pg_attrdef has it
        "pg_stat_progress_cluster", "pg_stat_progress_create_index",  # the command's name
        "pg_stat_progress_vacuum", "pg_stat_progress_analyze", "pg_stat_progress_copy"}
    for server in (pg, h.Postgres(folder=h.pg18())):
        found = server.super(
            "select distinct c.relname from pg_attribute a join pg_class c on c.oid = attrelid "
            "where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') and attnum > 0 and "
            "(atttypid = 'anyarray'::regtype or atttypid = 'pg_mcv_list'::regtype or attname ~ "
            "'^(query|statement|ident|definition_of|command|most_common|histogram)')").split()
        h.check(len(found) > 5, "the query finds them")
        h.eq(sorted(set(found) - known - harmless), [])


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
