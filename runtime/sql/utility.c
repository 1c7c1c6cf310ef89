/* SPDX-License-Identifier: MIT
 *
 * Statements: which kind, which effects. Most are rows of grammar/statements.def; the others have a
 * function here. What such a statement contains (EXPLAIN ANALYZE, PREPARE, DECLARE, CREATE TABLE
 * AS) is analysed as if it stood alone.
 */
#include "sql/analyse.h"

#include <strings.h>

void
an_kind(struct analysis *a, enum sql_kind kind, const char *name)
{
	a->stmt->kind = a->stmt->inner = kind;
	if (name)
		a->stmt->name = an_str(a, name);
}

static void
query(struct analysis *a, Node *n, enum context out)
{
	a->stmt->inner = an_query_kind(n);
	a->stmt->query = an_slot(a);
	an_query(a, n, NULL, out, a->stmt->query);
	/* A SELECT without a table still is one: every command has at least one effect. */
	if (a->effects.n == a->stmt->effects)
		an_effect(a, ACTION_SQL_SELECT, -1);
}

/* ---- what contains a query ---- */

static void
execute(struct analysis *a, ExecuteStmt *n)
{
	an_effect(a, ACTION_SQL_PREPARE, -1);
	a->stmt->flags |= SQL_EXECUTES;
	a->stmt->name = an_str(a, n->name);
	a->impure = true; /* what it runs is judged by whoever knows the prepared statement */
	an_expr_list(a, n->params, NULL, CONTEXT_EXPRESSION);
}

static void
create_as(struct analysis *a, CreateTableAsStmt *n)
{
	if (n->objtype == OBJECT_TABLE)
		an_effect_table(a, n->into->rel, n->into->onCommit);
	else
		an_effect_var(a, ACTION_SQL_CREATE, n->into->rel);
	an_effect_var(a, ACTION_SQL_INSERT, n->into->rel)->flags |= SQL_EFFECT_STAR;
	a->stmt->flags |= SQL_DDL;
	if (IsA(n->query, ExecuteStmt)) {
		execute(a, (ExecuteStmt *)n->query);
		a->stmt->inner = SQL_KIND_EXECUTE;
	} else {
		a->stmt->inner = an_query_kind(n->query);
		an_query(a, n->query, NULL, CONTEXT_WRITE_SOURCE, -1);
	}
}

static bool
word_is_false(const char *s)
{
	return strcasecmp(s, "false") == 0 || strcasecmp(s, "off") == 0 || strcmp(s, "0") == 0;
}

/* ANALYZE counts as on unless it is clearly off: defGetBoolean's spellings, and any that it
 * refuses. */
static bool
explain_runs(const ExplainStmt *n)
{
	ListCell *lc;

	foreach (lc, n->options) {
		DefElem *d = lfirst(lc);

		if (strcmp(d->defname, "analyze") != 0)
			continue;
		if (!d->arg)
			return true;
		if (IsA(d->arg, Integer) ? intVal(d->arg) != 0
					 : !(IsA(d->arg, String) && word_is_false(strVal(d->arg))))
			return true;
	}
	return false;
}

