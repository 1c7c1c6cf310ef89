/* SPDX-License-Identifier: MIT
 *
 * Commands that wait for people. The message stays where it is, unread beyond, so what runs after
 * the release is what was shown: the binding is computed again from those bytes and compared in the
 * step that consumes the approval. A client that cannot wait asks for the async mode: it is refused
 * at once with the request's id, and sends the same bytes again once somebody approved.
 */
#include "session/session_hold.h"

#include "base/clock.h"
#include "base/endian.h"
#include "session/approval_record.h"
#include "sql/secrets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Locks and snapshots do not wait longer. */
enum { HOLD_IN_TRANSACTION_S = 60 };

struct hold {
	struct command *command;
	char id[APPROVAL_ID_LEN + 1];
	uint64_t since_mono, decide_by_wall;
	uint64_t asked; /* for a catalog that is read after the release; 0: not yet */
	bool found;	/* released before it was sent, so not withdrawn with it */
	bool ahead;	/* asked before the batch began that its Execute ends */
	bool ended; /* what is below is the answer */
	char sqlstate[6];
	char message[512], detail[64];
	const char *code;
};

/* ---- what is asked for ----------------------------------------------------------------------- */

static void
subject_of(struct session *s, const struct sql_facts *f, const struct statement_text *t,
	   struct approval_subject *out)
{
	const struct config_target *target = gate_target(s->gate);

	*out = (struct approval_subject){.protocol = SLICE_LIT("postgres"),
					 .principal = gate_user(s->gate),
					 .target = slice_str(target->name),
					 .database = slice_str(target->database),
					 .db_role = slice_str(target->login),
					 .search_path = gate_path_text(s->gate),
					 .path_user = gate_path_user(s->gate)};
	sha256(out->command_sha256, t->text);
	if (t->params.n) {
		uint8_t n_types[4];
		struct slice parts[] = {slice_of(n_types, 4), t->types, t->params};

		/* What type $1 has can be what the statement does. */
		put_be32(n_types, (uint32_t)t->types.n);
		sha256v(out->params_sha256, parts, 3);
	}
	memcpy(out->policy_sha256, gate_epoch(s->env->gate)->image->digest, SHA256_LEN);
	gate_objects(s->gate, f, out->objects_sha256, &s->env->arena);
}

/* A batch that has begun on a server connection that others wait for. */
static bool
keeps_connection(const struct session *s)
{
	return s->pool.mode == POOL_TRANSACTION && s->unsynced;
}

bool
question_join(const struct image *img, const struct gate_verdict *v, struct question *q)
{
	struct approval_ask *a = &q->ask;

	a->max_uses = 1;
	a->within_ns = UINT64_MAX;
	for (uint8_t i = 0; i < v->n_rules; i++) {
		const struct image_rule *r = &img->rules[v->rules[i]];
		const struct image_hold *h = &r->hold;

		if (a->n_rules == APPROVAL_MAX_RULES ||
		    a->n_needs + h->n_needs > APPROVAL_MAX_NEEDS)
			return false;
		for (size_t k = 0; k < h->n_needs; k++) {
			const struct image_group *g = &img->groups[h->needs[k].group];

			q->groups[a->n_needs] = g->idp;
			q->needs[a->n_needs] = (struct approval_need){
				h->needs[k].n, (unsigned) a->n_rules, g->name,
				&q->groups[a->n_needs], 1};
			a->n_needs++;
		}
		q->rules[a->n_rules++] = (struct approval_rule){r->name, r->sentence};
		if (h->within_s * NS_PER_S < a->within_ns)
			a->within_ns = h->within_s * NS_PER_S;
		if (h->expires_s &&
		    (!a->release_ns || h->expires_s * NS_PER_S < a->release_ns))
			a->release_ns = h->expires_s * NS_PER_S;
		a->not_self = a->not_self || h->not_self;
		a->reason_required = a->reason_required || h->reason;
		a->ticket_required = a->ticket_required || h->ticket;
	}
	a->rules = q->rules;
	a->needs = q->needs;
	return a->n_rules > 0 && !v->rules_cut;
}

