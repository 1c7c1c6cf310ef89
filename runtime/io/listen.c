/* SPDX-License-Identifier: MIT
 *
 * Listeners (multishot accept) and wake-ups from other threads (an eventfd that is always being
 * read).
 */
#include "base/clock.h"
#include "io/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BACKLOG = 4096, RETRY_MS = 100 };

/* ---- Listeners ----------------------------------------------------------------------------- */

static void
accept_arm(void *ctx)
{
	struct ring_listener *l = ctx;
	struct io_uring_sqe *sqe = ring_sqe(l->ring, &l->source, RING_OP_ACCEPT);

	sqe->opcode = IORING_OP_ACCEPT;
	sqe->fd = l->fd;
	sqe->accept_flags = SOCK_CLOEXEC;
	sqe->ioprio = IORING_ACCEPT_MULTISHOT;
}

static void
accept_done(struct ring_source *source, enum ring_op op, int res, uint32_t flags)
{
	struct ring_listener *l = (struct ring_listener *) source;
	struct ring *r = l->ring;

	assert(op == RING_OP_ACCEPT);
	if (res >= 0) {
		r->n.accepts++;
		l->on_accept(l->ctx, res);
		if (source->slot == 0)
			return; /* on_accept closed the listener */
	} else {
		r->n.accept_errors++;
	}
	if (flags & IORING_CQE_F_MORE)
		return;
	/* Out of descriptors or memory does not get better by asking again at once. */
	if (res < 0 && res != -ECONNABORTED && res != -EINTR &&
	    ring_timer_at(r, &l->retry, r->now + RETRY_MS * NS_PER_MS, accept_arm, l) == 0)
		return;
	accept_arm(l);
}

static int
bind_listener(const struct sockaddr *addr, socklen_t addr_len)
{
	int one = 1, rc;
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    /* Inherited by what is accepted. */
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0 ||
	    bind(fd, addr, addr_len) < 0 || listen(fd, BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int
ring_listen(struct ring *r, struct ring_listener *l, const struct sockaddr *addr,
	    socklen_t addr_len, void (*on_accept)(void *ctx, int fd), void *ctx)
{
	struct sockaddr_storage ss = {0};
	socklen_t ss_len = sizeof(ss);
	int rc;

	*l = (struct ring_listener){.ring = r, .on_accept = on_accept, .ctx = ctx, .fd = -1};
	rc = bind_listener(addr, addr_len);
	if (rc < 0)
		return rc;
	l->fd = rc;
	l->source.complete = accept_done;
	rc = getsockname(l->fd, (struct sockaddr *) &ss, &ss_len) < 0 ? -errno : 0;
	if (rc == 0)
		rc = ring_source_add(r, &l->source);
	if (rc < 0) {
		close(l->fd);
		l->fd = -1;
		return rc;
	}
	if (ss.ss_family == AF_INET)
		l->port = ntohs(((struct sockaddr_in *) &ss)->sin_port);
	else if (ss.ss_family == AF_INET6)
		l->port = ntohs(((struct sockaddr_in6 *) &ss)->sin6_port);
	accept_arm(l);
	return 0;
}

void
ring_unlisten(struct ring_listener *l)
{
	if (l->source.slot == 0)
		return;
	ring_timer_stop(l->ring, &l->retry);
	if (l->source.inflight)
		ring_cancel(l->ring, &l->source, RING_OP_ACCEPT);
	ring_source_del(l->ring, &l->source);
	/* The accept holds the socket until the cancel: submit it, so that the port is free now. */
	ring_submit(l->ring);
	close(l->fd);
	l->fd = -1;
}

/* ---- Events -------------------------------------------------------------------------------- */

static void
event_arm(struct ring_event *e)
{
	struct io_uring_sqe *sqe = ring_sqe(e->ring, &e->source, RING_OP_POLL);

	/* Poll, not read: a read would need memory that outlives the event when it is closed. */
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = e->fd;
	sqe->poll32_events = POLLIN;
}

static void
event_done(struct ring_source *source, enum ring_op op, int res, uint32_t flags)
{
	struct ring_event *e = (struct ring_event *) source;
	uint64_t n;

	(void) op, (void) res, (void) flags;
	/* Emptied before the call, so that a signal during it is not lost. */
	if (read(e->fd, &n, sizeof(n)) < 0)
		assert(errno == EAGAIN);
	event_arm(e);
	e->on_event(e->ctx);
}

int
ring_event_open(struct ring *r, struct ring_event *e, void (*on_event)(void *ctx), void *ctx)
{
	int rc;

	*e = (struct ring_event){.ring = r, .on_event = on_event, .ctx = ctx};
	e->source.complete = event_done;
	e->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->fd < 0)
		return -errno;
	rc = ring_source_add(r, &e->source);
	if (rc < 0) {
		close(e->fd);
		return rc;
	}
	event_arm(e);
	return 0;
}

int
ring_event_watch(struct ring *r, struct ring_event *e, int fd, void (*on_event)(void *ctx),
		 void *ctx)
{
	int rc;

	*e = (struct ring_event){
		.ring = r, .fd = fd, .borrowed = true, .on_event = on_event, .ctx = ctx};
	e->source.complete = event_done;
	rc = ring_source_add(r, &e->source);
	if (rc == 0)
		event_arm(e);
	return rc;
}

void
ring_event_close(struct ring_event *e)
{
	if (e->source.slot == 0)
		return;
	ring_cancel(e->ring, &e->source, RING_OP_POLL);
	ring_source_del(e->ring, &e->source);
	if (!e->borrowed)
		close(e->fd);
}

void
ring_event_signal(const struct ring_event *e)
{
	uint64_t one = 1;

	/* EAGAIN: the counter is full, so a wake-up is under way anyway. */
	if (write(e->fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}
