/* SPDX-License-Identifier: MIT
 *
 * Facts by shape. An entry is one block of memory: header, key bytes, and the facts packed with all
 * they point to. Open addressing over entry pointers, CLOCK eviction, and a small table of hashes
 * seen once (second-touch admission) in front, so that one-off statements pass through without
 * being kept.
 *
 * A shape whose facts depend on a literal gets a marker entry without facts; its texts are then
 * kept under their own bytes. Keys of the two sorts cannot meet: a shape begins with a byte below
 * 0x20 and an exact key with 0x1d, which no shape begins with.
 *
 * In front stand the texts of the latest hits: drivers send the same ones over and over, and to
 * compare one costs a tenth of taking it apart.
 */
#include "sql/sql.h"

#include "sql/functions.h"

#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { EXACT_KEY = 0x1d, SEEN_SLOTS = 8192, MIN_BYTES = 64 << 10, ENTRY_SHARE = 8 };
enum { RECENT_SLOTS = 64, RECENT_TEXT = 244 }; /* a slot is four cache lines */

struct entry {
	struct sql_facts facts; /* first: sql_facts_hold() finds the entry */
	uint64_t id;
	uint64_t hash[2];
	uint32_t refs; /* holders; an evicted entry lives until the last lets go */
	uint32_t slot; /* position in the ring, for CLOCK */
	bool used;     /* touched since the hand passed */
	bool in_table;
	bool recent; /* a slot may point here */
	bool marker; /* no facts: look under the exact text */
	size_t bytes;
	size_t n_key;
	const uint8_t *key;
};

struct recent {
	struct entry *entry; /* in the table; NULL: the slot is free */
	uint32_t n;
	uint8_t text[RECENT_TEXT];
};

struct sql_cache {
	struct sql_limits limits;
	size_t max_bytes, bytes;
	struct entry **table; /* power of two, at most half full */
	uint32_t mask, n;
	struct entry **ring; /* all entries in the table, for the hand */
	uint32_t hand, max_entries;
	uint64_t seen[SEEN_SLOTS];
	struct recent recent[RECENT_SLOTS];
	uint64_t next_id;
	struct entry
		*last; /* handed out by the latest miss; the cache holds it until the next call */
	struct entry calls[FUNC_CLASSES];
	struct sql_effect call_effects[FUNC_CLASSES][2];
	struct entry no_memory; /* what there is to say when malloc fails: refused */
	struct buf shape, exact;
	struct arena arena;
	struct sql_cache_stats stats;
};

/* ---- packing ---- */

struct pack {
	uint8_t *p;
	size_t n;
};

static void *
pack_bytes(struct pack *k, const void *src, size_t n, size_t align)
{
	void *at;

	k->n = (k->n + align - 1) & ~(align - 1);
	at = k->p ? k->p + k->n : NULL;
	if (at && n)
		memcpy(at, src, n);
	k->n += n;
	return at;
}

static void
pack_slice(struct pack *k, struct slice *s)
{
	const uint8_t *at = pack_bytes(k, s->p, s->n, 1);

	if (k->p)
		s->p = s->n ? at : NULL;
}

/* Runs twice: with k->p NULL it only measures, and writes to nothing. */
#define PACK_ARRAY(k, f, field, n_field)                                                           \
	pack_bytes((k), (f)->field, (f)->n_field * sizeof(*(f)->field), 8)

static void
pack_stmts(struct pack *k, struct sql_stmt *s, const struct sql_stmt *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sql_stmt tmp = from[i], *to = k->p ? &s[i] : &tmp;

		pack_slice(k, &to->name);
		pack_slice(k, &to->set.name);
		pack_slice(k, &to->set.value);
		if (from[i].copy) {
			struct sql_copy spare = *from[i].copy;
			struct sql_copy *c = pack_bytes(k, from[i].copy, sizeof(*c), 8);

			if (!c)
				c = &spare;
			pack_slice(k, &c->file);
			pack_slice(k, &c->null);
			pack_slice(k, &c->delimiter);
			pack_slice(k, &c->quote);
			pack_slice(k, &c->escape);
			pack_slice(k, &c->encoding);
			to->copy = c;
		}
	}
}

