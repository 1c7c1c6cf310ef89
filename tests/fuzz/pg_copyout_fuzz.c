/* SPDX-License-Identifier: MIT
 *
 * Byte 0 chooses the format and options, byte 1 the masks, the rest is the stream. Fed whole and
 * byte by byte it must give the same; the field masked with null never shows.
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
	struct copyout_column cols[3] = {{&specs[masks % 4], 25, -1}, {NULL, 25, -1},
					 {masks & 4 ? &specs[masks / 8 % 4] : NULL, 1043, 12}};
	struct mask_op ops[3];
	struct copyout c;
	enum pg_reason r = PG_R_OK;
	bool ok = copyout_init(&c, o, cols, 3, ops, 512);

	assert(ok);
	for (size_t at = 0; at < in.n && !r; at += step)
		r = copyout_feed(&c, in.p + at, in.n - at < step ? in.n - at : step, out);
	if (!r)
		r = copyout_end(&c);
	copyout_fini(&c);
	return r;
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
	a = run(&o, data[1], in, in.n ? in.n : 1, &whole);
	b = run(&o, data[1], in, 1, &bytes);
	assert(a == b && whole.n == bytes.n);
	assert(whole.n == 0 || memcmp(whole.p, bytes.p, whole.n) == 0);
	buf_fini(&whole);
	buf_fini(&bytes);
	return 0;
}
