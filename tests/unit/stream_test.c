/* SPDX-License-Identifier: MIT */
#include "io_test.h"

#include <pthread.h>

static const struct ring_config defaults;

static uint8_t
pattern(size_t i)
{
	return (uint8_t) (i * 7 + i / 253);
}

static uint64_t
pattern_sum(size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint64_t) pattern(i) * (i % 251 + 1);
	return sum;
}

/* Writes up to `total` pattern bytes from position *at; stops when the socket is full. */
static void
feed(int fd, size_t *at, size_t total)
{
	uint8_t chunk[30000];

	while (*at < total) {
		size_t n = total - *at < sizeof(chunk) ? total - *at : sizeof(chunk);
		ssize_t w;

		for (size_t i = 0; i < n; i++)
			chunk[i] = pattern(*at + i);
		w = write(fd, chunk, n);
		if (w <= 0)
			return;
		*at += (size_t) w;
	}
}

/* Reads what is there, checking the pattern from position *at on, at most `most` bytes. */
static void
take(int fd, size_t *at, size_t most)
{
	uint8_t chunk[30000];
	ssize_t n;

	while (most > 0 && (n = read(fd, chunk, most < sizeof(chunk) ? most : sizeof(chunk))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != pattern(*at + (size_t) i)) {
				CHECK(!"bytes in order");
				return;
			}
		}
		*at += (size_t) n;
		most -= (size_t) n;
	}
}

static void
finish(struct ring *r)
{
	CHECK(TURN_UNTIL(r, ring_live(r) == 0));
	CHECK_INT(iobuf_in_use(r), 0);
	CHECK_INT(ring_counters(r)->stale, 0);
	ring_close(r);
}

static void
echo_on(const struct ring_config *config)
{
	enum { TOTAL = 8 << 20 };
	struct ring *r = open_ring(config);
	struct end e = {.echo = true, .close_on_eof = true};
	int fd = open_end(r, &e);
	size_t fed = 0, taken = 0;

	while (taken < TOTAL && e.s) {
		feed(fd, &fed, TOTAL);
		REQUIRE(ring_turn(r, 0) == 0);
		take(fd, &taken, SIZE_MAX);
	}
	CHECK_INT(taken, TOTAL);
	CHECK_INT(e.received, TOTAL);
	CHECK(e.sum == pattern_sum(TOTAL));
	CHECK_INT(ring_counters(r)->bytes_in, TOTAL);
	shutdown(fd, SHUT_WR);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.eofs, 1);
	CHECK_INT(e.error, 0);
	close(fd);
	finish(r);
}

static void
echo_in_bundles(void)
{
	echo_on(&defaults);
}

static void
echo_buffer_by_buffer(void)
{
	echo_on(&(struct ring_config){.no_bundle = true});
}

static void
echo_with_few_buffers(void)
{
	echo_on(&(struct ring_config){.hot_buffers = 2, .max_buffers = 24});
}

static void
one_byte_at_a_time(void)
{
	struct ring *r = open_ring(&defaults);
	struct end e = {.echo = true};
	int fd = open_end(r, &e);
	size_t fed = 0, taken = 0;

	for (size_t i = 1; i <= 3000; i++) {
		feed(fd, &fed, i);
		/* The other end is this thread: a turn must not wait for what it will do. */
		for (int n = 0; taken < i && n < 1000; n++) {
			REQUIRE(ring_turn(r, 0) == 0);
			take(fd, &taken, SIZE_MAX);
		}
		REQUIRE(taken == i);
	}
	stream_abort(e.s);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	close(fd);
	finish(r);
}

static void
copies_and_references_keep_their_order(void)
{
	enum { TOTAL = 3 << 20 };
	struct ring *r = open_ring(&defaults);
	struct end e = {0};
	int fd = open_end(r, &e);
	uint8_t bytes[5000];
	size_t put = 0, taken = 0;

	for (unsigned i = 0; put < TOTAL; i++) {
		size_t n = 1 + i * 97 % sizeof(bytes);

		for (size_t k = 0; k < n; k++)
			bytes[k] = pattern(put + k);
		if (i % 3 == 0) {
			struct iobuf *b = iobuf_new(r);

			REQUIRE(b != NULL);
			memcpy(b->p, bytes, n);
			stream_send_ref(e.s, b, b->p, n / 2);
			stream_send_ref(e.s, b, b->p + n / 2, n - n / 2);
			iobuf_put(b);
		} else {
			stream_send_copy(e.s, bytes, n);
		}
		put += n;
		if (i % 7 == 0)
			REQUIRE(ring_turn(r, 0) == 0);
		if (i % 50 == 0)
			take(fd, &taken, 100000);
	}
	while (taken < put && e.s) {
		REQUIRE(ring_turn(r, NS_PER_MS) == 0);
		take(fd, &taken, 12345);
	}
	CHECK_INT(taken, put);
	CHECK(e.drains > 0);
	CHECK_INT(stream_queued(e.s), 0);
	CHECK_INT(iobuf_in_use(r), 0);
	stream_abort(e.s);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	close(fd);
	finish(r);
}

