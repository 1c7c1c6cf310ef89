/* SPDX-License-Identifier: MIT */
#include "compiler/reading.h"

#include "compiler/known.h"

static bool
has_data(const struct space *s, const struct diagram *g, const struct image_rule *rule, size_t kind)
{
	for (size_t i = 0; i < rule->mask.n_data; i++)
		if (data_set_has(&s->columns.kinds[kind].data,
				 s->columns.data_of[g->image][rule->mask.data[i]]))
			return true;
	return false;
}

/* The uses that go with it: of all data that the column belongs to, and of no other. */
static uint32_t
uses_of(struct space *s, const struct column_kind *k)
{
	uint32_t root = DD_TRUE;

	for (size_t i = 0; i < s->columns.n_data; i++) {
		uint32_t var = s->use_var[i][CONTEXT_OUTPUT], one;

		if (!var)
			continue;
		if (data_set_has(&k->data, i))
			one = dd_between(s->dd, var - 1, SPACE_USED, SPACE_USED + 1);
		else
			one = dd_between(s->dd, var - 1, SPACE_UNUSED, SPACE_UNUSED + 1);
		root = dd_and(s->dd, root, one);
	}
	return root;
}

bool
reading_covers(const struct diagram *g, size_t rule, size_t kind)
{
	return has_data(g->space, g, &g->img->rules[rule], kind);
}

uint32_t
reading_where(struct space *s, size_t kind)
{
	struct dd *d = s->dd;
	const struct column_kind *k = &s->columns.kinds[kind];
	uint32_t root = DD_TRUE, var = s->fact_var[FACT_ACTION], any = DD_FALSE;
	const struct domain *tables = &s->facts[FACT_TABLE];

	if (var)
		root = dd_between(d, var - 1, ACTION_SQL_SELECT + 1, ACTION_SQL_SELECT + 2);
	if ((var = s->fact_var[FACT_TABLE])) {
		for (uint32_t i = 0; i < tables->n; i++)
			if (tables->possible[i] && space_column_in(s, kind, tables->values[i].s).n)
				any = dd_or(d, any, dd_between(d, var - 1, i + 1, i + 2));
		root = dd_and(d, root, any);
	} else if ((var = s->fact_var[FACT_SCHEMA])) {
		uint32_t in = (uint32_t) partition_find(s->facts[FACT_SCHEMA].strings, k->schema);

		root = dd_and(d, root, dd_between(d, var - 1, in + 1, in + 2));
	}
	return dd_and(d, root, uses_of(s, k));
}

uint32_t
reading_known(struct space *s, size_t kind)
{
	const struct domain *tables = &s->facts[FACT_TABLE];
	uint32_t var = s->fact_var[FACT_TABLE], any = DD_FALSE;

	for (uint32_t i = 0; i < tables->n && var; i++) {
		struct slice table = tables->values[i].s;
		const struct image_relation *r =
			tables->possible[i] ? known_table(s->images, s->n_images, table) : NULL;

		if (r && known_has(r, space_column_in(s, kind, table)))
			any = dd_or(s->dd, any, dd_between(s->dd, var - 1, i + 1, i + 2));
	}
	return var ? any : DD_TRUE;
}

uint32_t
reading_rank(const struct space *s, const struct image_mask *m)
{
	uint32_t rank = 1;

	for (size_t side = 0; side < s->n_images; side++)
		for (size_t i = 0; i < s->images[side]->n_rules; i++) {
			const struct image_rule *r = &s->images[side]->rules[i];

			rank += r->kind == VM_MASK && vm_mask_shows_cmp(&r->mask, m) < 0;
		}
	return rank;
}

uint32_t
reading_masks(const struct diagram *g, size_t kind)
{
	struct space *s = g->space;
	uint32_t *v = ARENA_ARRAY(s->arena, uint32_t, g->img->n_rules + 1);
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_rule *r = &g->img->rules[i];
		uint32_t match = g->match[r->by_row ? ENTRY_ROW : ENTRY_RESULT][i];

		if (r->kind == VM_MASK && has_data(s, g, r, kind))
			v[n++] = dd_guard(s->dd, match, dd_leaf(reading_rank(s, &r->mask)));
	}
	return dd_join_all(s->dd, &s->larger, v, n);
}

