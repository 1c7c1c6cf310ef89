/* SPDX-License-Identifier: MIT
 *
 * What a view shows, from the facts of its query: columns that pass one on have its type, others
 * the type 0. Where a list of columns cannot be told (functions in FROM, natural joins) the view is
 * `vague`.
 */
#include "sql/ddl_internal.h"

enum { NESTING_MAX = 32 };

struct out {
	struct ddl_column *v;
	uint32_t n, cap;
	bool made;
};

struct query_columns {
	struct ddl *d;
	const struct sql_facts *f;
	struct ddl_relation **tables;	    /* by relation */
	struct out *of_relation, *of_query; /* what is made is not made again */
	bool vague;
	unsigned depth;
};

static void
out_add(struct query_columns *q, struct out *o, struct slice name, struct ddl_type type)
{
	if (o->n == DDL_COLUMNS_MAX) {
		q->vague = true;
		return;
	}
	if (o->n == o->cap) {
		struct ddl_column *more;

		o->cap = o->cap ? o->cap * 2 : 16;
		more = ARENA_ARRAY(q->d->arena, struct ddl_column, o->cap);
		if (o->n)
			memcpy(more, o->v, o->n * sizeof(*more));
		o->v = more;
	}
	o->v[o->n++] = (struct ddl_column){.name = name, .type = type};
}

static int
position_of(const struct out *o, struct slice name)
{
	for (uint32_t i = 0; i < o->n; i++)
		if (slice_eq(o->v[i].name, name))
			return (int)i;
	return -1;
}

static struct out columns_of(struct query_columns *q, uint32_t query);

static struct out columns_of_join(struct query_columns *q, const struct sql_relation *rel);

static struct out
columns_of_relation(struct query_columns *q, uint32_t relation)
{
	const struct sql_relation *rel = &q->f->relations[relation];
	struct out o = {0}, was;

	if (q->of_relation[relation].made)
		return q->of_relation[relation];
	if (rel->kind == SQL_REL_JOIN)
		o = columns_of_join(q, rel);
	else if (rel->kind == SQL_REL_TABLE && q->tables[relation] && !q->tables[relation]->vague)
		for (const struct ddl_column *c = q->tables[relation]->columns; c; c = c->next)
			out_add(q, &o, c->name, c->type);
	else if (rel->kind != SQL_REL_TABLE && rel->query >= 0)
		o = columns_of(q, (uint32_t)rel->query);
	else
		q->vague = true;
	was = o;
	if (rel->n_names)
		o = (struct out){0};
	for (uint32_t i = 0; rel->n_names && i < was.n; i++)
		out_add(q, &o, i < rel->n_names ? q->f->names[rel->names + i] : was.v[i].name,
			was.v[i].type);
	o.made = true;
	q->of_relation[relation] = o;
	return o;
}

/* USING's columns first, then what else each side has. */
static struct out
columns_of_join(struct query_columns *q, const struct sql_relation *rel)
{
	struct out o = {0};

	q->vague = q->vague || rel->natural || ++q->depth > NESTING_MAX;
	for (uint32_t i = 0; i < rel->n_merged; i++)
		out_add(q, &o, q->f->names[rel->merged + i], (struct ddl_type){0});
	for (uint32_t i = 0; !q->vague && i < rel->n_left + rel->n_right; i++) {
		struct out side = columns_of_relation(q, q->f->members[rel->members + i]);

		for (uint32_t k = 0; k < side.n; k++) {
			int at = position_of(&o, side.v[k].name);

			if (at < 0 || (uint32_t)at >= rel->n_merged)
				out_add(q, &o, side.v[k].name, side.v[k].type);
			else if (!o.v[at].type.oid)
				o.v[at].type = side.v[k].type;
			else if (o.v[at].type.modifier != side.v[k].type.modifier)
				o.v[at].type.modifier = 0;
		}
	}
	q->depth--;
	return o;
}

static void
add_output(struct query_columns *q, struct out *o, const struct sql_output *out)
{
	const struct sql_use *u = out->use >= 0 ? &q->f->uses[out->use] : NULL;
	struct ddl_type type = {0};

	if (out->kind == SQL_OUTPUT_STAR && !u)
		q->vague = true;
	for (uint32_t i = 0; u && i < u->n_candidates && !q->vague; i++) {
		struct out from =
			columns_of_relation(q, q->f->candidates[u->candidates + i].relation);
		int at = position_of(&from, u->column);

		for (uint32_t k = 0; out->kind == SQL_OUTPUT_STAR && k < from.n; k++)
			out_add(q, o, from.v[k].name, from.v[k].type);
		if (out->kind != SQL_OUTPUT_COLUMN || at < 0)
			continue;
		if (!type.oid)
			type = from.v[at].type;
		else if (type.modifier != from.v[at].type.modifier) /* both sides of USING */
			type.modifier = 0;
	}
	if (out->kind == SQL_OUTPUT_STAR)
		return;
	if (out->kind == SQL_OUTPUT_COLUMN && !out->name.n && u)
		out_add(q, o, u->column, type);
	else
		out_add(q, o, out->name.n ? out->name : SLICE_LIT("?column?"), type);
}

