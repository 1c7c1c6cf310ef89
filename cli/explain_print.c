/* SPDX-License-Identifier: MIT */
#include "cli/explain.h"

#include "compiler/rule_digest.h"

#define BOLD "\033[1m"
#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define RESET "\033[0m"

struct print {
	const struct explanation *x;
	const struct image *img;
	struct buf *out;
	bool colour;
	size_t elsewhere; /* masks and drops that match, of what the command does not touch */
};

static const char *const truths[] = {"false", "unknown", "true"};

static void
put_on(struct print *p, const char *escape)
{
	if (p->colour)
		buf_puts(p->out, escape);
}

static void
put_place(struct print *p, struct span at)
{
	struct position pos = source_position(&p->x->policy->sources, at);

	buf_printf(p->out, "%s:%u:%u", pos.source->path, pos.line, pos.column);
}

/* The clause as it was written, on one line. */
static void
put_source(struct buf *out, struct sources *sources, struct span at)
{
	struct slice s = source_text(sources, at);
	bool blank = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ') {
			blank = true;
			continue;
		}
		if (blank)
			buf_putc(out, ' ');
		blank = false;
		buf_putc(out, s.p[i]);
	}
}

static void
put_clause(struct print *p, const struct explained_rule *r, const struct explained_clause *c,
	   const struct facts *f)
{
	struct buf facts = {0};

	put_on(p, c->passes ? GREEN : RED);
	buf_printf(p->out, "      %-8s", c->value == TRUTH_TRUE	   ? "yes"
					 : c->value == TRUTH_FALSE ? "no"
								   : "unknown");
	put_on(p, RESET);
	if (c->ast)
		put_source(p->out, &p->x->policy->sources, c->ast->at);
	else
		buf_puts(p->out, "(it reads facts of one protocol)");
	buf_puts(p->out, "\n              ");
	explain_put_facts(&facts, c->cond, p->img, f);
	cli_put_plain(p->out, buf_slice(&facts));
	buf_fini(&facts);
	if (c->value == TRUTH_UNKNOWN)
		buf_printf(p->out, "; unknown %s",
			   r->rule->kind == VM_ALLOW ? "never helps to be allowed"
			   : r->only_may	     ? "opens no session"
						     : "counts as a match");
	if (c->ast) {
		struct position at = source_position(&p->x->policy->sources, c->ast->at);

		buf_printf(p->out, "   at %u:%u", at.line, at.column);
	}
	buf_putc(p->out, '\n');
}

static void
put_rule(struct print *p, const struct explained_rule *r, const struct facts *f, bool failing_only)
{
	const struct rule *ast = r->rule->ast;

	buf_puts(p->out, "  ");
	put_on(p, BOLD);
	buf_printf(p->out, "%s %s", vm_rule_info[r->rule->kind].name, ast->name.s);
	put_on(p, RESET);
	buf_puts(p->out, "   ");
	put_place(p, ast->name.at);
	if (r->matches)
		buf_puts(p->out, r->only_may ? "   could match a command\n" : "   matches\n");
	else
		buf_printf(p->out, "   %u of %zu clauses fail%s\n", r->failing, r->n,
			   r->failing == 1 ? "s" : "");
	if (ast->sentence.v.n)
		buf_printf(p->out, "      \"%.*s\"\n", SLICE_ARG(ast->sentence.v));
	for (size_t i = 0; i < r->n; i++)
		if (!failing_only || !r->clauses[i].passes)
			put_clause(p, r, &r->clauses[i], f);
}

static void
put_title(struct print *p, const char *title)
{
	buf_putc(p->out, '\n');
	put_on(p, BOLD);
	buf_printf(p->out, "%s\n", title);
	put_on(p, RESET);
}

static void
put_deciders(struct print *p, const struct decision *d)
{
	const char *sep = " by ";

	for (int i = decision_next_deciding(p->img, d, -1); i >= 0;
	     i = decision_next_deciding(p->img, d, i)) {
		buf_printf(p->out, "%s%.*s", sep, SLICE_ARG(p->img->rules[i].name));
		sep = ", ";
	}
	if (d->by_default)
		buf_printf(p->out, "%sdefault", *sep == ',' ? ", " : " by ");
}

