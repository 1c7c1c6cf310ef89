/* SPDX-License-Identifier: MIT
 *
 * What could be written at a place. The parser's tables say which tokens may follow there; what a
 * name would mean follows from the clause it stands in.
 */
#include "lsp/lsp_internal.h"

#include "policy.h"

/* CompletionItemKind */
enum { KIND_FUNCTION = 3, KIND_FIELD = 5, KIND_VARIABLE = 6, KIND_CLASS = 7, KIND_MODULE = 9,
       KIND_PROPERTY = 10, KIND_KEYWORD = 14, KIND_ENUM_MEMBER = 20, KIND_CONSTANT = 21,
       KIND_STRUCT = 22, KIND_EVENT = 23 };

struct completion {
	struct lsp *s;
	const struct policy *policy;
	const struct analysis *a;
	struct slice typed; /* the word under the cursor, in front of it */
	struct probe probe; /* up to the word under the cursor */
	const struct token *v;
	size_t n; /* without comments and the end */
	const bool *word;
	size_t clause; /* the last word that starts a clause or declaration; n: none */
	size_t decl;
	bool only_names; /* no keyword is one of the values that are asked for */
	json_t *range, *items;
};

static void
offer(struct completion *c, const char *label, int kind, const char *about)
{
	json_t *item = json_object(), *edit = json_object(), *text;

	json_object_set_new(edit, "range", json_incref(c->range));
	json_object_set_new(edit, "newText", json_string(label));
	json_object_set_new(item, "label", json_string(label));
	json_object_set_new(item, "kind", json_integer(kind));
	/* Names before keywords: there are fewer that fit. */
	json_object_set_new(item, "sortText",
			    json_string(arena_printf(&c->s->scratch, "%d%s",
						     kind == KIND_KEYWORD, label)));
	json_object_set_new(item, "textEdit", edit);
	if (about) {
		text = json_object();
		json_object_set_new(text, "kind", json_string("markdown"));
		json_object_set_new(text, "value", lsp_string(slice_str(about)));
		json_object_set_new(item, "documentation", text);
	}
	json_array_append_new(c->items, item);
}

/* ---- What names there are ---- */

#define OFFER_ALL(c, list, type, kind)                                                            \
	for (const struct type *d_ = (list); d_; d_ = d_->next)                                   \
		if (d_->name.s && strcmp(d_->name.s, "?") != 0)                                   \
	offer((c), d_->name.s, (kind), NULL)

static void
offer_builtin(struct completion *c, enum symbol_kind symbol, enum type type, const char *name,
	      int kind)
{
	offer(c, name, kind, lsp_about_builtin(&c->s->scratch, symbol, type, name));
}

static void
offer_groups(struct completion *c)
{
	OFFER_ALL(c, c->policy->groups, group_decl, KIND_CLASS);
}

static void
offer_targets(struct completion *c)
{
	OFFER_ALL(c, c->policy->targets, target_decl, KIND_MODULE);
}

static void
offer_data(struct completion *c)
{
	OFFER_ALL(c, c->policy->data, data_decl, KIND_STRUCT);
}

static const struct clause *
channel_of(const struct rule *r)
{
	const struct clause *cl = r->clauses;

	while (cl && cl->kind != CLAUSE_NOTIFY && cl->kind != CLAUSE_TO)
		cl = cl->next;
	return cl && cl->names ? cl : NULL;
}

/* `expect OUTCOME by` it can be met. What masks and drops cannot do, they deny. */
static bool
can_expect(const struct rule *r, const char *outcome)
{
	if (r->shadow || strcmp(outcome, "shadow") == 0)
		return r->shadow && strcmp(outcome, "shadow") == 0;
	if (strcmp(outcome, "notified") == 0)
		return channel_of(r);
	switch (r->kind) {
	case RULE_MASK:
		return strcmp(outcome, "masked") == 0 || strcmp(outcome, "deny") == 0;
	case RULE_DROP:
		return strcmp(outcome, "dropped") == 0 || strcmp(outcome, "deny") == 0;
	case RULE_LIMIT:
		return strcmp(outcome, "limited") == 0;
	case RULE_RECORD:
		return strcmp(outcome, "recorded") == 0;
	default:
		return strcmp(outcome, rule_kind_name(r->kind)) == 0;
	}
}

