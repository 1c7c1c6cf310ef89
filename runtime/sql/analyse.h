/* SPDX-License-Identifier: MIT
 *
 * The analyser's working state, shared by its files (analyse: entry and collecting; query: SELECT
 * and DML with their scopes; expr: expressions; settings: the session's own; utility: all other
 * statements). Internal to sql/.
 *
 * Trouble sets `status` once and the walk goes on harmlessly: vectors that cannot grow hand out
 * `spare` memory, and the facts are thrown away at the end. Nothing here frees; all lives in the
 * arena.
 */
#ifndef WEIR_SQL_ANALYSE_H
#define WEIR_SQL_ANALYSE_H

#include "sql/functions.h"
#include "sql/sql.h"

/* PostgreSQL's headers come last: they redefine common names. */
#include <postgres.h>

#include <nodes/parsenodes.h>
#include <nodes/pg_list.h>

struct vec {
	void *p;
	uint32_t n, cap;
};

/* One name by which a scope reaches a relation. */
struct scope_rel {
	uint32_t relation;
	struct slice alias;
	bool qualified_only; /* JOIN USING's alias: not searched for unqualified names */
	bool star_only;	     /* a join whose sides' names are found in the sides */
	bool name_only;	     /* such a side, under the join's alias: alias.* is the join */
	bool covered;	     /* side of such a join: * is the join */
	bool hidden;	     /* by the column list of a join's alias: kept for its effect */
	bool own_name;	     /* no alias: schema.name.column reaches it as well */
	uint32_t effect;     /* its sql.select effect's index plus one; 0 none */
};

/* What one query level sees. `outer` is the enclosing level. */
struct scope {
	struct scope *outer;
	struct vec rels;		 /* struct scope_rel */
	uint32_t returning;		 /* RETURNING: the target's index in relations[], plus 1 */
	uint32_t cached_first, cached_n; /* candidates of unqualified names, valid at cached_gen */
	uint64_t cached_gen;
};

struct cte {
	struct cte *next;
	struct slice name;
	int32_t query;
};

/* HAVING keeps only groups with so many values of the column that are not NULL. */
struct proven {
	const struct proven *next;
	struct slice column;
	uint32_t least;
};

struct analysis {
	struct arena *arena;
	struct slice text;
	struct sql_limits limits;
	enum sql_status status;
	const char *why;

	struct vec stmts, effects, relations, candidates, uses, outputs, queries, calls, names,
		members, applies, values, types;
	struct sql_value value; /* of the expression that was walked last */
	struct sql_value selected; /* the only column of the query that was walked last */
	uint32_t *token_at; /* byte at which each token begins */
	uint32_t n_tokens;

	struct sql_stmt *stmt; /* being analysed */
	struct cte *ctes;      /* visible here, innermost first */
	uint64_t gen;	       /* counts changes to scopes */
	uint32_t depth;
	uint64_t params, params_again; /* of the first 64, bit n - 1: it occurs; more than once */
	const List *declared; /* types of the parameters in a PREPARE */
	bool preparing;
	bool twice; /* in what the server looks at twice */
	const struct proven *proven; /* of the groups of the SELECT whose list is walked */
	const SelectStmt *select; /* ... and that SELECT; NULL: no list is walked */
	bool derives; /* in an output expression that `allowing derived` may open */
	bool coalesced; /* inside coalesce() there */
	bool explain; /* every use is EXPLAIN */
	bool impure;  /* the statement is no pure read */
	bool inner;   /* effects carry SQL_EFFECT_INNER */
	bool literal_dependent;
	_Alignas(16) uint8_t spare[320];
};

/* ---- analyse.c ---- */
void an_fail(struct analysis *a, enum sql_status status, const char *why);
/* A zeroed element at the end; never NULL. */
void *an_push(struct analysis *a, struct vec *v, size_t size);
struct slice an_str(struct analysis *a, const char *s);
uint32_t an_token(const struct analysis *a, int location);
void an_settings_table(struct analysis *a, const RangeVar *rv);
void an_settings_view(struct analysis *a, uint32_t first);
struct sql_effect *an_effect(struct analysis *a, enum action action, int location);
/* Effect on schema.name of a list of String nodes (one to three), or of a RangeVar. */
struct sql_effect *an_effect_named(struct analysis *a, enum action action, const List *names);
struct sql_effect *an_effect_var(struct analysis *a, enum action action, const RangeVar *rv);
void an_effect_table(struct analysis *a, const RangeVar *rv, OnCommitAction end);
void an_column(struct analysis *a, struct sql_effect *e, struct slice name);
/* Index in applies[] (of a function or operator) of a call with values that are not known. */
uint32_t an_call(struct analysis *a, struct slice schema, struct slice name, uint32_t flags,
		 int location);
/* An operator that is looked up by a name which the text does not have. */
uint32_t an_operator(struct analysis *a, const char *name, int location);
/* Those of ORDER BY ... USING. */
void an_sort_operators(struct analysis *a, const List *sort);
bool an_enter(struct analysis *a); /* false: too deep; pair with an_leave */
void an_leave(struct analysis *a);

/* ---- from.c ---- */
/* The caller restores a->ctes when the statement ends. */
void an_with(struct analysis *a, WithClause *w, struct scope *outer);
void an_from(struct analysis *a, struct scope *s, List *items);
void an_from_item(struct analysis *a, struct scope *s, Node *n);
/* Adds a table that the statement writes to, or copies, to relations[] and to the scope. */
uint32_t an_target(struct analysis *a, struct scope *s, const RangeVar *rv, bool written);
struct scope_rel *an_scope_add(struct analysis *a, struct scope *s, uint32_t relation,
			       struct slice alias);
