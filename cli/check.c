/* SPDX-License-Identifier: MIT
 *
 * weir check: all that the compiler has to say about a policy.
 */
#include "cli/cli.h"
#include "cli/policy.h"

#include <stdio.h>

static const char help[] =
	"usage: weir check FILE [--format text|json]\n\n"
	"Reads a policy and reports everything that is wrong or doubtful about it, with places,\n"
	"stable codes and, where possible, what to do. Nothing is written.\n\n"
	"  --format json   one JSON object with all findings\n\n"
	"Exit code: 0 clean, 1 findings, 2 usage or an unreadable file.\n";

int
cmd_check(int argc, char **argv)
{
	struct compile_options options = {0};
	const char *path = NULL;
	struct cli_policy p = {0};
	struct slice text;
	struct buf out = {0};
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--format") == 0 && i + 1 < argc) {
			json = strcmp(argv[++i], "json") == 0;
			if (!json && strcmp(argv[i], "text") != 0)
				return cli_usage_error("check", "no format '%s'", argv[i]);
		} else if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return cli_usage_error("check", "no option '%s'", argv[i]);
		} else if (path) {
			return cli_usage_error("check", "one file at a time");
		} else {
			path = argv[i];
		}
	}
	if (!path)
		return cli_usage_error("check", "which file?");
	arena_init(&p.arena, 0);
	sources_init(&p.sources, &p.arena);
	diag_init(&p.diags, &p.sources, &p.arena);
	if (!cli_read_file("check", path, &p.arena, &text)) {
		cli_policy_close(&p);
		return EXIT_USAGE;
	}
	options.text = &text;
	if (!compile_policy(path, &p.arena, &p.diags, &p.bytes, &options, NULL))
		assert(p.diags.n_errors > 0);
	if (json)
		diag_print_json(&p.diags, &out);
	else
		diag_report(&p.diags);
	cli_print(&out);
	buf_fini(&out);
	int code = p.diags.n_errors + p.diags.n_warnings ? EXIT_NEGATIVE : EXIT_OK;
	cli_policy_close(&p);
	return code;
}
