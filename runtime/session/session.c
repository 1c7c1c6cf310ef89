/* SPDX-License-Identifier: MIT
 *
 * Delivery, back-pressure, the reply queue and the ends of a session. What messages mean is in
 * session_login.c, session_client.c and session_server.c.
 */
#include "session/session_login.h"

#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	STREAMING_BYTES = 4096,   /* rows in one delivery that make it a stream */
	REPLY_HIGH = 8 * 1024,    /* of a reply that waits for its record: what is kept is copied */
	PENDING_HIGH = 64 * 1024, /* undelivered bytes at which a side is told to stop */
	QUEUED_HIGH = 256 * 1024, /* bytes on their way out at which the other side waits */
	REPLIES_MAX = 4096,
	ROW_MAX = 16 << 20, /* a masked row is held whole */
	SURPLUS_MS = 2000,  /* to hear that there is no connection left, or to cancel */
};

struct session *
session_new(struct session_env *env, const struct session_host *host, void *ctx,
	    const struct session_client *client, uint32_t cancel_pid)
{
	struct session *s = calloc(1, sizeof(*s));
	uint64_t now;

	if (!s)
		return NULL;
	s->magic = SESSION_MAGIC;
	s->env = env;
	s->host = host;
	s->host_ctx = ctx;
	s->client = *client;
	memcpy(s->client_facts.address, client->address, sizeof(client->address));
	s->cancel_pid = cancel_pid;
	s->cancel_key_len = 4;
	random_bytes(s->cancel_key, sizeof(s->cancel_key));
	pg_framer_init(&s->in[CLIENT].framer, PG_FROM_CLIENT, (uint32_t) env->max_message);
	pg_framer_init(&s->in[SERVER].framer, PG_FROM_SERVER,
		       (uint32_t) (env->max_message > ROW_MAX ? env->max_message : ROW_MAX));
	s->tx = 'I';
	now = host->now_mono(ctx);
	s->started_mono = now;
	host->timer(ctx, now + (client->surplus ? SURPLUS_MS : env->login_ms) * NS_PER_MS);
	return s;
}

static void
replies_clear(struct session *s)
{
	while (s->n_replies)
		reply_pop(s);
}

void
session_free(struct session *s)
{
	if (!s)
		return;
	assert(s->magic == SESSION_MAGIC);
	hold_cancel(s, "the client left");
	door_cancel(s, "the client left");
	session_lookup_ready(s, true);
	replies_clear(s);
	free(s->replies);
	names_clear(&s->statements);
	names_clear(&s->portals);
	if (s->copyout)
		session_copyout_end(s);
	session_rows_end(s);
	epoch_unref(s->plan_epoch);
	if (s->staged)
		command_free(s, s->staged);
	limits_own_free(s->own_budgets);
	login_free(s->login);
	session_pool_free(s);
	buf_fini(&s->path.answers);
	buf_fini(&s->path.rows);
	buf_wipe(&s->in[CLIENT].pending);
	buf_wipe(&s->in[SERVER].pending);
	buf_fini(&s->later);
	gate_session_close(s->env->gate, s->gate);
	s->magic = 0;
	free(s);
}

/* ---- replies --------------------------------------------------------------------------------- */

struct reply *
reply_push(struct session *s, enum reply_kind kind)
{
	struct reply *r;

	if (s->n_replies == s->cap_replies) {
		uint32_t cap = s->cap_replies ? s->cap_replies * 2 : 8;
		struct reply *next = cap > REPLIES_MAX ? NULL : calloc(cap, sizeof(*next));

		if (!next)
			return NULL;
		s->env->counters.allocs++;
		for (uint32_t i = 0; i < s->n_replies; i++)
			next[i] = *reply_at(s, i);
		free(s->replies);
		s->replies = next;
		s->cap_replies = cap;
		s->first_reply = 0;
	}
	s->n_replies++;
	r = reply_at(s, s->n_replies - 1);
	*r = (struct reply){.kind = kind};
	return r;
}

