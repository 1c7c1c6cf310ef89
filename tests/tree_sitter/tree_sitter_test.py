#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""editors/tree-sitter-weir: the parser is what the generator makes of grammar.js, understands what
the compiler understands and nothing else, and colours it as the compiler would."""
import concurrent.futures, glob, json, os, random, re, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lsp"]
import library, productions
from client import compiled, h

sys.path.insert(0, library.GRAMMAR)
import generate

os.chdir(h.ROOT)
CORPUS = sorted(glob.glob(f"{library.GRAMMAR}/test/corpus/*.txt"))
CASE = re.compile(r"^={3,}\n([^\n]+)\n={3,}\n(.*?)\n---+\n\n(.*?)\n*(?=^={3,}\n|\Z)", re.M | re.S)
SYNTAX = re.compile("E0201|E01..")
# What only the compiler looks at: characters that cannot be seen, what a number or an address is.
BEYOND_SYNTAX = {"E0105", "E0111", "E0112", "E0113"}
# The compiler refuses these as names in a list or a value, since a clause was meant (build_name).
MEANT_AS_CLAUSES = re.compile("expected a name, found `(who|on|do|when|unless|for|within)`")
EXAMPLES = sorted(glob.glob("policies-examples/**/*.weir", recursive=True)
                  + glob.glob("tests/lang/ok/*.weir"))
weir = None


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def set_up():
    global weir
    weir = library.Library(h.tmp())


def mistakes(text):
    """What the compiler says of the syntax, as (code, message). Files that it imports are not there."""
    with open(f"{h.tmp()}/{abs(hash(text))}.weir", "w", encoding="utf-8") as f:
        f.write(text)
    r = h.weir("check", "--json", f.name)
    os.unlink(f.name)
    return [(d["code"], d["message"]) for d in r.json()["diagnostics"] if SYNTAX.match(d["code"])]


def agree(texts):
    """The parser finds something wrong with a text when the compiler does. How many of each."""
    texts = list(dict.fromkeys(texts))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = list(pool.map(mistakes, texts))
    refused = taken = 0
    for text, wrong in zip(texts, said):
        nodes = [f"{text.encode()[:n.start].count(10) + 1}: {n.type} {n.text[:60]!r}"
                 for n in weir.parse(text).wrong()]
        h.eq(not nodes, weir.understands(text), text)
        if all(c in BEYOND_SYNTAX or MEANT_AS_CLAUSES.match(m) for c, m in wrong) and wrong:
            continue
        h.eq(bool(nodes), bool(wrong), f"{text}\n-- the parser: {nodes}\n-- the compiler: {wrong}")
        refused, taken = refused + bool(wrong), taken + (not wrong)
    return refused, taken


# -- what the parser is made of ----------------------------------------------------------------------

def test_the_parser_is_what_the_generator_makes():
    try:
        found = generate.generated()
    except generate.debian.Unavailable as e:
        raise h.Skip(e)
    h.eq(list(generate.stale(found)), [], "not current: run editors/tree-sitter-weir/generate.py")


def test_tokens_are_those_of_the_compiler():
    """A keyword that only one of the two grammars has is missed here."""
    grammar = json.loads(read(f"{library.GRAMMAR}/src/grammar.json"))

    def strings(rule):
        if rule.get("type") == "STRING":
            yield rule["value"]
        for inner in [*rule.get("members", []), *([rule["content"]] if "content" in rule else [])]:
            yield from strings(inner)
    spelled, used = productions.spelled(), productions.tokens(productions.productions())
    ours = {s for name, rule in grammar["rules"].items() if name != "string" for s in strings(rule)}
    theirs = {s for t, s in spelled.items() if t in used or s.isalpha()}
    h.eq(sorted(ours ^ theirs), [], "of grammar/ or of grammar.js only")
    for token in used - set(spelled):
        h.check(token.lower() in grammar["rules"], f"no node for {token} of grammar/policy.y")


def test_package_names_what_there_is():
    package = json.loads(read(f"{library.GRAMMAR}/package.json"))
    for path in [*package["files"], *(package["tree-sitter"][0][q] for q in ("highlights", "injections"))]:
        h.check(os.path.exists(f"{library.GRAMMAR}/{path}"), path)


# -- what it understands -----------------------------------------------------------------------------

def test_every_production_of_the_compiler():
    found = dict(map(reversed, productions.sentences()))
    h.check(len(found) > 300, f"only {len(found)} sentences of grammar/policy.y")
    for text, name in found.items():
        h.check(weir.understands(text), f"{name}\n{text}\n{weir.written(text)}")
    h.eq(mistakes("\n".join(found)), [])


def test_the_examples():
    for path in EXAMPLES:
        h.eq([(n.type, n.text) for n in weir.parse(read(path)).wrong()], [], path)


def test_every_policy_there_is():
    """In the documents, the pages about diagnostics and the tests; what is wrong with some as well."""
    texts = []
    for path in glob.glob("tests/**/*.weir", recursive=True):
        with open(path, "rb") as f:
            text = f.read()
        if path not in ("tests/lang/err/utf8.weir", "tests/lang/err/nul.weir"):
            texts.append(text.decode())
    for path in ["README.md", *glob.glob("docs/**/*.md", recursive=True)]:
        texts += [b for b in re.findall(r"^```\n(.*?)^```$", read(path), re.M | re.S)
                  if re.match(r"(#.*\n)*policy ", b)]
    refused, taken = agree(texts)
    h.check(refused > 10 and taken > 200, f"{refused} refused, {taken} taken")


def spoilt(text, dice):
    """The policy with a token left out, put in, replaced, or moved behind the next."""
    pool = [*productions.spelled().values(), *productions.SAMPLES.values(), "notify", "to"]
    for _ in range(dice.choice((1, 1, 1, 2))):
        spans = [m.span() for m in re.finditer(
            r'#[^\n]*|"(?:\\.|[^"\\\n])*"|[A-Za-z0-9_.*:/-]+|\.\{|[!<>]=|[^\sA-Za-z0-9_]', text)
            if m[0][0] != "#"]
        i = dice.randrange(len(spans) - 1)
        (a, b), (c, d) = spans[i:i + 2]
        text = text[:a] + dice.choice((
            "", f"{text[a:b]} {text[a:b]}", f"{dice.choice(pool)} {text[a:b]}", dice.choice(pool),
            f"{text[c:d]}{text[b:c]}{text[a:b]}")) + text[b:]
    return text


def test_spoilt_policies():
    seed = int(os.environ.get("SEED", "7"))
    dice = random.Random(seed)
    print(f"# SEED={seed}")
    texts = [read(p) for p in EXAMPLES]
    refused, taken = agree([spoilt(dice.choice(texts), dice) for _ in range(300)])
    print(f"# {refused} refused, {taken} taken")
    h.check(refused > 150 and taken > 5, f"{refused} refused, {taken} taken")


def test_corpus():
    """Every kind of node, in the format of tree-sitter's own `test`."""
    seen = set()
    for path in CORPUS:
        cases = CASE.findall(read(path))
        h.eq(len(cases), len(re.findall(r"^---+$", read(path), re.M)), path)
        trees = [weir.written(text) for _, text, _ in cases]
        if os.environ.get("UPDATE"):
            with open(path, "w", encoding="utf-8") as f:
                f.write("\n".join(f"{'=' * 20}\n{name}\n{'=' * 20}\n{text}\n---\n\n{tree}\n"
                                  for (name, text, _), tree in zip(cases, trees)))
            continue
        for (name, text, want), tree in zip(cases, trees):
            h.check(tree == want, f"{path}: {name}\n{text}\n{tree}\n-- expected:\n{want}")
            h.eq("ERROR" in want or "MISSING" in want, "mistakes" in path, name)
            seen |= set(re.findall(r"\((\w+)", tree))
    if not os.environ.get("UPDATE"):
        types = json.loads(read(f"{library.GRAMMAR}/src/node-types.json"))
        h.eq([t["type"] for t in types if t["named"] and "subtypes" not in t
              and t["type"] not in seen], [], "nodes of which the corpus has none")


