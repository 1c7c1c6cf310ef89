#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is in editors/: the generated grammars against the compiler, which knows what is a keyword
where; the VS Code extension and the Vim files with the real programs that read them. The grammars
are made by docs/generate.py."""
import glob, json, os, re, shutil, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import compiled, h

os.chdir(h.ROOT)
FILES = sorted(glob.glob("policies-examples/*.weir") + glob.glob("tests/lang/ok/*.weir"))
# A name spelled like a keyword, at a place where only a parser can tell.
ONLY_A_PARSER = {("tests/lang/ok/everything.weir", "time")}
GRAMMAR = "editors/vscode/syntaxes/weir.tmLanguage.json"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def words(path, macro, column):
    return re.findall(rf'^{macro}\({column}"([^"]+)"', read(path), re.M)


KEYWORDS = set(words("grammar/tokens.def", "KEYWORD", r"\w+, "))


def test_generated_files_are_current():
    r = h.run(["docs/generate.py", "--check"])
    h.eq(r.code, 0, repr(r))


def test_json_is_well_formed():
    for path in glob.glob("editors/**/*.json", recursive=True):
        json.loads(read(path))
    package = json.loads(read("editors/vscode/package.json"))
    h.eq(list(package["dependencies"]), ["vscode-languageclient"])
    for path in (package["main"], package["contributes"]["languages"][0]["configuration"],
                 package["contributes"]["grammars"][0]["path"]):
        h.check(os.path.isfile(f"editors/vscode/{path}"), path)
    h.eq(package["contributes"]["configuration"]["properties"]["weir.path"]["scope"], "machine")


def same(path, what, ours, theirs):
    h.eq([t for t in sorted(theirs - ours) if (path, t[2]) not in ONLY_A_PARSER], [],
         f"{path}: not {what} to the compiler")
    h.eq(sorted(ours - theirs), [], f"{path}: {what} to the compiler only")


def test_textmate_grammar():
    tokens = h.node("textmate.js", GRAMMAR, *FILES)
    h.eq(tokens.code, 0, repr(tokens))
    for path, ours, theirs in zip(FILES, compiled(FILES), tokens.json()):
        h.check(len(theirs) > 5, path)
        of = lambda start: {(line, column, text) for line, column, text, scope in theirs
                            if scope.startswith(start)}
        h.check(of("keyword.") and {t for _, _, t in of("keyword.control") | of("keyword.other")
                                    | of("keyword.operator.word")} <= KEYWORDS, path)
        same(path, "a keyword", ours["keyword"],
             of("keyword.control") | of("keyword.other") | of("keyword.operator.word"))
        same(path, "a comment", ours.get("comment", set()), of("comment"))
        h.eq(sorted(of("invalid")), [], path)
        h.check({t for _, _, t in of("variable.language.fact")} <= set(
            words("grammar/facts.def", "FACT", r"\w+, ")), path)


def test_names_that_are_spelled_like_keywords():
    path = f"{h.tmp()}/names.weir"
    with open(path, "w") as f:
        f.write('policy who "t"\ngroup limit = idp "x"\nallow when-x\n  who a\ndeny mask\n'
                '  when sql.uses(card, group | order) and row.time = 5 and not x.who\n'
                'test "t"\n  expect hold by deny\ndefault allow\n')
    ours, theirs = compiled([path])[0], h.node("textmate.js", GRAMMAR, path).json()[0]
    same(path, "a keyword", ours["keyword"],
         {(line, column, text) for line, column, text, scope in theirs if re.match(
             r"keyword\.(control|other|operator\.word)", scope)})


def test_vscode_extension():
    if not shutil.which("node"):
        raise h.Skip("no node: ./configure --install")
    r = h.run(["node", "tests/e2e/node/extension.js", "editors/vscode/extension.js"],
              env={"weir.path": h.WEIR})
    h.eq((r.code, r.err), (0, ""))
    said = r.json()
    h.eq((said["started"], said["stopped"]), (True, True))
    h.eq(said["client"]["documentSelector"], [{"language": "weir"}])
    h.eq(said["watched"], "**/*.{weir,sql}")  # policies and their catalogs
    # The server starts as the extension says, with what the client adds.
    started = h.run([said["server"]["command"], *said["server"]["args"], "--stdio"], input="")
    h.eq((started.code, started.out, started.err), (1, "", ""))


VIM = r"""
set nocompatible encoding=utf-8 nomodeline
set runtimepath=$VIMRUNTIME,editors/vim
filetype plugin on
syntax on
let out = []
for path in split($FILES, ':')
  execute 'edit' path
  call add(out, '== ' . &filetype . ' ' . substitute(&commentstring, ' ', '_', 'g'))
  for line in range(1, line('$'))
    let column = 0
    while column < len(getline(line))
      let group = synIDattr(synID(line, column + 1, 1), 'name')
      let start = column
      while column < len(getline(line)) && synIDattr(synID(line, column + 1, 1), 'name') ==# group
        let column += 1
      endwhile
      call add(out, (line - 1) . ' ' . start . ' ' . (column - start) . ' ' . group)
    endwhile
  endfor
