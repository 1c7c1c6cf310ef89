/* SPDX-License-Identifier: MIT
 *
 * Messages of the client. Every type ends in one of: judged and released, passed because what it
 * refers to was judged, refused with an error, or the end of the session. Nothing else reaches the
 * server.
 */
#include "session/session_undo.h"

#include "base/endian.h"
#include "base/log.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- names in flight ------------------------------------------------------------------------- */

/* What a name will mean when the server gets to the next message: the newest request in flight that
 * makes or drops it, else the map. */
struct object *
session_find_object(struct session *s, enum object_kind kind, struct slice name)
{
	enum reply_kind makes = kind == OBJECT_STATEMENT ? REPLY_PARSE : REPLY_BIND;
	struct object *found;

	for (uint32_t i = s->n_replies; i-- > 0;) {
		struct reply *r = reply_at(s, i);

		if (r->kind == REPLY_QUERY && name.n == 0)
			return NULL; /* a simple query drops the unnamed ones */
		if (r->command && name.n && session_renames(r->command->facts, kind, name))
			return NULL;
		if (!r->object || r->object->kind != kind || !slice_eq(r->object->name, name))
			continue;
		if (r->kind == makes)
			return r->object;
		if (r->kind == REPLY_CLOSE)
			return NULL;
	}
	found = names_get(kind == OBJECT_STATEMENT ? &s->statements : &s->portals, name);
	return found && kind == OBJECT_PORTAL && ((struct portal *) found)->sql_only ? NULL : found;
}

/* Whether a name will mean what find_object says hangs on a request in flight. When that fails,
 * what follows it up to Sync is skipped with it; behind a Sync the name means what it did. */
static bool
in_doubt(struct session *s, enum object_kind kind, struct slice name)
{
	bool synced = false;

	for (uint32_t i = s->n_replies; i-- > 0;) {
		const struct reply *r = reply_at(s, i);

		synced |= r->kind == REPLY_SYNC;
		if (r->object && r->object->kind == kind && slice_eq(r->object->name, name) &&
		    (r->kind == REPLY_PARSE || r->kind == REPLY_BIND || r->kind == REPLY_CLOSE))
			return synced;
	}
	return false;
}

static bool
runs_in_doubt(struct session *s, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_stmts; i++)
		if ((f->stmts[i].flags & SQL_EXECUTES &&
		     in_doubt(s, OBJECT_STATEMENT, f->stmts[i].name)) ||
		    (f->stmts[i].kind == SQL_KIND_FETCH &&
		     session_cursor_in_doubt(s, f->stmts[i].name)))
			return true;
	return false;
}

static const struct sql_facts *
prepared(void *ctx, struct slice name)
{
	struct object *o = session_find_object(ctx, OBJECT_STATEMENT, name);

	return o && name.n ? ((struct statement *) o)->facts : NULL;
}

/* ---- judging --------------------------------------------------------------------------------- */

enum judged { JUDGED, JUDGE_WAIT };

static bool
changes_schema(struct session *s)
{
	for (uint32_t i = 0; i < s->n_replies; i++) {
		const struct command *c = reply_at(s, i)->command;

		if (c && c->verdict.schema_change)
			return true;
	}
	return false;
}

struct gate_ask
session_ask(struct session *s, const struct sql_facts *f,
	    const struct gate_parameters *parameters)
{
	bool path_unknown = session_path_unknown(s); /* may say more of s->path */

	return (struct gate_ask){.facts = f,
				 .parameters = parameters,
				 .tx = s->tx,
				 .schema_changed_in_tx = s->schema_changed_in_tx,
				 .schema_moving = changes_schema(s),
				 .failed = s->tx == 'E' && !s->n_replies && !s->unsynced,
				 .path_unknown = path_unknown,
				 .redefined = session_redefined(s),
				 .redefined_ends = s->redefined_asked != 0,
				 .renamed = s->renaming, .temporary = s->path.temporary,
				 .temporary_foreign = session_temporary_foreign(s),
				 .need = gate_moves(s->env->gate, s->gate),
				 .now_wall_ns = s->host->now_wall(s->host_ctx),
				 .prepared = prepared,
				 .cursor = session_cursor,
				 .ctx = s,
				 .arena = &s->env->arena};
}

