/* SPDX-License-Identifier: MIT
 *
 * What shadow rules put on record (runtime/vm/watch.h): each by its name and by itself, where it
 * would have made a difference. Where the verdict differs that is said already; so is what a rule
 * does that is in force under the other policy.
 */
#include "compiler/policy_diff_internal.h"

#include "compiler/rule_digest.h"

static bool
has_verdict(const struct diff_work *w, int side, int rule)
{
	return diff_image(w, side)->rules[rule].kind <= VM_DENY;
}

/* ---- Where one would do something, whatever the verdict ---- */

/* A column of the rule's data is used, and no mask in force is as strict. */
static uint32_t
where_masked(struct diff_work *w, int side, int rule)
{
	const struct diagram *g = w->out->sides[side];
	const struct image_rule *r = &g->img->rules[rule];
	uint32_t root = DD_FALSE;

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		uint32_t used;

		if (!reading_covers(g, (size_t)rule, k))
			continue;
		used = reading_use(w->s, k, (1u << N_CONTEXTS) - 1);
		for (size_t i = 0; i < g->img->n_rules && used != DD_FALSE; i++)
			if (g->img->rules[i].kind == VM_MASK && reading_covers(g, i, k) &&
			    vm_mask_cmp(&r->mask, &g->img->rules[i].mask) <= 0)
				used = dd_without(w->s->dd, used, g->match[ENTRY_RESULT][i]);
		root = dd_or(w->s->dd, root, used);
	}
	return root;
}

/* Of a table that has some of the rule's data. */
static uint32_t
where_dropped(struct diff_work *w, int side, int rule)
{
	uint32_t root = DD_FALSE;

	for (size_t k = 0; k < w->s->columns.n_kinds; k++)
		if (reading_covers(w->out->sides[side], (size_t)rule, k))
			root = dd_or(w->s->dd, root, reading_table_of(w->s, k));
	return root;
}

static uint32_t
where_matches(struct diff_work *w, int side, int rule, enum vm_entry e)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t root = DD_FALSE;

	if (rule < 0)
		return DD_FALSE;
	root = g->match[e == ENTRY_CONNECT ? ENTRY_WATCH_CONNECT : ENTRY_WATCH][rule];
	if (g->img->rules[rule].kind == VM_MASK)
		root = dd_and(w->s->dd, root, where_masked(w, side, rule));
	if (g->img->rules[rule].kind == VM_DROP)
		root = dd_and(w->s->dd, root, where_dropped(w, side, rule));
	return root;
}

/* ---- ... and is on record with it ---- */

/* Of an effect that no rule speaks of the verdict is the shadow rule's; of others the worse. */
static uint32_t
where_on_record(struct diff_work *w, int side, int rule, enum vm_entry e)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t root = where_matches(w, side, rule, e), to = DD_TRUE;
	const uint32_t *verdict = g->verdict[e];
	struct dd *d = w->s->dd;

	if (root == DD_FALSE)
		return DD_FALSE;
	switch (g->img->rules[rule].kind) {
	case VM_ALLOW:
		to = g->img->default_allow ? DD_FALSE : g->by_default[e];
		break;
	case VM_HOLD:
		to = dd_or(d, verdict[VERDICT_ALLOW], g->by_default[e]);
		break;
	case VM_RECORD:
	case VM_NOTIFY:
		break;
	default:
		to = dd_not(d, verdict[VERDICT_DENY]);
	}
	return dd_and(d, root, to);
}

static uint32_t
same_verdict(struct diff_work *w, enum vm_entry e)
{
	struct dd *d = w->s->dd;
	uint32_t root = DD_FALSE;

	for (int v = VERDICT_ALLOW; v <= VERDICT_DENY; v++)
		root = dd_or(d, root,
			     dd_and(d, w->out->sides[0]->verdict[e][v],
				    w->out->sides[1]->verdict[e][v]));
	return e == ENTRY_COMMAND ? dd_and(d, root, w->scope) : root;
}

/* ---- Names ---- */

/* The shadow rules of a name; -1: it has none. */
struct shadow {
	struct slice name;
	int rule[DIFF_SIDES];
};

static int
shadow_find(const struct image *img, struct slice name)
{
	int rule = image_rule_find(img, name);

	return rule >= 0 && img->rules[rule].shadow ? rule : -1;
}

/* Each name once. */
static size_t
list_shadows(struct diff_work *w, struct shadow **out)
{
	size_t n = 0, max = diff_image(w, 0)->n_rules + diff_image(w, 1)->n_rules;
	struct shadow *v = *out = ARENA_ARRAY(w->arena, struct shadow, max + 1);

	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < diff_image(w, side)->n_rules; i++) {
			const struct image_rule *r = &diff_image(w, side)->rules[i];
			struct shadow s = {r->name,
					   {shadow_find(diff_image(w, 0), r->name),
					    shadow_find(diff_image(w, 1), r->name)}};

			if (r->shadow && (!side || s.rule[0] < 0))
				v[n++] = s;
		}
	return n;
}

static bool
is_alike(struct diff_work *w, const struct shadow *s)
{
	struct buf terms[DIFF_SIDES] = {0};
	bool alike;

	for (int side = 0; side < DIFF_SIDES; side++)
		rule_terms(&terms[side], diff_image(w, side), (size_t)s->rule[side]);
	alike = slice_eq(buf_slice(&terms[0]), buf_slice(&terms[1]));
	for (int side = 0; side < DIFF_SIDES; side++)
		buf_fini(&terms[side]);
	return alike;
}

