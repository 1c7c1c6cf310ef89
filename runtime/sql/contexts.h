/* SPDX-License-Identifier: MIT
 *
 * What sql.uses asks: in which contexts each column is used, also through what passes it on.
 */
#ifndef WEIR_SQL_CONTEXTS_H
#define WEIR_SQL_CONTEXTS_H

#include "sql/sql.h"

/* A column of a table that a star passed on, and then something used. */
struct sql_passed {
	uint32_t relation;
	struct slice column; /* empty: any */
	uint16_t contexts;
};

struct sql_contexts {
	uint16_t *of_use; /* by use: bits of enum context */
	uint16_t *of_query;
	struct sql_passed *passed;
	uint32_t n_passed;
	bool known; /* false: too much to follow, anything may be used anywhere */
};

void sql_contexts(const struct sql_facts *f, struct arena *a, struct sql_contexts *out);

#endif
