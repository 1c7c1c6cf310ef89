/* SPDX-License-Identifier: MIT
 *
 * weir replay: what another policy would have said to the commands of an audit log.
 */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/policy.h"
#include "cli/recorded.h"
#include "gate/epoch.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
	"usage: weir replay FOLDER --policy POLICY [--json]\n\n"
	"Decides the commands of an audit log again, by the facts on record and another policy (text or\n"
	"image), and says what would have been decided differently: by principal, by rule, by what it is\n"
	"about, with the first of them. FOLDER is the gateway's state folder or its audit folder; neither\n"
	"a parser nor a database is asked.\n\n"
	"Not on record are the uses of columns (sql.uses), the columns behind `*` (of a table, those that\n"
	"the policy's `catalog` has are taken), the text of very long statements, and the groups and address\n"
	"of sessions that began before the log. Where the verdict hangs on one of these, the command is\n"
	"counted as one that cannot be told. What the gateway itself refused, such as a masked column in a\n"
	"condition, and what masks and limits would do to results is not replayed.\n\n"
	"  --policy POLICY   the policy to decide by\n"
	"  --json            one object a line for each command that differs or cannot be told, and the\n"
	"                    totals\n\n"
	"Exit code: 0 nothing would have been decided differently, 1 something would or cannot be told, or\n"
	"the policy is bad, 2 usage, or the log cannot be read.\n";

enum { SHOWN = 20, STATEMENT_SHOWN = 100 };

struct tally {
	struct tally *next;
	const char *name;
	size_t n;
};

struct replay {
	struct cli_policy p;
	bool json;
	size_t same, untold, by_gateway, lacking;
	size_t changed[VERDICT_DENY + 1][VERDICT_DENY + 1]; /* from, to */
	size_t n_changed;
	struct tally *principals, *rules, *objects;
	struct buf first; /* the first that changed */
};

/* ---- Counting ---- */

static void
count(struct replay *r, struct tally **list, const char *name)
{
	struct tally **t = list;

	while (*t && strcmp((*t)->name, name) != 0)
		t = &(*t)->next;
	if (!*t) {
		*t = ARENA_NEW(&r->p.arena, struct tally);
		(*t)->name = arena_str(&r->p.arena, slice_str(name));
	}
	(*t)->n++;
}

static const char *
verdict_name(enum verdict v)
{
	return vm_rule_info[v].name;
}

/* "deny by freeze", or for what is allowed no more: "no longer allow by app-data". */
static void
count_rules(struct replay *r, const struct recorded *c, const struct decision *d)
{
	struct arena *a = c->arena;
	const struct image *img = r->p.image;
	int rule = -1;

	while ((rule = decision_next_deciding(img, d, rule)) >= 0)
		count(r, &r->rules, arena_printf(a, "%s by %.*s", verdict_name(d->verdict),
						 SLICE_ARG(img->rules[rule].name)));
	if (d->by_default)
		count(r, &r->rules, arena_printf(a, "%s by default", verdict_name(d->verdict)));
	for (size_t i = 0; i < c->brief.n_rules; i++)
		count(r, &r->rules, arena_printf(a, "no longer %s by %.*s",
						 verdict_name(c->verdict),
						 SLICE_ARG(c->brief.rules[i])));
}

static void
count_objects(struct replay *r, const struct recorded *c, const struct decision *d)
{
	struct arena *a = c->arena;
	struct decision one;

	for (size_t i = 0; i < c->n; i++) {
		const struct value *action = &c->effects[i].v[FACT_ACTION];
		const struct value *table = &c->effects[i].v[FACT_TABLE];

		vm_decide(r->p.image, ENTRY_COMMAND, &c->effects[i], &one);
		/* What was allowed is about the effects that are not; else about all of them. */
		if (!action->known || (d->verdict != VERDICT_ALLOW && one.verdict != d->verdict))
			continue;
		count(r, &r->objects,
		      table->known ? arena_printf(a, "%s on %.*s", action_info[action->i].name,
						  SLICE_ARG(table->s))
				   : action_info[action->i].name);
	}
}

