#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that do not come over loopback, in a network namespace with an address of its own."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

ADDRESS = "198.51.100.7"  # RFC 5737: for documentation, nobody's

h.in_namespace("-n")

POLICY = "policy p\ndefault allow\n"
CONF = """listen postgres {listen}:{{port}}
policy "{{policy}}"
state "{{state}}"
tls {tls}
target orders
  protocol postgres
  address 127.0.0.1:{{pg}}
  database orders
  login "app" password "app-secret"
  tls off
"""
pg = cert = None


def setup():
    global pg, cert
    for cmd in ("link set lo up", f"addr add {ADDRESS}/32 dev lo"):
        r = h.run(["ip", *cmd.split()])
        h.check(r.code == 0, repr(r))
    base = f"{h.tmp()}/gw"
    r = h.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.crt", "-days", "30", "-subj",
               "/CN=gw", "-addext", f"subjectAltName=IP:{ADDRESS}"])
    h.check(r.code == 0, repr(r))
    os.chmod(f"{base}.key", 0o600)
    cert = f'cert "{base}.crt" key "{base}.key"'
    pg = h.Postgres(sql="create table t (a int); insert into t values (1)")


def gateway(**kw):
    return h.Weir(pg, policy=POLICY, conf=CONF.format(**kw) + h.PRINCIPALS)


def psql(w, host, sslmode):
    return h.run(h.psql_argv(w.port, "planner-7", "orders", "select a from t",
                             conn=f"host={host} hostaddr={host} sslmode={sslmode}"),
                 env={"PGPASSWORD": "k-planner"})


def test_plaintext_is_refused_before_any_password():
    w = gateway(listen="0.0.0.0", tls=cert)
    r = psql(w, ADDRESS, "disable")
    h.check(r.code != 0, repr(r))
    h.has(r.err, "FATAL", "TLS", "sslmode=require")
    h.lacks(w.log(), "k-planner")
    h.eq(psql(w, ADDRESS, "require").out, "1")
    h.eq(psql(w, "127.0.0.1", "disable").out, "1")  # loopback may
    h.eq(w.stop(), 0)
    fails = [x for x in w.audit("export", w.state, "--format", "jsonl").out.splitlines()
             if '"session.start"' in x]
    h.eq(len(fails), 2, "sessions on record")


def test_no_listening_there_without_a_certificate():
    w = h.Weir(pg, policy=POLICY, conf=CONF.format(listen=ADDRESS, tls="off") + h.PRINCIPALS,
               start=False)
    r = h.weir("run", "-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, ADDRESS, "tls cert")


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
