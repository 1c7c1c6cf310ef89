#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The admin listener over real sockets, and `weir approvals` against it (sanitized build)."""
import base64, http.client, json, os, socket, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h

KEYS = {"planner-7": "k-planner", "ana": "k-ana", "bo": "k-bo", "cy": "k-cy", "robot": "k-robot"}
server = None
port = 0


def start():
    global server, port
    if server:
        server.stdin.close()
        h.eq(server.wait(20), 0, "the server's exit (leaks count)")
    log = open(f"{h.tmp()}/log", "ab")
    server = h.spawn([f"{h.ROOT}/build/asan/tests/admin_server"], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, stderr=log)
    port = int(server.stdout.readline())


def tell(line):
    server.stdin.write(line.encode() + b"\n")
    server.stdin.flush()
    return server.stdout.readline().decode().strip()


def hold(text="drop table people", n=1, principal="planner-7", kind="agent"):
    return tell(f"hold {principal} {kind} {n} {text}")


def ask(method, path, user="ana", key=None, body=None, headers=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    hd = {"Authorization": f"Bearer {key or KEYS.get(user, '')}", "X-Weir-Principal": user}
    if body is not None:
        hd["Content-Type"] = "application/json"
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    hd.update(headers or {})
    c.request(method, path, body, {k: v for k, v in hd.items() if v is not None})
    r = c.getresponse()
    text = r.read().decode()
    return r, text


def ask_json(*a, **kw):
    r, text = ask(*a, **kw)
    return r.status, json.loads(text)


def code(*a, **kw):
    """Status and stable code of a refusal, whose form is checked."""
    r, text = ask(*a, **kw)
    p = json.loads(text)
    h.eq(r.getheader("Content-Type"), "application/problem+json")
    h.eq(p["status"], r.status)
    h.check(p["title"] and p["hint"], f"no help in {p}")
    return r.status, p["code"]


def cli(*args, user="ana", key=None, env=None):
    return h.run([f"{h.ROOT}/build/asan/weir", "approvals", *args, "--as", user, "--admin",
                  f"http://127.0.0.1:{port}"],
                 env={"WEIR_KEY": key if key is not None else KEYS[user], **(env or {})})


def test_list_show_approve_use():
    i = hold()
    st, o = ask_json("GET", "/v1/approvals?state=pending")
    h.eq(st, 200)
    a = o["approvals"][0]
    h.eq((a["id"], a["state"], a["statement"]), (i, "pending", "drop table people"))
    h.eq(a["requester"], {"name": "planner-7", "kind": "agent", "client": "127.0.0.1:5555"})
    h.eq(a["needs"], [{"group": "dba", "need": 1, "met": 0}])
    h.eq((a["may_approve"], a["may_reject"]), (True, True))
    st, a = ask_json("POST", f"/v1/approvals/{i}/approve", body={"reason": "planned", "ticket": "T-1"})
    h.eq((st, a["state"]), (200, "approved"))
    h.eq([(v["by"], v["verdict"], v["reason"], v["ticket"]) for v in a["votes"]],
         [("ana", "approve", "planned", "T-1")])
    h.eq(tell(f"use {i} planner-7 drop table orders"), "approval-mismatch")
    h.eq(tell(f"use {i} planner-7 drop table people"), "ok")
    h.eq(tell(f"use {i} planner-7 drop table people"), "approval-not-approved")
    h.eq(ask_json("GET", f"/v1/approvals/{i.upper()}")[1]["state"], "used")
    h.eq(code("POST", f"/v1/approvals/{i}/reject", body={"reason": "late"}), (409, "approval-closed"))


def test_who_sees_and_decides_what():
    i = hold()
    h.eq(code("GET", f"/v1/approvals/{i}", user="cy"), (404, "approval-not-found"))
    h.eq(ask_json("GET", "/v1/approvals", user="cy")[1]["approvals"], [])
    st, a = ask_json("GET", f"/v1/approvals/{i}", user="planner-7")
    h.eq((st, a["may_approve"], a["may_reject"]), (200, False, True))
    h.eq(code("POST", f"/v1/approvals/{i}/approve", user="cy", body={}), (404, "approval-not-found"))
    h.eq(code("POST", f"/v1/approvals/{i}/approve", user="planner-7"), (403, "approval-agent"))
    h.eq(code("POST", f"/v1/approvals/{i}/approve", user="robot"), (403, "approval-agent"))
    h.eq(code("POST", f"/v1/approvals/{i}/reject", user="robot", body={"reason": "x"}),
         (403, "approval-agent"))
    h.eq(code("POST", f"/v1/approvals/{i}/reject", body={}), (422, "approval-reason-required"))
    own = hold(principal="bo", kind="human")
    h.eq(code("POST", f"/v1/approvals/{own}/approve", user="bo"), (403, "approval-self"))
    two = hold(n=2)
    h.eq(ask_json("POST", f"/v1/approvals/{two}/approve")[1]["state"], "pending")
    h.eq(code("POST", f"/v1/approvals/{two}/approve"), (409, "approval-duplicate"))
    h.eq(ask_json("POST", f"/v1/approvals/{two}/approve", user="bo")[1]["state"], "approved")


def test_not_recorded_is_not_decided():
    i = hold()
    tell("audit fail")
    h.eq(code("POST", f"/v1/approvals/{i}/approve"), (503, "approval-audit-unavailable"))
    tell("audit ok")
    h.eq(ask_json("GET", f"/v1/approvals/{i}")[1]["state"], "pending")
    h.eq(ask_json("POST", f"/v1/approvals/{i}/approve")[0], 200)


def test_expiry():
    i = hold()
    tell("sweep 901")
    a = ask_json("GET", f"/v1/approvals/{i}")[1]
    h.eq((a["state"], a["closed_why"]), ("expired", "nobody decided in time"))


def test_hostile_text_is_shown_and_not_approved():
    i = tell("bytes " + "select 1 -- \u202e\x1b[2K".encode().hex())
    a = ask_json("GET", f"/v1/approvals/{i}")[1]
    h.eq(a["statement"], "select 1 -- \u202e\x1b[2K")
    h.eq(a["statement_visible"], "select 1 -- \\u{202e}\\x1b[2K")
    h.has(a["unapprovable"], "bidirectional")
    h.eq(code("POST", f"/v1/approvals/{i}/approve"), (422, "approval-unshowable"))
    i = tell("bytes ff00")
    a = ask_json("GET", f"/v1/approvals/{i}")[1]
    h.eq(base64.b64decode(a["statement_base64"]), b"\xff\x00")
    i = hold("x" * 5000)
    brief = [x for x in ask_json("GET", "/v1/approvals")[1]["approvals"] if x["id"] == i][0]
    h.eq((brief["statement_complete"], len(brief["statement"])), (False, 4096))
    full = ask_json("GET", f"/v1/approvals/{i}")[1]
    h.eq((full["statement_complete"], len(full["statement"])), (True, 5000))


def test_authentication():
    start()
    no = (401, "unauthenticated")
    h.eq(code("GET", "/v1/status", key="k-anb"), no)
    h.eq(code("GET", "/v1/status", user="nobody", key="k"), no)
    h.eq(code("GET", "/v1/status", user="nokey", key=""), no)
    h.eq(code("GET", "/v1/status", headers={"Authorization": None}), no)
    h.eq(code("GET", "/v1/status", headers={"X-Weir-Principal": None}), no)
    basic = "Basic " + base64.b64encode(b"ana:k-ana").decode()
    h.eq(ask("GET", "/v1/status", headers={"Authorization": basic, "X-Weir-Principal": None})[0]
         .status, 200)
    h.eq(code("GET", "/v1/status", headers={"Authorization": "Basic ???"}), no)
    seen = [code("GET", "/v1/status", user="bo", key=f"guess-{n}")[0] for n in range(12)]
    h.eq(set(seen), {401, 429})
    r, _ = ask("GET", "/v1/status", user="bo")
    h.eq((r.status, r.getheader("Retry-After")), (429, "2"))
    h.eq(ask("GET", "/v1/status")[0].status, 200)  # ana is not punished for it


def test_bad_requests():
    i = hold()
    path = f"/v1/approvals/{i}/approve"
    h.eq(code("GET", "/v1/nothing"), (404, "not-found"))
    h.eq(code("GET", "/v1/approvals/../status"), (404, "approval-not-found"))
    h.eq(code("GET", f"/v1/approvals/{i}x"), (404, "approval-not-found"))
    h.eq(code("POST", f"/v1/approvals/{i}/steal"), (404, "not-found"))
    h.eq(code("DELETE", "/v1/approvals"), (405, "method-not-allowed"))
    h.eq(code("GET", path), (405, "method-not-allowed"))
    h.eq(code("POST", f"/v1/approvals/{i}"), (405, "method-not-allowed"))
    h.eq(code("GET", "/v1/approvals?state=open"), (400, "bad-state"))
    for body in ("{", "[]", '{"reason": 1}', '{"reasn": "x"}', '{"reason":"a","reason":"b"}',
                 '{"reason":"\\u0000"}', json.dumps({"reason": "x" * 2001})):
        h.eq(code("POST", path, body=body), (400, "bad-body"), body[:40])
    h.eq(code("POST", path, body="{}", headers={"Content-Type": "text/plain"}),
         (415, "unsupported-content-type"))
    h.eq(code("POST", path, body="x" * 20000), (413, "body-too-large"))
    h.eq(ask_json("GET", f"/v1/approvals/{i}")[1]["state"], "pending")


def test_hostile_http():
    for raw in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
                b"POST /v1/approvals HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                b"POST /v1/approvals HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                b"Authorization: Bearer k-ana\r\nX-Weir-Principal: ana\r\n\r\n"
                + b"1000\r\n" + b"y" * 4096 + b"\r\n" * 3):
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            try:
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    h.eq(ask("GET", "/v1/status")[0].status, 200)


