/* SPDX-License-Identifier: MIT
 *
 * What is asked of the upstream, for PostgreSQL 12 and later. TOAST tables, indexes and temporary
 * tables are left out on purpose: what does not resolve is refused.
 */
#include "sql/catalog.h"

#define OURS "('pg_catalog', 'information_schema')"
/* What has a number from here on was made by somebody, wherever it is. */
#define FIRST_NORMAL_OID "16384"

/* Direct and, through UNION's fixed point, indirect reads of views and materialized views. */
#define VIEWS                                                                                      \
	"with recursive direct(view, base, attnum) as ("                                           \
	" select distinct r.ev_class, d.refobjid, d.refobjsubid"                                   \
	" from pg_catalog.pg_rewrite r join pg_catalog.pg_depend d"                                \
	" on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid"         \
	" and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"                           \
	" and d.refobjid <> r.ev_class where r.ev_type = '1'"                                      \
	"), every(view, base, attnum) as ("                                                        \
	" select * from direct union"                                                              \
	" select e.view, d.base, d.attnum from every e join direct d on d.view = e.base"           \
	") select view, base, attnum from every"

/* Types that only what names them is of: nothing of PostgreSQL's own turns into one unasked. */
#define OWN                                                                                        \
	"with own(oid) as (select t.oid from pg_catalog.pg_type t where t.oid >= " FIRST_NORMAL_OID     \
	" and t.typtype in ('b', 'e') and t.typcategory <> 'A' and not t.typispreferred"           \
	" and not exists (select from pg_catalog.pg_cast c"                                        \
	" join pg_catalog.pg_type s on s.oid = c.castsource where c.casttarget = t.oid"            \
	" and c.castcontext = 'i' and c.castsource <> t.oid"                                       \
	" and (c.castsource < " FIRST_NORMAL_OID " or s.typtype <> 'b'))) "
/* The built-in type stands where the other one is, or where an own type is. */
#define BESIDE(ours, other)                                                                        \
	"(" ours " = " other " or (" ours " = 25 and " other                                       \
	" in (select oid from own)))"

/* Names whose functions outside pg_catalog all have a built-in beside them (gate_overloads.c). */
#define NARROW_FUNCTIONS                                                                           \
	"select 'pg_catalog', x.name, 'F' from (select p.proname as name,"                         \
	" pg_catalog.bool_and(p.pronargdefaults = 0 and p.provariadic = 0"                         \
	" and p.proargnames is null and exists (select from pg_catalog.pg_proc q"                  \
	" where q.pronamespace = 'pg_catalog'::pg_catalog.regnamespace"                            \
	" and q.oid < " FIRST_NORMAL_OID " and q.proname = p.proname and q.prokind = p.prokind"    \
	" and q.pronargs = p.pronargs and q.provariadic = 0 and not exists (select"                \
	" from pg_catalog.generate_series(0, p.pronargs - 1) i"                                    \
	" where not " BESIDE("q.proargtypes[i]", "p.proargtypes[i]") "))) as narrow"               \
	" from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace"      \
	" where n.nspname not in " OURS " group by p.proname) x where x.narrow"
#define NARROW_OPERATORS                                                                           \
	"select 'pg_catalog', x.name, 'O' from (select o.oprname as name,"                         \
	" pg_catalog.bool_and(exists (select from pg_catalog.pg_operator b"                        \
	" where b.oprnamespace = 'pg_catalog'::pg_catalog.regnamespace"                            \
	" and b.oid < " FIRST_NORMAL_OID " and b.oprname = o.oprname"                              \
	" and " BESIDE("b.oprleft", "o.oprleft") " and " BESIDE("b.oprright", "o.oprright")        \
	")) as narrow from pg_catalog.pg_operator o"                                               \
	" join pg_catalog.pg_namespace n on n.oid = o.oprnamespace"                                \
	" where (n.nspname not in " OURS " or o.oid >= " FIRST_NORMAL_OID ")"                      \
	" group by o.oprname) x where x.narrow"

