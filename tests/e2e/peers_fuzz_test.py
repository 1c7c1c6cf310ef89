#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Spoils what real peers say to each other: a libpq client and the gateway, the gateway and a real
PostgreSQL. After each case the gateway lives, a session beside it is answered, no descriptor is left
over, nothing masked came out, what the client got is whole frames, and the log says why a session
ended. At the end the audit log verifies, and the gateway stops without a complaint of its sanitizers.

  PEERS_SECONDS=25           how long, all cases together (`ninja soak` takes ten minutes)
  CASE=server:17             one case, as a failure prints it
"""
import logging, os, random, re, socket, struct, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if os.path.exists(f"{os.environ.get('WEIR_ROOT', '.')}/build/asan/weir"):
    os.environ["WEIR"] = f"{os.environ.get('WEIR_ROOT', '.')}/build/asan/weir"
import harness as h
import relay as r

try:
    import psycopg
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
SQL = f"""
create table t (a int, card text);
insert into t select i, '{SECRET}' from generate_series(1, 50) i;
create table w (a int, b text);
create table big (a int, b text);
insert into big select i, repeat('x', 5000) from generate_series(1, 400) i;
"""
POLICY = """
policy p
group dba = idp "dba-oncall"
data card = column public.t.card
allow rows
  do sql.basics, sql.select, sql.insert, sql.update, sql.delete, sql.copy-out, sql.copy-in, sql.prepare
hold ddl
  do sql.create
  for 1 of dba   within 1m
mask card with last(4)
"""
logging.disable()  # psycopg tells what it makes of a broken pipeline
SECONDS = float(os.environ.get("PEERS_SECONDS", "25"))
BOUND = 10  # seconds in which the session beside is answered, whatever happens
world = None


class World:
    def __init__(self):
        self.pg = h.Postgres(sql=SQL)
        self.server_side = r.Relay(self.pg.port)
        real, self.pg.port = self.pg.port, self.server_side.listen
        self.weir = h.Weir(self.pg, policy=POLICY, start=False,
                           extra="limit login 2s\nlimit workers 2\n")
        self.pg.port = real
        self.weir.start(args=("--log-level", "debug"))
        self.client_side = r.Relay(self.weir.port)
        h.wait_for(lambda: "catalog target=orders relations=" in self.weir.log(), 20, "the catalog")
        self.beside = psycopg.connect(self.weir.conninfo(), autocommit=True)
        self.check_beside()
        time.sleep(0.2)
        self.baseline = self.descriptors()
        self.cases = {}

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.weir.p.pid}/fd"))

    def check_beside(self):
        start = time.monotonic()
        got = self.beside.execute("select a, card from t where a = %s", (7,)).fetchall()
        h.eq(got, [(7, "*" * 12 + SECRET[-4:])], "the session beside")
        h.check(time.monotonic() - start < BOUND, "the session beside waited too long")

    def after(self, log_from):
        h.check(self.weir.p.poll() is None,
                f"the gateway ended with {self.weir.p.returncode}:\n{self.weir.log()[-6000:]}")
        self.check_beside()
        h.wait_for(lambda: self.descriptors() <= self.baseline, BOUND,
                   f"descriptors back to {self.baseline}, are {self.descriptors()}")
        text = self.weir.log()[log_from:]
        h.check(re.search(r"session ends cause=\S", text), f"no reason in the log:\n{text}")


def whole_frames(stream, may_tear):
    """What went to a client is frames of a server; returns the last one's kind."""
    last = b""
    while len(stream) >= 5:
        kind, total = stream[:1], struct.unpack(">I", stream[1:5])[0] + 1
        h.check(kind in r.BACKEND and 5 <= total < 1 << 30, f"not a frame: {stream[:40]!r}")
        if len(stream) < total:
            break
        last, stream = kind, stream[total:]
    h.check(may_tear or not stream, f"the client got half a frame: {stream[:40]!r}")
    return last


# -- what a client does ------------------------------------------------------------------------------

def simple(c, rng):
    c.execute("select a, card from t order by a limit 5").fetchall()


def extended(c, rng):
    c.execute("select a, card from t where a < %s", (rng.randrange(50),), binary=True).fetchall()


def prepared(c, rng):
    for i in range(3):
        c.execute("select card from t where a = %s", (i,), prepare=True).fetchall()


def failing(c, rng):
    try:
        c.execute("select 1 / 0 from t")
    except psycopg.DataError:
        pass


def refused(c, rng):
    for sql in ("drop table t", "select upper(card) from t"):
        try:
            c.execute(sql, prepare=rng.random() < 0.5)
        except psycopg.errors.InsufficientPrivilege:
            pass


