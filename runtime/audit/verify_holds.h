/* SPDX-License-Identifier: MIT
 *
 * The holds in force, as the records say, for the verifier.
 */
#ifndef WEIR_AUDIT_VERIFY_HOLDS_H
#define WEIR_AUDIT_VERIFY_HOLDS_H

#include "audit/holds.h"
#include "base/crypto.h"

struct active_hold {
	struct audit_id id;
	char name[HOLD_NAME_MAX + 1], by[HOLD_BY_MAX + 1], policy[HOLD_NAME_MAX + 1];
	uint64_t time, from, to;
	uint64_t until, newest; /* of what was due and stays; 0: nothing was */
	uint8_t leaf[SHA256_LEN];
};

struct active_holds {
	struct active_hold v[HOLDS_MAX];
	size_t n;
	uint64_t pruned_ns; /* newest time of what was pruned: the records of a hold may be there */
	void (*problem)(void *arg, uint64_t index, const char *what);
	void *arg;
};

void active_holds_record(struct active_holds *a, uint64_t index, const struct audit_brief *b,
			 struct slice leaf);
/* Whether the hold is in the file as it is on record. */
bool active_hold_in(const struct active_hold *a, const struct holds *file);

#endif
