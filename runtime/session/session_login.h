/* SPDX-License-Identifier: MIT
 *
 * A session before its first ReadyForQuery: session_login.c, session_startup.c.
 */
#ifndef WEIR_SESSION_SESSION_LOGIN_H
#define WEIR_SESSION_SESSION_LOGIN_H

#include "proto/pg/scram.h"
#include "session/server_login.h"
#include "session/session.h"

enum { LOGIN_PARAMS = 96 };

struct login {
	unsigned ssl_requests, gss_requests;
	uint16_t minor; /* of the client's protocol; the server is asked for the same */
	bool authenticated, dialled;
	bool again; /* the target refused the gateway's password once */
	uint64_t epoch, version; /* of the password that it was dialled with */
	char *user, *database;
	struct pg_param params[LOGIN_PARAMS]; /* owned copies: what goes to the server */
	size_t n_params;
	struct scram_server scram;
	struct scram_verifier mock_verifier;
	uint8_t binding[64]; /* what SCRAM-SHA-256-PLUS binds to */
	size_t n_binding;
	unsigned sasl_step;
	struct door *door; /* people are asked; NULL */
	bool welcomed;	   /* AuthenticationOk is said */
	struct server_login server;
};

void login_free(struct login *l);
size_t login_client_bytes(struct session *s, const uint8_t *p, size_t n);
enum step login_client_message(struct session *s, const struct pg_frame *f);
enum step login_server_message(struct session *s, const struct pg_frame *f);
bool login_server_ssl_answer(struct session *s, uint8_t answer);
void login_progress(struct session *s);
void login_tick(struct session *s);
void login_done(struct session *s);

enum { SESSION_ADDRESS_MAX = 64 };
/* "192.0.2.7:5432", "[2001:db8::7]:5432" */
void session_address(const struct session_client *c, char *out, size_t size);

/* Who it is, which target, what is set. False: refused, and the session is over. */
bool startup_take(struct session *s, const struct pg_startup *st) MUST_CHECK;
/* What is set, before the policy; as startup_take. */
bool startup_judge(struct session *s) MUST_CHECK;
/* The server's packet. */
void startup_send(struct session *s);
/* What a shared connection is opened with for it: names and values for settings_next, in an order
 * of their own, without application_name. */
void startup_text(const struct session *s, struct buf *out);

#endif
