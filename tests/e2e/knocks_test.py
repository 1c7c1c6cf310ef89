#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who is not logged in: wrong keys wait for their answer, connections that do nothing give way to others, and
what is sent before its time stays where it is. None of it keeps out somebody with a right key."""
import os, select, socket, sys, threading, time, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

pg = None


def setup():
    global pg
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres()


def took(fn, *args, **kw):
    began = time.monotonic()
    return fn(*args, **kw), time.monotonic() - began


def metric(w, name):
    r = urllib.request.Request(f"http://127.0.0.1:{w.admin}/v1/metrics",
                               headers={"Authorization": "Bearer k-ana", "X-Weir-Principal": "ana"})
    with urllib.request.urlopen(r, timeout=10) as f:
        text = f.read().decode()
    return float(next(x.split()[-1] for x in text.splitlines() if x.startswith(name)))


def wrong_key(w):
    """A connection whose wrong key waits for its answer."""
    c = psycopg.pq.PGconn.connect_start(w.conninfo(key="wrong").encode())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        state = c.connect_poll()
        if state == psycopg.pq.PollingStatus.FAILED:
            raise h.Failure(c.error_message.decode())
        fds = [c.socket]
        select.select(fds if state == psycopg.pq.PollingStatus.READING else [],
                      fds if state == psycopg.pq.PollingStatus.WRITING else [], [], 0.1)
    return c


def sendable(s, bytes_max):
    """How many bytes the other side takes before it stops any more."""
    s.setblocking(False)
    sent = 0
    while sent < bytes_max and select.select([], [s], [], 0.7)[1]:
        try:
            sent += s.send(bytes(1 << 16))
        except (BrokenPipeError, ConnectionResetError):
            break
    return sent


def failures(w):
    return metric(w, 'weir_auth_failures_total{listener="postgres"}')


def test_wrong_keys_wait_and_right_ones_do_not():
    w = h.Weir(pg)
    h.eq(w.psql("select 1").out, "1")
    slow = []
    for _ in range(7):
        r, s = took(w.psql, "select 1", key="wrong")
        h.has(r.err, 'authentication failed for "planner-7"', "WEIR-AUTH")
        slow.append(s)
    # At least as long, however fast the machine is.
    h.check(slow[5] >= 0.25 and slow[6] >= 0.5, f"they were answered after {slow} s")
    h.has(w.log(), "wrong keys from=127.0.0.1:", 'principal="planner-7" failures=6 delay=250ms')
    # The next wrong one waits for 1 s; the right ones for nothing, and others for nothing of it.
    began = time.monotonic()
    waiting = w.psql_start("select 1", key="wrong")
    h.wait_for(lambda: failures(w) == 8, 10, "it is on record")
    h.eq(w.psql("select 1").out, "1")
    h.has(w.psql("select 1", user="ana", key="wrong").err, "WEIR-AUTH")
    h.has(waiting.wait().err, "WEIR-AUTH")
    h.check(time.monotonic() - began >= 1, "it did not wait")
    # Who waits (2 s) can leave, and what he sends stays where it is, instead of in memory.
    c = wrong_key(w)
    s = socket.socket(fileno=os.dup(c.socket))
    h.check(sendable(s, 64 << 20) < 32 << 20, "all of it was taken")
    c.finish()
    s.close()
    h.wait_for(lambda: metric(w, "weir_connections ") == 0, 10, "it is gone")
    # Nobody waits for them (4 s) when the gateway stops.
    p = w.psql_start("select 1", key="wrong")
    h.wait_for(lambda: failures(w) == 11, 10, "it is on record")
    h.eq(w.stop(), 0)
    h.check(p.wait().code != 0, "let in")


def idle(w):
    s = socket.create_connection(("127.0.0.1", w.port))
    s.settimeout(20)
    return s


def test_who_does_not_log_in_gives_way():
    w = h.Weir(pg, extra="limit workers 1\n")
    with open(w.conf_path) as f:
        conf = f.read()
    w.stop()
    with open(w.conf_path, "w") as f:
        f.write(conf.replace("limit connections 500", "limit connections 8"))
    w.start()
    ours = [psycopg.connect(w.conninfo(), autocommit=True) for _ in range(3)]
    idlers = [idle(w) for _ in range(40)]
    time.sleep(2.5)  # nobody is sent away who might still log in
    for _ in range(20):
        r = w.psql("select 1")
        h.eq(r.out, "1", repr(r))
    for c in ours:
        h.eq(c.execute("select 1").fetchone(), (1,))
    h.has(idlers[0].recv(4096).decode("latin1"), "53300", "WEIR-FULL")
    h.check(metric(w, "weir_connections_gave_way_total") >= 1, "they are counted")
    h.has(w.log(), "those that do not log in give way")
    # Whoever is logged in stays: then it is full.
    ours += [psycopg.connect(w.conninfo(), autocommit=True) for _ in range(5)]
    time.sleep(2.5)
    r = w.psql("select 1")
    h.has(r.err, "WEIR-FULL")
    for c in ours:
        h.eq(c.execute("select 1").fetchone(), (1,))
    h.eq(w.stop(), 0)


class Silent:
    """Passes on what the catalog's reader says; whoever else logs in hears nothing."""

    def __init__(self):
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        self.silent = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            up = self.s.accept()[0]
            first = up.recv(65536)
            if b"weir-catalog" not in first:
                self.silent.append(up)
                continue
            down = socket.create_connection(("127.0.0.1", pg.port))
            down.sendall(first)
            for a, b in ((up, down), (down, up)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_what_is_sent_ahead_of_a_login_stays_outside():
    silent = Silent()
    w = h.Weir(pg, start=False, extra="limit login 5s\n")
    with open(w.conf_path) as f:
        conf = f.read()
    with open(w.conf_path, "w") as f:
        f.write(conf.replace(f"127.0.0.1:{pg.port}", f"127.0.0.1:{silent.port}"))
    w.start()
    c = psycopg.pq.PGconn.connect_start((w.conninfo() + " sslmode=disable").encode())
    while not silent.silent:
        if c.connect_poll() == psycopg.pq.PollingStatus.FAILED:
            raise h.Failure(c.error_message.decode())
        select.select([c.socket], [], [], 0.05)
    s = socket.socket(fileno=os.dup(c.socket))
    h.check(sendable(s, 64 << 20) < 32 << 20, "all of it was taken")
    s.settimeout(20)
    said = b""
    while b"WEIR-" not in said and (part := s.recv(4096)):
        said += part
    h.has(said.decode("latin1"), "the target does not answer", "WEIR-LOGIN-TIMEOUT")
    h.has(w.log(), "target does not answer target=orders at=login")
    h.eq(w.stop(), 0)


h.main(test_wrong_keys_wait_and_right_ones_do_not, test_who_does_not_log_in_gives_way,
       test_what_is_sent_ahead_of_a_login_stays_outside, setup=setup)
