#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ways around the masks under a policy that allows everything else: attribute notation, code that
runs later, names that change their meaning on the wire (design: PostgreSQL 1 to 5)."""
import os, struct, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "4111111111111111"
LEAK = "language sql as 'select pan from payments.cards limit 1'"
SQL = f"""
create table orders (id int primary key, note text, amount numeric);
insert into orders select i, 'note ' || i, i * 1.5 from generate_series(1, 10) i;
create schema payments;
create table payments.dept (id int primary key);
insert into payments.dept values (1), (2);
create table payments.cards (id int primary key, holder text not null, pan text not null,
  n bigint default {SECRET}, dept int not null default 1 check (dept < 100)
  references payments.dept on delete set null on update cascade);
insert into payments.cards values (1, 'Ada', '{SECRET}'), (2, 'Bob', '5500000000000004');
create table payments.solo (id int, pan text);
insert into payments.solo values (1, '{SECRET}');
create table payments.ranked (id int primary key, holder text, pan text);
insert into payments.ranked values (1, 'Ada', '5500000000000004'), (2, 'Bob', '{SECRET}'), (3, 'Ada', '5500000000000004');
create index by_pan on payments.ranked (pan) include (id);
create schema decoy;
create table decoy.cards (id int, pan text);
create schema later;
create function leak() returns text {LEAK};
create function leak_im() returns text immutable {LEAK};
create function of_order(orders) returns text {LEAK};
create function of_any(anyelement) returns text language plpgsql as
  $$ begin return (select pan from payments.cards limit 1); end $$;
