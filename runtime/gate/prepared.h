/* SPDX-License-Identifier: MIT
 *
 * Prepared statements that are carried from one server connection to another. A statement is its
 * text, its parameter types and the settings it was read under; each once per worker, with a number
 * that makes its name on every connection. What a connection has follows its replies, as the
 * sessions' own names do.
 */
#ifndef WEIR_GATE_PREPARED_H
#define WEIR_GATE_PREPARED_H

#include "base/slice.h"

struct prepared_table; /* zeroed memory is an empty one */

struct prepared_text {
	struct prepared_text *next;
	struct prepared_table *table;
	unsigned refs;
	uint64_t hash, number;
	struct slice text, types, reading; /* owned */
};

struct prepared_table {
	struct prepared_text **slot;
	uint32_t cap, n;
	uint64_t last;
};

/* Counted. */
struct prepared_text *prepared_text_get(struct prepared_table *t, struct slice text,
					struct slice types, struct slice reading);
static inline struct prepared_text *
prepared_text_ref(struct prepared_text *x)
{
	x->refs++;
	return x;
}
void prepared_text_put(struct prepared_text *x); /* NULL is fine */

enum { PREPARED_NAME = 32 };
struct slice prepared_text_name(const struct prepared_text *x, char out[PREPARED_NAME]);

/* What one server connection has; zeroed: nothing. */
struct prepared_names {
	struct prepared_name {
		struct prepared_text *text; /* counted */
		uint64_t used;
		enum prepared_state {
			PREPARED_ASKED, /* Parse is on its way */
			PREPARED_THERE,
			PREPARED_CLOSING, /* Close is on its way; the name is not to be used */
		} state;
	} *v;
	unsigned n, cap;
	uint64_t clock;
};

/* NULL: not there, and not on its way. Counts as a use. */
const struct prepared_name *prepared_find(struct prepared_names *p, const struct prepared_text *x);
void prepared_ask(struct prepared_names *p, struct prepared_text *x);
/* The answer to Parse; false: it failed or was skipped. */
void prepared_made(struct prepared_names *p, struct prepared_text *x, bool there);
/* When there are `max` or more: the one that is to be closed, or NULL. */
struct prepared_text *prepared_evict(struct prepared_names *p, unsigned max);
/* The answer to that Close; false: it was skipped. */
void prepared_closed(struct prepared_names *p, const struct prepared_text *x, bool gone);
void prepared_clear(struct prepared_names *p);

#endif
