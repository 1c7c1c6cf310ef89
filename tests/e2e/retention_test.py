#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`retention` of a running gateway: what is old goes from the audit log, killed or not, and nothing
else is lost by it: who works, what waits for people, what a budget has left."""
import os, shutil, struct, subprocess, time

import harness as h

POLICY = """policy retained
group ai-agents  = idp "ai-agents"
group dba-oncall = idp "dba-oncall"
limit few
  who ai-agents   do sql.select
  rows 6 per day
hold ddl
  do sql.ddl   for 1 of dba-oncall not self   within 15m
deny writes do sql.update
default allow
"""

pg = None


def setup():
    global pg
    pg = h.Postgres(sql="create table t (a int); insert into t select generate_series(1, 5);"
                        "grant all on t to app; grant create on schema public to app")


def verify(w, *codes):
    r = w.audit("verify", w.state)
    h.check(r.code in codes, f"exit {r.code}, want {codes}: {r}")
    return r.out


def pruned(w):
    h.wait_for(lambda: "retention pruned segments=" in w.log(), 20, "the gateway prunes")


made = None


def old_log():
    """A gateway that is stopped, with the records of two runs."""
    global made
    if made:
        w = h.Weir(pg, POLICY, start=False)
        shutil.copytree(made, w.state)
        return w
    w = h.Weir(pg, POLICY)
    h.eq(w.psql("select count(*) from t").out, "5")
    w.stop()
    w.start()
    h.has(w.psql("update t set a = 1").err, "writes")
    w.stop()
    verify(w, 0)
    made = f"{h.tmp()}/made"
    shutil.copytree(w.state, made)
    return w


def test_what_is_old_goes_and_work_goes_on():
    w = old_log()
    first = w.audit("export", w.state).out.splitlines()[0]
    w.configure(extra="retention 1s\n")
    w.start()
    session = w.psql_start()
    session.write("select 41 + 1;\n")
    session.saw("42")
    pruned(w)
    session.write("select 42 + 1;\n")
    session.saw("43")
    h.has(verify(w, 2), "were pruned on", "by the gateway (retention 1s)")
    r = w.audit("export", w.state)
    h.has(r.err, "are not here: they were pruned")
    h.lacks(r.out, first)
    h.has(r.out, '"type":"retention.prune"', '"subject":"weir"')
    h.has(w.audit("tail", "-n", "50", w.state).out, "retention.prune   weir - - records before ")
    session.write("\\q\n")
    session.wait()
    w.stop()
    h.has(verify(w, 2), "were pruned on")


def test_without_it_nothing_goes():
    w = old_log()
    w.configure(extra="retention forever\n")
    w.start()
    h.eq(w.psql("select 1").out, "1")
    # A reload is enough; the records of this run are in the segment that is written.
    w.configure(extra="retention 1s\n")
    h.check("pruned" not in w.log(), w.log())
    w.reload()
    pruned(w)
    h.eq(w.psql("select 1").out, "1")
    h.has(w.audit("export", w.state).out, "retention 1s", "retention forever")
    w.stop()
    verify(w, 2)


def test_what_waits_and_what_is_used_up_stays_so():
    w = old_log()
    w.start()
    h.eq(len(w.psql("select a from t").out.split()), 5)
    w.stop()
    w.configure(extra="retention 1s\n")
    w.start()
    held = w.psql_start("create table made (a int)")
    request = w.pending()[0]["id"]
    pruned(w)
    h.has(w.psql("select a from t").err, "few")
    r = w.approvals("approve", request, "--reason", "it is fine")
    h.eq(r.code, 0, repr(r))
    h.eq(held.wait().code, 0, held.err)
    w.stop()
    h.has(verify(w, 2), "were pruned on", "1 held")
    w.start()
    h.has(w.psql("select a from t").err, "few")
    w.stop()
    verify(w, 2)


def test_killed_at_any_time_it_starts_again():
    w = old_log()
    w.configure(extra="retention 1s\n")
    # It prunes a second after its start.
    for seconds in (0.96, 1.0, 1.03, 1.06):
        w.start()
        time.sleep(seconds)
        w.kill()
        verify(w, 0, 2)
    w.start()
    pruned(w)
    h.eq(w.psql("select 1").out, "1")
    w.stop()
    h.has(verify(w, 2), "were pruned on")


def hold(w, user, *args):
    return w.cli("audit", "hold", *args, "--as", user, "-c", w.conf_path, user=user)


def test_a_hold_keeps_and_somebody_else_releases():
    w = old_log()
    w.configure(extra="retention forever\n")
    w.start()
    r = hold(w, "ana", "set", "case-17", "--reason", "a lawyer asked")
    h.eq(r.code, 1)
    h.has(r.err, "hold-not-yours", "retention ... holds")
    w.stop()
    w.configure(extra="retention forever holds dba-oncall, legal\n")
    w.start()
    for user in ("planner-7", "cy"):
        h.has(hold(w, user, "set", "case-17", "--reason", "no").err, "hold-not-yours")
        h.has(hold(w, user, "list").err, "hold-not-yours")
    h.has(hold(w, "ana", "set", "a*b", "--reason", "no").err, "hold-bad-name")
    h.has(hold(w, "ana", "set", "case-17", "--reason", "").err, "hold-reason-required")
    h.has(hold(w, "ana", "set", "case-17", "--reason", "x", "--from", "2026-02-01", "--to",
               "2026-01-01").err, "hold-bad-body")
    r = hold(w, "ana", "set", "case-17", "--reason", "a lawyer asked", "--from", "2026-01-01")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "case-17  by ana since ", " from 2026-01-01T00:00:00Z: a lawyer asked")
    h.has(hold(w, "bo", "set", "case-17", "--reason", "again").err, "hold-exists")
    h.eq(hold(w, "bo", "list", "--json").json()["holds"][0]["by"], "ana")
    w.kill()
    w.configure(extra="retention 1s holds dba-oncall\n")
    w.start()
    h.wait_for(lambda: "retention held hold=case-17" in w.log(), 20, "the hold keeps something")
    h.has(verify(w, 2), 'are kept by the hold "case-17", which ana set')
    r = hold(w, "ana", "release", "case-17", "--reason", "over")
    h.eq(r.code, 1)
    h.has(r.err, "hold-self")
    h.has(hold(w, "bo", "release", "case-18", "--reason", "over").err, "hold-not-found")
    r = hold(w, "bo", "release", "case-17", "--reason", "over")
    h.eq((r.code, r.out), (0, ""), repr(r))
    pruned(w)
    w.stop()
    h.has(verify(w, 2), "were pruned on")
    # By hand it is kept as well, and said.
    w = old_log()
    w.configure(extra="retention forever holds dba-oncall\n")
    w.start()
    h.eq(hold(w, "ana", "set", "case-18", "--reason", "a lawyer asked").code, 0)
    w.stop()
    r = w.audit("prune", "--older-than", "0s", w.state)
    h.eq(r.code, 1, repr(r))
    h.has(r.out, 'kept by the hold "case-18"')
    h.has(verify(w, 2), 'are kept by the hold "case-18"')


def test_what_goes_while_it_is_exported():
    """The export has the first segment in its hands, and its reader takes its time."""
    w = h.Weir(pg, POLICY)
    w.psql(input="update t set a = 1;\n" * 300, options=("-v", "ON_ERROR_STOP=0"))
    w.stop()
    for _ in range(2):
        w.start()
        w.stop()
    w.configure(extra="retention 1s\n")
    export = subprocess.Popen([h.WEIR, "audit", "export", w.state], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    h.has(export.stdout.readline(), '"log.state"')
    w.start()
    pruned(w)
    out, err = export.stdout.read(), export.stderr.read()
    h.eq((export.wait(20), out.count('"type":"command"')), (0, 300), err)
    h.has(err, "are not here: they were pruned while this was reading")
    w.stop()
    verify(w, 2)


def test_a_clock_that_is_set_forward_has_time_to_be_set_back():
    preload, ahead = f"{h.tmp()}/clock_ahead.so", f"{h.tmp()}/ahead"
    r = h.run(["cc", "-shared", "-fPIC", "-o", preload, f"{h.ROOT}/tests/e2e/clock_ahead.c"])
    h.eq(r.code, 0, repr(r))
    with open(ahead, "wb") as f:
        f.write(struct.pack("=q", 0))
    w = old_log()
    w.configure(extra="retention 300s\n")  # it looks every 3 s
    w.env = {"LD_PRELOAD": preload, "CLOCK_AHEAD": ahead}
    ready = w.log().count("ready version") if os.path.exists(f"{w.dir}/log") else 0
    w.start()
    h.wait_for(lambda: w.log().count("ready version") == ready + 1, 20, "it has started")
    with open(ahead, "r+b") as f:
        f.write(struct.pack("=q", 3600))
    h.wait_for(lambda: "retention: the clock was set forward by " in w.log() or
               "retention pruned" in w.log(), 20, "it looks")
    h.lacks(w.log(), "retention pruned")
    h.eq(w.psql("select 1").out, "1")
    pruned(w)  # nobody has set it back
    h.eq(w.log().count("the clock was set forward"), 1)
    w.stop()
    verify(w, 2)


def test_usage_of_holds():
    for args in ((), ("set",), ("set", "a"), ("list", "a"), ("release", "a"), ("set", "a/b", "--reason", "x"),
                 ("set", "a", "--reason", "x", "--from", "x"), ("list", "--frob"), ("list", "--reason"),
                 ("release", "a", "--reason", "x", "--from", "2026-01-01"), ("frob", "x")):
        h.eq(h.weir("audit", "hold", *args, "--as", "ana").code, 2, repr(args))
    h.eq(h.weir("audit", "hold", "list").code, 2)


h.main(test_what_is_old_goes_and_work_goes_on, test_without_it_nothing_goes,
       test_what_waits_and_what_is_used_up_stays_so, test_killed_at_any_time_it_starts_again,
       test_a_hold_keeps_and_somebody_else_releases, test_what_goes_while_it_is_exported,
       test_a_clock_that_is_set_forward_has_time_to_be_set_back, test_usage_of_holds,
       setup=setup)
