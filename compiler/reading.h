/* SPDX-License-Identifier: MIT
 *
 * What a policy shows of data: for every kind of column the mask it has, and which rows are
 * dropped, as diagrams. Masks are leaves by strictness among all images of the space; 0 is none.
 */
#ifndef WEIR_COMPILER_READING_H
#define WEIR_COMPILER_READING_H

#include "compiler/diagram.h"
#include "compiler/witness.h"

struct reading_place {
	struct slice schema, table, column;
	struct slice base; /* "schema.table" that a view passes it on of; else empty */
};

/* Where a command reads a column of this kind and shows it: the action, a table that has one, its
 * use as an output. */
uint32_t reading_where(struct space *s, size_t kind);
/* Where a command reads it through a view, which has a name of its own: any other table may be one.
 * Rules over uses do not see that, nor is it plain whose row it is (docs/rows.md). */
uint32_t reading_through_views(const struct diagram *g, size_t kind);
/* Where the table is one of a catalog that has such a column: an example from there is better. */
uint32_t reading_known(struct space *s, size_t kind);
/* The mask of a kind of column. */
uint32_t reading_masks(const struct diagram *g, size_t kind);
bool reading_covers(const struct diagram *g, size_t rule, size_t kind);
uint32_t reading_rank(const struct space *s, const struct image_mask *m);
/* Where the rows are dropped: of any table where tables matter, else of this one. */
uint32_t reading_drops(const struct diagram *g, struct slice table);

/* At a witness: the strictest mask rule over a kind of column, or -1; some drop rule over the
 * witness's table, or -1. */
int reading_mask_at(const struct diagram *g, const struct witness *w, size_t kind);
int reading_drop_at(const struct diagram *g, const struct witness *w);
/* A column of this kind in the witness's table; where tables do not matter, the witness gets one.
 */
struct reading_place reading_place(struct space *s, struct witness *w, size_t kind);
/* "schema.table" of a kind's own column. */
struct slice reading_table(struct space *s, size_t kind);

#endif
