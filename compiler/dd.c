/* SPDX-License-Identifier: MIT */
#include "compiler/dd.h"

struct node {
	uint32_t var, first, n;
};

struct memo {
	uint32_t op, a, b, result;
};

enum {
	OP_AND,
	OP_OR,
	OP_WITHOUT,
	OP_DIFFER,
	OP_GUARD,
	OP_FIRST_OWN, /* those of dd_op_init, dd_restrict, dd_where */
};

/* The cheapest way from a node to DD_TRUE: the value that it takes, and where that leads. */
struct way {
	bool known;
	uint32_t cost, value, child;
};

enum { FIRST_NODES = 1 << 12, FIRST_MEMO = 1 << 14, MAX_MEMO = 1 << 22 };

struct dd {
	struct arena *arena;
	const struct dd_var *vars;
	size_t n_vars;
	struct node *nodes;
	struct way *ways; /* by node: they never change, so what was found once stays */
	struct dd_run *runs;
	uint32_t *slots; /* open addressing: node + 1 */
	size_t n_nodes, nodes_cap, n_runs, runs_cap, n_slots, max_runs;
	struct memo *memo; /* direct-mapped: what is pushed out is computed again */
	size_t n_memo;
	uint32_t next_op;
	uint64_t work;
	struct dd_run *scratch; /* runs of the nodes under way */
	size_t n_scratch, scratch_cap;
	bool full;
};

/* Arrays double in the arena; what is left behind is at most as much again. */
#define GROW(d, array, n, cap, type)                                                               \
	do {                                                                                       \
		type *new_ = ARENA_ARRAY((d)->arena, type, (cap) *2);                              \
		memcpy(new_, (array), (n) * sizeof(type));                                         \
		(array) = new_;                                                                    \
		(cap) *= 2;                                                                        \
	} while (0)

struct dd *
dd_new(struct arena *arena, const struct dd_var *vars, size_t n_vars, size_t max_runs)
{
	struct dd *d = ARENA_NEW(arena, struct dd);

	d->arena = arena;
	d->vars = vars;
	d->n_vars = n_vars;
	d->max_runs = max_runs;
	d->nodes_cap = FIRST_NODES;
	d->nodes = ARENA_ARRAY(arena, struct node, d->nodes_cap);
	d->ways = ARENA_ARRAY(arena, struct way, d->nodes_cap);
	d->runs_cap = FIRST_NODES * 4;
	d->runs = ARENA_ARRAY(arena, struct dd_run, d->runs_cap);
	d->n_slots = FIRST_NODES * 2;
	d->slots = ARENA_ARRAY(arena, uint32_t, d->n_slots);
	d->n_memo = FIRST_MEMO;
	d->memo = ARENA_ARRAY(arena, struct memo, d->n_memo);
	d->scratch_cap = 1024;
	d->scratch = ARENA_ARRAY(arena, struct dd_run, d->scratch_cap);
	d->next_op = OP_FIRST_OWN;
	return d;
}

bool
dd_full(const struct dd *d)
{
	return d->full;
}

size_t
dd_nodes(const struct dd *d)
{
	return d->n_nodes;
}

uint32_t
dd_var_of(const struct dd *d, uint32_t root)
{
	return dd_is_leaf(root) ? 0 : d->nodes[root].var;
}

const struct dd_run *
dd_runs(const struct dd *d, uint32_t root, size_t *n)
{
	*n = d->nodes[root].n;
	return &d->runs[d->nodes[root].first];
}

static uint32_t
mix(uint32_t h, uint32_t v)
{
	h = (h ^ v) * UINT32_C(0x9e3779b1);
	return h ^ h >> 15;
}

static uint32_t
hash_node(uint32_t var, const struct dd_run *runs, size_t n)
{
	uint32_t h = mix(0x51ed270b, var);

	for (size_t i = 0; i < n; i++)
		h = mix(mix(h, runs[i].end), runs[i].child);
	return h;
}

static bool
same_node(const struct dd *d, uint32_t node, uint32_t var, const struct dd_run *runs, size_t n)
{
	const struct node *x = &d->nodes[node];

	return x->var == var && x->n == n &&
	       memcmp(&d->runs[x->first], runs, n * sizeof(*runs)) == 0;
}

