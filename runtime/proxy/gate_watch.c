/* SPDX-License-Identifier: MIT
 *
 * Shadow rules: what they would have done goes on record beside what was done. They have entry
 * points of their own, so nothing here reaches a verdict, a mask, a limit or what is remembered of
 * them.
 */
#include "proxy/gate_internal.h"

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
