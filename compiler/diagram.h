/* SPDX-License-Identifier: MIT
 *
 * A policy as decision diagrams, made from the verified code of its image, so that what an analysis
 * says is said of what runs: one condition per rule and entry point, and from them verdicts and
 * sets of rules. Several images over one space can be compared; equal roots are equal behaviour.
 */
#ifndef WEIR_COMPILER_DIAGRAM_H
#define WEIR_COMPILER_DIAGRAM_H

#include "compiler/space.h"

struct diagram {
	struct space *space;
	const struct image *img;
	size_t image;		      /* in the space */
	uint32_t *match[ENTRY_COUNT]; /* per rule: where it matches */
	uint32_t *may;		      /* per rule: where it could match some command, at connect */
	uint32_t verdict[2][3];	      /* of ENTRY_CONNECT, ENTRY_COMMAND: where it is this */
	uint32_t by_default[2];	      /* ... and where no rule with a verdict matches */
};

/* NULL when the diagram would be too large. */
struct diagram *diagram_new(struct space *s, size_t image);
/* The same in two steps: conditions of the rules alone, then what they come to together. */
struct diagram *diagram_matches(struct space *s, size_t image);
bool diagram_verdicts(struct diagram *g);
/* Of commands, and true of those in scope only: of thousands of rules few meet there. */
bool diagram_verdicts_in(struct diagram *g, uint32_t scope);

/* Sets of rules as leaves, each set once: which rules match, for every input. */
struct rule_sets {
	struct dd_op join;
	const uint32_t **sets; /* by leaf: [0] is the number of rules, ascending after it */
	size_t n, cap;
	uint32_t *slots;
	size_t n_slots;
	struct arena *arena;
};
void rule_sets_init(struct rule_sets *r, struct dd *d, struct arena *arena);
/* The rules of an entry point that match, for one action (0: for all of them) as one diagram. */
uint32_t diagram_rules(const struct diagram *g, struct rule_sets *r, enum vm_entry e,
		       enum action action);

#endif
