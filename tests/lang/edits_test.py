#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""grammar/edits.def against what `weir check --fix` does to the example of each page: what it says is
done is done, no edit lets a policy allow more, and what says "none" changes nothing."""
import json, os, re, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs"))
import generate
import harness as h

os.chdir(h.ROOT)

CODES = {r[0]: (r[1], r[2]) for r in generate.rows("grammar/diags.def", "D")}
EDITS = {r[0]: (r[1], r[2]) for r in generate.rows("grammar/edits.def", "EDIT")}
STRICT = {"W1224"}
TOO_LONG = {"W1225", "W1226"}  # of these a page shows a part; W1227 has no example
# Where the page's example is of a mistake that no edit can mend, one that it can.
MENDED = {
    "E0101": "allow read   who agents   do sql.select;\n",
    "E0104": "allow read   who \u0430gents   do sql.select\n",
    "E0105": "allow read   who agents   do sql.select\u200b\n",
    "E0109": "allow read   who agents   do sql.select\nlimit l   time 5sec\n",
    "E0201": "alow read   who agents   do sql.select\n",
    "E0206": "allow read   who agents   do sql.select\nlimit l   rows 5 per hoour\n",
    "E0405": "data card = column c.pan\nallow read   who agents   do sql.select\nmask crad   with null\n",
    "E0407": "data card = column c.pan\nallow read   who agents   do sql.select\n"
             "deny d   when sql.uses(card, jion)\n",
    "E0412": "data card = column c.pan\nallow read   who agents   do sql.select\n"
             "deny d   when sql.usess(card)\n",
    "E0409": "data card = column c.pan\nallow read   who agents   do sql.select\nmask card   with lst(4)\n",
    "E0503": "allow read   who agents   do sql.select   when user.kind = agnt\n",
    "E0410": 'allow read   who agents   do sql.select   on db\ntarget db = postgrs "db"\n',
    "E0608": "allow read   who agents   do sql.select\ndefault deny\n",
    "E0619": "allow read   who agents   do sql.select\n"
             f'trust function "s.f()" digest "sha256:{"AB" * 32}"\n',
}
# What diff shows of them: lookups that nobody can make are no longer counted; a name is what is read.
CHANGES = {"W1209": ["limit changed"], "W1229": ["newly allowed", "newly denied"]}
HEAD = 'policy shop\n\ngroup agents = idp "ai-agents"\n\n'


def example(code):
    """The folder of the page's wrong example, and its policy."""
    folder = f"{h.tmp()}/{code}"
    with open(f"docs/diagnostics/{code}.md", encoding="utf-8") as f:
        wrong = f.read().split("\n## Wrong\n")[1].split("\n## Right\n")[0]
    found = re.findall(r"(?:^`([\w./-]+)`(?: \(mode \d+\))?:\n\n)?^```\n(.*?)^```$", wrong, re.M | re.S)
    os.makedirs(folder)
    for name, text in found:
        text = re.sub(r"<U\+([0-9A-F]+)>", lambda m: chr(int(m[1], 16)), text)
        if not name:
            name, text = "example.weir", HEAD + MENDED[code] if code in MENDED else text
        with open(f"{folder}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
    shutil.copytree(folder, f"{folder}/before")
    return f"{folder}/example.weir", f"{folder}/before/example.weir"


def codes(path, *argv):
    r = h.weir("check", "--json", path, *argv)
    return [d["code"] for d in json.loads(r.out)["diagnostics"]]


def differences(before, after):
    r = h.weir("diff", before, after, "--json")
    h.check(r.code in (0, 1), repr(r))
    return [d["kind"] for d in json.loads(r.out)["differences"]]


def one(code, when):
    path, before = example(code)
    argv = ["--strict"] if code in STRICT else []
    text = open(path).read()
    h.has(codes(path, *argv), code)
    r = h.weir("check", "--fix", path, *argv)
    if when != "UNASKED":
        h.eq(open(path).read(), text, f"{code}: --fix did what is not to be done unasked")
        h.has(codes(path, *argv), code)
    if when == "ASKED":
        r = h.weir("check", "--fix-also", code, path, *argv)
    if when == "NONE":
        h.eq(h.weir("check", "--fix-also", code, path).code, 2, code)
        return
    h.lacks(codes(path, *argv), code)
    h.has(r.err, f": {code}: ")
    if code[0] == "E":
        return
    moved = differences(before, path)
    if when == "UNASKED":
        h.eq([m for m in moved if m not in CHANGES.get(code, [])], [], f"{code}: {open(path).read()}")
        return
    opened = [d for d in moved if d in ("newly allowed", "unmasked", "limit changed")]
    h.check(not opened, f"{code}: --fix-also opened {opened}: {open(path).read()}")


def test_what_the_table_says():
    n = {"UNASKED": 0, "ASKED": 0, "NONE": 0}
    bad = []
    for id, (when, _) in EDITS.items():
        code = CODES[id][0]
        if code[1:3] == "09" or code in TOO_LONG or code == "W1227":
            h.eq(when, "NONE", code)
            continue
        try:
            one(code, when)
        except h.Failure as e:
            bad.append(f"{code}: {e}")
        n[when] += 1
    h.check(not bad, "\n".join(bad))
    h.check(n["UNASKED"] >= 30 and n["ASKED"] >= 6 and n["NONE"] >= 9, n)


def test_the_table_is_whole():
    warnings = {id for id, (_, severity) in CODES.items() if severity == "WARNING"}
    h.eq(warnings - set(EDITS), set(), "findings that do not say whether there is an edit")
    for id, (when, sentence) in EDITS.items():
        h.check(id in CODES and when in ("UNASKED", "ASKED", "NONE"), id)
        h.check(CODES[id][1] == "WARNING" or when == "UNASKED", id)
        r = h.weir("check", "--explain", CODES[id][0])
        h.has(r.out, sentence)
        h.has(r.out, {"UNASKED": "`weir check --fix` ", "NONE": "No edit is suggested: ",
                      "ASKED": f"`weir check --fix-also {CODES[id][0]}` "}[when])


def test_what_others_need_stays():
    """A rule that never decides, where a test names it, an import has it, or a session needs it."""
    folder = f"{h.tmp()}/needed"
    os.makedirs(folder)
    head = 'policy p "P"\ngroup a = idp "a"\ngroup b = idp "b"\n'
    idle = "allow read who a do sql.select\nallow again who a do sql.select when table = \"app.t\"\n"
    shut = "allow drops who {} do sql.drop\ndeny shut do sql.drop\n"
    cases = [
        ("nobody needs it", head + idle, "W1222", True),
        ("a test names it", head + idle + 'test "t" as agent "x" in a on "d" run "select 1 from app.t"\n'
         "expect allow by again\n", "W1222", False),
        ("whoever may drop may read", head + idle + shut.format("a"), "W1221", True),
        ("whoever may drop may do nothing else", head + idle + shut.format("b"), "W1221", False),
    ]
    for name, text, code, goes in cases:
        path = f"{folder}/p.weir"
        with open(path, "w") as f:
            f.write(text)
        with open(f"{folder}/before.weir", "w") as f:
            f.write(text)
        h.has(codes(path), code)
        h.weir("check", "--fix", path)
        h.eq(code not in codes(path), goes, f"{name}: {open(path).read()}")
        h.eq(differences(f"{folder}/before.weir", path), [], name)
    with open(f"{folder}/part.weir", "w") as f:
        f.write("group a = idp \"a\"\n" + idle)
    with open(path, "w") as f:
        f.write('policy p "P"\nimport "part.weir"\n')
    h.weir("check", "--fix", path)
    h.has(codes(path), "W1222")


def test_usage():
    path = f"{h.tmp()}/usage.weir"
    with open(path, "w") as f:
        f.write("policy p\nallow read do sql.select\n")
    h.eq(h.weir("check", "--fix-also", "W1202,W1220", path).code, 0)
    for list in ("W1211", "E9999", "W1202,", "nonsense", "E0402"):
        r = h.weir("check", "--fix-also", list, path)
        h.eq(r.code, 0 if list == "W1202," else 2, list)
    h.eq(h.weir("check", path, "--fix-also").code, 2)


h.main(test_what_the_table_says, test_the_table_is_whole, test_what_others_need_stays, test_usage)
