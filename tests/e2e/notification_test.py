#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a notification says may come from a trigger that read a masked column: who has masks in force hears that
there was one, and on which channel, and nothing else."""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

PAN = "4111111111111111"
SQL = """
create table cards (id int, pan text);
create function tell() returns trigger language plpgsql as
$$ begin perform pg_notify('cards', new.pan), pg_notify(new.pan, 'a channel of that name'); return null; end $$;
create trigger t after insert on cards for each row execute function tell();
"""
POLICY = """policy p
group agents = idp "ai-agents"
data card = column public.cards.pan
default allow
"""
MASK = "group dba = idp \"dba-oncall\"\nmask card with last(4) unless who dba\n"


def setup():
    global pg, psycopg
    import psycopg
    pg = h.Postgres(sql=SQL)


def listener(w, user):
    c = psycopg.connect(w.conninfo(user), autocommit=True)
    c.execute("listen cards")
    return c


def heard(c):
    """The next one, which comes without being asked for."""
    def look():
        c.pgconn.consume_input()
        return c.pgconn.notifies()
    n = h.wait_for(look, what="a notification")
    return n.relname.decode(), n.extra.decode()


def insert():
    pg.query(f"insert into cards values (1, '{PAN}')")


def test_who_is_under_a_mask_hears_the_channel_and_no_more():
    w = h.Weir(pg, policy=POLICY + MASK)
    masked, clear = listener(w, "planner-7"), listener(w, "ana")
    for _ in range(2):
        insert()
        h.eq(heard(masked), ("cards", ""))
        h.eq(heard(clear), ("cards", PAN))
    # Its own, and in the middle of an answer.
    own = []
    masked.add_notify_handler(lambda n: own.append((n.channel, n.payload)))
    masked.execute("notify cards, 'own'")
    h.eq(own, [("cards", "")])
    h.eq(heard(clear), ("cards", "own"))
    # A channel must be asked for by its name.
    h.eq((masked.pgconn.notifies(), clear.pgconn.notifies()), (None, None))
    masked.close(), clear.close()
    w.stop()


def test_a_mask_that_comes_into_force_counts_at_once():
    w = h.Weir(pg, policy=POLICY)
    c = listener(w, "planner-7")
    insert()
    h.eq(heard(c), ("cards", PAN))
    with open(w.policy, "a") as f:
        f.write(MASK)
    w.reload()
    h.wait_for(lambda: w.log().count("rules=1") > 0, what="the new policy")
    insert()
    h.eq(heard(c), ("cards", ""))
    c.close()
    w.stop()


h.main(test_who_is_under_a_mask_hears_the_channel_and_no_more,
       test_a_mask_that_comes_into_force_counts_at_once, setup=setup)
