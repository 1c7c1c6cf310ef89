/* SPDX-License-Identifier: MIT
 *
 * The ring itself: probing and setup, submission, the turn, and the table of slots that tells a
 * completion for a living source from one that comes too late.
 */
#include "io/ring.h"

#include "base/clock.h"
#include "io/internal.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	DEFAULT_SQ = 512,
	DEFAULT_CQ = 4096,
	DEFAULT_SLOTS = 4096,
	DEFAULT_HOT = 64,
	DEFAULT_BUFFERS = 4096,
	NO_SLOT = UINT32_MAX,
	TIMER_SLACK_NS = 5000,
	/* Timers due in between are the kernel's to keep (keep_timer). */
	TIMER_NEAR_NS = 500 * 1000,
	TIMER_FAR_NS = 8 * 1000 * 1000,
	/* Nobody waits longer than this for a turn that waits for several completions. */
	SEVERAL_NS = 4 * 1000 * 1000,
};

/* ---- Setup --------------------------------------------------------------------------------- */

static int
probe_queue(struct ring *r, const struct ring_config *c, bool *defer)
{
	static const unsigned tries[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	};
	int rc = -EINVAL;

	for (size_t i = 0; i < COUNT_OF(tries) && rc == -EINVAL; i++) {
		struct io_uring_params p = {
			.flags = tries[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
			.cq_entries = c->cq_entries ? c->cq_entries : DEFAULT_CQ,
		};

		rc = io_uring_queue_init_params(c->sq_entries ? c->sq_entries : DEFAULT_SQ,
						&r->uring, &p);
		*defer = i == 0;
		r->features = p.features;
	}
	return rc;
}

static void
explain(int rc, char *err, size_t err_n)
{
	const char *why = strerror(-rc);

	if (rc == -ENOSYS)
		why = "this kernel has no io_uring; Linux 6.1 or newer is needed";
	else if (rc == -EPERM || rc == -EACCES)
		why = "io_uring is not permitted here: see sysctl kernel.io_uring_disabled and the "
		      "container's seccomp profile";
	else if (rc == -EINVAL)
		why = "this kernel's io_uring is too old; Linux 6.1 or newer is needed";
	else if (rc == -ENOMEM)
		why = "not enough memory for the ring: raise RLIMIT_MEMLOCK (ulimit -l), or run "
		      "fewer workers";
	snprintf(err, err_n, "cannot open the event loop: %s", why);
}

int
ring_open(struct ring **ring, const struct ring_config *c, char *err, size_t err_n)
{
	const unsigned needed =
		IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;
	unsigned hot = c->hot_buffers ? c->hot_buffers : DEFAULT_HOT;
	unsigned max = c->max_buffers ? c->max_buffers : DEFAULT_BUFFERS;
	struct ring *r = calloc(1, sizeof(*r));
	bool defer = false;
	int rc;

	*ring = NULL;
	if (!r) {
		explain(-ENOMEM, err, err_n);
		return -ENOMEM;
	}
	rc = probe_queue(r, c, &defer);
	if (rc < 0) {
		explain(rc, err, err_n);
		free(r);
		return rc;
	}
	if ((r->features & needed) != needed) {
		rc = -EINVAL;
		goto fail;
	}
	r->bundle = !c->no_bundle && (r->features & IORING_FEAT_RECVSEND_BUNDLE);
	r->tasks_end = &r->tasks;
	r->starved_end = &r->starved;
	r->max_slots = (c->max_slots ? c->max_slots : DEFAULT_SLOTS) + 1;
	r->slots = calloc(r->max_slots, sizeof(*r->slots));
	r->n_slots = 1; /* slot 0 means none */
	r->free_slot = NO_SLOT;
	r->scratch_msg = calloc(r->uring.sq.ring_entries, sizeof(*r->scratch_msg));
	r->scratch_iov = calloc(SCRATCH_IOVECS, sizeof(*r->scratch_iov));
	rc = -ENOMEM;
	if (!r->slots || !r->scratch_msg || !r->scratch_iov)
		goto fail;
	rc = pool_init(r, hot, max);
	if (rc < 0)
		goto fail;
	/* Saves a look-up of the descriptor per enter; not essential. */
	if (io_uring_register_ring_fd(&r->uring) == 1)
		r->enter_flags = IORING_ENTER_REGISTERED_RING;
	/* Pacing works in tens of microseconds; the default slack is 50. */
	(void) prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
	r->now = clock_mono_ns();
	snprintf(r->describe, sizeof(r->describe), "%s%s buffers %u+%ux16KiB",
		 defer ? "defer-taskrun" : "coop-taskrun (Linux 6.1 has a faster mode)",
		 r->bundle ? " bundle" : "", hot, max - hot);
	*ring = r;
	return 0;
fail:
	explain(rc, err, err_n);
	ring_close(r);
	return rc;
}

void
ring_close(struct ring *r)
{
	assert(r->live == 0);
	if (r->uring.sq.sqe_tail != *r->uring.sq.khead)
		ring_submit(r);
	io_uring_queue_exit(&r->uring);
	pool_fini(r);
	for (void *slab = r->slabs, *next; slab; slab = next) {
		next = *(void **) slab;
		free(slab);
	}
	free(r->slots);
	free(r->scratch_msg);
	free(r->scratch_iov);
	free(r->heap);
	free(r);
}

/* Zeroed memory that lives as long as the ring; NULL when there is none. */
void *
ring_slab(struct ring *r, size_t n_bytes)
{
	void **slab = calloc(1, sizeof(max_align_t) + n_bytes);

	static_assert(sizeof(max_align_t) >= sizeof(void *), "the link comes first");
	if (!slab)
		return NULL;
	*slab = r->slabs;
	r->slabs = slab;
	r->n.allocs++;
	return (uint8_t *) slab + sizeof(max_align_t);
}

/* ---- Submission ---------------------------------------------------------------------------- */

/* What liburing does on submit; done here because liburing 2.3 may enter more than once, or not
 * at all. */
static unsigned
sq_flush(struct io_uring_sq *sq)
{
	unsigned tail = *sq->ktail;
	unsigned n = sq->sqe_tail - sq->sqe_head;

	for (unsigned i = 0; i < n; i++)
		sq->array[tail++ & sq->ring_mask] = sq->sqe_head++ & sq->ring_mask;
	io_uring_smp_store_release(sq->ktail, tail);
	/* Not n: a former enter may have left some. */
	return tail - io_uring_smp_load_acquire(sq->khead);
}

static int
ring_enter(struct ring *r, unsigned wait_nr, uint64_t wait_ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t) (wait_ns / NS_PER_S),
		.tv_nsec = (long long) (wait_ns % NS_PER_S),
	};
	struct io_uring_getevents_arg arg = {
		.ts = wait_ns == UINT64_MAX ? 0 : (uint64_t) (uintptr_t) &ts,
	};
	unsigned n = sq_flush(&r->uring.sq);
	int rc;

	r->n.enters++;
	/* GETEVENTS always: it is what runs deferred task work. */
	rc = io_uring_enter2((unsigned) r->uring.enter_ring_fd, n, wait_nr,
			     r->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
			     (sigset_t *) &arg, sizeof(arg));
	r->n_scratch_msg = 0;
	r->n_scratch_iov = 0;
	if (rc >= 0)
		return 0;
	/* ETIME: waited long enough. EBUSY and EAGAIN: completions must be taken first. */
	return rc == -ETIME || rc == -EINTR || rc == -EBUSY || rc == -EAGAIN ? 0 : rc;
}

