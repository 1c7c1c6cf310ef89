/* SPDX-License-Identifier: MIT
 *
 * A pattern to a tree. Where notations elsewhere differ, or give a meaning to what is most likely a
 * slip, nothing is taken: a policy is read by people.
 */
#include "compiler/regex_internal.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>

enum { LAST_CHARACTER = 0x10ffff, MAX_RANGES = 4096 };

struct ranges {
	struct re_range *v;
	size_t n, cap;
};

struct parser {
	struct arena *arena;
	struct slice s;
	size_t at;
	bool fold;
	unsigned depth;
	enum regex_status status;
	struct regex_error *err;
};

static void *
fail(struct parser *p, enum regex_status status, size_t from, const char *what, const char *hint)
{
	if (p->status == REGEX_OK) {
		size_t n = p->at > from ? p->at - from : 1;

		p->status = status;
		*p->err = (struct regex_error){from, n, what, hint};
	}
	return NULL;
}

static bool
more(const struct parser *p)
{
	return p->status == REGEX_OK && p->at < p->s.n;
}

static bool
next_is(const struct parser *p, char c)
{
	return more(p) && p->s.p[p->at] == (uint8_t) c;
}

static bool
take(struct parser *p, char c)
{
	bool found = next_is(p, c);

	p->at += found;
	return found;
}

/* The next character; the pattern is UTF-8. */
static uint32_t
character(struct parser *p)
{
	const uint8_t *c = p->s.p + p->at;
	size_t n = utf8_sequence(slice_of(c, p->s.n - p->at));
	uint32_t v = n <= 1 ? c[0] : c[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		v = v << 6 | (c[i] & 0x3fu);
	p->at += n ? n : 1;
	return v;
}

/* ---- Sets of characters ---- */

static void
add_range(struct parser *p, struct ranges *r, uint32_t lo, uint32_t hi)
{
	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 8;
		struct re_range *v = ARENA_ARRAY(p->arena, struct re_range, cap);

		if (r->n)
			memcpy(v, r->v, r->n * sizeof(*v));
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct re_range){lo, hi};
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct re_range *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static void
sort_ranges(struct ranges *r)
{
	size_t kept = 0;

	if (r->n > 1)
		qsort(r->v, r->n, sizeof(*r->v), compare_ranges);
	for (size_t i = 0; i < r->n; i++)
		if (kept && r->v[i].lo <= r->v[kept - 1].hi + 1)
			r->v[kept - 1].hi =
				r->v[i].hi > r->v[kept - 1].hi ? r->v[i].hi : r->v[kept - 1].hi;
		else
			r->v[kept++] = r->v[i];
	r->n = kept;
}

/* The part of lo to hi that is in from to from + 25, as the letters that are `by` further on. */
static void
add_case(struct parser *p, struct ranges *r, struct re_range c, uint32_t from, int by)
{
	uint32_t lo = c.lo > from ? c.lo : from, hi = c.hi < from + 25 ? c.hi : from + 25;

	if (lo <= hi)
		add_range(p, r, (uint32_t) ((int) lo + by), (uint32_t) ((int) hi + by));
}

static void
fold_ranges(struct parser *p, struct ranges *r)
{
	for (size_t i = 0, n = r->n; i < n && p->fold; i++) {
		struct re_range c = r->v[i];

		add_case(p, r, c, 'a', 'A' - 'a');
		add_case(p, r, c, 'A', 'a' - 'A');
	}
}

static void
negate(struct parser *p, struct ranges *r)
{
	struct ranges others = {0};
	uint32_t from = 0;

	sort_ranges(r);
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].lo > from)
			add_range(p, &others, from, r->v[i].lo - 1);
		from = r->v[i].hi + 1;
	}
	if (from <= LAST_CHARACTER)
		add_range(p, &others, from, LAST_CHARACTER);
	*r = others;
}

/* What \d, \w or \s stand for; false for another letter. */
static bool
add_known(struct parser *p, struct ranges *r, uint8_t letter)
{
	struct ranges own = {0};

	switch (letter | 0x20) {
	case 'd':
		add_range(p, &own, '0', '9');
		break;
	case 'w':
		add_range(p, &own, '0', '9');
		add_range(p, &own, 'A', 'Z');
		add_range(p, &own, '_', '_');
		add_range(p, &own, 'a', 'z');
		break;
	case 's':
		add_range(p, &own, '\t', '\r');
		add_range(p, &own, ' ', ' ');
		break;
	default:
		return false;
	}
	if (letter < 'a')
		negate(p, &own);
	for (size_t i = 0; i < own.n; i++)
		add_range(p, r, own.v[i].lo, own.v[i].hi);
	return true;
}

