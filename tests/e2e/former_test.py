#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whoever renames a column does not take it from under its mask: what a data class covered by its name when the
gateway looked stays covered under whatever name, across a restart and a reload, as long as the pattern is there."""
import hashlib, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
SHOWN = "************1111"
SQL = f"""
create schema pay; create schema attic;
create table pay.cards (id int, pan text, owner text);
insert into pay.cards values (1, '{SECRET}', 'planner-7'), (2, '{SECRET}', 'ana');
create view pay.shown as select id, pan from pay.cards;
create table pay.logs (day int, pan text) partition by list (day);
create table pay.logs_1 partition of pay.logs for values in (1);
insert into pay.logs values (1, '{SECRET}');
create table pay.rows (id int, owner text); insert into pay.rows values (1, 'planner-7'), (2, 'ana');
grant usage, create on schema pay, attic to app;
"""
PAN = "data pan  = column pay.cards.pan\n"
RULES = """policy former
group dba = idp "dba-oncall"
%s
data log  = column pay.logs.pan
data mine = column pay.rows.owner
default allow
deny counting "pans are not counted"
  when sql.uses(pan, count)
mask pan with last(4) unless who dba
mask log with last(4) unless who dba
drop mine when row.owner != "planner-7" unless who dba
"""
POLICY = RULES % PAN
pgs = []


def setup():
    pgs.append(h.Postgres(sql=SQL))


def fresh(policy=POLICY, look=True, limit="1s", **kw):
    """The tables as they were, and a gateway that has looked at them."""
    pg = pgs[0]
    pg.super("drop schema if exists pay, attic, vault, moved cascade", db=pg.database)
    pg.query(SQL.replace("grant", "-- grant"))
    w = h.Weir(pg, policy=policy, extra=f"limit catalog {limit}\n", **kw)
    if look:
        seen(w, "pay.cards", "pan", SHOWN)
    return pg, w


def seen(w, table, column, want):
    """The secret is not shown at any moment; errors there are only while the catalog is behind, which a name that
    is not in it has read again."""
    w.psql("select from pay.nowhere")
    def look():
        r = w.psql(f"select {column} from {table} where id = 1")
        h.check(SECRET not in r.out or want == SECRET, f"{table}.{column} is shown: {r}")
        return r.out == want
    h.wait_for(look, 15, f"{table}.{column} is {want}: {w.psql(f'select {column} from {table}')}\n{w.log()}")


MOVES = [("alter table pay.cards rename pan to number", "pay.cards", "number"),
         ("alter table pay.cards rename to old", "pay.old", "number"),
         ("alter schema pay rename to vault", "vault.old", "number"),
         ("alter table vault.old set schema attic", "attic.old", "number"),
         ("drop view vault.shown; alter table attic.old add note text, alter number type varchar(40)", "attic.old", "number")]


def closed(w, table, column):
    """What is refused of a masked column is refused of this one."""
    for sql in (f"select id from {table} where {column} like '4%'", f"select upper({column}) from {table}",
                f"select t from {table} t", f"create table public.copy as select {column} from {table}",
                f"select id from {table} order by {column}"):
        r = w.psql(sql)
        h.check(r.code != 0 and SECRET not in r.out, f"{sql}: {r}")
        h.has(r.err, "masked")
    for sql in (f"select count({column}) from {table}", f"select count({column}) from (select * from {table}) t"):
        r = w.psql(sql)
        h.check(r.code != 0, f"{sql}: {r}")
        h.has(r.err, "pans are not counted")
    h.eq(w.psql(f"copy {table} ({column}) to stdout").out, f"{SHOWN}\n{SHOWN}")
    h.eq(w.psql(f"select * from {table} where id = 1").out.split("|")[1], SHOWN)


def test_past_the_gateway():
    pg, w = fresh()
    for sql, table, column in MOVES:
        pg.super(sql, db=pg.database)
        seen(w, table, column, SHOWN)
        if sql in (MOVES[0][0], MOVES[-1][0]):
            closed(w, table, column)
        h.eq(w.psql(f"select {column} from {table} where id = 1", user="ana").out, SECRET)
    h.eq(w.stop(), 0)


def test_through_the_gateway():
    _, w = fresh()
    for sql, table, column in MOVES[:4]:
        r = w.psql(sql, user="ana")
        h.eq(r.code, 0, repr(r))
        seen(w, table, column, SHOWN)
    h.eq(w.psql("select pan from vault.shown where id = 1").out, SHOWN, "and the view")
    h.eq(w.stop(), 0)


def test_while_the_gateway_is_down():
    pg, w = fresh()
    h.eq(w.stop(), 0)
    for sql, _, _ in MOVES[:4]:
        pg.super(sql, db=pg.database)
    w.start()
    seen(w, "attic.old", "number", SHOWN)
    said = 'renamed=4: data classes cover these columns only by a name that they had'
    h.has(w.log(), said, '"attic.old.number" was "pay.cards.pan" (data pan)')
    w.kill()
    w.start()
    seen(w, "attic.old", "number", SHOWN)
    h.eq(w.stop(), 0)
    r = w.audit("tail", w.state, "--json")
    h.eq(r.code, 0, repr(r))
    h.has(r.out, "renamed-data", "attic.old.number")
    h.eq(os.stat(f"{w.state}/names").st_mode & 0o777, 0o600)
    os.unlink(f"{w.state}/names")
    w.start()
    h.wait_for(lambda: w.psql("select number from attic.old where id = 1").out == SECRET, 10, "by name alone")
    h.eq(w.stop(), 0)


def write(w, policy):
    with open(w.policy, "w") as f:
        f.write(policy)
    n = w.log().count("reloaded ")
    w.reload()
    h.wait_for(lambda: w.log().count("reloaded ") > n, 10, f"the reload: {w.log()}")


def test_a_policy_that_changes():
    pg, w = fresh()
    pg.super(MOVES[0][0], db=pg.database)
    seen(w, "pay.cards", "number", SHOWN)
    h.wait_for(lambda: "renamed=1" in w.log(), 5, w.log())
    # Taken out on purpose, put back, under another name of the class.
    write(w, RULES % "data pan = column pay.cards.other\n")
    seen(w, "pay.cards", "number", SECRET)
    h.wait_for(lambda: "unmatched=1" in w.log(), 5, "it says that nothing is masked by that")
    h.has(w.log(), "mask nothing by these names: pay.cards.other")
    write(w, (RULES % PAN).replace("pan  =", "code =").replace("uses(pan", "uses(code").replace("mask pan", "mask code"))
    seen(w, "pay.cards", "number", SHOWN)
    # As it should be: nothing more is said of it, and it goes on from there.
    told = w.log().count("renamed=")
    write(w, RULES % "data pan = column pay.cards.number\n")
    seen(w, "pay.cards", "number", SHOWN)
    pg.super(MOVES[1][0], db=pg.database)
    seen(w, "pay.old", "number", SHOWN)
    h.wait_for(lambda: w.log().count("renamed=") == told + 1, 5, w.log())
    h.has(w.log(), '"pay.old.number" was "pay.cards.number"')
    h.eq(w.stop(), 0)


def test_a_pattern_is_in_force_before_the_next_look():
    """What a reload brings is noted at once."""
    _, w = fresh(limit="60s")
    write(w, RULES % "data pan = column pay.cards.pan, column *.rows.id\n")
    # pay.rows.owner was before; E is the head of a string of five bytes.
    h.wait_for(lambda: b"rows" in open(f"{w.state}/names", "rb").read().replace(b"rowsEowner", b""), 10, "it is noted")
    h.eq(w.stop(), 0)


def test_dropped_and_made_again():
    pg, w = fresh()
    pg.super("drop table pay.cards cascade; create table pay.cards (id int, note text, pan text);"
             f"insert into pay.cards values (1, 'note', '{SECRET}'); alter table pay.cards owner to app", db=pg.database)
    seen(w, "pay.cards", "pan", SHOWN)
    h.eq(w.psql("select note from pay.cards").out, "note", "the second column is another one")
    # A column that takes the place of one that was renamed.
    pg.super("alter table pay.cards rename pan to number; alter table pay.cards add pan text default '5500000000005559'",
             db=pg.database)
    seen(w, "pay.cards", "number", SHOWN)
    h.eq(w.psql("select pan from pay.cards").out, "************5559")
    pg.super("alter table pay.cards drop number", db=pg.database)
    h.wait_for(lambda: w.psql("select pan, note from pay.cards").out == "************5559|note", 10, "the rest")
    h.eq(w.stop(), 0)


def test_a_partition_that_is_detached():
    pg, w = fresh()
    h.eq(w.psql("select pan from pay.logs_1").out, SHOWN)
    pg.super("alter table pay.logs detach partition pay.logs_1; alter table pay.logs_1 rename day to id", db=pg.database)
    seen(w, "pay.logs_1", "pan", SHOWN)
    h.wait_for(lambda: '"pay.logs_1.pan" was "pay.logs.pan" (data log)' in w.log(), 5, w.log())
    h.eq(w.stop(), 0)


def test_rows_that_are_dropped():
    pg, w = fresh()
    h.eq(w.psql("select * from pay.rows").out, "1|planner-7")
    pg.super("alter table pay.rows rename to lines", db=pg.database)
    h.wait_for(lambda: w.psql("select * from pay.lines").out == "1|planner-7", 10, "the same rows")
    # What a condition reads by its name is not known under another.
    pg.super("alter table pay.lines rename owner to whose", db=pg.database)
    h.wait_for(lambda: w.psql("select * from pay.lines").out == "", 10, "no rows")
    h.eq(w.stop(), 0)


def test_what_goes_on_record():
    """The value of a parameter that may be of the class is a digest, whatever the table is called."""
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg, w = fresh(POLICY + "record all-of-it who dba with parameters\n")
    pg.super("alter table pay.cards set schema attic; alter table attic.cards rename pan to number", db=pg.database)
    seen(w, "attic.cards", "number", SHOWN)
    with psycopg.connect(w.conninfo("ana"), autocommit=True) as c:
        c.execute("update attic.cards set number = %s where id = 99", ("6011000990139424",))
        c.execute("select day from pay.logs_1 where day = %s and 'plain' = %s", (1, "plain"))
    h.eq(w.stop(), 0)
    said = w.audit("tail", w.state, "--json", "-n", "1000").out
    h.lacks(said, "6011000990139424")
    h.has(said, '"hmac"', "attic.cards set number")


def test_another_database():
    """Numbers mean nothing in another one, nor does what is noted there take anything away here."""
    pg, w = fresh()
    pg.super(MOVES[0][0], db=pg.database)
    seen(w, "pay.cards", "number", SHOWN)
    h.eq(w.stop(), 0)
    oid = pg.super("select 'pay.cards'::regclass::oid", db=pg.database)
    other = h.Postgres()
    other.super("do $$ begin loop create table public.t (id int, a text, b text);"
                f" exit when 'public.t'::regclass::oid >= {int(oid)}; drop table t; end loop; end $$;"
                f"alter table t owner to app; insert into t values (1, '{SECRET}', '')", db="orders")
    w2 = h.Weir(other, policy=POLICY, state=w.state)
    h.wait_for(lambda: w2.psql("select a from t").out == SECRET, 10, "it is another column")
    h.wait_for(lambda: "names target=orders: it leads to another database" in w2.log(), 5, "it says so")
    h.eq(w2.stop(), 0)
    w.start()
    seen(w, "pay.cards", "number", SHOWN)
    h.eq(w.stop(), 0)


def test_a_file_that_is_damaged():
    _, w = fresh()
    h.eq(w.stop(), 0)
    path = f"{w.state}/names"
    whole = open(path, "rb").read()
    newer = b"\x82\x02" + whole[2:-32]
    for spoilt, says in ((whole[:-1], "is damaged"), (b"", "is damaged"), (b"x" + whole[1:], "is damaged"),
                         (whole.replace(b"pan", b"pin"), "is damaged"),
                         (newer + hashlib.sha256(newer).digest(), "is of another version")):
        with open(path, "wb") as f:
            f.write(spoilt)
        for args in ((), ("--check",)):
            r = h.weir("run", "-c", w.conf_path, *args)
            h.eq(r.code, 1, repr(r))
            h.has(r.out + r.err, f"{path} {says}", "restore it from a backup")
    with open(path, "wb") as f:
        f.write(whole)
    w.start()
    seen(w, "pay.cards", "pan", SHOWN)
    h.eq(w.stop(), 0)


BY_NAME = """policy names
group agents = idp "ai-agents"
group dba = idp "dba-oncall"
default allow
deny cards "cards are the DBA's"
  who agents
  do sql.select
  when table matches "pay.car*"
