/* SPDX-License-Identifier: MIT */
#include "session/server_login.h"

#include "base/log.h"
#include "base/secret.h"
#include "gate/gate.h"

#include <stdatomic.h>
#include <stdio.h>

enum { REPORTED_MAX = 64 * 1024 };

void
server_login_wipe(struct server_login *l)
{
	scram_client_wipe(&l->scram);
}

static enum login_step
refused(struct server_login *l, const char *cause)
{
	snprintf(l->cause, sizeof(l->cause), "%s", cause);
	return LOGIN_REFUSED;
}

static enum login_step
bad(struct server_login *l, enum pg_reason reason)
{
	l->reason = reason;
	return LOGIN_PROTOCOL;
}

static enum pg_reason
sasl(struct server_login *l, const struct config_target *t, struct scram_client_keys *keys,
     const struct pg_msg_auth *m, struct buf *out)
{
	struct buf said = {0};
	const char *mechanism;
	enum pg_reason r;

	if (m->kind == PG_AUTH_SASL) {
		uint8_t nonce[SCRAM_NONCE];

		random_bytes(nonce, sizeof(nonce));
		scram_client_init(&l->scram, slice_str(t->password), keys, (struct slice){0},
				  nonce);
		l->scram_started = true;
		r = scram_client_first(&l->scram, m->data, &mechanism, &said);
		if (r == PG_R_OK)
			pg_put_sasl_initial(out, mechanism, buf_slice(&said));
	} else if (!l->scram_started) {
		r = PG_R_SASL_MESSAGE;
	} else if (m->kind == PG_AUTH_SASL_CONTINUE) {
		/* A reload may have brought another one since. */
		l->scram.password = slice_str(t->password);
		r = scram_client_final(&l->scram, m->data, &said);
		if (r == PG_R_OK)
			pg_put_sasl_response(out, buf_slice(&said));
		l->proven = r == PG_R_OK;
	} else {
		r = scram_client_verify(&l->scram, m->data);
	}
	buf_wipe(&said);
	return r;
}

static enum login_step
authenticate(struct server_login *l, const struct config_target *t,
	     struct scram_client_keys *keys, const struct backend *b, const struct pg_frame *f,
	     struct buf *out)
{
	struct pg_msg_auth m;
	enum pg_reason r = pg_read_auth(f->body, &m);
	char md5[36];

	if (r != PG_R_OK)
		return refused(l, pg_reason_sentence(r));
	if (m.kind == PG_AUTH_OK) {
		/* A server that skips the proof it promised is not the server we know. */
		if (l->scram_started && !scram_client_is_done(&l->scram))
			return refused(l, "the server did not finish SCRAM");
		l->authenticated = true;
		return LOGIN_MORE;
	}
	if (!t->password)
		return refused(l, "the target asks for a password and none is configured");
	if (m.kind == PG_AUTH_MD5) {
		pg_md5_response(md5, slice_str(t->login), slice_str(t->password), m.md5_salt);
		pg_put_password(out, slice_str(md5));
		secret_wipe(md5, sizeof(md5));
		l->proven = true;
	} else if (m.kind == PG_AUTH_CLEARTEXT) {
		if (!b->tls)
			return refused(l, "the target asks for a clear-text password without TLS");
		pg_put_password(out, slice_str(t->password));
		l->proven = true;
	} else {
		r = sasl(l, t, keys, &m, out);
		if (r != PG_R_OK)
			return refused(l, pg_reason_sentence(r));
	}
	return LOGIN_MORE;
}

static enum login_step
parameter(struct server_login *l, const struct config_target *t, struct backend *b,
	  const struct pg_frame *f)
{
	struct pg_param p;

	if (pg_read_parameter_status(f->body, &p) != PG_R_OK)
		return bad(l, PG_R_STRING_NOT_TERMINATED);
	if (setting_blinds(p.name, p.value)) {
		/* The gateway would read statements differently than the server. */
		log_error("target setting refused target=%s setting=%.*s", t->name,
			  SLICE_ARG(p.name));
		return LOGIN_BLINDING;
	}
	if (b->reported.n < REPORTED_MAX)
		settings_set(&b->reported, p.name, p.value);
	return LOGIN_MORE;
}

