/* SPDX-License-Identifier: MIT
 *
 * The inside of a ring, shared by the files of io/ only.
 */
#ifndef WEIR_IO_INTERNAL_H
#define WEIR_IO_INTERNAL_H

#include "io/ring.h"
#include "io/uapi.h"

#include <sys/uio.h>

enum {
	BUFFER_GROUP = 0,
	SCRATCH_IOVECS = 4096,
	STREAM_SLAB = 32,
	PIECE_SLAB = 256,
};

/* user_data: operation 8, generation 24, slot 32. */
struct slot {
	struct ring_source *source; /* NULL: free, or only orphans left */
	uint32_t generation;        /* 24 bits */
	uint32_t orphans;           /* completions owed to sources that are gone */
	uint32_t next_free;
};

/* Work to do before the next wait; in the list at most once. */
struct ring_task {
	struct ring_task *next;
	void (*run)(struct ring_task *t);
	bool queued;
};

/* Some bytes of a buffer in a send queue. */
struct piece {
	struct piece *next;
	struct iobuf *buf;
	const uint8_t *p;
	size_t n;
};

struct pool {
	uint8_t *memory; /* max * IOBUF_BYTES, untouched until used */
	struct iobuf *bufs;
	struct io_uring_buf_ring *br;
	size_t br_bytes;
	unsigned br_entries;
	uint16_t br_tail;
	uint16_t *order;    /* buffer at each position of br: bundles name only the first */
	uint16_t *position; /* of each buffer, while given */
	struct iobuf *spare;
	unsigned max, hot, fresh; /* fresh: buffers ever taken from memory */
	unsigned given, n_spare;
};

struct stream;
struct ring {
	struct io_uring uring;
	struct ring_counters n;
	uint64_t now;
	unsigned features;
	unsigned enter_flags;
	bool bundle;
	bool again; /* a task called back: look at everything once more before waiting */
	bool at_once; /* short sends go by a call of their own */
	unsigned n_quick; /* sends of this turn that complete at once */
	uint64_t kept_ns; /* the earliest timer that the kernel keeps; 0 none */
	uint32_t kept_id; /* of that timer */
	struct __kernel_timespec kept;

	struct pool pool;

	struct slot *slots;
	uint32_t n_slots, max_slots, free_slot, live;

	struct ring_task *tasks, **tasks_end;
	void (*before_wait)(void *ctx);
	void *before_wait_ctx;
	void (*after_submit)(void *ctx);
	void *after_submit_ctx;
	bool submits; /* before after_submit, what it must not hold up */

	struct ring_timer **heap;
	uint32_t n_timers, cap_timers;

	/* sendmsg arguments: the kernel copies them at submit (IORING_FEAT_SUBMIT_STABLE) */
	struct msghdr *scratch_msg;
	struct iovec *scratch_iov;
	unsigned n_scratch_msg, n_scratch_iov;

	/* slabs: chained through their first word, freed with the ring */
	void *slabs;
	struct piece *free_pieces;
	struct stream *free_streams;
	struct stream *starved, **starved_end;

	char describe[128];
};

int pool_init(struct ring *r, unsigned hot, unsigned max);
void pool_fini(struct ring *r);
/* The buffers of a receive completion, in order. */
struct iobuf *pool_taken(struct ring *r, uint32_t cqe_flags);
struct iobuf *pool_taken_next(struct ring *r, struct iobuf *b);
/* Gives overflow buffers to the kernel; false when there are none left. */
bool pool_grow(struct ring *r);

void *ring_slab(struct ring *r, size_t n_bytes);
void ring_task_add(struct ring *r, struct ring_task *t);
/* Submits without waiting; the scratch area is free again. */
void ring_submit(struct ring *r);
void timers_run(struct ring *r);
uint64_t timers_next(const struct ring *r); /* UINT64_MAX: none */
void stream_unstarve(struct ring *r);

#endif
