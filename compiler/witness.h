/* SPDX-License-Identifier: MIT
 *
 * From a way through a diagram to facts that take it: those it names have a value of their class,
 * all others what is usual.
 */
#ifndef WEIR_COMPILER_WITNESS_H
#define WEIR_COMPILER_WITNESS_H

#include "compiler/space.h"

struct witness {
	struct facts facts;
	uint64_t named; /* bit per fact that the way depends on */
	bool uses_named;
	const struct row_value *rows; /* by space.row_columns; facts.row is set per image */
	uint32_t *values;	      /* the way: DD_LEAF where it does not matter */
};

/* False: no input that can be makes `root` true. */
bool witness_find(struct space *s, uint32_t root, struct witness *w);
/* As above; what it finds lies in the arena, and so does what it needs. */
bool witness_find_in(struct space *s, uint32_t root, struct arena *scratch, struct witness *w);
/* The facts as an image reads them: columns of the row in its order. */
void witness_facts(struct space *s, const struct witness *w, size_t image, struct facts *out);

#endif
