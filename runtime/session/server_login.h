/* SPDX-License-Identifier: MIT
 *
 * The gateway's own login at a target, from behind its startup packet to the first ReadyForQuery.
 * Sans-I/O: a message of the server goes in, what to answer comes out.
 */
#ifndef WEIR_SESSION_SERVER_LOGIN_H
#define WEIR_SESSION_SERVER_LOGIN_H

#include "proto/pg/scram.h"
#include "gate/backend.h"
#include "config/config.h"

struct server_login {
	uint16_t minor; /* of the protocol that the server was asked for */
	bool authenticated, scram_started;
	bool proven; /* the password is said, or what proves that we have it */
	bool password_refused; /* LOGIN_REFUSED for that */
	struct scram_client scram;
	enum pg_reason reason; /* LOGIN_PROTOCOL */
	char cause[200];       /* LOGIN_REFUSED */
	char later[6];	       /* LOGIN_REFUSED for now only: the server's SQLSTATE */
};

enum login_step {
	LOGIN_MORE,
	LOGIN_READY,
	LOGIN_REFUSED,  /* `cause`, for the operator: it may name what clients must not know */
	LOGIN_SETTING,  /* the server will not have a setting of the startup packet */
	LOGIN_BLINDING, /* a setting under which statements cannot be judged */
	LOGIN_PROTOCOL, /* `reason` */
};

/* b takes what the server says of itself. Answers are appended to out. */
enum login_step server_login_message(struct server_login *l, const struct config_target *t,
				     struct scram_client_keys *keys, struct backend *b,
				     const struct pg_frame *f, struct buf *out) MUST_CHECK;
void server_login_wipe(struct server_login *l);

#endif
