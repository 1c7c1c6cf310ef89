/* SPDX-License-Identifier: MIT
 *
 * weir replay: what another policy would have said to the commands and sessions of an audit log.
 */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/policy.h"
#include "cli/recorded.h"
#include "cli/replay_tally.h"
#include "gate/epoch.h"

#include <stdio.h>
#include <unistd.h>

static const char help[] =
	"usage: weir replay FOLDER --policy POLICY [--json]\n\n"
	"Decides the commands and sessions of an audit log again, by the facts on record and another\n"
	"policy (text or image), and says what would have been decided differently: by principal, by\n"
	"rule, by what it is about, with the first of them. FOLDER is the gateway's state folder or its\n"
	"audit folder; neither a parser nor a database is asked.\n\n"
	"Not on record are the uses of columns (sql.uses), the columns behind `*` (of a table, those\n"
	"that the policy's `catalog` has are taken), effects behind the 16th, what a cursor reads that\n"
	"people have released, the text of very long statements, and the groups and address of\n"
	"sessions that began before the log. Where the verdict hangs on one of these, the command is\n"
	"counted as one that cannot be told, with what is lacking. Calls of functions that the policy\n"
	"of then vouched for are not on record either, and not missed.\n\n"
	"Verdicts are replayed, not what the gateway itself refused (a masked column in a condition, say),\n"
	"nor what masks, limits, records and notices would do: `weir diff` tells how those differ.\n"
	"Commands of a session that would not have been opened are decided all the same.\n\n"
	"  --policy POLICY   the policy to decide by\n"
	"  --json            one object a line for each command or session that differs or cannot be told,\n"
	"                    and the totals\n\n"
	"Exit code: 0 nothing would have been decided differently, 1 something would or cannot be told,\n"
	"some of the log is damaged, or the policy is bad, 2 usage, or the log cannot be read.\n";

enum { SHOWN = 20, STATEMENT_SHOWN = 100, LINES = 30, PROGRESS = 1 << 13 };

struct replay {
	struct cli_policy p;
	bool json, damaged;
	struct { size_t same, changed, untold; } of[2]; /* commands, sessions */
	size_t by_gateway, unasked, seen;
	size_t changes[2][VERDICT_DENY + 1][VERDICT_DENY + 1]; /* from, to */
	struct tally principals, rules, objects, codes, lacking;
	struct buf first; /* the first that changed */
};

/* ---- Counting ---- */

static const char *
verdict_name(enum verdict v)
{
	return vm_rule_info[v].name;
}

/* Rules that may allow a command open a session for many reasons: none of them decides. */
static int
next_deciding(const struct recorded *c, const struct image *img, const struct decision *d, int rule)
{
	return c->connects && d->verdict == VERDICT_ALLOW ? -1
							  : decision_next_deciding(img, d, rule);
}

/* "deny by freeze", or for what is allowed no more: "no longer allow by app-data". */
static void
count_rules(struct replay *r, const struct recorded *c, const struct decision *d)
{
	struct arena *a = c->arena;
	const struct image *img = r->p.image;
	int rule = -1;

	while ((rule = next_deciding(c, img, d, rule)) >= 0)
		tally_count(&r->rules, &r->p.arena,
			    arena_printf(a, "%s by %.*s", verdict_name(d->verdict),
					 SLICE_ARG(img->rules[rule].name)));
	if (d->by_default)
		tally_count(&r->rules, &r->p.arena,
			    arena_printf(a, "%s by default", verdict_name(d->verdict)));
	for (size_t i = 0; i < c->brief.n_rules; i++)
		tally_count(&r->rules, &r->p.arena,
			    arena_printf(a, "no longer %s by %.*s", verdict_name(c->verdict),
					 SLICE_ARG(c->brief.rules[i])));
}

static const char *
object_of(const struct recorded *c, const struct facts *f)
{
	const struct value *table = &f->v[FACT_TABLE], *function = &f->v[FACT_FUNCTION];
	const struct value *setting = &f->v[FACT_SETTING];
	const char *action = action_info[f->v[FACT_ACTION].i].name;

	return table->known	? arena_printf(c->arena, "%s on %.*s", action, SLICE_ARG(table->s))
	       : function->known ? arena_printf(c->arena, "%s of function %.*s", action,
						SLICE_ARG(function->s))
	       : setting->known	? arena_printf(c->arena, "%s of %.*s", action, SLICE_ARG(setting->s))
				: action;
}

/* What was allowed is about the effects that are not; else about all of them. */
static void
count_objects(struct replay *r, const struct recorded *c, const struct decision *d)
{
	struct decision one;

	for (size_t i = 0; i < c->n; i++) {
		vm_decide(r->p.image, ENTRY_COMMAND, &c->effects[i], &one);
		if (c->effects[i].v[FACT_ACTION].known &&
		    (d->verdict == VERDICT_ALLOW || one.verdict == d->verdict))
			tally_count(&r->objects, &r->p.arena, object_of(c, &c->effects[i]));
	}
	if (c->connects)
		tally_count(&r->objects, &r->p.arena,
			    arena_printf(c->arena, "connect to %.*s", SLICE_ARG(c->brief.target)));
}

