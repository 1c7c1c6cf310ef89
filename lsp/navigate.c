/* SPDX-License-Identifier: MIT
 *
 * From a name to what is known of it, to its declaration and its uses.
 */
#include "lsp/lsp_internal.h"

#include "policy.h"

/* The token of a document that the place is in; NULL: none. */
static const struct token *
token_at(const struct probe *p, size_t off)
{
	for (size_t i = 0; i + 1 < p->n; i++)
		if (p->v[i].at.off <= off && off < p->v[i].at.off + p->v[i].at.len)
			return &p->v[i];
	return NULL;
}

/* ---- Hover ---- */

static struct slice
text_of(const struct analysis *a, struct span at)
{
	return slice_of(a->sources.files[at.file].text.p + at.off, at.len);
}

/* A declaration as it is written; of rules the sentence too. */
static const char *
about_declared(struct lsp *s, const struct analysis *a, const struct symbol_at *name)
{
	const struct policy *p = a->policy;
	struct span at = SPAN_NONE;
	const struct rule *r;

#define FIND(list, type)                                                                          \
	for (const struct type *d = (list); d; d = d->next)                                       \
		if (d->name.s && strcmp(d->name.s, name->name) == 0)                              \
			at = d->at
	switch (name->kind) {
	case SYMBOL_GROUP:
		FIND(p->groups, group_decl);
		break;
	case SYMBOL_TARGET:
		FIND(p->targets, target_decl);
		break;
	case SYMBOL_DATA:
		FIND(p->data, data_decl);
		break;
	case SYMBOL_LET:
		FIND(p->lets, let_decl);
		break;
	case SYMBOL_RULE:
		r = symbols_rule(&a->symbols, name->name);
		if (r && r->sentence.v.p)
			return arena_printf(&s->scratch, "`%s %s`\n\n%.*s", rule_kind_name(r->kind),
					    name->name, SLICE_ARG(r->sentence.v));
		at = r ? r->at : SPAN_NONE;
		break;
	default:
		at = p->at;
		break;
	}
#undef FIND
	if (span_is_none(at))
		return NULL;
	return arena_printf(&s->scratch, "```weir\n%.*s\n```%s", SLICE_ARG(text_of(a, at)),
			    name->kind == SYMBOL_DATA ? lsp_about_columns(s, a, name->name) : "");
}

json_t *
lsp_hover(struct lsp *s, const json_t *params)
{
	const struct symbol_at *name;
	const struct token *t = NULL;
	const char *text = NULL;
	struct span at = SPAN_NONE;
	struct table_at table;
	struct probe probe;
	struct spot spot;
	json_t *out, *contents;

	if (!lsp_spot(s, params, &spot))
		return NULL;
	name = symbols_find(&spot.a->symbols, spot.file, spot.off);
	if (name) {
		at = name->at;
		text = name->kind < SYMBOL_DECLARED
			       ? about_declared(s, spot.a, name)
			       : lsp_about_builtin(&s->scratch, name->kind, name->type, name->name);
	} else if (lsp_table_at(&spot, &table)) {
		at = table.at;
		text = lsp_about_table(s, spot.a, &table);
	} else {
		probe_text(&s->scratch, buf_slice(&spot.doc->text), &probe);
		t = token_at(&probe, spot.off);
	}
	if (t && probe.word[t - probe.v]) {
		at = (struct span){spot.file, t->at.off, t->at.len};
		text = lsp_about_keyword(&s->scratch, t->code);
	} else if (t && t->code == TK_REGEX) {
		at = (struct span){spot.file, t->at.off, t->at.len};
		text = lsp_about_regex(&s->scratch, t->string);
	}
	if (!text)
		return NULL;
	contents = json_object();
	json_object_set_new(contents, "kind", json_string("markdown"));
	json_object_set_new(contents, "value", lsp_string(slice_str(text)));
	out = json_object();
	json_object_set_new(out, "contents", contents);
	json_object_set_new(out, "range", lsp_range(s, spot.a, at));
	return out;
}

/* ---- Definition, references ---- */

/* The place in the file that an import or a catalog names; NULL when the place is in neither. */
static json_t *
import_target(struct lsp *s, const struct spot *spot)
{
	struct probe probe;
	const struct token *t;
	const char *path;

	probe_text(&s->scratch, buf_slice(&spot->doc->text), &probe);
	t = token_at(&probe, spot->off);
	if (!t || t->code != TK_STRING || t == probe.v ||
	    (t[-1].code != TK_IMPORT && t[-1].code != TK_CATALOG))
		return NULL;
	path = parse_import_path(&s->scratch, spot->doc->path, (const char *) t->string.p);
	for (uint32_t i = 0; i < spot->a->sources.n; i++)
		if (strcmp(spot->a->sources.files[i].path, path) == 0)
			return lsp_location(s, spot->a, (struct span){i, 0, 0});
	return NULL;
}