static void
put_verdict(struct print *p, enum verdict v)
{
	put_on(p, v == VERDICT_ALLOW ? GREEN : v == VERDICT_HOLD ? YELLOW : RED);
	buf_puts(p->out, vm_rule_info[v].name);
	put_on(p, RESET);
}

/* "sql.delete on public.people: deny by default" */
static void
put_effect_title(struct print *p, size_t i)
{
	const struct facts *f = &p->x->effects[i];
	const struct value *action = &f->v[FACT_ACTION], *table = &f->v[FACT_TABLE];

	buf_putc(p->out, '\n');
	put_on(p, BOLD);
	buf_puts(p->out, p->x->entry == ENTRY_CONNECT ? "a session"
			 : action->known	      ? action_info[action->i].name
						      : "an unknown action");
	if (table->known && table->s.n) {
		buf_puts(p->out, " on ");
		cli_put_plain(p->out, table->s);
	}
	put_on(p, RESET);
	buf_puts(p->out, ": ");
	put_verdict(p, p->x->of_effect[i].decision.verdict);
	put_deciders(p, &p->x->of_effect[i].decision);
	buf_putc(p->out, '\n');
}

/* Limits, masks and drops have a place of their own. */
static bool
decides(const struct explained_rule *r)
{
	return r->rule->kind <= VM_DENY;
}

static void
put_effect(struct print *p, size_t i)
{
	const struct explained *e = &p->x->of_effect[i];
	const struct facts *f = &p->x->effects[i];
	bool opened = false;

	put_effect_title(p, i);
	for (size_t k = 0; k < e->n; k++)
		if (decides(&e->rules[k]) && e->rules[k].matches) {
			opened = opened || e->rules[k].rule->kind != VM_DENY;
			put_rule(p, &e->rules[k], f, false);
		}
	if (!opened && e->nearest >= 0) {
		buf_puts(p->out, "  The allow rule that comes nearest:\n");
		put_rule(p, &e->rules[e->nearest], f, true);
	} else if (!opened) {
		buf_puts(p->out, "  There is no allow rule.\n");
	}
	for (size_t k = 0, any = 0; k < e->n; k++) {
		const struct explained_rule *r = &e->rules[k];

		if (!decides(r) || !r->considered || r->failing != 1 || !explained_is_about(r) ||
		    (!opened && (int) k == e->nearest))
			continue;
		if (!any++)
			buf_puts(p->out, "  One clause away:\n");
		put_rule(p, r, f, true);
	}
}

/* Of the rules that oblige: those that apply, those that nearly do. */
static void
put_obligations(struct print *p, const struct explained *e, const struct facts *f, bool nearly,
		bool *any)
{
	for (size_t k = 0; k < e->n; k++) {
		const struct explained_rule *r = &e->rules[k];

		if (decides(r) || !r->considered ||
		    (nearly ? r->failing != 1 || !explained_is_about(r) : !r->matches))
			continue;
		if (!explanation_touches(p->x, r->index)) {
			p->elsewhere += !nearly;
			continue;
		}
		if (!*any)
			put_title(p, nearly ? "Masks, drops and limits that are one clause away"
					    : "Masks, drops and limits that apply");
		*any = true;
		put_rule(p, r, f, nearly);
	}
}

