/* SPDX-License-Identifier: MIT */
#include "compiler/columns.h"

#include "compiler/known.h"
#include "compiler/partition.h"
#include "vm/match.h"

enum { PART_SCHEMA, PART_TABLE, PART_COLUMN, PARTS };

static struct slice
part_of(const struct image_column *c, int part)
{
	return part == PART_SCHEMA ? c->schema : part == PART_TABLE ? c->table : c->column;
}

static bool
same_data(const struct image_data *a, const struct image_data *b)
{
	if (!slice_eq(a->name, b->name) || a->n_columns != b->n_columns)
		return false;
	for (size_t i = 0; i < a->n_columns; i++)
		for (int part = 0; part < PARTS; part++)
			if (!slice_eq(part_of(&a->columns[i], part), part_of(&b->columns[i], part)))
				return false;
	return true;
}

static bool
number_data(struct columns *c, struct arena *arena, const struct image *const *images, size_t n)
{
	c->data = ARENA_ARRAY(arena, const struct image_data *, COLUMNS_MAX_DATA);
	c->data_of = ARENA_ARRAY(arena, uint16_t *, n);
	for (size_t i = 0; i < n; i++) {
		c->data_of[i] = ARENA_ARRAY(arena, uint16_t, images[i]->n_data + 1);
		for (size_t k = 0; k < images[i]->n_data; k++) {
			size_t at = 0;

			while (at < c->n_data && !same_data(c->data[at], &images[i]->data[k]))
				at++;
			if (at == COLUMNS_MAX_DATA)
				return false;
			if (at == c->n_data)
				c->data[c->n_data++] = &images[i]->data[k];
			c->data_of[i][k] = (uint16_t) at;
		}
	}
	return true;
}

/* Per class of a part's names: which patterns of which data they match, bit per pattern. */
struct part {
	struct partition *names;
	uint64_t *match;
	size_t words;
};

static bool
split_part(const struct columns *c, struct arena *arena, int which, size_t n_patterns,
	   struct part *out)
{
	struct pattern *v = ARENA_ARRAY(arena, struct pattern, n_patterns + 1);
	size_t n = 0;

	for (size_t i = 0; i < c->n_data; i++)
		for (size_t k = 0; k < c->data[i]->n_columns; k++)
			v[n++] = (struct pattern){.text = part_of(&c->data[i]->columns[k], which),
						  .glob = true};
	out->names = partition_new(arena, v, n, PARTITION_STRINGS);
	if (!out->names)
		return false;
	(void) partition_prefer(out->names, which == PART_SCHEMA  ? SLICE_LIT("public")
					    : which == PART_TABLE ? SLICE_LIT("people")
								  : SLICE_LIT("id"));
	out->words = (n_patterns + 63) / 64;
	out->match = ARENA_ARRAY(arena, uint64_t, out->names->n * out->words);
	for (size_t i = 0; i < out->names->n; i++)
		for (size_t k = 0; k < n; k++)
			if (match_glob(v[k].text, out->names->classes[i].text))
				out->match[i * out->words + k / 64] |= UINT64_C(1) << k % 64;
	return true;
}

static bool
note_kind(struct columns *c, const struct part parts[PARTS], const size_t at[PARTS],
	  const uint64_t *match)
{
	struct column_kind k = {.schema = parts[PART_SCHEMA].names->classes[at[PART_SCHEMA]].text,
				.table = parts[PART_TABLE].names->classes[at[PART_TABLE]].text,
				.column = parts[PART_COLUMN].names->classes[at[PART_COLUMN]].text};
	size_t n = 0;

	if (!k.schema.n || !k.table.n || !k.column.n)
		return true;
	for (size_t i = 0; i < c->n_data; i++)
		for (size_t j = 0; j < c->data[i]->n_columns; j++, n++)
			if (match[n / 64] >> n % 64 & 1)
				k.data.w[i / 64] |= UINT64_C(1) << i % 64;
	for (size_t i = 0; i < c->n_kinds; i++)
		if (memcmp(&c->kinds[i].data, &k.data, sizeof(k.data)) == 0)
			return true;
	if (c->n_kinds == COLUMNS_MAX_KINDS)
		return false;
	c->kinds[c->n_kinds++] = k;
	return true;
}

