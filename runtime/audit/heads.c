/* SPDX-License-Identifier: MIT */
#include "audit/heads.h"

#include "audit/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NOTE_MAX = 1 << 16, /* no note is longer */
	READ_MAX = 4 * NOTE_MAX,
};

static const char NAME[] = "checkpoints.log", NEW[] = "checkpoints.log.tmp";

/* Guards the name: what is appended while the file is replaced must not go into the old one. */
static pthread_mutex_t appending = PTHREAD_MUTEX_INITIALIZER;

/* ---- reading --------------------------------------------------------------------------------- */

int
heads_open(struct heads *h, int dir)
{
	struct stat st;

	/* Nobody waits for who writes into a FIFO that somebody put there. */
	*h = (struct heads){.fd = openat(dir, NAME, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
	if (h->fd < 0)
		return -errno;
	if (fstat(h->fd, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	heads_close(h);
	return -EINVAL;
}

void
heads_close(struct heads *h)
{
	if (h->fd >= 0)
		close(h->fd);
	buf_fini(&h->b);
	*h = (struct heads){.fd = -1};
}

/* A note's end shows only in what comes behind it: reads ahead for as long as one can be. */
static int
fill(struct heads *h)
{
	if (h->b.n - h->at >= NOTE_MAX)
		return 0;
	if (h->at)
		memmove(h->b.p, h->b.p + h->at, h->b.n - h->at);
	h->b.n -= h->at;
	h->at = 0;
	while (h->b.n < READ_MAX) {
		uint8_t *to = buf_reserve(&h->b, READ_MAX - h->b.n);
		ssize_t n = to ? read(h->fd, to, READ_MAX - h->b.n) : -1;

		if (n < 0 && to && errno == EINTR)
			continue;
		if (n < 0)
			return to ? -errno : -ENOMEM;
		if (n == 0)
			break;
		h->b.n += (size_t) n;
	}
	return 0;
}

int
heads_next(struct heads *h, struct note *n)
{
	int rc = fill(h);
	size_t took;

	if (rc != 0)
		return rc;
	took = note_split(n, heads_rest(h));
	h->at += took;
	h->offset += took;
	return took != 0;
}

struct slice
heads_rest(const struct heads *h)
{
	return h->b.n ? slice_of(h->b.p + h->at, h->b.n - h->at) : (struct slice){0};
}

uint64_t
heads_left(const struct heads *h)
{
	struct stat st;

	if (fstat(h->fd, &st) != 0 || (uint64_t) st.st_size < h->offset)
		return heads_rest(h).n;
	return (uint64_t) st.st_size - h->offset;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int
seek(struct heads *h, uint64_t to)
{
	h->at = h->b.n = 0;
	h->offset = to;
	return lseek(h->fd, (off_t) to, SEEK_SET) < 0 ? -errno : fill(h);
}

/* Near the end, where a note begins; else at the front. */
static int
seek_near_end(struct heads *h)
{
	struct note_checkpoint c;
	struct stat st;
	struct note n;
	struct slice s;
	int rc;

	if (fstat(h->fd, &st) != 0)
		return -errno;
	if (st.st_size <= NOTE_MAX)
		return 0;
	rc = seek(h, (uint64_t) st.st_size - NOTE_MAX);
	s = heads_rest(h);
	for (size_t i = 2; rc == 0 && i < s.n; i++) {
		struct slice from = slice_of(s.p + i, s.n - i);

		if (s.p[i - 1] != '\n' || s.p[i - 2] != '\n' || !note_split(&n, from) ||
		    !note_checkpoint_get(&c, n.text))
			continue;
		h->at += i;
		h->offset += i;
		return 0;
	}
	return rc == 0 ? seek(h, 0) : rc;
}

int
heads_mend(int dir, struct note_checkpoint *last, bool *any)
{
	struct heads h;
	struct note n;
	uint64_t good;
	int rc = heads_open(&h, dir), fd;

	*any = false;
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	rc = seek_near_end(&h);
	good = h.offset;
	while (rc == 0 && (rc = heads_next(&h, &n)) == 1) {
		struct note_checkpoint c;

		rc = 0;
		if (!note_checkpoint_get(&c, n.text))
			break;
		*last = c;
		last->origin = (struct slice){0};
		*any = true;
		good = h.offset;
	}
	h.at -= (size_t) (h.offset - good);
	h.offset = good;
	if (rc == 0 && heads_left(&h)) {
		fd = openat(dir, NAME, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t) good) != 0 || fdatasync(fd) != 0)
			rc = -errno;
		if (fd >= 0)
			close(fd);
	}
	heads_close(&h);
	return rc;
}

int
heads_append(int dir, struct slice note)
{
	struct stat st;
	ssize_t n;
	int fd, rc = 0;

	pthread_mutex_lock(&appending);
	fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = -errno;
	} else if ((n = write(fd, note.p, note.n)) != (ssize_t) note.n) {
		rc = n < 0 ? -errno : -ENOSPC;
		/* The next one would follow half of this one, and none could be read any more. */
		if (n > 0 && ftruncate(fd, st.st_size) != 0)
			rc = -errno;
	}
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&appending);
	return rc;
}

/* ---- thinning -------------------------------------------------------------------------------- */

struct thin {
	struct heads from;
	int to;
	struct buf out;
	struct buf held; /* the last note read: whether it is kept, the next one says */
	uint64_t held_size;
	const uint64_t *ends;
	size_t n;
};

/* Which of the pruned segments a head was signed in; n: it is behind them. */
static size_t
segment_of(const struct thin *t, uint64_t size)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->ends[mid] < size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
put_out(struct thin *t, size_t at_least)
{
	int rc;

	if (t->out.n < at_least)
		return 0;
	rc = folder_write(t->to, buf_slice(&t->out));
	buf_reset(&t->out);
	return t->out.failed ? -ENOMEM : rc;
}

/* What there is to read by now. */
static int
copy(struct thin *t)
{
	struct note n;
	int rc;

	while ((rc = heads_next(&t->from, &n)) == 1) {
		struct note_checkpoint c;
		size_t segment;

		/* Whoever put it there: it is for the verifier to find. */
		if (!note_checkpoint_get(&c, n.text))
			return -EBADMSG;
		segment = segment_of(t, t->held_size);
		if (segment == t->n || segment != segment_of(t, c.size))
			buf_put_slice(&t->out, buf_slice(&t->held));
		buf_reset(&t->held);
		buf_put_slice(&t->held, n.text);
		buf_putc(&t->held, '\n');
		buf_put_slice(&t->held, n.signatures);
		buf_putc(&t->held, '\n');
		t->held_size = c.size;
		rc = put_out(t, READ_MAX);
		if (rc != 0)
			return rc;
	}
	return rc;
}

static int
sync_new(struct thin *t)
{
	int rc = put_out(t, 1);

	return rc == 0 && fdatasync(t->to) != 0 ? -errno : rc;
}

/* What was appended since, and the change of the name, which nobody appends between. */
static int
change_over(struct thin *t, int dir)
{
	int rc = copy(t);

	buf_put_slice(&t->out, buf_slice(&t->held));
	if (rc == 0 && heads_left(&t->from))
		rc = -EBADMSG;
	if (rc == 0)
		rc = sync_new(t);
	if (rc == 0 && renameat(dir, NEW, dir, NAME) != 0)
		rc = -errno;
	return rc;
}

int
heads_thin(int dir, const uint64_t *ends, size_t n)
{
	struct thin t = {.ends = ends, .n = n, .to = -1};
	int rc = heads_open(&t.from, dir);

	if (rc != 0)
		return rc;
	t.to = openat(dir, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (t.to < 0)
		rc = -errno;
	/* Most of it while others may append, and the rest is little. */
	if (rc == 0)
		rc = copy(&t);
	if (rc == 0)
		rc = sync_new(&t);
	if (rc == 0) {
		pthread_mutex_lock(&appending);
		rc = change_over(&t, dir);
		pthread_mutex_unlock(&appending);
	}
	if (t.to >= 0)
		close(t.to);
	if (rc != 0 && t.to >= 0)
		unlinkat(dir, NEW, 0);
	if (rc == 0 && fsync(dir) != 0)
		rc = -errno;
	heads_close(&t.from);
	buf_fini(&t.out);
	buf_fini(&t.held);
	return rc;
}
