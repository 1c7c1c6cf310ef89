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

static inline bool
utf8_valid(struct slice s)
{
	while (s.n) {
		uint64_t eight;
		size_t len;

		if (s.n >= 8) {
			memcpy(&eight, s.p, 8);
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				s = slice_of(s.p + 8, s.n - 8);
				continue;
			}
		}
		len = utf8_sequence(s);
		if (len == 0)
			return false;
		s = slice_of(s.p + len, s.n - len);
	}
	return true;
}

#endif
