/* SPDX-License-Identifier: MIT
 *
 * Streams. At most one receive and one send of a stream are in flight. Callbacks and stream_ functions
 * only change state and put the stream on the ring's task list; what that means for the kernel is
 * decided in one place, stream_step, once per turn.
 *
 *   CONNECTING --> OPEN --stream_close--> FLUSHING --> LINGERING --> DEAD --> on_close
 *        \__________\_____stream_abort, error, or the peer is gone____/
 *
 * LINGERING: everything is sent and the write side shut down; what still arrives is read and dropped
 * until the peer closes too. Closing a socket with unread bytes would reset it, and the peer might
 * lose the last error message it was sent.
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
	STREAM_MAGIC = 0x5eaf10e5,
	MAX_IOVECS = 64,
	SMALL_PIECE = 2048,      /* behind a blocked send, smaller ones are copied */
	PACED_FULL = 64 * 1024,  /* a receive of this size is not followed by a pause */
	PACE_AFTER = 256 * 1024, /* bytes since stream_pace before it has an effect: a small result
				  * never waits */
	CLOSE_MS = 5000,
};

static_assert(sizeof(struct stream) <= 320, "10,000 idle streams are to cost little");

static void stream_complete(struct ring_source *source, enum ring_op op, int res, uint32_t flags);
static void stream_step(struct ring_task *task);

static void
check(const struct stream *s)
{
	assert(s->magic == STREAM_MAGIC);
}

static void
touch(struct stream *s)
{
	ring_task_add(s->ring, &s->task);
}

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

static struct piece *
piece_alloc(struct ring *r)
{
	struct piece *e = r->free_pieces;

	if (!e) {
		struct piece *slab = ring_slab(r, PIECE_SLAB * sizeof(*slab));

		for (int i = 0; slab && i < PIECE_SLAB; i++) {
			slab[i].next = r->free_pieces;
			r->free_pieces = &slab[i];
		}
		e = r->free_pieces;
		if (!e)
			return NULL;
	}
	r->free_pieces = e->next;
	return e;
}

static void
piece_free(struct ring *r, struct piece *e)
{
	e->next = r->free_pieces;
	r->free_pieces = e;
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
	touch(s);
}

static void
drop_queue(struct stream *s)
{
	for (struct piece *e = s->head, *next; e; e = next) {
		next = e->next;
		iobuf_put(e->buf);
		piece_free(s->ring, e);
	}
	s->head = s->tail = NULL;
	s->queued = 0;
	if (s->out)
		iobuf_put(s->out);
	s->out = NULL;
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
		drop_queue(s);
	if (s->source.inflight) {
		struct io_uring_sqe *sqe = ring_sqe(s->ring, NULL, RING_OP_NONE);

		sqe->opcode = IORING_OP_ASYNC_CANCEL;
		sqe->fd = s->fd;
		sqe->cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
		s->ring->n.cancels++;
	}
	touch(s);
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
		touch(s);
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

	drop_queue(s);
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
	check(s);
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
stream_abort(struct stream *s)
{
	check(s);
	die(s);
}

/* ---- Receiving ----------------------------------------------------------------------------- */

static void
pace_over(void *ctx)
{
	touch(ctx);
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

	/* Single shots, each bounded, where the reader or the clock sets the pace: nothing has to be
	 * cancelled to stop them. Otherwise one multishot lasts as long as the connection is quick. */
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
	if (n < SMALL_PIECE && !s->paused)
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
		touch(s);
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
	check(s);
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
	check(s);
	s->paused = false;
	touch(s);
}

void
stream_pace(struct stream *s, unsigned usec)
{
	check(s);
	if (s->pace_usec == usec)
		return;
	s->pace_usec = usec;
	s->pace_bytes = 0;
	if (usec == 0 && s->state == STREAM_OPEN && s->timer.index) {
		ring_timer_stop(s->ring, &s->timer);
		touch(s);
	}
}

/* ---- Sending ------------------------------------------------------------------------------- */

static bool
takes_bytes(const struct stream *s)
{
	return s->state == STREAM_OPEN || s->state == STREAM_CONNECTING;
}

static void
grew(struct stream *s, size_t n)
{
	s->queued += n;
	if (s->queued > STREAM_HIGH)
		s->want_drain = true;
	touch(s);
}

static void
append_piece(struct stream *s, struct iobuf *buf, const uint8_t *p, size_t n)
{
	struct piece *e = s->tail;

	/* The kernel has its own copy of the list it was given, so the last piece may grow even while it
	 * is being sent; what was sent is counted in bytes. */
	if (e && e->buf == buf && e->p + e->n == p) {
		e->n += n;
		grew(s, n);
		return;
	}
	e = piece_alloc(s->ring);
	if (!e) {
		stream_fail(s, -ENOMEM, "out of memory for the send queue");
		return;
	}
	*e = (struct piece){.buf = iobuf_ref(buf), .p = p, .n = n};
	if (s->tail)
		s->tail->next = e;
	else
		s->head = e;
	s->tail = e;
	grew(s, n);
}

void
stream_queue_copy(struct stream *s, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n > 0 && takes_bytes(s)) {
		size_t room, part;

		if (s->out && s->out_used == IOBUF_BYTES) {
			iobuf_put(s->out);
			s->out = NULL;
		}
		if (!s->out) {
			s->out = iobuf_new(s->ring);
			s->out_used = 0;
		}
		if (!s->out) {
			stream_fail(s, -ENOBUFS, "every buffer is in use");
			return;
		}
		room = IOBUF_BYTES - s->out_used;
		part = n < room ? n : room;
		memcpy(s->out->p + s->out_used, from, part);
		s->ring->n.bytes_copied += part;
		append_piece(s, s->out, s->out->p + s->out_used, part);
		s->out_used += (uint32_t) part;
		from += part;
		n -= part;
	}
}

