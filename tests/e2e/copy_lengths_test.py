#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a column declares of its values (varchar(n), char(n), numeric(p, s), domains over them) holds for masked
values in COPY as in SELECT: for each type and each mask, a real PostgreSQL's results and its COPY streams in
text, csv and binary format come out the same, and the server takes them back."""
import os, struct, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

try:
    import psycopg
    OK, TUPLES, COPY = (psycopg.pq.ExecStatus[s] for s in ("COMMAND_OK", "TUPLES_OK", "COPY_OUT"))
except ImportError:
    psycopg = None

TYPES = {
    "t": "text", "v5": "varchar(5)", "v40": "varchar(40)", "v100": "varchar(100)", "v": "varchar", "c": "char",
    "c20": "char(20)", "c80": "char(80)", "bp": "bpchar", "n": "name", "b8": "bit(8)", "vb": "varbit(20)",
    "n102": "numeric(10, 2)", "n4": "numeric(4)", "nn": "numeric(4, -2)", "nu": "numeric", "i": "int",
    "ts": "timestamp(0)", "tz": "timestamptz(3)", "ti": "time(0)", "d": "date", "dv": "code", "dd": "inner_code",
    "dc": "padded", "dn": "amount", "a": "varchar(40)[]", "u": "uuid", "b": "bytea",
}
TEXTS = [c for c in TYPES if c[0] in "tvc" and c not in ("ts", "tz", "ti", "vb")] + ["bp", "dv", "dd", "dc"]
LONG = "more than any of the lengths, but é and ü " * 3
MASKS = ["null", "first(3)", "last(4)", "partial", "hash", "pseudonym", 'fixed("hidden (all of it)")',
         f'fixed("{LONG}")', 'fixed("x")', 'fixed("12")',
         'fixed("-0.50")', 'fixed("123456")', 'fixed("2024-02-29")', 'fixed("1999-12-31 23:59:58")',
         'fixed("12:30:00")', 'fixed("101")', "year", "month", "round(7)", "bucket(100)"]
CARD = "4111111111111111"


def texts(value):
    lengths = {"v5": 5, "v40": 40, "v100": 100, "c": 1, "c20": 20, "c80": 80, "dv": 40, "dd": 40, "dc": 20}
    return [value[:lengths.get(c, 60)] for c in TEXTS]


def row(key, value, rest, values):
    named = dict(zip(TEXTS, texts(value)), **dict(zip(rest, values)))
    return (f"insert into m0 (id, {', '.join(named)}) values ({key}, " +
            ", ".join("'%s'" % v for v in named.values()) + ");\n")


REST = ["n", "b8", "vb", "n102", "n4", "nn", "nu", "i", "ts", "tz", "ti", "d", "dn", "a", "u", "b"]
SQL = """
create domain code as varchar(40);
create domain inner_code as code check (value <> 'never');
create domain padded as char(20);
create domain amount as numeric(10, 2);
create table m0 (id int, %s);
""" % ", ".join(f"{c} {t}" for c, t in TYPES.items()) + \
    row(1, "ana.example@mail.example.com and some more text", REST,
        ["some name", "10101010", "10101", "12345.67", "1234", "12300", "98765.4321", "1234567",
         "2020-05-06 07:08:09", "2020-05-06 07:08:09.123+00", "01:02:03", "2020-05-06", "99.50", "{a,b}",
         "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "\\x0102"]) + \
    row(2, "éü中 \\\\ \"q\", 2", REST,
        ["", "00000000", "", "-0.05", "-7", "-900", "-0.001", "-3", "1970-01-01", "1970-01-01 00:00+00", "00:00",
         "1970-01-01", "-0.01", "{}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ""]) + \
    row(3, "", [], []) + "insert into m0 (id) values (4);\n" + \
    "".join(f"create table m{i} (like m0); insert into m{i} select * from m0;\n" for i in range(1, len(MASKS))) + \
    f"""
