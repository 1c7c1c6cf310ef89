/* SPDX-License-Identifier: MIT
 *
 * Places in a text as editors count them, and names of files as they write them. A line ends with
 * LF, CR LF or CR; columns count bytes, UTF-16 units or characters, as was agreed.
 */
#ifndef WEIR_LSP_TEXT_H
#define WEIR_LSP_TEXT_H

#include "base/arena.h"
#include "base/slice.h"

enum text_units { TEXT_UTF8, TEXT_UTF16, TEXT_UTF32, TEXT_UNITS };

struct text_place {
	uint32_t line, column; /* from 0 */
};

/* Where a line starts, or goes on when it is long. */
struct text_mark {
	uint32_t off, line, column[TEXT_UNITS];
};

/* For many places of one text: none is far from a mark. */
struct text_lines {
	struct slice text;
	struct text_mark *marks;
	uint32_t n_marks;
	uint32_t n; /* lines, at least 1 */
};

void text_lines_init(struct text_lines *l, struct arena *arena, struct slice text);
struct text_place text_place_at(const struct text_lines *l, size_t off, enum text_units units);
/* The other way; a place past the end of a line or text is its end, one inside a character that
 * character's start. */
size_t text_offset(struct slice text, struct text_place at, enum text_units units);
/* How many units a piece of one line takes. */
uint32_t text_width(struct slice s, enum text_units units);

/* "file:///a%20b" to "/a b". Other names, such as untitled:1, stay as they are. */
char *text_path_of_uri(struct arena *arena, const char *uri);
char *text_uri_of_path(struct arena *arena, const char *path);

#endif
