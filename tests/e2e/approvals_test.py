#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Held commands with a real psql and a real PostgreSQL: what waits, who releases it, what then runs."""
import os, re, signal, sys, threading, time

import harness as h

POLICY = """
policy held
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"

allow data
  who agents, dba   on orders
  do sql.basics, sql.select, sql.insert, sql.reset, sql.discard

hold ddl "schema changes wait for a DBA"
  who agents, dba   on orders
  do sql.ddl
  for 1 of dba not self   within 5m   once

hold cleaning "two people agree to a deletion"
  who agents, dba   on orders
  do sql.delete
  for 2 of dba   within 5m   once
  reason required

hold quick
  who agents, dba   on orders
  do sql.update
  for 1 of dba   within 1s   once
"""
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql="create table people (id int, name text);"
                        "insert into people values (1, 'Ada'), (2, 'Bram')")
    weir = h.Weir(pg, policy=POLICY, extra="limit notice 1s\n")


def held(sql, user="planner-7", see="ana"):
    """Starts psql with a statement that is held; the client and its request's id."""
    before = {a["id"] for a in weir.approvals("list", "--json", user=see).json()["approvals"]}
    client = weir.psql_start(sql, user=user)

    def new():
        now = weir.approvals("list", "--json", user=see).json()["approvals"]
        return next((a["id"] for a in now if a["id"] not in before), None)
    i = h.wait_for(new, 10, f"{sql!r} is held")
    client.saw(i)
    return client, i


def approve(i, user="ana", code=0, verb="approve", reason="ok"):
    r = weir.approvals(verb, i, "--reason", reason, user=user) if reason else \
        weir.approvals(verb, i, user=user)
    h.eq(r.code, code, repr(r))
    return r


def columns():
    return pg.query("select count(*) from information_schema.columns where table_name = 'people'")


def test_waits_is_approved_and_runs():
    n = columns()
    client, i = held("alter table people add a int")
    h.has(client.err, "NOTICE", "ddl", i)
    h.eq(columns(), n, "columns while it waits")
    approve(i)
    r = client.wait()
    h.eq(r.code, 0, repr(r))
    h.eq(columns(), str(int(n) + 1))
    h.eq(weir.approvals("show", i, "--json").json()["state"], "used")


def test_the_notice_is_repeated():
    client, i = held("alter table people add b int")
    h.wait_for(lambda: client.err.count(i) >= 3, 10, "three notices at one a second")
    approve(i, verb="reject", reason="enough")
    h.check(client.wait().code != 0, "rejected")


def test_rejection_reaches_the_client():
    n = columns()
    client, i = held("alter table people add c int")
    approve(i, verb="reject", reason="not on a Friday")
    r = client.wait()
    h.check(r.code != 0, repr(r))
    h.has(r.err, "not on a Friday", "ana", i)
    h.eq(columns(), n)
    approve(i, code=1)


def test_the_session_goes_on_after_it():
    client = h.Background(h.psql_argv(weir.port, "planner-7", "orders",
                                      options=("-v", "ON_ERROR_STOP=0")),
                          env={"PGPASSWORD": "k-planner"},
                          input="alter table people add d int;\nselect 'still' || 'here';\n")
    i = weir.pending("ana")[0]["id"]
    approve(i, verb="reject", reason="no")
    h.has(client.wait().out, "stillhere")


def test_nobody_releases_their_own():
    client, i = held("alter table people add e int", user="bo")
    h.has(approve(i, user="bo", code=1).err, "not self")
    h.has(approve(i, user="planner-7", code=1).err, "no such request")
    approve(i, user="ana")
    h.eq(client.wait().code, 0)


def test_an_agent_never_releases():
    client, i = held("alter table people add f int")
    h.has(approve(i, user="planner-7", code=1).err, "agent")
    approve(i, verb="reject", user="planner-7")  # but may withdraw its own
    h.check(client.wait().code != 0, "withdrawn")


def test_two_people_and_a_reason():
    client, i = held("delete from people where id = 2")
    h.has(approve(i, code=1, reason=None).err, "reason")
    approve(i)
    h.eq(weir.approvals("show", i, "--json").json()["state"], "pending")
    h.eq(pg.query("select count(*) from people where id = 2"), "1")
    approve(i, user="bo", reason="agreed")
    h.eq(client.wait().code, 0)
    h.eq(pg.query("select count(*) from people where id = 2"), "0")


