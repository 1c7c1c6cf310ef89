#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes docs/reference.md, the list of commands in docs/man/weir.1, the heads and the index of
docs/diagnostics/, and what colours policies in editors and on the playground's page, from the tables
that the programs themselves are built from.

  docs/generate.py           rewrite them
  docs/generate.py --check   exit 1 when one is not current (tests/docs_test.py does this)
"""
import os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{ROOT}/editors")
import grammars
REFERENCE, MANUAL, PAGES = "docs/reference.md", "docs/man/weir.1", "docs/diagnostics"


def rows(path, *macros):
    """Every MACRO(...) row of a table at the start of a line, its arguments as Python values."""
    with open(f"{ROOT}/{path}", encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    for m in re.finditer(r"^(\w+)\(", text, re.M):
        if m[1] in macros:
            yield arguments(text, m.end())


def arguments(text, at):
    """Splits at commas outside strings up to the closing parenthesis; joins adjacent strings."""
    out, token, in_string = [], "", False
    while True:
        c = text[at]
        if c == "'" and not in_string:
            token, at = token + text[at:at + 3], at + 3
            continue
        if in_string and c == "\\":
            token, at = token + text[at:at + 2], at + 2
            continue
        if c == '"':
            in_string = not in_string
        if not in_string and c in ",)":
            out.append(value(token))
            token = ""
            if c == ")":
                return out
        else:
            token += c
        at += 1


def value(token):
    token = token.strip()
    if token.startswith('"'):
        parts = re.findall(r'"((?:\\.|[^"\\])*)"', token)
        return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], "".join(parts))
    return token


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def table(heads, lines):
    yield "| " + " | ".join(heads) + " |"
    yield "| " + " | ".join("---" for _ in heads) + " |"
    for line in lines:
        yield "| " + " | ".join(cell(c) for c in line) + " |"
    yield ""


def code(text):
    return f"`{text}`" if text else ""


def words():
    spelled = {k[0]: k[1] for k in rows("grammar/tokens.def", "KEYWORD")}
    yield from table(["word", "as in", "means"], [(code(spelled[w[0]]), code(w[1]), w[2])
                     for w in rows("grammar/words.def", "WORD")])


def actions():
    found = list(rows("grammar/actions.def", "ACTION"))
    parent = {a[0]: a[2] for a in found}

    def depth(i):
        return 0 if parent[i] == "NONE" else 1 + depth(parent[i])
    has_child = set(parent.values())
    yield "A rule that names a node means every leaf below it (`do sql.ddl`)."
    yield ""
    yield from table(["action", "", "what it is"],
                     [("&nbsp;" * 3 * depth(a[0]) + code(a[1]), "all below" if a[0] in has_child
                       else "", a[3]) for a in found if a[1]])
    yield "Ready-made sets:"
    yield ""
    names = {a[0]: a[1] for a in found}
    yield from table(["set", "members", "what for"],
                     [(code(s[1]), ", ".join(code(names[m]) for m in s[3:]), s[2])
                      for s in rows("grammar/actions.def", "ACTION_SET")])


def facts():
    known = {"CONNECT": "from the connection on", "COMMAND": "for each command",
             "EFFECT": "for each effect of a command"}
    types = {t[0]: t[1] for t in rows("grammar/types.def", "TYPE")}
    yield from table(["fact", "type", "known", "may be cached", "what it is"],
                     [(code(f[1]), code(types.get(f[2], f[2].lower())), known[f[4]],
                       "yes" if f[5] == "STABLE" else "no", f[6])
                      for f in rows("grammar/facts.def", "FACT")])
    values = {}
    for v in rows("grammar/facts.def", "ENUM_VALUE"):
        values.setdefault(v[0], []).append(v[2])
    yield from table(["enumeration", "values"],
                     [(code(types.get(f"ENUM_{k}", k.lower())), ", ".join(map(code, v)))
                      for k, v in values.items()])


def plain(path, macro, heads, pick):
    return lambda: table(heads, [pick(r) for r in rows(path, macro)])


def limits():
    yield from table(["amount", "is"],
                     [(code(r[1]), r[2]) for r in rows("grammar/limits.def", "LIMIT_UNIT")])
    yield from table(["per", "is"],
                     [(code(r[1]), r[3]) for r in rows("grammar/limits.def", "LIMIT_PER")])


def allowing():
    size = {"SAME": "", "GROWS": "never over one that cuts", "CUTS": "cuts"}
    takes = {"ONE": "one", "SINGLE": "one, of at most one column", "NUMBERS": "one, then whole numbers", "TEXTS": "one, then literals", "ANY": "any"}
    yield "What an output expression over a masked column may be made of under `allowing derived`:"
    yield ""
    yield from table(["function or operator", "arguments", ""],
                     [(code(r[0]), takes[r[2]], size[r[1]]) for r in rows("grammar/allowing.def", "DERIVED")]
                     + [(code(r[0]), "two", size[r[1]]) for r in rows("grammar/allowing.def", "DERIVED_OPERATOR")]
                     + [(code("coalesce"), "any", "")]
                     + [(f"a cast to {code(r[0])}", "one", "") for r in rows("grammar/allowing.def", "PLAIN_TYPE")
                        if r[1] == "TEXT"])
    def listed(macro):
        return ", ".join(code(r[0]) for r in rows("grammar/allowing.def", macro)) + "."
    yield "What a column may be compared with under `allowing lookup`: a literal or parameter, as it is or cast to"
    yield listed("PLAIN_TYPE")
    yield ""
    yield "What may aggregate it under `allowing aggregates`: " + listed("AGGREGATE")
    yield ""


def messages():
    for macro, side in (("PG_FRONTEND", "From the client"), ("PG_BACKEND", "From the server")):
        yield f"{side}:"
        yield ""
        yield from table(["byte", "message", "length", "read"],
                         [(code(m[0]), m[2], f"{m[3]} to {m[4] if m[4] != '0' else 'the limit'}",
                           "whole" if m[5] == "WHOLE" else "piece by piece")
                          for m in rows("runtime/proto/pg/msgs.def", macro)])


SECTIONS = [
    ("Commands", "cli/commands.def", plain("cli/commands.def", "COMMAND", ["command", "does"],
     lambda r: (code(f"weir {r[1]}"), r[2]))),
    ("Words", "grammar/words.def", words),
    ("Actions", "grammar/actions.def", actions),
    ("Facts", "grammar/facts.def", facts),
    ("Types", "grammar/types.def", plain("grammar/types.def", "TYPE", ["type", "is"],
     lambda r: (code(r[1]), r[2]))),
    ("Masks", "grammar/masks.def", plain("grammar/masks.def", "MASK",
     ["mask", "takes", "rank", "shows"],
     lambda r: (code(r[1]), {"NONE": "", "TEXT": "a text", "COUNT": "a number", "WIDTH": "a width"}[r[2]], r[3], r[4]))),
    ("What a mask may allow", "grammar/allowing.def", allowing),
    ("Detectors", "grammar/detectors.def", plain("grammar/detectors.def", "DETECTOR",
     ["detector", "finds"], lambda r: (code(r[1]), r[2]))),
    ("Limits", "grammar/limits.def", limits),
    ("What a record rule adds", "grammar/recorded.def", plain("grammar/recorded.def", "RECORDED",
     ["word", "adds"], lambda r: (code(r[1]), r[2]))),
    ("Notices", "grammar/notices.def", plain("grammar/notices.def", "NOTICE",
     ["member", "is"], lambda r: (code(r[1]), r[2]))),
    ("Where a column is used", "grammar/contexts.def", plain("grammar/contexts.def", "CONTEXT",
     ["context", "is"], lambda r: (code(r[1]), r[2]))),
    ("Entry points", "grammar/entries.def", plain("grammar/entries.def", "ENTRY",
     ["entry", "runs"], lambda r: (code(r[1]), r[2]))),
    ("Diagnostics", "grammar/diags.def", plain("grammar/diags.def", "D",
     ["code", "severity", "message"],
     lambda r: (f"[{r[1]}](diagnostics/{r[1]}.md)", r[2].lower(), r[3]))),
    ("Instructions", "grammar/opcodes.def", plain("grammar/opcodes.def", "OP",
     ["instruction", "fact", "constant", "does"],
     lambda r: (code(r[1]), r[2].lower().replace("none", ""), r[3].lower().replace("none", ""), r[4]))),
    ("Why an image is refused", "grammar/image_errors.def", plain(
     "grammar/image_errors.def", "IMAGE_ERROR", ["code", "means"], lambda r: (code(r[1]), r[2]))),
    ("Audit records", "grammar/records.def", plain("grammar/records.def", "RECORD",
     ["record", "is written when"], lambda r: (code(r[2]), r[3]))),
    ("Settings that are carried", "grammar/carried.def", plain("grammar/carried.def", "CARRIED",
     ["setting", "may be set to"], lambda r: (code(r[0]), r[2].replace("|", ", ") or "anything"))),
    ("PostgreSQL messages", "runtime/proto/pg/msgs.def", messages),
    ("Why PostgreSQL bytes are refused", "runtime/proto/pg/reasons.def", plain(
     "runtime/proto/pg/reasons.def", "R", ["reason", "SQLSTATE", "means"],
     lambda r: (code(r[0].lower().replace("_", "-")), r[1], r[2]))),
    ("Findings of weir doctor", "cli/doctor.def", plain("cli/doctor.def", "FINDING",
     ["code", "severity", "found", "why it matters"],
     lambda r: (code(r[1]), r[2].lower(), r[4], r[5]))),
    ("Approval states", "runtime/session/approvals.def", plain(
     "runtime/session/approvals.def", "APPROVAL_STATE", ["state", "means"],
     lambda r: (code(r[1]), r[2]))),
    ("Approval refusals", "runtime/session/approvals.def", plain(
     "runtime/session/approvals.def", "APPROVAL_ERROR", ["code", "HTTP", "means", "what to do"],
     lambda r: (code(r[1]), r[2], r[3], r[4]))),
    ("Admin listener's refusals", "runtime/proxy/admin.def", plain(
     "runtime/proxy/admin.def", "ADMIN_ERROR", ["code", "HTTP", "means", "what to do"],
     lambda r: (code(r[1]), r[2], r[3], r[4]))),
]


def generate():
    out = ["# Reference", "",
           "Generated by `docs/generate.py` from the tables that the programs are built from: do not",
           "edit. The text around them is in [language.md](language.md), "
           "[configuration.md](configuration.md),", "[approvals.md](approvals.md), "
           "[audit.md](audit.md) and [postgres.md](postgres.md).", ""]
    for title, path, _ in SECTIONS:
        out.append(f"- [{title}](#{title.lower().replace(' ', '-').replace(chr(39), '')})")
    out.append("")
    for title, path, section in SECTIONS:
        out += [f"## {title}", "", f"From `{path}`.", "", *section()]
    return "\n".join(out).rstrip() + "\n"


def manual(text):
    """The manual page with its list of commands replaced."""
    head, rest = text.split(".\\\" From here", 1)
    first, rest = rest.split("\n", 1)
    tail = rest.split(".El\n", 1)[1]
    items = ""
    for _, name, sentence in rows("cli/commands.def", "COMMAND"):
        items += f".It Cm {name}\n{sentence[0].upper()}{sentence[1:]}.\n"
    return f'{head}.\\" From here{first}\n.Bl -tag -width Ds\n{items}.El\n{tail}'


SEVERITY = {"ERROR": "An error: there is no image until it is put right.",
            "WARNING": "A warning: the policy or configuration works as it is written, which may not be "
                       "what is meant."}


def title(message):
    """The message with its arguments left open."""
    return re.sub(r"%[0-9.*zl]*[a-zA-Z]", "...", message).replace("%%", "%")


EDITS = {"UNASKED": "`weir check --fix` {sentence}.", "ASKED": "`weir check --fix-also {code}` {sentence}.",
         "NONE": "No edit is suggested: {sentence}."}


def edit(code, severity, edits):
    """What `weir check --fix` does about it, as a paragraph."""
    if not edits:
        if severity == "WARNING":
            sys.exit(f"{code} has no row in grammar/edits.def: say what edit is possible, or why none is")
        return ""
    return EDITS[edits[1]].format(code=code, sentence=edits[2]) + "\n\n"


def page(code, severity, message, edits, text):
    """A page about a diagnostic: its head from the tables, the rest as somebody wrote it."""
    blocks = text.split("\n\n")[2:]
    if blocks and re.match(r"`weir check --fix|No edit is suggested: ", blocks[0]):
        del blocks[0]
    rest = "\n\n".join(blocks) or (
        "What it means, and what to do.\n\n## Wrong\n\n```\n```\n\n## Right\n\n```\n```\n")
    return f"# {code}: {title(message)}\n\n{SEVERITY[severity]}\n\n{edit(code, severity, edits)}{rest}"


def index(found):
    yield from ("# Diagnostics", "",
                "Every code that `weir check`, and `weir run --check` for configurations, can say, with an",
                "example of what is wrong and of what is right. `weir check --explain CODE` shows a page at the",
                "terminal. The list and the first lines of each page are written by `docs/generate.py`.", "")
    yield from table(["code", "message"],
                     [(f"[{r[1]}]({r[1]}.md)", title(r[3])) for r in found])


def documents():
    """Every generated document: its path and, given what it says now, what it must say."""
    yield REFERENCE, lambda _: generate()
    yield MANUAL, manual
    yield "editors/vscode/syntaxes/weir.tmLanguage.json", lambda _: grammars.textmate(rows)
    yield "editors/vim/syntax/weir.vim", lambda _: grammars.vim(rows)
    yield "editors/tree-sitter-weir/queries/highlights.scm", lambda _: grammars.tree_sitter(rows)
    yield "playground/words.js", lambda _: grammars.playground(rows)
    found = list(rows("grammar/diags.def", "D"))
    edits = {r[0]: r for r in rows("grammar/edits.def", "EDIT")}
    yield f"{PAGES}/README.md", lambda _: "\n".join(index(found)).rstrip() + "\n"
    for id, name, severity, message in found:
        yield f"{PAGES}/{name}.md", lambda text, d=(name, severity, message, edits.get(id)): page(*d, text)


def main():
    stale = []
    for path, make in documents():
        full = f"{ROOT}/{path}"
        current = open(full, encoding="utf-8").read() if os.path.exists(full) else ""
        text = make(current)
        if text == current:
            continue
        stale.append(path)
        if "--check" not in sys.argv[1:]:
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
    if "--check" in sys.argv[1:] and stale:
        print(f"not current: {' '.join(stale)}; run docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
