/* SPDX-License-Identifier: MIT
 *
 * weir run: the gateway. Brings the compiler to the server, which does not know it.
 */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/manned.h"
#include "cli/policy.h"
#include "compiler/compile.h"
#include "compiler/config_load.h"
#include "compiler/file_mode.h"
#include "compiler/image_diagrams.h"
#include "proxy/server.h"
#include "vm/index.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: weir run -c FILE [--check] [--log-level LEVEL] [--allow-unsigned] [--core]\n\n"
	"Runs the gateway of a configuration until SIGTERM. The policy it names is text, which is\n"
	"compiled now, or an image made by `weir build`.\n\n"
	"  -c, --config FILE    the configuration\n"
	"  --check              load configuration and policy, say what is wrong, and end\n"
	"  --log-level LEVEL    debug|info|warn|error (info); the log is standard error\n"
	"  --allow-unsigned     also run an image without asking whose signature it carries\n"
	"  --core               allow core dumps, which hold passwords and rows\n\n"
	"Signals: SIGTERM and SIGINT drain and end (a second one ends at once), SIGHUP loads\n"
	"configuration and policy again and keeps the old ones when there is an error, SIGUSR1\n"
	"appends all counters to counters.json in the state folder.\n\n"
	"Exit code: 0 stopped as told, 1 could not start, 2 usage.\n";

/* The diagnostics of one file. */
struct reading {
	struct arena arena;
	struct sources sources;
	struct diag_queue diags;
};

static void
reading_open(struct reading *r)
{
	arena_init(&r->arena, 0);
	sources_init(&r->sources, &r->arena);
	diag_init(&r->diags, &r->sources, &r->arena);
}

static void
reading_close(struct reading *r, struct buf *text)
{
	if (r->diags.n_errors + r->diags.n_warnings)
		diag_print(&r->diags, text, false);
	arena_fini(&r->arena);
}

static bool
load_config(void *ctx UNUSED, const char *path, struct arena *arena, struct config *out,
	    struct buf *text)
{
	struct reading r;
	bool good;

	reading_open(&r);
	good = config_load(path, arena, out, &r.diags);
	reading_close(&r, text);
	return good;
}

static bool
load_password(void *ctx UNUSED, const struct config_target *t, int stop_fd, struct buf *secret,
	      struct buf *text)
{
	return config_password_again(t, stop_fd, secret, text);
}

/* The policy's own tests and proofs, as `weir build` checks them before it signs: one that fails
 * has found a policy that does not do what its author meant. */
static bool
passes_its_tests(const char *path, struct slice policy, struct buf *text)
{
	const struct compile_options options = {.text = &policy};
	struct cli_policy p;
	struct buf failures = {0};
	struct test_counts n = {0}, proofs = {0};
	bool compiled = cli_policy_compile(&p, "run", path, &options, true) == EXIT_OK;

	if (compiled) {
		n = cli_policy_test(&p, false, &failures);
		proofs = cli_policy_prove(&p, false, &failures);
	}
	if (n.failed || proofs.failed)
		buf_printf(text,
			   "%.*s%s is refused: %u of its own tests failed, %u of its proofs do not "
			   "hold (weir test)\n",
			   SLICE_ARG(buf_slice(&failures)), path, n.failed, proofs.failed);
	buf_fini(&failures);
	cli_policy_close(&p);
	return compiled && n.failed == 0 && proofs.failed == 0;
}

/* Made here and now from the text at hand, so there is nobody's signature to ask for. */
static bool
compile_text(const char *path, struct slice policy, struct reading *r, struct arena *arena,
	     struct image **out, struct buf *text)
{
	const struct compile_options options = {.text = &policy};
	const struct image_trust trust = {.allow_unsigned = true};
	struct image_error err;
	struct buf bytes = {0};
	bool good = compile_policy(path, &r->arena, &r->diags, &bytes, &options, NULL);

	/* Nobody has signed them: whoever writes to them writes the rules. */
	for (uint32_t i = 0; i < r->sources.n; i++)
		file_mode_look(&r->diags, r->sources.files[i].path, FILE_RULES,
			       r->sources.files[i].imported);
	if (good) {
		assert(!bytes.failed);
		*out = image_load(arena, buf_slice(&bytes), &trust, &err);
		good = *out != NULL;
		if (!good)
			buf_printf(text, "%s: the compiled policy is refused: %s\n", path,
				   err.text);
	}
	buf_fini(&bytes);
	return good && passes_its_tests(path, policy, text);
}

