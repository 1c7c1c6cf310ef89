/* SPDX-License-Identifier: MIT
 *
 * weir who-can and what-can: which rules let somebody do something, and under which conditions. Of
 * each rule that decides there: the few cases in which it matches, and what stronger rules take
 * away.
 */
#include "cli/actions.h"
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/policy.h"
#include "compiler/diag.h"
#include "compiler/diagram.h"
#include "compiler/known.h"
#include "compiler/rule_digest.h"
#include "vm/match.h"

#include <stdio.h>

static const char who_help[] =
	"usage: weir who-can FILE \"ACTION, ... [on OBJECT]\" [--json]\n\n"
	"Says who may do it, at once or after approval, and under which conditions. OBJECT is a\n"
	"target of the policy, or a table (a name without a schema is one in public). FILE is policy\n"
	"text or an image. For every rule that lets somebody: a line for each case in which it\n"
	"matches, and the cases in which a stronger rule decides instead.\n\n"
	"  weir who-can orders.weir \"sql.ddl on orders\"\n\n"
	"`connect` is asked for by itself: who may open a session. What could let a command in it go\n"
	"on opens it. What a deny or hold says of that is an exception of the other answers: \"but to\n"
	"connect\". It is asked once; a session goes on when the time for opening it is over.\n\n"
	"  --json   one object: answers with verdict, rule, conditions and exceptions\n\n"
	"Exit code: 0 answered (also: nobody), 1 the policy does not compile or is too entangled,\n"
	"2 usage.\n";

static const char what_help[] =
	"usage: weir what-can FILE NAME [--in GROUP,...] [--kind KIND] [--on TARGET] [--json]\n\n"
	"Says what the principal may do, at once or after approval, on what, and under which\n"
	"conditions. GROUP and TARGET are names of the policy, KIND is human, service or agent (if\n"
	"absent: any). A GROUP in quotes is one of the identity provider, which rules may ask for as\n"
	"a member of user.groups. Nobody is in a group that is not named. FILE is policy text or an\n"
	"image. Of sessions only what is said of them: who may do something may connect, unless it\n"
	"says otherwise (\"but to connect\"). Then come the masks, drops and limits on it.\n\n"
	"  weir what-can orders.weir alice --in agents\n\n"
	"  --json   one object: answers with verdict, rule, conditions and exceptions; restrictions\n\n"
	"Exit code: 0 answered (also: nothing), 1 the policy does not compile or is too entangled,\n"
	"2 usage.\n";

enum { MAX_CASES = 40 };

struct question {
	struct cli_policy policy;
	const struct image *img;
	struct space *s;
	struct diagram *g;
	enum vm_entry entry; /* ENTRY_CONNECT: about sessions, else about commands */
	uint32_t scope; /* what is asked for, as far as it can be */
	uint32_t shut;  /* of commands: no session can be, whenever it is opened */
	bool json, any;
	bool all; /* commands and sessions: the answer says which */
	bool excepted; /* something was taken away from the answer at hand */
	struct buf out;
};

/* ---- What is asked for ---- */

static void
narrow(struct question *q, uint32_t root)
{
	q->scope = dd_and(q->s->dd, q->scope, root);
}

static uint32_t
is_value(const struct question *q, enum fact f, uint32_t value)
{
	return q->s->fact_var[f] ? dd_between(q->s->dd, q->s->fact_var[f] - 1, value, value + 1)
				 : DD_TRUE;
}

static void
narrow_actions(struct question *q, const struct action_set *set)
{
	uint32_t root = DD_FALSE;

	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (action_set_has(set, a))
			root = dd_or(q->s->dd, root, is_value(q, FACT_ACTION, a + 1u));
	narrow(q, root);
}

static void
narrow_string(struct question *q, enum fact f, struct slice s)
{
	if (q->s->fact_var[f])
		narrow(q, is_value(q, f, 1 + (uint32_t) partition_find(q->s->facts[f].strings, s)));
}

