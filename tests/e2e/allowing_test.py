#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a mask opens on purpose: computed outputs that are hidden whole, look-ups that are counted, and
aggregates over large groups; and everything next to them that stays refused."""
import json, os, struct, sys, urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

pg = weir = None
SQL = g.SQL + """
create table pay (id int primary key, dept text, salary int, bonus numeric, rate float8);
insert into pay select i, case when i % 4 = 0 then 'few' else 'many' end, 1000 + i, i, i
  from generate_series(1, 40) i;
insert into pay values (100, 'nulls', 4711, null, null);
insert into pay select i, 'nulls', null, null, null from generate_series(101, 130) i;
create table words (id int primary key, pan text collate "C", b text collate "POSIX");
insert into words select id, pan, 'b' from cards;
create view v_fails as select id, (1 / (id - id))::text as x from cards;
create table pay_old (like pay) ;
create table box (id int primary key, pan text, at date, raw bytea, doc jsonb, tags text[]);
insert into box values (1, 'Zq7KxW4mPb9TdR2v', '2020-01-01', 'Zq7KxW4mPb9TdR2v', '{"a": "Zq7KxW4mPb9TdR2v"}', '{Zq7KxW4mPb9TdR2v}');
create table strict (id int primary key, pan text);
insert into strict select id, pan from cards where pan is not null;
create table strict_kid () inherits (strict);
insert into strict_kid values (9, 'Yh3NcL8sGf5JwB6t');
create view v_derived as select id, upper(pan) as u, pan from cards;
create view v_over as select dept, avg(salary) as a from pay group by dept having count(salary) >= 12;
create view v_looked as select id from cards where pan = 'x';
create view v_twice as select id, u || 'x' as y from v_derived;
create view v_pay as select pay.* from pay, generate_series(1, 20);
"""
POLICY = """
policy p "allowing"
default allow
group agents = idp "ai-agents"
group dba = idp "dba-oncall"
data card = column *.{pan, n}, column box.{at, raw, doc, tags}
data wage = column pay.{salary, bonus, rate}
data secret = column strict.pan, column part.pan
mask card with last(4) allowing derived, lookup unless who dba
mask wage with null allowing aggregates over 12 unless who dba
mask secret with first(2) unless who dba
limit guesses lookups 3 per command lookups 200 per hour who agents
"""


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL)
    weir = h.Weir(pg, policy=POLICY)


def pg_conn():
    return (f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} "
            f"dbname={pg.database} connect_timeout=10")


def client(user="planner-7"):
    return g.Client(weir.conninfo(user=user))


# -- derived ---------------------------------------------------------------------------------------

# A statement, and which of its columns are hidden.
DERIVED = """
select upper(pan) from cards order by id :: 0
select id, lower(pan), holder from cards order by 1 :: 1
select pan || '' from cards order by id :: 0
select 'x' || pan || holder as t, id from cards order by id :: 0
select holder || '/' || coalesce(pan, 'none') as t from cards order by id :: 0
select coalesce(pan, note) from cards order by id :: 0
select coalesce(p.pan, '-') from v_pass p order by id :: 0
select coalesce(c.pan, s.note) from cards c, (select id, note from orders) s where s.id = c.id order by c.id :: 0
select coalesce(n, id) from cards order by id :: 0
select pan || b, lower(pan), lower(b || note) from words join orders using (id) order by id :: 0 1
select concat(holder, ' ', pan, n), concat_ws(',', id, n) from cards order by id :: 0 1
select left(pan, 4), right(pan, 4), substr(pan, 2, 3), substring(pan from 2 for 3), substring(pan, 3) from cards order by id :: 0 1 2 3 4
select length(pan), char_length(pan), octet_length(pan), md5(pan), reverse(pan), initcap(pan) from cards order by id :: 0 1 2 3 4 5
select trim(pan), btrim(pan, 'Z'), ltrim(pan, 'Z'), rtrim(pan, 'v') from cards order by id :: 0 1 2 3
select pan::text, pan::varchar(5), pan::char(3), cast(n as text), n::varchar from cards order by id :: 0 1 2 3 4
select min(pan), max(pan), count(pan), count(*), string_agg(pan, ',') from cards :: 0 1 4
select holder, max(pan) from cards group by holder order by holder :: 1
select upper(max(left(pan, 3))) || count(*) from cards :: 0
select u.x from (select upper(pan) as x, id from cards) u order by u.id :: 0
select * from (select id, upper(pan) from cards) u order by id :: 1
select u.b from (select id, upper(pan) from cards) u(a, b) order by a :: 0
with c as (select id, pan || '' as p from cards) select p, id from c order by id :: 0
with c as materialized (select id, pan || '' as p from cards), d as (select * from c) select * from d order by id :: 1
select upper(pan) from cards where id = 1 union all select note from orders where id = 1 :: 0
select note from orders where id = 1 union all select upper(pan) from cards where id = 1 :: 0
select pan from cards where id = 1 union all select upper(pan) from cards where id = 1 :: 0
select (select upper(pan) from cards where id = 1), 2 :: 0
select o.id, (select lower(c.pan) from cards c where c.id = o.id) from orders o order by id :: 1
select l.x from cards c, lateral (select upper(c.pan) as x) l order by c.id :: 0
select upper(c.pan), o.note from cards c join orders o on o.id = c.id order by c.id :: 0
select u, id from v_derived order by id :: 0
select * from v_derived order by id :: 1
select d.x from (select u as x, id from v_derived) d order by d.id :: 0
select upper(pan) from v_pass order by id :: 0
select lower(p.b) from v_renamed p order by a :: 0
select upper(pan) from kid order by id :: 0
insert into scratch (id, note, pan) values (20, 'x', 'Zq7abcdefghijklm') returning upper(pan), id :: 0
update scratch set note = 'x' where id = 2 returning id, left(pan, 9) :: 1
delete from scratch where id = 2 returning pan || note :: 0
with d as (delete from scratch where id = 1 returning lower(pan) as x) select * from d :: 0
select count(x) from (select upper(pan) as x from cards) u ::
select $$a$$ || 'b', upper(holder), id from cards order by id ::
select upper(pan) as pan from box :: 0
"""
NOT_DERIVED = """
select pan::int from cards
select 1/(n - 4111) from cards
select n + 1 from cards
select upper(pan::int::text) from cards
select id from cards where upper(pan) = 'X'
select id from cards where pan || '' = 'X'
select id from cards order by upper(pan)
select upper(pan) from cards order by 1
select upper(pan) from cards order by upper
select upper(pan) as x from cards order by x
select pan::text from cards order by pan
select pan || '' from cards order by "?column?"
select n::varchar from cards order by n
select coalesce(pan, 'x') from cards order by coalesce
select 'x'::text, (pan || '')::text from cards order by text
select upper(pan), count(*) from cards group by upper(pan)
select upper(pan), count(*) from cards group by 1
select distinct upper(pan) from cards
select distinct on (upper) upper(pan) from cards
select upper(pan) from cards union select 'x'
select upper(pan) from cards intersect select upper(pan) from cards
select upper(pan) from cards union all select 'x' order by 1
select x from (select upper(pan) as x from cards) u order by x
select upper from (select upper(pan) from cards) u order by upper
select id from (select id, upper(pan) as x from cards) u where x > 'a'
select upper(x) from (select upper(pan) as x from cards) u
select x || x from (select pan || pan as x from cards) u
select upper(u) from v_derived
select y from v_twice
with recursive r(p, n) as (select pan, 1 from cards union all select p || p, n + 1 from r where n < 30) select p from r
select case when pan = 'x' then 1 else 0 end from cards
select case when id = 1 then upper(pan) end from cards
select nullif(pan, 'x') from cards
select pan = 'x' from cards
select pan is null from cards
select (pan || '') is null from cards
select upper(pan) like 'Z%' from cards
select greatest(pan, 'x') from cards
select replace(pan, '4', 'aaaaaaaa') from cards
select repeat(pan, 100000000) from cards
select repeat('x', length(pan)) from cards
select left('xxxxxxxxxxxxxxxxxx', length(pan)) from cards
select substr('xxxxxxxxxxxxxxxxxx', n::int) from cards
select substr(pan, 1, -1) from cards
select substr(pan, 1, id - 2) from cards
select left(pan, 1 / (id - 1)) from cards
select substring(pan from '^(Z)') from cards
select coalesce(pan, (1 / (id - 3))::text) from cards
select coalesce(c.pan, s.x) from cards c, lateral (select (1 / (c.id - c.id))::text as x) s
select coalesce(c.pan, v.x) from cards c join v_fails v on v.id = c.id
select concat(coalesce(c.pan, lower(v.x)), 'x') from cards c join v_fails v on v.id = c.id
with s as (select id, (1 / (id - id))::text as x from cards) select coalesce(c.pan, s.x) from cards c join s on s.id = c.id
select coalesce(c.n, p.oid) from cards c, pg_class p
select coalesce(pan, $1) from cards
select lower(pan || b) from words
select max(concat(pan, b)) from words
select upper(coalesce(pan, b)) from words
select lower(p) from (select pan as p from words union all select b from words) u
select coalesce(pan, repeat('x', 1000000000) || repeat('x', 1000000000)) from cards
select 'a' || repeat('x', 1000000000) || pan from cards
select ltrim(pan, 'Z') || note from cards
select note || trim(pan) from cards
select concat(note, length(rtrim(pan, 'v'))) from cards
select string_agg(trim(pan), ',') from cards
select format(pan) from cards
select format('%s', pan) from cards
select encode(pan::bytea, 'hex') from cards
select pan::bytea from cards
select convert_to(pan, 'LATIN1') from cards
select regexp_match(pan, 'Z') from cards
select translate(pan, 'Z', 'x') from cards
select to_number(pan, '999') from cards
select ascii(pan) from cards
select array[pan] from cards
select row(pan) from cards
select array_agg(pan) from cards
select json_build_object('a', pan) from cards
select generate_series(1, length(pan)) from cards
select string_to_table(pan, null) from cards
select string_agg(pan, ',' order by pan) from cards
select string_agg(pan, ',' order by (select count(*) from string_to_table(pan, null))) from cards
select string_agg(distinct pan, ',') from cards
select max(pan) filter (where pan > 'x') from cards
select max(pan) over (order by id) from cards
select lag(pan) over (order by id) from cards
select max(pan) over (partition by pan) from cards
select upper(t::text) from cards t
select upper(pan) || (select pan from cards limit 1) from cards
select upper((select pan from cards limit 1))
select set_config('application_name', upper(pan), false) from cards
select pg_notify('x', pan || '') from cards
select pan::leaking from cards
select upper(pan)::leaking from cards
select upper(pan)::text[] from cards
select upper(at) from box
select at::text from box
select length(raw), raw || '' from box
select raw::text from box
select doc || '{}' from box
select doc::text from box
select doc->>'a' from box
select tags::text from box
select pan || tags from box where tags = '{}'
select upper(pan) into kept from cards
create table kept as select upper(pan) as p from cards
create materialized view kept as select upper(pan) as p from cards
insert into orders (id, note) select 900, upper(pan) from cards
update scratch set note = upper(pan)
select v.x from cards c, lateral (values (upper(c.pan))) v(x)
explain select upper(pan) from cards
explain analyze select upper(pan) from cards
select upper(pan) from strict
select pan || '' from strict_kid
select upper(pan) from part
select salary::text from pay
select min(salary) from pay
select upper(dept) || salary from pay
select upper(pan) from cards for update of cards, cards offset (select length(upper(pan)) from cards limit 1)
select exists (select 1 from cards where upper(pan) = 'X')
select 'x' in (select upper(pan) from cards)
select count(distinct upper(pan)) from cards
select 1 from cards a join (select upper(pan) as x from cards) b on b.x = a.holder
select 1 from (select upper(pan) as note from cards) a natural join orders
"""


def lines(text):
    for line in text.strip().splitlines():
        sql, _, hidden = line.rpartition(" ::")
        yield sql, {int(x) for x in hidden.split()}


def hide(oid):
    return "****" if oid in (25, 1043) else None


def test_the_statements_are_sound():
    direct = g.Client(pg_conn())
    bad = [(s, a.error) for s, _ in lines(DERIVED) if (a := direct.undone(s)).error]
    bad += [(s, a.error) for s in NOT_DERIVED.strip().splitlines() + NO_LOOKUP.strip().splitlines()
            + NO_AGGREGATE.strip().splitlines()
            if (a := direct.undone("explain " * (not s.startswith(("explain", "create", "select upper(pan) into",
                                                                  "copy", "declare", "prepare"))) + s)).state
            in ("42601", "42P01", "42703")]
    h.eq(bad, [], "statements that PostgreSQL does not take")


def compare(fmt, extended):
    direct, c, wrong = g.Client(pg_conn()), client(), []
    for sql, hidden in lines(DERIVED):
        a, b = direct.undone(sql, fmt, extended), c.undone(sql, fmt, extended)
        hard = "v_derived" in sql  # has a bare masked column besides

        def cell(i, v):
            if i not in hidden:
                return v if not hard or a.types[i] not in g.TEXT or not g.leaks(str(v).encode()) else \
                    g.mask(v, 25) if not fmt else g.mask(v.decode(), 25).encode()
            if a.types[i] == 1042:
                return b"***" if fmt else "***"
            w = hide(a.types[i])
            return w.encode() if fmt and w else w
        # UNION ALL shows a bare one beside a computed one: all of the column is hidden.
        want = [tuple(cell(i, v) for i, v in enumerate(r)) for r in a.rows]
        if b.error or b.rows != want:
            wrong.append((sql, b.error, b.rows, want))
        if g.leaks(b.raw):
            wrong.append((sql, "LEAK", g.leaks(b.raw)))
    h.eq(wrong, [], "statements that do not come back as they should")


def test_what_is_computed_is_hidden_simple():
    compare(0, False)


def test_what_is_computed_is_hidden_extended():
    compare(0, True)


def test_what_is_computed_is_hidden_binary():
    compare(1, True)


def test_copies_cursors_and_prepared_statements():
    """COPY says what is NULL: there all of it is."""
    c, wrong = client(), []
    for sql, hidden in lines(DERIVED):
        if not sql.startswith("select") or not hidden:
            continue
        rows = c.run(sql).rows
        for options in ("", " (format csv)", " (format binary)"):
            a = c.run(f"copy ({sql}) to stdout{options}")
            cells = [[v for i, v in enumerate(r) if i in hidden] for r in g.copied(a, options)]
            if a.error or g.leaks(a.raw) or any(v is not None for r in cells for v in r):
                wrong.append((sql, options, a.error, a.copied))
        for script in (["begin", f"declare c cursor for {sql}", "fetch all from c", "rollback"],
                       [f"prepare p as {sql}", "execute p", "deallocate p"]):
            answers = [c.run(s) for s in script]
            got = [r for a in answers for r in a.rows]
            if got != rows or any(a.error or g.leaks(a.raw) for a in answers):
                wrong.append((script, [a.error for a in answers], got, rows))
    h.eq(wrong, [], "ways out that do not hide what is computed")
    a = c.run("copy v_derived (u, id) to stdout")
    h.check(a.error or not g.leaks(a.raw), "a view's copy")


def refused(c, text, extra=()):
    passed, leaked = [], []
    for sql in text.strip().splitlines():
        for extended in (False, True):
            b = c.undone(sql, 0, extended)
            if b.state not in ("42501", "42703", *extra):
                passed.append((sql, b.state, b.error, b.rows))
            if g.leaks(b.raw):
                leaked.append(sql)
    h.eq(leaked, [], "statements that leak")
    h.eq(passed, [], "statements that should be refused")


def test_what_could_fail_by_the_value_stays_refused():
    refused(client(), NOT_DERIVED)


def test_the_hint_says_what_is_open():
    c = client()
    h.has(c.run("select pan::int from cards").error, "cards.pan", "output expressions of ||")
    h.lacks(c.run("select pan::int from strict").error, "open to you")
    h.has(c.run("select sum(salary) from pay").error, "HAVING count(salary) >= 12")


def test_nothing_tells_whether_there_is_a_value():
    c = client()
    rows = c.run("select upper(pan), length(pan), pan::char(2) from cards order by id").rows
    h.eq(set(rows), {("****", None, "**")})


def test_the_strictest_of_several_masks_holds():
    """strict.pan is card and secret; secret opens nothing. Its child and parent neither."""
    c = client()
    h.eq(c.run("select pan from strict where id = 1").rows, [("Zq**************",)])
    for t in ("strict", "strict_kid"):
        h.has(c.run(f"select upper(pan) from {t}").error, f"{t}.pan is masked")
        h.has(c.run(f"select id from {t} where pan = 'x'").error, f"{t}.pan is masked")


# -- lookup ----------------------------------------------------------------------------------------

LOOKUP = f"""
select id from cards where pan = '{g.PANS[0]}' :: 1
select id, pan from cards where '{g.PANS[0]}' = pan and holder > '' :: 1
select id from cards where pan = 'nobody' :: 0
select id from cards where pan = '{g.PANS[0]}'::text and n = {g.NUMBERS[0]} :: 1
select count(*) from cards where pan = '{g.PANS[0]}' :: 1
select c.id from cards c join orders o on o.id = c.id where c.pan = '{g.PANS[0]}' :: 1
select exists (select 1 from cards where pan = '{g.PANS[0]}') :: 1
select (select id from cards where pan = '{g.PANS[0]}'), (select id from cards where pan = 'x') :: 1
select id from box where at = '2020-01-01' :: 1
update scratch set note = 'y' where pan = '{g.PANS[0]}' returning id :: 1
delete from scratch where pan = '{g.PANS[0]}' returning id :: 1
with c as (select id from cards where pan = '{g.PANS[0]}') select * from c :: 1
select id from (select id, pan from cards) s where pan = '{g.PANS[0]}' :: 1
"""
NO_LOOKUP = f"""
select id from cards where pan = holder
select id from cards where pan = '{g.PANS[0]}' or id = 1
select id from cards where not pan = '{g.PANS[0]}'
select id from cards where pan <> '{g.PANS[0]}'
select id from cards where pan > '{g.PANS[0]}'
select id from cards where pan like 'Z%'
select id from cards where pan in ('a', 'b')
select id from cards where pan = any(array['a', 'b'])
select id from cards where (pan, id) = ('a', 1)
select id from cards where pan is not distinct from 'a'
select id from cards where pan is null
select id from cards where upper(pan) = 'A'
select id from cards where pan = 'a' || 'b'
select id from cards where pan = upper('a')
select id from cards where pan = (select 'a')
select c.id from cards c, (values ('a'), ('b')) v(x) where c.pan = v.x
select c.id from cards c join (values ('a'), ('b')) v(x) on c.pan = v.x
select c.id from cards c join orders o on c.pan = 'a'
select c.id from generate_series(1, 9) x, cards c where c.n = x
select pan = 'a' from cards
select case when pan = 'a' then 1 end from cards
select count(*) filter (where pan = 'a') from cards
select holder from cards group by holder having max(pan) = 'a'
select id from cards order by pan = 'a'
select id from v_pass where pan = 'a'
select id from v_derived where u = 'a'
select id from v_looked
select id from v_named where shown = 'a'
select id from strict where pan = 'a'
select id from pay where salary = 1001
select id from pay where rate = 3
select id from box where raw = 'a'
select id from box where doc = '{{}}'
select id from cards where n = '5'::float8
select id from cards where pan = 'a'::leaking
explain select id from cards where pan = 'a'
insert into scratch (id, pan) values (1, 'a') on conflict (pan) do nothing
create view kept as select id from cards where pan = 'a'
merge into scratch s using orders o on s.id = o.id when matched and s.pan = 'a' then delete
"""


def test_lookups():
    direct, c, wrong = g.Client(pg_conn()), client(), []
    for sql, _ in lines(LOOKUP):
        a, b = direct.undone(sql), c.undone(sql)
        n = next(iter({len(x) for x in (a.rows, b.rows)}))
        if b.error or len(a.rows) != len(b.rows):
            wrong.append((sql, b.error, a.rows, b.rows))
        if g.leaks(b.raw):
            wrong.append((sql, "LEAK"))
    h.eq(wrong, [], "lookups that do not come back as they should")


def test_other_comparisons_stay_refused():
    refused(client(), NO_LOOKUP)


def records(kind):
    out = weir.audit("tail", "--json", "-n", "100000", f"{weir.state}/audit").out
    return [r["body"] for r in map(json.loads, out.splitlines()) if r["type"] == kind]


def metric(name):
    q = urllib.request.Request(f"http://127.0.0.1:{weir.admin}/v1/metrics", headers={
        "Authorization": f"Bearer {h.KEYS['ana']}", "X-Weir-Principal": "ana"})
    with urllib.request.urlopen(q, timeout=10) as f:
        return next(float(x.split()[-1]) for x in f.read().decode().splitlines() if x.startswith(name))


def test_lookups_are_counted_and_bounded():
    c = client("cy")
    a = c.run("select 1 from cards where pan = 'a' and n = 1 and id = 3")
    h.eq(a.error, None)
    h.eq([r.get("lookups") for r in records("command")][-1], 2, "lookups on record")
    before = metric("weir_lookups_total")
    h.eq(c.run("prepare p as select 1 from cards where pan = 'a'; select 1").error, None)
    h.eq(metric("weir_lookups_total") - before, 0, "a PREPARE compares nothing")
    c.run("execute p"), c.run("begin"), c.run("declare k cursor for select 1 from cards where pan = 'a'")
    c.run("fetch all from k"), c.run("commit")
    h.eq(metric("weir_lookups_total") - before, 2, "EXECUTE and DECLARE compare once each")
    a = c.run("select 1 from cards where pan = 'a' and pan = 'b' and pan = 'c' and pan = 'd'")
    h.eq(a.state, "54000")
    h.has(a.error, '4 lookups; limit "guesses": at most 3 lookups per command')
    a = c.run("; ".join(["select 1 from cards where pan = 'a'"] * 4))
    h.eq(a.state, "54000", "four statements in one message")


def test_a_parameter_costs_each_time_it_is_bound():
    c = client("cy")
    before = metric("weir_lookups_total")
    out = g._frame(b"P", g._z("q") + g._z("select id from cards where pan = $1") + b"\0\0")
    for v in (g.PANS[0], "x"):
        bind = g._z("") + g._z("q") + struct.pack("!HHi", 0, 1, len(v)) + v.encode() + struct.pack("!H", 0)
        out += g._frame(b"B", bind) + g._frame(b"E", b"\0" + bytes(4))
    a = c._answer(out + g._frame(b"S"))
    h.eq((a.error, a.rows), (None, [("1",)]))
    h.eq(metric("weir_lookups_total") - before, 2)


def test_the_rest_of_a_portal_costs_nothing():
    c = client("cy")
    c.run("begin")
    before = metric("weir_lookups_total")
    sql = f"select id from cards, generate_series(1, 9) where pan = '{g.PANS[0]}'"
    more = g._frame(b"E", g._z("k") + struct.pack("!I", 4)) + g._frame(b"S")
    a = c._answer(g._frame(b"P", g._z("") + g._z(sql) + b"\0\0") +
                  g._frame(b"B", g._z("k") + g._z("") + bytes(6)) + more)
    answers = [a, c._answer(more), c._answer(more)]
    c.run("rollback")
    h.eq([(a.error, len(a.rows)) for a in answers], [(None, 4), (None, 4), (None, 1)])
    h.eq(metric("weir_lookups_total") - before, 1)


def test_a_budget_of_lookups_is_used_up():
    c, n = client("planner-7"), 0
    while n < 300:
        n += 1
        a = c.run(f"select id from cards where pan = 'guess {n}'")
        if a.error:
            break
    h.eq(a.state, "53400")
    h.check(n <= 201, f"{n} commands")
    h.has(a.error, '"guesses": at most 200 lookups per hour', "available again in")
    h.eq(c.run("select pan from cards where id = 1").rows, [(g.mask(g.PANS[0], 25),)], "others go on")
    h.eq(c.run("update scratch set note = 'x' where pan = 'y'").state, "53400", "also what returns no rows")
    h.eq(client("cy").run("select id from cards where pan = 'x'").error, None, "each has a budget")
    h.has("\n".join(map(str, records("command")[-3:])), "WEIR-LIMIT-BUDGET")


# -- aggregates ------------------------------------------------------------------------------------

AGGREGATES = """
select dept, sum(salary) from pay group by dept having count(salary) >= 12 order by dept
select dept, avg(salary), count(*) from pay group by dept having count(pay.salary) > 11 order by dept
select sum(p.salary), avg(p.bonus) from pay p having count(p.salary) >= 20 and 20 <= count(p.bonus)
select dept, round(avg(salary), 1), stddev(salary), variance(salary) from pay where id < 50 group by dept having count(*) > 3 and count(salary) >= 12 order by 1
select dept, sum(salary) as s from pay group by dept having 11 < count(salary) order by s desc
select dept, avg(salary) from pay group by dept having count(salary) >= 12 order by 2
select sum(salary) / count(salary) from pay having count(salary) >= 12
select case when count(*) > 3 then sum(salary) end from pay having count(salary) >= 12
select * from (select dept, avg(salary) as a from pay group by dept having count(salary) >= 12) s where a > 0 order by a
select * from v_over order by a
select upper(x::text) from (select sum(salary) as x from pay having count(salary) >= 12) s
select count(salary), count(bonus) from pay
select dept, sum(salary) from pay group by rollup (dept) having count(salary) >= 12 order by dept
"""
NO_AGGREGATE = """
select sum(salary) from pay
select sum(salary) from pay where id = 5
select dept, sum(salary) from pay group by dept having count(*) >= 12
select dept, sum(salary) from pay group by dept having count(salary) >= 11
select dept, sum(salary) from pay group by dept having count(salary) > 10
select dept, sum(salary) from pay group by dept having count(bonus) >= 12
select dept, sum(salary) from pay group by dept having count(salary) >= 12 or true
select dept, sum(salary) from pay group by dept having not count(salary) < 12
select dept, sum(salary) from pay group by dept having count(salary) <= 12
select dept, sum(salary) from pay group by dept having count(distinct salary) >= 12
select dept, sum(salary) from pay group by dept having count(salary) filter (where true) >= 12
select dept, sum(salary) from pay group by dept having count(salary + 0) >= 12
select dept, sum(salary) from pay group by dept having count(salary) >= 12 and sum(salary) > 5
select dept, sum(salary) filter (where id = 5) from pay group by dept having count(salary) >= 12
select dept, sum(distinct salary) from pay group by dept having count(salary) >= 12
select dept, sum(salary + 0) from pay group by dept having count(salary) >= 12
select dept, sum(case when id = 5 then salary else 0 end) from pay group by dept having count(salary) >= 12
select dept, max(salary) from pay group by dept having count(salary) >= 12
select dept, min(salary) from pay group by dept having count(salary) >= 12
select dept, string_agg(salary::text, ',') from pay group by dept having count(salary) >= 12
select dept, array_agg(salary) from pay group by dept having count(salary) >= 12
select sum(rate) from pay having count(rate) >= 12
select sum(salary) over () from pay group by salary having count(salary) >= 12
select sum(salary) from pay, generate_series(1, 20) having count(salary) >= 12
select sum(p.salary) from pay p join orders o on true having count(p.salary) >= 12
select sum(p.salary) from pay p left join pay q on p.id = 5 having count(p.salary) >= 12
select sum(salary) from (select * from pay where id = 5) p having count(salary) >= 12
select sum(salary) from (select pay.* from pay, generate_series(1, 20) where id = 5) p having count(salary) >= 12
select sum(salary) from v_pay where id = 5 having count(salary) >= 12
with pay2 as (select pay.* from pay, generate_series(1, 20)) select sum(salary) from pay2 where id = 5 having count(salary) >= 12
select id, (select sum(p.salary) from orders having count(*) >= 12) from pay p group by id
select id, (select sum(p.salary) from pay q having count(q.salary) >= 12) from pay p group by id
select id, (select sum(salary) from orders q having count(salary) >= 12) from pay group by id
select id, (select sum(q.salary) from pay q where q.id = p.id having count(p.salary) >= 12) from pay p group by id
select dept, sum(salary) from pay where salary > 3 group by dept having count(salary) >= 12
select salary, count(salary) from pay group by salary having count(salary) >= 12
select sum(salary) as s from pay having count(salary) >= 12 union select 5
select distinct sum(salary) from pay group by dept having count(salary) >= 12
insert into orders (id, amount) select 900, sum(salary) from pay having count(salary) >= 12
select 1 from orders having exists (select sum(salary) from pay)
explain select sum(salary) from pay having count(salary) >= 12
select sum(length(pan)) from cards having count(pan) >= 1
select a.s from pay as t(i, d, s), lateral (select sum(t.s) as s) a
select sum(s) from pay as t(i, d, s) having count(s) >= 12
"""


def test_aggregates_over_large_groups():
    direct, c, wrong = g.Client(pg_conn()), client(), []
    for sql in AGGREGATES.strip().splitlines():
        for fmt, extended in ((0, False), (0, True), (1, True)):
            a, b = direct.undone(sql, fmt, extended), c.undone(sql, fmt, extended)
            if a.error or b.error or a.rows != b.rows or not a.rows:
                wrong.append((sql, a.error, b.error, a.rows, b.rows))
    h.eq(wrong, [], "aggregates that do not come back as PostgreSQL's own")


def test_a_group_of_nulls_is_not_a_large_group():
    c = client()
    h.eq(c.run("select dept from pay where dept = 'nulls' group by dept having count(*) >= 12").rows, [("nulls",)])
    a = c.run("select sum(salary) from pay where dept = 'nulls' having count(salary) >= 12")
    h.eq((a.error, a.rows), (None, []))


def test_other_aggregates_stay_refused():
    refused(client(), NO_AGGREGATE)


def test_a_parameter_proves_nothing():
    c = client()
    a = c.run("select sum(salary) from pay having count(salary) >= $1", extended=True)
    h.eq(a.state, "42501")
    h.eq(c.run("prepare p(int) as select sum(salary) from pay having count(salary) >= $1").state, "42501")


def test_the_size_is_the_text_s_own():
    """The same shape with another number is another statement."""
    c = client()
    for n, state in ((12, None), (3, "42501"), (30, None), (11, "42501"), (12, None)) * 3:
        h.eq(c.run(f"select sum(salary) from pay having count(salary) >= {n}").state, state, str(n))


GENERATED = """
policy p "generated"
default allow
group dba = idp "dba-oncall"
data card = column cards.{pan, n}, column scratch.{pan, n}, column part.pan, column locked.pan,
  column v_named.shown, column v_cast.shown, column mv_named.shown
