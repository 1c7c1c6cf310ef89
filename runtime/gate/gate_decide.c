/* SPDX-License-Identifier: MIT
 *
 * One command's verdict: each effect through the policy, joined; then what no policy can open.
 * Everything that could not be resolved is refused while masks are in force.
 */
#include "gate/gate_look.h"

#include "sql/catalog_types.h"
#include "sql/contexts.h"
#include "sql/dotted.h"

enum {
	USES_MAX = 1 << 20, /* of one message, a table each */
	CATALOG_TRIES = 4,  /* somebody may change the schema in a loop */
};

void
look_refuse(struct look *l, const char *sqlstate, const char *code, const char *message,
	    const char *hint)
{
	/* The first reason stands: it is the one the reader can act upon. */
	if (l->v->refusal.code)
		return;
	l->v->verdict = VERDICT_DENY;
	l->v->refusal = (struct gate_refusal){code, message, NULL, hint, sqlstate};
	l->v->n_rules = 0; /* the gateway itself, not a rule */
}

/* ---- names ----------------------------------------------------------------------------------- */

const struct catalog_relation *
look_resolve(const struct look *l, struct slice schema, struct slice name)
{
	return class_resolve(l->class, l->path, schema, name);
}

bool
look_is_table(const struct sql_relation *r)
{
	return r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED;
}

static void
resolve_relations(struct look *l)
{
	l->relations = class_relations(l->class, l->path, l->facts, l->ask->arena);
}

/* What they mean is part of the verdict, where it can change one. Under masks so is which function
 * a call means: somebody may define another while the command waits. */
static void
note_names(struct look *l)
{
	if (l->class->reads_names &&
	    (l->facts->n_relations || (l->class->any_masks && l->facts->n_calls)))
		l->v->names = gate_names_of(l->v->names, l->facts, l->relations);
}

/* ---- effects --------------------------------------------------------------------------------- */

static void
table_facts(struct look *l, const struct sql_effect *e, const struct catalog_relation *r)
{
	struct facts *f = &l->f;
	struct arena *a = l->ask->arena;
	struct slice schema = {0}, name = {0}, table;

	if (l->renamed) {
		facts_unknown(f, FACT_TABLE);
		facts_unknown(f, FACT_SCHEMA);
		facts_unknown(f, FACT_COLUMNS);
		return;
	}
	if (e->object.n && e->flags & SQL_EFFECT_TEMPORARY) {
		schema = SLICE_LIT("pg_temp");
		name = e->object;
	} else if (r) {
		schema = r->schema;
		name = r->name;
	} else if (e->object.n) {
		schema = e->schema;
		name = e->object;
	}
	if (sql_dotted(a, schema, name, &table)) {
		facts_string(f, FACT_TABLE, table);
		facts_string(f, FACT_SCHEMA, schema);
	} else {
		/* Whatever the name will mean: unknown never helps to allow. */
		facts_unknown(f, FACT_TABLE);
		facts_unknown(f, FACT_SCHEMA);
	}
	if (!(e->flags & SQL_EFFECT_STAR)) {
		facts_set(f, FACT_COLUMNS, e->columns, e->n_columns);
	} else if (r) {
		struct slice *all = ARENA_ARRAY(a, struct slice, r->n_columns + 1);
		size_t n = 0;

		for (uint32_t i = 0; i < r->n_columns; i++)
			if (!r->columns[i].dropped)
				all[n++] = r->columns[i].name;
		facts_set(f, FACT_COLUMNS, all, n);
	} else {
		facts_unknown(f, FACT_COLUMNS);
	}
}

