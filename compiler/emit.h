/* SPDX-License-Identifier: MIT
 *
 * Rules to instructions. The code of an entry point is that of its rules one after the other, each
 * a chain of tests that skips to the next rule or arrives at `match`.
 */
#ifndef WEIR_COMPILER_EMIT_H
#define WEIR_COMPILER_EMIT_H

#include "compiler/check.h"

struct emitted {
	struct insn *code;
	size_t n;
	struct insn *diagram; /* dcode.h makes it */
	size_t n_diagram;
};

/* Does the entry point have the rule? Rules in force never stand beside those that are only
 * watched. */
bool emit_belongs(const struct checked_rule *r, enum vm_entry entry);
/* False when an entry point came out longer than the loader would take (reported). */
bool emit_policy(const struct checked *p, struct arena *arena, struct diag_queue *q,
		 struct emitted out[ENTRY_COUNT]) MUST_CHECK;

#endif
