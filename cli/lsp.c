/* SPDX-License-Identifier: MIT
 *
 * weir lsp: the language server on standard input and output.
 */
#include "cli/cli.h"
#include "lsp/lsp.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: weir lsp\n\n"
	"A language server (LSP 3.17) for policies: editors start it and speak to it over standard\n"
	"input and output. Diagnostics, hover, completion, definitions, references, renaming,\n"
	"formatting and quick fixes come from the compiler itself. docs/editors.md says how to set\n"
	"editors up.\n\n"
	"  --stdio   accepted, since some editors add it\n\n"
	"Exit code: 0 ended as the protocol says, 1 the editor went away or sent what is no message,\n"
	"2 usage.\n";

static const char **
list(struct arena *arena, const char *folder)
{
	const char **names = ARENA_ARRAY(arena, const char *, LSP_MAX_LISTED + 1);
	DIR *dir = opendir(folder);
	struct dirent *e;
	size_t n = 0, length;

	if (!dir)
		return NULL;
	while (n < LSP_MAX_LISTED && (e = readdir(dir))) {
		length = strlen(e->d_name);
		/* Of a pipe or device, reading would not end. */
		if (length > 5 && strcmp(e->d_name + length - 5, ".weir") == 0 &&
		    (e->d_type == DT_REG || e->d_type == DT_LNK))
			names[n++] = arena_str(arena, slice_str(e->d_name));
	}
	closedir(dir);
	return names;
}

static bool
write_all(const struct buf *b)
{
	size_t done = 0;

	assert(!b->failed);
	while (done < b->n) {
		ssize_t n = write(STDOUT_FILENO, b->p + done, b->n - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t) n : 0;
	}
	return true;
}

static int
serve(struct lsp *s)
{
	static uint8_t in[64 << 10];
	struct buf out = {0};
	int code;

	while (!lsp_over(s, &code)) {
		ssize_t n = read(STDIN_FILENO, in, sizeof(in));

		if (n < 0 && errno == EINTR)
			continue;
		code = EXIT_NEGATIVE;
		if (n <= 0)
			break;
		buf_reset(&out);
		lsp_feed(s, slice_of(in, (size_t) n), &out);
		if (!write_all(&out))
			break;
	}
	buf_fini(&out);
	return code;
}

int
cmd_lsp(int argc, char **argv)
{
	struct lsp_disk disk = {.list = list};
	struct lsp *s;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--stdio") != 0)
			return cli_usage_error("lsp", "no argument '%s'", argv[i]);
	}
	disk.files = parse_file_loader;
	s = lsp_new(&disk, WEIR_VERSION);
	code = serve(s);
	lsp_free(s);
	return code;
}
