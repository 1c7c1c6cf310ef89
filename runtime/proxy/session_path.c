/* SPDX-License-Identifier: MIT
 *
 * What unqualified names mean is the server's to say: search_path and the role behind "$user" are
 * asked for, never computed from what the client sent. After anything that may have changed them
 * (SET, set_config, a function of others, the end of a transaction that did so) the next message
 * that is judged waits for the question's answer; where no question can be asked (inside an
 * extended batch, in a failed transaction) unqualified names are unknown, which no policy and no
 * mask lets through. Nothing is asked while nothing depends on names.
 *
 * The question is SHOW, in the extended protocol under names of our own: it takes no snapshot, so
 * that SET TRANSACTION still works, and leaves the client's unnamed statement and portal alone.
 */
#include "proxy/session.h"

static const char *const asked[] = {
	"show search_path",
	"show role",
	"show session_authorization",
};

static const char own[] = "weir search path";

static void
ask(struct session *s)
{
	struct buf *b = &s->env->scratch;
	struct slice name = SLICE_LIT(own);

	if (!reply_push(s, REPLY_PATH)) {
		s->path.failed = true;
		return;
	}
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		pg_put_parse(b, name, slice_str(asked[i]));
		pg_put_bind(b, name, name);
		pg_put_execute(b, name, 0);
		pg_put_target(b, PG_F_CLOSE, 'P', name);
		pg_put_target(b, PG_F_CLOSE, 'S', name);
	}
	pg_put_empty(b, PG_F_SYNC);
	session_emit(s, SERVER, b);
	buf_reset(&s->path.answers);
	s->path.n_answers = 0;
	s->path.failed = false;
}

static bool
matters(const struct session *s)
{
	return s->path.dirty && gate_may_read_names(s->env->gate) &&
	       gate_reads_names(s->env->gate, s->gate, s->host->now_wall(s->host_ctx));
}

void
session_path_begin(struct session *s)
{
	s->path.dirty = true;
	if (s->pool.mode != POOL_TRANSACTION && matters(s))
		ask(s);
}

void
session_path_taken(struct session *s)
{
	const struct buf *known = &s->backend->path;
	struct slice setting;

	s->path.in_tx = s->path.cursors = s->path.failed = false;
	s->path.dirty = !known->n;
	if (s->path.dirty)
		return;
	setting = slice_str((const char *) known->p);
	gate_session_path(s->gate, setting, slice_str((const char *) setting.p + setting.n + 1));
}

void
session_path_left(struct session *s)
{
	if (s->path.dirty || s->path.in_tx)
		buf_reset(&s->backend->path);
}

bool
session_path_unknown(const struct session *s)
{
	return matters(s);
}

uint64_t
session_path_now(const struct session *s)
{
	return s->path.dirty ? UINT64_MAX : gate_path_number(s->gate);
}

static bool
portal_moved(struct session *s, const struct portal *p)
{
	return p && !session_path_held(s, p->statement->facts, p->path);
}

/* The server looked the names up when it bound the portal or opened the cursor. */
const struct gate_refusal *
session_path_moved(struct session *s, const struct sql_facts *f, const struct portal *portal)
{
	static const struct gate_refusal moved = {
		"WEIR-SEARCH-PATH",
		"the names in what this runs were looked up under another search path",
		NULL,
		"bind the statement or declare the cursor again, or qualify its names with their schema",
		"34000",
	};
	bool found = portal_moved(s, portal);

	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == SQL_KIND_FETCH)
			found = found || portal_moved(s, (struct portal *) names_get(
								 &s->portals, f->stmts[i].name));
	return found && gate_may_read_names(s->env->gate) &&
			       gate_reads_names(s->env->gate, s->gate,
						s->host->now_wall(s->host_ctx))
		       ? &moved
		       : NULL;
}

bool
session_path_wait(struct session *s)
{
	if (!s->backend || !matters(s) || s->unsynced || s->tx == 'E')
		return false;
	if (s->n_replies)
		return true;
	if (s->path.failed) {
		s->path.failed = false; /* the next message asks again */
		return false;
	}
	ask(s);
	return !s->path.failed;
}

