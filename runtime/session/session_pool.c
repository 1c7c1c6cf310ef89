/* SPDX-License-Identifier: MIT
 *
 * A session whose connection to the server is a shared one. It was opened with what this session's
 * startup packet sets, so that is all there already, and a RESET goes back to it; application_name,
 * which says in the server's own views whose command it runs, is set for each session anew.
 *
 * By session, the connection is borrowed at login and given back at the end. By transaction, it is
 * borrowed when the client's next message needs it, set to what the client was last told of its
 * settings (which the server reports), and given back as soon as nothing is under way outside a
 * transaction: then no message of the client is half done, no answer is owed, no cancel could still
 * arrive. What else a session could leave on it is refused (pool_rules.c).
 */
#include "session/session_login.h"
#include "session/session_undo.h"

#include "base/clock.h"
#include "base/log.h"
#include "session/pool_rules.h"

#include <stdlib.h>

static const struct gate_refusal full = {
	"WEIR-POOL-FULL", "too many sessions wait for a connection to the target", NULL,
	"end sessions and transactions that are idle, try again later, or raise `size` of the "
	"target's `pool`", "53300"};
static const struct gate_refusal late = {
	"WEIR-POOL-FULL", "no connection to the target became free in time", NULL,
	"end sessions and transactions that are idle, try again later, or raise `size` of the "
	"target's `pool`", "53300"};
static const struct gate_refusal cancelled = {
	"WEIR-POOL-CANCELLED", "canceling statement due to user request", NULL,
	"it waited for a connection to the target and did not run: send it again", "57014"};
static const struct gate_refusal unreachable = {
	"WEIR-TARGET", "the target cannot be reached", NULL,
	"the gateway's log says why; try again later", "08006"};

/* A statement_timeout that another session left may break off what takes it away: within a
 * millisecond or so, or it would be through, and more often the busier the server's machine is. */
enum { TRIES = 64 };

static void enter(struct session *s, struct backend *b);
static void give_back(struct session *s, enum backend_left left);

static bool
by_transaction(const struct session *s)
{
	return s->pool.mode == POOL_TRANSACTION;
}

static void
wake_at(struct session *s, uint64_t ns)
{
	uint64_t at = s->host->now_mono(s->host_ctx) + ns;

	s->tick_pool = at;
	if (s->phase == SESSION_READY)
		session_arm(s);
	else
		s->host->timer(s->host_ctx, at);
}

/* The message at hand, or the login, gets no connection. */
static void
fail(struct session *s, const struct gate_refusal *why)
{
	s->pool.waits = false;
	s->tick_pool = 0;
	if (s->phase == SESSION_READY)
		s->pool.failed = why;
	else
		session_fatal(s, why->sqlstate, why->code, why->message, why->hint);
}

/* True: it is in hand. */
static bool
borrow(struct session *s)
{
	struct backend *b = s->host->borrow(s->host_ctx, buf_slice(&s->pool.startup),
					    s->pool.minor, &s->pool.waits);

	if (b) {
		enter(s, b);
		return true;
	}
	if (s->pool.waits)
		wake_at(s, gate_target(s->gate)->pool.wait_seconds * NS_PER_S);
	else
		fail(s, &full);
	return false;
}

/* "planner-7", or "planner-7/psql" when the client has a name as well. */
static void
tag(struct session *s)
{
	const struct login *l = s->login;
	struct buf *b = &s->env->scratch;

	buf_put_slice(b, gate_user(s->gate));
	for (size_t i = 0; i < l->n_params; i++)
		if (settings_same_name(l->params[i].name, SLICE_LIT("application_name")) &&
		    l->params[i].value.n)
			buf_printf(b, "/%.*s", SLICE_ARG(l->params[i].value));
	settings_set(&s->pool.settings, SLICE_LIT("application_name"), buf_slice(b));
	buf_reset(b);
}