static void
explain(struct analysis *a, ExplainStmt *n)
{
	uint32_t from;

	an_effect(a, ACTION_SQL_EXPLAIN, -1);
	a->explain = true;
	if (explain_runs(n))
		a->stmt->flags |= SQL_EXPLAIN_ANALYZE;
	from = a->effects.n;
	switch (nodeTag(n->query)) {
	case T_CreateTableAsStmt:
		create_as(a, (CreateTableAsStmt *)n->query);
		break;
	case T_ExecuteStmt:
		execute(a, (ExecuteStmt *)n->query);
		a->stmt->inner = SQL_KIND_EXECUTE;
		break;
	case T_DeclareCursorStmt:
		a->stmt->inner = an_query_kind(((DeclareCursorStmt *)n->query)->query);
		an_query(a, ((DeclareCursorStmt *)n->query)->query, NULL, CONTEXT_OUTPUT, -1);
		break;
	case T_RefreshMatViewStmt:
		an_effect_var(a, ACTION_SQL_REFRESH, ((RefreshMatViewStmt *)n->query)->relation);
		break;
	default:
		a->stmt->inner = an_query_kind(n->query);
		an_query(a, n->query, NULL, CONTEXT_OUTPUT, -1);
	}
	/* Without ANALYZE nothing runs, but functions may be folded at plan time: only writes go.
	 */
	if (!(a->stmt->flags & SQL_EXPLAIN_ANALYZE) && a->status == SQL_OK) {
		struct sql_effect *e = a->effects.p;
		uint32_t to = from;

		for (uint32_t i = from; i < a->effects.n; i++) {
			bool write = e[i].action == ACTION_SQL_INSERT ||
				     e[i].action == ACTION_SQL_UPDATE ||
				     e[i].action == ACTION_SQL_DELETE ||
				     e[i].action == ACTION_SQL_MERGE ||
				     e[i].action == ACTION_SQL_CREATE ||
				     e[i].action == ACTION_SQL_REFRESH;

			if (!write || e[i].function.n)
				e[to++] = e[i];
		}
		a->effects.n = to;
		a->impure = (a->stmt->flags & SQL_EXECUTES) != 0;
		for (uint32_t i = from; i < to; i++)
			a->impure |= e[i].action != ACTION_SQL_SELECT;
	}
}

static void
prepare(struct analysis *a, PrepareStmt *n)
{
	an_kind(a, SQL_KIND_PREPARE, n->name);
	an_effect(a, ACTION_SQL_PREPARE, -1);
	a->inner = true;
	a->declared = n->argtypes;
	a->preparing = true;
	query(a, n->query, CONTEXT_OUTPUT);
	a->preparing = false;
	a->impure = true;
}

static void
declare(struct analysis *a, DeclareCursorStmt *n)
{
	an_kind(a, SQL_KIND_DECLARE, n->portalname);
	an_effect(a, ACTION_SQL_DECLARE, -1);
	if (n->options & CURSOR_OPT_HOLD)
		a->stmt->flags |= SQL_WITH_HOLD;
	if (n->options & CURSOR_OPT_BINARY)
		a->stmt->flags |= SQL_BINARY;
	a->inner = true;
	query(a, n->query, CONTEXT_OUTPUT);
}

static void
view(struct analysis *a, ViewStmt *n)
{
	uint32_t first = a->relations.n;

	an_effect_var(a, ACTION_SQL_CREATE, n->view);
	a->stmt->flags |= SQL_DDL;
	an_query(a, n->query, NULL, CONTEXT_WRITE_SOURCE, -1);
	an_settings_view(a, first);
}

/* ---- objects ---- */

static void
drop(struct analysis *a, DropStmt *n)
{
	bool network = n->removeType == OBJECT_FDW || n->removeType == OBJECT_FOREIGN_SERVER ||
		       n->removeType == OBJECT_FOREIGN_TABLE;
	enum action action = network				   ? ACTION_SQL_NETWORK
			     : n->removeType == OBJECT_PUBLICATION ? ACTION_SQL_REPLICATION
								   : ACTION_SQL_DROP;
	ListCell *lc;

	foreach (lc, n->objects) {
		Node *o = lfirst(lc);
		struct sql_effect *e;

		if (IsA(o, List)) {
			List *names = (List *)o;

			/* A trigger, policy or rule: the table comes first, its own name last. */
			if (n->removeType == OBJECT_TRIGGER || n->removeType == OBJECT_POLICY ||
			    n->removeType == OBJECT_RULE)
				names = list_truncate(names, list_length(names) - 1);
			e = an_effect_named(a, action, names);
		} else if (IsA(o, TypeName)) {
			e = an_effect_named(a, action, ((TypeName *)o)->names);
		} else if (IsA(o, ObjectWithArgs)) {
			e = an_effect_named(a, action, ((ObjectWithArgs *)o)->objname);
		} else {
			e = an_effect(a, action, -1);
			if (IsA(o, String))
				e->object = an_str(a, strVal(o));
		}
		if (n->behavior == DROP_CASCADE)
			e->flags |= SQL_EFFECT_CASCADE;
	}
}

