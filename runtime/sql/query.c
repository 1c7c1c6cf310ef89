/* SPDX-License-Identifier: MIT
 *
 * SELECT and the statements that change rows: who sees which relation, which expressions stand
 * where, which effects follow. Scoping follows parse_clause.c: a sub-select in FROM sees its
 * siblings only when LATERAL, a join condition sees only the join's own sides, and a CTE's name
 * hides a table's from the point on where PostgreSQL says so.
 */
#include "sql/analyse.h"

static bool
cte_find(const struct analysis *a, const char *name)
{
	for (const struct cte *c = a->ctes; c; c = c->next) {
		if (slice_is(c->name, name))
			return true;
	}
	return false;
}

static void
cte_add(struct analysis *a, const char *name)
{
	struct cte *c = arena_try_alloc(a->arena, sizeof(*c));

	if (!c) {
		an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
		return;
	}
	c->name = an_str(a, name);
	c->next = a->ctes;
	a->ctes = c;
}

/* The caller restores a->ctes when the statement ends. */
static void
with(struct analysis *a, WithClause *w, struct scope *outer)
{
	ListCell *lc;

	if (!w)
		return;
	if (w->recursive) {
		foreach (lc, w->ctes)
			cte_add(a, ((CommonTableExpr *)lfirst(lc))->ctename);
	}
	foreach (lc, w->ctes) {
		CommonTableExpr *c = lfirst(lc);

		an_query(a, c->ctequery, outer, CONTEXT_EXPRESSION, false);
		if (c->cycle_clause) {
			an_expr(a, c->cycle_clause->cycle_mark_value, NULL, CONTEXT_EXPRESSION);
			an_expr(a, c->cycle_clause->cycle_mark_default, NULL, CONTEXT_EXPRESSION);
		}
		if (!w->recursive)
			cte_add(a, c->ctename);
	}
}

/* ---- relations and scopes ---- */

static struct scope_rel *
scope_add(struct analysis *a, struct scope *s, uint32_t relation, struct slice alias)
{
	struct scope_rel *r = an_push(a, &s->rels, sizeof(*r));

	r->relation = relation;
	r->alias = alias;
	a->gen++;
	return r;
}

static uint32_t
relation_add(struct analysis *a, enum sql_relation_kind kind, struct slice name, const Alias *alias,
	     int location)
{
	uint32_t index = a->relations.n;
	struct sql_relation *r = an_push(a, &a->relations, sizeof(*r));

	r->kind = kind;
	r->name = name;
	r->alias = alias ? an_str(a, alias->aliasname) : name;
	r->renamed = alias && alias->colnames;
	r->token = an_token(a, location);
	return index;
}

static uint32_t
table_add(struct analysis *a, const RangeVar *rv, enum sql_relation_kind kind)
{
	uint32_t index = relation_add(a, kind, an_str(a, rv->relname), rv->alias, rv->location);
	struct sql_relation *r;

	if (a->status != SQL_OK)
		return 0;
	r = &((struct sql_relation *)a->relations.p)[index];
	r->catalog = an_str(a, rv->catalogname);
	r->schema = an_str(a, rv->schemaname);
	r->only = !rv->inh;
	return index;
}

/* Names of a table whose columns were renamed are not the table's: all of it counts as used. */
static void
renamed(struct analysis *a, struct scope *s, uint32_t from)
{
	struct sql_use *u = an_use(a, CONTEXT_WHOLE_ROW, SQL_USE_ROW, -1);

	an_use_relations(a, u, s, from, s->rels.n);
}

uint32_t
an_target(struct analysis *a, struct scope *s, const RangeVar *rv, bool written)
{
	uint32_t index = table_add(a, rv, SQL_REL_TABLE);

	if (a->status == SQL_OK)
		((struct sql_relation *)a->relations.p)[index].target = written;
	scope_add(a, s, index, an_str(a, rv->alias ? rv->alias->aliasname : rv->relname))
		->own_name = !rv->alias;
	return index;
}

static void
read_table(struct analysis *a, struct scope *s, const RangeVar *rv)
{
	bool cte = !rv->schemaname && cte_find(a, rv->relname);
	uint32_t index = table_add(a, rv, cte ? SQL_REL_CTE : SQL_REL_TABLE);
	uint32_t at = s->rels.n;
	struct scope_rel *r =
		scope_add(a, s, index, an_str(a, rv->alias ? rv->alias->aliasname : rv->relname));
	struct sql_effect *e;

	r->own_name = !rv->alias;
	if (cte)
		return;
	r->effect = a->effects.n + 1;
	e = an_effect_var(a, ACTION_SQL_SELECT, rv);
	e->relation = (int32_t)index;
	if (rv->alias && rv->alias->colnames)
		renamed(a, s, at);
}

