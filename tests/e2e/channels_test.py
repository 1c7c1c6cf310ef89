#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Channels under attack: HTTPS servers with wrong certificates, that redirect, hang or never stop;
syslogs and the log; and what a reload changes."""
import json, os, re, socket, ssl, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "a-shared-secret"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
pg = None


def policy(*channels):
    """Each channel is told when something is dropped."""
    return "policy told\ngroup agents = idp \"ai-agents\"\nallow reading do sql.basics, sql.select\n" \
        + "".join(f"deny r-{c} do sql.drop notify {c}\n" for c in channels)


def setup():
    global pg
    pg = h.Postgres(sql="create table orders (id int)")
    os.makedirs(f"{h.tmp()}/ca")
    call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.crt")
    certificate("good", "DNS:localhost,IP:127.0.0.1")
    certificate("other", "DNS:elsewhere.example")
    certificate("expired", "DNS:localhost,IP:127.0.0.1", days="-1")
    call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "30", "-subj", "/CN=self", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         "self.key", "-out", "self.crt")


def call(*argv):
    r = h.run(argv, cwd=f"{h.tmp()}/ca")
    h.check(r.code == 0, repr(r))


def certificate(name, alt, days="30"):
    with open(f"{h.tmp()}/ca/{name}.ext", "w") as f:
        f.write(f"subjectAltName={alt}\n")
    call("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    call("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
         "-CAcreateserial", "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.crt")


class Server:
    """Takes connections by TCP, with TLS when it has a certificate; `serve` has each of them."""

    def __init__(self, serve=None, cert=None, port=0):
        self.got, self.connections, self.tls = [], 0, None
        self.serve = serve or self.answer
        if cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(f"{h.tmp()}/ca/{cert}.crt", f"{h.tmp()}/ca/{cert}.key")
        self.s = socket.create_server(("127.0.0.1", port))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            c, _ = self.s.accept()
            self.connections += 1
            threading.Thread(target=self._one, args=(c,), daemon=True).start()

    def _one(self, c):
        try:
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
            self.serve(self, c)
        except OSError:
            pass
        c.close()

    @staticmethod
    def request(server, c):
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = c.recv(65536)
            if not chunk:
                return None
            head += chunk
        head, body = head.split(b"\r\n\r\n", 1)
        n = int(re.search(rb"Content-Length: (\d+)", head)[1])
        while len(body) < n:
            body += c.recv(65536)
        server.got.append(json.loads(body))
        return head

    @staticmethod
    def answer(server, c):
        while Server.request(server, c):
            c.sendall(OK)


def gateway(extra, *channels, env=None):
    w = h.Weir(pg, policy=policy(*channels), extra="\n" + extra + "\n", env=env)
    return w


def tell(w):
    w.psql("drop table orders")


def alerts(w):
    out = w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit").out
    return [r["body"] for r in map(json.loads, out.splitlines()) if r["type"] == "alert"]


def ca():
    return f'ca "{h.tmp()}/ca/ca.crt"'


def redirects(to):
    def serve(server, c):
        if Server.request(server, c):
            c.sendall(f"HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())
    return serve


def drips(server, c):
    Server.request(server, c)
    for b in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
        c.sendall(bytes([b]))
        time.sleep(0.2)


def never_stops(server, c):
    Server.request(server, c)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    server.sent = 0
    while True:
        c.sendall(b"x" * 65536)
        server.sent += 65536


def never_begins(server, c):
    Server.request(server, c)
    while True:
        c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        time.sleep(0.01)


def test_bad_servers():
    """Refused, told why, tried again after pauses; none holds up another."""
    silent = Server(lambda server, c: time.sleep(60))
    quiet = Server()  # where the redirects lead
    servers = {
        "self": (Server(cert="self"), "127.0.0.1", "self-signed certificate"),
        "expired": (Server(cert="expired"), "127.0.0.1", "certificate has expired"),
        "wrong": (Server(cert="other"), "127.0.0.1", "it is not for that name"),
        "away": (Server(redirects(f"http://127.0.0.1:{quiet.port}/"), cert="good"), "127.0.0.1",
                 "status 307"),
        "down": (Server(redirects(f"http://localhost:{quiet.port}/"), cert="good"), "localhost",
                 "status 307"),
        "silent": (silent, "127.0.0.1", "Timeout was reached"),
        "good": (Server(cert="good"), "127.0.0.1", None)}
    extra = "".join(f'channel {n} webhook "https://{host}:{s.port}/T0K3N" {ca()} secret "{SECRET}"\n'
                    for n, (s, host, _) in servers.items())
    w = gateway(extra, *servers)
    tell(w)
    h.wait_for(lambda: len(servers["good"][0].got) == 1, 10, "the good one has it")
    h.wait_for(lambda: "channel=self attempt=2" in w.log(), 10, "it is tried again")
    for n, (_, _, why) in servers.items():
        if why:
            h.wait_for(lambda: re.search(f"channel={n} .*{why}", w.log()), 15, f"{n}: {why}")
    bad = [n for n in servers if n != "good"]
    start = time.monotonic()
    h.eq(w.stop(), 0)
    h.check(time.monotonic() - start < 8, "the end waited for them")
    h.eq({a["rule"] for a in alerts(w)}, set(bad), "all are lost")
    for n in ("self", "expired", "wrong"):
        h.check(2 <= servers[n][0].connections <= 4 and not servers[n][0].got, f"attempts at {n}")
        h.has(next(a["text"] for a in alerts(w) if a["rule"] == n), servers[n][2])
    h.eq([(servers[n][0].connections, len(servers[n][0].got)) for n in ("away", "down")], [(1, 1)] * 2)
    h.eq((quiet.connections, quiet.got), (0, []), "nobody followed")
    out = w.audit("tail", "--json", "-n", "99", f"{w.state}/audit").out
    h.lacks(out + w.log(), "T0K3N", SECRET, "localhost")


def test_answers_that_do_not_end():
    """Time and memory are bounded, and a command never waits."""
    kinds = {"drips": drips, "stops": never_stops, "begins": never_begins}
    servers = {n: Server(f) for n, f in kinds.items()}
    w = gateway("".join(f'channel {n} webhook "http://127.0.0.1:{s.port}/"\n'
                        for n, s in servers.items()), *servers)
    start = time.monotonic()
    tell(w)
    h.check(time.monotonic() - start < 2, "the command waited")
    for n in ("drips", "begins"):
        h.wait_for(lambda: f"channel={n} attempt=1 " in w.log(), 10, n)
    h.has(w.log(), "Timeout was reached")
    h.lacks(w.log(), "channel=stops")  # 200 is 200, however long the answer
    h.check(servers["stops"].sent < 16 << 20, servers["stops"].sent)
    h.eq(len(servers["stops"].got), 1, "sent once")
    with open(f"/proc/{w.p.pid}/status") as f:
        rss = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
    h.check("asan" in h.WEIR or rss < 400 << 10, f"{rss} KiB")
    h.eq(w.stop(), 0)


def test_the_environment_sends_nothing_elsewhere():
    proxy, hook = Server(), Server()
    w = gateway(f'channel c webhook "http://127.0.0.1:{hook.port}/"', "c",
                env={"http_proxy": f"http://127.0.0.1:{proxy.port}", "ALL_PROXY":
                     f"http://127.0.0.1:{proxy.port}", "no_proxy": ""})
    tell(w)
    h.wait_for(lambda: hook.got, 10, "it arrives")
    h.eq(proxy.connections, 0)
    h.eq(w.stop(), 0)


def test_addresses_that_cannot_be():
    for bad in ("http://127.0.0.1:1234.evil.example/", "https://[::1", "https://a b/"):
        w = h.Weir(pg, policy=policy("c"), extra=f'\nchannel c webhook "{bad}"\n', start=False)
        r = h.weir("run", "-c", w.conf_path, "--check")
        h.eq(r.code, 1, bad + repr(r))
        h.lacks(r.out + r.err, "evil")
    w = h.Weir(pg, policy=policy("c"), extra='\nchannel c syslog "tls://localhost"\n', start=False)
    h.has(h.weir("run", "-c", w.conf_path, "--check").err, "no port")


# -- syslog and the log ----------------------------------------------------------------------------

SYSLOG = re.compile(r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) weir (\d+) (\S+) - "
                    r"(\{.*\})")


def is_message(text, w, channel):
    m = SYSLOG.fullmatch(text)
    h.check(m, text)
    h.eq((m[1], int(m[4]), m[5]), ("108", w.p.pid, "refused"))  # log audit, warning
    h.eq(json.loads(m[6])["rule"], f"r-{channel}")
    h.eq(json.loads(m[6])["principal"], "planner-7")


def frames(server, c):
    data = b""
    while chunk := c.recv(65536):
        data += chunk
    while data:
        n, rest = data.split(b" ", 1)
        server.got.append(rest[:int(n)].decode())
        data = rest[int(n):]


def test_syslog():
    path = f"{h.tmp()}/log.sock"
    local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    local.bind(path)
    os.chmod(path, 0o666)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    for s in (local, udp):
        s.settimeout(10)
    tcp, tls, wrong = Server(frames), Server(frames, cert="good"), Server(frames, cert="other")
    w = gateway(f'''channel local syslog "{path}"
channel udp syslog "udp://127.0.0.1:{udp.getsockname()[1]}"
channel tcp syslog "tcp://127.0.0.1:{tcp.port}"
channel tls syslog "tls://localhost:{tls.port}" {ca()}
channel wrong syslog "tls://localhost:{wrong.port}" {ca()}
channel gone syslog "{path}.gone"
''', "local", "udp", "tcp", "tls", "wrong", "gone")
    tell(w)
    is_message(local.recv(65536).decode(), w, "local")
    is_message(udp.recv(65536).decode(), w, "udp")
    for name, s in (("tcp", tcp), ("tls", tls)):
        h.wait_for(lambda: s.got, 10, name)
        is_message(s.got[0], w, name)
    h.wait_for(lambda: re.search("channel=wrong .*certificate is refused", w.log()) and
               re.search("channel=gone .*No such file", w.log()), 10, "the others fail")
    h.eq(wrong.got, [])
    h.eq(w.stop(), 0)
    h.eq({a["rule"] for a in alerts(w)}, {"wrong", "gone"})


def test_the_log():
    w = gateway("channel journal log", "journal")
    tell(w)
    line = h.wait_for(lambda: re.search(r"^\S+Z info notice channel=journal (\{.*\})$", w.log(),
                                        re.M), 10, "a line")
    n = json.loads(line[1])
    h.eq([n["rule"], n["verdict"], n["tables"]], ["r-journal", "deny", ["orders"]])
    h.eq(w.stop(), 0)


def test_a_log_that_nobody_reads_keeps_nobody_waiting():
    """Its pipe is full: the channel's thread waits, no command does."""
    w = h.Weir(pg, policy=policy("journal"), extra="\nchannel journal log\n", start=False)
    r, wr = os.pipe()
    w.p = h.spawn([h.WEIR, "run", "-c", w.conf_path], stdout=wr, stderr=wr)
    os.close(wr)
    h.wait_for(lambda: h.listening(w.port), 30, "it listens")
    start = time.monotonic()
    w.psql(input="drop table orders;\n" * 400, options=("-v", "ON_ERROR_STOP=0"))
    h.check(time.monotonic() - start < 10, "commands waited for the log")
    h.eq(w.psql("select 7").out, "7")
    threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(r, 65536), b"")],
                     daemon=True).start()
    h.eq(w.stop(), 0)


