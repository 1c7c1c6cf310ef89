#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir replay against the gateway itself: the same statements are sent under each of some random
policies, and each log is replayed by each of the other policies. What replay says that would have
been must be what the gateway did under that policy. SEED=7 POLICIES=20 tries others, or more."""
import json, os, random, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SCHEMA = """
create schema app;
create table app.people (id int primary key, name text, mail text, salary int, tenant int);
create table app.notes (id int, body text);
create table app.sums (id int, word text, loud text generated always as (upper(word)) stored);
create table app.parts (id int, secret text) partition by range (id);
create table app.parts_low partition of app.parts for values from (0) to (50);
create table app.parts_high partition of app.parts for values from (50) to (1000);
create view app.seen as select id, name as said from app.people;
create function app.net(x int) returns int language sql as 'select x';
"""
DATA = """
truncate app.people, app.notes, app.sums, app.parts;
insert into app.people select i, 'name' || i, 'p' || i || '@example.org', 1000 + i, i % 3 from generate_series(1, 40) i;
insert into app.notes select i, 'call q' || i || '@example.com' from generate_series(1, 40) i;
insert into app.sums select i, 'w' || i from generate_series(1, 10) i;
insert into app.parts select i, 's' || i from generate_series(1, 99) i;
"""
BASE = """policy %s
catalog "schema.sql"
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"
data names   = column app.people.name
data mails   = column app.people.mail
data salary  = column app.people.salary
data tenants = column app.people.tenant
data body    = column app.notes.body
data words   = column app.sums.word
data secrets = column app.parts.secret
data likes   = values like email
allow reads who agents, dba on orders do sql.basics, sql.select, sql.copy-out, sql.set, sql.reset, sql.lock, sql.routine
"""
# At most one of each line.
PARTS = [
    ["allow writes who agents do sql.insert, sql.update, sql.delete"] * 3 + ["allow writes who dba, agents do sql.insert, sql.update"],
    ["deny people do sql.select when table = \"app.people\" and user.kind = human", "deny salaries when \"salary\" in columns"],
    ["deny several when sql.statements > 1", "deny unbounded do sql.update, sql.delete when not sql.where notify oncall"],
    ["hold bodies do sql.select when table = \"app.notes\" for 1 of dba not self within 1s",
     "hold bodies do sql.select when table = \"app.notes\" for 2 of dba within 1s",
     "hold writing do sql.update for 1 of agents within 1s notify oncall"],
    [f"mask veil of names with {m}" for m in ("null", "partial", 'fixed("-")', "null allowing lookup", "null allowing derived", "last(2) unless user.kind = human")],
    [f"mask post of mails, salary with {m}" for m in ("null", "null allowing aggregates over 3", "null when row.tenant = 1", "null when row.id > 100")],
    ["mask bare of names, words with fixed(\"x\") when user.kind = human", "mask bare of secrets with null"],
    [f"mask like of likes with {m}" for m in ("fixed(\"mail\")", "null unless user.kind = human")],
    ["mask talk of body with null"],
    [f"drop foreign of tenants when row.tenant = {t}" for t in ("1", "2", "9 unless user.kind = human")],
    [f"record whole do sql.insert, sql.update with {w}" for w in ("parameters", "strict", "parameters, strict", "text")],
    [f"record some do sql.select when table = \"app.sums\" with {w}" for w in ("parameters", "strict")],
    ["notify crowd to oncall do sql.delete", "notify crowd to others do sql.select when table = \"app.people\""],
    [f"limit few do sql.select, sql.fetch rows {n} per command" for n in (5, 15, 30, 60)],
    [f"limit budget who {w} do sql.select rows {n} per {p}" for w, n, p in (("agents", 100, "hour"), ("agents", 150, "session"), ("dba", 60, "day"), ("dba", 200, "minute"))],
    [f"limit wide do sql.select bytes {n} per {p}" for n, p in ((300, "command"), (2000, "session"), ("4KB", "hour"))],
    [f"limit often do sql.insert, sql.update commands {n} per {p}" for n, p in ((1, "hour"), (3, "session"))],
    [f"limit compares do sql.select lookups {n} per {p}" for n, p in ((1, "hour"), (1, "command"))],
    ["limit slow do sql.select time 30s per hour", "limit slow do sql.select time 30s per command"],
]
STATEMENTS = """
select id, name from app.people where id < 10
select id, name, mail from app.people order by id
select * from app.people where id = 3
select count(*), max(salary) from app.people
select tenant, avg(salary) from app.people group by tenant order by tenant
select id from app.people where name = 'name7'
select id from app.people where id <= 12 order by id
select upper(name) from app.people where id = 4
select said from app.seen where id < 3
select id from app.seen order by id limit 7
select body from app.notes where id < 5 order by id
select id from app.sums
select loud from app.sums where id = 1
select word, id from app.sums order by id
select secret from app.parts where id < 20 order by id
select secret from app.parts_low where id < 3 order by id
select id from app.parts order by id limit 20
select p.name, n.id from app.people p join app.notes n using (id) where p.id < 4 order by n.id
select 1; select 2
select id from app.sums; select id from app.people where id < 4
select name from app.people where id = 1; update app.sums set word = 'w' where id = 77
insert into app.sums values (77, 'v') returning word
insert into app.sums select id, name from app.people where id = -1
update app.sums set word = 'z' where id = 77 returning id, word
update app.people set tenant = tenant where id = 5
update app.people set tenant = tenant where id = 5 returning name
update app.people set tenant = tenant where name = 'name8'
delete from app.sums where id = 77
delete from app.people where name = 'nobody'
copy app.people to stdout
copy (select id, name from app.people where id < 5) to stdout
copy app.sums (id) to stdout
select app.net(4)
select id, app.net(id) from app.people where id < 3
select nothing from app.people
select 1 / 0 from app.people
explain select name from app.people
show timezone
set statement_timeout = 100000
prepare p as select id, name from app.people where id < 9 order by id
execute p
deallocate p
begin
declare k cursor for select id, name from app.people order by id
fetch 4 from k
fetch 4 from k
close k
select id from app.people where id < 9
commit
begin
select name from app.people where id = 2
rollback
lock table app.sums
select salary from app.people where id = 7
with x as (select name from app.people where id = 3) select * from x
select (select name from app.people where id = 1), id from app.sums where id = 2
select current_user
table app.notes
values (1), (2)
select generate_series(1, 12)
select name from app.people where id < 6 union all select word from app.sums where id = 1
""".strip().splitlines()
PARAMETERS = [("select name from app.people where id = %s", (4,)), ("select id from app.people where name = %s", ("name5",)),
              ("insert into app.sums values (%s, %s)", (78, "u")), ("delete from app.sums where id = %s", (78,))]
USERS = ("planner-7", "ana")
KINDS = ("masked", "dropped", "limited", "recorded", "told", "approved", "named")
BY_RULES = (None, "WEIR-DENIED", "WEIR-NO-RULE", "WEIR-UNPARSED")
USED_UP = ("WEIR-LIMIT-BUDGET", "WEIR-LIMIT-SESSION", "WEIR-LIMIT-LOOKUPS", "WEIR-LIMIT-TIME")
SEED = int(os.environ.get("SEED", "1"))
pg = None
runs = []


class Run:
    """What a gateway with a policy did."""

    def __init__(self, text):
        self.text = text
        self.weir = h.Weir(pg, policy=text_file(text), extra='\nchannel oncall webhook "http://127.0.0.1:9/none"\nchannel others webhook "http://127.0.0.1:9/none"\n')
        pg.super(DATA)
        self.seen = {}
        for user in USERS:
            self.seen[user] = []
            with psycopg.connect(self.weir.conninfo(user), autocommit=True) as c:
                self.ask(c, user, "set weir.approval = async", None)
                for s in STATEMENTS:
                    self.ask(c, user, s, None)
                for s, parameters in PARAMETERS:
                    self.ask(c, user, s, parameters)
        self.weir.stop()
        self.commands, results = {u: [] for u in USERS}, {}
        for x in self.weir.audit("export", self.weir.state).out.splitlines():
            r = json.loads(x)
            if r["type"] == "command":
                self.commands[r["principal"]["subject"]].append(r)
            if r["type"] == "result":
                results[r["refs"][0]] = r["body"]
        for user in USERS:
            for c in self.commands[user]:
                c["result"] = results.get(c["id"])

    def ask(self, c, user, sql, parameters):
        """As the client sees it: rows of each result, or an error."""
        out = []
        try:
            if sql.startswith("copy"):
                with c.cursor().copy(sql) as copy:
                    out = sorted(bytes(x) for x in copy)
            else:
                cur = c.execute(sql, parameters, prepare=False)
                while True:
                    out.append(cur.fetchall() if cur.description else cur.statusmessage)
                    if not cur.nextset():
                        break
        except psycopg.Error as e:
            out = "error: " + str(e).splitlines()[0] if str(e) else repr(e)
        self.seen[user].append((sql, out))


def text_file(text):
    path = f"{h.tmp()}/policy-{len(runs)}/p.weir"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.path.dirname(path) + "/schema.sql", "w") as f:
        f.write(SCHEMA)
    with open(path, "w") as f:
        f.write(text)
    return path


def random_policy(rnd, i):
    lines = [rnd.choice(p) for p in PARTS if rnd.random() < 0.4]
    return BASE % f"p{i}" + "\n".join(lines) + "\n"


def code(c):
    return c["body"]["decision"].get("reason_code")


def by_gateway(c):
    return code(c) not in BY_RULES


def limit(c):
    """The rule that ended it, or that was used up before."""
    return c["body"]["decision"].get("rules", [None])[0] if code(c) in USED_UP else (c["result"] or {}).get("limit")


def wrong(a, b, row, seen_a, seen_b):
    """What replay said (`row`: nothing, when it said that all is as it was) is not what came of it."""
    sql = a["body"]["statement"]
    verdicts = [x["body"]["decision"]["verdict"] for x in (a, b)]
    followed = not any((x["result"] or {}).get("status") == "not-run" for x in (a, b))
    if row is None and by_gateway(a):
        return followed and code(a) != "WEIR-UNKNOWN-STATEMENT" and not by_gateway(b) and verdicts[1] != "deny" and "refused by the gateway, which let it run"
    if row is None:
        return (verdicts[0] != verdicts[1] and "another verdict" or by_gateway(b) and "refused by the gateway" or
                followed and limit(a) != limit(b) and "another limit" or
                # What writes that only one of both allowed have left is another matter.
                verdicts[0] == "allow" and followed and not re.search("app.sums|commit|deallocate|execute", sql) and
                seen_a != seen_b and "the client saw something else")
    if not row["certain"]:
        return re.fullmatch("begin|commit|rollback|set .*|lock .*", sql) and "values of rows" in row["lacking"] and "it shows none"
    if row["was"] != row["is"] and not row["differs"]:
        return not by_gateway(b) and followed and row["is"] != verdicts[1] and "not that verdict"
    for d in row["differs"]:
        if d["kind"] == "limited" and d["certain"] and followed and (not by_gateway(b) or code(b) in USED_UP):
            is_wrong = wrong_limit(d, b)
            if is_wrong:
                return is_wrong
    return None


def wrong_limit(d, b):
    text = d["is"]
    if text.endswith(", if not before"):
        return not limit(b) and "no limit"
    if text in ("not limited", "not by it"):
        return text == "not limited" and limit(b) and "a limit"
    ended = text.startswith("ended") and not text.startswith("ended or")
    if ended and code(b) in USED_UP or text.startswith("not begun") and code(b) not in USED_UP:
        return "the other way"
    return limit(b) not in [d["is_by"]] + re.findall("or by (.*)", text) and "another rule"


def test_what_replay_says_is_what_comes():
    counts = dict.fromkeys(("same", "different", "cannot be told", "not replayed", *KINDS), 0)
    for a in runs:
        for b in runs:
            r = h.run([h.WEIR, "replay", a.weir.state, "--policy", b.weir.policy, "--json"])
            h.check(r.code in (0, 1) and not r.err, repr(r))
            rows = {x.get("record"): x for x in map(json.loads, r.out.splitlines())}
            h.check(a is not b or len(rows) == 1, rows)
            for user in USERS:
                for i in range(len(a.commands[user]) if a is not b else 0):
                    x, y = a.commands[user][i], b.commands[user][i]
                    row = rows.get(x["id"])
                    why = wrong(x, y, row, a.seen[user][i][1], b.seen[user][i][1])
                    h.check(not why, f"SEED={SEED}: {why}: {row or 'as before'}\n{x}\n{y}\n{a.text}\n{b.text}")
                    counts["not replayed" if not row and by_gateway(x) else "same" if not row else
                           "different" if row["certain"] else "cannot be told"] += 1
                    for d in row["differs"] if row else ():
                        counts[d["kind"]] += d["certain"]
    print(f"# {counts}")
    h.check(SEED != 1 or min(counts[x] for x in ("same", "different", "masked", "limited", "recorded", "told")) > 20, counts)


def setup():
    global pg
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SCHEMA)
    rnd = random.Random(SEED)
    for i in range(int(os.environ.get("POLICIES", "5"))):
        runs.append(Run(random_policy(rnd, i)))
        for user in USERS:
            h.eq(len(runs[-1].commands[user]), len(runs[-1].seen[user]), "a record for each statement")


h.main(test_what_replay_says_is_what_comes, setup=setup)
