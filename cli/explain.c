/* SPDX-License-Identifier: MIT
 *
 * weir explain: why a command is decided as it is.
 */
#include "cli/explain.h"

#include "cli/cli.h"
#include "cli/facts_json.h"
#include "cli/policy_catalog.h"
#include "cli/recorded.h"
#include "gate/epoch.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
	"usage: weir explain POLICY --as WHO --on TARGET [--with FACTS] [SQL] [--json]\n"
	"       weir explain POLICY --facts FILE [--json]\n"
	"       weir explain POLICY --audit FOLDER --record ID [--json]\n\n"
	"Says how a policy (text or image) decides a command, and why: every rule that matches or is\n"
	"one clause away from it, each clause with its value and place, what is unknown, the allow\n"
	"rule that comes nearest and what it lacks, the masks, drops and limits that apply.\n\n"
	"  weir explain orders.weir --as 'agent \"planner-7\" in agents' --on orders \\\n"
	"      \"delete from people\"\n\n"
	"  --as WHO       as in a test: KIND \"NAME\" in GROUP, GROUP\n"
	"  --on TARGET    a target of the policy, or a \"resource\" in quotes\n"
	"  --with FACTS   facts that are otherwise taken as `weir test` does: time.weekday = fri\n"
	"  SQL            the command; without it: may a session be opened?\n"
	"  --facts FILE   one JSON object a line, as `weir eval` reads (- is standard input)\n"
	"  --audit FOLDER --record ID\n"
	"                 a command or session.start on record, by its id or the beginning of it\n"
	"  --json         one object a line: every rule with all of its clauses\n\n"
	"With the policy's `catalog` the command is decided as the gateway would with these tables: `*` is\n"
	"spread out, and each column of the result is listed with its mask. No database is asked.\n\n"
	"Exit code: 0 explained, whatever the verdict, 1 the policy or some line is bad, 2 usage.\n";

struct args {
	const char *policy, *as, *on, *with, *sql, *facts, *audit, *record;
	bool json;
};

/* One of the three ways to say what is asked about. */
static int
check_args(const struct args *a)
{
	bool command = a->as || a->on || a->with || a->sql;
	bool recorded = a->audit || a->record;

	if (!a->policy)
		return cli_usage_error("explain", "which policy?");
	if (a->record && (strlen(a->record) < 4 || strlen(a->record) > 36))
		return cli_usage_error("explain", "an id has 36 characters; give 4 of them");
	if (a->as && !strchr(a->as, '"'))
		return cli_usage_error("explain", "--as takes KIND \"NAME\" in GROUP, GROUP: --as "
						  "'agent \"%s\" in agents'", a->as);
	if ((command && a->as && a->on && !a->facts && !recorded) ||
	    (a->facts && !command && !recorded) ||
	    (a->audit && a->record && !command && !a->facts))
		return EXIT_OK;
	return cli_usage_error("explain",
			       "say --as and --on, or --facts, or --audit and --record");
}

static int
parse_args(int argc, char **argv, struct args *a)
{
	for (int i = 1; i < argc; i++) {
		const char **value = strcmp(argv[i], "--as") == 0      ? &a->as
				     : strcmp(argv[i], "--on") == 0    ? &a->on
				     : strcmp(argv[i], "--with") == 0  ? &a->with
				     : strcmp(argv[i], "--facts") == 0 ? &a->facts
				     : strcmp(argv[i], "--audit") == 0 ? &a->audit
				     : strcmp(argv[i], "--record") == 0 ? &a->record
									: NULL;

		if (value && i + 1 < argc)
			*value = argv[++i];
		else if (value)
			return cli_usage_error("explain", "%s asks for a value", argv[i]);
		else if (strcmp(argv[i], "--json") == 0)
			a->json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_usage_error("explain", "no option '%s'", argv[i]);
		else if (!a->policy)
			a->policy = argv[i];
		else if (!a->sql)
			a->sql = argv[i];
		else
			return cli_usage_error("explain", "one command at a time; quote it");
	}
	return check_args(a);
}

/* ---- What is explained ---- */