/* A domain has the modifier that the innermost one gives its base type; a column of it has none. */
#define COLUMNS                                                                                    \
	"with recursive base(oid, base, modifier) as ("                                            \
	" select oid, oid, -1 from pg_catalog.pg_type where typtype <> 'd' union all"              \
	" select t.oid, b.base, case when b.modifier = -1 then t.typtypmod else b.modifier end"    \
	" from base b join pg_catalog.pg_type t"                                                   \
	" on t.typbasetype = b.oid and t.typtype = 'd')"                                           \
	" select a.attrelid, a.attnum, a.attname, a.atttypid, a.attisdropped,"                     \
	" coalesce(t.typname, ''), coalesce(n.nspname, ''), coalesce(b.base, 0),"                  \
	" case when coalesce(b.modifier, -1) = -1 then a.atttypmod else b.modifier end"            \
	" from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"         \
	" left join pg_catalog.pg_type t on t.oid = a.atttypid"                                    \
	" left join pg_catalog.pg_namespace n on n.oid = t.typnamespace"                           \
	" left join base b on b.oid = a.atttypid"                                                  \
	" where a.attnum > 0 and c.relkind in ('r', 'v', 'm', 'p', 'f', 'S')"                      \
	" and c.relpersistence <> 't'"

/* Where code runs that no statement names: what is not PostgreSQL's, or is volatile (set_config,
 * nextval, what runs text as SQL). The stored form of an expression names functions and operators
 * by number; the same form is often there many times, and looked into once. A partition's code is
 * its parent's, and writing a table may write those that refer to it. Types and methods of access
 * are taken for code whatever they do, but for enums. Of checks, indexes, partitions
 * and statistics the planner runs what looks constant also when a table is read. */
#define CODE                                                                                       \
	"with recursive expression(rel, tree, kind) as ("                                          \
	" select adrelid, adbin::pg_catalog.text, 'w' from pg_catalog.pg_attrdef"                  \
	" union all select conrelid, conbin::pg_catalog.text, 'r' from pg_catalog.pg_constraint"   \
	" where conrelid <> 0 and conbin is not null"                                              \
	" union all select indrelid, coalesce(indexprs::pg_catalog.text, '')"                      \
	" || coalesce(indpred::pg_catalog.text, ''), 'r' from pg_catalog.pg_index"                 \
	" where indexprs is not null or indpred is not null"                                       \
	" union all select partrelid, partexprs::pg_catalog.text, 'r'"                             \
	" from pg_catalog.pg_partitioned_table where partexprs is not null"                        \
	" union all select stxrelid, stxexprs::pg_catalog.text, 'r'"                               \
	" from pg_catalog.pg_statistic_ext where stxexprs is not null"                             \
	" union all select polrelid, coalesce(polqual::pg_catalog.text, '')"                       \
	" || coalesce(polwithcheck::pg_catalog.text, ''), 'r' from pg_catalog.pg_policy"           \
	"), runs(tree) as (select distinct e.tree from (select distinct tree from expression) e"   \
	" cross join lateral pg_catalog.regexp_matches("                                           \
	"e.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid|opno) ([0-9]+)', 'g') m(n)"                \
	" left join pg_catalog.pg_proc p on p.oid = m.n[1]::pg_catalog.oid"                        \
	" where m.n[1]::pg_catalog.oid >= " FIRST_NORMAL_OID                                       \
	" or (p.provolatile = 'v' and p.proname not in ('gen_random_uuid', 'uuidv4', 'uuidv7',"    \
	" 'random', 'clock_timestamp', 'timeofday'))"                                              \
	"), own(rel, kind) as ("                                                                   \
	" select e.rel, e.kind from expression e join runs r on r.tree = e.tree"                   \
	" union select rel, kind from expression where kind = 'r' and tree ~ 'SUBLINK'"            \
	" union select tgrelid, 'w' from pg_catalog.pg_trigger"                                    \
	" where tgfoid >= " FIRST_NORMAL_OID                                                       \
	" union select ev_class, 'w' from pg_catalog.pg_rewrite where ev_type <> '1'"              \
	" union select a.attrelid, case when a.attidentity <> '' then 'w' else 'r' end"            \
	" from pg_catalog.pg_attribute a left join pg_catalog.pg_type t on t.oid = a.atttypid"     \
	" where a.attnum > 0 and not a.attisdropped and (a.attidentity <> ''"                      \
	" or (a.atttypid >= " FIRST_NORMAL_OID " and t.typtype <> 'e'))"                           \
	" union select c.oid, 'r' from pg_catalog.pg_class c where c.relkind = 'f'"                \
	" or (c.relam >= " FIRST_NORMAL_OID " and c.relkind <> 'i')"                               \
	" union select i.indrelid, 'r' from pg_catalog.pg_index i"                                 \
	" join pg_catalog.pg_class c on c.oid = i.indexrelid"                                      \
	" where c.relam >= " FIRST_NORMAL_OID " or exists (select"                                 \
	" from pg_catalog.unnest(i.indclass::pg_catalog.oid[]) o(oid)"                             \
	" where o.oid >= " FIRST_NORMAL_OID ")"                                                    \
	"), edge(rel, onto, kind) as ("                                                            \
	" select inhrelid, inhparent, 'r' from pg_catalog.pg_inherits"                             \
	" union all select conrelid, confrelid, 'w' from pg_catalog.pg_constraint"                 \
	" where contype = 'f' and (confupdtype in ('c', 'n', 'd')"                                 \
	" or confdeltype in ('c', 'n', 'd'))"                                                      \
	"), every(rel, kind) as (select rel, kind from own union"                                  \
	" select g.onto, case when g.kind = 'w' then 'w' else e.kind end"                          \
	" from every e join edge g on g.rel = e.rel"                                               \
	") select rel, pg_catalog.min(kind) from every group by rel"                               \
	" union all select 0, 'k' where exists (select from pg_catalog.pg_proc p"                  \
	" join pg_catalog.pg_language l on l.oid = p.prolang"                                      \
	" where l.lanname not in ('internal', 'c', 'sql', 'plpgsql')"                              \
	" or p.proname = 'dblink_connect')"

