/* SPDX-License-Identifier: MIT
 *
 * What the compiler says, pushed to the editor: for the open policies and all that they import.
 */
#include "lsp/lsp_internal.h"

enum { SEVERITY_ERROR = 1, SEVERITY_WARNING = 2, SEVERITY_INFORMATION = 3, TAG_UNNECESSARY = 1 };

/* Of one file. Text that is no policy at all has an error a byte, sent again with each key. */
enum { MAX_SHOWN = 200 };

/* A fragment whose policy is not open: what only that policy can know is not held against it. */
static bool
needs_its_policy(enum diag_id id)
{
	switch (id) {
	case DIAG_NO_POLICY:
	case DIAG_UNKNOWN_GROUP:
	case DIAG_UNKNOWN_TARGET:
	case DIAG_UNKNOWN_DATA:
	case DIAG_UNKNOWN_NAME:
	case DIAG_UNKNOWN_RULE:
		return true;
	default:
		return diag_code(id)[0] == 'W';
	}
}

/* The message; remarks without a place are lines of it, for that is where they are seen. */
static json_t *
message(const struct diag *d)
{
	struct buf text = {0};
	json_t *out;

	buf_puts(&text, d->text);
	for (const struct diag_note *n = d->notes; n; n = n->next)
		if (span_is_none(n->at))
			buf_printf(&text, "\n%s", n->text);
	out = lsp_string(buf_slice(&text));
	buf_fini(&text);
	return out;
}

static json_t *
related(struct lsp *s, struct analysis *a, const struct diag *d)
{
	json_t *list = json_array(), *item;

	for (const struct diag_note *n = d->notes; n; n = n->next) {
		if (span_is_none(n->at))
			continue;
		item = json_object();
		json_object_set_new(item, "location", lsp_location(s, a, n->at));
		json_object_set_new(item, "message", lsp_string(slice_str(n->text)));
		json_array_append_new(list, item);
	}
	return list;
}

json_t *
lsp_diagnostic(struct lsp *s, struct analysis *a, const struct diag *d)
{
	json_t *out = json_object(), *places = related(s, a, d);

	json_object_set_new(out, "range", lsp_range(s, a, d->at));
	json_object_set_new(out, "severity", json_integer(d->severity == DIAG_ERROR
								  ? SEVERITY_ERROR
								  : SEVERITY_WARNING));
	json_object_set_new(out, "code", json_string(diag_code(d->id)));
	json_object_set_new(out, "source", json_string("weir"));
	json_object_set_new(out, "message", message(d));
	if (json_array_size(places))
		json_object_set(out, "relatedInformation", places);
	json_decref(places);
	if (d->id == DIAG_UNUSED)
		json_object_set_new(out, "tags", json_pack("[i]", TAG_UNNECESSARY));
	return out;
}

/* Whether one of the first n of the list is equal. */
static bool
contains(const json_t *list, size_t n, const json_t *item)
{
	for (size_t i = 0; i < n; i++)
		if (json_equal(json_array_get(list, i), item))
			return true;
	return false;
}

/* In place of what is left out. */
static json_t *
more(struct lsp *s, struct analysis *a, size_t n)
{
	json_t *out = json_object();

	json_object_set_new(out, "range", lsp_range(s, a, SPAN_NONE));
	json_object_set_new(out, "severity", json_integer(SEVERITY_INFORMATION));
	json_object_set_new(out, "source", json_string("weir"));
	json_object_set_new(out, "message", json_string(arena_printf(
		&s->scratch, "%zu more are not shown", n)));
	return out;
}

/* Adds what an analysis says of one of its files to the list. Two policies that import a file
 * mostly say the same about it. */
static void
collect_file(struct lsp *s, struct analysis *a, uint32_t file, json_t *list)
{
	size_t n_before = json_array_size(list), left_out = 0;
	json_t *item;

	for (const struct diag *g = a->q.first; g; g = g->next) {
		if ((span_is_none(g->at) ? 0 : g->at.file) != file ||
		    (lsp_is_fragment(a) && needs_its_policy(g->id)))
			continue;
		if (json_array_size(list) >= MAX_SHOWN) {
			left_out++;
			continue;
		}
		item = lsp_diagnostic(s, a, g);
		if (!contains(list, n_before, item))
			json_array_append(list, item);
		json_decref(item);
	}
	if (left_out)
		json_array_append_new(list, more(s, a, left_out));
}

/* Every file of the analysis gets a list, be it empty. */
static void
collect(struct lsp *s, struct document *d, struct analysis *a, json_t *all)
{
	for (uint32_t i = 0; i < a->sources.n || i == 0; i++) {
		const char *uri = i < a->sources.n ? lsp_uri(s, a, i) : d->uri;
		json_t *list = json_object_get(all, uri);

		if (!list)
			json_object_set_new(all, uri, list = json_array());
		collect_file(s, a, i, list);
	}
}

static void
send_list(struct buf *out, const char *uri, json_t *list, const struct document *d)
{
	json_t *params = json_object(), *m = json_object();

	json_object_set_new(params, "uri", json_string(uri));
	if (d)
		json_object_set_new(params, "version", json_integer(d->version));
	json_object_set(params, "diagnostics", list);
	json_object_set_new(m, "method", json_string("textDocument/publishDiagnostics"));
	json_object_set_new(m, "params", params);
	lsp_send(out, m);
}

/* What is new, and what is no longer true. The lists of documents that changed are sent even when
 * they are as before: the editor may have moved its marks. */
static void
send_changes(struct lsp *s, json_t *all, struct buf *out)
{
	const char *uri;
	json_t *list, *before, *none = json_array();

	json_object_foreach(all, uri, list) {
		struct document *d = s->documents;

		while (d && (d->hidden || strcmp(d->uri, uri) != 0))
			d = d->next;
		before = json_object_get(s->published, uri);
		if ((d && !d->told) || !json_equal(before ? before : none, list))
			send_list(out, uri, list, d);
		if (d)
			d->told = true;
	}
	json_object_foreach(s->published, uri, before)
		if (!json_object_get(all, uri) && json_array_size(before))
			send_list(out, uri, none, NULL);
	json_decref(none);
}

void
lsp_publish(struct lsp *s, struct buf *out)
{
	json_t *all;
	uint32_t file;

	if (!s->dirty)
		return;
	s->dirty = false;
	lsp_look_for_policies(s);
	all = json_object();
	for (struct document *d = s->documents; d; d = d->next) {
		struct analysis *a = lsp_analysis(s, d, &file);

		if (a == d->a)
			collect(s, d, a, all);
	}
	send_changes(s, all, out);
	json_decref(s->published);
	s->published = all;
}
