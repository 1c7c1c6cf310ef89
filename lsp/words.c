/* SPDX-License-Identifier: MIT
 *
 * What the tables in grammar/ say of a word, as Markdown.
 */
#include "lsp/lsp_internal.h"

#include "policy.h"

static const struct {
	int code;
	const char *syntax, *sentence;
} words[] = {
#define WORD(id, syntax, sentence) {TK_##id, syntax, sentence},
#include "grammar/words.def"
#undef WORD
};

const char *
lsp_about_keyword(struct arena *arena, int code)
{
	if (code == TK_NOTIFY_RULE)
		code = TK_NOTIFY;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (words[i].code == code)
			return arena_printf(arena, "`%s`\n\n%s", words[i].syntax,
					    words[i].sentence);
	return NULL;
}

static const char *
about_fact(struct arena *arena, const struct fact_info *f)
{
	static const char *const known[] = {"from the connection on", "for each command",
					    "for each effect of a command"};
	struct buf b = {0};
	const char *out;

	buf_printf(&b, "`%s`: fact of type %s\n\n%s\n\nKnown %s.", f->name,
		   type_info[f->type].name, f->sentence, known[f->phase]);
	for (int i = 0; type_is_enum(f->type) && i < enum_count(f->type); i++)
		buf_printf(&b, "%s`%s`", i ? ", " : " Values: ", enum_name(f->type, i));
	out = arena_str(arena, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static const char *
about_action(struct arena *arena, const char *name)
{
	int id = action_find(slice_str(name));
	struct action_set set = {0};
	struct buf b = {0};
	const char *out, *sentence = id >= 0 ? action_info[id].sentence : NULL;
	bool several;

	if (!action_set_of(slice_str(name), &set))
		return NULL;
	for (size_t i = 0; i < n_action_groups && !sentence; i++)
		if (strcmp(action_groups[i].name, name) == 0)
			sentence = action_groups[i].sentence;
	several = id < 0 || !action_is_leaf((enum action) id);
	buf_printf(&b, "`%s`: %s\n\n%s", name,
		   id < 0    ? "ready-made set of actions"
		   : several ? "actions"
			     : "action",
		   sentence);
	if (several)
		buf_puts(&b, "\n\nMeans");
	for (enum action a = 0; a < ACTION_COUNT && several; a++)
		if (action_set_has(&set, a))
			buf_printf(&b, " `%s`", action_info[a].name);
	out = arena_str(arena, buf_slice(&b));
	buf_fini(&b);
	return out;
}

static const char *
about_mask(struct arena *arena, const struct mask_info *m)
{
	static const char *const arguments[] = {"", "(\"text\")", "(4)", "(1000)"};

	return arena_printf(arena, "`with %s%s`: mask function of strictness %d\n\n%s", m->name,
			    arguments[m->arg], m->rank, m->sentence);
}

const char *
lsp_about_builtin(struct arena *arena, enum symbol_kind kind, enum type type, const char *name)
{
	struct slice s = slice_str(name);
	int id;

	switch (kind) {
	case SYMBOL_FACT:
		id = fact_find(s);
		return id < 0 ? NULL : about_fact(arena, &fact_info[id]);
	case SYMBOL_ACTION:
		return about_action(arena, name);
	case SYMBOL_MASK:
		id = mask_find(s);
		return id < 0 ? NULL : about_mask(arena, &mask_info[id]);
	case SYMBOL_VALUE:
		if (enum_find(type, s) < 0)
			return NULL;
		return arena_printf(arena, "`%s`: value of type %s\n\n%s", name,
				    type_info[type].name, type_info[type].sentence);
	case SYMBOL_CONTEXT:
		id = context_find(s);
		return id < 0 ? NULL : arena_printf(arena, "`%s`: place of a column\n\n%s", name,
						    context_info[id].sentence);
	case SYMBOL_PER:
		id = limit_per_find(s);
		return id < 0 ? NULL : arena_printf(arena, "`per %s`\n\n%s", name,
						    limit_per_info[id].sentence);
	default:
		return NULL;
	}
}