/* A fast source and a sink that reads little by little: what is held in between stays small. */
static void
a_slow_reader_holds_the_source_back(void)
{
	enum { TOTAL = 16 << 20 };
	struct ring *r = open_ring(&defaults);
	struct end from = {0}, to = {0};
	int source = open_end(r, &from), sink = open_end(r, &to);
	size_t fed = 0, taken = 0, most = 0;

	from.to = &to;
	to.to = &from;
	while (taken < TOTAL && from.s && to.s) {
		feed(source, &fed, TOTAL);
		REQUIRE(ring_turn(r, 0) == 0);
		if (stream_queued(to.s) > most)
			most = stream_queued(to.s);
		if (stream_is_paused(from.s))
			take(sink, &taken, 50000);
		else if (from.received == TOTAL)
			take(sink, &taken, SIZE_MAX);
	}
	CHECK_INT(taken, TOTAL);
	CHECK(from.pauses > 10);
	CHECK(to.drains > 10);
	/* The first pause may be late by what a multishot took; the pool bounds that. */
	CHECK(most <= STREAM_HIGH + (1 << 20));
	CHECK_INT(ring_counters(r)->bytes_copied, 0);
	stream_close(from.s);
	stream_close(to.s);
	close(source);
	close(sink);
	CHECK(TURN_UNTIL(r, from.closes && to.closes));
	finish(r);
}

/* A turn waits for the sends it expects to complete at once. One that does not delays the others
 * once, by some milliseconds. */
static void
a_reader_that_stands_still_holds_nobody_up(void)
{
	struct ring *r = open_ring(&defaults);
	struct end still = {0}, other = {.echo = true};
	int fd = open_end(r, &still), peer = open_end(r, &other);
	char filler[4096] = {0};
	size_t fed = 0, taken = 0;
	uint64_t start;

	CHECK_INT(ring_turn(r, 0), 0);
	while (send(stream_fd(still.s), filler, sizeof(filler), MSG_DONTWAIT) > 0)
		; /* until its socket is full */
	start = clock_mono_ns();
	for (int i = 0; i < 20; i++) {
		stream_send_copy(still.s, "x", 1);
		feed(peer, &fed, (size_t) i + 1);
		while (taken <= (size_t) i) {
			REQUIRE(ring_turn(r, NS_PER_S) == 0);
			take(peer, &taken, SIZE_MAX);
		}
	}
	/* The echo's own sends wait for a next event, 4 ms each; without the bound it is 1 s. */
	CHECK(clock_mono_ns() - start < 500 * NS_PER_MS);
	CHECK_INT(stream_queued(still.s), 20);
	stream_abort(still.s);
	stream_abort(other.s);
	close(fd);
	close(peer);
	CHECK(TURN_UNTIL(r, still.closes && other.closes));
	finish(r);
}

static void
an_idle_stream_holds_nothing(void)
{
	struct ring *r = open_ring(&(struct ring_config){.max_slots = 300});
	struct end e[200] = {0};
	int fd[200];
	size_t fed = 0;

	for (int i = 0; i < 200; i++) {
		fd[i] = open_end(r, &e[i]);
		e[i].echo = true;
		fed = 0;
		feed(fd[i], &fed, 1000);
	}
	CHECK(TURN_UNTIL(r, e[0].received == 1000 && e[199].received == 1000));
	REQUIRE(ring_turn(r, 0) == 0);
	CHECK_INT(iobuf_in_use(r), 0);
	CHECK(stream_size() <= 1024);
	printf("# %zu bytes per stream\n", stream_size());
	for (int i = 0; i < 200; i++) {
		stream_abort(e[i].s);
		close(fd[i]);
	}
	finish(r);
}

