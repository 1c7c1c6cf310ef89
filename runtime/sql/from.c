/* SPDX-License-Identifier: MIT
 *
 * FROM and WITH: which relations a query reads, by which names its scope reaches them, and what *
 * stands for. Scoping follows parse_clause.c: a sub-select in FROM sees its siblings only when
 * LATERAL, a join condition sees only the join's own sides, and a CTE's name hides a table's from
 * the point on where PostgreSQL says so.
 */
#include "sql/analyse.h"

static struct sql_relation *
relation_at(struct analysis *a, uint32_t index)
{
	static _Thread_local struct sql_relation none;

	return a->status == SQL_OK ? &((struct sql_relation *)a->relations.p)[index] : &none;
}

/* Appends names of a list of String nodes to names[]; *first is where they begin. */
static uint32_t
names(struct analysis *a, List *l, uint32_t *first)
{
	ListCell *lc;

	*first = a->names.n;
	foreach (lc, l)
		*(struct slice *)an_push(a, &a->names, sizeof(struct slice)) =
			an_str(a, strVal(lfirst(lc)));
	return a->names.n - *first;
}

static void
name_push(struct analysis *a, struct slice name)
{
	*(struct slice *)an_push(a, &a->names, sizeof(name)) = name;
}

static uint32_t
definitions(struct analysis *a, List *l, uint32_t *first)
{
	ListCell *lc;

	*first = a->names.n;
	foreach (lc, l)
		name_push(a, an_str(a, ((ColumnDef *)lfirst(lc))->colname));
	return a->names.n - *first;
}

/* ---- WITH ---- */

static const struct cte *
cte_find(const struct analysis *a, const char *name)
{
	for (const struct cte *c = a->ctes; c; c = c->next) {
		if (slice_is(c->name, name))
			return c;
	}
	return NULL;
}

static void
cte_add(struct analysis *a, const char *name, int32_t query)
{
	struct cte *c = arena_try_alloc(a->arena, sizeof(*c));

	if (!c) {
		an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
		return;
	}
	*c = (struct cte){a->ctes, an_str(a, name), query};
	a->ctes = c;
}

/* SEARCH and CYCLE gather values of the columns they name in columns of their own, which come after
 * the query's: `query` becomes inner's columns and some of unknown names. */
static void
search_and_cycle(struct analysis *a, CommonTableExpr *c, int32_t query, int32_t inner)
{
	struct scope s = {0};
	uint32_t out = an_outputs(a, query, 2);
	struct sql_use *u;
	struct sql_output *o;
	ListCell *lc;

	an_result(a, &s, SQL_REL_CTE, inner);
	if (a->status != SQL_OK)
		return;
	o = &((struct sql_output *)a->outputs.p)[out];
	o[0].kind = o[1].kind = SQL_OUTPUT_STAR;
	o[0].use = (int32_t)a->uses.n;
	u = an_use(a, CONTEXT_OUTPUT, SQL_USE_STAR, -1);
	an_use_relations(a, u, &s, 0, s.rels.n);
	foreach (lc, c->search_clause ? c->search_clause->search_col_list : NIL) {
		u = an_use(a, CONTEXT_ORDER, 0, c->search_clause->location);
		u->column = an_str(a, strVal(lfirst(lc)));
		an_use_relations(a, u, &s, 0, s.rels.n);
	}
	foreach (lc, c->cycle_clause ? c->cycle_clause->cycle_col_list : NIL) {
		u = an_use(a, CONTEXT_PREDICATE, 0, c->cycle_clause->location);
		u->column = an_str(a, strVal(lfirst(lc)));
		an_use_relations(a, u, &s, 0, s.rels.n);
	}
	if (c->cycle_clause) {
		an_expr(a, c->cycle_clause->cycle_mark_value, NULL, CONTEXT_EXPRESSION);
		an_expr(a, c->cycle_clause->cycle_mark_default, NULL, CONTEXT_EXPRESSION);
	}
}

static void
cte(struct analysis *a, CommonTableExpr *c, struct scope *outer, int32_t query)
{
	bool extra = c->search_clause || c->cycle_clause;
	int32_t inner = extra ? an_slot(a) : query;
	uint32_t first, n;

	an_query(a, c->ctequery, outer, CONTEXT_OUTPUT, inner);
	n = names(a, c->aliascolnames, &first);
	if (a->status == SQL_OK) {
		struct sql_query *q = &((struct sql_query *)a->queries.p)[inner];

		q->names = first;
		q->n_names = n;
	}
	if (extra)
		search_and_cycle(a, c, query, inner);
}

