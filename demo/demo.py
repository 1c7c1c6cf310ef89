#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plays a short story through a real gateway in front of a real PostgreSQL.

  demo/demo.py           the story; ends by itself and leaves nothing running  (ninja demo)
  demo/demo.py --shell   sets the same thing up and drops into psql            (ninja demo-shell)

Everything runs on loopback, on free ports, in one temporary folder that is gone at the end.
"""
import os, shlex, signal, subprocess, sys, textwrap, time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import harness as h

HERE = f"{h.ROOT}/demo"
POLICY = f"{h.ROOT}/policies-examples/orders.weir"
COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
BOLD, DIM, GREEN, RED, END = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if COLOR \
    else ("",) * 5
steps = 0


class Wrong(Exception):
    """The story did not go as it must."""


def say(text):
    print(textwrap.fill(" ".join(text.split()), 88, initial_indent="  ", subsequent_indent="  "))


def step(title, text):
    global steps
    steps += 1
    print(f"\n{BOLD}{steps}. {title}{END}")
    say(text)
    print(flush=True)


def prompt(who, what):
    print(f"  {DIM}{who}{END} {BOLD}{what}{END}", flush=True)


def show(text, color=""):
    for line in text.rstrip("\n").splitlines():
        print(f"  {color}{line}{END if color else ''}")
    sys.stdout.flush()


def psql_argv(gw, user):
    # -P: plain tables without a pager, which is what a newcomer's psql would show.
    return [h.pg_bin("psql"), "-X", "-P", "pager=off", "-P", "footer=off",
            f"host=127.0.0.1 port={gw.port} user={user} dbname=orders"]


def ask(gw, user, sql, want="", refused=False):
    """One statement through the gateway, as that principal would see it."""
    prompt(f"{user} @ orders=>", sql + ";")
    r = h.run([*psql_argv(gw, user), "-c", sql], env={"PGPASSWORD": h.KEYS[user]})
    show(r.out)
    show(r.err, RED if refused else "")
    if (r.code != 0) != refused or want not in r.out + r.err:
        raise Wrong(f"expected {'a refusal' if refused else 'success'} naming {want!r}\n{r!r}")
    return r


def shown(argv):
    return " ".join(shlex.quote(a) if a != h.WEIR else "weir" for a in argv)


def weir(gw, *args, user=None, code=0, want="", keep=None):
    argv = [h.WEIR, *args]
    # The command a person would type; the paths of this machine's temporary folder say nothing.
    text = shown(argv).replace(gw.conf_path, "weir.conf").replace(gw.state, "state")
    prompt("$", f"{f'WEIR_KEY={h.KEYS[user]} ' if user else ''}{text}")
    r = h.run(argv, env={"WEIR_KEY": h.KEYS[user]} if user else None)
    show(r.out if keep is None else "\n".join(r.out.splitlines()[-keep:]))
    show(r.err, RED if code else "")
    if r.code != code or want not in r.out + r.err:
        raise Wrong(f"expected exit {code} and {want!r}\n{r!r}")
    return r


def approvals(gw, user, *args, **kw):
    return weir(gw, "approvals", *args, "--as", user, "-c", gw.conf_path, user=user, **kw)


def set_up():
    pg = h.Postgres(files=[f"{HERE}/orders.sql"])
    with open(f"{HERE}/weir.conf") as f:
        gw = h.Weir(pg, policy=POLICY, conf=f.read())
    return pg, gw


def reads(gw):
    step("A plain read passes", """planner-7 is an AI agent. It connects with plain psql to the
         gateway instead of the database: the user is who it is, the password is its key.""")
    ask(gw, "planner-7", "select id, item, amount, status from orders where status = 'open'", "desk lamp")
    step("A card number comes back masked", """The same connection, a table with card numbers. The
         rule `mask card with last(4)` names the column, so it does not matter how it is asked for;
         e-mail addresses are masked for agents too.""")
    ask(gw, "planner-7", "select p.name, p.email, c.pan from people p join payments.cards c "
        "on c.person_id = p.id", "1111")
    say("A masked column can be shown, never be searched by: that would tell its value bit by bit.")
    print()
    ask(gw, "planner-7", "select id from payments.cards where pan like '4111%'", "pan", refused=True)


def writes(gw, pg):
    step("An UPDATE without WHERE is refused", """One forgotten clause would cancel every order. The
         rule `unbounded-write` refuses it; the error names the rule and the session goes on.""")
    ask(gw, "planner-7", "update orders set status = 'cancelled'", "unbounded-write", refused=True)
    if pg.query("select count(*) from orders where status = 'cancelled'") != "0":
        raise Wrong("the refused UPDATE reached the database")
    ask(gw, "planner-7", "update orders set status = 'paid' where id = 102", "UPDATE 1")


def hold(gw):
    step("A schema change waits for a person", """`hold ddl ... for 1 of dba not self`. The agent's
         psql does not fail, it waits, and is told so.""")
    sql = "alter table orders add column note text"
    prompt("planner-7 @ orders=>", sql + ";")
    client = h.Background([*psql_argv(gw, "planner-7"), "-c", sql], env={"PGPASSWORD": "k-planner"})
    request = gw.pending("ana")[0]["id"]
    client.saw(request)
    show(client.err)
    print()
    say("Meanwhile, in another terminal. The agent itself cannot approve anything:")
    print()
    approvals(gw, "planner-7", "approve", request, "--reason", "trust me", code=1, want="agent")
    print()
    say("ana is on call. She looks at the exact statement, and releases it:")
    print()
    approvals(gw, "ana", "show", request, want=sql)
    print()
    approvals(gw, "ana", "approve", request, "--reason", "planned, see OPS-31", want="approved")
    print()
    r = client.wait(20)
    say("The agent's psql, which has been waiting all the time, goes on:")
    print()
    show(r.out)
    if r.code != 0 or "ALTER TABLE" not in r.out:
        raise Wrong(f"the released statement did not run\n{r!r}")
    ask(gw, "planner-7", "select id, item, note from orders where id = 100", "note")


def audit(gw):
    step("All of it is on record", """Every command was written to the audit log, and flushed to the
         disk, before it was forwarded (a read: before its answer came back).""")
    folder = f"{gw.state}/audit"
    weir(gw, "audit", "tail", "-n", "40", folder, keep=40)
    print()
    say("The log is a Merkle tree with signed heads. Anybody with the public key can check that "
        "nothing was changed, removed or put in later:")
    print()
    # The head is signed once a second: the one that covers all of the story.
    h.wait_for(lambda: "signed head yet" not in h.run([h.WEIR, "audit", "verify", folder]).out, 5,
               "a signed head over the whole log")
    weir(gw, "audit", "verify", folder)
    print()
    say("One changed byte is found (in a copy):")
    print()
    tampered = f"{h.tmp()}/tampered"
    subprocess.run(["cp", "-r", folder, tampered], check=True)
    tamper(tampered)
    prompt("$", "weir audit verify tampered")
    r = h.run([h.WEIR, "audit", "verify", tampered])
    show(r.out + "\n" + r.err, RED)
    if r.code != 1 or "TAMPERED: segment " not in r.out + r.err:
        raise Wrong(f"a changed log was not found out\n{r!r}")


def tamper(folder):
    """Makes the refused UPDATE look harmless, as somebody with root could. (The policy that is kept
    beside the records has the same words in one of its tests.)"""
    for base, _, files in os.walk(f"{folder}/seg"):
        for name in files:
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                data = f.read()
            at = data.find(b"'cancelled'")
            if at >= 0:
                with open(path, "r+b") as f:
                    f.seek(at)
                    f.write(b"'cancelleD'")
                return
    raise Wrong("the refused statement is nowhere in the audit log")


def story():
    started = time.monotonic()
    print(f"{BOLD}Weir in a minute{END}")
    say("A throwaway PostgreSQL with a small orders database is started, and the gateway in front of "
        "it with the policy policies-examples/orders.weir.")
    pg, gw = set_up()
    print()
    show(f"psql ──► weir 127.0.0.1:{gw.port} ──► PostgreSQL 127.0.0.1:{pg.port}\n"
         f"          approvals 127.0.0.1:{gw.admin}")
    reads(gw)
    writes(gw, pg)
    hold(gw)
    audit(gw)
    code = gw.stop()
    pg.stop()
    if code != 0:
        raise Wrong(f"the gateway ended with {code}\n{gw.log()}")
    print(f"\n{GREEN}That was all of it, in {time.monotonic() - started:.0f} s; nothing is left running.{END}")
    say("Next: `ninja demo-shell` to try it yourself, README.md for what it is, "
        "docs/language.md for the policy language.")


def foreground(argv, **kw):
    """Runs it with the terminal to itself: Ctrl-C is psql's, where it cancels the statement, and
    neither ours nor ninja's."""
    def take():
        os.setpgrp()
        if sys.stdin.isatty():
            os.tcsetpgrp(0, os.getpgrp())

    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # who changes the foreground is not in it
    ours = os.getpgrp()
    code = subprocess.call(argv, preexec_fn=take, **kw)
    if sys.stdin.isatty():
        os.tcsetpgrp(0, ours)
    return code


