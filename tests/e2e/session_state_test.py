#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Settings that decide what names mean and who asks: judged as the server has them, from the
startup packet on, through transactions and pipelines."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "4111111111111111"
SQL = f"""
create table cards (id int, pan text);
insert into cards values (1, '{SECRET}');
create schema open;
create table open.cards (id int, pan text);
insert into open.cards values (1, 'open card');
create function set_path(p text) returns text language plpgsql as
  $$ begin perform set_config('search_path', p, false); return p; end $$;
"""
MASKED = "************1111"
MASKS = """
policy p
data card = column public.cards.pan
default allow
mask card with last(4)
"""
TABLES = """
policy p
allow everything-else do sql.basics, sql.configure, sql.opaque-function, sql.reset, sql.discard, sql.ddl
allow open-cards do sql.select when table in {"open.cards"}
"""
PLAIN = "policy p\ndefault allow\n"
STRICT = "policy p\nallow some do sql.select, sql.set\n"
pg = masks = tables = plain = strict = None


def setup():
    global pg, masks, tables, plain, strict
    pg = h.Postgres(sql=SQL)
    pg.super("create role reader; grant reader to app; grant usage on schema open to reader;"
             "grant select on open.cards, cards to reader")
    masks, tables, plain, strict = (h.Weir(pg, policy=p) for p in (MASKS, TABLES, PLAIN, STRICT))


def script(w, text):
    r = w.psql(input=text, options=("-v", "ON_ERROR_STOP=0"))
    h.lacks(r.out + r.err, SECRET)
    return r


def connect(w, options="", conn="", sql="show search_path"):
    return h.run(h.psql_argv(w.port, "planner-7", "orders", sql, conn=conn),
                 env={"PGPASSWORD": "k-planner", "PGOPTIONS": options})


def test_search_path_is_followed():
    r = script(masks, "select pan from cards;\nset search_path = open;\nselect pan from cards;\n"
               "select upper(pan) from cards;\nreset search_path;\nselect upper(pan) from cards;\n"
               "select pan from cards;\n")
    h.eq(r.out, f"{MASKED}\nopen card\nOPEN CARD\n{MASKED}", repr(r))
    h.has(r.err, "WEIR-MASKED-USE")


def test_a_name_that_could_still_mean_a_masked_table():
    r = script(masks, "set search_path = open, public;\nselect pan from cards;\nselect pan from open.cards;\n"
               "set search_path = public, open;\nselect pan from cards;\n")
    h.eq(r.out, f"open card\n{MASKED}", repr(r))
    h.has(r.err, "may still mean public.cards", "qualify the name")


def test_every_way_to_set_it():
    for how in ("set schema 'open'", "select set_config('search_path', 'open', false)",
                "set session search_path to 'open'", "set search_path to \"open\""):
        r = script(masks, f"{how};\nselect upper(pan) from cards;\ndiscard all;\nselect pan from cards;\n")
        h.eq(r.out.splitlines()[-2:], ["OPEN CARD", MASKED], f"{how}: {r!r}")


def test_transactions_and_savepoints():
    r = script(masks, "begin;\nset local search_path = open;\nselect upper(pan) from cards;\ncommit;\n"
               "select pan from cards;\n"
               "begin;\nsavepoint a;\nset search_path = open;\nselect upper(pan) from cards;\n"
               "rollback to a;\nselect pan from cards;\nset search_path = open;\nrollback;\n"
               "select pan from cards;\n"
               "begin;\nset transaction isolation level serializable;\nset search_path = open;\ncommit;\n"
               "select upper(pan) from cards;\n")
    h.eq(r.out, f"OPEN CARD\n{MASKED}\nOPEN CARD\n{MASKED}\n{MASKED}\nOPEN CARD", repr(r))
    h.eq(r.err, "")
    # The question asked in between takes no snapshot.
    r = script(masks, "set search_path = open;\nbegin;\nset transaction isolation level serializable;\n"
               "set local search_path = public;\nset transaction read only;\nselect pan from cards;\n")
    h.eq((r.out, r.err), (MASKED, ""))


def test_one_message_that_sets_and_reads():
    r = masks.psql("set search_path = open; select upper(pan) from cards")
    h.has(r.err, "WEIR-SEARCH-PATH")
    h.eq(masks.psql("set search_path = open; select upper(pan) from open.cards").out, "OPEN CARD")


