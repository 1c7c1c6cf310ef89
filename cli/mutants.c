/* SPDX-License-Identifier: MIT
 *
 * The changes. Each is one edit of the text, small enough that a reader sees at once what it would
 * mean, and large enough that some command is decided otherwise.
 */
#include "cli/mutate.h"

#include "compiler/ast.h"

struct maker {
	struct sources *sources;
	struct arena *arena;
	const struct policy *p;
	const char *of;
	struct mutant *first, *last;
};

static struct mutant *
add(struct maker *m, struct span at, const char *what, const char *text)
{
	struct mutant *x = ARENA_NEW(m->arena, struct mutant);

	*x = (struct mutant){.at = at, .shown = at, .what = what, .of = m->of,
			     .text = slice_str(text)};
	if (m->last)
		m->last->next = x;
	else
		m->first = x;
	m->last = x;
	return x;
}

static const char *
text_at(struct maker *m, struct span at)
{
	return arena_str(m->arena, source_text(m->sources, at));
}

static struct span
end_of(struct span at)
{
	return (struct span){at.file, at.off + at.len, 0};
}

/* From the end of a to the start of b. */
static struct span
between(struct span a, struct span b)
{
	uint32_t from = a.off + a.len;

	return (struct span){a.file, from, b.off > from ? b.off - from : 0};
}

/* ---- Conditions ---- */

static void mutate_expr(struct maker *m, const struct expr *e, bool nested);

static void
negate(struct maker *m, const struct expr *e)
{
	add(m, e->at, "a condition is turned around",
	    arena_printf(m->arena, "not (%s)", text_at(m, e->at)));
}

static void
mutate_compare(struct maker *m, const struct expr *e)
{
	static const struct {
		const char *to, *what;
	} ops[] = {
		[CMP_EQ] = {" != ", "a comparison is turned around"},
		[CMP_NE] = {" = ", "a comparison is turned around"},
		[CMP_LT] = {" <= ", "a boundary is moved"},
		[CMP_LE] = {" < ", "a boundary is moved"},
		[CMP_GT] = {" >= ", "a boundary is moved"},
		[CMP_GE] = {" > ", "a boundary is moved"},
	};
	const struct expr *v = e->r->kind == X_NAME ? e->l : e->r;

	add(m, between(e->l->at, e->r->at), ops[e->op].what, ops[e->op].to)->shown = e->at;
	if (v->kind == X_INT && v->number < INT64_MAX)
		add(m, v->at, "a constant is changed",
		    arena_printf(m->arena, "%lld", (long long) v->number + 1));
	else if (v->kind == X_STRING)
		add(m, v->at, "a constant is changed", "\"?\"");
}

/* Every item of a list but one, for each of them. */
static void
drop_items(struct maker *m, const struct expr *items, const char *sep, const char *what)
{
	const struct expr *last = items;
	struct buf text = {0};

	if (!items || !items->next)
		return;
	while (last->next)
		last = last->next;
	for (const struct expr *gone = items; gone; gone = gone->next) {
		buf_reset(&text);
		for (const struct expr *i = items; i; i = i->next)
			if (i != gone)
				buf_printf(&text, "%s%s", text.n ? sep : "", text_at(m, i->at));
		add(m, span_join(items->at, last->at), what,
		    arena_str(m->arena, buf_slice(&text)))
			->shown = gone->at;
	}
	buf_fini(&text);
}

static void
mutate_expr(struct maker *m, const struct expr *e, bool nested)
{
	switch (e->kind) {
	case X_OR:
	case X_AND:
		add(m, e->at, "a part of a condition is dropped", text_at(m, e->l->at))->shown =
			e->r->at;
		add(m, e->at, "a part of a condition is dropped", text_at(m, e->r->at))->shown =
			e->l->at;
		mutate_expr(m, e->l, true);
		mutate_expr(m, e->r, true);
		break;
	case X_NOT:
		add(m, e->at, "a condition is turned around", text_at(m, e->l->at));
		mutate_expr(m, e->l, false);
		break;
	case X_COMPARE:
		mutate_compare(m, e);
		break;
	case X_IN:
		if (e->r->kind == X_SET)
			drop_items(m, e->r->l, ", ", "a value is dropped");
		break;
	case X_CALL:
		if (e->l && e->l->next && e->l->next->kind == X_ALT)
			drop_items(m, e->l->next->l, " | ", "a place is dropped");
		break;
	default:
		break;
	}
	if (nested && e->kind > X_NOT && e->kind != X_COMPARE)
		negate(m, e);
}

