/* SPDX-License-Identifier: MIT
 *
 * Limits: which rules apply to a command, and whether it can be ended early without a lie.
 */
#include "proxy/gate_internal.h"

const struct gate_refusal gate_too_many_limits = {
	"WEIR-LIMIT-RULES", "more limits apply to this command than one command can carry", NULL,
	"ask who writes the policy to merge its limit rules", NULL};

static bool
add(const struct image *img, struct gate_verdict *v, uint16_t rule)
{
	for (uint8_t i = 0; i < v->n_limits; i++)
		if (v->limits[i] == rule)
			return true;
	if (v->n_limits == VERDICT_LIMITS)
		return false;
	v->limits[v->n_limits++] = rule;
	return limits_budgets(img, v->limits, v->n_limits) <= LIMIT_BUDGETS;
}

/* Nothing is lost or left behind when the command counts as failed although it ran: it changed
 * nothing but where a cursor stands. */
static bool
reads_only(const struct gate_ask *ask)
{
	const struct sql_facts *f = ask->facts;

	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];
		const struct sql_facts *inner;

		if (st->flags & SQL_PURE_READ || st->kind == SQL_KIND_FETCH)
			continue;
		if (st->kind != SQL_KIND_EXECUTE || !ask->prepared)
			return false;
		inner = ask->prepared(ask->ctx, st->name);
		if (!inner || !inner->pure_read)
			return false;
	}
	return true;
}

void
gate_note_limits(struct gate *g, const struct image *img, const struct gate_ask *ask,
		 struct gate_verdict *v)
{
	int r = img->has_limits ? decision_next(&g->joined, -1) : -1;

	for (; r >= 0; r = decision_next(&g->joined, r)) {
		if (img->rules[r].kind != VM_LIMIT || add(img, v, (uint16_t) r) || v->refusal.code)
			continue;
		v->verdict = VERDICT_DENY;
		v->n_rules = 0;
		v->refusal = gate_too_many_limits;
	}
	v->reads_only = reads_only(ask);
}

bool
gate_join_limits(const struct image *img, struct gate_verdict *into,
		 const struct gate_verdict *from)
{
	for (uint8_t i = 0; i < from->n_limits; i++)
		if (!add(img, into, from->limits[i]))
			return false;
	return true;
}

size_t
gate_principal(const struct gate_session *s)
{
	const struct gate_class *c = s->class;

	assert(c && c->principal);
	return (size_t) (c->principal - c->epoch->config.principals);
}
