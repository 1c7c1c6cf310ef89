#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir replay and weir explain --audit over what a gateway recorded with a real PostgreSQL: its own
policy decides every command as it did, other policies differ where they must."""
import json, os, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create schema app; create schema hr;
create table app.orders (id int primary key, item text, note text);
create table hr.people (id int, name text, salary int);
create table public.plain (id int);
create function app.net(x int) returns int language sql as 'select x';
insert into app.orders values (1, 'a', 'n'), (2, 'b', 'n');
alter database orders set search_path = app, public;
"""
# A rule for each fact, so that a fact that is on record wrongly makes another verdict.
POLICY = """
policy facts
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"
allow reads who agents, dba on orders do sql.basics, sql.select, sql.set, sql.reset
allow writes who agents do sql.insert, sql.update, sql.delete when schema = "app" or table = "public.plain"
allow calls who dba do sql.routine
hold ddl do sql.ddl for 1 of dba not self within 1s
deny unbounded do sql.update, sql.delete when not sql.where or sql.where-constant
deny salaries when "salary" in columns unless who dba
deny many when sql.statements > 3
deny parameters when sql.parameters > 2
deny zone do sql.set, sql.show when setting = "timezone" and user.kind = agent
deny net do sql.routine, sql.opaque-function when function = "app.net" and user.name = "planner-7"
deny inside do sql.delete when sql.in-transaction = true
deny app do sql.select when client.application = "evil"
deny tls do sql.select when client.tls = true or not client.address in 127.0.0.0/8
deny door do connect when user.name = "cy"
hold lobby do connect when user.name = "bo" for 1 of agents not self within 1s
mask veil of note with null when client.application = "masked"
data note = column hr.people.name
record all do sql.select with parameters
"""
WIDE = "select o1.id from " + ", ".join(f"orders o{i}" for i in range(1, 19)) # more than a record has room for
STATEMENTS = """
select id, item from orders where id = 1
select * from orders
select salary from hr.people
select * from hr.people
select name from hr.people
update orders set item = 'x' where id = 1
update orders set item = 'x'
update orders set item = 'x' where true
update plain set id = 1 where id = 2
update hr.people set name = 'x' where id = 1
delete from orders where id = 77
begin; delete from orders where id = 77; commit
select 1; select 2
select 1; select 2; select 3; select 4
insert into orders (id, item) select id, name from hr.people
insert into plain select 1
with gone as (delete from orders where id = 99 returning id) select * from gone
show timezone
set timezone = 'utc'
set statement_timeout = 100000
reset statement_timeout
select net(1)
select app.net(1)
select now(), upper('x')
select nosuch from nowhere
select count(*) from orders o join plain p on p.id = o.id where o.note = 'n'
explain select * from orders
copy orders to stdout
create table app.other (id int)
drop table nowhere
grant select on orders to public
do $$ begin end $$
this is no statement
prepare p as select * from orders
vacuum orders
lock table orders
truncate orders
prepare one as select id from orders where id = 1
execute one
fetch 1 from nowhere
""".strip().splitlines() + [WIDE]
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)
    for user in ("planner-7", "ana"):
        for app in ("psql", "evil"):
            with psycopg.connect(weir.conninfo(user) + f" application_name={app}", autocommit=True) as c:
                c.execute("set weir.approval = async")  # what is held is answered at once
                for s in STATEMENTS if app == "psql" else STATEMENTS[:3]:
                    run(c, s)
                run(c, "select id from orders where id = %s", (1,))
                run(c, "select %s::int + %s + %s", (1, 2, 3))
                run(c, "begin")
                run(c, "delete from orders where id = %s", (5,))
                run(c, "rollback")
                if app == "psql":
                    run(c, "select id from orders where id = %b", (1,))
                    cursor(c)
    with psycopg.connect(weir.conninfo() + " application_name=masked", autocommit=True) as c:
        run(c, "select id from hr.people where name = 'x'")
    h.eq([weir.psql("select 1", user=u).code for u in ("cy", "bo")], [2, 2])
    weir.stop()


def cursor(c):
    run(c, "begin")
    run(c, "declare k cursor for select id from orders")
    run(c, "fetch 1 from k")
    run(c, "commit")


