/* SPDX-License-Identifier: MIT */
#include "compiler/reading.h"

#include "compiler/known.h"
#include "sql/catalog.h"
#include "sql/sql.h"

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

/* Where nothing is used of data, and nothing is known of the row. */
static uint32_t
plain(struct space *s)
{
	uint32_t root = DD_TRUE;

	for (uint32_t i = 0; i < s->n_vars; i++) {
		enum space_kind kind = s->vars[i].kind;

		if (kind == SPACE_USE)
			root = dd_and(s->dd, root,
				      dd_between(s->dd, i, SPACE_UNUSED, SPACE_UNUSED + 1));
		else if (kind == SPACE_ROW_TEXT || kind == SPACE_ROW_INT)
			root = dd_and(s->dd, root,
				      dd_between(s->dd, i, SPACE_UNKNOWN, SPACE_UNKNOWN + 1));
	}
	return root;
}

/* Views over a table whose rows a rule drops are refused. */
static uint32_t
refused(const struct diagram *g, size_t kind)
{
	const struct column_kind *k = &g->space->columns.kinds[kind];
	uint32_t root = DD_FALSE;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (g->img->rules[i].kind == VM_DROP &&
		    vm_rule_covers(g->img, &g->img->rules[i], k->schema, k->table,
				   (struct slice){0}))
			root = dd_or(g->space->dd, root, g->match[ENTRY_ROW][i]);
	return root;
}

static bool
has_kind(const struct space *s, const struct catalog_relation *r, int attnum, size_t kind)
{
	for (uint32_t i = 0; i < r->n_columns; i++)
		if ((!attnum || r->columns[i].attnum == attnum) &&
		    columns_find(&s->columns, r->schema, r->name, r->columns[i].name) ==
			    (int) kind)
			return true;
	return false;
}

/* What a view reads, through views below it as well, has such a column. */
static bool
depends_on(const struct space *s, const struct catalog *c, const struct catalog_relation *r,
	   size_t kind)
{
	uint32_t n;
	const struct catalog_depend *d = catalog_view_depends(c, r, &n);

	for (uint32_t i = 0; i < n; i++)
		if (has_kind(s, d[i].relation, d[i].attnum, kind))
			return true;
	return false;
}

/* Its query names such a column, or all of a table that has one; of a view any column will do. */
static bool
view_reads(const struct space *s, const struct catalog *c, const struct catalog_relation *r,
	   size_t kind)
{
	const struct sql_facts *f = r->definition;

	if (!f)
		return depends_on(s, c, r, kind);
	for (uint32_t i = 0; i < f->n_uses; i++)
		for (uint32_t k = 0; k < f->uses[i].n_candidates; k++) {
			uint32_t candidate = f->uses[i].candidates + k;
			const struct sql_relation *named =
				&f->relations[f->candidates[candidate].relation];
			const struct catalog_relation *from =
				catalog_resolve(c, NULL, named->schema, named->name);
			const struct catalog_column *column =
				from && f->uses[i].column.n
					? catalog_column_named(from, f->uses[i].column)
					: NULL;

			if (!from || depends_on(s, c, from, kind) ||
			    has_kind(s, from, column ? column->attnum : 0, kind))
				return true;
		}
	return false;
}

/* Not of a table that a policy's catalog has, nor of a view that reads other columns. */
static bool
may_pass_on(const struct space *s, struct slice table, size_t kind)
{
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;
	size_t n = dot ? (size_t) (dot - table.p) : 0;

	for (size_t i = 0; i < s->n_images && s->catalogs && dot; i++) {
		const struct catalog *c = s->catalogs[i];
		const struct catalog_relation *r =
			c ? catalog_resolve(c, NULL, slice_of(table.p, n),
					    slice_of(dot + 1, table.n - n - 1))
			  : NULL;

		if (r)
			return view_reads(s, c, r, kind);
	}
	return true;
}

uint32_t
reading_through_views(const struct diagram *g, size_t kind)
{
	struct space *s = g->space;
	const struct domain *tables = &s->facts[FACT_TABLE];
	uint32_t action = s->fact_var[FACT_ACTION], table = s->fact_var[FACT_TABLE];
	uint32_t schema = s->fact_var[FACT_SCHEMA], root = plain(s), others = DD_FALSE;

	if (!table && !schema)
		return DD_FALSE; /* views are as tables are */
	if (action)
		root = dd_and(s->dd, root, dd_between(s->dd, action - 1, ACTION_SQL_SELECT + 1,
						      ACTION_SQL_SELECT + 2));
	for (uint32_t i = 0; i < tables->n && table; i++)
		if (tables->possible[i] && !space_column_in(s, kind, tables->values[i].s).n &&
		    may_pass_on(s, tables->values[i].s, kind))
			others = dd_or(s->dd, others, dd_between(s->dd, table - 1, i + 1, i + 2));
	if (!table)
		others = dd_not(s->dd, dd_between(s->dd, schema - 1, SPACE_UNKNOWN, 1));
	return dd_without(s->dd, dd_and(s->dd, root, others), refused(g, kind));
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
	struct reading_place p = {k->schema, k->table, k->column, {0}};

	if (s->fact_var[FACT_TABLE] && dot) {
		p.schema = slice_of(table->s.p, (size_t) (dot - table->s.p));
		p.table = slice_of(dot + 1, table->s.n - p.schema.n - 1);
		p.column = space_column_in(s, kind, table->s);
		if (p.column.n)
			return p;
		p.column = k->column;
		p.base = reading_table(s, kind);
		return p;
	}
	if (s->fact_var[FACT_SCHEMA] && w->facts.v[FACT_SCHEMA].known &&
	    !slice_eq(w->facts.v[FACT_SCHEMA].s, k->schema)) {
		p = (struct reading_place){w->facts.v[FACT_SCHEMA].s, SLICE_LIT("things"),
					   k->column, reading_table(s, kind)};
		facts_string(&w->facts, FACT_TABLE,
			     slice_str(arena_printf(s->arena, "%.*s.things",
						    SLICE_ARG(p.schema))));
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
