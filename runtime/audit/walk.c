/* SPDX-License-Identifier: MIT */
#include "audit/walk.h"

#include <fcntl.h>
#include <unistd.h>

static enum walk_result
broken(struct walk *w, const char *what)
{
	buf_printf(w->error, "segment %020llu at byte %llu, record %llu: %s",
		   (unsigned long long) w->segment, (unsigned long long) w->offset,
		   (unsigned long long) w->tree.size, what);
	return WALK_BROKEN;
}

static enum walk_result
on_record(struct walk *w, const struct frame *f)
{
	uint8_t hash[SHA256_LEN];

	if (f->index != w->tree.size)
		return broken(w, "a record is out of sequence");
	merkle_leaf(hash, f->payload);
	merkle_append(&w->tree, hash);
	if (!w->at_size(w->arg, &w->tree))
		return broken(w, "the records up to here are not those of the signed head");
	w->record(w->arg, f->index, f->payload);
	w->since_trailer++;
	return WALK_OK;
}

/* Trailer or seal. */
static enum walk_result
on_mark(struct walk *w, const struct frame *f)
{
	uint8_t root[SHA256_LEN];
	struct trailer t;
	bool ok = f->kind == FRAME_SEAL ? seal_get(&t, f)
					: trailer_get(&t, f) && t.count == w->since_trailer;

	merkle_root(root, &w->tree);
	if (!ok || f->index != t.size || t.size != w->tree.size ||
	    memcmp(t.root, root, SHA256_LEN) != 0)
		return broken(w, f->kind == FRAME_SEAL
					 ? "the seal does not fit the records before it"
					 : "a commit trailer does not fit the records before it");
	w->since_trailer = 0;
	w->sealed = f->kind == FRAME_SEAL;
	return WALK_OK;
}

/* Frames up to the seal, to `limit` (where the next segment takes over), or to what is no frame. */
static enum walk_result
frames(struct walk *w, uint64_t limit, struct slice file, uint64_t seed)
{
	enum walk_result rc = WALK_OK;
	struct frame f;

	w->offset = SEGMENT_HEADER_LEN;
	w->sealed = false;
	w->since_trailer = 0;
	while (rc == WALK_OK && !w->sealed && w->tree.size < limit) {
		if (frame_get(&f, slice_of(file.p + w->offset, file.n - w->offset), seed) !=
		    FRAME_OK)
			break;
		if (f.kind > FRAME_SEAL)
			break;
		rc = f.kind == FRAME_RECORD ? on_record(w, &f) : on_mark(w, &f);
		w->offset += f.size;
	}
	return rc;
}

/* `wrong`: with what was read of it. */
static enum walk_result
header(struct walk *w, const struct segment_header *h, const char *wrong)
{
	bool start = !w->started;
	uint8_t root[SHA256_LEN], was[SHA256_LEN];

	w->offset = 0;
	if (wrong)
		return broken(w, wrong);
	if (h->tree.size != w->segment)
		return broken(w, "its name is not the index in its header");
	if (memcmp(h->origin_sha256, w->origin_sha256, SHA256_LEN) != 0)
		return broken(w, "it belongs to the log of another origin");
	if (start)
		w->tree = h->tree;
	w->started = true;
	if (h->tree.size != w->tree.size)
		return broken(w, h->tree.size > w->tree.size ? "records before it are missing"
							     : "it repeats records before it");
	merkle_root(root, &h->tree);
	merkle_root(was, &w->tree);
	if (memcmp(root, was, SHA256_LEN) != 0)
		return broken(w, "it does not continue the segment before it");
	if (start && !w->at_size(w->arg, &w->tree))
		return broken(w, "it does not start from the tree of the signed head");
	return WALK_OK;
}

static enum walk_result
after_frames(struct walk *w, struct slice rest, uint64_t seed, bool last)
{
	if (!w->sealed && !last)
		return broken(w, "a damaged or missing frame before the next segment starts");
	w->tail = segment_tail(rest, seed, w->tree.size);
	if (w->sealed && w->tail != TAIL_CLEAN)
		return broken(w, "there are bytes after the seal");
	if (w->tail == TAIL_BROKEN)
		return broken(w, "a damaged frame with good ones after it");
	return WALK_OK;
}