/* Fills c->verdict. JUDGE_WAIT: a fresh catalog is on its way, or the server's word on a name; see
 * the message again then. */
static enum judged
judge(struct session *s, struct command *c, struct slice text)
{
	struct session_env *env = s->env;
	struct gate_ask ask = session_ask(s, c->facts, &c->parameters);
	const struct gate_refusal *refused;

	ask.text = text;
	if ((s->waits_catalog &&
	     gate_catalog_since(env->gate, s->gate, s->waits_catalog) == CATALOG_WAIT) ||
	    runs_in_doubt(s, c->facts))
		return JUDGE_WAIT;
	if (!s->waits_catalog && !s->waited_catalog)
		s->arrived = ask.need;
	s->waited_catalog += s->waits_catalog != 0;
	s->waits_catalog = 0;
	/* Its result is looked at again: it need not wait for who changes the schema in a loop. */
	if (c->facts->pure_read && c->facts->n_relations)
		ask.need = s->arrived;
	c->path = gate_path_number(s->gate, c->facts);
	c->path_told = session_path_now(s, c->facts) == c->path;
	c->schema_moving = ask.schema_moving || ask.schema_changed_in_tx;
	c->path_unknown = ask.path_unknown;
	c->seen = gate_seen(env->gate, s->gate);
	gate_decide(env->gate, s->gate, &ask, &c->verdict);
	if (c->verdict.verdict != VERDICT_DENY &&
	    ((refused = session_pool_refuses(s, c->facts)) != NULL ||
	     (refused = session_names_full(s, c->facts)) != NULL))
		c->verdict = (struct gate_verdict){.verdict = VERDICT_DENY, .refusal = *refused};
	if (gate_catalog_wanted(env->gate, s->gate, &c->verdict, s->waited_catalog,
				s->host->now_mono(s->host_ctx))) {
		s->waits_catalog = gate_catalog_ask(env->gate, s->gate);
		s->host->want_catalog(s->host_ctx);
		return JUDGE_WAIT;
	}
	s->waited_catalog = 0;
	return JUDGED;
}

static const struct gate_refusal audit_refusal = {
	"WEIR-AUDIT", "the audit log takes no records, so nothing is let through", NULL,
	"the gateway's operator must look at its log and disk", "58030"};

static const struct gate_refusal full_refusal = {
	"WEIR-AUDIT-FULL", "the audit log's disk is full, so nothing is let through", NULL,
	"the gateway goes on by itself when its operator has made room", "53100"};

bool
command_durable(struct session *s, struct command *c)
{
	/* What is durable stays so; what people decide is another record, and another ticket. */
	if (!c || !c->recorded || c->durable == c->ticket)
		return true;
	if (s->host->durable(s->host_ctx, c->ticket)) {
		c->durable = c->ticket;
		return true;
	}
	s->host->when_durable(s->host_ctx, c->ticket);
	return false;
}

