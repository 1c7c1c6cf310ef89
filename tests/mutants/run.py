#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Takes each defence of docs/catalogue.md out, one after another, and sees whether the tests that its
row names notice.

  tests/mutants/run.py [--only ROW]... [--all] [--also TEST]... [--list]

tests/mutants/ROW-NAME.patch takes out what row ROW stands on; a row may have several. This is done in
a copy of the source, build/mutants/tree. A patch is caught when a test of its row fails, and the
neutral ones (a read and a write that go through) do not: what breaks everything is no defence taken
out. --only takes a row (2.16) or a patch's name; --all runs every test of a row, not only up to the
first that fails, and says which do not notice; --also runs one more test, to see whether a row could
name it; --list says what there is and runs nothing.

The last line is `N caught, N survived, N do not apply`. Exit 0 when all are caught, 1 when not, 2 when
called in a wrong way."""
import argparse, fcntl, glob, os, re, shutil, signal, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TREE = f"{ROOT}/build/mutants/tree"
LIMIT_S = 300
# The campaign between peers stops early: it is not the only one to notice anything.
ENV = {"PEERS_SECONDS": "5", "WEIR": f"{TREE}/build/weir", "WEIR_ROOT": TREE}
NEUTRAL = ["wire:010-simple-read", "wire:011-simple-write", "wire:030-extended"]


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


# -- what there is --------------------------------------------------------------------------------

def catalogue(text):
    """{row: (by, [test, ...])} of docs/catalogue.md."""
    rows = {}
    for line in text.splitlines():
        if re.match(r"\| \d", line):
            number, _, by, tests, _ = [x.strip() for x in re.split(r"(?<=[^|]) \| ", line[2:-2])]
            rows[number] = (set(by.split(", ")), re.findall(r"`([^`]+)`", tests))
    return rows


def row_of(patch):
    """1.05-pinned-strings.patch is of row 1.5."""
    m = re.match(r"(\d)\.(\d\d)-[a-z0-9-]+\.patch$", os.path.basename(patch))
    return f"{m[1]}.{int(m[2])}" if m else None


def patches():
    return sorted(glob.glob(f"{ROOT}/tests/mutants/*.patch"))


def git_apply(patch, tree, *options):
    """What git says against it; nothing when it was done. The tree need not be a clone."""
    env = dict(os.environ, GIT_CEILING_DIRECTORIES=os.path.dirname(tree))
    done = subprocess.run(["git", "apply", "--whitespace=nowarn", *options, patch], cwd=tree, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip() or f"exit {done.returncode}" if done.returncode else ""


# -- the copy -------------------------------------------------------------------------------------

def sources():
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                          cwd=ROOT, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit("run.py: what belongs to the source only git knows: this needs a clone")
    return {f for f in done.stdout.decode().split("\0") if f and os.path.isfile(f"{ROOT}/{f}")}


def same(a, b):
    with open(a, "rb") as f, open(b, "rb") as g:
        return f.read() == g.read()


def sync():
    """Makes the copy what the source is. What is equal keeps its time, so that little is built."""
    files = sources()
    for folder, _, names in os.walk(TREE):
        inside = os.path.relpath(folder, TREE)
        if inside.split("/")[0] == "build":
            continue
        for n in names:
            if os.path.normpath(f"{inside}/{n}") not in files:
                os.unlink(f"{folder}/{n}")
    for f in files:
        to = f"{TREE}/{f}"
        if not os.path.isfile(to) or not same(f"{ROOT}/{f}", to):
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(f"{ROOT}/{f}", to)
            shutil.copymode(f"{ROOT}/{f}", to)


def shell(argv, env=None, limit=LIMIT_S):
    """(exit, output). Past the limit all that it started is killed, and that is a failure."""
    p = subprocess.Popen(argv, cwd=TREE, env=dict(os.environ, **ENV, **(env or {})), text=True, errors="replace",
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         start_new_session=True)
    try:
        return (p.communicate(timeout=limit)[0], p.returncode)[::-1]
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        return "no end", p.communicate()[0]
    except BaseException:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait()
        raise


def build(tests):
    """Nothing, or what ninja said."""
    targets = {"build/weir"}
    for test in tests:
        program = program_of(test)
        if not program.endswith(".py"):
            targets.add(program)
        elif program.startswith("tests/audit/"):
            targets.add("build/opt/tests/audit_load")
    code, out = shell(["ninja", *sorted(targets)], limit=1800)
    return "\n".join(out.splitlines()[-20:]) if code else ""


# -- one test -------------------------------------------------------------------------------------

def program_of(test):
    """The program that runs a test of the catalogue."""
    name, what = test.split(":", 1)
    if name in ("wire", "sql"):
        return f"build/opt/tests/{'wire' if name == 'wire' else 'facts'}_test"
    for path in glob.glob(f"{ROOT}/tests/**/{name}.*", recursive=True):
        if path.endswith(".py") and re.search(rf"^(def test_|@test\ndef ){what}\b", read(path), re.M):
            return os.path.relpath(path, ROOT)
        if path.endswith(".c") and re.search(rf"\bTEST\({what}\)", read(path)):
            return f"build/opt/tests/{name}"
    raise KeyError(test)


def facts_of(text):
    """{statement: its facts} of a golden file."""
    blocks = re.split(r"^> ", text, flags=re.M)[1:]
    return {b.split("\n", 1)[0]: b.split("\n", 1)[1] for b in blocks}


def is_test(test):
    kind, _, what = test.partition(":")
    if kind == "wire":
        return os.path.isfile(f"{ROOT}/tests/wire/pg/{what}.wire")
    if kind == "sql":
        return any(what in facts_of(read(f)) for f in glob.glob(f"{ROOT}/tests/sql/*.txt"))
    try:
        return bool(what and program_of(test))
    except KeyError:
        return False


class Tests:
    """The tests of one build; each program runs once, as far as it is asked for."""

    def __init__(self):
        self.done = {}

    def program(self, path):
        if path not in self.done:
            self.done[path] = shell([path])
        return self.done[path]

    def sql(self):
        """The facts of every statement of the golden files, as they are now."""
        if "sql" not in self.done:
            files = glob.glob(f"{TREE}/tests/sql/*.txt")
            before = {f: read(f) for f in files}
            code, out = shell(["build/opt/tests/facts_test"], {"UPDATE": "1"})
            self.done["sql"] = {}
            for f in files:
                want, got = facts_of(before[f]), facts_of(read(f))
                self.done["sql"].update({s: want[s] == got.get(s) for s in want})
                shutil.copyfile(f"{ROOT}/tests/sql/{os.path.basename(f)}", f)
        return self.done["sql"]

    def passes(self, test):
        kind, what = test.split(":", 1)
        if kind == "sql":
            return self.sql()[what]
        path = program_of(test)
        if kind == "wire":
            code, _ = shell([path, what])
            return code == 0
        if path.endswith(".py"):
            # The whole name: the harness takes every test that has the words in its own.
            code, out = shell([path, f"test_{what}"])
            what = re.sub("_", "[ _]", re.escape(what))
        else:
            code, out = self.program(path)
        return bool(re.search(rf"^ok \d+ - {what}( # SKIP.*)?$", out, re.M))


def judge(names, passes, every):
    """(fate, tests that failed, tests that ran and passed) of a build without a defence."""
    failed, blind = [], []
    for test in names:
        (blind if passes(test) else failed).append(test)
        if failed and not every:
            break
    broken = [t for t in NEUTRAL if t not in names and not passes(t)]
    if broken:
        return f"breaks {broken[0]}", failed, blind
    return "caught" if failed else "survived", failed, blind


def cheap_first(tests):
    return sorted(tests, key=lambda t: (program_of(t).endswith(".py"), t.split(":")[0] not in ("wire", "sql")))


# -- all of them ----------------------------------------------------------------------------------

def try_one(patch, names, every):
    """(fate, what to say) with the patch applied and taken back."""
    paths = re.findall(r"^\+\+\+ b/(.*)$", read(patch), re.M)
    before = {p: read(f"{TREE}/{p}") for p in paths if os.path.isfile(f"{TREE}/{p}")}
    why = git_apply(patch, TREE)
    if why:
        return "does not apply", why
    try:
        why = build(names + NEUTRAL)
        if why:
            return "does not build", why
        fate, failed, blind = judge(cheap_first(names), Tests().passes, every)
    finally:
        for p, text in before.items():
            with open(f"{TREE}/{p}", "w", encoding="utf-8") as f:
                f.write(text)
    said = [f"noticed by {t}" for t in failed]
    if every or fate != "caught":
        said += [f"not noticed by {t}" for t in blind]
    return fate, "\n".join(said)


def prepare():
    os.makedirs(TREE, exist_ok=True)
    lock = os.open(TREE, os.O_RDONLY)  # until the end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("run.py: another one is at work in build/mutants/tree")
    print("copying and building ...", flush=True)
    sync()
    if not os.path.exists(f"{TREE}/build/config.ninja"):
        code, out = shell(["./configure", "WERROR=no"])  # what is taken out leaves things unused
        if code:
            sys.exit(f"./configure: {out}")
    why = build(NEUTRAL)
    if why:
        sys.exit(f"the source does not build:\n{why}")


def wrong(why):
    print(f"run.py: {why}", file=sys.stderr)
    sys.exit(2)


def chosen(only):
    found = [p for p in patches()
             if not only or any(x in (row_of(p), os.path.basename(p), os.path.basename(p)[:-6]) for x in only)]
    missing = [x for x in only if not any(
        x in (row_of(p), os.path.basename(p), os.path.basename(p)[:-6]) for p in found)]
    if missing:
        wrong(f"there is no patch {missing[0]}; --list shows them")
    return found


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", metavar="ROW", action="append", default=[])
    ap.add_argument("--all", action="store_true")
    ap.add_argument("--also", metavar="TEST", action="append", default=[])
    ap.add_argument("--list", action="store_true")
    a = ap.parse_args()
    for test in a.also:
        if not is_test(test):
            wrong(f"there is no test {test}; docs/catalogue.md says how they are written")
    todo, rows, count = chosen(a.only), catalogue(read(f"{ROOT}/docs/catalogue.md")), {}
    if a.list:
        for p in todo:
            print(f"{row_of(p):5} {os.path.basename(p)}: {read(p).splitlines()[0].lstrip('# ')}")
        return 0
    prepare()
    for i, p in enumerate(todo, 1):
        start, name = time.monotonic(), os.path.basename(p)[:-6]
        if sys.stdout.isatty():
            print(f"{i}/{len(todo)} {name} ...", end="\r", flush=True)
        fate, said = try_one(p, rows[row_of(p)][1] + a.also, a.all)
        kind = {"caught": "caught", "survived": "survived"}.get(fate)
        kind = kind or ("unfit" if fate.startswith("does not") else "survived")
        count[kind] = count.get(kind, 0) + 1
        print(f"{i}/{len(todo)} {fate:9} {name}  {time.monotonic() - start:.0f}s", flush=True)
        print("".join(f"      {x}\n" for x in said.splitlines()), end="", flush=True)
    print(f"{count.get('caught', 0)} caught, {count.get('survived', 0)} survived, "
          f"{count.get('unfit', 0)} do not apply")
    return 1 if count.get("caught", 0) != len(todo) else 0


if __name__ == "__main__":
    sys.exit(main())
