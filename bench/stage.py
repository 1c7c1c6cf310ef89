# SPDX-License-Identifier: MIT
"""What is measured: the servers behind, the programs in between, and one sample of load through one
of them. Processes are started by the end-to-end harness, on loopback, on free ports, and stopped by
their process id."""
import glob, json, os, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{ROOT}/tests/e2e")
import harness as h  # noqa: E402

BIN = f"{ROOT}/build/opt/bench"
COMMITTER = "weir-audit"  # the thread that makes records durable; accounted apart

POINT = "select id, name from bench_point where id = 42"
ROWS = "select a, b, card, d, e, f from bench_rows limit %d"
# name: connections, statement, what the CPU is divided by
SAMPLES = {
    "q32": (32, POINT, "query"),
    "q1": (1, POINT, "query"),
    "rows1c": (1, ROWS % 100000, "MB"),
    "rows8c": (8, ROWS % 1000, "MB"),
}
REAL_SAMPLES = {
    "real100k": (1, ROWS % 100000, "MB"),
    "realq32": (32, POINT, "query"),
    "realq1": (1, POINT, "query"),
}
# Six text columns, 155 bytes a row on the wire: what pgblast sends.
TABLES = """
create table bench_point (id int primary key, name text);
insert into bench_point select i, 'sixteen letters.' from generate_series(1, 1000) i;
create table bench_rows (a text, b text, card text, d text, e text, f text);
insert into bench_rows select lpad(i::text, 12, 'a'), lpad(i::text, 20, 'b'),
  lpad(i::text, 16, '4'), lpad(i::text, 24, 'd'), lpad(i::text, 26, 'e'), lpad(i::text, 26, 'f')
  from generate_series(1, 100000) i;
analyze bench_point, bench_rows;
"""
POLICY = """policy bench "What an application's policy looks like"
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
%s
allow app-data "agents may read and change application data"
  who agents, dba
  do  sql.basics, sql.select, sql.insert, sql.update, sql.delete, sql.copy-out

deny unbounded-write "UPDATE or DELETE needs a real WHERE clause"
  do  sql.update, sql.delete
  when not sql.where or sql.where-constant

deny server-side "no files, programs or anonymous code"
  do  sql.file, sql.program, sql.anonymous-code, sql.unparsed

hold ddl "schema changes wait for a DBA"
  do  sql.ddl
  for 1 of dba not self  within 15m  once
%s"""
DATA = "data card = column public.bench_rows.card"
POLICIES = {
    "weir-pass": "policy pass\ndefault allow\n",
    "weir-policy": POLICY % ("", ""),
    "weir-mask-inplace": POLICY % (DATA, "mask card with last(4)"),
    "weir-mask-byrow": POLICY % (DATA, 'mask card with last(4) unless row.a starts with "b"'),
    "weir-mask-rewrite": POLICY % (DATA, 'mask card with fixed("hidden")'),
}


class Upstream:
    """Where a proxy connects to, with the names the harness gives a PostgreSQL."""
    database, login, password = "orders", "app", "app-secret"

    def __init__(self, port):
        self.port = port


class Proxy:
    def __init__(self, name, p, port, user="app", password="app-secret"):
        self.name, self.p, self.port = name, p, port
        self.dsn = (f"host=127.0.0.1 port={port} user={user} password={password} dbname=orders "
                    "sslmode=disable gssencmode=disable connect_timeout=20")
        self.weir = None


def start(argv, **kw):
    """A program that prints "port N" when it listens."""
    p = h.spawn(argv, stdout=subprocess.PIPE, text=True, **kw)
    line = p.stdout.readline().split()
    h.check(line[:1] == ["port"], f"{argv[0]} did not start")
    return p, int(line[1])


def start_blast(real):
    dsn = (f"host=127.0.0.1 port={real.port} user={real.login} password={real.password} "
           f"dbname={real.database}")
    p, port = start([f"{BIN}/pgblast", "--port", "0", "--backing", dsn])
    up = Upstream(port)
    up.p = p
    return up


def start_relay(name, up):
    return Proxy(name, *start([f"{BIN}/relay", "--port", "0", "--to", str(up.port)]))


def start_recorder(name, up):
    return Proxy(name, *start([f"{BIN}/relay", "--port", "0", "--to", str(up.port),
                               "--record", f"{h.tmp()}/{name}.records"]))


def start_forward(name, up):
    pace = ["--pace", name.split("-")[2]] if name.count("-") == 2 else []
    return Proxy(name, *start([f"{BIN}/forward", "--port", "0", "--to", str(up.port), *pace]))


