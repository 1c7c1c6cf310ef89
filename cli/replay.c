/* SPDX-License-Identifier: MIT
 *
 * weir replay: what another policy would have said to the commands and sessions of an audit log.
 */
#include "audit/folder.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/replay_compare.h"
#include "cli/replay_limits.h"
#include "cli/replay_tally.h"
#include "gate/epoch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
	"usage: weir replay FOLDER --policy POLICY [--was POLICY ...] [--verdicts] [--json]\n\n"
	"Decides the commands and sessions of an audit log again, by the facts on record and another\n"
	"policy (text or image), and says what would have been otherwise: by principal, by rule, by what\n"
	"it is about, with the first of them. FOLDER is the gateway's state folder or its audit folder;\n"
	"neither a parser nor a database is asked.\n\n"
	"Of a command that both policies let run, or hold, or deny, it says as well which columns would\n"
	"be masked otherwise, which rows dropped, what limits would end or not begin, what more or less\n"
	"goes on record, whom notices tell, and on what terms people approve. For that the policy of then\n"
	"is needed: the one that the gateway keeps in the audit folder, or one given with --was. Where it\n"
	"is not at hand, the names on record of the rules that applied are compared, and the totals say\n"
	"of how many commands.\n\n"
	"Not on record are the uses of columns (sql.uses), the columns behind `*` (of a table, those\n"
	"that the policy's `catalog` has are taken), effects behind the 16th, what a cursor reads that\n"
	"people have released, the text of very long statements, values of rows, what views are made of,\n"
	"and the groups and address of sessions that began before the log. What hangs on one of these is\n"
	"counted as a command that cannot be told, with what is lacking. Calls of functions that the\n"
	"policy of then vouched for are not on record either, and not missed.\n\n"
	"Not replayed is what the gateway itself refused (a masked column in a condition, say), as long as\n"
	"the masks are the same. Budgets are filled again over the log's own time; what a limit cut short\n"
	"then would have got, nobody knows. Each command is decided by itself: those of a session that\n"
	"would not have been opened as well.\n\n"
	"  --policy POLICY   the policy to decide by\n"
	"  --was POLICY      a policy by which the log was decided (the image, or its text)\n"
	"  --verdicts        compare those only\n"
	"  --json            one object a line for each command or session that differs or cannot be told,\n"
	"                    and the totals\n\n"
	"Exit code: 0 nothing would have been otherwise, 1 something would or cannot be told, some of the\n"
	"log is damaged, or a policy is bad, 2 usage, or the log cannot be read.\n";

enum { SHOWN = 20, STATEMENT_SHOWN = 100, LINES = 30, PROGRESS = 1 << 13 };

struct replay {
	struct cli_policy p;
	struct told_policy is;
	struct was was;
	struct limits_replay limits;
	const bool *inherits;
	bool json, verdicts, damaged;
	struct { size_t same, changed, untold; } of[2]; /* commands, sessions */
	size_t by_gateway, unasked, seen, by_names, uncatalogued;
	size_t kinds[CHANGE_KINDS];
	size_t changes[2][VERDICT_DENY + 1][VERDICT_DENY + 1]; /* from, to */
	struct tally principals, rules, objects, codes, lacking, maybe;
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

/* "mask by veil"; "no longer mask by veil"; "mask otherwise by veil". Each once a command. */
static void
count_change_rules(struct replay *r, const struct comparison *x, bool maybe)
{
	struct tally *t = maybe ? &r->maybe : &r->rules;

	for (size_t i = 0; i < x->n; i++) {
		const struct change *c = &x->v[i];
		bool told = c->maybe != maybe, same;

		for (size_t k = 0; k < i && !told; k++)
			told = x->v[k].kind == c->kind && x->v[k].rule_is == c->rule_is;
		if (told)
			continue;
		same = c->rule_was && c->rule_is && strcmp(c->rule_was, c->rule_is) == 0;
		if (c->rule_is)
			tally_count(t, &r->p.arena,
				    arena_printf(x->arena, "%s%s by %s", change_info[c->kind].verb,
						 same ? " otherwise" : "", c->rule_is));
		if (c->rule_was && !same)
			tally_count(t, &r->p.arena,
				    arena_printf(x->arena, "no longer %s by %s",
						 change_info[c->kind].verb, c->rule_was));
	}
}

/* Of a command that is decided alike. */
static void
count_differences(struct replay *r, const struct recorded *c, const struct decision *d,
		  const struct comparison *x)
{
	bool seen[CHANGE_KINDS] = {false}, whole = false;

	for (size_t i = 0; i < x->n; i++) {
		const struct change *change = &x->v[i];

		if (change->maybe)
			continue;
		r->kinds[change->kind] += !seen[change->kind];
		seen[change->kind] = true;
		if (change->object && change->kind != CHANGE_NAMED)
			tally_count(&r->objects, &r->p.arena, change->object);
		else
			whole = true;
	}
	if (whole)
		count_objects(r, c, d);
	count_change_rules(r, x, false);
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
put_json(struct replay *r, const struct recorded *c, const struct decision *d,
	 const struct comparison *x)
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
		   d->by_default ? "true" : "false",
		   x->lacking && !changes_certain(x) ? "false" : "true");
	for (unsigned i = 0; i < RECORDED_BITS; i++)
		if (x->lacking >> i & 1) {
			buf_printf(&out, "%s\"%s\"", sep, recorded_lack_name(i));
			sep = ", ";
		}
	buf_puts(&out, "], \"differs\": ");
	changes_put_json(&out, x);
	buf_puts(&out, ", \"statement\": ");
	buf_json_string(&out, c->brief.statement);
	buf_puts(&out, "}\n");
	cli_print(&out);
	buf_fini(&out);
}

