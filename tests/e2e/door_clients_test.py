#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What drivers do when connecting waits for people: they are let in, or told why not."""
import os, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

here = os.path.dirname(os.path.abspath(__file__))
POLICY = """
policy held
group dba = idp "dba-oncall"
allow data   do sql.basics, sql.select
hold door    do connect   for 1 of dba not self   within 5m   once
"""
CONNINFO = "host=127.0.0.1 port={port} user=planner-7 password=k-planner dbname=orders"
PYTHON = """
import sys, {module} as p
try:
    c = p.connect(sys.argv[1])
except p.OperationalError as e:
    print(e); sys.exit(1)
k = c.cursor()
k.execute("select 40 + 2")
print(k.fetchone()[0])
"""
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres()
    weir = h.Weir(pg, policy=POLICY, extra="limit notice 1s\nlimit login 2s\n")


def knocks(argv, env=None, hears=True):
    """The client waits past the login's deadline, is let in and works; then it is refused."""
    client = h.Background(argv, env=env)
    i = weir.pending()[0]["id"]
    try:
        client.p.wait(3)
    except subprocess.TimeoutExpired:
        pass
    h.check(client.p.poll() is None, f"it did not wait:\n{client.out}\n{client.err}")
    h.eq(weir.approvals("approve", i, "--reason", "ok").code, 0)
    r = client.wait()
    h.eq(r.code, 0, repr(r))
    h.eq(r.out.splitlines()[-1], "42")
    if hears:
        h.has(r.out + r.err, f"connecting waits for approval {i}", f"approval {i} given by ana")
    client = h.Background(argv, env=env)
    h.eq(weir.approvals("reject", weir.pending()[0]["id"], "--reason", "not today").code, 0)
    r = client.wait()
    h.eq(r.code, 1, repr(r))
    h.has(r.out + r.err, "rejected by ana: not today")


def build(argv, **kw):
    r = h.run(argv, timeout=180, **kw)
    h.check(r.code == 0, f"{argv[0]}: {r!r}")


def need(path):
    if not os.path.exists(path):
        raise h.Skip(f"no {path} (./configure --install)")


def test_psycopg():
    knocks(["/usr/bin/python3", "-c", PYTHON.format(module="psycopg"),
            CONNINFO.format(port=weir.port)], hears=False)  # takes notices once it is connected


def test_psycopg2():
    knocks(["/usr/bin/python3", "-c", PYTHON.format(module="psycopg2"),
            CONNINFO.format(port=weir.port)])


def test_node_pg():
    knocks(["node", f"{here}/node/door.js", str(weir.port), "door"],
           env={"NODE_PATH": h.node_modules()})


def test_jdbc():
    jar = "/usr/share/java/postgresql.jar"
    need(jar)
    build(["javac", "-cp", jar, "-d", h.tmp(), f"{here}/clients/Door.java"])
    knocks(["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", f"{jar}:{h.tmp()}", "Door",
            f"jdbc:postgresql://127.0.0.1:{weir.port}/orders", "door"])


def test_go():
    go = "/usr/lib/go-1.19/bin/go"
    need(go)
    out = f"{h.tmp()}/door"
    build([go, "build", "-o", out, f"{here}/clients/door.go"], cwd=h.tmp(),
          env={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "HOME": h.tmp(),
               "GOCACHE": f"{h.ROOT}/build/gocache", "GOFLAGS": "-p=2"})
    url = f"postgres://planner-7:k-planner@127.0.0.1:{weir.port}/orders?sslmode=disable"
    knocks([out, "pgx", url])
    knocks([out, "pq", url], hears=False)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