void
stream_send_copy(struct stream *s, const void *p, size_t n)
{
	check(s);
	if (!takes_bytes(s) || n == 0)
		return;
	if (s->tls)
		tls_session_send(s->tls, p, n);
	else
		stream_queue_copy(s, p, n);
}

void
stream_send_ref(struct stream *s, struct iobuf *buf, const uint8_t *p, size_t n)
{
	check(s);
	assert(buf->refs > 0);
	if (!takes_bytes(s) || n == 0)
		return;
	if (s->tls)
		tls_session_send(s->tls, p, n);
	else if (n < SMALL_PIECE && s->sending && !(s->tail && s->tail->p + s->tail->n == p))
		stream_queue_copy(s, p, n);
	else
		append_piece(s, buf, p, n);
}

static void
arm_send(struct stream *s)
{
	struct ring *r = s->ring;
	struct io_uring_sqe *sqe;
	struct msghdr *msg;
	struct iovec *iov;
	size_t n = 0;

	if (!s->head->next) {
		sqe = ring_sqe(r, &s->source, RING_OP_SEND);
		sqe->opcode = IORING_OP_SEND;
		sqe->addr = (uint64_t) (uintptr_t) s->head->p;
		/* One call of the kernel's takes at most 2 GiB; a queue is far below. */
		sqe->len = (uint32_t) s->head->n;
	} else {
		if (r->n_scratch_iov + MAX_IOVECS > SCRATCH_IOVECS ||
		    r->n_scratch_msg == r->uring.sq.ring_entries)
			ring_submit(r);
		/* First the submission: getting one may itself submit and reset the scratch area. */
		sqe = ring_sqe(r, &s->source, RING_OP_SEND);
		msg = &r->scratch_msg[r->n_scratch_msg++];
		iov = &r->scratch_iov[r->n_scratch_iov];
		for (struct piece *e = s->head; e && n < MAX_IOVECS; e = e->next)
			iov[n++] = (struct iovec){.iov_base = (void *) e->p, .iov_len = e->n};
		r->n_scratch_iov += (unsigned) n;
		*msg = (struct msghdr){.msg_iov = iov, .msg_iovlen = n};
		sqe->opcode = IORING_OP_SENDMSG;
		sqe->addr = (uint64_t) (uintptr_t) msg;
		sqe->len = 1;
	}
	sqe->fd = s->fd;
	sqe->msg_flags = MSG_NOSIGNAL;
	s->sending = true;
}

static void
sent(struct stream *s, size_t n)
{
	assert(n <= s->queued);
	s->queued -= n;
	while (n > 0) {
		struct piece *e = s->head;

		if (n < e->n) {
			e->p += n;
			e->n -= n;
			return;
		}
		n -= e->n;
		s->head = e->next;
		if (!s->head)
			s->tail = NULL;
		iobuf_put(e->buf);
		piece_free(s->ring, e);
	}
	if (!s->head && s->out) {
		iobuf_put(s->out);
		s->out = NULL;
	}
}

static void
send_done(struct stream *s, int res)
{
	s->sending = false;
	if (s->state == STREAM_DEAD) {
		touch(s);
		return;
	}
	if (res > 0) {
		s->ring->n.sends++;
		s->ring->n.bytes_out += (uint64_t) res;
		sent(s, (size_t) res);
	} else if (res != -EAGAIN && res != -EINTR) {
		stream_fail(s, res ? res : -EPIPE, NULL);
		return;
	}
	if (s->head || s->state != STREAM_OPEN)
		touch(s);
	if (s->want_drain && s->queued <= STREAM_LOW) {
		s->want_drain = false;
		if (s->state == STREAM_OPEN && s->ops->on_drain)
			s->ops->on_drain(s->ctx);
	}
}

size_t
stream_queued(const struct stream *s)
{
	check(s);
	return s->queued;
}

/* ---- Steps --------------------------------------------------------------------------------- */

/* What the state asks of the kernel now. */
static void
stream_step(struct ring_task *task)
{
	struct stream *s = (struct stream *) ((uint8_t *) task - offsetof(struct stream, task));

	check(s);
	if (s->state == STREAM_DEAD) {
		if (s->source.inflight == 0)
			bury(s);
		return;
	}
	if (s->state == STREAM_CONNECTING)
		return;
	if (s->head && !s->sending)
		arm_send(s);
	if (s->state == STREAM_FLUSHING && !s->head && !s->sending) {
		if (s->eof) {
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
		touch(s);
		return;
	}
	if (res < 0) {
		stream_fail(s, res, NULL);
		return;
	}
	s->ring->n.connects++;
	s->state = STREAM_OPEN;
	touch(s);
	if (s->ops->on_connect)
		s->ops->on_connect(s->ctx);
}

static void
stream_complete(struct ring_source *source, enum ring_op op, int res, uint32_t flags)
{
	struct stream *s = (struct stream *) source;

	static_assert(offsetof(struct stream, source) == 0, "cast from source");
	check(s);
	if (op == RING_OP_RECV) {
		receive_done(s, res, flags);
	} else if (op == RING_OP_SEND) {
		send_done(s, res);
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
		touch(*out);
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
	check(s);
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
stream_secured(struct stream *s)
{
	if (s->state == STREAM_OPEN && s->ops->on_secure)
		s->ops->on_secure(s->ctx);
}

/* ---- Small things -------------------------------------------------------------------------- */

void
stream_set_owner(struct stream *s, const struct stream_ops *ops, void *ctx)
{
	check(s);
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

struct ring *
stream_ring(const struct stream *s)
{
	return s->ring;
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
