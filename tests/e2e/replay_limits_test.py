#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir replay over limits: which commands another policy's would have ended or not begun, by what
the log says that each of them got. A gateway with a real PostgreSQL makes the log."""
import json, os, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create schema app;
create table app.n (id int, word text);
insert into app.n select i, 'w' || i from generate_series(1, 1000) i;
"""
POLICY = """policy limited
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"
allow all who agents, dba on orders do sql.basics, sql.select, sql.insert, sql.update, sql.delete, sql.copy-out, sql.lock
limit few "few at once" who agents do sql.select rows 100 per command
limit daily who dba do sql.select rows 250 per day
limit often who dba do sql.update commands 3 per hour
limit slow who agents do sql.select, sql.lock time 20s per command
limit wide who agents do sql.select bytes 900KB per command
"""
READS = [f"select id from app.n where id <= {n}" for n in (10, 90, 120)]
TWO = "select id from app.n where id <= 60; select id from app.n where id <= 50"
pg = weir = None


def run(c, sql):
    try:
        c.execute(sql, prepare=False)
    except psycopg.Error:
        pass


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)
    with psycopg.connect(weir.conninfo("planner-7"), autocommit=True) as c:
        for s in READS + [TWO, "select pg_sleep(0.3)", "show timezone", "insert into app.n select 0, word from app.n where id < 60",
                          "delete from app.n where id = 0 returning word",
                          "begin", "declare k cursor for select id from app.n", "fetch 40 from k", "fetch 40 from k", "commit"]:
            run(c, s)
    with psycopg.connect(weir.conninfo("ana"), autocommit=True) as c:
        # 90 and 90 and 70 of 120; then nothing is left.
        for s in [READS[1], READS[1], READS[2], READS[0], "update app.n set word = 'x' where id = 1"]:
            run(c, s)
        for i in range(4):
            run(c, "update app.n set word = 'y' where id = 1")
        run(c, "begin")
        run(c, "commit")
    weir.stop()


def replay(policy, *more, code, was=True):
    path = f"{h.tmp()}/new.weir"
    with open(path, "w") as f:
        f.write(policy)
    r = h.run(["build/asan/weir", "replay", weir.state, "--policy", path, *(["--was", weir.policy] if was else []), *more], cwd=h.ROOT)
    h.eq((r.code, r.err), (code, ""), repr(r))
    return r.out


def replay_json(policy, code=1):
    rows = [json.loads(x) for x in replay(policy, "--json", code=code).splitlines()]
    return rows[:-1], rows[-1]


def changed(*pairs):
    p = POLICY
    for was, now in pairs:
        h.check(was in p, was)
        p = p.replace(was, now)
    return p


def told(rows):
    return [(r["principal"], r["statement"], d["was"], d["is"]) for r in rows for d in r["differs"] if d["certain"]]


def untold(rows):
    return [(r["principal"], r["statement"], *r["lacking"]) for r in rows if not r["certain"]]


def test_the_log_is_what_the_test_thinks():
    results = {}
    for x in weir.audit("export", weir.state).out.splitlines():
        r = json.loads(x)
        if r["type"] == "command":
            results[r["id"]] = [r["principal"]["subject"], r["body"]["statement"], r["body"]["decision"].get("reason_code")]
        if r["type"] == "result":
            b = r["body"]
            results[r["refs"][0]] += [b.get("rows"), b.get("limit"), b.get("withheld")]
    seen = [tuple(x) for x in results.values()]
    h.has(seen, ("planner-7", READS[2], None, 100, "few", 20), ("ana", READS[2], None, 70, "daily", 50))
    h.has(seen, ("ana", READS[0], "WEIR-LIMIT-BUDGET"), ("ana", "update app.n set word = 'y' where id = 1", "WEIR-LIMIT-BUDGET"))


def test_the_same_limits():
    """The very policy; another with the same rules; rules of the same terms under other names."""
    for p in (POLICY, POLICY.replace("policy limited", "policy again"), POLICY.replace("few at once", "no more at once")):
        rows, total = replay_json(p, code=0)
        h.eq((rows, total["different"], total["cannot_be_told"], total["by_names"]), ([], 0, 0, 0))


def test_rows_of_a_command():
    rows, total = replay_json(changed(("rows 100 per command", "rows 50 per command")))
    h.eq(told(rows), [("planner-7", READS[1], "not limited", "ended by few after 50 rows"),
                      ("planner-7", READS[2], "ended by few after 100 rows", "ended by few after 50 rows"),
                      ("planner-7", TWO, "ended by few after 100 rows", "ended by few after 50 rows"),
                      ("planner-7", "delete from app.n where id = 0 returning word", "not limited", "ended by few after 50 rows")])
    # How much of a cursor was read before is not followed.
    h.eq(untold(rows), [("planner-7", "fetch 40 from k", "how much would have been got")] * 2)
    h.eq((total["changes"], total["rule"], total["object"]), ({"limited": 4},
         {"limit by few": 2, "limit otherwise by few": 2}, {"sql.select on app.n": 5, "sql.delete on app.n": 1}))
    # More than is on record is not made up: of 120 rows one more than 100 is known of.
    rows, _ = replay_json(changed(("rows 100 per command", "rows 110 per command")))
    h.eq((told(rows), untold(rows)[0]), ([("planner-7", READS[2], "ended by few after 100 rows", "ended by few after 110 rows")],
         ("planner-7", TWO, "how much would have been got")))
    h.eq(untold(rows)[1:], [("planner-7", "fetch 40 from k", "how much would have been got")] * 2)
    rows, _ = replay_json(changed(("rows 100 per command", "rows 200 per command")))
    h.eq((told(rows), untold(rows)[0]), ([], ("planner-7", READS[2], "how much would have been got")))
    rows, total = replay_json(POLICY.replace('limit few "few at once" who agents do sql.select rows 100 per command\n', ""))
    h.eq(told(rows), [("planner-7", x, "ended by few after 100 rows", "not by it") for x in (READS[2], TWO)])
    h.eq(total["rule"], {"no longer limit by few": 2})


