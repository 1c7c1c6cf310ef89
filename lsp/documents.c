/* SPDX-License-Identifier: MIT
 *
 * The texts that the editor has open, and what the compiler makes of them.
 */
#include "lsp/lsp_internal.h"

#include <stdlib.h>

/* ---- Texts ---- */

static struct document *
find_uri(struct lsp *s, const char *uri)
{
	for (struct document *d = s->documents; d; d = d->next)
		if (strcmp(d->uri, uri) == 0)
			return d;
	return NULL;
}

static struct document *
find_path(struct lsp *s, const char *path)
{
	for (struct document *d = s->documents; d; d = d->next)
		if (strcmp(d->path, path) == 0)
			return d;
	return NULL;
}

struct document *
lsp_document(struct lsp *s, const json_t *params)
{
	const json_t *named = json_object_get(params, "textDocument");
	const char *uri = json_string_value(json_object_get(named, "uri"));
	struct document *d = uri ? find_uri(s, uri) : NULL;

	if (d && d->hidden)
		d = NULL;
	if (!d)
		(void) lsp_fail(s, LSP_INVALID_PARAMS, "the document is not open");
	return d;
}

static void
analysis_free(struct analysis *a)
{
	if (!a)
		return;
	catalog_free(a->catalog);
	arena_fini(&a->arena);
	free(a);
}

static void
document_free(struct document *d)
{
	analysis_free(d->a);
	buf_fini(&d->text);
	free(d->uri);
	free(d->path);
	free(d);
}

void
lsp_documents_free(struct lsp *s)
{
	while (s->documents) {
		struct document *d = s->documents;

		s->documents = d->next;
		document_free(d);
	}
}

bool
lsp_includes(const struct analysis *a, const char *path)
{
	for (uint32_t i = 0; i < a->sources.n; i++)
		if (strcmp(a->sources.files[i].path, path) == 0)
			return true;
	return false;
}

/* The document has changed, and with it those that import it, or tried to. */
static void
touch(struct lsp *s, struct document *changed)
{
	changed->stale = true;
	changed->told = false;
	for (struct document *d = s->documents; d; d = d->next) {
		d->stale = d->stale || !d->a || lsp_includes(d->a, changed->path);
		for (const struct diag *g = d->a ? d->a->q.first : NULL; g; g = g->next)
			d->stale = d->stale || g->id == DIAG_FILE_UNREADABLE;
	}
	s->dirty = true;
}

static void
put_text(struct document *d, struct slice text)
{
	buf_reset(&d->text);
	buf_put_slice(&d->text, text);
	assert(!d->text.failed);
}

static struct slice
text_of(const json_t *text)
{
	return slice_of(json_string_value(text), json_string_length(text));
}

static struct document *
document_new(struct lsp *s, const char *uri, const char *path)
{
	struct document *d = calloc(1, sizeof(*d));

	assert(d != NULL);
	d->uri = strdup(uri);
	d->path = strdup(path);
	assert(d->uri && d->path);
	d->next = s->documents;
	s->documents = d;
	return d;
}

void
lsp_did_open(struct lsp *s, const json_t *params)
{
	const json_t *opened = json_object_get(params, "textDocument");
	const char *uri = json_string_value(json_object_get(opened, "uri"));
	const json_t *text = json_object_get(opened, "text");
	const char *path;
	struct document *d;

	if (!uri || !json_is_string(text))
		return;
	path = parse_import_path(&s->scratch, "", text_path_of_uri(&s->scratch, uri));
	d = find_uri(s, uri);
	if (!d && (d = find_path(s, path)) && d->hidden) {
		free(d->uri);
		d->uri = strdup(uri);
		assert(d->uri != NULL);
	} else if (!d) {
		d = document_new(s, uri, path);
	}
	d->hidden = false;
	put_text(d, text_of(text));
	d->version = json_integer_value(json_object_get(opened, "version"));
	touch(s, d);
}

static struct text_place
place_of(const json_t *position)
{
	json_int_t line = json_integer_value(json_object_get(position, "line"));
	json_int_t column = json_integer_value(json_object_get(position, "character"));

	return (struct text_place){line < 0 ? 0 : line > UINT32_MAX ? UINT32_MAX : (uint32_t) line,
				   column < 0		     ? 0
				   : column > UINT32_MAX ? UINT32_MAX
							 : (uint32_t) column};
}

size_t
lsp_offset(const struct lsp *s, const struct document *d, const json_t *position)
{
	return text_offset(buf_slice(&d->text), place_of(position), s->units);
}