static void
offer_rules(struct completion *c)
{
	const struct token *t = c->n > 1 ? &c->v[c->n - 2] : NULL; /* expect OUTCOME by | */
	const char *outcome = t && t->sym ? t->sym->s : "";

	for (const struct rule *r = c->policy->rules; r; r = r->next)
		if (r->name.s && strcmp(r->name.s, "?") != 0 && can_expect(r, outcome))
			offer(c, r->name.s, KIND_EVENT,
			      r->sentence.v.p ? (const char *) r->sentence.v.p : NULL);
	if (strcmp(outcome, "allow") == 0 || strcmp(outcome, "deny") == 0)
		offer(c, "default", KIND_EVENT, "no rule decided");
}

/* Those that the policy has told already; the configuration knows the others. */
static void
offer_channels(struct completion *c)
{
	for (const struct rule *r = c->policy->rules; r; r = r->next) {
		const struct clause *to = channel_of(r), *was = NULL;

		for (const struct rule *k = c->policy->rules; to && k != r && !was; k = k->next)
			if (channel_of(k) &&
			    strcmp(channel_of(k)->names->name.s, to->names->name.s) == 0)
				was = channel_of(k);
		if (to && !was && strcmp(to->names->name.s, "?") != 0)
			offer(c, to->names->name.s, KIND_CONSTANT, NULL);
	}
}

static void
offer_recorded(struct completion *c)
{
	for (int i = 0; i < RECORDED_COUNT; i++)
		offer(c, recorded_info[i].name, KIND_CONSTANT, recorded_info[i].sentence);
}

static void
offer_outcomes(struct completion *c)
{
	for (enum rule_kind kind = RULE_ALLOW; kind <= RULE_HOLD; kind++)
		offer(c, rule_kind_name(kind), KIND_CONSTANT, NULL);
	for (enum expect_kind kind = EXPECT_MASKED; kind < EXPECT_ROW; kind++)
		offer(c, expect_kind_name(kind), KIND_CONSTANT, NULL);
}

static void
offer_actions(struct completion *c)
{
	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		offer_builtin(c, SYMBOL_ACTION, 0, action_info[a].name, KIND_FUNCTION);
	for (size_t i = 0; i < n_action_groups; i++)
		offer_builtin(c, SYMBOL_ACTION, 0, action_groups[i].name, KIND_FUNCTION);
}

static void
offer_facts(struct completion *c, bool only_sets)
{
	for (int i = 0; i < FACT_COUNT; i++)
		if (!only_sets || fact_info[i].type == TYPE_SET)
			offer_builtin(c, SYMBOL_FACT, 0, fact_info[i].name, KIND_PROPERTY);
}

static void
offer_values(struct completion *c, enum type type)
{
	for (int i = 0; i < enum_count(type); i++)
		offer_builtin(c, SYMBOL_VALUE, type, enum_name(type, i), KIND_ENUM_MEMBER);
}

static void
offer_masks(struct completion *c)
{
	for (int i = MASK_CLEAR + 1; i < MASK_COUNT; i++)
		offer_builtin(c, SYMBOL_MASK, 0, mask_info[i].name, KIND_FUNCTION);
}

static void
offer_contexts(struct completion *c)
{
	for (int i = 0; i < N_CONTEXTS; i++)
		offer_builtin(c, SYMBOL_CONTEXT, 0, context_info[i].name, KIND_ENUM_MEMBER);
}

static void
offer_words(struct completion *c, const char *const *words)
{
	for (; *words; words++)
		offer(c, *words, KIND_CONSTANT, NULL);
}

/* Names of the catalog; format: with quotes where they are strings. */
static void
offer_named(struct completion *c, const char *const *names, bool quoted, int kind)
{
	for (; *names; names++)
		offer(c, quoted ? arena_printf(&c->s->scratch, "\"%s\"", *names) : *names, kind, NULL);
}

