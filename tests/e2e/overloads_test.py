#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Overloads of built-ins: an extension that brings `=` or replace() for its own types closes nothing that does
not touch these types; and nothing is open that the server could resolve to what somebody defined."""
import os, random, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

try:
    import psycopg
except ImportError:
    psycopg = None

# What the gateway must never let the server choose says so.
SQL = """
create extension citext; create extension hstore; create extension pgcrypto; create extension intarray;
create extension ltree;
create type mood as enum ('sad', 'happy');
create table users (id int primary key, email citext, note text, feeling mood, attrs hstore, tags text[], at date);
insert into users values (1, 'A@x', 'one', 'sad', 'a=>1', '{a}', '2020-01-01');
create domain word as text;
create table plain (id int, note text, n bigint, at timestamp, ids int[], said word);
insert into plain values (1, 'one', 10, '2020-01-01 10:00', '{1,2}', 'hm'),
  (2, 'two', 20, '2021-01-01 10:00', '{3}', null);
create view seen as select id, email, feeling from users;
create view labelled as select id, 'x'::text as label, id::bigint as big, feeling::text as f from users;
create function chosen() returns text language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create function is_mood(mood, mood) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator = (leftarg = mood, rightarg = mood, procedure = is_mood);
create operator <> (leftarg = mood, rightarg = mood, procedure = is_mood);
create operator || (leftarg = mood, rightarg = mood, procedure = is_mood);
create operator < (leftarg = mood, rightarg = mood, procedure = is_mood);
create function lower(mood) returns text language sql as 'select chosen()';
create function replace(mood, mood, mood) returns text language sql as 'select chosen()';
create function left(mood, int) returns text language sql as 'select chosen()';
create function strpos(mood, text) returns int language sql as 'select length(chosen())';
-- Not beside a built-in: another number of arguments, names, defaults, other types.
create function upper(mood, mood) returns text language sql as 'select chosen()';
create function reverse(word mood) returns text language sql as 'select chosen()';
create function initcap(mood, int default 1) returns text language sql as 'select chosen()';
create function length(variadic mood[]) returns int language sql as 'select length(chosen())';
create function right(text, bigint) returns text language sql as 'select chosen()';
create function ascii(varchar) returns int language sql as 'select length(chosen())';
create function abs(mood) returns int language sql as 'select length(chosen())';
create function btrim(plain) returns text language sql as 'select chosen()';
create function sign(text) returns int language sql as 'select length(chosen())';
-- A type that literals and texts turn into by themselves.
create type soft as enum ('x', 'y');
create function to_soft(text) returns soft language sql as 'select ''x''::soft';
create cast (text as soft) with function to_soft(text) as implicit;
create function md5(soft) returns text language sql as 'select chosen()';
create function btrim(variadic word[]) returns text language sql as 'select chosen()';
create function ltrim(soft, text) returns text language sql as 'select chosen()';
-- Casts call functions.
create function to_int(mood) returns int language sql as 'select length(chosen())';
create cast (mood as int) with function to_int(mood);
create view numbered as select id, feeling::int as n from users;
-- The same types: the search path decides.
create function repeat(text, int) returns text language sql as 'select chosen()';
create function is_less(int, int) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator >= (leftarg = int, rightarg = int, procedure = is_less);
create operator + (leftarg = text, rightarg = int, procedure = pg_catalog.repeat);
"""
pg = weir = None


def setup():
    global pg, weir
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=g.SQL + SQL)
    weir = h.Weir(pg, policy=g.POLICY)


def test_extensions_close_nothing_of_others():
    """citext, hstore and pgcrypto are there: what does not touch their types is as it was."""
    c = g.Client(weir.conninfo())
    for sql, want in (("select id from plain where id = 1", [("1",)]), ("select max(note) from plain", [("two",)]),
                      ("select replace(note, 'o', 'x') from plain where id = 1", [("xne",)]),
                      ("select note || '!' from plain where note <> 'one'", [("two!",)]),
                      ("select id from plain where note like 't%' and note ~ 'w'", [("2",)]),
                      ("select length(gen_random_uuid()::pg_catalog.text) is null", None),
                      ("select id from users where id = 1 and note = 'one'", [("1",)]),
                      ("select * from users where id = 1", None), ("select lower(note) from users", [("one",)]),
                      ("select pan from cards where id = 1 and holder = 'Ada'", [(g.mask(g.PANS[0], 25),)]),
                      ("select u.id from users u join plain p on p.id = u.id where p.note = 'one'", [("1",)]),
                      ("select left(note, 2), strpos(note, 'n') from plain where id = 1", [("on", "2")]),
                      ("select id from plain where id in (select id from users) order by 1", [("1",)]),
                      ("with x as (select note as w from plain) select lower(w) from x where w = 'one'", [("one",)]),
                      ("select 'a' = 'b'", [("f",)]), ("select lower('A')", [("a",)])):
        for ext in (False, True):
            a = c.run(sql, extended=ext)
            if "length(" not in sql:
                h.eq(a.error, None, sql)
                h.check(want is None or a.rows == want, f"{sql}: {a.rows}")
    with psycopg.connect(weir.conninfo(), autocommit=True) as p:
        h.eq(p.execute("select note from plain where note = %s and id = %s", ("one", 1)).fetchall(), [("one",)])


# Each would, or may, be what somebody defined.
REFUSED = """
select id from users where email = 'a@X'
select id from users where feeling = 'sad'
select id from users where 'sad' = feeling
select feeling || feeling from users
select lower(feeling) from users
select lower(f) from (select feeling as f from users) s
select lower(f) from (select * from users) s(a, b, c, f)
select lower(s.feeling) from (select * from users) s
select lower(feeling) from seen
select 1 where 'sad' in (select feeling from users)
select 1 where ('sad', 1) in (select feeling, id from users)
select (u).feeling = 'sad' from users u
select lower('sad'::mood)
select lower(mood 'sad')
select lower(cast('sad' as mood))
select lower(mood('sad'))
select replace('sad'::mood, 'sad', 'sad')
select id from users u1 join users u2 using (feeling, id)
select * from users natural join seen
select id from users order by feeling using <
select * from users order by 4 using <
select * from plain where 'sad' in (select feeling from seen)
select case feeling when 'sad' then 1 end from users
select array_agg(id order by feeling using <) from users
select 'sad' in (select f from (select feeling from users) s(f))
select 'sad' = any (select feeling from users)
select lower(x) from unnest(array['sad']::mood[]) x
select lower(x.a) from json_to_record('{"a": "sad"}') as x(a mood)
select upper('sad', 'sad')
select reverse(word => 'sad')
select initcap('sad'::mood)
select right(note, n) from plain
select length(variadic array['sad']::mood[])
select btrim(said) from plain
select ids @> array[1] from plain
select ids && '{1}' from plain
select ids + 1 from plain
select ids & ids from plain
select sort(ids) from plain
select id from plain where ids @@ '1'
select note ~ (select attrs::text from users) from plain where attrs -> 'a' = 'x'
select note ~ 'a'::lquery from plain
select btrim(p) from plain p
select sign(note) from plain
select md5('x'::soft)
select feeling::int from users
select id from numbered
select cast(feeling as int) from users
select lower((feeling::int)::text) from users
select f::int from (select feeling as f from users) s
select array[feeling]::int[] from users
select (case when true then feeling end)::int from users
select id from plain where note + 1 = 'x'
"""

# So would these be, were it not for the types of what stands there: what the server chooses is its own.
OPEN = """
select feeling between 'sad' and 'happy' from users
select reverse('sad')
select initcap('sad')
select length('sad')
select right(note, 2) from plain
select ascii(note) from plain
select abs(id) from plain
select btrim(note) from plain
select md5(note) from plain
select md5('x')
select ltrim('x', 'x')
select id + 1 from plain
select id + n, - n, n - 1 from plain
select at - interval '1 day', now() - at > interval '1 hour', current_date - 1 > '2020-01-01' from plain
select id | 1, id & 1, id # 1 from plain
select note ~ 'o', note ~ said from plain
select ids = array[1], ids || 3, ids < '{1}' from plain
select id from users where id = 1 and email is not null
select email from users where note = 'one'
select email || 'x' from users
select lower(note), replace(note, 'o', 'x') from users where feeling is not null
select u.email from users u join plain p using (id) where p.n + 1 = 11
select case id when 1 then email end from users
select id from users where id in (1, 2) and feeling is not null
select id + 1 from (select id, email from users) s
select label, big, f from labelled
select feeling::text, id::bigint, '3'::int, note::varchar(2), attrs::text from users
select id::boolean, now()::date::text is null, (id + 1)::int from plain
with x as (select id, feeling from users) select id + 1, feeling from x
"""


def test_refused():
    c = g.Client(weir.conninfo())
    for sql in REFUSED.strip().splitlines():
        for ext in (False, True):
            a = c.run(sql, extended=ext)
            h.check(a.error and a.state == "42501", f"{sql}: {a.state} {a.error} {a.rows}")


def test_open():
    """By the types of what they are given: as the server does it itself."""
    c = g.Client(weir.conninfo())
    direct = g.Client(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}")
    for sql in OPEN.strip().splitlines():
        for ext in (False, True):
            a, b = direct.run(sql, extended=ext), c.run(sql, extended=ext)
            h.eq((a.error, b.error), (None, None), sql)
            h.check("now()" in sql or a.rows == b.rows, sql)


def test_a_type_that_is_called():
    """count(pan) casts to a type of that name, which says what no count may."""
    name = "count"
    pg.super(f"create schema evil; create domain evil.{name} as text; create domain evil.upper as text",
             db=pg.database)
    weir.stop()
    weir.start()
    c = g.Client(weir.conninfo())
    c.run("set search_path = public, evil")
    for sql in ("select count(pan) from cards", "select upper('x')"):
        a = c.run(sql)
        h.check(a.state == "42501" and "user-defined" in a.error, f"{sql}: {a.error} {a.rows}")
    h.eq(c.run("select pg_catalog.count(pan) from cards").rows, [("3",)])
    h.eq(c.run("select lower('X')").rows, [("x",)])


def test_the_search_path_decides_between_equals():
    c = g.Client(weir.conninfo())
    for sql in ("select repeat('x', 2)", "select id from plain where id >= 2"):
        h.eq(c.run(sql).error, None, sql)
        c.run("set search_path = public, pg_catalog")
        h.eq(c.run(sql).state, "42501", sql)
        c.run("set search_path = pg_catalog, public")
        h.eq(c.run(sql).error, None, sql)
        c.run("reset search_path")


def test_parameters_of_a_type():
    c = psycopg.connect(weir.conninfo(), autocommit=True)
    mood = int(pg.super("select 'mood'::regtype::oid::int", db=pg.database))
    for oids, error in (((0,), None), ((25,), None), ((mood,), "user-defined")):
        r = c.pgconn.exec_params(b"select lower($1)", [b"sad"], param_types=oids)
        message = r.error_message.decode()
        h.check((error in message) if error else not message, f"{oids}: {message}")
        c.pgconn.prepare(b"p%d" % oids[0], b"select lower($1) = 'sad'", param_types=oids)
        message = c.pgconn.exec_prepared(b"p%d" % oids[0], [b"sad"]).error_message.decode()
        h.check(("does not exist" in message) if error else not message, f"{oids}: {message}")
    for sql in ("prepare q(mood) as select lower($1)", "prepare q(mood) as select $1 = $1"):
        try:
            c.execute(sql)
            raise h.Failure(f"{sql} runs")
        except psycopg.Error as e:
            h.has(str(e), "user-defined")
    c.close()


VALUES = ["ids", "said", "-1", "p.id + 1", "id - 1", "'sad'::word", "array[1]", "'sad'", "'happy'", "null", "1", "note", "p.note", "u.note", "id", "p.id", "feeling", "u.feeling", "email", "u",
          "p", "'x'::text", "'sad'::mood", "f", "s.f", "s.note", "n", "(select feeling from users limit 1)",
          "(select note from plain limit 1)", "array['sad']", "case when id > 0 then 'sad' end", "coalesce(null, 'sad')",
          "max(note)", "min(feeling)", "v", "w"]
SOURCES = ["", "plain p", "users u", "users u, plain p", "(select feeling as f, note from users) s",
           "(select * from users) s", "(select * from users) s(id, b, c, f)", "plain p(id, f)", "seen u",
           "(values ('sad', 1)) s(f, id)", "users u join plain p using (id)", "plain p, lateral (select p.note as f) s",
           "(select note as f, id from plain union all select 'sad', 1) s", "unnest(array['sad', 'x']) f",
           "(select coalesce(feeling, 'sad') as v from users) s", "(select w.* from users w) s"]
CALLS = ["{}::int", "({})::text", "{}::boolean", "{} + {}", "{} - {}", "{} & {}", "{} | {}", "- {}", "{} ~ {}", "{} && {}", "{} = {}", "{} <> {}", "{} || {}", "{} < {}", "lower({})", "replace({}, {}, {})", "left({}, 1)", "strpos({}, {})",
         "upper({}, {})", "reverse({})", "initcap({})", "length({})", "right({}, 2)", "ascii({})", "abs({})", "btrim({})",
         "sign({})", "md5({})", "ltrim({}, {})", "repeat({}, 2)", "{} in ({}, {})", "{} between {} and {}",
         "nullif({}, {})", "{} >= {}", "{} is distinct from {}", "{} = any (array[{}, {}])", "{} in (select {} from users)", "{} in (select * from (select feeling from users) q)",
         "array_agg({} order by {} using <)",
         "lower(lower({}))", "case {} when {} then 1 end"]


def test_generated():
    """Nothing that is let through runs what somebody defined, and much is let through."""
    r = random.Random(int(os.environ.get("SEED", "3")))
    direct = g.Client(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}")
    c = g.Client(weir.conninfo())
    valid = own = passed = 0
    for _ in range(int(os.environ.get("STATEMENTS", "2500"))):
        call = r.choice(CALLS)
        sql = "select " + call.format(*(r.choice(VALUES) for _ in range(call.count("{}"))))
        source = r.choice(SOURCES)
        sql += f" from {source}" if source else ""
        ext = r.random() < 0.5
        a = direct.run(sql, extended=ext)
        if a.error and "CHOSEN" not in a.error:
            continue
        valid += 1
        own += a.error is not None
        b = c.run(sql, extended=ext)
        h.check(b.state != "P0001", f"it was chosen: {sql}")
        passed += b.error is None
        h.check(b.error or b.rows == a.rows, sql)
    print(f"# {valid} valid statements, of which {own} run what somebody defined; {passed} of the others were let through")
    h.check(own > 30 and passed > 100, f"{valid} {own} {passed}")


SHADOWS = """
create schema mine;
create function mine.lower(text) returns text language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create function mine.cat(text, text) returns text language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator mine.|| (leftarg = text, rightarg = text, procedure = mine.cat);
"""
RULES = """
policy p
group agents = idp "ai-agents"
allow work who agents do sql.basics, sql.select, sql.set, sql.configure
"""


def told(c, sql):
    try:
        r = c.execute(sql)
        return r.fetchone()[0] if r.description else ""
    except psycopg.Error as e:
        return str(e)


def test_a_search_path_that_no_rule_on_tables_asks_for():
    """No rule is about tables, and still which function is called hangs on the path."""
    shadowed = h.Postgres(sql=SHADOWS)
    for pool in (None, "transaction size 2"):
        w = h.Weir(shadowed, policy=RULES, pool=pool)
        for by in ("set search_path = mine, pg_catalog", "",
                   "select set_config('search_path', 'mine, pg_catalog', false)"):
            c = psycopg.connect(w.conninfo() + ("" if by else " options='-c search_path=mine,pg_catalog'"),
                                autocommit=True)
            if by:
                h.eq(told(c, "select lower('X')"), "x")
                c.execute(by)
            for sql in ("select lower('X'::text)", "select 'a'::text || 'b'::text"):
                h.has(told(c, sql), "code WEIR-NO-RULE")
            c.execute("set search_path = public")
            h.eq(told(c, "select lower('X'::text) || 'b'"), "xb")
            c.close()


def test_a_function_that_comes_to_a_built_in_is_seen():
    """Long before the catalog is read by its age."""
    w = h.Weir(h.Postgres(), policy=RULES + 'group dba = idp "dba-oncall"\nallow all who dba do sql\n')
    h.wait_for(lambda: "info catalog" in w.log(), what="the catalog was read")
    h.eq(w.psql("select lower('X')").out, "x")
    h.eq(w.psql(SHADOWS, user="ana").code, 0)
    c = psycopg.connect(w.conninfo(), autocommit=True)
    c.execute("set search_path = mine, pg_catalog")
    h.wait_for(lambda: "WEIR-NO-RULE" in told(c, "select lower('X'::text)"), 20, "the function is known")
    c.close()


def test_a_portal_keeps_the_path_it_was_bound_under():
    import raw
    w = h.Weir(h.Postgres(sql=SHADOWS), policy=RULES)
    c = raw.Raw(w.conninfo())
    c.send(raw.parse("s", "select lower('X'::text)") + raw.parse("t", "select abs(-7)") + raw.SYNC).ready()
    c.send(raw.query("begin")).ready()
    c.send(raw.query("set search_path = mine, pg_catalog")).ready()
    got = c.send(raw.bind("p", "s") + raw.bind("q", "t") + raw.SYNC).ready()
    h.eq("".join(t for t, _ in got), "22Z")
    c.send(raw.query("set search_path = pg_catalog, mine")).ready()
    got = c.send(raw.execute("q") + raw.SYNC).ready()
    h.eq([raw.row(b) for t, b in got if t == "D"], [("7",)])
    got = c.send(raw.execute("p") + raw.SYNC).ready()
    h.has(" ".join(raw.code(got[0][1])), "34000", "WEIR-SEARCH-PATH")
    c.close()


def with_parameters(c, sql, oids, prepared):
    """What the server says about a statement with parameters, all of them NULL."""
    if not prepared:
        r = c.pgconn.exec_params(sql.encode(), [None] * len(oids), param_types=oids)
        return r.error_message.decode(), r.ntuples
    names = ", ".join("unknown" if o == 0 else f"{c.names[o]}" for o in oids)
    declared = f"({names})" if oids and any(oids) else ""
    r = c.pgconn.exec_(f"prepare generated{declared} as {sql}".encode())
    if not r.error_message:
        r = c.pgconn.exec_(f"execute generated({', '.join(['null'] * len(oids))})".encode())
        c.pgconn.exec_(b"deallocate generated")
    return r.error_message.decode(), r.ntuples


def test_generated_parameters():
    """Of declared types, of none, used once and again: nothing that is let through runs what somebody defined."""
    r = random.Random(int(os.environ.get("SEED", "4")))
    direct = psycopg.connect(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}",
                             autocommit=True)
    c = psycopg.connect(weir.conninfo(), autocommit=True)
    names = {int(row[0]): row[1] for row in direct.execute(
        "select oid, oid::regtype::text from pg_type where typname in ('text', 'int4', 'int8', 'varchar', '_int4', 'mood', 'word',"
        " 'citext', 'numeric', 'soft', '_text')")}
    direct.names = c.names = names
    valid = own = passed = 0
    for _ in range(int(os.environ.get("STATEMENTS", "2500")) // 2):
        call = r.choice(CALLS)
        n = r.randint(1, 2)
        oids = [0 if r.random() < 0.5 else r.choice(list(names)) for _ in range(n)]
        slots = [f"${r.randint(1, n)}" if r.random() < 0.6 else r.choice(VALUES[:22]) for _ in range(call.count("{}"))]
        source = r.choice(["", "plain p", "users u"])
        extra = "".join(f", ${k + 1}::int" if r.random() < 0.1 else "" for k in range(n))
        sql = f"select {call.format(*slots)}{extra}" + (f" from {source}" if source else "")
        used = max([int(m) for m in re.findall(r"\$(\d)", sql)] or [0])
        prepared = r.random() < 0.3
        a = with_parameters(direct, sql, oids[:used], prepared)
        if a[0] and "CHOSEN" not in a[0]:
            continue
        valid += 1
        own += a[0] != ""
        b = with_parameters(c, sql, oids[:used], prepared)
        h.check("CHOSEN" not in b[0], f"it was chosen: {sql} {oids} {prepared}")
        passed += not b[0]
        h.check(b[0] or b == a, f"{sql} {oids}")
    print(f"# {valid} valid statements, of which {own} run what somebody defined; {passed} of the others were let through")
    h.check(own > 10 and passed > 150, f"{valid} {own} {passed}")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
