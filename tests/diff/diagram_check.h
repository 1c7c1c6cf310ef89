/* SPDX-License-Identifier: MIT
 *
 * The decision diagram of an image against what the machine decided: the very rules, the verdict,
 * and the same rules again out of the diagram whose leaves are sets of rules.
 */
#ifndef WEIR_TESTS_DIAGRAM_CHECK_H
#define WEIR_TESTS_DIAGRAM_CHECK_H

#include "compiler/diagram.h"

struct diagram_check {
	const struct image *img;
	struct space *space;
	struct diagram *diagram;
	struct rule_sets sets;
	uint32_t rules[ENTRY_COUNT];
	uint32_t *values;
	uint32_t rows; /* what can be of a row, as analyses have it */
};

/* False after having printed why: there is no diagram. */
bool diagram_check_init(struct diagram_check *c, struct arena *arena, const struct image *img);
bool diagram_check(struct diagram_check *c, const struct facts *f, enum vm_entry e,
		   const struct decision *got);
/* Facts for each verdict and each rule: the machine must decide them so. Counts what was tried. */
bool diagram_check_witnesses(struct diagram_check *c, uint64_t *n);

#endif
