/* SPDX-License-Identifier: MIT
 *
 * Byte 0 chooses the format and options, byte 1 masks and detectors, the rest is the stream. Fed
 * whole and byte by byte it must give the same; the field masked with null never shows; what is
 * one row when looked at is fed as one, with the values that were seen.
 */
#include "proto/pg/copyout.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct mask_spec specs[] = {
	{.kernel = MASK_LAST, .n = 2}, {.kernel = MASK_NULL}, {.kernel = MASK_PARTIAL},
	{.kernel = MASK_FIXED, .text = {(const uint8_t *) "a,\"\\\t'", 6}},
};

static enum pg_reason
run(const struct copyout_options *o, uint8_t masks, struct slice in, size_t step, struct buf *out)
{
	struct copyout_column cols[3] = {
		{&specs[masks % 4], 25, -1, 0, 0},
		{NULL, 25, -1, 0, 0},
		{masks & 4 ? &specs[masks / 8 % 4] : NULL, 1043, 12, 0, 0}};
	struct detect_rules detect = {.wanted = UINT32_MAX >> (32 - DETECTOR_COUNT)};
	struct detect_field fields[3];
	struct mask_op ops[3];
	struct copyout c;
	enum pg_reason r = PG_R_OK;
	bool ok = copyout_init(&c, o, cols, 3, ops, 512);

	assert(ok);
	for (int i = 0; i < DETECTOR_COUNT; i++)
		detect.mask[i] = &specs[(masks + i) % 4];
	for (int i = 0; i < 3; i++)
		fields[i] = detect_field_of(i == 1 ? 1700 : 25, -1, o->format == COPYOUT_BINARY);
	if (masks & 128)
		copyout_detect(&c, &detect, fields);
	for (size_t at = 0; at < in.n && !r; at += step)
		r = copyout_feed(&c, in.p + at, in.n - at < step ? in.n - at : step, out);
	if (!r)
		r = copyout_end(&c);
	copyout_fini(&c);
	return r;
}

/* After a look at all of it, and of it once more behind its own first row. */
static void
look(const struct copyout_options *o, struct slice in)
{
	struct copyout_column cols[3] = {{.mask = &specs[1], .type = 25, .typmod = -1},
					 {.mask = &specs[1], .type = 25, .typmod = -1},
					 {.mask = &specs[1], .type = 25, .typmod = -1}};
	struct buf scratch = {0}, out = {0};
	struct copyout_value v[3];
	struct mask_op ops[3];
	struct copyout c;
	bool ok = copyout_init(&c, o, cols, 3, ops, 512);

	assert(ok);
	for (int i = 0; i < 2; i++) {
		uint64_t rows = c.rows;
		size_t frame, values = 0;
		enum copyout_piece piece = copyout_peek(&c, in.p, in.n, v, &frame, &scratch);

		assert(frame <= in.n);
		for (int k = 0; piece == COPYOUT_ROW && k < 3; k++)
			values += v[k].null ? 0 : v[k].v.n;
		assert(values <= in.n);
		if (piece == COPYOUT_BROKEN || copyout_feed(&c, in.p, in.n, &out))
			break;
		assert(c.rows == rows + (piece == COPYOUT_ROW));
	}
	copyout_fini(&c);
	buf_fini(&scratch);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct copyout_options o;
	struct buf whole = {0}, bytes = {0};
	enum pg_reason a, b;
	struct slice in;

	if (n < 2)
		return 0;
	in = slice_of(data + 2, n - 2);
	copyout_defaults(&o, (enum copyout_format) (data[0] % 3));
	o.header = data[0] & 64;
	if (data[0] & 128) {
		o.escape = '\\';
		o.delimiter = '|';
		o.null = SLICE_LIT("nil");
	}
	look(&o, in);
	a = run(&o, data[1], in, in.n ? in.n : 1, &whole);
	b = run(&o, data[1], in, 1, &bytes);
	assert(a == b && whole.n == bytes.n);
	assert(whole.n == 0 || memcmp(whole.p, bytes.p, whole.n) == 0);
	buf_fini(&whole);
	buf_fini(&bytes);
	return 0;
}
