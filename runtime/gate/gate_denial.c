/* SPDX-License-Identifier: MIT
 *
 * What somebody is told whom the policy refuses. By a rule: its name and sentence. By none: what it
 * is that none allows, which is the first thing to know for whoever asks for a rule. Names are told
 * as the statement has them: what they resolve to may be more than its sender knows.
 */
#include "gate/gate_look.h"

static bool
is_same(const struct look_denied *a, const struct look_denied *b)
{
	return a->action == b->action && slice_eq(a->schema, b->schema) &&
	       slice_eq(a->name, b->name);
}

void
look_note_denied(struct look *l, const struct sql_effect *e)
{
	struct look_denied d = {.action = e->action, .link = " on "};

	if (l->g->effect.verdict != VERDICT_DENY || !l->g->effect.by_default)
		return;
	if (e->object.n) {
		d.name = e->object;
	} else if (e->function.n) {
		d.name = e->function;
		d.link = " of function ";
	} else if (e->setting.n) {
		d.name = e->setting;
		d.link = " of ";
	}
	if (d.name.n)
		d.schema = e->schema;
	for (uint8_t i = 0; i < l->n_denied; i++)
		if (is_same(&l->denied[i], &d))
			return;
	if (l->n_denied < LOOK_DENIED)
		l->denied[l->n_denied++] = d;
	else
		l->denied_cut = true;
}

/* "sql.delete on app.orders and sql.listen" */
static const char *
denied_text(const struct look *l)
{
	struct arena *a = l->ask->arena;
	const char *text = l->n_denied ? "" : "this command";

	for (uint8_t i = 0; i < l->n_denied; i++) {
		const struct look_denied *d = &l->denied[i];
		bool last = i + 1 == l->n_denied && !l->denied_cut;

		text = arena_printf(a, "%s%s%s%s%.*s%s%.*s", text,
				    i == 0 ? "" : last ? " and " : ", ",
				    action_info[d->action].name, d->name.n ? d->link : "",
				    SLICE_ARG(d->schema), d->schema.n ? "." : "",
				    SLICE_ARG(d->name));
	}
	return l->denied_cut ? arena_printf(a, "%s and others", text) : text;
}

void
look_explain_denial(struct look *l)
{
	const struct image *img = l->class->epoch->image;
	struct gate_verdict *v = l->v;
	struct arena *a = l->ask->arena;
	const struct image_rule *r = v->n_rules ? &img->rules[v->rules[0]] : NULL;

	if (v->refusal.code || v->verdict != VERDICT_DENY)
		return;
	v->refusal.code = r ? "WEIR-DENIED" : "WEIR-NO-RULE";
	if (r && r->sentence.n)
		v->refusal.message = arena_printf(a, "denied by rule \"%.*s\": %.*s",
						  SLICE_ARG(r->name), SLICE_ARG(r->sentence));
	else if (r)
		v->refusal.message = arena_printf(a, "denied by rule \"%.*s\"", SLICE_ARG(r->name));
	else
		v->refusal.message = arena_printf(a, "no rule of policy \"%.*s\" allows %s",
						  SLICE_ARG(img->policy), denied_text(l));
	v->refusal.hint = r ? "change the statement so that the rule does not apply, or ask who writes "
			      "the policy"
			    : "ask who writes the policy for a rule that allows it: what none allows is denied";
	if (l->ask->renamed)
		v->refusal.hint = "this transaction has renamed something, so that rules cannot tell what "
				  "tables mean: commit that first";
}