static void
pack_effects(struct pack *k, struct sql_effect *e, const struct sql_effect *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sql_effect tmp = from[i], *to = k->p ? &e[i] : &tmp;
		struct slice *cols;

		pack_slice(k, &to->schema);
		pack_slice(k, &to->object);
		pack_slice(k, &to->function);
		pack_slice(k, &to->setting);
		pack_slice(k, &to->selected);
		pack_slice(k, &to->value);
		cols = pack_bytes(k, from[i].columns, from[i].n_columns * sizeof(*cols), 8);
		for (uint32_t c = 0; c < from[i].n_columns; c++) {
			struct slice s = from[i].columns[c];

			pack_slice(k, &s);
			if (cols)
				cols[c] = s;
		}
		to->columns = cols;
	}
}

static void
pack_names(struct pack *k, struct sql_facts *to, const struct sql_facts *f)
{
	struct sql_relation *rels = (struct sql_relation *)to->relations;
	struct sql_use *uses = (struct sql_use *)to->uses;
	struct sql_output *outs = (struct sql_output *)to->outputs;
	struct sql_call *calls = (struct sql_call *)to->calls;
	struct sql_type *types = (struct sql_type *)to->types;
	struct slice *names = (struct slice *)to->names;

	for (uint32_t i = 0; i < f->n_relations; i++) {
		struct sql_relation tmp = f->relations[i], *r = k->p ? &rels[i] : &tmp;

		pack_slice(k, &r->catalog);
		pack_slice(k, &r->schema);
		pack_slice(k, &r->name);
		pack_slice(k, &r->alias);
	}
	for (uint32_t i = 0; i < f->n_uses; i++) {
		struct sql_use tmp = f->uses[i], *u = k->p ? &uses[i] : &tmp;

		pack_slice(k, &u->schema);
		pack_slice(k, &u->qualifier);
		pack_slice(k, &u->column);
	}
	for (uint32_t i = 0; i < f->n_outputs; i++) {
		struct sql_output tmp = f->outputs[i], *o = k->p ? &outs[i] : &tmp;

		pack_slice(k, &o->name);
	}
	for (uint32_t i = 0; i < f->n_names; i++) {
		struct slice tmp = f->names[i];

		pack_slice(k, k->p ? &names[i] : &tmp);
	}
	for (uint32_t i = 0; i < f->n_calls; i++) {
		struct sql_call tmp = f->calls[i], *c = k->p ? &calls[i] : &tmp;

		pack_slice(k, &c->schema);
		pack_slice(k, &c->name);
	}
	for (uint32_t i = 0; i < f->n_types; i++) {
		struct sql_type tmp = f->types[i], *t = k->p ? &types[i] : &tmp;

		pack_slice(k, &t->schema);
		pack_slice(k, &t->name);
	}
}

static void
pack_facts(struct pack *k, struct sql_facts *to, const struct sql_facts *f)
{
	*to = *f;
	to->stmts = PACK_ARRAY(k, f, stmts, n_stmts);
	to->effects = PACK_ARRAY(k, f, effects, n_effects);
	to->relations = PACK_ARRAY(k, f, relations, n_relations);
	to->candidates = PACK_ARRAY(k, f, candidates, n_candidates);
	to->uses = PACK_ARRAY(k, f, uses, n_uses);
	to->outputs = PACK_ARRAY(k, f, outputs, n_outputs);
	to->queries = PACK_ARRAY(k, f, queries, n_queries);
	to->names = PACK_ARRAY(k, f, names, n_names);
	to->members = PACK_ARRAY(k, f, members, n_members);
	to->calls = PACK_ARRAY(k, f, calls, n_calls);
	to->applies = PACK_ARRAY(k, f, applies, n_applies);
	to->values = PACK_ARRAY(k, f, values, n_values);
	to->types = PACK_ARRAY(k, f, types, n_types);
	pack_slice(k, &to->error);
	pack_stmts(k, (struct sql_stmt *)to->stmts, f->stmts, f->n_stmts);
	pack_effects(k, (struct sql_effect *)to->effects, f->effects, f->n_effects);
	pack_names(k, to, f);
}

