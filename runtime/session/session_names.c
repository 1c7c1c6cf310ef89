/* SPDX-License-Identifier: MIT
 *
 * Prepared statements under `pool transaction`. The client's names stay here: the server knows a
 * statement by a name of the gateway's, the same for every session that prepares the same text, and
 * is asked to prepare it when the connection in hand does not have it. What is put in between the
 * client's messages for that is answered to nobody; what the server need not be asked is answered
 * here. Either way the answers stand in the queue, so that after an error they are skipped as the
 * server skips them.
 *
 * Under the other modes all of this says STEP_FORWARD.
 */
#include "session/session.h"

#include <stdlib.h>

static bool
carries(const struct session *s)
{
	return s->pool.mode == POOL_TRANSACTION;
}

static bool
too_many(struct session *s, const struct reply *r)
{
	if (r)
		return false;
	session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
		      "send a Sync and read the answers more often");
	return true;
}

/* prepared_text_name() makes these. */
static bool
is_gateways(struct slice name)
{
	static const char prefix[] = "weir_";

	return name.n >= sizeof(prefix) - 1 && memcmp(name.p, prefix, sizeof(prefix) - 1) == 0;
}

static enum step
refuse(struct session *s, const char *code, const char *message, const char *hint,
       const char *sqlstate)
{
	refuse_extended(s, NULL, &(struct gate_refusal){code, message, NULL, hint, sqlstate});
	return STEP_DONE;
}

static void
put_parse(struct buf *b, struct slice name, struct slice text, struct slice types)
{
	size_t at = pg_begin(b, PG_F_PARSE);

	pg_put_string(b, name);
	pg_put_string(b, text);
	buf_be16(b, (uint16_t) (types.n / sizeof(uint32_t)));
	buf_put_slice(b, types);
	pg_end(b, at);
}

static void
send_scratch(struct session *s)
{
	s->bytes_up += s->env->scratch.n;
	s->unsynced = true;
	session_emit(s, SERVER, &s->env->scratch);
}

/* Room for one more: the one that was not used for longest goes. */
static bool
evict(struct session *s)
{
	struct prepared_text *old = prepared_evict(&s->backend->names,
						   gate_target(s->gate)->pool.max_prepared);
	char name[PREPARED_NAME];
	struct reply *r;

	if (!old)
		return true;
	r = reply_push(s, REPLY_CLOSE);
	if (too_many(s, r))
		return false;
	r->swallow = true;
	r->prepared = prepared_text_ref(old);
	pg_put_target(&s->env->scratch, PG_F_CLOSE, 'S', prepared_text_name(old, name));
	send_scratch(s);
	return true;
}

/* Whether it is there hangs on a Parse in front of a Sync: if that fails, what follows the Sync is
 * not skipped. */
static bool
asked_in_doubt(struct session *s, const struct prepared_text *x)
{
	bool synced = false;

	for (uint32_t i = s->n_replies; i-- > 0;) {
		const struct reply *r = reply_at(s, i);

		synced = synced || r->kind == REPLY_SYNC;
		if (r->kind == REPLY_PARSE && r->prepared == x)
			return synced;
	}
	return false;
}

/* ---- SQL's PREPARE and EXECUTE --------------------------------------------------------------- */

static bool
is_sql(const struct statement *st)
{
	return st && statement_is_sql(st);
}

/* They name what is on the server connection: the gateway's own names are not for the client. */
bool
session_names_sql(struct session *s, const struct sql_facts *f, struct gate_refusal *why)
{
	struct arena *a = &s->env->arena;

	for (uint32_t i = 0; i < f->n_stmts; i++) {
		const struct sql_stmt *st = &f->stmts[i];
		bool prepares = st->kind == SQL_KIND_PREPARE;
		struct object *o = prepares || st->flags & SQL_EXECUTES
					   ? session_find_object(s, OBJECT_STATEMENT, st->name)
					   : NULL;

		if (prepares && s->tx != 'T')
			*why = (struct gate_refusal){
				"WEIR-POOL", "SQL's PREPARE lasts no longer than its transaction under `pool "
					     "transaction`",
				NULL, "PREPARE within BEGIN and COMMIT, use the protocol's prepared statements, or "
				      "connect to a target with `pool session`", "0A000"};
		else if (prepares && is_gateways(st->name))
			*why = (struct gate_refusal){
				"WEIR-POOL", "names that begin with weir_ are the gateway's", NULL,
				"give the statement another name", "42939"};
		else if (prepares && o)
			*why = (struct gate_refusal){
				"WEIR-NAMES", arena_printf(a, "prepared statement \"%.*s\" already exists",
							   SLICE_ARG(st->name)),
				NULL, "DEALLOCATE it first", "42P05"};
		else if (st->flags & SQL_EXECUTES && !is_sql((struct statement *) o))
			*why = (struct gate_refusal){
				"WEIR-POOL", arena_printf(a, "EXECUTE cannot run \"%.*s\" under `pool "
							     "transaction`: the protocol prepared it",
							  SLICE_ARG(st->name)),
				NULL, "Bind it, or PREPARE it in this transaction", "0A000"};
		else
			continue;
		return false;
	}
	return true;
}

