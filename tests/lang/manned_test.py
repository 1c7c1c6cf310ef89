#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds against the people of a configuration: who could release them, and the warning when nobody can."""
import os, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
POLICY = ('policy p\ngroup dba = idp "dbas"\ngroup sec = idp "security"\nallow read do sql.select\n'
          "{}hold ddl do sql.ddl for {} within 5m\n")
CONF = """listen postgres 127.0.0.1:16432
listen admin 127.0.0.1:16433
policy "p.weir"
state "state"
tls off
target orders
  protocol postgres
  address 127.0.0.1:5432
  database orders
  login "app" password "secret"
  tls off
"""
ANN, BOB = 'principal ann kind human groups dbas, security key "a"\n', 'principal bob kind human groups dbas key "b"\n'
CASES = [  # for, who there is, what is asked for too many of
    ("1 of dba not self", BOB, None),
    ("1 of dba not self", "", ("dbas", 0)),
    ("1 of dba", BOB.replace("human", "agent"), ("dbas", 0)),
    ("1 of dba", BOB.replace("human", "service"), None),
    ("1 of dba", BOB.replace(' key "b"', ""), ("dbas", 0)),
    ("2 of dba", BOB, ("dbas", 1)),
    ("2 of dba", ANN + BOB, None),
    ("1 of dba and 1 of sec", ANN, ("security", 1)),  # nobody counts for two
    ("1 of dba and 1 of sec", ANN + BOB, None),  # ann has to be the one of security
    ("1 of sec and 2 of dba", ANN + BOB, ("dbas", 2)),
]


def said(policy, people):
    folder = h.tmp()
    for name, text in (("p.weir", policy), ("weir.conf", CONF + people)):
        with open(f"{folder}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{folder}/{name}", 0o600)
    r = h.weir("run", "--check", "-c", f"{folder}/weir.conf")
    h.eq(r.code, 0, repr(r))
    return re.findall(r"hold '(\w+)' holds: it asks for \d+ of '(\w+)', and the configuration has (\d+)", r.err + r.out)


def test_who_there_is():
    for need, people, want in CASES:
        got = said(POLICY.format("", need), people)
        h.eq(got, [("ddl", want[0], str(want[1]))] if want else [], f"{need}: {people}")
    h.eq(said(POLICY.format("shadow ", "1 of dba"), ""), [], "what is not in force holds nothing")


h.main(test_who_there_is)
