# SPDX-License-Identifier: MIT
"""What tests of weir diff and prove share: running weir over policies that they write, and pairs of policies, of which HEAD
is what both begin with."""
import json, os, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", os.path.join(ROOT, "build/weir"))
results = []


def check(name, problem):
    results.append(not problem)
    print(f"{'not ' if problem else ''}ok {len(results)} - {name}")
    if problem:
        print("# " + str(problem).replace("\n", "\n# "))


def weir(*args, text=None, cwd=None):
    done = subprocess.run([WEIR, *args], cwd=cwd, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def found_in(head, folder, old, new):
    paths = [write(folder, f"{n}.weir", head + t + "\n") for n, t in (("old", old), ("new", new))]
    code, out, err = weir("diff", *paths, "--json")
    if code == 2:
        raise AssertionError(f"{err}\n{old}\n---\n{new}")
    return json.loads(out)["differences"]


def bad_tests(head, folder, old, new, found):
    """Each test tells the two apart."""
    for d in found:
        if not d["test"]:
            continue
        codes = []
        for text in (old, new):
            code, out, err = weir("test", write(folder, "with.weir", head + text + "\n" + d["test"]))
            if err and "error[E0408]" not in err:  # a rule that the other does not have
                return f"{err}\n{d['test']}"
            codes.append(code)
        if sorted(codes) != [0, 1]:
            return f"{codes} {d['test']}"
    return None
