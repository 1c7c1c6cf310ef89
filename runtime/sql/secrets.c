/* SPDX-License-Identifier: MIT
 *
 * A statement's text without the passwords in it, for records and people. By tokens, because a text
 * that does not parse has them too. Only what is written as a password is taken out, and no more of
 * it than its value: what a statement does must stay readable.
 */
#include "sql/secrets.h"

#include <string.h>

static const char word[] = "password";
enum { WORD = sizeof(word) - 1 };

static bool
is_word(const uint8_t *p)
{
	for (size_t i = 0; i < WORD; i++) {
		if ((p[i] | 0x20) != word[i])
			return false;
	}
	return true;
}

/* How far the word may move on when it could end with c: Horspool's table. */
static unsigned
step(uint8_t c)
{
	switch (c | 0x20) {
	case 'r':
		return 1;
	case 'o':
		return 2;
	case 'w':
		return 3;
	case 's':
		return 4;
	case 'a':
		return 6;
	case 'p':
		return 7;
	default:
		return WORD;
	}
}

/* Where the word begins in [p, end); end: nowhere. Every statement comes by here. */
static const uint8_t *
find_word(const uint8_t *p, const uint8_t *end)
{
	for (; end - p >= WORD; p += step(p[WORD - 1])) {
		if (is_word(p))
			return p;
	}
	return end;
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_quote(uint8_t c)
{
	return c == '\'' || c == '"' || c == '\\';
}

/* The value of `password = x`, `password 'x'` and the like behind the word at p; empty: none. */
static struct slice
value_behind(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *q;
	bool assigned, quoted = false;

	while (p < end && is_space(*p))
		p++;
	assigned = p < end && *p == '=';
	if (assigned)
		p++;
	while (p < end && is_space(*p))
		p++;
	if (p + 1 < end && (*p | 0x20) == 'e' && p[1] == '\'')
		p++;
	for (; p < end && is_quote(*p); p++)
		quoted = true;
	if (!assigned && !quoted)
		return slice_of(end, 0);
	for (q = p; q < end && !is_quote(*q) && (quoted || !is_space(*q)); q++)
		;
	return slice_of(p, (size_t)(q - p));
}

static uint8_t *
put(uint8_t *o, const uint8_t *p, const uint8_t *end)
{
	if (p < end)
		memcpy(o, p, (size_t)(end - p));
	return o + (end - p);
}

static uint8_t *
put_string(uint8_t *o, const char *s)
{
	return put(o, (const uint8_t *)s, (const uint8_t *)s + strlen(s));
}

/* What stands inside a literal: a connection string, the body of a function. */
static uint8_t *
put_inside(uint8_t *o, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *at;

	while ((at = find_word(p, end)) < end) {
		struct slice v = value_behind(at + WORD, end);

		if (!v.n) {
			o = put(o, p, at + WORD);
			p = at + WORD;
			continue;
		}
		o = put_string(put(o, p, v.p), "***");
		p = v.p + v.n;
	}
	return put(o, p, end);
}

/* An identifier that ends in the word, quoted or not: PASSWORD, "sslpassword". */
static bool
names_secret(const uint8_t *p, const struct sql_token *t)
{
	uint32_t quote = t->kind == SQL_TOK_QIDENT;

	return (quote || t->kind == SQL_TOK_IDENT) && t->n >= WORD + quote &&
	       is_word(p + t->n - quote - WORD);
}

struct slice
sql_without_secrets(struct slice text, struct arena *a)
{
	struct slice copy;
	const uint8_t *from;
	uint8_t *out, *o;
	struct sql_token t;
	uint32_t at = 0;
	bool secret = false;

	if (text.n > UINT32_MAX / 4 || find_word(text.p, text.p + text.n) == text.p + text.n)
		return text;
	copy = slice_str(arena_printf(a, "%.*s", SLICE_ARG(text))); /* with a NUL behind it */
	/* Three characters more at most for each word of eight, and a literal's quotes. */
	o = out = arena_alloc(a, copy.n * 2 + 8);
	from = copy.p;
	while ((t = sql_token_next(copy, &at)).kind != SQL_TOK_END && t.kind != SQL_TOK_ERROR) {
		const uint8_t *p = copy.p + t.at;
		bool literal = t.kind == SQL_TOK_SCONST || t.kind == SQL_TOK_USCONST;

		o = put(o, from, p);
		from = p + t.n;
		if (literal && secret)
			o = put_string(o, "'***'");
		else
			o = literal ? put_inside(o, p, from) : put(o, p, from);
		secret = names_secret(p, &t) || (secret && t.kind == SQL_TOK_NCHAR);
	}
	/* A literal without an end, which the server refuses. */
	if (secret && t.kind == SQL_TOK_ERROR && is_quote(copy.p[t.at]))
		o = put_string(put(o, from, copy.p + t.at), "'***");
	else
		o = put_inside(o, from, copy.p + copy.n);
	return slice_of(out, (size_t)(o - out));
}
