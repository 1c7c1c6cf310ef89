/* SPDX-License-Identifier: MIT
 *
 * After Minato and Morreale: below the topmost variable, what all its values allow is covered
 * without asking for it; only the rest asks. Cases that differ in the values of one variable are
 * joined.
 */
#include "compiler/cover.h"

struct work {
	struct dd *d;
	const struct dd_var *vars;
	struct arena *arena;
	size_t max, n;
	bool full;
};

static uint32_t
top_of(const struct dd *d, uint32_t a, uint32_t b)
{
	uint32_t x = dd_is_leaf(a) ? UINT32_MAX : dd_var_of(d, a);
	uint32_t y = dd_is_leaf(b) ? UINT32_MAX : dd_var_of(d, b);

	return x < y ? x : y;
}

/* The child for a value, and where its run ends. */
static uint32_t
child(const struct dd *d, uint32_t root, uint32_t var, uint32_t value, uint32_t *end)
{
	const struct dd_run *runs;
	size_t n, i = 0;

	if (dd_is_leaf(root) || dd_var_of(d, root) != var)
		return root;
	runs = dd_runs(d, root, &n);
	while (runs[i].end <= value)
		i++;
	*end = runs[i].end < *end ? runs[i].end : *end;
	return runs[i].child;
}

static struct cover_case *
new_case(struct work *w, const struct case_part *parts, size_t n)
{
	struct cover_case *c = ARENA_NEW(w->arena, struct cover_case);

	if (++w->n > w->max)
		w->full = true;
	c->parts = parts;
	c->n = n;
	return c;
}

static struct cover_case *
with_part(struct work *w, const struct cover_case *c, uint32_t var, const bool *values)
{
	struct case_part *parts = ARENA_ARRAY(w->arena, struct case_part, c->n + 1);

	parts[0] = (struct case_part){var, values};
	if (c->n)
		memcpy(parts + 1, c->parts, c->n * sizeof(*parts));
	w->n--;
	return new_case(w, parts, c->n + 1);
}

static bool
same_rest(const struct work *w, const struct cover_case *a, const struct cover_case *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 1; i < a->n; i++)
		if (a->parts[i].var != b->parts[i].var ||
		    memcmp(a->parts[i].values, b->parts[i].values,
			   w->vars[a->parts[i].var].width * sizeof(bool)) != 0)
			return false;
	return true;
}

/* Adds a case that asks for `var` first, or joins it with one that asks for the same otherwise. */
static void
add_case(struct work *w, struct cover_case **list, struct cover_case *c)
{
	uint32_t width = w->vars[c->parts[0].var].width;

	for (struct cover_case *o = *list; o; o = o->next) {
		bool *both;

		if (!same_rest(w, o, c))
			continue;
		both = ARENA_ARRAY(w->arena, bool, width);
		for (uint32_t i = 0; i < width; i++)
			both[i] = o->parts[0].values[i] || c->parts[0].values[i];
		((struct case_part *) o->parts)[0].values = both;
		w->n--;
		return;
	}
	c->next = *list;
	*list = c;
}

static uint32_t
condition_of(struct work *w, const struct cover_case *c)
{
	uint32_t root = DD_TRUE;

	for (size_t i = c->n; i > 0; i--) {
		const struct case_part *p = &c->parts[i - 1];
		struct dd_run *runs = ARENA_ARRAY(w->arena, struct dd_run, w->vars[p->var].width);

		for (uint32_t v = 0; v < w->vars[p->var].width; v++)
			runs[v] = (struct dd_run){v + 1, p->values[v] ? root : DD_FALSE};
		root = dd_node(w->d, p->var, runs, w->vars[p->var].width);
	}
	return root;
}

static uint32_t
condition_of_all(struct work *w, const struct cover_case *list)
{
	uint32_t root = DD_FALSE;

	for (; list; list = list->next)
		root = dd_or(w->d, root, condition_of(w, list));
	return root;
}

static struct cover_case *
cover(struct work *w, uint32_t must, uint32_t may)
{
	struct cover_case *list = NULL, *below, *next;
	uint32_t var, width, all = DD_TRUE, rest = DD_FALSE, covered;

	if (must == DD_FALSE || w->full || dd_full(w->d))
		return NULL;
	if (may == DD_TRUE)
		return new_case(w, NULL, 0);
	var = top_of(w->d, must, may);
	width = w->vars[var].width;
	for (uint32_t v = 0, end; v < width; v = end) {
		end = width;
		all = dd_and(w->d, all, child(w->d, may, var, v, &end));
	}
	for (uint32_t v = 0, end; v < width; v = end) {
		uint32_t l, u;
		bool *values;

		end = width;
		l = dd_without(w->d, child(w->d, must, var, v, &end), all);
		u = child(w->d, may, var, v, &end);
		values = ARENA_ARRAY(w->arena, bool, width);
		for (uint32_t i = v; i < end; i++)
			values[i] = true;
		for (below = cover(w, l, u); below; below = next) {
			next = below->next;
			add_case(w, &list, with_part(w, below, var, values));
		}
	}
	covered = condition_of_all(w, list);
	for (uint32_t v = 0, end; v < width; v = end) {
		uint32_t l;

		end = width;
		l = child(w->d, must, var, v, &end);
		rest = dd_or(w->d, rest, dd_without(w->d, l, child(w->d, covered, var, v, &end)));
	}
	below = cover(w, rest, all);
	for (struct cover_case **p = &below;; p = &(*p)->next)
		if (!*p) {
			*p = list;
			break;
		}
	return below;
}

struct cover
dd_cover(struct dd *d, const struct dd_var *vars, struct arena *arena, uint32_t must, uint32_t may,
	 size_t max)
{
	struct work w = {.d = d, .vars = vars, .arena = arena, .max = max};
	struct cover c = {.cases = cover(&w, must, may)};

	for (const struct cover_case *i = c.cases; i; i = i->next)
		c.n++;
	c.full = w.full || dd_full(d);
	return c;
}
