#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`retention` of a running gateway: what is old goes from the audit log, killed or not, and nothing
else is lost by it: who works, what waits for people, what a budget has left."""
import time

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


def old_log(**kw):
    """A gateway that is stopped, with the records of two runs."""
    w = h.Weir(pg, POLICY, **kw)
    h.eq(w.psql("select count(*) from t").out, "5")
    w.stop()
    w.start()
    h.has(w.psql("update t set a = 1").err, "writes")
    w.stop()
    verify(w, 0)
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


h.main(test_what_is_old_goes_and_work_goes_on, test_without_it_nothing_goes,
       test_what_waits_and_what_is_used_up_stays_so, test_killed_at_any_time_it_starts_again,
       setup=setup)
