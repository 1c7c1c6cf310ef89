/* SPDX-License-Identifier: MIT
 *
 * The compiler does not know who is in a group; the configuration does. A hold asks for so many of
 * each group, all different people and none of them an agent: whether there are as many is a
 * matching of places and people.
 */
#include "cli/manned.h"

struct matching {
	const struct image *img;
	const struct config *c;
	const struct image_hold *hold;
	const struct image_need **person; /* by principal: whose place it has */
	bool *tried;
};

static bool
serves(const struct matching *m, size_t who, const struct image_need *need)
{
	const struct config_principal *p = &m->c->principals[who];
	struct slice group = m->img->groups[need->group].idp;

	if (p->kind == PRINCIPAL_AGENT || !p->key)
		return false;
	for (size_t i = 0; i < p->n_groups; i++)
		if (slice_eq(p->groups[i], group))
			return true;
	return false;
}

/* Somebody for a place of the need; who has another place already may get a third for it. */
static bool
fill(struct matching *m, const struct image_need *need)
{
	for (size_t i = 0; i < m->c->n_principals; i++) {
		if (m->tried[i] || !serves(m, i, need))
			continue;
		m->tried[i] = true;
		if (!m->person[i] || fill(m, m->person[i])) {
			m->person[i] = need;
			return true;
		}
	}
	return false;
}

/* The need that has too few people, or NULL. */
static const struct image_need *
unfilled(struct matching *m)
{
	size_t n = m->c->n_principals;

	memset(m->person, 0, n * sizeof(*m->person));
	for (size_t i = 0; i < m->hold->n_needs; i++)
		for (unsigned k = 0; k < m->hold->needs[i].n; k++) {
			memset(m->tried, 0, n * sizeof(*m->tried));
			if (!fill(m, &m->hold->needs[i]))
				return &m->hold->needs[i];
		}
	return NULL;
}

void
manned_look(struct diag_queue *q, const struct image *img, const struct config *c,
	    struct arena *arena)
{
	struct matching m = {.img = img, .c = c};

	m.person = ARENA_ARRAY(arena, const struct image_need *, c->n_principals + 1);
	m.tried = ARENA_ARRAY(arena, bool, c->n_principals + 1);
	for (size_t i = 0; i < img->n_rules; i++) {
		const struct image_rule *r = &img->rules[i];
		const struct image_need *need;
		size_t have = 0;

		if (r->kind != VM_HOLD || r->shadow)
			continue;
		m.hold = &r->hold;
		need = unfilled(&m);
		for (size_t p = 0; need && p < c->n_principals; p++)
			have += serves(&m, p, need);
		if (need)
			diag_note(q,
				  diag(q, HOLD_UNMANNED, SPAN_NONE, SLICE_ARG(r->name), need->n,
				       SLICE_ARG(img->groups[need->group].idp), have),
				  SPAN_NONE,
				  "agents release nothing, who has no key cannot either, and nobody "
				  "counts for two groups: what this holds waits until it is "
				  "refused");
	}
}