def run(c, sql, parameters=None):
    try:
        c.execute(sql, parameters, prepare=False)
    except psycopg.Error:
        pass


def replay(policy, *more, code, name="new.weir", state=None, err=""):
    """The log's own policy is at hand; of another log names are all there is."""
    path = f"{h.tmp()}/{name}"
    with open(path, "w") as f:
        f.write(policy)
    was = [] if state else ["--was", weir.policy]
    r = h.run(["build/asan/weir", "replay", state or weir.state, "--policy", path, *was, *more], cwd=h.ROOT)
    h.eq(r.code, code, repr(r))
    h.check(err in r.err and (err or not r.err), repr(r))
    return r.out


def replay_json(policy, code=1):
    rows = [json.loads(x) for x in replay(policy, "--json", code=code).splitlines()]
    return rows[:-1], rows[-1]


def test_its_own_policy_decides_as_it_did():
    rows, total = replay_json(POLICY)
    h.eq(total["different"], 0)
    # The columns behind a star are not on record.
    h.eq({r["statement"] for r in rows}, {"select * from orders", "select * from hr.people", WIDE,
         "fetch 1 from nowhere", "insert into plain select 1", "prepare p as select * from orders"})
    h.eq({tuple(r["lacking"]) for r in rows}, {("columns",), ("further effects",)})
    h.eq({k for k in total["lacking"]}, {"columns", "further effects"})
    _, total = replay_json(POLICY.replace('deny salaries when "salary" in columns unless who dba', ""))
    h.eq((total["cannot_be_told"], total["lacking"]), (2, {"further effects": 2}))
    # The very policy by which it was decided is the exception: what it decided is on record.
    rows, total = [json.loads(x) for x in replay(POLICY, "--json", code=0, name="policy.weir").splitlines()], None
    h.eq((len(rows), rows[0]["different"], rows[0]["cannot_be_told"]), (1, 0, 0))
    rows, total = replay_json(POLICY)
    h.check(total["same"] > 70, total)
    records = [json.loads(x) for x in weir.audit("export", weir.state).out.splitlines()]
    judged = [r["body"] for r in records if r["type"] == "command"]
    h.eq(total["same"] + total["cannot_be_told"] + total["refused_by_gateway"]
         + total["without_facts"], len(judged))
    verdicts = {b["decision"]["verdict"] for b in judged}
    h.eq(verdicts, {"allow", "deny", "hold"})
    decided = {r for b in judged for r in b["decision"].get("rules", [])}
    for rule in ("reads", "writes", "calls", "ddl", "unbounded", "salaries", "many", "parameters", "zone",
                 "net", "inside", "app"):
        h.check(rule in decided, f"{rule} decided nothing: the test is too weak")


def test_a_catalog_tells_what_a_star_was():
    with open(f"{h.tmp()}/schema.sql", "w") as f:
        f.write("""create schema app; create schema hr;
create table app.orders (id int primary key, item text, note text);
create table hr.people (id int, name text, salary int);
create table public.plain (id int);""")
    known = POLICY.replace("group agents", 'catalog "schema.sql"\ngroup agents', 1)
    rows, total = replay_json(known)
    h.eq(({r["statement"] for r in rows}, total["different"]), ({WIDE, "fetch 1 from nowhere"}, 0))
    # A name that meant nothing then may have been a table of the session's own.
    rows, _ = replay_json(known + "mask other of note with null\n")
    rows = {r["statement"]: r["lacking"] for r in rows if not r["certain"]}
    h.eq(rows["select nosuch from nowhere"], ["what is read through a view or another name"])
    h.check("select id, item from orders where id = 1" not in rows, rows)
    # What it does not have cannot be told.
    with open(f"{h.tmp()}/schema.sql", "w") as f:
        f.write("create schema app; create schema hr; create table hr.people (id int, name text, salary int);\n"
                "create table app.staff (salary int); create table public.plain (id int);")
    rows, _ = replay_json(known.replace('table = "public.plain"', 'schema = "public"'))
    h.eq({r["statement"] for r in rows if r["lacking"] == ["columns"]},
         {"select * from orders", "prepare p as select * from orders", "fetch 1 from nowhere"})