static void
fill_slots(struct dd *d)
{
	for (uint32_t i = 0; i < d->n_nodes; i++) {
		const struct node *x = &d->nodes[i];
		size_t at = hash_node(x->var, &d->runs[x->first], x->n) & (d->n_slots - 1);

		while (d->slots[at])
			at = (at + 1) & (d->n_slots - 1);
		d->slots[at] = i + 1;
	}
}

static void
rehash(struct dd *d)
{
	d->n_slots *= 2;
	d->slots = ARENA_ARRAY(d->arena, uint32_t, d->n_slots);
	fill_slots(d);
}

struct dd_mark
dd_mark(const struct dd *d)
{
	return (struct dd_mark){d->n_nodes, d->n_runs, d->full};
}

void
dd_release(struct dd *d, struct dd_mark m)
{
	memset(&d->ways[m.nodes], 0, (d->n_nodes - m.nodes) * sizeof(*d->ways));
	memset(d->slots, 0, d->n_slots * sizeof(*d->slots));
	memset(d->memo, 0, d->n_memo * sizeof(*d->memo));
	d->n_nodes = m.nodes;
	d->n_runs = m.runs;
	d->full = m.full;
	d->n_scratch = 0;
	fill_slots(d);
}

size_t
dd_since(const struct dd *d, struct dd_mark m)
{
	return d->n_runs - m.runs;
}

uint64_t
dd_work(const struct dd *d)
{
	return d->work;
}

static void
grow_memo(struct dd *d)
{
	struct memo *old = d->memo;
	size_t n = d->n_memo;

	d->n_memo *= 4;
	d->memo = ARENA_ARRAY(d->arena, struct memo, d->n_memo);
	for (size_t i = 0; i < n; i++)
		if (old[i].op)
			d->memo[mix(mix(mix(7, old[i].op), old[i].a), old[i].b) & (d->n_memo - 1)] =
				old[i];
}

/* Neighbouring runs with the same child have been joined. */
static uint32_t
make(struct dd *d, uint32_t var, const struct dd_run *runs, size_t n)
{
	size_t at;

	if (n == 1)
		return runs[0].child;
	at = hash_node(var, runs, n) & (d->n_slots - 1);
	for (; d->slots[at]; at = (at + 1) & (d->n_slots - 1))
		if (same_node(d, d->slots[at] - 1, var, runs, n))
			return d->slots[at] - 1;
	if (d->n_runs + n > d->max_runs) {
		d->full = true;
		return DD_FALSE;
	}
	if (d->n_nodes == d->nodes_cap) {
		size_t ways_cap = d->nodes_cap;

		GROW(d, d->nodes, d->n_nodes, d->nodes_cap, struct node);
		GROW(d, d->ways, d->n_nodes, ways_cap, struct way);
	}
	while (d->n_runs + n > d->runs_cap)
		GROW(d, d->runs, d->n_runs, d->runs_cap, struct dd_run);
	memcpy(&d->runs[d->n_runs], runs, n * sizeof(*runs));
	d->nodes[d->n_nodes] = (struct node){var, (uint32_t) d->n_runs, (uint32_t) n};
	d->n_runs += n;
	d->slots[at] = (uint32_t) ++d->n_nodes;
	if (d->n_nodes * 2 > d->n_slots)
		rehash(d);
	if (d->n_nodes > d->n_memo && d->n_memo < MAX_MEMO)
		grow_memo(d);
	return (uint32_t) d->n_nodes - 1;
}

/* One more run of the node under way, whose runs begin at `base`. */
static void
push(struct dd *d, size_t base, uint32_t end, uint32_t child)
{
	if (d->n_scratch > base && d->scratch[d->n_scratch - 1].child == child) {
		d->scratch[d->n_scratch - 1].end = end;
		return;
	}
	if (d->n_scratch == d->scratch_cap)
		GROW(d, d->scratch, d->n_scratch, d->scratch_cap, struct dd_run);
	d->scratch[d->n_scratch++] = (struct dd_run){end, child};
}

static uint32_t
finish(struct dd *d, uint32_t var, size_t base)
{
	uint32_t node = make(d, var, &d->scratch[base], d->n_scratch - base);

	d->n_scratch = base;
	return node;
}

