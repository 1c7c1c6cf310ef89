/* SPDX-License-Identifier: MIT
 *
 * COPY ... TO STDOUT: its stream through the masks of its columns. Where rules read rows, each row
 * is decided on before it is fed to them. COPY ... FROM STDIN: what a client sends for it, or for
 * none.
 */
#include "session/session.h"

#include <stdlib.h>

struct copy_state {
	struct copyout out;
	struct mask_op *ops;
	struct detect_field *fields; /* NULL: no detectors */
	struct gate_rows *rows; /* NULL: no rule reads them */
	struct copyout_value *values;
	struct buf scratch;
	uint8_t null[COPY_NULL_MAX];
};

void
session_copyout_end(struct session *s)
{
	struct copy_state *st = (struct copy_state *) s->copyout;

	if (!st)
		return;
	if (st->rows)
		pg_framer_set_whole(&s->in[SERVER].framer, PG_B_COPY_DATA, false);
	gate_rows_free(st->rows);
	copyout_fini(&st->out);
	buf_wipe(&st->scratch);
	free(st->values);
	free(st->fields);
	free(st->ops);
	free(st);
	s->copyout = NULL;
}

static bool
copy_options(const struct sql_copy *c, struct copy_state *st, struct copyout_options *o)
{
	copyout_defaults(o, c->format == SQL_COPY_BINARY ? COPYOUT_BINARY
			    : c->format == SQL_COPY_CSV	 ? COPYOUT_CSV
							 : COPYOUT_TEXT);
	if (!gate_copy_is_read(c) || (c->has_delimiter && c->delimiter.n != 1) ||
	    (c->has_quote && c->quote.n != 1) || (c->has_escape && c->escape.n != 1))
		return false;
	o->header = c->header;
	if (c->has_delimiter)
		o->delimiter = c->delimiter.p[0];
	if (c->has_quote)
		o->quote = o->escape = c->quote.p[0];
	if (c->has_escape)
		o->escape = c->escape.p[0];
	if (c->has_null) {
		memcpy(st->null, c->null.p, c->null.n);
		o->null = slice_of(st->null, c->null.n);
	}
	return true;
}

/* A CopyData of the server is a row (manual, "Message Formats"), which is decided on as a whole. */
static bool
read_rows(struct session *s, const struct command *c, struct copy_state *st,
	  const struct copyout_column *columns, size_t n)
{
	if (gate_rows_copy(s->gate, c->facts, &c->facts->stmts[c->completed], columns, n,
			   &st->rows) != PG_R_OK)
		return false;
	if (!st->rows)
		return true;
	st->values = calloc(n, sizeof(*st->values));
	assert(st->values != NULL);
	pg_framer_set_whole(&s->in[SERVER].framer, PG_B_COPY_DATA, true);
	return true;
}

/* Decides on a CopyData and leaves in *body what goes on of it. What is no row is not shown as one
 * either. */
static enum gate_row
decide(struct session *s, struct command *c, struct slice *body)
{
	struct copy_state *st = (struct copy_state *) s->copyout;
	size_t frame;

	if (!st || !st->rows)
		return GATE_ROW_SHOWN;
	switch (copyout_peek(&st->out, body->p, body->n, st->values, &frame, &st->scratch)) {
	case COPYOUT_BROKEN:
		session_bad(s, SERVER, PG_R_COPY_FORMAT);
		return GATE_ROW_BAD;
	case COPYOUT_FRAME:
		return GATE_ROW_SHOWN;
	case COPYOUT_ROW:
		break;
	}
	if (gate_rows_apply_copy(st->rows, st->values, st->ops) == GATE_ROW_SHOWN)
		return GATE_ROW_SHOWN;
	body->n = frame;
	session_rows_dropped(s, c);
	return GATE_ROW_DROPPED;
}

/* The columns as the analysis has them. Where only detectors are in force and it has none, the
 * server's number of them, of any type: in text that is enough. */
static bool
columns_of(struct session *s, const struct command *c, struct slice response,
	   struct copyout_column **columns, size_t *n)
{
	const struct sql_stmt *st = &c->facts->stmts[c->completed];
	struct pg_msg_copy m;

	if (gate_path_holds(s->gate, c->facts, c->path) &&
	    gate_copy_columns(s->gate, c->facts, st, &s->env->arena, columns, n))
		return true;
	if (c->verdict.rows_masked || st->copy->format == SQL_COPY_BINARY ||
	    pg_read_copy_response(response, &m) != PG_R_OK)
		return false;
	*n = m.columns.n;
	*columns = ARENA_ARRAY(&s->env->arena, struct copyout_column, *n + 1);
	for (size_t i = 0; i < *n; i++)
		(*columns)[i].typmod = -1;
	return true;
}

static void
detect_in(struct copy_state *st, const struct detect_rules *r, const struct copyout_column *columns,
	  size_t n, bool binary)
{
	st->fields = calloc(n, sizeof(*st->fields));
	assert(st->fields != NULL);
	for (size_t i = 0; i < n; i++)
		st->fields[i] = detect_field_of(columns[i].type, columns[i].typmod, binary);
	copyout_detect(&st->out, r, st->fields);
}

