#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An approval is for what the statement was about when it was shown: who changes the view, the trigger or the
code that it runs, what its columns are called or what hangs on its tables, past the gateway, gets it refused."""
import sys

import harness as h

POLICY = """
policy objects
group dba = idp "dba-oncall"
default allow
hold changes "somebody looks"
  do sql.delete, sql.insert, sql.call, sql.opaque-function, sql.drop, sql.truncate, sql.refresh
  for 1 of dba not self   within 5m   once
"""
SQL = """
create table people (id int, name text);
insert into people select i, 'p' || i from generate_series(1, 9) i;
create table log (what text);
create view few as select id from people where id < 3;
create view outer_view as select id from few;
create function note(x text) returns text language sql as $$ insert into log values (x) returning what $$;
create function quiet() returns trigger language plpgsql as $$ begin return old; end $$;
create function tells() returns trigger language plpgsql as $$ begin insert into log values ('told'); return old; end $$;
create procedure clean() language sql as $$ delete from people where id = 9 $$;
create table watched (id int);
insert into watched values (1), (2);
create trigger t before delete on watched for each row execute function quiet();
create table keyed (id int primary key);
insert into keyed values (1), (2);
create trigger t before delete on keyed for each row execute function quiet();
create table parted (id int) partition by list (id);
create table parted_1 partition of parted for values in (1);
create table parted_2 partition of parted for values in (2) partition by list (id);
create table guarded (id int);
alter table guarded enable row level security;
alter table guarded force row level security;
create policy mine on guarded using (id < 2);
create materialized view counted as select count(*) n from people;
"""
# What is held, and what somebody does meanwhile.
CHANGES = (
    ("delete from few where id = 1", "create or replace view few as select id from people"),
    ("delete from people using outer_view v where v.id = people.id",
     "create or replace view few as select id from people where id < 100"),
    ("select note('x')", "create or replace function note(x text) returns text language sql as"
     " $$ delete from people; insert into log values (x) returning what $$"),
    ("call clean()", "create or replace procedure clean() language sql as $$ delete from people $$"),
    ("delete from watched where id = 1",
     "create trigger u before delete on watched for each row execute function tells()"),
    ("delete from watched where id = 1", "drop trigger t on watched"),
    ("delete from watched where id = 1", "create or replace function quiet() returns trigger language plpgsql as"
     " $$ begin delete from people; return old; end $$"),
    ("delete from people where id = 8", "alter table people rename id to x; alter table people rename name to id;"
     " alter table people rename x to name"),
    ("delete from keyed where id = 1", "create table refers (id int references keyed on delete cascade)"),
    ("delete from parted", "create table parted_3 partition of parted for values in (3)"),
    ("delete from parted", "create table parted_2a partition of parted_2 for values in (2)"),
    ("delete from parted", "create trigger t before delete on parted_1 for each row execute function tells()"),
    ("delete from guarded", "alter policy mine on guarded using (true)"),
    ("insert into log default values", "alter table log alter what set default 'x'"),
    ("delete from people where lower(name) = 'p1'", "create function lower(varchar) returns text language sql as"
     " $$ select 'p1' $$"),
    ("truncate log", "alter table log rename to old_log; create table log (what text, more text)"),
    ("drop table log", "alter table log rename to old_log; alter table people rename to log"),
)
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL)
    weir = h.Weir(pg, policy=POLICY)


def start_again():
    """As it was before anybody changed anything."""
    pg.query("drop schema public cascade; create schema public;" + SQL)


def state():
    return pg.query("select (select count(*) from people), (select count(*) from log),"
                    " (select count(*) from watched)")


def approve():
    i = weir.pending()[0]["id"]
    r = weir.approvals("approve", i, "--reason", "looked at it")
    h.eq(r.code, 0, repr(r))
    return i


def test_what_did_not_change_runs():
    for sql in dict(CHANGES[:-1]):
        start_again()
        client = weir.psql_start(sql)
        approve()
        r = client.wait()
        h.eq(r.code, 0, f"{sql}: {r!r}")


def test_what_changed_while_it_waited_does_not():
    for sql, change in CHANGES:
        start_again()
        client = weir.psql_start(sql)
        h.wait_for(weir.pending, 10, f"{sql} is held")
        pg.query(change)
        before = pg.query("select count(*) from pg_class")
        i = approve()
        r = client.wait()
        h.check(r.code != 0, f"{sql}, then {change}: {r!r}")
        h.has(r.err, "approval-mismatch", "tables and functions")
        h.eq(pg.query("select count(*) from pg_class"), before)
        was = weir.approvals("show", i, "--json").json()
        h.eq((was["state"], was["uses"], was["closed_why"]), ("cancelled", 0, "what it is about changed"))


def test_nor_what_changed_after_it_was_released():
    for sql, change in CHANGES[:4]:
        start_again()
        asynchronous = f"set weir.approval = async;\n{sql};\n"
        h.has(weir.psql(input=asynchronous).err, "WEIR-HELD")
        i = approve()
        then = state()
        pg.query(change)
        r = weir.psql(input=asynchronous)
        h.has(r.err, "WEIR-HELD")  # it is asked for anew
        h.eq(state(), then, sql)
        for open_one in (i, weir.pending()[0]["id"]):
            weir.approvals("reject", open_one)


h.main(test_what_did_not_change_runs, test_what_changed_while_it_waited_does_not,
       test_nor_what_changed_after_it_was_released, setup=setup)