enum step
session_stage(struct session *s, const struct sql_facts *facts, const struct statement_text *t)
{
	struct command *c = command_new(s);
	const struct gate_refusal *moved;

	sql_facts_hold(facts);
	c->facts = facts;
	gate_parameters_read(t->types, &c->parameters);
	if (judge(s, c, t->text) == JUDGE_WAIT || hold_awaits(s, c)) {
		command_free(s, c);
		return STEP_BLOCK;
	}
	s->env->counters.commands++;
	moved = t->portal ? session_portal_again(s, t->portal, &c->verdict) : NULL;
	if (moved && c->verdict.verdict != VERDICT_DENY)
		c->verdict = (struct gate_verdict){.verdict = VERDICT_DENY, .refusal = *moved};
	moved = record_refuses(c, t);
	if (moved && c->verdict.verdict != VERDICT_DENY)
		c->verdict = (struct gate_verdict){.verdict = VERDICT_DENY, .refusal = *moved};
	/* The rest of a portal: it compared, and counted, when it began. */
	if (t->portal && t->portal->used.rows) {
		c->verdict.lookups = 0;
		memset(c->verdict.counted, 0, sizeof(c->verdict.counted));
	}
	session_limit_begin(s, c, t->portal);
	if (c->verdict.verdict == VERDICT_HOLD)
		return hold_begin(s, c, t);
	if (!record_command(s, c, t))
		c->verdict = (struct gate_verdict){
			.verdict = VERDICT_DENY,
			.refusal = s->host->log_full(s->host_ctx) ? full_refusal : audit_refusal};
	if (c->verdict.verdict != VERDICT_ALLOW) {
		if (t->extended)
			refuse_extended(s, c, &c->verdict.refusal);
		else
			refuse_query(s, c, &c->verdict.refusal);
		return STEP_DONE;
	}
	s->env->counters.allowed++;
	s->staged = c;
	return STEP_FORWARD;
}

static uint64_t
hash_of(const struct statement_text *t)
{
	return XXH3_64bits(t->text.p, t->text.n) ^
	       XXH3_64bits_withSeed(t->params.p, t->params.n, 1);
}

/* STEP_FORWARD: *out may run now, and is on record. */
static enum step
release(struct session *s, const struct sql_facts *facts, const struct statement_text *t,
	struct command **out)
{
	enum step step;

	/* I1: the verdict at hand is that of these bytes. */
	assert(!s->staged || s->staged->bytes_hash == hash_of(t));
	step = s->hold ? hold_check(s, t) : s->staged ? STEP_FORWARD : session_stage(s, facts, t);
	if (step != STEP_FORWARD)
		return step;
	/* A pure read may go at once: its reply waits. Anything else only after its record. Asked
	 * in either case, so that the flush of the record starts now and runs beside the query. */
	if (!command_durable(s, s->staged) && !s->staged->verdict.pure_read) {
		s->staged->bytes_hash = hash_of(t);
		return STEP_BLOCK;
	}
	/* I6 */
	assert(!session_limit_blocks(s));
	/* I1, I2 */
	assert(s->staged->verdict.verdict == VERDICT_ALLOW && s->staged->recorded);
	*out = s->staged;
	s->staged = NULL;
	session_path_follow(s, *out);
	session_lookup_follow(s, *out);
	session_pool_follow(s, session_pool_spoils(s, *out));
	session_undo_follow(s, *out);
	session_keep_follow(s, (*out)->facts);
	return STEP_FORWARD;
}

static bool
too_many(struct session *s, struct reply *r)
{
	if (r)
		return false;
	session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
		      "send a Sync and read the answers more often");
	return true;
}

/* The released command goes on; what the server answers belongs to it. Takes over c. */
static enum step
expect_answer(struct session *s, enum reply_kind kind, struct command *c)
{
	struct reply *reply = reply_push(s, kind);

	if (too_many(s, reply)) {
		command_free(s, c);
		return STEP_DONE;
	}
	reply->command = c;
	return STEP_FORWARD;
}

/* ---- simple query ---------------------------------------------------------------------------- */

static enum step
client_query(struct session *s, const struct pg_frame *f)
{
	struct statement_text t = {0};
	enum pg_reason r = pg_read_query(f->body, &t.text);
	const struct sql_facts *facts = NULL;
	struct command *c = NULL;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	arena_reset(&s->env->arena);
	if (!s->hold && !s->staged)
		facts = gate_facts(s->env->gate, t.text);
	if (facts && (s->n_replies || s->unsynced) && session_names_deallocates(s, facts))
		return STEP_BLOCK; /* for what will be left of the name */
	step = release(s, facts, &t, &c);
	if (step != STEP_FORWARD)
		return step;
	return session_names_deallocates(s, c->facts) ? session_names_deallocate(s, c)
						      : expect_answer(s, REPLY_QUERY, c);
}

