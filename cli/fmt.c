/* SPDX-License-Identifier: MIT
 *
 * weir fmt: puts policies into the canonical layout (compiler/fmt.h).
 */
#include "cli/cli.h"
#include "cli/file.h"
#include "compiler/fmt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: weir fmt [--check] FILE...\n\n"
	"Rewrites policies in the canonical layout, comments kept. `-` reads standard input and\n"
	"writes standard output. A file that does not parse is reported and left alone.\n\n"
	"  --check   change nothing; name the files that are not in canonical layout\n\n"
	"Exit codes: 0 done (--check: all canonical), 1 a file does not parse (--check: or is not\n"
	"canonical), 2 usage, or a file cannot be read or written.\n";

static int
fmt_file(const char *path, bool check)
{
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct slice text;
	const char *error = NULL;
	struct buf out = {0};
	int exit_code = EXIT_OK, rc = 0;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	if (!source_read(&arena, path, &text, &error)) {
		fprintf(stderr, "weir fmt: cannot read '%s': %s\n", path, error);
		arena_fini(&arena);
		return EXIT_USAGE;
	}
	if (!fmt_policy(&arena, &q, strcmp(path, "-") == 0 ? "<stdin>" : path, text, &out)) {
		diag_report(&q);
		exit_code = EXIT_NEGATIVE;
	} else if (check) {
		if (!slice_eq(text, buf_slice(&out))) {
			printf("%s\n", path);
			exit_code = EXIT_NEGATIVE;
		}
	} else if (strcmp(path, "-") == 0) {
		if (out.n && fwrite(out.p, 1, out.n, stdout) != out.n)
			rc = errno;
	} else if (!slice_eq(text, buf_slice(&out))) {
		rc = cli_file_replace(path, buf_slice(&out));
	}
	if (rc) {
		fprintf(stderr, "weir fmt: cannot write '%s': %s\n", path, strerror(rc));
		exit_code = EXIT_USAGE;
	}
	buf_fini(&out);
	arena_fini(&arena);
	return exit_code;
}

int
cmd_fmt(int argc, char **argv)
{
	bool check = false;
	int worst = EXIT_OK, files = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return EXIT_OK;
		}
		if (strcmp(argv[i], "--check") == 0)
			check = true;
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			return cli_usage_error("fmt", "no option %s", argv[i]);
		else
			files++;
	}
	if (files == 0)
		return cli_usage_error("fmt", "name the policies to format, or `-`");
	for (int i = 1; i < argc; i++) {
		int rc;

		if (strcmp(argv[i], "--check") == 0)
			continue;
		rc = fmt_file(argv[i], check);
		worst = rc > worst ? rc : worst;
	}
	return worst;
}
