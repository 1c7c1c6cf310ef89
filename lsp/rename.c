/* SPDX-License-Identifier: MIT
 *
 * Renaming what a policy declares, in all its files. Refused where the result would mean something
 * else, or nothing.
 */
#include "lsp/lsp_internal.h"

#include "policy.h"

/* The name under the cursor, if it is one that policies declare. */
static const struct symbol_at *
renamable(struct lsp *s, const struct spot *spot)
{
	const struct symbol_at *name = symbols_find(&spot->a->symbols, spot->file, spot->off);

	if (!name)
		lsp_fail(s, LSP_REQUEST_FAILED, "there is no name here that could be changed");
	else if (lsp_is_fragment(spot->a))
		lsp_fail(s, LSP_REQUEST_FAILED, "open the policy that imports this file first: the "
						"name may be used there");
	else if (name->kind >= SYMBOL_DECLARED)
		lsp_fail(s, LSP_REQUEST_FAILED,
			 arena_printf(&s->scratch, "'%s' is a %s of the language itself",
				      name->name, symbol_kind_name(name->kind)));
	else
		return name;
	return NULL;
}

json_t *
lsp_prepare_rename(struct lsp *s, const json_t *params)
{
	const struct symbol_at *name;
	struct spot spot;
	json_t *out;

	if (!lsp_spot(s, params, &spot) || !(name = renamable(s, &spot)))
		return NULL;
	out = json_object();
	json_object_set_new(out, "range", lsp_range(s, spot.a, name->at));
	json_object_set_new(out, "placeholder", json_string(name->name));
	return out;
}

/* Whether the text is one name and nothing else, and no keyword: those can be names, but nobody
 * wants to read that. */
static bool
is_plain_name(struct lsp *s, const char *text)
{
	struct probe p;

	if (strlen(text) > 256)
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char) *c >= 0x80)
			return false; /* the lexer makes a name of it, and an error */
	probe_text(&s->scratch, slice_str(text), &p);
	return p.n == 2 && p.v[0].code == TK_NAME && p.v[0].at.len == strlen(text) &&
	       !strchr(text, '.');
}

/* Whether some expression says the word: then a `let` of that name would take its place. */
static bool
is_said(const struct symbols *sy, const char *word)
{
	for (size_t i = 0; i < sy->n; i++)
		if (!sy->v[i].declares && strcmp(sy->v[i].name, word) == 0)
			return true;
	return false;
}

/* NULL, or why the name cannot become `to`. */
static const char *
clash(struct lsp *s, const struct symbols *sy, const struct symbol_at *name, const char *to)
{
	if (!is_plain_name(s, to))
		return arena_printf(&s->scratch, "'%s' cannot be a name: letters, digits, '_' and "
				    "'-', beginning with a letter, and no keyword", to);
	for (size_t i = 0; i < sy->n; i++) {
		const struct symbol_at *o = &sy->v[i];

		if (!o->declares || strcmp(o->name, to) != 0)
			continue;
		for (size_t k = 0; k < sy->n; k++)
			if (sy->v[k].declares && sy->v[k].kind == o->kind &&
			    symbols_same(sy, name, &sy->v[k]))
				return arena_printf(&s->scratch, "there is a %s '%s' already",
						    symbol_kind_name(o->kind), to);
		if (o->kind == SYMBOL_LET && name->kind == SYMBOL_GROUP)
			return arena_printf(&s->scratch, "the let '%s' would be meant", to);
	}
	if (fact_find(slice_str(to)) >= 0)
		return arena_printf(&s->scratch, "'%s' already means something else", to);
	if (name->kind == SYMBOL_LET && is_said(sy, to))
		return arena_printf(&s->scratch, "'%s' is used for something else: the let would "
				    "take its place", to);
	return NULL;
}

/* In all policies that have the name; NULL, or why it cannot be. */
static const char *
clash_anywhere(struct lsp *s, const struct spot *spot, const struct symbol_at *name, const char *to)
{
	const char *wrong = NULL;

	for (struct document *d = s->documents; d && !wrong; d = d->next) {
		const struct symbol_at *twin = lsp_twin(s, spot, name, d);

		if (twin)
			wrong = clash(s, &d->a->symbols, twin, to);
	}
	return wrong;
}

json_t *
lsp_rename(struct lsp *s, const json_t *params)
{
	const char *to = json_string_value(json_object_get(params, "newName")), *uri, *wrong;
	const struct symbol_at *name;
	struct spot spot;
	json_t *changes, *ranges, *range, *edit, *out;
	size_t i;

	if (!to)
		return lsp_fail(s, LSP_INVALID_PARAMS, "there is no newName");
	if (!lsp_spot(s, params, &spot) || !(name = renamable(s, &spot)))
		return NULL;
	wrong = strcmp(to, name->name) != 0 ? clash_anywhere(s, &spot, name, to) : NULL;
	if (wrong)
		return lsp_fail(s, LSP_REQUEST_FAILED, wrong);
	changes = lsp_uses(s, &spot, name, true);
	json_object_foreach(changes, uri, ranges)
		json_array_foreach(ranges, i, range) {
			edit = json_object();
			json_object_set(edit, "range", range);
			json_object_set_new(edit, "newText", json_string(to));
			json_array_set_new(ranges, i, edit);
		}
	out = json_object();
	json_object_set_new(out, "changes", changes);
	return out;
}