static void
judge(struct look *l, const struct sql_effect *e, const struct catalog_relation *r)
{
	struct facts *f = &l->f;
	struct slice function;

	facts_int(f, FACT_ACTION, e->action);
	table_facts(l, e, r);
	if (e->function.n &&
	    sql_dotted_function(l->ask->arena, e->schema, e->function, &function))
		facts_string(f, FACT_FUNCTION, function);
	else
		facts_unknown(f, FACT_FUNCTION);
	if (e->setting.n)
		facts_string(f, FACT_SETTING, e->setting);
	else
		facts_unknown(f, FACT_SETTING);
	facts_bool(f, FACT_SQL_WHERE, (e->flags & SQL_EFFECT_WHERE) != 0);
	facts_bool(f, FACT_SQL_WHERE_CONSTANT, (e->flags & SQL_EFFECT_WHERE_CONSTANT) != 0);
	if (l->ask->judged)
		l->ask->judged(l->ask->ctx, f);
	vm_decide(l->class->epoch->image, ENTRY_COMMAND, f, &l->g->effect);
	/* People have released it, or what is held is more than the message shows. */
	if (l->cursor && l->g->effect.verdict == VERDICT_HOLD && l->cursor->released)
		l->g->effect.verdict = VERDICT_ALLOW;
	else if (l->cursor && l->g->effect.verdict == VERDICT_HOLD)
		l->v->held_inside = true;
	l->g->stats.vm_ops += l->g->effect.ops;
	vm_join(&l->g->joined, &l->g->effect);
	look_note_denied(l, e);
	if (l->counts && !l->cursor)
		gate_count(l->g, l->class->epoch->image, l->counts, l->statement, l->ask->arena);
	if (l->watches)
		watch_effect(l->class->epoch->image, ENTRY_WATCH, f, &l->g->effect, &l->g->watch);
	l->v->n_effects++;
	l->v->moves_names = l->v->moves_names || effect_moves_names(e);
	l->v->leaves_state = l->v->leaves_state || effect_leaves_state(e);
	l->v->leaves_name = l->v->leaves_name || effect_leaves_name(e);
}

void
look_refuse_changed(struct look *l, const struct sql_effect *e)
{
	const char *message = effect_changed(l->class, e, l->ask->arena);

	if (message)
		look_refuse(l, NULL, "WEIR-FUNCTION-CHANGED", message,
		       "whoever writes the policy looks at it again, and takes its new digest from "
			    "`weir functions`");
}

/* What the catalog says may be gone by the time the command runs: the session has changed the
 * schema, or is about to. */
static bool
moves_schema(const struct look *l)
{
	bool ddl = false;

	for (uint32_t i = 0; i < l->facts->n_stmts; i++)
		ddl = ddl || l->facts->stmts[i].flags & SQL_DDL;
	return l->ask->schema_changed_in_tx || l->ask->schema_moving ||
	       (ddl && l->facts->n_stmts > 1);
}

/* A cast calls a function as well. */
static void
judge_casts(struct look *l, struct call_look *names)
{
	const struct catalog_cast *c = cast_in_doubt(names);
	struct sql_effect opaque = {.action = ACTION_SQL_OPAQUE_FUNCTION, .relation = -1};

	if (!c && look_casts_redefined(l))
		judge(l, &opaque, NULL);
	if (!c)
		return;
	opaque.schema = c->schema;
	opaque.function = c->function;
	judge(l, &opaque, NULL);
	if (!l->class->any_masks)
		return;
	look_refuse_changed(l, &opaque);
	look_refuse(l, NULL, "WEIR-MASK-OPAQUE",
		    arena_printf(l->ask->arena, "a cast here may call function %.*s.%.*s, which could read "
				 "masked columns", SLICE_ARG(c->schema), SLICE_ARG(c->function)),
		    "leave the cast out, or ask for the function to be vouched for");
}

/* A built-in's name that something else has as well may mean either. */
static void
judge_calls(struct look *l)
{
	const struct sql_facts *f = l->facts;
	struct call_look names = {.class = l->class,
				  .path = l->path,
				  .facts = f,
				  .relations = l->relations,
				  .parameters = gate_parameters_of(l->ask, f),
				  .arena = l->ask->arena};
	struct gate_redefined redefined = look_redefined(l);

	for (uint32_t i = 0; i < f->n_calls; i++) {
		const struct sql_call *c = &f->calls[i];
		struct sql_effect opaque = {.action = ACTION_SQL_OPAQUE_FUNCTION,
					    .schema = c->schema,
					    .function = c->name,
					    .relation = -1};
		const char *why;

		if (f == l->ask->facts)
			gate_redefined_before(f, &redefined, i);
		why = look_call_in_doubt(l, c, &names, redefined.names);
		if (!why)
			continue;
		judge(l, &opaque, NULL);
		if (!l->class->any_masks)
			continue;
		look_refuse_changed(l, &opaque);
		look_refuse(l, NULL, "WEIR-MASK-OPAQUE",
		       arena_printf(l->ask->arena, "\"%.*s\" %s, which could read masked columns",
					 SLICE_ARG(c->name), why),
			    "qualify it with pg_catalog if the built-in is meant");
	}
	judge_casts(l, &names);
}