/* There is something that a built-in's name can mean besides it, or a cast. */
#define OVERLOADED                                                                                 \
	"(select exists (select from pg_catalog.pg_operator o where o.oid >= " FIRST_NORMAL_OID ")"     \
	" or exists (select from pg_catalog.pg_cast c where c.castfunc >= " FIRST_NORMAL_OID ")"        \
	" or exists (select from pg_catalog.pg_proc u join pg_catalog.pg_proc p"                   \
	" on p.proname = u.proname where u.oid >= " FIRST_NORMAL_OID                               \
	" and p.oid < " FIRST_NORMAL_OID "))"
#define TYPES                                                                                      \
	"with recursive base(oid, base) as ("                                                      \
	" select oid, oid from pg_catalog.pg_type where typtype <> 'd' union all"                  \
	" select t.oid, b.base from base b join pg_catalog.pg_type t"                              \
	" on t.typbasetype = b.oid and t.typtype = 'd')"                                           \
	" select t.oid, n.nspname, t.typname, t.typcategory, t.typispreferred, t.typtype, b.base," \
	" case when t.typcategory = 'A' then t.typelem else 0 end, t.typarray"                     \
	" from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace"      \
	" join base b on b.oid = t.oid left join pg_catalog.pg_type e on e.oid = t.typelem"        \
	" where t.typtype <> 'c' and (t.typcategory <> 'A' or e.oid is null or e.typtype <> 'c')"  \
	" and n.nspname !~ '^pg_(temp|toast)' and " OVERLOADED
/* Procedures are not called in expressions; a postfix operator is no longer written. */
#define OVERLOADS                                                                                  \
	"select 'f', p.oid, n.nspname, p.proname, p.proargtypes::pg_catalog.text, p.prorettype,"   \
	" p.provariadic, p.pronargdefaults from pg_catalog.pg_proc p"                              \
	" join pg_catalog.pg_namespace n on n.oid = p.pronamespace"                                \
	" where p.prokind <> 'p' and " OVERLOADED " union all"                                     \
	" select 'o', o.oid, n.nspname, o.oprname, case when o.oprleft = 0 then ''"                \
	" else o.oprleft::pg_catalog.text || ' ' end || o.oprright::pg_catalog.text,"              \
	" o.oprresult, 0, 0 from pg_catalog.pg_operator o"                                         \
	" join pg_catalog.pg_namespace n on n.oid = o.oprnamespace"                                \
	" where o.oprright <> 0 and o.oprcode <> 0 and " OVERLOADED

/* 32 bits of a hash over the rules, policies, defaults and triggers (of foreign keys too) of a
 * relation, and the functions of these: which version of each, as the number of the transaction
 * that wrote it says. */
#define VERSION                                                                                    \
	"with version(rel, part) as ("                                                             \
	" select r.ev_class, r.xmin::pg_catalog.text from pg_catalog.pg_rewrite r union all"       \
	" select w.polrelid, 'p' || w.xmin::pg_catalog.text from pg_catalog.pg_policy w"           \
	" union all select d.adrelid, 'd' || d.xmin::pg_catalog.text"                              \
	" from pg_catalog.pg_attrdef d"                                                            \
	" union all select t.tgrelid, t.xmin::pg_catalog.text || ' ' || p.xmin::pg_catalog.text"   \
	" from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid"              \
	"), code(rel, hash) as (select v.rel, pg_catalog.hashtextextended("                        \
	"pg_catalog.string_agg(v.part, ' ' order by v.part collate pg_catalog.\"C\"), 0)"          \
	" & 4294967295 from version v group by v.rel)"

