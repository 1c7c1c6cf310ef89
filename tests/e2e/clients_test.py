#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real clients: each program does what its driver can and prints what it sees. Directly and through
the gateway (default allow, no masks) the output must be the same. Then pg_dump, pg_restore and
sqlsmith."""
import difflib, os, re, subprocess, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

here = f"{os.path.dirname(os.path.abspath(__file__))}/clients"
SQL = """
create table orders (id int primary key, note text, amount numeric, at timestamptz default 'epoch');
insert into orders select i, 'note ' || i, i * 1.5 from generate_series(1, 100) i;
create view cheap as select id, note from orders where amount < 10;
create sequence numbers start 7;
create type mood as enum ('fine', 'so so');
create domain positive as int check (value > 0);
create table parts (id positive, m mood, doc jsonb, raw bytea, tags text[]) partition by range (id);
create table parts_1 partition of parts for values from (1) to (100);
create table parts_2 partition of parts for values from (100) to (1000);
insert into parts select i, 'fine', json_build_object('n', i), decode(lpad(to_hex(i), 8, '0'), 'hex'),
  array['a', 'tab' || chr(9), 'quote'''] from generate_series(1, 300) i;
create function twice(a int) returns int language sql immutable as 'select a * 2';
create function log_it() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger t before insert on orders for each row execute function log_it();
create index on orders (lower(note)) where amount > 3;
create materialized view summed as select count(*) n from orders;
comment on table orders is 'with a "comment" and an ''apostrophe''';
create rule r as on insert to cheap do instead nothing;
select lo_from_bytea(815, '\\x0102030405');
"""
POLICY = "policy p\ndefault allow\n"
CONF = """listen postgres 127.0.0.1:{port}
policy "{policy}"
state "{state}"
tls off
target orders
  protocol postgres
  address 127.0.0.1:{pg}
  database orders
  login "app" password "app-secret"
  tls off
  {pool}
target copy
  protocol postgres
  address 127.0.0.1:{pg}
  database copy
  login "app" password "app-secret"
  tls off
  {pool}
