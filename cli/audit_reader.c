/* SPDX-License-Identifier: MIT */
#include "cli/audit_reader.h"

#include "audit/folder.h"
#include "audit/pruned.h"
#include "audit/record.h"
#include "audit/segment.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
audit_reader_open(struct audit_reader *r, const char *command, const char *folder)
{
	r->command = command;
	r->dir = folder_open(folder);
	if (r->dir < 0) {
		fprintf(stderr, "weir %s: %s: no audit log here (%s)\n"
				"  name the gateway's state folder, or the folder audit in it\n",
			command, folder, strerror(-r->dir));
		return -1;
	}
	if (folder_read(&r->origin, r->dir, "origin", 4096) == 0 && r->origin.n)
		r->origin.n--;
	return 0;
}

void
audit_reader_close(struct audit_reader *r)
{
	if (r->dir >= 0)
		close(r->dir);
	buf_fini(&r->origin);
}

static bool
any_size(void *arg UNUSED, const struct merkle *tree UNUSED)
{
	return true;
}

/* What is left of one segment, but for the texts. */
static bool
read_remains(const struct audit_reader *r, uint64_t first, struct pruned *p)
{
	struct buf file = {0};
	struct merkle tree;
	char name[32];
	bool ok;

	folder_pruned_name(name, first);
	ok = folder_read(&file, r->dir, name, PRUNED_FILE_MAX) == 0 &&
	     pruned_read(p, &tree, buf_slice(&file), any_size, NULL) == NULL;
	p->by = p->policy = (struct slice){0};
	buf_fini(&file);
	return ok;
}

/* What was listed is gone by now, if a gateway prunes while this reads. True: it does, and this
 * says of which. */
static bool
went_meanwhile(struct audit_reader *r, uint64_t first)
{
	struct pruned p;

	if (!read_remains(r, first, &p))
		return false;
	fprintf(stderr, "weir %s: records %llu to %llu are not here: they were pruned while this was "
		"reading (`weir audit verify` says by whom)\n", r->command,
		(unsigned long long) first, (unsigned long long) (first + p.records - 1));
	if (r->next < first + p.records)
		r->next = first + p.records;
	return true;
}

/* A part of a segment: from `base` on. */
struct window {
	int fd;
	uint64_t base;
	struct buf b;
	bool end; /* the file has no more */
};

enum { READ_MORE = 256 << 10, FRAME_ROOM = FRAME_HEADER_LEN + AUDIT_LEAF_MAX + 8 };

static struct slice
window_from(const struct window *w, uint64_t at)
{
	return slice_of(w->b.p + (at - w->base), w->b.n - (size_t) (at - w->base));
}

/* Reads on until a whole frame is there at `at`, if there is one. What is before `keep` goes. */
static int
window_fill(struct window *w, uint64_t keep, uint64_t at)
{
	if (w->end || w->base + w->b.n >= at + FRAME_ROOM)
		return 0;
	if (keep > w->base) {
		w->b.n -= (size_t) (keep - w->base);
		memmove(w->b.p, w->b.p + (keep - w->base), w->b.n);
		w->base = keep;
	}
	while (!w->end && w->base + w->b.n < at + FRAME_ROOM) {
		uint8_t *to = buf_reserve(&w->b, READ_MORE);
		ssize_t n = to ? pread(w->fd, to, READ_MORE, (off_t) (w->base + w->b.n)) : -1;

		if (n < 0 && to && errno == EINTR)
			continue;
		if (n < 0)
			return to ? -errno : -ENOMEM;
		w->b.n += (size_t) n;
		w->end = n == 0;
	}
	return 0;
}

struct batch {
	struct {
		uint64_t index, at; /* of the frame, in the file */
	} v[1024];
	size_t n;
	uint64_t start; /* where its first frame is */
};

/* Records count when their batch has its trailer: that is what was durable. 1: enough, 0: go on. */
static int
give(struct audit_reader *r, const struct batch *b, const struct window *w, uint64_t seed)
{
	bool enough = false;
	struct frame f;

	for (size_t i = 0; !enough && i < b->n; i++) {
		if (b->v[i].index < r->next ||
		    frame_get(&f, window_from(w, b->v[i].at), seed) != FRAME_OK)
			continue;
		r->next = b->v[i].index + 1;
		enough = !r->record(r->arg, b->v[i].index, f.payload);
	}
	return enough;
}

/* Where the next segment starts over after a write error, records of this one stop counting. */
static int
read_frames(struct audit_reader *r, struct window *w, uint64_t seed, uint64_t limit)
{
	struct batch b = {.start = r->goes_on_at};
	uint64_t at = b.start;
	struct frame f;
	int rc;

	while ((rc = window_fill(w, b.start, at)) == 0 &&
	       frame_get(&f, window_from(w, at), seed) == FRAME_OK) {
		if (f.kind == FRAME_RECORD) {
			if (b.n < COUNT_OF(b.v) && f.index < limit) {
				b.v[b.n].index = f.index;
				b.v[b.n++].at = at;
			}
			at += f.size;
			continue;
		}
		if (give(r, &b, w, seed))
			return 1;
		at += f.size;
		b.start = at;
		b.n = 0;
		r->goes_on_at = at;
		r->goes_on_next = r->next;
	}
	return rc;
}