uint32_t
dd_node(struct dd *d, uint32_t var, const struct dd_run *runs, size_t n)
{
	size_t base = d->n_scratch;
	uint32_t at = 0;

	assert(n > 0 && runs[n - 1].end == d->vars[var].width);
	for (size_t i = 0; i < n; i++) {
		if (runs[i].end == at)
			continue;
		assert(runs[i].end > at);
		assert(dd_is_leaf(runs[i].child) || d->nodes[runs[i].child].var > var);
		push(d, base, runs[i].end, runs[i].child);
		at = runs[i].end;
	}
	return finish(d, var, base);
}

uint32_t
dd_between(struct dd *d, uint32_t var, uint32_t first, uint32_t end)
{
	const struct dd_run runs[] = {
		{first, DD_FALSE}, {end, DD_TRUE}, {d->vars[var].width, DD_FALSE}};

	return dd_node(d, var, runs, 3);
}

/* ---- Two diagrams to one ---- */

/* What can be said without looking further; DD_LEAF - 1 when nothing can. */
enum { OPEN = DD_LEAF - 1 };

static uint32_t
shortcut(const struct dd_op *own, uint32_t op, uint32_t a, uint32_t b)
{
	switch (op) {
	case OP_AND:
		return a == DD_FALSE || b == DD_FALSE ? DD_FALSE
		       : a == DD_TRUE || a == b	      ? b
		       : b == DD_TRUE		      ? a
						      : OPEN;
	case OP_OR:
		return a == DD_TRUE || b == DD_TRUE ? DD_TRUE
		       : a == DD_FALSE || a == b    ? b
		       : b == DD_FALSE		    ? a
						    : OPEN;
	case OP_WITHOUT:
		if (a == DD_FALSE || b == DD_TRUE || a == b)
			return DD_FALSE;
		if (b == DD_FALSE)
			return a;
		return a == DD_TRUE && dd_is_leaf(b) ? DD_FALSE : OPEN;
	case OP_DIFFER:
		if (a == b)
			return DD_FALSE;
		return dd_is_leaf(a) && dd_is_leaf(b) ? DD_TRUE : OPEN;
	case OP_GUARD:
		return a == DD_FALSE ? DD_FALSE : a == DD_TRUE || b == DD_FALSE ? b : OPEN;
	default:
		if (a == b || b == dd_leaf(0))
			return a;
		if (a == dd_leaf(0))
			return b;
		if (dd_is_leaf(a) && dd_is_leaf(b))
			return dd_leaf(own->leaf(own->ctx, dd_value(a), dd_value(b)));
		return OPEN;
	}
}

static bool
commutes(uint32_t op)
{
	return op != OP_WITHOUT && op != OP_GUARD;
}

/* Is the result false wherever a, or b, is this leaf? */
static bool
ends_in_false(uint32_t op, uint32_t leaf, bool is_b)
{
	if (op == OP_WITHOUT && is_b)
		return leaf == DD_TRUE;
	if (leaf != DD_FALSE)
		return false;
	return op == OP_AND || (!is_b && (op == OP_WITHOUT || op == OP_GUARD));
}

/* The first run from i on that goes beyond `end`. Most often it is not far. */
static uint32_t
run_beyond(const struct dd *d, const struct node *x, uint32_t i, uint32_t end)
{
	const struct dd_run *runs = &d->runs[x->first];
	uint32_t step = 1, hi;

	while (i + step < x->n && runs[i + step].end <= end) {
		i += step;
		step *= 2;
	}
	hi = i + step < x->n ? i + step : x->n;
	while (i < hi) {
		uint32_t mid = i + (hi - i) / 2;

		if (runs[mid].end <= end)
			i = mid + 1;
		else
			hi = mid;
	}
	return i;
}

