/* SPDX-License-Identifier: MIT
 *
 * Declarations by name: found by bisection, since a generated policy may have tens of thousands,
 * and each there once.
 */
#include "compiler/check_internal.h"
#include "vm/image_format.h"

#include <stdlib.h>

/* Of names that are not declared, so many get a suggestion: each costs a look at all that are. */
enum { SUGGESTIONS_MAX = 100 };

/* Names are interned: equal ones are one pointer. */
static int
name_order(const void *x, const void *y)
{
	const struct decl_name *a = x, *b = y;

	if (a->s != b->s)
		return (uintptr_t) a->s < (uintptr_t) b->s ? -1 : 1;
	return (a->i > b->i) - (a->i < b->i);
}

static void
list_add(struct decl_list *l, const void *decl, const struct name *name)
{
	l->decl[l->n] = decl;
	l->name[l->n] = name;
	l->text[l->n] = name->s ? name->s : "";
	l->sorted[l->n] = (struct decl_name){name->s, (uint32_t) l->n};
	l->n++;
}

#define LIST(c, l, list, type)                                                                    \
	do {                                                                                      \
		size_t n_ = 1;                                                                    \
		for (const struct type *d_ = (list); d_; d_ = d_->next)                           \
			n_++;                                                                     \
		(l)->decl = ARENA_ARRAY((c)->arena, const void *, n_);                            \
		(l)->name = ARENA_ARRAY((c)->arena, const struct name *, n_);                     \
		(l)->text = ARENA_ARRAY((c)->arena, const char *, n_);                            \
		(l)->sorted = ARENA_ARRAY((c)->arena, struct decl_name, n_);                      \
		for (const struct type *d_ = (list); d_; d_ = d_->next)                           \
			list_add((l), d_, &d_->name);                                             \
		qsort((l)->sorted, (l)->n, sizeof(*(l)->sorted), name_order);                     \
	} while (0)

void
check_list_names(struct check *c)
{
	const struct policy *p = c->p;

	LIST(c, &c->lists[LIST_GROUPS], p->groups, group_decl);
	LIST(c, &c->lists[LIST_TARGETS], p->targets, target_decl);
	LIST(c, &c->lists[LIST_DATA], p->data, data_decl);
	LIST(c, &c->lists[LIST_LETS], p->lets, let_decl);
	LIST(c, &c->lists[LIST_RULES], p->rules, rule);
}

int
check_find(const struct check *c, enum decl_kind kind, const char *name)
{
	const struct decl_list *l = &c->lists[kind];
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if ((uintptr_t) l->sorted[mid].s < (uintptr_t) name)
			lo = mid + 1;
		else
			hi = mid;
	}
	return name && lo < l->n && l->sorted[lo].s == name ? (int) l->sorted[lo].i : -1;
}

void
check_suggest(struct check *c, struct diag *d, const char *name, const char *const *names,
	      size_t n)
{
	if (c->suggestions++ < SUGGESTIONS_MAX)
		diag_suggest(c->q, d, name, names, n);
}

void
check_suggest_declared(struct check *c, struct diag *d, const char *name, enum decl_kind kind)
{
	check_suggest(c, d, name, c->lists[kind].text, c->lists[kind].n);
}

static void
report_duplicate(struct check *c, const char *what, const struct name *second, struct span first)
{
	struct diag *d = diag(c->q, DUPLICATE, second->at, what, second->s);

	diag_note(c->q, d, first, "the first is here");
}

/* In the order of the text. */
static void
no_duplicates(struct check *c, const struct decl_list *l, const char *what)
{
	uint32_t *first = ARENA_ARRAY(c->arena, uint32_t, l->n + 1);

	for (size_t i = 0; i < l->n; i++) {
		const struct decl_name *s = &l->sorted[i];

		first[s->i] = i && s->s && s[-1].s == s->s ? first[s[-1].i] : s->i;
	}
	for (uint32_t i = 0; i < l->n; i++)
		if (first[i] != i)
			report_duplicate(c, what, l->name[i], l->name[first[i]]->at);
}

void
check_length(struct check *c, struct span at, const char *what, size_t n)
{
	if (n > IMAGE_MAX_NAMES)
		diag_note(c->q, diag(c->q, TOO_LONG, at, n, what, IMAGE_MAX_NAMES), SPAN_NONE,
			  "a pattern says many names in one: `table matches \"app.*\"`, `column "
			  "app.*.pan`, `target t = postgres \"orders-*\"`");
}

/* An image numbers them with 16 bits. */
static void
check_lengths(struct check *c)
{
	const struct policy *p = c->p;
	size_t n = 0;

	if (c->lists[LIST_GROUPS].n)
		check_length(c, p->groups->name.at, "groups", c->lists[LIST_GROUPS].n);
	if (c->lists[LIST_TARGETS].n)
		check_length(c, p->targets->name.at, "targets", c->lists[LIST_TARGETS].n);
	if (c->lists[LIST_DATA].n)
		check_length(c, p->data->name.at, "data classes", c->lists[LIST_DATA].n);
	for (const struct trust_decl *t = p->trusts; t; t = t->next)
		n++;
	if (n)
		check_length(c, p->trusts->function.at, "trusted functions", n);
	for (const struct data_decl *d = p->data; d; d = d->next) {
		n = 0;
		for (const struct data_item *i = d->items; i; i = i->next)
			n++;
		check_length(c, d->name.at, "columns in one class", n);
	}
}

void
check_names(struct check *c)
{
	static const char *const what[] = {[LIST_GROUPS] = "group",
					   [LIST_TARGETS] = "target",
					   [LIST_DATA] = "data class",
					   [LIST_LETS] = "let",
					   [LIST_RULES] = "rule"};
	const struct policy *p = c->p;

	check_lengths(c);
	for (int i = 0; i < LIST_KINDS; i++)
		no_duplicates(c, &c->lists[i], what[i]);
	for (const struct let_decl *l = p->lets; l; l = l->next)
		if (l->name.s && (fact_find(slice_str(l->name.s)) >= 0 ||
				  check_is_row_name(l->name.s)))
			diag(c->q, RESERVED_NAME, l->name.at, l->name.s);
	for (const struct rule *r = p->rules; r; r = r->next)
		if (r->name.s && strcmp(r->name.s, "default") == 0)
			diag(c->q, RESERVED_NAME, r->name.at, r->name.s);
}

static int
trust_order(const void *x, const void *y)
{
	const struct trust_decl *a = *(const struct trust_decl *const *) x;
	const struct trust_decl *b = *(const struct trust_decl *const *) y;
	int o = slice_cmp(a->function.v, b->function.v);

	if (o)
		return o;
	if (a->at.file != b->at.file)
		return a->at.file < b->at.file ? -1 : 1;
	return (a->at.off > b->at.off) - (a->at.off < b->at.off);
}

void
check_trusts_once(struct check *c)
{
	const struct trust_decl **v;
	size_t n = 0, first = 0;

	for (const struct trust_decl *t = c->p->trusts; t; t = t->next)
		n++;
	v = ARENA_ARRAY(c->arena, const struct trust_decl *, n + 1);
	n = 0;
	for (const struct trust_decl *t = c->p->trusts; t; t = t->next)
		v[n++] = t;
	qsort(v, n, sizeof(*v), trust_order);
	for (size_t i = 1; i < n; i++) {
		const struct name name = {arena_str(c->arena, v[i]->function.v),
					  v[i]->function.at};

		if (slice_eq(v[i]->function.v, v[first]->function.v))
			report_duplicate(c, "function", &name, v[first]->function.at);
		else
			first = i;
	}
}