static void
put_all_obligations(struct print *p, bool nearly)
{
	const struct explanation *x = p->x;
	bool any = false;

	if (x->result)
		put_obligations(p, x->result, x->base, nearly, &any);
	for (size_t i = 0; i < x->n; i++) {
		bool seen = false;

		/* The first effect that it applies to will do. */
		for (size_t k = 0; k < x->of_effect[i].n && x->entry == ENTRY_COMMAND; k++) {
			struct explained one = x->of_effect[i];

			one.rules += k;
			one.n = 1;
			seen = false;
			for (size_t before = 0; before < i; before++)
				seen = seen || (nearly ? x->of_effect[before].rules[k].failing == 1
						       : x->of_effect[before].rules[k].matches);
			if (!seen)
				put_obligations(p, &one, &x->effects[i], nearly, &any);
		}
		if (x->entry == ENTRY_RESULT || x->entry == ENTRY_ROW)
			put_obligations(p, &x->of_effect[i], &x->effects[i], nearly, &any);
	}
	if (!any && !nearly) {
		put_title(p, "Masks, drops and limits that apply");
		buf_puts(p->out, "  none\n");
	}
	if (p->elsewhere && !nearly)
		buf_printf(p->out, "  (%zu more %s of data that this command does not %s)\n",
			   p->elsewhere, p->elsewhere == 1 ? "is" : "are",
			   p->x->policy->catalog ? "touch" : "name");
}

/* What rules would let through and the gateway does not: because of these masks, if any. */
static void
put_refusal(struct print *p)
{
	const struct run *r = p->x->run;

	if (r->use_told)
		buf_printf(p->out, " by %.*s", SLICE_ARG(p->img->rules[r->use_rule].name));
	for (uint8_t i = 0; i < r->n_use_rules && !r->use_told; i++)
		buf_printf(p->out, "%s%.*s", i ? ", " : " by one of ",
			   SLICE_ARG(p->img->rules[r->use_rules[i]].name));
	buf_puts(p->out, r->n_use_rules ? ": " : " by the gateway itself: ");
	cli_put_plain(p->out, slice_str(r->refusal));
}

/* The column, and the places where it must not stand. */
static void
put_masked_use(struct print *p)
{
	const struct explanation *x = p->x;
	const char *sep = ": ";

	buf_printf(p->out, " by %.*s: a masked column is used other than as output",
		   SLICE_ARG(p->img->rules[x->use_rule].name));
	for (size_t i = 0; i < x->base->n_uses; i++) {
		const struct data_use *u = &x->base->uses[i];
		unsigned places = run_shut_places(x->run, i);

		if (!places || vm_mask_for(p->img, &x->run->result, u->schema, u->table,
					   u->column) != x->use_rule)
			continue;
		buf_puts(p->out, sep);
		cli_put_plain(p->out, u->schema);
		buf_putc(p->out, '.');
		cli_put_plain(p->out, u->table);
		buf_putc(p->out, '.');
		cli_put_plain(p->out, u->column.n ? u->column : SLICE_LIT("*"));
		buf_puts(p->out, " in");
		for (int c = 0; c < N_CONTEXTS; c++)
			if (places >> c & 1)
				buf_printf(p->out, " %s", context_info[c].name);
		sep = "; ";
	}
}

/* ---- What the client sees, which a catalog tells ---- */

static void
put_unknown_table(struct print *p)
{
	if (!p->x->run || !p->x->run->unknown_table)
		return;
	buf_puts(p->out, "The policy's catalog has no ");
	cli_put_plain(p->out, slice_str(p->x->run->unknown_table));
	buf_puts(p->out, ": names are taken as they are written\n");
}

/* How it shows values; what else it allows is not about the result. */
static void
put_mask(struct buf *out, const struct image_rule *rule)
{
	struct image_mask m = rule->mask;

	m.modes = (struct mask_modes){0};
	rule_mask_text(out, &m);
}

static bool
shows_columns(const struct explanation *x)
{
	return x->run && x->run->knows_outputs && x->verdict != VERDICT_DENY;
}

