/* SPDX-License-Identifier: MIT
 *
 * Expressions and mask functions: nodes from tokens. And what the parser says when it expected
 * something else.
 */
#include "compiler/build.h"

#include "policy.h"

#include <stdio.h>

static struct expr *
expr_new(struct builder *b, enum expr_kind kind, struct span at)
{
	struct expr *x = ARENA_NEW(b->arena, struct expr);

	x->kind = kind;
	x->at = at;
	x->depth = 1;
	return x;
}

static void
report_depth(struct builder *b, struct span at, const char *most)
{
	diag_note(b->q, diag(b->q, NESTED_TOO_DEEP, at, most), SPAN_NONE,
		  "name parts of it with `let`, and write a long `or` as `in {...}`");
}

/* Sets the depth from the children; a tree too deep for recursion is replaced. */
static struct expr *
expr_depth(struct builder *b, struct expr *x)
{
	uint32_t depth = 0;

	for (const struct expr *c = x->l; c; c = x->r ? NULL : c->next)
		depth = c->depth > depth ? c->depth : depth;
	if (x->r && x->r->depth > depth)
		depth = x->r->depth;
	x->depth = depth + 1;
	if (x->depth <= EXPR_MAX_DEPTH)
		return x;
	static_assert(EXPR_MAX_DEPTH == 1000, "as the message says");
	if (x->depth == EXPR_MAX_DEPTH + 1)
		report_depth(b, x->at, "1000 levels of a condition are possible");
	x = expr_new(b, X_ERROR, x->at);
	x->depth = EXPR_MAX_DEPTH + 1; /* so that it is not reported again further out */
	return x;
}

struct expr *
build_binary(struct builder *b, enum expr_kind kind, struct expr *l, struct expr *r)
{
	struct expr *x = expr_new(b, kind, span_join(l->at, r->at));

	x->l = l;
	x->r = r;
	return expr_depth(b, x);
}

struct expr *
build_compare(struct builder *b, enum compare_op op, struct expr *l, struct expr *r)
{
	struct expr *x = build_binary(b, X_COMPARE, l, r);

	x->op = op;
	return x;
}

struct expr *
build_not(struct builder *b, const struct token *k, struct expr *x)
{
	struct expr *not = expr_new(b, X_NOT, span_join(k->at, x->at));

	not->l = x;
	return expr_depth(b, not);
}

struct expr *
build_group_expr(struct builder *b, const struct token *open, struct expr *x,
		 const struct token *close)
{
	(void) b;
	x->at = span_join(open->at, close->at);
	return x;
}

/* A word that starts a rule's clause is no operand or list item: a list that ends in a comma would
 * silently eat the clause after it. */
static bool
starts_rule_clause(const struct token *t)
{
	switch (t->code) {
	case TK_WHO:
	case TK_ON:
	case TK_DO:
	case TK_WHEN:
	case TK_UNLESS:
	case TK_FOR:
	case TK_WITHIN:
		return true;
	default:
		return false;
	}
}

struct expr *
build_name(struct builder *b, const struct token *name)
{
	struct expr *x = expr_new(b, X_NAME, name->at);

	x->name = name->sym->s;
	if (starts_rule_clause(name)) {
		diag(b->q, SYNTAX, name->at, "a name", token_code_name(name->code));
		b->complained = name;
		x->kind = X_ERROR;
	}
	return x;
}

struct expr *
build_literal(struct builder *b, const struct token *t)
{
	static const struct {
		int code;
		enum expr_kind kind;
	} kinds[] = {
		{TK_STRING, X_STRING}, {TK_INT, X_INT},	      {TK_DURATION, X_DURATION},
		{TK_REGEX, X_REGEX},
		{TK_SIZE, X_SIZE},     {TK_CLOCK, X_TIME},    {TK_ADDRESS, X_ADDRESS},
		{TK_TRUE, X_BOOL},     {TK_FALSE, X_BOOL},
	};
	struct expr *x = expr_new(b, X_ERROR, t->at);

	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].code == t->code)
			x->kind = kinds[i].kind;
	assert(x->kind != X_ERROR);
	x->number = t->code == TK_TRUE ? 1 : t->number;
	x->string = t->string;
	x->address = t->address;
	return x;
}

struct expr *
build_call(struct builder *b, const struct token *name, struct expr *args,
	   const struct token *close)
{
	struct expr *x = expr_new(b, X_CALL, span_join(name->at, close->at));

	x->name = name->sym->s;
	x->l = args;
	return expr_depth(b, x);
}

struct expr *
build_set(struct builder *b, const struct token *open, struct expr *items,
	  const struct token *close)
{
	struct expr *x = expr_new(b, X_SET, span_join(open->at, close->at));

	x->l = items;
	return expr_depth(b, x);
}

struct expr *
build_alt(struct builder *b, struct expr *first, struct expr *rest)
{
	struct expr *x, *last = rest;

	while (last->next)
		last = last->next;
	x = expr_new(b, X_ALT, span_join(first->at, last->at));
	first->next = rest;
	x->l = first;
	return expr_depth(b, x);
}

/* ---- Mistakes ---- */

struct name
build_one_of(struct builder *b, const struct token *t, const char *expected,
	     const char *const *words, size_t n)
{
	struct name name = {t->sym->s, t->at};

	for (size_t i = 0; i < n; i++)
		if (strcmp(name.s, words[i]) == 0)
			return name;
	diag_suggest(b->q, diag(b->q, UNKNOWN_WORD, t->at, expected, name.s), name.s, words, n);
	return name;
}

