#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The audit log on a disk that fills up, in a mount namespace with a small file system of its own:
commands are refused while records could not be kept, sessions live on, and it goes on by itself
when there is room again."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

h.in_namespace("-m")

MIB = 1 << 20
CONF = """listen postgres 127.0.0.1:{{port}}
policy "{{policy}}"
state "{disk}/state"
tls off
target orders
  protocol postgres
  address 127.0.0.1:{{pg}}
  database orders
  login "app" password "app-secret"
  tls off
"""
disk = pg = None


def setup():
    global disk, pg
    disk = f"{h.tmp()}/disk"
    os.mkdir(disk)
    r = h.run(["mount", "-t", "tmpfs", "-o", "size=320m", "none", disk])
    h.check(r.code == 0, repr(r))
    pg = h.Postgres(sql="create table t (a int); insert into t values (1)")


def free(path=None):
    st = os.statvfs(path or disk)
    return st.f_bavail * st.f_frsize


def filler(n):
    with open(f"{disk}/filler", "wb") as f:
        f.write(bytes(n))


def test_a_full_disk_refuses_and_room_opens():
    w = h.Weir(pg, policy="policy p\ndefault allow\n", conf=CONF.format(disk=disk) + h.PRINCIPALS)
    w.state = f"{disk}/state"
    s = w.psql_start(options=("-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose"))
    s.write("select a + 1 from t;\n")
    s.saw("2")
    filler(free() - 100 * MIB)  # below the reserve of 128 MiB

    def refused():
        r = w.psql("select a from t")
        return r if r.code else None
    r = h.wait_for(refused, 15, "commands are refused")
    h.has(r.err, "audit")
    h.wait_for(lambda: "audit log: free space is below the reserve" in w.log(), 5, "the operator is told")
    s.write("insert into t values (2);\n")
    h.has(s.saw("WEIR-AUDIT-FULL"), "53100")
    h.eq(pg.super("select count(*) from t", db="orders"), "1", "nothing unrecorded has run")
    os.unlink(f"{disk}/filler")
    h.wait_for(lambda: w.psql("select a from t").code == 0, 15, "there is room again")
    s.write("select a + 41 from t;\n")
    s.saw("42")  # the session went on
    s.write("\\q\n")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", w.state).code, 0)


def test_a_disk_without_room_says_how_much_it_takes():
    small = f"{h.tmp()}/small"
    os.mkdir(small)
    r = h.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", small])
    h.check(r.code == 0, repr(r))
    w = h.Weir(pg, start=False, state=f"{small}/state")
    r = h.weir("run", "-c", w.conf_path)
    h.eq(r.code, 1, repr(r))
    h.has(r.err, f"the disk of {small}/state must have 192 MiB free", "another `state`")


def test_what_was_written_before_is_signed():
    tight = f"{h.tmp()}/tight"
    os.mkdir(tight)
    r = h.run(["mount", "-t", "tmpfs", "-o", "size=150m", "none", tight])
    h.check(r.code == 0, repr(r))
    load = h.spawn([f"{h.ROOT}/build/opt/tests/audit_load", tight, "-t", "1", "-m", "1", "-s", "120"],
                   stdout=h.subprocess.DEVNULL, stderr=h.subprocess.DEVNULL)

    before = [0]

    def signed():
        r = h.weir("audit", "verify", "--json", tight).json()
        ended, before[0] = r["records"] == before[0], r["records"]
        return ended and r["verdict"] == "intact" and r["signed"] == r["records"]
    # It goes on to the end of a segment, and no other one is begun.
    h.wait_for(lambda: free(tight) < 128 * MIB, 60, "it is full")
    h.wait_for(signed, 20, "a head covers all there is")
    h.eq(load.poll(), None)
    h.end(load)


def test_a_policy_that_cannot_be_kept_does_not_come_into_force():
    w = h.Weir(pg, policy="policy p\nallow reading do sql.select, sql.basics\n",
               conf=CONF.format(disk=disk) + h.PRINCIPALS)
    w.state = f"{disk}/state"
    folder = f"{w.state}/audit/policies"
    kept = os.listdir(folder)

    def refused(n, why):
        with open(w.policy, "w") as f:
            f.write(f"policy p\nallow reading do sql.select, sql.basics, sql.insert\nallow more-{n} do sql.delete\n")
        w.reload()
        w.logged("reload refused", n)
        h.has(w.logged("cannot keep the policy in", n), f"{folder}, where it can be shown", why)
        h.eq(os.listdir(folder), kept, "nothing half is left")
    with open(f"{disk}/filler", "wb") as f:
        f.write(bytes(free()))
    refused(1, "No space left on device")
    os.unlink(f"{disk}/filler")
    h.wait_for(lambda: w.psql("select a from t").code == 0, 15, "there is room again")
    h.has(w.psql("insert into t values (3)").err, "WEIR")
    h.eq(h.run(["mount", "--bind", folder, folder]).code, 0)
    r = h.run(["mount", "-o", "remount,bind,ro", folder])
    h.check(r.code == 0, repr(r))
    refused(2, "Read-only file system")
    h.eq(h.run(["umount", folder]).code, 0)
    w.reload()
    w.logged("reloaded ")
    h.eq(w.psql("insert into t values (3)").code, 0)
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", w.state).code, 0)


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