void
ring_submit(struct ring *r)
{
	int rc = ring_enter(r, 0, 0);

	assert(rc == 0); /* arguments and descriptor are ours */
}

struct io_uring_sqe *
ring_sqe(struct ring *r, struct ring_source *s, enum ring_op op)
{
	struct io_uring_sq *sq = &r->uring.sq;
	struct io_uring_sqe *sqe;
	uint64_t generation = 0, slot = 0;

	for (int tries = 0; sq->sqe_tail - io_uring_smp_load_acquire(sq->khead) >= sq->ring_entries;
	     tries++) {
		assert(tries < 1000); /* the kernel takes submissions, SUBMIT_ALL */
		ring_submit(r);
	}
	sqe = &sq->sqes[sq->sqe_tail++ & sq->ring_mask];
	memset(sqe, 0, sizeof(*sqe));
	if (s) {
		assert(s->slot);
		slot = s->slot;
		generation = r->slots[slot].generation;
		s->inflight++;
	}
	sqe->user_data = (uint64_t) op << 56 | generation << 32 | slot;
	r->n.sqes++;
	return sqe;
}

void
ring_cancel(struct ring *r, struct ring_source *s, enum ring_op op)
{
	struct io_uring_sqe *sqe = ring_sqe(r, NULL, RING_OP_NONE);

	assert(s->slot);
	sqe->opcode = IORING_OP_ASYNC_CANCEL;
	sqe->fd = -1;
	sqe->addr = (uint64_t) op << 56 | (uint64_t) r->slots[s->slot].generation << 32 | s->slot;
	r->n.cancels++;
}

