/* SPDX-License-Identifier: MIT
 *
 * Which of several functions or operators of a name a call means is decided by PostgreSQL from the
 * types of its arguments, as sql/overload.c does it where they are known. Where they are not, there
 * is something else to go by: where an extension brings `=` or replace() for a type of its own,
 * that one can only be meant where something is of that type. The catalog says of which names that
 * is true (CATALOG_Q_FUNCTIONS, kinds F and O): each overload outside pg_catalog has a built-in
 * beside it that takes text wherever it takes a type of somebody's own, and the same types
 * elsewhere. Literals and parameters without a type are then text to the server
 * (func_select_candidate prefers the string category, and in it text), and two of equal types are
 * told apart by the search path, in which pg_catalog must come first.
 *
 * What remains to be shown of a statement is that nothing in it is of such a type: no column that
 * it names, no cast, no declared parameter, and no function but those of pg_catalog, which give
 * types of their own or those of their arguments.
 */
#include "gate/gate_internal.h"

#include "base/endian.h"
#include "sql/functions.h"
#include "sql/typing.h"

enum { FIRST_NORMAL_OID = 16384 };

void
gate_parameters_read(struct slice types, struct gate_parameters *out)
{
	*out = (struct gate_parameters){0};
	for (size_t i = 0; i < types.n / sizeof(uint32_t); i++) {
		uint32_t type = get_be32(types.p + i * sizeof(uint32_t));

		out->own = out->own || type >= FIRST_NORMAL_OID;
		if (type && i >= COUNT_OF(out->types))
			out->many = true;
		else if (type)
			out->n = (uint32_t)i + 1;
		if (type && i < COUNT_OF(out->types))
			out->types[i] = type;
	}
}

const struct gate_parameters *
gate_parameters_of(const struct gate_ask *ask, const struct sql_facts *f)
{
	static const struct gate_parameters none;

	if (f != ask->facts)
		return NULL;
	return ask->parameters ? ask->parameters : &none;
}

/* Of what EXECUTE or FETCH goes on with they may be of any type. */
static bool
own_parameters(const struct call_look *l)
{
	return l->parameters ? l->parameters->own : l->facts->max_param > 0;
}

static bool
begins_with_built_ins(const struct catalog_path *path)
{
	for (unsigned i = 0; path && !path->truncated && i < path->n; i++)
		if (!slice_is(path->schemas[i], "pg_temp"))
			return slice_is(path->schemas[i], "pg_catalog");
	return false;
}

/* A column of a type that is not PostgreSQL's; from column `from`. NULL: there is none. */
static const struct catalog_column *
own_column(const struct catalog_relation *r, uint32_t from)
{
	for (uint32_t i = from; i < r->n_columns; i++)
		if (!r->columns[i].dropped &&
		    (!r->columns[i].type || r->columns[i].type >= FIRST_NORMAL_OID))
			return &r->columns[i];
	return NULL;
}

/* Some use may be of it, under whatever name it goes further on: that would be given to it where it
 * is named first, or by a list of names. */
static bool
may_use(const struct sql_facts *f, const struct catalog_column *own)
{
	const uint32_t rows = SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN | SQL_USE_ROW_OR_COLUMN |
			      SQL_USE_AMBIGUOUS | SQL_USE_NATURAL;
	bool star = false, nth = false;

	for (uint32_t i = 0; i < f->n_uses; i++) {
		const struct sql_use *u = &f->uses[i];

		if (u->flags & rows || slice_eq(u->column, own->name))
			return true;
		if (u->flags & SQL_USE_STAR && u->context != CONTEXT_OUTPUT)
			return true;
		star = star || u->flags & SQL_USE_STAR;
		nth = nth || u->nth;
	}
	return f->n_names || (star && (nth || f->n_queries > 1));
}

static bool
uses_own_column(const struct sql_facts *f, const struct catalog_relation *r)
{
	const struct catalog_column *own = own_column(r, 0);

	for (; own; own = own_column(r, (uint32_t) own->attnum))
		if (may_use(f, own))
			return true;
	return false;
}

bool
call_is_foreign(const struct catalog *cat, const struct sql_call *c)
{
	bool schema = c->schema.n && !slice_is(c->schema, "pg_catalog");

	if (c->flags & SQL_CALL_OPERATOR)
		return schema;
	/* type(x) is a cast as well. */
	if (schema || (!c->schema.n && catalog_shadows(cat, 't', c->name)))
		return true;
	return c->flags & SQL_CALL_TYPE ? !catalog_shadows(cat, 'p', c->name)
					: !func_listed(c->name);
}

static bool
has_own_types(const struct catalog *cat, const struct sql_facts *f,
	      const struct catalog_relation *const *relations)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == SQL_KIND_PREPARE && f->max_param)
			return true; /* as it declares them */
	for (uint32_t i = 0; i < f->n_relations; i++)
		if ((f->relations[i].kind == SQL_REL_TABLE ||
		     f->relations[i].kind == SQL_REL_EXCLUDED) &&
		    (!relations[i] || uses_own_column(f, relations[i])))
			return true;
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (call_is_foreign(cat, &f->calls[i]))
			return true;
	return false;
}

bool
name_may_cast(const struct catalog *cat, char kind, struct slice name)
{
	return kind == 'f' && catalog_shadows(cat, 'n', name);
}

bool
name_is_taken(const struct catalog *cat, char kind, struct slice name)
{
	return catalog_shadows(cat, kind, name) || name_may_cast(cat, kind, name);
}

static struct typing
typing_of(const struct call_look *l)
{
	const struct gate_parameters *p = l->parameters;

	return (struct typing){.catalog = l->class->catalog->catalog,
			       .path = l->path,
			       .parameters_known = p && !p->many,
			       .parameters = p ? p->types : NULL,
			       .n_parameters = p ? p->n : 0,
			       .facts = l->facts,
			       .relations = l->relations,
			       .arena = l->arena};
}

const struct catalog_cast *
cast_in_doubt(struct call_look *l)
{
	const struct catalog *cat = l->class->catalog->catalog;
	const struct catalog_types *types = catalog_types(cat);
	struct typing t = typing_of(l);
	const bool *made;

	if (!types->n_casts)
		return NULL;
	made = l->facts->n_types ? typing_casts(&t, own_parameters(l) ||
						  has_own_types(cat, l->facts, l->relations))
				 : NULL;
	for (size_t k = 0; k < types->n_casts; k++) {
		const struct catalog_cast *c = &types->casts[k];

		if (c->own && ((made && made[k]) || cast_is_unasked(&t, c, own_parameters(l))) &&
		    !class_vouches(l->class, c->schema, c->function))
			return c;
	}
	return NULL;
}

static bool
means_built_in(struct call_look *l, const struct sql_call *call)
{
	struct typing t = typing_of(l);

	if (!l->typed)
		l->own = typing_own(&t);
	l->typed = true;
	return l->own && !l->own[call - l->facts->calls];
}

bool
call_is_built_in(struct call_look *l, const struct sql_call *call)
{
	const struct catalog *cat = l->class->catalog->catalog;

	if (call->schema.n || call->flags & SQL_CALL_TYPE)
		return false;
	return means_built_in(l, call) ||
	       (!own_parameters(l) &&
		catalog_shadows(cat, call->flags & SQL_CALL_OPERATOR ? 'O' : 'F', call->name) &&
		begins_with_built_ins(l->path) && !has_own_types(cat, l->facts, l->relations));
}