uint32_t an_relation(struct analysis *a, enum sql_relation_kind kind, struct slice name,
		     const Alias *alias, int location);
/* A relation whose columns are those of a query, under no name of the statement's. */
uint32_t an_result(struct analysis *a, struct scope *s, enum sql_relation_kind kind, int32_t query);

/* ---- grouping.c ---- */
/* An item of GROUP BY that names the output `val` can only be that: grouped by a column of the
 * name instead, the query would be refused. */
bool an_groups_output(const List *groups, Node *val, const struct scope *s);

/* ---- query.c ---- */
/* A place for a query in queries[], to be filled by an_query. */
int32_t an_slot(struct analysis *a);
/* Makes it a SELECT of n outputs, and returns the index of the first. */
uint32_t an_outputs(struct analysis *a, int32_t query, int n);
/* Any of SELECT, INSERT, UPDATE, DELETE, MERGE; `out` is the context of bare output columns. query:
 * where its result is recorded, -1: nobody will ask. */
void an_query(struct analysis *a, Node *n, struct scope *outer, enum context out, int32_t query);
enum sql_kind an_query_kind(const Node *n);

/* ---- expr.c ---- */
/* ctx is that of a column standing alone; deeper ones get what follows from it. */
void an_expr(struct analysis *a, Node *n, struct scope *s, enum context ctx);
void an_type(struct analysis *a, const TypeName *t, struct scope *s); /* values are made of it */
void an_expr_list(struct analysis *a, List *l, struct scope *s, enum context ctx);
void an_where(struct analysis *a, Node *n, struct scope *s); /* PREDICATE, noting equalities */
/* Index of the use in uses[], or -1 when the name is no single column. */
int32_t an_column_ref(struct analysis *a, ColumnRef *c, struct scope *s, enum context ctx,
		      uint32_t flags);
struct sql_use *an_use(struct analysis *a, enum context ctx, uint32_t flags, int location);
/* The candidates of a use from relations `from` to `to` of the scope. */
void an_use_relations(struct analysis *a, struct sql_use *u, const struct scope *s, uint32_t from,
		      uint32_t to);
void an_use_relation(struct analysis *a, struct sql_use *u, uint32_t relation);
void an_window(struct analysis *a, WindowDef *w, struct scope *s);
/* A condition that does not depend on the row: target NULL asks for any column at all. others: the
 * statement has sources besides its target, so that only qualified names count. */
bool an_constant(Node *n, const RangeVar *target, bool others);

/* ---- values.c ---- */
/* What a call is given; its result is a->value then. */
void an_apply(struct analysis *a, uint32_t apply, const struct sql_value *values, uint32_t n);
/* What becomes one value. A place for it comes before those of what it is made of. */
struct an_values {
	struct sql_value v[32];
	uint32_t n; /* SQL_APPLY_ANY: more than there is room for */
};
void an_values_add(struct an_values *l, struct sql_value v);
uint32_t an_become(struct analysis *a, enum sql_apply_kind kind);
struct sql_value an_parameter_value(struct analysis *a, int number);
struct sql_value an_constant_value(const A_Const *c);
struct sql_value an_cast_value(struct analysis *a, const TypeName *t, struct sql_value from);
struct sql_value an_function_value(struct analysis *a, const SQLValueFunction *f);

/* ---- choice.c ---- */
/* Each leaves what it gives in a->value. */
void an_case(struct analysis *a, CaseExpr *c, struct scope *s, enum context in);
void an_coalesce(struct analysis *a, CoalesceExpr *n, struct scope *s, enum context in);
void an_become_list(struct analysis *a, enum sql_apply_kind kind, List *l, struct scope *s,
		    enum context in);
/* Walks the right of a BETWEEN: what the left is compared with. */
void an_bounds(struct analysis *a, const A_Expr *e, struct scope *s, enum context ctx,
	       struct sql_value bounds[2]);

/* ---- derive.c ---- */
/* Evaluating it says nothing about the values of its columns. */
bool an_derives(const struct analysis *a, const Node *n);
/* The name that an output has without AS; empty: the text does not tell. */
const char *an_own_name(const Node *n);
/* A literal or parameter, as it is or cast to a plain type. */
bool an_looks_up(const Node *value);
/* Sets a->proven to what the HAVING clause proves. */
void an_prove(struct analysis *a, const SelectStmt *n);
/* The size of the groups that an aggregate of a column is proven to see, or, in HAVING, that it
 * proves; 0: nothing is. */
uint32_t an_proven(const struct analysis *a, const FuncCall *f, bool having);

/* ---- copy.c ---- */
void an_copy(struct analysis *a, CopyStmt *n);

/* ---- settings.c ---- */
void an_transaction(struct analysis *a, TransactionStmt *n);
void an_variable_set(struct analysis *a, VariableSetStmt *n);
void an_database_set(struct analysis *a, AlterDatabaseSetStmt *n);
void an_show(struct analysis *a, VariableShowStmt *n);
void an_discard(struct analysis *a, DiscardStmt *n);

/* ---- redefines.c ---- */
bool an_redefines(const Node *n);

/* ---- utility.c ---- */
void an_statement(struct analysis *a, Node *n);
/* Of the statement, with its object's name or NULL. */
void an_kind(struct analysis *a, enum sql_kind kind, const char *name);
bool an_statement_known(NodeTag tag); /* grammar/statements.def has it */

#endif