/* A statement of the same message in front of that of the effect renames something. */
static bool
renamed_before(const struct sql_facts *f, uint32_t effect)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->n_stmts > 1 && f->stmts[i].flags & SQL_RENAMES &&
		    f->stmts[i].effects + f->stmts[i].n_effects <= effect)
			return true;
	return false;
}

/* What EXECUTE runs belongs to its own statement, which is set. */
static void
set_statement(struct look *l, uint32_t effect)
{
	const struct sql_facts *f = l->facts;

	if (f != l->ask->facts)
		return;
	l->statement = GATE_ANY_STATEMENT;
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (effect >= f->stmts[i].effects &&
		    effect - f->stmts[i].effects < f->stmts[i].n_effects)
			l->statement = i;
}

static void
judge_effects(struct look *l, uint32_t first, uint32_t n)
{
	const struct sql_facts *f = l->facts;

	for (uint32_t i = first; i < first + n; i++) {
		const struct sql_effect *e = &f->effects[i];
		const struct catalog_relation *r = NULL;

		l->renamed = l->ask->renamed || renamed_before(f, i);
		if (effect_is_vouched(l->class, e) &&
		    !gate_is_redefined(l->ask->redefined | l->v->redefines, e->schema, e->function))
			continue; /* as a safe built-in */
		if (e->relation >= 0)
			r = l->relations[e->relation];
		else if (e->object.n)
			r = look_resolve(l, e->schema, e->object);
		if (r && !e->schema.n && moves_schema(l) &&
		    class_shadowed(l->class, l->path, e->object, true))
			r = NULL;
		set_statement(l, i);
		judge(l, e, r);
	}
	set_statement(l, UINT32_MAX);
	/* As SELECT 1 is. */
	if (n && !l->v->n_effects)
		judge(l, &(struct sql_effect){.action = ACTION_SQL_SELECT, .relation = -1}, NULL);
	if (l->class->catalog)
		judge_calls(l);
}

/* Tables that a candidate stands for: itself, or those of a join. */
static size_t
tables_in(const struct sql_facts *f, uint32_t relation)
{
	const struct sql_relation *r = &f->relations[relation];
	size_t n = 1;

	for (uint32_t i = 0; r->kind == SQL_REL_JOIN && i < r->n_left + r->n_right; i++)
		n += tables_in(f, f->members[r->members + i]);
	return n;
}

/* The same use by the names that the columns had: a data class still has what it had by those. */
static void
collect_former(struct look *l, const struct catalog_relation *r, struct slice column, bool row,
	       uint16_t contexts)
{
	size_t n;
	const struct former_name *was = former_find(l->class->catalog->former, r->oid, 0, &n);

	for (size_t i = 0; i < n; i++) {
		const struct catalog_column *c = catalog_column(r, was[i].attnum);

		if (!row && column.n && !(c && slice_eq(c->name, column)))
			continue;
		l->uses[l->n_uses++] = (struct data_use){
			.schema = was[i].schema, .table = was[i].table,
			.column = row || !column.n ? (struct slice){0} : was[i].column,
			.contexts = contexts};
	}
}

static void
collect_use(struct look *l, uint32_t relation, struct slice column, bool row, uint16_t contexts)
{
	const struct sql_facts *f = l->facts;
	const struct sql_relation *as = &f->relations[relation];
	const struct catalog_relation *r = l->relations[relation];

	/* Names after a column list are not the table's: it may be any of its columns. */
	row = row || as->renamed;
	for (uint32_t i = 0; as->kind == SQL_REL_JOIN && i < as->n_left + as->n_right; i++)
		collect_use(l, f->members[as->members + i], column, row, contexts);
	if (!look_is_table(as) || (r && !row && column.n && !catalog_column_named(r, column)))
		return;
	l->uses[l->n_uses++] = (struct data_use){.schema = r ? r->schema : (struct slice){0},
						 .table = r ? r->name : as->name,
						 .column = row ? (struct slice){0} : column,
						 .contexts = contexts};
	if (r && l->class->catalog->former)
		collect_former(l, r, column, row, contexts);
}

