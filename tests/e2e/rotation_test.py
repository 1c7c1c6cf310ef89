#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The password of a target's login is another one from now on: SIGHUP is all that it takes. passwords_test.py does
without."""
import os, socket, struct, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import passwords
from passwords import gateway, keep, psycopg, rotate

pg = None


def setup():
    global pg
    pg = passwords.postgres()


def reload(w, n=1):
    w.reload()
    w.logged("reloaded ", n)


def changed(pool):
    w = gateway(pg, extra="limit catalog 1s\n", pool=pool)
    old = psycopg.connect(w.conninfo(), autocommit=True)
    h.eq(old.execute("select count(*) from t").fetchone(), (0,))
    rotate(pg, "rotated")
    try:
        log = w.logged("trouble=")
        h.has(log, "password authentication failed")
        h.has(w.psql("select 1").err, "WEIR-TARGET" if pool else "WEIR-TARGET-LOGIN")
        read = w.log().count("catalog target=orders relations=")
        keep(w, "rotated")
        reload(w)
        w.logged("catalog target=orders relations=", read + 1)
        many = [psycopg.connect(w.conninfo(), autocommit=True) for _ in range(3)]
        for c in [*many, old]:
            h.eq(c.execute("select count(*) from t").fetchone(), (0,))
            c.close()
    finally:
        rotate(pg, "app-secret")
    h.eq(w.stop(), 0)
    r = w.audit("export", w.state, "--format", "jsonl")
    h.has(r.out, "-target orders password #", "+target orders password #")
    for text in (r.out, w.log()):
        h.lacks(text, "rotated\"", "app-secret")


def test_a_reload_brings_the_new_password():
    changed(None)


def test_and_to_shared_connections_too():
    changed("session")


def test_a_wrong_one_leaves_nothing_behind():
    """The server's salt stays the same: what was made of the wrong password must not answer for the right one."""
    w = gateway(pg)
    h.eq(w.psql("select 1").out, "1")
    keep(w, "app-secert")
    reload(w)
    h.has(w.psql("select 1").err, "the target refused the gateway's login")
    keep(w, "app-secret")
    reload(w, 2)
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)


class Slow:
    """Passes everything on; what a server says second of SCRAM waits while it is told to `hold` it."""

    def __init__(self):
        self.hold, self.asked, self.go = threading.Event(), threading.Event(), threading.Event()
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            up = self.s.accept()[0]
            down = socket.create_connection(("127.0.0.1", pg.port))
            catalog = threading.Event()
            threading.Thread(target=self._pump, args=(up, down, catalog, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(down, up, catalog, False), daemon=True).start()

    def _pump(self, a, b, catalog, from_client):
        try:
            while data := a.recv(65536):
                if from_client and b"weir-catalog" in data:
                    catalog.set()
                if not from_client and self.hold.is_set() and data[:1] == b"R" and \
                        struct.unpack(">I", data[5:9]) == (11,):
                    if not catalog.is_set():
                        self.asked.set()
                    self.go.wait(20)
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_a_login_under_way_goes_on_with_the_new_one():
    """What it began with is no longer the password by the time that the server asks for the proof."""
    slow = Slow()
    w = gateway(pg, port=slow.port)
    w.logged("catalog target=orders relations=")
    slow.hold.set()
    keep(w, "app-secert")
    reload(w)
    p = w.psql_start("select 1")
    h.check(slow.asked.wait(20), f"nobody logged in at the target\n{w.log()}")
    keep(w, "app-secret")
    reload(w, 2)
    slow.go.set()
    r = p.wait()
    h.eq(r.out, "1", repr(r))
    h.lacks(w.log(), "target refused the password")
    h.eq(w.stop(), 0)


h.main(test_a_reload_brings_the_new_password, test_and_to_shared_connections_too,
       test_a_wrong_one_leaves_nothing_behind, test_a_login_under_way_goes_on_with_the_new_one,
       setup=setup)
