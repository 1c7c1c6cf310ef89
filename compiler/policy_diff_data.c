/* SPDX-License-Identifier: MIT
 *
 * What is shown of data: masks of columns, what they open, and rows that are dropped. Of tables
 * that have it, and of whatever has it under another name (elsewhere.h). A mask is also what it
 * forbids: where nobody may read a column, it still decides what may be done with it, and with what
 * could read it unseen.
 */
#include "compiler/policy_diff_internal.h"

#include "compiler/known.h"

/* Where the masks that are in force at the last witness match: what others do is another thing. */
static uint32_t
same_rules(struct diff_work *w, const struct difference *x)
{
	uint32_t region = DD_TRUE;

	for (int side = 0; side < DIFF_SIDES; side++) {
		const struct diagram *g = w->out->sides[side];
		int r = x->rule[side];

		if (r >= 0)
			region = dd_and(
				w->s->dd, region,
				g->match[g->img->rules[r].by_row ? ENTRY_ROW : ENTRY_RESULT][r]);
	}
	return region;
}

static bool
at_witness(const struct diff_work *w, const struct difference *x, uint32_t root)
{
	return dd_eval_any(w->s->dd, root, x->witness.values) == DD_TRUE;
}

/* Preferably of a table that has the column, of what runs at once, of a column that there is: a
 * test shows that. */
static struct difference *
find_shown(struct diff_work *w, enum difference_kind kind, size_t column, uint32_t root, int i)
{
	struct dd *d = w->s->dd;
	uint32_t select = dd_and(d, root, reading_selects(w->s));
	uint32_t own = dd_and(d, root, reading_where(w->s, column));
	uint32_t used = dd_and(d, root, reading_use(w->s, column, (1u << N_CONTEXTS) - 1));
	uint32_t runs = dd_and(d, own, diff_allowed(w)), known = reading_known(w->s, column);
	const uint32_t roots[] = {dd_and(d, runs, known),
				  dd_and(d, own, known),
				  runs,
				  own,
				  dd_and(d, used, diff_allowed(w)),
				  used,
				  dd_and(d, select, diff_allowed(w)),
				  select,
				  root};
	struct difference *x = NULL;

	for (size_t k = 0; k < COUNT_OF(roots) && i < DIFF_MAX_EACH && !x; k++)
		x = diff_find(w, kind, ENTRY_COMMAND, roots[k]);
	w->out->more |= i == DIFF_MAX_EACH && root != DD_FALSE;
	return x;
}

/* ---- Where masks matter ---- */

static uint32_t
elsewhere(struct diff_work *w, size_t kind, enum elsewhere_use what)
{
	return dd_and(w->s->dd, reading_elsewhere(w->out->sides[0], kind, what),
		      reading_elsewhere(w->out->sides[1], kind, what));
}

/* Where somebody gets it of a table that has it, or through a view. */
static uint32_t
where_shown(struct diff_work *w, size_t kind)
{
	struct dd *d = w->s->dd;

	return dd_or(d, reading_where(w->s, kind),
		     dd_and(d, reading_selects(w->s), elsewhere(w, kind, ELSEWHERE_SHOWN)));
}

static const enum action uses[] = {ACTION_SQL_SELECT, ACTION_SQL_EXPLAIN, ACTION_SQL_INSERT,
				   ACTION_SQL_UPDATE, ACTION_SQL_DELETE,  ACTION_SQL_MERGE};

/* Where a command does something with it that no masked column is there for. */
static uint32_t
where_used(struct diff_work *w, size_t kind)
{
	static const enum action all[] = {ACTION_SQL_ALTER, ACTION_SQL_CLUSTER, ACTION_SQL_CREATE};
	struct dd *d = w->s->dd;
	uint32_t used = reading_use(w->s, kind, (1u << N_CONTEXTS) - 1);

	used = dd_or(d, used, elsewhere(w, kind, ELSEWHERE_USED));
	used = dd_and(d, used, reading_actions(w->s, uses, COUNT_OF(uses)));
	return dd_or(
		d, used,
		dd_and(d, reading_table_of(w->s, kind), reading_actions(w->s, all, COUNT_OF(all))));
}

static bool
has_match(const struct diagram *g, uint32_t match)
{
	for (size_t i = 0; i < g->img->n_rules; i++)
		if (g->img->rules[i].by_column && g->match[ENTRY_RESULT][i] == match)
			return true;
	return false;
}

