#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir dis --source and weir bench."""
import glob, json, os, re, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)
TENANTS, PAYMENTS = "policies-examples/tenants.weir", "policies-examples/payments.weir"
NOTE = re.compile(r"^ {10}; (\S+):(\d+): (.*)$")


def put(text):
    path = f"{h.tmp()}/p.weir"
    with open(path, "w") as f:
        f.write(text)
    return path


def test_source_lines():
    for path in sorted(glob.glob("policies-examples/*.weir")):
        plain = h.weir("dis", path)
        noted = h.run(["build/asan/weir", "dis", "--source", path])
        h.eq((plain.code, noted.code), (0, 0), noted.err)
        rows = noted.out.splitlines()
        h.eq("\n".join(r for r in rows if not NOTE.match(r)), plain.out, path)
        notes = [NOTE.match(r) for r in rows if NOTE.match(r)]
        named = {(os.path.basename(m[1]), int(m[2])) for m in notes}
        text = {f: open(f).read().split("\n") for f in {m[1] for m in notes}}
        for m in notes:
            h.eq(m[3], text[m[1]][int(m[2]) - 1])
        for m in re.finditer(r"^rule \d+ (?:shadow )?\w+ \S+  # (\S+):(\d+):", plain.out, re.M):
            h.check((os.path.basename(m[1]), int(m[2])) in named, f"{path}: rule in {m[0]} has no code")


def test_each_clause_before_its_tests():
    out = h.weir("dis", "--source", TENANTS).out
    h.has(out, "entry command  # at most 8 instructions, stable\n"
          '          ; policies-examples/tenants.weir:17: allow read "support and finance read orders"\n'
          "          ; policies-examples/tenants.weir:18:   who support, finance   on shop\n"
          '     0  set-any user.groups {"finance", "support-7"}; false -> 5\n'
          "     1  enum-in target.protocol {postgres}; false -> 5\n"
          '     2  str-glob target.name "shop"; false -> 5\n'
          "          ; policies-examples/tenants.weir:19:   do  sql.basics, sql.select\n"
          "     3  action-in",
          '          ; policies-examples/tenants.weir:27:   unless row.consent = true and row.country in {"DE", "AT"}\n'
          "     5  row-in row.consent")


def test_amounts_of_a_limit():
    policy = f"{h.tmp()}/p.weir"
    with open(policy, "w") as f:
        f.write("policy p\nallow a do sql.select\n"
                "limit l do sql.write commands 5 per minute rows 9 per session time 2s per hour\n"
                'test "counts" as human "ida" on "x" run "delete from t" expect limited by l\n')
    h.has(h.weir("dis", policy).out,
          "commands 5 per minute", "rows 9 per session", "time 2000ms per hour")
    h.has(h.weir("eval", policy, "--facts", "-", input='{"action": "sql.delete"}').out,
          '"amounts": [{"commands": 5, "per": "minute"}, {"rows": 9, "per": "session"}, '
          '{"time_ms": 2000, "per": "hour"}]')


def test_source_of_an_image():
    image = f"{h.tmp()}/p.img"
    h.eq(h.weir("build", TENANTS, "-o", image).code, 0)
    h.eq(h.weir("dis", "--source", image).out,
         h.weir("dis", "--source", TENANTS).out.replace("policies-examples/", ""))


def test_names_of_a_foreign_image():
    image = f"{h.tmp()}/names.img"
    text = put('policy ppppp\ngroup ggggg = idp "x"\ndata ddddd = column a.b\n'
               'mask mmmmm of ddddd with null unless who ggggg\nallow rrrrr who ggggg do sql.select\n')
    h.eq(h.weir("build", text, "-o", image).code, 0)
    with open(image, "rb") as f:
        raw = f.read()
    for name in (b"ppppp", b"ggggg", b"ddddd", b"mmmmm", b"rrrrr"):
        raw = raw.replace(b"\x65" + name, b"\x65\x1b[3" + name[:1] + b"\n")
    with open(image, "wb") as f:
        f.write(raw)
    r = h.weir("dis", image)
    h.eq(r.code, 0, repr(r))
    h.has(r.out, *(r"\u001b[3%s\u000a" % c for c in "pgdmr"))
    h.check("\x1b" not in r.out, "the terminal would obey it")