static bool
join_rules(struct session *s, const struct gate_verdict *v, struct question *q)
{
	struct approval_ask *a = &q->ask;

	if (!question_join(gate_epoch(s->env->gate)->image, v, q))
		return false;
	if ((s->tx == 'T' || keeps_connection(s)) &&
	    a->within_ns > HOLD_IN_TRANSACTION_S * NS_PER_S)
		a->within_ns = HOLD_IN_TRANSACTION_S * NS_PER_S;
	if (!a->release_ns)
		a->release_ns = a->within_ns;
	return true;
}

static bool
question_of(struct session *s, struct command *c, const struct statement_text *t,
	    struct question *q)
{
	*q = (struct question){0};
	subject_of(s, c->facts, t, &q->ask.subject);
	q->ask.kind = gate_user_kind(s->gate);
	q->ask.statement = sql_without_secrets(t->text, &s->env->arena);
	q->ask.waiter = s->waiter;
	if (t->params.n > 4) {
		record_render_parameters(t->params, &q->parameters);
		q->ask.parameters = buf_slice(&q->parameters);
	}
	return join_rules(s, &c->verdict, q);
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum step
refuse_hold(struct session *s, struct command *c, bool extended, const struct gate_refusal *why)
{
	if (extended)
		refuse_extended(s, c, why);
	else
		refuse_query(s, c, why);
	return STEP_DONE;
}

void
hold_notice(struct session *s, const char *message, const char *hint)
{
	pg_put_notice(&s->env->scratch, &(struct pg_error){.severity = "NOTICE",
							   .sqlstate = "01000",
							   .message = slice_str(message),
							   .hint = slice_str(hint)});
	session_say(s, &s->env->scratch);
}

void
hold_begin_notice(struct session *s, const struct approval_status *st, const struct question *q,
		  const char *what, const char *withdraw)
{
	uint64_t left = st->decide_by_ns - s->host->now_wall(s->host_ctx);
	char message[400], hint[300];

	snprintf(message, sizeof(message), "%s for approval %s: rule \"%.*s\"%s%.*s", what, st->id,
		 SLICE_ARG(q->rules[0].name), q->rules[0].sentence.n ? ", " : "",
		 SLICE_ARG(q->rules[0].sentence));
	snprintf(hint, sizeof(hint), "%s; at most %llu s. Somebody eligible runs: weir approvals "
		 "approve %s --reason \"...\". %s to withdraw it.", st->tally,
		 (unsigned long long) (left / NS_PER_S), st->id, withdraw);
	hold_notice(s, message, hint);
}

static void
arm(struct session *s)
{
	s->tick_hold = s->host->now_mono(s->host_ctx) + s->env->notice_ms * NS_PER_MS;
	session_arm(s);
}

static void
record_event(struct session *s, struct command *c, struct approval_event *ev)
{
	record_approval(s, c, ev);
	approval_event_done(ev);
}

/* Consumes the approval: its use is on record, durably, before the command's first byte goes on. */
static enum step
use(struct session *s, struct command *c, const char *id, const struct statement_text *t)
{
	struct approval_subject subject;
	struct approval_event ev;
	enum approval_error e;

	subject_of(s, c->facts, t, &subject);
	e = approvals_use(s->env->approvals, id, &subject, s->host->now_wall(s->host_ctx), &ev);
	/* Nothing that could run is released by it. */
	if (e == APPROVAL_ERR_MISMATCH &&
	    approvals_cancel(s->env->approvals, id, "what it is about changed",
			     s->host->now_wall(s->host_ctx), &ev))
		record_event(s, c, &ev);
	if (e != APPROVAL_ERR_NONE)
		return refuse_hold(s, c, t->extended,
				   &(struct gate_refusal){approval_error_code(e),
							  approval_error_text(e), NULL,
							  approval_error_hint(e), NULL});
	c->ticket = record_approval(s, c, &ev);
	approval_event_done(&ev);
	if (!c->ticket)
		return refuse_hold(s, c, t->extended,
				   &(struct gate_refusal){"WEIR-AUDIT",
							  "the audit log takes no records", NULL,
							  "the gateway's operator must look at its log",
							  "58030"});
	c->verdict.verdict = VERDICT_ALLOW;
	c->verdict.pure_read = false;
	c->approved = true;
	s->staged = c;
	return STEP_FORWARD;
}

static enum step
answer_async(struct session *s, struct command *c, bool extended, const struct approval_status *st)
{
	const char *detail = arena_printf(&s->env->arena, "approval=%s", st->id);
	const char *message = arena_printf(&s->env->arena, "waits for approval %s (%s)", st->id,
					   st->tally);

	return refuse_hold(s, c, extended,
			   &(struct gate_refusal){"WEIR-HELD", message, detail,
						  "send exactly the same statement again once it is "
						  "approved", NULL});
}

static void
begin(struct session *s, struct command *c, const struct approval_status *st)
{
	s->hold = calloc(1, sizeof(*s->hold));
	assert(s->hold != NULL);
	s->hold->command = c;
	memcpy(s->hold->id, st->id, sizeof(st->id));
	s->hold->since_mono = s->host->now_mono(s->host_ctx);
	s->hold->decide_by_wall = st->decide_by_ns;
}

/* Somebody has released exactly this already. */
static enum step
find_released(struct session *s, struct command *c, const struct statement_text *t,
	      const struct approval_status *st, uint64_t asked)
{
	begin(s, c, st);
	s->hold->found = true;
	s->hold->asked = asked;
	return hold_check(s, t);
}

static enum step
ask_people(struct session *s, struct command *c, const struct statement_text *t, struct question *q)
{
	static const struct gate_refusal draining = {
		"WEIR-SHUTDOWN", "the gateway is shutting down; the command did not run", NULL,
		"connect again in a moment and ask again", "57P01"};
	struct approval_status st;
	struct approval_event ev;
	enum approval_error e;

	if (s->draining)
		return refuse_hold(s, c, t->extended, &draining);
	e = approvals_create(s->env->approvals, &q->ask, s->host->now_wall(s->host_ctx), &st, &ev);
	if (e != APPROVAL_ERR_NONE)
		return refuse_hold(s, c, t->extended,
				   &(struct gate_refusal){approval_error_code(e),
							  approval_error_text(e), NULL,
							  approval_error_hint(e), NULL});
	record_event(s, c, &ev);
	s->env->counters.held++;
	if (!st.unapprovable)
		notice_held(s, c, st.id);
	if (st.unapprovable) {
		if (approvals_cancel(s->env->approvals, st.id, "unapprovable",
				     s->host->now_wall(s->host_ctx), &ev))
			record_event(s, c, &ev);
		return refuse_hold(s, c, t->extended,
				   &(struct gate_refusal){"WEIR-UNAPPROVABLE", st.unapprovable, NULL,
							  "send it without such characters, or shorter",
							  NULL});
	}
	if (hold_is_async(s))
		return answer_async(s, c, t->extended, &st);
	begin(s, c, &st);
	hold_begin_notice(s, &st, q, "waiting", "Cancel the statement");
	arm(s);
	return STEP_BLOCK;
}

/* A name can come to mean another statement between the approval and its use. */
static bool
runs_by_name(const struct sql_facts *f, const struct statement_text *t)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].flags & SQL_EXECUTES)
			return true;
	return t->text.n == 0;
}

