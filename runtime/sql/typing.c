/* SPDX-License-Identifier: MIT
 *
 * A call comes before the calls that it is given the results of: they are looked at from the end.
 */
#include "sql/typing.h"

enum {
	APPLIES_MAX = 2000,   /* beyond, nobody waits for it */
	NAMES_MAX = 4000000,  /* compared, of columns and types */
	QUERIES_MAX = 16,     /* within each other, on the way of a column */
	AHEAD_MAX = 16,	      /* applies that others need before their turn */
};

/* What comes of an apply. */
struct given {
	bool done;
	struct overload_set result, left;
};

struct walk {
	const struct typing *t;
	const struct catalog_types *types;
	struct given *given; /* of applies[] */
	bool *own;	     /* by index in calls[] */
	unsigned depth; /* of applies that were not looked at in their turn */
	uint64_t names;
};

static void column_types(struct walk *w, const struct sql_use *u, struct overload_set *out,
			 unsigned depth);
static const struct given *given(struct walk *w, uint32_t apply);

enum found { FOUND_NOT, FOUND_SOMETHING, FOUND };

/* Adds to the set. */
static enum found
in_table(struct walk *w, uint32_t relation, struct slice name, struct overload_set *out)
{
	const struct catalog_relation *r = w->t->relations[relation];
	const struct catalog_column *c;

	/* Of a temporary table's columns only what domains are over is known. */
	if (!r || r->persistence == 't')
		return FOUND_SOMETHING;
	w->names += r->n_columns;
	c = catalog_column_named(r, name);
	if (!c)
		return FOUND_NOT;
	return c->type && overload_set_add(out, c->type) ? FOUND : FOUND_SOMETHING;
}

/* Of a sub-select whose columns are all named, and that one bare. */
static enum found
in_query(struct walk *w, const struct sql_query *q, struct slice name, struct overload_set *out,
	 unsigned depth)
{
	const struct sql_facts *f = w->t->facts;
	const struct sql_output *found = NULL;
	struct overload_set one = {0};

	if (q->kind != SQL_QUERY_SELECT || q->n_names)
		return FOUND_SOMETHING;
	w->names += q->n_outputs;
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];

		if (o->kind == SQL_OUTPUT_STAR || !o->name.n)
			return FOUND_SOMETHING;
		if (slice_eq(o->name, name))
			found = o;
	}
	if (!found)
		return FOUND_NOT;
	if (found->kind != SQL_OUTPUT_COLUMN || found->use < 0)
		return FOUND_SOMETHING;
	column_types(w, &f->uses[found->use], &one, depth + 1);
	for (uint32_t i = 0; i < one.n; i++)
		if (!overload_set_add(out, one.types[i]))
			return FOUND_SOMETHING;
	return one.n ? FOUND : FOUND_SOMETHING;
}

static enum found
in_relation(struct walk *w, uint32_t relation, struct slice name, struct overload_set *out,
	    unsigned depth)
{
	const struct sql_relation *r = &w->t->facts->relations[relation];

	if (r->renamed)
		return FOUND_SOMETHING;
	if (r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED)
		return in_table(w, relation, name, out);
	if ((r->kind == SQL_REL_SUBQUERY || r->kind == SQL_REL_CTE) && r->query >= 0)
		return in_query(w, &w->t->facts->queries[r->query], name, out, depth);
	return FOUND_SOMETHING;
}