static bool
has_kind(const struct sql_facts *f, enum sql_kind kind)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == kind)
			return true;
	return false;
}

static bool
ends_transaction(const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		switch (f->stmts[i].kind) {
		case SQL_KIND_COMMIT:
		case SQL_KIND_ROLLBACK:
		case SQL_KIND_ROLLBACK_TO:
		case SQL_KIND_PREPARE_TRANSACTION:
			return true;
		default:
			break;
		}
	return false;
}

void
session_path_follow(struct session *s, const struct command *c)
{
	bool moves = c->verdict.moves_names ||
		     (s->path.cursors && has_kind(c->facts, SQL_KIND_FETCH));

	if (c->verdict.moves_names && has_kind(c->facts, SQL_KIND_DECLARE))
		s->path.cursors = true;
	if (moves)
		s->path.dirty = s->path.in_tx = true;
	else if (s->path.in_tx && ends_transaction(c->facts))
		s->path.dirty = true;
}

/* PostgreSQL 18 reports search_path, so that also what a trigger set is seen. */
void
session_path_reported(struct session *s, const struct pg_param *p)
{
	if ((slice_is(p->name, "search_path") && !slice_eq(p->value, gate_path_text(s->gate))) ||
	    slice_is(p->name, "session_authorization"))
		s->path.dirty = s->path.in_tx = true;
}

/* Between transactions, with nothing under way, there is nothing left that an end could undo. */
void
session_path_ready(struct session *s)
{
	if (s->tx != 'I' || !s->path.in_tx || s->n_replies || s->unsynced)
		return;
	s->path.dirty = true;
	s->path.in_tx = false;
}

static void
answered(struct session *s)
{
	struct slice values[COUNT_OF(asked)];
	const uint8_t *p = s->path.answers.p;

	s->path.failed = s->path.n_answers != COUNT_OF(asked) || s->path.answers.failed;
	if (s->path.failed)
		return;
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		values[i] = slice_str((const char *) p);
		p += values[i].n + 1;
	}
	if (slice_is(values[1], "none"))
		values[1] = values[2];
	gate_session_path(s->gate, values[0], values[1]);
	buf_reset(&s->backend->path);
	buf_put(&s->backend->path, values[0].p, values[0].n + 1);
	buf_put(&s->backend->path, values[1].p, values[1].n + 1);
	s->path.dirty = false;
	s->path.in_tx = s->tx != 'I';
}

static bool
take_row(struct session *s, const struct pg_frame *f)
{
	struct pg_values row;
	struct pg_value v;

	if (!f->first || !f->last || pg_read_data_row(f->body, &row) != PG_R_OK || row.n != 1 ||
	    !pg_values_next(&row, &v) || v.n < 0 || memchr(v.p, 0, (size_t) v.n))
		return false;
	buf_put(&s->path.answers, v.p, (size_t) v.n);
	buf_putc(&s->path.answers, 0);
	s->path.n_answers++;
	return true;
}

enum step
session_path_answer(struct session *s, const struct pg_frame *f)
{
	uint8_t status;

	switch (f->type) {
	case PG_B_PARSE_COMPLETE:
	case PG_B_BIND_COMPLETE:
	case PG_B_CLOSE_COMPLETE:
	case PG_B_COMMAND_COMPLETE:
	case PG_B_ERROR_RESPONSE: /* a cancel: there are fewer answers then */
		return STEP_DONE;
	case PG_B_DATA_ROW:
		if (take_row(s, f))
			return STEP_DONE;
		break;
	case PG_B_READY_FOR_QUERY:
		if (pg_read_ready(f->body, &status) != PG_R_OK)
			break;
		s->tx = (char) status;
		reply_pop(s);
		answered(s);
		return STEP_DONE;
	default:
		break;
	}
	session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
	return STEP_DONE;
}
