/* SPDX-License-Identifier: MIT
 *
 * Where a detector could have something is a byte that every match of it has at a known distance:
 * the '@' of an address, the first digit of a number that is long enough. A block's classes of
 * bytes are bit masks; shifted against each other they leave a place or two in ordinary text. A
 * mask says "maybe" for what lies behind the block's end.
 *
 * Letters right before a match are fine: in JSON's text a line may begin with \n.
 */
#include "proto/pg/detect.h"

#include "proto/pg/detect_internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { BLOCK = 64, LOCAL_MAX = 64, DOMAIN_MAX = 255, SHORTEST = 6 };

/* ---- classes of bytes ------------------------------------------------------------------------ */

struct classes {
	uint64_t digit, letter, upper, blank, dash, dot, plus, open, at, big_a, big_b, big_j;
};

#ifdef __SSE2__

/* By hand: without unrolled loops this is half as fast. */
static inline uint64_t
bits(__m128i a, __m128i b, __m128i c, __m128i d)
{
	uint32_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
	uint32_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;

	return (uint64_t)high << 32 | low;
}

static inline uint64_t
equal(const __m128i v[4], char c)
{
	const __m128i x = _mm_set1_epi8(c);

	return bits(_mm_cmpeq_epi8(v[0], x), _mm_cmpeq_epi8(v[1], x), _mm_cmpeq_epi8(v[2], x),
		    _mm_cmpeq_epi8(v[3], x));
}

static inline __m128i
is_between(__m128i v, __m128i from, __m128i most)
{
	__m128i x = _mm_sub_epi8(v, from);

	return _mm_cmpeq_epi8(_mm_min_epu8(x, most), x);
}

static inline uint64_t
between(const __m128i v[4], char low, char high)
{
	const __m128i from = _mm_set1_epi8(low), most = _mm_set1_epi8((char)(high - low));

	return bits(is_between(v[0], from, most), is_between(v[1], from, most),
		    is_between(v[2], from, most), is_between(v[3], from, most));
}

