/* SPDX-License-Identifier: MIT
 *
 * The audit log as the gateway uses it. Each thread that records has a lane of its own (workers
 * 0 .. n-1, control n ...): a lock-free queue from which the committer thread takes records, writes
 * them with one linked write + fdatasync per batch, and tells the lane how far it is durable.
 *
 * One turn of a worker's loop:
 *
 *   t = audit_submit(a, lane, leaf);            for each record; 0 = refused, refuse the command
 *   park the command under t                     (tickets of a lane rise by one, from 1)
 *   ... before going to sleep, every turn that submitted or still has something parked:
 *   seen = the last value of audit_durable() this worker acted upon
 *   while (!audit_arm(a, lane, seen))            there is news already: act on it now
 *           seen = audit_durable(a, lane), release what is parked up to seen
 *   sleep in the ring; audit_eventfd(a, lane) has a read or poll armed there
 *   on its completion: seen = audit_durable(), release, arm again
 *
 * No wake-up is lost: audit_arm publishes the wish, then looks at the durable ticket again; the
 * committer publishes the durable ticket, then looks for the wish. One of them sees the other. A
 * wish is used up by the eventfd write that answers it, so a batch costs a lane at most one.
 *
 * When the log fails (two write errors) audit_durable stands still, audit_state says AUDIT_FAILED,
 * every armed lane is woken and audit_arm returns false: parked commands must be refused. When the
 * disk is full (AUDIT_FULL) every armed lane is woken once and submits are refused; what was
 * submitted before becomes durable as soon as there is room, so a parked command may wait or be
 * refused.
 *
 * Records of one lane keep their order. A record of another lane comes later in the log only if it
 * was submitted after the first one was durable.
 */
#ifndef WEIR_AUDIT_AUDIT_H
#define WEIR_AUDIT_AUDIT_H

#include "audit/record.h"

#include <pthread.h>

struct audit;

enum audit_state {
	AUDIT_OPEN,
	AUDIT_FULL,   /* below the disk reserve: submits refused; opens again when there is room */
	AUDIT_FAILED, /* writing failed twice: closed until the process restarts */
};

struct audit_options {
	const char *state_path; /* folder; audit/ and keys/ below it are created 0700 */
	const char *origin;     /* NULL: the folder's own, or HOSTNAME/audit when it is new */
	unsigned lanes;
	uint64_t segment_bytes; /* 0: 64 MiB */
	size_t lane_bytes;      /* queue of a lane, rounded up to a power of two; 0: 1 MiB */
	uint64_t reserve_bytes; /* free space below which submits are refused; 0: 128 MiB */
	unsigned heartbeat_s;   /* 0: 60 */
	const char *detail;     /* for log.state, what opens it if not a gateway; may be NULL */
	const char *version;    /* of this program, for log.state; may be NULL */
};

/* Recovers the log in the folder or starts a new one, and starts the committer. On failure 0 is not
 * returned and *error (caller's buffer, appended) says what is wrong and what to do. The log is
 * locked: a second process gets an error. */
int audit_open(struct audit **a, const struct audit_options *o, struct buf *error) MUST_CHECK;
/* Flushes what was submitted, writes a last checkpoint, ends the thread. Lanes must be quiet. */
void audit_close(struct audit *a);

/* Copies the leaf (1 .. AUDIT_LEAF_MAX bytes) into the lane. The ticket, or 0 when the lane is full
 * (back-pressure: try again after audit_durable moved) or the log does not take records
 * (audit_state). Never blocks, makes no system call; the record travels with the next
 * audit_arm or audit_flush of any lane. A session's sseq is counted up only when this succeeds. */
uint64_t audit_submit(struct audit *a, unsigned lane, struct slice leaf) MUST_CHECK;
/* Wakes the committer if it sleeps. audit_arm does it too. */
void audit_flush(struct audit *a, unsigned lane);

uint64_t audit_durable(const struct audit *a, unsigned lane);
bool audit_arm(struct audit *a, unsigned lane, uint64_t seen) MUST_CHECK;
int audit_eventfd(const struct audit *a, unsigned lane);
enum audit_state audit_state(const struct audit *a);

/* Commits what all lanes hold on the calling thread, which blocks for the flush: for a worker that
 * has nothing else to do. False: nothing was committed, because the committer is at work or has
 * something unusual to do first; audit_arm as always then. */
bool audit_commit_now(struct audit *a) MUST_CHECK;

/* Blocks until the ticket is durable; false when the log failed first. For control threads. */
bool audit_wait(struct audit *a, unsigned lane, uint64_t ticket) MUST_CHECK;

/* Blocks until a signed head covers `size` records. False: that takes longer than a minute, or the
 * log failed. For control threads. */
bool audit_wait_signed(struct audit *a, uint64_t size) MUST_CHECK;
int audit_folder(const struct audit *a); /* the descriptor of its folder, which stays the log's */
/* Held while holds change and while it is decided that something is pruned. */
pthread_mutex_t *audit_hold_lock(struct audit *a);

struct audit_stats {
	uint64_t records, bytes, batches, segments, checkpoints, sync_errors;
	uint64_t tree_size, signed_size, checkpoint_wall_ns;
	uint64_t commit_ns; /* summed over batches: write + fdatasync */
	uint64_t cpu_ns;    /* of the committer thread */
	uint64_t alone_batches, alone_cpu_ns; /* of audit_commit_now: on the workers' threads */
};
void audit_stats(const struct audit *a, struct audit_stats *s);

#endif
