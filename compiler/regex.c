/* SPDX-License-Identifier: MIT
 *
 * From an automaton that is in many states at once to one that is in one: a set of places for each
 * state, found from the beginning on; then states that no text tells apart become one.
 */
#include "compiler/regex_internal.h"

#include <xxhash.h>

enum { MAX_SETS = 2 * REGEX_MAX_STATES, MAX_CELLS = 1 << 20 };

/* A state on the way: the places that are alive. */
struct set {
	uint32_t first, n; /* of places; ascending */
	bool accepts;
};

struct subsets {
	struct arena *arena;
	const struct nfa *a;
	size_t *work;
	uint8_t class_of[256], sample[256]; /* sample: a byte of each class */
	uint32_t n_classes;
	struct set *sets;
	uint32_t n;
	uint32_t *places;
	size_t n_places, places_cap;
	uint32_t *slots; /* set + 1 */
	uint32_t *next;	 /* n rows of n_classes */
	uint32_t *seen, mark; /* by node: the last walk that came by */
	uint32_t *stack;
	bool large;
};

/* Bytes that no node tells apart are one class. */
static void
find_classes(struct subsets *s)
{
	bool begins[257] = {true};

	for (uint32_t i = 0; i < s->a->n; i++)
		if (s->a->nodes[i].kind == NFA_BYTES) {
			begins[s->a->nodes[i].lo] = true;
			begins[s->a->nodes[i].hi + 1] = true;
		}
	for (unsigned b = 0; b < 256; b++) {
		if (begins[b])
			s->sample[s->n_classes++] = (uint8_t) b;
		s->class_of[b] = (uint8_t) (s->n_classes - 1);
	}
}

static bool
spend(struct subsets *s, size_t work)
{
	s->large |= work > *s->work;
	*s->work -= s->large ? 0 : work;
	return !s->large;
}

static void
push(struct subsets *s, size_t *n, uint32_t node)
{
	if (s->seen[node] == s->mark)
		return;
	s->seen[node] = s->mark;
	s->stack[(*n)++] = node;
}

/* Walks on from what is on the stack without taking a byte. True when the expression has matched by
 * then; `keep`: the places go to the end of s->places. */
static bool
walk(struct subsets *s, size_t n, bool begin, bool end, bool keep)
{
	bool matched = false;

	while (n > 0) {
		uint32_t at = s->stack[--n];
		const struct nfa_node *node = &s->a->nodes[at];

		if (!spend(s, 1))
			return false;
		if (keep && (node->kind == NFA_BYTES || node->kind == NFA_END))
			s->places[s->n_places++] = at;
		matched |= node->kind == NFA_MATCH;
		if (node->kind == NFA_SPLIT) {
			push(s, &n, node->to);
			push(s, &n, node->also);
		} else if ((node->kind == NFA_BEGIN && begin) || (node->kind == NFA_END && end)) {
			push(s, &n, node->to);
		}
	}
	return matched;
}

/* Room for one more set of any size. */
static void
make_room(struct subsets *s)
{
	size_t cap = s->places_cap ? s->places_cap : 1024;
	uint32_t *v;

	while (cap < s->n_places + s->a->n)
		cap *= 2;
	if (cap == s->places_cap)
		return;
	v = ARENA_ARRAY(s->arena, uint32_t, cap);
	if (s->n_places)
		memcpy(v, s->places, s->n_places * sizeof(*v));
	s->places = v;
	s->places_cap = cap;
}

static void
sort_places(struct subsets *s, uint32_t first)
{
	/* They come nearly sorted, and few. */
	for (size_t i = first + 1; i < s->n_places; i++) {
		uint32_t v = s->places[i];
		size_t k = i;

		for (; k > first && s->places[k - 1] > v; k--)
			s->places[k] = s->places[k - 1];
		s->places[k] = v;
		if (!spend(s, i - k))
			return;
	}
}

