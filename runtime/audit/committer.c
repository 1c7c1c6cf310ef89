/* SPDX-License-Identifier: MIT
 *
 * The committer thread and the lanes that feed it.
 *
 * A lane is a ring of bytes with one producer (a worker) and one consumer (the committer). The
 * producer publishes `head` after the bytes, the consumer publishes `tail` after the batch is
 * durable; records do not wrap (a mark skips the end of the ring). So a submit is a copy and a
 * store.
 *
 * The committer takes what all lanes hold, up to one batch, writes, syncs, publishes each lane's
 * durable ticket and wakes the lanes that asked. There is no timer: while one batch is being
 * flushed the next one gathers. It sleeps on a futex word; a producer wakes it only when that word
 * says it sleeps.
 */
#include "audit/audit.h"

#include "audit/log.h"
#include "audit/prune.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/log.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	CACHE_LINE = 64,
	SKIP = INT32_MAX, /* length that means: continue at the start of the ring */
	ALONE_SAMPLE = 8, /* of so many commits of a lone worker one is timed */
	LANE_DEFAULT = 1 << 20,
	LANE_MIN = 1 << 18, /* the largest leaf fits even when the end is skipped */
};

#define RESERVE_DEFAULT (UINT64_C(128) << 20)

struct lane {
	/* the producer's */
	_Alignas(CACHE_LINE) _Atomic uint64_t head;
	uint64_t tickets, tail_seen;
	_Atomic uint32_t armed;
	/* the committer's */
	_Alignas(CACHE_LINE) _Atomic uint64_t tail;
	_Atomic uint64_t durable;
	uint64_t taken, taken_tickets; /* in the batch, not durable yet */
	/* fixed */
	_Alignas(CACHE_LINE) uint8_t *ring;
	uint64_t size;
	int event;
};

struct audit {
	struct alog log;
	struct lane *lanes;
	unsigned n_lanes;
	_Alignas(CACHE_LINE) _Atomic uint32_t sleeping;
	_Atomic uint32_t stop;
	_Atomic uint32_t state;
	_Alignas(CACHE_LINE) pthread_t thread;
	pthread_mutex_t turn_lock; /* the log and what follows; held by whoever commits */
	uint64_t wakes_ns;	   /* when the committer looks again by itself */
	pthread_mutex_t hold_lock;
	pthread_mutex_t wait_lock; /* audit_wait only */
	pthread_cond_t wait_more;
	struct buf leaf; /* the committer's own records */
	uint64_t heartbeat_ns;
	uint64_t last_record_ns, checkpoint_due_ns, heartbeat_due_ns;
	uint64_t records_at_heartbeat, size_at_checkpoint;
	char node[NOTE_NAME_MAX + 1];
	_Atomic uint64_t records, bytes, batches, tree_size, checkpoint_wall_ns, commit_ns,
		segments, checkpoints, sync_errors, alone_batches, alone_cpu_ns, signed_size;
	unsigned alone_turns;
};

/* --- the producer's side --- */

uint64_t
audit_submit(struct audit *a, unsigned lane, struct slice leaf)
{
	struct lane *l = &a->lanes[lane];
	uint64_t head = atomic_load_explicit(&l->head, memory_order_relaxed);
	uint64_t at = head & (l->size - 1), skip = 0, need = (4 + leaf.n + 7) & ~(uint64_t) 7;

	assert(lane < a->n_lanes && leaf.n > 0 && leaf.n <= AUDIT_LEAF_MAX);
	if (atomic_load_explicit(&a->state, memory_order_relaxed) != AUDIT_OPEN)
		return 0;
	if (at + need > l->size)
		skip = l->size - at;
	if (head + skip + need - l->tail_seen > l->size) {
		l->tail_seen = atomic_load_explicit(&l->tail, memory_order_acquire);
		if (head + skip + need - l->tail_seen > l->size)
			return 0;
	}
	if (skip) {
		put_le32(l->ring + at, SKIP);
		at = 0;
	}
	put_le32(l->ring + at, (uint32_t) leaf.n);
	memcpy(l->ring + at + 4, leaf.p, leaf.n);
	atomic_store_explicit(&l->head, head + skip + need, memory_order_release);
	return ++l->tickets;
}

