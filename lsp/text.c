/* SPDX-License-Identifier: MIT */
#include "lsp/text.h"

enum { MARK_BYTES = 256 };

/* Length of the line end at i, 0 if there is none. */
static size_t
line_end(struct slice t, size_t i)
{
	if (t.p[i] == '\n')
		return 1;
	if (t.p[i] == '\r')
		return i + 1 < t.n && t.p[i + 1] == '\n' ? 2 : 1;
	return 0;
}

/* Length of the character at i. What is not UTF-8 counts byte by byte. */
static size_t
character(struct slice t, size_t i)
{
	uint8_t c = t.p[i];
	size_t n = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

	if (n > t.n - i)
		return 1;
	for (size_t k = 1; k < n; k++)
		if ((t.p[i + k] & 0xc0) != 0x80)
			return 1;
	return n;
}

static uint32_t
units_of(size_t bytes, enum text_units units)
{
	if (units == TEXT_UTF8)
		return (uint32_t) bytes;
	return units == TEXT_UTF16 && bytes == 4 ? 2 : 1;
}

/* How many marks the text gets; they go to `out`, if it is not NULL. */
static uint32_t
put_marks(struct slice text, struct text_mark *out, uint32_t *lines)
{
	struct text_mark at = {0};
	uint32_t n = 0;
	bool due = true;

	for (size_t i = 0, e;; i += e) {
		if (due || i - at.off >= MARK_BYTES) {
			at.off = (uint32_t) i;
			if (out)
				out[n] = at;
			n++;
		}
		if (i == text.n)
			break;
		e = line_end(text, i);
		due = e > 0;
		if (due)
			at = (struct text_mark){.line = at.line + 1, .off = (uint32_t) (i + e)};
		else
			e = character(text, i);
		for (int u = 0; u < TEXT_UNITS && !due; u++)
			at.column[u] += units_of(e, (enum text_units) u);
	}
	*lines = at.line + 1;
	return n;
}

void
text_lines_init(struct text_lines *l, struct arena *arena, struct slice text)
{
	*l = (struct text_lines){.text = text};
	l->n_marks = put_marks(text, NULL, &l->n);
	l->marks = ARENA_ARRAY(arena, struct text_mark, l->n_marks);
	(void) put_marks(text, l->marks, &l->n);
}

uint32_t
text_width(struct slice s, enum text_units units)
{
	uint32_t width = 0;

	for (size_t i = 0, n; i < s.n; i += n) {
		n = character(s, i);
		width += units_of(n, units);
	}
	return width;
}

struct text_place
text_place_at(const struct text_lines *l, size_t off, enum text_units units)
{
	uint32_t low = 0, high = l->n_marks;
	const struct text_mark *m;

	assert(off <= l->text.n);
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (l->marks[mid].off <= off)
			low = mid;
		else
			high = mid;
	}
	m = &l->marks[low];
	return (struct text_place){m->line, m->column[units] +
		text_width(slice_of(l->text.p + m->off, off - m->off), units)};
}

size_t
text_offset(struct slice text, struct text_place at, enum text_units units)
{
	size_t i = 0, n;
	uint32_t line = 0, column = 0;

	for (; line < at.line && i < text.n; i += n) {
		n = line_end(text, i);
		line += n > 0;
		n = n ? n : 1;
	}
	if (line < at.line)
		return text.n;
	for (; i < text.n && !line_end(text, i); i += n) {
		n = character(text, i);
		column += units_of(n, units);
		if (column > at.column)
			break;
	}
	return i;
}

/* ---- Names of files ---- */

static const char scheme[] = "file://";

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
text_path_of_uri(struct arena *arena, const char *uri)
{
	char *out = arena_str(arena, slice_str(uri));
	const char *in = uri + sizeof(scheme) - 1;
	size_t n = 0;

	if (strncmp(uri, scheme, sizeof(scheme) - 1) != 0)
		return out;
	in = strchr(in, '/') ? strchr(in, '/') : in; /* behind a host, which can only be this one */
	for (; *in; in++) {
		int high = *in == '%' ? hex(in[1]) : -1, low = high >= 0 ? hex(in[2]) : -1;

		if (low >= 0 && (high || low)) {
			out[n++] = (char) (high << 4 | low);
			in += 2;
		} else {
			out[n++] = *in;
		}
	}
	out[n] = '\0';
	return out;
}

char *
text_uri_of_path(struct arena *arena, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~/";
	static const char digits[] = "0123456789ABCDEF";
	char *out;
	size_t n = sizeof(scheme) - 1;

	if (path[0] != '/')
		return arena_str(arena, slice_str(path));
	out = arena_alloc(arena, n + strlen(path) * 3 + 1);
	memcpy(out, scheme, n);
	for (; *path; path++) {
		uint8_t c = (uint8_t) *path;

		if (strchr(plain, c)) {
			out[n++] = (char) c;
			continue;
		}
		out[n++] = '%';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	out[n] = '\0';
	return out;
}
