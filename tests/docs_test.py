#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The documents are current: the generated reference, the manual pages, shell completion, what
`ninja install` puts where, and the configurations and policies that the documents show."""
import glob, os, pty, re, shutil, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
import harness as h

os.chdir(h.ROOT)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def commands():
    return re.findall(r'^COMMAND\(\w+, "([^"]+)"', read("cli/commands.def"), re.M)


def test_reference_is_current():
    r = h.run(["docs/generate.py", "--check"])
    h.eq(r.code, 0, repr(r))


def test_manual_names_every_command():
    page = read("docs/man/weir.1")
    told = re.findall(r"^\.It Cm ([a-z-]+)", page, re.M)
    h.eq(sorted(set(told)), sorted(commands()), "commands in docs/man/weir.1")


def test_manual_names_every_setting():
    """Those of the table in docs/configuration.md, and the keywords behind them."""
    page = read("docs/man/weir.conf.5")
    table = read("docs/configuration.md").split("## Settings")[1].split("##")[0]
    shown = re.findall(r"`([^`]+)`", " ".join(x.split("|")[1] for x in re.findall(r"^\| `.*", table, re.M)))
    words = {w for x in shown for w in re.findall(r"(?:^|(?<= ))[a-z-]+(?= |$)", re.sub(r'"[^"]*"', "", x))}
    h.check({"listen", "retention", "holds", "signed-by", "cert"} <= words, words)
    for word in words:
        h.check(re.search(rf"^\.(?:It )?.*\bIc (?:[a-z-]+ )*{word}\b", page, re.M), f"{word} in weir.conf(5)")


def test_manual_pages_show_backslashes():
    for page in glob.glob("docs/man/*.[0-9]"):
        h.lacks(re.sub(r'^\.\\".*', "", read(page), flags=re.M), "\\\n")


def test_manual_pages_are_well_formed():
    if not shutil.which("mandoc"):
        raise h.Skip("no mandoc: ./configure --install")
    for page in glob.glob("docs/man/*.[0-9]"):
        r = h.run(["mandoc", "-T", "lint", "-W", "warning", page])
        h.eq(r.out, "", page)


def test_every_command_has_help():
    for c in commands():
        r = h.weir(c, "--help")
        h.eq(r.code, 0, f"weir {c} --help: {r!r}")
        h.has(r.out, "usage: weir " + c)
        h.check(all(len(x) <= 100 for x in r.out.splitlines()), f"weir {c} --help is too wide")
        h.eq(h.weir(c, "-h").out, r.out)
        r = h.weir(c, "--no-such-option")
        h.check(r.code in (2, 3), f"weir {c} --no-such-option: {r!r}")
        h.check(r.err and not r.out, f"weir {c} --no-such-option: {r!r}")


def test_the_version_is_of_this_commit():
    h.has(h.weir("--version").out, "weir ", "OpenSSL", "liburing")
    log = h.run(["git", "rev-parse", "--git-path", "logs/HEAD"], cwd=h.ROOT).out
    if log and os.path.isfile(os.path.join(h.ROOT, log)):
        r = h.run(["ninja", "-t", "query", "build/gen/commit.h"], cwd=h.ROOT)
        h.has(r.out, log)  # not of the one that ./configure was run on


def test_a_full_disk_is_noticed():
    """What was cut short is not taken for the whole."""
    for args in [[c, "--help"] for c in commands()] + [["help"], ["facts"], ["version"],
            ["check", "--format", "sarif", "policies-examples/orders.weir"], ["dis", "policies-examples/gdpr.weir"],
            ["test", "policies-examples/orders.weir"]]:
        with open("/dev/full", "w") as full:
            r = subprocess.run([h.WEIR, *args], stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
        h.eq(r.returncode, 2, args)
        h.has(r.stderr, f"weir {args[0]}: cannot write all of the output")


def on_a_terminal(*args, **env):
    """What a command prints on one."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen([h.WEIR, *args], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL,
                         env={"PATH": os.environ["PATH"], "TERM": "xterm", **env})
    os.close(theirs)
    told = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            piece = b""
        if not piece:
            os.close(ours)
            p.wait()
            return told
        told += piece