"""
POOL = os.environ.get("CLIENTS_POOL", "pool none")
SHARED = {"CLIENTS_SHARED": "1"} if "transaction" in POOL else {}
FOLDER = h.pg18() if os.environ.get("CLIENTS_SERVER") == "18" else None
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL, settings={"autovacuum": "off"}, folder=FOLDER)
    pg.super("create database copy owner app", db="postgres")
    weir = h.Weir(pg, policy=POLICY, conf=CONF.replace("{pool}", POOL) + h.PRINCIPALS)


SIDES = (("app", "app-secret"), ("planner-7", "k-planner"))


def both(argv, env=None, timeout=120):
    """argv(port, user, password) run both ways at once; compares what they print."""
    ways = list(zip((pg.port, weir.port), SIDES))
    got = [None, None]

    def go(i, port, user, password):
        try:
            got[i] = h.run(argv(port, user, password), env={**SHARED, **(env or {})}, timeout=timeout)
        except h.Failure as e:
            got[i] = h.Result(-1, "", str(e))
    threads = [threading.Thread(target=go, args=(i, port, *who)) for i, (port, who) in enumerate(ways)]
    for t in threads:
        t.start()
        if SHARED: # what they make is not temporary: one after the other
            t.join()
            pg.query("drop table if exists t, u")
    for t in threads:
        t.join()
    direct, through = (mask(r.out + "\n" + r.err).splitlines() for r in got)
    h.eq(got[0].code, 0, f"exit of the direct run: {got[0]!r}")
    diff = list(difflib.unified_diff(direct, through, "direct", "gateway", lineterm="", n=2))
    h.check(not diff and got[1].code == 0, f"exit {got[1].code}\n" + "\n".join(diff[:60]))
    h.check(len(direct) > 10, f"it prints nothing:\n{direct}")


def mask(text):
    """What differs between two runs of one program as well: numbers, and whether psycopg is quick enough to
    meet an aborted pipeline when it leaves it."""
    text = re.sub(r"^error ignored terminating .*\n?", "", text, flags=re.M)
    text = re.sub(r"(?<=port[ =])\d+|(?<=127\.0\.0\.1:)\d+", "PORT", text).replace("planner-7", "app")
    return re.sub(r"pg_(toast_)?temp_\d+|at 0x[0-9a-f]+", "X", text)


def need(path, package):
    if not os.path.exists(path):
        raise h.Skip(f"no {path}: install {package} (./configure --install)")


def build(argv, env=None, cwd=None):
    r = h.run(argv, env=env, cwd=cwd, timeout=180)
    h.check(r.code == 0, f"{argv[0]}: {r!r}")


def test_libpq():
    out = f"{h.tmp()}/client"
    build(["gcc", "-O1", "-Wall", "-I/usr/include/postgresql", "-o", out, f"{here}/client.c", "-lpq"])
    both(lambda port, user, password: [out, f"host=127.0.0.1 port={port} user={user} "
                                       f"password={password} dbname=orders"])


def test_psycopg():
    both(lambda port, user, password: ["/usr/bin/python3", f"{here}/psycopg_client.py", "127.0.0.1",
                                       str(port), user, password, "orders"])


def test_psycopg2():
    both(lambda port, user, password: ["/usr/bin/python3", f"{here}/psycopg2_client.py", "127.0.0.1",
                                       str(port), user, password, "orders"])


def test_psql():
    """Its own commands, a cursor, COPY, an error in a transaction."""
    script = "\\d orders\n\\dt\n\\df twice\n\\set FETCH_COUNT 7\nselect id from orders limit 20;\n" \
             "set extra_float_digits = 0; set search_path = pg_catalog;\nselect 0.1::float8 + 0.2;\n" \
             "show search_path;\nreset all;\nbegin;\nselect 1/0;\nselect 1;\nrollback;\n" \
             "\\copy (select * from orders limit 3) to stdout\n\\x\nselect * from orders limit 1;\n"
    path = f"{h.tmp()}/script.sql"
    with open(path, "w") as f:
        f.write(script)
    both(lambda port, user, password: [h.pg_bin("psql"), "-X", "-f", path, f"host=127.0.0.1 port={port} "
                                       f"user={user} password={password} dbname=orders"])


def test_node_pg():
    modules = h.node_modules()
    both(lambda port, user, password: ["node", f"{here}/pg_client.js", "127.0.0.1", str(port), user,
                                       password, "orders"], env={"NODE_PATH": modules})


def test_node_postgres_js():
    modules = h.node_modules()
    both(lambda port, user, password: ["node", f"{here}/postgres_client.js", "127.0.0.1", str(port),
                                       user, password, "orders"], env={"NODE_PATH": modules})


def test_jdbc():
    jar = "/usr/share/java/postgresql.jar"
    need(jar, "libpostgresql-jdbc-java")
    build(["javac", "-cp", jar, "-d", h.tmp(), f"{here}/Client.java"])
    both(lambda port, user, password: ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp",
                                       f"{jar}:{h.tmp()}", "Client",
                                       f"jdbc:postgresql://127.0.0.1:{port}/orders", user, password])


def test_go_pgx_and_pq():
    go = "/usr/lib/go-1.19/bin/go"
    need(go, "golang-1.19-go")
    out = f"{h.tmp()}/pgx_client"
    build([go, "build", "-o", out, f"{here}/pgx_client.go"], cwd=h.tmp(),
          env={"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "HOME": h.tmp(),
               "GOCACHE": f"{h.ROOT}/build/gocache", "GOFLAGS": "-p=2"})
    both(lambda port, user, password: [out, f"postgres://{user}:{password}@127.0.0.1:{port}/orders"
                                       "?sslmode=disable"])


# -- pg_dump ---------------------------------------------------------------------------------------

def dump(gateway, db, *options):
    """The dump by a pg_dump of the server's own version."""
    port, (user, key) = (weir.port, SIDES[1]) if gateway else (pg.port, SIDES[0])
    if FOLDER:
        r = h.node("pg_dump18.js", "127.0.0.1", port,
                   f"host=127.0.0.1 user={user} password={key} dbname={db}", *options)
    else:
        r = h.run([h.pg_bin("pg_dump"), "-h", "127.0.0.1", "-p", str(port), "-U", user, *options, db],
                  env={"PGPASSWORD": key})
    h.eq((r.code, r.err), (0, ""), repr(r))
    return "\n".join(x for x in r.out.splitlines() if not x.startswith(("\\restrict", "\\unrestrict")))