bool
session_copy_begin(struct session *s, struct command *c, struct slice response)
{
	const struct sql_facts *f = c->facts;
	struct copyout_options o;
	struct copyout_column *columns;
	struct copy_state *st;
	size_t n;
	const struct sql_copy *copy =
		c->completed < f->n_stmts ? f->stmts[c->completed].copy : NULL;

	if (session_withheld(c))
		return false;
	s->copy_header = copy && copy->header;
	s->copy_binary = copy && copy->format == SQL_COPY_BINARY;
	if (!c->verdict.rows_masked && !c->verdict.detects)
		return true;
	st = calloc(1, sizeof(*st));
	assert(st != NULL);
	arena_reset(&s->env->arena);
	s->copyout = &st->out;
	if (c->completed < f->n_stmts && f->stmts[c->completed].copy &&
	    copy_options(f->stmts[c->completed].copy, st, &o) &&
	    columns_of(s, c, response, &columns, &n)) {
		st->ops = calloc(n, sizeof(*st->ops));
		assert(st->ops != NULL);
		epoch_unref(s->plan_epoch);
		s->plan_epoch = epoch_ref(gate_masks_epoch(s->gate));
		if (copyout_init(&st->out, &o, columns, n, st->ops, s->env->max_message) &&
		    read_rows(s, c, st, columns, n)) {
			if (c->verdict.detects && gate_detects(s->gate))
				detect_in(st, gate_detects(s->gate), columns, n,
					  o.format == COPYOUT_BINARY);
			if (!c->verdict.detects || st->fields)
				return true;
		}
	}
	session_fatal(s, "0A000", "WEIR-MASKED-COPY", "this COPY cannot be masked",
		      "use plain options, or SELECT the rows");
	return false;
}

enum step
session_copy_data(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct slice body = f->body;
	enum gate_row row;
	enum pg_reason r;
	size_t before;

	if (f->too_large && !session_limit_withholds(head->command))
		session_withhold(s, head->command, &session_row_too_large);
	row = f->type == PG_B_COPY_DATA && !session_limit_withholds(head->command)
		      ? decide(s, head->command, &body)
		      : GATE_ROW_SHOWN;

	if (row == GATE_ROW_BAD || (row == GATE_ROW_SHOWN && f->type == PG_B_COPY_DATA &&
				    !session_limit_row(s, head, f)))
		return STEP_DONE;
	if (f->type == PG_B_COPY_DONE && session_limit_withholds(head->command)) {
		session_rows_flush(s);
		session_copyout_end(s);
		/* Withheld from its beginning: its CopyOutResponse was not passed on either. */
		return (session_withheld(head->command) &&
			head->command->limit->refusal != &session_row_too_large) ||
				       session_limit_may_fail(s, head)
			       ? STEP_DONE
			       : STEP_FORWARD;
	}
	if (!s->copyout)
		return STEP_FORWARD;
	session_flush_run(s);
	before = s->env->rows.n;
	r = copyout_feed(s->copyout, body.p, body.n, &s->env->rows);
	if (r == PG_R_OK && f->type == PG_B_COPY_DONE)
		r = copyout_end(s->copyout);
	if (r == PG_R_COPY_TOO_LARGE && f->type == PG_B_COPY_DATA) {
		s->env->rows.n = before;
		s->env->rows.failed = false;
		session_withhold(s, head->command, &session_row_too_large);
		return STEP_DONE;
	}
	if (r != PG_R_OK) {
		session_bad(s, SERVER, r);
		return STEP_DONE;
	}
	if (f->type == PG_B_COPY_DONE) {
		head->command->cells_masked += s->copyout->cells;
		s->env->counters.cells_masked += s->copyout->cells;
		for (int i = 0; i < DETECTOR_COUNT; i++)
			head->command->detected[i] += s->copyout->detected[i];
		session_rows_flush(s);
		session_copyout_end(s);
		return STEP_FORWARD;
	}
	if (s->env->rows.n > 32 * 1024)
		session_rows_flush(s);
	return STEP_DONE;
}

/* ---- COPY FROM STDIN ------------------------------------------------------------------------- */

/* Sent ahead of the server's CopyInResponse: it tells whether there is a COPY at all. Where there
 * is none the server keeps its answers until the batch ends, and that comes behind this message. */
static enum step
wait_for_response(struct session *s)
{
	if (!s->backend)
		return STEP_DONE;
	if (!s->copy_asked) {
		pg_put_empty(&s->env->scratch, PG_F_FLUSH);
		session_emit(s, SERVER, &s->env->scratch);
	}
	s->copy_asked = true;
	return STEP_BLOCK;
}

enum step
session_copy_in(struct session *s, const struct pg_frame *f)
{
	/* A later piece goes where the first went, whatever has happened meanwhile. */
	if (!f->first)
		return s->copy_forwarding ? STEP_FORWARD : STEP_DONE;
	s->copy_forwarding = s->copy_in;
	if (!s->copy_in && s->n_replies && !s->skip_to_sync)
		return wait_for_response(s);
	s->copy_asked = false;
	/* Left over from a COPY that failed: the server ignores such, so do we. */
	if (!s->copy_in)
		return STEP_DONE;
	if (f->type != PG_F_COPY_DATA)
		s->copy_in = false;
	return STEP_FORWARD;
}
