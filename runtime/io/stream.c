/* SPDX-License-Identifier: MIT
 *
 * Streams. At most one receive and one send of a stream are in flight. Callbacks and stream_
 * functions only change state and put the stream on the ring's task list; what that means for
 * the kernel is decided in one place, stream_step, once per turn.
 *
 *   CONNECTING --> OPEN --stream_close--> FLUSHING --> LINGERING --> DEAD --> on_close
 *        \__________\_____stream_abort, error, or the peer is gone____/
 *
 * LINGERING: everything is sent and the write side shut down; what still arrives is read and
 * dropped until the peer closes too. Closing a socket with unread bytes would reset it, and the
 * peer might lose the last error message it was sent.
 */
#include "io/stream.h"

#include "base/clock.h"
#include "io/internal.h"
#include "io/stream_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
	PACED_FULL = 64 * 1024,  /* a receive of this size is not followed by a pause */
	PACE_AFTER = 256 * 1024, /* bytes since stream_pace before it has an effect: a small result
				  * never waits */
	CLOSE_MS = 5000,
};

static_assert(sizeof(struct stream) <= 320, "10,000 idle streams are to cost little");

static void stream_complete(struct ring_source *source, enum ring_op op, int res, uint32_t flags);
static void stream_step(struct ring_task *task);

/* ---- Memory -------------------------------------------------------------------------------- */

static struct stream *
stream_alloc(struct ring *r)
{
	struct stream *s = r->free_streams;

	if (!s) {
		struct stream *slab = ring_slab(r, STREAM_SLAB * sizeof(*slab));

		for (int i = 0; slab && i < STREAM_SLAB; i++) {
			slab[i].next = r->free_streams;
			r->free_streams = &slab[i];
		}
		s = r->free_streams;
		if (!s)
			return NULL;
	}
	r->free_streams = s->next;
	*s = (struct stream){.magic = STREAM_MAGIC, .ring = r, .fd = -1};
	s->source.complete = stream_complete;
	s->task.run = stream_step;
	return s;
}

static void
stream_free(struct stream *s)
{
	struct ring *r = s->ring;

	assert(!s->task.queued);
	s->magic = 0;
	s->next = r->free_streams;
	r->free_streams = s;
}

/* ---- Ending -------------------------------------------------------------------------------- */

static void
unstarve(struct stream *s)
{
	struct stream **at = &s->ring->starved;

	if (!s->starved)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (s->ring->starved_end == &s->next)
		s->ring->starved_end = at;
	s->starved = false;
}

void
stream_unstarve(struct ring *r)
{
	struct stream *s = r->starved;

	unstarve(s);
	stream_touch(s);
}

/* Nothing is delivered or accepted any more; the rest is waiting for the kernel. */
static void
die(struct stream *s)
{
	if (s->state == STREAM_DEAD)
		return;
	s->state = STREAM_DEAD;
	ring_timer_stop(s->ring, &s->timer);
	unstarve(s);
	/* A send in flight may still read its buffers. */
	if (!s->sending)
		stream_drop_queue(s);
	if (s->source.inflight) {
		struct io_uring_sqe *sqe = ring_sqe(s->ring, NULL, RING_OP_NONE);

		sqe->opcode = IORING_OP_ASYNC_CANCEL;
		sqe->fd = s->fd;
		sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
		s->ring->n.cancels++;
	}
	stream_touch(s);
}

void
stream_fail(struct stream *s, int error, const char *reason)
{
	if (s->state == STREAM_DEAD)
		return;
	/* After stream_close the owner no longer cares how it ends. */
	if (s->state == STREAM_CONNECTING || s->state == STREAM_OPEN) {
		s->error = error;
		s->reason = reason;
	}
	die(s);
}

static void
close_timeout(void *ctx)
{
	die(ctx);
}

/* From OPEN to FLUSHING. */
static void
begin_close(struct stream *s)
{
	s->state = STREAM_FLUSHING;
	s->paused = false;
	s->want_drain = false;
	if (ring_timer_at(s->ring, &s->timer, s->ring->now + CLOSE_MS * NS_PER_MS, close_timeout,
			  s) < 0)
		die(s);
	else
		stream_touch(s);
}

