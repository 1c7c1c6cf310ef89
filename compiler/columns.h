/* SPDX-License-Identifier: MIT
 *
 * Which columns data classes can tell apart: every set of data that one column can belong to, with
 * such a column. Classes of several images that name the same columns are one.
 */
#ifndef WEIR_COMPILER_COLUMNS_H
#define WEIR_COMPILER_COLUMNS_H

#include "vm/image.h"

/* Patterns are compared with each other's names, so their number counts twice. */
enum { COLUMNS_MAX_DATA = 256, COLUMNS_MAX_KINDS = 4096, COLUMNS_MAX_PATTERNS = 4096 };

struct data_set {
	uint64_t w[COLUMNS_MAX_DATA / 64];
};

struct column_kind {
	struct data_set data; /* all that it belongs to; never empty */
	struct slice schema, table, column;
	bool known; /* they are in a policy's catalog */
};

struct columns {
	const struct image_data **data; /* the different ones */
	size_t n_data;
	uint16_t **data_of; /* per image and its class: index in data */
	struct column_kind *kinds;
	size_t n_kinds;
	const struct slice *names; /* a column's name of each class of names */
	size_t n_names;
};

/* False when there are too many. */
bool columns_collect(struct columns *c, struct arena *arena, const struct image *const *images,
		     size_t n);

/* The kind of a column; -1: it belongs to no data. */
int columns_find(const struct columns *c, struct slice schema, struct slice table,
		 struct slice column);

static inline bool
data_set_has(const struct data_set *s, size_t data)
{
	return s->w[data / 64] >> data % 64 & 1;
}

#endif
