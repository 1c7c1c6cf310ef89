/* SPDX-License-Identifier: MIT
 *
 * Legal holds: what nobody may prune. A hold keeps every record of its time span, and since the
 * log is removed from its oldest end on, all records after those; and it keeps the record that
 * set it. Those in force are in the file `holds`, each as that very record behind its length
 * (u32), so that the verifier can compare them.
 *
 * Who sets one writes the file first and the record then; who releases one the other way round:
 * what a crash leaves is a hold too many.
 */
#ifndef WEIR_AUDIT_HOLDS_H
#define WEIR_AUDIT_HOLDS_H

#include "audit/audit.h"
#include "audit/brief.h"

enum { HOLDS_MAX = 64, HOLD_NAME_MAX = 64, HOLD_REASON_MAX = 2000, HOLD_BY_MAX = 255 };

struct hold {
	struct slice leaf;      /* the record that set it */
	struct audit_brief set; /* of it: set.hold, set.time, set.id */
};

struct holds {
	struct buf file; /* what the others point into */
	struct hold v[HOLDS_MAX];
	size_t n;
};

/* Takes what is in h->file. NULL when good, else what is wrong with it. */
const char *holds_parse(struct holds *h) MUST_CHECK;
/* Without the file there are none. 0, or -1 with the reason appended to error: nothing may be
 * pruned. */
int holds_read(struct holds *h, int dir, struct buf *error) MUST_CHECK;
void holds_fini(struct holds *h);
const struct hold *holds_find(const struct holds *h, struct slice name);
/* One that keeps records of this time span. */
const struct hold *holds_keep(const struct holds *h, uint64_t from_ns, uint64_t to_ns);

enum hold_error {
	HOLD_OK,
	HOLD_EXISTS,
	HOLD_NONE,
	HOLD_SELF, /* who set it may not release it */
	HOLD_FULL,
	HOLD_TROUBLE, /* the file or the log; the reason was appended */
};

struct hold_request {
	struct slice name, reason;
	struct slice by; /* the principal's name */
	const struct audit_principal *who;
	uint64_t from_ns, to_ns; /* the span; 0: open */
};

/* By the process that holds the log. They wait until it is durable. */
enum hold_error audit_hold_set(struct audit *a, unsigned lane, const struct hold_request *q,
			       struct buf *error) MUST_CHECK;
enum hold_error audit_hold_release(struct audit *a, unsigned lane, const struct hold_request *q,
				   struct buf *error) MUST_CHECK;

#endif
