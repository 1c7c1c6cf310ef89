/* SPDX-License-Identifier: MIT
 *
 * Refusals. Where nothing is outstanding at the server and no transaction is open, the gateway
 * answers by itself. Otherwise the refused message is replaced by one that the server is sure to
 * refuse (it does not parse), and the server's ErrorResponse by ours: order in a pipeline, the
 * failed transaction, the rolled back implicit transaction and the skipping up to Sync are then the
 * server's own.
 */
#include "session/session.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

/* No statement of PostgreSQL starts like this, and none ever will: `refused` is no keyword. */
static const char poison[] = "weir refused this statement";

static struct buf *
error_of(const struct gate_refusal *why)
{
	struct buf *b = calloc(1, sizeof(*b));
	struct buf detail = {0};

	assert(b != NULL);
	buf_printf(&detail, "code %s", why->code);
	if (why->detail)
		buf_printf(&detail, "; %s", why->detail);
	pg_put_error(b, &(struct pg_error){.severity = "ERROR",
					   .sqlstate = why->sqlstate ? why->sqlstate : "42501",
					   .message = slice_str(why->message),
					   .detail = buf_slice(&detail),
					   .hint = slice_str(why->hint)});
	buf_fini(&detail);
	return b;
}

static struct reply *
push(struct session *s, enum reply_kind kind, struct command *c, const struct gate_refusal *why)
{
	struct reply *r = reply_push(s, kind);

	s->env->counters.denied++;
	if (!r) {
		if (c)
			command_free(s, c);
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "send a Sync and read the answers more often");
		return NULL;
	}
	r->command = c;
	r->error = error_of(why);
	return r;
}

static bool
server_is_quiet(const struct session *s)
{
	return !s->backend || (s->n_replies == 0 && !s->unsynced && s->tx != 'T');
}

void
refuse_poison(struct session *s, bool extended)
{
	if (extended)
		pg_put_parse(&s->env->scratch, SLICE_LIT("weir refused"), SLICE_LIT(poison));
	else
		pg_put_query(&s->env->scratch, SLICE_LIT(poison));
	session_emit(s, SERVER, &s->env->scratch);
}

void
refuse_query(struct session *s, struct command *c, const struct gate_refusal *why)
{
	bool quiet = server_is_quiet(s);
	struct reply *r = push(s, quiet ? REPLY_LOCAL : REPLY_QUERY, c, why);

	if (!r)
		return;
	r->with_ready = quiet;
	if (!quiet)
		refuse_poison(s, false);
	replies_advance(s);
}

void
refuse_extended(struct session *s, struct command *c, const struct gate_refusal *why)
{
	bool quiet = server_is_quiet(s);
	struct reply *r = push(s, quiet ? REPLY_LOCAL : REPLY_PARSE, c, why);

	if (!r)
		return;
	/* Either way the server's part of the batch is over: up to Sync nothing more is read. */
	s->skip_to_sync = true;
	if (!quiet)
		refuse_poison(s, true);
	replies_advance(s);
}

void
session_bad(struct session *s, enum pg_side from, enum pg_reason reason)
{
	const char *who = from == CLIENT ? "client" : "target";
	char message[200], place[48] = "";

	if (strcmp(pg_reason_sqlstate(reason), "54000") == 0) {
		/* Nobody's fault: too much to hold, and no way to take back what was begun. */
		log_warn("message too large from=%s reason=%s", who, pg_reason_name(reason));
		session_fatal(s, "54000", "WEIR-TOO-LARGE", pg_reason_sentence(reason),
			      "what is judged, and a row with masked columns, must fit `limit message`: "
			      "send or select less at a time, or ask for a higher limit");
		return;
	}
	s->env->counters.protocol_errors++;
	if (s->in[from].seen)
		pg_message_place(from, (uint8_t) (s->in[from].seen - 1), place, sizeof(place));
	log_warn("protocol violation from=%s reason=%s%s", who, pg_reason_name(reason), place);
	snprintf(message, sizeof(message), "protocol violation by the %s: %s%s", who,
		 pg_reason_sentence(reason), place);
	session_fatal(s, pg_reason_sqlstate(reason), "WEIR-PROTOCOL", message,
		      "connect again; if it comes back, report it with the gateway's log");
}
