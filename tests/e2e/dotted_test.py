#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names with a dot in them: a rule says "schema.table", and no other schema or function may be spelled so."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create schema app;
create table app."x.y" (v text); insert into app."x.y" values ('of app');
create schema "app.x";
create table "app.x".y (v text); insert into "app.x".y values ('another');
create schema "public.hidden";
create table "public.hidden".t (v text); insert into "public.hidden".t values ('hidden');
create function "public.hidden".f() returns text language sql as 'select ''hidden'' || ''f''';
create table public."t.u" (v text); insert into public."t.u" values ('of public');
create view public.through as select v from "public.hidden".t;
create function public."app.f"() returns text language sql as 'select ''not of '' || ''app''';
create function app.f() returns text language sql as 'select ''of '' || ''app''';
grant usage on schema app, "app.x", "public.hidden" to public;
grant select on all tables in schema app, "app.x", "public.hidden", public to public;
"""
POLICY = """
policy dotted
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
allow everyday who agents do sql.basics
allow public who agents do sql.select   when table matches "public.*"
allow one    who agents do sql.select   when table = "app.x.y"
allow called who agents do sql.opaque-function   when function in {"app.f", "public.f"}
allow dba    who dba do sql
deny  vault  who dba do sql.select   when table matches "vault.*"
"""
pg = w = None


def setup():
    global pg, w
    pg = h.Postgres(sql=SQL)
    w = h.Weir(pg, policy=POLICY)


def allowed(sql, out):
    r = w.psql(sql)
    h.eq((r.code, r.out.strip()), (0, out), f"{sql}: {r.err}")


def refused(sql):
    r = w.psql(sql)
    h.check(r.code != 0 and not r.out.strip(), f"{sql} gives {r.out}")
    h.has(r.err, "policy")


def test_a_table_of_another_schema_is_not_spelled_so():
    allowed('select v from app."x.y"', "of app")
    refused('select v from "app.x".y')
    refused('select v from "app.x"."y"')
    refused('copy "app.x".y to stdout')


def test_a_schema_does_not_begin_as_another():
    allowed('select v from public."t.u"', "of public")
    allowed('select v from "t.u"', "of public")
    refused('select v from "public.hidden".t')
    refused('set search_path = "public.hidden"; select v from t')
    refused('select v from public."t.u" union all select v from "public.hidden".t')


def test_a_function_has_no_schema_in_its_name():
    allowed("select app.f()", "of app")
    refused('select "app.f"()')
    refused('select public."app.f"()')
    refused('select "public.hidden".f()')


def test_what_is_not_known_does_not_pass_a_deny():
    r = w.psql('select v from "app.x".y', user="ana")
    h.check(r.code != 0 and not r.out.strip(), r.out)
    h.has(r.err, "vault")
    r = w.psql('select v from app."x.y"', user="ana")
    h.eq((r.code, r.out.strip()), (0, "of app"), r.err)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
