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
 *
 * A session that may have temporary tables is asked for them as well, after whatever may have
 * changed them: what a rollback brings back, ON COMMIT drops and a rename means is the server's to
 * say, too. That question does take a snapshot, but so did what changed them, or it comes between
 * transactions.
 */
#include "session/session.h"

#include "session/pool_rules.h"

enum { TEMPORARY_MAX = 4 << 20 }; /* bytes of the listing: what is longer is not known */

static const char *const asked[] = {
	"show search_path",
	"show role",
	"show session_authorization",
};

static const char own[] = "weir search path";

static size_t
n_asked(const struct session *s)
{
	return COUNT_OF(asked) + s->path.asks_temporary;
}

static void
ask(struct session *s)
{
	struct buf *b = &s->env->scratch;
	struct slice name = SLICE_LIT(own);

	if (!reply_push(s, REPLY_PATH)) {
		s->path.failed = true;
		return;
	}
	s->path.asks_temporary = s->path.temporary_dirty;
	for (size_t i = 0; i < n_asked(s); i++) {
		const char *text = i < COUNT_OF(asked) ? asked[i] : catalog_temporary_query.sql;

		pg_put_parse(b, name, slice_str(text));
		pg_put_bind(b, name, name);
		pg_put_execute(b, name, 0);
		pg_put_target(b, PG_F_CLOSE, 'P', name);
		pg_put_target(b, PG_F_CLOSE, 'S', name);
	}
	pg_put_empty(b, PG_F_SYNC);
	session_emit(s, SERVER, b);
	buf_reset(&s->path.answers);
	if (s->path.asks_temporary)
		buf_reset(&s->path.rows);
	s->path.n_answers = s->path.n_answered = 0;
	s->path.failed = false;
}

static bool
matters(const struct session *s)
{
	return s->path.dirty && gate_may_read_path(s->env->gate) &&
	       gate_reads_path(s->env->gate, s->gate, s->host->now_wall(s->host_ctx));
}

void
session_path_begin(struct session *s)
{
	s->path.dirty = true;
	if (s->pool.mode != POOL_TRANSACTION && matters(s))
		ask(s);
}

static void
forget_temporary(struct session *s)
{
	s->path.temporary = s->path.temporary_dirty = s->path.temporary_in_tx = false;
	s->path.foreign = s->path.unseen = false;
	buf_reset(&s->path.rows);
}

void
session_path_taken(struct session *s)
{
	const struct buf *known = &s->backend->path;
	struct slice setting;

	s->path.in_tx = s->path.cursors = s->path.failed = false;
	forget_temporary(s);
	s->path.dirty = !known->n;
	if (s->path.dirty)
		return;
	setting = slice_str((const char *) known->p);
	gate_session_path(s->gate, setting, slice_str((const char *) setting.p + setting.n + 1),
			  (struct slice){0});
}

void
session_path_left(struct session *s)
{
	if (s->path.dirty || s->path.in_tx || s->path.temporary)
		buf_reset(&s->backend->path);
}

/* What ran unseen before masks came may have left tables of any name. */
static void
suspect(struct session *s)
{
	if (!s->path.unseen || s->path.temporary || !gate_may_read_names(s->env->gate) ||
	    !gate_reads_names(s->env->gate, s->gate, s->host->now_wall(s->host_ctx)) ||
	    !gate_has_masks(s->gate))
		return;
	s->path.temporary = s->path.foreign = true;
	s->path.temporary_dirty = s->path.temporary_in_tx = true;
	s->path.dirty = s->path.in_tx = true;
}

bool
session_path_unknown(struct session *s)
{
	suspect(s);
	return matters(s);
}

uint64_t
session_path_now(const struct session *s, const struct sql_facts *f)
{
	return s->path.dirty ? UINT64_MAX : gate_path_number(s->gate, f);
}

/* The server looked the names up when it bound the portal or opened the cursor. */
const struct gate_refusal *
session_path_moved(struct session *s, const struct sql_facts *f, uint64_t path)
{
	static const struct gate_refusal moved = {
		"WEIR-SEARCH-PATH",
		"the names in what this runs were looked up under another search path",
		NULL,
		"bind the statement or declare the cursor again, or qualify its names with their schema",
		"34000",
	};

	return !gate_path_holds(s->gate, f, path) && gate_may_read_path(s->env->gate) &&
			       gate_reads_path(s->env->gate, s->gate,
					       s->host->now_wall(s->host_ctx))
		       ? &moved
		       : NULL;
}

static bool
wait_for_path(struct session *s)
{
	suspect(s);
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

bool
session_path_wait(struct session *s, const struct pg_frame *f)
{
	/* What was judged on another connection is looked at again on this one. */
	bool again = s->pool.mode == POOL_TRANSACTION;

	switch (f->type) {
	case PG_F_QUERY:
	case PG_F_FUNCTION_CALL:
	case PG_F_PARSE:
	case PG_F_BIND:
	case PG_F_DESCRIBE:
	case PG_F_EXECUTE:
	case PG_F_CLOSE:
		return (!s->hold || again) && !s->staged && wait_for_path(s);
	default:
		return false;
	}
}

static bool
has_kind(const struct sql_facts *f, enum sql_kind kind)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if (f->stmts[i].kind == kind)
			return true;
	return false;
}

bool
session_ends_transaction(const struct sql_facts *f)
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

