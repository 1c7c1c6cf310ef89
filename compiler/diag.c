/* SPDX-License-Identifier: MIT */
#include "compiler/diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
	const char *code, *name, *message;
	enum diag_severity severity;
} table[] = {
#define ERROR DIAG_ERROR
#define WARNING DIAG_WARNING
#define D(id, code, severity, message) {code, #id, message, severity},
#include "grammar/diags.def"
#undef D
#undef ERROR
#undef WARNING
};

static const enum edit_when edits[DIAG_COUNT] = {
#define EDIT(id, when, sentence) [DIAG_##id] = EDIT_##when,
#include "grammar/edits.def"
#undef EDIT
};

enum edit_when
diag_edits(enum diag_id id)
{
	assert(id < DIAG_COUNT);
	return edits[id];
}

enum diag_id
diag_find(struct slice code)
{
	enum diag_id id = 0;

	while (id < DIAG_COUNT && !slice_is(code, table[id].code))
		id++;
	return id;
}

const char *
diag_code(enum diag_id id)
{
	assert(id < DIAG_COUNT);
	return table[id].code;
}

const char *
diag_name(enum diag_id id)
{
	assert(id < DIAG_COUNT);
	return table[id].name;
}

const char *
diag_message(enum diag_id id)
{
	assert(id < DIAG_COUNT);
	return table[id].message;
}

enum diag_severity
diag_severity(enum diag_id id)
{
	assert(id < DIAG_COUNT);
	return table[id].severity;
}

void
diag_init(struct diag_queue *q, struct sources *sources, struct arena *arena)
{
	*q = (struct diag_queue){.arena = arena, .sources = sources, .max_errors = 20};
}

bool
diag_ok(const struct diag_queue *q)
{
	return q->n_errors == 0;
}

static char *
format(struct arena *arena, const char *fmt, va_list ap)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	text = arena_alloc(arena, (size_t) n + 1);
	vsnprintf(text, (size_t) n + 1, fmt, ap);
	return text;
}

struct diag *
diag_add(struct diag_queue *q, enum diag_id id, struct span at, const char *fmt, ...)
{
	struct diag *d = ARENA_NEW(q->arena, struct diag);
	va_list ap;

	assert(id < DIAG_COUNT);
	assert(span_is_none(at) || at.file < q->sources->n);
	va_start(ap, fmt);
	*d = (struct diag){
		.id = id,
		.severity = table[id].severity,
		.at = at,
		.text = format(q->arena, fmt, ap),
	};
	va_end(ap);
	if (q->last)
		q->last->next = d;
	else
		q->first = d;
	q->last = d;
	if (d->severity == DIAG_ERROR)
		q->n_errors++;
	else
		q->n_warnings++;
	return d;
}