void
an_with(struct analysis *a, WithClause *w, struct scope *outer)
{
	int32_t first = (int32_t)a->queries.n, i = 0;
	ListCell *lc;

	if (!w)
		return;
	if (w->recursive) {
		foreach (lc, w->ctes)
			cte_add(a, ((CommonTableExpr *)lfirst(lc))->ctename, an_slot(a));
	}
	foreach (lc, w->ctes) {
		CommonTableExpr *c = lfirst(lc);
		int32_t query = w->recursive ? first + i++ : an_slot(a);

		cte(a, c, outer, query);
		if (!w->recursive)
			cte_add(a, c->ctename, query);
	}
}

/* ---- relations and scopes ---- */

struct scope_rel *
an_scope_add(struct analysis *a, struct scope *s, uint32_t relation, struct slice alias)
{
	struct scope_rel *r = an_push(a, &s->rels, sizeof(*r));

	r->relation = relation;
	r->alias = alias;
	a->gen++;
	return r;
}

uint32_t
an_relation(struct analysis *a, enum sql_relation_kind kind, struct slice name, const Alias *alias,
	    int location)
{
	uint32_t index = a->relations.n;
	struct sql_relation *r = an_push(a, &a->relations, sizeof(*r));

	r->kind = kind;
	r->name = name;
	r->alias = alias ? an_str(a, alias->aliasname) : name;
	r->renamed = alias && alias->colnames;
	r->query = -1;
	r->token = an_token(a, location);
	if (r->renamed) {
		uint32_t first, n = names(a, alias->colnames, &first);

		r = relation_at(a, index);
		r->names = first;
		r->n_names = n;
	}
	return index;
}

uint32_t
an_result(struct analysis *a, struct scope *s, enum sql_relation_kind kind, int32_t query)
{
	uint32_t index = an_relation(a, kind, (struct slice){0}, NULL, -1);

	relation_at(a, index)->query = query;
	an_scope_add(a, s, index, (struct slice){0});
	return index;
}

static uint32_t
table_add(struct analysis *a, const RangeVar *rv, enum sql_relation_kind kind)
{
	uint32_t index = an_relation(a, kind, an_str(a, rv->relname), rv->alias, rv->location);
	struct sql_relation *r = relation_at(a, index);

	r->catalog = an_str(a, rv->catalogname);
	r->schema = an_str(a, rv->schemaname);
	r->only = !rv->inh;
	return a->status == SQL_OK ? index : 0;
}

uint32_t
an_target(struct analysis *a, struct scope *s, const RangeVar *rv, bool written)
{
	uint32_t index = table_add(a, rv, SQL_REL_TABLE);

	relation_at(a, index)->target = written;
	an_scope_add(a, s, index, an_str(a, rv->alias ? rv->alias->aliasname : rv->relname))
		->own_name = !rv->alias;
	return index;
}

static void
read_table(struct analysis *a, struct scope *s, const RangeVar *rv)
{
	const struct cte *cte = rv->schemaname ? NULL : cte_find(a, rv->relname);
	uint32_t index = table_add(a, rv, cte ? SQL_REL_CTE : SQL_REL_TABLE);
	struct scope_rel *r = an_scope_add(
		a, s, index, an_str(a, rv->alias ? rv->alias->aliasname : rv->relname));
	struct sql_effect *e;

	r->own_name = !rv->alias;
	if (cte) {
		relation_at(a, index)->query = cte->query;
		return;
	}
	r->effect = a->effects.n + 1;
	e = an_effect_var(a, ACTION_SQL_SELECT, rv);
	e->relation = (int32_t)index;
	/* Names of a table whose columns were renamed are not the table's: all of it counts. */
	if (rv->alias && rv->alias->colnames)
		e->flags |= SQL_EFFECT_STAR;
}

/* ---- FROM ---- */

static void
from_subselect(struct analysis *a, struct scope *s, RangeSubselect *r)
{
	bool values = IsA(r->subquery, SelectStmt) && ((SelectStmt *)r->subquery)->valuesLists;
	int32_t query = an_slot(a);
	uint32_t index;

	an_query(a, r->subquery, r->lateral ? s : s->outer, CONTEXT_OUTPUT, query);
	index = an_relation(a, values ? SQL_REL_VALUES : SQL_REL_SUBQUERY, (struct slice){0},
			    r->alias, -1);
	relation_at(a, index)->query = query;
	an_scope_add(a, s, index, r->alias ? an_str(a, r->alias->aliasname) : (struct slice){0});
}

/* Functions of pg_catalog whose columns are known, whatever their arguments are. (Those of unnest
 * are not: an array of rows comes apart.) Without a column list they are called as here; where
 * nothing is here, the one column is called as the alias or the function is. */