/* One line, whatever the statement holds. */
static void
note_first(struct replay *r, const struct recorded *c, const struct decision *d,
	   const struct comparison *x)
{
	struct slice s = c->brief.statement;
	char id[37], when[28];

	audit_id_format(c->brief.id, id);
	clock_format(c->brief.time, when);
	buf_printf(&r->first, "  %.19sZ %.8s ", when, id);
	cli_put_plain(&r->first, c->brief.principal.subject);
	buf_puts(&r->first, ": ");
	if (x->n)
		cli_put_plain(&r->first, slice_str(changes_text(x, c->arena)));
	else
		buf_printf(&r->first, "%s -> %s", verdict_name(c->verdict),
			   verdict_name(d->verdict));
	buf_puts(&r->first, ": ");
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
is_replayed(struct replay *r, const struct recorded *c, const struct decision *d, bool untold)
{
	if (!c->by_gateway.n)
		return true;
	if (!c->unasked && !untold && d->verdict == VERDICT_DENY)
		return true;
	tally_count(&r->codes, &r->p.arena, arena_str(c->arena, c->by_gateway));
	r->by_gateway++;
	return false;
}

static void
note_change(struct replay *r, const struct recorded *c, const struct decision *d,
	    const struct comparison *x)
{
	if (r->of[0].changed + r->of[1].changed < SHOWN)
		note_first(r, c, d, x);
	r->of[c->connects].changed++;
	tally_count(&r->principals, &r->p.arena, arena_str(c->arena, c->brief.principal.subject));
	if (x->n) {
		count_differences(r, c, d, x);
		return;
	}
	r->changes[c->connects][c->verdict][d->verdict]++;
	count_rules(r, c, d);
	count_objects(r, c, d);
}

static void
note_untold(struct replay *r, const struct recorded *c, const struct comparison *x)
{
	r->of[c->connects].untold++;
	for (unsigned i = 0; i < RECORDED_BITS; i++)
		if (x->lacking >> i & 1)
			tally_count(&r->lacking, &r->p.arena, recorded_lack_name(i));
	if (!r->p.catalog && (x->lacking >> RECORDED_VIEWS & 1 || x->lacking >> FACT_COLUMNS & 1))
		r->uncatalogued++;
	count_change_rules(r, x, true);
}

/* What this very policy has decided is as it was, in all that it does. */
static struct comparer
comparer_of(struct replay *r, const struct recorded *c)
{
	struct comparer x = {.is = &r->is, .inherits = r->inherits};

	x.catalog = r->p.catalog ? r->p.catalog->catalog : NULL;
	if (slice_eq(c->brief.policy, slice_of(r->p.image->digest, SHA256_LEN)))
		x.was = x.is;
	else
		x.was = was_find(&r->was, c->brief.policy);
	return x;
}

/* Some limit is in force by one policy or the other. */
static bool
is_limited(const struct comparer *x, const struct recorded *c)
{
	if (x->is->image->has_limits)
		return !c->connects;
	for (size_t i = 0; x->was && i < c->n_obligations; i++) {
		int r = image_rule_find(x->was->image, c->obligations[i]);

		if (r >= 0 && x->was->image->rules[r].kind == VM_LIMIT)
			return true;
	}
	return false;
}

/* A command as this policy decides it. */
struct again {
	struct comparer by;
	struct decision d, turned;
	bool untold;  /* ... which hangs on what is not on record */
	bool refused; /* it was, because of a limit, and rules let it run */
	struct comparison x;
};

/* False: what limits would have done is known when it has ended. */
static bool
replay_limits(struct replay *r, struct recorded *c, struct again *a)
{
	bool own = a->by.was == a->by.is, ran = c->verdict != VERDICT_DENY;
	bool runs = !a->untold && a->d.verdict != VERDICT_DENY;

	if (a->refused) {
		limits_refused(&r->limits, &a->by, c, &a->d, &a->turned, &a->x);
	} else if (ran && runs && !c->ended) {
		limits_begin(&r->limits, &a->by, c, &a->d, &a->turned);
		c->wait = true;
		return false;
	} else if (ran && runs) {
		limits_end(&r->limits, &a->by, c, a->d.verdict != c->verdict,
			   own ? NULL : &a->x);
	} else if (ran != runs) {
		limits_other(&r->limits, &a->by, c, &a->d, a->untold || !ran);
	}
	return true;
}

static bool
is_as_it_was(const struct recorded *c, const struct again *a)
{
	return !a->x.lacking && !a->x.n && (a->refused || a->d.verdict == c->verdict);
}

/* False: later. */
static bool
decide_again(struct replay *r, struct recorded *c, struct again *a)
{
	if (r->verdicts)
		return true;
	if (is_limited(&a->by, c) && !c->ended && !replay_limits(r, c, a))
		return false;
	if (!a->untold && a->d.verdict == c->verdict && a->by.was != a->by.is) {
		compare(&a->by, c, &a->d, &a->turned, &a->x);
		r->by_names += a->x.by_names;
	}
	return !c->ended || replay_limits(r, c, a);
}

/* The gateway refused it because of masks, which are others now; rules let it run. */
static bool
may_run_now(struct replay *r, struct recorded *c, struct again *a)
{
	static const char *const by_masks[] = {
		"WEIR-MASKED-", "WEIR-MASK-",	 "WEIR-ROW-FILTER", "WEIR-LINEAGE", "WEIR-DETECT",
		"WEIR-RENAME",	"WEIR-UNKNOWN-", "WEIR-NAMES",	    "WEIR-SEARCH-PATH"};
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(by_masks); i++) {
		struct slice code = c->by_gateway, begin = slice_str(by_masks[i]);

		code.n = code.n < begin.n ? code.n : begin.n;
		any = any || slice_eq(code, begin);
	}
	if (!any || r->verdicts || c->unasked || (!a->untold && a->d.verdict == VERDICT_DENY))
		return false;
	a->x.lacking |= compare_refused(&a->by, c);
	if (a->x.lacking && is_limited(&a->by, c))
		limits_other(&r->limits, &a->by, c, &a->d, true);
	return a->x.lacking != 0;
}

