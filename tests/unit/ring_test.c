/* SPDX-License-Identifier: MIT */
#include "io/internal.h"
#include "io_test.h"

#include <arpa/inet.h>
#include <pthread.h>

static const struct ring_config defaults;

/* ---- Timers -------------------------------------------------------------------------------- */

struct tick {
	struct ring_timer t;
	int *order, at;
	uint64_t ran_ns;
};

static int next_tick;

static void
on_tick(void *ctx)
{
	struct tick *k = ctx;

	k->at = next_tick++;
	k->ran_ns = clock_mono_ns();
}

static void
timers_run_in_order(void)
{
	struct ring *r = open_ring(&defaults);
	struct tick k[200] = {0};
	uint64_t start = ring_now(r);

	next_tick = 0;
	for (int i = 0; i < 200; i++)
		CHECK_INT(ring_timer_at(r, &k[i].t, start + (uint64_t) (i * 37 % 200) * 10000 + 1,
					on_tick, &k[i]), 0);
	for (int i = 0; i < 200; i += 2)
		ring_timer_stop(r, &k[i].t);
	CHECK(TURN_UNTIL(r, next_tick == 100));
	for (int i = 1; i < 200; i += 2)
		for (int j = 1; j < 200; j += 2)
			if (k[i].t.due_ns < k[j].t.due_ns)
				CHECK(k[i].at < k[j].at);
	CHECK(ring_now(r) >= start + 199 * 10000);
	ring_close(r);
}

/* Far enough away for the kernel to keep it: due in time, though other things wake the ring, and
 * though it is moved and stopped. */
static void
the_kernel_keeps_a_timer(void)
{
	struct ring *r = open_ring(&defaults);
	struct tick k[3] = {0};
	uint64_t start = ring_now(r), sqes;

	next_tick = 0;
	CHECK_INT(ring_timer_at(r, &k[0].t, start + 6 * NS_PER_MS, on_tick, &k[0]), 0);
	CHECK_INT(ring_timer_at(r, &k[1].t, start + 3 * NS_PER_MS, on_tick, &k[1]), 0);
	CHECK_INT(ring_timer_at(r, &k[2].t, start + 2 * NS_PER_MS, on_tick, &k[2]), 0);
	CHECK_INT(ring_turn(r, 0), 0);
	sqes = ring_counters(r)->sqes;
	CHECK_INT(sqes, 1); /* one for all */
	for (int i = 0; i < 10; i++)
		CHECK_INT(ring_turn(r, 0), 0);
	CHECK_INT(ring_counters(r)->sqes, sqes);
	ring_timer_stop(r, &k[2].t);
	/* A turn runs what is due and then waits: something must end that. */
	CHECK_INT(ring_timer_at(r, &k[2].t, start + 500 * NS_PER_MS, on_tick, &k[2]), 0);
	while (next_tick < 3)
		CHECK_INT(ring_turn(r, 600 * NS_PER_MS), 0);
	for (int i = 0; i < 2; i++) {
		CHECK(k[i].ran_ns >= k[i].t.due_ns);
		CHECK(k[i].ran_ns < start + 400 * NS_PER_MS);
	}
	CHECK_INT(k[1].at, 0);
	CHECK_INT(k[0].at, 1);
	ring_close(r);
}

static void
again(void *ctx)
{
	struct tick *k = ctx;

	if (++k->at < 5)
		CHECK_INT(ring_timer_at(k->t.ctx == k ? (struct ring *) k->order : NULL, &k->t,
					0, again, k), 0);
}

static void
a_timer_may_start_itself(void)
{
	struct ring *r = open_ring(&defaults);
	struct tick k = {.order = (int *) r};

	CHECK_INT(ring_timer_at(r, &k.t, 0, again, &k), 0);
	CHECK(TURN_UNTIL(r, k.at == 5));
	ring_close(r);
}

/* ---- Events -------------------------------------------------------------------------------- */

static int events;

static void
on_event(void *ctx)
{
	(void) ctx;
	__atomic_add_fetch(&events, 1, __ATOMIC_RELAXED);
}

static void *
signaller(void *arg)
{
	ring_event_signal(arg);
	return NULL;
}

static void
another_thread_wakes_the_ring(void)
{
	struct ring *r = open_ring(&defaults);
	struct ring_event e;
	pthread_t t;

	events = 0;
	CHECK_INT(ring_event_open(r, &e, on_event, NULL), 0);
	for (int i = 1; i <= 20; i++) {
		pthread_create(&t, NULL, signaller, &e);
		CHECK(TURN_UNTIL(r, events == i));
		pthread_join(t, NULL);
	}
	ring_event_close(&e);
	ring_event_close(&e); /* twice does nothing */
	CHECK_INT(ring_live(r), 0);
	ring_close(r);
}

/* ---- Listeners ----------------------------------------------------------------------------- */

static int accepted[64], n_accepted;

