/* SPDX-License-Identifier: MIT
 *
 * The floor for one more hop in user space: a blind TCP relay on io_uring that does the least a
 * relay can do. One thread, multishot accept and receive with bundles, 64 buffers of 16 KiB, one
 * gathered send per direction and turn. On liburing alone, independent of runtime/io, so that
 * what runtime/io costs can be seen. Test-only: the single bound on its memory is the number of
 * buffers.
 *
 *   relay --port 0 --to PORT [--record FILE]     prints "port N" when it listens
 *
 * With --record it also makes RECORD_BYTES of FILE durable for every turn in which a client sent
 * something, while the server is at work and before the client can read an answer. It is the floor
 * for a gateway that keeps evidence: what no record costs less than.
 */
#include "io/uapi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BUFS = 64, BUF_BYTES = 16384, QUEUE = BUFS, MAX_DIRS = 65536 };
/* A pure read's record as the gateway writes it, in whole sectors past the page cache; a full file
 * is used again from its start. */
enum { RECORD_BYTES = 1024, RECORD_FILE_BYTES = 16 << 20 };
enum op { OP_ACCEPT, OP_CONNECT, OP_RECV, OP_SEND };

struct part {
	uint16_t id;
	uint32_t at, n;
};

/* One direction; the other is dir ^ 1 in the same pair. */
struct dir {
	int in, to;
	struct part q[QUEUE];
	unsigned q_head, q_n;
	bool receiving, sending, eof, shut, waiting;
	struct msghdr msg;
	struct iovec iov[QUEUE];
};

struct pair {
	struct dir d[2];
	struct sockaddr_in addr;
	bool connected;
};

static struct io_uring ring;
static struct io_uring_buf_ring *br;
static uint8_t *memory;
static uint16_t order[BUFS], position[BUFS], br_tail;
static struct pair *waiting[MAX_DIRS];
static unsigned n_waiting;
static struct sockaddr_in target = {.sin_family = AF_INET};
static int listener;
static int record_fd = -1;
static off_t record_at;
static bool asked; /* a client sent something in this turn */

static void
give(uint16_t id)
{
	unsigned at = br_tail & (BUFS - 1);

	br->bufs[at].addr = (uint64_t) (uintptr_t) (memory + (size_t) id * BUF_BYTES);
	br->bufs[at].len = BUF_BYTES;
	br->bufs[at].bid = id;
	order[at] = id;
	position[id] = (uint16_t) at;
	io_uring_smp_store_release(&br->tail, ++br_tail);
}

static struct io_uring_sqe *
sqe_for(void *p, unsigned tag)
{
	struct io_uring_sqe *s = io_uring_get_sqe(&ring);

	while (!s) {
		io_uring_submit(&ring);
		s = io_uring_get_sqe(&ring);
	}
	memset(s, 0, sizeof(*s));
	s->user_data = (uint64_t) (uintptr_t) p | tag;
	return s;
}

static void
arm_recv(struct pair *p, int k)
{
	struct io_uring_sqe *s = sqe_for(p, (unsigned) (OP_RECV << 1 | k));

	s->opcode = IORING_OP_RECV;
	s->fd = p->d[k].in;
	s->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_BUNDLE;
	s->flags = IOSQE_BUFFER_SELECT;
	p->d[k].receiving = true;
}

static void
pump(struct pair *p, int k)
{
	struct dir *d = &p->d[k];
	struct io_uring_sqe *s;

	if (d->sending || !p->connected)
		return;
	if (d->q_n == 0) {
		if (d->eof && !d->shut) {
			d->shut = true;
			shutdown(d->to, SHUT_WR);
		}
		return;
	}
	for (unsigned i = 0; i < d->q_n; i++) {
		struct part *q = &d->q[(d->q_head + i) % QUEUE];

		d->iov[i].iov_base = memory + (size_t) q->id * BUF_BYTES + q->at;
		d->iov[i].iov_len = q->n;
	}
	d->msg.msg_iov = d->iov;
	d->msg.msg_iovlen = d->q_n;
	s = sqe_for(p, (unsigned) (OP_SEND << 1 | k));
	s->opcode = IORING_OP_SENDMSG;
	s->fd = d->to;
	s->addr = (uint64_t) (uintptr_t) &d->msg;
	s->len = 1;
	s->msg_flags = MSG_NOSIGNAL;
	d->sending = true;
}