/* A function by its number. What it does is not known, so it is an action of its own. */
static enum step
client_function_call(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_function_call m;
	enum pg_reason r = pg_read_function_call(f->body, &m);
	struct statement_text t = {.function = true};
	struct command *c = NULL;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	arena_reset(&s->env->arena);
	t.text = slice_str(arena_printf(&s->env->arena, "FunctionCall %u", m.function));
	t.params = slice_of(f->body.p + 4, f->body.n - 4);
	step = release(s,
		       s->hold || s->staged
			       ? NULL
			       : gate_function_call(s->env->gate, s->gate, m.function),
		       &t, &c);
	return step == STEP_FORWARD ? expect_answer(s, REPLY_FUNCTION, c) : step;
}

/* ---- extended query -------------------------------------------------------------------------- */

static void
refuse_name(struct session *s, const char *sqlstate, const char *what, struct slice name)
{
	const char *message = arena_printf(&s->env->arena, "%s \"%.*s\" does not exist", what,
					   SLICE_ARG(name));

	refuse_extended(s, NULL,
			&(struct gate_refusal){"WEIR-UNKNOWN-NAME", message, NULL,
					       "make it first, in this session: the gateway knows what "
					       "it has seen being made", sqlstate});
}

/* What a message goes on with. NULL: *step says what becomes of the message. */
static struct object *
named(struct session *s, enum object_kind kind, struct slice name, enum step *step)
{
	bool portal = kind == OBJECT_PORTAL;
	struct object *o;

	*step = STEP_BLOCK;
	if (in_doubt(s, kind, name))
		return NULL;
	*step = STEP_DONE;
	o = session_find_object(s, kind, name);
	if (!o)
		refuse_name(s, portal ? "34000" : "26000",
			    portal ? "portal" : "prepared statement", name);
	return o;
}

static enum step
client_parse(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_parse m;
	enum pg_reason r = pg_read_parse(f->body, &m);
	const struct gate_refusal *full;
	struct command *c;
	struct reply *reply;
	struct statement *st;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	c = command_new(s);
	c->facts = gate_facts(s->env->gate, m.text);
	sql_facts_hold(c->facts);
	gate_parameters_read(slice_of(m.types, m.n_types * sizeof(uint32_t)), &c->parameters);
	if (judge(s, c, m.text) == JUDGE_WAIT) {
		command_free(s, c);
		return STEP_BLOCK;
	}
	s->env->counters.commands++;
	full = session_name_full(s, OBJECT_STATEMENT, m.name);
	if (full && c->verdict.verdict != VERDICT_DENY)
		c->verdict = (struct gate_verdict){.verdict = VERDICT_DENY, .refusal = *full};
	/* What will never run is refused here, as the server reports a bad statement. What may run
	 * is judged again, and recorded, each time it does. */
	if (c->verdict.verdict == VERDICT_DENY) {
		struct statement_text t = {.text = m.text, .extended = true};

		if (!record_command(s, c, &t))
			c->verdict.refusal = audit_refusal;
		refuse_extended(s, c, &c->verdict.refusal);
		return STEP_DONE;
	}
	/* Another session's table of that name may have other columns. */
	session_pool_follow(s, s->pool.mode == POOL_TRANSACTION && s->path.temporary && m.name.n);
	sql_facts_hold(c->facts);
	st = statement_new(m.name, m.text, slice_of(m.types, m.n_types * sizeof(uint32_t)),
			   c->facts);
	if (st) {
		object_count(&st->object, &s->names_bytes);
		st->leaves_state = session_pool_spoils(s, c);
		session_undo_judged(s, st, c);
	}
	command_free(s, c);
	step = st ? session_names_parse(s, &m, st) : STEP_FORWARD;
	if (step != STEP_FORWARD) {
		statement_unref(st);
		return step;
	}
	reply = st ? reply_push(s, REPLY_PARSE) : NULL;
	if (too_many(s, reply)) {
		statement_unref(st);
		return STEP_DONE;
	}
	reply->object = &st->object;
	s->env->counters.allocs++;
	return session_names_send_parse(s, &m, reply);
}

