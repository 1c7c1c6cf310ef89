/* SPDX-License-Identifier: MIT
 *
 * Code falls into pieces where no jump leads across: each runs for itself, in any order. A piece
 * whose tests lead to its end when they fail needs them to pass, as long as nothing before them
 * matched and every way that goes on comes by. Of those that ask whether a fact has one of some
 * values (struct need), a piece stands under the one that the fewest others stand under.
 *
 * Images may be anybody's, so what this takes is bounded: the memory of the result by
 * VM_INDEX_BYTES, depth by INDEX_DEPTH, sets by WIDE.
 */
#include "vm/index_internal.h"

#include "vm/match.h"

#include <stdlib.h>

enum {
	LEAF = 2,    /* pieces that are not worth telling apart */
	WIDE = 64,   /* a set of more strings is not looked up */
	NEEDS = 16,  /* looked at of a piece */
	MANY = 16,   /* pieces worth a lookup that tells whether any of them has to run */
};

/* One fact with one set of values. */
struct key {
	enum fact fact;
	uint16_t constant;
	uint32_t next; /* of the same constant, index + 1 */
	uint32_t n;
	uint64_t *ids;
	uint32_t *counts; /* of build.counts, as the ids */
};

/* A value of a fact that some piece asks for. */
struct counted {
	uint64_t id; /* 0: free */
	enum fact fact;
	uint32_t n; /* pieces of the node at hand that ask for it */
};

struct need {
	uint32_t key;
	bool passes_unknown;
};

struct piece {
	uint32_t start, n; /* instructions */
	uint32_t needs;	   /* first of them */
	uint32_t n_needs;
};

/* A piece and the need that it stands under. */
struct pick {
	enum fact fact;
	uint32_t key, piece;
	bool passes_unknown;
};

struct build {
	const struct image *img;
	const struct image_entry *entry;
	struct arena *arena;
	struct arena scratch;
	struct vm_index *index;
	struct piece *pieces;
	size_t n_pieces;
	struct need *needs;
	size_t n_needs;
	struct key *keys;
	size_t n_keys;
	uint32_t *key_of; /* by constant: index + 1 */
	struct counted *counts; /* open-addressed */
	size_t counts_mask;
};

/* Of the index; NULL when that would be too much. */
static void *
take(struct build *b, size_t n, size_t size)
{
	size_t bytes = n * size;

	if (bytes > VM_INDEX_BYTES - b->index->bytes)
		return NULL;
	b->index->bytes += bytes;
	return arena_alloc(b->arena, bytes + !bytes);
}

/* ---- Pieces and what they need ---- */

/* What every text has that the pattern matches: its own bytes, up to a *. */
static struct slice
beginning(struct slice pattern)
{
	const uint8_t *star = pattern.n ? memchr(pattern.p, '*', pattern.n) : NULL;
	size_t n = star ? (size_t) (star - pattern.p) : pattern.n;

	return slice_of(pattern.p, star && n > INDEX_PREFIX ? INDEX_PREFIX : n);
}

static bool
is_lookup(const struct image *img, const struct insn *in)
{
	if (in->op == OP_STR_GLOB)
		return beginning(img->constants[in->arg].string).n > 0;
	if (in->op == OP_STR_IN || in->op == OP_SET_ANY)
		return img->constants[in->arg].strings.n <= WIDE;
	return in->op == OP_ACTION_IN || in->op == OP_ENUM_IN;
}

static uint32_t
key_for(struct build *b, enum fact fact, uint16_t constant)
{
	struct key *k;

	for (uint32_t i = b->key_of[constant]; i; i = b->keys[i - 1].next)
		if (b->keys[i - 1].fact == fact)
			return i - 1;
	k = &b->keys[b->n_keys++];
	*k = (struct key){.fact = fact, .constant = constant, .next = b->key_of[constant]};
	return (b->key_of[constant] = (uint32_t) b->n_keys) - 1;
}