def test_pipeline():
    import psycopg
    with psycopg.connect(masks.conninfo(), autocommit=True) as c:
        with c.pipeline():
            c.execute("set search_path = open")
            try:
                c.execute("select upper(pan) from cards").fetchall()
                raise h.Failure("judged under a path that is not known")
            except psycopg.errors.InsufficientPrivilege as e:
                h.has(str(e.diag.message_detail), "WEIR-SEARCH-PATH")
        h.eq(c.execute("show search_path").fetchone(), ("\"$user\", public",))
        c.execute("set search_path = open")
        h.eq(c.execute("select upper(pan) from cards where id = %s", [1]).fetchone(), ("OPEN CARD",))
        # The unnamed statement is the client's: what the gateway asks leaves it alone.
        g = c.pgconn
        g.prepare(b"s", b"select set_config('search_path', 'public', false)")
        g.prepare(b"", b"select pan from cards where id = $1")
        h.eq(g.exec_prepared(b"s", []).get_value(0, 0), b"public")
        r = g.exec_prepared(b"", [b"1"])
        h.eq(r.get_value(0, 0), MASKED.encode(), r.error_message)


def test_a_cursor_that_sets_it():
    r = script(masks, "set search_path = open;\nbegin;\n"
               "declare k cursor for select set_config('search_path', 'public', false);\n"
               "select upper(pan) from cards;\nfetch k;\nselect upper(pan) from cards;\nrollback;\n")
    h.eq(r.out, "OPEN CARD\npublic", repr(r))
    h.has(r.err, "WEIR-MASKED-USE")


def test_prepared_statements_follow_the_path():
    r = script(masks, "prepare q as select pan from cards;\nexecute q;\nset search_path = open;\n"
               "execute q;\nset search_path = public;\nexecute q;\n")
    h.eq(r.out, f"{MASKED}\nopen card\n{MASKED}", repr(r))


def test_rules_on_tables():
    r = script(tables, "select pan from cards;\nset search_path = open;\nselect pan from cards;\n"
               "select public.set_path('public');\nselect pan from cards;\n")
    h.eq(r.out, "open card\npublic", repr(r))
    h.eq(r.err.count("no rule of policy"), 2, repr(r))


def test_a_portal_keeps_the_path_it_was_bound_under():
    """Its names were looked up by Bind: judged by what they mean at Execute, it would run unseen."""
    import psycopg
    with psycopg.connect(tables.conninfo(), autocommit=True) as c:
        c.execute("set search_path = public")
        c.execute("begin")
        c.execute("declare k cursor for select 1", prepare=False)
        c.execute("set search_path = open")
        h.eq(c.execute("fetch k", prepare=False).fetchone(), (1,))
        c.execute("declare m cursor for select pan from cards", prepare=False)
        c.execute("set search_path = public")
        try:
            c.execute("fetch m", prepare=False)
            raise h.Failure("a cursor runs under another path than it was judged under")
        except psycopg.Error as e:
            h.eq(e.sqlstate, "34000", repr(e))
            h.has(str(e), "looked up under another search path")


def test_a_change_of_the_schema_moves_names_as_well():
    """Until it is committed the catalog does not show what a name means then."""
    r = script(tables, "set search_path = open, public;\nselect pan from cards;\nbegin;\n"
               "alter table open.cards rename to c2;\nselect pan from cards;\nrollback;\n"
               "alter table open.cards rename to c2\\; select pan from cards;\n"
               "select pan from cards;\n")
    h.eq(r.out, "open card\nopen card", repr(r))
    h.eq(r.err.count("no rule of policy"), 2, repr(r))


def test_defaults_of_role_and_database():
    pg.super("alter role app set search_path = open")
    try:
        h.eq(masks.psql("select upper(pan) from cards").out, "OPEN CARD")
        r = script(masks, "set search_path = public;\nselect pan from cards;\n"
                   "set search_path = default;\nselect upper(pan) from cards;\n")
        h.eq(r.out, f"{MASKED}\nOPEN CARD", repr(r))
    finally:
        pg.super("alter role app reset search_path")
    h.eq(masks.psql("select pan from cards").out, MASKED)


def test_roles():
    h.eq(plain.psql("set role reader; select current_user").out, "reader")
    r = masks.psql("set role reader")
    h.has(r.err, "WEIR-PINNED-SETTING")
    r = plain.psql("alter database orders set standard_conforming_strings = off")
    h.has(r.err, "WEIR-PINNED-SETTING")
    h.eq(plain.psql("alter database orders set work_mem = '8MB'; alter database orders reset all").code, 0)


def test_settings_by_their_table():
    """The view has a rule that calls set_config()."""
    pg.query("create table gucs (name text, setting text);"
             "insert into gucs values ('standard_conforming_strings', 'off')")
    for w in (plain, masks):
        for sql in ("update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
                    "update pg_catalog.pg_settings s set setting = 'open' where name = 'search_path'",
                    "with u as (update pg_settings set setting = '3MB' where name = 'work_mem'"
                    " returning 1) select * from u",
                    "prepare p as update pg_settings set setting = $1 where name = $2",
                    "merge into pg_settings s using gucs g on g.name = s.name"
                    " when matched then update set setting = g.setting",
                    "create view my_settings as select * from pg_settings"):
            h.has(w.psql(sql).err, "WEIR-PINNED-SETTING")
    h.eq(plain.psql("select setting from pg_settings where name = 'standard_conforming_strings'").out, "on")


