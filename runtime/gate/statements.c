/* SPDX-License-Identifier: MIT */
#include "gate/statements.h"

#include "gate/gate.h"

#include "base/secret.h"

#include <stdlib.h>
#include <xxhash.h>

/* Of nothing there is nothing to own: what is unnamed, and has no parameters, is made and dropped
 * all day. */
static bool
own(struct slice *to, struct slice s)
{
	uint8_t *p = s.n ? malloc(s.n) : NULL;

	*to = SLICE_LIT("");
	if (!s.n)
		return true;
	if (!p)
		return false;
	memcpy(p, s.p, s.n);
	*to = slice_of(p, s.n);
	return true;
}

static void
disown(struct slice *s)
{
	/* Statement text and parameters may hold what a client meant for the database alone. */
	if (s->n) {
		secret_wipe((void *) (uintptr_t) s->p, s->n);
		free((void *) (uintptr_t) s->p);
	}
	*s = (struct slice){0};
}

/* Names come from the client: a keyed seed keeps it from choosing collisions. */
static uint32_t
hash_name(struct slice name)
{
	static _Thread_local uint64_t seed;

	while (!seed)
		random_bytes(&seed, sizeof(seed));
	return (uint32_t) XXH3_64bits_withSeed(name.p, name.n, seed);
}

static void
account(struct object *n, size_t bytes)
{
	if (n->account)
		*n->account += bytes - n->bytes;
	n->bytes = bytes;
}

void
object_count(struct object *n, size_t *to)
{
	if (!n)
		return;
	n->account = to;
	*to += n->bytes;
}

struct statement *
statement_new(struct slice name, struct slice text, struct slice types,
	      const struct sql_facts *facts)
{
	struct statement *s = calloc(1, sizeof(*s));

	if (!s)
		goto fail;
	s->object.kind = OBJECT_STATEMENT;
	s->object.refs = 1;
	s->facts = facts;
	if (!own(&s->object.name, name) || !own(&s->text, text) || !own(&s->types, types))
		goto fail;
	s->object.bytes = sizeof(*s) + name.n + text.n + types.n + sql_facts_bytes(facts);
	return s;
fail:
	if (s)
		statement_unref(s);
	else
		sql_facts_release(facts);
	return NULL;
}

bool
statement_describe(struct statement *s, struct slice row_description)
{
	struct slice copy;

	if (!own(&copy, row_description))
		return false;
	account(&s->object, s->object.bytes - s->description.n + copy.n);
	disown(&s->description);
	s->description = copy;
	s->described = true;
	return true;
}

struct portal *
portal_new(struct slice name, struct statement *s, struct slice params,
	   const struct pg_formats *formats)
{
	struct portal *p = calloc(1, sizeof(*p));
	struct slice codes = {0};

	if (!p)
		return NULL;
	p->object.kind = OBJECT_PORTAL;
	p->object.refs = 1;
	p->statement = statement_ref(s);
	if (!own(&p->object.name, name) || !own(&p->params, params) ||
	    (formats->n && !own(&codes, slice_of(formats->p, formats->n * sizeof(uint16_t))))) {
		portal_unref(p);
		return NULL;
	}
	p->formats = (struct pg_formats){formats->n, codes.p};
	p->object.bytes = sizeof(*p) + name.n + params.n + codes.n;
	return p;
}

void
statement_unref(struct statement *s)
{
	if (!s || --s->object.refs)
		return;
	account(&s->object, 0);
	sql_facts_release(s->facts);
	disown(&s->object.name);
	disown(&s->text);
	disown(&s->types);
	disown(&s->description);
	prepared_text_put(s->carried);
	free(s);
}

void
portal_unref(struct portal *p)
{
	if (!p || --p->object.refs)
		return;
	account(&p->object, 0);
	statement_unref(p->statement);
	disown(&p->object.name);
	disown(&p->params);
	free((void *) (uintptr_t) p->formats.p);
	free(p->plan);
	gate_rows_free(p->rows);
	epoch_unref(p->plan_epoch);
	free(p);
}

void
object_unref(struct object *n)
{
	if (!n)
		return;
	if (n->kind == OBJECT_STATEMENT)
		statement_unref((struct statement *) n);
	else
		portal_unref((struct portal *) n);
}

static uint32_t
find(const struct name_map *m, struct slice name, uint32_t hash)
{
	uint32_t i = hash & (m->cap - 1);

	while (m->slot[i] && !(m->slot[i]->hash == hash && slice_eq(m->slot[i]->name, name)))
		i = (i + 1) & (m->cap - 1);
	return i;
}

struct object *
names_get(const struct name_map *m, struct slice name)
{
	return m->cap ? m->slot[find(m, name, hash_name(name))] : NULL;
}

enum { NAMES_KEPT = 8 };

static bool
grow(struct name_map *m)
{
	struct name_map next = {.cap = m->cap ? m->cap * 2 : NAMES_KEPT, .n = m->n};

	next.slot = calloc(next.cap, sizeof(struct object *));
	if (!next.slot)
		return false;
	for (uint32_t i = 0; i < m->cap; i++)
		if (m->slot[i])
			next.slot[find(&next, m->slot[i]->name, m->slot[i]->hash)] = m->slot[i];
	free(m->slot);
	*m = next;
	return true;
}

bool
names_put(struct name_map *m, struct object *n, uint32_t max)
{
	uint32_t i;

	if ((m->n + 1) * 4 > m->cap * 3 && !grow(m)) {
		object_unref(n);
		return false;
	}
	n->hash = hash_name(n->name);
	i = find(m, n->name, n->hash);
	if (!m->slot[i] && m->n >= max) {
		object_unref(n);
		return false;
	}
	if (!m->slot[i])
		m->n++;
	object_unref(m->slot[i]);
	m->slot[i] = n;
	return true;
}

static void
drop_at(struct name_map *m, uint32_t i)
{
	object_unref(m->slot[i]);
	m->slot[i] = NULL;
	m->n--;
	/* Closes the gap: every later entry of the run moves to where a search would find it. */
	for (uint32_t j = (i + 1) & (m->cap - 1); m->slot[j]; j = (j + 1) & (m->cap - 1)) {
		struct object *n = m->slot[j];

		m->slot[j] = NULL;
		m->slot[find(m, n->name, n->hash)] = n;
	}
}

void
names_drop(struct name_map *m, struct slice name)
{
	uint32_t i = m->cap ? find(m, name, hash_name(name)) : 0;

	if (m->cap && m->slot[i])
		drop_at(m, i);
}

void
names_clear(struct name_map *m)
{
	for (uint32_t i = 0; i < m->cap; i++)
		object_unref(m->slot[i]);
	free(m->slot);
	*m = (struct name_map){0};
}

bool
statement_is_sql(const struct statement *s)
{
	return !s->text.n && s->facts->n_stmts;
}

void
statements_end_connection(struct name_map *m)
{
	for (uint32_t i = 0; m->n && i < m->cap; i++)
		/* Another may move into its place. */
		while (m->slot[i] && statement_is_sql((const struct statement *) m->slot[i]))
			drop_at(m, i);
}

/* The place of the one portal that most transactions have is kept; what many took is not. */
void
portals_end_transaction(struct name_map *m)
{
	for (uint32_t i = 0; m->n && i < m->cap; i++)
		while (m->slot[i] && !((const struct portal *) m->slot[i])->outlives_transaction)
			drop_at(m, i);
	if (!m->n && m->cap > NAMES_KEPT)
		names_clear(m);
}
