/* SPDX-License-Identifier: MIT */
#include "gate/former.h"

#include "vm/match.h"

#include <stdlib.h>

enum {
	NAMES_MAX = 1 << 24,
	PARENTS_MAX = 32,
	NAMED_MAX = 8, /* in a message */
};

/* ---- lists ----------------------------------------------------------------------------------- */

/* One that is still being filled; strings belong to somebody else. */
struct names {
	struct former_name *v;
	size_t n, cap;
};

static void
add(struct names *l, struct former_name name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
		assert(l->v != NULL);
	}
	l->v[l->n++] = name;
}

static int
column_order(const struct former_name *a, uint32_t oid, int attnum)
{
	if (a->oid != oid)
		return a->oid < oid ? -1 : 1;
	return (a->attnum > attnum) - (a->attnum < attnum);
}

static int
name_order(const void *x, const void *y)
{
	const struct former_name *a = x, *b = y;
	int c = column_order(a, b->oid, b->attnum);

	if (!c)
		c = slice_cmp(a->schema, b->schema);
	if (!c)
		c = slice_cmp(a->table, b->table);
	return c ? c : slice_cmp(a->column, b->column);
}

/* In order, each once, with strings of its own; frees the list. */
static struct former *
finish(struct names *l)
{
	struct former *f = calloc(1, sizeof(*f));
	struct former_name *v;
	size_t of_relation = 0;

	assert(f != NULL);
	arena_init(&f->arena, 0);
	v = ARENA_ARRAY(&f->arena, struct former_name, l->n + 1);
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), name_order);
	for (size_t i = 0; i < l->n; i++) {
		const struct former_name *is = &l->v[i];

		if (i && name_order(is, &l->v[i - 1]) == 0)
			continue;
		of_relation = f->n && v[f->n - 1].oid == is->oid ? of_relation + 1 : 1;
		if (of_relation > f->most)
			f->most = of_relation;
		v[f->n++] = (struct former_name){is->oid, is->attnum,
						 arena_copy(&f->arena, is->schema),
						 arena_copy(&f->arena, is->table),
						 arena_copy(&f->arena, is->column)};
	}
	f->v = v;
	free(l->v);
	return f;
}

void
former_free(struct former *f)
{
	if (!f)
		return;
	arena_fini(&f->arena);
	free(f);
}