/* The target's rows come back (RETURNING): that is reading it. */
static void
read_target(struct analysis *a, const RangeVar *rv, uint32_t relation)
{
	struct sql_effect *e = an_effect_var(a, ACTION_SQL_SELECT, rv);

	e->relation = (int32_t)relation;
	e->flags |= SQL_EFFECT_WHERE;
}

/* ---- FROM ---- */

static void from_item(struct analysis *a, struct scope *s, Node *n);

static void
from_subselect(struct analysis *a, struct scope *s, RangeSubselect *r)
{
	bool values = IsA(r->subquery, SelectStmt) && ((SelectStmt *)r->subquery)->valuesLists;
	uint32_t index;

	an_query(a, r->subquery, r->lateral ? s : s->outer, CONTEXT_EXPRESSION, false);
	index = relation_add(a, values ? SQL_REL_VALUES : SQL_REL_SUBQUERY, (struct slice){0},
			     r->alias, -1);
	scope_add(a, s, index, r->alias ? an_str(a, r->alias->aliasname) : (struct slice){0});
}

static void
from_function(struct analysis *a, struct scope *s, RangeFunction *r)
{
	struct slice name = {0};
	uint32_t index;
	ListCell *lc;

	/* Each item is a list: the call and its column definitions. A call sees what stands left of
	 * it. */
	foreach (lc, r->functions) {
		Node *call = linitial((List *)lfirst(lc));

		an_expr(a, call, s, CONTEXT_FUNCTION);
		if (!name.n && call && IsA(call, FuncCall))
			name = an_str(a, strVal(llast(((FuncCall *)call)->funcname)));
	}
	index = relation_add(a, SQL_REL_FUNCTION, name, r->alias, -1);
	scope_add(a, s, index, r->alias ? an_str(a, r->alias->aliasname) : name);
}

static void
from_table_func(struct analysis *a, struct scope *s, RangeTableFunc *r)
{
	struct slice alias = r->alias ? an_str(a, r->alias->aliasname) : SLICE_LIT("xmltable");
	ListCell *lc;

	an_expr(a, r->docexpr, s, CONTEXT_FUNCTION);
	an_expr(a, r->rowexpr, s, CONTEXT_FUNCTION);
	an_expr_list(a, r->namespaces, s, CONTEXT_FUNCTION);
	foreach (lc, r->columns) {
		RangeTableFuncCol *c = lfirst(lc);

		an_expr(a, c->colexpr, s, CONTEXT_FUNCTION);
		an_expr(a, c->coldefexpr, s, CONTEXT_FUNCTION);
	}
	scope_add(a, s, relation_add(a, SQL_REL_FUNCTION, alias, r->alias, r->location), alias);
}

static void
from_sample(struct analysis *a, struct scope *s, RangeTableSample *r)
{
	const char *method = strVal(llast(r->method));

	from_item(a, s, r->relation);
	if (list_length(r->method) > 1 ||
	    (strcmp(method, "system") != 0 && strcmp(method, "bernoulli") != 0))
		an_effect(a, ACTION_SQL_OPAQUE_FUNCTION, r->location)->function = an_str(a, method);
	an_expr_list(a, r->args, s, CONTEXT_PREDICATE);
	an_expr(a, r->repeatable, s, CONTEXT_PREDICATE);
}

/* Columns that NATURAL and USING compare. */
static void
join_columns(struct analysis *a, struct scope *s, JoinExpr *j, uint32_t from)
{
	ListCell *lc;

	s->merged |= j->isNatural || j->usingClause;
	if (j->isNatural) {
		struct sql_use *u = an_use(a, CONTEXT_JOIN, SQL_USE_STAR, -1);

		an_use_relations(a, u, s, from, s->rels.n);
	}
	foreach (lc, j->usingClause) {
		struct sql_use *u = an_use(a, CONTEXT_JOIN, 0, -1);

		u->column = an_str(a, strVal(lfirst(lc)));
		an_use_relations(a, u, s, from, s->rels.n);
	}
}

