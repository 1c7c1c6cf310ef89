#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes grammar/functions.def from grammar/functions.rules and the pg_proc of running servers.

  grammar/functions.py CONNINFO ...          add what these servers have
  grammar/functions.py --check CONNINFO ...  exit 1 when the table is not what that would give

A server adds its major version to what is in the table. Rows of other versions stay, in the class that the
rules give them now.
"""
import fnmatch, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE, RULES = f"{HERE}/functions.def", f"{HERE}/functions.rules"
NO_VALUES = set("""internal cstring cstring[] trigger event_trigger language_handler fdw_handler
  index_am_handler table_am_handler tsm_handler pg_ddl_command""".split())
# Kind, first letter of the language, volatility, ! for SECURITY DEFINER: as the gateway's catalog reads them
# (runtime/sql/catalog_queries.c).
PROC = """select case when p.oid < 10000 then p.oid::int else 0 end, p.proname,
  pg_catalog.oidvectortypes(p.proargtypes), p.prokind::text || left(l.lanname::text, 1)
  || p.provolatile::text || case when p.prosecdef then '!' else '' end,
  pg_catalog.format_type(p.prorettype, null), current_setting('server_version_num')::int / 10000
  from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
  where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace and p.oid < 16384"""
HEAD = """/* SPDX-License-Identifier: MIT
 *
 * Every function of pg_catalog in PostgreSQL {first} to {last}, by name and OID (0: the server's choice), written by
 * grammar/functions.py from grammar/functions.rules, which says what the classes are. Do not edit.
 *
 *   FUNC(name, oid, first version, last version, class, "argument types", "kind, language, volatility")
 *   EXTENSION(name, class): a well-known function of something that is not part of the server
 */
"""


class Rules:
    def __init__(self):
        self.lines, self.extensions = [], []
        with open(RULES) as f:
            for line in f:
                words = line.split("#")[0].split()
                if words and words[0] == "extension":
                    self.extensions += [(name, words[1]) for name in words[2:]]
                elif words:
                    self.lines.append((words[0], words[1:]))
        self.used = set()

    def class_of(self, name, args, traits, internal):
        if internal:
            return "INTERNAL"
        for i, (cls, patterns) in enumerate(self.lines):
            for p in patterns:
                if fnmatch.fnmatchcase(name, p):
                    self.used.add((i, p))
                    return cls
        if "!" in traits or traits[1] != "i" or name.startswith("pg_") or traits[2] == "v":
            return "OPAQUE"
        return "SAFE"

    def unused(self):
        return [p for i, (_, patterns) in enumerate(self.lines) for p in patterns
                if (i, p) not in self.used]


def read_server(conninfo):
    """{(name, oid, args, traits): (version, internal)}"""
    out = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c",
                          "set search_path = pg_catalog", "-c", PROC, conninfo], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    rows = {}
    for line in out.splitlines():
        oid, name, args, traits, result, version = line.split("\t")
        internal = result in NO_VALUES or bool(NO_VALUES & set(args.split(", ")))
        rows[name, int(oid), args, traits] = (int(version), internal)
    return rows


def read_table():
    """{(name, oid, args, traits): (first, last, internal)}"""
    with open(TABLE) as f:
        found = re.findall(r'^FUNC\((\w+), (\d+), (\d+), (\d+), (\w+), "(.*)", "(.*?)"\)$', f.read(),
                           re.M)
    return {(name, int(oid), args.replace('\\"', '"'), traits): (int(first), int(last), cls == "INTERNAL")
            for name, oid, first, last, cls, args, traits in found}


def merge(table, servers):
    for rows in servers:
        version = next(iter(rows.values()))[0]
        for key, (_, internal) in rows.items():
            first, last, _ = table.get(key, (version, version, internal))
            table[key] = (min(first, version), max(last, version), internal)
        for key, (first, last, internal) in list(table.items()):
            if key in rows or not first <= version <= last:
                continue
            if first == last:
                del table[key]
            else:  # gone at one of its ends
                table[key] = (first + (first == version), last - (last == version), internal)
    return table


def render(table, rules):
    versions = [v for first, last, _ in table.values() for v in (first, last)]
    lines = [HEAD.format(first=min(versions), last=max(versions))]
    for (name, oid, args, traits), (first, last, internal) in sorted(table.items()):
        cls = rules.class_of(name, args, traits, internal)
        args = args.replace('"', '\\"')
        lines.append(f'FUNC({name}, {oid}, {first}, {last}, {cls}, "{args}", "{traits}")\n')
    lines += [f"EXTENSION({name}, {cls})\n" for name, cls in sorted(rules.extensions)]
    return "".join(lines)


def main():
    args = sys.argv[1:]
    check = args[:1] == ["--check"]
    if args[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    rules = Rules()
    table = merge(read_table() if os.path.exists(TABLE) else {}, map(read_server, args[check:]))
    text = render(table, rules)
    if rules.unused():
        print(f"functions.rules: no function has these names: {' '.join(rules.unused())}",
              file=sys.stderr)
    if not check:
        with open(TABLE, "w") as f:
            f.write(text)
        return 0
    with open(TABLE) as f:
        current = f.read() == text
    if not current:
        print("grammar/functions.def is not what grammar/functions.py gives for these servers",
              file=sys.stderr)
    return 0 if current and not rules.unused() else 1


if __name__ == "__main__":
    sys.exit(main())
