/* SPDX-License-Identifier: MIT
 *
 * What the tests of io/ share: a ring, a stream that records what happens to it, and a loop that
 * turns until a condition holds (never a sleep).
 */
#ifndef WEIR_TESTS_IO_TEST_H
#define WEIR_TESTS_IO_TEST_H

#include "base/clock.h"
#include "io/stream.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_S = 20 };

static bool sends_at_once; /* in every ring */

static inline struct ring *
open_ring(const struct ring_config *c)
{
	struct ring *r;
	char err[256];

	if (ring_open(&r, c, err, sizeof(err)) < 0) {
		printf("Bail out! %s\n", err);
		exit(1);
	}
	ring_send_at_once(r, sends_at_once);
	return r;
}

/* Turns until cond holds. Evaluates to false after LIMIT_S. */
#define TURN_UNTIL(r, cond)                                                                       \
	({                                                                                        \
		uint64_t end_ = clock_mono_ns() + LIMIT_S * NS_PER_S;                              \
		while (!(cond) && clock_mono_ns() < end_)                                          \
			if (ring_turn((r), 50 * NS_PER_MS) < 0)                                    \
				break;                                                            \
		(cond);                                                                           \
	})

/* One end under test. mode says what it does with data. */
struct end {
	struct stream *s;
	struct end *to; /* forward there, with back-pressure */
	bool echo, copy, ignore;
	bool abort_on_data, close_on_eof;
	size_t received;
	uint64_t sum; /* of the bytes, by position */
	int eofs, drains, connects, secures, closes;
	int error;
	char reason[200];
	size_t pauses;
};

static inline void
end_data(void *ctx, struct iobuf *b, uint8_t *p, size_t n)
{
	struct end *e = ctx;

	for (size_t i = 0; i < n; i++)
		e->sum += (uint64_t) p[i] * ((e->received + i) % 251 + 1);
	e->received += n;
	if (e->abort_on_data)
		stream_abort(e->s);
	else if (e->echo)
		stream_send_ref(e->s, b, p, n);
	else if (e->to && e->to->s && e->copy)
		stream_send_copy(e->to->s, p, n);
	else if (e->to && e->to->s)
		stream_send_ref(e->to->s, b, p, n);
	if (e->to && e->to->s && stream_queued(e->to->s) > STREAM_HIGH && !stream_is_paused(e->s)) {
		stream_pause(e->s);
		e->pauses++;
	}
}

static inline void
end_eof(void *ctx)
{
	struct end *e = ctx;

	e->eofs++;
	if (e->close_on_eof)
		stream_close(e->s);
}

static inline void
end_drain(void *ctx)
{
	struct end *e = ctx;

	e->drains++;
	if (e->to && e->to->s)
		stream_resume(e->to->s);
}

static inline void
end_connect(void *ctx)
{
	((struct end *) ctx)->connects++;
}

static inline void
end_secure(void *ctx)
{
	((struct end *) ctx)->secures++;
}

static inline void
end_close(void *ctx, int error, const char *reason)
{
	struct end *e = ctx;

	e->closes++;
	e->error = error;
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	e->s = NULL;
}

static const struct stream_ops end_ops = {
	.on_data = end_data,
	.on_eof = end_eof,
	.on_connect = end_connect,
	.on_secure = end_secure,
	.on_drain = end_drain,
	.on_close = end_close,
};

/* A stream on one side of a socket pair; the other side is a plain descriptor, non-blocking. */
static inline int
open_end(struct ring *r, struct end *e)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		abort();
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	if (stream_open(r, fd[0], &end_ops, e, &e->s) < 0)
		abort();
	return fd[1];
}

#endif
