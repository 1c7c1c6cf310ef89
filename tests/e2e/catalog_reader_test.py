#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The gateway's own look at a target: what it refuses to trust, how it follows changes, what happens
while the server is away."""
import harness as h

POLICY = "policy p\ndefault allow\ndata card = column t.card\nmask card with last(4)\n"
CARD = "4111111111111111"
SQL = f"create table t (a int, card text); insert into t values (1, '{CARD}')"


def said(w, text, n=1):
    h.wait_for(lambda: w.log().count(text) >= n, 15, f"{text!r} {n} times in the log")
    return w.log()


def refused(w, *parts):
    """A session gets no further than the catalog, and no row."""
    r = w.psql("select card from t")
    h.check(r.code != 0, repr(r))
    h.lacks(r.out + r.err, CARD, "app-secret")
    h.has(r.err, *parts)


def test_schema_changes_through_the_gateway_are_seen():
    pg = h.Postgres(sql=SQL)
    w = h.Weir(pg, policy=POLICY)
    h.eq(w.psql("create table u (card text)").code, 0)
    h.eq(w.psql("insert into u values ('x')").code, 0)
    h.eq(w.psql("select card from u").out, "x")
    h.eq(w.psql("alter table u rename column card to name").code, 0)
    h.eq(w.psql("select name from u").out, "x")
    # A table that has masks is not renamed by whom they are for.
    h.has(w.psql("alter table t rename column card to name").err, "WEIR-MASKED-ALTER")
    # Past the gateway it can be; whatever the snapshot says by then, the number stays inside.
    pg.query("alter table t rename column card to name")
    r = w.psql("select name from t")
    h.lacks(r.out + r.err, CARD)
    h.eq(w.stop(), 0)


def test_an_announced_change_past_the_gateway_is_seen():
    """The trigger that `weir doctor` prints; without it a minute may pass."""
    pg = h.Postgres(sql=SQL)
    w = h.Weir(pg, policy=POLICY)
    said(w, "catalog target=orders relations=")
    script = w.cli("doctor", "postgres", "orders", "-c", w.conf_path, "--json").json()
    pg.super(next(f["sql"] for f in script["findings"] if f["code"] == "PG606"))
    # Noticed with the next read, which a change through the gateway brings about.
    h.eq(w.psql("create table through (a int)").code, 0)

    def listens():
        return pg.super("select count(*) from pg_stat_activity where application_name ="
                        " 'weir-catalog' and state = 'idle' and query like 'LISTEN%'") == "1"
    h.wait_for(listens, 15, "the gateway listens")
    for i in range(3):
        n = w.log().count("catalog target=orders relations=")
        pg.query(f"create table past{i} (card text)")
        said(w, "catalog target=orders relations=", n + 1)
    # It goes on when the connection is lost.
    pg.super("select pg_terminate_backend(pid) from pg_stat_activity"
             " where application_name = 'weir-catalog'")
    h.eq(w.psql("create table through_again (a int)").code, 0)
    h.wait_for(listens, 15, "the gateway listens again")
    h.eq(w.stop(), 0)
    h.eq(pg.super("select count(*) from pg_stat_activity where application_name = 'weir-catalog'"),
         "0")


def test_an_unsafe_string_setting_is_refused():
    pg = h.Postgres(sql=SQL)
    pg.super("alter role app set standard_conforming_strings = off")
    w = h.Weir(pg, policy=POLICY)
    h.has(said(w, "catalog target=orders trouble"), "standard_conforming_strings off",
          "ALTER ROLE ... RESET")
    refused(w, "WEIR-CATALOG", "cannot read the target's catalog")
    pg.super("alter role app reset standard_conforming_strings")
    said(w, "catalog target=orders relations=")
    h.eq(w.psql("select card from t").out, "*" * 12 + "1111")
    h.eq(w.stop(), 0)


def test_another_encoding_is_refused():
    pg = h.Postgres()
    pg.super("create database old owner app template template0 encoding 'LATIN1' locale 'C'",
             db="postgres")
    pg.database = "old"
    w = h.Weir(pg, policy=POLICY)
    h.has(said(w, "catalog target=old trouble"), "encoding that the gateway does not read")
    h.eq(w.stop(), 0)


def test_a_server_that_is_away_at_start():
    pg = h.Postgres(sql=SQL)
    pg.stop()
    w = h.Weir(pg, policy=POLICY)
    said(w, "catalog target=orders trouble=\"the gateway has no connection to the target\"")
    h.lacks(w.log(), "app-secret")
    pg.start()
    said(w, "catalog target=orders relations=")
    h.eq(w.psql("select card from t").out, "*" * 12 + "1111")
    # Told once per change, however many attempts there were.
    h.eq(w.log().count("trouble="), len(set(x.split("trouble=")[1] for x in w.log().splitlines()
                                            if "trouble=" in x)))
    h.eq(w.stop(), 0)


def test_a_wrong_password_says_so_without_it():
    pg = h.Postgres(sql=SQL)
    pg.password = "not-the-password"
    w = h.Weir(pg, policy=POLICY)
    h.has(said(w, "trouble="), 'authentication failed for user \\"app\\"')
    h.lacks(w.log(), "not-the-password")
    h.eq(w.stop(), 0)


def tls_gateway(pg, mode):
    w = h.Weir(pg, policy=POLICY, start=False)
    with open(w.conf_path) as f:
        conf = f.read()
    with open(w.conf_path, "w") as f:
        f.write(conf.replace("  tls       off", f"  tls       {mode}"))
    return w.start()


def test_tls_is_verified_when_told():
    pg = h.Postgres(sql=SQL, tls="only")
    for mode in ("require", f'verify-full ca "{pg.ca}"'):
        w = tls_gateway(pg, mode)
        said(w, "catalog target=orders relations=")
        h.eq(w.psql("select card from t").out, "*" * 12 + "1111", mode)
        h.eq(w.stop(), 0)
    w = tls_gateway(pg, "verify-full")
    h.has(said(w, "trouble="), "certificate verify failed")
    refused(w)
    h.eq(w.stop(), 0)


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")])