/* ---- Telling ---- */

static void
put_rules(struct buf *out, const struct image *img, const struct decision *d)
{
	const char *sep = "";
	int rule = -1;

	while ((rule = decision_next_deciding(img, d, rule)) >= 0) {
		buf_puts(out, sep);
		buf_json_string(out, img->rules[rule].name);
		sep = ", ";
	}
}

static void
put_json(struct replay *r, const struct recorded *c, const struct decision *d, bool certain)
{
	struct buf out = {0};
	char id[37], when[28];

	audit_id_format(c->brief.id, id);
	clock_format(c->brief.time, when);
	buf_printf(&out, "{\"record\": \"%s\", \"time\": \"%s\", \"principal\": ", id, when);
	buf_json_string(&out, c->brief.principal.subject);
	buf_puts(&out, ", \"target\": ");
	buf_json_string(&out, c->brief.target);
	buf_printf(&out, ", \"was\": \"%s\", \"was_by\": [", verdict_name(c->verdict));
	for (size_t i = 0; i < c->brief.n_rules; i++) {
		buf_puts(&out, i ? ", " : "");
		buf_json_string(&out, c->brief.rules[i]);
	}
	buf_printf(&out, "], \"is\": \"%s\", \"is_by\": [", verdict_name(d->verdict));
	put_rules(&out, r->p.image, d);
	buf_printf(&out, "], \"by_default\": %s, \"certain\": %s, \"statement\": ",
		   d->by_default ? "true" : "false", certain ? "true" : "false");
	buf_json_string(&out, c->brief.statement);
	buf_puts(&out, "}\n");
	cli_print(&out);
	buf_fini(&out);
}

/* One line, whatever the statement holds. */
static void
note_first(struct replay *r, const struct recorded *c, const struct decision *d)
{
	struct slice s = c->brief.statement;
	char id[37], when[28];

	audit_id_format(c->brief.id, id);
	clock_format(c->brief.time, when);
	buf_printf(&r->first, "  %.19sZ %.8s ", when, id);
	cli_put_plain(&r->first, c->brief.principal.subject);
	buf_printf(&r->first, ": %s -> %s: ", verdict_name(c->verdict), verdict_name(d->verdict));
	cli_put_plain(&r->first, slice_of(s.p, s.n < STATEMENT_SHOWN ? s.n : STATEMENT_SHOWN));
	buf_puts(&r->first, s.n > STATEMENT_SHOWN ? "...\n" : "\n");
}

static bool
on_command(void *ctx, const struct recorded *c)
{
	struct replay *r = ctx;
	struct decision d;
	bool certain;

	if (c->by_gateway || c->lacking) {
		r->by_gateway += c->by_gateway;
		r->lacking += !c->by_gateway;
		return true;
	}
	if (r->p.catalog)
		recorded_columns(c, r->p.catalog->catalog);
	certain = recorded_decide(c, r->p.image, &d);
	if (certain && d.verdict == c->verdict) {
		r->same++;
		return true;
	}
	if (r->json)
		put_json(r, c, &d, certain);
	if (!certain) {
		r->untold++;
		return true;
	}
	r->changed[c->verdict][d.verdict]++;
	if (r->n_changed++ < SHOWN)
		note_first(r, c, &d);
	count(r, &r->principals, arena_str(c->arena,
					   c->brief.principal.subject));
	count_rules(r, c, &d);
	count_objects(r, c, &d);
	return true;
}

