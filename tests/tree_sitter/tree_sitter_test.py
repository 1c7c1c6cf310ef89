#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""editors/tree-sitter-weir: the parser is what the generator makes of grammar.js, understands what
the compiler understands and nothing else."""
import concurrent.futures, glob, json, os, random, re, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, f"{HERE}/../lsp"]
import library, productions
from client import h

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


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=set_up)