def test_colours():
    """On a terminal that shows them, for who wants them, and nowhere else."""
    slip = f"{h.tmp()}/slip.weir"
    with open(slip, "w") as f:
        f.write("policy slip\nallow read who nobody\n")
    for args in (["check", slip], ["check", "--explain", "E0402"],
                 ["explain", "policies-examples/orders.weir", "--as", 'human "eve"', "--on", "orders", "select 1"]):
        for env, wanted in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
            h.eq(b"\x1b[" in on_a_terminal(*args, **env), wanted, f"{args} {env}")
        r = h.weir(*args)
        h.lacks(r.out + r.err, "\x1b")


def test_options_without_their_value():
    """An author's tool says that the value is missing, not that there is no such option."""
    n = 0
    for c in ("check", "test", "build", "explain", "diff", "replay", "what-can", "eval", "functions", "playground"):
        usage = h.weir(c, "--help").out.split("\n\n")[0]
        for option in set(re.findall(r"(?<![\w-])(--?[a-z-]+) (?:[A-Z]|text\|)", usage)):
            r = h.weir(c, "x.weir", option)
            h.eq((r.code, r.out), (2, ""), f"{c} {option}: {r!r}")
            h.has(r.err, f"weir {c}: {option} asks for a value\n")
            n += 1
    h.check(n >= 18, n)


def completion(shell):
    """The script, in a file."""
    path = f"{h.tmp()}/weir.{shell}"
    r = h.weir("completion", shell)
    h.eq((r.code, r.err), (0, ""))
    with open(path, "w") as f:
        f.write(r.out + "\n")
    return path