def test_another_policy():
    out = replay(POLICY + 'deny freeze do sql.update when table = "app.orders"\n', code=1)
    h.has(out, "\nDifferently\n", "allow -> deny\n", "\nBy principal\n       1  planner-7\n", "deny by freeze\n",
          "no longer allow by writes\n", "sql.update on app.orders\n",
          "planner-7: allow -> deny: update orders set item = 'x' where id = 1")
    rows, total = replay_json(POLICY.replace("deny unbounded do sql.update, sql.delete", "deny unbounded do sql.delete"))
    rows = [r for r in rows if r["certain"]]
    h.eq({(r["principal"], r["was"], r["is"], r["statement"]) for r in rows},
         {("planner-7", "deny", "allow", "update orders set item = 'x'"),
          ("planner-7", "deny", "allow", "update orders set item = 'x' where true")})
    h.eq(total["changes"], {"deny to allow": 2})
    h.eq((rows[0]["was_by"], rows[0]["is_by"], rows[0]["certain"]), (["unbounded"], ["writes"], True))


def test_what_a_cursor_and_execute_go_on_with():
    """FETCH and EXECUTE are judged by what they run, and that is on record."""
    rows, _ = replay_json(POLICY + 'deny freeze do sql.select when table = "app.orders"\n')
    rows = {(r["statement"], r["is"]) for r in rows if r["certain"] and r["was"] == "allow"}
    for s in ("declare k cursor for select id from orders", "fetch 1 from k", "execute one"):
        h.check((s, "deny") in rows, s)


def test_sessions():
    """Opening one is decided, too: by a deny, by people, by nothing that could be done in it."""
    _, total = replay_json(POLICY)
    h.eq(total["sessions"], {"same": 7, "different": 0})
    rows, total = replay_json(POLICY.replace('user.name = "cy"', 'user.kind = agent'))
    rows = [r for r in rows if r["entry"] == "connect"]
    h.eq([(r["principal"], r["was"], r["is"], r["is_by"], r["statement"]) for r in rows],
         [("planner-7", "allow", "deny", ["door"], "")] * 3 + [("cy", "deny", "allow", [], "")])
    h.eq((total["sessions"], total["changes"]), ({"same": 3, "different": 4},
         {"connect: allow to deny": 3, "connect: deny to allow": 1}))
    h.eq((total["object"], total["principal"]), ({"connect to orders": 4}, {"planner-7": 3, "cy": 1}))
    out = replay(POLICY.replace('"bo"', '"nobody"'), code=1)
    h.has(out, "\n6 sessions as before, 1 differently\n", "\n       1  hold -> allow, of sessions\n",
          "no longer hold by lobby\n", " bo: hold -> allow: a session on orders")
    _, total = replay_json(POLICY.replace("reads who agents, dba on orders", "reads who agents on orders")
                           .replace("calls who dba", "calls who agents").replace("hold ddl do", "hold ddl who agents do"))
    h.eq(total["changes"]["connect: allow to deny"], 2, "nothing that ana could do")


def test_whose_refusal_it_was():
    """What does not parse is the policy's to allow; a masked column in a condition is not."""
    rows, _ = replay_json(POLICY + "allow nonsense who agents do sql.unparsed\n")
    h.eq({(r["was"], r["is"], r["statement"]) for r in rows if r["certain"]},
         {("deny", "allow", "this is no statement")})
    _, total = replay_json(POLICY)
    h.eq(total["code"]["WEIR-MASKED-USE"], 1)
    h.has(replay(POLICY, code=1), "Refused by the gateway itself\n", "  WEIR-MASKED-USE")
    # Refused it is as well by a policy that denies it anyway.
    _, new = replay_json(POLICY + 'deny people do sql.select when table = "hr.people"\n')
    h.lacks(new["code"], "WEIR-MASKED-USE")
    h.check(new["same"] > 0 and new["refused_by_gateway"] < total["refused_by_gateway"], new)


