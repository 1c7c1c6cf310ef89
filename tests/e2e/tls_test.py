#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""TLS towards clients and towards the server, and the ways in which a server asks for a password."""
import os, pty, re, select, shutil, signal, socket, ssl, struct, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

POLICY = "policy p\ndefault allow\n"
CONF = """listen postgres 127.0.0.1:{{port}}
policy "{{policy}}"
state "{{state}}"
tls {tls}
limit connections 100
target orders
  protocol postgres
  address {host}:{{pg}}
  database orders
  login "app" {password}
  tls {target_tls}
"""
pg = ca = other = None


class Authority:
    """A CA of our own and what it signs."""

    def __init__(self, name):
        self.dir = f"{h.tmp()}/{name}"
        os.mkdir(self.dir)
        self.crt = f"{self.dir}/ca.crt"
        self._openssl("req", "-x509", *self._new("ca"), "-days", "30", "-subj", f"/CN={name}",
                      "-out", self.crt)

    def _openssl(self, *args):
        r = h.run(["openssl", *args])
        h.check(r.code == 0, repr(r))

    def _new(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                f"{self.dir}/{name}.key")

    def sign(self, name, san, days=30):
        """Paths of a certificate for the subjectAltName, and of its key."""
        base = f"{self.dir}/{name}"
        with open(f"{base}.ext", "w") as f:
            f.write(f"subjectAltName={san}\n")
        self._openssl("req", *self._new(name), "-subj", f"/CN={name}", "-out", f"{base}.csr")
        self._openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.crt, "-CAkey",
                      f"{self.dir}/ca.key", "-CAcreateserial", "-days", str(days), "-extfile",
                      f"{base}.ext", "-out", f"{base}.crt")
        os.chmod(f"{base}.key", 0o600)
        return f"{base}.crt", f"{base}.key"


def setup():
    global pg, ca, other
    ca, other = Authority("weir-test-ca"), Authority("other-ca")
    pg = h.Postgres(tls=True, sql="create table t (a int); insert into t values (1)")


def gateway(server=None, tls="off", host="127.0.0.1", password='password "app-secret"',
            target_tls="off"):
    return h.Weir(server or pg, policy=POLICY,
                  conf=CONF.format(tls=tls, host=host, password=password,
                                   target_tls=target_tls) + h.PRINCIPALS)


def tls_gateway(san="DNS:localhost,IP:127.0.0.1", **kw):
    crt, key = ca.sign(f"gw{len(os.listdir(ca.dir))}", san)
    return gateway(tls=f'cert "{crt}" key "{key}"', **kw)


def psql(w, conn="", sql="select a from t", env=None):
    return h.run(h.psql_argv(w.port, "planner-7", "orders", sql, conn=conn),
                 env={"PGPASSWORD": "k-planner", **(env or {})})


def ok(w, conn="", **kw):
    r = psql(w, conn, **kw)
    h.eq(r.out, "1", repr(r))


def fails(w, conn, *parts, **kw):
    r = psql(w, conn, **kw)
    h.check(r.code != 0, repr(r))
    h.has(r.err, *parts)


def said(w, *parts):
    for p in parts:
        h.wait_for(lambda: p in w.log(), 5, f"{p!r} in\n{w.log()}")


# -- towards clients -------------------------------------------------------------------------------

def test_client_modes():
    w = tls_gateway()
    ok(w, "sslmode=require")
    ok(w, f"sslmode=verify-ca sslrootcert={ca.crt}")
    ok(w, f"sslmode=verify-full sslrootcert={ca.crt}")
    ok(w, "sslmode=prefer")
    fails(w, f"sslmode=verify-ca sslrootcert={other.crt}", "certificate verify failed")
    r = psql(w, "sslmode=require", sql="\\conninfo")
    h.has(r.out, "TLSv1.3")
    ok(w, "sslmode=require ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.2")
    # Loopback may do without: the rule that TLS is a must is for other machines.
    ok(w, "sslmode=disable")
    h.eq(w.stop(), 0)


