/* SPDX-License-Identifier: MIT
 *
 * A growable byte buffer that owns its memory. Zeroed memory is a valid empty buffer.
 * Appending past `limit` (0 = none) or out of memory sets `failed` and drops the bytes: callers
 * check once at the end, and a failed buffer is never used as if it were whole.
 */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/assert.h"
#include "base/slice.h"

struct buf {
	uint8_t *p;
	size_t n, cap;
	size_t limit;
	bool failed;
};

void buf_fini(struct buf *b);
/* Overwrites the contents before freeing: for secrets. */
void buf_wipe(struct buf *b);
void buf_reset(struct buf *b); /* n = 0, failed = false; keeps the memory */

/* Makes room for n more bytes; NULL (and failed) when it cannot. n itself is not advanced. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_slice(struct buf *b, struct slice s);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, uint8_t c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_be16(struct buf *b, uint16_t v);
void buf_be32(struct buf *b, uint32_t v);
/* Removes n bytes from the front. */
void buf_shift(struct buf *b, size_t n);
void buf_json_string(struct buf *b, struct slice s); /* quoted; invalid UTF-8 as U+FFFD */
/* For a terminal: what it would obey, or a reader would not see, is escaped as in JSON; tabs are
 * kept. */
void buf_put_visible(struct buf *b, struct slice s);

static inline struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->p, b->n);
}

#endif
