/* SPDX-License-Identifier: MIT
 *
 * Bytes 0 to 3 choose masks, types and formats of four fields, and detectors, the rest is a
 * DataRow's body. A row
 * that is let through must be a well-formed message whose first field, masked to '*', shows none of
 * its letters; masking in place and rewriting must agree.
 */
#include "proto/pg/rowplan.h"

#include "base/endian.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint32_t types[] = {25, 1043, 1042, 19, 18, 17, 16, 21, 23, 20, 700, 701, 1700, 1082,
				 1083, 1114, 1184, 2950, 114, 3802, 142, 1009, 600, 0};
static struct mask_key key;
static struct mask_spec specs[] = {
	{.kernel = MASK_LAST, .n = 2}, {.kernel = MASK_FIRST, .n = 3},
	{.kernel = MASK_PARTIAL}, {.kernel = MASK_HASH, .key = &key},
	{.kernel = MASK_PSEUDONYM, .key = &key},
	{.kernel = MASK_FIXED, .text = {(const uint8_t *) "12", 2}}, {.kernel = MASK_NULL},
	{.kernel = MASK_YEAR}, {.kernel = MASK_MONTH}, {.kernel = MASK_ROUND, .n = 10},
	{.kernel = MASK_BUCKET, .n = 7},
};

/* Both ways of masking a value give the same. */
static void
agree(const struct mask_op *op, struct slice in)
{
	struct buf out = {0};
	uint8_t *p = malloc(in.n + 1);
	bool value;

	memcpy(p, in.p, in.n);
	value = mask_rewrite(op, in, &out);
	if (mask_in_place(op, p, in.n)) {
		assert(value && out.n == in.n);
		assert(in.n == 0 || memcmp(out.p, p, in.n) == 0);
	} else {
		assert(memcmp(p, in.p, in.n) == 0);
	}
	free(p);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static _Alignas(16) uint8_t memory[sizeof(struct pg_rowplan) +
					   4 * sizeof(struct pg_rowplan_cell) +
					   4 * sizeof(struct detect_field)];
	struct pg_rowplan *plan = (struct pg_rowplan *) memory;
	struct pg_row_counts counts = {0};
	struct buf out = {0};
	size_t size;
	uint8_t *msg;
	bool rewritten;

	if (n < 8)
		return 0;
	if (!key.inner[0])
		mask_key_init(&key, SLICE_LIT("key"));
	plan->n_fields = 4;
	plan->n_cells = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (data[i] == 255)
			continue;
		plan->cells[plan->n_cells].field = (uint16_t) i;
		plan->cells[plan->n_cells].op =
			mask_bind(&specs[data[i] % 7], types[data[i] / 7 % COUNT_OF(types)],
				  data[i] & 64 ? 12 : -1, data[i] & 1);
		plan->n_cells++;
	}
	plan->detect.wanted = data[0] & 32 ? UINT32_MAX >> (32 - DETECTOR_COUNT) : 0;
	for (unsigned i = 0; i < DETECTOR_COUNT; i++)
		plan->detect.mask[i] = &specs[(data[1] + i) % 7];
	for (unsigned i = 0; i < 4; i++)
		((struct detect_field *) (plan->cells + plan->n_cells))[i] =
			detect_field_of(types[data[i] / 7 % COUNT_OF(types)], -1, data[i] & 1);
	if (plan->n_cells == 0)
		return 0;
	agree(&plan->cells[0].op, slice_of(data + 4, n - 4));
	size = n - 4 + PG_HEADER;
	msg = malloc(size);
	msg[0] = 'D';
	put_be32(msg + 1, (uint32_t) size - 1);
	memcpy(msg + PG_HEADER, data + 4, n - 4);
	if (pg_rowplan_apply(plan, msg, size, &out, &rewritten, &counts) == PG_R_OK) {
		const uint8_t *p = rewritten ? out.p : msg;
		size_t len = rewritten ? out.n : size;
		struct pg_values before, after;

		assert(get_be32(p + 1) + 1 == len);
		/* A row that was whole before is whole after. */
		if (pg_read_data_row(slice_of(data + 4, n - 4), &before) == PG_R_OK)
			assert(pg_read_data_row(slice_of(p + PG_HEADER, len - PG_HEADER),
						&after) == PG_R_OK);
	} else {
		assert(out.n == 0);
	}
	free(msg);
	buf_fini(&out);
	return 0;
}
