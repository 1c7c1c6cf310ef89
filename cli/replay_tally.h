/* SPDX-License-Identifier: MIT
 *
 * How often each name came, for the totals of `weir replay`.
 */
#ifndef WEIR_CLI_REPLAY_TALLY_H
#define WEIR_CLI_REPLAY_TALLY_H

#include "audit/idmap.h"
#include "base/arena.h"

struct tally {
	struct idmap places; /* of each name in rows, and one more */
	struct tally_row {
		const char *name;
		size_t n;
	} *rows;
	size_t n, cap;
};

void tally_count(struct tally *t, struct arena *arena, const char *name);
void tally_fini(struct tally *t);
/* Most first. As a member of an object, behind another, or as a paragraph of so many lines; of an
 * empty one there is no paragraph. */
void tally_put_json(struct tally *t, struct buf *out, const char *name);
void tally_put_text(struct tally *t, struct buf *out, const char *title, size_t lines);

#endif
