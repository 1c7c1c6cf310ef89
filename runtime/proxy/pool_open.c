/* SPDX-License-Identifier: MIT
 *
 * A pooled connection while no session has it: it is opened and logged in, cleaned after a session,
 * and listened to while idle.
 */
#include "proxy/pool_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "session/pool_rules.h"

#include <stdlib.h>

enum { MESSAGE_MAX = 1 << 20, PARAMS_MAX = 128, CLEAN_S = 10 };

static struct pool *
pool_of(const struct pooled *c)
{
	return c->key->pool;
}

static void
send_scratch(struct pooled *c)
{
	struct buf *b = &pool_of(c)->scratch;

	if (b->n)
		stream_send_copy(c->stream, b->p, b->n);
	buf_wipe(b);
}

void
pooled_close(struct pooled *c)
{
	struct pool *p = pool_of(c);

	if (c->state == POOLED_CLOSING)
		return;
	if (c->state == POOLED_IDLE || c->state == POOLED_LENT) {
		pg_put_empty(&p->scratch, PG_F_TERMINATE);
		send_scratch(c);
	}
	if (c->state == POOLED_IDLE)
		pooled_unlink(c);
	ring_timer_stop(p->config.ring, &c->timer);
	c->state = POOLED_CLOSING;
	p->targets[c->key->target].n_closing++;
	stream_close(c->stream);
}

static void
give_up(struct pooled *c, const char *cause, struct slice word)
{
	if (c->state == POOLED_CLOSING)
		return;
	if (c->state < POOLED_IDLE)
		pooled_refused(c, cause, word);
	else
		log_debug("pooled connection closed cause=%s", log_quote(cause).text);
	pooled_close(c);
}

static void
too_late(void *ctx)
{
	struct pooled *c = ctx;

	give_up(c, c->state == POOLED_CLEANING ? "the server took too long to clean a session"
					       : "login took too long",
		(struct slice){0});
	stream_abort(c->stream);
}

static void
deadline(struct pooled *c, uint64_t ns)
{
	struct ring *ring = pool_of(c)->config.ring;

	if (ring_timer_at(ring, &c->timer, ring_now(ring) + ns, too_late, c) < 0)
		log_error("no memory for a timer");
}

/* ---- opening --------------------------------------------------------------------------------- */

static void
send_startup(struct pooled *c)
{
	struct buf text = {.p = (uint8_t *) (uintptr_t) c->key->startup.p, .n = c->key->startup.n};
	struct pg_param params[PARAMS_MAX];
	size_t n = 0, at = 0;

	while (n < PARAMS_MAX && settings_next(&text, &at, &params[n]))
		n++;
	c->login.minor = c->key->minor;
	c->state = POOLED_LOGIN;
	pg_put_startup(&pool_of(c)->scratch, c->key->minor, params, n);
	send_scratch(c);
}

static void
on_connect(void *ctx)
{
	struct pooled *c = ctx;

	if (pool_target_config(pool_of(c), c->key->target)->tls == TLS_OFF) {
		send_startup(c);
		return;
	}
	c->state = POOLED_TLS;
	pg_put_ssl_request(&pool_of(c)->scratch);
	send_scratch(c);
}

/* The server's answer to SSLRequest is one byte, and must be the only one. */
static void
tls_answer(struct pooled *c, const uint8_t *answer, size_t n)
{
	struct pool *p = pool_of(c);
	const struct config_target *t = pool_target_config(p, c->key->target);

	if (n == 1 && *answer == 'S' && !stream_is_tls(c->stream)) {
		if (stream_tls(c->stream, gate_epoch(p->config.gate)->target_tls[c->key->target],
			       t->tls == TLS_VERIFY_FULL ? t->address.host : NULL) < 0)
			give_up(c, "TLS could not start", (struct slice){0});
	} else if (n == 1 && *answer == 'N' && t->tls == TLS_PREFER) {
		send_startup(c);
	} else {
		give_up(c, "the target does not offer TLS", (struct slice){0});
	}
}

static void
on_secure(void *ctx)
{
	struct pooled *c = ctx;

	c->backend.tls = true;
	send_startup(c);
}