/* What the client is told at first. */
static void
welcome(struct session *s, const struct buf *reported)
{
	buf_put_slice(&s->pool.settings, buf_slice(reported));
	tag(s);
	session_keep_reading(s);
	login_done(s);
}

void
session_pool_login(struct session *s)
{
	const struct buf *known;
	struct slice path;

	s->pool.minor = s->login->minor;
	s->pool.number = ++s->env->pooled;
	startup_text(s, &s->pool.startup);
	path = settings_get(&s->pool.startup, SLICE_LIT("search_path"));
	if (by_transaction(s) && pool_path_is_temporary(path)) {
		session_fatal(s, "0A000", "WEIR-POOL",
			      "pg_temp cannot be in the search path under `pool transaction`",
			      "temporary tables need a target with `pool session`");
		return;
	}
	known = by_transaction(s) ? s->host->welcome(s->host_ctx, buf_slice(&s->pool.startup),
						     s->pool.minor)
				  : NULL;
	if (known)
		welcome(s, known);
	else
		(void) borrow(s);
}

void
session_pool_tick(struct session *s)
{
	s->tick_pool = 0;
	if (s->pool.waits) {
		s->host->withdraw(s->host_ctx);
		fail(s, &late);
		session_kick(s);
	} else if (s->login || s->pool.carrying) {
		session_fatal(s, "08006", "WEIR-LOGIN-TIMEOUT", "the target does not answer",
			      "the gateway's log may say more; try again later");
	}
}

void
session_pool_cancel(struct session *s)
{
	s->host->withdraw(s->host_ctx);
	fail(s, &cancelled);
	session_kick(s);
}

/* What a client did not prepare may be what the server has for others. */
static bool
drops_unknown(struct session *s, const struct sql_facts *f, struct gate_refusal *why)
{
	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];

		if (st->kind != SQL_KIND_DEALLOCATE || !st->name.n ||
		    session_find_object(s, OBJECT_STATEMENT, st->name))
			continue;
		*why = (struct gate_refusal){
			"WEIR-UNKNOWN-NAME",
			arena_printf(&s->env->arena, "prepared statement \"%.*s\" does not exist",
				     SLICE_ARG(st->name)),
			NULL, "prepare it first, by Parse or PREPARE through the gateway", "26000"};
		return true;
	}
	return false;
}

const struct gate_refusal *
session_pool_refuses(struct session *s, const struct sql_facts *f)
{
	struct gate_refusal *why;

	if (!by_transaction(s))
		return NULL;
	why = arena_alloc(&s->env->arena, sizeof(*why));
	return drops_unknown(s, f, why) || !session_names_sql(s, f, why) ||
			       !pool_allows(f, &s->pool.settings, &s->env->arena, why)
		       ? why
		       : session_keep_full(s, f);
}

/* ---- its settings ---------------------------------------------------------------------------- */

/* first: what RESET ALL goes back to; NULL: it is not in front. */
static bool
is_set(const struct session *s, const struct buf *first, const struct pg_param *p)
{
	return slice_eq(settings_get(&s->backend->reported, p->name), p->value) &&
	       (!first || slice_eq(settings_get(first, p->name), p->value));
}

/* Values as lists are written: set_config takes them as they are reported. */
static unsigned
put_settings(struct session *s, struct buf *b, const struct buf *first, bool *in_the_way)
{
	struct pg_param p;
	size_t at = 0;
	unsigned begun = first != NULL, n = session_keep_put(s, b, begun);

	*in_the_way = n > begun;
	while (settings_next(&s->pool.settings, &at, &p)) {
		if (is_set(s, first, &p) ||
		    (by_transaction(s) && !pool_carries(&s->pool.settings, p.name)))
			continue;
		buf_puts(b, n++ ? ", " : "select ");
		buf_puts(b, "pg_catalog.set_config(");
		session_keep_literal(b, p.name);
		buf_puts(b, ", ");
		session_keep_literal(b, p.value);
		buf_puts(b, ", false)");
		/* A name for others to read: nothing depends on it. */
		*in_the_way = *in_the_way || !slice_is(p.name, "application_name");
	}
	return n;
}

