/* SPDX-License-Identifier: MIT
 *
 * What masks forbid. A masked column may appear only as a bare output column or inside count(), and
 * where its masks say more; whatever could carry it elsewhere is refused while masks are in force.
 */
#include "gate/gate_look.h"

/* Effects behind which anything could be read. */
static const enum action blind_actions[] = {
	ACTION_SQL_OPAQUE_FUNCTION, ACTION_SQL_CALL, ACTION_SQL_ANONYMOUS_CODE,
	ACTION_SQL_REPLICATION, ACTION_SQL_UNPARSED, ACTION_SQL_LOAD,
	ACTION_SQL_ROLE, /* a role's settings: what names mean to its next session */
	/* The files that tables lie in, and this database by another connection. */
	ACTION_SQL_FILE, ACTION_SQL_PROGRAM, ACTION_SQL_NETWORK,
};

/* Which mask rules the auditor will want to see beside the command. */
static void
note_masks(struct look *l, const struct catalog_relation *r)
{
	struct gate_verdict *v = l->v;

	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct gate_masked *m = class_mask(l->class, r->oid, r->columns[i].attnum);
		uint8_t k = 0;

		while (m && k < v->n_masks && v->masks[k] != m->rule)
			k++;
		if (m && k == v->n_masks && k < VERDICT_MASKS)
			v->masks[v->n_masks++] = m->rule;
	}
}

static void
refuse_unknown_path(struct look *l, struct slice name)
{
	bool batch = !l->path;

	look_refuse(l, NULL, "WEIR-SEARCH-PATH",
		    arena_printf(l->ask->arena, "what \"%.*s\" means is not known here: the search path %s",
				 SLICE_ARG(name),
				 batch ? "may have changed in this batch"
				       : "is too long, or names a temporary schema by its number"),
		    batch ? "qualify the name with its schema, or send what sets the path, or makes "
			    "temporary tables, by itself"
			  : "qualify the name with its schema; your own temporary schema is pg_temp");
}

static void
check_relation(struct look *l, const struct sql_relation *as, const struct catalog_relation *r)
{
	struct arena *a = l->ask->arena;
	const struct catalog_relation *hidden;
	const char *why;

	if (!r && !as->schema.n && (!l->path || l->path->truncated)) {
		refuse_unknown_path(l, as->name);
		return;
	}
	if (catalog_is_temporary(r)) {
		look_check_temporary(l, r);
		return;
	}
	hidden = as->schema.n ? NULL : class_shadowed(l->class, l->path, as->name, false);
	if (hidden)
		look_refuse(l, NULL, "WEIR-SEARCH-PATH",
		       arena_printf(a, "\"%.*s\" may still mean %.*s.%.*s, which has masked columns and "
					 "is also in the search path", SLICE_ARG(as->name),
					 SLICE_ARG(hidden->schema), SLICE_ARG(hidden->name)),
			    "qualify the name with its schema");
	if (!r) {
		look_refuse(l, "42P01", "WEIR-UNKNOWN-RELATION",
			    arena_printf(a, "relation \"%.*s\" is not in the target's catalog",
					 SLICE_ARG(as->name)),
		       "check the name; a temporary table must have been made before, in a message of its "
			    "own");
		l->v->wait_catalog = 1;
		return;
	}
	if ((why = class_tainted(l->class, r->oid)) != NULL)
		look_refuse(l, NULL, "WEIR-MASKED-VIEW",
			    arena_printf(a, "view %.*s cannot be read while masks are in force: %s",
					 SLICE_ARG(r->name), why),
		       "select from the tables themselves: their masked columns come back masked");
	if (class_is_telling(r))
		look_refuse(l, NULL, "WEIR-MASKED-STATISTICS",
		       arena_printf(a, "%.*s can show values of masked columns", SLICE_ARG(r->name)),
			    "ask somebody to look whom no mask applies to");
	if (class_governs(l->class, r->oid)) {
		l->v->rows_masked = true;
		note_masks(l, r);
	}
	if (class_drops(l->class, r->oid)) {
		l->v->rows_masked = true;
		gate_note_drops(l->class, l->v);
	}
}

bool
gate_copy_is_read(const struct sql_copy *c)
{
	return !c->unknown_option && c->null.n <= COPY_NULL_MAX &&
	       (!c->encoding.n || !setting_blinds(SLICE_LIT("client_encoding"), c->encoding));
}

