# SPDX-License-Identifier: MIT
"""What lineage_test.py needs: a schema with secrets planted in masked columns, a client that keeps every
byte it is sent, a detector for the secrets and simple transforms of them, and a generator of random
statements that knows by itself which outputs carry a masked column and which statements misuse one."""
import base64, hashlib, os, random, re, socket, struct, time

PANS = ["Zq7KxW4mPb9TdR2v", "Yh3NcL8sGf5JwB6t", "Xk1MzV0qDr4EuH9p"]
NUMBERS = [4929061578834217, 3817250946672305, 6105839427710548]
TEXT = {25, 1043, 19, 705}

SQL = f"""
create table cards (id int primary key, holder text, pan text, n bigint, note text);
insert into cards values (1, 'Ada', '{PANS[0]}', {NUMBERS[0]}, 'note 1'),
  (2, 'Bob', '{PANS[1]}', {NUMBERS[1]}, 'b'), (3, 'Cy', null, null, 'c');
create table kid () inherits (cards);
insert into kid values (4, 'Eve', '{PANS[2]}', {NUMBERS[2]}, 'd');
create table orders (id int primary key, note text, amount numeric, card_number text);
alter table orders drop column card_number;
insert into orders select i, 'note ' || i, i * 1.5 from generate_series(1, 6) i;
create table staff (id int primary key, boss int, name text);
insert into staff values (1, null, 'ann'), (2, 1, 'ben'), (3, 2, 'cat');
create table scratch (id int primary key, pan text, n bigint, note text);
insert into scratch values (1, '{PANS[0]}', {NUMBERS[0]}, 'x'), (2, '{PANS[1]}', null, 'y'), (3, '{PANS[2]}', 5, 'z');
create table part (id int, pan text) partition by range (id);
create table part1 partition of part for values from (0) to (100);
insert into part values (1, '{PANS[0]}'), (2, '{PANS[2]}');
create table quiet (id int, word text);
create table locked (id int primary key, pan text unique);
create function leak() returns text language sql as 'select pan from cards limit 1';
create domain leaking as text check (leak() is not null);
create view v_pass as select id, pan from cards;
create view v_renamed(a, b) as select id, pan from cards;
create view v_nested as select id, o.note, v.pan as p from v_pass v left join orders o using (id);
create view v_union as select id, pan from cards union all select id, note from orders;
create view v_scalar as select o.id, (select c.pan from cards c where c.id = o.id) as p from orders o;
create view v_clean as select id, upper(holder) as h, note from cards where holder > '';
create view v_expr as select id, upper(pan) as number from cards;
create view v_where as select id from cards where pan > '';
create view v_order as select id from cards order by pan;
create view v_group as select count(*) as c from cards group by pan;
create view v_distinct as select distinct pan from cards;
create view v_json as select row_to_json(cards) as j from cards;
create view v_union_distinct as select pan from cards union select note from orders;
create view v_over_expr as select id from v_expr;
create view v_func as select leak() as x;
create view v_stats as select most_common_vals::text as m from pg_stats;
create view v_named as select id, upper(pan) as shown from cards;
create view v_cast as select id, pan::int as shown from cards;
create view v_staff as select id, name from staff;
create view v_over_named as select id, shown from v_named;
create view v_join as select o.id, c.pan from orders o join cards c on c.id = o.id;
create view v_recursive as with recursive r(n, p) as (select id, pan from cards where id = 1
  union all select n + 1, p from r where n < 4) select n, p from r;
create view v_window as select id, pan, row_number() over (order by id) as rn from cards;
create materialized view mv_pass as select id, pan from cards;
create materialized view mv_named as select id, pan as shown from cards;
create materialized view mv_clean as select id, holder from cards;
create materialized view mv_expr as select id, upper(pan) as p from cards;
create view v_over_mv as select * from mv_pass;
"""
POLICY = """
policy p "lineage"
default allow
group dba = idp "dba-oncall"
data card = column cards.{pan, n}, column scratch.{pan, n}, column part.pan, column locked.pan,
  column v_named.shown, column v_cast.shown, column mv_named.shown
data word = column quiet.word
mask card with last(4) unless who dba
deny no-sort "words are not sorted" when sql.uses(word, order | group)
"""


# -- secrets ---------------------------------------------------------------------------------------

def _grams(s, n=6):
    return {s[i:i + n] for i in range(len(s) - n + 1)}


def _patterns(grams=_grams):
    """What must not be seen of the secrets; grams: the pieces of a text that count."""
    out = set()
    for s in PANS + [str(n) for n in NUMBERS]:
        for t in (s, s.upper(), s.lower(), s[::-1], s.upper()[::-1], s.swapcase(), s.title(),
                  hashlib.md5(s.encode()).hexdigest(), hashlib.sha256(s.encode()).hexdigest()):
            out |= {x.encode() for x in grams(t)}
            out |= {x.encode().hex().encode() for x in grams(t)}
        for skip in range(3):
            b = base64.b64encode(s.encode()[skip:]).decode().rstrip("=")
            out |= {x.encode() for x in _grams(b[:-1], 8)}
        out.add(str([ord(c) for c in s[:4]])[1:-1].encode())
    for n in NUMBERS:
        out |= {struct.pack("!q", n), struct.pack("!q", n)[-6:], b"%x" % n}
    return out


