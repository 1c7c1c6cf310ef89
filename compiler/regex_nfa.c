/* SPDX-License-Identifier: MIT
 *
 * The tree of an expression to nodes, from its end to its beginning, so that each part knows what
 * comes after it. Characters become the sequences of bytes that they are in UTF-8.
 */
#include "compiler/regex_internal.h"

enum { REGEX_MAX_PARTS = 4 * REGEX_MAX_NODES }; /* empty ones make no node */

static uint32_t
add(struct nfa *a, struct nfa_node node)
{
	if (a->n == a->cap && a->cap < REGEX_MAX_NODES) {
		uint32_t cap = a->cap ? a->cap * 2 : 256;
		struct nfa_node *v = ARENA_ARRAY(a->arena, struct nfa_node, cap);

		if (a->n)
			memcpy(v, a->nodes, a->n * sizeof(*v));
		a->nodes = v;
		a->cap = cap;
	}
	if (a->n < a->cap)
		a->nodes[a->n] = node;
	return a->n < REGEX_MAX_NODES ? a->n++ : 0; /* the whole is too large then */
}

static bool
is_full(const struct nfa *a)
{
	return a->n == REGEX_MAX_NODES || a->parts > REGEX_MAX_PARTS;
}

/* A way more to `next`; UINT32_MAX: none so far. */
static uint32_t
either(struct nfa *a, uint32_t one, uint32_t other)
{
	if (one == UINT32_MAX)
		return other;
	return add(a, (struct nfa_node){.kind = NFA_SPLIT, .to = one, .also = other});
}

static size_t
encode(uint32_t c, uint8_t out[4])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i > 1; i--, c >>= 6)
		out[i - 1] = (uint8_t) (0x80 | (c & 0x3f));
	out[0] = (uint8_t) (lead[n] | c);
	return n;
}

/* The characters from lo to hi, of which each byte but the first that differs ranges over all that
 * it can be: then the sequence of ranges of bytes says just them. */
static uint32_t
bytes_of(struct nfa *a, uint32_t lo, uint32_t hi, uint32_t next)
{
	uint8_t from[4], to[4];
	size_t n = encode(lo, from);

	encode(hi, to);
	for (size_t i = n; i > 0; i--)
		next = add(a, (struct nfa_node){.kind = NFA_BYTES,
						.lo = from[i - 1],
						.hi = to[i - 1],
						.to = next});
	return next;
}

/* Where to cut lo to hi, the first part's last character; hi: nowhere. */
static uint32_t
cut(uint32_t lo, uint32_t hi)
{
	static const uint32_t longest[] = {0x7f, 0x7ff, 0xffff};

	for (size_t i = 0; i < 3; i++)
		if (lo <= longest[i] && hi > longest[i])
			return longest[i];
	for (uint32_t i = 1; i < 4 && lo > 0x7f; i++) {
		uint32_t below = (1u << 6 * i) - 1;

		if ((lo & ~below) == (hi & ~below))
			break;
		if (lo & below)
			return lo | below;
		if ((hi & below) != below)
			return (hi & ~below) - 1;
	}
	return hi;
}

static uint32_t
range(struct nfa *a, uint32_t lo, uint32_t hi, uint32_t next)
{
	uint32_t any = UINT32_MAX;

	while (lo <= hi && !is_full(a)) {
		uint32_t last = lo < 0xd800 && hi >= 0xd800 ? 0xd7ff : hi;

		if (lo >= 0xd800 && lo <= 0xdfff) { /* halves of pairs are no characters */
			lo = 0xe000;
			continue;
		}
		for (uint32_t end = cut(lo, last); end != last; end = cut(lo, last))
			last = end;
		any = either(a, any, bytes_of(a, lo, last, next));
		lo = last + 1;
	}
	return any;
}

static uint32_t emit(struct nfa *a, const struct re *re, uint32_t next);

/* A place that nothing leads out of. */
static uint32_t
nowhere(struct nfa *a)
{
	uint32_t at = add(a, (struct nfa_node){.kind = NFA_SPLIT});

	a->nodes[at].to = a->nodes[at].also = at;
	return at;
}

static uint32_t
emit_set(struct nfa *a, const struct re *re, uint32_t next)
{
	uint32_t any = UINT32_MAX;

	for (size_t i = 0; i < re->n_ranges && !is_full(a); i++) {
		uint32_t one = range(a, re->ranges[i].lo, re->ranges[i].hi, next);

		if (one != UINT32_MAX)
			any = either(a, any, one);
	}
	return any == UINT32_MAX ? nowhere(a) : any;
}

/* The children from the last to the first. */
static uint32_t
emit_cat(struct nfa *a, const struct re *re, uint32_t next)
{
	const struct re **v;
	size_t n = 0;

	for (const struct re *x = re->first; x; x = x->next)
		n++;
	v = ARENA_ARRAY(a->arena, const struct re *, n + 1);
	n = 0;
	for (const struct re *x = re->first; x; x = x->next)
		v[n++] = x;
	while (n > 0 && !is_full(a))
		next = emit(a, v[--n], next);
	return next;
}

static uint32_t
emit_repeat(struct nfa *a, const struct re *re, uint32_t next)
{
	uint32_t end = next, loop;

	if (re->max == REGEX_MANY) {
		loop = add(a, (struct nfa_node){.kind = NFA_SPLIT, .also = next});
		a->nodes[loop].to = loop;
		a->nodes[loop].to = emit(a, re->first, loop);
		next = loop;
	}
	for (uint32_t i = re->min; i < re->max && re->max != REGEX_MANY && !is_full(a); i++)
		next = either(a, emit(a, re->first, next), end);
	for (uint32_t i = 0; i < re->min && !is_full(a); i++)
		next = emit(a, re->first, next);
	return next;
}

static uint32_t
emit(struct nfa *a, const struct re *re, uint32_t next)
{
	uint32_t any = UINT32_MAX;

	a->parts++;
	switch (re->kind) {
	case RE_SET:
		return emit_set(a, re, next);
	case RE_CAT:
		return emit_cat(a, re, next);
	case RE_ALT:
		for (const struct re *x = re->first; x && !is_full(a); x = x->next)
			any = either(a, any, emit(a, x, next));
		return any == UINT32_MAX ? next : any;
	case RE_REPEAT:
		return emit_repeat(a, re, next);
	case RE_BEGIN:
		return add(a, (struct nfa_node){.kind = NFA_BEGIN, .to = next});
	case RE_END:
		return add(a, (struct nfa_node){.kind = NFA_END, .to = next});
	}
	panic_at(__FILE__, __LINE__, __func__, "a kind of expression");
}

bool
regex_nfa(struct arena *arena, const struct re *re, struct nfa *out)
{
	uint32_t start, skip;

	*out = (struct nfa){.arena = arena};
	start = emit(out, re, add(out, (struct nfa_node){.kind = NFA_MATCH}));
	skip = add(out, (struct nfa_node){.kind = NFA_BYTES, .hi = 255});
	out->start = add(out, (struct nfa_node){.kind = NFA_SPLIT, .to = start, .also = skip});
	out->nodes[skip].to = out->start;
	return !is_full(out);
}