/* What a UNION is made of may declare another length than its first arm does. */
static void
add_arm(struct query_columns *q, struct out *o, struct out from)
{
	for (uint32_t i = 0; i < from.n; i++) {
		struct ddl_type type = from.v[i].type;

		type.modifier = 0;
		out_add(q, o, from.v[i].name, type);
	}
}

static struct out
columns_of(struct query_columns *q, uint32_t query)
{
	const struct sql_query *s = &q->f->queries[query];
	struct out o = {0};

	if (q->of_query[query].made)
		return q->of_query[query];
	if (++q->depth > NESTING_MAX || s->kind == SQL_QUERY_NONE)
		q->vague = true;
	else if (s->kind == SQL_QUERY_UNION)
		add_arm(q, &o, columns_of(q, s->left));
	else if (s->kind == SQL_QUERY_VALUES)
		for (uint32_t i = 0; i < s->width; i++)
			out_add(q, &o, slice_str(arena_printf(q->d->arena, "column%u", i + 1)),
				(struct ddl_type){0});
	else
		for (uint32_t i = 0; i < s->n_outputs && !q->vague; i++)
			add_output(q, &o, &q->f->outputs[s->outputs + i]);
	for (uint32_t i = 0; i < s->n_names && i < o.n; i++)
		o.v[i].name = q->f->names[s->names + i];
	q->depth--;
	o.made = true;
	q->of_query[query] = o;
	return o;
}

static void
put_quoted(struct buf *b, struct slice name)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"')
			buf_putc(b, '"');
		buf_putc(b, name.p[i]);
	}
	buf_putc(b, '"');
}

/* The query with the schema before each name that has none, as the server says it. */
static struct slice
qualified(struct query_columns *q, struct slice query)
{
	struct buf b = {0};
	uint32_t at = 0, copied = 0, n = 0;
	struct sql_token t;
	struct slice out;

	while ((t = sql_token_next(query, &at)).kind != SQL_TOK_END && t.kind != SQL_TOK_ERROR) {
		for (uint32_t i = 0; i < q->f->n_relations; i++) {
			const struct sql_relation *rel = &q->f->relations[i];

			if (rel->token != n || rel->schema.n || !q->tables[i])
				continue;
			buf_put(&b, query.p + copied, t.at - copied);
			put_quoted(&b, q->tables[i]->schema);
			buf_putc(&b, '.');
			copied = t.at;
			break;
		}
		n++;
	}
	buf_put(&b, query.p + copied, query.n - copied);
	out = b.failed ? query : arena_copy(q->d->arena, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static void
add_read(struct ddl *d, struct ddl_relation *r, struct ddl_relation *to)
{
	struct ddl_link *l;

	if (to->reader == r || d->n_reads > DDL_READS_MAX)
		return;
	to->reader = r;
	d->n_reads++;
	l = ARENA_NEW(d->arena, struct ddl_link);
	*l = (struct ddl_link){r->reads, to};
	r->reads = l;
}

void
ddl_view(struct ddl *d, struct ddl_relation *r, struct slice query)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct query_columns q = {.d = d, .f = sql_analyse(query, &limits, d->arena)};
	struct out o = {0};

	r->query = query;
	r->vague = true;
	if (q.f->status != SQL_OK || q.f->n_stmts != 1 || q.f->stmts[0].query < 0)
		return;
	q.tables = ARENA_ARRAY(d->arena, struct ddl_relation *, q.f->n_relations + 1);
	for (uint32_t i = 0; i < q.f->n_relations; i++) {
		const struct sql_relation *rel = &q.f->relations[i];

		if (rel->kind != SQL_REL_TABLE)
			continue;
		q.tables[i] = ddl_find(d, rel->schema, rel->name);
		if (!q.tables[i] || q.tables[i] == r)
			continue;
		add_read(d, r, q.tables[i]);
		/* What is read through a view is read as well. */
		for (const struct ddl_link *l = q.tables[i]->reads; l; l = l->next)
			add_read(d, r, l->to);
	}
	q.of_relation = ARENA_ARRAY(d->arena, struct out, q.f->n_relations + 1);
	q.of_query = ARENA_ARRAY(d->arena, struct out, q.f->n_queries + 1);
	r->query = qualified(&q, query);
	o = columns_of(&q, (uint32_t)q.f->stmts[0].query);
	if (q.vague)
		return;
	r->vague = false;
	for (uint32_t i = 0; i < o.n; i++)
		ddl_add_column(d, r, o.v[i].name, o.v[i].type);
}
