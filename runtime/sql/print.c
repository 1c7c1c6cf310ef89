/* SPDX-License-Identifier: MIT
 *
 * Facts as text, one line each: what the golden tests compare and what a person debugging a policy
 * reads. Calls that are safe operators are left out.
 */
#include "sql/sql.h"

static const char *const kinds[] = {
	[SQL_KIND_QUERY] = "query",
	[SQL_KIND_INSERT] = "insert",
	[SQL_KIND_UPDATE] = "update",
	[SQL_KIND_DELETE] = "delete",
	[SQL_KIND_MERGE] = "merge",
	[SQL_KIND_CREATE_AS] = "create-as",
	[SQL_KIND_COPY] = "copy",
	[SQL_KIND_EXPLAIN] = "explain",
	[SQL_KIND_BEGIN] = "begin",
	[SQL_KIND_COMMIT] = "commit",
	[SQL_KIND_ROLLBACK] = "rollback",
	[SQL_KIND_SAVEPOINT] = "savepoint",
	[SQL_KIND_RELEASE] = "release",
	[SQL_KIND_ROLLBACK_TO] = "rollback-to",
	[SQL_KIND_PREPARE_TRANSACTION] = "prepare-transaction",
	[SQL_KIND_COMMIT_PREPARED] = "commit-prepared",
	[SQL_KIND_ROLLBACK_PREPARED] = "rollback-prepared",
	[SQL_KIND_SET] = "set",
	[SQL_KIND_SET_TRANSACTION] = "set-transaction",
	[SQL_KIND_RESET] = "reset",
	[SQL_KIND_RESET_ALL] = "reset-all",
	[SQL_KIND_SHOW] = "show",
	[SQL_KIND_PREPARE] = "prepare",
	[SQL_KIND_EXECUTE] = "execute",
	[SQL_KIND_DEALLOCATE] = "deallocate",
	[SQL_KIND_DECLARE] = "declare",
	[SQL_KIND_FETCH] = "fetch",
	[SQL_KIND_CLOSE] = "close",
	[SQL_KIND_DISCARD] = "discard",
	[SQL_KIND_LISTEN] = "listen",
	[SQL_KIND_UNLISTEN] = "unlisten",
	[SQL_KIND_NOTIFY] = "notify",
	[SQL_KIND_LOCK] = "lock",
	[SQL_KIND_CALL] = "call",
	[SQL_KIND_OTHER] = "other",
};

static void
flags(struct buf *out, uint32_t v, const char *const names[], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (v & 1u << i)
			buf_printf(out, " %s", names[i]);
	}
}

static void
field(struct buf *out, const char *name, struct slice v)
{
	if (v.n)
		buf_printf(out, " %s=%.*s", name, SLICE_ARG(v));
}

static void
print_copy(struct buf *out, const struct sql_copy *c)
{
	static const char *const formats[] = {"text", "csv", "binary"};
	static const char *const places[] = {"stream", "file", "program"};

	buf_printf(out, "  copy %s %s %s%s%s%s%s", c->from ? "from" : "to", places[c->where],
		   formats[c->format], c->query ? " query" : "", c->header ? " header" : "",
		   c->force_quote_any ? " force" : "", c->unknown_option ? " unknown-option" : "");
	field(out, "path", c->file);
	if (c->has_null)
		buf_printf(out, " null='%.*s'", SLICE_ARG(c->null));
	if (c->has_delimiter)
		buf_printf(out, " delimiter='%.*s'", SLICE_ARG(c->delimiter));
	if (c->has_quote)
		buf_printf(out, " quote='%.*s'", SLICE_ARG(c->quote));
	if (c->has_escape)
		buf_printf(out, " escape='%.*s'", SLICE_ARG(c->escape));
	field(out, "encoding", c->encoding);
	buf_putc(out, '\n');
}