static const char *
lacking_name(unsigned bit)
{
	switch (bit) {
	case RECORDED_USES:
		return "sql.uses";
	case RECORDED_EFFECTS:
		return "further effects";
	case RECORDED_VOUCHED:
		return "whether a trusted function is as it was";
	default:
		return fact_info[bit].name;
	}
}

/* ---- Telling ---- */

static void
put_rules(struct buf *out, const struct recorded *c, const struct image *img,
	  const struct decision *d)
{
	const char *sep = "";
	int rule = -1;

	while ((rule = next_deciding(c, img, d, rule)) >= 0) {
		buf_puts(out, sep);
		buf_json_string(out, img->rules[rule].name);
		sep = ", ";
	}
}

static void
put_json(struct replay *r, const struct recorded *c, const struct decision *d, uint64_t lacking)
{
	const char *sep = "";
	struct buf out = {0};
	char id[37], when[28];

	audit_id_format(c->brief.id, id);
	clock_format(c->brief.time, when);
	buf_printf(&out, "{\"record\": \"%s\", \"entry\": \"%s\", \"time\": \"%s\", \"principal\": ",
		   id, entry_info[c->connects ? ENTRY_CONNECT : ENTRY_COMMAND].name, when);
	buf_json_string(&out, c->brief.principal.subject);
	buf_puts(&out, ", \"target\": ");
	buf_json_string(&out, c->brief.target);
	buf_printf(&out, ", \"was\": \"%s\", \"was_by\": [", verdict_name(c->verdict));
	for (size_t i = 0; i < c->brief.n_rules; i++) {
		buf_puts(&out, i ? ", " : "");
		buf_json_string(&out, c->brief.rules[i]);
	}
	buf_printf(&out, "], \"is\": \"%s\", \"is_by\": [", verdict_name(d->verdict));
	put_rules(&out, c, r->p.image, d);
	buf_printf(&out, "], \"by_default\": %s, \"certain\": %s, \"lacking\": [",
		   d->by_default ? "true" : "false", lacking ? "false" : "true");
	for (unsigned i = 0; i < RECORDED_BITS; i++)
		if (lacking >> i & 1) {
			buf_printf(&out, "%s\"%s\"", sep, lacking_name(i));
			sep = ", ";
		}
	buf_puts(&out, "], \"statement\": ");
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
	if (c->connects)
		s = slice_str(arena_printf(c->arena, "a session on %.*s",
					   SLICE_ARG(c->brief.target)));
	cli_put_plain(&r->first, slice_of(s.p, s.n < STATEMENT_SHOWN ? s.n : STATEMENT_SHOWN));
	buf_puts(&r->first, s.n > STATEMENT_SHOWN ? "...\n" : "\n");
}

static void
show_progress(const struct replay *r, bool done)
{
	if (r->json || !isatty(STDERR_FILENO))
		return;
	/* Whatever is said meanwhile goes over it. */
	if (done)
		fprintf(stderr, "\033[K");
	else if (r->seen % PROGRESS == 0)
		fprintf(stderr, "%zu commands and sessions, %zu differently\r", r->seen,
			r->of[0].changed + r->of[1].changed);
}

/* What no rule was asked about is as it was. What the gateway itself refused is not looked at,
 * unless the policy refuses it now. */
static bool
is_replayed(struct replay *r, const struct recorded *c, const struct decision *d, uint64_t lacking)
{
	if (!c->by_gateway.n)
		return true;
	if (!c->unasked && !lacking && d->verdict == VERDICT_DENY)
		return true;
	tally_count(&r->codes, &r->p.arena, arena_str(c->arena, c->by_gateway));
	r->by_gateway++;
	return false;
}

static void
note_change(struct replay *r, const struct recorded *c, const struct decision *d)
{
	r->changes[c->connects][c->verdict][d->verdict]++;
	if (r->of[0].changed + r->of[1].changed < SHOWN)
		note_first(r, c, d);
	r->of[c->connects].changed++;
	tally_count(&r->principals, &r->p.arena, arena_str(c->arena, c->brief.principal.subject));
	count_rules(r, c, d);
	count_objects(r, c, d);
}

static bool
on_recorded(void *ctx, const struct recorded *c)
{
	struct replay *r = ctx;
	struct decision d;
	uint64_t lacking;

	r->seen++;
	show_progress(r, false);
	if (c->follows)
		return true;
	if (c->unasked && !c->by_gateway.n) {
		r->unasked++;
		return true;
	}
	if (r->p.catalog && !c->connects)
		recorded_columns(c, r->p.catalog->catalog);
	lacking = recorded_decide(c, r->p.image, &d);
	if (!is_replayed(r, c, &d, lacking))
		return true;
	if (!lacking && d.verdict == c->verdict) {
		r->of[c->connects].same++;
		return true;
	}
	if (r->json)
		put_json(r, c, &d, lacking);
	if (!lacking) {
		note_change(r, c, &d);
		return true;
	}
	r->of[c->connects].untold++;
	for (unsigned i = 0; i < RECORDED_BITS; i++)
		if (lacking >> i & 1)
			tally_count(&r->lacking, &r->p.arena, lacking_name(i));
	return true;
}

