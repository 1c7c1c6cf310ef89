/* SPDX-License-Identifier: MIT */
#include "audit/log.h"

#include "audit/folder.h"
#include "audit/heads.h"
#include "base/clock.h"
#include "base/endian.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ZERO_CHUNK = 1 << 20 };

/* The memory of what is written to a segment, for writes past the page cache. */
#define FOR_DISK _Alignas(4096)

/* True when it was direct until now. */
static bool
not_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_DIRECT) && fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* RWF_DSYNC: when the call returns the bytes are durable, and an error of writing or of flushing is
 * the call's. One call, no hand-over to a thread of the kernel's as with a linked pair on a ring
 * (docs/decisions/0005). It flushes no other bytes, so what was zeroed ahead gets a flush with the
 * next batch: else each batch on it would wait for the file system's journal.
 *
 * Past the page cache where the file system and the disk take that: a batch is not copied, nor does
 * its page wait for another write of it. Batches begin and end on sectors (audit/segment.h); a disk
 * of larger ones says EINVAL to the first write, and the file is written through the cache. */
static int
write_sync(struct alog *l, const uint8_t *p, size_t n)
{
	uint64_t offset = l->offset;

	while (n) {
		struct iovec v = {(void *) p, n};
		ssize_t w = pwritev2(l->fd, &v, 1, (off_t) offset, l->zeros_dirty ? 0 : RWF_DSYNC);

		if (w < 0 && (errno == EINTR || (errno == EINVAL && not_direct(l->fd))))
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t) w;
		offset += (uint64_t) w;
	}
	if (l->zeros_dirty && fdatasync(l->fd) != 0)
		return -errno;
	l->zeros_dirty = false;
	return 0;
}

/* A file that somebody has deleted takes every byte and keeps none. Nothing but the links is asked
 * for: who has seen a file's times makes the next write set them anew, and its flush wait for one
 * more write, of the inode (multigrain timestamps of Linux 6.13). */
static int
still_there(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_NLINK, &st) != 0)
		return -errno;
	return st.stx_nlink ? 0 : -ENOENT;
}

static int
sync_at(struct alog *l, const uint8_t *p, size_t n)
{
	int rc = l->write_sync ? l->write_sync(l->write_arg, l->fd, p, n, l->offset)
			       : write_sync(l, p, n);

	if (rc == 0)
		rc = still_there(l->fd);
	if (rc == 0)
		l->offset += n;
	else
		l->sync_error = rc;
	return rc;
}

void
alog_zero_ahead(struct alog *l, uint64_t bytes)
{
	static FOR_DISK const uint8_t zeros[ZERO_CHUNK];

	if (l->fd < 0)
		return;
	/* Where zeroing failed for want of room, records may stand beyond. */
	if (l->zeroed < l->offset)
		l->zeroed = l->offset;
	while (l->zeroed < l->offset + bytes && l->zeroed < l->segment_bytes) {
		uint64_t n = l->segment_bytes - l->zeroed;

		if (n > ZERO_CHUNK)
			n = ZERO_CHUNK;
		/* Only speed depends on it: what was not zeroed reads as zero all the same. */
		if (pwrite(l->fd, zeros, n, (off_t) l->zeroed) != (ssize_t) n)
			return;
		l->zeroed += n;
		l->zeros_dirty = true;
	}
}

bool
alog_disk_low(const struct alog *l)
{
	struct statvfs st;

	return fstatvfs(l->dir, &st) == 0 &&
	       (uint64_t) st.f_bavail * st.f_frsize < l->reserve_bytes;
}

/* A segment appears under its name only with its header durable, so a crash leaves none half
 * made. */