def test_wrong_name_is_the_clients_to_see():
    w = tls_gateway(san="DNS:gateway.example")
    ok(w, f"sslmode=verify-ca sslrootcert={ca.crt}")
    fails(w, f"sslmode=verify-full sslrootcert={ca.crt}", "does not match host name")


def test_without_a_certificate():
    w = gateway()
    ok(w, "sslmode=prefer")
    ok(w, "sslmode=allow")
    fails(w, "sslmode=require", "server does not support SSL")
    fails(w, "sslmode=disable channel_binding=require", "channel binding")


def test_channel_binding():
    """SCRAM-SHA-256-PLUS, offered over TLS."""
    w = tls_gateway()
    ok(w, "sslmode=require channel_binding=prefer")
    ok(w, "sslmode=require channel_binding=disable")
    ok(w, "sslmode=require channel_binding=require")
    fails(w, "sslmode=disable channel_binding=require", "channel binding")


def until_closed(s):
    got = b""
    s.settimeout(10)
    try:
        while part := s.recv(4096):
            got += part
    except ConnectionResetError:
        pass
    return got


SSL_REQUEST = struct.pack(">II", 8, 80877103)


def test_bytes_behind_the_request_are_not_taken():
    """CVE-2021-23214: what came before the handshake must not count as said inside TLS."""
    w = tls_gateway()
    with socket.create_connection(("127.0.0.1", w.port)) as s:
        s.sendall(SSL_REQUEST + b"\x00\x00\x00\x08")
        got = until_closed(s)
    h.check(not got.startswith(b"S"), f"TLS was granted: {got!r}")
    ok(w, "sslmode=require")


def test_garbage_instead_of_a_handshake_closes():
    w = tls_gateway()
    for junk in (b"x" * 500, b"\x00\x00\x00\x09\x00\x03\x00\x00\x00", b"\x16\x03\x01\xff\xff" * 20):
        with socket.create_connection(("127.0.0.1", w.port)) as s:
            s.sendall(SSL_REQUEST)
            h.eq(s.recv(1), b"S")
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            got = until_closed(s)
            h.lacks(got.decode("latin1"), "SCRAM")
    with socket.create_connection(("127.0.0.1", w.port)) as s:
        s.sendall(SSL_REQUEST)
        h.eq(s.recv(1), b"S")
    ok(w, "sslmode=require")
    h.eq(w.stop(), 0)


def test_what_cannot_be_loaded_says_which_file():
    crt, key = ca.sign("one", "DNS:localhost")
    _, key2 = ca.sign("two", "DNS:localhost")
    for c, k, parts in ((crt, key2, ("does not belong", key2)), (f"{crt}.no", key, (f"{crt}.no",)),
                        (crt, crt, ("private key", crt))):
        w = h.Weir(pg, policy=POLICY, start=False,
                   conf=CONF.format(tls=f'cert "{c}" key "{k}"', host="127.0.0.1",
                                    password='password "x"', target_tls="off") + h.PRINCIPALS)
        r = h.weir("run", "-c", w.conf_path)
        h.eq(r.code, 1, repr(r))
        h.has(r.err, *parts)


# -- another certificate ---------------------------------------------------------------------------

SAN = "DNS:localhost,IP:127.0.0.1"


def put(w, pair):
    """As an operator does it: both files in their place, then SIGHUP."""
    for to, of in zip((f"{w.dir}/gw.crt", f"{w.dir}/gw.key"), pair):
        shutil.copy(of, to)


def reload(w, outcome):
    n = w.log().count(outcome)
    w.reload()
    h.wait_for(lambda: w.log().count(outcome) > n, 10, f"another {outcome!r} in\n{w.log()}")