def transaction(c, rng):
    c.execute("begin")
    c.execute("insert into w values (%s, 'x')", (rng.randrange(9),))
    try:
        c.execute("drop table w")
    except psycopg.Error:
        pass
    c.execute("rollback")


def copy_in(c, rng):
    with c.cursor().copy("copy w from stdin") as copy:
        for i in range(20):
            copy.write_row((i, "y" * rng.randrange(200)))


def copy_out(c, rng):
    with c.cursor().copy("copy t to stdout") as copy:
        for _ in copy.rows():
            pass


def pipeline(c, rng):
    with c.pipeline():
        for i in range(5):
            c.execute("select a, card from t where a = %s", (i,))
            c.execute("insert into w values (%s, 'p')", (i,))


def large(c, rng):
    c.execute("select b from big").fetchall()


def held(c, rng):
    c.execute("set weir.approval = 'async'")
    try:
        c.execute("create table x (a int)")
    except psycopg.Error:
        pass


def waits(c, rng):
    """Until the relay, or nobody, ends it."""
    c.execute("create table x (a int)")


WORK = [simple, extended, prepared, failing, refused, transaction, copy_in, copy_out, pipeline, large,
        held, waits]


def through_relays(seed, client_plan, server_plan):
    rng = random.Random(seed)
    world.client_side.arm(client_plan)
    world.server_side.arm(server_plan)
    conninfo = world.weir.conninfo().replace(f"port={world.weir.port}",
                                             f"port={world.client_side.listen}")
    work = [rng.choice(WORK) for _ in range(rng.randrange(2, 5))]
    try:
        with psycopg.connect(conninfo + " sslmode=disable gssencmode=disable",
                             autocommit=True) as c:
            for w in work:
                w(c, rng)
    except Exception as e:  # whatever the driver makes of it; what we judge is the gateway
        if "psycopg" not in type(e).__module__ and not isinstance(e, (ValueError, UnicodeError)):
            raise
    world.server_side.arm(None)
    world.client_side.arm(None)
    h.wait_for(lambda: world.client_side.active == 0, BOUND, "the client's connection is over")
    seen = world.client_side.seen
    h.check(SECRET.encode() not in seen, "a masked value came out")
    return seen


def client_case(seed):
    plan = r.Plan(seed, r.UP)
    seen = through_relays(seed, plan, None)
    whole_frames(seen, plan.action in ("kill", "kill-other", "cut", "stall", "half-close")
                 or not plan.done or plan.slow)
    return str(plan)


def server_case(seed):
    plan = r.Plan(seed, r.DOWN, last=25)
    whole = r.Plan(0, r.UP)
    whole.done, whole.split, whole.slow = True, False, False
    seen = through_relays(seed, whole, plan)
    # In the middle of a row nothing more can be said.
    whole_frames(seen, True)
    return str(plan)


# -- what no driver does -------------------------------------------------------------------------------

def raw_startup():
    body = b"user\0planner-7\0database\0orders\0\0"
    return struct.pack(">II", len(body) + 8, 196608) + body


def talk(*parts, wait=0.0, read=True):
    """Sends the parts; what came back until the gateway closed."""
    got = b""
    with socket.create_connection(("127.0.0.1", world.weir.port)) as s:
        s.settimeout(6)
        try:
            for p in parts:
                s.sendall(p)
                time.sleep(wait)
            while read:
                data = s.recv(65536)
                if not data:
                    break
                got += data
        except (ConnectionError, socket.timeout) as e:
            h.check(not isinstance(e, socket.timeout), "the gateway does not end the connection")
    return got


def logged_in():
    """A libpq connection's socket, past login, for bytes of our own."""
    c = psycopg.connect(world.weir.conninfo() + " sslmode=disable", autocommit=True)
    return c, socket.socket(fileno=os.dup(c.pgconn.socket))


def flood(make, n, may_go_on=False):
    """Too many are refused with 54000. Where a name too many is refused the session goes on, unless there
    are too many frames on the way as well."""
    c, s = logged_in()
    s.settimeout(20)
    got, refused, stop = b"", False, threading.Event()

    def read():
        nonlocal got, refused
        try:
            while data := s.recv(65536):
                got = (got + data)[-4000:]
                refused = refused or b"54000" in got
        except OSError:
            pass
        stop.set()
    t = threading.Thread(target=read)
    t.start()
    try:
        for i in range(n):
            s.sendall(make(i))
            if stop.is_set():
                break
        if may_go_on:
            s.sendall(r.frame(b"S") + r.frame(b"Q", b"rollback\0") + r.frame(b"Q", b"select 'it goes on'\0"))
            h.wait_for(lambda: stop.is_set() or b"it goes on" in got, 20, "an answer after the flood")
            s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    t.join(20)
    s.close()
    c.close()
    h.check(stop.is_set(), "the flood was never ended")
    h.check(refused, f"no refusal: {got[-300:]}")


