/* SPDX-License-Identifier: MIT
 *
 * The `weir` program: finds the subcommand and runs it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *sentence;
	int (*run)(int argc, char **argv);
} commands[] = {
#define COMMAND(function, name, sentence) {name, sentence, cmd_##function},
#include "cli/commands.def"
#undef COMMAND
};

static void
usage(FILE *to)
{
	fprintf(to, "usage: weir COMMAND [ARGUMENTS]\n\n"
		    "A gateway that decides every command and every result row by a policy.\n\n"
		    "Commands:\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		fprintf(to, "  %-12s %s\n", commands[i].name, commands[i].sentence);
	fprintf(to, "\n`weir COMMAND --help` tells more. Documentation: docs/ and the man page weir(1).\n");
}

int
cli_usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "weir %s: ", command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry `weir %s --help`.\n", command);
	return EXIT_USAGE;
}

int
cli_option_error(const char *command, const char *option, const char *valued)
{
	size_t n = strlen(option), word;

	for (; *valued; valued += word + (valued[word] == ' ')) {
		word = strcspn(valued, " ");
		if (word == n && memcmp(valued, option, n) == 0)
			return cli_usage_error(command, "%s asks for a value", option);
	}
	return cli_usage_error(command, "no option '%s'", option);
}

/* A report that is cut short by a full disk must not pass for the whole. */
static int
finish(const char *command, int code)
{
	bool failed = ferror(stdout);
	int error = fflush(stdout) != 0 ? errno : 0;

	if (!failed && !error)
		return code;
	fprintf(stderr, "weir %s: cannot write all of the output%s%s\n", command,
		error ? ": " : "", error ? strerror(error) : "");
	return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return finish("help", EXIT_OK);
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = "version";
	if (argc == 3 && strcmp(argv[2], "-h") == 0)
		argv[2] = "--help";
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return finish(argv[1], commands[i].run(argc - 1, argv + 1));
	fprintf(stderr, "weir: no command '%s'; `weir --help` lists them\n", argv[1]);
	return EXIT_USAGE;
}