/* The places from `first` on as a state; an old one when there is one like it. */
static uint32_t
intern(struct subsets *s, uint32_t first, bool accepts)
{
	uint32_t n = (uint32_t) s->n_places - first;
	size_t bytes = n * sizeof(*s->places), mask = 2 * MAX_SETS - 1, at;

	at = (size_t) XXH3_64bits_withSeed(&s->places[first], bytes, accepts) & mask;
	for (; s->slots[at]; at = (at + 1) & mask) {
		const struct set *o = &s->sets[s->slots[at] - 1];

		if (o->n == n && o->accepts == accepts &&
		    memcmp(&s->places[o->first], &s->places[first], bytes) == 0) {
			s->n_places = first;
			return s->slots[at] - 1;
		}
	}
	if (s->n == MAX_SETS || (size_t) (s->n + 1) * s->n_classes > MAX_CELLS) {
		s->large = true;
		return 0;
	}
	s->sets[s->n] = (struct set){first, n, accepts};
	s->slots[at] = s->n + 1;
	return s->n++;
}

/* The state of what is on the stack. Once the expression has matched, the text does, whatever
 * follows: that is one state, of no places. */
static uint32_t
state_of(struct subsets *s, size_t n, bool begin)
{
	uint32_t first = (uint32_t) s->n_places;
	size_t start = n;
	bool accepts = walk(s, n, begin, false, true);

	if (accepts) {
		s->n_places = first;
		return intern(s, first, true);
	}
	sort_places(s, first);
	s->mark++;
	for (start = 0; first + start < s->n_places; start++) {
		s->stack[start] = s->places[first + start];
		s->seen[s->stack[start]] = s->mark;
	}
	accepts = walk(s, start, begin, true, false);
	return intern(s, first, accepts);
}

/* Nothing leads out of where nothing is alive. */
static uint32_t
step(struct subsets *s, uint32_t from, uint8_t byte)
{
	struct set set = s->sets[from];
	size_t n = 0;

	if (set.n == 0)
		return from;
	make_room(s);
	s->mark++;
	for (uint32_t i = 0; i < set.n; i++) {
		const struct nfa_node *node = &s->a->nodes[s->places[set.first + i]];

		if (node->kind == NFA_BYTES && node->lo <= byte && byte <= node->hi)
			push(s, &n, node->to);
	}
	return spend(s, set.n) ? state_of(s, n, false) : 0;
}

static bool
find_sets(struct subsets *s)
{
	size_t n = 0;

	find_classes(s);
	s->sets = ARENA_ARRAY(s->arena, struct set, MAX_SETS);
	s->slots = ARENA_ARRAY(s->arena, uint32_t, 2 * MAX_SETS);
	s->seen = ARENA_ARRAY(s->arena, uint32_t, s->a->n);
	s->stack = ARENA_ARRAY(s->arena, uint32_t, s->a->n + 1);
	make_room(s);
	s->mark = 1;
	push(s, &n, s->a->start);
	(void) state_of(s, n, true);
	for (uint32_t i = 0, cap = 0; i < s->n && !s->large; i++) {
		if (i == cap) {
			uint32_t *v = ARENA_ARRAY(s->arena, uint32_t,
						  (size_t) (cap * 2 + 16) * s->n_classes);

			if (cap)
				memcpy(v, s->next, (size_t) cap * s->n_classes * sizeof(*v));
			s->next = v;
			cap = cap * 2 + 16;
		}
		for (uint32_t c = 0; c < s->n_classes && !s->large; c++)
			s->next[i * s->n_classes + c] = step(s, i, s->sample[c]);
	}
	return !s->large;
}

/* ---- The smallest ---- */

struct blocks {
	uint32_t *of, *other; /* by state */
	uint32_t *sample;     /* a state of each block */
	uint32_t n;
	uint32_t *slots;
	size_t mask;
};

/* Do both states lead to the same blocks, from the same block? */
static bool
alike(const struct subsets *s, const struct blocks *b, uint32_t x, uint32_t y)
{
	if (b->of[x] != b->of[y])
		return false;
	for (uint32_t c = 0; c < s->n_classes; c++)
		if (b->of[s->next[x * s->n_classes + c]] != b->of[s->next[y * s->n_classes + c]])
			return false;
	return true;
}

