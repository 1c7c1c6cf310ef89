/* SPDX-License-Identifier: MIT
 *
 * Diagnostics: what is wrong, where, and what to do. They are queued while a file is read and
 * printed together, in the order of the text. Codes and messages are declared once, in
 * grammar/diags.def, and never change their meaning once released.
 *
 *   error[E0210]: no rule 'dll' here
 *     --> payments.weir:42:18
 *      |
 *   42 |   expect hold by dll
 *      |                  ^^^
 *   note: did you mean 'ddl'?
 *     --> ...
 */
#ifndef WEIR_COMPILER_DIAG_H
#define WEIR_COMPILER_DIAG_H

#include "base/buf.h"
#include "compiler/source.h"

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

enum diag_id {
#define D(id, code, severity, message) DIAG_##id,
#include "grammar/diags.def"
#undef D
	DIAG_COUNT
};

/* The messages as arrays, so that the compiler checks each use's arguments against the format. */
#define D(id, code, severity, message) static const char diag_format_##id[] UNUSED = message;
#include "grammar/diags.def"
#undef D

struct diag_note {
	struct diag_note *next;
	struct span at; /* SPAN_NONE: a remark without a place */
	const char *text;
};

/* When a finding's edit is made (grammar/edits.def). */
enum edit_when { EDIT_NONE, EDIT_ASKED, EDIT_UNASKED };

/* A suggested edit: `text` in place of the span. The edits of one diagnostic belong together. */
struct diag_edit {
	struct diag_edit *next;
	struct span at;
	const char *text;
};

struct diag {
	struct diag *next;
	enum diag_id id;
	enum diag_severity severity;
	struct span at;
	const char *text;
	struct diag_note *notes; /* in the order they were added */
	struct diag_edit *edits; /* likewise; none: nobody but the author can know */
	bool offered;		 /* the edits are one of several things that can be meant */
};

struct diag_queue {
	struct arena *arena;
	struct sources *sources;
	struct diag *first, *last;
	unsigned n_errors, n_warnings; /* all of them, printed or not */
	unsigned max_errors;	       /* printed; diag_init sets 20, 0 = no limit */
};

void diag_init(struct diag_queue *q, struct sources *sources, struct arena *arena);

/* diag(q, BAD_NAME, span, arguments of its message). Returns the diagnostic, never NULL, so that
 * notes can be added to it. */
#define diag(q, id, at, ...)                                                                      \
	diag_add((q), DIAG_##id, (at), diag_format_##id __VA_OPT__(, ) __VA_ARGS__)
struct diag *diag_add(struct diag_queue *q, enum diag_id id, struct span at, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* A further place, or with SPAN_NONE a remark: what to do next. */
void diag_note(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* What to write instead, where that is as good as certain: `weir check --fix` does it unasked. */
void diag_edit(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* One of several things to write: for the author to choose, by `--fix-also CODE` or an editor. */
void diag_offer(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

const char *diag_code(enum diag_id id); /* "E0101" */
const char *diag_name(enum diag_id id); /* "BAD_CHARACTER" */
const char *diag_message(enum diag_id id); /* the format of its message */
enum diag_severity diag_severity(enum diag_id id);
enum edit_when diag_edits(enum diag_id id); /* the most that its edits ever are */
/* The diagnostic of a code; DIAG_COUNT: there is none. */
enum diag_id diag_find(struct slice code);
bool diag_ok(const struct diag_queue *q); /* no errors so far; warnings do not count */

/* Sorts by place and appends the text form; `colour` uses terminal escapes. Control characters of
 * the source are never passed through to the terminal. */
void diag_print(struct diag_queue *q, struct buf *out, bool colour);
/* One JSON object: {"errors": N, "warnings": N, "diagnostics": [{code, severity, message, file,
 * line, column, end_line, end_column, notes: [...], edits: [...]}, ...]} and a line end. All of
 * them. An edit has a place and the text to put there. */
void diag_print_json(struct diag_queue *q, struct buf *out);
/* It is a terminal that shows colours, and its user has not set NO_COLOR. */
bool diag_colour(int fd);
/* Prints the text form on standard error, in colours where it shows them. */
void diag_report(struct diag_queue *q);
/* Sorts by place, as the printers do. */
void diag_sort(struct diag_queue *q);

/* The candidate nearest to `word` by edits, if near enough to be what was meant; else NULL. */
const char *diag_nearest(struct slice word, const char *const *candidates, size_t n);
/* Notes the nearest of the names if there is one, and makes it an edit where the text at the start
 * of the diagnostic's place, or in one place of it, is `name` and no other candidate is as near. */
void diag_suggest(struct diag_queue *q, struct diag *d, const char *name,
		  const char *const *names, size_t n);
/* Whether a text of n bytes may be read beside `*all` others, to which it is added. A diagnostic
 * says when it is too large, or all together: then nothing more is to be read. */
bool diag_fits(struct diag_queue *q, struct span at, const char *path, size_t n, size_t *all)
	MUST_CHECK;
/* A text of more than SOURCE_MAX_BYTES. */
void diag_too_large(struct diag_queue *q, struct span at, const char *path, size_t n);
/* What is not was reported by the lexer, whose edit comes first. */
bool diag_is_ascii(struct slice s);

#endif
