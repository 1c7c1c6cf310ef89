/* SPDX-License-Identifier: MIT
 *
 * Shadow rules, whose doings go on record beside what was done, and notify rules. They have entry
 * points of their own, so nothing here reaches a verdict, a mask, a limit or what is remembered of
 * them.
 */
#include "gate/gate_internal.h"

void
gate_watch_uses(struct gate *g, const struct gate_class *c, const struct sql_facts *f,
		const struct catalog_relation *const *relations, const struct data_use *uses,
		size_t n)
{
	const struct image *img = c->epoch->image;

	if (!img->shadow_shows)
		return;
	for (size_t i = 0; i < n; i++)
		watch_use(img, &c->masks, &uses[i], &g->watch);
	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		if (r->kind == SQL_REL_TABLE)
			watch_table(img, relations[i] ? relations[i]->schema : r->schema,
				    relations[i] ? relations[i]->name : r->name, &g->watch);
	}
}

void
gate_note_shadows(const struct gate *g, const struct image *img, enum verdict verdict, bool final,
		  struct gate_shadows *out)
{
	const struct watch *w = &g->watch;

	out->n = 0;
	for (int r = decision_next(&w->seen, -1); r >= 0 && out->n < VERDICT_SHADOWS;
	     r = decision_next(&w->seen, r)) {
		int would = watch_outcome(img, w, r, verdict, final);

		if (would == WATCH_NOTHING)
			continue;
		out->rules[out->n] = (uint16_t) r;
		out->would[out->n++] = (uint8_t) would;
	}
}

void
gate_note_watched(const struct gate *g, const struct image *img, bool final,
		  struct gate_verdict *v)
{
	const struct decision *seen = &g->watch.seen;

	gate_note_shadows(g, img, v->verdict, final, &v->shadows);
	v->n_notices = 0;
	for (int r = decision_next(seen, -1); r >= 0 && v->n_notices < VERDICT_NOTICES;
	     r = decision_next(seen, r))
		if (img->rules[r].kind == VM_NOTIFY && !img->rules[r].shadow)
			v->notices[v->n_notices++] = (uint16_t) r;
}