static void
vars(struct analysis *a, enum action action, List *l, bool cascade)
{
	ListCell *lc;

	foreach (lc, l) {
		struct sql_effect *e = an_effect_var(a, action, lfirst(lc));

		if (cascade)
			e->flags |= SQL_EFFECT_CASCADE;
	}
}

/* A default, check or generated column: runs later, for whoever writes the table. Its names are the
 * table's own; what matters is whether it calls something unknown. */
static void
runs_later(struct analysis *a, Node *n)
{
	uint32_t effects = a->effects.n, calls = a->calls.n;

	an_expr(a, n, NULL, CONTEXT_EXPRESSION);
	for (uint32_t i = effects; i < a->effects.n && a->status == SQL_OK; i++) {
		enum action x = ((struct sql_effect *)a->effects.p)[i].action;

		if (x != ACTION_SQL_UPDATE) /* nextval() */
			a->stmt->flags |= SQL_CODE;
	}
	if (a->status == SQL_OK) {
		a->effects.n = effects;
		a->calls.n = calls;
	}
}

/* CHECK, DEFAULT, GENERATED; EXCLUDE's index elements, each with its operator. */
static void
constraint_later(struct analysis *a, const Constraint *k)
{
	ListCell *lc;

	runs_later(a, k->raw_expr);
	runs_later(a, k->where_clause);
	foreach (lc, k->exclusions)
		runs_later(a, ((IndexElem *)linitial((List *)lfirst(lc)))->expr);
}

static void
constraints_later(struct analysis *a, List *l)
{
	ListCell *lc;

	foreach (lc, l) {
		if (IsA(lfirst(lc), Constraint))
			constraint_later(a, lfirst(lc));
	}
}

/* A foreign key answers for every row that is written whether the other table has the value: a join
 * with it. Without names of columns it is the primary key, whichever that is. */
static void
references(struct analysis *a, const RangeVar *self, const Constraint *k)
{
	struct scope s = {0};
	uint32_t table;
	ListCell *lc;

	if (k->contype != CONSTR_FOREIGN || !k->pktable ||
	    (strcmp(k->pktable->relname, self->relname) == 0 &&
	     (k->pktable->schemaname && self->schemaname
		      ? strcmp(k->pktable->schemaname, self->schemaname) == 0
		      : !k->pktable->schemaname && !self->schemaname)))
		return;
	table = an_target(a, &s, k->pktable, false);
	foreach (lc, k->pk_attrs) {
		struct sql_use *u = an_use(a, CONTEXT_JOIN, 0, -1);

		u->column = an_str(a, strVal(lfirst(lc)));
		an_use_relation(a, u, table);
	}
	if (!k->pk_attrs)
		an_use_relation(a, an_use(a, CONTEXT_JOIN, SQL_USE_ROW, -1), table);
}

static void
all_references(struct analysis *a, const RangeVar *self, List *constraints)
{
	ListCell *lc;

	foreach (lc, constraints) {
		if (IsA(lfirst(lc), Constraint))
			references(a, self, lfirst(lc));
	}
}

/* A new partition is compared with the rows of the default one. */
static void
partition_of(struct analysis *a, const CreateStmt *n)
{
	struct scope s = {0};
	ListCell *lc;

	foreach (lc, n->partbound ? n->inhRelations : NIL) {
		uint32_t parent = an_target(a, &s, lfirst(lc), false);

		an_use_relation(a, an_use(a, CONTEXT_PREDICATE, SQL_USE_ROW, -1), parent);
	}
}

static void
create_table(struct analysis *a, CreateStmt *n)
{
	ListCell *lc;

	a->stmt->flags |= SQL_DDL;
	an_effect_table(a, n->relation, n->oncommit);
	foreach (lc, n->tableElts) {
		Node *e = lfirst(lc);

		if (IsA(e, ColumnDef)) {
			runs_later(a, ((ColumnDef *)e)->raw_default);
			constraints_later(a, ((ColumnDef *)e)->constraints);
			all_references(a, n->relation, ((ColumnDef *)e)->constraints);
		} else if (IsA(e, Constraint)) {
			constraint_later(a, (Constraint *)e);
			references(a, n->relation, (Constraint *)e);
		}
	}
	constraints_later(a, n->constraints);
	all_references(a, n->relation, n->constraints);
	partition_of(a, n);
	foreach (lc, n->partspec ? n->partspec->partParams : NIL)
		runs_later(a, ((PartitionElem *)lfirst(lc))->expr);
}