const struct former_name *
former_find(const struct former *f, uint32_t oid, int attnum, size_t *n)
{
	size_t lo = 0, hi = f ? f->n : 0;

	*n = 0;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (column_order(&f->v[mid], oid, attnum) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (f && lo + *n < f->n && f->v[lo + *n].oid == oid &&
	       (!attnum || f->v[lo + *n].attnum == attnum))
		++*n;
	return *n ? f->v + lo : NULL;
}

/* ---- what a policy covers -------------------------------------------------------------------- */

static bool
matches(const struct image_column *p, struct slice schema, struct slice table, struct slice column)
{
	return match_glob(p->schema, schema) && match_glob(p->table, table) &&
	       match_glob(p->column, column);
}

static bool
covers_everything(const struct image_column *p)
{
	return slice_is(p->schema, "*") && slice_is(p->table, "*") && slice_is(p->column, "*");
}

static bool
is_system(const struct catalog_relation *r)
{
	return slice_is(r->schema, "pg_catalog") || slice_is(r->schema, "information_schema");
}

static const struct catalog_column *
column_of(const struct catalog *cat, const struct former_name *name)
{
	const struct catalog_relation *r = catalog_by_oid(cat, name->oid);

	return r ? catalog_column(r, name->attnum) : NULL;
}

/* The data class covers the column by its name of today, or by that of one that it inherits. */
static bool
covers_now(const struct image_data *d, const struct catalog *cat, const struct catalog_relation *r,
	   struct slice column, int depth)
{
	const struct catalog_relation *p;

	for (size_t i = 0; i < d->n_columns; i++)
		if (matches(&d->columns[i], r->schema, r->name, column))
			return true;
	for (uint32_t i = 0; depth && (p = catalog_parent(cat, r, i)); i++)
		if (catalog_column_named(p, column) && covers_now(d, cat, p, column, depth - 1))
			return true;
	return false;
}

/* ---- noting ---------------------------------------------------------------------------------- */

struct noting {
	const struct former *was;
	const struct image *img;
	const struct catalog *cat;
	struct names all; /* what is new */
	size_t first;     /* of the relation at hand */
};

static bool
is_noted(const struct noting *x, uint32_t oid, int attnum, const struct image_column *p)
{
	size_t n;
	const struct former_name *v = former_find(x->was, oid, attnum, &n);

	for (size_t i = 0; i < n; i++)
		if (matches(p, v[i].schema, v[i].table, v[i].column))
			return true;
	for (size_t i = x->first; i < x->all.n; i++)
		if (x->all.v[i].attnum == attnum &&
		    matches(p, x->all.v[i].schema, x->all.v[i].table, x->all.v[i].column))
			return true;
	return false;
}

/* as: the relation itself, or one that it inherits from. */
static void
note_pattern(struct noting *x, const struct catalog_relation *r, const struct catalog_relation *as,
	     const struct image_column *p)
{
	if (covers_everything(p) || !match_glob(p->table, as->name) ||
	    !match_glob(p->schema, as->schema))
		return;
	for (uint32_t k = 0; k < r->n_columns; k++) {
		const struct catalog_column *c = &r->columns[k];

		if (!c->dropped && match_glob(p->column, c->name) &&
		    (as == r || catalog_column_named(as, c->name)) &&
		    !is_noted(x, r->oid, c->attnum, p))
			add(&x->all, (struct former_name){r->oid, c->attnum, as->schema, as->name,
							  c->name});
	}
}

/* What a column of a parent was once called goes down to the one that is of its name now. */
static void
note_inherited(struct noting *x, const struct catalog_relation *r,
	       const struct catalog_relation *as, const struct image_column *p)
{
	size_t n;
	const struct former_name *was = former_find(x->was, as->oid, 0, &n);

	for (size_t i = 0; as != r && i < n; i++) {
		const struct catalog_column *above = catalog_column(as, was[i].attnum);
		const struct catalog_column *c =
			above ? catalog_column_named(r, above->name) : NULL;

		if (c && !covers_everything(p) &&
		    matches(p, was[i].schema, was[i].table, was[i].column) &&
		    !is_noted(x, r->oid, c->attnum, p))
			add(&x->all, (struct former_name){r->oid, c->attnum, was[i].schema,
							  was[i].table, was[i].column});
	}
}

static void
note_relation(struct noting *x, const struct catalog_relation *r, const struct catalog_relation *as,
	      int depth)
{
	const struct catalog_relation *p;

	for (size_t d = 0; d < x->img->n_data; d++)
		for (size_t i = 0; i < x->img->data[d].n_columns; i++) {
			note_pattern(x, r, as, &x->img->data[d].columns[i]);
			note_inherited(x, r, as, &x->img->data[d].columns[i]);
		}
	for (uint32_t i = 0; depth && (p = catalog_parent(x->cat, as, i)); i++)
		note_relation(x, r, p, depth - 1);
}

struct former *
former_note(const struct former *was, const struct image *img, const struct catalog *cat)
{
	struct noting x = {.was = was, .img = img, .cat = cat};
	bool changed;

	for (size_t i = 0; i < catalog_count(cat); i++) {
		const struct catalog_relation *r = catalog_at(cat, i);

		x.first = x.all.n;
		if (!is_system(r))
			note_relation(&x, r, r, PARENTS_MAX);
	}
	changed = !was || x.all.n > 0;
	for (size_t i = 0; was && i < was->n; i++)
		if (column_of(cat, &was->v[i]))
			add(&x.all, was->v[i]);
		else
			changed = true;
	if (changed)
		return finish(&x.all);
	free(x.all.v);
	return NULL;
}

/* ---- what has moved -------------------------------------------------------------------------- */

/* The name is one by which the column is still covered. */
static bool
is_called(const struct catalog *cat, const struct catalog_relation *r, struct slice column,
	  const struct former_name *name, int depth)
{
	const struct catalog_relation *p;

	if (slice_eq(r->schema, name->schema) && slice_eq(r->name, name->table) &&
	    slice_eq(column, name->column))
		return true;
	for (uint32_t i = 0; depth && (p = catalog_parent(cat, r, i)); i++)
		if (catalog_column_named(p, column) && is_called(cat, p, column, name, depth - 1))
			return true;
	return false;
}

struct former *
former_moved(const struct former *const *known, size_t n, const struct catalog *cat)
{
	struct names moved = {0};

	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < known[k]->n; i++) {
			const struct former_name *name = &known[k]->v[i];
			const struct catalog_column *c = column_of(cat, name);

			if (c && !is_called(cat, catalog_by_oid(cat, name->oid), c->name, name,
					    PARENTS_MAX))
				add(&moved, *name);
		}
	return moved.n ? finish(&moved) : NULL;
}