_SECRETS = sorted(_patterns())
# Four characters of the texts, but not the last four, which last(4) shows (v_named in capitals).
_SMALL = sorted(p for p in _patterns(lambda s: _grams(s, 4 if len(s) == len(PANS[0]) and not s.isdigit() else 6))
                if p.decode("latin-1") not in {t for s in PANS for t in (s[-4:], s[-4:].upper())})


def leaks(raw, small=False):
    """The first piece of a secret in what the client was sent; None: nothing."""
    return next((p for p in (_SMALL if small else _SECRETS) if p in raw), None)


def hide(oid):
    """What stands for a cell that is computed from a masked column."""
    return "****" if oid in TEXT else None


def mask(v, oid):
    """last(4) of a value in text form."""
    if v is None or oid not in TEXT:
        return None
    return "*" * (len(v) - 4) + v[-4:] if len(v) > 8 else "*" * len(v)


def same_but_masked(a, b, masked):
    """Binary rows: equal, but for the masked cells."""
    def cell(i, v):
        if i not in masked:
            return v
        m = mask(v.decode() if v is not None and a.types[i] in TEXT else v, a.types[i])
        return m if m is None else m.encode()
    return b.rows == [tuple(cell(i, v) for i, v in enumerate(r)) for r in a.rows]


def copied(a, options):
    """The rows of a COPY: lists of str, None for NULL."""
    data = b"".join(a.copied)
    if "binary" in options:
        rows, at = [], 19
        while (n := struct.unpack_from("!h", data, at)[0]) >= 0:
            at, row = at + 2, []
            for _ in range(n):
                size = struct.unpack_from("!i", data, at)[0]
                row.append(None if size < 0 else data[at + 4:at + 4 + size].decode("latin-1"))
                at += 4 + max(size, 0)
            rows.append(row)
        return rows
    text = data.decode()
    if "csv" in options:
        quoted = re.compile(r'(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))')
        return [[q.replace('""', '"') if q or not u and m.group().endswith('"') else u or None
                 for m in quoted.finditer(line) for q, u in [(m[1] or "", m[2])]]
                for line in text.splitlines()]
    return [[None if v == "\\N" else v for v in line.split("\t")] for line in text.splitlines()]


def copy_same(a, b, masked):
    """COPY tells no types: where the analysis does not know one, the cell is NULL."""
    def ok(i, v, w):
        return v == w if i not in masked or v is None else w in (None, mask(v, 25))
    return len(a) == len(b) and all(len(p) == len(q) and all(map(ok, range(len(p)), p, q))
                                    for p, q in zip(a, b))


# -- the wire --------------------------------------------------------------------------------------

