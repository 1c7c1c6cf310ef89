/* SPDX-License-Identifier: MIT
 *
 * Commands of an audit log with the facts that their policy was told: for `weir replay` and
 * `weir explain --audit`. What is not on record is unknown, and told apart from what the gateway
 * did not know either.
 */
#ifndef WEIR_CLI_RECORDED_H
#define WEIR_CLI_RECORDED_H

#include "audit/brief.h"
#include "sql/catalog.h"
#include "vm/exec.h"

#include <jansson.h>

/* Bits beside those of the facts: where columns are used; that more effects were judged than are on
 * record; that a function was judged which the policy vouches for, if it is as it was. */
enum { RECORDED_USES = FACT_COUNT, RECORDED_EFFECTS, RECORDED_VOUCHED, RECORDED_BITS };

struct recorded {
	struct audit_brief brief;
	json_t *json;          /* of the whole record */
	struct arena *arena;   /* of this record */
	enum verdict verdict;  /* that it was given */
	struct slice by_gateway; /* ... by the gateway itself, not a rule: its code. Else empty */
	bool connects;	       /* a session's start: `base` is what is decided */
	bool follows;	       /* ... and what came of one that waited, which has its own record */
	bool unasked;	       /* no rule was asked, or the record is from before facts were */
	bool cut;	       /* more effects were judged than are on record */
	struct facts base, *effects;
	uint64_t *missing;     /* per effect: facts that are not on record, a bit each */
	size_t n;
};

/* Calls f for each command and each start of a session, in the order of the log; false: enough. -1
 * when the log could not be read, after a message that names the command. *damaged: what there
 * should be could not be read, which was said as well. */
int recorded_commands(const char *command, const char *folder,
		      bool (*f)(void *ctx, const struct recorded *c), void *ctx, bool *damaged);

/* What `*` stands for is not on record: taken from a policy's catalog, where the effect is on a
 * table that it has. */
void recorded_columns(const struct recorded *c, const struct catalog *catalog);

/* *out is what the image decides by the facts on record. 0 when that is certain. Else what is not
 * on record and could have led to another verdict, a bit each: it comes out otherwise with each
 * test of these taken the other way. */
uint64_t recorded_decide(const struct recorded *c, const struct image *img, struct decision *out);

#endif
