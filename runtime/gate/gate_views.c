/* SPDX-License-Identifier: MIT
 *
 * Views of a catalog under the masks of a class. A view is what its query is: a column that passes
 * a masked one on is masked like it. Its query obeys the rule that every statement does, so a view
 * that computes with a masked column, compares it or sorts by it cannot be read, nor can one that
 * calls what is not known. A policy may name a view's column itself: then what that column is
 * computed from is the policy's concern. Of a materialized view, which keeps the rows, it must.
 */
#include "gate/gate_internal.h"
#include "gate/gate_lineage.h"

#include "sql/typing.h"

enum view_state { VIEW_NEW, VIEW_BUSY, VIEW_DONE };
enum { NESTING_MAX = 200 };

struct views {
	struct gate_class *class;
	const struct catalog *catalog;
	uint8_t *state; /* by index in the catalog */
	unsigned depth;
	size_t cap_tainted;
};

static void look_at(struct views *v, const struct catalog_relation *r);

static bool
is_view(const struct catalog_relation *r)
{
	return (r->kind == 'v' || r->kind == 'm') && !slice_is(r->schema, "pg_catalog") &&
	       !slice_is(r->schema, "information_schema");
}

static void
taint(struct views *v, const struct catalog_relation *r, const char *why)
{
	struct gate_class *c = v->class;
	size_t at = c->n_tainted;

	if (class_tainted(c, r->oid))
		return;
	if (c->n_tainted == v->cap_tainted) {
		struct gate_taint *old = c->tainted;

		v->cap_tainted = v->cap_tainted ? v->cap_tainted * 2 : 16;
		c->tainted = ARENA_ARRAY(&c->arena, struct gate_taint, v->cap_tainted);
		if (c->n_tainted)
			memcpy(c->tainted, old, c->n_tainted * sizeof(*old));
	}
	for (; at > 0 && c->tainted[at - 1].view > r->oid; at--)
		c->tainted[at] = c->tainted[at - 1];
	c->tainted[at] = (struct gate_taint){r->oid, why};
	c->n_tainted++;
}

/* A view's text names everything outside pg_catalog with its schema. */
static const struct catalog_relation **
relations_of(struct views *v, const struct sql_facts *f, struct arena *a)
{
	static const struct catalog_path path = {.schemas = {SLICE_LIT("pg_catalog")}, .n = 1};
	const struct catalog_relation **out =
		ARENA_ARRAY(a, const struct catalog_relation *, f->n_relations + 1);

	for (uint32_t i = 0; i < f->n_relations; i++)
		if (f->relations[i].kind == SQL_REL_TABLE)
			out[i] = catalog_resolve(v->catalog, &path, f->relations[i].schema,
						 f->relations[i].name);
	return out;
}

/* What its relations are, those that are views first. NULL: fine. */
static const char *
check_reads(struct views *v, const struct sql_facts *f, const struct catalog_relation **relations)
{
	struct arena *a = &v->class->arena;

	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct catalog_relation *r = relations[i];

		if (f->relations[i].kind != SQL_REL_TABLE)
			continue;
		if (!r)
			return arena_printf(a, "it reads %.*s, which is not in the catalog",
					    SLICE_ARG(f->relations[i].name));
		if (class_is_telling(r))
			return arena_printf(a, "%.*s can show values of masked columns",
					    SLICE_ARG(r->name));
		if (is_view(r))
			look_at(v, r);
		if (is_view(r) && class_tainted(v->class, r->oid))
			return arena_printf(a, "it reads view %.*s", SLICE_ARG(r->name));
	}
	return NULL;
}

/* A cast that nobody vouches for. */
static const char *
check_casts(struct views *v, const struct sql_facts *f, const struct catalog_relation **relations,
	    struct arena *scratch)
{
	const struct catalog_types *types = catalog_types(v->catalog);
	struct typing t = {
		.catalog = v->catalog, .facts = f, .relations = relations, .arena = scratch};
	const bool *made = typing_casts(&t, true);

	for (size_t k = 0; k < types->n_casts; k++) {
		const struct catalog_cast *c = &types->casts[k];

		if (c->own && ((made && made[k]) || cast_is_unasked(&t, c, false)) &&
		    !class_vouches(v->class, c->schema, c->function))
			return arena_printf(&v->class->arena, "a cast by %.*s could read masked columns "
					    "unseen", SLICE_ARG(c->function));
	}
	return NULL;
}

