/* SPDX-License-Identifier: MIT
 *
 * The readers of audit files. The first byte picks one: a record leaf, a signed note and its keys,
 * or a segment (the fuzzer cannot find checksums, so header and frames are given good ones).
 */
#include "audit/brief.h"
#include "audit/note.h"
#include "audit/segment.h"
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

static void
fuzz_segment(struct slice in)
{
	static uint8_t file[SEGMENT_HEADER_LEN + (1 << 16)];
	struct segment_header h = {0};
	struct frame f;
	struct trailer t;
	size_t at = 0;
	uint64_t seed;

	if (in.n > 1 << 16)
		return;
	(void) !segment_header_get(&h, in);
	h = (struct segment_header){.uuid = {3}};
	segment_header_put(file, &h);
	assert(segment_header_get(&h, slice_of(file, sizeof(file))) == NULL);
	seed = segment_seed(&h);
	memcpy(file + SEGMENT_HEADER_LEN, in.p, in.n);
	/* Frames whose heads make sense get their checksum. */
	while (in.n >= FRAME_HEADER_LEN && at <= in.n - FRAME_HEADER_LEN) {
		uint8_t *p = file + SEGMENT_HEADER_LEN + at;
		size_t len = get_le32(p);

		if (len == 0 || len > in.n - at - FRAME_HEADER_LEN || frame_size(len) > in.n - at)
			break;
		if (p[7] == 0)
			frame_put(p, seed, (enum frame_kind) p[4], get_le64(p + 8),
				  slice_of(p + FRAME_HEADER_LEN, len < 65535 ? len : 65535));
		at += frame_size(len);
	}
	for (at = 0; at < in.n; at += f.size) {
		struct slice rest = slice_of(file + SEGMENT_HEADER_LEN + at, in.n - at);

		if (frame_get(&f, rest, seed) != FRAME_OK)
			break;
		assert(f.size <= rest.n && f.payload.n <= f.size);
		(void) !trailer_get(&t, &f);
		(void) !seal_get(&t, &f);
		if (f.kind == FRAME_RECORD)
			fuzz_leaf(f.payload);
	}
	(void)segment_tail(slice_of(file + SEGMENT_HEADER_LEN + at, in.n > at ? in.n - at : 0),
			   seed, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data + 1, n - 1);

	if (n == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		fuzz_leaf(in);
		break;
	case 1:
		fuzz_note(in);
		break;
	default:
		fuzz_segment(in);
	}
	return 0;
}
