/* SPDX-License-Identifier: MIT */
#include "compiler/reading.h"

#include "compiler/known.h"
#include "sql/catalog.h"
#include "vm/match.h"

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
uses_of(struct space *s, const struct column_kind *k, enum context context)
{
	uint32_t root = DD_TRUE;

	for (size_t i = 0; i < s->columns.n_data; i++) {
		uint32_t var = s->use_var[i][context], one;

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

/* By class of names: a table of it has such a column. Asked for over and over. */
static const bool *
tables_of(struct space *s, size_t kind)
{
	const struct domain *tables = &s->facts[FACT_TABLE];

	if (!s->tables_of)
		s->tables_of = ARENA_ARRAY(s->arena, bool *, s->columns.n_kinds + 1);
	if (s->tables_of[kind])
		return s->tables_of[kind];
	s->tables_of[kind] = ARENA_ARRAY(s->arena, bool, tables->n + 1);
	for (size_t i = 0; i < tables->n; i++)
		s->tables_of[kind][i] = tables->possible[i] &&
					space_column_in(s, kind, tables->values[i].s).n;
	return s->tables_of[kind];
}

uint32_t
reading_table_of(struct space *s, size_t kind)
{
	struct dd *d = s->dd;
	const struct column_kind *k = &s->columns.kinds[kind];
	uint32_t root = DD_TRUE, var, any = DD_FALSE;
	const struct domain *tables = &s->facts[FACT_TABLE];

	if ((var = s->fact_var[FACT_TABLE])) {
		for (uint32_t i = 0; i < tables->n; i++)
			if (tables_of(s, kind)[i])
				any = dd_or(d, any, dd_between(d, var - 1, i + 1, i + 2));
		root = dd_and(d, root, any);
	} else if ((var = s->fact_var[FACT_SCHEMA])) {
		uint32_t in = (uint32_t) partition_find(s->facts[FACT_SCHEMA].strings, k->schema);

		root = dd_and(d, root, dd_between(d, var - 1, in + 1, in + 2));
	}
	return root;
}

uint32_t
reading_actions(struct space *s, const enum action *v, size_t n)
{
	uint32_t root = DD_FALSE, var = s->fact_var[FACT_ACTION];

	for (size_t i = 0; i < n && var; i++)
		root = dd_or(s->dd, root, dd_between(s->dd, var - 1, v[i] + 1u, v[i] + 2u));
	return var ? root : DD_TRUE;
}

uint32_t
reading_use(struct space *s, size_t kind, unsigned contexts)
{
	const struct column_kind *k = &s->columns.kinds[kind];
	uint32_t root = DD_FALSE;

	for (int c = 0; c < N_CONTEXTS; c++)
		if (contexts >> c & 1)
			root = dd_or(s->dd, root, uses_of(s, k, (enum context) c));
	return dd_and(s->dd, root, reading_table_of(s, kind));
}

uint32_t
reading_selects(struct space *s)
{
	static const enum action select[] = {ACTION_SQL_SELECT};

	return reading_actions(s, select, COUNT_OF(select));
}

uint32_t
reading_where(struct space *s, size_t kind)
{
	return dd_and(s->dd, reading_selects(s), reading_use(s, kind, CONTEXT_BIT(OUTPUT)));
}

/* Where nothing is used of data, and of a view nothing is known of the row. */
static uint32_t
plain(struct space *s, bool view)
{
	uint32_t root = DD_TRUE;

	for (uint32_t i = 0; i < s->n_vars; i++) {
		enum space_kind kind = s->vars[i].kind;

		if (kind == SPACE_USE)
			root = dd_and(s->dd, root,
				      dd_between(s->dd, i, SPACE_UNUSED, SPACE_UNUSED + 1));
		else if (view && (kind == SPACE_ROW_TEXT || kind == SPACE_ROW_INT))
			root = dd_and(s->dd, root,
				      dd_between(s->dd, i, SPACE_UNKNOWN, SPACE_UNKNOWN + 1));
	}
	return root;
}

static bool
is_pattern(struct slice s)
{
	return memchr(s.p, '*', s.n) != NULL;
}

static bool
names_all(struct slice pattern, struct slice of)
{
	return slice_is(pattern, "*") || slice_eq(pattern, of);
}

static bool
covers_known(const struct image *img, const struct image_rule *r, const struct image_relation *of)
{
	for (size_t i = 0; i < of->n_columns; i++)
		if (vm_rule_covers(img, r, of->schema, of->name, of->columns[i]))
			return true;
	return false;
}

/* Of a table that no catalog has: the rule's data names it, and so says what it has. A pattern of
 * tables says of none of them that it has such a column. */
static bool
names_table(const struct image *img, const struct image_rule *r, struct slice schema,
	    struct slice table)
{
	for (size_t i = 0; i < r->mask.n_data; i++) {
		const struct image_data *d = &img->data[r->mask.data[i]];

		for (size_t k = 0; k < d->n_columns; k++)
			if (slice_eq(d->columns[k].table, table) &&
			    (match_glob(d->columns[k].schema, schema) ||
			     slice_eq(d->columns[k].schema, schema)))
				return true;
	}
	return false;
}

/* Of tables that the pattern is about and catalogs have: 1 the rule's data has a column in each, 0
 * not, -1 there are none. */
static int
covers_all_known(const struct diagram *g, const struct image_rule *r, const struct image_column *p)
{
	int all = -1;

	for (size_t i = 0; i < g->space->n_images; i++)
		for (size_t k = 0; k < g->space->images[i]->n_relations; k++) {
			const struct image_relation *of = &g->space->images[i]->relations[k];

			if (!match_glob(p->schema, of->schema) || !match_glob(p->table, of->name) ||
			    !known_matches(of, p->column))
				continue;
			if (!covers_known(g->img, r, of))
				return 0;
			all = 1;
		}
	return all;
}

/* The rule's data has a column in every table that the pattern is about. */
static bool
covers_tables(const struct diagram *g, const struct image_rule *r, const struct image_column *p)
{
	int known = covers_all_known(g, r, p);

	if (known >= 0 && (!known || (!is_pattern(p->schema) && !is_pattern(p->table))))
		return known;
	if (!is_pattern(p->table) && names_table(g->img, r, p->schema, p->table))
		return true;
	for (size_t i = 0; i < r->mask.n_data; i++) {
		const struct image_data *d = &g->img->data[r->mask.data[i]];

		for (size_t k = 0; k < d->n_columns; k++)
			if (names_all(d->columns[k].schema, p->schema) &&
			    names_all(d->columns[k].table, p->table) &&
			    names_all(d->columns[k].column, p->column))
				return true;
	}
	return false;
}

/* ... in every table that has a column of the kind. */
static bool
covers_kind(const struct diagram *g, const struct image_rule *r, size_t kind)
{
	const struct columns *c = &g->space->columns;

	if (has_data(g->space, g, r, kind))
		return true;
	for (size_t i = 0; i < c->n_data; i++) {
		bool all = data_set_has(&c->kinds[kind].data, i);

		for (size_t k = 0; k < c->data[i]->n_columns && all; k++)
			all = covers_tables(g, r, &c->data[i]->columns[k]);
		if (all)
			return true;
	}
	return false;
}

uint32_t
reading_refused(const struct diagram *g, size_t kind)
{
	uint32_t root = DD_FALSE;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (g->img->rules[i].kind == VM_DROP && covers_kind(g, &g->img->rules[i], kind))
			root = dd_or(g->space->dd, root, g->match[ENTRY_ROW][i]);
	return root;
}

uint32_t
reading_drops_there(const struct diagram *g, const struct elsewhere_relation *e)
{
	uint32_t root = DD_FALSE;

	for (size_t i = 0; i < g->img->n_rules; i++)
		if (elsewhere_drops(e, g->img, &g->img->rules[i]))
			root = dd_or(g->space->dd, root, g->match[ENTRY_ROW][i]);
	return root;
}

/* The data names the table, which so is one, with such a column: not by a pattern of tables. */
static bool
is_named(const struct space *s, size_t kind, struct slice table)
{
	const struct columns *c = &s->columns;
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;

	for (size_t i = 0; i < c->n_data && dot; i++)
		for (size_t k = 0; data_set_has(&c->kinds[kind].data, i) &&
				   k < c->data[i]->n_columns; k++) {
			const struct image_column *p = &c->data[i]->columns[k];

			if (slice_eq(p->table, slice_of(dot + 1, (size_t) (table.p + table.n -
									   dot) - 1)) &&
			    match_glob(p->schema, slice_of(table.p, (size_t) (dot - table.p))))
				return true;
		}
	return false;
}

enum tells { VALUES, STATEMENTS, OTHERS };

static const struct {
	struct slice table, name, column;
	enum tells what;
} telling[] = {
#define TELLING(relation, column, what) \
	{SLICE_LIT("pg_catalog." #relation), SLICE_LIT(#relation), SLICE_LIT(#column), what},
#include "grammar/telling.def"
#undef TELLING
};

static bool
is_telling(struct slice table)
{
	for (size_t i = 0; i < COUNT_OF(telling); i++)
		if (slice_eq(telling[i].table, table))
			return true;
	return false;
}

/* No catalog has a table of the class, the data does not name it, and it is none that the system
 * shows other tables in. */
static bool
may_be_view(struct space *s, uint32_t class, size_t kind)
{
	const struct domain *tables = &s->facts[FACT_TABLE];
	const struct elsewhere *e = elsewhere_of(s);

	return tables->possible[class] && !(e->known && e->known[class]) &&
	       !is_named(s, kind, tables->values[class].s) &&
	       !(tables->strings->classes[class].constant &&
		 is_telling(tables->values[class].s));
}

uint32_t
reading_unknown(struct space *s, size_t kind)
{
	uint32_t table = s->fact_var[FACT_TABLE], schema = s->fact_var[FACT_SCHEMA];
	uint32_t root = DD_FALSE;

	for (uint32_t i = 0; table && i < s->facts[FACT_TABLE].n; i++)
		if (may_be_view(s, i, kind))
			root = dd_or(s->dd, root, dd_between(s->dd, table - 1, i + 1, i + 2));
	if (!table && schema)
		root = dd_not(s->dd, dd_between(s->dd, schema - 1, SPACE_UNKNOWN, 1));
	return dd_and(s->dd, root, plain(s, true));
}

uint32_t
reading_telling(struct space *s, enum reading_tells what)
{
	const struct domain *tables = &s->facts[FACT_TABLE];
	uint32_t var = s->fact_var[FACT_TABLE], root = DD_FALSE;

	for (size_t i = 0; i < COUNT_OF(telling) && var; i++) {
		uint32_t class = (uint32_t) partition_find(tables->strings, telling[i].table);

		if (what == READING_TELLS || telling[i].what == VALUES)
			root = dd_or(s->dd, root, dd_between(s->dd, var - 1, class + 1, class + 2));
	}
	return dd_and(s->dd, root, plain(s, true));
}

bool
reading_move_telling(struct space *s, struct witness *w, size_t kind, struct reading_place *p)
{
	const struct partition *tables = s->facts[FACT_TABLE].strings;
	size_t class = partition_find(tables, w->facts.v[FACT_TABLE].s);

	for (size_t i = 0; i < COUNT_OF(telling); i++) {
		if (partition_find(tables, telling[i].table) != class)
			continue;
		facts_string(&w->facts, FACT_TABLE, telling[i].table);
		facts_string(&w->facts, FACT_SCHEMA, SLICE_LIT("pg_catalog"));
		*p = (struct reading_place){SLICE_LIT("pg_catalog"), telling[i].name,
					    telling[i].column, reading_table(s, kind), true};
		return true;
	}
	return false;
}

uint32_t
reading_there(struct space *s, const struct elsewhere_relation *e)
{
	uint32_t var = s->fact_var[FACT_TABLE] - 1, class = (uint32_t) e->class;

	return dd_and(s->dd, plain(s, elsewhere_is_view(e)),
		      dd_between(s->dd, var, class + 1, class + 2));
}

uint32_t
reading_elsewhere(const struct diagram *g, size_t kind, enum elsewhere_use what)
{
	struct space *s = g->space;
	const struct elsewhere *e = elsewhere_of(s);
	uint32_t root = dd_without(s->dd, reading_unknown(s, kind), reading_refused(g, kind));

	for (size_t i = 0; i < e->n; i++) {
		uint32_t there;

		if (!elsewhere_has(s, &e->v[i], kind, what))
			continue;
		there = reading_there(s, &e->v[i]);
		if (elsewhere_is_view(&e->v[i]) ||
		    (what != ELSEWHERE_USED && what != ELSEWHERE_LOOKED_UP))
			there = dd_without(s->dd, there, reading_drops_there(g, &e->v[i]));
		root = dd_or(s->dd, root, there);
	}
	return root;
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

static int
strictest_at(const struct diagram *g, const struct witness *w, size_t kind, enum vm_entry by_row)
{
	const struct image *img = g->img;
	struct decision result, row;
	struct facts f;
	int best = -1;

	witness_facts(g->space, w, g->image, &f);
	vm_decide(img, ENTRY_RESULT, &f, &result);
	vm_decide(img, by_row, &f, &row);
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

int
reading_mask_at(const struct diagram *g, const struct witness *w, size_t kind)
{
	return strictest_at(g, w, kind, ENTRY_ROW);
}

int
reading_masked_at(const struct diagram *g, const struct witness *w, size_t kind)
{
	return strictest_at(g, w, kind, ENTRY_RESULT);
}

struct slice
reading_table(struct space *s, size_t kind)
{
	const struct column_kind *k = &s->columns.kinds[kind];

	return slice_str(
		arena_printf(s->arena, "%.*s.%.*s", SLICE_ARG(k->schema), SLICE_ARG(k->table)));
}

/* How little of its rows is shown: some of a table's that are dropped, none of such a view. */
static int
withheld(const struct space *s, const struct elsewhere_relation *e)
{
	for (size_t i = 0; i < s->n_images; i++)
		for (size_t k = 0; k < s->images[i]->n_rules; k++)
			if (elsewhere_drops(e, s->images[i], &s->images[i]->rules[k]))
				return elsewhere_is_view(e) ? 2 : 1;
	return 0;
}

void
reading_move(struct witness *w, const struct elsewhere_relation *e, struct reading_place *p)
{
	facts_string(&w->facts, FACT_TABLE, e->name);
	facts_string(&w->facts, FACT_SCHEMA, e->schema);
	p->schema = e->schema;
	p->table = e->relation->name;
	p->view = elsewhere_is_view(e);
}

/* Of the tables of its class that catalogs have one with such a column, or with it under another
 * name; rather one whose rows nothing drops, or that is a table. */
static bool
take_relation(struct space *s, struct witness *w, size_t kind, const enum elsewhere_use *what,
	      struct reading_place *p)
{
	const struct elsewhere *e = elsewhere_of(s);
	size_t class = partition_find(s->facts[FACT_TABLE].strings, w->facts.v[FACT_TABLE].s);
	const struct elsewhere_relation *best = NULL;
	int least = 0;

	for (size_t i = 0; i < e->n && (!best || least); i++)
		if (e->v[i].class == class &&
		    (what ? elsewhere_has(s, &e->v[i], kind, *what)
			  : elsewhere_own(s, &e->v[i], kind).n) &&
		    (!best || withheld(s, &e->v[i]) < least)) {
			best = &e->v[i];
			least = withheld(s, best);
		}
	if (best)
		reading_move(w, best, p);
	if (best && !what)
		p->column = elsewhere_own(s, best, kind);
	return best;
}

/* The way says that nothing is used of the data: so it is read under another name. */
static bool
is_unused(const struct space *s, const struct witness *w, size_t kind)
{
	bool asked = false;

	for (size_t i = 0; i < s->columns.n_data; i++)
		for (int c = 0; data_set_has(&s->columns.kinds[kind].data, i) && c < N_CONTEXTS;
		     c++) {
			uint32_t var = s->use_var[i][c];

			if (var && w->values[var - 1] != SPACE_UNUSED)
				return false;
			asked |= var > 0;
		}
	return asked;
}

/* In a table that the way names. */
static void
place_in(struct space *s, struct witness *w, size_t kind, enum elsewhere_use what,
	 struct reading_place *p)
{
	struct slice own = space_column_in(s, kind, w->facts.v[FACT_TABLE].s);
	bool has = own.n && !is_unused(s, w, kind);

	if (has && take_relation(s, w, kind, NULL, p)) {
		p->view = false;
		return;
	}
	if (!take_relation(s, w, kind, &what, p)) {
		p->column = has ? own : p->column;
		p->view = !has;
		if (has || (slice_is(p->schema, "pg_catalog") && reading_move_telling(s, w, kind, p)))
			return;
	}
	p->base = reading_table(s, kind);
}

/* No rule tells the witness's schema from this one. */
static bool
same_schema(const struct space *s, const struct witness *w, struct slice schema)
{
	const struct partition *p = s->facts[FACT_SCHEMA].strings;

	return partition_find(p, w->facts.v[FACT_SCHEMA].s) == partition_find(p, schema);
}

struct reading_place
reading_place(struct space *s, struct witness *w, size_t kind, enum elsewhere_use what)
{
	const struct column_kind *k = &s->columns.kinds[kind];
	const struct value *table = &w->facts.v[FACT_TABLE];
	bool asked = w->named >> FACT_TABLE & 1;
	const uint8_t *dot =
		table->known && asked ? memchr(table->s.p, '.', table->s.n) : NULL;
	struct reading_place p = {k->schema, k->table, k->column, {0}, false};

	if (s->fact_var[FACT_TABLE] && dot) {
		p.schema = slice_of(table->s.p, (size_t) (dot - table->s.p));
		p.table = slice_of(dot + 1, table->s.n - p.schema.n - 1);
		place_in(s, w, kind, what, &p);
		return p;
	}
	if (s->fact_var[FACT_SCHEMA] && w->facts.v[FACT_SCHEMA].known &&
	    (!same_schema(s, w, k->schema) || is_unused(s, w, kind))) {
		p = (struct reading_place){w->facts.v[FACT_SCHEMA].s, SLICE_LIT("things"),
					   k->column, reading_table(s, kind), true};
		facts_string(&w->facts, FACT_TABLE,
			     slice_str(arena_printf(s->arena, "%.*s.things",
						    SLICE_ARG(p.schema))));
		return p;
	}
	facts_string(&w->facts, FACT_SCHEMA, k->schema);
	facts_string(&w->facts, FACT_TABLE, reading_table(s, kind));
	return p;
}

/* The rule may speak of rows of the table: a pattern of its data may have a column there. */
static bool
drops_table(const struct image *img, const struct image_rule *r, struct slice table)
{
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;

	return r->kind == VM_DROP && dot &&
	       vm_rule_covers(img, r, slice_of(table.p, (size_t) (dot - table.p)),
			      slice_of(dot + 1, (size_t) (table.p + table.n - dot) - 1),
			      (struct slice){0});
}

/* It does speak of those of each table of the class that has a column of the kind. */
static bool
drops_class(const struct diagram *g, const struct image_rule *r, size_t kind, size_t class)
{
	struct space *s = g->space;
	struct slice table = s->facts[FACT_TABLE].values[class].s;
	const uint8_t *dot = table.n ? memchr(table.p, '.', table.n) : NULL;
	const struct elsewhere *e = elsewhere_of(s);
	bool any = false;

	for (size_t i = 0; i < e->n; i++) {
		if (e->v[i].class != class || !elsewhere_own(s, &e->v[i], kind).n)
			continue;
		if (!elsewhere_drops(&e->v[i], g->img, r))
			return false;
		any = true;
	}
	return any || (dot && !(e->known && e->known[class]) &&
		       names_table(g->img, r, slice_of(table.p, (size_t) (dot - table.p)),
				   slice_of(dot + 1, (size_t) (table.p + table.n - dot) - 1)));
}

uint32_t
reading_drops(const struct diagram *g, size_t kind)
{
	struct space *s = g->space;
	uint32_t var = s->fact_var[FACT_TABLE], root = DD_FALSE, own = reading_table_of(s, kind);
	struct dd *d = s->dd;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_rule *r = &g->img->rules[i];
		uint32_t where = DD_FALSE;

		if (r->kind != VM_DROP)
			continue;
		if (covers_kind(g, r, kind))
			where = own;
		for (uint32_t t = 0; var && where != own && t < s->facts[FACT_TABLE].n; t++)
			if (tables_of(s, kind)[t] && drops_class(g, r, kind, t))
				where = dd_or(d, where, dd_between(d, var - 1, t + 1, t + 2));
		root = dd_or(d, root, dd_and(d, where, g->match[ENTRY_ROW][i]));
	}
	return root;
}

uint32_t
reading_drop_tables(const struct diagram *g, size_t rule)
{
	struct space *s = g->space;
	const struct image_rule *r = &g->img->rules[rule];
	const struct elsewhere *e = elsewhere_of(s);
	uint32_t var = s->fact_var[FACT_TABLE], root = DD_FALSE;

	for (uint32_t t = 0; var && t < s->facts[FACT_TABLE].n; t++)
		if (s->facts[FACT_TABLE].possible[t] &&
		    drops_table(g->img, r, s->facts[FACT_TABLE].values[t].s))
			root = dd_or(s->dd, root, dd_between(s->dd, var - 1, t + 1, t + 2));
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].inherits && !elsewhere_is_view(&e->v[i]) &&
		    elsewhere_drops(&e->v[i], g->img, r))
			root = dd_or(s->dd, root, reading_there(s, &e->v[i]));
	return var ? root : DD_TRUE;
}

bool
reading_wants(const struct diagram *g, size_t rule, size_t column)
{
	for (size_t i = 0; i < g->img->n_row_columns; i++)
		if (g->img->rules[rule].row_columns >> i & 1 &&
		    g->space->row_of[g->image][i] == column)
			return true;
	return false;
}

struct reading_place
reading_dropped_place(struct space *s, struct witness *w)
{
	const struct elsewhere *e = elsewhere_of(s);
	struct slice table = w->facts.v[FACT_TABLE].s;
	const uint8_t *dot = memchr(table.p, '.', table.n);
	struct reading_place p = {.table = table};

	if (!dot)
		return p;
	p.schema = slice_of(table.p, (size_t) (dot - table.p));
	p.table = slice_of(dot + 1, table.n - p.schema.n - 1);
	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].inherits && e->v[i].class == partition_find(
				s->facts[FACT_TABLE].strings, table) &&
		    !elsewhere_is_view(&e->v[i]) && withheld(s, &e->v[i])) {
			reading_move(w, &e->v[i], &p);
			break;
		}
	return p;
}

int
reading_drop_at(const struct diagram *g, const struct witness *w, size_t kind)
{
	const struct domain *tables = &g->space->facts[FACT_TABLE];
	bool asked = g->space->fact_var[FACT_TABLE];
	size_t class = asked ? partition_find(tables->strings, w->facts.v[FACT_TABLE].s) : 0;
	struct decision row;
	struct facts f;

	witness_facts(g->space, w, g->image, &f);
	vm_decide(g->img, ENTRY_ROW, &f, &row);
	for (size_t i = 0; i < g->img->n_rules; i++) {
		const struct image_rule *r = &g->img->rules[i];

		if (r->kind == VM_DROP && decision_has(&row, i) &&
		    (covers_kind(g, r, kind) || (asked && drops_class(g, r, kind, class))))
			return (int) i;
	}
	return -1;
}