bool
pooled_open(struct pool_key *k, const char **cause)
{
	struct pool *p = k->pool;
	uint64_t epoch, version;
	struct pooled *c;
	int rc;

	if (gate_password(p->config.gate, k->target, &epoch, &version) == PASSWORD_WRONG) {
		*cause = "the target has refused the password, and there is no other yet";
		return false;
	}
	c = calloc(1, sizeof(*c));
	assert(c != NULL);
	c->epoch = epoch;
	c->version = version;
	pg_framer_init(&c->framer, PG_FROM_SERVER, MESSAGE_MAX);
	rc = dial_next(&c->dial, p->config.ring, &pool_target_config(p, k->target)->address,
		       &pooled_ops, c, &c->stream);
	if (rc < 0) {
		*cause = strerror(-rc);
		free(c);
		return false;
	}
	pooled_add(k, c);
	deadline(c, gate_epoch(p->config.gate)->config.login_seconds * NS_PER_S);
	return true;
}

static bool
reported(struct pooled *c, const struct pg_frame *f)
{
	struct pg_param p;

	if (pg_read_parameter_status(f->body, &p) != PG_R_OK || setting_blinds(p.name, p.value))
		return false;
	settings_set(&c->backend.reported, p.name, p.value);
	return !c->backend.reported.failed;
}

/* Who the login is by its own and the database's settings, DISCARD ALL does not restore. */
static void
ask_role(struct pooled *c)
{
	server_login_wipe(&c->login);
	c->state = POOLED_ASKING;
	pg_put_query(&pool_of(c)->scratch,
		     SLICE_LIT("select pg_catalog.current_setting('role'), session_user"));
	send_scratch(c);
}

static bool
value_is(struct pg_values *row, const char *text)
{
	struct pg_value v;

	return pg_values_next(row, &v) && v.n >= 0 && slice_is(slice_of(v.p, (size_t) v.n), text);
}

static bool
take_role(struct pooled *c, const struct pg_frame *f)
{
	const char *login = pool_target_config(pool_of(c), c->key->target)->login;
	struct pg_values row;

	if (c->answered || pg_read_data_row(f->body, &row) != PG_R_OK || row.n != 2)
		return false;
	c->answered = true;
	c->backend.role_set = !value_is(&row, "none") || !value_is(&row, login);
	return true;
}

static void
opened(struct pooled *c)
{
	ring_timer_stop(pool_of(c)->config.ring, &c->timer);
	buf_reset(&c->key->welcome);
	buf_put_slice(&c->key->welcome, buf_slice(&c->backend.reported));
	pooled_idle(c);
}

/* False: not an answer to ask_role. */
static bool
role_message(struct pooled *c, const struct pg_frame *f)
{
	uint8_t status;

	switch (f->type) {
	case PG_B_ROW_DESCRIPTION:
	case PG_B_COMMAND_COMPLETE:
	case PG_B_NOTICE_RESPONSE:
		return true;
	case PG_B_PARAMETER_STATUS:
		return reported(c, f);
	case PG_B_DATA_ROW:
		return take_role(c, f);
	case PG_B_READY_FOR_QUERY:
		if (!c->answered || pg_read_ready(f->body, &status) != PG_R_OK || status != 'I')
			return false;
		opened(c);
		return true;
	default:
		return false;
	}
}

static void
login_message(struct pooled *c, const struct pg_frame *f)
{
	struct pool *p = pool_of(c);
	enum login_step step = server_login_message(
		&c->login, pool_target_config(p, c->key->target),
		gate_target_scram_keys(p->config.gate, c->key->target), &c->backend, f,
		&p->scratch);

	send_scratch(c);
	switch (step) {
	case LOGIN_MORE:
		break;
	case LOGIN_READY:
		ask_role(c);
		break;
	case LOGIN_SETTING:
		give_up(c, "the server refuses a setting", f->raw);
		break;
	case LOGIN_REFUSED:
		if (c->login.password_refused) {
			pooled_doubted(c);
			pooled_close(c);
		} else {
			give_up(c, c->login.cause, (struct slice){0});
		}
		break;
	case LOGIN_BLINDING:
		give_up(c, "a setting of the target", (struct slice){0});
		break;
	case LOGIN_PROTOCOL:
		give_up(c, pg_reason_sentence(c->login.reason), (struct slice){0});
		break;
	}
}

/* ---- cleaning, and idle ---------------------------------------------------------------------- */

/* First what would let DISCARD ALL wait or break off: how the session began transactions, and how
 * long it gave them. RESET alone needs no snapshot. A seed is all that DISCARD ALL leaves. */
static const char *const cleaning[] = {"RESET", "SELECT 1", "DISCARD ALL"};

