/* SPDX-License-Identifier: MIT
 *
 * The shape of a document: its declarations, what can be folded, and what each word is.
 */
#include "lsp/lsp_internal.h"

#include "policy.h"

#include <stdlib.h>

/* ---- Declarations ---- */

struct entry {
	struct span at, name_at;
	const char *name, *detail;
	int kind; /* SymbolKind */
};

enum { KIND_NAMESPACE = 3, KIND_CLASS = 5, KIND_METHOD = 6, KIND_FUNCTION = 12, KIND_VARIABLE = 13,
       KIND_OBJECT = 19, KIND_STRUCT = 23 };

struct outline {
	struct arena *arena;
	uint32_t file;
	struct entry *v;
	size_t n, cap;
};

static void
add(struct outline *o, struct span at, struct span name_at, const char *name, const char *detail,
    int kind)
{
	if (!name || at.file != o->file || name_at.file != o->file)
		return;
	if (name_at.off < at.off || name_at.off + name_at.len > at.off + at.len)
		name_at = at;
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 64;
		struct entry *v = ARENA_ARRAY(o->arena, struct entry, cap);

		if (o->n)
			memcpy(v, o->v, o->n * sizeof(*v));
		o->v = v;
		o->cap = cap;
	}
	o->v[o->n++] = (struct entry){at, name_at, name, detail, kind};
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = ((const struct entry *) a)->at.off, y = ((const struct entry *) b)->at.off;

	return (x > y) - (x < y);
}

static void
collect(struct outline *o, const struct policy *p)
{
	add(o, p->at, p->name.at, p->name.s, "policy", KIND_NAMESPACE);
	for (const struct group_decl *d = p->groups; d; d = d->next)
		add(o, d->at, d->name.at, d->name.s, "group", KIND_CLASS);
	for (const struct target_decl *d = p->targets; d; d = d->next)
		add(o, d->at, d->name.at, d->name.s, "target", KIND_OBJECT);
	for (const struct data_decl *d = p->data; d; d = d->next)
		add(o, d->at, d->name.at, d->name.s, "data", KIND_STRUCT);
	for (const struct let_decl *d = p->lets; d; d = d->next)
		add(o, d->at, d->name.at, d->name.s, "let", KIND_VARIABLE);
	for (const struct rule *r = p->rules; r; r = r->next)
		add(o, r->at, r->name.at, r->name.s, rule_kind_name(r->kind), KIND_FUNCTION);
	for (const struct test_decl *t = p->tests; t; t = t->next)
		if (t->name.v.n)
			add(o, t->at, t->name.at, (const char *) t->name.v.p, "test", KIND_METHOD);
	if (o->n)
		qsort(o->v, o->n, sizeof(*o->v), compare);
}

/* Of the document itself, whatever imports it. */
static bool
outline_of(struct lsp *s, const json_t *params, struct outline *o, struct analysis **a)
{
	struct document *d = lsp_readable(s, params);

	if (!d)
		return false;
	*o = (struct outline){.arena = &s->scratch};
	*a = lsp_analysis(s, d, &o->file);
	collect(o, (*a)->policy);
	return true;
}

/* Five times the rules that a policy may have. Of a million, the answer would take gigabytes. */
enum { OUTLINE_MAX = 50000 };

json_t *
lsp_document_symbol(struct lsp *s, const json_t *params)
{
	struct analysis *a;
	struct outline o;
	json_t *list, *item;

	if (!outline_of(s, params, &o, &a))
		return NULL;
	list = json_array();
	for (size_t i = 0; i < o.n && i < OUTLINE_MAX; i++) {
		item = json_object();
		json_object_set_new(item, "name", lsp_string(slice_str(o.v[i].name)));
		json_object_set_new(item, "detail", json_string(o.v[i].detail));
		json_object_set_new(item, "kind", json_integer(o.v[i].kind));
		json_object_set_new(item, "range", lsp_range(s, a, o.v[i].at));
		json_object_set_new(item, "selectionRange", lsp_range(s, a, o.v[i].name_at));
		json_array_append_new(list, item);
	}
	return list;
}

/* ---- Folding ---- */

static void
fold(json_t *list, uint32_t from, uint32_t to, const char *kind)
{
	json_t *item;

	if (from >= to)
		return;
	item = json_object();
	json_object_set_new(item, "startLine", json_integer(from));
	json_object_set_new(item, "endLine", json_integer(to));
	if (kind)
		json_object_set_new(item, "kind", json_string(kind));
	json_array_append_new(list, item);
}

/* Comments on successive lines. */
static void
fold_comments(json_t *list, const struct probe *p, const struct text_lines *lines)
{
	uint32_t first = 0, last = 0, line;
	bool open = false;

	for (size_t i = 0; i < p->n; i++) {
		bool alone = p->v[i].code == TK_COMMENT && p->v[i].line_start;

		line = text_place_at(lines, p->v[i].at.off, TEXT_UTF8).line;
		if (open && (!alone || line != last + 1)) {
			fold(list, first, last, "comment");
			open = false;
		}
		if (alone && !open)
			first = line;
		open = alone;
		last = line;
	}
}

