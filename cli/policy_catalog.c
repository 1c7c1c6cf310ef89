/* SPDX-License-Identifier: MIT */
#include "cli/policy_catalog.h"

#include "base/clock.h"
#include "proxy/gate_internal.h"
#include "proxy/gate_lineage.h"
#include "sql/shape.h"

/* Facts of the session are what the gate is given; those of a statement it finds for itself. */
static bool
can_be_given(const struct run *r)
{
	for (const struct cell *c = r->t->facts; c; c = c->next) {
		int fact = fact_find(slice_str(c->name.s));

		if ((fact_info[fact].phase != PHASE_CONNECT && fact != FACT_SQL_IN_TRANSACTION) ||
		    !r->base.v[fact].known)
			return false;
	}
	return r->t->sql.v.p != NULL;
}

static const struct value *
fact(const struct run *r, enum fact f)
{
	return &r->base.v[f];
}

/* An epoch of one principal and one target. */
static struct epoch *
make_epoch(struct run *r)
{
	static const uint8_t secret[SHA256_LEN] = {1};
	struct epoch *e = epoch_new();
	struct config_principal *p = ARENA_NEW(&e->arena, struct config_principal);
	struct config_target *t = ARENA_NEW(&e->arena, struct config_target);
	const struct value *groups = fact(r, FACT_USER_GROUPS);

	p->name = arena_str(&e->arena, fact(r, FACT_USER_NAME)->s);
	p->kind = (enum principal_kind)fact(r, FACT_USER_KIND)->i;
	p->groups = groups->set.v;
	p->n_groups = groups->set.n;
	t->name = arena_str(&e->arena, fact(r, FACT_TARGET_NAME)->s);
	e->config.principals = p;
	e->config.n_principals = 1;
	e->config.targets = t;
	e->config.n_targets = 1;
	e->image = (struct image *)(uintptr_t)r->img;
	epoch_finish(e, secret, NULL);
	return e;
}

/* A moment of that weekday and time of day. 1970-01-05 was a Monday. */
static uint64_t
moment(const struct run *r)
{
	uint64_t day = 4 + (uint64_t)fact(r, FACT_TIME_WEEKDAY)->i;

	return (day * 86400 + (uint64_t)fact(r, FACT_TIME_OF_DAY)->i) * NS_PER_S;
}

static void
take_verdict(struct run *r, const struct gate *g, const struct gate_class *c,
	     const struct gate_verdict *v)
{
	r->joined = g->joined;
	r->result = c->masks;
	r->verdict = v->verdict;
	r->use_rule = -1;
	if (v->verdict != VERDICT_DENY || r->joined.verdict == VERDICT_DENY)
		return;
	/* What the rules would let through: because of a mask, or of what no policy opens. */
	r->refusal = arena_str(&r->arena, slice_str(v->refusal.message));
	for (uint8_t i = 0; i < v->n_masks; i++)
		r->use_rules[r->n_use_rules++] = v->masks[i];
	if (r->n_use_rules)
		r->use_rule = r->use_rules[0];
}

/* The columns of the result, of the last statement that has one. */
static void
take_outputs(struct run *r, const struct gate_session *s, const struct sql_facts *f)
{
	struct lineage lin = {
		.class = s->class, .facts = f, .arena = &r->arena, .may_look_up = true};
	const struct lineage_list *list = NULL;
	struct gate_refusal why = {0};

	lin.relations = class_relations(s->class, &s->class->path, f, &r->arena);
	lineage_follow(&lin);
	if (!lineage_check(&lin, &why))
		return;
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].query >= 0)
			list = lineage_result(&lin, f->stmts[i].query, 0);
	if (!list || list->n_gaps)
		return;
	r->outputs = ARENA_ARRAY(&r->arena, struct run_output, list->n + 1);
	for (uint32_t i = 0; i < list->n; i++) {
		struct run_output *o = &r->outputs[r->n_outputs++];

		*o = (struct run_output){.name = arena_copy(&r->arena, list->c[i].name),
					 .rule = list->c[i].rule,
					 .hides = list->c[i].derived,
					 .type = list->c[i].type};
	}
	r->knows_outputs = true;
}

/* Relations of the system are not in a policy's catalog. */
static bool
knows_all(const struct gate_session *s, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_relations; i++)
		if (f->relations[i].kind == SQL_REL_TABLE &&
		    !class_resolve(s->class, &s->class->path, f->relations[i].schema,
				   f->relations[i].name))
			return false;
	return true;
}

bool
run_with_catalog(struct run *r, struct catalog_ref *catalog)
{
	struct gate_client client = {.tls = fact(r, FACT_CLIENT_TLS)->b,
				     .application = fact(r, FACT_CLIENT_APPLICATION)->s};
	struct gate_session *s;
	struct gate_verdict v;
	struct gate_ask ask;
	struct gate *g;
	bool decided;

	if (!can_be_given(r))
		return false;
	memcpy(client.address, fact(r, FACT_CLIENT_ADDRESS)->addr, 16);
	if (!sql_shape_seed())
		sql_shape_init();
	g = gate_open(8 << 20, 1, NULL);
	gate_set_epoch(g, make_epoch(r));
	gate_set_catalog(g, 0, catalog_ref_get(catalog), NULL, (struct catalog_age){0});
	s = gate_session_open(g, fact(r, FACT_USER_NAME)->s, fact(r, FACT_TARGET_NAME)->s, &client);
	assert(s != NULL);
	ask = (struct gate_ask){.facts = gate_facts(g, r->t->sql.v),
				.tx = fact(r, FACT_SQL_IN_TRANSACTION)->b ? 'T' : 'I',
				.now_wall_ns = moment(r),
				.arena = &r->arena};
	sql_facts_hold(ask.facts);
	gate_decide(g, s, &ask, &v);
	/* What needs no rule has no verdict of one. */
	decided = knows_all(s, ask.facts) && (v.refusal.code || v.n_rules || v.by_default);
	if (decided) {
		take_verdict(r, g, s->class, &v);
		take_outputs(r, s, ask.facts);
	}
	sql_facts_release(ask.facts);
	gate_session_close(g, s);
	gate_close(g);
	return decided;
}
