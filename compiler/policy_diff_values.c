/* SPDX-License-Identifier: MIT
 *
 * What masks of values do, whatever column they stand in: of each detector the strictest mask, as
 * the gateway takes it.
 */
#include "compiler/policy_diff_internal.h"

static uint32_t
masks_of(struct diff_work *w, int side, int detector)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_rule *r = &g->img->rules[i];

		if (r->kind == VM_MASK && r->detectors >> detector & 1)
			v[n++] = dd_guard(w->s->dd, g->match[ENTRY_RESULT][i],
					  dd_leaf(reading_rank(w->s, &r->mask)));
	}
	return dd_join_all(w->s->dd, &w->s->larger, v, n);
}

/* The rules in force at the last witness; returns where they are, and mask alike. */
static uint32_t
note_rules(struct diff_work *w, struct difference *x, const uint32_t masks[DIFF_SIDES])
{
	struct dd *d = w->s->dd;
	uint32_t region = DD_TRUE;

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		int rules[DETECTOR_COUNT], rank = 0;
		struct decision result;
		struct facts f;

		witness_facts(w->s, &x->witness, (size_t) side, &f);
		vm_decide(g->img, ENTRY_RESULT, &f, &result);
		(void) vm_detectors(g->img, &result, rules);
		x->rule[side] = x->mask[side] = rules[x->detector];
		if (x->rule[side] >= 0) {
			rank = (int) reading_rank(w->s, &g->img->rules[x->rule[side]].mask);
			region = dd_and(d, region, g->match[ENTRY_RESULT][x->rule[side]]);
		}
		region = dd_and(d, region, dd_where(d, masks[side], dd_leaf((uint32_t) rank)));
	}
	return region;
}

/* Preferably of a SELECT that runs at once: a test shows that. */
static struct difference *
find_values(struct diff_work *w, uint32_t root, int i)
{
	struct dd *d = w->s->dd;
	uint32_t var = w->s->fact_var[FACT_ACTION];
	uint32_t select = var ? dd_between(d, var - 1, ACTION_SQL_SELECT + 1, ACTION_SQL_SELECT + 2)
			      : DD_TRUE;
	uint32_t reads = dd_and(d, root, select);
	const uint32_t roots[] = {dd_and(d, reads, diff_allowed(w)), reads, root};
	struct difference *x = NULL;

	for (size_t k = 0; k < COUNT_OF(roots) && i < DIFF_MAX_EACH && !x; k++)
		x = diff_find(w, DIFF_MASK, ENTRY_COMMAND, roots[k]);
	w->out->more |= i == DIFF_MAX_EACH && root != DD_FALSE;
	return x;
}

/* Any text column will do that no data class names. */
static void
note_place(struct diff_work *w, struct difference *x)
{
	const struct value *table = &x->witness.facts.v[FACT_TABLE];
	const uint8_t *dot = table->known ? memchr(table->s.p, '.', table->s.n) : NULL;

	x->place = (struct reading_place){SLICE_LIT("public"), SLICE_LIT("things"),
					  SLICE_LIT("note"), {0}, false};
	if (dot && w->s->fact_var[FACT_TABLE]) {
		x->place.schema = slice_of(table->s.p, (size_t) (dot - table->s.p));
		x->place.table = slice_of(dot + 1, table->s.n - x->place.schema.n - 1);
	} else if (x->witness.facts.v[FACT_SCHEMA].known && w->s->fact_var[FACT_SCHEMA]) {
		x->place.schema = x->witness.facts.v[FACT_SCHEMA].s;
	}
}

static void
compare_detector(struct diff_work *w, int detector)
{
	const uint32_t masks[] = {masks_of(w, 0, detector), masks_of(w, 1, detector)};
	uint32_t root = dd_differ(w->s->dd, masks[0], masks[1]);
	struct difference *x;

	if (root != DD_FALSE)
		root = dd_and(w->s->dd, root, diff_not_denied(w));
	for (int i = 0; root != DD_FALSE && (x = find_values(w, root, i)); i++) {
		x->detector = detector;
		root = dd_without(w->s->dd, root, note_rules(w, x, masks));
		if (x->rule[0] < 0 || x->rule[1] < 0)
			x->kind = x->rule[1] < 0 ? DIFF_UNMASKED : DIFF_MASKED;
		note_place(w, x);
		diff_keep(w, x);
	}
}

void
diff_values(struct diff_work *w)
{
	for (int i = 0; i < DETECTOR_COUNT; i++)
		compare_detector(w, i);
}

uint32_t
diff_where_values(struct diff_work *w)
{
	uint32_t root = DD_FALSE;

	for (int i = 0; i < DETECTOR_COUNT; i++)
		root = dd_or(w->s->dd, root,
			     dd_differ(w->s->dd, masks_of(w, 0, i), masks_of(w, 1, i)));
	return root;
}
