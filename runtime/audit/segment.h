/* SPDX-License-Identifier: MIT
 *
 * The bytes of a segment file; no I/O here.
 *
 * Header, 4096 bytes little-endian: magic "WEIRLOG1", u16 version, u16 flags, u32 0, uuid[16],
 * sha256(origin)[32], u64 first index, u64 created ns, previous root[32], the compact range at the
 * first index (32 bytes a peak; their number follows from the index), zeros, and in the last eight
 * bytes XXH3-64 of all before. The compact range lets a reader start at any segment; it is evidence
 * only because the root it leads to is signed.
 *
 * Frame, 8-byte aligned: u32 len, u8 kind, u8 flags 0, u16 0, u64 index, u64 xxh3, payload, zero
 * padding. xxh3 = XXH3-64 seeded with the uuid's low half over the first 16 bytes and the payload,
 * so stale bytes of another segment never pass. It finds corruption and is never evidence.
 *
 * A batch is its records and a trailer, whose payload has zeros behind it so that the batch ends on
 * a SEGMENT_SECTOR; so does a seal. The next batch then writes no sector that has a durable record,
 * and each can go to the disk past the page cache. (Logs from before have no zeros there, and are
 * read as well.)
 */
#ifndef WEIR_AUDIT_SEGMENT_H
#define WEIR_AUDIT_SEGMENT_H

#include "audit/merkle.h"

enum {
	SEGMENT_HEADER_LEN = 4096,
	SEGMENT_SECTOR = 512,
	FRAME_HEADER_LEN = 24,
	TRAILER_LEN = 56, /* u64 count, u64 tree size, root[32], u64 commit ns */
	SEAL_LEN = 40,    /* u64 tree size, root[32] */
};

enum segment_flag {
	SEGMENT_AFTER_ERROR = 1, /* the segment before was abandoned; its frames from here on never
				  * counted, this one has them again */
};

struct segment_header {
	unsigned flags;
	uint8_t uuid[16];
	uint8_t origin_sha256[SHA256_LEN];
	uint64_t created_ns;
	struct merkle tree; /* size = first index */
};

void segment_header_put(uint8_t out[SEGMENT_HEADER_LEN], const struct segment_header *h);
/* NULL when good, else what is wrong. */
const char *segment_header_get(struct segment_header *h, struct slice file) MUST_CHECK;
uint64_t segment_seed(const struct segment_header *h);

/* The same without the zeros between the peaks and the sum, for what is left of pruned segments;
 * returns how many bytes it takes. */
size_t segment_header_pack(uint8_t out[SEGMENT_HEADER_LEN], const struct segment_header *h);
/* Of either kind: NULL when good, with the bytes that it takes in *len. */
const char *segment_header_unpack(struct segment_header *h, struct slice file,
				  size_t *len) MUST_CHECK;

enum frame_kind {
	FRAME_RECORD = 1,
	FRAME_TRAILER = 2,
	FRAME_SEAL = 3,
	/* of what is left of a pruned segment (audit/pruned.h) */
	FRAME_PRUNED = 4,
	FRAME_NODES = 5,
};

struct frame {
	unsigned kind;
	uint64_t index;
	struct slice payload;
	size_t size; /* with header and padding */
};

static inline size_t
frame_size(size_t payload)
{
	return (FRAME_HEADER_LEN + payload + 7) & ~(size_t) 7;
}

/* `to` has frame_size(payload.n) bytes. payload may be what is in place already. */
void frame_put(uint8_t *to, uint64_t seed, enum frame_kind kind, uint64_t index,
	       struct slice payload);

enum frame_result {
	FRAME_OK,
	FRAME_NONE, /* a zero head or the end of the file: nothing was written here */
	FRAME_BAD,
};
enum frame_result frame_get(struct frame *f, struct slice at, uint64_t seed);

/* The length of a mark's payload (TRAILER_LEN, SEAL_LEN) whose frame begins at byte `at` of the
 * file, with the zeros that let it end on a sector. `at` is a multiple of 8. */
size_t mark_payload(uint64_t at, size_t len);
enum { MARK_FRAME_MAX = FRAME_HEADER_LEN + TRAILER_LEN + SEGMENT_SECTOR };

struct trailer {
	uint64_t count, size, commit_ns;
	uint8_t root[SHA256_LEN];
};
void trailer_put(uint8_t out[TRAILER_LEN], const struct trailer *t);
bool trailer_get(struct trailer *t, const struct frame *f) MUST_CHECK;
void seal_put(uint8_t out[SEAL_LEN], uint64_t size, const uint8_t root[SHA256_LEN]);
bool seal_get(struct trailer *t, const struct frame *f) MUST_CHECK; /* size and root */

/* What follows the last good frame. `first` is the index the next record would have. */
enum segment_tail {
	TAIL_CLEAN,  /* zeros */
	TAIL_TORN,   /* the remains of one batch that was being written when the machine stopped */
	TAIL_BROKEN, /* good frames of later batches after a bad one: no crash does that */
};
enum segment_tail segment_tail(struct slice tail, uint64_t seed, uint64_t first);

#endif
