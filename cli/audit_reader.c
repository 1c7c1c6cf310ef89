/* SPDX-License-Identifier: MIT */
#include "cli/audit_reader.h"

#include "audit/folder.h"
#include "audit/pruned.h"
#include "audit/segment.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
audit_reader_open(struct audit_reader *r, const char *command, const char *folder)
{
	r->command = command;
	r->dir = folder_open(folder);
	if (r->dir < 0) {
		fprintf(stderr, "weir %s: %s: no audit log here (%s)\n", command, folder,
			strerror(-r->dir));
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

/* Where the next segment starts over after a write error, records of this one stop counting.
 * Records count when their batch has its trailer: that is what was durable. 1: enough, 0: go on. */
static int
read_segment(struct audit_reader *r, uint64_t first, uint64_t limit)
{
	struct { uint64_t index; struct slice leaf; } batch[1024];
	struct segment_header h;
	struct buf file = {0};
	struct frame f;
	size_t n = 0;
	char name[32];
	int enough = 0, rc;

	folder_segment_name(name, first);
	rc = folder_read(&file, r->dir, name, SEGMENT_BYTES_MAX);
	if (rc == -ENOENT && went_meanwhile(r, first))
		return 0;
	if (rc != 0 || segment_header_get(&h, buf_slice(&file)) != NULL) {
		fprintf(stderr, "weir %s: %s cannot be read; run `weir audit verify`\n", r->command,
			name);
		buf_fini(&file);
		return -1;
	}
	for (size_t at = SEGMENT_HEADER_LEN; !enough; at += f.size) {
		if (frame_get(&f, slice_of(file.p + at, file.n - at), segment_seed(&h)) != FRAME_OK)
			break;
		if (f.kind == FRAME_RECORD) {
			if (n < COUNT_OF(batch) && f.index < limit) {
				batch[n].index = f.index;
				batch[n++].leaf = f.payload;
			}
			continue;
		}
		for (size_t i = 0; !enough && i < n; i++) {
			if (batch[i].index < r->next)
				continue;
			r->next = batch[i].index + 1;
			enough = !r->record(r->arg, batch[i].index, batch[i].leaf);
		}
		n = 0;
	}
	buf_fini(&file);
	return enough;
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

	if (rc != 0)
		fprintf(stderr, "weir %s: seg/%s: %s\n", r->command, strange, strerror(-rc));
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