/* One change: of a range, or of everything. */
static void
change(struct lsp *s, struct document *d, const json_t *c)
{
	const json_t *text = json_object_get(c, "text"), *range = json_object_get(c, "range");
	struct buf old = d->text;
	size_t from, to;

	if (!json_is_string(text))
		return;
	if (!range || json_is_null(range)) {
		put_text(d, text_of(text));
		return;
	}
	from = lsp_offset(s, d, json_object_get(range, "start"));
	to = lsp_offset(s, d, json_object_get(range, "end"));
	if (to < from)
		to = from;
	d->text = (struct buf){0};
	buf_put(&d->text, old.p, from);
	buf_put(&d->text, json_string_value(text), json_string_length(text));
	buf_put(&d->text, old.p + to, old.n - to);
	assert(!d->text.failed);
	buf_fini(&old);
}

void
lsp_did_change(struct lsp *s, const json_t *params)
{
	const json_t *changes = json_object_get(params, "contentChanges");
	const json_t *named = json_object_get(params, "textDocument");
	struct document *d = lsp_document(s, params);

	if (!d)
		return;
	for (size_t i = 0; i < json_array_size(changes); i++)
		change(s, d, json_array_get(changes, i));
	d->version = json_integer_value(json_object_get(named, "version"));
	touch(s, d);
}

/* Policies that were read for files that are no longer open go; those files that are look again. */
static void
prune(struct lsp *s)
{
	for (struct document **at = &s->documents; *at;) {
		struct document *d = *at;
		bool wanted = !d->hidden;

		for (struct document *o = s->documents; o && !wanted; o = o->next)
			wanted = !o->hidden && d->a && lsp_includes(d->a, o->path);
		d->looked = false;
		if (wanted) {
			at = &d->next;
			continue;
		}
		*at = d->next;
		document_free(d);
	}
}

/* Files on disk may have changed too. */
void
lsp_did_save(struct lsp *s, const json_t *params UNUSED)
{
	const char *error;
	struct slice text;

	prune(s);
	for (struct document *d = s->documents; d; d = d->next) {
		d->stale = true;
		if (!d->hidden)
			continue;
		if (!s->disk->files.load(s->disk->files.ctx, &s->scratch, d->path, &text, &error))
			text = (struct slice){0};
		put_text(d, text);
	}
	s->dirty = true;
}

void
lsp_did_close(struct lsp *s, const json_t *params)
{
	struct document *d = lsp_document(s, params), **at = &s->documents;

	if (!d)
		return;
	touch(s, d);
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	document_free(d);
	prune(s);
}

/* ---- Analyses ---- */

static bool
load(void *ctx, struct arena *arena, const char *path, struct slice *text, const char **error)
{
	struct lsp *s = ctx;
	struct document *d = find_path(s, path);

	if (!d)
		return s->disk->files.load(s->disk->files.ctx, arena, path, text, error);
	*text = buf_slice(&d->text);
	return true;
}

static struct analysis *
analyse(struct lsp *s, struct document *d)
{
	struct analysis *a = calloc(1, sizeof(*a));
	const struct parse_loader loader = {.load = load, .ctx = s, .on_screen = true};
	struct slice text = buf_slice(&d->text);
	const struct compile_options options = {
		.text = &text, .loader = &loader, .catalog = &a->catalog, .list_only = true};
	struct buf image = {0};

	assert(a != NULL);
	arena_init(&a->arena, 0);
	sources_init(&a->sources, &a->arena);
	diag_init(&a->q, &a->sources, &a->arena);
	(void) !compile_policy_checked(d->path, &a->arena, &a->q, &image, &options, &a->policy,
				       &a->checked);
	buf_fini(&image);
	symbols_init(&a->symbols, &a->arena, a->policy);
	a->lines = ARENA_ARRAY(&a->arena, struct text_lines, a->sources.n + 1);
	return a;
}

static struct analysis *
own_analysis(struct lsp *s, struct document *d)
{
	if (d->stale || !d->a) {
		analysis_free(d->a);
		d->a = analyse(s, d);
		d->stale = false;
	}
	return d->a;
}

/* A file without `policy NAME` belongs to the policies that import it. */
bool
lsp_is_fragment(const struct analysis *a)
{
	return a->policy->name.s == NULL;
}