static uint64_t
hash_state(const struct subsets *s, const struct blocks *b, uint32_t x)
{
	uint64_t h = b->of[x];

	for (uint32_t c = 0; c < s->n_classes; c++)
		h = (h ^ b->of[s->next[x * s->n_classes + c]]) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

/* Divides blocks by where their states lead; as many as before: they are done. */
static void
divide(const struct subsets *s, struct blocks *b)
{
	uint32_t *swap = b->of;

	b->n = 0;
	memset(b->slots, 0, (b->mask + 1) * sizeof(*b->slots));
	for (uint32_t x = 0; x < s->n; x++) {
		size_t at = hash_state(s, b, x) & b->mask;

		while (b->slots[at] && !alike(s, b, b->sample[b->slots[at] - 1], x))
			at = (at + 1) & b->mask;
		if (!b->slots[at]) {
			b->sample[b->n] = x;
			b->slots[at] = ++b->n;
		}
		b->other[x] = b->slots[at] - 1;
	}
	b->of = b->other;
	b->other = swap;
}

static bool
find_blocks(struct subsets *s, struct blocks *b)
{
	uint32_t before;

	b->of = ARENA_ARRAY(s->arena, uint32_t, s->n);
	b->other = ARENA_ARRAY(s->arena, uint32_t, s->n);
	b->sample = ARENA_ARRAY(s->arena, uint32_t, s->n);
	b->slots = s->slots;
	for (b->mask = 15; b->mask < 2 * (size_t) s->n;)
		b->mask = 2 * b->mask + 1; /* at most that of s->slots: clearing all is dear */
	for (uint32_t x = 0; x < s->n; x++)
		b->of[x] = s->sets[x].accepts;
	do {
		before = b->n;
		divide(s, b);
		if (!spend(s, (size_t) s->n * s->n_classes / 8 + 1))
			return false;
	} while (b->n != before);
	return true;
}

/* The block that a block leads to with a class. */
static uint32_t
leads(const struct subsets *s, const struct blocks *b, uint32_t block, uint32_t class)
{
	return b->of[s->next[b->sample[block] * s->n_classes + class]];
}

/* Classes that no block tells apart are one, too; in the order of their first bytes. */
static uint32_t
join_classes(struct subsets *s, const struct blocks *b, uint8_t class_of[256], uint32_t kept[256])
{
	uint32_t n = 0, to[256];

	for (uint32_t c = 0; c < s->n_classes; c++) {
		uint32_t k = 0;

		for (; k < n; k++) {
			uint32_t x = 0;

			while (x < b->n && leads(s, b, x, kept[k]) == leads(s, b, x, c))
				x++;
			if (!spend(s, x / 8) || x == b->n)
				break;
		}
		if (k == n)
			kept[n++] = c;
		to[c] = k;
	}
	for (unsigned i = 0; i < 256; i++)
		class_of[i] = (uint8_t) to[s->class_of[i]];
	return n;
}

static bool
leads_out(const struct subsets *s, const struct blocks *b, uint32_t block)
{
	for (uint32_t c = 0; c < s->n_classes; c++)
		if (leads(s, b, block, c) != block)
			return true;
	return false;
}

/* Blocks in the order in which they are come by; those that nothing leads out of at the end. */
static uint32_t *
order_blocks(struct subsets *s, const struct blocks *b, const uint32_t *classes, uint32_t n_classes,
	     uint32_t *rank)
{
	uint32_t *order = ARENA_ARRAY(s->arena, uint32_t, b->n), n = 0, kept = 0;
	uint32_t *queue = ARENA_ARRAY(s->arena, uint32_t, b->n);
	bool *met = ARENA_ARRAY(s->arena, bool, b->n);

	queue[n++] = b->of[0];
	met[b->of[0]] = true;
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t c = 0; c < n_classes; c++) {
			uint32_t to = leads(s, b, queue[i], classes[c]);

			if (!met[to])
				queue[n++] = to;
			met[to] = true;
		}
	for (int sinks = 0; sinks < 2; sinks++)
		for (uint32_t i = 0; i < n; i++)
			if (leads_out(s, b, queue[i]) != (bool) sinks)
				order[kept++] = queue[i];
	for (uint32_t i = 0; i < kept; i++)
		rank[order[i]] = i;
	return order;
}

static bool
write_out(struct subsets *s, const struct blocks *b, struct regex *out)
{
	uint8_t *class_of = ARENA_ARRAY(s->arena, uint8_t, 256), *accepts;
	uint32_t classes[256], n_classes = join_classes(s, b, class_of, classes), *order, *rank;
	uint16_t *next;

	if (s->large || b->n > REGEX_MAX_STATES || b->n * n_classes > REGEX_MAX_CELLS)
		return false;
	rank = ARENA_ARRAY(s->arena, uint32_t, b->n);
	order = order_blocks(s, b, classes, n_classes, rank);
	accepts = ARENA_ARRAY(s->arena, uint8_t, b->n);
	next = ARENA_ARRAY(s->arena, uint16_t, b->n * n_classes);
	for (uint32_t i = 0; i < b->n; i++) {
		accepts[i] = s->sets[b->sample[order[i]]].accepts;
		for (uint32_t c = 0; c < n_classes; c++)
			next[i * n_classes + c] =
				(uint16_t) (rank[leads(s, b, order[i], classes[c])] * n_classes);
	}
	*out = (struct regex){.next = next,
			      .class_of = class_of,
			      .accepts = accepts,
			      .n_states = b->n,
			      .n_classes = n_classes};
	regex_find_sinks(out);
	return true;
}

