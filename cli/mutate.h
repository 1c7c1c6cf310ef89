/* SPDX-License-Identifier: MIT
 *
 * Would the tests of a policy notice when it said something else? Single changes of its text
 * (mutants.c), each compiled and tested (mutate.c).
 */
#ifndef WEIR_CLI_MUTATE_H
#define WEIR_CLI_MUTATE_H

#include "cli/policy.h"

struct mutant {
	struct mutant *next;
	struct span at;      /* what is replaced ... */
	struct slice text;   /* ... by this */
	struct span shown;   /* the place to show, when it is another */
	const char *what;    /* "a clause is dropped" */
	const char *of;      /* the rule or let it is about */
	bool whole;          /* all of the rule goes */
};

/* All changes, in the order of the text. */
struct mutant *mutants_of(const struct policy *p, struct sources *sources, struct arena *arena);

/* Tries them for at most so many seconds and prints those that no test notices. The tests must pass
 * as they are. EXIT_OK when all are noticed that were tried, else EXIT_NEGATIVE. */
int mutate_policy(struct cli_policy *p, unsigned seconds, bool json);

#endif
