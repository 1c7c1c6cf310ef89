/* SPDX-License-Identifier: MIT */
#include "lsp/symbols.h"

#include <stdlib.h>

const char *
symbol_kind_name(enum symbol_kind kind)
{
	static const char *const names[] = {
		[SYMBOL_POLICY] = "policy",	[SYMBOL_GROUP] = "group",
		[SYMBOL_TARGET] = "target",	[SYMBOL_DATA] = "data class",
		[SYMBOL_LET] = "let",		[SYMBOL_RULE] = "rule",
		[SYMBOL_FACT] = "fact",		[SYMBOL_ACTION] = "action",
		[SYMBOL_MASK] = "mask function", [SYMBOL_VALUE] = "value",
		[SYMBOL_CONTEXT] = "place of a column", [SYMBOL_PER] = "span of a limit",
		[SYMBOL_WORD] = "word",
	};

	return names[kind];
}

static void
add(struct symbols *s, enum symbol_kind kind, const struct name *name, bool declares)
{
	if (!name->s || strcmp(name->s, "?") == 0) /* what is not there is told elsewhere */
		return;
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		struct symbol_at *v = ARENA_ARRAY(s->arena, struct symbol_at, cap);

		if (s->n)
			memcpy(v, s->v, s->n * sizeof(*v));
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = (struct symbol_at){.at = name->at, .kind = kind, .name = name->s,
					  .declares = declares};
}

static void
add_refs(struct symbols *s, enum symbol_kind kind, const struct ref *r)
{
	for (; r; r = r->next)
		add(s, kind, &r->name, false);
}

static void
add_value(struct symbols *s, enum type type, const struct name *name)
{
	size_t n = s->n;

	add(s, SYMBOL_VALUE, name, false);
	if (s->n > n)
		s->v[n].type = type;
}

static bool
is_let(const struct symbols *s, const char *name)
{
	for (const struct let_decl *l = s->policy->lets; l; l = l->next)
		if (l->name.s == name)
			return true;
	return false;
}

/* The fact that an operand names, or -1. */
static int
fact_of(const struct expr *e)
{
	return e && e->kind == X_NAME ? fact_find(slice_str(e->name)) : -1;
}

/* A name where `fact` (or -1) is what it is compared with. The order is the checker's. */
static void
add_name(struct symbols *s, const struct expr *e, int fact)
{
	const struct name name = {e->name, e->at};

	if (fact_find(slice_str(e->name)) >= 0)
		add(s, SYMBOL_FACT, &name, false);
	else if (is_let(s, e->name))
		add(s, SYMBOL_LET, &name, false);
	else if (fact == FACT_USER_GROUPS)
		add(s, SYMBOL_GROUP, &name, false);
	else if (fact >= 0 && fact_info[fact].type == TYPE_ACTION)
		add(s, SYMBOL_ACTION, &name, false);
	else if (fact >= 0 && type_is_enum(fact_info[fact].type))
		add_value(s, fact_info[fact].type, &name);
	else
		add(s, SYMBOL_WORD, &name, false);
}

static void add_expr(struct symbols *s, const struct expr *e, int fact);

/* sql.uses(DATA, place | place) */
static void
add_call(struct symbols *s, const struct expr *e)
{
	const struct expr *arg = e->l;
	struct name name;

	if (arg && arg->kind == X_NAME) {
		name = (struct name){arg->name, arg->at};
		add(s, SYMBOL_DATA, &name, false);
	}
	for (arg = arg ? arg->next : NULL; arg; arg = arg->next)
		for (const struct expr *i = arg->kind == X_ALT ? arg->l : arg; i;
		     i = arg->kind == X_ALT ? i->next : NULL)
			if (i->kind == X_NAME) {
				name = (struct name){i->name, i->at};
				add(s, SYMBOL_CONTEXT, &name, false);
			}
}

static void
add_expr(struct symbols *s, const struct expr *e, int fact)
{
	int l, r;

	switch (e->kind) {
	case X_NAME:
		add_name(s, e, fact);
		break;
	case X_SET:
		for (const struct expr *i = e->l; i; i = i->next)
			add_expr(s, i, fact);
		break;
	case X_CALL:
		add_call(s, e);
		break;
	default:
		l = fact_of(e->l);
		r = fact_of(e->r);
		if (e->l)
			add_expr(s, e->l, r);
		if (e->r)
			add_expr(s, e->r, l);
		break;
	}
}

bool
rule_has_clause(const struct rule *r, enum clause_kind kind)
{
	for (const struct clause *c = r->clauses; c; c = c->next)
		if (c->kind == kind)
			return true;
	return false;
}

