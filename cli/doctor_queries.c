/* SPDX-License-Identifier: MIT
 *
 * The questions of `weir doctor`, for PostgreSQL 12 and later. Whose rights count are the login's
 * own, those of every role that it is a member of at any depth, inherited or not, and PUBLIC's.
 * Grants are read from the access lists, not asked with has_..._privilege: of a superuser these say
 * yes to all, and one would not know what to revoke.
 *
 * Parameters: $1 OIDs of governed relations; $2, $3 tables and numbers of columns that nobody sees;
 * $4 names of columns that masks name and nothing has.
 */
#include "cli/doctor.h"

/* me: the login. mine(hop, oid): roles it is a member of, and the direct membership that leads
 * there. whose(oid): everybody whose grants are the login's. Since PostgreSQL 16 a membership may
 * come without the right to SET ROLE, and is revoked as who granted it. */
#define ROLES                                                                                      \
	"with recursive me as (select oid, rolname, quote_ident(rolname) as role, rolsuper,"       \
	" rolbypassrls, rolreplication, rolcreaterole, rolcreatedb"                                \
	" from pg_roles where rolname = session_user),"                                            \
	" mine(hop, oid) as ("                                                                     \
	" select m.roleid, m.roleid from pg_auth_members m join me on m.member = me.oid"           \
	" union select c.hop, m.roleid from mine c"                                                \
	" join pg_auth_members m on m.member = c.oid),"                                            \
	" whose(oid) as (select 0::oid union select oid from me union select oid from mine) "

#define GRANTEE(oid) "case when " oid " = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(" oid ")) end"
#define NAME_OF(oid) "case when " oid " = 0 then 'PUBLIC' else pg_get_userbyid(" oid ")::text end"

#define ATTRIBUTE(column, text)                                                                    \
	ROLES "select rolname || ' " text "', role from me where " column

/* The members of `mine` with the direct membership that leads to each. */
#define MEMBERSHIP                                                                                 \
	" me.role, quote_ident(h.rolname) as hop,"                                                 \
	" case when current_setting('server_version_num')::int >= 160000"                          \
	" then ' GRANTED BY ' || quote_ident(pg_get_userbyid(am.grantor)) else '' end as grantor"  \
	" from mine join me on true join pg_roles r on r.oid = mine.oid"                           \
	" join pg_roles h on h.oid = mine.hop"                                                     \
	" join pg_auth_members am on am.roleid = mine.hop and am.member = me.oid "

#define VIA "case when h.oid = r.oid then '' else ', through ' || h.rolname end"

/* Whoever is in one of these is bound by no grant. */
#define POWERFUL                                                                                   \
	"('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',"           \
	" 'pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_create_subscription')"
#define PREDEFINED "(r.oid < 16384 and left(r.rolname, 3) = 'pg_')"

/* What a role to which the login can change has to offer. */
#define POWERS                                                                                     \
	"concat_ws(', ', case when r.rolsuper then 'a superuser' end,"                             \
	" case when r.rolbypassrls then 'bypasses row security' end,"                              \
	" case when r.rolreplication then 'may replicate' end,"                                    \
	" case when r.rolcreaterole then 'may create roles' end,"                                  \
	" case when r.rolcreatedb then 'may create databases' end,"                                \
	" (select 'owns ' || count(*) || ' relations' from pg_class c where c.relowner = r.oid"    \
	" and c.relkind in ('r', 'p', 'v', 'm', 'f') having count(*) > 0),"                        \
	" (select 'has grants on ' || count(distinct c.oid) || ' relations' from pg_class c"       \
	" cross join lateral aclexplode(c.relacl) a where a.grantee = r.oid"                       \
	" and c.relowner <> r.oid having count(*) > 0))"

