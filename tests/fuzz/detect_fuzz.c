/* SPDX-License-Identifier: MIT
 *
 * Byte 0 chooses the detectors, byte 1 the masks, byte 2 type and format; the rest is a value. Hits
 * lie in the text and those of a detector in their order; a detector finds the same alone as among
 * all of them; where nothing was found nothing changes.
 */
#include "proto/pg/detect_mask.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint32_t types[] = {25,  1042, 114,  3802, 142, 20, 1700,
				 701, 1009, 1016, 2249, 17,  0,	 16384};
static struct mask_key key;
static struct mask_spec specs[] = {
	{.kernel = MASK_LAST, .n = 2},
	{.kernel = MASK_FIRST, .n = 3},
	{.kernel = MASK_PARTIAL},
	{.kernel = MASK_PSEUDONYM, .key = &key},
	{.kernel = MASK_HASH, .key = &key},
	{.kernel = MASK_FIXED, .text = {(const uint8_t *)"\"12\"", 4}},
	{.kernel = MASK_NULL},
};

/* The hits of one detector as a number that tells them from others. */
static uint64_t
hits(uint32_t wanted, enum detector what, struct slice text)
{
	struct detect d;
	struct detect_hit h;
	uint64_t sum = 0;
	size_t from = 0;

	detect_begin(&d, wanted, text);
	while (detect_next(&d, &h)) {
		assert(wanted >> h.what & 1 && h.n > 0 && h.n <= text.n && h.at <= text.n - h.n);
		if (h.what != what)
			continue;
		assert(h.at >= from);
		from = h.at + h.n;
		sum = (sum + h.at * 31 + h.n) * 1000003;
	}
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct detect_rules r = {0};
	struct detect_field f;
	struct buf out = {.limit = 1 << 16};
	uint32_t found;
	uint8_t *copy;
	struct slice in;

	if (n < 4 || !data[0])
		return 0;
	if (!key.inner[0])
		mask_key_init(&key, SLICE_LIT("key"));
	r.wanted = data[0];
	for (int i = 0; i < DETECTOR_COUNT; i++) {
		r.mask[i] = &specs[(data[1] + i * (data[1] >> 4)) % COUNT_OF(specs)];
		r.rank[i] = (uint8_t)(r.mask[i] - specs);
	}
	f = detect_field_of(types[data[2] / 2 % COUNT_OF(types)], -1, data[2] & 1);
	copy = malloc(n - 3); /* exactly as large, so that reading past it shows */
	memcpy(copy, data + 3, n - 3);
	in = slice_of(copy, n - 3);
	for (int i = 0; i < DETECTOR_COUNT; i++)
		if (r.wanted >> i & 1)
			assert(hits(UINT32_C(1) << i, (enum detector)i, in) ==
			       hits(r.wanted, (enum detector)i, in));
	if (detect_look(&r, &f, in, &found) == DETECT_HIT) {
		assert(found && !(found & ~r.wanted));
		if (!detect_show(&r, &f, in, found, &out))
			out.n = 0;
	}
	free(copy);
	buf_fini(&out);
	return 0;
}
