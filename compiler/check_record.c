/* SPDX-License-Identifier: MIT
 *
 * What a record rule adds: `with text, parameters, strict`. Written alone, a word has been read as
 * the name of a mask function.
 */
#include "compiler/check_internal.h"

static void
add(struct check *c, const struct name *name, struct checked_rule *out)
{
	const char *names[RECORDED_COUNT];
	int what = recorded_find(slice_str(name->s));

	if (what >= 0) {
		out->recorded = (uint8_t) (out->recorded | 1u << what);
		return;
	}
	for (int i = 0; i < RECORDED_COUNT; i++)
		names[i] = recorded_info[i].name;
	check_suggest(c, diag(c->q, UNKNOWN_RECORDED, name->at, name->s), name->s, names,
		      RECORDED_COUNT);
}

void
check_record(struct check *c, const struct rule *r, struct checked_rule *out)
{
	bool said = false;

	for (const struct clause *cl = r->clauses; cl; cl = cl->next) {
		if (cl->kind != CLAUSE_WITH)
			continue;
		said = true;
		for (const struct ref *n = cl->names; n; n = n->next)
			add(c, &n->name, out);
		if (cl->kernel && (cl->kernel->args || cl->kernel->lookup || cl->kernel->derived ||
				   cl->kernel->aggregates_over))
			diag(c->q, BAD_ARGUMENTS, cl->kernel->at,
			     "a record rule takes plain words: text, parameters, strict");
		else if (cl->kernel)
			add(c, &cl->kernel->name, out);
	}
	if (!said)
		diag(c->q, RECORDS_NOTHING, r->name.at, r->name.s);
	if (out->only_connect)
		check_report_never(c, r);
}
