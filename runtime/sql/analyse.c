/* SPDX-License-Identifier: MIT
 *
 * Entry of the analyser: checks the text, finds the tokens, lets PostgreSQL's own grammar
 * (libpg_query's raw parse) build the tree, walks it, and collects the facts. Everything that is
 * not understood ends in a status other than OK and one sql.unparsed effect.
 */
#include "sql/analyse.h"

#include <pg_query.h>
#include <pg_query/pg_query_internal.h>

void
an_fail(struct analysis *a, enum sql_status status, const char *why)
{
	if (a->status == SQL_OK) {
		a->status = status;
		a->why = why;
	}
}

void *
an_push(struct analysis *a, struct vec *v, size_t size)
{
	if (a->status != SQL_OK) {
		assert(size <= sizeof(a->spare));
		memset(a->spare, 0, sizeof(a->spare));
		return a->spare;
	}
	if (v->n == v->cap) {
		uint32_t cap = v->cap ? v->cap * 2 : 8;
		void *p = arena_try_alloc(a->arena, (size_t)cap * size);

		if (!p) {
			an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
			return an_push(a, v, size);
		}
		if (v->n)
			memcpy(p, v->p, (size_t)v->n * size);
		v->p = p;
		v->cap = cap;
	}
	return (uint8_t *)v->p + (size_t)v->n++ * size;
}

struct slice
an_str(struct analysis *a, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	uint8_t *p;

	if (!n)
		return (struct slice){0};
	p = arena_try_alloc(a->arena, n + 1);
	if (!p) {
		an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
		return (struct slice){0};
	}
	memcpy(p, s, n);
	return slice_of(p, n);
}

