#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Limits and losses: connections that run out, logins that never end, messages that are too large,
readers that are slow, and peers that are killed. Whoever is not to blame notices nothing."""
import glob, os, resource, signal, socket, struct, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
SQL = f"""
create table t (a int);
insert into t values (1);
create table cards (id int primary key, pan text not null);
insert into cards select i, '{SECRET}' from generate_series(1, 3) i;
"""
POLICY = """
policy p
data card = column public.cards.pan
default allow
mask card with last(4)
"""
IDLE = 2000
STARTUP = b"user\0planner-7\0database\0orders\0\0"
STARTUP = struct.pack(">II", len(STARTUP) + 8, 196608) + STARTUP
pg = None


def setup():
    global pg
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pg = h.Postgres(sql=SQL, settings={"max_connections": "120"})


def gateway(limits="", **kw):
    """Limits of the usual configuration, and of this test."""
    w = h.Weir(pg, policy=POLICY, start=False, **kw)
    with open(w.conf_path) as f:
        text = f.read()
    for line in limits.splitlines():
        if line.startswith("limit connections"):
            text = text.replace("limit connections 500\n", "")
    with open(w.conf_path, "w") as f:
        f.write(text + limits)
    return w.start()


def ok(w):
    r = w.psql("select a from t")
    h.eq(r.out, "1", repr(r))


def status(w, name):
    """A number of /proc/PID/status, in kB."""
    with open(f"/proc/{w.p.pid}/status") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1])
    raise h.Failure(f"no {name}")


def files(w):
    return len(os.listdir(f"/proc/{w.p.pid}/fd"))


def settled(w, base, seconds=15):
    h.wait_for(lambda: files(w) <= base, seconds, f"descriptors back to {base}")


def active(sql):
    return int(pg.super("select count(*) from pg_stat_activity where state = 'active' and "
                        f"pid <> pg_backend_pid() and query like '%{sql}%'"))


# -- connections and logins ------------------------------------------------------------------------

def test_the_limit_of_connections_is_of_all_workers():
    """The kernel deals connections out unevenly: one worker may have all of them."""
    w = gateway("limit workers 4\nlimit connections 12\n")
    ok(w)
    time.sleep(0.2)
    idle = files(w)
    for _ in range(3):
        settled(w, idle)
        open_ones = [psycopg.connect(w.conninfo()) for _ in range(12)]
        try:
            psycopg.connect(w.conninfo())
            raise h.Failure("a thirteenth")
        except psycopg.OperationalError as e:
            h.has(str(e), "no connection left")
        for c in open_ones:
            c.close()
    w.kill()


def test_connections_run_out():
    w = gateway("limit workers 1\nlimit connections 3\n")
    open_ones = [psycopg.connect(w.conninfo()) for _ in range(3)]
    for mode in ("disable", "prefer"):
        r = h.run(h.psql_argv(w.port, "planner-7", "orders", "select 1", conn=f"sslmode={mode}"),
                  env={"PGPASSWORD": "k-planner"})
        h.eq(r.code, 2, repr(r))
        h.has(r.err, "FATAL", "no connection left", '"limit connections"')
    with socket.create_connection(("127.0.0.1", w.port)) as s:
        s.sendall(STARTUP)
        h.has(until_closed(s).decode("latin1"), "53300")
    # A running query can be cancelled all the same: the request is a connection of its own.
    threading.Timer(0.3, open_ones[0].cancel).start()
    try:
        open_ones[0].execute("select pg_sleep(20)")
        raise h.Failure("not cancelled")
    except psycopg.errors.QueryCanceled:
        open_ones[0].rollback()
    # More than there is room to refuse in: no harm to those who are in.
    crowd = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(100)]
    h.has(until_closed(crowd[-1]).decode("latin1"), "53300")
    for s in crowd:
        s.close()
    for c in open_ones:
        h.eq(c.execute("select a from t").fetchone(), (1,))
    open_ones.pop().close()
    h.wait_for(lambda: w.psql("select a from t").out == "1", 5, "a freed connection serves again")


def test_a_small_limit_of_open_files_shrinks_the_default():
    w = h.Weir(pg, policy=POLICY, start=False)
    with open(w.conf_path) as f:
        text = f.read().replace("limit connections 500\n", "")
    with open(w.conf_path, "w") as f:
        f.write(text)
    log = open(f"{w.dir}/log", "ab")
    # prlimit lowers the hard limit for the gateway alone; root could raise it again.
    drop = (["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
            if os.geteuid() == 0 else [])
    w.p = h.spawn([*drop, "prlimit", "--nofile=1024:1024", h.WEIR, "run", "-c", w.conf_path],
                  stdout=log, stderr=log)
    h.wait_for(lambda: h.listening(w.port) or w.p.poll() is not None, 30, "weir run listens")
    h.check(w.p.poll() is None, w.log())
    h.has(w.log(), "limit connections is", "not 10000", "LimitNOFILE=", "may open only 1024 files")
    ok(w)
    h.eq(w.stop(), 0)


def until_closed(s, seconds=15):
    s.settimeout(seconds)
    got = b""
    try:
        while part := s.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return got


def test_a_login_that_never_ends():
    w = gateway("limit login 1s\n")
    ok(w)
    base = files(w)
    half = struct.pack(">II", 30, 196608) + b"user\0plan"
    silent = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(5)]
    halves = [socket.create_connection(("127.0.0.1", w.port)) for _ in range(5)]
    for s in halves:
        s.sendall(half)
    began = time.monotonic()
    ok(w)
    for s in silent + halves:
        h.has(until_closed(s).decode("latin1"), "WEIR-LOGIN-TIMEOUT")
        s.close()
    h.check(time.monotonic() - began < 5, "far longer than the limit")
    settled(w, base)
    # A session that got in is not bound by it.
    with psycopg.connect(w.conninfo()) as c:
        h.wait_for(lambda: time.monotonic() - began > 3, 5)
        h.eq(c.execute("select a from t").fetchone(), (1,))


# -- messages --------------------------------------------------------------------------------------

def test_a_message_that_is_too_large():
    w = gateway("limit message 1MiB\n")
    neighbour = psycopg.connect(w.conninfo(), autocommit=True)
    c = psycopg.connect(w.conninfo(), autocommit=True)
    h.eq(c.execute("select length(%s::text)", ("x" * 900_000,)).fetchone(), (900_000,))
    try:
        c.execute("select length('" + "x" * 2_000_000 + "')")
        raise h.Failure("2 MB passed a limit of 1 MiB")
    except psycopg.Error as e:
        h.check(e.sqlstate == "54000" or "WEIR-TOO-LARGE" in str(e), f"{e.sqlstate}: {e}")
        h.lacks(str(e), "xxxxxxxx")
    h.eq(neighbour.execute("select a from t").fetchone(), (1,))
    # A row with a masked column is held whole; one without passes whatever its size.
    h.eq(neighbour.execute("select length(b) from (select repeat('x', 40000000) b) x").fetchone(),
         (40_000_000,))
    big = neighbour.execute("select repeat('x', 40000000)").fetchone()
    h.eq(len(big[0]), 40_000_000)
    c = psycopg.connect(w.conninfo(), autocommit=True)
    try:
        c.execute("select pan, repeat('x', 20000000) from cards")
        raise h.Failure("a masked row of 20 MB passed")
    except psycopg.Error as e:
        h.eq(e.sqlstate, "54000")
        h.has(str(e), "WEIR-TOO-LARGE", "limit message", "0 rows delivered, 1 withheld")
        h.lacks(str(e), SECRET)
    # Nothing of it is shown, and the session goes on; so it is with COPY, and where the masks make it
    # too large. What a transaction did before has failed with it, as with any error.
    h.eq(c.execute("select pan from cards").fetchone(), ("*" * 12 + SECRET[-4:],))
    try:
        sql = "copy (select pan, repeat('x', 20000000) from cards) to stdout"
        with c.cursor() as cur, cur.copy(sql) as copy:
            for row in copy:
                h.lacks(bytes(row).decode(), SECRET)
        raise h.Failure("a masked COPY row of 20 MB passed")
    except psycopg.Error as e:
        h.has(str(e), "WEIR-TOO-LARGE")
    h.eq(c.execute("select pan from cards").fetchone(), ("*" * 12 + SECRET[-4:],))
    try:
        with c.transaction():
            c.execute("insert into t values (77)")
            c.execute("select pan, repeat('x', 20000000) from cards")
        raise h.Failure("a masked row of 20 MB passed")
    except psycopg.Error as e:
        h.has(str(e), "WEIR-TOO-LARGE")
    h.eq(c.execute("select count(*) from t where a = 77").fetchone(), (0,))
    # What a message announces is not allocated.
    before = status(w, "VmRSS")
    held = []
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", w.port))
        s.sendall(struct.pack(">I", 0x7fffffff) + struct.pack(">I", 196608))
        held.append(s)
    for s in held:
        until_closed(s)
        s.close()
    h.check(status(w, "VmRSS") - before < 8192, "memory for lengths that were only announced")
    ok(w)


# -- many of them ----------------------------------------------------------------------------------

def test_idle_connections_leave_nothing_behind():
    """They stop before the password, as 2,000 servers behind them would not fit the machine."""
    w = gateway(f"limit connections {IDLE + 200}\nlimit login 10m\n")
    ok(w)
    base = files(w)
    grown = []
    for _ in range(3):
        rss = status(w, "VmRSS")
        socks = []
        for i in range(IDLE):
            s = socket.create_connection(("127.0.0.1", w.port))
            s.sendall(STARTUP)
            socks.append(s)
        for s in socks:
            s.settimeout(10)
            h.eq(s.recv(1), b"R")
        h.check(files(w) >= IDLE, "they are connected")
        ok(w)
        grown.append((status(w, "VmRSS") - rss) / IDLE)
        for s in socks:
            s.close()
        settled(w, base)
    print(f"# kB a connection, three rounds: {' '.join(f'{x:.1f}' for x in grown)}")
    h.check(grown[0] < 24, f"{grown[0]:.1f} kB for each idle connection")
    h.check(grown[-1] < max(grown[0] / 4, 1), f"it grows with each round: {grown}")
    ok(w)


def test_a_thousand_short_sessions_leave_nothing_behind():
    w = gateway()

    def round(n):
        for _ in range(n):
            c = psycopg.pq.PGconn.connect(w.conninfo().encode())
            r = c.exec_(b"select a from t")
            h.eq(r.get_value(0, 0), b"1", c.error_message)
            c.finish()

    def rounds(n):
        errors = []

        def one():
            try:
                round(n)
            except BaseException as e:
                errors.append(e)
        ts = [threading.Thread(target=one) for _ in range(4)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        h.eq(errors, [])
    rounds(50)
    time_limit = 10
    h.wait_for(lambda: active("select a") == 0, time_limit)
    ok(w)
    base, rss = files(w), status(w, "VmRSS")
    rounds(250)
    settled(w, base)
    grown = status(w, "VmRSS") - rss
    print(f"# {grown} kB more after 1,000 sessions")
    h.check(grown < 3000, f"{grown} kB more after 1,000 sessions")


# -- slow and lost peers ---------------------------------------------------------------------------

def test_a_slow_reader_gets_everything_and_costs_little():
    w = gateway()
    rows, width = 40000, 1000  # 40 MB
    ok(w)
    c = psycopg.pq.PGconn.connect(w.conninfo().encode())
    before = status(w, "VmRSS")
    c.send_query(f"select c.pan, repeat('x', {width}), i from cards c, generate_series(1, {rows}) i "
                 "where c.id = 1".encode())
    c.set_single_row_mode()
    # Nobody reads: what the gateway holds must stop growing, and the server must wait for it.
    h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where wait_event = "
                                "'ClientWrite'") == "1", 10, "the server waits for the reader")
    held = status(w, "VmRSS") - before
    ok(w)
    n = total = 0
    peak = held
    while r := c.get_result():
        if r.status == psycopg.pq.ExecStatus.SINGLE_TUPLE:
            n += 1
            total += len(r.get_value(0, 1))
            if n % 5000 == 1:
                h.eq(r.get_value(0, 0), b"*" * 12 + b"1111")
                h.eq(r.get_value(0, 2), str(n).encode())
                peak = max(peak, status(w, "VmRSS") - before)
        else:
            h.eq(r.status, psycopg.pq.ExecStatus.TUPLES_OK, c.error_message)
    c.finish()
    h.eq((n, total), (rows, rows * width))
    print(f"# {held} kB while nobody reads, at most {peak} kB, for 40 MB")
    h.check(peak < 8192, f"{peak} kB more for one reader")


def test_client_killed_mid_query():
    w = gateway()
    ok(w)
    base = files(w)
    p = w.psql_start("select pg_sleep(40)")
    h.wait_for(lambda: active("pg_sleep(40)") == 1, what="the query runs")
    p.p.kill()
    h.wait_for(lambda: active("pg_sleep(40)") == 0, 5, "the server's query is cancelled")
    settled(w, base)
    ok(w)


def test_client_killed_mid_result():
    w = gateway()
    ok(w)
    base = files(w)
    c = psycopg.pq.PGconn.connect(w.conninfo().encode())
    c.send_query(b"select repeat('y', 1000), i from generate_series(1, 10000000) i")
    h.wait_for(lambda: active("10000000") == 1, what="the query runs")
    with socket.socket(fileno=os.dup(c.socket)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A reset, as of a client whose machine says no.
        os.close(c.socket)
    h.wait_for(lambda: active("10000000") == 0, 10, "the server's query is cancelled")
    settled(w, base)
    ok(w)


def test_server_process_killed_mid_query():
    w = gateway()
    neighbour = psycopg.connect(w.conninfo(), autocommit=True)
    neighbour.execute("select 1")
    p = w.psql_start("select pg_sleep(41)", options=("-v", "VERBOSITY=verbose"))
    h.wait_for(lambda: active("pg_sleep(41)") == 1, what="the query runs")
    pg.super("select pg_terminate_backend(pid) from pg_stat_activity where query like "
             "'%pg_sleep(41)' and pid <> pg_backend_pid()")
    r = p.wait(5)
    h.has(r.err, "FATAL", "57P01")  # the server's own words
    h.eq(neighbour.execute("select a from t").fetchone(), (1,))
    neighbour.close()
    ok(w)


def test_server_killed_and_back():
    """SIGKILL of one backend: PostgreSQL drops every connection and recovers by itself."""
    w = gateway()
    ok(w)
    base = files(w)
    p = w.psql_start("select pg_sleep(42)", options=("-v", "VERBOSITY=verbose"))
    h.wait_for(lambda: active("pg_sleep(42)") == 1, what="the query runs")
    pid = pg.super("select pid from pg_stat_activity where query like '%pg_sleep(42)' and "
                   "pid <> pg_backend_pid()")
    os.kill(int(pid), signal.SIGKILL)
    r = p.wait(10)
    h.has(r.err, "FATAL", "08006", "WEIR-TARGET-GONE", "target")
    h.wait_for(lambda: w.psql("select a from t").out == "1", 20, "it works again")
    settled(w, base + 4)
    h.check(w.p.poll() is None, "the gateway ended")


def test_postgres_down_at_start():
    other = h.Postgres(sql=SQL)
    other.stop()
    w = h.Weir(other, policy=POLICY)
    r = w.psql("select a from t", timeout=20)
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "FATAL", "target")
    h.has(w.log(), "Connection refused", "target=orders")
    other.start()
    h.wait_for(lambda: w.psql("select a from t").out == "1", 20, "it works once the server is up")
    other.stop()
    r = w.psql("select a from t", timeout=20)
    h.has(r.err, "FATAL", "target")
    h.lacks(w.log(), "app-secret")
    other.start()
    h.wait_for(lambda: w.psql("select a from t").out == "1", 20, "and again")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
