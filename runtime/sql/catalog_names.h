/* SPDX-License-Identifier: MIT
 *
 * The relations of a catalog by schema and name: every statement looks its tables up here, each
 * time, in every schema of its path.
 */
#ifndef WEIR_SQL_CATALOG_NAMES_H
#define WEIR_SQL_CATALOG_NAMES_H

#include "base/arena.h"
#include "sql/catalog.h"

struct catalog_names {
	const struct catalog_relation *relations;
	uint32_t *slots; /* 1 + index, at hash & mask or behind it; 0: none */
	size_t mask;
	uint64_t seed;
};

/* Keeps a pointer to relations, whose names differ. False: the arena has no room. */
bool catalog_names_build(struct catalog_names *t, struct arena *a,
			 const struct catalog_relation *relations, uint32_t n) MUST_CHECK;

/* NULL: there is none. */
const struct catalog_relation *catalog_names_find(const struct catalog_names *t,
						  struct slice schema, struct slice name);

#endif
