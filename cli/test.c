/* SPDX-License-Identifier: MIT
 *
 * weir test: runs the tests that a policy carries.
 */
#include "cli/cli.h"
#include "cli/policy.h"

#include <stdio.h>

static const char help[] =
	"usage: weir test FILE [--json]\n\n"
	"Runs every `test` of a policy: its statement is analysed as the gateway would, each of its\n"
	"effects is decided, and the outcome is compared with what is expected. No database is asked.\n"
	"What a test does not say is taken to be: a TLS connection from 127.0.0.1, Monday 12:00 UTC,\n"
	"no open transaction, names without a schema in schema public; `with FACT = VALUE` says\n"
	"otherwise. The resource of a target is its pattern without the '*'.\n\n"
	"  --json   one object a line: test, file, line, passed, and what failed\n\n"
	"Exit code: 0 all passed, 1 some failed or the policy does not compile, 2 usage.\n";

int
cmd_test(int argc, char **argv)
{
	struct compile_options options = {0};
	const char *path = NULL;
	struct cli_policy p;
	struct test_counts n;
	struct buf out = {0};
	bool json = false;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_usage_error("test", "no option '%s'", argv[i]);
		else if (path)
			return cli_usage_error("test", "one file at a time");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error("test", "which file?");
	code = cli_policy_compile(&p, "test", path, &options, true);
	if (code == EXIT_OK) {
		n = cli_policy_test(&p, json, &out);
		if (!json)
			buf_printf(&out, "%u passed, %u failed\n", n.passed, n.failed);
		cli_print(&out);
		buf_fini(&out);
		code = n.failed ? EXIT_NEGATIVE : EXIT_OK;
	}
	cli_policy_close(&p);
	return code;
}