def test_who_holds_connections_keeps_nobody_out():
    begun = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: "
    held = []
    for _ in range(200):
        held.append(socket.create_connection(("127.0.0.1", port), 5))
        held[-1].sendall(begun)
        h.eq(len(held) % 50 or ask("GET", "/v1/status")[0].status, len(held) % 50 or 200)
    i = hold()
    h.eq(ask_json("POST", f"/v1/approvals/{i}/approve", body={"reason": "planned"})[0], 200)
    # The last ones are still listened to.
    held[-1].sendall(b"1\r\nAuthorization: Bearer k-ana\r\nX-Weir-Principal: ana\r\n\r\n")
    h.has(held[-1].recv(4096).decode(), "200 OK")
    for s in held:
        s.close()


def test_status_and_metrics():
    h.eq(ask_json("GET", "/v1/status"), (200, {"version": "test"}))
    r, text = ask("GET", "/v1/metrics")
    h.eq((r.status, text), (200, "weir_connections 0\n"))
    h.has(r.getheader("Content-Type"), "text/plain")


def test_cli_story():
    start()
    h.has(cli("list").out, "nothing waits")
    i = hold("create index on orders (id)")
    r = cli("list")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, i, "planner-7", "orders", "create index on orders (id)", "0 of 1 dba")
    h.eq(cli("list", "--json").json()["approvals"][0]["id"], i)
    r = cli("show", i)
    h.has(r.out, "create index on orders (id)", "schema changes wait for a DBA", "agent", "not self",
          f"weir approvals approve {i}")
    h.eq(cli("show", i, "--json").json()["id"], i)
    r = cli("approve", i, "--reason", "planned work")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "approved")
    r = cli("approve", i)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "not pending any more")
    j = hold("drop table people")
    r = cli("reject", j, "--reason", "no", "--json")
    h.eq((r.code, r.json()["state"]), (0, "rejected"), repr(r))
    h.eq(cli("reject", j, "--reason", "no").code, 1)