def start_direct(name, up):
    return Proxy(name, up.p, up.port)


def _as_postgres():
    """haproxy does not mind root; pgbouncer refuses to run as it."""
    import pwd
    if os.geteuid() != 0:
        return {}
    u = pwd.getpwnam("postgres")
    return {"user": u.pw_uid, "group": u.pw_gid, "extra_groups": []}


def _listen(argv, port, name, **kw):
    log = open(f"{h.tmp()}/{name}.log", "ab")
    p = h.spawn(argv, stdout=log, stderr=log, **kw)

    def up():
        h.check(p.poll() is None, f"{name} ended:\n" + open(log.name, errors="replace").read())
        return h.listening(port)
    h.wait_for(up, 20, f"{name} listens")
    return Proxy(name, p, port)


def start_pgbouncer(name, up):
    port = h.free_port()
    conf, users = f"{h.tmp()}/{name}-{port}.ini", f"{h.tmp()}/{name}-{port}.txt"
    extra = "pkt_buf = 65536\n" if name.endswith("64k") else ""
    with open(users, "w") as f:
        f.write('"app" "app-secret"\n')
    with open(conf, "w") as f:
        f.write(f"[databases]\norders = host=127.0.0.1 port={up.port} dbname=orders user=app "
                f"password=app-secret\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
                f"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\n"
                "pool_mode = session\nmax_client_conn = 11000\ndefault_pool_size = 100\n"
                f"log_connections = 0\nlog_disconnections = 0\nserver_reset_query =\n{extra}")
    for f in (conf, users):
        os.chmod(f, 0o644)
    return _listen(["/usr/sbin/pgbouncer", conf], port, name, **_as_postgres())


def start_haproxy(name, up):
    port = h.free_port()
    conf = f"{h.tmp()}/{name}-{port}.cfg"
    with open(conf, "w") as f:
        f.write("global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  timeout connect 5s\n"
                "  timeout client 1h\n  timeout server 1h\n"
                f"listen pg\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:{up.port}\n")
    return _listen(["/usr/sbin/haproxy", "-db", "-f", conf], port, name)


def start_weir(name, up, pool=None):
    """One worker, as the others have one thread."""
    w = h.Weir(up, policy=POLICIES.get(name, POLICIES["weir-policy"]), pool=pool,
               extra="limit workers 1\nlimit catalog 1h\n", start=False)
    conf = open(w.conf_path).read()
    with open(w.conf_path, "w") as f:
        f.write(conf.replace("limit connections 500", "limit connections 12000"))
    w.start()
    proxy = Proxy(name, w.p, w.port, "planner-7", "k-planner")
    proxy.weir = w
    return proxy


def start_pooled(name, up):
    return start_weir(name, up, "transaction size 50")


STARTERS = {
    "direct": start_direct, "relay-A": start_relay, "relay-B": start_relay,
    "relay-record": start_recorder,
    "forward-io": start_forward, "forward-io-200": start_forward,
    **{name: start_weir for name in POLICIES}, "weir-pool": start_pooled,
    "pgbouncer": start_pgbouncer, "pgbouncer-64k": start_pgbouncer, "haproxy": start_haproxy,
}

# ---- reading the machine ---------------------------------------------------------------------------


def cpu_us(pid):
    """(CPU of all threads but the committer, CPU of the committer) in microseconds."""
    main = committer = 0
    tasks = {}
    for task in glob.glob(f"/proc/{pid}/task/*"):
        try:
            tasks[task] = open(f"{task}/comm").read().strip()
        except (FileNotFoundError, ProcessLookupError):
            pass
    # The kernel's threads that flush for it are named after the thread that asked.
    theirs = {COMMITTER} | {"iou-wrk-" + os.path.basename(t) for t, comm in tasks.items()
                            if comm == COMMITTER}
    for task, comm in tasks.items():
        try:
            us = int(open(f"{task}/schedstat").read().split()[0]) / 1000
            if comm in theirs:
                committer += us
            else:
                main += us
        except (FileNotFoundError, ProcessLookupError):
            pass
    return main, committer


