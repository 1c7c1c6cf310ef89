#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which function or operator a call means, against real servers: what the server has put into the tree of a
view is always among what the gateway says a call can be, and mostly that is one thing."""
import os, random, re, subprocess, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create extension citext; create extension hstore; create extension ltree; create extension intarray;
create extension cube; create extension seg; create extension isn; create extension pg_trgm;
create type mood as enum ('sad', 'happy');
create domain positive as int check (value > 0);
create domain word as text;
create domain moods as mood;
create domain some_ints as int[];
create type span as range (subtype = int8);
create table zoo (i2 int2, i4 int4, i8 int8, n numeric, f8 float8, t text, v varchar(9), c char(3), nm name, b bool,
  d date, tm time, ts timestamp, tz timestamptz, iv interval, u uuid, j json, jb jsonb, by bytea, ip inet, o oid,
  ai int[], at text[], r4 int4range, m mood, p positive, w word, ms moods, si some_ints, sp span, ct citext, hs hstore,
  lt ltree, cu cube, se seg, qi query_int, a_mood mood[], bits bit(3), pt point, cash money, tsv tsvector);
create table pair (i4 bigint, t citext, z int);
-- Overloads of built-ins of every sort.
create function length(positive) returns text language sql as 'select null::text';
create function length(mood, int default 1) returns text language sql as 'select null::text';
create function lower(variadic word[]) returns int language sql as 'select 1';
create function abs(variadic int[]) returns int language sql as 'select 1';
create function upper(anyelement) returns int language sql as 'select 1';
create function left(text, int8) returns int language sql as 'select 1';
create function right(varchar, int2, text default 'x') returns int language sql as 'select 1';
create function repeat(text, int) returns int language sql as 'select 1';
create function md5(anyarray) returns int language sql as 'select 1';
create function round(float8, int) returns float8 language sql as 'select 1.0::float8';
create function trim_array(int[], int, int) returns int language sql as 'select 1';
create function sign(citext) returns int language sql as 'select 1';
create function date_part(text, positive) returns int language sql as 'select 1';
create function concat(mood) returns int language sql as 'select 1';
create function jsonb_set(jsonb, text) returns jsonb language sql as 'select null::jsonb';
create aggregate max(mood) (sfunc = enum_larger, stype = mood);
create aggregate sum(positive) (sfunc = int4larger, stype = int4);
create operator - (leftarg = jsonb, rightarg = jsonb, procedure = jsonb_concat);
create operator + (leftarg = text, rightarg = int4, procedure = pg_catalog.repeat);
create operator + (leftarg = int4, rightarg = int4, procedure = int4mul);
create operator ~ (rightarg = text, procedure = pg_catalog.lower);
-- One for each type: which is called says of what type the server takes something to be.
do $$ declare t regtype; begin
  for t in select distinct unnest(array[a.atttypid, y.typarray]) from pg_attribute a join pg_type y on y.oid = a.atttypid
           where attrelid = 'zoo'::regclass and attnum > 0 loop
    if t <> 0 then execute format('create function what(%s) returns int language sql as ''select 1''', t); end if;
  end loop; end $$;
create schema other;
create function other.lower(int) returns int language sql as 'select 1';
"""
LITERALS = ["'x'", "'1'", "null", "1", "-1", "1.5", "5000000000", "true", "current_date", "now()", "array[1]", "array['x']",
            "(select 1)", "'{1}'", "interval '1 day'", "date '2020-01-01'", "'sad'::mood", "'a'::citext", "'{1}'::int[]",
            "'x'::text", "'x'::varchar", "'1'::int8", "1::int2", "'x'::word", "1::positive", "coalesce(t, 'x')", "z.t", "s.e",
            "row(1)", "zoo", "'x'::name", "'a.b'::ltree", "b is null"]
FUNCTIONS = ["length", "lower", "abs", "upper", "left", "right", "repeat", "md5", "round", "sign", "replace", "translate",
             "split_part", "strpos", "max", "min", "sum", "concat", "jsonb_set", "coalesce", "substr", "date_part", "sort", "area",
             "regexp_replace", "regexp_match", "subpath", "exist", "date_trunc", "to_char", "count", "array_agg", "avg"]
