#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""PostgreSQL 18 and its libpq: protocol 3.2, direct TLS, channel binding, cancelling with long keys,
and the search path that it reports. Each client against each server, and the sanitized gateway."""
import os, socket, ssl, struct, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "4111111111111111"
SQL = f"""
create table cards (id int, pan text);
insert into cards values (1, '{SECRET}');
create schema open;
create table open.cards (id int, pan text);
insert into open.cards values (1, 'open card');
create table t (a int);
create function set_path() returns trigger language plpgsql as
  $$ begin perform set_config('search_path', 'open', false); return new; end $$;
create trigger t before insert on t for each row execute function set_path();
"""
POLICY = """
policy p
data card = column public.cards.pan
default allow
mask card with last(4)
"""
here = os.path.dirname(os.path.abspath(__file__))
new = old = crt = None
gates = {}


def certificate(name, *algorithm):
    base = f"{h.tmp()}/{name}"
    r = h.run(["openssl", "req", "-x509", *algorithm, "-nodes", "-days", "30", "-subj", "/CN=gateway",
               "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{base}.key",
               "-out", f"{base}.crt"])
    h.check(r.code == 0, repr(r))
    return f"{base}.crt", f"{base}.key"


def gate(pg, cert):
    w = h.Weir(pg, policy=POLICY)
    w.stop()
    with open(w.conf_path) as f:
        text = f.read().replace("\ntls off\n", f'\ntls cert "{cert[0]}" key "{cert[1]}"\n', 1)
    with open(w.conf_path, "w") as f:
        f.write(text)
    return w.start()


def setup():
    global new, old, crt
    crt = certificate("ec", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    new = h.Postgres(sql=SQL, folder=h.pg18())
    old = h.Postgres(sql=SQL)
    gates.update(new=gate(new, crt), old=gate(old, crt))
    h.WEIR = f"{h.ROOT}/build/asan/weir"
    gates["sanitized"] = gate(new, crt)


def libpq18(w, conn, what="select pan from cards"):
    r = h.run([f"{here}/libpq18.py", f"{w.conninfo()} {conn}", what],
              env={"LD_LIBRARY_PATH": f"{h.pg18()}/lib"})
    return r


def each(fn):
    for name, w in gates.items():
        try:
            fn(w)
        except h.Failure as e:
            raise h.Failure(f"gateway {name}: {e}")


MASKED = "************1111"


def test_protocols():
    def go(w):
        h.eq(libpq18(w, "sslmode=disable max_protocol_version=3.2").out, f"protocol 30002\n{MASKED}")
        h.eq(libpq18(w, "sslmode=disable min_protocol_version=3.2 max_protocol_version=3.2").out,
             f"protocol 30002\n{MASKED}")
        h.eq(libpq18(w, "sslmode=disable max_protocol_version=3.0").out, f"protocol 30000\n{MASKED}")
        h.eq(w.psql("select pan from cards").out, MASKED)
    each(go)


def test_cancel():
    def go(w):
        for conn in ("sslmode=disable max_protocol_version=3.2", "sslmode=disable",
                     "sslmode=require max_protocol_version=3.2"):
            r = libpq18(w, conn, "cancel")
            h.eq(r.out.splitlines()[1:], ["cancel 1 ", "57014"], repr(r))
        r = h.Background(h.psql_argv(w.port, "planner-7", "orders", "select pg_sleep(30)"),
                         env={"PGPASSWORD": "k-planner"})
        import time
        h.wait_for(lambda: w.pg.super("select count(*) from pg_stat_activity where query like "
                                      "'%pg_sleep(30)' and state = 'active'") == "1", 10, "it runs")
        r.p.send_signal(2)
        h.has(r.wait().err, "canceling statement due to user request")
    each(go)


def test_direct_tls():
    def go(w):
        for conn in ("sslnegotiation=direct sslmode=require",
                     f"sslnegotiation=direct sslmode=verify-full sslrootcert={crt[0]}",
                     "sslnegotiation=direct sslmode=require max_protocol_version=3.2",
                     "sslnegotiation=postgres sslmode=require"):
            h.has(libpq18(w, conn).out, MASKED)
    each(go)


def direct(w, alpn):
    """A TLS connection that begins with the handshake; what comes for a startup packet."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if alpn:
        c.set_alpn_protocols(alpn)
    try:
        with socket.create_connection(("127.0.0.1", w.port), 10) as s, c.wrap_socket(s) as t:
            body = struct.pack("!i", 196608) + b"user\0planner-7\0database\0orders\0\0"
            t.sendall(struct.pack("!i", len(body) + 4) + body)
            return t.recv(100)[:1]
    except (ssl.SSLError, ConnectionError) as e:
        return type(e).__name__


