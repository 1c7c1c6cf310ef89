/* SPDX-License-Identifier: MIT
 *
 * weir functions: the user-defined functions of a target, as the lines with which a policy vouches
 * for them. Read with the gateway's own login, as the gateway reads the catalog.
 */
#include "cli/cli.h"
#include "cli/policy.h"
#include "compiler/config_load.h"
#include "proxy/catalog_fetch.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const char help[] =
	"usage: weir functions [--json] -c FILE TARGET\n\n"
	"Lists the functions of a target that are not PostgreSQL's own, as lines for a policy:\n\n"
	"  trust function \"app.net(numeric)\" digest \"sha256:...\"  # sql, immutable\n\n"
	"The digest is over everything that CREATE FUNCTION says, and the owner. Read a function,\n"
	"and what it calls, before you vouch for it. Aggregates cannot be vouched for.\n\n"
	"  -c, --config FILE   the gateway's configuration\n"
	"  --json              machine-readable output\n\n"
	"Exit code: 0 listed, 2 usage, or the target cannot be read.\n";

static void
put_signature(struct buf *out, const struct catalog_function *f)
{
	struct buf s = {0};

	buf_put_slice(&s, f->schema);
	buf_putc(&s, '.');
	buf_put_slice(&s, f->name);
	buf_putc(&s, '(');
	buf_put_slice(&s, f->arguments);
	buf_putc(&s, ')');
	buf_json_string(out, buf_slice(&s));
	buf_fini(&s);
}

static void
put_line(struct buf *out, const struct catalog_function *f)
{
	if (!f->has_digest)
		buf_puts(out, "# an aggregate: ");
	buf_puts(out, "trust function ");
	put_signature(out, f);
	if (f->has_digest) {
		buf_puts(out, " digest \"sha256:");
		hex_put(out, slice_of(f->digest, SHA256_LEN));
		buf_putc(out, '"');
	}
	buf_printf(out, "  # %.*s\n", SLICE_ARG(f->note));
}

static void
put_json(struct buf *out, const struct catalog_function *f, bool last)
{
	buf_puts(out, "{\"function\": ");
	put_signature(out, f);
	if (f->has_digest) {
		buf_puts(out, ", \"digest\": \"sha256:");
		hex_put(out, slice_of(f->digest, SHA256_LEN));
		buf_putc(out, '"');
	}
	buf_puts(out, ", \"note\": ");
	buf_json_string(out, f->note);
	buf_printf(out, "}%s\n", last ? "" : ",");
}

static int
list(const struct config_target *t, bool json)
{
	int stop = eventfd(0, EFD_CLOEXEC);
	const struct catalog_function *f;
	struct fetch_trouble why;
	struct catalog *c;
	struct buf out = {0};
	size_t n;

	catalog_fetch_prepare();
	c = catalog_fetch(t, stop, &why, NULL);
	close(stop);
	if (!c) {
		fprintf(stderr, "weir functions: %s: %s: %s\n", t->name,
			why.text ? why.text : "not read", why.detail);
		return EXIT_USAGE;
	}
	f = catalog_functions(c, &n);
	buf_puts(&out, json ? "[\n" : "");
	/* Nobody need vouch for a procedure: CALL is an action of its own. */
	while (n && f[n - 1].procedure)
		n--;
	for (size_t i = 0; i < n; i++) {
		if (f[i].procedure)
			continue;
		if (json)
			put_json(&out, &f[i], i + 1 == n);
		else
			put_line(&out, &f[i]);
	}
	buf_puts(&out, json ? "]\n" : "");
	cli_print(&out);
	buf_fini(&out);
	catalog_free(c);
	return EXIT_OK;
}

static int
run(const char *path, const char *name, bool json)
{
	struct arena arena;
	struct sources sources;
	struct diag_queue diags;
	struct config config = {0};
	const struct config_target *t;
	int code = EXIT_USAGE;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&diags, &sources, &arena);
	if (!config_load(path, &arena, &config, &diags)) {
		diag_report(&diags);
	} else if ((t = config_target_find(&config, slice_str(name))) == NULL) {
		fprintf(stderr, "weir functions: %s has no target '%s'\n", path, name);
	} else {
		code = list(t, json);
	}
	config_wipe(&config);
	arena_fini(&arena);
	return code;
}

int
cmd_functions(int argc, char **argv)
{
	const char *path = NULL, *name = NULL;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if ((strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) && i + 1 < argc)
			path = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-')
			return cli_option_error("functions", argv[i], "-c --config");
		else if (name)
			return cli_usage_error("functions", "one target at a time");
		else
			name = argv[i];
	}
	if (!path || !name)
		return cli_usage_error("functions", "-c FILE and a target are asked for");
	return run(path, name, json);
}