void
stream_fail_flushed(struct stream *s, int error, const char *reason)
{
	if (s->state != STREAM_OPEN)
		return;
	s->error = error;
	s->reason = reason;
	begin_close(s);
}

static void
bury(struct stream *s)
{
	const struct stream_ops *ops = s->ops;
	void *ctx = s->ctx;
	struct ring *r = s->ring;

	stream_drop_queue(s);
	ring_source_del(r, &s->source);
	close(s->fd);
	r->n.closes++;
	r->again = true;
	ops->on_close(ctx, s->error, s->reason ? s->reason : s->error ? strerror(-s->error)
								      : "closed");
	if (s->tls)
		tls_session_free(s->tls); /* after on_close: the reason may be its text */
	stream_free(s);
}


void
stream_close(struct stream *s)
{
	stream_check(s);
	if (s->state != STREAM_CONNECTING && s->state != STREAM_OPEN)
		return;
	if (s->state == STREAM_CONNECTING) {
		die(s);
		return;
	}
	if (s->tls)
		tls_session_shutdown(s->tls);
	if (s->state != STREAM_OPEN)
		return; /* the shutdown failed */
	begin_close(s);
}

void
stream_hang_up(struct stream *s)
{
	stream_close(s);
	s->hangs_up = true;
	if (s->state == STREAM_LINGERING)
		die(s);
}

void
stream_abort(struct stream *s)
{
	stream_check(s);
	die(s);
}

/* ---- Receiving ----------------------------------------------------------------------------- */

static void
pace_over(void *ctx)
{
	stream_touch(ctx);
}

static bool
wants_bytes(const struct stream *s)
{
	if (s->eof || s->receiving || s->starved)
		return false;
	if (s->state == STREAM_OPEN)
		return !s->paused && s->timer.index == 0;
	return s->state == STREAM_FLUSHING || s->state == STREAM_LINGERING;
}

static bool
is_paced(const struct stream *s)
{
	return s->pace_usec && s->pace_bytes >= PACE_AFTER;
}

static void
arm_receive(struct stream *s)
{
	struct io_uring_sqe *sqe = ring_sqe(s->ring, &s->source, RING_OP_RECV);
	unsigned flags = s->ring->bundle ? IORING_RECVSEND_BUNDLE : 0;

	/* Single shots, each bounded, where the reader or the clock sets the pace: nothing has
	 * to be cancelled to stop them. Otherwise one multishot lasts as long as the connection
	 * is quick. */
	s->multishot = !s->slow && !is_paced(s);
	if (s->multishot)
		flags |= IORING_RECV_MULTISHOT;
	else
		sqe->len = s->ring->bundle ? STREAM_HIGH : 0;
	sqe->opcode = IORING_OP_RECV;
	sqe->fd = s->fd;
	sqe->ioprio = (uint16_t) flags;
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	s->receiving = true;
	s->stopping = false;
}

/* Ends a multishot; what it already took still arrives. */
static void
stop_receive(struct stream *s)
{
	if (!s->receiving || s->stopping)
		return;
	s->stopping = true;
	ring_cancel(s->ring, &s->source, RING_OP_RECV);
}

void
stream_deliver(struct stream *s, struct iobuf *b, uint8_t *p, size_t n)
{
	if (s->state == STREAM_OPEN)
		s->ops->on_data(s->ctx, b, p, n);
}

