/* SPDX-License-Identifier: MIT
 *
 * Columns of rows that are compared with numbers and as texts. A whole number has one text, so
 * which classes of numbers and of texts have a value in common is asked of automata: all patterns
 * on the column run beside those of the texts that the numbers of each class have.
 */
#include "compiler/space.h"

#include "compiler/regex.h"

#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = 24 };

static struct slice
text_of(int64_t v, char text[NUMBER_TEXT])
{
	return slice_of(text, (size_t)snprintf(text, NUMBER_TEXT, "%lld", (long long)v));
}

/* Only what is written as the machine writes it. */
static bool
read_number(struct slice s, int64_t *out)
{
	char text[NUMBER_TEXT], again[NUMBER_TEXT];

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*out = strtoll(text, NULL, 10);
	return slice_eq(s, text_of(*out, again));
}

static int
compare_pairs(const void *a, const void *b)
{
	const struct row_pair *x = a, *y = b;

	return x->text != y->text ? (x->text > y->text) - (x->text < y->text)
				  : (x->number > y->number) - (x->number < y->number);
}

bool
space_pair_row(struct space *s, uint32_t column, const struct pattern *texts, size_t n)
{
	const struct domain *ints = &s->row_ints[column];
	struct pattern *all = ARENA_ARRAY(s->arena, struct pattern, n + ints->n);
	struct row_pairs *pairs = &s->row_pairs[column];
	struct partition *p;

	if (n)
		memcpy(all, texts, n * sizeof(*all));
	for (size_t i = 0; i < ints->n; i++)
		all[n + i].regex = regex_between(s->arena, i ? ints->cuts[i - 1] : INT64_MIN,
						 i < ints->n_cuts ? ints->cuts[i] - 1 : INT64_MAX);
	p = partition_new(s->arena, all, n + ints->n, PARTITION_STRINGS);
	if (!p)
		return false;
	pairs->v = ARENA_ARRAY(s->arena, struct row_pair, p->n);
	for (size_t i = 0; i < p->n; i++) {
		struct slice text = p->classes[i].text;
		int64_t v;

		if (read_number(text, &v))
			pairs->v[pairs->n++] = (struct row_pair){
				(uint32_t)partition_find(s->row_texts[column].strings, text),
				domain_find_number(ints, v), v};
	}
	if (pairs->n)
		qsort(pairs->v, pairs->n, sizeof(*pairs->v), compare_pairs);
	return true;
}

int64_t
space_row_number(const struct space *s, uint32_t column, uint32_t class, uint32_t text)
{
	const struct row_pairs *pairs = &s->row_pairs[column];
	const struct row_pair key = {.text = text - 1, .number = class}, *found = NULL;

	if (text != DD_LEAF && pairs->n)
		found = bsearch(&key, pairs->v, pairs->n, sizeof(key), compare_pairs);
	return found ? found->value : s->row_ints[column].values[class].i;
}

/* Where both are asked for: a number has a text that it can have. A text need be no number. */
uint32_t
space_row_feasible(struct space *s, uint32_t column)
{
	const struct domain *texts = &s->row_texts[column], *ints = &s->row_ints[column];
	const struct row_pairs *pairs = &s->row_pairs[column];
	uint32_t text = s->row_text_var[column] - 1, number = s->row_int_var[column] - 1;
	struct dd_run *of_text, *of_number;
	size_t at = 0;

	if (!texts->used || !ints->used)
		return DD_TRUE;
	of_text = ARENA_ARRAY(s->arena, struct dd_run, texts->n + 1);
	of_number = ARENA_ARRAY(s->arena, struct dd_run, 2 * ints->n + 2);
	of_text[0] = (struct dd_run){1, dd_between(s->dd, number, SPACE_UNKNOWN, 1)};
	for (uint32_t i = 0; i < texts->n; i++) {
		size_t n = 0;

		of_number[n++] = (struct dd_run){1, DD_TRUE};
		for (; at < pairs->n && pairs->v[at].text == i; at++) {
			of_number[n++] = (struct dd_run){pairs->v[at].number + 1, DD_FALSE};
			of_number[n++] = (struct dd_run){pairs->v[at].number + 2, DD_TRUE};
		}
		of_number[n++] = (struct dd_run){(uint32_t)ints->n + 1, DD_FALSE};
		of_text[i + 1] = (struct dd_run){i + 2, dd_node(s->dd, number, of_number, n)};
	}
	return dd_node(s->dd, text, of_text, texts->n + 1);
}
