/* SPDX-License-Identifier: MIT */
#include "compiler/probe.h"

#include "compiler/build.h"
#include "policy.h"
#include "vm/names.h"

struct watch {
	struct probe *out;
	bool *word; /* per token without comments */
	size_t cap;
	bool ended;
};

/* Tokens are seen in their order; after a mistake one can be seen again, by a parser that has
 * recovered. */
static void
sees(void *ctx, const void *parser, const struct token *t, size_t at)
{
	struct watch *w = ctx;

	if (t->code == TK_END) {
		for (int code = 1; code < w->out->n_codes && !w->ended; code++)
			w->out->may[code] = policy_parser_takes(parser, code);
		w->ended = true;
		return;
	}
	assert(at < w->cap);
	w->word[at] = t->sym && t->code != TK_NAME && t->code != TK_PATTERN &&
		      policy_parser_takes(parser, t->code);
}

static bool
load_nothing(void *ctx UNUSED, struct arena *arena UNUSED, const char *path UNUSED,
	     struct slice *text, const char **error UNUSED)
{
	*text = (struct slice){0};
	return true;
}

void
probe_text(struct arena *arena, struct slice text, struct probe *out)
{
	static const struct parse_loader no_imports = {.load = load_nothing,
						       .on_screen = true};
	struct watch w = {.out = out};
	const struct parse_watch watch = {sees, &w};
	struct interner names;
	struct sources sources;
	struct diag_queue quiet;
	struct tokens all, parsed;
	size_t k = 0;

	assert(text.n <= SOURCE_MAX_BYTES);
	sources_init(&sources, arena);
	diag_init(&quiet, &sources, arena);
	interner_init(&names, arena);
	lex(&quiet, &names, sources_add(&sources, "", text, SPAN_NONE), &all);
	*out = (struct probe){.v = all.v, .n = all.n, .n_codes = policy_parser_tokens()};
	out->word = ARENA_ARRAY(arena, bool, all.n);
	out->may = ARENA_ARRAY(arena, bool, out->n_codes);
	w.word = ARENA_ARRAY(arena, bool, all.n);
	w.cap = all.n;
	(void) parse_policy_tokens(arena, &quiet, "", text, &no_imports, &watch, &parsed);
	for (size_t i = 0; i < all.n; i++) {
		if (all.v[i].code == TK_COMMENT)
			continue;
		assert(k < parsed.n && parsed.v[k].at.off == all.v[i].at.off);
		all.v[i].role = parsed.v[k].role;
		all.v[i].code = parsed.v[k].code; /* `notify` is two */
		out->word[i] = w.word[k++];
	}
}

const char *
probe_keyword(int code)
{
	switch (code) {
#define KEYWORD(id, word, class)                                                                  \
	case TK_##id:                                                                             \
		return word;
#define TOKEN(id, description)
#include "grammar/tokens.def"
#undef KEYWORD
#undef TOKEN
	case TK_NOTIFY_RULE:
		return "notify";
	default:
		return NULL;
	}
}

bool
probe_rule_takes(int rule, int clause)
{
	const char *kind = probe_keyword(rule), *word = probe_keyword(clause);
	int r = RULE_ALLOW, c = CLAUSE_WHO;

	if (!kind || !word)
		return true;
	while (r <= RULE_NOTIFY && strcmp(rule_kind_name(r), kind) != 0)
		r++;
	if (limit_unit_find(slice_str(word)) >= 0)
		c = CLAUSE_AMOUNT;
	while (c < CLAUSE_AMOUNT && strcmp(clause_kind_name(c), word) != 0)
		c++;
	if (c == CLAUSE_AMOUNT && limit_unit_find(slice_str(word)) < 0)
		return true; /* it starts no clause */
	return r > RULE_NOTIFY || build_takes(r, c);
}
