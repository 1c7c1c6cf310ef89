/* SPDX-License-Identifier: MIT
 *
 * A canned PostgreSQL server, so that a benchmark of what stands in front of it has no noise
 * behind it. One thread, epoll. Trusts everybody. Two tables exist: bench_point (id, name),
 * always one row, and bench_rows (six text columns, 155 bytes a row), as many rows as LIMIT
 * says; COPY bench_rows TO STDOUT gives 100,000. Replies are prepared once and written from one
 * block.
 *
 * Every other statement (a gateway reading the catalog) is passed to a real PostgreSQL that has
 * the same tables, named by --backing; the object ids in RowDescription are taken from there
 * too.
 *
 *   pgblast --port 0 [--backing CONNINFO]      prints "port N" when it listens
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { N_COLUMNS = 6, BLOCK_ROWS = 512, IN_BYTES = 16384, MAX_IOV = 16, COPY_ROWS = 100000 };

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

static const char *const column_names[N_COLUMNS] = {"a", "b", "card", "d", "e", "f"};
static const unsigned column_bytes[N_COLUMNS] = {12, 20, 16, 24, 26, 26};
static struct bytes rows, copy_rows;          /* BLOCK_ROWS of each */
static struct bytes describe_rows, describe_point, point_row;
static uint32_t row_bytes, copy_row_bytes;
static const char *backing;

/* What is still to be written: a prologue, a count of rows out of a block, an epilogue. */
struct conn {
	int fd;
	bool started, writing, extended_skip;
	uint8_t in[IN_BYTES];
	size_t in_n;
	struct bytes head, tail;
	size_t head_at, tail_at;
	const struct bytes *block;
	uint64_t block_left, block_at; /* bytes */
	char parsed[256];              /* text of the last Parse */
	PGconn *real;
};