static struct explained *
explain_all(struct explanation *x, struct arena *arena)
{
	struct explained *v = ARENA_ARRAY(arena, struct explained, x->n + 1);

	for (size_t i = 0; i < x->n; i++)
		explain(x->policy->checked, x->policy->image, x->entry, &x->effects[i], arena,
			&v[i]);
	return v;
}

static void
print(const struct explanation *x, bool json)
{
	struct buf out = {0};

	if (json)
		explain_print_json(x, &out);
	else
		explain_print_text(x, &out, diag_colour(STDOUT_FILENO));
	cli_print(&out);
	buf_fini(&out);
}

static void
join(struct explanation *x)
{
	struct decision joined;

	vm_join_init(&joined);
	for (size_t i = 0; i < x->n; i++)
		vm_join(&joined, &x->of_effect[i].decision);
	x->verdict = joined.verdict;
	x->by_default = joined.by_default;
}

struct slice
explain_test_text(struct arena *arena, const char *as, const char *on, const char *clauses)
{
	bool name = *on && strspn(on, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "0123456789_-.") == strlen(on);

	return slice_str(arena_printf(arena, "test \"command line\"\n  as %s\n  on %s%s%s\n%s\n"
					     "  expect allow\n",
				      as, name || *on == '"' ? "" : "\"", on,
				      name || *on == '"' ? "" : "\"", clauses));
}

void
explain_test(struct explanation *x, struct cli_policy *p, struct run *r, struct slice sql)
{
	struct test_decl *t = p->tree->tests;

	while (t->next)
		t = t->next;
	t->sql.v = sql.p ? sql : SLICE_LIT("");
	run_open(r, p->image, t);
	*x = (struct explanation){.policy = p, .use_rule = -1, .base = &r->base};
	x->entry = sql.p ? ENTRY_COMMAND : ENTRY_CONNECT;
	if (sql.p) {
		run_decide(r);
		if (p->catalog)
			(void) run_with_catalog(r, p->catalog);
	} else {
		facts_int(&r->base, FACT_ACTION, ACTION_CONNECT);
	}
	x->effects = sql.p ? r->effects : &r->base;
	x->n = sql.p ? r->n_effects : 1;
	x->of_effect = explain_all(x, &r->arena);
	join(x);
	if (!sql.p)
		return;
	assert(r->joined.verdict == x->verdict);
	x->use_rule = r->use_rule;
	x->run = r;
	x->verdict = r->verdict;
	x->by_default = r->joined.by_default && r->use_rule < 0 && !r->refusal;
	x->result = ARENA_NEW(&r->arena, struct explained);
	explain(p->checked, p->image, ENTRY_RESULT, &r->base, &r->arena, x->result);
}

static int
explain_command(const struct args *a, struct cli_policy *p)
{
	struct explanation x;
	struct run r;
	int code = EXIT_OK;

	explain_test(&x, p, &r, a->sql ? slice_str(a->sql) : (struct slice){0});
	if (r.why.n) {
		fprintf(stderr, "weir explain: %.*s", (int) r.why.n, (const char *) r.why.p);
		code = EXIT_NEGATIVE;
	} else {
		print(&x, a->json);
		if (r.sql->status != SQL_OK && r.sql->error.n && !a->json)
			printf("\nThe statement: %.*s\n", SLICE_ARG(r.sql->error));
	}
	run_close(&r);
	return code;
}

static bool
explain_line(struct cli_policy *p, struct slice text, size_t number, bool json)
{
	struct explanation x = {.policy = p, .use_rule = -1};
	struct facts_line l;
	struct arena arena;
	bool good;

	arena_init(&arena, 0);
	good = facts_line_read(&l, p->image, &arena, text);
	if (good) {
		x.title = arena_printf(&arena, "line %zu", number);
		x.entry = l.entry;
		x.base = &l.base;
		x.effects = l.effects;
		x.n = l.n;
		x.of_effect = explain_all(&x, &arena);
		join(&x);
		print(&x, json);
	} else {
		fprintf(stderr, "weir explain: line %zu: %s\n", number, l.error);
	}
	facts_line_close(&l);
	arena_fini(&arena);
	return good;
}