static void
add_clause(struct symbols *s, const struct clause *c)
{
	switch (c->kind == CLAUSE_UNLESS ? c->unless : c->kind) {
	case CLAUSE_WHO:
		add_refs(s, SYMBOL_GROUP, c->names);
		break;
	case CLAUSE_ON:
		add_refs(s, SYMBOL_TARGET, c->names);
		break;
	case CLAUSE_DO:
		add_refs(s, SYMBOL_ACTION, c->names);
		break;
	case CLAUSE_OF:
		add_refs(s, SYMBOL_DATA, c->names);
		break;
	default:
		break;
	}
	if (c->expr)
		add_expr(s, c->expr, -1);
	for (const struct quorum *q = c->quorum; q; q = q->next)
		add(s, SYMBOL_GROUP, &q->group, false);
	if (c->kernel)
		add(s, SYMBOL_MASK, &c->kernel->name, false);
	if (c->amount)
		add(s, SYMBOL_PER, &c->amount->per, false);
}

static void
add_test(struct symbols *s, const struct test_decl *t)
{
	add_value(s, TYPE_ENUM_USER_KIND, &t->kind);
	add_refs(s, SYMBOL_GROUP, t->groups);
	add(s, SYMBOL_TARGET, &t->target, false);
	for (const struct cell *f = t->facts; f; f = f->next) {
		int fact = f->name.s ? fact_find(slice_str(f->name.s)) : -1;

		if (fact >= 0)
			add(s, SYMBOL_FACT, &f->name, false);
		add_expr(s, f->value, fact);
	}
	for (const struct expect *e = t->expects; e; e = e->next)
		if (e->by.s && strcmp(e->by.s, "default") != 0)
			add(s, SYMBOL_RULE, &e->by, false);
}

static int
compare(const void *a, const void *b)
{
	const struct span *x = &((const struct symbol_at *) a)->at;
	const struct span *y = &((const struct symbol_at *) b)->at;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->off > y->off) - (x->off < y->off);
}

void
symbols_init(struct symbols *s, struct arena *arena, const struct policy *p)
{
	*s = (struct symbols){.arena = arena, .policy = p};
	add(s, SYMBOL_POLICY, &p->name, true);
	for (const struct group_decl *d = p->groups; d; d = d->next)
		add(s, SYMBOL_GROUP, &d->name, true);
	for (const struct target_decl *d = p->targets; d; d = d->next) {
		add(s, SYMBOL_TARGET, &d->name, true);
		add_value(s, TYPE_ENUM_PROTOCOL, &d->protocol);
	}
	for (const struct data_decl *d = p->data; d; d = d->next)
		add(s, SYMBOL_DATA, &d->name, true);
	for (const struct let_decl *d = p->lets; d; d = d->next) {
		add(s, SYMBOL_LET, &d->name, true);
		add_expr(s, d->expr, -1);
	}
	for (const struct rule *r = p->rules; r; r = r->next) {
		add(s, SYMBOL_RULE, &r->name, true);
		for (const struct clause *c = r->clauses; c; c = c->next)
			add_clause(s, c);
	}
	for (const struct test_decl *t = p->tests; t; t = t->next)
		add_test(s, t);
	for (const struct prove_decl *d = p->proofs; d; d = d->next) {
		add_refs(s, SYMBOL_GROUP, d->groups);
		add_refs(s, SYMBOL_DATA, d->data);
		add_refs(s, SYMBOL_ACTION, d->actions);
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), compare);
}

const struct symbol_at *
symbols_find(const struct symbols *s, uint32_t file, size_t off)
{
	size_t low = 0, high = s->n;

	/* The first that ends at or behind the place. Names do not overlap. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct span *at = &s->v[mid].at;

		if (at->file < file || (at->file == file && at->off + at->len < off))
			low = mid + 1;
		else
			high = mid;
	}
	/* Between two that touch, the later one starts here. */
	if (low + 1 < s->n && s->v[low + 1].at.file == file && s->v[low + 1].at.off == off)
		low++;
	if (low == s->n || s->v[low].at.file != file || s->v[low].at.off > off)
		return NULL;
	return &s->v[low];
}

const struct rule *
symbols_rule(const struct symbols *s, const char *name)
{
	for (const struct rule *r = s->policy->rules; r; r = r->next)
		if (r->name.s && strcmp(r->name.s, name) == 0)
			return r;
	return NULL;
}

/* Whether the rule of this name takes its name for the data class. */
static bool
is_tied(const struct symbols *s, const char *name)
{
	const struct rule *r = symbols_rule(s, name);

	return r && (r->kind == RULE_MASK || r->kind == RULE_DROP) &&
	       !rule_has_clause(r, CLAUSE_OF);
}

bool
symbols_same(const struct symbols *s, const struct symbol_at *a, const struct symbol_at *b)
{
	if (strcmp(a->name, b->name) != 0)
		return false;
	if (a->kind == b->kind)
		return a->type == b->type;
	return ((a->kind == SYMBOL_DATA && b->kind == SYMBOL_RULE) ||
		(a->kind == SYMBOL_RULE && b->kind == SYMBOL_DATA)) && is_tied(s, a->name);
}
