/* SPDX-License-Identifier: MIT
 *
 * What stream.c and tls.c know of each other. A stream hands received bytes to its TLS session,
 * which hands plaintext back with stream_deliver and puts ciphertext in the queue with
 * stream_queue_copy.
 */
#ifndef WEIR_IO_STREAM_INTERNAL_H
#define WEIR_IO_STREAM_INTERNAL_H

#include "io/internal.h"
#include "io/stream.h"
#include "io/tls.h"

#include <stddef.h>

enum {
	STREAM_MAGIC = 0x5eaf10e5,
	STREAM_SMALL = 2048, /* bytes; behind a blocked send, smaller pieces are copied */
};

enum stream_state {
	STREAM_CONNECTING,
	STREAM_OPEN,
	STREAM_FLUSHING,
	STREAM_LINGERING,
	STREAM_DEAD,
};

struct tls_session;

struct stream {
	struct ring_source source;
	struct ring_task task;
	uint32_t magic;
	int fd;
	struct ring *ring;
	const struct stream_ops *ops;
	void *ctx;
	struct stream *next; /* among the free or the starved ones */
	enum stream_state state;
	int error;
	const char *reason;

	bool receiving : 1; /* a receive is in flight ... */
	bool multishot : 1; /* ... that lasts ... */
	bool stopping : 1;  /* ... and was asked to end */
	bool sending : 1;
	bool paused : 1;
	bool slow : 1; /* was paused since it last had little to say */
	bool starved : 1;
	bool eof : 1;
	bool eof_told : 1;
	bool want_drain : 1;
	bool hangs_up : 1; /* does not linger */
	uint8_t doubt;	     /* sends that are not expected to complete at once */
	uint32_t armed_turn; /* the ring's, of the last send */

	unsigned pace_usec;
	uint64_t pace_bytes;     /* since pace_usec was set */
	struct ring_timer timer; /* OPEN: until the next paced receive; later: the deadline */

	struct piece *head, *tail;
	size_t queued;
	struct iobuf *out; /* where copies go; none while the queue is empty */
	uint32_t out_used;

	struct tls_session *tls;
};

static inline void
stream_check(const struct stream *s)
{
	assert(s->magic == STREAM_MAGIC);
}

/* What the state asks of the kernel is decided before the next wait. */
static inline void
stream_touch(struct stream *s)
{
	ring_task_add(s->ring, &s->task);
}

/* stream_send.c */
void stream_push(struct stream *s); /* sends what is queued, as far as it is not on its way */
void stream_sent(struct stream *s, int res);
void stream_drop_queue(struct stream *s);

void stream_fail(struct stream *s, int error, const char *reason);
/* As stream_fail, but what is queued (the alert that tells the peer why) is sent first. */
void stream_fail_flushed(struct stream *s, int error, const char *reason);
void stream_deliver(struct stream *s, struct iobuf *b, uint8_t *p, size_t n);
void stream_deliver_eof(struct stream *s);
void stream_secured(struct stream *s);
void stream_queue_copy(struct stream *s, const void *p, size_t n);

struct tls_session *tls_session_new(struct tls_context *c, struct stream *s, const char *host);
void tls_session_free(struct tls_session *t);
void tls_session_start(struct tls_session *t);
void tls_session_receive(struct tls_session *t, const uint8_t *p, size_t n);
void tls_session_send(struct tls_session *t, const uint8_t *p, size_t n);
bool tls_session_agreed(const struct tls_session *t);
/* Says goodbye (close_notify), as far as the handshake got. */
void tls_session_shutdown(struct tls_session *t);
/* True when the other side had said goodbye before the end of its bytes. */
bool tls_session_eof(const struct tls_session *t);

#endif