static void
find_needs(struct build *b, struct piece *p)
{
	size_t end = p->start + p->n, reach = p->start;

	p->needs = (uint32_t) b->n_needs;
	for (size_t i = p->start; i < end && p->n_needs < NEEDS; i++) {
		const struct insn *in = &b->entry->code[i];
		size_t target = i + 1 + in->skip;

		if (in->op >= OP_MATCH)
			break;
		if (target != end) {
			reach = target > reach ? target : reach;
			continue;
		}
		/* It must come out other than it skips by: known, as "is one of". */
		if (reach <= i && is_lookup(b->img, in) &&
		    !(in->flags & INSN_NOT) == !(in->flags & INSN_SKIP_TRUE)) {
			b->needs[b->n_needs++] = (struct need){
				key_for(b, (enum fact) in->fact, in->arg),
				!(in->flags & INSN_UNKNOWN) != !(in->flags & INSN_SKIP_TRUE)};
			p->n_needs++;
		}
	}
}

static void
find_pieces(struct build *b)
{
	size_t n = b->entry->n - 1, reach = 0, start = 0; /* without the `end` */

	b->pieces = ARENA_ARRAY(&b->scratch, struct piece, n + 1);
	b->needs = ARENA_ARRAY(&b->scratch, struct need, n + 1);
	b->keys = ARENA_ARRAY(&b->scratch, struct key, n + 1);
	b->key_of = ARENA_ARRAY(&b->scratch, uint32_t, b->img->n_constants + 1);
	for (size_t i = 0; i < n; i++) {
		size_t target = i + 1 + b->entry->code[i].skip;

		reach = target > reach ? target : reach;
		if (reach > i + 1)
			continue;
		b->pieces[b->n_pieces] =
			(struct piece){.start = (uint32_t) start, .n = (uint32_t) (i + 1 - start)};
		find_needs(b, &b->pieces[b->n_pieces++]);
		start = i + 1;
	}
}

/* ---- Ids of values ---- */

static void
set_ids(struct build *b, struct key *k)
{
	const struct constant *c = &b->img->constants[k->constant];

	if (c->kind == CONSTANT_STRINGS) {
		k->ids = ARENA_ARRAY(&b->scratch, uint64_t, c->strings.n + 1);
		for (; k->n < c->strings.n; k->n++)
			k->ids[k->n] = index_string_id(k->fact, c->strings.v[k->n]);
		return;
	}
	k->ids = ARENA_ARRAY(&b->scratch, uint64_t, ACTION_COUNT);
	if (c->kind == CONSTANT_STRING) {
		struct slice s = beginning(c->string);

		k->ids[k->n++] = match_is_glob(c->string) ? index_prefix_id(k->fact, s)
							  : index_string_id(k->fact, s);
		return;
	}
	for (int v = 0; v < (c->kind == CONSTANT_ACTIONS ? (int) ACTION_COUNT : INDEX_ENUM_VALUES);
	     v++)
		if (c->kind == CONSTANT_ACTIONS ? action_set_has(&c->actions, (enum action) v)
						: c->values.mask >> v & 1)
			k->ids[k->n++] = index_value_id(k->fact, v);
}