static bool
narrow_target(struct question *q, struct slice name)
{
	const struct domain *d = &q->s->facts[FACT_TARGET_NAME];
	uint32_t root = DD_FALSE;

	for (size_t i = 0; i < q->img->n_targets; i++) {
		const struct image_target *t = &q->img->targets[i];

		if (!slice_eq(t->name, name))
			continue;
		narrow(q, is_value(q, FACT_TARGET_PROTOCOL, (uint32_t) t->protocol + 1));
		for (uint32_t c = 0; q->s->fact_var[FACT_TARGET_NAME] && c < d->n; c++)
			if (match_glob(t->pattern, d->values[c].s))
				root = dd_or(q->s->dd, root, is_value(q, FACT_TARGET_NAME, c + 1));
		if (q->s->fact_var[FACT_TARGET_NAME])
			narrow(q, root);
		return true;
	}
	return false;
}

/* False: the policy's catalog does not have it. */
static bool
narrow_table(struct question *q, struct slice name)
{
	const uint8_t *dot = memchr(name.p, '.', name.n);
	struct slice table = name;

	if (!dot)
		table = slice_str(arena_printf(q->s->arena, "public.%.*s", SLICE_ARG(name)));
	if (q->img->has_catalog && !known_table(&q->img, 1, table))
		return false;
	narrow_string(q, FACT_TABLE, table);
	narrow_string(q, FACT_SCHEMA,
		      slice_of(table.p, (size_t) ((const uint8_t *) memchr(table.p, '.', table.n) -
						  table.p)));
	return true;
}

/* Facts are known, but for those that many a command does not have. */
static uint32_t
all_known(const struct question *q)
{
	struct dd *d = q->s->dd;
	uint32_t root = DD_TRUE;

	for (uint32_t i = 0; i < q->s->n_vars; i++) {
		const struct space_var *v = &q->s->vars[i];
		bool fact = v->kind == SPACE_FACT && !space_may_lack(v->fact);

		if (v->kind == SPACE_USE)
			root = dd_without(d, root,
					  dd_between(d, i, SPACE_MAYBE_USED, SPACE_MAYBE_USED + 1));
		else if (fact)
			root = dd_without(d, root, dd_between(d, i, SPACE_UNKNOWN, 1));
	}
	return root;
}

/* What can be of what is asked for. Of a command that has an object, the table is known. */
static uint32_t
in_scope(const struct question *q)
{
	struct dd *d = q->s->dd;
	uint32_t root = dd_and(d, q->scope, space_feasible(q->s));

	for (int f = FACT_TABLE; f <= FACT_SCHEMA; f++)
		if (q->s->fact_var[f])
			root = dd_without(d, root,
					  dd_and(d, is_value(q, (enum fact) f, SPACE_UNKNOWN),
						 space_objects(q->s)));
	return root;
}

/* ---- Answers ---- */

static bool
can_be(struct question *q, uint32_t root)
{
	return dd_possible(q->s->dd, root);
}

/* An earlier case, which asks for the same but for the group, has named it. */
static bool
is_joined(const struct space *s, const struct cover_case *first, const struct cover_case *c)
{
	for (; first != c; first = first->next)
		if (describe_joins(s, first, c))
			return true;
	return false;
}

static void
put_cases(struct question *q, uint32_t must, uint32_t may, const char *lead)
{
	struct cover c = dd_cover(q->s->dd, q->s->dd_vars, q->s->arena, must, may, MAX_CASES);
	const char *sep = "";

	for (const struct cover_case *i = c.cases; i && !c.full; i = i->next) {
		struct buf text = {0};

		if (is_joined(q->s, c.cases, i))
			continue;
		describe_cases(&text, q->s, q->img, i);
		if (q->json) {
			buf_puts(&q->out, sep);
			buf_json_string(&q->out, buf_slice(&text));
			sep = ", ";
		} else {
			buf_printf(&q->out, "%s%.*s\n", lead, SLICE_ARG(buf_slice(&text)));
		}
		buf_fini(&text);
	}
	if (!c.full)
		return;
	if (q->json)
		buf_puts(&q->out, "null");
	else
		buf_printf(&q->out, "%sin more cases than can be listed\n", lead);
}

/* Where the rule says so. A session is allowed by what could let a command in it go on. */
static uint32_t
says(const struct question *q, size_t r, enum vm_rule verdict)
{
	uint32_t match = q->img->rules[r].kind == verdict ? q->g->match[q->entry][r] : DD_FALSE;

	if (q->entry == ENTRY_CONNECT && verdict == VM_ALLOW)
		match = dd_or(q->s->dd, match, q->g->may[r]);
	return match;
}