void
reply_pop(struct session *s)
{
	struct reply *r = reply_at(s, 0);

	object_unref(r->object);
	if (r->prepared)
		session_names_dropped(s, r);
	if (r->command && r->command->limit && r->command->limit->hit)
		s->limiting = false;
	if (r->command)
		command_free(s, r->command);
	if (r->error) {
		buf_fini(r->error);
		free(r->error);
	}
	s->first_reply = (s->first_reply + 1) & (s->cap_replies - 1);
	s->n_replies--;
}

void
reply_drop_syncs(struct session *s)
{
	while (s->n_replies > 1 && reply_at(s, 1)->kind == REPLY_SYNC) {
		*reply_at(s, 1) = *reply_at(s, 0);
		s->first_reply = (s->first_reply + 1) & (s->cap_replies - 1);
		s->n_replies--;
	}
}

struct command *
command_new(struct session *s)
{
	struct command *c = s->env->free_commands;

	if (c) {
		s->env->free_commands = c->next;
	} else {
		c = malloc(sizeof(*c));
		assert(c != NULL);
		s->env->counters.allocs++;
	}
	*c = (struct command){.started_mono = s->host->now_mono(s->host_ctx)};
	return c;
}

void
command_free(struct session *s, struct command *c)
{
	if (c->facts)
		sql_facts_release(c->facts);
	session_limit_free(s, c->limit);
	c->next = s->env->free_commands;
	s->env->free_commands = c;
}

void
session_env_fini(struct session_env *env)
{
	while (env->free_commands) {
		struct command *c = env->free_commands;

		env->free_commands = c->next;
		free(c);
	}
	while (env->free_limits) {
		struct limit_run *l = env->free_limits;

		env->free_limits = l->next;
		free(l);
	}
	buf_fini(&env->scratch);
	buf_fini(&env->record);
	buf_fini(&env->rows);
	buf_fini(&env->notice);
	arena_fini(&env->arena);
}

/* ---- ends ------------------------------------------------------------------------------------ */

void
session_emit(struct session *s, enum pg_side to, struct buf *b)
{
	assert(!b->failed);
	assert(to == CLIENT || s->backend != NULL || b->n == 0);
	/* What was gathered before goes out before. */
	session_flush_run(s);
	if (b->n && !(to == SERVER && s->server_gone))
		s->host->emit(s->host_ctx, to, buf_slice(b));
	buf_reset(b);
}

void
session_say(struct session *s, struct buf *b)
{
	if (!s->inside) {
		session_emit(s, CLIENT, b);
		return;
	}
	buf_put_slice(&s->later, buf_slice(b));
	buf_reset(b);
}

void
session_close(struct session *s, const char *cause)
{
	if (s->phase == SESSION_CLOSED)
		return;
	hold_cancel(s, "the session ended");
	door_cancel(s, s->client_gone ? "the client left" : "the session ended");
	s->end_cause = cause;
	if (s->sseq)
		record_session_end(s);
	log_debug("session ends cause=%s", log_quote(cause).text);
	session_pool_end(s);
	s->phase = SESSION_CLOSED;
	s->host->timer(s->host_ctx, 0);
	s->host->close(s->host_ctx);
}

void
session_fatal(struct session *s, const char *sqlstate, const char *code, const char *message,
	      const char *hint)
{
	session_refuse(s, &(struct gate_refusal){code, message, NULL, hint, sqlstate});
}

