#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Masked values are values: PostgreSQL itself writes COPY streams of many types, they are masked, and
it must take them back, in every format, with the same result and nothing clear left."""
import subprocess

import harness as h

FILTER = f"{h.ROOT}/build/asan/tests/copy_mask"
MASKS = ["null", "last:2", "first:3", "partial", "hash", "pseudonym", "fixed:12", "fixed:hidden (all)",
         "fixed:true", "fixed:2024-02-29", "fixed:1999-12-31 23:59:58", "fixed:12:30:00",
         "fixed:-0.50", "fixed:123e4567-e89b-12d3-a456-426614174000", "fixed:\\x00ff", "fixed:{}",
         'fixed:"s"', "fixed:", "year", "month", "round:1000", "bucket:7"]
FORMATS = {
    "text": ("format text", []),
    "text2": ("format text, delimiter '|', null 'nil'", ["-delimiter", "|", "-null", "nil"]),
    "csv": ("format csv", []),
    "csv2": ("format csv, delimiter '|', escape E'\\\\', null 'nil'",
             ["-delimiter", "|", "-escape", "\\", "-null", "nil"]),
    "binary": ("format binary", []),
}

SQL = r"""
create table v (t text, vc varchar(12), bp char(20), n name, c "char", ba bytea, b bool, i2 int2,
  i4 int4, i8 int8, f4 float4, f8 float8, nu numeric, n2 numeric(10,2), d date, ti time,
  ts timestamp, tz timestamptz, u uuid, j json, jb jsonb, x xml, arr text[], p point, i inet,
  r int4range, bits bit(3));
insert into v values ('Zq7 secret', 'Zq7 vc', 'Zq7 char', 'Zq7name', 'Z', 'Zq7', true, 12345,
  1234567, -1234567890123, 1.5, 2.25, 1234567.8900, -99.05, '2020-01-02', '10:11:12', '2020-01-02 03:04:05',
  '2020-01-02 03:04:05+00', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"Zq7":1}', '{"Zq7":1}',
  '<a>Zq7</a>', '{Zq7,b}', '(1,2)', '10.1.2.3', '[1,5)', '101');
insert into v values (E'Zq7\ttab\\N"q"|,\n', E'"Zq7,"', 'Zq7|', 'Zq7é中', 'q', '\x00ff', false,
  -32768, -2147483648, 9223372036854775807, 'NaN', '-Infinity', 'NaN', 0.00, 'infinity',
  '00:00', 'infinity', '-infinity', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[]', '"Zq7"', 'Zq7',
  '{}', '(0,0)', '::1', 'empty', '000');
insert into v values ('ana.Zq7@example.com', '', '', '', '', '', null, 0, 0, 0, 0, 0,
  0.00000000000000000001234, 0.5, null, null, null, null, null, null, null, null, null, null, null,
  null, null);
insert into v (t, nu, n2) values (repeat('Zq7é中', 300), 1e30, 12345678.99), ('nil', -12300, 1), (null, 0, 0);
insert into v (nu) values (100000000), (10000), (0.0001), (123456789012345678901234567890.12345);
"""


def columns():
    rows = pg.query("select atttypid || ':' || atttypmod from pg_attribute where attrelid = 'v'::regclass "
                    "and attnum > 0 order by attnum")
    return rows.split()


def masked_table(mask, name, key):
    """v, copied out by the server, masked, copied in by the server."""
    options, flags = FORMATS[key]
    out, back = f"{h.tmp()}/out", f"{h.tmp()}/back"
    pg._ok(pg.psql(f"\\copy v to '{out}' with ({options})"))
    with open(out, "rb") as i, open(back, "wb") as o:
        p = subprocess.run([FILTER, options.split()[1].rstrip(","), *flags, mask, *columns()], stdin=i,
                           stdout=o, stderr=subprocess.PIPE)
    h.check(p.returncode == 0, f"{mask} {key}: {p.stderr.decode()}")
    pg.query(f"drop table if exists {name}; create table {name} (like v)")
    r = pg.psql(f"\\copy {name} from '{back}' with ({options})")
    h.check(r.code == 0, f"{mask} {key}: {r!r}")


def shown(table):
    return pg.query(f"select {table}::text from {table}")


def every_mask_in(key, reference="text"):
    for mask in MASKS:
        masked_table(mask, "got", key)
        text = shown("got")
        keeps = mask in ("first:3",)
        h.check(keeps or "Zq7" not in text, f"{mask} {key}: clear text in {text}")
        if key != reference:
            masked_table(mask, "want", reference)
            h.eq(text, shown("want"), f"{mask}: {key} against {reference}")


def test_text():
    every_mask_in("text")


def test_csv():
    every_mask_in("csv")


def test_csv_with_other_options():
    every_mask_in("csv2")


def test_binary():
    every_mask_in("binary")


# What the server itself makes of the values; NULL where a mask has none.
AD = "when {c} < '0001-01-01' or {c} in ('infinity', '-infinity') then null"
WHOLE = "when {c}::text in ('NaN', 'Infinity', '-Infinity', '1e+20') then null"
COARSE = {
    "year": {"d": f"case {AD} else make_date(extract(year from {{c}})::int, 1, 1) end",
             "ts": f"case {AD} else date_trunc('year', {{c}}) end",
             "tz": f"case {AD} else date_trunc('year', {{c}}, 'UTC') end"},
    "month": {"d": f"case {AD} else make_date(extract(year from {{c}})::int, extract(month from {{c}})::int, 1) end",
              "ts": f"case {AD} else date_trunc('month', {{c}}) end",
              "tz": f"case {AD} else date_trunc('month', {{c}}, 'UTC') end"},
    "round": {c: f"case {WHOLE} else round({{c}}::numeric / {{n}}) * {{n}} end"
              for c in ("i2", "i4", "i8", "f4", "f8", "nu", "n2")},
    "bucket": {c: f"case {WHOLE} else floor({{c}}::numeric / {{n}}) * {{n}} end"
               for c in ("i2", "i4", "i8", "f4", "f8", "nu", "n2")},
}
COARSE_SQL = """
set timezone to 'Europe/Berlin';
create table v (k int, d date, ts timestamp, tz timestamptz, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8,
  nu numeric, n2 numeric(12,2));
