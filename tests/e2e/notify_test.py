#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Notices to webhooks: real HTTP servers that take them, are slow, fail, refuse or are not there."""
import hashlib, hmac, http.server, json, os, re, socketserver, sys, threading, time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = "create table orders (id int, note text); create table people (id int);"
POLICY = """
policy told "For the tests of notices"
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
allow reading   who agents  do sql.basics, sql.select
allow inserts   who agents  do sql.insert  notify oncall
deny  no-drop "nothing is dropped"  do sql.drop  notify oncall
hold  ddl       who agents  do sql.create, sql.truncate  for 1 of dba not self  within 5m  notify oncall
notify people-read "people are looked at" to oncall  do sql.select  when table = "public.people"
notify words to oncall  when sql.text matches "*secret-plan*"
shadow notify quiet to oncall  do sql.select
shadow deny quieter  do sql.select  notify oncall
"""
SECRET = "a-shared-secret"
pg = None


class Hook:
    """A webhook: `answers` are (seconds before, status) of the requests in turn; the last goes on."""

    def __init__(self, *answers, port=0):
        hook = self
        self.got, self.answers, self.lock = [], list(answers) or [(0, 200)], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with hook.lock:
                    wait, status = hook.answers[0]
                    if len(hook.answers) > 1:
                        hook.answers.pop(0)
                time.sleep(wait)
                with hook.lock:
                    hook.got.append((status, dict(self.headers), body))
                try:
                    self.send_response(status)
                    if status == 302:
                        self.send_header("Location", self.path + "elsewhere")
                    self.end_headers()
                except OSError:
                    pass

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/T0K3N-in-the-path"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        h.on_exit(self.server.shutdown)

    def taken(self, n, status=200, seconds=15):
        h.wait_for(lambda: len([1 for s, _, _ in self.got if s == status]) >= n, seconds,
                   f"{n} notices")
        return [json.loads(b) for s, _, b in self.got if s == status]


def setup():
    global pg
    pg = h.Postgres(sql=SQL)


def gateway(url, policy=POLICY, secret=True):
    with open(f"{h.tmp()}/channel.secret", "w") as f:
        os.chmod(f.name, 0o600)
        f.write(SECRET + "\n")
    how = f' secret-file "{h.tmp()}/channel.secret"' if secret else ""
    return h.Weir(pg, policy=policy, extra=f'\nchannel oncall webhook "{url}"{how}\n')


def alerts(w):
    out = w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit").out
    return [r["body"] for r in map(json.loads, out.splitlines()) if r["type"] == "alert"]


def metric(w, name):
    q = urllib.request.Request(f"http://127.0.0.1:{w.admin}/v1/metrics",
                               headers={"Authorization": f"Bearer {h.KEYS['ana']}",
                                        "X-Weir-Principal": "ana"})
    with urllib.request.urlopen(q, timeout=10) as r:
        return int(re.search(re.escape(name) + r" (\d+)", r.read().decode())[1])


def test_what_a_notice_says():
    hook = Hook()
    w = gateway(hook.url)
    w.psql("select id from orders where note = 'hidden literal'")
    w.psql("drop table orders")
    w.psql("insert into orders values (1, 'hidden literal')")
    w.psql("select id from people")
    w.psql("select 1 /* secret-plan */")
    got = {n["rule"]: n for n in hook.taken(5)}  # of `select 1` the table is unknown
    h.eq(set(got), {"no-drop", "inserts", "people-read", "words"})
    n = got["no-drop"]
    h.eq([n[k] for k in ("version", "event", "kind", "sentence", "verdict", "reason", "principal",
                         "principal_kind", "target", "actions", "tables", "policy")],
         [1, "command", "deny", "nothing is dropped", "deny", "WEIR-DENIED", "planner-7", "agent",
          "orders", ["sql.drop"], ["orders"], "told"])
    h.check("approval" not in n, n)
    record = [r for r in map(json.loads, w.audit("tail", "--json", "-n", "99", f"{w.state}/audit")
                             .out.splitlines()) if r["id"] == n["record"]]
    h.eq(record[0]["body"]["statement"], "drop table orders")
    h.eq((got["inserts"]["verdict"], got["people-read"]["verdict"]), ("allow", "allow"))
    for _, _, body in hook.got:
        h.lacks(body.decode(), "hidden", "literal", "secret-plan")
    out = w.audit("tail", "--json", "-n", "99", f"{w.state}/audit").out
    h.has(out, '"people-read"', "quiet: notify", "quieter: deny")
    h.lacks(out + w.log(), "T0K3N", SECRET)
    h.eq(w.stop(), 0)


def test_it_is_signed():
    hook = Hook()
    w = gateway(hook.url)
    w.psql("drop table orders")
    hook.taken(1)
    _, headers, body = hook.got[0]
    m = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Weir-Signature"])
    want = hmac.new(SECRET.encode(), f"{m[1]}.".encode() + body, hashlib.sha256).hexdigest()
    h.eq(m[2], want)
    h.check(abs(int(m[1]) - time.time()) < 60, m[1])
    h.eq(headers["Content-Type"], "application/json")
    h.eq(w.stop(), 0)
    w = gateway(hook.url, secret=False)
    w.psql("drop table orders")
    hook.taken(2)
    h.check("Weir-Signature" not in hook.got[1][1], "signed without a secret")
    h.eq(w.stop(), 0)


