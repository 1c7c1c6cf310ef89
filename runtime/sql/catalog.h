/* SPDX-License-Identifier: MIT
 *
 * An immutable snapshot of what names mean in one PostgreSQL database. The gateway runs the queries
 * below over a connection of its own, in order, and feeds each row as text fields in the order of
 * the select list; catalog_build_finish() sorts and indexes. A snapshot is shared read-only by all
 * workers; its digest names it (approvals and caches bind to it).
 *
 * Run the queries in one REPEATABLE READ READ ONLY transaction, so that they agree with each other,
 * with search_path set to pg_catalog (all names below are qualified all the same). The last one
 * (CATALOG_Q_DEFINITIONS) takes locks on the views and what they read: give it a lock_timeout, and
 * go on without its rows when it fails.
 */
#ifndef WEIR_SQL_CATALOG_H
#define WEIR_SQL_CATALOG_H

#include "base/arena.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "sql/sql.h"

enum catalog_query {
	CATALOG_Q_SETTINGS, /* name, value: server_version_num, server_encoding, ..., search_path */
	/* TOAST tables, indexes and temporary relations are left out. */
	CATALOG_Q_RELATIONS, /* oid, schema, name, relkind, relpersistence, relispartition, version
				(xmin) */
	CATALOG_Q_COLUMNS,   /* attrelid, attnum, attname, atttypid, attisdropped, typname,
			      * typschema, base type oid (domains unwrapped), the type's
			      * modifier (of a domain: the base type's) */
	CATALOG_Q_PARENTS,   /* child oid, parent oid */
	CATALOG_Q_VIEWS,     /* view oid, base oid, base attnum (0 = whole row or relation only) */
	CATALOG_Q_FUNCTIONS, /* schema, name, kind: f function, o operator, t type, c cast to a
			      * type, b a built-in that has the name of a function, p a built-in
			      * type, n a type t that name(x) casts to; F, O: a name all of whose
			      * functions or operators can be meant only where there is a type of
			      * their own (gate_overloads.c) */
	CATALOG_Q_BUILT_IN,  /* oid, name, argument types, traits of pg_catalog's functions: as
			      * func_is_known() wants them */
	/* Only where an operator, or a function of a built-in's name, is not PostgreSQL's: */
	CATALOG_Q_TYPES,     /* oid, schema, name, category, preferred, typtype, base type oid,
			      * element's oid, array's oid; no rows of relations */
	CATALOG_Q_CASTS,     /* source, target, castcontext of those that are made unasked, or by a
			      * function that is not PostgreSQL's: its schema and name.
			      * I, A: such a one, in a language other than C */
	CATALOG_Q_OVERLOADS, /* f or o, oid, schema, name, argument types, result, variadic, number
			      * of defaults: all that expressions can call */
	CATALOG_Q_GENERATED, /* relation, attnum, attnum of what it is computed from (0: none),
			      * attgenerated: s stored, v when it is read */
	CATALOG_Q_BODIES,    /* schema, name, argument types, digest of the definition and owner in
			      * hex (empty: none, an aggregate), language and flags for people,
			      * prokind */
	CATALOG_Q_CODE,	     /* oid of a relation that runs code which nobody sees when it is (r)
			      * read or (w) only written, besides what a view's definition tells;
			      * 0, k: some code keeps variables or connections in the process */
	CATALOG_Q_DEFINITIONS, /* view oid, its query with all names qualified */
	CATALOG_QUERY_COUNT
};

/* One simple-query statement each; n_fields columns, in text format. */
struct catalog_query_text {
	const char *sql;
	unsigned n_fields;
};
extern const struct catalog_query_text catalog_queries[CATALOG_QUERY_COUNT];

struct catalog_column {
	struct slice name;
	uint32_t type;	    /* OID; of a domain: the domain's own */
	uint32_t base_type; /* OID after unwrapping domains */
	int32_t typmod;	    /* of base_type, as varchar(n) and the like declare it; -1: none */
	int16_t attnum;	    /* from 1; system columns are not listed */
	bool dropped, generated;
};

struct catalog_relation {
	uint32_t oid;
	struct slice schema, name;
	char kind;	  /* pg_class.relkind: r v m p f S t c ... */
	char persistence; /* p permanent, u unlogged, t temporary */
	bool partition;
	bool read_runs, write_runs; /* code that may leave something in the server's session */
	bool inherits;	  /* temporary: from a table that is not */
	uint64_t version; /* changes when the relation or its rewrite rule does */
	const struct catalog_column *columns; /* by attnum, without gaps: columns[attnum - 1] */
	uint32_t n_columns;
	uint32_t first_parent, n_parents; /* used by catalog_parent() */
	uint32_t first_depend, n_depends;
	/* Of a view whose definition was read: one statement, whose names outside pg_catalog are
	 * all qualified. */
	const struct sql_facts *definition;
};

struct catalog_depend {
	const struct catalog_relation *relation;
	int16_t attnum; /* 0: the relation, columns unknown: take all */
};

/* A column that the server computes, and one of its table's that it does that from (0: none). */
struct catalog_generated {
	const struct catalog_relation *relation;
	int16_t attnum, from;
	bool when_read;
};

struct catalog;
struct catalog_types; /* catalog_types.h */
struct catalog_build;