static void
a_storm_without_buffers_ends_well(void)
{
	enum { N = 64, EACH = 200000 };
	struct ring *r = open_ring(&(struct ring_config){.hot_buffers = 4, .max_buffers = 16});
	struct end e[N] = {0};
	int fd[N];
	size_t fed[N] = {0}, done = 0;

	for (int i = 0; i < N; i++)
		fd[i] = open_end(r, &e[i]);
	while (done < N) {
		done = 0;
		for (int i = 0; i < N; i++) {
			feed(fd[i], &fed[i], EACH);
			done += e[i].received == EACH;
		}
		REQUIRE(ring_turn(r, 0) == 0);
		REQUIRE(ring_counters(r)->turns < 1000000);
	}
	CHECK(ring_counters(r)->enobufs > 0);
	CHECK(e[N - 1].sum == pattern_sum(EACH));
	for (int i = 0; i < N; i++) {
		stream_abort(e[i].s);
		close(fd[i]);
	}
	finish(r);
}

/* Every buffer is held by someone: receives wait, and go on when one comes back, without
 * spinning. */
static void
a_starved_stream_waits_for_a_buffer(void)
{
	struct ring *r = open_ring(&(struct ring_config){.hot_buffers = 2, .max_buffers = 4});
	struct end greedy = {0}, poor = {0};
	int sink = open_end(r, &greedy), fd = open_end(r, &poor);
	uint64_t enobufs;
	size_t fed = 0;

	/* Two buffers with the kernel, taken by these bytes and kept in a queue nobody reads. */
	for (int i = 0; i < 100 && iobuf_in_use(r) < 2; i++) {
		uint8_t big[IOBUF_BYTES] = {0};

		stream_send_copy(greedy.s, big, sizeof(big));
		REQUIRE(ring_turn(r, 0) == 0);
	}
	poor.to = &greedy;
	feed(fd, &fed, 60000);
	CHECK(TURN_UNTIL(r, ring_counters(r)->starved > 0));
	enobufs = ring_counters(r)->enobufs;
	for (int i = 0; i < 100; i++)
		REQUIRE(ring_turn(r, 0) == 0);
	CHECK_INT(ring_counters(r)->enobufs, enobufs);
	CHECK(poor.received < 60000);
	for (int i = 0; i < 1000 && poor.received < 60000; i++) {
		uint8_t drop[65536];

		while (read(sink, drop, sizeof(drop)) > 0)
			;
		if (poor.s && stream_is_paused(poor.s))
			stream_resume(poor.s);
		REQUIRE(ring_turn(r, NS_PER_MS) == 0);
	}
	CHECK_INT(poor.received, 60000);
	stream_abort(greedy.s);
	stream_abort(poor.s);
	close(fd);
	close(sink);
	finish(r);
}

static void
closing_sends_what_is_queued(void)
{
	enum { TOTAL = 2 << 20 };
	struct ring *r = open_ring(&defaults);
	struct end e = {0};
	int fd = open_end(r, &e);
	uint8_t *bytes = malloc(TOTAL);
	size_t taken = 0;

	for (size_t i = 0; i < TOTAL; i++)
		bytes[i] = pattern(i);
	/* Bytes of the peer that nobody read must not turn the close into a reset. */
	CHECK_INT(write(fd, "unread", 6), 6);
	stream_send_copy(e.s, bytes, TOTAL);
	stream_close(e.s);
	stream_send_copy(e.s, bytes, 10); /* does nothing */
	CHECK(TURN_UNTIL(r, (take(fd, &taken, SIZE_MAX), taken == TOTAL)));
	CHECK_INT(e.closes, 0);
	CHECK(TURN_UNTIL(r, read(fd, bytes, 1) == 0));
	close(fd);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.error, 0);
	CHECK_INT(e.received, 0);
	free(bytes);
	finish(r);
}

static void
a_half_closed_peer_still_gets_its_answer(void)
{
	struct ring *r = open_ring(&defaults);
	struct end e = {0};
	int fd = open_end(r, &e);
	char got[8] = "";

	shutdown(fd, SHUT_WR);
	CHECK(TURN_UNTIL(r, e.eofs == 1));
	stream_send_copy(e.s, "late", 4);
	stream_close(e.s);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.eofs, 1);
	CHECK_INT(read(fd, got, sizeof(got)), 4);
	CHECK(memcmp(got, "late", 4) == 0);
	CHECK_INT(read(fd, got, sizeof(got)), 0);
	close(fd);
	finish(r);
}