/* What a string that is compared with the fact could say. */
static void
offer_strings(struct completion *c, int fact, bool quoted)
{
	const struct slice any = {0};

	if (fact == FACT_TABLE || fact == FACT_SCHEMA)
		offer_named(c, lsp_tables(c->s, c->a, fact == FACT_SCHEMA), quoted, KIND_STRUCT);
	else if (fact == FACT_COLUMNS)
		offer_named(c, lsp_columns(c->s, c->a, any), quoted, KIND_FIELD);
}

/* column |, and the columns of the table that stands there already */
static void
offer_columns(struct completion *c)
{
	const char **tables = lsp_tables(c->s, c->a, false), **columns;
	struct slice table = c->typed;

	offer_named(c, tables, false, KIND_STRUCT);
	while (table.n && table.p[table.n - 1] != '.')
		table.n--;
	if (!table.n)
		return;
	table.n--;
	for (columns = lsp_columns(c->s, c->a, table); table.n && *columns; columns++)
		offer(c, arena_printf(&c->s->scratch, "%.*s.%s", SLICE_ARG(table), *columns),
		      KIND_FIELD, NULL);
}

/* ---- What a name would mean ---- */

static int
code_at(const struct completion *c, size_t back)
{
	return back <= c->n ? c->v[c->n - back].code : TK_END;
}

/* The fact that the token names, or -1. */
static int
fact_at(const struct completion *c, size_t i)
{
	return i < c->n && c->v[i].sym ? fact_find(slice_str(c->v[i].sym->s)) : -1;
}

static void
offer_compared(struct completion *c, int fact)
{
	if (fact < 0)
		return;
	c->only_names = fact_info[fact].type != TYPE_BOOL;
	if (fact_info[fact].type == TYPE_ACTION)
		offer_actions(c);
	else if (type_is_enum(fact_info[fact].type))
		offer_values(c, fact_info[fact].type);
	else
		offer_strings(c, fact, true);
}

/* The last brace or parenthesis that is open; n: none. */
static size_t
opened(const struct completion *c)
{
	int depth = 0;

	for (size_t i = c->n; i-- > 0;) {
		int code = c->v[i].code;

		if (c->word[i] && c->v[i].sym->class != WORD_WORD && depth == 0 &&
		    c->v[i].code != TK_WITH)
			break;
		if (code == TK_RP || code == TK_RBRACE)
			depth++;
		if ((code == TK_LP || code == TK_LBRACE || code == TK_DOT_LBRACE) && depth-- == 0)
			return i;
	}
	return c->n;
}

static bool
is_comparison(int code)
{
	return code == TK_EQ || code == TK_NE || code == TK_LT || code == TK_LE || code == TK_GT ||
	       code == TK_GE;
}

/* fact in {a, |  and  sql.uses(card, join | ... */
static bool
complete_inside(struct completion *c)
{
	size_t open = opened(c);

	if (open == c->n || open < 1)
		return false;
	if (c->v[open].code == TK_LBRACE && open >= 2) {
		offer_compared(c, fact_at(c, open - 2));
		return true;
	}
	if (c->v[open].code != TK_LP || c->v[open - 1].code != TK_NAME || c->word[open - 1])
		return c->v[open].code != TK_LP;
	c->only_names = true;
	if (open == c->n - 1)
		offer_data(c);
	else
		offer_contexts(c);
	return true;
}

static void
complete_condition(struct completion *c)
{
	static const char *const functions[] = {"sql.uses", NULL};
	bool defined = c->v[c->decl].code == TK_LET && c->n == c->decl + 3; /* let NAME = | */
	int last = code_at(c, 1);

	if (complete_inside(c))
		return;
	if (is_comparison(last) && !defined) {
		offer_compared(c, fact_at(c, c->n - 2));
	} else if (last == TK_IN) {
		offer_facts(c, true);
		return;
	} else {
		offer_facts(c, false);
		offer_words(c, functions);
	}
	OFFER_ALL(c, c->policy->lets, let_decl, KIND_VARIABLE);
}

