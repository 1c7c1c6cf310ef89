#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir replay over what two policies do beside their verdicts: masks, drops, records, notices, the
terms of approvals. A gateway with a real PostgreSQL makes the log; each policy that replays it is
the one of then with one thing changed."""
import json, os, re, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SCHEMA = """
create schema app;
create table app.orders (id int primary key, tenant int, item text, note text, mail text);
create table app.plain (id int, word text, loud text generated always as (upper(word)) stored);
create table app.parent (id int, secret text);
create table app.child () inherits (app.parent);
create table app.memo (id int, note text);
create view app.seen as select id, note as said from app.memo;
create view app.words as select id, word from app.plain;
"""
SQL = SCHEMA + """
insert into app.orders values (1, 7, 'a', 'n', 'ada@example.org'), (2, 7, 'b', 'n', 'bo@example.org');
insert into app.plain values (1, 'w');
"""
POLICY = """policy does
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"
data note   = column app.orders.note, column app.memo.note
data mails  = column app.orders.mail
data tenant = column app.orders.tenant
data like   = values like email
allow reads who agents, dba on orders do sql.basics, sql.select, sql.insert, sql.update, sql.delete
deny dropping do sql.drop notify oncall
hold ddl do sql.create for 1 of dba not self within 1s notify oncall
mask veil of note with partial unless user.kind = human
mask post of mails with mail-domain
mask bare of note with null when client.application = "bare"
drop foreign of tenant when row.tenant = 8 unless user.kind = human
record whole do sql.insert with parameters, strict
notify people to oncall do sql.delete
limit few who agents do sql.select rows 500 per command commands 900 per hour
"""
POLICY = POLICY.replace("mask bare", "shadow mask bare").replace("with mail-domain", "with partial")
STATEMENTS = """
select id, tenant, note from app.orders
select id, tenant from app.orders
select tenant, mail from app.orders where id = 1
select tenant, id, note, mail from app.orders order by id
select id, word from app.plain
select said from app.seen
select word from app.words
select secret from app.parent
select id from app.child
update app.orders set item = 'x' where id = 1
update app.plain set word = 'x' where id = 1
insert into app.plain values (2, 'x')
delete from app.plain where id = 77
drop table app.nowhere
create table app.other (id int)
begin
commit
set application_name = 'x'
select * from app.plain
select * from app.orders
select loud from app.plain
""".strip().splitlines()
pg = weir = None


def setup():
    global pg, weir
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)
    weir = h.Weir(pg, policy=POLICY, extra='\nchannel oncall webhook "http://127.0.0.1:9/none"\n')
    for user in ("planner-7", "ana"):
        with psycopg.connect(weir.conninfo(user), autocommit=True) as c:
            c.execute("set weir.approval = async")
            for s in STATEMENTS:
                try:
                    c.execute(s, prepare=False)
                except psycopg.Error:
                    pass
            c.execute("insert into app.plain values (%s, 'y')", (3,))
    weir.stop()


def replay(policy, *more, code, was=True, catalog=True, err=""):
    path = f"{h.tmp()}/new.weir"
    with open(f"{h.tmp()}/schema.sql", "w") as f:
        f.write(SCHEMA)
    if catalog:
        policy = policy.replace("group agents", 'catalog "schema.sql"\ngroup agents', 1)
    with open(path, "w") as f:
        f.write(policy)
    argv = ["--was", weir.policy] if was else []
    r = h.run(["build/asan/weir", "replay", weir.state, "--policy", path, *argv, *more], cwd=h.ROOT)
    h.eq(r.code, code, repr(r))
    h.check(err in r.err and (err or not r.err), repr(r))
    return r.out


def replay_json(policy, code=1, **more):
    rows = [json.loads(x) for x in replay(policy, "--json", code=code, **more).splitlines()]
    return rows[:-1], rows[-1]


def changed(was, now):
    h.check(was in POLICY, was)
    return POLICY.replace(was, now)


def told(rows):
    """What differs for certain: principal, statement, object, from, to."""
    return {(r["principal"], r["statement"], d.get("object"), d["was"], d["is"])
            for r in rows for d in r["differs"] if d["certain"]}


def untold(rows):
    return {(r["principal"], r["statement"]): tuple(r["lacking"]) for r in rows if not r["certain"]}


def test_the_same_rules_differ_in_nothing():
    """The very policy; and another with the same rules in another order and with other sentences left alone."""
    out = replay(POLICY, code=0, catalog=False)
    h.has(out, " 0 differently, 0 cannot be told\n")
    h.lacks(out, "by the names")
    moved = POLICY.replace("policy does", "policy moved")
    lines = moved.splitlines()
    last = [x for x in lines if x.startswith(("mask", "record", "notify", "drop", "limit"))]
    moved = "\n".join([x for x in lines if x not in last] + last[::-1]) + "\n"
    rows, total = replay_json(moved, code=0)
    h.eq((rows, total["different"], total["cannot_be_told"], total["by_names"]), ([], 0, 0, 0))
    h.check(total["same"] > 35, total)


def test_masks():
    rows, total = replay_json(changed("mask veil of note with partial", "mask veil of note with null"))
    by = {"planner-7"}
    h.eq(told(rows), {("planner-7", s, "app.orders.note", "partial", "null")
                      for s in STATEMENTS if "note" in s and "select" in s} |
         {("planner-7", "select * from app.orders", "app.orders.note", "partial", "null")})
    # What else could show it: a view over it, a write that may look at it. The others cannot.
    h.eq(untold(rows), {("planner-7", "select said from app.seen"): ("what is read through a view or another name",),
                        ("planner-7", STATEMENTS[9]): ("sql.uses",)})
    h.eq((total["changes"], total["principal"], total["rule"], total["object"]),
         ({"masked": 3}, {"planner-7": 3}, {"mask otherwise by veil": 3}, {"app.orders.note": 3}))
    out = replay(changed("mask veil of note with partial", "mask veil of note with null"), code=1)
    h.has(out, "\nDifferently\n       3  masked otherwise\n", "\nBy rule\n       3  mask otherwise by veil\n",
          "\nBy object\n       3  app.orders.note\n", "\n       1  what is read through a view or another name\n",
          " planner-7: app.orders.note: partial -> null by veil: select id, tenant, note from app.orders\n")
    # Who is masked at all.
    rows, total = replay_json(changed(" unless user.kind = human\nmask post", "\nmask post"))
    h.eq({x[0] for x in told(rows)}, {"ana"})
    h.eq({x[2:] for x in told(rows)}, {("app.orders.note", "clear", "partial")})
    h.eq(total["rule"], {"mask by veil": 3})
    # A mask less.
    rows, total = replay_json(re.sub("mask post.*\n", "", POLICY))
    h.eq({x[2:] for x in told(rows)}, {("app.orders.mail", "partial", "clear")})
    h.eq(total["rule"], {"no longer mask by post": 6})
    h.eq(total["cannot_be_told"], 0, "to read less masked is never refused")
    # What it opens counts as well; a table that nobody touched does not.
    rows, _ = replay_json(changed("mask post of mails with partial", "mask post of mails with partial allowing lookup"))
    h.eq({x[2:] for x in told(rows)}, {("app.orders.mail", "partial", "partial allowing lookup")})
    rows, total = replay_json(POLICY + 'mask again of mails with null when user.name = "bo"\n', code=0)
    h.eq((rows, total["different"]), ([], 0))


def test_what_masks_refuse():
    """Where no mask was in force and now is, the gateway refuses more than is on record."""
    rows, _ = replay_json(re.sub("(?m)^(mask|drop|shadow) .*\n", "", POLICY) + "mask word2 with null\ndata word2 = column app.plain.word\n")
    h.eq(untold(rows)[("ana", "update app.plain set word = 'x' where id = 1")], ("sql.uses",))
    h.lacks([s for _, s in untold(rows)], "begin")


def test_behind_a_change_of_the_schema():
    """Under masks nothing is read that the same transaction may have changed; without any it was."""
    free = """policy free
