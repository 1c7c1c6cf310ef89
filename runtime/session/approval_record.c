/* SPDX-License-Identifier: MIT */
#include "session/approval_record.h"

struct audit_id
approval_audit_id(const struct approval *a)
{
	struct audit_id id;

	static_assert(APPROVAL_ID_LEN < sizeof(id.b), "the short id leaves room for the binding");
	memcpy(id.b, a->id, APPROVAL_ID_LEN);
	memcpy(id.b + APPROVAL_ID_LEN, a->binding, sizeof(id.b) - APPROVAL_ID_LEN);
	return id;
}

static enum audit_enum_value
kind_of(enum principal_kind kind)
{
	switch (kind) {
	case PRINCIPAL_HUMAN:
		return AUDIT_principal_kind_HUMAN;
	case PRINCIPAL_SERVICE:
		return AUDIT_principal_kind_SERVICE;
	case PRINCIPAL_AGENT:
		return AUDIT_principal_kind_AGENT;
	}
	return AUDIT_principal_kind_AGENT;
}

/* Who asked, for what, under which policy: the same in every event, so that each stands alone. */
static void
fill_subject(struct approval_record *r, const struct approval *a)
{
	const struct approval_subject *s = &a->ask.subject;

	r->principal.kind = kind_of(a->ask.kind);
	r->principal.subject = s->principal;
	r->principal.assurance = AUDIT_assurance_PROVEN;
	r->record.principal = &r->principal;
	if (slice_is(s->protocol, "postgres"))
		r->target.protocol = AUDIT_protocol_POSTGRES;
	r->target.name = s->target;
	r->target.database = s->database;
	r->target.login = s->db_role;
	r->record.target = &r->target;
	r->record.policy = s->policy_sha256;
}

static void
fill_request(struct approval_record *r, const struct approval_event *ev)
{
	const struct approval *a = ev->approval;
	struct audit_approval_request *b = &r->body.request;

	b->approval = approval_audit_id(a);
	b->request = slice_str(a->id);
	b->binding = a->binding;
	b->scope = !a->ask.connects ? SLICE_LIT("exact")
		   : a->ask.max_uses ? SLICE_LIT("connection")
				     : SLICE_LIT("window");
	/* Groups as principals have them, not as the policy calls them: the verifier compares them
	 * with the approvers' own. */
	for (size_t i = 0; i < a->ask.n_needs; i++) {
		const struct approval_need *need = &a->ask.needs[i];

		r->groups[i] = (struct audit_group){
			.name = need->n_groups ? need->groups[0] : need->label,
			.need = need->n,
		};
	}
	b->groups.v = r->groups;
	b->groups.n = a->ask.n_needs;
	b->not_before = a->created_ns;
	b->expires = a->decide_by_ns;
	b->max_uses = a->ask.max_uses;
	if (a->ask.not_self) {
		r->excluded[0] = a->ask.subject.principal;
		b->excluded = (struct audit_texts){r->excluded, 1};
	}
}

static void
fill_decision(struct approval_record *r, const struct approval_event *ev,
	      const struct config_principal *by)
{
	struct audit_approval_decision *b = &r->body.decision;
	bool withdraw = ev->type == APPROVAL_EV_REJECT &&
			slice_is(ev->approval->ask.subject.principal, ev->by);

	b->approval = approval_audit_id(ev->approval);
	b->request = slice_str(ev->approval->id);
	b->binding = ev->approval->binding;
	b->verdict = ev->type == APPROVAL_EV_APPROVE ? AUDIT_approval_verdict_APPROVE
		     : withdraw			     ? AUDIT_approval_verdict_WITHDRAW
						     : AUDIT_approval_verdict_REJECT;
	r->approver.subject = slice_str(ev->by);
	r->approver.assurance = AUDIT_assurance_PROVEN;
	if (by) {
		r->approver.kind = kind_of(by->kind);
		r->approver.groups = (struct audit_texts){by->groups, by->n_groups};
	}
	b->approver = &r->approver;
	b->reason = slice_str(ev->reason);
	b->channel = SLICE_LIT("admin");
	if (ev->type == APPROVAL_EV_APPROVE)
		b->tally = ev->completes ? SLICE_LIT("complete") : SLICE_LIT("more needed");
	if (ev->ticket && ev->ticket[0]) {
		r->correlation.ticket = slice_str(ev->ticket);
		r->record.correlation = &r->correlation;
	}
}

static void
fill_close(struct approval_record *r, const struct approval_event *ev)
{
	const struct approval *a = ev->approval;
	struct audit_approval_close *b = &r->body.close;

	b->approval = approval_audit_id(a);
	b->request = slice_str(a->id);
	b->binding = a->binding;
	b->waited_ns = ev->at_ns > a->created_ns ? ev->at_ns - a->created_ns : 0;
	if (ev->type == APPROVAL_EV_USE) {
		b->state = AUDIT_approval_state_USED;
		b->by = a->ask.subject.principal;
		return;
	}
	b->state = ev->state == APPROVAL_EXPIRED ? AUDIT_approval_state_EXPIRED
						 : AUDIT_approval_state_CANCELLED;
	b->by = slice_str(ev->why);
}

void
approval_record_fill(struct approval_record *r, const struct approval_event *ev,
		     const struct config_principal *by, uint64_t boot_ns)
{
	static const enum audit_record_type types[APPROVAL_N_EVENTS] = {
		[APPROVAL_EV_REQUEST] = AUDIT_approval_request,
		[APPROVAL_EV_APPROVE] = AUDIT_approval_decision,
		[APPROVAL_EV_REJECT] = AUDIT_approval_decision,
		[APPROVAL_EV_USE] = AUDIT_approval_close,
		[APPROVAL_EV_CLOSE] = AUDIT_approval_close,
	};

	assert(ev->type < APPROVAL_N_EVENTS && ev->approval);
	memset(r, 0, sizeof(*r));
	audit_record_init(&r->record, types[ev->type], ev->at_ns, boot_ns);
	r->record.body = &r->body;
	fill_subject(r, ev->approval);
	switch (ev->type) {
	case APPROVAL_EV_REQUEST:
		fill_request(r, ev);
		break;
	case APPROVAL_EV_APPROVE:
	case APPROVAL_EV_REJECT:
		fill_decision(r, ev, by);
		break;
	default:
		fill_close(r, ev);
	}
}
