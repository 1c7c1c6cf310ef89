/* SPDX-License-Identifier: MIT */
#include "tests/diff/regex_ref.h"

#include "base/assert.h"
#include "base/utf8.h"

#include <ctype.h>

/* A place is a bit: the number of bytes before it. */
struct scan {
	const uint8_t *p, *end; /* of the pattern */
	bool fold;
	struct slice text;
};

static uint32_t
decode(const uint8_t *p, size_t n)
{
	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	default:
		return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 |
		       (p[3] & 0x3fu);
	}
}

static uint32_t
take(struct scan *s)
{
	size_t n = utf8_sequence(slice_of(s->p, (size_t) (s->end - s->p)));

	s->p += n;
	return decode(s->p - n, n);
}

static bool
is_of(uint8_t letter, uint32_t c)
{
	bool ascii = c < 0x80, is;

	switch (tolower(letter)) {
	case 'd':
		is = ascii && isdigit((int) c);
		break;
	case 'w':
		is = ascii && (isalnum((int) c) || c == '_');
		break;
	default:
		is = ascii && isspace((int) c);
	}
	return is != (bool) isupper(letter);
}

/* Behind a backslash: is c what it says? *one: the character, when it is one. */
static bool
escaped(struct scan *s, uint32_t c, uint32_t *one)
{
	uint8_t e = *s->p++;

	*one = e == 'n' ? '\n' : e == 'r' ? '\r' : e == 't' ? '\t' : e;
	if (isalpha(e) && strchr("dwsDWS", e)) {
		*one = UINT32_MAX;
		return is_of(e, c);
	}
	return c == *one;
}

/* Behind the '['; the scan ends behind the ']'. */
static bool
in_class(struct scan *s, uint32_t c)
{
	bool not = *s->p == '^', found = false;

	s->p += not;
	while (*s->p != ']') {
		uint32_t lo, hi;

		if (*s->p == '\\') {
			s->p++;
			found |= escaped(s, c, &lo);
		} else {
			lo = take(s);
			found |= c == lo;
		}
		if (*s->p != '-' || s->p[1] == ']')
			continue;
		s->p++;
		if (*s->p == '\\') {
			s->p++;
			found |= escaped(s, c, &hi);
		} else {
			hi = take(s);
		}
		found |= lo <= c && c <= hi;
	}
	s->p++;
	return found != not;
}

/* One character of the pattern, or a class; the scan goes behind it. */
static bool
is_character(struct scan *s, uint32_t c)
{
	uint32_t one;

	switch (*s->p) {
	case '.':
		s->p++;
		return true;
	case '[':
		s->p++;
		return in_class(s, c);
	case '\\':
		s->p++;
		return escaped(s, c, &one);
	default:
		return take(s) == c;
	}
}

/* In either case: a class that says "not" must not say it for one of them. */
static bool
is_folded(struct scan *s, uint32_t c)
{
	const uint8_t *from = s->p;
	bool not = from[0] == '[' && from[1] == '^', is = is_character(s, c);
	uint32_t other = c ^ 0x20;

	if (!s->fold || c >= 0x80 || !isalpha((int) c))
		return is;
	s->p = from;
	return not ? is_character(s, other) && is : is_character(s, other) || is;
}

static uint64_t
step(struct scan *s, uint64_t from)
{
	const uint8_t *start = s->p;
	uint64_t to = 0;

	is_folded(s, 'a'); /* behind it, whatever there is */
	for (size_t i = 0; i < s->text.n; i++) {
		size_t n = utf8_sequence(slice_of(s->text.p + i, s->text.n - i));
		struct scan one = *s;

		one.p = start;
		if (from >> i & 1 && n && is_folded(&one, decode(s->text.p + i, n)))
			to |= UINT64_C(1) << (i + n);
	}
	return to;
}

static uint64_t alternatives(struct scan *s, uint64_t from);

static uint64_t
atom(struct scan *s, uint64_t from)
{
	switch (*s->p) {
	case '(':
		s->p += s->p[1] == '?' ? 3 : 1;
		from = alternatives(s, from);
		s->p++;
		return from;
	case '^':
		s->p++;
		return from & 1;
	case '$':
		s->p++;
		return from & UINT64_C(1) << s->text.n;
	default:
		return step(s, from);
	}
}

static unsigned
number(struct scan *s, unsigned otherwise)
{
	unsigned n = 0;

	if (!isdigit(*s->p))
		return otherwise;
	while (isdigit(*s->p))
		n = n * 10 + *s->p++ - '0';
	return n;
}

static bool
repetition(struct scan *s, unsigned *min, unsigned *max)
{
	if (s->p == s->end || !strchr("*+?{", *s->p))
		return false;
	*min = *s->p == '+';
	*max = *s->p == '?' ? 1 : ~0u;
	if (*s->p++ != '{')
		return true;
	*min = *max = number(s, 0);
	if (*s->p == ',') {
		s->p++;
		*max = number(s, ~0u);
	}
	s->p++;
	return true;
}

static uint64_t
again(struct scan s, const uint8_t *what, uint64_t from)
{
	s.p = what;
	return atom(&s, from);
}

static uint64_t
piece(struct scan *s, uint64_t from)
{
	const uint8_t *what = s->p;
	uint64_t once = atom(s, from), all, was;
	unsigned min, max, i;

	if (!repetition(s, &min, &max))
		return once;
	for (i = 0; i < min; i++)
		from = again(*s, what, from);
	all = from;
	do {
		was = all;
		from = i++ < max ? again(*s, what, from) : 0;
		all |= from;
	} while (all != was);
	return all;
}

static uint64_t
alternatives(struct scan *s, uint64_t from)
{
	uint64_t any = 0, here = from;

	while (s->p < s->end && *s->p != ')')
		if (*s->p == '|') {
			s->p++;
			any |= here;
			here = from;
		} else {
			here = piece(s, here);
		}
	return any | here;
}

bool
regex_ref(struct slice pattern, bool fold, struct slice text)
{
	struct scan s = {pattern.p, pattern.p + pattern.n, fold, text};

	assert(text.n <= REGEX_REF_MAX);
	return alternatives(&s, text.n == 63 ? ~UINT64_C(0) : (UINT64_C(1) << (text.n + 1)) - 1);
}

bool
regex_ref_literal(struct slice literal, struct slice text)
{
	bool fold = literal.p[literal.n - 1] == 'i';

	return regex_ref(slice_of(literal.p + 1, literal.n - 2 - fold), fold, text);
}