def test_time_and_bytes():
    rows, _ = replay_json(changed(("time 20s", "time 200ms")))
    h.has([x[1:] for x in told(rows)], ("select pg_sleep(0.3)", "not limited", "ended by slow after 200 ms"))
    # Rows of an id and its length take 20 bytes at most; of who has no limit bytes are not counted.
    rows, _ = replay_json(changed(("bytes 900KB", "bytes 1KB")))
    h.eq([x[1:] for x in told(rows)], [(READS[1], "not limited", "ended by wide after 1000 bytes"), (READS[2], "ended by few after 100 rows", "ended by wide after 1000 bytes"),
         (TWO, "ended by few after 100 rows", "ended by wide after 1000 bytes")])
    rows, _ = replay_json(POLICY + "limit shown who agents do sql.show bytes 1B per command\n")
    h.eq((told(rows), untold(rows)), ([], [("planner-7", "show timezone", "how many bytes rows had")]))


def test_budgets():
    rows, total = replay_json(changed(("rows 250 per day", "rows 100 per day")))
    h.eq(told(rows), [("ana", READS[1], "not limited", "ended by daily"),
                      ("ana", READS[2], "ended by daily after 70 rows", "not begun: used up by daily")])
    h.eq((total["cannot_be_told"], total["refused_by_gateway"]), (0, 0), "what was refused still is")
    # Of a larger one: what was cut short or refused would have got more, nobody knows how much.
    rows, _ = replay_json(changed(("rows 250 per day", "rows 1000 per day")))
    h.eq((told(rows), untold(rows)), ([], [("ana", READS[2], "how much would have been got"), ("ana", READS[0], "how much would have been got")]))
    rows, _ = replay_json(POLICY.replace("limit daily who dba do sql.select rows 250 per day\n", ""))
    h.eq(told(rows), [("ana", READS[2], "ended by daily after 70 rows", "not limited"),
                      ("ana", READS[0], "not begun: used up by daily", "not limited")])
    # One that was not there, of a session.
    rows, _ = replay_json(POLICY + "limit session who agents do sql.select rows 150 per session\n")
    h.eq(told(rows)[0], ("planner-7", READS[2], "ended by few after 100 rows", "ended by session"))
    h.check(all(x[3].endswith(" session") for x in told(rows)), told(rows))
    h.has(told(rows), ("planner-7", TWO, "ended by few after 100 rows", "not begun: used up by session"))
    # Of which rows there were before another limit ended it, none was too many.
    rows, _ = replay_json(POLICY + "limit session who agents do sql.select rows 250 per session\n")
    h.has(told(rows), ("planner-7", TWO, "ended by few after 100 rows", "ended by session"))


def test_commands():
    rows, _ = replay_json(changed(("commands 3 per hour", "commands 1 per hour")))
    h.eq(told(rows), [("ana", "update app.n set word = 'y' where id = 1", "not limited", "not begun: used up by often")] * 2)
    rows, _ = replay_json(changed(("commands 3 per hour", "commands 4 per hour")))
    h.eq(told(rows), [("ana", "update app.n set word = 'y' where id = 1", "not begun: used up by often", "not limited")])
    rows, _ = replay_json(changed(("commands 3 per hour", "commands 3 per minute")), code=0)
    h.eq(rows, [])


def test_other_verdicts_leave_more():
    """What would not have run takes nothing: the same budget would have been enough for more."""
    rows, total = replay_json(POLICY + 'deny early who dba do sql.update when time.weekday in {mon, tue, wed, thu, fri, sat, sun} and sql.in-transaction = true\n', code=0)
    new = POLICY + 'deny word who dba do sql.select when table = "app.n" and sql.where = true and user.name = "ana"\n'
    rows, total = replay_json(new)
    h.eq(told(rows), [])
    h.eq({(r["was"], r["is"]) for r in rows}, {("allow", "deny")})


def test_without_the_policy_of_then():
    """The last of the tests: none finds it any more."""
    shutil.rmtree(f"{weir.state}/audit/policies", ignore_errors=True)
    out = replay(changed(("rows 100 per command", "rows 50 per command")), code=0, was=False)
    h.has(out, " by the names of rules only", "WEIR-LIMIT-BUDGET")
    out = replay(POLICY + "limit new who agents do sql.select rows 95 per command\n", code=1, was=False)
    h.has(out, "limited otherwise", "limit by new",
          " planner-7: limited: ended by few after 100 rows -> ended by new after 95 rows: " + READS[2] + "\n")


h.main(test_the_log_is_what_the_test_thinks, test_the_same_limits, test_rows_of_a_command, test_time_and_bytes, test_budgets,
       test_commands, test_other_verdicts_leave_more, test_without_the_policy_of_then, setup=setup)