"""
POLICY = """
policy p "x"
default allow
group dba = idp "dba-oncall"
data card = column payments.cards.pan, column payments.cards.n, column payments.solo.pan, column payments.ranked.pan
mask card with last(4) unless who dba
deny no-file "no files" do sql.file
deny unbounded-write "no where" do sql.update when sql.where-constant
"""
WAYS = f"""
select c.row_to_json from payments.cards c
select c.concat from payments.cards c
select payments.cards.to_jsonb from payments.cards
select x.row_to_json from (payments.cards c join orders o on c.id = o.id) as x
select o.of_order from orders o
select (o).of_order from orders o
select s.of_any from (select 1 as a) s
select v.of_any from (values (1)) v
prepare p as select pan from payments.cards; | create table kept as execute p; | select * from kept
prepare p as select 1 as pan; | deallocate p; prepare p as select pan from payments.cards; create table kept2 as execute p | select * from kept2
create table d (x text default leak()) | insert into d default values returning x
create table d2 (x text) | alter table d2 alter x set default leak() | insert into d2 default values returning x
create table d3 (x text); | alter table d3 add y text default leak() | insert into d3 default values returning *
create domain dom as text default leak() | create table d4 (x dom) | insert into d4 default values returning x
create function f2() returns text {LEAK} | create table d5 (x text default f2()) | insert into d5 default values returning x
create rule r as on insert to orders do also select pan || '' from payments.cards | insert into orders values (901)
create function trg() returns trigger language plpgsql as $$ begin new.note := leak(); return new; end $$ | create trigger t before insert on orders for each row execute function trg() | insert into orders values (902) returning note
create schema s2 create table a (x text) create trigger t before insert on a execute function trg()
create index on payments.cards ((pan::int))
create index on payments.cards (id) where pan::int > 0
create unique index on payments.cards ((left(pan, 0)))
create statistics st on (pan::int), (id + 1) from payments.cards | analyze payments.cards
create table exc (a text, exclude using btree ((leak_im()) with =)); | insert into exc values (1), (2)
create table prt (a text) partition by list ((leak_im())); | create table prt1 partition of prt for values in ('x') | insert into prt values (1)
create policy pol on payments.cards using (pan like '4%')
alter schema payments rename to pay2 | select pan from pay2.cards
create table par (id int, pan text) partition by list (id) | alter table par attach partition payments.solo default | select pan from par | select pan || '' from par
delete from payments.dept where id = 1
update payments.dept set id = 1000 where id = 1
alter role app set search_path = payments
""".strip().splitlines()
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=SQL)
    weir = h.Weir(pg, policy=POLICY)


def test_no_way_to_the_masked_value():
    leaked = []
    for way in WAYS:
        r = weir.psql(input=";\n".join(way.split(" | ")) + ";\n", timeout=20,
                      options=("-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose"))
        if SECRET in r.out + r.err:
            leaked.append(way)
    h.eq(leaked, [], "statements that leak")
    h.eq(pg.query("select count(*) from pg_policy"), "0")
    h.eq(pg.query("select rolconfig is null from pg_roles where rolname = 'app'"), "t")


BY_INDEX = ["set enable_seqscan = off", "set local enable_bitmapscan to off", "set session random_page_cost = 0", "set seq_page_cost = 9",
            "set cpu_index_tuple_cost = 0", "set effective_cache_size = '9TB'", "set cursor_tuple_fraction = 0",
            "select set_config('enable_seqscan', 'off', false)", "alter database orders set enable_seqscan = off",
            "update pg_settings set setting = 'off' where name = 'enable_seqscan'"]


def test_rows_do_not_come_in_the_order_of_values():
    """Who chooses how the server reads a table could compare a value with those of rows that he adds."""
    read = "select id from payments.ranked"
    h.eq(pg.query(f"set enable_seqscan = off; {read}"), "2\n1\n3", "the order of an index")
    for way in BY_INDEX:
        h.has(weir.psql(f"begin; {way}").err, "WEIR-PINNED-SETTING")
        h.eq(weir.psql(input=f"begin;\n{way};\n{read};\nrollback;\n{read};\n", options=("-v", "ON_ERROR_STOP=0")).out, "1\n2\n3")
    argv = h.psql_argv(weir.port, "planner-7", "orders", read)
    r = h.run(argv, env={"PGPASSWORD": h.KEYS["planner-7"], "PGOPTIONS": "-c enable_seqscan=off"})
    h.has(r.err, "masks are in force")
    h.eq(r.out, "")
    h.eq(weir.psql(f"reset enable_seqscan; set enable_sort to default; set work_mem = '5MB'; set jit_above_cost = -1; reset all; {read}").out, "1\n2\n3")
    h.eq(weir.psql(f"set enable_seqscan = off; {read}", user="ana").out, "2\n1\n3", "who is under no mask")


def test_nor_does_an_index_tell_which_are_the_same():
    for sql in ("create unique index on payments.ranked (pan) where id in (1, 3)", "create index on payments.ranked (holder, pan)",
                'create index concurrently on payments.ranked (pan collate "C" desc)', "create index on payments.ranked using brin (pan)"):
        r = weir.psql(sql, options=("-v", "VERBOSITY=verbose"))
        h.has(r.err, "ranked.pan is masked and may not be in an index", "WEIR-MASKED-USE")
    pg.super("alter table payments.ranked rename pan to moved", db="orders")
    h.has(weir.psql("create index on payments.ranked (moved)").err, "ranked.moved is masked")
    pg.super("alter table payments.ranked rename moved to pan", db="orders")
    h.eq(weir.psql("create index mine on payments.ranked (holder); drop index payments.mine").code, 0)
    h.eq(weir.psql("begin; create table fresh (pan text); create unique index on fresh (pan); rollback").code, 0)


def test_attribute_notation_is_the_call_it_is():
    for sql in ("select ('/etc/hostname'::text).pg_read_file",
                "select f.pg_read_file from unnest(array['/etc/hostname']) f"):
        h.has(weir.psql(sql).err, "no-file")


def test_a_condition_that_is_always_true_is_none():
    h.has(weir.psql("update orders set note = 'x' where id in (0, id)").err, "unbounded-write")


def test_ordinary_ddl_and_names_still_work():
    r = weir.psql(input="""