void
session_refuse(struct session *s, const struct gate_refusal *why)
{
	struct buf *b = &s->env->scratch;
	char detail[80];

	if (s->phase == SESSION_CLOSED)
		return;
	snprintf(detail, sizeof(detail), "code %s%s%s", why->code, why->detail ? "; " : "",
		 why->detail ? why->detail : "");
	buf_reset(b);
	pg_put_error(b, &(struct pg_error){.severity = "FATAL",
					   .sqlstate = why->sqlstate ? why->sqlstate : "42501",
					   .message = slice_str(why->message),
					   .detail = slice_str(detail),
					   .hint = slice_str(why->hint)});
	/* In the middle of a row it would be taken for the row's value. */
	if (s->inside)
		buf_reset(b);
	session_emit(s, CLIENT, b);
	/* The server would go on for nobody. */
	if (s->phase == SESSION_READY && s->n_replies && !s->server_gone)
		session_cancel_upstream(s);
	session_close(s, why->code);
}

/* ---- delivery -------------------------------------------------------------------------------- */

static enum step
dispatch(struct session *s, enum pg_side from, struct pg_frame *f)
{
	if (from == CLIENT)
		return s->phase == SESSION_READY ? client_message(s, f)
						 : login_client_message(s, f);
	if (s->phase == SESSION_READY)
		return server_message(s, f);
	return login_server_message(s, f);
}

static bool
may_process(const struct session *s, enum pg_side from)
{
	/* Who is not told so yet does not know that it may speak. */
	if (s->phase == SESSION_READY)
		return !s->in[from].blocked && !(from == CLIENT && (s->terminated || s->login));
	switch (s->phase) {
	case SESSION_STARTUP:
	case SESSION_AUTH:
	case SESSION_HELD:
		return from == CLIENT;
	case SESSION_SERVER_TLS:
	case SESSION_SERVER_LOGIN:
		return from == SERVER;
	default:
		return false;
	}
}

/* What must be sent on as it is, gathered so that neighbouring messages go out in one piece. */
struct run {
	struct session *s;
	enum pg_side to;
	const uint8_t *p;
	size_t n;
	bool chunk;
};

static void
run_flush(struct run *r)
{
	if (!r->n)
		return;
	assert(r->to == CLIENT || r->s->backend != NULL);
	if (r->to == CLIENT)
		r->s->bytes_down += r->n;
	else
		r->s->bytes_up += r->n;
	if (r->chunk)
		r->s->host->forward(r->s->host_ctx, r->to, r->p, r->n);
	else
		r->s->host->emit(r->s->host_ctx, r->to, slice_of(r->p, r->n));
	r->n = 0;
}

static void
run_add(struct run *r, struct slice raw)
{
	if (r->n && r->p + r->n != raw.p)
		run_flush(r);
	if (!r->n)
		r->p = raw.p;
	r->n += raw.n;
}

/* A message of the server has passed, or a piece of one: is there something to say behind it? */
static void
follow_message(struct run *r, bool inside)
{
	r->s->inside = inside;
	if (inside || !r->s->later.n)
		return;
	run_flush(r);
	session_emit(r->s, CLIENT, &r->s->later);
}

/* Rows that nobody masks: their headers are all there is to look at. */
static size_t
pass_rows(struct session *s, const uint8_t *p, size_t n)
{
	size_t at = 0;

	if (!session_rows_pass(s))
		return 0;
	if (reply_head(s)->command->limit)
		return session_limit_rows(s, p, n);
	while (n - at >= PG_HEADER && p[at] == PG_B_DATA_ROW) {
		uint64_t total = (uint64_t) get_be32(p + at + 1) + 1;

		if (total < PG_HEADER + 2 || total > n - at)
			break; /* the framer knows what to say, or carries the piece over */
		at += total;
	}
	return at;
}