/* Who has the last word to read need not have gone. */
static void
hanging_up_waits_for_nobody(void)
{
	struct ring *r = open_ring(&defaults);

	for (int lingers = 0; lingers < 2; lingers++) {
		struct end e = {0};
		int fd = open_end(r, &e);
		char got[8] = "";

		stream_send_copy(e.s, "bye", 3);
		if (lingers) {
			stream_close(e.s);
			CHECK(TURN_UNTIL(r, recv(fd, got, 8, MSG_PEEK | MSG_DONTWAIT) == 3));
			CHECK(e.closes == 0);
		}
		stream_hang_up(e.s);
		CHECK(TURN_UNTIL(r, e.closes == 1));
		CHECK_INT(read(fd, got, sizeof(got)), 3);
		CHECK_INT(read(fd, got, sizeof(got)), 0);
		close(fd);
	}
	finish(r);
}

static void
an_abort_is_safe_during_every_operation(void)
{
	struct ring *r = open_ring(&defaults);
	uint8_t *big = calloc(1, 4 << 20);

	/* 0 before anything, 1 receiving, 2 a send blocked, 3 paused, 4 inside on_data, 5 while it
	 * lingers, 6 twice, 7 peer gone with a send blocked */
	for (int when = 0; when < 8; when++) {
		struct end e = {.abort_on_data = when == 4};
		int fd = open_end(r, &e);

		if (when > 0)
			REQUIRE(ring_turn(r, 0) == 0);
		if (when == 2 || when == 7) {
			stream_send_copy(e.s, big, 4 << 20);
			for (int i = 0; i < 5; i++)
				REQUIRE(ring_turn(r, 0) == 0);
			CHECK(stream_queued(e.s) > 0);
		}
		if (when == 3)
			stream_pause(e.s);
		if (when == 4)
			CHECK_INT(write(fd, big, 100000), 100000);
		if (when == 5) {
			stream_close(e.s);
			REQUIRE(ring_turn(r, 0) == 0);
		}
		if (when == 7)
			close(fd);
		else if (when != 4)
			stream_abort(e.s);
		if (when == 6)
			stream_abort(e.s);
		CHECK_INT(e.closes, 0); /* never from inside */
		CHECK(TURN_UNTIL(r, e.closes == 1));
		if (when == 4)
			CHECK(e.received <= IOBUF_BYTES);
		CHECK_INT(e.error != 0, when == 7);
		if (when != 7)
			close(fd);
		CHECK_INT(iobuf_in_use(r), 0);
	}
	free(big);
	finish(r);
}

static void
count_accept(void *ctx, int fd)
{
	++*(int *) ctx;
	close(fd);
}

static void
connecting_works_fails_and_can_be_aborted(void)
{
	struct ring *r = open_ring(&defaults);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct ring_listener l;
	struct end good = {0}, bad = {0}, aborted = {0};
	int n = 0;

	REQUIRE(ring_listen(r, &l, (struct sockaddr *) &a, sizeof(a), count_accept, &n) == 0);
	a.sin_port = htons(l.port);
	CHECK_INT(stream_connect(r, (struct sockaddr *) &a, sizeof(a), &end_ops, &good, &good.s),
		  0);
	stream_send_copy(good.s, "early", 5);
	CHECK(TURN_UNTIL(r, good.connects == 1 && n == 1));
	CHECK(TURN_UNTIL(r, stream_queued(good.s) == 0));
	stream_abort(good.s);
	CHECK_INT(stream_connect(r, (struct sockaddr *) &a, sizeof(a), &end_ops, &aborted,
				 &aborted.s), 0);
	stream_abort(aborted.s);
	CHECK(TURN_UNTIL(r, good.closes && aborted.closes));
	CHECK_INT(aborted.error, 0);
	ring_unlisten(&l);
	CHECK_INT(stream_connect(r, (struct sockaddr *) &a, sizeof(a), &end_ops, &bad, &bad.s), 0);
	CHECK(TURN_UNTIL(r, bad.closes == 1));
	CHECK_INT(bad.error, -ECONNREFUSED);
	CHECK_SLICE(slice_str(bad.reason), "Connection refused");
	CHECK_INT(bad.connects, 0);
	CHECK(TURN_UNTIL(r, ring_live(r) == 0));
	CHECK_INT(iobuf_in_use(r), 0);
	ring_close(r);
}

