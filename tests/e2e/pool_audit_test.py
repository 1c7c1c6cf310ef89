#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The records of a command name the server connection it ran on: what the database's own log says of
a process, and what Weir's says of the same, must agree, whoever had the connection."""
import csv, io, json, os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

POLICY = """
policy p
group dba = idp "dba-oncall"
default allow
deny no-drop "nothing is dropped" do sql.drop
hold deletes "a DBA looks at deletes" do sql.delete for 1 of dba not self within 60s once
"""
pg = None


def setup():
    global pg, psycopg
    import psycopg
    pg = h.Postgres(sql="create table t (id int)",
                    settings={"log_statement": "all", "log_line_prefix": "%p|"})


def gateway(pool):
    return h.Weir(pg, pool=pool, policy=POLICY, extra="limit workers 1\n")


def export(w):
    r = w.audit("export", f"{w.state}/audit")
    h.eq(r.code, 0, repr(r))
    return [json.loads(x) for x in r.out.splitlines()]


def of(records, mark):
    """The command with this mark, and its result."""
    c = [r for r in records if r["type"] == "command" and mark in r["body"]["statement"]]
    h.eq(len(c), 1, f"commands {mark}")
    r = [r for r in records if r["type"] == "result" and c[0]["id"] in r["refs"]]
    h.eq(len(r), 1, f"results of {mark}")
    return c[0]["body"], r[0]["body"]


def ran_on(mark):
    """What the database says."""
    found = set(re.findall(rf"^(\d+)\|LOG:  (?:statement|execute [^:]*): .*{mark}", pg.log(), re.M))
    h.eq(len(found), 1, f"processes that ran {mark}: {found}")
    return int(found.pop())


def each_mode(fn):
    for pool in (None, "session size 3", "transaction size 2 wait 9s"):
        w = gateway(pool)
        try:
            fn(w, re.sub(r"\W", "", pool or "none"))
        except h.Failure as e:
            raise h.Failure(f"pool {pool}: {e}")
        h.eq(w.audit("verify", f"{w.state}/audit").code, 0, "verify")
        w.kill()


def test_both_logs_agree():
    def go(w, mode):
        clients = {u: psycopg.connect(w.conninfo(u), autocommit=True, prepare_threshold=1)
                   for u in ("ana", "bo", "cy")}
        for round_ in range(3):
            for u, c in clients.items():
                c.execute(f"select '{mode}-{u}-{round_}-simple'")
                c.execute(f"select %s, '{mode}-{u}-{round_}-extended'", ("x",))
            with clients["ana"].transaction():
                clients["ana"].execute(f"select '{mode}-in-{round_}'")
                clients["bo"].execute(f"select '{mode}-beside-{round_}'")
        for c in clients.values():
            c.close()
        records = export(w)
        numbers = {}
        marks = [f"{mode}-{u}-{r}-{k}'" for u in clients for r in range(3)
                 for k in ("simple", "extended")]
        for m in marks + [f"{mode}-{k}-{r}'" for k in ("in", "beside") for r in range(3)]:
            command, result = of(records, m)
            h.eq(command["server"]["pid"], ran_on(m), m)
            h.eq(result["server"], command["server"], m)
            numbers.setdefault(command["server"]["pid"], set()).add(command["server"]["connection"])
        h.check(len(numbers) > 1 and all(len(n) == 1 for n in numbers.values()) and
                len(set.union(*numbers.values())) == len(numbers), repr(numbers))
    each_mode(go)


def test_what_was_held_says_where_it_ran():
    w = gateway("transaction size 2 wait 9s")
    a, b = (psycopg.connect(w.conninfo(u), autocommit=True) for u in ("ana", "bo"))
    held = w.psql_start("delete from t where id = 815", user="planner-7")
    held.saw("waiting for approval")
    a.execute("begin; select 1") # has the connection it was judged on
    h.eq(w.approvals("approve", w.pending()[0]["id"], "--reason", "fine").code, 0)
    h.eq(held.wait().code, 0)
    command, result = of(export(w), "id = 815")
    h.check("server" not in command, "held, and yet it ran somewhere")
    h.eq(result["server"]["pid"], ran_on("id = 815"))
    b.execute("select 1")
    w.kill()


def test_what_did_not_run_ran_nowhere():
    w = gateway(None)
    w.psql("drop table t")
    refused = [r["body"] for r in export(w) if r["type"] == "command" and
               "drop table" in r["body"]["statement"]]
    h.check(refused and all("server" not in b for b in refused), repr(refused))
    w.psql("select 'in the spreadsheet'")
    r = w.audit("export", "--format", "csv", f"{w.state}/audit")
    rows = list(csv.DictReader(io.StringIO(r.out)))
    ran = [x for x in rows if "in the spreadsheet" in x["statement"]]
    h.eq([x["server_pid"] for x in ran], [str(ran_on("in the spreadsheet"))])
    h.check(int(ran[0]["server_connection"]) > 0, repr(ran))
    h.eq({x["server_pid"] for x in rows if "drop table" in x["statement"]}, {""})
    w.kill()


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
