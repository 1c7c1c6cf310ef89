#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The server goes away under load and comes back: clients are told so, whoever can go on does,
nobody hangs, and nothing that took effect is missing in the log."""
import os, re, signal, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

POOLS = [None, "session size 4", "transaction size 2"]
CLIENTS = 3
pg = None
gateways = []


def setup():
    global pg
    pg = h.Postgres(sql="create table t (id int primary key);")
    gateways.extend(h.Weir(pg, pool=pool) for pool in POOLS)


class Client(threading.Thread):
    """Inserts numbers of its own until it is told to stop; connects anew without its session."""
    def __init__(self, w, first):
        super().__init__(daemon=True)
        self.w, self.next, self.told, self.done, self.quit = w, first, [], [], False

    def run(self):
        import psycopg
        c = None
        while not self.quit:
            try:
                c = c or psycopg.connect(self.w.conninfo(), autocommit=True,
                                         cursor_factory=psycopg.ClientCursor)
                c.execute(f"insert into t values ({self.next})")
                self.done.append(self.next)
            except psycopg.Error as e:
                self.told.append(str(e))
                c = None if c is None or c.closed else c
                time.sleep(0.02)
            self.next += 1
        if c:
            c.close()


def restart(how, first):
    import psycopg
    idle = psycopg.connect(gateways[2].conninfo(), autocommit=True)
    idle.execute("set timezone = 'Asia/Tokyo'")
    clients = [Client(w, first + (g * CLIENTS + i) * 100000)
               for g, w in enumerate(gateways) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    h.wait_for(lambda: all(len(c.done) > 5 for c in clients), 30, "load")
    h.end(pg.p, how)
    h.wait_for(lambda: all(c.told for c in clients), 30, "every client is told")
    pg.start()
    had = [len(c.done) for c in clients]
    h.wait_for(lambda: all(len(c.done) > n + 5 for c, n in zip(clients, had)), 30, "load again")
    for c in clients:
        c.quit = True
    for c in clients:
        c.join(30)
        h.check(not c.is_alive(), "a client hangs")
    h.eq(idle.execute("show timezone").fetchone()[0], "Asia/Tokyo")
    idle.close()
    for c in clients:
        # The server's own word may come first; as without a gateway, the last may be lost where a
        # client sends while the other side closes.
        own = ("terminating connection", "consuming input failed: ", "sending ")
        for t in c.told:
            h.check("code WEIR-TARGET\n" in t or "code WEIR-TARGET-GONE" in t
                    or t.startswith(own), repr(t))
    there = {int(n) for n in pg.super("select id from t").split()}
    lost = [n for c in clients for n in c.done if n not in there]
    if how == signal.SIGINT: # without fsync what a crash leaves is not promised
        h.eq(lost, [], "acknowledged, and not there")


def test_a_fast_shutdown():
    restart(signal.SIGINT, 10000000)


def test_an_immediate_one():
    restart(signal.SIGQUIT, 20000000)


def test_a_server_that_takes_nobody_for_now():
    pg.super("alter role app connection limit 0")
    r = gateways[0].psql("select 1")
    h.has(r.err, "WEIR-TARGET\n", "takes no connection now", "try again in a moment")
    h.has(gateways[0].log(), "53300 too many connections for role")
    pg.super("alter role app connection limit -1")
    h.eq(gateways[0].psql("select 1").out, "1")
    pg.super("alter role app password 'another'")
    h.has(gateways[0].psql("select 1").err, "WEIR-TARGET-LOGIN", "its operator must look")
    pg.super(f"alter role app password '{pg.password}'")


def test_all_of_it_is_on_record():
    there = {int(n) for n in pg.super("select id from t").split()}
    seen = set()
    for w in gateways:
        w.stop()
        r = w.audit("export", w.state)
        h.eq(r.code, 0, repr(r))
        seen |= {int(n) for n in re.findall(r"insert into t values \((\d+)\)", r.out)}
        r = w.audit("verify", w.state)
        h.eq(r.code, 0, repr(r))
    h.eq(sorted(there - seen), [], "in the table, and not on record")


if __name__ == "__main__":
    h.main(test_a_fast_shutdown, test_an_immediate_one, test_a_server_that_takes_nobody_for_now,
           test_all_of_it_is_on_record, setup=setup)