static void
note(struct replay *r, struct recorded *c)
{
	struct again a = {.x.arena = c->arena};

	if (r->p.catalog && !c->connects)
		recorded_columns(c, r->p.catalog->catalog);
	a.x.lacking = recorded_decide(c, r->p.image, &a.d, &a.turned);
	a.untold = a.x.lacking != 0;
	if (!r->verdicts)
		a.by = comparer_of(r, c);
	a.refused = a.by.was && a.by.was != a.by.is && limits_is_code(c->by_gateway) &&
		    !a.untold && a.d.verdict != VERDICT_DENY;
	if (may_run_now(r, c, &a)) {
		if (r->json)
			put_json(r, c, &a.d, &a.x);
		note_untold(r, c, &a.x);
		return;
	}
	if ((!a.refused && !is_replayed(r, c, &a.d, a.untold)) || !decide_again(r, c, &a))
		return;
	if (is_as_it_was(c, &a)) {
		r->of[c->connects].same++;
		return;
	}
	if (r->json)
		put_json(r, c, &a.d, &a.x);
	if (!a.x.lacking || changes_certain(&a.x))
		note_change(r, c, &a.d, &a.x);
	else
		note_untold(r, c, &a.x);
}

static bool
on_recorded(void *ctx, struct recorded *c)
{
	struct replay *r = ctx;

	r->seen += !c->ended;
	show_progress(r, false);
	if (c->follows)
		return true;
	if (c->unasked && !c->by_gateway.n)
		r->unasked++;
	else
		note(r, c);
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
	for (int i = 0; i < CHANGE_KINDS; i++) {
		if (!r->kinds[i])
			continue;
		if (r->json)
			buf_printf(out, "%s\"%s\": %zu", sep, change_info[i].name, r->kinds[i]);
		else
			buf_printf(out, "%8zu  %s\n", r->kinds[i], change_info[i].sentence);
		sep = ", ";
	}
}

