#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The target refuses the password of the gateway's login, because it is another one from now on: it is read again,
once for all clients, and who met the refusal has a connection. Nobody tells the gateway."""
import os, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import passwords
from passwords import gateway, keep, psycopg, rotate

pg = None


def setup():
    global pg
    pg = passwords.postgres()


def refusals():
    return pg.log().count("password authentication failed for user \"app\"")


def unasked(pool, workers=1):
    w = gateway(pg, pool=pool)
    if workers > 1:
        w.stop()
        w.edit(("limit workers 1", f"limit workers {workers}"))
        w.start()
    h.eq(w.psql("select 1").out, "1")
    old = psycopg.connect(w.conninfo(), autocommit=True)
    old.execute("begin")
    keep(w, "rotated")
    rotate(pg, "rotated")
    n = refusals()
    try:
        if workers > 1:
            started = [w.psql_start("select 2") for _ in range(8)]
            for p in started:
                r = p.wait()
                h.eq(r.out, "2", f"{r!r}\n{w.log()}")
        else:
            c = psycopg.connect(w.conninfo(), autocommit=True)
            h.eq(c.execute("select 2").fetchone(), (2,), "the client that met it has its connection")
            c.close()
        h.check(1 <= refusals() - n <= (8 if workers > 1 else 1), f"{refusals() - n} refusals\n{w.log()}")
        h.eq(w.log().count("target password read again target=orders outcome=changed"), 1, w.log())
        h.eq(w.psql("select 3").out, "3")
        h.eq(old.execute("select 4").fetchone(), (4,), "who was there stays")
        h.eq(w.metric('weir_target_passwords_total{outcome="changed"}'), 1)
        h.eq(w.metric("weir_targets_refusing "), 0)
        old.close()
    finally:
        rotate(pg, "app-secret")
    h.eq(w.stop(), 0)
    r = w.audit("export", w.state, "--format", "jsonl")
    h.has(r.out, "refused password, read again", "-target orders password #", "+target orders password #")
    for text in (r.out, w.log()):
        h.lacks(text, "rotated\"", "app-secret")


def test_a_refused_password_is_read_again():
    unasked(None)


def test_for_shared_connections_too():
    for pool in ("session", "transaction"):
        unasked(pool)


def test_once_for_all_clients():
    unasked(None, workers=2)


def failed(w, pool, n=1):
    for _ in range(n):
        h.has(w.psql("select 1").err, "WEIR-TARGET" if pool else "WEIR-TARGET-LOGIN")


def test_a_wrong_one_is_not_tried_for_each_client():
    both = [(gateway(pg, pool=pool), pool) for pool in (None, "session")]
    for w, _ in both:
        w.logged("catalog target=orders relations=")
    rotate(pg, "rotated")
    try:
        for w, pool in both:
            n = refusals()
            failed(w, pool, 12)
            h.check(refusals() - n <= 6, f"{refusals() - n} refusals for 12 clients\n{w.log()}")
            h.eq(w.metric("weir_targets_refusing "), 1)
            h.has(w.log(), "target password read again target=orders outcome=unchanged")
        read = [w.log().count("catalog target=orders relations=") for w, _ in both]
        for w, _ in both:
            keep(w, "rotated")
        for (w, _), n in zip(both, read):
            w.logged("catalog target=orders relations=", n + 1)
            h.wait_for(lambda: w.psql("select 1").out == "1", 10, "it works by itself")
            h.eq(w.metric("weir_targets_refusing "), 0)
    finally:
        rotate(pg, "app-secret")
    for w, _ in both:
        h.eq(w.stop(), 0)


def command(w, text):
    with open(f"{w.dir}/secret.sh", "w") as f:
        f.write(f"echo >>{w.dir}/runs\n{text}\n")


def runs(w):
    with open(f"{w.dir}/runs") as f:
        return len(f.readlines())


def test_a_command_runs_once_for_all():
    w = h.Weir(pg, start=False)
    w.edit(('password "app-secret"', f'password-command "sh {w.dir}/secret.sh"'))
    command(w, "echo app-secret")
    w.start()
    h.eq(w.psql("select 1").out, "1")
    h.eq(runs(w), 1)
    command(w, "sleep 1; echo rotated")
    rotate(pg, "rotated")
    try:
        for p in [w.psql_start("select 1") for _ in range(12)]:
            r = p.wait()
            h.eq(r.out, "1", f"{r!r}\n{w.log()}")
        h.eq(runs(w), 2, w.log())
    finally:
        rotate(pg, "app-secret")
    h.eq(w.stop(), 0)


def test_a_command_that_fails_or_hangs():
    w = h.Weir(pg, start=False)
    w.edit(('password "app-secret"', f'password-command "sh {w.dir}/secret.sh"'))
    command(w, "echo app-secret")
    w.start()
    h.eq(w.psql("select 1").out, "1")
    command(w, "exit 3")
    rotate(pg, "rotated")
    try:
        failed(w, None, 3)
        h.has(w.log(), "outcome=failed", "password-command ended with status 3")
        h.check(w.metric('weir_target_passwords_total{outcome="failed"}') >= 1, "not counted")
        # Who stops the gateway does not wait for it.
        command(w, "sleep 60")
        n = runs(w)
        h.wait_for(lambda: runs(w) > n, 15, "it runs")
        began = time.monotonic()
        h.eq(w.stop(), 0)
        h.check(time.monotonic() - began < 5, "the stop waited for the command")
    finally:
        rotate(pg, "app-secret")


h.main(test_a_refused_password_is_read_again, test_for_shared_connections_too, test_once_for_all_clients,
       test_a_wrong_one_is_not_tried_for_each_client, test_a_command_runs_once_for_all,
       test_a_command_that_fails_or_hangs, setup=setup)