def test_trusted_functions():
    """Whether one is what the policy vouches for is not on record."""
    rows, _ = replay_json(POLICY + 'trust function "app.net(integer)" digest "sha256:' + 64 * "0" + '"\n')
    h.check(any(r["lacking"] == ["whether a trusted function is as it was"] for r in rows), rows)


def test_parameters_with_zero_bytes():
    """Values on record must not hide a command."""
    records = [json.loads(x) for x in weir.audit("export", weir.state).out.splitlines()]
    r = [r for r in records if any("\0" in p.get("value", "") for p in r["body"].get("parameters", []))]
    h.check(r, "no parameter with a zero byte is on record: the test is too weak")
    rows, _ = replay_json(POLICY.replace("allow reads", "allow nothing").replace("sql.select,", "sql.copy-out,"))
    h.check(r[0]["id"] in {x["record"] for x in rows}, "not replayed")


HELD = """policy held
group agents = idp "ai-agents"
group dba = idp "dba-oncall"
allow sessions who agents do sql.basics
hold looks who agents do sql.select for 1 of dba not self within 1m
"""


def test_what_goes_on_with_a_release():
    """A portal that people have released is executed again without them; the policy holds it all the same."""
    import raw
    w = h.Weir(pg, policy=HELD)
    c = raw.Raw(w.conninfo())
    c.send(raw.query("begin"))
    c.ready()
    c.send(raw.parse("", "select oid from pg_class") + raw.bind("p") + raw.execute("p", 1) + raw.SYNC)
    h.eq(w.approvals("approve", w.pending(user="bo")[0]["id"], "--reason", "x", user="bo").code, 0)
    h.eq([k for k, _ in c.ready()], ["1", "2", "D", "s", "Z"])
    c.send(raw.execute("p", 1) + raw.SYNC)
    h.eq([k for k, _ in c.ready()], ["D", "s", "Z"])
    c.send(raw.query("commit"))
    c.ready()
    c.send(raw.frame("X"))
    w.stop()
    records = [json.loads(x) for x in weir.audit("export", w.state).out.splitlines()]
    decisions = [r["body"]["decision"] for r in records if r["type"] == "command"][1:3]
    h.eq([(d["verdict"], d["rules"], d.get("reason_code")) for d in decisions],
         [("hold", ["looks"], None), ("allow", ["looks"], "WEIR-HOLD-RELEASED")])
    out = replay(HELD, code=0, state=w.state)
    h.has(out, "4 commands as before, 0 differently, 0 cannot be told\n")
    out = replay(HELD.replace("hold looks", "deny looks").replace(" for 1 of dba not self within 1m", ""), code=1, state=w.state)
    h.has(out, "       2  hold -> deny\n")


def test_a_damaged_log():
    state = f"{h.tmp()}/damaged"
    shutil.copytree(weir.state, state)
    seg = sorted(os.listdir(f"{state}/audit/seg"))[0]
    with open(f"{state}/audit/seg/{seg}", "r+b") as f:
        f.seek(20000)
        f.write(b"spoiled")
    out = replay(POLICY, code=1, name="policy.weir", state=state, err="damaged or missing")
    h.has(out, "some of the log is damaged")
    out = replay(POLICY, "--json", code=1, name="policy.weir", state=state, err="damaged or missing")
    h.eq(json.loads(out.splitlines()[-1])["damaged"], True)
    # Nothing is left of it, or not its beginning.
    os.remove(f"{state}/audit/seg/{seg}")
    out = replay(POLICY, code=1, name="policy.weir", state=state, err="missing; run `weir audit verify`")
    h.has(out, "0 commands as before", "some of the log is damaged")
    h.eq([weir.audit("export", state).code, weir.audit("tail", state).code], [1, 1])
    shutil.rmtree(state)
    weir.start()
    h.eq(weir.psql("select 1").code, 0)
    weir.stop()
    shutil.copytree(weir.state, state)
    os.remove(f"{state}/audit/seg/{seg}")
    out = replay("policy all\ndefault allow\n", code=1, state=state, err="missing; run `weir audit verify`")
    h.has(out, " 0 cannot be told", "some of the log is damaged")
    h.eq(weir.audit("export", state).code, 1)


