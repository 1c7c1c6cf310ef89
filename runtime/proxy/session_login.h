/* SPDX-License-Identifier: MIT
 *
 * What session_login.c and session_startup.c share: a session before its first ReadyForQuery.
 */
#ifndef WEIR_PROXY_SESSION_LOGIN_H
#define WEIR_PROXY_SESSION_LOGIN_H

#include "proto/pg/scram.h"
#include "proxy/session.h"

enum { LOGIN_PARAMS = 96 };

struct login {
	unsigned ssl_requests, gss_requests;
	uint16_t minor; /* of the client's protocol; the server is asked for the same */
	bool server_ssl_asked, authenticated, server_ready, dialled;
	char *user, *database;
	struct pg_param params[LOGIN_PARAMS]; /* owned copies: what goes to the server */
	size_t n_params;
	struct scram_server scram;
	struct scram_verifier mock_verifier;
	unsigned sasl_step;
	struct scram_client server_scram;
	bool server_scram_started;
	struct buf held; /* ParameterStatus of the server, until the client may have them */
};

/* Who it is, which target, what is set. False: refused, and the session is over. */
bool startup_take(struct session *s, const struct pg_startup *st) MUST_CHECK;
/* What is set, before the policy; as startup_take. */
bool startup_judge(struct session *s) MUST_CHECK;
/* The server's packet. */
void startup_send(struct session *s);

#endif
