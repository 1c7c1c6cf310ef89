#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir check --fix and --format sarif: edits that are applied, files that are left alone, and a
report that a SARIF reader can read."""
import glob, json, os, re, shutil, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import harness as h

os.chdir(h.ROOT)


def put(name, text):
    path = f"{h.tmp()}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def get(path):
    with open(path, "rb") as f:
        return f.read()


HEAD = 'policy p "P"\ngroup agents = idp "a"\ntarget orders = postgres "o"\n'
RULE = "allow r   who agents   on orders   do sql.select\n"

# what was written, what it becomes
FIXED = [
    ("names", RULE.replace("agents", "agnts").replace("orders", "oders").replace("select", "selct"),
     RULE),
    ("an action without its protocol", RULE.replace("sql.select", "select, ddl"),
     RULE.replace("sql.select", "sql.select, sql.ddl")),
    ("facts and values", RULE + 'deny d when user.kind = agnt and tabel = "a.x"\n',
     RULE + 'deny d when user.kind = agent and table = "a.x"\n'),
    ("a function's name, not its arguments", RULE + 'data c = column t.c\ndeny d when sql.usess(c, jion)\n',
     RULE + 'data c = column t.c\ndeny d when sql.uses(c, join)\n'),
    ("limits that never bind", RULE + "limit a rows 10 per hour\nlimit b who agents rows 99 per minute bytes 5MB\n"
     "limit c rows 10 per hour\n",
     RULE + "limit a rows 10 per hour\nlimit b who agents  bytes 5MB\n"),
    ("masks, tests", RULE + 'data c = column t.c\nmask c with lst(4)\ntest "t" as agnet "x" in agents on orders '
     'run "select 1" expect allow by rr\n',
     RULE + 'data c = column t.c\nmask c with last(4)\ntest "t" as agent "x" in agents on orders '
     'run "select 1" expect allow by r\n'),
    ("look-alikes", RULE.replace("agents", "\u0430g\u0435nts").replace("sql.select", "sql\uff0eselect"),
     RULE),
    ("what a word processor does", RULE + "deny d when table = \u201ca.x\u201d\n",
     RULE + 'deny d when table = "a.x"\n'),
    ("what cannot be seen", RULE.replace("allow", "al\u200blow"), RULE),
    ("operators of other languages", RULE + "deny d when sql.statements == 2 or sql.statements <> 3;\n",
     RULE + "deny d when sql.statements = 2 or sql.statements != 3\n"),
    ("units", RULE + "limit l rows 5 per hourr   time 5sec   bytes 5mb\n",
     RULE + "limit l rows 5 per hour   time 5s   bytes 5MB\n"),
    ("backslashes", RULE + 'deny d when table = "a.a\\d"\n', RULE + 'deny d when table = "a.a\\\\d"\n'),
    ("keywords", RULE.replace("allow", "alow"), RULE),
    ("what nothing uses, with what only that used",
     'group idle = idp "i"   # comments stay\nlet a = true\nlet b = a\n' + RULE,
     "   # comments stay\n" + RULE),
    ("what is so anyway", RULE + "default deny\n", RULE),
    ("a letter of another alphabet in a string",
     RULE + 'deny x when table = "app.\u043erders" and user.name != "\u043e\u043b\u044f"\n',
     RULE + 'deny x when table = "app.orders" and user.name != "\u043e\u043b\u044f"\n'),
    ("a digest in capitals", RULE + f'trust function "s.f()" digest "sha256:{"AB" * 32}"\n',
     RULE + f'trust function "s.f()" digest "sha256:{"ab" * 32}"\n'),
]


def test_edits():
    for name, before, after in FIXED:
        path = put("edits.weir", HEAD + before)
        r = h.weir("check", "--fix", path)
        h.eq(get(path).decode(), HEAD + after, name)
        h.eq(r.code, 0, f"{name}: {r!r}")
        h.check(re.search(r"^\d+ findings? fixed in 1 file$", r.err, re.M), f"{name}: {r!r}")


def test_what_it_says():
    path = put("said.weir", HEAD + RULE.replace("agents", "\u0430gents") + 'group x = idp "x"\n')
    r = h.weir("check", "--fix", path)
    h.has(r.err, "said.weir:4:15: E0104: '<U+0430>gents' is now 'agents'",
          "said.weir:5:1: W1204: 'group x = idp \"x\"' is removed", "2 findings fixed in 1 file")


def test_what_stays():
    """Two names that are as near, what only the author can know, and what an import may be for."""
    put("lib/shared.weir", 'group shared = idp "s"\n')
    text = ('policy p "P"\nimport "lib/shared.weir"\ngroup dba1 = idp "a"\ngroup dba2 = idp "b"\n'
            'allow r who dba3 do sql.select\nallow s who dba1, dba2 do sql.show\n')
    path = put("stays.weir", text)
    r = h.weir("check", "--fix", path)
    h.eq((r.code, get(path).decode()), (1, text))
    h.has(r.err, "E0402", "did you mean 'dba1'?")
    h.lacks(r.err, "fixed")
    path = put("stays.weir", text.replace("dba3", "dba2"))
    r = h.weir("check", "--fix", path)
    h.eq(r.code, 1)
    h.has(r.err, "W1204", "shared")
    h.eq(get(f"{h.tmp()}/lib/shared.weir"), b'group shared = idp "s"\n')


def test_imported_files():
    path = put("root.weir", 'policy p "P"\nimport "lib/part.weir"\nallow r who agnts do sql.select\n')
    part = put("lib/part.weir", 'group agents = idp "a";\n')
    os.chmod(part, 0o640)
    r = h.weir("check", "--fix", path)
    h.eq(r.code, 0, repr(r))
    h.has(r.err, "2 findings fixed in 2 files")
    h.eq(get(part), b'group agents = idp "a"\n')
    h.has(get(path).decode(), "who agents")
    h.eq(os.stat(part).st_mode & 0o777, 0o640)
    h.eq(sorted(os.listdir(f"{h.tmp()}/lib")), ["part.weir", "shared.weir"])


def test_nothing_is_half_written():
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        raise h.Skip("root may write anywhere")
    path = put("half/root.weir", 'policy p "P"\nimport "../closed/part.weir"\nallow r who agnts do sql.select\n')
    part = put("closed/part.weir", 'group agents = idp "a";\n')
    before = get(path), get(part)
    os.chmod(f"{h.tmp()}/half", 0o777)
    argv = [h.WEIR, "check", "--fix", path]
    if os.geteuid() == 0:
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    else:
        os.chmod(f"{h.tmp()}/closed", 0o555)
    r = h.run(argv)
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "cannot write")
    h.lacks(r.err, "fixed")
    h.eq((get(path), get(part)), before)
    h.eq(os.listdir(f"{h.tmp()}/half"), ["root.weir"])


def test_links_stay_links():
    """The file is put right, and fmt lays it out, where it is."""
    os.makedirs(f"{h.tmp()}/elsewhere", exist_ok=True)
    path = put("elsewhere/linked.weir", HEAD + RULE.replace("allow", "alow"))
    link = f"{h.tmp()}/link.weir"
    os.symlink("elsewhere/linked.weir", link)
    h.eq(h.weir("check", "--fix", link).code, 0)
    h.has(get(path).decode(), "allow")
    put("elsewhere/linked.weir", get(path).replace(b"  ", b"      "))
    h.eq(h.weir("fmt", link).code, 0)
    h.lacks(get(path).decode(), "      ")
    h.check(os.path.islink(link), "the link is one still")
    h.eq(h.weir("fmt", "/dev/null").code, 0)


def test_twice_is_once():
    n = 0
    for source in sorted(glob.glob("tests/lang/*/*.weir")):
        folder = f"{h.tmp()}/twice"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(os.path.dirname(source), folder)
        path = f"{folder}/{os.path.basename(source)}"
        first = h.run(["build/asan/weir", "check", "--fix", path])
        text = get(path)
        second = h.run(["build/asan/weir", "check", "--fix", path])
        h.check(first.code in (0, 1) and second.code == first.code, f"{source}: {first!r}")
        h.lacks(second.err, " fixed in ", "Sanitizer")
        h.eq(get(path), text, source)
        n += " fixed in " in first.err
    h.check(n >= 5, f"only {n} of the files had something to fix")


def test_usage():
    for argv in (["--fix", "-"], ["--format", "xml", "x.weir"], ["--fix"]):
        h.eq(h.weir("check", *argv).code, 2, argv)
    h.eq(h.weir("check", "--fix", f"{h.tmp()}/none.weir").code, 2)


# -- SARIF -----------------------------------------------------------------------------------------

def must(what, o, required, allowed):
    h.check(isinstance(o, dict), f"{what} is no object: {o!r}")
    h.check(set(required) <= set(o) <= set(required) | set(allowed), f"{what} has {sorted(o)}")


def check_message(m):
    must("message", m, ["text"], [])
    h.check(isinstance(m["text"], str) and m["text"], m)


def check_region(r):
    must("region", r, ["startLine", "startColumn", "endLine", "endColumn"], [])
    h.check(all(isinstance(v, int) and v >= 1 for v in r.values()), r)
    h.check((r["startLine"], r["startColumn"]) <= (r["endLine"], r["endColumn"]), r)


def check_place(p):
    must("physicalLocation", p, ["artifactLocation", "region"], [])
    must("artifactLocation", p["artifactLocation"], ["uri"], [])
    h.check(re.fullmatch(r"[A-Za-z0-9._~/:%-]+", p["artifactLocation"]["uri"]), p)
    check_region(p["region"])


def check_result(x, rules):
    must("result", x, ["ruleId", "ruleIndex", "level", "message"],
         ["locations", "relatedLocations", "fixes"])
    h.eq(rules[x["ruleIndex"]]["id"], x["ruleId"])
    h.check(x["level"] in ("error", "warning"), x["level"])
    check_message(x["message"])
    for place in x.get("locations", []):
        must("location", place, ["physicalLocation"], [])
        check_place(place["physicalLocation"])
    for i, place in enumerate(x.get("relatedLocations", [])):
        must("relatedLocation", place, ["id", "message", "physicalLocation"], [])
        h.eq(place["id"], i)
        check_message(place["message"])
        check_place(place["physicalLocation"])
    for fix in x.get("fixes", []):
        must("fix", fix, ["description", "artifactChanges"], [])
        for change in fix["artifactChanges"]:
            must("artifactChange", change, ["artifactLocation", "replacements"], [])
            h.check(change["replacements"], fix)
            for r in change["replacements"]:
                must("replacement", r, ["deletedRegion", "insertedContent"], [])
                check_region(r["deletedRegion"])
                must("insertedContent", r["insertedContent"], ["text"], [])


def sarif(path):
    r = h.weir("check", "--format", "sarif", path)
    o = json.loads(r.out)
    must("log", o, ["$schema", "version", "runs"], [])
    h.eq((o["version"], len(o["runs"])), ("2.1.0", 1))
    run = o["runs"][0]
    must("run", run, ["tool", "columnKind", "results"], [])
    driver = run["tool"]["driver"]
    must("driver", driver, ["name", "semanticVersion", "rules"], [])
    for rule in driver["rules"]:
        must("rule", rule, ["id", "name", "shortDescription", "defaultConfiguration"], [])
        h.check(re.fullmatch(r"[A-Z][A-Za-z0-9]+", rule["name"]), rule)
        check_message(rule["shortDescription"])
        h.lacks(rule["shortDescription"]["text"], "%")
    for x in run["results"]:
        check_result(x, driver["rules"])
    return r, driver["rules"], run["results"]


def test_sarif_has_what_json_has():
    with open("grammar/diags.def") as f:
        codes = re.findall(r'^D\(\w+, "(\w+)", (\w+)', f.read(), re.M)
    seen = set()
    for path in sorted(glob.glob("tests/lang/*/*.weir")):
        r, rules, results = sarif(path)
        h.eq([(x["id"], x["defaultConfiguration"]["level"].upper()) for x in rules], codes)
        json_form = json.loads(h.weir("check", "--json", path).out)["diagnostics"]
        h.eq(r.code, 1 if json_form else 0)
        h.eq([x["ruleId"] for x in results], [d["code"] for d in json_form], path)
        for x, d in zip(results, json_form):
            if "file" not in d:
                h.lacks(x, "locations")
                continue
            region = x["locations"][0]["physicalLocation"]["region"]
            h.eq(list(region.values()), [d["line"], d["column"], d["end_line"], d["end_column"]])
            h.eq(len(x.get("relatedLocations", [])), sum("line" in n for n in d["notes"]))
            h.eq([f["description"]["text"] for f in x.get("fixes", [])],
                 [] if not d["edits"] else ["what `weir check --fix` does"] if d["fix"] == "unasked"
                 else [f"what `weir check --fix-also {d['code']}` does"])
            h.eq(sum(len(c["replacements"]) for f in x.get("fixes", []) for c in f["artifactChanges"]),
                 len(d["edits"]))
            seen |= set(x)
    h.check({"relatedLocations", "fixes", "locations"} <= seen, seen)


def test_sarif_places_and_fixes():
    path = put("a b/sär.weir", HEAD + "# ä\n" + RULE.replace("agents", "agnts") + RULE)
    r, rules, results = sarif(path)
    name = next(x for x in results if x["ruleId"] == "E0402")
    h.eq(r.code, 1)
    h.has(name["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "/a%20b/s%C3%A4r.weir")
    h.has(name["message"]["text"], "no group 'agnts' is declared; did you mean 'agents'?")
    h.eq(name["fixes"][0]["artifactChanges"][0]["replacements"],
         [{"deletedRegion": {"startLine": 5, "startColumn": 15, "endLine": 5, "endColumn": 20},
           "insertedContent": {"text": "agents"}}])
    twice = next(x for x in results if x["ruleId"] == "E0401")
    h.eq(twice["relatedLocations"][0]["message"]["text"], "the first is here")
    h.eq(twice["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 5)


h.main(test_edits, test_what_it_says, test_what_stays, test_imported_files, test_nothing_is_half_written,
       test_links_stay_links, test_twice_is_once, test_usage, test_sarif_has_what_json_has,
       test_sarif_places_and_fixes)