/* Expressions of an index are computed from every row at once, and their errors quote values. */
static void
create_index(struct analysis *a, IndexStmt *n)
{
	bool computes = n->whereClause != NULL;
	struct scope s = {0};
	struct sql_effect *e;
	ListCell *lc;

	a->stmt->flags |= SQL_DDL;
	e = an_effect_var(a, ACTION_SQL_CREATE, n->relation);
	foreach (lc, n->indexParams) {
		const IndexElem *column = lfirst(lc);

		computes |= column->expr != NULL;
		if (column->name)
			an_column(a, e, an_str(a, column->name));
	}
	if (!computes)
		return;
	an_target(a, &s, n->relation, false);
	foreach (lc, n->indexParams)
		an_expr(a, ((IndexElem *)lfirst(lc))->expr, &s, CONTEXT_WRITE_SOURCE);
	an_expr(a, n->whereClause, &s, CONTEXT_PREDICATE);
}

static void
create_statistics(struct analysis *a, CreateStatsStmt *n)
{
	ListCell *lc;

	a->stmt->flags |= SQL_DDL;
	an_effect_named(a, ACTION_SQL_CREATE, n->defnames);
	/* ANALYZE will compute them, and its errors quote values. */
	foreach (lc, n->exprs) {
		if (((StatsElem *)lfirst(lc))->expr)
			a->stmt->flags |= SQL_CODE;
	}
}

/* ALTER TABLE ... USING expr, GENERATED ALWAYS AS (expr): stored columns are computed from others.
 */
static void
alter_table(struct analysis *a, AlterTableStmt *n)
{
	bool network = n->objtype == OBJECT_FOREIGN_TABLE;
	bool owner = false;
	struct scope s = {0};
	ListCell *lc, *c;

	a->stmt->flags |= SQL_DDL;
	foreach (lc, n->cmds)
		owner |= ((AlterTableCmd *)lfirst(lc))->subtype == AT_ChangeOwner;
	an_effect_var(a, network ? ACTION_SQL_NETWORK : ACTION_SQL_ALTER, n->relation);
	if (owner)
		an_effect_var(a, ACTION_SQL_GRANT, n->relation);
	an_target(a, &s, n->relation, true);
	foreach (lc, n->cmds) {
		AlterTableCmd *cmd = lfirst(lc);
		ColumnDef *d = (ColumnDef *)cmd->def;

		if (d && cmd->subtype == AT_ColumnDefault)
			runs_later(a, cmd->def);
		if (d && IsA(d, Constraint)) {
			constraint_later(a, (Constraint *)cmd->def);
			references(a, n->relation, (Constraint *)cmd->def);
		}
		if (!d || !IsA(d, ColumnDef))
			continue;
		constraints_later(a, d->constraints);
		all_references(a, n->relation, d->constraints);
		an_expr(a, d->raw_default, &s, CONTEXT_WRITE_SOURCE);
		foreach (c, d->constraints) {
			Constraint *k = lfirst(c);

			if (IsA(k, Constraint) && k->contype == CONSTR_GENERATED)
				an_expr(a, k->raw_expr, &s, CONTEXT_WRITE_SOURCE);
		}
	}
}

static void
grant(struct analysis *a, GrantStmt *n)
{
	ListCell *lc;

	foreach (lc, n->objects) {
		Node *o = lfirst(lc);

		if (IsA(o, RangeVar))
			an_effect_var(a, ACTION_SQL_GRANT, (RangeVar *)o);
		else if (IsA(o, ObjectWithArgs))
			an_effect_named(a, ACTION_SQL_GRANT, ((ObjectWithArgs *)o)->objname);
		else
			an_effect(a, ACTION_SQL_GRANT, -1);
	}
	if (!n->objects)
		an_effect(a, ACTION_SQL_GRANT, -1);
}