/* Feeding. A row that is malformed (wrong number, not a number) fails the build: catalog_build_row
 * returns false and finish returns NULL, with a reason in catalog_build_error(). NULL fields: p
 * NULL. */
struct catalog_build *catalog_build_start(void);
bool catalog_build_row(struct catalog_build *b, enum catalog_query q, const struct slice *fields,
		       unsigned n) MUST_CHECK;
/* Frees the build in any case. */
struct catalog *catalog_build_finish(struct catalog_build *b, const char **error) MUST_CHECK;
void catalog_build_abandon(struct catalog_build *b);
void catalog_free(struct catalog *c);

/* SHA-256 over the rows in sorted order: equal rows, equal digest. */
const uint8_t *catalog_digest(const struct catalog *c);
/* "" when unknown: server_version_num, server_encoding, standard_conforming_strings, search_path
 * (with the role's and database's settings applied, as a new session of this role has it),
 * session_user, current_database, database_oid, system_identifier. */
struct slice catalog_setting(const struct catalog *c, const char *name);

/* A session's search path, parsed: "$user" replaced, pg_temp and pg_catalog first unless listed.
 * What is in pg_temp is the session's own, and no snapshot has it: see catalog_temporary_read. */
struct catalog_path {
	struct slice schemas[32];
	unsigned n;
	bool truncated; /* more than 32, or a temporary schema by its number: nothing unqualified
			 * resolves */
	const struct catalog_relation *temporary; /* in "pg_temp", by OID */
	uint32_t n_temporary;
};
void catalog_path_parse(struct slice setting, struct slice user, struct catalog_path *out,
			struct arena *arena);

/* What a session asks about its own temporary relations: the types of composites among them, no
 * indexes. Rows by OID and column; all names in it, operators too, are qualified. */
extern const struct catalog_query_text catalog_temporary_query;
/* A row of its answer, appended for catalog_temporary_read. NULL: p NULL. */
void catalog_temporary_put(struct buf *rows, const struct slice *fields, unsigned n);
/* What the path's pg_temp holds, in the arena (names too). False: those are not such rows. */
bool catalog_temporary_read(struct slice rows, struct catalog_path *path,
			    struct arena *arena) MUST_CHECK;
/* Of the session's own: NULL when it has none of that name. */
const struct catalog_relation *catalog_temporary(const struct catalog_path *path,
						 struct slice name);

/* Relation of that exact name; NULL when there is none. A schema of n = 0 means: the first in path
 * that has the name; pg_temp is what the path has there. */
const struct catalog_relation *catalog_resolve(const struct catalog *c,
					       const struct catalog_path *path, struct slice schema,
					       struct slice name);
const struct catalog_relation *catalog_by_oid(const struct catalog *c, uint32_t oid);
const struct catalog_column *catalog_column(const struct catalog_relation *r, int attnum);
const struct catalog_column *catalog_column_named(const struct catalog_relation *r,
						  struct slice name);
/* Direct parents (inheritance, partitioning); NULL past the end. */
const struct catalog_relation *catalog_parent(const struct catalog *c,
					      const struct catalog_relation *r, uint32_t i);
/* What a view or materialized view reads, through views below it as well; n = 0 for a table. */
const struct catalog_depend *catalog_view_depends(const struct catalog *c,
						  const struct catalog_relation *r, uint32_t *n);
const struct catalog_generated *catalog_generated(const struct catalog *c, size_t *n);
/* Reading it (or writing it, too) runs no code that may leave something in the server's session:
 * triggers, defaults, constraints, policies and the like, and the views that it is made of. */
bool catalog_is_quiet(const struct catalog *c, const struct catalog_relation *r, bool written);
/* Nor does the statement, but for settings and locks of its own that it names. relations: by index
 * what its tables are; NULL: not known. Calls must mean PostgreSQL's own functions. */
bool catalog_facts_quiet(const struct catalog *c, const struct sql_facts *f,
			 const struct catalog_relation *const *relations);
/* Some code could keep what no SQL takes away: variables of its language, connections. */
bool catalog_keeps(const struct catalog *c);
/* A function outside pg_catalog and information_schema. The digest is the server's SHA-256 over
 * what pg_get_functiondef says (body, language, volatility, SECURITY DEFINER, SET ...) and its
 * owner. */
struct catalog_function {
	struct slice schema, name, arguments, note;
	bool has_digest;
	bool procedure; /* not called in expressions */
	uint8_t digest[SHA256_LEN];
};
/* By name, then schema and arguments. */
const struct catalog_function *catalog_functions(const struct catalog *c, size_t *n);
/* Those of a name, whatever their schema. */
const struct catalog_function *catalog_functions_named(const struct catalog *c, struct slice name,
						       size_t *n);

/* Something outside pg_catalog and information_schema has this name (kind f, o, t), so that an
 * unqualified use of a built-in's name cannot be trusted; or (b) both have; or (x) pg_catalog has a
 * function of that name which nobody has classed; or (p) a type; or (n) a type that is no row's is
 * called so outside them, to which name(x) may cast. */
bool catalog_shadows(const struct catalog *c, char kind, struct slice name);
const struct catalog_types *catalog_types(const struct catalog *c);
size_t catalog_count(const struct catalog *c);
const struct catalog_relation *catalog_at(const struct catalog *c,
					  size_t i); /* sorted by schema, name */

#endif
