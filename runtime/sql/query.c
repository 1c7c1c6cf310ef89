/* SPDX-License-Identifier: MIT
 *
 * SELECT and the statements that change rows: which expressions stand where, which effects follow,
 * and what each output passes on.
 */
#include "sql/analyse.h"

/* The target's rows come back (RETURNING): that is reading it. */
static void
read_target(struct analysis *a, const RangeVar *rv, uint32_t relation)
{
	struct sql_effect *e = an_effect_var(a, ACTION_SQL_SELECT, rv);

	e->relation = (int32_t)relation;
	e->flags |= SQL_EFFECT_WHERE;
}

static uint32_t
where_flags(struct analysis *a, Node *where, const RangeVar *target, bool others)
{
	if (!where || a->status != SQL_OK)
		return 0;
	if (IsA(where, CurrentOfExpr))
		return SQL_EFFECT_WHERE | SQL_EFFECT_CURRENT_OF;
	return SQL_EFFECT_WHERE |
	       (an_constant(where, target, others) ? SQL_EFFECT_WHERE_CONSTANT : 0u);
}

static void
mark_reads(struct analysis *a, const struct scope *s, uint32_t flags)
{
	const struct scope_rel *r = s->rels.p;

	if (a->status != SQL_OK)
		return;
	for (uint32_t i = 0; i < s->rels.n; i++) {
		if (r[i].effect)
			((struct sql_effect *)a->effects.p)[r[i].effect - 1].flags |= flags;
	}
}

/* ---- select lists and what refers to them ---- */

int32_t
an_slot(struct analysis *a)
{
	an_push(a, &a->queries, sizeof(struct sql_query));
	return a->status == SQL_OK ? (int32_t)a->queries.n - 1 : 0;
}

static struct sql_query *
query_at(struct analysis *a, int32_t query)
{
	static _Thread_local struct sql_query none;

	return a->status == SQL_OK && query >= 0 ? &((struct sql_query *)a->queries.p)[query]
						 : &none;
}

uint32_t
an_outputs(struct analysis *a, int32_t query, int n)
{
	uint32_t first = a->outputs.n;

	if (query < 0)
		return 0;
	for (int i = 0; i < n; i++)
		*(struct sql_output *)an_push(a, &a->outputs, sizeof(struct sql_output)) =
			(struct sql_output){.kind = SQL_OUTPUT_OTHER, .use = -1, .query = -1};
	*query_at(a, query) = (struct sql_query){
		.kind = SQL_QUERY_SELECT, .outputs = first, .n_outputs = (uint32_t)n};
	return first;
}

/* Column number n of a result as a key. */
static void
nth_result(struct analysis *a, int n, enum context ctx, int32_t query)
{
	struct scope s = {0};
	struct sql_use *u;

	an_result(a, &s, SQL_REL_SUBQUERY, query);
	u = an_use(a, ctx, 0, -1);
	u->nth = (uint32_t)n;
	an_use_relations(a, u, &s, 0, s.rels.n);
}

/* x.* and (x).*: in VALUES as in a select list, any number of columns. */
static bool
is_star(const Node *n)
{
	return n && ((IsA(n, ColumnRef) && IsA(llast(((const ColumnRef *)n)->fields), A_Star)) ||
		     (IsA(n, A_Indirection) &&
		      IsA(llast(((const A_Indirection *)n)->indirection), A_Star)));
}

