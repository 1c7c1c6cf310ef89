/* SPDX-License-Identifier: MIT
 *
 * Types, casts that are made unasked, and everything that a call can name, of one database: what
 * it takes to choose among functions or operators of a name as the server does. Empty where
 * nothing but PostgreSQL's own is there to choose from.
 */
#ifndef WEIR_SQL_CATALOG_TYPES_H
#define WEIR_SQL_CATALOG_TYPES_H

#include "sql/catalog.h"

enum {
	TYPE_OID_BOOL = 16,
	TYPE_OID_INT8 = 20,
	TYPE_OID_INT2VECTOR = 22,
	TYPE_OID_INT4 = 23,
	TYPE_OID_TEXT = 25,
	TYPE_OID_OIDVECTOR = 30,
	TYPE_OID_UNKNOWN = 705,
	TYPE_OID_NUMERIC = 1700,
	TYPE_OID_ANY = 2276,
};

struct catalog_type {
	uint32_t oid, base; /* base: what a domain is over; else oid */
	uint32_t element, array; /* 0: none */
	char category, kind; /* pg_type.typcategory, typtype */
	bool preferred;
	struct slice schema, name;
};

/* A function or an operator. */
struct catalog_overload {
	char kind; /* f, o */
	bool own;  /* not PostgreSQL's */
	uint16_t n_arguments, n_defaults;
	uint32_t oid, result, variadic; /* variadic: what each further argument is of; 0: no */
	const uint32_t *arguments;
	struct slice schema, name;
};

struct catalog_cast {
	uint32_t source, target;
	bool implicit;
	bool own; /* a function that is not PostgreSQL's makes it: this one */
	bool unasked; /* ... written in SQL or the like, and nobody need ask for it */
	struct slice schema, function;
};

struct catalog_types {
	struct catalog_type *types; /* by oid */
	struct catalog_cast *casts; /* by source, target */
	struct catalog_overload *overloads; /* by kind, name */
	size_t n_types, n_casts, n_overloads;
};

bool catalog_types_valid(enum catalog_query q, const struct slice *fields);
/* False: no memory. */
bool catalog_types_room(struct catalog_types *t, struct arena *a, size_t types, size_t casts,
			size_t overloads) MUST_CHECK;
/* Rows of other queries are nothing to it. */
bool catalog_types_add(struct catalog_types *t, struct arena *a, enum catalog_query q,
		       const struct slice *fields) MUST_CHECK;
void catalog_types_sort(struct catalog_types *t);

const struct catalog_type *catalog_type(const struct catalog_types *t, uint32_t oid);
/* It is the type wanted, is over it, or its elements are. */
bool catalog_type_is_of(const struct catalog_types *t, uint32_t type, uint32_t wanted);
const struct catalog_cast *catalog_cast(const struct catalog_types *t, uint32_t source,
					uint32_t target);
const struct catalog_overload *catalog_overloads(const struct catalog_types *t, char kind,
						 struct slice name, size_t *n);

#endif