static void
die(const char *what)
{
	fprintf(stderr, "pgblast: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- Building messages ---------------------------------------------------------------------- */

static void
put(struct bytes *b, const void *p, size_t n)
{
	if (b->n + n > b->cap) {
		b->cap = (b->n + n) * 2;
		b->p = realloc(b->p, b->cap);
		if (!b->p)
			die("realloc");
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
put16(struct bytes *b, uint16_t v)
{
	v = htobe16(v);
	put(b, &v, 2);
}

static void
put32(struct bytes *b, uint32_t v)
{
	v = htobe32(v);
	put(b, &v, 4);
}

static void
puts0(struct bytes *b, const char *s)
{
	put(b, s, strlen(s) + 1);
}

static size_t
begin(struct bytes *b, char type)
{
	put(b, &type, 1);
	put32(b, 0);
	return b->n - 4;
}

static void
end(struct bytes *b, size_t at)
{
	uint32_t n = htobe32((uint32_t) (b->n - at));

	memcpy(b->p + at, &n, 4);
}

static void
put_describe(struct bytes *b, const char *name, uint32_t table, uint16_t column, uint32_t type,
	     uint16_t size)
{
	puts0(b, name);
	put32(b, table);
	put16(b, column);
	put32(b, type);
	put16(b, size);
	put32(b, UINT32_MAX);
	put16(b, 0);
}

static void
put_complete(struct bytes *b, const char *tag)
{
	size_t at = begin(b, 'C');

	puts0(b, tag);
	end(b, at);
}

static void
put_ready(struct bytes *b, char state)
{
	size_t at = begin(b, 'Z');

	put(b, &state, 1);
	end(b, at);
}

static void
put_empty(struct bytes *b, char type)
{
	end(b, begin(b, type));
}

/* Field c of row r: digits and letters that differ from row to row. */
static void
field(char *to, unsigned c, unsigned r)
{
	char digits[16];
	int n = snprintf(digits, sizeof(digits), "%u", r * 2654435761u);

	for (unsigned i = 0; i < column_bytes[c]; i++)
		to[i] = c == 2 ? digits[i % (unsigned) n] : (char) ('a' + (r + c + i) % 26);
}

static void
prepare_replies(uint32_t rows_oid, uint32_t point_oid)
{
	size_t at = begin(&describe_rows, 'T');
	char text[32];

	put16(&describe_rows, N_COLUMNS);
	for (unsigned c = 0; c < N_COLUMNS; c++)
		put_describe(&describe_rows, column_names[c], rows_oid, (uint16_t) (c + 1), 25,
			     UINT16_MAX);
	end(&describe_rows, at);
	at = begin(&describe_point, 'T');
	put16(&describe_point, 2);
	put_describe(&describe_point, "id", point_oid, 1, 23, 4);
	put_describe(&describe_point, "name", point_oid, 2, 25, UINT16_MAX);
	end(&describe_point, at);
	at = begin(&point_row, 'D');
	put16(&point_row, 2);
	put32(&point_row, 2);
	put(&point_row, "42", 2);
	put32(&point_row, 16);
	put(&point_row, "sixteen letters.", 16);
	end(&point_row, at);
	for (unsigned r = 0; r < BLOCK_ROWS; r++) {
		at = begin(&rows, 'D');
		put16(&rows, N_COLUMNS);
		for (unsigned c = 0; c < N_COLUMNS; c++) {
			field(text, c, r);
			put32(&rows, column_bytes[c]);
			put(&rows, text, column_bytes[c]);
		}
		end(&rows, at);
		at = begin(&copy_rows, 'd');
		for (unsigned c = 0; c < N_COLUMNS; c++) {
			field(text, c, r);
			put(&copy_rows, text, column_bytes[c]);
			put(&copy_rows, c + 1 < N_COLUMNS ? "\t" : "\n", 1);
		}
		end(&copy_rows, at);
	}
	row_bytes = (uint32_t) (rows.n / BLOCK_ROWS);
	copy_row_bytes = (uint32_t) (copy_rows.n / BLOCK_ROWS);
}

/* ---- Statements ----------------------------------------------------------------------------- */

static void
put_error(struct bytes *b, const char *code, const char *text)
{
	size_t at = begin(b, 'E');

	put(b, "SERROR", 7);
	put(b, "VERROR", 7);
	put(b, "C", 1);
	puts0(b, code);
	put(b, "M", 1);
	puts0(b, text);
	put(b, "", 1);
	end(b, at);
}

/* Runs it on the real server and translates the answer back. */
static void
pass_on(struct conn *c, const char *sql)
{
	struct bytes *out = &c->head;
	PGresult *res;
	char state;

	if (!backing) {
		put_error(out, "0A000", "pgblast knows bench_rows and bench_point only");
		put_ready(out, 'I');
		return;
	}
	if (!c->real)
		c->real = PQconnectdb(backing);
	PQsendQuery(c->real, sql);
	while ((res = PQgetResult(c->real))) {
		int n = PQnfields(res);

		if (PQresultStatus(res) == PGRES_TUPLES_OK) {
			size_t at = begin(out, 'T');

			put16(out, (uint16_t) n);
			for (int i = 0; i < n; i++)
				put_describe(out, PQfname(res, i), PQftable(res, i),
					     (uint16_t) PQftablecol(res, i), PQftype(res, i),
					     (uint16_t) PQfsize(res, i));
			end(out, at);
		}
		for (int r = 0; r < PQntuples(res); r++) {
			size_t at = begin(out, 'D');

			put16(out, (uint16_t) n);
			for (int i = 0; i < n; i++) {
				if (PQgetisnull(res, r, i)) {
					put32(out, UINT32_MAX);
					continue;
				}
				put32(out, (uint32_t) PQgetlength(res, r, i));
				put(out, PQgetvalue(res, r, i), (size_t) PQgetlength(res, r, i));
			}
			end(out, at);
		}
		if (PQresultStatus(res) == PGRES_TUPLES_OK ||
		    PQresultStatus(res) == PGRES_COMMAND_OK) {
			put_complete(out, PQcmdStatus(res));
		} else {
			const char *code = PQresultErrorField(res, PG_DIAG_SQLSTATE);

			put_error(out, code ? code : "XX000", PQresultErrorMessage(res));
		}
		PQclear(res);
	}
	state = PQtransactionStatus(c->real) == PQTRANS_IDLE	  ? 'I'
		: PQtransactionStatus(c->real) == PQTRANS_INTRANS ? 'T'
								  : 'E';
	put_ready(out, state);
}

static uint64_t
limit_of(const char *sql)
{
	const char *at = strcasestr(sql, "limit ");

	return at ? strtoull(at + 6, NULL, 10) : 1;
}

static bool
is_canned(const char *sql)
{
	const char *at = sql;

	/* The catalog queries may carry the names as well; ours begin with these words. */
	while (*at == ' ' || *at == '\n')
		at++;
	if (strncasecmp(at, "select", 6) != 0 && strncasecmp(at, "copy", 4) != 0)
		return false;
	return strstr(at, "from bench_rows") || strstr(at, "from bench_point") ||
	       strncasecmp(at, "copy bench_rows to stdout", 25) == 0;
}

/* Rows and CommandComplete. Rows of many are written from the block, what follows goes to tail. */
static void
put_result(struct conn *c, const char *sql, bool with_describe)
{
	char tag[40];

	if (strncasecmp(sql, "copy", 4) == 0) {
		size_t at = begin(&c->head, 'H');

		put(&c->head, "", 1);
		put16(&c->head, N_COLUMNS);
		for (unsigned i = 0; i < N_COLUMNS; i++)
			put16(&c->head, 0);
		end(&c->head, at);
		c->block = &copy_rows;
		c->block_left = (uint64_t) COPY_ROWS * copy_row_bytes;
		put_empty(&c->tail, 'c');
		snprintf(tag, sizeof(tag), "COPY %u", COPY_ROWS);
		put_complete(&c->tail, tag);
	} else if (strstr(sql, "bench_rows")) {
		uint64_t n = limit_of(sql);

		if (with_describe)
			put(&c->head, describe_rows.p, describe_rows.n);
		c->block = &rows;
		c->block_left = n * row_bytes;
		snprintf(tag, sizeof(tag), "SELECT %llu", (unsigned long long) n);
		put_complete(&c->tail, tag);
	} else {
		if (with_describe)
			put(&c->head, describe_point.p, describe_point.n);
		put(&c->head, point_row.p, point_row.n);
		put_complete(&c->head, "SELECT 1");
	}
	c->block_at = 0;
}

/* What a gateway asks of each connection before it judges names. False: something else. */
static bool
put_setting(struct conn *c, const char *sql)
{
	static const struct {
		const char *sql, *value;
	} known[] = {
		{"show search_path", "\"$user\", public"},
		{"show role", "none"},
		{"show session_authorization", "app"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t at;

		if (strcmp(sql, known[i].sql) != 0)
			continue;
		at = begin(&c->head, 'D');
		put16(&c->head, 1);
		put32(&c->head, (uint32_t) strlen(known[i].value));
		put(&c->head, known[i].value, strlen(known[i].value));
		end(&c->head, at);
		put_complete(&c->head, "SHOW");
		return true;
	}
	return false;
}

/* Where the next message of a reply belongs: behind the rows, when there are any. */
static struct bytes *
out(struct conn *c)
{
	return c->block_left ? &c->tail : &c->head;
}

static void
message(struct conn *c, char type, const char *body, size_t n)
{
	switch (type) {
	case 'Q':
		if (!is_canned(body)) {
			pass_on(c, body);
			break;
		}
		put_result(c, body, true);
		put_ready(out(c), 'I');
		break;
	case 'P': /* name, text, types */
		snprintf(c->parsed, sizeof(c->parsed), "%s", body + strlen(body) + 1);
		put_empty(out(c), '1');
		break;
	case 'B':
		put_empty(out(c), '2');
		break;
	case 'D':
		if (body[0] == 'S') {
			size_t at = begin(out(c), 't');

			put16(out(c), 0);
			end(out(c), at);
		}
		if (strstr(c->parsed, "bench_rows"))
			put(out(c), describe_rows.p, describe_rows.n);
		else
			put(out(c), describe_point.p, describe_point.n);
		break;
	case 'E':
		if (!put_setting(c, c->parsed))
			put_result(c, c->parsed, false);
		break;
	case 'C':
		put_empty(out(c), '3');
		break;
	case 'S':
		put_ready(out(c), 'I');
		break;
	default:
		break; /* Flush, and what a canned server does not know */
	}
	(void) n;
}

/* ---- Connections ---------------------------------------------------------------------------- */

static void
put_parameter(struct bytes *b, const char *name, const char *value)
{
	size_t at = begin(b, 'S');

	puts0(b, name);
	puts0(b, value);
	end(b, at);
}

static void
greet(struct conn *c)
{
	static const char *const parameters[][2] = {
		{"application_name", ""}, {"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
		{"default_transaction_read_only", "off"}, {"in_hot_standby", "off"},
		{"integer_datetimes", "on"}, {"IntervalStyle", "postgres"}, {"is_superuser", "on"},
		{"server_encoding", "UTF8"}, {"server_version", "15.18"},
		{"session_authorization", "postgres"}, {"standard_conforming_strings", "on"},
		{"TimeZone", "Etc/UTC"},
	};
	size_t at = begin(&c->head, 'R');

	put32(&c->head, 0);
	end(&c->head, at);
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		put_parameter(&c->head, parameters[i][0], parameters[i][1]);
	at = begin(&c->head, 'K');
	put32(&c->head, (uint32_t) c->fd);
	put32(&c->head, 12345);
	end(&c->head, at);
	put_ready(&c->head, 'I');
	c->started = true;
}

static void
drop(struct conn *c)
{
	close(c->fd);
	free(c->head.p);
	free(c->tail.p);
	if (c->real)
		PQfinish(c->real);
	free(c);
}

/* Takes whole messages off the input while nothing waits to be written. False: close. */
static bool
take(struct conn *c)
{
	size_t at = 0;
	uint32_t n;

	while (!c->block_left && c->in_n - at >= (c->started ? 5u : 8u)) {
		uint8_t *m = c->in + at;
		size_t type = c->started ? 1 : 0;

		memcpy(&n, m + type, 4);
		n = be32toh(n);
		if (n < 4 || n + type > IN_BYTES)
			return false;
		if (c->in_n - at < n + type)
			break;
		at += n + type;
		if (c->started) {
			if (m[0] == 'X')
				return false;
			message(c, (char) m[0], (char *) m + 5, n - 4);
			continue;
		}
		memcpy(&n, m + 4, 4);
		n = be32toh(n);
		if (n == 80877103 || n == 80877104) /* SSLRequest, GSSENCRequest */
			put(&c->head, "N", 1);
		else if (n == 3 << 16)
			greet(c);
		else
			return false; /* CancelRequest: nothing here runs long */
	}
	memmove(c->in, c->in + at, c->in_n - at);
	c->in_n -= at;
	return true;
}

/* Writes what it can. 1: all, 0: socket full, -1: gone. */
static int
push(struct conn *c)
{
	for (;;) {
		struct iovec iov[MAX_IOV];
		int k = 0;
		uint64_t left = c->block_left, at = c->block_at;
		ssize_t w;

		if (c->head_at < c->head.n)
			iov[k++] = (struct iovec){c->head.p + c->head_at, c->head.n - c->head_at};
		while (left && k < MAX_IOV - 1) {
			uint64_t n = c->block->n - at;

			n = n < left ? n : left;
			iov[k++] = (struct iovec){c->block->p + at, n};
			left -= n;
			at = 0;
		}
		if (!left && c->tail_at < c->tail.n)
			iov[k++] = (struct iovec){c->tail.p + c->tail_at, c->tail.n - c->tail_at};
		if (k == 0) {
			c->head.n = c->tail.n = c->head_at = c->tail_at = 0;
			return 1;
		}
		w = writev(c->fd, iov, k);
		if (w < 0)
			return errno == EAGAIN ? 0 : -1;
		for (uint64_t done = (uint64_t) w; done;) {
			uint64_t n = c->head.n - c->head_at;

			if (n) {
				n = n < done ? n : done;
				c->head_at += n;
			} else if (c->block_left) {
				n = c->block->n - c->block_at;
				n = n < c->block_left ? n : c->block_left;
				n = n < done ? n : done;
				c->block_left -= n;
				c->block_at = (c->block_at + n) % c->block->n;
			} else {
				n = done;
				c->tail_at += n;
			}
			done -= n;
		}
	}
}

static void
serve(int epoll, struct conn *c, uint32_t events)
{
	ssize_t n;
	int rc;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = read(c->fd, c->in + c->in_n, IN_BYTES - c->in_n);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			drop(c);
			return;
		}
		c->in_n += n > 0 ? (size_t) n : 0;
	}
	do {
		if (!take(c)) {
			drop(c);
			return;
		}
		rc = push(c);
	} while (rc == 1 && c->block_left);
	if (rc < 0) {
		drop(c);
		return;
	}
	if ((rc == 0) != c->writing) {
		struct epoll_event e = {.events = rc == 0 ? EPOLLOUT : EPOLLIN, .data.ptr = c};

		c->writing = rc == 0;
		epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
	}
}

static void
accept_one(int epoll, int listener)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct conn *c;
	int one = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = calloc(1, sizeof(*c));
	if (!c)
		die("calloc");
	c->fd = fd;
	e.data.ptr = c;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void
oids(uint32_t *rows_oid, uint32_t *point_oid)
{
	PGconn *real = PQconnectdb(backing);
	PGresult *res = PQexec(real, "select 'bench_rows'::regclass::oid, "
				     "'bench_point'::regclass::oid");

	if (PQresultStatus(res) != PGRES_TUPLES_OK) {
		fprintf(stderr, "pgblast: backing server: %s", PQerrorMessage(real));
		exit(1);
	}
	*rows_oid = (uint32_t) strtoul(PQgetvalue(res, 0, 0), NULL, 10);
	*point_oid = (uint32_t) strtoul(PQgetvalue(res, 0, 1), NULL, 10);
	PQclear(res);
	PQfinish(real);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"backing", required_argument, NULL, 'b'},
		{0}};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t a_n = sizeof(a);
	struct epoll_event e = {.events = EPOLLIN}, got[256];
	uint32_t rows_oid = 16384, point_oid = 16385;
	int one = 1, o, epoll, listener;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			a.sin_port = htons((uint16_t) atoi(optarg));
		else if (o == 'b')
			backing = optarg;
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (backing)
		oids(&rows_oid, &point_oid);
	prepare_replies(rows_oid, point_oid);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *) &a, a_n) < 0 || listen(listener, 4096) < 0)
		die("listen");
	getsockname(listener, (struct sockaddr *) &a, &a_n);
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(epoll, got, 256, -1);

		for (int i = 0; i < n; i++) {
			if (!got[i].data.ptr)
				accept_one(epoll, listener);
			else
				serve(epoll, got[i].data.ptr, got[i].events);
		}
	}
}