# -- reload ----------------------------------------------------------------------------------------

def test_a_reload_changes_channels():
    first, second = Server(), Server()
    held = Server(lambda server, c: (Server.request(server, c), time.sleep(1.5), c.sendall(OK)))

    def conf(*lines):
        with open(w.conf_path) as f:
            text = "".join(x for x in f.read().splitlines(True) if not x.startswith("channel "))
        with open(w.conf_path, "w") as f:
            f.write(text + "".join(x + "\n" for x in lines))

    def reload(n, said="reloaded"):
        w.reload()
        h.wait_for(lambda: w.log().count(said) == n, 10, f"{said} {n}")

    slow = f'channel slow webhook "http://127.0.0.1:{held.port}/"'
    one = f'channel one webhook "http://127.0.0.1:{first.port}/T0K3N"'
    w = gateway(f"{slow}\n{one}", "slow", "one")
    for _ in range(3):
        tell(w)
    h.wait_for(lambda: len(first.got) == 3, 10, "the first has all")
    # Another address; the slow one is as it was and keeps what waits in it.
    conf(slow, f'channel one webhook "http://127.0.0.1:{second.port}/T0K3N"', "channel new log")
    with open(w.policy, "a") as f:
        f.write("deny r-new do sql.drop notify new\n")
    reload(1)
    tell(w)
    h.wait_for(lambda: len(second.got) == 1, 10, "the second has the next")
    h.wait_for(lambda: "notice channel=new" in w.log(), 10, "and the new one")
    h.eq(len(first.got), 3)
    h.wait_for(lambda: len(held.got) == 4, 10, "nothing is lost")
    h.eq(alerts(w), [])
    # What a rule names cannot go.
    conf(slow, "channel new log")
    reload(1, "reload refused")
    tell(w)
    h.wait_for(lambda: len(second.got) == 2, 10, "as it was")
    # All can go when no rule names them; their threads end.
    threads = len(os.listdir(f"/proc/{w.p.pid}/task"))
    conf()
    with open(w.policy, "w") as f:
        f.write(policy())
    reload(2)
    h.wait_for(lambda: len(os.listdir(f"/proc/{w.p.pid}/task")) == threads - 3, 15, "threads end")
    tell(w)
    h.eq(len(second.got), 2)
    out = w.audit("tail", "--json", "-n", "99", f"{w.state}/audit").out
    h.has(out, "config.change", "-channel one webhook #", "+channel one webhook #", "+channel new log")
    h.lacks(out + w.log(), "T0K3N")
    h.eq(w.stop(), 0)