static void
wake_committer(struct audit *a)
{
	/* Pairs with the committer's: it says that it sleeps, then looks at the heads. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&a->sleeping, memory_order_relaxed) &&
	    atomic_exchange(&a->sleeping, 0))
		syscall(SYS_futex, &a->sleeping, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void
audit_flush(struct audit *a, unsigned lane)
{
	assert(lane < a->n_lanes);
	wake_committer(a);
}

uint64_t
audit_durable(const struct audit *a, unsigned lane)
{
	return atomic_load_explicit(&a->lanes[lane].durable, memory_order_acquire);
}

enum audit_state
audit_state(const struct audit *a)
{
	return (enum audit_state) atomic_load(&a->state);
}

bool
audit_arm(struct audit *a, unsigned lane, uint64_t seen)
{
	struct lane *l = &a->lanes[lane];

	assert(lane < a->n_lanes);
	atomic_store(&l->armed, 1);
	wake_committer(a); /* its fence also parts the wish from the look below */
	if (atomic_load(&l->durable) > seen || atomic_load(&a->state) == AUDIT_FAILED) {
		atomic_store(&l->armed, 0);
		return false;
	}
	return true;
}

int
audit_eventfd(const struct audit *a, unsigned lane)
{
	return a->lanes[lane].event;
}

bool
audit_wait(struct audit *a, unsigned lane, uint64_t ticket)
{
	bool ok;

	audit_flush(a, lane);
	pthread_mutex_lock(&a->wait_lock);
	while (!(ok = audit_durable(a, lane) >= ticket) && audit_state(a) != AUDIT_FAILED)
		pthread_cond_wait(&a->wait_more, &a->wait_lock);
	pthread_mutex_unlock(&a->wait_lock);
	return ok;
}

