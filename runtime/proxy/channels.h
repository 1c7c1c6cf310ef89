/* SPDX-License-Identifier: MIT
 *
 * Channels: notices on their way to where the configuration says. Each channel has a thread and a
 * queue of its own, so that one that is slow or gone keeps nobody waiting: neither a command nor
 * another channel. What does not fit into the queue, or is not taken after all attempts, is lost;
 * that is counted, logged and recorded, never waited for.
 *
 * A channel has a number that is never used again. A reload keeps those that are configured as
 * before, with what waits in them; one that is gone takes notices for a while yet, of sessions that
 * have not heard of the reload, and then ends by itself.
 */
#ifndef WEIR_PROXY_CHANNELS_H
#define WEIR_PROXY_CHANNELS_H

#include "base/buf.h"
#include "config/config.h"

enum {
	CHANNEL_QUEUE = 128,      /* notices of one channel that wait */
	CHANNEL_NOTICE_MAX = 4096, /* bytes of one */
	CHANNEL_ATTEMPTS = 6,     /* with 1, 2, 4, 8 and 16 s between them */
	CHANNEL_DRAIN_MS = 3000, /* at the end: for what still waits */
};

struct channels;

struct channels_hooks {
	void *ctx;
	/* n notices of a channel are lost. By the channel's thread, at most once a second. */
	void (*lost)(void *ctx, const char *channel, uint64_t n, const char *why);
};

/* Of all channels that there were. */
struct channel_stats {
	uint64_t sent, lost, waiting;
};

struct channels *channels_new(const struct channels_hooks *h);
/* The numbers of the configuration's channels; those that there are not yet are started. False: the
 * reason is appended to error. */
bool channels_start(struct channels *t, const struct config *c, int32_t *ids,
		    struct buf *error) MUST_CHECK;
/* All others end. Returns at once. */
void channels_keep(struct channels *t, const int32_t *ids, size_t n);
/* Copies the body. Any thread; returns at once. */
void channels_tell(struct channels *t, int32_t id, struct slice body);
void channels_stats(struct channels *t, struct channel_stats *out);
/* Sends what can be sent in CHANNEL_DRAIN_MS; the rest is lost. NULL is fine. */
void channels_close(struct channels *t);

#endif