def test_what_follows_a_mistake_is_understood():
    """What an editor shows below the line that somebody is writing."""
    rest = ('hold ddl do sql.ddl for 1 of dba within 1h\ndeny drops "no" do sql.drop\n'
            'test "t"\n  as human "ida"\n  on shop\n  run "drop table t"\n  expect deny\n')
    path, = (p for p in CORPUS if "mistakes" in p)
    for name, text, _ in CASE.findall(read(path)):
        *_, last, end = weir.parse(text + "\n" + rest).children
        h.eq((last.type, end.type, end.wrong()), ("rule", "test", []), name)


# -- what it is coloured with ------------------------------------------------------------------------

def holds(predicate, text):
    name, of, *rest = predicate
    h.check(name in ("match?", "not-match?", "set!"), f"editors differ over #{name}")
    return name == "set!" or bool(re.search(rest[0], text)) == (name == "match?")


def found(query, text):
    """{(start, end): [capture]} after the predicates, and which patterns found something."""
    raw, out, used = text.encode(), {}, set()
    for pattern, capture, start, end in query.captures(text):
        if all(holds(p, raw[start:end].decode()) for p in query.patterns[pattern]):
            out.setdefault((start, end), []).append(capture)
            used.add(pattern)
    return out, used


def test_highlights():
    query, used = library.Query(weir, "highlights.scm"), set()
    texts = [read(p) for p in EXAMPLES] + [t for p in CORPUS if "mistakes" not in p
                                          for _, t, _ in CASE.findall(read(p))]
    for text in texts:
        captures, patterns = found(query, text)
        used |= patterns
        for place, names in captures.items():
            h.eq(len(names), 1, f"{text.encode()[slice(*place)]!r} is {names}")
        for n in weir.parse(text).walk():
            if not n.children and n.type not in ("string_content", '"', "source_file"):
                inside = any(a <= n.start and n.end <= b for a, b in captures)
                h.check(inside, f"{n.type} {n.text!r} has no colour in:\n{text}")
    h.eq([s for i, s in enumerate(query.sources) if i not in used], [], "patterns that find nothing")


