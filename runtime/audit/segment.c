/* SPDX-License-Identifier: MIT */
#include "audit/segment.h"

#include "audit/record.h"
#include "base/endian.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { VERSION = 1, PACKED = 2, BATCH_MAX = 1024 };

enum {
	AT_VERSION = 8,
	AT_FLAGS = 10,
	AT_UUID = 16,
	AT_ORIGIN = 32,
	AT_FIRST = 64,
	AT_CREATED = 72,
	AT_ROOT = 80,
	AT_PEAKS = 112,
	SUM_LEN = 8,
	AT_SUM = SEGMENT_HEADER_LEN - SUM_LEN,
};
static_assert(AT_PEAKS + MERKLE_PEAKS_MAX * SHA256_LEN <= AT_SUM, "the header holds all peaks");

static const char magic[8] = "WEIRLOG1";

void
segment_header_put(uint8_t out[SEGMENT_HEADER_LEN], const struct segment_header *h)
{
	memset(out, 0, SEGMENT_HEADER_LEN);
	memcpy(out, magic, sizeof(magic));
	put_le16(out + AT_VERSION, VERSION);
	put_le16(out + AT_FLAGS, (uint16_t) h->flags);
	memcpy(out + AT_UUID, h->uuid, sizeof(h->uuid));
	memcpy(out + AT_ORIGIN, h->origin_sha256, SHA256_LEN);
	put_le64(out + AT_FIRST, h->tree.size);
	put_le64(out + AT_CREATED, h->created_ns);
	merkle_root(out + AT_ROOT, &h->tree);
	memcpy(out + AT_PEAKS, h->tree.peaks, merkle_n_peaks(&h->tree) * (size_t) SHA256_LEN);
	put_le64(out + AT_SUM, XXH3_64bits(out, AT_SUM));
}

const char *
segment_header_get(struct segment_header *h, struct slice file)
{
	uint8_t check[SEGMENT_HEADER_LEN];

	*h = (struct segment_header){0};
	if (file.n < SEGMENT_HEADER_LEN)
		return "the file is shorter than a segment header";
	if (memcmp(file.p, magic, sizeof(magic)) != 0)
		return "not a segment file (wrong magic)";
	if (get_le16(file.p + AT_VERSION) != VERSION)
		return "written by another version of the format";
	h->flags = get_le16(file.p + AT_FLAGS);
	memcpy(h->uuid, file.p + AT_UUID, sizeof(h->uuid));
	memcpy(h->origin_sha256, file.p + AT_ORIGIN, SHA256_LEN);
	h->created_ns = get_le64(file.p + AT_CREATED);
	h->tree.size = get_le64(file.p + AT_FIRST);
	memcpy(h->tree.peaks, file.p + AT_PEAKS, merkle_n_peaks(&h->tree) * (size_t) SHA256_LEN);
	/* One header has one encoding: root, zeros and sum are compared at once. */
	segment_header_put(check, h);
	if (memcmp(check, file.p, SEGMENT_HEADER_LEN) != 0)
		return "the segment header is damaged";
	return NULL;
}

/* Where the peaks end. */
static size_t
peaks_end(const struct merkle *tree)
{
	return AT_PEAKS + merkle_n_peaks(tree) * (size_t) SHA256_LEN;
}

size_t
segment_header_pack(uint8_t out[SEGMENT_HEADER_LEN], const struct segment_header *h)
{
	size_t end = peaks_end(&h->tree);

	segment_header_put(out, h);
	put_le16(out + AT_VERSION, PACKED);
	memmove(out + end, out + AT_SUM, SUM_LEN);
	return end + SUM_LEN;
}

const char *
segment_header_unpack(struct segment_header *h, struct slice file, size_t *len)
{
	uint8_t whole[SEGMENT_HEADER_LEN] = {0};
	struct merkle tree = {0};
	size_t end;

	*len = SEGMENT_HEADER_LEN;
	if (file.n < AT_PEAKS || get_le16(file.p + AT_VERSION) != PACKED)
		return segment_header_get(h, file);
	tree.size = get_le64(file.p + AT_FIRST);
	end = peaks_end(&tree);
	*len = end + SUM_LEN;
	*h = (struct segment_header){0};
	if (file.n < *len)
		return "the file is shorter than a segment header";
	memcpy(whole, file.p, end);
	put_le16(whole + AT_VERSION, VERSION);
	memcpy(whole + AT_SUM, file.p + end, SUM_LEN);
	return segment_header_get(h, slice_of(whole, sizeof(whole)));
}

uint64_t
segment_seed(const struct segment_header *h)
{
	return get_le64(h->uuid);
}

void
frame_put(uint8_t *to, uint64_t seed, enum frame_kind kind, uint64_t index, struct slice payload)
{
	size_t size = frame_size(payload.n);
	uint8_t head[16] = {0};

	assert(payload.n > 0 && payload.n <= AUDIT_LEAF_MAX);
	put_le32(head, (uint32_t) payload.n);
	head[4] = (uint8_t) kind;
	put_le64(head + 8, index);
	if (payload.p != to + FRAME_HEADER_LEN)
		memcpy(to + FRAME_HEADER_LEN, payload.p, payload.n);
	memset(to + FRAME_HEADER_LEN + payload.n, 0, size - FRAME_HEADER_LEN - payload.n);
	/* The head stands right before the payload for the hash, then moves to its place. */
	memcpy(to + 8, head, 16);
	seed = XXH3_64bits_withSeed(to + 8, 16 + payload.n, seed);
	memcpy(to, head, 16);
	put_le64(to + 16, seed);
}

