/* SPDX-License-Identifier: MIT
 *
 * One io_uring per worker thread: completions, receive buffers, timers, listeners, wake-ups from
 * other threads. Knows no protocol. Everything here belongs to the thread that called ring_open
 * (SINGLE_ISSUER), except ring_event_signal and reading the counters.
 *
 * Invariants: one io_uring_enter per turn; every completion carries operation, generation and slot,
 * and one that does not match its slot is dropped and counted; a slot is used again only when
 * nothing of it is in flight. Callbacks run inside ring_turn and may call anything here except
 * ring_turn and ring_close. Functions that can fail return 0 or -errno.
 */
#ifndef WEIR_IO_RING_H
#define WEIR_IO_RING_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ring;

/* Sizes; zero means the default. Memory is mapped at open and touched when used. */
struct ring_config {
	unsigned sq_entries;  /* 512 */
	unsigned cq_entries;  /* 4096 */
	unsigned max_slots;   /* streams + listeners + events; 4096 */
	unsigned hot_buffers; /* 64: with 16 KiB each, half of a core's L2 */
	unsigned max_buffers; /* 4096: hot + overflow (64 MiB); beyond it receives wait */
	bool no_bundle;       /* tests: behave as on a kernel without bundles */
};

/* Monotonic sums since open, plain words written by the owner only: a reader on another thread
 * sees values that are at most a turn old. Declared once; RING_COUNTERS(X) lists the names. */
#define RING_COUNTERS(X)                                                                          \
	X(enters, "io_uring_enter calls")                                                         \
	X(turns, "loop turns")                                                                    \
	X(sqes, "submissions")                                                                    \
	X(cqes, "completions")                                                                    \
	X(stale, "completions dropped because their slot had moved on")                           \
	X(overflows, "times the kernel's completion queue overflowed")                            \
	X(accepts, "connections accepted")                                                        \
	X(accept_errors, "failed accepts (each pauses its listener 100 ms)")                      \
	X(connects, "connections opened")                                                         \
	X(closes, "streams closed")                                                               \
	X(recvs, "receive completions with bytes")                                                \
	X(sends, "sends of bytes, completed")                                                     \
	X(calls, "sends that were calls of their own")                                            \
	X(bytes_in, "bytes received from sockets")                                                \
	X(bytes_out, "bytes sent to sockets")                                                     \
	X(bytes_copied, "bytes copied by stream_send_copy and by TLS")                            \
	X(cancels, "cancel requests")                                                             \
	X(enobufs, "receives that found no buffer")                                               \
	X(overflow_given, "overflow buffers given to the kernel")                                 \
	X(buffers_peak, "most buffers in use at once")                                            \
	X(starved, "times a receive had to wait for a buffer")                                    \
	X(paced, "receives delayed by stream_pace")                                               \
	X(allocs, "memory allocations (slabs of streams, pieces, timers)")

struct ring_counters {
#define X(name, text) uint64_t name;
	RING_COUNTERS(X)
#undef X
};

/* Opens the calling thread's ring. On failure *ring is NULL and err says what and what to do. */
int ring_open(struct ring **ring, const struct ring_config *config, char *err, size_t err_n)
	MUST_CHECK;
/* All streams and listeners must be closed (ring_live() == 0). */
void ring_close(struct ring *ring);

/* One turn: due timers, the before-wait hook, flush of every stream that has something to send or
 * receive, one io_uring_enter, then every completion. Waits until something happens, at most
 * max_wait_ns (UINT64_MAX: no limit). 0, or -errno when the ring itself is broken. */
int ring_turn(struct ring *ring, uint64_t max_wait_ns) MUST_CHECK;
/* Called in every turn right before flush and wait: the place to hand over what the turn
 * gathered. */
void ring_before_wait(struct ring *ring, void (*fn)(void *ctx), void *ctx);
/* From the before-wait hook: fn runs once in this turn, after what the turn sends is on its way and
 * before the wait. The place for work that blocks, if there must be such. */
void ring_after_submit(struct ring *ring, void (*fn)(void *ctx), void *ctx);
/* As above for work that does not block: only short sends that are calls of their own are ahead of
 * it, and submissions go with the wait. */
void ring_after_sends(struct ring *ring, void (*fn)(void *ctx), void *ctx);
/* While on, a short send is a call of its own, made in the turn that queued it: with one peer to
 * serve there is nothing to gather, and a call costs less than a submission and its completion. */
void ring_send_at_once(struct ring *ring, bool on);
/* clock_mono_ns() as read after the last wait: good enough for every deadline of a turn. */
uint64_t ring_now(const struct ring *ring);
const struct ring_counters *ring_counters(const struct ring *ring);
/* Streams, listeners and events that still hold a slot, closing ones included. */
unsigned ring_live(const struct ring *ring);
/* What was probed, for the start-up line: "defer-taskrun bundle buffers 64+4032x16KiB". */
const char *ring_describe(const struct ring *ring);

