/* SPDX-License-Identifier: MIT
 *
 * Connections to a target that say nothing but CancelRequest. Each outlives the connection that
 * sent it off, if it must.
 */
#include "proxy/conn.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

enum { CANCEL_S = 10 }; /* a target that does not close the connection by then will not */

struct canceller {
	struct canceller *next;
	struct conn *conn; /* NULL: gone */
	struct stream *stream;
	struct ring_timer timer;
	struct ring *ring;
	struct sockaddr_storage addr;
	uint8_t packet[512];
	size_t n;
	bool settled; /* the server has read it, and signalled who runs the command */
};

static void
canceller_connect(void *ctx)
{
	struct canceller *k = ctx;

	stream_send_copy(k->stream, k->packet, k->n);
}

/* The server closes it when it has signalled the backend. */
static void
canceller_eof(void *ctx)
{
	struct canceller *k = ctx;

	k->settled = true;
	stream_close(k->stream);
}

static void
canceller_late(void *ctx)
{
	struct canceller *k = ctx;

	stream_abort(k->stream);
}

static void
canceller_data(void *ctx UNUSED, struct iobuf *buf UNUSED, uint8_t *p UNUSED, size_t n UNUSED)
{
}

static void
canceller_close(void *ctx, int error, const char *reason)
{
	struct canceller *k = ctx;
	struct conn *c = k->conn;
	bool settled = k->settled;

	if (error)
		log_warn("cancel request not delivered cause=%s", log_quote(reason).text);
	ring_timer_stop(k->ring, &k->timer);
	for (struct canceller **at = c ? &c->cancellers : NULL; at && *at; at = &(*at)->next)
		if (*at == k) {
			*at = k->next;
			break;
		}
	free(k);
	if (c)
		session_cancel_done(c->session, settled);
}

static const struct stream_ops canceller_ops = {.on_data = canceller_data,
						.on_eof = canceller_eof,
						.on_connect = canceller_connect,
						.on_close = canceller_close};

bool
cancellers_send(struct conn *c, struct slice packet)
{
	struct canceller *k;
	socklen_t len = sizeof(k->addr);

	assert(packet.n <= sizeof(k->packet));
	k = calloc(1, sizeof(*k));
	if (!k)
		return false;
	memcpy(k->packet, packet.p, packet.n);
	k->n = packet.n;
	/* Of several addresses it is the one that the command runs at. */
	if (!c->server ||
	    getpeername(stream_fd(c->server), (struct sockaddr *) &k->addr, &len) < 0) {
		free(k);
		return false;
	}
	k->ring = worker_shared(c->worker)->ring;
	if (stream_connect(k->ring, (struct sockaddr *) &k->addr, len, &canceller_ops, k,
			   &k->stream) < 0) {
		free(k);
		return false;
	}
	if (ring_timer_at(k->ring, &k->timer, ring_now(k->ring) + CANCEL_S * NS_PER_S,
			  canceller_late, k) < 0)
		log_error("no memory for a timer");
	k->conn = c;
	k->next = c->cancellers;
	c->cancellers = k;
	return true;
}

void
cancellers_forget(struct conn *c)
{
	for (struct canceller *k = c->cancellers; k; k = k->next)
		k->conn = NULL;
}
