#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The patches that take defences out cannot rot: each row of docs/catalogue.md that the gateway holds
has one, each applies, and what run.py makes of tests that fail or not is what it says. Whether they
are noticed is `ninja mutants`' to say: that builds the gateway for each of them."""
import glob, os, re, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]
import harness as h
import run as mutants

ROWS = mutants.catalogue(mutants.read(f"{h.ROOT}/docs/catalogue.md"))


def test_every_row_has_a_patch():
    h.check(len(ROWS) >= 85, f"{len(ROWS)} rows")
    there = {mutants.row_of(p) for p in mutants.patches()}
    h.eq(sorted(r for r, (by, _) in ROWS.items() if "G" in by and r not in there), [])


def test_every_patch_is_of_a_row():
    for p in glob.glob(f"{HERE}/*.patch"):
        h.check(mutants.row_of(p) in ROWS, f"{p}: no row of docs/catalogue.md")
        h.check(re.match(r"# [^\n]{10,98}[^\s]\n---", mutants.read(p)), f"{p}: does not begin with what it takes out")
        changed = re.findall(r"^\+\+\+ b/(.*)$", mutants.read(p), re.M)
        h.check(changed and not any(f.startswith(("tests/", "docs/")) for f in changed),
                f"{p} changes {changed}: a defence is in the program")


def test_every_patch_applies():
    wrong = [(os.path.basename(p), why) for p in mutants.patches()
             if (why := mutants.git_apply(p, h.ROOT, "--check"))]
    h.eq(wrong, [], "take the defence out anew (tests/README.md)")


def test_every_test_of_a_row_can_be_run():
    for row, (_, tests) in ROWS.items():
        for t in tests + mutants.NEUTRAL:
            path = mutants.is_test(t) and mutants.program_of(t)
            h.check(path and (path.startswith("build/opt/tests/") or os.access(f"{h.ROOT}/{path}", os.X_OK)), f"{row}: {t}")


def test_what_is_judged():
    """Caught means that a test of the row fails, and that what is neutral goes on."""
    neutral = dict.fromkeys(mutants.NEUTRAL, True)
    def judge(every=False, **results):
        return mutants.judge(list(results), {**neutral, **results}.__getitem__, every)
    h.eq(judge(a=True, b=True), ("survived", [], ["a", "b"]))
    h.eq(judge(a=True, b=False, c=True), ("caught", ["b"], ["a"]))
    h.eq(judge(a=False, b=False, c=True, every=True), ("caught", ["a", "b"], ["c"]))
    broken = mutants.NEUTRAL[1]
    neutral[broken] = False
    h.eq(judge(a=False)[0], f"breaks {broken}")


def test_patches_are_refused_by_name():
    r = h.run([f"{HERE}/run.py", "--only", "9.1"])
    h.eq((r.code, r.out), (2, ""))
    h.has(r.err, "there is no patch 9.1")
    for test in ("wire:nothing", "sql:select nothing at all", "gateway_test:nothing", "nothing"):
        r = h.run([f"{HERE}/run.py", "--also", test])
        h.eq((r.code, r.out), (2, ""))
        h.has(r.err, f"there is no test {test}")
    r = h.run([f"{HERE}/run.py", "--list", "--only", "2.3"])
    h.eq(r.code, 0)
    h.has(r.out, "2.3   2.03-whole-rows.patch: A whole row may be used")
    h.has(h.run([f"{HERE}/run.py", "--help"]).out, "N caught, N survived, N do not apply")


h.main(test_every_row_has_a_patch, test_every_patch_is_of_a_row, test_every_patch_applies,
       test_every_test_of_a_row_can_be_run, test_what_is_judged, test_patches_are_refused_by_name)
