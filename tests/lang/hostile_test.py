#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Policies that nobody writes: huge, deep, cyclic, spoilt. Each ends with a diagnostic (or compiles), in
bounded time and memory: what is quadratic in the length of a text takes minutes here."""
import os, resource, signal, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", f"{ROOT}/build/weir")
SECONDS, MEGABYTES = 10, 1024
HEAD = 'policy p\ngroup agents = idp "a"\nallow read who agents do sql.select\n'
AS = 'as agent "a" in agents on "x"'


def many(line, n):
    return "".join(line.replace("%", str(i)) for i in range(n))


# name, text (or files by name; None: a pipe that nobody writes), what must be said (None: nothing)
CASES = [
    ("a million rules", HEAD + many("deny r%\n", 1000000), "E0606"),
    ("rules of one name", HEAD + many("deny r do sql.drop\n", 50000), "E0401"),
    ("100,000 groups", HEAD + many('group g% = idp "x"\n', 100000), "E0621"),
    ("groups of one name", HEAD + many('group g = idp "x"\n', 50000), "E0401"),
    ("60,000 groups in one clause", HEAD + many('group g% = idp "x%"\n', 60000)
     + "deny z who " + ", ".join(f"g{i}" for i in range(60000)) + "\n", "W1225"),
    ("50,000 data classes", HEAD + many("data d% = column a.b%\n", 50000), "W1204"),
    ("60,000 columns in a class", HEAD + "data d = " + ", ".join(f"column a.b{i}" for i in range(60000))
     + "\nmask d with null\n", "W1225"),
    ("50,000 lets", HEAD + many('let l% = user.name = "x%"\n', 50000), "W1204"),
    ("a chain of lets", HEAD + "let l0 = sql.where\n" + "".join(
        f"let l{i} = l{i - 1}\n" for i in range(1, 20000)) + "deny x when l19999\n", "E0207"),
    ("a chain of lets downwards", HEAD + "".join(f"let l{i} = not l{i + 1}\n" for i in range(20000))
     + "let l20000 = sql.where\ndeny x when l0\n", "E0207"),
    ("a circle of lets", HEAD + "let l0 = not l19999\n" + "".join(
        f"let l{i} = not l{i - 1}\n" for i in range(1, 20000)) + "deny x when l19999\n", "E0207"),
    ("50,000 tests", HEAD + many(f'test "t%" {AS} run "select 1" expect allow\n', 50000), None),
    ("tests of rules that are not there", HEAD + many("deny r% do sql.drop\n", 2000)
     + many(f'test "t%" {AS} run "select 1" expect deny by no%\n', 5000), "E0408"),
    ("60,000 functions", HEAD + many('trust function "a.f%(int)" digest "sha256:' + "0" * 64 + '"\n', 60000),
     None),
    ("200,000 unknown names", HEAD + many("deny x% when nosuch% = 1\n", 200000), "E0406"),
    ("200,000 strings in a set", HEAD + "deny x when table in {"
     + ", ".join(f'"t{i}"' for i in range(200000)) + "}\n", "E0621"),
    ("two million brackets", HEAD + "deny x when " + "(" * 1000000 + "true" + ")" * 1000000 + "\n", "E0207"),
    ("two million nots", HEAD + "deny x when " + "not " * 1000000 + "sql.where\n", "E0207"),
    ("half a million ors", HEAD + "deny x when " + " or ".join(["sql.where"] * 500000) + "\n", "E0207"),
    ("300,000 clauses", HEAD + "deny x " + "who agents " * 300000 + "\n", "E0207 or E0607 or none"),
    ("300,000 amounts", HEAD + "limit l " + "rows 5 " * 300000 + "\n", "E0614"),
    ("half a million limits", HEAD + many("limit l% rows 1 per day\n", 500000), "E0606"),
    ("10,000 limits of one kind", HEAD + many("limit l% rows 1% per hour\n", 10000), "W1210"),
    ("10,000 limits of groups", HEAD + many('group g% = idp "x%"\n', 10000)
     + many("limit l% who g% rows 1%\n", 10000), None),
    ("amounts that contradict", HEAD + "limit l rows 5 per hour rows 6 per hour\n", "E0614"),
    ("100,000 quorums", HEAD + "hold h do sql.ddl for " + " and ".join(["1 of agents"] * 100000)
     + " within 5m\n", "E0611"),
    ("200,000 facts of a test", HEAD + f'test "x" {AS} with ' + ", ".join(["sql.where = true"] * 200000)
     + ' run "select 1" expect allow\n', None),
    ("a statement of a megabyte", HEAD + f'test "x" {AS} run "select ' + ",".join(["1"] * 500000)
     + '" expect allow\n', None),
    ("a line of 8 MB", HEAD + "# " + "x" * 8000000 + "\n deny @ do\n", "E0101"),
    ("60,000 regular expressions", HEAD + many("allow r% do sql.select when " + " or ".join(
        f"table matches /^a%-{j}y/" for j in range(6)) + "\n", 10000), "E0620"),
    ("50,000 names beside 5,000 regular expressions", HEAD
     + many("allow r% do sql.drop when table matches /^a%y.*z/\n", 5000) + "deny names do sql.drop when table in {"
     + ", ".join(f'"a{i}y.b"' for i in range(50000)) + "}\n", "W1226"),
    ("2,000 regular expressions of many states", HEAD
     + many("allow r% do sql.select when table matches /(a|b)*a(a|b){11}c%/\n", 2000), "E0511"),
    ("a regular expression of 64 KiB", HEAD + "allow r when table matches /" + "[a-z]" * 13107 + "/\n", "E0511"),
    ("repetitions of repetitions", HEAD + "allow r when table matches /((((a?){1000}){1000}){1000}){1000}/\n", "E0511"),
    ("repetitions of nothing", HEAD + "allow r when table matches /((((){1000}){1000}){1000}){1000}/\n", "E0511"),
    ("200,000 brackets in a regular expression", HEAD + "allow r when table matches /" + "(" * 200000 + "/\n", "E0511"),
    ("a million stray characters", HEAD + "@ " * 1000000, "E0101"),
    ("17 MB", HEAD + "# much\n" * (17 << 20 >> 3) + "#" * (2 << 20), "at most 16777216 are read"),
    ("bytes that are no UTF-8", HEAD.encode() + b"\xff" * 5000000, "E0102"),
    ("half a character", HEAD.encode() + b"# \xe2\x82", "E0102"),
    ("a NUL", HEAD + "\0" * 100000, "E0103"),
    ("look-alike letters", HEAD + "deny r\u0435ad do sql.drop\n", "E0104"),
    ("what turns the text around", HEAD + 'deny x "\u202esafe" do sql.drop\n', "E0105"),
    ("nothing", "", "E0610"),
    ("an import that is a pipe", {"p.weir": HEAD + 'import "q.weir"\n', "q.weir": None}, "E0301"),
    ("a catalog that is a pipe", {"p.weir": HEAD + 'catalog "q.sql"\n', "q.sql": None}, "E0301"),
    ("an import of itself", {"p.weir": HEAD + 'import "p.weir"\n'}, "E0302"),
    ("imports in a circle", {"p.weir": HEAD + 'import "a.weir"\n', "a.weir": 'import "b.weir"\n',
                             "b.weir": 'import "a.weir"\n'}, "E0302"),
    ("200 files that import each other", dict(
        {"p.weir": HEAD + many('import "i%.weir"\n', 200)},
        **{f"i{k}.weir": many('import "i%.weir"\n', 200) for k in range(200)}), "E0302"),
    ("a chain of 255 imports", dict(
        {"p.weir": HEAD + 'import "i0.weir"\n', "i254.weir": "deny x do sql.drop\n"},
        **{f"i{k}.weir": f'import "i{k + 1}.weir"\n' for k in range(254)}), None),
    ("30 MB in files", dict({"p.weir": HEAD + many('import "i%.weir"\n', 5)},
                             **{f"i{k}.weir": "# much\n" * ((6 << 20) // 7) for k in range(5)}), "E0308"),
    ("5,000 views, each of the next", {"p.weir": HEAD + 'catalog "p.sql"\n', "p.sql": "create table v0 (a int);\n"
     + "".join(f"create view v{i} as select * from v{i - 1};\n" for i in range(1, 5000))}, "E0665"),
    ("300,000 tables", {"p.weir": HEAD + 'catalog "p.sql"\n', "p.sql": many("create table t% (a int);\n", 300000)},
     "E0665"),
    ("a view of a hundred thousand brackets", {"p.weir": HEAD + 'catalog "p.sql"\n', "p.sql":
     "create view v as select " + "(" * 100000 + "1" + ")" * 100000 + ";"}, "E0665"),
    ("30 MB of catalogs", dict({"p.weir": HEAD + many('catalog "i%.sql"\n', 5)},
                                 **{f"i{k}.sql": f"create table a.t{k} (c int);" + " " * (6 << 20)
                                    for k in range(5)}), "E0308"),
    ("300 imports", dict({"p.weir": HEAD + many('import "i%.weir"\n', 300)},
                         **{f"i{k}.weir": "\n" for k in range(300)}), "E0306"),
]


# The error about a limit says what was found, what is possible, and what to do: words of each.
LIMITS = [
    ("rules", HEAD + many("deny r%\n", 10300), "the policy has 10301 rules; at most 10240 are possible", "can be one"),
    ("groups", HEAD + many('group g% = idp "x"\n', 70000), "70001 groups; at most 65535 are possible", "a pattern"),
    ("targets", HEAD + many('target t% = postgres "x%"\n', 70000), "70000 targets; at most 65535", "a pattern"),
    ("classes", HEAD + many("data d% = column a.b%\n", 70000), "70000 data classes; at most 65535", "a pattern"),
    ("columns", HEAD + "data d = " + ", ".join(f"column a.b{i}" for i in range(70000)) + "\n",
     "70000 columns in one class; at most 65535", "a pattern"),
    ("strings", HEAD + "deny x when table in {" + ", ".join(f'"t{i}"' for i in range(70000)) + "}\n",
     "70000 strings in one list; at most 65535", "a pattern"),
    ("constants", HEAD + "".join(f"deny r{i} when " + " or ".join(f'table = "t{i * 50 + k}"' for k in range(50))
                                 + "\n" for i in range(1311)),
     "different constants; at most 65535 are possible", "a list is one constant"),
    ("columns of rows", HEAD + "data c = column t.c\nmask c with null when "
     + " or ".join(f"row.c{i} = 1" for i in range(65)) + "\n", "than the 64 that are possible", "'c64' is the one"),
    ("instructions", HEAD + "let a = " + " or ".join(f"sql.statements = {i}" for i in range(40)) + "\n"
     + many("deny r% when a\n", 7000), "the limit is 262144", "write `in {...}`"),
    ("brackets", HEAD + "deny x when " + "(" * 1000 + "true" + ")" * 1000 + "\n", "some 250 brackets",
     "name parts of it with `let`"),
    ("lets", HEAD + "".join(f"let l{i} = not l{i + 1}\n" for i in range(300))
     + "let l300 = sql.where\ndeny x when l0\n", "200 `let`, each defined by the next", "write out"),
    ("or", HEAD + "deny x when " + " or ".join(["sql.where"] * 5000) + "\n", "1000 levels", "`in {...}`"),
    ("files", dict({"p.weir": HEAD + many('import "i%.weir"\n', 256)},
                   **{f"i{k}.weir": "\n" for k in range(256)}), "file 257 of the policy, which may have at most 256",
     "join some"),
    ("bytes", HEAD + "# much\n" * (17 << 20 >> 3) + "#" * (2 << 20), "at most 16777216 are read (16 MiB)",
     "take it apart with `import`"),
    ("bytes of an image", HEAD + "# much\n" * ((16 << 20) // 7 - 40), "the limit is 16777216", "take apart"),
    ("groups of approvers", HEAD + many('group g% = idp "x%"\n', 17) + "hold h do sql.ddl for "
     + " and ".join(f"1 of g{i}" for i in range(17)) + " within 5m\n", "from 1 to 16", "from 1 to 16"),
    ("approvers", HEAD + "hold h do sql.ddl for 101 of agents within 5m\n", "from 1 to 100", "from 1 to 100"),
    ("an amount", HEAD + "limit l rows 1125899906842625 per hour\n", "from 1 to 1125899906842624", "must be"),
]


def limit(files, *words):
    out, code, cpu, _ = check(files)
    if code not in (1, 2) or any(w not in out for w in words):
        return f"exit code {code}, want {words}:\n{out[:1000]}"
    return f"{cpu:.1f} s" if cpu > SECONDS else None


def bounds():
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(300)


def check(files):
    """What `weir check` says, its exit code, and the time and memory that it took."""
    with tempfile.TemporaryDirectory(prefix="weir-hostile-") as folder:
        for name, text in files.items():
            if text is None:
                os.mkfifo(f"{folder}/{name}")
                continue
            with open(f"{folder}/{name}", "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
        p = subprocess.Popen([WEIR, "check", "p.weir"], cwd=folder, preexec_fn=bounds,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out = p.stdout.read().decode(errors="replace")
        _, status, used = os.wait4(p.pid, 0)
    return out, os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss


def run(files, want):
    """What is wrong, or None."""
    out, code, cpu, memory = check(files)
    said = {w[1:6] for w in out.split() if len(w) > 6 and w[0] == "[" and w[6] == "]"}
    said |= {part.split("]")[0] for part in out.split("[")[1:] if part[5:6] == "]"}
    wanted = (want or "none").split(" or ")
    if code == 2 and want in out:
        return None
    if code not in (0, 1):
        return f"exit code {code}:\n{out[-2000:]}"
    if not (said & set(wanted) or ("none" in wanted and code == 0)):
        return f"said {sorted(said)}, exit code {code}, want {want}:\n{out[:2000]}"
    if cpu > SECONDS or memory > MEGABYTES << 10:
        return f"{cpu:.1f} s and {memory >> 10} MB, at most {SECONDS} s and {MEGABYTES} MB"
    return None


def main():
    if subprocess.run([WEIR, "version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        sys.exit(f"no {WEIR}: run ninja")
    print(f"1..{len(CASES) + len(LIMITS)}")
    failed = 0
    for i, (name, text, want, *more) in enumerate(CASES + LIMITS, 1):
        files = text if isinstance(text, dict) else {"p.weir": text}
        problem = limit(files, want, *more) if more else run(files, want)
        for line in (problem or "").splitlines():
            print(f"# {line}")
        print(f"{'not ' if problem else ''}ok {i} - {name}", flush=True)
        failed += problem is not None
    return failed != 0


sys.exit(main())