def bash(*words):
    script = (f"source {completion('bash')}; COMP_WORDS=(" + " ".join(f"'{w}'" for w in words)
              + f"); COMP_CWORD={len(words) - 1}; _weir; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return set(h.run(["bash", "-c", script], cwd=h.ROOT).out.split())


def zsh(*words):
    """With what a completion calls in its place, so that it runs without a terminal."""
    script = ("compadd() { print -l -- $@ }; _files() { print -l -- * }\n"
              "_describe() { print -l -- ${(P)2%%:*}; for x in ${(P)2}; do print -- ${x%%:*}; done }\n"
              "words=(" + " ".join(f"'{w}'" for w in words) + f"); CURRENT={len(words)}\n"
              f"source {completion('zsh')}")
    return {w for w in h.run(["zsh", "-fc", script], cwd=h.ROOT).out.split()
            if w.startswith(words[-1])}


def fish(*words):
    r = h.run(["fish", "-N", "-c", f"source {completion('fish')}; complete -C '{' '.join(words)}'"],
              cwd=h.ROOT, env={"HOME": h.tmp()})
    return {line.split("\t")[0] for line in r.out.splitlines()}


def test_completion_offers_a_word_once():
    """`weir audit hold` has three lines in the usage."""
    offered = re.findall(r"first=\((.*)\)", h.weir("completion", "zsh").out)
    h.check("tail show verify export policy prune hold" in offered, offered)
    for words in offered:
        h.eq(sorted(set(words.split())), sorted(words.split()))


def completes(complete):
    """What every shell must offer."""
    h.check(set(commands()) <= complete("weir", ""), "commands")
    h.eq(complete("weir", "approvals", "re"), {"reject"})
    h.eq(complete("weir", "doctor", "post"), {"postgres"})
    h.eq(complete("weir", "completion", ""), {"bash", "zsh", "fish"})
    h.eq(complete("weir", "approvals", "list", "--st"), {"--state"})
    h.eq(complete("weir", "approvals", "list", "--state", "ex"), {"expired"})
    h.eq(complete("weir", "run", "--log-level", ""), {"debug", "info", "warn", "error"})
    h.eq(complete("weir", "audit", "export", "--format", ""), {"jsonl", "csv"})
    h.eq(complete("weir", "run", "-c", "READ"), {"README.md"})
    h.eq(complete("weir", "run", "--config", "READ"), {"README.md"})
    h.eq(complete("weir", "check", "READ"), {"README.md"})
    for c in commands():
        # Every option that the usage names; `weir check --json` is told of in the text.
        h.check("--help" in complete("weir", c, "--"), c)
    h.check({"--reason", "--as", "--json"} <= complete("weir", "approvals", "--"), "options")
    h.check({"--fix", "--format", "--json"} <= complete("weir", "check", "--"), "options")
    h.eq(complete("weir", "eval", "--j"), set())


def test_bash_completion():
    completes(bash)
    h.eq(h.run(["bash", "-n", completion("bash")]).err, "")
    h.eq(h.weir("completion", "csh").code, 2)
    h.eq(h.weir("completion").code, 2)


def test_zsh_completion():
    if not shutil.which("zsh"):
        raise h.Skip("no zsh: ./configure --install")
    completes(zsh)


def test_fish_completion():
    if not shutil.which("fish"):
        raise h.Skip("no fish: ./configure --install")
    completes(fish)


def test_install():
    dest = f"{h.tmp()}/dest"
    r = h.run(["packaging/install.sh", "/opt/weir", "build/weir"], env={"DESTDIR": dest})
    h.eq(r.code, 0, repr(r))
    h.eq(h.run([f"{dest}/opt/weir/bin/weir", "--version"]).code, 0)
    for shell, path in (("bash", "bash-completion/completions/weir"),
                        ("zsh", "zsh/site-functions/_weir"),
                        ("fish", "fish/vendor_completions.d/weir.fish")):
        h.eq(read(f"{dest}/opt/weir/share/{path}"), read(completion(shell)), shell)
    for f in ("share/man/man1/weir.1", "share/man/man5/weir.conf.5", "share/doc/weir/postgres.md",
              "share/doc/weir/examples/orders.weir", "share/doc/weir/examples/pci.sql",
              "share/doc/weir/examples/iso27001/access.weir"):
        h.check(os.path.isfile(f"{dest}/opt/weir/{f}"), f)
    unit = read(f"{dest}/opt/weir/lib/systemd/system/weir.service")
    h.has(unit, "ExecStart=/opt/weir/bin/weir run")
    h.lacks(unit, "@bindir@")


def blocks(path):
    return re.findall(r"^```\n(.*?)^```$", read(path), re.M | re.S)


def test_policies_in_the_documents_compile():
    if "check" not in commands():
        raise h.Skip("weir check is not there")
    found = [(f, b) for f in ["README.md", *glob.glob("docs/*.md")] for b in blocks(f)]
    h.check(found, "no document shows a policy")
    for f, text in found:
        name = re.match(r"(?:#|--) ([\w-]+\.(?:weir|sql))\n", text)
        if not name and not re.match(r"(#.*\n)*policy ", text):
            continue
        # What begins with a file's name is that file, for the policies behind it.
        path = f"{h.tmp()}/{name[1] if name else 'shown.weir'}"
        with open(path, "w") as out:
            out.write(text)
        if name:
            continue
        r = h.weir("check", path)
        h.check(r.code in (0, 1) and "error[" not in r.out + r.err, f"{f}: {r!r}")
        r = h.weir("test", path)
        h.check(r.code == 0 or 'test "' not in text, f"{f}: {r!r}")


CATALOGUE = {0: 7, 1: 17, 2: 20, 3: 7, 4: 7, 5: 18, 6: 6, 7: 5}  # section: its rows


def named_tests():
    """What docs/catalogue.md may name: FILE:NAME, wire:SCRIPT, sql:STATEMENT."""
    found = {"wire:" + os.path.basename(f)[:-5] for f in glob.glob("tests/wire/pg/*.wire")}
    for f in glob.glob("tests/sql/*.txt"):
        found |= {"sql:" + x for x in re.findall(r"^> (.*)$", read(f), re.M)}
    for f in glob.glob("tests/**/*_test.*", recursive=True):
        pattern = r"^(?:def test_|@test\ndef )(\w+)" if f.endswith(".py") else r"\bTEST\((\w+)\)"
        name = os.path.splitext(os.path.basename(f))[0]
        found |= {f"{name}:{x}" for x in re.findall(pattern, read(f), re.M)}
    return found


def test_catalogue():
    """Every row names tests that are there and words that postgres.md says."""
    said, there = " ".join(read("docs/postgres.md").split()), named_tests()
    rows = [[x.strip() for x in re.split(r"(?<=[^|]) \| ", line[2:-2])]
            for line in read("docs/catalogue.md").splitlines() if re.match(r"\| \d", line)]
    h.eq([r[0] for r in rows], [f"{s}.{i + 1}" for s, n in CATALOGUE.items() for i in range(n)])
    for number, _, by, tests, words in rows:
        h.check(set(by.split(", ")) <= set("GSR"), f"{number}: {by}")
        names = re.findall(r"`([^`]+)`", tests)
        h.check(names and set(names) <= there, f"{number}: no test {sorted(set(names) - there)}")
        h.check(words[1:-1] in said, f"{number}: postgres.md does not say {words}")


def test_example_policies():
    if "test" not in commands():
        raise h.Skip("weir test is not there")
    for path in sorted(glob.glob("policies-examples/*.weir")):
        story = re.match(r"(#.*\n)*", read(path))[0]
        h.check(len(story) > 150, f"{path} does not begin with its story")
        r = h.weir("prove", path)
        h.eq(r.code, 0, f"{path}: {r!r}")
        h.check(not r.out.startswith("0 proved"), f"{path} proves nothing")


def test_index_of_examples():
    """Each file of policies-examples/ is in the index, with the title that it gives itself."""
    os.chdir("policies-examples")
    told = dict(re.findall(r"^\| \[`([^`]+)`\]\(\1\) \| ([^|]+?) \|", read("README.md"), re.M))
    found = glob.glob("*.weir") + glob.glob("*/*.weir")
    titles = {f: re.search(r'^policy [\w-]+ "(.*)"$', read(f), re.M) for f in found}
    os.chdir(h.ROOT)
    h.eq(sorted(told), sorted(found))
    for f, m in titles.items():
        if m:
            h.eq(told[f], m[1], f)


def test_assurance_names_what_there_is():
    """Each word of its commands finds a test, and its numbers are of the tests as they are."""
    page = read("docs/assurance.md")
    tests = glob.glob("tests/**/*_test.*", recursive=True)
    words = [w for line in re.findall(r"tests/run ([^`\n]+)", page) for w in line.split()]
    h.check(len(words) > 5, "docs/assurance.md shows no commands")
    for word in words:
        h.check(any(word in t for t in tests), f"tests/run {word} runs nothing")
    done = h.run(["build/opt/tests/programs_test"])
    for n in re.findall(r"# (\d+) programs, (\d+) taken", done.out):
        h.has(page, f"| {int(n[0]):,} | {int(n[1]):,} |")


h.main(test_reference_is_current, test_manual_names_every_command, test_manual_names_every_setting,
       test_manual_pages_show_backslashes, test_manual_pages_are_well_formed,
       test_every_command_has_help, test_the_version_is_of_this_commit, test_a_full_disk_is_noticed,
       test_colours, test_options_without_their_value, test_completion_offers_a_word_once, test_bash_completion, test_zsh_completion, test_fish_completion,
       test_install, test_policies_in_the_documents_compile, test_example_policies, test_index_of_examples,
       test_catalogue, test_assurance_names_what_there_is)