/* Behind a backslash: a character, or -1 when it was a set, which is added. */
static int64_t
escape(struct parser *p, struct ranges *r)
{
	size_t from = p->at - 1;
	uint8_t c;

	if (!more(p)) {
		fail(p, REGEX_WRONG, from, "a backslash with nothing behind it", NULL);
		return 0;
	}
	c = p->s.p[p->at];
	(void) character(p);
	if (c == 'n')
		return '\n';
	if (c == 'r')
		return '\r';
	if (c == 't')
		return '\t';
	if (add_known(p, r, c))
		return -1;
	if (c == 'b' || c == 'B')
		fail(p, REGEX_UNSUPPORTED, from, "word boundaries",
		     "say what stands there, as in (^|[^a-z])word([^a-z]|$)");
	else if (c >= '1' && c <= '9')
		fail(p, REGEX_UNSUPPORTED, from, "references to what a group has matched", NULL);
	else if (c == 'A' || c == 'z' || c == 'Z')
		fail(p, REGEX_WRONG, from, "this escape means nothing here",
		     "^ is the beginning of the text, $ its end");
	else if (c == 'p' || c == 'P')
		fail(p, REGEX_UNSUPPORTED, from, "classes of Unicode's tables",
		     "write the characters, as in [a-zà-ÿ]");
	else if (c >= 0x7f || c < ' ' || isalnum(c))
		fail(p, REGEX_WRONG, from, "this escape means nothing here",
		     "there are \\d \\w \\s \\D \\W \\S \\n \\r \\t, and a backslash before a sign");
	return c;
}

/* One character of a class, or -1: it was a set. */
static int64_t
class_item(struct parser *p, struct ranges *r)
{
	if (take(p, '\\'))
		return escape(p, r);
	if (next_is(p, '[')) {
		p->at++;
		fail(p, REGEX_WRONG, p->at - 1, "a '[' in a class is written \\[",
		     "classes by name, as [:alpha:], are written out: [A-Za-z]");
		return 0;
	}
	return character(p);
}

static void
class_range(struct parser *p, struct ranges *r)
{
	size_t from = p->at;
	int64_t lo = class_item(p, r), hi = lo;

	/* A '-' that is the last or the first is one. */
	if (next_is(p, '-') && p->at + 1 < p->s.n && p->s.p[p->at + 1] != ']') {
		p->at++;
		hi = class_item(p, r);
		if (lo < 0 || hi < 0)
			fail(p, REGEX_WRONG, from, "a range from or to a set of characters",
			     "a '-' that means itself is written \\-");
		else if (hi < lo)
			fail(p, REGEX_WRONG, from, "a range that ends before it begins", NULL);
	}
	if (lo >= 0 && p->status == REGEX_OK)
		add_range(p, r, (uint32_t) lo, (uint32_t) hi);
	if (r->n > MAX_RANGES)
		fail(p, REGEX_LARGE, from, NULL, NULL);
}

static struct re *
node(struct parser *p, enum re_kind kind)
{
	struct re *x = ARENA_NEW(p->arena, struct re);

	x->kind = kind;
	return x;
}

static struct re *
set_node(struct parser *p, struct ranges *r)
{
	struct re *x = node(p, RE_SET);

	sort_ranges(r);
	x->ranges = r->v;
	x->n_ranges = r->n;
	return x;
}

/* Behind its '['. */
static struct re *
class(struct parser *p)
{
	size_t from = p->at - 1;
	struct ranges r = {0};
	bool not = take(p, '^');

	if (next_is(p, ']')) {
		p->at++;
		return fail(p, REGEX_WRONG, from, "a class with nothing in it",
			    "a ']' that means itself is written \\]");
	}
	while (more(p) && !next_is(p, ']'))
		class_range(p, &r);
	if (p->status != REGEX_OK)
		return NULL;
	if (!take(p, ']'))
		return fail(p, REGEX_WRONG, from, "a class that is not closed", "']' is missing");
	fold_ranges(p, &r);
	if (not)
		negate(p, &r);
	return set_node(p, &r);
}

/* ---- The rest ---- */

static struct re *alternatives(struct parser *p);

static void
add_child(struct re *parent, struct re *x)
{
	if (parent->last)
		parent->last->next = x;
	else
		parent->first = x;
	parent->last = x;
}

/* Behind its '('. */
static struct re *
group(struct parser *p)
{
	size_t from = p->at - 1;
	struct re *x;

	if (take(p, '?') && !take(p, ':')) {
		p->at += p->at < p->s.n;
		return fail(p, REGEX_UNSUPPORTED, from,
			    "look-around, names and options in a group",
			    "a group is ( ) or (?: ); /.../i takes letters of either case");
	}
	if (++p->depth > REGEX_MAX_DEPTH)
		return fail(p, REGEX_LARGE, from, NULL, NULL);
	x = alternatives(p);
	p->depth--;
	if (p->status == REGEX_OK && !take(p, ')')) {
		p->at = from + 1;
		return fail(p, REGEX_WRONG, from, "a group that is not closed", "')' is missing");
	}
	return x;
}