static int
segment_create(struct alog *l, unsigned flags)
{
	FOR_DISK uint8_t header[SEGMENT_HEADER_LEN];
	const int how = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC;
	char name[32];
	int rc = 0, seg = -1, fd;

	assert(l->fd < 0);
	if (alog_disk_low(l))
		return -ENOSPC;
	l->segment = (struct segment_header){
		.flags = flags, .created_ns = clock_wall_ns(), .tree = l->tree};
	random_bytes(l->segment.uuid, sizeof(l->segment.uuid));
	memcpy(l->segment.origin_sha256, l->origin_sha256, SHA256_LEN);
	segment_header_put(header, &l->segment);
	fd = openat(l->dir, "seg/new.tmp", how | O_DIRECT, 0600);
	if (fd < 0 && errno == EINVAL)
		fd = openat(l->dir, "seg/new.tmp", how, 0600);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t) l->segment_bytes) != 0 && errno != EOPNOTSUPP)
		rc = -errno;
	l->fd = fd;
	l->offset = 0;
	l->zeroed = SEGMENT_HEADER_LEN;
	if (rc == 0)
		alog_zero_ahead(l, ZERO_CHUNK);
	if (rc == 0)
		rc = sync_at(l, header, sizeof(header));
	folder_segment_name(name, l->tree.size);
	if (rc == 0 && renameat(l->dir, "seg/new.tmp", l->dir, name) != 0)
		rc = -errno;
	seg = openat(l->dir, "seg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0 && (seg < 0 || fsync(seg) != 0))
		rc = -errno;
	if (seg >= 0)
		close(seg);
	if (rc != 0) {
		close(l->fd);
		l->fd = -1;
		(void) unlinkat(l->dir, "seg/new.tmp", 0);
		return rc;
	}
	l->segments++;
	return 0;
}

static int
segment_seal(struct alog *l)
{
	FOR_DISK uint8_t frame[MARK_FRAME_MAX] = {0};
	uint8_t root[SHA256_LEN];
	size_t n = mark_payload(l->offset, SEAL_LEN);
	int rc;

	merkle_root(root, &l->tree);
	seal_put(frame + FRAME_HEADER_LEN, l->tree.size, root);
	frame_put(frame, segment_seed(&l->segment), FRAME_SEAL, l->tree.size,
		  slice_of(frame + FRAME_HEADER_LEN, n));
	rc = sync_at(l, frame, FRAME_HEADER_LEN + n);
	/* The unused end goes back to the file system. */
	if (rc == 0 && (ftruncate(l->fd, (off_t) l->offset) != 0 || fsync(l->fd) != 0))
		rc = -errno;
	close(l->fd);
	l->fd = -1;
	return rc;
}

/* What alog_has_room lets in, and its trailer. */
static size_t
batch_max(const struct alog *l)
{
	return l->batch_cap + frame_size(AUDIT_LEAF_MAX) + MARK_FRAME_MAX;
}

int
alog_begin(struct alog *l)
{
	const uint64_t need = batch_max(l) + MARK_FRAME_MAX;
	unsigned flags = l->abandoned ? SEGMENT_AFTER_ERROR : 0;
	int rc;

	buf_reset(&l->batch);
	l->batch_records = 0;
	l->pending = l->tree;
	if (l->fd >= 0 && l->offset + need > l->segment_bytes && segment_seal(l) != 0) {
		l->sync_errors++;
		flags = SEGMENT_AFTER_ERROR;
	}
	if (l->fd >= 0)
		return 0;
	rc = segment_create(l, flags);
	l->abandoned = rc != 0 && flags;
	return rc;
}

bool
alog_is_smooth(const struct alog *l)
{
	enum { SOON = 128 << 10 };

	return l->fd >= 0 && l->offset + l->batch_cap + SOON <= l->segment_bytes &&
	       l->offset + SOON <= l->zeroed;
}

bool
alog_has_room(const struct alog *l, size_t leaf)
{
	return l->batch_records < ALOG_BATCH_RECORDS &&
	       (l->batch.n == 0 || l->batch.n + frame_size(leaf) <= l->batch_cap);
}

void
alog_add(struct alog *l, struct slice leaf)
{
	size_t n = frame_size(leaf.n);
	uint8_t hash[SHA256_LEN], *to = buf_reserve(&l->batch, n);

	assert(to != NULL && l->fd >= 0);
	frame_put(to, segment_seed(&l->segment), FRAME_RECORD, l->pending.size, leaf);
	l->batch.n += n;
	l->batch_records++;
	merkle_leaf(hash, leaf);
	merkle_append(&l->pending, hash);
}

