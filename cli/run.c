/* SPDX-License-Identifier: MIT
 *
 * weir run: the gateway. Brings the compiler to the server, which does not know it.
 */
#include "base/log.h"
#include "cli/cli.h"
#include "compiler/compile.h"
#include "compiler/config_load.h"
#include "proxy/server.h"

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
	"  --log-level LEVEL    debug, info (default), warn or error; the log is standard error\n"
	"  --allow-unsigned     also run an image that nobody signed\n"
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

	if (good) {
		assert(!bytes.failed);
		*out = image_load(arena, buf_slice(&bytes), &trust, &err);
		good = *out != NULL;
		if (!good)
			buf_printf(text, "%s: the compiled policy is refused: %s\n", path,
				   err.text);
	}
	buf_fini(&bytes);
	return good;
}

static bool
load_policy(void *ctx, const char *path, struct arena *arena, struct image **out,
	    struct buf *text)
{
	const struct image_trust *trust = ctx;
	struct image_error err;
	const char *error;
	struct slice bytes;
	struct reading r;
	bool good = false;

	reading_open(&r);
	if (!source_read(&r.arena, path, &bytes, &error)) {
		buf_printf(text, "cannot read the policy %s: %s\n", path, error);
	} else if (image_is_image(bytes)) {
		*out = image_load(arena, bytes, trust, &err);
		good = *out != NULL;
		if (!good)
			buf_printf(text, "%s is refused: %s\n", path, err.text);
	} else {
		good = compile_text(path, bytes, &r, arena, out, text);
	}
	reading_close(&r, text);
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
	struct image_trust trust = {0};
	struct server_options o = {
		.version = WEIR_VERSION,
		.loader = {&trust, load_config, load_policy},
	};
	char path[PATH_MAX];

	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(a, "--check") == 0) {
			o.check_only = true;
		} else if (strcmp(a, "--allow-unsigned") == 0) {
			trust.allow_unsigned = true;
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
