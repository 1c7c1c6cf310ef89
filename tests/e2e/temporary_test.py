#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Temporary tables under masks: what holds nothing masked is made, filled and read as PostgreSQL does it,
through rollbacks, savepoints, ON COMMIT, renames and prepared statements; and no way leads through one to
what a masked column holds."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

try:
    import psycopg
except ImportError:
    psycopg = None

SQL = """
create schema elsewhere;
create table elsewhere.only_elsewhere (id int);
create table card_log (id int, holder text, p text, n bigint, note text);
create function log_card() returns trigger language plpgsql security definer as
  'begin insert into card_log select old.*; return new; end';
create trigger log before update on cards for each row execute function log_card();
"""
RULES = """
policy rules
group dba    = idp "dba-oncall"
group agents = idp "ai-agents"
allow everything who dba do sql
allow basics who agents do sql.basics
allow temporary who agents do sql.create, sql.drop, sql.select, sql.insert when schema = "pg_temp"
allow orders who agents do sql.select when table = "public.orders"
deny  staff who agents do sql.select when table = "public.staff"
"""
pg = weir = rules = None


def setup():
    global pg, weir, rules
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=g.SQL + SQL, settings={"jit": "off"})
    weir = h.Weir(pg, policy=g.POLICY)
    rules = h.Weir(pg, policy=RULES)


def pair():
    """The same session twice: past the gateway, and through it under the masks."""
    return (g.Client(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}"),
            g.Client(weir.conninfo()))


def same(script, extended=(False, True)):
    """Every statement of the script gives what PostgreSQL gives; one that ends in :: NAMES is refused."""
    for ext in extended:
        direct, through = pair()
        for line in script.strip().splitlines():
            sql, _, why = (part.strip() for part in line.partition("::"))
            b = through.run(sql, extended=ext)
            h.check(not g.leaks(b.raw), f"{sql} leaks {g.leaks(b.raw)}")
            if why:
                h.check(b.error is not None, f"{sql}: it runs: {b.rows}")
                h.has(b.error, *why.split("|"))
                continue
            a = direct.run(sql, extended=ext)
            h.eq((b.state, b.error if not a.error else b.state), (a.state, None if not a.error else a.state), sql)
            h.eq(b.rows, a.rows, sql)


def test_made_filled_and_read():
    same("""
create temp table x (id int primary key, note text default 'n', v serial)
insert into x (id) values (1), (2)
insert into x select id, note from orders where id > 2
select * from x order by id
select x.*, c.holder from x join cards c using (id) order by id
select c.id, x.note from cards c left join x on x.id = c.id order by c.id
update x set note = c.holder from cards c where c.id = x.id returning x.note
delete from x where id = 2 returning *
select count(*), max(note) from x
select row_to_json(x) from x order by id
select x from x order by id
create index on x (note)
create index on pg_temp.x (lower(note))
alter table x add column more int default 7
select more from x order by id
alter table x rename column more to less
select less from pg_temp.x order by id
select more from x :: more
alter table x rename to y
select count(*) from y
select count(*) from x :: x
analyze y
truncate y
select * from y
create temp table z as select id, holder from cards
select * from z order by id
select id, note into temp w from orders
select * from w order by id
create table pg_temp.q (a int)
select * from q
create temporary table if not exists q (b int)
explain (costs off) select * from q
drop table q, z
select * from z :: z
with s as (select id from w) select count(*) from s join y using (id)
create temp table like_orders (like orders including all)
insert into like_orders values (1, 'a', 2)
select * from like_orders
create temp table p (a int) partition by range (a)
create temp table p1 partition of p for values from (0) to (10)
insert into p values (3)
select * from p
select * from p1
discard temp
select * from w :: w
create temp table w (c text)
select * from w
""")


