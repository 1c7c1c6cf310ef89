#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Shadow rules with a real PostgreSQL: what they would have done is on record, and nothing of it
happens."""
import json, os, sys, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create table orders (id int primary key, note text);
insert into orders select i, 'note ' || i from generate_series(1, 2000) i;
create table cards (id int primary key, pan text, pin text);
insert into cards values (1, '4111111111111111', '1234');
create table staff (id int primary key, country text);
insert into staff values (1, 'DE'), (2, 'FR');
"""
RULES = """
policy watched
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data card = column cards.pan
data pin  = column cards.pin
data rows = column staff.id
data ids  = column orders.id
allow reading who agents do sql.basics, sql.select, sql.explain, sql.prepare
mask pin with null
"""
SHADOW = """
shadow deny words    when sql.text matches "*Urgent*"
shadow deny orders   when sql.uses(ids)
shadow hold writes   who agents  do sql.insert  for 1 of dba not self  within 5m
shadow allow inserts who agents  do sql.insert  when table = "public.staff"
shadow mask card with last(4)
shadow mask weaker of pin with last(1)
shadow drop of_staff of rows  when row.country = "FR"
shadow limit few  do sql.select  rows 1000  time 200ms
shadow deny late  do connect  when user.kind = agent
shadow deny never when time.of-day < 00:00 and time.of-day > 00:00
"""
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, RULES + SHADOW)


def records(w, kind):
    out = w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit").out
    return [r for r in map(json.loads, out.splitlines()) if r["type"] == kind]


def shadow_of(text, w=None):
    """What the last command with that text has on record."""
    found = [r["body"] for r in records(w or weir, "command") if r["body"].get("statement") == text]
    h.check(found, f"no record of {text}")
    return found[-1]["decision"].get("shadow", [])


def both(text):
    """Runs it; the output, what is on record, and that shadow rules made no difference."""
    out = weir.psql(text)
    return out, shadow_of(text)


def test_nothing_is_enforced():
    for text, want in (("select count(*) from orders", "2000"),
                       ("select pan from cards", "4111111111111111"),
                       ("select count(*) from cards where pan like '4%'", "1"),
                       ("select id from staff order by 1", "1\n2"),
                       ("select pin from cards", "")):
        h.eq(weir.psql(text).out.strip(), want, text)


def test_a_deny_and_a_hold():
    h.eq(both("select id from orders limit 1")[1], ["orders: deny"])
    h.eq(both("select id from staff limit 0")[1], ["of_staff: drop"])
    out, shadows = both("insert into orders values (0, 'x')")
    h.has(out.err, "WEIR-NO-RULE")
    h.eq(shadows, ["writes: hold"])


def test_an_allow():
    out, shadows = both("insert into staff values (3, 'IT')")
    h.has(out.err, "WEIR-NO-RULE")
    h.eq(shadows, ["writes: hold", "inserts: allow"])
    # It covers one of two effects: the command would be denied as it is.
    h.eq(both("with x as (insert into staff values (9, 'IT') returning id) "
              "insert into cards select id from x")[1], ["writes: hold"])


def test_the_text_is_read():
    h.eq(both("select 'Urgent'")[1], ["words: deny"])
    h.eq(both("select 'urgent'")[1], [])


def test_a_remembered_verdict_is_watched_by_its_own_text():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        for _ in range(3):
            for word in ("Urgent", "calm"):
                c.execute(f"select '{word} {_}'")
    for i in range(3):
        h.eq(shadow_of(f"select 'Urgent {i}'"), ["words: deny"])
        h.eq(shadow_of(f"select 'calm {i}'"), [])


def test_masks():
    h.eq(both("select pan from cards")[1], ["card: mask"])
    h.eq(both("select id from cards where pan = 'x'")[1], ["card: deny"])
    h.eq(both("select count(pan) from cards")[1], [])
    h.eq(both("select pin from cards")[1], [], "a weaker mask")
    h.eq(both("select id from cards")[1], [])


def test_prepared_statements():
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        c.execute("prepare q as select pan from cards")
        h.eq(c.execute("execute q").fetchall(), [("4111111111111111",)])
    h.eq(shadow_of("execute q"), ["card: mask"])


def test_a_limit_is_told_with_the_result():
    h.eq(len(weir.psql("select id from orders o").out.splitlines()), 2000)
    weir.psql("select count(*) from generate_series(1, 4000000)")
    weir.psql("select id from staff s")
    said = [r["body"].get("shadow") for r in records(weir, "result") if r["body"].get("shadow")]
    h.check(["few: 2000 rows, at most 1000"] in said, said)
    h.check(any(x[0].startswith("few: ") and x[0].endswith("ms, at most 200") for x in said), said)
    h.check(not any("few" in x for x in shadow_of("select id from orders o")), "limit in the intent")


def test_opening_a_session():
    h.eq({tuple(r["body"]["decision"].get("shadow", [])) for r in records(weir, "session.start")},
         {("late: deny",)})


def test_people_see_it():
    weir.psql("select id from orders limit 7")
    out = weir.audit("tail", "-n", "100000", f"{weir.state}/audit").out
    h.has(out, "(shadow orders: deny)", "(shadow late: deny)")


def remembered(w):
    q = urllib.request.Request(f"http://127.0.0.1:{w.admin}/v1/metrics",
                               headers={"Authorization": f"Bearer {h.KEYS['ana']}",
                                        "X-Weir-Principal": "ana"})
    with urllib.request.urlopen(q, timeout=10) as r:
        lines = r.read().decode().splitlines()
    return [int(x.split()[-1]) for x in lines if x.startswith("weir_gate_remembered_total")][0]


def test_verdicts_are_remembered_as_without_them():
    def of(rules):
        w = h.Weir(pg, policy=RULES + rules)
        with psycopg.connect(w.conninfo(), autocommit=True) as c:
            for i in range(50):
                c.execute(f"select id from orders where id = {i}")
        n = remembered(w)
        h.eq(w.stop(), 0)
        return n, w
    plain, _ = of("")
    h.check(plain >= 40, plain)
    stable, w = of("shadow deny x when sql.uses(ids)")
    h.eq(stable, plain)
    for i in range(50):
        h.eq(shadow_of(f"select id from orders where id = {i}", w), ["x: deny"])
    varying, w = of('shadow deny x when sql.text matches "*= 7*"')
    h.eq(varying, plain)
    for i in range(50):
        h.eq(shadow_of(f"select id from orders where id = {i}", w), ["x: deny"] if i == 7 else [])


def test_the_log_verifies():
    h.eq(weir.stop(), 0)
    h.eq(weir.audit("verify", f"{weir.state}/audit").code, 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