static const struct gate_refusal sql_prepared = {
	"WEIR-SQL-PREPARED",
	"a statement that SQL's PREPARE made runs by SQL's EXECUTE",
	NULL,
	"EXECUTE it, or prepare it with the protocol's Parse",
	"0A000",
};

static enum step
client_bind(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_bind m;
	enum pg_reason r = pg_read_bind(f->body, &m);
	const struct gate_refusal *full;
	struct object *o;
	struct portal *p;
	struct reply *reply;
	struct slice section;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	o = named(s, OBJECT_STATEMENT, m.statement, &step);
	if (!o)
		return step;
	if (!((struct statement *)o)->text.n && ((struct statement *)o)->facts->n_stmts) {
		refuse_extended(s, NULL, &sql_prepared);
		return STEP_DONE;
	}
	full = session_name_full(s, OBJECT_PORTAL, m.portal);
	if (full) {
		refuse_extended(s, NULL, full);
		return STEP_DONE;
	}
	step = session_names_ready(s, (struct statement *) o);
	if (step != STEP_FORWARD)
		return step;
	/* Formats and values of the parameters, as they came: what an approval binds to. */
	section = slice_of(m.statement.p + m.statement.n + 1,
			   (size_t) (f->body.p + f->body.n - (m.statement.p + m.statement.n + 1)));
	p = portal_new(m.portal, (struct statement *) o, section, &m.result_formats);
	if (p)
		object_count(&p->object, &s->names_bytes);
	reply = p ? reply_push(s, REPLY_BIND) : NULL;
	if (too_many(s, reply)) {
		portal_unref(p);
		return STEP_DONE;
	}
	p->path = session_path_now(s, p->statement->facts);
	/* The planner runs what it takes for constant. */
	session_pool_follow(s, p->statement->leaves_state);
	session_undo_bound(s, p->statement);
	reply->object = &p->object;
	s->unsynced = true;
	s->env->counters.allocs++;
	/* A cursor or prepared statement may have been replaced since FETCH or EXECUTE was
	 * described, and a table may have come under a mask since the catalog was another. */
	if (p->statement->described && !sql_runs_other(p->statement->facts) &&
	    p->statement->described_at == gate_catalog_number(s->env->gate, s->gate) &&
	    !session_plan_portal(s, p, p->statement->description))
		return STEP_DONE;
	return session_names_send_bind(s, &m, p->statement, section);
}

static enum step
client_describe(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_target m;
	enum pg_reason r = pg_read_target(f->body, &m);
	bool of_portal = r == PG_R_OK && m.kind == 'P';
	struct object *o;
	struct reply *reply;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	o = named(s, of_portal ? OBJECT_PORTAL : OBJECT_STATEMENT, m.name, &step);
	if (!o)
		return step;
	step = of_portal ? STEP_FORWARD : session_names_ready(s, (struct statement *) o);
	if (step != STEP_FORWARD)
		return step;
	reply = reply_push(s, of_portal ? REPLY_DESCRIBE_PORTAL : REPLY_DESCRIBE_STATEMENT);
	if (too_many(s, reply))
		return STEP_DONE;
	o->refs++;
	reply->object = o;
	s->unsynced = true;
	return of_portal ? STEP_FORWARD
			 : session_names_send_describe(s, (const struct statement *) o);
}