static void
complete_test_facts(struct completion *c)
{
	if (complete_inside(c))
		return;
	if (code_at(c, 1) == TK_EQ)
		offer_compared(c, fact_at(c, c->n - 2));
	else
		offer_facts(c, false);
}

/* column TABLE.{a, |  and  values like | */
static void
complete_data(struct completion *c)
{
	size_t open = opened(c);
	int last = code_at(c, 1);

	if (open < c->n && open > 0 && c->v[open].code == TK_DOT_LBRACE && c->v[open - 1].sym)
		offer_named(c, lsp_columns(c->s, c->a, slice_str(c->v[open - 1].sym->s)), false,
			    KIND_FIELD);
	else if (last == TK_COLUMN)
		offer_columns(c);
	for (int i = 0; last == TK_LIKE && i < DETECTOR_COUNT; i++)
		offer(c, detector_info[i].name, KIND_CONSTANT, detector_info[i].sentence);
}

/* After the keyword or the `=` of a declaration. */
static void
complete_declaration(struct completion *c)
{
	static const char *const sources[] = {"idp", NULL}, *const verdicts[] = {"allow", NULL};
	static const char *const trust[] = {"function", NULL}, *const digest[] = {"digest", NULL};
	int last = code_at(c, 1);

	switch (c->v[c->decl].code) {
	case TK_GROUP:
		if (last == TK_EQ)
			offer_words(c, sources);
		break;
	case TK_TARGET:
		if (last == TK_EQ)
			offer_values(c, TYPE_ENUM_PROTOCOL);
		break;
	case TK_DATA:
		complete_data(c);
		break;
	case TK_LET:
		if (c->n > c->decl + 2)
			complete_condition(c);
		break;
	case TK_TRUST:
		offer_words(c, last == TK_TRUST ? trust : digest);
		break;
	case TK_DEFAULT:
		offer_words(c, verdicts);
		break;
	case TK_NOTIFY_RULE:
		if (last == TK_TO)
			offer_channels(c);
		break;
	case TK_MASK:
		if (last == TK_MASK) /* a mask mostly has the name of its data */
			offer_data(c);
		break;
	case TK_PROVE:
		for (size_t i = c->n; i-- > c->decl;) {
			if (!c->word[i])
				continue;
			if (c->v[i].code == TK_SEE)
				offer_data(c);
			else if (c->v[i].code == TK_RUNS)
				offer_actions(c);
			else if (c->v[i].code == TK_ONLY)
				offer_groups(c);
			break;
		}
		break;
	default:
		break;
	}
}

static void
complete_test(struct completion *c, int clause)
{
	int last = code_at(c, 1);

	if (clause == TK_AS && last == TK_AS)
		offer_values(c, TYPE_ENUM_USER_KIND);
	else if (clause == TK_AS)
		offer_groups(c);
	else if (clause == TK_ON)
		offer_targets(c);
	else if (clause == TK_WITH)
		complete_test_facts(c);
	else if (clause == TK_EXPECT && last == TK_EXPECT)
		offer_outcomes(c);
	else if (clause == TK_EXPECT && last == TK_BY)
		offer_rules(c);
}

static void
complete_name(struct completion *c)
{
	int clause = c->clause < c->n ? c->v[c->clause].code : TK_END, last = code_at(c, 1);

	if (c->decl == c->n)
		return;
	if (c->clause == c->decl) {
		complete_declaration(c);
		return;
	}
	if (c->v[c->decl].code == TK_TEST) {
		complete_test(c, clause);
		return;
	}
	switch (clause) {
	case TK_WHO:
		offer_groups(c);
		break;
	case TK_ON:
		offer_targets(c);
		break;
	case TK_DO:
		offer_actions(c);
		break;
	case TK_OF:
		if (c->clause > 0 && c->v[c->clause - 1].code == TK_INT)
			offer_groups(c); /* for 1 of GROUP */
		else
			offer_data(c);
		break;
	case TK_WITH:
		if (c->v[c->decl].code == TK_RECORD)
			offer_recorded(c);
		else if (last == TK_WITH)
			offer_masks(c);
		break;
	case TK_NOTIFY:
		offer_channels(c);
		break;
	case TK_WHEN:
	case TK_UNLESS:
		complete_condition(c);
		break;
	default:
		for (int i = 0; last == TK_PER && i < LIMIT_PER_COUNT; i++)
			offer_builtin(c, SYMBOL_PER, 0, limit_per_info[i].name, KIND_ENUM_MEMBER);
		break;
	}
}