/* A table may be temporary because the search path says so. */
static bool
makes_temporary(const struct session *s, const struct sql_facts *f, bool ddl)
{
	for (uint32_t i = 0; i < f->n_effects; i++)
		if (f->effects[i].flags & SQL_EFFECT_TEMPORARY ||
		    pool_path_is_temporary(f->effects[i].schema))
			return true;
	return ddl && (s->path.dirty || pool_path_is_temporary(gate_path_text(s->gate)));
}

/* True: what is temporary may change. */
static bool
follow_temporary(struct session *s, const struct command *c)
{
	uint64_t masks;
	bool ddl = false, sets = true;

	for (uint32_t i = 0; i < c->facts->n_stmts; i++) {
		const struct sql_stmt *st = &c->facts->stmts[i];

		ddl = ddl || st->flags & SQL_DDL;
		sets = sets && (st->kind == SQL_KIND_SET || st->kind == SQL_KIND_RESET);
	}
	s->path.unseen = s->path.unseen ||
			 (c->verdict.moves_names && !sets && !gate_has_masks(s->gate));
	if (!s->path.temporary && !makes_temporary(s, c->facts, ddl))
		return false;
	masks = gate_masks_number(s->env->gate, s->gate, s->host->now_wall(s->host_ctx));
	if (!s->path.temporary)
		s->path.masks = masks;
	s->path.foreign = s->path.foreign || s->path.unseen || masks != s->path.masks;
	s->path.temporary = true;
	ddl = ddl || (c->verdict.moves_names && !sets);
	if (ddl)
		s->path.temporary_dirty = s->path.temporary_in_tx = true;
	return ddl;
}

bool
session_temporary_foreign(struct session *s)
{
	return s->path.temporary &&
	       (s->path.foreign ||
		s->path.masks != gate_masks_number(s->env->gate, s->gate,
						   s->host->now_wall(s->host_ctx)));
}

/* What was changed in it may be undone. */
static void
ended(struct session *s)
{
	s->path.dirty = true;
	s->path.temporary_dirty = s->path.temporary_dirty || s->path.temporary_in_tx;
}

void
session_path_follow(struct session *s, const struct command *c)
{
	bool moves = follow_temporary(s, c) || c->verdict.moves_names ||
		     (s->path.cursors && has_kind(c->facts, SQL_KIND_FETCH));

	if (c->verdict.moves_names && has_kind(c->facts, SQL_KIND_DECLARE))
		s->path.cursors = true;
	if (moves)
		s->path.dirty = s->path.in_tx = true;
	else if (s->path.in_tx && session_ends_transaction(c->facts))
		ended(s);
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
	ended(s);
	s->path.in_tx = s->path.temporary_in_tx = false;
}

static void
answered(struct session *s)
{
	struct slice values[COUNT_OF(asked)];
	const uint8_t *p = s->path.answers.p;

	s->path.failed = s->path.n_answers != COUNT_OF(asked) || s->path.answers.failed ||
			 s->path.n_answered != n_asked(s) || s->path.rows.failed ||
			 s->path.rows.n > TEMPORARY_MAX;
	if (s->path.failed)
		return;
	for (size_t i = 0; i < COUNT_OF(asked); i++) {
		values[i] = slice_str((const char *) p);
		p += values[i].n + 1;
	}
	if (slice_is(values[1], "none"))
		values[1] = values[2];
	gate_session_path(s->gate, values[0], values[1], buf_slice(&s->path.rows));
	/* Nothing is left of them that could come back. */
	if (s->path.asks_temporary && s->tx == 'I' && !s->path.rows.n)
		forget_temporary(s);
	s->path.temporary_dirty = s->path.temporary_dirty && !s->path.asks_temporary;
	s->path.temporary_in_tx = s->path.temporary_in_tx && s->tx != 'I';
	buf_reset(&s->backend->path);
	buf_put(&s->backend->path, values[0].p, values[0].n + 1);
	buf_put(&s->backend->path, values[1].p, values[1].n + 1);
	s->path.dirty = false;
	s->path.in_tx = s->tx != 'I';
}

static bool
take_temporary(struct session *s, struct pg_values *row)
{
	struct slice fields[8];
	unsigned n = row->n;
	struct pg_value v;

	if (!s->path.asks_temporary || n != catalog_temporary_query.n_fields)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!pg_values_next(row, &v))
			return false;
		fields[i] = v.n < 0 ? (struct slice){0} : slice_of(v.p, (size_t) v.n);
	}
	if (s->path.rows.n <= TEMPORARY_MAX)
		catalog_temporary_put(&s->path.rows, fields, n);
	return true;
}

static bool
take_row(struct session *s, const struct pg_frame *f)
{
	struct pg_values row;
	struct pg_value v;

	if (!f->first || !f->last || pg_read_data_row(f->body, &row) != PG_R_OK)
		return false;
	if (s->path.n_answered == COUNT_OF(asked))
		return take_temporary(s, &row);
	if (row.n != 1 || !pg_values_next(&row, &v) || v.n < 0 || memchr(v.p, 0, (size_t) v.n))
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
	case PG_B_COMMAND_COMPLETE:
		s->path.n_answered++;
		return STEP_DONE;
	case PG_B_PARSE_COMPLETE:
	case PG_B_BIND_COMPLETE:
	case PG_B_CLOSE_COMPLETE:
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