def test_cli_troubles():
    i = hold()
    for args, user, want, words in (
            (("approve", i), "cy", 1, "no such request"), (("approve", i), "robot", 1, "agent"),
            (("reject", i), "ana", 1, "--reason"), (("show", "00000000"), "ana", 1, "weir approvals list"),
            (("show",), "ana", 2, "ID"), (("frobnicate",), "ana", 2, "frobnicate"),
            (("list", "--state", "open"), "ana", 2, "pending"), (("list", "extra"), "ana", 2, "extra"),
            (("approve", i, "--frob"), "ana", 2, "--frob")):
        r = cli(*args, user=user)
        h.eq(r.code, want, f"{args} {r!r}")
        h.has(r.err, words)
        h.eq(r.out, "")
    r = cli("list", key="wrong")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, "WEIR_KEY")
    r = cli("list", key="")
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "WEIR_KEY")
    exe = f"{h.ROOT}/build/asan/weir"
    r = h.run([exe, "approvals", "list", "--as", "ana", "--admin", f"http://127.0.0.1:{h.free_port()}"],
              env={"WEIR_KEY": "k-ana"})
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "cannot reach", "weir run")
    h.eq(h.run([exe, "approvals", "--help"]).code, 0)
    h.eq(h.run([exe, "approvals"]).code, 2)


