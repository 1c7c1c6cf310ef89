/* SPDX-License-Identifier: MIT
 *
 * weir test: runs the tests that a policy carries, and says how much of the policy they would
 * notice.
 */
#include "cli/cli.h"
#include "cli/coverage.h"
#include "cli/mutate.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"usage: weir test FILE [--coverage] [--strict] [--mutate [--seconds N]] [--json]\n\n"
	"Runs every `test` of a policy: its statement is analysed as the gateway would, each of its\n"
	"effects is decided, and the outcome is compared with what is expected. No database is asked.\n"
	"What a test does not say is taken to be: a TLS connection from 127.0.0.1, Monday 12:00 UTC,\n"
	"no open transaction, names without a schema in schema public; `with FACT = VALUE` says\n"
	"otherwise. The resource of a target is its pattern without the '*'. Every `prove` is decided\n"
	"as well, as by `weir prove`.\n\n"
	"  --coverage    which rules did something, which clauses were seen to hold and to fail,\n"
	"                which masks met a column, which verdicts came\n"
	"  --strict      fail when a rule does nothing in any test\n"
	"  --mutate      change the policy in one place at a time (a clause dropped, a condition\n"
	"                turned around, a boundary moved, a group added, a mask swapped, a rule taken\n"
	"                away) and name each change that no test notices\n"
	"  --seconds N   stop --mutate after so long (60)\n"
	"  --json        one object a line: test, file, line, passed, and what failed; then coverage\n"
	"                and mutants\n\n"
	"Exit code: 0 all passed, 1 some failed or the policy does not compile, --strict found a rule\n"
	"without a test, or --mutate a change that no test notices; 2 usage.\n";

struct test_args {
	const char *path;
	bool json, coverage, strict, mutate;
	unsigned seconds;
};

static int
parse_args(int argc, char **argv, struct test_args *a)
{
	for (int i = 1; i < argc; i++) {
		char *end;

		if (strcmp(argv[i], "--json") == 0) {
			a->json = true;
		} else if (strcmp(argv[i], "--coverage") == 0) {
			a->coverage = true;
		} else if (strcmp(argv[i], "--strict") == 0) {
			a->strict = true;
		} else if (strcmp(argv[i], "--mutate") == 0) {
			a->mutate = true;
		} else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
			unsigned long n = strtoul(argv[++i], &end, 10);

			if (*argv[i] < '0' || *argv[i] > '9' || *end || n < 1 || n > 86400)
				return cli_usage_error("test", "--seconds is from 1 to 86400");
			a->seconds = (unsigned) n;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return cli_option_error("test", argv[i], "--seconds");
		} else if (a->path) {
			return cli_usage_error("test", "one file at a time");
		} else {
			a->path = argv[i];
		}
	}
	return a->path ? EXIT_OK : cli_usage_error("test", "which file?");
}

/* The policy's tests, and what they see of it. */
static int
run_tests(const struct test_args *a, struct cli_policy *p)
{
	struct coverage *c = coverage_new(p);
	const struct test_watch watch = {c, coverage_saw, coverage_ran};
	struct buf out = {0};
	bool watched = a->coverage || a->strict;
	struct test_counts n = cli_policy_test_watched(p, a->json, watched ? &watch : NULL, &out);
	unsigned untested = watched ? coverage_untested(c) : 0;
	struct test_counts proofs = cli_policy_prove(p, a->json, &out);

	n.passed += proofs.passed;
	n.failed += proofs.failed;
	if (!a->json)
		buf_printf(&out, "%u passed, %u failed\n", n.passed, n.failed);
	if (watched && a->json)
		coverage_print_json(c, &out);
	else if (watched && (a->coverage || untested))
		coverage_print_text(c, &out);
	cli_print(&out);
	buf_fini(&out);
	coverage_free(c);
	if (a->strict && untested)
		fprintf(stderr, "weir test: %u rule%s without a test\n", untested,
			untested == 1 ? " is" : "s are");
	return n.failed || (a->strict && untested) ? EXIT_NEGATIVE : EXIT_OK;
}

int
cmd_test(int argc, char **argv)
{
	struct test_args a = {.seconds = 60};
	struct compile_options options = {0};
	struct cli_policy p;
	int code, mutated;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	code = cli_policy_compile(&p, "test", a.path, &options, true);
	if (code == EXIT_OK)
		code = run_tests(&a, &p);
	/* What fails anyway would notice every change. */
	if (a.mutate && code == EXIT_OK) {
		mutated = mutate_policy(&p, a.seconds, a.json);
		code = mutated > code ? mutated : code;
	}
	cli_policy_close(&p);
	return code;
}