int
reading_mask_at(const struct diagram *g, const struct witness *w, size_t kind)
{
	const struct image *img = g->img;
	struct decision result, row;
	struct facts f;
	int best = -1;

	witness_facts(g->space, w, g->image, &f);
	vm_decide(img, ENTRY_RESULT, &f, &result);
	vm_decide(img, ENTRY_ROW, &f, &row);
	for (size_t i = 0; i < img->n_rules; i++) {
		const struct image_rule *r = &img->rules[i];
		const struct decision *d = r->by_row ? &row : &result;

		if (r->kind == VM_MASK && decision_has(d, i) &&
		    has_data(g->space, g, r, kind) &&
		    (best < 0 || vm_mask_cmp(&r->mask, &img->rules[best].mask) > 0))
			best = (int) i;
	}
	return best;
}

struct slice
reading_table(struct space *s, size_t kind)
{
	const struct column_kind *k = &s->columns.kinds[kind];

	return slice_str(
		arena_printf(s->arena, "%.*s.%.*s", SLICE_ARG(k->schema), SLICE_ARG(k->table)));
}

struct reading_place
reading_place(struct space *s, struct witness *w, size_t kind)
{
	const struct column_kind *k = &s->columns.kinds[kind];
	const struct value *table = &w->facts.v[FACT_TABLE];
	const uint8_t *dot = table->known ? memchr(table->s.p, '.', table->s.n) : NULL;
	struct reading_place p = {k->schema, k->table, k->column};

	if (s->fact_var[FACT_TABLE] && dot) {
		p.schema = slice_of(table->s.p, (size_t) (dot - table->s.p));
		p.table = slice_of(dot + 1, table->s.n - p.schema.n - 1);
		p.column = space_column_in(s, kind, table->s);
		return p;
	}
	facts_string(&w->facts, FACT_SCHEMA, k->schema);
	facts_string(&w->facts, FACT_TABLE, reading_table(s, kind));
	return p;
}

static bool
drops_table(const struct image *img, const struct image_rule *r, struct slice table)
{
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;

	return r->kind == VM_DROP && dot &&
	       vm_rule_covers(img, r, slice_of(table.p, (size_t) (dot - table.p)),
			      slice_of(dot + 1, (size_t) (table.p + table.n - dot) - 1),
			      (struct slice){0});
}

uint32_t
reading_drops(const struct diagram *g, struct slice table)
{
	const struct space *s = g->space;
	uint32_t var = s->fact_var[FACT_TABLE], root = DD_FALSE;
	const struct domain *tables = &s->facts[FACT_TABLE];
	struct dd *d = s->dd;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_rule *r = &g->img->rules[i];
		uint32_t where = !var && drops_table(g->img, r, table) ? DD_TRUE : DD_FALSE;

		for (uint32_t t = 0; var && r->kind == VM_DROP && t < tables->n; t++)
			if (tables->possible[t] && drops_table(g->img, r, tables->values[t].s))
				where = dd_or(d, where, dd_between(d, var - 1, t + 1, t + 2));
		root = dd_or(d, root, dd_and(d, where, g->match[ENTRY_ROW][i]));
	}
	return root;
}

int
reading_drop_at(const struct diagram *g, const struct witness *w)
{
	struct slice table = w->facts.v[FACT_TABLE].s;
	struct decision row;
	struct facts f;

	witness_facts(g->space, w, g->image, &f);
	vm_decide(g->img, ENTRY_ROW, &f, &row);
	for (size_t i = 0; i < g->img->n_rules; i++)
		if (drops_table(g->img, &g->img->rules[i], table) &&
		    decision_has(&row, i))
			return (int) i;
	return -1;
}