def test_a_session_at_the_door_tells_as_well():
    hook = Server()
    w = gateway(f'channel c webhook "http://127.0.0.1:{hook.port}/"', "c")
    with open(w.policy, "a") as f:
        f.write('group dba = idp "dba-oncall"\nhold door "let in" who agents do connect for 1 of dba '
                'not self within 5m notify c\ndeny out do connect when client.application = "bad" '
                'notify c\n')
    w.reload()
    h.wait_for(lambda: "reloaded" in w.log(), 10, "the reload")
    client = w.psql_start("select 7")
    h.wait_for(lambda: hook.got, 10, "a notice")
    n = hook.got[0]
    h.eq([n["event"], n["rule"], n["kind"], n["verdict"], n["actions"], n["principal"]],
         ["held", "door", "hold", "hold", ["connect"], "planner-7"])
    h.check("tables" not in n, n)
    h.eq(w.approvals("approve", n["approval"], "--reason", "ok").code, 0)
    h.eq(client.wait().out, "7")
    h.run(h.psql_argv(w.port, "ana", "orders", "select 1"),
          env={"PGPASSWORD": h.KEYS["ana"], "PGAPPNAME": "bad"})
    h.wait_for(lambda: len(hook.got) == 2, 10, "another")
    n = hook.got[1]
    h.eq([n["event"], n["rule"], n["verdict"], n["reason"]],
         ["connection", "out", "deny", "WEIR-CONNECT"])
    h.eq(w.stop(), 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