static void
say(struct buf *out, const struct catalog_relation *r, struct slice column,
    const struct former_name *name, struct slice data)
{
	struct buf is = {0}, was = {0};

	buf_printf(&is, "%.*s.%.*s.%.*s", SLICE_ARG(r->schema), SLICE_ARG(r->name),
		   SLICE_ARG(column));
	buf_printf(&was, "%.*s.%.*s.%.*s", SLICE_ARG(name->schema), SLICE_ARG(name->table),
		   SLICE_ARG(name->column));
	buf_puts(out, out->n ? ", " : "");
	buf_json_string(out, buf_slice(&is)); /* a name in a database may hold anything */
	buf_puts(out, " was ");
	buf_json_string(out, buf_slice(&was));
	buf_printf(out, " (data %.*s)", SLICE_ARG(data));
	buf_fini(&is);
	buf_fini(&was);
}

/* Column and class together were told with an earlier name. */
static bool
is_told(const struct former *moved, size_t at, const struct image_data *d)
{
	const struct former_name *name = &moved->v[at];

	for (; at > 0 && column_order(&moved->v[at - 1], name->oid, name->attnum) == 0; at--)
		for (size_t i = 0; i < d->n_columns; i++)
			if (matches(&d->columns[i], moved->v[at - 1].schema,
				    moved->v[at - 1].table, moved->v[at - 1].column))
				return true;
	return false;
}

size_t
former_only(const struct former *moved, const struct image *img, const struct catalog *cat,
	    struct buf *out)
{
	size_t found = 0;

	for (size_t i = 0; moved && i < moved->n; i++)
		for (size_t d = 0; d < img->n_data; d++) {
			const struct former_name *name = &moved->v[i];
			const struct catalog_relation *r = catalog_by_oid(cat, name->oid);
			const struct catalog_column *c = column_of(cat, name);

			if (!image_data_matches(img, d, name->schema, name->table, name->column) ||
			    covers_now(&img->data[d], cat, r, c->name, PARENTS_MAX) ||
			    is_told(moved, i, &img->data[d]))
				continue;
			if (found++ < NAMED_MAX)
				say(out, r, c->name, name, img->data[d].name);
		}
	if (found > NAMED_MAX)
		buf_printf(out, " and %zu more", found - NAMED_MAX);
	return found;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

void
former_put(const struct former *f, struct buf *out)
{
	cbor_array(out, f->n);
	for (size_t i = 0; i < f->n; i++) {
		cbor_array(out, 5);
		cbor_uint(out, f->v[i].oid);
		cbor_uint(out, (uint64_t) f->v[i].attnum);
		/* Bytes: a database in SQL_ASCII has names of any. */
		cbor_bytes(out, f->v[i].schema);
		cbor_bytes(out, f->v[i].table);
		cbor_bytes(out, f->v[i].column);
	}
}

struct former *
former_get(struct cbor_reader *r)
{
	struct names l = {0};
	size_t n = cbor_get_array(r, NAMES_MAX);

	for (size_t i = 0; i < n && !r->error; i++) {
		struct former_name name;
		uint64_t oid, attnum;

		if (cbor_get_array(r, 5) != 5)
			cbor_fail(r, "no name");
		oid = cbor_get_uint(r);
		attnum = cbor_get_uint(r);
		name.schema = cbor_get_bytes(r);
		name.table = cbor_get_bytes(r);
		name.column = cbor_get_bytes(r);
		if (!oid || oid > UINT32_MAX || !attnum || attnum > INT16_MAX || !name.schema.n ||
		    !name.table.n || !name.column.n)
			cbor_fail(r, "no name");
		name.oid = (uint32_t) oid;
		name.attnum = (int16_t) attnum;
		if (!r->error)
			add(&l, name);
	}
	if (!r->error)
		return finish(&l);
	free(l.v);
	return NULL;
}