static void
complete_keywords(struct completion *c)
{
	int rule = c->decl < c->n ? c->v[c->decl].code : TK_END;

	for (int code = 1; code < c->probe.n_codes && !c->only_names; code++) {
		const char *word = probe_keyword(code);

		if (!word || !c->probe.may[code] ||
		    (code == TK_NOTIFY_RULE && c->probe.may[TK_NOTIFY]))
			continue;
		if (rule != TK_END && rule != TK_TEST && !probe_rule_takes(rule, code))
			continue;
		offer(c, word, KIND_KEYWORD, lsp_about_keyword(&c->s->scratch, code));
	}
}

/* A line begins with `policy`: it cannot be imported. */
static bool
is_policy(struct slice text)
{
	static const char word[] = "policy ";

	for (size_t at = 0; at + sizeof(word) - 1 <= text.n; at++) {
		const uint8_t *end = memchr(text.p + at, '\n', text.n - at);

		if (memcmp(text.p + at, word, sizeof(word) - 1) == 0)
			return true;
		if (!end)
			return false;
		at = (size_t) (end - text.p);
	}
	return false;
}

/* import "|  and  import "folder/| */
static void
complete_import(struct completion *c, const char *path, struct slice folder)
{
	const char *slash = strrchr(path, '/'), **names, *error;
	char *from = arena_printf(&c->s->scratch, "%.*s/%.*s", slash ? (int) (slash - path) : 0,
				  path, SLICE_ARG(folder));
	struct slice text;

	names = slash ? c->s->disk->list(&c->s->scratch, from) : NULL;
	for (int i = 0; names && names[i] && i < LSP_MAX_LISTED; i++) {
		const char *file = arena_printf(&c->s->scratch, "%s%s", from, names[i]);

		if (strcmp(file, path) != 0 &&
		    c->s->disk->files.load(c->s->disk->files.ctx, &c->s->scratch, file, &text,
					   &error) &&
		    !is_policy(text))
			offer(c, names[i], KIND_MODULE, NULL);
	}
}

/* The string behind `import` that the text ends in. */
static bool
takes_path(const struct completion *c, struct slice text, struct slice *folder)
{
	const struct probe *p = &c->probe;
	const struct token *t = p->n > 2 ? &p->v[p->n - 2] : NULL;

	if (!t || t->code != TK_STRING || t[-1].code != TK_IMPORT || t->at.len == 0 ||
	    memchr(text.p + t->at.off + 1, '"', text.n - t->at.off - 1) ||
	    memchr(text.p + t->at.off, '\n', text.n - t->at.off))
		return false;
	*folder = slice_of(text.p + t->at.off + 1, text.n - t->at.off - 1);
	return true;
}

/* In a string: table = "|  table in {"|  table matches "|  when "| */
static void
complete_string(struct completion *c)
{
	size_t open = opened(c);
	int last = code_at(c, 1);

	if (open < c->n && open >= 2 && c->v[open].code == TK_LBRACE)
		offer_strings(c, fact_at(c, open - 2), false);
	else if (is_comparison(last) || last == TK_MATCHES)
		offer_strings(c, fact_at(c, c->n - 2), false);
	else if (last == TK_WITH && c->n >= 3)
		offer_strings(c, fact_at(c, c->n - 3), false);
	else if (last == TK_WHEN || last == TK_UNLESS || last == TK_AND || last == TK_OR ||
		 last == TK_NOT || last == TK_LP)
		offer_strings(c, FACT_COLUMNS, false);
}