def test_ctrl_c_withdraws():
    client, i = held("alter table people add g int")
    client.p.send_signal(signal.SIGINT)
    r = client.wait()
    h.has(r.err, "cancel")
    h.wait_for(lambda: weir.approvals("show", i, "--json").json()["state"] == "cancelled", 10,
               "cancelled")
    approve(i, code=1)


def test_a_client_that_is_gone_withdraws():
    client, i = held("alter table people add i int")
    client.p.kill()
    h.wait_for(lambda: weir.approvals("show", i, "--json").json()["state"] == "cancelled", 10,
               "cancelled")
    h.lacks(pg.query("select string_agg(column_name, ' ') from information_schema.columns "
                     "where table_name = 'people'").split(), "i")


def test_expires():
    client = weir.psql_start("update people set name = 'x' where id = 1", user="planner-7")
    r = client.wait(20)
    h.check(r.code != 0, repr(r))
    h.has(r.err, "approv")
    h.eq(pg.query("select name from people where id = 1"), "Ada")


def test_what_waits_blocks_what_is_behind_it():
    script = "insert into people values (3, 'before');\nalter table people add j int;\n" \
             "insert into people values (4, 'after');\n"
    client = h.Background(h.psql_argv(weir.port, "planner-7", "orders"),
                          env={"PGPASSWORD": "k-planner"}, input=script)
    i = weir.pending("ana")[0]["id"]
    h.eq(pg.query("select string_agg(name, ',') from people where id in (3, 4)"), "before")
    approve(i)
    h.eq(client.wait().code, 0)
    h.eq(pg.query("select count(*) from people where id = 4"), "1")


def test_one_release_is_one_run():
    sql = "create table once_only (a int)"
    client, i = held(sql)
    approve(i)
    h.eq(client.wait().code, 0)
    pg.query("drop table once_only")
    client, again = held(sql)
    h.check(again != i, "a second run is a second request")
    approve(again, verb="reject")
    client.wait()


def test_a_pipelined_statement_cannot_slip_in():
    """The extended protocol: parameters belong to what is approved."""
    try:
        import psycopg
    except ImportError:
        raise h.Skip("no python3-psycopg")
    seen = []

    def work():
        with psycopg.connect(weir.conninfo("planner-7"), autocommit=True) as c:
            c.execute("delete from people where id = %s", (4,), prepare=True)
            seen.append(c.execute("select 1").fetchone())
    t = threading.Thread(target=work)
    t.start()
    a = weir.pending("ana")[0]
    full = weir.approvals("show", a["id"], "--json").json()
    h.has(full["statement"], "$1")
    h.has(full["parameters_visible"], "4")
    approve(a["id"])
    said = weir.approvals("show", a["id"], user="bo").out
    h.check(re.search(r"approved by ana at 20[0-9:.T-]+Z: ok\n", said), said)
    h.check(re.search(r"parameters\n    \| \$1 = .*4.*\n\n", said), said)
    approve(a["id"], user="bo")
    t.join(20)
    used = weir.approvals("list", "--state", "used").out
    h.check(re.search(a["id"] + r" +used .* 2 of 2 dba +- +delete", used), used)
    h.eq(seen, [(1,)])
    h.eq(pg.query("select count(*) from people where id = 4"), "0")


def asyncly(sql):
    return weir.psql(user="planner-7", input=f"set weir.approval = async;\n{sql};\n",
                     options=("-v", "VERBOSITY=verbose"))


def test_async_asks_again():
    sql = "create table asked_twice (a int)"
    r = asyncly(sql)
    h.check(r.code != 0, repr(r))
    h.has(r.err, "42501", "approval=")
    i = r.err.split("approval=")[1][:8]
    h.has(asyncly(sql).err, i)  # still the same request
    approve(i)
    h.has(asyncly(sql + " ").err, "approval=")  # other bytes
    h.lacks(asyncly(sql + " ").err, i)
    h.eq(asyncly(sql).code, 0)
    h.eq(pg.query("select count(*) from pg_class where relname = 'asked_twice'"), "1")
    pg.query("drop table asked_twice")
    h.lacks(asyncly(sql).err, i)  # used
    for a in weir.pending("ana"):
        approve(a["id"], verb="reject")


