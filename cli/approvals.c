/* SPDX-License-Identifier: MIT
 *
 * weir approvals: what waits for a person, and deciding it. Everything printed for people goes
 * through approval_put_visible: a statement cannot move the cursor, hide or reorder text.
 */
#include "base/clock.h"
#include "cli/admin_client.h"
#include "cli/cli.h"
#include "session/approvals.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STATEMENT_COLUMNS = 60 };

struct options {
	struct admin_client client;
	const char *state, *reason, *ticket, *id;
};

static void
usage(FILE *to)
{
	fprintf(to,
		"usage: weir approvals list [--state STATE]  --as PRINCIPAL [OPTIONS]\n"
		"       weir approvals show ID               --as PRINCIPAL [OPTIONS]\n"
		"       weir approvals approve ID [--reason TEXT] [--ticket ID]  --as PRINCIPAL [OPTIONS]\n"
		"       weir approvals reject ID --reason TEXT  --as PRINCIPAL [OPTIONS]\n"
		"\n"
		"Lists, shows and decides the commands and connections that a policy holds. You see what\n"
		"you asked for and what you may decide. Agents can never approve; a rule may also say `not self`.\n"
		"\n"
		"  --as PRINCIPAL    who you are\n"
		"  --key-file FILE   your key on its first line, mode 600; else the variable WEIR_KEY\n"
		"  -c, --config FILE the gateway's configuration, for its admin address (weir.conf)\n"
		"  --admin URL       the address itself, such as http://127.0.0.1:6433; also WEIR_ADMIN\n"
		"  --ca FILE         certificates to trust when the URL is https\n"
		"  --state STATE     pending|approved|rejected|expired|cancelled|used|all (pending)\n"
		"  --reason TEXT     why; kept in the audit log\n"
		"  --ticket ID       where the change was agreed; kept in the audit log\n"
		"  --json            print the gateway's JSON\n"
		"\n"
		"Exit status: 0 done; 1 refused (not yours, not pending, no reason ...); 2 usage, or the\n"
		"gateway cannot be reached.\n");
}