static void
classify(const uint8_t *p, struct classes *c)
{
	__m128i v[4];

	for (int i = 0; i < 4; i++)
		v[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
	*c = (struct classes){.digit = between(v, '0', '9'),
			      .upper = between(v, 'A', 'Z'),
			      .letter = between(v, 'A', 'Z') | between(v, 'a', 'z'),
			      .blank = equal(v, ' '),
			      .dash = equal(v, '-'),
			      .dot = equal(v, '.'),
			      .plus = equal(v, '+'),
			      .open = equal(v, '('),
			      .at = equal(v, '@'),
			      .big_a = equal(v, 'A'),
			      .big_b = equal(v, 'B'),
			      .big_j = equal(v, 'J')};
}

#else

static void
classify(const uint8_t *p, struct classes *c)
{
	*c = (struct classes){0};
	for (int i = 0; i < BLOCK; i++) {
		uint64_t bit = UINT64_C(1) << i;

		c->digit |= p[i] >= '0' && p[i] <= '9' ? bit : 0;
		c->letter |= (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z' ? bit : 0;
		c->upper |= p[i] >= 'A' && p[i] <= 'Z' ? bit : 0;
		c->blank |= p[i] == ' ' ? bit : 0;
		c->dash |= p[i] == '-' ? bit : 0;
		c->dot |= p[i] == '.' ? bit : 0;
		c->plus |= p[i] == '+' ? bit : 0;
		c->open |= p[i] == '(' ? bit : 0;
		c->at |= p[i] == '@' ? bit : 0;
		c->big_a |= p[i] == 'A' ? bit : 0;
		c->big_b |= p[i] == 'B' ? bit : 0;
		c->big_j |= p[i] == 'J' ? bit : 0;
	}
}

#endif

/* What stands n bytes further on; behind the block, maybe. */
static uint64_t
ahead(uint64_t mask, unsigned n)
{
	return mask >> n | ~UINT64_C(0) << (64 - n);
}

/* The first of n in a row. */
static uint64_t
run(uint64_t mask, unsigned n)
{
	unsigned have = 1;

	for (; have * 2 <= n; have *= 2)
		mask &= ahead(mask, have);
	return have < n ? mask & ahead(mask, n - have) : mask;
}

static void
find_places(struct detect *d, const struct classes *c)
{
	uint64_t first = c->digit & ~(c->digit << 1 | d->digit), in_group = c->blank | c->dash;
	uint64_t third = first & ahead(c->digit, 2), *out = d->places;

	out[DETECTOR_CARD] = first & run(c->digit | in_group, 13);
	out[DETECTOR_EMAIL] = c->at;
	out[DETECTOR_IBAN] =
		c->letter & ahead(c->letter, 1) & ahead(c->digit, 2) & ahead(c->digit, 3);
	out[DETECTOR_SSN] = third & ahead(in_group, 3) & ahead(c->digit, 4);
	out[DETECTOR_PHONE] = (c->plus & ahead(c->digit, 1)) | (c->open & ahead(c->digit, 1)) |
			      (third & ahead(in_group | c->dot, 3) & ahead(c->digit, 4));
	out[DETECTOR_JWT] = c->big_j;
	out[DETECTOR_AWS_KEY] = c->big_a & ahead(c->upper, 1) & ahead(c->upper, 2);
	out[DETECTOR_PRIVATE_KEY] = c->dash & ahead(c->big_b, 1);
	d->any = 0;
	for (int i = 0; i < DETECTOR_COUNT; i++) {
		out[i] &= d->wanted >> i & 1 ? ~UINT64_C(0) : 0;
		d->any |= out[i];
	}
	d->digit = c->digit >> 63;
}

/* ---- one place ------------------------------------------------------------------------------- */

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* What an issuer's numbers begin with and how long they are: the first four digits. */
static bool
is_issued(unsigned head, unsigned n)
{
	unsigned two = head / 100;

	if (two / 10 == 4)
		return n == 13 || n == 16 || n == 19;
	if ((two >= 51 && two <= 55) || (head >= 2221 && head <= 2720))
		return n == 16;
	if (two == 34 || two == 37)
		return n == 15;
	if (two == 36 || two == 38 || two == 39 || (head >= 3000 && head <= 3059))
		return n >= 14;
	if (head >= 3528 && head <= 3589)
		return n >= 16;
	return two == 50 || two >= 56;
}

static bool
is_card(const uint8_t *p, const uint8_t *end)
{
	unsigned sum = 0, n = 0, head = 0;

	for (const uint8_t *q = p; q < end && n < 4; q++)
		if (is_digit(*q))
			head = head * 10 + (unsigned)(*q - '0'), n++;
	n = 0;
	for (const uint8_t *q = end; q > p; q--) {
		unsigned v = (unsigned)(q[-1] - '0');

		if (!is_digit(q[-1]))
			continue;
		if (n++ % 2)
			v = v < 5 ? v * 2 : v * 2 - 9;
		sum += v;
	}
	return n >= 13 && n <= 19 && sum % 10 == 0 && is_issued(head, n);
}

/* A number may be followed by others in groups of their own: the longest end that is one. */
static const uint8_t *
longest(const uint8_t *p, const uint8_t *end, const uint8_t *limit, const uint8_t *least,
	bool (*is)(const uint8_t *p, const uint8_t *end))
{
	for (; end > least; end--)
		if (is_digit(end[-1]) && (end == limit || !is_digit(*end)) && is(p, end))
			return end;
	return NULL;
}

static const uint8_t *
card(const uint8_t *start, const uint8_t *p, const uint8_t *limit)
{
	const uint8_t *end = detect_match_card(p, limit);

	/* The digits behind a point. */
	if (!end || (p - start >= 2 && p[-1] == '.' && is_digit(p[-2])))
		return NULL;
	return longest(p, end, limit, p + 12, is_card);
}

static bool
is_local(uint8_t c)
{
	return is_alnum(c) || c >= 0x80 || (c && strchr("!#$%&'*+-/=?^_`{|}~.", c));
}

/* From the '@' both ways. */
static bool
email(struct slice text, size_t from, size_t at, struct detect_hit *hit)
{
	const uint8_t *p = text.p + at, *limit = text.p + text.n, *end;
	size_t n = 0;

	while (n < LOCAL_MAX && at - n > from && is_local(text.p[at - n - 1]))
		n++;
	if (limit - p > DOMAIN_MAX + 1)
		limit = p + DOMAIN_MAX + 1;
	end = n ? detect_match_domain(p, limit) : NULL;
	hit->at = at - n;
	hit->n = end ? n + (size_t)(end - p) : 0;
	return end != NULL;
}

/* ISO 13616: the country and how long its numbers are. */
static const char iban_lengths[][5] = {
	"AD24", "AE23", "AL28", "AT20", "AZ28", "BA20", "BE16", "BG22", "BH22", "BI27",
	"BR29", "BY28", "CH21", "CR22", "CY28", "CZ24", "DE22", "DJ27", "DK18", "DO28",
	"EE20", "EG29", "ES24", "FI18", "FK18", "FO18", "FR27", "GB22", "GE22", "GI23",
	"GL18", "GR27", "GT28", "HN28", "HR21", "HU28", "IE22", "IL23", "IQ23", "IS26",
	"IT27", "JO30", "KW30", "KZ20", "LB28", "LC32", "LI21", "LT20", "LU20", "LV21",
	"LY25", "MC27", "MD24", "ME22", "MK19", "MN20", "MR27", "MT31", "MU30", "NI28",
	"NL18", "NO15", "OM23", "PK24", "PL28", "PS29", "PT25", "QA29", "RO24", "RS22",
	"RU33", "SA24", "SC31", "SD18", "SE24", "SI19", "SK24", "SM27", "SO23", "ST25",
	"SV28", "TL23", "TN24", "TR26", "UA29", "VA22", "VG24", "XK20", "YE30",
};

static unsigned
iban_length(const uint8_t *p)
{
	for (size_t i = 0; i < COUNT_OF(iban_lengths); i++)
		if ((p[0] & 0xdf) == iban_lengths[i][0] && (p[1] & 0xdf) == iban_lengths[i][1])
			return (unsigned)(iban_lengths[i][2] - '0') * 10 +
			       (unsigned)(iban_lengths[i][3] - '0');
	return 0;
}

static unsigned
mod97(unsigned r, uint8_t c)
{
	if (is_digit(c))
		return (r * 10 + (unsigned)(c - '0')) % 97;
	return (r * 100 + (unsigned)((c & 0xdf) - 'A' + 10)) % 97;
}

static const uint8_t *
iban(const uint8_t *start, const uint8_t *p, const uint8_t *limit)
{
	const uint8_t *end = detect_match_iban(p, limit), *q = p + 4;
	unsigned n = 4, want = end ? iban_length(p) : 0, r = 0;

	/* In capitals a letter before it would be part of a word. */
	if (!want || (p > start && (is_digit(p[-1]) || (p[-1] >= 'A' && p[-1] <= 'Z'))))
		return NULL;
	for (; q < end && n < want; q++)
		if (is_alnum(*q)) {
			r = mod97(r, *q);
			n++;
		}
	for (int i = 0; i < 4; i++)
		r = mod97(r, p[i]);
	return n == want && r == 1 && (q == limit || !is_alnum(*q)) ? q : NULL;
}

/* A digit, or one behind a dash, on either side: a longer number of another kind. */
static bool
stands_alone(const uint8_t *start, const uint8_t *p, const uint8_t *end, const uint8_t *limit)
{
	if (p > start && (is_digit(p[-1]) || (p - start >= 2 && p[-1] == '-' && is_digit(p[-2]))))
		return false;
	return end == limit ||
	       !(is_digit(*end) || (limit - end >= 2 && *end == '-' && is_digit(end[1])));
}

static const uint8_t *
ssn(const uint8_t *start, const uint8_t *p, const uint8_t *limit)
{
	const uint8_t *end = detect_match_ssn(p, limit);

	if (!end || !stands_alone(start, p, end, limit) || p[0] == '9' ||
	    memcmp(p, "000", 3) == 0 || memcmp(p, "666", 3) == 0 || memcmp(p + 4, "00", 2) == 0 ||
	    memcmp(p + 7, "0000", 4) == 0)
		return NULL;
	return end;
}

static bool
is_any(const uint8_t *p UNUSED, const uint8_t *end UNUSED)
{
	return true;
}

static const uint8_t *
phone(const uint8_t *start, const uint8_t *p, const uint8_t *limit)
{
	const uint8_t *end = detect_match_phone(p, limit);

	if (!end)
		return NULL;
	if (*p != '+')
		return stands_alone(start, p, end, limit) ? end : NULL;
	return p > start && is_digit(p[-1]) ? NULL : longest(p, end, limit, p + 7, is_any);
}

static const uint8_t *
aws_key(const uint8_t *start, const uint8_t *p, const uint8_t *limit)
{
	const uint8_t *end = detect_match_aws_key(p, limit);

	if (!end || (end < limit && is_alnum(*end)) ||
	    (p > start && (is_digit(p[-1]) || (p[-1] >= 'A' && p[-1] <= 'Z'))))
		return NULL;
	return end;
}

/* The 'J' of "eyJ". What the first part lacks, what begins inside of it lacks as well. */
static bool
jwt(struct detect *d, size_t at, struct detect_hit *hit)
{
	const uint8_t *p = d->text.p + at - 2, *limit = d->text.p + d->text.n, *end;

	if (at < 2 || at - 2 < d->from[DETECTOR_JWT] || memcmp(p, "ey", 2) != 0)
		return false;
	end = detect_match_jwt(p, limit);
	if (!end) {
		for (end = p; end < limit && (is_alnum(*end) || *end == '-' || *end == '_'); end++)
			;
		d->from[DETECTOR_JWT] = (size_t)(end - d->text.p);
		return false;
	}
	*hit = (struct detect_hit){at - 2, (size_t)(end - p), DETECTOR_JWT};
	return true;
}

/* Fills *hit but for what it is. */
static bool
try_place(struct detect *d, enum detector what, size_t at, struct detect_hit *hit)
{
	const uint8_t *start = d->text.p, *p = start + at, *limit = start + d->text.n;
	const uint8_t *end = NULL;

	switch (what) {
	case DETECTOR_EMAIL:
		return email(d->text, d->from[what], at, hit);
	case DETECTOR_JWT:
		return jwt(d, at, hit);
	case DETECTOR_PRIVATE_KEY:
		if (at < 4)
			return false;
		p -= 4;
		end = detect_match_private_key(p, limit);
		break;
	case DETECTOR_CARD:
		end = card(start, p, limit);
		break;
	case DETECTOR_IBAN:
		end = iban(start, p, limit);
		break;
	case DETECTOR_SSN:
		end = ssn(start, p, limit);
		break;
	case DETECTOR_PHONE:
		end = phone(start, p, limit);
		break;
	case DETECTOR_AWS_KEY:
		end = aws_key(start, p, limit);
		break;
	case DETECTOR_COUNT:
		break;
	}
	if (!end || (size_t)(p - start) < d->from[what])
		return false;
	hit->at = (size_t)(p - start);
	hit->n = (size_t)(end - p);
	return true;
}

/* ---- the scan -------------------------------------------------------------------------------- */

void
detect_begin(struct detect *d, uint32_t wanted, struct slice text)
{
	*d = (struct detect){.wanted = wanted, .text = text};
	if (text.n < SHORTEST)
		d->next = text.n;
}

static void
next_block(struct detect *d)
{
	size_t left = d->text.n - d->next;
	const uint8_t *p = d->text.p + d->next;
	struct classes c;
	uint8_t tail[BLOCK];

	d->base = d->next;
	if (left < BLOCK) {
		memset(tail, 0, BLOCK);
		memcpy(tail, p, left);
		p = tail;
	}
	classify(p, &c);
	find_places(d, &c);
	d->next += left < BLOCK ? left : BLOCK;
}

bool
detect_next(struct detect *d, struct detect_hit *hit)
{
	for (;;) {
		uint64_t bit;
		size_t at;

		while (!d->any) {
			if (d->next >= d->text.n)
				return false;
			next_block(d);
		}
		bit = d->any & -d->any;
		at = d->base + (size_t)__builtin_ctzll(d->any);
		for (int i = 0; i < DETECTOR_COUNT; i++) {
			if (!(d->places[i] & bit))
				continue;
			d->places[i] &= ~bit;
			if (!try_place(d, (enum detector)i, at, hit))
				continue;
			hit->what = (enum detector)i;
			d->from[i] = hit->at + hit->n;
			return true;
		}
		d->any &= ~bit;
	}
}