group agents = idp "ai-agents"
target orders = postgres "orders"
allow all who agents on orders do sql.basics, sql.select, sql.ddl
"""
    own = h.Weir(pg, policy=free)
    with psycopg.connect(own.conninfo(), autocommit=True) as c:
        for s in ("create table app.once (id int)", "select id from app.plain", "begin", "drop table app.once",
                  "select id from app.plain where id = 1", "show search_path", "commit", "select id from app.plain where id = 2",
                  "begin; create table app.once (id int)", "select id from app.plain where id = 3", "rollback"):
            c.execute(s, prepare=False)
    own.stop()
    path, schema = f"{h.tmp()}/masked.weir", f"{h.tmp()}/schema.sql"
    with open(schema, "w") as f:
        f.write(SCHEMA)
    with open(path, "w") as f:
        f.write(free + 'catalog "schema.sql"\ndata note = column app.memo.note\nmask veil of note with null\n')
    r = h.run(["build/asan/weir", "replay", own.state, "--policy", path, "--json"], cwd=h.ROOT)
    rows = [json.loads(x) for x in r.out.splitlines()][:-1]
    h.eq({r["statement"] for r in rows if r["lacking"] == ["what the gateway refuses because of masks"]
          and r["statement"].startswith("select")},
         {"select id from app.plain where id = 1", "select id from app.plain where id = 3"})
    h.lacks([r["statement"] for r in rows], "show search_path", "select id from app.plain")


def test_by_other_names():
    """A column that the server computes; a view."""
    rows, _ = replay_json(POLICY + "data word = column app.plain.word\nmask word with null\n")
    u = untold(rows)
    for s in ("select loud from app.plain", "select word from app.words"):
        h.eq({u.get((p, s)) for p in ("ana", "planner-7")}, {("what is read through a view or another name",)}, s)
    h.lacks([s for _, s in u], "select id from app.child", "select secret from app.parent")


def test_inherited():
    rows, _ = replay_json(POLICY + "data secret = column app.child.secret\nmask secret with null\n")
    h.eq(told(rows), set())
    h.eq({s for _, s in untold(rows)}, {"select secret from app.parent", "select id from app.child"})


def test_without_a_catalog():
    """Any name may be a view then, and what `*` stands for is not known."""
    rows, total = replay_json(changed("mask veil of note with partial", "mask veil of note with null"), catalog=False)
    h.eq({x[2:] for x in told(rows)}, {("app.orders.note", "partial", "null")})
    u = untold(rows)
    h.eq(u[("planner-7", "select id, word from app.plain")], ("what is read through a view or another name",))
    h.has(u[("planner-7", "select * from app.orders")], "columns")
    h.lacks([s for _, s in u], "begin", "insert into app.plain values (2, 'x')")
    h.eq({p for p, _ in u}, {"planner-7"})
    hint = "the policy has no `catalog`; with one, as text, more is known of "
    new = changed("mask veil of note with partial", "mask veil of note with null")
    h.has(replay(new, code=1, catalog=False), hint)
    h.lacks(replay(new, code=1), hint)


def test_what_rows_held():
    new = changed("when row.tenant = 8", "when row.tenant = 9")
    rows, total = replay_json(new)
    h.eq((told(rows), total["different"]), (set(), 0))
    r = next(r for r in rows if r["statement"] == STATEMENTS[0])
    h.eq((r["principal"], r["lacking"], r["differs"]),
         ("planner-7", ["values of rows"], [{"kind": "dropped", "certain": False, "object": "rows of app.orders",
          "was": "dropped by foreign", "is": "dropped by foreign", "was_by": "foreign", "is_by": "foreign"}]))
    h.eq(total["perhaps"]["drop otherwise by foreign"], 5)
    h.has(replay(new, code=1), "\nWhich may have been, by rule\n       5  drop otherwise by foreign")
    # A mask that reads rows; a detector, which looks into every result.
    rows, total = replay_json(POLICY + 'mask tenant with null when row.tenant = 5\n')
    h.eq({(p, s) for p, s in untold(rows) if "tenant" in s and "select" in s},
         {(p, s) for p in ("ana", "planner-7") for s in STATEMENTS if s.startswith("select") and "tenant" in s})
    h.eq(told(rows), set())
    rows, total = replay_json(POLICY + "mask like with null who dba\n")
    h.eq(told(rows), set())
    h.eq(untold(rows)[("ana", "select id, word from app.plain")], ("values of rows",))


def test_records():
    rows, total = replay_json(changed("with parameters, strict", "with parameters, text"))
    h.eq({(p, o, was, is_) for p, _, o, was, is_ in told(rows)},
         {(p, None, "parameters, strict", "parameters, text") for p in ("planner-7", "ana")})
    h.eq((total["changes"], total["rule"], total["object"]),
         ({"recorded": 4}, {"record otherwise by whole": 4}, {"sql.insert on app.plain": 4}))
    rows, _ = replay_json(re.sub("record .*\n", "", POLICY))
    h.eq({x[3:] for x in told(rows)}, {("parameters, strict", "no more than always")})
    # It is on record of what is denied as well.
    rows, _ = replay_json(POLICY + "record drops do sql.drop with text\n")
    h.eq({(p, s) for p, s, *_ in told(rows)}, {(p, "drop table app.nowhere") for p in ("planner-7", "ana")})


def test_notices():
    rows, total = replay_json(changed("notify people to oncall do sql.delete", "notify people to oncall do sql.delete when user.kind = human"))
    h.eq(told(rows), {("planner-7", "delete from app.plain where id = 77", None, "oncall", "nobody")})
    h.eq((total["changes"], total["rule"]), ({"told": 1}, {"no longer notify by people": 1}))
    rows, _ = replay_json(changed("deny dropping do sql.drop notify oncall", "deny dropping do sql.drop notify other"))
    h.eq({x[1:] for x in told(rows)}, {("drop table app.nowhere", None, "oncall", "other")})
    rows, _ = replay_json(changed("within 1s notify oncall", "within 1s"))
    h.eq({x[1:] for x in told(rows)}, {("create table app.other (id int)", None, "oncall", "nobody")})


def test_approvals():
    rows, total = replay_json(changed("for 1 of dba not self within 1s", "for 2 of dba not self within 1m"))
    h.eq({x[1:] for x in told(rows)}, {("create table app.other (id int)", None,
         "1 of dba-oncall, not self, within 1s", "2 of dba-oncall, not self, within 1m")})
    h.eq((total["changes"], total["rule"]), ({"approved": 2}, {"hold otherwise by ddl": 2}))


def test_other_verdicts_are_told_as_such():
    rows, total = replay_json(changed("mask veil of note with partial", "mask veil of note with null").replace(
        "allow reads who agents, dba", "allow reads who dba"))
    h.check(all(r["differs"] == [] and r["was"] != r["is"] for r in rows if r["certain"] and r["principal"] == "planner-7"), rows)


def test_the_policy_of_then():
    """The gateway keeps it in the audit folder; or it is given; or names are all there is."""
    new = changed("mask veil of note with partial", "mask veil of note with null").replace("parameters, strict", "text")
    state = weir.state
    kept = f"{state}/audit/policies"
    rows, total = replay_json(new, was=False)
    h.eq((total["by_names"], total["changes"]), (0, {"masked": 3, "recorded": 4}))
    # By names: what differs only in what a rule says is not seen, and that is said.
    shutil.rmtree(kept)
    out = replay(new, code=0, was=False)
    h.has(out, " by the names of rules only: the policy of then is not at hand; give it with --was")
    rows, total = replay_json(re.sub("record .*\n", "", new), was=False)
    h.check(total["by_names"] > 10, total)
    h.eq({x[2:] for x in told(rows)}, {("whole", "on record", "not")})
    h.eq(total["rule"], {"no longer apply by whole": 4})
    rows, _ = replay_json(new + "mask second of note with null\n", was=False)
    h.eq(untold(rows)[("ana", STATEMENTS[0])], ("the policy of then",))
    # One that decided nothing is not what was meant.
    other = f"{h.tmp()}/other.weir"
    with open(other, "w") as f:
        f.write("policy other\n")
    replay(new, "--was", other, code=0, was=False, err=f"nothing on record was decided by '{other}'")
    h.eq(h.weir("replay", state, "--policy", weir.policy, "--was", "/nowhere").code, 2)
    # Kept under its digest.
    digest = h.weir("run", "--check", "-c", weir.conf_path).out.split("digest=")[1].split()[0]
    image, name = f"{h.tmp()}/was.weirb", f"policies/{digest}.weirb"
    h.eq(h.weir("build", weir.policy, "-o", image).code, 0)
    os.mkdir(kept)
    shutil.copy(image, f"{state}/audit/{name}")
    rows, total = replay_json(new, was=False)
    h.eq((total["by_names"], total["changes"]), (0, {"masked": 3, "recorded": 4}))
    # Another in its place, or a damaged one, is not used.
    h.eq(h.weir("build", other, "-o", f"{state}/audit/{name}").code, 0)
    replay(new, code=0, was=False, err=f"{name} is not used: it is another policy than its name says")
    with open(f"{state}/audit/{name}", "r+b") as f:
        f.seek(100)
        f.write(b"spoiled")
    replay(new, code=0, was=False, err=f"{name} is not used: V0")
    shutil.rmtree(kept)


def test_verdicts_only():
    out = replay(changed("mask veil of note with partial", "mask veil of note with null"), "--verdicts", code=0)
    h.has(out, " 0 differently, 0 cannot be told\n", "\nverdicts only: ")


h.main(test_the_same_rules_differ_in_nothing, test_masks, test_what_masks_refuse, test_behind_a_change_of_the_schema, test_by_other_names, test_inherited, test_without_a_catalog,
       test_what_rows_held, test_records, test_notices, test_approvals, test_other_verdicts_are_told_as_such,
       test_the_policy_of_then, test_verdicts_only, setup=setup)
