#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Golden tests of the language's front end.

  ok/*.weir   parse without a word; the tree is in ok/NAME.ast
  err/*.weir  `# expect CODE LINE:COLUMN-END_COLUMN` names every diagnostic; the text is in NAME.txt
  fmt/*.in    formats to fmt/NAME.weir

Files in subfolders are there to be imported. UPDATE=1 rewrites .ast, .txt and fmt/*.weir.
"""
import glob, json, os, random, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DUMP = f"{ROOT}/build/asan/tests/lang_dump"
WEIR = os.environ.get("WEIR", f"{ROOT}/build/weir")
UPDATE = os.environ.get("UPDATE") == "1"
# What may have a # in it.
STRINGS = r'"(?:[^"\\\n]|\\.)*"|matches\s+/(?:[^/\\\n]|\\.)*/'
results = []


def check(name, problem):
    results.append(problem)
    for line in (problem or "").splitlines():
        print(f"# {line}")
    print(f"{'not ' if problem else ''}ok {len(results)} - {name}", flush=True)


def run(*argv, text=None):
    done = subprocess.run(argv, cwd=HERE, input=text, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def golden(path, got):
    """The difference to the golden file, or None."""
    if UPDATE:
        with open(path, "wb") as f:
            f.write(got)
        return None
    want = open(path, "rb").read() if os.path.exists(path) else b""
    if got == want:
        return None
    return f"{os.path.relpath(path, ROOT)} differs; got:\n" + got.decode(errors="replace")


def ok_files():
    for path in sorted(glob.glob(f"{HERE}/ok/*.weir")):
        name = os.path.relpath(path, HERE)
        code, out, err = run(DUMP, name)
        problem = err.decode(errors="replace") if code or err else golden(path[:-5] + ".ast", out)
        check(name, problem)


def err_files():
    named = set()
    for path in sorted(glob.glob(f"{HERE}/err/*.weir")):
        name = os.path.relpath(path, HERE)
        code, _, err = run(DUMP, "--json", name)
        want = sorted(re.findall(r"# expect ([EW]\d{4}) (\d+:\d+-\d+)",
                                 open(path, "rb").read().decode(errors="replace")))
        problem = None
        if code != 1:
            problem = f"exit {code}\n" + err.decode(errors="replace")
        else:
            got = sorted((d["code"], f"{d['line']}:{d['column']}-{d['end_column']}")
                         for d in json.loads(err)["diagnostics"])
            named |= {c for c, _ in got}
            if got != want:
                problem = "not reported: %s\nnot expected: %s" % (
                    [w for w in want if w not in got], [g for g in got if g not in want])
            else:
                problem = golden(path[:-5] + ".txt", run(DUMP, name)[2])
        check(name, problem)
    # limits() shows the depth; E0307 is in secret_test.py, the others need files of 16 MiB or 256 of them.
    named |= {"E0207", "E0305", "E0306", "E0307", "E0308"}
    table = open(f"{ROOT}/grammar/diags.def").read()
    codes = {c for c in re.findall(r'"(E0[123]\d\d)"', table)}
    missing = sorted(codes - named)
    check("every code of the lexer and parser has a test", missing and f"no test: {missing}")


def keywords():
    """Any word can name a rule, a group, a column, a data class."""
    table = open(f"{ROOT}/grammar/tokens.def").read()
    bad = []
    for word in re.findall(r'KEYWORD\(\w+, "(\w+)"', table):
        text = (f'policy {word} "x"\ngroup {word} = idp "x"\n'
                f'data {word} = column a.{{{word}, b}}, column {word}\n'
                f'let {word} = time.weekday in {{{word}, b}}\n'
                f'deny {word} do sql.ddl when sql.uses({word}, {word} | group)\n'
                f'mask m of {word} with {word}(4)\n'
                f'test "x" as agent "a" on {word} run "x" row ({word}: 1) expect deny by {word}\n')
        path = f"/tmp/weir_lang_{os.getpid()}.weir"
        with open(path, "w") as f:
            f.write(text)
        code, _, err = run(DUMP, path)
        os.unlink(path)
        # Words that start a rule's clause are refused in lists, where a comma too many would
        # otherwise eat the clause: `of who` is such a place.
        if code and word not in ("who", "on", "do", "when", "unless", "for", "within"):
            bad.append(err.decode())
    check("keywords can be names", "\n".join(bad))


def fmt_files():
    for path in sorted(glob.glob(f"{HERE}/fmt/*.in")):
        code, out, err = run(WEIR, "fmt", "-", text=open(path, "rb").read())
        check(os.path.relpath(path, HERE),
              err.decode() if code else golden(path[:-3] + ".weir", out))


def mutate(rng, text):
    """White space, comments and line breaks put where they change nothing."""
    parts = re.split(rf'({STRINGS}|#[^\n]*|\s+)', text)
    out = []
    for p in filter(None, parts):
        if p.isspace() and rng.random() < 0.3:
            if out and out[-1].startswith("#"):
                p = "\n" * rng.randint(1, 3)
            else:
                p = rng.choice([" ", "\n", "  \n\n", "\t", " # note\n", "\n# own line\n"])
        out.append(p)
    return "".join(out)


def fmt_properties():
    """`weir fmt` itself panics when the tree or its own output changes; here: the comments."""
    rng, bad, n = random.Random(1), [], 0
    files = glob.glob(f"{HERE}/ok/*.weir") + glob.glob(f"{ROOT}/policies-examples/*.weir")
    for path in sorted(files):
        for i in range(25):
            text = open(path).read().rstrip()
            if i:
                text = mutate(rng, text)
            code, out, err = run(f"{ROOT}/build/asan/weir", "fmt", "-", text=text.encode())
            n += 1
            if code != 0:
                bad.append(f"{path}, mutation {i}: exit {code}\n{err.decode()}")
                continue
            was = [c.rstrip() for c in re.findall(r"#.*", re.sub(STRINGS, '""', text))]
            now = [c.rstrip() for c in re.findall(r"#.*", re.sub(STRINGS, '""', out.decode()))]
            if was != now and '"' not in "".join(was):
                bad.append(f"{path}, mutation {i}: comments changed")
            if any(l != l.rstrip() for l in out.decode().split("\n")):
                bad.append(f"{path}, mutation {i}: white space at a line's end")
    check(f"fmt keeps {n} texts as they mean", "\n".join(bad[:5]))


def fmt_command():
    folder = f"/tmp/weir_fmt_{os.getpid()}"
    os.mkdir(folder)
    path = f"{folder}/a.weir"
    with open(path, "w") as f:
        f.write("deny   r do sql.ddl")
    first = run(WEIR, "fmt", "--check", path)
    second = run(WEIR, "fmt", path)
    text = open(path).read()
    third = run(WEIR, "fmt", "--check", path)
    left = os.listdir(folder)
    with open(path, "w") as f:
        f.write("deny r do 5")
    broken = run(WEIR, "fmt", path)
    kept = open(path).read()
    os.unlink(path)
    os.rmdir(folder)
    check("fmt --check names, fmt rewrites",
          None if (first[0], first[1].decode()) == (1, path + "\n") and second[0] == 0 and
          text == "deny r   do sql.ddl\n" and third[:2] == (0, b"") and left == ["a.weir"]
          else f"{first} {second} {text!r} {third} {left}")
    check("fmt leaves alone what does not parse",
          None if broken[0] == 1 and kept == "deny r do 5" and b"E0201" in broken[2]
          else f"{broken} {kept!r}")
    usage = [run(WEIR, "fmt")[0], run(WEIR, "fmt", "--x")[0],
             run(WEIR, "fmt", "/nowhere/x.weir")[0], run(WEIR, "fmt", "--help")[0]]
    check("fmt's exit codes", None if usage == [2, 2, 2, 0] else str(usage))


def limits():
    """Depth is refused with a diagnostic, not a crash; long chains are read in linear time."""
    path = f"/tmp/weir_lang_{os.getpid()}.weir"
    for name, text, want in (
            ("deep parentheses", "let a = " + "(" * 100000 + "b" + ")" * 100000, b"E0207"),
            ("deep not", "let a = " + "not " * 100000 + "b", b"E0207"),
            ("long chain", "let a = b" + " or b" * 100000, b"E0207"),
            ("long list", "group a = idp \"x\"\nallow r do x" + ", sql.select" * 200000, b"")):
        with open(path, "w") as f:
            f.write(text)
        code, _, err = run(DUMP, path)
        fine = code == (1 if want else 0) and want in err and b"Sanitizer" not in err
        check(name, None if fine else f"exit {code}\n" + err.decode()[:2000])
    os.unlink(path)


ok_files()
err_files()
keywords()
fmt_files()
fmt_properties()
fmt_command()
limits()
print(f"1..{len(results)}")
sys.exit(any(results))