static const char *
str(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static void
put(struct buf *b, const char *text)
{
	approval_put_visible(b, slice_str(text), false);
}

static void
put_needs(struct buf *b, const json_t *a)
{
	const json_t *need;
	size_t i;

	json_array_foreach(json_object_get(a, "needs"), i, need) {
		buf_printf(b, "%s%lld of %lld ", i ? ", " : "",
			   (long long) json_integer_value(json_object_get(need, "met")),
			   (long long) json_integer_value(json_object_get(need, "need")));
		put(b, str(need, "group"));
	}
}

/* "14m32s" until an RFC 3339 moment, "-" when it is over or unreadable. */
static void
put_until(struct buf *b, const char *moment)
{
	struct tm tm = {0};
	time_t left;

	if (!strptime(moment, "%Y-%m-%dT%H:%M:%S", &tm)) {
		buf_puts(b, "-");
		return;
	}
	left = timegm(&tm) - (time_t) (clock_wall_ns() / NS_PER_S);
	if (left <= 0)
		buf_puts(b, "-");
	else if (left >= 3600)
		buf_printf(b, "%ldh%02ldm", (long) left / 3600, (long) left / 60 % 60);
	else
		buf_printf(b, "%ldm%02lds", (long) left / 60, (long) left % 60);
}

static bool
connects(const json_t *a)
{
	return strcmp(str(a, "kind"), "connection") == 0;
}

/* Until when something may become of it: "" when nothing can any more. */
static const char *
deadline(const json_t *a)
{
	if (strcmp(str(a, "state"), "pending") == 0)
		return str(a, "decide_by");
	return strcmp(str(a, "state"), "approved") == 0 ? str(a, "release_until") : "";
}

/* One line, cut to STATEMENT_COLUMNS characters: for recognising, `show` is for deciding. */
static void
put_short_statement(struct buf *b, const json_t *a)
{
	struct buf all = {0};
	size_t end = 0, chars = 0;

	/* Already visible, but for its newlines and tabs. */
	if (connects(a))
		buf_puts(&all, "(to connect)");
	else
		put(&all, str(a, "statement_visible"));
	while (end < all.n && chars < STATEMENT_COLUMNS) {
		end++;
		while (end < all.n && (all.p[end] & 0xc0) == 0x80)
			end++;
		chars++;
	}
	buf_put(b, all.p, end);
	if (end < all.n)
		buf_puts(b, "...");
	buf_fini(&all);
}

enum { COLUMNS = 7 };

static void
print_table(const json_t *list)
{
	static const char *const heads[COLUMNS] = {"ID",      "STATE", "WHO", "TARGET",
						   "DECIDED", "LEFT",  "STATEMENT"};
	size_t n = json_array_size(list), width[COLUMNS];
	struct buf *cells = calloc(n * COLUMNS + 1, sizeof(*cells));

	if (!cells)
		return;
	for (size_t c = 0; c < COLUMNS; c++)
		width[c] = strlen(heads[c]);
	for (size_t i = 0; i < n; i++) {
		const json_t *a = json_array_get(list, i);
		struct buf *row = cells + i * COLUMNS;

		put(&row[0], str(a, "id"));
		put(&row[1], str(a, "state"));
		put(&row[2], str(json_object_get(a, "requester"), "name"));
		put(&row[3], str(a, "target"));
		put_needs(&row[4], a);
		put_until(&row[5], deadline(a));
		put_short_statement(&row[6], a);
		for (size_t c = 0; c < COLUMNS; c++)
			width[c] = row[c].n > width[c] ? row[c].n : width[c];
	}
	for (size_t c = 0; c < COLUMNS; c++)
		printf("%-*s%s", c + 1 < COLUMNS ? (int) width[c] : 0, heads[c],
		       c + 1 < COLUMNS ? "  " : "\n");
	for (size_t i = 0; i < n * COLUMNS; i++) {
		size_t c = i % COLUMNS;

		printf("%.*s%*s%s", SLICE_ARG(buf_slice(&cells[i])),
		       c + 1 < COLUMNS ? (int) (width[c] - cells[i].n) : 0, "",
		       c + 1 < COLUMNS ? "  " : "\n");
		buf_fini(&cells[i]);
	}
	free(cells);
}

static void
put_field(struct buf *b, const char *name, const char *text)
{
	if (!*text)
		return;
	buf_printf(b, "  %-11s ", name);
	put(b, text);
	buf_putc(b, '\n');
}

/* Each line of a text behind a bar, so that no line of it looks like one of ours. What ends with a
 * line end has a last line that is empty: of a statement that is worth seeing. */
static void
put_block(struct buf *b, const char *text)
{
	for (const char *p = text;; p++) {
		size_t n = strcspn(p, "\n");

		buf_puts(b, "    | ");
		approval_put_visible(b, slice_of(p, n), true);
		buf_putc(b, '\n');
		p += n;
		if (!*p)
			return;
	}
}

/* One a line, each of them ended. */
static void
put_parameters(struct buf *b, const char *text)
{
	char *lines = strdup(text);

	assert(lines != NULL);
	if (*lines && lines[strlen(lines) - 1] == '\n')
		lines[strlen(lines) - 1] = '\0';
	buf_puts(b, "  parameters\n");
	put_block(b, lines);
	free(lines);
}

static void
put_votes(struct buf *b, const json_t *a)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(a, "votes"), i, v) {
		buf_printf(b, "  %-11s ", strcmp(str(v, "verdict"), "approve") == 0 ? "approved by"
									     : "rejected by");
		put(b, str(v, "by"));
		buf_puts(b, " at ");
		put(b, str(v, "at"));
		if (*str(v, "reason")) {
			buf_puts(b, ": ");
			put(b, str(v, "reason"));
		}
		if (*str(v, "ticket")) {
			buf_puts(b, " (ticket ");
			put(b, str(v, "ticket"));
			buf_puts(b, ")");
		}
		buf_putc(b, '\n');
	}
}

static void
put_rules(struct buf *b, const json_t *a)
{
	const json_t *r;
	size_t i;

	json_array_foreach(json_object_get(a, "rules"), i, r) {
		buf_printf(b, "  %-11s ", "held by");
		put(b, str(r, "name"));
		if (*str(r, "sentence")) {
			buf_puts(b, ": ");
			put(b, str(r, "sentence"));
		}
		buf_putc(b, '\n');
	}
}