static const struct known_columns {
	const char *function, *columns[2];
} known_columns[] = {
	{"generate_series", {NULL}},
	{"generate_subscripts", {NULL}},
	{"json_array_elements", {"value"}},
	{"json_array_elements_text", {"value"}},
	{"json_each", {"key", "value"}},
	{"json_each_text", {"key", "value"}},
	{"json_object_keys", {NULL}},
	{"jsonb_array_elements", {"value"}},
	{"jsonb_array_elements_text", {"value"}},
	{"jsonb_each", {"key", "value"}},
	{"jsonb_each_text", {"key", "value"}},
	{"jsonb_object_keys", {NULL}},
	{"jsonb_path_query", {NULL}},
	{"regexp_matches", {NULL}},
	{"regexp_split_to_table", {NULL}},
	{"string_to_table", {NULL}},
};

static const struct known_columns *
columns_of(struct slice function)
{
	for (size_t i = 0; i < sizeof(known_columns) / sizeof(known_columns[0]); i++) {
		if (slice_is(function, known_columns[i].function))
			return &known_columns[i];
	}
	return NULL;
}

/* The columns of a function in FROM, where they can be told: those that are known, or those of a
 * column definition list; WITH ORDINALITY adds one. */
static void
function_columns(struct analysis *a, RangeFunction *r, uint32_t index, struct slice function)
{
	const struct known_columns *known = r->coldeflist ? NULL : columns_of(function);
	struct sql_relation *rel = relation_at(a, index);
	uint32_t first = a->names.n, n = 1;

	if (list_length(r->functions) != 1 || (!r->coldeflist && !known))
		return;
	if (known && known->columns[1])
		n = 2;
	else if (!known)
		n = (uint32_t)list_length(r->coldeflist);
	rel->width = n + r->ordinality;
	if (rel->renamed)
		return;
	for (uint32_t i = 0; known && i < n; i++)
		name_push(a, known->columns[i] ? slice_str(known->columns[i])
			     : rel->alias.n    ? rel->alias
					       : function);
	if (!known)
		n = definitions(a, r->coldeflist, &first);
	if (r->ordinality)
		name_push(a, SLICE_LIT("ordinality"));
	rel->names = first;
	rel->n_names = n + r->ordinality;
}

static void
definition_types(struct analysis *a, List *l, struct scope *s)
{
	ListCell *lc;

	foreach (lc, l)
		an_type(a, ((ColumnDef *)lfirst(lc))->typeName, s);
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
		List *item = lfirst(lc);
		Node *call = linitial(item);

		an_expr(a, call, s, CONTEXT_FUNCTION);
		definition_types(a, list_length(item) > 1 ? lsecond(item) : NIL, s);
		if (!name.n && call && IsA(call, FuncCall))
			name = an_str(a, strVal(llast(((FuncCall *)call)->funcname)));
	}
	definition_types(a, r->coldeflist, s);
	index = an_relation(a, SQL_REL_FUNCTION, name, r->alias, -1);
	function_columns(a, r, index, name);
	an_scope_add(a, s, index, r->alias ? an_str(a, r->alias->aliasname) : name);
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

		an_type(a, c->typeName, s);
		an_expr(a, c->colexpr, s, CONTEXT_FUNCTION);
		an_expr(a, c->coldefexpr, s, CONTEXT_FUNCTION);
	}
	an_scope_add(a, s, an_relation(a, SQL_REL_FUNCTION, alias, r->alias, r->location), alias);
}

static void
from_sample(struct analysis *a, struct scope *s, RangeTableSample *r)
{
	const char *method = strVal(llast(r->method));

	an_from_item(a, s, r->relation);
	if (list_length(r->method) > 1 ||
	    (strcmp(method, "system") != 0 && strcmp(method, "bernoulli") != 0))
		an_effect(a, ACTION_SQL_OPAQUE_FUNCTION, r->location)->function = an_str(a, method);
	an_expr_list(a, r->args, s, CONTEXT_PREDICATE);
	an_expr(a, r->repeatable, s, CONTEXT_PREDICATE);
}

/* Columns that NATURAL and USING compare. */
static void
join_columns(struct analysis *a, struct scope *s, JoinExpr *j, uint32_t from, uint32_t to,
	     uint32_t join)
{
	ListCell *lc;

	if (j->isNatural) {
		struct sql_use *u = an_use(a, CONTEXT_JOIN, SQL_USE_STAR | SQL_USE_NATURAL, -1);

		an_operator(a, "=", -1);
		u->row_relation = (int32_t)join;
		an_use_relations(a, u, s, from, to);
	}
	foreach (lc, j->usingClause) {
		/* Each side's column is one that the use may mean. */
		struct sql_value side = {SQL_VALUE_COLUMN, a->uses.n}, sides[2] = {side, side};
		struct sql_use *u = an_use(a, CONTEXT_JOIN, 0, -1);

		an_apply(a, an_operator(a, "=", -1), sides, 2);
		u->column = an_str(a, strVal(lfirst(lc)));
		an_use_relations(a, u, s, from, to);
	}
}

