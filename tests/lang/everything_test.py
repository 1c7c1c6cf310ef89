#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Random policies that use everything, against brute force: what `weir eval` says of random facts under two policies
(verdicts, terms of holds, limits, records, notices, shadow rules, masks, drops; at the door and of commands; facts
that are unknown) must not differ where diff says that nothing of the kind does; each fact that diff shows must differ
so, each test must tell the two apart, no fact may break a proof that holds, and who-can and what-can must name who
decides.

  SEED=N  another sequence; PAIRS=N  how many random pairs; FACTS=N  how many facts for each
"""
import json, os, random, sys, tempfile

from policy_pairs import bad_tests, check, found_in, results, weir, write

HEAD = """policy everything
group g0 = idp "g0"
group g1 = idp "g1"
group g2 = idp "g2"
target t0 = postgres "orders*"
target t1 = postgres "crm"
data pan = column app.orders.pan
data money = column app.orders.{pan, price}, column *.salary
data mail = column people.people.e*, values like email
data cards = values like card
let inside = client.address in 10.0.0.0/8
"""
COLUMNS = {"app.orders.pan": {"pan", "money"}, "app.orders.price": {"money"}, "app.staff.salary": {"money"},
           "people.people.email": {"mail"}, "people.people.salary": {"money"}, "app.orders.id": set()}
DETECTORS = {"cards": "card", "mail": "email"}
GROUPS = ["g0", "g1", "g2"]
ACTIONS = ["sql.select", "sql.select", "sql.read", "sql.write", "sql.update", "sql.ddl", "sql.drop", "sql.set", "sql.call",
           "sql.begin", "sql.basics", "sql.unparsed", "sql.copy-out", "sql.show", "sql"]
TRIED = ["sql.select"] * 4 + ["sql.update", "sql.insert", "sql.drop", "sql.set", "sql.show", "sql.call", "sql.begin",
                              "sql.unparsed", "sql.copy-out", "sql.explain", "sql.truncate"]
STATISTICS = "pg_catalog.pg_stats."  # shown to whom no mask or drop of columns applies
TABLES = ["app.orders", "app.orders", "app.staff", "people.people", "app.t_1", "crm.x", "app.orders_old"]

PRINCIPAL = ["user.kind = agent", "user.kind in {human, service}", 'user.name = "ana"', 'user.name starts with "svc-"',
             "user.name matches /^[a-c]/", "g0 in user.groups and not g1 in user.groups", "client.tls", "inside",
             "client.address in {10.1.0.0/16, 192.168.0.0/24}", "time.weekday in {sat, sun}", "time.of-day < 09:00",
             "time.of-day >= 17:00", 'client.application matches "psql*"', "g2 in user.groups", 'target.name = "orders"']
COMMAND = ['table = "app.orders"', 'table in {"app.orders", "crm.x"}', 'table matches "app.*"', 'not table matches "*.orders*"',
           "table matches /_[0-9]$/", 'table ends with ".people"', 'schema = "app"', 'schema != "people"', "sql.where",
           "not sql.where or sql.where-constant", "sql.statements > 1", "sql.statements = 1 or sql.parameters >= 2",
           '"pan" in columns', 'not "id" in columns', "sql.in-transaction", 'function = "app.f"', 'function matches "app.*"',
           'setting = "work_mem"', 'setting in {"role", "search_path"}', "sql.uses(pan, predicate | join)",
           "sql.uses(money)", "sql.uses(mail, output)", "not sql.uses(money, group)"]
ROW = ['row.country = "DE"', "row.tenant < 7", 'not row.country matches "F*"', "row.tenant in {3, 8}", "row.country matches /^[DF]/",
       "row.tenant >= 7 and row.tenant < 9", 'row.tenant matches /^1/']
TEXT = ['sql.text matches "*secret*"', "sql.text matches /drop/"]
MASKS = ["null", 'fixed("x")', "last(2)", "last(4)"]  # strictest first
TERMS = ["1 of g0", "2 of g0", "1 of g0 and 1 of g1", "1 of g1 not self"]


def condition(r, of):
    words = r.sample(of, r.choice([1, 1, 2, 3]))
    text = "".join((r.choice([" and ", " or "]) if i else "") + (r.choice(["", "", "not "]) + f"({w})")
                   for i, w in enumerate(words))
    return f"({text})" if r.random() < .1 else text


def ending(r, kind, shadow):
    if kind == "hold":
        return (f" for {r.choice(TERMS)} within {r.choice(['5m', '10m'])}" + r.choice(["", " expires 1h"]) +
                r.choice(["", " once"]) + r.choice(["", "", " reason required"]) + r.choice(["", "", " ticket required"]))
    if kind == "limit" and shadow:
        return f" rows {r.choice([10, 100])}"
    if kind == "limit":
        return "".join(f" {u} {r.choice(n)} per {r.choice(per)}" for u, n, per in r.sample([
            ("rows", [10, 100], ["command", "hour", "session"]), ("bytes", ["1MB", "2MB"], ["command", "session", "day"]),
            ("time", ["5s", "9s"], ["command"]), ("commands", [5, 50], ["minute", "session"])], r.choice([1, 1, 2])))
    if kind == "record":
        return " with " + r.choice(["text", "parameters", "strict", "text, strict"])
    return ""


def random_rule(r, i):
    kind = r.choice(["allow"] * 5 + ["deny", "deny", "hold", "hold", "mask", "mask", "drop", "limit", "limit", "record",
                                     "notify"])
    shadow = r.random() < .15
    shows = kind in ("mask", "drop")
    out = ("shadow " if shadow else "") + f"{kind} r{i}"
    if kind == "notify":
        out += f" to {r.choice(['desk', 'hall'])}"
    if shows:
        out += " of " + ", ".join(r.sample(["pan", "money"] if kind == "drop" else ["pan", "money", "mail", "cards"],
                                           r.choice([1, 1, 2])))
    if kind == "mask":
        out += " with " + r.choice(MASKS) + r.choice(["", "", " allowing lookup", " allowing derived"])
    if r.random() < .4:
        out += " who " + ", ".join(r.sample(GROUPS, r.randrange(1, 3)))
    if r.random() < .2:
        out += " on " + r.choice(["t0", "t1", "t0, t1"])
    if not shows and r.random() < .85:
        out += " do " + ", ".join(sorted(set(r.sample(ACTIONS, r.randrange(1, 4)) +
                                             (["connect"] if kind in ("allow", "deny", "hold") and r.random() < .2 else []))))
    of_values = shows and ("mail" in out or "cards" in out)
    about = PRINCIPAL + ([] if of_values else ROW * 2 if shows else COMMAND * 2 + (TEXT if shadow or kind == "notify" else []))
    if r.random() < .7:
        out += " when " + condition(r, about)
    if r.random() < .2:
        out += " unless " + r.choice([f"who {r.choice(GROUPS)}", condition(r, about), "on t1"])
    if kind == "mask" and "row." in out:
        out = out.replace(f" r{i}", f" r{i}-row", 1)
    out += ending(r, kind, shadow)
    if kind in ("allow", "deny", "hold") and not shadow and r.random() < .15:
        out += f" notify {r.choice(['desk', 'hall'])}"
    return out


def changed(r, rule):
    """The same a little otherwise."""
    swaps = [("null", 'fixed("x")'), ("last(2)", "last(4)"), (" 10", " 100"), ("within 5m", "within 10m"), (" once", ""),
             ("g0", "g1"), (" and ", " or "), ("desk", "hall"), ("allowing lookup", "allowing derived"), (" < ", " <= "),
             ("per hour", "per session"), ("not (", "("), ('"app.*"', '"app.o*"'), ("text, strict", "text"), ("shadow ", "")]
    swaps = [s for s in swaps if s[0] in rule]
    a, b = r.choice(swaps) if swaps else ("", "")
    return rule.replace(a, b, 1)


def random_pair(r):
    old = [random_rule(r, i) for i in range(r.randrange(2, 9))]
    if r.random() < .7:
        old.append("allow base do sql.select, sql.basics")
    if r.random() < .1:
        old.insert(0, "default allow")
    new = list(old)
    for k in range(r.choice([1, 1, 1, 2])):
        at, how = r.randrange(len(new)), r.random()
        if how < .25 and len(new) > 1:
            del new[at]
        elif how < .65:
            new[at] = changed(r, new[at])
        else:
            new.append(random_rule(r, 90 + k))
    proofs = ["prove nobody runs sql.ddl without a hold", "prove nobody runs sql.update without a hold",
              "prove only g0 see pan unmasked", "prove only g0, g1 see money unmasked"]
    return "\n".join(old), "\n".join(new), r.choice(proofs)


# ---- Facts ----

def principal(r):
    return {"target.name": r.choice(["orders", "orders-eu", "crm", "else"]), "target.protocol": "postgres",
            "user.name": r.choice(["ana", "bo", "svc-1", "zoe"]), "user.kind": r.choice(["human", "agent", "service"]),
            "user.groups": r.sample(GROUPS, r.randrange(4)), "client.tls": r.random() < .5,
            "client.address": r.choice(["10.1.2.3", "10.9.9.9", "192.168.0.7", "::1"]),
            "client.application": r.choice(["", "psql", "psql-16"]),
            "time.weekday": r.choice(["mon", "sat", "sun"]), "time.of-day": r.choice(["08:00", "12:00", "18:30"])}


def random_facts(r, action=None):
    action = action or r.choice(TRIED)
    f = {"action": action, "sql.statements": r.choice([1, 1, 2]), "sql.parameters": r.choice([0, 1, 2]),
         "sql.in-transaction": r.random() < .3, "sql.where": False, "sql.where-constant": False,
         "sql.text": r.choice(["select", "drop secret", "secret"])}
    if action in ("sql.select", "sql.update", "sql.insert", "sql.explain"):
        f["sql.where"] = r.random() < .5
        f["sql.where-constant"] = f["sql.where"] and r.random() < .3
    if action in ("sql.set", "sql.show"):
        f["setting"] = r.choice(["work_mem", "role", "other"])
    elif action != "sql.begin" and r.random() < .9:
        f["table"] = r.choice(TABLES)
        f["schema"] = f["table"].split(".")[0]
    if action == "sql.call" and r.random() < .9:
        f["function"] = r.choice(["app.f", "app.g", "crm.f"])
    if r.random() < .85:
        f["columns"] = r.choice([["pan"], ["id"], ["pan", "id"], []])
    if action != "sql.unparsed" and r.random() < .9:
        f["uses"] = []
        for c in r.sample(sorted(COLUMNS), r.choice([0, 1, 1, 2])):
            schema, table, column = c.split(".")
            if f.get("table", "").endswith(table):
                f["uses"].append({"schema": schema, "table": table, "column": column,
                                  "contexts": r.sample(["output", "predicate", "join", "group"], r.choice([1, 1, 2]))})
    row = {}
    if r.random() < .8:
        row["country"] = r.choice(["DE", "FR", "US"])
    if r.random() < .8:
        row["tenant"] = r.choice([3, 6, 7, 8, 10, 1])
    return f, row


def reading(r, column):
    """Somebody selects the column of its table."""
    schema, table, name = column.split(".")
    f, row = random_facts(r, "sql.select")
    if column == STATISTICS:
        return {**f, "table": column[:-1], "schema": schema, "columns": ["most_common_vals"], "uses": []}, row
    return {**f, "table": f"{schema}.{table}", "schema": schema, "columns": [name],
            "uses": [{"schema": schema, "table": table, "column": name, "contexts": ["output"]}]}, row


def evaluated(policy, lines):
    code, out, err = weir("eval", policy, "--facts", "-", text="".join(json.dumps(f) + "\n" for f in lines))
    if code:
        raise AssertionError(f"eval: {out[-500:]}{err}")
    return [json.loads(line) for line in out.splitlines()]


# ---- What a policy does with them, by kinds of difference ----

def strictest(masks, data):
    found = [m for m in masks if data & set(m["data"])]
    return min((MASKS.index(described(m)) for m in found), default=None)


def described(m):
    return {"fixed": 'fixed("x")', "null": "null"}.get(m["with"], f"last({m.get('count')})")


def of_verdict(d):
    holds = sorted(json.dumps({k: v for k, v in o.items() if k != "hold"}) for o in d["obligations"] if "hold" in o)
    return {"verdict": d["verdict"], "terms": sorted(set(holds)) if d["verdict"] == "hold" else None,
            "shadow": sorted((s["rule"], s["would"]) for s in d["shadow"]),
            "told": sorted({n["channel"] for n in d["notify"]})}


def of_command(d):
    out, limits = of_verdict(d), {}
    for o in d["obligations"]:
        for a in o.get("amounts", []):
            unit = next(k for k in a if k != "per")
            key = f"{unit} per {a['per']}"
            limits[key] = min(a[unit], limits.get(key, a[unit]))
    records = {w for o in d["obligations"] if "record" in o for w in o["with"]}
    return {**out, "limits": limits, "records": sorted(records)}


def of_row(result, row, column):
    """Masks by row are of the row's entry, and so are drops; at the result's they may be."""
    if column == STATISTICS:
        applies = any("drop" in o or set(o.get("data", [])) & {"pan", "money", "mail"} for o in result["obligations"])
        return {"column": "refused" if applies else None, "values": None, "dropped": False}
    by_row = {o["mask"]: o for o in row["obligations"] if "mask" in o}
    masks = [by_row.get(o["mask"], o) for o in result["obligations"] if "mask" in o and
             (not o["mask"].endswith("-row") or o["mask"] in by_row)]
    drops = [o for o in row["obligations"] if "drop" in o]
    values = {v: strictest(masks, {k for k, x in DETECTORS.items() if x == v}) for v in DETECTORS.values()}
    own = ".".join(column.split(".")[:2])
    there = set().union(*(v for k, v in COLUMNS.items() if k.startswith(own + ".")))
    return {"column": strictest(masks, COLUMNS[column]), "values": values,
            "dropped": any(there & set(o["data"]) for o in drops)}


def budgets_of(said, asked):
    """What one principal's commands count against together: the amounts, and which of the commands; none that
    another one of the same unit and span would end before."""
    found = {}
    for i, d in enumerate(said):
        for o in d["obligations"]:
            for a in o.get("amounts", []):
                unit = next(k for k in a if k != "per")
                if a["per"] != "command" and i in asked:
                    found.setdefault((unit, a["per"], o["limit"], a[unit]), set()).add(i)
    all = {(unit, per, n, frozenset(of)) for (unit, per, _, n), of in found.items()}
    return {x for x in all if not any(o != x and o[:2] == x[:2] and o[2] <= x[2] and o[3] >= x[3] for o in all)}


MASKED = {"newly unmasked", "newly masked", "masked otherwise"}
VERDICTS = {"allow": "newly allowed", "hold": "newly held", "deny": "newly denied"}


NO_TABLE = {"sql.begin", "sql.set", "sql.show"}


def expected(was, now, entry):
    """The kinds of difference of which one must be said."""
    out = []
    if was["verdict"] != now["verdict"]:
        out.append({VERDICTS[now["verdict"]]})
    elif was["terms"] != now["terms"]:
        out.append({"approved otherwise"})
    if was["shadow"] != now["shadow"] and was["verdict"] == now["verdict"]:
        # What is in force under one of them has been said as that.
        out.append({"newly shadowed", "no longer shadowed", "shadowed otherwise", *IN_FORCE})
    if was["told"] != now["told"]:
        out.append({"told otherwise"})
    if entry == "connect":
        return out
    if "deny" not in (was["verdict"], now["verdict"]) and was["limits"] != now["limits"]:
        out.append({"limit changed"})
    if was["records"] != now["records"]:
        out.append({"recorded otherwise"})
    return out


IN_FORCE = {*VERDICTS.values(), *MASKED, "rows newly shown", "rows newly dropped", "limit changed", "recorded otherwise",
            "told otherwise", "approved otherwise"}


def expected_of_rows(was, now):
    out = []
    if was["dropped"] != now["dropped"]:
        return [{"rows newly dropped" if now["dropped"] else "rows newly shown"}]
    if was["dropped"]:
        return out
    if was["column"] != now["column"]:
        out.append(MASKED | ({"rows newly shown", "rows newly dropped"} if "refused" in (was["column"], now["column"]) else set()))
    if was["values"] != now["values"]:
        out.append(MASKED)
    return out


def unsaid(r, paths, found, n):
    """Facts that the two decide otherwise, and diff does not say so."""
    kinds = {e: {d["kind"] for d in found if d["entry"] == e} for e in ("connect", "command")}
    asked, lines = [], []
    for i in range(n):
        who, column = principal(r), r.choice([STATISTICS, *sorted(COLUMNS)]) if i % 2 else None
        f, row = reading(r, column) if column else random_facts(r)
        asked.append((column, {**who, **f}, row))
        lines += [{**who, **f}, {**who, "entry": "connect"}, {**who, "entry": "result"},
                  {**who, "entry": "row", "row": row}]
    both = [evaluated(p, lines) for p in paths]
    for i, (column, facts, row) in enumerate(asked):
        command, connect, *shown = ([b[4 * i + k] for b in both] for k in range(4))
        was, now = (of_command(d) for d in command)
        wanted = [(w, "command") for w in expected(was, now, "command")]
        if column and "deny" not in (was["verdict"], now["verdict"]):
            wanted += [(w, "command") for w in expected_of_rows(*(of_row(*x, column) for x in zip(*shown)))]
        wanted += [(w, "connect") for w in expected(*(of_verdict(d) for d in connect), "connect")]
        for w, entry in wanted:
            if not w & kinds[entry]:
                return f"{w} at {entry} is not said of {json.dumps(facts)} {row}\n{was}\n{now}\n{connect}\n{shown}"
    return None


def shared_unsaid(r, paths, found, n):
    """Commands of one session that count together under one of the two only."""
    who = principal(r)
    facts = [{**who, **random_facts(r)[0]} for _ in range(n)]
    both = [evaluated(p, facts) for p in paths]
    asked = [i for i in range(n) if "deny" not in (both[0][i]["verdict"], both[1][i]["verdict"])]
    was, now = (budgets_of(b, asked) for b in both)
    if was == now or {d["kind"] for d in found} & {"limit changed", "limit shared otherwise"}:
        return None
    return f"limits shared otherwise are not said: {was}\n{now}\n{json.dumps(who)}"


def shown_alike(paths, d):
    """Facts that show a column, or values, alike, though a difference says otherwise."""
    column = d.get("column", "app.orders.id")
    if d["kind"] == "mask opened otherwise" or column not in COLUMNS or "through_view_of" in d:
        return None
    facts = {k: v for k, v in d["facts"].items() if k in principal(random.Random(1))}
    both = [evaluated(p, [{**facts, "entry": "result"}, {**facts, "entry": "row", "row": d["facts"].get("row", {})}])
            for p in paths]
    was, now = (of_row(*x, column) for x in both)
    if was != now:
        return None
    # Another row may be: it is forbidden to use the column whatever the row.
    by_row = [{o["mask"] for o in x[0]["obligations"] if o.get("mask", "").endswith("-row")} for x in both]
    return by_row[0] == by_row[1] and f"{d} shows {column} alike: {was} {now}"


def misdirected(paths, found):
    """Facts of a difference that do not differ so."""
    for d in found:
        if "column" in d or "values" in d:
            bad = shown_alike(paths, d)
            if bad:
                return bad
            continue
        if d["kind"] in ("limit shared otherwise", "shadowed otherwise"):
            continue
        facts = {k: v for k, v in d["facts"].items() if k != "row"}
        was, now = (evaluated(p, [facts])[0] for p in paths)
        of = of_verdict if d["entry"] == "connect" else of_command
        if not any(d["kind"] in w for w in expected(of(was), of(now), d["entry"])):
            return f"{d} is none: {was}\n{now}"
    return None


# ---- Proofs, and who can ----

def disproved(r, policy, proof, n):
    """What a proof that holds says nobody does."""
    code, out, err = weir("prove", policy, "--json")
    if err or not out:
        raise AssertionError(f"{out}{err}")
    if not json.loads(out)["passed"]:
        return None, False
    words = proof.replace(",", "").split()
    asked = []
    for _ in range(n):
        who = principal(r)
        if words[1] == "nobody":
            f, row = random_facts(r, {"sql.ddl": r.choice(["sql.drop", "sql.truncate"])}.get(words[3], words[3]))
            asked.append((who, None, f, row))
        else:
            data = words[words.index("see") + 1]
            column = r.choice([STATISTICS] + [c for c, d in COLUMNS.items() if data in d])
            f, row = reading(r, column)
            if not set(who["user.groups"]) & set(words[2:words.index("see")]):
                asked.append((who, column, f, row))
    said = evaluated(policy, [x for who, _, f, row in asked for x in (
        {**who, **f}, {**who, "entry": "result"}, {**who, "entry": "row", "row": row})])
    for i, (who, column, f, row) in enumerate(asked):
        d, shown = said[3 * i], column and of_row(*said[3 * i + 1:3 * i + 3], column)
        if d["verdict"] == "allow" if not column else (d["verdict"] != "deny" and shown["column"] is None and
                                                       not shown["dropped"]):
            return f"{proof}: {json.dumps({**who, **f})} {row}\n{said[3 * i:3 * i + 3]}", True
    return None, True


def answer_of(policy, *question):
    code, out, err = weir(*question[:1], policy, *question[1:], "--json")
    if code:
        raise AssertionError(f"{question} {code} {out}{err}")
    return json.loads(out)["answers"]


def unanswered(r, policy, n):
    """Who decides, and is not named where it is asked who can, or what somebody can."""
    who, action, table = principal(r), r.choice(TRIED[:7] + TRIED[-3:]), r.choice(TABLES)
    groups = who["user.groups"]
    answers = {"who": answer_of(policy, "who-can", f"{action} on {table}"),
               "what": answer_of(policy, "what-can", who["user.name"], "--kind", who["user.kind"],
                                 *(["--in", ",".join(groups)] if groups else []))}
    asked = []
    for i in range(n):
        f, _ = random_facts(r, None if i % 2 else action)
        if "uses" not in f or ("table" not in f and f["action"] not in NO_TABLE):
            continue  # that is not asked
        if i % 2:
            asked.append(("what", {**principal(r), **{k: who[k] for k in ("user.name", "user.kind", "user.groups")}, **f}))
        elif "table" in f:
            asked.append(("who", {**principal(r), **f, "table": table, "schema": table.split(".")[0], "uses": []}))
    said = evaluated(policy, [x for _, f in asked for x in (f, {**{k: f[k] for k in who}, "entry": "connect"})])
    for i, (question, facts) in enumerate(asked):
        d, door = said[2 * i:2 * i + 2]
        if door["verdict"] == "deny" or d["by_default"]:
            continue
        deciding = {x["rule"] for x in d["deciding"]}
        lets = {x["rule"] for x in d["matched"] if x["kind"] in ("allow", "hold")}
        for rule in lets:
            found = [a for a in answers[question] if a["rule"] == rule and a.get("entry", "command") == "command"]
            besides = {u["rule"] for a in found for u in a["unless"]}
            if not found and rule in deciding or found and rule not in deciding and not deciding & besides:
                return f"{question}-can {action} on {table} by {who}: {rule} {answers[question]}\n{json.dumps(facts)}\n{d}"
    return None


def one_pair(r, folder, n, count):
    old, new, proof = random_pair(r)
    text = f"{old}\n---\n{new}\n"
    try:
        found = found_in(HEAD, folder, old, new)
    except AssertionError as e:
        count["no policy"] = count.get("no policy", 0) + 1
        return "error[E" not in str(e) and f"{text}{e}"
    paths = [os.path.join(folder, f"{name}.weir") for name in ("old", "new")]
    bad = unsaid(r, paths, found, n) or shared_unsaid(r, paths, found, n // 3) or misdirected(paths, found) or bad_tests(HEAD, folder, old, new, found)
    bad = bad or unanswered(r, paths[1], n)
    for d in found:
        count[d["kind"]] = count.get(d["kind"], 0) + 1
        count["tests"] = count.get("tests", 0) + bool(d["test"])
    count["alike"] = count.get("alike", 0) + (not found)
    if not bad:
        bad, held = disproved(r, write(folder, "proof.weir", f"{HEAD}{new}\n{proof}\n"), proof, n)
        count["proved"] = count.get("proved", 0) + held
    return bad and text + str(bad)


def main():
    seed, pairs, n = (int(os.environ.get(k, v)) for k, v in (("SEED", "1"), ("PAIRS", "30"), ("FACTS", "120")))
    bad, count = None, {}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(pairs):
            bad = one_pair(random.Random(seed * 100003 + i), folder, n, count)
            if bad:
                bad = f"SEED={seed} pair {i}\n{bad}"
                break
    print(f"# {pairs} pairs: {count}")
    check("what policies do by random facts is what the analyses say", bad)
    kinds = set(VERDICTS.values()) | {"alike", "proved", "tests", "told otherwise", "limit changed"}
    check("all of it occurs, and most of it are policies",
          not bad and (kinds - set(count) or count.get("no policy", 0) * 5 > pairs) and count)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
