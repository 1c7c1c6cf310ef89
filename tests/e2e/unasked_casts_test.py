#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Casts that code makes where nobody wrote one: the server takes them for conditions, limits, arguments and what is
stored. Under masks they are calls like others, of what may have read anything."""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

SQL = f"""
create type mood as enum ('sad', 'happy');
create table users (id int primary key, note text, feeling mood, n bigint, b boolean, at timestamptz, moods mood[]);
insert into users values (1, 'one', 'sad', 5, true, now(), '{{sad}}');
create table target (x text, k bigint, b boolean, m mood);
create table plain (id int, note text, n bigint); insert into plain values (1, 'p', 2);
create function peek() returns text language sql security definer set search_path = public as
  'select pan from cards where id = 1';
create function as_text(mood) returns text language sql as 'select peek()';
create function as_number(mood) returns bigint language sql as 'select length(peek())';
create function as_boolean(mood) returns boolean language sql as 'select peek() > ''a''';
create function as_mood(text) returns mood language sql as 'select case when peek() > ''a'' then ''sad''::mood end';
create cast (mood as text) with function as_text(mood) as implicit;
create cast (mood as bigint) with function as_number(mood) as implicit;
create cast (mood as boolean) with function as_boolean(mood) as assignment;
create cast (text as mood) with function as_mood(text) as assignment;
create view hidden as select id from users where feeling;
create view shown as select id, feeling, note from users;
grant all on all tables in schema public to public;
"""
BETWEEN_BUILT_INS = """
create function as_bigint(timestamptz) returns bigint language sql as 'select length(peek())';
create cast (timestamptz as bigint) with function as_bigint(timestamptz) as implicit;
"""
REFUSED = """
select upper(feeling) from users
select length(s.feeling) from shown s
select note like feeling from users
select string_agg(feeling, ',') from users
select id from users where feeling
select case when feeling then 1 end from users
select count(*) filter (where feeling) from users
select id from users limit (select feeling from users limit 1)
select id from users where n in (feeling, 4)
select n > (select feeling from users limit 1) from users
select id from users u join users w on w.feeling
insert into target(x) select feeling from users
insert into target(b) select feeling from users
insert into target(m) select note from users
insert into target(m) values ('sad'::text)
insert into users(id, note) values (1, 'x') on conflict (id) do update set note = excluded.feeling
update users set note = feeling
update users set feeling = note
update users set moods[1] = note
update users set (n, note) = (feeling, note)
delete from users where feeling
merge into users u using plain p on u.id = p.id when matched and u.feeling then do nothing
prepare p(mood) as select upper($1)
select id from hidden
"""
OPEN = """
select * from users
select id, feeling from users where id = 1
select id, feeling, upper(note) from shown
select upper(note), n + 1 from plain where id = 1
insert into plain select id, note, n from users
update users set note = 'x' where id = 1
select upper('sad'), count(*) from plain
"""
pg = weir = None


def setup():
    global pg, weir
    pg = h.Postgres(sql=g.SQL)
    pg.super(SQL, db=pg.database)
    weir = h.Weir(pg, policy=g.POLICY)


def reload():
    n = weir.log().count("reloaded")
    weir.reload()
    h.wait_for(lambda: weir.log().count("reloaded") > n, 10, "the reload")


def statements(text):
    return [(sql, ext) for sql in text.strip().splitlines() for ext in (False, True)]


def test_refused():
    c = g.Client(weir.conninfo())
    for sql, ext in statements(REFUSED):
        a = c.run(sql, extended=ext)
        h.eq(a.state, "42501", f"{sql}: {a.error} {a.rows}")


def test_what_needs_none_is_open():
    c = g.Client(weir.conninfo())
    for sql, ext in statements(OPEN):
        h.eq(c.run(sql, extended=ext).error, None, sql)


def test_vouched():
    """As for any function: by name and digest."""
    listed = weir.cli("functions", "-c", weir.conf_path, "orders").out
    trust = re.findall(r'trust function "public\.as_(?:text|mood|number|boolean)\(.*', listed)
    h.eq(len(trust), 4, listed)
    for n, state in ((3, "42501"), (4, None)):
        with open(weir.policy, "w") as f:
            f.write(g.POLICY + "\n".join(trust[:n]) + "\n")
        reload()
        h.eq(g.Client(weir.conninfo()).run("select 1 from users where id = 0 and note like feeling").state, state, n)
    with open(weir.policy, "w") as f:
        f.write(g.POLICY)
    reload()


def test_between_built_in_types():
    """Nobody knows where: only what shows bare columns is left."""
    pg.super(BETWEEN_BUILT_INS, db=pg.database)
    weir.stop()
    weir.start()
    c = g.Client(weir.conninfo())
    for sql, ext in statements("select n, at from users\nselect * from plain"):
        h.eq(c.run(sql, extended=ext).error, None, sql)
    for sql, ext in statements("update users set n = at\nselect n = any (array[at]) from users\n"
                               "select id from users where n between at and 7\ninsert into target(k) values (now())\n"
                               "prepare q(bigint) as select $1"):
        h.eq(c.run(sql, extended=ext).state, "42501", sql)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