def test_sequences():
    same("""
create temp sequence s start 5 increment by 2
select nextval('s'), nextval('pg_temp.s')
select last_value, is_called from s
select setval('s', 20), currval('s'), lastval()
alter sequence s restart with 3
alter sequence s rename to r
select nextval('r')
create sequence pg_temp.q
create temp table t (id int default nextval('q'), note text)
insert into t (note) values ('a'), ('b')
select * from t order by id
begin
create temp sequence later
select nextval('later')
rollback
select last_value from later :: later
drop sequence r
select last_value from r :: r
create temp sequence if not exists q
discard sequences
select nextval('q')
discard temp
select last_value from q :: q
""")


def test_the_end_of_a_transaction():
    same("""
begin
create temp table x (a int) on commit drop
insert into x values (1)
select * from x
commit
select * from x :: x
create temp table x (b text)
begin
drop table x
select * from x :: x
rollback
select * from x
begin
savepoint one
alter table x add column c int
select c from x
rollback to one
select b from x
alter table x rename to y
savepoint two
drop table y
select * from y :: y
rollback to two
select * from y
release one
commit
select * from y
begin
create temp table z (a int) on commit delete rows
insert into z values (1)
select * from z
commit
select * from z
begin isolation level serializable
create temp table s as select 1 as a
select a from s
commit
begin
set transaction isolation level repeatable read
select a from s
rollback
""".replace("select * from x :: x\nrollback\n", "rollback\n").replace("select * from y :: y\nrollback to", "rollback to"))
    # A transaction that failed ends like any other.
    same("""
create temp table x (a int)
begin
create temp table y (a int)
select 1/0
rollback
select * from y :: y
select * from x
""")


def test_prepared():
    c = psycopg.connect(weir.conninfo(), autocommit=True)
    c.execute("create temp table x (a int, b text)")
    for i in range(8):
        c.execute("insert into x values (%s, %s)", (i, "n"), prepare=True)
        h.eq(c.execute("select count(*), max(b) from x where a <= %s", (i,), prepare=True).fetchone(), (i + 1, "n"))
    c.execute("prepare p as select a from x order by a limit 2")
    h.eq(c.execute("execute p").fetchall(), [(0,), (1,)])
    c.execute("create temp table y (a int)")
    h.eq(c.execute("execute p").fetchall(), [(0,), (1,)])
    c.execute("create temp table e as execute p")
    h.eq(c.execute("select * from e").fetchall(), [(0,), (1,)])
    with c.transaction():
        with c.cursor("held") as cur:
            cur.execute("select a from x order by a")
            h.eq(cur.fetchmany(2), [(0,), (1,)])
            c.execute("create temp table between_fetches (a int)")
            cards = c.execute("select count(*) from cards").fetchone()
            h.eq(cards, (4,))
    with c.cursor() as cur:
        with cur.copy("copy x (a, b) from stdin") as copy:
            copy.write_row((100, "copied"))
        with cur.copy("copy x to stdout") as copy:
            h.has(b"".join(copy).decode(), "100\tcopied")
    c.close()


