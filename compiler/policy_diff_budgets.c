/* SPDX-License-Identifier: MIT
 *
 * What a principal's commands share: of equal amounts it matters which commands count against them
 * together. A rule for SELECT and UPDATE gives half of what two rules give, one for each.
 */
#include "compiler/policy_diff_internal.h"

struct budget {
	uint64_t n;
	uint32_t where;
	size_t rule;
	enum { NOT_ASKED, IDLE, MATTERS } state;
};

struct budgets {
	struct budget *v;
	size_t n;
};

/* Another of the same policy ends whatever this one would end, before. */
static bool
matters(struct diff_work *w, const struct budgets *all, size_t i)
{
	struct budget *b = &all->v[i];

	for (size_t k = 0; k < all->n && b->state == NOT_ASKED; k++) {
		const struct budget *o = &all->v[k];
		bool same = o->n == b->n && o->where == b->where;

		if (k != i && o->n <= b->n && (!same || k < i) &&
		    dd_without(w->s->dd, b->where, o->where) == DD_FALSE)
			b->state = IDLE;
	}
	if (b->state == NOT_ASKED)
		b->state = MATTERS;
	return b->state == MATTERS;
}

static void
collect(struct diff_work *w, int side, int unit, int per, uint32_t where, struct budgets *out)
{
	const struct diagram *g = w->out->sides[side];

	*out = (struct budgets){ARENA_ARRAY(w->arena, struct budget, g->img->n_rules + 1), 0};
	for (size_t i = 0; i < g->img->n_rules; i++) {
		uint64_t n = diff_amount_of(&g->img->rules[i], unit, per);
		uint32_t in = n ? dd_and(w->s->dd, g->match[ENTRY_COMMAND][i], where) : DD_FALSE;

		if (in != DD_FALSE)
			out->v[out->n++] = (struct budget){n, in, i, NOT_ASKED};
	}
}

static bool
has_same(const struct budgets *all, const struct budget *b)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].n == b->n && all->v[i].where == b->where)
			return true;
	return false;
}

/* A principal's own facts; of a session also where it comes from, and to. */
static bool
stays(const struct diff_work *w, uint32_t var, int per)
{
	const struct space_var *v = &w->s->vars[var];

	if (v->kind != SPACE_FACT && v->kind != SPACE_MEMBER)
		return false;
	if (v->fact == FACT_USER_NAME || v->fact == FACT_USER_KIND || v->fact == FACT_USER_GROUPS)
		return true;
	return per == PER_SESSION && fact_info[v->fact].phase == PHASE_CONNECT &&
	       v->fact != FACT_TIME_WEEKDAY && v->fact != FACT_TIME_OF_DAY;
}

/* For whom some command counts against one of the two only. */
static uint32_t
for_whom(struct diff_work *w, uint32_t a, uint32_t b, int per)
{
	uint32_t root = dd_and(w->s->dd, dd_differ(w->s->dd, a, b), space_feasible(w->s));

	for (uint32_t var = (uint32_t) w->s->n_vars; var-- > 0 && !dd_is_leaf(root);)
		if (!stays(w, var, per))
			root = dd_exists(w->s->dd, root, var);
	return root;
}

/* Where no budget of the other policy is the same for this principal. */
static uint32_t
without_like(struct diff_work *w, const struct budgets v[DIFF_SIDES], int side, size_t i, int per)
{
	const struct budgets *others = &v[1 - side];
	const struct budget *b = &v[side].v[i];
	uint32_t root = b->where;

	if (has_same(others, b) || !matters(w, &v[side], i))
		return DD_FALSE;
	for (size_t k = 0; k < others->n && root != DD_FALSE; k++)
		if (others->v[k].n == b->n && matters(w, others, k))
			root = dd_and(w->s->dd, root,
				      for_whom(w, b->where, others->v[k].where, per));
	return root;
}

/* The rule of the other policy that has the amount at the last witness, or -1. */
static int
rule_at(const struct diff_work *w, const struct difference *x, const struct budgets *others)
{
	for (size_t i = 0; i < others->n; i++)
		if (others->v[i].n == x->amount[0] &&
		    dd_eval_any(w->s->dd, others->v[i].where, x->witness.values) == DD_TRUE)
			return (int) others->v[i].rule;
	return -1;
}

static void
say(struct diff_work *w, struct difference *x, const struct budgets v[DIFF_SIDES], int side,
    size_t i)
{
	x->amount[0] = x->amount[1] = v[side].v[i].n;
	x->rule[side] = (int) v[side].v[i].rule;
	x->rule[1 - side] = rule_at(w, x, &v[1 - side]);
	for (int k = 0; k < DIFF_SIDES; k++) {
		uint32_t where;

		if (x->rule[k] < 0)
			continue;
		where = w->out->sides[k]->match[ENTRY_COMMAND][x->rule[k]];
		diff_note_actions(w, dd_and(w->s->dd, where, space_feasible(w->s)),
				  &x->counted[k]);
	}
	diff_keep(w, x);
}

/* `otherwise` is where the amounts themselves differ: more is said of that elsewhere. */
void
diff_budgets(struct diff_work *w, int unit, int per, uint32_t otherwise)
{
	uint32_t where = dd_and(w->s->dd, diff_not_denied(w), space_feasible(w->s));
	uint32_t said = otherwise;
	struct budgets v[DIFF_SIDES];

	for (int side = 0; side < DIFF_SIDES; side++)
		collect(w, side, unit, per, where, &v[side]);
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < v[side].n; i++) {
			uint32_t alone = without_like(w, v, side, i, per);
			uint32_t root = dd_without(w->s->dd, alone, said);
			struct difference *x = diff_find(w, DIFF_SHARED, ENTRY_COMMAND, root);

			if (!x)
				continue;
			x->unit = (enum limit_unit) unit;
			x->per = (enum limit_per) per;
			diff_note_actions(w, root, &x->actions);
			say(w, x, v, side, i);
			said = dd_or(w->s->dd, said, root);
		}
}

uint32_t
diff_where_budgets(struct diff_work *w, int unit, int per)
{
	uint32_t root = DD_FALSE;
	struct budgets v[DIFF_SIDES];

	for (int side = 0; side < DIFF_SIDES; side++)
		collect(w, side, unit, per, DD_TRUE, &v[side]);
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < v[side].n; i++)
			root = dd_or(w->s->dd, root, without_like(w, v, side, i, per));
	return root;
}
