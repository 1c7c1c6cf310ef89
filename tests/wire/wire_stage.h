/* SPDX-License-Identifier: MIT
 *
 * The stage of a wire script: policy, catalog, pool and principal, as its first lines say.
 */
#ifndef WEIR_TESTS_WIRE_STAGE_H
#define WEIR_TESTS_WIRE_STAGE_H

#include "gate/epoch.h"

enum { LINES = 2000, WORDS = 64 };

struct stage {
	struct epoch *epoch;
	struct catalog_ref *catalog;
	char *lines[LINES];
	int numbers[LINES];
	size_t n;
	char *text;
	enum pool_mode pool;
	bool door; /* who is logged in has no session yet */
};

/* Words of a line, quoted ones without their quotes; cuts them out of the line. */
size_t wire_split(char *line, struct slice words[WORDS]);
/* Fills in epoch and catalog. False after a message. */
bool wire_set_stage(struct stage *st, const char *file) MUST_CHECK;

#endif