/* ---- Slots --------------------------------------------------------------------------------- */

static void
slot_free(struct ring *r, uint32_t i)
{
	r->slots[i].next_free = r->free_slot;
	r->free_slot = i;
}

int
ring_source_add(struct ring *r, struct ring_source *s)
{
	uint32_t i = r->free_slot;

	assert(s->slot == 0);
	if (i != NO_SLOT)
		r->free_slot = r->slots[i].next_free;
	else if (r->n_slots < r->max_slots)
		i = r->n_slots++;
	else
		return -ENFILE;
	assert(!r->slots[i].source);
	assert(r->slots[i].orphans == 0);
	r->slots[i].source = s;
	s->slot = i;
	s->inflight = 0;
	r->live++;
	return 0;
}

void
ring_source_del(struct ring *r, struct ring_source *s)
{
	struct slot *slot = &r->slots[s->slot];

	assert(s->slot);
	assert(slot->source == s);
	slot->source = NULL;
	slot->generation = (slot->generation + 1) & 0xffffff;
	slot->orphans = s->inflight;
	if (slot->orphans == 0)
		slot_free(r, s->slot);
	s->slot = 0;
	s->inflight = 0;
	r->live--;
}

/* ---- The turn ------------------------------------------------------------------------------ */

/* Something came with it that nobody will take. */
static void
drop_stale(struct ring *r, struct slot *slot, const struct io_uring_cqe *cqe)
{
	enum ring_op op = (enum ring_op) (cqe->user_data >> 56);

	r->n.stale++;
	if (op == RING_OP_ACCEPT && cqe->res >= 0)
		close(cqe->res);
	if (op == RING_OP_RECV && (cqe->flags & IORING_CQE_F_BUFFER)) {
		struct iobuf *b = pool_taken(r, cqe->flags);

		for (int left = cqe->res - IOBUF_BYTES; left > 0; left -= IOBUF_BYTES) {
			struct iobuf *next = pool_taken_next(r, b);

			iobuf_put(b);
			b = next;
		}
		iobuf_put(b);
	}
	if ((cqe->flags & IORING_CQE_F_MORE) || !slot || slot->orphans == 0)
		return;
	if (--slot->orphans == 0 && !slot->source)
		slot_free(r, (uint32_t) (slot - r->slots));
}

static void
dispatch(struct ring *r, const struct io_uring_cqe *cqe)
{
	enum ring_op op = (enum ring_op) (cqe->user_data >> 56);
	uint32_t generation = (uint32_t) (cqe->user_data >> 32) & 0xffffff;
	uint32_t i = (uint32_t) cqe->user_data;
	struct ring_source *s;

	r->n.cqes++;
	if (op == RING_OP_NONE)
		return;
	if (op == RING_OP_TIMEOUT) {
		/* An older one was due later, and is of no interest any more. */
		if ((uint32_t) cqe->user_data == r->kept_id)
			r->kept_ns = 0;
		return;
	}
	if (i >= r->n_slots || r->slots[i].generation != generation || !r->slots[i].source) {
		drop_stale(r, i < r->n_slots ? &r->slots[i] : NULL, cqe);
		return;
	}
	s = r->slots[i].source;
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		assert(s->inflight > 0);
		s->inflight--;
	}
	s->complete(s, op, cqe->res, cqe->flags);
}

