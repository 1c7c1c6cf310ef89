/* SPDX-License-Identifier: MIT
 *
 * What columns were once called. A data class names columns, and whoever may rename one would take
 * it from under its mask. So each name under which a class covers a column is noted with the
 * column's number in the database, and whatever the column is called later, the patterns of the
 * policy in force are asked about the names that it had as well: a pattern that is still there
 * still covers it, and one that was taken out does not. Names go with their column. Sans-I/O;
 * former_state.c keeps them across a restart.
 */
#ifndef WEIR_GATE_FORMER_H
#define WEIR_GATE_FORMER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cbor.h"
#include "sql/catalog.h"
#include "vm/image.h"

struct former_name {
	uint32_t oid;
	int16_t attnum;
	struct slice schema, table, column;
};

struct former {
	struct arena arena;
	const struct former_name *v; /* by oid, attnum, then names; no two the same */
	size_t n;
	size_t most; /* names that the columns of one relation have together */
};

void former_free(struct former *f); /* NULL is fine */
/* Names of a column; attnum 0: of all columns of the relation. f NULL: there are none. */
const struct former_name *former_find(const struct former *f, uint32_t oid, int attnum, size_t *n);

/* What is known once the policy has met the catalog: what was, without columns that are gone, and
 * the names that a data class covers now. A pattern that covers a name of the column already adds
 * none. NULL: nothing has changed. was NULL: nothing was known, not even that it is nothing. */
struct former *former_note(const struct former *was, const struct image *img,
			   const struct catalog *cat) MUST_CHECK;
/* Of all that is known, the names that columns of the catalog have no longer; NULL: none. */
struct former *former_moved(const struct former *const *known, size_t n,
			    const struct catalog *cat) MUST_CHECK;
/* How many columns a data class covers only because of those; the first of them in out. */
size_t former_only(const struct former *moved, const struct image *img, const struct catalog *cat,
		   struct buf *out);

void former_put(const struct former *f, struct buf *out);
/* NULL when that is not what was put; r has the error. */
struct former *former_get(struct cbor_reader *r) MUST_CHECK;

#endif