/* ---- Differences ---- */

/* The rule is in force under one of the policies, and what it does there has been said. */
static bool
is_said(const struct diff_work *w, int side, struct slice name)
{
	int rule = image_rule_find(diff_image(w, side), name);

	for (const struct difference *x = w->out->first; x && rule >= 0; x = x->next)
		if (x->rule[side] == rule)
			return true;
	return false;
}

/* The command shows the column, if no rule asks whether it does: what is on record hangs on it. */
static void
show_use(struct diff_work *w, struct difference *x, size_t kind)
{
	struct facts *f = &x->witness.facts;
	struct data_use *v = ARENA_ARRAY(w->arena, struct data_use, f->n_uses + 1);

	for (size_t i = 0; i < f->n_uses; i++) {
		v[i] = f->uses[i];
		if (columns_find(&w->s->columns, v[i].schema, v[i].table, v[i].column) == (int)kind)
			return;
	}
	v[f->n_uses++] = (struct data_use){x->place.schema, x->place.table, x->place.column,
					   CONTEXT_BIT(OUTPUT)};
	f->uses = v;
	f->uses_known = true;
}

/* A column that the mask would hide, or a table of what would be dropped. */
static void
note_place(struct diff_work *w, struct difference *x, int side)
{
	const struct diagram *g = w->out->sides[side];
	size_t rule = (size_t)x->rule[side];

	if (g->img->rules[rule].kind != VM_MASK && g->img->rules[rule].kind != VM_DROP)
		return;
	for (size_t k = 0; k < w->s->columns.n_kinds && !x->place.column.n; k++) {
		uint32_t used = reading_use(w->s, k, (1u << N_CONTEXTS) - 1);

		if (!reading_covers(g, rule, k) ||
		    dd_eval_any(w->s->dd, used, x->witness.values) != DD_TRUE)
			continue;
		x->place = reading_place(w->s, &x->witness, k, ELSEWHERE_SHOWN);
		show_use(w, x, k);
	}
}

static void
say(struct diff_work *w, enum difference_kind kind, const struct shadow *s, enum vm_entry e,
    uint32_t root)
{
	uint32_t selects = dd_and(w->s->dd, root, reading_selects(w->s));
	const uint32_t roots[] = {dd_and(w->s->dd, selects, diff_allowed(w)), selects, root};
	struct difference *x = NULL;

	if (root == DD_FALSE)
		return;
	for (size_t i = e == ENTRY_CONNECT ? 2 : 0; i < COUNT_OF(roots) && !x; i++)
		x = diff_find(w, kind, e, roots[i]);
	if (!x)
		return;
	x->subject = s->name;
	if (kind != DIFF_SHADOWED)
		x->rule[0] = s->rule[0];
	if (kind != DIFF_UNSHADOWED)
		x->rule[1] = s->rule[1];
	if (e == ENTRY_COMMAND)
		diff_note_actions(w, dd_and(w->s->dd, root, space_feasible(w->s)), &x->actions);
	note_place(w, x, kind != DIFF_UNSHADOWED);
	diff_keep(w, x);
}

static void
compare_shadow(struct diff_work *w, const struct shadow *s, enum vm_entry e)
{
	uint32_t one = where_on_record(w, 0, s->rule[0], e);
	uint32_t other = where_on_record(w, 1, s->rule[1], e), both = dd_and(w->s->dd, one, other);
	uint32_t same = one == DD_FALSE && other == DD_FALSE ? DD_FALSE : same_verdict(w, e);
	struct dd *d = w->s->dd;

	if (s->rule[0] >= 0 || !is_said(w, 0, s->name))
		say(w, DIFF_SHADOWED, s, e, dd_and(d, same, dd_without(d, other, one)));
	if (s->rule[1] >= 0 || !is_said(w, 1, s->name))
		say(w, DIFF_UNSHADOWED, s, e, dd_and(d, same, dd_without(d, one, other)));
	if (both != DD_FALSE && !is_alike(w, s))
		say(w, DIFF_SHADOW, s, e, dd_and(d, same, both));
}

void
diff_shadows(struct diff_work *w)
{
	struct shadow *v;

	for (size_t i = 0, n = list_shadows(w, &v); i < n; i++) {
		compare_shadow(w, &v[i], ENTRY_COMMAND);
		if (has_verdict(w, v[i].rule[0] < 0, v[i].rule[v[i].rule[0] < 0]))
			compare_shadow(w, &v[i], ENTRY_CONNECT);
	}
}

uint32_t
diff_where_shadows(struct diff_work *w)
{
	uint32_t root = DD_FALSE;
	struct dd *d = w->s->dd;
	struct shadow *v;

	for (size_t i = 0, n = list_shadows(w, &v); i < n; i++) {
		uint32_t one = where_matches(w, 0, v[i].rule[0], ENTRY_COMMAND);
		uint32_t other = where_matches(w, 1, v[i].rule[1], ENTRY_COMMAND);

		root = dd_or(d, root, dd_differ(d, one, other));
		if (v[i].rule[0] >= 0 && v[i].rule[1] >= 0 && !is_alike(w, &v[i]))
			root = dd_or(d, root, dd_and(d, one, other));
	}
	return root;
}
