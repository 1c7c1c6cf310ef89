/* SPDX-License-Identifier: MIT
 *
 * weir check --fix. All rounds run in memory: files are written once, at the end.
 */
#include "cli/check.h"
#include "cli/cli.h"
#include "cli/file.h"
#include "compiler/fix.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { MAX_ROUNDS = 32, MAX_FILES = 256 };

/* Texts that differ from what is on disk, by path. */
struct overlay {
	struct {
		const char *path;
		struct slice text;
		struct cli_staged staged;
	} *v;
	size_t n;
};

static struct slice *
changed(struct overlay *o, const char *path)
{
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->v[i].path, path) == 0)
			return &o->v[i].text;
	return NULL;
}

static bool
load(void *ctx, struct arena *arena, const char *path, struct slice *text, const char **error)
{
	const struct slice *own = changed(ctx, path);

	if (!own)
		return source_read_named(arena, path, text, error);
	*text = *own;
	return true;
}

/* One compilation and its edits. The number of diagnostics that were dealt with. */
static struct fix_counts
round_of(struct cli_policy *p, const struct check_args *a, struct slice text, struct overlay *o,
	 struct buf *said)
{
	const struct parse_loader loader = {.load = load, .ctx = o};
	const struct slice *own = changed(o, a->path);
	struct slice root = own ? *own : text, *texts;
	struct compile_options options = {.text = &root, .loader = &loader};
	struct fix_counts n;

	sources_init(&p->sources, &p->arena);
	diag_init(&p->diags, &p->sources, &p->arena);
	buf_reset(&p->bytes);
	if (!compile_policy(a->path, &p->arena, &p->diags, &p->bytes, &options, &p->tree))
		assert(p->diags.n_errors > 0);
	check_look_into(p, a->strict);
	texts = ARENA_ARRAY(&p->arena, struct slice, p->sources.n + 1);
	n = fix_apply(&p->diags, &a->asked, &p->arena, texts, said);
	for (uint32_t f = 0; f < p->sources.n; f++) {
		const struct source *s = &p->sources.files[f];
		struct slice *to = changed(o, s->path);

		if (texts[f].p == s->text.p)
			continue;
		if (!to) {
			assert(o->n < MAX_FILES);
			o->v[o->n].path = s->path;
			to = &o->v[o->n++].text;
		}
		*to = texts[f];
	}
	return n;
}

/* All are written beside the files first, so that what can fail fails before anything changes. */
static int
write_all(struct overlay *o)
{
	size_t staged = 0, renamed = 0;
	int error = 0;

	while (!error && staged < o->n) {
		error = cli_file_stage(o->v[staged].path, o->v[staged].text,
				       &o->v[staged].staged);
		if (error)
			fprintf(stderr, "weir check: cannot write '%s': %s\n", o->v[staged].path,
				strerror(error));
		else
			staged++;
	}
	while (!error && renamed < staged) {
		const struct cli_staged *s = &o->v[renamed].staged;

		error = rename(s->temp, s->path) != 0 ? errno : 0;
		if (error)
			fprintf(stderr, "weir check: cannot replace '%s': %s\n",
				o->v[renamed].path, strerror(error));
		else
			renamed++;
	}
	for (size_t i = renamed; i < staged; i++)
		unlink(o->v[i].staged.temp);
	return error ? EXIT_USAGE : EXIT_OK;
}

static void
say(const struct buf *said, unsigned done, unsigned conflicts, size_t files)
{
	if (said->n)
		fwrite(said->p, 1, said->n, stderr);
	if (done)
		fprintf(stderr, "%u finding%s fixed in %zu file%s\n", done, done == 1 ? "" : "s",
			files, files == 1 ? "" : "s");
	if (conflicts)
		fprintf(stderr, "%u suggested edits overlap and were left alone\n", conflicts);
}

int
check_fix(struct cli_policy *p, const struct check_args *a, struct slice text)
{
	struct overlay o = {0};
	struct buf said = {0};
	struct fix_counts n = {.applied = 1};
	unsigned done = 0;
	int code = EXIT_OK;

	o.v = arena_alloc(&p->arena, MAX_FILES * sizeof(*o.v));
	for (int round = 0; n.applied && round < MAX_ROUNDS; round++) {
		n = round_of(p, a, text, &o, &said);
		done += n.applied;
	}
	if (n.applied) {
		fprintf(stderr, "weir check: each edit asks for another; nothing was written\n");
		code = EXIT_USAGE;
	} else {
		code = write_all(&o);
	}
	if (code == EXIT_OK)
		say(&said, done, n.conflicts, o.n);
	buf_fini(&said);
	return code;
}
