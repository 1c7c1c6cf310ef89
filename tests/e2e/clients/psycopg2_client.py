# SPDX-License-Identifier: MIT
"""What psycopg2 does, printed: psycopg2_client.py HOST PORT USER PASSWORD DBNAME."""
import io, os, select, sys, threading

import psycopg2, psycopg2.extensions, psycopg2.extras

shared = "CLIENTS_SHARED" in os.environ # `pool transaction`: nothing that is the connection's own
create = "create table t" if shared else "create temp table t"
host, port, user, password, dbname = sys.argv[1:]
c = psycopg2.connect(host=host, port=port, user=user, password=password, dbname=dbname,
                     application_name="test")
print(c.encoding, c.server_version // 10000, c.protocol_version)
cur = c.cursor()


def show(sql, *args):
    try:
        cur.execute(sql, args or None)
        print(cur.statusmessage, cur.fetchall() if cur.description else "")
    except psycopg2.Error as e:
        print(e.pgcode, e.pgerror)
        c.rollback()


show("select 1, 'x', null, %s, %s::bytea, array[1, 2], %s", 1.5, psycopg2.Binary(b"\x00\xff"), "\u00e4'\\")
show("select now() > 'epoch', current_date > '2000-01-01', '{\"a\": [1]}'::jsonb, interval '1 day'")
show("selec")
show(f"{create} (a int primary key, b text)")
cur.executemany("insert into t values (%s, %s)", [(i, f"row {i}") for i in range(20)])
psycopg2.extras.execute_values(cur, "insert into t values %s", [(i, "v") for i in range(20, 120)])
show("insert into t values (1, 'again')")
show("select count(*) from t")
c.rollback()
c.autocommit = True
show(f"{create} (a int primary key, b text)")
cur.copy_from(io.StringIO("".join(f"{i}\tline {i}\n" for i in range(2000))), "t")
out = io.StringIO()
cur.copy_expert("copy (select * from t order by a limit 5) to stdout with csv header", out)
print(out.getvalue())
try:
    cur.copy_from(io.StringIO("x\ty\n"), "t")
except psycopg2.Error as e:
    print(e.pgcode, e.pgerror)
c.autocommit = False
named = c.cursor("by_name", scrollable=True)
named.itersize = 100
named.execute("select a from t order by a")
print(sum(a for a, in named), named.rownumber)
named.close()
c.commit()
if not shared:
    show("prepare q(int) as select b from t where a = $1")
    show("execute q(7)")
    show("deallocate q")
c.commit()
c.set_session(isolation_level="SERIALIZABLE", readonly=True)
show("show transaction_isolation")
show("insert into t values (-1, '')")
c.rollback()
c.set_session(isolation_level="DEFAULT", readonly=False)
c.set_client_encoding("UTF8")
show("do $$ begin raise notice 'a notice'; end $$")
print(c.notices)
lo = c.lobject(0, "wb")
lo.write(b"large object")
lo.seek(6)
print(lo.tell(), c.lobject(lo.oid, "rb").read())
lo.unlink()
c.commit()
c.autocommit = True
if not shared:
    show("listen news")
show("notify news, 'payload'")
c.poll()
print([(n.channel, n.payload) for n in c.notifies])
threading.Timer(0.3, c.cancel).start()
show("select pg_sleep(20)")
show("select 'after'")
t = psycopg2.connect(host=host, port=port, user=user, password=password, dbname=dbname,
                     options="-c statement_timeout=200 -c datestyle=German")
with t, t.cursor() as k:
    k.execute("select date '2026-11-25'::text, current_setting('statement_timeout')")
    print(k.fetchall())
a = psycopg2.connect(host=host, port=port, user=user, password=password, dbname=dbname, async_=1)
while (state := a.poll()) != psycopg2.extensions.POLL_OK:
    select.select([a] if state == psycopg2.extensions.POLL_READ else [],
                  [a] if state == psycopg2.extensions.POLL_WRITE else [], [], 5)
k = a.cursor()
k.execute("select 'asynchronous'")
while a.poll() != psycopg2.extensions.POLL_OK:
    select.select([a], [], [], 5)
print(k.fetchall())
c.close()
print("closed", c.closed)