# What would carry a masked column into a temporary table, or let one pass for another.
REFUSED = """
create temp table t as select pan from cards :: pan
create temp table t as select * from cards :: masked
create temp table t as table kid :: masked
create temp table t as select upper(pan) as p from cards :: pan
create temp table t as with q as (delete from scratch returning pan) select * from q :: masked
create temp table t as select p from v_nested :: masked
select pan into temp t from cards :: pan
select row_to_json(c) as j into temp t from cards c :: cards
insert into own select id, pan from cards :: pan
insert into own (id) select n from cards :: n
update own set note = (select pan from cards limit 1) :: pan
update own set note = c.pan from cards c where c.id = own.id :: pan
with d as (delete from scratch returning id, pan) insert into own select * from d :: masked
merge into own using cards c on c.id = own.id when not matched then insert values (c.id, c.pan) :: pan
insert into own values (1) on conflict do nothing returning (select upper(pan) from cards limit 1) :: pan
select * from own o join cards c on c.pan = o.note :: pan
select o.id from own o where exists (select from cards where pan > o.note) :: pan
create temp view t as select id from orders :: only tables and sequences
create view pg_temp.t as select id from orders :: only tables and sequences
create temp sequence cards :: cards
create sequence pg_temp.staff :: staff
create temp sequence t; select nextval('t'), (select last_value from t) :: t
alter sequence pg_temp.own_seq rename to orders :: orders
select setval('pg_temp.own_seq', n) from cards :: n
create function pg_temp.f() returns text language sql as 'select pan from cards limit 1' :: masks
create type pg_temp.t as (a int) :: only tables and sequences
create domain pg_temp.d as text :: masks
create temp table t (a text default leak()) :: masks
create temp table t (id int references cards (id)) :: relation|temporary
create trigger t after insert on own for each row execute function leak() :: masks
create rule r as on insert to own do also select 1 :: masks
alter table own alter column note set default leak() :: masks
create index on own (leak()) :: leak
select own.leak from own :: leak
select * from pg_temp_3.own :: own
drop table pg_temp_3.own :: pg_temp
alter table pg_temp_3.own rename to other :: pg_temp
create temp table t (a int); select * from t :: t
create temp table t (a int); insert into t values (1) :: t
prepare e as select pan from cards; create temp table t as execute e :: EXECUTE|prepare
"""


def test_refused():
    _, c = pair()
    c.run("create temp table own (id int primary key, note text)")
    c.run("create temp sequence own_seq")
    c.run("prepare masked as select pan from cards")
    h.has(c.run("create temp table t as execute masked").error, "EXECUTE")
    for line in REFUSED.strip().splitlines():
        sql, _, why = line.partition(" :: ")
        for ext in (False, True):
            if ext and ";" in sql:
                continue
            a = c.undone(sql, extended=ext)
            h.check(not g.leaks(a.raw, small=True), f"{sql} leaks {g.leaks(a.raw, True)}")
            h.check(a.error is not None, f"{sql} runs: {a.rows}")
            h.check(any(w in a.error for w in why.split("|")), f"{sql}: {a.error}")
    h.eq(c.run("select * from own").rows, [], "the session goes on")


def test_a_name_that_is_taken():
    """pg_temp comes first for triggers and functions too: what they write, or cast, would come there."""
    _, c = pair()
    c.run("create temp table own (id int, holder text, p text, n bigint, note text)")
    for name in ("cards", "staff", "v_pass", "mv_pass", "card_log", "pg_class", "pg_stats", "text", "_text", "__text",
                 "jsonb", "uuid", "leaking", "only_elsewhere", '"char"'):
        for sql in (f"create temp table {name} (a int)", f"create table pg_temp.{name} (a int)",
                    f"create temp table {name} as select id from orders", f"select id into temp {name} from orders",
                    f"alter table own rename to {name}", f"alter table pg_temp.own rename to {name}",
                    f"create temp table t (a int); alter table t rename to {name}",
                    f"create temp table t (a int); alter table pg_temp.t rename to {name}",
                    f"create view {name} as select * from own"):
            for ext in (False, True) if ";" not in sql else (False,):
                a = c.undone(sql, extended=ext)
                h.check(a.error and a.state == "42501", f"{sql}: {a.state} {a.error}")
    # What it would be for.
    for sql in ("create temp table card_log (like own)", "update cards set note = 'seen'", "select p from pg_temp.card_log"):
        a = c.run(sql)
        h.check(not g.leaks(a.raw), f"{sql} leaks")
    h.eq(pg.super("select count(*) from card_log", db=pg.database), "3", "the trigger wrote where it should")
    h.eq(c.run("select count(*) from own").rows, [("0",)])