/* One output: what it passes on when it is bare, else which uses it is computed from. */
static struct sql_output
output(struct analysis *a, Node *val, struct scope *s, enum context ctx, int32_t query)
{
	struct sql_output o = {.kind = SQL_OUTPUT_OTHER, .use = -1, .query = -1, .uses = a->uses.n};
	SubLink *l = (SubLink *)val;

	if (val && IsA(val, ColumnRef)) {
		Node *last = llast(((ColumnRef *)val)->fields);

		o.kind = IsA(last, A_Star) ? SQL_OUTPUT_STAR : SQL_OUTPUT_COLUMN;
		o.use = an_column_ref(a, (ColumnRef *)val, s, ctx, 0);
		a->value = (struct sql_value){SQL_VALUE_ANY, 0};
		if (o.kind == SQL_OUTPUT_COLUMN) {
			o.name = an_str(a, strVal(last));
			a->value = (struct sql_value){SQL_VALUE_COLUMN, (uint32_t)o.use};
		}
	} else if (val && IsA(val, SubLink) && l->subLinkType == EXPR_SUBLINK && query >= 0 &&
		   ctx == CONTEXT_OUTPUT) {
		uint32_t given = an_become(a, SQL_APPLY_COMMON);

		o.kind = SQL_OUTPUT_QUERY;
		o.query = an_slot(a);
		an_query(a, l->subselect, s, ctx, o.query);
		an_apply(a, given, &a->selected, 1);
	} else {
		if (is_star(val))
			o.kind = SQL_OUTPUT_STAR;
		o.derives = ctx == CONTEXT_OUTPUT && query >= 0 && an_derives(a, val);
		a->derives = o.derives;
		if (o.derives)
			o.name = an_str(a, an_own_name(val));
		an_expr(a, val, s, ctx);
		a->derives = false;
	}
	o.n_uses = a->uses.n - o.uses;
	return o;
}

static void
target_list(struct analysis *a, List *targets, struct scope *s, enum context ctx, int32_t query)
{
	uint32_t at = an_outputs(a, query, list_length(targets));
	ListCell *lc;

	foreach (lc, targets) {
		ResTarget *t = lfirst(lc);
		struct sql_output o = output(a, t->val, s, ctx, query);

		if (t->name)
			o.name = an_str(a, t->name);
		if (query >= 0 && a->status == SQL_OK)
			((struct sql_output *)a->outputs.p)[at++] = o;
	}
}

/* Output column number n again, as a key. Positions after a star only the columns tell: then it may
 * be any of them. */
static void
nth_target(struct analysis *a, List *targets, int n, struct scope *s, enum context ctx,
	   int32_t query)
{
	bool star = false;
	uint32_t from = a->uses.n;
	ListCell *lc;

	a->literal_dependent = true;
	foreach (lc, targets)
		star |= is_star(((ResTarget *)lfirst(lc))->val);
	if (star)
		target_list(a, targets, s, ctx, -1);
	else if (n >= 1 && n <= list_length(targets))
		an_expr(a, ((ResTarget *)list_nth(targets, n - 1))->val, s, ctx);
	if (!star || query < 0 || n < 1 || a->status != SQL_OK)
		return;
	for (uint32_t i = from; i < a->uses.n; i++)
		((struct sql_use *)a->uses.p)[i].flags |= SQL_USE_MAYBE;
	nth_result(a, n, ctx, query);
}

static Node *
aliased(List *targets, const ColumnRef *c)
{
	ListCell *lc;

	if (list_length(c->fields) != 1 || !IsA(linitial(c->fields), String))
		return NULL;
	foreach (lc, targets) {
		ResTarget *t = lfirst(lc);

		if (t->name && strcmp(t->name, strVal(linitial(c->fields))) == 0)
			return t->val;
	}
	return NULL;
}

/* What the items of a clause may name. */
struct keys {
	List *targets;
	const List *groups;
	enum context context;
	int32_t query;
};

/* GROUP BY looks for a column first. groups: all of its items. */
static uint32_t
output_first(enum context ctx, const List *groups, Node *val, const struct scope *s)
{
	return ctx != CONTEXT_GROUP || an_groups_output(groups, val, s) ? SQL_USE_OUTPUT : 0;
}

/* The key's own uses are those from `from` on: does an output without AS have its name? */
static void
mark_output(struct analysis *a, const ColumnRef *c, const struct keys *k, const struct scope *s,
	    uint32_t from)
{
	const char *name = strVal(llast(c->fields));
	uint32_t flag = 0;
	ListCell *lc;

	foreach (lc, k->targets) {
		const ResTarget *t = lfirst(lc);

		if (!t->name && strcmp(an_own_name(t->val), name) == 0)
			flag |= output_first(k->context, k->groups, t->val, s);
	}
	for (uint32_t i = from; flag && i < a->uses.n && a->status == SQL_OK; i++)
		((struct sql_use *)a->uses.p)[i].flags |= flag;
}

/* An output has a name without AS as well, and a key means it before any column: of a sub-select
 * the result's columns tell which, and `upper(x)` is called upper. */
