/* SPDX-License-Identifier: MIT
 *
 * A blind relay on runtime/io: what streams, slots and back-pressure cost by themselves, next to
 * `relay`, which has none of them. --pace USEC coalesces what the server sends.
 *
 *   forward --port 0 --to PORT [--pace USEC] [--counters]   prints "port N"; SIGTERM ends it
 */
#include "io/stream.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct side {
	struct stream *stream;
	struct side *other;
	bool is_server;
};

struct both {
	struct side client, server;
};

static struct sockaddr_in target = {.sin_family = AF_INET};
static unsigned pace_usec;
static struct ring_event stop;
static bool stopping;

static void
on_data(void *ctx, struct iobuf *buf, uint8_t *p, size_t n)
{
	struct side *s = ctx;

	if (!s->other->stream)
		return;
	stream_send_ref(s->other->stream, buf, p, n);
	if (stream_queued(s->other->stream) > STREAM_HIGH)
		stream_pause(s->stream);
}

static void
on_drain(void *ctx)
{
	struct side *s = ctx;

	if (s->other->stream)
		stream_resume(s->other->stream);
}

static void
on_eof(void *ctx)
{
	struct side *s = ctx;

	stream_close(s->stream);
	if (s->other->stream)
		stream_close(s->other->stream);
}

static void
on_connect(void *ctx)
{
	struct side *s = ctx;

	if (pace_usec)
		stream_pace(s->stream, pace_usec);
}

static void
on_close(void *ctx, int error, const char *reason)
{
	struct side *s = ctx;

	(void) error, (void) reason;
	s->stream = NULL;
	if (s->other->stream)
		stream_close(s->other->stream);
	else
		free(s->is_server ? (void *) ((char *) s - offsetof(struct both, server)) : s);
}

static const struct stream_ops ops = {.on_data = on_data, .on_drain = on_drain, .on_eof = on_eof,
				      .on_connect = on_connect, .on_close = on_close};

static void
on_accept(void *ctx, int fd)
{
	struct both *b = calloc(1, sizeof(*b));
	struct ring *r = ctx;

	if (!b)
		abort();
	b->client.other = &b->server;
	b->server.other = &b->client;
	b->server.is_server = true;
	if (stream_open(r, fd, &ops, &b->client, &b->client.stream) < 0) {
		free(b);
		return;
	}
	if (stream_connect(r, (struct sockaddr *) &target, sizeof(target), &ops, &b->server,
			   &b->server.stream) < 0)
		stream_abort(b->client.stream);
}

static void
on_stop(void *ctx)
{
	(void) ctx;
	stopping = true;
}

static void
on_signal(int sig)
{
	(void) sig;
	ring_event_signal(&stop);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'}, {"to", required_argument, NULL, 't'},
		{"pace", required_argument, NULL, 'u'}, {"counters", no_argument, NULL, 'c'}, {0}};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct ring_listener listener;
	struct ring *ring;
	bool counters = false;
	char err[200];
	int o;

	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'p': a.sin_port = htons((uint16_t) atoi(optarg)); break;
		case 't': target.sin_port = htons((uint16_t) atoi(optarg)); break;
		case 'u': pace_usec = (unsigned) atoi(optarg); break;
		case 'c': counters = true; break;
		default: return 2;
		}
	}
	if (ring_open(&ring, &(struct ring_config){.max_slots = 65536}, err, sizeof(err)) < 0) {
		fprintf(stderr, "forward: %s\n", err);
		return 1;
	}
	if (ring_event_open(ring, &stop, on_stop, NULL) < 0 ||
	    ring_listen(ring, &listener, (struct sockaddr *) &a, sizeof(a), on_accept, ring) < 0) {
		fprintf(stderr, "forward: cannot listen\n");
		return 1;
	}
	signal(SIGTERM, on_signal);
	printf("port %u\n", listener.port);
	fflush(stdout);
	while (!stopping)
		if (ring_turn(ring, UINT64_MAX) < 0)
			return 1;
	if (counters) {
		const struct ring_counters *n = ring_counters(ring);

#define X(name, text) fprintf(stderr, "%-16s %llu\n", #name, (unsigned long long) n->name);
		RING_COUNTERS(X)
#undef X
	}
	return 0;
}
