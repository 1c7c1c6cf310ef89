/* SPDX-License-Identifier: MIT
 *
 * The log on disk, one writer, no threads: create or recover, append batches, rotate, sign heads.
 * The committer drives it. Every reopening seals the segment that was active and starts a new one,
 * so a segment belongs to one run of the program.
 *
 * Invariant: `tree` covers exactly the records that are durable; a batch that failed leaves it as
 * it was.
 */
#ifndef WEIR_AUDIT_LOG_H
#define WEIR_AUDIT_LOG_H

#include "audit/note.h"
#include "audit/record.h"
#include "audit/segment.h"

enum {
	ALOG_BATCH_RECORDS = 1024,
	ALOG_BATCH_BYTES = 1 << 20,
	ALOG_SEGMENT_MIN = 512 << 10,
	ALOG_SEGMENT_DEFAULT = 64 << 20,
};

/* Writes n bytes at offset and makes them durable; 0 or -errno. For tests of failing disks. */
typedef int alog_write_sync(void *arg, int fd, const uint8_t *p, size_t n, uint64_t offset);

struct alog {
	int dir; /* the audit folder */
	int lock;
	struct note_key key;
	uint8_t seed[ED25519_SEED_LEN];
	uint8_t origin_sha256[SHA256_LEN];
	uint64_t segment_bytes, reserve_bytes;

	int fd; /* active segment */
	struct segment_header segment;
	uint64_t offset, zeroed; /* next frame; end of the zero-written area */
	bool zeros_dirty; /* zeros were written that no flush has covered */
	bool abandoned;          /* the last sync failed: the next one must be in a fresh segment */

	struct merkle tree, pending;
	struct buf batch; /* frames */
	size_t batch_cap;
	unsigned batch_records;

	struct note_checkpoint signed_head; /* origin unset */
	struct buf unlisted; /* the head that is in `checkpoint` and not in checkpoints.log yet */
	uint64_t signed_wall_ns;

	alog_write_sync *write_sync;
	void *write_arg;

	uint64_t segments, checkpoints, sync_errors;
	int sync_error; /* the last one, -errno */
};

struct alog_options {
	const char *state_path, *origin; /* as in struct audit_options */
	uint64_t segment_bytes, reserve_bytes;
	alog_write_sync *write_sync; /* NULL: pwritev2 with RWF_DSYNC */
	void *write_arg;
};

/* What a reopening found. */
struct alog_recovery {
	bool needed; /* the log was not closed properly */
	uint64_t last_good, cut_bytes, unreleased;
	uint8_t tail_sha256[SHA256_LEN];
	struct audit_id *unknown; /* intents without a result; malloc'd */
	size_t n_unknown;
};

/* 0, or -1 with the reason and what to do about it appended to error. */
int alog_open(struct alog *l, const struct alog_options *o, struct alog_recovery *r,
	      struct buf *error) MUST_CHECK;
/* Seals, signs, closes. 0 or -errno; closes in any case. */
int alog_close(struct alog *l);
/* Closes without writing anything: the log has failed. */
void alog_abandon(struct alog *l);

/* 0 when a batch may be filled, else -errno (-ENOSPC: no room for the next segment). */
int alog_begin(struct alog *l) MUST_CHECK;
/* The next batch needs no new segment and no zeroing. */
bool alog_is_smooth(const struct alog *l);
bool alog_has_room(const struct alog *l, size_t leaf);
void alog_add(struct alog *l, struct slice leaf); /* needs room; 1 .. AUDIT_LEAF_MAX bytes */
/* Durable when 0. A first failure is retried in a fresh segment; -errno when that fails too, and
 * then the log must not be used again but for alog_abandon. */
int alog_commit(struct alog *l) MUST_CHECK;

/* Signs the present head if it differs from the last one (or always). */
int alog_checkpoint(struct alog *l, uint64_t wall_ns, bool always) MUST_CHECK;
/* Of a log that goes on growing: signs the roundest size since the last head that has `least`
 * records, so that one hash, and not ten, is left between two heads when records are pruned
 * (audit/pruned.h). At least one record is new, and `least` are there. */
int alog_checkpoint_round(struct alog *l, uint64_t least, uint64_t wall_ns) MUST_CHECK;
/* Writes zeros ahead of the frames, up to `bytes`. */
void alog_zero_ahead(struct alog *l, uint64_t bytes);
bool alog_disk_low(const struct alog *l);

/* In recover.c, for alog_open: reads the log that is in the folder. */
struct alog_scan {
	struct merkle tree;
	bool any;           /* there is a segment */
	bool sealed;        /* the last one is */
	uint64_t last_first; /* its first index */
	uint64_t offset;    /* end of its last good frame */
};
int alog_scan(struct alog *l, const struct note_checkpoint *head, struct alog_scan *s,
	      struct alog_recovery *r, struct buf *error) MUST_CHECK;

#endif
