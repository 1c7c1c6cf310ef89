# SPDX-License-Identifier: MIT
"""What psycopg 3 does, printed: psycopg_client.py HOST PORT USER PASSWORD DBNAME."""
import sys

import psycopg

host, port, user, password, dbname = sys.argv[1:]
c = psycopg.connect(host=host, port=port, user=user, password=password, dbname=dbname, autocommit=True,
                    prepare_threshold=2)
c.add_notice_handler(lambda d: print("notice", d.message_primary))


def show(sql, *args, on=c, **kw):
    try:
        r = on.execute(sql, args or None, **kw)
        print(r.statusmessage, r.fetchall() if r.description else "")
    except psycopg.Error as e:
        print(e.sqlstate, e)


show("select 1, 'x', null, %s, %s::bytea, %s::int[], %s", 1.5, b"\x00\xff", [1, 2], "\u00e4'\\")
for i in range(6):
    show("select note from orders where id = %s", i)
    show("select %b::int4 + 1, array['a', null]", i, binary=True)
show("set statement_timeout = '9s'; set extra_float_digits = 0; set timezone = 'Asia/Tokyo'")
for _ in range(3):
    show("select 0.1::float8 + 0.2, current_setting('statement_timeout'), 'epoch'::timestamptz::text")
show("set search_path = pg_catalog")
show("select note from orders where id = %s", 3)
show("reset search_path")
show("select note from orders where id = %s", 4)
with c.transaction(force_rollback=True):
    show("insert into orders values (%s, 'new', 1) returning id", 1000)
    show("set work_mem = '9MB'")
    try:
        with c.transaction():
            c.execute("insert into orders values (1)")
    except psycopg.Error as e:
        print(e.sqlstate)
    show("show work_mem")
show("show work_mem")
try:
    with c.pipeline() as p:
        got = [c.execute("select %s::int * 2", (i,)) for i in range(20)]
        p.sync()
        c.execute("select %s / 0", (1,))
        c.execute("select 'skipped'")
except psycopg.Error as e:
    print(e.sqlstate, [g.fetchone() for g in got])
with c.transaction(), c.cursor(name="by_name") as cur:
    cur.itersize = 7
    cur.execute("select id from orders order by id limit 30")
    print([r[0] for r in cur])
with c.cursor() as cur, cur.copy("copy (select id, note from orders order by id limit 3) to stdout") as copy:
    print([bytes(b) for b in copy])
show("do $$ begin raise notice 'hello'; end $$")
show("selec")
c.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
c.read_only = True
with c.transaction():
    show("show transaction_isolation")
    show("insert into orders values (1001)")
c.close()
