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
	DVAR_TEXT,   /* the value of a column of the row: unknown, then its classes */
	DVAR_INT,    /* ... as a whole number */
	DVAR_USES,   /* SPACE_UNUSED, SPACE_MAYBE_USED, SPACE_USED */
	DVAR_MATCHED /* an outcome has come about already: 0 false, 1 true */
};

struct dvar {
	enum dvar_kind kind;
	enum opcode op; /* MEMBER, USES: the test */
	enum fact fact;
	uint16_t constant; /* MATCHED: the outcome; TEXT, INT: the column of the image */
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
	uint32_t text_var[VM_MAX_ROW_COLUMNS], int_var[VM_MAX_ROW_COLUMNS]; /* likewise */
	uint32_t *test_var;	      /* by constant, of MEMBER and USES: + 1; the next in next[] */
	uint32_t *next;
	uint32_t matched_var; /* of the first outcome: + 1; 0: there is no room for them */
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

/* A block splits by `var`; or it matches rules, or those of a set's members, then `next`. */
enum block_kind { BLOCK_SPLIT, BLOCK_MATCHES, BLOCK_MEMBERS };

struct block {
	enum block_kind kind;
	uint32_t var;
	uint32_t first, n; /* of dcode_blocks.runs, or .rules, or .members */
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
	struct member *members;
	size_t n_members, members_cap;
};

/* A rule that is not decided yet, and what is left of its condition. */
struct rest {
	uint32_t outcome, node;
};

/* One that asks for nothing but a member of a known set; `except`: that it is none. */
struct member {
	uint32_t outcome, var;
	bool except;
};

/* What dcode_members finds, and room for it. */
struct members {
	uint32_t *var;	/* of each rest, when it is one of them: + 1 */
	bool *except;	/* ... when it matches who is no member */
	uint32_t known; /* + 1: they ask whether the set is known */
	/* By node and by variable; what is not of this search is from before. */
	struct searched {
		uint32_t search, result;
	} *nodes, *asked, *told;
	size_t n_nodes;
	uint32_t search;
};

/* Of the rests those that ask for a member of one set only, so that they can be looked up together.
 * How many; 0 when that is not worth it. */
size_t dcode_members(const struct dcode_vars *v, struct members *m, const struct rest *rests,
		     size_t n);
/* What is left of another's condition then: it asks which of those have matched, and not again for
 * the members that they tell. */
uint32_t dcode_members_told(const struct dcode_vars *v, struct members *m, uint32_t node);

/* False when it does not fit the machine. */
bool dcode_emit(const struct dcode_blocks *b, uint32_t root, struct constants *constants,
		struct arena *arena, struct dcode *out);

#endif