/* Under what the session before began its transactions with, one may be refused or wait. */
static bool
begins_otherwise(const struct backend *b)
{
	return settings_get(&b->kept, SLICE_LIT("default_transaction_isolation")).p ||
	       settings_get(&b->kept, SLICE_LIT("default_transaction_deferrable")).p;
}

/* Behind what undoes what is there. */
static void
put_undone(struct session *s, struct buf *b)
{
	static const struct buf nothing;
	const struct buf *first =
		s->host->welcome(s->host_ctx, buf_slice(&s->pool.startup), s->pool.minor);

	session_undo_begin(s);
	s->pool.carrying = true;
	session_undo_put(b);
	(void) put_settings(s, b, first ? first : &nothing, &s->pool.carrying);
	buf_puts(b, "; commit");
}

/* False: there is nothing to be set. */
static bool
put_carried(struct session *s, struct buf *b)
{
	bool wrapped = begins_otherwise(s->backend);

	if (session_undo_due(s)) {
		put_undone(s, b);
		return true;
	}
	if (slice_eq(buf_slice(&s->pool.settings), buf_slice(&s->backend->reported)) &&
	    slice_eq(buf_slice(&s->pool.kept), buf_slice(&s->backend->kept)))
		return false;
	buf_puts(b, wrapped ? session_keep_begin : "");
	if (!put_settings(s, b, NULL, &s->pool.carrying))
		return false;
	buf_puts(b, wrapped ? "; commit" : "");
	return true;
}

/* False: the connection has them already. status: of its transaction. */
static bool
carry(struct session *s, uint8_t status)
{
	struct buf *b = &s->env->scratch;
	size_t message = pg_begin(b, PG_F_QUERY);

	buf_puts(b, status == 'E' ? "rollback; " : "");
	if (!put_carried(s, b)) {
		buf_reset(b);
		return false;
	}
	buf_putc(b, 0);
	pg_end(b, message);
	if (!reply_push(s, REPLY_CARRY)) {
		buf_reset(b);
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "send a Sync and read the answers more often");
		return true;
	}
	session_emit(s, SERVER, b);
	return true;
}

static void
tell(struct session *s, const struct pg_param *p)
{
	settings_set(&s->pool.settings, p->name, p->value);
	pg_put_parameter_status(&s->env->scratch, p->name, p->value);
	session_say(s, &s->env->scratch);
}

/* What is the server's own may be different here, and the client is told; all else must be what it
 * was. False: it is not. */
static bool
settled(struct session *s)
{
	struct pg_param p;
	size_t at = 0;
	bool changed = false;

	s->pool.carrying = false;
	if (!slice_eq(buf_slice(&s->backend->kept), buf_slice(&s->pool.kept))) {
		buf_reset(&s->backend->kept);
		buf_put_slice(&s->backend->kept, buf_slice(&s->pool.kept));
	}
	if (slice_eq(buf_slice(&s->pool.settings), buf_slice(&s->backend->reported)))
		return true;
	while (settings_next(&s->backend->reported, &at, &p)) {
		if (slice_eq(settings_get(&s->pool.settings, p.name), p.value))
			continue;
		if (pool_carries(&s->pool.settings, p.name) &&
		    !slice_is(p.name, "application_name"))
			return false;
		tell(s, &p);
		changed = true;
	}
	if (changed)
		session_keep_reading(s);
	return true;
}

void
session_pool_lost(struct session *s, const char *cause)
{
	log_error("the settings of a session cannot be restored target=%s cause=%s",
		  gate_target(s->gate)->name, log_quote(cause).text);
	s->backend->spoiled = true;
	session_fatal(s, "08006", "WEIR-POOL-SETTINGS",
		      "the settings of this session could not be restored on the target",
		      "connect again; the gateway's log may say more");
}