static uint32_t
counter_of(struct build *b, enum fact fact, uint64_t id)
{
	size_t i = ((id ^ fact) * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & b->counts_mask;

	while (b->counts[i].id && (b->counts[i].id != id || b->counts[i].fact != fact))
		i = (i + 1) & b->counts_mask;
	b->counts[i] = (struct counted){.id = id, .fact = fact};
	return (uint32_t) i;
}

static void
find_ids(struct build *b)
{
	size_t values = 0, cap = 16;

	for (size_t i = 0; i < b->n_keys; i++) {
		set_ids(b, &b->keys[i]);
		values += b->keys[i].n;
	}
	while (cap < 2 * values)
		cap *= 2;
	b->counts = ARENA_ARRAY(&b->scratch, struct counted, cap);
	b->counts_mask = cap - 1;
	for (size_t i = 0; i < b->n_keys; i++) {
		struct key *k = &b->keys[i];

		k->counts = ARENA_ARRAY(&b->scratch, uint32_t, k->n + 1);
		for (uint32_t v = 0; v < k->n; v++)
			k->counts[v] = counter_of(b, k->fact, k->ids[v]);
	}
}

/* ---- Nodes ---- */

static void
count(struct build *b, const uint32_t *pieces, size_t n, uint64_t used, bool add)
{
	for (size_t i = 0; i < n; i++) {
		const struct piece *p = &b->pieces[pieces[i]];

		for (uint32_t k = 0; k < p->n_needs; k++) {
			const struct key *key = &b->keys[b->needs[p->needs + k].key];

			if (used >> key->fact & 1)
				continue;
			for (uint32_t v = 0; v < key->n; v++) {
				uint32_t *c = &b->counts[key->counts[v]].n;

				*c = add ? *c + 1 : 0;
			}
		}
	}
}

/* False when none of its needs tells the piece from most others, unless those are many. */
static bool
choose(struct build *b, size_t n, const struct piece *p, uint64_t used, struct pick *out)
{
	size_t least = SIZE_MAX;

	for (uint32_t k = 0; k < p->n_needs; k++) {
		const struct need *need = &b->needs[p->needs + k];
		const struct key *key = &b->keys[need->key];
		size_t most = 0, cost;

		if (used >> key->fact & 1)
			continue;
		for (uint32_t v = 0; v < key->n; v++) {
			uint32_t c = b->counts[key->counts[v]].n;

			most = c > most ? c : most;
		}
		/* Of a set each member is looked up, so others win a draw. */
		cost = 2 * most + (fact_info[key->fact].type == TYPE_SET);
		if ((most * 4 > n * 3 && n <= MANY) || cost >= least)
			continue;
		least = cost;
		out->fact = key->fact;
		out->key = need->key;
		out->passes_unknown = need->passes_unknown;
	}
	return least != SIZE_MAX;
}

static bool
put_code(struct build *b, const uint32_t *pieces, size_t n, struct index_node *out)
{
	struct insn *code;
	size_t len = 1;

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		len += b->pieces[pieces[i]].n;
	out->code = code = take(b, len, sizeof(*code));
	if (!code)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct piece *p = &b->pieces[pieces[i]];

		memcpy(code, b->entry->code + p->start, p->n * sizeof(*code));
		code += p->n;
	}
	*code = (struct insn){.op = OP_END};
	return true;
}

/* Strings of one set may share an id: the child is listed once. In the first pass `first` is the
 * child that was counted last, and 1. */
static void
add_child(struct index_slot *slot, uint32_t *refs, uint32_t child, int pass)
{
	if (pass == 0 && slot->first != child + 1) {
		slot->first = child + 1;
		slot->n++;
	} else if (pass == 1 && (slot->n == 0 || refs[slot->first + slot->n - 1] != child)) {
		refs[slot->first + slot->n++] = child;
	}
}

/* The table of a split: which children each value leads to. */
static bool
put_table(struct build *b, struct index_split *s, const struct key *const *keys, size_t n)
{
	struct index_slot *slots;
	uint32_t *refs, total = 0, bits = 2;

	for (size_t i = 0; i < n; i++)
		total += keys[i]->n;
	while ((UINT32_C(1) << bits) < 2 * total)
		bits++;
	s->slots = slots = take(b, (size_t) 1 << bits, sizeof(*slots));
	s->refs = refs = slots ? take(b, total, sizeof(*refs)) : NULL;
	s->n_refs = total;
	if (!refs)
		return false;
	s->mask = (UINT32_C(1) << bits) - 1;
	s->shift = 64 - bits;
	/* First how many, then where they begin, then which. */
	for (int pass = 0; pass < 2; pass++) {
		uint32_t at = 0;

		for (size_t k = 0; k < n; k++)
			for (uint32_t v = 0; v < keys[k]->n; v++) {
				uint32_t i = index_slot(s, keys[k]->ids[v]);

				while (slots[i].id && slots[i].id != keys[k]->ids[v])
					i = (i + 1) & s->mask;
				slots[i].id = keys[k]->ids[v];
				add_child(&slots[i], refs, (uint32_t) k, pass);
			}
		for (uint32_t i = 0; pass == 0 && i <= s->mask; i++) {
			slots[i].first = at;
			at += slots[i].n;
			slots[i].n = 0;
		}
	}
	for (uint32_t i = 0; i <= s->mask; i++)
		if (slots[i].n == 1)
			slots[i].first = refs[slots[i].first];
	return true;
}

static bool put_node(struct build *b, struct index_node *out, const uint32_t *pieces, size_t n,
		     uint64_t used, unsigned depth);

static bool
put_unknown(struct build *b, struct index_split *s, const struct pick *picks, size_t n,
	    uint64_t used, unsigned depth)
{
	uint32_t *pieces = ARENA_ARRAY(&b->scratch, uint32_t, n);
	struct index_node *node;
	size_t passing = 0;

	for (size_t i = 0; i < n; i++)
		if (picks[i].passes_unknown)
			pieces[passing++] = picks[i].piece;
	if (passing == 0)
		return true;
	s->unknown = node = take(b, 1, sizeof(*node));
	return node && put_node(b, node, pieces, passing, used, depth);
}

