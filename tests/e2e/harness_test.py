#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The harness itself: PostgreSQL comes up in each way the tests need, clients work directly."""
import os, signal, subprocess, sys, time

import harness as h


def test_postgres_with_scram():
    pg = h.Postgres(sql="create table t (a int); insert into t values (7)")
    h.eq(pg.query("select a from t"), "7")
    h.eq(pg.super("select rolsuper from pg_roles where rolname = 'app'"), "f")
    pg.stop()
    h.check(not h.listening(pg.port), "still listens")


def test_postgres_with_tls_and_md5():
    pg = h.Postgres(auth="md5", tls=True)
    h.eq(pg.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()"), "t")
    h.has(pg.super("select rolpassword from pg_authid where rolname = 'app'"), "md5")
    pg.stop()


def test_nothing_outlives_a_killed_test():
    child = subprocess.Popen([sys.executable, "-c", "import harness as h, time\n"
                              "pg = h.Postgres()\nprint(pg.port, h.tmp(), flush=True)\ntime.sleep(60)"],
                             cwd=os.path.dirname(os.path.abspath(__file__)), stdout=subprocess.PIPE)
    port, folder = child.stdout.readline().decode().split()
    h.check(h.listening(int(port)), "up")
    child.send_signal(signal.SIGKILL)
    child.wait()
    h.wait_for(lambda: not h.listening(int(port)), 10, "PostgreSQL ended with its test")
    h.run(["rm", "-rf", folder])


def test_background_client():
    pg = h.Postgres()
    b = h.Background(h.psql_argv(pg.port, "app", "orders", "select 'x' || 'y', pg_sleep(0.1)"),
                     env={"PGPASSWORD": "app-secret"})
    h.has(b.saw("xy"), "xy")
    h.eq(b.wait().code, 0)
    pg.stop()


def test_psycopg():
    try:
        import psycopg
    except ImportError:
        raise h.Skip("no python3-psycopg")
    pg = h.Postgres(auth="password")
    with psycopg.connect(f"host=127.0.0.1 port={pg.port} user=app password=app-secret "
                         "dbname=orders") as c:
        h.eq(c.execute("select %s::int + 1", (41,)).fetchone(), (42,))
    pg.stop()


def test_node_pg():
    pg = h.Postgres()
    r = h.node("query.js", f"postgres://app:app-secret@127.0.0.1:{pg.port}/orders",
               "select $1::int + 1 as n", 41)
    h.eq(r.code, 0, repr(r))
    h.eq(r.json(), [{"n": 42}])
    pg.stop()


if __name__ == "__main__":
    h.main(test_postgres_with_scram, test_postgres_with_tls_and_md5,
           test_nothing_outlives_a_killed_test, test_background_client, test_psycopg, test_node_pg)
