#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir explain: the verdicts of `weir eval`, each clause with its value, what comes nearest."""
import glob, json, os, random, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
PAYMENTS, ORDERS, AGENTS = (f"policies-examples/{n}.weir" for n in ("payments", "orders", "agents"))
AGENT = 'agent "planner-7" in agents'


def explain(policy, who, on, sql=None, *more, code=0):
    argv = ["explain", policy, "--as", who, "--on", on, *more] + ([sql] if sql else [])
    r = h.weir(*argv)
    h.eq(r.code, code, repr(r))
    return r.out if code == 0 else r.err


def explain_json(*argv):
    return json.loads(explain(*argv, "--json"))


def put(name, text):
    path = f"{h.tmp()}/{name}"
    with open(path, "w") as f:
        f.write(text)
    return path


def test_what_decides():
    out = explain(ORDERS, AGENT, "orders", "delete from people")
    h.check(out.startswith("deny\n"), out)
    h.has(out, "sql.delete on public.people: deny by unbounded-write\n",
          'allow app-data   policies-examples/orders.weir:17:7   matches\n'
          '      "agents and DBAs may read and change rows"\n'
          '      yes     who agents, dba\n              user.groups = {"ai-agents"}   at 18:3\n',
          "yes     when not sql.where or sql.where-constant\n"
          "              sql.where = false, sql.where-constant = false   at 23:3\n")


def test_the_nearest_allow():
    out = explain(ORDERS, 'human "eve" in auditors', "orders", "select id from orders")
    h.has(out, "deny by default: no rule speaks of some effect\n",
          "The allow rule that comes nearest:\n  allow app-data   policies-examples/orders.weir:17:7   "
          '1 of 3 clauses fails\n', '      no      who agents, dba\n              user.groups = {"audit"}')
    h.lacks(out, "do sql.basics")
    # Of two that lack one clause the one about this action comes first.
    path = put("near.weir", 'policy p\ngroup a = idp "a"\nallow other   who a   do sql.update\n'
                            'allow mine   do sql.select   when time.weekday = fri\n')
    x = explain_json(path, 'agent "x" in a', '"orders"', "select 1")
    h.eq(x["effects"][0]["nearest_allow"], "mine")
    # It is tests that count, not clauses; and what every driver sends is not near to a command.
    path = put("near.weir", 'policy p\ngroup a = idp "a"\n'
               'allow far     do sql.select   when schema = "x" and client.tls and user.kind = service\n'
               'allow near    who a   do sql.select   when schema = "y"\n'
               "allow drivers do sql.basics\n")
    x = explain_json(path, 'human "x"', '"orders"', "select id from t", "--with", "client.tls = false")
    h.eq(x["effects"][0]["nearest_allow"], "near")
    h.eq({r["rule"]: r["failing"] for r in x["effects"][0]["rules"]}, {"far": 1, "near": 2, "drivers": 1})
    # Either of several tests will do, and one that nothing can turn is far from all.
    path = put("near.weir", 'policy p\nallow never   do sql.select   when false\n'
               'allow both    do sql.select   when schema = "x" and client.tls\n'
               'allow either  do sql.select   when not (schema != "x" and not client.tls)\n')
    x = explain_json(path, 'human "x"', '"orders"', "select id from t", "--with", "client.tls = false")
    h.eq(x["effects"][0]["nearest_allow"], "either")


def test_several_effects():
    out = explain(PAYMENTS, AGENT, "orders", "insert into people select 1 from x; drop table people")
    h.has(out, "hold (3 effects; the worst verdict counts)\n", "sql.insert on public.people: allow by app-data",
          "sql.select on public.x: allow by app-data", "sql.drop on public.people: hold by ddl")


def test_masks_and_limits():
    out = explain(PAYMENTS, 'human "ana" in agents', "orders", "select pan, email from payments.cards, people")
    h.has(out, "Masks, drops and limits that apply\n  mask card   policies-examples/payments.weir:36:6   matches",
          "Masks, drops and limits that are one clause away\n  mask contact",
          "no      when user.kind = agent\n              user.kind = human")
    out = explain(PAYMENTS, 'human "ana" in agents', "orders", "select id from payments.cards where pan = '4'")
    h.has(out, "deny by card: a masked column is used other than as output: payments.cards.pan in predicate\n")
    out = explain(AGENTS, 'agent "a" in fleet', "tickets", "select 1")
    h.has(out, "limit reading   policies-examples/agents.weir:60:7   matches")
    out = explain(ORDERS, 'human "eve" in auditors', "orders", "select 1")
    h.has(out, "Masks, drops and limits that apply\n  none")