def test_a_name_that_is_taken_later():
    """The server may still mean, or mean again, the table that is there for all."""
    _, c = pair()
    ana = psycopg.connect(weir.conninfo("ana"), autocommit=True)
    h.eq(c.run("create temp table later (id int, mine text)").error, None)
    c.run("prepare p as select mine from later")
    ana.execute("create table later (id int, pan text)")
    for sql in ("select mine from later", "select * from pg_temp.later", "insert into later values (1)",
                "select 1 from orders where exists (select from later where mine > '')", "execute p",
                "truncate later", "drop table later", "select pan from later", "copy later to stdout"):
        for ext in (False, True):
            a = c.undone(sql, extended=ext)
            h.has(a.error or repr(a.rows), "public.later")
    h.eq(c.run("select pan from public.later").rows, [])
    h.eq(c.run("drop table pg_temp.later").error, None)
    h.eq(c.run("select pan from later").rows, [])
    ana.execute("drop table later")
    ana.close()


def test_what_becomes_of_a_name_in_one_batch():
    """Within a message or an extended batch nobody can be asked: names are not known."""
    _, c = pair()
    for sql in ("create temp table cards (pan text, id int); select * from cards",
                "create temp table t (a int); select pan as a from cards",
                "begin; create temp table t (a int); commit; table t",
                "set search_path = pg_temp; create table cards (pan text); select pan from cards"):
        a = c.run(sql)
        h.check(a.error and not g.leaks(a.raw, True), f"{sql}: {a.rows}")
        c.run("rollback")
        c.run("reset search_path")
    with psycopg.connect(weir.conninfo(), autocommit=True) as p:
        for sql in ("select id from t", "select pan from cards"):
            try:
                with p.pipeline():
                    p.execute("create temp table t (id int)")
                    rows = p.execute(sql).fetchall()
                raise h.Failure(f"{sql}: {rows}")
            except psycopg.Error as e:
                h.has(str(e), "search path")
            p.execute("drop table if exists t")
        with p.pipeline():
            p.execute("create temp table t (id int)")
        h.eq(p.execute("select id from t").fetchall(), [])


def test_a_search_path_that_makes_tables_temporary():
    _, c = pair()
    c.run("create temp table mine (a int)")
    h.eq(c.run("set search_path = pg_temp, public").error, None)
    for sql in ("create table other (a int)", "create table card_log (a int)", "select 1 as a into other"):
        h.has(c.run(sql).error, "pg_temp")
    h.eq(c.run("select * from mine").rows, [])
    h.eq(c.run("select pan from cards where id = 1").rows, [(g.mask(g.PANS[0], 25),)])
    own = c.run("select nspname from pg_namespace where oid = pg_my_temp_schema()").rows[0][0]
    c.run(f"set search_path = public, {own}")
    h.has(c.run("select pan from cards").error, "search path")
    h.has(c.run("create table card_log (a int)").error, "pg_temp")
    h.eq(c.run("select a from pg_temp.mine").rows, [])


def test_inheritance():
    _, c = pair()
    h.eq(c.run("create temp table heir () inherits (cards)").error, None)
    for sql in ("select * from heir", "select pan from heir", "select id from heir", "insert into heir (id) values (1)"):
        h.has(c.run(sql).error, "inherits")
    c.run("create temp table heirs_heir () inherits (heir)")
    h.has(c.run("select pan from heirs_heir").error, "inherits")
    a = c.run("select pan from cards order by id")
    h.check(not g.leaks(a.raw) and len(a.rows) == 4, repr(a.rows))
    c.run("create temp table plain (id int not null, holder text, pan text, n bigint, note text)")
    h.eq(c.run("select * from plain").rows, [])
    h.eq(c.run("alter table plain inherit cards").error, None)
    h.has(c.run("select * from plain").error or "", "inherits")


def test_temporary_views():
    """A view over a temporary table is temporary, whatever its statement says."""
    _, c = pair()
    c.run("create temp table t (id int)")
    for sql in ("create view over as select id from t", "create or replace view over as select * from pg_temp.t"):
        h.has(c.run(sql).error, "over a temporary table")


