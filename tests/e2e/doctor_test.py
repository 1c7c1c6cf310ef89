#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""weir doctor against real servers: a login that is set up badly yields every finding, the printed
SQL makes them go away, and no name in the database can break out of that SQL."""
import re

import harness as h

POLICY = """policy p
group agents = idp "ai-agents"
data pan   = column *.cards.pan, column odd*.*.*secret*
data phone = column *.people.phone*
allow rows
  do sql
mask pan with null
mask phone with last(4)
"""
ROLE = "ap'p \"x\" \\é"
QUOTED = '"' + ROLE.replace('"', '""') + '"'
ODD = "odd\"; drop table t; --\n\x1b[31m\u202e"
ODD_QUOTED = '"' + ODD.replace('"', '""') + '"'
HBA = """host all postgres 127.0.0.1/32 scram-sha-256
host orders odd 127.0.0.1/32 trust
host orders all 10.0.0.0 255.0.0.0 scram-sha-256
host all all 10.9.9.9/32 reject
host template1 all 0.0.0.0/0 scram-sha-256
local postgres all trust
host all all 127.0.0.1/32 scram-sha-256
"""
BAD = f"""
create role dba createrole; create role ops; create role chief superuser; create role other login;
grant ops to {QUOTED}; grant chief to ops; grant pg_read_all_data, pg_monitor to ops;
grant pg_write_server_files to {QUOTED};
alter role {QUOTED} superuser bypassrls replication createrole createdb;
alter role {QUOTED} set row_security = off;
alter role {QUOTED} in database orders set role = 'ops';
alter database orders set search_path = public, pg_catalog;
create schema payments authorization {QUOTED};
create table payments.cards (id serial primary key, pan text, expires text);
alter table payments.cards owner to {QUOTED};
create schema shop; grant create on schema shop to ops; grant usage on schema shop to public;
create table shop.people (id int, phone text); grant select on shop.people to {QUOTED};
create table shop.cards (pan text, owner text);
grant select (pan, owner), insert on shop.cards to {QUOTED};
grant select on shop.cards to public;
create schema {ODD_QUOTED};
create table {ODD_QUOTED}.{ODD_QUOTED} (a int, "my ""secret"" x" text, {ODD_QUOTED} text);
grant all on {ODD_QUOTED}.{ODD_QUOTED} to ops;
create extension dblink; create extension pageinspect; create extension "file_fdw";
create function shop.lend(a int, b payments.cards) returns int security definer
  language sql as 'select 1';
create function {ODD_QUOTED}.{ODD_QUOTED}({ODD_QUOTED} int, {ODD_QUOTED}.{ODD_QUOTED}) returns int
  security definer language sql as 'select 1';
create function shop.trap() returns trigger security definer language plpgsql
  as 'begin return new; end';
