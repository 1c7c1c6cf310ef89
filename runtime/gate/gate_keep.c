/* SPDX-License-Identifier: MIT
 *
 * Record rules: what they add to the record of a command. The values of parameters are recorded as
 * they are only where none of them can belong to a data class of the policy: of a command that
 * touches a table with such a column, or whose work cannot be told, a keyed digest is. Who may see
 * the column makes no difference: the log is read by others.
 */
#include "gate/gate_internal.h"

enum { PARENTS_MAX = 32 };

static bool
data_covers(const struct gate_class *c, const struct catalog_relation *r,
	    const struct catalog_column *column)
{
	const struct image *img = c->epoch->image;
	size_t n;
	const struct former_name *was =
		former_find(c->catalog->former, r->oid, column->attnum, &n);

	for (size_t d = 0; d < img->n_data; d++) {
		if (image_data_matches(img, d, r->schema, r->name, column->name))
			return true;
		for (size_t i = 0; i < n; i++)
			if (image_data_matches(img, d, was[i].schema, was[i].table, was[i].column))
				return true;
	}
	return false;
}

static bool
has_data(const struct gate_class *c, const struct catalog_relation *r, int depth)
{
	const struct catalog_relation *p;

	/* What a view or a foreign table passes on is not followed here. */
	if (r->kind != 'r' && r->kind != 'p')
		return !slice_is(r->schema, "pg_catalog");
	for (uint32_t k = 0; k < r->n_columns; k++)
		if (data_covers(c, r, &r->columns[k]))
			return true;
	for (uint32_t i = 0; depth && (p = catalog_parent(c->catalog->catalog, r, i)); i++)
		if (has_data(c, p, depth - 1))
			return true;
	return r->n_parents && !depth;
}

/* Behind these a value may go anywhere. */
static bool
is_opaque(const struct gate_class *c, const struct sql_effect *e)
{
	switch (e->action) {
	case ACTION_SQL_OPAQUE_FUNCTION:
		return !effect_is_vouched(c, e);
	case ACTION_SQL_CALL:
	case ACTION_SQL_FUNCTION_CALL:
	case ACTION_SQL_ANONYMOUS_CODE:
	case ACTION_SQL_UNPARSED:
	case ACTION_SQL_ROLE:
		return true;
	default:
		return false;
	}
}

static bool
is_sensitive(const struct gate_class *c, const struct sql_facts *f, const struct catalog_path *path,
	     const struct catalog_relation *const *relations)
{
	if (!c->catalog || f->status != SQL_OK || sql_runs_other(f))
		return true;
	/* Values like these may stand in any parameter, whatever the command touches. */
	for (size_t d = 0; d < c->epoch->image->n_data; d++)
		if (c->epoch->image->data[d].detectors)
			return true;
	for (uint32_t i = 0; i < f->n_relations; i++)
		if ((f->relations[i].kind == SQL_REL_TABLE ||
		     f->relations[i].kind == SQL_REL_EXCLUDED) &&
		    (!relations[i] || has_data(c, relations[i], PARENTS_MAX)))
			return true;
	for (uint32_t i = 0; i < f->n_effects; i++) {
		const struct sql_effect *e = &f->effects[i];
		const struct catalog_relation *r;

		if (is_opaque(c, e))
			return true;
		if (e->relation >= 0 || !e->object.n)
			continue;
		r = class_resolve(c, path, e->schema, e->object);
		if (r && has_data(c, r, PARENTS_MAX))
			return true;
	}
	return false;
}

void
gate_note_records(const struct gate *g, const struct gate_class *c, const struct gate_ask *ask,
		  const struct catalog_path *path, const struct catalog_relation *const *relations,
		  struct gate_verdict *v)
{
	const struct image *img = c->epoch->image;
	int r = img->has_records ? decision_next(&g->joined, -1) : -1;

	for (; r >= 0; r = decision_next(&g->joined, r)) {
		if (img->rules[r].kind != VM_RECORD)
			continue;
		v->recorded |= img->rules[r].recorded;
		if (v->n_records < VERDICT_RECORDS)
			v->records[v->n_records++] = (uint16_t) r;
	}
	if (v->recorded & RECORDED_BIT(PARAMETERS))
		v->sensitive = is_sensitive(c, ask->facts, path, relations);
}