static uint32_t
apply(struct dd *d, const struct dd_op *own, uint32_t op, uint32_t a, uint32_t b)
{
	uint32_t result = shortcut(own, op, a, b), var, ia = 0, ib = 0, end = 0, slot;
	const struct node *x, *y;
	size_t base;

	if (result != OPEN || d->full)
		return d->full ? DD_FALSE : result;
	if (commutes(op) && a > b) {
		uint32_t t = a;

		a = b;
		b = t;
	}
	slot = mix(mix(mix(7, op + 1), a), b);
	{
		const struct memo *m = &d->memo[slot & (d->n_memo - 1)];

		if (m->op == op + 1 && m->a == a && m->b == b)
			return m->result;
	}
	var = dd_is_leaf(a)					   ? d->nodes[b].var
	      : dd_is_leaf(b) || d->nodes[a].var < d->nodes[b].var ? d->nodes[a].var
								   : d->nodes[b].var;
	base = d->n_scratch;
	d->work++;
	while (end < d->vars[var].width) {
		struct dd_run ra = {d->vars[var].width, a}, rb = {d->vars[var].width, b};

		x = dd_is_leaf(a) ? NULL : &d->nodes[a];
		y = dd_is_leaf(b) ? NULL : &d->nodes[b];
		if (x && x->var == var)
			ra = d->runs[x->first + ia];
		if (y && y->var == var)
			rb = d->runs[y->first + ib];
		/* A table among ten thousand leaves the runs of the others unseen. */
		if (ends_in_false(op, ra.child, false) || ends_in_false(op, rb.child, true)) {
			end = ends_in_false(op, ra.child, false) ? ra.end : rb.end;
			push(d, base, end, DD_FALSE);
			if (x && x->var == var)
				ia = run_beyond(d, x, ia, end);
			if (y && y->var == var)
				ib = run_beyond(d, y, ib, end);
			continue;
		}
		end = ra.end < rb.end ? ra.end : rb.end;
		ia += ra.end == end;
		ib += rb.end == end;
		push(d, base, end, apply(d, own, op, ra.child, rb.child));
	}
	result = finish(d, var, base);
	d->memo[slot & (d->n_memo - 1)] = (struct memo){op + 1, a, b, result};
	return d->full ? DD_FALSE : result;
}

uint32_t
dd_and(struct dd *d, uint32_t a, uint32_t b)
{
	return apply(d, NULL, OP_AND, a, b);
}

uint32_t
dd_or(struct dd *d, uint32_t a, uint32_t b)
{
	return apply(d, NULL, OP_OR, a, b);
}

uint32_t
dd_without(struct dd *d, uint32_t a, uint32_t b)
{
	return apply(d, NULL, OP_WITHOUT, a, b);
}

uint32_t
dd_not(struct dd *d, uint32_t a)
{
	return apply(d, NULL, OP_WITHOUT, DD_TRUE, a);
}

uint32_t
dd_differ(struct dd *d, uint32_t a, uint32_t b)
{
	return apply(d, NULL, OP_DIFFER, a, b);
}

uint32_t
dd_guard(struct dd *d, uint32_t cond, uint32_t a)
{
	return apply(d, NULL, OP_GUARD, cond, a);
}

void
dd_op_init(struct dd *d, struct dd_op *op)
{
	op->id = d->next_op++;
}

uint32_t
dd_join(struct dd *d, const struct dd_op *op, uint32_t a, uint32_t b)
{
	return apply(d, op, op->id, a, b);
}

uint32_t
dd_join_all(struct dd *d, const struct dd_op *op, uint32_t *v, size_t n)
{
	if (n == 0)
		return dd_leaf(0);
	for (; n > 1; n = (n + 1) / 2)
		for (size_t i = 0; i < n; i += 2)
			v[i / 2] = i + 1 < n ? dd_join(d, op, v[i], v[i + 1]) : v[i];
	return v[0];
}

uint32_t
dd_or_all(struct dd *d, uint32_t *v, size_t n)
{
	if (n == 0)
		return DD_FALSE;
	for (; n > 1; n = (n + 1) / 2)
		for (size_t i = 0; i < n; i += 2)
			v[i / 2] = i + 1 < n ? dd_or(d, v[i], v[i + 1]) : v[i];
	return v[0];
}

/* ---- One diagram ---- */

static uint32_t
child_at(const struct dd *d, uint32_t node, uint32_t value)
{
	const struct dd_run *runs = &d->runs[d->nodes[node].first];
	uint32_t lo = 0, hi = d->nodes[node].n - 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (value < runs[mid].end)
			hi = mid;
		else
			lo = mid + 1;
	}
	return runs[lo].child;
}

uint32_t
dd_eval(const struct dd *d, uint32_t root, const uint32_t *values)
{
	while (!dd_is_leaf(root))
		root = child_at(d, root, values[d->nodes[root].var]);
	return root;
}

uint32_t
dd_eval_any(const struct dd *d, uint32_t root, const uint32_t *values)
{
	while (!dd_is_leaf(root)) {
		uint32_t value = values[d->nodes[root].var];

		root = child_at(d, root, value == DD_LEAF ? 0 : value);
	}
	return root;
}

enum change { CHANGE_RESTRICT, CHANGE_EXISTS, CHANGE_WHERE };