static void
put_column(struct print *p, const struct run_output *o, int width)
{
	const struct image_rule *rule = o->rule >= 0 ? &p->img->rules[o->rule] : NULL;
	struct buf name = {0};

	cli_put_plain(&name, o->name);
	buf_printf(p->out, "  %-*.*s   ", width, (int) name.n, (const char *) name.p);
	buf_fini(&name);
	if (!rule) {
		buf_puts(p->out, "as it is\n");
		return;
	}
	if (o->hides)
		buf_puts(p->out, "nothing of it");
	else
		put_mask(p->out, rule);
	buf_printf(p->out, " by %.*s%s%s\n", SLICE_ARG(rule->name),
		   o->hides ? ": computed from a masked column" : "",
		   rule->by_row ? ", in rows that it is for" : "");
}

/* Detectors look into every text, whatever its column. */
static void
put_detectors(struct print *p)
{
	for (size_t i = 0; i < p->img->n_rules; i++) {
		const struct image_rule *rule = &p->img->rules[i];
		const char *sep = "  values like ";

		if (!rule->detectors || rule->kind != VM_MASK ||
		    !decision_has(&p->x->run->result, i))
			continue;
		for (int d = 0; d < DETECTOR_COUNT; d++)
			if (rule->detectors >> d & 1) {
				buf_printf(p->out, "%s%s", sep, detector_info[d].name);
				sep = ", ";
			}
		buf_puts(p->out, " in any text   ");
		put_mask(p->out, rule);
		buf_printf(p->out, " by %.*s\n", SLICE_ARG(rule->name));
	}
}

static void
put_columns(struct print *p)
{
	const struct run *r = p->x->run;
	int width = 0;

	if (!shows_columns(p->x) || !r->n_outputs)
		return;
	put_title(p, "Columns of the result");
	for (uint32_t i = 0; i < r->n_outputs; i++)
		width = (int) r->outputs[i].name.n > width ? (int) r->outputs[i].name.n : width;
	for (uint32_t i = 0; i < r->n_outputs; i++)
		put_column(p, &r->outputs[i], width);
	put_detectors(p);
}

/* Whether there would be a session to send the command in. Facts that were given may lack what that
 * hangs on. */
static bool
asks_at_the_door(const struct explanation *x, struct decision *d)
{
	struct facts f;

	if (!x->run || x->entry != ENTRY_COMMAND)
		return false;
	f = *x->base;
	facts_int(&f, FACT_ACTION, ACTION_CONNECT);
	vm_decide(x->policy->image, ENTRY_CONNECT, &f, d);
	return d->verdict != VERDICT_ALLOW;
}

static void
put_door(struct print *p)
{
	struct decision d;

	if (!asks_at_the_door(p->x, &d))
		return;
	buf_puts(p->out, d.verdict == VERDICT_HOLD     ? "The session itself waits for people: "
			 : p->x->verdict == VERDICT_DENY ? "Nor would a session be opened: "
							 : "But no session would be opened: ");
	put_verdict(p, d.verdict);
	put_deciders(p, &d);
	buf_puts(p->out, " (explain it without a command)\n");
}

void
explain_print_text(const struct explanation *x, struct buf *out, bool colour)
{
	struct print p = {.x = x, .img = x->policy->image, .out = out, .colour = colour};
	bool decided = x->entry == ENTRY_COMMAND || x->entry == ENTRY_CONNECT;

	if (x->title) {
		put_on(&p, BOLD);
		buf_printf(out, "%s: %s", x->title, decided ? "" : entry_info[x->entry].name);
		put_on(&p, RESET);
		buf_puts(out, decided ? "" : "\n");
	}
	if (decided) {
		put_verdict(&p, x->verdict);
		if (x->run && x->run->refusal)
			put_refusal(&p);
		else if (x->use_rule >= 0)
			put_masked_use(&p);
		else if (x->by_default)
			buf_puts(out, " by default: no rule speaks of some effect");
		if (x->n > 1)
			buf_printf(out, " (%zu effects; the worst verdict counts)", x->n);
		buf_putc(out, '\n');
		put_door(&p);
		put_unknown_table(&p);
		if (x->run && x->run->hint)
			buf_printf(out, "What to do: %s\n", x->run->hint);
	}
	for (size_t i = 0; decided && i < x->n; i++)
		put_effect(&p, i);
	put_columns(&p);
	if (x->entry != ENTRY_CONNECT) {
		put_all_obligations(&p, false);
		put_all_obligations(&p, true);
	}
	buf_puts(out, x->title ? "\n" : "");
}