static void
put_rule_json(struct question *q, size_t r, enum vm_rule verdict)
{
	const struct image_rule *rule = &q->img->rules[r];

	buf_printf(&q->out, "{\"%s\": \"%s\", \"rule\": ", verdict > VM_DENY ? "kind" : "verdict",
		   vm_rule_info[verdict].name);
	buf_json_string(&q->out, rule->name);
	buf_puts(&q->out, ", \"file\": ");
	buf_json_string(&q->out, q->img->files[rule->span.file].name);
	buf_printf(&q->out, ", \"line\": %u", rule->span.line);
	if (verdict == VM_HOLD) {
		struct buf terms = {0};

		rule_hold_text(&terms, q->img, &rule->hold);
		buf_puts(&q->out, ", \"terms\": ");
		buf_json_string(&q->out, buf_slice(&terms));
		buf_fini(&terms);
	}
}

static void
put_rule_text(struct question *q, size_t r, enum vm_rule verdict)
{
	const struct image_rule *rule = &q->img->rules[r];

	buf_printf(&q->out, "%s by %.*s (", vm_rule_info[verdict].name, SLICE_ARG(rule->name));
	cli_rule_place(&q->out, q->img, r);
	buf_putc(&q->out, ')');
	if (verdict == VM_HOLD) {
		buf_puts(&q->out, ": ");
		rule_hold_text(&q->out, q->img, &rule->hold);
	}
	buf_putc(&q->out, '\n');
}

/* One rule that takes away of an answer what is in `both`; what it says elsewhere is as well. */
static void
put_exception(struct question *q, size_t r, enum vm_entry entry, uint32_t both, uint32_t may)
{
	const struct image_rule *rule = &q->img->rules[r];

	if (q->json) {
		buf_puts(&q->out, q->excepted ? ", " : "");
		put_rule_json(q, r, rule->kind);
		buf_printf(&q->out, ", \"entry\": \"%s\", \"conditions\": [",
			   entry_info[entry].name);
	} else {
		buf_puts(&q->out, "  but ");
		buf_puts(&q->out, entry != q->entry ? "to connect: " : "");
		put_rule_text(q, r, rule->kind);
	}
	put_cases(q, both, may, "      where ");
	buf_puts(&q->out, q->json ? "]}" : "");
	q->excepted = true;
}

/* What stands at the door of a session in which the commands could be sent, and was not said of
 * them already. */
static void
put_door(struct question *q, uint32_t matches, uint32_t others)
{
	struct dd *d = q->s->dd;

	for (size_t i = 0; i < q->img->n_rules && q->entry == ENTRY_COMMAND; i++) {
		uint32_t match = q->g->match[ENTRY_CONNECT][i], both = dd_and(d, matches, match);

		if (q->img->rules[i].kind != VM_DENY && q->img->rules[i].kind != VM_HOLD)
			continue;
		both = dd_without(d, both, q->g->match[ENTRY_COMMAND][i]);
		if (can_be(q, both))
			put_exception(q, i, ENTRY_CONNECT, both, dd_or(d, match, others));
	}
}

/* What stronger rules take away from a rule's matches in scope. */
static void
put_exceptions(struct question *q, size_t r, enum vm_rule verdict, uint32_t matches)
{
	struct dd *d = q->s->dd;
	uint32_t others = dd_not(d, dd_and(d, says(q, r, verdict), q->scope));

	buf_puts(&q->out, q->json ? "], \"unless\": [" : "");
	q->excepted = false;
	for (size_t i = 0; i < q->img->n_rules; i++) {
		enum vm_rule kind = q->img->rules[i].kind;
		uint32_t match = q->g->match[q->entry][i], both;

		if (kind > VM_DENY || kind <= verdict)
			continue;
		both = dd_and(d, matches, match);
		if (can_be(q, both))
			put_exception(q, i, q->entry, both, dd_or(d, match, others));
	}
	put_door(q, matches, others);
}

/* Where no session is opened, whenever that is tried. One goes on when the time comes at which it
 * would not be opened any more. */
