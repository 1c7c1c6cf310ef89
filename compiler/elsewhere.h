/* SPDX-License-Identifier: MIT
 *
 * Where data is found under other names than its own, as far as the catalogs of policies say:
 * through views, in tables that inherit or are partitions, in what the server computes of it. Masks
 * and drops follow it there (runtime/gate/gate_views.c, gate_rows.c), rules that name tables or ask
 * for uses do not. A table that no catalog has may be any of these.
 */
#ifndef WEIR_COMPILER_ELSEWHERE_H
#define WEIR_COMPILER_ELSEWHERE_H

#include "compiler/space.h"

struct catalog_relation;

/* What a difference of masks can change there. Of rows that are dropped: whether a command may use
 * the column, or look it up. */
enum elsewhere_use {
	ELSEWHERE_SHOWN,
	ELSEWHERE_USED,
	ELSEWHERE_LOOKED_UP,
	ELSEWHERE_DERIVED,
	ELSEWHERE_SUMMED,
	ELSEWHERE_USES /* how many */
};

/* Those above and below a table: reading one reads, or is governed as, the other. */
struct elsewhere_relatives {
	const struct catalog_relation **v;
	size_t n, room;
};

/* A relation of a policy's catalog. */
struct elsewhere_relation {
	const struct catalog *catalog;
	const struct catalog_relation *relation;
	struct slice schema, name; /* name: with the schema */
	size_t class;		   /* of the space's names of tables */
	bool inherits;		   /* or is inherited from */
	const struct elsewhere_relatives *relatives; /* of its catalog's relations, in order */
};

struct elsewhere {
	struct elsewhere_relation *v;
	size_t n;
	bool *known; /* by class of names: some catalog has a table of it */
	uint8_t **has; /* by kind: what elsewhere_has said of each, where it was asked */
};

/* Those of all catalogs of the space; none where names of tables do not matter. */
const struct elsewhere *elsewhere_of(struct space *s);
/* Whether masks of a kind of column matter there, beside where it has such a column itself. */
bool elsewhere_has(const struct space *s, const struct elsewhere_relation *e, size_t kind,
		   enum elsewhere_use what);
/* The name of a column of that kind which it has itself; n = 0: it has none. */
struct slice elsewhere_own(const struct space *s, const struct elsewhere_relation *e, size_t kind);
/* Whether a drop rule speaks of it: by its own name, or by what it reads or inherits. */
bool elsewhere_drops(const struct elsewhere_relation *e, const struct image *img,
		     const struct image_rule *rule);
/* A drop that speaks of it filters rows of a table, and refuses a view. */
bool elsewhere_is_view(const struct elsewhere_relation *e);

#endif