def test_masks_of_what_is_not_touched():
    """All that match are in force; those of other data are counted, not listed."""
    out = explain(ORDERS, AGENT, "orders", "select id, email from people")
    h.has(out, "that apply\n  mask contact ", "  (1 more is of data that this command does not name)")
    h.lacks(out, "mask card")
    out = explain(ORDERS, AGENT, "orders", "select id, item from orders")
    h.has(out, "that apply\n  none\n  (2 more are of data that this command does not name)")
    x = explain_json(ORDERS, AGENT, "orders", "select pan from payments.cards")
    h.eq({r["rule"]: r["touched"] for r in x["result"]["rules"]}, {"card": True, "contact": False})
    for sql in ("select * from people", "update people set email = 'x' where id = 1", "copy people to stdout",
                "select nothing from (select people from people) x", "do 'begin end'", "select f()"):
        h.has(explain(ORDERS, AGENT, "orders", sql), "  mask contact ")
    h.lacks(explain(ORDERS, AGENT, "orders", "select count(*), min(id) from people"), "  mask contact ")
    # Rows are dropped whatever is read of them; a view has the columns of others.
    put("shop.sql", "create table orders (id int, tenant int, card text);\ncreate table other (id int);\n"
                    "create view v as select id, card as c from orders;\n")
    path = put("shop.weir", 'policy p\ncatalog "shop.sql"\ndata tenant = column orders.tenant\n'
               "data card = column orders.card\nallow a do sql.select\n"
               "drop foreign of tenant when row.tenant != 7\nmask card with null\n")
    who = ['human "x"', '"db"']
    out = explain(path, *who, "select id, tenant from orders")
    h.has(out, "  drop foreign ")
    h.lacks(out, "  mask card ")
    h.has(explain(path, *who, "select c from v"), "  mask card ")
    h.lacks(explain(path, *who, "select id from other"), "  mask card ", "  drop foreign ")


def test_masks_of_what_is_read_with_a_table():
    """A parent's rows are its children's too, and a generated column is made of another."""
    put("kin.sql", "create table people (id int, name text);\ncreate table staff (pay int) inherits (people);\n"
                   "create table logs (id int, at date) partition by range (at);\ncreate table other (id int);\n"
                   "create table logs_1 partition of logs for values from ('2026-01-01') to ('2027-01-01');\n"
                   "create table mails (mail text, low text generated always as (lower(mail)) stored);\n")
    path = put("kin.weir", 'policy p\ncatalog "kin.sql"\ndata name = column staff.name\n'
               "data mail = column mails.mail\ndata log = column logs_1.id\nallow a do sql.select\n"
               "drop foreign of log when row.id != 7\nmask name with null\nmask mail with null\n")
    who = ['human "x"', '"db"']
    h.has(explain(path, *who, "select count(name) from people"), "  mask name ")
    h.has(explain(path, *who, "select count(at) from logs"), "  drop foreign ")
    h.has(explain(path, *who, "select count(low) from mails"), "  mask mail ")
    h.has(explain(path, *who, "select * from mails"), "low    nothing of it by mail: computed from a masked column")
    for sql in ("select count(id) from other", "select count(id) from people", "select count(*) from mails"):
        h.lacks(explain(path, *who, sql), "  mask ", "  drop foreign ")
    # A rule that drops rows is why a statement is refused, not a mask of what it reads as well.
    path = put("why.weir", 'policy p\ncatalog "kin.sql"\ndata name = column people.{name, id}\nallow a do sql.select\n'
               "data log = column logs.id\nmask name with null\ndrop foreign of log when row.id != 7\n")
    h.has(explain(path, *who, "select at, name from logs, people"), "deny by foreign: rows of logs are filtered")


def test_the_door():
    """What is allowed helps nobody who does not get in."""
    path = put("door.weir", 'policy p\ngroup a = idp "a"\ngroup b = idp "b"\nallow read do sql.select\n'
               "deny closed do connect who a\nhold lobby do connect who b for 1 of a not self within 1h\n")
    who = ['"db"', "select 1"]
    h.check(explain(path, 'human "x" in a', *who).startswith(
        "allow\nBut no session would be opened: deny by closed (explain it without a command)\n\n"), "closed")
    h.eq(explain_json(path, 'human "x" in a', *who)["session"], "deny")
    h.has(explain(path, 'human "x" in b', *who), "allow\nThe session itself waits for people: hold by lobby (")
    h.lacks(explain(path, 'human "x"', *who), "session")
    h.lacks(explain_json(path, 'human "x"', *who), "session")
    h.has(explain(ORDERS, 'human "eve"', "orders", "select 1"), "\nNor would a session be opened: deny by default (")