/* ---- Rules ---- */

static void
drop_names(struct maker *m, const struct ref *names)
{
	const struct ref *last = names;
	struct buf text = {0};

	if (!names || !names->next)
		return;
	while (last->next)
		last = last->next;
	for (const struct ref *gone = names; gone; gone = gone->next) {
		buf_reset(&text);
		for (const struct ref *r = names; r; r = r->next)
			if (r != gone)
				buf_printf(&text, "%s%s", text.n ? ", " : "", r->name.s);
		add(m, span_join(names->name.at, last->name.at), "a name is dropped",
		    arena_str(m->arena, buf_slice(&text)))
			->shown = gone->name.at;
	}
	buf_fini(&text);
}

static bool
has_name(const struct ref *names, const char *name)
{
	for (; names; names = names->next)
		if (names->name.s == name)
			return true;
	return false;
}

/* The first other group that there is. */
static void
widen(struct maker *m, const struct ref *names)
{
	const struct ref *last = names;

	while (last->next)
		last = last->next;
	for (const struct group_decl *g = m->p->groups; g; g = g->next) {
		if (has_name(names, g->name.s))
			continue;
		add(m, end_of(last->name.at), "a group is added",
		    arena_printf(m->arena, ", %s", g->name.s))
			->shown = span_join(names->name.at, last->name.at);
		return;
	}
}

static void
mutate_kernel(struct maker *m, const struct kernel *k)
{
	const struct expr *last = k->args;
	struct span at = k->name.at;

	while (last && last->next)
		last = last->next;
	/* Up to the parenthesis that closes its arguments. */
	if (last) {
		struct slice text = m->sources->files[at.file].text;
		uint32_t end = last->at.off + last->at.len;

		while (end < text.n && text.p[end] != ')')
			end++;
		at.len = end + 1 - at.off;
	}
	if (k->lookup || k->derived || k->aggregates_over)
		add(m, between(at, end_of(k->at)), "what a mask allows is dropped", "");
	add(m, at, "a mask is swapped", strcmp(k->name.s, "null") == 0 ? "hash" : "null");
	if (k->args && k->args->kind == X_INT)
		add(m, k->args->at, "a mask shows more",
		    arena_printf(m->arena, "%lld", (long long) k->args->number + 1));
}

static void
mutate_clause(struct maker *m, const struct clause *c)
{
	bool about_groups = c->kind == CLAUSE_WHO ||
			    (c->kind == CLAUSE_UNLESS && c->unless == CLAUSE_WHO);

	if (c->kind == CLAUSE_WITH && c->kernel)
		mutate_kernel(m, c->kernel);
	if (c->kind > CLAUSE_UNLESS)
		return;
	add(m, c->at, "a clause is dropped", "");
	drop_names(m, c->names);
	if (about_groups && c->names)
		widen(m, c->names);
	if (!c->expr)
		return;
	if (c->expr->kind != X_NOT)
		negate(m, c->expr);
	mutate_expr(m, c->expr, false);
}

static void
mutate_rule(struct maker *m, const struct rule *r)
{
	struct span head = r->sentence.v.p ? r->sentence.at : r->name.at;
	struct mutant *gone;

	m->of = r->name.s;
	/* Its name stays, so that tests can still speak of it. */
	gone = add(m, end_of(head), "a rule is taken away", "   when false");
	gone->shown = r->name.at;
	gone->whole = true;
	for (const struct clause *c = r->clauses; c; c = c->next)
		mutate_clause(m, c);
}

struct mutant *
mutants_of(const struct policy *p, struct sources *sources, struct arena *arena)
{
	struct maker m = {.sources = sources, .arena = arena, .p = p};

	for (const struct let_decl *l = p->lets; l; l = l->next) {
		m.of = l->name.s;
		mutate_expr(&m, l->expr, true);
	}
	for (const struct rule *r = p->rules; r; r = r->next)
		mutate_rule(&m, r);
	return m.first;
}