def test_every_fact_counts():
    """Each rule, turned to its opposite, is noticed."""
    for was, now in (('user.name = "planner-7"', 'user.name = "ana"'), ('"timezone"', '"x"'),
                     ("sql.parameters > 2", "sql.parameters > 3"), ("sql.statements > 3", "sql.statements > 4"),
                     ("sql.in-transaction = true", "sql.in-transaction = false"), ('= "evil"', '= "psql"'),
                     ("client.tls = true", "client.tls = false"), ("127.0.0.0/8", "10.0.0.0/8"),
                     ("user.kind = agent", "user.kind = human"), ("or sql.where-constant", ""),
                     ('schema = "app" or ', ""), ('or table = "public.plain"', ""), ("who agents do sql.ins", "who dba do sql.ins")):
        h.check(was in POLICY, was)
        _, total = replay_json(POLICY.replace(was, now, 1))
        h.check(total["different"] > 0, was)


def test_what_cannot_be_told():
    data = 'data pay = column hr.people.salary\n'
    rows, total = replay_json(POLICY + data + "deny sorting when sql.uses(pay, order)\n")
    h.check(total["cannot_be_told"] > 20 and not any(r["certain"] for r in rows), total)
    # What another rule denies anyway is certain.
    h.lacks([r["statement"] for r in rows], "update orders set item = 'x'")
    # The columns behind a star are not on record; named ones are.
    rows, total = replay_json(POLICY + 'deny notes when "note" in columns and schema = "app"\n')
    h.check(rows and total["different"] > 0, total)
    h.eq({r["certain"] for r in rows if "select *" in r["statement"]}, {False})


def test_explain_a_record():
    records = [json.loads(x) for x in weir.audit("export", weir.state).out.splitlines()]
    by = {r["body"]["statement"]: r for r in records if r["type"] == "command"
          and r["principal"]["subject"] == "planner-7"}
    r = by["update orders set item = 'x'"]
    out = h.weir("explain", weir.policy, "--audit", weir.state, "--record", r["id"])
    h.eq(out.code, 0, repr(out))
    h.has(out.out, "deny\n\nsql.update on app.orders: deny by unbounded", 'user.groups = {"ai-agents"}')
    h.lacks(out.out, "another policy")
    other = f"{h.tmp()}/other.weir"
    with open(other, "w") as f:
        f.write("policy other\ndefault allow\n")
    out = h.weir("explain", other, "--audit", weir.state, "--record", r["id"])
    h.has(out.out, "The record was decided by another policy or another version of it: deny\n\nallow by default")
    for line in by.values():
        out = h.weir("explain", weir.policy, "--audit", weir.state, "--record", line["id"], "--json")
        if any(o.get("all_columns") for o in line["body"].get("objects", [])):
            continue
        if out.code == 0 and line["body"]["decision"].get("reason_code", "WEIR-DENIED") in ("WEIR-DENIED", "WEIR-NO-RULE"):
            h.eq(json.loads(out.out)["verdict"], line["body"]["decision"]["verdict"], line)
    out = h.weir("explain", weir.policy, "--audit", weir.state, "--record", "ffffffff")
    h.eq(out.code, 1)
    h.has(out.err, "no command or session.start is explained")


def test_usage():
    for argv in ([], [weir.state], ["--policy", weir.policy], [weir.state, "--policy"], [weir.state, "--x"]):
        h.eq(h.weir("replay", *argv).code, 2, argv)
    h.eq(h.weir("replay", "/nowhere", "--policy", weir.policy).code, 2)
    h.eq(h.weir("explain", weir.policy, "--audit", weir.state).code, 2)
    h.eq(h.weir("explain", weir.policy, "--audit", weir.state, "--record", "a").code, 2)


h.main(test_its_own_policy_decides_as_it_did, test_a_catalog_tells_what_a_star_was, test_another_policy,
       test_what_a_cursor_and_execute_go_on_with, test_sessions, test_whose_refusal_it_was, test_trusted_functions, test_parameters_with_zero_bytes,
       test_what_goes_on_with_a_release, test_a_damaged_log, test_every_fact_counts,
       test_what_cannot_be_told, test_explain_a_record, test_usage, setup=setup)