static void
receive_bytes(struct stream *s, size_t n, uint32_t flags)
{
	struct ring *r = s->ring;
	struct iobuf *b = pool_taken(r, flags);

	r->n.recvs++;
	r->n.bytes_in += n;
	if (n < PACED_FULL && is_paced(s)) {
		if (s->state == STREAM_OPEN &&
		    ring_timer_at(r, &s->timer, r->now + s->pace_usec * UINT64_C(1000), pace_over,
				  s) == 0)
			r->n.paced++;
	}
	if (s->pace_usec)
		s->pace_bytes += n;
	if (n < STREAM_SMALL && !s->paused)
		s->slow = false;
	for (;;) {
		size_t part = n < IOBUF_BYTES ? n : IOBUF_BYTES;
		/* Looked up before the buffer can go back to the ring and its place be lost. */
		struct iobuf *next = n > part ? pool_taken_next(r, b) : NULL;

		if (s->tls)
			tls_session_receive(s->tls, b->p, part);
		else
			stream_deliver(s, b, b->p, part);
		iobuf_put(b);
		if (!next)
			break;
		n -= part;
		b = next;
	}
}

static void
receive_eof(struct stream *s)
{
	s->eof = true;
	if (s->state == STREAM_LINGERING) {
		die(s);
		return;
	}
	if (s->state != STREAM_OPEN)
		return;
	if (s->tls && !tls_session_eof(s->tls)) {
		stream_fail(s, -ECONNRESET, "the connection ended inside TLS, without its goodbye");
		return;
	}
	stream_deliver_eof(s);
}

void
stream_deliver_eof(struct stream *s)
{
	if (s->state != STREAM_OPEN || s->eof_told)
		return;
	s->eof_told = true;
	if (s->ops->on_eof)
		s->ops->on_eof(s->ctx);
	else
		stream_close(s);
}

static void
receive_starved(struct stream *s)
{
	struct ring *r = s->ring;

	r->n.enobufs++;
	if (s->state == STREAM_DEAD || pool_grow(r))
		return;
	/* Again when a buffer comes back; asking before would spin. */
	r->n.starved++;
	s->starved = true;
	s->next = NULL;
	*r->starved_end = s;
	r->starved_end = &s->next;
}

static void
receive_done(struct stream *s, int res, uint32_t flags)
{
	if (!(flags & IORING_CQE_F_MORE)) {
		s->receiving = false;
		stream_touch(s);
	}
	if (res > 0)
		receive_bytes(s, (size_t) res, flags);
	else if (res == 0)
		receive_eof(s);
	else if (res == -ENOBUFS)
		receive_starved(s);
	else if (res != -ECANCELED && res != -EINTR && res != -EAGAIN)
		stream_fail(s, res, NULL);
	if (s->state == STREAM_OPEN && s->receiving && s->multishot && is_paced(s))
		stop_receive(s);
}

void
stream_pause(struct stream *s)
{
	stream_check(s);
	if (s->paused || s->state != STREAM_OPEN)
		return;
	s->paused = true;
	s->slow = true;
	if (s->multishot)
		stop_receive(s);
}

void
stream_resume(struct stream *s)
{
	stream_check(s);
	s->paused = false;
	stream_touch(s);
}

void
stream_pace(struct stream *s, unsigned usec)
{
	stream_check(s);
	if (s->pace_usec == usec)
		return;
	s->pace_usec = usec;
	s->pace_bytes = 0;
	if (usec == 0 && s->state == STREAM_OPEN && s->timer.index) {
		ring_timer_stop(s->ring, &s->timer);
		stream_touch(s);
	}
}

/* ---- Steps --------------------------------------------------------------------------------- */

/* What the state asks of the kernel now. */
static void
stream_step(struct ring_task *task)
{
	struct stream *s = (struct stream *) ((uint8_t *) task - offsetof(struct stream, task));

	stream_check(s);
	if (s->state == STREAM_DEAD) {
		if (s->source.inflight == 0)
			bury(s);
		return;
	}
	if (s->state == STREAM_CONNECTING)
		return;
	stream_push(s);
	if (s->state == STREAM_DEAD)
		return;
	if (s->state == STREAM_FLUSHING && !s->head && !s->sending) {
		if (s->eof || s->hangs_up) {
			die(s);
			return;
		}
		(void) shutdown(s->fd, SHUT_WR); /* fails when the peer is gone: then eof follows */
		s->state = STREAM_LINGERING;
	}
	if (wants_bytes(s))
		arm_receive(s);
}