def test_a_held_command_tells_how_to_release_it():
    hook = Hook()
    w = gateway(hook.url)
    c = w.psql_start("create table held (a int)")
    n = hook.taken(1)[0]
    h.eq([n["event"], n["rule"], n["verdict"]], ["held", "ddl", "hold"])
    r = w.approvals("approve", n["approval"], "--reason", "planned")
    h.eq(r.code, 0, repr(r))
    h.eq(c.wait().code, 0, c.err)
    h.eq(pg.query("select count(*) from held").strip(), "0")
    time.sleep(0.2)
    h.eq(len(hook.got), 1, "one notice")
    h.eq(w.stop(), 0)


def test_a_slow_one_keeps_nobody_waiting_and_gets_it_again():
    hook = Hook((7, 200), (0, 200))
    w = gateway(hook.url)
    start = time.monotonic()
    for _ in range(3):
        w.psql("drop table orders")
    h.check(time.monotonic() - start < 3, "commands waited for the webhook")
    got = hook.taken(4, seconds=20)  # the first one timed out and came again
    h.eq(len({n["id"] for n in got}), 3)
    h.wait_for(lambda: metric(w, 'weir_notices_total{outcome="sent"}') == 3, 5, "three sent")
    h.eq(alerts(w), [])
    h.eq(w.stop(), 0)


def test_one_that_fails_gets_it_again():
    hook = Hook((0, 503), (0, 429), (0, 200))
    w = gateway(hook.url)
    w.psql("drop table orders")
    n = hook.taken(1)
    h.eq([s for s, _, _ in hook.got], [503, 429, 200])
    h.eq(len({json.loads(b)["id"] for _, _, b in hook.got}), 1)
    # Each attempt is signed anew: what is old can be refused, and what was seen be told by its id.
    times = []
    for _, headers, body in hook.got:
        m = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Weir-Signature"])
        h.eq(m[2], hmac.new(SECRET.encode(), f"{m[1]}.".encode() + body, hashlib.sha256).hexdigest())
        times.append(int(m[1]))
    h.check(times == sorted(times) and times[-1] >= times[0] + 2, times)
    h.has(w.log(), "channel=oncall attempt=1", "status 503")
    h.eq(w.stop(), 0)


def test_one_that_refuses_is_not_asked_again():
    hook = Hook((0, 302), (0, 403))
    w = gateway(hook.url)
    w.psql("drop table orders")
    h.wait_for(lambda: alerts(w), 10, "an alert")
    w.psql("drop table orders")
    h.wait_for(lambda: sum(a["count"] for a in alerts(w)) == 2, 10, "two lost")
    h.eq([s for s, _, _ in hook.got], [302, 403])
    a = alerts(w)[0]
    h.eq([a["rule"], a["state"], a["text"]], ["oncall", "notices-lost", "it answers with status 302"])
    h.eq(metric(w, 'weir_notices_total{outcome="lost"}'), 2)
    h.has(w.log(), "channel=oncall lost=1")
    h.eq(w.stop(), 0)


def test_one_that_is_not_there_gets_it_when_it_comes():
    port = h.free_port()
    w = gateway(f"http://127.0.0.1:{port}/x")
    w.psql("drop table orders")
    h.wait_for(lambda: "attempt=1" in w.log(), 10, "an attempt")
    hook = Hook(port=port)
    h.eq(hook.taken(1)[0]["rule"], "no-drop")
    h.eq(w.stop(), 0)


def test_a_full_queue_loses_the_newest_and_says_so():
    port = h.free_port()
    w = gateway(f"http://127.0.0.1:{port}/x")
    w.psql(input="drop table orders;\n" * 200, options=("-v", "ON_ERROR_STOP=0"))
    h.wait_for(lambda: sum(a["count"] for a in alerts(w)) >= 71, 10, "an alert")
    h.has(alerts(w)[0]["text"], "the queue is full")
    h.check(metric(w, "weir_notices_waiting") <= 128, "the queue")
    start = time.monotonic()
    h.eq(w.stop(), 0)
    h.check(time.monotonic() - start < 8, "the end waited for the webhook")
    h.eq(sum(a["count"] for a in alerts(w)), 200)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def test_a_channel_that_is_missing_is_refused():
    w = h.Weir(pg, policy=POLICY, start=False)
    r = h.weir("run", "-c", w.conf_path, "--check")
    h.eq(r.code, 1, repr(r))
    h.has(r.err, 'rule "inserts"', 'channel "oncall"', "channel oncall webhook")
    hook = Hook()
    w = gateway(hook.url)
    with open(w.policy, "a") as f:
        f.write("notify more to elsewhere do sql.select\n")
    w.reload()
    h.wait_for(lambda: "reload refused" in w.log(), 10, "a refusal")
    h.has(w.log(), "elsewhere")
    h.eq(w.psql("select 7").out.strip(), "7")
    h.eq(w.stop(), 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
