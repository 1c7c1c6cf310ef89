/* SPDX-License-Identifier: MIT
 *
 * year, month: the first moment of a date's year or month. round(n), bucket(n): the nearest
 * multiple of n (halves away from zero), and the next one below. What both formats of a value say
 * is the same. NULL instead, because it cannot be said or would say too much: infinities, not a
 * number, years before 1 AD, spellings of another DateStyle than ISO, a result that the type does
 * not hold, numbers of 2^63 and more, and floats of 2^53 and more, whose neighbours are multiples
 * themselves.
 */
#include "proto/pg/mask_kernels.h"

#include "base/endian.h"

#include <stdio.h>
#include <stdlib.h>

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* ---- dates ------------------------------------------------------------------------------ */

enum { DAYS_400 = 146097, MARCH_0 = 730425 }; /* days of 400 years, 0000-03-01 to 2000-01-01 */
enum { JANUARY_1 = 306 };		      /* from 0000-03-01 to 0001-01-01 */

static const int64_t USEC_PER_DAY = INT64_C(86400000000);

int64_t
mask_days(int64_t y, int m, int d)
{
	/* With the year starting in March, a leap day is its last. */
	y -= m <= 2;
	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d -
	       1 - MARCH_0;
}

/* Year and month of a day since 2000-01-01; false before 1 AD. */
static bool
civil(int64_t days, int64_t *y, int *m)
{
	int64_t z = days + MARCH_0, of_400, year, day;

	if (z < JANUARY_1)
		return false;
	of_400 = z % DAYS_400;
	year = (of_400 - of_400 / 1460 + of_400 / 36524 - of_400 / (DAYS_400 - 1)) / 365;
	day = of_400 - (365 * year + year / 4 - year / 100);
	*m = (int) ((5 * day + 2) / 153) + 3;
	*y = z / DAYS_400 * 400 + year;
	if (*m > 12) {
		*m -= 12;
		++*y;
	}
	return true;
}

/* Takes min to max digits; -1 when there are fewer. */
static int64_t
digits(struct slice *t, size_t min, size_t max)
{
	int64_t v = 0;
	size_t n = 0;

	for (; n < t->n && n < max && is_digit(t->p[n]); n++)
		v = v * 10 + (t->p[n] - '0');
	*t = slice_of(t->p + n, t->n - n);
	return n < min ? -1 : v;
}

static bool
skip(struct slice *t, uint8_t c)
{
	if (t->n == 0 || t->p[0] != c)
		return false;
	*t = slice_of(t->p + 1, t->n - 1);
	return true;
}

/* HH:MM[:SS] -> seconds; -1 */
static int64_t
clock_time(struct slice *t)
{
	int64_t h = digits(t, 2, 2), m, s = 0;

	if (h < 0 || !skip(t, ':') || (m = digits(t, 2, 2)) < 0 || m > 59)
		return -1;
	if (skip(t, ':') && ((s = digits(t, 2, 2)) < 0 || s > 60))
		return -1;
	return h * 3600 + m * 60 + s;
}

/* +HH[:MM[:SS]] -> seconds east of Greenwich */
static bool
zone_offset(struct slice *t, int64_t *s)
{
	bool west = skip(t, '-');
	struct slice whole;

	if (!west && !skip(t, '+'))
		return false;
	whole = *t;
	*s = clock_time(t);
	if (*s < 0) {
		*t = whole;
		*s = digits(t, 2, 2) * 3600;
	}
	if (west)
		*s = -*s;
	return *s > -86400 && *s < 86400 && t->n == 0 && whole.n >= 2;
}

