#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""PostgreSQL's regression SQL with psql, once directly and once through the gateway, which with
`default allow` and no masks must make no difference.

  tests/regress/regress_test.py [--names] [--all | NAME ...]

Without names: the subset that `ninja test` runs. --all: every file of the schedule (ninja regress).
--names: under a policy that reads names, so that the gateway asks the server for its search path.
Each side has a fresh server of its own, with databases of the same name; the files run in the order
of the schedule, the two sides at the same time. What may differ is in differences.txt, with its
reason; anything else fails, and so does an entry that is no longer true. Outputs stay in
build/regress/out."""
import difflib, os, re, shutil, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
import harness as h
import source

SETTINGS = {"autovacuum": "off", "max_prepared_transactions": "2", "lc_messages": "C",
            "shared_buffers": "128MB", "max_connections": "30", "full_page_writes": "off",
            "jit": "off"}
CONF = """listen postgres 127.0.0.1:{{port}}
policy "{{policy}}"
state "{{state}}"
tls off
target regression
  protocol postgres
  address 127.0.0.1:{{pg}}
  database regression
  login "postgres" password "pw"
  tls off
principal postgres kind human key "pw"
"""


PLAIN = "policy p\ndefault allow\n"
NAMES = 'policy p\ndefault allow\nallow some do sql.select when table in {"no.such"}\n'


def subset():
    with open(f"{HERE}/subset.txt") as f:
        return [x for line in f for x in line.split("#")[0].split()]


def known():
    """{test: [(kind, pattern, reason)]} of differences.txt."""
    found = {}
    with open(f"{HERE}/differences.txt") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, lines, reason = line.rstrip("\n").split(None, 2)
                found[name] = (int(lines), reason)
    return found


class Side:
    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.out = f"{source.FOLDER}/out/{name}"
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)
        self.pg = h.Postgres(database="regression", settings=SETTINGS)
        self.pg.super("drop database regression", db="postgres")
        self.pg.super("create database regression template template0", db="postgres")
        for s in ("lc_messages", "lc_monetary", "lc_numeric", "lc_time"):
            self.pg.super(f"alter database regression set {s} to 'C'", db="postgres")
        self.pg.super("alter database regression set bytea_output to hex", db="postgres")
        self.pg.super("alter database regression set timezone_abbreviations to 'Default'",
                      db="postgres")
        self.port = self.pg.port
        os.mkdir(f"{self.pg.dir}/results")  # written to by the server and by psql
        os.chmod(f"{self.pg.dir}/results", 0o777)

    def run(self, test):
        # Both sides see the same paths: files that tests write are under a link of the side's.
        env = dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER="postgres",
                   PGPASSWORD="pw", PGDATABASE="regression", PGTZ="PST8PDT",
                   PGDATESTYLE="Postgres, MDY", PGOPTIONS="-c intervalstyle=postgres_verbose",
                   PG_ABS_SRCDIR=self.folder, PG_ABS_BUILDDIR=self.pg.dir, PG_LIBDIR=self.folder,
                   PG_DLSUFFIX=".so", LC_MESSAGES="C", LC_ALL="C", PGAPPNAME=f"pg_regress/{test}",
                   PGCONNECT_TIMEOUT="20")
        with open(f"{self.folder}/sql/{test}.sql") as sql, \
                open(f"{self.out}/{test}.out", "w") as out:
            p = subprocess.run([h.pg_bin("psql"), "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on",
                                "-v", "HIDE_TOAST_COMPRESSION=on"], stdin=sql, stdout=out,
                               stderr=subprocess.STDOUT, env=env, timeout=300)
            out.write(f"-- psql exits with {p.returncode}\n")

    def run_all(self, tests):
        self.seconds = {}
        for t in tests:
            start = time.monotonic()
            try:
                self.run(t)
            except subprocess.TimeoutExpired:
                with open(f"{self.out}/{t}.out", "a") as f:
                    f.write("-- no end\n")
            self.seconds[t] = time.monotonic() - start

    def output(self, test):
        with open(f"{self.out}/{test}.out", errors="replace") as f:
            text = f.read()
        text = text.replace(self.pg.dir, "BUILD")
        return re.sub(r"\bport \d+", "port", text).splitlines()


def gateway(side, names):
    # Thousands of records, each durable before its statement runs: not what is tested here.
    state = tempfile.mkdtemp(prefix="weir-regress-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    h.on_exit(lambda: shutil.rmtree(state, ignore_errors=True))
    w = h.Weir(side.pg, policy=NAMES if names else PLAIN, conf=CONF.format(), state=f"{state}/state")
    side.port = w.port
    return w


def compare(a, b):
    """Lines that differ."""
    return [x for x in difflib.unified_diff(a, b, "direct", "gateway", lineterm="", n=1)]


def main():
    args = [a for a in sys.argv[1:] if a != "--names"]
    names = "--names" in sys.argv
    try:
        folder = source.get()
    except source.Unavailable as e:
        print(f"1..1\nnot ok 1 - PostgreSQL's regression SQL is there\n# {e}".replace("\n#", "\n# "))
        return 1
    order = source.schedule(folder)
    chosen = order if args == ["--all"] else args or subset()
    tests = [t for t in order if t in chosen or t == "test_setup"]
    sides = [Side("direct", folder), Side("gateway", folder)]
    w = gateway(sides[1], names)
    threads = [threading.Thread(target=s.run_all, args=(tests,)) for s in sides]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"1..{len(tests)}")
    failed, expected = 0, known()
    for i, t in enumerate(tests, 1):
        diff = compare(sides[0].output(t), sides[1].output(t))
        changed = sum(x[:1] in "+-" and x[:3] not in ("---", "+++") for x in diff)
        with open(f"{source.FOLDER}/out/{t}.diff", "w") as f:
            f.write("\n".join(diff) + "\n")
        want, reason = expected.get(t, (0, ""))
        ok = changed == want
        took = f"{sides[0].seconds[t]:.2f} s, {sides[1].seconds[t]:.2f} s"
        print(f"{'' if ok else 'not '}ok {i} - {t} {took}" + (f": {want} lines, {reason}" if want else ""))
        if not ok:
            failed += 1
            print(f"# {changed} lines differ, {want} may")
            print("\n".join("# " + x for x in diff[:40]), flush=True)
    h.eq(w.stop(), 0, "exit of the gateway")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
