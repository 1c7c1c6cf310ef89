#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir eval: what obliges, who is told, and what is only watched are told apart."""
import json, os, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

POLICY = """policy p
group ops = idp "ops"
allow reads do sql.select
hold ddl do sql.ddl for 1 of ops within 15m notify desk
notify watched to desk do sql.read
record text do sql.select with text
limit few do sql.select rows 5 per command
shadow limit fewer do sql.select rows 3 per command
shadow deny later do sql.select
"""


def decided(**facts):
    path = f"{h.tmp()}/p.weir"
    with open(path, "w") as f:
        f.write(POLICY)
    r = h.run(["build/asan/weir", "eval", path, "--facts", "-"], input=json.dumps(facts), cwd=h.ROOT)
    h.eq(r.code, 0, repr(r))
    return r.json()


def test_a_notice_is_no_obligation():
    watch = decided(action="sql.select", entry="watch")
    h.eq({m["rule"] for m in watch["matched"]}, {"watched", "fewer", "later"})
    h.eq(watch["obligations"], [], "what is only watched obliges nobody")
    command = decided(action="sql.select")
    h.eq(command["obligations"], [{"record": "text", "with": ["text"]},
                                  {"limit": "few", "amounts": [{"rows": 5, "per": "command"}]}])
    h.eq(command["notify"], [{"rule": "watched", "channel": "desk"}])
    h.eq({(s["rule"], s["would"]) for s in command["shadow"]}, {("fewer", "limit"), ("later", "deny")})


def test_a_hold_that_decides_is_one():
    held = decided(action="sql.drop")
    h.eq((held["verdict"], [o["hold"] for o in held["obligations"]]), ("hold", ["ddl"]))
    h.eq(held["notify"], [{"rule": "ddl", "channel": "desk"}])


h.main(test_a_notice_is_no_obligation, test_a_hold_that_decides_is_one)