/* It depends on what it reads by itself, or (from PostgreSQL 15 on) by its expression. */
#define GENERATED                                                                                  \
	"select distinct a.attrelid, a.attnum, coalesce(d.refobjsubid, 0), a.attgenerated"         \
	" from pg_catalog.pg_attribute a"                                                          \
	" left join pg_catalog.pg_attrdef e on e.adrelid = a.attrelid and e.adnum = a.attnum"      \
	" left join pg_catalog.pg_depend d on d.refobjid = a.attrelid"                             \
	" and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"                           \
	" and d.refobjsubid > 0 and d.refobjsubid <> a.attnum"                                     \
	" and (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"                             \
	" and d.objid = a.attrelid and d.objsubid = a.attnum"                                      \
	" or d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid = e.oid)"        \
	" where a.attgenerated <> '' and not a.attisdropped"

#define IS(a, b) a " operator(pg_catalog.=) " b
#define IS_NOT(a, b) a " operator(pg_catalog.<>) " b

/* A domain counts as the type that it is over, at once. */
const struct catalog_query_text catalog_temporary_query = {
	"select c.oid, c.relname, c.relkind, case when exists (with recursive up(oid) as ("
	" select i.inhparent from pg_catalog.pg_inherits i where " IS("i.inhrelid", "c.oid")
	" union select i.inhparent from up join pg_catalog.pg_inherits i"
	" on " IS("i.inhrelid", "up.oid") ") select from up join pg_catalog.pg_class p"
	" on " IS("p.oid", "up.oid") " where " IS_NOT("p.relpersistence", "'t'") ")"
	" then 't' else 'f' end, a.attnum, a.attname, case when " IS("t.typtype", "'d'")
	" then t.typbasetype else t.oid end, case when " IS("t.typtype", "'d'")
	" then t.typtypmod else a.atttypmod end"
	" from pg_catalog.pg_class c left join pg_catalog.pg_attribute a"
	" on " IS("a.attrelid", "c.oid") " and a.attnum operator(pg_catalog.>) 0"
	" and not a.attisdropped left join pg_catalog.pg_type t on " IS("t.oid", "a.atttypid")
	" where " IS("c.relnamespace", "pg_catalog.pg_my_temp_schema()")
	" and " IS_NOT("c.relkind", "'i'") " and " IS_NOT("c.relkind", "'I'")
	" order by c.oid, a.attnum",
	8};

