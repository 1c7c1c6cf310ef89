#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Cursors, and portals that are read in pieces: they were opened under one policy, and act under
another; what FETCH, MOVE and a later Execute may do is decided when they do it."""
import os, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
    import raw
except ImportError:
    psycopg = None

SECRET = "4111111111111111"
MASKED = "************1111"
SQL = f"""
create table cards (id int primary key, pan text, note text);
insert into cards select i, '{SECRET}', 'note ' || i from generate_series(1, 20) i;
create table other (id int);
create table log (id int);
insert into other select generate_series(1, 20);
create function opens() returns refcursor language plpgsql as
  $$ declare r refcursor := 'made'; begin open r for select pan from cards; return r; end $$;
"""
HEAD = """
policy p
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data card = column public.cards.pan
data note = column public.cards.note
allow dba who dba do sql
"""
ALL = HEAD + "allow everything who agents do sql\n"
DENIED = HEAD + """allow basics who agents do sql.basics
allow other who agents do sql.select when table = "public.other"
"""
MASK = ALL + "mask card with last(4)\n"
NULLS = ALL + 'mask card with null\n'
NOTES = ALL + "mask card with last(4)\nmask note with null\n"
LIMIT = ALL + "limit few who agents do sql.select rows 5 per command\n"
HOLD = ALL + "hold cards who agents do sql.select when table = \"public.cards\" for 1 of dba within 1m\n"
pg = w = None


def setup():
    global pg, w
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)
    w = h.Weir(pg, policy=ALL)


def policy(text, of=None):
    """Puts a policy in force, and waits until the workers have it."""
    of = of or w
    with open(of.policy, "w") as f:
        f.write(text)
    n = of.log().count(" reloaded ")
    of.reload()
    h.wait_for(lambda: of.log().count(" reloaded ") > n, 10, "reload")


def connect(of=None, **kw):
    return psycopg.connect((of or w).conninfo(), autocommit=True, **kw)


def run(c, sql, *more, **kw):
    """Rows, or the error."""
    try:
        cur = c.execute(sql, *more, **kw)
        return cur.fetchall() if cur.description else cur.statusmessage
    except psycopg.Error as e:
        return e


def refused(got, code, sqlstate="42501"):
    h.check(isinstance(got, psycopg.Error), f"not refused: {got}")
    h.eq(got.sqlstate, sqlstate, str(got))
    h.has(str(got), code)
    h.lacks(str(got), SECRET)


# Ways to go on with what was opened: FETCH in both protocols, and the cursor as the portal it is.
FETCHES = [lambda c: run(c, "fetch 2 from c"), lambda c: run(c, "fetch 2 from c", prepare=True)]


def open_cursor(c, sql="select pan from public.cards order by id", hold=True):
    policy(ALL)
    h.eq(run(c, f"declare c cursor {'with hold' if hold else ''} for {sql}"), "DECLARE CURSOR")


def test_fetch_behind_a_reload_that_denies():
    for fetch in FETCHES + [lambda c: run(c, "move 2 from c"), lambda c: run(c, "fetch 0 from c")]:
        with connect() as c:
            open_cursor(c)
            h.eq(run(c, "fetch 1 from c"), [(SECRET,)])
            policy(DENIED)
            refused(fetch(c), "WEIR-NO-RULE")
            h.eq(len(run(c, "select * from public.other")), 20)
            policy(ALL)
            h.eq(run(c, "fetch 1 from c"), [(SECRET,)])


def test_fetch_behind_a_reload_that_masks():
    for sql in ("select pan from public.cards order by id", "select pan from public.cards union all "
                f"select '{SECRET}' from public.cards where false", "select * from (select pan from public.cards) x"):
        for fetch in FETCHES:
            with connect() as c:
                open_cursor(c, sql)
                h.eq(run(c, "fetch 1 from c"), [(SECRET,)])
                policy(MASK)
                h.eq(fetch(c), [(MASKED,)] * 2, sql)
                policy(NULLS)
                h.eq(fetch(c), [(None,)] * 2, sql)
    # What masks do not let pass is not let pass because it was declared before.
    for first in (ALL, MASK):
        for fetch in FETCHES:
            with connect() as c:
                open_cursor(c, "select upper(note) from public.cards")
                policy(first)
                h.eq(len(fetch(c)), 2)
                policy(NOTES)
                refused(fetch(c), "WEIR-MASKED-USE")


def test_fetch_behind_a_rename():
    """The policy may say something else to what the cursor's names mean now."""
    tables = HEAD + """allow basics who agents do sql.basics
allow other who agents do sql.select when table = "public.other"
"""
    dba = psycopg.connect(w.conninfo("ana", "k-ana"), autocommit=True)
    with connect() as c:
        policy(tables)
        h.eq(run(c, "declare c cursor with hold for select id from public.other"), "DECLARE CURSOR")
        h.eq(len(run(c, "fetch 2 from c")), 2)
        dba.execute("alter table public.other rename to gone; alter table public.log rename to other")
        refused(run(c, "fetch 2 from c"), "WEIR-NAMES-MOVED", "34000")
        dba.execute("alter table public.other rename to log; alter table public.gone rename to other")
        h.eq(run(c, "close c"), "CLOSE CURSOR")
        h.eq(run(c, "declare c cursor with hold for select id from public.other"), "DECLARE CURSOR")
        h.eq(len(run(c, "fetch 2 from c")), 2)