static void
named_by_itself(struct analysis *a, List *targets, const ColumnRef *c, enum context ctx,
		int32_t query)
{
	const char *name = strVal(llast(c->fields));
	struct scope s = {0};
	struct sql_use *u;
	bool any = false;
	ListCell *lc;

	foreach (lc, targets) {
		const ResTarget *t = lfirst(lc);
		const List *fields =
			t->val && IsA(t->val, ColumnRef) ? ((ColumnRef *)t->val)->fields : NIL;

		any |= !t->name && t->val && IsA(t->val, SubLink);
		any |= !t->name && !fields && strcmp(an_own_name(t->val), name) == 0;
		any |= !t->name && list_length(fields) > 1 && IsA(llast(fields), String) &&
		       strcmp(strVal(llast(fields)), name) == 0;
	}
	if (!any || query < 0)
		return;
	an_result(a, &s, SQL_REL_SUBQUERY, query);
	u = an_use(a, ctx, SQL_USE_OPTIONAL | SQL_USE_OUTPUT, c->location);
	u->column = an_str(a, name);
	an_use_relations(a, u, &s, 0, s.rels.n);
}

/* What GROUP BY takes apart, so that each of its items is a key: grouping sets, and (a, b) where it
 * is not ROW(a, b). */
static List *
key_items(Node *n, enum context ctx)
{
	if (n && IsA(n, GroupingSet))
		return ((GroupingSet *)n)->content;
	if (n && IsA(n, RowExpr) && ctx == CONTEXT_GROUP &&
	    ((RowExpr *)n)->row_format == COERCE_IMPLICIT_CAST)
		return ((RowExpr *)n)->args;
	return NIL;
}

/* An item of ORDER BY, GROUP BY or DISTINCT ON: an ordinal, an output's name, or an expression. An
 * output's name, which must be all of the item, comes first, but in GROUP BY a column's does. */
static void
key(struct analysis *a, Node *n, const struct keys *k, struct scope *s)
{
	enum context ctx = k->context;
	List *items = key_items(n, ctx);
	uint32_t from = a->uses.n;
	ListCell *lc;
	Node *val;

	if (items) {
		if (an_enter(a)) {
			foreach (lc, items)
				key(a, lfirst(lc), k, s);
		}
		an_leave(a);
	} else if (n && IsA(n, A_Const) && !((A_Const *)n)->isnull &&
		   IsA(&((A_Const *)n)->val, Integer)) {
		nth_target(a, k->targets, intVal(&((A_Const *)n)->val), s, ctx, k->query);
	} else if (n && IsA(n, ColumnRef) && (val = aliased(k->targets, (ColumnRef *)n))) {
		an_expr(a, val, s, ctx);
		if (ctx != CONTEXT_ORDER)
			an_column_ref(a, (ColumnRef *)n, s, ctx,
				      SQL_USE_OPTIONAL | output_first(ctx, k->groups, val, s));
	} else {
		an_expr(a, n, s, ctx);
		if (n && IsA(n, ColumnRef) && list_length(((ColumnRef *)n)->fields) == 1 &&
		    IsA(linitial(((ColumnRef *)n)->fields), String)) {
			mark_output(a, (ColumnRef *)n, k, s, from);
			named_by_itself(a, k->targets, (ColumnRef *)n, ctx, k->query);
		}
	}
}

/* FOR UPDATE and its kin: of which relations, a policy cannot tell by alias, so of all read here.
 */
static void
locking(struct analysis *a, List *clauses, const struct scope *s)
{
	const struct scope_rel *r = s->rels.p;
	bool any = false;

	for (uint32_t i = 0; clauses && i < s->rels.n && a->status == SQL_OK; i++) {
		struct sql_relation rel = ((struct sql_relation *)a->relations.p)[r[i].relation];
		struct sql_effect *e;

		if (rel.kind != SQL_REL_TABLE)
			continue;
		e = an_effect(a, ACTION_SQL_LOCK, -1);
		e->schema = rel.schema;
		e->object = rel.name;
		e->relation = (int32_t)r[i].relation;
		any = true;
	}
	if (clauses && !any)
		an_effect(a, ACTION_SQL_LOCK, -1);
}

