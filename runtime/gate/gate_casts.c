/* SPDX-License-Identifier: MIT
 *
 * Casts that the server makes unasked: where a condition must be a boolean, a limit a number, an
 * argument what a function takes, the sides of a UNION of one type, a value what its column is.
 * These places are many, and what stands in them is of types that few know. But a cast needs both
 * of its types, and those of somebody's own have to come from somewhere: a column, a name, a row, a
 * parameter. Of casts between PostgreSQL's own types only a statement is safe that shows bare
 * columns. Casts by functions in C are an extension's, and no more is said of them.
 */
#include "gate/gate_internal.h"

#include "sql/typing.h"

enum { FIRST_NORMAL_OID = 16384 };

/* A SELECT of one query: what stands bare in its list goes out as it is. */
static bool
is_plain(const struct sql_facts *f)
{
	return f->n_stmts == 1 && f->n_queries == 1 && f->stmts[0].kind == SQL_KIND_QUERY;
}

/* It does nothing but show columns. */
static bool
is_bare(const struct sql_facts *f)
{
	bool bare = is_plain(f) && !f->n_calls && !f->n_types && !f->max_param;

	for (uint32_t i = 0; bare && i < f->n_uses; i++)
		bare = f->uses[i].context == CONTEXT_OUTPUT;
	for (uint32_t i = 0; bare && i < f->n_outputs; i++)
		bare = f->outputs[i].kind == SQL_OUTPUT_COLUMN ||
		       f->outputs[i].kind == SQL_OUTPUT_STAR;
	return bare;
}

static bool
is_used(const struct sql_facts *f, struct slice column)
{
	bool plain = is_plain(f);

	for (uint32_t i = 0; i < f->n_uses; i++) {
		const struct sql_use *u = &f->uses[i];

		if (plain && u->context == CONTEXT_OUTPUT)
			continue;
		if (u->flags & (SQL_USE_STAR | SQL_USE_AMBIGUOUS) || u->nth ||
		    slice_eq(u->column, column))
			return true;
	}
	return f->n_names > 0;
}

static bool
is_written(const struct sql_facts *f, uint32_t relation, struct slice column)
{
	for (uint32_t i = 0; i < f->n_effects; i++) {
		const struct sql_effect *e = &f->effects[i];
		bool same = (uint32_t)e->relation == relation;

		if (e->relation < 0)
			same = !e->object.n || slice_eq(e->object, f->relations[relation].name);
		if (!same || e->action == ACTION_SQL_SELECT || e->action == ACTION_SQL_DELETE)
			continue;
		if (e->flags & SQL_EFFECT_STAR)
			return true;
		for (uint32_t k = 0; k < e->n_columns; k++)
			if (slice_eq(e->columns[k], column))
				return true;
	}
	return false;
}

static bool
column_gives(const struct typing *t, uint32_t relation, uint32_t type)
{
	const struct catalog_types *types = catalog_types(t->catalog);
	const struct catalog_relation *r = t->relations[relation];

	if (!r)
		return true;
	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct catalog_column *c = &r->columns[i];

		/* A row's, which is not listed, may hold anything. */
		if (!c->dropped &&
		    (!catalog_type(types, c->type) || catalog_type_is_of(types, c->type, type)) &&
		    (is_used(t->facts, c->name) ||
		     (t->facts->relations[relation].target &&
		      is_written(t->facts, relation, c->name))))
			return true;
	}
	return false;
}

static bool
has_rows(const struct sql_facts *f)
{
	const uint32_t rows = SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN | SQL_USE_ROW_OR_COLUMN;

	for (uint32_t i = 0; i < f->n_uses; i++)
		if (f->uses[i].flags & rows)
			return true;
	return false;
}

/* Something in the statement may be of the type. */
static bool
is_there(const struct typing *t, uint32_t type)
{
	const struct catalog *cat = t->catalog;
	const struct sql_facts *f = t->facts;

	if (type < FIRST_NORMAL_OID)
		return true;
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == SQL_KIND_PREPARE && f->max_param)
			return true; /* as it declares them */
	if (!catalog_type(catalog_types(cat), type) && has_rows(f))
		return true;
	for (uint32_t i = 0; i < f->n_relations; i++)
		if ((f->relations[i].kind == SQL_REL_TABLE ||
		     f->relations[i].kind == SQL_REL_EXCLUDED) && column_gives(t, i, type))
			return true;
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (call_is_foreign(cat, &f->calls[i]))
			return true;
	return false;
}

bool
cast_is_unasked(const struct typing *t, const struct catalog_cast *c, bool own_parameters)
{
	return c->unasked && !is_bare(t->facts) && (t->facts->n_queries || t->facts->n_calls) &&
	       (own_parameters || (is_there(t, c->source) && is_there(t, c->target)));
}
