/* SPDX-License-Identifier: MIT
 *
 * A connection: a session with its two streams, the host that the session calls on. Private to
 * the worker.
 */
#ifndef WEIR_PROXY_CONN_H
#define WEIR_PROXY_CONN_H

#include "io/stream.h"
#include "proxy/dial.h"
#include "proxy/pool.h"
#include "session/session.h"
#include "proxy/worker.h"

struct conn {
	struct worker *worker;
	struct session *session;
	struct stream *client, *server;
	struct iobuf *delivery; /* the chunk being delivered: what `forward` refers to */
	struct ring_timer timer;
	struct dial dial;
	bool server_up; /* it came to a connection */
	bool hung_up;	/* which the session ended, to try another */
	struct canceller *cancellers; /* CancelRequests on their way */
	struct pool_key *key; /* of the shared server connections it uses; NULL: none yet */
	struct pool_waiter waiter;
	struct conn *login_next, *login_prev; /* of worker_shared.logins */
	uint32_t slot;
	bool in_logins;
	bool closing;
	bool hurries; /* who it is told to is not waited for */
	bool direct_tls; /* the client began with the TLS handshake */
	/* Parked until a record is durable. */
	uint64_t wait_ticket; /* 0: not parked */
	struct conn *wait_next, **wait_at;
};

/* Takes over fd. */
void conn_open(struct worker *w, int fd);
/* Says 57P01 to the client and cancels what runs; its reader may take its time. */
void conn_end_soon(struct conn *c);
/* The gateway stops: who is told good-bye is not waited for. */
void conn_drain(struct conn *c);
void conn_end_now(struct conn *c);

/* canceller.c: sends a CancelRequest to where c's command runs. True: session_cancel_done
 * follows. */
bool cancellers_send(struct conn *c, struct slice packet) MUST_CHECK;
void cancellers_forget(struct conn *c); /* it goes */

/* worker.c, for conn.c */
struct worker_shared {
	struct ring *ring;
	struct session_env env;
	struct pool *pool;
	struct conn **conns; /* by slot */
	uint32_t *free_slots;
	uint32_t n_free, n_conns;
	struct {
		struct conn *first, *last; /* in the order in which they came */
	} logins; /* who has not logged in; and may have, since */
	uint64_t gave_way; /* connections, for others to log in */
	struct conn *parked;
	const struct conn *last_active; /* whose bytes came last; only compared: it may be gone */
	unsigned n_in_a_row;		/* deliveries to it with no other in between */
	uint64_t durable; /* the last ticket acted upon */
	uint64_t wall, wall_at; /* the time of day when ring_now() was wall_at: asked once a turn */
	bool unflushed;   /* records were submitted since the committer was last woken */
	bool draining;
	uint64_t accepted;
};
struct worker_shared *worker_shared(struct worker *w);
const struct worker_config *worker_config(const struct worker *w);
void worker_conn_gone(struct worker *w, struct conn *c);
/* A target refused this password: it is tried no more until somebody has looked at it. */
void worker_password_refused(struct worker *w, size_t target, uint64_t epoch, uint64_t version);

#endif