def test_dump_is_the_same():
    for options in ((), ("--inserts", "--rows-per-insert=7"), ("--schema-only",), ("-t", "parts*")):
        want, got = dump(False, "orders", *options), dump(True, "orders", *options)
        h.eq(got, want, f"pg_dump {options}")
        h.check("CREATE TABLE" in want, "nothing is dumped")
        if FOLDER:
            h.has(want, "Dumped by pg_dump version 18")


def empty_copy():
    pg.super("drop database copy with (force)", db="postgres") # the pool may keep connections to it
    pg.super("create database copy owner app", db="postgres")


def test_dump_and_restore():
    for form in ("c", "d"):
        at = f"{h.tmp()}/dump.{form}"
        dump(True, "orders", f"-F{form}", "-f", at, *(("-j", "3") if form == "d" else ()))
        restore(True, "-j", "2", at)
        h.eq(dump(False, "copy"), dump(False, "orders"), f"what came back by -F{form}")


def restore(gateway, *options):
    empty_copy()
    port, (user, key) = (weir.port, SIDES[1]) if gateway else (pg.port, SIDES[0])
    r = h.run([h.pg_bin("pg_restore"), "-h", "127.0.0.1", "-p", str(port), "-U", user, "-d", "copy",
               "--no-owner", *options], env={"PGPASSWORD": key})
    h.eq((r.code, r.err), (0, ""), repr(r))


def test_dump_18_and_restore():
    """SQL of 18's pg_dump goes back by psql; the pg_restore at hand is of 15, and so is what it reads."""
    empty_copy()
    r = h.run(h.psql_argv(weir.port, "planner-7", "copy", options=("-f", "-")), input=dump(True, "orders"),
              env={"PGPASSWORD": "k-planner"})
    h.eq((r.code, r.err), (0, ""), repr(r))
    h.eq(dump(False, "copy"), dump(False, "orders"), "what came back from SQL")

    old, at, found = h.Postgres(sql=SQL), f"{h.tmp()}/dump.15", []
    r = h.run([h.pg_bin("pg_dump"), "-h", "127.0.0.1", "-p", str(old.port), "-U", "app", "-Fc", "-f", at,
               "orders"], env={"PGPASSWORD": "app-secret"})
    h.eq((r.code, r.err), (0, ""), repr(r))
    for gateway in (False, True):
        restore(gateway, "-j", "2", at)
        found.append(dump(False, "copy"))
    h.eq(found[1], found[0], "what pg_restore put back")
    h.has(found[1], "CREATE TABLE public.parts_2")


# -- load ------------------------------------------------------------------------------------------

def test_pgbench():
    h.check(h.run([h.pg_bin("pgbench"), "-i", "-q", "-h", "127.0.0.1", "-p", str(weir.port), "-U",
                   "planner-7", "copy"], env={"PGPASSWORD": "k-planner"}).code == 0, "pgbench -i")
    for mode in ("simple", "extended", "prepared"):
        r = h.run([h.pg_bin("pgbench"), "-n", "-M", mode, "-c", "4", "-t", "50", "-h", "127.0.0.1",
                   "-p", str(weir.port), "-U", "planner-7", "copy"], env={"PGPASSWORD": "k-planner"})
        h.has(r.out, "number of transactions actually processed: 200/200")


def test_sqlsmith():
    """Random statements, most of which fail; the same seed gives the same both ways."""
    need("/usr/bin/sqlsmith", "sqlsmith")
    both(lambda port, user, password: [
        "/usr/bin/sqlsmith", "--seed=7", "--max-queries=150", "--dump-all-queries", "--target="
        f"host=127.0.0.1 port={port} user={user} password={password} dbname=orders "
        "options='-c statement_timeout=1s'"], timeout=100)
    h.lacks(weir.log(), "protocol violation", "lineage")


ARCHIVES = test_dump_and_restore, test_dump_18_and_restore
h.main(*[f for n, f in list(globals().items()) if n.startswith("test_") and f is not ARCHIVES[not FOLDER]],
       setup=setup)
