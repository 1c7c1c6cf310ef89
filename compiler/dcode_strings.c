/* SPDX-License-Identifier: MIT
 *
 * Splits by a string: a switch finds the constants, patterns tell the other classes apart. A table
 * is looked for in two steps, its schema and then its name, so that patterns of schemas, of which
 * there may be many, are a switch as well; regular expressions of schemas are asked of the schema.
 */
#include "compiler/dcode_put.h"

#include "vm/match.h"

#include <stdlib.h>

/* Classes that patterns tell apart in one place; and how many patterns with a beginning may: more
 * of those the index looks up faster. */
enum { MAX_TREE = 64, MAX_PREFIXES = 15 };

#define NOWHERE UINT32_MAX

/* Its classes stand together in strings.order; `others` are those that patterns tell apart. */
struct schema {
	struct slice name;
	size_t first, end;
	uint32_t *others;
	size_t n_others;
};

/* Of the strings of a fact, or of a column of the row. */
struct strings {
	const struct partition *p;
	uint8_t in, find, glob, regex; /* the instructions that test it */
	uint16_t fact;
	bool in_schema; /* tables that are in theirs, which can be asked for as well */
	uint32_t *twin; /* of a constant: the other class that matches the same patterns */
	uint32_t *order;  /* classes in the order of their strings */
	uint32_t *others; /* those that are not constants */
	size_t n_others;
	struct schema *schemas; /* that names begin with, ascending */
	size_t n_schemas;
	uint32_t *elsewhere; /* of `others`, those that tables of no such schema can be in */
	size_t n_elsewhere;
};

static int
compare_signs(const struct partition *p, uint32_t a, uint32_t b)
{
	size_t n = p->sign_words;

	return memcmp(&p->signs[a * n], &p->signs[b * n], n * sizeof(*p->signs));
}

/* Of those that match the same patterns the one that is no constant comes first. */
static int
compare_twins(const void *a, const void *b, void *of)
{
	const struct partition *p = of;
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
	int order = compare_signs(p, x, y);

	return order ? order : p->classes[x].constant - p->classes[y].constant;
}

static int
compare_names(const void *a, const void *b, void *of)
{
	const struct partition *p = of;

	return slice_cmp(p->classes[*(const uint32_t *) a].text,
			 p->classes[*(const uint32_t *) b].text);
}

static uint32_t *
sorted_by(struct arena *arena, const struct partition *p,
	  int (*compare)(const void *, const void *, void *))
{
	uint32_t *order = ARENA_ARRAY(arena, uint32_t, p->n + 1);

	for (uint32_t i = 0; i < p->n; i++)
		order[i] = i;
	qsort_r(order, p->n, sizeof(*order), compare, (void *) (uintptr_t) p);
	return order;
}

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static int
compare_schemas(const void *a, const void *b)
{
	return slice_cmp(((const struct schema *) a)->name, ((const struct schema *) b)->name);
}

static void
find_twins(struct putter *p, struct strings *t)
{
	const struct partition *q = t->p;
	uint32_t *order = sorted_by(p->arena, q, compare_twins), twin = NOWHERE;

	t->order = sorted_by(p->arena, q, compare_names);
	t->twin = ARENA_ARRAY(p->arena, uint32_t, q->n + 1);
	t->others = ARENA_ARRAY(p->arena, uint32_t, q->n + 1);
	for (uint32_t i = 0; i < q->n; i++)
		if (!q->classes[i].constant)
			t->others[t->n_others++] = i;
	for (size_t i = 0; i < q->n; i++) {
		if (i == 0 || compare_signs(q, order[i - 1], order[i]) != 0)
			twin = q->classes[order[i]].constant ? NOWHERE : order[i];
		t->twin[order[i]] = twin;
	}
}

