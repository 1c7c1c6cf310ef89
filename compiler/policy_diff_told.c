/* SPDX-License-Identifier: MIT
 *
 * What is no verdict and shows nothing: which functions count as harmless, what goes on record, and
 * which channels are told.
 */
#include "compiler/policy_diff_internal.h"

/* ---- Functions ---- */

static int
trusted_find(const struct image *img, struct slice function)
{
	for (size_t i = 0; i < img->n_trusted; i++)
		if (slice_eq(img->trusted[i].function, function))
			return (int) i;
	return -1;
}

/* Where a SELECT runs at once under the policy that trusts it: a test may show it there. */
static uint32_t
where_selects(struct diff_work *w, const int trusted[DIFF_SIDES])
{
	const struct diagram *g = w->out->sides[trusted[1] >= 0];
	uint32_t var = w->s->fact_var[FACT_ACTION], root = g->verdict[ENTRY_COMMAND][VERDICT_ALLOW];

	if (var)
		root = dd_and(w->s->dd, root,
			      dd_between(w->s->dd, var - 1, ACTION_SQL_SELECT + 1,
					 ACTION_SQL_SELECT + 2));
	return root;
}

static void
compare_function(struct diff_work *w, struct slice function)
{
	const int at[] = {trusted_find(diff_image(w, 0), function),
			  trusted_find(diff_image(w, 1), function)};
	struct difference *x;

	if (at[0] >= 0 && at[1] >= 0 &&
	    memcmp(diff_image(w, 0)->trusted[at[0]].digest, diff_image(w, 1)->trusted[at[1]].digest,
		   SHA256_LEN) == 0)
		return;
	x = diff_find(w, DIFF_TRUST, ENTRY_COMMAND, where_selects(w, at));
	if (!x)
		x = diff_find(w, DIFF_TRUST, ENTRY_COMMAND, DD_TRUE);
	if (!x)
		return;
	x->subject = function;
	memcpy(x->trusted, at, sizeof(at));
	diff_keep(w, x);
}

void
diff_trust(struct diff_work *w)
{
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < diff_image(w, side)->n_trusted; i++) {
			struct slice function = diff_image(w, side)->trusted[i].function;

			if (!side || trusted_find(diff_image(w, 0), function) < 0)
				compare_function(w, function);
		}
}

/* ---- Records and notices ---- */

/* What rules may add: something to the record, or a channel to those who are told. */
struct told {
	enum difference_kind kind;
	enum vm_entry entry;
	unsigned recorded; /* RECORDED_... */
	struct slice channel;
};

static bool
rule_tells(const struct image_rule *r, const struct told *t)
{
	if (t->kind == DIFF_RECORD)
		return r->kind == VM_RECORD && r->recorded >> t->recorded & 1;
	return !r->shadow && slice_eq(r->channel, t->channel);
}

/* Where the rule adds it: one with a verdict where it decides. At the door those tell who do not
 * let somebody in at once. */
static uint32_t
rule_where(const struct diff_work *w, const struct diagram *g, size_t r, const struct told *t,
	   bool decides)
{
	enum vm_rule kind = g->img->rules[r].kind;
	uint32_t where = g->match[kind == VM_NOTIFY ? ENTRY_WATCH : t->entry][r];

	if (t->entry == ENTRY_CONNECT && kind != VM_HOLD && kind != VM_DENY)
		return DD_FALSE;
	if (kind <= VM_DENY && decides)
		where = dd_and(w->s->dd, where, g->verdict[t->entry][kind]);
	return where;
}

static uint32_t
where_told(struct diff_work *w, int side, const struct told *t, bool decides)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (rule_tells(&g->img->rules[i], t))
			v[n++] = rule_where(w, g, i, t, decides);
	return dd_or_all(w->s->dd, v, n);
}

/* The first rule that adds it at the last witness, whose region is taken from the root. */
static uint32_t
note_rules(struct diff_work *w, struct difference *x, const struct told *t, uint32_t root)
{
	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];

		for (size_t i = 0; i < g->img->n_rules && x->rule[side] < 0; i++) {
			uint32_t where;

			if (!rule_tells(&g->img->rules[i], t))
				continue;
			where = rule_where(w, g, i, t, true);
			if (dd_eval_any(w->s->dd, where, x->witness.values) != DD_TRUE)
				continue;
			x->rule[side] = (int) i;
			root = dd_and(w->s->dd, root, where);
		}
	}
	return root;
}

static void
compare_told(struct diff_work *w, const struct told *t)
{
	struct dd *d = w->s->dd;
	uint32_t root = dd_differ(d, where_told(w, 0, t, true), where_told(w, 1, t, true));

	for (int i = 0; root != DD_FALSE; i++) {
		struct difference *x =
			i < DIFF_MAX_EACH ? diff_find(w, t->kind, t->entry, root) : NULL;
		uint32_t region;

		w->out->more |= i == DIFF_MAX_EACH;
		if (!x)
			return;
		x->subject = t->kind == DIFF_NOTICE
				     ? t->channel
				     : slice_str(recorded_info[t->recorded].name);
		region = note_rules(w, x, t, root);
		if (t->entry == ENTRY_COMMAND)
			diff_note_actions(w, dd_and(d, region, space_feasible(w->s)), &x->actions);
		diff_keep(w, x);
		root = dd_without(d, root, region);
	}
}

static bool
is_listed(const struct told *v, size_t n, struct slice channel)
{
	for (size_t i = RECORDED_COUNT; i < n; i++)
		if (slice_eq(v[i].channel, channel))
			return true;
	return false;
}

/* All that can be recorded, and each channel of either policy once: of commands, at the door. */
static size_t
list_told(struct diff_work *w, struct told **out)
{
	size_t n_rules = diff_image(w, 0)->n_rules + diff_image(w, 1)->n_rules, n = 0;
	struct told *v = *out = ARENA_ARRAY(w->arena, struct told, RECORDED_COUNT + 2 * n_rules);

	for (; n < RECORDED_COUNT; n++)
		v[n] = (struct told){DIFF_RECORD, ENTRY_COMMAND, (unsigned) n, {0}};
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < diff_image(w, side)->n_rules; i++) {
			const struct image_rule *r = &diff_image(w, side)->rules[i];

			if (!r->channel.n || r->shadow || is_listed(v, n, r->channel))
				continue;
			v[n++] = (struct told){DIFF_NOTICE, ENTRY_COMMAND, 0, r->channel};
			v[n++] = (struct told){DIFF_NOTICE, ENTRY_CONNECT, 0, r->channel};
		}
	return n;
}

void
diff_told(struct diff_work *w)
{
	struct told *v;

	for (size_t i = 0, n = list_told(w, &v); i < n; i++)
		compare_told(w, &v[i]);
}

uint32_t
diff_where_told(struct diff_work *w)
{
	uint32_t root = DD_FALSE;
	struct told *v;

	for (size_t i = 0, n = list_told(w, &v); i < n; i++)
		if (v[i].entry == ENTRY_COMMAND)
			root = dd_or(w->s->dd, root,
				     dd_differ(w->s->dd, where_told(w, 0, &v[i], false),
					       where_told(w, 1, &v[i], false)));
	return root;
}
