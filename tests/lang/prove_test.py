#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""prove statements: those that hold, those that do not (each counterexample fed back to weir test),
weir test and weir build with them, and random policies, whose proofs random facts must not break.

  SEED=N  another sequence; POLICIES=N  how many random policies
"""
import json, os, random, re, sys, tempfile

from policy_pairs import check, results, weir, write

POLICY = """policy orders
group agents  = idp "ai-agents"
group dba     = idp "dba-oncall"
group audit   = idp "audit"
target orders = postgres "orders*"
data card     = column payments.cards.pan, column *.card_number

allow app-data
  who agents, dba, audit   on orders
  do  sql.basics, sql.select, sql.insert
hold ddl
  who agents, dba   on orders
  do  sql.ddl
  for 1 of dba not self   within 15m
mask card with last(4)   unless who audit
"""

# Statement, what is added to the policy, holds; words of the counterexample.
CASES = [
    ("only audit see card unmasked", "", True),
    ("only dba see card unmasked", "", "in audit"),
    ("only audit, dba see card unmasked", "", True),
    ("only audit see card unmasked",
     "mask shown of card with last(2) when time.weekday = mon", True),
    ("only audit see card unmasked", "drop gone of card unless who audit", True),
    ("only dba see card unmasked", "drop gone of card unless who dba", True),
    ("only dba see card unmasked", "deny cards when table = \"payments.cards\" unless who dba",
     "card_number"),
    ("only dba see card unmasked", "deny reads do sql.select unless who dba", True),
    ("nobody runs sql.ddl without a hold", "", True),
    ("nobody runs sql.ddl, sql.program without a hold", "", True),
    ("nobody runs sql.insert without a hold", "", "insert into"),
    ("nobody runs sql.ddl without a hold",
     "allow night who dba do sql.truncate when time.of-day < 06:00", "time.of-day = 00:00"),
    ("nobody runs sql.ddl without a hold",
     "allow night who dba on orders do sql.truncate when time.of-day < 06:00", True),
    ("nobody runs sql.ddl without a hold",
     "allow net do sql.drop when client.address in {10.0.0.0/8} and not client.address in "
     "{10.0.0.0/9, 10.128.0.0/9}", True),
    ("nobody runs sql.ddl without a hold",
     "allow names do sql.drop when table starts with \"a\" and table ends with \"a\" and not table "
     "matches \"*a\"", True),
    ("nobody runs sql.ddl without a hold",
     "allow schema do sql.drop when table = \"app.t\" and schema = \"public\"", True),
    # Regular expressions against each other, patterns, constants and the names of schemas.
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\.[a-z]+$/ and table matches /[0-9]/', True),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\.[a-z]+$/ and table matches "*.*.*"', True),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\.t[0-9]$/ and table = "app.t10"', True),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^(app|web)\./ and schema matches /^a?x/', True),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^(app|web)\./ and schema matches /^a?w/',
     "drop table web."),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\.[a-z]{3}_\d$/ and table matches /q.*_7/',
     "app."),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\.é?[^\x00-~]?$/'.replace(r"\x00-~", " -~") +
     r' and not table matches /[a-z ]$/', "app."),
    # All letters and digits that are tried first are in use; no character is a byte of another.
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\./ and not table matches "app.*k" and not table'
     ' matches "*.*.*"\ndeny other do sql.insert when table = "xzqjkvwybh.0123456789"', "app."),
    ("nobody runs sql.ddl without a hold",
     r'allow names do sql.drop when table matches /^app\./ and not table matches /^app\.[^é]/ and not '
     'table = "app.é"', "app."),
    ("nobody runs sql.ddl without a hold",
     'allow names do sql.drop when user.name matches /^a.b$/ and user.name matches /^..$/', True),
    ("nobody runs sql.ddl without a hold",
     'allow names do sql.drop when columns matches /^x+$/ and not columns matches "x*"', True),
    ("nobody runs sql.ddl without a hold", "allow where do sql.drop when sql.where", True),
    ("nobody runs sql.ddl without a hold", "default allow", "create table"),
]


def case(folder, statement, more, wanted):
    text = f"{POLICY}{more}\n"
    path = write(folder, "p.weir", f"{text}prove {statement}\n")
    code, out, err = weir("prove", path, "--json")
    if err or not out:
        return f"exit {code} {out}{err}"
    answer = json.loads(out)
    if answer["passed"] != (wanted is True) or code != (wanted is not True):
        return f"exit {code}: {out}"
    if wanted is True:
        return None
    shown = answer["failures"][0]
    if wanted not in shown:
        return f"'{wanted}' is not in\n{shown}"
    code, out, err = weir("test", write(folder, "t.weir", text + shown))
    return code and f"the counterexample does not pass as a test:\n{shown}\n{out}{err}"


def with_the_tools(folder):
    good = write(folder, "good.weir", POLICY + "prove only audit see card unmasked\n")
    bad = write(folder, "bad.weir", POLICY + "prove only dba see card unmasked\n")
    image = os.path.join(folder, "image")
    code, out, err = weir("test", good)
    check("weir test counts proofs", (code, out) != (0, "1 passed, 0 failed\n") and out + err)
    code, out, err = weir("test", bad)
    check("weir test fails with one that does not hold",
          (code != 1 or "not proved: only dba see card unmasked" not in out) and out + err)
    code, out, err = weir("build", good, "-o", image)
    check("an image says that they passed", "1 tests and proofs passed" not in out and out + err)
    os.unlink(image)
    code, out, err = weir("build", bad, "-o", image)
    check("an image is not built against a proof",
          (code != 1 or os.path.exists(image)) and out + err)
    code, out, err = weir("check", write(folder, "names.weir", POLICY + """
