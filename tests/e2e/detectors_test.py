#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`values like`: values are masked by what they hold, whatever their column is, with a real PostgreSQL."""
import json, os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg, psycopg2
except ImportError:
    psycopg = psycopg2 = None

CARD, MAIL, SHOWN = "4111111111111111", "ana@example.com", "************1111"
SQL = f"""
create type pair as (label text, number bigint);
create domain memo as text;
create table notes (id int primary key, note text, tag varchar(40), fixed char(24), doc json, bdoc jsonb,
                    list text[], whole pair, number bigint, amount numeric, ratio float8, at timestamptz,
                    ref uuid, raw bytea, numbers bigint[], own memo);
insert into notes values
  (1, 'paid with {CARD}, thanks', '{CARD}', '{CARD}', '{{"n": "x {CARD}"}}', '{{"n": "x {CARD}"}}',
   array['a', 'b {CARD}'], row('c {CARD}', 1), {CARD}, {CARD}, {CARD}, now(),
   '41111111-1111-1111-1111-111111111111', '\\x00', array[1, {CARD}], 'own {CARD}'),
  (2, 'nothing here', 'plain', 'x', '{{"n": 1}}', '{{"n": 1}}', array['a'], row('c', 1), 17, 23.50, 0.25,
   now(), '00000000-0000-0000-0000-000000000001', '\\x01', array[1], 'own'),
  (3, 'write to {MAIL} or b@example.org', null, null, '{{"n": {CARD}}}', '{{"{MAIL}": {CARD}}}',
   null, null, null, null, null, null, null, null, null, null);
create table secrets (id int, pan text, hint text);
insert into secrets values (1, 'x{CARD}', 'call {MAIL}');
create table big (t text);
insert into big values (repeat('x', 3000000) || ' {CARD}');
"""
POLICY = """
policy detectors
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data numbers = values like card, values like iban
data mail    = values like email
data keys    = values like private-key, values like aws-key
data hints   = column secrets.hint
allow everyday who agents, dba
  do sql.basics, sql.select, sql.insert, sql.update, sql.copy-out, sql.explain, sql.set, sql.call, sql.function-call,
     sql.large-object,
     sql.create, sql.drop, sql.show, sql.opaque-function
mask numbers with last(4) unless who dba
mask mail    with fixed("(a mail address)") unless who dba
mask keys    with null unless who dba
mask hints   with first(40) when user.name = "cy"
"""
TEXTS = ["note", "tag", "fixed", "list", "doc", "bdoc", "whole", "own"]
NUMBERS = ["number", "amount", "ratio", "numbers"]
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)


def connect(user="planner-7", **kw):
    return psycopg.connect(weir.conninfo(user), autocommit=True, **kw)


def test_text_of_every_kind():
    for column in TEXTS:
        r = weir.psql(f"select {column} from notes where id = 1")
        h.has(r.out, SHOWN)
        h.lacks(r.out, CARD)
    h.eq(weir.psql("select note from notes where id = 1").out, f"paid with {SHOWN}, thanks")
    h.eq(weir.psql("select doc from notes where id = 1").out, f'{{"n": "x {SHOWN}"}}')
    h.eq(weir.psql("select list from notes where id = 1").out, '{a,"b %s"}' % SHOWN)
    h.eq(weir.psql("select whole from notes where id = 1").out, '("c %s",1)' % SHOWN)


def test_numbers_stay_numbers_or_are_null():
    for column in NUMBERS:
        h.eq(weir.psql(f"select {column} is null, {column} from notes where id = 1").out, "f|")
        h.eq(weir.psql(f"select {column} from notes where id = 2").out,
             pg.query(f"select {column} from notes where id = 2"))
    # A number in JSON cannot become "****": the value as a whole is NULL.
    h.eq(weir.psql("select doc from notes where id = 3").out, "")


def test_whole_values_under_a_fixed_mask():
    h.eq(weir.psql("select note from notes where id = 3").out, "(a mail address)")
    h.eq(weir.psql("select 'x'::text as t, array['b@example.org']").out, "x|")
    h.eq(weir.psql("select '-----BEGIN RSA PRIVATE KEY-----' || chr(10) || 'MII' is null, "
                   "'-----BEGIN RSA PRIVATE KEY-----' || chr(10) || 'MII'").out, "f|")


