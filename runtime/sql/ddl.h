/* SPDX-License-Identifier: MIT
 *
 * A schema as text: the CREATE statements of a database, as `pg_dump --schema-only` or a person
 * writes them, read into the same snapshot that the gateway takes of a running server (catalog.h).
 * OIDs are made up, those of PostgreSQL's own types are its own. What has no columns (functions,
 * grants, comments, owners, constraints) is parsed and passed over; what changes a schema rather
 * than saying it (DROP, RENAME) is refused, since the order of such things is not looked at.
 */
#ifndef WEIR_SQL_DDL_H
#define WEIR_SQL_DDL_H

#include "sql/catalog.h"

struct ddl_error {
	uint32_t at; /* byte in the text */
	char text[160];
};

struct ddl;

/* All of it lives in the arena, but for the catalog. */
struct ddl *ddl_new(struct arena *arena);
/* text[text.n] is 0. False: *err is filled, and nothing more may be read. */
bool ddl_read(struct ddl *d, struct slice text, struct ddl_error *err) MUST_CHECK;
/* NULL: *error says why. To be freed with catalog_free. */
struct catalog *ddl_finish(struct ddl *d, const char **error) MUST_CHECK;

/* Before ddl_finish: a function that there is, with its digest in hexadecimal. */
void ddl_function(struct ddl *d, struct slice schema, struct slice name, struct slice arguments,
		  struct slice digest);
/* After ddl_finish. Why a column has few different values ("an enumeration"); NULL: it has many, or
 * nobody knows. */
const char *ddl_small(const struct ddl *d, uint32_t relation, int attnum);
/* The columns of the view could not be told from its query. */
bool ddl_is_vague(const struct ddl *d, uint32_t relation);

struct ddl_place {
	uint32_t text;	   /* of those that were read, from 0 */
	uint32_t at;	   /* where the name begins */
	uint32_t from, to; /* the statement that says it */
};
/* Where a relation is said, or its column (attnum 0: itself). False: nowhere, as for a column that
 * it has from another relation. */
bool ddl_place(const struct ddl *d, uint32_t relation, int attnum, struct ddl_place *out);

#endif
