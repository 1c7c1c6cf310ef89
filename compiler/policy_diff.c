/* SPDX-License-Identifier: MIT
 *
 * Each kind of difference is a diagram: true where the two differ so. A witness of it is found,
 * then all that the same rules (or the same two masks, or amounts) decide is taken away, until
 * nothing is left.
 */
#include "compiler/policy_diff_internal.h"

#include "base/buf.h"
#include "compiler/known.h"
#include "compiler/reading.h"
#include "compiler/rule_digest.h"

#include <stdio.h>
#include <stdlib.h>

const char *const difference_names[DIFF_KINDS] = {
	"newly allowed",    "newly held",	  "newly denied",     "approved otherwise",
	"newly unmasked",   "newly masked",	  "masked otherwise", "mask opened otherwise",
	"rows newly shown", "rows newly dropped", "limit changed",    "limit shared otherwise",
	"trusted otherwise", "recorded otherwise", "told otherwise",
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

/* ---- Masks and drops ---- */

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

/* Where the masks that are in force at the last witness match: what others do is another thing. */
static uint32_t
same_rules(struct diff_work *w, const struct difference *x)
{
	uint32_t region = DD_TRUE;

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		int r = x->rule[side];

		if (r >= 0)
			region = dd_and(w->s->dd, region,
					g->match[g->img->rules[r].by_row ? ENTRY_ROW
									 : ENTRY_RESULT][r]);
	}
	return region;
}

/* Preferably of a table that has the column, of what runs at once, of a column that there is: a
 * test shows that. */
static struct difference *
find_shown(struct diff_work *w, enum difference_kind kind, size_t column, uint32_t root, int i)
{
	struct dd *d = w->s->dd;
	uint32_t own = dd_and(d, root, reading_where(w->s, column));
	uint32_t runs = dd_and(d, own, diff_allowed(w)), known = reading_known(w->s, column);
	const uint32_t roots[] = {dd_and(d, runs, known), dd_and(d, own, known), runs, own,
				  dd_and(d, root, diff_allowed(w)), root};
	struct difference *x = NULL;

	for (size_t k = 0; k < COUNT_OF(roots) && i < DIFF_MAX_EACH && !x; k++)
		x = diff_find(w, kind, ENTRY_COMMAND, roots[k]);
	w->out->more |= i == DIFF_MAX_EACH && root != DD_FALSE;
	return x;
}

/* Where somebody gets it of a table that has it, or through a view. */
static uint32_t
where_shown(struct diff_work *w, size_t kind)
{
	struct dd *d = w->s->dd;

	return dd_or(d, reading_where(w->s, kind),
		     dd_and(d, reading_through_views(w->out->sides[0], kind),
			    reading_through_views(w->out->sides[1], kind)));
}

static void
compare_masks(struct diff_work *w, size_t kind, uint32_t read)
{
	struct dd *d = w->s->dd;
	uint32_t one = reading_masks(w->out->sides[0], kind);
	uint32_t other = reading_masks(w->out->sides[1], kind);
	uint32_t root = dd_differ(d, one, other);
	struct difference *x;

	if (root != DD_FALSE)
		root = dd_and(d, root, dd_and(d, read, where_shown(w, kind)));
	for (int i = 0; root != DD_FALSE && (x = find_shown(w, DIFF_MASK, kind, root, i)); i++) {
		uint32_t leaves[DIFF_SIDES];

		x->place = reading_place(w->s, &x->witness, kind);
		for (int side = 0; side < DIFF_SIDES; side++) {
			int r = x->rule[side] = x->mask[side] =
				reading_mask_at(w->out->sides[side], &x->witness, kind);

			const struct image *img = diff_image(w, side);

			leaves[side] = dd_leaf(
				r < 0 ? 0 : reading_rank(w->s, &img->rules[r].mask));
		}
		if (x->rule[0] < 0 || x->rule[1] < 0)
			x->kind = x->rule[1] < 0 ? DIFF_UNMASKED : DIFF_MASKED;
		diff_keep(w, x);
		root = dd_without(
			d, root,
			dd_and(d, same_rules(w, x),
			       dd_and(d, dd_where(d, one, leaves[0]),
				      dd_where(d, other, leaves[1]))));
	}
}

