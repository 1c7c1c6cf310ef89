/* SPDX-License-Identifier: MIT
 *
 * Two names that a reviewer takes for one: `paypa1` and `paypal`, `Dba` and `dba`. Each name is
 * made into what the eye keeps of it; names that come to the same are told about. Strings that
 * name what is outside (groups, targets, what facts are compared with) may be in any alphabet, but
 * not in two within a word where a letter of one passes for a letter of the other.
 */
#include "compiler/check_internal.h"
#include "compiler/lex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct seen {
	const char *shape;
	uint32_t i;
};

static char
letter(char c)
{
	switch (c) {
	case '1':
	case 'I':
		return 'l';
	case '0':
		return 'o';
	case '_':
		return '-';
	default:
		return (char) tolower((unsigned char) c);
	}
}

/* Letters that look like another, and pairs that look like one. Never longer than the name. */
static const char *
shape_of(struct arena *arena, const char *name)
{
	char *shape = arena_str(arena, slice_str(name));
	size_t n = 0;

	for (const char *p = name; *p; p++) {
		bool pair = (p[0] == 'r' && p[1] == 'n') || (p[0] == 'v' && p[1] == 'v');

		shape[n++] = !pair ? letter(*p) : *p == 'r' ? 'm' : 'w';
		p += pair;
	}
	shape[n] = '\0';
	return shape;
}

static int
shape_order(const void *x, const void *y)
{
	const struct seen *a = x, *b = y;
	int o = strcmp(a->shape, b->shape);

	return o ? o : (a->i > b->i) - (a->i < b->i);
}

/* In the order of the text, each beside the first that it is like. */
static void
look_through(struct check *c, const struct decl_list *l, const char *what)
{
	struct seen *v = ARENA_ARRAY(c->arena, struct seen, l->n + 1);
	uint32_t *like = ARENA_ARRAY(c->arena, uint32_t, l->n + 1);
	size_t first = 0;

	for (uint32_t i = 0; i < l->n; i++)
		v[i] = (struct seen){shape_of(c->arena, l->text[i]), i};
	qsort(v, l->n, sizeof(*v), shape_order);
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(v[i].shape, v[first].shape) != 0)
			first = i;
		like[v[i].i] = v[first].i;
	}
	for (uint32_t i = 0; i < l->n; i++) {
		const struct name *name = l->name[i], *other = l->name[like[i]];
		struct diag *d;

		if (!name->s || !other->s || name->s == other->s)
			continue; /* the same name twice is an error of its own */
		d = diag(c->q, LOOKALIKE_NAMES, name->at, what, name->s, other->s);
		diag_note(c->q, d, other->at, "'%s' is declared here", other->s);
		diag_note(c->q, d, SPAN_NONE,
			  "who reads the policy takes one for the other: rename one of them");
	}
}

/* The string in ASCII, if that can be told and needs no escapes. */
static void
suggest_latin(struct check *c, struct diag *d, struct slice s, struct span at, const char *quote)
{
	char *text = arena_alloc(c->arena, s.n + 1);
	size_t k = 0, n;
	uint32_t code;

	for (size_t i = 0; i < s.n; i += n) {
		const char *meant = lex_taken_for(s.p + i, &code, &n);

		if (code >= 0x80 ? !meant || meant[1] : strchr("\"\\\n", (char) code) != NULL)
			return;
		text[k++] = code < 0x80 ? (char) code : meant[0];
	}
	text[k] = '\0';
	diag_edit(c->q, d, at, "%s%s%s", quote, text, quote);
}

static void
look_at_quoted(struct check *c, struct slice s, struct span at, const char *quote)
{
	const char *meant = NULL;
	uint32_t code, foreign = 0;
	bool latin = false;
	size_t n;

	for (size_t i = 0; i < s.n && !(latin && meant); i += n) {
		const char *taken = lex_taken_for(s.p + i, &code, &n);

		if (code < 0x80 && !isalnum((int) code)) {
			latin = false;
			meant = NULL;
		} else if (code < 0x80) {
			latin = latin || isalpha((int) code);
		} else if (taken && isalpha((unsigned char) taken[0])) {
			meant = taken;
			foreign = code;
		}
	}
	if (latin && meant)
		suggest_latin(c, diag(c->q, LOOKALIKE_STRING, at, SLICE_ARG(s), foreign, meant), s,
			      at, quote);
}

static void
look_at_string(struct check *c, struct slice s, struct span at)
{
	look_at_quoted(c, s, at, "\"");
}

static void
look_at_strings(struct check *c, const struct expr *e)
{
	for (; e; e = e->next) {
		if (e->kind == X_STRING)
			look_at_string(c, e->string, e->at);
		else if (e->kind == X_REGEX)
			look_at_quoted(c, e->string, e->at, "");
		look_at_strings(c, e->l);
		look_at_strings(c, e->r);
	}
}

void
check_lookalikes(struct check *c)
{
	const struct policy *p = c->p;

	look_through(c, &c->lists[LIST_GROUPS], "group");
	look_through(c, &c->lists[LIST_TARGETS], "target");
	look_through(c, &c->lists[LIST_DATA], "data class");
	look_through(c, &c->lists[LIST_LETS], "let");
	look_through(c, &c->lists[LIST_RULES], "rule");
	for (const struct group_decl *g = p->groups; g; g = g->next)
		look_at_string(c, g->value.v, g->value.at);
	for (const struct target_decl *t = p->targets; t; t = t->next)
		look_at_string(c, t->glob.v, t->glob.at);
	for (const struct let_decl *l = p->lets; l; l = l->next)
		look_at_strings(c, l->expr);
	for (const struct rule *r = p->rules; r; r = r->next)
		for (const struct clause *k = r->clauses; k; k = k->next)
			look_at_strings(c, k->expr);
}
