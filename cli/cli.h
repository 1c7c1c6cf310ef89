/* SPDX-License-Identifier: MIT
 *
 * What the subcommands share. Exit codes: 0 done, 1 the command's negative answer (findings, a
 * failed test, tampered log), 2 usage or trouble, unless a command documents others.
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "base/assert.h"

enum { EXIT_OK = 0, EXIT_NEGATIVE = 1, EXIT_USAGE = 2 };

#define COMMAND(function, name, sentence) int cmd_##function(int argc, char **argv);
#include "cli/commands.def"
#undef COMMAND

/* Prints "weir NAME: message" and a pointer to --help on standard error; returns EXIT_USAGE. */
int cli_usage_error(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As above about a word that begins with a dash: there is no such option, or it is one of `valued`
 * ("--waive --seconds") and stands last, without its value. */
int cli_option_error(const char *command, const char *option, const char *valued);

#endif
