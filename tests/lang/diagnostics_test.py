#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every diagnostic has a page in docs/diagnostics/, and its examples do what they say: what stands
under "Wrong" gives exactly that code, what stands under "Right" gives none.

The first block of a section is the policy, or for the codes 09xx weir.conf. A block below "`NAME`:" is
another file, with "`NAME` (mode 644):" its mode. `<U+200B>` stands for a character and `<byte FF>` for a
byte that a page cannot show.
"""
import concurrent.futures, os, re, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)

ADD = """To add one: a row in grammar/diags.def, then docs/generate.py, which makes docs/diagnostics/CODE.md; write
there what the code means and what to do, and a whole small policy under "Wrong" and under "Right"."""

# Codes that cannot come alone, and what comes with them.
NO_EXAMPLE = {"W1227"}  # a mistake of the compiler
NOT_FROM_FILES = {"E0305"}  # reading refuses such a file already; texts come from editors too
STRICT = {"W1224"}
WITH = {"E0609": {"W1203"}, "W1225": {"W1226"}}

POLICY = 'policy shop\n\ngroup agents = idp "ai-agents"\n\nallow read   who agents   do sql.select\n'
FILES = {"app.password": ("secret\n", 0o600), "shop.weir": (POLICY, 0o644)}

# What is too long for a page, which shows the pattern only.
MANY = {
    "W1225": lambda: "policy shop\n" + "".join(
        f"allow r{i} do sql.select when table matches \"*{chr(97 + i)}{chr(98 + i)}*\"\n"
        for i in range(22)),
    "W1226": lambda: "policy shop\nallow read   do sql.select\n" + "".join(
        f'deny many-{i}   do sql.select   when user.name starts with "team-{i}/" and sql.statements > {i}\n'
        for i in range(70)),
    "E0207": lambda: POLICY + "let a = " + "(" * 1100 + "true" + ")" * 1100 + "\n",
    "E0305": lambda: "# much\n" * (17 << 20 >> 2) + POLICY,
    "E0306": lambda: "policy shop\n\n" + "".join(f'import "part-{i}.weir"\n' for i in range(300))
             + "allow show   do sql.show\n",
    "E0606": lambda: POLICY + "".join(f"deny r{i}   do sql.drop\n" for i in range(10240)),
    "E0607": lambda: POLICY + "let a = " + " or ".join(f"sql.statements = {i}" for i in range(40))
             + "\n" + "".join(f"deny r{i}   when a\n" for i in range(7000)),
    "E0613": lambda: POLICY + "".join(
        f"deny r{i}   when " + " or ".join(f'table = "app.t{i * 50 + k}"' for k in range(50)) + "\n"
        for i in range(1311)),
    "E0620": lambda: POLICY + "# much\n" * ((16 << 20) // 7 - 40),
    "E0621": lambda: "policy shop\n\ngroup agents = idp \"ai-agents\"\n\nallow read   who agents   do sql.select   "
             + "when table in {" + ", ".join(f'"app.t{i}"' for i in range(70000)) + "}\n",
    "E0617": lambda: POLICY + "data c = column t.c\nmask c   with null   when "
             + " or ".join(f"row.c{i} = 1" for i in range(65)) + "\n",
}


def table():
    with open("grammar/diags.def") as f:
        return re.findall(r'^D\(\w+, "(\w+)", (\w+)', f.read(), re.M)


def page(code):
    try:
        with open(f"docs/diagnostics/{code}.md", encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        raise h.Failure(f"{code} has no page.\n{ADD}")


def blocks(code, title):
    """The main text, and the other files as (text, mode) by name."""
    m = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page(code), re.M | re.S)
    found = re.findall(r"(?:^`([\w./-]+)`(?: \(mode (\d+)\))?:\n\n)?^```\n(.*?)^```$", m[1] if m else "",
                       re.M | re.S)
    h.check(found and not found[0][0] and found[0][2].strip(),
            f"docs/diagnostics/{code}.md has no example under \"{title}\".\n{ADD}")
    return found[0][2], {n: (text, int(mode or "644", 8)) for n, mode, text in found[1:]}


def as_bytes(text):
    text = re.sub(r"<U\+([0-9A-F]+)>", lambda m: chr(int(m[1], 16)), text)
    out = b""
    for i, part in enumerate(re.split(r"<byte ([0-9A-F]{2})>", text)):
        out += bytes.fromhex(part) if i % 2 else part.encode()
    return out


def codes_of(code, title):
    """What the program says of an example, as (codes, exit code, output)."""
    main, files = blocks(code, title)
    is_config = code[1:3] == "09"
    folder = f"{h.tmp()}/{code}-{title}"
    os.makedirs(folder)
    if title == "Wrong" and code in MANY:
        main = MANY[code]()
        if code == "E0306":
            files.update({f"part-{i}.weir": ("", 0o644) for i in range(300)})
    if title == "Wrong" and code == "E0308":
        files = {f"part-{i}.weir": ("# much\n" * ((6 << 20) // 7), 0o644) for i in (1, 2, 3)}
    name = "weir.conf" if is_config else "example.weir"
    for n, (text, mode) in {**(FILES if is_config else {}), **files, name: (main, 0o600)}.items():
        with open(f"{folder}/{n}", "wb") as f:
            f.write(as_bytes(text))
        os.chmod(f"{folder}/{n}", mode)
    argv = [h.WEIR, "run", "--check", "-c", name] if is_config else [h.WEIR, "check", name]
    argv += ["--strict"] if code in STRICT else []
    r = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    out = r.stdout.decode(errors="replace")
    return set(re.findall(r"\b[EWN]\d{4}(?=\])", out)), r.returncode, out


def test_examples():
    cases = [(code, title) for code, _ in table() if code not in NO_EXAMPLE
             for title in ("Wrong", "Right")]
    bad = []

    def run(case):
        try:
            return codes_of(*case)
        except h.Failure as e:
            return str(e)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (code, title), got in zip(cases, pool.map(run, cases)):
            want = {code} | WITH.get(code, set()) if title == "Wrong" else set()
            if title == "Wrong" and code in NOT_FROM_FILES and "are read (16 MiB)" in got[2]:
                want, got = {code}, ({code}, *got[1:])
            if isinstance(got, str):
                bad.append(got)
            elif got[0] != want or (got[1] != 0) != (bool(want) and
                                                     not (code[0] == "W" and code[1:3] == "09")):
                bad.append(f"docs/diagnostics/{code}.md, {title}: got {sorted(got[0])} and exit code "
                           f"{got[1]}, want {sorted(want)}\n{got[2][:600]}")
    h.check(not bad, "\n".join(bad))


def test_pages_are_written():
    for code, _ in table():
        prose = page(code).split("\n\n", 2)[2].split("\n## ")[0].strip()
        h.check(len(prose) > 40 and not prose.startswith("What it means, and"),
                f"docs/diagnostics/{code}.md does not say what the code means.\n{ADD}")
    have = {f[:-3] for f in os.listdir("docs/diagnostics")} - {"README"}
    h.eq(have - {c for c, _ in table()}, set(), "pages of codes that the table does not have")


def test_pages_at_the_terminal():
    for code, _ in table():
        r = h.weir("check", "--explain", code)
        h.eq(r.code, 0, code)
        h.check(r.out.startswith(f"{code}: "), r.out)
        if code not in NO_EXAMPLE:
            h.has(r.out, "\nWrong\n", "\nRight\n")
        h.lacks(r.out, "```")
        h.has(page(code), r.out.split("\n\n")[2])
    for argv in (["E9999"], ["E04"], [""], ["E0402", "x.weir"]):
        h.eq(h.weir("check", "--explain", *argv).code, 2, argv)


def test_what_suggests_nothing_points_to_its_page():
    def said(rule, *options):
        r = h.weir("check", "-", *options, input=f'policy p\ngroup people = idp "all"\nallow a {rule}\n')
        h.eq(r.code, 1, repr(r))
        return r.err + r.out
    h.has(said("who agents do sql.selct"), "2 errors, 0 warnings\n`weir check --explain E0402` tells more")
    h.lacks(said("who people do sql.selct"), "--explain")  # did you mean sql.select?
    h.lacks(said("who agents do sql.select", "--json"), "--explain")


h.main(test_examples, test_pages_are_written, test_pages_at_the_terminal, test_what_suggests_nothing_points_to_its_page)
