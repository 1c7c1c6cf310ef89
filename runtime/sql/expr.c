/* SPDX-License-Identifier: MIT
 *
 * Expressions: which columns they use and in which context, what they call. The one rule that must
 * hold: every ColumnRef reached ends as a use, and every node kind not listed here fails the
 * statement.
 */
#include "sql/analyse.h"

/* What a column is, once it is not alone but inside something. */
static enum context
deeper(enum context ctx)
{
	return ctx == CONTEXT_OUTPUT || ctx == CONTEXT_COUNT ? CONTEXT_EXPRESSION : ctx;
}

static enum context
argument(enum context ctx)
{
	return ctx == CONTEXT_OUTPUT || ctx == CONTEXT_COUNT || ctx == CONTEXT_EXPRESSION
		       ? CONTEXT_FUNCTION
		       : ctx;
}

struct sql_use *
an_use(struct analysis *a, enum context ctx, uint32_t flags, int location)
{
	struct sql_use *u = an_push(a, &a->uses, sizeof(*u));

	u->context = a->explain ? CONTEXT_EXPLAIN : ctx;
	u->flags = flags;
	if (a->derives && (u->context == CONTEXT_EXPRESSION || u->context == CONTEXT_FUNCTION))
		u->flags |= SQL_USE_DERIVES | (a->coalesced ? SQL_USE_COALESCED : 0);
	u->token = an_token(a, location);
	u->candidates = a->candidates.n;
	u->row_relation = -1;
	return u;
}

static void
candidate(struct analysis *a, struct sql_use *u, uint32_t relation, uint32_t level)
{
	struct sql_candidate *c = an_push(a, &a->candidates, sizeof(*c));

	*c = (struct sql_candidate){relation, level};
	u->n_candidates++;
}

/* Is the relation one of those that * stands for? */
static bool
in_star(const struct scope_rel *r)
{
	return !r->qualified_only && !r->covered && !r->hidden;
}

/* Does an unqualified name look for its column there? */
static bool
in_names(const struct scope_rel *r)
{
	return !r->qualified_only && !r->star_only && !r->hidden;
}

/* Does name.column (or name.*, or name as a row) reach it? */
static bool
in_qualified(const struct scope_rel *r, struct slice name, bool star)
{
	return !r->hidden && !(star ? r->name_only : r->star_only) && slice_eq(r->alias, name);
}

void
an_use_relations(struct analysis *a, struct sql_use *u, const struct scope *s, uint32_t from,
		 uint32_t to)
{
	const struct scope_rel *r = s->rels.p;

	for (uint32_t i = from; i < to; i++) {
		if (u->flags & SQL_USE_STAR && !(u->flags & SQL_USE_NATURAL) ? in_star(&r[i])
									     : in_names(&r[i]))
			candidate(a, u, r[i].relation, 0);
	}
}

void
an_use_relation(struct analysis *a, struct sql_use *u, uint32_t relation)
{
	candidate(a, u, relation, 0);
}

/* All that an unqualified name may belong to. Uses of one level share their candidates. */
static void
unqualified(struct analysis *a, struct sql_use *u, struct scope *s)
{
	uint32_t level = 0;

	if (s && s->cached_gen == a->gen && s->cached_gen) {
		u->candidates = s->cached_first;
		u->n_candidates = s->cached_n;
		return;
	}
	for (struct scope *at = s; at; at = at->outer, level++) {
		const struct scope_rel *r = at->rels.p;

		for (uint32_t i = 0; i < at->rels.n; i++) {
			if (in_names(&r[i]))
				candidate(a, u, r[i].relation, level);
		}
	}
	if (s) {
		s->cached_first = u->candidates;
		s->cached_n = u->n_candidates;
		s->cached_gen = a->gen;
	}
}

/* The relations that `schema.name` reaches, from the innermost level that has one. */
static bool
qualified(struct analysis *a, struct sql_use *u, const struct scope *s, struct slice schema,
	  struct slice name)
{
	uint32_t level = 0;

