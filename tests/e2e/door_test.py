#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Connections that wait for people: real clients at the door of a real PostgreSQL."""
import json, os, signal, socket, sys, threading, time

import harness as h

HEAD = """
policy held
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
target orders = postgres "orders"

allow data
  on orders
  do sql.basics, sql.select, sql.insert
"""
POLICY = HEAD + """
hold door "agents are let in"
  who agents   on orders
  do connect   when client.application != "window" and client.application != "quick"
  for 1 of dba not self   within 5m   once

hold window
  do connect   when client.application = "window"
  for 1 of dba not self   within 5m   expires 10m
  reason required   ticket required

hold quick
  do connect   when client.application = "quick"
  for 1 of dba not self   within 1s
"""
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql="create table people (id int); insert into people values (1)")
    weir = gateway()


def gateway(policy=POLICY, extra="", **kw):
    # A login that takes 2 s is cut off; one that waits for people is not.
    return h.Weir(pg, policy=policy, extra="limit notice 1s\nlimit login 2s\n" + extra, **kw)


def psql(sql="select 40 + 2", user="planner-7", app="psql", w=None, options="", conn=""):
    w = w or weir
    return h.Background(h.psql_argv(w.port, user, "orders", sql, conn="connect_timeout=60 " + conn),
                        env={"PGPASSWORD": h.KEYS[user], "PGAPPNAME": app, "PGOPTIONS": options})


def ids(w=None, see="ana", state="pending"):
    return [a["id"] for a in (w or weir).approvals("list", "--state", state, "--json", user=see)
            .json()["approvals"]]


def at_the_door(w=None, told=True, **kw):
    """A client that waits, and its request's id."""
    before = set(ids(w))
    client = psql(w=w, **kw)
    i = h.wait_for(lambda: next((a for a in ids(w) if a not in before), None), 10, "it is held")
    if told:
        client.saw(i)
    return client, i


def approve(i, *args, user="ana", code=0, verb="approve", w=None):
    r = (w or weir).approvals(verb, i, *(args or ("--reason", "ok")), user=user)
    h.eq(r.code, code, repr(r))
    return r


def shown(i, w=None, user="ana"):
    return (w or weir).approvals("show", i, "--json", user=user).json()


def backends():
    return int(pg.super("select count(*) from pg_stat_activity where usename = 'app'"))


def records(w=None, kind=None):
    w = w or weir
    out = w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit").out
    return [r for r in map(json.loads, out.splitlines()) if not kind or r["type"] == kind]


def test_waits_is_let_in_and_works():
    client, i = at_the_door(app="night job")
    h.has(client.err, "NOTICE", "door", "agents are let in", i, "0 of 1 dba", "weir approvals approve")
    h.wait_for(lambda: client.err.count(i) >= 5, 10, "notices past the login's deadline")
    h.has(client.err, "still waiting")
    h.wait_for(lambda: backends() == 0, 5, "no connection to the server while it waits")
    a = shown(i)
    h.eq([a["kind"], a["state"], a["requester"]["name"], a["requester"]["application"], a["target"],
          a["database"], a["max_uses"], a["rules"][0]["name"]],
         ["connection", "pending", "planner-7", "night job", "orders", "orders", 1, "door"])
    h.has(a["requester"]["client"], "127.0.0.1:")
    h.check("statement" not in a and len(a["policy_sha256"]) == 64, a)
    text = weir.approvals("show", i).out
    h.has(text, "planner-7 (agent) from 127.0.0.1", "night job", "to open a session", "one session",
          f"To let it in:   weir approvals approve {i}")
    h.has(weir.approvals("list").out, "(to connect)")
    approve(i)
    r = client.wait()
    h.eq((r.code, r.out), (0, "42"), repr(r))
    h.has(r.err, f"approval {i} given by ana")
    h.eq(shown(i)["state"], "used")


def test_once_is_one_session():
    client, i = at_the_door()
    approve(i)
    h.eq(client.wait().code, 0)
    client, again = at_the_door()
    h.check(again != i, "a second connection is a second request")
    approve(again, verb="reject")
    h.check(client.wait().code != 0, "rejected")


def test_who_is_not_held_walks_in():
    h.eq(weir.psql("select 7", user="ana").out, "7")


def test_rejection():
    client, i = at_the_door(conn="", options="")
    approve(i, "--reason", "not on a Friday", verb="reject")
    r = client.wait()
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "FATAL", i, 'rule "door"', "rejected by ana: not on a Friday",
          "code WEIR-HOLD-REJECTED", f"approval={i}", "connect again to ask again")
    approve(i, code=1)


def test_expiry():
    r = psql(app="quick").wait(20)
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "FATAL", "nobody decided", "code WEIR-HOLD-EXPIRED", 'rule "quick"')


