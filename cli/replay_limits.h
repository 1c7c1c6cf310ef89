/* SPDX-License-Identifier: MIT
 *
 * What the limits of another policy would have done: which commands they would have ended or not
 * begun. Budgets are filled again over the log's own time, by what its results say that commands
 * got. What would have been got beyond that nobody knows: where it matters, it is lacking.
 */
#ifndef WEIR_CLI_REPLAY_LIMITS_H
#define WEIR_CLI_REPLAY_LIMITS_H

#include "audit/idmap.h"
#include "cli/replay_compare.h"
#include "cli/replay_got.h"

struct meter;

struct limits_replay {
	struct idmap places; /* of a meter in v, and one more */
	struct meter *v;
	size_t n, room;
	struct idmap pieces; /* sessions that have read a portal in pieces */
};

/* When the command begins: what is paid ahead, and what is used up. Sets c->look. */
void limits_begin(struct limits_replay *l, const struct comparer *x, struct recorded *c,
		  const struct decision *is, const struct decision *turned);
/* When it has ended, or nobody knows how: what it takes; and what differs, if `out` is not NULL, in
 * which masks and drops are. Otherwise: it is held now and was not then, or the other way round. */
void limits_end(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
		bool otherwise, struct comparison *out);
/* The gateway refused to begin it because of a limit, and rules let it run. */
void limits_refused(struct limits_replay *l, const struct comparer *x, struct recorded *c,
		    const struct decision *is, const struct decision *turned,
		    struct comparison *out);
/* It ran then and would not now, so what it took is not taken; unknown: or the other way round, or
 * nobody knows. */
void limits_other(struct limits_replay *l, const struct comparer *x, const struct recorded *c,
		  const struct decision *is, bool unknown);
void limits_fini(struct limits_replay *l);

#endif
