/* SPDX-License-Identifier: MIT
 *
 * The texts a compilation reads, and places in them. A span is a file number, a byte offset and a
 * length; lines and columns are worked out only when somebody has to be told. Texts live in the
 * arena of the compilation, so spans stay printable as long as it does.
 */
#ifndef WEIR_COMPILER_SOURCE_H
#define WEIR_COMPILER_SOURCE_H

#include "base/arena.h"
#include "base/slice.h"

/* Larger texts are refused: offsets are 32 bit, and nobody reviews a policy of 16 MiB. */
enum { SOURCE_MAX_BYTES = 16 << 20 };

struct span {
	uint32_t file, off, len;
};

/* For what has no place, such as a missing file named on the command line. */
#define SPAN_NONE ((struct span){UINT32_MAX, 0, 0})

struct source {
	const char *path; /* as shown to people; "<stdin>" for standard input */
	struct slice text;
	struct span imported; /* the path in the `import` that asked for it; SPAN_NONE: the root */
	bool holds_secrets;   /* a configuration: excerpts hide what may be a password or key */
	uint32_t *lines;      /* offset of each line's first byte; NULL until asked for */
	uint32_t n_lines;
};

struct sources {
	struct arena *arena;
	struct source *files;
	uint32_t n, cap;
};

struct position {
	const struct source *source;
	uint32_t line, column; /* from 1; columns count characters (code points), not bytes */
};

void sources_init(struct sources *s, struct arena *arena);
/* Copies path and text. Returns the file's number. */
uint32_t sources_add(struct sources *s, const char *path, struct slice text, struct span imported);
/* Reads a file, or standard input for "-", into the arena. False: `*error` says why. */
bool source_read(struct arena *arena, const char *path, struct slice *text, const char **error)
	MUST_CHECK;
/* Reads a file that a text names. Nobody waits at a pipe for what may never come. */
bool source_read_named(struct arena *arena, const char *path, struct slice *text,
		       const char **error) MUST_CHECK;

/* Of the span's first byte. The span must not be SPAN_NONE. */
struct position source_position(struct sources *s, struct span at);
/* Line `line` (from 1) without its end; in files with secrets, what may be one is starred out. */
struct slice source_line(struct sources *s, uint32_t file, uint32_t line);
/* The bytes of a span, for messages: stars if it may be a secret. */
struct slice source_text(struct sources *s, struct span at);

static inline bool
span_is_none(struct span at)
{
	return at.file == UINT32_MAX;
}

/* From the start of a to the end of b, which follows it in the same file. */
static inline struct span
span_join(struct span a, struct span b)
{
	if (a.file != b.file || b.off < a.off)
		return a;
	return (struct span){a.file, a.off, b.off + b.len - a.off};
}

#endif
