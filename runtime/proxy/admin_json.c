/* SPDX-License-Identifier: MIT
 *
 * A held command or connection as JSON. `statement` is the exact text (absent when it is not UTF-8;
 * then `statement_base64`), `statement_visible` the one to show: see approval_put_visible.
 */
#include "base/clock.h"
#include "proxy/admin_internal.h"

enum { BRIEF_BYTES = 4096 };

static json_t *
text(struct slice s)
{
	return json_stringn(s.p ? (const char *) s.p : "", s.n);
}

static json_t *
visible(struct slice s)
{
	struct buf b = {0};
	json_t *out;

	approval_put_visible(&b, s, true);
	out = b.failed ? NULL : text(buf_slice(&b));
	buf_fini(&b);
	return out;
}

static json_t *
hex(const uint8_t d[SHA256_LEN])
{
	struct buf b = {0};
	json_t *out;

	hex_put(&b, slice_of(d, SHA256_LEN));
	out = text(buf_slice(&b));
	buf_fini(&b);
	return out;
}

static json_t *
moment(uint64_t ns)
{
	char s[28];

	clock_format(ns, s);
	return json_string(s);
}

static void
put_statement(json_t *o, const struct approval *a, bool brief)
{
	struct slice s = a->ask.statement;
	struct buf b = {0};

	if (brief && s.n > BRIEF_BYTES) {
		s.n = BRIEF_BYTES;
		while (s.n > 0 && (s.p[s.n] & 0xc0) == 0x80)
			s.n--;
	}
	/* The store itself keeps no more than APPROVAL_MAX_TEXT; it says so in `unapprovable`. */
	json_object_set_new(o, "statement_complete",
			    json_boolean(s.n == a->ask.statement.n && s.n < APPROVAL_MAX_TEXT));
	if (json_object_set_new(o, "statement", text(s)) != 0) {
		base64_put(&b, s);
		json_object_set_new(o, "statement_base64", text(buf_slice(&b)));
		buf_fini(&b);
	}
	json_object_set_new(o, "statement_visible", visible(s));
	json_object_set_new(o, "statement_sha256", hex(a->ask.subject.command_sha256));
	if (a->ask.parameters.n && !brief)
		json_object_set_new(o, "parameters_visible", visible(a->ask.parameters));
}

static json_t *
rules_json(const struct approval *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->ask.n_rules; i++) {
		json_t *r = json_object();

		json_object_set_new(r, "name", text(a->ask.rules[i].name));
		json_object_set_new(r, "sentence", text(a->ask.rules[i].sentence));
		json_array_append_new(list, r);
	}
	return list;
}

static json_t *
needs_json(const struct approval *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->ask.n_needs; i++) {
		json_t *n = json_object();

		json_object_set_new(n, "group", text(a->ask.needs[i].label));
		json_object_set_new(n, "need", json_integer(a->ask.needs[i].n));
		json_object_set_new(n, "met", json_integer(approval_met(a, i)));
		json_array_append_new(list, n);
	}
	return list;
}

static json_t *
votes_json(const struct approval *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->n_votes; i++) {
		const struct approval_vote *v = &a->votes[i];
		json_t *o = json_object();

		json_object_set_new(o, "by", json_string(v->by));
		json_object_set_new(o, "verdict", json_string(v->approve ? "approve" : "reject"));
		json_object_set_new(o, "reason", json_string(v->reason));
		json_object_set_new(o, "ticket", json_string(v->ticket));
		json_object_set_new(o, "at", moment(v->at_ns));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *
requester_json(const struct approval *a)
{
	static const char *const kinds[] = {"human", "service", "agent"};
	json_t *o = json_object();

	json_object_set_new(o, "name", text(a->ask.subject.principal));
	json_object_set_new(o, "kind", json_string(kinds[a->ask.kind]));
	json_object_set_new(o, "client", text(a->ask.client));
	if (a->ask.application.n)
		json_object_set_new(o, "application", visible(a->ask.application));
	return o;
}

/* Not a verdict, only what a console would offer: deciding checks it all again. */
static void
put_may(json_t *o, const struct approval *a, const struct approval_decider *who)
{
	bool again = false;

	for (size_t i = 0; i < a->n_votes; i++)
		again |= slice_is(who->name, a->votes[i].by);
	json_object_set_new(o, "may_approve",
			    json_boolean(a->state == APPROVAL_PENDING && !a->unapprovable &&
					 !again && approval_eligible(a, who)));
	json_object_set_new(o, "may_reject",
			    json_boolean((a->state == APPROVAL_PENDING ||
					  a->state == APPROVAL_APPROVED) &&
					 (approval_is_requester(a, who) ||
					  approval_eligible(a, who))));
}

json_t *
admin_approval_json(const struct approval *a, const struct approval_decider *who, bool brief)
{
	const struct approval_subject *s = &a->ask.subject;
	json_t *o = json_object();

	json_object_set_new(o, "id", json_string(a->id));
	json_object_set_new(o, "state", json_string(approval_state_name(a->state)));
	json_object_set_new(o, "kind", json_string(a->ask.connects ? "connection" : "command"));
	json_object_set_new(o, "requester", requester_json(a));
	json_object_set_new(o, "protocol", text(s->protocol));
	json_object_set_new(o, "target", text(s->target));
	json_object_set_new(o, "database", text(s->database));
	json_object_set_new(o, "db_role", text(s->db_role));
	if (!a->ask.connects)
		put_statement(o, a, brief);
	json_object_set_new(o, "rules", rules_json(a));
	json_object_set_new(o, "needs", needs_json(a));
	json_object_set_new(o, "votes", votes_json(a));
	json_object_set_new(o, "not_self", json_boolean(a->ask.not_self));
	json_object_set_new(o, "reason_required", json_boolean(a->ask.reason_required));
	json_object_set_new(o, "ticket_required", json_boolean(a->ask.ticket_required));
	json_object_set_new(o, "created", moment(a->created_ns));
	json_object_set_new(o, "decide_by", moment(a->decide_by_ns));
	if (a->release_until_ns)
		json_object_set_new(o, "release_until", moment(a->release_until_ns));
	json_object_set_new(o, "max_uses", json_integer(a->ask.max_uses));
	json_object_set_new(o, "uses", json_integer(a->uses));
	json_object_set_new(o, "binding", hex(a->binding));
	json_object_set_new(o, "policy_sha256", hex(s->policy_sha256));
	if (a->unapprovable)
		json_object_set_new(o, "unapprovable", json_string(a->unapprovable));
	if (a->closed_why)
		json_object_set_new(o, "closed_why", json_string(a->closed_why));
	put_may(o, a, who);
	return o;
}
