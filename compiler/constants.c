/* SPDX-License-Identifier: MIT */
#include "compiler/constants.h"

#include "base/cbor.h"

#include <stdlib.h>
#include <xxhash.h>

struct entry {
	struct entry *next; /* in the order they were added */
	struct slice bytes;
	uint64_t hash;
	uint32_t index;
};

enum { FIRST_SLOTS = 256 };

struct constants {
	struct arena *arena;
	struct entry **slots; /* open addressing, a power of two, at most half full */
	size_t n_slots, n;
	struct entry *first, *last;
};

struct constants *
constants_new(struct arena *arena)
{
	struct constants *c = ARENA_NEW(arena, struct constants);

	c->arena = arena;
	c->n_slots = FIRST_SLOTS;
	c->slots = ARENA_ARRAY(arena, struct entry *, c->n_slots);
	return c;
}

size_t
constants_count(const struct constants *c)
{
	return c->n;
}

void
constants_write(const struct constants *c, struct buf *out)
{
	cbor_array(out, c->n);
	for (const struct entry *e = c->first; e; e = e->next)
		buf_put_slice(out, e->bytes);
}

static struct entry **
slot_of(struct constants *c, struct slice bytes, uint64_t hash)
{
	size_t i = hash & (c->n_slots - 1);

	while (c->slots[i] && !slice_eq(c->slots[i]->bytes, bytes))
		i = (i + 1) & (c->n_slots - 1);
	return &c->slots[i];
}

static void
grow(struct constants *c)
{
	c->n_slots *= 2;
	c->slots = ARENA_ARRAY(c->arena, struct entry *, c->n_slots);
	for (struct entry *e = c->first; e; e = e->next)
		*slot_of(c, e->bytes, e->hash) = e;
}

/* Takes the encoding in b and frees b. */
static uint32_t
add(struct constants *c, struct buf *b)
{
	struct slice bytes = buf_slice(b);
	uint64_t hash = XXH3_64bits(bytes.p, bytes.n);
	struct entry **slot, *e;

	assert(!b->failed);
	if (c->n * 2 >= c->n_slots)
		grow(c);
	slot = slot_of(c, bytes, hash);
	if (!*slot) {
		*slot = e = ARENA_NEW(c->arena, struct entry);
		e->bytes = arena_copy(c->arena, bytes);
		e->hash = hash;
		e->index = (uint32_t) c->n++;
		if (c->last)
			c->last->next = e;
		else
			c->first = e;
		c->last = e;
	}
	buf_fini(b);
	return (*slot)->index;
}

static void
start(struct buf *b, enum constant_kind kind)
{
	static const char *const names[] = {
#define CONSTANT(id, name, sentence) name,
#include "grammar/constants.def"
#undef CONSTANT
	};

	cbor_array(b, kind >= CONSTANT_VALUES ? 3 : 2);
	cbor_text(b, slice_str(names[kind]));
}

uint32_t
constant_number(struct constants *c, int64_t v)
{
	struct buf b = {0};

	start(&b, CONSTANT_NUMBER);
	cbor_int(&b, v);
	return add(c, &b);
}

uint32_t
constant_string(struct constants *c, struct slice s)
{
	struct buf b = {0};

	start(&b, CONSTANT_STRING);
	cbor_bytes(&b, s);
	return add(c, &b);
}

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

uint32_t
constant_strings(struct constants *c, struct slice *v, size_t n)
{
	struct buf b = {0};
	size_t kept = 0;

	qsort(v, n, sizeof(*v), compare_slices);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !slice_eq(v[i], v[kept - 1]))
			v[kept++] = v[i];
	start(&b, CONSTANT_STRINGS);
	cbor_array(&b, kept);
	for (size_t i = 0; i < kept; i++)
		cbor_bytes(&b, v[i]);
	return add(c, &b);
}

uint32_t
constant_actions(struct constants *c, const struct action_set *set)
{
	struct buf b = {0};
	size_t n = (size_t) (__builtin_popcountll(set->w[0]) + __builtin_popcountll(set->w[1]));

	start(&b, CONSTANT_ACTIONS);
	cbor_array(&b, n);
	for (enum action a = 0; a < ACTION_COUNT; a++)
		if (action_set_has(set, a))
			cbor_text(&b, slice_str(action_info[a].name));
	return add(c, &b);
}

uint32_t
constant_values(struct constants *c, enum type type, uint32_t mask)
{
	struct buf b = {0};

	start(&b, CONSTANT_VALUES);
	cbor_text(&b, slice_str(type_info[type].name));
	cbor_array(&b, (size_t) __builtin_popcount(mask));
	for (int i = 0; i < enum_count(type); i++)
		if (mask >> i & 1)
			cbor_text(&b, slice_str(enum_name(type, i)));
	return add(c, &b);
}

uint32_t
constant_network(struct constants *c, const uint8_t addr[16], uint8_t prefix)
{
	struct buf b = {0};

	start(&b, CONSTANT_NETWORK);
	cbor_bytes(&b, slice_of(addr, 16));
	cbor_uint(&b, prefix);
	return add(c, &b);
}

uint32_t
constant_regex(struct constants *c, struct slice text, const struct regex *r)
{
	struct buf b = {0}, table = {0};

	for (uint32_t i = 0; i < r->n_states * r->n_classes; i++)
		buf_be16(&table, (uint16_t) (r->next[i] / r->n_classes));
	start(&b, CONSTANT_REGEX);
	cbor_text(&b, text);
	cbor_array(&b, 3);
	cbor_bytes(&b, slice_of(r->class_of, 256));
	cbor_bytes(&b, buf_slice(&table));
	cbor_bytes(&b, slice_of(r->accepts, r->n_states));
	buf_fini(&table);
	return add(c, &b);
}

uint32_t
constant_uses(struct constants *c, unsigned data, unsigned contexts)
{
	struct buf b = {0};

	start(&b, CONSTANT_USES);
	cbor_uint(&b, data);
	cbor_array(&b, (size_t) __builtin_popcount(contexts));
	for (int i = 0; i < N_CONTEXTS; i++)
		if (contexts >> i & 1)
			cbor_text(&b, slice_str(context_info[i].name));
	return add(c, &b);
}