static struct entry *
entry_new(struct sql_cache *c, const struct sql_facts *f, struct slice key, const uint64_t hash[2])
{
	struct sql_facts ignore;
	struct pack measure = {NULL, sizeof(struct entry)}, k;
	struct entry *e;

	pack_facts(&measure, &ignore, f);
	e = malloc(measure.n + key.n);
	if (!e)
		return NULL;
	*e = (struct entry){.id = ++c->next_id,
			    .hash = {hash[0], hash[1]},
			    .bytes = measure.n + key.n,
			    .n_key = key.n};
	k = (struct pack){(uint8_t *)e, sizeof(struct entry)};
	pack_facts(&k, &e->facts, f);
	assert(k.n == measure.n);
	e->key = (uint8_t *)e + k.n;
	if (key.n)
		memcpy((uint8_t *)e + k.n, key.p, key.n);
	return e;
}

/* ---- table ---- */

static struct entry *
table_find(struct sql_cache *c, struct slice key, const uint64_t hash[2])
{
	for (uint32_t i = (uint32_t)hash[0] & c->mask;; i = (i + 1) & c->mask) {
		struct entry *e = c->table[i];

		if (!e)
			return NULL;
		if (e->hash[0] == hash[0] && e->hash[1] == hash[1] && e->n_key == key.n &&
		    memcmp(e->key, key.p, key.n) == 0)
			return e;
	}
}

static void
table_put(struct sql_cache *c, struct entry *e)
{
	uint32_t i = (uint32_t)e->hash[0] & c->mask;

	while (c->table[i])
		i = (i + 1) & c->mask;
	c->table[i] = e;
}

/* Linear probing without tombstones: moves later members of the run back. */
static void
table_remove(struct sql_cache *c, const struct entry *e)
{
	uint32_t hole = (uint32_t)e->hash[0] & c->mask, i;

	while (c->table[hole] != e)
		hole = (hole + 1) & c->mask;
	for (i = (hole + 1) & c->mask; c->table[i]; i = (i + 1) & c->mask) {
		uint32_t home = (uint32_t)c->table[i]->hash[0] & c->mask;

		if (((i - home) & c->mask) >= ((i - hole) & c->mask)) {
			c->table[hole] = c->table[i];
			hole = i;
		}
	}
	c->table[hole] = NULL;
}

static void
evict(struct sql_cache *c, struct entry *e)
{
	assert(c->n > 0);
	for (unsigned i = 0; e->recent && i < RECENT_SLOTS; i++)
		if (c->recent[i].entry == e)
			c->recent[i].entry = NULL;
	table_remove(c, e);
	c->ring[e->slot] = c->ring[--c->n];
	c->ring[e->slot]->slot = e->slot;
	c->bytes -= e->bytes;
	c->stats.evicted++;
	e->in_table = false;
	if (!e->refs)
		free(e);
}

static void
make_room(struct sql_cache *c, size_t bytes)
{
	while (c->n && (c->bytes + bytes > c->max_bytes || c->n >= c->max_entries)) {
		struct entry *e;

		if (c->hand >= c->n)
			c->hand = 0;
		e = c->ring[c->hand];
		if (e->used) {
			e->used = false;
			c->hand++;
		} else {
			evict(c, e);
		}
	}
}