endfor
call writefile(out, $OUT)
qall!
"""


def vim(paths):
    """For each file its groups: group to (line, column, text)."""
    if not os.path.exists("/usr/bin/vim.basic"):
        raise h.Skip("no vim: ./configure --install")
    script, out = f"{h.tmp()}/look.vim", f"{h.tmp()}/look.out"
    with open(script, "w") as f:
        f.write(VIM)
    r = h.run(["/usr/bin/vim.basic", "-u", "NONE", "-i", "NONE", "-n", "-es", "-S", script],
              env={"FILES": ":".join(paths), "OUT": out, "HOME": h.tmp(), "TERM": "dumb"})
    h.check(os.path.exists(out), repr(r))
    for path, part in zip(paths, read(out).split("== ")[1:]):
        head, *lines = part.splitlines()
        h.eq(head, "weir #_%s", path)
        text, found = read(path).split("\n"), {}
        for line, start, length, group in (x.split(" ") for x in lines):
            line = int(line)
            bytes_ = text[line].encode()
            start, piece = int(start), bytes_[int(start):int(start) + int(length)].decode()
            if group in ("weirDeclaration", "weirClause", "weirOperator"):
                found.setdefault("keyword", set()).add(
                    (line, len(bytes_[:start].decode()), piece))
            found.setdefault(group, set()).add((line, len(bytes_[:start].decode()), piece))
        yield found


def test_vim_syntax():
    for path, ours, theirs in zip(FILES, compiled(FILES), vim(FILES)):
        h.check({t for _, _, t in theirs["keyword"]} <= KEYWORDS, path)
        same(path, "a keyword", ours["keyword"], theirs["keyword"])
        same(path, "a comment", ours.get("comment", set()), theirs.get("weirComment", set()))
        same(path, "a text", ours.get("string", set()), theirs.get("weirString", set()))


def test_vim_places():
    path = f"{h.tmp()}/vim.weir"
    with open(path, "w") as f:
        f.write('allow allow\n  when sql.uses(card, group) and user.kind = agent\n'
                'mask card with last(4)\ntest "é 😀" expect deny by allow # x\n')
    found, = vim([path])
    for group, want in (("weirName", {(0, 6, "allow"), (2, 5, "card"), (3, 26, "allow")}),
                        ("weirPlace", {(1, 22, "group")}), ("weirMask", {(2, 15, "last")}),
                        ("weirFact", {(1, 33, "user.kind")}), ("weirVerdict", {(3, 18, "deny")}),
                        ("weirValue", {(1, 45, "agent")}), ("weirNumber", {(2, 20, "4")})):
        h.eq(found.get(group), want, group)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")])
