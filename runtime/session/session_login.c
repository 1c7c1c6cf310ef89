/* SPDX-License-Identifier: MIT
 *
 * From the first byte to the first ReadyForQuery: TLS and startup packet of the client, SCRAM with
 * the principal's key, the policy's word on connecting, then the same towards the server with the
 * target's own login. The server's startup packet is built anew from what is allowed;
 * nothing of the client's packet is passed on as it came.
 */
#include "session/session_login.h"

#include "base/log.h"
#include "base/clock.h"
#include "base/secret.h"
#include "session/knocks.h"

#include <stdio.h>
#include <stdlib.h>

static struct login *
login_of(struct session *s)
{
	if (!s->login)
		s->login = calloc(1, sizeof(*s->login));
	assert(s->login != NULL);
	return s->login;
}

void
login_free(struct login *l)
{
	if (!l)
		return;
	free(l->user);
	free(l->database);
	for (size_t i = 0; i < l->n_params; i++) {
		free((void *) (uintptr_t) l->params[i].name.p);
		free((void *) (uintptr_t) l->params[i].value.p);
	}
	server_login_wipe(&l->server);
	secret_wipe(l, sizeof(*l));
	free(l);
}

static void
ask_sasl(struct session *s, const struct pg_startup *st)
{
	struct login *l = s->login;
	struct buf *b = &s->env->scratch;
	uint8_t nonce[SCRAM_NONCE];
	const struct scram_verifier *v;
	struct slice binding = {l->binding, s->client_tls ? l->n_binding : 0};
	struct buf names = {0};

	if (st->negotiate || st->minor > 0) {
		/* 3.2 is ours to speak: a longer cancel key is all that is new in it. */
		l->minor = st->minor >= 2 ? 2 : 0;
		s->cancel_key_len = st->minor >= 2 ? 32 : 4;
		if (st->negotiate)
			pg_put_negotiate(b, st->minor >= 2 ? 2 : 0, st);
	}
	random_bytes(nonce, sizeof(nonce));
	v = gate_verifier(s->env->gate, st->user);
	if (!v) {
		gate_mock_verifier(s->env->gate, st->user, &l->mock_verifier);
		scram_server_init(&l->scram, &l->mock_verifier, true, binding, nonce);
	} else {
		l->mock_verifier = *v; /* a reload may replace the original meanwhile */
		scram_server_init(&l->scram, &l->mock_verifier, false, binding, nonce);
	}
	scram_server_mechanisms(&l->scram, &names);
	pg_put_auth(b, PG_AUTH_SASL, buf_slice(&names));
	buf_fini(&names);
	session_emit(s, CLIENT, b);
	s->phase = SESSION_AUTH;
}

static void
refuse_surplus(struct session *s)
{
	session_fatal(s, "53300", "WEIR-FULL", "the gateway has no connection left",
		      "close idle connections, or raise \"limit connections\"");
}

static void
start_session(struct session *s, const struct pg_startup *st)
{
	login_of(s);
	if (s->client.surplus) {
		refuse_surplus(s);
		return;
	}
	if (!s->client_tls && !s->client.loopback) {
		session_fatal(s, "28000", "WEIR-TLS-REQUIRED",
			      "connections from other machines must use TLS",
			      "connect with sslmode=require or stronger");
		return;
	}
	if (st->replication) {
		session_fatal(s, "0A000", "WEIR-REPLICATION",
			      "replication connections do not pass through the gateway",
			      "replicate from the server directly, or use pg_dump");
		return;
	}
	if (!startup_take(s, st))
		return;
	ask_sasl(s, st);
}

/* The client's proof is of the certificate that it gets now; a reload may bring another one. */
static void
start_client_tls(struct session *s, struct slice early)
{
	struct login *l = s->login;
	struct slice binding = s->env->tls_binding;

	assert(binding.n <= sizeof(l->binding));
	l->n_binding = binding.n;
	if (binding.n)
		memcpy(l->binding, binding.p, binding.n);
	s->phase = SESSION_CLIENT_TLS;
	s->host->start_tls(s->host_ctx, CLIENT, early);
}

/* The client's bytes around authentication: startup packets have no type byte. Returns how many
 * were consumed. */
