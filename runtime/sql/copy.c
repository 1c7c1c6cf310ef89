/* SPDX-License-Identifier: MIT
 *
 * COPY: where its data goes, in which format, and which columns. An option that is not understood
 * is marked, so that a stream which must be masked is refused rather than misread.
 */
#include "sql/analyse.h"

#include <strings.h>

static struct slice
text_of(struct analysis *a, const Node *n)
{
	if (!n)
		return (struct slice){0};
	switch (nodeTag(n)) {
	case T_String:
		return an_str(a, strVal(n));
	case T_Float:
		return an_str(a, castNode(Float, (Node *)n)->fval);
	case T_Boolean:
		return boolVal(n) ? SLICE_LIT("true") : SLICE_LIT("false");
	case T_Integer:
		return intVal(n) == 0	? SLICE_LIT("0")
		       : intVal(n) == 1 ? SLICE_LIT("1")
					: SLICE_LIT("?");
	default:
		return SLICE_LIT("?");
	}
}

static bool
same(struct slice a, const char *b)
{
	return a.n == strlen(b) && strncasecmp((const char *)a.p, b, a.n) == 0;
}

static void
format(struct sql_copy *c, struct slice v)
{
	if (slice_is(v, "text"))
		c->format = SQL_COPY_TEXT;
	else if (slice_is(v, "csv"))
		c->format = SQL_COPY_CSV;
	else if (slice_is(v, "binary"))
		c->format = SQL_COPY_BINARY;
	else
		c->unknown_option = true;
}

static void
option(struct analysis *a, struct sql_copy *c, const DefElem *d)
{
	struct slice v = text_of(a, d->arg), name = slice_str(d->defname);

	if (slice_is(name, "format")) {
		format(c, v);
	} else if (slice_is(name, "delimiter")) {
		c->delimiter = v;
		c->has_delimiter = true;
	} else if (slice_is(name, "null")) {
		c->null = v;
		c->has_null = true;
	} else if (slice_is(name, "quote")) {
		c->quote = v;
		c->has_quote = true;
	} else if (slice_is(name, "escape")) {
		c->escape = v;
		c->has_escape = true;
	} else if (slice_is(name, "encoding")) {
		c->encoding = v;
	} else if (slice_is(name, "header")) {
		/* Anything that is not clearly off may send a header line. */
		c->header = !(d->arg && (same(v, "false") || same(v, "off") || same(v, "0")));
	} else if (slice_is(name, "force_quote") || slice_is(name, "force_not_null") ||
		   slice_is(name, "force_null")) {
		c->force_quote_any = true;
	} else if (!slice_is(name, "freeze")) {
		c->unknown_option = true;
	}
}

/* The columns sent, as outputs; they leave as a select list's would. */
static void
columns_out(struct analysis *a, CopyStmt *n, struct scope *s, enum context ctx)
{
	int32_t query = an_slot(a);
	int columns = n->attlist ? list_length(n->attlist) : 1;
	uint32_t first = an_outputs(a, query, columns);

	a->stmt->query = query;
	for (int i = 0; i < columns && a->status == SQL_OK; i++) {
		struct sql_output *o = &((struct sql_output *)a->outputs.p)[first + (uint32_t)i];
		uint32_t star = n->attlist ? 0 : SQL_USE_STAR;
		struct sql_use *u;

		o->kind = star ? SQL_OUTPUT_STAR : SQL_OUTPUT_COLUMN;
		o->use = (int32_t)a->uses.n;
		u = an_use(a, ctx, star, n->relation->location);
		if (!star)
			u->column = o->name = an_str(a, strVal(list_nth(n->attlist, i)));
		an_use_relations(a, u, s, 0, s->rels.n);
	}
}

static void
relation(struct analysis *a, CopyStmt *n, enum context ctx)
{
	enum action action = n->is_from ? ACTION_SQL_COPY_IN : ACTION_SQL_COPY_OUT;
	struct sql_effect *e = an_effect_var(a, action, n->relation);
	struct scope s = {0};
	uint32_t index;
	ListCell *lc;

	foreach (lc, n->attlist)
		an_column(a, e, an_str(a, strVal(lfirst(lc))));
	if (!n->attlist)
		e->flags |= SQL_EFFECT_STAR;
	index = an_target(a, &s, n->relation, n->is_from);
	if (n->is_from) {
		an_where(a, n->whereClause, &s);
		return;
	}
	e->relation = (int32_t)index;
	e = an_effect_var(a, ACTION_SQL_SELECT, n->relation);
	e->relation = (int32_t)index;
	if (a->status == SQL_OK)
		((struct sql_relation *)a->relations.p)[index].copied = !n->attlist;
	columns_out(a, n, &s, ctx);
}

void
an_copy(struct analysis *a, CopyStmt *n)
{
	struct sql_copy *c = arena_try_alloc(a->arena, sizeof(*c));
	enum context ctx = n->filename || n->is_program ? CONTEXT_WRITE_SOURCE : CONTEXT_OUTPUT;
	ListCell *lc;

	if (!c) {
		an_fail(a, SQL_MEMORY, "statement needs more facts than the limit allows");
		return;
	}
	c->from = n->is_from;
	c->query = n->query != NULL;
	c->where = n->is_program ? SQL_COPY_PROGRAM : n->filename ? SQL_COPY_FILE : SQL_COPY_STREAM;
	c->file = an_str(a, n->filename);
	foreach (lc, n->options)
		option(a, c, lfirst(lc));
	a->stmt->copy = c;
	if (c->format == SQL_COPY_BINARY)
		a->stmt->flags |= SQL_BINARY;
	if (n->is_program)
		an_effect(a, ACTION_SQL_PROGRAM, -1);
	else if (n->filename)
		an_effect(a, ACTION_SQL_FILE, -1);
	if (n->relation) {
		relation(a, n, ctx);
	} else {
		an_effect(a, ACTION_SQL_COPY_OUT, -1);
		a->stmt->inner = an_query_kind(n->query);
		a->stmt->query = an_slot(a);
		an_query(a, n->query, NULL, ctx, a->stmt->query);
	}
}
