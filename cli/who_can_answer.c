/* SPDX-License-Identifier: MIT
 *
 * The answer to what weir who-can or what-can asks: of each rule that decides there the few cases
 * in which it matches, and what stronger rules take away.
 */
#include "cli/cli.h"
#include "cli/describe.h"
#include "cli/who_can.h"
#include "compiler/rule_digest.h"

#include <stdio.h>

enum { MAX_CASES = 40 };

/* What can be of what is asked for. Of a command that has an object, the table is known. */
static uint32_t
in_scope(const struct question *q)
{
	struct dd *d = q->s->dd;
	uint32_t root = dd_and(d, q->scope, space_feasible(q->s));

	for (int f = FACT_TABLE; f <= FACT_SCHEMA; f++)
		if (q->s->fact_var[f])
			root = dd_without(d, root,
					  dd_and(d, asked_value(q, (enum fact) f, SPACE_UNKNOWN),
						 space_objects(q->s)));
	return root;
}

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

static void
put_shutting(struct question *q, size_t r, bool first)
{
	if (q->json) {
		buf_puts(&q->out, first ? ", \"by\": [" : ", ");
		put_rule_json(q, r, VM_DENY);
		buf_putc(&q->out, '}');
		return;
	}
	buf_printf(&q->out, "%s%.*s (", first ? "\n  but no session is opened: deny by " : ", ",
		   SLICE_ARG(q->img->rules[r].name));
	cli_rule_place(&q->out, q->img, r);
	buf_putc(&q->out, ')');
}

/* The rule would let somebody, into whose sessions nobody comes: because of one rule, or of all. */
static void
put_shut_out(struct question *q, size_t r, enum vm_rule verdict, uint32_t matches)
{
	bool one = false;

	if (q->json) {
		buf_puts(&q->out, q->out.n ? ",\n  " : "\n  ");
		put_rule_json(q, r, verdict);
	} else {
		put_rule_text(q, r, verdict);
		q->out.n--;
	}
	for (int all = 0; all <= 1 && !one; all++)
		for (size_t i = 0; i < q->img->n_rules; i++) {
			uint32_t match = q->g->match[ENTRY_CONNECT][i];
			uint32_t left = dd_without(q->s->dd, matches, shut_by(q, match));

			if (q->img->rules[i].kind != VM_DENY ||
			    (all ? !can_be(q, dd_and(q->s->dd, matches, match)) : can_be(q, left)))
				continue;
			put_shutting(q, i, !one);
			one = true;
		}
	buf_puts(&q->out, q->json ? (one ? "]}" : "}") : "\n");
}

/* In JSON they are a list of their own: what is answered can be done. */
static void
note_shut_out(struct question *q, size_t r, enum vm_rule verdict, uint32_t matches)
{
	struct buf answers = q->out;

	q->out = q->shut_out;
	put_shut_out(q, r, verdict, matches);
	q->shut_out = q->out;
	q->out = answers;
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
		if (q->json)
			note_shut_out(q, r, verdict, decides);
		else
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

int
asked_answer(struct question *q, const char *command, const char *nobody)
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
	if (q->all)
		put_sessions(q);
	if (q->json)
		buf_printf(&q->out, "], \"shut_out\": [%.*s", SLICE_ARG(buf_slice(&q->shut_out)));
	if (q->all) {
		q->entry = ENTRY_COMMAND;
		put_restrictions(q);
	}
	if (q->json)
		buf_puts(&q->out, "]}\n");
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
