/* SPDX-License-Identifier: MIT
 *
 * Messages of the server. Each belongs to the reply at the head of the queue, or is one of the
 * three that may come at any time. Nothing passes before the record of its command is durable,
 * rows pass through their plan, and what the protocol does not have at this place ends the session.
 */
#include "session/session.h"

#include "base/log.h"

#include <stdlib.h>

/* ---- rows ------------------------------------------------------------------------------------ */

static const struct pg_rowplan *
current_plan(const struct session *s, const struct reply *head)
{
	if (head->kind == REPLY_EXECUTE)
		return ((const struct portal *) head->object)->plan;
	return head->kind == REPLY_QUERY ? s->plan : NULL;
}

/* The gateway asked. */
static bool
is_own(const struct reply *head)
{
	return head->kind == REPLY_PATH || head->kind == REPLY_CARRY || head->kind == REPLY_KEPT;
}

/* Something looks into the rows of the head's current result. */
static inline bool
has_plan(const struct session *s, const struct reply *head)
{
	const struct portal *p = (const struct portal *) head->object;

	if (head->kind == REPLY_QUERY)
		return s->plan || s->rows;
	return head->kind == REPLY_EXECUTE && (p->plan || p->rows);
}

/* Rows are wanted whole while a plan is in force, else they may pass piece by piece. */
static void
follow_plan(struct session *s)
{
	struct reply *head = reply_head(s);
	bool whole = head && (has_plan(s, head) || is_own(head));

	if (whole == s->rows_whole)
		return;
	s->rows_whole = whole;
	pg_framer_set_whole(&s->in[SERVER].framer, PG_B_DATA_ROW, whole);
}

/* What FETCH and EXECUTE return is up to a name; their portal's description is as old as the
 * portal. */
static bool
names_held(const struct session *s, const struct reply *head)
{
	const struct portal *p = (const struct portal *) head->object;

	return head->kind != REPLY_EXECUTE || !gate_has_masks(s->gate) ||
	       !sql_runs_other(p->statement->facts) || p->names == s->names;
}

bool
session_rows_pass(const struct session *s)
{
	struct session *m = (struct session *) (uintptr_t) s;
	const struct reply *head = s->phase == SESSION_READY ? reply_head(s) : NULL;
	struct command *c = head ? head->command : NULL;

	if (!c || (head->kind != REPLY_QUERY && head->kind != REPLY_EXECUTE) || head->error ||
	    s->swallow)
		return false;
	if ((c->verdict.names && !c->looked_up) || c->verdict.masked_outputs ||
	    c->verdict.detects || has_plan(s, head) || !names_held(s, head) ||
	    (head->kind == REPLY_EXECUTE && ((struct portal *) head->object)->disagrees) ||
	    (head->kind == REPLY_EXECUTE && c->verdict.rows_masked &&
	     !((struct portal *) head->object)->planned))
		return false;
	return command_durable(m, c);
}

void
session_rows_flush(struct session *s)
{
	struct buf *b = &s->env->rows;

	if (!b->n && !b->failed)
		return;
	s->bytes_down += b->n;
	session_emit(s, CLIENT, b);
}

void
session_streaming(struct session *s, bool on)
{
	if (s->streaming == on)
		return;
	s->streaming = on;
	s->host->streaming(s->host_ctx, on);
}

/* The analysis of the statement and the server's description of the result must agree. */
static bool
lineage_agrees(const struct reply *head, const struct pg_rowplan *plan)
{
	const struct command *c = head->command;
	unsigned want = c ? c->verdict.masked_outputs : 0;

	if (head->kind == REPLY_EXECUTE && ((const struct portal *) head->object)->disagrees)
		return false;
	if (c && c->facts->n_stmts > 1 && c->completed < VERDICT_STATEMENTS)
		want = c->verdict.masked_by[c->completed];
	return want <= (plan ? plan->n_cells : 0);
}

