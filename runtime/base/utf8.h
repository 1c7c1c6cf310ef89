/* SPDX-License-Identifier: MIT
 *
 * Is it UTF-8 (RFC 3629)? Decides between CBOR text and bytes, and between text and base64 in JSON.
 */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include "base/slice.h"

/* Length of the valid sequence at the front of s, 0 if there is none. */
static inline size_t
utf8_sequence(struct slice s)
{
	uint8_t c, lo = 0x80, hi = 0xbf;
	size_t len;

	if (s.n == 0)
		return 0;
	c = s.p[0];
	len = c < 0x80 ? 1 : c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3
	      : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (len == 0 || len > s.n)
		return 0;
	if (c == 0xe0)
		lo = 0xa0;
	else if (c == 0xed)
		hi = 0x9f;
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f;
	for (size_t i = 1; i < len; i++, lo = 0x80, hi = 0xbf)
		if (s.p[i] < lo || s.p[i] > hi)
			return 0;
	return len;
}

/* The character of a valid sequence of that length. */
static inline uint32_t
utf8_character(const uint8_t *p, size_t len)
{
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

/* A terminal obeys it, or a reader does not see it: control characters, separators of lines, what
 * changes the direction of text or takes no room. */
static inline bool
utf8_hides(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
	       (c >= 0xe0000 && c <= 0xe0fff);
}

/* Most texts are. What overlaps is looked at twice: there is no loop over what is left. */
static inline bool
utf8_is_ascii(struct slice s)
{
	uint64_t all = 0, part = 0;
	uint32_t half[2];

	for (size_t i = 0; i + 8 < s.n; i += 8) {
		memcpy(&part, s.p + i, 8);
		all |= part;
	}
	if (s.n >= 8) {
		memcpy(&part, s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		memcpy(&half[0], s.p, 4);
		memcpy(&half[1], s.p + s.n - 4, 4);
		part = half[0] | half[1];
	} else if (s.n) {
		part = s.p[0] | s.p[s.n / 2] | s.p[s.n - 1];
	}
	return ((all | part) & UINT64_C(0x8080808080808080)) == 0;
}

static inline bool
utf8_valid(struct slice s)
{
	if (utf8_is_ascii(s))
		return true;
	while (s.n) {
		size_t len = utf8_sequence(s);

		if (len == 0)
			return false;
		s = slice_of(s.p + len, s.n - len);
	}
	return true;
}

#endif