/* ISO, as DateStyle says: YYYY-MM-DD, then the time, then the zone. The day that it is in UTC. */
static bool
day_of_text(const struct mask_op *op, struct slice t, int64_t *day)
{
	int64_t y = digits(&t, 4, 7), m, d, back, s, east = 0;
	int month;

	if (y < 0 || !skip(&t, '-') || (m = digits(&t, 2, 2)) < 1 || m > 12 || !skip(&t, '-') ||
	    (d = digits(&t, 2, 2)) < 1)
		return false;
	*day = mask_days(y, (int) m, (int) d);
	if (!civil(*day, &back, &month) || back != y || month != m)
		return false;
	if (op->type == MT_DATE)
		return t.n == 0;
	if (!skip(&t, ' ') || (s = clock_time(&t)) < 0)
		return false;
	if (skip(&t, '.') && digits(&t, 1, 6) < 0)
		return false;
	if (op->type == MT_TIMESTAMPTZ && !zone_offset(&t, &east))
		return false;
	s -= east;
	*day += s / 86400 - (s % 86400 < 0);
	return t.n == 0;
}

static bool
day_of_binary(const struct mask_op *op, const uint8_t *p, size_t n, int64_t *day)
{
	if (op->type == MT_DATE) {
		if (n != 4)
			return false;
		*day = (int32_t) get_be32(p);
		return *day != INT32_MAX && *day != INT32_MIN;
	}
	if (n != 8)
		return false;
	*day = (int64_t) get_be64(p);
	if (*day == INT64_MAX || *day == INT64_MIN)
		return false;
	*day = *day / USEC_PER_DAY - (*day % USEC_PER_DAY < 0);
	return true;
}

static bool
date_in_place(const struct mask_op *op, uint8_t *p, size_t n)
{
	int64_t day, y;
	int m;

	if (!day_of_binary(op, p, n, &day) || !civil(day, &y, &m))
		return false;
	day = mask_days(y, op->op == STEP_YEAR ? 1 : m, 1);
	if (op->type == MT_DATE)
		put_be32(p, (uint32_t) day);
	else
		put_be64(p, (uint64_t) (day * USEC_PER_DAY));
	return true;
}

static bool
date_rewrite(const struct mask_op *op, struct slice in, struct buf *out)
{
	int64_t day, y;
	int m;

	if (!day_of_text(op, in, &day) || !civil(day, &y, &m))
		return false;
	buf_printf(out, "%04lld-%02d-01%s%s", (long long) y, op->op == STEP_YEAR ? 1 : m,
		   op->type == MT_DATE ? "" : " 00:00:00",
		   op->type == MT_TIMESTAMPTZ ? "+00" : "");
	return true;
}

/* ---- numbers ---------------------------------------------------------------------------- */

struct number {
	bool negative, fraction, half; /* there is a fraction; it is at least a half */
	uint64_t whole;		       /* at most 2^63 */
};

static const uint64_t WHOLE_MAX = (uint64_t) INT64_MAX + 1;

static bool
number_of_text(struct slice t, struct number *v)
{
	size_t i, first;

	*v = (struct number){.negative = skip(&t, '-')};
	for (i = 0; i < t.n && is_digit(t.p[i]); i++) {
		unsigned d = (unsigned) (t.p[i] - '0');

		if (v->whole > (WHOLE_MAX - d) / 10)
			return false;
		v->whole = v->whole * 10 + d;
	}
	if (i == 0 || i == t.n)
		return i > 0;
	if (t.p[i++] != '.')
		return false;
	for (first = i; i < t.n && is_digit(t.p[i]); i++)
		v->fraction |= t.p[i] != '0';
	v->half = i > first && t.p[first] >= '5';
	return i > first && i == t.n;
}

static bool
number_of_double(double d, struct number *v)
{
	static const double limit = 9007199254740992.0;

	/* Not a number is not less than anything. */
	if (!(d < limit && d > -limit))
		return false;
	*v = (struct number){.negative = d < 0};
	d = d < 0 ? -d : d;
	v->whole = (uint64_t) d;
	d -= (double) v->whole;
	v->fraction = d > 0;
	v->half = d >= 0.5;
	return true;
}

