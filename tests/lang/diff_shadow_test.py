#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir diff of shadow rules: fixed pairs, each with a test that tells the two apart, and random ones.
What `weir eval` says that shadow rules would have done must differ at the facts that diff shows, and
nowhere when diff says that nothing does.

  SEED=N  another sequence; PAIRS=N  how many random pairs
"""
import json, os, random, sys, tempfile

from policy_pairs import bad_tests, check, found_in, results, weir, write

HEAD = """policy shadows
group g0 = idp "g0"
group g1 = idp "g1"
data pan = column app.orders.pan
data name = column app.orders.name, column app.people.name
allow r do sql.select, sql.update
deny n do sql.drop
"""


NEW, GONE, OTHER = "newly shadowed", "no longer shadowed", "shadowed otherwise"
# Kinds that are said, whether each is a test, the rules before and after.
FIXED = [
    ([NEW], True, "", "shadow deny s do sql.select when table = \"app.people\""),
    ([GONE], True, "shadow hold s do sql.update for 1 of g0 within 5m", ""),
    ([GONE], True, "shadow allow s do sql.truncate", ""),
    ([GONE], True, "shadow deny s do connect when not client.tls", ""),
    ([NEW], True, "", "shadow mask s of pan with last(4)"),
    ([NEW], True, "", "shadow drop s of pan when row.id = 3"),
    ([NEW], True, "", "shadow limit s do sql.select rows 10"),
    ([NEW], True, "", "shadow record s do sql.drop with text"),
    ([GONE], True, "shadow notify s to desk do sql.select", ""),
    ([NEW], True, "", "shadow notify s to desk do sql.select when sql.text matches \"*secret*\""),
    ([NEW], True, "shadow deny s who g0 do sql.select", "shadow deny s who g0, g1 do sql.select"),
    ([NEW, GONE], True, "shadow deny s who g0 do sql.select", "shadow deny s who g1 do sql.select"),
    ([OTHER], False, "shadow hold s do sql.select for 1 of g0 within 5m",
     "shadow hold s do sql.select for 2 of g0 within 5m"),
    ([OTHER], False, "shadow mask s of pan with null", "shadow mask s of pan with hash"),
    ([OTHER], False, "shadow mask s of pan, name with null", "shadow mask s of pan with null"),
    ([OTHER], False, "shadow limit s do sql.select rows 10", "shadow limit s do sql.select rows 11"),
    ([OTHER], False, "shadow record s do sql.select with text", "shadow record s do sql.select with strict"),
    ([OTHER], False, "shadow notify s to desk do sql.select", "shadow notify s to hall do sql.select"),
    ([OTHER], False, "shadow deny s do sql.select", "shadow hold s do sql.select for 1 of g0 within 5m"),
    # Of its own table, whose schema no rule tells from the others.
    ([GONE], True, "deny d when schema = \"other\"\nshadow mask s of pan with null", "deny d when schema = \"other\""),
    # On record is the rule's name.
    ([GONE, NEW], True, "shadow deny s do sql.select", "shadow deny t do sql.select"),
    # What is in force now is the change; and what is not any more.
    (["newly denied"], True, "shadow deny s do sql.select", "deny s do sql.select"),
    (["newly allowed"], True, "deny s do sql.select", "shadow deny s do sql.select"),
    (["newly held"], True, "shadow hold s do sql.update for 1 of g0 within 5m",
     "hold s do sql.update for 1 of g0 within 5m"),
    (["newly masked"], True, "shadow mask s of pan with null", "mask s of pan with null"),
    (["newly unmasked"], True, "mask s of pan with null", "shadow mask s of pan with null"),
    (["rows newly dropped"], True, "shadow drop s of pan", "drop s of pan"),
    (["limit changed"], True, "shadow limit s do sql.select rows 10", "limit s do sql.select rows 10"),
    (["recorded otherwise"], True, "shadow record s do sql.select with text",
     "record s do sql.select with text"),
    (["told otherwise"], True, "shadow notify s to desk do sql.select", "notify s to desk do sql.select"),
    # In force and nothing new by that: it was on record as a shadow, and is not.
    ([GONE], True, "record t do sql.select with text\nshadow record s do sql.select with text",
     "record t do sql.select with text\nrecord s do sql.select with text"),
    # Never on record: it would make no difference.
    ([], True, "shadow deny s do sql.drop", ""),
    ([], True, "shadow allow s do sql.select", ""),
    ([], True, "mask m of pan with null\nshadow mask s of pan with last(4)", "mask m of pan with null"),
    ([NEW], True, "mask m of pan with last(4)", "mask m of pan with last(4)\nshadow mask s of pan with null"),
    ([], True, "shadow deny s do sql.select when client.tls or sql.where",
     "shadow deny s do sql.select when sql.where or client.tls"),
    ([], True, "shadow deny s do sql.select\nshadow deny t do sql.update",
     "shadow deny t do sql.update\nshadow deny s do sql.select"),
]


def fixed(folder):
    for wanted, tested, old, new in FIXED:
        found = found_in(HEAD, folder, old, new)
        bad = [d["kind"] for d in found] != wanted and found
        bad = bad or [d for d in found if bool(d["test"]) != tested]
        check(f"{' and '.join(wanted) or 'nothing'}: {old or '-'} | {new or '-'}".replace("\n", "; "),
              bad or bad_tests(HEAD, folder, old, new, found))


def waivers(folder):
    """Accepted for as long as the rule says the same; in text and as an object."""
    a, b, c = (write(folder, f"{n}.weir", HEAD + t + "\n") for n, t in (
        ("a", ""), ("b", "shadow deny s do sql.select"), ("c", "shadow deny s do sql.select, sql.update")))
    found = json.loads(weir("diff", a, b, "--json")[1])["differences"]
    waive = write(folder, "waived", found[0]["id"] + "  # tried for a week\n")
    code, out, err = weir("diff", a, b, "--waive", waive)
    check("a shadow rule can be waived", (code, out) != (0, "0 differences, 1 waived\n") and out + err)
    check("not what becomes of it", weir("diff", a, c, "--waive", waive)[0] != 1)
    check("its name is in the object", found[0].get("shadow") != "s" and found)
    out = weir("diff", a, b)[1]
    check("and in the text", [w for w in (NEW, "nothing of it on record", "would deny, by s (",
                                          "expect shadow by s") if w not in out] and out)


# ---- Random pairs ----

CONDITIONS = ['table = "app.orders"', 'schema = "app"', "sql.where", "user.kind = agent", "client.tls",
              "sql.uses(pan)", "sql.uses(name, predicate)", "time.weekday = mon", "g1 in user.groups"]


def random_rule(r, i):
    kind = r.choice(["allow", "deny", "hold", "mask", "mask", "drop", "record", "notify", "limit"])
    out = ("shadow " if r.random() < .65 else "") + f"{kind} r{i}"
    shows = kind in ("mask", "drop")
    if kind == "notify":
        out += " to " + r.choice(["desk", "hall"])
    if shows:
        out += " of " + r.choice(["pan", "name", "pan, name"])
    if kind == "mask":
        out += " with " + r.choice(["null", "last(4)", "hash"])
    if r.random() < .4:
        out += " who " + r.choice(["g0", "g1", "g0, g1"])
    if not shows and r.random() < .8:
        out += " do " + r.choice(["sql.select", "sql.update", "sql.drop", "sql", "sql.select, sql.truncate"])
    if r.random() < .5:
        out += " when " + r.choice(["user.kind = agent", "client.tls"] if shows else CONDITIONS)
    return out + {"hold": " for 1 of g0 within 5m", "limit": f" rows {r.choice([5, 6])}",
                  "record": " with " + r.choice(["text", "strict"])}.get(kind, "")


def random_pair(r):
    old = [random_rule(r, i) for i in range(r.randrange(1, 6))]
    new, at = list(old), r.randrange(len(old))
    which = r.random()
    if which < .15 and " with null" in new[at]:
        new[at] = new[at].replace("with null", "with hash")
    elif which < .15 and " rows 5" in new[at]:
        new[at] = new[at].replace("rows 5", "rows 7")
    elif which < .3:
        del new[at]
    elif which < .6:
        new[at] = new[at].replace("shadow ", "") if new[at].startswith("shadow") else "shadow " + new[at]
    else:
        new.insert(at, random_rule(r, 90))
    top = ["default allow"] if r.random() < .2 else []
    return "\n".join(top + old), "\n".join(top + new)


def random_facts(r):
    table = r.choice(["orders", "people", "other"])
    action = r.choice(["sql.select", "sql.select", "sql.update", "sql.drop", "sql.truncate"])
    uses = []
    if action in ("sql.select", "sql.update") and table != "other":
        uses = [{"schema": "app", "table": table, "column": r.choice(["pan", "name", "id"]),
                 "contexts": [r.choice(["output", "predicate"])]}]
    where = action in ("sql.select", "sql.update") and r.random() < .5
    return {"entry": r.choice(["command"] * 5 + ["connect"]), "target.name": "x", "target.protocol": "postgres",
            "user.name": "ana", "user.kind": r.choice(["human", "agent"]),
            "user.groups": r.sample(["g0", "g1"], r.randrange(3)), "client.tls": r.random() < .5,
            "time.weekday": r.choice(["mon", "sun"]), "time.of-day": "12:00", "action": action,
            "table": f"app.{table}", "schema": "app", "sql.where": where, "sql.where-constant": False,
            "sql.statements": 1, "sql.parameters": 0, "uses": uses}


def watched(policy, facts):
    """Per facts: the verdict, and what shadow rules would have done."""
    lines = "".join(json.dumps({k: v for k, v in f.items() if f["entry"] == "command" or
                                not k.startswith(("sql.", "action", "table", "schema", "uses", "columns", "row"))})
                    + "\n" for f in facts)
    code, out, err = weir("eval", policy, "--facts", "-", text=lines)
    if code:
        raise AssertionError(f"eval: {out}{err}")
    found = [json.loads(line) for line in out.splitlines()]
    return [(d["verdict"], {s["rule"]: s["would"] for s in d["shadow"]}) for d in found]


def problem_of(found, paths, facts):
    """What eval says otherwise: of the facts of a difference, and of others where there is none."""
    for d in found:
        if d["kind"] in (NEW, GONE, OTHER):
            (_, was), (_, now) = (watched(p, [d["facts"]])[0] for p in paths)
            seen = (d["shadow"] in was, d["shadow"] in now)
            if seen != (d["kind"] != NEW, d["kind"] != GONE):
                return f"{d}: {was} {now}"
    for f, was, now in zip(facts, *(watched(p, facts) for p in paths)):
        if was != now and not found:
            return f"{f}\n{was}\n{now}"
    return None


def randomly(folder):
    seed, n = int(os.environ.get("SEED", "6")), int(os.environ.get("PAIRS", "40"))
    kinds = {NEW: 0, GONE: 0, OTHER: 0}
    for i in range(n):
        r = random.Random(seed * 100003 + i)
        old, new = random_pair(r)
        found = found_in(HEAD, folder, old, new)
        paths = [os.path.join(folder, f"{name}.weir") for name in ("old", "new")]
        bad = problem_of(found, paths, [random_facts(r) for _ in range(150)])
        bad = bad or bad_tests(HEAD, folder, old, new, found)
        if bad:
            check("random rules", f"SEED={seed} pair {i}\n{old}\n---\n{new}\n{bad}")
            return
        for d in found:
            if d["kind"] in kinds:
                kinds[d["kind"]] += 1
    print(f"# {n} pairs: {kinds}")
    check("random rules are on record otherwise where it is said", not min(kinds[NEW], kinds[GONE]) and kinds)


def main():
    with tempfile.TemporaryDirectory() as folder:
        fixed(folder)
        waivers(folder)
        randomly(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