static void
put_conditions(struct buf *b, const json_t *a)
{
	long long uses = (long long) json_integer_value(json_object_get(a, "max_uses"));
	bool session = connects(a);

	buf_printf(b, "  %-11s ", "needs");
	put_needs(b, a);
	if (json_is_true(json_object_get(a, "not_self")))
		buf_puts(b, "; not self");
	if (json_is_true(json_object_get(a, "reason_required")))
		buf_puts(b, "; a reason");
	if (json_is_true(json_object_get(a, "ticket_required")))
		buf_puts(b, "; a ticket");
	if (session)
		buf_puts(b, uses ? "; one session\n" : "; any number of sessions until it expires\n");
	else
		buf_puts(b, uses == 1 ? "; runs once\n"
			 : uses	      ? "; runs a few times\n"
				      : "; may run again until it expires\n");
}

static void
put_next(struct buf *b, const json_t *a)
{
	const char *id = str(a, "id"), *why = str(a, "unapprovable");

	if (*why && strcmp(str(a, "state"), "pending") == 0) {
		buf_puts(b, "\nThis cannot be approved: ");
		put(b, why);
		buf_puts(b, ".\n");
	}
	if (json_is_true(json_object_get(a, "may_approve"))) {
		buf_puts(b, connects(a) ? "\nTo let it in:   weir approvals approve "
					: "\nTo let it run:  weir approvals approve ");
		put(b, id);
		buf_puts(b, " --reason \"...\"");
		if (json_is_true(json_object_get(a, "ticket_required")))
			buf_puts(b, " --ticket ID");
	}
	if (json_is_true(json_object_get(a, "may_reject"))) {
		buf_puts(b, "\nTo refuse it:   weir approvals reject ");
		put(b, id);
		buf_puts(b, " --reason \"...\"\n");
	}
}

static void
print_one(const json_t *a)
{
	const json_t *who = json_object_get(a, "requester");
	struct buf b = {0}, line = {0};

	put(&b, str(a, "id"));
	buf_puts(&b, "  ");
	put(&b, str(a, "state"));
	if (*str(a, "closed_why")) {
		buf_puts(&b, ": ");
		put(&b, str(a, "closed_why"));
	}
	buf_putc(&b, '\n');
	buf_printf(&line, "%s (%s)%s%s%c", str(who, "name"), str(who, "kind"),
		   *str(who, "client") ? " from " : "", str(who, "client"), 0);
	put_field(&b, "who", (const char *) line.p);
	buf_reset(&line);
	buf_printf(&line, "%s (database %s as %s)%c", str(a, "target"), str(a, "database"),
		   str(a, "db_role"), 0);
	put_field(&b, "target", (const char *) line.p);
	put_field(&b, "application", str(who, "application"));
	put_rules(&b, a);
	put_conditions(&b, a);
	put_votes(&b, a);
	put_field(&b, "asked at", str(a, "created"));
	put_field(&b, "decide by", str(a, "decide_by"));
	put_field(&b, "use before", str(a, "release_until"));
	put_field(&b, "sha256", str(a, "statement_sha256"));
	if (connects(a)) {
		put_field(&b, "asks", "to open a session");
	} else {
		buf_puts(&b, "  statement\n");
		put_block(&b, str(a, "statement_visible"));
	}
	if (*str(a, "parameters_visible"))
		put_parameters(&b, str(a, "parameters_visible"));
	put_next(&b, a);
	fwrite(b.p, 1, b.n, stdout);
	buf_fini(&line);
	buf_fini(&b);
}

static int
do_list(struct options *o)
{
	char path[64] = "/v1/approvals";
	enum approval_state st;
	json_t *answer;
	int e;

	if (!o->state)
		o->state = "pending";
	if (strcmp(o->state, "all") != 0) {
		if (!approval_state_parse(slice_str(o->state), &st))
			return cli_usage_error("approvals",
					       "no state '%s': pending, approved, rejected, expired, "
					       "cancelled, used or all", o->state);
		snprintf(path, sizeof(path), "/v1/approvals?state=%s", o->state);
	}
	e = admin_client_call(&o->client, "GET", path, NULL, &answer);
	if (e != EXIT_OK)
		return e;
	if (o->client.json)
		admin_client_print(answer);
	else if (json_array_size(json_object_get(answer, "approvals")) == 0)
		printf("nothing waits for %s\n", o->client.principal);
	else
		print_table(json_object_get(answer, "approvals"));
	json_decref(answer);
	return EXIT_OK;
}