static int
read_opened(struct audit_reader *r, uint64_t first, uint64_t limit, struct window *w)
{
	struct segment_header h;
	int rc = window_fill(w, 0, 0);

	if (rc != 0)
		return rc;
	if (segment_header_get(&h, buf_slice(&w->b)) != NULL)
		return -EBADMSG;
	if (r->goes_on_in != first || !r->goes_on_at || r->next < r->goes_on_next) {
		r->goes_on_in = first;
		r->goes_on_at = SEGMENT_HEADER_LEN;
		r->goes_on_next = 0;
	}
	if (r->goes_on_at > w->b.n) {
		buf_reset(&w->b);
		w->base = r->goes_on_at;
		w->end = false;
	}
	return read_frames(r, w, segment_seed(&h), limit);
}

static int
read_segment(struct audit_reader *r, uint64_t first, uint64_t limit)
{
	struct window w = {.fd = -1};
	char name[32];
	int rc;

	folder_segment_name(name, first);
	w.fd = openat(r->dir, name, O_RDONLY | O_CLOEXEC);
	if (w.fd < 0 && errno == ENOENT && went_meanwhile(r, first))
		return 0;
	rc = w.fd < 0 ? -errno : read_opened(r, first, limit, &w);
	if (rc < 0) {
		fprintf(stderr, "weir %s: %s cannot be read; run `weir audit verify`\n", r->command,
			name);
		rc = -1;
	}
	if (w.fd >= 0)
		close(w.fd);
	buf_fini(&w.b);
	return rc;
}

/* What a head was signed for is there, or was. */
static uint64_t
signed_size(const struct audit_reader *r)
{
	struct note_checkpoint c = {0};
	struct buf b = {0};
	struct note n;
	uint64_t size = 0;

	if (folder_read(&b, r->dir, "checkpoint", 1 << 16) == 0 && note_split(&n, buf_slice(&b)) &&
	    note_checkpoint_get(&c, n.text))
		size = c.size;
	buf_fini(&b);
	return size;
}

/* The next record that can be read is `next`, if any. */
static void
look_for_gap(struct audit_reader *r, uint64_t next)
{
	if (r->next >= next)
		return;
	if (!r->gap_told)
		fprintf(stderr, "weir %s: records %llu to %llu are damaged or missing; run `weir audit "
			"verify`\n", r->command, (unsigned long long) r->next,
			(unsigned long long) next - 1);
	r->gaps = r->gap_told = true;
}

int
audit_reader_run(struct audit_reader *r)
{
	char strange[256] = "";
	uint64_t *firsts, until = signed_size(r);
	size_t n;
	int rc = folder_segments(r->dir, &firsts, &n, strange);

	if (rc != 0) {
		struct buf name = {0};

		buf_put_visible(&name, slice_str(strange));
		fprintf(stderr, "weir %s: seg/%.*s: %s\n", r->command, SLICE_ARG(buf_slice(&name)),
			strerror(-rc));
		buf_fini(&name);
	}
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (i + 1 < n && firsts[i + 1] <= r->next)
			continue;
		rc = read_segment(r, firsts[i], i + 1 < n ? firsts[i + 1] : UINT64_MAX);
		if (rc == 0)
			look_for_gap(r, i + 1 < n ? firsts[i + 1] : until);
	}
	if (rc == 0 && n == 0) /* all of them are gone: the newest is never pruned */
		look_for_gap(r, until);
	free(firsts);
	return rc < 0 ? -1 : 0;
}

void
audit_reader_missing(struct audit_reader *r, uint64_t from_ns)
{
	char strange[256] = "", oldest[28], newest[28];
	uint64_t *segments, *remains = NULL, gone;
	struct pruned first, last;
	size_t n, n_remains = 0;

	if (folder_segments(r->dir, &segments, &n, strange) != 0 ||
	    folder_pruned(r->dir, &remains, &n_remains) != 0)
		n = 0;
	gone = n ? segments[0] : 0;
	while (n_remains && remains[n_remains - 1] >= gone)
		n_remains--;
	if (gone == 0) {
		/* nothing is missing */
	} else if (n_remains && read_remains(r, remains[0], &first) &&
		   read_remains(r, remains[n_remains - 1], &last)) {
		clock_format(first.from_ns, oldest);
		clock_format(last.to_ns, newest);
		if (last.to_ns >= from_ns)
			fprintf(stderr, "weir %s: records 0 to %llu, of %.19sZ to %.19sZ, are not here: "
				"they were pruned (`weir audit verify` says when and by whom)\n",
				r->command, (unsigned long long) gone - 1, oldest, newest);
	} else {
		fprintf(stderr, "weir %s: records 0 to %llu are missing; run `weir audit verify`\n",
			r->command, (unsigned long long) gone - 1);
		r->gaps = true;
	}
	free(segments);
	free(remains);
}
