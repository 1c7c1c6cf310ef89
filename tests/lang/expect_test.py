#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a policy's test can expect: each kind met, and not met, with what is said then."""
import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
POLICY = """policy p
group a = idp "a"
data name = column people.name
data tenant = column people.tenant
allow read  who a  do sql.select, sql.insert
hold  all   who a  do sql.delete  for 1 of a not self within 1h
deny  drop  do sql.drop
mask name with last(1)
drop foreign of tenant when row.tenant = 7
limit few  do sql.select  rows 3 per command
record kept  do sql.delete  with text
notify told to desk  do sql.delete
shadow deny later  do sql.insert
test "t"  as human "x" in %s  on "db"  run "%s"
%s
"""
READ, ADD, DELETE, DROP = ("select name, tenant from people", "insert into people values (1)",
                           "delete from people where tenant = 1", "drop table people")
ROW, GONE = "row (name: \"Ada\", tenant: 1)", "row (name: \"Ada\", tenant: 7)"
# group, command, what is expected, what is said (None: it is met)
EXPECTED = [
    ("a", READ, "expect allow by read", None),
    ("a", READ, "expect deny", "expected deny, got allow by read"),
    ("a", READ, "expect allow by drop", "expected allow by drop, got allow by read"),
    ("b", READ, "expect deny by default", None),
    ("a", READ, "expect masked by name", None),
    ("a", ADD, "expect masked by name", "no output column is masked by name"),
    ("a", READ, "expect limited by few", None),
    ("a", ADD, "expect limited by few", "the command is not limited by few"),
    ("b", READ, "expect limited by few", "expected a limit, got deny"),
    ("a", DELETE, "expect recorded by kept", None),
    ("a", READ, "expect recorded by kept", "the command is not recorded by kept"),
    ("a", DELETE, "expect notified by told", None),
    ("a", READ, "expect notified by told", "told"),
    ("a", ADD, "expect shadow by later", None),
    ("a", READ, "expect shadow by later", "later"),
    ("a", READ, f"{ROW} expect (name: \"**a\")", None),
    ("a", READ, f"{ROW} expect (name: \"Ada\")", 'column name: expected "Ada", got "**a" by name'),
    ("a", READ, f"{GONE} expect (name: \"**a\")", "the row is dropped by foreign"),
    ("b", READ, f"{ROW} expect (name: \"**a\")", "expected a row, got deny by default"),
    ("a", READ, f"{GONE} expect dropped by foreign", None),
    ("a", READ, f"{ROW} expect dropped by foreign", "expected a row dropped by foreign, and it is shown"),
    # Nothing is dropped of what is not answered.
    ("b", READ, f"{GONE} expect dropped by foreign", "expected a row, got deny by default"),
    ("a", READ, "expect dropped by foreign", "more expected rows than `row` gives"),
]


def test_each_kind_of_expectation():
    path, wrong = f"{h.tmp()}/p.weir", []
    for group, sql, expected, said in EXPECTED:
        group = group if group == "a" else "other"
        with open(path, "w", encoding="utf-8") as f:
            f.write((POLICY % (group, sql, expected)).replace('"a"\n', '"a"\ngroup other = idp "o"\n', 1))
        r = h.weir("test", path)
        told = r.out.splitlines()[1:-1]
        good = r.code == (0 if said is None else 1) and len(told) == (said is not None) and (not said or said in told[0])
        if not good:
            wrong.append((sql, expected, said, r.code, r.out + r.err))
    h.eq(wrong, [])


h.main(test_each_kind_of_expectation)
