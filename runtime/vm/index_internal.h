/* SPDX-License-Identifier: MIT
 *
 * What index.c walks, index_build.c makes and index_check.c checks.
 *
 * A node has code that runs in any case, and splits. A split looks one fact up and goes to those of
 * its children whose code asks for the value. Each piece of code stands in one child of one split,
 * or in the code that runs in any case; once more below `unknown` when an unknown fact passes.
 */
#ifndef WEIR_VM_INDEX_INTERNAL_H
#define WEIR_VM_INDEX_INTERNAL_H

#include "vm/index.h"

enum {
	INDEX_DEPTH = 4,
	INDEX_ENUM_VALUES = 32,
	INDEX_PREFIX = 63, /* bytes of a pattern's beginning that are looked up */
};

struct index_node {
	const struct insn *code; /* NULL, or up to an `end` */
	const struct index_split *splits;
	uint32_t n_splits;
};

struct index_child {
	const struct constant *constant;
	struct index_node node;
};

/* n = 1: `first` is the child; else refs[first...] are. */
struct index_slot {
	uint64_t id; /* 0: free */
	uint32_t first, n;
};

struct index_split {
	enum fact fact;
	unsigned shift;
	uint32_t mask, n_children, n_refs;
	uint64_t prefixes; /* bit per length of a pattern's beginning among the ids */
	const struct index_slot *slots; /* open-addressed */
	const uint32_t *refs;
	const struct index_child *children;
	const struct index_node *unknown; /* NULL: nothing passes */
};

struct vm_index {
	struct index_node root;
	size_t bytes;
};

/* Ids tell values of one fact apart. Those of strings are hashes: if two strings had the same, code
 * would run for both, and its own tests would find out. */
uint64_t index_string_id(enum fact fact, struct slice s);

/* Of the bytes before the first * of a pattern, at most INDEX_PREFIX. */
uint64_t index_prefix_id(enum fact fact, struct slice prefix);

/* Those of actions and enumerations are the values, from 1. */
static inline uint64_t
index_value_id(enum fact fact, int64_t value)
{
	int64_t n = fact_info[fact].type == TYPE_ACTION ? ACTION_COUNT : INDEX_ENUM_VALUES;

	return value >= 0 && value < n ? (uint64_t) value + 1 : 0;
}

static inline uint32_t
index_slot(const struct index_split *s, uint64_t id)
{
	return (uint32_t) ((id * UINT64_C(0x9e3779b97f4a7c15)) >> s->shift);
}

#endif
