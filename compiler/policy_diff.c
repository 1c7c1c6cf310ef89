/* SPDX-License-Identifier: MIT
 *
 * Each kind of difference is a diagram: true where the two differ so. A witness of it is found,
 * then all that the same rules (or the same two masks, or amounts) decide is taken away, until
 * nothing is left.
 */
#include "compiler/policy_diff_internal.h"

#include "base/buf.h"
#include "compiler/rule_digest.h"

#include <stdio.h>
#include <stdlib.h>

const char *const difference_names[DIFF_KINDS] = {
	"newly allowed",      "newly held",	     "newly denied",
	"approved otherwise", "newly unmasked",	     "newly masked",
	"masked otherwise",   "mask opened otherwise", "rows newly shown",
	"rows newly dropped", "limit changed",	     "limit shared otherwise",
	"trusted otherwise",  "recorded otherwise",  "told otherwise",
	"newly shadowed",     "no longer shadowed",  "shadowed otherwise",
};

/* ---- One difference ---- */

/* A rule, and what the other policy has under its name: how much a rule was narrowed. */
static void
put_rule(struct buf *b, const struct diff_work *w, int side, int rule)
{
	const struct image *img = diff_image(w, side), *other = diff_image(w, 1 - side);
	int same = image_rule_find(other, img->rules[rule].name);

	rule_bytes(b, img, (size_t) rule);
	buf_putc(b, '\n');
	if (same >= 0)
		rule_bytes(b, other, (size_t) same);
}

static void
put_deciding(struct buf *b, const struct diff_work *w, const struct difference *x)
{
	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct image *img = diff_image(w, side);
		const struct decision *d = &w->decisions[side];

		buf_printf(b, "\n%d %d", side, x->verdict[side]);
		for (int r = decision_next_deciding(img, d, -1); r >= 0 && x->kind <= DIFF_APPROVAL;
		     r = decision_next_deciding(img, d, r))
			put_rule(b, w, side, r);
		if (x->rule[side] >= 0)
			put_rule(b, w, side, x->rule[side]);
		if (x->trusted[side] >= 0)
			buf_put(b, img->trusted[x->trusted[side]].digest, SHA256_LEN);
		buf_printf(b, " %llu %d %d %u", (unsigned long long) x->amount[side],
			   x->modes[side].lookup, x->modes[side].derived, x->modes[side].over);
	}
}

static void
name_difference(struct diff_work *w, struct difference *x)
{
	uint8_t digest[SHA256_LEN];
	struct buf b = {0}, hex = {0};

	buf_printf(&b, "%s %s %s %s", difference_names[x->kind], entry_info[x->entry].name,
		   limit_unit_info[x->unit].name, limit_per_info[x->per].name);
	buf_put_slice(&b, x->subject);
	put_deciding(&b, w, x);
	assert(!b.failed);
	sha256(digest, buf_slice(&b));
	hex_put(&hex, slice_of(digest, sizeof(digest)));
	memcpy(x->id, hex.p, DIFF_ID);
	buf_fini(&b);
	buf_fini(&hex);
}

/* Which values of the variable for the action lead anywhere. */
void
diff_note_actions(struct diff_work *w, uint32_t root, struct action_set *out)
{
	uint32_t var = w->s->fact_var[FACT_ACTION], first = 0;
	const struct dd_run *runs;
	size_t n;

	if (!var || dd_is_leaf(root) || dd_var_of(w->s->dd, root) != var - 1)
		return;
	runs = dd_runs(w->s->dd, root, &n);
	for (size_t i = 0; i < n; first = runs[i++].end)
		for (uint32_t v = first; v < runs[i].end && runs[i].child != DD_FALSE; v++)
			if (v > 0 && w->s->facts[FACT_ACTION].possible[v - 1])
				action_set_add(out, (enum action)(v - 1));
}

/* The next difference of a kind; NULL: there is none (left). */
struct difference *
diff_find(struct diff_work *w, enum difference_kind kind, enum vm_entry entry, uint32_t root)
{
	struct difference x = {.kind = kind,
			       .entry = entry,
			       .rule = {-1, -1},
			       .mask = {-1, -1},
			       .detector = -1,
			       .trusted = {-1, -1}},
			  *kept;
	struct facts f;

	if (root == DD_FALSE || !witness_find(w->s, root, &x.witness))
		return NULL;
	for (int side = 0; side < DIFF_SIDES; side++) {
		witness_facts(w->s, &x.witness, (size_t) side, &f);
		vm_decide(diff_image(w, side), entry, &f, &w->decisions[side]);
		x.verdict[side] = w->decisions[side].verdict;
	}
	kept = ARENA_NEW(w->arena, struct difference);
	*kept = x;
	return kept;
}