bool
hold_awaits(struct session *s, const struct command *c)
{
	if (c->verdict.verdict != VERDICT_HOLD)
		return false;
	if (!s->hold_asked) {
		s->hold_asked = gate_catalog_ask(s->env->gate, s->gate);
		s->host->want_catalog(s->host_ctx);
	}
	return !s->hold_unwanted &&
	       gate_catalog_since(s->env->gate, s->gate, s->hold_asked) == CATALOG_WAIT;
}

enum step
hold_begin(struct session *s, struct command *c, const struct statement_text *t)
{
	static const struct gate_refusal no_log = {
		"WEIR-AUDIT", "the audit log takes no records, so nothing is let through", NULL,
		"the gateway's operator must look at its log and disk", "58030"};
	static const struct gate_refusal too_much = {
		"WEIR-HOLD-RULES", "more rules hold this command than one request can carry", NULL,
		"ask who writes the policy to merge its hold rules", NULL};
	static const struct gate_refusal unwanted = {
		"WEIR-HOLD-CANCELLED", "canceled before people were asked for an approval", NULL,
		"the command did not run; send it again to ask", "57014"};
	static const struct gate_refusal by_name = {
		"WEIR-HOLD-EXECUTE",
		"what is held cannot be run by the name of a prepared statement or cursor", NULL,
		"send the statement itself: people approve what they can read", NULL};
	bool named = c->verdict.held_inside || runs_by_name(c->facts, t);
	uint64_t asked = s->hold_asked;
	struct approval_status st;
	struct question q = {0};
	enum step step;

	/* I9 */
	assert(s->hold_unwanted ||
	       (asked && gate_catalog_since(s->env->gate, s->gate, asked) != CATALOG_WAIT));
	if (s->hold_unwanted || named || !question_of(s, c, t, &q)) {
		buf_fini(&q.parameters);
		c->verdict.verdict = VERDICT_DENY;
		c->verdict.refusal = s->hold_unwanted ? unwanted : named ? by_name : too_much;
		if (!record_command(s, c, t))
			c->verdict.refusal = no_log;
		return refuse_hold(s, c, t->extended, &c->verdict.refusal);
	}
	if (!record_command(s, c, t)) {
		buf_fini(&q.parameters);
		return refuse_hold(s, c, t->extended, &no_log);
	}
	if (approvals_find(s->env->approvals, &q.ask.subject, s->host->now_wall(s->host_ctx),
			   &st) &&
	    (st.state == APPROVAL_APPROVED || (hold_is_async(s) && st.state == APPROVAL_PENDING)))
		step = st.state == APPROVAL_APPROVED ? find_released(s, c, t, &st, asked)
						     : answer_async(s, c, t->extended, &st);
	else
		step = ask_people(s, c, t, &q);
	buf_fini(&q.parameters);
	return step;
}