# Of types that go together, so that enough of what is made is valid.
GROUPS = [["t", "v", "c", "nm", "w", "ct", "'x'", "null", "'x'::text", "'x'::varchar", "'x'::word", "'a'::citext", "lt", "z.t", "s.e"],
          ["i2", "i4", "i8", "n", "f8", "p", "o", "1", "-1", "1.5", "5000000000", "'1'", "1::positive", "1::int2", "null"],
          ["ai", "si", "i4", "1", "array[1]", "'{1}'::int[]", "'{1}'", "p", "qi", "at", "array['x']"],
          ["m", "ms", "'sad'", "'sad'::mood", "a_mood", "null", "t"], ["j", "jb", "hs", "'x'", "t", "1", "at", "w"],
          ["d", "ts", "tz", "iv", "tm", "now()", "current_date", "interval '1 day'", "'x'", "1"],
          ["r4", "sp", "cu", "se", "pt", "i4", "i8", "'1'", "b", "true"]]
# Values of others, which the server makes of one type.
COMPOSED = ["coalesce({}, {})", "coalesce({}, {}, {})", "greatest({}, {})", "least({}, {}, {})", "nullif({}, {})",
            "case when b then {} end", "case when b then {} else {} end", "case {} when {} then {} else {} end",
            "case when b then {} when not b then {} else {} end", "array[{}, {}]", "array[{}]", "(select {})",
            "(select {} from pair limit 1)", "(select {} union select {})", "(select {} union all select {} union select {})",
            "array(select {})", "array[array[{}], array[{}]]", "(select (select {}))", "array[{}, {}]::text[]"]
pg = new = None


def setup():
    global pg, new
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg, new = h.Postgres(sql=SQL), h.Postgres(folder=h.pg18(), sql=SQL)


def conninfo(server, path):
    return (f"host=127.0.0.1 port={server.port} user={server.login} password={server.password} "
            f"dbname={server.database} options='-c search_path={path}'")


def expression(r, columns, operators, depth=2):
    group = r.choice(GROUPS) if r.random() < 0.8 else columns + LITERALS

    def value():
        k = r.random() if depth else 1
        if k < 0.2:
            return "(" + expression(r, columns, operators, depth - 1) + ")"
        if k < 0.4:
            composed = r.choice(COMPOSED)
            return composed.format(*(r.choice(group) for _ in range(composed.count("{}"))))
        return r.choice(group)
    k = r.random()
    if k < 0.45:
        return f"{value()} {r.choice(operators)} {value()}"
    if k < 0.48:
        return f"{r.choice(operators)} {value()}"
    if k < 0.56:
        return r.choice(["{} in ({}, {})", "{} between {} and {}", "{} = any ({})", "nullif({}, {})", "{} is distinct from {}",
                         "{} like {}", "{} in (select t from pair)", "case {} when {} then 1 end"]).format(
            *(value() for _ in range(3)))
    return f"{r.choice(FUNCTIONS)}({', '.join(value() for _ in range(r.choice((1, 1, 1, 2, 2, 3))))})"


def composed(r, columns, depth=2):
    """what() of values that become one."""
    group = r.choice(GROUPS) if r.random() < 0.95 else columns + LITERALS

    def value(depth):
        if not depth or r.random() < 0.6:
            return r.choice(group)
        form = r.choice(COMPOSED)
        return form.format(*(value(depth - 1) for _ in range(form.count("{}"))))
    form = r.choice(COMPOSED)
    return f"what({form.format(*(value(depth - 1) for _ in range(form.count('{}'))))})"


def chosen(tree):
    """What the server has put there for calls that were written: casts are functions too, of another format."""
    found = set()
    for m in re.finditer(r"\{(\w+) :(funcid|aggfnoid|winfnoid|opno) (\d+)([^{}]*)", tree):
        form = re.search(r":funcformat (\d)", m[4])
        if m[1] == "FUNCEXPR" and form[1] not in "0":
            continue
        found.add(("o" if m[2] == "opno" else "f", int(m[3])))
    return found


