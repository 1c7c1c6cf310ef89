/* SPDX-License-Identifier: MIT
 *
 * What a policy shows of data: for every kind of column the mask it has, and which rows are
 * dropped, as diagrams. Masks are leaves by strictness among all images of the space; 0 is none.
 */
#ifndef WEIR_COMPILER_READING_H
#define WEIR_COMPILER_READING_H

#include "compiler/diagram.h"
#include "compiler/elsewhere.h"
#include "compiler/witness.h"

struct reading_place {
	struct slice schema, table, column;
	struct slice base; /* "schema.table" whose data has another name here; else empty */
	bool view;	   /* ... as this is a view of it, or may be one; else it inherits */
};

/* Where a command reads a column of this kind and shows it: the action, a table that has one, its
 * use as an output. */
uint32_t reading_where(struct space *s, size_t kind);
/* Where the table has such a column. */
uint32_t reading_table_of(struct space *s, size_t kind);
/* Where a command uses it in one of the contexts (bits), whatever the action. */
uint32_t reading_use(struct space *s, size_t kind, unsigned contexts);
/* Where the action is one of these; where no rule asks for it: anywhere. */
uint32_t reading_actions(struct space *s, const enum action *v, size_t n);
uint32_t reading_selects(struct space *s);
/* Where the table has a name of its own and masks of the kind matter, whatever the action: a view,
 * or what inherits. Any table that no catalog has may be one. Rules over uses do not see that, nor
 * is it plain whose row it is (docs/rows.md). What drops refuse there is left out. */
uint32_t reading_elsewhere(const struct diagram *g, size_t kind, enum elsewhere_use what);
/* Where the table is unknown to the catalogs, and has no column of the kind; or it is this one. */
uint32_t reading_unknown(struct space *s, size_t kind);
/* Where it is one of the system's relations that show what is in other tables (telling.def); or of
 * those that show values of any column. */
enum reading_tells { READING_TELLS, READING_TELLS_VALUES };
uint32_t reading_telling(struct space *s, enum reading_tells what);
/* The witness is about the first of them that is of its class of names; false: none is. */
bool reading_move_telling(struct space *s, struct witness *w, size_t kind, struct reading_place *p);
uint32_t reading_there(struct space *s, const struct elsewhere_relation *e);
/* Where views over any table that has the kind are refused, because its rows are dropped. */
uint32_t reading_refused(const struct diagram *g, size_t kind);
/* Where rows of it are dropped, or a view is refused for those. */
uint32_t reading_drops_there(const struct diagram *g, const struct elsewhere_relation *e);
/* Where the table is one of a catalog that has such a column: an example from there is better. */
uint32_t reading_known(struct space *s, size_t kind);
/* The mask of a kind of column. */
uint32_t reading_masks(const struct diagram *g, size_t kind);
bool reading_covers(const struct diagram *g, size_t rule, size_t kind);
uint32_t reading_rank(const struct space *s, const struct image_mask *m);
/* Where the rows of tables that have such a column are dropped: of all of them that are meant. */
uint32_t reading_drops(const struct diagram *g, size_t kind);

/* The tables whose rows a drop rule speaks of, by their own names or as they inherit. */
uint32_t reading_drop_tables(const struct diagram *g, size_t rule);
/* Whether a rule reads that column of rows (of the space). */
bool reading_wants(const struct diagram *g, size_t rule, size_t column);
/* The witness's table, whatever it has. */
struct reading_place reading_dropped_place(struct space *s, struct witness *w);

/* At a witness: the strictest mask rule over a kind of column, or -1; some drop rule over the
 * witness's table, or -1. */
int reading_mask_at(const struct diagram *g, const struct witness *w, size_t kind);
/* ... and whatever the row. */
int reading_masked_at(const struct diagram *g, const struct witness *w, size_t kind);
int reading_drop_at(const struct diagram *g, const struct witness *w, size_t kind);
/* A column of this kind in the witness's table; where tables do not matter, the witness gets one.
 * Of a table that has none: as what it matters there. */
struct reading_place reading_place(struct space *s, struct witness *w, size_t kind,
				   enum elsewhere_use what);
/* The witness is about this relation, of the same class of names. */
void reading_move(struct witness *w, const struct elsewhere_relation *e, struct reading_place *p);
/* "schema.table" of a kind's own column. */
struct slice reading_table(struct space *s, size_t kind);

#endif