static const struct gate_refusal renamed = {
	"WEIR-LINEAGE", "a cursor or prepared statement changed between Bind and Execute", NULL,
	"send Bind again after DECLARE, CLOSE, PREPARE or DEALLOCATE", "XX000"};

const struct gate_refusal session_row_too_large = {
	"WEIR-TOO-LARGE", "a row of this result is larger than the gateway holds to mask it", NULL,
	"select less of it, substr() or an array's slice, or ask for a larger `limit message`",
	"54000"};

/* The plan's masks. False: the row is too large once it is masked. */
static bool
mask_row(struct session *s, struct reply *head, const struct pg_rowplan *plan,
	 const struct pg_frame *f, bool *rewritten)
{
	struct pg_row_counts counts = {0};
	size_t before = s->env->rows.n;
	enum pg_reason r = pg_rowplan_apply(plan, (uint8_t *) (uintptr_t) f->raw.p, f->raw.n,
					    &s->env->rows, rewritten, &counts);

	if (r == PG_R_ROW_TOO_LARGE) {
		s->env->rows.n = before;
		s->env->rows.failed = false;
		return false;
	}
	if (r != PG_R_OK)
		session_bad(s, SERVER, r);
	head->command->cells_masked += counts.cells;
	s->env->counters.cells_masked += counts.cells;
	for (int i = 0; plan->detect.wanted && i < DETECTOR_COUNT; i++)
		head->command->detected[i] += counts.detected[i];
	return true;
}

