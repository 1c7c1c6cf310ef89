/* SPDX-License-Identifier: MIT
 *
 * What the tables of a text are, remembered: for a verdict that was remembered nothing is resolved,
 * but the record names them, and the check of a result asks for them. What it hangs on is the key:
 * the class (which has one catalog and one policy), the text's facts and the path. None of their
 * numbers is used twice, so that what is found is never of another catalog, text or path.
 */
#include "gate/gate_internal.h"

#include <stdlib.h>

enum {
	MEANING_SLOTS = 1024,  /* of a worker: 1024 x 56 bytes */
	MEANING_RELATIONS = 4, /* a text with more is resolved each time */
};

struct gate_meaning {
	uint64_t class, facts, path;
	const struct catalog_relation *relations[MEANING_RELATIONS];
};

struct gate_meaning *
gate_meanings_new(void)
{
	return calloc(MEANING_SLOTS, sizeof(struct gate_meaning));
}

const struct catalog_relation *const *
gate_relations(const struct gate_session *s, const struct catalog_path *path,
	       const struct sql_facts *f, struct arena *a)
{
	const struct gate_class *c = s->class;
	uint64_t facts = sql_facts_id(f), number = s->path ? s->path->number : 0;
	struct gate_meaning *m = &s->gate->meanings[(facts ^ c->id << 5) & (MEANING_SLOTS - 1)];
	const struct catalog_relation **found;

	/* NULL: nobody knows the path, and it has no number. */
	if (!path || f->n_relations > MEANING_RELATIONS)
		return class_relations(c, path, f, a);
	assert(path == (s->path ? &s->path->path : &c->path));
	if (m->class == c->id && m->facts == facts && m->path == number)
		return m->relations;
	found = class_relations(c, path, f, a);
	*m = (struct gate_meaning){.class = c->id, .facts = facts, .path = number};
	for (uint32_t i = 0; i < f->n_relations; i++)
		m->relations[i] = found[i];
	return m->relations;
}
