/* SPDX-License-Identifier: MIT
 *
 * weir build: policy text to a signed image. The policy's own tests run first; the image says how
 * many passed. The file appears whole or not at all.
 */
#include "base/clock.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "cli/key.h"
#include "cli/policy.h"

#include <errno.h>
#include <stdio.h>

static const char help[] =
	"usage: weir build FILE -o IMAGE [--key KEYFILE] [--counter N] [--no-tests]\n\n"
	"Compiles a policy, runs its tests and proofs, and writes the image that the gateway loads.\n\n"
	"  -o IMAGE       where to write it\n"
	"  --key KEYFILE  sign with this Ed25519 key; the file is made (mode 0600) if it is not there\n"
	"  --counter N    the number that lets a gateway refuse older images; if absent, the time in\n"
	"                 seconds (or SOURCE_DATE_EPOCH) for a signed image, 0 for an unsigned one\n"
	"  --no-tests     do not run the policy's tests and proofs\n\n"
	"Exit code: 0 built, 1 errors in the policy or a failed test, 2 usage or trouble with files.\n";

struct build_args {
	const char *path, *out, *key, *counter;
	bool no_tests;
};

static int
parse_args(int argc, char **argv, struct build_args *a)
{
	for (int i = 1; i < argc; i++) {
		const char **value = strcmp(argv[i], "-o") == 0		? &a->out
				     : strcmp(argv[i], "--key") == 0	? &a->key
				     : strcmp(argv[i], "--counter") == 0 ? &a->counter
									: NULL;

		if (value && i + 1 < argc)
			*value = argv[++i];
		else if (value)
			return cli_usage_error("build", "%s asks for a value", argv[i]);
		else if (strcmp(argv[i], "--no-tests") == 0)
			a->no_tests = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_usage_error("build", "no option '%s'", argv[i]);
		else if (a->path)
			return cli_usage_error("build", "one file at a time");
		else
			a->path = argv[i];
	}
	if (!a->path)
		return cli_usage_error("build", "which file?");
	if (!a->out)
		return cli_usage_error("build", "where to? (-o IMAGE)");
	return EXIT_OK;
}

static bool
parse_number(const char *s, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == 0 && errno == 0;
}

static int
find_counter(const struct build_args *a, uint64_t *out)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	if (a->counter)
		return parse_number(a->counter, out)
			       ? EXIT_OK
			       : cli_usage_error("build", "--counter is a number");
	*out = 0;
	if (!a->key)
		return EXIT_OK;
	if (epoch && parse_number(epoch, out))
		return EXIT_OK;
	*out = clock_wall_ns() / NS_PER_S;
	return EXIT_OK;
}

static void
print_summary(const struct image *img, const char *path, const char *key)
{
	struct buf b = {0};

	buf_printf(&b, "%s: policy %.*s, %zu rules", path, SLICE_ARG(img->policy), img->n_rules);
	if (img->n_tests)
		buf_printf(&b, ", %u tests and proofs passed", img->n_tests);
	buf_puts(&b, "\ndigest     ");
	hex_put(&b, slice_of(img->digest, SHA256_LEN));
	for (int e = 0; e < ENTRY_COUNT; e++)
		buf_printf(&b, "\n%-10s at most %u instructions%s", entry_info[e].name,
			   img->entry[e].cost,
			   img->entry[e].n > 1 && img->entry[e].stable
				   ? ", decisions can be remembered"
				   : "");
	if (img->is_signed) {
		buf_puts(&b, "\nsigned by  ");
		hex_put(&b, slice_of(img->public_key, ED25519_PUB_LEN));
		buf_printf(&b, " (%s), counter %llu\n", key, (unsigned long long) img->counter);
	} else {
		buf_puts(&b, "\nnot signed (--key KEYFILE)\n");
	}
	cli_print(&b);
	buf_fini(&b);
}

/* Number of tests and proofs that passed, or -1 after their failures were printed. */
static int
run_tests(const struct cli_policy *p)
{
	struct buf out = {0};
	struct test_counts n = cli_policy_test(p, false, &out);
	struct test_counts proofs = cli_policy_prove(p, false, &out);

	if (n.failed || proofs.failed) {
		fwrite(out.p, 1, out.n, stderr);
		fprintf(stderr,
			"weir build: %u of %u tests failed, %u of %u proofs; nothing was written\n",
			n.failed, n.passed + n.failed, proofs.failed,
			proofs.passed + proofs.failed);
	}
	n.passed += proofs.passed;
	n.failed += proofs.failed;
	buf_fini(&out);
	return n.failed ? -1 : (int) n.passed;
}

static int
build(const struct build_args *a, struct compile_options *options)
{
	struct cli_policy p;
	int code = cli_policy_compile(&p, "build", a->path, options, false), n;

	if (code == EXIT_OK && !a->no_tests) {
		n = run_tests(&p);
		if (n < 0)
			code = EXIT_NEGATIVE;
		else
			options->n_tests = (uint32_t) n;
		/* The number is part of what is signed, so the image is made again with it. */
		if (n > 0) {
			cli_policy_close(&p);
			code = cli_policy_compile(&p, "build", a->path, options, true);
		}
	}
	if (code == EXIT_OK)
		code = cli_write_image("build", a->out, buf_slice(&p.bytes));
	if (code == EXIT_OK)
		print_summary(p.image, a->out, a->key);
	cli_policy_close(&p);
	return code;
}

/* Read once: what was tested is what is signed. */
static int
read_and_build(const struct build_args *a, struct compile_options *options)
{
	struct arena arena;
	struct slice text;
	int code = EXIT_USAGE;

	arena_init(&arena, 0);
	options->text = &text;
	if (cli_read_file("build", a->path, &arena, &text))
		code = build(a, options);
	arena_fini(&arena);
	return code;
}

int
cmd_build(int argc, char **argv)
{
	struct build_args a = {0};
	struct compile_options options = {0};
	uint8_t seed[ED25519_SEED_LEN];
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code == EXIT_OK)
		code = find_counter(&a, &options.counter);
	if (code != EXIT_OK)
		return code;
	if (a.key) {
		code = key_read("build", a.key, true, seed);
		options.seed = seed;
	}
	if (code == EXIT_OK)
		code = read_and_build(&a, &options);
	secret_wipe(seed, sizeof(seed));
	return code;
}
