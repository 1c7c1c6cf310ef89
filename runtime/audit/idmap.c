/* SPDX-License-Identifier: MIT */
#include "audit/idmap.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <xxhash.h>

void
idmap_fini(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap){0};
}

/* The slot of id, or the free one where it would go. */
static struct idmap_slot *
find(const struct idmap *m, struct audit_id id)
{
	size_t i = XXH3_64bits_withSeed(id.b, sizeof(id.b), m->seed) & (m->cap - 1);

	while (m->slots[i].state &&
	       (m->slots[i].state == 2 || memcmp(m->slots[i].id.b, id.b, sizeof(id.b)) != 0))
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static void
grow(struct idmap *m)
{
	struct idmap old = *m;

	if (!m->seed)
		random_bytes(&m->seed, sizeof(m->seed));
	m->cap = m->n * 4 > 64 ? m->n * 4 : 64;
	while (m->cap & (m->cap - 1))
		m->cap += m->cap & -m->cap;
	m->slots = calloc(m->cap, sizeof(*m->slots));
	assert(m->slots != NULL);
	m->used = m->n = 0;
	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].state == 1)
			*idmap_put(m, old.slots[i].id) = old.slots[i].value;
	free(old.slots);
}

uint64_t *
idmap_put(struct idmap *m, struct audit_id id)
{
	struct idmap_slot *s;

	if (m->used * 4 >= m->cap * 3)
		grow(m);
	s = find(m, id);
	if (s->state == 0) {
		*s = (struct idmap_slot){.id = id, .state = 1};
		m->used++;
		m->n++;
	}
	return &s->value;
}

uint64_t *
idmap_get(const struct idmap *m, struct audit_id id)
{
	struct idmap_slot *s = m->cap ? find(m, id) : NULL;

	return s && s->state == 1 ? &s->value : NULL;
}

void
idmap_remove(struct idmap *m, struct audit_id id)
{
	struct idmap_slot *s = m->cap ? find(m, id) : NULL;

	if (!s || s->state != 1)
		return;
	s->state = 2;
	m->n--;
}
