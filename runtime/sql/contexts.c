/* SPDX-License-Identifier: MIT
 *
 * Where the columns of a text are used, followed through its queries: `order by` of what a
 * sub-select passes on is a use of the column itself in `order`. Contexts go from each use to what
 * it means: outputs of the relation's query, and the uses those are made of, until nothing changes.
 * Without a catalog it is not known which of a query's columns a name means behind a star: then
 * each that it may mean.
 */
#include "sql/contexts.h"

enum { STEPS_MAX = 2000000, DEPTH_MAX = 2000 };

struct follow {
	const struct sql_facts *f;
	struct sql_contexts *out;
	struct arena *arena;
	uint32_t steps, depth, cap_passed;
	bool changed, last;
};

/* Which columns: all, number nth (from 0), or those of a name. */
struct which {
	bool all;
	int32_t nth; /* -1: by name */
	struct slice name;
};

static void to_query(struct follow *w, uint32_t query, struct which which, uint16_t contexts);

static void
to_use(struct follow *w, int32_t use, uint16_t contexts)
{
	uint16_t *at;

	if (use < 0)
		return;
	at = &w->out->of_use[use];
	w->changed = w->changed || (*at | contexts) != *at;
	*at |= contexts;
}

/* A column that came out of its table by a star. */
static void
passed(struct follow *w, uint32_t relation, struct which which, uint16_t contexts)
{
	struct sql_contexts *o = w->out;

	if (!w->last)
		return;
	if (o->n_passed == w->cap_passed) {
		struct sql_passed *old = o->passed;

		w->cap_passed = w->cap_passed ? w->cap_passed * 2 : 16;
		o->passed = ARENA_ARRAY(w->arena, struct sql_passed, w->cap_passed);
		if (old)
			memcpy(o->passed, old, o->n_passed * sizeof(*old));
	}
	o->passed[o->n_passed++] = (struct sql_passed){
		relation, which.all || which.nth >= 0 ? (struct slice){0} : which.name, contexts};
}

static int32_t
position(const struct sql_facts *f, uint32_t first, uint32_t n, struct slice name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (slice_eq(f->names[first + i], name))
			return (int32_t)i;
	}
	return -1;
}

/* What a name means below a column list: its place there, or what is behind the list. */
static struct which
below(const struct sql_facts *f, uint32_t names, uint32_t n_names, struct which which)
{
	int32_t at = which.all || which.nth >= 0 ? -1 : position(f, names, n_names, which.name);

	return at < 0 ? which : (struct which){.nth = at};
}

/* from_star: the columns are those of a star, which is no use by itself of any of them. */
static void
to_relation(struct follow *w, uint32_t relation, struct which which, uint16_t contexts,
	    bool from_star)
{
	const struct sql_relation *r = &w->f->relations[relation];
	struct which inner = below(w->f, r->names, r->n_names, which);

	if (++w->steps > STEPS_MAX)
		return;
	/* Which member has the column number n of a join, only a catalog tells. */
	if (r->kind == SQL_REL_JOIN && inner.nth >= 0)
		inner = (struct which){.all = true, .nth = -1};
	for (uint32_t i = 0; r->kind == SQL_REL_JOIN && i < r->n_left + r->n_right; i++)
		to_relation(w, w->f->members[r->members + i], inner, contexts, from_star);
	if (r->query >= 0)
		to_query(w, (uint32_t)r->query, inner, contexts);
	else if (from_star && (r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED))
		passed(w, relation, inner, contexts);
}

static void
to_output(struct follow *w, const struct sql_output *o, struct which which, uint16_t contexts)
{
	const struct sql_use *u = o->use >= 0 ? &w->f->uses[o->use] : NULL;

	if (o->kind == SQL_OUTPUT_QUERY && o->query >= 0) {
		to_query(w, (uint32_t)o->query, (struct which){.nth = 0}, contexts);
	} else if (o->kind == SQL_OUTPUT_STAR && u) {
		for (uint32_t k = 0; k < u->n_candidates; k++)
			to_relation(w, w->f->candidates[u->candidates + k].relation, which,
				    contexts, true);
	} else if (o->kind == SQL_OUTPUT_COLUMN) {
		to_use(w, o->use, contexts);
	} else {
		for (uint32_t k = 0; k < o->n_uses; k++)
			to_use(w, (int32_t)(o->uses + k), contexts);
	}
}

/* An output of that name; one without a name may have it, unless another does. */
static bool
is_named(const struct sql_facts *f, const struct sql_query *q, struct slice name)
{
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];

		if (o->kind != SQL_OUTPUT_STAR && o->name.n && slice_eq(o->name, name))
			return true;
	}
	return false;
}