	for (; s; s = s->outer, level++) {
		const struct scope_rel *r = s->rels.p;

		for (uint32_t i = 0; i < s->rels.n; i++) {
			const struct sql_relation *rel =
				&((struct sql_relation *)a->relations.p)[r[i].relation];

			if (!in_qualified(&r[i], name, u->flags & (SQL_USE_STAR | SQL_USE_ROW)))
				continue;
			if (schema.n &&
			    (!r[i].own_name || (rel->schema.n && !slice_eq(rel->schema, schema))))
				continue;
			candidate(a, u, r[i].relation, level);
		}
		if (u->n_candidates)
			return true;
	}
	return false;
}

/* old, new: by these names PostgreSQL 18 has in RETURNING what was changed, unless something is
 * called so already. In relations[]; -1: not that. */
static int32_t
changed_row(const struct scope *s, struct slice name)
{
	const struct scope_rel *r = s->rels.p;

	if (!slice_is(name, "old") && !slice_is(name, "new"))
		return -1;
	for (uint32_t i = 0; i < s->rels.n; i++)
		if (in_qualified(&r[i], name, true))
			return -1;
	return (int32_t)s->returning - 1;
}

static void
row_of(struct analysis *a, int32_t relation, struct slice name, const struct scope *s, int location)
{
	struct sql_use *u;

	u = an_use(a, CONTEXT_WHOLE_ROW, SQL_USE_ROW_UNLESS_COLUMN, location);
	u->column = name;
	u->row_relation = relation;
	unqualified(a, u, (struct scope *)s);
}

/* t, where t is a relation in scope: maybe its whole row. False: none is called so. */
static bool
maybe_row(struct analysis *a, struct slice name, const struct scope *s, int location)
{
	uint32_t before = a->uses.n;

	for (; s; s = s->outer) {
		const struct scope_rel *r = s->rels.p;
		int32_t changed = changed_row(s, name);

		for (uint32_t i = 0; i < s->rels.n; i++)
			if (in_qualified(&r[i], name, true))
				row_of(a, (int32_t)r[i].relation, name, s, location);
		if (changed >= 0)
			row_of(a, changed, name, s, location);
	}
	return a->uses.n > before;
}

/* Splits [catalog.][schema.][relation.]column or ...*; false when a part is no name. */
static bool
split(struct analysis *a, const ColumnRef *c, struct slice part[3], bool *star)
{
	int n = list_length(c->fields);
	Node *last = llast(c->fields);

	*star = IsA(last, A_Star);
	if (n > 4)
		return false;
	for (int i = 0; i < 3; i++) {
		Node *f = i < n ? list_nth(c->fields, n - 1 - i) : NULL;

		if (!f || (i == 0 && *star))
			continue;
		if (!IsA(f, String))
			return false;
		part[i] = an_str(a, strVal(f));
	}
	return true;
}

static void attribute(struct analysis *a, struct slice name, int location);

int32_t
an_column_ref(struct analysis *a, ColumnRef *c, struct scope *s, enum context ctx, uint32_t flags)
{
	struct slice part[3] = {{0}}; /* column, relation, schema */
	struct sql_use *u;
	bool star;
	int32_t index = (int32_t)a->uses.n;

	if (!split(a, c, part, &star)) {
		an_fail(a, SQL_UNKNOWN, "column reference of an unknown form");
		return -1;
	}
	u = an_use(a, ctx, flags, c->location);
	u->column = part[0];
	u->qualifier = part[1];
	u->schema = part[2];
	if (star)
		u->flags |= ctx == CONTEXT_WHOLE_ROW ? SQL_USE_ROW : SQL_USE_STAR;
	if (part[1].n) {
		if (!star && func_listed(part[0]) && func_class(part[0]) != FUNC_SAFE)
			attribute(a, part[0], c->location);
		if (!qualified(a, u, s, part[2], part[1])) {
			u->flags |= SQL_USE_AMBIGUOUS;
			unqualified(a, u, s);
		}
		return index;
	}
	if (star) {
		if (s)
			an_use_relations(a, u, s, 0, s->rels.n);
		return index;
	}
	unqualified(a, u, s);
	/* Only one of the two is meant: the reader finds out which. */
	if (maybe_row(a, part[0], s, c->location))
		((struct sql_use *)a->uses.p)[index].flags |= SQL_USE_ROW_OR_COLUMN;
	return index;
}

/* ---- functions ---- */