/* The columns that * has of relations `from` to `to` of the scope. */
static uint32_t
members(struct analysis *a, const struct scope *s, uint32_t from, uint32_t to)
{
	uint32_t first = a->members.n;

	for (uint32_t i = from; i < to; i++) {
		const struct scope_rel *r = &((struct scope_rel *)s->rels.p)[i];

		if (!r->qualified_only && !r->covered && !r->hidden)
			*(uint32_t *)an_push(a, &a->members, sizeof(uint32_t)) = r->relation;
	}
	return a->members.n - first;
}

/* A relation for a join that merges columns or renames them. */
static uint32_t
join_relation(struct analysis *a, const struct scope *s, JoinExpr *j, const Alias *alias,
	      const uint32_t at[3])
{
	uint32_t index = an_relation(a, SQL_REL_JOIN, (struct slice){0}, alias, -1);
	uint32_t first = a->members.n, merged;
	uint32_t left = members(a, s, at[0], at[1]), right = members(a, s, at[1], at[2]);
	uint32_t n_merged = names(a, j->usingClause, &merged);
	struct sql_relation *r = relation_at(a, index);

	r->members = first;
	r->n_left = left;
	r->n_right = right;
	r->merged = merged;
	r->n_merged = n_merged;
	r->natural = j->isNatural;
	return index;
}

static void
join_quals(struct analysis *a, const struct scope *s, JoinExpr *j, uint32_t from, uint32_t to)
{
	struct scope sides = {.outer = s->outer};

	for (uint32_t i = from; i < to; i++) {
		struct scope_rel *copy = an_push(a, &sides.rels, sizeof(*copy));

		*copy = ((struct scope_rel *)s->rels.p)[i];
	}
	a->gen++;
	an_expr(a, j->quals, &sides, CONTEXT_JOIN);
}

/* The join's alias hides those of its sides; its column list their names as well. */
static void
join_alias(struct analysis *a, struct scope *s, JoinExpr *j, uint32_t from, uint32_t to)
{
	struct slice alias = an_str(a, j->alias->aliasname);
	bool renames = j->alias->colnames;

	for (uint32_t i = from; i < s->rels.n && a->status == SQL_OK; i++) {
		struct scope_rel *r = &((struct scope_rel *)s->rels.p)[i];

		r->alias = alias;
		r->own_name = false;
		r->name_only = r->covered;
		r->hidden |= r->qualified_only || (renames && i < to);
		if (r->effect && renames)
			((struct sql_effect *)a->effects.p)[r->effect - 1].flags |= SQL_EFFECT_STAR;
	}
	a->gen++;
}

static void
from_join(struct analysis *a, struct scope *s, JoinExpr *j)
{
	bool merges = j->isNatural || j->usingClause;
	bool renames = j->alias && j->alias->colnames;
	uint32_t at[3] = {s->rels.n}, join = 0;

	an_from_item(a, s, j->larg);
	at[1] = s->rels.n;
	an_from_item(a, s, j->rarg);
	at[2] = s->rels.n;
	if (j->quals)
		join_quals(a, s, j, at[0], at[2]);
	if (merges || renames)
		join = join_relation(a, s, j, renames ? j->alias : NULL, at);
	join_columns(a, s, j, at[0], at[2], join);
	if (j->join_using_alias) {
		uint32_t only = join_relation(a, s, j, j->join_using_alias, at);

		relation_at(a, only)->only_merged = true;
		an_scope_add(a, s, only, an_str(a, j->join_using_alias->aliasname))
			->qualified_only = true;
	}
	for (uint32_t i = at[0]; (merges || renames) && i < at[2] && a->status == SQL_OK; i++)
		((struct scope_rel *)s->rels.p)[i].covered = true;
	if (merges || renames)
		an_scope_add(a, s, join, (struct slice){0})->star_only = !renames;
	if (j->alias)
		join_alias(a, s, j, at[0], at[2]);
}

void
an_from_item(struct analysis *a, struct scope *s, Node *n)
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

void
an_from(struct analysis *a, struct scope *s, List *l)
{
	ListCell *lc;

	foreach (lc, l)
		an_from_item(a, s, lfirst(lc));
}
