/* SPDX-License-Identifier: MIT
 *
 * The policies that were loaded, as the records say, and those that are kept, for the verifier.
 */
#ifndef WEIR_AUDIT_VERIFY_KEPT_H
#define WEIR_AUDIT_VERIFY_KEPT_H

#include "audit/brief.h"
#include "audit/verify.h"
#include "base/crypto.h"

struct policy_load {
	uint8_t digest[SHA256_LEN], signer[SHA256_LEN]; /* of the one that is kept */
	bool is_signed, kept;
	bool pruned; /* that it was loaded is not on record any more, but what it decided is */
	uint64_t time;
	size_t nth; /* in the log */
};

struct policy_loads {
	struct policy_load *v;
	size_t n;
	void (*say)(void *arg, enum verify_verdict severity, const char *text);
	void *arg;
};

void policy_loads_record(struct policy_loads *l, const struct audit_brief *b);
/* After the records: whether what is kept is what was loaded. */
void policy_loads_judge(struct policy_loads *l, int dir);
void policy_loads_fini(struct policy_loads *l);

#endif
