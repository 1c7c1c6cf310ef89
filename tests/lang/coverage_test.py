#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir test --coverage, --strict and --mutate."""
import glob, json, os, re, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
TENANTS = "policies-examples/tenants.weir"

WHOLE = '''policy p
group a = idp "a"
group b = idp "b"
data card = column t.card

allow read   who a   do sql.select, sql.show   when sql.statements <= 2 and sql.parameters = 0
mask card with last(4)   unless who b

test "reads" as agent "x" in a on "o" run "select 1; select 2" expect allow
test "shows" as agent "x" in a on "o" run "show x" expect allow
test "not three" as agent "x" in a on "o" run "select 1; select 2; select 3" expect deny
test "not with parameters" as agent "x" in a on "o" run "select $1" expect deny
test "not with one" as agent "x" in a on "o" run "select $1::text || $1" expect deny
test "not b" as agent "x" in b on "o" run "select 1" expect deny
test "writes nothing" as agent "x" in a on "o" run "insert into t values (1)" expect deny
test "masked" as agent "x" in a on "o" run "select card from t" row (card: "411111111111") expect (card: "********1111")
test "not for b" as agent "x" in a, b on "o" run "select card from t" row (card: "411111111111") expect (card: "411111111111")
'''


def put(text, name="p.weir"):
    path = f"{h.tmp()}/{name}"
    with open(path, "w") as f:
        f.write(text)
    return path


def orders():
    """The example without its tests of masks."""
    with open("policies-examples/orders.weir") as f:
        return put(f.read().split('\ntest "an agent sees')[0], "orders.weir")


def lines(out):
    return [json.loads(x) for x in out.splitlines()]


def test_coverage():
    r = h.weir("test", orders(), "--coverage")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "7 passed, 0 failed\n", "rules     4 of 6 do something in a test\n",
          "clauses   9 of 11 are seen to hold and to fail\n", "masks     0 of 2 meet a column\n",
          "verdicts  allow 2, hold 1, deny 4, of these by default 2\n",
          "Rules without a test:\n", "orders.weir:34:6: mask card\n",
          "orders.weir:18:21: app-data: on orders: never fails\n")
    c = lines(h.weir("test", orders(), "--coverage", "--json").out)[-1]
    h.eq(c["coverage"], {"rules": {"total": 6, "tested": 4}, "clauses": {"total": 11, "both_ways": 9},
                         "masks": {"total": 2, "tested": 0},
                         "verdicts": {"allow": 2, "hold": 1, "deny": 4, "by_default": 2}})
    h.eq([(x["rule"], x["tests"] > 0) for x in c["rules"]],
         [("app-data", True), ("unbounded-write", True), ("server-side", True), ("ddl", True),
          ("card", False), ("contact", False)])
    h.eq(sum(len(x["clauses"]) for x in c["rules"]), 11)


def test_what_counts():
    """A rule that matches where another decides has no test; a mask that meets no column neither."""
    text = ('policy p\ngroup a = idp "a"\ndata card = column t.card\nallow read   do sql.select\n'
            'deny all   when not sql.where\nmask card with null\n'
            'test "t" as agent "x" in a on "o" run "select id from t" expect deny\n')
    c = lines(h.weir("test", put(text), "--coverage", "--json").out)[-1]
    h.eq({x["rule"]: x["tests"] for x in c["rules"]}, {"read": 0, "all": 1, "card": 0})
    more = text + 'test "u" as agent "x" in a on "o" run "select card from t where true" expect allow\n'
    c = lines(h.weir("test", put(more), "--coverage", "--json").out)[-1]
    h.eq({x["rule"]: x["tests"] for x in c["rules"]}, {"read": 1, "all": 1, "card": 1})
    # Clauses over a row are seen where rows are.
    c = lines(h.weir("test", TENANTS, "--coverage", "--json").out)[-1]
    by = {x["rule"]: x for x in c["rules"]}
    h.eq([(k["held"], k["failed"]) for k in by["foreign"]["clauses"]], [(True, True), (True, True)])


def test_strict():
    r = h.weir("test", orders(), "--strict")
    h.eq(r.code, 1)
    h.has(r.out, "Rules without a test:", "mask contact")
    h.has(r.err, "weir test: 2 rules are without a test")
    r = h.weir("test", put(WHOLE), "--strict")
    h.eq((r.code, r.out, r.err), (0, "9 passed, 0 failed", ""))


def test_all_changes_are_noticed():
    r = h.weir("test", put(WHOLE), "--mutate")
    h.eq(r.code, 0, r.out)
    m = re.search(r"^(\d+) of (\d+) changes are noticed by a test$", r.out, re.M)
    h.check(m and m[1] == m[2] and int(m[1]) > 15, r.out)


# A test less, and a change that nobody notices then.
LESS = [("shows", "read without `sql.show` (a name is dropped)"),
        ("not three", "read without `sql.statements <= 2` (a part of a condition is dropped)"),
        ("not b", "read without `who a` (a clause is dropped)"),
        ("not b", "read with `a, b` instead of `a` (a group is added)"),
        ("not for b", "card without `unless who b` (a clause is dropped)"),
        ("writes nothing", "read without `do sql.select, sql.show` (a clause is dropped)"),
        ("masked", "that card is gone (a rule is taken away)"),
        ("masked", "card with `null` instead of `last(4)` (a mask is swapped)"),
        ("masked", "card with `5` instead of `4` (a mask shows more)")]