/* ---- JSON ---- */

static void
json_place(struct print *p, struct span at)
{
	struct position pos = source_position(&p->x->policy->sources, at);

	buf_puts(p->out, ", \"file\": ");
	buf_json_string(p->out, slice_str(pos.source->path));
	buf_printf(p->out, ", \"line\": %u, \"column\": %u", pos.line, pos.column);
}

static void
json_clause(struct print *p, const struct explained_clause *c, const struct facts *f)
{
	struct buf text = {0};

	buf_printf(p->out, "{\"clause\": \"%s\", \"value\": \"%s\", \"passes\": %s, \"text\": ",
		   c->ast ? clause_kind_name(c->ast->kind) : "protocol", truths[c->value],
		   c->passes ? "true" : "false");
	if (c->ast)
		put_source(&text, &p->x->policy->sources, c->ast->at);
	buf_json_string(p->out, buf_slice(&text));
	buf_reset(&text);
	explain_put_facts(&text, c->cond, p->img, f);
	buf_puts(p->out, ", \"facts\": ");
	buf_json_string(p->out, buf_slice(&text));
	buf_fini(&text);
	if (c->ast)
		json_place(p, c->ast->at);
	buf_putc(p->out, '}');
}

static void
json_rules(struct print *p, const struct explained *e, const struct facts *f, bool result)
{
	const char *sep = "";

	buf_puts(p->out, "\"rules\": [");
	for (size_t k = 0; k < e->n; k++) {
		const struct explained_rule *r = &e->rules[k];

		if (!r->considered)
			continue;
		buf_printf(p->out, "%s{\"rule\": ", sep);
		buf_json_string(p->out, slice_str(r->rule->ast->name.s));
		buf_printf(p->out, ", \"kind\": \"%s\", \"matches\": %s, \"failing\": %u, "
				   "\"clauses\": [",
			   vm_rule_info[r->rule->kind].name, r->matches ? "true" : "false",
			   r->failing);
		for (size_t i = 0; i < r->n; i++) {
			buf_puts(p->out, i ? ", " : "");
			json_clause(p, &r->clauses[i], f);
		}
		buf_putc(p->out, ']');
		if (result)
			buf_printf(p->out, ", \"touched\": %s",
				   explanation_touches(p->x, r->index) ? "true" : "false");
		json_place(p, r->rule->ast->name.at);
		buf_putc(p->out, '}');
		sep = ", ";
	}
	buf_puts(p->out, "]");
}

/* Every fact by name; null: unknown. */
static void
json_facts(struct print *p, const struct facts *f)
{
	buf_puts(p->out, "\"facts\": {");
	for (int i = 0; i < FACT_COUNT; i++) {
		const struct value *v = &f->v[i];
		struct buf text = {0};

		buf_printf(p->out, "%s\"%s\": ", i ? ", " : "", fact_info[i].name);
		if (!v->known) {
			buf_puts(p->out, "null");
			continue;
		}
		explain_put_value(&text, (enum fact) i, v);
		if (fact_info[i].type == TYPE_SET) {
			text.p[0] = '[';
			text.p[text.n - 1] = ']';
		}
		if (fact_info[i].type <= TYPE_SET)
			buf_put_slice(p->out, buf_slice(&text));
		else
			buf_json_string(p->out, buf_slice(&text));
		buf_fini(&text);
	}
	buf_putc(p->out, '}');
}