static void
named_object(struct analysis *a, enum action action, Node *o)
{
	if (o && IsA(o, List))
		an_effect_named(a, action, (List *)o);
	else if (o && IsA(o, TypeName))
		an_effect_named(a, action, ((TypeName *)o)->names);
	else if (o && IsA(o, ObjectWithArgs))
		an_effect_named(a, action, ((ObjectWithArgs *)o)->objname);
	else
		an_effect(a, action, -1);
}

static void
comment(struct analysis *a, CommentStmt *n)
{
	/* COMMENT ON COLUMN t.c names a column last: the effect is on the table. */
	if (n->objtype == OBJECT_COLUMN && IsA(n->object, List))
		n->object = (Node *)list_truncate((List *)n->object,
						  list_length((List *)n->object) - 1);
	named_object(a, ACTION_SQL_COMMENT, n->object);
}

static void
rename_stmt(struct analysis *a, RenameStmt *n)
{
	enum action action = n->renameType == OBJECT_ROLE ? ACTION_SQL_ROLE : ACTION_SQL_ALTER;
	struct sql_effect *e;

	a->stmt->flags |= SQL_DDL;
	if (!n->relation) {
		named_object(a, action, n->object);
		return;
	}
	e = an_effect_var(a, action, n->relation);
	if (n->subname) /* of a column, a constraint, a trigger */
		return;
	e->flags |= SQL_EFFECT_NAME;
	e->value = an_str(a, n->newname);
}

static void
vacuum(struct analysis *a, VacuumStmt *n)
{
	enum action action = n->is_vacuumcmd ? ACTION_SQL_VACUUM : ACTION_SQL_ANALYZE;
	ListCell *lc;

	foreach (lc, n->rels)
		an_effect_var(a, action, ((VacuumRelation *)lfirst(lc))->relation);
	if (!n->rels)
		an_effect(a, action, -1);
}

static void
create_schema(struct analysis *a, CreateSchemaStmt *n)
{
	struct sql_stmt keep;
	ListCell *lc;

	a->stmt->flags |= SQL_DDL;
	an_effect(a, ACTION_SQL_CREATE, -1)->schema = an_str(a, n->schemaname);
	if (!an_enter(a)) {
		an_leave(a);
		return;
	}
	keep = *a->stmt;
	foreach (lc, n->schemaElts) {
		an_statement(a, lfirst(lc));
		keep.flags |= a->stmt->flags & SQL_CODE;
	}
	*a->stmt = keep; /* its elements do not make it another kind */
	an_leave(a);
}

static void
call(struct analysis *a, CallStmt *n)
{
	struct sql_effect *e = an_effect(a, ACTION_SQL_CALL, n->funccall->location);
	int k = list_length(n->funccall->funcname);

	an_kind(a, SQL_KIND_CALL, NULL);
	e->function = an_str(a, strVal(llast(n->funccall->funcname)));
	if (k >= 2)
		e->schema = an_str(a, strVal(list_nth(n->funccall->funcname, k - 2)));
	an_expr_list(a, n->funccall->args, NULL, CONTEXT_FUNCTION);
}

static void
fetch(struct analysis *a, FetchStmt *n)
{
	an_kind(a, SQL_KIND_FETCH, n->portalname);
	an_effect(a, ACTION_SQL_FETCH, -1);
	if (n->ismove)
		a->stmt->flags |= SQL_MOVE;
}