def test_survivors():
    for name, want in LESS:
        text = "".join(x + "\n" for x in WHOLE.splitlines() if not x.startswith(f'test "{name}"'))
        r = h.weir("test", put(text), "--mutate")
        h.eq(r.code, 1, name)
        h.has(r.out, f": no test notices {want}\n")
    two = WHOLE.replace('test "reads" as agent "x" in a on "o" run "select 1; select 2"',
                        'test "reads" as agent "x" in a on "o" run "select 1"')
    h.has(h.weir("test", put(two), "--mutate").out,
          "with `sql.statements < 2` instead of `sql.statements <= 2` (a boundary is moved)\n")


def test_what_a_mask_allows():
    text = ('policy p\ngroup a = idp "a"\ndata mail = column people.mail\nallow read   do sql.select\n'
            'mask mail   with partial allowing lookup\n'
            'test "t" as agent "x" in a on "o" run "select mail from people" expect masked by mail\n')
    want = ": no test notices mail without `allowing lookup` (what a mask allows is dropped)\n"
    h.has(h.weir("test", put(text), "--mutate").out, want)
    text += 'test "u" as agent "x" in a on "o" run "select id from people where mail = $1" expect allow\n'
    h.lacks(h.weir("test", put(text), "--mutate").out, want)


def apply(text, m):
    rows = text.split("\n")
    start = sum(len(x) + 1 for x in rows[:m["line"] - 1]) + m["column"] - 1
    end = sum(len(x) + 1 for x in rows[:m["end_line"] - 1]) + m["end_column"] - 1
    h.eq(text[start:end], m["was"])
    return text[:start] + m["is"] + text[end:]


def beside(text):
    """Put where its imports and its catalog are."""
    shutil.copytree("policies-examples", f"{h.tmp()}/beside", dirs_exist_ok=True)
    path = f"{h.tmp()}/beside/mutant.weir"
    with open(path, "w") as f:
        f.write(text)
    return path


def test_survivors_are_what_they_say():
    for path in sorted(glob.glob("policies-examples/*.weir")):
        with open(path) as f:
            text = f.read()
        found = lines(h.run(["build/asan/weir", "test", path, "--mutate", "--json"]).out)
        survivors = [x for x in found if "mutant" in x]
        h.eq(found[-1]["survived"], len(survivors))
        h.eq(found[-1]["mutants"], found[-1]["noticed"] + found[-1]["survived"])
        h.check(found[-1]["noticed"] >= 15, f"{path}: {found[-1]}")
        for m in survivors[::5]:
            if m["file"] == path:
                h.eq(h.weir("test", beside(apply(text, m))).code, 0, f"{path}: {m}")


def test_imports_are_changed_too():
    put('allow read   do sql.select   when sql.statements = 1\n', "part.weir")
    path = put('policy p\nimport "part.weir"\ngroup a = idp "a"\n'
               'test "t" as agent "x" in a on "o" run "select 1" expect allow\n')
    r = h.weir("test", path, "--mutate")
    h.eq(r.code, 1)
    h.has(r.out, "part.weir:1:30: no test notices read without `when sql.statements = 1` (a clause is dropped)")


SESSIONS = '''policy p
group a   = idp "a"
group dba = idp "dba"
allow read   do sql.select
hold door    do connect   who a   for 1 of dba not self   within 5m
deny night   do connect   when time.of-day < 06:00
shadow deny clear   do connect   when not client.tls

test "waits" as agent "x" in a on "o" expect hold by door
test "walks in" as agent "x" in dba on "o" expect allow
test "not by night" as agent "x" in dba on "o" with time.of-day = 05:59 expect deny by night
test "in the clear" as agent "x" in dba on "o" with client.tls = false expect shadow by clear
'''


def test_sessions():
    """A test without a command is about opening a session."""
    r = h.weir("test", put(SESSIONS), "--coverage")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "4 passed", "rules     4 of 4 do something")
    r = h.weir("test", put(SESSIONS.replace("expect hold by door", "expect allow")))
    h.eq(r.code, 1)
    h.has(r.out, "expected allow, got hold by door at")
    r = h.weir("test", put(SESSIONS), "--mutate")
    h.lacks(r.out, "door: a clause is dropped: do connect", "night: a clause is dropped: when")


def test_bounded():
    rules = "".join(f'allow r{i}   who a   do sql.select   when sql.statements > {i}\n' for i in range(1500))
    path = put('policy p\ngroup a = idp "a"\n' + rules
               + 'test "t" as agent "x" in a on "o" run "select 1" expect allow\n')
    r = h.weir("test", path, "--mutate", "--seconds", "1")
    h.has(r.out, "more were not tried in time (--seconds)")


def test_usage_and_failures():
    for argv in (["--seconds", "0"], ["--seconds", "x"], ["--mutat"], []):
        h.eq(h.weir("test", *argv).code, 2, argv)
    r = h.weir("test", put(WHOLE.replace("expect deny", "expect allow", 1)), "--mutate")
    h.eq(r.code, 1)
    h.lacks(r.out, "changes are noticed")
    h.eq(h.weir("test", put(WHOLE.replace("expect deny", "expect allow", 1)), "--coverage").code, 1)


def test_with_a_catalog():
    """What counts is what the gateway decides by: whose column an unqualified name is."""
    put("create table a (id int, pan text); create table b (number int, note text);", "ab.sql")
    text = 'policy p\ncatalog "ab.sql"\ndata bs = column b.*\nallow read do sql.select\n' \
           'deny d when sql.uses(bs, predicate)\n' \
           'test "of a" as human "x" on "o" run "select id from a, b where pan = \'1\'" expect allow\n'
    r = h.weir("test", put(text), "--coverage")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "d: when sql.uses(bs, predicate): never holds")


h.main(test_with_a_catalog, test_coverage, test_what_counts, test_strict, test_all_changes_are_noticed, test_survivors, test_what_a_mask_allows,
       test_survivors_are_what_they_say, test_imports_are_changed_too, test_sessions,
       test_bounded, test_usage_and_failures)