static void
from_join(struct analysis *a, struct scope *s, JoinExpr *j)
{
	uint32_t from = s->rels.n, to;
	struct scope_rel *r;

	from_item(a, s, j->larg);
	from_item(a, s, j->rarg);
	to = s->rels.n;
	join_columns(a, s, j, from);
	if (j->quals) {
		struct scope sides = {.outer = s->outer};

		for (uint32_t i = from; i < to; i++) {
			struct scope_rel *copy = an_push(a, &sides.rels, sizeof(*copy));

			*copy = ((struct scope_rel *)s->rels.p)[i];
		}
		a->gen++;
		an_expr(a, j->quals, &sides, CONTEXT_JOIN);
	}
	if (j->join_using_alias) {
		struct slice alias = an_str(a, j->join_using_alias->aliasname);

		for (uint32_t i = from; i < to; i++) {
			uint32_t rel = ((struct scope_rel *)s->rels.p)[i].relation;

			scope_add(a, s, rel, alias)->qualified_only = true;
		}
	}
	if (!j->alias || a->status != SQL_OK)
		return;
	/* The join's alias hides those of its sides. */
	r = s->rels.p;
	for (uint32_t i = from; i < s->rels.n; i++) {
		r[i].alias = an_str(a, j->alias->aliasname);
		r[i].own_name = false;
	}
	a->gen++;
	if (j->alias->colnames)
		renamed(a, s, from);
}

static void
from_item(struct analysis *a, struct scope *s, Node *n)
{
	if (!n)
		return;
	if (!an_enter(a)) {
		an_leave(a);
		return;
	}
	switch (nodeTag(n)) {
	case T_RangeVar:
		read_table(a, s, (RangeVar *)n);
		break;
	case T_RangeSubselect:
		from_subselect(a, s, (RangeSubselect *)n);
		break;
	case T_RangeFunction:
		from_function(a, s, (RangeFunction *)n);
		break;
	case T_RangeTableFunc:
		from_table_func(a, s, (RangeTableFunc *)n);
		break;
	case T_RangeTableSample:
		from_sample(a, s, (RangeTableSample *)n);
		break;
	case T_JoinExpr:
		from_join(a, s, (JoinExpr *)n);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "FROM item of a kind this version does not know");
	}
	an_leave(a);
}

