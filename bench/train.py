#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plays what a gateway does all day to an instrumented binary, for packaging/release.sh.

  bench/train.py BINARY

The samples of the benchmark against the canned server, then real clients against a real PostgreSQL:
the extended protocol, prepared statements, transactions, COPY, refusals. Whatever does not occur
here is compiled as without a profile. The binary writes its profile when it ends."""
import sys

import stage
from stage import h

# A row's code runs thousands of times as often as a query's: long enough to be seen, too short to make
# everything else look cold.
SECONDS = {"query": 1.0, "MB": 0.1}
REFUSED = "update bench_point set name = 'x'"  # no WHERE: the rule `unbounded-write`
SCRIPT = r"""\set n random(1, 1000)
begin;
select id, name from bench_point where id = :n;
update bench_point set name = 'x' where id = :n;
insert into bench_point values (2000 + :n, 'y') on conflict do nothing;
end;
"""


def play(proxy, *options):
    """Nothing is measured: a machine that is too busy for one answer in time has run the code all the same."""
    load = stage.Load(proxy.dsn, *options)
    load.go()
    h.eq(load.result()["errors"], 0)
    load.end()


def canned(up):
    for name in stage.POLICIES:
        proxy = stage.start_weir(name, up)
        for connections, sql, unit in stage.SAMPLES.values():
            play(proxy, "-c", connections, "--seconds", SECONDS[unit], "--sql", sql)
        play(proxy, "--cycles", 200, "--sql", stage.POINT)
        h.check(h.end(proxy.p) in (0, None), f"{name} did not end by itself")


def clients(real):
    script = f"{h.tmp()}/train.sql"
    with open(script, "w") as f:
        f.write(SCRIPT)
    proxy = stage.start_weir("weir-mask-inplace", real)
    for mode in ("simple", "extended", "prepared"):
        r = h.run([h.pg_bin("pgbench"), "-n", "-M", mode, "-c", "4", "-T", "1", "-f", script, proxy.dsn],
                  timeout=60)
        h.eq(r.code, 0, r.err)
    for sql in (REFUSED, "copy (select * from bench_rows limit 20000) to stdout",
                "select count(*) from bench_rows", "select card from bench_rows limit 1000"):
        for _ in range(20):
            r = h.run([h.pg_bin("psql"), "-XqAt", "-c", sql, proxy.dsn], timeout=60)
            h.eq(r.code == 0, sql != REFUSED, r.err)
    h.end(proxy.p)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    h.WEIR = sys.argv[1]
    real = h.Postgres(sql=stage.TABLES, settings={"max_connections": "100"})
    canned(stage.start_blast(real))
    clients(real)
    print("train.py: the profile is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
