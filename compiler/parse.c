/* SPDX-License-Identifier: MIT
 *
 * Drives the generated parser over a file and the files it imports.
 */
#include "compiler/parse.h"

#include "compiler/build.h"
#include "compiler/foreign.h"
#include "policy.h"

#include <stdlib.h>

enum { MAX_FILES = 256 };

static bool
load_file(void *ctx UNUSED, struct arena *arena, const char *path, struct slice *text,
	  const char **error)
{
	return source_read_named(arena, path, text, error);
}

const struct parse_loader parse_file_loader = {.load = load_file};

/* ---- Tokens ---- */

/* `notify NAME ["sentence"] to CHANNEL` is a rule, `notify CHANNEL` a clause of a hold. The parser
 * would have to look three tokens ahead, so the two are told apart here. */
static void
mark_notify_rules(struct tokens *ts)
{
	for (size_t i = 0; i + 1 < ts->n; i++) {
		const struct token *t = &ts->v[i];
		size_t k = i + 2;

		if (t->code != TK_NOTIFY || !t[1].sym)
			continue;
		if (k < ts->n && ts->v[k].code == TK_STRING)
			k++;
		if ((i > 0 && t[-1].code == TK_SHADOW) || k > i + 2 ||
		    (k < ts->n && ts->v[k].code == TK_TO))
			ts->v[i].code = TK_NOTIFY_RULE;
	}
}

static void
set_comments_aside(struct arena *arena, struct tokens *ts)
{
	size_t n = 0;

	for (size_t i = 0; i < ts->n; i++)
		ts->n_comments += ts->v[i].code == TK_COMMENT;
	ts->comments = ARENA_ARRAY(arena, struct token, ts->n_comments + 1);
	ts->n_comments = 0;
	for (size_t i = 0; i < ts->n; i++)
		if (ts->v[i].code == TK_COMMENT)
			ts->comments[ts->n_comments++] = ts->v[i];
		else
			ts->v[n++] = ts->v[i];
	ts->n = n;
}

/* ---- Parsing ---- */

/* Where reading on after a mistake makes sense. */
static bool
is_boundary(const struct token *t)
{
	if (t->code == TK_END || t->code == TK_NOTIFY_RULE)
		return true;
	if (!t->sym || t->code == TK_NAME || t->code == TK_PATTERN)
		return false;
	return t->sym->class == WORD_DECL || t->sym->class == WORD_CLAUSE;
}

static void
feed(struct builder *b, void *parser, int code)
{
	const struct token *t = &b->file->tokens.v[b->file->at];

	if (b->watch && !b->file->outer && code == t->code)
		b->watch->sees(b->watch->ctx, parser, t, b->file->at);
	policy_parse(parser, code, t, b);
}

/* The token at f->at was a mistake. Leaves f->at at the first one that could be read again. */
static void
recover(struct builder *b, void *parser)
{
	struct parse_file *f = b->file;

	for (; f->at < f->tokens.n && !b->stop; f->at++) {
		const struct token *t = &f->tokens.v[f->at];

		if (!is_boundary(t))
			continue;
		feed(b, parser, TK_RESUME);
		feed(b, parser, t->code);
		if (!policy_parser_lost(parser))
			break;
		/* Between declarations, but this is a clause: of the last rule or test, then. */
		if (t->sym && t->sym->class == WORD_CLAUSE && (b->rule || b->test)) {
			feed(b, parser, TK_RESUME);
			feed(b, parser, b->rule ? TK_REOPEN_RULE : TK_REOPEN_TEST);
			feed(b, parser, t->code);
			if (!policy_parser_lost(parser))
				break;
		}
	}
	if (!b->stop)
		policy_parser_found(parser);
}

static void
parse_tokens(struct builder *b, void *parser)
{
	struct parse_file *f = b->file;

	b->stop = false;
	b->rule = NULL;
	b->test = NULL;
	for (f->at = 0; f->at < f->tokens.n && !b->stop; f->at++) {
		feed(b, parser, f->tokens.v[f->at].code);
		if (!b->stop && policy_parser_lost(parser))
			recover(b, parser);
	}
	b->stop = false;
	b->rule = NULL;
	b->test = NULL;
}

static void
parse_file(struct builder *b, struct parse_file *f)
{
	void *parser = policy_parseAlloc(malloc);

	assert(parser != NULL);
	lex(b->q, &b->names, f->file, &f->tokens);
	set_comments_aside(b->arena, &f->tokens);
	mark_notify_rules(&f->tokens);
	f->outer = b->file;
	b->file = f;
	parse_tokens(b, parser);
	b->file = f->outer;
	policy_parseFree(parser, free);
}

/* ---- Imports ---- */

const char *
parse_import_path(struct arena *arena, const char *from, const char *path)
{
	const char *slash = strrchr(from, '/');
	char *in = arena_printf(arena, "%.*s%s", slash ? (int) (slash - from) + 1 : 0, from, path);
	char *out = arena_alloc(arena, strlen(in) + 1);
	size_t n = 0;

	if (*in == '/')
		out[n++] = '/';
	for (char *p = in, *end; *p; p = end) {
		size_t len;

		p += strspn(p, "/");
		len = strcspn(p, "/");
		end = p + len;
		if (len == 0 || (len == 1 && *p == '.'))
			continue;
		if (len == 2 && p[0] == '.' && p[1] == '.' && n > (size_t) (*in == '/') &&
		    !(n >= 2 && out[n - 1] == '.' && out[n - 2] == '.' &&
		      (n == 2 || out[n - 3] == '/'))) {
			while (n > (size_t) (*in == '/') && out[n - 1] != '/')
				n--;
			n -= n > (size_t) (*in == '/');
			continue;
		}
		if (n > 0 && out[n - 1] != '/')
			out[n++] = '/';
		memcpy(out + n, p, len);
		n += len;
	}
	out[n] = '\0';
	return out;
}

