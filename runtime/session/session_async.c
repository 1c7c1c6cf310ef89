/* SPDX-License-Identifier: MIT
 *
 * The three messages of the server that may come at any time, between any two others.
 */
#include "session/session.h"

#include "base/endian.h"
#include "base/log.h"

void
session_blinded(struct session *s)
{
	session_fatal(s, "0A000", "WEIR-SETTING",
		      "the target runs with a setting under which statements cannot be judged",
		      "whoever runs the server sets standard_conforming_strings to on and "
		      "client_encoding to UTF8, for the gateway's login and its database");
}

bool
session_parameter(struct session *s, const struct pg_param *p)
{
	if (!setting_blinds(p->name, p->value)) {
		session_path_reported(s, p);
		return true;
	}
	/* The gateway would read statements differently than the server. */
	log_error("target setting refused target=%s setting=%.*s", gate_target(s->gate)->name,
		  SLICE_ARG(p->name));
	session_blinded(s);
	return false;
}

/* Clients tell their own notifications by the process id they were given. */
static void
own_notification(const struct session *s, const struct pg_frame *f)
{
	uint8_t *pid = (uint8_t *) (uintptr_t) f->body.p;

	if (f->body.n >= 4 && get_be32(pid) == s->backend->pid)
		put_be32(pid, s->cancel_pid);
}

/* Anybody may send one, a trigger too, and say in it what it read. Which channel it came on the
 * session knows, having asked for that; what is masked for it, it is not told in words. */
static enum step
notification(struct session *s, const struct pg_frame *f)
{
	struct buf *b = &s->env->scratch;
	const uint8_t *end;
	size_t at;

	/* No session has asked for any: LISTEN is refused. */
	if (s->pool.mode == POOL_TRANSACTION)
		return STEP_DONE;
	own_notification(s, f);
	(void) gate_masks_number(s->env->gate, s->gate, s->host->now_wall(s->host_ctx));
	if (!gate_has_masks(s->gate))
		return STEP_FORWARD;
	end = f->body.n > 4 ? memchr(f->body.p + 4, 0, f->body.n - 4) : NULL;
	if (!end) {
		session_bad(s, SERVER, PG_R_STRING_NOT_TERMINATED);
		return STEP_DONE;
	}
	session_flush_run(s);
	session_rows_flush(s);
	at = pg_begin(b, PG_B_NOTIFICATION_RESPONSE);
	buf_put(b, f->body.p, (size_t) (end + 1 - f->body.p));
	buf_putc(b, 0);
	pg_end(b, at);
	session_emit(s, CLIENT, b);
	return STEP_DONE;
}

enum step
session_asynchronous(struct session *s, const struct pg_frame *f)
{
	struct reply *head = reply_head(s);
	bool own = head && (head->kind == REPLY_CARRY || head->kind == REPLY_KEPT);
	struct pg_param p;
	struct pg_msg_error e;

	switch (f->type) {
	case PG_B_PARAMETER_STATUS:
		if (pg_read_parameter_status(f->body, &p) != PG_R_OK) {
			session_bad(s, SERVER, PG_R_STRING_NOT_TERMINATED);
			return STEP_DONE;
		}
		if (!session_parameter(s, &p))
			return STEP_DONE;
		session_pool_reported(s, &p);
		return own && (s->login || s->pool.mode == POOL_TRANSACTION) ? STEP_DONE
									     : STEP_FORWARD;
	case PG_B_NOTIFICATION_RESPONSE:
		return notification(s, f);
	case PG_B_NOTICE_RESPONSE:
		if (own)
			return STEP_DONE; /* by the client_min_messages of whoever was before */
		if (!gate_has_masks(s->gate))
			return STEP_FORWARD;
		if (pg_read_error(f->body, &e) != PG_R_OK)
			return STEP_DONE;
		if (!gate_computes(s->gate) && !session_code_speaks(s, &e) &&
		    !(head && head->command && head->command->verdict.rows_masked))
			return STEP_FORWARD;
		session_emit_scrubbed(s, &e, true);
		return STEP_DONE;
	default:
		return STEP_FORWARD;
	}
}
