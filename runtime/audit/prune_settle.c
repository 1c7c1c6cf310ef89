/* SPDX-License-Identifier: MIT
 *
 * The end of a prune, for the one that began it and for who finds one that was cut short.
 */
#include "audit/brief.h"
#include "audit/folder.h"
#include "audit/prune.h"
#include "audit/pruned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct settle {
	int dir;
	struct buf *error;
	uint64_t *segments, *remains;
	size_t n_segments, n_remains;
	uint64_t until; /* of the newest record that a head covers; 0: there is none */
	uint8_t digest[SHA256_LEN]; /* which it names */
};

static bool
fail(struct settle *s, const char *name, const char *what)
{
	buf_printf(s->error, "audit log: %s: %s", name, what);
	return false;
}

static bool
any_size(void *arg UNUSED, const struct merkle *tree UNUSED)
{
	return true;
}

/* The last record of one segment that says what was pruned. */
static bool
find_in(struct settle *s, uint64_t first, uint64_t limit)
{
	struct segment_header h;
	struct buf file = {0};
	struct audit_brief b;
	struct frame f;
	char name[32];
	bool found = false;

	folder_segment_name(name, first);
	if (folder_read(&file, s->dir, name, SEGMENT_BYTES_MAX) == 0 &&
	    segment_header_get(&h, buf_slice(&file)) == NULL)
		for (size_t at = SEGMENT_HEADER_LEN;
		     frame_get(&f, slice_of(file.p + at, file.n - at), segment_seed(&h)) ==
		     FRAME_OK;
		     at += f.size) {
			if (f.kind != FRAME_RECORD || f.index >= limit ||
			    audit_brief_get(&b, f.payload) != NULL ||
			    b.type != AUDIT_retention_prune || b.remains.n != SHA256_LEN)
				continue;
			s->until = b.until;
			memcpy(s->digest, b.remains.p, SHA256_LEN);
			found = true;
		}
	buf_fini(&file);
	return found;
}

/* It was written after the file about it, when the log had at_size records already. */
static void
find_record(struct settle *s, uint64_t at_size, uint64_t signed_size)
{
	uint64_t limit = signed_size;

	for (size_t i = s->n_segments; i-- > 0;) {
		if (find_in(s, s->segments[i], limit))
			return;
		limit = s->segments[i] < limit ? s->segments[i] : limit;
		if (s->segments[i] <= at_size)
			return;
	}
}

/* Whether the files that the record leads to are those that are here, back to `first`. */
static bool
check_chain(struct settle *s, uint64_t first, size_t n)
{
	uint8_t want[SHA256_LEN], is[SHA256_LEN];
	uint64_t end = s->until;
	bool ok = true;

	memcpy(want, s->digest, SHA256_LEN);
	while (ok && n && s->remains[n - 1] >= first) {
		struct buf file = {0};
		struct merkle tree;
		struct pruned p;
		char name[32];

		folder_pruned_name(name, s->remains[--n]);
		ok = folder_read(&file, s->dir, name, PRUNED_FILE_MAX) == 0;
		sha256(is, buf_slice(&file));
		ok = ok && memcmp(is, want, SHA256_LEN) == 0 &&
		     pruned_read(&p, &tree, buf_slice(&file), any_size, NULL) == NULL &&
		     tree.size == end;
		if (ok) {
			memcpy(want, p.before, SHA256_LEN);
			end = s->remains[n];
		}
		buf_fini(&file);
	}
	return ok && end == first;
}

static bool
remove_file(struct settle *s, const char *name)
{
	return unlinkat(s->dir, name, 0) == 0 || errno == ENOENT ||
	       fail(s, name, strerror(errno));
}

/* Forward: the segments that the record says are gone, oldest first. */
static bool
remove_segments(struct settle *s)
{
	bool ok = true;
	char name[32];

	for (size_t i = 0; ok && i < s->n_segments && s->segments[i] < s->until; i++) {
		folder_segment_name(name, s->segments[i]);
		ok = remove_file(s, name);
	}
	return ok;
}

/* Back: files about segments that no record says are gone; newest first, so that they always
 * follow each other. */
static bool
remove_remains(struct settle *s, uint64_t from)
{
	bool ok = true;
	char name[32];

	for (size_t i = s->n_remains; ok && i-- > 0 && s->remains[i] >= from;) {
		folder_pruned_name(name, s->remains[i]);
		ok = remove_file(s, name);
	}
	return ok;
}

/* When the record was written, at the earliest, by a file whose segment is here as well. */
static uint64_t
written_at(struct settle *s, uint64_t first)
{
	struct buf file = {0};
	struct merkle tree;
	struct pruned p;
	char name[32];
	uint64_t size = 0;

	folder_pruned_name(name, first);
	if (folder_read(&file, s->dir, name, PRUNED_FILE_MAX) == 0 &&
	    pruned_read(&p, &tree, buf_slice(&file), any_size, NULL) == NULL)
		size = p.at_size;
	buf_fini(&file);
	return size;
}

static bool
settle(struct settle *s, uint64_t signed_size)
{
	size_t both = s->n_remains, n;
	uint64_t first = s->n_segments ? s->segments[0] : UINT64_MAX;

	while (both && s->remains[both - 1] >= first)
		both--;
	if (both == s->n_remains)
		return true; /* nothing was cut short */
	find_record(s, written_at(s, s->remains[both]), signed_size);
	for (n = both; n < s->n_remains && s->remains[n] < s->until; n++)
		;
	if (n > both && !check_chain(s, first, n))
		return fail(s, "seg", "integrity: what is left of pruned segments is not what was recorded. "
				      "Keep the folder as evidence and run `weir audit verify` on it");
	return remove_remains(s, n > both ? s->until : first) &&
	       (n == both || remove_segments(s));
}

bool
prune_settle(int dir, uint64_t signed_size, struct buf *error)
{
	struct settle s = {.dir = dir, .error = error};
	char strange[256] = "";
	int rc = folder_segments(dir, &s.segments, &s.n_segments, strange), seg;
	bool ok;

	if (rc == 0)
		rc = folder_pruned(dir, &s.remains, &s.n_remains);
	ok = rc == 0 ? settle(&s, signed_size) : fail(&s, "seg", strerror(-rc));
	seg = openat(dir, "seg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ok && s.n_remains && (seg < 0 || fsync(seg) != 0))
		ok = fail(&s, "seg", strerror(errno));
	if (seg >= 0)
		close(seg);
	free(s.segments);
	free(s.remains);
	return ok;
}
