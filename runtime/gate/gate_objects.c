/* SPDX-License-Identifier: MIT
 *
 * What a statement is about, beyond its text: the tables and views that its names mean and the code
 * that it calls, as the catalog has them. Who approves a statement approves it about these
 * (session_hold.c).
 */
#include "gate/gate_internal.h"

#include "base/cbor.h"
#include "base/crypto.h"

enum { PARENTS_MAX = 32 };

static void
put_function(struct buf *b, const struct catalog *cat, struct slice schema, struct slice name)
{
	size_t n;
	const struct catalog_function *found = catalog_functions_named(cat, name, &n);

	for (size_t k = 0; k < n; k++) {
		if (schema.n && !slice_eq(schema, found[k].schema))
			continue;
		cbor_text(b, found[k].schema);
		cbor_text(b, found[k].arguments);
		cbor_bytes(b, slice_of(found[k].digest, SHA256_LEN));
	}
}

/* A call of a built-in's name too: it means another function once there is a closer one. */
static void
put_functions(struct buf *b, const struct catalog *cat, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (f->effects[i].function.n)
			put_function(b, cat, f->effects[i].schema, f->effects[i].function);
	for (uint32_t i = 0; i < f->n_calls; i++) {
		const struct sql_call *c = &f->calls[i];

		if (c->flags & SQL_CALL_OPERATOR)
			cbor_bool(b, name_is_taken(cat, 'o', c->name));
		else if (c->flags & SQL_CALL_TYPE)
			cbor_bool(b, name_is_taken(cat, 't', c->name));
		else
			put_function(b, cat, c->schema, c->name);
	}
}

/* The version of a relation covers its rules, policies, defaults and triggers, and the functions of
 * these (catalog_queries.c); not what its columns are called. */
static void
put_one(struct buf *b, const struct catalog *cat, const struct catalog_relation *r)
{
	cbor_uint(b, r->oid);
	cbor_uint(b, r->version);
	for (uint32_t i = 0; i < r->n_columns; i++) {
		cbor_bool(b, r->columns[i].dropped);
		cbor_bytes(b, r->columns[i].name);
		cbor_uint(b, r->columns[i].type);
	}
	if (r->definition)
		put_functions(b, cat, r->definition);
}

static bool
descends(const struct catalog *cat, const struct catalog_relation *r,
	 const struct catalog_relation *from, int depth)
{
	const struct catalog_relation *p;

	for (uint32_t i = 0; depth && (p = catalog_parent(cat, r, i)) != NULL; i++)
		if (p == from || descends(cat, p, from, depth - 1))
			return true;
	return false;
}

/* What is read and written with it: its partitions, and what inherits from it. */
static void
put_children(struct buf *b, const struct catalog *cat, const struct catalog_relation *r)
{
	for (size_t i = 0; i < catalog_count(cat); i++) {
		const struct catalog_relation *child = catalog_at(cat, i);

		if (child->n_parents && descends(cat, child, r, PARENTS_MAX))
			put_one(b, cat, child);
	}
}

static void
put_relation(struct buf *b, const struct catalog *cat, const struct catalog_relation *r)
{
	const struct catalog_depend *below;
	uint32_t n;

	if (!r) {
		cbor_uint(b, 0);
		return;
	}
	put_one(b, cat, r);
	put_children(b, cat, r);
	below = catalog_view_depends(cat, r, &n);
	for (uint32_t i = 0; i < n; i++) {
		put_one(b, cat, below[i].relation);
		put_children(b, cat, below[i].relation);
	}
}

void
gate_objects(struct gate_session *s, const struct sql_facts *f, uint8_t out[SHA256_LEN],
	     struct arena *arena)
{
	const struct gate_class *c = s->class;
	const struct catalog *cat = c && c->catalog ? c->catalog->catalog : NULL;
	const struct catalog_path *path = s->path ? &s->path->path : c ? &c->path : NULL;
	const struct catalog_relation **relations;
	struct buf b = {0};

	memset(out, 0, SHA256_LEN);
	if (!cat)
		return;
	relations = class_relations(c, path, f, arena);
	for (uint32_t i = 0; i < f->n_relations; i++)
		put_relation(&b, cat, relations[i]);
	/* What DDL names is in its effects alone. */
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (f->effects[i].object.n)
			put_relation(&b, cat, class_resolve(c, path, f->effects[i].schema,
							    f->effects[i].object));
	put_functions(&b, cat, f);
	assert(!b.failed);
	sha256(out, buf_slice(&b));
	buf_fini(&b);
}
