/* SPDX-License-Identifier: MIT
 *
 * Blocks: what is left to decide is a list of rules with the rest of the condition of each. It is
 * split by its first variable; rules that are decided leave it, and equal rests are one block. So a
 * rule that has nothing to do with others adds its tests, and is not multiplied with them, as it
 * would be in a diagram whose leaves are sets of rules.
 */
#include "compiler/dcode_internal.h"

#include <stdlib.h>
#include <xxhash.h>

enum {
	MAX_BLOCKS = 1 << 17, /* of one action */
	MAX_RESTS = 1 << 17,  /* ... and rests of conditions in them */
	MAX_ALL = 1 << 19,    /* rests of all actions: what compiling may take */
	MAX_DEPTH = 64,	      /* splits on a way: beyond, looking the rules up is faster */
	MAX_UNKNOWN = 4,      /* rules that are worth code for a fact that is not known */
};

/* A run of values with which a condition does not become false. */
struct piece {
	uint32_t first, end;
	struct rest rest;
};

struct maker {
	struct dcode_blocks b;
	struct dcode *out;
	struct memo {
		const struct rest *rests;
		uint32_t n, block;
	} *slots;
	size_t n_slots, n_memo;
	size_t n_rests, n_all, blocks_before; /* for the limits */
	struct members members;
	bool full;
};

/* Arrays double in the arena. */
#define ROOM(m, array, n, cap, more, type)                                                        \
	do {                                                                                      \
		if ((n) + (more) > (cap)) {                                                       \
			size_t cap_ = ((n) + (more)) * 2;                                         \
			type *new_ = ARENA_ARRAY((m)->b.v->arena, type, cap_);                    \
			if (n)                                                                    \
				memcpy(new_, (array), (n) * sizeof(type));                        \
			(array) = new_;                                                           \
			(cap) = cap_;                                                             \
		}                                                                                 \
	} while (0)

static struct memo *
memo_of(struct maker *m, const struct rest *rests, size_t n)
{
	size_t at = (size_t) XXH3_64bits(rests, n * sizeof(*rests)) & (m->n_slots - 1);

	for (; m->slots[at].rests; at = (at + 1) & (m->n_slots - 1))
		if (m->slots[at].n == n &&
		    memcmp(m->slots[at].rests, rests, n * sizeof(*rests)) == 0)
			break;
	return &m->slots[at];
}

/* Again, of blocks below `end`. */
static void
rehash(struct maker *m, size_t n_slots, uint32_t end)
{
	struct memo *old = m->slots;
	size_t n = m->n_slots;

	m->n_slots = n_slots;
	m->slots = ARENA_ARRAY(m->b.v->arena, struct memo, n_slots);
	m->n_memo = 0;
	for (size_t i = 0; i < n; i++)
		if (old[i].rests && old[i].block < end) {
			*memo_of(m, old[i].rests, old[i].n) = old[i];
			m->n_memo++;
		}
}

static uint32_t
add_block(struct maker *m, struct block block)
{
	struct dcode_blocks *b = &m->b;

	ROOM(m, b->blocks, b->n, b->cap, 1, struct block);
	if (block.depth > MAX_DEPTH || b->n - m->blocks_before > MAX_BLOCKS)
		m->full = true;
	b->blocks[b->n] = block;
	return (uint32_t) b->n++;
}

static void
remember(struct maker *m, const struct rest *rests, size_t n, uint32_t block)
{
	if (2 * m->n_memo >= m->n_slots)
		rehash(m, m->n_slots * 2, UINT32_MAX);
	*memo_of(m, rests, n) = (struct memo){rests, (uint32_t) n, block};
	m->n_memo++;
}

static uint32_t make_block(struct maker *m, const struct rest *rests, size_t n, unsigned depth);

/* Some of them are true: they match, and the others go on. */
static uint32_t
make_matches(struct maker *m, const struct rest *rests, size_t n, unsigned depth)
{
	struct dcode_blocks *b = &m->b;
	struct rest *others = ARENA_ARRAY(b->v->arena, struct rest, n);
	struct block block = {.kind = BLOCK_MATCHES, .first = (uint32_t) b->n_rules};
	size_t n_others = 0;

	ROOM(m, b->rules, b->n_rules, b->rules_cap, n, uint32_t);
	for (size_t i = 0; i < n; i++)
		if (rests[i].node == DD_TRUE)
			b->rules[b->n_rules++] = rests[i].outcome;
		else
			others[n_others++] = rests[i];
	block.n = (uint32_t) (n - n_others);
	block.next = make_block(m, others, n_others, depth);
	block.depth = b->blocks[block.next].depth;
	return add_block(m, block);
}