/* One case per statement kind: long, but there is nothing to gain from spreading it. */
static void
special(struct analysis *a, Node *n)
{
	switch (nodeTag(n)) {
	case T_SelectStmt:
	case T_InsertStmt:
	case T_UpdateStmt:
	case T_DeleteStmt:
	case T_MergeStmt:
		an_kind(a, an_query_kind(n), NULL);
		query(a, n,
		      a->stmt->kind == SQL_KIND_CREATE_AS ? CONTEXT_WRITE_SOURCE : CONTEXT_OUTPUT);
		if (a->stmt->kind == SQL_KIND_CREATE_AS) {
			a->stmt->flags |= SQL_DDL;
			a->stmt->inner = SQL_KIND_QUERY;
			a->stmt->query = -1; /* the rows go to the table */
		}
		break;
	case T_CopyStmt:
		an_kind(a, SQL_KIND_COPY, NULL);
		an_copy(a, (CopyStmt *)n);
		break;
	case T_ExplainStmt:
		an_kind(a, SQL_KIND_EXPLAIN, NULL);
		explain(a, (ExplainStmt *)n);
		break;
	case T_CreateTableAsStmt:
		an_kind(a, SQL_KIND_CREATE_AS, NULL);
		create_as(a, (CreateTableAsStmt *)n);
		break;
	case T_ViewStmt:
		view(a, (ViewStmt *)n);
		break;
	case T_PrepareStmt:
		prepare(a, (PrepareStmt *)n);
		break;
	case T_ExecuteStmt:
		an_kind(a, SQL_KIND_EXECUTE, NULL);
		execute(a, (ExecuteStmt *)n);
		break;
	case T_DeallocateStmt:
		an_kind(a, SQL_KIND_DEALLOCATE, ((DeallocateStmt *)n)->name);
		an_effect(a, ACTION_SQL_PREPARE, -1);
		break;
	case T_DeclareCursorStmt:
		declare(a, (DeclareCursorStmt *)n);
		break;
	case T_FetchStmt:
		fetch(a, (FetchStmt *)n);
		break;
	case T_ClosePortalStmt:
		an_kind(a, SQL_KIND_CLOSE, ((ClosePortalStmt *)n)->portalname);
		an_effect(a, ACTION_SQL_DECLARE, -1);
		break;
	case T_TransactionStmt:
		an_transaction(a, (TransactionStmt *)n);
		break;
	case T_VariableSetStmt:
		an_variable_set(a, (VariableSetStmt *)n);
		break;
	case T_AlterDatabaseSetStmt:
		an_database_set(a, (AlterDatabaseSetStmt *)n);
		break;
	case T_VariableShowStmt:
		an_show(a, (VariableShowStmt *)n);
		break;
	case T_DiscardStmt:
		an_discard(a, (DiscardStmt *)n);
		break;
	case T_NotifyStmt:
		an_kind(a, SQL_KIND_NOTIFY, ((NotifyStmt *)n)->conditionname);
		an_effect(a, ACTION_SQL_NOTIFY, -1);
		break;
	case T_ListenStmt:
		an_kind(a, SQL_KIND_LISTEN, ((ListenStmt *)n)->conditionname);
		an_effect(a, ACTION_SQL_LISTEN, -1);
		break;
	case T_UnlistenStmt:
		an_kind(a, SQL_KIND_UNLISTEN, ((UnlistenStmt *)n)->conditionname);
		an_effect(a, ACTION_SQL_LISTEN, -1);
		break;
	case T_LockStmt:
		an_kind(a, SQL_KIND_LOCK, NULL);
		vars(a, ACTION_SQL_LOCK, ((LockStmt *)n)->relations, false);
		break;
	case T_TruncateStmt:
		vars(a, ACTION_SQL_TRUNCATE, ((TruncateStmt *)n)->relations,
		     ((TruncateStmt *)n)->behavior == DROP_CASCADE);
		break;
	case T_DropStmt:
		a->stmt->flags |= SQL_DDL;
		drop(a, (DropStmt *)n);
		break;
	case T_AlterTableStmt:
		alter_table(a, (AlterTableStmt *)n);
		break;
	case T_CreateStmt:
		create_table(a, (CreateStmt *)n);
		break;
	case T_CreateSeqStmt:
		an_effect_table(a, ((CreateSeqStmt *)n)->sequence, ONCOMMIT_NOOP);
		a->stmt->flags |= SQL_DDL;
		break;
	case T_IndexStmt:
		create_index(a, (IndexStmt *)n);
		break;
	case T_CreateStatsStmt:
		create_statistics(a, (CreateStatsStmt *)n);
		break;
	case T_RenameStmt:
		rename_stmt(a, (RenameStmt *)n);
		break;
	case T_CommentStmt:
		comment(a, (CommentStmt *)n);
		break;
	case T_GrantStmt:
		a->stmt->flags |= SQL_DDL;
		grant(a, (GrantStmt *)n);
		break;
	case T_VacuumStmt:
		vacuum(a, (VacuumStmt *)n);
		break;
	case T_CreateSchemaStmt:
		create_schema(a, (CreateSchemaStmt *)n);
		break;
	case T_RefreshMatViewStmt:
		an_effect_var(a, ACTION_SQL_REFRESH, ((RefreshMatViewStmt *)n)->relation);
		break;
	case T_CallStmt:
		call(a, (CallStmt *)n);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "statement of a kind this version does not know");
	}
}