static void
a_full_ring_refuses(void)
{
	struct ring *r = open_ring(&(struct ring_config){.max_slots = 1});
	struct end e = {0};
	int fd = open_end(r, &e), pair[2];
	struct stream *s;

	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK_INT(stream_open(r, pair[0], &end_ops, NULL, &s), -ENFILE);
	CHECK(s == NULL);
	CHECK_INT(read(pair[1], &(char){0}, 1), 0); /* it was closed */
	close(pair[1]);
	stream_abort(e.s);
	close(fd);
	finish(r);
}

/* Ten thousand connections over loopback, each with a word and its echo; nothing is left. */
struct peer {
	uint16_t port;
	int n, bad;
};

static void *
peer_main(void *arg)
{
	struct peer *p = arg;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p->port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (int i = 0; i < p->n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		char got[4];

		if (connect(fd, (struct sockaddr *) &a, sizeof(a)) < 0 ||
		    write(fd, "ping", 4) != 4 || recv(fd, got, 4, MSG_WAITALL) != 4 ||
		    memcmp(got, "ping", 4) != 0)
			p->bad++;
		/* Some leave rudely. */
		if (i % 3 == 0) {
			struct linger rude = {.l_onoff = 1};

			setsockopt(fd, SOL_SOCKET, SO_LINGER, &rude, sizeof(rude));
		}
		close(fd);
	}
	return NULL;
}

static int n_closed;

static void
cycle_data(void *ctx, struct iobuf *b, uint8_t *p, size_t n)
{
	stream_send_ref(*(struct stream **) ctx, b, p, n);
}

static void
cycle_close(void *ctx, int error, const char *reason)
{
	(void) error, (void) reason;
	free(ctx);
	n_closed++;
}

static const struct stream_ops cycle_ops = {.on_data = cycle_data, .on_close = cycle_close};

static void
cycle_accept(void *ctx, int fd)
{
	struct stream **s = malloc(sizeof(*s));

	if (stream_open(ctx, fd, &cycle_ops, s, s) < 0)
		abort();
}

static void
ten_thousand_connections_leave_nothing(void)
{
	enum { N = 10000 };
	struct ring *r = open_ring(&defaults);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct ring_listener l;
	struct peer p = {.n = N};
	pthread_t t;
	int lowest, after;

	n_closed = 0;
	REQUIRE(ring_listen(r, &l, (struct sockaddr *) &a, sizeof(a), cycle_accept, r) == 0);
	lowest = dup(0);
	p.port = l.port;
	pthread_create(&t, NULL, peer_main, &p);
	CHECK(TURN_UNTIL(r, n_closed == N));
	pthread_join(t, NULL);
	CHECK_INT(p.bad, 0);
	after = dup(0);
	CHECK_INT(after, lowest + 1); /* no descriptor was left behind */
	close(lowest);
	close(after);
	CHECK_INT(ring_live(r), 1);
	CHECK(ring_counters(r)->allocs < 20);
	ring_unlisten(&l);
	CHECK_INT(iobuf_in_use(r), 0);
	ring_close(r);
}

static void
pacing_makes_fewer_and_larger_receives(void)
{
	enum { TOTAL = 4 << 20, CHUNK = 8192 };
	uint64_t recvs[2];

	for (int paced = 0; paced < 2; paced++) {
		struct ring *r = open_ring(&defaults);
		struct end e = {0};
		int fd = open_end(r, &e);
		size_t fed = 0;

		if (paced)
			stream_pace(e.s, 100);
		while (e.received < TOTAL) {
			if (fed < TOTAL)
				feed(fd, &fed, fed + CHUNK);
			REQUIRE(ring_turn(r, fed < TOTAL ? 0 : NS_PER_MS) == 0);
		}
		CHECK(e.sum == pattern_sum(TOTAL));
		recvs[paced] = ring_counters(r)->recvs;
		CHECK_INT(ring_counters(r)->paced > 0, paced);
		/* Back to short turns: at once again. */
		stream_pace(e.s, 0);
		CHECK_INT(write(fd, "x", 1), 1);
		CHECK(TURN_UNTIL(r, e.received == TOTAL + 1));
		stream_abort(e.s);
		close(fd);
		finish(r);
	}
	printf("# receives: %llu, paced %llu\n", (unsigned long long) recvs[0],
	       (unsigned long long) recvs[1]);
	CHECK(recvs[1] * 2 < recvs[0]);
}

