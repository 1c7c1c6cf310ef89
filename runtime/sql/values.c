/* SPDX-License-Identifier: MIT
 *
 * Of what types the things are that functions and operators are given, as far as the text tells:
 * which of several functions of a name is meant hangs on that. What columns and results are of, the
 * reader finds in the catalog. Literals of one shape are of one kind here.
 */
#include "sql/analyse.h"

void
an_apply(struct analysis *a, uint32_t apply, const struct sql_value *values, uint32_t n)
{
	uint32_t first = a->values.n;

	for (uint32_t i = 0; n != SQL_APPLY_ANY && i < n; i++)
		*(struct sql_value *)an_push(a, &a->values, sizeof(*values)) = values[i];
	a->value = (struct sql_value){SQL_VALUE_RESULT, apply}; /* it may be among the values */
	if (a->status != SQL_OK)
		return;
	((struct sql_apply *)a->applies.p)[apply].values = first;
	((struct sql_apply *)a->applies.p)[apply].n_values = n;
}

/* A value of a kind that has one type adds nothing to one before it. */
static bool
repeats(struct sql_value v, struct sql_value before)
{
	return v.kind == before.kind && v.of == before.of && v.kind != SQL_VALUE_NUMBER;
}

void
an_values_add(struct an_values *l, struct sql_value v)
{
	if (l->n == SQL_APPLY_ANY || (l->n && repeats(v, l->v[l->n - 1])))
		return;
	if (l->n == COUNT_OF(l->v))
		l->n = SQL_APPLY_ANY;
	else
		l->v[l->n++] = v;
}

uint32_t
an_become(struct analysis *a, enum sql_apply_kind kind)
{
	*(struct sql_apply *)an_push(a, &a->applies, sizeof(struct sql_apply)) =
		(struct sql_apply){.kind = kind, .n_values = SQL_APPLY_ANY};
	return a->applies.n - 1;
}

static struct sql_value
of_type(struct analysis *a, struct slice schema, struct slice name, bool array)
{
	*(struct sql_type *)an_push(a, &a->types, sizeof(struct sql_type)) =
		(struct sql_type){.schema = schema, .name = name, .array = array};
	return (struct sql_value){SQL_VALUE_TYPE, a->types.n - 1};
}

static struct sql_value
named_value(struct analysis *a, const TypeName *t)
{
	int n = t ? list_length(t->names) : 0;

	if (n < 1 || n > 2 || t->setof || t->pct_type)
		return (struct sql_value){SQL_VALUE_ANY, 0};
	return of_type(a, n == 2 ? an_str(a, strVal(linitial(t->names))) : (struct slice){0},
		       an_str(a, strVal(llast(t->names))), t->arrayBounds != NIL);
}

/* Of type unknown is what is not declared. */
static struct sql_value
declared_value(struct analysis *a, const TypeName *t)
{
	if (t && t->names && strcmp(strVal(llast(t->names)), "unknown") == 0)
		return (struct sql_value){SQL_VALUE_ANY, 0};
	return named_value(a, t);
}

/* What is used once and of no declared type is to the server what a literal without a type is;
 * used again it is of the type that it was taken for before. */
struct sql_value
an_parameter_value(struct analysis *a, int number)
{
	bool once = number >= 1 && number <= 64 && !a->twice &&
		    !(a->params_again >> (number - 1) & 1);

	if (!a->preparing)
		return (struct sql_value){once ? SQL_VALUE_PARAMETER : SQL_VALUE_PARAMETER_AGAIN,
					  (uint32_t)number};
	if (number >= 1 && number <= list_length(a->declared))
		return declared_value(a, list_nth(a->declared, number - 1));
	return (struct sql_value){once ? SQL_VALUE_UNTYPED : SQL_VALUE_ANY, 0};
}

struct sql_value
an_constant_value(const A_Const *c)
{
	struct sql_value v = {SQL_VALUE_ANY, 0};

	if (c->isnull || IsA(&c->val, String))
		v.kind = SQL_VALUE_UNTYPED;
	else if (IsA(&c->val, Integer))
		v.kind = SQL_VALUE_INTEGER;
	else if (IsA(&c->val, Float))
		v.kind = SQL_VALUE_NUMBER;
	else if (IsA(&c->val, Boolean))
		v.kind = SQL_VALUE_BOOLEAN;
	return v;
}

struct sql_value
an_cast_value(struct analysis *a, const TypeName *t, struct sql_value from)
{
	struct sql_value to = named_value(a, t);
	struct sql_type *type;

	if (a->status != SQL_OK || to.kind != SQL_VALUE_TYPE)
		return to;
	type = &((struct sql_type *)a->types.p)[to.of];
	type->cast = true;
	type->from = from;
	return to;
}

struct sql_value
an_function_value(struct analysis *a, const SQLValueFunction *f)
{
	static const char *const types[] = {
		[SVFOP_CURRENT_DATE] = "date",
		[SVFOP_CURRENT_TIME] = "timetz",
		[SVFOP_CURRENT_TIME_N] = "timetz",
		[SVFOP_CURRENT_TIMESTAMP] = "timestamptz",
		[SVFOP_CURRENT_TIMESTAMP_N] = "timestamptz",
		[SVFOP_LOCALTIME] = "time",
		[SVFOP_LOCALTIME_N] = "time",
		[SVFOP_LOCALTIMESTAMP] = "timestamp",
		[SVFOP_LOCALTIMESTAMP_N] = "timestamp",
	};
	/* The others are a name each: of a role, a database, a schema. */
	const char *type = (size_t)f->op < COUNT_OF(types) ? types[f->op] : NULL;

	return of_type(a, SLICE_LIT("pg_catalog"), slice_str(type ? type : "name"), false);
}
