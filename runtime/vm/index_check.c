/* SPDX-License-Identifier: MIT
 *
 * Shows of an index that it leaves nothing out, whatever the facts: of each piece of the entry
 * point's code that it stands in the index wherever it could do something. A piece stands under
 * a constant when
 *   - every value that is one of the constant's finds the child in the table of the split,
 *   - the piece cannot come to a match when the fact is known and is none of them, and
 *   - it stands below `unknown` too, or cannot come to a match when the fact is not known either.
 * The latter two are asked of the piece's own code, with both ways of every other test taken. What
 * the index was made by (index_build.c) is not asked: of that, only the ids of values are shared,
 * with which decisions look up.
 */
#include "vm/index_internal.h"

#include "vm/match.h"

#define XXH_STATIC_LINKING_ONLY
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Pieces are told apart by what they say: two that say the same do the same. */
struct text {
	const struct insn *code; /* NULL: free */
	uint32_t n;
};

struct check {
	const struct image *img;
	struct arena scratch;
	struct text *texts; /* open-addressed */
	size_t mask;
	uint32_t *seen, round; /* by place in texts: the round in which it was seen last */
	bool *reached;	       /* by instruction of a piece */
};

/* Places in texts. */
struct places {
	uint32_t *v;
	size_t n, cap;
};

static void
add(struct check *c, struct places *to, uint32_t place)
{
	if (to->n == to->cap) {
		uint32_t *v = ARENA_ARRAY(&c->scratch, uint32_t, 2 * to->cap + 4);

		if (to->n)
			memcpy(v, to->v, to->n * sizeof(*v));
		to->v = v;
		to->cap = 2 * to->cap + 4;
	}
	to->v[to->n++] = place;
}

/* ---- Pieces ---- */

/* Up to where no jump from before leads further. */
static size_t
piece_length(const struct insn *code)
{
	size_t reach = 1;

	for (size_t i = 0; i < reach; i++)
		if (i + 1 + code[i].skip > reach)
			reach = i + 1 + code[i].skip;
	return reach;
}

static struct text *
find(const struct check *c, const struct insn *code, size_t n)
{
	size_t i = XXH3_64bits(code, n * sizeof(*code)) & c->mask;

	while (c->texts[i].code &&
	       (c->texts[i].n != n || memcmp(c->texts[i].code, code, n * sizeof(*code)) != 0))
		i = (i + 1) & c->mask;
	return &c->texts[i];
}

static void
find_pieces(struct check *c, const struct image_entry *e)
{
	size_t longest = 0;

	for (c->mask = 15; c->mask < 2 * e->n;)
		c->mask = 2 * c->mask + 1;
	c->texts = ARENA_ARRAY(&c->scratch, struct text, c->mask + 1);
	for (size_t at = 0, n; at + 1 < e->n; at += n) {
		struct text *t;

		n = piece_length(e->code + at);
		longest = n > longest ? n : longest;
		t = find(c, e->code + at, n);
		if (!t->code)
			*t = (struct text){e->code + at, (uint32_t) n};
	}
	c->seen = ARENA_ARRAY(&c->scratch, uint32_t, c->mask + 1);
	c->reached = ARENA_ARRAY(&c->scratch, bool, longest + 1);
}

/* ---- What a piece does when a fact is not known, or is none of the values ---- */

static bool
asks(const struct insn *in, enum fact fact)
{
	return in->fact == fact &&
	       (in->op == OP_ACTION_IN || in->op == OP_ENUM_IN || in->op == OP_STR_IN ||
		in->op == OP_STR_GLOB || in->op == OP_SET_ANY);
}

/* `values` NULL: the fact is not known. */
static bool
can_match(struct check *c, const struct text *p, enum fact fact, const struct constant *values)
{
	memset(c->reached, 0, p->n + 1);
	c->reached[0] = true;
	for (size_t i = 0; i < p->n; i++) {
		const struct insn *in = &p->code[i];
		bool told = asks(in, fact) && (!values || values == &c->img->constants[in->arg]);
		bool outcome = in->flags & (values ? INSN_NOT : INSN_UNKNOWN);
		bool skips = outcome == (bool) (in->flags & INSN_SKIP_TRUE);

		if (!c->reached[i])
			continue;
		if (in->op == OP_MATCH || in->op == OP_MAY)
			return true;
		if (in->op == OP_JUMP ? true : !told || skips)
			c->reached[i + 1 + in->skip] = true;
		if (in->op != OP_JUMP && (!told || !skips))
			c->reached[i + 1] = true;
	}
	return false;
}

/* ---- Tables ---- */