create table plain (id serial primary key, t timestamptz default now(),
  n text default 'x' check (length(n) < 5), g int generated always as (1) stored);
create index on plain (lower(n)) where id > 3;
alter table plain add z int default 3;
alter table plain add check (z > 0);
insert into plain default values;
select p.n, p.z, s.g, p.ctid is not null, v.a from plain p, (select g from plain) s, (values (7)) v(a);
drop table plain;
""")
    h.eq(r.code, 0, repr(r))
    h.eq(r.out, "x|3|1|t|7")


# -- the wire ------------------------------------------------------------------------------------

def frame(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def z(s):
    return s.encode() + b"\0"


def query(s):
    return frame("Q", z(s))


def parse(name, s):
    return frame("P", z(name) + z(s) + b"\0\0")


def bind(portal, name):
    return frame("B", z(portal) + z(name) + bytes(6))


def describe(kind, name):
    return frame("D", kind.encode() + z(name))


def execute(portal):
    return frame("E", z(portal) + bytes(4))


SYNC = frame("S")
SAFE = "select holder from payments.cards where id = 1"
PAN = "select pan from payments.cards where id = 1"
UNION = "select pan from cards union all select 'x'"  # the server names no table then
SWAP = f"close c; declare c cursor for {PAN}"
PORTAL_C = parse("s", SAFE) + bind("c", "s") + describe("P", "c") + SYNC
PREPARED = "select pan, holder from payments.cards where id = 1"
TURNED = "select holder, pan from payments.cards where id = 1"
GAMES = {  # what is sent, and how many ReadyForQuery to wait for
    "statement replaced in flight": [
        (parse("s", SAFE) + describe("S", "s") + SYNC, 1),
        (query(f"deallocate s; prepare s as {PAN}") + bind("", "s") + execute("") + SYNC, 2)],
    "statement replaced in a pipeline": [
        (parse("s", SAFE) + describe("S", "s") + parse("d", "deallocate s") +
         parse("p", f"prepare s as {PAN}") + SYNC, 1),
        (bind("", "d") + execute("") + bind("", "p") + execute("") + bind("", "s") + execute("") +
         SYNC, 1)],
    "portal replaced": [(query("begin"), 1), (PORTAL_C, 1), (query(SWAP), 1),
                        (execute("c") + SYNC, 1)],
    "portal replaced in flight": [(query("begin"), 1), (PORTAL_C, 1),
                                  (query(SWAP) + execute("c") + SYNC, 2)],
    "portal gone by rollback": [
        (query("begin; savepoint a"), 1), (PORTAL_C, 1),
        (query(f"rollback to a; declare c cursor for {PAN}"), 1), (execute("c") + SYNC, 1)],
    "portal of a binary cursor": [
        (query("begin; declare c binary cursor for select n from payments.cards"), 1),
        (execute("c") + SYNC, 1)],
    "FETCH described before": [
        (query(f"begin; declare c cursor for {SAFE}"), 1),
        (parse("f", "fetch all c") + describe("S", "f") + SYNC, 1), (query(SWAP), 1),
        (bind("", "f") + execute("") + SYNC, 1)],
    "FETCH bound before": [
        (query(f"begin; declare c cursor for {SAFE}"), 1),
        (parse("f", "fetch all c") + bind("pf", "f") + describe("P", "pf") + SYNC, 1),
        (query(SWAP), 1), (execute("pf") + SYNC, 1)],
    "FETCH of a wire portal": [
        (query("begin"), 1), (PORTAL_C, 1), (parse("f", "fetch c") + describe("S", "f") + SYNC, 1),
        (frame("C", b"P" + z("c")) + parse("t", PAN) + bind("c", "t") + SYNC, 1),
        (bind("", "f") + execute("") + SYNC, 1)],
    "EXECUTE described before": [
        (query(f"prepare p as {PREPARED}"), 1),
        (parse("x", "execute p") + describe("S", "x") + SYNC, 1),
        (query(f"deallocate p; prepare p as {TURNED}"), 1), (bind("", "x") + execute("") + SYNC, 1)],
    "EXECUTE bound before": [
        (query(f"begin; prepare p as {PREPARED}"), 1),
        (parse("x", "execute p") + bind("px", "x") + describe("P", "px") + SYNC, 1),
        (query(f"deallocate p; prepare p as {TURNED}"), 1), (execute("px") + SYNC, 1)],
    "EXECUTE in flight": [
        (query("prepare p as select 1 as pan"), 1),
        (query(f"deallocate p; prepare p as {PAN}") + query("create table kept3 as execute p"), 2),
        (query("select * from kept3"), 1)],
    "portal of another path": [
        (query("begin; set search_path = payments"), 1), (parse("u", UNION) + bind("pu", "u") + SYNC, 1),
        (query("set search_path = decoy"), 1), (execute("pu") + SYNC, 1)],
    "portal bound behind what sets the path": [
        (query("begin; set search_path = decoy"), 1),
        (parse("u", UNION) + parse("g", "set search_path = payments") + SYNC, 1),
        (bind("", "g") + execute("") + bind("pu", "u") + SYNC, 1),
        (query("set search_path = decoy"), 1), (execute("pu") + SYNC, 1)],
    "cursor of another path": [
        (query("begin; set search_path = payments"), 1), (query(f"declare cu cursor for {UNION}"), 1),
        (query("set search_path = decoy"), 1), (query("fetch all cu"), 1)],
    "table made before the one that was prepared": [
        (query("set search_path = later, payments"), 1), (parse("u", UNION) + SYNC, 1),
        (query(f"prepare pu as {UNION}"), 1), (query("create table later.cards (id int, pan text)"), 1),
        (query("select count(*) from orders"), 1), (bind("", "u") + execute("") + SYNC, 1),
        (query("execute pu"), 1), (query("drop table later.cards"), 1)],
    "error of a constraint": [
        (parse("", "delete from payments.dept where id = 1") + bind("", "") + execute("") + SYNC, 1)],
}


def answers(sock, n):
    """All frames up to the n-th ReadyForQuery, or the end of the session."""
    data, at = b"", 0
    while n:
        while len(data) - at < 5 or len(data) - at < 1 + struct.unpack_from("!I", data, at + 1)[0]:
            more = sock.recv(65536)
            if not more:
                return data
            data += more
        n -= data[at:at + 1] == b"Z"
        at += 1 + struct.unpack_from("!I", data, at + 1)[0]
    return data


def play(steps):
    import psycopg, socket
    c = psycopg.connect(weir.conninfo(), autocommit=True)  # for its authentication
    with socket.socket(fileno=os.dup(c.pgconn.socket)) as sock:
        sock.setblocking(True)
        sock.settimeout(10)
        out = b""
        for data, ready in steps:
            try:
                sock.sendall(data)
            except OSError:
                break
            out += answers(sock, ready)
    c.pgconn.finish()
    return out


def test_names_mean_on_the_wire_what_was_judged():
    leaked = []
    for name, steps in GAMES.items():
        out = play(steps)
        if SECRET.encode() in out or struct.pack("!q", int(SECRET))[-4:] in out:
            leaked.append(name)
    h.eq(leaked, [], "games that leak")


def test_the_pan_itself_comes_back_masked():
    h.has(play([(parse("", PAN) + bind("", "") + execute("") + SYNC, 1)]).decode(errors="replace"),
          "************1111")


h.main(test_no_way_to_the_masked_value, test_rows_do_not_come_in_the_order_of_values,
       test_nor_does_an_index_tell_which_are_the_same, test_attribute_notation_is_the_call_it_is,
       test_a_condition_that_is_always_true_is_none, test_ordinary_ddl_and_names_still_work, test_names_mean_on_the_wire_what_was_judged,
       test_the_pan_itself_comes_back_masked, setup=setup)