static int
explain_lines(const struct args *a, struct cli_policy *p)
{
	struct slice text, line;
	size_t number = 0;
	bool good = true;

	if (!cli_read_file("explain", a->facts, &p->arena, &text))
		return EXIT_USAGE;
	while (facts_line_next(&text, &line)) {
		number++;
		if (!facts_line_is_blank(line))
			good &= explain_line(p, line, number, a->json);
	}
	return good ? EXIT_OK : EXIT_NEGATIVE;
}

/* ---- A command on record, or the start of a session ---- */

struct wanted {
	const struct args *a;
	struct cli_policy *p;
	unsigned found;
};

/* Ids are shown with dashes; any prefix will do. */
static bool
is_wanted(const struct wanted *w, const struct recorded *c)
{
	char id[37];

	audit_id_format(c->brief.id, id);
	return strncmp(id, w->a->record, strlen(w->a->record)) == 0;
}

static bool
explain_recorded(void *ctx, struct recorded *c)
{
	struct wanted *w = ctx;
	struct explanation x = {.policy = w->p, .use_rule = -1};
	struct explained result;

	if (!is_wanted(w, c))
		return true;
	w->found++;
	if (c->unasked || c->cut) {
		fprintf(stderr, "weir explain: this record cannot be explained: %s\n",
			c->cut ? "more effects were judged than are on record"
			       : "no rule was asked, or the record is older than facts are on "
				 "record");
		w->found = 0;
		return false;
	}
	if (w->p->catalog && !c->connects)
		recorded_columns(c, w->p->catalog->catalog);
	x.base = &c->base;
	x.entry = c->connects ? ENTRY_CONNECT : ENTRY_COMMAND;
	x.effects = c->connects ? &c->base : c->effects;
	x.n = c->connects ? 1 : c->n;
	x.of_effect = explain_all(&x, c->arena);
	join(&x);
	if (!c->connects) {
		explain(w->p->checked, w->p->image, ENTRY_RESULT, &c->base, c->arena, &result);
		x.result = &result;
	}
	if (!slice_eq(c->brief.policy, slice_of(w->p->image->digest, SHA256_LEN)) && !w->a->json)
		printf("The record was decided by another policy or another version of it: %s\n\n",
		       vm_rule_info[c->verdict].name);
	if (c->by_gateway.n && !w->a->json)
		printf("The gateway itself refused it, whatever the rules say: %.*s\n\n",
		       SLICE_ARG(c->by_gateway));
	print(&x, w->a->json);
	return false;
}

static int
explain_record(const struct args *a, struct cli_policy *p)
{
	struct wanted w = {.a = a, .p = p};
	bool damaged;

	if (recorded_commands("explain", a->audit, explain_recorded, &w, &damaged) != 0)
		return EXIT_USAGE;
	if (!w.found)
		fprintf(stderr, "weir explain: no command or session.start is explained whose id begins with "
				"%s\n",
			a->record);
	return w.found ? EXIT_OK : EXIT_NEGATIVE;
}

int
cmd_explain(int argc, char **argv)
{
	struct args a = {0};
	struct cli_policy p = {0}, image = {0};
	struct arena arena;
	struct slice more;
	int code;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return fputs(help, stdout), EXIT_OK;
	code = parse_args(argc, argv, &a);
	if (code != EXIT_OK)
		return code;
	arena_init(&arena, 0);
	if (a.as)
		more = explain_test_text(&arena, a.as, a.on,
					 a.with ? arena_printf(&arena, "  with %s", a.with) : "");
	code = cli_policy_text(&p, &image, "explain", a.policy, a.as ? &more : NULL);
	if (code == EXIT_OK && a.sql && image.image && image.image->has_catalog)
		fputs("weir explain: an image does not carry its catalog, so that `*`, views and columns "
		      "without a table are\ntaken as they are written; explain the policy's text "
		      "instead\n", stderr);
	if (code == EXIT_OK)
		code = a.facts	 ? explain_lines(&a, &p)
		       : a.audit ? explain_record(&a, &p)
				 : explain_command(&a, &p);
	cli_policy_close(&p);
	cli_policy_close(&image);
	arena_fini(&arena);
	return code;
}
