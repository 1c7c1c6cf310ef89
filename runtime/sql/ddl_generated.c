/* SPDX-License-Identifier: MIT
 *
 * Columns that the server computes: GENERATED ALWAYS AS (expression) STORED, and which columns the
 * expression reads. Who may not see those may not see what is made of them. An expression that
 * cannot be analysed reads all.
 */
#include "sql/ddl_internal.h"
#include "sql/shape.h"

/* What stands in the first brackets from there on. */
static struct slice
in_brackets(struct slice text, uint32_t at)
{
	uint32_t depth = 0, from = 0;
	struct sql_token t;

	while ((t = sql_token_next(text, &at)).kind != SQL_TOK_END && t.kind != SQL_TOK_ERROR) {
		uint8_t c = t.kind == SQL_TOK_SELF ? text.p[t.at] : 0;

		if (c == '(' && !depth++)
			from = at;
		if (c == ')' && depth && !--depth)
			return slice_of(text.p + from, t.at - from);
	}
	return (struct slice){0};
}

void
ddl_generated(struct ddl *d, struct ddl_column *c, uint32_t at)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct slice expression = in_brackets(d->statement, at);
	struct slice query = slice_str(
		arena_printf(d->arena, "select (%.*s) from t", SLICE_ARG(expression)));
	const struct sql_facts *f = sql_analyse(query, &limits, d->arena);

	c->generated = true;
	c->reads_all = c->reads_all || f->status != SQL_OK;
	for (uint32_t i = 0; f->status == SQL_OK && i < f->n_uses; i++) {
		struct ddl_name *name = ARENA_NEW(d->arena, struct ddl_name);

		*name = (struct ddl_name){c->reads, f->uses[i].column};
		c->reads = name;
		c->reads_all = c->reads_all || !f->uses[i].column.n;
	}
}

static bool
reads(const struct ddl_column *c, const struct ddl_column *other)
{
	for (const struct ddl_name *n = c->reads; n; n = n->next)
		if (slice_eq(n->name, other->name))
			return true;
	return c->reads_all && c != other;
}

static bool
put(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r, uint32_t n, uint32_t from)
{
	const struct slice f[] = {slice_str(arena_printf(d->arena, "%u", r->oid)),
				  slice_str(arena_printf(d->arena, "%u", n)),
				  slice_str(arena_printf(d->arena, "%u", from)), SLICE_LIT("s")};

	return catalog_build_row(b, CATALOG_Q_GENERATED, f, COUNT_OF(f));
}

bool
ddl_put_generated(struct ddl *d, struct catalog_build *b, const struct ddl_relation *r)
{
	uint32_t n = 0, from;

	for (const struct ddl_column *c = r->columns; c; c = c->next) {
		n++;
		from = 0;
		if (c->generated && !put(d, b, r, n, 0))
			return false;
		for (const struct ddl_column *o = r->columns; c->generated && o; o = o->next)
			if (++from && reads(c, o) && !put(d, b, r, n, from))
				return false;
	}
	return true;
}
