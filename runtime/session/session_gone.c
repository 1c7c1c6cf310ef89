/* SPDX-License-Identifier: MIT
 *
 * One side is gone: what the other is told, and what is done about what was under way.
 */
#include "session/session.h"

#include "base/log.h"

/* It said good-bye before it went, behind requests that wait for their records. */
static bool
said_goodbye(const struct session *s)
{
	static const uint8_t terminate[] = {PG_F_TERMINATE, 0, 0, 0, 4};
	const struct buf *b = &s->in[CLIENT].pending;

	return s->phase == SESSION_READY && !s->hold && b->n >= sizeof(terminate) &&
	       memcmp(b->p + b->n - sizeof(terminate), terminate, sizeof(terminate)) == 0;
}

/* A server that said why needs no second word, which clients show instead of the first. */
static void
target_gone(struct session *s, const char *how)
{
	s->server_gone = true;
	if (s->last_words)
		session_close(s, how);
	else
		session_fatal(s, "08006", "WEIR-TARGET-GONE", how,
			      "connect again, and see whether what you sent last took effect");
}

void
session_eof(struct session *s, enum pg_side from)
{
	if (s->phase == SESSION_CLOSED)
		return;
	if (from == CLIENT && said_goodbye(s))
		s->leaves = true;
	if (session_lingers(s)) {
		s->client_gone = s->client_gone || from == CLIENT;
		s->server_gone = from == SERVER;
		if (s->server_gone)
			session_close(s, "client terminated");
		else
			session_kick(s); /* nothing waits for its reading any more */
		return;
	}
	if (from == SERVER) {
		target_gone(s, "the target closed the connection");
		return;
	}
	s->client_gone = true;
	/* What was not released is dropped, what runs is cancelled. */
	if (s->phase == SESSION_READY && s->n_replies)
		session_cancel_upstream(s);
	session_close(s, "client closed the connection");
}

void
session_server_down(struct session *s, const char *reason)
{
	s->server_gone = true;
	if (s->phase == SESSION_CLOSED)
		return;
	log_warn("target connection lost target=%s address=%s cause=%s",
		 s->gate ? gate_target(s->gate)->name : "-",
		 s->gate ? gate_target(s->gate)->address.text : "-", log_quote(reason).text);
	if (s->phase == SESSION_READY)
		target_gone(s, "the connection to the target was lost");
	else
		session_fatal(s, "08001", "WEIR-TARGET", "the target cannot be reached",
			      "the gateway's log says why; try again later");
}