static int
do_show(struct options *o)
{
	char path[64];
	json_t *answer;
	int e;

	snprintf(path, sizeof(path), "/v1/approvals/%s", o->id);
	e = admin_client_call(&o->client, "GET", path, NULL, &answer);
	if (e != EXIT_OK)
		return e;
	if (o->client.json)
		admin_client_print(answer);
	else
		print_one(answer);
	json_decref(answer);
	return EXIT_OK;
}

/* The client that waits may have used the release before we are told of it. */
static const char *
outcome(const char *verb, const char *state)
{
	if (strcmp(verb, "approve") != 0)
		return state;
	if (strcmp(state, "pending") == 0)
		return "approved by you, waits for others";
	return strcmp(state, "used") == 0 ? "approved, and running" : state;
}

static int
do_decide(struct options *o, const char *verb)
{
	json_t *body = json_object(), *answer;
	struct buf b = {0};
	char path[64];
	int e;

	if (o->reason && json_object_set_new(body, "reason", json_string(o->reason)) != 0) {
		json_decref(body);
		return cli_usage_error("approvals", "the reason must be UTF-8");
	}
	if (o->ticket && json_object_set_new(body, "ticket", json_string(o->ticket)) != 0) {
		json_decref(body);
		return cli_usage_error("approvals", "the ticket must be UTF-8");
	}
	snprintf(path, sizeof(path), "/v1/approvals/%s/%s", o->id, verb);
	e = admin_client_call(&o->client, "POST", path, body, &answer);
	json_decref(body);
	if (e != EXIT_OK)
		return e;
	if (o->client.json) {
		admin_client_print(answer);
	} else {
		put(&b, str(answer, "id"));
		buf_puts(&b, "  ");
		put(&b, outcome(verb, str(answer, "state")));
		buf_puts(&b, "  ");
		put_needs(&b, answer);
		printf("%.*s\n", SLICE_ARG(buf_slice(&b)));
		buf_fini(&b);
	}
	json_decref(answer);
	return EXIT_OK;
}

enum { OPT_STATE = 256, OPT_REASON, OPT_TICKET };

/* -1: go on; else the exit status. */
static int
parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		ADMIN_CLIENT_OPTIONS,
		{"state", required_argument, NULL, OPT_STATE},
		{"reason", required_argument, NULL, OPT_REASON},
		{"ticket", required_argument, NULL, OPT_TICKET},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, ":c:h", longs, NULL)) != -1) {
		if (admin_client_option(&o->client, c, optarg))
			continue;
		switch (c) {
		case OPT_STATE: o->state = optarg; break;
		case OPT_REASON: o->reason = optarg; break;
		case OPT_TICKET: o->ticket = optarg; break;
		case 'h': usage(stdout); return EXIT_OK;
		case ':': return cli_usage_error("approvals", "%s needs a value", argv[optind - 1]);
		default: return cli_usage_error("approvals", "unknown option %s", argv[optind - 1]);
		}
	}
	return -1;
}

/* An id ends up in a path: nothing but letters and digits goes there. */
static bool
is_plain(const char *id)
{
	size_t n = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return id[n] == 0 && n > 0 && n <= 32;
}

int
cmd_approvals(int argc, char **argv)
{
	struct options o = {.client = {.command = "approvals"}};
	const char *verb;
	bool list;
	int e = parse(&o, argc, argv);

	if (e >= 0)
		return e;
	verb = optind < argc ? argv[optind++] : NULL;
	if (!verb)
		return cli_usage_error("approvals", "say what: list, show, approve or reject");
	list = strcmp(verb, "list") == 0;
	if (!list && strcmp(verb, "show") != 0 && strcmp(verb, "approve") != 0 &&
	    strcmp(verb, "reject") != 0)
		return cli_usage_error("approvals", "no '%s': list, show, approve or reject", verb);
	if (!list) {
		o.id = optind < argc ? argv[optind++] : NULL;
		if (!o.id || !is_plain(o.id))
			return cli_usage_error("approvals", "%s needs the ID that `list` prints", verb);
	}
	if (optind < argc)
		return cli_usage_error("approvals", "what is '%s' for?", argv[optind]);
	e = admin_client_open(&o.client);
	if (e != EXIT_OK)
		return e;
	e = list ? do_list(&o) : strcmp(verb, "show") == 0 ? do_show(&o) : do_decide(&o, verb);
	admin_client_close(&o.client);
	return e;
}