insert into v select k, '0001-01-01'::date + k * 1999, timestamp '1583-01-01' + k * interval '55 days 7:00:00.5',
  timestamptz '1890-01-01' + k * interval '23 hours 17 minutes', k * 13 - 13000, k * 104729 - 104729000,
  (k - 1000) * 4398042316799, (k - 1000) * 12.5, (k - 1000) * 1237.25, (k - 1000) * 0.5 + (k % 3) / 8.0,
  (k - 1000) * 999.99 from generate_series(0, 2000) k;
insert into v (k, d, ts, tz, f4, f8, nu) values (3000, 'infinity', '-infinity', 'infinity', 'NaN', '-Infinity', 'NaN'),
  (3001, '0044-03-15 BC', '0044-03-15 BC', '0044-03-15 BC', 1e20, 1e20, 0), (3002, '5874897-12-31',
  '294276-12-31 23:59:59', '294276-01-01', 0, -0.0, -0.001);
"""


def test_years_months_and_multiples_are_what_the_server_computes():
    pg.query("alter table v rename to types")
    try:
        pg.query(COARSE_SQL)
        for mask in ("year", "month", "round:7", "bucket:100"):
            for key in ("text", "binary"):
                against_the_server(mask, key)
    finally:
        pg.query("drop table if exists v; alter table types rename to v")


def against_the_server(mask, key):
    name, _, n = mask.partition(":")
    masked_table(mask, "got", key)
    # In the order of the rows, which COPY keeps.
    wrong = [f"select '{c} ' || w.{c} || ' gave ' || coalesce(g.{c}::text, 'NULL') || ', not ' || coalesce("
             f"({sql.format(c=f'w.{c}', n=n)})::text, 'NULL') from g join w using (r) "
             f"where g.{c} is distinct from {sql.format(c=f'w.{c}', n=n)}" for c, sql in COARSE[name].items()]
    h.eq(pg.query("with g as (select row_number() over () r, * from got), w as (select row_number() over () r, * "
                  f"from v) {' union all '.join(wrong)} limit 3"), "", f"{mask} {key}")
    others = [c for c in "d ts tz i2 i4 i8 f4 f8 nu n2".split() if c not in COARSE[name]]
    h.eq(pg.query(f"select count(*) from got where num_nonnulls({', '.join(others)}) > 0"), "0")


def test_other_date_styles_give_null():
    pg.query("create table styles (d date, ts timestamp, tz timestamptz); "
             "insert into styles values ('2024-02-29', '2024-02-29 1:02:03', '2024-02-29 1:02:03+01')")
    for style, n in (("ISO", 3), ("SQL, DMY", 0), ("SQL, MDY", 0), ("German", 0), ("Postgres", 0)):
        out = pg.query(f"set datestyle to '{style}'; copy styles to stdout")
        p = subprocess.run([FILTER, "text", "year", "1082:-1", "1114:-1", "1184:-1"],
                           input=out.removeprefix("SET\n") + "\n", text=True,
                           stdout=subprocess.PIPE, check=True)
        h.eq(p.stdout.count("2024-01-01"), n, f"{style}: {p.stdout}")


def test_text_with_a_null_string_masks_what_equals_it():
    masked_table("last:2", "got", "text2")
    h.eq(pg.query("select count(*) from got where t = 'nil'"), "0")
    h.eq(pg.query("select count(*) from got where t = '***'"),
         pg.query("select count(*) from v where t = 'nil' or t is null"))


pg = h.Postgres(sql=SQL)
h.main(test_text, test_csv, test_csv_with_other_options, test_binary,
       test_years_months_and_multiples_are_what_the_server_computes, test_other_date_styles_give_null,
       test_text_with_a_null_string_masks_what_equals_it)