static bool
leads_to(const struct index_split *s, uint64_t id, uint32_t child)
{
	uint32_t i = index_slot(s, id);

	while (s->slots[i].id && s->slots[i].id != id)
		i = (i + 1) & s->mask;
	if (!s->slots[i].id || s->slots[i].n == 1)
		return s->slots[i].id && s->slots[i].first == child;
	/* They are ascending as they are made; of others this finds less. */
	for (uint32_t low = 0, high = s->slots[i].n; low < high;) {
		uint32_t middle = low + (high - low) / 2, at = s->refs[s->slots[i].first + middle];

		if (at == child)
			return true;
		if (at < child)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Every text that the pattern matches begins with what it has before its first *: one beginning of
 * that is enough. */
static bool
pattern_leads_to(const struct index_split *s, struct slice pattern, uint32_t child)
{
	size_t n = 0;

	if (!match_is_glob(pattern))
		return leads_to(s, index_string_id(s->fact, pattern), child);
	while (pattern.p[n] != '*')
		n++;
	for (size_t i = 1; i <= n && i <= INDEX_PREFIX; i++)
		if (s->prefixes >> i & 1 &&
		    leads_to(s, index_prefix_id(s->fact, slice_of(pattern.p, i)), child))
			return true;
	return false;
}

static bool
all_lead_to(const struct index_split *s, uint32_t child)
{
	const struct constant *k = s->children[child].constant;

	switch (k->kind) {
	case CONSTANT_STRING:
		return pattern_leads_to(s, k->string, child);
	case CONSTANT_STRINGS:
		for (size_t i = 0; i < k->strings.n; i++)
			if (!leads_to(s, index_string_id(s->fact, k->strings.v[i]), child))
				return false;
		return true;
	case CONSTANT_ACTIONS:
		for (enum action a = 0; a < ACTION_COUNT; a++)
			if (action_set_has(&k->actions, a) &&
			    !leads_to(s, index_value_id(s->fact, a), child))
				return false;
		return true;
	case CONSTANT_VALUES:
		for (int v = 0; v < INDEX_ENUM_VALUES; v++)
			if (k->values.mask >> v & 1 &&
			    !leads_to(s, index_value_id(s->fact, v), child))
				return false;
		return true;
	default:
		return false;
	}
}

/* A look-up ends, and at a child that there is. Of sets, strings are looked up. */
static bool
is_whole(const struct index_split *s)
{
	uint32_t free = 0;

	if (s->mask != (UINT64_C(1) << (64 - s->shift)) - 1)
		return false;
	for (uint32_t i = 0; i < s->n_children && fact_info[s->fact].type == TYPE_SET; i++)
		if (s->children[i].constant->kind != CONSTANT_STRINGS)
			return false;
	for (uint32_t i = 0; i <= s->mask; i++) {
		const struct index_slot *slot = &s->slots[i];

		free += slot->id == 0;
		if (!slot->id)
			continue;
		if (slot->n == 1 ? slot->first >= s->n_children
				 : slot->first > s->n_refs || slot->n > s->n_refs - slot->first)
			return false;
	}
	for (uint32_t i = 0; i < s->n_refs; i++)
		if (s->refs[i] >= s->n_children)
			return false;
	return free > 0;
}

/* ---- Nodes ---- */

static bool stand_under(struct check *c, const struct index_node *n, struct places *out,
			unsigned depth);

static bool
stand_in_split(struct check *c, const struct index_split *s, struct places *out, unsigned depth)
{
	struct places unknown = {0};
	uint32_t passing;

	if (!is_whole(s) || (s->unknown && !stand_under(c, s->unknown, &unknown, depth + 1)))
		return false;
	for (uint32_t i = 0; i < s->n_children; i++) {
		struct places here = {0};
		const struct constant *k = s->children[i].constant;
		bool found = all_lead_to(s, i);

		if (!stand_under(c, &s->children[i].node, &here, depth + 1))
			return false;
		passing = ++c->round;
		for (size_t u = 0; u < unknown.n; u++)
			c->seen[unknown.v[u]] = passing;
		for (size_t p = 0; found && p < here.n; p++) {
			const struct text *t = &c->texts[here.v[p]];

			if (!can_match(c, t, s->fact, k) &&
			    (c->seen[here.v[p]] == passing || !can_match(c, t, s->fact, NULL)))
				add(c, out, here.v[p]);
		}
	}
	return true;
}

/* Adds the pieces that the node runs wherever they can do something. False when it could run what
 * is none, or is no tree as deep as those that are made. */
static bool
stand_under(struct check *c, const struct index_node *n, struct places *out, unsigned depth)
{
	if (depth > INDEX_DEPTH)
		return false;
	for (const struct insn *in = n->code; in && in->op != OP_END;) {
		size_t length = piece_length(in);
		const struct text *t = find(c, in, length);

		if (!t->code)
			return false;
		add(c, out, (uint32_t) (t - c->texts));
		in += length;
	}
	for (uint32_t i = 0; i < n->n_splits; i++)
		if (!stand_in_split(c, &n->splits[i], out, depth))
			return false;
	return true;
}

bool
vm_index_leaves_nothing_out(const struct vm_index *x, const struct image *img, enum vm_entry e)
{
	struct check c = {.img = img};
	struct places standing = {0};
	bool good;

	arena_init(&c.scratch, 0);
	find_pieces(&c, &img->entry[e]);
	good = stand_under(&c, &x->root, &standing, 0);
	c.round++;
	for (size_t i = 0; i < standing.n; i++)
		c.seen[standing.v[i]] = c.round;
	for (size_t i = 0; good && i <= c.mask; i++)
		good = !c.texts[i].code || c.seen[i] == c.round;
	arena_fini(&c.scratch);
	return good;
}