static void
another_owner_takes_over(void)
{
	struct ring *r = open_ring(&defaults);
	struct end first = {0}, second = {0};
	int fd = open_end(r, &first);

	CHECK_INT(write(fd, "one", 3), 3);
	CHECK(TURN_UNTIL(r, first.received == 3));
	second.s = first.s;
	stream_set_owner(first.s, &end_ops, &second);
	CHECK(stream_ctx(second.s) == &second);
	CHECK_INT(write(fd, "two", 3), 3);
	CHECK(TURN_UNTIL(r, second.received == 3));
	stream_abort(second.s);
	CHECK(TURN_UNTIL(r, second.closes == 1));
	CHECK_INT(first.closes, 0);
	close(fd);
	finish(r);
}

/* With one peer a short send is a call, until its socket is full; then it is the ring's. */
static void
a_short_send_is_a_call(void)
{
	struct ring *r = open_ring(&defaults);
	struct end e = {.echo = true};
	int fd = open_end(r, &e);
	char filler[4096] = {0};
	size_t fed = 0, taken = 0;
	uint64_t sqes, left;

	ring_send_at_once(r, true);
	REQUIRE(ring_turn(r, 0) == 0);
	sqes = ring_counters(r)->sqes; /* the receive, which lasts */
	while (fed < 100) {
		feed(fd, &fed, fed + 1);
		while (taken < fed) {
			REQUIRE(ring_turn(r, 0) == 0);
			take(fd, &taken, SIZE_MAX);
		}
	}
	CHECK_INT(ring_counters(r)->calls, 100);
	CHECK_INT(ring_counters(r)->sends, 100);
	CHECK_INT(ring_counters(r)->sqes, sqes);
	while (send(stream_fd(e.s), filler, sizeof(filler), MSG_DONTWAIT) > 0)
		; /* until its socket is full */
	for (int i = 0; i < 20; i++) {
		stream_send_copy(e.s, "x", 1);
		REQUIRE(ring_turn(r, 0) == 0);
	}
	CHECK_INT(ring_counters(r)->calls, 101);
	CHECK_INT(ring_counters(r)->sqes, sqes + 1);
	left = stream_queued(e.s);
	CHECK_INT(left, 20);
	while (read(fd, filler, sizeof(filler)) > 0)
		;
	CHECK(TURN_UNTIL(r, stream_queued(e.s) == 0));
	close(fd);
	stream_send_copy(e.s, "x", 1);
	CHECK(TURN_UNTIL(r, e.closes == 1));
	CHECK_INT(e.error, -EPIPE);
	finish(r);
}

static void
all_of_it_with_sends_at_once(void)
{
	sends_at_once = true;
	echo_in_bundles();
	echo_with_few_buffers();
	one_byte_at_a_time();
	copies_and_references_keep_their_order();
	a_slow_reader_holds_the_source_back();
	closing_sends_what_is_queued();
	a_half_closed_peer_still_gets_its_answer();
	an_abort_is_safe_during_every_operation();
	connecting_works_fails_and_can_be_aborted();
	pacing_makes_fewer_and_larger_receives();
	another_owner_takes_over();
	sends_at_once = false;
}

TEST_MAIN(TEST(echo_in_bundles), TEST(echo_buffer_by_buffer), TEST(echo_with_few_buffers),
	  TEST(one_byte_at_a_time), TEST(copies_and_references_keep_their_order),
	  TEST(a_slow_reader_holds_the_source_back),
	  TEST(a_reader_that_stands_still_holds_nobody_up), TEST(an_idle_stream_holds_nothing),
	  TEST(a_storm_without_buffers_ends_well), TEST(a_starved_stream_waits_for_a_buffer),
	  TEST(closing_sends_what_is_queued), TEST(a_half_closed_peer_still_gets_its_answer),
	  TEST(hanging_up_waits_for_nobody),
	  TEST(an_abort_is_safe_during_every_operation),
	  TEST(connecting_works_fails_and_can_be_aborted), TEST(a_full_ring_refuses),
	  TEST(ten_thousand_connections_leave_nothing),
	  TEST(pacing_makes_fewer_and_larger_receives), TEST(another_owner_takes_over),
	  TEST(a_short_send_is_a_call), TEST(all_of_it_with_sends_at_once))