static void
from(struct analysis *a, struct scope *s, List *l)
{
	ListCell *lc;

	foreach (lc, l)
		from_item(a, s, lfirst(lc));
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

static void
target_list(struct analysis *a, List *targets, struct scope *s, enum context ctx, bool outputs)
{
	ListCell *lc;

	foreach (lc, targets) {
		ResTarget *t = lfirst(lc);
		struct sql_output o = {SQL_OUTPUT_OTHER, -1, an_str(a, t->name)};

		if (t->val && IsA(t->val, ColumnRef)) {
			ColumnRef *c = (ColumnRef *)t->val;
			Node *last = llast(c->fields);

			o.kind = IsA(last, A_Star) ? SQL_OUTPUT_STAR : SQL_OUTPUT_COLUMN;
			o.use = an_column_ref(a, c, s, ctx, 0);
			if (o.kind == SQL_OUTPUT_STAR && s && s->merged)
				o.use = -1;
			if (!o.name.n && o.kind == SQL_OUTPUT_COLUMN)
				o.name = an_str(a, strVal(last));
		} else {
			if (t->val && IsA(t->val, A_Indirection) &&
			    IsA(llast(((A_Indirection *)t->val)->indirection), A_Star))
				o.kind = SQL_OUTPUT_STAR;
			an_expr(a, t->val, s, ctx);
		}
		if (outputs)
			*(struct sql_output *)an_push(a, &a->outputs, sizeof(o)) = o;
	}
}

/* Output column number n again, as a key. Positions after a star are unknown: then all of them. */
static void
nth_target(struct analysis *a, List *targets, int n, struct scope *s, enum context ctx)
{
	bool star = false;
	ListCell *lc;

	a->literal_dependent = true;
	foreach (lc, targets) {
		Node *v = ((ResTarget *)lfirst(lc))->val;

		star |= v && ((IsA(v, ColumnRef) && IsA(llast(((ColumnRef *)v)->fields), A_Star)) ||
			      IsA(v, A_Indirection));
	}
	if (star)
		target_list(a, targets, s, ctx, false);
	else if (n >= 1 && n <= list_length(targets))
		an_expr(a, ((ResTarget *)list_nth(targets, n - 1))->val, s, ctx);
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

/* An item of ORDER BY, GROUP BY or DISTINCT ON: an ordinal, an output's name, or an expression. In
 * ORDER BY an output's name comes first, in GROUP BY a column's. */
static void
key(struct analysis *a, Node *n, List *targets, struct scope *s, enum context ctx)
{
	ListCell *lc;
	Node *val;

	if (n && IsA(n, GroupingSet)) {
		if (an_enter(a)) {
			foreach (lc, ((GroupingSet *)n)->content)
				key(a, lfirst(lc), targets, s, ctx);
		}
		an_leave(a);
	} else if (n && IsA(n, A_Const) && !((A_Const *)n)->isnull &&
		   IsA(&((A_Const *)n)->val, Integer)) {
		nth_target(a, targets, intVal(&((A_Const *)n)->val), s, ctx);
	} else if (n && IsA(n, ColumnRef) && (val = aliased(targets, (ColumnRef *)n))) {
		an_expr(a, val, s, ctx);
		if (ctx != CONTEXT_ORDER)
			an_column_ref(a, (ColumnRef *)n, s, ctx, SQL_USE_OPTIONAL);
	} else {
		an_expr(a, n, s, ctx);
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

static void
set_operation(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out,
	      bool outputs)
{
	enum context arm = !n->all					   ? CONTEXT_DISTINCT
			   : out == CONTEXT_OUTPUT || out == CONTEXT_COUNT ? CONTEXT_EXPRESSION
									   : out;
	ListCell *lc;

	an_query(a, (Node *)n->larg, outer, arm, outputs);
	an_query(a, (Node *)n->rarg, outer, arm, false);
	/* Only output names and ordinals may stand here, and no output is bare any more. */
	foreach (lc, n->sortClause) {
		Node *k = ((SortBy *)lfirst(lc))->node;

		if (!IsA(k, ColumnRef))
			an_expr(a, k, NULL, CONTEXT_ORDER);
	}
	limits(a, n, outer);
	if (n->lockingClause)
		an_effect(a, ACTION_SQL_LOCK, -1);
}

static void
values(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, bool outputs)
{
	enum context ctx = out == CONTEXT_OUTPUT || out == CONTEXT_COUNT ? CONTEXT_EXPRESSION : out;
	ListCell *lc;
	int columns = n->valuesLists ? list_length(linitial(n->valuesLists)) : 0;

	foreach (lc, n->valuesLists)
		an_expr_list(a, lfirst(lc), outer, ctx);
	foreach (lc, n->sortClause)
		an_expr(a, ((SortBy *)lfirst(lc))->node, outer, CONTEXT_ORDER);
	limits(a, n, outer);
	for (int i = 0; outputs && i < columns; i++)
		*(struct sql_output *)an_push(a, &a->outputs, sizeof(struct sql_output)) =
			(struct sql_output){SQL_OUTPUT_OTHER, -1, {0}};
}

static void
into(struct analysis *a, const IntoClause *i)
{
	an_effect_var(a, ACTION_SQL_CREATE, i->rel);
	an_effect_var(a, ACTION_SQL_INSERT, i->rel)->flags |= SQL_EFFECT_STAR;
}

static void
plain_select(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, bool outputs)
{
	struct scope s = {.outer = outer};
	enum context ctx = out;
	ListCell *lc;

	if (n->intoClause) {
		into(a, n->intoClause);
		ctx = CONTEXT_WRITE_SOURCE;
	} else if (n->distinctClause && out != CONTEXT_WRITE_SOURCE) {
		ctx = CONTEXT_DISTINCT;
	}
	from(a, &s, n->fromClause);
	target_list(a, n->targetList, &s, ctx, outputs);
	foreach (lc, n->distinctClause) {
		if (lfirst(lc))
			key(a, lfirst(lc), n->targetList, &s, CONTEXT_DISTINCT);
	}
	an_where(a, n->whereClause, &s);
	mark_reads(a, &s, where_flags(a, n->whereClause, NULL, false));
	foreach (lc, n->groupClause)
		key(a, lfirst(lc), n->targetList, &s, CONTEXT_GROUP);
	an_expr(a, n->havingClause, &s, CONTEXT_PREDICATE);
	foreach (lc, n->windowClause)
		an_window(a, lfirst(lc), &s);
	foreach (lc, n->sortClause)
		key(a, ((SortBy *)lfirst(lc))->node, n->targetList, &s, CONTEXT_ORDER);
	limits(a, n, &s);
	locking(a, n->lockingClause, &s);
}

static void
select_stmt(struct analysis *a, SelectStmt *n, struct scope *outer, enum context out, bool outputs)
{
	with(a, n->withClause, outer);
	if (n->op != SETOP_NONE)
		set_operation(a, n, outer, out, outputs);
	else if (n->valuesLists)
		values(a, n, outer, out, outputs);
	else
		plain_select(a, n, outer, out, outputs);
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
	  enum context out, bool outputs)
{
	if (!l)
		return;
	read_target(a, rv, relation);
	target_list(a, l, s, out, outputs);
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
	index = relation_add(a, SQL_REL_EXCLUDED, an_str(a, rv->relname), &excluded, rv->location);
	if (a->status == SQL_OK)
		((struct sql_relation *)a->relations.p)[index].schema = an_str(a, rv->schemaname);
	scope_add(a, &both, index, SLICE_LIT("excluded"));
	foreach (lc, c->targetList)
		an_expr(a, lfirst(lc), &both, CONTEXT_WRITE_SOURCE);
	an_where(a, c->whereClause, &both);
}

static void
insert(struct analysis *a, InsertStmt *n, struct scope *outer, enum context out, bool outputs)
{
	struct scope s = {.outer = outer};
	struct sql_effect *e;
	uint32_t target;
	ListCell *lc;

	with(a, n->withClause, outer);
	e = an_effect_var(a, ACTION_SQL_INSERT, n->relation);
	written(a, e, n->cols);
	foreach (lc, n->cols)
		an_expr_list(a, ((ResTarget *)lfirst(lc))->indirection, outer, CONTEXT_EXPRESSION);
	if (n->selectStmt)
		an_query(a, n->selectStmt, outer, CONTEXT_WRITE_SOURCE, false);
	target = an_target(a, &s, n->relation, true);
	if (n->onConflictClause)
		on_conflict(a, n->onConflictClause, n->relation, &s);
	returning(a, n->returningList, &s, n->relation, target, out, outputs);
}

static void
update(struct analysis *a, UpdateStmt *n, struct scope *outer, enum context out, bool outputs)
{
	struct scope s = {.outer = outer};
	uint32_t index, target;
	ListCell *lc;

	with(a, n->withClause, outer);
	index = a->effects.n;
	written(a, an_effect_var(a, ACTION_SQL_UPDATE, n->relation), n->targetList);
	target = an_target(a, &s, n->relation, true);
	from(a, &s, n->fromClause);
	foreach (lc, n->targetList)
		an_expr(a, lfirst(lc), &s, CONTEXT_WRITE_SOURCE);
	an_where(a, n->whereClause, &s);
	if (a->status == SQL_OK)
		((struct sql_effect *)a->effects.p)[index].flags |=
			where_flags(a, n->whereClause, n->relation, n->fromClause != NIL);
	returning(a, n->returningList, &s, n->relation, target, out, outputs);
}

static void delete (struct analysis *a, DeleteStmt *n, struct scope *outer, enum context out,
		    bool outputs)
{
	struct scope s = {.outer = outer};
	uint32_t index, target;

	with(a, n->withClause, outer);
	index = a->effects.n;
	an_effect_var(a, ACTION_SQL_DELETE, n->relation);
	target = an_target(a, &s, n->relation, true);
	from(a, &s, n->usingClause);
	an_where(a, n->whereClause, &s);
	if (a->status == SQL_OK)
		((struct sql_effect *)a->effects.p)[index].flags |=
			where_flags(a, n->whereClause, n->relation, n->usingClause != NIL);
	returning(a, n->returningList, &s, n->relation, target, out, outputs);
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

	with(a, n->withClause, outer);
	index = a->effects.n;
	an_effect_var(a, ACTION_SQL_MERGE, n->relation);
	an_target(a, &s, n->relation, true);
	from_item(a, &s, n->sourceRelation);
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
an_query(struct analysis *a, Node *n, struct scope *outer, enum context out, bool outputs)
{
	struct cte *ctes = a->ctes;

	if (!n || !an_enter(a)) {
		if (n)
			an_leave(a);
		return;
	}
	switch (nodeTag(n)) {
	case T_SelectStmt:
		select_stmt(a, (SelectStmt *)n, outer, out, outputs);
		break;
	case T_InsertStmt:
		insert(a, (InsertStmt *)n, outer, out, outputs);
		break;
	case T_UpdateStmt:
		update(a, (UpdateStmt *)n, outer, out, outputs);
		break;
	case T_DeleteStmt:
		delete (a, (DeleteStmt *)n, outer, out, outputs);
		break;
	case T_MergeStmt:
		merge(a, (MergeStmt *)n, outer);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "query of a kind this version does not know");
	}
	a->ctes = ctes;
	an_leave(a);
}