static void
drain(struct ring *r)
{
	struct io_uring_cq *cq = &r->uring.cq;
	unsigned head = *cq->khead;

	while (head != io_uring_smp_load_acquire(cq->ktail)) {
		/* A copy, and the head moved on first: a callback may submit, and the kernel
		 * then has room for what that completes. */
		struct io_uring_cqe cqe = {
			.user_data = cq->cqes[head & cq->ring_mask].user_data,
			.res = cq->cqes[head & cq->ring_mask].res,
			.flags = cq->cqes[head & cq->ring_mask].flags,
		};

		io_uring_smp_store_release(cq->khead, ++head);
		dispatch(r, &cqe);
	}
	if (IO_URING_READ_ONCE(*r->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW)
		r->n.overflows++;
}

void
ring_task_add(struct ring *r, struct ring_task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*r->tasks_end = t;
	r->tasks_end = &t->next;
}

/* Those queued now; what they queue in turn waits for the next round. */
static void
run_tasks(struct ring *r)
{
	struct ring_task *t = r->tasks, *next;

	r->tasks = NULL;
	r->tasks_end = &r->tasks;
	for (; t; t = next) {
		next = t->next;
		t->queued = false;
		t->run(t);
	}
}

/* A timeout given to every wait makes the kernel set the clock's hardware twice a turn, and in a
 * virtual machine each costs more than the wait itself. So a timer that is neither very near nor
 * far away becomes one completion, which stays armed over many turns. */
static void
keep_timer(struct ring *r, uint64_t due_ns)
{
	struct io_uring_sqe *sqe;

	if (r->kept_ns && r->kept_ns <= due_ns)
		return;
	sqe = ring_sqe(r, NULL, RING_OP_TIMEOUT);
	r->kept = (struct __kernel_timespec){.tv_sec = (int64_t) (due_ns / NS_PER_S),
					     .tv_nsec = (long long) (due_ns % NS_PER_S)};
	sqe->opcode = IORING_OP_TIMEOUT;
	sqe->fd = -1;
	sqe->addr = (uint64_t) (uintptr_t) &r->kept;
	sqe->len = 1;
	sqe->timeout_flags = IORING_TIMEOUT_ABS | IORING_TIMEOUT_BOOTTIME; /* clock_mono_ns's */
	sqe->user_data |= ++r->kept_id;
	r->kept_ns = due_ns;
}

/* How long the next wait may last; what the kernel keeps needs no limit. */
static uint64_t
wait_limit(struct ring *r, uint64_t max_wait_ns)
{
	uint64_t due = timers_next(r), left;

	if (r->tasks || r->again)
		return 0;
	if (due == UINT64_MAX)
		return max_wait_ns;
	left = due > r->now ? due - r->now : 0;
	if (left >= TIMER_NEAR_NS && left <= TIMER_FAR_NS)
		keep_timer(r, due);
	if (r->kept_ns && r->kept_ns <= due)
		return max_wait_ns;
	return left < max_wait_ns ? left : max_wait_ns;
}

/* What a turn sends completes at once, and waking for that alone would cost a lone client two of
 * its four enters. Should a send not complete, the others wait for the kept timer, once. */
static unsigned
completions_to_wait_for(struct ring *r, uint64_t wait)
{
	unsigned n = r->n_quick + 1;

	if (wait == 0)
		return 0;
	if (n > 1 && wait > SEVERAL_NS)
		keep_timer(r, r->now + SEVERAL_NS);
	return n;
}

int
ring_turn(struct ring *r, uint64_t max_wait_ns)
{
	uint64_t wait;
	unsigned n;
	int rc;

	r->n.turns++;
	r->again = false;
	r->after_submit = NULL;
	timers_run(r);
	if (r->before_wait)
		r->before_wait(r->before_wait_ctx);
	run_tasks(r);
	if (r->after_submit) {
		if (r->submits && r->uring.sq.sqe_tail != *r->uring.sq.khead)
			ring_submit(r);
		r->after_submit(r->after_submit_ctx);
		run_tasks(r);
	}
	wait = wait_limit(r, max_wait_ns);
	n = completions_to_wait_for(r, wait);
	r->n_quick = 0;
	rc = ring_enter(r, n, wait);
	r->now = clock_mono_ns();
	drain(r);
	return rc;
}

void
ring_after_submit(struct ring *r, void (*fn)(void *ctx), void *ctx)
{
	r->after_submit = fn;
	r->after_submit_ctx = ctx;
	r->submits = true;
}

void
ring_after_sends(struct ring *r, void (*fn)(void *ctx), void *ctx)
{
	ring_after_submit(r, fn, ctx);
	r->submits = false;
}

void
ring_send_at_once(struct ring *r, bool on)
{
	r->at_once = on;
}

void
ring_before_wait(struct ring *r, void (*fn)(void *ctx), void *ctx)
{
	r->before_wait = fn;
	r->before_wait_ctx = ctx;
}

uint64_t
ring_now(const struct ring *r)
{
	return r->now;
}

const struct ring_counters *
ring_counters(const struct ring *r)
{
	return &r->n;
}

unsigned
ring_live(const struct ring *r)
{
	return r->live;
}

const char *
ring_describe(const struct ring *r)
{
	return r->describe;
}