void
pooled_clean(struct pooled *c)
{
	struct pool *p = pool_of(c);
	size_t at;

	c->state = POOLED_CLEANING;
	c->answered = c->backend.unseen = false;
	c->cleaned = 0;
	prepared_clear(&c->backend.names);
	buf_reset(&c->backend.kept);
	buf_reset(&c->backend.path);
	pg_put_query(&p->scratch, SLICE_LIT("reset all"));
	at = pg_begin(&p->scratch, PG_F_QUERY);
	buf_puts(&p->scratch, "select ");
	pool_put_seed(&p->scratch);
	buf_putc(&p->scratch, 0);
	pg_end(&p->scratch, at);
	pg_put_query(&p->scratch, SLICE_LIT("discard all"));
	send_scratch(c);
	deadline(c, CLEAN_S * NS_PER_S);
}

static bool
is_clean(struct pooled *c)
{
	c->answered = false;
	if (++c->cleaned < COUNT_OF(cleaning))
		return false;
	ring_timer_stop(pool_of(c)->config.ring, &c->timer);
	pool_of(c)->targets[c->key->target].stats.cleaned++;
	return true;
}

/* False: not what a connection between two sessions says. */
static bool
message_between(struct pooled *c, const struct pg_frame *f)
{
	bool cleans = c->state == POOLED_CLEANING;
	struct slice tag;
	uint8_t status;

	switch (f->type) {
	case PG_B_PARAMETER_STATUS:
		return reported(c, f);
	case PG_B_NOTICE_RESPONSE:
		return true;
	case PG_B_NOTIFICATION_RESPONSE:
		return cleans; /* from before UNLISTEN */
	case PG_B_ROW_DESCRIPTION:
	case PG_B_DATA_ROW:
		return cleans && c->cleaned == 1;
	case PG_B_COMMAND_COMPLETE:
		if (!cleans || c->answered ||
		    pg_read_command_complete(f->body, &tag) != PG_R_OK ||
		    !slice_is(tag, cleaning[c->cleaned]))
			return false;
		c->answered = true;
		return true;
	case PG_B_READY_FOR_QUERY:
		if (!cleans || !c->answered || pg_read_ready(f->body, &status) != PG_R_OK ||
		    status != 'I')
			return false;
		if (is_clean(c))
			pooled_idle(c);
		return true;
	default:
		return false;
	}
}

/* ---- the stream's callbacks ------------------------------------------------------------------ */

static size_t
take_messages(struct pooled *c, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at < n && c->state != POOLED_CLOSING) {
		struct pg_frame f;
		enum wire w = pg_frame_next(&c->framer, p + at, n - at, &f);

		if (w == WIRE_MORE)
			break;
		if (w == WIRE_BAD) {
			give_up(c, pg_reason_sentence(f.reason), (struct slice){0});
			break;
		}
		if (c->state == POOLED_LOGIN)
			login_message(c, &f);
		else if (!(c->state == POOLED_ASKING ? role_message(c, &f)
						     : message_between(c, &f)))
			give_up(c, "an unexpected message between two sessions", (struct slice){0});
		at += f.raw.n;
	}
	return at;
}

static void
on_data(void *ctx, struct iobuf *buf UNUSED, uint8_t *p, size_t n)
{
	struct pooled *c = ctx;
	size_t used;

	if (c->state == POOLED_CLOSING)
		return;
	if (c->state == POOLED_TLS) {
		tls_answer(c, p, n);
		return;
	}
	buf_put(&c->pending, p, n);
	if (c->pending.failed) {
		give_up(c, "out of memory", (struct slice){0});
		return;
	}
	used = take_messages(c, c->pending.p, c->pending.n);
	if (used == c->pending.n)
		buf_fini(&c->pending);
	else
		buf_shift(&c->pending, used);
}

static void
on_eof(void *ctx)
{
	struct pooled *c = ctx;

	give_up(c, "the server closed the connection", (struct slice){0});
}

static void
on_close(void *ctx, int error UNUSED, const char *reason)
{
	struct pooled *c = ctx;
	struct pool *p = pool_of(c);
	const struct config_target *t = pool_target_config(p, c->key->target);

	if (c->state == POOLED_CONNECTING && !p->draining &&
	    dial_next(&c->dial, p->config.ring, &t->address, &pooled_ops, c, &c->stream) == 0)
		dial_passed_over(t->name, reason, ring_now(p->config.ring));
	else
		pooled_gone(c, reason);
}

const struct stream_ops pooled_ops = {.on_data = on_data,
				      .on_eof = on_eof,
				      .on_connect = on_connect,
				      .on_secure = on_secure,
				      .on_close = on_close};