size_t
login_client_bytes(struct session *s, const uint8_t *p, size_t n)
{
	struct pg_startup st;
	struct login *l = login_of(s);
	enum wire w;

	if (s->phase == SESSION_HELD)
		return door_client_bytes(s, p, n);
	/* A TLS handshake at once (sslnegotiation=direct) saves a round trip. */
	if (p[0] == 0x16 && s->env->tls && !s->client_tls && !l->ssl_requests &&
	    !l->gss_requests) {
		start_client_tls(s, slice_of(p, n));
		return n;
	}
	w = pg_startup_next(p, n, &st);
	if (w == WIRE_MORE)
		return 0;
	if (w == WIRE_BAD) {
		session_bad(s, CLIENT, st.reason);
		return n;
	}
	switch (st.kind) {
	case PG_START_SSL:
		/* Bytes behind the request would be read as if encrypted. */
		if (l->ssl_requests++ || s->client_tls || st.size != n) {
			session_bad(s, CLIENT, PG_R_STARTUP_LENGTH);
			return n;
		}
		if (!s->env->tls) {
			s->host->emit(s->host_ctx, CLIENT, SLICE_LIT("N"));
			return st.size;
		}
		start_client_tls(s, (struct slice){0});
		return st.size;
	case PG_START_GSSENC:
		if (l->gss_requests++ || st.size != n) {
			session_bad(s, CLIENT, PG_R_STARTUP_LENGTH);
			return n;
		}
		s->host->emit(s->host_ctx, CLIENT, SLICE_LIT("N"));
		return st.size;
	case PG_START_CANCEL:
		s->phase = SESSION_CANCELS;
		if (!s->host->cancel_request(s->host_ctx, st.cancel_pid, st.cancel_key))
			session_cancel_taken(s);
		return n;
	case PG_START_SESSION:
		start_session(s, &st);
		return st.size;
	}
	return n;
}

/* The answer to a wrong key. */
static void
refuse_login(struct session *s)
{
	struct login *l = s->login;
	struct buf m = {0};

	buf_printf(&m, "authentication failed for \"%s\"", l->user);
	buf_putc(&m, 0);
	session_fatal(s, "28P01", "WEIR-AUTH", (char *) m.p,
		      "the user is the principal's name, the password its key, as the gateway's "
		      "configuration has them");
	buf_fini(&m);
}

/* At most once a second: somebody who guesses could else fill the disk. */
static void
log_guessing(struct session *s, unsigned failures, uint64_t wait, uint64_t now)
{
	struct session_env *env = s->env;
	char from[SESSION_ADDRESS_MAX];

	if (env->knocks_logged && now - env->knocks_logged < NS_PER_S)
		return;
	env->knocks_logged = now;
	session_address(&s->client, from, sizeof(from));
	log_warn("wrong keys from=%s principal=%s failures=%u delay=%llums", from,
		 log_quote(s->login->user).text, failures, (unsigned long long) (wait / NS_PER_MS));
}

static void
auth_failed(struct session *s, const char *cause)
{
	uint64_t now = s->host->now_mono(s->host_ctx), wait = 0;
	uint64_t end = s->started_mono + s->env->login_ms * NS_PER_MS;
	unsigned failures;

	s->env->counters.auth_failures++;
	record_auth_fail(s, slice_str(s->login->user), cause);
	if (s->env->knocks)
		wait = knocks_wrong(s->env->knocks, s->client.address, slice_str(s->login->user),
				    now, &failures);
	if (!wait) {
		refuse_login(s);
		return;
	}
	log_guessing(s, failures, wait, now);
	s->phase = SESSION_WRONG_KEY;
	s->host->timer(s->host_ctx, now + wait < end ? now + wait : end);
}

bool
session_is_logging_in(const struct session *s)
{
	return s->phase == SESSION_STARTUP || s->phase == SESSION_CLIENT_TLS ||
	       s->phase == SESSION_AUTH || s->phase == SESSION_WRONG_KEY;
}

void
session_give_way(struct session *s)
{
	if (s->phase == SESSION_WRONG_KEY)
		refuse_login(s);
	else
		session_fatal(s, "53300", "WEIR-FULL",
			      "the gateway is full, and others wait to log in",
			      "log in at once after connecting, or raise \"limit connections\"");
}

/* Time is up. */
void
login_tick(struct session *s)
{
	if (s->phase == SESSION_WRONG_KEY) {
		refuse_login(s);
	} else if (s->login && s->login->authenticated && s->gate) {
		log_warn("target does not answer target=%s at=%s", gate_target(s->gate)->name,
			 s->login->dialled ? "login" : "catalog");
		session_fatal(s, "08006", "WEIR-LOGIN-TIMEOUT", "the target does not answer",
			      "the gateway's log may say more; try again later");
	} else if (s->client.surplus) {
		refuse_surplus(s);
	} else {
		session_fatal(s, "08006", "WEIR-LOGIN-TIMEOUT", "login took too long",
			      "the gateway gives a client a bounded time from connect to ready");
	}
}