static void
key_data(struct backend *b, const struct pg_frame *f)
{
	struct pg_msg_key_data key;

	if (pg_read_key_data(f->body, &key) != PG_R_OK || key.key.n > sizeof(b->key))
		return;
	b->pid = key.pid;
	memcpy(b->key, key.key.p, key.key.n);
	b->key_len = (uint16_t) key.key.n;
}

/* After the gateway's own login nothing but what was set can be a wrong value. */
static bool
is_about_settings(const struct server_login *l, const struct pg_msg_error *e)
{
	static const char *const states[] = {"22023", "42704", "42501", "55P02"};

	for (size_t i = 0; l->authenticated && i < COUNT_OF(states); i++)
		if (slice_is(e->sqlstate, states[i]))
			return true;
	return false;
}

/* The server starts, stops or is full: the same login may well do in a moment. */
static bool
is_for_now(struct slice sqlstate)
{
	static const char *const states[] = {"53300", "57P01", "57P02", "57P03"};

	for (size_t i = 0; i < COUNT_OF(states); i++)
		if (slice_is(sqlstate, states[i]))
			return true;
	return false;
}

/* 28P01; of a server that asks another one about passwords (LDAP, PAM, RADIUS) it is 28000. */
static bool
is_about_password(const struct server_login *l, struct slice sqlstate)
{
	return l->proven && !l->authenticated && sqlstate.n == 5 &&
	       memcmp(sqlstate.p, "28", 2) == 0;
}

static enum login_step
error(struct server_login *l, const struct pg_frame *f)
{
	struct pg_msg_error e;

	if (pg_read_error(f->body, &e) != PG_R_OK)
		return refused(l, "unreadable error");
	if (is_about_settings(l, &e))
		return LOGIN_SETTING;
	l->password_refused = is_about_password(l, e.sqlstate);
	if (is_for_now(e.sqlstate))
		snprintf(l->later, sizeof(l->later), "%.5s", (const char *) e.sqlstate.p);
	snprintf(l->cause, sizeof(l->cause), "%.5s %.*s", (const char *) e.sqlstate.p,
		 (int) (e.message.n > 150 ? 150 : e.message.n), (const char *) e.message.p);
	return LOGIN_REFUSED;
}

enum login_step
server_login_message(struct server_login *l, const struct config_target *t,
		     struct scram_client_keys *keys, struct backend *b, const struct pg_frame *f,
		     struct buf *out)
{
	static _Atomic uint32_t last;
	uint32_t minor, n_options;
	uint8_t status;

	switch (f->type) {
	case PG_B_AUTHENTICATION:
		return authenticate(l, t, keys, b, f, out);
	case PG_B_PARAMETER_STATUS:
		return parameter(l, t, b, f);
	case PG_B_BACKEND_KEY_DATA:
		key_data(b, f);
		return LOGIN_MORE;
	case PG_B_NEGOTIATE_PROTOCOL_VERSION:
		/* An older server; what is ours of 3.2 stays. */
		if (pg_read_negotiate(f->body, &minor, &n_options) != PG_R_OK ||
		    (uint16_t) minor >= l->minor || n_options || l->authenticated)
			return bad(l, PG_R_UNKNOWN_TYPE);
		return LOGIN_MORE;
	case PG_B_READY_FOR_QUERY:
		if (!l->authenticated || pg_read_ready(f->body, &status) != PG_R_OK ||
		    status != 'I')
			return bad(l, PG_R_BAD_TRANSACTION_STATUS);
		b->number = ++last;
		return LOGIN_READY;
	case PG_B_ERROR_RESPONSE:
		return error(l, f);
	case PG_B_NOTICE_RESPONSE:
		return LOGIN_MORE; /* of the gateway's login, not of the client's */
	default:
		return bad(l, PG_R_UNKNOWN_TYPE);
	}
}