/* What the same rules do to several columns or tables is said once. */
void
diff_keep(struct diff_work *w, struct difference *x)
{
	name_difference(w, x);
	for (const struct difference *o = w->out->first; o; o = o->next)
		if (strcmp(o->id, x->id) == 0)
			return;
	*w->end = x;
	w->end = &x->next;
	w->out->n++;
}

/* ---- Verdicts ---- */

/* Where the rules that decided the last witness match, on both sides. */
static uint32_t
same_deciders(struct diff_work *w, enum vm_entry e)
{
	struct dd *d = w->s->dd;
	uint32_t region = DD_TRUE;

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		const struct decision *x = &w->decisions[side];
		int r = -1;

		region = dd_and(d, region, g->verdict[e][x->verdict]);
		if (x->by_default)
			region = dd_and(d, region, g->by_default[e]);
		while ((r = decision_next_deciding(g->img, x, r)) >= 0)
			region = dd_and(d, region,
					e == ENTRY_CONNECT ? dd_or(d, g->match[e][r], g->may[r])
							   : g->match[e][r]);
	}
	return region;
}

static void
list_verdicts(struct diff_work *w, enum difference_kind kind, enum vm_entry e, uint32_t root)
{
	for (int i = 0; root != DD_FALSE; i++) {
		struct difference *x = i < DIFF_MAX_EACH ? diff_find(w, kind, e, root) : NULL;
		uint32_t region;

		w->out->more |= i == DIFF_MAX_EACH;
		if (!x)
			return;
		region = dd_and(w->s->dd, root, same_deciders(w, e));
		if (e == ENTRY_COMMAND)
			diff_note_actions(w, dd_and(w->s->dd, region, space_feasible(w->s)),
				     &x->actions);
		diff_keep(w, x);
		root = dd_without(w->s->dd, root, region);
	}
}

static void
compare_verdicts(struct diff_work *w, enum vm_entry e)
{
	static const enum difference_kind kinds[] = {[VERDICT_ALLOW] = DIFF_ALLOWED,
						     [VERDICT_HOLD] = DIFF_HELD,
						     [VERDICT_DENY] = DIFF_DENIED};

	for (int v = VERDICT_ALLOW; v <= VERDICT_DENY; v++)
		list_verdicts(w, kinds[v], e,
			      dd_without(w->s->dd, w->out->sides[1]->verdict[e][v],
					 w->out->sides[0]->verdict[e][v]));
}

/* ---- Who must agree ---- */

/* Different terms of holds get numbers that both policies share. */
static uint32_t
term_number(struct diff_work *w, struct slice *terms, size_t *n, const struct image *img,
	    const struct image_rule *rule)
{
	struct buf b = {0};
	size_t i = 0;

	rule_hold_terms(&b, img, &rule->hold);
	while (i < *n && !slice_eq(terms[i], buf_slice(&b)))
		i++;
	if (i == *n)
		terms[(*n)++] = arena_copy(w->arena, buf_slice(&b));
	buf_fini(&b);
	return (uint32_t) i;
}

static void
compare_holds(struct diff_work *w, enum vm_entry e)
{
	struct dd *d = w->s->dd;
	size_t n = 0, max = diff_image(w, 0)->n_rules + diff_image(w, 1)->n_rules + 1;
	struct slice *terms = ARENA_ARRAY(w->arena, struct slice, max);
	uint32_t both = DD_TRUE, *one = ARENA_ARRAY(w->arena, uint32_t, max);
	uint32_t root = DD_FALSE, *other = ARENA_ARRAY(w->arena, uint32_t, max);

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		uint32_t *v = side ? other : one;

		both = dd_and(d, both, g->verdict[e][VERDICT_HOLD]);
		for (size_t i = 0; i < max; i++)
			v[i] = DD_FALSE;
		for (size_t i = 0; i < g->img->n_rules; i++)
			if (g->img->rules[i].kind == VM_HOLD) {
				uint32_t t = term_number(w, terms, &n, g->img, &g->img->rules[i]);

				v[t] = dd_or(d, v[t], e == ENTRY_COMMAND
							      ? dd_and(d, g->match[e][i], w->scope)
							      : g->match[e][i]);
			}
	}
	/* Two sets of terms differ where some term is in one of them only. */
	for (size_t i = 0; i < n; i++)
		root = dd_or(d, root, dd_and(d, both, dd_differ(d, one[i], other[i])));
	list_verdicts(w, DIFF_APPROVAL, e, root);
}

