/* SPDX-License-Identifier: MIT */
#include "cli/policy_catalog.h"

#include "base/clock.h"
#include "gate/gate_internal.h"
#include "gate/gate_lineage.h"
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

/* Whose column it is, of the masks over what the statement reads; misused: a first guess, or -1. */
static void
tell_use(struct run *r, int misused)
{
	unsigned by_column = 0;

	for (uint8_t i = 0; i < r->n_use_rules; i++) {
		int rule = r->use_rules[i];

		r->use_told = r->use_told || rule == misused;
		if (!r->img->rules[rule].by_column)
			continue;
		if (!r->use_told)
			r->use_rule = rule;
		by_column++;
	}
	if (r->use_told)
		r->use_rule = misused;
	else if (r->n_use_rules && r->use_rule < 0)
		r->use_rule = r->use_rules[0];
	r->use_told = r->use_told || by_column == 1 || r->n_use_rules == 1;
}

static void
take_verdict(struct run *r, const struct gate *g, const struct gate_class *c,
	     const struct gate_verdict *v)
{
	int misused = r->use_rule; /* as far as that can be told without the catalog */
	bool by_row = v->refusal.code && strcmp(v->refusal.code, "WEIR-ROW-FILTER") == 0;

	r->joined = g->joined;
	r->result = c->masks;
	r->verdict = v->verdict;
	r->use_rule = -1;
	if (v->verdict != VERDICT_DENY || r->joined.verdict == VERDICT_DENY)
		return;
	/* What the rules would let through: because of a mask, or of what no policy opens. */
	r->refusal = arena_str(&r->arena, slice_str(v->refusal.message));
	if (v->refusal.hint)
		r->hint = arena_str(&r->arena, slice_str(v->refusal.hint));
	for (uint8_t i = 0; i < v->n_masks; i++)
		if (!by_row || r->img->rules[v->masks[i]].kind == VM_DROP)
			r->use_rules[r->n_use_rules++] = v->masks[i];
	tell_use(r, misused);
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
					 .type = list->c[i].type,
					 .typmod = list->c[i].typmod};
	}
	r->knows_outputs = true;
}

/* Relations of the system are not in a policy's catalog. NULL: all are there. */
static const char *
unknown_table(struct run *r, const struct gate_session *s, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *rel = &f->relations[i];

		if (rel->kind == SQL_REL_TABLE &&
		    !class_resolve(s->class, &s->class->path, rel->schema, rel->name))
			return arena_printf(&r->arena, "%.*s%s%.*s", SLICE_ARG(rel->schema),
					    rel->schema.n ? "." : "", SLICE_ARG(rel->name));
	}
	return NULL;
}

/* ---- What the gate judges -------------------------------------------------------------------- */

struct judged {
	struct run *run;
	struct facts *v;
	size_t n, cap;
};

/* The gate's facts live as long as its session. */
static struct facts
keep_facts(struct arena *a, const struct facts *f)
{
	struct facts kept = *f;
	struct data_use *uses = ARENA_ARRAY(a, struct data_use, f->n_uses + 1);

	for (int i = 0; i < FACT_COUNT; i++) {
		struct value *v = &kept.v[i];
		struct slice *set;

		if (v->known && v->type == TYPE_STRING)
			v->s = arena_copy(a, v->s);
		if (!v->known || v->type != TYPE_SET)
			continue;
		set = ARENA_ARRAY(a, struct slice, v->set.n + 1);
		for (size_t k = 0; k < v->set.n; k++)
			set[k] = arena_copy(a, v->set.v[k]);
		v->set.v = set;
	}
	for (size_t i = 0; i < f->n_uses; i++)
		uses[i] = (struct data_use){.schema = arena_copy(a, f->uses[i].schema),
					    .table = arena_copy(a, f->uses[i].table),
					    .column = arena_copy(a, f->uses[i].column),
					    .contexts = f->uses[i].contexts};
	kept.uses = uses;
	return kept;
}

static void
judged(void *ctx, const struct facts *f)
{
	struct judged *j = ctx;
	struct arena *a = &j->run->arena;

	if (j->n == j->cap) {
		struct facts *v = ARENA_ARRAY(a, struct facts, j->cap * 2 + 8);

		if (j->n)
			memcpy(v, j->v, j->n * sizeof(*v));
		j->v = v;
		j->cap = j->cap * 2 + 8;
	}
	j->v[j->n++] = keep_facts(a, f);
}

bool
run_with_catalog(struct run *r, struct catalog_ref *catalog)
{
	struct gate_client client = {.tls = fact(r, FACT_CLIENT_TLS)->b,
				     .application = fact(r, FACT_CLIENT_APPLICATION)->s};
	struct gate_session *s;
	struct gate_verdict v;
	struct judged kept = {.run = r};
	struct gate_ask ask;
	struct gate *g;

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
				.text = r->t->sql.v,
				.tx = fact(r, FACT_SQL_IN_TRANSACTION)->b ? 'T' : 'I',
				.now_wall_ns = moment(r),
				.ctx = &kept,
				.judged = judged,
				.arena = &r->arena};
	sql_facts_hold(ask.facts);
	gate_decide(g, s, &ask, &v);
	r->unknown_table = unknown_table(r, s, ask.facts);
	/* What needs no rule has no verdict of one. */
	r->with_catalog = !r->unknown_table && (v.refusal.code || v.n_rules || v.by_default);
	if (r->with_catalog) {
		take_verdict(r, g, s->class, &v);
		take_outputs(r, s, ask.facts);
		r->effects = kept.v;
		r->n_effects = kept.n;
		run_watch(r);
	}
	sql_facts_release(ask.facts);
	gate_session_close(g, s);
	gate_close(g);
	return r->with_catalog;
}
