/* SPDX-License-Identifier: MIT
 *
 * Channels: notices on their way to the webhooks of the configuration. Each channel has a thread
 * and a queue of its own, so that one that is slow or gone keeps nobody waiting: neither a command
 * nor another channel. What does not fit into the queue, or is not taken after all attempts, is
 * lost; that is counted, logged and recorded, never waited for.
 */
#ifndef WEIR_PROXY_CHANNELS_H
#define WEIR_PROXY_CHANNELS_H

#include "base/buf.h"
#include "proxy/config.h"

enum {
	CHANNEL_QUEUE = 128,      /* notices of one channel that wait */
	CHANNEL_NOTICE_MAX = 4096, /* bytes of one */
	CHANNEL_ATTEMPTS = 6,     /* with 1, 2, 4, 8 and 16 s between them */
	CHANNEL_CONNECT_MS = 3000,
	CHANNEL_ANSWER_MS = 5000,
	CHANNEL_DRAIN_MS = 3000, /* at the end: for what still waits */
};

struct channels;

struct channels_hooks {
	void *ctx;
	/* n notices of a channel are lost. By the channel's thread, at most once a second. */
	void (*lost)(void *ctx, const char *channel, uint64_t n, const char *why);
};

struct channel_stats {
	const char *name;
	uint64_t sent, lost, waiting;
};

/* Starts a thread per channel of the configuration, whose strings must stay. False: the reason is
 * appended to error. */
bool channels_open(struct channels **out, const struct config *c, const struct channels_hooks *h,
		   struct buf *error) MUST_CHECK;
/* Copies the body. Any thread; returns at once. Nothing happens when t is NULL. */
void channels_tell(struct channels *t, size_t channel, struct slice body);
/* False: there is no channel of that number. */
bool channels_stats(struct channels *t, size_t channel, struct channel_stats *out) MUST_CHECK;
/* Sends what can be sent in CHANNEL_DRAIN_MS; the rest is lost. NULL is fine. */
void channels_close(struct channels *t);

#endif