/* Those that dcode_members has found match by one look, and the others go on. */
static uint32_t
make_members(struct maker *m, const struct rest *rests, size_t n, size_t n_found, unsigned depth)
{
	struct dcode_blocks *b = &m->b;
	struct rest *others = ARENA_ARRAY(b->v->arena, struct rest, n - n_found + 1);
	struct block block = {.kind = BLOCK_MEMBERS, .n = (uint32_t) n_found};
	const uint32_t *found = m->members.var;
	uint32_t known = m->members.known, at;
	size_t n_others = 0;

	ROOM(m, b->members, b->n_members, b->members_cap, n_found, struct member);
	block.first = (uint32_t) b->n_members;
	for (size_t i = 0; i < n; i++) {
		struct rest r = rests[i];

		if (found[i]) {
			block.var = found[i] - 1;
			b->members[b->n_members++] = (struct member){r.outcome, block.var,
								     m->members.except[i]};
			continue;
		}
		r.node = dcode_members_told(b->v, &m->members, r.node);
		if (r.node != DD_FALSE)
			others[n_others++] = r;
	}
	block.next = make_block(m, others, n_others, depth + 1);
	block.depth = b->blocks[block.next].depth + 1;
	at = add_block(m, block);
	if (!known)
		return at;
	ROOM(m, b->runs, b->n_runs, b->runs_cap, 2, struct dd_run);
	block = (struct block){.var = known - 1, .first = (uint32_t) b->n_runs, .n = 2,
			       .depth = block.depth + 1};
	b->runs[b->n_runs++] = (struct dd_run){1, BLOCK_LIST};
	b->runs[b->n_runs++] = (struct dd_run){2, at};
	return add_block(m, block);
}

static int
compare_pieces(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x->rest.outcome < y->rest.outcome ? -1 : x->rest.outcome > y->rest.outcome;
}

static int
compare_rests(const void *a, const void *b)
{
	const struct rest *x = a, *y = b;

	return x->outcome < y->outcome ? -1 : x->outcome > y->outcome;
}