/* Processes as much of p[0..n) as can be; returns the bytes consumed. */
static size_t
process(struct session *s, enum pg_side from, uint8_t *p, size_t n, bool chunk)
{
	struct run run = {s, from == CLIENT ? SERVER : CLIENT, NULL, 0, chunk};
	size_t at = 0;

	while (at < n && may_process(s, from)) {
		struct pg_frame f;
		enum wire w;
		enum step step;

		if (s->phase == SESSION_STARTUP || s->phase == SESSION_HELD) {
			size_t used = login_client_bytes(s, p + at, n - at);

			if (!used)
				break;
			at += used;
			continue;
		}
		if (s->phase == SESSION_SERVER_TLS) {
			/* Nothing may hide behind the answer. */
			if (n - at != 1)
				session_bad(s, SERVER, PG_R_STARTUP_LENGTH);
			else
				login_server_ssl_answer(s, p[at]);
			at = n;
			break;
		}
		if (from == SERVER && pg_framer_idle(&s->in[SERVER].framer)) {
			size_t rows = pass_rows(s, p + at, n - at);

			if (rows) {
				if (rows >= STREAMING_BYTES)
					session_streaming(s, true);
				session_rows_flush(s);
				run_add(&run, slice_of(p + at, rows));
				at += rows;
				continue;
			}
		}
		w = pg_frame_next(&s->in[from].framer, p + at, n - at, &f);
		if (w == WIRE_MORE)
			break;
		s->in[from].seen = f.type + 1;
		if (w == WIRE_BAD) {
			run_flush(&run);
			session_bad(s, from, f.reason);
			return n;
		}
		s->run = &run;
		step = dispatch(s, from, &f);
		s->run = NULL;
		if (step == STEP_BLOCK) {
			/* The framer has stepped over its header; it will be seen again. */
			assert(f.first);
			s->in[from].framer.left = 0;
			s->in[from].blocked = true;
			break;
		}
		if (step == STEP_FORWARD) {
			session_rows_flush(s);
			run_add(&run, f.raw);
		}
		at += f.raw.n;
		if (from == SERVER)
			follow_message(&run, step == STEP_FORWARD && !f.last);
	}
	run_flush(&run);
	session_rows_flush(s);
	/* Nobody reads what comes after Terminate. */
	return s->phase == SESSION_CLOSED || (from == CLIENT && s->terminated) ? n : at;
}

/* Whatever was gathered goes out before something else does. */
void
session_flush_run(struct session *s)
{
	if (s->run)
		run_flush(s->run);
}

static void
keep(struct session *s, enum pg_side from, const uint8_t *p, size_t n)
{
	buf_put(&s->in[from].pending, p, n);
	if (s->in[from].pending.failed)
		session_fatal(s, "53200", "WEIR-MEMORY", "the gateway is out of memory", "try later");
}

static void
process_pending(struct session *s, enum pg_side from)
{
	struct buf *b = &s->in[from].pending;

	while (b->n && may_process(s, from)) {
		size_t used = process(s, from, b->p, b->n, false);

		if (s->phase == SESSION_CLOSED)
			return;
		buf_shift(b, used);
		if (!used)
			break;
	}
	if (!b->n && b->cap > 1024)
		buf_fini(b); /* an idle session keeps no buffer */
}

static void
adjust_flow(struct session *s, enum pg_side from)
{
	struct inbound *in = &s->in[from];
	enum pg_side to = from == CLIENT ? SERVER : CLIENT;
	size_t high = from == SERVER ? REPLY_HIGH : PENDING_HIGH;
	bool stop = s->host->queued(s->host_ctx, to) > QUEUED_HIGH;

	/* A message that must be read whole may be larger than any mark. */
	if (in->pending.n && !stop && (in->blocked || !may_process(s, from)))
		stop = (in->blocked && in->pending.n > high) ||
		       in->pending.n > PENDING_HIGH * 4;
	if (stop == in->flow_off || s->phase == SESSION_CLOSED)
		return;
	in->flow_off = stop;
	s->host->flow(s->host_ctx, from, !stop);
}

/* A message that began in an earlier chunk: only the bytes it lacks are copied, so that the rest of
 * the chunk can still be forwarded where it lies. */