/* Rebuilds the nodes above a change; `op` is new for each, so that memos cannot mix. */
static uint32_t
rebuild(struct dd *d, uint32_t op, enum change what, uint32_t a, uint32_t var, uint32_t value)
{
	uint32_t slot = mix(mix(mix(7, op + 1), a), 0), result, n;
	const struct memo *m = &d->memo[slot & (d->n_memo - 1)];
	size_t base;

	if (d->full)
		return DD_FALSE;
	if (dd_is_leaf(a))
		return what != CHANGE_WHERE ? a : a == value ? DD_TRUE : DD_FALSE;
	if (what != CHANGE_WHERE && d->nodes[a].var > var)
		return a;
	if (m->op == op + 1 && m->a == a && m->b == 0)
		return m->result;
	n = d->nodes[a].n;
	if (what == CHANGE_RESTRICT && d->nodes[a].var == var)
		return child_at(d, a, value);
	if (what == CHANGE_EXISTS && d->nodes[a].var == var) {
		result = DD_FALSE;
		for (uint32_t i = 0; i < n; i++)
			result = dd_or(d, result, d->runs[d->nodes[a].first + i].child);
	} else {
		base = d->n_scratch;
		for (uint32_t i = 0; i < n; i++) {
			struct dd_run r = d->runs[d->nodes[a].first + i];

			push(d, base, r.end, rebuild(d, op, what, r.child, var, value));
		}
		result = finish(d, d->nodes[a].var, base);
	}
	d->memo[slot & (d->n_memo - 1)] = (struct memo){op + 1, a, 0, result};
	return d->full ? DD_FALSE : result;
}

uint32_t
dd_restrict(struct dd *d, uint32_t a, uint32_t var, uint32_t value)
{
	return rebuild(d, d->next_op++, CHANGE_RESTRICT, a, var, value);
}

uint32_t
dd_exists(struct dd *d, uint32_t a, uint32_t var)
{
	return rebuild(d, d->next_op++, CHANGE_EXISTS, a, var, 0);
}

uint32_t
dd_where(struct dd *d, uint32_t root, uint32_t leaf)
{
	return rebuild(d, d->next_op++, CHANGE_WHERE, root, 0, leaf);
}

/* ---- Witnesses ---- */

enum { NEVER = 1 << 30 };

/* The cheapest value of a run that can be, and its cost. */
static uint32_t
cheapest(const struct dd_var *v, uint32_t first, uint32_t end, uint32_t *value)
{
	uint32_t at = first;

	if (v->prefer >= first && v->prefer < end) {
		*value = v->prefer;
		return 0;
	}
	if (v->next)
		at = v->next[at];
	else if (at == v->dear)
		at++;
	if (at < end) {
		*value = at;
		return v->cost;
	}
	if (!v->dear_never && v->dear >= first && v->dear < end) {
		*value = v->dear;
		return v->dear_cost;
	}
	return NEVER;
}

static uint32_t
find_way(const struct dd *d, uint32_t a)
{
	const struct node *x;
	uint32_t first = 0;
	struct way *w;

	if (dd_is_leaf(a))
		return a == DD_TRUE ? 0 : NEVER;
	w = &d->ways[a];
	if (w->known)
		return w->cost;
	x = &d->nodes[a];
	*w = (struct way){.known = true, .cost = NEVER};
	for (uint32_t i = 0; i < x->n; i++) {
		struct dd_run r = d->runs[x->first + i];
		uint32_t value = 0, cost;

		if (r.child != DD_FALSE) {
			cost = cheapest(&d->vars[x->var], first, r.end, &value);
			if (cost < w->cost)
				cost += find_way(d, r.child);
			if (cost < w->cost) {
				w->cost = cost;
				w->value = value;
				w->child = r.child;
			}
		}
		first = r.end;
	}
	return w->cost;
}

bool
dd_possible(const struct dd *d, uint32_t root)
{
	return !d->full && find_way(d, root) < NEVER;
}

bool
dd_witness(const struct dd *d, uint32_t root, uint32_t *values)
{
	for (size_t i = 0; i < d->n_vars; i++)
		values[i] = DD_LEAF;
	if (!dd_possible(d, root))
		return false;
	while (!dd_is_leaf(root)) {
		values[d->nodes[root].var] = d->ways[root].value;
		root = d->ways[root].child;
	}
	return true;
}
