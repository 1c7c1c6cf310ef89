/* SPDX-License-Identifier: MIT */
#include "compiler/fix.h"

#include <stdlib.h>

struct edit {
	struct span at;
	struct slice text;
	size_t diag; /* its number, so that the edits of one belong together */
	const struct diag *of;
};

struct edits {
	struct edit *v;
	size_t n, n_diags;
	bool *dropped; /* per diagnostic */
};

static int
compare(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at.file != y->at.file)
		return x->at.file < y->at.file ? -1 : 1;
	if (x->at.off != y->at.off)
		return x->at.off < y->at.off ? -1 : 1;
	if (x->at.len != y->at.len)
		return x->at.len < y->at.len ? -1 : 1;
	return x->diag < y->diag ? -1 : x->diag > y->diag;
}

static bool
is_made(const struct diag *d, const struct fix_asked *asked)
{
	return d->edits && (!d->offered || asked->of[d->id]);
}

static void
collect(struct diag_queue *q, const struct fix_asked *asked, struct arena *arena,
	struct edits *out)
{
	size_t n = 0;

	for (const struct diag *d = q->first; d; d = d->next, out->n_diags++)
		for (const struct diag_edit *e = d->edits; e; e = e->next)
			n++;
	out->v = ARENA_ARRAY(arena, struct edit, n + 1);
	out->dropped = ARENA_ARRAY(arena, bool, out->n_diags + 1);
	n = 0;
	for (const struct diag *d = q->first; d; d = d->next, n++)
		for (const struct diag_edit *e = is_made(d, asked) ? d->edits : NULL; e;
		     e = e->next)
			out->v[out->n++] = (struct edit){e->at, slice_str(e->text), n, d};
	qsort(out->v, out->n, sizeof(*out->v), compare);
}

static bool
same(const struct edit *a, const struct edit *b)
{
	return a->at.file == b->at.file && a->at.off == b->at.off && a->at.len == b->at.len &&
	       slice_eq(a->text, b->text);
}

/* Two insertions at one place overlap as well: which comes first, nobody can know. */
static bool
overlap(const struct edit *a, const struct edit *b)
{
	return a->at.file == b->at.file &&
	       (b->at.off < a->at.off + a->at.len || b->at.off == a->at.off);
}

static void
drop_conflicts(struct edits *e)
{
	for (size_t i = 0; i < e->n; i++)
		for (size_t k = i + 1; k < e->n && overlap(&e->v[i], &e->v[k]); k++)
			if (!same(&e->v[i], &e->v[k]))
				e->dropped[e->v[i].diag] = e->dropped[e->v[k].diag] = true;
}

/* The span, and the whole line when nothing else would be left on it. */
static struct span
with_line(struct slice text, const struct edit *e)
{
	struct span at = e->at;
	size_t from = at.off, to = at.off + at.len;

	if (e->text.n || !at.len)
		return at;
	while (from > 0 && (text.p[from - 1] == ' ' || text.p[from - 1] == '\t'))
		from--;
	while (to < text.n && (text.p[to] == ' ' || text.p[to] == '\t' || text.p[to] == '\r'))
		to++;
	if ((from > 0 && text.p[from - 1] != '\n') || (to < text.n && text.p[to] != '\n'))
		return at;
	return (struct span){at.file, (uint32_t) from, (uint32_t) (to + (to < text.n) - from)};
}

enum { SHOWN = 60 };

/* What stands outside ASCII is told by number: it may look like something else. */
static void
put_shown(struct buf *out, struct slice s)
{
	buf_putc(out, '\'');
	for (size_t i = 0, n; i < s.n; i += n) {
		uint8_t c = s.p[i];
		uint32_t code = c & (c < 0xe0 ? 0x1fu : c < 0xf0 ? 0xfu : 7u);

		n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (i >= SHOWN || i + n > s.n) {
			buf_puts(out, "...");
			break;
		}
		for (size_t k = 1; k < n; k++)
			code = code << 6 | (s.p[i + k] & 0x3fu);
		if (c >= 0x80)
			buf_printf(out, "<U+%04X>", code);
		else
			buf_putc(out, c < ' ' || c == 0x7f ? ' ' : c);
	}
	buf_putc(out, '\'');
}

static void
put_said(struct diag_queue *q, struct buf *out, const struct edit *e)
{
	struct position at = source_position(q->sources, e->at);

	buf_printf(out, "%s:%u:%u: %s: ", at.source->path, at.line, at.column,
		   diag_code(e->of->id));
	if (e->at.len && e->text.n) {
		put_shown(out, source_text(q->sources, e->at));
		buf_puts(out, " is now ");
		put_shown(out, e->text);
	} else {
		put_shown(out, e->at.len ? source_text(q->sources, e->at) : e->text);
		buf_puts(out, e->at.len ? " is removed" : " is added");
	}
	buf_putc(out, '\n');
}

static struct slice
rewrite(struct diag_queue *q, struct arena *arena, const struct edits *e, uint32_t file,
	struct buf *said)
{
	struct slice text = q->sources->files[file].text;
	const struct edit *last = NULL;
	struct buf out = {0};
	size_t done = 0;

	for (size_t i = 0; i < e->n; i++) {
		const struct edit *x = &e->v[i];
		struct span at;

		if (x->at.file != file || e->dropped[x->diag] || (last && same(last, x)))
			continue;
		last = x;
		at = with_line(text, x);
		if (at.off < done) /* two deletions that share blanks */
			at = (struct span){file, (uint32_t) done,
					   at.off + at.len - (uint32_t) done};
		buf_put(&out, text.p + done, at.off - done);
		buf_put_slice(&out, x->text);
		done = at.off + at.len;
		put_said(q, said, x);
	}
	if (!last)
		return text;
	buf_put(&out, text.p + done, text.n - done);
	assert(!out.failed);
	text = arena_copy(arena, buf_slice(&out));
	buf_fini(&out);
	return text;
}

struct fix_counts
fix_apply(struct diag_queue *q, const struct fix_asked *asked, struct arena *arena,
	  struct slice *texts, struct buf *said)
{
	struct fix_counts n = {0};
	struct edits e = {0};
	size_t i = 0;

	diag_sort(q);
	collect(q, asked, arena, &e);
	drop_conflicts(&e);
	for (uint32_t f = 0; f < q->sources->n; f++)
		texts[f] = rewrite(q, arena, &e, f, said);
	for (const struct diag *d = q->first; d; d = d->next, i++) {
		n.applied += is_made(d, asked) && !e.dropped[i];
		n.conflicts += is_made(d, asked) && e.dropped[i];
	}
	return n;
}
