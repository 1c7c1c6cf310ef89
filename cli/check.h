/* SPDX-License-Identifier: MIT
 *
 * Between the files of `weir check`.
 */
#ifndef WEIR_CLI_CHECK_H
#define WEIR_CLI_CHECK_H

#include "cli/policy.h"

/* Compiles the policy and applies what its diagnostics suggest, again and again until they suggest
 * nothing more, then writes all files that changed. p holds the last compilation: what is left.
 * Says on standard error what it did. EXIT_OK, or EXIT_USAGE after telling why nothing was
 * written. */
int check_fix(struct cli_policy *p, const char *path, struct slice text) MUST_CHECK;

#endif