static enum step
data_row(struct session *s, struct reply *head, const struct pg_frame *f)
{
	const struct pg_rowplan *plan = current_plan(s, head);
	bool rewritten = false;

	if (head->kind != REPLY_QUERY && head->kind != REPLY_EXECUTE) {
		session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
	if (!session_limit_withholds(head->command) && !lineage_agrees(head, plan))
		session_disagrees(s, head->command);
	/* Rows without a description, or of a plan made before the detectors were in force. */
	if (!session_limit_withholds(head->command) && head->command->verdict.detects &&
	    !(plan && plan->detect.wanted))
		session_disagrees(s, head->command);
	if (!session_limit_withholds(head->command) && !names_held(s, head))
		session_withhold(s, head->command, &renamed);
	if (f->too_large && !session_limit_withholds(head->command))
		session_withhold(s, head->command, &session_row_too_large);
	if (session_limit_withholds(head->command)) {
		(void) session_limit_row(s, head, f);
		return STEP_DONE;
	}
	if (session_rows_decide(s, head, f) != GATE_ROW_SHOWN || !session_limit_row(s, head, f))
		return STEP_DONE;
	if (!plan) {
		if (head->kind == REPLY_EXECUTE && head->command->verdict.rows_masked &&
		    !((struct portal *) head->object)->planned) {
			session_bad(s, SERVER, PG_R_ROW_FIELDS);
			return STEP_DONE;
		}
		return STEP_FORWARD;
	}
	assert(f->first && f->last);
	if (!mask_row(s, head, plan, f, &rewritten)) {
		session_withhold(s, head->command, &session_row_too_large);
		return STEP_DONE;
	}
	if (s->phase == SESSION_CLOSED)
		return STEP_DONE;
	if (!rewritten)
		return STEP_FORWARD;
	/* What was gathered before this row goes out before it. */
	session_flush_run(s);
	if (s->env->rows.n > 32 * 1024)
		session_rows_flush(s);
	return STEP_DONE;
}

/* ---- ends of commands ------------------------------------------------------------------------ */

static void
keep_prepared(struct session *s, const struct command *c, const struct sql_stmt *st)
{
	struct statement *made;

	sql_facts_hold(c->facts);
	made = statement_new(st->name, (struct slice){0}, (struct slice){0}, c->facts);
	if (made)
		object_count(&made->object, &s->names_bytes);
	if (!made || !names_put(&s->statements, &made->object, STATEMENTS_MAX))
		log_warn("prepared statement not kept: too many");
}

/* It is about the session, and what it has in hand: a ROLLBACK takes only SET LOCAL back. */
static void
set_approval(struct session *s, const struct sql_set *set)
{
	bool async = set->is_default ? s->starts_async
				     : setting_approval(set->value) == APPROVAL_MODE_ASYNC;

	s->approval_local = set->local ? async ? APPROVAL_MODE_ASYNC : APPROVAL_MODE_WAIT
				       : APPROVAL_MODE_UNSET;
	if (!set->local)
		s->approval_async = async;
}

/* What a completed statement did to the names of the session. */
static void
statement_completed(struct session *s, struct command *c)
{
	const struct sql_facts *f = c->facts;
	const struct sql_stmt *st = c->completed < f->n_stmts ? &f->stmts[c->completed] : NULL;

	c->completed++;
	if (!st)
		return;
	if (st->flags & SQL_DDL && c->verdict.schema_change)
		s->schema_changed_in_tx = true;
	switch (st->kind) {
	case SQL_KIND_PREPARE:
		s->names++;
		keep_prepared(s, c, st);
		break;
	case SQL_KIND_DECLARE:
		s->names++;
		session_cursor_keep(s, c, st);
		break;
	case SQL_KIND_CLOSE:
		s->names++;
		if (st->name.n)
			names_drop(&s->portals, st->name);
		else
			names_clear(&s->portals);
		break;
	case SQL_KIND_DEALLOCATE:
		s->names++;
		if (!st->name.n)
			session_names_forgotten(s, true);
		if (st->name.n)
			names_drop(&s->statements, st->name);
		else
			names_clear(&s->statements);
		break;
	case SQL_KIND_DISCARD:
		s->names++;
		session_names_forgotten(s, slice_is(st->name, "all"));
		if (!slice_is(st->name, "all"))
			break;
		set_approval(s, &(struct sql_set){.is_default = true});
		names_clear(&s->statements);
		names_clear(&s->portals);
		break;
	case SQL_KIND_SET:
	case SQL_KIND_RESET:
		if (slice_is(st->set.name, "weir.approval"))
			set_approval(s, &st->set);
		break;
	case SQL_KIND_RESET_ALL:
		set_approval(s, &(struct sql_set){.is_default = true});
		break;
	default:
		break;
	}
}

static void
assert_on_record(const struct session *s, const struct command *c)
{
	/* I2 */
	assert(!c || !c->recorded || s->host->durable(s->host_ctx, c->ticket));
}

static void
end_command(struct session *s, struct reply *head)
{
	struct command *c = head->command;

	if (c && c->recorded && !head->error && !c->result_ticket)
		record_result(s, c);
}

/* CommandComplete or PortalSuspended. */
static enum step
completed(struct session *s, struct reply *head)
{
	bool failed = session_limit_completed(s, head), execute = head->kind == REPLY_EXECUTE;

	if (execute) {
		/* I4 */
		assert(head == reply_head(s) && head->command != NULL);
		assert_on_record(s, head->command);
		s->batch_wrote = s->batch_wrote || !head->command->verdict.reads_only;
		s->batch_ended = s->batch_ended || session_ends_transaction(head->command->facts);
		end_command(s, head);
		reply_pop(s);
	}
	if (failed)
		session_limit_fail(s, execute);
	return failed ? STEP_DONE : STEP_FORWARD;
}

static enum step
command_complete(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct command *c = head->command;
	char shown[sizeof(c->tag)];
	struct slice tag;
	enum step step;
	bool changed;

	if (pg_read_command_complete(f->body, &tag) != PG_R_OK) {
		session_bad(s, SERVER, PG_R_STRING_NOT_TERMINATED);
		return STEP_DONE;
	}
	if (c->completed >= c->facts->n_stmts ||
	    !(c->facts->stmts[c->completed].flags & SQL_MOVE))
		c->rows += pg_tag_rows(tag);
	if (tag.n >= sizeof(c->tag))
		tag.n = sizeof(c->tag) - 1;
	memcpy(c->tag, tag.p, tag.n);
	c->tag[tag.n] = 0;
	changed = session_rows_tag(c);
	memcpy(shown, c->tag, sizeof(shown));
	session_limit_lap(s, head);
	statement_completed(s, c);
	session_rows_end(s);
	step = completed(s, head);
	if (step != STEP_FORWARD || !changed)
		return step;
	session_flush_run(s);
	session_rows_flush(s);
	pg_put_command_complete(&s->env->scratch, shown);
	session_emit(s, CLIENT, &s->env->scratch);
	return STEP_DONE;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* Errors of values (22), of code (38, 39, P0) and of the unexpected quote what they failed on;
 * those of these classes at most the statement. */
static bool
quotes_values(struct slice state)
{
	static const char *const quiet[] = {"08", "0A", "25", "26", "34",
					    "40", "42", "53", "55", "57"};

	for (size_t i = 0; state.n == 5 && i < COUNT_OF(quiet); i++)
		if (memcmp(state.p, quiet[i], 2) == 0)
			return false;
	return true;
}

/* DETAIL and CONTEXT may quote values of the table ("Failing row contains"). */
void
session_emit_scrubbed(struct session *s, const struct pg_msg_error *e, bool notice)
{
	char state[6] = "XX000", severity[16] = "ERROR";
	struct pg_error out = {.severity = severity, .sqlstate = state, .message = e->message,
			       .detail = SLICE_LIT("withheld: it may quote masked columns"),
			       .hint = e->hint};

	if (gate_computes(s->gate) && quotes_values(e->sqlstate))
		out.message = SLICE_LIT("withheld: it may quote what was computed from masked columns");
	if (session_code_speaks(s, e)) {
		out.message = SLICE_LIT("withheld: a function or trigger of the database says it, which may "
					"have read masked columns");
		out.hint = SLICE_LIT("the code of the error is as it was; a policy may vouch for the function, "
				     "whose texts then pass (weir functions)");
	}
	if (e->sqlstate.n == 5)
		memcpy(state, e->sqlstate.p, 5);
	if (e->severity.n < sizeof(severity)) {
		memcpy(severity, e->severity.p, e->severity.n);
		severity[e->severity.n] = 0;
	}
	session_flush_run(s);
	session_rows_flush(s);
	if (notice)
		pg_put_notice(&s->env->scratch, &out);
	else
		pg_put_error(&s->env->scratch, &out);
	session_emit(s, CLIENT, &s->env->scratch);
}

void
session_drop_to_sync(struct session *s)
{
	while (s->n_replies && reply_head(s)->kind != REPLY_SYNC &&
	       reply_head(s)->kind != REPLY_LOCAL) {
		struct reply *r = reply_head(s);

		/* Recorded, sent, and skipped by the server after an earlier error. */
		if (r->command && !r->command->failed) {
			r->command->failed = true;
			memcpy(r->command->sqlstate, "25P02", 6);
		}
		end_command(s, r);
		reply_pop(s);
	}
	if (!s->n_replies)
		s->skip_to_sync = true;
}

/* A constraint's error quotes the row, also one of a table that only a foreign key leads to, and
 * also at the end of the transaction. */
static bool
quotes_rows(const struct session *s, const struct pg_msg_error *e)
{
	if (gate_computes(s->gate))
		return quotes_values(e->sqlstate);
	return gate_has_masks(s->gate) && e->sqlstate.n == 5 &&
	       (memcmp(e->sqlstate.p, "23", 2) == 0 || memcmp(e->sqlstate.p, "44", 2) == 0);
}

static bool
ends_with_ready(const struct reply *r)
{
	return r->kind == REPLY_QUERY || r->kind == REPLY_SYNC || r->kind == REPLY_FUNCTION;
}

static enum step
error_response(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct pg_msg_error e;
	struct command *c = head->command;
	const struct reply *limited = c ? head : session_limit_running(s);
	enum step step = STEP_FORWARD;

	if (pg_read_error(f->body, &e) != PG_R_OK) {
		session_bad(s, SERVER, PG_R_MISSING_FIELD);
		return STEP_DONE;
	}
	s->last_words = !head->error && slice_is(e.severity, "FATAL");
	if (c) {
		c->failed = true;
		if (e.sqlstate.n == 5)
			memcpy(c->sqlstate, e.sqlstate.p, 5);
	}
	s->copy_in = false;
	session_copyout_end(s);
	session_rows_end(s);
	if (head->error) {
		session_flush_run(s);
		session_rows_flush(s);
		s->host->emit(s->host_ctx, CLIENT, buf_slice(head->error));
		step = STEP_DONE;
	} else if (limited && session_limit_error(s, limited->command, &e)) {
		step = STEP_DONE;
	} else if ((c && c->verdict.rows_masked) || quotes_rows(s, &e) ||
		   session_code_speaks(s, &e)) {
		session_emit_scrubbed(s, &e, false);
		step = STEP_DONE;
	}
	if (!ends_with_ready(head)) {
		if (step == STEP_FORWARD) {
			/* The queue moves on: the message must not be seen a second time. */
			session_flush_run(s);
			session_rows_flush(s);
			s->host->emit(s->host_ctx, CLIENT, f->raw);
			step = STEP_DONE;
		}
		session_drop_to_sync(s);
	}
	return step;
}

static enum step
ready_for_query(struct session *s, struct reply *head, const struct pg_frame *f)
{
	uint8_t status;

	if (pg_read_ready(f->body, &status) != PG_R_OK) {
		session_bad(s, SERVER, PG_R_BAD_TRANSACTION_STATUS);
		return STEP_DONE;
	}
	assert(ends_with_ready(head)); /* I3 */
	if (head->kind == REPLY_FUNCTION) {
		assert_on_record(s, head->command);
		end_command(s, head);
	}
	if (head->kind == REPLY_QUERY) {
		assert_on_record(s, head->command);
		end_command(s, head);
		names_drop(&s->statements, (struct slice){0});
		s->pool.unnamed = NULL;
		names_drop(&s->portals, (struct slice){0});
	}
	s->tx = (char) status;
	s->copy_in = s->batch_wrote = s->batch_ended = false;
	reply_pop(s);
	session_path_ready(s);
	if (status == 'I') {
		session_lookup_ready(s, false);
		portals_end_transaction(&s->portals);
		s->approval_local = APPROVAL_MODE_UNSET;
		if (s->schema_changed_in_tx) {
			s->schema_changed_in_tx = false;
			s->host->schema_changed(s->host_ctx);
		}
	}
	session_streaming(s, false);
	return STEP_FORWARD;
}

/* ---- extended replies ------------------------------------------------------------------------ */

static enum step
swallow_or(const struct reply *head)
{
	return head->swallow ? STEP_DONE : STEP_FORWARD;
}

bool
session_name_made(struct session *s, struct reply *head)
{
	struct object *o = head->object;
	bool statement = o->kind == OBJECT_STATEMENT;

	head->object = NULL;
	s->names += o->name.n != 0;
	if (!statement)
		((struct portal *) o)->names = s->names;
	else if (!o->name.n)
		s->pool.unnamed = o;
	if (names_put(statement ? &s->statements : &s->portals, o,
		      1 + (statement ? STATEMENTS_MAX : PORTALS_MAX)))
		return true;
	session_fatal(s, "54000", "WEIR-NAMES", "too many prepared statements or portals are open",
		      "close those that are no longer needed");
	return false;
}

static enum step
described(struct session *s, struct reply *head, const struct pg_frame *f)
{
	struct slice body = f->type == PG_B_NO_DATA ? (struct slice){0} : f->body;
	enum step step = swallow_or(head);

	if (head->kind == REPLY_DESCRIBE_STATEMENT) {
		if (!statement_describe((struct statement *) head->object, body)) {
			session_bad(s, SERVER, PG_R_NO_MEMORY);
			return STEP_DONE;
		}
		((struct statement *)head->object)->described_at =
			gate_catalog_number(s->env->gate, s->gate);
	} else if (!session_plan_portal(s, (struct portal *) head->object, body)) {
		return STEP_DONE;
	}
	reply_pop(s);
	return step;
}

static enum step
row_description(struct session *s, struct reply *head, const struct pg_frame *f)
{
	if (head->kind == REPLY_DESCRIBE_STATEMENT || head->kind == REPLY_DESCRIBE_PORTAL)
		return described(s, head, f);
	if (head->kind != REPLY_QUERY || f->type == PG_B_NO_DATA) {
		session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
	if (session_withheld(head->command))
		return STEP_DONE;
	if (!gate_has_masks(s->gate) && !gate_detects(s->gate))
		return STEP_FORWARD;
	return session_plan_query(s, head->command, f->body);
}

void
session_name_closed(struct session *s, struct object *o)
{
	struct name_map *m = o->kind == OBJECT_STATEMENT ? &s->statements : &s->portals;

	if (s->pool.unnamed == o)
		s->pool.unnamed = NULL;
	if (names_get(m, o->name) == o)
		names_drop(m, o->name);
}

static enum step
closed(struct session *s, struct reply *head)
{
	enum step step = swallow_or(head);

	if (head->prepared)
		session_names_made(s, head);
	if (head->object)
		session_name_closed(s, head->object);
	reply_pop(s);
	return step;
}

/* ParseComplete, BindComplete. */
static enum step
made(struct session *s, struct reply *head)
{
	enum step step = swallow_or(head);

	if (head->prepared)
		session_names_made(s, head);
	if (head->object && !session_name_made(s, head))
		return STEP_DONE;
	reply_pop(s);
	return step;
}

/* ---- dispatch -------------------------------------------------------------------------------- */

enum step
session_for_head(struct session *s, struct reply *head, const struct pg_frame *f)
{
	bool runs = head->kind == REPLY_QUERY || head->kind == REPLY_EXECUTE;

	switch (f->type) {
	case PG_B_DATA_ROW:
		return data_row(s, head, f);
	case PG_B_ROW_DESCRIPTION:
	case PG_B_NO_DATA:
		return row_description(s, head, f);
	case PG_B_PARAMETER_DESCRIPTION:
		if (head->kind == REPLY_DESCRIBE_STATEMENT)
			return STEP_FORWARD;
		break;
	case PG_B_PARSE_COMPLETE:
	case PG_B_BIND_COMPLETE:
		if (head->kind != (f->type == PG_B_PARSE_COMPLETE ? REPLY_PARSE : REPLY_BIND) ||
		    head->error)
			break;
		return made(s, head);
	case PG_B_CLOSE_COMPLETE:
		if (head->kind != REPLY_CLOSE)
			break;
		return closed(s, head);
	case PG_B_COMMAND_COMPLETE:
		if (!runs || head->error)
			break;
		return command_complete(s, head, f);
	case PG_B_EMPTY_QUERY_RESPONSE:
	case PG_B_PORTAL_SUSPENDED:
		if (!runs || head->error)
			break;
		if (f->type == PG_B_PORTAL_SUSPENDED)
			session_rows_suspended(head->command);
		session_limit_lap(s, head);
		return completed(s, head);
	case PG_B_COPY_IN_RESPONSE:
		if (!runs || head->error)
			break;
		s->copy_in = true;
		/* libpq sends its Sync right behind Execute. */
		reply_drop_syncs(s);
		s->unsynced = reply_head(s)->kind == REPLY_EXECUTE || s->unsynced;
		return STEP_FORWARD;
	case PG_B_COPY_OUT_RESPONSE:
		if (!runs || head->error)
			break;
		return session_copy_begin(s, head->command, f->body) ? STEP_FORWARD : STEP_DONE;
	case PG_B_COPY_DATA:
	case PG_B_COPY_DONE:
		if (!runs || head->error)
			break;
		return session_copy_data(s, head, f);
	case PG_B_ERROR_RESPONSE:
		return error_response(s, head, f);
	case PG_B_READY_FOR_QUERY:
		if (!ends_with_ready(head))
			break;
		return ready_for_query(s, head, f);
	case PG_B_FUNCTION_CALL_RESPONSE:
		if (head->kind != REPLY_FUNCTION || head->error)
			break;
		return STEP_FORWARD;
	/* CopyBothResponse, Authentication, ... have no place here */
	default:
		break;
	}
	session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
	return STEP_DONE;
}

/* A ReadyForQuery that goes on to the client. */
static bool
ends_answer(const struct session *s, const struct reply *head, const struct pg_frame *f)
{
	if (f->type != PG_B_READY_FOR_QUERY || head->kind == REPLY_PATH || !ends_with_ready(head))
		return false;
	return s->swallow != SWALLOW_TO_READY || f->body.n != 1 || f->body.p[0] != 'T';
}

enum step
server_message(struct session *s, struct pg_frame *f)
{
	struct reply *head;
	enum step step;

	replies_advance(s);
	head = reply_head(s);
	if (f->type == PG_B_PARAMETER_STATUS || f->type == PG_B_NOTICE_RESPONSE ||
	    f->type == PG_B_NOTIFICATION_RESPONSE)
		return head && !command_durable(s, head->command) ? STEP_BLOCK
								  : session_asynchronous(s, f);
	if (!head) {
		/* The server says good-bye (57P01 and the like): its last words pass. */
		s->last_words = f->type == PG_B_ERROR_RESPONSE;
		if (s->last_words)
			return STEP_FORWARD;
		session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
	/* A later piece of a row follows its first piece. */
	if (f->first && (head->kind == REPLY_LOCAL || !command_durable(s, head->command)))
		return STEP_BLOCK;
	if (ends_answer(s, head, f) && record_waits(s, head->error ? NULL : head->command))
		return s->phase == SESSION_CLOSED ? STEP_DONE : STEP_BLOCK;
	if (f->too_large && is_own(head)) {
		session_bad(s, SERVER, PG_R_MESSAGE_TOO_LARGE);
		return STEP_DONE;
	}
	if (head->kind == REPLY_PATH)
		step = session_path_answer(s, f);
	else if (head->kind == REPLY_CARRY)
		step = session_carry_answer(s, f);
	else if (head->kind == REPLY_KEPT)
		step = session_keep_answer(s, f);
	else if (f->first && session_lookup_check(s, head, f) == STEP_BLOCK)
		return STEP_BLOCK;
	else
		step = s->swallow ? session_limit_swallow(s, head, f)
				  : session_for_head(s, head, f);
	if (s->phase == SESSION_CLOSED)
		return STEP_DONE;
	if (f->type != PG_B_DATA_ROW && f->type != PG_B_COPY_DATA)
		follow_plan(s);
	return step;
}

void
replies_advance(struct session *s)
{
	struct reply *head;

	while ((head = reply_head(s)) != NULL &&
	       (head->known || head->kind == REPLY_LOCAL) && command_durable(s, head->command)) {
		session_flush_run(s);
		session_rows_flush(s);
		if (head->known) {
			if (!session_names_answer(s, head))
				return;
			continue;
		}
		if (head->error)
			s->host->emit(s->host_ctx, CLIENT, buf_slice(head->error));
		if (head->with_ready) {
			pg_put_ready(&s->env->scratch, (uint8_t) s->tx);
			session_emit(s, CLIENT, &s->env->scratch);
		}
		reply_pop(s);
	}
	follow_plan(s);
}
