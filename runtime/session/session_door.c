/* SPDX-License-Identifier: MIT
 *
 * Whether there will be a session: what the policy says of connecting, and the wait for people when
 * it holds that. Who waits is logged in and nothing more: no server is dialled, no connection is
 * borrowed, and whatever the client says but a good-bye ends the wait. What is decided is looked up
 * again whenever something may have changed, so that a reload and a decision are one way.
 */
#include "session/session_hold.h"
#include "session/session_login.h"

#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { QUEUED_NOTICES = 4096 }; /* bytes that a client who does not read has not taken */

struct door {
	char id[APPROVAL_ID_LEN + 1];
	uint8_t key[SHA256_LEN]; /* of what is asked */
	struct audit_id held;	 /* the record of it */
	uint64_t epoch;		 /* in which it was */
};

static const struct gate_refusal no_log = {"WEIR-AUDIT", "the audit log takes no records", NULL,
					   "the gateway's operator must look at its log and disk",
					   "58030"};
static const struct gate_refusal draining = {
	"WEIR-SHUTDOWN", "the gateway is shutting down; the session was not opened", NULL,
	"connect again in a moment and ask again", "57P01"};
static const struct gate_refusal too_much = {
	"WEIR-HOLD-RULES", "more rules hold this connection than one request can carry", NULL,
	"ask who writes the policy to merge its hold rules", NULL};

static void
event_done(struct session *s, const struct audit_id *held, struct approval_event *ev)
{
	if (!record_approval_of(s, held, ev))
		log_warn("what became of an approval is not on record: the audit log takes no "
			 "records");
	approval_event_done(ev);
}

