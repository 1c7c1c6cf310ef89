#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir diff of what masks and drops do under other names: through views (over views, over joins), in
tables that inherit, in generated columns, where nobody may read the column itself. Fixed pairs, and
random ones: what the gateway's own gate decides of many statements under both policies (`weir test` with
a catalog) must not differ where diff says that nothing does.

  SEED=N  another sequence; PAIRS=N  how many random pairs
"""
import os, random, re, subprocess, sys, tempfile

from policy_pairs import WEIR, bad_tests, check, found_in, results, weir, write

SQL = """create table orders (id int, pan text, tenant int, amt int, loud text generated always as (upper(pan)) stored);
create table kid (note text) inherits (orders);
create table people (id int, email text);
create view shown as select id, pan as p from orders;
create view further as select p as q from shown;
create view hidden as select id, tenant from orders;
create view loudly as select upper(pan) as u from orders;
create view summed as select sum(amt) as s from orders having count(amt) >= 10;
create view joined as select o.id, e.email from orders o join people e on o.id = e.id;
create view apart as select id, email from people;
create view compared as select id from orders where pan is not null;
"""
HEAD = """policy viewed
group g0 = idp "g0"
catalog "views.sql"
data pan = column orders.pan
data amt = column orders.amt
data tenant = column orders.tenant
data email = column people.email
"""
NAMES = {"orders": ["id", "pan", "tenant", "amt", "loud"], "kid": ["pan", "tenant", "note"],
         "people": ["id", "email"], "shown": ["id", "p"], "further": ["q"],
         "hidden": ["id", "tenant"], "loudly": ["u"], "summed": ["s"], "joined": ["id", "email"],
         "apart": ["id", "email"], "compared": ["id"]}


# ---- Fixed pairs: (what is said, has a test, old, new) ----

READ = 'allow r do sql.select when table = "public.{}"\n'
DROP = "\ndrop x of tenant when row.tenant != 7"
FIXED = [(["rows newly shown"], True, READ.format(t) + DROP, READ.format(t))
         for t in ("orders", "kid", "shown", "further", "hidden", "joined", "compared")] + \
        [(["rows newly dropped"], True, READ.format(t), READ.format(t) + DROP)
         for t in ("shown", "further", "joined")] + \
        [([], True, READ.format("apart") + DROP, READ.format("apart")),
         # A view is refused whatever the row; what inherits is filtered row by row.
         ([], True, READ.format("shown") + DROP, READ.format("shown") + DROP.replace("7", "8")),
         (["rows newly shown", "rows newly dropped"], False, READ.format("kid") + DROP,
          READ.format("kid") + DROP.replace("7", "8"))]
OPENED = ["mask opened otherwise"]
MASK = "mask m of pan with null"
SUM = "mask m of amt with null"
FIXED += [
    (OPENED, True, READ.format("shown") + MASK + " allowing derived", READ.format("shown") + MASK),
    (OPENED, True, READ.format("further") + MASK, READ.format("further") + MASK + " allowing derived"),
    (OPENED, True, READ.format("loudly") + MASK + " allowing derived", READ.format("loudly") + MASK),
    (OPENED, True, READ.format("kid") + MASK + " allowing lookup", READ.format("kid") + MASK),
    (OPENED, True, READ.format("summed") + SUM + " allowing aggregates over 10",
     READ.format("summed") + SUM + " allowing aggregates over 11"),
    ([], True, READ.format("shown") + MASK + " allowing lookup", READ.format("shown") + MASK),
    ([], True, READ.format("shown") + MASK + " allowing aggregates over 10",
     READ.format("shown") + MASK),
    ([], True, READ.format("hidden") + MASK + " allowing derived", READ.format("hidden") + MASK),
    ([], True, READ.format("apart") + MASK, READ.format("apart")),
    (["newly unmasked"], True, READ.format("kid") + MASK, READ.format("kid")),
    (["newly unmasked"], True, READ.format("compared") + MASK, READ.format("compared")),
]
ANY = "allow r do sql.select\n"
FIXED += [
    # Uses are those of the view; and a generated column is not what it is computed from.
    (["newly unmasked"], True, ANY + "deny u when sql.uses(pan)\n" + MASK,
     ANY + "deny u when sql.uses(pan)"),
    (["newly unmasked"], True, READ.format("orders") + "deny u when sql.uses(pan)\n" + MASK,
     READ.format("orders") + "deny u when sql.uses(pan)"),
    # Of many tables of one class, one is a view of it.
    (["newly unmasked"], True,
     'allow r do sql.select when table matches "public.*"\ndeny o when table = "public.orders"\n' + MASK,
     'allow r do sql.select when table matches "public.*"\ndeny o when table = "public.orders"'),
    # Nobody reads it, and still it may not be used.
    (["newly unmasked"], True, "allow r do sql.update\n" + MASK, "allow r do sql.update"),
    (["newly masked"], True, "allow r do sql.explain", "allow r do sql.explain\n" + MASK),
    (["newly masked"], True, "allow r do sql.alter", "allow r do sql.alter\n" + MASK),
    # A mask forbids it whatever the row; which rows it is for matters to who reads them.
    ([], True, "allow r do sql.update\n" + MASK + " when row.tenant = 7",
     "allow r do sql.update\n" + MASK + " when row.tenant = 8"),
    (["newly unmasked"], True, "allow r do sql.update\n" + MASK + " when row.tenant = 7",
     "allow r do sql.update"),
    (["newly unmasked"], True, "allow r do sql.update\n" + MASK + " when row.tenant < 7 and row.tenant > 8",
     "allow r do sql.update"),
    # What a change of another table leaves to run later is code that nobody sees.
    (["newly unmasked"], False, "allow r do sql.alter when table = \"public.people\"\n" + MASK,
     "allow r do sql.alter when table = \"public.people\""),
    (OPENED, True, "allow r do sql.delete\n" + MASK, "allow r do sql.delete\n" + MASK + " allowing lookup"),
    (["newly unmasked"], True, "allow r do sql.opaque-function\n" + MASK, "allow r do sql.opaque-function"),
    (["rows newly shown"], True, "allow r do sql.call\n" + DROP, "allow r do sql.call"),
    ([], True, "allow r do sql.call\nmask e of email with null\n" + MASK,
     "allow r do sql.call\nmask e of email with null"),
    ([], True, "allow r do sql.basics\n" + MASK, "allow r do sql.basics"),
    # What only writes to a table is not filtered; a view is refused.
    ([], True, "allow r do sql.delete when table = \"public.orders\"" + DROP,
     "allow r do sql.delete when table = \"public.orders\""),
    (["rows newly dropped"], True, "allow r do sql.delete when table = \"public.shown\"",
     "allow r do sql.delete when table = \"public.shown\"" + DROP),
    ([], True, "allow r do sql.explain when table = \"public.orders\"" + DROP,
     "allow r do sql.explain when table = \"public.orders\""),
    # Of rows that are dropped anyway a rule wants to see a column.
    (["rows newly dropped"], True, READ.format("orders") + "drop all of amt",
     READ.format("orders") + "drop all of amt" + DROP),
    (OPENED, True, ANY + "deny o when sql.uses(pan, output)\n" + MASK + " allowing lookup",
     ANY + "deny o when sql.uses(pan, output)\n" + MASK),
]


def fixed(folder):
    for wanted, tested, old, new in FIXED:
        found = found_in(HEAD, folder, old, new)
        bad = [d["kind"] for d in found] != wanted and found
        bad = bad or [d for d in found if bool(d["test"]) != tested]
        check(f"{' and '.join(wanted) or 'nothing'}: {' | '.join(old.split(chr(10)))}",
              bad or bad_tests(HEAD, folder, old, new, found))


# Of several tables of one class of data, a rule drops the rows of one: the others are shown.
APART = """policy apart
group g0 = idp "g0"
data e = column a.x, column b.x
data f = column a.y
allow r do sql.select
drop always of f
"""


def apart(folder):
    plain = write(folder, "plain.weir", APART)
    for more, kind in (("drop r1 of e", "rows newly shown"), ("mask r1 of e with null", "newly unmasked")):
        code, out, err = weir("diff", write(folder, "more.weir", APART + more + "\n"), plain)
        check(f"not all tables are dropped: {more}", (kind not in out or "from public.b" not in out) and
              f"{code} {out}{err}")
    code, out, err = weir("prove", write(folder, "p.weir", APART + "prove only g0 see e unmasked\n"))
    check("nor is it proved of the others", (code != 1 or "from public.b" not in out) and out + err)


# ---- Random pairs ----

def random_rule(r, i):
    kind = r.choice(["allow", "allow", "deny", "mask", "mask", "drop"])
    data = r.choice(["pan", "amt", "tenant", "email"])
    out = f"{kind} r{i}"
    if kind in ("mask", "drop"):
        out += f" of {data}"
    if kind == "mask":
        out += " with " + ("null" if data in ("amt", "tenant") else r.choice(["null", "last(2)"]))
        out += r.choice(["", "", " allowing derived", " allowing lookup", " allowing aggregates over 10",
                         " allowing derived, lookup"])
    if r.random() < .3:
        out += " who g0"
    if kind in ("allow", "deny"):
        out += " do " + r.choice(["sql.select", "sql.select", "sql.read", "sql.update", "sql.opaque-function",
                                  "sql.select, sql.delete"])
        if r.random() < .7:
            out += " when " + r.choice(
                ["sql.uses(pan)", "sql.uses(tenant, output)", 'table matches "public.s*"'] +
                ['table in {"public.%s", "public.%s"}' % tuple(r.sample(sorted(NAMES), 2))] * 3)
    elif r.random() < .4:
        out += " when " + r.choice(["user.kind = agent", "row.tenant != 7" if data != "email" else "client.tls"])
    return out


def random_pair(r):
    old = [random_rule(r, i) for i in range(r.randrange(1, 6))]
    if r.random() < .5:
        old.append("allow base do sql.select" + r.choice(
            ["", ' when table = "public.%s"' % r.choice(sorted(NAMES))]))
    new = list(old)
    at = r.randrange(len(new))
    if r.random() < .5 and len(new) > 1:
        del new[at]
    elif " allowing" in new[at] and r.random() < .7:
        new[at] = re.sub(" allowing (derived, lookup|aggregates over 10|derived|lookup)", "", new[at])
    else:
        new.insert(at, random_rule(r, 90))
    return ["\n".join(x) for x in (old, new)]


def statements():
    out = ["select app.f()"]
    for table, columns in NAMES.items():
        out.append(f"select count(*) from {table}")
        for c in columns:
            out += [f"select upper({c}::text) from {table}", f"select 1 from {table} where {c} = '1'",
                    f"delete from {table} where {c} = '1'",
                    f"select {c} from {table} where {c} = '1'", f"explain update {table} set {c} = {c}",
                    f"select sum({c}) from {table} having count({c}) >= 10"]
    return out


def probes():
    out, n = [], 0
    for who in ('human "x"', 'agent "x"', 'human "x" in g0'):
        for sql in statements():
            out.append(f'test "{n}" as {who} on "db" run "{sql}" expect allow')
            n += 1
        for table, columns in NAMES.items():
            cells = {c: '"4111111111111111"' if c in ("pan", "p", "q", "email", "loud", "u") else "3"
                     for c in columns}
            for tenant in ("7", "8") if "tenant" in cells else ("7",):
                if "tenant" in cells:
                    cells["tenant"] = tenant
                row = ", ".join(f'"{c}": {v}' for c, v in cells.items())
                names = ", ".join(columns)
                out.append(f'test "{n}" as {who} on "db" run "select {names} from {table}" '
                           f'row ({row}) expect ({row})')
                n += 1
    return "\n".join(out) + "\n"


def outcomes(folder, text, asked):
    code, out, err = weir("test", write(folder, "asked.weir", HEAD + text + "\n" + asked))
    if err:
        raise AssertionError(err[:3000] + text)
    blocks, shown = re.split(r"^.*asked.weir:\d+: test ", out, flags=re.M)[1:], {}
    for block in blocks:
        name, rest = block.split(" failed\n", 1)
        # Whose doing it is, and why, is another thing.
        shown[name] = "denied" if "got deny" in rest else re.sub(r"(got \S+|is dropped) by .*", r"\1", rest)
    return shown


def randomly(folder):
    seed, n = int(os.environ.get("SEED", "5")), int(os.environ.get("PAIRS", "20"))
    asked, alike, told, tests = probes(), 0, 0, 0
    for i in range(n):
        r = random.Random(seed * 100003 + i)
        old, new = random_pair(r)
        found = found_in(HEAD, folder, old, new)
        one, other = outcomes(folder, old, asked), outcomes(folder, new, asked)
        if one != other and not found:
            lines = [f"{k} {one.get(k)} {other.get(k)} {asked.split(chr(10))[int(k[1:-1])]}"
                     for k in sorted({*one, *other}) if one.get(k) != other.get(k)]
            check("what the gate decides otherwise is said",
                  f"SEED={seed} pair {i}\n{old}\n---\n{new}\n" + "\n".join(lines[:20]))
            return
        bad = bad_tests(HEAD, folder, old, new, found)
        if bad:
            check("tests tell the two apart", f"SEED={seed} pair {i}\n{old}\n---\n{new}\n{bad}")
            return
        alike += one == other
        told += one == other and bool(found)
        tests += sum(bool(d["test"]) for d in found)
    print(f"# {n} pairs, {alike} decided alike, of which {told} have a difference; {tests} tests")
    check("what the gate decides otherwise is said", alike == n and "all alike")


# Of a partition what is above it matters, and of that what is below: not all that there are.
def many(folder):
    columns = "".join(f", c{i} int" for i in range(9))
    write(folder, "many.sql", f"create table m (id int, pan text, tenant int{columns}) "
          "partition by list (tenant);\n" + "".join(
              f"create table m{i} partition of m for values in ({i});\n" for i in range(19900)) +
          "create view v as select pan as p from m;\n")
    text = HEAD.replace("orders.", "m.").replace("views.sql", "many.sql") + \
        "allow r do sql.select\ndeny u when sql.uses(pan)\ndrop h of tenant unless who g0\n"
    old = write(folder, "many.weir", text)
    new = write(folder, "less.weir", text + "mask m of pan with null unless who g0\n")
    try:
        done = subprocess.run([WEIR, "diff", new, old], stdout=subprocess.PIPE, encoding="utf-8",
                              timeout=60)
        bad = "newly" not in done.stdout and done.stdout
    except subprocess.TimeoutExpired:
        bad = "it takes more than a minute"
    check("twenty thousand partitions are no trouble", bad)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write(folder, "views.sql", SQL)
        fixed(folder)
        apart(folder)
        many(folder)
        randomly(folder)
    print(f"1..{len(results)}")
    return 0 if all(results) else 1


sys.exit(main())
