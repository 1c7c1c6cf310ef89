/* SPDX-License-Identifier: MIT
 *
 * What `weir check` says of a policy besides its mistakes, and between the files of it.
 */
#ifndef WEIR_CLI_CHECK_H
#define WEIR_CLI_CHECK_H

#include "cli/policy.h"
#include "compiler/fix.h"

enum check_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_SARIF };

struct check_args {
	const char *path;
	const char *code; /* --explain */
	enum check_format format;
	bool fix, strict;
	struct fix_asked asked; /* --fix-also */
};

/* Adds the findings about a policy that compiled, which need its image (findings.h), or that the
 * image is refused. */
void check_look_into(struct cli_policy *p, bool strict);

/* Compiles the policy and applies what its diagnostics suggest, again and again until they suggest
 * nothing more, then writes all files that changed. p holds the last compilation: what is left.
 * Says on standard error what it did. EXIT_OK, or EXIT_USAGE after telling why nothing was
 * written. */
int check_fix(struct cli_policy *p, const struct check_args *a, struct slice text) MUST_CHECK;

#endif