def shell():
    pg, gw = set_up()
    conf = gw.conf_path
    print(f"""{BOLD}A gateway is up, with policies-examples/orders.weir.{END} You are planner-7, an AI agent. Try:

  select * from payments.cards;
  update orders set status = 'paid';
  alter table orders add column note text;      -- waits: approve it from another terminal with

  WEIR_KEY=k-ana {os.path.relpath(h.WEIR)} approvals list --as ana -c {conf}
  WEIR_KEY=k-ana {os.path.relpath(h.WEIR)} approvals approve ID --reason "..." --as ana -c {conf}
  {os.path.relpath(h.WEIR)} audit tail {gw.state}/audit

As ana (a DBA and auditor): psql "host=127.0.0.1 port={gw.port} user=ana password=k-ana dbname=orders"
\\q ends everything.
""", flush=True)
    argv = psql_argv(gw, "planner-7")
    argv[1:1] = ["-v", "PROMPT1=planner-7 @ %/=> "]  # %n would be the gateway's own login
    code = foreground(argv, env=dict(os.environ, PGPASSWORD="k-planner"))
    gw.stop()
    pg.stop()
    return code


def main():
    if not os.access(h.WEIR, os.X_OK):
        print("demo: build/weir is not there yet; run `ninja`", file=sys.stderr)
        return 2
    try:
        if sys.argv[1:] == ["--shell"]:
            return shell()
        if sys.argv[1:]:
            print(__doc__, file=sys.stderr)
            return 2
        story()
        return 0
    except (Wrong, h.Failure, h.Skip) as e:
        print(f"\n{RED}demo: this did not go as it must:{END} {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


sys.exit(main())