def renewable(pair, tls='cert "gw.crt" key "gw.key"', **kw):
    conf = CONF.format(tls=tls, host=kw.pop("host", "127.0.0.1"), password='password "app-secret"',
                       target_tls=kw.pop("target_tls", "off"))
    w = h.Weir(pg, policy=POLICY, start=False,
               conf="listen admin 127.0.0.1:{admin}\n" + conf + h.PRINCIPALS)
    put(w, pair)
    return w.start()


def admin_certificate(w):
    return ssl.get_server_certificate(("127.0.0.1", w.admin))


def text_of(path):
    with open(path) as f:
        return f.read()


def test_a_reload_brings_another_certificate():
    was, new = ca.sign("was", SAN), other.sign("new", SAN)
    w = renewable(was)
    full = [f"sslmode=verify-full channel_binding=require sslrootcert={a.crt}" for a in (ca, other)]
    s = h.Background(h.psql_argv(w.port, "planner-7", "orders", conn=full[0]),
                     env={"PGPASSWORD": "k-planner"})
    s.write("select a + 40 from t;\n")
    s.saw("41")
    h.eq(admin_certificate(w), text_of(was[0]))
    put(w, new)
    ok(w, full[0])  # nobody has asked for it yet
    reload(w, "reloaded policy=")
    fails(w, full[0], "certificate verify failed")
    ok(w, full[1])
    h.eq(admin_certificate(w), text_of(new[0]))
    s.write("select a + 50 from t;\n\\q\n")
    s.saw("51")  # who was there stays
    h.eq(s.wait().code, 0)
    h.eq(w.stop(), 0)


def test_a_pair_that_does_not_fit_keeps_the_old():
    was = ca.sign("kept", SAN)
    w = renewable(was)
    full = f"sslmode=verify-full sslrootcert={ca.crt}"
    for pair, words in (((was[0], ca.sign("odd", SAN)[1]), ("does not belong", "gw.key")),
                        ((was[1], was[1]), ("cannot read the certificate", "gw.crt"))):
        put(w, pair)
        reload(w, "reload refused")
        said(w, *words)
        ok(w, full)
        h.eq(admin_certificate(w), text_of(was[0]))
    os.unlink(f"{w.dir}/gw.crt")
    reload(w, "reload refused")
    said(w, "No such file")
    ok(w, full)
    put(w, was)
    reload(w, "reloaded policy=")
    ok(w, full)
    h.eq(w.stop(), 0)


def test_a_reload_turns_tls_on_and_off():
    w = renewable(ca.sign("later", SAN), tls="off")
    conf = text_of(w.conf_path)
    for tls, sure in (('cert "gw.crt" key "gw.key"', True), ("off", False)):
        with open(w.conf_path, "w") as f:
            f.write(conf.replace("\ntls off\n", f"\ntls {tls}\n", 1))
        reload(w, "reloaded policy=")
        full = f"sslmode=verify-full sslrootcert={ca.crt}"
        if sure:
            ok(w, full)
            h.has(admin_certificate(w), "BEGIN CERTIFICATE")
        else:
            fails(w, full, "server does not support SSL")
        ok(w, "sslmode=prefer")
    h.eq(w.stop(), 0)


def test_a_key_with_a_passphrase_is_not_asked_for():
    crt, key = ca.sign("locked", SAN)
    r = h.run(["openssl", "ec", "-aes128", "-passout", "pass:sesame", "-in", key, "-out",
               f"{key}.locked"])
    h.check(r.code == 0, repr(r))
    w = renewable(ca.sign("open", SAN))
    put(w, (crt, f"{key}.locked"))
    # With a terminal at hand, where OpenSSL by itself would ask.
    pid, tty = pty.fork()
    if pid == 0:
        os.execv(h.WEIR, [h.WEIR, "run", "-c", w.conf_path, "--check"])
    got = b""
    while select.select([tty], [], [], 20)[0] and b"phrase" not in got:
        try:
            got += os.read(tty, 4096)
        except OSError:  # its end
            break
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(tty)
    h.has(got.decode(), "cannot read the private key", "gw.key")
    h.lacks(got.decode(), "phrase:")