static void
put_totals_json(struct replay *r, struct buf *out)
{
	buf_printf(out, "{\"same\": %zu, \"different\": %zu, \"cannot_be_told\": %zu, "
			"\"refused_by_gateway\": %zu, \"without_facts\": %zu, "
			"\"by_names\": %zu, "
			"\"sessions\": {\"same\": %zu, \"different\": %zu}, \"damaged\": %s, "
			"\"changes\": {",
		   r->of[0].same, r->of[0].changed, r->of[0].untold, r->by_gateway, r->unasked,
		   r->by_names, r->of[1].same, r->of[1].changed, r->damaged ? "true" : "false");
	put_changes(r, out);
	buf_putc(out, '}');
	tally_put_json(&r->principals, out, "principal");
	tally_put_json(&r->rules, out, "rule");
	tally_put_json(&r->objects, out, "object");
	tally_put_json(&r->lacking, out, "lacking");
	tally_put_json(&r->maybe, out, "perhaps");
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
	if (r->verdicts)
		buf_puts(out, "verdicts only: without --verdicts what else differs is told as well\n");
	if (r->by_names)
		buf_printf(out, "%zu by the names of rules only: the policy of then is not at hand; give it "
				"with --was\n", r->by_names);
	if (r->damaged)
		buf_puts(out, "some of the log is damaged: what it was is in none of these numbers\n");
	if (changed)
		buf_puts(out, "\nDifferently\n");
	put_changes(r, out);
	tally_put_text(&r->principals, out, "By principal", LINES);
	tally_put_text(&r->rules, out, "By rule", LINES);
	tally_put_text(&r->objects, out, "By object", LINES);
	tally_put_text(&r->lacking, out, "Cannot be told, for it is not on record", LINES);
	if (r->uncatalogued)
		buf_printf(out, "  (the policy has no `catalog`; with one, as text, more is known of %zu: which "
				"names are tables, what `*` stands for)\n", r->uncatalogued);
	tally_put_text(&r->maybe, out, "Which may have been, by rule", LINES);
	tally_put_text(&r->codes, out, "Refused by the gateway itself", LINES);
	if (r->first.n)
		buf_printf(out, "\n%s\n%.*s", changed > SHOWN ? "The first of them" : "These",
			   (int) r->first.n, (const char *) r->first.p);
}

static void
close_replay(struct replay *r)
{
	struct tally *all[] = {&r->principals, &r->rules,   &r->objects,
			       &r->codes,      &r->lacking, &r->maybe};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		tally_fini(all[i]);
	buf_fini(&r->first);
	limits_fini(&r->limits);
	was_close(&r->was);
	told_close(&r->is);
	cli_policy_close(&r->p);
}

static int
replay(struct replay *r, const char *folder)
{
	struct buf out = {0};
	int rc;

	/* What is wrong with it is said by who reads it. */
	r->was.dir = folder_open(folder);
	if (r->p.catalog)
		r->inherits = compare_inheriting(r->p.catalog->catalog, &r->p.arena);
	rc = recorded_commands("replay", folder, on_recorded, r, &r->damaged);
	if (r->was.dir >= 0)
		close(r->was.dir);
	if (rc != 0)
		return EXIT_USAGE;
	show_progress(r, true);
	if (!r->verdicts)
		was_unused(&r->was);
	if (r->json)
		put_totals_json(r, &out);
	else
		put_totals_text(r, &out);
	cli_print(&out);
	buf_fini(&out);
	return r->of[0].changed || r->of[1].changed || r->of[0].untold || r->of[1].untold ||
			       r->damaged
		       ? EXIT_NEGATIVE
		       : EXIT_OK;
}

struct args {
	const char *folder, *policy;
	const char **was;
	int n_was;
};

/* -1: go on. */
static int
read_args(int argc, char **argv, struct args *a, struct replay *r)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--policy") == 0 && i + 1 < argc)
			a->policy = argv[++i];
		else if (strcmp(argv[i], "--was") == 0 && i + 1 < argc)
			a->was[a->n_was++] = argv[++i];
		else if (strcmp(argv[i], "--verdicts") == 0)
			r->verdicts = true;
		else if (strcmp(argv[i], "--json") == 0)
			r->json = true;
		else if (argv[i][0] == '-')
			return cli_option_error("replay", argv[i], "--policy --was");
		else if (a->folder)
			return cli_usage_error("replay", "one log at a time");
		else
			a->folder = argv[i];
	}
	if (!a->folder || !a->policy)
		return cli_usage_error("replay", "a log and --policy POLICY are asked for");
	return -1;
}

int
cmd_replay(int argc, char **argv)
{
	struct replay r = {.was = {.command = "replay", .is = &r.is, .dir = -1}};
	struct args a = {.was = calloc((size_t) argc, sizeof(*a.was))};
	int code;

	assert(a.was != NULL);
	code = read_args(argc, argv, &a, &r);
	if (code >= 0) {
		free(a.was);
		return code;
	}
	code = cli_policy_open(&r.p, "replay", a.policy);
	if (code == EXIT_OK)
		told_open(&r.is, r.p.image);
	for (int i = 0; code == EXIT_OK && i < a.n_was; i++)
		code = was_give(&r.was, a.was[i]);
	if (code == EXIT_OK)
		code = replay(&r, a.folder);
	close_replay(&r);
	free(a.was);
	return code;
}