/* A COPY whose columns cannot be told by position cannot be masked. */
static void
check_copy(struct look *l, const struct sql_stmt *st)
{
	struct copyout_column *columns;
	size_t n;

	if (!st->copy || st->copy->from || st->copy->where != SQL_COPY_STREAM ||
	    !l->v->rows_masked)
		return;
	if (!gate_copy_is_read(st->copy)) {
		look_refuse(l, NULL, "WEIR-MASKED-COPY",
			    "this COPY cannot be masked with these options",
			    "leave ENCODING and long NULL strings out, or SELECT the rows");
	} else if (!gate_copy_columns(l->s, l->facts, st, l->ask->arena, &columns, &n)) {
		look_refuse(l, NULL, "WEIR-MASKED-COPY", "this COPY cannot be masked",
			    "name plain columns of tables, or SELECT the rows");
		l->v->wait_catalog = 1; /* a column may have another name by now */
	}
}

static uint8_t
added(uint8_t to, uint32_t n)
{
	return to + n < UINT8_MAX ? (uint8_t) (to + n) : UINT8_MAX;
}

/* How many masked columns statement i of the message returns as the result of st: none may be
 * missing when its rows come. */
static void
count_outputs(struct look *l, struct lineage *lin, const struct sql_stmt *st, uint32_t i,
	      bool returns)
{
	const struct lineage_list *list = lineage_result(lin, st->query, 0);
	uint32_t n = list ? lineage_masked(list) : 0;
	struct gate_verdict *v = l->v;

	/* The server will say how many columns there are, so one gap can be filled, but not two. */
	if (n && list->n_gaps > 1)
		look_refuse(l, NULL, "WEIR-LINEAGE",
			    "which columns of the result are masked cannot be told by position",
			    "name the columns of functions instead of selecting *");
	if (!returns)
		return;
	v->masked_outputs = added(v->masked_outputs, n);
	if (i < VERDICT_STATEMENTS)
		v->masked_by[i] = added(v->masked_by[i], n);
}

/* What the command compares when it runs. */
static void
count_lookups(struct look *l, struct lineage *lin, const struct sql_stmt *run)
{
	const struct sql_facts *f = l->facts;
	bool executed = f != l->ask->facts;

	if (run)
		l->v->lookups += lineage_lookups(lin, run->uses, run->n_uses);
	for (uint32_t i = 0; !run && i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];
		uint32_t n = lineage_lookups(lin, st->uses, st->n_uses);

		/* A view would compare whenever somebody reads it. */
		if (n && st->kind == SQL_KIND_OTHER)
			look_refuse(l, NULL, "WEIR-MASKED-USE", "a look-up cannot be kept in a definition",
				    "look the value up in a SELECT, UPDATE or DELETE");
		if (executed || st->kind != SQL_KIND_PREPARE)
			l->v->lookups += n;
	}
}

/* A column may have got the name past the gateway since the catalog was read: under the name that
 * it had, masks cover it. So it is looked for once. Where it is not then either, the server says so
 * as well, or it is no column: what the server makes of names is not guessed at here. Where only a
 * masked column could hide what is there, as in much that is asked all day, what was read a moment
 * ago will do. */
static void
check_unknown(struct look *l, struct lineage *lin)
{
	enum lineage_doubt doubt = lineage_doubt(lin);

	if (doubt == LINEAGE_UNKNOWN)
		l->v->wait_catalog = 1;
	else if (doubt == LINEAGE_HIDDEN)
		l->v->wait_if_old = true;
}

/* Where the values of the results come from, and that nothing masked goes anywhere else. `run`: the
 * prepared statement that statement i of the message executes; NULL: the facts are the message's.
 */
static void
check_uses(struct look *l, const struct sql_stmt *run, uint32_t i)
{
	const struct sql_facts *f = l->facts;
	struct lineage lin = {.class = l->class,
			      .facts = f,
			      .arena = l->ask->arena,
			      .relations = l->relations,
			      .may_look_up = true};
	struct gate_refusal why = {0};

	lineage_follow(&lin);
	if (!lineage_check(&lin, &why))
		look_refuse(l, why.sqlstate, why.code, why.message, why.hint);
	check_unknown(l, &lin);
	count_lookups(l, &lin, run);
	if (run)
		count_outputs(l, &lin, run, i, true);
	/* PREPARE and DECLARE return nothing. */
	for (uint32_t k = 0; !run && k < f->n_stmts; k++)
		count_outputs(l, &lin, &f->stmts[k], k,
			      f->stmts[k].kind != SQL_KIND_PREPARE &&
				      f->stmts[k].kind != SQL_KIND_DECLARE);
}

