/* SPDX-License-Identifier: MIT
 *
 * The policies by which a log was decided: what their masks, limits and notices did, records do not
 * say. The gateway keeps each in the audit folder (policies/<digest>.weirb); others can be given.
 */
#ifndef WEIR_CLI_REPLAY_WAS_H
#define WEIR_CLI_REPLAY_WAS_H

#include "cli/policy.h"

/* A policy with what its rules say, so that those of two can be compared. */
struct told_policy {
	const struct image *image;
	uint64_t *rules; /* by index: equal for two that are the same wherever they stand */
	bool channels;	 /* some rule tells one */
	unsigned same;	 /* of one that was: kinds of rules that are the same now, a bit each */
};

void told_open(struct told_policy *p, const struct image *img);
void told_close(struct told_policy *p);

struct was {
	const char *command;
	const struct told_policy *is; /* that they are compared with */
	int dir;		      /* the audit folder */
	struct was_policy *v; /* each digest once */
	size_t n, room, open;
	uint64_t clock; /* of their use */
};

/* What is given on the command line. EXIT_OK, or another exit code after a message. */
int was_give(struct was *w, const char *path) MUST_CHECK;
/* NULL: it is not at hand. Good until the next call. */
const struct told_policy *was_find(struct was *w, struct slice digest);
/* Says of which that were given nothing is on record. */
void was_unused(const struct was *w);
void was_close(struct was *w);

#endif