static bool
reads_uses(const struct image *img)
{
	return img->entry[ENTRY_COMMAND].uses || img->entry[ENTRY_WATCH].uses || img->shadow_shows;
}

/* sql.uses: the uses of the whole command, by resolved names, in every context in which what they
 * pass on is used. */
static void
collect_uses(struct look *l)
{
	const struct sql_facts *f = l->facts;
	const struct former *former = l->class->catalog ? l->class->catalog->former : NULL;
	struct sql_contexts contexts;
	size_t n = 0;

	l->n_uses = 0;
	l->f.uses_known = f->status == SQL_OK;
	if (!reads_uses(l->class->epoch->image))
		return;
	sql_contexts(f, l->ask->arena, &contexts);
	for (uint32_t i = 0; i < f->n_uses; i++)
		for (uint32_t k = 0; k < f->uses[i].n_candidates; k++)
			n += tables_in(f, f->candidates[f->uses[i].candidates + k].relation);
	n = (n + contexts.n_passed) * (1 + (former ? former->most : 0));
	if (n > USES_MAX)
		n = contexts.known = false;
	l->uses = ARENA_ARRAY(l->ask->arena, struct data_use, n + 1);
	for (uint32_t i = 0; i < f->n_uses && n; i++) {
		const struct sql_use *u = &f->uses[i];
		bool row = u->flags & (SQL_USE_STAR | SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN);

		for (uint32_t k = 0; k < u->n_candidates; k++)
			collect_use(l, f->candidates[u->candidates + k].relation, u->column, row,
				    contexts.of_use[i]);
	}
	for (uint32_t i = 0; i < contexts.n_passed && n; i++)
		collect_use(l, contexts.passed[i].relation, contexts.passed[i].column, false,
			    contexts.passed[i].contexts);
	l->f.uses = l->uses;
	l->f.n_uses = l->n_uses;
	l->f.uses_known = l->f.uses_known && contexts.known && !l->ask->renamed &&
			  !renamed_before(f, UINT32_MAX);
}

/* ---- what no policy opens -------------------------------------------------------------------- */

static void
check_settings(struct look *l)
{
	const struct sql_facts *f = l->facts;
	struct gate_refusal why;

	for (uint32_t i = 0; i < f->n_effects; i++)
		if (setting_refused(l->class, f, &f->effects[i], l->ask->arena, &why))
			look_refuse(l, why.sqlstate, why.code, why.message, why.hint);
}