static void
admit(struct sql_cache *c, struct entry *e)
{
	make_room(c, e->bytes);
	table_put(c, e);
	e->slot = c->n;
	c->ring[c->n++] = e;
	c->bytes += e->bytes;
	e->in_table = true;
	c->stats.admitted++;
}

static bool
seen_before(struct sql_cache *c, uint64_t hash)
{
	uint64_t *slot = &c->seen[hash % SEEN_SLOTS];
	bool seen = *slot == hash;

	*slot = hash;
	return seen;
}

/* ---- interface ---- */

static void
call_init(struct sql_cache *c, enum func_class class)
{
	static const struct sql_stmt stmt = {.kind = SQL_KIND_OTHER,
					     .inner = SQL_KIND_OTHER,
					     .n_effects = 2,
					     .query = -1};
	struct sql_effect *e = c->call_effects[class];

	e[0] = (struct sql_effect){.action = ACTION_SQL_FUNCTION_CALL, .relation = -1};
	e[1] = (struct sql_effect){.action = func_action(class), .relation = -1};
	/* Which setting is not known. */
	if (class == FUNC_SESSION)
		e[1].action = ACTION_SQL_OPAQUE_FUNCTION;
	c->calls[class] = (struct entry){
		.facts = {.stmts = &stmt, .n_stmts = 1, .effects = e, .n_effects = 2},
		.refs = 1,
		.id = ++c->next_id};
}

struct sql_cache *
sql_cache_open(size_t max_bytes, const struct sql_limits *limits)
{
	struct sql_cache *c = calloc(1, sizeof(*c));
	uint32_t slots = 256;

	assert(sql_shape_seed() != 0); /* sql_shape_init: hashes without a secret can be aimed at */
	if (!c)
		return NULL;
	if (max_bytes < MIN_BYTES)
		max_bytes = MIN_BYTES;
	/* Few entries take less than 1 KiB. */
	while (slots < max_bytes / 512 && slots < 1u << 22)
		slots *= 2;
	c->table = calloc(slots, sizeof(*c->table));
	c->ring = calloc(slots / 2, sizeof(*c->ring));
	if (!c->table || !c->ring) {
		free(c->table);
		free(c->ring);
		free(c);
		return NULL;
	}
	c->mask = slots - 1;
	c->max_entries = slots / 2;
	c->max_bytes = max_bytes;
	c->limits = *limits;
	c->no_memory = (struct entry){.facts = sql_facts_no_memory, .refs = 1};
	for (unsigned i = 0; i < FUNC_CLASSES; i++)
		call_init(c, i);
	arena_init(&c->arena, 0);
	return c;
}

static void
drop_last(struct sql_cache *c)
{
	if (c->last)
		sql_facts_release(&c->last->facts);
	c->last = NULL;
}

void
sql_cache_close(struct sql_cache *c)
{
	if (!c)
		return;
	drop_last(c);
	while (c->n)
		evict(c, c->ring[c->n - 1]);
	buf_fini(&c->shape);
	buf_fini(&c->exact);
	arena_fini(&c->arena);
	free(c->table);
	free(c->ring);
	free(c);
}

/* Analyses, and keeps the facts when the key came before and they are not too big a part of the
 * cache. */
static const struct sql_facts *
miss(struct sql_cache *c, struct slice text, struct slice key, const uint64_t hash[2], bool shape)
{
	static const struct sql_facts none;
	const struct sql_facts *f;
	struct entry *e;
	bool keep;

	c->stats.misses++;
	arena_reset(&c->arena);
	f = sql_analyse(text, &c->limits, &c->arena);
	keep = f->status == SQL_OK && key.n && seen_before(c, hash[0]);
	if (keep && shape && f->literal_dependent) {
		struct entry *marker = entry_new(c, &none, key, hash);

		if (marker) {
			marker->marker = true;
			admit(c, marker);
		}
		keep = false;
	}
	e = entry_new(c, f, keep ? key : (struct slice){0}, hash);
	if (!e)
		return &c->no_memory.facts;
	e->refs = 1;
	c->last = e;
	if (keep && e->bytes <= c->max_bytes / ENTRY_SHARE)
		admit(c, e);
	else
		c->stats.uncacheable++;
	return &e->facts;
}

