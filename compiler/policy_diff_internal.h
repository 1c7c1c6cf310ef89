/* SPDX-License-Identifier: MIT
 *
 * What the parts of a comparison share.
 */
#ifndef WEIR_COMPILER_POLICY_DIFF_INTERNAL_H
#define WEIR_COMPILER_POLICY_DIFF_INTERNAL_H

#include "compiler/policy_diff.h"

struct diff_work {
	struct arena *arena;
	struct space *s;
	struct policy_diff *out;
	struct difference **end;
	struct decision decisions[DIFF_SIDES];
	uint32_t scope; /* of commands: their verdicts can differ there only */
	uint32_t blind; /* where_blind of policy_diff_data.c, once it is asked for */
	bool has_blind;
};

static inline const struct image *
diff_image(const struct diff_work *w, int side)
{
	return w->out->sides[side]->img;
}

/* The next difference of a kind; NULL: there is none (left). */
struct difference *diff_find(struct diff_work *w, enum difference_kind kind, enum vm_entry entry,
			     uint32_t root);
/* What the same rules do to several columns or tables is said once. */
void diff_keep(struct diff_work *w, struct difference *x);
/* Which actions lead anywhere. */
void diff_note_actions(struct diff_work *w, uint32_t root, struct action_set *out);
/* Where neither policy denies the command. */
uint32_t diff_not_denied(const struct diff_work *w);
/* Where both allow it at once. */
uint32_t diff_allowed(const struct diff_work *w);

/* What a rule sets; 0: nothing. */
uint64_t diff_amount_of(const struct image_rule *r, int unit, int per);

/* policy_diff_budgets.c: which commands share an amount; and where that differs at all. */
void diff_budgets(struct diff_work *w, int unit, int per, uint32_t otherwise);
uint32_t diff_where_budgets(struct diff_work *w, int unit, int per);

/* policy_diff_data.c: masks of columns, what they open, and drops; and where those differ at
 * all. */
void diff_data(struct diff_work *w);
uint32_t diff_where_data(struct diff_work *w);

/* policy_diff_values.c: masks of values; and where they differ at all. */
void diff_values(struct diff_work *w);
uint32_t diff_where_values(struct diff_work *w);

/* policy_diff_told.c: functions that are trusted, what goes on record, who is told; and where what
 * is recorded or told differs. */
void diff_trust(struct diff_work *w);
void diff_told(struct diff_work *w);
uint32_t diff_where_told(struct diff_work *w);

/* policy_diff_shadow.c: what shadow rules put on record, after all else: what one does that is in
 * force now has been said. And where that differs, but for verdicts. */
void diff_shadows(struct diff_work *w);
uint32_t diff_where_shadows(struct diff_work *w);

#endif
