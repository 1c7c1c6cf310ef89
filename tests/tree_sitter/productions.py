# SPDX-License-Identifier: MIT
"""Sentences of grammar/policy.y: for each production a short text in which it is used."""
import os, re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What parse.c puts between the tokens of a file with mistakes.
NOT_WRITTEN = {"error", "RESUME", "REOPEN_RULE", "REOPEN_TEST"}
SAMPLES = {"NAME": "some-name", "PATTERN": "some.*", "STRING": '"text"', "INT": "7",
           "DURATION": "15m", "SIZE": "50MB", "CLOCK": "08:30", "ADDRESS": "10.0.0.0/8", "REGEX": "/^a/i"}


def read(path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as f:
        return re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)


def productions():
    """[(left side, [symbols])], one for each terminal where several stand for one another."""
    out = []
    for left, right in re.findall(r"^(\w+)(?:\(\w\))? ::=([^.]*)\.", read("grammar/policy.y"), re.M):
        symbols = [re.sub(r"\(\w\)", "", s) for s in right.split()]
        if not NOT_WRITTEN & set(symbols):
            several = next((s for s in symbols if "|" in s), None)
            for one in several.split("|") if several else [None]:
                out.append((left, [one if s == several else s for s in symbols]))
    return out


def tokens(rules):
    lefts = {left for left, _ in rules}
    return {s for _, right in rules for s in right if s not in lefts}


def spelled():
    """{token: how it is written}, where that is always the same."""
    table = read("grammar/tokens.def")
    out = dict(re.findall(r'^KEYWORD\((\w+), "(\w+)"', table, re.M))
    out.update(re.findall(r'^TOKEN\((\w+), "\'(.+)\'"\)', table, re.M))
    return {**out, "NOTIFY_RULE": "notify"}


def _shortest(rules):
    """{left side: its shortest derivation, as tokens}."""
    best, changed = {}, True
    while changed:
        changed = False
        for left, right in rules:
            if all(s.isupper() or s in best for s in right):
                text = [t for s in right for t in ([s] if s.isupper() else best[s])]
                if left not in best or len(text) < len(best[left]):
                    best[left], changed = text, True
    return best


def _uses(rules):
    """{symbol: (before, left side, after)}: where it stands, on a shortest way from `file`."""
    ways, todo = {"file": None}, ["file"]
    for at in todo:
        for left, right in rules:
            for i, s in enumerate(right):
                if left == at and not s.isupper() and s not in ways:
                    ways[s] = (right[:i], left, right[i + 1:])
                    todo.append(s)
    return ways


def sentences():
    """(production as text, policy) for every production, and for every pair of one inside another."""
    rules = productions()
    best, ways = _shortest(rules), _uses(rules)
    write = {**spelled(), **SAMPLES}

    def flat(symbols):
        return [t for s in symbols for t in ([s] if s.isupper() else best[s])]

    def policy(left, text):
        while ways[left]:
            before, left, after = ways[left]
            text = flat(before) + text + flat(after)
        return " ".join(write[t] for t in text)
    for left, right in rules:
        name = f"{left} ::= {' '.join(right)}"
        yield name, policy(left, flat(right))
        for i, s in enumerate(right):
            for inner in (r for l, r in rules if l == s):
                yield (f"{name}, with {s} ::= {' '.join(inner)}",
                       policy(left, flat(right[:i] + inner + right[i + 1:])))
