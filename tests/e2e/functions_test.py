#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Functions that a policy vouches for by their digest, with a real PostgreSQL."""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create schema app;
create table public.cards (id int primary key, pan text, price numeric);
insert into public.cards values (1, '4111111111111111', 119);
create function app.net(gross numeric) returns numeric language sql immutable
  as 'select round(gross / 1.19, 2)';
create view app.netted as select id, app.net(price) as n, pan from public.cards;
create function app.twice(i int) returns int language sql as 'select i * 2';
create function app.twice(t text) returns text language sql as 'select t || t';
create function app.peek() returns text language sql security definer as 'select pan from public.cards limit 1';
create function app.upper(t text) returns text language sql as 'select pan from public.cards limit 1';
create function app.rows(n int) returns setof int language sql as 'select generate_series(1, n)';
create aggregate app.total(int) (sfunc = int4pl, stype = int);
create procedure app.work() language sql as 'select 1';
create function "app"."Odd ""name"(x int) returns int language sql begin atomic select x; end;
"""
POLICY = """
policy functions
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data card = column cards.pan
{trust}
allow everyday who agents, dba  do sql.basics, sql.select, sql.call
mask card with last(4) unless who dba
test "a function that is vouched for is no effect of its own"
  as agent "a" in agents on "orders"
  run "select app.net(1), app.rows(2)"
  expect {expected}
"""
pg = weir = None


def lines():
    """The lines of `weir functions`, by the signature."""
    r = weir.cli("functions", "-c", weir.conf_path, "orders")
    h.eq(r.code, 0, repr(r))
    return {re.search(r'function "((?:\\.|[^"])*)"', x)[1]: x for x in r.out.splitlines()}


def load(*trusted):
    known = lines()
    with open(weir.policy, "w") as f:
        f.write(POLICY.format(trust="\n".join(known[t] for t in trusted),
                              expected="allow" if "app.net(gross numeric)" in trusted
                              and "app.rows(n integer)" in trusted else "deny"))
    h.eq(weir.cli("test", weir.policy).code, 0)
    reload()


def reload():
    n = weir.log().count("reloaded")
    weir.reload()
    h.wait_for(lambda: weir.log().count("reloaded") > n, 10, "the reload")


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL)
    weir = h.Weir(pg, policy=POLICY.format(trust="", expected="deny"))


def test_the_list_can_be_pasted():
    known = lines()
    h.eq(sorted(known), ['app.Odd \\"name(x integer)', "app.net(gross numeric)", "app.peek()",
                         "app.rows(n integer)", "app.total(integer)", "app.twice(i integer)",
                         "app.twice(t text)", "app.upper(t text)"])
    h.has(known["app.net(gross numeric)"], 'digest "sha256:', "# sql, immutable")
    h.has(known["app.peek()"], "security definer")
    h.check(known["app.total(integer)"].startswith("# an aggregate"), known["app.total(integer)"])
    r = weir.cli("functions", "--json", "-c", weir.conf_path, "orders")
    h.eq(len(r.json()), 8)
    h.eq(weir.cli("functions", "-c", weir.conf_path, "nowhere").code, 2)
    h.eq(weir.cli("functions", "orders").code, 2)


def test_without_a_line_a_function_is_opaque():
    r = weir.psql("select app.net(119)")
    h.has(r.err, "could read masked columns", "WEIR-MASK-OPAQUE")
    h.has(weir.psql("select id from app.netted").err, "netted", "it calls net", "WEIR-MASKED-VIEW")


def test_what_is_vouched_for_runs():
    load("app.net(gross numeric)", "app.rows(n integer)", 'app.Odd \\"name(x integer)')
    h.eq(weir.psql("select app.net(119)").out, "100.00")
    h.eq(weir.psql("select app.net(price), id from cards").out, "100.00|1")
    h.eq(weir.psql("select n, pan from app.netted").out, "100.00|************1111")
    h.eq(weir.psql("select * from app.rows(2)").out, "1\n2")
    h.eq(weir.psql('select app."Odd ""name"(7)').out, "7")
    for sql in ("select app.peek()", "select app.twice(1)", "select app.total(id) from cards",
                "call app.work()"):
        h.check(weir.psql(sql).code != 0, sql)


def test_a_masked_column_is_no_argument():
    for sql in ("select app.rows(length(pan)) from cards", "select app.net(pan::numeric) from cards",
                "select id from cards where app.net(pan::numeric) > 1"):
        r = weir.psql(sql)
        h.has(r.err, "masked and may not be used")


def test_every_overload_must_be_vouched_for():
    load("app.twice(i integer)")
    h.check(weir.psql("select app.twice(2)").code != 0, "one of two")
    load("app.twice(i integer)", "app.twice(t text)")
    h.eq(weir.psql("select app.twice(2), app.twice('x')").out, "4|xx")


def test_names_that_mean_something_else():
    """upper(pan) unqualified is the built-in, or not: it is the name of both."""
    load("app.upper(t text)", "app.peek()")
    h.eq(weir.psql("select upper('x')").out, "X", "app is not in the search path")
    h.check(weir.psql("set search_path = app, pg_catalog; select upper('x')").code != 0, "upper is also app.upper")
    h.eq(weir.psql("select pg_catalog.upper('x')").out, "X")


def test_a_changed_function_is_opaque_again():
    load("app.net(gross numeric)")
    h.eq(weir.psql("select app.net(119)").out, "100.00")
    for change in ("create or replace function app.net(gross numeric) returns numeric language sql "
                   "immutable as 'select max(length(pan)) from public.cards'",
                   "alter function app.net security definer",
                   "alter function app.net set search_path = pg_temp",
                   "alter function app.net volatile"):
        pg.super(change)
        reload_catalog()
        r = weir.psql(input="select app.net(119);\n")
        h.has(r.err, "app.net(gross numeric) is not what it was", "WEIR-FUNCTION-CHANGED",
              "weir functions")
        load("app.net(gross numeric)")
        h.check(weir.psql("select app.net(119)").code == 0, "its new digest")
    pg.super("alter function app.net owner to postgres")
    pg.super("create function app.net(a int) returns int language sql as 'select 1'")
    reload_catalog()
    h.check(weir.psql("select app.net(119)").code != 0, "a new overload")


def reload_catalog():
    """A change past the gateway is seen when the catalog is read again: a new gateway reads it."""
    global weir
    policy = open(weir.policy).read()
    weir.stop()
    weir = h.Weir(pg, policy=policy)


def test_without_masks_as_well():
    load()
    r = weir.psql("select app.rows(1)", user="ana")
    h.has(r.err, "no rule of policy")
    load("app.rows(n integer)")
    h.eq(weir.psql("select app.rows(1)", user="ana").out, "1")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