/* ---- Parse ----------------------------------------------------------------------------------- */

enum step
session_names_parse(struct session *s, const struct pg_msg_parse *m, struct statement *st)
{
	const struct prepared_name *there;

	if (!carries(s))
		return STEP_FORWARD;
	for (uint32_t i = 0; i < st->facts->n_stmts; i++)
		if (st->facts->stmts[i].kind == SQL_KIND_DEALLOCATE && st->facts->stmts[i].name.n)
			return refuse(s, "WEIR-POOL",
				      "DEALLOCATE of a name needs the simple protocol under `pool "
				      "transaction`", "send Close, or DEALLOCATE as a Query", "0A000");
	if (!m->name.n)
		return STEP_FORWARD;
	if (session_find_object(s, OBJECT_STATEMENT, m->name))
		return refuse(s, "WEIR-NAMES",
			      arena_printf(&s->env->arena, "prepared statement \"%.*s\" already exists",
					   SLICE_ARG(m->name)),
			      "close it first", "42P05");
	st->carried = prepared_text_get(&s->env->prepared, st->text, st->types,
					buf_slice(&s->pool.reading));
	there = prepared_find(&s->backend->names, st->carried);
	if (there && there->state == PREPARED_ASKED && asked_in_doubt(s, st->carried))
		return STEP_BLOCK;
	return there || evict(s) ? STEP_FORWARD : STEP_DONE;
}

enum step
session_names_send_parse(struct session *s, const struct pg_msg_parse *m, struct reply *reply)
{
	struct prepared_text *x = ((struct statement *) reply->object)->carried;
	char name[PREPARED_NAME];

	if (!x) {
		s->unsynced = true;
		return STEP_FORWARD;
	}
	if (prepared_find(&s->backend->names, x)) {
		reply->known = true;
		replies_advance(s);
		return STEP_DONE;
	}
	reply->prepared = prepared_text_ref(x);
	prepared_ask(&s->backend->names, x);
	put_parse(&s->env->scratch, prepared_text_name(x, name), m->text, x->types);
	send_scratch(s);
	return STEP_DONE;
}

/* The gateway's own Parse of what is not on this connection. */
static enum step
prepare(struct session *s, struct statement *st)
{
	struct prepared_text *x = st->carried;
	char name[PREPARED_NAME];
	struct reply *r;

	if (x && !session_keep_reads(s, x->reading))
		return refuse(s, "WEIR-POOL",
			      "the prepared statement was read under other settings (DateStyle, "
			      "TimeZone and the like), and is not on this server connection",
			      "close it and prepare it again", "0A000");
	if (x && !evict(s))
		return STEP_DONE;
	r = reply_push(s, REPLY_PARSE);
	if (too_many(s, r))
		return STEP_DONE;
	r->swallow = true;
	s->backend->n_prepared++;
	if (x) {
		r->prepared = prepared_text_ref(x);
		prepared_ask(&s->backend->names, x);
	} else {
		st->object.refs++;
		r->object = &st->object;
	}
	put_parse(&s->env->scratch, x ? prepared_text_name(x, name) : (struct slice){0}, st->text,
		  st->types);
	send_scratch(s);
	return STEP_FORWARD;
}

static bool
in_flight(struct session *s, const struct statement *st)
{
	for (uint32_t i = 0; i < s->n_replies; i++)
		if (reply_at(s, i)->kind == REPLY_PARSE && reply_at(s, i)->object == &st->object)
			return true;
	return false;
}

/* Settings under which the server would look it up anew: it is another statement to share then. */
static void
follow_reading(struct session *s, struct statement *st)
{
	struct prepared_text *x = st->carried;

	if (slice_eq(x->reading, buf_slice(&s->pool.reading)) ||
	    !session_keep_reads(s, x->reading) ||
	    (s->pool.own && prepared_find(&s->backend->names, x)))
		return;
	st->carried = prepared_text_get(&s->env->prepared, x->text, x->types,
					buf_slice(&s->pool.reading));
	prepared_text_put(x);
}