def test_keywords_are_coloured_where_the_compiler_has_them():
    query = library.Query(weir, "highlights.scm")
    path = f"{h.tmp()}/names.weir"
    with open(path, "w", encoding="utf-8") as f:
        for corpus in CORPUS:
            if "mistakes" not in corpus:
                f.write("".join(text for _, text, _ in CASE.findall(read(corpus))))
    seen = set()
    for path, tokens in zip([*EXAMPLES, path], compiled([*EXAMPLES, path])):
        text, ours = read(path), set()
        raw = text.encode()
        for (start, end), (name, *_) in found(query, text)[0].items():
            word = raw[start:end].decode()
            if name.startswith("keyword") and word not in ("function", "digest", "a") \
                    or name.endswith("boolean"):
                line = raw[:start].count(10)
                ours.add((line, len(raw[:start].decode().split("\n")[-1].encode("utf-16-le")) // 2,
                          word))
        h.eq(sorted(ours ^ tokens["keyword"]), [], path)
        seen |= {word for _, _, word in ours}
    h.eq(sorted(set(re.findall(r'^KEYWORD\(\w+, "(\w+)"', read("grammar/tokens.def"), re.M)) - seen),
         [], "keywords that no sample shows")


def test_what_names_are():
    query = library.Query(weir, "highlights.scm")
    text = ('allow deny who who on on do sql.ddl when user.kind = agent and action in {sql.drop, x}\n'
            ' or sql.uses(group, group | order)\nmask time with last(4)\ntest "t" expect deny by allow')
    raw = text.encode()
    h.eq([(raw[a:b].decode(), names[0]) for (a, b), names in sorted(found(query, text)[0].items())
          if re.match(rb"[\w.]+$", raw[a:b]) and not names[0].startswith("keyword")],
         [("deny", "function"), ("who", "type"), ("on", "type"), ("sql.ddl", "function.builtin"),
          ("user.kind", "variable.builtin"), ("agent", "constant.builtin"),
          ("action", "variable.builtin"), ("sql.drop", "function.builtin"), ("x", "variable"),
          ("sql.uses", "function.builtin"), ("group", "constant.builtin"),
          ("group", "constant.builtin"), ("order", "constant.builtin"), ("time", "function"),
          ("last", "function.builtin"), ("4", "constant.numeric"), ("deny", "constant.builtin"),
          ("allow", "function")])


