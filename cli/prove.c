/* SPDX-License-Identifier: MIT
 *
 * weir prove: the proofs that a policy carries.
 */
#include "cli/cli.h"
#include "cli/policy.h"

#include <stdio.h>

static const char help[] =
	"usage: weir prove FILE [--json]\n\n"
	"Decides every `prove` of a policy over all inputs:\n\n"
	"  prove only auditors see card unmasked\n"
	"  prove nobody runs sql.ddl without a hold\n\n"
	"Of one that does not hold a counterexample is printed, as a `test` that passes as things are.\n"
	"What a hold lets through once it is released counts as seen. `weir test` and `weir build`\n"
	"check the proofs as well.\n\n"
	"  --json   one object a line: proof, file, line, passed, and what failed\n\n"
	"Exit code: 0 all hold, 1 some do not or the policy does not compile, 2 usage.\n";

int
cmd_prove(int argc, char **argv)
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
			return cli_usage_error("prove", "no option '%s'", argv[i]);
		else if (path)
			return cli_usage_error("prove", "one file at a time");
		else
			path = argv[i];
	}
	if (!path)
		return cli_usage_error("prove", "which file?");
	code = cli_policy_compile(&p, "prove", path, &options, true);
	if (code == EXIT_OK) {
		n = cli_policy_prove(&p, json, &out);
		if (!json)
			buf_printf(&out, "%u proved, %u not\n", n.passed, n.failed);
		cli_print(&out);
		buf_fini(&out);
		code = n.failed ? EXIT_NEGATIVE : EXIT_OK;
	}
	cli_policy_close(&p);
	return code;
}