/* Lines of pg_hba.conf that let somebody into this database. */
#define HBA                                                                                        \
	"with rules as (select line_number, type, database, user_name, coalesce(address, '') as"   \
	" address, coalesce(netmask, '') as netmask, auth_method from pg_hba_file_rules"           \
	" where error is null and auth_method <> 'reject' and database &&"                         \
	" array['all', 'sameuser', 'samerole', 'samegroup', 'replication',"                        \
	" current_database()::text]) select 'line ' || line_number || ': ' ||"                     \
	" concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','),"   \
	" nullif(address, ''), nullif(netmask, ''), auth_method), line_number::text as line"

/* The rule's address is one machine, and it is the one that this connection comes from. */
#define HBA_GATEWAY                                                                                \
	"(netmask in ('255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')"               \
	" and case when address ~ '^[0-9a-f.:]+$' then address::inet = inet_client_addr()"         \
	" or (address::inet in ('127.0.0.1', '::1')"                                               \
	" and inet_client_addr() in ('127.0.0.1', '::1')) else false end)"

/* The setting in force in a new session of the login, wherever it comes from. */
#define UNLIMITED(name, value)                                                                     \
	ROLES "select '" name " is ' || s.reset_val, me.role from pg_settings s, me"               \
	      " where s.name = '" name "' and s.reset_val = '" value "'"

#define SETTING_OF(names)                                                                          \
	ROLES ", set as (select s.setdatabase, s.setrole, split_part(c, '=', 1) as name,"          \
	      " substr(c, strpos(c, '=') + 1) as value from pg_db_role_setting s"                  \
	      " cross join unnest(s.setconfig) c where s.setrole in (0, (select oid from me))"     \
	      " and s.setdatabase in (0, (select oid from pg_database"                             \
	      " where datname = current_database())))"                                             \
	      " select concat_ws(' ', case when setrole <> 0 then 'role ' ||"                      \
	      " pg_get_userbyid(setrole) else 'every role' end, case when setdatabase <> 0 then"   \
	      " 'in database ' || current_database() end) || ': ' || name || ' = ' || value,"      \
	      " case when setrole = 0 and setdatabase <> 0 then"                                   \
	      " format('ALTER DATABASE %I RESET %I;', current_database(), name)"                   \
	      " else format('ALTER ROLE %s%s RESET %I;', case when setrole = 0 then 'ALL'"         \
	      " else quote_ident(pg_get_userbyid(setrole)) end, case when setdatabase = 0 then ''" \
	      " else ' IN DATABASE ' || quote_ident(current_database()) end, name) end"            \
	      " as statements from set where lower(name) in (" names ") order by 1"

#define DATABASE_ACL                                                                               \
	"pg_database d cross join lateral aclexplode(coalesce(d.datacl,"                           \
	" acldefault('d', d.datdba))) a join whose w on w.oid = a.grantee"                         \
	" where d.datname = current_database()"

#define CREATE_IN_DATABASE                                                                         \
	"select current_database() || ' belongs to ' || pg_get_userbyid(d.datdba),"                \
	" format(E'ALTER DATABASE %1$I OWNER TO CURRENT_USER;\\nGRANT CONNECT ON DATABASE %1$I"    \
	" TO %2$s;', d.datname, me.role) as statements"                                            \
	" from pg_database d, me where d.datname = current_database()"                             \
	" and d.datdba in (select oid from whose)"                                                 \
	" union all select 'CREATE on ' || d.datname || ' is granted to ' || " NAME_OF("a.grantee")\
	", format('REVOKE CREATE ON DATABASE %I FROM %s;', d.datname, " GRANTEE("a.grantee") ")"   \
	" from " DATABASE_ACL " and a.privilege_type = 'CREATE' and a.grantee <> d.datdba"

#define SCHEMAS "n.nspname !~ '^pg_(temp|toast)' and n.nspname not in ('pg_catalog', 'information_schema')"