create trigger "tr""ap" before insert on payments.cards execute function shop.trap();
create function shop.foreign_trap() returns trigger language plpgsql as 'begin return new; end';
alter function shop.foreign_trap() owner to other;
create trigger foreign_trap before insert on shop.people execute function shop.foreign_trap();
create trigger foreign_trap before insert on payments.cards execute function shop.foreign_trap();
"""


def table():
    with open(f"{h.ROOT}/cli/doctor.def") as f:
        return re.findall(r'^FINDING\(\w+, "(PG\d+)"', f.read(), re.M)


class Target:
    """A server and a configuration that names it. Nothing runs but the server."""

    def __init__(self, policy=POLICY, address="127.0.0.1", **kw):
        self.pg = h.Postgres(**kw)
        self.weir = h.Weir(self.pg, policy=policy, start=False)
        self.address, self.tls = address, "off"
        self.configure()

    def configure(self):
        pg, text = self.pg, open(self.weir.conf_path).read()
        login = self.pg.login.replace("\\", "\\\\").replace('"', '\\"')
        target = (f'\ntarget orders\n  protocol  postgres\n  address   {self.address}:{pg.port}\n'
                  f'  database  {pg.database}\n  login     "{login}" password "{pg.password}"\n'
                  f'  tls       {self.tls}\n')
        text = re.sub(r"\ntarget .*?\n(?=\n)", lambda m: target, text, flags=re.S)
        with open(self.weir.conf_path, "w") as f:
            f.write(text)

    def hba(self, text):
        self.pg._write("data/pg_hba.conf", text)
        self.pg.super("select pg_reload_conf()", db="postgres")

    def doctor(self, *options):
        r = h.weir("doctor", "postgres", "orders", "-c", self.weir.conf_path, *options)
        h.lacks(r.out + r.err, self.pg.password)
        return r

    def findings(self, *codes):
        """What is found, of these codes if any are given: [(code, seen, sql)]."""
        r = self.doctor("--json")
        h.check(r.code in (0, 1), repr(r))
        j = r.json()
        h.eq(r.code, 1 if j["findings"] else 0, repr(r))
        return [(f["code"], f["seen"], f["sql"]) for f in j["findings"]
                if not codes or f["code"] in codes]

    def apply(self):
        """Runs the printed script as a superuser, twice: it may be run again."""
        r = self.doctor("--sql")
        h.eq(r.code, 1, repr(r))
        path = f"{h.tmp()}/close.sql"
        with open(path, "w") as f:
            f.write(r.out)
        for _ in range(2):
            a = h.run(h.psql_argv(self.pg.port, "postgres", self.pg.database,
                                  options=("-f", path)), env={"PGPASSWORD": "pw"})
            h.eq(a.code, 0, repr(a))
        return r.out


def rename(t, name, quoted):
    t.pg.super(f"alter role app rename to {quoted}", db="postgres")
    t.pg.login = name
    t.configure()


def test_a_bad_login_yields_everything_and_the_script_closes_it():
    gone = POLICY.replace("phone*", "phone*, column shop.people.fax, column public.gone.fax")
    t = Target(policy=gone, settings={"password_encryption": "md5"})
    t.pg.super("set password_encryption = 'scram-sha-256'; alter role app password 'app-secret'")
    rename(t, ROLE, QUOTED)
    t.pg.super(BAD)
    t.hba(HBA)
    found = t.findings()
    codes = {c for c, _, _ in found}
    h.eq(sorted(codes), sorted(table()))

    def seen(code):
        return sorted(s for c, s, _ in found if c == code)
    h.eq(seen("PG201"), ["member of pg_read_all_data, through ops", "member of pg_write_server_files"])
    h.eq(seen("PG203"), ["chief, through ops: a superuser", "ops: has grants on 1 relations"])
    h.eq([s.split(":")[0] for s in seen("PG301")], ["line 2"])
    h.eq([s.split(":")[0] for s in seen("PG302")], ["line 3"])
    h.eq(seen("PG404"), [f"payments.cards belongs to {ROLE}"])
    h.eq([s for s in seen("PG405") if "shop" in s],
         ["SELECT on shop.cards (pan) is granted to PUBLIC",
          f"SELECT on shop.cards (pan) is granted to {ROLE}"])
    h.lacks("\n".join(seen("PG405")), "people")
    h.eq(seen("PG406"), ["public.gone.fax is not there", "shop.people.fax is not there"])
    h.eq(len(seen("PG702")), 1)
    h.eq(len(seen("PG703")), 2)
    text = t.doctor()
    h.lacks(text.out, "\x1b", "\u202e", t.pg.password)
    script = t.apply()
    h.lacks(script, "\x1b", "\u202e")
    h.has(script, "\nCOMMIT;\n")
    # What is the policy's no script mends.
    h.eq({c for c, _, _ in t.findings()}, {"PG406"})
    with open(t.weir.policy, "w") as f:
        f.write(POLICY)
    h.eq(t.findings(), [])
    r = t.doctor()
    h.eq(r.code, 0)
    h.has(r.out, "nothing found", "cannot be seen from here: pg_hba.conf")
    works_after(t)


def works_after(t):
    """The login is still of use, and the server itself now refuses what nobody may see."""
    q = lambda sql: t.pg.psql(sql)
    t.pg.psql = lambda sql: h.run([h.pg_bin("psql"), "-X", "-q", "-A", "-t", "-c", sql],
                                  env={"PGPASSWORD": t.pg.password, "PGUSER": ROLE,
                                       "PGHOST": "127.0.0.1", "PGPORT": str(t.pg.port),
                                       "PGDATABASE": "orders"})
    h.eq(q("insert into payments.cards (expires) values ('x') returning id, expires").out, "1|x")
    h.eq(q("select owner from shop.cards").code, 0)
    h.eq(q("select phone from shop.people").code, 0)
    for sql in ("select pan from payments.cards", "select pan from shop.cards",
                "select * from dblink('x', 'y') as t(a int)", "set role ops",
                "select query_to_xml('select 1', true, true, '')", "create schema mine",
                f"select * from {ODD_QUOTED}.{ODD_QUOTED}", "create temporary table x (a int)",
                "alter table payments.cards disable trigger all"):
        r = q(sql)
        h.check(r.code != 0, f"{sql}: {r!r}")


def test_a_trusted_extension_can_be_installed():
    t = Target(policy="policy p\nallow rows\n  do sql\n")
    h.eq([s for _, s, _ in t.findings("PG503")], ["tablefunc can be installed by app"])
    t.apply()
    h.eq(t.findings(), [])


def test_a_catalog_that_cannot_be_read_is_said_so():
    t = Target(sql="create table cards (id int, pan text)")
    t.pg.super("alter role all set standard_conforming_strings = off")
    h.eq([s for _, s, _ in t.findings("PG404", "PG601")],
         ["every role: standard_conforming_strings = off"])
    r = t.doctor("--json").json()
    h.check(not r["complete"], "complete")
    h.has(r["unseen"][0]["why"], "standard_conforming_strings off")
    t.apply()
    h.eq([s for _, s, _ in t.findings("PG404", "PG601")], ["public.cards belongs to app"])
    t.apply()
    h.eq(t.findings(), [])


def test_elsewhere_only_with_tls():
    t = Target(address="0.0.0.0")
    r = t.doctor()
    h.eq(r.code, 2, repr(r))
    h.has(r.err, "E0912", "tls verify-full")
    t.tls = "require"
    t.configure()
    h.has(t.doctor().err, "server does not support SSL")


def test_pg_hba_is_read_when_the_login_may():
    t = Target()
    h.eq(t.findings("PG301", "PG302"), [])
    h.has(t.doctor().out, "cannot be seen from here: pg_hba.conf", "ask the DBA")
    t.pg.super("grant select on pg_hba_file_rules to app; "
               "grant execute on function pg_hba_file_rules() to app")
    t.hba(HBA)
    h.lacks(t.doctor().out, "cannot be seen")
    (_, trust, _), (_, around, sql) = t.findings("PG301", "PG302")
    h.eq(trust, "line 2: host orders odd 127.0.0.1 255.255.255.255 trust")
    h.eq(around, "line 3: host orders all 10.0.0.0 255.0.0.0 scram-sha-256")
    h.has(sql, "hostssl orders app 127.0.0.1/32 scram-sha-256")
    t.hba("host all all 127.0.0.1/32 scram-sha-256\n")
    h.eq(t.findings("PG301", "PG302"), [])


def test_a_column_that_somebody_sees_may_be_granted():
    """Each of these policies shows the column to somebody, or may."""
    sql = "create table cards (id int, pan text)"
    for mask, hidden in (("mask pan with null", True), ('mask pan with fixed("-")', True),
                         ("mask pan with null\n  unless who dba", False),
                         ("mask pan with null\n  unless who nobody", True),
                         ("mask pan with null unless row.id = 1", False),
                         ("mask pan with null allowing derived", False),
                         ("mask pan with null allowing aggregates over 20", False),
                         ("mask pan with hash", False), ("mask pan with last(4)", False)):
        t = Target(policy="policy p\ngroup dba = idp \"dba-oncall\"\ngroup nobody = idp \"none\"\n"
                   f"data pan = column public.cards.pan\nallow rows\n  do sql\n{mask}\n", sql=sql)
        h.eq(len(t.findings("PG405")), int(hidden), mask)
        t.pg.stop()


def test_masks_that_move_hide_nothing_for_certain():
    t = Target(policy="policy p\ndata pan = column public.cards.pan\nallow rows\n  do sql\n"
               "mask pan with null\n  when time.weekday = mon\n",
               sql="create table cards (id int, pan text)")
    h.eq(t.findings("PG405"), [])
    h.has(t.doctor().out, "cannot be seen from here: grants on masked columns")


def test_what_cannot_be_looked_at_is_not_clean():
    t = Target()
    r = h.weir("doctor", "postgres", "nowhere", "-c", t.weir.conf_path)
    h.eq(r.code, 2)
    h.has(r.err, "no target 'nowhere'; it has orders")
    for args in ((), ("mysql", "orders"), ("postgres",), ("postgres", "orders"),
                 ("postgres", "orders", "-c", "x", "--json", "--sql")):
        h.eq(h.weir("doctor", *args).code, 2, repr(args))
    t.pg.super("revoke select on pg_catalog.pg_roles from public")
    r = t.doctor()
    h.eq(r.code, 2)
    h.has(r.err, "PG101", "permission denied")
    t.pg.password = "not-the-password"
    t.configure()
    r = t.doctor()
    h.eq(r.code, 2)
    h.has(r.err, "authentication failed", "\n  look at `address`, `login` and `tls` of the target orders in ")
    t.pg.stop()
    h.eq(t.doctor().code, 2)


if __name__ == "__main__":
    h.main(*[f for n, f in list(globals().items()) if n.startswith("test_")])
