/* SPDX-License-Identifier: MIT
 *
 * The readers of audit files. The first byte picks one: a record leaf, a signed note and its keys,
 * a segment, what is left of one that was pruned, the holds in force, or a policy that is kept (the
 * fuzzer cannot find checksums, so header and frames are given good ones).
 */
#include "audit/brief.h"
#include "audit/holds.h"
#include "audit/kept.h"
#include "audit/note.h"
#include "audit/pruned.h"
#include "base/endian.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What the strict check lets through, every reader takes, and the JSON is made; what it refuses,
 * all refuse. */
static void
fuzz_leaf(struct slice in)
{
	struct buf json = {.limit = 1 << 24};
	const char *error = NULL, *wrong = audit_leaf_check(in);
	struct audit_brief b;
	bool ok = audit_to_json(&json, in, &error);

	assert((audit_brief_get(&b, in) != NULL) == (wrong != NULL));
	assert(ok || json.n == 0);
	if (!ok)
		assert(error != NULL);
	else
		assert(wrong == NULL);
	buf_fini(&json);
}

static void
fuzz_note(struct slice in)
{
	struct note_key key;
	uint8_t seed[ED25519_SEED_LEN];
	struct note_checkpoint c;
	struct note n;
	size_t took;

	if (note_key_parse(&key, in)) {
		struct buf again = {0};

		note_key_format(&again, &key);
		assert(slice_eq(buf_slice(&again), slice_of(in.p, again.n)));
		buf_fini(&again);
	}
	(void) !note_signer_parse(&key, seed, in);
	memset(seed, 1, sizeof(seed));
	ed25519_public(key.pub, seed);
	note_key_make(&key, "fuzz", key.pub);
	took = note_split(&n, in);
	assert(took <= in.n);
	if (took == 0)
		return;
	assert(note_verify(&n, &key, 1) != NOTE_GOOD);
	(void) !note_checkpoint_get(&c, n.text);
}

/* A segment's header and the input behind it, whose frames get their checksum where their heads
 * make sense. */
static struct slice
segment_of(struct slice in, uint64_t first)
{
	static uint8_t file[SEGMENT_HEADER_LEN + (1 << 16)];
	struct segment_header h = {.uuid = {3}, .tree = {.size = first}};
	uint64_t seed = segment_seed(&h);

	segment_header_put(file, &h);
	memcpy(file + SEGMENT_HEADER_LEN, in.p, in.n);
	for (size_t at = 0; in.n >= FRAME_HEADER_LEN && at <= in.n - FRAME_HEADER_LEN;) {
		uint8_t *p = file + SEGMENT_HEADER_LEN + at;
		size_t len = get_le32(p);

		if (len == 0 || len > in.n - at - FRAME_HEADER_LEN || frame_size(len) > in.n - at)
			break;
		if (p[7] == 0)
			frame_put(p, seed, (enum frame_kind) p[4], get_le64(p + 8),
				  slice_of(p + FRAME_HEADER_LEN, len < 65535 ? len : 65535));
		at += frame_size(len);
	}
	return slice_of(file, SEGMENT_HEADER_LEN + in.n);
}

static void
fuzz_segment(struct slice in)
{
	struct segment_header h = {0};
	struct slice file;
	struct frame f;
	struct trailer t;
	size_t at = SEGMENT_HEADER_LEN;
	uint64_t seed;

	(void) !segment_header_get(&h, in);
	file = segment_of(in, 0);
	assert(segment_header_get(&h, file) == NULL);
	seed = segment_seed(&h);
	for (; at < file.n; at += f.size) {
		struct slice rest = slice_of(file.p + at, file.n - at);

		if (frame_get(&f, rest, seed) != FRAME_OK)
			break;
		assert(f.size <= rest.n && f.payload.n <= f.size);
		(void) !trailer_get(&t, &f);
		(void) !seal_get(&t, &f);
		if (f.kind == FRAME_RECORD)
			fuzz_leaf(f.payload);
	}
	(void) segment_tail(slice_of(file.p + at, file.n > at ? file.n - at : 0), seed, 0);
}

/* The tree may only grow, node by node. */
static bool
grows(void *arg, const struct merkle *tree)
{
	uint64_t *size = arg;

	assert(tree->size > *size);
	*size = tree->size;
	return true;
}

/* The same without the zeros of its header. */
static struct slice
packed(struct slice file)
{
	static uint8_t out[SEGMENT_HEADER_LEN + (1 << 16)];
	struct segment_header h;
	size_t n;

	assert(segment_header_get(&h, file) == NULL);
	n = segment_header_pack(out, &h);
	memcpy(out + n, file.p + SEGMENT_HEADER_LEN, file.n - SEGMENT_HEADER_LEN);
	return slice_of(out, n + file.n - SEGMENT_HEADER_LEN);
}

/* The first byte is the first index. */
static void
fuzz_pruned(struct slice in)
{
	uint64_t first = in.n ? in.p[0] : 0, size = first, again = first;
	struct slice file = segment_of(in.n ? slice_of(in.p + 1, in.n - 1) : in, first);
	struct segment_header h;
	struct merkle tree, other;
	struct pruned p;
	const char *wrong = pruned_read(&p, &tree, file, grows, &size);
	size_t len;

	assert((pruned_read(&p, &other, packed(file), grows, &again) != NULL) == (wrong != NULL));
	if (segment_header_unpack(&h, in, &len) == NULL)
		assert(len <= in.n);
	if (wrong)
		return;
	assert(memcmp(&tree, &other, sizeof(tree)) == 0);
	assert(tree.size == size && p.records == size - first);
	assert(p.by.n <= PRUNED_TEXT_MAX && p.policy.n <= PRUNED_TEXT_MAX);
}

/* What reads as whole has every hold by its name, and none that was not set. */
static void
fuzz_holds(struct slice in)
{
	static struct holds h;

	h.file = (struct buf){0};
	buf_put_slice(&h.file, in);
	if (holds_parse(&h) == NULL)
		for (size_t i = 0; i < h.n; i++) {
			assert(h.v[i].set.hold.action == AUDIT_hold_action_SET);
			assert(holds_find(&h, h.v[i].set.hold.name) != NULL);
			assert(holds_keep(&h, 0, UINT64_MAX) != NULL);
		}
	holds_fini(&h);
}

/* What is a good one by the digest of its body is so byte for byte. */
static void
fuzz_kept(struct slice in)
{
	uint8_t digest[SHA256_LEN] = {0};
	struct kept k, again;

	assert(kept_read(&k, in, digest) != NULL);
	sha256(digest, k.body);
	if (kept_read(&k, in, digest) != NULL)
		return;
	assert(k.body.p >= in.p && k.body.p + k.body.n <= in.p + in.n);
	assert(kept_read(&again, slice_of(in.p, in.n - 1), digest) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data + 1, n - 1);

	if (n == 0 || n > 1 << 16)
		return 0;
	switch (data[0] % 6) {
	case 0:
		fuzz_leaf(in);
		break;
	case 1:
		fuzz_note(in);
		break;
	case 2:
		fuzz_segment(in);
		break;
	case 3:
		fuzz_pruned(in);
		break;
	case 4:
		fuzz_holds(in);
		break;
	default:
		fuzz_kept(in);
	}
	return 0;
}