static int
compare_ends(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* A split under way: the pieces of the rules that ask for its variable, and those that do not. */
struct split {
	uint32_t var, width;
	struct piece *pieces;
	size_t n_pieces;
	struct rest *carried;
	size_t n_carried;
	uint32_t *ends; /* of the runs of values that are all alike, ascending */
	size_t n_ends;
};

static size_t
count_runs(struct maker *m, const struct rest *rests, size_t n, uint32_t var)
{
	size_t all = 0, more;

	for (size_t i = 0; i < n; i++)
		if (dd_var_of(m->b.v->dd, rests[i].node) == var) {
			(void) dd_runs(m->b.v->dd, rests[i].node, &more);
			all += more;
		}
	return all;
}

static void
find_pieces(struct maker *m, struct split *s, const struct rest *rests, size_t n)
{
	struct dd *d = m->b.v->dd;
	struct arena *a = m->b.v->arena;
	size_t n_runs = count_runs(m, rests, n, s->var), kept = 0;

	s->width = m->b.v->dd_vars[s->var].width;
	s->pieces = ARENA_ARRAY(a, struct piece, n_runs);
	s->carried = ARENA_ARRAY(a, struct rest, n + 1);
	s->ends = ARENA_ARRAY(a, uint32_t, 2 * n_runs + 4);
	for (size_t i = 0; i < n; i++) {
		const struct dd_run *runs;
		uint32_t first = 0;
		size_t k;

		if (dd_var_of(d, rests[i].node) != s->var) {
			s->carried[s->n_carried++] = rests[i];
			continue;
		}
		runs = dd_runs(d, rests[i].node, &k);
		for (; k > 0; k--, first = runs++->end) {
			if (runs->child == DD_FALSE)
				continue;
			s->pieces[s->n_pieces++] = (struct piece){
				first, runs->end, {rests[i].outcome, runs->child}};
			s->ends[s->n_ends++] = first;
			s->ends[s->n_ends++] = runs->end;
		}
	}
	/* Unknown values stand apart, and those of uses that are not to be told. */
	for (uint32_t i = 1; i < 3 && i < s->width; i++)
		s->ends[s->n_ends++] = i;
	s->ends[s->n_ends++] = s->width;
	qsort(s->pieces, s->n_pieces, sizeof(*s->pieces), compare_pieces);
	qsort(s->ends, s->n_ends, sizeof(*s->ends), compare_ends);
	for (size_t i = 0; i < s->n_ends; i++)
		if (s->ends[i] > 0 && (kept == 0 || s->ends[i] != s->ends[kept - 1]))
			s->ends[kept++] = s->ends[i];
	s->n_ends = kept;
}

static bool
is_unknown(const struct dvar *v, uint32_t value)
{
	switch (v->kind) {
	case DVAR_FACT:
	case DVAR_INSIDE:
	case DVAR_OBJECT:
	case DVAR_KNOWN:
		return value == SPACE_UNKNOWN;
	case DVAR_USES:
		return value == SPACE_MAYBE_USED;
	case DVAR_MEMBER:
	case DVAR_TEXT: /* many a column is NULL, or no number */
	case DVAR_INT:
	case DVAR_MATCHED:
		break;
	}
	return false;
}

/* Each action has the limits for itself; those that reach them are left to the list. */
static uint32_t
make_actions(struct maker *m, const struct rest *rests, size_t n, uint32_t first, uint32_t end)
{
	struct dcode_blocks *b = &m->b;
	size_t n_blocks = b->n, n_runs = b->n_runs, n_rules = b->n_rules;
	size_t n_members = b->n_members;
	uint32_t block;

	m->blocks_before = n_blocks;
	m->n_rests = 0;
	block = make_block(m, rests, n, 1);
	if (!m->full)
		return block;
	m->full = false;
	b->n = n_blocks;
	b->n_runs = n_runs;
	b->n_rules = n_rules;
	b->n_members = n_members;
	rehash(m, m->n_slots, (uint32_t) n_blocks);
	for (uint32_t i = first; i < end; i++)
		if (i > 0 && action_is_leaf((enum action) (i - 1)))
			action_set_add(&m->out->entangled, (enum action) (i - 1));
	return BLOCK_LIST;
}

/* The rules of one run of values: those that its pieces are of, and those that are carried. */
static uint32_t
make_child(struct maker *m, const struct split *s, const struct rest *active, size_t n_active,
	   uint32_t first, uint32_t end, unsigned depth)
{
	const struct dvar *var = &m->b.v->vars[s->var];
	size_t n = n_active + s->n_carried;
	bool action = var->kind == DVAR_FACT && var->fact == FACT_ACTION;
	struct rest *all;

	if (is_unknown(var, first) && (action || var->kind == DVAR_INSIDE || n > MAX_UNKNOWN))
		return BLOCK_LIST;
	if (is_unknown(var, first) && var->kind == DVAR_OBJECT)
		return BLOCK_END; /* it is known */
	if (n == 0)
		return BLOCK_END;
	all = ARENA_ARRAY(m->b.v->arena, struct rest, n);
	memcpy(all, s->carried, s->n_carried * sizeof(*all));
	if (n_active) {
		memcpy(all + s->n_carried, active, n_active * sizeof(*all));
		qsort(all, n, sizeof(*all), compare_rests);
	}
	return action ? make_actions(m, all, n, first, end) : make_block(m, all, n, depth + 1);
}

static uint32_t
make_split(struct maker *m, const struct rest *rests, size_t n, uint32_t var, unsigned depth)
{
	struct dcode_blocks *b = &m->b;
	struct split s = {.var = var};
	struct rest *active;
	struct piece *alive;
	struct dd_run *runs;
	size_t n_alive = 0, at = 0, n_runs = 0;
	struct block block = {.var = var};
	uint32_t first = 0, carried = BLOCK_FIRST - 1;
	bool action = b->v->vars[var].kind == DVAR_FACT && b->v->vars[var].fact == FACT_ACTION;

	find_pieces(m, &s, rests, n);
	active = ARENA_ARRAY(b->v->arena, struct rest, n);
	alive = ARENA_ARRAY(b->v->arena, struct piece, n);
	runs = ARENA_ARRAY(b->v->arena, struct dd_run, s.n_ends);
	for (size_t i = 0; i < s.n_ends && !m->full; first = s.ends[i++]) {
		size_t kept = 0;
		uint32_t child;

		for (size_t k = 0; k < n_alive; k++)
			if (alive[k].end > first)
				alive[kept++] = alive[k];
		for (n_alive = kept; at < s.n_pieces && s.pieces[at].first == first; at++)
			alive[n_alive++] = s.pieces[at];
		for (size_t k = 0; k < n_alive; k++)
			active[k] = alive[k].rest;
		if (n_alive == 0 && carried >= BLOCK_FIRST)
			child = carried;
		else
			child = make_child(m, &s, active, n_alive, first, s.ends[i], depth);
		if (n_alive == 0 && first > 0 && !action)
			carried = child;
		if (n_runs && runs[n_runs - 1].child == child)
			n_runs--;
		runs[n_runs++] = (struct dd_run){s.ends[i], child};
		if (b->blocks[child].depth + 1 > block.depth)
			block.depth = b->blocks[child].depth + 1;
	}
	if (n_runs == 1)
		return runs[0].child;
	ROOM(m, b->runs, b->n_runs, b->runs_cap, n_runs, struct dd_run);
	block.first = (uint32_t) b->n_runs;
	block.n = (uint32_t) n_runs;
	memcpy(&b->runs[b->n_runs], runs, n_runs * sizeof(*runs));
	b->n_runs += n_runs;
	return add_block(m, block);
}

/* `rests` stay where they are. */
static uint32_t
make_block(struct maker *m, const struct rest *rests, size_t n, unsigned depth)
{
	uint32_t var = UINT32_MAX, block;
	const struct memo *memo;
	bool matches = false;
	size_t n_members;

	if (n == 0)
		return BLOCK_END;
	m->n_rests += n;
	m->n_all += n;
	if (m->n_rests > MAX_RESTS || m->n_all > MAX_ALL || depth > MAX_DEPTH ||
	    dd_full(m->b.v->dd))
		m->full = true;
	if (m->full)
		return BLOCK_LIST;
	memo = memo_of(m, rests, n);
	if (memo->rests)
		return memo->block;
	for (size_t i = 0; i < n; i++)
		if (rests[i].node == DD_TRUE)
			matches = true;
		else if (dd_var_of(m->b.v->dd, rests[i].node) < var)
			var = dd_var_of(m->b.v->dd, rests[i].node);
	n_members = matches ? 0 : dcode_members(m->b.v, &m->members, rests, n);
	if (matches)
		block = make_matches(m, rests, n, depth);
	else if (n_members)
		block = make_members(m, rests, n, n_members, depth);
	else
		block = make_split(m, rests, n, var, depth);
	if (!m->full)
		remember(m, rests, n, block);
	return block;
}

void
dcode_make(struct space *s, enum vm_entry e, struct constants *constants, struct arena *arena,
	   struct dcode *out)
{
	struct dcode_vars v;
	struct maker m = {.b = {.v = &v}, .out = out, .n_slots = 1024};
	struct rest *rests;
	uint32_t root;
	bool asks_action;

	*out = (struct dcode){0};
	if (!dcode_vars_init(&v, s, e, arena)) {
		out->too_large = v.dd && dd_full(v.dd);
		return;
	}
	m.slots = ARENA_ARRAY(arena, struct memo, m.n_slots);
	for (uint32_t i = 0; i < BLOCK_FIRST; i++)
		(void) add_block(&m, (struct block){0});
	rests = ARENA_ARRAY(arena, struct rest, v.n_outcomes);
	for (uint32_t i = 0; i < v.n_outcomes; i++)
		rests[i] = (struct rest){i, v.outcomes[i].cond};
	asks_action = v.fact_var[FACT_ACTION] != 0;
	root = make_block(&m, rests, v.n_outcomes, 0);
	if (m.full || (!asks_action && root == BLOCK_LIST))
		out->too_large = true;
	else if (root >= BLOCK_FIRST && !dcode_emit(&m.b, root, constants, arena, out))
		out->too_large = true;
}
