/* SPDX-License-Identifier: MIT
 *
 * The server first looks for a function of exactly those types; then it takes all that the
 * arguments can be made fit for, and of them those that fit best. Here a candidate may also be one
 * of which it is not known whether the server has it, or whether it fits. To drop others by such
 * ones is safe if in the end one remains that is there and fits beyond doubt: whatever was dropped
 * was then dropped by that one too. Otherwise nothing is dropped.
 */
#include "sql/overload.h"

enum polymorphic {
	ANYARRAY = 2277,
	ANYELEMENT = 2283,
	ANYNONARRAY = 2776,
	ANYENUM = 3500,
	ANYRANGE = 3831,
	ANYMULTIRANGE = 4537,
	ANYCOMPATIBLEMULTIRANGE = 4538,
	ANYCOMPATIBLE = 5077,
	ANYCOMPATIBLEARRAY = 5078,
	ANYCOMPATIBLENONARRAY = 5079,
	ANYCOMPATIBLERANGE = 5080,
	RECORD = 2249,
	RECORDS = 2287,
};

struct choosing {
	const struct catalog_types *t;
	const struct catalog_overload *c; /* of the name */
	size_t n;
	char kind;
	const struct overload_set *arguments;
	uint32_t n_arguments;
	bool built_ins_first; /* in the search path */
	bool path_known;
	uint8_t fits[OVERLOAD_CANDIDATES_MAX];
	bool exact[OVERLOAD_CANDIDATES_MAX];
	/* An argument is made fit by a cast that is not PostgreSQL's. */
	bool by_own_cast[OVERLOAD_CANDIDATES_MAX];
};

bool
overload_set_add(struct overload_set *s, uint32_t type)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->types[i] == type)
			return true;
	if (s->n == OVERLOAD_TYPES_MAX) {
		s->n = 0;
		return false;
	}
	s->types[s->n++] = type;
	return true;
}

/* ---- whether a type fits --------------------------------------------------------------------- */

static uint32_t
base_of(const struct catalog_types *t, uint32_t type)
{
	const struct catalog_type *info = catalog_type(t, type);

	return info && info->base ? info->base : type;
}

bool
overload_is_polymorphic(uint32_t type)
{
	switch (type) {
	case ANYARRAY: case ANYELEMENT: case ANYNONARRAY: case ANYENUM: case ANYRANGE:
	case ANYMULTIRANGE: case ANYCOMPATIBLEMULTIRANGE: case ANYCOMPATIBLE:
	case ANYCOMPATIBLEARRAY: case ANYCOMPATIBLENONARRAY: case ANYCOMPATIBLERANGE:
		return true;
	default:
		return false;
	}
}

/* Whether it goes together with what the other arguments are is not looked at. */
static enum fit
fits_polymorphic(const struct catalog_types *t, uint32_t type, uint32_t target)
{
	const struct catalog_type *info = catalog_type(t, base_of(t, type));
	bool fits = true;

	if (!info || type == TYPE_OID_UNKNOWN)
		return FIT_MAYBE;
	switch (target) {
	case ANYARRAY: case ANYCOMPATIBLEARRAY: fits = info->category == 'A'; break;
	case ANYNONARRAY: case ANYCOMPATIBLENONARRAY: fits = info->category != 'A'; break;
	case ANYENUM: fits = info->kind == 'e'; break;
	case ANYRANGE: case ANYCOMPATIBLERANGE: fits = info->kind == 'r'; break;
	case ANYMULTIRANGE: case ANYCOMPATIBLEMULTIRANGE: fits = info->kind == 'm'; break;
	default: break;
	}
	return fits ? FIT_MAYBE : FIT_NOT;
}

