/* SPDX-License-Identifier: MIT
 *
 * The masks of a result by position, as the analysis has them, joined with what the server says of
 * its columns. Both must bear each other out: what only one of them knows of is not shown.
 */
#include "gate/gate_internal.h"
#include "gate/gate_lineage.h"

/* The columns of a statement's result; NULL: they cannot be told. */
static const struct lineage_list *
result_of(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st, uint32_t n,
	  struct arena *a)
{
	struct gate_class *c = s->class;
	struct lineage lin = {.class = c, .facts = f, .arena = a};
	const struct catalog_path *path;
	struct gate_refusal why = {0};

	if (!c->catalog || st->query < 0)
		return NULL;
	path = s->path ? &s->path->path : &c->path;
	lin.relations = class_relations(c, path, f, a);
	/* A cursor may have outlived what it reads, or its names what they meant. */
	for (uint32_t i = 0; i < f->n_relations; i++)
		if (lin.relations[i] ? class_tainted(c, lin.relations[i]->oid) != NULL ||
				       (!f->relations[i].schema.n &&
					class_shadowed(c, path, f->relations[i].name, false))
				     : f->relations[i].kind == SQL_REL_TABLE)
			return NULL;
	lin.may_look_up = true; /* counted when it began */
	lineage_follow(&lin);
	/* What FETCH returns was judged when its cursor was declared, maybe by another policy. */
	return lineage_check(&lin, &why) ? lineage_result(&lin, st->query, n) : NULL;
}

static const struct mask_spec *
mask_of_rule(const struct gate_class *c, int rule, bool derived)
{
	return rule < 0 ? NULL : derived ? &c->epoch->hidden[rule] : &c->epoch->masks[rule];
}

/* The rule whose mask a field needs: -1 none, -2: analysis and server contradict each other. */
static int
agreed(const struct gate_class *c, const struct lineage_column *want, const struct pg_field *f)
{
	const struct gate_masked *m = class_mask(c, f->table, f->attnum);
	const struct image_rule *rules = c->epoch->image->rules;

	if (want->rule < 0)
		return m ? -2 : -1;
	if (!m)
		return f->table || want->exact ? -2 : want->rule;
	return vm_mask_cmp(&rules[m->rule].mask, &rules[want->rule].mask) > 0 ? m->rule
									      : want->rule;
}

/* Nothing of it is shown, by the analysis or as a view's column. */
static bool
hides(const struct gate_class *c, const struct lineage_column *want, const struct pg_field *f)
{
	const struct gate_masked *m = class_mask(c, f->table, f->attnum);

	return (want && want->derived) || (m && m->derived);
}

bool
gate_result_masks(struct gate_session *s, const struct sql_facts *facts, const struct sql_stmt *st,
		  struct pg_fields fields, struct arena *a, const struct mask_spec ***masks)
{
	static const struct lineage_column clean = {.rule = -1, .typmod = -1};
	struct gate_class *c = s->class;
	const struct lineage_list *list = st ? result_of(s, facts, st, fields.n, a) : NULL;
	bool by_position = list && !list->n_gaps;
	struct pg_field f;

	*masks = ARENA_ARRAY(a, const struct mask_spec *, fields.n + 1);
	/* EXPLAIN, SHOW and the like show no columns of a table. */
	if (!list && st && st->query >= 0)
		return false;
	if (list && (by_position ? list->n != fields.n : lineage_masked(list) > 0))
		return false;
	for (unsigned i = 0; pg_fields_next(&fields, &f); i++) {
		int rule = agreed(c, by_position ? &list->c[i] : &clean, &f);

		if (rule == -2)
			return false;
		(*masks)[i] = mask_of_rule(c, rule, hides(c, by_position ? &list->c[i] : NULL, &f));
	}
	return true;
}

bool
gate_copy_columns(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st,
		  struct arena *a, struct copyout_column **columns, size_t *n)
{
	enum { MAX_COLUMNS = 1664 }; /* the server's MaxTupleAttributeNumber */
	const struct lineage_list *list = result_of(s, f, st, 0, a);

	*n = 0;
	if (!list || list->n_gaps || list->n > MAX_COLUMNS)
		return false;
	*columns = ARENA_ARRAY(a, struct copyout_column, list->n + 1);
	for (uint32_t i = 0; i < list->n; i++) {
		const struct lineage_column *c = &list->c[i];

		(*columns)[(*n)++] = (struct copyout_column){
			.mask = mask_of_rule(s->class, c->rule, c->derived),
			/* COPY keeps NULL apart: where that says something, all is NULL. */
			.type = c->derived ? 0 : c->type, .typmod = c->typmod,
			.table = c->exact ? c->oid : 0, .attnum = c->exact ? c->attnum : 0};
	}
	return *n > 0;
}