static void
check_status(struct look *l)
{
	const struct sql_facts *f = l->facts;
	const char *text = arena_str(l->ask->arena, f->error);

	switch (f->status) {
	case SQL_OK:
		break;
	case SQL_SYNTAX:
	case SQL_UNKNOWN:
		/* sql.unparsed is the policy's to allow; refused, the parser's words help more. */
		if (l->g->joined.verdict == VERDICT_DENY)
			look_refuse(l, f->sqlstate, "WEIR-UNPARSED", text,
			       "check it for a mistake; of newer syntax than PostgreSQL 15's the gateway "
			       "knows nothing: write it in that of 15");
		break;
	default:
		look_refuse(l, f->sqlstate, "WEIR-STATEMENT", text,
			    f->status == SQL_ENCODING ? "send the statement's text as UTF-8"
						      : "send it in smaller or simpler pieces");
	}
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static void
verdict_of(struct look *l)
{
	const struct image *img = l->class->epoch->image;
	struct gate_verdict *v = l->v;
	int r = -1;

	/* What was refused on the way stays refused, whatever the rules say. */
	v->verdict = v->refusal.code ? VERDICT_DENY : l->g->joined.verdict;
	v->by_default = l->g->joined.by_default;
	v->n_rules = 0;
	while (!v->refusal.code && v->n_rules < VERDICT_RULES &&
	       (r = decision_next_deciding(img, &l->g->joined, r)) >= 0)
		v->rules[v->n_rules++] = (uint16_t) r;
	v->rules_cut = v->n_rules == VERDICT_RULES &&
		       decision_next_deciding(img, &l->g->joined, r) >= 0;
}

static void
judge_prepared(struct look *l)
{
	const struct sql_facts *outer = l->facts, *inner;
	bool pure = true, renamed = false;

	for (uint32_t i = 0; i < outer->n_stmts; i++) {
		enum sql_kind kind = outer->stmts[i].kind;

		renamed = renamed || kind == SQL_KIND_PREPARE || kind == SQL_KIND_DEALLOCATE ||
			  kind == SQL_KIND_DISCARD;
		if (!(outer->stmts[i].flags & SQL_EXECUTES))
			continue;
		inner = l->ask->prepared && !renamed
				? l->ask->prepared(l->ask->ctx, outer->stmts[i].name)
				: NULL;
		if (!inner && l->ask->failed)
			continue; /* the server has the same to say to every statement */
		if (!inner) {
			look_refuse(l, "26000", "WEIR-UNKNOWN-STATEMENT",
			       arena_printf(l->ask->arena, "prepared statement \"%.*s\" does not exist",
						 SLICE_ARG(outer->stmts[i].name)),
				    "PREPARE it first, in a message of its own");
			continue;
		}
		pure = pure && inner->pure_read;
		l->v->leaves_state = l->v->leaves_state || calls_leave_state(inner);
		l->facts = inner;
		l->statement = i;
		resolve_relations(l);
		note_names(l);
		collect_uses(l);
		judge_effects(l, 0, l->facts->n_effects);
		gate_watch_uses(l->g, l->class, l->facts, l->relations, l->uses, l->n_uses);
		if (l->class->any_masks)
			look_check_masks(
				l, sql_named(inner, SQL_KIND_PREPARE, outer->stmts[i].name), i);
		l->facts = outer;
		/* CREATE TABLE AS EXECUTE keeps the rows; so does its EXPLAIN ANALYZE. */
		if (l->v->rows_masked && outer->stmts[i].kind != SQL_KIND_EXECUTE)
			look_refuse(l, NULL, "WEIR-MASKED-USE",
			       "a prepared statement that reads a table with masked columns can only be "
				    "run by EXECUTE", "select what is not masked instead");
	}
	if (!pure)
		l->v->pure_read = false;
	resolve_relations(l);
}

/* The statement of a cursor that was opened before this message. */
static void
judge_cursor(struct look *l, const struct gate_cursor *c, uint32_t by)
{
	const struct sql_facts *f = l->facts = c->facts;
	uint32_t lookups = l->v->lookups;

	if (c->stmt->kind == SQL_KIND_FETCH || c->stmt->flags & SQL_EXECUTES)
		look_refuse(l, "0A000", "WEIR-CURSOR",
			    "what this goes on with runs something else by its name",
			    "Execute that portal by the protocol instead");
	l->v->pure_read = l->v->pure_read && f->pure_read;
	l->v->leaves_state = l->v->leaves_state || calls_leave_state(f);
	resolve_relations(l);
	if (c->moved)
		look_refuse(l, c->moved->sqlstate, c->moved->code, c->moved->message,
			    c->moved->hint);
	if (l->class->reads_names && gate_names_of(0, f, l->relations) != c->meant)
		look_refuse(l, "34000", "WEIR-NAMES-MOVED",
			    "what the cursor reads was renamed or changed since it was declared",
			    "close it and declare it again");
	collect_uses(l);
	l->cursor = c;
	judge_effects(l, c->stmt->effects, c->stmt->n_effects);
	l->cursor = NULL;
	gate_watch_uses(l->g, l->class, f, l->relations, l->uses, l->n_uses);
	if (l->class->any_masks)
		look_check_masks(l, c->stmt, by);
	l->v->lookups = lookups; /* it was paid for when it was opened */
	l->facts = l->ask->facts;
	resolve_relations(l);
}

/* An earlier statement of the message makes or drops the name: what it means was judged with it. */
static bool
names_cursor(const struct sql_facts *f, uint32_t before, struct slice name)
{
	for (uint32_t i = 0; i < before; i++)
		switch (f->stmts[i].kind) {
		case SQL_KIND_DECLARE:
		case SQL_KIND_CLOSE:
			if (!f->stmts[i].name.n || slice_eq(f->stmts[i].name, name))
				return true;
			break;
		case SQL_KIND_DISCARD:
			return true;
		default:
			break;
		}
	return false;
}

/* FETCH and MOVE go on with a statement that was judged when its cursor was opened. The policy, the
 * masks and the time may be others now: it is judged again whenever it acts. One that nobody knows
 * (a function may have opened it) reads what nobody knows. */
static void
judge_cursors(struct look *l)
{
	static const struct sql_effect unknown = {
		.action = ACTION_SQL_SELECT, .relation = -1, .flags = SQL_EFFECT_STAR};
	const struct sql_facts *f = l->facts;

	/* A cursor's statement was counted when it was opened. */
	gate_note_limits(l->g, l->class->epoch->image, l->ask, l->counts, true, l->v);
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		struct gate_cursor c = {0};

		if (f->stmts[i].kind != SQL_KIND_FETCH || names_cursor(f, i, f->stmts[i].name))
			continue;
		if (l->ask->cursor)
			c = l->ask->cursor(l->ask->ctx, f->stmts[i].name);
		if (c.facts && c.stmt)
			judge_cursor(l, &c, i);
		else if (!l->ask->failed)
			judge(l, &unknown, NULL);
	}
}

