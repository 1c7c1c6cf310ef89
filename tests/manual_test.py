#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/language.md shows everything that the language has: every rule of the grammar, every keyword
and kind of literal, and every word of its tables, in an example that compiles and whose tests pass."""
import os, re, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
import generate
import harness as h

os.chdir(h.ROOT)
MANUAL, DUMP = "docs/language.md", "build/opt/tests/lang_dump"

# Parsed so that the checker can say what is wrong with it.
REFUSED = {"value ::= PATTERN"}
BRACKETS = {"LBRACKET", "RBRACKET"}  # of configurations


def examples():
    """Every policy of the manual as a file, next to those that it needs."""
    folder, found = h.tmp(), []
    with open(MANUAL, encoding="utf-8") as f:
        shown = re.findall(r"^```\n(.*?)^```$", f.read(), re.M | re.S)
    for i, text in enumerate(shown):
        name = re.match(r"(?:#|--) ([\w-]+\.(?:weir|sql))\n", text)
        if not name and not re.match(r"(#.*\n)*policy ", text):
            continue
        path = f"{folder}/{name[1] if name else f'{i}.weir'}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        if not name:
            found.append(path)
    h.check(len(found) > 15, f"{len(found)} examples")
    return found


def parsed():
    """The rules that the examples are reduced by, and the tokens that they are made of."""
    rules, tokens = set(), set()
    for path in examples():
        r = h.run([DUMP, "--trace", path])
        h.eq(r.code, 0, repr(r))
        rules |= set(re.findall(r"^Reduce \d+ \[([^\]]+)\]", r.out, re.M))
        tokens |= set(re.findall(r"^Shift '(\w+)'", r.out, re.M))
    return rules, tokens


def grammar():
    """The rules of the grammar, as the trace names them, without those for mistakes."""
    with open("grammar/policy.y", encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    for left, right in re.findall(r"^(\w+)(?:\(\w+\))? ::=(.*?)\.\s*(?:\{|$)", text, re.M):
        right = re.sub(r"\(\w+\)", "", right).split()
        if not {"error", "RESUME", "REOPEN_RULE", "REOPEN_TEST"} & set(right):
            yield " ".join([left, "::=", *right])


def test_every_rule_of_the_grammar():
    shown, _ = parsed()
    wanted = set(grammar())
    h.check(len(wanted) > 100, f"{len(wanted)} rules")
    h.eq(shown - wanted - {"file ::= decls"}, set(), "rules that this test does not know")
    h.eq(sorted(wanted - shown - REFUSED), [], f"rules of grammar/policy.y without an example in {MANUAL}")


def test_every_keyword_and_literal():
    _, shown = parsed()
    wanted = {r[0] for r in generate.rows("grammar/tokens.def", "KEYWORD", "TOKEN")}
    h.eq(sorted(wanted - shown - BRACKETS), [], f"tokens without an example in {MANUAL}")


def words():
    """The names in the examples, without comments and strings."""
    text = ""
    for path in examples():
        with open(path, encoding="utf-8") as f:
            text += f.read()
    text = re.sub(r"#[^\n]*", "", re.sub(r'"(?:\\.|[^"\\])*"', '""', text))
    return set(re.findall(r"[\w.-]+", text))


def test_every_word_of_the_tables():
    shown = words()
    for path, macro, at in (("grammar/facts.def", "FACT", 1), ("grammar/facts.def", "ENUM_VALUE", 2),
                            ("grammar/actions.def", "ACTION", 1), ("grammar/actions.def", "ACTION_SET", 1),
                            ("grammar/masks.def", "MASK", 1), ("grammar/detectors.def", "DETECTOR", 1),
                            ("grammar/limits.def", "LIMIT_UNIT", 1), ("grammar/limits.def", "LIMIT_PER", 1),
                            ("grammar/recorded.def", "RECORDED", 1), ("grammar/contexts.def", "CONTEXT", 1)):
        wanted = {r[at] for r in generate.rows(path, macro)} - {""}
        wanted -= {"clear"} if macro == "MASK" else set()  # cannot be said: what no mask is
        h.check(wanted, path)
        h.eq(sorted(wanted - shown), [], f"{macro} of {path} without an example in {MANUAL}")


def test_every_expectation():
    with open("compiler/ast.c", encoding="utf-8") as f:
        kinds = re.search(r"expect_kind_name\(.*?\{(.*?)\n\}", f.read(), re.S)[1]
    wanted = set(re.findall(r'"(\w+)"', kinds)) - {"verdict", "row"}
    h.check({"masked", "shadow"} <= wanted, wanted)
    with open(MANUAL, encoding="utf-8") as f:
        shown = set(re.findall(r"expect (\w+) by", f.read()))
    h.eq(sorted(wanted - shown), [], f"expectations without an example in {MANUAL}")


def test_the_examples_hold():
    for path in examples():
        r = h.weir("check", path)
        h.check(r.code in (0, 1) and "error[" not in r.out + r.err, f"{path}: {r!r}")
        r = h.weir("test", path)
        h.eq(r.code, 0, repr(r))


h.main(test_every_rule_of_the_grammar, test_every_keyword_and_literal, test_every_word_of_the_tables,
       test_every_expectation, test_the_examples_hold)
