#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Types of what calls are given, on PostgreSQL 15 and 18: where they can be told, a call means what the server
takes it for, and is open though something user-defined has its name; where they cannot, it is refused."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

try:
    import psycopg
except ImportError:
    psycopg = None

# What somebody defined says CHOSEN; none of it has a built-in beside it that literals would mean in any case.
SQL = """
create type mood as enum ('sad', 'happy');
create domain word as text;
create domain moods as mood;
create type soft as enum ('x', 'y');
create table users (id int primary key, note text, feeling mood, said word, felt moods, mild soft);
insert into users values (1, 'one', 'sad', 'hm', 'happy', 'x');
create table plain (id int, note text, n bigint, ids int[], said word);
insert into plain values (1, 'one', 10, '{1,2}', 'hm'), (2, 'two', 20, '{3}', null);
create function chosen() returns text language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create function lower(mood, int default 1) returns text language sql as 'select chosen()';
create function upper(anyenum, int default 1) returns text language sql as 'select chosen()';
create function md5(soft, int default 1) returns text language sql as 'select chosen()';
create function ascii(word, int default 1) returns int language sql as 'select length(chosen())';
create function array_length(mood[], int) returns int language sql as 'select length(chosen())';
create function numbered(int, bigint) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator # (leftarg = int, rightarg = bigint, procedure = numbered);
create function below(numeric, int) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator <= (leftarg = numeric, rightarg = int, procedure = below);
create function same(mood, text) returns boolean language plpgsql as $$ begin raise exception 'CHOSEN'; end $$;
create operator = (leftarg = mood, rightarg = text, procedure = same);
"""
servers = []


def setup():
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    for folder in (None, h.pg18()):
        pg = h.Postgres(folder=folder, sql=g.SQL + SQL)
        servers.append((pg, h.Weir(pg, policy=g.POLICY)))


def direct(pg):
    return f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}"


def opens(sql):
    """As the server answers it itself."""
    for pg, weir in servers:
        c, d = g.Client(weir.conninfo()), g.Client(direct(pg))
        for line in sql.strip().splitlines():
            for ext in (False, True):
                a, b = d.run(line, extended=ext), c.run(line, extended=ext)
                h.eq((a.error, b.error), (None, None), line)
                h.eq(a.rows, b.rows, line)


def refuses(sql):
    """What the server takes for what somebody defined, or an error."""
    for pg, weir in servers:
        c, d = g.Client(weir.conninfo()), g.Client(direct(pg))
        for line in sql.strip().splitlines():
            for ext in (False, True):
                a, b = d.run(line, extended=ext), c.run(line, extended=ext)
                h.check(a.error, f"{line}: the server runs it")
                h.eq(b.state, "42501", f"{line}: {b.error} {b.rows}")


def test_values_that_become_one():
    opens("""
select lower(case when id > 0 then note end) from plain
select lower(case id when 1 then note else 'x' end), md5(case note when 'one' then said else note end) from plain
select lower(coalesce(note, 'x')), upper(greatest(note, 'm')), upper(least(said, note)) from plain
select lower(nullif(note, 'one')), lower(nullif('x', note)) from plain
select lower((select note from plain p where p.id = q.id)) from plain q
select lower((select 'A' union select null order by 1 limit 1)), lower((select coalesce(note, 'x') from plain limit 1))
select array_length(array[id, 1], 1), array_length(array['x', note], 1) from plain
select array_length(array(select id from plain), 1), array_length(array[ids, ids], 1) from plain where ids <> '{3}'
select lower(case when feeling is null then 'A' else note end) from users
select ascii(coalesce(said, 'x')), ascii(coalesce(said, note)) from plain
""")
    refuses("""
select lower(case when id > 0 then feeling end) from users
select lower(case when id > 0 then null else feeling end) from users
select lower(coalesce(feeling, 'sad')) from users
select lower(coalesce('sad', felt)) from users
select lower(greatest('sad', feeling)) from users
select lower(nullif(feeling, 'sad')) from users
select lower((select feeling from users))
select lower((select null union select feeling from users order by 1 limit 1))
select upper((select coalesce(feeling, 'sad') from users))
select ascii(coalesce(said, said)) from users
select array_length(array[feeling], 1) from users
select array_length(array['sad', feeling], 1) from users
select array_length(array(select feeling from users), 1)
select array['sad']::mood[] = array[feeling], lower((array[feeling])[1]) from users
select coalesce(id, 1) # coalesce(n, 1) from plain
select case feeling when 'sad'::text then 1 end from users
select lower(coalesce(feeling, id)) from users
select lower((values ('sad'::mood)))
""")


