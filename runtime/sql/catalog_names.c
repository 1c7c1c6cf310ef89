/* SPDX-License-Identifier: MIT
 *
 * Open addressing at most half full. The hash is written out: names are short, and a call of a
 * library's would take longer. Its seed is secret. Both halves of each product count: with the
 * lower one alone, names that differ in their last letters met whatever the seed was, those of
 * partitions by themselves.
 */
#include "sql/catalog_names.h"

#include "sql/shape.h"

static uint64_t
part_at(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static uint64_t
mix(uint64_t h, uint64_t part)
{
	__uint128_t product = (__uint128_t) (h ^ part) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint64_t
mix_name(uint64_t h, struct slice s)
{
	uint64_t last = 0;

	for (size_t i = 0; i + 8 < s.n; i += 8)
		h = mix(h, part_at(s.p + i, 8));
	/* What is read twice does no harm. */
	if (s.n >= 8)
		last = part_at(s.p + s.n - 8, 8);
	else if (s.n >= 4)
		last = part_at(s.p, 4) << 32 | part_at(s.p + s.n - 4, 4);
	else if (s.n)
		last = (uint64_t)s.p[0] << 16 | (uint64_t)s.p[s.n / 2] << 8 | s.p[s.n - 1];
	return mix(h, last) + s.n;
}

static size_t
place(const struct catalog_names *t, struct slice schema, struct slice name)
{
	return mix(mix_name(mix_name(t->seed, schema), name), t->seed) & t->mask;
}

bool
catalog_names_build(struct catalog_names *t, struct arena *a,
		    const struct catalog_relation *relations, uint32_t n)
{
	size_t cap = 8;

	while (cap < (size_t)n * 2)
		cap *= 2;
	*t = (struct catalog_names){relations, arena_try_alloc(a, cap * sizeof(*t->slots)), cap - 1,
				    sql_shape_seed()};
	if (!t->slots)
		return false;
	memset(t->slots, 0, cap * sizeof(*t->slots));
	for (uint32_t i = 0; i < n; i++) {
		size_t at = place(t, relations[i].schema, relations[i].name);

		while (t->slots[at])
			at = (at + 1) & t->mask;
		t->slots[at] = i + 1;
	}
	return true;
}

const struct catalog_relation *
catalog_names_find(const struct catalog_names *t, struct slice schema, struct slice name)
{
	uint32_t i;

	for (size_t at = place(t, schema, name); (i = t->slots[at]); at = (at + 1) & t->mask) {
		const struct catalog_relation *r = &t->relations[i - 1];

		if (slice_eq(r->name, name) && slice_eq(r->schema, schema))
			return r;
	}
	return NULL;
}