/* Types are made of others unasked by a cast, and arrays as their elements are. */
enum fit
overload_casts(const struct catalog_types *t, uint32_t type, uint32_t target, bool *own)
{
	const struct catalog_type *from, *to;
	const struct catalog_cast *cast;

	type = base_of(t, type);
	target = base_of(t, target);
	from = catalog_type(t, type);
	to = catalog_type(t, target);
	if (type == target)
		return FIT_SURE;
	cast = catalog_cast(t, type, target);
	if (cast && cast->implicit) {
		*own = *own || cast->own;
		return FIT_SURE;
	}
	/* Only rows, which are not listed, become others; arrays of them likewise. */
	if (!from || ((type == RECORD || type == RECORDS) && !to))
		return FIT_MAYBE;
	if (!to || !from->element || !to->element || target == TYPE_OID_OIDVECTOR ||
	    target == TYPE_OID_INT2VECTOR)
		return FIT_NOT;
	return overload_casts(t, from->element, to->element, own);
}

static enum fit
fits_one(const struct catalog_types *t, uint32_t type, uint32_t target, bool *own)
{
	if (type == target || target == TYPE_OID_ANY)
		return FIT_SURE;
	if (overload_is_polymorphic(target))
		return fits_polymorphic(t, type, target);
	if (type == TYPE_OID_UNKNOWN)
		return FIT_SURE;
	return overload_casts(t, type, target, own);
}

