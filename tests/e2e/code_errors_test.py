#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What functions and triggers of the database say while masks are in force: their texts are withheld unless the
policy vouches for them, on whatever table they stand; what is of the statement itself, and everything without masks,
is the server's."""
import os, re, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h
import lineage as g

PAN = g.PANS[0]
SQL = g.SQL + """
create schema code;
create table notes (id int primary key, what text, data jsonb);
create table plain (id int primary key references notes, n int);
create function code.say() returns trigger language plpgsql security definer set search_path = public as $$
declare p text := (select pan from cards where id = 1);
begin
  case new.what
    when 'notice' then raise notice 'notice %', p;
    when 'warning' then raise warning using message = 'w', detail = p, hint = p;
    when 'error' then raise exception 'error %', p;
    when 'fields' then raise exception using message = 'm', detail = p, hint = p, errcode = 'ZZ001', table = p, column = p,
      constraint = p, schema = p, datatype = p;
    when 'denied' then raise exception 'quiet %', p using errcode = '42501';
    when 'cast' then perform p::int;
    when 'dynamic' then execute format('select 1/0 as %I', p);
    when 'lines' then execute format(E'select\n%L::int', p);
    when 'config' then perform set_config('code.x', p, false); raise notice 'set';
    else null;
  end case;
  return new;
end $$;
create trigger says before insert on notes for each row execute function code.say();
create constraint trigger at_commit after insert on plain initially deferred for each row execute function code.late();
create function code.checked(n int) returns boolean language plpgsql as $$
  begin if n > 5 then raise exception 'n is % and at most 5', n using hint = 'less'; end if; return true; end $$;
create table checks (n int check (code.checked(n)));
create function code.inner_sql(n int) returns int language sql volatile as 'select 100 / $1';
"""
LATE = """create function code.late() returns trigger language plpgsql security definer set search_path = public as
  $$ begin raise exception 'late %', (select pan from cards where id = 1); end $$;
"""
SQL = SQL.replace("create constraint trigger", LATE + "create constraint trigger")
POLICY = """
policy p
default allow
group dba = idp "dba-oncall"
data card = column cards.{pan, n}
mask card with last(4) unless who dba
"""
WITHHELD = "withheld: a function or trigger of the database says it"
servers = []


def setup():
    for folder in (None, h.pg18()):
        pg = h.Postgres(sql=SQL, **({"folder": folder} if folder else {}))
        servers.append((pg, h.Weir(pg, policy=POLICY)))


def clients():
    for pg, weir in servers:
        yield (g.Client(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} dbname={pg.database}"),
               g.Client(weir.conninfo()), weir)


def reload(weir):
    n = weir.log().count("reloaded")
    weir.reload()
    h.wait_for(lambda: weir.log().count("reloaded") > n, 10, "the reload")


def test_what_triggers_say_is_withheld():
    for direct, c, _ in clients():
        c.run("insert into notes values (0, 'none')")
        for what, state in (("notice", None), ("warning", None), ("error", "P0001"), ("fields", "ZZ001"), ("denied", "42501"),
                            ("cast", "22P02"), ("dynamic", "22012"), ("lines", "22P02")):
            for ext in (False, True):
                sql = f"insert into notes values (1, '{what}')"
                said = direct.undone(sql, extended=ext)
                h.check(g.leaks(said.raw), f"{sql} says nothing: {said.raw}")
                a = c.undone(sql, extended=ext)
                h.check(not g.leaks(a.raw, small=True), f"{sql} leaks {a.raw}")
                h.check(WITHHELD.encode() in a.raw, f"{sql}: {a.raw}")
                h.eq(a.state, state, sql)
        h.eq(c.run("select count(*) from notes").rows, [("1",)], "the session goes on")


def test_at_the_end_of_a_transaction():
    for _, c, _ in clients():
        c.run("begin")
        h.eq(c.run("insert into plain values (0, 1)").error, None)
        a = c.run("commit")
        h.check(not g.leaks(a.raw) and a.state == "P0001", f"{a.raw}")
        h.has(a.error, WITHHELD)


def test_what_the_policy_vouches_for_passes():
    for _, c, weir in clients():
        h.has(c.run("insert into checks values (7)").error, WITHHELD)
        lines = weir.cli("functions", "-c", weir.conf_path, "orders").out.splitlines()
        trusted = [x for x in lines if re.search(r'"code\.(checked|inner_sql)\(', x)]
        h.eq(len(trusted), 2)
        with open(weir.policy, "w") as f:
            f.write(POLICY + "\n".join(trusted) + "\n")
        reload(weir)
        for path in ("public", "code, public"):
            c.run(f"set search_path = {path}")
            h.has(c.run("insert into public.checks values (7)").error, "n is 7 and at most 5", "less")
        h.has(c.run("select code.inner_sql(0)").error, "division by zero")
        h.has(c.run("insert into public.notes values (1, 'error')").error, WITHHELD)
        with open(weir.policy, "w") as f:
            f.write(POLICY)
        reload(weir)


def test_what_is_of_the_statement_passes():
    """Errors of what the client sent itself, and of the server's own work for it."""
    for direct, c, _ in clients():
        for sql in ("select 'x'::int", "select '{\"a\": x}'::jsonb", "select id / 0 from orders",
                    "insert into orders (id, amount) values (99, 'x')", "select * from nowhere",
                    "insert into notes (id, data) values (5, '[1')", "select pg_catalog.sqrt(-1)"):
            a, b = direct.undone(sql), c.undone(sql)
            h.eq(b.state, a.state, sql)
            h.check("withheld" not in b.error, f"{sql}: {b.error}")


def test_without_masks_it_is_the_servers():
    for (pg, weir), (direct, _, _) in zip(servers, clients()):
        ana = g.Client(weir.conninfo(user="ana"))
        for what in ("notice", "warning", "error", "fields", "dynamic"):
            sql = f"insert into notes values (1, '{what}')"
            h.eq(ana.undone(sql).raw, direct.undone(sql).raw, sql)


h.main(test_what_triggers_say_is_withheld, test_at_the_end_of_a_transaction, test_what_the_policy_vouches_for_passes,
       test_what_is_of_the_statement_passes, test_without_masks_it_is_the_servers, setup=setup)
