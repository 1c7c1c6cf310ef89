/* SPDX-License-Identifier: MIT
 *
 * Code of the decision diagram of an entry point, beside its list of rules: a command goes through
 * one test or switch of a fact after the other, none twice, and meets `match` for each rule as soon
 * as that is decided. It is made from the verified code of the list, over the classes that a space
 * divides the facts into (docs/decisions/0009).
 *
 * What would be too large goes to the list: an unknown fact that many a rule cares for, and an
 * action whose rules are too entangled. The list matches the same rules, so that is exact.
 */
#ifndef WEIR_COMPILER_DCODE_H
#define WEIR_COMPILER_DCODE_H

#include "compiler/constants.h"
#include "compiler/space.h"

struct dcode {
	struct insn *code;
	size_t n;		     /* 0: the list decides everything */
	struct action_set entangled; /* the list decides these, or some of each */
	bool too_large;		     /* ... of everything, where that is not told by actions */
};

/* Of the space's only image. Adds the constants that the code needs; *out lives in `arena`. */
void dcode_make(struct space *s, enum vm_entry e, struct constants *constants, struct arena *arena,
		struct dcode *out);

/* Do the diagrams of the space's only image match exactly the rules that its lists do, for every
 * input? False with *why: the rule and the entry point. True, too, when that is too large to be
 * told and *unsure is set. */
bool dcode_agrees(struct space *s, struct slice *why, bool *unsure);

#endif
