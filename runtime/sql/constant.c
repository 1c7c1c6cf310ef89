/* SPDX-License-Identifier: MIT
 *
 * Does a WHERE clause look at the row at all? `where true`, `where 1 = 1`, `where id = id`, `where
 * exists (select 1)` do not, and count as no WHERE. The answer errs towards "constant": an
 * unqualified name counts as the target's only where nothing else could own it. It is a guard
 * against accidents and cheap tricks, not a theorem prover: `id > 0 or id <= 0` passes.
 */
#include "sql/analyse.h"

#include <nodes/nodeFuncs.h>

struct reader {
	const char *schema, *name; /* how the target is reached; NULL: any column counts */
	bool others; /* sources besides the target, here or in an enclosing sub-select */
};

static bool
binds(const Node *n, const char *name)
{
	const Alias *alias = NULL;

	if (!n)
		return false;
	switch (nodeTag(n)) {
	case T_RangeVar:
		alias = ((const RangeVar *)n)->alias;
		if (!alias)
			return strcmp(((const RangeVar *)n)->relname, name) == 0;
		break;
	case T_RangeSubselect:
		alias = ((const RangeSubselect *)n)->alias;
		break;
	case T_JoinExpr:
		alias = ((const JoinExpr *)n)->alias;
		if (!alias)
			return binds(((const JoinExpr *)n)->larg, name) ||
			       binds(((const JoinExpr *)n)->rarg, name);
		break;
	default: /* functions and samples: assume they might */
		return true;
	}
	return alias && strcmp(alias->aliasname, name) == 0;
}

static bool
reads(Node *n, struct reader *r)
{
	if (!n)
		return false;
	if (IsA(n, ColumnRef)) {
		List *f = ((ColumnRef *)n)->fields;
		int k = list_length(f);

		if (!r->name)
			return true;
		if (k == 1)
			return !r->others && IsA(linitial(f), String);
		return IsA(list_nth(f, k - 2), String) &&
		       strcmp(strVal(list_nth(f, k - 2)), r->name) == 0;
	}
	if (IsA(n, SelectStmt) && r->name) {
		SelectStmt *s = (SelectStmt *)n;
		struct reader in = *r;
		ListCell *lc;

		foreach (lc, s->fromClause) {
			in.others = true;
			/* The target's name means something else in here. */
			if (binds(lfirst(lc), r->name))
				return false;
		}
		return raw_expression_tree_walker(n, reads, &in);
	}
	return raw_expression_tree_walker(n, reads, r);
}

static bool
literally_false(const Node *n)
{
	while (IsA(n, TypeCast))
		n = ((const TypeCast *)n)->arg;
	return IsA(n, A_Const) && !((const A_Const *)n)->isnull &&
	       IsA(&((const A_Const *)n)->val, Boolean) && !boolVal(&((const A_Const *)n)->val);
}

static bool
constant(Node *n, struct reader *r)
{
	ListCell *lc;

	if (IsA(n, BoolExpr)) {
		BoolExpr *b = (BoolExpr *)n;

		foreach (lc, b->args) {
			bool c = constant(lfirst(lc), r);

			if (b->boolop == OR_EXPR && c && !literally_false(lfirst(lc)))
				return true;
			if (b->boolop != OR_EXPR && !c)
				return false;
		}
		return b->boolop != OR_EXPR;
	}
	/* x = x, x <= x, x is not distinct from x: whatever the operator, it sees one value twice.
	 */
	if (IsA(n, A_Expr) && ((A_Expr *)n)->lexpr &&
	    equal(((A_Expr *)n)->lexpr, ((A_Expr *)n)->rexpr))
		return true;
	/* x in (..., x) */
	if (IsA(n, A_Expr) && ((A_Expr *)n)->kind == AEXPR_IN && IsA(((A_Expr *)n)->rexpr, List)) {
		foreach (lc, (List *)((A_Expr *)n)->rexpr) {
			if (equal(((A_Expr *)n)->lexpr, lfirst(lc)))
				return true;
		}
	}
	return !reads(n, r);
}

bool
an_constant(Node *n, const RangeVar *target, bool others)
{
	struct reader r = {.others = others};

	if (target) {
		r.schema = target->schemaname;
		r.name = target->alias ? target->alias->aliasname : target->relname;
	}
	return constant(n, &r);
}
