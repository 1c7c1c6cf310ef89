/* SPDX-License-Identifier: MIT
 *
 * Putting the instructions of blocks: what dcode_emit.c and dcode_strings.c share.
 */
#ifndef WEIR_COMPILER_DCODE_PUT_H
#define WEIR_COMPILER_DCODE_PUT_H

#include "compiler/dcode_internal.h"

/* An instruction that leads to a block which is not put yet. */
struct wait {
	uint32_t at, block;
};

struct strings;

struct putter {
	const struct dcode_blocks *b;
	struct dcode_vars *v;
	struct constants *constants;
	struct arena *arena;
	struct insn *code;
	size_t n, cap;
	struct wait *waits;
	size_t n_waits, waits_cap;
	uint32_t next;	 /* the block that is put after this one */
	bool *led_to;	 /* of blocks: some instruction that is put leads there */
	uint32_t at;	 /* the block at hand */
	uint32_t *child; /* of its values */
	/* What is known of their classes. */
	struct strings *strings[FACT_COUNT], *objects, *row_strings[VM_MAX_ROW_COLUMNS];
	bool *spills;	 /* of blocks: patterns are left to the list there */
	bool far;	 /* tests go no further than past the next instruction */
	bool too_far;	 /* a test would have to */
	bool failed;
};

size_t dcode_put(struct putter *p, struct insn in);
/* One instruction that leads to the block. */
void dcode_put_way(struct putter *p, uint32_t block);
/* Goes to the block; nothing is put when that is next. Ends the block at hand. */
void dcode_go(struct putter *p, uint32_t block);
/* Goes on with what is put next when the test is true, else to the block. */
void dcode_guard(struct putter *p, struct insn test, uint32_t otherwise);
/* Ends the block at hand. */
void dcode_branch(struct putter *p, struct insn test, uint32_t yes, uint32_t no);
/* As above of a fact, unless it is unknown. */
void dcode_branch_known(struct putter *p, struct insn test, uint32_t unknown, uint32_t yes,
			uint32_t no);
/* The test or `far` at `at` leads to what is put next. */
void dcode_land(struct putter *p, size_t at);
/* Asks whether what the test compares is known. */
struct insn dcode_known(struct putter *p, struct insn test);
/* What instructions name a column of the row by, until there is an image. */
uint16_t dcode_column(struct putter *p, uint16_t column);
/* 0 when there is no room for it. */
uint16_t dcode_constant(struct putter *p, uint32_t constant);
uint16_t dcode_constant_strings(struct putter *p, struct slice *v, size_t n);

/* dcode_strings.c: a block that splits by a string, a column of the row, or table and schema. */
void dcode_put_string(struct putter *p, enum fact fact);
void dcode_put_text(struct putter *p, uint16_t column);
void dcode_put_object(struct putter *p);
/* dcode_members.c: a block of members. */
void dcode_put_members(struct putter *p, const struct block *block);

#endif