def test_parameters():
    """Declared by Parse or PREPARE; else as a literal without a type, where it is used once."""
    for pg, weir in servers:
        d, c = (psycopg.connect(x, autocommit=True) for x in (direct(pg), weir.conninfo()))
        oid = {n: int(pg.super(f"select '{n}'::regtype::oid::int", db=pg.database))
               for n in ("mood", "soft", "word", "text", "int", "bigint", "moods")}
        for sql, types, state in (
                ("select lower($1)", [], None), ("select lower($1)", ["text"], None),
                ("select lower($1)", [None, "int"], None), ("select id from plain where note = $1 and id = $2", [], None),
                ("select lower(coalesce($1, $2))", [], None), ("select lower(coalesce($1, $2))", ["text"], None),
                ("select lower($1), upper($1)", ["text"], None), ("select 1 # $1", ["int"], None),
                ("select id # $1 from plain", [], None), ("select n = $1, id # $2 from plain", [], None),
                ("select lower($1)", ["mood"], "42501"), ("select lower($1)", ["moods"], "42501"),
                ("select n = $1, id # $1 from plain", [], "42501"), ("select coalesce(n, $1), id # $1 from plain", [], "42501"),
                ("select $1 between 1.5::numeric and 1", [], "42501"), ("select $1 <= 1", [], None),
                ("select n between $1 and 1, id # $1 from plain", [], "42501"),
                ("select lower(coalesce($1, $2))", ["mood"], "42501"), ("select lower(coalesce($2, $1))", ["mood"], "42501"),
                ("select 1 # $1", ["bigint"], "42501"), ("select $1 = $2", ["mood", "text"], "42501"),
                ("select ascii($1)", ["word"], "42501"), ("select lower((select $1))", ["mood"], "42501")):
            params = [None] * max(int(x[1:]) for x in sql.replace(")", " ").replace(",", " ").replace(":", " ").split()
                                  for x in [x[x.find("$"):]] if x[0] == "$")
            oids = [oid[t] if t else 0 for t in types] + [0] * (len(params) - len(types))
            a, b = (x.pgconn.exec_params(sql.encode(), params, param_types=oids[:len(params)]) for x in (d, c))
            states = [r.error_field(psycopg.pq.DiagnosticField.SQLSTATE) for r in (a, b)]
            h.check((states[0] is None) == (state is None), f"{sql}: the server says {states[0]}")
            h.eq(states[1].decode() if states[1] else None, state, f"{sql} {types}: {b.error_message}")
        for sql, open_ in (("prepare a as select lower($1)", True), ("prepare b(text) as select lower($1), upper($1)", True),
                           ("prepare c(mood) as select lower($1)", False), ("prepare d as select n = $1, id # $1 from plain", False),
                           ("prepare e(mood[]) as select array_length($1, 1)", False),
                           ("prepare f(unknown) as select n = $1, id # $1 from plain", False),
                           ("prepare g(int) as select id # $1 from plain where n = $1", True)):
            d.execute(sql)
            r = c.pgconn.exec_(sql.encode())
            h.eq(r.error_message == b"", open_, f"{sql}: {r.error_message}")
        # What EXECUTE runs may have been declared otherwise by Parse.
        c.pgconn.prepare(b"wire", b"select lower($1)", param_types=[oid["text"]])
        h.check(c.pgconn.exec_prepared(b"wire", [None]).error_message == b"", "declared by Parse")
        h.has(c.pgconn.exec_(b"execute wire(null)").error_message.decode(), "user-defined")
        c.close()


def test_a_function_that_others_define_meanwhile():
    """Judged as a built-in's, looked up by the server when there is another: its result does not go on."""
    for pg, weir in servers:
        own = ("create function public.lower(varchar) returns text security definer language sql set search_path = public "
               "as 'select pan from cards where id = 1'")
        for sql, ext in (("select lower('x'::varchar)", False), ("select lower('x'::varchar)", True),
                         ("select lower(note::varchar) from plain", False)):
            c, locks = g.Client(weir.conninfo()), psycopg.connect(f"host=127.0.0.1 port={pg.port} user=postgres password=pw "
                                                                  f"dbname={pg.database}")
            dba = psycopg.connect(weir.conninfo("ana", "k-ana"), autocommit=True)
            h.eq(c.run(sql).error, None, "it is the built-in")
            locks.execute("lock table orders in access exclusive mode")
            c.sock.sendall(g._frame(b"Q", g._z("select count(*) from orders")) + (
                g._frame(b"P", g._z("") + g._z(sql) + bytes(2)) + g._frame(b"B", bytes(8)) +
                g._frame(b"E", bytes(5)) + g._frame(b"S") if ext else g._frame(b"Q", g._z(sql))))
            h.wait_for(lambda: pg.super("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") != "0",
                       20, "the wait")
            dba.execute(own)
            locks.commit()
            raw = b""
            while raw.count(b"Z\0\0\0\5I") < 2:
                raw += c.sock.recv(65536)
            h.check(b"SELECT 1\0" in raw, raw)  # the one that waited
            h.check(g.PANS[0].encode() not in raw and b"55006" in raw, f"{sql}: {raw}")
            h.eq(c.run(sql).state, "42501", "it is judged by what it means now")
            dba.execute("drop function public.lower(varchar)")
            dba.close()
            locks.close()


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