def test_a_client_that_leaves_withdraws():
    for how in (signal.SIGINT, signal.SIGKILL):
        client, i = at_the_door()
        client.p.send_signal(how)
        h.wait_for(lambda: shown(i)["state"] == "cancelled", 10, "cancelled")
        h.has(shown(i)["closed_why"], "the client left")
        h.has(approve(i, code=1).err, "not pending")


def test_the_requester_withdraws():
    client, i = at_the_door()
    approve(i, verb="reject", user="planner-7")
    h.has(client.wait().err, "FATAL", "rejected by planner-7")


def test_terms():
    client, i = at_the_door(app="window", user="bo")
    h.has(approve(i, "--reason", "x", "--ticket", "T", user="bo", code=1).err, "not self")
    h.has(approve(i, "--reason", "x", "--ticket", "T", user="cy", code=1).err, "no such request")
    h.has(approve(i, "--reason", "x", code=1).err, "ticket")
    h.has(approve(i, "--ticket", "OPS-1", code=1).err, "reason")
    h.eq(shown(i)["state"], "pending")
    approve(i, "--reason", "x", "--ticket", "OPS-1")
    h.eq(client.wait().out, "42")
    h.has(weir.approvals("show", i).out, "any number of sessions until it expires", "OPS-1")


def test_a_window_lets_the_same_in_again():
    client, i = at_the_door(app="window")
    other, j = at_the_door(app="window")
    approve(i, "--reason", "x", "--ticket", "OPS-2")
    h.eq(client.wait().out, "42")
    # Who waited already follows with its next notice; its own request is nobody's business any more.
    h.eq(other.wait().out, "42")
    h.eq(shown(j)["state"], "cancelled")
    r = psql(app="window").wait()
    h.eq((r.out, r.err), ("42", ""), "nothing is asked, and nothing is said")
    h.eq(shown(i)["uses"], 3)
    # Neither somebody else, nor the same by another rule.
    for kw in ({"user": "cy", "app": "window"}, {"app": "psql"}):
        client, k = at_the_door(**kw)
        approve(k, verb="reject")
        client.wait()
    # The last session's record says who let it in.
    start = [r for r in records(kind="session.start") if r["body"]["decision"].get("text")]
    h.check(any(f"approval {i} given by ana" == r["body"]["decision"]["text"] and
                r["body"]["decision"]["verdict"] == "allow" and
                r["body"]["decision"]["rules"] == ["window"] for r in start), start)
    # Taken back, it is asked again.
    approve(i, verb="reject")
    client, k = at_the_door(app="window")
    approve(k, verb="reject")
    client.wait()


def test_async():
    r = psql(options="-c weir.approval=async").wait()
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "FATAL", "connecting waits for approval", "code WEIR-HELD", "approval=",
          "connect again once it is approved")
    i = r.err.split("approval=")[1][:8]
    h.eq(r.err.count("approval="), 1, "asked once")
    h.has(psql(options="-c weir.approval=async").wait().err, i)  # still the same request
    approve(i)
    r = psql("show weir.approval", options="-c weir.approval=async").wait()
    h.eq((r.code, r.out, r.err), (0, "async", ""), repr(r))
    h.lacks(psql(options="-c weir.approval=async").wait().err, i)  # used
    for a in ids():
        approve(a, verb="reject")
    # A client that waits takes what an asynchronous one asked for, too.
    i = psql(options="-c weir.approval=async").wait().err.split("approval=")[1][:8]
    approve(i)
    h.eq(psql().wait().out, "42")
    h.eq(shown(i)["state"], "used")


def startup(port, user="planner-7", key="k-planner", app="raw"):
    """A login by hand: the socket when AuthenticationOk is there."""
    import base64, hashlib, hmac, struct
    s = socket.create_connection(("127.0.0.1", port), timeout=20)

    def send(kind, body):
        s.sendall(kind + struct.pack(">I", len(body) + 4) + body)

    def get():
        head = s.recv(5, socket.MSG_WAITALL)
        return head[:1], s.recv(struct.unpack(">I", head[1:])[0] - 4, socket.MSG_WAITALL)
    send(b"", struct.pack(">I", 196608) + b"user\0" + user.encode() +
         b"\0database\0orders\0application_name\0" + app.encode() + b"\0\0")
    get()
    bare = "n=,r=abcdefghijklmnopqrst"
    first = ("n,," + bare).encode()
    send(b"p", b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first)
    server = get()[1][4:].decode()
    v = dict(x.split("=", 1) for x in server.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", key.encode(), base64.b64decode(v["s"]), int(v["i"]))
    mac = lambda k, m: hmac.new(k, m, hashlib.sha256).digest()
    ck = mac(salted, b"Client Key")
    without = f"c=biws,r={v['r']}"
    sig = mac(hashlib.sha256(ck).digest(), f"{bare},{server},{without}".encode())
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(ck, sig))).decode()
    send(b"p", f"{without},p={proof}".encode())
    get()
    h.eq(get(), (b"R", b"\0\0\0\0"), "AuthenticationOk")
    h.eq(get()[0], b"N", "NoticeResponse")
    return s, send, get