def test_unknown():
    facts = put("facts", '{"user.groups": ["ai-agents"], "target.name": "orders", '
                         '"target.protocol": "postgres", "action": "sql.update", "uses": []}\n')
    r = h.weir("explain", ORDERS, "--facts", facts)
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "sql.update: deny by unbounded-write", "unknown when not sql.where or sql.where-constant\n"
          "              sql.where is unknown, sql.where-constant is unknown; unknown counts as a match")
    facts = put("facts", '{"target.name": "orders", "target.protocol": "postgres", "action": "sql.select"}\n')
    r = h.weir("explain", ORDERS, "--facts", facts)
    h.has(r.out, "unknown who agents, dba\n              user.groups is unknown; unknown never helps to be allowed")


def test_whole_rows():
    """A table's name that stands where a column can is its whole row, with a catalog or without."""
    policy = 'policy p\n%sdata c = column t.c\nallow all do sql.read\n%s\n'
    put("rows.sql", "create table t (a int, c text);")
    for catalog in "", 'catalog "rows.sql"\n':
        for rule, by in ("deny uses when sql.uses(c, whole-row)", "uses"), ("mask c with null", None):
            path = put("rows.weir", policy % (catalog, rule))
            for sql in ("select t from t", "select row_to_json(x) from t x", "select t::text from t",
                        "select jsonb_agg(t) from t", "select (t).c from t", "select 1 from t where t is null",
                        "select s from (select * from t) s"):
                x = explain_json(path, 'human "h"', '"db"', sql)
                h.eq(x["verdict"], "deny", f"{catalog}{rule}: {sql}")
                if by:
                    h.has(x["effects"][0]["deciding"], by)
            x = explain_json(path, 'human "h"', '"db"', "select a from t")
            h.eq(x["verdict"], "allow", f"{catalog}{rule}")


def test_names_do_not_reach_the_terminal():
    out = explain(ORDERS, AGENT, "orders", 'select 1 from "a\x1b[31mb"')
    h.has(out, "sql.select on public.a?[31mb: allow")
    h.lacks(out, "\x1b")


def test_connect():
    out = explain(ORDERS, AGENT, "orders")
    h.has(out, "a session: allow by app-data\n", "could match a command")
    out = explain(ORDERS, 'human "eve" in auditors', "orders")
    h.has(out, "a session: deny by default\n", "1 of 3 clauses fails")


def test_with():
    path = "policies-examples/analyst.weir"
    who = 'human "ida" in analysts'
    sql = "select region from reporting.sales"
    h.eq(explain_json(path, who, "warehouse", sql)["verdict"], "allow")
    x = json.loads(explain(path, who, "warehouse", sql, "--json", "--with", "client.address = 203.0.113.7"))
    h.eq(x["verdict"], "deny")
    h.eq(x["effects"][0]["facts"]["client.address"], "203.0.113.7")
    failing = [c for r in x["effects"][0]["rules"] if r["rule"] == "read-reporting" for c in r["clauses"]
               if not c["passes"]]
    h.eq([(c["clause"], c["value"], c["line"]) for c in failing], [("when", "false", 28)])
    h.has(failing[0]["facts"], 'schema = "reporting", client.address = 203.0.113.7')


def test_like_weir_test():
    """Every verdict that a policy's tests expect, from the command line."""
    n = 0
    for path in sorted(glob.glob("policies-examples/*.weir")):
        with open(path) as f:
            text = f.read()
        for m in re.finditer(r'as (\w+ "[^"]*"(?: in [\w, ]+?)?)   on (\w+)\n  (?:with ([^\n]*)\n  )?run "([^"]*)"\n'
                             r'  expect (allow|deny|hold)(?: by ([\w-]+))?\n', text):
            x = json.loads(explain(path, m[1], m[2], m[4], "--json",
                                   *(("--with", m[3]) if m[3] else ())))
            h.eq(x["verdict"], m[5], m[0])
            by = {r for e in x["effects"] for r in e["deciding"]} | {x.get("masked_column_used")}
            if m[6]:
                h.check(m[6] in by or (m[6] == "default" and x["by_default"]), f"{m[0]}: {by}")
            n += 1
    h.check(n >= 25, n)


