/* SPDX-License-Identifier: MIT
 *
 * What `allowing` may open (grammar/allowing.def): output expressions whose evaluation says nothing
 * about the values in them, so that hiding the result hides all there is; literals that a column
 * may be compared with; and the groups that a HAVING clause proves to be large enough.
 */
#include "sql/analyse.h"

enum size { SIZE_SAME, SIZE_GROWS, SIZE_CUTS };
enum arguments { ARG_ONE, ARG_SINGLE, ARG_NUMBERS, ARG_TEXTS, ARG_ANY };

static const struct derived {
	const char *name;
	enum size size;
	enum arguments arguments;
} functions[] = {
#define DERIVED(name, size, arguments) {#name, SIZE_##size, ARG_##arguments},
#define DERIVED_OPERATOR(name, size)
#define PLAIN_TYPE(name, text)
#define AGGREGATE(name)
#include "grammar/allowing.def"
#undef DERIVED
#undef DERIVED_OPERATOR
};

static const struct derived operators[] = {
#define DERIVED(name, size, arguments)
#define DERIVED_OPERATOR(name, size) {name, SIZE_##size, ARG_ANY},
#include "grammar/allowing.def"
#undef DERIVED_OPERATOR
#undef PLAIN_TYPE
#undef AGGREGATE
};

static const char *const aggregates[] = {
#define DERIVED_OPERATOR(name, size)
#define PLAIN_TYPE(name, text)
#define AGGREGATE(name) #name,
#include "grammar/allowing.def"
#undef PLAIN_TYPE
#undef AGGREGATE
};

static const struct plain_type {
	const char *name;
	bool text;
} types[] = {
#define TYPE_IS_TEXT true
#define TYPE_IS_OTHER false
#define PLAIN_TYPE(name, text) {#name, TYPE_IS_##text},
#define AGGREGATE(name)
#include "grammar/allowing.def"
#undef DERIVED
#undef DERIVED_OPERATOR
#undef PLAIN_TYPE
#undef AGGREGATE
};

static bool derives(const struct analysis *a, const Node *n, bool grows, uint32_t depth);

/* The name by itself or in pg_catalog; else NULL. */
static const char *
built_in(const List *names)
{
	if (list_length(names) == 2 && strcmp(strVal(linitial(names)), "pg_catalog") == 0)
		return strVal(lsecond(names));
	return list_length(names) == 1 ? strVal(linitial(names)) : NULL;
}

static const struct plain_type *
plain_type(const TypeName *t)
{
	const char *name = t && !t->setof && !t->pct_type && !t->arrayBounds ? built_in(t->names)
									     : NULL;

	for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(name, types[i].name) == 0)
			return &types[i];
	}
	return NULL;
}

static bool
is_number(const Node *n)
{
	const A_Const *c = (const A_Const *)n;

	return n && IsA(n, A_Const) && !c->isnull && IsA(&c->val, Integer) &&
	       intVal(&c->val) >= 0;
}

static bool
is_literal(const Node *n)
{
	return n && IsA(n, A_Const);
}

static bool
are_numbers(const List *l)
{
	const ListCell *lc;

	foreach (lc, l) {
		if (!is_number(lfirst(lc)))
			return false;
	}
	return true;
}

/* All that a call can have besides arguments; what stands in there is not looked at. */
static bool
is_bare_call(const FuncCall *f)
{
	return !f->agg_order && !f->agg_filter && !f->over && !f->agg_within_group &&
	       !f->agg_distinct && !f->func_variadic;
}

/* Columns named in what derives. */
static int
n_columns(const Node *n)
{
	const List *args = n && IsA(n, FuncCall)	? ((const FuncCall *)n)->args
			   : n && IsA(n, CoalesceExpr) ? ((const CoalesceExpr *)n)->args
						       : NIL;
	const ListCell *lc;
	int columns = n && IsA(n, ColumnRef);

	foreach (lc, args)
		columns += n_columns(lfirst(lc));
	if (n && IsA(n, A_Expr))
		columns += n_columns(((const A_Expr *)n)->lexpr) +
			   n_columns(((const A_Expr *)n)->rexpr);
	return n && IsA(n, TypeCast) ? n_columns(((const TypeCast *)n)->arg) : columns;
}

