/* SPDX-License-Identifier: MIT
 *
 * The startup packet's `options`: a command line for the server (PostgreSQL: pg_split_opts and
 * ParseLongOption). Only settings are read; any other switch is not understood.
 */
#include "proto/pg/wire.h"

static bool
is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word, without its backslashes, written to *to. */
static bool
next_word(struct slice *rest, uint8_t **to, struct slice *word)
{
	uint8_t *start = *to;
	bool escaped = false;

	while (rest->n && is_space(rest->p[0]))
		*rest = slice_of(rest->p + 1, rest->n - 1);
	if (!rest->n)
		return false;
	for (; rest->n && (escaped || !is_space(rest->p[0]));
	     *rest = slice_of(rest->p + 1, rest->n - 1)) {
		escaped = !escaped && rest->p[0] == '\\';
		if (!escaped)
			*(*to)++ = rest->p[0];
	}
	*word = slice_of(start, (size_t) (*to - start));
	return true;
}

static bool
assignment(struct slice word, struct pg_param *out)
{
	const uint8_t *eq = word.n ? memchr(word.p, '=', word.n) : NULL;

	if (!eq || eq == word.p)
		return false;
	out->name = slice_of(word.p, (size_t) (eq - word.p));
	out->value = slice_of(eq + 1, (size_t) (word.p + word.n - eq - 1));
	for (size_t i = 0; i < out->name.n; i++) {
		uint8_t *c = (uint8_t *) (uintptr_t) out->name.p + i;
		bool letter = (*c | 0x20) >= 'a' && (*c | 0x20) <= 'z';

		if (*c == '-')
			*c = '_';
		else if (!letter && !(*c >= '0' && *c <= '9') && *c != '_' && *c != '.')
			return false;
	}
	return true;
}

bool
pg_read_options(struct slice text, uint8_t *scratch, struct pg_param *out, size_t max, size_t *n)
{
	struct slice word;

	for (*n = 0; next_word(&text, &scratch, &word); ++*n) {
		if (*n == max || word.n < 2 || word.p[0] != '-' ||
		    (word.p[1] != 'c' && word.p[1] != '-'))
			return false;
		if (word.n > 2)
			word = slice_of(word.p + 2, word.n - 2);
		else if (word.p[1] == '-' || !next_word(&text, &scratch, &word))
			return false;
		if (!assignment(word, &out[*n]))
			return false;
	}
	return true;
}