def test_types():
    """A temporary table's rows are a type, which comes before the built-in of that name: an error of its
    input function would quote the value."""
    w = h.Weir(pg, policy="policy p\ndefault allow\n")
    c = g.Client(w.conninfo())
    h.eq(c.run("create temp table text (a int)").error, None)
    with open(w.policy, "w") as f:
        f.write(g.POLICY.replace("with last(4)", "with last(4) allowing derived"))
    w.reload()
    h.wait_for(lambda: c.run("select pan from cards where id = 1").rows == [(g.mask(g.PANS[0], 25),)], 10, "masks")
    for sql in ("select upper(pan::text) from cards where id = 1", "select pan::text from cards",
                "select (pan || '')::text from cards", "select pan::text[] from cards", "select pan::_text from cards",
                "select cast(pan as text) from cards"):
        for ext in (False, True):
            a = c.run(sql, extended=ext)
            h.check(a.error and not g.leaks(a.raw, True), f"{sql}: {a.error} {a.rows}")
    c.run("drop table pg_temp.text")
    h.eq(c.run("select upper(pan::text) from cards where id = 1").error, None)
    with psycopg.connect(w.conninfo(), autocommit=True) as p:
        for sql in ("select pan::text from public.cards where id = 1", "select upper(pan::text) from public.cards"):
            try:
                with p.pipeline():
                    p.execute("create temp table t (a int)")
                    rows = p.execute(sql).fetchall()
                raise h.Failure(f"in one batch: {rows}")
            except psycopg.Error as e:
                h.check(not g.leaks(str(e).encode(), True), str(e))
                h.has(str(e), "may be the name of a temporary table's rows")


def test_other_masks():
    """What was filled while other masks were in force, or none, may hold what is masked now."""
    w = h.Weir(pg, policy="policy p\ndefault allow\n")
    c = psycopg.connect(w.conninfo(), autocommit=True)
    c.execute("create temp table copy as select id, pan as p from cards")
    h.eq(len(c.execute("select p from copy").fetchall()), 4)
    quiet = psycopg.connect(w.conninfo(), autocommit=True)
    quiet.execute("do $$ begin create temp table copy as select id, pan as p from cards; end $$")
    with open(w.policy, "w") as f:
        f.write(g.POLICY)
    w.reload()
    for session in (c, quiet):
        h.wait_for(lambda: "*" in session.execute("select pan from cards where id = 1").fetchone()[0], 10, "masks")
    quiet.execute("create temp table mine (a int)")
    for session in (c, quiet):
        for sql in ("select p from copy", "select * from copy", "table pg_temp.copy", "insert into copy values (1)"):
            try:
                rows = session.execute(sql).fetchall()
                raise h.Failure(f"{sql}: {rows}")
            except psycopg.Error as e:
                h.has(str(e), "WEIR-MASKED-TEMPORARY", "DISCARD TEMP")
        session.execute("discard temp")
        session.execute("create temp table copy as select id from cards")
        h.eq(len(session.execute("select * from copy").fetchall()), 4)
        session.close()


def test_a_reload_that_leaves_the_masks_alone():
    w = h.Weir(pg, policy=g.POLICY)
    c = psycopg.connect(w.conninfo(), autocommit=True)
    c.execute("create temp table mine as select id from cards")

    def reload(text):
        done = w.log().count(" reloaded ")
        with open(w.policy, "w") as f:
            f.write(text)
        w.reload()
        h.wait_for(lambda: w.log().count(" reloaded ") > done, what="reloaded")
    first, rest = g.POLICY.strip().split("\n", 1)
    same = (g.POLICY + "# a comment\n", f"{first}\n{rest}\ndeny drops \"nothing is dropped\" do sql.drop\n",
            f'{first}\ndata nobodys = column nobody.has.this\nlimit few "few" do sql.select rows 1000000\n{rest}\n', g.POLICY)
    for text in same:
        reload(text)
        h.eq(len(c.execute("select * from mine").fetchall()), 4, text)
    mask = next(x for x in rest.split("\n") if x.strip().startswith("mask ") and "last(4)" in x)
    others = (rest.replace(mask, mask.replace("last(4)", "last(3)")),
              rest.replace(mask, mask.replace("last(4)", "last(4) allowing derived")),
              rest + "\ndata amounts = column orders.amount\nmask amounts with null\n", rest)
    for text in others:
        reload(f"{first}\n{text}\n")
        try:
            c.execute("select * from mine")
            raise h.Failure(f"not closed by:\n{text}")
        except psycopg.Error as e:
            h.has(str(e), "WEIR-MASKED-TEMPORARY", "DISCARD TEMP")
        c.execute("discard temp")
        c.execute("create temp table mine (id int)")
        h.eq(c.execute("select * from mine").fetchall(), [])


