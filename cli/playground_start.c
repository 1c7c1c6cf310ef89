/* SPDX-License-Identifier: MIT
 *
 * What the playground's page begins with: a policy on disk as one text, and its catalogs as
 * another.
 */
#include "cli/playground.h"

#include "compiler/foreign.h"
#include "compiler/parse.h"

struct start {
	struct arena arena;
	struct sources sources;
	bool *put; /* by file */
};

static bool
load(void *ctx UNUSED, struct arena *arena, const char *path, struct slice *text,
     const char **error)
{
	return parse_file_loader.load(parse_file_loader.ctx, arena, path, text, error);
}

/* The path of a line that is an import and nothing else, as the policy's files have it; or NULL. */
static const char *
imported(struct start *s, uint32_t file, struct slice line)
{
	static const char word[] = "import";
	const size_t n = sizeof(word) - 1;
	const char *text = arena_str(&s->arena, line), *from, *to;

	text += strspn(text, " \t");
	from = text + n + strspn(text + n, " \t");
	if (strncmp(text, word, n) != 0 || *from != '"')
		return NULL;
	to = strchr(++from, '"');
	if (!to || to[1 + strspn(to + 1, " \t\r")])
		return NULL;
	return parse_import_path(&s->arena, s->sources.files[file].path,
				 arena_printf(&s->arena, "%.*s", (int) (to - from), from));
}

/* Each file once, where it is imported first. What could not be read stays an import, which the
 * page then complains about. */
static void
put_file(struct start *s, uint32_t file, struct buf *out)
{
	struct slice text = s->sources.files[file].text;
	uint32_t i;

	s->put[file] = true;
	while (text.n) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t) (end - text.p) : text.n;
		const char *path = imported(s, file, slice_of(text.p, n));

		for (i = 0; path && i < s->sources.n; i++)
			if (strcmp(s->sources.files[i].path, path) == 0)
				break;
		buf_puts(out, path && i < s->sources.n ? "# " : "");
		buf_put(out, text.p, n);
		buf_putc(out, '\n');
		if (path && i < s->sources.n && !s->put[i])
			put_file(s, i, out);
		text = slice_of(text.p + n + (end != NULL), text.n - n - (end != NULL));
	}
}

bool
playground_start(const char *path, struct buf *policy, struct buf *schema)
{
	const struct parse_loader loader = {.load = load, .on_screen = true};
	const struct catalog_decl *k;
	struct start s = {0};
	struct diag_queue q;
	struct policy *p;
	bool good;

	arena_init(&s.arena, 0);
	sources_init(&s.sources, &s.arena);
	diag_init(&q, &s.sources, &s.arena);
	p = parse_policy(&s.arena, &q, path, &loader);
	good = s.sources.n > 0;
	if (good) {
		s.put = ARENA_ARRAY(&s.arena, bool, s.sources.n);
		put_file(&s, 0, policy);
	}
	for (k = p->catalogs; k; k = k->next) {
		const char *error;
		struct slice text;

		if (!load(NULL, &s.arena, k->file, &text, &error) || foreign_catalog(text))
			continue; /* as above */
		buf_put_slice(schema, text);
		buf_puts(schema, text.n && text.p[text.n - 1] != '\n' ? "\n" : "");
	}
	arena_fini(&s.arena);
	return good && !policy->failed && !schema->failed;
}