static size_t
complete_pending(struct session *s, enum pg_side from, const uint8_t *p, size_t n)
{
	struct buf *b = &s->in[from].pending;
	size_t used = 0;

	while (b->n && used < n && may_process(s, from) && s->phase == SESSION_READY) {
		uint64_t want = b->n < PG_HEADER ? PG_HEADER
						 : (uint64_t) get_be32(b->p + 1) + 1;
		size_t take = want > b->n ? (size_t) (want - b->n) : 0;

		if (want < PG_HEADER)
			take = 0;
		if (take > n - used)
			take = n - used;
		keep(s, from, p + used, take);
		used += take;
		process_pending(s, from);
		if (!take && b->n)
			break;
	}
	return used;
}

void
session_deliver(struct session *s, enum pg_side from, uint8_t *p, size_t n)
{
	struct inbound *in = &s->in[from];
	size_t used = 0;

	assert(s->magic == SESSION_MAGIC);
	if (s->phase == SESSION_CLOSED || (from == CLIENT && s->terminated))
		return;
	if (in->pending.n)
		used = complete_pending(s, from, p, n);
	if (!in->pending.n && used < n && s->phase != SESSION_CLOSED && may_process(s, from))
		used += process(s, from, p + used, n - used, true);
	if (s->phase == SESSION_CLOSED)
		return;
	if (used < n && !(from == CLIENT && s->terminated)) {
		keep(s, from, p + used, n - used);
		process_pending(s, from);
	}
	session_kick(s);
}

void
session_durable(struct session *s)
{
	const struct reply *head = reply_head(s);

	/* What waits for a record is a message, or an answer of the gateway's own. */
	if (s->in[CLIENT].pending.n || s->in[SERVER].pending.n ||
	    (head && (head->known || head->kind == REPLY_LOCAL)))
		session_kick(s);
}

/* What a drain does not wait for: also a transaction that failed, which can only be rolled back. */
static bool
nothing_to_wait_for(const struct session *s)
{
	return session_is_idle(s) ||
	       (s->tx == 'E' && s->n_replies == 0 && s->in[CLIENT].pending.n == 0 && !s->hold);
}

void
session_kick(struct session *s)
{
	uint32_t replies;
	size_t left;

	if (s->phase == SESSION_CLOSED)
		return;
	if (s->phase == SESSION_HELD)
		door_progress(s);
	if (s->phase == SESSION_WAITING)
		login_progress(s);
	/* One side's progress may be what the other waited for: until nothing moves. */
	do {
		replies = s->n_replies;
		left = s->in[CLIENT].pending.n + s->in[SERVER].pending.n;
		for (int from = CLIENT; from <= SERVER && s->phase != SESSION_CLOSED; from++) {
			s->in[from].blocked = false;
			if (from == CLIENT || s->in[from].pending.n)
				replies_advance(s);
			if (s->in[from].pending.n)
				process_pending(s, (enum pg_side) from);
		}
	} while (s->phase != SESSION_CLOSED &&
		 (replies != s->n_replies ||
		  left != s->in[CLIENT].pending.n + s->in[SERVER].pending.n));
	if (s->phase == SESSION_CLOSED)
		return;
	if (s->terminated && (!s->n_replies || (s->copy_in && s->pool.mode != POOL_NONE)))
		/* Nothing is owed, or the server waits for rows that will not come. */
		session_close(s, "client terminated");
	else if (s->leaves && (s->hold || (!s->in[CLIENT].blocked && !s->terminated)))
		/* Nobody waits for people; and what looked like a good-bye was the inside of a
		 * message whose end will not come. */
		session_close(s, "client closed the connection");
	else if (s->draining && nothing_to_wait_for(s))
		session_fatal(s, "57P01", "WEIR-SHUTDOWN", "the gateway is shutting down",
			      "connect again in a moment");
	if (s->phase == SESSION_CLOSED)
		return;
	adjust_flow(s, CLIENT);
	adjust_flow(s, SERVER);
	session_limit_follow(s);
	session_pool_rest(s);
}

bool
session_lingers(const struct session *s)
{
	return s->phase != SESSION_CLOSED && (s->terminated || s->leaves);
}