/* Where masks or drops of columns are in force, and none under the other policy. */
static uint32_t
only_in(struct diff_work *w, int side)
{
	const struct diagram *g = w->out->sides[side], *o = w->out->sides[1 - side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1), root;
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (g->img->rules[i].by_column && !has_match(o, g->match[ENTRY_RESULT][i]))
			v[n++] = g->match[ENTRY_RESULT][i];
	root = dd_or_all(w->s->dd, v, n);
	for (size_t i = 0; i < o->img->n_rules && root != DD_FALSE; i++)
		if (o->img->rules[i].by_column)
			root = dd_without(w->s->dd, root, o->match[ENTRY_RESULT][i]);
	return root;
}

/* Where what could read it unseen, or shows what is in other tables, is refused under one of the
 * policies. */
static uint32_t
where_blind(struct diff_work *w)
{
	static const enum action blind[] = {ACTION_SQL_OPAQUE_FUNCTION,
					    ACTION_SQL_CALL,
					    ACTION_SQL_ANONYMOUS_CODE,
					    ACTION_SQL_REPLICATION,
					    ACTION_SQL_LOAD,
					    ACTION_SQL_ROLE,
					    ACTION_SQL_FILE,
					    ACTION_SQL_PROGRAM,
					    ACTION_SQL_NETWORK,
					    ACTION_SQL_UNPARSED,
					    ACTION_SQL_CREATE,
					    ACTION_SQL_ALTER,
					    ACTION_SQL_CONFIGURE};
	struct dd *d = w->s->dd;
	uint32_t root;

	if (w->has_blind)
		return w->blind;
	root = dd_and(d, reading_telling(w->s, READING_TELLS),
		      reading_actions(w->s, uses, COUNT_OF(uses)));
	root = dd_or(d, root, reading_actions(w->s, blind, COUNT_OF(blind)));
	w->blind = dd_and(d, root, dd_or(d, only_in(w, 0), only_in(w, 1)));
	w->has_blind = true;
	return w->blind;
}

/* Where masks are in force, and so forbid: those by row whatever the row. */
static uint32_t
where_masked(struct diff_work *w, int side, size_t kind)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t *v = ARENA_ARRAY(w->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (g->img->rules[i].kind == VM_MASK && reading_covers(g, i, kind))
			v[n++] = g->match[ENTRY_RESULT][i];
	return dd_or_all(w->s->dd, v, n);
}

/* Where it has a mask under one of the policies only. */
static uint32_t
where_masked_by_one(struct diff_work *w, size_t kind)
{
	return dd_differ(w->s->dd, where_masked(w, 0, kind), where_masked(w, 1, kind));
}

/* ... and that matters though nobody reads it. */
static uint32_t
where_forbidden(struct diff_work *w, size_t kind)
{
	struct dd *d = w->s->dd;
	uint32_t masked = where_masked_by_one(w, kind);

	return masked == DD_FALSE
		       ? DD_FALSE
		       : dd_and(d, masked, dd_or(d, where_used(w, kind), where_blind(w)));
}

/* ---- Masks ---- */

static void
keep_mask(struct diff_work *w, struct difference *x)
{
	if (x->rule[0] < 0 || x->rule[1] < 0)
		x->kind = x->rule[1] < 0 ? DIFF_UNMASKED : DIFF_MASKED;
	diff_keep(w, x);
}

/* How it is shown. */
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
	for (int i = 0; root != DD_FALSE; i++) {
		uint32_t leaves[DIFF_SIDES];

		if (!(x = find_shown(w, DIFF_MASK, kind, root, i)))
			return;
		x->place = reading_place(w->s, &x->witness, kind, ELSEWHERE_SHOWN);
		for (int side = 0; side < DIFF_SIDES; side++) {
			int r = x->rule[side] = x->mask[side] =
				reading_mask_at(w->out->sides[side], &x->witness, kind);

			const struct image *img = diff_image(w, side);

			leaves[side] = dd_leaf(r < 0 ? 0 : reading_rank(w->s, &img->rules[r].mask));
		}
		keep_mask(w, x);
		root = dd_without(d, root,
				  dd_and(d, same_rules(w, x),
					 dd_and(d, dd_where(d, one, leaves[0]),
						dd_where(d, other, leaves[1]))));
	}
}