def test_the_end_of_a_certificate_is_told_in_time():
    w = renewable(ca.sign("short", SAN, days=5))
    said(w, "warn tls certificate=")
    h.check(re.search(r"gw\.crt expires=\S+Z days=[45]: .*SIGHUP", w.log()), w.log())
    put(w, ca.sign("over", SAN, days=-1))
    reload(w, "reloaded policy=")
    said(w, "error tls certificate=", " expired=")
    n = w.log().count(" tls certificate=")
    put(w, ca.sign("long", SAN, days=30))
    reload(w, "reloaded policy=")
    ok(w, f"sslmode=verify-full sslrootcert={ca.crt}")
    h.eq(w.log().count(" tls certificate="), n, "what is said of one that is good for 30 days")
    h.eq(w.stop(), 0)


def test_a_reload_reads_the_authorities_again():
    server = h.Postgres(tls=True, sql="create table t (a int); insert into t values (1)")
    replace_certificate(server, *ca.sign("first", SAN))
    mine = f"{h.tmp()}/mine.crt"
    shutil.copy(ca.crt, mine)
    w = gateway(server, target_tls=f'verify-full ca "{mine}"')
    ok(w)
    replace_certificate(server, *other.sign("second", SAN))
    fails(w, "", "FATAL")
    shutil.copy(other.crt, mine)
    reload(w, "reloaded policy=")
    ok(w)
    with open(mine, "w") as f:
        f.write("nonsense\n")
    reload(w, "reload refused")
    said(w, mine)
    ok(w)
    h.eq(w.stop(), 0)


# -- towards the server ----------------------------------------------------------------------------