static void
function_effect(struct analysis *a, enum action action, struct slice schema, struct slice name,
		int location)
{
	struct sql_effect *effects = a->effects.p;
	struct sql_effect *e;

	for (uint32_t i = a->effects.n, k = 0; i > a->stmt->effects && k < 64; k++) {
		e = &effects[--i];
		if (e->action == action && slice_eq(e->function, name) &&
		    slice_eq(e->schema, schema))
			return;
	}
	e = an_effect(a, action, location);
	e->function = name;
	e->schema = schema;
}

/* An argument that is a bare string literal, NULL when it is anything else: a cast may cut it. */
static const char *
string_of(const A_Const *c)
{
	return c && IsA(c, A_Const) && !c->isnull && IsA(&c->val, String) ? strVal(&c->val) : NULL;
}

static const char *
literal(const List *args, int i)
{
	return string_of(i < list_length(args) ? list_nth(args, i) : NULL);
}

static bool
literal_true(const List *args, int i)
{
	const A_Const *c = i < list_length(args) ? list_nth(args, i) : NULL;

	return c && IsA(c, A_Const) && !c->isnull && IsA(&c->val, Boolean) && boolVal(&c->val);
}

static bool
is_name(const Node *n)
{
	const ColumnRef *c = (const ColumnRef *)n;

	return n && IsA(n, ColumnRef) && list_length(c->fields) == 1 &&
	       IsA(linitial(c->fields), String) && strcmp(strVal(linitial(c->fields)), "name") == 0;
}

/* pg_dump: SELECT set_config(name, ...) FROM pg_settings WHERE name = 'x'. */
static const char *
name_selected(const SelectStmt *n, Node *arg)
{
	const A_Expr *e = n ? (const A_Expr *)n->whereClause : NULL;
	const RangeVar *rv = n && list_length(n->fromClause) == 1 ? linitial(n->fromClause) : NULL;

	if (!rv || !IsA(rv, RangeVar) || strcmp(rv->relname, "pg_settings") != 0 || !is_name(arg) ||
	    (rv->schemaname && strcmp(rv->schemaname, "pg_catalog") != 0) || rv->alias || !e ||
	    !IsA(e, A_Expr) || e->kind != AEXPR_OP || list_length(e->name) != 1 ||
	    strcmp(strVal(linitial(e->name)), "=") != 0 || !is_name(e->lexpr))
		return NULL;
	return string_of((const A_Const *)e->rexpr);
}