/* ---- SELECT ---- */

static void
limits(struct analysis *a, SelectStmt *n, struct scope *s)
{
	an_expr(a, n->limitCount, s, CONTEXT_PREDICATE);
	an_expr(a, n->limitOffset, s, CONTEXT_PREDICATE);
}

/* What an arm's values are: compared with others, unless all rows of both are wanted. */
static enum context
arm(const SelectStmt *n, enum context out, int32_t query)
{
	if (n->op != SETOP_UNION || !n->all)
		return CONTEXT_DISTINCT;
	return query < 0 && out == CONTEXT_OUTPUT ? CONTEXT_EXPRESSION : out;
}

/* ORDER BY of a set operation or VALUES: its result's names and ordinals. */
static void
result_order(struct analysis *a, List *sort, struct scope *outer, enum sql_relation_kind kind,
	     int32_t query)
{
	struct scope s = {.outer = outer};
	ListCell *lc;

	an_sort_operators(a, sort);
	if (!sort || query < 0)
		return;
	an_result(a, &s, kind, query);
	foreach (lc, sort) {
		Node *k = ((SortBy *)lfirst(lc))->node;

		if (k && IsA(k, A_Const) && !((A_Const *)k)->isnull &&
		    IsA(&((A_Const *)k)->val, Integer)) {
			a->literal_dependent = true;
			nth_result(a, intVal(&((A_Const *)k)->val), CONTEXT_ORDER, query);
		} else {
			an_expr(a, k, &s, CONTEXT_ORDER);
		}
	}
}

static void
set_operation(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out,
	      int32_t query)
{
	enum context ctx = arm(n, out, query);
	int32_t left = query >= 0 ? an_slot(a) : -1, right = query >= 0 ? an_slot(a) : -1;
	uint32_t both = an_become(a, SQL_APPLY_COMMON);
	struct sql_value sides[2];
	ListCell *lc;

	an_query(a, (Node *)n->larg, outer, ctx, left);
	sides[0] = a->selected;
	an_query(a, (Node *)n->rarg, outer, ctx, right);
	sides[1] = a->selected;
	*query_at(a, query) = (struct sql_query){
		.kind = SQL_QUERY_UNION, .left = (uint32_t)left, .right = (uint32_t)right};
	/* Nobody sees the rows, and no output of the arms is bare. */
	foreach (lc, query < 0 ? n->sortClause : NIL) {
		Node *k = ((SortBy *)lfirst(lc))->node;

		if (!IsA(k, ColumnRef))
			an_expr(a, k, NULL, CONTEXT_ORDER);
	}
	result_order(a, n->sortClause, outer, SQL_REL_SUBQUERY, query);
	limits(a, n, outer);
	if (n->lockingClause)
		an_effect(a, ACTION_SQL_LOCK, -1);
	an_apply(a, both, sides, 2);
	a->selected = a->value;
}

static bool
passes(const Node *n)
{
	return n && ((IsA(n, ColumnRef) && !is_star(n)) ||
		     (IsA(n, SubLink) && ((const SubLink *)n)->subLinkType == EXPR_SUBLINK));
}

static void
values_rows(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, int32_t query)
{
	int cells = 0;
	bool star = false;
	uint32_t at;
	ListCell *row, *lc;

	/* Thousands of rows of constants are common: only what could pass a column on is kept. */
	foreach (row, n->valuesLists) {
		foreach (lc, (List *)lfirst(row)) {
			cells += passes(lfirst(lc));
			star |= is_star(lfirst(lc));
		}
	}
	at = an_outputs(a, query, star ? 1 : cells);
	foreach (row, n->valuesLists) {
		uint32_t column = 0;

		foreach (lc, (List *)lfirst(row)) {
			struct sql_output o;

			if (star || !passes(lfirst(lc))) {
				an_expr(a, lfirst(lc), outer,
					out == CONTEXT_OUTPUT ? CONTEXT_EXPRESSION : out);
			} else {
				o = output(a, lfirst(lc), outer, out, query);
				o.column = column;
				if (a->status == SQL_OK)
					((struct sql_output *)a->outputs.p)[at++] = o;
			}
			column++;
		}
	}
	if (a->status != SQL_OK)
		return;
	/* A row that takes other rows apart has columns of its own number: nothing may pass. */
	if (star) {
		((struct sql_output *)a->outputs.p)[at].kind = SQL_OUTPUT_STAR;
		return;
	}
	query_at(a, query)->kind = SQL_QUERY_VALUES;
	query_at(a, query)->width =
		n->valuesLists ? (uint32_t)list_length(linitial(n->valuesLists)) : 0;
}