enum step
session_names_ready(struct session *s, struct statement *st)
{
	const struct prepared_name *there;

	if (!carries(s) || is_sql(st))
		return STEP_FORWARD;
	if (!st->carried)
		return s->pool.unnamed == &st->object || in_flight(s, st) ? STEP_FORWARD
									  : prepare(s, st);
	follow_reading(s, st);
	there = prepared_find(&s->backend->names, st->carried);
	if (!there)
		return prepare(s, st);
	return there->state == PREPARED_ASKED && asked_in_doubt(s, st->carried) ? STEP_BLOCK
										: STEP_FORWARD;
}

/* ---- what names it --------------------------------------------------------------------------- */

enum step
session_names_send_bind(struct session *s, const struct pg_msg_bind *m, const struct statement *st,
			struct slice rest)
{
	struct buf *b = &s->env->scratch;
	char name[PREPARED_NAME];
	size_t at;

	if (!st->carried)
		return STEP_FORWARD;
	at = pg_begin(b, PG_F_BIND);
	pg_put_string(b, m->portal);
	pg_put_string(b, prepared_text_name(st->carried, name));
	buf_put_slice(b, rest);
	pg_end(b, at);
	send_scratch(s);
	return STEP_DONE;
}

enum step
session_names_send_describe(struct session *s, const struct statement *st)
{
	char name[PREPARED_NAME];

	if (!st->carried)
		return STEP_FORWARD;
	pg_put_target(&s->env->scratch, PG_F_DESCRIBE, 'S', prepared_text_name(st->carried, name));
	send_scratch(s);
	return STEP_DONE;
}

enum step
session_names_close(struct session *s, struct object *o, struct slice name)
{
	struct reply *r;

	if (!carries(s) || !name.n || is_sql((struct statement *) o))
		return STEP_FORWARD;
	r = reply_push(s, REPLY_CLOSE);
	if (too_many(s, r))
		return STEP_DONE;
	if (o)
		o->refs++;
	r->object = o;
	r->known = true;
	replies_advance(s);
	return STEP_DONE;
}

bool
session_names_deallocates(struct session *s, const struct sql_facts *f)
{
	const struct object *o;

	if (!carries(s) || f->n_stmts != 1 || f->stmts[0].kind != SQL_KIND_DEALLOCATE ||
	    !f->stmts[0].name.n || s->tx == 'E')
		return false;
	o = session_find_object(s, OBJECT_STATEMENT, f->stmts[0].name);
	return o && !is_sql((const struct statement *) o);
}

enum step
session_names_deallocate(struct session *s, struct command *c)
{
	static const char tag[] = "DEALLOCATE";
	struct reply *r = reply_push(s, REPLY_LOCAL);

	if (too_many(s, r)) {
		command_free(s, c);
		return STEP_DONE;
	}
	names_drop(&s->statements, c->facts->stmts[0].name);
	memcpy(c->tag, tag, sizeof(tag));
	if (c->recorded)
		record_result(s, c);
	r->command = c;
	r->with_ready = true;
	r->error = calloc(1, sizeof(*r->error));
	assert(r->error != NULL);
	pg_put_command_complete(r->error, tag);
	replies_advance(s);
	return STEP_DONE;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
settle(struct session *s, struct reply *r, bool done)
{
	struct prepared_text *x = r->prepared;

	r->prepared = NULL;
	if (s->backend && r->kind == REPLY_PARSE)
		prepared_made(&s->backend->names, x, done);
	else if (s->backend)
		prepared_closed(&s->backend->names, x, done);
	prepared_text_put(x);
}

void
session_names_made(struct session *s, struct reply *head)
{
	settle(s, head, true);
}

void
session_names_dropped(struct session *s, struct reply *r)
{
	settle(s, r, false);
}

void
session_names_forgotten(struct session *s, bool all)
{
	if (!carries(s))
		return;
	if (all)
		prepared_clear(&s->backend->names);
	/* A part of what DISCARD ALL does: which, is not followed. */
	if (!all || s->backend->role_set)
		s->backend->spoiled = true;
}

bool
session_names_answer(struct session *s, struct reply *head)
{
	bool parse = head->kind == REPLY_PARSE;

	if (parse && !session_name_made(s, head))
		return false;
	if (!parse && head->object)
		session_name_closed(s, head->object);
	pg_put_empty(&s->env->scratch, parse ? PG_B_PARSE_COMPLETE : PG_B_CLOSE_COMPLETE);
	session_emit(s, CLIENT, &s->env->scratch);
	reply_pop(s);
	return true;
}