static bool
is_meant(const struct sql_output *o, uint32_t index, struct which which, bool named)
{
	if (which.all)
		return true;
	if (which.nth >= 0)
		return (uint32_t)which.nth == index;
	return o->kind == SQL_OUTPUT_STAR || (o->name.n ? slice_eq(o->name, which.name) : !named);
}

static void
to_select(struct follow *w, const struct sql_query *q, struct which which, uint16_t contexts)
{
	bool star = false;
	bool named = !which.all && which.nth < 0 && is_named(w->f, q, which.name);

	for (uint32_t i = 0; i < q->n_outputs && ++w->steps <= STEPS_MAX; i++) {
		const struct sql_output *o = &w->f->outputs[q->outputs + i];

		star = star || o->kind == SQL_OUTPUT_STAR;
		/* Behind a star nobody knows the numbers. */
		if (which.nth >= 0 && star)
			which = (struct which){.all = true, .nth = -1};
		if (is_meant(o, i, which, named))
			to_output(w, o, which, contexts);
	}
}

/* Column number of a name in a query without stars; -1: not known. */
static int32_t
number(const struct sql_facts *f, uint32_t query, struct slice name)
{
	const struct sql_query *q = &f->queries[query];

	for (unsigned depth = 0; q->kind == SQL_QUERY_UNION && depth < 1000; depth++)
		q = &f->queries[q->left];
	for (uint32_t i = 0; q->kind == SQL_QUERY_SELECT && i < q->n_outputs; i++) {
		if (f->outputs[q->outputs + i].kind == SQL_OUTPUT_STAR)
			return -1;
		if (slice_eq(f->outputs[q->outputs + i].name, name))
			return (int32_t)i;
	}
	return -1;
}

static void
to_query(struct follow *w, uint32_t query, struct which which, uint16_t contexts)
{
	const struct sql_query *q = &w->f->queries[query];
	uint16_t *seen = &w->out->of_query[query];
	int32_t n;

	/* A query that is asked from within itself: the next pass goes on. */
	if (w->depth > DEPTH_MAX)
		w->steps = STEPS_MAX + 1;
	if (w->steps > STEPS_MAX || *seen)
		return;
	*seen = 1;
	w->depth++;
	which = below(w->f, q->names, q->n_names, which);
	switch (q->kind) {
	case SQL_QUERY_SELECT:
		to_select(w, q, which, contexts);
		break;
	case SQL_QUERY_UNION:
		n = which.all || which.nth >= 0 ? which.nth : number(w->f, query, which.name);
		to_query(w, q->left, which, contexts);
		to_query(w, q->right,
			 n >= 0 ? (struct which){.nth = n} : (struct which){.all = true, .nth = -1},
			 contexts);
		break;
	case SQL_QUERY_VALUES: /* its columns' names are numbers */
		for (uint32_t i = 0; i < q->n_outputs; i++) {
			if (which.nth < 0 ||
			    (uint32_t)which.nth == w->f->outputs[q->outputs + i].column)
				to_output(w, &w->f->outputs[q->outputs + i], which, contexts);
		}
		break;
	case SQL_QUERY_NONE:
		break;
	}
	w->depth--;
	*seen = 0;
}

static void
pass(struct follow *w)
{
	for (uint32_t i = 0; i < w->f->n_uses; i++) {
		const struct sql_use *u = &w->f->uses[i];
		struct which which = {
			.all = u->flags & (SQL_USE_STAR | SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN),
			.nth = (int32_t)u->nth - 1,
			.name = u->column};

		for (uint32_t k = 0; k < u->n_candidates && ++w->steps <= STEPS_MAX; k++)
			to_relation(w, w->f->candidates[u->candidates + k].relation, which,
				    w->out->of_use[i], false);
	}
}

void
sql_contexts(const struct sql_facts *f, struct arena *a, struct sql_contexts *out)
{
	struct follow w = {.f = f, .out = out, .arena = a};

	*out = (struct sql_contexts){.known = true};
	out->of_use = ARENA_ARRAY(a, uint16_t, f->n_uses + 1);
	for (uint32_t i = 0; i < f->n_uses; i++)
		out->of_use[i] = (uint16_t)(1u << f->uses[i].context);
	if (f->n_queries < 2)
		return;
	out->of_query = ARENA_ARRAY(a, uint16_t, f->n_queries + 1);
	do {
		w.changed = false;
		pass(&w);
	} while (w.changed && w.steps <= STEPS_MAX);
	w.last = true;
	pass(&w);
	out->known = w.steps <= STEPS_MAX;
}
