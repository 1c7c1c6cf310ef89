#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir diff: changes that no column and no verdict shows. Each must be said, with a test that passes
under one of the policies and fails under the other where the language has one; and a policy
must be like itself written otherwise.
"""
import json, os, sys, tempfile

from policy_pairs import check, results, weir, write

HEAD = """policy kinds
group g0 = idp "g0"
group g1 = idp "g1"
target t = postgres "t*"
"""


def passes(folder, text, test):
    code, out, err = weir("test", write(folder, "with.weir", text + test))
    if err:
        # A rule that the other policy does not have.
        return "error[E0408]" in err and "1 error" in err and None
    return code == 0


def problem_of(folder, old, new, wanted, tested=True, head=HEAD):
    """wanted: the kinds of difference, in order."""
    texts = [f"{head}{t}\n" for t in (old, new)]
    paths = [write(folder, f"{n}.weir", t) for n, t in zip(("old", "new"), texts)]
    code, out, err = weir("diff", *paths, "--json")
    if code == 2:
        return err
    found = json.loads(out)["differences"]
    if [d["kind"] for d in found] != wanted or code != bool(wanted):
        return f"exit {code}: {out}"
    for d in found:
        if bool(d["test"]) != tested:
            return f"a test: {d['test']}"
        if tested and sorted(map(bool, (passes(folder, t, d["test"]) for t in texts))) != [0, 1]:
            return f"the test does not tell them apart: {d['test']}"
    code, out, err = weir("diff", *paths)
    return code != bool(wanted) and out + err


def changes(folder, name, wanted, old, new, **more):
    check(name, problem_of(folder, old, new, wanted, **more))


DETECTORS = ["card", "email", "iban", "ssn", "phone", "jwt", "aws-key", "private-key"]
ALL_VALUES = "allow r do sql.select\n" + "".join(f"data d-{d} = values like {d}\n"
                                                 for d in DETECTORS)
VALUES = "allow r do sql.select\ndata v = values like card, values like email\n" \
    "data c = values like card\n"
CATALOG = """create table notes (id int, state boolean, body text);
"""


def values(folder):
    masks = "".join(f"mask m-{d} of d-{d} with fixed(\"x\")\n" for d in DETECTORS)
    many = ["newly unmasked"] * len(DETECTORS)
    changes(folder, "values that are not masked any more", many, ALL_VALUES + masks, ALL_VALUES)
    changes(folder, "values that are masked", ["newly masked"] * len(many), ALL_VALUES,
            ALL_VALUES + masks)
    changes(folder, "values that are masked otherwise", ["masked otherwise"],
            VALUES + "mask m of c with last(4)", VALUES + "mask m of c with last(2)")
    changes(folder, "a class that finds less", ["newly unmasked"],
            VALUES + "mask m of v with last(4)", VALUES + "mask m of c with last(4)")
    changes(folder, "values masked but for somebody", ["newly unmasked"],
            VALUES + "mask m of c with null", VALUES + "mask m of c with null unless who g1")
    changes(folder, "of two masks the stricter was changed only", ["masked otherwise"],
            VALUES + "mask m of c with null\nmask n of v with last(4)",
            VALUES + "mask m of c with hash\nmask n of v with last(4)")
    changes(folder, "where nothing can be selected", ["masked otherwise"],
            VALUES.replace("sql.select", "sql.show") + "mask m of c with last(4)",
            VALUES.replace("sql.select", "sql.show") + "mask m of c with null", tested=False)
    changes(folder, "who is denied sees no values", [],
            VALUES + "deny d who g1\nmask m of c with null",
            VALUES + "deny d who g1\nmask m of c with null unless who g1")
    changes(folder, "the same of two rules as of one", [],
            VALUES + "mask m of v with null",
            VALUES + "data e = values like email\nmask m of c with null\nmask n of e with null")
    write(folder, "notes.sql", CATALOG)
    changes(folder, "by a column that there is", ["newly unmasked"],
            VALUES + "mask m of c with null", VALUES,
            head=HEAD + 'catalog "notes.sql"\n')


SELECT = "allow r do sql.select\n"
NETTO = 'trust function "app.netto(numeric, text)" digest "sha256:' + "0" * 64 + '"'


def functions(folder):
    changes(folder, "a function that is trusted", ["trusted otherwise"], SELECT, SELECT + NETTO)
    changes(folder, "one that is not any more", ["trusted otherwise"], SELECT + NETTO, SELECT)
    changes(folder, "as another", ["trusted otherwise"], SELECT + NETTO,
            SELECT + NETTO.replace("0", "1"), tested=False)
    changes(folder, "the same", [], SELECT + NETTO, NETTO + "\n" + SELECT)
    changes(folder, "by a table that there is", ["trusted otherwise"], SELECT, SELECT + NETTO,
            head=HEAD + 'catalog "notes.sql"\n')


def told(folder):
    record = SELECT + "record x do sql.select with "
    changes(folder, "less goes on record", ["recorded otherwise"] * 3,
            record + "text, parameters, strict", SELECT)
    changes(folder, "more does", ["recorded otherwise"], SELECT, record + "strict")
    changes(folder, "more of the same rule", ["recorded otherwise"], record + "text",
            record + "text, parameters", tested=False)
    changes(folder, "of somebody", ["recorded otherwise"], record + "text",
            SELECT + "record x do sql.select unless who g1 with text")
    changes(folder, "what is denied is on record, too", ["recorded otherwise"],
            SELECT + "record x do sql.drop with text", SELECT)
    changes(folder, "two rules that record as one", [], record + "text, strict",
            record + "text\nrecord y do sql.select with strict")
    notify = SELECT + "notify x to desk do sql.select"
    changes(folder, "a channel is told", ["told otherwise"], SELECT, notify)
    changes(folder, "another is", ["told otherwise"] * 2, notify, notify.replace("desk", "hall"),
            tested=False)
    changes(folder, "by a rule that decides", ["told otherwise"],
            SELECT + "deny d do sql.drop notify desk", SELECT + "deny d do sql.drop")
    changes(folder, "not where it does not decide", [],
            SELECT + "deny e\nallow s do sql.drop notify desk", SELECT + "deny e\nallow s do sql.drop")
    door = SELECT + "hold h do connect who g0 for 1 of g0 not self within 5m{}\n" \
        "deny d do connect who g1{}\nallow a do connect{}"
    changes(folder, "at the door who is held or denied is told of", ["told otherwise"] * 2,
            door.format(" notify desk", " notify hall", ""), door.format("", "", ""))
    changes(folder, "who comes in is not", [], door.format("", "", " notify desk"), door.format("", "", ""))
    changes(folder, "shadow rules tell nobody", ["no longer shadowed"],
            SELECT + "shadow notify x to desk do sql.select", SELECT)


def views(folder):
    write(folder, "views.sql", "create table orders (id int, pan text);\n"
          "create view shown as select pan as p from orders;\n"
          "create view hidden as select id from orders;\n")
    for table, wanted in (("shown", ["newly unmasked"]), ("hidden", []), ("orders", ["newly unmasked"])):
        head = f'data d = column orders.pan\nallow r do sql.select when table = "public.{table}"\n'
        changes(folder, f"a mask that held for {table}", wanted, head + "mask d with null", head,
                head=HEAD + 'catalog "views.sql"\n')
        changes(folder, f"and where nobody knows what {table} is", ["newly unmasked"],
                head + "mask d with null", head, tested=table == "orders")


TELLING = """catalog "told.sql"
data d = column orders.pan
data e = column other.tenant
data f = column third.tenant
data v = values like card
deny u when sql.uses(d) or sql.uses(e)
"""
READS = 'allow r do sql.select when table = "public.other" or '
# The system's relations show what is in any table, and are refused to whom a mask or drop of columns applies:
# where, what is said of it, the rules before and after.
TOLD = [
    ('table = "pg_catalog.pg_stats"', "pg_stats.most_common_vals", "newly unmasked", "mask m of d with null", ""),
    ('table = "pg_catalog.pg_stats"', "pg_stats.most_common_vals", "newly masked", "", "mask m of d with null"),
    ('table = "pg_catalog.pg_stats"', "pg_stats", "rows newly shown", "drop m of f", ""),
    ('schema = "pg_catalog"', "column  pg_catalog.", "newly unmasked", "mask m of d with null", ""),
    ('table starts with "pg_catalog.pg_stats_"', "pg_stats_ext.most_common_vals", "newly unmasked", "mask m of d with null",
     "mask m of d with null unless who g0"),
    ('table matches "pg_catalog.pg_statis*"', "pg_statistic.stavalues1", "newly unmasked",
     "mask m of d with null", "mask m of d with null unless who g0"),
    ('table = "pg_catalog.pg_stat_activity"', "pg_stat_activity.query", "newly unmasked",
     "mask m of d with null", ""),
    ('table = "pg_catalog.pg_stats"', "pg_stats.most_common_vals", "newly unmasked",
     "mask n of v with null\nmask m of d with null", "mask n of v with null"),
    # Still refused, or of another kind.
    ('table = "pg_catalog.pg_stats"', "alike", None, "mask n of e with null\nmask m of d with null",
     "mask n of e with null"),
    ('table = "pg_catalog.pg_class"', "alike", None, "mask m of d with null", ""),
]


def statistics(folder):
    write(folder, "told.sql", "create table orders (pan text);\ncreate table other (tenant int);\n"
          "create table third (tenant int);\n"
          "create schema pg_catalog;\ncreate table pg_catalog.pg_class (relname text);\n")
    for where, named, wanted, old, new in TOLD:
        name = f"{named} where {where}: {old or '-'} | {new or '-'}".replace("\n", "; ")
        bad = problem_of(folder, READS + where + "\n" + old, READS + where + "\n" + new,
                         [wanted] if wanted else [], tested=False, head=HEAD + TELLING)
        out = weir("diff", os.path.join(folder, "old.weir"), os.path.join(folder, "new.weir"))[1]
        check(name, bad or named not in out and out)


BOTH = "allow r do sql.select, sql.update\n"


def budgets(folder):
    shared = ["limit shared otherwise"]
    one = BOTH + "limit l do sql.select, sql.update rows 10 per {}"
    two = BOTH + "limit l do sql.select rows 10 per {}\nlimit m do sql.update rows 10 per {}"
    for per in ("minute", "session"):
        changes(folder, f"what counts together per {per} counts apart", shared,
                one.format(per), two.format(per, per), tested=False)
        changes(folder, f"and the other way round per {per}", shared * 2,
                two.format(per, per), one.format(per), tested=False)
    changes(folder, "one command counts by itself in any case", [],
            one.format("command"), two.format("command", "command"))
    limit = BOTH + "limit l do sql.select rows 10 per {}"
    groups = BOTH + "limit l who g0 do sql.select rows 10 per {0}\n" \
        "limit m do sql.select rows 10 per {0} unless who g0"
    changes(folder, "nobody is in two of the rules' groups", [],
            limit.format("hour"), groups.format("hour"))
    changes(folder, "a second that never ends anything first", [], limit.format("hour"),
            limit.format("hour") + "\nlimit m do sql.select rows 10 per hour when client.tls")
    tls = groups.replace("who g0 ", "", 1).replace("rows 10 per {0}\n",
                                                   "rows 10 per {0} when client.tls\n", 1) \
        .replace("unless who g0", "unless client.tls")
    changes(folder, "sessions of one principal share an hour", shared, limit.format("hour"),
            tls.format("hour"), tested=False)
    changes(folder, "and no session's own amount", [], limit.format("session"),
            tls.format("session"))


# What a test names is what somebody would: (old, new, what stands in it).
NAMED = [
    ("allow r do sql.update when schema != \"public\"",
     "allow r do sql.select, sql.update when schema != \"public\"", "from app.things"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.drop when not schema in "
     "{\"public\", \"app\"}", "drop table other.things"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.fetch, sql.merge when client.tls",
     "fetch next from one"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.prepare", "deallocate one"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.declare", "close one"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.backend", "pg_cancel_backend(1)"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.replication",
     "create publication one for all tables"),
    ("allow r do sql.update", "allow r do sql.update\nallow q do sql.large-object", "lo_unlink(1)"),
    ("data c = column app.t.c\nallow r do sql.select\nmask m of c with null when sql.parameters = 2",
     "data c = column app.t.c\nallow r do sql.select", "with sql.parameters = 2"),
]


def names(folder):
    for old, new, words in NAMED:
        bad = problem_of(folder, old, new, ["newly unmasked" if "mask" in old else "newly allowed"])
        out = weir("diff", os.path.join(folder, "old.weir"), os.path.join(folder, "new.weir"))[1]
        check(f"a test with {words}", bad or words not in out and out)


def main():
    with tempfile.TemporaryDirectory() as folder:
        values(folder)
        functions(folder)
        told(folder)
        views(folder)
        statistics(folder)
        budgets(folder)
        names(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