/* The facts of the command as a whole, and nothing decided yet. */
static void
begin(struct look *l)
{
	const struct sql_facts *f = l->facts;

	l->f = l->class->facts;
	class_set_time(&l->f, l->ask->now_wall_ns);
	facts_int(&l->f, FACT_SQL_STATEMENTS, f->n_stmts);
	facts_int(&l->f, FACT_SQL_PARAMETERS, f->max_param);
	facts_bool(&l->f, FACT_SQL_IN_TRANSACTION, l->ask->tx != 'I');
	resolve_relations(l);
	note_names(l);
	l->v->meant = gate_names_of(0, f, l->relations);
	collect_uses(l);
	vm_join_init(&l->g->joined);
	l->counts = gate_counts_new(l->class->epoch->image, l->ask);
	if (!l->watches)
		return;
	if (l->ask->text.p)
		facts_string(&l->f, FACT_SQL_TEXT, l->ask->text);
	watch_init(&l->g->watch);
}

static void
check_detectors(struct look *l)
{
	struct gate_refusal why;

	if (!l->class->detect.wanted)
		return;
	l->v->detects = true;
	gate_note_detectors(l->class, l->v);
	if (l->v->verdict != VERDICT_DENY &&
	    !gate_detect_allowed(l->s, l->facts, l->ask->arena, &why))
		look_refuse(l, NULL, why.code, why.message, why.hint);
}

static void
look_closely(struct look *l)
{
	const struct sql_facts *f = l->facts;
	struct gate_verdict *v = l->v;

	v->redefines = gate_redefines(f);
	v->redefined = l->ask->redefined;
	v->pure_read = f->pure_read && !v->redefined;
	v->leaves_state = calls_leave_state(f);
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];

		if (!(st->flags & (SQL_DDL | SQL_RENAMES)) || look_ddl_is_temporary(l, st))
			continue;
		v->renames = v->renames || st->flags & SQL_RENAMES;
		v->schema_change = v->schema_change || st->flags & SQL_DDL;
	}
	begin(l);
	judge_effects(l, 0, l->facts->n_effects);
	gate_watch_uses(l->g, l->class, l->facts, l->relations, l->uses, l->n_uses);
	v->quiet = !sql_runs_other(f) && !v->schema_change && !v->redefines && !v->redefined &&
		   !v->leaves_state && l->path &&
		   catalog_facts_quiet(l->class->catalog->catalog, f, l->relations);
	v->keeps = !v->quiet && catalog_keeps(l->class->catalog->catalog);
	if (sql_runs_other(f)) {
		judge_prepared(l);
		judge_cursors(l);
	}
	l->own = v->refusal.code != NULL;
	verdict_of(l);
	gate_note_limits(l->g, l->class->epoch->image, l->ask, l->counts, !sql_runs_other(f), v);
	gate_note_records(l->g, l->class, l->ask, l->path, l->relations, v);
	check_status(l);
	check_settings(l);
	if (v->verdict == VERDICT_ALLOW)
		look_check_renames(l);
	/* The policy's own refusal is the better answer; masks refuse what it would let through. */
	if (v->verdict == VERDICT_HOLD && l->ask->path_unknown)
		look_refuse(l, NULL, "WEIR-SEARCH-PATH",
		       "what would be approved is not known: the search path may have changed in this "
			    "batch", "send what sets the path by itself");
	if (v->verdict == VERDICT_HOLD && l->ask->renamed)
		look_refuse(l, NULL, "WEIR-SCHEMA-IN-TRANSACTION",
		       "what would be approved is not known: this transaction has renamed something",
			    "commit that first");
	if (v->verdict == VERDICT_DENY && !v->refusal.code && !v->wait_catalog) {
		/* Because a function is opaque again: that is what helps to know. */
		for (uint32_t i = 0; i < f->n_effects && !v->n_rules; i++)
			look_refuse_changed(l, &f->effects[i]);
		look_explain_denial(l);
	} else if (l->class->any_masks) {
		look_check_masks(l, NULL, 0);
	}
	check_detectors(l);
	l->own = l->own || (v->verdict == VERDICT_DENY && l->g->joined.verdict != VERDICT_DENY);
	if (l->watches)
		gate_note_watched(l->g, l->class->epoch->image, l->own, l->v);
}