/* For a suggestion where any declaration or clause may start. */
static const char *const starters[] = {
#define KEYWORD_DECL(word) word,
#define KEYWORD_CLAUSE(word) word,
#define KEYWORD_WORD(word)
#define KEYWORD(id, word, class) KEYWORD_##class(word)
#define TOKEN(id, description)
#include "grammar/tokens.def"
#undef KEYWORD
#undef TOKEN
};

/* The tokens that may stand here as a list: "',' or `self`". */
static const char *
list_expected(struct builder *b, const bool *may, int n)
{
	const char *text = "";
	int count = 0, shown = 0;

	for (int code = 1; code < n; code++)
		count += may[code];
	for (int code = 1; code < n; code++) {
		if (!may[code])
			continue;
		shown++;
		text = arena_printf(b->arena, "%s%s%s", text,
				    shown == 1 ? "" : shown == count ? " or " : ", ",
				    token_code_name(code));
	}
	return count ? text : "the end of the file";
}

/* In words, what may stand at the lookahead; `may[code]` for each of the n codes. */
const char *
build_expected(struct builder *b, const bool *may, int n)
{
	const struct token *found = &b->file->tokens.v[b->file->at];

	b->hint = NULL;
	if (may[TK_POLICY] && found->code == TK_NAME)
		b->hint = diag_nearest(slice_str(found->sym->s), starters, COUNT_OF(starters));
	if (may[TK_POLICY])
		return b->file->at ? "a clause or a declaration" : "a declaration";
	if (may[TK_NAME] && may[TK_NOT])
		return "a condition";
	if (may[TK_NAME] && may[TK_INT])
		return "a value";
	if (may[TK_ALLOW] && may[TK_DENY])
		return "a kind of rule such as `deny`";
	return list_expected(b, may, n);
}

static const char *
describe(struct builder *b, int code, const struct token *t)
{
	struct slice s;

	if (code == TK_END || code == TK_STRING)
		return token_code_name(code);
	if (t->sym && t->sym->keyword)
		return token_code_name(t->code);
	s = source_text(b->q->sources, t->at);
	return arena_printf(b->arena, "'%.*s'", SLICE_ARG(s));
}

void
build_syntax_error(struct builder *b, int code, const struct token *t, const char *expected)
{
	const struct token *before = b->file->at ? &b->file->tokens.v[b->file->at - 1] : NULL;
	struct diag *d;

	b->broken = true;
	if (before && before == b->complained)
		return;
	d = diag(b->q, SYNTAX, t->at, expected, describe(b, code, t));
	if (code == TK_EQ && before && before->code == TK_EQ) {
		diag_note(b->q, d, SPAN_NONE, "equality is written with one '='");
		diag_edit(b->q, d, t->at, "%s", "");
	} else if (code == TK_GT && before && before->code == TK_LT) {
		diag_note(b->q, d, SPAN_NONE, "inequality is written !=");
		diag_edit(b->q, d, span_join(before->at, t->at), "!=");
	} else if (code == TK_NOTIFY) {
		diag_note(b->q, d, SPAN_NONE, "a notify rule is written `notify NAME to CHANNEL`");
	} else if (b->hint) {
		diag_note(b->q, d, SPAN_NONE, "did you mean `%s`?", b->hint);
		if (diag_is_ascii(slice_str(t->sym->s)))
			diag_edit(b->q, d, t->at, "%s", b->hint);
	} else if (before && before->sym && before->line_start && code == TK_NAME &&
		 (before->sym->class == WORD_DECL || before->sym->class == WORD_CLAUSE)) {
		diag_note(b->q, d, before->at,
			  "`%s` was read as a name, because what is before it needs one",
			  before->sym->s);
	}
}

void
build_too_deep(struct builder *b)
{
	report_depth(b, b->file->tokens.v[b->file->at].at,
		     "some 250 brackets and `not` within each other are possible");
	b->stop = true;
}

/* ---- How a mask shows a value ---- */

struct kernel *
build_kernel(struct builder *b, const struct token *name, struct expr *args)
{
	struct kernel *k = ARENA_NEW(b->arena, struct kernel);

	k->at = name->at;
	k->name = (struct name){name->sym->s, name->at};
	k->args = args;
	return k;
}

struct kernel *
build_mode(struct builder *b, struct kernel *kernel, struct mode mode)
{
	struct span at = mode.word->at;
	int code = mode.word->code;

	if (code == TK_LOOKUP ? kernel->lookup
	    : code == TK_DERIVED ? kernel->derived : kernel->aggregates_over != 0)
		diag(b->q, MODE_TWICE, at, mode.word->sym->s);
	if (code == TK_LOOKUP) {
		kernel->lookup = true;
		kernel->lookup_at = at;
	} else if (code == TK_DERIVED) {
		kernel->derived = true;
		kernel->derived_at = at;
	} else {
		kernel->aggregates_over = mode.over->number;
		kernel->aggregates_at = span_join(at, mode.over->at);
		if (mode.over->number < 2)
			diag(b->q, WRONG_LITERAL, mode.over->at,
			     "a number of rows per group, at least 2");
	}
	return kernel;
}
