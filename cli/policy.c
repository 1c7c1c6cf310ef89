/* SPDX-License-Identifier: MIT */
#include "cli/policy.h"

#include "cli/cli.h"
#include "compiler/image_diagrams.h"
#include "gate/epoch.h"

#include <stdio.h>

bool
cli_read_file(const char *command, const char *path, struct arena *arena, struct slice *out)
{
	const char *error;

	if (source_read(arena, path, out, &error))
		return true;
	fprintf(stderr, "weir %s: cannot read '%s': %s\n", command, path, error);
	return false;
}

void
cli_print(const struct buf *b)
{
	assert(!b->failed);
	if (b->n)
		fwrite(b->p, 1, b->n, stdout);
}

void
cli_put_plain(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		buf_putc(out, s.p[i] < ' ' || s.p[i] >= 0x7f ? '?' : s.p[i]);
}

static int
load_image(struct cli_policy *p, const char *command, const char *path, struct slice bytes)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct image_error err;

	p->image = image_load(&p->arena, bytes, &trust, &err);
	if (p->image)
		return EXIT_OK;
	fprintf(stderr, "weir %s: '%s' is refused: %s\n", command, path, err.text);
	return EXIT_NEGATIVE;
}

/* Of a file: nobody here has seen it made. */
static int
open_image(struct cli_policy *p, const char *command, const char *path, struct slice bytes)
{
	int code = load_image(p, command, path, bytes);
	struct buf why = {0};
	bool dropped = false;

	if (code == EXIT_OK && !image_diagrams_agree(p->image, &why, &dropped)) {
		fprintf(stderr, "weir %s: '%s' is refused: %.*s\n", command, path,
			SLICE_ARG(buf_slice(&why)));
		code = EXIT_NEGATIVE;
	}
	if (dropped)
		fprintf(stderr, "weir %s: the diagram of '%s' is too large to be compared with its "
				"rules: it is not used, the list of rules is\n", command, path);
	buf_fini(&why);
	return code;
}

static void
open_empty(struct cli_policy *p)
{
	*p = (struct cli_policy){0};
	arena_init(&p->arena, 0);
	sources_init(&p->sources, &p->arena);
	diag_init(&p->diags, &p->sources, &p->arena);
}

static int
compile(struct cli_policy *p, const char *command, const char *path,
	const struct compile_options *options, bool quiet)
{
	struct compile_options keeping = *options;
	struct catalog *catalog = NULL;
	bool good;

	keeping.catalog = &catalog;
	good = compile_policy_checked(path, &p->arena, &p->diags, &p->bytes, &keeping, &p->tree,
				      &p->checked);
	if (catalog)
		p->catalog = catalog_ref_new(catalog);
	if (!good || (!quiet && p->diags.n_warnings))
		diag_report(&p->diags);
	if (!good)
		return EXIT_NEGATIVE;
	assert(!p->bytes.failed);
	return load_image(p, command, path, buf_slice(&p->bytes));
}

int
cli_policy_compile(struct cli_policy *p, const char *command, const char *path,
		   const struct compile_options *options, bool quiet)
{
	struct compile_options with_text = *options;
	struct slice text;

	open_empty(p);
	if (!options->text) {
		if (!cli_read_file(command, path, &p->arena, &text))
			return EXIT_USAGE;
		with_text.text = &text;
	}
	return compile(p, command, path, &with_text, quiet);
}

int
cli_policy_open(struct cli_policy *p, const char *command, const char *path)
{
	struct compile_options options = {0};
	struct slice text;

	open_empty(p);
	if (!cli_read_file(command, path, &p->arena, &text))
		return EXIT_USAGE;
	if (image_is_image(text))
		return open_image(p, command, path, text);
	options.text = &text;
	return compile(p, command, path, &options, true);
}

int
cli_image_open(struct cli_policy *p, const char *command, const char *path)
{
	struct slice bytes;

	open_empty(p);
	if (!cli_read_file(command, path, &p->arena, &bytes))
		return EXIT_USAGE;
	if (image_is_image(bytes))
		return open_image(p, command, path, bytes);
	fprintf(stderr, "weir %s: '%s' is no image; `weir build` makes one of a policy\n", command,
		path);
	return EXIT_USAGE;
}

void
cli_policy_close(struct cli_policy *p)
{
	catalog_ref_put(p->catalog);
	buf_fini(&p->bytes);
	arena_fini(&p->arena);
}

void
cli_rule_place(struct buf *out, const struct image *img, size_t rule)
{
	const struct image_span *s = &img->rules[rule].span;

	buf_printf(out, "%.*s:%u:%u", SLICE_ARG(img->files[s->file].name), s->line, s->column);
}
