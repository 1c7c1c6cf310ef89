/* SPDX-License-Identifier: MIT
 *
 * weir dis: an image, or the image a policy would become, as text.
 */
#include "cli/cli.h"
#include "cli/policy.h"
#include "vm/disasm.h"

#include <stdio.h>

static const char help[] =
	"usage: weir dis FILE\n\n"
	"Prints what a policy compiles to: its groups, targets, data classes and rules, and the\n"
	"instructions of each entry point. FILE is policy text or an image.\n\n"
	"  command-entry line:  12  action-in action {sql.drop}; false -> 15; unknown is true\n"
	"  means: test whether the action is in the set; when the outcome is false go to 15, else to\n"
	"  13; an action that is not known counts as being in it.\n\n"
	"Exit code: 0 done, 1 the policy does not compile or the image is refused, 2 usage.\n";

int
cmd_dis(int argc, char **argv)
{
	struct cli_policy p;
	struct buf out = {0};
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	if (argc != 2 || (argv[1][0] == '-' && argv[1][1]))
		return cli_usage_error("dis", "one file is asked for");
	code = cli_policy_open(&p, "dis", argv[1]);
	if (code == EXIT_OK) {
		vm_disasm(&out, p.image);
		cli_print(&out);
		buf_fini(&out);
	}
	cli_policy_close(&p);
	return code;
}
