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

enum { RECORDED_USES = FACT_COUNT }; /* a bit beside those of the facts: where columns are used */

struct recorded {
	struct audit_brief brief;
	json_t *json;          /* of the whole record */
	struct arena *arena;   /* of this record */
	enum verdict verdict;  /* that it was given */
	bool by_gateway;       /* ... by the gateway itself, whatever the policy says */
	bool connects;	       /* a session's start: `base` is what is decided */
	const char *lacking;   /* why it cannot be decided again, or NULL */
	struct facts base, *effects;
	uint64_t *missing;     /* per effect: facts that are not on record, a bit each */
	size_t n;
};

/* Calls f for each command, and for each start of a session if `sessions`, in the order of the log;
 * false: enough. -1 when the log could not be
 * read, after a message that names the command. */
int recorded_commands(const char *command, const char *folder, bool sessions,
		      bool (*f)(void *ctx, const struct recorded *c), void *ctx);

/* What `*` stands for is not on record: taken from a policy's catalog, where the effect is on a
 * table that it has. */
void recorded_columns(const struct recorded *c, const struct catalog *catalog);

/* *out is what the image decides by the facts on record. False when facts that are not could have
 * led to another verdict: it comes out otherwise with each test of them taken the other way. */
bool recorded_decide(const struct recorded *c, const struct image *img, struct decision *out);

#endif