def test_cli_shows_hostile_text_safely():
    i = tell("bytes " + "drop \x1b[2K\u202e table".encode().hex())
    for r in (cli("list"), cli("show", i)):
        h.has(r.out, "drop \\x1b[2K\\u{202e} table")
        h.lacks(r.out, "\x1b", "\u202e")
    h.has(cli("show", i).out, "cannot be approved")


def test_cli_key_file():
    path = f"{h.tmp()}/key"
    with open(path, "w") as f:
        f.write("k-ana\n")
    os.chmod(path, 0o600)
    h.eq(cli("list", "--key-file", path, key="").code, 0)
    os.chmod(path, 0o644)
    r = cli("list", "--key-file", path, key="")
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "chmod 600")
    h.eq(cli("list", "--key-file", "/nonexistent", key="").code, 2)


CONF = """
listen postgres 127.0.0.1:6432
listen admin 127.0.0.1:{port}
policy "p.weir"
state "state"
tls off
target orders
  protocol postgres
  address 127.0.0.1:5432
  database orders
  login "app" password-command "touch {tmp}/ran"
  tls off
principal ana kind human groups dba-oncall key "k-ana"
"""


def test_cli_finds_the_address_in_the_configuration():
    exe, conf = f"{h.ROOT}/build/asan/weir", f"{h.tmp()}/weir.conf"
    with open(conf, "w") as f:
        f.write(CONF.format(port=port, tmp=h.tmp()))
    for argv in (["-c", conf], ["--config", conf]):
        r = h.run([exe, "approvals", "list", "--as", "ana", *argv], env={"WEIR_KEY": "k-ana"})
        h.eq(r.code, 0, repr(r))
    h.check(not os.path.exists(f"{h.tmp()}/ran"), "the password command was run")
    r = h.run([exe, "approvals", "list", "--as", "ana", "-c", "/nonexistent"], env={"WEIR_KEY": "k"})
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "/nonexistent", "--admin")
    with open(conf, "w") as f:
        f.write("listen admin nonsense\n")
    r = h.run([exe, "approvals", "list", "--as", "ana", "-c", conf], env={"WEIR_KEY": "k"})
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "weir.conf:", "error[E")


def test_no_leaks():
    start()


h.main(test_list_show_approve_use, test_who_sees_and_decides_what, test_not_recorded_is_not_decided,
       test_expiry, test_hostile_text_is_shown_and_not_approved, test_authentication,
       test_bad_requests, test_hostile_http, test_who_holds_connections_keeps_nobody_out,
       test_status_and_metrics, test_cli_story,
       test_cli_troubles, test_cli_shows_hostile_text_safely, test_cli_key_file,
       test_cli_finds_the_address_in_the_configuration, test_no_leaks,
       setup=start)
