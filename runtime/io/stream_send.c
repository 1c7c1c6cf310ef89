/* SPDX-License-Identifier: MIT
 *
 * The sending half of a stream: a queue of pieces of buffers, at most one send in flight, gathered
 * from as many pieces as one sendmsg takes.
 */
#include "io/stream_internal.h"

#include <errno.h>
#include <string.h>

enum {
	MAX_IOVECS = 64,
	QUICK_BYTES = 4096, /* so few fit a socket, unless its reader is slow */
	DOUBT = 100,	    /* sends of a slow reader's that nobody counts on */
};

/* ---- The queue ----------------------------------------------------------------------------- */

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

void
stream_drop_queue(struct stream *s)
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
	stream_touch(s);
}

static void
append_piece(struct stream *s, struct iobuf *buf, const uint8_t *p, size_t n)
{
	struct piece *e = s->tail;

	/* The kernel has its own copy of the list it was given, so the last piece may grow even
	 * while it is being sent; what was sent is counted in bytes. */
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
	stream_check(s);
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
	stream_check(s);
	assert(buf->refs > 0);
	if (!takes_bytes(s) || n == 0)
		return;
	if (s->tls)
		tls_session_send(s->tls, p, n);
	else if (n < STREAM_SMALL && s->sending && !(s->tail && s->tail->p + s->tail->n == p))
		stream_queue_copy(s, p, n);
	else
		append_piece(s, buf, p, n);
}

/* ---- The kernel ---------------------------------------------------------------------------- */

/* What is not taken is left to the ring. */
static void
send_at_once(struct stream *s)
{
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	struct iovec iov[MAX_IOVECS];
	struct msghdr msg = {.msg_iov = iov};
	size_t queued = s->queued;
	ssize_t n;

	if (!s->head->next) {
		n = send(s->fd, s->head->p, s->head->n, flags);
	} else {
		for (struct piece *e = s->head; e && msg.msg_iovlen < MAX_IOVECS; e = e->next)
			iov[msg.msg_iovlen++] =
				(struct iovec){.iov_base = (void *) e->p, .iov_len = e->n};
		n = sendmsg(s->fd, &msg, flags);
	}
	s->ring->n.calls++;
	s->armed_turn = (uint32_t) s->ring->n.turns;
	if (n < (ssize_t) queued)
		s->doubt = DOUBT;
	stream_sent(s, n < 0 ? -errno : (int) n);
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
		/* First the submission: getting one may itself submit and reset the scratch
		 * area. */
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
	s->armed_turn = (uint32_t) r->n.turns;
	if (s->doubt)
		s->doubt--;
	else
		r->n_quick += s->queued <= QUICK_BYTES;
}

void
stream_push(struct stream *s)
{
	if (s->head && !s->sending && s->ring->at_once && !s->doubt && s->queued <= QUICK_BYTES)
		send_at_once(s);
	if (s->head && !s->sending && s->state != STREAM_DEAD)
		arm_send(s);
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

void
stream_sent(struct stream *s, int res)
{
	s->sending = false;
	if (s->armed_turn != (uint32_t) s->ring->n.turns)
		s->doubt = DOUBT;
	if (s->state == STREAM_DEAD) {
		stream_touch(s);
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
		stream_touch(s);
	if (s->want_drain && s->queued <= STREAM_LOW) {
		s->want_drain = false;
		if (s->state == STREAM_OPEN && s->ops->on_drain)
			s->ops->on_drain(s->ctx);
	}
}

size_t
stream_queued(const struct stream *s)
{
	stream_check(s);
	return s->queued;
}