def test_what_holds_nothing_is_untouched():
    sql = "select * from notes where id = 2"
    h.eq(weir.psql(sql).out, pg.query(sql))
    h.eq(weir.psql("select ref, raw, at is null from notes where id = 1").out,
         "41111111-1111-1111-1111-111111111111|\\x00|f")
    h.eq(weir.psql("select * from notes", user="ana").out, pg.query("select * from notes"))


def test_binary_and_prepared():
    with connect() as c:
        for binary in (False, True):
            for column in ("note", "tag", "fixed", "doc", "bdoc"):
                for prepare in (False, True):
                    row = c.execute(f"select {column}, id from notes where id = %s", (1,),
                                    binary=binary, prepare=prepare).fetchone()
                    h.has(str(row[0]), SHOWN)
                    h.eq(row[1], 1)
            for column in NUMBERS:
                h.eq(c.execute(f"select {column} from notes where id = 1", binary=binary).fetchone(),
                     (None,), column)
                h.check(c.execute(f"select {column} from notes where id = 2",
                                  binary=binary).fetchone()[0] is not None, column)
        h.eq(c.execute("select note from notes where id = 2", binary=True).fetchone(), ("nothing here",))
        # In binary, what is found in arrays and composites is masked as a whole, and a type whose form
        # is not known is NULL.
        h.eq(c.execute("select list, whole::text, own from notes where id = 1", binary=True).fetchone(),
             (None, '("c %s",1)' % SHOWN, "own " + SHOWN))
        h.eq(c.execute("select list from notes where id = 2", binary=True).fetchone(), (["a"],))
        p = c.pgconn
        h.eq(p.prepare(b"s", b"select whole, list from notes where id = 2").status,
             psycopg.pq.ExecStatus.COMMAND_OK)
        r = p.exec_prepared(b"s", [], result_format=1)
        h.check(r.get_value(0, 0) is None and r.get_value(0, 1) is not None, "composite in binary")


def test_whatever_the_statement():
    ways = f"""
select '{CARD}'
values (1, '{CARD}')
select upper(note) from notes
select string_agg(note, ',') from notes
select json_agg(n)::text from notes n where id = 1
select n from notes n where id = 1
with a as (select note from notes) select * from a
explain select * from notes where note = '{CARD}'
update notes set tag = tag where id = 1 returning *
create temp table t as select * from notes; select * from t
select set_config('weir.note', '{CARD}', false)
do $$ begin end $$; select note from notes
""".strip().splitlines()
    for way in ways:
        r = weir.psql(way)
        h.lacks(r.out, CARD)
        h.check("BEGIN" in way.upper() or SHOWN in r.out or "1111" not in r.out, f"{way}: {r!r}")


def test_cursors_fetched_and_moved():
    r = weir.psql(input="begin;\ndeclare c cursor for select note, doc from notes order by id;\n"
                  "fetch 1 from c;\nfetch all from c;\ncommit;\n"
                  "begin;\ndeclare b binary cursor for select note from notes order by id;\nfetch 1 from b;\n"
                  "commit;\n")
    h.lacks(r.out, CARD, MAIL)
    h.eq(r.out.count(f"paid with {SHOWN}"), 2, repr(r))
    with connect() as c, c.transaction(), c.cursor("srv") as cur:
        cur.execute("select note from notes order by id")
        h.eq(cur.fetchone(), (f"paid with {SHOWN}, thanks",))