static int
most_first(const void *a, const void *b)
{
	const struct tally *x = *(const struct tally *const *) a;
	const struct tally *y = *(const struct tally *const *) b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
put_tallies(struct replay *r, struct buf *out, const char *title, struct tally *list)
{
	struct tally **v;
	size_t n = 0;

	for (struct tally *t = list; t; t = t->next)
		n++;
	v = ARENA_ARRAY(&r->p.arena, struct tally *, n + 1);
	n = 0;
	for (struct tally *t = list; t; t = t->next)
		v[n++] = t;
	if (n)
		qsort(v, n, sizeof(*v), most_first);
	if (r->json)
		buf_printf(out, ", \"%s\": {", title);
	else if (n)
		buf_printf(out, "\nBy %s\n", title);
	for (size_t i = 0; i < n; i++) {
		if (r->json) {
			buf_puts(out, i ? ", " : "");
			buf_json_string(out, slice_str(v[i]->name));
			buf_printf(out, ": %zu", v[i]->n);
		} else {
			buf_printf(out, "%8zu  ", v[i]->n);
			cli_put_plain(out, slice_str(v[i]->name));
			buf_putc(out, '\n');
		}
	}
	buf_puts(out, r->json ? "}" : "");
}

static void
put_changes(struct replay *r, struct buf *out)
{
	const char *sep = "";

	for (int from = 0; from <= VERDICT_DENY; from++)
		for (int to = 0; to <= VERDICT_DENY; to++) {
			if (!r->changed[from][to])
				continue;
			if (r->json)
				buf_printf(out, "%s\"%s to %s\": %zu", sep,
					   verdict_name((enum verdict) from),
					   verdict_name((enum verdict) to), r->changed[from][to]);
			else
				buf_printf(out, "%8zu  %s -> %s\n", r->changed[from][to],
					   verdict_name((enum verdict) from),
					   verdict_name((enum verdict) to));
			sep = ", ";
		}
}

static void
put_totals(struct replay *r, struct buf *out)
{
	if (r->json) {
		buf_printf(out, "{\"same\": %zu, \"different\": %zu, \"cannot_be_told\": %zu, "
				"\"refused_by_gateway\": %zu, \"without_facts\": %zu, \"changes\": {",
			   r->same, r->n_changed, r->untold, r->by_gateway, r->lacking);
		put_changes(r, out);
		buf_putc(out, '}');
	} else {
		buf_printf(out, "%zu commands as before, %zu differently, %zu cannot be told\n",
			   r->same, r->n_changed, r->untold);
		if (r->by_gateway || r->lacking)
			buf_printf(out, "not replayed: %zu that the gateway itself refused, %zu "
					"without their facts on record\n", r->by_gateway, r->lacking);
		if (r->n_changed)
			buf_puts(out, "\nDifferently\n");
		put_changes(r, out);
	}
	put_tallies(r, out, "principal", r->principals);
	put_tallies(r, out, "rule", r->rules);
	put_tallies(r, out, "object", r->objects);
	if (r->json)
		buf_puts(out, "}\n");
	else if (r->first.n)
		buf_printf(out, "\n%s\n%.*s", r->n_changed > SHOWN ? "The first of them" : "These",
			   (int) r->first.n, (const char *) r->first.p);
}

int
cmd_replay(int argc, char **argv)
{
	const char *folder = NULL, *policy = NULL;
	struct replay r = {0};
	struct buf out = {0};
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc)
			policy = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			r.json = true;
		else if (argv[i][0] == '-')
			return cli_option_error("replay", argv[i], "--policy");
		else if (folder)
			return cli_usage_error("replay", "one log at a time");
		else
			folder = argv[i];
	}
	if (!folder || !policy)
		return cli_usage_error("replay", "a log and --policy POLICY are asked for");
	code = cli_policy_open(&r.p, "replay", policy);
	if (code == EXIT_OK && recorded_commands("replay", folder, false, on_command, &r) != 0)
		code = EXIT_USAGE;
	if (code == EXIT_OK) {
		put_totals(&r, &out);
		cli_print(&out);
		code = r.n_changed || r.untold ? EXIT_NEGATIVE : EXIT_OK;
	}
	buf_fini(&out);
	buf_fini(&r.first);
	cli_policy_close(&r.p);
	return code;
}