def _frame(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def _z(s):
    return s.encode() + b"\0"


class Answer:
    def __init__(self, raw):
        self.raw, self.rows, self.types, self.formats, self.copied = raw, [], [], [], []
        self.error = self.state = None
        self.closed = not raw.endswith(b"I") and not raw.endswith((b"T", b"E"))
        at = 0
        while at + 5 <= len(raw):
            n = struct.unpack_from("!I", raw, at + 1)[0]
            self._message(raw[at:at + 1], raw[at + 5:at + 1 + n])
            at += 1 + n

    def _message(self, kind, body):
        if kind == b"T":
            self.types, self.formats, at = [], [], 2
            for _ in range(struct.unpack_from("!H", body)[0]):
                at = body.index(b"\0", at) + 1
                self.types.append(struct.unpack_from("!I", body, at + 6)[0])
                self.formats.append(struct.unpack_from("!H", body, at + 16)[0])
                at += 18
        elif kind == b"D":
            row, at = [], 2
            for i in range(struct.unpack_from("!H", body)[0]):
                n = struct.unpack_from("!i", body, at)[0]
                at += 4
                v = None if n < 0 else body[at:at + n]
                text = i >= len(self.formats) or self.formats[i] == 0
                row.append(v.decode() if text and v is not None else v)
                at += max(n, 0)
            self.rows.append(tuple(row))
        elif kind == b"d":
            self.copied.append(body)
        elif kind == b"E" and not self.error:
            fields = {f[:1]: f[1:].decode(errors="replace") for f in body.split(b"\0") if f}
            self.error, self.state = fields.get(b"M", "?"), fields.get(b"C", "?")
            self.error += " / " + fields.get(b"H", "")


class Client:
    """Authenticates with psycopg, then speaks for itself."""

    def __init__(self, conninfo, first=()):
        self.conninfo, self.c, self.first = conninfo, None, first
        self.open()

    def open(self):
        import psycopg
        if self.c:
            self.sock.close()
            self.c.close()
        self.c = psycopg.connect(self.conninfo, autocommit=True)
        self.sock = socket.socket(fileno=os.dup(self.c.pgconn.socket))
        self.sock.setblocking(True)
        self.sock.settimeout(20)
        for sql in self.first:
            self.run(sql)

    def _answer(self, data):
        raw, at = b"", 0
        try:
            self.sock.sendall(data)
            while True:
                while len(raw) - at >= 5:
                    n = struct.unpack_from("!I", raw, at + 1)[0] + 1
                    if len(raw) - at < n:
                        break
                    if raw[at:at + 1] == b"Z":
                        return Answer(raw)
                    at += n
                more = self.sock.recv(1 << 16)
                if not more:
                    break
                raw += more
        except OSError:
            pass
        self.open()
        a = Answer(raw)
        a.error, a.state = a.error or "the connection is gone", a.state or "08006"
        return a

    def run(self, sql, fmt=0, extended=False, describe=True):
        if not extended:
            return self._answer(_frame(b"Q", _z(sql)))
        bind = _z("") + _z("") + struct.pack("!HHHH", 0, 0, 1, fmt)
        return self._answer(_frame(b"P", _z("") + _z(sql) + b"\0\0") + _frame(b"B", bind) +
                            (_frame(b"D", b"P\0") if describe else b"") +
                            _frame(b"E", b"\0" + bytes(4)) + _frame(b"S"))

    def undone(self, sql, fmt=0, extended=False):
        self.run("begin")
        a = self.run(sql, fmt, extended)
        self.run("rollback")
        return a


# -- random statements -----------------------------------------------------------------------------

# Of the sessions that run random statements: clean, but for their names like what is masked.
TEMPORARY = ["create temp table own (id int, pan text, n bigint, note text)",
             "insert into own select id, note, id * 2, holder from cards",
             "create temp table mine as select id, name as p from staff"]

# name, columns (name, type, masked); reading the last ones is refused.
TABLES = {
    "cards": [("id", "i", 0), ("holder", "t", 0), ("pan", "t", 1), ("n", "i", 1), ("note", "t", 0)],
    "orders": [("id", "i", 0), ("note", "t", 0), ("amount", "x", 0)],
    "staff": [("id", "i", 0), ("boss", "i", 0), ("name", "t", 0)],
    "scratch": [("id", "i", 0), ("pan", "t", 1), ("n", "i", 1), ("note", "t", 0)],
    "kid": [("id", "i", 0), ("holder", "t", 0), ("pan", "t", 1), ("n", "i", 1), ("note", "t", 0)],
    "part": [("id", "i", 0), ("pan", "t", 1)],
    "v_pass": [("id", "i", 0), ("pan", "t", 1)],
    "v_renamed": [("a", "i", 0), ("b", "t", 1)],
    "v_nested": [("id", "i", 0), ("note", "t", 0), ("p", "t", 1)],
    "v_union": [("id", "i", 0), ("pan", "t", 1)],
    "v_scalar": [("id", "i", 0), ("p", "t", 1)],
    "v_clean": [("id", "i", 0), ("h", "t", 0), ("note", "t", 0)],
    "v_named": [("id", "i", 0), ("shown", "t", 1)],
    "mv_named": [("id", "i", 0), ("shown", "t", 1)],
    "mv_clean": [("id", "i", 0), ("holder", "t", 0)],
    "own": [("id", "i", 0), ("pan", "t", 0), ("n", "i", 0), ("note", "t", 0)],
    "pg_temp.mine": [("id", "i", 0), ("p", "t", 0)],
}
FORBIDDEN = {"v_expr": [("id", "i", 0), ("number", "t", 1)], "mv_pass": [("id", "i", 0), ("pan", "t", 1)],
             "v_where": [("id", "i", 0)], "v_func": [("x", "t", 1)]}


TRAPS = ["pan", "n", "id", "note", "p", "shown", "holder"]


class Column:
    """masked: 0 not, 1 as it is stored, 2 computed from such a one."""

    def __init__(self, name, kind, masked):
        self.name, self.kind, self.masked = name, kind, int(masked)


class Relation:
    """What a scope reaches as alias.column."""

    def __init__(self, alias, columns, plain=True, stored=False):
        self.alias, self.columns, self.plain, self.stored = alias, columns, plain, stored


STORED = {"cards", "kid", "scratch", "part"}
# Over a text: what `allowing derived` opens, and what it does not.
COMPUTED = ["upper({0})", "lower({0})", "{0} || 'x'", "'a' || {0} || '/' || {0}", "coalesce({0}, '-')", "left({0}, 9)",
            "substr({0}, 2, 7)", "reverse({0})", "({0})::varchar", "md5({0})", "concat({0}, 1, 'z')", "initcap({0})::text",
            "ltrim({0}, 'Z')", "coalesce(upper({0}), 'n') || right({0}, 6)"]
MISFIT = ["nullif({0}, 'x')", "replace({0}, '4', 'aa')", "encode({0}::bytea, 'hex')", "repeat({0}, 2)",
          "case when {0} > 'M' then 'a' end", "lpad({0}, 30)", "translate({0}, 'Z', 'Y')", "({0} is null)::text",
          "ltrim({0}, 'Z') || '-'", "substr({0}, 1, length({0}))", "greatest({0}, 'a')", "format('%s', {0})"]


class Generator:
    """mode: what the masks allow (derived, lookup or aggregates), None: nothing."""

    def __init__(self, seed, mode=None):
        self.r, self.mode = random.Random(seed), mode
        self.ctes = []

    def start(self):
        self.misuse = self.carried = False  # of a masked column; one is in some output
        self.n, self.ctes, self.trapped = 0, [], set()

    def chance(self, p):
        return self.r.random() < p

    def name(self, prefix, traps=0.0):
        """A fresh name; sometimes one that is a column's elsewhere."""
        self.n += 1
        free = [t for t in TRAPS if t not in self.trapped]
        if free and self.chance(traps):
            name = self.r.choice(free)
            self.trapped.add(name)
            return name
        return f"{prefix}{self.n}"

    def use(self, column):
        """A column stands where a masked one may not."""
        self.misuse = self.misuse or column.masked
        return column

    # -- FROM

    def table(self):
        forbidden = self.chance(0.01)
        name = self.r.choice(list(FORBIDDEN if forbidden else TABLES))
        columns = [Column(*c) for c in (FORBIDDEN if forbidden else TABLES)[name]]
        if forbidden and self.mode == "derived" and name == "v_expr":
            columns[1].masked = 2
        else:
            self.misuse = self.misuse or forbidden
        alias, sql = name, name
        if self.chance(0.8):
            alias = self.name("t", 0.05)
            sql = f"{name} {self.r.choice(['', 'as '])}{alias}"
            sql += self.rename(columns)
        elif name in self.taken:
            alias = self.name("t")
            sql = f"{name} {alias}"
        self.taken.add(alias)
        return sql, [Relation(alias, columns, stored=name in STORED)]

    def rename(self, columns):
        if not self.chance(0.25):
            return ""
        k = self.r.randint(1, len(columns))
        for c in columns[:k]:
            c.name = self.name("c")
        return f"({', '.join(c.name for c in columns[:k])})"

    def derived(self, depth, scope):
        alias = self.name("s", 0.1)
        kind = self.r.random()
        lateral = ""
        if kind < 0.12:
            sql, columns = self.values(depth, scope if self.chance(0.5) else [])
            lateral = "lateral "
        elif kind < 0.2:
            sql, columns, alias = "", [Column(alias, "i", 0)], alias
            return f"generate_series(1, {self.r.randint(1, 3)}) {alias}", [Relation(alias, columns, False)]
        elif kind < 0.45 and self.ctes:
            name, columns = self.r.choice(self.ctes)
            columns = [Column(c.name, c.kind, c.masked) for c in columns]
            return f"{name} {alias}{self.rename(columns)}", [Relation(alias, columns)]
        elif scope and self.chance(0.3):
            lateral = "lateral "
            sql, columns = self.query(depth - 1, scope)
        else:
            sql, columns = self.query(depth - 1, [])
        return f"{lateral}({sql}) {alias}{self.rename(columns)}", [Relation(alias, columns)]

    def values(self, depth, scope):
        kinds = [self.r.choice("it") for _ in range(self.r.randint(1, 3))]
        columns = [Column(f"column{i + 1}", k, 0) for i, k in enumerate(kinds)]
        rows = []
        for _ in range(self.r.randint(1, 2)):
            row = []
            for c in columns:
                cell, masked = self.value(c.kind, depth, scope)
                c.masked = max(c.masked, masked)
                row.append(cell)
            rows.append(f"({', '.join(row)})")
        return f"values {', '.join(rows)}", columns

    def value(self, kind, depth, scope):
        of_kind = [(q, c) for q, c in self.all(scope) if c.kind == kind]
        if of_kind and self.chance(0.4):
            q, c = self.r.choice(of_kind)
            return q, c.masked
        if depth > 0 and self.chance(0.25):
            sql, c = self.scalar(depth - 1, scope, kind)
            return sql, c.masked
        return (str(self.r.randint(1, 4)) if kind == "i" else f"'k{self.r.randint(1, 4)}'::text"), False

    def scalar(self, depth, scope, kind):
        sql, columns = self.query(depth, scope, need=[kind], tail=" limit 1")
        return f"({sql})", columns[0]

    def item(self, depth, scope, seen):
        if depth > 0 and self.chance(0.5):
            return self.derived(depth, scope + seen)
        return self.table()

    def from_clause(self, depth, scope):
        """SQL, what the scope reaches by name, and the columns that * has."""
        sql, rels = self.item(depth, scope, [])
        star = list(rels[0].columns)
        for _ in range(self.r.choice([0, 0, 1, 1, 2])):
            right, more = self.item(depth, scope, rels)
            how = self.r.random()
            left_names, right_names = [c.name for c in star], [c.name for c in more[0].columns]
            common = [n for n in left_names if n in right_names]
            sound = len(set(left_names)) == len(left_names) and len(set(right_names)) == len(right_names)
            same = all(self.kind(star, n) == self.kind(more[0].columns, n) for n in common)
            if "lateral" in right or how < 0.15:
                sql, star = f"{sql} cross join {right}", star + more[0].columns
            elif how < 0.5 and common and sound and same:
                sql, star = self.merging(sql, star, right, more[0].columns, common)
            elif how < 0.65:
                # A join binds tighter than the comma: nothing may follow.
                return f"{sql}, {right}", rels + more, star + more[0].columns
            else:
                was = self.misuse
                a, b = self.pick(rels, "i"), self.pick(more, "i")
                if not a or not b:
                    self.misuse = was
                    sql, star = f"{sql} cross join {right}", star + more[0].columns
                else:
                    join = self.r.choice(["join", "left join", "full join"])
                    sql = f"{sql} {join} {right} on {a} = {b}"
                    star = star + more[0].columns
            rels = rels + more
        if self.chance(0.06) and ", " not in sql.split("(")[0] and " join " in sql and len(rels) > 1:
            return self.join_alias(sql, star)
        return sql, rels, star

    @staticmethod
    def kind(columns, name):
        return next(c.kind for c in columns if c.name == name)

    def merging(self, sql, left, right, right_columns, common):
        natural = self.chance(0.4)
        names = common if natural else self.r.sample(common, self.r.randint(1, len(common)))
        merged = []
        for n in names:
            a = next(c for c in left if c.name == n)
            b = next(c for c in right_columns if c.name == n)
            self.use(a), self.use(b)
            merged.append(Column(n, a.kind, max(a.masked, b.masked)))
        star = merged + [c for c in left if c.name not in names] + \
            [c for c in right_columns if c.name not in names]
        join = self.r.choice(["join", "left join", "right join", "full join"])
        using = "" if natural else f" using ({', '.join(names)})"
        return f"{sql} {'natural ' if natural else ''}{join} {right}{using}", star

    def join_alias(self, sql, star):
        alias = self.name("j")
        columns = [Column(c.name, c.kind, c.masked) for c in star]
        rename = self.rename(columns)
        return f"({sql}) {alias}{rename}", [Relation(alias, columns, False)], columns

    # -- expressions

    @staticmethod
    def all(scope):
        out = []
        for rel in scope:
            names = [c.name for c in rel.columns]
            out += [(f"{rel.alias}.{c.name}", c) for c in rel.columns if names.count(c.name) == 1]
        return out

    def pick(self, scope, kind=None, careless=0.03):
        """A column to compute with: nearly always a clean one."""
        cols = [(q, c) for q, c in self.all(scope) if kind in (None, c.kind)]
        if not self.chance(careless):
            cols = [(q, c) for q, c in cols if not c.masked]
        if not cols:
            return None
        q, c = self.r.choice(cols)
        self.use(c)
        return q

    def computed(self, scope, kind):
        """An expression that may stand over a masked column, or, rarely, one that may not."""
        cols = [(q, c) for q, c in self.all(scope) if c.kind == "t"]
        if not cols:
            return None
        q, c = self.r.choice(cols)
        misfit = kind == "t" and self.chance(0.05)
        self.misuse = self.misuse or c.masked == 2 or (c.masked and misfit)
        self.carried = self.carried or c.masked
        out = "length({0})" if kind == "i" else self.r.choice(MISFIT if misfit else COMPUTED)
        return out.format(q), Column(None, kind, 2 if c.masked else 0)

    def expression(self, scope, kind):
        q = self.pick(scope, kind, 0 if self.mode == "derived" else 0.03)
        if not q:
            return "1" if kind == "i" else "'e'::text"
        if kind == "i":
            return self.r.choice([f"{q} + 1", f"coalesce({q}, 0)", f"abs({q})",
                                  f"case when {q} > 1 then {q} end"])
        return self.r.choice([f"upper({q})", f"{q} || ''", f"md5({q})", f"encode({q}::bytea, 'hex')",
                              f"encode({q}::bytea, 'base64')", f"reverse({q})", f"left({q}, 9)",
                              f"coalesce({q}, '-')", f"({q})::varchar", f"replace({q}, '1', '')"])

    def output(self, depth, scope, kind):
        """SQL, the column it makes, and the name it has by itself."""
        cols = [(q, c) for q, c in self.all(scope) if c.kind == kind]
        how = self.r.random()
        if self.mode == "derived" and kind in "it" and self.chance(0.25) and (found := self.computed(scope, kind)):
            return found
        if cols and how < 0.7:
            q, c = self.r.choice(cols)
            if c.masked:
                self.carried = True
            if self.chance(0.2) and sum(x.name == c.name for _, x in self.all(scope)) == 1 and \
                    sum(x.name == c.name for rel in scope for x in rel.columns) == 1:
                q = c.name
            return q, Column(c.name, kind, c.masked)
        if depth > 0 and how < 0.8:
            sql, c = self.scalar(depth - 1, scope, kind)
            return sql, Column(None, kind, c.masked)
        if kind == "i" and how < 0.88:
            q = self.pick(scope, "i")
            return f"rank() over (order by {q or '1'})", Column(None, kind, False)
        if kind == "x":
            return "1.5::numeric", Column(None, kind, False)
        return self.expression(scope, kind), Column(None, kind, False)

    def lookup(self, rels):
        """A comparison that `allowing lookup` opens, or one that it does not."""
        cols = [(f"{r.alias}.{c.name}", c) for r in rels if r.stored for c in r.columns if c.masked]
        if not cols:
            return None
        q, c = self.r.choice(cols)
        v = f"'{self.r.choice(PANS)}'" if c.kind == "t" else str(self.r.choice(NUMBERS))
        if self.chance(0.15):
            self.misuse = True
            return self.r.choice([f"{q} <> {v}", f"({q} = {v} or {q} = {v})", f"{q} in ({v}, {v})", f"not {q} = {v}",
                                  f"{q} is not distinct from {v}", f"({q} = {v}) is not null"])
        return f"{q} = {v}" if self.chance(0.6) else f"{v} = {q}"

    def condition(self, depth, scope, rels=()):
        how = self.r.random()
        if self.mode == "lookup" and self.chance(0.4) and (found := self.lookup(rels)):
            return f"{found} and {self.condition(0, scope)}" if self.chance(0.3) else found
        if how < 0.25 and depth > 0:
            sql, _ = self.query(depth - 1, scope)
            return f"exists ({sql})"
        if how < 0.4 and depth > 0:
            q = self.pick(scope, "i")
            if q:
                was = self.misuse
                sql, cols = self.query(depth - 1, scope, need=["i"])
                self.misuse = was or self.misuse or cols[0].masked
                return f"{q} in ({sql})"
        q = self.pick(scope, None)
        if not q:
            return "true"
        return self.r.choice([f"{q} is not null", f"{q}::text > ''", f"{q}::text like '%1%'"])

    # -- queries

    def select(self, depth, scope, need):
        outer_taken, self.taken = getattr(self, "taken", set()), set()
        sql, rels, star = self.from_clause(depth, scope)
        inner = scope + rels
        if self.mode == "aggregates" and not need and len(rels) == 1 and self.chance(0.4) and rels[0].stored and \
                (found := self.sums(sql, rels[0], scope)):
            self.taken = outer_taken
            return found
        if self.chance(0.08) and not need:
            return self.aggregate(sql, rels, scope, depth)
        outputs, columns = [], []
        if not need and self.chance(0.25):
            outputs, columns = ["*"], [Column(c.name, c.kind, c.masked) for c in star]
            if self.chance(0.4):
                rel = self.r.choice(rels)
                outputs = [f"{rel.alias}.*"]
                columns = [Column(c.name, c.kind, c.masked) for c in rel.columns]
            self.carried = self.carried or any(c.masked for c in columns)
        kinds = need or (self.r.choices("it", k=self.r.randint(1, 3)) if not outputs else
                         self.r.choices("it", k=self.r.choice([0, 0, 1])))
        used = {c.name for c in columns}
        for kind in kinds:
            out, c = self.output(depth, inner if self.chance(0.3) else rels, kind)
            if c.name is None or c.name in used or self.chance(0.3):
                trap = self.r.choice(TRAPS)
                c.name = trap if trap not in used and self.chance(0.3) else self.name("o")
                out += f"{self.r.choice([' as', ''])} {c.name}"
            used.add(c.name)
            outputs.append(out)
            columns.append(c)
        distinct = ""
        if self.chance(0.04):
            distinct = "distinct "
            for c in columns:
                self.use(c)
        where = f" where {self.condition(depth, inner, rels)}" if self.chance(0.4) else ""
        order = ""
        if self.chance(0.2) and not distinct:
            k = self.r.randrange(len(columns))
            if self.chance(0.5):
                if not columns[k].masked or self.chance(0.1):
                    self.use(columns[k])
                    order = f" order by {k + 1}"
            elif q := self.pick(rels):
                order = f" order by {q}{self.r.choice(['', ' desc'])}"
        self.taken = outer_taken
        return f"select {distinct}{', '.join(outputs)} from {sql}{where}{order}", columns

    def sums(self, sql, rel, scope):
        """Aggregates of a masked number over groups that HAVING shows to be large enough, or not."""
        cols = [c for c in rel.columns if c.masked and c.kind == "i"]
        # scratch has too few values to hide one in a sum.
        if not cols or " join " in sql or "(" in sql or "scratch" in sql:
            return None
        q = f"{rel.alias}.{cols[0].name}"
        group = [f"{rel.alias}.{c.name}" for c in rel.columns if not c.masked]
        by = f" group by {self.r.choice(group)}" if group and self.chance(0.4) else ""
        proof = self.r.choice([f"count({q}) >= 2", f"count({q}) > 1", f"2 <= count({q})", f"count({q}) >= 3 and count(*) > 0"])
        what = self.r.choice(["sum({0})", "avg({0})", "sum({0}) + 1", "round(avg({0}))", "variance({0})"])
        if self.chance(0.3):
            self.misuse = True
            how = self.r.randrange(4)
            proof = [f"count({q}) >= 1", "count(*) >= 2", f"(count({q}) >= 2 or true)", proof][how]
            what = what if how < 3 else self.r.choice(["max({0})", "sum({0} + 0)", "sum(distinct {0})", "min({0})",
                                                      "sum({0}) filter (where true)", "string_agg({0}::text, '')"])
        name = self.name("g")
        self.carried = True
        return f"select {what.format(q)} as {name} from {sql}{by} having {proof}", [Column(name, "x", 0)]

    def aggregate(self, sql, rels, scope, depth):
        outs, columns = [], []
        for _ in range(self.r.randint(1, 2)):
            q, c = self.r.choice(self.all(rels)) if self.all(rels) else ("1", Column("", "i", 0))
            how = self.r.random()
            name = self.name("a")
            if how < 0.4:
                self.carried = self.carried or c.masked
                outs.append(f"count({q}) as {name}")
            elif how < 0.6:
                outs.append(f"count(*) as {name}")
            else:
                q = self.pick(rels) or "1"
                outs.append(f"count({self.r.choice(['distinct ', ''])}{q}::text) as {name}"
                            if self.chance(0.5) else f"count(max({q}::text)) over () as {name}")
            columns.append(Column(name, "i", 0))
        group = ""
        if self.chance(0.4) and (q := self.pick(rels)):
            group = f" group by {q}"
        return f"select {', '.join(outs)} from {sql}{group}", columns

    def union(self, depth, scope):
        kinds = self.r.choices("it", k=self.r.randint(1, 3))
        a, left = self.query(depth - 1, scope, need=kinds)
        b, right = self.query(depth - 1, scope, need=kinds)
        columns = [Column(x.name, x.kind, max(x.masked, y.masked)) for x, y in zip(left, right)]
        op = "union all" if self.chance(0.85) else self.r.choice(
            ["union", "intersect", "except", "intersect all", "except all"])
        if op != "union all":
            for c in columns:
                self.use(c)
        order = ""
        if self.chance(0.2):
            k = self.r.randrange(len(columns))
            if not columns[k].masked or self.chance(0.1):
                self.use(columns[k])
                order = f" order by {self.r.choice([str(k + 1), columns[k].name])}"
        return f"({a}) {op} ({b}){order}", columns

    def query(self, depth, scope, need=None, tail=""):
        ctes = list(self.ctes)
        head = self.with_clause(depth, scope) if depth > 1 and self.chance(0.25) else ""
        if depth > 0 and not need and self.chance(0.15):
            sql, columns = self.union(depth, scope)
        else:
            sql, columns = self.select(depth, scope, need)
        if not tail and self.chance(0.1):
            tail = f" limit {self.r.randint(1, 4)}"
        self.ctes = ctes
        return head + sql + tail, columns

    def with_clause(self, depth, scope):
        if self.chance(0.25):
            return self.recursive(depth)
        items = []
        for _ in range(self.r.randint(1, 2)):
            sql, columns = self.query(depth - 1, [])
            name = self.name("w")
            columns = [Column(c.name, c.kind, c.masked) for c in columns]
            names = self.rename(columns)
            kind = self.r.choice(["", "", "materialized ", "not materialized "])
            items.append(f"{name}{names} as {kind}({sql})")
            self.ctes.append((name, columns))
        return f"with {', '.join(items)} "

    def recursive(self, depth):
        name = self.name("w")
        sql, columns = self.query(depth - 1, [], need=["t", "t"])
        columns = [Column(self.name("c"), c.kind, c.masked) for c in columns]
        count = Column(self.name("c"), "i", 0)
        swap = self.chance(0.5)
        if swap:
            columns[0].masked = columns[1].masked = max(columns[0].masked, columns[1].masked)
        refs = [c.name for c in columns][::-1 if swap else 1]
        self.ctes.append((name, [count] + columns))
        return (f"with recursive {name}({', '.join(c.name for c in [count] + columns)}) as ("
                f"select 1, q.* from ({sql} limit 2) q union all "
                f"select {count.name} + 1, {', '.join(refs)} from {name} where {count.name} < 3) ")

    # -- statements

    def changing(self):
        how = self.r.random()
        table = self.r.choice(["scratch", "scratch", "own"])
        cols = [Column(*c) for c in TABLES[table]]
        back = self.r.choice([["*"], ["id", "pan"], [f"{table}.pan", "note"], ["upper(note) as u", "n"]])
        by = {"*": cols, "upper(note) as u": [Column("u", "t", 0)]}
        out = [c for b in back for c in by.get(b) or [next(Column(x.name, x.kind, x.masked)
               for x in cols if x.name == b.split(".")[-1])]]
        self.carried = self.carried or any(c.masked for c in out)
        if how < 0.4:
            sql, columns = self.query(1, [], need=["i", "t"])
            self.use(columns[1])
            sql = f"insert into {table} (id, note) select 50 + row_number() over (), q.b from ({sql}) q(a, b)"
        elif how < 0.7:
            sql = f"update {table} set note = 'z' where id < 3"
        else:
            sql = f"delete from {table} where id = 2"
        return f"{sql} returning {', '.join(back)}", out

    def statement(self):
        """SQL that returns rows, the masked positions, and how it is to be sent."""
        self.start()
        how = self.r.random()
        if how < 0.06:
            sql, columns = self.changing()
        elif how < 0.1:
            inner, cols = self.changing()
            sql, columns = f"with d as ({inner}) select * from d", cols
        else:
            sql, columns = self.query(self.r.choice([1, 2, 2, 3]), [])
        return sql, {i: c.masked for i, c in enumerate(columns) if c.masked}


def deliver(r, client, sql, way):
    """Sends a statement one of several ways; the answer that has its rows."""
    if way in ("simple", "extended", "binary"):
        return client.undone(sql, int(way == "binary"), way != "simple")
    if way == "copy":
        return client.undone(f"copy ({sql}) to stdout")
    if way == "cursor":
        client.run("begin")
        a = client.run(f"declare c cursor for {sql}")
        a = a if a.error else client.run("fetch all from c")
        client.run("rollback")
    elif way == "prepared":
        client.run("begin")
        a = client.run(f"prepare p as {sql}")
        a = a if a.error else client.run("execute p")
        client.run("rollback")
        client.run("deallocate all")
    elif way == "temporary":
        client.run("begin")
        a = client.run(f"create temp table kept as {sql}")
        a = a if a.error else client.run("select * from kept")
        client.run("rollback")
    elif way == "explain":
        a = client.undone(f"explain (verbose, costs off) {sql}")
    else:
        a = client.undone(f"create table kept as {sql}")
    return a


class Report:
    def __init__(self):
        self.made = self.valid = self.harmless = self.passed = 0
        self.leaks, self.wrong, self.overlooked, self.refused = [], [], [], []

    @property
    def allowed(self):
        return self.passed

    def text(self):
        return (f"{self.made} statements, {self.valid} valid; of {self.harmless} that misuse no masked "
                f"column {self.passed} allowed ({100 * self.passed // max(self.harmless, 1)} %)")


# CREATE makes the gateway read the catalog again: rare.
WAYS = ["simple"] * 60 + ["extended"] * 30 + ["binary", "copy", "cursor", "prepared"] * 15 + \
    ["explain"] * 8 + ["temporary"] * 12 + ["create"]


def judge(rep, sql, way, misuse, masked, a, b, small=False):
    if leaks(b.raw, small):
        rep.leaks.append((sql, way, leaks(b.raw, small)))
        return
    if misuse:
        if not b.error:
            rep.overlooked.append((sql, way))
        return
    rep.harmless += 1
    if b.error:
        rep.refused.append((sql, way, b.error))
        return
    rep.passed += 1
    if way in ("explain", "create"):
        return
    if way == "copy":
        x, y = copied(a, ""), copied(b, "")
        # Rows may come in any order: what is masked alike stands for itself.
        same = len(x) == len(y) if masked else sorted(map(repr, x)) == sorted(map(repr, y))
    elif way == "binary":
        same = len(a.rows) == len(b.rows) if masked else sorted(map(repr, a.rows)) == sorted(map(repr, b.rows))
    else:
        want = [tuple(v if i not in masked else hide(a.types[i]) if masked[i] == 2 else mask(v, a.types[i])
                      for i, v in enumerate(r)) for r in a.rows]
        same = sorted(map(repr, want)) == sorted(map(repr, b.rows))
    if not same:
        rep.wrong.append((sql, way, sorted(masked), a.rows[:3], b.rows[:3]))


def campaign(direct_info, client_info, seed, seconds, most, mode=None):
    """Random statements through the gateway and past it, until the time is up."""
    rep, g = Report(), Generator(seed, mode)
    direct, client = Client(direct_info, TEMPORARY), Client(client_info, TEMPORARY)
    # Products of many tables are of no interest.
    direct.run("set statement_timeout = 100")
    end = time.monotonic() + seconds
    while time.monotonic() < end and rep.made < most:
        sql, masked = g.statement()
        way = g.r.choice(WAYS)
        if not sql.startswith(("select", "with", "(", "values")) or " returning " in sql:
            way = g.r.choice(["simple", "extended", "binary"])
        rep.made += 1
        a = deliver(g.r, direct, sql, way)
        if a.error or len(a.raw) > 60000:
            continue
        rep.valid += 1
        misuse = g.misuse or (way in ("create", "temporary") and masked) or (way == "explain" and g.carried)
        b = deliver(g.r, client, sql, way)
        judge(rep, sql, way, bool(misuse), masked, a, b, mode is not None)
    return rep
