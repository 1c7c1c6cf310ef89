#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Columns that the server computes from masked ones: stored, and from PostgreSQL 18 on when they are read."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "4111111111111111"
SQL = f"""
create table cards (id int primary key, holder text, back text generated always as (reverse(pan)) stored, pan text,
  n bigint generated always as (pan::bigint) stored, who text generated always as (upper(holder)) stored,
  named text generated always as (pan || '!') stored);
insert into cards (id, holder, pan) values (1, 'Ada', '{SECRET}');
create view seen as select id, back from cards;
create table child () inherits (cards);
insert into child (id, holder, pan) values (2, 'Bob', '{SECRET}');
create table parts (id int, pan text, back text generated always as (reverse(pan)) stored) partition by list (id);
create table part partition of parts default;
insert into parts (id, pan) values (1, '{SECRET}');
"""
READ = f"""
create table virt (id int, pan text, back text generated always as (reverse(pan)),
  n int generated always as (pan::int) virtual);
insert into virt (id, pan) values (1, '{SECRET}');
"""
POLICY = """
policy p
default allow
group dba = idp "dba-oncall"
data card  = column public.cards.pan, column public.parts.pan, column public.virt.pan
data named = column public.cards.named
mask card with last(4) unless who dba
mask named with first(4) unless who dba
"""
HIDDEN = (SECRET, SECRET[::-1])
gates = {}


def setup():
    gates["15"] = h.Weir(h.Postgres(sql=SQL), policy=POLICY)
    gates["18"] = h.Weir(h.Postgres(sql=SQL + READ, folder=h.pg18()), policy=POLICY)


def test_nothing_of_it_is_shown():
    for name, w in gates.items():
        for sql in ("select pan, back, n, who from cards order by id", "table cards order by id", "select back from seen",
                    "copy (select back, n from cards) to stdout", "select back from child", "select back from parts",
                    "select back from part", "update cards set id = id returning back, n",
                    "select x from (select back as x from cards) y", "declare c cursor for select back from cards; fetch all c"):
            sql = sql.replace("order by id", "") if "table" in sql else sql
            r = w.psql(input=f"begin; {sql}; commit;\n")
            h.check(r.code == 0 and r.out, f"{name}: {sql}: {r!r}")
            h.lacks(r.out, *HIDDEN)
        h.has(w.psql("select who, pan from cards where id = 1").out, "ADA|************1111")


def test_copy_leaves_it_out():
    for w in gates.values():
        h.eq(w.psql("copy cards to stdout").out, "1\tAda\t************1111")
        h.eq(w.psql("copy cards to stdout (format csv)").out, '1,Ada,"************1111"')
        h.eq(w.psql("copy parts to stdout").err.count("cannot copy from partitioned"), 1)
        h.eq(w.psql("copy part to stdout").out, "1\t************1111")
        h.eq(w.psql("copy cards to stdout", user="ana").out, f"1\tAda\t{SECRET}")


def test_it_is_used_for_nothing():
    for name, w in gates.items():
        for sql in ("select 1 from cards where back like '1%'", "select n + 0 from cards", "select back from cards order by 1",
                    "select max(n) from cards", "insert into parts (id, pan) select 1, back from cards",
                    "select id from seen where back > '2'", "create table kept as select back from cards"):
            r = w.psql(sql)
            h.check("code WEIR-MASKED-USE" in r.err and not r.out, f"{name}: {sql}: {r!r}")


def test_the_policy_may_name_it():
    for w in gates.values():
        h.eq(w.psql("select named from only cards").out, "4111*************")


def test_who_is_under_no_mask_sees_it():
    for w in gates.values():
        h.eq(w.psql("select back, n from cards where id = 1", user="ana").out, f"{SECRET[::-1]}|{SECRET}")


def test_what_is_computed_when_it_is_read():
    w = gates["18"]
    h.has(w.psql("select n from virt", user="ana").err, SECRET)
    h.eq(w.psql("select back is not null, count(back) from virt group by 1", user="ana").out, "t|1")
    r = w.psql("select id, back from virt")
    h.check(r.code == 0, repr(r))
    h.lacks(r.out, *HIDDEN)
    r = w.psql("select n from virt", options=("-v", "VERBOSITY=verbose"))
    h.has(r.err, "22003")
    h.lacks(r.out + r.err, *HIDDEN)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