static bool
ask_description(struct session *s, struct portal *p)
{
	struct reply *reply = reply_push(s, REPLY_DESCRIBE_PORTAL);

	if (too_many(s, reply))
		return false;
	p->object.refs++;
	reply->object = &p->object;
	reply->swallow = true;
	session_flush_run(s);
	pg_put_target(&s->env->scratch, PG_F_DESCRIBE, 'P', p->object.name);
	session_emit(s, SERVER, &s->env->scratch);
	return true;
}

static bool
description_asked(struct session *s, const struct portal *p)
{
	for (uint32_t i = s->n_replies; i-- > 0;)
		if (reply_at(s, i)->kind == REPLY_DESCRIBE_PORTAL &&
		    reply_at(s, i)->object == &p->object)
			return true;
	return false;
}

/* Rows need their plan, and so the description that it is made of. */
static bool
needs_description(struct session *s, const struct gate_verdict *v, struct portal *p)
{
	bool old = p->planned && !p->no_rows && p->planned_for != gate_class_number(s->gate);

	if ((p->planned && !old) || description_asked(s, p))
		return false;
	/* A plan of masks that are no longer in force goes when the new one is there: rows that are
	 * on their way are masked as was decided for them. */
	return v->rows_masked || (old && (p->plan || p->rows)) ||
	       (v->detects && sql_may_return(p->statement->facts));
}

static enum step
client_execute(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_execute m;
	enum pg_reason r = pg_read_execute(f->body, &m);
	struct object *o;
	struct portal *p;
	struct statement_text t;
	struct command *c = NULL;
	struct reply *reply;
	enum step step;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	o = named(s, OBJECT_PORTAL, m.portal, &step);
	if (!o)
		return step;
	p = (struct portal *) o;
	t = (struct statement_text){
		.text = p->statement->text,
		.params = p->params,
		.types = p->statement->types,
		.extended = true,
		.portal = p,
	};
	step = release(s, p->statement->facts, &t, &c);
	if (step != STEP_FORWARD)
		return step;
	session_undo_judged(s, p->statement, c);
	if (needs_description(s, &c->verdict, p) && !ask_description(s, p)) {
		command_free(s, c);
		return STEP_DONE;
	}
	reply = reply_push(s, REPLY_EXECUTE);
	if (too_many(s, reply)) {
		command_free(s, c);
		return STEP_DONE;
	}
	o->refs++;
	reply->object = o;
	reply->command = c;
	s->unsynced = true;
	c->max_rows = m.max_rows > 0 ? (uint64_t) m.max_rows : 0;
	session_portal_runs(p, c);
	return STEP_FORWARD;
}

static enum step
client_close(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_target m;
	enum pg_reason r = pg_read_target(f->body, &m);
	struct object *o;
	struct reply *reply;

	if (r != PG_R_OK) {
		session_bad(s, CLIENT, r);
		return STEP_DONE;
	}
	if (in_doubt(s, m.kind == 'P' ? OBJECT_PORTAL : OBJECT_STATEMENT, m.name))
		return STEP_BLOCK;
	o = session_find_object(s, m.kind == 'P' ? OBJECT_PORTAL : OBJECT_STATEMENT, m.name);
	if (m.kind == 'S') {
		enum step step = session_names_close(s, o, m.name);

		if (step != STEP_FORWARD)
			return step;
	}
	reply = reply_push(s, REPLY_CLOSE);
	if (too_many(s, reply))
		return STEP_DONE;
	if (o)
		o->refs++;
	reply->object = o;
	s->unsynced = true;
	return STEP_FORWARD;
}

static enum step
client_sync(struct session *s)
{
	struct reply *reply;

	if (s->copy_in)
		return STEP_DONE; /* the server ignores it while it takes CopyData */
	reply = reply_push(s, REPLY_SYNC);
	if (too_many(s, reply))
		return STEP_DONE;
	s->skip_to_sync = false;
	s->unsynced = s->copy_asked = false;
	return STEP_FORWARD;
}