/* Takes the hold apart; its command is the caller's. */
static struct command *
finish(struct session *s)
{
	struct hold *h = s->hold;
	struct command *c = h->command;

	s->hold = NULL;
	free(h);
	s->tick_hold = 0;
	session_arm(s);
	return c;
}

static void
end_with(struct hold *h, const char *sqlstate, const char *code, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
static void
end_with(struct hold *h, const char *sqlstate, const char *code, const char *fmt, ...)
{
	va_list ap;

	h->ended = true;
	h->code = code;
	memcpy(h->sqlstate, sqlstate, 6);
	snprintf(h->detail, sizeof(h->detail), "approval=%s", h->id);
	va_start(ap, fmt);
	vsnprintf(h->message, sizeof(h->message), fmt, ap);
	va_end(ap);
}

static enum step
give_up(struct session *s, bool extended)
{
	struct hold *h = s->hold;
	struct gate_refusal why = {
		.code = h->code,
		.message = arena_str(&s->env->arena, slice_str(h->message)),
		.detail = arena_str(&s->env->arena, slice_str(h->detail)),
		.hint = "the command did not run; send it again to ask again",
		.sqlstate = arena_str(&s->env->arena, slice_str(h->sqlstate))};

	return refuse_hold(s, finish(s), extended, &why);
}

/* What was held is judged again: policy, catalog and session may have changed meanwhile. */
static bool
still_held(struct session *s, struct command *c, struct gate_refusal *why)
{
	struct gate_ask ask = session_ask(s, c->facts, &c->parameters);
	struct gate_verdict v;

	c->seen = gate_seen(s->env->gate, s->gate);
	gate_decide(s->env->gate, s->gate, &ask, &v);
	*why = v.refusal;
	c->verdict.names = v.names;
	c->verdict.rows_masked = v.rows_masked;
	c->verdict.masked_outputs = v.masked_outputs;
	c->verdict.recorded |= v.recorded;
	c->verdict.lookups = v.lookups;
	c->verdict.detects = v.detects;
	c->verdict.n_limits = v.n_limits;
	memcpy(c->verdict.limits, v.limits, sizeof(v.limits));
	memcpy(c->verdict.counted, v.counted, sizeof(v.counted));
	if (v.verdict == VERDICT_DENY)
		return false;
	session_limit_begin(s, c, NULL);
	*why = c->verdict.refusal;
	return c->verdict.verdict != VERDICT_DENY;
}

/* It was released: what it is about may have changed since it was shown, past this gateway too.
 * So the catalog is read once more, and the binding is computed from that. */
static enum step
go_on(struct session *s, const struct statement_text *t, const struct approval_status *st)
{
	struct hold *h = s->hold;
	struct gate_refusal why;
	char id[APPROVAL_ID_LEN + 1];
	struct command *c;
	bool found = h->found;

	if (!h->asked) {
		h->asked = gate_catalog_ask(s->env->gate, s->gate);
		s->host->want_catalog(s->host_ctx);
	}
	switch (gate_catalog_since(s->env->gate, s->gate, h->asked)) {
	case CATALOG_WAIT:
		return STEP_BLOCK;
	case CATALOG_FAILED:
		end_with(h, "58000", "WEIR-CATALOG",
			 "what approval %s is about could not be looked at again", h->id);
		return give_up(s, t->extended);
	case CATALOG_READY:
		break;
	}
	/* I9 */
	assert(h->asked && !h->ended);
	memcpy(id, h->id, sizeof(id));
	c = finish(s);
	if (!still_held(s, c, &why))
		return refuse_hold(s, c, t->extended, &why);
	if (!found)
		hold_notice(s, arena_printf(&s->env->arena, "approval %s given by %s", id, st->by), "");
	return use(s, c, id, t);
}

enum step
hold_check(struct session *s, const struct statement_text *t)
{
	struct hold *h = s->hold;
	struct approval_status st;

	if (h->ended)
		return give_up(s, t->extended);
	if (!approvals_peek(s->env->approvals, h->id, &st)) {
		end_with(h, "57014", "WEIR-HOLD-EXPIRED", "approval %s is gone", h->id);
		return give_up(s, t->extended);
	}
	switch (st.state) {
	case APPROVAL_PENDING:
		return STEP_BLOCK;
	case APPROVAL_APPROVED:
		return go_on(s, t, &st);
	case APPROVAL_REJECTED:
		end_with(h, "42501", "WEIR-HOLD-REJECTED", "approval %s was rejected by %s%s%s", h->id,
			 st.by, st.reason[0] ? ": " : "", st.reason);
		break;
	case APPROVAL_EXPIRED:
		end_with(h, "57014", "WEIR-HOLD-EXPIRED", "nobody decided on approval %s in time", h->id);
		break;
	default:
		end_with(h, "57014", "WEIR-HOLD-CANCELLED", "approval %s was withdrawn", h->id);
	}
	return give_up(s, t->extended);
}

bool
hold_is_settled(struct session *s, const struct sql_facts *f, const struct statement_text *t)
{
	struct approval_subject subject;
	struct approval_status st;

	if (hold_is_async(s))
		return true;
	subject_of(s, f, t, &subject);
	return approvals_find(s->env->approvals, &subject, s->host->now_wall(s->host_ctx), &st) &&
	       st.state == APPROVAL_APPROVED;
}

bool
hold_is_released(const struct session *s)
{
	struct approval_status st;

	return !s->hold->ended && approvals_peek(s->env->approvals, s->hold->id, &st) &&
	       st.state == APPROVAL_APPROVED;
}

void
hold_mark_ahead(struct session *s)
{
	if (s->hold)
		s->hold->ahead = true;
}

bool
hold_is_ahead(const struct session *s)
{
	return s->hold && s->hold->ahead;
}

bool
hold_waits(const struct session *s)
{
	struct approval_status st;

	return !s->hold->ended && approvals_peek(s->env->approvals, s->hold->id, &st) &&
	       st.state == APPROVAL_PENDING;
}

void
hold_tick(struct session *s)
{
	struct approval_status st;
	char message[300];

	if (!s->hold || s->hold->ended)
		return;
	if (approvals_peek(s->env->approvals, s->hold->id, &st) && st.state == APPROVAL_PENDING) {
		uint64_t now = s->host->now_wall(s->host_ctx);

		snprintf(message, sizeof(message), "still waiting for approval %s: %s, %llu s left",
			 st.id, st.tally,
			 (unsigned long long) (st.decide_by_ns > now
						       ? (st.decide_by_ns - now) / NS_PER_S
						       : 0));
		hold_notice(s, message, "");
	}
	arm(s);
	session_kick(s);
}

void
hold_end(struct session *s, const char *why, const char *sqlstate, const char *code,
	 const char *message)
{
	struct approval_event ev;

	if (!s->hold || s->hold->ended)
		return;
	if (!s->hold->found && approvals_cancel(s->env->approvals, s->hold->id, why,
						s->host->now_wall(s->host_ctx), &ev))
		record_event(s, s->hold->command, &ev);
	end_with(s->hold, sqlstate, code, "%s", message);
}

void
hold_cancel(struct session *s, const char *why)
{
	struct approval_event ev;

	if (!s->hold)
		return;
	if (!s->hold->found && approvals_cancel(s->env->approvals, s->hold->id, why,
						s->host->now_wall(s->host_ctx), &ev))
		record_event(s, s->hold->command, &ev);
	command_free(s, finish(s));
}
