#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""House rules that a machine can check: layering, sizes, banned calls, headers, links in the docs,
and that everything declared in a table is named by a test or by the documentation.

Exceptions stand in tests/tidy.allow with their reason.
"""
import os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(ROOT)

# What a folder may include, besides itself. `runtime/` is left out of the names.
LAYERS = {
    "base": set(),
    "vm": {"base"},
    "sql": {"base", "vm"},
    "proto": {"base", "vm", "sql"},
    "io": {"base"},
    "audit": {"base"},
    "config": {"base"},
    "gate": {"base", "vm", "sql", "proto", "config"},
    "session": {"base", "vm", "sql", "proto", "audit", "config", "gate"},
    "proxy": {"base", "vm", "sql", "proto", "io", "audit", "config", "gate", "session"},
    "compiler": {"base", "vm", "sql", "config"},
    "lsp": {"base", "vm", "compiler"},
    "cli": {"base", "vm", "sql", "proto", "io", "audit", "config", "gate", "session", "proxy",
            "compiler", "lsp"},
}
ANYWHERE = {"grammar"}
SANS_IO = {"vm", "sql", "proto"}
# What these keep is made with a policy or a session, not with a message; and they may say what happened.
SANS_IO_BUT_HEAP = {"gate", "session"}
MAX_FILE, MAX_FUNCTION, MAX_COLUMNS = 800, 70, 100
BANNED = {
    "strcpy": "snprintf or struct buf", "strcat": "struct buf", "sprintf": "snprintf or buf_printf",
    "vsprintf": "vsnprintf", "gets": "fgets", "strtok": "slices", "alloca": "an arena",
    "system": "posix_spawn", "popen": "posix_spawn", "mktemp": "mkstemp", "tmpnam": "mkstemp",
    "atoi": "strtoul with checks", "setjmp": "error returns", "longjmp": "error returns",
}
HEAP = ("malloc", "calloc", "realloc", "free", "strdup", "strndup")
IO_CALLS = ("open", "read", "write", "fopen", "printf", "fprintf", "time", "clock_gettime", "send",
            "recv", "log_line", "log_info", "log_warn", "log_error", "log_debug", "clock_wall_ns",
            "clock_mono_ns")

GENERATED = "editors/tree-sitter-weir/src/"  # by tree-sitter's generator, in its own style
LONG_TEXT = re.compile(r'"(?:\\.|[^"\\]){20,}|://')

failures = {}
allowed, used = {}, set()


def load_allowed():
    with open("tests/tidy.allow") as f:
        for n, line in enumerate(f, 1):
            if line.strip() and not line.startswith("#"):
                rule, where, reason = line.split(None, 2)
                allowed[rule, where] = n


def fail(rule, where, message, line=None):
    if (rule, where) in allowed:
        used.add((rule, where))
        return
    at = f"{where.split(':')[0]}:{line}" if line else where
    failures.setdefault(rule, []).append(f"{at}: {message}")


def tracked():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         stdout=subprocess.PIPE, check=True).stdout.decode()
    return sorted({f for f in out.split("\0") if f and os.path.isfile(f)})


def read(path):
    with open(path, encoding="utf-8", errors="strict") as f:
        return f.read()


def strip_c(text):
    """The text with comments and literals blanked, positions kept."""
    blank = lambda m: re.sub(r"[^\n]", " ", m[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text,
                  flags=re.S)


def module(path):
    parts = path.split("/")
    return parts[1] if parts[0] == "runtime" else parts[0]


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def check_layers(path, text):
    m = module(path)
    if m not in LAYERS:
        return
    for inc in re.finditer(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', text, re.M):
        to = inc[1].split("/")[0]
        if "/" not in inc[1] or to == m or to in ANYWHERE or to in LAYERS[m]:
            continue
        if os.path.exists(f"build/gen/{inc[1]}"):
            continue
        fail("layer", path, f"{m} must not include {inc[1]}", line_of(text, inc.start()))


def functions(text):
    """(name, first line, lines) of each function whose braces stand in column 0."""
    lines = text.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif start is not None and line.startswith("}"):
            if line == "}":
                head = "\n".join(lines[max(0, start - 8):start])
                names = re.findall(r"^([A-Za-z_]\w*)\(", head, re.M)
                yield names[-1] if names else "?", start + 1, i - start + 1
            start = None


def check_sizes(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > MAX_FILE:
        fail("file-length", path, f"{len(lines) - 1} lines, at most {MAX_FILE}")
    for n, line in enumerate(lines, 1):
        width = len(line.expandtabs(8))
        # A text for people is not broken up: it must be found by searching for it.
        if width > MAX_COLUMNS and not path.endswith(".def") and not LONG_TEXT.search(line):
            fail("columns", path, f"{width} columns, at most {MAX_COLUMNS}", n)
    if path.endswith(".c"):
        for name, at, n in functions(text):
            if n > MAX_FUNCTION:
                fail("function-length", f"{path}:{name}", f"{name} has {n} lines, at most "
                     f"{MAX_FUNCTION}", at)


def check_calls(path, code):
    for name, instead in BANNED.items():
        if name == "atoi" and path.startswith(("bench/", "tests/")):
            continue
        for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
            fail("banned", path, f"{name}: use {instead}", line_of(code, m.start()))
    keeps = module(path) in SANS_IO_BUT_HEAP
    if not (keeps or module(path) in SANS_IO) or not path.startswith("runtime/"):
        return
    for name in () if keeps else HEAP:
        for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
            fail("heap", path, f"{name} in a layer that is given its memory",
                 line_of(code, m.start()))
    for name in (x for x in IO_CALLS if not (keeps and x.startswith("log_"))):
        for m in re.finditer(rf"(?<![\w.>]){name}\s*\(", code):
            fail("sans-io", path, f"{name}: {module(path)} does no I/O and knows no clock",
                 line_of(code, m.start()))


def check_c(path, text):
    code = strip_c(text)
    check_layers(path, text)
    check_sizes(path, text)
    check_calls(path, code)
    # A blank-indented line that goes on from the one before is alignment, which is fine.
    for m in re.finditer(r"[;{}]\n( {4,})\S", text):
        fail("tabs", path, "indented with blanks", line_of(text, m.start(1)))
    if path.endswith(".h") and not path.endswith("_internal.h"):
        if not re.search(r"#ifndef (\w+)\n#define \1\b", text):
            fail("guard", path, "no include guard")


def check_text(path, text):
    if re.search(r"[ \t]+$", text, re.M):
        m = re.search(r"[ \t]+$", text, re.M)
        fail("trailing-blank", path, "blanks at the end of a line", line_of(text, m.start()))
    for m in re.finditer(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))", text):
        if path not in ("tests/tidy_test.py", "docs/HACKING.md", "CONTRIBUTING.md"):
            fail("todo", path, f"{m[1]} without an issue: TODO(#12)", line_of(text, m.start()))


SOURCE = re.compile(r"\.(c|h|re|y|def|py|sh|js|mjs|sql)$")


def check_header(path, text):
    if SOURCE.search(path) and "SPDX-License-Identifier: MIT" not in text[:400]:
        if "/corpus/" not in path and "/golden/" not in path and "/cases/" not in path:
            fail("spdx", path, "no `SPDX-License-Identifier: MIT` near the top")


# -- documentation -----------------------------------------------------------------------------------

def check_tests(path, text):
    """A test that no list has runs never. (Of C the compiler says so.)"""
    if "globals()" in text:
        return
    for name in re.findall(r"^def (test_\w+)", text, re.M):
        if len(re.findall(rf"\b{name}\b", text)) == 1:
            fail("run", path, f"{name} is never run")


def commands():
    return set(re.findall(r'^COMMAND\(\w+, "([^"]+)"', read("cli/commands.def"), re.M))


def ninja_targets():
    return set(re.findall(r"^build ([\w.-]+)(?: [\w./ -]+)?:", read("build.ninja"), re.M))


def check_docs(files):
    have, targets = commands(), ninja_targets()
    known = set(files)
    folders = {os.path.dirname(f) for f in files}
    folders |= {d for f in folders for d in [os.path.dirname(f)]}
    for path in files:
        if not path.endswith(".md"):
            continue
        text = read(path)
        base = os.path.dirname(path)
        for m in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" in m[1] or m[1].startswith("mailto:"):
                continue
            to = os.path.normpath(os.path.join(base, m[1]))
            if to not in known and to not in folders:
                fail("link", path, f"{m[1]} does not exist", line_of(text, m.start()))
        for m in re.finditer(r"`((?:runtime|compiler|cli|grammar|tests|docs|demo|bench|packaging|"
                             r"policies-examples)/[\w./-]*)`", text):
            to = m[1].rstrip("/")
            if to not in known and to not in folders and not os.path.exists(to):
                fail("link", path, f"{m[1]} does not exist", line_of(text, m.start()))
        for m in re.finditer(r"(?:^\s{4}|`|\$ |&& )weir ([a-z][a-z-]*)", text, re.M):
            if m[1] not in have and m[1] not in ("help",):
                fail("command", path, f"there is no `weir {m[1]}`", line_of(text, m.start()))
        for m in re.finditer(r"(?:`|&& |^\s{4})ninja ([a-z][\w-]*)", text, re.M):
            if m[1] not in targets:
                fail("command", path, f"there is no `ninja {m[1]}`", line_of(text, m.start()))


# -- what is declared is named -----------------------------------------------------------------------

# table, row pattern whose first group must be named by its words, what it is. A group in capitals is
# an identifier: PREFIX_IDENTIFIER counts as well.
TABLES = [
    ("grammar/diags.def", r'^D\(\w+, "([EWN]\d+)"', "diagnostic"),
    ("grammar/image_errors.def", r'^IMAGE_ERROR\(\w+, "(V\d+)"', "image error"),
    ("grammar/opcodes.def", r'^OP\(\w+, "([^"]+)"', "opcode"),
    ("grammar/records.def", r'^RECORD\(\w+, \w+, "([^"]+)"', "audit record"),
    ("grammar/actions.def", r'^ACTION\(\w+, "([^"]+)"', "action"),
    ("grammar/facts.def", r'^FACT\(\w+, "([^"]+)"', "fact"),
    ("grammar/masks.def", r'^MASK\(\w+, "([^"]+)"', "mask"),
    ("grammar/contexts.def", r'^CONTEXT\(\w+, "([^"]+)"', "context"),
    ("runtime/proto/pg/reasons.def", r'^R\((\w+)', "reason"),
    ("runtime/proto/pg/msgs.def", r"^PG_\w+\('.', \w+, \"(\w+)\"", "message"),
    ("runtime/session/approvals.def", r'^APPROVAL_ERROR\(\w+, "([^"]+)"', "approval refusal"),
    ("runtime/session/approvals.def", r'^APPROVAL_STATE\(\w+, "([^"]+)"', "approval state"),
    ("runtime/proxy/admin.def", r'^ADMIN_ERROR\(\w+, "([^"]+)"', "admin refusal"),
    ("cli/doctor.def", r'^FINDING\(\w+, "([^"]+)"', "finding"),
    ("cli/playground.def", r'^PLAYGROUND_ERROR\(\w+, "([^"]+)"', "playground refusal"),
    ("cli/commands.def", r'^COMMAND\(\w+, "([^"]+)"', "command"),
]


def words_of(files):
    words = set()
    for f in files:
        for w in re.findall(r"[A-Za-z0-9_.-]+", read(f)):
            words.add(w)
            words.add(w.strip(".-"))
            if "_" in w and w.isupper():
                parts = w.split("_")
                words.update("_".join(parts[i:]) for i in range(1, len(parts)))
    return words


def check_named(files):
    """A test or the generated reference names every row. How many no test names is told, so that
    the number can be driven down."""
    texts = [f for f in files if is_text(f) and "/corpus/" not in f]
    tests = words_of(f for f in texts if f.startswith(("tests/", "policies-examples/"))
                     and f != "tests/tidy_test.py")
    docs = words_of(f for f in texts if f.startswith("docs/"))
    for f, row, what in TABLES:
        if f not in files:
            continue
        text, n, untested = read(f), 0, []
        for m in re.finditer(row, text, re.M):
            n += 1
            forms = {m[1], m[1].lower().replace("_", "-")}
            if not forms & tests:
                untested.append(m[1])
            if not forms & (tests | docs):
                fail("named", f, f"{what} {m[1]} is named by no test and no document",
                     line_of(text, m.start()))
        if n == 0:
            fail("named", f, f"no row of {what}s was recognised: adapt tests/tidy_test.py")
        if untested:
            print(f"# {len(untested)} of {n} {what}s are named by no test: "
                  f"{' '.join(untested[:12])}{' ...' if len(untested) > 12 else ''}")


def is_text(path):
    with open(path, "rb") as f:
        head = f.read(8192)
    if b"\0" in head:
        return False
    try:
        head.decode()
        return True
    except UnicodeDecodeError as e:
        return e.start > len(head) - 4


RULES = {
    "layer": "includes point one way",
    "file-length": f"files have at most {MAX_FILE} lines",
    "function-length": f"functions have at most {MAX_FUNCTION} lines",
    "columns": f"lines have at most {MAX_COLUMNS} columns",
    "banned": "no banned calls",
    "heap": "no heap in vm, sql, proto",
    "sans-io": "no I/O and no clock in vm, sql, proto, gate, session",
    "tabs": "C is indented with tabs",
    "guard": "headers have include guards",
    "trailing-blank": "no trailing blanks",
    "todo": "TODO names an issue",
    "spdx": "sources carry the licence line",
    "link": "what the documents point at exists",
    "command": "commands and targets in the documents exist",
    "run": "every test is run",
    "named": "what a table declares, a test or document names",
    "allow": "every exception is still needed",
}


def main():
    load_allowed()
    files = tracked()
    for path in files:
        if not is_text(path) or "/corpus/" in path or path.endswith("package-lock.json") \
                or path.startswith(GENERATED):
            continue
        text = read(path)
        check_header(path, text)
        if re.search(r"\.(c|h)$", path):
            check_c(path, text)
        if path.endswith("_test.py"):
            check_tests(path, text)
        if SOURCE.search(path) or path.endswith((".md", ".ninja", ".weir")):
            check_text(path, text)
    check_docs(files)
    check_named(files)
    for (rule, where), n in allowed.items():
        if (rule, where) not in used:
            failures.setdefault("allow", []).append(f"tests/tidy.allow:{n}: {rule} {where}: not needed")
    print(f"1..{len(RULES)}")
    for i, (rule, what) in enumerate(RULES.items(), 1):
        bad = failures.get(rule, [])
        print(f"{'not ok' if bad else 'ok'} {i} - {what}")
        for line in bad[:40]:
            print(f"#   {line}")
        if len(bad) > 40:
            print(f"#   and {len(bad) - 40} more")
    return 1 if failures else 0


sys.exit(main())
