#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ten thousand agents over fifty server connections: each logs in, asks twice with all the others, and
gets its own answers."""
import json, os, re, resource, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

AGENTS, SERVERS, CLIENT_PROCESSES = 10000, 50, 4
pg = None


def setup():
    global pg
    pg = h.Postgres(sql="create table t (id int primary key, note text);"
                        f"insert into t select i, 'note of ' || i from generate_series(1, {2 * AGENTS}) i")


def files(n):
    """Lets this process and those it starts have n files open; root may go beyond the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, max(n, hard)))


# -- the agents, in processes of their own ----------------------------------------------------------

def answer(c):
    r = c.get_result()
    while c.get_result():
        pass
    return (r.get_value(0, 0) or b"").decode() if r.ntuples == 1 else r.error_message.decode()


def agents(first, last, conninfos):
    """Agents FIRST to LAST-1. A line of input starts each round; a line of JSON says how it went."""
    from psycopg import pq
    conns, wrong = {}, []
    for n in range(first, last):
        c = pq.PGconn.connect(conninfos[n % len(conninfos)].encode())
        if c.status != pq.ConnStatus.OK:
            wrong.append(c.error_message.decode())
            break
        conns[n] = c
    print(json.dumps({"right": len(conns), "wrong": wrong[:3]}), flush=True)
    for turn, _ in enumerate(sys.stdin):
        right, wrong = 0, []
        for n, c in conns.items():
            c.send_query_params(b"select note from t where id = $1", [str(n + turn * AGENTS).encode()])
            c.flush()
        for n, c in conns.items():
            got = answer(c)
            right += got == f"note of {n + turn * AGENTS}"
            if got != f"note of {n + turn * AGENTS}":
                wrong.append(f"{n}: {got}")
        print(json.dumps({"right": right, "wrong": wrong[:3]}), flush=True)


def told(children):
    all_ = [json.loads(c.stdout.readline() or '{"right": 0, "wrong": ["ended"]}') for c in children]
    h.eq([w for a in all_ for w in a["wrong"]], [])
    return sum(a["right"] for a in all_)


# -- what they see ----------------------------------------------------------------------------------

def test_ten_thousand_agents_over_fifty_connections():
    files(AGENTS + 500)
    w = h.Weir(pg, pool=f"transaction size {SERVERS} wait 60s", start=False)
    text = open(w.conf_path).read().replace("limit connections 500", f"limit connections {AGENTS + 100}")
    open(w.conf_path, "w").write(text)
    w.start()
    conninfos = json.dumps([w.conninfo(u) for u in h.KEYS])
    each = AGENTS // CLIENT_PROCESSES
    began = time.monotonic()
    children = [h.spawn([sys.executable, __file__, "agents", str(1 + i * each), str(1 + (i + 1) * each)],
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                        env=dict(os.environ, CONNINFOS=conninfos)) for i in range(CLIENT_PROCESSES)]
    h.eq(told(children), AGENTS)
    print(f"# {AGENTS} logged in after {time.monotonic() - began:.1f} s", flush=True)
    most = 0
    for _ in range(2):
        for c in children:
            c.stdin.write("go\n")
            c.stdin.flush()
        while any(not c.poll() and not ready(c) for c in children):
            most = max(most, int(pg.super("select count(*) from pg_stat_activity where usename = 'app' and "
                                          "application_name ~ '^({})'".format("|".join(h.KEYS)))))
        h.eq(told(children), AGENTS)
    h.check(SERVERS // 2 <= most <= SERVERS, f"{most} server connections")
    pool = w.cli("pools", "--json", "--as", "ana", "-c", w.conf_path, user="ana").json()["pools"][0]
    print(f"# {pool}, rss {rss(w.p.pid)} KiB", flush=True)
    for c in children:
        c.stdin.close()
        h.eq(c.wait(60), 0)
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def ready(child):
    import select
    return bool(select.select([child.stdout], [], [], 0.02)[0])


def rss(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


if sys.argv[1:2] == ["agents"]:
    agents(int(sys.argv[2]), int(sys.argv[3]), json.loads(os.environ["CONNINFOS"]))
else:
    h.main(test_ten_thousand_agents_over_fifty_connections, setup=setup)
