/* SPDX-License-Identifier: MIT
 *
 * Code only jumps forward, so one pass over it knows under which condition each instruction is
 * reached. Behind a rule all ways meet again: the conditions of the next begin from "always".
 */
#include "compiler/diagram.h"

#include <xxhash.h>

static void
run_entry(struct diagram *g, enum vm_entry e)
{
	const struct image_entry *entry = &g->img->entry[e];
	struct dd *d = g->space->dd;
	uint32_t *reached = ARENA_ARRAY(g->space->arena, uint32_t, entry->n + 1);
	size_t n_rules = g->img->n_rules;

	g->match[e] = ARENA_ARRAY(g->space->arena, uint32_t, n_rules + 1);
	for (size_t i = 0; i < n_rules; i++)
		g->match[e][i] = DD_FALSE;
	for (size_t i = 0; i <= entry->n; i++)
		reached[i] = i ? DD_FALSE : DD_TRUE;
	for (size_t i = 0; i < entry->n && !dd_full(d); i++) {
		const struct insn *in = &entry->code[i];
		uint32_t *next = &reached[i + 1], *there = &reached[i + 1 + in->skip];
		bool sense = in->flags & INSN_SKIP_TRUE;

		switch ((enum opcode) in->op) {
		case OP_MATCH:
			g->match[e][in->arg] = dd_or(d, g->match[e][in->arg], reached[i]);
			*next = dd_or(d, *next, reached[i]);
			break;
		case OP_MAY:
			/* Of a shadow rule it decides nothing, and an allow counts as matched. */
			if (e == ENTRY_CONNECT)
				g->may[in->arg] = dd_or(d, g->may[in->arg], reached[i]);
			else if (g->img->rules[in->arg].kind == VM_ALLOW)
				g->match[e][in->arg] = dd_or(d, g->match[e][in->arg], reached[i]);
			*next = dd_or(d, *next, reached[i]);
			break;
		case OP_JUMP:
			*there = dd_or(d, *there, reached[i]);
			break;
		case OP_END:
			break;
		default:
			*there = dd_or(
				d, *there,
				dd_and(d, reached[i], space_test(g->space, g->image, in, sense)));
			*next = dd_or(
				d, *next,
				dd_and(d, reached[i], space_test(g->space, g->image, in, !sense)));
		}
	}
}

static uint32_t
any_of(struct diagram *g, enum vm_entry e, enum vm_rule kind, uint32_t scope)
{
	uint32_t *v = ARENA_ARRAY(g->space->arena, uint32_t, 2 * g->img->n_rules + 1);
	struct dd *d = g->space->dd;
	size_t n = 0;

	for (size_t i = 0; i < g->img->n_rules; i++) {
		if (g->img->rules[i].kind == kind)
			v[n] = dd_and(d, g->match[e][i], scope);
		n += g->img->rules[i].kind == kind && v[n] != DD_FALSE;
		if (e == ENTRY_CONNECT && kind == VM_ALLOW && g->may[i] != DD_FALSE)
			v[n++] = dd_and(d, g->may[i], scope);
	}
	return dd_or_all(d, v, n);
}

static void
find_verdicts(struct diagram *g, enum vm_entry e, uint32_t scope)
{
	struct dd *d = g->space->dd;
	uint32_t deny = any_of(g, e, VM_DENY, scope), hold = any_of(g, e, VM_HOLD, scope);
	uint32_t allow = any_of(g, e, VM_ALLOW, scope), *verdict = g->verdict[e];
	enum verdict usual = g->img->default_allow ? VERDICT_ALLOW : VERDICT_DENY;

	verdict[VERDICT_DENY] = deny;
	verdict[VERDICT_HOLD] = dd_without(d, hold, deny);
	verdict[VERDICT_ALLOW] = dd_without(d, dd_without(d, allow, hold), deny);
	g->by_default[e] = dd_not(d, dd_or(d, deny, dd_or(d, hold, allow)));
	verdict[usual] = dd_or(d, verdict[usual], g->by_default[e]);
}

struct diagram *
diagram_matches(struct space *s, size_t image)
{
	struct diagram *g = ARENA_NEW(s->arena, struct diagram);

	static_assert(ENTRY_CONNECT == 0 && ENTRY_COMMAND == 1, "the entry points with verdicts");
	g->space = s;
	g->image = image;
	g->img = s->images[image];
	g->may = ARENA_ARRAY(s->arena, uint32_t, g->img->n_rules + 1);
	for (size_t i = 0; i < g->img->n_rules; i++)
		g->may[i] = DD_FALSE;
	for (int e = 0; e < ENTRY_COUNT; e++)
		run_entry(g, (enum vm_entry) e);
	return dd_full(s->dd) ? NULL : g;
}