#define CREATE_IN_SCHEMA                                                                           \
	"select n.nspname || ' belongs to ' || pg_get_userbyid(n.nspowner),"                       \
	" format(E'ALTER SCHEMA %1$I OWNER TO CURRENT_USER;\\nGRANT USAGE ON SCHEMA %1$I TO %2$s;'"\
	", n.nspname, me.role) as statements from pg_namespace n, me"                              \
	" where n.nspowner in (select oid from whose) and " SCHEMAS                                \
	" union all select 'CREATE on ' || n.nspname || ' is granted to ' || " NAME_OF("a.grantee")\
	", format('REVOKE CREATE ON SCHEMA %I FROM %s;', n.nspname, " GRANTEE("a.grantee") ")"     \
	" from pg_namespace n cross join lateral aclexplode(n.nspacl) a"                           \
	" join whose w on w.oid = a.grantee where a.privilege_type = 'CREATE'"                     \
	" and a.grantee <> n.nspowner and " SCHEMAS " order by 1"

/* With its owner a table takes the sequences of its columns along. */
#define OWNS_GOVERNED                                                                              \
	"select format('%s.%s belongs to %s', n.nspname, c.relname, pg_get_userbyid(c.relowner)),"  \
	" format(E'ALTER TABLE %1$I.%2$I OWNER TO CURRENT_USER;\\n"                                \
	"GRANT SELECT, INSERT, UPDATE, DELETE ON %1$I.%2$I TO %3$s;', n.nspname, c.relname,"       \
	" me.role) || coalesce((select string_agg(format(E'\\nGRANT USAGE, SELECT ON SEQUENCE"     \
	" %I.%I TO %s;', sn.nspname, s.relname, me.role), '' order by s.relname)"                  \
	" from pg_depend p join pg_class s on s.oid = p.objid and s.relkind = 'S'"                 \
	" join pg_namespace sn on sn.oid = s.relnamespace"                                         \
	" where p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass"          \
	" and p.refobjid = c.oid and p.deptype in ('a', 'i')), '') as statements"                  \
	" from me, pg_class c join pg_namespace n on n.oid = c.relnamespace"                       \
	" where c.oid = any($1) and c.relowner in (select oid from whose) order by 1"

/* A grant on the whole table is exchanged for one on its other columns. */
#define MASKED_SELECT                                                                              \
	", hidden as (select t.oid, t.num from unnest($2, $3) t(oid, num)),"                       \
	" granted as (select c.oid, null::int2 as num, a.grantee from pg_class c"                  \
	" cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a"        \
	" where c.oid in (select oid from hidden) and a.privilege_type = 'SELECT'"                 \
	" union select t.attrelid, t.attnum, a.grantee from hidden h"                              \
	" join pg_attribute t on t.attrelid = h.oid and t.attnum = h.num"                          \
	" cross join lateral aclexplode(t.attacl) a where a.privilege_type = 'SELECT'),"           \
	" rest as (select t.attrelid as oid, string_agg(quote_ident(t.attname), ', '"              \
	" order by t.attnum) as columns from pg_attribute t where t.attnum > 0"                    \
	" and not t.attisdropped and t.attrelid in (select oid from hidden)"                       \
	" and not exists (select from hidden h where h.oid = t.attrelid and h.num = t.attnum)"     \
	" group by 1),"                                                                            \
	" named as (select h.oid, string_agg(t.attname, ', ' order by t.attnum) as columns"        \
	" from hidden h join pg_attribute t on t.attrelid = h.oid and t.attnum = h.num group by 1)"\
	" select format('SELECT on %s.%s (%s) is granted to %s', n.nspname, c.relname,"            \
	" coalesce(t.attname, m.columns), " NAME_OF("g.grantee") "),"                              \
	" case when g.num is null then format('REVOKE SELECT ON %I.%I FROM %s;', n.nspname,"       \
	" c.relname, " GRANTEE("g.grantee") ") || coalesce(format(E'\\nGRANT SELECT (%s) ON"       \
	" %I.%I TO %s;', r.columns, n.nspname, c.relname, " GRANTEE("g.grantee") "), '')"          \
	" else format('REVOKE SELECT (%I) ON %I.%I FROM %s;', t.attname, n.nspname, c.relname,"    \
	" " GRANTEE("g.grantee") ") end as statements"                                             \
	" from granted g join whose w on w.oid = g.grantee join pg_class c on c.oid = g.oid"       \
	" join pg_namespace n on n.oid = c.relnamespace join named m on m.oid = g.oid"             \
	" left join rest r on r.oid = g.oid"                                                       \
	" left join pg_attribute t on t.attrelid = g.oid and t.attnum = g.num"                     \
	" order by g.num is not null, 1"

