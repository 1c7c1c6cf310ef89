/* SPDX-License-Identifier: MIT
 *
 * One attempt to hand a notice over, by the channel's thread: to a webhook, to a syslog, or to the
 * gateway's own log.
 */
#ifndef WEIR_PROXY_CHANNEL_SEND_H
#define WEIR_PROXY_CHANNEL_SEND_H

#include "base/buf.h"
#include "config/config.h"

enum {
	CHANNEL_CONNECT_MS = 3000,
	CHANNEL_ANSWER_MS = 5000,
	CHANNEL_ERROR_MAX = 256,
};

enum channel_outcome { CHANNEL_SENT, CHANNEL_AGAIN, CHANNEL_NEVER };

struct channel_attempt {
	const struct config_channel *to;
	void *curl; /* kept between attempts; NULL: there is none yet */
	struct slice body;
	bool (*is_over)(void *ctx); /* asked while it waits: true ends it */
	void *ctx;
	/* Why not. It never quotes the address, which may be a secret. */
	char error[CHANNEL_ERROR_MAX];
};

/* NULL: notices can go there; else why not. */
const char *channel_problem(const struct config_channel *to);
enum channel_outcome channel_send(struct channel_attempt *a);
/* Frees what attempts left. */
void channel_attempt_fini(struct channel_attempt *a);

/* channel_syslog.c: the same of a syslog. */
enum channel_outcome channel_syslog(struct channel_attempt *a);
/* channel_send.c: what every connection by libcurl is made with. */
void channel_secure(struct channel_attempt *a, void *curl);
void channel_curl_error(struct channel_attempt *a, void *curl, int rc);

#endif