/* A view may read tables, and call what is known to have no other effect. */
static const char *
check_calls(struct views *v, const struct sql_facts *f)
{
	struct arena *a = &v->class->arena;

	for (uint32_t i = 0; i < f->n_effects; i++) {
		const struct sql_effect *e = &f->effects[i];

		if ((e->action == ACTION_SQL_SELECT && !e->function.n) ||
		    (e->action == ACTION_SQL_OPAQUE_FUNCTION && effect_is_vouched(v->class, e)))
			continue;
		if (e->function.n)
			return arena_printf(a, "it calls %.*s, which could read masked columns unseen",
					    SLICE_ARG(e->function));
		return arena_printf(a, "it does %s", action_info[e->action].name);
	}
	for (uint32_t i = 0; i < f->n_calls; i++) {
		const struct sql_call *call = &f->calls[i];

		if ((!call->schema.n || slice_is(call->schema, "pg_catalog")) &&
		    catalog_shadows(v->catalog, 'x', call->name))
			return arena_printf(a, "it calls %.*s, which the gateway does not know",
					    SLICE_ARG(call->name));
	}
	return NULL;
}

/* The uses that make up columns which the policy masks by their own names. */
static bool *
excused(struct views *v, const struct catalog_relation *r, struct arena *a)
{
	const struct sql_facts *f = r->definition;
	const struct sql_query *q = &f->queries[f->stmts[0].query];
	bool *out = ARENA_ARRAY(a, bool, f->n_uses + 1);

	for (uint32_t i = 0; q->kind == SQL_QUERY_SELECT && i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];

		if (o->kind != SQL_OUTPUT_OTHER || !class_mask(v->class, r->oid, (int) i + 1))
			continue;
		for (uint32_t k = 0; k < o->n_uses; k++)
			out[o->uses + k] = true;
		v->class->computes = v->class->computes || o->n_uses > 0;
	}
	return out;
}

static const char *
follow(struct views *v, const struct catalog_relation *r, struct arena *a)
{
	struct gate_class *c = v->class;
	const struct sql_facts *f = r->definition;
	struct lineage lin = {.class = c, .facts = f, .arena = a};
	struct gate_refusal refusal = {0};
	const struct lineage_list *list;
	const char *why;

	if (!f || f->status != SQL_OK || f->n_stmts != 1 || f->stmts[0].query < 0)
		return "the gateway could not read its definition";
	lin.relations = relations_of(v, f, a);
	why = check_reads(v, f, lin.relations);
	if (!why)
		why = check_calls(v, f);
	if (!why)
		why = check_casts(v, f, lin.relations, a);
	if (why)
		return why;
	lin.excused = excused(v, r, a);
	lineage_follow(&lin);
	if (!lineage_check(&lin, &refusal))
		return arena_str(&c->arena, slice_str(refusal.message));
	list = lineage_result(&lin, f->stmts[0].query, r->n_columns);
	if (!list || list->n_gaps || list->n != r->n_columns)
		return "its columns cannot be told from its definition";
	for (uint32_t i = 0; i < list->n; i++) {
		if (list->c[i].rule < 0)
			continue;
		if (r->kind == 'm' && !class_mask(c, r->oid, (int) i + 1))
			return arena_printf(&c->arena, "it keeps %.*s.%.*s, which is masked, as %.*s; the "
					    "policy must name that column as well",
					    SLICE_ARG(list->c[i].table->name),
					    SLICE_ARG(list->c[i].column),
					    SLICE_ARG(r->columns[i].name));
		class_mask_add(c, r, (int16_t) (i + 1), (struct gate_masked){
			.rule = (uint16_t) list->c[i].rule, .modes = list->c[i].modes,
			.derived = list->c[i].derived});
	}
	return NULL;
}

/* Once for each view, those that it reads first. */
static void
look_at(struct views *v, const struct catalog_relation *r)
{
	uint8_t *state = &v->state[r - catalog_at(v->catalog, 0)];
	struct arena a;
	const char *why;

	if (*state == VIEW_DONE)
		return;
	if (*state == VIEW_BUSY || v->depth >= NESTING_MAX) {
		taint(v, r, "views nest too deep");
		return;
	}
	*state = VIEW_BUSY;
	v->depth++;
	arena_init(&a, 0);
	why = follow(v, r, &a);
	if (why)
		taint(v, r, why);
	arena_fini(&a);
	v->depth--;
	*state = VIEW_DONE;
}

void
class_find_views(struct gate_class *c)
{
	struct views v = {.class = c, .catalog = c->catalog->catalog};
	size_t n = catalog_count(v.catalog);

	v.state = ARENA_ARRAY(&c->arena, uint8_t, n + 1);
	for (size_t i = 0; i < n; i++)
		if (is_view(catalog_at(v.catalog, i)))
			look_at(&v, catalog_at(v.catalog, i));
}