static bool
derives_by(const struct analysis *a, const struct derived *d, const List *args, bool grows,
	   uint32_t depth)
{
	const ListCell *lc;
	int i = 0;

	if (grows && d->size == SIZE_CUTS)
		return false;
	if (d->arguments <= ARG_SINGLE && list_length(args) > 1)
		return false;
	foreach (lc, args) {
		const Node *arg = lfirst(lc);
		bool rest = i++ > 0;

		if (rest && d->arguments == ARG_NUMBERS ? !is_number(arg)
		    : rest && d->arguments == ARG_TEXTS
			    ? !is_literal(arg)
			    : !derives(a, arg, grows || d->size == SIZE_GROWS, depth))
			return false;
		if (d->arguments == ARG_SINGLE && n_columns(arg) > 1)
			return false;
	}
	return true;
}

static bool
call_derives(const struct analysis *a, const FuncCall *f, bool grows, uint32_t depth)
{
	const char *name = built_in(f->funcname);

	for (size_t i = 0; name && i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (strcmp(name, functions[i].name) == 0)
			return is_bare_call(f) &&
			       derives_by(a, &functions[i], f->args, grows, depth);
	}
	return false;
}

static bool
operator_derives(const struct analysis *a, const A_Expr *e, bool grows, uint32_t depth)
{
	const char *name = e->kind == AEXPR_OP && e->lexpr ? built_in(e->name) : NULL;

	for (size_t i = 0; name && i < sizeof(operators) / sizeof(operators[0]); i++) {
		bool more = grows || operators[i].size == SIZE_GROWS;

		if (strcmp(name, operators[i].name) == 0)
			return derives(a, e->lexpr, more, depth) &&
			       derives(a, e->rexpr, more, depth);
	}
	return false;
}

/* What type a parameter has, only the client knows, and a bigint that becomes an oid may fail. */
static bool
coalesces(const List *args)
{
	const ListCell *lc;

	foreach (lc, args) {
		if (IsA(lfirst(lc), ParamRef))
			return false;
	}
	return true;
}

static bool
derives(const struct analysis *a, const Node *n, bool grows, uint32_t depth)
{
	static const struct derived coalesce = {"coalesce", SIZE_SAME, ARG_ANY};

	if (!n || depth++ > a->limits.max_depth)
		return false;
	switch (nodeTag(n)) {
	case T_A_Const:
	case T_ParamRef:
		return true;
	case T_ColumnRef:
		return !IsA(llast(((const ColumnRef *)n)->fields), A_Star);
	case T_FuncCall:
		return call_derives(a, (const FuncCall *)n, grows, depth);
	case T_A_Expr:
		return operator_derives(a, (const A_Expr *)n, grows, depth);
	case T_CoalesceExpr:
		return coalesces(((const CoalesceExpr *)n)->args) &&
		       derives_by(a, &coalesce, ((const CoalesceExpr *)n)->args, grows, depth);
	case T_TypeCast: {
		const TypeCast *c = (const TypeCast *)n;
		const struct plain_type *t = plain_type(c->typeName);

		return t && t->text && are_numbers(c->typeName->typmods) &&
		       derives(a, c->arg, grows, depth);
	}
	default:
		return false;
	}
}

