/* SPDX-License-Identifier: MIT
 *
 * Removing old records, whole segments at a time from the oldest on, by the process that holds the
 * log. In this order, each step durable before the next, so that it can end anywhere:
 *
 *   1. of each segment seg/N.pruned is written: the hashes that stand for it (audit/pruned.h)
 *   2. a record, retention.prune, says what is about to go and names what stays of it
 *   3. a signed head covers the record
 *   4. the segments are removed, oldest first
 *
 * What ended before 3 never happened: the next opening removes the files of 1. What ended after it
 * is gone on with then (prune_settle). A segment is only removed if it is sealed, reads whole and
 * leads to the heads that were signed for it; one that does not is evidence, and so is what comes
 * after it. One that a hold keeps stays, and so does what comes after it (audit/holds.h).
 */
#ifndef WEIR_AUDIT_PRUNE_H
#define WEIR_AUDIT_PRUNE_H

#include "audit/holds.h"

#include <stdatomic.h>

struct prune_request {
	uint64_t cutoff_ns; /* segments whose newest record is older than this */
	const char *by, *policy; /* who and why, for people; at most PRUNED_TEXT_MAX bytes */
	const struct audit_principal *who; /* for the record; may be NULL */
	bool dry_run;			   /* only says what would go */
	unsigned at_most;		   /* segments; 0: any number */
	uint64_t told_until; /* as in the report: it is on record already what a hold keeps */
	const atomic_bool *stop; /* set: ends between two segments; may be NULL */
	/* For tests: before each step that changes something. May be NULL. */
	void (*step)(void *arg);
	void *step_arg;
};

struct prune_report {
	uint64_t segments, records, bytes;
	uint64_t first, until; /* first .. until - 1 */
	uint64_t oldest_ns, newest_ns;
	uint64_t kept_ns; /* newest record of the first segment that stays; 0: the active one */
	/* The hold that keeps what is due: the first segment of it ends at held_until. 0: none. */
	char held_by[HOLD_NAME_MAX + 1];
	uint64_t held_until, held_ns;
};

/* 0, or -1 with the reason and what to do appended to error; what was removed until then is in *r.
 * Blocks for as long as reading takes. One at a time; the lane is the caller's. */
int audit_prune(struct audit *a, unsigned lane, const struct prune_request *q,
		struct prune_report *r, struct buf *error) MUST_CHECK;
/* The same for a log that nobody holds or another process does, only dry. */
int prune_plan(int dir, bool live, const struct prune_request *q, struct prune_report *r,
	       struct buf *error) MUST_CHECK;

/* Ends what was begun. `signed_size` records are covered by a signed head. False: what is there
 * does not fit together; the reason was appended to error. */
bool prune_settle(int dir, uint64_t signed_size, struct buf *error) MUST_CHECK;

#endif
