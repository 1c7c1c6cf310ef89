#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The password of a target's login is another one from now on: SIGHUP is all that it takes."""
import os, socket, struct, sys, threading

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
    pg = h.Postgres(sql="create table t (a int)")


def gateway(extra="", port=None, **kw):
    w = h.Weir(pg, start=False, extra="limit workers 1\n" + extra, **kw)
    with open(w.conf_path) as f:
        conf = f.read()
    conf = conf.replace('password "app-secret"', 'password-file "app.password"')
    with open(w.conf_path, "w") as f:
        f.write(conf.replace(f"127.0.0.1:{pg.port}", f"127.0.0.1:{port or pg.port}"))
    keep(w, "app-secret")
    return w.start()


def keep(w, password):
    with open(f"{w.dir}/app.password", "w") as f:
        f.write(password + "\n")
    os.chmod(f"{w.dir}/app.password", 0o600)


def logged(w, text, n=1):
    h.wait_for(lambda: w.log().count(text) >= n, 10, f"{n} times {text!r} in the log\n{w.log()}")
    return w.log()


def reload(w, n=1):
    w.reload()
    logged(w, "reloaded ", n)


def rotate(password):
    pg.super(f"alter role app password '{password}'")
    pg.password = password


def changed(pool):
    w = gateway(extra="limit catalog 1s\n", pool=pool)
    old = psycopg.connect(w.conninfo(), autocommit=True)
    h.eq(old.execute("select count(*) from t").fetchone(), (0,))
    rotate("rotated")
    try:
        log = logged(w, "trouble=")
        h.has(log, "password authentication failed")
        h.has(w.psql("select 1").err, "WEIR-TARGET" if pool else "WEIR-TARGET-LOGIN")
        keep(w, "rotated")
        read = w.log().count("catalog target=orders relations=")
        reload(w)
        logged(w, "catalog target=orders relations=", read + 1)
        many = [psycopg.connect(w.conninfo(), autocommit=True) for _ in range(3)]
        for c in [*many, old]:
            h.eq(c.execute("select count(*) from t").fetchone(), (0,))
            c.close()
    finally:
        rotate("app-secret")
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
    w = gateway()
    h.eq(w.psql("select 1").out, "1")
    keep(w, "app-secert")
    reload(w)
    h.has(w.psql("select 1").err, "the target refused the gateway's login")
    keep(w, "app-secret")
    reload(w, 2)
    h.eq(w.psql("select 1").out, "1")
    h.eq(w.stop(), 0)


class Slow:
    """Passes everything on, but for what a server says second of SCRAM to a client's session: that waits."""

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            up = self.s.accept()[0]
            down = socket.create_connection(("127.0.0.1", pg.port))
            own = threading.Event()
            threading.Thread(target=self._pump, args=(up, down, own, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(down, up, own, False), daemon=True).start()

    def _pump(self, a, b, catalog, from_client):
        try:
            while data := a.recv(65536):
                if from_client and b"weir-catalog" in data:
                    catalog.set()
                if not from_client and not catalog.is_set() and data[:1] == b"R" and \
                        struct.unpack(">I", data[5:9]) == (11,):
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
    w = gateway(port=slow.port)
    logged(w, "catalog target=orders relations=")
    keep(w, "app-secert")
    reload(w)
    p = w.psql_start("select 1")
    h.check(slow.asked.wait(20), f"nobody logged in at the target\n{w.log()}")
    keep(w, "app-secret")
    reload(w, 2)
    slow.go.set()
    r = p.wait()
    h.eq(r.out, "1", repr(r))
    h.eq(w.stop(), 0)


h.main(test_a_reload_brings_the_new_password, test_and_to_shared_connections_too,
       test_a_wrong_one_leaves_nothing_behind, test_a_login_under_way_goes_on_with_the_new_one,
       setup=setup)