static struct recent *
recent_slot(struct sql_cache *c, struct slice text)
{
	return text.n > RECENT_TEXT
		       ? NULL
		       : &c->recent[XXH3_64bits_withSeed(text.p, text.n, sql_shape_seed()) %
				    RECENT_SLOTS];
}

static const struct sql_facts *
hit(struct sql_cache *c, struct entry *e, struct slice text, struct recent *slot)
{
	c->stats.hits++;
	if (slot) {
		slot->entry = e;
		slot->n = (uint32_t)text.n;
		memcpy(slot->text, text.p, text.n);
		e->recent = true;
	}
	return &e->facts;
}

static const struct sql_facts *
by_text(struct sql_cache *c, struct slice text, struct recent *slot)
{
	XXH128_hash_t h;
	uint64_t hash[2];
	struct entry *e;

	buf_reset(&c->exact);
	buf_putc(&c->exact, EXACT_KEY);
	buf_put_slice(&c->exact, text);
	if (c->exact.failed)
		return miss(c, text, (struct slice){0}, (uint64_t[2]){0}, false);
	h = XXH3_128bits_withSeed(c->exact.p, c->exact.n, sql_shape_seed());
	hash[0] = h.low64;
	hash[1] = h.high64;
	e = table_find(c, buf_slice(&c->exact), hash);
	if (!e)
		return miss(c, text, buf_slice(&c->exact), hash, false);
	e->used = true;
	return hit(c, e, text, slot);
}

const struct sql_facts *
sql_cache_facts(struct sql_cache *c, struct slice text)
{
	struct recent *slot = recent_slot(c, text);
	struct sql_shape s;
	struct entry *e;
	uint32_t at;

	drop_last(c);
	if (slot && slot->entry && slot->n == text.n &&
	    memcmp(slot->text, text.p, text.n) == 0) {
		slot->entry->used = true;
		c->stats.hits++;
		return &slot->entry->facts;
	}
	/* Shapes hide the bytes of literals, so these are checked every time. */
	if (text.n > c->limits.max_bytes || sql_text_ok(text, &at) != SQL_TEXT_OK)
		return miss(c, text, (struct slice){0}, (uint64_t[2]){0}, false);
	sql_shape(text, c->limits.max_bytes, c->limits.max_depth, &c->shape, &s);
	if (s.status != SQL_SHAPE_OK)
		return miss(c, text, (struct slice){0}, s.hash, false);
	e = table_find(c, s.bytes, s.hash);
	if (!e)
		return miss(c, text, s.bytes, s.hash, true);
	e->used = true;
	return e->marker ? by_text(c, text, slot) : hit(c, e, text, slot);
}

const struct sql_facts *
sql_cache_function_call(struct sql_cache *c, enum func_class class)
{
	return &c->calls[class].facts;
}

void
sql_facts_hold(const struct sql_facts *f)
{
	((struct entry *)f)->refs++;
}

void
sql_facts_release(const struct sql_facts *f)
{
	struct entry *e = (struct entry *)f;

	assert(e->refs > 0);
	if (--e->refs == 0 && !e->in_table)
		free(e);
}

uint64_t
sql_facts_id(const struct sql_facts *f)
{
	return ((const struct entry *)f)->id;
}

size_t
sql_facts_bytes(const struct sql_facts *f)
{
	return ((const struct entry *)f)->bytes;
}

struct sql_cache_stats
sql_cache_stats(const struct sql_cache *c)
{
	struct sql_cache_stats s = c->stats;

	s.bytes = c->bytes;
	s.entries = c->n;
	return s;
}