static struct strings *
strings_of(struct putter *p, enum fact fact, bool in_schema)
{
	struct strings **t = in_schema ? &p->objects : &p->strings[fact];

	if (*t)
		return *t;
	*t = ARENA_NEW(p->arena, struct strings);
	**t = (struct strings){.p = p->v->s->facts[fact].strings, .in = OP_STR_IN,
			       .find = OP_STR_SWITCH, .glob = OP_STR_GLOB, .regex = OP_STR_REGEX,
			       .fact = (uint16_t) fact, .in_schema = in_schema};
	find_twins(p, *t);
	return *t;
}

static struct strings *
strings_of_row(struct putter *p, uint16_t column)
{
	const struct space *s = p->v->s;
	struct strings *t = p->row_strings[column];

	if (t)
		return t;
	t = p->row_strings[column] = ARENA_NEW(p->arena, struct strings);
	*t = (struct strings){.p = s->row_texts[s->row_of[0][column]].strings, .in = OP_ROW_IN,
			      .find = OP_ROW_SWITCH, .glob = OP_ROW_GLOB, .regex = OP_ROW_REGEX,
			      .fact = dcode_column(p, column)};
	find_twins(p, t);
	return t;
}

/* ---- Patterns ---- */

static size_t
n_children(const struct putter *p, const uint32_t *set, size_t n)
{
	size_t different = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < i && p->child[set[k] + 1] != p->child[set[i] + 1])
			k++;
		different += k == i;
	}
	return different;
}

/* No test of a table asks for a regular expression that one of schemas was made into. */
static bool
is_askable(const struct strings *t, size_t sign)
{
	return sign < t->p->n_globs || t->in_schema ||
	       !t->p->regexes[sign - t->p->n_globs].of_schema;
}

/* The pattern that leaves the fewest ways on either side. */
static size_t
best_sign(const struct putter *p, const struct strings *t, const uint32_t *set, size_t n)
{
	const struct partition *q = t->p;
	uint32_t sides[2][MAX_TREE];
	size_t best = q->n_signs, least = SIZE_MAX;

	for (size_t g = 0; g < q->n_signs; g++) {
		size_t count[2] = {0, 0}, ways;

		for (size_t i = 0; i < n && is_askable(t, g); i++) {
			bool side = partition_has(q, set[i], g);

			sides[side][count[side]++] = set[i];
		}
		if (count[0] == 0 || count[1] == 0)
			continue;
		ways = n_children(p, sides[0], count[0]) + n_children(p, sides[1], count[1]);
		if (ways < least) {
			least = ways;
			best = g;
		}
	}
	return best;
}

static bool
is_uniform(const struct putter *p, const uint32_t *set, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (p->child[set[i] + 1] != p->child[set[0] + 1])
			return false;
	return true;
}

static bool
has_many_prefixes(const struct partition *q, const uint32_t *set, size_t n)
{
	size_t prefixes = 0;

	for (size_t g = 0; g < q->n_globs; g++) {
		bool first = partition_has(q, set[0], g), apart = false;

		for (size_t i = 1; i < n && !apart; i++)
			apart = partition_has(q, set[i], g) != first;
		prefixes += apart && q->globs[g].p[0] != '*';
	}
	return prefixes > MAX_PREFIXES;
}

/* Where they lead when that is one block; more of them than patterns should tell apart are left to
 * the list. */
static uint32_t
leaf_of(const struct putter *p, const struct partition *q, const uint32_t *set, size_t n)
{
	if (n == 0)
		return BLOCK_LIST;
	if (is_uniform(p, set, n))
		return p->child[set[0] + 1];
	if (n <= MAX_PREFIXES || (n <= MAX_TREE && !has_many_prefixes(q, set, n)))
		return NOWHERE;
	p->spills[p->at] = true;
	return BLOCK_LIST;
}

static void
ask_for(struct putter *p, const struct strings *t, size_t sign, struct insn *in)
{
	const struct partition *q = t->p;
	const struct pattern *r = sign < q->n_globs ? NULL : &q->regexes[sign - q->n_globs];

	in->op = r ? t->regex : t->glob;
	in->fact = t->fact;
	if (!r) {
		in->arg = dcode_constant(p, constant_string(p->constants, q->globs[sign]));
		return;
	}
	if (r->of_schema)
		in->fact = FACT_SCHEMA;
	in->arg = dcode_constant(p, constant_regex(p->constants, r->text,
						   r->of_schema ? r->of_schema : r->regex));
}

