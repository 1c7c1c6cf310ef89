/* SPDX-License-Identifier: MIT
 *
 * Settings of a session that the server does not report, under `pool transaction`: those of
 * grammar/carried.def, and those that are made up (app.tenant). Whether a SET holds is up to its
 * transaction and savepoints, so nothing is computed: a transaction that may have changed some is
 * followed, before its connection is given back, by a question for their values and for what RESET
 * would make of them; where these are equal there is nothing to keep. The next connection is set to
 * them with the reported ones, and what the session before left there is reset (session_pool.c).
 *
 * The question is a transaction of its own, at a level that works everywhere and waits for nobody,
 * whatever the session's default is. It resets locally, which its end undoes. The name of what was
 * made up stays known to a connection, without its value.
 */
#include "session/session.h"

#include "session/pool_rules.h"

#include <stdio.h>

const char session_keep_begin[] =
	"begin transaction isolation level read committed, not deferrable; ";

static_assert(POOL_KEPT <= 128, "a bit each in struct session_pool");

static const char own_name[] = "own"; /* no setting is called that */

void
session_keep_literal(struct buf *b, struct slice v)
{
	buf_putc(b, '\'');
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\'')
			buf_putc(b, '\'');
		buf_putc(b, v.p[i]);
	}
	buf_putc(b, '\'');
}

/* ---- what may have changed ------------------------------------------------------------------- */

static void
touch(struct session *s, struct slice name)
{
	int i = pool_kept(name);

	if (i >= 0)
		s->pool.touched[i / 64] |= 1ull << i % 64;
	else if (pool_is_own(name))
		settings_set(&s->pool.touched_own, name, SLICE_LIT(""));
	else
		return;
	s->pool.touches = true;
}

static bool
is_touched(const struct session *s, int i)
{
	return s->pool.touched[i / 64] >> i % 64 & 1;
}

/* Until the connection is given back nobody else is to run what is prepared on it. */
static void
read_alone(struct session *s)
{
	if (s->pool.own)
		return;
	s->pool.own = ++s->env->own_readings;
	session_keep_reading(s);
}

static void
set(struct session *s, const struct sql_effect *e)
{
	struct slice name = e->setting.n ? e->setting : e->selected;
	int i = pool_kept(name);

	if (slice_is(name, "session characteristics")) {
		touch(s, SLICE_LIT("default_transaction_isolation"));
		touch(s, SLICE_LIT("default_transaction_deferrable"));
		return;
	}
	if (i < 0 ? pool_reading_depends(name) : pool_kept_info[i].reading)
		read_alone(s);
	if (!(e->flags & SQL_EFFECT_LOCAL))
		touch(s, name);
}

/* What is not kept has its default already. */
static void
reset_all(struct session *s)
{
	struct pg_param p;
	size_t at = 0;

	while (settings_next(&s->pool.kept, &at, &p))
		touch(s, p.name);
	read_alone(s);
}

void
session_keep_follow(struct session *s, const struct sql_facts *f)
{
	if (s->pool.mode != POOL_TRANSACTION)
		return;
	for (uint32_t i = 0; i < f->n_effects; i++)
		switch (f->effects[i].action) {
		case ACTION_SQL_SET:
		case ACTION_SQL_CONFIGURE:
			set(s, &f->effects[i]);
			break;
		case ACTION_SQL_RESET:
		case ACTION_SQL_DISCARD:
			reset_all(s);
			break;
		default:
			break;
		}
}

/* Names that are counted twice are refused a little early. */
const struct gate_refusal *
session_keep_full(const struct session *s, const struct sql_facts *f)
{
	static const struct gate_refusal full = {
		"WEIR-POOL", "too many settings that are made up: a session has 64 at most", NULL,
		pool_own_hint, "54000"};
	struct pg_param p;
	unsigned n = 0, more = 0;
	size_t at = 0;

	static_assert(POOL_OWN == 64, "as the text says");
	for (uint32_t i = 0; i < f->n_effects; i++) {
		const struct sql_effect *e = &f->effects[i];

		more += (e->action == ACTION_SQL_SET || e->action == ACTION_SQL_CONFIGURE) &&
			!(e->flags & (SQL_EFFECT_LOCAL | SQL_EFFECT_RESET)) &&
			pool_is_own(e->setting) && !settings_get(&s->pool.kept, e->setting).p &&
			!settings_get(&s->pool.touched_own, e->setting).p;
	}
	if (!more)
		return NULL;
	while (settings_next(&s->pool.kept, &at, &p))
		n += pool_kept(p.name) < 0;
	at = 0;
	while (settings_next(&s->pool.touched_own, &at, &p))
		n += !settings_get(&s->pool.kept, p.name).p;
	return n + more > POOL_OWN ? &full : NULL;
}

