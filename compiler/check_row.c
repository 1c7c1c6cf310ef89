/* SPDX-License-Identifier: MIT
 *
 * Conditions over values of a row: `row.country = "DE"`. What type the column has is up to the
 * server, so the constant says how it is compared: text as text, whole numbers as numbers.
 */
#include "compiler/check_internal.h"

static const char prefix[] = "row.";

bool
check_is_row_name(const char *name)
{
	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && name[sizeof(prefix) - 1];
}

const char *
check_row_column(const struct expr *e)
{
	if (e->kind != X_NAME || !check_is_row_name(e->name))
		return NULL;
	return e->name + sizeof(prefix) - 1;
}

static struct cond *
row_test(struct check *c, enum opcode op, const char *column, uint32_t constant)
{
	struct cond *x = cond_test(c, op, FACT_COUNT, constant);
	size_t i;

	x->column = constant_string(c->constants, slice_str(column));
	c->reads.row = true;
	c->reads.protocols |= 1u << PROTOCOL_POSTGRES;
	for (i = 0; i < c->n_row_columns && c->row_columns[i] != x->column; i++)
		;
	if (i == VM_MAX_ROW_COLUMNS)
		diag_note(c->q,
			  diag(c->q, TOO_MANY_COLUMNS, c->p->name.at, VM_MAX_ROW_COLUMNS),
			  SPAN_NONE,
			  "'%s' is the one too many; a column of the table, or a view with one, "
			  "can hold what several conditions find out", column);
	else if (i == c->n_row_columns)
		c->row_columns[c->n_row_columns++] = x->column;
	return x;
}

static struct cond *
wrong_value(struct check *c, const struct expr *v)
{
	static const char *const names[] = {
		[X_BOOL] = "the order of booleans", [X_STRING] = "the order of texts",
		[X_DURATION] = "a duration",	    [X_SIZE] = "a size",
		[X_TIME] = "a time of day",	    [X_ADDRESS] = "an address",
		[X_SET] = "a set",		    [X_NAME] = "a word"};
	const char *what = v->kind < COUNT_OF(names) ? names[v->kind] : NULL;

	if (v->kind != X_ERROR)
		diag(c->q, ROW_VALUE, v->at, what ? what : "a condition");
	return cond_const(c, false);
}

/* The column equals one constant. Booleans are t and f, as the server writes them. */
static struct cond *
equals(struct check *c, const char *column, const struct expr *v)
{
	struct slice s = v->kind != X_BOOL ? v->string
			 : v->number	   ? SLICE_LIT("t")
					   : SLICE_LIT("f");

	if (v->kind == X_INT)
		return row_test(c, OP_ROW_EQ, column, constant_number(c->constants, v->number));
	if (v->kind != X_STRING && v->kind != X_BOOL)
		return wrong_value(c, v);
	return row_test(c, OP_ROW_IN, column, constant_strings(c->constants, &s, 1));
}

static struct cond *
ordered(struct check *c, const char *column, enum compare_op op, int64_t n)
{
	bool less = op == CMP_LT || op == CMP_GE;
	struct cond *x = row_test(c, less ? OP_ROW_LT : OP_ROW_LE, column,
				  constant_number(c->constants, n));

	return op == CMP_LT || op == CMP_LE ? x : cond_not(c, x);
}

struct cond *
check_row_compare(struct check *c, const struct expr *e, const struct expr *l,
		  const struct expr *r)
{
	static const enum compare_op turned[] = {[CMP_EQ] = CMP_EQ, [CMP_NE] = CMP_NE,
						 [CMP_LT] = CMP_GT, [CMP_LE] = CMP_GE,
						 [CMP_GT] = CMP_LT, [CMP_GE] = CMP_LE};
	const char *column = check_row_column(l);
	const struct expr *v = column ? r : l;
	enum compare_op op = column ? e->op : turned[e->op];
	struct cond *eq;

	if (!column)
		column = check_row_column(r);
	if (op == CMP_EQ || op == CMP_NE) {
		eq = equals(c, column, v);
		return op == CMP_EQ ? eq : cond_not(c, eq);
	}
	return v->kind == X_INT ? ordered(c, column, op, v->number) : wrong_value(c, v);
}

struct cond *
check_row_in(struct check *c, const struct expr *l, const struct expr *set)
{
	struct cond *any = cond_list(c, COND_OR);

	if (set->kind != X_SET)
		return wrong_value(c, set);
	for (const struct expr *i = set->l; i; i = i->next)
		cond_add(any, equals(c, check_row_column(l), check_value_of(c, i)));
	return any;
}

struct cond *
check_row_pattern(struct check *c, const char *column, struct slice glob)
{
	return row_test(c, OP_ROW_GLOB, column, constant_string(c->constants, glob));
}

struct cond *
check_row_regex(struct check *c, const char *column, uint32_t constant)
{
	return row_test(c, OP_ROW_REGEX, column, constant);
}

struct cond *
check_row_flag(struct check *c, const struct expr *e)
{
	struct expr yes = {.kind = X_BOOL, .number = 1, .at = e->at};

	return equals(c, check_row_column(e), &yes);
}