hold rows "somebody agrees"
  who agents
  do sql.delete
  for 1 of dba not self within 60s
  when table = "pay.rows"
"""


def test_nobody_renames_away_what_is_denied_to_them():
    pg, w = fresh(BY_NAME, look=False)
    refused = ("alter table pay.cards rename to open", "alter table pay.cards set schema attic",
               "alter table pay.rows rename to lines", "alter schema pay rename to vault",
               "begin; alter table pay.rows set schema attic; commit",
               "set search_path = pay; alter table cards rename to open")
    for sql in refused:
        r = w.psql(sql)
        h.check(r.code != 0, f"{sql}: {r}")
        h.has(r.err, "WEIR-RENAME", 'rule "')
    with_path = w.psql(input="set search_path = pay;\nalter table cards rename to open;\n")
    h.has(with_path.err, "WEIR-RENAME", 'rule "cards" is in force for you by the name of cards')
    h.has(w.psql("select pan from pay.cards").err, "cards are the DBA's")
    h.has(w.psql("alter table nothing rename to open").err, "does not exist")
    # Under the next name it is denied as well; nothing is denied of these, or to her.
    for sql in ("alter table pay.cards rename to carts", "alter table pay.logs rename to journal",
                "alter table pay.journal set schema attic", "alter view pay.shown rename to seen"):
        h.eq(w.psql(sql).code, 0, sql)
    h.eq(w.psql("alter table pay.carts rename to open", user="ana").code, 0)
    h.eq(w.psql("select pan from pay.open where id = 1").out, SECRET, "rules on tables are by name")
    # What people release, they have looked at.
    write(w, BY_NAME + "hold ddl who agents do sql.alter for 1 of dba not self within 60s\n")
    b = w.psql_start("alter table pay.rows rename to lines")
    h.eq(w.approvals("approve", w.pending()[0]["id"], "--reason", "planned").code, 0)
    h.eq(b.wait().code, 0)
    h.eq(w.stop(), 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
