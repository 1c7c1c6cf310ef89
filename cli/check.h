/* SPDX-License-Identifier: MIT
 *
 * What `weir check` says of a policy besides its mistakes, and between the files of it.
 */
#ifndef WEIR_CLI_CHECK_H
#define WEIR_CLI_CHECK_H

#include "cli/policy.h"

/* Adds the findings about a policy that compiled, which need its image (findings.h), or that the
 * image is refused. */
void check_look_into(struct cli_policy *p, bool strict);

/* Compiles the policy and applies what its diagnostics suggest, again and again until they suggest
 * nothing more, then writes all files that changed. p holds the last compilation: what is left.
 * Says on standard error what it did. EXIT_OK, or EXIT_USAGE after telling why nothing was
 * written. */
int check_fix(struct cli_policy *p, const char *path, struct slice text, bool strict) MUST_CHECK;

#endif
