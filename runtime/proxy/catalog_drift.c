/* SPDX-License-Identifier: MIT */
#include "proxy/catalog_drift.h"

#include "vm/match.h"

#include <stdlib.h>

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

/* Somebody wrote down this very column. */
static bool
is_exact(const struct image_column *p)
{
	return !match_is_glob(p->table) && !match_is_glob(p->column);
}

static bool
is_there(const struct image_column *p, const struct catalog *live, const struct former *moved)
{
	for (size_t i = 0; moved && i < moved->n; i++)
		if (match_glob(p->schema, moved->v[i].schema) &&
		    slice_eq(p->table, moved->v[i].table) &&
		    slice_eq(p->column, moved->v[i].column))
			return true;
	for (size_t i = 0; i < catalog_count(live); i++) {
		const struct catalog_relation *r = catalog_at(live, i);

		if (slice_eq(p->table, r->name) && match_glob(p->schema, r->schema) &&
		    catalog_column_named(r, p->column))
			return true;
	}
	return false;
}

size_t
catalog_unmatched(const struct image *img, struct slice target, const struct catalog *live,
		  const struct former *moved, const struct image_column **out, size_t max)
{
	bool *masked = calloc(img->n_data + 1, sizeof(*masked));
	struct facts f = {0};
	struct decision d;
	size_t n = 0;

	assert(masked != NULL);
	/* Who it is, and when, is not known: what may apply does. */
	facts_string(&f, FACT_TARGET_NAME, target);
	facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	vm_decide(img, ENTRY_RESULT, &f, &d);
	for (int r = decision_next(&d, -1); r >= 0; r = decision_next(&d, r))
		for (size_t i = 0; i < img->rules[r].mask.n_data; i++)
			masked[img->rules[r].mask.data[i]] = true;
	for (size_t k = 0; k < img->n_data; k++)
		for (size_t i = 0; masked[k] && i < img->data[k].n_columns; i++) {
			const struct image_column *p = &img->data[k].columns[i];

			if (!is_exact(p) || is_there(p, live, moved))
				continue;
			if (n < max)
				out[n] = p;
			n++;
		}
	free(masked);
	return n;
}