FACTS = {"user.name": ["p"], "user.kind": ["agent", "human"],
         "user.groups": [["ai-agents"], ["dba-oncall", "audit"], ["agent-fleet"], ["analysts"], []],
         "target.name": ["orders", "tickets", "warehouse"], "target.protocol": ["postgres"],
         "client.address": ["10.20.1.1", "192.0.2.1"], "time.weekday": ["mon", "sun"],
         "time.of-day": ["09:00", "23:30:01"], "sql.statements": [1, 2], "schema": ["desk", "reporting"],
         "table": ["desk.tickets", "public.people"], "sql.where": [True, False],
         "sql.where-constant": [True, False],
         "action": ["sql.select", "sql.update", "sql.drop", "sql.grant", "connect", "sql.unparsed"],
         "uses": [[], [{"table": "people", "column": "email", "contexts": ["order"]}]]}


def test_same_as_eval():
    rng = random.Random(int(os.environ.get("SEED", "1")))
    for path in sorted(glob.glob("policies-examples/*.weir")):
        lines = []
        for _ in range(300):
            line = {k: rng.choice(v) for k, v in FACTS.items() if rng.random() < 0.8}
            line["entry"] = rng.choice(["connect", "command", "command", "result", "row"])
            if line["entry"] == "command" and rng.random() < 0.3:
                line["effects"] = [{"action": rng.choice(FACTS["action"])} for _ in range(rng.randrange(3))]
            if rng.random() < 0.3:
                line["row"] = {"tenant": rng.choice([7, 8, None]), "country": "DE", "consent": True}
            lines.append(json.dumps(line))
        facts = put("facts", "\n".join(lines) + "\n")
        want = h.run([h.WEIR, "eval", path, "--facts", facts])
        got = h.run(["build/asan/weir", "explain", path, "--facts", facts, "--json"])
        h.eq((want.code, got.code), (0, 0), got.err)
        for line, w, g in zip(lines, want.out.splitlines(), got.out.splitlines(), strict=True):
            w, g = json.loads(w), json.loads(g)
            h.eq(g["entry"], w["entry"])
            if "verdict" in w:
                h.eq((g["verdict"], g["by_default"]), (w["verdict"], w["by_default"]), line)
            matched = {r["rule"] for e in g["effects"] for r in e["rules"] if r["matches"]
                       and not (r["kind"] == "hold" and g["entry"] == "connect")}
            h.eq(matched, {r["rule"] for r in w["matched"]}, line)
        text = h.run(["build/asan/weir", "explain", path, "--facts", facts])
        h.eq(text.code, 0, text.err)


def test_images():
    image = f"{h.tmp()}/p.img"
    h.eq(h.weir("build", PAYMENTS, "-o", image).code, 0)
    with open("tests/lang/ok/import.weir") as f:
        h.has(f.read(), "import")
    text = explain(PAYMENTS, AGENT, "orders", "drop table people")
    from_image = explain(image, AGENT, "orders", "drop table people")
    h.eq(from_image, text.replace("policies-examples/", ""))
    os.makedirs(f"{h.tmp()}/parts", exist_ok=True)
    put("parts/groups.weir", 'group agents = idp "a"\n')
    root = put("root.weir", 'policy p\nimport "parts/groups.weir"\nallow r who agents do sql.select\n')
    h.eq(h.weir("build", root, "-o", image).code, 0)
    os.unlink(f"{h.tmp()}/parts/groups.weir")
    h.has(explain(image, AGENT, '"orders"', "select 1"), "allow r   root.weir:3:7   matches")


SCHEMA = """create schema pay;
create table pay.cards (id bigint primary key, pan text, note text);
create view pay.shown as select pan as number, id from pay.cards;
"""
WITH_CATALOG = """policy p
group a = idp "a"
catalog "schema.sql"
data card = column pay.cards.pan
data mail = values like email
allow read   who a   do sql.select
deny notes   do sql.select   when "note" in columns   unless user.kind = human
mask card with last(4) allowing derived
mask mail with partial
"""


def columns(path, sql, who='human "h" in a'):
    x = explain_json(path, who, '"db"', sql)
    h.eq(x["catalog"], True, sql)
    return [(c["name"], c["mask"], c["rule"], c["computed"]) for c in x["columns"]]