/* A system's relation, which shows it to whom no mask is in force for. */
static bool
is_told(struct diff_work *w, const struct difference *x, size_t kind)
{
	struct dd *d = w->s->dd;
	uint32_t there = dd_or(d, where_shown(w, kind), where_used(w, kind));

	return at_witness(w, x, dd_without(d, reading_telling(w->s, READING_TELLS), there));
}

/* What it allows, though nobody reads it. */
static void
compare_forbidden(struct diff_work *w, size_t kind, uint32_t runs)
{
	uint32_t root = where_forbidden(w, kind);
	struct difference *x;

	if (root != DD_FALSE)
		root = dd_and(w->s->dd, root, runs);
	for (int i = 0; root != DD_FALSE; i++) {
		if (!(x = find_shown(w, DIFF_MASK, kind, root, i)))
			return;
		if (!is_told(w, x, kind) ||
		    !reading_move_telling(w->s, &x->witness, kind, &x->place))
			x->place = reading_place(w->s, &x->witness, kind, ELSEWHERE_SHOWN);
		for (int side = 0; side < DIFF_SIDES; side++) {
			const struct diagram *g = w->out->sides[side];
			int r = x->rule[side] = x->mask[side] =
				reading_masked_at(g, &x->witness, kind);

			root = r < 0 ? root
				     : dd_without(w->s->dd, root, g->match[ENTRY_RESULT][r]);
		}
		keep_mask(w, x);
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
note_modes(struct diff_work *w, struct difference *x, size_t kind)
{
	const struct column_kind *k = &w->s->columns.kinds[kind];

	for (int side = 0; side < DIFF_SIDES; side++) {
		struct decision result;
		struct facts f;

		witness_facts(w->s, &x->witness, (size_t)side, &f);
		vm_decide(diff_image(w, side), ENTRY_RESULT, &f, &result);
		x->modes[side] =
			vm_modes_for(diff_image(w, side), &result, k->schema, k->table, k->column);
	}
}

static const struct {
	unsigned contexts; /* in which a command does what the mode is about */
	enum elsewhere_use what;
} mode_info[MODES] = {
	[MODE_LOOKUP] = {CONTEXT_BIT(PREDICATE), ELSEWHERE_LOOKED_UP},
	[MODE_DERIVED] = {CONTEXT_BIT(OUTPUT) | CONTEXT_BIT(EXPRESSION) | CONTEXT_BIT(FUNCTION),
			  ELSEWHERE_DERIVED},
	[MODE_OVER] = {CONTEXT_BIT(FUNCTION) | CONTEXT_BIT(ORDER) | CONTEXT_BIT(PREDICATE),
		       ELSEWHERE_SUMMED},
};

/* Where a command does that. */
static uint32_t
where_open(struct diff_work *w, size_t kind, int mode)
{
	static const enum action finds[] = {ACTION_SQL_SELECT, ACTION_SQL_EXPLAIN,
					    ACTION_SQL_INSERT, ACTION_SQL_UPDATE,
					    ACTION_SQL_DELETE, ACTION_SQL_MERGE};
	struct dd *d = w->s->dd;

	return dd_and(d, reading_actions(w->s, finds, mode == MODE_LOOKUP ? COUNT_OF(finds) : 1),
		      dd_or(d, reading_use(w->s, kind, mode_info[mode].contexts),
			    elsewhere(w, kind, mode_info[mode].what)));
}

/* Where another mask is shown, more is said of that; however the column is used beside. */
static uint32_t
where_told(struct diff_work *w, size_t kind, uint32_t read)
{
	struct dd *d = w->s->dd;
	uint32_t root = dd_differ(d, reading_masks(w->out->sides[0], kind),
				  reading_masks(w->out->sides[1], kind));

	if (root == DD_FALSE)
		return DD_FALSE;
	root = dd_and(d, root, dd_and(d, read, where_shown(w, kind)));
	for (uint32_t i = (uint32_t)w->s->n_vars; i-- > 0 && !dd_is_leaf(root);)
		if (w->s->vars[i].kind == SPACE_USE)
			root = dd_exists(d, root, i);
	return root;
}

static void
compare_modes(struct diff_work *w, size_t kind, uint32_t read, uint32_t runs)
{
	struct dd *d = w->s->dd;
	uint32_t of[DIFF_SIDES][MODES], root = DD_FALSE, differ;
	struct difference *x;

	for (int mode = 0; mode < MODES; mode++) {
		of[0][mode] = modes_of(w, 0, kind, mode);
		of[1][mode] = modes_of(w, 1, kind, mode);
		differ = dd_differ(d, of[0][mode], of[1][mode]);
		if (differ != DD_FALSE)
			differ = dd_and(d, differ, where_open(w, kind, mode));
		/* Rows that are dropped are looked up, though not shown. */
		root = dd_or(d, root, dd_and(d, differ, mode == MODE_LOOKUP ? runs : read));
	}
	/* A column that has no mask is open to everything: that is said of the mask. */
	if (root != DD_FALSE)
		root = dd_without(d, root, where_masked_by_one(w, kind));
	if (root != DD_FALSE)
		root = dd_without(d, root, where_told(w, kind, read));
	for (int i = 0; root != DD_FALSE && (x = find_shown(w, DIFF_MODES, kind, root, i)); i++) {
		uint32_t *values = x->witness.values, region;
		int m = MODE_LOOKUP;

		while (m < MODES - 1 &&
		       dd_eval_any(d, of[0][m], values) == dd_eval_any(d, of[1][m], values))
			m++;
		x->place = reading_place(w->s, &x->witness, kind, mode_info[m].what);
		for (int side = 0; side < DIFF_SIDES; side++)
			x->rule[side] = x->mask[side] =
				reading_mask_at(w->out->sides[side], &x->witness, kind);
		note_modes(w, x, kind);
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

/* ---- Rows ---- */

/* By the policy that drops them. */
static const enum difference_kind drop_kinds[DIFF_SIDES] = {DIFF_SHOWN, DIFF_DROPPED};

/* A row is shown by a column of it, which may have a mask. */
static void
note_masks(struct diff_work *w, struct difference *x)
{
	int kind = columns_find(&w->s->columns, x->place.schema, x->place.table, x->place.column);

	for (int side = 0; side < DIFF_SIDES && kind >= 0; side++)
		x->mask[side] = reading_mask_at(w->out->sides[side], &x->witness, (size_t)kind);
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
	struct dd *d = w->s->dd;
	struct difference *x;

	for (int side = 0; side < DIFF_SIDES; side++) {
		uint32_t root = dd_and(d, read, dd_without(d, dropped[side], dropped[1 - side]));

		for (int i = 0;
		     root != DD_FALSE && (x = find_shown(w, drop_kinds[side], kind, root, i));
		     i++) {
			x->place = reading_place(w->s, &x->witness, kind, ELSEWHERE_SHOWN);
			x->place.column = some_column(w->s, &x->witness);
			x->place.base = (struct slice){0}; /* whole rows, of their own table */
			x->rule[side] =
				reading_drop_at(w->out->sides[side], &x->witness, kind);
			note_masks(w, x);
			if (x->rule[side] < 0)
				break;
			diff_keep(w, x);
			root = dd_without(d, root,
					  w->out->sides[side]->match[ENTRY_ROW][x->rule[side]]);
		}
	}
}

/* Where a command does what cannot be filtered, or is: what only writes to a table is neither, but
 * of a view it is refused as well. */
static uint32_t
where_rows(struct diff_work *w, bool view)
{
	static const enum action of[] = {ACTION_SQL_SELECT, ACTION_SQL_MERGE,  ACTION_SQL_EXPLAIN,
					 ACTION_SQL_INSERT, ACTION_SQL_UPDATE, ACTION_SQL_DELETE};

	return dd_and(w->s->dd, diff_not_denied(w),
		      reading_actions(w->s, of, view ? COUNT_OF(of) : 2));
}

/* Rather of what is read, and runs at once. */
static struct difference *
find_rows(struct diff_work *w, enum difference_kind kind, uint32_t root, int i)
{
	uint32_t selects = dd_and(w->s->dd, root, reading_selects(w->s));
	const uint32_t roots[] = {dd_and(w->s->dd, selects, diff_allowed(w)), selects,
				  dd_and(w->s->dd, root, diff_allowed(w)), root};
	struct difference *x = NULL;

	for (size_t k = 0; k < COUNT_OF(roots) && i < DIFF_MAX_EACH && !x; k++)
		x = diff_find(w, kind, ENTRY_COMMAND, roots[k]);
	w->out->more |= i == DIFF_MAX_EACH && root != DD_FALSE;
	return x;
}

/* A table of the rule's data. */
static struct slice
drop_table(struct diff_work *w, int side, int rule)
{
	for (size_t k = 0; k < w->s->columns.n_kinds && rule >= 0; k++)
		if (reading_covers(w->out->sides[side], (size_t)rule, k))
			return reading_table(w->s, k);
	return (struct slice){0};
}

static bool
has_rows_of_others(const struct elsewhere_relation *e)
{
	return e->inherits || elsewhere_is_view(e);
}

/* The rows of a table are those of others as well, or it is a view of them, which is refused. */
static void
compare_drops_there(struct diff_work *w, const struct elsewhere_relation *e)
{
	const uint32_t dropped[] = {reading_drops_there(w->out->sides[0], e),
				    reading_drops_there(w->out->sides[1], e)};
	struct dd *d = w->s->dd;
	struct difference *x;
	uint32_t read = DD_FALSE;

	if (dropped[0] != dropped[1])
		read = dd_and(d, where_rows(w, elsewhere_is_view(e)), reading_there(w->s, e));
	for (int side = 0; side < DIFF_SIDES && dropped[0] != dropped[1]; side++) {
		const struct diagram *g = w->out->sides[side];
		uint32_t root = dd_and(d, read, dd_without(d, dropped[side], dropped[1 - side]));

		for (int i = 0; root != DD_FALSE && (x = find_rows(w, drop_kinds[side], root, i));
		     i++) {
			reading_move(&x->witness, e, &x->place);
			x->place.column = some_column(w->s, &x->witness);
			for (size_t r = 0; r < g->img->n_rules && x->rule[side] < 0; r++)
				if (elsewhere_drops(e, g->img, &g->img->rules[r]) &&
				    at_witness(w, x, g->match[ENTRY_ROW][r]))
					x->rule[side] = (int)r;
			x->place.base = drop_table(w, side, x->rule[side]);
			diff_keep(w, x);
			root = dd_without(d, root, g->match[ENTRY_ROW][x->rule[side]]);
		}
	}
}

/* A rule matches where the other policy does not drop the rows of what may be the same table, as a
 * view that no catalog has; or where no mask or drop of the other keeps what could read it unseen
 * from running. */
static void
compare_drop_rule(struct diff_work *w, int side, size_t r, uint32_t read, uint32_t blind)
{
	const struct diagram *g = w->out->sides[side], *o = w->out->sides[1 - side];
	struct dd *d = w->s->dd;

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		uint32_t views, root = dd_and(d, blind, g->match[ENTRY_RESULT][r]);
		struct difference *x;

		if (!reading_covers(g, r, k))
			continue;
		views = dd_without(d, g->match[ENTRY_ROW][r], reading_refused(o, k));
		if (views != DD_FALSE)
			views = dd_and(d, views, dd_and(d, read, reading_unknown(w->s, k)));
		root = dd_or(d, root, views);
		x = find_rows(w, drop_kinds[side], root, 0);
		if (!x)
			continue;
		x->place = reading_place(w->s, &x->witness, k, ELSEWHERE_SHOWN);
		x->rule[side] = (int)r;
		diff_keep(w, x);
	}
}

/* Where rules of a policy want a column of the row in the result, and refuse it without. */
static uint32_t
where_wanted(struct diff_work *w, int side, size_t column)
{
	const struct diagram *g = w->out->sides[side];
	uint32_t root = DD_FALSE;

	for (size_t r = 0; r < g->img->n_rules; r++)
		if (g->img->rules[r].kind == VM_DROP && reading_wants(g, r, column))
			root = dd_or(w->s->dd, root,
				     dd_and(w->s->dd, g->match[ENTRY_RESULT][r],
					    reading_drop_tables(g, r)));
	return root;
}

/* Where rows are dropped under both, but only one of the policies must see a column for that. */
static void
compare_wanted(struct diff_work *w, int side, size_t column)
{
	const struct diagram *g = w->out->sides[side];
	struct dd *d = w->s->dd;
	uint32_t root =
		dd_without(d, where_wanted(w, side, column), where_wanted(w, 1 - side, column));

	if (root != DD_FALSE)
		root = dd_and(d, root, where_rows(w, false));
	for (size_t r = 0; r < g->img->n_rules && root != DD_FALSE; r++) {
		struct difference *x;
		uint32_t match = dd_and(d, g->match[ENTRY_RESULT][r], reading_drop_tables(g, r));

		if (g->img->rules[r].kind != VM_DROP || !reading_wants(g, r, column) ||
		    !(x = find_rows(w, drop_kinds[side], dd_and(d, root, match), 0)))
			continue;
		x->place = reading_dropped_place(w->s, &x->witness);
		x->place.column = some_column(w->s, &x->witness);
		x->rule[side] = (int)r;
		diff_keep(w, x);
		root = dd_without(d, root, match);
	}
}

static void
compare_drops_elsewhere(struct diff_work *w)
{
	const struct elsewhere *e = elsewhere_of(w->s);
	struct dd *d = w->s->dd;
	uint32_t blind = dd_and(d, diff_not_denied(w), where_blind(w)), rows = where_rows(w, true);

	for (size_t i = 0; i < e->n; i++)
		if (has_rows_of_others(&e->v[i]))
			compare_drops_there(w, &e->v[i]);
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t r = 0; r < diff_image(w, side)->n_rules; r++)
			if (diff_image(w, side)->rules[r].kind == VM_DROP)
				compare_drop_rule(w, side, r, rows, blind);
	for (int side = 0; side < DIFF_SIDES; side++)
		for (size_t i = 0; i < w->s->n_row_columns; i++)
			compare_wanted(w, side, i);
}

/* ---- All of it ---- */

void
diff_data(struct diff_work *w)
{
	struct dd *d = w->s->dd;
	uint32_t runs = diff_not_denied(w);

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		uint32_t dropped[] = {reading_drops(w->out->sides[0], k),
				      reading_drops(w->out->sides[1], k)};
		uint32_t read = dd_without(d, dd_without(d, runs, dropped[0]), dropped[1]);

		compare_masks(w, k, read);
		compare_forbidden(w, k, runs);
		compare_modes(w, k, read, runs);
		compare_drops(w, k, dropped, where_rows(w, false));
	}
	if (diff_image(w, 0)->has_drops || diff_image(w, 1)->has_drops)
		compare_drops_elsewhere(w);
}

/* Where drop rules match under one policy only, and what they drop has other names. */
static uint32_t
where_drops(struct diff_work *w)
{
	const struct elsewhere *e = elsewhere_of(w->s);
	struct dd *d = w->s->dd;
	uint32_t root = DD_FALSE, all[DIFF_SIDES];

	for (size_t i = 0; i < e->n; i++) {
		uint32_t differ;

		if (!has_rows_of_others(&e->v[i]))
			continue;
		differ = dd_differ(d, reading_drops_there(w->out->sides[0], &e->v[i]),
				   reading_drops_there(w->out->sides[1], &e->v[i]));

		if (differ != DD_FALSE)
			root = dd_or(d, root, dd_and(d, differ, reading_there(w->s, &e->v[i])));
	}
	for (size_t i = 0; i < w->s->n_row_columns; i++)
		root = dd_or(d, root, dd_differ(d, where_wanted(w, 0, i), where_wanted(w, 1, i)));
	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		for (int side = 0; side < DIFF_SIDES; side++)
			all[side] = reading_refused(w->out->sides[side], k);
		if (all[0] != all[1])
			root = dd_or(
				d, root,
				dd_and(d, dd_differ(d, all[0], all[1]), reading_unknown(w->s, k)));
	}
	return root;
}

/* What is denied there is asked as well. */
uint32_t
diff_where_data(struct diff_work *w)
{
	struct dd *d = w->s->dd;
	uint32_t root = where_blind(w);

	for (size_t k = 0; k < w->s->columns.n_kinds; k++) {
		uint32_t shown = dd_differ(d, reading_masks(w->out->sides[0], k),
					   reading_masks(w->out->sides[1], k));

		if (shown != DD_FALSE)
			root = dd_or(d, root, dd_and(d, shown, where_shown(w, k)));
		root = dd_or(d, root, where_forbidden(w, k));
		for (int mode = 0; mode < MODES; mode++) {
			shown = dd_differ(d, modes_of(w, 0, k, mode), modes_of(w, 1, k, mode));
			if (shown != DD_FALSE)
				root = dd_or(d, root, dd_and(d, shown, where_open(w, k, mode)));
		}
		root = dd_or(d, root,
			     dd_differ(d, reading_drops(w->out->sides[0], k),
				       reading_drops(w->out->sides[1], k)));
	}
	return dd_or(d, root, where_drops(w));
}
