#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ways to get more than a limit allows: in pieces, by FETCH, in pipelines, by COPY, in one string, and
with a cancel in the middle. What was delivered is counted by the client, by hand."""
import json, os, re, sys, threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
    import raw
except ImportError:
    psycopg = None

SQL = """
create table orders (id int primary key, note text);
insert into orders select i, 'note ' || i from generate_series(1, 20000) i;
create table log (id int);
"""
POLICY = """
policy attacks
group agents = idp "ai-agents"
group dba    = idp "dba-oncall"
data note = column public.orders.note
allow everyday who agents, dba do sql.basics, sql.select, sql.insert, sql.copy-out, sql.transaction
limit per-command who agents, dba do sql.select, sql.copy-out rows 100 per command
limit budget who agents, dba do sql.select, sql.copy-out rows {rows} per hour
"""
MASK = "mask note with null\n"
ALL = "select id, note from public.orders order by id"
pg = None
one = lambda sql, rows=0, p="": raw.parse("", sql) + raw.bind(p) + raw.execute(p, rows)


def setup():
    global pg
    if not psycopg:
        raise h.Skip("no psycopg: install python3-psycopg (./configure --install)")
    pg = h.Postgres(sql=SQL)


def gateway(rows, more="", **kw):
    return h.Weir(pg, policy=POLICY.format(rows=rows) + more, **kw)


def count(messages):
    """Rows, those of COPY as well; codes of errors."""
    rows = sum(t == "D" or (t == "d" and b != b"id,note\n") for t, b in messages)
    return rows, [(re.findall("WEIR-[A-Z-]+", raw.code(b)[1]) or [raw.code(b)[0]])[0]
                  for t, b in messages if t == "E"]


def fetches(c, n=10):
    """100 rows of one cursor, in pieces of n: more is more than its DECLARE may have."""
    c.send(raw.query(f"begin; declare c no scroll cursor for {ALL}")).ready()
    for _ in range(100 // n + 1):
        yield c.send(raw.query(f"fetch {n} from c")).ready()
    c.send(raw.query("rollback")).ready()


def fetches_in_one_string(c):
    c.send(raw.query(f"begin; declare c cursor for {ALL}")).ready()
    yield c.send(raw.query("; ".join(["fetch 10 from c"] * 12))).ready()
    c.send(raw.query("rollback")).ready()


def fetches_in_a_pipeline(c):
    c.send(raw.query("begin")).ready()
    yield c.send(one(f"declare c cursor for {ALL}") + one("move 5 from c") + one("fetch 10 from c") * 12 +
                 raw.SYNC).ready()
    c.send(raw.query("rollback")).ready()


def pieces(c):
    """A portal in pieces, one behind the other."""
    c.send(raw.query("begin")).ready()
    yield c.send(raw.parse("", ALL) + raw.bind("p") + raw.execute("p", 7) * 20 + raw.SYNC).ready()
    c.send(raw.query("rollback")).ready()


def pieces_with_flush(c):
    c.send(raw.query("begin")).ready()
    c.send(raw.parse("", ALL) + raw.bind("p") + raw.FLUSH).until("2")
    for _ in range(16):
        got = c.send(raw.execute("p", 7) + raw.FLUSH).until("sCE")
        yield got
        if got[-1][0] == "E":
            break
    c.send(raw.SYNC).ready()
    c.send(raw.query("rollback")).ready()


def pieces_of_a_fetch(c):
    """FETCH as a portal of its own, read in pieces."""
    c.send(raw.query(f"begin; declare c cursor for {ALL}")).ready()
    yield c.send(raw.parse("", "fetch 200 from c") + raw.bind("p") + raw.execute("p", 9) * 20 +
                 raw.SYNC).ready()
    c.send(raw.query("rollback")).ready()


def the_cursor_as_a_portal(c):
    c.send(raw.query(f"begin; declare c cursor for {ALL}")).ready()
    yield c.send(raw.execute("c", 60) + raw.SYNC).ready()
    yield c.send(raw.query("fetch 60 from c")).ready()
    c.send(raw.query("rollback")).ready()


def one_string(c):
    yield c.send(raw.query("; ".join(["select id from public.orders limit 40"] * 4))).ready()


def copies(c):
    yield c.send(raw.query(f"copy ({ALL}) to stdout; copy public.orders to stdout (format binary)")).ready()


def copy_in_a_pipeline(c):
    yield c.send(one("insert into log values (1)") + one(f"copy ({ALL} limit 60) to stdout (format csv, header)") +
                 one(ALL, 60) + raw.SYNC).ready()


WAYS = [fetches, fetches_in_one_string, fetches_in_a_pipeline, pieces, pieces_with_flush, pieces_of_a_fetch,
        the_cursor_as_a_portal, one_string, copies, copy_in_a_pipeline]


def test_no_way_to_more_than_a_limit():
    for more in ("", MASK):
        w = gateway(1000000, more)
        c = raw.Raw(w.conninfo())
        for way in WAYS:
            rows = [count(m) for m in way(c)]
            total, codes = sum(n for n, _ in rows), [e for _, es in rows for e in es]
            most = 120 if way is copy_in_a_pipeline else 100 # those are two commands
            h.check(60 < total <= most, f"{way.__name__} {more}: {total} rows, {codes}")
            h.check("WEIR-LIMIT-ROWS" in codes or way is copy_in_a_pipeline,
                    f"{way.__name__} {more}: {total} rows, {codes}")
            h.eq(count(c.send(raw.query("select 1")).ready()), (1, []), f"after {way.__name__}")
            h.eq(c.send(raw.query("begin")).ready()[-1], ("Z", b"T"))
            h.eq(c.send(raw.query("rollback")).ready()[-1], ("Z", b"I"))
        c.close()
        h.eq(w.stop(), 0)
        h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def test_no_way_to_more_than_a_budget():
    """... and on record is what was delivered, to the row. Each principal has a budget of its own."""
    todo = list(WAYS)
    while todo:
        w, tried = gateway(330, MASK if len(todo) > 4 else ""), {}
        for user in h.KEYS:
            if not todo:
                break
            way = todo.pop()
            c, total, codes = raw.Raw(w.conninfo(user)), 0, []
            for _ in range(8):
                for m in way(c):
                    n, es = count(m)
                    total, codes = total + n, codes + es
            c.close()
            h.eq(total, 330, f"{way.__name__}: {codes}")
            h.check("WEIR-LIMIT-BUDGET" in codes, f"{way.__name__}: {total} {codes}")
            tried[user] = way.__name__
        h.eq(w.stop(), 0)
        records = [json.loads(x) for x in w.audit("tail", "--json", "-n", "100000", f"{w.state}/audit")
                   .out.splitlines()]
        whose = {r["id"]: r["principal"]["subject"] for r in records if r["type"] == "command"}
        rows = dict.fromkeys(tried, 0)
        for r in records:
            if r["type"] == "result" and not r["body"].get("tag", "").startswith("INSERT"):
                rows[whose[r["refs"][0]]] += r["body"].get("rows") or 0
        h.eq(rows, dict.fromkeys(tried, 330), f"rows on record of {tried}")


def test_a_cancel_in_the_middle():
    """Of the client's, while rows come, while they are withheld, and when all is over."""
    w = gateway(2000)
    total = 0
    for i in range(12):
        c = raw.Raw(w.conninfo())
        cancel = c.pq.get_cancel()
        c.send(raw.query("begin; insert into log values (5)")).ready()
        c.send(raw.parse("", ALL) + raw.bind("p") + raw.execute("p", 40) * 3 + raw.execute("p") + raw.SYNC)
        t = threading.Timer(i * 0.002, cancel.cancel)
        t.start()
        got = c.ready()
        t.join()
        n, codes = count(got)
        total += n
        h.check(n <= 100 and len(codes) <= 1, f"{n} rows, {codes}")
        h.eq(got[-1][1], b"E" if codes else b"T")
        # A cancel that came too late may end the next command, but nothing after it.
        c.send(raw.query("rollback")).ready()
        n, codes = count(c.send(raw.query("select id from public.orders limit 3")).ready())
        total += n
        h.check((n, codes) == (3, []) or n < 3, f"{n} {codes}")
        n, codes = count(c.send(raw.query("select 2 from public.log limit 1")).ready())
        total += n
        c.close()
    h.check(total <= 2000, f"{total} rows for a budget of 2000")
    h.eq(pg.query("select count(*) from log where id = 5"), "0")
    h.eq(w.stop(), 0)
    h.eq(w.audit("verify", f"{w.state}/audit").code, 0)


def test_a_failure_is_never_a_lie():
    """What was committed in front of a command that reached its limit is not reported as undone."""
    w = gateway(100000)
    c = raw.Raw(w.conninfo())
    for limit in (101, 20000):
        for i in range(10):
            pg.query("delete from log")
            got = c.send(one("insert into log values (9)") + one(f"select id from public.orders limit {limit}") +
                         raw.SYNC).ready()
            n, codes = count(got)
            h.eq(n, 100)
            there = pg.query("select count(*) from log")
            h.eq(there, "0" if codes else "1", f"{codes} {got[-3:]}")
    c.close()


h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")], setup=setup)