/* Digits, sign, point and exponent only: no name and no hexadecimal. */
static bool
number_of_float_text(const struct mask_op *op, struct slice t, struct number *v)
{
	char text[40], *end;
	double d;

	if (t.n == 0 || t.n >= sizeof(text))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (!is_digit(t.p[i]) && !strchr("+-.e", t.p[i] ? t.p[i] : 'x'))
			return false;
	memcpy(text, t.p, t.n);
	text[t.n] = 0;
	/* The shortest text of a float4 is another double than the float4 is. */
	d = op->type == MT_FLOAT4 ? (double) strtof(text, &end) : strtod(text, &end);
	return *end == 0 && number_of_double(d, v);
}

/* Groups of four digits, the first of weight `weight`: numeric_send. */
static bool
number_of_numeric(struct slice in, struct number *v)
{
	int n, weight;
	uint16_t sign;

	if (in.n < 8)
		return false;
	n = get_be16(in.p);
	weight = (int16_t) get_be16(in.p + 2);
	sign = get_be16(in.p + 4);
	if (in.n != 8 + 2 * (size_t) n || (sign != 0 && sign != 0x4000) || (n && weight > 4))
		return false;
	*v = (struct number){.negative = sign != 0};
	for (int i = 0; i < n || (n && i <= weight); i++) {
		unsigned g = i < n ? get_be16(in.p + 8 + 2 * i) : 0;

		if (g > 9999 || (i <= weight && v->whole > (WHOLE_MAX - g) / 10000))
			return false;
		if (i <= weight) {
			v->whole = v->whole * 10000 + g;
			continue;
		}
		v->fraction |= g != 0;
		v->half |= i == weight + 1 && weight >= -1 && g >= 5000;
	}
	return true;
}

static uint64_t
type_max(const struct mask_op *op)
{
	return op->type == MT_INT2   ? INT16_MAX
	       : op->type == MT_INT4 ? INT32_MAX
	       : op->type == MT_INT8 ? INT64_MAX
				     : UINT64_MAX - 1;
}

/* numeric(p, s) has p - s digits before the point: limit is one more, 0 when there is no bound. */
static bool
has_digits_for(const struct mask_op *op, uint64_t v)
{
	uint32_t n = 1;

	for (; v; v /= 10)
		n++;
	return !op->limit || n <= op->limit;
}

/* False: the type does not hold the result. */
static bool
coarsen(const struct mask_op *op, struct number *v)
{
	uint64_t n = op->n, over = v->whole % n;
	bool up;

	if (op->op == STEP_BUCKET)
		up = v->negative && (over || v->fraction);
	else
		up = n % 2 && over == n / 2 ? v->half : over >= n / 2 + n % 2;
	v->whole = v->whole - over + (up ? n : 0);
	v->negative &= v->whole != 0;
	return v->whole <= type_max(op) + v->negative && has_digits_for(op, v->whole);
}

static double
double_of(const struct number *v)
{
	return v->negative ? -(double) v->whole : (double) v->whole;
}

static bool
int_in_place(const struct mask_op *op, uint8_t *p)
{
	struct number v = {0};
	int64_t i = op->type == MT_INT2   ? (int16_t) get_be16(p)
		    : op->type == MT_INT4 ? (int32_t) get_be32(p)
					  : (int64_t) get_be64(p);
	uint64_t u;

	v.negative = i < 0;
	v.whole = i < 0 ? 0 - (uint64_t) i : (uint64_t) i;
	if (!coarsen(op, &v))
		return false;
	u = v.negative ? 0 - v.whole : v.whole;
	if (op->type == MT_INT2)
		put_be16(p, (uint16_t) u);
	else if (op->type == MT_INT4)
		put_be32(p, (uint32_t) u);
	else
		put_be64(p, u);
	return true;
}

