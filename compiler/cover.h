/* SPDX-License-Identifier: MIT
 *
 * A condition as few short cases: each case asks some variables to have one of some values, and the
 * condition is that one of the cases is so. What does not matter is left out.
 */
#ifndef WEIR_COMPILER_COVER_H
#define WEIR_COMPILER_COVER_H

#include "compiler/dd.h"

struct case_part {
	uint32_t var;
	const bool *values; /* as many as the variable has */
};

struct cover_case {
	struct cover_case *next;
	const struct case_part *parts; /* in the order of the variables */
	size_t n;
};

struct cover {
	struct cover_case *cases; /* NULL: never, unless full */
	size_t n;
	bool full; /* more than were asked for: the list is not whole */
};

/* Covers at least `must` and nothing outside of `may`. */
struct cover dd_cover(struct dd *d, const struct dd_var *vars, struct arena *arena, uint32_t must,
		      uint32_t may, size_t max);

#endif
