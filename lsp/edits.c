/* SPDX-License-Identifier: MIT
 *
 * Changes that the server proposes: the canonical layout, and what a diagnostic suggests.
 */
#include "lsp/lsp_internal.h"

#include "compiler/fmt.h"

static json_t *
edit(json_t *range, struct slice text)
{
	json_t *out = json_object();

	json_object_set_new(out, "range", range);
	json_object_set_new(out, "newText", lsp_string(text));
	return out;
}

/* One edit of the lines that differ, so that the cursor stays where it is if it can. */
static json_t *
difference(struct lsp *s, struct slice old, struct slice new)
{
	struct text_lines lines;
	size_t from = 0, to = 0, max = old.n < new.n ? old.n : new.n;

	while (from < max && old.p[from] == new.p[from])
		from++;
	while (from > 0 && old.p[from - 1] != '\n')
		from--;
	while (to < max - from && old.p[old.n - to - 1] == new.p[new.n - to - 1])
		to++;
	while (to > 0 && old.p[old.n - to] != '\n')
		to--;
	text_lines_init(&lines, &s->scratch, old);
	return edit(lsp_range_of(s, &lines, from, old.n - to),
		    slice_of(new.p + from, new.n - to - from));
}

json_t *
lsp_formatting(struct lsp *s, const json_t *params)
{
	struct document *d = lsp_readable(s, params);
	struct sources sources;
	struct diag_queue q;
	struct slice text;
	struct buf out = {0};
	json_t *list;

	if (!d)
		return NULL;
	text = buf_slice(&d->text);
	sources_init(&sources, &s->scratch);
	diag_init(&q, &sources, &s->scratch);
	if (!fmt_policy(&s->scratch, &q, d->path, text, &out))
		return lsp_fail(s, LSP_REQUEST_FAILED, "the file does not parse: mend it first");
	list = json_array();
	if (!slice_eq(text, buf_slice(&out)))
		json_array_append_new(list, difference(s, text, buf_slice(&out)));
	buf_fini(&out);
	return list;
}

/* ---- Code actions ---- */

/* What the action does, in words. */
static const char *
title(struct lsp *s, const struct diag *d)
{
	const struct diag_edit *e = d->edits;

	if (e->next)
		return "make the suggested edits";
	if (e->at.len == 0)
		return arena_printf(&s->scratch, "insert '%s'", e->text);
	return *e->text ? arena_printf(&s->scratch, "change to '%s'", e->text) : "remove this";
}

static json_t *
action(struct lsp *s, struct analysis *a, const struct diag *d)
{
	json_t *out = json_object(), *changes = json_object(), *about = json_array(), *list;
	json_t *workspace = json_object();

	for (const struct diag_edit *e = d->edits; e; e = e->next) {
		const char *uri = lsp_uri(s, a, e->at.file);

		list = json_object_get(changes, uri);
		if (!list)
			json_object_set_new(changes, uri, list = json_array());
		json_array_append_new(list, edit(lsp_range(s, a, e->at), slice_str(e->text)));
	}
	json_object_set_new(workspace, "changes", changes);
	json_array_append_new(about, lsp_diagnostic(s, a, d));
	json_object_set_new(out, "title", lsp_string(slice_str(title(s, d))));
	json_object_set_new(out, "kind", json_string("quickfix"));
	json_object_set_new(out, "isPreferred", json_boolean(!d->offered));
	json_object_set_new(out, "diagnostics", about);
	json_object_set_new(out, "edit", workspace);
	return out;
}

/* Whether the editor asks for this kind, or for all. */
static bool
is_wanted(const json_t *context)
{
	const json_t *only = json_object_get(context, "only");

	if (!json_is_array(only))
		return true;
	for (size_t i = 0; i < json_array_size(only); i++) {
		const char *kind = json_string_value(json_array_get(only, i));

		if (kind && (*kind == '\0' || strcmp(kind, "quickfix") == 0))
			return true;
	}
	return false;
}

json_t *
lsp_code_action(struct lsp *s, const json_t *params)
{
	const json_t *range = json_object_get(params, "range");
	struct document *d = lsp_readable(s, params);
	json_t *list = json_array();
	struct analysis *a;
	uint32_t file;
	size_t from, to;

	if (!d) {
		json_decref(list);
		return NULL;
	}
	a = lsp_analysis(s, d, &file);
	from = lsp_offset(s, d, json_object_get(range, "start"));
	to = lsp_offset(s, d, json_object_get(range, "end"));
	for (const struct diag *g = a->q.first; g; g = g->next)
		if (g->edits && g->at.file == file && g->at.off <= to &&
		    from <= g->at.off + g->at.len && is_wanted(json_object_get(params, "context")))
			json_array_append_new(list, action(s, a, g));
	return list;
}