json_t *
lsp_folding_range(struct lsp *s, const json_t *params)
{
	struct text_lines lines;
	struct document *d;
	struct analysis *a;
	struct outline o;
	struct probe p;
	json_t *list;

	if (!outline_of(s, params, &o, &a))
		return NULL;
	d = lsp_readable(s, params);
	text_lines_init(&lines, &s->scratch, buf_slice(&d->text));
	probe_text(&s->scratch, buf_slice(&d->text), &p);
	list = json_array();
	for (size_t i = 0; i < o.n; i++)
		fold(list, text_place_at(&lines, o.v[i].at.off, TEXT_UTF8).line,
		     text_place_at(&lines, o.v[i].at.off + o.v[i].at.len, TEXT_UTF8).line, NULL);
	fold_comments(list, &p, &lines);
	return list;
}

/* ---- Semantic tokens ---- */

enum { TOKEN_KEYWORD, TOKEN_STRING, TOKEN_REGEXP, TOKEN_NUMBER, TOKEN_COMMENT, TOKEN_CLASS,
       TOKEN_NAMESPACE, TOKEN_STRUCT, TOKEN_VARIABLE, TOKEN_FUNCTION, TOKEN_PROPERTY,
       TOKEN_ENUM_MEMBER, TOKEN_NONE = -1 };

json_t *
lsp_semantic_legend(void)
{
	/* In the order of the enumeration above. */
	json_t *out = json_loads("{\"full\":true,\"legend\":{\"tokenModifiers\":[\"declaration\"],"
				 "\"tokenTypes\":[\"keyword\",\"string\",\"regexp\",\"number\",\"comment\","
				 "\"class\",\"namespace\",\"struct\",\"variable\",\"function\","
				 "\"property\",\"enumMember\"]}}", 0, NULL);

	assert(out != NULL);
	return out;
}

static int
token_of_symbol(enum symbol_kind kind)
{
	static const int tokens[] = {
		[SYMBOL_POLICY] = TOKEN_NAMESPACE, [SYMBOL_GROUP] = TOKEN_CLASS,
		[SYMBOL_TARGET] = TOKEN_NAMESPACE, [SYMBOL_DATA] = TOKEN_STRUCT,
		[SYMBOL_LET] = TOKEN_VARIABLE,	   [SYMBOL_RULE] = TOKEN_FUNCTION,
		[SYMBOL_FACT] = TOKEN_PROPERTY,	   [SYMBOL_ACTION] = TOKEN_ENUM_MEMBER,
		[SYMBOL_MASK] = TOKEN_FUNCTION,	   [SYMBOL_VALUE] = TOKEN_ENUM_MEMBER,
		[SYMBOL_CONTEXT] = TOKEN_ENUM_MEMBER, [SYMBOL_PER] = TOKEN_ENUM_MEMBER,
		[SYMBOL_WORD] = TOKEN_NONE,
	};

	return tokens[kind];
}

static int
token_type(const struct probe *p, size_t i, const struct symbol_at *name)
{
	switch (p->v[i].code) {
	case TK_COMMENT:
		return TOKEN_COMMENT;
	case TK_STRING:
		return TOKEN_STRING;
	case TK_REGEX:
		return TOKEN_REGEXP;
	case TK_INT:
	case TK_DURATION:
	case TK_SIZE:
	case TK_CLOCK:
	case TK_ADDRESS:
		return TOKEN_NUMBER;
	default:
		if (p->word[i])
			return TOKEN_KEYWORD;
		return name && name->at.off == p->v[i].at.off ? token_of_symbol(name->kind)
							      : TOKEN_NONE;
	}
}

json_t *
lsp_semantic_tokens(struct lsp *s, const json_t *params)
{
	struct document *d = lsp_readable(s, params);
	struct text_place at, before = {0, 0};
	struct text_lines lines;
	struct analysis *a;
	struct slice text;
	struct probe p;
	uint32_t file;
	json_t *data, *out;

	if (!d)
		return NULL;
	a = lsp_analysis(s, d, &file);
	text = buf_slice(&d->text);
	text_lines_init(&lines, &s->scratch, text);
	probe_text(&s->scratch, text, &p);
	data = json_array();
	for (size_t i = 0; i + 1 < p.n; i++) {
		struct span span = p.v[i].at;
		const struct symbol_at *name = symbols_find(&a->symbols, file, span.off);
		int type = token_type(&p, i, name);

		if (type == TOKEN_NONE)
			continue;
		at = text_place_at(&lines, span.off, s->units);
		json_array_append_new(data, json_integer(at.line - before.line));
		json_array_append_new(data, json_integer(at.column - (at.line == before.line
								      ? before.column : 0)));
		json_array_append_new(data, json_integer(text_width(
			slice_of(text.p + span.off, span.len), s->units)));
		json_array_append_new(data, json_integer(type));
		json_array_append_new(data, json_integer(type > TOKEN_COMMENT && name->declares));
		before = at;
	}
	out = json_object();
	json_object_set_new(out, "data", data);
	return out;
}
