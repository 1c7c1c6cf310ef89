#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A policy's tests with its catalog: names, `*`, views and types are what they are on the server; and
without the catalog the same tests fail where that makes a difference."""
import os, re, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", f"{ROOT}/build/weir")

SQL = """
create table people (id int primary key, email text, born date);
create schema payments;
create domain code as varchar(5);
create table badges (id int, label varchar(6), box char(8), code code);
create table payments.cards (id bigint, person int, pan text, pin int);
create view payments.shown as select c.id, c.pan as number, p.email from payments.cards c
  join people p on p.id = c.person;
create view payments.summed as select max(pan) as top from payments.cards;
create table parts (id int, note text) partition by range (id);
create table parts_1 partition of parts for values from (0) to (10);
"""
POLICY = """policy p
group agents = idp "a"
target db = postgres "db"
%s
data card = column payments.cards.{pan, pin}
data mail = column people.email
data note = column parts.note
data badge = column badges.{label, box, code}
allow read who agents on db do sql.basics, sql.select
deny weekend do sql.select when time.weekday in {sat, sun} or time.of-day < 06:00
deny far do sql.select when not client.address in 10.0.0.0/8 and table = "public.parts"
mask card with last(4)
mask mail with partial
mask badge with fixed("withheld")
shadow allow bigger do sql.insert when not "note" in columns
mask note with null when client.address in {10.0.0.0/8, 2001:db8::/32}
trust function "app.net(numeric)" digest "sha256:""" + "0" * 64 + """"
"""
AS = 'as agent "a" in agents on db'
# name, text, does it hold without the catalog as well?
TESTS = [
    ("star", 'run "select * from people"\n  row (id: 1, email: "ana@example.com")'
     ' expect (id: 1, email: "a**@example.com")', True),
    ("order of star", 'run "select *, 1 as email from payments.cards" row (pan: "4111111111111111", email: 1)'
     ' expect (pan: "************1111", email: 1)', True),
    ("types", 'run "select pin from payments.cards" row (pin: "123456789") expect (pin: null)', False),
    ("lengths", 'run "select label, box, code from badges" row (label: "a", box: "b", code: "c")'
     ' expect (label: "withhe", box: "withheld", code: "withh")', False),
    ("through a view", 'run "select number, id from payments.shown" row (number: "4111111111111111", id: 7)'
     ' expect (number: "************1111", id: 7)', False),
    ("through two names", 'run "select a.n from (select number as n from payments.shown) a" row (n: "4111111111111111")'
     ' expect (n: "************1111")', False),
    ("masked by, in a view", 'run "select * from payments.shown" expect masked by mail', False),
    ("unqualified column", 'run "select pan from people p, payments.cards c" row (pan: "4111111111111111")'
     ' expect (pan: "************1111")', True),
    ("a column of the other table", 'run "select id from payments.cards where pan is null" expect deny by card', True),
    ("no column of that one", 'run "select born from people, payments.cards where born is null" expect allow by read',
     True),
    ("a view's column in a condition", "run \"select id from payments.shown where number = 'x'\" expect deny by card",
     False),
    ("a view that computes", 'run "select top from payments.summed" expect deny', False),
    ("a partition", 'with client.address = 10.1.2.3 run "select note from parts_1" row (note: "x") expect (note: null)',
     False),
    ("from elsewhere", 'with client.address = 192.0.2.1 run "select note from parts" expect deny by far', True),
    ("IPv6", 'with client.address = 2001:db8::7 run "select note from parts_1" row (note: "x") expect (note: null)',
     False),
    ("not in the network", 'with client.address = 192.0.2.1 run "select note from parts_1" row (note: "x")'
     ' expect (note: "x")', True),
    ("on a weekend", 'with time.weekday = sat run "select id from people" expect deny by weekend', True),
    ("at night", 'with time.of-day = 05:59 run "select id from people" expect deny by weekend', True),
    ("in the morning", 'with time.of-day = 06:00 run "select id from people" expect allow by read', True),
    ("a merged column", 'run "select id from people join parts using (id)" with client.address = 10.0.0.1 row (id: 1)'
     ' expect (id: 1)', True),
    ("a whole row", 'run "select p from people p" expect deny by mail', True),
    ("a shadow rule over the columns of *", 'run "insert into people values (1)" expect shadow by bigger', False),
    ("and over those that are named", 'run "insert into people (id) values (1)" expect shadow by bigger', True),
    ("a function that is vouched for", 'run "select app.net(id) from people" expect allow by read', True),
    ("another one", 'run "select app.gross(id) from people" expect deny by default', True),
    ("a procedure of that name", 'run "call app.net(7)" expect deny by default', True),
    ("the system\'s tables", 'run "select relname from pg_class" expect allow by read', True),
]


def run(folder, catalog):
    """The failed tests, or what weir said instead."""
    with open(f"{folder}/p.weir", "w") as f:
        f.write(POLICY % catalog + "".join(f'test "{n}"\n  {AS}\n  {t}\n' for n, t, _ in TESTS))
    p = subprocess.run([WEIR, "test", "p.weir"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.stdout.decode(errors="replace")
    return set(re.findall(r'^p\.weir:\d+: test "(.*)" failed$', out, re.M)), out


def main():
    print(f"1..{len(TESTS) + 1}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="weir-catalog-") as folder:
        with open(f"{folder}/db.sql", "w") as f:
            f.write(SQL)
        with_it, out = run(folder, 'catalog "db.sql"')
        without, _ = run(folder, "")
    bad = not re.search(r"\d+ passed", out)
    for i, (name, _, alike) in enumerate(TESTS, 1):
        wrong = bad or name in with_it or (name in without) == alike
        if wrong:
            print(f"# {'holds' if name not in without else 'fails'} without the catalog")
            print("\n".join("# " + line for line in out.splitlines()))
        print(f"{'not ' if wrong else ''}ok {i} - {name}")
        failed += wrong
    print(f"{'not ' if bad else ''}ok {len(TESTS) + 1} - it compiles")
    return failed != 0 or bad


sys.exit(main())