uint32_t
an_token(const struct analysis *a, int location)
{
	uint32_t lo = 0, hi = a->n_tokens;

	if (location < 0)
		return a->stmt ? a->stmt->token : 0;
	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (a->token_at[mid] <= (uint32_t)location)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

struct sql_effect *
an_effect(struct analysis *a, enum action action, int location)
{
	struct sql_effect *e = an_push(a, &a->effects, sizeof(*e));

	e->action = action;
	e->token = an_token(a, location);
	e->relation = -1;
	if (a->inner)
		e->flags |= SQL_EFFECT_INNER;
	if (action != ACTION_SQL_SELECT && action != ACTION_SQL_SHOW &&
	    action != ACTION_SQL_EXPLAIN && action != ACTION_SQL_COPY_OUT &&
	    action != ACTION_SQL_BEGIN)
		a->impure = true;
	return e;
}

struct sql_effect *
an_effect_named(struct analysis *a, enum action action, const List *names)
{
	struct sql_effect *e = an_effect(a, action, -1);
	int n = list_length(names);

	/* The last name is the object's, the one before its schema's, the one before the
	 * database's. */
	if (n >= 1 && IsA(list_nth(names, n - 1), String))
		e->object = an_str(a, strVal(list_nth(names, n - 1)));
	if (n >= 2 && IsA(list_nth(names, n - 2), String))
		e->schema = an_str(a, strVal(list_nth(names, n - 2)));
	return e;
}

struct sql_effect *
an_effect_var(struct analysis *a, enum action action, const RangeVar *rv)
{
	struct sql_effect *e = an_effect(a, action, rv ? rv->location : -1);

	if (!rv)
		return e;
	e->schema = an_str(a, rv->schemaname);
	e->object = an_str(a, rv->relname);
	if (!rv->inh)
		e->flags |= SQL_EFFECT_ONLY;
	if (rv->relpersistence == 't')
		e->flags |= SQL_EFFECT_TEMPORARY;
	return e;
}

/* CREATE TABLE, also from a query, and CREATE SEQUENCE. */
void
an_effect_table(struct analysis *a, const RangeVar *rv, OnCommitAction end)
{
	an_effect_var(a, ACTION_SQL_CREATE, rv)->flags |=
		SQL_EFFECT_TABLE | (end == ONCOMMIT_DROP ? SQL_EFFECT_DROPPED : 0);
}

/* UPDATE of pg_settings sets what its row names, for the session: no setting is named here. */
void
an_settings_table(struct analysis *a, const RangeVar *rv)
{
	if (rv && strcmp(rv->relname, "pg_settings") == 0)
		an_effect(a, ACTION_SQL_CONFIGURE, rv->location);
}

/* So does UPDATE of a view over it: a view whose relations begin at `first`. */
void
an_settings_view(struct analysis *a, uint32_t first)
{
	for (uint32_t i = first; a->status == SQL_OK && i < a->relations.n; i++) {
		if (slice_is(((struct sql_relation *)a->relations.p)[i].name, "pg_settings")) {
			an_effect(a, ACTION_SQL_CONFIGURE, -1);
			return;
		}
	}
}

/* n_columns doubles as the count of a vector whose capacity is the next power of two from 4. */
void
an_column(struct analysis *a, struct sql_effect *e, struct slice name)
{
	struct slice *cols = (struct slice *)e->columns;

	for (uint32_t i = 0; i < e->n_columns; i++) {
		if (slice_eq(cols[i], name))
			return;
	}
	if (e->n_columns == 0 || (e->n_columns >= 4 && (e->n_columns & (e->n_columns - 1)) == 0)) {
		uint32_t cap = e->n_columns ? e->n_columns * 2 : 4;
		struct slice *more = arena_try_alloc(a->arena, cap * sizeof(*more));

		if (!more) {
			an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
			return;
		}
		if (e->n_columns)
			memcpy(more, cols, e->n_columns * sizeof(*more));
		e->columns = cols = more;
	}
	cols[e->n_columns++] = name;
}

static uint32_t
call_index(struct analysis *a, struct slice schema, struct slice name, uint32_t flags, int location)
{
	enum { LOOK_BACK = 64 }; /* keeps a hostile statement from being quadratic */
	struct sql_call *calls = a->calls.p;
	struct sql_call *c;

	for (uint32_t i = a->calls.n, k = 0; i > a->stmt->calls && k < LOOK_BACK; k++) {
		c = &calls[--i];
		if (c->flags == flags && slice_eq(c->name, name) && slice_eq(c->schema, schema))
			return i;
	}
	c = an_push(a, &a->calls, sizeof(*c));
	*c = (struct sql_call){schema, name, flags, an_token(a, location)};
	return a->calls.n - 1;
}

uint32_t
an_call(struct analysis *a, struct slice schema, struct slice name, uint32_t flags, int location)
{
	uint32_t call = call_index(a, schema, name, flags, location);

	/* A type is named, and not applied to anything. */
	if (flags & SQL_CALL_TYPE)
		return 0;
	*(struct sql_apply *)an_push(a, &a->applies, sizeof(struct sql_apply)) =
		(struct sql_apply){.call = call, .n_values = SQL_APPLY_ANY};
	return a->applies.n - 1;
}

static void
parameter_seen(struct analysis *a, uint32_t number)
{
	uint64_t bit = number >= 1 && number <= 64 ? UINT64_C(1) << (number - 1) : 0;

	a->params_again |= a->params & bit;
	a->params |= bit;
}

bool
an_enter(struct analysis *a)
{
	if (++a->depth > a->limits.max_depth)
		an_fail(a, SQL_TOO_DEEP, "expressions nest too deep");
	return a->status == SQL_OK;
}

void
an_leave(struct analysis *a)
{
	a->depth--;
}

/* One column, or all, of a relation is read: of a table by its effect, of a join by those of its
 * members. */
static void
fill_column(struct analysis *a, const int32_t *of_relation, uint32_t relation,
	    const struct sql_use *u, uint64_t *work)
{
	const struct sql_relation *r = &((struct sql_relation *)a->relations.p)[relation];
	const uint32_t *members = a->members.p;
	struct sql_effect *e;

	for (uint32_t i = 0; r->kind == SQL_REL_JOIN && i < r->n_left + r->n_right; i++)
		fill_column(a, of_relation, members[r->members + i], u, work);
	*work += 1;
	if (!of_relation[relation])
		return;
	e = &((struct sql_effect *)a->effects.p)[of_relation[relation] - 1];
	*work += e->n_columns;
	if (u->flags & (SQL_USE_STAR | SQL_USE_ROW))
		e->flags |= SQL_EFFECT_STAR;
	else
		an_column(a, e, u->column);
}

/* Gives each read of a table the columns that may be its. An unqualified name counts for every
 * table in scope. */
static void
fill_columns(struct analysis *a)
{
	static const struct sql_use row = {.flags = SQL_USE_ROW};
	const struct sql_effect *effects = a->effects.p;
	const struct sql_use *uses = a->uses.p;
	const struct sql_candidate *cands = a->candidates.p;
	int32_t *of_relation = arena_try_alloc(a->arena, (a->relations.n + 1) * sizeof(int32_t));
	uint64_t work = 0;

	if (!of_relation) {
		an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
		return;
	}
	for (uint32_t i = 0; i < a->effects.n; i++) {
		if (effects[i].relation >= 0 && effects[i].action == ACTION_SQL_SELECT)
			of_relation[effects[i].relation] = (int32_t)i + 1;
	}
	for (uint32_t i = 0; i < a->uses.n && a->status == SQL_OK; i++) {
		for (uint32_t k = 0; k < uses[i].n_candidates; k++)
			fill_column(a, of_relation, cands[uses[i].candidates + k].relation,
				    &uses[i], &work);
		if (uses[i].row_relation >= 0)
			fill_column(a, of_relation, (uint32_t)uses[i].row_relation, &row, &work);
		if (work > 50000000)
			an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
	}
}

static void
one_statement(struct analysis *a, const RawStmt *raw, uint32_t end)
{
	struct sql_stmt *s = an_push(a, &a->stmts, sizeof(*s));
	struct sql_stmt save;
	uint32_t from, to;

	a->stmt = s;
	from = an_token(a, raw->stmt_location);
	/* A statement's text begins after the previous semicolon. */
	while (from + 1 < a->n_tokens && a->token_at[from] < (uint32_t)raw->stmt_location)
		from++;
	to = raw->stmt_len ? an_token(a, raw->stmt_location + raw->stmt_len - 1) + 1 : end;
	*s = (struct sql_stmt){.token = from,
			       .n_tokens = to > from ? to - from : 0,
			       .effects = a->effects.n,
			       .relations = a->relations.n,
			       .uses = a->uses.n,
			       .queries = a->queries.n,
			       .query = -1,
			       .calls = a->calls.n};
	a->impure = a->inner = a->explain = false;
	a->ctes = NULL;
	an_statement(a, raw->stmt);
	s->n_effects = a->effects.n - s->effects;
	s->n_relations = a->relations.n - s->relations;
	s->n_uses = a->uses.n - s->uses;
	s->n_queries = a->queries.n - s->queries;
	s->n_calls = a->calls.n - s->calls;
	save = *s;
	if (!a->impure && (save.kind == SQL_KIND_QUERY || save.kind == SQL_KIND_SHOW ||
			   save.kind == SQL_KIND_EXPLAIN || save.kind == SQL_KIND_COPY ||
			   save.kind == SQL_KIND_BEGIN))
		s->flags |= SQL_PURE_READ;
	a->stmt = NULL;
}

/* Token starts, and the refusals that need no parser. */
static bool
scan(struct analysis *a, struct sql_facts *f)
{
	uint32_t at = 0, depth = 0, cap = 0;

	switch (sql_text_ok(a->text, &f->error_at)) {
	case SQL_TEXT_NUL:
		an_fail(a, SQL_ENCODING, "text holds a NUL byte");
		return false;
	case SQL_TEXT_UTF8:
		an_fail(a, SQL_ENCODING, "text is not well-formed UTF-8");
		return false;
	case SQL_TEXT_OK:
		break;
	}
	for (;;) {
		struct sql_token t = sql_token_next(a->text, &at);
		uint8_t c;

		if (t.kind == SQL_TOK_END)
			return true;
		f->error_at = t.at;
		if (t.kind == SQL_TOK_ERROR) {
			an_fail(a, SQL_SYNTAX, "not a token that is accepted here");
			return false;
		}
		c = t.kind == SQL_TOK_SELF ? a->text.p[t.at] : 0;
		if (c == '(' || c == '[')
			depth++;
		else if ((c == ')' || c == ']') && depth)
			depth--;
		if (depth > a->limits.max_depth) {
			an_fail(a, SQL_TOO_DEEP, "brackets nest too deep");
			return false;
		}
		if (t.kind == SQL_TOK_PARAM) {
			uint32_t v = 0;

			for (uint32_t i = 1; i < t.n; i++)
				v = v * 10 + (uint32_t)(a->text.p[t.at + i] - '0');
			f->max_param = v > f->max_param ? v : f->max_param;
			parameter_seen(a, v);
		}
		if (a->n_tokens == cap) {
			uint32_t *more;

			cap = cap ? cap * 2 : 64;
			more = arena_try_alloc(a->arena, cap * sizeof(*more));
			if (!more) {
				an_fail(a, SQL_MEMORY, "statement has too many tokens");
				return false;
			}
			if (a->n_tokens)
				memcpy(more, a->token_at, a->n_tokens * sizeof(*more));
			a->token_at = more;
		}
		a->token_at[a->n_tokens++] = t.at;
	}
}

static void
parse(struct analysis *a, struct sql_facts *f)
{
	MemoryContext ctx = pg_query_enter_memory_context();
	PgQueryInternalParsetreeAndError r = pg_query_raw_parse((const char *)a->text.p);

	if (r.error) {
		f->error_at = r.error->cursorpos > 0 ? (uint32_t)r.error->cursorpos - 1 : 0;
		f->error = an_str(a, r.error->message);
		an_fail(a, SQL_SYNTAX, NULL);
	} else {
		ListCell *lc;

		foreach (lc, r.tree)
			one_statement(a, lfirst(lc), a->n_tokens);
		if (a->status == SQL_OK)
			fill_columns(a);
	}
	if (r.error)
		pg_query_free_error(r.error);
	free(r.stderr_buffer);
	pg_query_exit_memory_context(ctx);
}

static void
finish(struct analysis *a, struct sql_facts *f)
{
	f->stmts = a->stmts.p;
	f->n_stmts = a->stmts.n;
	f->effects = a->effects.p;
	f->n_effects = a->effects.n;
	f->relations = a->relations.p;
	f->n_relations = a->relations.n;
	f->candidates = a->candidates.p;
	f->n_candidates = a->candidates.n;
	f->uses = a->uses.p;
	f->n_uses = a->uses.n;
	f->outputs = a->outputs.p;
	f->n_outputs = a->outputs.n;
	f->queries = a->queries.p;
	f->n_queries = a->queries.n;
	f->names = a->names.p;
	f->n_names = a->names.n;
	f->members = a->members.p;
	f->n_members = a->members.n;
	f->calls = a->calls.p;
	f->n_calls = a->calls.n;
	f->applies = a->applies.p;
	f->n_applies = a->applies.n;
	f->values = a->values.p;
	f->n_values = a->values.n;
	f->types = a->types.p;
	f->n_types = a->types.n;
	f->n_tokens = a->n_tokens;
	f->literal_dependent = a->literal_dependent;
	f->pure_read = true;
	for (uint32_t i = 0; i < f->n_stmts; i++)
		f->pure_read &= (f->stmts[i].flags & SQL_PURE_READ) != 0;
}

static const struct sql_effect unparsed_effect = {.action = ACTION_SQL_UNPARSED, .relation = -1};
static const struct sql_stmt unparsed_stmt = {
	.kind = SQL_KIND_OTHER, .n_effects = 1, .query = -1};

static void
refuse(struct sql_facts *f, enum sql_status status, const char *why)
{
	static const char states[][6] = {
		[SQL_OK] = "00000",	  [SQL_ENCODING] = "22021", [SQL_TOO_LONG] = "54000",
		[SQL_TOO_DEEP] = "54001", [SQL_SYNTAX] = "42601",   [SQL_UNKNOWN] = "0A000",
		[SQL_MEMORY] = "54000",
	};
	struct slice error = why ? slice_str(why) : f->error;

	*f = (struct sql_facts){.status = status,
				.error = error,
				.error_at = f->error_at,
				.max_param = f->max_param,
				.stmts = &unparsed_stmt,
				.n_stmts = 1,
				.effects = &unparsed_effect,
				.n_effects = 1};
	memcpy(f->sqlstate, states[status], sizeof(f->sqlstate));
}

const struct sql_facts sql_facts_no_memory = {.status = SQL_MEMORY,
					      .sqlstate = "54000",
					      .stmts = &unparsed_stmt,
					      .n_stmts = 1,
					      .effects = &unparsed_effect,
					      .n_effects = 1};

const struct sql_facts *
sql_analyse(struct slice text, const struct sql_limits *limits, struct arena *arena)
{
	struct sql_facts *f = arena_try_alloc(arena, sizeof(*f));
	struct analysis a = {.arena = arena, .text = text, .limits = *limits};
	size_t arena_limit = arena->limit, ours = arena->used + limits->max_facts_bytes;

	if (!f)
		return &sql_facts_no_memory;
	if (a.limits.max_depth > SQL_DEPTH_MAX)
		a.limits.max_depth = SQL_DEPTH_MAX;
	if (text.n > limits->max_bytes || text.n > INT32_MAX / 2) {
		refuse(f, SQL_TOO_LONG, "statement is longer than the limit");
		return f;
	}
	assert(text.p && text.p[text.n] == 0);
	if (!arena_limit || ours < arena_limit)
		arena->limit = ours;
	if (scan(&a, f))
		parse(&a, f);
	arena->limit = arena_limit;
	if (a.status == SQL_OK) {
		finish(&a, f);
		memcpy(f->sqlstate, "00000", 6);
		f->error_at = 0;
	} else {
		refuse(f, a.status, a.why);
	}
	return f;
}