uint32_t
diff_not_denied(const struct diff_work *w)
{
	return dd_not(w->s->dd,
		      dd_or(w->s->dd, w->out->sides[0]->verdict[ENTRY_COMMAND][VERDICT_DENY],
			    w->out->sides[1]->verdict[ENTRY_COMMAND][VERDICT_DENY]));
}

uint32_t
diff_allowed(const struct diff_work *w)
{
	return dd_and(w->s->dd, w->out->sides[0]->verdict[ENTRY_COMMAND][VERDICT_ALLOW],
		      w->out->sides[1]->verdict[ENTRY_COMMAND][VERDICT_ALLOW]);
}

/* ---- Limits ---- */

uint64_t
diff_amount_of(const struct image_rule *r, int unit, int per)
{
	for (size_t i = 0; r->kind == VM_LIMIT && i < r->limit.n_amounts; i++)
		if ((int) r->limit.amounts[i].unit == unit && (int) r->limit.amounts[i].per == per)
			return r->limit.amounts[i].n;
	return 0;
}

/* How many amounts of both policies are larger, and this one. */
static uint32_t
rank_of_amount(const struct diff_work *w, int unit, int per, uint64_t n)
{
	uint32_t rank = 1;

	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < diff_image(w, side)->n_rules; i++)
			rank += diff_amount_of(&diff_image(w, side)->rules[i], unit, per) > n;
	return rank;
}

static uint32_t
limits_of(struct diff_work *w, int side, int unit, int per)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		uint64_t amount = diff_amount_of(&g->img->rules[i], unit, per);

		if (amount)
			v[n++] = dd_guard(w->s->dd, g->match[ENTRY_COMMAND][i],
					  dd_leaf(rank_of_amount(w, unit, per, amount)));
	}
	return dd_join_all(w->s->dd, &w->s->larger, v, n);
}

/* The rule that sets the least amount at the last witness, or -1. */
static int
limit_in_force(const struct diff_work *w, int side, int unit, int per)
{
	const struct image *img = diff_image(w, side);
	uint64_t least = 0;
	int rule = -1;

	for (size_t i = 0; i < img->n_rules; i++) {
		uint64_t n = diff_amount_of(&img->rules[i], unit, per);

		if (n && decision_has(&w->decisions[side], i) && (!least || n < least)) {
			least = n;
			rule = (int) i;
		}
	}
	return rule;
}

/* Where the same rules set the same amounts as at the last witness, which are noted. */
static uint32_t
same_limits(struct diff_work *w, struct difference *x, const uint32_t limits[DIFF_SIDES])
{
	uint32_t region = DD_TRUE;

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		int r = x->rule[side] = limit_in_force(w, side, x->unit, x->per);
		uint64_t n = r < 0 ? 0 : diff_amount_of(&g->img->rules[r], x->unit, x->per);
		uint32_t leaf = dd_leaf(n ? rank_of_amount(w, x->unit, x->per, n) : 0);

		x->amount[side] = n;
		region = dd_and(w->s->dd, region, dd_where(w->s->dd, limits[side], leaf));
		if (r >= 0)
			region = dd_and(w->s->dd, region, g->match[ENTRY_COMMAND][r]);
	}
	return region;
}

static void
compare_limits(struct diff_work *w, int unit, int per)
{
	struct dd *d = w->s->dd;
	const uint32_t limits[] = {limits_of(w, 0, unit, per), limits_of(w, 1, unit, per)};
	uint32_t root = dd_differ(d, limits[0], limits[1]);

	if (per != PER_COMMAND)
		diff_budgets(w, unit, per, root);
	if (root != DD_FALSE)
		root = dd_and(d, root, diff_not_denied(w));
	for (int i = 0; root != DD_FALSE; i++) {
		struct difference *x =
			i < DIFF_MAX_EACH ? diff_find(w, DIFF_LIMIT, ENTRY_COMMAND, root) : NULL;
		uint32_t region;

		w->out->more |= i == DIFF_MAX_EACH;
		if (!x)
			return;
		x->unit = (enum limit_unit) unit;
		x->per = (enum limit_per) per;
		region = dd_and(d, root, same_limits(w, x, limits));
		diff_note_actions(w, dd_and(d, region, space_feasible(w->s)), &x->actions);
		diff_keep(w, x);
		root = dd_without(d, root, region);
	}
}