static void
note_names(struct columns *c, struct arena *arena, const struct partition *p)
{
	struct slice *names = ARENA_ARRAY(arena, struct slice, p->n + 1);

	for (size_t i = 0; i < p->n; i++)
		if (p->classes[i].text.n)
			names[c->n_names++] = p->classes[i].text;
	c->names = names;
}

int
columns_find(const struct columns *c, struct slice schema, struct slice table, struct slice column)
{
	struct data_set all = {0};

	for (size_t i = 0; i < c->n_data; i++)
		for (size_t k = 0; k < c->data[i]->n_columns; k++) {
			const struct image_column *p = &c->data[i]->columns[k];

			if (match_glob(p->schema, schema) && match_glob(p->table, table) &&
			    match_glob(p->column, column))
				all.w[i / 64] |= UINT64_C(1) << i % 64;
		}
	for (size_t i = 0; i < c->n_kinds; i++)
		if (memcmp(&c->kinds[i].data, &all, sizeof(all)) == 0)
			return (int) i;
	return -1;
}

static bool
any_both(const uint64_t *a, const uint64_t *b, uint64_t *out, size_t words)
{
	uint64_t any = 0;

	for (size_t i = 0; i < words; i++)
		any |= out[i] = a[i] & b[i];
	return any != 0;
}

static bool
is_of_data(const struct columns *c, const struct image_relation *r)
{
	for (size_t i = 0; i < c->n_data; i++)
		for (size_t k = 0; k < c->data[i]->n_columns; k++)
			if (match_glob(c->data[i]->columns[k].schema, r->schema) &&
			    match_glob(c->data[i]->columns[k].table, r->name))
				return true;
	return false;
}

/* A column that there is stands for its kind, where there is one. */
static void
prefer_known(struct columns *c, const struct image *img)
{
	for (size_t i = 0; i < img->n_relations && i < KNOWN_MAX; i++) {
		const struct image_relation *r = &img->relations[i];

		if (!is_of_data(c, r))
			continue;
		for (size_t k = 0; k < r->n_columns; k++) {
			int kind = columns_find(c, r->schema, r->name, r->columns[k]);

			if (kind < 0 || c->kinds[kind].known)
				continue;
			c->kinds[kind].known = true;
			c->kinds[kind].schema = r->schema;
			c->kinds[kind].table = r->name;
			c->kinds[kind].column = r->columns[k];
		}
	}
}

bool
columns_collect(struct columns *c, struct arena *arena, const struct image *const *images, size_t n)
{
	struct part p[PARTS];
	size_t n_patterns = 0, words, at[PARTS];
	uint64_t *table, *all;

	if (!number_data(c, arena, images, n))
		return false;
	for (size_t i = 0; i < c->n_data; i++)
		n_patterns += c->data[i]->n_columns;
	if (n_patterns > COLUMNS_MAX_PATTERNS)
		return false;
	for (int i = 0; i < PARTS; i++)
		if (!split_part(c, arena, i, n_patterns, &p[i]))
			return false;
	note_names(c, arena, p[PART_COLUMN].names);
	words = p[0].words;
	table = ARENA_ARRAY(arena, uint64_t, words + 1);
	all = ARENA_ARRAY(arena, uint64_t, words + 1);
	c->kinds = ARENA_ARRAY(arena, struct column_kind, COLUMNS_MAX_KINDS);
	for (size_t s = 0; s < p[PART_SCHEMA].names->n; s++)
		for (size_t t = 0; t < p[PART_TABLE].names->n; t++) {
			if (!any_both(&p[PART_SCHEMA].match[s * words],
				      &p[PART_TABLE].match[t * words], table, words))
				continue;
			for (size_t k = 0; k < p[PART_COLUMN].names->n; k++) {
				at[PART_SCHEMA] = s;
				at[PART_TABLE] = t;
				at[PART_COLUMN] = k;
				if (any_both(table, &p[PART_COLUMN].match[k * words], all, words) &&
				    !note_kind(c, p, at, all))
					return false;
			}
		}
	for (size_t i = n; i-- > 0;)
		prefer_known(c, images[i]);
	return true;
}
