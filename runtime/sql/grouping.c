/* SPDX-License-Identifier: MIT
 *
 * GROUP BY means a column by a name before it means an output. Could that be a column which nobody
 * knows of yet? Mostly not: grouped by that instead, the output would be computed of columns that
 * are not grouped, and the server would refuse the query. It would not where the output reads no
 * column but through an aggregate, where all that it reads is grouped beside it, or hangs on a
 * primary key that is; of one table alone that key would leave groups of one row.
 */
#include "sql/analyse.h"
#include "sql/functions.h"

#include <nodes/nodeFuncs.h>

enum { DEPTH_MAX = 100 };

struct items {
	const List *groups;
	unsigned n;
	const char *name; /* an item of this name is looked for */
	bool found;
	bool lost;
};

static void
look_at_items(struct items *in, const List *l, unsigned depth)
{
	const ListCell *lc;

	in->lost = in->lost || depth > DEPTH_MAX;
	if (in->lost)
		return;
	foreach (lc, l) {
		const Node *n = lfirst(lc);

		if (n && IsA(n, GroupingSet)) {
			look_at_items(in, ((const GroupingSet *)n)->content, depth + 1);
		} else if (n && IsA(n, RowExpr)) {
			look_at_items(in, ((const RowExpr *)n)->args, depth + 1);
		} else {
			const Node *last = n && IsA(n, ColumnRef)
						   ? llast(((const ColumnRef *)n)->fields)
						   : NULL;

			in->n++;
			in->found = in->found || !last || !IsA(last, String) ||
				    (in->name && strcmp(strVal(last), in->name) == 0);
		}
	}
}

/* Some column that n reads, as it is, no item of GROUP BY names. */
static bool
reads_ungrouped(Node *n, void *ctx)
{
	const struct items *all = ctx;
	struct items in = {.groups = all->groups};

	if (!n || IsA(n, SubLink))
		return false;
	if (IsA(n, FuncCall) &&
	    func_may_aggregate(slice_str(strVal(llast(((FuncCall *)n)->funcname)))))
		return false;
	if (!IsA(n, ColumnRef))
		return raw_expression_tree_walker(n, reads_ungrouped, ctx);
	if (!IsA(llast(((ColumnRef *)n)->fields), String))
		return false;
	in.name = strVal(llast(((ColumnRef *)n)->fields));
	look_at_items(&in, in.groups, 0);
	return !in.lost && !in.found;
}

bool
an_groups_output(const List *groups, Node *val, const struct scope *s)
{
	struct items in = {.groups = groups};

	/* Of a query further out the column may be as well. */
	for (const struct scope *at = s->outer; at; at = at->outer)
		if (at->rels.n)
			return false;
	look_at_items(&in, groups, 0);
	return !in.lost && (in.n == 1 || s->rels.n == 1) && reads_ungrouped(val, &in);
}
