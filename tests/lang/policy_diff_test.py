#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir diff: the printed differences (tests/lang/diff/*.txt), each printed test fed back to weir
test under both policies, the facts to weir eval, and random changes of random policies.

  SEED=N  another sequence; PAIRS=N  how many random pairs; UPDATE=1  rewrite the golden file
"""
import functools, json, os, random, re, sys, tempfile

import policy_pairs
from policy_pairs import ROOT, check, results, write

HERE = os.path.join(ROOT, "tests/lang/diff")
weir = functools.partial(policy_pairs.weir, cwd=HERE)
VERDICTS = {"newly allowed": "allow", "newly held": "hold", "newly denied": "deny"}


def verdicts(policy, facts):
    code, out, err = weir("eval", policy, "--facts", "-", text="".join(json.dumps(f) + "\n"
                                                                       for f in facts))
    if code:
        raise AssertionError(f"eval: {out}{err}")
    return [json.loads(line) for line in out.splitlines()]


def problem_of(folder, old, new, texts):
    """What is wrong with the differences of two policies; and the differences."""
    code, out, err = weir("diff", old, new, "--json")
    if code == 2:
        return f"exit 2: {err}", []
    found = json.loads(out)["differences"]
    if (code == 1) != bool(found):
        return f"exit {code} with {len(found)} differences", found
    for d in found:
        if d["kind"] in VERDICTS:
            was, now = (verdicts(p, [d["facts"]])[0]["verdict"] for p in (old, new))
            if now != VERDICTS[d["kind"]] or was == now:
                return f"{d['id']}: {d['kind']}, and eval says {was}, then {now}", found
            if not d["was"].startswith(was) or not d["now"].startswith(now):
                return f"{d['id']}: {d['was']} / {d['now']}, eval says {was} / {now}", found
        if d["test"]:
            passed = []
            for i, text in enumerate(texts):
                code, out, err = weir("test", write(folder, f"with{i}.weir",
                                                    text + "\n" + d["test"]))
                # The other policy may not have the rule at all.
                if d["kind"] in ("limit changed", "rows newly dropped") and "error[E0408]" in err:
                    passed.append(False)
                    continue
                if err or not out:
                    return f"{d['id']}: the test does not compile: {out}{err}\n{d['test']}", found
                passed.append(code == 0)
            wanted = [True, False] if d["now"] == "no limit" else [False, True]
            if d["kind"] == "mask opened otherwise" or (d["kind"] == "rows newly dropped" and
                                                        "expect dropped" not in d["test"]):
                passed.sort()  # it passes under the policy that opens more
            if passed != wanted:
                return f"{d['id']}: test passes {passed}\n{d['test']}", found
    return None, found


def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return f.read()


def fixed(folder):
    code, out, err = weir("diff", "old.weir", "new.weir")
    golden = os.path.join(HERE, "changes.txt")
    if os.environ.get("UPDATE"):
        with open(golden, "w", encoding="utf-8") as f:
            f.write(out)
    check("old and new differ as written down", code != 1 and f"exit {code} {err}" or
          out != read("changes.txt") and out)
    texts = [read("old.weir"), read("new.weir")]
    bad, found = problem_of(folder, "old.weir", "new.weir", texts)
    check("every test passes under one and fails under the other", bad)
    kinds = {d["kind"] for d in found}
    expected = {"newly allowed", "newly held", "newly denied", "approved otherwise",
                "newly unmasked", "newly masked", "masked otherwise", "mask opened otherwise", "rows newly shown",
                "rows newly dropped", "limit changed"}
    check("all kinds of difference occur", expected - kinds)
    untested = {d["kind"] for d in found if not d["test"]}
    check("only approvals and limits cannot be tests",
          untested - {"approved otherwise", "limit changed"})
    code, out, _ = weir("diff", "old.weir", "old.weir")
    check("a policy is like itself", (code, out) !=
          (0, "the two policies decide everything alike\n") and f"{code}: {out}")
    shuffled = write(folder, "shuffled.weir", texts[0].replace("# last\n", "") and
                     "\n\n".join(reorder(texts[0])))
    code, out, err = weir("diff", "old.weir", shuffled)
    check("the order of rules is no difference", code and out + err)

    ids = [d["id"] for d in found]
    waive = write(folder, "waived", "# accepted\n" + "".join(f"  {i}  # yes\n" for i in ids[1:]))
    code, out, err = weir("diff", "old.weir", "new.weir", "--waive", waive)
    check("what is not waived remains", code != 1 or ids[0] not in out or ids[1] in out or
          f"1 difference, {len(ids) - 1} waived" not in out and f"{code}: {out}{err}")
    write(folder, "waived", "".join(f"{i}\n" for i in ids + ["0123456789ab"]))
    code, out, err = weir("diff", "old.weir", "new.weir", "--waive", waive)
    check("all waived is no difference, and a stale waiver is named",
          (code != 0 or "0123456789ab" not in err) and f"{code}: {out}{err}")

    images = []
    for name in ("old", "new"):
        images.append(os.path.join(folder, name + ".img"))
        code, out, err = weir("build", name + ".weir", "-o", images[-1])
        if code:
            check("builds", out + err)
    of_images = weir("diff", *images, "--json")
    check("images differ as their texts", of_images != weir("diff", "old.weir", "new.weir", "--json")
          and of_images)
    check("usage is 2", weir("diff", "old.weir")[0] != 2)
    check("a policy that does not compile is 2",
          weir("diff", "old.weir", write(folder, "bad.weir", "policy x\nallow\n"))[0] != 2)
    many = "policy many\n" + "".join(
        f"allow r{i} when table matches \"*{chr(97 + i)}{chr(98 + i)}*\"\n" for i in range(22))
    code, out, err = weir("diff", "old.weir", write(folder, "many.weir", many))
    check("what cannot be compared is said", (code != 2 or "too entangled to compare: table" not in
                                              err) and f"{code}: {out}{err}")


# What somebody has agreed to, and what it may not let pass: more of the same, or the same elsewhere.
WAIVED = [
    ("a deny that is narrowed further", "allow r do sql.select\n",
     'deny d when table in {"app.a", "app.b", "app.c"}', 'deny d when table in {"app.a", "app.b"}',
     'deny d when table = "app.a"'),
    ("another limit by the same amount", "allow r do sql.select, sql.update\n",
     "limit l do sql.select rows 10\nlimit m do sql.update rows 10",
     "limit l do sql.select rows 90\nlimit m do sql.update rows 10",
     "limit l do sql.select rows 90\nlimit m do sql.update rows 90"),
    ("another mask alike", "allow r do sql.select\ndata c = column app.t.c\n",
     "mask m of c with last(4) who g0\nmask n of c with last(4) who g1",
     "mask n of c with last(4) who g1", ""),
    ("another column of the data", "allow r do sql.select\nmask m of c with null\n",
     "data c = column app.t.{a, b, c}", "data c = column app.t.{a, b}", "data c = column app.t.a"),
]


def waivers(folder):
    for name, head, old, new, more in WAIVED:
        head = 'policy w\ngroup g0 = idp "g0"\ngroup g1 = idp "g1"\n' + head
        a, b, c = (write(folder, f"{k}.weir", f"{head}{t}\n") for k, t in
                   zip("abc", (old, new, more)))
        found = json.loads(weir("diff", a, b, "--json")[1])["differences"]
        waive = write(folder, "waived", "".join(d["id"] + "\n" for d in found))
        code, out, err = weir("diff", a, b, "--waive", waive)
        bad = (code or len(found) != 1) and f"waived: exit {code}\n{out}{err}"
        code, out, err = weir("diff", a, c, "--waive", waive)
        check(f"a waiver does not cover {name}", bad or code != 1 and f"exit {code}\n{out}{err}")


def reorder(text):
    """Paragraphs: the first stays, rules change places."""
    parts = text.split("\n\n")
    heads = [p for p in parts if not p.startswith(("allow", "deny", "hold", "mask", "limit", "drop"))]
    return heads + [p for p in reversed(parts) if p not in heads]


# ---- Random policies ----

GROUPS = ["g0", "g1", "g2"]
ACTIONS = ["sql.select", "sql.write", "sql.ddl", "sql.basics", "sql.drop", "sql.update", "sql"]
CONDITIONS = [
    'table = "app.orders"', 'table in {"app.orders", "app.stock"}', 'table matches "app.*"',
    'table ends with ".orders"', 'schema = "app"', 'schema != "people"', "sql.where",
    "not sql.where or sql.where-constant", "user.kind = agent", "user.kind in {human, service}",
    "time.weekday in {sat, sun}", "time.of-day < 09:00", "time.of-day >= 17:00 or client.tls",
    "client.address in {10.0.0.0/8}", "client.address in {10.1.0.0/16}", 'user.name = "ana"',
    'user.name starts with "svc-"', "sql.uses(d0, predicate | join)", "sql.uses(d1)",
    "g0 in user.groups and not g1 in user.groups", 'target.name = "orders"', "sql.statements > 1",
    '"pan" in columns', "sql.parameters = 0", "sql.in-transaction", 'function = "app.f"',
    'setting = "work_mem"',
]
MASK_CONDITIONS = ["user.kind = agent", "time.weekday = mon", "row.country = \"DE\"",
                   "row.tenant < 7", "g1 in user.groups", "client.tls", "not row.country = \"FR\""]


def random_rule(r, i):
    kind = r.choice(["allow", "allow", "allow", "deny", "hold", "mask", "drop", "limit"])
    shows = kind in ("mask", "drop")
    out = f"{kind} r{i}"
    if shows:
        out += f" of d{r.randrange(2)}"
    if kind == "mask":
        out += " with " + r.choice(["last(4)", "first(2)", "null", 'fixed("x")', "partial",
                                    "partial allowing lookup", "partial allowing derived"])
    if r.random() < .6:
        out += " who " + ", ".join(r.sample(GROUPS, r.randrange(1, 3)))
    if r.random() < .4:
        out += " on " + r.choice(["t0", "t1"])
    if not shows and r.random() < .8:
        out += " do " + ", ".join(r.sample(ACTIONS, r.randrange(1, 3)))
    if r.random() < .6:
        out += " when " + r.choice([" and ", " or "]).join(
            f"({c})" for c in r.sample(MASK_CONDITIONS if shows else CONDITIONS, r.randrange(1, 3)))
    if r.random() < .2:
        out += f" unless who {r.choice(GROUPS)}"
    if kind == "hold":
        out += f" for {r.randrange(1, 3)} of g0 not self within 5m"
    if kind == "limit":
        out += f" rows {r.choice([10, 100])} per {r.choice(['command', 'hour', 'session'])}"
        out += r.choice(["", f" commands {r.choice([5, 50])} per {r.choice(['minute', 'session'])}"])
    return out


HEAD = """policy random
group g0 = idp "agents"
group g1 = idp "dba"
group g2 = idp "audit"
target t0 = postgres "orders*"
target t1 = postgres "crm"
data d0 = column app.orders.pan, column *.card_number
data d1 = column people.{email, id}, column app.orders.p*
"""


def random_pair(r):
    old = [random_rule(r, i) for i in range(r.randrange(1, 8))]
    old.append("allow base do sql.select, sql.basics")
    new = list(old)
    for _ in range(r.randrange(1, 3)):
        at = r.randrange(len(new))
        if r.random() < .3 and len(new) > 1:
            del new[at]
        elif r.random() < .5:
            new[at] = random_rule(r, 100 + at)
        else:
            new.append(random_rule(r, 200 + len(new)))
    names, kept = set(), []
    for rule in new:
        if rule.split()[1] not in names:
            kept.append(rule)
        names.add(rule.split()[1])
    return ["\n".join([HEAD] + rules) + "\n" for rules in (old, kept)]


def random_facts(r):
    facts = {"target.protocol": "postgres", "target.name": r.choice(["orders", "orders-eu", "crm"]),
             "user.name": r.choice(["ana", "svc-1", "bo"]),
             "user.kind": r.choice(["human", "agent", "service"]),
             "user.groups": r.sample(["agents", "dba", "audit"], r.randrange(3)),
             "client.address": r.choice(["10.1.2.3", "10.9.2.3", "127.0.0.1"]),
             "client.tls": r.random() < .5, "client.application": "",
             "time.weekday": r.choice(["mon", "sat"]),
             "time.of-day": r.choice(["08:00", "12:00", "18:00"]),
             "sql.statements": r.choice([1, 2]), "sql.parameters": r.choice([0, 1]),
             "sql.in-transaction": r.random() < .5}
    action = facts["action"] = r.choice(["sql.select", "sql.update", "sql.drop", "sql.insert"])
    table = facts["table"] = r.choice(["app.orders", "app.stock", "people.x", "people.orders"])
    facts["schema"] = table.split(".")[0]
    facts["columns"] = r.choice([["pan"], ["id"], []])
    facts["sql.where"] = action == "sql.update" and r.random() < .7
    facts["sql.where-constant"] = facts["sql.where"] and r.random() < .3
    facts["uses"] = [] if r.random() < .5 else [{
        "schema": "app", "table": "orders", "column": r.choice(["pan", "price", "id"]),
        "contexts": [r.choice(["output", "predicate"])]}]
    return facts


def without_idle_rules(folder, text):
    """Rules that weir check calls idle can be left out, all of them, and no command is decided
    otherwise; what --fix takes out makes no difference to sessions either. Returns how many there were,
    how many --fix took out, and what is wrong."""
    path = write(folder, "all.weir", text)
    found = json.loads(weir("check", path, "--json")[1])["diagnostics"]
    idle = {d["message"].split("'")[1] for d in found if d["code"] in ("W1220", "W1221", "W1222")}
    rest = "\n".join(line for line in text.split("\n")
                     if not (line.split()[1:2] and line.split()[1] in idle)) + "\n"
    if not idle:
        return 0, 0, None
    code, out, err = weir("diff", path, write(folder, "rest.weir", rest), "--json")
    moved = code == 2 or [d for d in json.loads(out)["differences"] if d["entry"] != "connect"]
    fixed = write(folder, "fixed.weir", text)
    said = weir("check", fixed, "--fix")[2]
    n = len(re.findall(r": W122[12]: .* is removed$", said, re.M))
    if not moved and n:  # of limits, an amount that another span's makes idle is a difference too
        code, out, err = weir("diff", path, fixed, "--json")
        moved = code == 2 or [d for d in json.loads(out)["differences"] if d["kind"] != "limit changed"]
    return len(idle), n, moved and f"without {idle}: {said}{out}{err}\n{text}"


def idle_rules(folder):
    seed, n = int(os.environ.get("SEED", "4")), int(os.environ.get("PAIRS", "25"))
    r, idle, fixed, bad = random.Random(seed), 0, 0, None
    for _ in range(n * 2):
        rules = [random_rule(r, i) for i in range(r.randrange(6, 16))]
        count, removed, bad = without_idle_rules(folder, "\n".join([HEAD] + rules))
        idle, fixed = idle + count, fixed + removed
        if bad:
            break
    print(f"# {idle} idle rules in {n * 2} policies, {fixed} taken out by --fix")
    check("what weir check calls idle, is", bad or not fixed and "no rule was idle")


RANK = {"null": 4, "fixed": 3, "first": 1, "last": 1, "partial": 1}
MASKS = {"newly masked", "newly unmasked", "masked otherwise", "rows newly shown",
         "rows newly dropped"}


def shown(policy, facts):
    """How app.orders.pan is shown for each of the facts: None where it is not."""
    results = [{k: v for k, v in f.items() if k not in ("action", "table", "schema", "columns",
                                                        "sql.where", "sql.where-constant")}
               for f in facts]
    out = []
    for f, command, masks in zip(facts, verdicts(policy, facts),
                                 verdicts(policy, [{**f, "entry": "result"} for f in results])):
        rules = [o for o in masks["obligations"] if "mask" in o]
        if command["verdict"] == "deny" or any("drop" in o for o in masks["obligations"]):
            out.append(None)
            continue
        strict = [(RANK[o["with"]], -o.get("count", 1 << 32), o["with"]) for o in rules]
        out.append(max(strict, default=(0,)))
    return out


def masks_moved(r, old, new, kinds):
    """A column that random facts show otherwise, and diff does not say so."""
    facts = [{**random_facts(r), "action": "sql.select", "table": "app.orders", "schema": "app",
              "columns": ["pan"], "sql.where": False, "sql.where-constant": False,
              "uses": [{"schema": "app", "table": "orders", "column": "pan",
                        "contexts": ["output"]}]} for _ in range(60)]
    for f, a, b in zip(facts, shown(old, facts), shown(new, facts)):
        if a is not None and b is not None and a != b and not kinds & MASKS:
            return f"{a} became {b}, and diff does not say so: {json.dumps(f)}"
    return None


def random_pairs(folder):
    seed, n = int(os.environ.get("SEED", "4")), int(os.environ.get("PAIRS", "25"))
    r, total, tested, same, bad = random.Random(seed), 0, 0, 0, None
    for i in range(n):
        texts = random_pair(r)
        old, new = (write(folder, f"{k}.weir", t) for k, t in zip(("old", "new"), texts))
        bad, found = problem_of(folder, old, new, texts)
        facts = [random_facts(r) for _ in range(200)]
        moved = [(a["verdict"], b["verdict"], f) for a, b, f in
                 zip(verdicts(old, facts), verdicts(new, facts), facts)
                 if a["verdict"] != b["verdict"]]
        kinds = {d["kind"] for d in found}
        for was, now, f in moved:
            if not bad and not any(VERDICTS.get(k) == now for k in kinds):
                bad = f"{was} became {now}, and diff does not say so: {json.dumps(f)}"
        # Both data classes cover the column; without rows, what depends on them counts as met.
        if not bad and not any("row." in t for t in texts):
            bad = masks_moved(r, old, new, kinds)
        if bad:
            bad = f"seed {seed}, pair {i}: {bad}\n--- old\n{texts[0]}--- new\n{texts[1]}"
            break
        total += len(found)
        tested += sum(d["test"] is not None for d in found)
        same += not found
    print(f"# {n} pairs, {same} without difference; {total} differences, {tested} with tests")
    check("random changes are found, and shown by what shows them", bad)
    check("most differences of random changes have a test", tested * 2 < total and tested)


def main():
    with tempfile.TemporaryDirectory() as folder:
        fixed(folder)
        waivers(folder)
        random_pairs(folder)
        idle_rules(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