def rss_kib(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Rss:"):
            return int(line.split()[1])
    return 0


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as f:
        f.write("5")


def peak_kib(pid):
    """Most resident memory since forget_peak."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def busy_s():
    """CPU time of the whole machine that was not idle, in seconds."""
    v = [int(x) for x in open("/proc/stat").readline().split()[1:]]
    return (sum(v[:8]) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


def calibrate_ms():
    """A fixed piece of work: when it takes longer, the host has slowed the machine down."""
    t, x = time.thread_time(), 0
    for i in range(100000):
        x += i * i
    return (time.thread_time() - t) * 1000


def fdatasync_us(folder, n=200):
    """Median of n appends of 4 KiB with fdatasync."""
    path, took = f"{folder}/fdatasync", []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for _ in range(n):
        os.write(fd, b"x" * 4096)
        t = time.perf_counter()
        os.fdatasync(fd)
        took.append((time.perf_counter() - t) * 1e6)
    os.close(fd)
    os.unlink(path)
    return sorted(took)[n // 2]


def machine():
    cpu = next((x.split(":")[1].strip() for x in open("/proc/cpuinfo") if "model name" in x), "?")
    mem = int(open("/proc/meminfo").readline().split()[1]) // 1024 // 1024
    kernel = ".".join(os.uname().release.split("-")[0].split(".")[:2])
    return f"{cpu}, {os.cpu_count()} cores, {mem} GiB, Linux {kernel}"


# ---- load ------------------------------------------------------------------------------------------

class Load:
    """pgload, logged in and waiting."""

    def __init__(self, dsn, *args):
        self.p = h.spawn([f"{BIN}/pgload", "--dsn", dsn, *map(str, args)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.p.stdout.readline() != "ready\n":
            raise h.Failure(f"pgload: {self.p.stderr.read()}")

    def go(self):
        self.p.stdin.write("\n")
        self.p.stdin.flush()

    def result(self):
        line = self.p.stdout.readline()
        if not line:
            raise h.Failure(f"pgload: {self.p.stderr.read()}")
        return json.loads(line)

    def end(self):
        self.p.stdin.close()
        self.p.wait(30)
        self.p.stdout.close()
        self.p.stderr.close()


def alone_us(proxy):
    """CPU of the commits that the gateway's worker made by itself: the committer's work."""
    return read_counters(proxy).get("audit_alone_cpu_seconds", 0) * 1e6 if proxy.weir else 0.0


def read_counters(proxy):
    """SIGUSR1 appends one JSON line to STATE/counters.json."""
    path = f"{proxy.weir.state}/counters.json"
    had = open(path).read().count("\n") if os.path.exists(path) else 0
    proxy.p.send_signal(10)
    h.wait_for(lambda: os.path.exists(path) and open(path).read().count("\n") > had, 5,
               "counters")
    flat = {}

    def walk(v):
        for k, x in v.items():
            if isinstance(x, dict):
                walk(x)
            elif isinstance(x, list):
                for y in x:
                    if isinstance(y, dict):
                        walk(y)
            elif isinstance(x, (int, float)):
                # weir_ring_enters_total -> enters
                k = k.removeprefix("weir_").removeprefix("ring_").removeprefix("gate_")
                k = k.removesuffix("_total")
                flat[k] = flat.get(k, 0) + x
    walk(json.loads(open(path).read().splitlines()[-1]))
    return flat


def children(pid):
    try:
        return {int(x) for x in open(f"/proc/{pid}/task/{pid}/children").read().split()}
    except FileNotFoundError:
        return set()


def own_cpu_s(pids):
    """CPU of what the sample is about; a server's backends are its children."""
    tree = set(pids).union(*(children(p) for p in pids))
    return sum(sum(cpu_us(p)) for p in tree) / 1e6 + time.process_time()


def sample(proxy, up, conns, sql, unit, seconds, *more):
    """One sample: CPU per unit of the proxy, latency, throughput, and what else ran meanwhile."""
    load = Load(proxy.dsn, "-c", conns, "--seconds", seconds, "--sql", sql, *more)
    ours = {load.p.pid, proxy.p.pid, up.p.pid}
    alone = -alone_us(proxy)
    before, busy0, own0 = cpu_us(proxy.p.pid), busy_s(), own_cpu_s(ours)
    load.go()
    r = load.result()
    after, busy1, own1 = cpu_us(proxy.p.pid), busy_s(), own_cpu_s(ours)
    load.end()
    alone += alone_us(proxy)
    n = r["queries"] if unit == "query" else r["bytes"] / 1e6
    if r["errors"] or not n:
        raise h.Failure(f"{proxy.name}: {r['errors']} errors, {r['queries']} queries: {sql}")
    r.update(cpu=(after[0] - before[0] - alone) / n, committer=(after[1] - before[1] + alone) / n,
             cal_ms=calibrate_ms(), mb_s=r["bytes"] / 1e6 / r["seconds"],
             background=max(0.0, (busy1 - busy0) - (own1 - own0)) / r["seconds"] / os.cpu_count())
    return r