void
session_cancel_upstream(struct session *s)
{
	struct buf *b = &s->env->scratch;

	if (!s->backend || !s->backend->key_len)
		return;
	buf_reset(b);
	pg_put_cancel(b, s->backend->pid, slice_of(s->backend->key, s->backend->key_len));
	s->cancels += s->host->cancel_upstream(s->host_ctx, buf_slice(b));
	buf_reset(b);
}

void
session_cancel_taken(struct session *s)
{
	if (s->phase == SESSION_CANCELS)
		session_close(s, "cancel request");
}

/* From here on a cancel can no longer hit what is sent next. */
void
session_cancel_done(struct session *s, bool settled)
{
	struct reply *head;

	assert(s->cancels > 0);
	if (!settled && s->backend)
		s->backend->spoiled = true; /* it may still arrive, in another session's command */
	if (--s->cancels || s->phase == SESSION_CLOSED)
		return;
	s->limit_cancels = false;
	head = s->limiting ? session_limit_running(s) : NULL;
	if (head && head->kind == REPLY_EXECUTE) {
		/* Had it completed already, the server would keep that to itself up to Sync. */
		pg_put_empty(&s->env->scratch, PG_F_FLUSH);
		session_emit(s, SERVER, &s->env->scratch);
	}
	session_kick(s);
}

void
session_cancel(struct session *s, struct slice key)
{
	if (s->phase != SESSION_READY ||
	    !secret_eq(key, slice_of(s->cancel_key, s->cancel_key_len)))
		return;
	if (s->hold) {
		hold_end(s, "cancelled by the client", "57014", "WEIR-HOLD-CANCELLED",
			 "canceled while waiting for an approval");
		session_kick(s);
	} else if (s->pool.waits) {
		session_pool_cancel(s);
	} else if (s->hold_asked && !s->staged) {
		s->hold_unwanted = true;
		session_kick(s);
	} else if (s->n_replies && reply_head(s)->kind != REPLY_PATH &&
		   reply_head(s)->kind != REPLY_CARRY && reply_head(s)->kind != REPLY_KEPT) {
		session_cancel_upstream(s);
	}
}

void
session_tick(struct session *s)
{
	uint64_t now;

	if (s->phase == SESSION_CLOSED)
		return;
	if (s->phase == SESSION_HELD) {
		door_tick(s);
		return;
	}
	if (s->phase != SESSION_READY && s->pool.waits) {
		session_pool_tick(s);
		return;
	}
	if (s->phase != SESSION_READY) {
		login_tick(s);
		return;
	}
	s->tick_at = 0;
	now = s->host->now_mono(s->host_ctx);
	if (s->tick_limit && now >= s->tick_limit)
		session_limit_tick(s, now);
	if (s->tick_hold && now >= s->tick_hold)
		hold_tick(s);
	if (s->tick_pool && now >= s->tick_pool)
		session_pool_tick(s);
	session_arm(s);
}

void
session_arm(struct session *s)
{
	uint64_t at = s->tick_hold;

	if (s->tick_limit && (!at || s->tick_limit < at))
		at = s->tick_limit;
	if (s->tick_pool && (!at || s->tick_pool < at))
		at = s->tick_pool;
	if (at == s->tick_at || s->phase != SESSION_READY)
		return;
	s->tick_at = at;
	s->host->timer(s->host_ctx, at);
}

bool
session_is_idle(const struct session *s)
{
	return s->phase != SESSION_READY ||
	       (s->n_replies == 0 && s->tx == 'I' && s->in[CLIENT].pending.n == 0 && !s->hold);
}

void
session_drain(struct session *s)
{
	s->draining = true;
	/* People may take longer than the drain: a command that waits for them is not under way. */
	hold_end(s, "the gateway is shutting down", "57P01", "WEIR-SHUTDOWN",
		 "the gateway is shutting down; the command did not run");
	session_kick(s);
}