const struct catalog_query_text catalog_queries[CATALOG_QUERY_COUNT] = {
	/* reset_val: what a new session of this role starts with, whatever this one has set. */
	[CATALOG_Q_SETTINGS] = {"select name, coalesce(reset_val, '') from pg_catalog.pg_settings"
				" where name in ('server_version_num', 'server_encoding',"
				" 'standard_conforming_strings', 'search_path')"
				" union all select 'session_user', session_user::pg_catalog.text"
				" union all select 'current_database',"
				" pg_catalog.current_database()::pg_catalog.text"
				" union all select 'database_oid', oid::pg_catalog.text"
				" from pg_catalog.pg_database"
				" where datname = pg_catalog.current_database()",
				2},
	[CATALOG_Q_RELATIONS] =
		{VERSION " select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
		 " c.relispartition, c.xmin::pg_catalog.text::pg_catalog.int8 * 4294967296"
		 " + coalesce(h.hash, 0)"
		 " from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
		 " on n.oid = c.relnamespace left join code h on h.rel = c.oid"
		 " where c.relkind in ('r', 'v', 'm', 'p', 'f', 'S')"
		 " and c.relpersistence <> 't'",
		 7},
	[CATALOG_Q_COLUMNS] = {COLUMNS, 9},
	[CATALOG_Q_PARENTS] = {"select inhrelid, inhparent from pg_catalog.pg_inherits", 2},
	[CATALOG_Q_VIEWS] = {VIEWS, 3},
	[CATALOG_Q_FUNCTIONS] =
		{OWN "select n.nspname, p.proname, 'f' from pg_catalog.pg_proc p"
		 " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
		 " where n.nspname not in " OURS " union " NARROW_FUNCTIONS
		 " union " NARROW_OPERATORS
		 " union select n.nspname, o.oprname, 'o' from pg_catalog.pg_operator o"
		 " join pg_catalog.pg_namespace n on n.oid = o.oprnamespace"
		 " where (n.nspname not in " OURS " or o.oid >= " FIRST_NORMAL_OID ")"
		 " union select n.nspname, t.typname, 't' from pg_catalog.pg_type t"
		 " join pg_catalog.pg_namespace n on n.oid = t.typnamespace"
		 " where n.nspname not in " OURS " and t.typcategory <> 'A'"
		 " and n.nspname !~ '^pg_(temp|toast)'"
		 " union select n.nspname, t.typname, 'n' from pg_catalog.pg_type t"
		 " join pg_catalog.pg_namespace n on n.oid = t.typnamespace"
		 " where n.nspname not in " OURS " and t.typrelid = 0"
		 " and n.nspname !~ '^pg_(temp|toast)'"
		 " union select n.nspname, t.typname, 'p' from pg_catalog.pg_type t"
		 " join pg_catalog.pg_namespace n on n.oid = t.typnamespace"
		 " where n.nspname in " OURS " and t.typcategory <> 'A' and t.typrelid = 0"
		 " union select n.nspname, t.typname, 'c' from pg_catalog.pg_cast c"
		 " join pg_catalog.pg_type t on t.oid = c.casttarget"
		 " join pg_catalog.pg_proc p on p.oid = c.castfunc"
		 " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
		 " where (n.nspname not in " OURS " or p.oid >= " FIRST_NORMAL_OID ")"
		 " union select 'pg_catalog', p.proname, 'b' from pg_catalog.pg_proc p"
		 " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
		 " where n.nspname in " OURS " and p.proname in"
		 " (select u.proname from pg_catalog.pg_proc u"
		 " join pg_catalog.pg_namespace m on m.oid = u.pronamespace"
		 " where m.nspname not in " OURS ")",
		 3},
	[CATALOG_Q_BUILT_IN] =
		{"select p.oid, p.proname, pg_catalog.oidvectortypes(p.proargtypes),"
		 " p.prokind::pg_catalog.text || pg_catalog.left(l.lanname::pg_catalog.text, 1)"
		 " || p.provolatile::pg_catalog.text || case when p.prosecdef then '!' else '' end"
		 " from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang"
		 " where p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace",
		 4},
	[CATALOG_Q_TYPES] = {TYPES, 9},
	[CATALOG_Q_CASTS] = {"select c.castsource, c.casttarget, case when c.castfunc >= "
			     FIRST_NORMAL_OID " and l.lanname not in ('c', 'internal')"
			     " and c.castcontext <> 'e'"
			     " then pg_catalog.upper(c.castcontext::pg_catalog.text)"
			     " else c.castcontext::pg_catalog.text end,"
			     " case when c.castfunc >= " FIRST_NORMAL_OID " then n.nspname end,"
			     " case when c.castfunc >= " FIRST_NORMAL_OID " then p.proname end"
			     " from pg_catalog.pg_cast c"
			     " left join pg_catalog.pg_proc p on p.oid = c.castfunc"
			     " left join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
			     " left join pg_catalog.pg_language l on l.oid = p.prolang"
			     " where (c.castcontext = 'i' or c.castfunc >= " FIRST_NORMAL_OID
			     ") and " OVERLOADED,
			     5},
	[CATALOG_Q_OVERLOADS] = {OVERLOADS, 8},
	[CATALOG_Q_GENERATED] = {GENERATED, 4},
	/* textsend: the text's bytes, whatever they are. */
	[CATALOG_Q_BODIES] =
		{"select n.nspname, p.proname,"
		 " pg_catalog.pg_get_function_identity_arguments(p.oid),"
		 " case when p.prokind = 'a' then '' else pg_catalog.encode(pg_catalog.sha256("
		 "pg_catalog.textsend(pg_catalog.pg_get_functiondef(p.oid) || 'owner '"
		 " || pg_catalog.pg_get_userbyid(p.proowner))), 'hex') end,"
		 " l.lanname || case p.provolatile when 'i' then ', immutable'"
		 " when 's' then ', stable' else ', volatile' end"
		 " || case when p.prosecdef then ', security definer' else '' end, p.prokind"
		 " from pg_catalog.pg_proc p"
		 " join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
		 " join pg_catalog.pg_language l on l.oid = p.prolang"
		 " where n.nspname not in " OURS,
		 6},
	[CATALOG_Q_CODE] = {CODE, 2},
	[CATALOG_Q_DEFINITIONS] =
		{"select v.oid, v.text from (select c.oid,"
		 " pg_catalog.pg_get_viewdef(c.oid) as text from pg_catalog.pg_class c"
		 " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
		 " where c.relkind in ('v', 'm') and c.relpersistence <> 't'"
		 " and n.nspname not in " OURS ") v where v.text is not null",
		 2},
};
