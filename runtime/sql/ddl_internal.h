/* SPDX-License-Identifier: MIT
 *
 * What ddl.c (statements), ddl_types.c (types), ddl_views.c (columns of views) and ddl_generated.c
 * (columns that the server computes) share.
 */
#ifndef WEIR_SQL_DDL_INTERNAL_H
#define WEIR_SQL_DDL_INTERNAL_H

#include "sql/ddl.h"

enum {
	DDL_RELATIONS_MAX = 20000,
	DDL_COLUMNS_MAX = 1600,
	DDL_READS_MAX = 1000000, /* of all views, what they read through others included */
	DDL_OID_FIRST = 100000,
};
enum { DDL_SLOTS = 4096 };

struct ddl_type {
	uint32_t oid, base; /* base: domains unwrapped */
	const char *small;  /* why it has few values, or NULL */
	uint32_t modifier;  /* 1 + the type modifier that PostgreSQL has for base; 0: none */
};

struct ddl_name {
	struct ddl_name *next;
	struct slice name;
};

struct ddl_column {
	struct ddl_column *next;
	struct slice name;
	struct ddl_type type;
	bool generated, reads_all;
	struct ddl_name *reads; /* generated from these */
	struct ddl_place place; /* to = 0: nowhere */
};

struct ddl_link {
	struct ddl_link *next;
	struct ddl_relation *to;
};

struct ddl_relation {
	struct ddl_relation *next, *next_in_slot;
	struct slice schema, name;
	uint32_t oid, n_columns;
	char kind; /* pg_class.relkind */
	bool partition;
	bool vague; /* a view whose columns are not known */
	struct ddl_column *columns, *last;
	struct ddl_link *parents, *reads;
	const struct ddl_relation *reader; /* the last that was found to read it */
	struct slice query; /* of a view, names qualified */
	struct ddl_place place;
};

struct ddl_own_type {
	struct ddl_own_type *next;
	struct slice schema, name;
	struct ddl_type type;
};

struct ddl_function {
	struct ddl_function *next;
	struct slice row[6]; /* of CATALOG_Q_BODIES */
};

struct ddl {
	struct arena *arena;
	struct ddl_function *functions;
	struct ddl_relation *relations, *last;
	struct ddl_relation **slots; /* by schema and name */
	struct ddl_own_type *types;
	uint32_t n_relations, n_reads, next_oid;
	struct slice schema; /* that names without one are made in */
	struct ddl_error *err;
	struct slice statement; /* at hand */
	uint32_t base, end;	/* of it, in the text */
	uint32_t n_texts;   /* that were read before this one */
};

struct ddl_relation *ddl_find(const struct ddl *d, struct slice schema, struct slice name);
struct ddl_column *ddl_column_named(const struct ddl_relation *r, struct slice name);
void ddl_add_column(struct ddl *d, struct ddl_relation *r, struct slice name, struct ddl_type type);
/* False, so that it can be returned; the first one counts. */
bool ddl_fail(struct ddl *d, int location, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ddl_types.c: PostgreSQL's own types by name; an array of them. {0}: none of that name. */
struct ddl_type ddl_builtin(const char *name, bool array);
/* What the numbers in brackets behind a type's name are to PostgreSQL, as ddl_type has it. */
uint32_t ddl_modifier(const char *name, const int *v, int n);

/* ddl_views.c: the columns of what `query` (a SELECT, ended by a NUL) returns, and what it reads;
 * r->vague when they cannot be told. */
void ddl_view(struct ddl *d, struct ddl_relation *r, struct slice query);

/* ddl_generated.c: the column is computed by what stands behind `at` in the statement. */
void ddl_generated(struct ddl *d, struct ddl_column *c, uint32_t at);
bool ddl_put_generated(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r);

#endif
