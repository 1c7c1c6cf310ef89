/* SPDX-License-Identifier: MIT
 *
 * `weir audit hold`: what nobody may prune, set and released by people over the admin listener.
 */
#include "cli/audit_hold.h"

#include "audit/holds.h"
#include "base/clock.h"
#include "cli/admin_client.h"
#include "cli/audit_prune.h"
#include "cli/cli.h"
#include "session/approvals.h" /* approval_put_visible */

#include <stdio.h>
#include <string.h>

struct options {
	struct admin_client client;
	const char *reason;
	uint64_t from_ns, to_ns;
};

static const char *
text_of(const json_t *hold, const char *name)
{
	const char *s = json_string_value(json_object_get(hold, name));

	return s ? s : "";
}

static void
put(struct buf *b, const char *text, size_t max)
{
	approval_put_visible(b, slice_of(text, strnlen(text, max)), false);
}

/* "case-17  by ana since 2026-11-24T10:02:03Z, everything: reason" */
static void
print_hold(const json_t *hold)
{
	const char *from = text_of(hold, "from"), *to = text_of(hold, "to");
	struct buf b = {0};

	put(&b, text_of(hold, "name"), 4096);
	buf_puts(&b, "  by ");
	put(&b, text_of(hold, "by"), 4096);
	buf_puts(&b, " since ");
	put(&b, text_of(hold, "since"), 19);
	buf_puts(&b, *from || *to ? "Z," : "Z, everything");
	if (*from) {
		buf_puts(&b, " from ");
		put(&b, from, 19);
		buf_putc(&b, 'Z');
	}
	if (*to) {
		buf_puts(&b, " to ");
		put(&b, to, 19);
		buf_putc(&b, 'Z');
	}
	buf_puts(&b, ": ");
	put(&b, text_of(hold, "reason"), 4096);
	printf("%.*s\n", SLICE_ARG(buf_slice(&b)));
	buf_fini(&b);
}

/* Every answer has the holds in force. */
static int
ask(struct options *o, const char *method, const char *path, json_t *body /* taken */)
{
	json_t *answer, *hold;
	size_t i;
	int e = admin_client_open(&o->client);

	if (e == EXIT_OK) {
		e = admin_client_call(&o->client, method, path, body, &answer);
		admin_client_close(&o->client);
	}
	json_decref(body);
	if (e != EXIT_OK)
		return e;
	if (o->client.json) {
		admin_client_print(answer);
	} else {
		json_array_foreach(json_object_get(answer, "holds"), i, hold)
			print_hold(hold);
	}
	json_decref(answer);
	return EXIT_OK;
}

static int
change(struct options *o, const char *name, bool release)
{
	char path[256];
	json_t *body;

	if (!o->reason)
		return cli_usage_error("audit", "say why: --reason TEXT");
	if (release && (o->from_ns || o->to_ns))
		return cli_usage_error("audit", "a hold is released whole: without --from and --to");
	for (const char *p = name; *p; p++)
		if (*p <= ' ' || strchr("/?#%\\", *p))
			return cli_usage_error("audit", "'%s' cannot be the name of a hold", name);
	if (strlen(name) > HOLD_NAME_MAX)
		return cli_usage_error("audit", "a hold's name has at most %d bytes",
				       HOLD_NAME_MAX);
	snprintf(path, sizeof(path), "/v1/audit/holds/%s%s", name, release ? "/release" : "");
	body = json_object();
	json_object_set_new(body, "reason", json_string(o->reason));
	if (o->from_ns)
		json_object_set_new(body, "from", json_integer((json_int_t) (o->from_ns / NS_PER_S)));
	if (o->to_ns)
		json_object_set_new(body, "to", json_integer((json_int_t) (o->to_ns / NS_PER_S)));
	return ask(o, "POST", path, body);
}

enum { OPT_REASON = 256, OPT_FROM, OPT_TO };

/* -1: go on; else the exit status. */
static int
parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		ADMIN_CLIENT_OPTIONS,
		{"reason", required_argument, NULL, OPT_REASON},
		{"from", required_argument, NULL, OPT_FROM},
		{"to", required_argument, NULL, OPT_TO},
		{0},
	};
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		if (admin_client_option(&o->client, c, optarg))
			continue;
		switch (c) {
		case OPT_REASON: o->reason = optarg; break;
		case OPT_FROM:
		case OPT_TO:
			if (!audit_parse_time(optarg, c == OPT_FROM ? &o->from_ns : &o->to_ns))
				return cli_usage_error("audit", "'%s' is not a time", optarg);
			break;
		case ':': return cli_usage_error("audit", "%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("audit", "unknown option %s", argv[optind - 1]);
		}
	}
	return -1;
}

int
cmd_audit_hold(int argc, char **argv)
{
	struct options o = {.client = {.command = "audit hold"}};
	int e = parse(&o, argc, argv), n = argc - optind;
	const char *verb = n > 0 ? argv[optind] : "";

	if (e >= 0)
		return e;
	if (strcmp(verb, "list") == 0 && n == 1)
		return ask(&o, "GET", "/v1/audit/holds", NULL);
	if ((strcmp(verb, "set") == 0 || strcmp(verb, "release") == 0) && n == 2)
		return change(&o, argv[optind + 1], *verb == 'r');
	return cli_usage_error("audit", "say hold set NAME, hold list or hold release NAME");
}
