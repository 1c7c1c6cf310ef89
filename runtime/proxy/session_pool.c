/* SPDX-License-Identifier: MIT
 *
 * A session whose connection to the server is a shared one. It was opened with what this session's
 * startup packet sets, so that is all there already, and a RESET goes back to it; application_name,
 * which says in the server's own views whose command it runs, is set for each session anew.
 */
#include "proxy/session_login.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

static void
no_connection(struct session *s, const char *message)
{
	session_fatal(s, "53300", "WEIR-POOL-FULL", message,
		      "end sessions that are idle, try again later, or raise `size` of the "
		      "target's `pool`");
}

static uint64_t
deadline(struct session *s, uint64_t ns)
{
	return s->host->now_mono(s->host_ctx) + ns;
}

static void
borrow(struct session *s)
{
	struct backend *b = s->host->borrow(s->host_ctx, buf_slice(&s->pool.startup),
					    s->pool.minor, &s->pool.waits);

	if (b)
		session_lent(s, b);
	else if (!s->pool.waits)
		no_connection(s, "too many sessions wait for a connection to the target");
	else
		s->host->timer(s->host_ctx,
			       deadline(s, gate_target(s->gate)->pool.wait_seconds * NS_PER_S));
}

/* "planner-7", or "planner-7/psql" when the client has a name as well. */
static void
tag(const struct session *s, struct buf *out)
{
	const struct login *l = s->login;

	buf_put_slice(out, gate_user(s->gate));
	for (size_t i = 0; i < l->n_params; i++)
		if (settings_same_name(l->params[i].name, SLICE_LIT("application_name")) &&
		    l->params[i].value.n)
			buf_printf(out, "/%.*s", SLICE_ARG(l->params[i].value));
}

void
session_pool_login(struct session *s)
{
	struct buf name = {0};

	s->pool.minor = s->login->minor;
	startup_text(s, &s->pool.startup);
	tag(s, &name);
	settings_set(&s->pool.settings, SLICE_LIT("application_name"), buf_slice(&name));
	buf_fini(&name);
	if (s->pool.startup.failed || s->pool.settings.failed)
		session_fatal(s, "53200", "WEIR-MEMORY", "the gateway is out of memory", "try later");
	else
		borrow(s);
}

void
session_pool_tick(struct session *s)
{
	if (s->pool.waits)
		no_connection(s, "no connection to the target became free in time");
	else
		session_fatal(s, "08006", "WEIR-LOGIN-TIMEOUT", "the target does not answer",
			      "the gateway's log may say more; try again later");
}

/* ---- its settings ---------------------------------------------------------------------------- */

static void
put_literal(struct buf *b, struct slice v)
{
	buf_putc(b, '\'');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\'')
			buf_putc(b, '\'');
		buf_putc(b, v.p[i]);
	}
	buf_putc(b, '\'');
}

/* False: the connection has them already. */
static bool
carry(struct session *s)
{
	struct buf *b = &s->env->scratch;
	struct pg_param p;
	size_t at = 0, message = pg_begin(b, PG_F_QUERY);
	bool any = false;

	while (settings_next(&s->pool.settings, &at, &p)) {
		if (slice_eq(settings_get(&s->backend->reported, p.name), p.value))
			continue;
		buf_puts(b, any ? ", " : "select ");
		buf_puts(b, "pg_catalog.set_config(");
		put_literal(b, p.name);
		buf_puts(b, ", ");
		put_literal(b, p.value);
		buf_puts(b, ", false)");
		any = true;
	}
	buf_putc(b, 0);
	pg_end(b, message);
	if (!any) {
		buf_reset(b);
		return false;
	}
	if (!reply_push(s, REPLY_CARRY)) {
		buf_reset(b);
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "send a Sync and read the answers more often");
		return true;
	}
	session_emit(s, SERVER, b);
	return true;
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
		if (pg_read_ready(f->body, &status) != PG_R_OK || status != 'I')
			break;
		reply_pop(s);
		login_done(s);
		return STEP_DONE;
	case PG_B_ERROR_RESPONSE:
		if (pg_read_error(f->body, &e) != PG_R_OK)
			break;
		log_error("target refuses the settings of a session target=%s cause=%.5s",
			  gate_target(s->gate)->name, (const char *) e.sqlstate.p);
		session_fatal(s, "08006", "WEIR-POOL-SETTINGS",
			      "the settings of this session could not be restored on the target",
			      "connect again; the gateway's log may say more");
		return STEP_DONE;
	default:
		break;
	}
	session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
	return STEP_DONE;
}

/* ---- lent, and given back -------------------------------------------------------------------- */

void
session_lent(struct session *s, struct backend *b)
{
	if (s->phase == SESSION_CLOSED) {
		s->host->give_back(s->host_ctx, b, true);
		return;
	}
	s->backend = b;
	s->pool.borrowed = true;
	s->pool.waits = false;
	s->phase = SESSION_READY;
	s->tick_at = 0;
	s->tick_pool = deadline(s, s->env->login_ms * NS_PER_MS);
	session_arm(s);
	if (!carry(s))
		login_done(s);
	session_kick(s);
}

void
session_unlent(struct session *s, const char *cause, struct slice word)
{
	s->pool.waits = false;
	if (s->phase == SESSION_CLOSED)
		return;
	if (word.n) {
		s->host->emit(s->host_ctx, CLIENT, word);
		session_close(s, "WEIR-STARTUP-PARAMETER");
		return;
	}
	log_debug("no connection for a session cause=%s", cause);
	session_fatal(s, "08001", "WEIR-TARGET", "the target cannot be reached",
		      "the gateway's log says why; try again later");
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
give_back(struct session *s, bool rests)
{
	struct backend *b = s->backend;

	s->backend = NULL;
	s->pool.borrowed = false;
	s->host->give_back(s->host_ctx, b, rests);
}

void
session_pool_end(struct session *s)
{
	if (s->pool.waits)
		s->host->withdraw(s->host_ctx);
	s->pool.waits = false;
	if (s->pool.borrowed)
		give_back(s, at_rest(s));
}

void
session_pool_free(struct session *s)
{
	assert(!s->pool.borrowed);
	if (s->backend)
		buf_fini(&s->backend->reported);
	free(s->backend);
	buf_fini(&s->pool.startup);
	buf_fini(&s->pool.settings);
}

void
session_pool_follow(struct session *s, bool leaves_state)
{
	if (leaves_state)
		s->backend->spoiled = true;
}

void
session_pool_reported(struct session *s, const struct pg_param *p)
{
	if (s->pool.borrowed)
		settings_set(&s->backend->reported, p->name, p->value);
}
