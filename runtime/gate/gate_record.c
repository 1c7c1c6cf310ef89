/* SPDX-License-Identifier: MIT
 *
 * What a policy was told of a command, for its record: with it the decision can be made again, by
 * another policy and without a database (`weir replay`). Names are resolved once more rather than
 * kept, because a remembered verdict has not resolved any.
 */
#include "gate/gate_internal.h"

static bool
has_ddl(const struct sql_facts *f)
{
	bool ddl = false;

	for (uint32_t i = 0; i < f->n_stmts; i++)
		ddl = ddl || f->stmts[i].flags & SQL_DDL;
	return ddl;
}

/* The relation that judge_effects asked about. */
static const struct catalog_relation *
relation_of(const struct gate_session *s, const struct gate_ask *ask, const struct sql_effect *e)
{
	const struct gate_class *c = s->class;
	const struct catalog_path *path = gate_path_for(s, c, ask);
	const struct sql_relation *rel =
		e->relation < 0 ? NULL : &ask->facts->relations[e->relation];
	const struct catalog_relation *r;
	bool moving = ask->schema_changed_in_tx || ask->schema_moving ||
		      (ask->facts->n_stmts > 1 && has_ddl(ask->facts));

	if (rel)
		r = gate_relations(s, path, ask->facts, ask->arena)[e->relation];
	else
		r = e->object.n ? class_resolve(c, path, e->schema, e->object) : NULL;
	return r && !e->schema.n && moving && class_shadowed(c, path, e->object, true) ? NULL : r;
}

bool
gate_effect_names(const struct gate_session *s, const struct gate_ask *ask,
		  const struct sql_effect *e, struct slice *schema, struct slice *table)
{
	const struct catalog_relation *r;

	if (!s->class || (effect_is_vouched(s->class, e) &&
			  !gate_is_redefined(ask->redefined, e->schema, e->function)))
		return false;
	r = relation_of(s, ask, e);
	*schema = r ? r->schema : e->schema;
	*table = r ? r->name : e->object;
	if (e->object.n && e->flags & SQL_EFFECT_TEMPORARY) {
		*schema = SLICE_LIT("pg_temp");
		*table = e->object;
	}
	return true;
}

bool
gate_call_judged(const struct gate_session *s, const struct gate_ask *ask,
		 const struct sql_call *call)
{
	const struct gate_class *c = s->class;
	char kind = call->flags & SQL_CALL_OPERATOR ? 'o' : call->flags & SQL_CALL_TYPE ? 't' : 'f';
	struct call_look l = {.class = c,
			      .facts = ask->facts,
			      .parameters = gate_parameters_of(ask, ask->facts),
			      .arena = ask->arena};

	if (c && c->catalog && gate_is_redefined(ask->redefined, call->schema, call->name))
		return true;
	if (!c || !c->catalog || slice_is(call->schema, "pg_catalog") ||
	    (kind == 'f' && class_vouches(c, call->schema, call->name)) ||
	    !name_is_taken(c->catalog->catalog, kind, call->name))
		return false;
	l.path = gate_path_for(s, c, ask);
	l.relations = class_relations(c, l.path, ask->facts, ask->arena);
	return name_may_cast(c->catalog->catalog, kind, call->name) || !call_is_built_in(&l, call);
}

void
gate_user_groups(const struct gate_session *s, const struct slice **v, size_t *n)
{
	const struct value *groups = s->class ? &s->class->facts.v[FACT_USER_GROUPS] : NULL;

	*v = groups && groups->known ? groups->set.v : NULL;
	*n = groups && groups->known ? groups->set.n : 0;
}
