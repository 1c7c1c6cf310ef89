/* SPDX-License-Identifier: MIT
 *
 * Decision diagrams: ordered, reduced, shared. A node asks for the value of one variable, which has
 * any number of values; children are kept as runs of values, so a variable of ten thousand values
 * of which one matters has nodes of three runs. Leaves are numbers: of a condition false and true,
 * else whatever the caller numbers (verdicts, sets of rules, kinds of mask).
 *
 * Equal functions are equal references. Everything lies in the caller's arena; when the diagram
 * would grow past its limit it is `full`, every further result is DD_FALSE, and what was computed
 * since is worthless: ask dd_full() before believing an answer.
 */
#ifndef WEIR_COMPILER_DD_H
#define WEIR_COMPILER_DD_H

#include "base/arena.h"

#define DD_LEAF UINT32_C(0x80000000)
#define DD_FALSE (DD_LEAF | 0)
#define DD_TRUE (DD_LEAF | 1)

/* The values from the end of the run before (or 0) to `end` lead to `child`. */
struct dd_run {
	uint32_t end, child;
};

/* What a witness would rather say. */
struct dd_var {
	uint32_t width;	 /* values: 0 to width - 1 */
	uint32_t prefer; /* costs nothing */
	uint32_t dear;	 /* costs dear_cost; DD_LEAF: there is none */
	uint32_t dear_cost, cost;
	/* per value the first one from there on that can be, `dear` left out; NULL: all can be */
	const uint32_t *next;
	bool dear_never;
};

struct dd;

struct dd *dd_new(struct arena *arena, const struct dd_var *vars, size_t n_vars, size_t max_runs);
bool dd_full(const struct dd *d);
size_t dd_nodes(const struct dd *d); /* made so far */

/* What was made since a mark can be given back: references to it are worthless then, and the
 * diagram is as full as it was. */
struct dd_mark {
	size_t nodes, runs;
	bool full;
};
struct dd_mark dd_mark(const struct dd *d);
void dd_release(struct dd *d, struct dd_mark m);
size_t dd_since(const struct dd *d, struct dd_mark m); /* runs made since */
uint64_t dd_work(const struct dd *d); /* what it has cost so far: pairs of nodes put together */

static inline uint32_t
dd_leaf(uint32_t value)
{
	return DD_LEAF | value;
}

static inline bool
dd_is_leaf(uint32_t root)
{
	return root & DD_LEAF;
}

static inline uint32_t
dd_value(uint32_t leaf)
{
	return leaf & ~DD_LEAF;
}

uint32_t dd_node(struct dd *d, uint32_t var, const struct dd_run *runs, size_t n);
/* True for the values from `first` to before `end`. */
uint32_t dd_between(struct dd *d, uint32_t var, uint32_t first, uint32_t end);
uint32_t dd_not(struct dd *d, uint32_t a);
uint32_t dd_and(struct dd *d, uint32_t a, uint32_t b);
uint32_t dd_or(struct dd *d, uint32_t a, uint32_t b);
uint32_t dd_without(struct dd *d, uint32_t a, uint32_t b); /* a and not b */
uint32_t dd_differ(struct dd *d, uint32_t a,
		   uint32_t b); /* leaves of any kind: true where unequal */
uint32_t dd_guard(struct dd *d, uint32_t cond, uint32_t a); /* a where cond, else leaf 0 */
/* Pairwise, so that no intermediate result is larger than need be. Uses v as scratch. */
uint32_t dd_or_all(struct dd *d, uint32_t *v, size_t n);

/* Joins leaves that are not conditions. `leaf` is commutative, associative, and of equal values
 * the value itself; 0 is neutral. One op lives as long as its diagram: results are remembered. */
struct dd_op {
	uint32_t id; /* set by dd_op_init */
	uint32_t (*leaf)(void *ctx, uint32_t a, uint32_t b);
	void *ctx;
};
void dd_op_init(struct dd *d, struct dd_op *op);
uint32_t dd_join(struct dd *d, const struct dd_op *op, uint32_t a, uint32_t b);
uint32_t dd_join_all(struct dd *d, const struct dd_op *op, uint32_t *v, size_t n);

/* The function with the variable's value given. */
uint32_t dd_restrict(struct dd *d, uint32_t a, uint32_t var, uint32_t value);
/* True where some value of the variable makes it true. */
uint32_t dd_exists(struct dd *d, uint32_t a, uint32_t var);
uint32_t dd_eval(const struct dd *d, uint32_t root, const uint32_t *values);
/* As above where values[] may be DD_LEAF: any value. */
uint32_t dd_eval_any(const struct dd *d, uint32_t root, const uint32_t *values);
/* The leaf's own condition: true where the function is this leaf. */
uint32_t dd_where(struct dd *d, uint32_t root, uint32_t leaf);

/* The cheapest way to DD_TRUE: values[] for the variables on it, DD_LEAF for all others, which may
 * be anything. False: there is none whose values can be. */
bool dd_witness(const struct dd *d, uint32_t root, uint32_t *values);
bool dd_possible(const struct dd *d, uint32_t root);

/* For walking: 0 for leaves. */
uint32_t dd_var_of(const struct dd *d, uint32_t root);
const struct dd_run *dd_runs(const struct dd *d, uint32_t root, size_t *n);

#endif