json_t *
lsp_definition(struct lsp *s, const json_t *params)
{
	const struct symbol_at *name;
	struct table_at table;
	struct spot spot;
	json_t *list;

	if (!lsp_spot(s, params, &spot))
		return NULL;
	name = symbols_find(&spot.a->symbols, spot.file, spot.off);
	if (!name && lsp_table_at(&spot, &table))
		return lsp_table_places(s, spot.a, &table);
	if (!name)
		return import_target(s, &spot);
	list = json_array();
	for (size_t i = 0; i < spot.a->symbols.n; i++) {
		const struct symbol_at *o = &spot.a->symbols.v[i];

		/* A mask's own name leads on to the data class that it stands for. */
		if (o->declares && symbols_same(&spot.a->symbols, name, o) &&
		    (o->kind == name->kind || name->declares))
			json_array_append_new(list, lsp_location(s, spot.a, o->at));
	}
	return list;
}

/* The path of the file that declares the name; NULL: none does. */
static const char *
declared_in(const struct analysis *a, const struct symbol_at *name)
{
	for (size_t i = 0; i < a->symbols.n; i++)
		if (a->symbols.v[i].declares && symbols_same(&a->symbols, name, &a->symbols.v[i]))
			return a->sources.files[a->symbols.v[i].at.file].path;
	return NULL;
}

const struct symbol_at *
lsp_twin(struct lsp *s, const struct spot *spot, const struct symbol_at *name, struct document *d)
{
	const char *path = declared_in(spot->a, name);
	struct analysis *a;
	uint32_t file;

	if (d->a == spot->a)
		return name;
	a = lsp_analysis(s, d, &file);
	if (!path || a != d->a || lsp_is_fragment(a) || !lsp_includes(a, path))
		return NULL;
	for (size_t i = 0; i < a->symbols.n; i++)
		if (a->symbols.v[i].kind == name->kind && a->symbols.v[i].type == name->type &&
		    strcmp(a->symbols.v[i].name, name->name) == 0)
			return &a->symbols.v[i];
	return NULL;
}

/* Files that two policies import have each place once: `seen` knows them. */
static void
add_use(struct lsp *s, struct analysis *a, struct span at, json_t *all, json_t *seen)
{
	const char *uri = lsp_uri(s, a, at.file);
	const char *place = arena_printf(&s->scratch, "%u %s", at.off, uri);
	json_t *list = json_object_get(all, uri);

	if (json_object_get(seen, place))
		return;
	json_object_set_new(seen, place, json_true());
	if (!list)
		json_object_set_new(all, uri, list = json_array());
	json_array_append_new(list, lsp_range(s, a, at));
}

json_t *
lsp_uses(struct lsp *s, const struct spot *spot, const struct symbol_at *name, bool declarations)
{
	json_t *all = json_object(), *seen = json_object();

	for (struct document *d = s->documents; d; d = d->next) {
		const struct symbol_at *twin = lsp_twin(s, spot, name, d);
		const struct symbols *sy = twin ? &d->a->symbols : NULL;

		for (size_t i = 0; sy && i < sy->n; i++)
			if (symbols_same(sy, twin, &sy->v[i]) &&
			    (declarations || !sy->v[i].declares || sy->v[i].kind != name->kind))
				add_use(s, d->a, sy->v[i].at, all, seen);
	}
	json_decref(seen);
	return all;
}

json_t *
lsp_references(struct lsp *s, const json_t *params)
{
	const json_t *context = json_object_get(params, "context");
	bool declarations = json_is_true(json_object_get(context, "includeDeclaration"));
	const struct symbol_at *name;
	struct spot spot;
	const char *uri;
	json_t *all, *list, *ranges, *range, *item;
	size_t i;

	if (!lsp_spot(s, params, &spot))
		return NULL;
	name = symbols_find(&spot.a->symbols, spot.file, spot.off);
	list = json_array();
	all = name ? lsp_uses(s, &spot, name, declarations) : json_object();
	json_object_foreach(all, uri, ranges)
		json_array_foreach(ranges, i, range) {
			item = json_object();
			json_object_set_new(item, "uri", json_string(uri));
			json_object_set(item, "range", range);
			json_array_append_new(list, item);
		}
	json_decref(all);
	return list;
}

json_t *
lsp_highlight(struct lsp *s, const json_t *params)
{
	enum { READ = 2, WRITE = 3 };
	const struct symbol_at *name;
	struct spot spot;
	json_t *list, *item;

	if (!lsp_spot(s, params, &spot))
		return NULL;
	name = symbols_find(&spot.a->symbols, spot.file, spot.off);
	list = json_array();
	for (size_t i = 0; name && i < spot.a->symbols.n; i++) {
		const struct symbol_at *o = &spot.a->symbols.v[i];

		if (o->at.file != spot.file || !symbols_same(&spot.a->symbols, name, o))
			continue;
		item = json_object();
		json_object_set_new(item, "range", lsp_range(s, spot.a, o->at));
		json_object_set_new(item, "kind", json_integer(o->declares ? WRITE : READ));
		json_array_append_new(list, item);
	}
	return list;
}
