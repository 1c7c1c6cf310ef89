/* SPDX-License-Identifier: MIT
 *
 * Tables that there are, as far as the catalogs of policies tell: examples are made of these rather
 * than of invented ones. Nothing is concluded from what a catalog lacks: the gateway goes by that
 * of the running server.
 */
#ifndef WEIR_COMPILER_KNOWN_H
#define WEIR_COMPILER_KNOWN_H

#include "vm/image.h"

/* Of so many tables of a policy the first are looked at. */
enum { KNOWN_MAX = 2000 };

/* "schema.table"; NULL: no catalog has it. */
const struct image_relation *known_table(const struct image *const *images, size_t n,
					 struct slice dotted);
/* The first with a column, in this schema (n = 0: in any). */
const struct image_relation *known_first(const struct image *const *images, size_t n,
					 struct slice schema);
bool known_has(const struct image_relation *r, struct slice column);
bool known_matches(const struct image_relation *r, struct slice pattern);

#endif