def test_encodings():
    r = plain.psql("set names 'SQL_ASCII'; show client_encoding; set client_encoding = utf8;"
                   "show client_encoding; reset client_encoding; show client_encoding")
    h.eq(r.out, "SQL_ASCII\nUTF8\nUTF8", repr(r))
    h.has(plain.psql("set client_encoding = latin1").err, "WEIR-PINNED-SETTING")
    h.eq(connect(plain, conn="client_encoding=sql_ascii", sql="show client_encoding").out, "SQL_ASCII")
    h.has(connect(plain, conn="client_encoding=latin1").err, "WEIR-ENCODING")


def test_an_approval_is_for_what_names_meant():
    w = h.Weir(pg, policy="policy p\ngroup dba = idp \"dba-oncall\"\ndefault allow\n"
               "hold ddl do sql.create for 1 of dba not self within 15m once\n")
    go = ("set weir.approval = async;\ncreate table made (a int);\n")
    script(w, go)
    w.approvals("approve", w.pending()[0]["id"], "--reason", "planned")
    r = script(w, "set search_path = open;\n" + go)
    h.has(r.err, "waits for approval")
    h.eq(pg.query("select count(*) from pg_tables where tablename = 'made'"), "0")
    h.eq(script(w, go).err, "")
    h.eq(pg.query("select schemaname from pg_tables where tablename = 'made'"), "public")


# -- the startup packet ----------------------------------------------------------------------------

def test_options_as_the_server_reads_them():
    r = connect(plain, "-c search_path=open -cwork_mem=3MB --statement-timeout=5s -c DateStyle=SQL,\\ DMY",
                sql="show search_path; show work_mem; show statement_timeout; show datestyle")
    h.eq(r.out, "open\n3MB\n5s\nSQL, DMY", repr(r))
    direct = h.run(h.psql_argv(pg.port, "app", "orders", "show datestyle; show application_name"),
                   env={"PGPASSWORD": "app-secret", "PGAPPNAME": "a",
                        "PGOPTIONS": "-c DateStyle=SQL,\\ DMY -c application_name=b\\ \\\\c"})
    r = h.run(h.psql_argv(plain.port, "planner-7", "orders", "show datestyle; show application_name"),
              env={"PGPASSWORD": "k-planner", "PGOPTIONS": "-c DateStyle=SQL,\\ DMY", "PGAPPNAME": "a"})
    h.eq(r.out, "SQL, DMY\na", repr(r))
    h.eq(direct.out, "SQL, DMY\na", repr(direct))
    h.eq(connect(masks, "-c search_path=open", sql="select upper(pan) from cards").out, "OPEN CARD")


def test_options_are_judged_as_set():
    h.eq(connect(strict, "-c statement_timeout=5s", sql="select 1").out, "1")
    for w, options in ((strict, "-c work_mem=3MB"), (strict, "-c search_path=open")):
        h.has(connect(w, options, sql="select 1").err, "no rule of policy", "startup parameter")
    h.has(connect(masks, "-c role=reader").err, "role", "masks are in force")
    h.has(connect(plain, "-c standard_conforming_strings=off").err, "standard_conforming_strings")


def test_options_that_are_not_understood():
    for o in ("-e", "-c", "--", "-c x", "--x", "plain", "-E -c a=b", "-c user=postgres",
              "--database=postgres", "-c _pq_.x=1", "-c work_mem=1MB -c work_mem=2MB", "-d 5",
              "-c options=-e"):
        r = connect(plain, o)
        h.check(r.code != 0, f"{o!r} connects: {r!r}")
        h.has(r.err, "startup parameter")


def test_the_servers_word_on_a_wrong_value():
    h.has(connect(plain, "-c work_mem=lots").err, 'invalid value for parameter "work_mem"')
    h.has(connect(plain, "-c no_such=1").err, 'unrecognized configuration parameter "no_such"')


def test_the_policy_sees_the_application():
    w = h.Weir(pg, policy='policy p\nallow reports do sql.select when client.application = "reports"\n'
               'allow shows do sql.show\n')
    r = h.run(h.psql_argv(w.port, "planner-7", "orders", "select 1"),
              env={"PGPASSWORD": "k-planner", "PGAPPNAME": "reports"})
    h.eq(r.out, "1", repr(r))
    h.has(w.psql("select 1").err, "no rule of policy")


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