static void
carried(struct session *s)
{
	reply_pop(s);
	s->pool.undoing = false;
	if (by_transaction(s) && !settled(s))
		session_pool_lost(s, "other values than before");
	else if (s->login)
		login_done(s);
	s->pool.carrying = false;
	s->pool.tries = 0;
	if (!s->pool.waits)
		s->tick_pool = 0;
}

bool
session_pool_again(struct session *s)
{
	bool broken_off = memcmp(s->pool.failure, "57014", 5) == 0;

	if (!broken_off || s->pool.tries++ == TRIES)
		return false;
	s->pool.failure[0] = 0;
	return true;
}

static void
carry_ended(struct session *s, uint8_t status)
{
	if (!s->pool.failure[0] && status == 'I') {
		carried(s);
	} else if (!by_transaction(s) && !s->login && session_pool_again(s)) {
		reply_pop(s);
		s->pool.untagged = true;
	} else if (s->pool.carrying && session_pool_again(s)) {
		reply_pop(s);
		if (!carry(s, status))
			session_pool_lost(s, "57014");
	} else {
		session_pool_lost(s, s->pool.failure);
	}
}

enum step
session_carry_answer(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_error e;
	uint8_t status;

	switch (f->type) {
	case PG_B_ROW_DESCRIPTION:
	case PG_B_DATA_ROW:
	case PG_B_COMMAND_COMPLETE:
		return STEP_DONE;
	case PG_B_READY_FOR_QUERY:
		if (pg_read_ready(f->body, &status) != PG_R_OK)
			break;
		carry_ended(s, status);
		return STEP_DONE;
	case PG_B_ERROR_RESPONSE:
		if (pg_read_error(f->body, &e) != PG_R_OK || e.sqlstate.n != 5)
			break;
		memcpy(s->pool.failure, e.sqlstate.p, 5);
		if (s->pool.undoing && memcmp(s->pool.failure, "57014", 5) != 0)
			log_error("what was left on a connection cannot be undone target=%s cause=%s",
				  gate_target(s->gate)->name, log_quote(s->pool.failure).text);
		return STEP_DONE;
	default:
		break;
	}
	session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
	return STEP_DONE;
}

void
session_pool_reported(struct session *s, const struct pg_param *p)
{
	const struct reply *head = reply_head(s);

	if (!s->pool.borrowed)
		return;
	settings_set(&s->backend->reported, p->name, p->value);
	if (head && head->kind == REPLY_CARRY)
		return;
	if (!by_transaction(s)) {
		s->pool.untagged = s->pool.untagged || slice_is(p->name, "application_name");
		return;
	}
	settings_set(&s->pool.settings, p->name, p->value);
	session_keep_reading(s);
}

/* Whatever the client calls its connection (nothing, after RESET ALL), it says whose it is. True:
 * it did not. */
static bool
retag(struct session *s)
{
	struct slice name = settings_get(&s->backend->reported, SLICE_LIT("application_name"));
	struct slice user = gate_user(s->gate);
	struct buf *b = &s->env->scratch;

	if (by_transaction(s))
		name = settings_get(&s->pool.settings, SLICE_LIT("application_name"));
	if (!name.p || (name.n >= user.n && memcmp(name.p, user.p, user.n) == 0 &&
			(name.n == user.n || name.p[user.n] == '/')))
		return false;
	buf_put_slice(b, user);
	if (name.n)
		buf_printf(b, "/%.*s", SLICE_ARG(name));
	settings_set(&s->pool.settings, SLICE_LIT("application_name"), buf_slice(b));
	buf_reset(b);
	return true;
}

/* The client is told what it is called on the next connection. */
static void
retag_told(struct session *s)
{
	if (!retag(s))
		return;
	pg_put_parameter_status(&s->env->scratch, SLICE_LIT("application_name"),
				settings_get(&s->pool.settings, SLICE_LIT("application_name")));
	session_say(s, &s->env->scratch);
}

/* ---- in hand, and given back ----------------------------------------------------------------- */

