#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a decision costs by the number of rules: the same rules and commands for Weir and Cedar.

  bench/decide.py [--rules N,N...] [--commands N] [--peer FOLDER] [--gate]

Prints a table: nanoseconds of one decision, median and 99th percentile, in process; milliseconds to
compile and to load. --peer is a folder where `npm install @cedar-policy/cedar-wasm@4.13.0` was run: its
WebAssembly build then decides the same commands, and every verdict must be the same. --gate makes a
broken bound an error (exit 1): they are for a quiet machine. Nothing here runs in CI.
"""
import argparse, json, os, random, resource, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = f"{ROOT}/build/bench/decide"
DDL = ["sql.create", "sql.alter", "sql.drop"]

# Rules, measure, at most.
BOUNDS = [(1000, "median_ns", 150), (1000, "p99_ns", 1000), (1000, "compile_ms", 100),
          (10000, "compile_ms", 1500)]
# From 100 rules to 10,000; time grows more than instructions, because more has to come from memory.
GROWTH = [("ops", 1.2), ("median_ns", 2.5)]


def rules(n):
    """(kind, teams, target, actions, object, condition, unless team): ten rules a team, in the
    shapes that real policies are made of."""
    teams = max(2, n // 10)
    for i in range(n):
        t, k = i % teams, i // teams % 10
        own, schema = f"team-{t}", f"team_{t}"
        if k < 4:
            yield "allow", [own], "main", ["sql.select"], ("table", [f"{schema}.t{k}"]), None, None
        elif k < 6:
            yield ("allow", [own, f"team-{(t + 1) % teams}"], "main", ["sql.insert", "sql.update"],
                   ("table", [f"{schema}.t{k}", f"{schema}.t{k - 4}"]), None, None)
        elif k < 7:
            yield "allow", [own], "replica", ["sql.select"], ("schema", [schema]), None, None
        elif k < 8:
            yield ("deny", [], None, ["sql.update", "sql.delete"], ("table", [f"{schema}.t1"]),
                   "no where", None)
        elif k < 9:
            yield "deny", [], None, ["sql.select"], ("table", [f"{schema}.t3"]), None, own
        else:
            yield "allow", [own], "main", DDL, ("schema", [schema]), "human", None


def weir_policy(n):
    out = ["policy teams"]
    out += [f'group team-{t} = idp "team-{t}"' for t in range(max(2, n // 10))]
    out += ['target main = postgres "main"', 'target replica = postgres "replica"',
            "allow basics do sql.begin"]
    for i, (kind, teams, target, actions, (fact, names), cond, unless) in enumerate(rules(n)):
        quoted = ", ".join(f'"{x}"' for x in names)
        out.append(f"{kind} r{i}" + (f" who {', '.join(teams)}" if teams else "")
                   + (f" on {target}" if target else "") + f" do {', '.join(actions)} when "
                   + (f"{fact} in {{{quoted}}}" if len(names) > 1 else f"{fact} = {quoted}")
                   + {None: "", "no where": " and not sql.where", "human": " and user.kind = human"}[cond]
                   + (f" unless who {unless}" if unless else ""))
    return "\n".join(out) + "\n"


def cedar_policy(n):
    out = ['permit(principal, action == Action::"sql.begin", resource);']
    for kind, teams, target, actions, (fact, names), cond, unless in rules(n):
        when = []
        who = f'principal in Group::"{teams[0]}"' if len(teams) == 1 else "principal"
        if len(teams) > 1:
            when.append("principal in [" + ", ".join(f'Group::"{t}"' for t in teams) + "]")
        acts = ", ".join(f'Action::"{a}"' for a in actions)
        do = f"action == {acts}" if len(actions) == 1 else f"action in [{acts}]"
        if fact == "schema":
            what = f'resource in Schema::"{names[0]}"'
        elif len(names) == 1:
            what = f'resource == Table::"{names[0]}"'
        else:
            what = "resource"
            when.append("[" + ", ".join(f'Table::"{x}"' for x in names) + "].contains(resource)")
        if target:
            when.append(f'context.target == "{target}"')
        if cond:
            when.append("!context.where" if cond == "no where" else 'context.kind == "human"')
        out.append(f"{'permit' if kind == 'allow' else 'forbid'}({who}, {do}, {what})"
                   + (f" when {{ {' && '.join(when)} }}" if when else "")
                   + (f' unless {{ principal in Group::"{unless}" }}' if unless else "") + ";")
    return "\n".join(out) + "\n"


def commands(n, count):
    rnd, teams = random.Random(7), max(2, n // 10)
    for _ in range(count):
        t = rnd.randrange(teams)
        member = [t if rnd.random() < .7 else rnd.randrange(teams)]
        member += [rnd.randrange(teams) for _ in range(rnd.randrange(4))]
        action = rnd.choice(["sql.select"] * 5 + ["sql.update", "sql.insert", "sql.delete", "sql.create",
                                                  "sql.begin"])
        table = "-" if action == "sql.begin" else f"team_{t}.t{rnd.randrange(8)}"
        yield "\t".join([",".join(f"team-{m}" for m in member), rnd.choice(["main", "main", "replica"]),
                         action, table, rnd.choice("011")])


def write(name, text):
    with open(f"{WORK}/{name}", "w") as f:
        f.write(text)
    return f"{WORK}/{name}"


def cpu_ms(argv):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def answer(argv):
    return json.loads(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout)


def read(path):
    with open(path) as f:
        return f.read()


def measure(n, count, peer):
    policy, image = write(f"{n}.weir", weir_policy(n)), f"{WORK}/{n}.img"
    lines = write(f"{n}.commands", "\n".join(commands(n, count)) + "\n")
    compile_ms = cpu_ms([f"{ROOT}/build/weir", "build", policy, "-o", image])
    row = answer([f"{ROOT}/build/opt/bench/decide", image, lines, f"{WORK}/{n}.weir-verdicts"])
    row["compile_ms"] = compile_ms
    verdicts = read(f"{WORK}/{n}.weir-verdicts")
    row["allowed"] = verdicts.count("a")
    if peer:
        row["peer"] = answer(["node", f"{ROOT}/bench/decide_cedar.js", peer,
                              write(f"{n}.cedar", cedar_policy(n)), lines, f"{WORK}/{n}.cedar-verdicts"])
        theirs = read(f"{WORK}/{n}.cedar-verdicts")
        for i, (a, b) in enumerate(zip(verdicts, theirs, strict=True)):
            if a != b:
                sys.exit(f"{n} rules, command {i + 1}: Weir says {a}, Cedar says {b}: "
                         + read(lines).split("\n")[i])
    return row


def report(rows):
    peer = any("peer" in r for r in rows)
    print("| rules | median ns | p99 ns | instructions | list and index: median, p99, instructions "
          "| all rules run: median, p99 | compile ms | load ms | diagram kB | index kB |"
          + (" Cedar: median, p99 ns | parse ms |" if peer else ""))
    print("| --- " * (12 if peer else 10) + "|")
    for r in rows:
        print(f"| {r['rules'] - 1:,} | {r['median_ns']:.0f} | {r['p99_ns']:.0f} | {r['ops']:.1f} "
              f"| {r['index_median_ns']:,.0f}, {r['index_p99_ns']:,.0f}, {r['index_ops']:.1f} "
              f"| {r['all_median_ns']:,.0f}, {r['all_p99_ns']:,.0f} | {r['compile_ms']:.0f} "
              f"| {r['load_ms']:.1f} | {r['diagram_bytes'] / 1000:.0f} | {r['index_bytes'] / 1000:.0f} |"
              + (f" {r['peer']['median_ns']:,}, {r['peer']['p99_ns']:,} | {r['peer']['load_ms']:.0f} |"
                 if peer else ""))
    print("\nallowed, of the commands: " + ", ".join(f"{r['allowed']} of {r['commands']}" for r in rows)
          + ("; Cedar decides each as Weir does" if peer else ""))


def broken(rows):
    by = {r["rules"] - 1: r for r in rows}
    for n, what, most in BOUNDS:
        if n in by and by[n][what] > most:
            yield f"{n} rules: {what} {by[n][what]:.0f}, at most {most}"
    for what, most in GROWTH:
        if 100 in by and 10000 in by and by[10000][what] > most * by[100][what]:
            yield f"from 100 rules to 10,000 {what} grows by more than {most}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rules", default="10,100,1000,10000")
    p.add_argument("--commands", type=int, default=2000)
    p.add_argument("--peer")
    p.add_argument("--gate", action="store_true")
    args = p.parse_args()
    os.makedirs(WORK, exist_ok=True)
    if args.peer and not os.path.isdir(f"{args.peer}/node_modules/@cedar-policy/cedar-wasm"):
        sys.exit(f"{args.peer} has no Cedar: (mkdir -p {args.peer}; cd {args.peer}; "
                 "npm install @cedar-policy/cedar-wasm@4.13.0)")
    rows = [measure(int(n), args.commands, args.peer) for n in args.rules.split(",")]
    report(rows)
    bad = list(broken(rows))
    for line in bad:
        print(f"broken: {line}")
    return 1 if bad and args.gate else 0


if __name__ == "__main__":
    sys.exit(main())