/* ---- Buffers ------------------------------------------------------------------------------- */

enum { IOBUF_BYTES = 16384 };

/* Reference-counted, 16 KiB. Received bytes arrive in one; everything that still needs them
 * (parser state, queued sends) holds a reference; the last iobuf_put returns it to the pool. */
struct iobuf {
	uint8_t *p; /* IOBUF_BYTES bytes */
	struct ring *ring;
	struct iobuf *next; /* the pool's */
	uint32_t refs;
	uint16_t id;
};

/* A buffer of one's own with one reference; NULL when the pool is at max_buffers. */
struct iobuf *iobuf_new(struct ring *ring) MUST_CHECK;
void iobuf_put(struct iobuf *b);
static inline struct iobuf *
iobuf_ref(struct iobuf *b)
{
	b->refs++;
	return b;
}
/* Buffers that are neither in the pool nor with the kernel. */
unsigned iobuf_in_use(const struct ring *ring);

/* ---- Timers -------------------------------------------------------------------------------- */

/* Zeroed is a valid stopped timer. The owner embeds it and stops it before it goes away. */
struct ring_timer {
	uint64_t due_ns;
	uint32_t index; /* 1 + position in the heap; 0 = stopped */
	void (*fn)(void *ctx);
	void *ctx;
};

/* Starts or moves the timer; fn runs once, from ring_turn, not before due_ns (ring_now's clock).
 * Returns -ENOMEM only when the heap must grow and cannot. */
int ring_timer_at(struct ring *ring, struct ring_timer *t, uint64_t due_ns, void (*fn)(void *ctx),
		  void *ctx) MUST_CHECK;
void ring_timer_stop(struct ring *ring, struct ring_timer *t);

/* ---- Sources of completions: what io/ itself is made of -------------------------------------- */

enum ring_op {
	RING_OP_NONE, /* nobody waits for the answer */
	RING_OP_ACCEPT,
	RING_OP_CONNECT,
	RING_OP_RECV,
	RING_OP_SEND,
	RING_OP_POLL,
	RING_OP_TIMEOUT, /* the ring's own: a timer that the kernel keeps */
};

struct io_uring_sqe;
struct ring_source {
	void (*complete)(struct ring_source *s, enum ring_op op, int res, uint32_t flags);
	uint32_t slot;     /* 0 = none */
	uint32_t inflight; /* completions still owed */
};

/* -ENFILE at max_slots. */
int ring_source_add(struct ring *ring, struct ring_source *s) MUST_CHECK;
/* Frees the slot. What is still in flight will be dropped as stale, so the owner may be freed only
 * when it gave the kernel no memory of its own. */
void ring_source_del(struct ring *ring, struct ring_source *s);
/* A zeroed submission tagged for s, counted as in flight; never NULL (a full queue is submitted).
 * s == NULL: the completion is ignored. */
struct io_uring_sqe *ring_sqe(struct ring *ring, struct ring_source *s, enum ring_op op);
/* Cancels everything of s that is in flight; each still completes. */
void ring_cancel(struct ring *ring, struct ring_source *s, enum ring_op op);

/* ---- Listeners ----------------------------------------------------------------------------- */

struct ring_listener {
	struct ring_source source;
	struct ring *ring;
	int fd;
	uint16_t port;
	void (*on_accept)(void *ctx, int fd);
	void *ctx;
	struct ring_timer retry;
};

/* Binds (SO_REUSEPORT, so every worker has its own on the same address), listens and accepts until
 * ring_unlisten. on_accept owns fd. Accepted sockets have TCP_NODELAY and keep-alive set.
 * Port 0 takes a free one; `port` then says which. */
int ring_listen(struct ring *ring, struct ring_listener *l, const struct sockaddr *addr,
		socklen_t addr_len, void (*on_accept)(void *ctx, int fd), void *ctx) MUST_CHECK;
void ring_unlisten(struct ring_listener *l); /* also when ring_listen failed: does nothing */

/* ---- Wake-ups from other threads ------------------------------------------------------------- */

struct ring_event {
	struct ring_source source;
	struct ring *ring;
	int fd;
	bool borrowed; /* somebody else closes fd */
	void (*on_event)(void *ctx);
	void *ctx;
};

int ring_event_open(struct ring *ring, struct ring_event *e, void (*on_event)(void *ctx),
		    void *ctx) MUST_CHECK;
/* As above for an eventfd that somebody else made, signals and closes. */
int ring_event_watch(struct ring *ring, struct ring_event *e, int fd, void (*on_event)(void *ctx),
		     void *ctx) MUST_CHECK;
void ring_event_close(struct ring_event *e);
/* Any thread, also a signal handler. Several signals may become one on_event. */
void ring_event_signal(const struct ring_event *e);

#endif