static enum walk_result
segment(struct walk *w, uint64_t limit, bool last)
{
	struct segment_header h;
	struct buf file = {0};
	enum walk_result r;
	const char *wrong;
	char name[32];
	int rc;

	folder_segment_name(name, w->segment);
	rc = folder_read(&file, w->dir, name, SEGMENT_BYTES_MAX);
	if (rc != 0) {
		buf_printf(w->error, "%s: %s", name, strerror(-rc));
		buf_fini(&file);
		return WALK_IO;
	}
	wrong = segment_header_get(&h, buf_slice(&file));
	r = header(w, &h, wrong);
	if (r == WALK_OK && w->opened)
		w->opened(w->arg, &h, buf_slice(&file));
	if (r == WALK_OK)
		r = frames(w, limit, buf_slice(&file), segment_seed(&h));
	if (r == WALK_OK && w->tree.size < limit)
		r = after_frames(w, slice_of(file.p + w->offset, file.n - w->offset),
				 segment_seed(&h), last);
	buf_fini(&file);
	return r;
}

/* The index at which the next segment takes over from one that was abandoned after a write error;
 * UINT64_MAX when the one before it must be whole. */
static uint64_t
takeover(struct walk *w, uint64_t next)
{
	uint8_t bytes[SEGMENT_HEADER_LEN];
	struct segment_header h;
	char name[32];
	int fd;
	bool ok;

	folder_segment_name(name, next);
	fd = openat(w->dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return UINT64_MAX;
	ok = pread(fd, bytes, sizeof(bytes), 0) == (ssize_t) sizeof(bytes) &&
	     segment_header_get(&h, slice_of(bytes, sizeof(bytes))) == NULL &&
	     (h.flags & SEGMENT_AFTER_ERROR);
	close(fd);
	return ok ? next : UINT64_MAX;
}

enum walk_result
walk_segment(struct walk *w, const uint64_t *firsts, size_t n)
{
	uint64_t limit = n > 1 ? takeover(w, firsts[1]) : UINT64_MAX;

	w->segment = firsts[0];
	return segment(w, limit, n == 1);
}

enum walk_result
walk_segments(struct walk *w, const uint64_t *firsts, size_t n)
{
	enum walk_result r = WALK_OK;

	for (size_t i = 0; r == WALK_OK && i < n; i++)
		r = walk_segment(w, firsts + i, n - i);
	return r;
}

/* What is left of one segment. */
static enum walk_result
remains(struct walk *w)
{
	struct segment_header h;
	struct pruned p;
	struct buf file = {0};
	uint8_t digest[SHA256_LEN];
	char name[32];
	const char *wrong;
	enum walk_result r;
	size_t len;
	int rc;

	folder_pruned_name(name, w->segment);
	rc = folder_read(&file, w->dir, name, PRUNED_FILE_MAX);
	if (rc != 0) {
		buf_printf(w->error, "%s: %s", name, strerror(-rc));
		buf_fini(&file);
		return WALK_IO;
	}
	wrong = segment_header_unpack(&h, buf_slice(&file), &len);
	r = header(w, &h, wrong);
	if (r == WALK_OK)
		wrong = pruned_read(&p, &w->tree, buf_slice(&file), w->at_size, w->arg);
	if (r == WALK_OK && wrong)
		r = broken(w, wrong);
	sha256(digest, buf_slice(&file));
	if (r == WALK_OK && !w->pruned(w->arg, w->segment, &p, digest))
		r = broken(w, "what is left of it is not what is left of the log");
	buf_fini(&file);
	return r;
}

enum walk_result
walk_pruned(struct walk *w, const uint64_t *firsts, size_t n)
{
	enum walk_result r = WALK_OK;

	for (size_t i = 0; r == WALK_OK && i < n; i++) {
		w->segment = firsts[i];
		r = remains(w);
	}
	return r;
}