static bool
changes_catalog(enum action action)
{
	for (enum action x = action; x != ACTION_NONE; x = action_info[x].parent) {
		if (x == ACTION_SQL_DDL)
			return true;
	}
	return action == ACTION_SQL_LOAD || action == ACTION_SQL_NETWORK;
}

static void
simple(struct analysis *a, struct sql_effect *e)
{
	if (changes_catalog(e->action))
		a->stmt->flags |= SQL_DDL;
	an_kind(a, SQL_KIND_OTHER, NULL);
}

/* Statements that define code, or what makes code run, unnamed by those who trigger it. */
static bool
defines_code(const Node *n)
{
	switch (nodeTag(n)) {
	case T_CreateFunctionStmt:
	case T_AlterFunctionStmt:
	case T_RuleStmt:
	case T_CreateTrigStmt:
	case T_CreateEventTrigStmt:
	case T_AlterEventTrigStmt:
	case T_CreatePolicyStmt:
	case T_AlterPolicyStmt:
	case T_CreateCastStmt:
	case T_CreateOpClassStmt:
	case T_AlterOpFamilyStmt:
	case T_CreateConversionStmt:
	case T_CreateTransformStmt:
	case T_CreateRangeStmt:
	case T_CreateDomainStmt:
	case T_AlterDomainStmt:
	case T_AlterOperatorStmt:
	case T_AlterTypeStmt:
	case T_DefineStmt:
		return true;
	default:
		return false;
	}
}

#define how_SPECIAL(node, action) special(a, n)
#define how_PLAIN(node, action) simple(a, an_effect(a, ACTION_##action, -1))

void
an_statement(struct analysis *a, Node *n)
{
	an_kind(a, SQL_KIND_OTHER, NULL);
	if (defines_code(n))
		a->stmt->flags |= SQL_CODE;
	if (IsA(n, RenameStmt) || IsA(n, AlterObjectSchemaStmt) ||
	    (IsA(n, ViewStmt) && ((ViewStmt *)n)->replace))
		a->stmt->flags |= SQL_RENAMES;
	if (an_redefines(n))
		a->stmt->flags |= SQL_REDEFINES;
	switch (nodeTag(n)) {
#define STATEMENT(node, how, action)                                                               \
	case T_##node:                                                                             \
		how_##how(node, action);                                                           \
		break;
#define STATEMENT_VAR(node, action, field)                                                         \
	case T_##node:                                                                             \
		simple(a, an_effect_var(a, ACTION_##action, ((node *)n)->field));                  \
		break;
#define STATEMENT_NAMES(node, action, field)                                                       \
	case T_##node:                                                                             \
		simple(a, an_effect_named(a, ACTION_##action, ((node *)n)->field));                \
		break;
#include "grammar/statements.def"
#undef STATEMENT
#undef STATEMENT_VAR
#undef STATEMENT_NAMES
	default:
		an_fail(a, SQL_UNKNOWN, "statement of a kind this version does not know");
	}
}

bool
an_statement_known(NodeTag tag)
{
	switch ((int)tag) {
#define STATEMENT(node, how, action) case T_##node:
#define STATEMENT_VAR(node, action, field) case T_##node:
#define STATEMENT_NAMES(node, action, field) case T_##node:
#include "grammar/statements.def"
#undef STATEMENT
#undef STATEMENT_VAR
#undef STATEMENT_NAMES
		return true;
	default:
		return false;
	}
}