static void
json_effect(struct print *p, size_t i)
{
	const struct explained *e = &p->x->of_effect[i];
	const char *sep = "";

	buf_printf(p->out, "%s{\"verdict\": \"%s\", \"by_default\": %s, \"deciding\": [",
		   i ? ", " : "", vm_rule_info[e->decision.verdict].name,
		   e->decision.by_default ? "true" : "false");
	for (int r = decision_next_deciding(p->img, &e->decision, -1); r >= 0;
	     r = decision_next_deciding(p->img, &e->decision, r)) {
		buf_puts(p->out, sep);
		buf_json_string(p->out, p->img->rules[r].name);
		sep = ", ";
	}
	buf_puts(p->out, "], ");
	if (e->nearest >= 0) {
		buf_puts(p->out, "\"nearest_allow\": ");
		buf_json_string(p->out, p->img->rules[e->nearest].name);
		buf_puts(p->out, ", ");
	}
	json_facts(p, &p->x->effects[i]);
	buf_puts(p->out, ", ");
	json_rules(p, e, &p->x->effects[i], false);
	buf_putc(p->out, '}');
}

static void
json_columns(struct print *p)
{
	const struct run *r = p->x->run;
	struct buf mask = {0};

	buf_puts(p->out, "\"columns\": [");
	for (uint32_t i = 0; i < r->n_outputs; i++) {
		const struct run_output *o = &r->outputs[i];
		const struct image_rule *rule = o->rule >= 0 ? &p->img->rules[o->rule] : NULL;

		buf_puts(p->out, i ? ", {\"name\": " : "{\"name\": ");
		buf_json_string(p->out, o->name);
		buf_puts(p->out, ", \"mask\": ");
		if (rule) {
			buf_reset(&mask);
			put_mask(&mask, rule);
			buf_json_string(p->out, buf_slice(&mask));
			buf_puts(p->out, ", \"rule\": ");
			buf_json_string(p->out, rule->name);
		} else {
			buf_puts(p->out, "null, \"rule\": null");
		}
		buf_printf(p->out, ", \"computed\": %s, \"by_row\": %s}",
			   o->hides ? "true" : "false", rule && rule->by_row ? "true" : "false");
	}
	buf_puts(p->out, "], ");
	buf_fini(&mask);
}

/* What is known of a command because the policy has a catalog. */
static void
json_catalog(struct print *p)
{
	const struct run *r = p->x->run;

	if (!r || !p->x->policy->catalog)
		return;
	buf_printf(p->out, "\"catalog\": %s, ", r->with_catalog ? "true" : "false");
	if (r->unknown_table) {
		buf_puts(p->out, "\"unknown_table\": ");
		buf_json_string(p->out, slice_str(r->unknown_table));
		buf_puts(p->out, ", ");
	}
	if (r->refusal) {
		buf_puts(p->out, "\"refusal\": ");
		buf_json_string(p->out, slice_str(r->refusal));
		buf_puts(p->out, ", \"hint\": ");
		buf_json_string(p->out, slice_str(r->hint ? r->hint : ""));
		buf_puts(p->out, ", ");
	}
	if (shows_columns(p->x))
		json_columns(p);
}

void
explain_print_json(const struct explanation *x, struct buf *out)
{
	struct print p = {.x = x, .img = x->policy->image, .out = out};
	struct decision door;

	buf_printf(out, "{\"entry\": \"%s\", \"verdict\": \"%s\", \"by_default\": %s, ",
		   entry_info[x->entry].name, vm_rule_info[x->verdict].name,
		   x->by_default ? "true" : "false");
	if (x->use_rule >= 0) {
		buf_puts(out, "\"masked_column_used\": ");
		buf_json_string(out, p.img->rules[x->use_rule].name);
		buf_puts(out, ", ");
	}
	json_catalog(&p);
	if (asks_at_the_door(x, &door))
		buf_printf(out, "\"session\": \"%s\", ", vm_rule_info[door.verdict].name);
	buf_puts(out, "\"effects\": [");
	for (size_t i = 0; i < x->n; i++)
		json_effect(&p, i);
	buf_putc(out, ']');
	if (x->result) {
		buf_puts(out, ", \"result\": {");
		json_rules(&p, x->result, x->base, true);
		buf_putc(out, '}');
	}
	buf_puts(out, "}\n");
}
