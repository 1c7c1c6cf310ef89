#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The playground's server without a browser (sanitized build): what it answers, whom it refuses, and
that nothing an evaluation does takes it down."""
import http.client, json, os, re, signal, socket, subprocess, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness as h

WEIR = f"{h.ROOT}/build/asan/weir"
AGENT = {"principal": 'agent "planner-7" in agents', "on": "orders"}
server = None
port = 0


def policy(name="orders"):
    with open(f"{h.ROOT}/policies-examples/{name}.weir", encoding="utf-8") as f:
        return f.read()


def start(*args, weir=WEIR):
    p = h.spawn([weir, "playground", "--port", "0", *args], stdout=subprocess.PIPE, cwd=h.tmp(),
                stderr=open(f"{h.tmp()}/log", "ab"))
    url = p.stdout.readline().decode()
    return p, int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", url)[1])


def set_up():
    global server, port
    server, port = start(f"{h.ROOT}/policies-examples/orders.weir")


def ask(method="GET", path="/", body=None, headers=None, at=None):
    c = http.client.HTTPConnection("127.0.0.1", at or port, timeout=30)
    hd = {"Content-Type": "application/json"} if body is not None else {}
    hd.update(headers or {})
    c.request(method, path, body, hd)
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    return r, text


def evaluate(**texts):
    r, text = ask("POST", "/v1/evaluate", json.dumps(texts))
    h.eq(r.status, 200, text)
    return json.loads(text)


def refusal(*a, **kw):
    """Status and code of a refusal, whose form is checked."""
    r, text = ask(*a, **kw)
    p = json.loads(text)
    h.eq(r.getheader("Content-Type"), "application/problem+json")
    h.eq(p["status"], r.status)
    h.check(p["title"] and p["hint"], f"no help in {p}")
    return r.status, p["code"]


def children(of):
    with open(f"/proc/{of.pid}/task/{of.pid}/children") as f:
        return [int(x) for x in f.read().split()]


def test_an_answer_is_what_the_tools_say():
    sql = "update orders set status = 'cancelled'"
    a = evaluate(policy=policy(), sql=sql, **AGENT)
    h.eq(a["check"], {"errors": 0, "warnings": 0, "diagnostics": []})
    h.eq(a["verdict"], "deny")
    h.eq([(d["rule"], d["kind"]) for d in a["deciding"]], [("unbounded-write", "deny")])
    h.eq(a["tests"], {"passed": 11, "failed": 0, "report": ""})
    path = f"{h.tmp()}/policy.weir"
    with open(path, "w", encoding="utf-8") as f:
        f.write(policy())
    given = ["--as", AGENT["principal"], "--on", AGENT["on"], sql]
    h.eq(a["bytecode"].rstrip("\n"), h.run([WEIR, "dis", "--source", "policy.weir"], cwd=h.tmp()).out)
    h.eq(a["explanation"].rstrip("\n"),
         h.run([WEIR, "explain", "policy.weir", *given], cwd=h.tmp()).out)
    h.eq(a["explain"],
         h.run([WEIR, "explain", "policy.weir", "--json", *given], cwd=h.tmp()).json())
    with open(path, "w", encoding="utf-8") as f:
        f.write(policy() + "mask cart with null\n")
    a = evaluate(policy=policy() + "mask cart with null\n", sql=sql, **AGENT)
    h.eq(a["check"], h.run([WEIR, "check", "--json", "policy.weir"], cwd=h.tmp()).json())
    h.eq(a["check"]["diagnostics"][0]["line"], policy().count("\n") + 1)
    h.check("verdict" not in a, "a policy with errors decides")
    a = evaluate(policy='group part = idp "part"\n', sql=sql, **AGENT)
    h.eq(([d["code"] for d in a["check"]["diagnostics"]], list(a)), (["E0610"], ["check"]))


def test_verdicts():
    a = evaluate(policy=policy(), sql="drop table people", **AGENT)
    h.eq((a["verdict"], a["deciding"][0]["rule"]), ("hold", "ddl"))
    a = evaluate(policy=policy(), sql="select id from orders", principal='human "eve"', on="orders")
    h.eq((a["verdict"], a["by_default"], a["deciding"]), ("deny", True, []))
    a = evaluate(policy=policy(), sql="select pan from payments.cards order by pan", **AGENT)
    h.eq((a["verdict"], a["deciding"][0]["rule"]), ("deny", "card"))
    h.has(a["refusal"], "masked column")
    a = evaluate(policy=policy(), sql="selec", **AGENT)
    h.eq(a["verdict"], "deny")
    h.has(a["statement"], "syntax error")
    a = evaluate(policy=policy(), **AGENT)
    h.eq((a["verdict"], a["explain"]["entry"]), ("allow", "connect"))


def test_rows_as_the_client_gets_them():
    a = evaluate(policy=policy(), sql="select id, pan from payments.cards", **AGENT,
                 rows='(id: 1, pan: "4111111111111111")\n\nid: 2, pan: null, x: 1\n')
    h.eq(a["rows"], [
        {"dropped_by": None, "cells": [{"column": "id", "value": "1"},
                                       {"column": "pan", "value": "************1111",
                                        "masked_by": "card"}]},
        {"dropped_by": None, "cells": [{"column": "id", "value": "2"},
                                       {"column": "pan", "value": None, "masked_by": "card"},
                                       {"column": "x", "missing": True}]}])
    a = evaluate(policy=policy("tenants"), sql="select id, tenant from shop.orders", on="shop",
                 principal='human "sam" in support', rows="id: 1, tenant: 7\nid: 3, tenant: 8")
    h.eq([r["dropped_by"] is None for r in a["rows"]], [True, False])
    a = evaluate(policy=policy(), sql="delete from orders", rows="id: 1", **AGENT)
    h.check("rows" not in a, "rows of what is refused")


def test_the_schema_decides_what_a_star_is():
    texts = dict(AGENT, policy=policy(), sql="select * from people",
                 rows='id: 1, email: "eve@example.com"')
    schema = ("create table people (id int, email text, phone text);\n"
              "create table orders (id int, item text, status text);\n"
              "create table payments.cards (pan text);\n")
    a = evaluate(schema=schema, **texts)
    h.eq(a["check"]["errors"], 0, str(a["check"]))
    h.eq([c.get("masked_by") for c in a["rows"][0]["cells"]], [None, "contact"])
    h.check("without_schema" not in a, "the schema was not used")
    a = evaluate(schema=schema, **dict(texts, sql="select * from others"))
    h.eq(a["without_schema"], True)
    a = evaluate(schema=schema.replace("phone", "fax"), **texts)
    h.has(a["check"]["diagnostics"][0]["message"], "no column", "phone")
    a = evaluate(schema="create tabel x", **texts)
    h.eq([(d["file"], d["line"]) for d in a["check"]["diagnostics"]], [("schema.sql", 1)])


def test_a_catalog_is_the_schema():
    """Whatever its file is called; of several the first has all of it."""
    schema = "create table people (id int, email text, phone text);\n"
    texts = dict(AGENT, sql="select * from people", rows='id: 1, email: "eve@example.com"')
    for more in ('catalog "db/people.sql"\n', 'catalog "people.sql"\ncatalog "none.sql"\n'):
        text = 'policy x\n' + more + """group agents = idp "a"\ntarget orders = postgres "o"
            data mail = column people.email\nallow read who agents on orders do sql.select
            mask mail with null\n"""
        a = evaluate(policy=text, schema=schema, **texts)
        h.eq(a["check"]["errors"], 0, str(a["check"]))
        h.eq([c.get("masked_by") for c in a["rows"][0]["cells"]], [None, "mail"])
        h.check("without_schema" not in a, "the schema was not used")
        a = evaluate(policy=text, schema=schema.replace("email", "post"), **texts)
        h.has(a["check"]["diagnostics"][0]["message"], "no column", "email")
        a = evaluate(policy=text, schema="", **texts)
        h.has(a["check"]["diagnostics"][0]["message"], "people.sql", "is empty")
        a = evaluate(policy=text, schema="create tabel x", **texts)
        h.eq([(d["file"].endswith("people.sql"), d["line"]) for d in a["check"]["diagnostics"]], [(True, 1)])


def test_the_page_begins_with_the_policys_files():
    folder = f"{h.tmp()}/files"
    os.makedirs(f"{folder}/parts")
    files = {
        "p.weir": 'policy p\ncatalog "p.sql"\n  import "parts/a.weir"\nimport "parts/b.weir"\n'
                  'import "none.weir"\nimport "key.weir" # a key\ndeny x   do sql.drop',
        "parts/a.weir": 'import "b.weir"\ngroup a = idp "a"\n',
        "parts/b.weir": 'import "../p.weir"\ncatalog "../b.sql"\ngroup b = idp "b"\n',
        "p.sql": "create table p (id int);", "b.sql": "create table b (id int);\n"}
    for name, text in files.items():
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    p, at = start(f"{folder}/p.weir")
    r, text = ask(path="/v1/policy", at=at)
    h.eq((r.status, text), (200, 'policy p\ncatalog "p.sql"\n#   import "parts/a.weir"\n# import "b.weir"\n'
                            '# import "../p.weir"\ncatalog "../b.sql"\ngroup b = idp "b"\n'
                            'group a = idp "a"\n# import "parts/b.weir"\nimport "none.weir"\n'
                            'import "key.weir" # a key\ndeny x   do sql.drop\n'))
    h.eq(ask(path="/v1/schema", at=at)[1], "create table p (id int);\ncreate table b (id int);\n")
    with open(f"{folder}/p.sql", "w", encoding="utf-8") as f:
        f.write("-----BEGIN PRIVATE KEY-----\n")
    h.eq(ask(path="/v1/schema", at=at)[1], "create table b (id int);\n")
    os.remove(f"{folder}/p.weir")
    h.eq([ask(path=f"/v1/{x}", at=at)[0].status for x in ("policy", "schema")], [204, 204])
    h.eq(h.end(p, signal.SIGINT), 0, "exit (leaks count)")


def test_mistakes_in_the_command_are_not_the_policys():
    a = evaluate(policy=policy(), sql="select 1", principal='agent "x" in agnets', on="orders")
    h.eq(a["check"]["errors"], 0)
    h.eq([(d["line"], "agnets" in d["message"]) for d in a["command"]["diagnostics"]], [(2, True)])
    a = evaluate(policy=policy(), sql="select 1", rows="id: 1\nid = 2", **AGENT)
    h.eq(a["command"]["diagnostics"][0]["line"], 5)
    a = evaluate(policy=policy() + 'group nobody = idp "x"\n', sql="select 1", **AGENT)
    h.eq((a["check"]["warnings"], a["command"]), (1, {"errors": 0, "warnings": 0, "diagnostics": []}))


def test_no_file_is_read():
    secret = f"{h.tmp()}/secret.weir"
    with open(secret, "w", encoding="utf-8") as f:
        f.write('group hidden = idp "hidden"\n')
    for text in ('import "secret.weir"\n', 'catalog "secret.weir"\n', f'catalog "{secret}"\n'):
        a = evaluate(policy='policy x "X"\n' + text)
        h.has(json.dumps(a["check"]["diagnostics"]), "cannot read", "reads no files")
        h.check(a["check"]["errors"] > 0, "a file was read")
        h.lacks(json.dumps(a), "hidden")


def test_the_page_and_its_headers():
    for path, kind in (("/", "text/html"), ("/script.js", "text/javascript"),
                       ("/words.js", "text/javascript"), ("/style.css", "text/css"),
                       ("/orders.weir", "text/plain")):
        r, text = ask(path=path)
        h.eq(r.status, 200)
        h.check(r.getheader("Content-Type").startswith(kind), r.getheader("Content-Type"))
        h.eq(r.getheader("X-Content-Type-Options"), "nosniff")
        h.has(r.getheader("Content-Security-Policy"), "default-src 'none'", "frame-ancestors 'none'")
        h.lacks(r.getheader("Content-Security-Policy"), "unsafe", "http", "*")
        h.check(len(text) > 500 and "://" not in text, f"{path} names another place")
    r, text = ask(path="/orders.weir")
    h.eq(text, policy())
    h.eq(ask(path="/v1/policy")[1], policy())


def test_only_a_loopback_name_leads_here():
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil",
                 "127.0.0.1:80@evil", "[::1].evil", ""):
        h.eq(refusal(headers={"Host": host}), (403, "host"), host)
        h.eq(refusal("POST", "/v1/evaluate", "{}", {"Host": host}), (403, "host"), host)
    for host in ("127.0.0.1", f"localhost:{port}", "LOCALHOST", "[::1]:1"):
        h.eq(ask(headers={"Host": host})[0].status, 200, host)
    with open("/proc/net/tcp") as f:
        bound = [x.split()[1] for x in f if x.split()[1].endswith(f":{port:04X}") and
                 x.split()[3] == "0A"]
    h.eq(bound, [f"0100007F:{port:04X}"])


def test_another_page_does_not_ask():
    body, host = json.dumps({"policy": "policy p"}), {"Host": f"localhost:{port}"}
    for origin in ("http://evil.example", "null", f"https://localhost:{port}", f"http://127.0.0.1:{port}",
                   "http://localhost", f"http://localhost:{port}.evil.example", ""):
        h.eq(refusal("POST", "/v1/evaluate", body, {**host, "Origin": origin}), (403, "origin"), origin)
        h.eq(refusal("GET", "/v1/policy", headers={**host, "Origin": origin}), (403, "origin"), origin)
    r, _ = ask("POST", "/v1/evaluate", body, {**host, "Origin": f"http://localhost:{port}",
                                              "Content-Type": "application/json"})
    h.eq(r.status, 200)


def test_what_a_form_can_post_is_refused():
    body = json.dumps({"policy": "x"})
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                 "application/jsonx", ""):
        h.eq(refusal("POST", "/v1/evaluate", body, {"Content-Type": kind}), (415, "content-type"))
    r, _ = ask("OPTIONS", "/v1/evaluate", headers={"Origin": "http://evil.example"})
    h.eq((r.status, r.getheader("Access-Control-Allow-Origin")), (403, None))
    h.eq(ask("POST", "/v1/evaluate", body, {"Content-Type": "application/json; charset=utf-8"})[0]
         .status, 200)


def test_requests_that_are_none():
    for body in ("", "{", "[]", "{}", '{"sql": "x"}', '{"policy": 1}', '{"policy": "", "more": ""}',
                 '{"policy": "", "policy": ""}', '{"policy": "\\u0000"}', '{"policy": "\xff"}',
                 '{"policy": "", "principal": "a\\nb"}', '{"policy": "", "on": "a\\nb"}'):
        h.eq(refusal("POST", "/v1/evaluate", body.encode("latin-1")), (400, "body"), body)
    h.eq(refusal(path="/v2"), (404, "no-route"))
    h.eq(refusal(path="/../etc/passwd"), (404, "no-route"))
    h.eq(refusal("POST", "/", "{}"), (405, "method"))
    h.eq(refusal("GET", "/v1/evaluate"), (405, "method"))


def test_large_bodies():
    h.eq(refusal("POST", "/v1/evaluate", "", {"Content-Length": str(2 << 20)}), (413, "too-large"))
    h.eq(ask("POST", "/v1/evaluate", json.dumps({"policy": "#" * 1000000}))[0].status, 200)
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(b"POST /v1/evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(40):
                s.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
            gone = not s.recv(1)
        except OSError:
            gone = True
        h.check(gone, "a body without end is read")


def takes_a_while(n=1500):
    rules = "".join(f'deny r{i}\n  do sql.select\n  when user.name = "u{i}" and target.name = "t{i}"\n'
                    for i in range(n))
    return json.dumps({"policy": 'policy big "Big"\ndefault allow\n' + rules})


def with_child(act, of=None, at=None):
    """Evaluates what takes a while, does something to the process that does, returns the refusal."""
    body, got = takes_a_while(), []
    t = threading.Thread(target=lambda: got.append(refusal("POST", "/v1/evaluate", body, at=at)))
    t.start()
    act(h.wait_for(lambda: children(of or server), 10, "a process for the evaluation")[0])
    t.join(20)
    h.eq(children(of or server), [])
    return got[0]


def test_an_evaluation_that_dies_or_hangs_is_refused_alone():
    h.eq(with_child(lambda pid: os.kill(pid, signal.SIGSEGV)), (422, "evaluation-failed"))
    h.eq(with_child(lambda pid: os.kill(pid, signal.SIGSTOP)), (422, "too-long"))
    h.eq(evaluate(policy=policy(), sql="select id from orders", **AGENT)["verdict"], "allow")


def test_an_evaluation_ends_with_who_asked():
    """Who types on leaves evaluations behind. Each would take its three seconds, one after the other."""
    body = takes_a_while(10000).encode()
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(b"POST /v1/evaluate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.3)
    began = idle = time.monotonic()
    while time.monotonic() - idle < 1:
        if children(server):
            idle = time.monotonic()
        h.check(idle - began < 12, "those that nobody waits for go on and on")
        time.sleep(0.02)
    h.eq(evaluate(policy=policy(), sql="select id from orders", **AGENT)["verdict"], "allow")


def test_an_evaluation_is_shut_in():
    seen = {}

    def look(pid):
        def shut():
            with open(f"/proc/{pid}/limits") as f:
                text = f.read()
            # The last that is set; descriptors are closed by then.
            return re.search(r"Max address space +\d+ +\d+", text) and text
        seen["limits"] = h.wait_for(shut, 5, "limits")
        seen["fds"] = sorted(int(x) for x in os.listdir(f"/proc/{pid}/fd"))
        os.kill(pid, signal.SIGKILL)
    # Addresses are not bounded in a sanitized build.
    h.eq(with_child(look, *start(weir=f"{h.ROOT}/build/weir")), (422, "evaluation-failed"))
    h.eq(seen["fds"], [0, 1, 2, 3])
    for limit in (r"Max open files +0 +0", r"Max core file size +0 +0", r"Max file size +0 +0",
                  rf"Max address space +{1 << 30} +{1 << 30}"):
        h.check(re.search(limit, seen["limits"]), f"{limit} is not in {seen['limits']}")


def test_arguments():
    h.has(h.run([WEIR, "playground", "--help"]).out, "usage: weir playground [--port N] [POLICY]")
    for args in (["--port", "65536"], ["--port", "x"], ["--wat"], ["a", "b"], [f"{h.tmp()}/none"],
                 ["--port", str(port)]):
        h.eq(h.run([WEIR, "playground", *args]).code, 2, str(args))


def test_a_signal_ends_it_in_good_order():
    p, at = start()
    h.eq(ask(path="/v1/policy", at=at)[0].status, 204)
    h.eq(h.end(p, signal.SIGINT), 0, "exit (leaks count)")
    h.eq(h.end(server), 0, "exit (leaks count)")


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=set_up)