static void
print_effect(struct buf *out, const struct sql_effect *e)
{
	static const char *const names[] = {"where", "constant", "star",      "only",
					    "inner", "cascade",	 "temporary", "current-of"};

	buf_printf(out, "  %s", action_info[e->action].name);
	if (e->schema.n || e->object.n)
		buf_printf(out, " %.*s%s%.*s", SLICE_ARG(e->schema),
			   e->schema.n && e->object.n ? "." : "", SLICE_ARG(e->object));
	field(out, "function", e->function);
	field(out, "setting", e->setting);
	field(out, "selected", e->selected);
	if (e->n_columns) {
		buf_puts(out, " (");
		for (uint32_t i = 0; i < e->n_columns; i++)
			buf_printf(out, "%s%.*s", i ? ", " : "", SLICE_ARG(e->columns[i]));
		buf_putc(out, ')');
	}
	flags(out, e->flags, names, 8);
	buf_putc(out, '\n');
}

/* Within its statement, from 0. */
static unsigned
query_number(const struct sql_facts *f, int32_t query)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < f->n_stmts && f->stmts[i].queries <= (uint32_t)query; i++)
		first = f->stmts[i].queries;
	return (unsigned)query - first;
}

static void
put_names(struct buf *out, const struct sql_facts *f, const char *what, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		buf_printf(out, "%s%.*s", i ? ", " : what, SLICE_ARG(f->names[first + i]));
	buf_puts(out, n ? ")" : "");
}

static void
print_use(struct buf *out, const struct sql_facts *f, const struct sql_use *u)
{
	static const char *const names[] = {
		"star",	    "row",   "row-unless-column", "equality", "ambiguous", "row-or-column",
		"optional", "natural", "output",	  "maybe", "derives", "lookup"};
	static const char *const rels[] = {"",	      "cte ",  "subquery ", "function ",
					   "values ", "join ", "excluded "};

	buf_printf(out, "  use %s ", context_info[u->context].name);
	if (u->schema.n)
		buf_printf(out, "%.*s.", SLICE_ARG(u->schema));
	if (u->qualifier.n)
		buf_printf(out, "%.*s.", SLICE_ARG(u->qualifier));
	buf_printf(out, "%.*s", SLICE_ARG(u->column));
	if (u->flags & SQL_USE_STAR)
		buf_putc(out, '*');
	flags(out, u->flags & ~1u, names, 12);
	if (u->over)
		buf_printf(out, " over=%u", u->over);
	if (u->nth)
		buf_printf(out, " #%u", u->nth);
	buf_puts(out, " ->");
	for (uint32_t i = 0; i < u->n_candidates; i++) {
		const struct sql_candidate *c = &f->candidates[u->candidates + i];
		const struct sql_relation *r = &f->relations[c->relation];
		struct slice name = r->kind == SQL_REL_TABLE ? r->name : r->alias;

		buf_printf(out, "%s %s%.*s", i ? "," : "", rels[r->kind], SLICE_ARG(name));
		if (r->query >= 0)
			buf_printf(out, "=%u", query_number(f, r->query));
		for (uint32_t k = 0; k < c->level; k++)
			buf_putc(out, '^');
	}
	if (u->row_relation >= 0) {
		struct slice name = f->relations[u->row_relation].name;

		buf_printf(out, " row-of %.*s", SLICE_ARG(name));
	}
	buf_putc(out, '\n');
}

static void
print_output(struct buf *out, const struct sql_facts *f, const struct sql_output *o)
{
	static const char *const names[] = {"column", "star", "query", "other"};

	buf_printf(out, " %s", names[o->kind]);
	if (o->query >= 0)
		buf_printf(out, "=%u", query_number(f, o->query));
	if (o->name.n)
		buf_printf(out, ":%.*s", SLICE_ARG(o->name));
	if (o->column)
		buf_printf(out, "@%u", o->column);
	if (o->use >= 0 && f->uses[o->use].context != CONTEXT_OUTPUT)
		buf_printf(out, "(%s)", context_info[f->uses[o->use].context].name);
	if (o->kind == SQL_OUTPUT_STAR && o->use < 0)
		buf_puts(out, "(unknown)");
}

static void
print_query(struct buf *out, const struct sql_facts *f, const struct sql_query *q)
{
	if (q->kind == SQL_QUERY_UNION)
		buf_printf(out, " union =%u =%u", query_number(f, (int32_t)q->left),
			   query_number(f, (int32_t)q->right));
	else if (q->kind == SQL_QUERY_VALUES)
		buf_printf(out, " values %u", q->width);
	for (uint32_t i = 0; i < q->n_outputs; i++)
		print_output(out, f, &f->outputs[q->outputs + i]);
	put_names(out, f, " (", q->names, q->n_names);
	buf_putc(out, '\n');
}

