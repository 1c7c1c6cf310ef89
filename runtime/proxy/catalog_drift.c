/* SPDX-License-Identifier: MIT */
#include "proxy/catalog_drift.h"

enum { NAMED_MAX = 8 };

static void
name(struct buf *out, size_t n, const struct image_relation *r, struct slice column)
{
	if (n >= NAMED_MAX)
		return;
	buf_printf(out, "%s%.*s.%.*s", n ? ", " : "", SLICE_ARG(r->schema), SLICE_ARG(r->name));
	if (column.n)
		buf_printf(out, ".%.*s", SLICE_ARG(column));
}

size_t
catalog_drift(const struct image *img, const struct catalog *live, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < img->n_relations; i++) {
		const struct image_relation *r = &img->relations[i];
		const struct catalog_relation *is =
			catalog_resolve(live, NULL, r->schema, r->name);

		if (!is)
			name(out, n++, r, (struct slice){0});
		for (size_t k = 0; is && k < r->n_columns; k++)
			if (!catalog_column_named(is, r->columns[k]))
				name(out, n++, r, r->columns[k]);
	}
	if (n > NAMED_MAX)
		buf_printf(out, " and %zu more", n - NAMED_MAX);
	return n;
}