static void
values(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, int32_t query)
{
	enum context ctx = out == CONTEXT_OUTPUT || out == CONTEXT_COUNT ? CONTEXT_EXPRESSION : out;
	ListCell *lc;

	if (query >= 0) {
		values_rows(a, n, outer, out, query);
	} else {
		foreach (lc, n->valuesLists)
			an_expr_list(a, lfirst(lc), outer, ctx);
		foreach (lc, n->sortClause)
			an_expr(a, ((SortBy *)lfirst(lc))->node, outer, CONTEXT_ORDER);
	}
	result_order(a, n->sortClause, outer, SQL_REL_VALUES, query);
	limits(a, n, outer);
}

static void
into(struct analysis *a, const IntoClause *i)
{
	an_effect_table(a, i->rel, i->onCommit);
	an_effect_var(a, ACTION_SQL_INSERT, i->rel)->flags |= SQL_EFFECT_STAR;
}

static void
plain_select(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out,
	     int32_t query)
{
	const SelectStmt *around = a->select;
	struct scope s = {.outer = outer};
	enum context ctx = out;
	struct sql_value selected = {SQL_VALUE_ANY, 0};
	const struct keys distinct = {n->targetList, NIL, CONTEXT_DISTINCT, query};
	const struct keys group = {n->targetList, n->groupClause, CONTEXT_GROUP, query};
	const struct keys order = {n->targetList, NIL, CONTEXT_ORDER, query};
	ListCell *lc;

	an_sort_operators(a, n->sortClause);
	if (n->intoClause) {
		into(a, n->intoClause);
		ctx = CONTEXT_WRITE_SOURCE;
	} else if (n->distinctClause && out != CONTEXT_WRITE_SOURCE) {
		ctx = CONTEXT_DISTINCT;
	}
	an_from(a, &s, n->fromClause);
	an_prove(a, n);
	a->select = n;
	target_list(a, n->targetList, &s, ctx, query);
	selected = list_length(n->targetList) == 1 ? a->value : selected;
	a->select = around;
	foreach (lc, n->distinctClause) {
		if (lfirst(lc))
			key(a, lfirst(lc), &distinct, &s);
	}
	an_where(a, n->whereClause, &s);
	mark_reads(a, &s, where_flags(a, n->whereClause, NULL, false));
	foreach (lc, n->groupClause)
		key(a, lfirst(lc), &group, &s);
	an_expr(a, n->havingClause, &s, CONTEXT_PREDICATE);
	foreach (lc, n->windowClause)
		an_window(a, lfirst(lc), &s);
	foreach (lc, n->sortClause)
		key(a, ((SortBy *)lfirst(lc))->node, &order, &s);
	limits(a, n, &s);
	locking(a, n->lockingClause, &s);
	a->selected = selected;
}

static void
select_stmt(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, int32_t query)
{
	an_with(a, n->withClause, outer);
	if (n->op != SETOP_NONE)
		set_operation(a, n, outer, out, query);
	else if (n->valuesLists)
		values(a, n, outer, out, query);
	else
		plain_select(a, n, outer, out, query);
}

/* ---- INSERT, UPDATE, DELETE, MERGE ---- */

static void
written(struct analysis *a, struct sql_effect *e, List *targets)
{
	ListCell *lc;

	foreach (lc, targets)
		an_column(a, e, an_str(a, ((ResTarget *)lfirst(lc))->name));
	if (!targets)
		e->flags |= SQL_EFFECT_STAR;
}

static void
returning(struct analysis *a, List *l, struct scope *s, const RangeVar *rv, uint32_t relation,
	  enum context out, int32_t query)
{
	if (!l)
		return;
	read_target(a, rv, relation);
	s->returning = relation + 1;
	target_list(a, l, s, out, query);
}

