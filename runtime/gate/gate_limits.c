/* SPDX-License-Identifier: MIT
 *
 * Limits: which rules apply to a command, to how many of its statements, and whether it can be
 * ended early without a lie.
 */
#include "gate/gate_internal.h"

static const struct gate_refusal too_many_limits = {
	"WEIR-LIMIT-RULES", "more limits apply to this command than one command can carry", NULL,
	"ask who writes the policy to merge its limit rules", NULL};

struct gate_counts *
gate_counts_new(const struct image *img, const struct gate_ask *ask)
{
	struct gate_counts *c;

	if (!img->counts_commands || ask->facts->n_stmts < 2)
		return NULL;
	c = ARENA_NEW(ask->arena, struct gate_counts);
	c->n_stmts = ask->facts->n_stmts;
	return c;
}

/* NULL: more rules than a verdict carries, which is refused in any case. */
static bool *
seen_by(struct gate_counts *c, uint16_t rule, struct arena *a)
{
	uint8_t i = 0;

	while (i < c->n && c->rules[i] != rule)
		i++;
	if (i == VERDICT_LIMITS)
		return NULL;
	if (i == c->n) {
		c->rules[c->n++] = rule;
		c->seen[i] = ARENA_ARRAY(a, bool, c->n_stmts);
	}
	return c->seen[i];
}

void
gate_count(struct gate *g, const struct image *img, struct gate_counts *c, uint32_t statement,
	   struct arena *a)
{
	int r = decision_next(&g->effect, -1);

	for (; r >= 0; r = decision_next(&g->effect, r)) {
		bool *seen = img->rules[r].kind == VM_LIMIT ? seen_by(c, (uint16_t) r, a) : NULL;

		for (uint32_t i = 0; seen && i < c->n_stmts; i++)
			seen[i] = seen[i] || statement == i || statement == GATE_ANY_STATEMENT;
	}
}

static uint32_t
counted(const struct gate_counts *c, uint16_t rule)
{
	uint32_t n = 0;
	uint8_t i = 0;

	while (c && i < c->n && c->rules[i] != rule)
		i++;
	if (!c || i == c->n)
		return 1;
	for (uint32_t k = 0; k < c->n_stmts; k++)
		n += c->seen[i][k];
	return n;
}

static bool
add(const struct image *img, struct gate_verdict *v, uint16_t rule, uint32_t n)
{
	for (uint8_t i = 0; i < v->n_limits; i++)
		if (v->limits[i] == rule)
			return true;
	if (v->n_limits == VERDICT_LIMITS)
		return false;
	v->counted[v->n_limits] = n;
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
		 const struct gate_counts *c, bool count, struct gate_verdict *v)
{
	int r = img->has_limits ? decision_next(&g->joined, -1) : -1;

	for (; r >= 0; r = decision_next(&g->joined, r)) {
		if (img->rules[r].kind != VM_LIMIT ||
		    add(img, v, (uint16_t) r, count ? counted(c, (uint16_t) r) : 0) ||
		    v->refusal.code)
			continue;
		v->verdict = VERDICT_DENY;
		v->n_rules = 0;
		v->refusal = too_many_limits;
	}
	v->reads_only = reads_only(ask);
}

size_t
gate_principal(const struct gate_session *s)
{
	const struct gate_class *c = s->class;

	assert(c && c->principal);
	return (size_t) (c->principal - c->epoch->config.principals);
}