static void
put_changes(struct replay *r, struct buf *out)
{
	const char *sep = "";

	for (int i = 0; i < 2 * (VERDICT_DENY + 1) * (VERDICT_DENY + 1); i++) {
		int session = i / ((VERDICT_DENY + 1) * (VERDICT_DENY + 1));
		int from = i / (VERDICT_DENY + 1) % (VERDICT_DENY + 1), to = i % (VERDICT_DENY + 1);
		size_t n = r->changes[session][from][to];

		if (!n)
			continue;
		if (r->json)
			buf_printf(out, "%s\"%s%s to %s\": %zu", sep, session ? "connect: " : "",
				   verdict_name((enum verdict) from),
				   verdict_name((enum verdict) to), n);
		else
			buf_printf(out, "%8zu  %s -> %s%s\n", n, verdict_name((enum verdict) from),
				   verdict_name((enum verdict) to), session ? ", of sessions" : "");
		sep = ", ";
	}
}

static void
put_totals_json(struct replay *r, struct buf *out)
{
	buf_printf(out, "{\"same\": %zu, \"different\": %zu, \"cannot_be_told\": %zu, "
			"\"refused_by_gateway\": %zu, \"without_facts\": %zu, "
			"\"sessions\": {\"same\": %zu, \"different\": %zu}, \"damaged\": %s, "
			"\"changes\": {",
		   r->of[0].same, r->of[0].changed, r->of[0].untold, r->by_gateway, r->unasked,
		   r->of[1].same, r->of[1].changed, r->damaged ? "true" : "false");
	put_changes(r, out);
	buf_putc(out, '}');
	tally_put_json(&r->principals, out, "principal");
	tally_put_json(&r->rules, out, "rule");
	tally_put_json(&r->objects, out, "object");
	tally_put_json(&r->lacking, out, "lacking");
	tally_put_json(&r->codes, out, "code");
	buf_puts(out, "}\n");
}

static void
put_totals_text(struct replay *r, struct buf *out)
{
	size_t changed = r->of[0].changed + r->of[1].changed;

	buf_printf(out, "%zu commands as before, %zu differently, %zu cannot be told\n",
		   r->of[0].same, r->of[0].changed, r->of[0].untold);
	buf_printf(out, "%zu sessions as before, %zu differently\n", r->of[1].same,
		   r->of[1].changed);
	if (r->by_gateway || r->unasked)
		buf_printf(out, "not replayed: %zu that the gateway itself refused, %zu for which no "
				"rule was asked\n", r->by_gateway, r->unasked);
	buf_puts(out, "verdicts only: `weir diff` tells how masks, limits, records and notices differ\n");
	if (r->damaged)
		buf_puts(out, "some of the log is damaged: what it was is in none of these numbers\n");
	if (changed)
		buf_puts(out, "\nDifferently\n");
	put_changes(r, out);
	tally_put_text(&r->principals, out, "By principal", LINES);
	tally_put_text(&r->rules, out, "By rule", LINES);
	tally_put_text(&r->objects, out, "By object", LINES);
	tally_put_text(&r->lacking, out, "Cannot be told, for it is not on record", LINES);
	tally_put_text(&r->codes, out, "Refused by the gateway itself", LINES);
	if (r->first.n)
		buf_printf(out, "\n%s\n%.*s", changed > SHOWN ? "The first of them" : "These",
			   (int) r->first.n, (const char *) r->first.p);
}

static void
close_replay(struct replay *r)
{
	struct tally *all[] = {&r->principals, &r->rules, &r->objects, &r->codes, &r->lacking};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		tally_fini(all[i]);
	buf_fini(&r->first);
	cli_policy_close(&r->p);
}

static int
replay(struct replay *r, const char *folder)
{
	struct buf out = {0};

	if (recorded_commands("replay", folder, on_recorded, r, &r->damaged) != 0)
		return EXIT_USAGE;
	show_progress(r, true);
	if (r->json)
		put_totals_json(r, &out);
	else
		put_totals_text(r, &out);
	cli_print(&out);
	buf_fini(&out);
	return r->of[0].changed || r->of[1].changed || r->of[0].untold || r->damaged ? EXIT_NEGATIVE
										    : EXIT_OK;
}

int
cmd_replay(int argc, char **argv)
{
	const char *folder = NULL, *policy = NULL;
	struct replay r = {0};
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
	if (code == EXIT_OK)
		code = replay(&r, folder);
	close_replay(&r);
	return code;
}
