#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What an author waits for: the tools, and the language server, on a policy of many rules.

  bench/author.py [--rules N] [--rounds N] [--gate]

The policy is that of bench/decide.py, with a catalog of its tables. Milliseconds of the processor,
the median of so many rounds (machines do other things besides). --gate makes a broken bound an error
(exit 1).
"""
import argparse, os, resource, statistics, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [f"{ROOT}/bench", f"{ROOT}/tests/lsp", f"{ROOT}/tests/e2e"]
import decide
from client import Editor, h, place

WORK = f"{ROOT}/build/bench/author"
# At most, for 1,000 rules.
BOUNDS = {"check": 100, "diff": 1000, "lsp": 50}


def texts(n):
    """A policy, one that differs in a rule, and the catalog of both."""
    old = decide.weir_policy(n).replace("policy teams\n", 'policy teams\ncatalog "schema.sql"\n', 1)
    new = old.replace("do sql.select when", "do sql.select, sql.copy-out when", 1)
    sql = "".join(f"create schema team_{t};\n" + "".join(
        f"create table team_{t}.t{k} (id bigint primary key, name text not null, made timestamptz);\n"
        for k in range(10)) for t in range(max(2, n // 10)))
    return old, new, sql


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def cpu_ms(argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([h.WEIR, *argv], capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode > 1:  # 1 says that policies differ
        sys.exit(done.stderr.decode())
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def typed(text, keys=40):
    """Of the server, for each key; and until the diagnostics are there."""
    with Editor(WORK) as e:
        e.open("new.weir", text)
        e.diagnostics("new.weir")
        at = place(text, text.index(" r5 ") + 4)
        took, before = [], cpu_of(e.p.pid)
        for _ in range(keys):
            start = time.monotonic()
            e.change("new.weir", (at, at, " "))
            e.diagnostics("new.weir")
            took.append((time.monotonic() - start) * 1000)
        return (cpu_of(e.p.pid) - before) / keys, statistics.median(took)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rules", type=int, default=1000)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--gate", action="store_true")
    args = p.parse_args()
    os.makedirs(WORK, exist_ok=True)
    old, new, sql = texts(args.rules)
    for name, text in (("old.weir", old), ("new.weir", new), ("schema.sql", sql)):
        with open(f"{WORK}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    who = ["--as", 'human "ann" in team-1', "--on", "main", "select * from team_1.t1"]
    rows = {name: statistics.median(cpu_ms(argv) for _ in range(args.rounds))
            for name, argv in (("check", ["build", f"{WORK}/old.weir", "--no-tests", "-o", f"{WORK}/old.img"]),
                               ("diff", ["diff", f"{WORK}/old.weir", f"{WORK}/new.weir"]),
                               ("explain", ["explain", f"{WORK}/old.weir", *who]),
                               ("who-can", ["who-can", f"{WORK}/old.weir", "sql.ddl"]))}
    rows["lsp"], waited = typed(new)
    rules = new.count("\nallow ") + new.count("\ndeny ") + new.count("\nhold ")
    print(f"| {rules:,} rules, {sql.count('create table'):,} tables | ms | at most |\n| --- | --- | --- |")
    told = {"check": "compiled, and written as an image", "diff": "`weir diff`, one rule changed",
            "explain": "`weir explain`", "who-can": "`weir who-can`",
            "lsp": "a key typed, checked by the language server"}
    for name, ms in rows.items():
        print(f"| {told[name]} | {ms:.0f} | {BOUNDS.get(name, '')} |")
    print(f"\nUntil the editor had the diagnostics of a key: {waited:.0f} ms by the clock.")
    broken = [f"{k}: {rows[k]:.0f} ms, at most {most}" for k, most in BOUNDS.items()
              if args.rules <= 1000 and rows[k] > most]
    for line in broken:
        print(f"broken: {line}")
    return 1 if broken and args.gate else 0


if __name__ == "__main__":
    sys.exit(main())