void
door_cancel(struct session *s, const char *why)
{
	struct door *d = s->login ? s->login->door : NULL;
	struct approval_event ev;

	if (!d)
		return;
	if (approvals_cancel(s->env->approvals, d->id, s->draining ? draining.message : why,
			     s->host->now_wall(s->host_ctx), &ev))
		event_done(s, &d->held, &ev);
	s->login->door = NULL;
	free(d);
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Said once, before anything that a client takes for a word about its session: some read what comes
 * before it as a refusal of TLS or of the key, and try again. */
static void
welcome(struct session *s)
{
	if (!s->login->welcomed)
		pg_put_auth(&s->env->scratch, PG_AUTH_OK, (struct slice){0});
	s->login->welcomed = true;
	session_emit(s, CLIENT, &s->env->scratch);
}

static void
notice(struct session *s, const char *message)
{
	if (s->host->queued(s->host_ctx, CLIENT) <= QUEUED_NOTICES)
		hold_notice(s, message, "");
}

/* v: the verdict on connecting, for its rules; held: what waited. */
static void
refuse(struct session *s, struct gate_verdict *v, const struct gate_refusal *why,
       struct audit_id held)
{
	struct audit_id record;

	v->verdict = VERDICT_DENY;
	v->refusal = *why;
	s->env->counters.denied++;
	if (!record_connect(s, v, why->message, held, &record))
		why = &no_log;
	else if (audit_id_is_zero(held))
		notice_connect(s, v, record, NULL);
	session_refuse(s, why);
}

/* held, by: what waited and who let it pass. */
static void
let_in(struct session *s, struct gate_verdict *v, struct audit_id held, const char *by)
{
	struct audit_id record;

	v->verdict = VERDICT_ALLOW;
	if (!record_connect(s, v, by, held, &record)) {
		session_refuse(s, &no_log);
		return;
	}
	free(s->login->door); /* used, or nothing that its leaving would end */
	s->login->door = NULL;
	welcome(s);
	s->phase = SESSION_WAITING;
	/* However long people took, the rest of the login has its time. */
	s->host->timer(s->host_ctx,
		       s->host->now_mono(s->host_ctx) + s->env->login_ms * NS_PER_MS);
	login_progress(s);
}

static void
arm(struct session *s)
{
	s->host->timer(s->host_ctx,
		       s->host->now_mono(s->host_ctx) + s->env->notice_ms * NS_PER_MS);
}

/* ---- what is asked --------------------------------------------------------------------------- */

/* An approval is for the rules that asked: others may hold the same principal when it comes from
 * elsewhere. No command has this digest, which is of none. */
static void
subject_of(struct session *s, const struct gate_verdict *v, struct approval_subject *out)
{
	const struct config_target *target = gate_target(s->gate);
	const struct image *img = gate_epoch(s->env->gate)->image;
	struct slice parts[1 + 2 * VERDICT_RULES] = {SLICE_LIT("weir-connect-v1")};
	size_t n = 1;

	*out = (struct approval_subject){.protocol = SLICE_LIT("postgres"),
					 .principal = gate_user(s->gate),
					 .target = slice_str(target->name),
					 .database = slice_str(target->database),
					 .db_role = slice_str(target->login)};
	for (uint8_t i = 0; i < v->n_rules; i++) {
		parts[n++] = slice_of("", 1);
		parts[n++] = img->rules[v->rules[i]].name;
	}
	sha256v(out->params_sha256, parts, n);
	memcpy(out->policy_sha256, img->digest, SHA256_LEN);
}

/* A window for further sessions only where every rule says how long it is, and none says `once`. */
static void
set_uses(const struct image *img, const struct gate_verdict *v, struct approval_ask *a)
{
	a->max_uses = 0;
	for (uint8_t i = 0; i < v->n_rules; i++) {
		const struct image_hold *h = &img->rules[v->rules[i]].hold;

		if (h->once || !h->expires_s)
			a->max_uses = 1;
	}
	if (!a->release_ns)
		a->release_ns = a->within_ns;
}

void
session_address(const struct session_client *c, char *out, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v4 = memcmp(c->address, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(v4 ? AF_INET : AF_INET6, c->address + (v4 ? 12 : 0), text, sizeof(text));
	snprintf(out, size, v4 ? "%s:%u" : "[%s]:%u", text, c->port);
}

static bool
question_of(struct session *s, const struct gate_verdict *v, struct question *q)
{
	const struct image *img = gate_epoch(s->env->gate)->image;

	*q = (struct question){0};
	subject_of(s, v, &q->ask.subject);
	if (!question_join(img, v, q))
		return false;
	set_uses(img, v, &q->ask);
	session_address(&s->client, q->client, sizeof(q->client));
	q->ask.connects = true;
	q->ask.kind = gate_user_kind(s->gate);
	q->ask.client = slice_str(q->client);
	q->ask.application = s->client_facts.application;
	q->ask.waiter = s->waiter;
	return true;
}

/* ---- held ------------------------------------------------------------------------------------ */

/* Consumes the release, or one use of its window. */
static void
use(struct session *s, struct gate_verdict *v, const struct question *q, struct audit_id held,
    const struct approval_status *st)
{
	struct approval_event ev;
	enum approval_error e = approvals_use(s->env->approvals, st->id, &q->ask.subject,
					      s->host->now_wall(s->host_ctx), &ev);
	const char *by = arena_printf(&s->env->arena, "approval %s given by %s", st->id, st->by);
	uint64_t ticket;

	if (e != APPROVAL_ERR_NONE) {
		refuse(s, v, &(struct gate_refusal){approval_error_code(e), approval_error_text(e),
						    NULL, approval_error_hint(e), NULL}, held);
		return;
	}
	ticket = record_approval_of(s, &held, &ev);
	approval_event_done(&ev);
	if (!ticket) {
		session_refuse(s, &no_log);
		return;
	}
	if (s->login->welcomed)
		notice(s, by);
	let_in(s, v, held, by);
}

static void
answer_async(struct session *s, struct gate_verdict *v, const struct approval_status *st,
	     struct audit_id held)
{
	struct gate_refusal why = {
		.code = "WEIR-HELD",
		.message = arena_printf(&s->env->arena, "connecting waits for approval %s (%s)",
					st->id, st->tally),
		.detail = arena_printf(&s->env->arena, "approval=%s", st->id),
		.hint = "connect again once it is approved"};

	welcome(s);
	refuse(s, v, &why, held);
}

static void
ask_people(struct session *s, struct gate_verdict *v, const struct question *q,
	   struct audit_id held)
{
	struct approval_status st;
	struct approval_event ev;
	enum approval_error e;
	struct door *d;

	e = approvals_create(s->env->approvals, &q->ask, s->host->now_wall(s->host_ctx), &st, &ev);
	if (e != APPROVAL_ERR_NONE) {
		refuse(s, v, &(struct gate_refusal){approval_error_code(e), approval_error_text(e),
						    NULL, approval_error_hint(e), NULL}, held);
		return;
	}
	event_done(s, &held, &ev);
	s->env->counters.held++;
	notice_connect(s, v, held, st.id);
	if (s->approval_async) {
		answer_async(s, v, &st, held);
		return;
	}
	d = calloc(1, sizeof(*d));
	assert(d != NULL);
	memcpy(d->id, st.id, sizeof(st.id));
	approval_subject_key(d->key, &q->ask.subject);
	d->held = held;
	d->epoch = gate_epoch(s->env->gate)->number;
	s->login->door = d;
	s->phase = SESSION_HELD;
	welcome(s);
	hold_begin_notice(s, &st, q, "connecting waits", "Disconnect");
	arm(s);
}

/* True: the same is asked already, and waits. */
static bool
asked_already(struct session *s, const struct question *q)
{
	struct door *d = s->login->door;
	uint8_t key[SHA256_LEN];
	struct approval_status st;

	approval_subject_key(key, &q->ask.subject);
	if (!d || memcmp(d->key, key, sizeof(key)) != 0 ||
	    !approvals_peek(s->env->approvals, d->id, &st) || st.state != APPROVAL_PENDING)
		return false;
	d->epoch = gate_epoch(s->env->gate)->number;
	return true;
}

/* The rules hold it: asks, unless that is done, and uses what was granted. */
static void
hold(struct session *s, struct gate_verdict *v)
{
	struct door *d = s->login->door;
	struct audit_id held = d ? d->held : (struct audit_id){{0}};
	struct approval_status st;
	struct question q;
	bool found;

	if (!question_of(s, v, &q)) {
		refuse(s, v, &too_much, held);
		return;
	}
	found = approvals_find(s->env->approvals, &q.ask.subject, s->host->now_wall(s->host_ctx),
			       &st);
	if (!(found && st.state == APPROVAL_APPROVED) && asked_already(s, &q))
		return;
	/* What was asked is not what would be now, or somebody has let the same in meanwhile. */
	if (d && !(found && strcmp(st.id, d->id) == 0)) {
		door_cancel(s, "it is not what is asked any more");
		held = (struct audit_id){{0}};
	}
	if (s->draining) {
		session_refuse(s, &draining);
		return;
	}
	if (audit_id_is_zero(held) && !record_connect(s, v, "", (struct audit_id){{0}}, &held)) {
		session_refuse(s, &no_log);
		return;
	}
	if (found && st.state == APPROVAL_APPROVED)
		use(s, v, &q, held, &st);
	else if (found && s->approval_async)
		answer_async(s, v, &st, held);
	else
		ask_people(s, v, &q, held);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static void
decide(struct session *s)
{
	struct audit_id held = s->login->door ? s->login->door->held : (struct audit_id){{0}};
	struct gate_verdict v;

	gate_connect(s->env->gate, s->gate, s->host->now_wall(s->host_ctx), &v);
	if (v.verdict == VERDICT_HOLD) {
		hold(s, &v);
		return;
	}
	door_cancel(s, "the policy changed");
	if (v.verdict == VERDICT_ALLOW) /* nobody's approval is behind that */
		let_in(s, &v, (struct audit_id){{0}}, "");
	else
		refuse(s, &v, &(struct gate_refusal){v.refusal.code, v.refusal.message, NULL,
						     v.refusal.hint, NULL}, held);
}

void
door_open(struct session *s)
{
	decide(s);
	arena_reset(&s->env->arena);
}

/* Nobody will let it in. */
static void
give_up(struct session *s, const struct approval_status *st)
{
	struct door *d = s->login->door;
	bool rejected = st->state == APPROVAL_REJECTED;
	struct gate_refusal why = {
		.code = rejected			   ? "WEIR-HOLD-REJECTED"
			: st->state == APPROVAL_EXPIRED ? "WEIR-HOLD-EXPIRED"
							   : "WEIR-HOLD-CANCELLED",
		.detail = arena_printf(&s->env->arena, "approval=%s", d->id),
		.hint = "connect again to ask again"};
	struct gate_verdict v;
	const char *rule = "";

	gate_connect(s->env->gate, s->gate, s->host->now_wall(s->host_ctx), &v);
	if (v.verdict == VERDICT_HOLD && v.n_rules)
		rule = arena_printf(&s->env->arena, " (rule \"%.*s\")",
				    SLICE_ARG(gate_epoch(s->env->gate)->image
						      ->rules[v.rules[0]].name));
	if (rejected)
		why.message = arena_printf(&s->env->arena, "approval %s%s was rejected by %s%s%s",
					   d->id, rule, st->by, st->reason[0] ? ": " : "",
					   st->reason);
	else if (st->state == APPROVAL_EXPIRED)
		why.message = arena_printf(&s->env->arena,
					   "nobody decided on approval %s%s in time", d->id, rule);
	else
		why.message = arena_printf(&s->env->arena, "approval %s%s was withdrawn", d->id,
					   rule);
	refuse(s, &v, &why, d->held);
}

void
door_progress(struct session *s)
{
	struct door *d = s->login->door;
	struct approval_status st = {.state = APPROVAL_EXPIRED};
	bool known = approvals_peek(s->env->approvals, d->id, &st);

	if (known && st.state == APPROVAL_PENDING && d->epoch == gate_epoch(s->env->gate)->number)
		return;
	if (known && (st.state == APPROVAL_PENDING || st.state == APPROVAL_APPROVED))
		decide(s);
	else
		give_up(s, &st);
	arena_reset(&s->env->arena);
}

void
door_tick(struct session *s)
{
	struct approval_status st;
	char message[300];
	uint64_t now = s->host->now_wall(s->host_ctx);

	door_progress(s);
	/* Somebody may have let in the same principal, from another connection of it. */
	if (s->phase == SESSION_HELD) {
		decide(s);
		arena_reset(&s->env->arena);
	}
	if (s->phase != SESSION_HELD)
		return;
	if (approvals_peek(s->env->approvals, s->login->door->id, &st)) {
		snprintf(message, sizeof(message), "still waiting for approval %s: %s, %llu s left",
			 st.id, st.tally,
			 (unsigned long long) (st.decide_by_ns > now
						       ? (st.decide_by_ns - now) / NS_PER_S
						       : 0));
		notice(s, message);
	}
	arm(s);
}

size_t
door_client_bytes(struct session *s, const uint8_t *p, size_t n)
{
	if (p[0] == PG_F_TERMINATE) {
		session_close(s, "client left during login");
		return n;
	}
	s->env->counters.protocol_errors++;
	session_fatal(s, "08P01", "WEIR-PROTOCOL", "a message came while connecting waits for approval",
		      "connect again, and send nothing before ReadyForQuery");
	return n;
}