static bool
float_in_place(const struct mask_op *op, uint8_t *p)
{
	uint32_t u4 = get_be32(p);
	uint64_t u8;
	struct number v;
	double d;
	float f;

	if (op->type == MT_FLOAT4) {
		memcpy(&f, &u4, 4);
		d = (double) f;
	} else {
		u8 = get_be64(p);
		memcpy(&d, &u8, 8);
	}
	if (!number_of_double(d, &v) || !coarsen(op, &v))
		return false;
	d = double_of(&v);
	if (op->type == MT_FLOAT4) {
		f = (float) d;
		memcpy(&u4, &f, 4);
		put_be32(p, u4);
	} else {
		memcpy(&u8, &d, 8);
		put_be64(p, u8);
	}
	return true;
}

static bool
number_rewrite(const struct mask_op *op, struct slice in, struct buf *out)
{
	bool is_float = op->type == MT_FLOAT4 || op->type == MT_FLOAT8, ok;
	unsigned scale = op->type == MT_NUMERIC ? get_le16(op->small) : 0;
	uint8_t text[24], bin[32];
	struct number v;
	size_t n;

	if (op->format == 1)
		ok = number_of_numeric(in, &v);
	else
		ok = is_float ? number_of_float_text(op, in, &v) : number_of_text(in, &v);
	if (!ok || !coarsen(op, &v))
		return false;
	if (op->format == 0) {
		buf_printf(out, "%s%llu%s", v.negative ? "-" : "", (unsigned long long) v.whole,
			   scale ? "." : "");
		while (scale-- > 0)
			buf_putc(out, '0');
		return true;
	}
	n = (size_t) snprintf((char *) text, sizeof(text), "%s%llu", v.negative ? "-" : "",
			      (unsigned long long) v.whole);
	n = mask_numeric_put(text, n, bin, sizeof(bin));
	assert(n > 0);
	put_be16(bin + 6, (uint16_t) scale);
	buf_put(out, bin, n);
	return true;
}

/* ---- both ------------------------------------------------------------------------------- */

static bool
is_date(const struct mask_op *op)
{
	return op->type == MT_DATE || op->type == MT_TIMESTAMP || op->type == MT_TIMESTAMPTZ;
}

/* False: the modifier allows no whole number. */
static bool
bind_numeric(struct mask_op *op, int32_t typmod)
{
	uint32_t precision = (uint32_t) (typmod - 4) >> 16 & 0xffff;
	/* 11 bits, signed since PostgreSQL 15 */
	uint32_t scale = (uint32_t) (typmod - 4) & 0x7ff;

	if (typmod < 4)
		return true;
	op->limit = precision - scale + 1;
	put_le16(op->small, (uint16_t) scale);
	return scale <= precision;
}

void
mask_coarse_bind(struct mask_op *op, int32_t typmod)
{
	enum mask kernel = op->mask->kernel;

	if (kernel == MASK_YEAR || kernel == MASK_MONTH) {
		if (is_date(op))
			op->op = kernel == MASK_YEAR ? STEP_YEAR : STEP_MONTH;
		return;
	}
	op->n = op->mask->n;
	if (op->n < MASK_WIDTH_MIN || op->type < MT_INT2 || op->type > MT_NUMERIC)
		return; /* STEP_NULL */
	if (op->type != MT_NUMERIC || bind_numeric(op, typmod))
		op->op = kernel == MASK_ROUND ? STEP_ROUND : STEP_BUCKET;
}

bool
mask_coarse_in_place(const struct mask_op *op, uint8_t *p, size_t n)
{
	size_t size = op->type == MT_INT2				? 2
		      : op->type == MT_INT4 || op->type == MT_FLOAT4	? 4
									: 8;

	if (op->format == 0 || op->type == MT_NUMERIC)
		return false;
	if (is_date(op))
		return date_in_place(op, p, n);
	if (n != size)
		return false;
	return op->type == MT_FLOAT4 || op->type == MT_FLOAT8 ? float_in_place(op, p)
							      : int_in_place(op, p);
}

bool
mask_coarse_rewrite(const struct mask_op *op, struct slice in, struct buf *out)
{
	return is_date(op) ? date_rewrite(op, in, out) : number_rewrite(op, in, out);
}