static uint32_t
shut_by(const struct question *q, uint32_t denied)
{
	struct dd *d = q->s->dd;
	uint32_t open = dd_not(d, denied);

	for (int f = FACT_TIME_WEEKDAY; f <= FACT_TIME_OF_DAY; f++)
		if (q->s->fact_var[f])
			open = dd_exists(d, open, q->s->fact_var[f] - 1);
	return dd_not(d, open);
}

/* The rule would let somebody, into whose sessions nobody comes: because of one rule, or of all. */
static void
put_shut_out(struct question *q, size_t r, enum vm_rule verdict, uint32_t matches)
{
	const char *sep = "\n  but no session is opened: deny by ";
	bool one = false;

	if (q->json)
		return;
	put_rule_text(q, r, verdict);
	q->out.n--;
	for (int all = 0; all <= 1 && !one; all++)
		for (size_t i = 0; i < q->img->n_rules; i++) {
			uint32_t match = q->g->match[ENTRY_CONNECT][i];
			uint32_t left = dd_without(q->s->dd, matches, shut_by(q, match));

			if (q->img->rules[i].kind != VM_DENY ||
			    (all ? !can_be(q, dd_and(q->s->dd, matches, match)) : can_be(q, left)))
				continue;
			buf_printf(&q->out, "%s%.*s (", sep, SLICE_ARG(q->img->rules[i].name));
			cli_rule_place(&q->out, q->img, i);
			buf_putc(&q->out, ')');
			sep = ", ";
			one = true;
		}
	buf_putc(&q->out, '\n');
}

static void
put_answer(struct question *q, size_t r, enum vm_rule verdict)
{
	struct dd *d = q->s->dd;
	uint32_t match = says(q, r, verdict), here = dd_and(d, match, in_scope(q));

	uint32_t decides = dd_and(d, here, q->g->verdict[q->entry][verdict]);

	if (!can_be(q, decides))
		return;
	if (q->entry == ENTRY_COMMAND && !can_be(q, dd_without(d, decides, q->shut))) {
		put_shut_out(q, r, verdict, decides);
		return;
	}
	if (q->json) {
		buf_puts(&q->out, q->any ? ",\n  " : "\n  ");
		put_rule_json(q, r, verdict);
		if (q->all)
			buf_printf(&q->out, ", \"entry\": \"%s\"", entry_info[q->entry].name);
		buf_puts(&q->out, ", \"conditions\": [");
	} else {
		if (q->all && q->entry == ENTRY_CONNECT)
			buf_puts(&q->out, "to connect: ");
		put_rule_text(q, r, verdict);
	}
	q->any = true;
	put_cases(q, here, dd_or(d, match, dd_not(d, q->scope)), "  where ");
	put_exceptions(q, r, verdict, here);
	if (q->json)
		buf_puts(&q->out, "]}");
}

/* ---- What is masked, withheld and limited of it ---- */

static void
put_restriction_terms(struct buf *out, const struct image *img, const struct image_rule *rule)
{
	const char *sep = rule->kind == VM_DROP ? "rows of " : "";

	for (size_t i = 0; i < rule->mask.n_data; i++) {
		buf_printf(out, "%s%.*s", sep, SLICE_ARG(img->data[rule->mask.data[i]].name));
		sep = ", ";
	}
	if (rule->kind == VM_MASK) {
		buf_puts(out, " with ");
		rule_mask_text(out, &rule->mask);
	}
	sep = "";
	for (size_t i = 0; i < rule->limit.n_amounts; i++) {
		const struct image_amount *a = &rule->limit.amounts[i];

		buf_printf(out, "%s%s %llu%s per %s", sep, limit_unit_info[a->unit].name,
			   (unsigned long long) a->n, a->unit == LIMIT_TIME ? "ms" : "",
			   limit_per_info[a->per].name);
		sep = ", ";
	}
}

static void
put_restriction(struct question *q, size_t r, uint32_t match, uint32_t here)
{
	const struct image_rule *rule = &q->img->rules[r];
	struct dd *d = q->s->dd;
	struct buf terms = {0};

	put_restriction_terms(&terms, q->img, rule);
	if (q->json) {
		buf_puts(&q->out, q->excepted ? ",\n  " : "\n  ");
		put_rule_json(q, r, rule->kind);
		buf_puts(&q->out, ", \"terms\": ");
		buf_json_string(&q->out, buf_slice(&terms));
		buf_puts(&q->out, ", \"conditions\": [");
	} else {
		buf_printf(&q->out, "%s %.*s (", vm_rule_info[rule->kind].name,
			   SLICE_ARG(rule->name));
		cli_rule_place(&q->out, q->img, r);
		buf_printf(&q->out, "): %.*s\n", SLICE_ARG(buf_slice(&terms)));
	}
	put_cases(q, here, dd_or(d, match, dd_not(d, q->scope)), "  where ");
	buf_puts(&q->out, q->json ? "]}" : "");
	q->excepted = true;
	buf_fini(&terms);
}

