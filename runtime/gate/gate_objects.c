/* SPDX-License-Identifier: MIT
 *
 * What a statement is about, beyond its text: the tables and views that its names mean and the code
 * that it calls, as the catalog has them. Who approves a statement approves it about these
 * (session_hold.c).
 */
#include "gate/gate_internal.h"

#include "base/cbor.h"
#include "base/crypto.h"

static void
put_functions(struct buf *b, const struct catalog *cat, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_effects; i++) {
		const struct sql_effect *e = &f->effects[i];
		const struct catalog_function *found;
		size_t n;

		if (!e->function.n)
			continue;
		found = catalog_functions_named(cat, e->function, &n);
		for (size_t k = 0; k < n; k++) {
			if (e->schema.n && !slice_eq(e->schema, found[k].schema))
				continue;
			cbor_text(b, found[k].schema);
			cbor_text(b, found[k].arguments);
			cbor_bytes(b, slice_of(found[k].digest, SHA256_LEN));
		}
	}
}

/* The version of a relation covers its rules, triggers and their functions (catalog_queries.c). */
static void
put_one(struct buf *b, const struct catalog *cat, const struct catalog_relation *r)
{
	cbor_uint(b, r->oid);
	cbor_uint(b, r->version);
	if (r->definition)
		put_functions(b, cat, r->definition);
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
	below = catalog_view_depends(cat, r, &n);
	for (uint32_t i = 0; i < n; i++)
		put_one(b, cat, below[i].relation);
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