#define EXTENSIONS                                                                                 \
	"('adminpack', 'amcheck', 'dblink', 'file_fdw', 'old_snapshot', 'pageinspect',"      \
	" 'pg_buffercache', 'pg_freespacemap', 'pg_prewarm', 'pg_surgery', 'pg_visibility',"       \
	" 'pg_walinspect', 'plperlu', 'plpython2u', 'plpython3u', 'plpythonu', 'pltclu', 'plsh',"  \
	" 'postgres_fdw', 'tablefunc', 'xml2', 'http', 'pg_cron', 'pg_background', 'oracle_fdw',"  \
	" 'mysql_fdw', 'tds_fdw')"

/* What such an extension brings goes with it. */
#define NOT_OF_EXTENSION                                                                           \
	"not exists (select from pg_depend x join pg_extension e on e.oid = x.refobjid"            \
	" where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'"           \
	" and x.refclassid = 'pg_extension'::regclass and e.extname in " EXTENSIONS ")"

/* Which functions, by what they do. */
#define FAMILIES                                                                                   \
	", family(title, pattern) as (values"                                                      \
	" ('runs text as SQL', '^(query|table|schema|database|cursor)_to_xml'),"                   \
	" ('runs text as SQL', '^(ts_stat|crosstab.*|connectby|xpath_table)$'),"                   \
	" ('opens connections', '^dblink'),"                                                       \
	" ('large objects', '^(lo_.*|loread|lowrite)$'),"                                          \
	" ('files of the server', '^(pg_read_(binary_)?file|pg_ls_.*dir|pg_stat_file|pg_file_.*"   \
	"|pg_logdir_ls|pg_current_logfile)$'),"                                                    \
	" ('pages and the log', '^(get_raw_page|heap_page_.*|bt_page_.*|bt_metap|page_header"      \
	"|fsm_page_contents|pg_get_wal_(rec|stat|block|fpi).*|pg_logical_.*|pg_replication_.*"                         \
	"|pg_create_(logical|physical)_replication_slot)$'),"                                      \
	" ('other sessions', '^(pg_cancel_backend|pg_terminate_backend|pg_reload_conf"             \
	"|pg_rotate_logfile.*|pg_promote|pg_stat_reset.*)$'))"

#define FUNCTION_NAME                                                                              \
	"format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes))"

#define FUNCTIONS                                                                                  \
	FAMILIES " select f.title || ': ' || string_agg(distinct p.proname, ', ') ||"              \
		 " ' is granted to ' || " NAME_OF("a.grantee") ","                                 \
		 " string_agg(format('REVOKE EXECUTE ON ROUTINE %s FROM %s;', " FUNCTION_NAME ","  \
		 " " GRANTEE("a.grantee") "), E'\\n' order by p.proname, p.oid) as statements"     \
		 " from pg_proc p join family f on p.proname ~ f.pattern"                          \
		 " join pg_namespace n on n.oid = p.pronamespace"                                  \
		 " cross join lateral aclexplode(coalesce(p.proacl,"                               \
		 " acldefault('f', p.proowner))) a join whose w on w.oid = a.grantee"              \
		 " where a.privilege_type = 'EXECUTE' and (n.nspname = 'pg_catalog'"               \
		 " or exists (select from pg_depend x where x.classid = 'pg_proc'::regclass"       \
		 " and x.objid = p.oid and x.deptype = 'e')) and p.proowner <> a.grantee"          \
		 " and " NOT_OF_EXTENSION                                                          \
		 " group by f.title, a.grantee order by 1"