/* Joins that merge or rename, and relations whose columns are renamed. */
static void
print_relation(struct buf *out, const struct sql_facts *f, uint32_t index)
{
	const struct sql_relation *r = &f->relations[index];

	if (r->kind != SQL_REL_JOIN && !r->renamed)
		return;
	buf_printf(out, "  relation %.*s", SLICE_ARG(r->alias));
	if (r->kind == SQL_REL_JOIN)
		buf_printf(out, "%sjoin%s%s", r->alias.n ? " " : "", r->natural ? " natural" : "",
			   r->only_merged ? " only" : "");
	put_names(out, f, " using (", r->merged, r->n_merged);
	for (uint32_t i = 0; i < r->n_left + r->n_right; i++) {
		const struct sql_relation *m = &f->relations[f->members[r->members + i]];
		struct slice name = m->alias.n ? m->alias : SLICE_LIT("join");

		buf_printf(out, "%s%.*s",
			   i == 0	    ? ": "
			   : i == r->n_left ? " | "
					    : ", ",
			   SLICE_ARG(name));
	}
	put_names(out, f, " (", r->names, r->n_names);
	buf_putc(out, '\n');
}

static void
print_stmt(struct buf *out, const struct sql_facts *f, const struct sql_stmt *s)
{
	static const char *const names[] = {"pure",	    "chain",  "analyze", "read-only",
					    "hold",	    "binary", "move",	 "executes",
					    "cursor-write", "ddl",    "rows",	 "code",
					    "renames",	    "redefines"};
	bool first = true;

	buf_printf(out, "%s", kinds[s->kind]);
	if (s->inner != s->kind)
		buf_printf(out, "(%s)", kinds[s->inner]);
	flags(out, s->flags, names, 14);
	field(out, "name", s->name);
	field(out, "setting", s->set.name);
	field(out, "value", s->set.value);
	if (s->set.local)
		buf_puts(out, " local");
	if (s->set.is_default)
		buf_puts(out, " default");
	buf_printf(out, " @%u+%u\n", s->token, s->n_tokens);
	if (s->copy)
		print_copy(out, s->copy);
	for (uint32_t i = 0; i < s->n_effects; i++)
		print_effect(out, &f->effects[s->effects + i]);
	for (uint32_t i = 0; i < s->n_uses; i++)
		print_use(out, f, &f->uses[s->uses + i]);
	for (uint32_t i = 0; i < s->n_relations; i++)
		print_relation(out, f, s->relations + i);
	if (s->query >= 0 && f->queries[s->query].kind != SQL_QUERY_NONE) {
		buf_puts(out, "  outputs");
		print_query(out, f, &f->queries[s->query]);
	}
	for (uint32_t i = 0; i < s->n_queries; i++) {
		if ((int32_t)(s->queries + i) == s->query)
			continue;
		buf_printf(out, "  query %u", i);
		print_query(out, f, &f->queries[s->queries + i]);
	}
	for (uint32_t i = 0; i < s->n_calls; i++) {
		const struct sql_call *c = &f->calls[s->calls + i];

		if ((c->flags & SQL_CALL_OPERATOR) && !c->schema.n)
			continue;
		buf_printf(out, "%s %.*s%s%.*s%s%s", first ? "  calls" : ",", SLICE_ARG(c->schema),
			   c->schema.n ? "." : "", SLICE_ARG(c->name),
			   c->flags & SQL_CALL_TYPE ? ":type" : "",
			   c->flags & SQL_CALL_SAFE ? "" : "!");
		first = false;
	}
	if (!first)
		buf_putc(out, '\n');
}

void
sql_facts_print(struct buf *out, const struct sql_facts *f)
{
	if (f->status != SQL_OK) {
		buf_printf(out, "refused %s at %u: %.*s\n", f->sqlstate, f->error_at,
			   SLICE_ARG(f->error));
		return;
	}
	for (uint32_t i = 0; i < f->n_stmts; i++)
		print_stmt(out, f, &f->stmts[i]);
	if (f->literal_dependent)
		buf_puts(out, "literal-dependent\n");
	if (f->max_param)
		buf_printf(out, "parameters %u\n", f->max_param);
}