void
diag_note(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
{
	struct diag_note **end = &d->notes;
	va_list ap;

	while (*end)
		end = &(*end)->next;
	*end = ARENA_NEW(q->arena, struct diag_note);
	(*end)->at = at;
	va_start(ap, fmt);
	(*end)->text = format(q->arena, fmt, ap);
	va_end(ap);
}

static void
add_edit(struct diag_queue *q, struct diag *d, struct span at, const char *text)
{
	struct diag_edit **end = &d->edits;

	assert(at.file < q->sources->n);
	while (*end)
		end = &(*end)->next;
	*end = ARENA_NEW(q->arena, struct diag_edit);
	(*end)->at = at;
	(*end)->text = text;
}

void
diag_edit(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
{
	va_list ap;

	assert(edits[d->id] == EDIT_UNASKED && !d->offered);
	va_start(ap, fmt);
	add_edit(q, d, at, format(q->arena, fmt, ap));
	va_end(ap);
}

void
diag_offer(struct diag_queue *q, struct diag *d, struct span at, const char *fmt, ...)
{
	va_list ap;

	assert(edits[d->id] == EDIT_ASKED);
	d->offered = true;
	va_start(ap, fmt);
	add_edit(q, d, at, format(q->arena, fmt, ap));
	va_end(ap);
}

void
diag_too_large(struct diag_queue *q, struct span at, const char *path, size_t n)
{
	diag_note(q,
		  diag(q, FILE_TOO_LARGE, at, path, n, SOURCE_MAX_BYTES, SOURCE_MAX_BYTES >> 20),
		  SPAN_NONE, "take apart what is many policies with `import`, and name with a "
		  "group or a pattern what many rules have in common");
}

bool
diag_fits(struct diag_queue *q, struct span at, const char *path, size_t n, size_t *all)
{
	if (n > SOURCE_MAX_BYTES) {
		diag_too_large(q, at, path, n);
		return false;
	}
	*all += n;
	if (*all <= SOURCE_MAX_BYTES)
		return true;
	diag_note(q, diag(q, POLICY_TOO_LARGE, at, path, *all, SOURCE_MAX_BYTES,
			  SOURCE_MAX_BYTES >> 20),
		  SPAN_NONE, "make policies of their own of what does not belong together, and name "
		  "with a group or a pattern what many rules have in common");
	return false;
}

/* ---- Order ---- */

static int
compare(const struct diag *a, const struct diag *b)
{
	if (a->at.file != b->at.file) /* SPAN_NONE, which is about the whole, comes last */
		return a->at.file < b->at.file ? -1 : 1;
	return (a->at.off > b->at.off) - (a->at.off < b->at.off);
}

/* Merge sort of a list: stable, so diagnostics of one place keep the order of their making. */
static struct diag *
sort(struct diag *list)
{
	struct diag *slow = list, *fast, *half, *out = NULL, **end = &out;

	if (!list || !list->next)
		return list;
	for (fast = list->next; fast && fast->next; fast = fast->next->next)
		slow = slow->next;
	half = sort(slow->next);
	slow->next = NULL;
	list = sort(list);
	while (list && half) {
		struct diag **from = compare(list, half) <= 0 ? &list : &half;

		*end = *from;
		*from = (*from)->next;
		end = &(*end)->next;
	}
	*end = list ? list : half;
	return out;
}

void
diag_sort(struct diag_queue *q)
{
	q->first = sort(q->first);
	for (q->last = q->first; q->last && q->last->next; q->last = q->last->next)
		;
}

/* ---- Text ---- */

static const char *const colours[] = {"\033[1;31m", "\033[1;33m"}; /* by severity */
static const char *const severities[] = {"error", "warning"};

#define BLUE "\033[1;34m"
#define RESET "\033[0m"

/* One line of source, tabs as 8 columns, control characters as '?'. Long lines are shown around
 * the place only. `from` is the first byte to show. */
static void
put_line(struct buf *out, struct slice line, size_t from, size_t max)
{
	size_t column = 0;

	for (size_t i = from; i < line.n && column < max; i++) {
		uint8_t c = line.p[i];

		if (c == '\t') {
			do
				buf_putc(out, ' ');
			while (++column % 8);
			continue;
		}
		buf_putc(out, (c < ' ' || c == 0x7f) ? (c == '\r' ? ' ' : '?') : c);
		column += (c & 0xc0) != 0x80;
	}
}

/* Columns that bytes [from, to) of the line take, as put_line shows them. */
static size_t
width(struct slice line, size_t from, size_t to)
{
	size_t column = 0;

	for (size_t i = from; i < to && i < line.n; i++) {
		if (line.p[i] == '\t')
			column = (column / 8 + 1) * 8;
		else
			column += (line.p[i] & 0xc0) != 0x80;
	}
	return column;
}

enum { SHOWN_COLUMNS = 160 };

/* The excerpt: gutter, line, carets under the span's part on its first line. */
static void
put_excerpt(struct diag_queue *q, struct buf *out, struct span at, char mark, const char *colour)
{
	struct position pos = source_position(q->sources, at);
	struct slice line = source_line(q->sources, at.file, pos.line);
	size_t off = at.off - pos.source->lines[pos.line - 1], end = off + at.len, from = 0;
	size_t carets;
	int gutter = snprintf(NULL, 0, "%u", pos.line) + 1;

	if (off > line.n)
		off = line.n;
	if (end > line.n)
		end = line.n;
	if (width(line, 0, end) > SHOWN_COLUMNS)
		while (from < off && ((line.p[from] & 0xc0) == 0x80 ||
				      width(line, from, off) > SHOWN_COLUMNS / 2))
			from++;
	buf_printf(out, "%s%*s--> %s:%u:%u%s\n", colour ? BLUE : "", gutter, "",
		   pos.source->path, pos.line, pos.column, colour ? RESET : "");
	buf_printf(out, "%*s |\n%*u | ", gutter, "", gutter, pos.line);
	put_line(out, line, from, SHOWN_COLUMNS);
	buf_printf(out, "\n%*s | %*s%s", gutter, "", (int) width(line, from, off), "",
		   colour ? colour : "");
	carets = width(line, from, end) - width(line, from, off);
	if (width(line, from, off) + carets > SHOWN_COLUMNS)
		carets = SHOWN_COLUMNS - width(line, from, off);
	for (size_t i = 0; i < (carets ? carets : 1); i++)
		buf_putc(out, mark);
	buf_printf(out, "%s\n", colour ? RESET : "");
}

static void
put_imports(struct diag_queue *q, struct buf *out, struct span at)
{
	if (span_is_none(at))
		return;
	for (struct span from = q->sources->files[at.file].imported; !span_is_none(from);
	     from = q->sources->files[from.file].imported) {
		struct position pos = source_position(q->sources, from);

		buf_printf(out, "  in the file imported at %s:%u\n", pos.source->path, pos.line);
	}
}

/* Text that quotes the source: control characters must not reach the terminal. */
static void
put_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_putc(out, (uint8_t) *text < ' ' || *text == 0x7f ? '?' : (uint8_t) *text);
}

static void
put_diag(struct diag_queue *q, struct buf *out, const struct diag *d, bool colour)
{
	const char *on = colour ? colours[d->severity] : "";

	buf_printf(out, "%s%s[%s]%s: ", on, severities[d->severity], diag_code(d->id),
		   colour ? RESET : "");
	put_text(out, d->text);
	buf_putc(out, '\n');
	if (!span_is_none(d->at))
		put_excerpt(q, out, d->at, '^', colour ? on : NULL);
	put_imports(q, out, d->at);
	for (const struct diag_note *note = d->notes; note; note = note->next) {
		buf_puts(out, span_is_none(note->at) ? "  = " : "  note: ");
		put_text(out, note->text);
		buf_putc(out, '\n');
		if (!span_is_none(note->at))
			put_excerpt(q, out, note->at, '~', colour ? BLUE : NULL);
	}
}

void
diag_print(struct diag_queue *q, struct buf *out, bool colour)
{
	unsigned errors = 0;

	diag_sort(q);
	for (const struct diag *d = q->first; d; d = d->next) {
		if (d->severity == DIAG_ERROR && q->max_errors && errors++ >= q->max_errors)
			continue;
		put_diag(q, out, d, colour);
	}
	if (q->max_errors && q->n_errors > q->max_errors)
		buf_printf(out, "%u more errors are not shown\n", q->n_errors - q->max_errors);
	if (q->n_errors || q->n_warnings)
		buf_printf(out, "%u error%s, %u warning%s\n", q->n_errors,
			   q->n_errors == 1 ? "" : "s", q->n_warnings,
			   q->n_warnings == 1 ? "" : "s");
}

bool
diag_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

void
diag_report(struct diag_queue *q)
{
	struct buf out = {0};

	diag_print(q, &out, diag_colour(STDERR_FILENO));
	if (out.n)
		fwrite(out.p, 1, out.n, stderr);
	buf_fini(&out);
}

/* ---- JSON ---- */

static void
json_place(struct diag_queue *q, struct buf *out, struct span at)
{
	struct position pos, end;

	if (span_is_none(at))
		return;
	pos = source_position(q->sources, at);
	end = source_position(q->sources, (struct span){at.file, at.off + at.len, 0});
	buf_puts(out, ",\"file\":");
	buf_json_string(out, slice_str(pos.source->path));
	buf_printf(out, ",\"line\":%u,\"column\":%u,\"end_line\":%u,\"end_column\":%u", pos.line,
		   pos.column, end.line, end.column);
}

void
diag_print_json(struct diag_queue *q, struct buf *out)
{
	diag_sort(q);
	buf_printf(out, "{\"errors\":%u,\"warnings\":%u,\"diagnostics\":[", q->n_errors,
		   q->n_warnings);
	for (const struct diag *d = q->first; d; d = d->next) {
		buf_printf(out, "%s{\"code\":\"%s\",\"severity\":\"%s\",\"message\":",
			   d == q->first ? "" : ",", diag_code(d->id), severities[d->severity]);
		buf_json_string(out, slice_str(d->text));
		json_place(q, out, d->at);
		buf_puts(out, ",\"notes\":[");
		for (const struct diag_note *note = d->notes; note; note = note->next) {
			buf_printf(out, "%s{\"message\":", note == d->notes ? "" : ",");
			buf_json_string(out, slice_str(note->text));
			json_place(q, out, note->at);
			buf_putc(out, '}');
		}
		if (d->edits)
			buf_printf(out, "],\"fix\":\"%s", d->offered ? "asked" : "unasked");
		buf_puts(out, d->edits ? "\",\"edits\":[" : "],\"edits\":[");
		for (const struct diag_edit *edit = d->edits; edit; edit = edit->next) {
			buf_printf(out, "%s{\"text\":", edit == d->edits ? "" : ",");
			buf_json_string(out, slice_str(edit->text));
			json_place(q, out, edit->at);
			buf_putc(out, '}');
		}
		buf_puts(out, "]}");
	}
	buf_puts(out, "]}\n");
}

/* ---- Suggestions ---- */

enum { NEAREST_MAX = 64 };

/* Edits (insert, delete, replace, swap of neighbours) from a to b. */
static size_t
distance(struct slice a, const char *b)
{
	size_t rows[3][NEAREST_MAX + 1], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = up[j - 1] + (a.p[i - 1] != (uint8_t) b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == (uint8_t) b[j - 2] &&
			    a.p[i - 2] == (uint8_t) b[j - 1] && up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[a.n % 3][n];
}

/* *tie: another candidate is as near. */
static const char *
nearest(struct slice word, const char *const *candidates, size_t n, bool *tie)
{
	size_t best = word.n <= 3 ? 2 : word.n / 3 + 2; /* farther than this is another word */
	const char *found = NULL;

	*tie = false;
	if (word.n == 0 || word.n > NEAREST_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t d;

		if (strlen(candidates[i]) > NEAREST_MAX)
			continue;
		d = distance(word, candidates[i]);
		if (d < best) {
			best = d;
			found = candidates[i];
			*tie = false;
		} else if (found && d == best && strcmp(found, candidates[i]) != 0) {
			*tie = true;
		}
	}
	return found;
}

const char *
diag_nearest(struct slice word, const char *const *candidates, size_t n)
{
	bool tie;

	return nearest(word, candidates, n, &tie);
}

static bool
is_name_byte(uint8_t c)
{
	return isalnum(c) || c == '_' || c == '-' || c >= 0x80;
}

/* Where the word stands by itself: at the start of the text, else where it does once. */
static bool
find_word(struct slice text, struct slice word, uint32_t *off)
{
	bool found = false;

	for (size_t i = 0; word.n && i + word.n <= text.n; i++) {
		const uint8_t *p = text.p + i;

		if (memcmp(p, word.p, word.n) != 0 || (i && is_name_byte(p[-1])) ||
		    (i + word.n < text.n && is_name_byte(p[word.n])))
			continue;
		if (found)
			return *off == 0;
		found = true;
		*off = (uint32_t) i;
	}
	return found;
}

void
diag_suggest(struct diag_queue *q, struct diag *d, const char *name, const char *const *names,
	     size_t n)
{
	struct slice word = slice_str(name ? name : "");
	bool tie;
	const char *near = nearest(word, names, n, &tie);
	uint32_t off = 0; /* only gcc asks for it */

	if (!near)
		return;
	diag_note(q, d, SPAN_NONE, "did you mean '%s'?", near);
	if (!tie && !span_is_none(d->at) && diag_is_ascii(word) &&
	    find_word(source_text(q->sources, d->at), word, &off))
		diag_edit(q, d, (struct span){d->at.file, d->at.off + off, (uint32_t) word.n}, "%s",
			  near);
}

bool
diag_is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return false;
	return true;
}