/* Of what the principal may do at all. */
static void
put_restrictions(struct question *q)
{
	struct dd *d = q->s->dd;
	const uint32_t *verdict = q->g->verdict[ENTRY_COMMAND];
	uint32_t can = dd_or(d, verdict[VERDICT_ALLOW], verdict[VERDICT_HOLD]);

	can = dd_and(d, in_scope(q), dd_without(d, can, q->shut));
	buf_puts(&q->out, q->json ? "], \"restrictions\": [" : "");
	q->excepted = false;
	for (size_t r = 0; r < q->img->n_rules; r++) {
		const struct image_rule *rule = &q->img->rules[r];
		enum vm_entry e = rule->kind == VM_LIMIT ? ENTRY_COMMAND
				  : rule->by_row	 ? ENTRY_ROW
							 : ENTRY_RESULT;
		uint32_t here = dd_and(d, can, q->g->match[e][r]);

		if (rule->shadow || !can_be(q, here) ||
		    (rule->kind != VM_MASK && rule->kind != VM_DROP && rule->kind != VM_LIMIT))
			continue;
		if (rule->kind != VM_LIMIT)
			here = dd_and(d, in_scope(q), q->g->match[e][r]);
		put_restriction(q, r, q->g->match[e][r], here);
	}
}

/* What is said of sessions alone; that commands open one as well goes without saying. */
static void
put_sessions(struct question *q)
{
	uint32_t scope = in_scope(q);

	q->entry = ENTRY_CONNECT;
	for (size_t r = 0; r < q->img->n_rules; r++) {
		uint32_t command = dd_and(q->s->dd, q->g->match[ENTRY_COMMAND][r], scope);
		enum vm_rule kind = q->img->rules[r].kind;

		if (kind == VM_HOLD ||
		    (kind == VM_ALLOW && q->g->may[r] == DD_FALSE && !can_be(q, command)))
			put_answer(q, r, kind);
	}
}

static void
note_shut(struct question *q)
{
	uint32_t denied = DD_FALSE;

	for (size_t r = 0; r < q->img->n_rules; r++)
		if (q->img->rules[r].kind == VM_DENY)
			denied = dd_or(q->s->dd, denied, q->g->match[ENTRY_CONNECT][r]);
	q->shut = shut_by(q, denied);
}

static int
answer(struct question *q, const char *command, const char *nobody)
{
	uint32_t usual, others;

	note_shut(q);
	(void) diagram_verdicts_in(q->g, in_scope(q)); /* too large: asked in the end */
	if (q->json)
		buf_puts(&q->out, "{\"answers\": [");
	for (size_t r = 0; r < q->img->n_rules; r++) {
		put_answer(q, r, VM_ALLOW);
		put_answer(q, r, VM_HOLD);
	}
	usual = dd_and(q->s->dd, in_scope(q), q->g->by_default[q->entry]);
	usual = dd_without(q->s->dd, usual, q->shut);
	if (q->img->default_allow && can_be(q, usual)) {
		buf_puts(&q->out, q->json ? (q->any ? ",\n  " : "\n  ") : "allow by default\n");
		if (q->json)
			buf_puts(&q->out, "{\"verdict\": \"allow\", \"rule\": null");
		if (q->json && q->all)
			buf_puts(&q->out, ", \"entry\": \"command\"");
		if (q->json)
			buf_puts(&q->out, ", \"conditions\": [");
		others = dd_not(q->s->dd, q->scope);
		put_cases(q, usual, dd_or(q->s->dd, q->g->by_default[q->entry], others),
			  "  where ");
		buf_puts(&q->out, q->json ? "], \"unless\": [" : "");
		q->excepted = false;
		put_door(q, usual, dd_or(q->s->dd, dd_not(q->s->dd, usual), others));
		buf_puts(&q->out, q->json ? "]}" : "");
		q->any = true;
	}
	if (q->all) {
		put_sessions(q);
		q->entry = ENTRY_COMMAND;
		put_restrictions(q);
	}
	if (q->json)
		buf_puts(&q->out, q->any ? "\n]}\n" : "]}\n");
	else if (!q->any)
		buf_printf(&q->out, "%s\n", nobody);
	if (dd_full(q->s->dd)) {
		fprintf(stderr, "weir %s: the rules depend on each other in too many ways\n",
			command);
		return EXIT_NEGATIVE;
	}
	cli_print(&q->out);
	return EXIT_OK;
}