def test_direct_tls_needs_alpn():
    w = gates["old"]
    h.eq(direct(w, ["postgresql"]), b"R")
    h.eq(direct(w, ["h2", "postgresql"]), b"R")
    h.eq(direct(w, ["h2", "http/1.1"]), "SSLError")
    h.check(direct(w, None) != b"R", "direct TLS without ALPN is served")
    # The handshake is recognised by its first byte alone.
    with socket.create_connection(("127.0.0.1", w.port), 10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for b in b"\x16\x03\x01\x00\x14" + b"\x55" * 20:
            s.sendall(bytes([b]))
        h.eq(s.recv(10)[:1], b"\x15", "answer to a bad handshake")
    # Not in the middle of another negotiation.
    with socket.create_connection(("127.0.0.1", w.port), 10) as s:
        s.sendall(struct.pack("!ii", 8, 80877104))
        h.eq(s.recv(1), b"N")
        s.sendall(b"\x16\x03\x01\x00\x02\x01\x00")
        h.eq(s.recv(1), b"E")


def test_channel_binding():
    certs = [crt, certificate("rsa", "-newkey", "rsa:2048"),
             certificate("rsa512", "-newkey", "rsa:2048", "-sha512")]
    for cert in certs:
        w = gates["old"] if cert == crt else gate(old, cert)
        for ask in (libpq18, lambda w, conn: h.run(h.psql_argv(
                w.port, "planner-7", "orders", "select pan from cards", conn=conn),
                env={"PGPASSWORD": "k-planner"})):
            h.has(ask(w, "sslmode=require channel_binding=require").out, MASKED)
            h.has(ask(w, "sslmode=require channel_binding=disable").out, MASKED)
            r = ask(w, "sslmode=disable channel_binding=require")
            h.has(r.out + r.err, "channel binding")
    r = h.run(h.psql_argv(gates["old"].port, "planner-7", "orders", "select 1",
                          conn="sslmode=require channel_binding=require"),
              env={"PGPASSWORD": "wrong"})
    h.has(r.err, "authentication failed")


def startup(w, minor, **params):
    """The types of the first messages, with the body of a NegotiateProtocolVersion."""
    body = struct.pack("!i", 3 << 16 | minor)
    for k, v in {"user": "planner-7", "database": "orders", **params}.items():
        body += k.encode() + b"\0" + v.encode() + b"\0"
    with socket.create_connection(("127.0.0.1", w.port), 10) as s:
        s.sendall(struct.pack("!i", len(body) + 5) + body + b"\0")
        got = s.recv(4096)
    if got[:1] != b"v":
        return got[:1], None
    n = struct.unpack("!i", got[1:5])[0]
    return got[:1] + got[n + 1:n + 2], got[5:n + 1]


def test_negotiation():
    w = gates["new"]
    h.eq(startup(w, 0), (b"R", None))
    h.eq(startup(w, 2), (b"R", None))
    h.eq(startup(w, 9999), (b"vR", struct.pack("!ii", 3 << 16 | 2, 0)))
    h.eq(startup(w, 2, **{"_pq_.test": "1"}), (b"vR", struct.pack("!ii", 3 << 16 | 2, 1) + b"_pq_.test\0"))
    h.eq(startup(w, 0, **{"_pq_.test": "1"}), (b"vR", struct.pack("!ii", 3 << 16, 1) + b"_pq_.test\0"))


def test_a_path_that_a_trigger_sets_is_seen():
    """PostgreSQL 18 reports search_path."""
    r = gates["new"].psql(input="select pan from cards;\ninsert into t values (1);\n"
                          "select upper(pan) from cards;\nselect pan from public.cards;\n")
    h.eq(r.out, f"{MASKED}\nOPEN CARD\n{MASKED}", repr(r))


def test_returning_what_was_and_what_is():
    """old and new, rows of PostgreSQL 18 that no FROM names."""
    ways = ("old", "new", "old::text", "to_jsonb(new)", "(old).pan", "(old).*", "pan(old)", "(select new)", "old.*",
            "old.pan", "new.pan || ''", "(select x from (select old) v(x))", "old is null", "array[new]")
    h.has(new.psql("update cards set id = id returning old, new").out, SECRET)
    for name in ("new", "sanitized"):
        for way in ways:
            for sql in (f"update cards set id = id returning {way}", f"delete from cards where id = 1 returning {way}",
                        f"with w as (update cards set id = id returning {way} as x) select x from w",
                        f"insert into cards select 2 returning {way}"):
                r = gates[name].psql(sql)
                h.check("code WEIR-MASK" in r.err and SECRET not in r.out, f"{sql}: {r!r}")
        h.eq(gates[name].psql("update open.cards set id = id returning old.id, new").out, '1|(1,"open card")')
        h.eq(gates[name].psql("update cards set id = id returning pan").out, MASKED)


def test_the_sanitizers_saw_nothing():
    for name, w in gates.items():
        h.eq(w.stop(), 0, name)
        h.lacks(w.log(), "Sanitizer", "runtime error")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