/* Who it is is proven: what may it reach? */
static void
authenticated(struct session *s)
{
	struct login *l = s->login;

	l->authenticated = true;
	s->gate = gate_session_open(s->env->gate, slice_str(l->user), slice_str(l->database),
				    &s->client_facts);
	if (!s->gate) {
		struct buf m = {0};

		buf_printf(&m, "the gateway has no target \"%s\"", l->database);
		buf_putc(&m, 0);
		session_fatal(s, "3D000", "WEIR-TARGET", (char *) m.p,
			      "set dbname to a target of the gateway's configuration");
		buf_fini(&m);
		return;
	}
	door_open(s);
}

enum step
login_client_message(struct session *s, const struct pg_frame *f)
{
	struct login *l = s->login;
	struct buf out = {0};
	enum pg_reason r;

	if (f->type == PG_F_TERMINATE) {
		session_close(s, "client left during login");
		return STEP_DONE;
	}
	if (f->type != PG_F_PASSWORD || s->phase != SESSION_AUTH || l->sasl_step > 1) {
		session_bad(s, CLIENT, PG_R_UNKNOWN_TYPE);
		return STEP_DONE;
	}
	if (l->sasl_step++ == 0) {
		struct pg_msg_sasl_initial m;

		r = pg_read_sasl_initial(f->body, &m);
		if (r == PG_R_OK)
			r = scram_server_first(&l->scram, m.mechanism, m.response, &out);
		if (r == PG_R_OK)
			pg_put_auth(&s->env->scratch, PG_AUTH_SASL_CONTINUE, buf_slice(&out));
	} else {
		r = scram_server_final(&l->scram, f->body, &out);
		if (r == PG_R_OK)
			pg_put_auth(&s->env->scratch, PG_AUTH_SASL_FINAL, buf_slice(&out));
	}
	buf_wipe(&out);
	if (r == PG_R_AUTHENTICATION_FAILED || r == PG_R_SASL_BINDING)
		auth_failed(s, pg_reason_name(r));
	else if (r != PG_R_OK)
		session_bad(s, CLIENT, r);
	else
		session_emit(s, CLIENT, &s->env->scratch);
	if (r == PG_R_OK && l->sasl_step == 2)
		authenticated(s);
	return STEP_DONE;
}

static void
server_login_failed(struct session *s, const char *what)
{
	log_error("target login failed target=%s cause=%s", gate_target(s->gate)->name,
		  log_quote(what).text);
	if (s->login->server.later[0])
		session_fatal(s, s->login->server.later, "WEIR-TARGET",
			      "the target takes no connection now: it starts, stops or is full",
			      "try again in a moment; the gateway's log has the server's words");
	else
		session_fatal(s, "08001", "WEIR-TARGET-LOGIN", "the target refused the gateway's login",
			      "the gateway's log says why; its operator must look at the target's login");
}

/* A connection of its own. With a password that the target has refused none is tried: for that it
 * may lock the login out. */
static void
dial_target(struct session *s)
{
	struct login *l = s->login;

	switch (gate_password(s->env->gate, gate_target_index(s->gate), &l->epoch, &l->version)) {
	case PASSWORD_GOOD:
		l->dialled = true;
		s->host->dial(s->host_ctx);
		break;
	case PASSWORD_DOUBTED:
		break;
	case PASSWORD_WRONG:
		server_login_failed(s, "the target has refused the password, and there is no other yet");
		break;
	}
}

/* The password may be another one by now: it is read again, and then tried once more. */
static void
try_again(struct session *s)
{
	struct login *l = s->login;

	l->again = true;
	log_warn("target refused the password target=%s cause=%s", gate_target(s->gate)->name,
		 log_quote(l->server.cause).text);
	server_login_wipe(&l->server);
	l->server = (struct server_login){0};
	s->phase = SESSION_WAITING;
	s->host->hang_up(s->host_ctx);
}

void
session_hung_up(struct session *s)
{
	struct inbound *in = &s->in[SERVER];

	if (s->phase != SESSION_WAITING)
		return;
	buf_fini(&in->pending);
	pg_framer_init(&in->framer, PG_FROM_SERVER, in->framer.max_whole);
	backend_fini(s->backend);
	free(s->backend);
	s->backend = NULL;
	s->login->dialled = false;
	session_kick(s);
}

