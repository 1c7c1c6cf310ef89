/* SPDX-License-Identifier: MIT
 *
 * The load client: N connections, one thread, one statement over and over. libpq logs in, then
 * the protocol is spoken on the bare sockets, because the client must cost less than what it
 * measures.
 *
 *   pgload --dsn CONNINFO -c 32 --seconds 0.4 --sql TEXT [--extended]
 *   pgload --dsn CONNINFO --cycles 5000 --sql TEXT          connect, one query, disconnect
 *   pgload --dsn CONNINFO -c 10000 --idle                   log in and stay
 *
 * Prints "ready" when all are logged in, waits for a line on standard input (so that whoever
 * reads CPU counters does it at the right moment), runs, prints one JSON line. The first
 * statement of each connection is not counted. --idle ends with the second line or the end of
 * input.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 256 * 1024, MAX_SAMPLES = 1 << 20 };

struct conn {
	PGconn *pg;
	int fd;
	uint64_t sent_ns;
	uint8_t head[5]; /* of the message at hand, when it straddles two reads */
	unsigned head_n;
	uint64_t skip; /* rest of its body */
	bool busy, warm;
};

static struct conn *conns;
static int n_conns = 1, cycles;
static const char *dsn, *sql;
static double seconds = 1;
static bool extended, idle;
static uint8_t request[1024];
static size_t request_n;
static uint64_t queries, rows, bytes, errors, busy_n;
static uint32_t *samples_us10; /* tenths of a microsecond */
static size_t n_samples;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void
add(char type, const void *body, size_t n)
{
	uint32_t len = htobe32((uint32_t) n + 4);

	if (request_n + n + 5 > sizeof(request)) {
		fprintf(stderr, "pgload: the statement is too long\n");
		exit(2);
	}
	request[request_n++] = (uint8_t) type;
	memcpy(request + request_n, &len, 4);
	memcpy(request + request_n + 4, body, n);
	request_n += 4 + n;
}

static void
make_request(void)
{
	uint8_t parse[1000] = {0};
	size_t n = strlen(sql);

	if (!extended) {
		add('Q', sql, n + 1);
		return;
	}
	if (n > 900) {
		fprintf(stderr, "pgload: the statement is too long\n");
		exit(2);
	}
	memcpy(parse + 1, sql, n + 1);
	add('P', parse, n + 4);
	add('B', "\0\0\0\0\0\0\0", 8);
	add('D', "P", 2);
	add('E', "\0\0\0\0", 5);
	add('S', "", 0);
}

static void
fire(struct conn *c)
{
	c->sent_ns = now_ns();
	c->busy = true;
	busy_n++;
	if (write(c->fd, request, request_n) != (ssize_t) request_n) {
		fprintf(stderr, "pgload: write: %s\n", strerror(errno));
		exit(1);
	}
}

static void
answered(struct conn *c, bool again)
{
	uint64_t took = now_ns() - c->sent_ns;

	c->busy = false;
	busy_n--;
	if (c->warm) {
		queries++;
		if (n_samples < MAX_SAMPLES)
			samples_us10[n_samples++] = (uint32_t) (took / 100);
	}
	c->warm = true;
	if (again)
		fire(c);
}

/* Walks message headers; a message or its header may be cut anywhere. */
static void
walk(struct conn *c, const uint8_t *p, size_t n, bool again)
{
	const uint8_t *stop = p + n;

	if (c->warm)
		bytes += n;
	while (p < stop) {
		uint64_t here = (uint64_t) (stop - p);
		uint32_t len;

		if (c->skip) {
			here = here < c->skip ? here : c->skip;
			p += here;
			c->skip -= here;
		} else {
			c->head[c->head_n++] = *p++;
			if (c->head_n < 5)
				continue;
			c->head_n = 0;
			memcpy(&len, c->head + 1, 4);
			c->skip = be32toh(len) - 4;
			rows += c->warm && (c->head[0] == 'D' || c->head[0] == 'd');
			errors += c->head[0] == 'E';
		}
		if (!c->skip && c->head[0] == 'Z')
			answered(c, again);
	}
}

static void
login(struct conn *c)
{
	c->pg = PQconnectdb(dsn);
	if (PQstatus(c->pg) != CONNECTION_OK) {
		fprintf(stderr, "pgload: %s", PQerrorMessage(c->pg));
		exit(1);
	}
	c->fd = PQsocket(c->pg);
}

