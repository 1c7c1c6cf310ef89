/* SPDX-License-Identifier: MIT
 *
 * Statements about the session itself: transactions, settings, DISCARD.
 */
#include "sql/analyse.h"

void
an_transaction(struct analysis *a, TransactionStmt *n)
{
	static const struct {
		enum sql_kind kind;
		enum action action;
	} of[] = {
		[TRANS_STMT_BEGIN] = {SQL_KIND_BEGIN, ACTION_SQL_BEGIN},
		[TRANS_STMT_START] = {SQL_KIND_BEGIN, ACTION_SQL_BEGIN},
		[TRANS_STMT_COMMIT] = {SQL_KIND_COMMIT, ACTION_SQL_COMMIT},
		[TRANS_STMT_ROLLBACK] = {SQL_KIND_ROLLBACK, ACTION_SQL_ROLLBACK},
		[TRANS_STMT_SAVEPOINT] = {SQL_KIND_SAVEPOINT, ACTION_SQL_SAVEPOINT},
		[TRANS_STMT_RELEASE] = {SQL_KIND_RELEASE, ACTION_SQL_SAVEPOINT},
		[TRANS_STMT_ROLLBACK_TO] = {SQL_KIND_ROLLBACK_TO, ACTION_SQL_ROLLBACK},
		[TRANS_STMT_PREPARE] = {SQL_KIND_PREPARE_TRANSACTION, ACTION_SQL_TWO_PHASE},
		[TRANS_STMT_COMMIT_PREPARED] = {SQL_KIND_COMMIT_PREPARED, ACTION_SQL_TWO_PHASE},
		[TRANS_STMT_ROLLBACK_PREPARED] = {SQL_KIND_ROLLBACK_PREPARED, ACTION_SQL_TWO_PHASE},
	};
	ListCell *lc;

	if ((size_t)n->kind >= sizeof(of) / sizeof(of[0])) {
		an_fail(a, SQL_UNKNOWN, "transaction statement this version does not know");
		return;
	}
	an_kind(a, of[n->kind].kind, n->gid ? n->gid : n->savepoint_name);
	an_effect(a, of[n->kind].action, -1);
	if (n->chain)
		a->stmt->flags |= SQL_CHAIN;
	if (n->kind == TRANS_STMT_COMMIT_PREPARED) /* of whatever it was that was prepared */
		a->stmt->flags |= SQL_DDL | SQL_RENAMES;
	foreach (lc, n->options) {
		DefElem *d = lfirst(lc);
		A_Const *v = (A_Const *)d->arg;

		if (strcmp(d->defname, "transaction_read_only") == 0 && v && IsA(v, A_Const) &&
		    IsA(&v->val, Integer) && intVal(&v->val))
			a->stmt->flags |= SQL_READ_ONLY;
	}
}

static struct slice
lower(struct analysis *a, const char *s)
{
	struct slice out = an_str(a, s);

	for (size_t i = 0; i < out.n; i++) {
		uint8_t *p = (uint8_t *)out.p + i;

		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	}
	return out;
}

/* The values of SET, joined as SHOW would print a list. */
static struct slice
set_value(struct analysis *a, List *args)
{
	struct slice out = {0};
	ListCell *lc;

	foreach (lc, args) {
		Node *n = lfirst(lc);
		const char *text = "?";
		char number[16];

		while (n && IsA(n, TypeCast))
			n = ((TypeCast *)n)->arg;
		if (n && IsA(n, A_Const) && !((A_Const *)n)->isnull) {
			Node *v = (Node *)&((A_Const *)n)->val;

			if (IsA(v, String)) {
				text = strVal(v);
			} else if (IsA(v, Float)) {
				text = castNode(Float, v)->fval;
			} else if (IsA(v, Integer)) {
				snprintf(number, sizeof(number), "%d", intVal(v));
				text = number;
			}
		}
		if (!out.n) {
			out = an_str(a, text);
		} else {
			size_t more = strlen(text);
			uint8_t *p = arena_try_alloc(a->arena, out.n + 2 + more + 1);

			if (!p) {
				an_fail(a, SQL_MEMORY, "SET has too many values");
				return out;
			}
			memcpy(p, out.p, out.n);
			memcpy(p + out.n, ", ", 2);
			memcpy(p + out.n + 2, text, more);
			out = slice_of(p, out.n + 2 + more);
		}
	}
	return out;
}

