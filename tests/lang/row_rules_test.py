#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests of a policy say which rule masks a row, and which filter refuses a statement."""
import os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

POLICY = """policy rows
catalog "rows.sql"
data tenant = column o.tenant
data pan    = column o.pan
data pay    = column o.pay
allow read   do sql.select
drop foreign of tenant   when row.tenant != 7
mask part of pan with last(4)   unless row.consent
mask hide of pan with null   when row.country = "DE"
mask pay with bucket(1000)
"""
TEST = 'test "%s"   as human "ann"   on "db"   run "select %s from o"   %s\n'
ROWS = '  row (tenant: %s, pan: "4111111111111111", consent: %s, country: "%s")\n'
ALL = "tenant, pan, consent, country"


def results(*tests, catalog=True):
    """What weir test says of each."""
    with open(f"{h.tmp()}/rows.sql", "w") as f:
        f.write("create table o (tenant int, pan text, consent bool, country text, pay int);\n")
    policy = POLICY if catalog else POLICY.replace('catalog "rows.sql"\n', "")
    with open(f"{h.tmp()}/rows.weir", "w") as f:
        f.write(policy + "".join(TEST % (i, *t) for i, t in enumerate(tests)))
    r = h.weir("test", f"{h.tmp()}/rows.weir")
    return [f'test "{i}" failed' not in r.out + r.err for i in range(len(tests))], repr(r)


def test_the_mask_of_a_row():
    """Of two masks over a column another one counts in each row; each that does is met."""
    for catalog in True, False:
        got, said = results(
            (ALL, ROWS % (7, "false", "AT") + 'expect masked by part expect (pan: "************1111")'),
            (ALL, ROWS % (7, "false", "DE") + "expect masked by hide expect (pan: null)"),
            (ALL, ROWS % (7, "true", "AT") + ROWS % (7, "false", "AT") + "expect masked by part"),
            (ALL, ROWS % (7, "true", "AT") + "expect masked by part"),
            (ALL, ROWS % (8, "false", "AT") + "expect masked by part"),
            (ALL, ROWS % (7, "false", "DE") + "expect masked by part"), catalog=catalog)
        h.eq(got, [True, True, True, False, False, False], said)


def test_the_filter_that_refuses():
    """What could show rows that are dropped is refused by the drop, not by a mask that is there as well."""
    got, said = results(("pay", "expect deny by foreign"), ("tenant, count(*)", "expect deny by foreign"),
                        ("pay", "expect deny by pay"), ("tenant, pay + 1", "expect deny by pay"))
    h.eq(got, [True, True, False, True], said)
    r = h.weir("explain", f"{h.tmp()}/rows.weir", "--as", 'human "ann"', "--on", '"db"', "select pay from o")
    h.has(r.out, "by foreign: rows of o are filtered by their tenant")


def test_many_masks():
    """However many masks there are, the filter is among the rules that are told."""
    more = "".join(f"data d{i} = column o.x{i}\nmask d{i} with null\n" for i in range(8))
    columns = ", ".join(f"x{i} text" for i in range(8))
    with open(f"{h.tmp()}/many.sql", "w") as f:
        f.write(f"create table o (tenant int, pan text, consent bool, country text, pay int, {columns});\n")
    with open(f"{h.tmp()}/many.weir", "w") as f:
        f.write(POLICY.replace("rows.sql", "many.sql") + more + TEST % ("many", "pay", "expect deny by foreign"))
    r = h.weir("test", f"{h.tmp()}/many.weir")
    h.eq(r.code, 0, repr(r))


h.main(test_the_mask_of_a_row, test_the_filter_that_refuses, test_many_masks)