def server_is_encrypted(w, conn="sslmode=disable"):
    r = psql(w, conn, sql="select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    return r.out


def test_a_check_reads_the_files_too():
    crt, key = ca.sign("checked", "DNS:localhost")
    for tls, target, said in ((f'cert "{crt}" key "{key}"', "off", None),
                              (f'cert "{crt}" key "{other.dir}/ca.key"', "off", "does not belong"),
                              ('cert "nowhere.crt" key "nowhere.key"', "off", "nowhere.crt"),
                              ("off", 'verify-full ca "nowhere-ca.crt"', "nowhere-ca.crt")):
        w = h.Weir(pg, policy=POLICY, start=False, conf=CONF.format(
            tls=tls, host="127.0.0.1", password='password "app-secret"', target_tls=target))
        r = h.weir("run", "-c", w.conf_path, "--check")
        h.eq(r.code, 1 if said else 0, repr(r))
        h.has(r.err if said else r.out, said or "ok")


def test_target_modes():
    for mode, want in (("off", "f"), ("prefer", "t"), ("require", "t"),
                       (f'verify-full ca "{pg.dir}/ca.crt"', "t")):
        w = gateway(target_tls=mode)
        h.eq(server_is_encrypted(w), want, mode)
        h.eq(w.stop(), 0)


def test_target_by_name():
    w = gateway(host="localhost", target_tls=f'verify-full ca "{pg.dir}/ca.crt"')
    h.eq(server_is_encrypted(w), "t")


def test_target_without_tls():
    plain = h.Postgres(sql="create table t (a int); insert into t values (1)")
    ok(gateway(plain, target_tls="prefer"))
    w = gateway(plain, target_tls="require")
    fails(w, "", "FATAL")
    said(w, "server does not support SSL")


def test_target_with_a_certificate_of_somebody_else():
    w = gateway(target_tls=f'verify-full ca "{other.crt}"')
    fails(w, "", "FATAL", "log says why")
    said(w, "certificate")
    h.lacks(w.log(), "app-secret")
    h.check(w.p.poll() is None, "the gateway ended")


def replace_certificate(server, crt, key):
    server.stop()
    for path, name in ((crt, "ca.crt"), (key, "server.key")):
        with open(path) as f:
            server._write(name, f.read())
    server.start()


def test_target_with_a_certificate_for_another_name():
    """First seen by the reader of the catalog, then by a session while the catalog is still good."""
    server = h.Postgres(tls=True, sql="create table t (a int); insert into t values (1)")
    replace_certificate(server, *ca.sign("db1", "DNS:localhost,IP:127.0.0.1"))
    mode = f'verify-full ca "{ca.crt}"'
    by_ip, by_name = gateway(server, target_tls=mode), gateway(server, "off", "localhost",
                                                              target_tls=mode)
    ok(by_ip)
    ok(by_name)
    replace_certificate(server, *ca.sign("db2", "DNS:db.example"))
    fails(by_ip, "", "FATAL", "target", "log says why")
    said(by_ip, "IP address mismatch")
    fails(by_name, "", "FATAL", "target", "log says why")
    said(by_name, "ostname mismatch")
    w = gateway(server, target_tls=mode)
    fails(w, "", "FATAL", "log says why")
    said(w, 'certificate for \\"db.example\\"', "does not match host name")
    ok(gateway(server, target_tls="require"))
    # The right name, signed by somebody else.
    replace_certificate(server, *other.sign("db3", "DNS:localhost,IP:127.0.0.1"))
    fails(by_ip, "", "FATAL", "target", "log says why")
    said(by_ip, "server's certificate: unable to get local issuer certificate")
    # And right again.
    replace_certificate(server, *ca.sign("db4", "DNS:localhost,IP:127.0.0.1"))
    ok(by_ip)
    ok(by_name)


def test_target_that_loses_its_tls():
    server = h.Postgres(tls=True, sql="create table t (a int); insert into t values (1)")
    w = gateway(server, target_tls="require")
    ok(w)
    server.super("alter system set ssl = off")
    server.stop()
    server.start()
    fails(w, "", "FATAL", "target does not offer TLS")


def test_both_sides_at_once():
    w = tls_gateway(target_tls="require")
    r = psql(w, f"sslmode=verify-full sslrootcert={ca.crt}",
             sql="select string_agg(repeat('x', 100) || i, ',') from generate_series(1, 20000) i")
    h.eq(len(r.out), len(",".join("x" * 100 + str(i) for i in range(1, 20001))))
    h.eq(server_is_encrypted(w, "sslmode=require"), "t")


# -- the server's questions ------------------------------------------------------------------------

def test_scram_md5_and_trust():
    for auth in ("scram-sha-256", "md5", "trust"):
        server = h.Postgres(auth=auth, sql="create table t (a int); insert into t values (1)")
        w = gateway(server)
        ok(w)
        if auth == "trust":
            ok(gateway(server, password=""))
        server.stop()


def test_wrong_password():
    w = gateway(password='password "wrong-secret"')
    fails(w, "", "FATAL")
    # The server's words, in quotes that they cannot end.
    said(w, 'password authentication failed for user \\"app\\""')
    h.lacks(w.log(), "wrong-secret")


def test_a_password_that_was_changed():
    server = h.Postgres(sql="create table t (a int); insert into t values (1)")
    w = gateway(server)
    ok(w)
    server.super("alter role app password 'another'")
    fails(w, "", "FATAL")
    said(w, 'cause="28P01 password authentication failed for user \\"app\\""')
    server.stop()


def test_no_password_for_a_server_that_asks():
    w = gateway(password="")
    fails(w, "", "FATAL")
    said(w, "authentication failed")


def test_clear_text_only_inside_tls():
    server = h.Postgres(auth="password", tls=True,
                        sql="create table t (a int); insert into t values (1)")
    ok(gateway(server, target_tls="require"))
    w = gateway(server, target_tls="off")
    fails(w, "", "FATAL")
    said(w, "clear-text password without TLS")
    h.lacks(w.log(), "app-secret")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
