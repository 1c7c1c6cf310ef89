/* SPDX-License-Identifier: MIT
 *
 * Works on tokens, not on the tree: comments live between tokens. The parser tells which of them
 * start a declaration or a clause.
 */
#include "compiler/fmt.h"

#include "compiler/build.h"
#include "policy.h"

enum { COLUMNS = 100, CLAUSE_INDENT = 2, CONTINUATION_INDENT = 4, CLAUSE_GAP = 3 };

struct printer {
	struct slice text;
	const struct token *v; /* with comments; v[n - 1] is TK_END */
	size_t n;
	uint8_t *pad; /* per token: spaces to put before it besides, for aligned `=` */
	struct buf *out;
	size_t column;
	bool in_rule;
};

/* Columns of UTF-8 text. */
static size_t
width_of(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

static struct slice
text_of(const struct printer *p, const struct token *t)
{
	/* A comment's own slice is without the white space at its end. */
	return t->code == TK_COMMENT ? t->string : slice_of(p->text.p + t->at.off, t->at.len);
}

static void
put(struct printer *p, struct slice s)
{
	buf_put_slice(p->out, s);
	p->column += width_of(s);
}

static void
spaces(struct printer *p, size_t n)
{
	p->column += n;
	while (n-- > 0)
		buf_putc(p->out, ' ');
}

static void
new_line(struct printer *p, size_t indent)
{
	if (p->out->n)
		buf_putc(p->out, '\n');
	p->column = 0;
	spaces(p, indent);
}

/* Whether a space belongs between two tokens of one clause. */
static bool
spaced(const struct token *a, const struct token *b)
{
	switch (b->code) {
	case TK_COMMA:
	case TK_RP:
	case TK_COLON:
	case TK_RBRACE:
	case TK_DOT_LBRACE:
		return false;
	case TK_LP:
		return a->code != TK_NAME && a->code != TK_LP;
	default:
		return a->code != TK_LP && a->code != TK_LBRACE && a->code != TK_DOT_LBRACE;
	}
}

/* Width of the tokens from i up to where the line may be broken next; `whole` measures up to the
 * next clause instead. */
static size_t
width_ahead(const struct printer *p, size_t i, bool whole)
{
	size_t width = width_of(text_of(p, &p->v[i]));

	for (size_t k = i + 1; k < p->n; k++) {
		const struct token *a = &p->v[k - 1], *b = &p->v[k];

		if (b->code == TK_END || b->code == TK_COMMENT || b->role != ROLE_NONE)
			break;
		if (!whole && (a->code == TK_COMMA || b->code == TK_AND || b->code == TK_OR))
			break;
		width += spaced(a, b) + p->pad[k] + width_of(text_of(p, b));
		if (width > COLUMNS)
			break;
	}
	return width;
}

/* Puts the white space that belongs before token i. */
static void
separate(struct printer *p, size_t i)
{
	const struct token *t = &p->v[i], *before = i ? &p->v[i - 1] : NULL;
	bool after_comment = before && before->code == TK_COMMENT;

	if (t->role == ROLE_DECL) {
		if (before && t->newlines > 1)
			buf_putc(p->out, '\n');
		new_line(p, 0);
	} else if (t->role == ROLE_CLAUSE) {
		size_t gap = t->code == TK_WITH || t->code == TK_OF ? 1 : CLAUSE_GAP;

		if (t->line_start || p->column + gap + width_ahead(p, i, true) > COLUMNS)
			new_line(p, CLAUSE_INDENT);
		else
			spaces(p, gap);
	} else if (after_comment) {
		new_line(p, CONTINUATION_INDENT);
	} else {
		bool may_break = before->code == TK_COMMA || t->code == TK_AND || t->code == TK_OR;

		if (may_break && p->column + 1 + width_ahead(p, i, false) > COLUMNS)
			new_line(p, CONTINUATION_INDENT);
		else
			spaces(p, spaced(before, t));
		spaces(p, p->pad[i]);
	}
}

static void
put_token(struct printer *p, size_t i)
{
	const struct token *t = &p->v[i];
	bool starts_line;

	separate(p, i);
	starts_line = p->column == CLAUSE_INDENT;
	put(p, text_of(p, t));
	if (t->role == ROLE_DECL)
		p->in_rule = t->code != TK_TEST;
	if (t->role == ROLE_CLAUSE && starts_line && p->in_rule &&
	    (t->code == TK_ON || t->code == TK_DO) && p->v[i + 1].code != TK_COMMENT)
		spaces(p, 1);
}

/* A comment behind something stays there; one on its own line is indented like what follows. */
static void
put_comment(struct printer *p, size_t i)
{
	const struct token *t = &p->v[i];
	size_t next = i;

	if (!t->line_start) {
		spaces(p, 2);
		put(p, text_of(p, t));
		return;
	}
	while (p->v[next].code == TK_COMMENT)
		next++;
	if (i > 0 && t->newlines > 1)
		buf_putc(p->out, '\n');
	new_line(p, p->v[next].code == TK_END || p->v[next].role == ROLE_DECL ? 0
		    : p->v[next].role == ROLE_CLAUSE			     ? CLAUSE_INDENT
									     : CONTINUATION_INDENT);
	put(p, text_of(p, t));
}

/* ---- Alignment ---- */

/* `group NAME =`, `data NAME =` ... without a comment in between. */
static bool
is_alignable(const struct printer *p, size_t i)
{
	return i + 2 < p->n && p->v[i].role == ROLE_DECL && p->v[i + 2].code == TK_EQ &&
	       p->v[i + 1].sym && p->v[i + 1].role == ROLE_NONE && p->v[i].code != TK_DEFAULT;
}

/* The declaration after the one at i, if it is on the line below with nothing in between. */
static size_t
next_in_block(const struct printer *p, size_t i)
{
	size_t k = i + 1;

	while (p->v[k].role != ROLE_DECL) {
		if (p->v[k].code == TK_END ||
		    (p->v[k].code == TK_COMMENT && p->v[k].line_start))
			return 0;
		k++;
	}
	return p->v[k].code == p->v[i].code && p->v[k].newlines <= 1 && is_alignable(p, k) ? k : 0;
}

static void
align(struct printer *p)
{
	for (size_t i = 0; i < p->n;) {
		size_t width = 0, last = i;

		if (!is_alignable(p, i)) {
			i++;
			continue;
		}
		for (size_t k = i; k; k = next_in_block(p, k)) {
			if (p->v[k + 1].at.len > width)
				width = p->v[k + 1].at.len;
			last = k;
		}
		/* A very long name does not push everybody else's `=` away. */
		for (size_t k = i; k && width <= 40; k = next_in_block(p, k))
			p->pad[k + 2] = (uint8_t) (width - p->v[k + 1].at.len);
		i = last + 1;
	}
}

/* ---- The whole ---- */

static bool
load_nothing(void *ctx UNUSED, struct arena *arena UNUSED, const char *path UNUSED,
	     struct slice *text, const char **error UNUSED)
{
	*text = (struct slice){0};
	return true;
}

static const struct parse_loader no_imports = {.load = load_nothing};

static const struct token *
with_comments(struct arena *arena, const struct tokens *parsed)
{
	struct token *all;
	size_t k = 0;

	if (!parsed->n_comments)
		return parsed->v;
	all = ARENA_ARRAY(arena, struct token, parsed->n + parsed->n_comments);
	for (size_t i = 0; i < parsed->n; i++) {
		while (k < parsed->n_comments &&
		       parsed->comments[k].at.off < parsed->v[i].at.off) {
			all[i + k] = parsed->comments[k];
			k++;
		}
		all[i + k] = parsed->v[i];
	}
	return all;
}

/* Formats without checking; `dump` gets the syntax tree. */
static bool
format(struct arena *arena, struct diag_queue *q, const char *path, struct slice text,
       struct buf *out, struct buf *dump)
{
	unsigned errors = q->n_errors;
	struct printer p = {.out = out};
	struct tokens parsed;
	struct policy *tree = parse_policy_tokens(arena, q, path, text, &no_imports, NULL, &parsed);

	if (q->n_errors != errors)
		return false;
	p.text = q->sources->files[tree->at.file].text;
	p.v = with_comments(arena, &parsed);
	p.n = parsed.n + parsed.n_comments;
	p.pad = arena_alloc(arena, p.n);
	align(&p);
	for (size_t i = 0; i + 1 < p.n; i++)
		if (p.v[i].code == TK_COMMENT)
			put_comment(&p, i);
		else
			put_token(&p, i);
	if (out->n)
		buf_putc(out, '\n');
	ast_dump(tree, dump);
	return true;
}

bool
fmt_policy(struct arena *arena, struct diag_queue *q, const char *path, struct slice text,
	   struct buf *out)
{
	struct buf once = {0}, twice = {0}, tree = {0}, tree_once = {0};
	bool ok = format(arena, q, path, text, &once, &tree);

	if (ok) {
		bool again = format(arena, q, path, buf_slice(&once), &twice, &tree_once);

		assert(again);
		assert(slice_eq(buf_slice(&tree), buf_slice(&tree_once)));
		assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
		buf_put_slice(out, buf_slice(&once));
	}
	buf_fini(&once);
	buf_fini(&twice);
	buf_fini(&tree);
	buf_fini(&tree_once);
	return ok;
}