static void
on_conflict(struct analysis *a, OnConflictClause *c, const RangeVar *rv, struct scope *s)
{
	struct scope both = {.outer = s->outer};
	Alias excluded = {.type = T_Alias, .aliasname = "excluded"};
	struct sql_effect *e;
	uint32_t index;
	ListCell *lc;

	if (c->infer) {
		foreach (lc, c->infer->indexElems) {
			IndexElem *i = lfirst(lc);

			if (i->name) {
				struct sql_use *u = an_use(a, CONTEXT_PREDICATE, 0, c->location);

				u->column = an_str(a, i->name);
				an_use_relations(a, u, s, 0, s->rels.n);
			}
			an_expr(a, i->expr, s, CONTEXT_PREDICATE);
		}
		an_expr(a, c->infer->whereClause, s, CONTEXT_PREDICATE);
	}
	if (c->action != ONCONFLICT_UPDATE)
		return;
	/* The conflict itself picks the row, so this is never an UPDATE without WHERE. */
	e = an_effect_var(a, ACTION_SQL_UPDATE, rv);
	e->flags |= SQL_EFFECT_WHERE;
	written(a, e, c->targetList);
	for (uint32_t i = 0; i < s->rels.n; i++)
		*(struct scope_rel *)an_push(a, &both.rels, sizeof(struct scope_rel)) =
			((struct scope_rel *)s->rels.p)[i];
	index = an_relation(a, SQL_REL_EXCLUDED, an_str(a, rv->relname), &excluded, rv->location);
	if (a->status == SQL_OK)
		((struct sql_relation *)a->relations.p)[index].schema = an_str(a, rv->schemaname);
	an_scope_add(a, &both, index, SLICE_LIT("excluded"));
	foreach (lc, c->targetList)
		an_expr(a, lfirst(lc), &both, CONTEXT_WRITE_SOURCE);
	an_where(a, c->whereClause, &both);
}

static void
insert(struct analysis *a, InsertStmt *n, struct scope *outer, enum context out, int32_t query)
{
	struct scope s = {.outer = outer};
	struct sql_effect *e;
	uint32_t target;
	ListCell *lc;

	an_with(a, n->withClause, outer);
	e = an_effect_var(a, ACTION_SQL_INSERT, n->relation);
	written(a, e, n->cols);
	foreach (lc, n->cols)
		an_expr_list(a, ((ResTarget *)lfirst(lc))->indirection, outer, CONTEXT_EXPRESSION);
	if (n->selectStmt)
		an_query(a, n->selectStmt, outer, CONTEXT_WRITE_SOURCE, -1);
	target = an_target(a, &s, n->relation, true);
	if (n->onConflictClause)
		on_conflict(a, n->onConflictClause, n->relation, &s);
	returning(a, n->returningList, &s, n->relation, target, out, query);
}

static void
update(struct analysis *a, UpdateStmt *n, struct scope *outer, enum context out, int32_t query)
{
	struct scope s = {.outer = outer};
	uint32_t index, target;
	ListCell *lc;

	an_with(a, n->withClause, outer);
	index = a->effects.n;
	written(a, an_effect_var(a, ACTION_SQL_UPDATE, n->relation), n->targetList);
	an_settings_table(a, n->relation);
	target = an_target(a, &s, n->relation, true);
	an_from(a, &s, n->fromClause);
	foreach (lc, n->targetList)
		an_expr(a, lfirst(lc), &s, CONTEXT_WRITE_SOURCE);
	an_where(a, n->whereClause, &s);
	if (a->status == SQL_OK)
		((struct sql_effect *)a->effects.p)[index].flags |=
			where_flags(a, n->whereClause, n->relation, n->fromClause != NIL);
	returning(a, n->returningList, &s, n->relation, target, out, query);
}

static void delete (struct analysis *a, DeleteStmt *n, struct scope *outer, enum context out,
		    int32_t query)
{
	struct scope s = {.outer = outer};
	uint32_t index, target;

	an_with(a, n->withClause, outer);
	index = a->effects.n;
	an_effect_var(a, ACTION_SQL_DELETE, n->relation);
	target = an_target(a, &s, n->relation, true);
	an_from(a, &s, n->usingClause);
	an_where(a, n->whereClause, &s);
	if (a->status == SQL_OK)
		((struct sql_effect *)a->effects.p)[index].flags |=
			where_flags(a, n->whereClause, n->relation, n->usingClause != NIL);
	returning(a, n->returningList, &s, n->relation, target, out, query);
}

