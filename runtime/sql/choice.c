/* SPDX-License-Identifier: MIT
 *
 * Expressions that give one of several values, which the server first makes of one type: CASE,
 * coalesce(), greatest() and least(), and the elements of ARRAY[]. Of what is compared in them only
 * CASE x WHEN y names an operator, which is looked up for each y.
 */
#include "sql/analyse.h"

void
an_become_list(struct analysis *a, enum sql_apply_kind kind, List *l, struct scope *s,
	       enum context in)
{
	uint32_t apply = an_become(a, kind);
	struct an_values values = {.n = 0};
	ListCell *lc;

	foreach (lc, l) {
		an_expr(a, lfirst(lc), s, in);
		an_values_add(&values, a->value);
	}
	an_apply(a, apply, values.v, values.n);
}

void
an_coalesce(struct analysis *a, CoalesceExpr *n, struct scope *s, enum context in)
{
	bool outer = a->coalesced;

	a->coalesced = outer || list_length(n->args) > 1;
	an_become_list(a, SQL_APPLY_COMMON, n->args, s, in);
	a->coalesced = outer;
}

/* What is compared with each WHEN: as it is, but a literal is text. */
static struct sql_value
compared(struct analysis *a, Node *n, struct scope *s, enum context in)
{
	uint32_t apply = an_become(a, SQL_APPLY_COMMON);

	an_expr(a, n, s, in);
	an_apply(a, apply, &a->value, 1);
	return a->value;
}

/* ELSE counts first for the type, also where there is none: it is NULL then. */
void
an_case(struct analysis *a, CaseExpr *c, struct scope *s, enum context in)
{
	uint32_t apply = an_become(a, SQL_APPLY_COMMON), equals = a->applies.n;
	struct an_values results = {{{SQL_VALUE_ANY, UINT32_MAX}}, 1};
	struct sql_value pair[2] = {{SQL_VALUE_ANY, 0}, {SQL_VALUE_ANY, 0}};
	ListCell *lc;

	foreach (lc, c->arg ? c->args : NIL)
		an_operator(a, "=", c->location);
	if (c->arg)
		pair[0] = compared(a, (Node *)c->arg, s, in);
	foreach (lc, c->args) {
		CaseWhen *w = lfirst(lc);

		an_expr(a, (Node *)w->expr, s, CONTEXT_PREDICATE);
		pair[1] = a->value;
		if (c->arg)
			an_apply(a, equals++, pair, 2);
		an_expr(a, (Node *)w->result, s, in);
		an_values_add(&results, a->value);
	}
	an_expr(a, (Node *)c->defresult, s, in);
	results.v[0] = c->defresult ? a->value : (struct sql_value){SQL_VALUE_UNTYPED, 0};
	an_apply(a, apply, results.v, results.n);
}

/* SYMMETRIC compares with both, either way. */
void
an_bounds(struct analysis *a, const A_Expr *e, struct scope *s, enum context ctx,
	  struct sql_value bounds[2])
{
	bool plain = (e->kind == AEXPR_BETWEEN || e->kind == AEXPR_NOT_BETWEEN) &&
		     IsA(e->rexpr, List) && list_length((List *)e->rexpr) == 2;

	bounds[0] = bounds[1] = (struct sql_value){SQL_VALUE_ANY, 0};
	if (!plain)
		an_expr(a, e->rexpr, s, ctx);
	for (int i = 0; plain && i < 2; i++) {
		an_expr(a, list_nth((List *)e->rexpr, i), s, ctx);
		bounds[i] = a->value;
	}
}
