/* SPDX-License-Identifier: MIT
 *
 * A worker: one thread, one ring, one listener (SO_REUSEPORT), its own connections, its own gate
 * and audit lane; nothing is shared on the path of a command. Other threads talk to it by posting
 * messages (a locked queue and a wake-up), which it handles between completions.
 */
#ifndef WEIR_PROXY_WORKER_H
#define WEIR_PROXY_WORKER_H

#include "audit/audit.h"
#include "io/ring.h"
#include "session/approvals.h"
#include "proxy/channels.h"
#include "gate/epoch.h"
#include "gate/gate.h"
#include "proxy/pool.h"

struct worker;

/* What the process gives all its workers. Calls may come from any worker's thread. */
struct worker_host {
	void *ctx;
	/* Asks for a fresh catalog of a target (index in the first epoch's configuration). Returns
	 * at once; worker_post_catalog follows on every worker, also when it failed or did not
	 * change. */
	void (*want_catalog)(void *ctx, size_t target);
	/* A schema change went through the gateway and is counted: a fresh catalog is read and
	 * posted. */
	void (*schema_changed)(void *ctx, size_t target);
	/* A target refused this password of the gateway's login. worker_post_password follows on
	 * every worker. */
	void (*password_refused)(void *ctx, size_t target, uint64_t epoch, uint64_t version);
	/* A CancelRequest for a session of some worker: calls worker_post_cancel there, and it
	 * `cancelled`, which calls worker_post_taken where the request came in. False: there is
	 * no such worker. */
	bool (*cancel)(void *ctx, uint32_t pid, struct slice key, uint64_t waiter);
	void (*cancelled)(void *ctx, uint64_t waiter);
	/* Workers look at their pool of server connections: worker_post_pool there; n_workers: on
	 * all but the one that asks. */
	void (*pool)(void *ctx, size_t target, unsigned worker, unsigned from);
	/* worker_drain was asked for and the last session has ended. */
	void (*drained)(void *ctx, unsigned worker);
};

struct worker_config {
	unsigned index;         /* 0 .. n-1: also its audit lane */
	const struct worker_host *host;
	struct epoch *epoch;    /* a reference of its own: taken over */
	struct audit *audit;
	struct approvals *approvals;
	struct channels *channels;
	struct schema_moves *moves;   /* by target, of all workers */
	unsigned max_connections;     /* of all workers: the kernel deals them out unevenly */
	atomic_uint *n_connections;   /* of all workers, outlives them */
	struct knocks *knocks;        /* of all workers */
	struct pool_quota *quota;     /* of server connections that sessions share */
	unsigned n_workers;
};

/* Starts the thread; returns when it listens or failed (error appended, NULL). */
struct worker *worker_start(const struct worker_config *c, struct buf *error);
/* Any thread. References are taken over. */
void worker_post_epoch(struct worker *w, struct epoch *e);
/* c NULL: there is none, `trouble` (static or copied by the callee) says why. */
void worker_post_catalog(struct worker *w, size_t target, struct catalog_ref *c,
			 const char *trouble, struct catalog_age age);
void worker_post_password(struct worker *w, size_t target, struct password_news news);
void worker_post_cancel(struct worker *w, uint32_t pid, struct slice key, uint64_t waiter);
void worker_post_taken(struct worker *w, uint64_t waiter);
void worker_post_pool(struct worker *w, size_t target);
/* approvals_hooks.changed: `waiter` says which worker (high 32 bits) and session. */
void worker_post_approval(struct worker *w, const char *id, uint64_t waiter);
static inline unsigned
worker_of_waiter(uint64_t waiter)
{
	return (unsigned) (waiter >> 32);
}
static inline unsigned
worker_of_cancel(uint32_t pid)
{
	return pid >> 24;
}
/* Asks for a sign of life; whether the last one that was asked for is there. */
void worker_ping(struct worker *w);
bool worker_answers(const struct worker *w);
/* Stops listening, ends idle sessions, lets busy ones finish their command. */
void worker_drain(struct worker *w);
/* Ends what is left, joins the thread, frees. */
void worker_stop(struct worker *w);

struct worker_stats {
	struct ring_counters ring;
	struct gate_stats gate;
	uint64_t connections, sessions, commands, allowed, denied, held, limited, lookups,
		rows_dropped, cells_masked, auth_failures, protocol_errors, command_allocs,
		accepted, gave_way;
};
/* By target; at most a turn old. */
const struct pool_stats *worker_pools(const struct worker *w);
/* Sums that are at most a turn old. */
void worker_stats(const struct worker *w, struct worker_stats *s);

#endif