bool
an_derives(const struct analysis *a, const Node *n)
{
	return derives(a, n, false, 0);
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *
xml_name(const XmlExpr *x)
{
	switch (x->op) {
	case IS_XMLCONCAT:
		return "xmlconcat";
	case IS_XMLELEMENT:
		return "xmlelement";
	case IS_XMLFOREST:
		return "xmlforest";
	case IS_XMLPARSE:
		return "xmlparse";
	case IS_XMLPI:
		return "xmlpi";
	case IS_XMLROOT:
		return "xmlroot";
	default:
		return NULL;
	}
}

static const char *
value_name(const SQLValueFunction *f)
{
	switch (f->op) {
	case SVFOP_CURRENT_DATE:
		return "current_date";
	case SVFOP_CURRENT_TIME:
	case SVFOP_CURRENT_TIME_N:
		return "current_time";
	case SVFOP_CURRENT_TIMESTAMP:
	case SVFOP_CURRENT_TIMESTAMP_N:
		return "current_timestamp";
	case SVFOP_LOCALTIME:
	case SVFOP_LOCALTIME_N:
		return "localtime";
	case SVFOP_LOCALTIMESTAMP:
	case SVFOP_LOCALTIMESTAMP_N:
		return "localtimestamp";
	case SVFOP_CURRENT_ROLE:
		return "current_role";
	case SVFOP_CURRENT_USER:
		return "current_user";
	case SVFOP_USER:
		return "user";
	case SVFOP_SESSION_USER:
		return "session_user";
	case SVFOP_CURRENT_CATALOG:
		return "current_catalog";
	case SVFOP_CURRENT_SCHEMA:
		return "current_schema";
	}
	return NULL;
}

/* The last of the names in a list: not of subscripts and stars. */
static const char *
last_name(const List *l)
{
	const char *name = NULL;
	const ListCell *lc;

	foreach (lc, l) {
		if (IsA(lfirst(lc), String))
			name = strVal(lfirst(lc));
	}
	return name;
}

/* NULL: it has no name, or that of what is inside it. */
static const char *
name_of(const Node *n)
{
	switch (nodeTag(n)) {
	case T_ColumnRef:
		return last_name(((const ColumnRef *)n)->fields);
	case T_A_Indirection:
		return last_name(((const A_Indirection *)n)->indirection);
	case T_FuncCall:
		return strVal(llast(((const FuncCall *)n)->funcname));
	case T_A_Expr:
		return ((const A_Expr *)n)->kind == AEXPR_NULLIF ? "nullif" : NULL;
	case T_GroupingFunc:
		return "grouping";
	case T_SubLink:
		return ((const SubLink *)n)->subLinkType == EXISTS_SUBLINK  ? "exists"
		       : ((const SubLink *)n)->subLinkType == ARRAY_SUBLINK ? "array"
									    : NULL;
	case T_A_ArrayExpr:
		return "array";
	case T_RowExpr:
		return "row";
	case T_CoalesceExpr:
		return "coalesce";
	case T_MinMaxExpr:
		return ((const MinMaxExpr *)n)->op == IS_GREATEST ? "greatest" : "least";
	case T_SQLValueFunction:
		return value_name((const SQLValueFunction *)n);
	case T_XmlExpr:
		return xml_name((const XmlExpr *)n);
	case T_XmlSerialize:
		return "xmlserialize";
	default:
		return NULL;
	}
}

/* The first target of the first arm. NULL: there is none. */
static const ResTarget *
first_target(const Node *query)
{
	const SelectStmt *s = (const SelectStmt *)query;

	while (s && IsA(s, SelectStmt) && s->op != SETOP_NONE)
		s = s->larg;
	return s && IsA(s, SelectStmt) && s->targetList ? linitial(s->targetList) : NULL;
}

static bool
is_all_columns(const Node *n)
{
	const List *l = IsA(n, ColumnRef)	 ? ((const ColumnRef *)n)->fields
			: IsA(n, A_Indirection) ? ((const A_Indirection *)n)->indirection
						 : NIL;

	return l && IsA(llast(l), A_Star);
}

/* parse_target.c, FigureColname: a cast and a CASE are called as what is cast and as what stands
 * behind ELSE, or as the outermost of them where that has no name. */
const char *
an_own_name(const Node *n)
{
	const char *name, *weak = NULL;
	const ResTarget *t;

	for (unsigned depth = 0; n && depth < 64; depth++) {
		if (is_all_columns(n))
			return "";
		name = name_of(n);
		if (name)
			return name;
		if (IsA(n, TypeCast)) {
			weak = weak ? weak : last_name(((const TypeCast *)n)->typeName->names);
			n = ((const TypeCast *)n)->arg;
		} else if (IsA(n, CaseExpr)) {
			weak = weak ? weak : "case";
			n = (const Node *)((const CaseExpr *)n)->defresult;
		} else if (IsA(n, CollateClause)) {
			n = ((const CollateClause *)n)->arg;
		} else if (IsA(n, A_Indirection)) {
			n = ((const A_Indirection *)n)->arg;
		} else if (IsA(n, SubLink) && ((const SubLink *)n)->subLinkType == EXPR_SUBLINK) {
			t = first_target(((const SubLink *)n)->subselect);
			if (!t || t->name)
				return t ? t->name : ""; /* of VALUES, or of what is not looked into */
			n = t->val;
			weak = NULL;
		} else {
			return weak ? weak : "?column?";
		}
	}
	return n ? "" : weak ? weak : "?column?";
}

bool
an_looks_up(const Node *value)
{
	const TypeCast *c = (const TypeCast *)value;

	if (IsA(value, TypeCast))
		return plain_type(c->typeName) && !IsA(c->arg, TypeCast);
	return true;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static bool
is_named(const List *names, const char *name)
{
	const char *is = built_in(names);

	return is && strcmp(is, name) == 0;
}

/* The column of count(column), where nothing else can be meant by it than a column of the table;
 * NULL: it is something else. */
static const char *
counted(const Node *n, const RangeVar *table)
{
	const FuncCall *f = (const FuncCall *)n;
	const ColumnRef *c;

	if (!n || !IsA(n, FuncCall) || !is_named(f->funcname, "count") || !is_bare_call(f) ||
	    list_length(f->args) != 1 || !IsA(linitial(f->args), ColumnRef))
		return NULL;
	c = linitial(f->args);
	if (list_length(c->fields) > 2 || !IsA(llast(c->fields), String))
		return NULL;
	if (list_length(c->fields) == 2 &&
	    strcmp(strVal(linitial(c->fields)),
		   table->alias ? table->alias->aliasname : table->relname) != 0)
		return NULL;
	return strVal(llast(c->fields));
}

static void
prove(struct analysis *a, const char *column, int64_t least)
{
	struct proven *p = column && least > 0 ? arena_try_alloc(a->arena, sizeof(*p)) : NULL;

	if (!p)
		return; /* nothing proven, so nothing opened */
	*p = (struct proven){a->proven, an_str(a, column), (uint32_t)least};
	a->proven = p;
	a->literal_dependent = true;
}

static void
prove_by(struct analysis *a, const A_Expr *e, const RangeVar *table)
{
	const char *op = e->kind == AEXPR_OP && e->lexpr ? built_in(e->name) : NULL;

	if (!op)
		return;
	if (is_number(e->rexpr) && (strcmp(op, ">=") == 0 || strcmp(op, ">") == 0))
		prove(a, counted(e->lexpr, table),
		      (int64_t)intVal(&((A_Const *)e->rexpr)->val) + (op[1] == 0));
	else if (is_number(e->lexpr) && (strcmp(op, "<=") == 0 || strcmp(op, "<") == 0))
		prove(a, counted(e->rexpr, table),
		      (int64_t)intVal(&((A_Const *)e->lexpr)->val) + (op[1] == 0));
}

void
an_prove(struct analysis *a, const SelectStmt *n)
{
	const RangeVar *table = list_length(n->fromClause) == 1 ? linitial(n->fromClause) : NULL;
	const Node *having = n->havingClause;
	const ListCell *lc;

	a->proven = NULL;
	/* A join could show one row many times. */
	if (!having || !table || !IsA(table, RangeVar) ||
	    (table->alias && table->alias->colnames))
		return;
	if (IsA(having, A_Expr))
		prove_by(a, (const A_Expr *)having, table);
	if (!IsA(having, BoolExpr) || ((const BoolExpr *)having)->boolop != AND_EXPR)
		return;
	foreach (lc, ((const BoolExpr *)having)->args) {
		if (IsA(lfirst(lc), A_Expr))
			prove_by(a, lfirst(lc), table);
	}
}

uint32_t
an_proven(const struct analysis *a, const FuncCall *f, bool having)
{
	const ColumnRef *c = list_length(f->args) == 1 ? linitial(f->args) : NULL;
	uint32_t most = 0;
	bool listed = having && is_named(f->funcname, "count");

	for (size_t i = 0; !having && i < sizeof(aggregates) / sizeof(aggregates[0]); i++)
		listed = listed || is_named(f->funcname, aggregates[i]);
	if (!listed || !is_bare_call(f) || !c || !IsA(c, ColumnRef) ||
	    !IsA(llast(c->fields), String))
		return 0;
	for (const struct proven *p = a->proven; p; p = p->next) {
		if (slice_is(p->column, strVal(llast(c->fields))) && p->least > most)
			most = p->least;
	}
	return most;
}
