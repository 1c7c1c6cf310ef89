/* SPDX-License-Identifier: MIT
 *
 * What an approver reads must be what the server would run. Everything that a terminal or a page
 * could hide, move or reorder is written out here; text that cannot be shown faithfully cannot be
 * approved at all (postgres.md section 6, "what the approver sees").
 */
#include "session/approvals.h"

/* Decodes one character of UTF-8 (RFC 3629) at p; returns its length, 0 when it is not valid. */
static size_t
decode(const uint8_t *p, size_t n, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80       ? 1
		     : p[0] >> 5 == 6  ? 2
		     : p[0] >> 4 == 14 ? 3
		     : p[0] >> 3 == 30 ? 4
				       : 0;
	uint32_t c;

	if (len == 0 || len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (len > 1 && c < least[len])
		return 0;
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return len;
}

/* C0, DEL and C1 (Unicode 15, general category Cc). */
static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Explicit directional formatting characters (UAX #9, section 2), and the marks. */
static bool
is_bidi(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	       c == 0x200f || c == 0x061c;
}

/* Takes no room, or breaks lines, or is a look-alike of a blank. */
static bool
is_hidden(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200d) || c == 0x00ad || c == 0x034f || c == 0x115f ||
	       c == 0x1160 || c == 0x17b4 || c == 0x17b5 || c == 0x180e || c == 0x2028 ||
	       c == 0x2029 || (c >= 0x2060 && c <= 0x2065) || (c >= 0x206a && c <= 0x206f) ||
	       c == 0x3164 || (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || c == 0xffa0 ||
	       (c >= 0xfff0 && c <= 0xfffb) || c == 0x00a0 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000 || (c >= 0xe0000 && c <= 0xe0fff);
}

void
approval_put_visible(struct buf *out, struct slice text, bool multiline)
{
	for (size_t i = 0; i < text.n;) {
		uint32_t c;
		size_t len = decode(text.p + i, text.n - i, &c);

		if (len == 0) {
			buf_printf(out, "\\x%02x", text.p[i]);
			i++;
			continue;
		}
		if (multiline && (c == '\n' || c == '\t'))
			buf_putc(out, (uint8_t) c);
		else if (c == '\n')
			buf_puts(out, "\\n");
		else if (c == '\t')
			buf_puts(out, "\\t");
		else if (c == '\r')
			buf_puts(out, "\\r");
		else if (is_control(c) && c < 0x80)
			buf_printf(out, "\\x%02x", c);
		else if (is_control(c) || is_bidi(c) || is_hidden(c))
			buf_printf(out, "\\u{%x}", c);
		else
			buf_put(out, text.p + i, len);
		i += len;
	}
}

const char *
approval_text_problem(struct slice text)
{
	if (text.n > APPROVAL_MAX_TEXT)
		return "it is too long to be shown whole";
	for (size_t i = 0; i < text.n;) {
		uint32_t c;
		size_t len = decode(text.p + i, text.n - i, &c);

		if (len == 0)
			return "it is not valid UTF-8";
		if (is_control(c) && c != '\t' && c != '\n' && c != '\r')
			return "it contains control characters";
		if (is_bidi(c))
			return "it contains bidirectional formatting characters";
		i += len;
	}
	return NULL;
}
