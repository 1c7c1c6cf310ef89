/* SPDX-License-Identifier: MIT
 *
 * Looking a decision's code up. index_build.c makes what is walked here.
 */
#include "vm/index_internal.h"

#include "vm/match.h"

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

struct walk {
	const struct image *img;
	const struct facts *f;
	struct decision *d;
	uint64_t looked_up; /* bit per fact */
	uint64_t ids[FACT_COUNT];
};

uint64_t
index_string_id(enum fact fact, struct slice s)
{
	uint64_t h = XXH3_64bits_withSeed(s.p, s.n, fact);

	return h + !h;
}

static int walk_node(struct walk *w, const struct index_node *n);

uint64_t
index_prefix_id(enum fact fact, struct slice prefix)
{
	uint64_t h = XXH3_64bits_withSeed(prefix.p, prefix.n, (uint64_t) fact + FACT_COUNT);

	return h + !h;
}

/* A set can have several of the strings that a piece of code asks for: the first one counts, so
 * that the code runs once. */
static bool
is_first(const struct value *v, size_t member, const struct constant *k)
{
	for (size_t i = 0; i < member; i++)
		if (match_in(k->strings.v, k->strings.n, v->set.v[i]))
			return false;
	return match_in(k->strings.v, k->strings.n, v->set.v[member]);
}

static int
walk_id(struct walk *w, const struct index_split *s, uint64_t id, const struct value *set,
	size_t member)
{
	int worst = -1;
	uint32_t i = index_slot(s, id);

	while (s->slots[i].id && s->slots[i].id != id)
		i = (i + 1) & s->mask;
	if (!s->slots[i].id)
		return -1;
	for (uint32_t k = 0; k < s->slots[i].n; k++) {
		uint32_t first = s->slots[i].first;
		const struct index_child *c =
			&s->children[s->slots[i].n == 1 ? first : s->refs[first + k]];
		int rank;

		if (set && !is_first(set, member, c->constant))
			continue;
		rank = walk_node(w, &c->node);
		worst = rank > worst ? rank : worst;
	}
	return worst;
}

static uint64_t
id_of(struct walk *w, enum fact fact, const struct value *v)
{
	if (fact_info[fact].type != TYPE_STRING)
		return index_value_id(fact, v->i);
	if (!(w->looked_up >> fact & 1)) {
		w->looked_up |= UINT64_C(1) << fact;
		w->ids[fact] = index_string_id(fact, v->s);
	}
	return w->ids[fact];
}

static int
walk_prefixes(struct walk *w, const struct index_split *s, struct slice text)
{
	uint64_t rest = s->prefixes;
	int worst = -1;

	for (; rest; rest &= rest - 1) {
		size_t n = (size_t) __builtin_ctzll(rest);
		int rank;

		if (n > text.n)
			break;
		rank = walk_id(w, s, index_prefix_id(s->fact, slice_of(text.p, n)), NULL, 0);
		worst = rank > worst ? rank : worst;
	}
	return worst;
}

static int
walk_split(struct walk *w, const struct index_split *s)
{
	const struct value *v = &w->f->v[s->fact];
	int worst = -1;

	if (!v->known)
		return s->unknown ? walk_node(w, s->unknown) : -1;
	if (fact_info[s->fact].type != TYPE_SET) {
		uint64_t id = id_of(w, s->fact, v);
		int rank = s->prefixes ? walk_prefixes(w, s, v->s) : -1;

		worst = id ? walk_id(w, s, id, NULL, 0) : -1;
		return rank > worst ? rank : worst;
	}
	for (size_t i = 0; i < v->set.n; i++) {
		int rank = walk_id(w, s, index_string_id(s->fact, v->set.v[i]), v, i);

		worst = rank > worst ? rank : worst;
	}
	return worst;
}

/* As deep as INDEX_DEPTH. */
static int
walk_node(struct walk *w, const struct index_node *n)
{
	int worst = n->code ? vm_run(w->img, n->code, w->f, w->d) : -1;

	for (uint32_t i = 0; i < n->n_splits; i++) {
		int rank = walk_split(w, &n->splits[i]);

		worst = rank > worst ? rank : worst;
	}
	return worst;
}

int
vm_index_run(const struct vm_index *x, const struct image *img, const struct facts *f,
	     struct decision *d)
{
	struct walk w;

	w.img = img;
	w.f = f;
	w.d = d;
	w.looked_up = 0; /* ids[] is set as it is needed */
	return walk_node(&w, &x->root);
}

size_t
vm_index_bytes(const struct vm_index *x)
{
	return x->bytes;
}
