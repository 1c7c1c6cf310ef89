/* SPDX-License-Identifier: MIT
 *
 * Functions that the policy vouches for, by name and by the digest of their definition. A call
 * names no argument types, so every function that it could mean must be vouched for and be what it
 * was: then the call is as harmless as that of a safe built-in. A name that is also a built-in's
 * (unless the call is qualified), an operator's or a type's may mean something else and is not
 * looked at.
 */
#include "gate/gate_internal.h"

#include "base/buf.h"

enum vouched { VOUCHED_NOT, VOUCHED_CHANGED, VOUCHED };

static bool
take(struct slice *s, struct slice part)
{
	if (s->n < part.n || (part.n && memcmp(s->p, part.p, part.n) != 0))
		return false;
	*s = slice_of(s->p + part.n, s->n - part.n);
	return true;
}

static bool
is_signature(struct slice s, const struct catalog_function *f)
{
	return take(&s, f->schema) && take(&s, SLICE_LIT(".")) && take(&s, f->name) &&
	       take(&s, SLICE_LIT("(")) && take(&s, f->arguments) && slice_is(s, ")");
}

static enum vouched
look_up(const struct image *img, const struct catalog_function *f)
{
	for (size_t i = 0; i < img->n_trusted; i++) {
		const struct image_trusted *t = &img->trusted[i];

		if (is_signature(t->function, f))
			return f->has_digest && memcmp(t->digest, f->digest, SHA256_LEN) == 0
				       ? VOUCHED
				       : VOUCHED_CHANGED;
	}
	return VOUCHED_NOT;
}

static enum vouched
vouched(const struct gate_class *c, struct slice schema, struct slice name,
	const struct catalog_function **changed)
{
	const struct catalog *cat = c->catalog ? c->catalog->catalog : NULL;
	const struct catalog_function *f;
	size_t n, meant = 0;

	if (!cat || !c->epoch->image->n_trusted || slice_is(schema, "pg_catalog") ||
	    (!schema.n && catalog_shadows(cat, 'b', name)) || catalog_shadows(cat, 'o', name) ||
	    catalog_shadows(cat, 't', name) || catalog_shadows(cat, 'c', name))
		return VOUCHED_NOT;
	f = catalog_functions_named(cat, name, &n);
	for (size_t i = 0; i < n; i++) {
		enum vouched v;

		if (f[i].procedure || (schema.n && !slice_eq(f[i].schema, schema)))
			continue;
		v = look_up(c->epoch->image, &f[i]);
		if (v == VOUCHED_CHANGED)
			*changed = &f[i];
		if (v != VOUCHED)
			return v;
		meant++;
	}
	return meant ? VOUCHED : VOUCHED_NOT;
}

bool
class_vouches(const struct gate_class *c, struct slice schema, struct slice name)
{
	const struct catalog_function *changed;

	return name.n && vouched(c, schema, name, &changed) == VOUCHED;
}

bool
gate_vouches(const struct gate_session *s, struct slice schema, struct slice name)
{
	return s->class && class_vouches(s->class, schema, name);
}

bool
effect_is_vouched(const struct gate_class *c, const struct sql_effect *e)
{
	return e->action == ACTION_SQL_OPAQUE_FUNCTION && class_vouches(c, e->schema, e->function);
}

const char *
effect_changed(const struct gate_class *c, const struct sql_effect *e, struct arena *a)
{
	const struct catalog_function *f = NULL;

	if (e->action != ACTION_SQL_OPAQUE_FUNCTION || !e->function.n ||
	    vouched(c, e->schema, e->function, &f) != VOUCHED_CHANGED)
		return NULL;
	return arena_printf(a, "function %.*s.%.*s(%.*s) is not what it was when the policy vouched "
			       "for it", SLICE_ARG(f->schema), SLICE_ARG(f->name),
			    SLICE_ARG(f->arguments));
}
