/* SPDX-License-Identifier: MIT
 */
#include "sql/catalog_types.h"

#include <stdlib.h>

enum { FIRST_NORMAL_OID = 16384, ARGUMENTS_MAX = 100 };

/* The next of numbers that a space keeps apart; false: there is none, or it is not one. */
static bool
next_number(struct slice *s, uint32_t *out)
{
	uint64_t v = 0;
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && v <= UINT32_MAX)
		v = v * 10 + (uint64_t)(s->p[n++] - '0');
	if (!n || v > UINT32_MAX || (n < s->n && s->p[n] != ' '))
		return false;
	*out = (uint32_t)v;
	n += n < s->n;
	*s = slice_of(s->p + n, s->n - n);
	return true;
}

static bool
is_number(struct slice s)
{
	uint32_t v;

	return next_number(&s, &v) && !s.n;
}

static uint32_t
number(struct slice s)
{
	uint32_t v = 0;

	(void)!next_number(&s, &v); /* checked when the row came */
	return v;
}

static bool
are_arguments(struct slice s)
{
	unsigned n = 0;
	uint32_t v;

	while (s.n)
		if (++n > ARGUMENTS_MAX || !next_number(&s, &v))
			return false;
	return true;
}

bool
catalog_types_valid(enum catalog_query q, const struct slice *f)
{
	if (q == CATALOG_Q_TYPES)
		return is_number(f[0]) && f[1].n && f[2].n && f[3].n == 1 && f[4].n == 1 &&
		       f[5].n == 1 && is_number(f[6]) && is_number(f[7]) && is_number(f[8]);
	if (q == CATALOG_Q_CASTS)
		return is_number(f[0]) && is_number(f[1]) && f[2].n == 1;
	return f[0].n == 1 && is_number(f[1]) && f[2].n && f[3].n && are_arguments(f[4]) &&
	       is_number(f[5]) && is_number(f[6]) && is_number(f[7]) &&
	       number(f[7]) <= ARGUMENTS_MAX;
}

bool
catalog_types_room(struct catalog_types *t, struct arena *a, size_t types, size_t casts,
		   size_t overloads)
{
	t->types = arena_try_alloc(a, (types + 1) * sizeof(*t->types));
	t->casts = arena_try_alloc(a, (casts + 1) * sizeof(*t->casts));
	t->overloads = arena_try_alloc(a, (overloads + 1) * sizeof(*t->overloads));
	return t->types && t->casts && t->overloads;
}

static bool
add_overload(struct catalog_types *t, struct arena *a, const struct slice *f)
{
	struct catalog_overload *o = &t->overloads[t->n_overloads++];
	uint32_t *arguments = arena_try_alloc(a, (f[4].n / 2 + 1) * sizeof(*arguments));
	struct slice list = f[4];

	if (!arguments)
		return false;
	*o = (struct catalog_overload){.kind = (char)f[0].p[0],
				       .oid = number(f[1]),
				       .schema = f[2],
				       .name = f[3],
				       .arguments = arguments,
				       .result = number(f[5]),
				       .variadic = number(f[6]),
				       .n_defaults = (uint16_t)number(f[7])};
	while (next_number(&list, &arguments[o->n_arguments]))
		o->n_arguments++;
	o->own = o->oid >= FIRST_NORMAL_OID || !slice_is(o->schema, "pg_catalog");
	return true;
}

bool
catalog_types_add(struct catalog_types *t, struct arena *a, enum catalog_query q,
		  const struct slice *f)
{
	if (q == CATALOG_Q_TYPES)
		t->types[t->n_types++] = (struct catalog_type){.oid = number(f[0]),
							       .schema = f[1],
							       .name = f[2],
							       .category = (char)f[3].p[0],
							       .preferred = f[4].p[0] == 't',
							       .kind = (char)f[5].p[0],
							       .base = number(f[6]),
							       .element = number(f[7]),
							       .array = number(f[8])};
	else if (q == CATALOG_Q_CASTS)
		t->casts[t->n_casts++] = (struct catalog_cast){.source = number(f[0]),
							       .target = number(f[1]),
							       .implicit = f[2].p[0] == 'i' ||
									   f[2].p[0] == 'I',
							       .own = f[4].n > 0,
							       .unasked = f[2].p[0] < 'a',
							       .schema = f[3],
							       .function = f[4]};
	return q != CATALOG_Q_OVERLOADS || add_overload(t, a, f);
}

static int
type_order(const void *x, const void *y)
{
	const struct catalog_type *a = x, *b = y;

	return (a->oid > b->oid) - (a->oid < b->oid);
}

static int
cast_order(const void *x, const void *y)
{
	const struct catalog_cast *a = x, *b = y;

	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->target > b->target) - (a->target < b->target);
}

static int
overload_order(const void *x, const void *y)
{
	const struct catalog_overload *a = x, *b = y;

	return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : slice_cmp(a->name, b->name);
}

void
catalog_types_sort(struct catalog_types *t)
{
	qsort(t->types, t->n_types, sizeof(*t->types), type_order);
	qsort(t->casts, t->n_casts, sizeof(*t->casts), cast_order);
	qsort(t->overloads, t->n_overloads, sizeof(*t->overloads), overload_order);
}

const struct catalog_type *
catalog_type(const struct catalog_types *t, uint32_t oid)
{
	struct catalog_type key = {.oid = oid};

	return bsearch(&key, t->types, t->n_types, sizeof(key), type_order);
}

bool
catalog_type_is_of(const struct catalog_types *t, uint32_t type, uint32_t wanted)
{
	for (unsigned depth = 0; depth < 4; depth++) {
		const struct catalog_type *info = catalog_type(t, type);

		if (type == wanted || (info && info->base == wanted))
			return true;
		info = info ? catalog_type(t, info->base) : NULL;
		if (!info || !info->element)
			return false;
		type = info->element;
	}
	return false;
}

const struct catalog_cast *
catalog_cast(const struct catalog_types *t, uint32_t source, uint32_t target)
{
	struct catalog_cast key = {.source = source, .target = target};

	return bsearch(&key, t->casts, t->n_casts, sizeof(key), cast_order);
}

const struct catalog_overload *
catalog_overloads(const struct catalog_types *t, char kind, struct slice name, size_t *n)
{
	struct catalog_overload key = {.kind = kind, .name = name};
	size_t lo = 0, hi = t->n_overloads;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (overload_order(&t->overloads[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*n = 0;
	while (lo + *n < t->n_overloads && overload_order(&t->overloads[lo + *n], &key) == 0)
		++*n;
	return t->overloads + lo;
}
