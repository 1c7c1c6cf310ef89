#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir diff and prove with the policy's `catalog`: what they print as a test is one of that policy. Each
is pasted into the new policy, where it passes, and into the old, where it fails."""
import os, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
SQL = """create schema hr;
create table hr.staff (number int primary key, name text, born date, salary numeric(10, 2), grade smallint, note text);
create table hr.sites (code text, city text, since timestamptz);
create view hr.young as select number, name from hr.staff where born > '2000-01-01';
"""
HEAD = """policy p
catalog "schema.sql"
group hr   = idp "hr"
group rest = idp "rest"
target db  = postgres "db"
data names  = column hr.staff.name
data birth  = column hr.staff.born
data pay    = column *.salary
data grade  = column hr.staff.grade
data place  = column hr.sites.*
data typed  = values like card
"""
OLD = """allow read   who hr, rest   on db   do sql.select   when schema = "hr"
allow write  who hr   do sql.update   when table = "hr.sites"
mask pay with null
mask names with partial
"""
# What is changed, and what must be printed about it.
CHANGES = {
    'allow read   who hr, rest   on db   do sql.select   when schema = "hr"': [
        ('allow read   who hr, rest   on db   do sql.read   when schema = "hr"', ['table = "hr.sites"']),
        ('allow read   who hr, rest   on db   do sql.select', ['run "select']),
        ('allow read   who hr, rest   on db   do sql.select   when table = "hr.sites"', ["from hr."]),
        ('allow read   who hr, rest   on db   do sql.select   when table matches "hr.s*"', ["from hr.young"]),
        ('allow read   who hr, rest   on db   do sql.select   when schema = "hr" and not "note" in columns',
         ['columns = {"note"}']),
        ('allow read   who hr   on db   do sql.select   when schema = "hr"', ["in rest"]),
    ],
    'allow write  who hr   do sql.update   when table = "hr.sites"': [
        ('allow write  who hr   do sql.write   when table = "hr.sites"', ["insert into hr.sites (code) values (1)"]),
        ('allow write  who hr   do sql.update   when schema = "hr"', ["update hr."]),
        ('hold  write  who hr   do sql.update   when table = "hr.sites"   for 1 of hr not self   within 5m',
         ["expect hold"]),
    ],
    "mask pay with null\n": [
        ("mask pay with round(100)\n", ['select salary from hr.staff', 'expect ("salary": "52500.00")']),
        ("mask pay with null   unless who hr\n", ["in hr"]),
        ("mask pay with null\nmask birth with year\n", ['row ("born": "1980-05-17")', 'expect ("born": "1980-01-01")']),
        ("mask pay with null\nmask grade with last(2)\n", ["select grade from hr.staff", "null)"]),
        ("mask pay with null\nmask place with hash\n", ["from hr.sites"]),
        ("mask pay with null\ndrop place when row.city = \"Rome\"\n", ["select code, city from hr.sites"]),
        ("mask pay with null\ndeny sorting when sql.uses(place, order)\n", ["select 1 from hr.sites order by code"]),
        ("mask pay with null\ndeny copies when sql.uses(place, write-source)\n", ["insert into \\"]),
    ],
    "mask names with partial\n": [
        ("", ["select name from hr.staff"]),
        ("mask names with pseudonym\n", ["select name from hr.staff"]),
    ],
}


def put(name, text):
    path = f"{h.tmp()}/{name}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def tests_in(text):
    return re.findall(r"^test .*?\n  expect [^\n]*\n", text, re.M | re.S)


def diff(old, new):
    put("schema.sql", SQL)
    r = h.weir("diff", put("old.weir", old), put("new.weir", new))
    h.eq((r.code, r.err), (1, ""), repr(r))
    return r.out


def test_each_is_a_test_of_the_policy():
    n = 0
    for old_part, changes in CHANGES.items():
        for new_part, printed in changes:
            new = OLD.replace(old_part, new_part)
            h.check(new != OLD, old_part)
            out = diff(HEAD + OLD, HEAD + new)
            for text in printed:
                h.has(out, text)
            h.check(tests_in(out), out)
            for t in tests_in(out):
                passes = h.weir("test", put("passes.weir", HEAD + new + t))
                h.eq(passes.code, 0, f"{t}\n{passes!r}")
                fails = h.weir("test", put("fails.weir", HEAD + OLD + t))
                h.eq(fails.code, 1, f"{t}\n{fails!r}")
                # Of the rule that drops rows from now on the old policy knows nothing.
                h.lacks(passes.err + fails.err.replace("error[E0408]", "") if "expect dropped" in t else
                        passes.err + fails.err, "error[")
                n += 1
    h.check(n >= 20, n)


def test_what_the_catalog_lacks_is_shown_by_facts():
    """Salaries could be in any table, of which the catalog has one: that one is shown, or facts are."""
    out = diff(HEAD + OLD, HEAD.replace("column *.salary", "column hr.staff.salary") + OLD)
    h.has(out, "newly unmasked")
    h.eq(tests_in(out), [])
    h.has(out, "  where   ")


def test_a_table_whose_rows_are_dropped_rather_than_a_view_of_it():
    """Of a view nothing is shown then, so that no test could tell the two apart."""
    head = ('policy p\ncatalog "kin.sql"\ntarget db = postgres "db"\ngroup a = idp "a"\n'
            "data mail = column *.*.mail\ndata tenant = column *.*.tenant\n"
            'allow read do sql.select when schema = "app"\ndrop other of tenant when row.tenant = 9\n'
            'deny closed when table = "app.secret"\n')
    put("kin.sql", "create schema app; create table app.people (id int, tenant int, mail text);\n"
                   "create view app.all_people as select id, mail from app.people; create table app.secret (id int);\n")
    r = h.weir("diff", put("old.weir", head + "mask mail with null unless who a\n"),
               put("new.weir", head + "mask mail with null\n"))
    h.has(r.out, "newly masked", "column  app.people.mail\n", "select mail, tenant from app.people")
    h.eq(len(tests_in(r.out)), 1, r.out)


def test_images_have_the_names():
    put("schema.sql", SQL)
    old, new = f"{h.tmp()}/old.img", f"{h.tmp()}/new.img"
    changed = OLD.replace("mask pay with null", "mask pay with null   unless who hr")
    for text, image in ((OLD, old), (changed, new)):
        h.eq(h.weir("build", put("p.weir", HEAD + text), "-o", image).code, 0)
    h.has(h.weir("diff", old, new).out, "select salary from hr.staff")


def test_counterexamples():
    put("schema.sql", SQL)
    text = HEAD + OLD + "prove only hr see birth unmasked\nprove nobody runs sql.update without a hold\n"
    r = h.weir("prove", put("p.weir", text))
    h.eq(r.code, 1, repr(r))
    found = tests_in(r.out)
    h.eq(len(found), 2, r.out)
    for t in found:
        passes = h.weir("test", put("pasted.weir", HEAD + OLD + t))
        h.eq(passes.code, 0, f"{t}\n{passes!r}")


h.main(test_each_is_a_test_of_the_policy, test_what_the_catalog_lacks_is_shown_by_facts,
       test_a_table_whose_rows_are_dropped_rather_than_a_view_of_it, test_images_have_the_names,
       test_counterexamples)