/* ---- how statements are read ----------------------------------------------------------------- */

void
session_keep_reading(struct session *s)
{
	struct buf *out = &s->pool.reading;
	struct pg_param p;
	char number[24];
	size_t at = 0;

	buf_reset(out);
	while (settings_next(&s->pool.settings, &at, &p))
		if (pool_reading_depends(p.name))
			settings_set(out, p.name, p.value);
	at = 0;
	while (settings_next(&s->pool.kept, &at, &p))
		if (pool_kept(p.name) < 0 || pool_kept_info[pool_kept(p.name)].reading)
			settings_set(out, p.name, p.value);
	if (!s->pool.own)
		return;
	snprintf(number, sizeof(number), "%llu", (unsigned long long) s->pool.own);
	settings_set(out, slice_str(own_name), slice_str(number));
}

/* The server reads a literal once, by DateStyle and the like; names and plans it looks up again. */
static bool
read_once(struct slice name)
{
	return pool_kept(name) < 0 && !pool_is_own(name) && !slice_is(name, own_name);
}

bool
session_keep_reads(struct session *s, struct slice reading)
{
	const struct buf then = {.p = (uint8_t *) (uintptr_t) reading.p, .n = reading.n};
	struct pg_param p;
	size_t at = 0;

	while (settings_next(&then, &at, &p))
		if (read_once(p.name) &&
		    !slice_eq(settings_get(&s->pool.reading, p.name), p.value))
			return false;
	return true;
}

/* ---- the question ---------------------------------------------------------------------------- */

/* Of what is made up, what is longer than can be kept need not be read to its end. A name has no
 * quotes in it. */
static void
put_question(struct buf *b, bool first, struct slice name, bool own)
{
	char cut[16] = "";

	if (own)
		snprintf(cut, sizeof(cut), ", %d)", POOL_OWN_VALUE + 1);
	buf_printf(b, "%s %spg_catalog.current_setting('%.*s', true)%s, case when "
		   "pg_catalog.current_setting('%.*s', true) is not null then "
		   "%spg_catalog.set_config('%.*s', null, true)%s end", first ? "select" : ",",
		   own ? "pg_catalog.left(" : "", SLICE_ARG(name), cut, SLICE_ARG(name),
		   own ? "pg_catalog.left(" : "", SLICE_ARG(name), cut);
}

void
session_keep_ask(struct session *s, uint8_t status)
{
	struct buf *b = &s->env->scratch;
	struct pg_param p;
	size_t message, at = 0;
	unsigned n = 0;

	if (!reply_push(s, REPLY_KEPT)) {
		session_fatal(s, "54000", "WEIR-PIPELINE", "too many messages in flight",
			      "send a Sync and read the answers more often");
		return;
	}
	s->pool.touches = s->pool.answered = false;
	message = pg_begin(b, PG_F_QUERY);
	buf_puts(b, status == 'E' ? "rollback; " : "");
	buf_puts(b, session_keep_begin);
	for (int i = 0; i < POOL_KEPT; i++)
		if (is_touched(s, i))
			put_question(b, !n++, slice_str(pool_kept_info[i].name), false);
	while (settings_next(&s->pool.touched_own, &at, &p))
		put_question(b, !n++, p.name, true);
	buf_puts(b, "; commit");
	buf_putc(b, 0);
	pg_end(b, message);
	session_emit(s, SERVER, b);
	s->pool.carrying = true;
	session_pool_await(s);
}

/* What it has by default is there without being set. An empty one was made up: that it is there is
 * kept, as the server does. */
static bool
take_value(struct session *s, struct pg_values *row, struct slice name, bool own)
{
	struct pg_value now, reset;

	if (!pg_values_next(row, &now) || !pg_values_next(row, &reset))
		return false;
	s->pool.too_long = s->pool.too_long || (own && now.n > POOL_OWN_VALUE);
	if (now.n < 0 || (now.n == reset.n && memcmp(now.p, reset.p, (size_t) now.n) == 0 &&
			  !(own && !now.n)))
		settings_drop(&s->pool.kept, name);
	else
		settings_set(&s->pool.kept, name, slice_of(now.p, (size_t) now.n));
	return true;
}

