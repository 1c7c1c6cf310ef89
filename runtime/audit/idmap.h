/* SPDX-License-Identifier: MIT
 *
 * A map from 16-byte ids to a number, for the readers of whole logs. Open addressing, grows by
 * doubling, removal leaves a mark. Out of memory panics: readers are tools.
 */
#ifndef WEIR_AUDIT_IDMAP_H
#define WEIR_AUDIT_IDMAP_H

#include "audit/record.h"

struct idmap_slot {
	struct audit_id id;
	uint64_t value;
	uint8_t state; /* 0 free, 1 used, 2 removed */
};

struct idmap {
	struct idmap_slot *slots;
	size_t cap, used, n; /* used counts removed slots too */
	uint64_t seed;
};

void idmap_fini(struct idmap *m);
/* The value's place, made (zero) when absent; good until the next idmap_put. */
uint64_t *idmap_put(struct idmap *m, struct audit_id id);
uint64_t *idmap_get(const struct idmap *m, struct audit_id id);
void idmap_remove(struct idmap *m, struct audit_id id);

#endif