/* WAITING: the catalog must be there before the first command, then the server is dialled. */
void
login_progress(struct session *s)
{
	const char *trouble = NULL;

	if (s->phase != SESSION_WAITING || s->login->dialled)
		return;
	switch (gate_catalog_state(s->env->gate, s->gate, &trouble)) {
	case CATALOG_READY:
		if (!startup_judge(s))
			return;
		s->pool.mode = gate_target(s->gate)->pool.mode;
		if (s->pool.mode == POOL_NONE) {
			dial_target(s);
		} else {
			s->login->dialled = true;
			session_pool_login(s);
		}
		break;
	case CATALOG_WAIT:
		s->host->want_catalog(s->host_ctx);
		break;
	case CATALOG_FAILED:
		session_fatal(s, "08001", "WEIR-CATALOG",
			      "the gateway cannot read the target's catalog",
			      "try again in a moment; if it goes on, the gateway's log says why");
		break;
	}
}

void
session_server_up(struct session *s)
{
	const struct config_target *t = gate_target(s->gate);

	if (s->phase != SESSION_WAITING)
		return;
	s->backend = calloc(1, sizeof(*s->backend));
	assert(s->backend != NULL);
	if (t->tls == TLS_OFF) {
		startup_send(s);
		return;
	}
	pg_put_ssl_request(&s->env->scratch);
	session_emit(s, SERVER, &s->env->scratch);
	s->phase = SESSION_SERVER_TLS;
}

/* The server's answer to SSLRequest is one byte, and must be the only one. */
bool
login_server_ssl_answer(struct session *s, uint8_t answer)
{
	const struct config_target *t = gate_target(s->gate);

	if (answer == 'S') {
		s->host->start_tls(s->host_ctx, SERVER, (struct slice){0});
		return true;
	}
	if (answer == 'N' && t->tls == TLS_PREFER) {
		startup_send(s);
		return true;
	}
	session_fatal(s, "08001", "WEIR-TARGET-TLS", "the target does not offer TLS",
		      "turn on `ssl` at the server: the target's `tls` in the gateway's "
		      "configuration asks for it");
	return false;
}

void
session_tls_done(struct session *s, enum pg_side side)
{
	if (side == CLIENT) {
		assert(s->phase == SESSION_CLIENT_TLS || s->phase == SESSION_CLOSED);
		if (s->phase != SESSION_CLIENT_TLS)
			return;
		s->client_tls = true;
		s->client_facts.tls = true;
		s->phase = SESSION_STARTUP;
	} else if (s->phase == SESSION_SERVER_TLS) {
		s->backend->tls = true;
		startup_send(s);
	}
}

/* There is a connection to the target: the session begins. */
void
login_done(struct session *s)
{
	struct login *l = s->login;
	struct buf *b = &s->env->scratch;

	settings_put(s->pool.mode == POOL_TRANSACTION ? &s->pool.settings : &s->backend->reported,
		     b);
	pg_put_key_data(b, s->cancel_pid, slice_of(s->cancel_key, s->cancel_key_len));
	pg_put_ready(b, 'I');
	session_emit(s, CLIENT, b);
	s->client_facts.application = (struct slice){0};
	login_free(l);
	s->login = NULL;
	s->tx = 'I';
	s->env->counters.sessions++;
	s->phase = SESSION_READY;
	s->tick_pool = 0;
	s->host->timer(s->host_ctx, s->tick_at = 0);
	session_path_begin(s);
}

enum step
login_server_message(struct session *s, const struct pg_frame *f)
{
	struct server_login *l = &s->login->server;
	enum login_step step = server_login_message(l, gate_target(s->gate),
						    gate_scram_keys(s->env->gate, s->gate),
						    s->backend, f, &s->env->scratch);

	session_emit(s, SERVER, &s->env->scratch);
	switch (step) {
	case LOGIN_MORE:
		break;
	case LOGIN_READY:
		login_done(s);
		break;
	case LOGIN_SETTING:
		if (!s->login->n_params) {
			server_login_failed(s, "a setting of the role or database is refused");
			break;
		}
		s->host->emit(s->host_ctx, CLIENT, f->raw);
		session_close(s, "WEIR-STARTUP-PARAMETER");
		break;
	case LOGIN_REFUSED:
		if (l->password_refused)
			s->host->password_refused(s->host_ctx, s->login->epoch, s->login->version);
		if (l->password_refused && !s->login->again)
			try_again(s);
		else
			server_login_failed(s, l->cause);
		break;
	case LOGIN_BLINDING:
		session_blinded(s);
		break;
	case LOGIN_PROTOCOL:
		session_bad(s, SERVER, l->reason);
		break;
	}
	return STEP_DONE;
}
