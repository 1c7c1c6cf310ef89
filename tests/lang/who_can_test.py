#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir who-can and what-can: answers as written down (tests/lang/diff/who.txt), mistakes, JSON.

UPDATE=1 rewrites the answers: read the diff.
"""
import json, os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests/lang/diff")
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build/weir"))
GDPR = "../../../policies-examples/gdpr.weir"
PAYMENTS, TENANTS = GDPR.replace("gdpr", "payments"), GDPR.replace("gdpr", "tenants")
QUESTIONS = [
    ["who-can", "new.weir", "sql.ddl on orders"],
    ["who-can", "new.weir", "sql.select on payments.cards"],
    ["who-can", "new.weir", "sql.update on secret.plans"],
    ["who-can", "new.weir", "sql.file, sql.program"],
    ["who-can", "old.weir", "sql.delete on people"],
    ["who-can", "facts.weir", "sql.read"],
    ["what-can", "new.weir", "alice", "--in", "agents"],
    ["what-can", "new.weir", "bo", "--in", "dba,audit", "--kind", "human", "--on", "orders"],
    ["what-can", "new.weir", "nobody"],
    ["what-can", "facts.weir", "ana"],
    ["who-can", GDPR, "sql.update on crm.people"],
    ["who-can", "door.weir", "connect on db"],
    ["who-can", "door.weir", "sql.ddl on db"],
    ["what-can", "door.weir", "al", "--in", "dev"],
    ["what-can", "door.weir", "bot"],
    ["what-can", PAYMENTS, "al", "--in", "agents", "--kind", "human"],
    ["what-can", TENANTS, "al", "--in", "support"],
    ["what-can", TENANTS, "al"],
    ["who-can", "shut.weir", "sql.read on db"],
    ["who-can", "shut.weir", "sql.delete on db"],
    ["who-can", "shut.weir", "sql.insert on db"],
    ["what-can", "numbers.weir", "al", "--in", "dba"],
    ["what-can", "shut.weir", "al", "--in", "agents"],
    ["what-can", "shut.weir", "al", "--in", 'dba,"ops"'],
    ["what-can", "shut.weir", "al", "--in", '"team-a"'],
    ["what-can", "shut.weir", "al", "--in", '"team-a-ext"'],
]
MISTAKES = [
    (["who-can", "new.weir", "sql.drip"], 2, "there is no action 'sql.drip'; did you mean 'sql.drop'?"),
    (["who-can", "new.weir", "frobnicate"], 2, "there is no action 'frobnicate'; `weir facts` lists them"),
    (["who-can", "new.weir", "sql.drop", "sql.set"], 2, "one question at a time; quote it"),
    (["who-can", GDPR, "sql.select on crm.peple"], 2, "no target of the policy, and no table of its catalog"),
    (["who-can", "new.weir", "sql.ddl on "], 2, "on what?"),
    (["who-can", "new.weir"], 2, "asked for"),
    (["who-can", "new.weir", " "], 2, "who can do what?"),
    (["who-can", "door.weir", "connect, sql.drop"], 2, "ask for connect by itself"),
    (["who-can", "door.weir", "connect on cards"], 2, "no target of the policy"),
    (["what-can", "new.weir", "a", "--in", "nobodies"], 2, "no group 'nobodies' is declared (one of the identity provider that "),
    (["what-can", "new.weir", "a", "--on", "nowhere"], 2, "no target 'nowhere'"),
    (["what-can", "new.weir", "a", "--kind", "robot"], 2, "human, service or agent"),
    (["what-can", "new.weir"], 2, "asked for"),
    (["who-can", "none.weir", "sql.ddl"], 2, "cannot read"),
]
results = []


def check(name, problem):
    results.append(not problem)
    print(f"{'not ' if problem else ''}ok {len(results)} - {name}")
    if problem:
        print("# " + str(problem).replace("\n", "\n# "))


def weir(*args):
    done = subprocess.run([WEIR, *args], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def main():
    told = ""
    for q in QUESTIONS:
        code, out, err = weir(*q)
        told += f"$ weir {' '.join(q)}\n{out}{err}\n"
        if code:
            told += f"exit {code}\n"
    path = os.path.join(HERE, "who.txt")
    if os.environ.get("UPDATE"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(told)
    with open(path, encoding="utf-8") as f:
        check("answers as written down", told != f.read() and told)
    for args, wanted, words in MISTAKES:
        code, out, err = weir(*args)
        check(" ".join(args), (code != wanted or words not in err) and f"{code}: {out}{err}")
    for q in QUESTIONS:
        code, out, err = weir(*q, "--json")
        answers, limits = json.loads(out)["answers"], json.loads(out).get("restrictions", [])
        text = weir(*q)[1]
        bad = [a["rule"] for a in answers if a["rule"] and f"by {a['rule']} (" not in text]
        lines = [c for a in answers for c in a["conditions"] + [c for u in a["unless"]
                                                                for c in u["conditions"]]]
        lines += [c for x in limits for c in x["conditions"]]
        missing = [c for c in lines if f"where {c}\n" not in text]
        missing += [x for x in limits if f"{x['kind']} {x['rule']} (" not in text or f"): {x['terms']}\n" not in text]
        shut = json.loads(out)["shut_out"]
        missing += [x for x in shut if f"{x['verdict']} by {x['rule']} ({x['file']}:{x['line']}:" not in text]
        told = [x for x in text.splitlines() if "but no session is opened: deny by " in x]
        by = ["  but no session is opened: deny by " + ", ".join(
            f"{b['rule']} ({b['file']}:{b['line']}:" for b in x["by"]) for x in shut]
        if [re.sub(r":\d+\)", ":", x) for x in told] != by:
            bad.append(f"who is shut out: {by}, not {told}")
        doors = [a for a in answers if a.get("entry") == "connect"]
        if q[0] == "what-can" and sum(x.startswith("to connect: ") for x in text.splitlines()) != len(doors):
            bad.append("sessions and commands are not told apart")
        check(f"JSON of {' '.join(q)}", bad or missing or (not answers and "no" not in text))
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