bool
audit_wait_signed(struct audit *a, uint64_t size)
{
	const struct timespec pause = {0, 20 * 1000 * 1000};
	uint64_t until = clock_mono_ns() + 60 * NS_PER_S;

	while (atomic_load(&a->signed_size) < size) {
		if (audit_state(a) == AUDIT_FAILED || clock_mono_ns() > until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

int
audit_folder(const struct audit *a)
{
	return a->log.dir;
}

pthread_mutex_t *
audit_hold_lock(struct audit *a)
{
	return &a->hold_lock;
}

/* --- the committer's side --- */

static void
wake_waiters(struct audit *a)
{
	pthread_mutex_lock(&a->wait_lock);
	pthread_cond_broadcast(&a->wait_more);
	pthread_mutex_unlock(&a->wait_lock);
}

static void
wake_lane(struct lane *l)
{
	const uint64_t one = 1;
	ssize_t n;

	atomic_thread_fence(memory_order_seq_cst); /* durable first, then the look at the wish */
	if (!atomic_load_explicit(&l->armed, memory_order_relaxed) ||
	    !atomic_exchange(&l->armed, 0))
		return;
	do
		n = write(l->event, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void
set_state(struct audit *a, enum audit_state state, int err)
{
	enum audit_state was = (enum audit_state) atomic_exchange(&a->state, state);

	if (was == state)
		return;
	if (state == AUDIT_FAILED)
		log_error("audit log closed after two write errors: %s; every command is refused until "
			  "the disk is mended and the gateway restarted", strerror(err));
	else if (state == AUDIT_FULL)
		log_error("audit log: free space is below the reserve; every command is refused until "
			  "there is room");
	else
		log_info("audit log: there is room again");
	for (unsigned i = 0; i < a->n_lanes; i++)
		wake_lane(&a->lanes[i]);
	wake_waiters(a);
}

/* Moves what the lanes hold into the batch. Lanes take turns at being first. */
static unsigned
gather(struct audit *a)
{
	unsigned n = 0, first = (unsigned) (atomic_load(&a->batches) % a->n_lanes);

	for (unsigned i = 0; i < a->n_lanes; i++) {
		struct lane *l = &a->lanes[(first + i) % a->n_lanes];
		uint64_t head = atomic_load_explicit(&l->head, memory_order_acquire);

		l->taken = atomic_load_explicit(&l->tail, memory_order_relaxed);
		l->taken_tickets = 0;
		while (l->taken < head) {
			uint64_t at = l->taken & (l->size - 1);
			uint32_t len = get_le32(l->ring + at);

			if (len == SKIP) {
				l->taken += l->size - at;
				continue;
			}
			assert(len > 0 && len <= AUDIT_LEAF_MAX);
			if (!alog_has_room(&a->log, len))
				break;
			alog_add(&a->log, slice_of(l->ring + at + 4, len));
			l->taken += (4 + (uint64_t) len + 7) & ~(uint64_t) 7;
			l->taken_tickets++;
			n++;
		}
	}
	return n;
}

static void
release(struct audit *a)
{
	for (unsigned i = 0; i < a->n_lanes; i++) {
		struct lane *l = &a->lanes[i];

		if (l->taken == atomic_load_explicit(&l->tail, memory_order_relaxed))
			continue;
		atomic_store_explicit(&l->tail, l->taken, memory_order_release);
		atomic_store_explicit(&l->durable,
				      atomic_load_explicit(&l->durable, memory_order_relaxed) +
					      l->taken_tickets,
				      memory_order_release);
		wake_lane(l);
	}
	wake_waiters(a);
}

static int
commit(struct audit *a)
{
	uint64_t start = clock_mono_ns();
	uint64_t errors = a->log.sync_errors;
	unsigned n = a->log.batch_records;
	int rc = alog_commit(&a->log);

	if (rc == 0 && a->log.sync_errors > errors)
		log_error("audit log: its file could not be written (%s), or was deleted; another one "
			  "is begun: weir audit verify tells what is missing",
			  strerror(-a->log.sync_error));
	atomic_store(&a->sync_errors, a->log.sync_errors);
	if (rc != 0)
		return rc;
	atomic_fetch_add(&a->records, n);
	atomic_fetch_add(&a->bytes, a->log.batch.n);
	atomic_fetch_add(&a->batches, 1);
	atomic_fetch_add(&a->commit_ns, clock_mono_ns() - start);
	atomic_store(&a->tree_size, a->log.tree.size);
	atomic_store(&a->segments, a->log.segments);
	return 0;
}

static void
own_record(struct audit *a, enum audit_record_type type, const void *body)
{
	struct audit_record r;

	audit_record_init(&r, type, clock_wall_ns(), clock_mono_ns());
	r.body = body;
	if (audit_encode(&a->leaf, &r) && alog_has_room(&a->log, a->leaf.n))
		alog_add(&a->log, buf_slice(&a->leaf));
}

/* When idle: the head as signed last, so that silence is provable. */
static void
heartbeat(struct audit *a)
{
	struct audit_checkpoint c = {
		.origin = slice_str(a->log.key.name),
		.size = a->log.signed_head.size,
		.root = a->log.signed_head.root,
		.records = a->log.tree.size - a->records_at_heartbeat,
	};

	own_record(a, AUDIT_checkpoint, &c);
	a->records_at_heartbeat = a->log.tree.size;
}

static bool
lanes_empty(const struct audit *a)
{
	for (unsigned i = 0; i < a->n_lanes; i++)
		if (atomic_load(&a->lanes[i].head) !=
		    atomic_load_explicit(&a->lanes[i].tail, memory_order_relaxed))
			return false;
	return true;
}

static void
sleep_until(struct audit *a, uint64_t due_ns)
{
	uint64_t now = clock_mono_ns();
	struct timespec t;

	if (due_ns <= now)
		return;
	due_ns -= now;
	t = (struct timespec){(time_t) (due_ns / NS_PER_S), (long) (due_ns % NS_PER_S)};
	atomic_store(&a->sleeping, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (lanes_empty(a) && !atomic_load(&a->stop))
		syscall(SYS_futex, &a->sleeping, FUTEX_WAIT_PRIVATE, 1, &t, NULL, 0);
	atomic_store(&a->sleeping, 0);
}

/* While records keep coming a head leaves the last of them to the next one, which comes in a
 * second and covers them, however few have come since; when none have, it covers all there are. */
static void
checkpoint(struct audit *a, uint64_t now)
{
	bool busy = a->log.tree.size != a->size_at_checkpoint &&
		    now < a->checkpoint_due_ns + NS_PER_S;
	int rc = busy ? alog_checkpoint_round(&a->log, a->size_at_checkpoint, clock_wall_ns())
		      : alog_checkpoint(&a->log, clock_wall_ns(), false);

	if (rc != 0)
		log_error("audit log: the signed head could not be written: %s", strerror(-rc));
	a->size_at_checkpoint = a->log.tree.size;
	a->checkpoint_due_ns = now + NS_PER_S;
	atomic_store(&a->checkpoint_wall_ns, a->log.signed_wall_ns);
	atomic_store(&a->signed_size, a->log.signed_head.size);
	atomic_store(&a->checkpoints, a->log.checkpoints);
}

static void
checkpoint_if_due(struct audit *a)
{
	uint64_t now = clock_mono_ns();

	if (a->log.tree.size == a->log.signed_head.size || now < a->checkpoint_due_ns)
		return;
	checkpoint(a, now);
	if (alog_disk_low(&a->log))
		set_state(a, AUDIT_FULL, 0);
}

/* Commits what was gathered and tells the lanes. False when the log failed. */
static bool
commit_and_release(struct audit *a)
{
	int rc = commit(a);

	if (rc != 0) {
		set_state(a, AUDIT_FAILED, -rc);
		return false;
	}
	release(a);
	a->heartbeat_due_ns = clock_mono_ns() + a->heartbeat_ns;
	return true;
}

/* One turn: a batch if there is anything. False when the log failed. */
static bool
turn(struct audit *a)
{
	int rc;

	if (audit_state(a) == AUDIT_FAILED)
		return false; /* a worker found out */
	rc = alog_begin(&a->log);
	if (rc == -ENOSPC) {
		set_state(a, AUDIT_FULL, 0);
		checkpoint_if_due(a); /* what is durable need not wait for room */
		return !atomic_load(&a->stop);
	}
	if (rc != 0) {
		set_state(a, AUDIT_FAILED, -rc);
		return false;
	}
	if (gather(a) == 0 && clock_mono_ns() >= a->heartbeat_due_ns)
		heartbeat(a);
	if (a->log.batch_records && !commit_and_release(a))
		return false;
	checkpoint_if_due(a);
	if (audit_state(a) == AUDIT_FULL) {
		if (!alog_disk_low(&a->log))
			set_state(a, AUDIT_OPEN, 0);
	}
	return true;
}

/* Nothing to do: prepares for the next batch, and says until when to sleep. */
static void
rest(struct audit *a)
{
	bool is_signed = a->log.tree.size == a->log.signed_head.size;

	alog_zero_ahead(&a->log, UINT64_C(4) << 20);
	if (audit_state(a) == AUDIT_FULL)
		a->wakes_ns = clock_mono_ns() + NS_PER_S;
	else
		a->wakes_ns = is_signed ? a->heartbeat_due_ns : a->checkpoint_due_ns;
}

static void *
run(void *arg)
{
	struct audit *a = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_setname_np(pthread_self(), "weir-audit");
	a->heartbeat_due_ns = clock_mono_ns() + a->heartbeat_ns;
	for (;;) {
		const struct timespec second = {1, 0};
		bool ok, idle, no_segment;
		uint64_t due;

		pthread_mutex_lock(&a->turn_lock);
		ok = turn(a);
		no_segment = a->log.fd < 0;
		idle = lanes_empty(a);
		if (idle)
			rest(a);
		due = a->wakes_ns;
		pthread_mutex_unlock(&a->turn_lock);
		if (!ok || (idle && atomic_load(&a->stop)))
			break;
		if (no_segment)
			nanosleep(&second, NULL); /* the disk is full */
		else if (idle)
			sleep_until(a, due);
	}
	return NULL;
}

static uint64_t
thread_cpu_ns(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

bool
audit_commit_now(struct audit *a)
{
	uint64_t cpu = 0;
	bool ok = false, timed;

	if (pthread_mutex_trylock(&a->turn_lock) != 0)
		return false;
	/* To read the clock of a thread is a system call. */
	timed = a->alone_turns++ % ALONE_SAMPLE == 0;
	if (timed)
		cpu = thread_cpu_ns();
	/* New segments, zeroing ahead and everything unusual are the committer's. */
	if (audit_state(a) == AUDIT_OPEN && alog_is_smooth(&a->log) && alog_begin(&a->log) == 0 &&
	    gather(a) > 0) {
		ok = commit_and_release(a);
		if (a->wakes_ns > clock_mono_ns() + NS_PER_S) {
			/* It went to sleep with nothing to sign. */
			a->wakes_ns = 0;
			wake_committer(a);
		}
		atomic_fetch_add(&a->alone_batches, 1);
	}
	if (timed)
		atomic_fetch_add(&a->alone_cpu_ns, (thread_cpu_ns() - cpu) * ALONE_SAMPLE);
	pthread_mutex_unlock(&a->turn_lock);
	return ok;
}

/* --- life --- */

/* The first records of a run: what recovery found, and that the log started. */
static int
first_records(struct audit *a, struct alog_recovery *r, const struct audit_options *o)
{
	enum { IDS_MAX = 3000 };
	struct audit_recovery body = {
		.last_good = r->last_good,
		.cut_bytes = r->cut_bytes,
		.tail_sha256 = r->cut_bytes ? r->tail_sha256 : NULL,
		.unknown_intents = {r->unknown, r->n_unknown < IDS_MAX ? r->n_unknown : IDS_MAX},
		.unreleased = r->unreleased,
		.more_unknown = r->n_unknown > IDS_MAX ? r->n_unknown - IDS_MAX : 0,
	};
	struct audit_log_state start = {
		.state = AUDIT_log_state_START,
		.segment = a->log.tree.size,
		.version = slice_str(o->version),
		.detail = slice_str(o->detail),
	};
	int rc = alog_begin(&a->log);

	if (rc != 0)
		return rc;
	if (r->needed)
		own_record(a, AUDIT_recovery, &body);
	own_record(a, AUDIT_log_state, &start);
	rc = commit(a);
	if (rc == 0)
		rc = alog_checkpoint(&a->log, clock_wall_ns(), false);
	atomic_store(&a->signed_size, a->log.signed_head.size);
	return rc;
}

static int
lanes_init(struct audit *a, const struct audit_options *o)
{
	uint64_t size = LANE_MIN, want = o->lane_bytes ? o->lane_bytes : LANE_DEFAULT;

	while (size < want)
		size *= 2;
	a->n_lanes = o->lanes;
	a->lanes = aligned_alloc(CACHE_LINE, sizeof(*a->lanes) * o->lanes);
	assert(a->lanes != NULL);
	memset(a->lanes, 0, sizeof(*a->lanes) * o->lanes);
	for (unsigned i = 0; i < o->lanes; i++)
		a->lanes[i].event = -1;
	for (unsigned i = 0; i < o->lanes; i++) {
		struct lane *l = &a->lanes[i];

		l->size = size;
		l->ring = malloc(size);
		l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (!l->ring || l->event < 0)
			return !l->ring ? -ENOMEM : -errno;
	}
	return 0;
}

static void
destroy(struct audit *a)
{
	for (unsigned i = 0; i < a->n_lanes; i++) {
		free(a->lanes[i].ring);
		if (a->lanes[i].event >= 0)
			close(a->lanes[i].event);
	}
	free(a->lanes);
	buf_fini(&a->leaf);
	pthread_mutex_destroy(&a->turn_lock);
	pthread_mutex_destroy(&a->wait_lock);
	pthread_mutex_destroy(&a->hold_lock);
	pthread_cond_destroy(&a->wait_more);
	free(a);
}

int
audit_open(struct audit **out, const struct audit_options *o, struct buf *error)
{
	struct audit *a =
		aligned_alloc(CACHE_LINE, (sizeof(*a) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	struct alog_options lo = {.state_path = o->state_path,
				  .origin = o->origin,
				  .segment_bytes = o->segment_bytes,
				  .reserve_bytes = o->reserve_bytes ? o->reserve_bytes
								    : RESERVE_DEFAULT};
	struct alog_recovery r = {0};
	bool settled;
	int rc;

	assert(a != NULL && o->lanes > 0);
	memset(a, 0, sizeof(*a));
	pthread_mutex_init(&a->turn_lock, NULL);
	pthread_mutex_init(&a->wait_lock, NULL);
	pthread_mutex_init(&a->hold_lock, NULL);
	pthread_cond_init(&a->wait_more, NULL);
	a->heartbeat_ns = (o->heartbeat_s ? o->heartbeat_s : 60) * NS_PER_S;
	if (alog_open(&a->log, &lo, &r, error) != 0) {
		destroy(a);
		return -1;
	}
	memcpy(a->node, a->log.key.name, sizeof(a->node));
	audit_record_set_node(slice_str(a->node));
	rc = lanes_init(a, o);
	if (rc == 0)
		rc = first_records(a, &r, o);
	free(r.unknown);
	/* The first head of this run covers what was recorded of it. */
	settled = rc != 0 || prune_settle(a->log.dir, a->log.signed_head.size, error);
	if (rc == 0 && settled)
		rc = -pthread_create(&a->thread, NULL, run, a);
	if (rc != 0)
		buf_printf(error, "audit log: cannot start: %s", strerror(-rc));
	if (rc == -ENOSPC)
		buf_printf(error,
			   ": the disk of %s must have %llu MiB free; make room, or give the "
			   "configuration another `state`",
			   o->state_path, (unsigned long long) ((a->log.reserve_bytes +
								 a->log.segment_bytes) >> 20));
	if (rc != 0 || !settled) {
		alog_abandon(&a->log);
		audit_record_set_node((struct slice){0});
		destroy(a);
		return -1;
	}
	*out = a;
	return 0;
}

void
audit_close(struct audit *a)
{
	struct audit_log_state stop = {.state = AUDIT_log_state_STOP};
	int rc = 0;

	atomic_store(&a->stop, 1);
	wake_committer(a);
	pthread_join(a->thread, NULL);
	if (audit_state(a) == AUDIT_FAILED) {
		alog_abandon(&a->log);
	} else {
		rc = alog_begin(&a->log);
		if (rc == 0) {
			own_record(a, AUDIT_log_state, &stop);
			rc = commit(a);
		}
		if (rc == 0)
			rc = alog_close(&a->log);
		else
			alog_abandon(&a->log);
	}
	if (rc != 0)
		log_error("audit log: could not be closed properly: %s", strerror(-rc));
	audit_record_set_node((struct slice){0});
	destroy(a);
}

void
audit_stats(const struct audit *a, struct audit_stats *s)
{
	struct timespec cpu = {0};
	clockid_t clock;

	if (pthread_getcpuclockid(a->thread, &clock) == 0)
		clock_gettime(clock, &cpu);
	*s = (struct audit_stats){
		.records = atomic_load(&a->records),
		.bytes = atomic_load(&a->bytes),
		.batches = atomic_load(&a->batches),
		.segments = atomic_load(&a->segments),
		.checkpoints = atomic_load(&a->checkpoints),
		.sync_errors = atomic_load(&a->sync_errors),
		.tree_size = atomic_load(&a->tree_size),
		.signed_size = atomic_load(&a->signed_size),
		.checkpoint_wall_ns = atomic_load(&a->checkpoint_wall_ns),
		.commit_ns = atomic_load(&a->commit_ns),
		.alone_batches = atomic_load(&a->alone_batches),
		.alone_cpu_ns = atomic_load(&a->alone_cpu_ns),
		.cpu_ns = (uint64_t) cpu.tv_sec * NS_PER_S + (uint64_t) cpu.tv_nsec,
	};
}