def rows(messages):
    return [raw.row(b) for t, b in messages if t == "D"]


def errors(messages):
    return [raw.code(b) for t, b in messages if t == "E"]


def test_a_portal_read_in_pieces_behind_a_reload():
    sql = "select pan, upper(note) from public.cards order by id"
    two = raw.execute("p", 2)
    for text, want, code in ((MASK, [(MASKED, "NOTE 3"), (MASKED, "NOTE 4")], None),
                             (NULLS, [(None, "NOTE 3"), (None, "NOTE 4")], None),
                             (NOTES, [], "WEIR-MASKED-USE"), (DENIED, [], "WEIR-NO-RULE")):
        policy(ALL)
        c = raw.Raw(w.conninfo())
        c.send(raw.query("begin")).ready()
        c.send(raw.parse("", sql) + raw.bind("p") + raw.describe("P", "p") + two + raw.FLUSH)
        h.eq(rows(c.until("sE")), [(SECRET, "NOTE 1"), (SECRET, "NOTE 2")])
        policy(text)
        got = c.send(two + raw.SYNC).ready()
        h.eq(rows(got), want, text)
        h.eq([("C" if code in e[1] else e) for e in errors(got)], ["C"] if code else [])
        h.eq(got[-1], ("Z", b"E" if code else b"T"))
        # ... and the other way round: masks that are gone are gone.
        if not code:
            policy(ALL)
            h.eq(rows(c.send(two + raw.SYNC).ready()), [(SECRET, "NOTE 5"), (SECRET, "NOTE 6")])
        c.close()


def test_a_portal_that_was_described_under_another_policy():
    for between in (b"", raw.SYNC):
        policy(MASK)
        c = raw.Raw(w.conninfo())
        c.send(raw.query("begin")).ready()
        c.send(raw.parse("s", "select pan from public.cards order by id") + raw.describe("S", "s") +
               raw.bind("p", "s") + raw.describe("P", "p") + raw.FLUSH + between)
        c.until("Z" if between else "T")
        if not between:
            c.until("T")
        policy(NULLS)
        got = c.send(raw.execute("p", 1) + raw.execute("p", 1) + raw.SYNC).ready()
        h.eq(rows(got), [(None,), (None,)])
        h.eq([t for t, b in got if t not in "12"], list("DsDsZ"), "the gateway's own questions are not seen")
        c.close()