def test_catalog():
    """With it `*`, views and columns are what they are in the gateway."""
    put("schema.sql", SCHEMA)
    path = put("catalog.weir", WITH_CATALOG)
    who = 'human "h" in a'
    out = explain(path, who, '"db"', "select * from pay.cards")
    h.has(out, "Columns of the result\n  id     as it is\n  pan    last(4) by card\n  note   as it is\n"
          "  values like email in any text   partial by mail\n")
    h.eq(columns(path, "select number, id from pay.shown"),
         [("number", "last(4)", "card", False), ("id", None, None, False)])
    h.eq(columns(path, "select upper(pan) as big from pay.cards"), [("big", "last(4)", "card", True)])
    h.has(explain(path, who, '"db"', "select upper(pan) as big from pay.cards"),
          "  big   nothing of it by card: computed from a masked column\n")
    # What stands for `*` is a fact as well.
    x = explain_json(path, 'agent "x" in a', '"db"', "select * from pay.cards")
    h.eq((x["verdict"], x["effects"][0]["deciding"], x["effects"][0]["facts"]["columns"]),
         ("deny", ["notes"], ["id", "pan", "note"]))
    h.check("columns" not in x, x)
    # As the client is told it, with what to do.
    out = explain(path, who, '"db"', "select id from pay.shown where number = '4'")
    h.has(out, "deny by card: shown.number is masked and may not be used in predicate\nWhat to do: a masked column")
    x = explain_json(path, who, '"db"', "select id from pay.shown where number = '4'")
    h.eq(x["masked_column_used"], "card")
    h.has(x["refusal"], "may not be used in predicate")
    h.check(x["hint"], x)
    # Names that it does not have.
    out = explain(path, who, '"db"', "select pan from cards")
    h.has(out, "allow\nThe policy's catalog has no cards: names are taken as they are written\n")
    x = explain_json(path, who, '"db"', "select pan from cards")
    h.eq((x["catalog"], x["unknown_table"]), (False, "cards"))
    h.lacks(explain(path, who, '"db"'), "Columns of the result")


def test_image_without_its_catalog():
    """An image has the catalog's names only: the text in it is explained without."""
    put("schema.sql", SCHEMA)
    image = f"{h.tmp()}/catalog.img"
    h.eq(h.weir("build", put("catalog.weir", WITH_CATALOG), "-o", image).code, 0)
    r = h.weir("explain", image, "--as", 'human "h" in a', "--on", '"db"', "select * from pay.cards")
    h.eq(r.code, 0, repr(r))
    h.has(r.err, "an image does not carry its catalog")
    h.has(r.out, "sql.select on pay.cards: allow by read")
    h.lacks(r.out, "Columns of the result")
    h.has(h.weir("dis", "--source", image).out, "mask card with last(4)")


def test_mistakes():
    err = explain(ORDERS, 'agent "x" in agnts', "orders", "select 1", code=1)
    h.has(err, "E0402", "did you mean 'agents'?", "<command line>:2:19")
    h.has(explain(ORDERS, AGENT, "ordrs", "select 1", code=1), "E0403")
    h.has(explain(ORDERS, AGENT, "orders", "select 1", "--with", "tabel = 5", code=1), "E0415")
    h.has(explain(ORDERS, AGENT, "orders", "select 1", "--with", "table = 5", code=1),
          "a value of type string is asked for")
    h.has(explain(ORDERS, AGENT, "orders", "selec"), "deny by server-side", "The statement: ")
    r = h.weir("explain", ORDERS, "--as", "planner-7", "--on", "orders", "select 1")
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "--as takes KIND \"NAME\" in GROUP, GROUP: --as 'agent \"planner-7\" in agents'")
    for argv in ([], [ORDERS], [ORDERS, "--as", AGENT], [ORDERS, "--facts", "x", "--as", AGENT],
                 [ORDERS, "--as", AGENT, "--on", "orders", "select", "1"], [ORDERS, "--as"], ["--none"]):
        h.eq(h.weir("explain", *argv).code, 2, argv)
    r = h.weir("explain", ORDERS, "--facts", put("facts", '{"acton": 1}\n{"action": "sql.drop"}\n'))
    h.eq(r.code, 1)
    h.has(r.err, "line 1: there is no fact 'acton'")
    h.has(r.out, "line 2: hold\n\nsql.drop: hold by ddl")


h.main(test_catalog, test_image_without_its_catalog, test_what_decides, test_the_nearest_allow, test_several_effects, test_masks_and_limits,
       test_masks_of_what_is_not_touched, test_masks_of_what_is_read_with_a_table, test_the_door,
       test_unknown, test_whole_rows, test_names_do_not_reach_the_terminal, test_connect, test_with, test_like_weir_test, test_same_as_eval, test_images,
       test_mistakes)