/* Keeps the policy at this path if it imports the document. */
static void
try_policy(struct lsp *s, const char *path, const struct document *fragment)
{
	struct document *d;
	struct slice text;
	const char *error;

	if (find_path(s, path) ||
	    !s->disk->files.load(s->disk->files.ctx, &s->scratch, path, &text, &error) ||
	    text.n > SOURCE_MAX_BYTES || !memmem(text.p, text.n, "import", 6))
		return;
	d = document_new(s, text_uri_of_path(&s->scratch, path), path);
	d->hidden = true;
	put_text(d, text);
	if (lsp_is_fragment(own_analysis(s, d)) || !lsp_includes(d->a, fragment->path)) {
		s->documents = d->next;
		document_free(d);
	}
}

/* In the folder of the document and in the one above. */
static void
look_for_policies_of(struct lsp *s, const struct document *d)
{
	char *folder = arena_str(&s->scratch, slice_str(d->path)), *slash;

	for (int up = 0; up < 2 && *folder == '/'; up++) {
		const char **names;

		slash = strrchr(folder, '/');
		*slash = '\0';
		names = s->disk->list(&s->scratch, *folder ? folder : "/");
		for (int i = 0; names && names[i] && i < LSP_MAX_LISTED; i++)
			try_policy(s, arena_printf(&s->scratch, "%s/%s", folder, names[i]), d);
	}
}

struct analysis *
lsp_analysis(struct lsp *s, struct document *d, uint32_t *file)
{
	struct analysis *own = own_analysis(s, d), *a;

	*file = 0;
	if (!lsp_is_fragment(own))
		return own;
	if (!d->looked && !d->hidden) {
		d->looked = true;
		look_for_policies_of(s, d);
	}
	for (struct document *root = s->documents; root; root = root->next) {
		if (root == d)
			continue;
		a = own_analysis(s, root);
		for (uint32_t i = 1; i < a->sources.n && !lsp_is_fragment(a); i++)
			if (strcmp(a->sources.files[i].path, d->path) == 0) {
				*file = i;
				return a;
			}
	}
	return own;
}

void
lsp_look_for_policies(struct lsp *s)
{
	uint32_t file;

	for (struct document *d = s->documents; d; d = d->next)
		(void) lsp_analysis(s, d, &file);
}

struct document *
lsp_readable(struct lsp *s, const json_t *params)
{
	struct document *d = lsp_document(s, params);

	if (d && d->text.n > SOURCE_MAX_BYTES) {
		(void) lsp_fail(s, LSP_REQUEST_FAILED, "the file is too large for a policy");
		return NULL;
	}
	return d;
}

bool
lsp_spot(struct lsp *s, const json_t *params, struct spot *out)
{
	struct document *d = lsp_readable(s, params);

	if (!d)
		return false;
	out->doc = d;
	out->a = lsp_analysis(s, d, &out->file);
	out->off = lsp_offset(s, d, json_object_get(params, "position"));
	return true;
}

/* ---- Places for the editor ---- */

static json_t *
position(const struct lsp *s, const struct text_lines *lines, size_t off)
{
	struct text_place at = text_place_at(lines, off, s->units);
	json_t *out = json_object();

	json_object_set_new(out, "line", json_integer(at.line));
	json_object_set_new(out, "character", json_integer(at.column));
	return out;
}

json_t *
lsp_range_of(const struct lsp *s, const struct text_lines *lines, size_t from, size_t to)
{
	json_t *out = json_object();

	json_object_set_new(out, "start", position(s, lines, from));
	json_object_set_new(out, "end", position(s, lines, to));
	return out;
}

json_t *
lsp_range(const struct lsp *s, struct analysis *a, struct span at)
{
	struct text_lines *lines;

	if (span_is_none(at))
		at = (struct span){0, 0, 0};
	assert(at.file <= a->sources.n);
	lines = &a->lines[at.file];
	if (lines->n == 0)
		text_lines_init(lines, &a->arena,
				a->sources.n ? a->sources.files[at.file].text : (struct slice){0});
	return lsp_range_of(s, lines, at.off, at.off + at.len);
}

const char *
lsp_uri(struct lsp *s, const struct analysis *a, uint32_t file)
{
	const char *path = a->sources.files[file].path;
	const struct document *d = find_path(s, path);

	return d ? d->uri : text_uri_of_path(&s->scratch, path);
}

json_t *
lsp_location(struct lsp *s, struct analysis *a, struct span at)
{
	json_t *out = json_object();

	json_object_set_new(out, "uri", lsp_string(slice_str(lsp_uri(s, a, at.file))));
	json_object_set_new(out, "range", lsp_range(s, a, at));
	return out;
}