static enum step
client_other(struct session *s, const struct pg_frame *f)
{
	switch (f->type) {
	case PG_F_FUNCTION_CALL:
		return client_function_call(s, f);
	case PG_F_TERMINATE:
		/* I8 */
		assert(!s->staged && !s->hold);
		/* Within a batch the server owes no answers before a Sync, which will not come. */
		if (!s->server_gone && (s->pool.mode == POOL_NONE || s->unsynced)) {
			session_flush_run(s);
			s->host->emit(s->host_ctx, SERVER, f->raw);
		}
		s->terminated = s->n_replies > 0 && !s->server_gone;
		if (!s->terminated)
			session_close(s, "client terminated");
		return STEP_DONE;
	default:
		session_bad(s, CLIENT, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
}

static bool
is_skipped(const struct session *s, const struct pg_frame *f)
{
	return s->skip_to_sync && f->first && f->type != PG_F_SYNC && f->type != PG_F_TERMINATE;
}

/* What waited was judged for a message that is over without having run: skipped after an error, or
 * its portal is gone. It must not run in the name of the next one. */
void
session_abandon(struct session *s)
{
	struct command *c = s->staged;

	hold_cancel(s, "the command was skipped");
	s->hold_asked = 0;
	s->hold_unwanted = false;
	s->waits_catalog = 0;
	s->waited_catalog = 0;
	if (!c)
		return;
	s->staged = NULL;
	c->failed = true;
	memcpy(c->sqlstate, "25P02", 6);
	if (c->recorded)
		record_result(s, c);
	command_free(s, c);
}

static enum step
dispatch(struct session *s, const struct pg_frame *f)
{
	if (is_skipped(s, f)) {
		s->copy_forwarding = false; /* its later pieces are skipped as well */
		return STEP_DONE;
	}
	if (s->copy_in && f->type != PG_F_COPY_DATA && f->type != PG_F_COPY_DONE &&
	    f->type != PG_F_COPY_FAIL && f->type != PG_F_FLUSH && f->type != PG_F_SYNC &&
	    f->type != PG_F_TERMINATE) {
		session_bad(s, CLIENT, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
	/* A cancel on its way is for what was sent before it. */
	if (f->first && f->type != PG_F_TERMINATE && !s->copy_in &&
	    (session_limit_blocks(s) || s->cancels))
		return STEP_BLOCK;
	if (s->pool.mode == POOL_TRANSACTION) {
		enum step step = session_pool_take(s, f);

		if (step != STEP_FORWARD)
			return step;
	}
	if (session_path_wait(s, f))
		return STEP_BLOCK;
	if (s->pool.mode == POOL_TRANSACTION) {
		enum step step = session_ahead(s, f);

		if (step != STEP_FORWARD)
			return step;
	}
	switch (f->type) {
	case PG_F_QUERY:
		return client_query(s, f);
	case PG_F_PARSE:
		arena_reset(&s->env->arena);
		return client_parse(s, f);
	case PG_F_BIND:
		return client_bind(s, f);
	case PG_F_DESCRIBE:
		return client_describe(s, f);
	case PG_F_EXECUTE:
		arena_reset(&s->env->arena);
		return client_execute(s, f);
	case PG_F_CLOSE:
		return client_close(s, f);
	case PG_F_SYNC:
		return client_sync(s);
	case PG_F_FLUSH:
		return s->copy_in ? STEP_DONE : STEP_FORWARD;
	case PG_F_COPY_DATA:
	case PG_F_COPY_DONE:
	case PG_F_COPY_FAIL:
		return session_copy_in(s, f);
	default:
		return client_other(s, f);
	}
}

enum step
client_message(struct session *s, const struct pg_frame *f)
{
	enum step step = dispatch(s, f);

	/* I1: nothing that was judged outlives its message. */
	if (step != STEP_BLOCK && !session_is_ahead(s, f))
		session_abandon(s);
	return step;
}