/* Of a verdict that was remembered only what is watched is looked at: it may read the text, or the
 * time. */
static void
watch_again(struct look *l)
{
	struct gate_verdict *v = l->v, scratch = {0};

	l->v = &scratch;
	begin(l);
	judge_effects(l, 0, l->facts->n_effects);
	gate_watch_uses(l->g, l->class, l->facts, l->relations, l->uses, l->n_uses);
	l->v = v;
	gate_note_watched(l->g, l->class->epoch->image, l->own, v);
}

/* What is refused before anything is looked at. wait: a newer catalog may help. */
static void
refuse_at_once(struct gate_verdict *v, const struct gate_refusal *why, bool wait)
{
	*v = (struct gate_verdict){.verdict = VERDICT_DENY,
				   .refusal = *why,
				   .wait_catalog = wait ? CATALOG_TRIES : 0};
}

static const struct gate_refusal principal_gone = {
	"WEIR-PRINCIPAL", "the gateway no longer knows you or the target", NULL, "connect again",
	NULL};

/* Looks at the command, or at what it may remember of one. */
static void
look(struct gate *g, struct gate_session *s, struct gate_class *c, const struct gate_ask *ask,
     struct gate_verdict *v, bool remembered)
{
	struct look l = {.g = g, .s = s, .class = c, .ask = ask, .facts = ask->facts, .v = v};

	l.path = gate_path_for(s, c, ask);
	l.watches = watch_has(c->epoch->image, ENTRY_WATCH);
	if (remembered)
		watch_again(&l);
	else if (facts_need_no_rule(ask->facts))
		check_settings(&l);
	else
		look_closely(&l);
}

void
gate_decide(struct gate *g, struct gate_session *s, const struct gate_ask *ask,
	    struct gate_verdict *v)
{
	struct gate_class *c = gate_class_of(g, s, ask->now_wall_ns);
	struct gate_key key = {.class = c->id,
			       .facts = sql_facts_id(ask->facts),
			       .path = s->path ? s->path->number : 0};
	const struct gate_refusal *wait;
	bool remember;

	g->stats.decisions++;
	if (!c->principal || !c->catalog) {
		refuse_at_once(v, &principal_gone, false);
		return;
	}
	if (facts_need_no_rule(ask->facts)) {
		*v = (struct gate_verdict){.verdict = VERDICT_ALLOW,
					   .pure_read = true,
					   .leaves_name = ask->facts->n_stmts > 0,
					   .quiet = true,
					   .detects = c->detect.wanted != 0};
		look(g, s, c, ask, v, false);
		return;
	}
	if (c->any_masks && ask->need.changed > g->targets[s->target].age.changed) {
		refuse_at_once(v, &gate_catalog_behind, true);
		return;
	}
	wait = gate_names_wait(g, s, ask);
	if (wait) {
		refuse_at_once(v, wait, true);
		return;
	}
	remember = gate_may_remember(c, ask, &key);
	if (remember && gate_remembered(g, &key, v)) {
		if (watch_has(g->epoch->image, ENTRY_WATCH) &&
		    !g->epoch->image->entry[ENTRY_WATCH].stable)
			look(g, s, c, ask, v, true);
		return;
	}
	*v = (struct gate_verdict){0};
	look(g, s, c, ask, v, false);
	if (v->verdict == VERDICT_DENY && ask->redefined && ask->redefined_ends)
		v->wait_catalog = CATALOG_TRIES;
	if (remember && v->verdict != VERDICT_DENY)
		gate_remember(g, &key, v);
}