/* A signature says who gave the image away, not that what runs of it is what its rules say. */
static bool
check_diagrams(const char *path, struct image *img, struct buf *text)
{
	struct buf why = {0};
	bool dropped, good = image_diagrams_agree(img, &why, &dropped);

	if (!good)
		buf_printf(text, "%s is refused: %.*s\n", path, SLICE_ARG(buf_slice(&why)));
	if (dropped)
		buf_printf(text, "%s: its diagram is too large to be compared with its rules; it is not "
				 "used, each decision is the list's\n", path);
	buf_fini(&why);
	return good;
}

/* Anybody can sign: a signature is worth something only by a key that the operator named. */
static bool
load_image(const struct config *c, struct slice bytes, bool allow_unsigned, uint64_t min_counter,
	   struct arena *arena, struct image **out, struct buf *text)
{
	const struct image_trust trust = {.allow_unsigned = allow_unsigned && c->n_signers == 0,
					  .keys = c->signers,
					  .n_keys = c->n_signers,
					  .min_counter = min_counter};
	struct image_error err;

	if (c->n_signers == 0 && !allow_unsigned) {
		buf_printf(text,
			   "%s is an image, and the configuration does not say whose signature counts: "
			   "add signed-by \"KEY\" after its name (weir build --key prints the KEY), or "
			   "start with --allow-unsigned\n", c->policy_path);
		return false;
	}
	*out = image_load(arena, bytes, &trust, &err);
	if (!*out)
		buf_printf(text, "%s is refused: %s\n%s", c->policy_path, err.text,
			   err.code != IMAGE_ERROR_COUNTER ? "" :
			   "an image with that counter was in force already: to go back to an older "
			   "policy on purpose, build it again with a higher one (weir build --counter)\n");
	return *out && check_diagrams(c->policy_path, *out, text);
}

static void
note_slow(const struct image *img, const char *path, struct buf *text)
{
	for (int e = 0; e < ENTRY_COUNT; e++) {
		if (img->entry[e].index_too_big)
			buf_printf(text, "%s: an index for its %s rules would take more than %d MiB; "
					 "each decision runs all of them\n", path,
				   entry_info[e].name, VM_INDEX_BYTES >> 20);
		if (img->entry[e].index_wrong)
			buf_printf(text, "%s: the index for its %s rules could leave rules out and is "
					 "not used; each decision runs all of them. This is a mistake "
					 "of weir: please report it with the policy\n", path,
				   entry_info[e].name);
	}
}

static bool
load_policy(void *ctx, const struct config *c, uint64_t min_counter, struct arena *arena,
	    struct image **out, struct buf *text)
{
	const bool *allow_unsigned = ctx;
	const char *path = c->policy_path, *error;
	struct slice bytes;
	struct reading r;
	bool good = false;

	reading_open(&r);
	if (!source_read(&r.arena, path, &bytes, &error))
		buf_printf(text, "cannot read the policy %s: %s\n", path, error);
	else if (image_is_image(bytes))
		good = load_image(c, bytes, *allow_unsigned, min_counter, arena, out, text);
	else if (c->n_signers)
		buf_printf(text, "%s is policy text, which nobody has signed: signed-by asks for an "
				 "image (weir build --key)\n", path);
	else
		good = compile_text(path, bytes, &r, arena, out, text);
	if (good)
		manned_look(&r.diags, *out, c, &r.arena);
	reading_close(&r, text);
	if (good)
		note_slow(*out, path, text);
	return good;
}

static bool
parse_level(const char *name)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0) {
			log_min_level = (enum log_level) i;
			return true;
		}
	return false;
}

int
cmd_run(int argc, char **argv)
{
	bool allow_unsigned = false;
	struct server_options o = {
		.version = WEIR_VERSION,
		.loader = {&allow_unsigned, load_config, load_policy, load_password},
	};
	char path[PATH_MAX];

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(a, "--check") == 0) {
			o.check_only = true;
		} else if (strcmp(a, "--allow-unsigned") == 0) {
			allow_unsigned = true;
		} else if (strcmp(a, "--core") == 0) {
			o.core = true;
		} else if (strcmp(a, "-c") == 0 || strcmp(a, "--config") == 0) {
			if (!value)
				return cli_usage_error("run", "%s needs a file", a);
			o.config_path = value, i++;
		} else if (strcmp(a, "--log-level") == 0) {
			if (!value || !parse_level(value))
				return cli_usage_error("run", "--log-level is debug, info, warn "
							      "or error");
			i++;
		} else {
			return cli_usage_error("run", "no option '%s'", a);
		}
	}
	if (!o.config_path)
		return cli_usage_error("run", "which configuration? -c FILE");
	/* A reload reads the same file, wherever the process was started. If there is none, reading
	 * it will say so. */
	if (realpath(o.config_path, path))
		o.config_path = path;
	return server_run(&o);
}