#define EXTENSION_AVAILABLE                                                                        \
	" select distinct v.name || ' can be installed by ' || me.rolname, k.statements"           \
	" from me, pg_available_extension_versions v,"                                             \
	" (" CREATE_IN_DATABASE ") k(seen, statements)"                                            \
	" where to_jsonb(v) ->> 'trusted' = 'true' and not v.installed and v.name in " EXTENSIONS  \
	" order by 1"

/* Functions that run as somebody who is neither the login nor a role of its own. */
#define DEFINER_FUNCTION                                                                           \
	"select " FUNCTION_NAME " || ' runs as ' || pg_get_userbyid(p.proowner) ||"                \
	" ', granted to ' || string_agg(" NAME_OF("a.grantee") ", ', '),"                          \
	" string_agg(format('REVOKE EXECUTE ON ROUTINE %s FROM %s;', " FUNCTION_NAME ","           \
	" " GRANTEE("a.grantee") "), E'\\n') as statements from pg_proc p"                         \
	" join pg_namespace n on n.oid = p.pronamespace"                                           \
	" cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"        \
	" join whose w on w.oid = a.grantee where p.prosecdef and a.privilege_type = 'EXECUTE'"    \
	" and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)"                  \
	" and p.proowner not in (select oid from whose)"                                           \
	" and n.nspname not in ('pg_catalog', 'information_schema') and " NOT_OF_EXTENSION         \
	" group by p.oid, n.nspname, p.proname, p.proargtypes, p.proowner order by 1"

#define TRIGGERS                                                                                   \
	" from pg_trigger t join pg_class c on c.oid = t.tgrelid"                                  \
	" join pg_namespace cn on cn.oid = c.relnamespace join pg_proc p on p.oid = t.tgfoid"      \
	" join pg_namespace n on n.oid = p.pronamespace"                                           \
	" where c.oid = any($1) and not t.tgisinternal"
#define TRIGGER_SEEN                                                                               \
	"select distinct t.tgname || ' on ' || cn.nspname || '.' || c.relname || ' runs ' ||"      \
	" p.proname || ' of ' || pg_get_userbyid(p.proowner), " FUNCTION_NAME " as function"

const char doctor_hba_query[] =
	"select pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT') and"
	" pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')";

