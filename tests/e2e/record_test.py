#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Record rules with a real PostgreSQL: whole statements, values of parameters, and no secrets."""
import json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create table orders (id int primary key, note text);
create table cards (id int primary key, pan text);
create table parent_cards (id int, pin text);
create table child_cards () inherits (parent_cards);
create view all_orders as select * from orders;
insert into orders values (1, 'one');
insert into cards values (1, '4111111111111111');
"""
POLICY = """
policy recorded
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data card = column cards.pan, column parent_cards.pin
allow everyday  do sql.basics, sql.select, sql.insert, sql.update, sql.opaque-function
record all-of-it "evidence for the auditors" who dba with text, parameters, strict
mask card with last(4) unless who dba
"""
SECRET = "5500000000000004"
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)


def connect(user="ana", **kw):
    return psycopg.connect(weir.conninfo(user), autocommit=True, **kw)


def records():
    out = weir.audit("tail", "--json", "-n", "100000", f"{weir.state}/audit").out
    return [json.loads(x) for x in out.splitlines()]


def command(text):
    found = [r["body"] for r in records()
             if r["type"] == "command" and r["body"].get("statement", "").startswith(text)]
    h.check(found, f"no record of {text[:60]}")
    return found[-1]



def test_values_are_on_record():
    with connect() as c:
        c.execute("select note from orders where id = %s and note = %s and %s::text is null",
                  (1, "one", None))
    b = command("select note from orders where id")
    h.has(b["decision"]["obligations"], "all-of-it")
    p = b["parameters"]
    h.eq(p[1].get("value"), "one")
    h.eq(p[2].get("is_null"), True)
    h.check(all("hmac" not in x for x in p), p)
    h.check("value" in p[0], p)


def test_binary_values_are_on_record():
    with connect() as c:
        c.execute("select 17 from orders where id = %b", (258,))
    p = command("select 17 from orders")["parameters"]
    h.eq(p[0]["binary"], True)
    h.check("value" in p[0], p)


def test_without_the_rule_they_are_not():
    with connect("planner-7") as c:
        c.execute("select 'agent' from orders where note = %s", ("one",))
    p = command("select 'agent'")["parameters"]
    h.check("value" not in p[0] and "hmac" not in p[0] and p[0]["len"] == 3, p)


def test_what_may_belong_to_a_data_class_is_a_digest():
    with connect() as c:
        for i, sql in enumerate((
                "insert into cards values (%s + 10, %s)", "update cards set pan = %s where id = 99",
                "select 'x' from cards where pan = %s", "insert into child_cards values (1, %s)",
                "insert into orders select 50, pan from cards where pan = %s",
                "select 'v' from all_orders where note = %s")):
            n = sql.count("%s")
            c.execute(sql, (i, SECRET) if n == 2 else (SECRET,))
            p = command(sql.split("%s")[0])["parameters"]
            h.check("value" not in p[-1], (sql, p))
            h.eq(len(p[-1]["hmac"]), 64, sql)
    said = {r["body"]["parameters"][-1]["hmac"] for r in records()
            if r["type"] == "command" and r["body"].get("parameters")
            and r["body"]["parameters"][-1].get("len") == len(SECRET)
            and "hmac" in r["body"]["parameters"][-1]}
    h.eq(len(said), 1, "equal values have equal digests")
    h.lacks(weir.audit("tail", "--json", "-n", "100000", f"{weir.state}/audit").out, SECRET)


def test_long_and_many_values():
    with connect() as c:
        c.execute("select 'long' from orders where note = %s", ("y" * 2000,))
        p = command("select 'long'")["parameters"]
        h.check("value" not in p[0] and p[0]["len"] == 2000 and len(p[0]["hmac"]) == 64, p)
        h.check("parameters_hmac" not in command("select 'long'"), "one is not more than are listed")
        c.execute("select 'many' from orders where note in (" + ",".join(["%s"] * 40) + ")",
                  [f"v{i}" for i in range(40)])
    b = command("select 'many'")
    h.eq(len(b["parameters"]), 32)
    h.eq(len(b["parameters_hmac"]), 64)


def test_the_whole_statement():
    long = "select '" + "a" * 30000 + "' "
    for user, whole in (("ana", True), ("planner-7", False)):
        text = f"{long} as for_{user[:3]}"
        with connect(user) as c:
            c.execute(text)
        b = [r["body"] for r in records() if r["type"] == "command"
             and r["body"].get("len") == len(text)][-1]
        h.eq(b["statement"] == text, whole, user)
        h.eq("truncated" in b, not whole, user)


def test_what_cannot_be_recorded_whole_is_refused():
    text = "select '" + "a" * 40000 + "'"
    with connect("planner-7") as c:
        h.eq(len(c.execute(text).fetchone()[0]), 40000)
    with connect() as c:
        try:
            c.execute(text)
            raise h.Failure("no error")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "54000")
            h.has(str(e), "WEIR-RECORD-TEXT", "32 KiB")
        h.eq(c.execute("select 7").fetchone(), (7,))


def test_passwords_in_statements_are_not_on_record():
    """What was refused is on record as well, and what does not parse."""
    for sql in ("alter role app password 'Hx81qWz0'", "alter role app password $$Hx81qWz0$$",
                "create user u2 password 'Hx81qWz0", "select 'host=h password=Hx81qWz0'",
                "create user mapping for app server s options (password 'Hx81qWz0')",
                "select 1; alter role app password 'Hx81qWz0'"):
        for user in ("ana", "planner-7"):
            weir.psql(sql, user=user)
    with connect() as c:
        c.execute("select 'password=Hx81qWz0', %s::text", ("shown",))
    said = weir.audit("tail", "--json", "-n", "100000", f"{weir.state}/audit").out
    h.lacks(said + weir.log(), "Hx81qWz0")
    h.has(said, "alter role app password '***'", "select 'host=h password=***'")


def test_values_like_a_class_are_digests_wherever_they_stand():
    w = h.Weir(pg, policy=POLICY.replace("mask card", "data found = values like card\nmask card")
               + "mask found with last(4) unless who dba\n")
    with psycopg.connect(w.conninfo("ana"), autocommit=True) as c:
        c.execute("select note from orders where note = %s", (SECRET,))
    h.eq(w.stop(), 0)
    said = w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit").out
    h.has(said, "select note from orders where note", '"hmac"')
    h.lacks(said, SECRET)


def test_the_log_verifies():
    h.eq(weir.stop(), 0)
    h.eq(weir.audit("verify", f"{weir.state}/audit").code, 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