NEOVIM = r"""
local out, get = {}, vim.treesitter.query.get or vim.treesitter.get_query
for _, path in ipairs(vim.split(vim.env.FILES, ':')) do
  vim.cmd('edit ' .. path)
  local root = vim.treesitter.get_parser(0, vim.bo.filetype):parse()[1]:root()
  local query = get('weir', 'highlights')
  for id, node in query:iter_captures(root, 0, 0, -1) do
    local line, column, end_line, end_column = node:range()
    table.insert(out, table.concat({path, line, column, end_line, end_column, query.captures[id]}, ' '))
  end
end
vim.fn.writefile(out, vim.env.OUT)
vim.cmd('qall!')
"""


def test_neovim():
    """Set up as the README says, it sees the same."""
    if not os.path.exists("/usr/bin/nvim"):
        raise h.Skip("no nvim: ./configure --install")
    env = {"HOME": h.tmp(), "XDG_DATA_HOME": f"{h.tmp()}/.local/share",
           "XDG_CONFIG_HOME": f"{h.tmp()}/.config", "FILES": ":".join(EXAMPLES),
           "OUT": f"{h.tmp()}/neovim.out"}
    steps, = re.findall(r"^```\n(dir=.*?)^```$", read(f"{library.GRAMMAR}/README.md"), re.M | re.S)
    r = h.run(["sh", "-ec", steps], env=env)
    h.eq((r.code, r.err), (0, ""))
    with open(f"{h.tmp()}/look.lua", "w", encoding="utf-8") as f:
        f.write(NEOVIM)
    r = h.run(["/usr/bin/nvim", "--headless", "-n", "-i", "NONE", "-c", f"luafile {f.name}",
               "-c", "cquit"], env=env)
    h.eq(r.code, 0, repr(r))
    theirs, query = set(read(env["OUT"]).split("\n")[:-1]), library.Query(weir, "highlights.scm")

    def place(raw, at):
        return f"{raw[:at].count(10)} {at - raw.rfind(10, 0, at) - 1}"
    for path in EXAMPLES:
        raw = read(path).encode()
        ours = {f"{path} {place(raw, a)} {place(raw, b)} {names[0]}"
                for (a, b), names in found(query, raw.decode())[0].items()}
        h.eq(sorted(ours ^ {x for x in theirs if x.startswith(f"{path} ")}), [], path)


def test_sql_inside_and_folds():
    text = 'allow a do sql.ddl\ntest "t"\n  run "select 1" using "x"\n  expect allow\n'
    query = library.Query(weir, "injections.scm")
    h.eq([(c, text[a:b]) for _, c, a, b in query.captures(text)], [("injection.content", "select 1")])
    h.eq(query.patterns, [[["set!", "injection.language", "sql"]]])
    folds = library.Query(weir, "folds.scm")
    h.eq([text[a:b].split()[0] for _, _, a, b in folds.captures(text)], ["allow", "test"])


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=set_up)