const char *
build_path(struct builder *b, const char *path)
{
	return parse_import_path(b->arena, b->file->path, path);
}

static bool
is_import_path(const struct token *t)
{
	static const char end[] = ".weir";
	size_t n = sizeof(end) - 1;

	return t->string.n > n && t->string.p[0] != '/' &&
	       memchr(t->string.p, '\n', t->string.n) == NULL &&
	       memcmp(t->string.p + t->string.n - n, end, n) == 0;
}

void
build_import(struct builder *b, const struct token *t)
{
	struct parse_file f = {0};
	const char *error = "imports are not possible here";
	struct slice text;
	uint32_t i;

	build_mark(b, t - 1, ROLE_DECL);
	if (!is_import_path(t)) {
		diag(b->q, IMPORT_PATH, t->at, (const char *) t->string.p);
		return;
	}
	f.path = parse_import_path(b->arena, b->file->path, (const char *) t->string.p);
	for (const struct parse_file *o = b->file; o; o = o->outer)
		if (strcmp(o->path, f.path) == 0) {
			struct diag *d = diag(b->q, IMPORT_CYCLE, t->at, f.path);

			for (o = b->file; o->outer && strcmp(o->path, f.path) != 0; o = o->outer)
				diag_note(b->q, d, b->q->sources->files[o->file].imported,
					  "'%s' is imported here", o->path);
			return;
		}
	for (i = 0; i < b->q->sources->n; i++)
		if (strcmp(b->q->sources->files[i].path, f.path) == 0)
			return; /* each once */
	if (b->bytes > SOURCE_MAX_BYTES)
		return; /* which was said */
	if (b->q->sources->n >= MAX_FILES) {
		diag_note(b->q,
			  diag(b->q, TOO_MANY_FILES, t->at, MAX_FILES + 1U, (unsigned) MAX_FILES),
			  SPAN_NONE, "join some of the files that are imported");
		return;
	}
	if (!b->loader || !b->loader->load(b->loader->ctx, b->arena, f.path, &text, &error)) {
		diag(b->q, FILE_UNREADABLE, t->at, f.path, error);
		return;
	}
	if (!diag_fits(b->q, t->at, f.path, text.n, &b->bytes))
		return;
	error = foreign_policy(text);
	if (error) {
		diag(b->q, NOT_A_POLICY, t->at, f.path, error);
		return;
	}
	f.file = sources_add(b->q->sources, f.path, text, t->at);
	parse_file(b, &f);
}

/* ---- Entry ---- */

struct policy *
parse_policy_text(struct arena *arena, struct diag_queue *q, const char *path, struct slice text,
		  const struct parse_loader *loader)
{
	struct tokens tokens;

	return parse_policy_tokens(arena, q, path, text, loader, NULL, &tokens);
}

struct policy *
parse_policy_tokens(struct arena *arena, struct diag_queue *q, const char *path,
		    struct slice text, const struct parse_loader *loader,
		    const struct parse_watch *watch, struct tokens *tokens)
{
	struct parse_file f = {.path = parse_import_path(arena, "", path)};
	struct builder b = {.arena = arena, .q = q, .loader = loader, .watch = watch};
	const char *foreign;

	b.policy = ARENA_NEW(arena, struct policy);
	b.policy->at = SPAN_NONE;
	b.policy->loader = loader;
	*tokens = (struct tokens){0};
	if (!diag_fits(q, SPAN_NONE, path, text.n, &b.bytes))
		return b.policy;
	foreign = loader && loader->on_screen ? NULL : foreign_policy(text);
	if (foreign) {
		diag(q, NOT_A_POLICY, SPAN_NONE, path, foreign);
		return b.policy;
	}
	interner_init(&b.names, arena);
	f.file = sources_add(q->sources, path, text, SPAN_NONE);
	b.policy->at = (struct span){f.file, 0, 0};
	parse_file(&b, &f);
	*tokens = f.tokens;
	if (loader && loader->more) {
		struct parse_file more = {.path = "<command line>"};

		more.file = sources_add(q->sources, more.path, *loader->more, SPAN_NONE);
		parse_file(&b, &more);
	}
	return b.policy;
}

struct policy *
parse_policy(struct arena *arena, struct diag_queue *q, const char *path,
	     const struct parse_loader *loader)
{
	const char *error = NULL;
	struct slice text;

	if (!loader)
		loader = &parse_file_loader;
	if (!loader->load(loader->ctx, arena, path, &text, &error)) {
		struct policy *p = ARENA_NEW(arena, struct policy);

		diag(q, FILE_UNREADABLE, SPAN_NONE, path, error);
		p->at = SPAN_NONE;
		return p;
	}
	return parse_policy_text(arena, q, path, text, loader);
}