static void
on_accept(void *ctx, int fd)
{
	(void) ctx;
	accepted[n_accepted++] = fd;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *) &a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
a_listener_accepts_until_closed(void)
{
	struct ring *r = open_ring(&defaults);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct ring_listener l, second;
	int fds[10], one;
	socklen_t len = sizeof(one);

	n_accepted = 0;
	REQUIRE(ring_listen(r, &l, (struct sockaddr *) &a, sizeof(a), on_accept, NULL) == 0);
	CHECK(l.port != 0);
	for (int i = 0; i < 10; i++)
		fds[i] = dial(l.port);
	CHECK(TURN_UNTIL(r, n_accepted == 10));
	CHECK(getsockopt(accepted[0], IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, &len) == 0 && one);
	CHECK(getsockopt(accepted[0], SOL_SOCKET, SO_KEEPALIVE, &one, &len) == 0 && one);
	/* Every worker has its own on the same port. */
	a.sin_port = htons(l.port);
	CHECK_INT(ring_listen(r, &second, (struct sockaddr *) &a, sizeof(a), on_accept, NULL), 0);
	ring_unlisten(&second);
	ring_unlisten(&l);
	CHECK_INT(dial(l.port), -1);
	for (int i = 0; i < 10; i++) {
		close(fds[i]);
		close(accepted[i]);
	}
	ring_close(r);
}

static void
an_address_in_use_is_an_error(void)
{
	struct ring *r = open_ring(&defaults);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	struct ring_listener l;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	REQUIRE(bind(fd, (struct sockaddr *) &a, len) == 0 && listen(fd, 1) == 0);
	getsockname(fd, (struct sockaddr *) &a, &len);
	CHECK_INT(ring_listen(r, &l, (struct sockaddr *) &a, len, on_accept, NULL), -EADDRINUSE);
	ring_unlisten(&l);
	close(fd);
	CHECK_INT(ring_live(r), 0);
	ring_close(r);
}

/* ---- Slots --------------------------------------------------------------------------------- */

static int completions;

static void
on_complete(struct ring_source *s, enum ring_op op, int res, uint32_t flags)
{
	(void) s, (void) op, (void) res, (void) flags;
	completions++;
}

static void
a_late_completion_is_dropped(void)
{
	struct ring *r = open_ring(&defaults);
	struct ring_source old = {.complete = on_complete}, young = {.complete = on_complete};
	uint32_t slot;

	completions = 0;
	CHECK_INT(ring_source_add(r, &old), 0);
	slot = old.slot;
	ring_sqe(r, &old, RING_OP_POLL)->opcode = IORING_OP_NOP;
	CHECK_INT(old.inflight, 1);
	ring_source_del(r, &old);
	/* The slot is not for others while a completion is owed to it. */
	CHECK_INT(ring_source_add(r, &young), 0);
	CHECK(young.slot != slot);
	CHECK(TURN_UNTIL(r, ring_counters(r)->stale == 1));
	CHECK_INT(completions, 0);
	ring_source_del(r, &young);
	CHECK_INT(ring_source_add(r, &old), 0);
	CHECK_INT(ring_source_add(r, &young), 0);
	CHECK(old.slot == slot || young.slot == slot);
	ring_sqe(r, &old, RING_OP_POLL)->opcode = IORING_OP_NOP;
	CHECK(TURN_UNTIL(r, completions == 1));
	CHECK_INT(old.inflight, 0);
	/* A generation that does not match, as if the counting were wrong: dropped as well. */
	ring_sqe(r, &old, RING_OP_POLL)->opcode = IORING_OP_NOP;
	r->slots[old.slot].generation ^= 1;
	CHECK(TURN_UNTIL(r, ring_counters(r)->stale == 2));
	CHECK_INT(completions, 1);
	ring_source_del(r, &old);
	ring_source_del(r, &young);
	ring_close(r);
}

static void
slots_run_out_and_come_back(void)
{
	struct ring *r = open_ring(&(struct ring_config){.max_slots = 3});
	struct ring_source s[4] = {0};

	for (int i = 0; i < 3; i++)
		CHECK_INT(ring_source_add(r, &s[i]), 0);
	CHECK_INT(ring_source_add(r, &s[3]), -ENFILE);
	ring_source_del(r, &s[1]);
	CHECK_INT(ring_source_add(r, &s[3]), 0);
	ring_source_del(r, &s[0]);
	ring_source_del(r, &s[2]);
	ring_source_del(r, &s[3]);
	ring_close(r);
}

static void
more_submissions_than_the_queue_holds(void)
{
	struct ring *r = open_ring(&(struct ring_config){.sq_entries = 8, .cq_entries = 16});
	struct ring_source s = {.complete = on_complete};

	completions = 0;
	CHECK_INT(ring_source_add(r, &s), 0);
	for (int i = 0; i < 1000; i++)
		ring_sqe(r, &s, RING_OP_POLL)->opcode = IORING_OP_NOP;
	CHECK_INT(s.inflight, 1000);
	CHECK(TURN_UNTIL(r, completions == 1000));
	CHECK_INT(s.inflight, 0);
	ring_source_del(r, &s);
	ring_close(r);
}

