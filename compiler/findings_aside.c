/* SPDX-License-Identifier: MIT
 *
 * An input at which a rule is alone, where it meets very many others. Of rules with an exception
 * for a group each, who is in no group meets all; who is in all groups but its own meets it alone.
 * To take all others out of a condition makes a diagram as large as they are together, for each
 * rule anew; to change the input instead, member by member, until no other holds, is one look at
 * each. What is found is true, and what is not found is asked of the diagram.
 */
#include "compiler/findings_internal.h"

enum { MOST_ROUNDS = 3 }; /* past all others */

struct aside {
	uint32_t *values; /* where the last was found */
	uint32_t *tried;
	bool *fixed; /* asked for, or changed already */
	bool found;
};

struct aside *
aside_new(struct arena *arena, const struct space *s)
{
	struct aside *a = ARENA_NEW(arena, struct aside);

	a->values = ARENA_ARRAY(arena, uint32_t, s->n_vars + 1);
	a->tried = ARENA_ARRAY(arena, uint32_t, s->n_vars + 1);
	a->fixed = ARENA_ARRAY(arena, bool, s->n_vars + 1);
	return a;
}

static uint32_t
child_of(const struct dd *d, uint32_t node, uint32_t value)
{
	const struct dd_run *run;
	size_t n;

	for (run = dd_runs(d, node, &n); run->end <= value;)
		run++;
	return run->child;
}

bool
aside_has_way(const struct space *s, uint32_t other, const uint32_t *values, const uint32_t *way)
{
	while (!dd_is_leaf(other)) {
		uint32_t var = dd_var_of(s->dd, other);

		if (s->vars[var].kind == SPACE_MEMBER && way[var] == DD_LEAF)
			return true;
		other = child_of(s->dd, other, values[var]);
	}
	return false;
}

/* The other holds: the last member that it asks for and that may change is changed, so that it does
 * not any more. */
static bool
change(struct aside *a, const struct space *s, uint32_t other)
{
	uint32_t last = DD_LEAF, past = DD_TRUE;

	while (!dd_is_leaf(other)) {
		uint32_t var = dd_var_of(s->dd, other), value = a->tried[var];

		if (s->vars[var].kind == SPACE_MEMBER && !a->fixed[var]) {
			last = var;
			past = child_of(s->dd, other, !value);
		}
		other = child_of(s->dd, other, value);
	}
	if (last == DD_LEAF || dd_eval(s->dd, past, a->tried) == DD_TRUE)
		return false;
	a->tried[last] = !a->tried[last];
	a->fixed[last] = true;
	return true;
}

/* Once around without a change: none of them holds. */
static bool
change_all(struct aside *a, const struct space *s, const uint32_t *others, size_t n)
{
	size_t good = 0;

	for (size_t i = 0; good < n && i < MOST_ROUNDS * n; i++, good++) {
		uint32_t other = others[i % n];

		if (dd_eval(s->dd, other, a->tried) != DD_TRUE)
			continue;
		if (!change(a, s, other))
			return false;
		good = 0;
	}
	return good >= n;
}

bool
aside_find(struct aside *a, struct space *s, uint32_t root, const uint32_t *others, size_t n,
	   const uint32_t *values, const uint32_t *way)
{
	for (size_t i = 0; i < s->n_vars; i++) {
		bool from_last = a->found && way[i] == DD_LEAF && s->vars[i].kind == SPACE_MEMBER;

		a->fixed[i] = way[i] != DD_LEAF;
		a->tried[i] = from_last ? a->values[i] : values[i];
	}
	a->found = change_all(a, s, others, n) && dd_eval(s->dd, root, a->tried) == DD_TRUE &&
		   dd_eval(s->dd, space_feasible(s), a->tried) == DD_TRUE;
	if (a->found)
		memcpy(a->values, a->tried, s->n_vars * sizeof(*a->values));
	return a->found;
}
