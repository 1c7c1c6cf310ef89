/* SPDX-License-Identifier: MIT
 *
 * What the parts of dcode share: dcode_vars.c has the conditions of rules, dcode.c makes blocks of
 * them, dcode_emit.c makes code of those.
 */
#ifndef WEIR_COMPILER_DCODE_INTERNAL_H
#define WEIR_COMPILER_DCODE_INTERNAL_H

#include "compiler/dcode.h"

enum dvar_kind {
	DVAR_FACT,   /* unknown, then its classes */
	DVAR_INSIDE, /* `in-schema`: 0 false, 1 true */
	DVAR_OBJECT, /* table and schema as one, where that is true: the classes of tables */
	DVAR_KNOWN,  /* of a set: 0 unknown, 1 known */
	DVAR_MEMBER, /* one test of a known set: 0 false, 1 true */
	DVAR_USES    /* SPACE_UNUSED, SPACE_MAYBE_USED, SPACE_USED */
};

struct dvar {
	enum dvar_kind kind;
	enum opcode op; /* MEMBER, USES: the test */
	enum fact fact;
	uint16_t constant;
};

/* What a rule does when its condition holds: `match` or `may`. */
struct outcome {
	uint32_t cond;
	uint8_t op;
	uint16_t rule;
};

struct dcode_vars {
	struct arena *arena;
	struct space *s;
	const struct image *img;
	const struct image_entry *entry;
	struct dvar *vars;
	struct dd_var *dd_vars;
	size_t n;
	uint32_t inside_var;	      /* + 1; 0: schemas are not told by tables */
	uint32_t object_var;	      /* likewise */
	const uint32_t *schema_of;    /* dcode_schemas() */
	bool *marks;		      /* room for one of each class of schemas */
	uint32_t fact_var[FACT_COUNT]; /* + 1; 0: not read */
	uint32_t *test_var;	      /* by constant, of MEMBER and USES: + 1; the next in next[] */
	uint32_t *next;
	struct dd *dd;
	struct dd_run *runs;
	uint32_t *hits;
	struct outcome *outcomes;
	size_t n_outcomes;
	struct {
		uint64_t key;
		uint32_t root;
	} *memo;
	size_t memo_mask;
};

/* False: there is nothing to do, or too much of it (v->dd is full then). */
bool dcode_vars_init(struct dcode_vars *v, struct space *s, enum vm_entry e, struct arena *arena);
/* The part before the only dot; {0} when there is not exactly one. */
struct slice dcode_schema_of(struct slice table);
/* For each class of tables, the class of the schema that those of its names are in that have one
 * dot, + 1; 0: there are none. */
uint32_t *dcode_schemas(const struct space *s);
/* Can schemas be told by the names of tables? */
bool dcode_schemas_plain(const struct space *s);

/* Blocks of code. Their children have higher ways: a block never leads back. */
enum { BLOCK_END, BLOCK_LIST, BLOCK_FIRST };

struct block {
	bool matches;	/* of rules, then `next`; else a split of `var` */
	uint32_t var;
	uint32_t first, n; /* of dcode_blocks.runs, or .rules */
	uint32_t next;
	uint32_t depth;	   /* splits on its longest way */
};

struct dcode_blocks {
	struct dcode_vars *v;
	struct block *blocks;
	size_t n, cap;
	struct dd_run *runs; /* child: a block */
	size_t n_runs, runs_cap;
	uint32_t *rules;     /* of outcomes */
	size_t n_rules, rules_cap;
};

/* False when it does not fit the machine. */
bool dcode_emit(const struct dcode_blocks *b, uint32_t root, struct constants *constants,
		struct arena *arena, struct dcode *out);

#endif