const char *const doctor_queries[FINDING_COUNT] = {
	[FINDING_SUPERUSER] = ATTRIBUTE("rolsuper", "is a superuser"),
	[FINDING_BYPASSRLS] = ATTRIBUTE("rolbypassrls", "bypasses row security"),
	[FINDING_REPLICATION] = ATTRIBUTE("rolreplication", "may replicate"),
	[FINDING_CREATEROLE] = ATTRIBUTE("rolcreaterole", "may create roles"),
	[FINDING_CREATEDB] = ATTRIBUTE("rolcreatedb", "may create databases"),
	[FINDING_POWERFUL_ROLE] = ROLES "select 'member of ' || r.rolname || " VIA "," MEMBERSHIP
					"where " PREDEFINED " and r.rolname in " POWERFUL
					" order by 1",
	[FINDING_WATCHING_ROLE] = ROLES "select 'member of ' || r.rolname || " VIA "," MEMBERSHIP
					"where " PREDEFINED " and r.rolname not in " POWERFUL
					" and r.rolname <> 'pg_database_owner' order by 1",
	[FINDING_SET_ROLE] = ROLES
		"select r.rolname || " VIA " || coalesce(': ' || nullif(" POWERS ", ''), '')," MEMBERSHIP
		"where not " PREDEFINED " and (mine.oid <> mine.hop"
		" or coalesce((to_jsonb(am) ->> 'set_option')::bool, true)"
		" or coalesce((to_jsonb(am) ->> 'inherit_option')::bool, true)) order by 1",
	[FINDING_HBA_TRUST] = HBA " from rules where auth_method = 'trust' order by line_number",
	[FINDING_HBA_AROUND] = HBA
		", quote_ident(current_database()) as database, quote_ident(session_user) as role,"
		" host(inet_client_addr()) || case family(inet_client_addr()) when 4 then '/32'"
		" else '/128' end as gateway from rules where type <> 'local' and not " HBA_GATEWAY
		" order by line_number",
	[FINDING_PASSWORD_MD5] = "select 'password_encryption is ' || reset_val from pg_settings"
				 " where name = 'password_encryption' and"
				 " reset_val <> 'scram-sha-256'",
	[FINDING_CREATE_IN_DATABASE] = ROLES CREATE_IN_DATABASE,
	[FINDING_CREATE_IN_SCHEMA] = ROLES CREATE_IN_SCHEMA,
	[FINDING_TEMPORARY] =
		ROLES "select 'TEMPORARY on ' || d.datname || ' is granted to ' || " NAME_OF("a.grantee")
		", quote_ident(d.datname) as database, " GRANTEE("a.grantee") " as grantee from "
		DATABASE_ACL " and a.privilege_type = 'TEMPORARY' and a.grantee <> d.datdba",
	[FINDING_OWNS_GOVERNED] = ROLES OWNS_GOVERNED,
	[FINDING_MASKED_SELECT] = ROLES MASKED_SELECT,
	[FINDING_UNMATCHED] = "select name || ' is not there' from unnest($4) name order by 1",
	[FINDING_FUNCTIONS] = ROLES FUNCTIONS,
	[FINDING_EXTENSION] = "select extname || ' ' || extversion, quote_ident(extname) as extension"
			      " from pg_extension where extname in " EXTENSIONS " order by 1",
	[FINDING_EXTENSION_AVAILABLE] = ROLES EXTENSION_AVAILABLE,
	[FINDING_SETTING_LEXING] =
		SETTING_OF("'standard_conforming_strings', 'client_encoding', 'backslash_quote',"
			   " 'escape_string_warning', 'role', 'session_authorization',"
			   " 'session_preload_libraries', 'local_preload_libraries',"
			   " 'transform_null_equals', 'row_security', 'lo_compat_privileges'"),
	[FINDING_SETTING_LOOKUP] = SETTING_OF("'search_path'"),
	[FINDING_STATEMENT_TIMEOUT] = UNLIMITED("statement_timeout", "0"),
	[FINDING_IDLE_TIMEOUT] = UNLIMITED("idle_in_transaction_session_timeout", "0"),
	[FINDING_TEMP_FILES] = UNLIMITED("temp_file_limit", "-1"),
	[FINDING_NOT_ANNOUNCED] =
		"select 'no event trigger weir_catalog_changed' where not exists (select"
		" from pg_event_trigger where evtname = 'weir_catalog_changed'"
		" and evtevent = 'ddl_command_end' and evtenabled <> 'D')",
	[FINDING_DEFINER_FUNCTION] = ROLES DEFINER_FUNCTION,
	[FINDING_DEFINER_TRIGGER] = TRIGGER_SEEN TRIGGERS " and p.prosecdef order by 1",
	[FINDING_FOREIGN_TRIGGER] =
		ROLES TRIGGER_SEEN
		", case when c.relowner in (select oid from whose) then 'CURRENT_USER'"
		" else quote_ident(pg_get_userbyid(c.relowner)) end as owner" TRIGGERS
			     " and not p.prosecdef and p.proowner <> c.relowner and not exists"
			     " (select from pg_roles o where o.oid = p.proowner and o.rolsuper)"
			     " order by 1",
};
