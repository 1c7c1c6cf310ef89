/* SPDX-License-Identifier: MIT */
#include "compiler/witness.h"

#include "compiler/known.h"

static uint32_t
way_of(const struct space *s, const struct witness *w, enum fact f)
{
	return s->fact_var[f] ? w->values[s->fact_var[f] - 1] : DD_LEAF;
}

static bool
is_named(const struct witness *w, enum fact f)
{
	return w->named >> f & 1;
}

static uint32_t
some_class(const struct domain *d)
{
	uint32_t i = 0;

	if (d->possible[d->prefer])
		return d->prefer;
	while (i + 1 < d->n && !d->possible[i])
		i++;
	return i;
}

static void
fill_set(struct space *s, struct witness *w, enum fact f)
{
	const struct domain *d = &s->facts[f];
	struct slice *v = ARENA_ARRAY(s->arena, struct slice, d->n + 1);
	size_t n = 0;

	for (uint32_t i = 0; d->used && i < d->n; i++) {
		uint32_t has = w->values[s->member_var[f] - 1 + i];

		if (has != DD_LEAF)
			w->named |= UINT64_C(1) << f;
		if (has == 1)
			v[n++] = d->strings->classes[i].text;
	}
	/* Most effects that name columns name one. */
	if (n == 0 && f == FACT_COLUMNS && d->used &&
	    w->values[s->member_var[f] - 1 + d->prefer] == DD_LEAF)
		v[n++] = d->strings->classes[d->prefer].text;
	facts_set(&w->facts, f, v, n);
}

static void
fill_fact(struct space *s, struct witness *w, enum fact f)
{
	const struct domain *d = &s->facts[f];
	uint32_t way = way_of(s, w, f);

	if (way != DD_LEAF)
		w->named |= UINT64_C(1) << f;
	if (way == SPACE_UNKNOWN)
		facts_unknown(&w->facts, f);
	else if (fact_info[f].type == TYPE_SET)
		fill_set(s, w, f);
	else if (!d->used)
		space_usual(f, &w->facts.v[f]);
	else
		w->facts.v[f] = d->values[way == DD_LEAF ? some_class(d) : way - 1];
}

/* Some table of the schema. */
static struct slice
table_of(struct space *s, struct slice schema)
{
	const struct image_relation *r =
		schema.n ? known_first(s->images, s->n_images, schema) : NULL;

	return slice_str(arena_printf(s->arena, "%.*s.%.*s", SLICE_ARG(schema),
				      SLICE_ARG(r ? r->name : SLICE_LIT("things"))));
}

/* What follows from other facts where the way leaves it open. */
static void
fit_together(struct space *s, struct witness *w)
{
	const struct value *table = &w->facts.v[FACT_TABLE], *schema = &w->facts.v[FACT_SCHEMA];
	enum action a = (enum action) w->facts.v[FACT_ACTION].i;
	bool object = space_has_object(a);

	if (!is_named(w, FACT_SETTING) && !space_has_setting(a))
		facts_unknown(&w->facts, FACT_SETTING);
	if (!is_named(w, FACT_FUNCTION) && a != ACTION_SQL_CALL && a != ACTION_SQL_OPAQUE_FUNCTION)
		facts_unknown(&w->facts, FACT_FUNCTION);
	if (!is_named(w, FACT_SQL_WHERE))
		facts_bool(&w->facts, FACT_SQL_WHERE, space_has_where(a));
	if (!is_named(w, FACT_TABLE) && !is_named(w, FACT_SCHEMA) && !object) {
		facts_unknown(&w->facts, FACT_TABLE);
		facts_unknown(&w->facts, FACT_SCHEMA);
	} else if (!is_named(w, FACT_TABLE) && schema->known) {
		facts_string(&w->facts, FACT_TABLE, table_of(s, schema->s));
	} else if (!is_named(w, FACT_TABLE)) {
		facts_unknown(&w->facts, FACT_TABLE);
	} else if (!is_named(w, FACT_SCHEMA)) {
		const uint8_t *dot = table->known ? memchr(table->s.p, '.', table->s.n) : NULL;

		if (dot)
			facts_string(&w->facts, FACT_SCHEMA,
				     slice_of(table->s.p, (size_t) (dot - table->s.p)));
		else
			facts_unknown(&w->facts, FACT_SCHEMA);
	}
}