def compare(server, path, seed, n, make, kinds="fo"):
    r = random.Random(seed)
    c = psycopg.connect(conninfo(server, path), autocommit=True)
    columns = [row[0] for row in c.execute("select attname from pg_attribute where attrelid = 'zoo'::regclass "
                                           "and attnum > 0 order by attnum").fetchall()]
    operators = [row[0] for row in c.execute("select distinct oprname from pg_operator where oprname ~ '^[-+*/<>=~!@#%^&|?]+$'"
                                             " order by 1").fetchall()] + ["+", "=", "-", "||", "~", "<", "&", "|", ">"] * 25
    made = []
    for _ in range(n):
        e = make(r, columns, operators)
        sql = f"select {e} as x from zoo, lateral (select i8 as t) z, lateral (select ct as e from pair) s"
        if r.random() < 0.3:
            sql = f"select {e} as x from zoo join pair z using (t), lateral (select ct as e) s"
        try:
            c.execute("begin")
            c.execute(f"create view tried as {sql}")
            tree = c.execute("select ev_action::text from pg_rewrite where ev_class = 'tried'::regclass").fetchone()[0]
            made.append((sql, chosen(tree)))
        except psycopg.Error:
            pass
        c.execute("rollback")
    own = {("f", row[0]) for row in c.execute("select oid::int from pg_proc where oid >= 16384").fetchall()}
    own |= {("o", row[0]) for row in c.execute("select oid::int from pg_operator where oid >= 16384").fetchall()}
    out = subprocess.run([f"{h.ROOT}/build/opt/tests/catalog_probe", conninfo(server, path), "calls"], check=True,
                         input="".join(sql + "\n" for sql, _ in made).encode(), stdout=subprocess.PIPE).stdout.decode()
    answers = out.split(".\n")[:-1]
    h.eq(len(answers), len(made))
    single = calls = ours = missed = 0
    for (sql, server_has), answer in zip(made, answers):
        said, may_own = set(), False
        for line in answer.splitlines():
            kind, is_own, *oids = line.split()
            said |= {(kind, int(o)) for o in oids}
            may_own = may_own or is_own == "own"
            calls += kind in kinds
            single += kind in kinds and len(oids) == 1
        h.check(server_has <= said, f"{path}: {sql}: the server has {server_has - said}, of {answer}")
        h.check(may_own or not server_has & own, f"{path}: {sql}: {server_has & own} is not PostgreSQL's: {answer}")
        ours += bool(server_has & own)
        missed += may_own and not server_has & own
    c.close()
    print(f"# {path}: {len(made)} views, {ours} with what is not PostgreSQL's; {single} of {calls} calls are one thing; "
          f"{missed} views are in doubt without need")
    return len(made), ours, single / calls, missed / len(made)


def test_what_the_server_chooses_is_among_what_it_can_be():
    seed, n = int(os.environ.get("SEED", "5")), int(os.environ.get("STATEMENTS", "1000"))
    for server, path in ((pg, "public"), (new, "other,public,pg_catalog")):
        valid, own, single, missed = compare(server, path, seed, n, expression)
        h.check(valid > n / 12 and own > 5 and single > 0.5 and missed < 0.45, f"{valid} {own} {single} {missed}")


def test_what_values_become():
    """CASE, coalesce(), arrays, sub-selects and the like: nearly always the type is known."""
    seed, n = int(os.environ.get("SEED", "6")), int(os.environ.get("STATEMENTS", "1000")) // 2
    for server, path in ((pg, "public"), (new, "other,public,pg_catalog")):
        valid, _, single, _ = compare(server, path, seed, n, lambda r, columns, _: composed(r, columns), "f")
        h.check(valid > n / 6 and single > 0.85, f"{valid} {single}")


h.main(test_what_the_server_chooses_is_among_what_it_can_be, test_what_values_become, setup=setup)
