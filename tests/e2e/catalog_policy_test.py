#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`catalog "FILE"` and a real PostgreSQL: what pg_dump writes is read, and the gateway says what the server
lacks of it."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SQL = """
create schema shop;
create type shop.state as enum ('new', 'it''s "odd"; really');
create domain shop.mail as text check (value ~ '@');
create table shop.orders (id int generated always as identity primary key, state shop.state default 'new',
  "Odd Name" text, total numeric(10, 2) check (total >= 0), made timestamptz default now(), mail shop.mail, tags text[],
  half numeric generated always as (total / 2) stored) partition by range (id);
create table shop.orders_1 partition of shop.orders for values from (0) to (1000);
create table shop.lines (order_id int not null, note text, unique (order_id, note));
alter table shop.lines add foreign key (order_id) references shop.orders deferrable;
create table shop.old (like shop.lines including all);
create table shop.more () inherits (shop.old);
create view shop.open as select o.*, l.note from shop.orders o left join shop.lines l on l.order_id = o.id
  where o.state = 'new';
create view shop.new as select * from shop.lines where note <> '' with local check option;
create materialized view shop.sums as select state, sum(total) as total from shop.orders group by state with no data;
create function shop.f(x int) returns int language sql as $$ select 1; select x; $$;
create function shop.g() returns int language sql begin atomic select case when true then 1 else 2 end; end;
create function shop.t() returns trigger language plpgsql as $_$ begin return new; end; $_$;
create trigger t before insert on shop.lines for each row execute function shop.t();
create rule r as on delete to shop.lines do also (notify gone; select 1);
create index on shop.orders (lower("Odd Name")) where total > 5;
alter table shop.lines enable row level security;
create policy mine on shop.lines using (note <> ';');
comment on table shop.lines is 'a; b -- c';
create sequence shop.s; create aggregate shop.a(int) (sfunc = int4pl, stype = int);
grant select on shop.lines to public;
alter default privileges in schema shop grant select on tables to public;
create statistics shop.st on order_id, note from shop.lines;
"""
POLICY = """policy shop
group agents = idp "ai-agents"
target orders = postgres "orders"
catalog "shop.sql"
data name = column shop.orders."Odd_Name"
data mail = column shop.orders.mail
allow read who agents do sql.basics, sql.select
mask mail with last(4)
test "through a view"
  as agent "a" in agents on orders
  run "select mail, note from shop.open"
  row (mail: "ana@example.com") expect (mail: "***********.com")
test "an enumeration"
  as agent "a" in agents on orders
  run "select total, state from shop.sums"
  expect allow by read
""".replace('data name = column shop.orders."Odd_Name"\n', "")
pg = None


def setup():
    global pg
    pg = h.Postgres(sql=SQL)


def dump(folder):
    r = h.run([h.pg_bin("pg_dump"), "--schema-only", "-h", "127.0.0.1", "-p", str(pg.port), "-U", "postgres",
               "-d", pg.database], env={"PGPASSWORD": "pw"})
    h.eq(r.code, 0, repr(r))
    with open(f"{folder}/shop.sql", "w") as f:
        f.write(r.out)


def test_what_pg_dump_writes():
    weir = h.Weir(pg, policy=POLICY, start=False)
    dump(weir.dir)
    r = h.weir("check", weir.policy)
    h.eq(r.code, 0, repr(r))
    r = h.weir("test", weir.policy)
    h.eq(r.code, 0, repr(r))
    with open(weir.policy, "a") as f:
        f.write('data gone = column shop.lines.nota\nmask gone with null\n')
    r = h.weir("check", weir.policy)
    h.check(r.code == 1, repr(r))
    h.has(r.out + r.err, "E0667", "did you mean 'note'?")


def test_the_log_says_what_is_missing():
    weir = h.Weir(pg, policy=POLICY, start=False)
    dump(weir.dir)
    weir.start()
    h.eq(weir.psql("select mail from shop.orders").out, "")
    h.lacks(weir.log(), "lacks=")
    pg.super("alter table shop.lines rename note to remark; drop table shop.more", db=pg.database)
    h.eq(weir.psql("select mail from shop.orders").out, "")
    weir.stop()
    weir.start()
    h.wait_for(lambda: "lacks=" in weir.log(), 20)
    h.has(weir.log(), "catalog target=orders lacks=2", "shop.more", "shop.lines.note")
    h.eq(weir.stop(), 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
