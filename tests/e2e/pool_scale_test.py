#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`pool transaction` with many clients at a time: pgbench, clients that check each answer, and a
thousand connections over ten."""
import os, random, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

BACKEND = "select pg_backend_pid()"
pg = weir = None


def setup():
    global pg, weir, psycopg
    import psycopg
    pg = h.Postgres(sql="create table t (id int primary key, note text);"
                        "insert into t select i, 'note ' || i from generate_series(1, 1000) i")
    weir = h.Weir(pg, pool="transaction size 4 wait 10s", extra="limit workers 2\n")


def connect(user="planner-7", w=None, **kw):
    return psycopg.connect((w or weir).conninfo(user), autocommit=True, **kw)


def one(c, sql, *args):
    return c.execute(sql, args or None).fetchone()[0]


def test_pgbench():
    for mode in ("simple", "extended", "prepared"):
        script = f"{h.tmp()}/{mode}.sql"
        with open(script, "w") as f:
            # Prepared, pgbench waits for one client's Parse while others are in transactions.
            begin, commit = ("begin;\n", "commit;\n") if mode != "prepared" else ("", "")
            f.write(f"\\set id random(1, 1000)\n{begin}select note from t where id = :id;\n"
                    f"update t set note = 'x' where id = :id + 5000;\n{commit}select :id + 1;\n")
        r = h.run([h.pg_bin("pgbench"), "-n", "-M", mode, "-f", script, "-c", "20", "-j", "2", "-t", "20",
                   f"host=127.0.0.1 port={weir.port} user=ana dbname=orders"],
                  env={"PGPASSWORD": "k-ana"})
        h.has(r.out, "number of transactions actually processed: 400/400")
        h.eq(r.code, 0, repr(r))


def session(w, n, until, problems):
    """One client that does a bit of everything, and knows what must come back."""
    rnd = random.Random(n)
    user = list(h.KEYS)[n % 4]
    zone = ("Asia/Tokyo", "America/New_York", "Europe/Rome", "UTC")[n // 4 % 4]
    try:
        c = connect(user, w=w, application_name=f"s{n}", prepare_threshold=2)
        c.execute(f"set timezone = '{zone}'")
        while time.monotonic() < until:
            k = rnd.randrange(7)
            if k == 0:
                h.eq(one(c, f"select 'q{n}'"), f"q{n}")
            elif k == 1:
                h.eq(one(c, "select %s::int * 2", n), n * 2)
            elif k == 2:
                h.eq(one(c, f"select 'own {n}' || %s", n), f"own {n}{n}")
            elif k == 3:
                with c.transaction():
                    p = one(c, BACKEND)
                    h.eq(one(c, "show application_name"), f"{user}/s{n}")
                    h.eq(one(c, BACKEND), p)
            elif k == 4:
                h.eq(one(c, "show timezone"), zone)
            elif k == 5:
                try:
                    c.execute(f"select {n} / 0")
                    h.check(False, "no error")
                except psycopg.errors.DivisionByZero:
                    pass
            else:
                with c.pipeline():
                    all_ = [c.execute("select %s::text || %s", (n, i)) for i in range(4)]
                h.eq([x.fetchone()[0] for x in all_], [f"{n}{i}" for i in range(4)])
        c.close()
    except BaseException as e:
        problems.append(f"session {n}: {type(e).__name__} {e}")


def test_nobody_gets_what_is_anothers():
    w = h.Weir(pg, pool="transaction size 4 wait 20s max-prepared 5", extra="limit workers 2\n")
    problems, until = [], time.monotonic() + 4
    threads = [threading.Thread(target=session, args=(w, n, until, problems)) for n in range(24)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    h.eq(problems, [])
    w.kill()


def test_a_thousand_clients_over_ten_connections():
    w = h.Weir(pg, pool="transaction size 10 wait 30s", extra="limit workers 2\n",
               conf=None)
    w.stop()
    text = open(w.conf_path).read().replace("limit connections 500", "limit connections 1100")
    open(w.conf_path, "w").write(text)
    w.start()
    clients = [connect(w=w) for _ in range(1000)]
    for c in clients:
        c.pgconn.send_query(b"select pg_sleep(0.001), 'answer'")
    most = 0
    for i, c in enumerate(clients):
        h.eq(c.pgconn.get_result().get_value(0, 1), b"answer")
        while c.pgconn.get_result():
            pass
        if i % 100 == 0:
            most = max(most, int(pg.super("select count(*) from pg_stat_activity where "
                                          "application_name like 'planner-7%'")))
    h.check(1 <= most <= 10, f"{most} server connections")
    for c in clients:
        c.close()
    w.kill()


h.main(*(f for n, f in list(globals().items()) if n.startswith("test_")), setup=setup)