/* An index is in the order of its columns, and a unique one tells which values are the same. */
static void
check_index(struct look *l, const struct sql_effect *e, const struct catalog_relation *r)
{
	for (uint32_t i = 0; i < e->n_columns; i++) {
		const struct catalog_column *c = catalog_column_named(r, e->columns[i]);

		if (!c)
			l->v->wait_catalog = 1; /* it may have got the name past the gateway */
		else if (class_mask(l->class, r->oid, c->attnum))
			look_refuse(l, NULL, "WEIR-MASKED-USE",
				    arena_printf(l->ask->arena, "%.*s.%.*s is masked and may not be in an index",
						 SLICE_ARG(r->name), SLICE_ARG(c->name)),
				    "take it out of the index, or leave that to somebody the mask does not "
				    "apply to");
	}
}

static void
check_effect(struct look *l, const struct sql_effect *e)
{
	const struct catalog_relation *r =
		e->object.n ? look_resolve(l, e->schema, e->object) : NULL;

	if (e->object.n && !e->schema.n && !l->path)
		refuse_unknown_path(l, e->object);
	for (size_t k = 0; k < COUNT_OF(blind_actions); k++)
		if (e->action == blind_actions[k] && !effect_is_vouched(l->class, e)) {
			look_refuse_changed(l, e);
			look_refuse(l, NULL, "WEIR-MASK-OPAQUE",
			       arena_printf(l->ask->arena, "%s could read masked columns unseen",
						 action_info[e->action].name),
				    "ask somebody whom no mask applies to; a function can be vouched for "
				    "(`trust function` in the policy)");
		}
	/* Sorts the rows where they lie, and shows by that how values compare. */
	if (e->action == ACTION_SQL_CLUSTER &&
	    (!e->object.n || (r && class_governs(l->class, r->oid))))
		look_refuse(l, NULL, "WEIR-MASKED-USE",
			    "CLUSTER sorts rows by columns that may be masked",
			    "name a table without masked columns, or leave it to somebody the mask "
			    "does not apply to");
	if (e->action == ACTION_SQL_CREATE && r && class_governs(l->class, r->oid))
		check_index(l, e, r);
	/* Renaming a schema renames what is in it. */
	if (e->action == ACTION_SQL_ALTER &&
	    (!e->object.n || (r && class_governs(l->class, r->oid))))
		look_refuse(l, NULL, "WEIR-MASKED-ALTER",
		       e->object.n ? "a table with masked columns cannot be altered while masks are "
					  "in force"
					: "only tables can be altered while masks are in force",
		       "let somebody change it whom the mask does not apply to: the mask goes with it");
	look_check_temporary_made(l, e, r);
	if (catalog_is_temporary(r) &&
	    !(e->action == ACTION_SQL_CREATE && e->flags & SQL_EFFECT_TABLE))
		look_check_shadow(l, e->schema, r);
}

void
look_check_masks(struct look *l, const struct sql_stmt *run, uint32_t run_by)
{
	const struct sql_facts *f = l->facts;
	bool reads = false, ddl = l->ask->schema_changed_in_tx;
	struct gate_refusal filter;

	for (uint32_t i = 0; i < f->n_relations; i++) {
		if (!look_is_table(&f->relations[i]))
			continue;
		reads = true;
		check_relation(l, &f->relations[i], l->relations[i]);
	}
	for (uint32_t i = 0; i < f->n_effects; i++)
		check_effect(l, &f->effects[i]);
	check_uses(l, run, run_by);
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];

		ddl = ddl || (st->flags & SQL_DDL && f->n_stmts > 1);
		look_check_temporary_view(l, st);
		/* What others, or this session, run later without naming it. */
		if (st->flags & SQL_CODE)
			look_refuse(l, NULL, "WEIR-MASK-OPAQUE",
				    "what this defines could read masked columns unseen",
			       "have it defined by somebody whom no masks are in force for: functions, "
			       "triggers, rules, policies and the like, and defaults or checks that "
			       "call such");
		if (st->kind == SQL_KIND_FETCH || st->flags & SQL_EXECUTES)
			l->v->rows_masked = true;
		check_copy(l, st);
	}
	/* What the transaction has changed, the catalog connection cannot see. */
	if (ddl && reads)
		look_refuse(l, NULL, "WEIR-SCHEMA-IN-TRANSACTION",
		       "tables cannot be read in a transaction that changed the schema while masks "
		       "are in force", "commit the schema change first, and send it by itself");
	if (!gate_rows_allowed(l->class, l->path, f, l->ask->arena, &filter))
		look_refuse(l, NULL, filter.code, filter.message, filter.hint);
}