def test_async_from_the_connection_string():
    def ask(sql, value="async"):
        c = h.psql_argv(weir.port, "planner-7", "orders", options=("-v", "VERBOSITY=verbose"),
                        conn=f"options='-c weir.approval={value}'")
        return h.run(c, input=sql, env={"PGPASSWORD": "k-planner"}, timeout=10).err
    ddl = "create table from_the_start (a int);"
    i = ask(ddl).split("approval=")[1][:8]
    # RESET goes back to what the session began with, as the server's own settings do.
    for back in ("reset weir.approval", "set weir.approval to default", "reset all", "discard all"):
        h.has(ask(f"set weir.approval = wait; {back};\n{ddl}"), i)
    h.has(weir.approvals("reject", i, "--reason", "enough").out, "rejected")
    # Misspelt, it would wait where nobody meant to.
    h.has(ask("select 1", "asynch"), 'startup parameter "weir.approval" is async or wait, nothing else')
    h.eq(ask("select 1", "wait"), "")


def test_a_misspelt_wish_is_refused():
    def run(sql):
        return weir.psql(user="planner-7", input=sql, options=("-v", "VERBOSITY=verbose"))
    ddl = "create table is_it_async (a int);\n"
    for sql in ("set weir.approval = 'asynch'", "set weir.approval to ''", "set local weir.approval = on",
                "set weir.approval = async, wait", "select 1; set weir.approval = 'no'",
                "begin; set weir.approval = 'no'; commit", "prepare p as select 1; set Weir.Approval = 'asynchron'"):
        r = run(sql + ";\n")
        h.has(r.err, "ERROR:  22023", 'invalid value for parameter "weir.approval"', "async", "wait")
    for sql in ("select set_config('weir.approval', 'async', false)", "select set_config('weir.approval', 'no', true)"):
        h.has(run(sql + ";\n").err, "ERROR:  0A000", "set_config() cannot set weir.approval", "SET weir.approval = async")
    # Any case, one of the two, for the session or for the transaction.
    for sql in ("set weir.approval = ASYNC;\n", "set session weir.approval to 'Async';\n",
                "begin;\nset local weir.approval = async;\n", "set weir.approval = wait; set weir.approval = async;\n",
                "begin;\nset weir.approval = async;\nrollback;\n"):
        h.has(run(sql + ddl).err, "42501", "approval=")
    for a in weir.pending("ana"):
        approve(a["id"], verb="reject")
    for sql in ("begin;\nset local weir.approval = async;\ncommit;\n", "set local weir.approval = async;\n",
                "set weir.approval = async;\nbegin;\nset local weir.approval = wait;\n",
                "set weir.approval = async;\nreset weir.approval;\n", "set weir.approval = async;\nset weir.approval = wait;\n"):
        p = weir.psql_start(user="planner-7", input=sql + ddl, options=("-v", "VERBOSITY=verbose"))
        a = h.wait_for(lambda: weir.pending("ana"), what=f"it waits after {sql}")[0]
        approve(a["id"], verb="reject")
        h.has(p.wait().err, "was rejected")
    h.eq(run("set weir.approval = async;\nshow weir.approval;\n").out, "async")


def test_a_new_policy_voids_a_release():
    sql = "create table under_new_rules (a int)"
    i = asyncly(sql).err.split("approval=")[1][:8]
    approve(i)
    with open(weir.policy, "a") as f:
        f.write("# another text is another policy\n")
    weir.reload()
    h.wait_for(lambda: "approval=" in asyncly(sql).err, 10, "held again under the new policy")
    h.eq(pg.query("select count(*) from pg_class where relname = 'under_new_rules'"), "0")


def test_it_is_all_in_the_audit_log():
    r = weir.audit("export", f"{weir.state}/audit", "--format", "jsonl")
    h.eq(r.code, 0, r.err)
    for word in ("approval.request", "approval.decision", "approval.close",
                 "not on a Friday", "ana"):
        h.has(r.out, word)
    r = weir.audit("verify", f"{weir.state}/audit")
    h.eq(r.code, 0, repr(r)[:900])


def test_drains():
    client, i = held("alter table people add k int")
    h.eq(weir.stop(), 0, "exit of the gateway with a command waiting")
    h.check(client.wait().code != 0, "the waiting client")


if __name__ == "__main__":
    h.main(test_waits_is_approved_and_runs, test_the_notice_is_repeated,
           test_rejection_reaches_the_client, test_the_session_goes_on_after_it,
           test_nobody_releases_their_own, test_an_agent_never_releases, test_two_people_and_a_reason,
           test_ctrl_c_withdraws, test_a_client_that_is_gone_withdraws, test_expires,
           test_what_waits_blocks_what_is_behind_it, test_one_release_is_one_run,
           test_a_pipelined_statement_cannot_slip_in, test_async_asks_again, test_async_from_the_connection_string,
           test_a_misspelt_wish_is_refused,
           test_a_new_policy_voids_a_release, test_it_is_all_in_the_audit_log, test_drains,
           setup=setup)
