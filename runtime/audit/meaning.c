/* SPDX-License-Identifier: MIT */
#include "audit/meaning.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/endian.h"

#include <stdlib.h>

static struct audit_id
id_of_parts(const struct slice *parts, size_t n)
{
	uint8_t digest[SHA256_LEN];
	struct audit_id id;

	sha256v(digest, parts, n);
	memcpy(id.b, digest, sizeof(id.b));
	return id;
}

static struct audit_id
id_of(struct slice s)
{
	return id_of_parts(&s, 1);
}

static struct audit_id
id_of_principal(const struct brief_principal *p)
{
	struct slice parts[3] = {p->issuer, SLICE_LIT("\0"), p->subject.n ? p->subject : p->name};

	return id_of_parts(parts, 3);
}

static bool
same(struct audit_id a, struct audit_id b)
{
	return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static struct approval *
approval_at(struct meaning *m, struct audit_id id)
{
	uint64_t *at = idmap_put(&m->approvals, id);

	if (*at == 0) {
		if (m->n == m->cap) {
			m->cap = m->cap ? m->cap * 2 : 16;
			m->v = realloc(m->v, m->cap * sizeof(*m->v));
			assert(m->v != NULL);
		}
		m->v[m->n] = (struct approval){0};
		*at = ++m->n;
	}
	return &m->v[*at - 1];
}

static void
bind_to(struct approval *a, struct slice binding)
{
	if (binding.n == 0)
		return;
	if (!audit_id_is_zero(a->binding) && !same(a->binding, id_of(binding)))
		a->other_binding = true;
	a->binding = id_of(binding);
}

static void
on_request(struct meaning *m, const struct audit_brief *b)
{
	struct approval *a = approval_at(m, b->approval);

	a->requested = true;
	a->requester = id_of_principal(&b->principal);
	a->max_uses = b->max_uses;
	bind_to(a, b->binding);
	for (a->n_groups = 0; a->n_groups < b->n_groups; a->n_groups++) {
		a->groups[a->n_groups] = id_of(b->groups[a->n_groups]);
		a->need[a->n_groups] = b->need[a->n_groups];
	}
	for (size_t i = 0; i < b->n_refs; i++)
		*idmap_put(&m->approval_of, b->refs[i]) = *idmap_get(&m->approvals, b->approval);
}

static void
on_decision(struct meaning *m, const struct audit_brief *b)
{
	struct approval *a = approval_at(m, b->approval);
	struct audit_id who = id_of_principal(&b->approver);
	size_t i = 0;

	bind_to(a, b->binding);
	if (b->approval_verdict == AUDIT_approval_verdict_REJECT)
		a->rejected = true;
	while (i < a->n_approvers && !same(a->approvers[i].who, who))
		i++;
	if (b->approval_verdict == AUDIT_approval_verdict_WITHDRAW && i < a->n_approvers)
		a->approvers[i] = a->approvers[--a->n_approvers];
	if (b->approval_verdict != AUDIT_approval_verdict_APPROVE || i == MEANING_APPROVERS_MAX)
		return;
	a->approvers[i] = (struct approver){.who = who, .n_groups = b->approver.n_groups};
	for (size_t g = 0; g < b->approver.n_groups; g++)
		a->approvers[i].groups[g] = id_of(b->approver.groups[g]);
	if (i == a->n_approvers)
		a->n_approvers++;
}

static void
on_close(struct meaning *m, const struct audit_brief *b)
{
	struct approval *a = approval_at(m, b->approval);

	bind_to(a, b->binding);
	if (b->approval_state != AUDIT_approval_state_USED)
		return;
	a->uses++;
	/* Who could not wait sent the command again: it is another intent that used the
	 * approval. */
	for (size_t i = 0; i < b->n_refs; i++)
		*idmap_put(&m->approval_of, b->refs[i]) = *idmap_get(&m->approvals, b->approval);
}

/* The first 48 bits of an id are the milliseconds of its time. */
static bool
may_be_gone(const struct meaning *m, struct audit_id id)
{
	return m->pruned_ns && get_be64(id.b) >> 16 <= m->pruned_ns / NS_PER_MS;
}

static void
on_session(struct meaning *m, uint64_t index, const struct audit_brief *b)
{
	uint64_t *last = idmap_get(&m->sessions, b->session);

	if (!last) {
		if ((b->type != AUDIT_session_start || b->sseq != 1) &&
		    !may_be_gone(m, b->session))
			m->problem(m->arg, index, "a session does not begin with its session.start "
						  "as number 1");
		last = idmap_put(&m->sessions, b->session);
		m->n_sessions++;
	} else if (b->sseq != *last + 1) {
		m->problem(m->arg, index, "a record of the session is missing before this one (gap in "
					  "sseq)");
	}
	*last = b->sseq;
}

static void
went_ahead(struct meaning *m, struct audit_id intent, uint64_t index)
{
	if (m->n_ran == m->cap_ran) {
		m->cap_ran = m->cap_ran ? m->cap_ran * 2 : 64;
		m->ran = realloc(m->ran, m->cap_ran * sizeof(*m->ran));
		assert(m->ran != NULL);
	}
	m->ran[m->n_ran++] = (struct held){intent, index};
}

static void
on_result(struct meaning *m, uint64_t index, const struct audit_brief *b)
{
	uint64_t *verdict = b->n_refs ? idmap_get(&m->intents, b->refs[0]) : NULL;
	bool ran = b->status == AUDIT_status_OK || b->status == AUDIT_status_ERROR;

	m->n_results++;
	if (!verdict) {
		if (b->n_refs == 0 || !may_be_gone(m, b->refs[0]))
			m->problem(m->arg, index, "a result without its intent");
		return;
	}
	if (*verdict == AUDIT_verdict_DENY && b->status == AUDIT_status_OK)
		m->problem(m->arg, index, "a refused command has a result");
	if (*verdict == AUDIT_verdict_HOLD && ran)
		went_ahead(m, b->refs[0], index);
}

/* A connection that was held is let in by another record, which refers to it. */
static void
on_connect(struct meaning *m, uint64_t index, const struct audit_brief *b)
{
	uint64_t *verdict = b->n_refs ? idmap_get(&m->intents, b->refs[0]) : NULL;

	if (b->verdict == AUDIT_verdict_HOLD)
		*idmap_put(&m->intents, b->id) = AUDIT_verdict_HOLD;
	else if (b->verdict != AUDIT_verdict_ALLOW || b->n_refs == 0)
		return;
	else if (verdict)
		went_ahead(m, b->refs[0], index);
	else if (!may_be_gone(m, b->refs[0]))
		m->problem(m->arg, index, "a session was opened after a hold that is not on record");
}

static void
on_policy(struct meaning *m, uint64_t index, const struct audit_brief *b)
{
	if (b->type == AUDIT_policy_load && b->new_digest.n && b->outcome == AUDIT_outcome_LOADED)
		*idmap_put(&m->policies, id_of(b->new_digest)) = 1;
	if (b->type == AUDIT_log_state && b->log_state == AUDIT_log_state_START)
		m->started = true;
	if (b->policy.n && (m->started || !m->pruned_ns)) {
		uint64_t *at = idmap_put(&m->policies, id_of(b->policy));

		if (*at == 0)
			*at = index + 2;
	}
}

void
meaning_record(struct meaning *m, uint64_t index, const struct audit_brief *b)
{
	on_policy(m, index, b);
	if (b->sseq && !audit_id_is_zero(b->session))
		on_session(m, index, b);
	if (b->type == AUDIT_command) {
		m->n_commands++;
		m->n_held += b->verdict == AUDIT_verdict_HOLD;
		*idmap_put(&m->intents, b->id) = b->verdict;
	} else if (b->type == AUDIT_result) {
		on_result(m, index, b);
	} else if (b->type == AUDIT_session_start) {
		on_connect(m, index, b);
	} else if (b->type == AUDIT_approval_request) {
		on_request(m, b);
	} else if (b->type == AUDIT_approval_decision) {
		on_decision(m, b);
	} else if (b->type == AUDIT_approval_close) {
		on_close(m, b);
	}
}

/* Distinct approvers, not the requester, who are in the group. */
static uint64_t
count(const struct approval *a, const struct audit_id *group)
{
	uint64_t n = 0;

	for (size_t i = 0; i < a->n_approvers; i++) {
		const struct approver *p = &a->approvers[i];
		bool in = !group || p->n_groups == 0;

		for (size_t g = 0; !in && g < p->n_groups; g++)
			in = same(p->groups[g], *group);
		n += in && !same(p->who, a->requester);
	}
	return n;
}

static const char *
judge(const struct approval *a)
{
	if (!a->requested)
		return "what was held went ahead, but its approval was never requested";
	if (a->other_binding)
		return "what was held went ahead, but its approvals are over different bindings";
	/* A window may be closed after it was used; which came first is not to be told. */
	if (a->rejected && a->max_uses)
		return "what was held went ahead although it was rejected";
	if (a->uses == 0)
		return "what was held went ahead, but no approval.close says that its approval was used";
	if (a->max_uses && a->uses > a->max_uses)
		return "an approval was used more often than it allows";
	if (a->n_groups == 0 && count(a, NULL) == 0)
		return "what was held went ahead without an approval by another principal";
	for (size_t g = 0; g < a->n_groups; g++)
		if (count(a, &a->groups[g]) < a->need[g])
			return "what was held went ahead with fewer approvers than it needed";
	return NULL;
}

void
meaning_end(struct meaning *m)
{
	for (size_t i = 0; i < m->n_ran; i++) {
		uint64_t *at = idmap_get(&m->approval_of, m->ran[i].intent);
		const char *wrong = at ? judge(&m->v[*at - 1])
				       : "what was held went ahead without an approval";

		/* Used again within its window, after the request was pruned. */
		if (at && !m->v[*at - 1].requested && m->pruned_ns)
			continue;
		if (wrong)
			m->problem(m->arg, m->ran[i].index, wrong);
	}
	for (size_t i = 0; i < m->policies.cap; i++)
		if (m->policies.slots[i].state == 1 && m->policies.slots[i].value > 1)
			m->problem(m->arg, m->policies.slots[i].value - 2,
				   "decided under a policy that no policy.load names");
}

void
meaning_fini(struct meaning *m)
{
	idmap_fini(&m->sessions);
	idmap_fini(&m->intents);
	idmap_fini(&m->policies);
	idmap_fini(&m->approvals);
	idmap_fini(&m->approval_of);
	free(m->v);
	free(m->ran);
	m->v = NULL;
	m->ran = NULL;
}