prove only nobody see nothing unmasked
prove nobody runs sql.drip without a hold
prove nobody runs connect without a hold
"""))
    check("names in proofs are checked",
          [c for c in ("E0402", "E0405", "E0404", "E0680") if c not in err] and err)
    many = POLICY + "".join(f"allow r{i} when table matches \"*{chr(97 + i)}{chr(98 + i)}*\"\n"
                            for i in range(22)) + "prove nobody runs sql.ddl without a hold\n"
    code, out, err = weir("prove", write(folder, "many.weir", many))
    check("what cannot be decided is not proved",
          (code != 1 or "too entangled to be proved: table" not in out) and out + err)
    check("usage is 2", weir("prove")[0] != 2)


# ---- Random policies ----

CONDITIONS = ["user.kind = agent", "client.tls", "time.weekday in {sat, sun}", "sql.where",
              'table = "app.orders"', 'table matches "app.*"', "sql.uses(d0)", "time.of-day < 09:00",
              'schema = "app"', "sql.uses(d1, output)", 'user.name = "ana"']
MASKED = ["user.kind = agent", "client.tls", "time.weekday in {sat, sun}", "sql.uses(d0)"]


def random_policy(r):
    out = ['policy random', 'group g0 = idp "agents"', 'group g1 = idp "dba"',
           "data d0 = column app.orders.pan", "data d1 = column app.orders.p*"]
    for i in range(r.randrange(2, 9)):
        kind = r.choice(["allow", "allow", "deny", "hold", "mask", "mask"])
        rule = f"{kind} r{i}" + (f" of d{r.randrange(2)} with null" if kind == "mask" else "")
        if r.random() < .5:
            rule += f" who g{r.randrange(2)}"
        if kind != "mask" and r.random() < .8:
            rule += " do " + r.choice(["sql.select", "sql.ddl", "sql.drop", "sql.read", "sql"])
        if r.random() < .6:
            picked = r.sample(MASKED if kind == "mask" else CONDITIONS, 2)
            rule += " when " + r.choice([" and ", " or not "]).join(picked)
        if r.random() < .3:
            rule += f" unless who g{r.randrange(2)}"
        out.append(rule + (" for 1 of g1 not self within 5m" if kind == "hold" else ""))
    return "\n".join(out) + "\n"


def random_facts(r):
    action = r.choice(["sql.select", "sql.select", "sql.drop", "sql.create"])
    facts = {"target.protocol": "postgres", "target.name": "x", "user.name": r.choice(["ana", "bo"]),
             "user.kind": r.choice(["human", "agent"]), "client.tls": r.random() < .5,
             "user.groups": r.sample(["agents", "dba"], r.randrange(3)), "action": action,
             "time.weekday": r.choice(["mon", "sun"]), "time.of-day": r.choice(["08:00", "12:00"]),
             "table": "app.orders", "schema": "app", "sql.where": action == "sql.select",
             "uses": [{"schema": "app", "table": "orders", "column": "pan",
                       "contexts": ["output"]}] if action == "sql.select" else []}
    return facts


def broken(policy, facts):
    """Which statements these facts break, by weir eval."""
    text = "".join(json.dumps(f) + "\n" + json.dumps({**{k: v for k, v in f.items()
                                                         if k not in ("action", "table", "schema",
                                                                      "sql.where")},
                                                      "entry": "result"}) + "\n" for f in facts)
    code, out, err = weir("eval", policy, "--facts", "-", text=text)
    if code:
        raise AssertionError(out + err)
    answers = [json.loads(line) for line in out.splitlines()]
    found = set()
    for f, command, result in zip(facts, answers[::2], answers[1::2]):
        if f["action"] == "sql.select":
            if command["verdict"] != "deny" and not result["matched"] and \
                    "agents" not in f["user.groups"]:
                found.add("only g0 see d0 unmasked")
        elif command["verdict"] == "allow":
            found.add("nobody runs sql.ddl without a hold")
    return found


def random_proofs(folder):
    seed, n = int(os.environ.get("SEED", "9")), int(os.environ.get("POLICIES", "60"))
    r, proved, refuted, bad = random.Random(seed), 0, 0, None
    for i in range(n):
        text = random_policy(r)
        path = write(folder, "r.weir", text + "prove only g0 see d0 unmasked\n"
                                              "prove nobody runs sql.ddl without a hold\n")
        code, out, err = weir("prove", path, "--json")
        answers = [json.loads(line) for line in out.splitlines()]
        if err or len(answers) != 2:
            bad = out + err
        found = broken(path, [random_facts(r) for _ in range(150)])
        for a in answers:
            proved += a["passed"]
            refuted += not a["passed"]
            if a["passed"] and a["proof"] in found:
                bad = f"{a['proof']} is proved, and facts break it"
            shown = a["failures"][0] if a["failures"] else ""
            if shown.startswith("test"):
                code, out, err = weir("test", write(folder, "t.weir", text + shown))
                bad = bad or code and f"the counterexample does not pass:\n{shown}{out}{err}"
        if bad:
            bad = f"seed {seed}, policy {i}: {bad}\n{text}"
            break
    print(f"# {n} policies: {proved} proved, {refuted} not")
    check("random facts break no proof, and counterexamples pass", bad)
    check("some are proved and some are not", min(proved, refuted) < n / 6)


VIEWS = """create schema app;
create table app.orders (id int, pan text, tenant int);
create table app.other (id int, pan text);
create view app.same as select id, pan from app.orders;
create view app.renamed as select pan as p from app.same;
create view app.star as select * from app.orders;
create view app.without as select id from app.orders;
create view app.further as select id from app.same;
create view app.both as select pan, id, pan as p from app.orders;
"""
VIEWED = """policy viewed
group g0 = idp "a"
data d = column app.orders.pan
data t = column app.orders.tenant
"""
# By which table the column is read, what else there is, whether the proof holds: with the catalog, and
# without, where every table may be a view.
THROUGH = [
    ("same", "", False, False), ("renamed", "", False, False), ("star", "", False, False),
    ("without", "", True, False), ("other", "", True, False), ("orders", "", False, False),
    ("same", "mask d with null", True, True), ("same", "drop t when row.tenant = 1", True, True),
    ("same", "mask d with null unless row.tenant = 1", True, True),
    ("same", "deny u when sql.uses(d)", False, False),
    ("orders", "deny u when sql.uses(d)", True, True),
    # Where no rule names tables, what is used of a view is not used of the table.
    ("", "deny u when sql.uses(d)", False, False),
]
# The same of data that is named by a pattern: what is called so anywhere.
PATTERNS = [
    (True, "same", "", False, False), (True, "same", "deny u when sql.uses(d)", True, False),
    (True, "renamed", "deny u when sql.uses(d)", False, False),
    (True, "both", "deny u when sql.uses(d)", False, False),
    (True, "without", "deny u when sql.uses(d)", True, False),
    (True, "orders", "deny u when sql.uses(d)", True, False),
    (True, "", "deny u when sql.uses(d)", False, False),
    (True, "", "mask d with null", True, True),
]


def views(folder):
    write(folder, "views.sql", VIEWS)
    for pattern, table, more, known, unknown in [(False, *t) for t in THROUGH] + PATTERNS:
        for catalog, wanted in (('catalog "views.sql"\n', known), ("", unknown)):
            of = f'when table = "app.{table}"' if table else ""
            named = VIEWED.replace("app.orders.pan", "*.pan") if pattern else VIEWED
            text = f"{named}{catalog}allow r do sql.select {of}\n{more}\n"
            path = write(folder, "viewed.weir", text + "prove only g0 see d unmasked\n")
            code, out, err = weir("prove", path)
            bad = (code == 0) != wanted and f"exit {code} {out}{err}"
            if not bad and not wanted and catalog:
                test = out[out.index("test "):out.rindex("\n0 proved") + 1]
                code, out, err = weir("test", write(folder, "shown.weir", text + test))
                bad = code and f"{out}{err}{test}"
            check(f"{'of *.pan ' if pattern else ''}through {table}{' with ' + more if more else ''}"
                  f"{', which is known' if catalog else ''}", bad)


# A drop over a pattern drops rows of the tables that have such a column, and of no other.
DROPPED = """policy dropped
group g0 = idp "a"
data d = column {}
data t = column {}
allow r do sql.select
drop hidden of t unless who g0
"""
TABLES = """create schema app;
create table app.aboth (id int, pan text, tenant int);
create table app.both (id int, pan text, tenant int);
create table app.one (id int, pan text);
create table app.kid () inherits (app.both);
"""
# Data, what is dropped, whether the proof holds without a catalog and with it.
DROPS = [
    ("app.one.pan", "*.tenant", False, False), ("app.both.pan", "*.tenant", False, True),
    ("app.both.pan", "app.both.tenant", True, True), ("app.kid.pan", "app.both.tenant", False, True),
    ("app.one.pan", "app.one.tenant", True, False), ("*.pan", "*.tenant", False, False),
    ("one.pan", "one.tenant", True, False),
    ("*.pan", "*.pan", True, True), ("app.one.pan", "*.*.*n", True, True),
]


def drops(folder):
    write(folder, "tables.sql", TABLES)
    for data, of, unknown, known in DROPS:
        for catalog, wanted in (("", unknown), ('catalog "tables.sql"\n', known)):
            text = DROPPED.format(data, of).replace("data d", catalog + "data d")
            path = write(folder, "dropped.weir", text + "prove only g0 see d unmasked\n")
            code, out, err = weir("prove", path)
            bad = (code == 0) != wanted and f"exit {code} {out}{err}"
            if not bad and not wanted and catalog and (data, of) != ("app.one.pan", "app.one.tenant"):
                bad = "app.one" not in out and out
            check(f"{data} where rows of {of} are dropped{', as is known' if catalog else ''}", bad)
    plain = DROPPED.format("app.one.pan", "*.tenant").replace(" unless who g0", "")
    masked = write(folder, "masked.weir", plain + "mask m of d with null\n")
    code, out, err = weir("diff", masked, write(folder, "plain.weir", plain))
    check("a mask goes where no row is dropped", "newly unmasked" not in out and out + err)


# Statistics show values of all columns to whom no mask or drop applies.
TOLD = [("deny u when sql.uses(d)", False), ("deny u when sql.uses(d)\nmask m of t with null", True),
        ("deny u when sql.uses(d)\nmask m of t with null unless user.kind = agent", False),
        ("deny u when sql.uses(d)\ndrop w of t when row.tenant = 1", True),
        ("deny u when sql.uses(d)\ndata v = values like card\nmask m of v with null", False),
        ("deny u when sql.uses(d) or table = \"pg_catalog.pg_stats\"", False),
        ("deny u when sql.uses(d) or schema = \"pg_catalog\"", True)]


def statistics(folder):
    write(folder, "told.sql", "create schema app;\ncreate table app.orders (id int, pan text, tenant int);\n"
          "create table app.other (id int);\n")
    for more, wanted in TOLD:
        text = f'{VIEWED}catalog "told.sql"\nallow r do sql.select\n{more}\n'
        path = write(folder, "told.weir", text + "prove only g0 see d unmasked\n")
        code, out, err = weir("prove", path)
        bad = (code == 0) != wanted and f"exit {code} {out}{err}"
        if not bad and not wanted:
            bad = not re.search("most_common_vals|stavalues1", out) and out
            if "\ntest " in out:
                test = out[out.index("test "):out.rindex("\n0 proved") + 1]
                code, out, err = weir("test", write(folder, "told.weir", text + test))
                bad = bad or code and f"{out}{err}{test}"
        check("statistics with " + more.replace("\n", ", "), bad)


def main():
    with tempfile.TemporaryDirectory() as folder:
        for statement, more, wanted in CASES:
            check(f"{statement}{' with ' + more if more else ''}",
                  case(folder, statement, more, wanted))
        views(folder)
        drops(folder)
        statistics(folder)
        with_the_tools(folder)
        random_proofs(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