def test_who_speaks_at_the_door_is_sent_away():
    for kind, body, said in ((b"Q", b"select 1\0", b"while connecting waits"), (b"X", b"", b"")):
        s, send, get = startup(weir.port)
        i = weir.pending()[0]["id"]
        send(kind, body)
        h.wait_for(lambda: shown(i)["state"] == "cancelled", 10, "withdrawn")
        rest = b""
        while chunk := s.recv(65536):
            rest += chunk
        h.check(said in rest and (said or not rest), rest)


def test_what_waits_is_bounded():
    open_ones = [startup(weir.port) for _ in range(16)]
    weir.pending(n=16)
    r = psql().wait()
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "FATAL", "approval-too-many-own")
    client, i = at_the_door(user="cy")  # is not in the way of others
    approve(i)
    h.eq(client.wait().out, "42")
    for s, _, _ in open_ones:
        s.close()
    h.wait_for(lambda: not ids(), 10, "all withdrawn")


def rewrite(w, policy):
    with open(w.policy, "w") as f:
        f.write(policy)
    w.reload()


def test_a_reload_decides_again():
    w = gateway()
    client, i = at_the_door(w=w)
    rewrite(w, POLICY + "# another text is another policy\n")
    j = h.wait_for(lambda: next((a for a in ids(w) if a != i), None), 10, "it asks anew")
    client.saw(j)
    h.eq(shown(i, w)["state"], "cancelled")
    approve(j, w=w)
    h.eq(client.wait().out, "42")
    client, i = at_the_door(w=w)
    rewrite(w, HEAD)
    h.eq(client.wait().out, "42")  # lets it in
    h.eq(shown(i, w)["closed_why"], "the policy changed")
    rewrite(w, POLICY)
    h.wait_for(lambda: w.log().count("reloaded") == 3, 10, "the reload")
    client, i = at_the_door(w=w)
    rewrite(w, HEAD + "deny closed do connect\n")
    r = client.wait()
    h.has(r.err, "FATAL", "code WEIR-CONNECT")
    h.eq(shown(i, w)["state"], "cancelled")
    # A key that is taken away, and a group.
    rewrite(w, POLICY)
    h.wait_for(lambda: w.log().count("reloaded") == 5, 10, "the reload")
    client, i = at_the_door(w=w)
    with open(w.conf_path) as f:
        conf = f.read()
    with open(w.conf_path, "w") as f:
        f.write("".join(x for x in conf.splitlines(True) if not x.startswith("principal planner-7")))
    w.reload()
    h.has(client.wait().err, "FATAL")
    h.eq(w.stop(), 0)
    r = w.audit("verify", f"{w.state}/audit")
    h.eq(r.code, 0, repr(r)[:900])


def test_who_may_not_approve_any_more_has_not_approved():
    w = gateway()
    with open(w.conf_path) as f:
        conf = f.read()
    reloads = 0

    def ana(line):
        nonlocal reloads
        with open(w.conf_path, "w") as f:
            f.write("".join(line if x.startswith("principal ana") else x
                            for x in conf.splitlines(True)))
        w.reload()
        reloads += 1
        h.wait_for(lambda: w.log().count("reloaded") == reloads, 10, "the reload")
    was = next(x for x in conf.splitlines(True) if x.startswith("principal ana"))
    for line in ("", was.replace("dba-oncall, ", ""), was.replace("human", "agent"),
                 was.split("key")[0] + "\n"):
        i = psql(options="-c weir.approval=async", w=w).wait().err.split("approval=")[1][:8]
        approve(i, w=w)
        ana(was)  # nothing of it has changed
        h.eq(shown(i, w)["state"], "approved")
        ana(line)
        h.eq([shown(i, w, "bo")[k] for k in ("state", "closed_why")],
             ["cancelled", "who approved it may not any more"])
        r = psql(options="-c weir.approval=async", w=w).wait()
        h.has(r.err, "code WEIR-HELD")  # asked again, of somebody else
        approve(r.err.split("approval=")[1][:8], w=w, user="bo", verb="reject")
        ana(was)
    # Neither does a window that stands open.
    client, i = at_the_door(w=w, app="window")
    approve(i, "--reason", "x", "--ticket", "OPS-3", w=w)
    h.eq(client.wait().out, "42")
    ana("")
    h.has(psql(options="-c weir.approval=async", app="window", w=w).wait().err, "code WEIR-HELD")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def test_a_window_does_not_come_back_with_its_policy():
    w = gateway()
    client, i = at_the_door(w=w, app="window")
    approve(i, "--reason", "x", "--ticket", "OPS-4", w=w)
    h.eq(client.wait().out, "42")
    for n, policy in enumerate((POLICY + "# another text\n", POLICY), 1):
        rewrite(w, policy)
        h.wait_for(lambda: w.log().count("reloaded") == n, 10, "the reload")
        h.has(psql(options="-c weir.approval=async", app="window", w=w).wait().err, "code WEIR-HELD")
    h.eq([shown(i, w)[k] for k in ("state", "closed_why")], ["cancelled", "the policy changed"])
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def test_a_drain_ends_the_wait():
    w = gateway()
    client, i = at_the_door(w=w)
    start = time.monotonic()
    h.eq(w.stop(), 0)
    h.check(time.monotonic() - start < 10, "the end waited for people")
    h.has(client.wait().err, "FATAL", "the gateway is shutting down")
    close = records(w, "approval.close")
    h.eq(close[-1]["body"]["state"], "cancelled")
    h.has(close[-1]["body"]["by"], "shutting down")