def test_bench():
    r = h.weir("bench", PAYMENTS)
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "policy payments: 8 rules, ", "median ns", "p99 ns")
    rows = [json.loads(x) for x in h.weir("bench", TENANTS, "--json").out.splitlines()]
    h.eq([x["entry"] for x in rows], ["connect", "command", "result", "row"])
    for x in rows:
        h.check(x["facts"] > 0 and 0 < x["median_ns"] <= x["p99_ns"], x)
        h.check(0 < x["ops"] <= x["most_ops"] <= x["cost"], x)
    h.eq({x["rules"] for x in rows}, {3})
    image = f"{h.tmp()}/b.img"
    h.eq(h.weir("build", TENANTS, "-o", image).code, 0)
    h.eq([json.loads(x)["facts"] for x in h.weir("bench", image, "--json").out.splitlines()],
         [x["facts"] for x in rows])


def test_bench_of_many_rules():
    rules = "".join(f'allow r{i}   do sql.select   when table = "t{i}"\n' for i in range(1000))
    tests = "".join(f'test "{i}" as agent "x" on "o" run "select a from t" expect deny\n' for i in range(50))
    start = time.monotonic()
    rows = [json.loads(x) for x in h.weir("bench", put("policy p\n" + rules + tests), "--json").out.splitlines()]
    h.check(time.monotonic() - start < 20, "it takes too long")
    h.eq([x["facts"] for x in rows if x["entry"] == "command"], [50])


def test_bench_of_many_patterns():
    """Patterns are looked up, not tried one after another."""
    for n in (40, 300):
        rules = "".join(f'allow r{i} do sql.select when table matches "app.t{i}_*" and sql.parameters = {i % 7}\n'
                        for i in range(n))
        tests = "".join(f'test "{i}" as agent "x" on "o" run "select a from app.t{i}_x" expect deny\n'
                        for i in range(1, n, n // 9))
        rows = [json.loads(x) for x in h.weir("bench", put("policy p\n" + rules + tests), "--json").out.splitlines()]
        h.check([x for x in rows if x["entry"] == "command" and 0 < x["most_ops"] < 20], rows)


def test_usage():
    h.eq(h.weir("bench", put("policy p\nallow r do sql.select\n")).code, 1)
    h.eq(h.weir("bench", put("policy p\nallow r do sql.selec\n")).code, 1)
    for argv in (["bench"], ["bench", "--x"], ["bench", PAYMENTS, TENANTS], ["bench", "/nowhere"],
                 ["dis", "--source"], ["dis", "--sources", PAYMENTS]):
        h.eq(h.weir(*argv).code, 2, argv)


def test_bench_of_many_endings():
    """The index does not look them up: they are asked so that each answer leaves as few as can be."""
    rules = "".join(f'allow r{i} do sql.select when user.name matches "*-{i}"\n' for i in range(60))
    tests = "".join(f'test "{i}" as agent "x-{i}" on "o" run "select 1" expect allow\n' for i in range(0, 60, 6))
    rows = [json.loads(x) for x in h.weir("bench", put("policy p\n" + rules + tests), "--json").out.splitlines()]
    h.check([x for x in rows if x["entry"] == "command" and x["ops"] < 50], rows)


h.main(test_source_lines, test_each_clause_before_its_tests, test_amounts_of_a_limit, test_source_of_an_image,
       test_names_of_a_foreign_image,
       test_bench, test_bench_of_many_rules, test_bench_of_many_patterns,
       test_bench_of_many_endings, test_usage)