static int
open_question(struct question *q, const char *command, const char *path)
{
	const struct image **images;
	const char *why;
	int code = cli_policy_open(&q->policy, command, path);

	if (code != EXIT_OK)
		return code;
	images = ARENA_ARRAY(&q->policy.arena, const struct image *, 1);
	images[0] = q->img = q->policy.image;
	q->s = space_new(&q->policy.arena, images, 1, &why);
	if (q->s && !(q->g = diagram_matches(q->s, 0)))
		why = "the rules, which depend on each other in too many ways";
	if (!q->g) {
		fprintf(stderr, "weir %s: too entangled to be asked: %s\n", command, why);
		return EXIT_NEGATIVE;
	}
	q->entry = ENTRY_COMMAND;
	q->scope = all_known(q);
	return EXIT_OK;
}

static int
close_question(struct question *q, int code)
{
	buf_fini(&q->out);
	cli_policy_close(&q->policy);
	return code;
}

/* ---- who-can ---- */

static struct slice
trim(struct slice s)
{
	while (s.n && memchr(" \t", s.p[0], 2)) {
		s.p++;
		s.n--;
	}
	while (s.n && memchr(" \t", s.p[s.n - 1], 2))
		s.n--;
	return s;
}

/* "sql.ddl, sql.select on orders" */
static int
no_action(struct slice name)
{
	const char *names[ACTION_COUNT], *near;
	size_t n = 0;

	for (enum action a = ACTION_NONE + 1; a < ACTION_COUNT; a++)
		names[n++] = action_info[a].name;
	near = diag_nearest(name, names, n);
	return cli_usage_error("who-can", "there is no action '%.*s'%s%s%s", SLICE_ARG(name),
			       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Opening a session is no command: it is asked about by itself. */
static int
narrow_doing(struct question *q, const struct action_set *set)
{
	if (!action_set_has(set, ACTION_CONNECT)) {
		narrow_actions(q, set);
		return EXIT_OK;
	}
	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (a != ACTION_CONNECT && action_set_has(set, a))
			return cli_usage_error("who-can", "ask for connect by itself: it is about "
							  "sessions, the others about commands");
	q->entry = ENTRY_CONNECT;
	return EXIT_OK;
}

static int
read_who(struct question *q, const char *text)
{
	const char *on = strstr(text, " on ");
	struct slice actions = slice_of(text, on ? (size_t) (on - text) : strlen(text));
	struct action_set set = {0};
	int code;

	if (!trim(actions).n)
		return cli_usage_error("who-can", "who can do what?");
	while (actions.n) {
		const uint8_t *comma = memchr(actions.p, ',', actions.n);
		struct slice one =
			slice_of(actions.p, comma ? (size_t) (comma - actions.p) : actions.n);

		actions.p += one.n + (comma != NULL);
		actions.n -= one.n + (comma != NULL);
		one = trim(one);
		if (!action_set_of(one, &set))
			return no_action(one);
	}
	code = narrow_doing(q, &set);
	if (code == EXIT_OK && on) {
		struct slice object = trim(slice_str(on + 4));

		if (!object.n)
			return cli_usage_error("who-can", "on what?");
		if (!narrow_target(q, object) &&
		    (q->entry == ENTRY_CONNECT || !narrow_table(q, object)))
			return cli_usage_error("who-can", "'%.*s' is no target of the policy, and no "
							  "table of its catalog", SLICE_ARG(object));
	}
	return code;
}

int
cmd_who_can(int argc, char **argv)
{
	struct question q = {0};
	const char *words[2];
	int n = 0, code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0)
			return fputs(who_help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			q.json = true;
		else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("who-can", argv[i], "");
		else if (n == 2)
			return cli_usage_error("who-can", "one question at a time; quote it");
		else
			words[n++] = argv[i];
	}
	if (n != 2)
		return cli_usage_error("who-can", "a policy and a question are asked for");
	code = open_question(&q, "who-can", words[0]);
	if (code == EXIT_OK)
		code = read_who(&q, words[1]);
	if (code == EXIT_OK)
		code = answer(&q, "who-can", "nobody");
	return close_question(&q, code);
}

/* ---- what-can ---- */

struct principal {
	const char *name, *kind, *target;
	const char *groups[64];
	size_t n_groups;
};

static int
narrow_groups(struct question *q, const struct principal *p)
{
	const struct domain *d = &q->s->facts[FACT_USER_GROUPS];
	bool *in = ARENA_ARRAY(q->s->arena, bool, d->n + 1);

	for (size_t i = 0; i < p->n_groups; i++) {
		struct slice name = slice_str(p->groups[i]);
		bool idp = name.n > 2 && name.p[0] == '"' && name.p[name.n - 1] == '"';
		int g = image_group_find(q->img, name);

		if (g < 0 && !idp)
			return cli_usage_error("what-can", "no group '%s' is declared (one of the identity "
					       "provider that has no\n  name in the policy stands in "
					       "quotes: '\"%s\"')", p->groups[i], p->groups[i]);
		name = idp ? slice_of(name.p + 1, name.n - 2) : q->img->groups[g].idp;
		if (d->used)
			in[partition_find(d->strings, name)] = true;
	}
	for (uint32_t i = 0; d->used && i < d->n; i++)
		narrow(q, dd_between(q->s->dd, q->s->member_var[FACT_USER_GROUPS] - 1 + i, in[i],
				     in[i] + 1u));
	return EXIT_OK;
}

static int
narrow_principal(struct question *q, const struct principal *p)
{
	int kind = p->kind ? enum_find(TYPE_ENUM_USER_KIND, slice_str(p->kind)) : 0;

	if (kind < 0)
		return cli_usage_error("what-can", "a principal is human, service or agent");
	if (p->kind)
		narrow(q, is_value(q, FACT_USER_KIND, (uint32_t) kind + 1));
	if (p->target && !narrow_target(q, slice_str(p->target)))
		return cli_usage_error("what-can", "no target '%s' is declared", p->target);
	narrow_string(q, FACT_USER_NAME, slice_str(p->name));
	return narrow_groups(q, p);
}

static bool
read_groups(char *list, struct principal *p)
{
	char *rest = list;

	while (rest && *rest && p->n_groups < COUNT_OF(p->groups)) {
		p->groups[p->n_groups++] = rest;
		rest = strchr(rest, ',');
		if (rest)
			*rest++ = 0;
	}
	return !rest || !*rest;
}

int
cmd_what_can(int argc, char **argv)
{
	struct question q = {0};
	struct principal p = {0};
	const char *path = NULL;
	int code;

	for (int i = 1; i < argc; i++) {
		const char *more = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--help") == 0)
			return fputs(what_help, stdout), EXIT_OK;
		if (strcmp(argv[i], "--json") == 0)
			q.json = true;
		else if (strcmp(argv[i], "--kind") == 0 && more)
			p.kind = argv[++i];
		else if (strcmp(argv[i], "--on") == 0 && more)
			p.target = argv[++i];
		else if (strcmp(argv[i], "--in") == 0 && more) {
			if (!read_groups(argv[++i], &p))
				return cli_usage_error("what-can", "more than 64 groups");
		} else if (argv[i][0] == '-' && argv[i][1])
			return cli_option_error("what-can", argv[i], "--kind --on --in");
		else if (p.name)
			return cli_usage_error("what-can", "one principal at a time");
		else if (path)
			p.name = argv[i];
		else
			path = argv[i];
	}
	if (!p.name)
		return cli_usage_error("what-can", "a policy and a principal's name are asked for");
	q.all = true;
	code = open_question(&q, "what-can", path);
	if (code == EXIT_OK)
		code = narrow_principal(&q, &p);
	if (code == EXIT_OK)
		code = answer(&q, "what-can", "nothing");
	return close_question(&q, code);
}
