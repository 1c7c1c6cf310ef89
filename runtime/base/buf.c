/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/endian.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf){.limit = b->limit};
}

void
buf_wipe(struct buf *b)
{
	if (b->p)
		secret_wipe(b->p, b->cap);
	buf_fini(b);
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *p;

	if (b->failed || n > SIZE_MAX / 4 || (b->limit && b->n + n > b->limit)) {
		b->failed = true;
		return NULL;
	}
	if (b->n + n <= b->cap)
		return b->p + b->n;
	while (cap < b->n + n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	return p + b->n;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = n ? buf_reserve(b, n) : NULL;

	if (!to)
		return;
	memcpy(to, p, n);
	b->n += n;
}

void
buf_put_slice(struct buf *b, struct slice s)
{
	buf_put(b, s.p, s.n);
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_putc(struct buf *b, uint8_t c)
{
	buf_put(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;
	uint8_t *to;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	to = buf_reserve(b, (size_t) n + 1);
	if (to) {
		vsnprintf((char *) to, (size_t) n + 1, fmt, again);
		b->n += (size_t) n;
	}
	va_end(again);
}

void
buf_be16(struct buf *b, uint16_t v)
{
	uint8_t t[2];

	put_be16(t, v);
	buf_put(b, t, sizeof(t));
}

void
buf_be32(struct buf *b, uint32_t v)
{
	uint8_t t[4];

	put_be32(t, v);
	buf_put(b, t, sizeof(t));
}

void
buf_shift(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

/* \uXXXX, of what is above it as two. */
static void
put_json_escape(struct buf *b, uint32_t c)
{
	if (c > 0xffff) {
		buf_printf(b, "\\u%04x", 0xd800 + ((c - 0x10000) >> 10));
		c = 0xdc00 + (c & 0x3ff);
	}
	buf_printf(b, "\\u%04x", c);
}

void
buf_put_visible(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		size_t len = utf8_sequence(slice_of(s.p + i, s.n - i));

		if (len == 0)
			buf_puts(b, "\\ufffd");
		else if (s.p[i] != '\t' && utf8_hides(utf8_character(s.p + i, len)))
			put_json_escape(b, utf8_character(s.p + i, len));
		else
			buf_put(b, s.p + i, len);
		i += len ? len : 1;
	}
}

void
buf_json_string(struct buf *b, struct slice s)
{
	buf_putc(b, '"');
	for (size_t i = 0; i < s.n;) {
		uint8_t c = s.p[i];
		size_t len = utf8_sequence(slice_of(s.p + i, s.n - i));

		if (c == '"' || c == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, c);
		} else if (c == '\n') {
			buf_puts(b, "\\n");
		} else if (len == 0) {
			buf_puts(b, "\\ufffd");
		} else if ((len > 1 || c < 0x20 || c == 0x7f) &&
			   utf8_hides(utf8_character(s.p + i, len))) {
			put_json_escape(b, utf8_character(s.p + i, len));
		} else {
			buf_put(b, s.p + i, len);
		}
		i += len ? len : 1;
	}
	buf_putc(b, '"');
}