/* What masks close: 1 a lookup, 2 what is derived, or aggregates of up to so many rows. */
enum { MODE_LOOKUP, MODE_DERIVED, MODE_OVER, MODES };

static uint32_t
closes(const struct image_mask *m, int mode)
{
	if (mode == MODE_LOOKUP)
		return !m->modes.lookup;
	if (mode == MODE_DERIVED)
		return !m->modes.derived;
	return m->modes.over ? m->modes.over : UINT32_MAX >> 1;
}

static uint32_t
modes_of(struct diff_work *w, int side, size_t kind, int mode)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_mask *m = &g->img->rules[i].mask;

		if (g->img->rules[i].kind == VM_MASK && reading_covers(g, i, kind))
			v[n++] = dd_guard(w->s->dd, g->match[ENTRY_RESULT][i],
					  dd_leaf(closes(m, mode)));
	}
	return dd_join_all(w->s->dd, &w->s->larger, v, n);
}

static void
note_modes(struct diff_work *w, struct difference *x)
{
	for (int side = 0; side < DIFF_SIDES; side++) {
		struct decision result;
		struct facts f;

		witness_facts(w->s, &x->witness, (size_t) side, &f);
		vm_decide(diff_image(w, side), ENTRY_RESULT, &f, &result);
		x->modes[side] = vm_modes_for(diff_image(w, side), &result, x->place.schema,
					      x->place.table, x->place.column);
	}
}

static void
compare_modes(struct diff_work *w, size_t kind, uint32_t read)
{
	struct dd *d = w->s->dd;
	uint32_t of[DIFF_SIDES][MODES], root = DD_FALSE;
	struct difference *x;

	for (int mode = 0; mode < MODES; mode++) {
		of[0][mode] = modes_of(w, 0, kind, mode);
		of[1][mode] = modes_of(w, 1, kind, mode);
		root = dd_or(d, root, dd_differ(d, of[0][mode], of[1][mode]));
	}
	/* Of a column that has no mask, or another, more is said elsewhere. */
	root = dd_without(d, root,
			  dd_differ(d, reading_masks(w->out->sides[0], kind),
				    reading_masks(w->out->sides[1], kind)));
	if (root != DD_FALSE)
		root = dd_and(d, root, dd_and(d, read, reading_where(w->s, kind)));
	for (int i = 0; root != DD_FALSE && (x = find_shown(w, DIFF_MODES, kind, root, i)); i++) {
		uint32_t *values = x->witness.values, region;

		x->place = reading_place(w->s, &x->witness, kind);
		for (int side = 0; side < DIFF_SIDES; side++)
			x->rule[side] = x->mask[side] =
				reading_mask_at(w->out->sides[side], &x->witness, kind);
		note_modes(w, x);
		diff_keep(w, x);
		region = same_rules(w, x);
		for (int side = 0; side < DIFF_SIDES; side++)
			for (int mode = 0; mode < MODES; mode++)
				region = dd_and(d, region,
						dd_where(d, of[side][mode],
							 dd_eval_any(d, of[side][mode], values)));
		root = dd_without(d, root, region);
	}
}

/* A row is shown by a column of it, which may have a mask. */
static void
note_masks(struct diff_work *w, struct difference *x)
{
	int kind = columns_find(&w->s->columns, x->place.schema, x->place.table, x->place.column);

	for (int side = 0; side < DIFF_SIDES && kind >= 0; side++)
		x->mask[side] = reading_mask_at(w->out->sides[side], &x->witness, (size_t) kind);
}

/* Any will do: one that the witness's table has, as far as is known. */
static struct slice
some_column(const struct space *s, const struct witness *w)
{
	const struct image_relation *r =
		known_table(s->images, s->n_images, w->facts.v[FACT_TABLE].s);

	return r && r->n_columns && !known_has(r, SLICE_LIT("id")) ? r->columns[0]
								   : SLICE_LIT("id");
}