static void
wake_waiting(void)
{
	while (n_waiting) {
		struct pair *p = waiting[--n_waiting];

		for (int k = 0; k < 2; k++) {
			if (p->d[k].waiting) {
				p->d[k].waiting = false;
				arm_recv(p, k);
			}
		}
	}
}

static void
drop_queue(struct dir *d)
{
	for (; d->q_n; d->q_n--, d->q_head++)
		give(d->q[d->q_head % QUEUE].id);
}

static void
maybe_free(struct pair *p)
{
	for (int k = 0; k < 2; k++)
		if (!p->d[k].eof || p->d[k].receiving || p->d[k].sending || p->d[k].q_n ||
		    p->d[k].waiting)
			return;
	close(p->d[0].in);
	close(p->d[0].to);
	free(p);
}

static void
fail(struct pair *p)
{
	for (int k = 0; k < 2; k++) {
		p->d[k].eof = true;
		if (!p->d[k].sending)
			drop_queue(&p->d[k]);
	}
	shutdown(p->d[0].in, SHUT_RDWR);
	shutdown(p->d[0].to, SHUT_RDWR);
}

static void
received(struct pair *p, int k, const struct io_uring_cqe *cqe)
{
	struct dir *d = &p->d[k];
	int left = cqe->res;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		d->receiving = false;
	if (left > 0) {
		unsigned at = position[cqe->flags >> IORING_CQE_BUFFER_SHIFT];

		asked |= k == 0;
		for (; left > 0; left -= BUF_BYTES, at++) {
			uint16_t id = order[at & (BUFS - 1)];
			uint32_t n = left < BUF_BYTES ? (uint32_t) left : BUF_BYTES;

			d->q[(d->q_head + d->q_n++) % QUEUE] = (struct part){id, 0, n};
		}
	} else if (cqe->res == -ENOBUFS) {
		d->waiting = true;
		waiting[n_waiting++] = p;
		return;
	} else if (cqe->res <= 0) {
		d->eof = true;
		if (cqe->res < 0)
			fail(p);
	}
	if (!d->receiving && !d->eof)
		arm_recv(p, k);
	pump(p, k);
	maybe_free(p);
}

static void
sent(struct pair *p, int k, int res)
{
	struct dir *d = &p->d[k];
	bool gave = false;

	d->sending = false;
	if (res < 0 || d->eof) {
		if (res < 0)
			fail(p);
	}
	for (uint32_t n = res > 0 ? (uint32_t) res : 0; n;) {
		struct part *q = &d->q[d->q_head % QUEUE];

		if (n < q->n) {
			q->at += n;
			q->n -= n;
			break;
		}
		n -= q->n;
		give(q->id);
		gave = true;
		d->q_head = (d->q_head + 1) % QUEUE;
		d->q_n--;
	}
	if (gave && n_waiting)
		wake_waiting();
	pump(p, k);
	maybe_free(p);
}

static void
accepted(int fd)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct io_uring_sqe *s;
	int one = 1;

	p->d[0].in = p->d[1].to = fd;
	p->d[0].to = p->d[1].in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(p->d[0].to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p->addr = target;
	s = sqe_for(p, OP_CONNECT << 1);
	s->opcode = IORING_OP_CONNECT;
	s->fd = p->d[0].to;
	s->addr = (uint64_t) (uintptr_t) &p->addr;
	s->off = sizeof(p->addr);
}