static void
on_another(struct session *s)
{
	bool carries;

	retag_told(s);
	carries = carry(s, 'I');
	if (s->phase == SESSION_CLOSED)
		return;
	s->backend->holder = s->pool.number;
	session_path_taken(s);
	if (!carries)
		(void) settled(s); /* nothing of its own is to be set: at most to be told */
	else if (s->pool.carrying)
		session_pool_await(s);
}

void
session_pool_await(struct session *s)
{
	wake_at(s, s->env->login_ms * NS_PER_MS);
}

static void
enter(struct session *s, struct backend *b)
{
	s->backend = b;
	s->pool.borrowed = true;
	s->pool.waits = false;
	s->pool.carrying = s->pool.undoing = false;
	s->pool.unnamed = NULL;
	s->in[SERVER].flow_off = false;
	s->tick_pool = 0;
	s->pool.failure[0] = 0;
	if (!s->login) {
		on_another(s);
		return;
	}
	if (by_transaction(s)) {
		const struct buf *first = s->host->welcome(
			s->host_ctx, buf_slice(&s->pool.startup), s->pool.minor);

		/* What somebody else has set on it meanwhile is nothing to tell. */
		welcome(s, first ? first : &b->reported);
		if (s->backend)
			give_back(s, BACKEND_CLEAN);
		return;
	}
	tag(s);
	s->phase = SESSION_READY;
	s->tick_at = 0;
	wake_at(s, s->env->login_ms * NS_PER_MS);
	if (!carry(s, 'I'))
		login_done(s);
}

void
session_lent(struct session *s, struct backend *b)
{
	assert(s->phase != SESSION_CLOSED);
	enter(s, b);
	session_kick(s);
}

void
session_unlent(struct session *s, const char *cause, struct slice word)
{
	s->pool.waits = false;
	if (s->phase == SESSION_CLOSED)
		return;
	if (word.n && s->login) {
		s->host->emit(s->host_ctx, CLIENT, word);
		session_close(s, "WEIR-STARTUP-PARAMETER");
		return;
	}
	log_debug("no connection for a session cause=%s", log_quote(cause).text);
	fail(s, &unreachable);
	session_kick(s);
}

/* Nothing is under way, and no cancel that could still arrive. */
static bool
at_rest(const struct session *s)
{
	return s->phase == SESSION_READY && s->tx == 'I' && !s->n_replies && !s->unsynced &&
	       !s->copy_in && !s->cancels && !s->server_gone && !s->swallow && !s->limiting &&
	       !s->limit_cancels && !s->inside && !s->in[SERVER].pending.n &&
	       pg_framer_idle(&s->in[SERVER].framer);
}

static void
give_back(struct session *s, enum backend_left left)
{
	struct backend *b = s->backend;

	/* P3 */
	assert(left == BACKEND_UNKNOWN || (!s->cancels && !s->limit_cancels));
	session_path_left(s);
	if (by_transaction(s))
		statements_end_connection(&s->statements);
	if (s->pool.own) {
		s->pool.own = 0;
		session_keep_reading(s);
	}
	s->backend = NULL;
	s->pool.borrowed = false;
	s->pool.unnamed = NULL;
	s->host->give_back(s->host_ctx, b, left);
}

void
session_pool_rest(struct session *s)
{
	if (!s->pool.borrowed || s->staged || !at_rest(s))
		return;
	if (by_transaction(s) && s->pool.touches) {
		session_keep_ask(s, 'I');
	} else if (by_transaction(s)) {
		give_back(s, BACKEND_CLEAN);
	} else if (s->pool.untagged) {
		s->pool.untagged = false;
		if (retag(s))
			(void) carry(s, 'I');
	}
}

void
session_pool_end(struct session *s)
{
	if (s->pool.waits)
		s->host->withdraw(s->host_ctx);
	s->pool.waits = false;
	if (s->pool.borrowed)
		give_back(s, !at_rest(s)	  ? BACKEND_UNKNOWN
			     : by_transaction(s) && !s->pool.touches ? BACKEND_CLEAN
								     : BACKEND_DIRTY);
}

