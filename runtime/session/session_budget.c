/* SPDX-License-Identifier: MIT
 *
 * Budgets of the policy that are not drawn on row by row. Lookups and commands are paid for before
 * the server sees them: a lookup has an answer even when no row comes. Time is taken in small
 * grants while a command runs, so that commands side by side share what there is, and none of them
 * runs on what another has used up; what is left of the last grant is given back.
 */
#include "session/session_budget.h"

#include "base/clock.h"

static const uint64_t first_grant = 20 * NS_PER_MS, largest_grant = NS_PER_S;

const char *
session_budget_code(const struct limit_meter *m)
{
	return m->per == PER_SESSION ? "WEIR-LIMIT-SESSION" : "WEIR-LIMIT-BUDGET";
}

const char *
session_budget_hint(struct session *s, const struct limit_meter *m, uint64_t want)
{
	uint64_t left, sec;

	if (want > m->max)
		return "that is more than it ever holds: do less in one message, or ask who writes the "
		       "policy";
	if (m->per == PER_SESSION)
		return "this session has had its share, and a new one begins anew; or ask who writes the "
		       "policy";
	left = budget_wait(m->budget, m->max - want + 1, s->host->now_mono(s->host_ctx));
	sec = (left + NS_PER_S - 1) / NS_PER_S;
	return arena_printf(&s->env->arena,
			    "available again in %llu %s, or ask who writes the policy",
			    (unsigned long long) (sec < 120 ? sec : (sec + 59) / 60),
			    sec < 120 ? "s" : "min");
}

static void
used_up(struct session *s, struct command *c, const struct limit_meter *m, uint64_t want)
{
	struct limit_run *l = c->limit;

	l->meter = m;
	l->unit = m->unit;
	session_limit_refuse(s, c, &(struct gate_refusal){
		.code = session_budget_code(m),
		.message = arena_printf(&s->env->arena, "used up: %s",
					session_limit_describe(s, l)),
		.hint = session_budget_hint(s, m, want),
		.sqlstate = "53400"}, m->rule);
}

/* ---- before a command begins ----------------------------------------------------------------- */

/* What has begun can always end. */
static bool
ends_transaction(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind != SQL_KIND_COMMIT && f->stmts[i].kind != SQL_KIND_ROLLBACK)
			return false;
	return f->n_stmts > 0;
}

void
session_budget_check(struct session *s, struct command *c)
{
	struct limit_run *l = c->limit;
	bool counts = session_limit_counts(c->facts);
	uint64_t now = s->host->now_mono(s->host_ctx);

	l->ends_tx = ends_transaction(c->facts);
	for (size_t i = 0; i < l->set.n_meters; i++) {
		const struct limit_meter *m = &l->set.meters[i];
		/* Of rows only what returns some needs any. */
		bool needs = m->unit == LIMIT_TIME ? !l->ends_tx
						   : counts && m->unit != LIMIT_LOOKUPS &&
							     m->unit != LIMIT_COMMANDS;

		if (!needs || !budget_wait(m->budget, m->max, now))
			continue;
		used_up(s, c, m, 1);
		return;
	}
}

static uint64_t
price(const struct command *c, const struct limit_meter *m)
{
	const struct gate_verdict *v = &c->verdict;

	if (m->unit == LIMIT_LOOKUPS)
		return v->lookups;
	for (uint8_t i = 0; m->unit == LIMIT_COMMANDS && i < v->n_limits; i++)
		if (v->limits[i] == m->rule)
			return v->counted[i];
	return 0;
}

/* Of the same budget, when the command was judged before: it was held. */
static uint64_t
paid_before(const struct limit_run *was, const struct limit_meter *m)
{
	for (size_t i = 0; was && i < was->set.n_meters; i++)
		if (was->set.meters[i].budget == m->budget)
			return was->set.meters[i].paid;
	return 0;
}

/* All of it or nothing. */
static bool
pay(struct limit_run *l, struct limit_meter *m, uint64_t n, uint64_t now)
{
	uint64_t got = budget_take(m->budget, m->max, n, now);

	if (got < n && !(l->ends_tx && m->unit == LIMIT_COMMANDS)) {
		budget_give_back(m->budget, got, now);
		return false;
	}
	m->paid += n;
	return true;
}

static bool
within_bound(struct session *s, struct command *c)
{
	struct limit_run *l = c->limit;
	const struct limit_bound *b = &l->set.bound[LIMIT_LOOKUPS];
	uint64_t n = c->verdict.lookups;

	if (n <= b->max)
		return true;
	l->meter = NULL;
	l->unit = LIMIT_LOOKUPS;
	session_limit_refuse(s, c, &(struct gate_refusal){
		.code = "WEIR-LIMIT-LOOKUPS",
		.message = arena_printf(&s->env->arena, "%llu lookups; %s", (unsigned long long) n,
					session_limit_describe(s, l)),
		.hint = "compare fewer values in one command, or ask who writes the policy",
		.sqlstate = "54000"}, b->rule);
	return false;
}

void
session_budget_pay(struct session *s, struct command *c, const struct limit_run *was)
{
	struct limit_run *l = c->limit;
	uint64_t now = s->host->now_mono(s->host_ctx);

	if (c->verdict.verdict == VERDICT_DENY || !within_bound(s, c))
		return;
	for (size_t i = 0; i < l->set.n_meters; i++) {
		struct limit_meter *m = &l->set.meters[i];
		uint64_t n = price(c, m);

		m->paid = paid_before(was, m);
		if (n <= m->paid || pay(l, m, n - m->paid, now))
			continue;
		for (size_t k = 0; k < i; k++) {
			struct limit_meter *other = &l->set.meters[k];

			budget_give_back(other->budget, other->paid - paid_before(was, other), now);
		}
		used_up(s, c, m, n - m->paid);
		return;
	}
}

/* ---- while it runs --------------------------------------------------------------------------- */

const struct limit_meter *
session_budget_time(struct limit_run *l, uint64_t now)
{
	uint64_t most = l->set.bound[LIMIT_TIME].max, until, left;

	if (!l->began)
		l->began = now;
	until = most < UINT64_MAX - l->began ? l->began + most : UINT64_MAX;
	if (l->spent && most != UINT64_MAX) {
		left = most > l->spent ? most - l->spent : 0;
		until = l->lap + left < until ? l->lap + left : until;
	}
	for (size_t i = 0; i < l->set.n_meters && !l->ends_tx; i++) {
		struct limit_meter *m = &l->set.meters[i];
		uint64_t owed = now - l->began, grant = m->paid;

		if (m->unit != LIMIT_TIME)
			continue;
		if (owed >= m->paid) {
			grant = grant < first_grant ? first_grant : grant;
			grant = grant < largest_grant ? grant : largest_grant;
			m->paid += budget_take(m->budget, m->max, owed - m->paid + grant, now);
		}
		if (owed >= m->paid)
			return m;
		if (l->began + m->paid < until)
			until = l->began + m->paid;
	}
	l->deadline = until == UINT64_MAX ? 0 : until;
	return NULL;
}

void
session_budget_settle(struct limit_run *l, uint64_t now)
{
	uint64_t used = now - l->began;

	for (size_t i = 0; l->began && i < l->set.n_meters; i++) {
		const struct limit_meter *m = &l->set.meters[i];

		if (m->unit != LIMIT_TIME || l->ends_tx)
			continue;
		if (m->paid > used)
			budget_give_back(m->budget, m->paid - used, now);
		else if (used > m->paid) /* until the cancel had come */
			(void) budget_take(m->budget, m->max, used - m->paid, now);
	}
	l->began = 0;
}