static size_t
own_bytes(const struct session *s)
{
	struct pg_param p;
	size_t at = 0, n = 0;

	while (settings_next(&s->pool.kept, &at, &p))
		n += pool_kept(p.name) < 0 ? p.name.n + p.value.n : 0;
	return n;
}

static bool
take_row(struct session *s, const struct pg_frame *f)
{
	struct pg_values row;
	struct pg_param p;
	size_t at = 0;

	if (!f->first || !f->last || s->pool.answered ||
	    pg_read_data_row(f->body, &row) != PG_R_OK)
		return false;
	for (int i = 0; i < POOL_KEPT; i++)
		if (is_touched(s, i) &&
		    !take_value(s, &row, slice_str(pool_kept_info[i].name), false))
			return false;
	while (settings_next(&s->pool.touched_own, &at, &p))
		if (!take_value(s, &row, p.name, true))
			return false;
	s->pool.too_long = s->pool.too_long || own_bytes(s) > POOL_OWN_BYTES;
	s->pool.answered = true;
	return true;
}

static void
answered(struct session *s)
{
	reply_pop(s);
	buf_reset(&s->backend->kept);
	buf_put_slice(&s->backend->kept, buf_slice(&s->pool.kept));
	memset(s->pool.touched, 0, sizeof(s->pool.touched));
	buf_fini(&s->pool.touched_own);
	s->pool.carrying = false;
	s->pool.tries = 0;
	s->tick_pool = 0;
	session_keep_reading(s);
}

enum step
session_keep_answer(struct session *s, const struct pg_frame *f)
{
	struct pg_msg_error e;
	uint8_t status;

	switch (f->type) {
	case PG_B_ROW_DESCRIPTION:
	case PG_B_COMMAND_COMPLETE:
		return STEP_DONE;
	case PG_B_DATA_ROW:
		if (take_row(s, f))
			return STEP_DONE;
		break;
	case PG_B_ERROR_RESPONSE:
		if (pg_read_error(f->body, &e) != PG_R_OK || e.sqlstate.n != 5)
			break;
		memcpy(s->pool.failure, e.sqlstate.p, 5);
		return STEP_DONE;
	case PG_B_READY_FOR_QUERY:
		if (pg_read_ready(f->body, &status) != PG_R_OK)
			break;
		if (s->pool.too_long) {
			session_fatal(s, "54000", "WEIR-POOL",
				      "a setting is too long to be carried to the next transaction",
				      pool_own_hint);
		} else if (s->pool.answered && status == 'I' && !s->pool.failure[0]) {
			answered(s);
		} else if (session_pool_again(s)) {
			reply_pop(s);
			session_keep_ask(s, status);
		} else {
			session_pool_lost(s, s->pool.failure);
		}
		return STEP_DONE;
	default:
		break;
	}
	session_bad(s, SERVER, PG_R_UNKNOWN_TYPE);
	return STEP_DONE;
}

/* ---- on another connection ------------------------------------------------------------------- */

static unsigned
put(struct session *s, struct buf *b, unsigned n, struct slice name, const struct slice *value)
{
	buf_puts(b, n ? ", " : "select ");
	buf_puts(b, "pg_catalog.set_config(");
	session_keep_literal(b, name);
	buf_puts(b, ", ");
	if (value)
		session_keep_literal(b, *value);
	else
		buf_puts(b, "null");
	buf_puts(b, ", false)");
	/* Names mean something else then. */
	if (slice_is(name, "search_path"))
		buf_reset(&s->backend->path);
	return n + 1;
}

unsigned
session_keep_put(struct session *s, struct buf *b, unsigned n)
{
	struct pg_param p;
	size_t at = 0;

	while (settings_next(&s->pool.kept, &at, &p))
		if (!slice_eq(settings_get(&s->backend->kept, p.name), p.value) ||
		    !settings_get(&s->backend->kept, p.name).p)
			n = put(s, b, n, p.name, &p.value);
	at = 0;
	while (settings_next(&s->backend->kept, &at, &p))
		if (!settings_get(&s->pool.kept, p.name).p)
			n = put(s, b, n, p.name, NULL);
	return n;
}
