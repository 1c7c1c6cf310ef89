/* SPDX-License-Identifier: MIT
 *
 * An input at which a rule is alone, where it meets very many others. Of rules with an exception
 * for a group each, who is in no group meets all; who is in all groups but its own meets it alone.
 * To take all others out of a condition makes a diagram as large as they are together, for each
 * rule anew; to change the input instead, member by member, until no other holds, is one look at
 * each. What is found is true, and what is not found is asked of the diagram.
 */
#include "compiler/findings_internal.h"

enum { MOST_ROUNDS = 3 };	/* past all others */
enum { MOST_STEPS = 1 << 30 };	/* for all rules: some seconds */

struct aside {
	uint32_t *values; /* where the last was found */
	uint32_t *tried;
	bool *fixed; /* asked for, or changed already */
	bool found;
	/* By node: where its way goes on with members. It is the same for one rule after another
	 * as long as nothing else is. */
	struct past {
		uint32_t node, when;
	} *past;
	size_t n_past;
	uint32_t now;
	uint64_t steps;
};

struct aside *
aside_new(struct arena *arena, const struct space *s)
{
	struct aside *a = ARENA_NEW(arena, struct aside);

	a->n_past = dd_nodes(s->dd);
	a->past = ARENA_ARRAY(arena, struct past, a->n_past + 1);
	a->values = ARENA_ARRAY(arena, uint32_t, s->n_vars + 1);
	a->tried = ARENA_ARRAY(arena, uint32_t, s->n_vars + 1);
	a->fixed = ARENA_ARRAY(arena, bool, s->n_vars + 1);
	return a;
}

static bool
is_member(const struct space *s, uint32_t var)
{
	return s->vars[var].kind == SPACE_MEMBER;
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

		if (is_member(s, var) && way[var] == DD_LEAF)
			return true;
		other = child_of(s->dd, other, values[var]);
	}
	return false;
}

/* What it asks for from its first member on. */
static uint32_t
members_of(struct aside *a, const struct space *s, uint32_t other)
{
	struct past *past = &a->past[other];

	if (past->when != a->now) {
		while (!dd_is_leaf(other) && !is_member(s, dd_var_of(s->dd, other))) {
			other = child_of(s->dd, other, a->tried[dd_var_of(s->dd, other)]);
			a->steps++;
		}
		*past = (struct past){other, a->now};
	}
	return past->node;
}

static bool
holds(struct aside *a, const struct space *s, uint32_t node)
{
	for (; !dd_is_leaf(node); a->steps++)
		node = child_of(s->dd, node, a->tried[dd_var_of(s->dd, node)]);
	return node == DD_TRUE;
}

/* The other holds: the last member that it asks for and that may change is changed, so that it does
 * not any more. */
static bool
change(struct aside *a, const struct space *s, uint32_t other)
{
	uint32_t last = DD_LEAF, past = DD_TRUE;

	while (!dd_is_leaf(other)) {
		uint32_t var = dd_var_of(s->dd, other), value = a->tried[var];

		if (is_member(s, var) && !a->fixed[var]) {
			last = var;
			past = child_of(s->dd, other, !value);
		}
		other = child_of(s->dd, other, value);
	}
	if (last == DD_LEAF || holds(a, s, past))
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

	for (size_t i = 0; good < n && i < MOST_ROUNDS * n; i++, good++, a->steps++) {
		uint32_t other = others[i % n];

		if (!dd_is_leaf(other))
			other = members_of(a, s, other);
		if (!holds(a, s, other))
			continue;
		if (a->steps > MOST_STEPS || !change(a, s, other))
			return false;
		good = 0;
	}
	return good >= n;
}

bool
aside_find(struct aside *a, struct space *s, uint32_t root, const uint32_t *others, size_t n,
	   const uint32_t *values, const uint32_t *way)
{
	bool same = a->now > 0;

	for (uint32_t i = 0; i < s->n_vars; i++) {
		bool from_last = a->found && way[i] == DD_LEAF && is_member(s, i);
		uint32_t value = from_last ? a->values[i] : values[i];

		same = same && (is_member(s, i) || a->tried[i] == value);
		a->fixed[i] = way[i] != DD_LEAF;
		a->tried[i] = value;
	}
	a->now += !same;
	a->found = a->steps < MOST_STEPS && change_all(a, s, others, n) &&
		   dd_eval(s->dd, root, a->tried) == DD_TRUE &&
		   dd_eval(s->dd, space_feasible(s), a->tried) == DD_TRUE;
	if (a->found)
		memcpy(a->values, a->tried, s->n_vars * sizeof(*a->values));
	return a->found;
}