static void
set_setting(struct analysis *a, VariableSetStmt *n)
{
	struct sql_set *set = &a->stmt->set;
	struct sql_effect *e;

	set->name = lower(a, n->name);
	set->is_default = n->kind == VAR_SET_DEFAULT || n->kind == VAR_RESET;
	set->is_session = true;
	set->local = n->is_local;
	if (n->kind == VAR_SET_CURRENT) /* SET x FROM CURRENT: only inside CREATE FUNCTION */
		set->value = SLICE_LIT("current");
	else
		set->value = set_value(a, n->args);
	an_kind(a, n->kind == VAR_RESET ? SQL_KIND_RESET : SQL_KIND_SET, NULL);
	e = an_effect(a,
		      setting_is_harmless(set->name, set->value) ? ACTION_SQL_SET
								 : ACTION_SQL_CONFIGURE,
		      -1);
	e->setting = set->name;
	if (set->local)
		e->flags |= SQL_EFFECT_LOCAL;
	if (set->is_default)
		e->flags |= SQL_EFFECT_RESET;
	else
		e->value = set->value;
}

void
an_variable_set(struct analysis *a, VariableSetStmt *n)
{
	switch (n->kind) {
	case VAR_SET_VALUE:
	case VAR_SET_DEFAULT:
	case VAR_SET_CURRENT:
	case VAR_RESET:
		set_setting(a, n);
		break;
	case VAR_SET_MULTI:
		/* SET TRANSACTION ..., SET SESSION CHARACTERISTICS AS TRANSACTION ..., SET
		 * TRANSACTION SNAPSHOT */
		an_kind(a, SQL_KIND_SET_TRANSACTION, NULL);
		a->stmt->set.name = lower(a, n->name);
		a->stmt->set.local = n->is_local;
		if (strcmp(n->name, "TRANSACTION") == 0) {
			an_effect(a, ACTION_SQL_BEGIN, -1);
			a->impure = true;
		} else {
			an_effect(a, ACTION_SQL_CONFIGURE, -1)->setting = a->stmt->set.name;
		}
		break;
	case VAR_RESET_ALL:
		an_kind(a, SQL_KIND_RESET_ALL, NULL);
		an_effect(a, ACTION_SQL_RESET, -1);
		break;
	default:
		an_fail(a, SQL_UNKNOWN, "SET of a kind this version does not know");
	}
}

void
an_show(struct analysis *a, VariableShowStmt *n)
{
	an_kind(a, SQL_KIND_SHOW, NULL);
	a->stmt->set.name = lower(a, n->name);
	an_effect(a, ACTION_SQL_SHOW, -1)->setting = a->stmt->set.name;
}

/* What sessions to come begin with. */
void
an_database_set(struct analysis *a, AlterDatabaseSetStmt *n)
{
	struct sql_effect *e = an_effect(a, ACTION_SQL_CONFIGURE, -1);
	const VariableSetStmt *set = n->setstmt;

	e->setting = set->name ? lower(a, set->name) : SLICE_LIT("all");
	if (set->kind == VAR_SET_VALUE)
		e->value = set_value(a, set->args);
	else if (set->kind != VAR_SET_CURRENT)
		e->flags |= SQL_EFFECT_RESET;
}

void
an_discard(struct analysis *a, DiscardStmt *n)
{
	static const char *const what[] = {[DISCARD_ALL] = "all",
					   [DISCARD_PLANS] = "plans",
					   [DISCARD_SEQUENCES] = "sequences",
					   [DISCARD_TEMP] = "temporary"};

	an_kind(a, SQL_KIND_DISCARD, (size_t)n->target < 4 ? what[n->target] : "all");
	an_effect(a, ACTION_SQL_DISCARD, -1);
}
