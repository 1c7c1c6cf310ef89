#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A target whose name has several addresses: those that do not take a connection are passed over. Names are those of
a file of our own, in a mount namespace."""
import os, socket, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

h.in_namespace("-m")

pg = None


class Relay:
    """Passes on what comes to 127.0.0.3, at a port where 127.0.0.1 has nobody."""

    def __init__(self):
        self.port = h.free_port()
        self.s = socket.create_server(("127.0.0.3", self.port))
        self.met = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            up = self.s.accept()[0]
            self.met += 1
            down = socket.create_connection(("127.0.0.1", pg.port))
            for a, b in ((up, down), (down, up)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def names(*addresses):
    with open("/etc/hosts", "w") as f:
        f.writelines(f"{a} db.test\n" for a in addresses)


def setup():
    global pg
    own = f"{h.tmp()}/hosts"
    with open(own, "w") as f:
        f.write("")
    os.chmod(own, 0o644)
    r = h.run(["mount", "--bind", own, "/etc/hosts"])
    h.check(r.code == 0, repr(r))
    names("127.0.0.1", "127.0.0.3")
    # The resolver puts the nearer one first.
    found = [x[4][0] for x in socket.getaddrinfo("db.test", 1, socket.AF_INET, socket.SOCK_STREAM)]
    h.eq(found, ["127.0.0.1", "127.0.0.3"])
    pg = h.Postgres(sql="create table t (a int); insert into t values (7)")


def gateway(port, pool=None, **kw):
    w = h.Weir(pg, start=False, pool=pool, extra="limit workers 1\n", **kw)
    with open(w.conf_path) as f:
        conf = f.read()
    with open(w.conf_path, "w") as f:
        f.write(conf.replace(f"127.0.0.1:{pg.port}", f"db.test:{port}"))
    return w.start()


def test_the_next_one_is_tried():
    for pool in (None, "session"):
        relay = Relay()
        w = gateway(relay.port, pool=pool)
        h.eq(w.psql("select a from t").out, "7")
        h.check(relay.met >= 2, "the catalog and the session came over the second address")
        h.eq(w.psql("select a from t").out, "7")
        # Each session passes over it, and the log does not fill with that.
        h.eq(w.log().count('target address not reached target=orders cause="Connection refused"'), 1)
        # The cancel goes where the command runs.
        p = w.psql_start("select pg_sleep(60)")
        h.wait_for(lambda: "pg_sleep" in pg.super("select string_agg(query, ' ') from pg_stat_activity where state = 'active' "
                                                  "and usename = 'app'"), 10, "it runs")
        p.p.send_signal(2)
        h.has(p.wait().err, "canceling statement due to user request")
        h.eq(w.stop(), 0)


def test_when_there_is_none_it_is_said():
    relay = Relay()
    w = gateway(relay.port)
    h.eq(w.psql("select a from t").out, "7")
    relay.s.shutdown(socket.SHUT_RDWR)
    relay.s.close()
    r = w.psql("select a from t")
    h.has(r.err, "the target cannot be reached", "WEIR-TARGET")
    h.eq(w.stop(), 0)


def test_one_that_does_not_answer_has_its_time():
    relay = Relay()
    w = gateway(relay.port)
    h.eq(w.psql("select a from t").out, "7")
    # A listener that takes no more: what comes is dropped without a word.
    deaf = socket.create_server(("127.0.0.1", relay.port), backlog=0)
    full = []
    for _ in range(4):
        full.append(socket.socket())
        full[-1].setblocking(False)
        full[-1].connect_ex(("127.0.0.1", relay.port))
    began = time.monotonic()
    r = w.psql("select a from t")
    h.eq(r.out, "7", repr(r))
    h.check(time.monotonic() - began >= 3, "the first was not deaf")
    for s in (*full, deaf):
        s.close()
    h.eq(w.stop(), 0)


def test_a_reload_takes_what_a_name_means_now():
    relay = Relay()
    names("127.0.0.1")
    w = gateway(relay.port)
    h.has(w.psql("select a from t").err, "WEIR-CATALOG")
    names("127.0.0.1", "127.0.0.3")
    w.reload()
    h.wait_for(lambda: "reloaded " in w.log(), 10, "the reload")
    h.wait_for(lambda: "catalog target=orders relations=" in w.log(), 10, "the catalog")
    h.eq(w.psql("select a from t").out, "7")
    h.eq(w.stop(), 0)


h.main(test_the_next_one_is_tried, test_when_there_is_none_it_is_said, test_one_that_does_not_answer_has_its_time,
       test_a_reload_takes_what_a_name_means_now, setup=setup)