static void
compare_drops(struct diff_work *w, size_t kind, const uint32_t dropped[DIFF_SIDES], uint32_t read)
{
	static const enum difference_kind kinds[] = {DIFF_DROPPED, DIFF_SHOWN};
	struct dd *d = w->s->dd;
	uint32_t var = w->s->fact_var[FACT_ACTION];
	struct difference *x;

	if (var)
		read = dd_and(d, read,
			      dd_between(d, var - 1, ACTION_SQL_SELECT + 1, ACTION_SQL_SELECT + 2));
	for (int side = 0; side < DIFF_SIDES; side++) {
		uint32_t root = dd_and(d, read, dd_without(d, dropped[side], dropped[1 - side]));

		for (int i = 0; root != DD_FALSE &&
				(x = find_shown(w, kinds[1 - side], kind, root, i));
		     i++) {
			x->place = reading_place(w->s, &x->witness, kind);
			x->place.column = some_column(w->s, &x->witness);
			x->place.base = (struct slice){0}; /* whole rows, of their own table */
			x->rule[side] = reading_drop_at(w->out->sides[side], &x->witness);
			note_masks(w, x);
			if (x->rule[side] < 0)
				break;
			diff_keep(w, x);
			root = dd_without(d, root,
					  w->out->sides[side]->match[ENTRY_ROW][x->rule[side]]);
		}
	}
}

static void
compare_data(struct diff_work *w)
{
	struct dd *d = w->s->dd;
	uint32_t read = diff_not_denied(w);

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		struct slice table = reading_table(w->s, k);
		uint32_t dropped[] = {reading_drops(w->out->sides[0], table),
				      reading_drops(w->out->sides[1], table)};

		compare_masks(w, k, dd_without(d, dd_without(d, read, dropped[0]), dropped[1]));
		compare_modes(w, k, dd_without(d, dd_without(d, read, dropped[0]), dropped[1]));
		compare_drops(w, k, dropped, read);
	}
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

/* ... and where the two show a column otherwise, or limit a command: what is denied there is asked
 * as well. */
static uint32_t
where_data_differs(struct diff_work *w)
{
	struct dd *d = w->s->dd;
	uint32_t root = diff_where_values(w);

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		struct slice table = reading_table(w->s, k);
		uint32_t shown = dd_differ(d, reading_masks(w->out->sides[0], k),
					   reading_masks(w->out->sides[1], k));

		for (int mode = 0; mode < MODES; mode++)
			shown = dd_or(d, shown, dd_differ(d, modes_of(w, 0, k, mode),
							  modes_of(w, 1, k, mode)));
		if (shown != DD_FALSE)
			root = dd_or(d, root, dd_and(d, shown, where_shown(w, k)));
		root = dd_or(d, root, dd_differ(d, reading_drops(w->out->sides[0], table),
						reading_drops(w->out->sides[1], table)));
	}
	return root;
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
			 dd_or(d, where_data_differs(w),
			       dd_or(d, where_limits_differ(w), diff_where_told(w))));
	return diagram_verdicts_in(out->sides[0], w->scope) &&
	       diagram_verdicts_in(out->sides[1], w->scope);
}

struct policy_diff *
policy_diff(struct arena *arena, const struct image *const images[DIFF_SIDES],
	    const struct catalog *const catalogs[DIFF_SIDES], const char **why)
{
	struct policy_diff *out = ARENA_NEW(arena, struct policy_diff);
	struct diff_work w = {.arena = arena, .out = out, .end = &out->first};

	out->space = w.s = space_new(arena, images, DIFF_SIDES, why);
	if (!w.s)
		return NULL;
	w.s->catalogs = catalogs;
	*why = "the rules, which depend on each other in too many ways";
	if (!find_verdicts(&w))
		return NULL;
	compare_verdicts(&w, ENTRY_COMMAND);
	compare_holds(&w, ENTRY_COMMAND);
	compare_data(&w);
	diff_values(&w);
	diff_trust(&w);
	diff_told(&w);
	for (int unit = 0; unit < LIMIT_UNIT_COUNT; unit++)
		for (int per = 0; per < LIMIT_PER_COUNT; per++)
			compare_limits(&w, unit, per);
	compare_verdicts(&w, ENTRY_CONNECT);
	compare_holds(&w, ENTRY_CONNECT);
	return dd_full(w.s->dd) ? NULL : out;
}