static uint32_t
use_of(const struct space *s, const struct witness *w, size_t data, size_t context)
{
	uint32_t var = s->use_var[data][context];

	return var ? w->values[var - 1] : DD_LEAF;
}

/* A column that is of this data, and of no other that is not used here for sure. */
static const struct column_kind *
column_for(const struct space *s, const struct witness *w, size_t data, size_t context)
{
	for (size_t i = 0; i < s->columns.n_kinds; i++) {
		const struct column_kind *k = &s->columns.kinds[i];
		bool fits = data_set_has(&k->data, data);

		for (size_t d = 0; d < s->columns.n_data && fits; d++) {
			uint32_t way = use_of(s, w, d, context);

			fits = !data_set_has(&k->data, d) || way == SPACE_USED || way == DD_LEAF;
		}
		if (fits)
			return k;
	}
	return NULL;
}

static void
fill_uses(struct space *s, struct witness *w)
{
	size_t max = s->columns.n_data * N_CONTEXTS, n = 0;
	struct data_use *uses = ARENA_ARRAY(s->arena, struct data_use, max + 1);

	w->facts.uses = uses;
	w->facts.uses_known = true;
	for (size_t x = 0; x < N_CONTEXTS; x++)
		for (size_t d = 0; d < s->columns.n_data; d++) {
			uint32_t way = use_of(s, w, d, x);
			const struct column_kind *k;

			w->uses_named |= way != DD_LEAF;
			if (way == SPACE_MAYBE_USED)
				w->facts.uses_known = false;
			if (way != SPACE_USED || !(k = column_for(s, w, d, x)))
				continue;
			uses[n++] = (struct data_use){.schema = k->schema,
						      .table = k->table,
						      .column = k->column,
						      .contexts = (uint16_t) (1u << x)};
		}
	w->facts.n_uses = n;
}

static void
fill_row(struct space *s, struct witness *w)
{
	struct row_value *rows = ARENA_ARRAY(s->arena, struct row_value, s->n_row_columns + 1);

	w->rows = rows;
	for (uint32_t i = 0; i < s->n_row_columns; i++) {
		uint32_t text = s->row_text_var[i] ? w->values[s->row_text_var[i] - 1] : DD_LEAF;
		uint32_t number = s->row_int_var[i] ? w->values[s->row_int_var[i] - 1] : DD_LEAF;

		if (number != DD_LEAF && number != SPACE_UNKNOWN) {
			rows[i].known = rows[i].is_int = true;
			rows[i].i = space_row_number(s, i, number - 1, text);
			rows[i].s =
				slice_str(arena_printf(s->arena, "%lld", (long long) rows[i].i));
		} else if (text != DD_LEAF && text != SPACE_UNKNOWN) {
			rows[i].known = true;
			rows[i].s = s->row_texts[i].strings->classes[text - 1].text;
		}
	}
}

bool
witness_find(struct space *s, uint32_t root, struct witness *w)
{
	*w = (struct witness){.values = ARENA_ARRAY(s->arena, uint32_t, s->n_vars + 1)};
	if (!dd_witness(s->dd, dd_and(s->dd, root, space_feasible(s)), w->values))
		return false;
	for (int f = 0; f < FACT_COUNT; f++)
		fill_fact(s, w, (enum fact) f);
	fit_together(s, w);
	fill_uses(s, w);
	fill_row(s, w);
	return true;
}

bool
witness_find_in(struct space *s, uint32_t root, struct arena *scratch, struct witness *w)
{
	struct arena *own = s->arena;
	bool found;

	(void) space_feasible(s); /* stays */
	s->arena = scratch;
	found = witness_find(s, root, w);
	s->arena = own;
	return found;
}

void
witness_facts(struct space *s, const struct witness *w, size_t image, struct facts *out)
{
	const struct image *img = s->images[image];
	struct row_value *row = ARENA_ARRAY(s->arena, struct row_value, img->n_row_columns + 1);

	*out = w->facts;
	for (size_t i = 0; i < img->n_row_columns; i++)
		row[i] = w->rows[s->row_of[image][i]];
	out->row = row;
}