def test_copy_in_three_formats():
    cols = "id, note, tag, doc, list, number"
    for query in (f"notes ({cols})", f"(select {cols} from notes order by id)",
                  "(select id, note || '' , tag, doc, list, number from notes order by id)"):
        for options, sep in (("", "\t"), ("with (format csv)", ",")):
            r = weir.psql(f"copy {query} to stdout {options}")
            h.eq(r.code, 0, repr(r))
            h.lacks(r.out, CARD, MAIL)
            h.eq(r.out.count(SHOWN), 4, f"{query} {options} {r!r}")
            h.has(r.out, "2" + sep + "nothing here" + sep + "plain")
    plain = "copy (select id, note, tag, doc, list from notes where id = 2) to stdout"
    for options in ("", " with (format csv)", " with (format csv, header)", " with (null 'plain')"):
        h.eq(weir.psql(plain + options).out, pg.query(plain + options))
    with connect() as c, c.cursor() as cur:
        with cur.copy("copy (select id, note, number, amount from notes order by id) to stdout (format binary)") as copy:
            copy.set_types(["int4", "text", "int8", "numeric"])
            rows = list(copy.rows())
        h.eq(rows[0], (1, f"paid with {SHOWN}, thanks", None, None))
        h.eq(rows[1][:3], (2, "nothing here", 17))
        h.eq(rows[2][1], "(a mail address)")
    r = weir.psql("copy (select note || '' from notes) to stdout (format binary)")
    h.has(r.err, "WEIR-MASKED-COPY", "text or csv")


def test_a_column_s_mask_and_detectors_join():
    r = weir.psql("select hint, pan from secrets", user="cy")
    h.lacks(r.out, CARD, MAIL)
    r = weir.psql("copy (select hint, pan from secrets) to stdout", user="cy")
    h.lacks(r.out, CARD, MAIL)


def test_what_is_too_large_to_look_into_is_not_shown():
    r = weir.psql("select t from big")
    h.lacks(r.out, CARD)
    h.has(r.out[-40:], SHOWN)
    for sql in (f"select repeat('x', 40000000) || ' {CARD}'",
                f"copy (select repeat('x', 40000000) || ' {CARD}') to stdout"):
        r = weir.psql(sql)
        h.check(r.code != 0, repr(r)[:200])
        h.lacks(r.out + r.err, "1111")


def test_a_call_by_number_is_refused():
    """libpq's large objects go by FunctionCall, whose answer is a value of no known type."""
    if not psycopg2:
        raise h.Skip("no psycopg2: install python3-psycopg2 (./configure --install)")
    c = psycopg2.connect(weir.conninfo())
    try:
        c.lobject(0, "w")
        raise h.Failure("no error")
    except psycopg2.Error as e:
        h.has(str(e), "cannot be looked into")
    finally:
        c.close()


def test_on_record_are_counts_and_never_values():
    weir.psql("select note, tag from notes")

    def record():
        all_ = [json.loads(x) for x in weir.audit("tail", "--json", "-n", "100000",
                                                  f"{weir.state}/audit").out.splitlines()]
        found = [r["body"] for r in all_ if r["type"] == "result" and r["body"].get("masked")]
        return (found[-1], all_) if found else None
    result, everything = h.wait_for(record, 10, "a result record")
    h.eq({m.get("detector"): m["cells"] for m in result["masked"]}, {None: 3, "card": 2, "email": 1})
    intents = [r["body"] for r in everything if r["type"] == "command"
               and r["body"]["statement"] == "select note, tag from notes"]
    h.check({"numbers", "mail"} <= set(intents[-1]["decision"]["obligations"]), str(intents[-1]))


def test_a_new_policy_finds_open_cursors():
    """What was described before the detectors were in force is described again."""
    with connect(user="ana") as c:
        h.eq(c.execute("select note from notes where id = 1", prepare=True).fetchone(),
             (f"paid with {CARD}, thanks",))
        with open(weir.policy, "w") as f:
            f.write(POLICY.replace(" unless who dba", ""))
        weir.reload()
        h.wait_for(lambda: SHOWN in weir.psql("select note from notes where id = 1", user="ana").out, 10)
        h.eq(c.execute("select note from notes where id = 1", prepare=True).fetchone(),
             (f"paid with {SHOWN}, thanks",))
        with open(weir.policy, "w") as f:
            f.write(POLICY)
        weir.reload()


def test_the_log_verifies():
    h.eq(weir.stop(), 0)
    h.eq(weir.audit("verify", f"{weir.state}/audit").code, 0)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