static void
connect_done(struct stream *s, int res)
{
	if (s->state == STREAM_DEAD) {
		stream_touch(s);
		return;
	}
	if (res < 0) {
		stream_fail(s, res, NULL);
		return;
	}
	s->ring->n.connects++;
	s->state = STREAM_OPEN;
	stream_touch(s);
	if (s->ops->on_connect)
		s->ops->on_connect(s->ctx);
}

static void
stream_complete(struct ring_source *source, enum ring_op op, int res, uint32_t flags)
{
	struct stream *s = (struct stream *) source;

	static_assert(offsetof(struct stream, source) == 0, "cast from source");
	stream_check(s);
	if (op == RING_OP_RECV) {
		receive_done(s, res, flags);
	} else if (op == RING_OP_SEND) {
		stream_sent(s, res);
	} else {
		assert(op == RING_OP_CONNECT);
		connect_done(s, res);
	}
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int
stream_new(struct ring *r, int fd, const struct stream_ops *ops, void *ctx, struct stream **out)
{
	struct stream *s = stream_alloc(r);
	int rc;

	*out = NULL;
	assert(ops->on_data);
	assert(ops->on_close);
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	rc = ring_source_add(r, &s->source);
	if (rc < 0) {
		close(fd);
		stream_free(s);
		return rc;
	}
	s->fd = fd;
	s->ops = ops;
	s->ctx = ctx;
	*out = s;
	return 0;
}

int
stream_open(struct ring *r, int fd, const struct stream_ops *ops, void *ctx, struct stream **out)
{
	int rc = stream_new(r, fd, ops, ctx, out);

	if (rc == 0) {
		(*out)->state = STREAM_OPEN;
		stream_touch(*out);
	}
	return rc;
}

int
stream_connect(struct ring *r, const struct sockaddr *addr, socklen_t addr_len,
	       const struct stream_ops *ops, void *ctx, struct stream **out)
{
	struct io_uring_sqe *sqe;
	int one = 1, rc;
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*out = NULL;
	if (fd < 0)
		return -errno;
	if (addr->sa_family != AF_UNIX) {
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	}
	rc = stream_new(r, fd, ops, ctx, out);
	if (rc < 0)
		return rc;
	(*out)->state = STREAM_CONNECTING;
	sqe = ring_sqe(r, &(*out)->source, RING_OP_CONNECT);
	sqe->opcode = IORING_OP_CONNECT;
	sqe->fd = fd;
	sqe->addr = (uint64_t) (uintptr_t) addr;
	sqe->off = addr_len;
	return 0;
}

int
stream_tls(struct stream *s, struct tls_context *tls, const char *host)
{
	stream_check(s);
	assert(!s->tls);
	if (s->state != STREAM_OPEN)
		return -ENOTCONN;
	s->tls = tls_session_new(tls, s, host);
	if (!s->tls)
		return -ENOMEM;
	tls_session_start(s->tls);
	return 0;
}

void
stream_tls_received(struct stream *s, struct slice early)
{
	stream_check(s);
	assert(s->tls);
	tls_session_receive(s->tls, early.p, early.n);
}

bool
stream_tls_agreed(const struct stream *s)
{
	return s->tls && tls_session_agreed(s->tls);
}

void
stream_secured(struct stream *s)
{
	if (s->state == STREAM_OPEN && s->ops->on_secure)
		s->ops->on_secure(s->ctx);
}

/* ---- Small things -------------------------------------------------------------------------- */

void
stream_set_owner(struct stream *s, const struct stream_ops *ops, void *ctx)
{
	stream_check(s);
	assert(ops->on_data);
	assert(ops->on_close);
	s->ops = ops;
	s->ctx = ctx;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->tls != NULL;
}

bool
stream_is_paused(const struct stream *s)
{
	return s->paused;
}

void *
stream_ctx(const struct stream *s)
{
	return s->ctx;
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

size_t
stream_size(void)
{
	return sizeof(struct stream);
}