/* The frames of the batch again, for the present segment. */
static void
reframe(struct alog *l)
{
	for (size_t at = 0; at < l->batch.n;) {
		uint8_t *p = l->batch.p + at;
		size_t n = get_le32(p);
		enum frame_kind kind = (enum frame_kind) p[4];

		frame_put(p, segment_seed(&l->segment), kind, get_le64(p + 8),
			  slice_of(p + FRAME_HEADER_LEN, n));
		at += frame_size(n);
	}
}

int
alog_commit(struct alog *l)
{
	struct trailer t = {.count = l->batch_records, .size = l->pending.size};
	size_t n = mark_payload(l->offset + l->batch.n, TRAILER_LEN);
	uint8_t *to = buf_reserve(&l->batch, FRAME_HEADER_LEN + n);
	int rc;

	assert(l->batch_records > 0 && to != NULL);
	merkle_root(t.root, &l->pending);
	t.commit_ns = clock_wall_ns();
	memset(to, 0, FRAME_HEADER_LEN + n);
	trailer_put(to + FRAME_HEADER_LEN, &t);
	frame_put(to, segment_seed(&l->segment), FRAME_TRAILER, t.size,
		  slice_of(to + FRAME_HEADER_LEN, n));
	l->batch.n += FRAME_HEADER_LEN + n;
	if (l->zeroed < l->offset + l->batch.n)
		alog_zero_ahead(l, l->batch.n + ZERO_CHUNK);
	rc = sync_at(l, l->batch.p, l->batch.n);
	if (rc != 0) {
		/* After a failed flush the kernel may report success for pages it dropped: nothing
		 * written to this file from here on can be believed. */
		l->sync_errors++;
		close(l->fd);
		l->fd = -1;
		rc = segment_create(l, SEGMENT_AFTER_ERROR);
		if (rc == 0) {
			reframe(l);
			rc = sync_at(l, l->batch.p, l->batch.n);
		}
		if (rc != 0)
			return rc;
	}
	l->tree = l->pending;
	return 0;
}

/* Who keeps heads elsewhere may have seen it: in the list it must be, or nobody could make it again
 * when its records are pruned. */
static int
list_head(struct alog *l)
{
	int rc = l->unlisted.n ? heads_append(l->dir, buf_slice(&l->unlisted)) : 0;

	if (rc == 0)
		buf_reset(&l->unlisted);
	return rc;
}

/* c->root and c->size are set. */
static int
sign_head(struct alog *l, struct note_checkpoint *c, uint64_t wall_ns)
{
	struct buf text = {0}, note = {0};
	int rc = list_head(l); /* of the last time */

	c->origin = slice_str(l->key.name);
	note_checkpoint_put(&text, c);
	note_sign(&note, buf_slice(&text), &l->key, l->seed);
	assert(!note.failed);
	if (rc == 0)
		rc = folder_replace(l->dir, "checkpoint", 0644, buf_slice(&note));
	if (rc == 0) {
		buf_put_slice(&l->unlisted, buf_slice(&note));
		buf_putc(&l->unlisted, '\n');
		rc = list_head(l);
	}
	if (rc == 0) {
		l->signed_head = *c;
		l->signed_head.origin = (struct slice){0};
		l->signed_wall_ns = wall_ns;
		l->checkpoints++;
	}
	buf_fini(&text);
	buf_fini(&note);
	return rc;
}

int
alog_checkpoint(struct alog *l, uint64_t wall_ns, bool always)
{
	struct note_checkpoint c = {.size = l->tree.size};

	if (!always && l->tree.size == l->signed_head.size)
		return 0;
	merkle_root(c.root, &l->tree);
	return sign_head(l, &c, wall_ns);
}

int
alog_checkpoint_round(struct alog *l, uint64_t least, uint64_t wall_ns)
{
	uint64_t after = least > l->signed_head.size ? least - 1 : l->signed_head.size;
	struct note_checkpoint c = {.size = merkle_roundest(after, l->tree.size)};

	merkle_roundest_root(c.root, &l->tree, after);
	return sign_head(l, &c, wall_ns);
}