static struct re *
literal(struct parser *p)
{
	struct ranges r = {0};
	int64_t c = take(p, '\\') ? escape(p, &r) : character(p);

	if (p->status != REGEX_OK)
		return NULL;
	if (c >= 0)
		add_range(p, &r, (uint32_t) c, (uint32_t) c);
	fold_ranges(p, &r);
	return set_node(p, &r);
}

static struct re *
atom(struct parser *p)
{
	struct ranges any = {0};

	switch (p->s.p[p->at]) {
	case '(':
		p->at++;
		return group(p);
	case '[':
		p->at++;
		return class(p);
	case '^':
		p->at++;
		return node(p, RE_BEGIN);
	case '$':
		p->at++;
		return node(p, RE_END);
	case '.':
		p->at++;
		add_range(p, &any, 0, LAST_CHARACTER);
		return set_node(p, &any);
	case '*':
	case '+':
	case '?':
	case '{':
		p->at++;
		return fail(p, REGEX_WRONG, p->at - 1, "a repetition of nothing",
			    "a sign that means itself has a backslash before it");
	case ']':
	case '}':
		p->at++;
		return fail(p, REGEX_WRONG, p->at - 1, "a bracket that was not opened",
			    "a sign that means itself has a backslash before it");
	default:
		return literal(p);
	}
}

/* Digits; false: there are none. Beyond what may be said it is one more than that. */
static bool
number(struct parser *p, uint32_t *out)
{
	size_t from = p->at;

	for (*out = 0; more(p) && p->s.p[p->at] >= '0' && p->s.p[p->at] <= '9'; p->at++)
		*out = *out > REGEX_MAX_REPEAT ? *out : *out * 10 + (p->s.p[p->at] - '0');
	return p->at > from;
}

/* {m}, {m,} or {m,n}, behind its '{'. */
static bool
bounds(struct parser *p, uint32_t *min, uint32_t *max)
{
	size_t from = p->at - 1;
	bool good = number(p, min);

	*max = *min;
	if (good && take(p, ',') && !number(p, max))
		*max = REGEX_MANY;
	if (!good || !take(p, '}')) {
		fail(p, REGEX_WRONG, from, "a repetition that is not {m}, {m,} or {m,n}",
		     "a '{' that means itself is written \\{");
		return false;
	}
	if (*max < *min)
		fail(p, REGEX_WRONG, from, "a repetition that ends before it begins", NULL);
	if (*min > REGEX_MAX_REPEAT || (*max != REGEX_MANY && *max > REGEX_MAX_REPEAT))
		fail(p, REGEX_WRONG, from, "a repetition of more than 1000 times", NULL);
	return p->status == REGEX_OK;
}

static bool
repetition(struct parser *p, uint32_t *min, uint32_t *max)
{
	*min = next_is(p, '+');
	*max = next_is(p, '?') ? 1 : REGEX_MANY;
	if (take(p, '*') || take(p, '+') || take(p, '?'))
		return true;
	return take(p, '{') && bounds(p, min, max);
}

static struct re *
piece(struct parser *p)
{
	struct re *x = atom(p), *repeat;
	size_t from = p->at;
	uint32_t min, max;

	if (!x || !repetition(p, &min, &max))
		return x;
	if (x->kind == RE_BEGIN || x->kind == RE_END)
		return fail(p, REGEX_WRONG, from, "a repetition of an anchor", NULL);
	if (next_is(p, '*') || next_is(p, '+') || next_is(p, '?') || next_is(p, '{')) {
		p->at++;
		return fail(p, REGEX_WRONG, from, "a repetition of a repetition",
			    "how much is taken first makes no difference here; or put ( ) around "
			    "the inner one");
	}
	repeat = node(p, RE_REPEAT);
	repeat->min = min;
	repeat->max = max;
	add_child(repeat, x);
	return repeat;
}

static struct re *
sequence(struct parser *p)
{
	struct re *all = node(p, RE_CAT), *x;

	while (more(p) && !next_is(p, '|') && !next_is(p, ')'))
		if ((x = piece(p)))
			add_child(all, x);
	return all;
}

static struct re *
alternatives(struct parser *p)
{
	struct re *all = node(p, RE_ALT);

	do
		add_child(all, sequence(p));
	while (take(p, '|'));
	return all;
}

struct re *
regex_parse(struct arena *arena, struct slice pattern, bool fold, enum regex_status *status,
	    struct regex_error *err)
{
	struct parser p = {.arena = arena, .s = pattern, .fold = fold, .err = err};
	struct re *re = alternatives(&p);

	if (next_is(&p, ')')) {
		p.at++;
		fail(&p, REGEX_WRONG, p.at - 1, "a bracket that was not opened",
		     "a sign that means itself has a backslash before it");
	}
	*status = p.status;
	return p.status == REGEX_OK ? re : NULL;
}