/* ---- All of it ---- */

struct decider {
	uint64_t effect;
	uint32_t match;
	int side;
};

static int
compare_deciders(const void *a, const void *b)
{
	const struct decider *x = a, *y = b;

	if (x->effect != y->effect)
		return x->effect < y->effect ? -1 : 1;
	if (x->match != y->match)
		return x->match < y->match ? -1 : 1;
	return x->side - y->side;
}

/* Where rules with a verdict match that only one of the policies has. Two that differ in few of
 * thousands of rules are compared there alone. */
static uint32_t
where_rules_differ(struct diff_work *w)
{
	size_t n = 0, left = 0, max = diff_image(w, 0)->n_rules + diff_image(w, 1)->n_rules;
	struct decider *v = ARENA_ARRAY(w->arena, struct decider, max + 1);
	uint32_t *differ = ARENA_ARRAY(w->arena, uint32_t, max + 1);

	if (diff_image(w, 0)->default_allow != diff_image(w, 1)->default_allow)
		return DD_TRUE;
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < diff_image(w, side)->n_rules; i++)
			if (diff_image(w, side)->rules[i].kind <= VM_DENY)
				v[n++] = (struct decider){
					rule_effect(diff_image(w, side), i),
					w->out->sides[side]->match[ENTRY_COMMAND][i], side};
	qsort(v, n, sizeof(*v), compare_deciders);
	for (size_t i = 0, end; i < n; i = end) {
		end = i + 1;
		while (end < n && v[end].effect == v[i].effect && v[end].match == v[i].match)
			end++;
		if (v[i].side == v[end - 1].side)
			differ[left++] = v[i].match;
	}
	return dd_or_all(w->s->dd, differ, left);
}

static uint32_t
where_limits_differ(struct diff_work *w)
{
	uint32_t root = DD_FALSE;

	for (int unit = 0; unit < LIMIT_UNIT_COUNT; unit++)
		for (int per = 0; per < LIMIT_PER_COUNT; per++)
			root = dd_or(w->s->dd, root,
				     dd_or(w->s->dd, diff_where_budgets(w, unit, per),
					   dd_differ(w->s->dd, limits_of(w, 0, unit, per),
						     limits_of(w, 1, unit, per))));
	return root;
}

static bool
find_verdicts(struct diff_work *w)
{
	struct policy_diff *out = w->out;
	struct dd *d = w->s->dd;
	struct dd_mark mark;

	for (int side = 0; side < DIFF_SIDES; side++)
		if (!(out->sides[side] = diagram_matches(w->s, (size_t) side)))
			return false;
	(void) space_feasible(w->s);
	mark = dd_mark(d);
	w->scope = DD_TRUE;
	if (diagram_verdicts(out->sides[0]) && diagram_verdicts(out->sides[1]))
		return true;
	dd_release(d, mark);
	w->scope = dd_or(d, where_rules_differ(w),
			 dd_or(d, dd_or(d, diff_where_data(w), diff_where_values(w)),
			       dd_or(d, where_limits_differ(w),
				     dd_or(d, diff_where_told(w), diff_where_shadows(w)))));
	return diagram_verdicts_in(out->sides[0], w->scope) &&
	       diagram_verdicts_in(out->sides[1], w->scope);
}

struct policy_diff *
policy_diff(struct arena *arena, const struct image *const images[DIFF_SIDES],
	    const struct catalog *const catalogs[DIFF_SIDES], const char **why)
{
	struct policy_diff *out = ARENA_NEW(arena, struct policy_diff);
	struct diff_work w = {.arena = arena, .out = out, .end = &out->first};

	out->space = w.s = space_new_apart(arena, images, DIFF_SIDES, why);
	if (!w.s)
		return NULL;
	w.s->catalogs = catalogs;
	*why = "the rules, which depend on each other in too many ways";
	if (!find_verdicts(&w))
		return NULL;
	compare_verdicts(&w, ENTRY_COMMAND);
	compare_holds(&w, ENTRY_COMMAND);
	diff_data(&w);
	diff_values(&w);
	diff_trust(&w);
	diff_told(&w);
	for (int unit = 0; unit < LIMIT_UNIT_COUNT; unit++)
		for (int per = 0; per < LIMIT_PER_COUNT; per++)
			compare_limits(&w, unit, per);
	compare_verdicts(&w, ENTRY_CONNECT);
	compare_holds(&w, ENTRY_CONNECT);
	diff_shadows(&w);
	return dd_full(w.s->dd) ? NULL : out;
}