def test_no_shared_connection_is_taken():
    for mode in ("session", "transaction"):
        w = gateway(pool=f"{mode} size 1")
        client, i = at_the_door(w=w)
        h.eq(w.psql("select 7", user="ana").out, "7", "the only connection is free")
        approve(i, w=w)
        h.eq(client.wait().out, "42")
        h.eq(w.stop(), 0)


def test_several_rules_all_ask():
    w = gateway(HEAD + """
hold first do connect for 1 of dba not self within 5m expires 10m
hold second do connect for 2 of dba not self within 4m expires 5m reason required
""")
    client, i = at_the_door(w=w)
    h.has(client.err, "0 of 1 dba, 0 of 2 dba", "at most 240 s")
    approve(i, w=w)
    h.eq(shown(i, w)["state"], "pending")
    approve(i, w=w, user="bo")
    h.eq(client.wait().out, "42")
    h.eq(shown(i, w)["max_uses"], 0)
    h.eq(w.stop(), 0)
    rules = "".join(f"hold r{n} do connect, sql.insert for 1 of dba not self within 5m\n"
                    for n in range(9))
    w = gateway(HEAD + rules)
    r = psql(w=w).wait()
    h.has(r.err, "FATAL", "WEIR-HOLD-RULES")
    h.eq(w.stop(), 0)
    # Of a command as well: no rule is forgotten.
    w = gateway(HEAD + rules.replace("connect, ", ""))
    h.has(w.psql("insert into people values (2)").err, "WEIR-HOLD-RULES")
    h.eq(pg.query("select count(*) from people where id = 2"), "0")
    h.eq(w.stop(), 0)


def test_it_is_all_in_the_audit_log():
    all_of = {r["id"]: r for r in records()}
    held = [r for r in all_of.values() if r["type"] == "session.start" and
            r["body"]["decision"]["verdict"] == "hold"]
    h.check(held and all("session" not in r and r["body"]["decision"]["rules"] for r in held), held)
    let_in = [r for r in all_of.values() if r["type"] == "session.start" and "refs" in r and
              r["body"]["decision"]["verdict"] == "allow"]
    h.check(len(let_in) > 5, let_in)
    for r in let_in:
        h.eq(all_of[r["refs"][0]]["body"]["decision"]["verdict"], "hold")
        used = [a for a in all_of.values() if a["type"] == "approval.close" and
                a.get("refs") == r["refs"] and a["body"]["state"] == "used"]
        h.eq(len(used), 1, f"the use of {r}")
    asked = [r["body"]["scope"] for r in all_of.values() if r["type"] == "approval.request"]
    h.eq(set(asked), {"connection", "window"})
    refused = [r["body"]["decision"]["reason_code"] for r in all_of.values()
               if r["type"] == "session.start" and r["body"]["decision"]["verdict"] == "deny"]
    h.check({"WEIR-HOLD-REJECTED", "WEIR-HOLD-EXPIRED", "WEIR-HELD"} <= set(refused), refused)
    r = weir.audit("verify", f"{weir.state}/audit")
    h.eq(r.code, 0, repr(r)[:900])
    h.has(weir.audit("tail", "-n", "100000", f"{weir.state}/audit").out,
          "session.start     planner-7 orders hold [door]")


def test_it_is_explained():
    held = [r for r in records(kind="session.start") if r["body"]["decision"]["verdict"] == "hold" and
            r["body"]["decision"]["rules"] == ["window"]][0]
    r = h.weir("explain", weir.policy, "--audit", weir.state, "--record", held["id"])
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "a session: hold by window", "client.application = \"window\"", "action = connect")
    r = h.weir("explain", weir.policy, "--as", 'agent "x" in agents', "--on", "orders")
    h.has(r.out, "a session: hold by door", "action = connect")


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
