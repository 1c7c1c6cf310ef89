/* SPDX-License-Identifier: MIT
 *
 * A policy with its text, also where an image is given: clauses and tests are in the text only, so
 * an image is compiled again from the texts in it. It must come out as it is. Of a catalog it has
 * the names alone, and is taken without one.
 */
#include "cli/cli.h"
#include "cli/policy.h"

#include <stdio.h>

/* The files that an image carries. */
static bool
load_from_image(void *ctx, struct arena *arena UNUSED, const char *path, struct slice *text,
		const char **error)
{
	const struct image *img = ctx;

	for (size_t i = 1; i < img->n_files; i++)
		if (slice_is(img->files[i].name, path)) {
			*text = img->files[i].text;
			return true;
		}
	*error = "the image does not have it";
	return false;
}

static bool
same_code(const struct image *a, const struct image *b)
{
	bool same = a->n_rules == b->n_rules && a->n_constants == b->n_constants;

	for (int e = 0; e < ENTRY_COUNT; e++)
		same = same && a->entry[e].n == b->entry[e].n &&
		       memcmp(a->entry[e].code, b->entry[e].code,
			      a->entry[e].n * sizeof(*a->entry[e].code)) == 0;
	return same;
}

int
cli_policy_text(struct cli_policy *out, struct cli_policy *image, const char *command,
		const char *path, const struct slice *more)
{
	struct parse_loader loader = parse_file_loader;
	struct compile_options options = {.loader = &loader};
	const char *given = path;
	struct slice text;
	int code;

	arena_init(&image->arena, 0);
	if (!cli_read_file(command, path, &image->arena, &text))
		return EXIT_USAGE;
	if (image_is_image(text)) {
		cli_policy_close(image);
		code = cli_policy_open(image, command, path);
		if (code != EXIT_OK)
			return code;
		loader = (struct parse_loader){
			.load = load_from_image, .ctx = image->image, .no_catalogs = true};
		text = image->image->files[0].text;
		path = arena_str(&image->arena, image->image->files[0].name);
	}
	options.text = &text;
	loader.more = more;
	code = cli_policy_compile(out, command, path, &options, true);
	if (code != EXIT_OK || !image->image)
		return code;
	if (!same_code(image->image, out->image)) {
		fprintf(stderr, "weir %s: '%s' was made by another version of the compiler; take its "
				"text instead\n", command, given);
		return EXIT_NEGATIVE;
	}
	/* Records name the version that was loaded. */
	memcpy(out->image->digest, image->image->digest, SHA256_LEN);
	return EXIT_OK;
}