static void
arm_accept(void)
{
	struct io_uring_sqe *s = sqe_for(NULL, OP_ACCEPT << 1);

	s->opcode = IORING_OP_ACCEPT;
	s->fd = listener;
	s->accept_flags = SOCK_CLOEXEC;
	s->ioprio = IORING_ACCEPT_MULTISHOT;
}

static void
completed(const struct io_uring_cqe *cqe)
{
	struct pair *p = (struct pair *) (uintptr_t) (cqe->user_data & ~UINT64_C(7));
	enum op op = (enum op) ((cqe->user_data & 7) >> 1);
	int k = cqe->user_data & 1;

	switch (op) {
	case OP_ACCEPT:
		if (cqe->res >= 0)
			accepted(cqe->res);
		if (!(cqe->flags & IORING_CQE_F_MORE))
			arm_accept();
		break;
	case OP_CONNECT:
		if (cqe->res < 0) {
			close(p->d[0].in);
			close(p->d[0].to);
			free(p);
			break;
		}
		p->connected = true;
		arm_recv(p, 0);
		arm_recv(p, 1);
		break;
	case OP_RECV:
		received(p, k, cqe);
		break;
	case OP_SEND:
		sent(p, k, cqe->res);
		break;
	}
}

static void
open_ring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = 8192,
	};
	struct io_uring_buf_reg reg = {.ring_entries = BUFS};

	memory = mmap(NULL, (size_t) BUFS * BUF_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	br = mmap(NULL, BUFS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.ring_addr = (uint64_t) (uintptr_t) br;
	if (memory == MAP_FAILED || io_uring_queue_init_params(512, &ring, &params) < 0 ||
	    io_uring_register_buf_ring(&ring, &reg, 0) < 0) {
		fprintf(stderr, "relay: this kernel's io_uring is too old\n");
		exit(1);
	}
	for (uint16_t i = 0; i < BUFS; i++)
		give(i);
	io_uring_register_ring_fd(&ring);
}

/* Zero-written ahead: a durable write then has no metadata to flush but its bytes. */
static void
open_record(const char *path)
{
	static _Alignas(4096) char zeros[1 << 20];

	record_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
	if (record_fd < 0 && errno == EINVAL)
		record_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	for (off_t at = 0; record_fd >= 0 && at < RECORD_FILE_BYTES; at += (off_t) sizeof(zeros))
		if (pwrite(record_fd, zeros, sizeof(zeros), at) != (ssize_t) sizeof(zeros))
			record_fd = -1;
	if (record_fd < 0 || fdatasync(record_fd) < 0) {
		perror("relay: record");
		exit(1);
	}
}

static void
record(void)
{
	static _Alignas(4096) char bytes[RECORD_BYTES];
	struct iovec v = {bytes, sizeof(bytes)};

	asked = false;
	if (record_at + RECORD_BYTES > RECORD_FILE_BYTES)
		record_at = 0;
	memset(bytes, (int) record_at, sizeof(bytes));
	if (pwritev2(record_fd, &v, 1, record_at, RWF_DSYNC) != RECORD_BYTES) {
		perror("relay: record");
		exit(1);
	}
	record_at += RECORD_BYTES;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"to", required_argument, NULL, 't'},
		{"record", required_argument, NULL, 'r'},
		{0},
	};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t a_n = sizeof(a);
	int one = 1, o;

	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			a.sin_port = htons((uint16_t) atoi(optarg));
		else if (o == 't')
			target.sin_port = htons((uint16_t) atoi(optarg));
		else if (o == 'r')
			open_record(optarg);
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *) &a, a_n) < 0 || listen(listener, 4096) < 0) {
		perror("relay: listen");
		return 1;
	}
	getsockname(listener, (struct sockaddr *) &a, &a_n);
	open_ring();
	arm_accept();
	printf("port %u\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, n = 0;

		if (asked && record_fd >= 0) {
			io_uring_submit(&ring);
			record();
		}
		io_uring_submit_and_wait(&ring, 1);
		io_uring_for_each_cqe(&ring, head, cqe)
		{
			completed(cqe);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
}