/* ---- The place ---- */

static bool
is_word_byte(uint8_t b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
	       b == '_' || b == '-' || b == '.' || b >= 0x80;
}

/* Whether the text ends inside a comment, a string or a regular expression. */
static bool
is_inert(const struct probe *p, struct slice text)
{
	const struct token *t = p->n > 1 ? &p->v[p->n - 2] : NULL;
	size_t escapes = 0;

	if (t && t->code == TK_COMMENT)
		return !memchr(text.p + t->at.off, '\n', text.n - t->at.off);
	if (t && t->code == TK_REGEX && t->at.off + t->at.len == text.n)
		return true;
	if (!t || t->code != TK_STRING || t->at.off + t->at.len != text.n)
		return false;
	while (escapes + 2 < t->at.len && text.p[text.n - 2 - escapes] == '\\')
		escapes++;
	return t->at.len == 1 || text.p[text.n - 1] != '"' || escapes % 2 == 1;
}

/* Leaves out the comments and finds the clause that the text ends in. */
static void
locate(struct completion *c)
{
	struct probe *p = &c->probe;

	for (size_t i = 0; i + 1 < p->n; i++)
		if (p->v[i].code != TK_COMMENT) {
			p->word[c->n] = p->word[i];
			p->v[c->n++] = p->v[i];
		}
	c->v = p->v;
	c->word = p->word;
	c->clause = c->decl = c->n;
	for (size_t i = 0; i < c->n; i++) {
		if (!c->word[i] || c->v[i].sym->class == WORD_WORD)
			continue;
		if (c->v[i].code == TK_WITH && i > 0 && c->word[i - 1] &&
		    (c->v[i - 1].code == TK_STARTS || c->v[i - 1].code == TK_ENDS))
			continue;
		c->clause = i;
		if (c->v[i].sym->class == WORD_DECL || c->v[i].code == TK_NOTIFY_RULE)
			c->decl = i;
	}
}

/* The string that the text ends in has only begun: its quote is the last token. Leaves it out. */
static bool
takes_string(struct completion *c, struct slice text)
{
	const struct probe *p = &c->probe;
	const struct token *t = p->n > 1 ? &p->v[p->n - 2] : NULL;

	if (!t || t->code != TK_STRING || t->at.len != 1 || t->at.off + 1 != text.n)
		return false;
	probe_text(&c->s->scratch, slice_of(text.p, t->at.off), &c->probe);
	locate(c);
	return true;
}

json_t *
lsp_completion(struct lsp *s, const json_t *params)
{
	struct completion c = {.s = s};
	struct text_lines lines;
	struct spot spot;
	struct slice text, folder;
	size_t start;
	json_t *out;

	if (!lsp_spot(s, params, &spot))
		return NULL;
	text = buf_slice(&spot.doc->text);
	for (start = spot.off; start > 0 && is_word_byte(text.p[start - 1]); start--)
		;
	c.items = json_array();
	c.policy = spot.a->policy;
	c.a = spot.a;
	c.typed = slice_of(text.p + start, spot.off - start);
	text_lines_init(&lines, &s->scratch, text);
	c.range = lsp_range_of(s, &lines, start, spot.off);
	probe_text(&s->scratch, slice_of(text.p, start), &c.probe);
	if (takes_path(&c, slice_of(text.p, start), &folder)) {
		complete_import(&c, spot.doc->path, folder);
	} else if (takes_string(&c, slice_of(text.p, start))) {
		complete_string(&c);
	} else if (!is_inert(&c.probe, slice_of(text.p, start))) {
		locate(&c);
		if (c.probe.may[TK_NAME])
			complete_name(&c);
		complete_keywords(&c);
	}
	json_decref(c.range);
	out = json_object();
	json_object_set_new(out, "isIncomplete", json_false());
	json_object_set_new(out, "items", c.items);
	return out;
}
