/* SPDX-License-Identifier: MIT */
#include "compiler/known.h"

#include "vm/match.h"

static bool
is_named(const struct image_relation *r, struct slice dotted)
{
	return dotted.n == r->schema.n + 1 + r->name.n &&
	       memcmp(dotted.p, r->schema.p, r->schema.n) == 0 && dotted.p[r->schema.n] == '.' &&
	       memcmp(dotted.p + r->schema.n + 1, r->name.p, r->name.n) == 0;
}

const struct image_relation *
known_table(const struct image *const *images, size_t n, struct slice dotted)
{
	for (size_t i = n; i-- > 0;)
		for (size_t k = 0; k < images[i]->n_relations; k++)
			if (is_named(&images[i]->relations[k], dotted))
				return &images[i]->relations[k];
	return NULL;
}

const struct image_relation *
known_first(const struct image *const *images, size_t n, struct slice schema)
{
	for (size_t i = n; i-- > 0;)
		for (size_t k = 0; k < images[i]->n_relations; k++) {
			const struct image_relation *r = &images[i]->relations[k];

			if (r->n_columns && (!schema.n || slice_eq(r->schema, schema)))
				return r;
		}
	return NULL;
}

bool
known_has(const struct image_relation *r, struct slice column)
{
	for (size_t i = 0; i < r->n_columns; i++)
		if (slice_eq(r->columns[i], column))
			return true;
	return false;
}

bool
known_matches(const struct image_relation *r, struct slice pattern)
{
	for (size_t i = 0; i < r->n_columns; i++)
		if (match_glob(pattern, r->columns[i]))
			return true;
	return false;
}