def test_fetch_in_a_pipeline():
    """DECLARE, FETCH and CLOSE under way together mean what the server will make of them."""
    policy(DENIED)
    one = lambda sql: raw.parse("", sql) + raw.bind() + raw.execute()
    c = raw.Raw(w.conninfo())
    declare = "declare c cursor for select id from public.other order by id"
    got = c.send(one("begin") + one(declare) + one("fetch 2 from c") + one("move 2 from c") +
                 one("fetch 1 from c") + one("close c") + one("commit") + raw.SYNC).ready()
    h.eq((rows(got), errors(got)), ([("1",), ("2",), ("5",)], []))
    # Queries one behind the other: FETCH waits for what DECLARE comes to.
    c.send(raw.query("begin") + raw.query(declare) + raw.query("fetch 1 from c") + raw.query("commit"))
    h.eq([rows(c.ready()) for _ in range(4)], [[], [], [("1",)], []])
    c.send(raw.query("begin") + one(declare) + raw.SYNC + one("fetch 1 from c") + raw.SYNC)
    h.eq([rows(c.ready()) for _ in range(3)], [[], [], [("1",)]])
    # A name that fails to change keeps its meaning.
    policy(ALL)
    c.send(raw.query("rollback")).ready()
    c.send(raw.query("begin; declare k cursor with hold for select pan from public.cards; commit")).ready()
    policy(DENIED)
    c.send(raw.query("declare k cursor with hold for select id from public.other") +
           raw.query("fetch 1 from k"))
    h.has(errors(c.ready())[0][1], "already exists")
    got = c.ready()
    h.eq((rows(got), [e[0] for e in errors(got)]), ([], ["42501"]))
    # Neither does a FETCH of a portal that runs a FETCH.
    policy(ALL)
    got = c.send(raw.query("begin")).ready()
    got = c.send(raw.parse("f", "fetch 1 from k") + raw.bind("pf", "f") + raw.SYNC).ready()
    policy(DENIED)
    got = c.send(raw.query("fetch 1 from pf")).ready()
    h.eq((rows(got), [e[0] for e in errors(got)]), ([], ["0A000"]))
    h.has(errors(got)[0][1], "WEIR-CURSOR")
    c.close()


def test_a_cursor_that_a_function_opened():
    with connect() as c:
        policy(ALL)
        for text, answer in ((ALL, [(SECRET,)]), (DENIED, "WEIR-NO-RULE"), (MASK, "WEIR-")):
            policy(ALL)
            c.execute("begin")
            c.execute("select opens()")
            policy(text)
            got = run(c, "fetch 1 from made")
            if isinstance(answer, list):
                h.eq(got, answer)
            else:
                h.check(isinstance(got, psycopg.Error), f"{got}")
                h.has(str(got), answer)
                h.lacks(str(got), SECRET)
            c.execute("rollback")


def test_what_people_released():
    """DECLARE waits for an approval; its rows do not wait again, unless the policy is another."""
    policy(HOLD)
    with connect() as c:
        import threading
        got = []
        t = threading.Thread(target=lambda: got.append(
            run(c, "declare c cursor with hold for select pan from public.cards")))
        t.start()
        h.eq(w.approvals("approve", w.pending()[0]["id"], "--reason", "x").code, 0)
        t.join(20)
        h.eq(got, ["DECLARE CURSOR"])
        h.eq(run(c, "fetch 1 from c"), [(SECRET,)])
        h.eq(run(c, "fetch 2 from c", prepare=True), [(SECRET,)] * 2)
        policy(HOLD.replace("within 1m", "within 2m"))
        refused(run(c, "fetch 1 from c"), "WEIR-HOLD-EXECUTE")
        policy(MASK)
        h.eq(run(c, "fetch 1 from c"), [(MASKED,)])
    policy(ALL)
    with connect() as c:
        h.eq(run(c, "declare c cursor with hold for select pan from public.cards"), "DECLARE CURSOR")
        policy(HOLD)
        refused(run(c, "fetch 1 from c"), "WEIR-HOLD-EXECUTE")
    policy(ALL)


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