/* Every table has them, and no catalog lists them. */
static bool
is_system_column(struct slice name)
{
	static const char *const names[] = {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

/* What a join merges may be of what domains on its sides are over. */
static void
add_bases(struct walk *w, struct overload_set *s)
{
	for (uint32_t i = s->n > 1 ? s->n : 0; i-- > 0;) {
		const struct catalog_type *t = catalog_type(w->types, s->types[i]);

		if (t && !overload_set_add(s, t->base))
			return;
	}
}

/* The column is one of the innermost level that has it; all of them there count. */
static void
column_types(struct walk *w, const struct sql_use *u, struct overload_set *out, unsigned depth)
{
	const struct sql_candidate *c = w->t->facts->candidates + u->candidates;
	uint32_t level = UINT32_MAX;

	out->n = 0;
	if (u->flags & (SQL_USE_STAR | SQL_USE_ROW | SQL_USE_AMBIGUOUS) || u->nth || !u->column.n ||
	    is_system_column(u->column) || depth > QUERIES_MAX)
		return;
	for (uint32_t k = 0; k < u->n_candidates; k++) {
		struct overload_set one = {0};
		enum found found = c[k].level > level || w->names > NAMES_MAX
					   ? FOUND_NOT
					   : in_relation(w, c[k].relation, u->column, &one, depth);

		if (found == FOUND_NOT)
			continue;
		if (c[k].level < level)
			out->n = 0;
		level = c[k].level;
		/* Once nobody knows, nobody knows. */
		if (found == FOUND_SOMETHING)
			one.n = 0;
		for (uint32_t i = 0; i < one.n; i++)
			if (!overload_set_add(out, one.types[i]))
				one.n = 0;
		if (!one.n) {
			out->n = 0;
			return;
		}
	}
	add_bases(w, out);
	if (w->names > NAMES_MAX)
		out->n = 0;
}

static void
named_type(struct walk *w, const struct sql_type *type, struct overload_set *out)
{
	w->names += w->types->n_types;
	for (size_t i = 0; w->names <= NAMES_MAX && i < w->types->n_types; i++) {
		const struct catalog_type *t = &w->types->types[i];
		uint32_t is = type->array ? t->array : t->oid;

		if (!slice_eq(t->name, type->name) ||
		    (type->schema.n && !slice_eq(t->schema, type->schema)))
			continue;
		if (!is || !overload_set_add(out, is)) {
			out->n = 0;
			return;
		}
	}
}

static void
parameter_types(const struct typing *t, const struct sql_value *v, struct overload_set *out)
{
	uint32_t type = v->of >= 1 && v->of <= t->n_parameters ? t->parameters[v->of - 1] : 0;

	if (!t->parameters_known)
		return;
	if (type && type != TYPE_OID_UNKNOWN)
		*out = (struct overload_set){1, {type}};
	else if (v->kind == SQL_VALUE_PARAMETER)
		*out = (struct overload_set){1, {TYPE_OID_UNKNOWN}};
}

static void
value_types(struct walk *w, const struct sql_value *v, struct overload_set *out)
{
	const struct sql_facts *f = w->t->facts;

	*out = (struct overload_set){0};
	switch (v->kind) {
	case SQL_VALUE_ANY: break;
	case SQL_VALUE_UNTYPED: *out = (struct overload_set){1, {TYPE_OID_UNKNOWN}}; break;
	case SQL_VALUE_INTEGER: *out = (struct overload_set){1, {TYPE_OID_INT4}}; break;
	case SQL_VALUE_NUMBER:
		*out = (struct overload_set){3, {TYPE_OID_INT4, TYPE_OID_INT8, TYPE_OID_NUMERIC}};
		break;
	case SQL_VALUE_BOOLEAN: *out = (struct overload_set){1, {TYPE_OID_BOOL}}; break;
	case SQL_VALUE_COLUMN: column_types(w, &f->uses[v->of], out, 0); break;
	case SQL_VALUE_TYPE: named_type(w, &f->types[v->of], out); break;
	case SQL_VALUE_RESULT: *out = given(w, v->of)->result; break;
	case SQL_VALUE_LEFT: *out = given(w, v->of)->left; break;
	case SQL_VALUE_PARAMETER:
	case SQL_VALUE_PARAMETER_AGAIN: parameter_types(w->t, v, out); break;
	}
}

static void
become_one(struct walk *w, const struct sql_apply *ap, struct given *out)
{
	const struct sql_facts *f = w->t->facts;
	struct common_type common = {.unknown = ap->n_values == SQL_APPLY_ANY};
	struct overload_set value, elements;

	for (uint32_t i = 0; !common.unknown && i < ap->n_values; i++) {
		value_types(w, &f->values[ap->values + i], &value);
		common_type_add(w->types, &common, &value);
	}
	common_type_get(&common, &elements);
	if (ap->kind == SQL_APPLY_COMMON)
		out->result = elements;
	else
		common_type_array(w->types, &elements, &out->result);
}

static bool
may_be_own(struct walk *w, const struct sql_apply *ap, struct given *out)
{
	enum { ARGUMENTS = 8 };
	const struct sql_facts *f = w->t->facts;
	const struct sql_call *call = &f->calls[ap->call];
	struct overload_set arguments[ARGUMENTS];
	uint32_t oids[OVERLOAD_CANDIDATES_MAX];
	struct overload_choice choice;
	uint32_t n = ap->n_values <= ARGUMENTS ? ap->n_values : SQL_APPLY_ANY;

	if (call->schema.n && !slice_is(call->schema, "pg_catalog"))
		return true;
	for (uint32_t i = 0; n != SQL_APPLY_ANY && i < n; i++)
		value_types(w, &f->values[ap->values + i], &arguments[i]);
	overload_choose(w->types, w->t->path, call->flags & SQL_CALL_OPERATOR ? 'o' : 'f',
			call->name, arguments, n, &choice, oids);
	out->result = choice.result;
	out->left = choice.left;
	if (w->t->chosen)
		w->t->chosen(w->t->ctx, ap, &choice, oids);
	return choice.own;
}

static void
look_at(struct walk *w, uint32_t apply)
{
	const struct sql_apply *ap = &w->t->facts->applies[apply];
	struct given *g = &w->given[apply];

	if (g->done)
		return;
	g->done = true; /* what needs itself gets nothing */
	if (ap->kind == SQL_APPLY_CALL)
		w->own[ap->call] |= may_be_own(w, ap, g);
	else
		become_one(w, ap, g);
}

/* Mostly it has been looked at: what a call is given comes behind it. */
static const struct given *
given(struct walk *w, uint32_t apply)
{
	static const struct given nothing;

	if (!w->given[apply].done && w->depth == AHEAD_MAX)
		return &nothing;
	w->depth++;
	look_at(w, apply);
	w->depth--;
	return &w->given[apply];
}

static const bool *
look(struct walk *w)
{
	const struct sql_facts *f = w->t->facts;

	w->types = catalog_types(w->t->catalog);
	if (!w->types->n_overloads || f->n_applies > APPLIES_MAX)
		return NULL;
	w->own = ARENA_ARRAY(w->t->arena, bool, f->n_calls + 1);
	w->given = ARENA_ARRAY(w->t->arena, struct given, f->n_applies + 1);
	for (uint32_t i = f->n_applies; i-- > 0;)
		look_at(w, i);
	return w->own;
}

const bool *
typing_own(const struct typing *t)
{
	return look(&(struct walk){.t = t});
}

/* ---- casts ----------------------------------------------------------------------------------- */

static bool
some_is_of(const struct walk *w, const struct overload_set *s, uint32_t wanted)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (catalog_type_is_of(w->types, s->types[i], wanted))
			return true;
	return false;
}

static bool
may_make(const struct walk *w, const struct catalog_cast *c, const struct overload_set *from,
	 const struct overload_set *to, bool own_types)
{
	enum { FIRST_NORMAL_OID = 16384 };

	if (!c->own || (to->n && !some_is_of(w, to, c->target)))
		return false;
	return from->n ? some_is_of(w, from, c->source)
		       : own_types || c->source < FIRST_NORMAL_OID;
}

const bool *
typing_casts(const struct typing *t, bool own_types)
{
	const struct catalog_types *types = catalog_types(t->catalog);
	struct walk w = {.t = t, .types = types};
	bool *out = NULL, own = false;

	for (size_t k = 0; k < types->n_casts; k++)
		own = own || types->casts[k].own;
	for (uint32_t i = 0; own && i < t->facts->n_types; i++) {
		const struct sql_type *type = &t->facts->types[i];
		struct overload_set from = {0}, to = {0};
		bool applied;

		if (!type->cast)
			continue;
		applied = type->from.kind == SQL_VALUE_RESULT || type->from.kind == SQL_VALUE_LEFT;
		if (applied && !w.given)
			(void)look(&w);
		named_type(&w, type, &to);
		if (!applied || w.given)
			value_types(&w, &type->from, &from);
		for (size_t k = 0; k < types->n_casts; k++) {
			if (!may_make(&w, &types->casts[k], &from, &to, own_types))
				continue;
			if (!out)
				out = ARENA_ARRAY(t->arena, bool, types->n_casts);
			out[k] = true;
		}
	}
	return out;
}
