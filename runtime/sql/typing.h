/* SPDX-License-Identifier: MIT
 *
 * What the calls of a statement can mean in a catalog, from the types of what they are given.
 */
#ifndef WEIR_SQL_TYPING_H
#define WEIR_SQL_TYPING_H

#include "sql/overload.h"

struct typing {
	const struct catalog *catalog;
	const struct catalog_path *path; /* NULL: not known */
	const struct sql_facts *facts;
	/* Of what types they are declared, from $1; 0: left to the server. */
	bool parameters_known;
	const uint32_t *parameters;
	uint32_t n_parameters;
	const struct catalog_relation *const *relations; /* by index; NULL: not known, or none */
	struct arena *arena;
	/* Told of each call, if set; what is chosen is oids[0 ... choice->n). */
	void (*chosen)(void *ctx, const struct sql_apply *apply,
		       const struct overload_choice *choice, const uint32_t *oids);
	void *ctx;
};

/* By index in calls[]: some use of the unqualified name can mean what is not PostgreSQL's. Of types
 * it says nothing. NULL: that was not looked at. */
const bool *typing_own(const struct typing *t);
/* By index in the catalog's casts: one that is written out in the statement may be it, and it is
 * made by a function that is not PostgreSQL's. What is cast may be of a type that nobody knows:
 * then own_types says whether it could be one that is not PostgreSQL's. NULL: there is none. */
const bool *typing_casts(const struct typing *t, bool own_types);

#endif