bool
diagram_verdicts(struct diagram *g)
{
	find_verdicts(g, ENTRY_CONNECT, DD_TRUE);
	find_verdicts(g, ENTRY_COMMAND, DD_TRUE);
	return !dd_full(g->space->dd);
}

bool
diagram_verdicts_in(struct diagram *g, uint32_t scope)
{
	find_verdicts(g, ENTRY_CONNECT, DD_TRUE);
	find_verdicts(g, ENTRY_COMMAND, scope);
	return !dd_full(g->space->dd);
}

struct diagram *
diagram_new(struct space *s, size_t image)
{
	struct diagram *g = diagram_matches(s, image);

	return g && diagram_verdicts(g) ? g : NULL;
}

/* ---- Sets of rules ---- */

static size_t
hash_set(const uint32_t *set)
{
	return (size_t) XXH3_64bits(set, (set[0] + 1) * sizeof(*set));
}

static bool
same_set(const uint32_t *a, const uint32_t *b)
{
	return a[0] == b[0] && memcmp(a, b, (a[0] + 1) * sizeof(*a)) == 0;
}

static uint32_t *
slot_of(struct rule_sets *r, const uint32_t *set)
{
	size_t at = hash_set(set) & (r->n_slots - 1);

	while (r->slots[at] && !same_set(r->sets[r->slots[at] - 1], set))
		at = (at + 1) & (r->n_slots - 1);
	return &r->slots[at];
}

static uint32_t
number_set(struct rule_sets *r, const uint32_t *set)
{
	uint32_t *slot;

	if (r->n == r->cap) {
		const uint32_t **grown = ARENA_ARRAY(r->arena, const uint32_t *, r->cap * 2);

		memcpy(grown, r->sets, r->n * sizeof(*grown));
		r->sets = grown;
		r->cap *= 2;
		r->n_slots *= 2;
		r->slots = ARENA_ARRAY(r->arena, uint32_t, r->n_slots);
		for (size_t i = 0; i < r->n; i++)
			*slot_of(r, r->sets[i]) = (uint32_t) i + 1;
	}
	slot = slot_of(r, set);
	if (!*slot) {
		r->sets[r->n] = set;
		*slot = (uint32_t) ++r->n;
	}
	return *slot - 1;
}

static uint32_t
join_sets(void *ctx, uint32_t a, uint32_t b)
{
	struct rule_sets *r = ctx;
	const uint32_t *x = r->sets[a], *y = r->sets[b];
	uint32_t *out = ARENA_ARRAY(r->arena, uint32_t, x[0] + y[0] + 1), i = 1, k = 1, n = 0;

	while (i <= x[0] || k <= y[0]) {
		uint32_t next = k > y[0] || (i <= x[0] && x[i] < y[k]) ? x[i] : y[k];

		i += i <= x[0] && x[i] == next;
		k += k <= y[0] && y[k] == next;
		out[++n] = next;
	}
	out[0] = n;
	return number_set(r, out);
}

void
rule_sets_init(struct rule_sets *r, struct dd *d, struct arena *arena)
{
	static const uint32_t none[1];

	*r = (struct rule_sets){.arena = arena, .cap = 256, .n_slots = 1024};
	r->sets = ARENA_ARRAY(arena, const uint32_t *, r->cap);
	r->slots = ARENA_ARRAY(arena, uint32_t, r->n_slots);
	r->join.leaf = join_sets;
	r->join.ctx = r;
	dd_op_init(d, &r->join);
	(void) number_set(r, none);
}

uint32_t
diagram_rules(const struct diagram *g, struct rule_sets *r, enum vm_entry e, enum action action)
{
	struct dd *d = g->space->dd;
	uint32_t *v = ARENA_ARRAY(g->space->arena, uint32_t, g->img->n_rules + 1);
	uint32_t var = g->space->fact_var[FACT_ACTION];
	size_t n = 0;

	for (uint32_t i = 0; i < g->img->n_rules; i++) {
		uint32_t *one, match = g->match[e][i];

		if (action != ACTION_NONE && var)
			match = dd_restrict(d, match, var - 1, action + 1u);
		if (match == DD_FALSE)
			continue;
		one = ARENA_ARRAY(r->arena, uint32_t, 2);
		one[0] = 1;
		one[1] = i;
		v[n++] = dd_guard(d, match, dd_leaf(number_set(r, one)));
	}
	return dd_join_all(d, &r->join, v, n);
}
