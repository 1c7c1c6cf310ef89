/* SPDX-License-Identifier: MIT
 *
 * A connected byte stream on a ring, plain TCP or TLS behind one API. Received bytes are handed
 * up in the pool's buffers, writable, so that a mask can be put in place and the same buffer
 * sent on without a copy. Sends gather into one sendmsg per stream and turn.
 *
 * An idle stream holds no buffer. What a stream can hold is bounded: its owner stops reading from
 * the source (stream_pause) when stream_queued() of the sink passes STREAM_HIGH and resumes on
 * on_drain.
 *
 * Life: stream_open or stream_connect, then callbacks, then exactly one on_close, which is never
 * called from inside a stream_ function; after it returns the stream is gone. An error on the
 * socket drops what was queued and ends in on_close too. Sending on a stream that is closing is
 * allowed and does nothing.
 */
#ifndef WEIR_IO_STREAM_H
#define WEIR_IO_STREAM_H

#include "base/slice.h"
#include "io/ring.h"

struct stream;
struct tls_context;

enum {
	STREAM_HIGH = 128 * 1024, /* queued bytes at which the owner should pause the source */
	STREAM_LOW = 32 * 1024,   /* on_drain comes at or below this */
};

/* All but on_data and on_close may be NULL. */
struct stream_ops {
	/* n > 0 bytes at p inside buf. All are consumed; who needs them after return takes
	 * iobuf_ref(buf). Bytes may still arrive after stream_pause (at most what the kernel had
	 * already taken), never after stream_close or stream_abort. */
	void (*on_data)(void *ctx, struct iobuf *buf, uint8_t *p, size_t n);
	void (*on_eof)(void *ctx);     /* the peer sends no more; sending is still possible */
	void (*on_connect)(void *ctx); /* stream_connect succeeded */
	void (*on_secure)(void *ctx);  /* stream_tls finished the handshake */
	void (*on_drain)(void *ctx);   /* queued fell to STREAM_LOW after passing STREAM_HIGH */
	/* error: 0 after stream_close and stream_abort, else -errno. reason is a sentence, valid
	 * during the call. */
	void (*on_close)(void *ctx, int error, const char *reason);
};

/* Takes over a connected, blocking socket (closed on failure too). -ENFILE when the ring is
 * full. */
int stream_open(struct ring *ring, int fd, const struct stream_ops *ops, void *ctx,
		struct stream **out) MUST_CHECK;
/* Connects; addr must stay valid until on_connect or on_close. The owner sets the deadline
 * (ring_timer, stream_abort). */
int stream_connect(struct ring *ring, const struct sockaddr *addr, socklen_t addr_len,
		   const struct stream_ops *ops, void *ctx, struct stream **out) MUST_CHECK;
/* Another pair of callbacks from now on, as when a login turns into a session. */
void stream_set_owner(struct stream *s, const struct stream_ops *ops, void *ctx);

/* Turns the stream into TLS from the next byte on, in the role of the context; what is queued is
 * still sent as it is. The owner must have refused bytes that came after the request for TLS
 * (they would be plaintext injected before the handshake). host: the name the certificate must
 * carry when the context verifies it (may be an IP address); NULL otherwise. Data sent before
 * on_secure waits. From then on the end of the peer's bytes without TLS's goodbye is an error,
 * not on_eof. -ENOMEM also when the context verifies and host is NULL. */
int stream_tls(struct stream *s, struct tls_context *tls, const char *host) MUST_CHECK;
/* Right after stream_tls: bytes of the handshake that on_data was given before it was known to be
 * one. */
void stream_tls_received(struct stream *s, struct slice early);
/* After on_secure: both sides agreed by ALPN on the protocol of tls_set_protocol. */
bool stream_tls_agreed(const struct stream *s);
bool stream_is_tls(const struct stream *s);

/* Zero-copy: bytes inside buf, which gets a reference until they are sent. They must not change
 * after this. (Under TLS they are encrypted at once, and small pieces behind a blocked send are
 * copied, so that a slow reader cannot pin whole buffers by few bytes.) */
void stream_send_ref(struct stream *s, struct iobuf *buf, const uint8_t *p, size_t n);
/* Copies: for what the gateway itself writes. */
void stream_send_copy(struct stream *s, const void *p, size_t n);
/* Bytes accepted and not yet taken by the kernel. */
size_t stream_queued(const struct stream *s);

/* Back-pressure. Nested calls do not count: one resume undoes any number of pauses. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
bool stream_is_paused(const struct stream *s);

/* Coalescing: while usec > 0 and once 256 KiB have come since (a small result never waits), a
 * receive of less than 64 KiB is followed by the next one not before usec microseconds, so that
 * what the peer writes in small chunks arrives, and is forwarded, in fewer wake-ups. Delays this
 * direction of this stream only. Set it while rows stream, 0 at the end of the result and for
 * short turns; cheap to call again with the same value. 100,000 rows of a real PostgreSQL, CPU
 * per MB against not pacing, same throughput: 100 us x0.8..0.9, 200 us x0.5 (bench,
 * forward-io-200). */
void stream_pace(struct stream *s, unsigned usec);

/* Sends what is queued, then shuts down and closes. Stops receiving at once. A peer that does not
 * read is cut off after 5 s. */
void stream_close(struct stream *s);
/* As stream_close, but closes when that is sent, also one that is closing already. A peer that
 * still sends gets a reset behind it. */
void stream_hang_up(struct stream *s);
/* Closes now, dropping what is queued. */
void stream_abort(struct stream *s);

void *stream_ctx(const struct stream *s);
int stream_fd(const struct stream *s); /* for getpeername and the like */
size_t stream_size(void);              /* bytes of one idle stream, for the start-up line */

#endif