static uint64_t
frame_sum(const uint8_t *p, size_t n, uint64_t seed)
{
	XXH3_state_t st;

	XXH3_INITSTATE(&st);
	XXH3_64bits_reset_withSeed(&st, seed);
	XXH3_64bits_update(&st, p, 16);
	XXH3_64bits_update(&st, p + FRAME_HEADER_LEN, n);
	return XXH3_64bits_digest(&st);
}

static bool
all_zero(struct slice s)
{
	return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

enum frame_result
frame_get(struct frame *f, struct slice at, uint64_t seed)
{
	size_t n;

	if (at.n < FRAME_HEADER_LEN)
		return all_zero(at) ? FRAME_NONE : FRAME_BAD;
	if (all_zero(slice_of(at.p, FRAME_HEADER_LEN)))
		return FRAME_NONE;
	n = get_le32(at.p);
	f->kind = at.p[4];
	f->index = get_le64(at.p + 8);
	f->size = frame_size(n);
	if (n == 0 || n > AUDIT_LEAF_MAX || f->size > at.n || at.p[5] || at.p[6] || at.p[7] ||
	    f->kind < FRAME_RECORD || f->kind > FRAME_NODES)
		return FRAME_BAD;
	f->payload = slice_of(at.p + FRAME_HEADER_LEN, n);
	if (get_le64(at.p + 16) != frame_sum(at.p, n, seed) ||
	    !all_zero(slice_of(at.p + FRAME_HEADER_LEN + n, f->size - FRAME_HEADER_LEN - n)))
		return FRAME_BAD;
	return FRAME_OK;
}

size_t
mark_payload(uint64_t at, size_t len)
{
	uint64_t end = at + frame_size(len);

	assert(at % 8 == 0);
	end = (end + SEGMENT_SECTOR - 1) & ~(uint64_t) (SEGMENT_SECTOR - 1);
	return (size_t) (end - at) - FRAME_HEADER_LEN;
}

/* Zeros behind it, up to less than a sector. */
static bool
is_mark(const struct frame *f, enum frame_kind kind, size_t len)
{
	return f->kind == kind && f->payload.n >= len && f->payload.n < len + SEGMENT_SECTOR &&
	       all_zero(slice_of(f->payload.p + len, f->payload.n - len));
}

void
trailer_put(uint8_t out[TRAILER_LEN], const struct trailer *t)
{
	put_le64(out, t->count);
	put_le64(out + 8, t->size);
	memcpy(out + 16, t->root, SHA256_LEN);
	put_le64(out + 48, t->commit_ns);
}

bool
trailer_get(struct trailer *t, const struct frame *f)
{
	if (!is_mark(f, FRAME_TRAILER, TRAILER_LEN))
		return false;
	t->count = get_le64(f->payload.p);
	t->size = get_le64(f->payload.p + 8);
	memcpy(t->root, f->payload.p + 16, SHA256_LEN);
	t->commit_ns = get_le64(f->payload.p + 48);
	return true;
}

void
seal_put(uint8_t out[SEAL_LEN], uint64_t size, const uint8_t root[SHA256_LEN])
{
	put_le64(out, size);
	memcpy(out + 8, root, SHA256_LEN);
}

bool
seal_get(struct trailer *t, const struct frame *f)
{
	*t = (struct trailer){0};
	if (!is_mark(f, FRAME_SEAL, SEAL_LEN))
		return false;
	t->size = get_le64(f->payload.p);
	memcpy(t->root, f->payload.p + 8, SHA256_LEN);
	return true;
}

/* One batch is one write, so a crash can lose any of its pages and keep others, its trailer among
 * them; but a batch is only written after the one before it is durable. Two trailers, a frame after
 * the trailer, or more records than a batch has are therefore no crash. */
enum segment_tail
segment_tail(struct slice tail, uint64_t seed, uint64_t first)
{
	struct frame f;
	struct trailer t;
	bool trailer = false;
	uint64_t work = 0; /* crafted heads could make this quadratic */

	if (all_zero(tail))
		return TAIL_CLEAN;
	for (size_t at = 0; at < tail.n;) {
		struct slice rest = slice_of(tail.p + at, tail.n - at);

		f.size = 0;
		if (frame_get(&f, rest, seed) != FRAME_OK) {
			work += f.size <= AUDIT_LEAF_MAX + FRAME_HEADER_LEN ? f.size : 0;
			if (work > 64 * (uint64_t) tail.n + (1 << 20))
				return TAIL_BROKEN;
			at += 8;
			continue;
		}
		if (trailer || f.index < first || f.index >= first + BATCH_MAX + 1)
			return TAIL_BROKEN;
		if (f.kind >= FRAME_SEAL)
			return TAIL_BROKEN;
		if (f.kind == FRAME_TRAILER) {
			/* A batch that starts before `first` was cut in its middle. */
			if (!trailer_get(&t, &f) || t.size <= first)
				return TAIL_BROKEN;
			trailer = true;
		}
		at += f.size;
	}
	return TAIL_TORN;
}