static void
put_tree(struct putter *p, const struct strings *t, const uint32_t *set, size_t n)
{
	const struct partition *q = t->p;
	struct insn in = {.flags = INSN_SKIP_TRUE};
	uint32_t leaf = leaf_of(p, q, set, n), sides[2][MAX_TREE];
	size_t count[2] = {0, 0}, g, at;

	if (leaf != NOWHERE) {
		dcode_put_way(p, leaf);
		return;
	}
	g = best_sign(p, t, set, n);
	assert(g < q->n_signs); /* classes that no pattern tells apart are one */
	for (size_t i = 0; i < n; i++) {
		bool side = partition_has(q, set[i], g);

		sides[side][count[side]++] = set[i];
	}
	ask_for(p, t, g, &in);
	at = dcode_put(p, in);
	put_tree(p, t, sides[0], count[0]);
	dcode_land(p, at);
	put_tree(p, t, sides[1], count[1]);
}

/* ---- Constants ---- */

/* What a switch has to know: constants that do not lead where patterns would lead them. */
static bool
is_listed(const struct putter *p, const struct strings *t, uint32_t class, uint32_t leaf)
{
	uint32_t child = p->child[class + 1], twin = t->twin[class];

	if (leaf != NOWHERE)
		return child != leaf;
	return twin == NOWHERE || child != p->child[twin + 1];
}

/* The constants among `classes`, which are in the order of their strings, and the classes of `set`;
 * `unknown` is NOWHERE when the string is known. */
static void
put_strings(struct putter *p, const struct strings *t, uint32_t unknown,
	    const uint32_t *classes, size_t n_classes, const uint32_t *set, size_t n_set)
{
	uint32_t leaf = leaf_of(p, t->p, set, n_set), *listed, yes;
	struct insn in = {.op = t->find, .fact = t->fact};
	size_t n = 0, none;
	struct slice *v;

	listed = ARENA_ARRAY(p->arena, uint32_t, n_classes + 1);
	v = ARENA_ARRAY(p->arena, struct slice, n_classes + 1);
	for (size_t i = 0; i < n_classes; i++)
		if (t->p->classes[classes[i]].constant && is_listed(p, t, classes[i], leaf)) {
			v[n] = t->p->classes[classes[i]].text;
			listed[n++] = classes[i];
		}
	if (n == 0) {
		if (unknown != NOWHERE && unknown != leaf)
			dcode_guard(p, dcode_known(p, in), unknown);
		put_tree(p, t, set, n_set);
		return;
	}
	in.arg = dcode_constant_strings(p, v, n);
	yes = p->child[listed[0] + 1];
	if (leaf != NOWHERE && is_uniform(p, listed, n) &&
	    (unknown == NOWHERE || unknown == leaf || unknown == yes)) {
		in.op = t->in;
		dcode_branch_known(p, in, unknown == NOWHERE ? leaf : unknown, yes, leaf);
		return;
	}
	dcode_put(p, in);
	dcode_put_way(p, unknown == NOWHERE ? BLOCK_LIST : unknown);
	none = p->n;
	if (leaf != NOWHERE)
		dcode_put_way(p, leaf);
	else
		none = dcode_put(p, (struct insn){.op = OP_FAR});
	for (size_t i = 0; i < n; i++)
		dcode_put_way(p, p->child[listed[i] + 1]);
	if (leaf == NOWHERE) {
		dcode_land(p, none);
		put_tree(p, t, set, n_set);
	}
}

void
dcode_put_string(struct putter *p, enum fact fact)
{
	const struct strings *t = strings_of(p, fact, false);

	put_strings(p, t, p->child[SPACE_UNKNOWN], t->order, t->p->n, t->others, t->n_others);
}

