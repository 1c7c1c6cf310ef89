#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Ways for values out of the server: every built-in type in text and binary, COPY with any options, fields and rows
of any size, the replication protocol. What a mask says holds in all of them, and the session goes on."""
import os, re, socket, struct, sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness as h

SECRET = "4111111111111111"
# A value of each type, and what of it must not be seen in text.
TYPES = """
text|Zq7 secret|Zq7 sec
varchar(20)|Zq7 secret|Zq7 sec
char(20)|Zq7 secret|Zq7 sec
name|Zq7secret|Zq7se
"char"|Z|Z
bytea|\\x5a713753656372|5a7137
bool|true|t
int2|31477|314
int4|1234567|12345
int8|1234567890123|890123
float4|1234.5|1234.
float8|98765.25|98765.
numeric|1234567.8900|123456
numeric(10,2)|-99881.05|99881
money|1234567.25|1,234
date|2017-11-13|-11-13
time|17:53:11|17:5
timetz|17:53:11+02|17:5
timestamp|2017-11-13 17:53:11|17:53
timestamptz|2017-11-13 17:53:11+00|:53:11
interval|3 days 17:53:11|3 days
uuid|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11|a0eebc
json|{"Zq7": 17}|Zq7
jsonb|{"Zq7": 17}|Zq7
jsonpath|$."Zq7"|Zq7
xml|<a>Zq7</a>|Zq7
text[]|{Zq7,b}|Zq7
int4[]|{7777771,2}|777777
point|(7171,8282)|7171
line|{7171,8282,9}|7171
lseg|[(7171,8282),(1,1)]|7171
box|(7171,8282),(1,1)|7171
path|((7171,8282),(1,1))|7171
polygon|((7171,8282),(1,1))|7171
circle|<(7171,8282),3>|7171
inet|10.71.82.93|10.71
cidr|10.71.82.0/24|10.71
macaddr|08:00:2b:71:82:93|08:00
macaddr8|08:00:2b:71:82:93:94:95|08:00
bit(12)|101100111011|101100
varbit|101100111011|101100
tsvector|'zq7':1|zq7
tsquery|'zq7' & 'b'|zq7
int4range|[71717,81818)|7171
int4multirange|{[71717,81818)}|7171
tsrange|["2017-11-13 17:53:11",)|17:53
pg_lsn|16/B374D848|B374
txid_snapshot|71717:81818:|7171
oid|717171|7171
xid8|717171|7171
tid|(7171,3)|7171
regclass|pg_type|pg_type
""".strip().splitlines()
MASKS = ["null", "last(2)", "first(2)", "partial", "hash", "pseudonym", 'fixed("hidden")', "year", "month",
         "round(1000)", "bucket(1000)", 'fixed("77")', 'fixed("1999-09-09")', 'fixed("true")']
COPIES = """
encoding 'LATIN1'
encoding 'sjis', format csv
encoding 'utf-8'
encoding 'SQL_ASCII', format csv
null 'TOO-LONG'
null ''
null '4'
delimiter '*'
delimiter 'ab'
delimiter ';', null '*'
format csv, force_quote *, header
format csv, force_quote (pan), header true, null 'x'
format csv, quote '1', delimiter '4'
format csv, quote '*'
format csv, quote '''', escape E'\\\\'
format csv, delimiter '1', quote '*', escape '1'
format csv, format text
format 'CSV'
format binary
format binary, header
freeze
freeze false, format binary
header 1
header match
nonsense 7
""".strip().splitlines()
OLD = """
copy cards to stdout csv header quote '*'
copy cards to stdout with delimiter ';' null as '4' csv quote as '"' escape '*' force quote *
copy cards to stdout delimiter '|'
copy binary cards to stdout
copy cards to stdout using delimiters '*'
copy cards (pan, id) to stdout encoding 'latin1'
""".strip().splitlines()
WIDE, ROWS, LARGE = 1600, 2000, 64 << 20
pg = weir = None


def policy(masks):
    lines = ["policy p", "default allow", "data card = column public.cards.pan, column public.wide.c800",
             "mask card with last(4)"]
    for i, m in enumerate(masks):
        lines += [f"data d{i} = column m{i}.*.*", f"mask d{i} with {m}"]
    return "\n".join(lines) + "\n"


def setup():
    global pg, weir
    columns = ", ".join(f"c{i} {t.split('|')[0]}" for i, t in enumerate(TYPES))
    values = ", ".join("'" + t.split("|")[1].replace("'", "''") + "'" for t in TYPES)
    wide = ", ".join(f"c{i} text" for i in range(1, WIDE + 1))
    pg = h.Postgres(sql=f"create table cards (id int, pan text); insert into cards values (1, '{SECRET}');\n"
                    + f"create table wide ({wide}); insert into wide (c1, c800, c{WIDE}) values ('a', '{SECRET}', 'z');\n"
                    + "".join(f"create schema m{i}; create table m{i}.t ({columns});\n"
                              f"insert into m{i}.t values ({values});\n" for i in range(len(MASKS))))
    weir = h.Weir(pg, policy=policy(MASKS))


def peak():
    with open(f"/proc/{weir.p.pid}/status") as f:
        return next(int(x.split()[1]) for x in f if x.startswith("VmHWM:"))


def fields(conn, sql, binary):
    r = conn.exec_params(sql.encode(), [], result_format=int(binary))
    h.eq((r.ntuples, r.nfields), (1, len(TYPES)), conn.error_message)
    return [r.get_value(0, i) for i in range(r.nfields)]


def test_every_type_under_every_mask():
    """A value that the mask has none for is NULL. What is shown is one that the server takes back."""
    import psycopg
    direct = psycopg.pq.PGconn.connect(f"host=127.0.0.1 port={pg.port} user={pg.login} password={pg.password} "
                                       f"dbname={pg.database}".encode())
    conn = psycopg.pq.PGconn.connect(weir.conninfo().encode())
    leaked, same, shown = [], [], 0
    for i, m in enumerate(MASKS):
        sql = f"select * from m{i}.t"
        clear = fields(direct, sql, True)
        for binary in (False, True):
            got = fields(conn, sql, binary)
            for t, value, was in zip(TYPES, got, clear):
                name, _, hidden = t.split("|")
                if value is None:
                    continue
                shown += 1
                if not binary and hidden.encode() in value and not may_show(m, name):
                    leaked.append((m, name, value))
                if binary and value == was and not may_show(m, name):
                    same.append((m, name, value))
    h.eq((leaked, same), ([], []))
    h.check(shown > 100, f"{shown} masked values are not NULL")
    print(f"# {shown} masked values of {len(MASKS)} masks are not NULL")


def may_show(mask, name):
    """A stand-in for one letter or for a yes may be what it hides."""
    return name in ('"char"', "bool") and mask not in ("null", "hash")


def test_what_is_shown_in_binary_is_of_the_type():
    """The server reads each value back through binary COPY, which does not tell the length of a varchar."""
    bare = {"char": "bpchar", "bit": "varbit"}
    types = [re.sub(r"\(\d.*", "", t.split("|")[0]) for t in TYPES]
    columns = ", ".join(f"c{i} {bare.get(t, t)}" for i, t in enumerate(types))
    for i, m in enumerate(MASKS):
        out = f"{h.tmp()}/m{i}"
        r = weir.psql(f"\\copy m{i}.t to '{out}' (format binary)")
        h.eq((r.code, r.err), (0, ""), m)
        pg.query(f"drop table if exists back; create table back ({columns})")
        r = pg.psql(f"\\copy back from '{out}' (format binary)")
        h.eq((r.code, r.err), (0, ""), m)


def test_copy_with_any_options():
    long = "x" * 100
    copies = [f"copy cards to stdout ({o})".replace("TOO-LONG", long) for o in COPIES]
    copies += ["copy (select * from cards) to stdout (" + o.replace("TOO-LONG", long) + ")" for o in COPIES]
    shown = 0
    for sql in copies + OLD:
        r = weir.psql(input=f"{sql};\nselect 'goes on';\n", options=("-v", "ON_ERROR_STOP=0"))
        h.lacks(r.out + r.err, SECRET, SECRET[:6], SECRET.encode().hex())
        h.has(r.out, "goes on")
        shown += "1111" in r.out
    h.check(shown > len(copies) / 2, f"{shown} of them came out")


def test_replication_in_every_spelling():
    def first(*params):
        body = struct.pack(">I", 196608) + b"".join(x.encode() + b"\0" for p in params for x in p) + b"\0"
        with socket.create_connection(("127.0.0.1", weir.port), 10) as s:
            s.sendall(struct.pack(">I", len(body) + 4) + body)
            return s.recv(4096)
    who = (("user", "planner-7"), ("database", "orders"))
    for value in ("true", "on", "yes", "1", "t", "y", "TRUE", "oN", "database", "DATABASE", "", "2", "x"):
        for name in ("replication", "REPLICATION"):
            got = first(*who, (name, value))
            h.check(got[:1] == b"E" and b"WEIR-REPLICATION" in got, f"{name}={value}: {got!r}")
    for value in ("-c replication=database", "--replication=on"):
        h.eq(first(*who, ("options", value))[:1], b"E", value)
    for value in ("false", "off", "no", "0"):
        h.eq(first(*who, ("replication", value))[:1], b"R", value)


def test_notices_and_notifications():
    """A masked column gets into neither; what is said in a notification is withheld. Debug output stays off."""
    for sql in ("set client_min_messages = debug1", "set client_min_messages to 'LOG'", "set local client_min_messages = debug",
                "select set_config('client_min_messages', 'debug5', false)",
                "select set_config('client_min_messages', 'de' || 'bug5', false)"):
        r = weir.psql(input=f"begin; {sql};", options=("-v", "ON_ERROR_STOP=0"))
        h.has(r.err, "WEIR-PINNED-SETTING", "client_min_messages stays at notice")
    for value in ("debug1", "log", "error"):
        argv = h.psql_argv(weir.port, "planner-7", "orders", "set client_min_messages = warning; set client_min_messages = "
                           "NOTICE; reset client_min_messages; show client_min_messages")
        r = h.run(argv, env={"PGPASSWORD": h.KEYS["planner-7"], "PGOPTIONS": f"-c client_min_messages={value}"})
        h.eq(r.out, value if value == "error" else "", repr(r))
    for sql in ("select pg_notify('x', pan) from cards", "begin; notify x; select pg_notify('x', (select pan from cards))"):
        r = weir.psql(input=f"listen x;\n{sql};\nselect 'goes on';\n", options=("-v", "ON_ERROR_STOP=0"))
        h.has(r.err, "WEIR-MASKED-USE")
        h.lacks(r.out + r.err, SECRET, "Asynchronous")
    r = weir.psql(input="listen x;\nnotify x, 'mine';\n")
    h.has(r.out, 'Asynchronous notification "x" received')
    h.lacks(r.out, "mine")


def flood_of_portals():
    """In one batch: the rest is skipped to its Sync, and then there is none."""
    import raw
    c = raw.Raw(weir.conninfo())
    c.send(raw.query("begin")).ready()
    unnamed = raw.parse("", "select 1") + raw.bind() + raw.execute()
    for n, state in ((1000, b"T"), (1100, b"E")):
        got = c.send(raw.parse("s", "select 1") + b"".join(raw.bind(f"n{i}", "s") for i in range(n)) + unnamed +
                     raw.frame("C", b"Ss\0") + raw.SYNC).ready()
        h.eq(got[-1], ("Z", state), f"{n} portals")
        h.eq(sum(t == "D" for t, _ in got), int(n == 1000))
        if n == 1000:
            c.send(raw.query("rollback")).ready()
            c.send(raw.query("begin")).ready()
    h.eq([raw.code(b)[0] for t, b in got if t == "E"], ["54000"])
    h.has(raw.code([b for t, b in got if t == "E"][0])[1], "WEIR-NAMES", "close those")
    c.send(raw.query("rollback")).ready()
    h.eq([raw.row(b) for t, b in c.send(unnamed + raw.SYNC).ready() if t == "D"], [("1",)])
    c.close()


def test_long_names_are_bounded():
    """Few names whose texts or parameters are long: what a session holds of them has a bound."""
    import raw
    c = raw.Raw(weir.conninfo())
    long = b"x" * (12 << 20)
    portal = raw.z("s") + struct.pack("!hhi", 0, 1, len(long)) + long + bytes(2)
    c.send(raw.query("begin")).ready()
    c.send(raw.parse("s", "select length($1::text)") + raw.SYNC).ready()
    for i in range(12):
        got = c.send(raw.frame("B", raw.z(f"p{i}") + portal) + raw.SYNC).ready()
        if got[0][0] == "E":
            break
    h.check(4 < i < 8, f"{i} portals of 12 MB")
    h.has(" ".join(raw.code(got[0][1])), "54000", "WEIR-NAMES", "hold too much")
    c.send(raw.query("rollback")).ready()
    for i in range(100):
        got = c.send(raw.parse(f"t{i}", f"select '{'y' * 1000000}', {i}") + raw.SYNC).ready()
        if got[0][0] == "E":
            break
    h.check(50 < i < 75, f"{i} statements of 1 MB")
    h.has(" ".join(raw.code(got[0][1])), "54000", "WEIR-NAMES", "hold too much")
    # What is closed makes room, and the unnamed have always had it.
    got = c.send(raw.parse("", "select 7") + raw.bind() + raw.execute() + raw.SYNC).ready()
    h.eq([raw.row(b) for t, b in got if t == "D"], [("7",)])
    c.send(b"".join(raw.frame("C", b"S" + raw.z(f"t{k}")) for k in range(i)) + raw.SYNC).ready()
    h.eq(c.send(raw.parse("again", "select 1") + raw.SYNC).ready()[0][0], "1")
    h.eq(c.send(raw.query("prepare p as select 2; execute p")).ready()[-1], ("Z", b"I"))
    c.close()


def test_floods_of_names_are_bounded():
    """They are refused from some number on, and the session goes on. Nobody else is disturbed."""
    import psycopg
    other = psycopg.connect(weir.conninfo(), autocommit=True)
    for sql, goes_on in (("prepare {} as select 1", "execute n7"), ("declare {} cursor for select 1", None)):
        with psycopg.connect(weir.conninfo()) as c:
            made = 0
            try:
                for i in range(200):
                    c.execute("; ".join(sql.format(f"n{i * 100 + k}") for k in range(100)))
                    made += 100
                raise h.Failure(f"{made} names by {sql}")
            except psycopg.Error as e:
                h.eq(e.sqlstate, "54000", repr(e))
                h.has(str(e), "WEIR-NAMES", "close those")
            h.check(900 < made < 5000, f"{made} names by {sql}")
            c.rollback()
            if goes_on:  # statements outlive the transaction
                h.eq(c.execute(goes_on).fetchone(), (1,))
            h.eq(c.execute("select pan from cards").fetchone(), ("*" * 12 + SECRET[-4:],))
    c = psycopg.pq.PGconn.connect(weir.conninfo().encode())
    for i in range(6000):
        r = c.prepare(f"p{i}".encode(), b"select 1")
        if r.status != psycopg.pq.ExecStatus.COMMAND_OK:
            break
    h.has(r.error_message.decode(), "WEIR-NAMES", "close those")
    h.check(4000 < i < 4200, f"{i} statements")
    h.eq(c.exec_prepared(b"p7", []).get_value(0, 0), b"1")
    h.eq(c.exec_params(b"select $1::text", [b"unnamed"]).get_value(0, 0), b"unnamed")
    r = c.exec_(b"deallocate p7")
    h.eq((r.status, r.error_message), (1, b""))
    h.eq(c.prepare(b"p7", b"select 7").status, 1)
    h.eq(c.exec_prepared(b"p7", []).get_value(0, 0), b"7")
    flood_of_portals()
    h.eq(other.execute("select pan from cards").fetchone(), ("*" * 12 + SECRET[-4:],))


def test_process_ids_are_numbers_of_processes():
    """0 is none to some drivers, which then cannot cancel (Npgsql)."""
    import psycopg
    conns = [psycopg.connect(weir.conninfo()) for _ in range(8)]
    pids = [c.info.backend_pid for c in conns]
    for c in conns:
        c.close()
    h.check(len(set(pids)) == 8 and min(pids) > 0, pids)


def test_large_fields_stream():
    """64 MB in one field, in a row and in COPY; rows of 1,600 columns, one of them masked."""
    import psycopg
    weir.psql("select 1")
    before = peak()
    with psycopg.connect(weir.conninfo(), autocommit=True) as c:
        h.eq(len(c.execute(f"select repeat('x', {LARGE})").fetchone()[0]), LARGE)
        with c.cursor() as cur, cur.copy(f"copy (select repeat('y', {LARGE})) to stdout") as copy:
            h.eq(sum(len(x) for x in copy), LARGE + 1)
        grown = peak() - before
        print(f"# {grown} kB more for fields of {LARGE >> 20} MiB")
        h.check(grown < 8192, f"{grown} kB more for one field")
        n = 0
        for row in c.cursor().stream(f"select w.* from wide w, generate_series(1, {ROWS})"):
            n += 1
            h.eq((len(row), row[0], row[799], row[-1]), (WIDE, "a", "************1111", "z"))
        h.eq(n, ROWS)
    grown = peak() - before
    print(f"# {grown} kB more with {ROWS} rows of {WIDE} columns as well")
    h.check(grown < 12288, f"{grown} kB more for rows of {WIDE} columns")


h.main(test_every_type_under_every_mask, test_what_is_shown_in_binary_is_of_the_type, test_copy_with_any_options,
       test_replication_in_every_spelling, test_notices_and_notifications,
       test_floods_of_names_are_bounded, test_long_names_are_bounded, test_process_ids_are_numbers_of_processes, test_large_fields_stream, setup=setup)
