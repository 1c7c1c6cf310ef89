/* SPDX-License-Identifier: MIT
 *
 * Whether a statement runs nothing but what it says. PostgreSQL's own functions that leave nothing
 * behind are known by name (grammar/functions.def); what the tables bring along (triggers,
 * defaults, constraints, policies) the catalog says; views are statements again. Whatever is not
 * known here is not quiet.
 */
#include "sql/catalog.h"

static bool
leaves_by_name(const struct sql_call *c)
{
	return slice_is(c->name, "nextval") || slice_is(c->name, "setseed");
}

static bool
effect_is_quiet(const struct sql_effect *e)
{
	switch (e->action) {
	case ACTION_SQL_SELECT:
	case ACTION_SQL_SHOW:
	case ACTION_SQL_EXPLAIN:
	case ACTION_SQL_COPY_OUT:
	case ACTION_SQL_INSERT:
	case ACTION_SQL_DELETE:
	case ACTION_SQL_MERGE:
	case ACTION_SQL_COPY_IN:
	case ACTION_SQL_BEGIN:
	case ACTION_SQL_COMMIT:
	case ACTION_SQL_ROLLBACK:
	case ACTION_SQL_SAVEPOINT:
	case ACTION_SQL_NOTIFY:
	case ACTION_SQL_DECLARE:
	/* What sets, locks or discards something for the session is followed, or refused. */
	case ACTION_SQL_SET:
	case ACTION_SQL_CONFIGURE:
	case ACTION_SQL_RESET:
	case ACTION_SQL_LOCK:
		return true;
	case ACTION_SQL_UPDATE:
		return !e->function.n; /* setval() */
	default:
		return false;
	}
}

/* *writes: rows, so that triggers and the like may run. */
static bool
facts_are_quiet(const struct sql_facts *f, bool *writes)
{
	if (f->status != SQL_OK)
		return false;
	for (uint32_t i = 0; i < f->n_effects; i++) {
		if (!effect_is_quiet(&f->effects[i]))
			return false;
		*writes = *writes ||
			  action_info[f->effects[i].action].parent == ACTION_SQL_WRITE;
	}
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (leaves_by_name(&f->calls[i]))
			return false;
	return true;
}

/* Its text names everything outside pg_catalog with its schema. */
static bool
definition_is_quiet(const struct sql_facts *f)
{
	bool writes = false;

	if (!f || !facts_are_quiet(f, &writes) || writes)
		return false;
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (f->effects[i].action != ACTION_SQL_SELECT)
			return false;
	for (uint32_t i = 0; i < f->n_calls; i++)
		if (!(f->calls[i].flags & SQL_CALL_SAFE) ||
		    (f->calls[i].schema.n && !slice_is(f->calls[i].schema, "pg_catalog")))
			return false;
	return true;
}

static bool
is_quiet(const struct catalog_relation *r, bool written)
{
	bool ours = slice_is(r->schema, "pg_catalog") || slice_is(r->schema, "information_schema");

	return r->persistence != 't' && !r->read_runs && !(written && r->write_runs) &&
	       (r->kind != 'v' || ours || definition_is_quiet(r->definition));
}

bool
catalog_is_quiet(const struct catalog *c, const struct catalog_relation *r, bool written)
{
	uint32_t n;
	const struct catalog_depend *d = catalog_view_depends(c, r, &n);

	/* A view over a view depends on what that one reads, too. */
	for (uint32_t i = 0; r->kind == 'v' && i < n; i++)
		if (!is_quiet(d[i].relation, written))
			return false;
	return is_quiet(r, written);
}

bool
catalog_facts_quiet(const struct catalog *c, const struct sql_facts *f,
		    const struct catalog_relation *const *relations)
{
	bool writes = false;

	if (!facts_are_quiet(f, &writes))
		return false;
	for (uint32_t i = 0; i < f->n_relations; i++) {
		enum sql_relation_kind kind = f->relations[i].kind;

		if ((kind == SQL_REL_TABLE || kind == SQL_REL_EXCLUDED) &&
		    (!relations[i] || !catalog_is_quiet(c, relations[i], writes)))
			return false;
	}
	return true;
}