void
dcode_put_text(struct putter *p, uint16_t column)
{
	const struct strings *t = strings_of_row(p, column);

	put_strings(p, t, p->child[SPACE_UNKNOWN], t->order, t->p->n, t->others, t->n_others);
}

/* ---- Tables in schemas ---- */

/* "S.*", where S has no dot: asks for the schema of a name with one dot. */
static bool
is_of_schema(struct slice glob)
{
	return glob.n >= 2 && glob.p[glob.n - 1] == '*' && glob.p[glob.n - 2] == '.' &&
	       !memchr(glob.p, '.', glob.n - 2);
}

/* Do the tables of two classes match the same patterns of schemas? */
static bool
same_key(const struct partition *q, const uint64_t *mask, uint32_t a, uint32_t b)
{
	for (size_t w = 0; w < q->sign_words; w++)
		if ((q->signs[a * q->sign_words + w] ^ q->signs[b * q->sign_words + w]) & mask[w])
			return false;
	return true;
}

/* Is it one that tests name? Others only show their class. */
static bool
is_named(const struct putter *p, const struct partition *q, struct slice schema)
{
	struct slice glob =
		slice_str(arena_printf(p->arena, "%.*s.*", SLICE_ARG(schema)));

	return q->n_globs && bsearch(&glob, q->globs, q->n_globs, sizeof(glob), compare_slices);
}

static void
find_schemas(struct putter *p, struct strings *t)
{
	const struct partition *q = t->p;

	t->schemas = ARENA_ARRAY(p->arena, struct schema, q->n + 1);
	for (size_t i = 0; i < q->n; i++) {
		const struct class *c = &q->classes[t->order[i]];
		struct slice s = dcode_schema_of(c->text);

		if (!s.p || (!c->constant && !is_named(p, q, s)))
			continue;
		if (t->n_schemas == 0 || !slice_eq(t->schemas[t->n_schemas - 1].name, s))
			t->schemas[t->n_schemas++] = (struct schema){.name = s, .first = i};
		t->schemas[t->n_schemas - 1].end = i + 1;
	}
	/* Not as the names of their tables: "a-b" comes after "a", and "a-b.c" before "a.c". */
	qsort(t->schemas, t->n_schemas, sizeof(*t->schemas), compare_schemas);
}

/* Tables of a schema that is not among the known ones match no pattern of one. */
static bool
is_elsewhere(const struct strings *t, const bool *literal, uint32_t class)
{
	for (size_t g = 0; g < t->p->n_globs; g++)
		if (literal[g] && partition_has(t->p, class, g))
			return false;
	return true;
}

/* The classes of tables of a schema match the same patterns of schemas as its first one does. */
static void
find_others(struct putter *p, struct strings *t, const uint64_t *mask, struct schema *schema)
{
	size_t cap = 4;

	schema->others = ARENA_ARRAY(p->arena, uint32_t, cap);
	for (size_t k = 0; k < t->n_others; k++) {
		if (!p->v->schema_of[t->others[k]] ||
		    !same_key(t->p, mask, t->order[schema->first], t->others[k]))
			continue;
		if (schema->n_others == cap) {
			uint32_t *more = ARENA_ARRAY(p->arena, uint32_t, cap * 2);

			memcpy(more, schema->others, cap * sizeof(*more));
			schema->others = more;
			cap *= 2;
		}
		schema->others[schema->n_others++] = t->others[k];
	}
}