static enum fit
fits_set(const struct catalog_types *t, const struct overload_set *s, uint32_t target, bool *own)
{
	enum fit best = s->n ? FIT_NOT : FIT_MAYBE;

	for (uint32_t i = 0; i < s->n; i++) {
		enum fit one = fits_one(t, s->types[i], target, own);

		best = one > best ? one : best;
	}
	return s->n > 1 && best == FIT_SURE ? FIT_MAYBE : best;
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What argument i of the call would be to it. */
static uint32_t
argument(const struct catalog_overload *c, uint32_t i)
{
	return c->variadic && i + 1 >= c->n_arguments ? c->variadic : c->arguments[i];
}

static bool
takes(const struct catalog_overload *c, uint32_t n)
{
	if (n >= c->n_arguments)
		return n == c->n_arguments || c->variadic;
	return n + c->n_defaults >= c->n_arguments;
}

static bool
is_visible(const struct catalog_path *path, const struct catalog_overload *c)
{
	if (!path || path->truncated || slice_is(c->schema, "pg_catalog"))
		return true;
	for (unsigned i = 0; i < path->n; i++)
		if (slice_eq(path->schemas[i], c->schema))
			return true;
	return false;
}

static bool
is_plain(const struct catalog_overload *c, uint32_t n)
{
	return !c->variadic && c->n_arguments == n;
}

/* Of two that take the same, the first in the search path hides the other. */
static bool
is_hidden(const struct choosing *ch, const struct catalog_overload *own)
{
	if (!own->own || !ch->built_ins_first || slice_is(own->schema, "pg_catalog"))
		return false;
	for (size_t k = 0; k < ch->n; k++) {
		const struct catalog_overload *c = &ch->c[k];
		uint32_t i = 0;

		if (c->own || !is_plain(c, ch->n_arguments))
			continue;
		while (i < ch->n_arguments && argument(own, i) == c->arguments[i])
			i++;
		if (i == ch->n_arguments)
			return true;
	}
	return false;
}

static enum fit
fits_all(struct choosing *ch, size_t k, const struct catalog_path *path)
{
	const struct catalog_overload *c = &ch->c[k];
	enum fit worst = FIT_SURE;

	if (!is_visible(path, c))
		return FIT_NOT;
	if (ch->n_arguments == SQL_APPLY_ANY)
		return FIT_MAYBE;
	if (!takes(c, ch->n_arguments))
		return FIT_NOT;
	for (uint32_t i = 0; i < ch->n_arguments; i++) {
		enum fit one = fits_set(ch->t, &ch->arguments[i], argument(c, i),
					&ch->by_own_cast[k]);

		worst = one < worst ? one : worst;
	}
	return worst && is_hidden(ch, c) ? FIT_NOT : worst;
}

/* ---- the best of them ------------------------------------------------------------------------ */

static bool
is_exactly(const struct choosing *ch, const struct catalog_overload *c, const uint32_t *types)
{
	for (uint32_t i = 0; i < ch->n_arguments; i++)
		if (argument(c, i) != types[i])
			return false;
	return true;
}

/* The server has it, and it fits. */
static bool
is_sure(const struct choosing *ch, size_t k)
{
	return ch->fits[k] == FIT_SURE && (!ch->c[k].own || ch->path_known);
}

/* Those of exactly these types are all there are, if the server is sure to see one of them. */
static bool
keep_exact(struct choosing *ch, const uint32_t *types)
{
	bool found = false;

	for (size_t k = 0; k < ch->n; k++) {
		const struct catalog_overload *c = &ch->c[k];

		if (!ch->fits[k] || !is_exactly(ch, c, types))
			continue;
		ch->exact[k] = true;
		found = found || (is_sure(ch, k) && is_plain(c, ch->n_arguments));
	}
	for (size_t k = 0; found && k < ch->n; k++)
		if (!ch->exact[k])
			ch->fits[k] = FIT_NOT;
	return found;
}

/* Beside an operator what has no type is of that of the other side, or of what that is over. */
static bool
exact(struct choosing *ch)
{
	uint32_t types[2], known;
	const struct overload_set *a = ch->arguments;

	if (ch->kind != 'o' || ch->n_arguments != 2 ||
	    (a[0].types[0] == TYPE_OID_UNKNOWN) == (a[1].types[0] == TYPE_OID_UNKNOWN)) {
		uint32_t all[OVERLOAD_TYPES_MAX];

		for (uint32_t i = 0; i < ch->n_arguments; i++)
			all[i] = a[i].types[0];
		return keep_exact(ch, all);
	}
	known = a[0].types[0] == TYPE_OID_UNKNOWN ? a[1].types[0] : a[0].types[0];
	types[0] = types[1] = known;
	if (keep_exact(ch, types))
		return true;
	types[0] = types[1] = base_of(ch->t, known);
	return keep_exact(ch, types);
}

static bool
matches(const struct choosing *ch, const struct catalog_overload *c, uint32_t i, bool preferred)
{
	uint32_t base = base_of(ch->t, ch->arguments[i].types[0]), is = argument(c, i);
	const struct catalog_type *of = catalog_type(ch->t, base), *info = catalog_type(ch->t, is);

	return is == base || (preferred && of && info && info->preferred &&
			      info->category == of->category);
}

/* Keeps those of which most arguments are what they should be, or of a preferred type. */
static void
keep_most(struct choosing *ch, bool preferred)
{
	uint32_t most = 0, has[OVERLOAD_CANDIDATES_MAX];

	for (size_t k = 0; k < ch->n; k++) {
		has[k] = 0;
		for (uint32_t i = 0; ch->fits[k] && i < ch->n_arguments; i++)
			has[k] += ch->arguments[i].types[0] != TYPE_OID_UNKNOWN &&
				  matches(ch, &ch->c[k], i, preferred);
		most = has[k] > most ? has[k] : most;
	}
	for (size_t k = 0; k < ch->n; k++)
		if (has[k] < most)
			ch->fits[k] = FIT_NOT;
}

/* The category that argument i, which has no type, is taken to be of: text, if some candidate takes
 * text there, else that of all of them. 0: they differ. */
static char
category_of(const struct choosing *ch, uint32_t i, bool *preferred)
{
	char category = 0;
	bool differ = false;

	*preferred = false;
	for (size_t k = 0; k < ch->n; k++) {
		const struct catalog_type *info;

		if (!ch->fits[k])
			continue;
		info = catalog_type(ch->t, argument(&ch->c[k], i));
		if (!info) /* a row's */
			return 0;
		if (!category || (info->category == 'S' && category != 'S')) {
			differ = differ || category;
			category = info->category;
			*preferred = info->preferred;
		} else if (info->category == category) {
			*preferred = *preferred || info->preferred;
		} else {
			differ = true;
		}
	}
	return differ && category != 'S' ? 0 : category;
}

static void
keep_categories(struct choosing *ch)
{
	char categories[OVERLOAD_TYPES_MAX] = {0};
	bool preferred[OVERLOAD_TYPES_MAX] = {0};
	bool keep[OVERLOAD_CANDIDATES_MAX], any = false;

	for (uint32_t i = 0; i < ch->n_arguments; i++)
		if (ch->arguments[i].types[0] == TYPE_OID_UNKNOWN) {
			categories[i] = category_of(ch, i, &preferred[i]);
			if (!categories[i])
				return;
		}
	for (size_t k = 0; k < ch->n; k++) {
		keep[k] = ch->fits[k];
		for (uint32_t i = 0; keep[k] && i < ch->n_arguments; i++) {
			const struct catalog_type *info =
				catalog_type(ch->t, argument(&ch->c[k], i));

			keep[k] = !categories[i] ||
				  (info && info->category == categories[i] &&
				   (!preferred[i] || info->preferred));
		}
		any = any || keep[k];
	}
	for (size_t k = 0; any && k < ch->n; k++)
		if (!keep[k])
			ch->fits[k] = FIT_NOT;
}

static void
choose(struct choosing *ch)
{
	uint8_t all[OVERLOAD_CANDIDATES_MAX];
	bool sure = false;

	if (ch->n_arguments > OVERLOAD_TYPES_MAX)
		return;
	for (uint32_t i = 0; i < ch->n_arguments; i++)
		if (ch->arguments[i].n != 1)
			return;
	if (exact(ch))
		return;
	memcpy(all, ch->fits, ch->n);
	keep_most(ch, false);
	keep_most(ch, true);
	keep_categories(ch);
	for (size_t k = 0; k < ch->n; k++)
		sure = sure || is_sure(ch, k);
	if (!sure)
		memcpy(ch->fits, all, ch->n);
}

static bool
begins_with_built_ins(const struct catalog_path *path)
{
	for (unsigned i = 0; path && !path->truncated && i < path->n; i++)
		if (!slice_is(path->schemas[i], "pg_temp"))
			return slice_is(path->schemas[i], "pg_catalog");
	return false;
}

static bool
add_concrete(struct overload_set *s, uint32_t type)
{
	return !overload_is_polymorphic(type) && type != TYPE_OID_ANY && overload_set_add(s, type);
}

void
overload_choose(const struct catalog_types *t, const struct catalog_path *path, char kind,
		struct slice name, const struct overload_set *arguments, uint32_t n,
		struct overload_choice *out, uint32_t *oids)
{
	struct choosing ch = {.t = t,
			      .kind = kind,
			      .arguments = arguments,
			      .n_arguments = n,
			      .built_ins_first = begins_with_built_ins(path),
			      .path_known = path && !path->truncated};
	bool known = true, left = n > 0 && n != SQL_APPLY_ANY;

	*out = (struct overload_choice){.own = true};
	ch.c = catalog_overloads(t, kind, name, &ch.n);
	if (!ch.n || ch.n > OVERLOAD_CANDIDATES_MAX)
		return;
	for (size_t k = 0; k < ch.n; k++)
		ch.fits[k] = (uint8_t)fits_all(&ch, k, path);
	if (n != SQL_APPLY_ANY)
		choose(&ch);
	out->own = false;
	for (size_t k = 0; k < ch.n; k++) {
		uint32_t result = ch.c[k].result;

		if (!ch.fits[k] && !ch.exact[k])
			continue;
		if (oids)
			oids[out->n] = ch.c[k].oid;
		out->n++;
		out->own = out->own || ch.c[k].own || ch.by_own_cast[k];
		left = left && add_concrete(&out->left, argument(&ch.c[k], 0));
		known = known && add_concrete(&out->result, result);
	}
	out->own = out->own || !out->n;
	if (!known)
		out->result.n = 0;
	if (!left)
		out->left.n = 0;
}