void
session_pool_free(struct session *s)
{
	assert(!s->pool.borrowed);
	if (s->backend)
		backend_fini(s->backend);
	free(s->backend);
	buf_fini(&s->pool.startup);
	buf_fini(&s->pool.settings);
	buf_fini(&s->pool.kept);
	buf_fini(&s->pool.touched_own);
	buf_fini(&s->pool.reading);
}

/* By transaction what is made up is carried, and taken away; what SQL prepares is not. */
bool
session_pool_spoils(const struct session *s, const struct command *c)
{
	for (uint32_t i = 0; by_transaction(s) && i < c->facts->n_stmts; i++)
		if (c->facts->stmts[i].kind == SQL_KIND_PREPARE)
			return true;
	return c->verdict.leaves_state || c->verdict.keeps ||
	       (c->verdict.leaves_name && !by_transaction(s));
}

void
session_pool_follow(struct session *s, bool leaves_state)
{
	if (leaves_state)
		s->backend->spoiled = true;
}

/* ---- for a message --------------------------------------------------------------------------- */

static enum step
refuse(struct session *s, const struct pg_frame *f)
{
	const struct gate_refusal *why = s->pool.failed;

	s->pool.failed = NULL;
	if (f->type == PG_F_QUERY || f->type == PG_F_FUNCTION_CALL)
		refuse_query(s, NULL, why);
	else
		refuse_extended(s, NULL, why);
	return STEP_DONE;
}

/* What the Sync ends never went to a server. */
static bool
nothing_sent(struct session *s)
{
	for (uint32_t i = 0; i < s->n_replies; i++)
		if (!reply_at(s, i)->known && reply_at(s, i)->kind != REPLY_LOCAL)
			return false;
	return !s->backend || (!s->unsynced && !s->copy_in);
}

/* Then the gateway ends the batch. */
static enum step
sync_alone(struct session *s)
{
	struct reply *r = reply_push(s, REPLY_LOCAL);

	if (!r) {
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "read the answers more often");
		return STEP_DONE;
	}
	r->with_ready = true;
	s->skip_to_sync = false;
	replies_advance(s);
	return STEP_DONE;
}

/* A message goes to the connection in hand. */
static enum step
goes_on(const struct session *s)
{
	if (s->pool.carrying)
		return STEP_BLOCK;
	/* P2, P4: what makes it this session's went ahead. */
	assert(s->backend->holder == s->pool.number);
	return STEP_FORWARD;
}

enum step
session_pool_take(struct session *s, const struct pg_frame *f)
{
	switch (f->type) {
	case PG_F_QUERY:
	case PG_F_FUNCTION_CALL:
	case PG_F_PARSE:
	case PG_F_BIND:
	case PG_F_DESCRIBE:
	case PG_F_EXECUTE:
	case PG_F_CLOSE:
		break;
	case PG_F_SYNC:
		return nothing_sent(s) ? sync_alone(s) : STEP_FORWARD;
	case PG_F_FLUSH:
		return s->backend ? STEP_FORWARD : STEP_DONE;
	default:
		return STEP_FORWARD; /* nothing that goes to a server outside a COPY */
	}
	/* What was done on it does not go on into the next transaction, however soon that comes. */
	if (s->backend && s->backend->spoiled && !s->hold)
		session_pool_rest(s);
	if (s->backend)
		return goes_on(s);
	if (s->pool.failed)
		return refuse(s, f);
	/* People may take their time. */
	if (s->pool.waits)
		return STEP_BLOCK;
	if (s->hold && hold_waits(s))
		return STEP_FORWARD;
	if (borrow(s))
		return s->phase == SESSION_CLOSED ? STEP_DONE : goes_on(s);
	return s->pool.failed ? refuse(s, f) : STEP_BLOCK;
}