static void
login_all(void)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	conns = calloc((size_t) n_conns, sizeof(*conns));
	for (int i = 0; i < n_conns; i++)
		login(&conns[i]);
}

static void
wait_line(void)
{
	char line[16];

	if (!fgets(line, sizeof(line), stdin))
		exit(0);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

static double
percentile(double p)
{
	if (n_samples == 0)
		return 0;
	return samples_us10[(size_t) (p * (double) (n_samples - 1))] / 10.0;
}

static void
report(double took)
{
	qsort(samples_us10, n_samples, sizeof(*samples_us10), by_value);
	printf("{\"seconds\":%.6f,\"connections\":%d,\"queries\":%llu,\"rows\":%llu,"
	       "\"bytes\":%llu,\"errors\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
	       took, n_conns, (unsigned long long) queries, (unsigned long long) rows,
	       (unsigned long long) bytes, (unsigned long long) errors, percentile(0.5),
	       percentile(0.99));
	fflush(stdout);
}

static double
run_load(void)
{
	int epoll = epoll_create1(0);
	uint8_t *in = malloc(IN_BYTES);
	uint64_t start = now_ns(), end = start + (uint64_t) (seconds * 1e9);
	uint64_t hard_end = end + 30 * 1000000000ull;
	struct epoll_event got[256];

	for (int i = 0; i < n_conns; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.ptr = &conns[i]};

		epoll_ctl(epoll, EPOLL_CTL_ADD, conns[i].fd, &e);
		conns[i].warm = false;
		fire(&conns[i]);
	}
	while (busy_n > 0) {
		int n = epoll_wait(epoll, got, 256, 1000);
		uint64_t now = now_ns();

		if (now > hard_end) {
			fprintf(stderr, "pgload: %llu answers are still missing after 30 s\n",
				(unsigned long long) busy_n);
			exit(1);
		}
		for (int i = 0; i < n; i++) {
			struct conn *c = got[i].data.ptr;
			ssize_t r = recv(c->fd, in, IN_BYTES, MSG_DONTWAIT);

			if (r == 0 || (r < 0 && errno != EAGAIN)) {
				fprintf(stderr, "pgload: the connection ended: %s\n",
					r ? strerror(errno) : "closed");
				exit(1);
			}
			if (r > 0)
				walk(c, in, (size_t) r, now < end);
		}
	}
	free(in);
	close(epoll);
	return (double) (now_ns() - start) / 1e9;
}

static double
run_cycles(void)
{
	uint64_t start = now_ns();

	for (int i = 0; i < cycles; i++) {
		PGconn *pg = PQconnectdb(dsn);
		PGresult *res = PQexec(pg, sql);

		if (PQresultStatus(res) != PGRES_TUPLES_OK) {
			if (errors++ == 0)
				fprintf(stderr, "pgload: %s", PQerrorMessage(pg));
		} else {
			queries++;
		}
		PQclear(res);
		PQfinish(pg);
	}
	return (double) (now_ns() - start) / 1e9;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"dsn", required_argument, NULL, 'd'},
		{"seconds", required_argument, NULL, 's'},
		{"sql", required_argument, NULL, 'q'},
		{"extended", no_argument, NULL, 'x'},
		{"cycles", required_argument, NULL, 'n'},
		{"idle", no_argument, NULL, 'i'},
		{0}};
	double took;
	int o;

	while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		switch (o) {
		case 'd': dsn = optarg; break;
		case 's': seconds = atof(optarg); break;
		case 'q': sql = optarg; break;
		case 'x': extended = true; break;
		case 'n': cycles = atoi(optarg); break;
		case 'i': idle = true; break;
		case 'c': n_conns = atoi(optarg); break;
		default: return 2;
		}
	}
	if (!dsn || (!sql && !idle) || n_conns < 1) {
		fprintf(stderr, "pgload: --dsn and --sql are needed\n");
		return 2;
	}
	samples_us10 = malloc(MAX_SAMPLES * sizeof(*samples_us10));
	if (!cycles)
		login_all();
	if (sql)
		make_request();
	printf("ready\n");
	fflush(stdout);
	wait_line();
	if (idle) {
		wait_line();
		return 0;
	}
	took = cycles ? run_cycles() : run_load();
	report(took);
	wait_line(); /* the connections stay until the reader has taken its figures */
	return 0;
}
