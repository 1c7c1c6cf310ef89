#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""year, month, round(n) and bucket(n) in policies: shown in tests, the strictest wins, diff knows their argument."""
import os, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIR = os.environ.get("WEIR", f"{ROOT}/build/weir")
TMP = tempfile.TemporaryDirectory()
POLICY = """policy staff
group agents = idp "ai-agents"
data born = column people.born
data hired = column people.hired
data wage = column people.wage
allow read who agents do sql.select
mask born with year
mask hired with month
mask wage with %s
%s
test "what is shown"
  as agent "a" in agents on "staff" run "select born, hired, wage from people"
  row (born: "1980-05-17", hired: "2020-06-30 23:10:00+00", wage: %s)
  expect (born: "1980-01-01", hired: "2020-06-01 00:00:00+00", wage: %s)
"""
results = []


def check(name, got, want):
    good = got == want
    results.append(good)
    if not good:
        print(f"# got {got!r}, not {want!r}")
    print(f"{'' if good else 'not '}ok {len(results)} - {name}", flush=True)


def policy(name, *parts):
    path = f"{TMP.name}/{name}.weir"
    with open(path, "w") as f:
        f.write(POLICY % parts)
    return path


def weir(*args):
    p = subprocess.run([WEIR, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TMP.name)
    return p.returncode, p.stdout


def tested(*parts):
    return weir("test", policy("tested", *parts))[0]


print("1..10")
check("rounded", tested("round(1000)", "", "52500", "53000"), 0)
check("not as it was", tested("round(1000)", "", "52500", "52500"), 1)
check("a quoted number", tested("bucket(1000)", "", '"-52500.75"', '"-53000"'), 0)
wider = "mask wider of wage with %s"
check("the wider wins, written first", tested("round(1000)", wider % "round(10)", "52500", "53000"), 0)
check("the wider wins, written last", tested("round(10)", wider % "round(1000)", "52500", "53000"), 0)
check("a text mask is stricter", tested("round(10)", wider % "last(4)", "52500", "null"), 0)
check("null is stricter", tested("round(10)", wider % "null", "52500", "null"), 0)
fine, coarse = policy("fine", "round(10)", "", "5", "10"), policy("coarse", "round(1000)", "", "5", "0")
code, out = weir("diff", fine, coarse)
check("diff finds the width", (code, "round(10)" in out and "round(1000)" in out), (1, True))
check("the image keeps the width", weir("build", coarse, "-o", "coarse.img")[0], 0)
check("and shows it", "with round(1000)" in weir("dis", "coarse.img")[1], True)
sys.exit(not all(results))