/* ---- Buffers ------------------------------------------------------------------------------- */

static void
buffers_are_bounded_and_come_back(void)
{
	struct ring *r = open_ring(&(struct ring_config){.hot_buffers = 4, .max_buffers = 12});
	struct iobuf *b[8];

	for (int i = 0; i < 8; i++) {
		b[i] = iobuf_new(r);
		REQUIRE(b[i] != NULL);
		memset(b[i]->p, i, IOBUF_BYTES);
	}
	CHECK(iobuf_new(r) == NULL);
	CHECK_INT(iobuf_in_use(r), 8);
	iobuf_put(iobuf_ref(b[3]));
	CHECK(iobuf_new(r) == NULL);
	CHECK_INT(b[3]->p[IOBUF_BYTES - 1], 3);
	for (int i = 0; i < 8; i++)
		iobuf_put(b[i]);
	CHECK_INT(iobuf_in_use(r), 0);
	CHECK(iobuf_new(r) == b[7]); /* the warmest first */
	iobuf_put(b[7]);
	CHECK_INT(ring_counters(r)->buffers_peak, 8);
	ring_close(r);
}

static int hooks;

static void
hook(void *ctx)
{
	(void) ctx;
	hooks++;
}

static void
the_hook_runs_before_each_wait(void)
{
	struct ring *r = open_ring(&defaults);

	ring_before_wait(r, hook, NULL);
	for (int i = 0; i < 3; i++)
		CHECK_INT(ring_turn(r, 0), 0);
	CHECK_INT(hooks, 3);
	CHECK_INT(ring_counters(r)->enters, 3);
	printf("# %s\n", ring_describe(r));
	ring_close(r);
}

static struct ring *hooked;

static void
after(void *ctx)
{
	uint64_t enters = *(uint64_t *) ctx;

	hooks++;
	CHECK_INT(completions, 0); /* submitted, not taken yet */
	CHECK_INT(ring_counters(hooked)->enters, enters + 1);
}

static void
after_nothing(void *ctx)
{
	hooks++;
	CHECK_INT(ring_counters(hooked)->enters, *(uint64_t *) ctx); /* nothing was submitted */
}

static void
go_on(void *ctx)
{
	ring_after_submit(hooked, after_nothing, ctx);
}

static void
go_on_quickly(void *ctx)
{
	ring_after_sends(hooked, after_nothing, ctx);
}

static void
submit_and_go_on(void *ctx)
{
	if (hooks++ == 0)
		ring_after_submit(hooked, after, ctx);
}

static void
work_that_blocks_runs_after_the_submission(void)
{
	struct ring *r = hooked = open_ring(&defaults);
	struct ring_source s = {.complete = on_complete};
	uint64_t enters = ring_counters(r)->enters;

	completions = hooks = 0;
	CHECK_INT(ring_source_add(r, &s), 0);
	ring_before_wait(r, submit_and_go_on, &enters);
	ring_sqe(r, &s, RING_OP_POLL)->opcode = IORING_OP_NOP;
	CHECK_INT(ring_turn(r, UINT64_MAX), 0);
	CHECK_INT(completions, 1);
	CHECK_INT(hooks, 2);
	CHECK_INT(ring_turn(r, 0), 0);
	CHECK_INT(hooks, 3); /* once only */
	enters = ring_counters(r)->enters;
	ring_before_wait(r, go_on, &enters);
	CHECK_INT(ring_turn(r, 0), 0);
	CHECK_INT(hooks, 4);
	enters = ring_counters(r)->enters;
	ring_before_wait(r, go_on_quickly, &enters);
	ring_sqe(r, &s, RING_OP_POLL)->opcode = IORING_OP_NOP;
	CHECK_INT(ring_turn(r, UINT64_MAX), 0);
	CHECK_INT(ring_counters(r)->enters, enters + 1); /* submitted with the wait */
	CHECK_INT(hooks, 5);
	ring_source_del(r, &s);
	ring_close(r);
}

TEST_MAIN(TEST(timers_run_in_order), TEST(the_kernel_keeps_a_timer), TEST(a_timer_may_start_itself),
	  TEST(another_thread_wakes_the_ring), TEST(a_listener_accepts_until_closed),
	  TEST(an_address_in_use_is_an_error), TEST(a_late_completion_is_dropped),
	  TEST(slots_run_out_and_come_back), TEST(more_submissions_than_the_queue_holds),
	  TEST(buffers_are_bounded_and_come_back), TEST(the_hook_runs_before_each_wait),
	  TEST(work_that_blocks_runs_after_the_submission))
