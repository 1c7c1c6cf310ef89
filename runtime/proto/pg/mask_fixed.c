/* SPDX-License-Identifier: MIT
 *
 * fixed("..."): the text as a value of the column's type, checked and encoded once, when the mask is
 * bound. Only spellings that every setting of the server reads alike are taken; the rest is NULL.
 */
#include "proto/pg/mask_kernels.h"

#include "base/endian.h"

#include <stdlib.h>

enum { USEC = 1000000 };

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* ---- uuid ------------------------------------------------------------------------------- */

static int
hex_value(uint8_t c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
uuid_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool
mask_uuid_get(const uint8_t *p, size_t n, uint8_t out[16])
{
	size_t j = 0;

	if (n != 36)
		return false;
	for (size_t i = 0; i < n; i++) {
		int v = hex_value(p[i]);

		if (uuid_dash(i) ? p[i] != '-' : v < 0)
			return false;
		if (uuid_dash(i))
			continue;
		out[j / 2] = (uint8_t) (j % 2 ? out[j / 2] | v : v << 4);
		j++;
	}
	return true;
}

void
mask_uuid_put(const uint8_t in[16], uint8_t *p)
{
	for (size_t i = 0, j = 0; i < 36; i++) {
		if (uuid_dash(i)) {
			p[i] = '-';
			continue;
		}
		p[i] = (uint8_t) "0123456789abcdef"[j % 2 ? in[j / 2] & 15 : in[j / 2] >> 4];
		j++;
	}
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* -?digits(.digits)? ; the number of digits before and behind the point */
static bool
decimal(struct slice t, size_t *whole, size_t *fraction)
{
	size_t i = t.n > 0 && t.p[0] == '-', at = i;

	while (i < t.n && is_digit(t.p[i]))
		i++;
	*whole = i - at;
	*fraction = 0;
	if (*whole == 0)
		return false;
	if (i == t.n)
		return true;
	if (t.p[i++] != '.')
		return false;
	at = i;
	while (i < t.n && is_digit(t.p[i]))
		i++;
	*fraction = i - at;
	return *fraction > 0 && i == t.n;
}

static bool
fixed_int(struct mask_op *op, struct slice t, int64_t max)
{
	bool negative = t.n > 0 && t.p[0] == '-';
	size_t whole, fraction;
	uint64_t v = 0;

	if (!decimal(t, &whole, &fraction) || fraction || whole > 19 ||
	    (whole > 1 && t.p[negative] == '0'))
		return false;
	for (size_t i = negative; i < t.n; i++)
		v = v * 10 + (uint64_t) (t.p[i] - '0');
	if (v > (uint64_t) max + negative)
		return false;
	v = negative ? 0 - v : v;
	op->n_small = max == INT16_MAX ? 2 : max == INT32_MAX ? 4 : 8;
	if (op->n_small == 2)
		put_be16(op->small, (uint16_t) v);
	else if (op->n_small == 4)
		put_be32(op->small, (uint32_t) v);
	else
		put_be64(op->small, v);
	return true;
}

static bool
fixed_float(struct mask_op *op, struct slice t)
{
	size_t whole, fraction;
	char text[40];
	double d;
	uint64_t bits;

	if (!decimal(t, &whole, &fraction) || t.n >= sizeof(text))
		return false;
	memcpy(text, t.p, t.n);
	text[t.n] = 0;
	d = strtod(text, NULL);
	if (op->type == MT_FLOAT4) {
		float f = (float) d;
		uint32_t b;

		memcpy(&b, &f, 4);
		put_be32(op->small, b);
		op->n_small = 4;
		return true;
	}
	memcpy(&bits, &d, 8);
	put_be64(op->small, bits);
	op->n_small = 8;
	return true;
}

size_t
mask_numeric_put(const uint8_t *p, size_t n, uint8_t *out, size_t max)
{
	bool negative = n > 0 && p[0] == '-';
	size_t whole, fraction, groups, lead, first, ng;
	const uint8_t *digits = p + negative;

	if (!decimal(slice_of(p, n), &whole, &fraction) || whole > 400 || fraction > 400)
		return 0;
	/* Groups of four digits, counted from the point both ways. */
	groups = (whole + 3) / 4 + (fraction + 3) / 4;
	lead = (4 - whole % 4) % 4;
	if (8 + 2 * groups > max)
		return 0;
	for (size_t g = 0; g < groups; g++) {
		unsigned v = 0;

		for (size_t j = 4 * g; j < 4 * g + 4; j++) {
			/* j counts padded digits; d the digit of the text, the point left out */
			size_t d = j - lead;
			bool there = j >= lead && d < whole + fraction;

			v = v * 10 + (there ? (unsigned) (digits[d + (d >= whole)] - '0') : 0);
		}
		put_be16(out + 8 + 2 * g, (uint16_t) v);
	}
	for (first = 0; first < groups && get_be16(out + 8 + 2 * first) == 0;)
		first++;
	for (ng = groups; ng > first && get_be16(out + 8 + 2 * (ng - 1)) == 0;)
		ng--;
	ng -= first;
	memmove(out + 8, out + 8 + 2 * first, 2 * ng);
	put_be16(out, (uint16_t) ng);
	put_be16(out + 2, ng ? (uint16_t) ((whole + 3) / 4 - 1 - first) : 0);
	put_be16(out + 4, negative && ng ? 0x4000 : 0);
	put_be16(out + 6, (uint16_t) fraction);
	return 8 + 2 * ng;
}

static bool
fixed_numeric(struct mask_op *op, struct slice t, int32_t typmod)
{
	size_t whole, fraction;

	if (!decimal(t, &whole, &fraction))
		return false;
	if (typmod >= 4) {
		size_t precision = (uint32_t) (typmod - 4) >> 16 & 0xffff;
		/* 11 bits, signed since PostgreSQL 15: a negative scale takes no fixed value */
		size_t scale = (uint32_t) (typmod - 4) & 0x7ff;

		if (scale > precision || fraction > scale || whole > precision - scale)
			return false;
	}
	op->n_small = (uint8_t) mask_numeric_put(t.p, t.n, op->small, MASK_SMALL);
	return op->n_small > 0;
}

/* ---- date and time ---------------------------------------------------------------------- */

static bool
two(const uint8_t *p, int min, int max, int *v)
{
	if (!is_digit(p[0]) || !is_digit(p[1]))
		return false;
	*v = (p[0] - '0') * 10 + p[1] - '0';
	return *v >= min && *v <= max;
}

/* YYYY-MM-DD -> days since 2000-01-01 */
static bool
get_date(const uint8_t *p, int32_t *days)
{
	static const int length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int hi, lo, y, m, d;
	bool leap;

	if (!two(p, 0, 99, &hi) || !two(p + 2, 0, 99, &lo) || p[4] != '-' ||
	    !two(p + 5, 1, 12, &m) || p[7] != '-' || !two(p + 8, 1, 31, &d))
		return false;
	y = hi * 100 + lo;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (y == 0 || d > length[m - 1] + (m == 2 && leap))
		return false;
	*days = (int32_t) mask_days(y, m, d);
	return true;
}

/* HH:MM:SS -> microseconds */
static bool
get_time(const uint8_t *p, int64_t *us)
{
	int h, m, s;

	if (!two(p, 0, 23, &h) || p[2] != ':' || !two(p + 3, 0, 59, &m) || p[5] != ':' ||
	    !two(p + 6, 0, 59, &s))
		return false;
	*us = (int64_t) (h * 3600 + m * 60 + s) * USEC;
	return true;
}

static void
small_text(struct mask_op *op, const char *a, size_t na, const char *b)
{
	size_t nb = strlen(b);

	assert(na + nb <= MASK_SMALL);
	memcpy(op->small, a, na);
	memcpy(op->small + na, b, nb);
	op->n_small = (uint8_t) (na + nb);
}

/* YYYY-MM-DD, or with HH:MM:SS behind it; of timestamptz it is UTC. */
static bool
fixed_timestamp(struct mask_op *op, struct slice t)
{
	const char *zone = op->type == MT_TIMESTAMPTZ ? "+00" : "";
	int32_t days;
	int64_t us = 0;

	if ((t.n != 10 && t.n != 19) || !get_date(t.p, &days))
		return false;
	if (t.n == 19 && (t.p[10] != ' ' || !get_time(t.p + 11, &us)))
		return false;
	if (op->format == 0) {
		char text[19] = "YYYY-MM-DD 00:00:0";

		text[18] = '0';
		memcpy(text, t.p, t.n);
		small_text(op, text, sizeof(text), zone);
	} else {
		put_be64(op->small, (uint64_t) (days * INT64_C(86400) * USEC + us));
		op->n_small = 8;
	}
	return true;
}

/* ---- json, xml, bytea, text ------------------------------------------------------------- */

/* A scalar without escapes, {} or []. */
static bool
is_json(struct slice t)
{
	size_t whole, fraction;

	if (slice_is(t, "null") || slice_is(t, "true") || slice_is(t, "false") ||
	    slice_is(t, "{}") || slice_is(t, "[]"))
		return true;
	if (decimal(t, &whole, &fraction))
		return whole == 1 || t.p[t.p[0] == '-'] != '0';
	if (t.n < 2 || t.p[0] != '"' || t.p[t.n - 1] != '"')
		return false;
	for (size_t i = 1; i + 1 < t.n; i++)
		if (t.p[i] < 0x20 || t.p[i] == '"' || t.p[i] == '\\')
			return false;
	return true;
}

static bool
is_plain_xml(struct slice t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.p[i] < 0x20 || t.p[i] == '<' || t.p[i] == '&' || t.p[i] == '>')
			return false;
	return true;
}

static bool
is_utf8_text(struct slice t)
{
	for (size_t i = 0, len; i < t.n; i += len) {
		len = mask_utf8_len(t.p + i, t.n - i);
		if (len == 0 || t.p[i] == 0)
			return false;
	}
	return true;
}

/* Bytes of the first `limit` characters, or of the characters in the first `limit` bytes. */
static size_t
cut(struct slice t, uint32_t limit, bool bytes)
{
	size_t n = 0, len;

	if (limit == 0)
		return t.n;
	for (uint32_t chars = 0; n < t.n && chars < limit; chars++, n += len) {
		len = mask_utf8_len(t.p + n, t.n - n);
		if (bytes && n + len > limit)
			break;
	}
	return n;
}

static bool
fixed_bytea(struct mask_op *op, struct slice t)
{
	if (t.n < 2 || t.n % 2 || memcmp(t.p, "\\x", 2) != 0 || t.n / 2 - 1 > MASK_SMALL)
		return false;
	for (size_t i = 2; i < t.n; i++) {
		int v = hex_value(t.p[i]);
		size_t j = i / 2 - 1;

		if (v < 0)
			return false;
		op->small[j] = (uint8_t) (i % 2 ? op->small[j] | v : v << 4);
	}
	op->n_small = (uint8_t) (t.n / 2 - 1);
	return true;
}

static bool
fixed_bool(struct mask_op *op, struct slice t)
{
	bool yes = slice_is(t, "true") || slice_is(t, "t");

	if (!yes && !slice_is(t, "false") && !slice_is(t, "f"))
		return false;
	op->small[0] = op->format ? yes : yes ? 't' : 'f';
	op->n_small = 1;
	return true;
}

/* Encodes t into small; false when it is no value of the type. */
static bool
encode(struct mask_op *op, struct slice t, int32_t typmod)
{
	int64_t us;
	int32_t days;

	switch ((enum mask_type) op->type) {
	case MT_BOOL:
		return fixed_bool(op, t);
	case MT_INT2:
		return fixed_int(op, t, INT16_MAX);
	case MT_INT4:
		return fixed_int(op, t, INT32_MAX);
	case MT_INT8:
		return fixed_int(op, t, INT64_MAX);
	case MT_FLOAT4:
	case MT_FLOAT8:
		return fixed_float(op, t);
	case MT_NUMERIC:
		return fixed_numeric(op, t, typmod);
	case MT_DATE:
		if (t.n != 10 || !get_date(t.p, &days))
			return false;
		put_be32(op->small, (uint32_t) days);
		op->n_small = 4;
		return true;
	case MT_TIME:
		if (t.n != 8 || !get_time(t.p, &us))
			return false;
		put_be64(op->small, (uint64_t) us);
		op->n_small = 8;
		return true;
	case MT_TIMESTAMP:
	case MT_TIMESTAMPTZ:
		return fixed_timestamp(op, t);
	case MT_UUID:
		op->n_small = 16;
		return mask_uuid_get(t.p, t.n, op->small);
	case MT_BYTEA:
		return fixed_bytea(op, t);
	case MT_JSONB:
		if (!is_json(t) || t.n >= MASK_SMALL)
			return false;
		op->small[0] = 1; /* jsonb_send's version */
		memcpy(op->small + 1, t.p, t.n);
		op->n_small = (uint8_t) (t.n + 1);
		return true;
	case MT_CHAR:
		op->small[0] = t.n ? t.p[0] : 0;
		op->n_small = 1;
		return t.n == 1 && t.p[0] > 0 && t.p[0] < 0x80;
	case MT_JSON:
		return is_json(t);
	case MT_XML:
		return is_plain_xml(t);
	case MT_TEXT:
	case MT_BPCHAR:
		return true;
	case MT_NONE:
		break;
	}
	return false;
}

void
mask_fixed_bind(struct mask_op *op, int32_t typmod)
{
	struct slice t = op->mask->text;
	bool is_small;

	if (!is_utf8_text(t) || !encode(op, t, typmod))
		return; /* STEP_NULL */
	/* In text format a value is its text, but for those whose text is made above. */
	is_small = op->n_small > 0 && (op->format == 1 || op->type == MT_BOOL ||
				       op->type == MT_TIMESTAMP || op->type == MT_TIMESTAMPTZ);
	op->op = is_small ? STEP_FIXED_SMALL : STEP_FIXED_TEXT;
	if (op->type == MT_BYTEA && op->format == 1)
		op->op = STEP_FIXED_SMALL;
	/* A limit without a modifier is name's, which counts bytes. */
	op->n = (uint32_t) cut(t, op->limit, typmod < 0);
}