def test_discard_takes_what_it_says():
    for policy in ("policy p\ndefault allow\n", g.POLICY):
        w = h.Weir(pg, policy=policy)
        q = psycopg.connect(w.conninfo(), autocommit=True).pgconn
        h.eq(q.prepare(b"s", b"select 7").status, 1)
        for what in (b"discard temp", b"discard plans", b"discard sequences"):
            h.eq(q.exec_(what).status, 1)
            h.eq(q.exec_prepared(b"s", []).get_value(0, 0), b"7", what)
        h.eq(q.exec_(b"discard all").status, 1)
        h.has(q.exec_prepared(b"s", []).error_message.decode(), "does not exist")
        w.kill()


def test_made_unseen_before_masks():
    """Code that nobody saw run while no masks were in force may have left a temporary table that hides one for all."""
    make = "do $$ begin create temp table orders as select id, pan as note, 1 as amount from cards; end $$"
    w = h.Weir(pg, policy="policy p\ndefault allow\n")
    between, inside, batch, innocent = [g.Client(w.conninfo()) for _ in range(4)]
    h.eq(between.run(make).error, None)
    for c in (inside, batch):
        for sql in ("begin", make):
            h.eq(c.run(sql).error, None)
    h.eq(innocent.run("do $$ begin perform 1; end $$").error, None)
    with open(w.policy, "w") as f:
        f.write(g.POLICY)
    w.reload()
    fresh = g.Client(w.conninfo())
    h.wait_for(lambda: fresh.run("select pan from cards where id = 1").rows == [(g.mask(g.PANS[0], 25),)], 10, "masks")
    for c, ext in ((between, False), (inside, False), (batch, True)):
        for sql in ("select note || '' from orders", "select note from orders", "copy orders to stdout",
                    "select max(note) from pg_temp.orders", "select row_to_json(orders) from orders"):
            a = c.run(sql, extended=ext and "copy" not in sql)
            h.check(a.error and not g.leaks(a.raw), f"{sql}: {a.error} {a.rows}")
    h.has(between.run("select note from orders").error, "what is temporary")
    h.eq(innocent.run("select count(*) from orders").rows, [("6",)])
    h.eq(between.run("discard temp").error, None)
    h.eq(between.run("select count(*) from orders").rows, [("6",)])


def test_others_are_not_disturbed():
    """Nobody else's catalog is read again for a temporary table."""
    _, c = pair()
    other = psycopg.connect(weir.conninfo(), autocommit=True)
    for i in range(20):
        c.run(f"create temp table t{i} (a int)")
        h.eq(other.execute("select count(*) from cards").fetchone(), (4,))
    h.eq(len(c.run("select * from t19").rows), 0)
    other.close()


def test_rules_on_tables():
    """Policies speak of pg_temp; a name that is also a table's for all counts as that one."""
    with psycopg.connect(rules.conninfo(), autocommit=True) as c:
        c.execute("create temp table x as select id from orders")
        h.eq(c.execute("select count(*) from x").fetchone(), (6,))
        c.execute("insert into pg_temp.x values (7)")
        c.execute("create temp table staff (id int)")
        for sql in ("select * from staff", "select * from public.staff", "select * from cards",
                    "create table y (a int)"):
            try:
                c.execute(sql)
                raise h.Failure(f"{sql} runs")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "42501", sql)
        h.eq(c.execute("select * from pg_temp.staff").fetchall(), [])
        c.execute("drop table x")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
