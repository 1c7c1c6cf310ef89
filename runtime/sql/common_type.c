/* SPDX-License-Identifier: MIT
 *
 * Of what type values are that become one: as select_common_type (parse_coerce.c) takes them one by
 * one. Each goes over to the next where it can be made of it unasked, but not back, unless it is a
 * preferred one; what has no type changes nothing, and is text in the end. Values of different
 * categories are an error there, so that nothing comes of them here. Domains count as what they are
 * over, unless all values are of the same one.
 */
#include "sql/overload.h"

/* Nobody knows what comes of it. */
static void
give_up(struct common_type *c)
{
	c->unknown = true;
}

static void
add(struct common_type *c, struct overload_set *s, uint32_t type)
{
	if (!overload_set_add(s, type))
		give_up(c);
}

/* What one type and the next give. */
static void
go_on(const struct catalog_types *t, struct common_type *c, uint32_t had, uint32_t next,
      struct overload_set *out)
{
	const struct catalog_type *from = catalog_type(t, had), *to = catalog_type(t, next);
	enum fit there, back;
	bool own = false;

	if (next == TYPE_OID_UNKNOWN || next == had) {
		add(c, out, had);
		return;
	}
	if (had == TYPE_OID_UNKNOWN) {
		add(c, out, next);
		return;
	}
	if (!from || !to) { /* a row's */
		give_up(c);
		return;
	}
	if (from->category != to->category)
		return;
	there = from->preferred ? FIT_NOT : overload_casts(t, had, next, &own);
	back = overload_casts(t, next, had, &own);
	if (there != FIT_SURE || back != FIT_NOT)
		add(c, out, had);
	if (there != FIT_NOT && back != FIT_SURE)
		add(c, out, next);
}

static uint32_t
base_of(const struct catalog_types *t, uint32_t type)
{
	const struct catalog_type *info = catalog_type(t, type);

	return info && info->base ? info->base : type;
}

static bool
has(const struct overload_set *s, uint32_t type)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->types[i] == type)
			return true;
	return false;
}

void
common_type_add(const struct catalog_types *t, struct common_type *c,
		const struct overload_set *value)
{
	struct overload_set next = {0}, same = {0};

	if (!value->n)
		give_up(c);
	c->several = c->several || value->n > 1;
	for (uint32_t i = 0; i < value->n; i++) {
		uint32_t type = value->types[i];

		if (type != TYPE_OID_UNKNOWN && (!c->begun || has(&c->same, type)))
			add(c, &same, type);
		if (!c->begun)
			add(c, &next, base_of(t, type));
		for (uint32_t k = 0; c->begun && k < c->so_far.n; k++)
			go_on(t, c, c->so_far.types[k], base_of(t, type), &next);
	}
	c->begun = true;
	c->so_far = next;
	c->same = same;
}

void
common_type_get(const struct common_type *c, struct overload_set *out)
{
	bool known = !c->unknown && c->so_far.n;

	*out = (struct overload_set){0};
	for (uint32_t i = 0; known && i < c->same.n; i++)
		known = overload_set_add(out, c->same.types[i]);
	for (uint32_t i = 0; known && (c->several || !c->same.n) && i < c->so_far.n; i++) {
		uint32_t type = c->so_far.types[i];

		known = overload_set_add(out, type == TYPE_OID_UNKNOWN ? TYPE_OID_TEXT : type);
	}
	if (!known)
		out->n = 0;
}

void
common_type_array(const struct catalog_types *t, const struct overload_set *elements,
		  struct overload_set *out)
{
	*out = (struct overload_set){0};
	for (uint32_t i = 0; i < elements->n; i++) {
		const struct catalog_type *e = catalog_type(t, elements->types[i]);
		const struct catalog_type *base = e ? catalog_type(t, e->base) : NULL;
		uint32_t array = e ? e->array : 0;

		/* Arrays are put together to one of more dimensions. */
		if (base && base->category == 'A')
			array = e == base && !e->array && e->element ? e->oid : 0;
		if (!array || !overload_set_add(out, array)) {
			out->n = 0;
			return;
		}
	}
}