mask card with last(4) allowing %s unless who dba
"""


def generated(mode, allowing):
    """Random statements: nothing leaks, nothing is overlooked, what is allowed is right."""
    w = h.Weir(pg, policy=GENERATED % allowing)
    r = g.campaign(pg_conn(), w.conninfo(), seed=int(os.environ.get("SEED", "20")),
                   seconds=float(os.environ.get("FUZZ_SECONDS", "4")), most=6000, mode=mode)
    print(f"# {mode}: {r.text()}")
    h.eq(r.leaks[:3], [], "generated statements that leak")
    h.eq(r.wrong[:3], [], "generated statements whose allowed answer is not PostgreSQL's, masked")
    h.eq(r.overlooked[:3], [], "generated statements that do what is not open and were allowed")
    h.check(r.valid >= 10 and r.allowed >= 0.5 * r.harmless, r.text())
    h.eq(w.stop(), 0)


def test_generated_derived():
    generated("derived", "derived")


def test_generated_lookup():
    generated("lookup", "lookup")


def test_generated_aggregates():
    generated("aggregates", "aggregates over 2")


def test_who_is_not_masked_computes_as_ever():
    direct, ana = g.Client(pg_conn()), client("ana")
    for sql in ("select upper(pan) from cards order by 1", "select min(salary) from pay",
                "select id from cards where pan > 'Y' order by id"):
        h.eq(ana.run(sql).rows, direct.run(sql).rows, sql)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