/* What is only needed on the way. */
static bool
make(struct arena *arena, const struct nfa *a, size_t *work, struct regex *out)
{
	struct subsets s = {.arena = arena, .a = a, .work = work};
	struct blocks b = {0};

	return find_sets(&s) && find_blocks(&s, &b) && write_out(&s, &b, out);
}

static void
copy_out(struct arena *arena, const struct regex *from, struct regex *out)
{
	size_t cells = (size_t) from->n_states * from->n_classes;

	*out = *from;
	out->class_of = arena_copy(arena, slice_of(from->class_of, 256)).p;
	out->accepts = arena_copy(arena, slice_of(from->accepts, from->n_states)).p;
	out->next = memcpy(ARENA_ARRAY(arena, uint16_t, cells), from->next,
			   cells * sizeof(*out->next));
}

enum regex_status
regex_compile(struct arena *arena, struct slice pattern, bool fold, size_t *work, struct regex *out,
	      struct regex_error *err)
{
	enum regex_status status = REGEX_OK;
	struct arena scratch;
	struct regex made;
	const struct re *re;
	struct nfa a;

	*err = (struct regex_error){.n = pattern.n};
	arena_init(&scratch, 0);
	re = regex_parse(&scratch, pattern, fold, &status, err);
	if (re && (!regex_nfa(&scratch, re, &a) || !make(&scratch, &a, work, &made)))
		status = REGEX_LARGE;
	if (status == REGEX_OK)
		copy_out(arena, &made, out);
	arena_fini(&scratch);
	return status;
}

bool
regex_split(struct slice literal, struct slice *pattern, struct slice *options)
{
	size_t end = literal.n;

	while (end > 0 && literal.p[end - 1] != '/')
		end--;
	if (end < 2)
		return false;
	*pattern = slice_of(literal.p + 1, end - 2);
	*options = slice_of(literal.p + end, literal.n - end);
	return true;
}

bool
regex_same(const struct regex *a, const struct regex *b)
{
	size_t cells = (size_t) a->n_states * a->n_classes;

	return a->n_states == b->n_states && a->n_classes == b->n_classes &&
	       memcmp(a->class_of, b->class_of, 256) == 0 &&
	       memcmp(a->accepts, b->accepts, a->n_states) == 0 &&
	       memcmp(a->next, b->next, cells * sizeof(*a->next)) == 0;
}

/* The states of r and two more: no, and yes; and a class of the dot alone. */
struct regex *
regex_before_dot(struct arena *arena, const struct regex *r)
{
	uint32_t n_classes = r->n_classes + 1, n = r->n_states + 2;
	struct regex *out = ARENA_NEW(arena, struct regex);
	uint8_t *class_of, *accepts;
	uint16_t *next;

	if (n_classes > 256 || n * n_classes > REGEX_MAX_CELLS)
		return NULL;
	class_of = ARENA_ARRAY(arena, uint8_t, 256);
	accepts = ARENA_ARRAY(arena, uint8_t, n);
	next = ARENA_ARRAY(arena, uint16_t, n * n_classes);
	memcpy(class_of, r->class_of, 256);
	class_of['.'] = (uint8_t) r->n_classes;
	accepts[n - 1] = 1;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t *row = &next[i * n_classes];

		for (uint32_t c = 0; c <= r->n_classes; c++) {
			uint32_t to = i;

			if (i < r->n_states && c == r->n_classes)
				to = r->accepts[i] ? n - 1 : n - 2;
			else if (i < r->n_states)
				to = r->next[i * r->n_classes + c] / r->n_classes;
			row[c] = (uint16_t) (to * n_classes);
		}
	}
	*out = (struct regex){next, class_of, accepts, n, n_classes, 0};
	regex_find_sinks(out);
	return out;
}
