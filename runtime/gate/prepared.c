/* SPDX-License-Identifier: MIT */
#include "gate/prepared.h"

#include "base/assert.h"
#include "base/crypto.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- texts ----------------------------------------------------------------------------------- */

/* Texts come from clients: a keyed seed keeps them from choosing collisions. */
static uint64_t
hash_of(struct slice text, struct slice types, struct slice reading)
{
	static _Thread_local uint64_t seed;
	uint64_t h;

	while (!seed)
		random_bytes(&seed, sizeof(seed));
	h = XXH3_64bits_withSeed(text.p, text.n, seed);
	h = XXH3_64bits_withSeed(types.p, types.n, h);
	return XXH3_64bits_withSeed(reading.p, reading.n, h);
}

static struct slice
copy(struct slice s)
{
	uint8_t *p = malloc(s.n + 1);

	assert(p != NULL);
	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return slice_of(p, s.n);
}

static void
grow(struct prepared_table *t)
{
	struct prepared_table next = *t;

	next.cap = t->cap ? t->cap * 2 : 64;
	next.slot = calloc(next.cap, sizeof(struct prepared_text *));
	assert(next.slot != NULL);
	for (uint32_t i = 0; i < t->cap; i++)
		while (t->slot[i]) {
			struct prepared_text *x = t->slot[i];

			t->slot[i] = x->next;
			x->next = next.slot[x->hash & (next.cap - 1)];
			next.slot[x->hash & (next.cap - 1)] = x;
		}
	free(t->slot);
	*t = next;
}

struct prepared_text *
prepared_text_get(struct prepared_table *t, struct slice text, struct slice types,
		  struct slice reading)
{
	uint64_t hash = hash_of(text, types, reading);
	struct prepared_text *x = t->cap ? t->slot[hash & (t->cap - 1)] : NULL;

	while (x && !(x->hash == hash && slice_eq(x->text, text) && slice_eq(x->types, types) &&
		      slice_eq(x->reading, reading)))
		x = x->next;
	if (x)
		return prepared_text_ref(x);
	if (t->n >= t->cap)
		grow(t);
	x = calloc(1, sizeof(*x));
	assert(x != NULL);
	*x = (struct prepared_text){.next = t->slot[hash & (t->cap - 1)],
				    .table = t,
				    .refs = 1,
				    .hash = hash,
				    .number = ++t->last,
				    .text = copy(text),
				    .types = copy(types),
				    .reading = copy(reading)};
	t->slot[hash & (t->cap - 1)] = x;
	t->n++;
	return x;
}

static void
drop(struct slice s)
{
	/* It may hold what a client meant for the database alone. */
	secret_wipe((void *) (uintptr_t) s.p, s.n);
	free((void *) (uintptr_t) s.p);
}

void
prepared_text_put(struct prepared_text *x)
{
	struct prepared_table *t;
	struct prepared_text **at;

	if (!x || --x->refs)
		return;
	t = x->table;
	at = &t->slot[x->hash & (t->cap - 1)];
	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	drop(x->text);
	drop(x->types);
	drop(x->reading);
	free(x);
	if (--t->n == 0) {
		free(t->slot);
		t->slot = NULL;
		t->cap = 0;
	}
}

struct slice
prepared_text_name(const struct prepared_text *x, char out[PREPARED_NAME])
{
	int n = snprintf(out, PREPARED_NAME, "weir_%llu", (unsigned long long) x->number);

	return slice_of(out, (size_t) n);
}

/* ---- of a connection ------------------------------------------------------------------------- */

static struct prepared_name *
in_state(struct prepared_names *p, const struct prepared_text *x, enum prepared_state state)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->v[i].text == x && p->v[i].state == state)
			return &p->v[i];
	return NULL;
}

const struct prepared_name *
prepared_find(struct prepared_names *p, const struct prepared_text *x)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->v[i].text == x && p->v[i].state != PREPARED_CLOSING) {
			p->v[i].used = ++p->clock;
			return &p->v[i];
		}
	return NULL;
}

static void
add(struct prepared_names *p, struct prepared_text *x, enum prepared_state state)
{
	if (p->n == p->cap) {
		unsigned cap = p->cap ? p->cap * 2 : 8;
		struct prepared_name *more = realloc(p->v, cap * sizeof(*more));

		assert(more != NULL);
		p->v = more;
		p->cap = cap;
	}
	p->v[p->n++] = (struct prepared_name){prepared_text_ref(x), ++p->clock, state};
}

static void
forget(struct prepared_names *p, struct prepared_name *at)
{
	struct prepared_text *x = at->text;

	*at = p->v[--p->n];
	prepared_text_put(x);
}

void
prepared_ask(struct prepared_names *p, struct prepared_text *x)
{
	add(p, x, PREPARED_ASKED);
}

void
prepared_made(struct prepared_names *p, struct prepared_text *x, bool there)
{
	struct prepared_name *at = in_state(p, x, PREPARED_ASKED);

	if (at && there)
		at->state = PREPARED_THERE;
	else if (at)
		forget(p, at);
	else if (there)
		add(p, x, PREPARED_THERE); /* DEALLOCATE ALL stood before it */
}

struct prepared_text *
prepared_evict(struct prepared_names *p, unsigned max)
{
	struct prepared_name *oldest = NULL;

	if (p->n < max)
		return NULL;
	for (unsigned i = 0; i < p->n; i++)
		if (p->v[i].state == PREPARED_THERE && (!oldest || p->v[i].used < oldest->used))
			oldest = &p->v[i];
	if (!oldest)
		return NULL;
	oldest->state = PREPARED_CLOSING;
	return oldest->text;
}

void
prepared_closed(struct prepared_names *p, const struct prepared_text *x, bool gone)
{
	struct prepared_name *at = in_state(p, x, PREPARED_CLOSING);

	if (at && gone)
		forget(p, at);
	else if (at)
		at->state = PREPARED_THERE;
}

void
prepared_clear(struct prepared_names *p)
{
	while (p->n)
		forget(p, &p->v[p->n - 1]);
	free(p->v);
	*p = (struct prepared_names){.clock = p->clock};
}