void
alog_abandon(struct alog *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->dir >= 0)
		close(l->dir);
	if (l->lock >= 0)
		close(l->lock);
	buf_fini(&l->batch);
	buf_fini(&l->unlisted);
	secret_wipe(l->seed, sizeof(l->seed));
	l->fd = l->dir = l->lock = -1;
}

int
alog_close(struct alog *l)
{
	int rc = l->fd >= 0 ? segment_seal(l) : 0;

	if (rc == 0)
		rc = alog_checkpoint(l, clock_wall_ns(), false);
	alog_abandon(l);
	return rc;
}

/* --- opening --- */

static int
fail(struct buf *error, const char *what, int err, const char *then)
{
	buf_printf(error, "audit log: %s: %s%s%s", what, strerror(err), *then ? "; " : "", then);
	return -1;
}

static int
open_folders(struct alog *l, const struct alog_options *o, int *keys, struct buf *error)
{
	int state, rc;

	if (mkdir(o->state_path, 0700) != 0 && errno != EEXIST)
		return fail(error, o->state_path, errno, "cannot create the state folder");
	state = open(o->state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		return fail(error, o->state_path, errno, "cannot open the state folder");
	rc = folder_mkdir(state, "audit");
	if (rc == 0)
		rc = folder_mkdir(state, "keys");
	l->dir = openat(state, "audit", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*keys = openat(state, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(state);
	if (rc == 0 && (l->dir < 0 || *keys < 0))
		rc = -errno;
	if (rc == 0)
		rc = folder_mkdir(l->dir, "seg");
	if (rc == 0)
		rc = folder_mkdir(l->dir, "keys");
	if (rc != 0)
		return fail(error, o->state_path, -rc, "cannot create its folders");
	l->lock = openat(l->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (l->lock >= 0 && flock(l->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (l->lock < 0 || errno != EWOULDBLOCK)
		return fail(error, o->state_path, errno, "cannot lock its audit log");
	buf_printf(error, "audit log: another gateway is using the state folder %s; stop it or "
		   "configure another", o->state_path);
	return -1;
}

/* The origin names the log for ever; it is written once. */
static int
open_origin(struct alog *l, const char *wanted, char name[NOTE_NAME_MAX + 1], struct buf *error)
{
	struct buf b = {0};
	char host[65] = "weir";
	int rc = folder_read(&b, l->dir, "origin", 4096);

	if (rc == -ENOENT) {
		(void) gethostname(host, sizeof(host) - 1);
		if (wanted)
			buf_puts(&b, wanted);
		else
			buf_printf(&b, "%s/audit", host);
		if (!note_name_valid(buf_slice(&b))) {
			buf_printf(error, "audit log: origin \"%.*s\" is not a name (no spaces, no '+')",
				   SLICE_ARG(buf_slice(&b)));
			buf_fini(&b);
			return -1;
		}
		buf_putc(&b, '\n');
		rc = folder_replace(l->dir, "origin", 0644, buf_slice(&b));
	}
	if (rc == 0 && (b.n < 2 || b.p[b.n - 1] != '\n' ||
			!note_name_valid(slice_of(b.p, b.n - 1))))
		rc = -EINVAL;
	if (rc != 0) {
		buf_fini(&b);
		return fail(error, "origin", -rc, "restore the file audit/origin from a copy");
	}
	memcpy(name, b.p, b.n - 1);
	name[b.n - 1] = 0;
	sha256(l->origin_sha256, slice_of(b.p, b.n - 1));
	buf_fini(&b);
	if (wanted && strcmp(wanted, name) != 0) {
		buf_printf(error, "audit log: its origin is \"%s\", the configuration says \"%s\"; "
			   "an origin cannot change, use another state folder", name, wanted);
		return -1;
	}
	return 0;
}

static int
write_vkey(struct alog *l)
{
	char file[32];
	struct buf vkey = {0};
	int keys = openat(l->dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (keys < 0)
		return -errno;
	snprintf(file, sizeof(file), "%02x%02x%02x%02x.vkey", l->key.id[0], l->key.id[1],
		 l->key.id[2], l->key.id[3]);
	note_key_format(&vkey, &l->key);
	buf_putc(&vkey, '\n');
	rc = faccessat(keys, file, F_OK, 0) == 0
		     ? 0
		     : folder_replace(keys, file, 0644, buf_slice(&vkey));
	close(keys);
	buf_fini(&vkey);
	return rc;
}

static int
open_key(struct alog *l, int keys, const char *name, bool fresh, struct buf *error)
{
	uint8_t pub[ED25519_PUB_LEN];
	struct buf b = {0};
	int rc = folder_read(&b, keys, "audit.key", 4096);

	if (rc == -ENOENT && fresh) {
		random_bytes(l->seed, sizeof(l->seed));
		ed25519_public(pub, l->seed);
		note_key_make(&l->key, name, pub);
		note_signer_format(&b, &l->key, l->seed);
		buf_putc(&b, '\n');
		rc = folder_replace(keys, "audit.key", 0600, buf_slice(&b));
	} else if (rc == 0 && (!note_signer_parse(&l->key, l->seed, buf_slice(&b)) ||
			       strcmp(l->key.name, name) != 0)) {
		rc = -EINVAL;
	}
	buf_wipe(&b);
	if (rc == 0)
		rc = write_vkey(l);
	if (rc != 0)
		return fail(error, "keys/audit.key", -rc,
			    "the log cannot be continued without its signing key; restore it, or "
			    "move the audit folder away to start a new log");
	return 0;
}

/* The last note of checkpoints.log, after mending an end that a crash tore. */
static int
mend_heads(struct alog *l, const struct note_checkpoint *head, struct slice head_note,
	   struct buf *error)
{
	struct note_checkpoint last;
	struct buf note = {0};
	bool any;
	int rc = heads_mend(l->dir, &last, &any);

	if (rc == 0 && any && last.size > head->size) {
		buf_printf(error, "audit log: integrity: `checkpoint` signs %llu records but "
			   "checkpoints.log has signed %llu. Somebody put an older head back. Keep the "
			   "folder as evidence, run `weir audit verify` on it, and start with a new "
			   "state folder", (unsigned long long) head->size,
			   (unsigned long long) last.size);
		return -1;
	}
	if (rc == 0 && !(any && last.size == head->size &&
			 memcmp(last.root, head->root, SHA256_LEN) == 0)) {
		buf_put_slice(&note, head_note);
		buf_putc(&note, '\n');
		rc = note.failed ? -ENOMEM : heads_append(l->dir, buf_slice(&note));
		buf_fini(&note);
	}
	return rc == 0 ? 0 : fail(error, "checkpoints.log", -rc, "");
}

static int
open_head(struct alog *l, struct note_checkpoint *head, struct buf *error)
{
	struct buf b = {0};
	struct note n;
	int rc = folder_read(&b, l->dir, "checkpoint", 1 << 16);

	if (rc != 0) {
		buf_fini(&b);
		return fail(error, "checkpoint", -rc,
			    "there are records but no signed head. Keep the folder as evidence and "
			    "start with a new state folder");
	}
	if (note_split(&n, buf_slice(&b)) != b.n ||
	    note_verify(&n, &l->key, 1) != NOTE_GOOD || !note_checkpoint_get(head, n.text) ||
	    !slice_is(head->origin, l->key.name)) {
		buf_puts(error, "audit log: integrity: `checkpoint` is not signed by keys/audit.key for "
			 "this origin. Keep the folder as evidence, run `weir audit verify` on it, and "
			 "start with a new state folder");
		rc = -1;
	} else {
		head->origin = (struct slice){0};
		rc = mend_heads(l, head, buf_slice(&b), error);
	}
	buf_fini(&b);
	return rc;
}

/* A torn tail is kept beside the segment, then cut off. */
static int
cut_tail(struct alog *l, const struct alog_scan *s, struct alog_recovery *r)
{
	char name[32], torn[48];
	struct buf file = {0};
	struct slice tail;
	int rc;

	folder_segment_name(name, s->last_first);
	rc = folder_read(&file, l->dir, name, SEGMENT_BYTES_MAX);
	if (rc != 0 || file.n < s->offset)
		goto out;
	tail = slice_of(file.p + s->offset, file.n - s->offset);
	while (tail.n && tail.p[tail.n - 1] == 0)
		tail.n--;
	r->cut_bytes = tail.n;
	if (tail.n) {
		int seg = openat(l->dir, "seg", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		sha256(r->tail_sha256, tail);
		snprintf(torn, sizeof(torn), "%s.%llu.torn", name + 4, (unsigned long long) s->offset);
		rc = seg < 0 ? -errno : folder_replace(seg, torn, 0600, tail);
		if (seg >= 0)
			close(seg);
	}
	if (rc == 0) {
		l->fd = openat(l->dir, name, O_RDWR | O_CLOEXEC);
		if (l->fd < 0 || ftruncate(l->fd, (off_t) s->offset) != 0 || fsync(l->fd) != 0)
			rc = -errno;
		if (rc == 0 && segment_header_get(&l->segment, buf_slice(&file)) != NULL)
			rc = -EINVAL;
		l->offset = s->offset;
	}
out:
	buf_fini(&file);
	return rc;
}

static int
reopen(struct alog *l, struct alog_recovery *r, struct buf *error)
{
	struct alog_scan s = {0};
	int rc;

	if (open_head(l, &l->signed_head, error) != 0 ||
	    alog_scan(l, &l->signed_head, &s, r, error) != 0)
		return -1;
	l->tree = s.tree;
	if (!s.any)
		return 0;
	r->last_good = l->tree.size;
	r->needed = !s.sealed || r->n_unknown;
	rc = cut_tail(l, &s, r);
	if (rc == 0 && !s.sealed)
		rc = segment_seal(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return rc == 0 ? 0 : fail(error, "recovery", -rc, "the folder could not be written");
}

int
alog_open(struct alog *l, const struct alog_options *o, struct alog_recovery *r, struct buf *error)
{
	char name[NOTE_NAME_MAX + 1], strange[256] = "";
	uint64_t *firsts = NULL;
	size_t n_firsts = 0;
	int keys = -1, rc;
	bool fresh;

	*l = (struct alog){.dir = -1, .lock = -1, .fd = -1};
	*r = (struct alog_recovery){0};
	l->segment_bytes = o->segment_bytes ? o->segment_bytes : ALOG_SEGMENT_DEFAULT;
	if (l->segment_bytes < ALOG_SEGMENT_MIN)
		l->segment_bytes = ALOG_SEGMENT_MIN;
	if (l->segment_bytes > SEGMENT_BYTES_MAX)
		l->segment_bytes = SEGMENT_BYTES_MAX;
	l->segment_bytes &= ~UINT64_C(4095);
	l->batch_cap = l->segment_bytes / 4 < ALOG_BATCH_BYTES ? l->segment_bytes / 4
							       : ALOG_BATCH_BYTES;
	/* In its place for good: a write past the page cache must begin on such a boundary. */
	l->batch.cap = l->batch.limit = (batch_max(l) + 4095) & ~(size_t) 4095;
	l->batch.p = aligned_alloc(4096, l->batch.cap);
	assert(l->batch.p != NULL);
	l->reserve_bytes = o->reserve_bytes;
	l->write_sync = o->write_sync;
	l->write_arg = o->write_arg;
	if (open_folders(l, o, &keys, error) != 0)
		goto failed;
	rc = folder_segments(l->dir, &firsts, &n_firsts, strange);
	if (rc != 0) {
		fail(error, *strange ? strange : "seg", -rc, "not a segment; move it out of audit/seg");
		goto failed;
	}
	fresh = n_firsts == 0 && faccessat(l->dir, "checkpoint", F_OK, 0) != 0;
	if (open_origin(l, o->origin, name, error) != 0 ||
	    open_key(l, keys, name, fresh, error) != 0)
		goto failed;
	if (fresh) {
		/* The empty head comes first: from now on a log without a head was tampered
		 * with. */
		rc = alog_checkpoint(l, clock_wall_ns(), true);
		if (rc != 0) {
			fail(error, "checkpoint", -rc, "");
			goto failed;
		}
	} else if (reopen(l, r, error) != 0) {
		goto failed;
	}
	free(firsts);
	close(keys);
	return 0;
failed:
	free(firsts);
	free(r->unknown);
	r->unknown = NULL;
	if (keys >= 0)
		close(keys);
	alog_abandon(l);
	return -1;
}