static struct slice
folded(struct analysis *a, const char *name)
{
	struct slice n = an_str(a, name);

	for (size_t i = 0; i < n.n; i++) {
		uint8_t *p = (uint8_t *)n.p + i;

		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	return n;
}

static void
set_config(struct analysis *a, const FuncCall *f, struct slice name)
{
	struct sql_effect *e = an_effect(a, ACTION_SQL_CONFIGURE, f->location);
	const char *setting = literal(f->args, 0), *value = literal(f->args, 1);


	/* The setting is known only when it is a literal; then these facts hold for this text
	 * alone. */
	a->literal_dependent = true;
	e->function = name;
	if (literal_true(f->args, 2))
		e->flags |= SQL_EFFECT_LOCAL;
	if (value && !*value)
		e->flags |= SQL_EFFECT_EMPTY;
	e->value = an_str(a, value);
	e->setting = folded(a, setting);
	if (!setting && f->args)
		e->selected = folded(a, name_selected(a->select, linitial(f->args)));
}

static uint32_t
called(struct analysis *a, const FuncCall *f, struct slice schema, struct slice name)
{
	bool foreign = schema.n && !slice_is(schema, "pg_catalog");
	enum func_class class = foreign ? FUNC_OPAQUE : func_class(name);
	bool safe = class == FUNC_SAFE || class == FUNC_IMPURE;
	uint32_t apply = an_call(a, schema, name, safe ? SQL_CALL_SAFE : 0, f->location);

	if (class == FUNC_IMPURE)
		a->impure = true;
	else if (class == FUNC_SESSION)
		set_config(a, f, name);
	else if (!safe)
		function_effect(a, func_action(class), schema, name, f->location);
	return apply;
}

static void
aggregate(struct analysis *a, ColumnRef *c, struct scope *s, enum context ctx, uint32_t over)
{
	int32_t use = an_column_ref(a, c, s, ctx, 0);

	if (use >= 0 && a->status == SQL_OK)
		((struct sql_use *)a->uses.p)[use].over = over;
}

/* Walks the arguments in the context. What the call is given by their places is noted. */
static void
arguments(struct analysis *a, const FuncCall *f, struct scope *s, enum context ctx, uint32_t apply)
{
	struct sql_value values[8];
	bool placed = list_length(f->args) <= (int)COUNT_OF(values) && !f->func_variadic &&
		      !f->agg_within_group;
	uint32_t n = 0;
	ListCell *lc;

	foreach (lc, f->args) {
		an_expr(a, lfirst(lc), s, ctx);
		placed = placed && !IsA(lfirst(lc), NamedArgExpr);
		if (placed)
			values[n++] = a->value;
	}
	a->value = (struct sql_value){SQL_VALUE_RESULT, apply};
	if (placed)
		an_apply(a, apply, values, n);
}

static void
func_call(struct analysis *a, FuncCall *f, struct scope *s, enum context ctx)
{
	struct slice schema = {0}, name;
	int n = list_length(f->funcname);
	struct sql_value result;
	uint32_t over, apply;
	bool counts;
	ListCell *lc;

	name = an_str(a, strVal(llast(f->funcname)));
	if (n >= 2)
		schema = an_str(a, strVal(list_nth(f->funcname, n - 2)));
	if (n > 2) /* database.schema.function */
		function_effect(a, ACTION_SQL_OPAQUE_FUNCTION, schema, name, f->location);
	apply = called(a, f, schema, name);
	over = an_proven(a, f, ctx == CONTEXT_PREDICATE);
	counts = slice_is(name, "count") && (!schema.n || slice_is(schema, "pg_catalog")) &&
		 list_length(f->args) == 1 && !f->agg_order && !f->func_variadic &&
		 (ctx == CONTEXT_OUTPUT || ctx == CONTEXT_EXPRESSION || ctx == CONTEXT_COUNT);
	if (over) {
		aggregate(a, linitial(f->args), s, argument(ctx), over);
		return;
	}
	arguments(a, f, s,
		  f->agg_distinct ? CONTEXT_DISTINCT
		  : counts	  ? CONTEXT_COUNT
				  : argument(ctx),
		  apply);
	result = a->value;
	an_sort_operators(a, f->agg_order);
	foreach (lc, f->agg_order)
		an_expr(a, ((SortBy *)lfirst(lc))->node, s, CONTEXT_ORDER);
	an_expr(a, f->agg_filter, s, CONTEXT_PREDICATE);
	if (f->over)
		an_window(a, f->over, s);
	a->value = result;
}

void
an_window(struct analysis *a, WindowDef *w, struct scope *s)
{
	ListCell *lc;

	an_expr_list(a, w->partitionClause, s, CONTEXT_GROUP);
	an_sort_operators(a, w->orderClause);
	foreach (lc, w->orderClause)
		an_expr(a, ((SortBy *)lfirst(lc))->node, s, CONTEXT_ORDER);
	an_expr(a, w->startOffset, s, CONTEXT_PREDICATE);
	an_expr(a, w->endOffset, s, CONTEXT_PREDICATE);
}

static uint32_t
operator_name(struct analysis *a, const List *name, int location)
{
	struct slice schema = {0}, op;
	int n = list_length(name);
	uint32_t apply;

	if (!n)
		return UINT32_MAX;
	op = an_str(a, strVal(llast(name)));
	if (n >= 2)
		schema = an_str(a, strVal(list_nth(name, n - 2)));
	apply = an_call(a, schema, op, SQL_CALL_OPERATOR | SQL_CALL_SAFE, location);
	if (n >= 2 && (n > 2 || !slice_is(schema, "pg_catalog")))
		function_effect(a, ACTION_SQL_OPAQUE_FUNCTION, schema, op, location);
	return apply;
}

uint32_t
an_operator(struct analysis *a, const char *name, int location)
{
	return an_call(a, (struct slice){0}, an_str(a, name), SQL_CALL_OPERATOR | SQL_CALL_SAFE,
		       location);
}

void
an_sort_operators(struct analysis *a, const List *sort)
{
	const ListCell *lc;

	foreach (lc, sort)
		operator_name(a, ((const SortBy *)lfirst(lc))->useOp, -1);
}

/* Of BETWEEN the parser makes two comparisons. What stands on the right may be a list or an array,
 * whose elements are compared. */
static void
expression(struct analysis *a, const A_Expr *e, struct scope *s, enum context ctx)
{
	bool not = e->kind == AEXPR_NOT_BETWEEN || e->kind == AEXPR_NOT_BETWEEN_SYM;
	bool between = not || e->kind == AEXPR_BETWEEN || e->kind == AEXPR_BETWEEN_SYM;
	bool one = e->kind == AEXPR_OP || e->kind == AEXPR_LIKE || e->kind == AEXPR_ILIKE ||
		   e->kind == AEXPR_SIMILAR;
	bool both = one || e->kind == AEXPR_DISTINCT || e->kind == AEXPR_NOT_DISTINCT ||
		    e->kind == AEXPR_NULLIF;
	bool twice = a->twice;
	uint32_t apply, second = 0;
	struct sql_value values[2], bounds[2];

	if (between) {
		apply = an_operator(a, not ? "<" : ">=", e->location);
		second = an_operator(a, not ? ">" : "<=", e->location);
	} else {
		apply = operator_name(a, e->name, e->location);
	}
	a->twice = twice || between;
	an_expr(a, e->lexpr, s, ctx);
	values[0] = a->value;
	a->twice = twice || e->kind == AEXPR_BETWEEN_SYM || e->kind == AEXPR_NOT_BETWEEN_SYM;
	if (between) {
		an_bounds(a, e, s, ctx, bounds);
		an_apply(a, second, (struct sql_value[]){values[0], bounds[1]}, 2);
		values[1] = bounds[0];
	} else {
		an_expr(a, e->rexpr, s, ctx);
		values[1] = both ? a->value : (struct sql_value){SQL_VALUE_ANY, 0};
	}
	a->twice = twice;
	an_apply(a, apply, e->lexpr ? values : values + 1, e->lexpr ? 2 : 1);
	if (!one)
		a->value.kind = e->kind == AEXPR_NULLIF ? SQL_VALUE_LEFT : SQL_VALUE_BOOLEAN;
}

void
an_type(struct analysis *a, const TypeName *t, struct scope *s)
{
	int n;

	if (!t)
		return;
	n = list_length(t->names);
	if (n == 1)
		an_call(a, (struct slice){0}, an_str(a, strVal(linitial(t->names))),
			SQL_CALL_TYPE | SQL_CALL_SAFE, t->location);
	else if (n >= 2 && strcmp(strVal(list_nth(t->names, n - 2)), "pg_catalog") != 0)
		an_call(a, an_str(a, strVal(list_nth(t->names, n - 2))),
			an_str(a, strVal(llast(t->names))), SQL_CALL_TYPE, t->location);
	an_expr_list(a, t->typmods, s, CONTEXT_EXPRESSION);
}

/* x.name and (x).name are name(x) where x has no such field (parse_func.c). */
static void
attribute(struct analysis *a, struct slice name, int location)
{
	FuncCall f = {.type = T_FuncCall, .location = location};

	an_call(a, (struct slice){0}, name, SQL_CALL_SAFE, location);
	if (func_listed(name))
		called(a, &f, (struct slice){0}, name);
}

/* ---- the walk ---- */

static bool
is_value(const Node *n)
{
	while (n && IsA(n, TypeCast))
		n = ((const TypeCast *)n)->arg;
	return n && (IsA(n, A_Const) || IsA(n, ParamRef));
}

static bool
is_equality(const A_Expr *e)
{
	return e->kind == AEXPR_OP && list_length(e->name) == 1 &&
	       strcmp(strVal(linitial(e->name)), "=") == 0 && e->lexpr && e->rexpr;
}

/* The top of a condition: ANDed equalities of a column with a value are marked. */
void
an_where(struct analysis *a, Node *n, struct scope *s)
{
	ListCell *lc;

	if (!n || !an_enter(a)) {
		if (n)
			an_leave(a);
		return;
	}
	if (IsA(n, BoolExpr) && ((BoolExpr *)n)->boolop == AND_EXPR) {
		foreach (lc, ((BoolExpr *)n)->args)
			an_where(a, lfirst(lc), s);
	} else if (IsA(n, A_Expr) && is_equality((A_Expr *)n) &&
		   ((IsA(((A_Expr *)n)->lexpr, ColumnRef) && is_value(((A_Expr *)n)->rexpr)) ||
		    (IsA(((A_Expr *)n)->rexpr, ColumnRef) && is_value(((A_Expr *)n)->lexpr)))) {
		A_Expr *e = (A_Expr *)n;
		bool left = IsA(e->lexpr, ColumnRef) && is_value(e->rexpr);
		Node *value = left ? e->rexpr : e->lexpr;
		uint32_t apply = operator_name(a, e->name, e->location);
		struct sql_value values[2];
		int32_t use = an_column_ref(a, (ColumnRef *)(left ? e->lexpr : e->rexpr), s,
					    CONTEXT_PREDICATE,
					    SQL_USE_CONSTANT_EQUALITY |
						    (an_looks_up(value) ? SQL_USE_LOOKUP : 0u));

		an_expr(a, value, s, CONTEXT_PREDICATE);
		values[!left] = (struct sql_value){SQL_VALUE_COLUMN, (uint32_t)use};
		values[left] = a->value;
		an_apply(a, apply, values, 2);
	} else {
		an_expr(a, n, s, CONTEXT_PREDICATE);
	}
	an_leave(a);
}

void
an_expr_list(struct analysis *a, List *l, struct scope *s, enum context ctx)
{
	ListCell *lc;

	foreach (lc, l)
		an_expr(a, lfirst(lc), s, ctx);
}

static void
sublink(struct analysis *a, SubLink *l, struct scope *s, enum context ctx)
{
	enum context out = deeper(ctx);
	bool array = l->subLinkType == ARRAY_SUBLINK, exists = l->subLinkType == EXISTS_SUBLINK;
	struct sql_value sides[2];
	uint32_t compare = 0, given;

	if (l->testexpr)
		compare = l->operName ? operator_name(a, l->operName, l->location)
				      : an_operator(a, "=", l->location); /* IN */
	given = an_become(a, array ? SQL_APPLY_ARRAY : SQL_APPLY_COMMON);
	an_expr(a, l->testexpr, s, deeper(ctx));
	sides[0] = a->value;
	/* EXISTS looks at no column of its select list, only at whether there is a row. */
	if (exists && IsA(l->subselect, SelectStmt))
		out = CONTEXT_COUNT;
	an_query(a, l->subselect, s, out, -1);
	an_apply(a, given, &a->selected, 1);
	sides[1] = a->value;
	if (l->testexpr)
		an_apply(a, compare, sides, 2);
	if (exists || l->testexpr)
		a->value = (struct sql_value){SQL_VALUE_BOOLEAN, 0};
	else if (!array && l->subLinkType != EXPR_SUBLINK)
		a->value = (struct sql_value){SQL_VALUE_ANY, 0};
}

/* One case per node kind: long, but there is nothing to gain from spreading it. */
static void
node(struct analysis *a, Node *n, struct scope *s, enum context ctx)
{
	enum context in = deeper(ctx);
	struct sql_value value = {SQL_VALUE_ANY, 0};
	int32_t use;
	ListCell *lc;

	switch (nodeTag(n)) {
	case T_ColumnRef: {
		ColumnRef *c = (ColumnRef *)n;
		bool star = IsA(llast(c->fields), A_Star);

		use = an_column_ref(a, c, s, star ? CONTEXT_WHOLE_ROW : ctx, 0);
		if (use >= 0 && !star)
			value = (struct sql_value){SQL_VALUE_COLUMN, (uint32_t)use};
		break;
	}
	case T_A_Const:
		value = an_constant_value((A_Const *)n);
		break;
	case T_SQLValueFunction:
		value = an_function_value(a, (SQLValueFunction *)n);
		break;
	case T_ParamRef:
		value = an_parameter_value(a, ((ParamRef *)n)->number);
		break;
	case T_SetToDefault:
	case T_String:
	case T_Integer:
	case T_A_Star: /* in an indirection, whose base is walked */
		break;
	case T_A_Expr:
		expression(a, (A_Expr *)n, s, in);
		value = a->value;
		break;
	case T_BoolExpr:
		an_expr_list(a, ((BoolExpr *)n)->args, s, in);
		value.kind = SQL_VALUE_BOOLEAN;
		break;
	case T_NullTest:
		an_expr(a, (Node *)((NullTest *)n)->arg, s, in);
		value.kind = SQL_VALUE_BOOLEAN;
		break;
	case T_BooleanTest:
		an_expr(a, (Node *)((BooleanTest *)n)->arg, s, in);
		value.kind = SQL_VALUE_BOOLEAN;
		break;
	case T_FuncCall:
		func_call(a, (FuncCall *)n, s, ctx);
		value = a->value;
		break;
	case T_NamedArgExpr:
		an_expr(a, (Node *)((NamedArgExpr *)n)->arg, s, ctx);
		break;
	case T_TypeCast:
		an_type(a, ((TypeCast *)n)->typeName, s);
		an_expr(a, ((TypeCast *)n)->arg, s, in);
		/* Of an array that is put together each element is cast by itself. */
		if (((TypeCast *)n)->arg && IsA(((TypeCast *)n)->arg, A_ArrayExpr))
			a->value = value;
		value = an_cast_value(a, ((TypeCast *)n)->typeName, a->value);
		break;
	case T_CollateClause:
		an_expr(a, ((CollateClause *)n)->arg, s, in);
		value = a->value;
		break;
	case T_A_Indirection:
		foreach (lc, ((A_Indirection *)n)->indirection) {
			if (IsA(lfirst(lc), String))
				attribute(a, an_str(a, strVal(lfirst(lc))), -1);
		}
		an_expr(a, ((A_Indirection *)n)->arg, s, in);
		an_expr_list(a, ((A_Indirection *)n)->indirection, s, in);
		break;
	case T_A_Indices:
		an_expr(a, ((A_Indices *)n)->lidx, s, in);
		an_expr(a, ((A_Indices *)n)->uidx, s, in);
		break;
	case T_A_ArrayExpr:
		an_become_list(a, SQL_APPLY_ARRAY, ((A_ArrayExpr *)n)->elements, s, in);
		value = a->value;
		break;
	case T_RowExpr:
		an_expr_list(a, ((RowExpr *)n)->args, s, in);
		break;
	case T_List:
		an_expr_list(a, (List *)n, s, in);
		break;
	case T_CaseExpr:
		an_case(a, (CaseExpr *)n, s, in);
		value = a->value;
		break;
	case T_CoalesceExpr:
		an_coalesce(a, (CoalesceExpr *)n, s, in);
		value = a->value;
		break;
	case T_MinMaxExpr:
		an_become_list(a, SQL_APPLY_COMMON, ((MinMaxExpr *)n)->args, s, in);
		value = a->value;
		break;
	case T_GroupingFunc:
		an_expr_list(a, ((GroupingFunc *)n)->args, s, in);
		break;
	case T_GroupingSet:
		an_expr_list(a, ((GroupingSet *)n)->content, s, ctx);
		break;
	case T_SubLink:
		sublink(a, (SubLink *)n, s, ctx);
		value = a->value;
		break;
	case T_XmlExpr:
		an_expr_list(a, ((XmlExpr *)n)->named_args, s, argument(ctx));
		an_expr_list(a, ((XmlExpr *)n)->args, s, argument(ctx));
		break;
	case T_XmlSerialize:
		an_type(a, ((XmlSerialize *)n)->typeName, s);
		an_expr(a, ((XmlSerialize *)n)->expr, s, argument(ctx));
		break;
	case T_MultiAssignRef:
		/* Each of its columns points to one source: walk it once. */
		if (((MultiAssignRef *)n)->colno == 1)
			an_expr(a, ((MultiAssignRef *)n)->source, s, ctx);
		break;
	case T_ResTarget:
		an_expr_list(a, ((ResTarget *)n)->indirection, s, in);
		an_expr(a, ((ResTarget *)n)->val, s, ctx);
		break;
	case T_CurrentOfExpr:
		a->stmt->flags |= SQL_CURSOR_WRITE;
		a->stmt->name = an_str(a, ((CurrentOfExpr *)n)->cursor_name);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "expression of a kind this version does not know");
	}
	a->value = value;
}

void
an_expr(struct analysis *a, Node *n, struct scope *s, enum context ctx)
{
	a->value = (struct sql_value){SQL_VALUE_ANY, 0};
	if (!n)
		return;
	if (an_enter(a))
		node(a, n, s, ctx);
	an_leave(a);
}