static void
find_places(struct putter *p, struct strings *t)
{
	const struct partition *q = t->p;
	uint64_t *mask = ARENA_ARRAY(p->arena, uint64_t, q->sign_words);
	bool *literal = ARENA_ARRAY(p->arena, bool, q->n_globs + 1);

	for (size_t g = 0; g < q->n_globs; g++) {
		struct schema s = {.name = q->globs[g]};

		if (!is_of_schema(q->globs[g]))
			continue;
		mask[g / 64] |= UINT64_C(1) << g % 64;
		s.name.n -= 2;
		literal[g] = !match_is_glob(s.name) && t->n_schemas &&
			     bsearch(&s, t->schemas, t->n_schemas, sizeof(s), compare_schemas);
	}
	for (size_t i = 0; i < q->n_regexes; i++)
		if (q->regexes[i].of_schema)
			mask[(q->n_globs + i) / 64] |= UINT64_C(1) << (q->n_globs + i) % 64;
	t->elsewhere = ARENA_ARRAY(p->arena, uint32_t, t->n_others + 1);
	for (size_t i = 0; i < t->n_others; i++)
		if (p->v->schema_of[t->others[i]] && is_elsewhere(t, literal, t->others[i]))
			t->elsewhere[t->n_elsewhere++] = t->others[i];
	for (size_t i = 0; i < t->n_schemas; i++)
		find_others(p, t, mask, &t->schemas[i]);
}

/* Where all tables of a schema lead, or NOWHERE. */
static uint32_t
schema_leaf(const struct putter *p, const struct strings *t, const struct schema *s)
{
	uint32_t leaf = leaf_of(p, t->p, s->others, s->n_others);

	for (size_t i = s->first; i < s->end; i++)
		if (t->p->classes[t->order[i]].constant && is_listed(p, t, t->order[i], leaf))
			return NOWHERE;
	return leaf;
}

/* Of the last schema alone is what is put next the next block. */
static void
put_schema(struct putter *p, const struct strings *t, const struct schema *s, bool last)
{
	uint32_t next = p->next;

	if (!last)
		p->next = BLOCK_END;
	put_strings(p, t, NOWHERE, t->order + s->first, s->end - s->first, s->others,
		    s->n_others);
	p->next = next;
}

/* One instruction that leads to the block, or to what dcode_land says. */
static void
put_way_to(struct putter *p, uint32_t block)
{
	if (block == NOWHERE)
		dcode_put(p, (struct insn){.op = OP_FAR});
	else
		dcode_put_way(p, block);
}

void
dcode_put_object(struct putter *p)
{
	struct strings *t = strings_of(p, FACT_TABLE, true);
	const struct schema **listed;
	uint32_t elsewhere, *leaf;
	size_t n = 0, last = 0, slots;
	struct slice *v;

	if (!t->schemas) {
		find_schemas(p, t);
		find_places(p, t);
	}
	elsewhere = leaf_of(p, t->p, t->elsewhere, t->n_elsewhere);
	listed = ARENA_ARRAY(p->arena, const struct schema *, t->n_schemas + 1);
	leaf = ARENA_ARRAY(p->arena, uint32_t, t->n_schemas + 1);
	v = ARENA_ARRAY(p->arena, struct slice, t->n_schemas + 1);
	for (size_t i = 0; i < t->n_schemas; i++) {
		leaf[n] = schema_leaf(p, t, &t->schemas[i]);
		if (leaf[n] == NOWHERE || leaf[n] != elsewhere) {
			if (leaf[n] == NOWHERE)
				last = n;
			v[n] = t->schemas[i].name;
			listed[n++] = &t->schemas[i];
		}
	}
	if (n == 0) {
		put_tree(p, t, t->elsewhere, t->n_elsewhere);
		return;
	}
	dcode_put(p, (struct insn){.op = OP_STR_SWITCH,
				   .fact = FACT_SCHEMA,
				   .arg = dcode_constant_strings(p, v, n)});
	slots = p->n;
	dcode_put_way(p, BLOCK_LIST); /* it is known */
	put_way_to(p, elsewhere);
	for (size_t i = 0; i < n; i++)
		put_way_to(p, leaf[i]);
	if (elsewhere == NOWHERE) {
		dcode_land(p, slots + 1);
		put_tree(p, t, t->elsewhere, t->n_elsewhere);
	}
	for (size_t i = 0; i < n; i++)
		if (leaf[i] == NOWHERE) {
			dcode_land(p, slots + 2 + i);
			put_schema(p, t, listed[i], i == last);
		}
}