def slow_startup(rng):
    talk(raw_startup()[:rng.randrange(1, 30)])


def slow_bytes(rng):
    talk(*[bytes([b]) for b in raw_startup()[:20]], wait=0.02)


def before_tls(rng):
    talk(struct.pack(">II", 8, 80877103) + rng.randbytes(rng.randrange(1, 50)))


def two_requests(rng):
    talk(struct.pack(">II", 8, rng.choice([80877103, 80877104])) * 3)


def wrong_startup(rng):
    talk(rng.choice([struct.pack(">II", 8, 196608), struct.pack(">II", 0, 0), b"\0" * 100,
                     struct.pack(">II", 0x7fffffff, 196608), b"GET / HTTP/1.1\r\n\r\n" * 3,
                     struct.pack(">II", 16, 80877102) + bytes(8), rng.randbytes(64),
                     struct.pack(">II", 9000, 196608) + b"a\0b\0" * 2248]))


def wrong_sasl(rng):
    talk(raw_startup(), r.frame(b"p", rng.randbytes(rng.randrange(60))))


def statement_flood(rng):
    flood(lambda i: r.frame(b"P", b"s%d\0select 1\0\0\0" % i) + r.frame(b"S"), 6000, may_go_on=True)


def portal_flood(rng):
    flood(lambda i: (r.frame(b"Q", b"begin\0") + r.frame(b"P", b"q\0select 1\0\0\0") if i == 0 else b"")
          + r.frame(b"B", b"p%d\0q\0" % i + bytes(6)) + (r.frame(b"S") if i % 50 == 0 else b""), 3000,
          may_go_on=True)


def reply_flood(rng):
    """Everything behind a statement that takes its time."""
    flood(lambda i: r.frame(b"Q", b"select count(*) from big x, big y, big z, big u\0") if i == 0
          else r.frame(b"S"), 6000)


def mid_frame(rng):
    c, s = logged_in()
    s.sendall(r.frame(b"Q", b"select 1 " + b"x" * 1000 + b"\0")[:rng.randrange(1, 900)])
    time.sleep(0.1)
    if rng.random() < 0.5:
        s.shutdown(socket.SHUT_WR)
    s.close()
    c.close()


def reads_nothing(rng):
    c, s = logged_in()
    s.sendall(r.frame(b"Q", b"select b from big, t where t.a < 20\0") * 3)
    time.sleep(0.3)
    world.check_beside()
    s.close()
    c.close()


RAW = [slow_startup, slow_bytes, before_tls, two_requests, wrong_startup, wrong_sasl, statement_flood,
       portal_flood, reply_flood, mid_frame, reads_nothing]


def raw_case(seed):
    what = RAW[seed % len(RAW)]
    what(random.Random(seed))
    return what.__name__.replace("_", " ")


KINDS = {"client": client_case, "server": server_case, "raw": raw_case}


def case(kind, seed):
    told = ""
    log_from = len(world.weir.log())
    try:
        told = KINDS[kind](seed)
        world.after(log_from)
    except BaseException:
        print(f"# CASE={kind}:{seed} {os.path.relpath(__file__, h.ROOT)} {told}", flush=True)
        print("".join(f"# | {x}\n" for x in world.weir.log()[log_from:].splitlines()[-40:]))
        raise
    world.cases[kind] = world.cases.get(kind, 0) + 1
    if os.environ.get("CASE"):
        print(f"# {told}\n" + "".join(f"# | {x}\n" for x in world.weir.log()[log_from:].splitlines()))


def campaign(kind, share, at_least):
    if os.environ.get("CASE"):
        wanted, seed = os.environ["CASE"].split(":")
        if wanted == kind:
            case(kind, int(seed))
        return
    seed, end = 0, time.monotonic() + SECONDS * share
    while seed < at_least or time.monotonic() < end:
        case(kind, seed)
        seed += 1
    print(f"# {seed} cases")


def test_a_client_whose_frames_are_spoilt():
    campaign("client", 0.4, 20)


def test_a_server_whose_frames_are_spoilt():
    campaign("server", 0.4, 20)


def test_what_no_driver_does():
    campaign("raw", 0.2, len(RAW))


def test_afterwards_the_log_verifies_and_nothing_leaks():
    world.check_beside()
    world.beside.close()
    h.eq(world.weir.stop(), 0, f"exit code; {world.weir.log()[-3000:]}")
    h.lacks(world.weir.log(), "runtime error", "AddressSanitizer", "LeakSanitizer")
    v = world.weir.audit("verify", f"{world.weir.state}/audit")
    h.eq(v.code, 0, repr(v))


def setup():
    global world
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    world = World()


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