static void
merge_branch(struct analysis *a, MergeStmt *n, MergeWhenClause *w, struct scope *s, uint32_t where)
{
	struct sql_effect *e = NULL;
	ListCell *lc;

	an_expr(a, w->condition, s, CONTEXT_PREDICATE);
	switch (w->commandType) {
	case CMD_INSERT:
		e = an_effect_var(a, ACTION_SQL_INSERT, n->relation);
		break;
	case CMD_UPDATE:
		e = an_effect_var(a, ACTION_SQL_UPDATE, n->relation);
		e->flags |= where;
		break;
	case CMD_DELETE:
		e = an_effect_var(a, ACTION_SQL_DELETE, n->relation);
		e->flags |= where;
		break;
	case CMD_NOTHING:
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "MERGE branch of a kind this version does not know");
	}
	if (e && w->commandType != CMD_DELETE)
		written(a, e, w->targetList);
	foreach (lc, w->targetList)
		an_expr(a, lfirst(lc), s, CONTEXT_WRITE_SOURCE);
	an_expr_list(a, w->values, s, CONTEXT_WRITE_SOURCE);
}

static void
merge(struct analysis *a, MergeStmt *n, struct scope *outer)
{
	struct scope s = {.outer = outer};
	uint32_t index, where;
	ListCell *lc;

	an_with(a, n->withClause, outer);
	index = a->effects.n;
	an_effect_var(a, ACTION_SQL_MERGE, n->relation);
	an_settings_table(a, n->relation);
	an_target(a, &s, n->relation, true);
	an_from_item(a, &s, n->sourceRelation);
	an_expr(a, n->joinCondition, &s, CONTEXT_JOIN);
	where = where_flags(a, n->joinCondition, n->relation, true);
	if (a->status == SQL_OK)
		((struct sql_effect *)a->effects.p)[index].flags |= where;
	foreach (lc, n->mergeWhenClauses)
		merge_branch(a, n, lfirst(lc), &s, where);
}

enum sql_kind
an_query_kind(const Node *n)
{
	switch (nodeTag(n)) {
	case T_SelectStmt: {
		const SelectStmt *s = (const SelectStmt *)n;

		/* INTO stands in the first arm. */
		while (s->op != SETOP_NONE)
			s = s->larg;
		return s->intoClause ? SQL_KIND_CREATE_AS : SQL_KIND_QUERY;
	}
	case T_InsertStmt:
		return SQL_KIND_INSERT;
	case T_UpdateStmt:
		return SQL_KIND_UPDATE;
	case T_DeleteStmt:
		return SQL_KIND_DELETE;
	case T_MergeStmt:
		return SQL_KIND_MERGE;
	default:
		return SQL_KIND_OTHER;
	}
}

void
an_query(struct analysis *a, Node *n, struct scope *outer, enum context out, int32_t query)
{
	struct cte *ctes = a->ctes;
	const struct proven *proven = a->proven;
	bool selects = false;

	if (!n || !an_enter(a)) {
		if (n)
			an_leave(a);
		return;
	}
	a->proven = NULL;
	switch (nodeTag(n)) {
	case T_SelectStmt:
		select_stmt(a, (SelectStmt *)n, outer, out, query);
		selects = !((SelectStmt *)n)->valuesLists;
		break;
	case T_InsertStmt:
		insert(a, (InsertStmt *)n, outer, out, query);
		break;
	case T_UpdateStmt:
		update(a, (UpdateStmt *)n, outer, out, query);
		break;
	case T_DeleteStmt:
		delete (a, (DeleteStmt *)n, outer, out, query);
		break;
	case T_MergeStmt:
		merge(a, (MergeStmt *)n, outer);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "query of a kind this version does not know");
	}
	a->ctes = ctes;
	a->proven = proven;
	if (!selects)
		a->selected = (struct sql_value){SQL_VALUE_ANY, 0};
	an_leave(a);
}
