/* SPDX-License-Identifier: MIT
 *
 * A worker's logged-in server connections that sessions share. A connection belongs to a key: the
 * target and the startup packet it was opened with, so that whatever a RESET goes back to is the
 * same for everybody who gets it. It is
 *
 *   opened ──► idle ──► lent ──► cleaned ──► idle ...     (pool session: DISCARD ALL)
 *                         └──────────────► idle ...       (pool transaction)
 *
 * and closed instead wherever what it is in is not exactly known: a session that ended in the
 * middle of something, an answer that is not the expected one, an error.
 *
 * Waiting sessions are served in the order in which they came, between turns (pool_run), so that
 * giving a connection back never runs another session's commands inside its own.
 *
 * Invariants, asserted here, in session_pool.c and in tests/model/pool.pml:
 *   P1  no reply crosses sessions: only the session that has a connection hands it on, and
 *       what it is owed goes to nobody
 *   P2  a command runs under its session's settings
 *   P3  a cancel ends only commands of the session that asked for it: none is under way when a
 *       connection goes to another
 *   P4  nothing of a session runs where unseen state of another may be: what undoes it goes
 *       ahead, and an error in that ends the connection
 */
#ifndef WEIR_PROXY_POOL_H
#define WEIR_PROXY_POOL_H

#include "io/stream.h"
#include "gate/backend.h"
#include "gate/gate.h"
#include "proxy/pool_quota.h"

struct pool;
struct pool_key;

struct pool_config {
	unsigned worker, n_workers;
	size_t n_targets;
	struct ring *ring;
	struct gate *gate;
	struct pool_quota *quota; /* shared by the workers */
	void *ctx;
	/* Another worker looks at its pool of the target (pool_look); n_workers: all others do. */
	void (*wake)(void *ctx, size_t target, unsigned worker);
	/* The target refused this password: somebody looks at it (pool_look follows). */
	void (*password_refused)(void *ctx, size_t target, uint64_t epoch, uint64_t version);
};

struct pool *pool_open(const struct pool_config *c); /* NULL: no memory */
/* Nothing is kept any more: idle connections are closed, others when they come back. */
void pool_drain(struct pool *p);
void pool_abort(struct pool *p); /* closes all; the ring still turns until they are gone */
void pool_free(struct pool *p);  /* when the ring has let go of them */

/* Between turns: serves those who wait. */
void pool_run(struct pool *p);
/* Another worker gave up a connection of the target, or wants one. */
void pool_look(struct pool *p, size_t target);
/* The configuration may be another. */
void pool_reload(struct pool *p);

/* mode: what a session leaves on a connection in one the other does not take away; startup: names
 * and values as settings_next reads them, `user` and `database` among them; minor: of the protocol
 * that the server is asked for. Counted. */
struct pool_key *pool_key_get(struct pool *p, size_t target, enum pool_mode mode,
			      struct slice startup, uint16_t minor);
void pool_key_put(struct pool_key *k); /* NULL is fine */
/* What the server reported to the last connection of the key; NULL: there was none yet. */
const struct buf *pool_key_welcome(const struct pool_key *k);

/* Who waits; embedded in the connection of its session. */
struct pool_waiter {
	struct pool_waiter *next, *prev;
	struct pool_key *key; /* where it waits; NULL: it does not */
	uint64_t since;
	/* Not called from inside pool_borrow. The stream is the waiter's, until pool_return. */
	void (*lent)(struct pool_waiter *w, struct backend *b, struct stream *stream);
	/* No connection could be opened. word: an ErrorResponse of the server about what was set;
	 * else empty. */
	void (*failed)(struct pool_waiter *w, const char *cause, struct slice word);
};

/* NULL: w waits, or (w->key NULL) too many do. */
struct backend *pool_borrow(struct pool *p, struct pool_key *k, struct pool_waiter *w,
			    struct stream **stream);
void pool_withdraw(struct pool *p, struct pool_waiter *w); /* also when it does not wait */

/* The stream is the pool's again. */
void pool_return(struct pool *p, struct backend *b, enum backend_left left);
/* The stream has closed while it was lent; b is gone. */
void pool_lost(struct pool *p, struct backend *b);

struct pool_stats {
	unsigned open, lent, idle, opening, waiting;
	uint64_t oldest_wait; /* monotonic time since when somebody waits; 0: nobody */
	/* spoiled: not reused, because of what was done on it; prepared: statements that were
	 * prepared for a session that had prepared them elsewhere */
	uint64_t opened, closed, handovers, cleaned, spoiled, waits, refused, prepared;
};
/* By target, where anything has changed since the last call. */
void pool_stats(struct pool *p, struct pool_stats *out);

#endif