create view seen as select id, v40 as x, c20, dv, n102 from m4;
create view seen_again as select * from seen;
create table parts (id int, v40 varchar(40), c20 char(20)) partition by range (id);
create table part1 partition of parts for values from (0) to (100);
insert into parts select id, v40, c20 from m0;
create table rowed (id int, v40 varchar(40), c20 char(20));
insert into rowed select id, v40, c20 from m0;
create table found (id int, v20 varchar(20), c24 char(24), dv code, t text);
insert into found values (1, '{CARD}', '{CARD}', 'x {CARD}', 'x {CARD}'), (2, 'x', 'x', 'x', null);
"""
POLICY = "policy lengths\ndefault allow\n" + "".join(
    f"data d{i} = {', '.join(f'column m{i}.{c}' for c in TYPES)}\nmask d{i} with {m}\n"
    for i, m in enumerate(MASKS)) + f"""
data parts = column parts.v40, column parts.c20
data rowed = column rowed.v40, column rowed.c20
data cards = values like card
mask parts with hash
mask hashed of rowed with hash when row.id > 1
mask fixed of rowed with fixed("{LONG}") when row.id < 2
mask cards with fixed("{LONG}")
"""
pg = weir = None


def setup():
    global pg, weir
    pg, weir = h.started(psycopg, SQL, POLICY)


def connect():
    return psycopg.connect(weir.conninfo(), autocommit=True).pgconn


def selected(c, sql, binary):
    r = c.exec_params(sql.encode(), [], result_format=int(binary))
    h.eq(r.status, TUPLES, f"{sql}: {r.error_message.decode()}")
    return [[r.get_value(i, k) for k in range(r.nfields)] for i in range(r.ntuples)]


def stream(c, sql, options):
    r = c.exec_(f"copy ({sql}) to stdout with ({options})".encode())
    h.eq(r.status, COPY, f"{sql}: {r.error_message.decode()}")
    data = b""
    while True:
        n, piece = c.get_copy_data(0)
        if n < 0:
            break
        data += bytes(piece)
    r = c.get_result()
    h.eq(r.status, OK, f"{sql}: {r.error_message.decode()}")
    h.check(c.get_result() is None, "one result")
    return data


def rows_of_text(data):
    def value(v):
        return None if v == b"\\N" else v.replace(b"\\\\", b"\\")
    return [[value(v) for v in line.split(b"\t")] for line in data.splitlines()]


def rows_of_csv(data):
    """An empty value stands in quotes, NULL does not."""
    rows = []
    for line in data.splitlines():
        values, at = [], 0
        while at <= len(line):
            if line[at:at + 1] == b'"':
                end = at + 1
                while line[end:end + 1] != b'"' or line[end:end + 2] == b'""':
                    end += 2 if line[end:end + 1] == b'"' else 1
                values.append(line[at + 1:end].replace(b'""', b'"'))
                at = end + 2
            else:
                end = line.find(b",", at) if b"," in line[at:] else len(line)
                values.append(line[at:end] or None)
                at = end + 1
        rows.append(values)
    return rows


def rows_of_binary(data):
    h.eq(data[:19], b"PGCOPY\n\xff\r\n\0" + bytes(8))
    rows, at = [], 19
    while True:
        n, at = struct.unpack_from(">h", data, at)[0], at + 2
        if n < 0:
            h.eq(at, len(data))
            return rows
        rows.append([])
        for _ in range(n):
            size, at = struct.unpack_from(">i", data, at)[0], at + 4
            rows[-1].append(None if size < 0 else data[at:at + size])
            at += max(size, 0)


FORMATS = {"format text": rows_of_text, "format csv": rows_of_csv, "format binary": rows_of_binary}


def compared(c, sql):
    """The rows in text and in binary, which are those of the COPY streams."""
    rows = {binary: selected(c, sql, binary) for binary in (False, True)}
    for options, read in FORMATS.items():
        binary = "binary" in options
        got = read(stream(c, sql, options))
        h.eq(len(got), len(rows[binary]), f"rows of {sql} in {options}")
        for g, want in zip(got, rows[binary]):
            h.eq(g, want, f"{sql} in {options}")
    return rows


def test_every_type_under_every_mask():
    c = connect()
    for i, m in enumerate(MASKS):
        for column in TYPES:
            compared(c, f"select id, {column} from m{i} order by id")
        rows = compared(c, f"select * from m{i} order by id")
        if m in ("hash", MASKS[7]):
            long = rows[False][0]
            for column, n in (("v5", 5), ("v40", 40), ("c20", 20), ("dv", 40), ("dd", 40), ("dc", 20)):
                h.eq(len(long[1 + list(TYPES).index(column)].decode()), n, f"{m} of {column}")
    c.finish()


def test_a_fixed_value_is_padded():
    c = connect()
    for options, read in FORMATS.items():
        got = read(stream(c, "select c20, dc, v40, bp from m8 where id = 1", options))
        h.eq(got, [[b"x" + b" " * 19, b"x" + b" " * 19, b"x", b"x"]], options)
    c.finish()


def test_the_server_takes_the_streams_back():
    c = connect()
    into = psycopg.connect(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} "
                           f"dbname={pg.database}", autocommit=True)
    for i, m in enumerate(MASKS):
        for options in FORMATS:
            into.execute("drop table if exists back; create table back (like m0)")
            data = stream(c, f"select * from m{i}", options)
            with into.cursor().copy(f"copy back from stdin with ({options})") as copy:
                copy.write(data)
            h.eq(into.execute("select count(*) from back").fetchone(), (4,), f"{m} in {options}")
    into.close()
    c.finish()


SHAPES = """
select * from seen order by id
select x, n102 from seen_again order by id
select q.w, q.p from (select id, v40 as w, c20 as p from m4) q order by q.id
with z as (select id, v40, dc from m4) select v40, dc from z order by id
select (select v40 from m4 where id = 1), (select c20 from m4 where id = 1)
select v40, c20, dv, dd, n102 from m4 where id = 1 union all select v40, c20, dv, dd, n102 from m4 where id = 2
select v40 from m4 where id = 1 union all select v100 from m4 where id = 2
select v40 from m4 where id = 1 union all select v from m4 where id = 2
select dv from m4 where id = 1 union all select v40 from m4 where id = 2
select dv from m4 where id = 1 union all select dd from m4 where id = 2
select v40 from m4 where id = 1 union all select x from seen where id = 2
select v40 from m4 where id = 1 union all select dv from m4 where id = 2 union all select v40 from m4 where id = 1
select c20 from m6 where id = 1 union all select c80 from m6 where id = 2
select c20 from m6 where id = 1 union all select dc from m6 where id = 2
select n102 from m18 where id = 1 union all select n4 from m18 where id = 2
with recursive z(n, w) as (select 1, v40 from m4 where id = 1 union all select n + 1, w from z where n < 3) select w from z
select * from parts order by id
select * from part1 order by id
select * from rowed order by id
select a.v40, b.c20 from m4 a join m4 b on a.id = b.id order by a.id
"""


def test_wherever_a_value_comes_from():
    c = connect()
    for sql in SHAPES.strip().splitlines():
        compared(c, sql)
    c.finish()


def test_of_a_table_by_its_name():
    c = connect()
    r = c.exec_(b"copy m4 (id, v40, dv, c20) to stdout")
    h.eq(r.status, COPY)
    lengths = []
    while (piece := c.get_copy_data(0))[0] > 0:
        lengths.append([len(v) for v in bytes(piece[1]).rstrip(b"\n").split(b"\t")])
    h.eq(lengths[0], [1, 40, 40, 20])
    h.eq(c.get_result().status, OK)
    c.finish()


def test_what_detectors_put_in_the_place_of_a_value():
    c = connect()
    rows = compared(c, "select * from found order by id")
    h.eq([len(v.decode()) for v in rows[False][0][1:]], [20, 24, 40, len(LONG)])
    for sql in ("create temp table own (id int, v20 varchar(20), dv code)",
                f"insert into own values (1, '{CARD}', '{CARD}')"):
        r = c.exec_(sql.encode())
        h.eq(r.status, OK, r.error_message.decode())
    rows = compared(c, "select * from own")
    h.eq([len(v.decode()) for v in rows[False][0][1:]], [20, 40])
    c.finish()


h.main(test_every_type_under_every_mask, test_a_fixed_value_is_padded, test_the_server_takes_the_streams_back,
       test_wherever_a_value_comes_from, test_of_a_table_by_its_name,
       test_what_detectors_put_in_the_place_of_a_value, setup=setup)
