/* SPDX-License-Identifier: MIT
 *
 * weir fmt: puts policies into the canonical layout (compiler/fmt.h).
 */
#include "cli/cli.h"
#include "compiler/fmt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
	"usage: weir fmt [--check] FILE...\n\n"
	"Rewrites policies in the canonical layout, comments kept. `-` reads standard input and\n"
	"writes standard output. A file that does not parse is reported and left alone.\n\n"
	"  --check   change nothing; name the files that are not in canonical layout\n\n"
	"Exit codes: 0 done (--check: all canonical), 1 a file does not parse (--check: or is not\n"
	"canonical), 2 usage, or a file cannot be read or written.\n";

/* Writes beside the file and renames: a reader sees the old text or the new one. */
static int
replace(const char *path, struct slice text)
{
	char temp[4096];
	struct stat st;
	size_t done = 0;
	int fd, error = 0;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int) sizeof(temp))
		return ENAMETOOLONG;
	if (stat(path, &st) != 0)
		return errno;
	fd = mkstemp(temp);
	if (fd < 0)
		return errno;
	while (!error && done < text.n) {
		ssize_t n = write(fd, text.p + done, text.n - done);

		if (n > 0)
			done += (size_t) n;
		else if (n == 0 || errno != EINTR)
			error = n == 0 ? EIO : errno;
	}
	if (!error && (fchmod(fd, st.st_mode & 07777) != 0 || fsync(fd) != 0))
		error = errno;
	if (close(fd) != 0 && !error)
		error = errno;
	if (!error && rename(temp, path) != 0)
		error = errno;
	if (error)
		unlink(temp);
	return error;
}

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
		rc = replace(path, buf_slice(&out));
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