/* Picks of one fact, by key. */
static bool
put_split(struct build *b, struct index_split *s, const struct pick *picks, size_t n,
	  uint64_t used, unsigned depth)
{
	const struct key **keys = ARENA_ARRAY(&b->scratch, const struct key *, n);
	uint32_t *pieces = ARENA_ARRAY(&b->scratch, uint32_t, n);
	struct index_child *children;
	const struct constant *c;
	size_t n_keys = 0, from = 0;

	s->fact = picks[0].fact;
	used |= UINT64_C(1) << s->fact;
	for (size_t i = 0; i < n; i++) {
		pieces[i] = picks[i].piece;
		if (i == 0 || picks[i].key != picks[i - 1].key)
			keys[n_keys++] = &b->keys[picks[i].key];
	}
	s->children = children = take(b, n_keys, sizeof(*children));
	s->n_children = (uint32_t) n_keys;
	if (!children)
		return false;
	for (size_t k = 0; k < n_keys; k++) {
		size_t to = from;

		while (to < n && picks[to].key == picks[from].key)
			to++;
		children[k].constant = c = &b->img->constants[keys[k]->constant];
		if (c->kind == CONSTANT_STRING && match_is_glob(c->string))
			s->prefixes |= UINT64_C(1) << beginning(c->string).n;
		if (!put_node(b, &children[k].node, pieces + from, to - from, used, depth))
			return false;
		from = to;
	}
	return put_unknown(b, s, picks, n, used, depth) && put_table(b, s, keys, n_keys);
}

static int
compare_picks(const void *x, const void *y)
{
	const struct pick *a = x, *b = y;

	if (a->fact != b->fact)
		return a->fact < b->fact ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->piece < b->piece ? -1 : a->piece > b->piece;
}

static bool
put_node(struct build *b, struct index_node *out, const uint32_t *pieces, size_t n, uint64_t used,
	 unsigned depth)
{
	struct pick *picks;
	struct index_split *splits;
	uint32_t *rest;
	size_t n_picks = 0, n_rest = 0;

	if (n <= LEAF || depth == INDEX_DEPTH)
		return put_code(b, pieces, n, out);
	picks = ARENA_ARRAY(&b->scratch, struct pick, n);
	rest = ARENA_ARRAY(&b->scratch, uint32_t, n);
	count(b, pieces, n, used, true);
	for (size_t i = 0; i < n; i++) {
		picks[n_picks].piece = pieces[i];
		if (choose(b, n, &b->pieces[pieces[i]], used, &picks[n_picks]))
			n_picks++;
		else
			rest[n_rest++] = pieces[i];
	}
	count(b, pieces, n, used, false);
	qsort(picks, n_picks, sizeof(*picks), compare_picks);
	for (size_t i = 0; i < n_picks; i++)
		out->n_splits += i == 0 || picks[i].fact != picks[i - 1].fact;
	out->splits = splits = take(b, out->n_splits, sizeof(*splits));
	if (!splits || !put_code(b, rest, n_rest, out))
		return false;
	for (size_t from = 0, to; from < n_picks; from = to) {
		for (to = from; to < n_picks && picks[to].fact == picks[from].fact;)
			to++;
		if (!put_split(b, splits++, picks + from, to - from, used, depth + 1))
			return false;
	}
	return true;
}

const struct vm_index *
vm_index_build(const struct image *img, enum vm_entry e, size_t least, struct arena *a,
	       bool *too_big)
{
	struct build b = {.img = img, .entry = &img->entry[e], .arena = a};
	uint32_t *all;

	*too_big = false;
	arena_init(&b.scratch, 0);
	find_pieces(&b);
	if (b.n_pieces >= least && b.n_pieces > 0) {
		b.index = ARENA_NEW(a, struct vm_index);
		all = ARENA_ARRAY(&b.scratch, uint32_t, b.n_pieces);
		for (size_t i = 0; i < b.n_pieces; i++)
			all[i] = (uint32_t) i;
		find_ids(&b);
		*too_big = !put_node(&b, &b.index->root, all, b.n_pieces, 0, 0);
	}
	arena_fini(&b.scratch);
	return *too_big ? NULL : b.index;
}
