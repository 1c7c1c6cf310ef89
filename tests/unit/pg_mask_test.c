/* SPDX-License-Identifier: MIT
 *
 * Mask kernels: what each gives for chosen values, and properties over random ones (masking in
 * place and rewriting agree, lengths in characters stay, nothing clear is left, pseudonyms
 * permute).
 */
#include "proto/pg/mask.h"
#include "tests/unit/test.h"

#include "base/endian.h"

enum { TEXT = 25, VARCHAR = 1043, BPCHAR = 1042, NAME = 19, INT2 = 21, INT4 = 23, INT8 = 20 };
enum { NUMERIC = 1700, UUID = 2950, BYTEA = 17, BOOL = 16, DATE = 1082, TIMESTAMPTZ = 1184 };
enum { FLOAT4 = 700, DATE_INFINITY = INT32_MAX, TIMESTAMP = 1114, MONEY = 790 };
enum { FLOAT8 = 701, JSON = 114, JSONB = 3802, TEXT_ARRAY = 1009, TIME_TYPE = 1083 };

static struct mask_key key;
static char shown[4096];

static uint64_t
random64(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15;

	s ^= s << 13;
	s ^= s >> 7;
	return s ^= s << 17;
}

/* Masks a value both ways; the ways must agree. "NULL" for NULL. */
static struct slice
apply(const struct mask_op *op, struct slice in)
{
	static struct buf out;
	uint8_t *p = malloc(in.n + 1);
	bool value;

	memcpy(p, in.p, in.n);
	p = realloc(p, in.n ? in.n : 1);
	buf_reset(&out);
	value = mask_rewrite(op, in, &out);
	if (mask_in_place(op, p, in.n)) {
		CHECK(value && out.n == in.n);
		CHECK(out.n == 0 || memcmp(out.p, p, in.n) == 0);
	} else {
		CHECK(memcmp(p, in.p, in.n) == 0);
	}
	free(p);
	return value ? buf_slice(&out) : SLICE_LIT("NULL");
}

static struct slice
mask_value(enum mask kernel, uint32_t n, const char *fixed, uint32_t type, int32_t typmod,
	   uint16_t format, struct slice in)
{
	struct mask_spec m = {.kernel = kernel, .n = n, .text = slice_str(fixed), .key = &key};
	struct mask_op op = mask_bind(&m, type, typmod, format);

	return apply(&op, in);
}

static struct slice
text(enum mask kernel, uint32_t n, const char *in)
{
	return mask_value(kernel, n, NULL, TEXT, -1, 0, slice_str(in));
}

static void
first_and_last_reveal_the_smaller_half(void)
{
	CHECK_SLICE(text(MASK_LAST, 4, "4111111111111111"), "************1111");
	CHECK_SLICE(text(MASK_FIRST, 4, "4111111111111111"), "4111************");
	CHECK_SLICE(text(MASK_LAST, 4, "123456789"), "*****6789");
	CHECK_SLICE(text(MASK_LAST, 4, "12345678"), "********");
	CHECK_SLICE(text(MASK_FIRST, 4, "12345678"), "********");
	CHECK_SLICE(text(MASK_LAST, 0, "abc"), "***");
	CHECK_SLICE(text(MASK_LAST, 4, ""), "");
	CHECK_SLICE(text(MASK_LAST, 2, "h\303\251llo w\303\266r"), "*******\303\266r");
	CHECK_SLICE(text(MASK_FIRST, 2, "h\303\251llo w"), "h\303\251*****");
	/* bytes that are no UTF-8 never stay */
	CHECK_SLICE(text(MASK_FIRST, 2, "a\377bcdef"), "a******");
	CHECK_SLICE(text(MASK_LAST, 4294967295u, "abc"), "***");
	/* char(n): the padding is not what is revealed */
	CHECK_SLICE(mask_value(MASK_LAST, 2, NULL, BPCHAR, 14, 0, SLICE_LIT("abcdef    ")),
		    "****ef    ");
}

static void
partial_knows_mail_and_phones(void)
{
	static const char *const t[][2] = {
		{"ana@example.com", "a**@example.com"},
		{"ab@example.com", "**@example.com"},
		{"\303\251ric.k@example.com", "\303\251*****@example.com"},
		{"a@b@example.com", "a**@example.com"},
		{"@example.com", "@***********"},
		{"ana@localhost", "a************"},
		{"ana@.com", "a*******"},
		{"ana@com.", "a*******"},
		{"ana@ex ample.com", "a***************"},
		{"+1 (415) 555-0123", "+* (***) ***-*123"},
		{"555-0123", "***-**23"},
		{"123-45-6789", "***-**-**89"},
		{"4111111111111111", "4***************"},
		{"Ana", "A**"},
		{"Jo", "**"},
		{"x", "*"},
		{"", ""},
	};

	for (size_t i = 0; i < COUNT_OF(t); i++)
		CHECK_SLICE(text(MASK_PARTIAL, 0, t[i][0]), t[i][1]);
}

#define FIXED(f, type, typmod, format) \
	mask_value(MASK_FIXED, 0, f, type, typmod, format, SLICE_LIT("whatever"))

static void
fixed_is_a_value_of_the_type_or_null(void)
{
	CHECK_SLICE(FIXED("hidden", TEXT, -1, 0), "hidden");
	CHECK_SLICE(FIXED("hidden!!", TEXT, -1, 1), "hidden!!");
	CHECK_SLICE(FIXED("hidden", VARCHAR, 7, 0), "hid");
	CHECK_SLICE(FIXED("h\303\266r", BPCHAR, 9, 0), "h\303\266r  ");
	CHECK_SLICE(FIXED("0123456789012345678901234567890123456789012345678901234567890123",
			  NAME, -1, 0),
		    "012345678901234567890123456789012345678901234567890123456789012");
	CHECK_SLICE(FIXED("hidden", INT4, -1, 0), "NULL");
	CHECK_SLICE(FIXED("0", INT4, -1, 0), "0");
	CHECK(slice_eq(FIXED("-2", INT4, -1, 1), slice_of("\377\377\377\376", 4)));
	CHECK(slice_eq(FIXED("-32768", INT2, -1, 1), slice_of("\200\0", 2)));
	CHECK_SLICE(FIXED("32768", INT2, -1, 1), "NULL");
	CHECK_SLICE(FIXED("99999999999999999999", INT8, -1, 0), "NULL");
	CHECK_SLICE(FIXED("007", INT4, -1, 0), "NULL");
	CHECK_SLICE(FIXED("t", BOOL, -1, 1), "\1");
	CHECK_SLICE(FIXED("true", BOOL, -1, 0), "t");
	CHECK(slice_eq(FIXED("2000-01-01", DATE, -1, 1), slice_of("\0\0\0\0", 4)));
	CHECK(slice_eq(FIXED("1999-12-31", DATE, -1, 1), slice_of("\377\377\377\377", 4)));
	CHECK(slice_eq(FIXED("2024-03-01", DATE, -1, 1), slice_of("\0\0\042\172", 4)));
	CHECK_SLICE(FIXED("2023-02-29", DATE, -1, 0), "NULL");
	CHECK_SLICE(FIXED("2024-02-29", TIMESTAMPTZ, -1, 0), "2024-02-29 00:00:00+00");
	CHECK(slice_eq(FIXED("2000-01-01 00:00:01", TIMESTAMPTZ, -1, 1),
		       slice_of("\0\0\0\0\0\17\102\100", 8)));
	CHECK_SLICE(FIXED("24:00:00", TIME_TYPE, -1, 0), "NULL");
	CHECK(slice_eq(FIXED("1.5", FLOAT8, -1, 1), slice_of("\77\370\0\0\0\0\0\0", 8)));
	CHECK(slice_eq(FIXED("-12345.67", NUMERIC, -1, 1),
		       slice_of("\0\3\0\1\100\0\0\2\0\1\011\051\032\054", 14)));
	CHECK(slice_eq(FIXED("0.00", NUMERIC, -1, 1), slice_of("\0\0\0\0\0\0\0\2", 8)));
	CHECK_SLICE(FIXED("123.4", NUMERIC, 4 + (4 << 16 | 2), 0), "NULL");
	CHECK_SLICE(FIXED("12.3", NUMERIC, 4 + (4 << 16 | 2), 0), "12.3");
	CHECK_SLICE(FIXED("nobody", UUID, -1, 0), "NULL");
	CHECK_SLICE(FIXED("{}", JSONB, -1, 1), "\1{}");
	CHECK_SLICE(FIXED("\"x\"", JSON, -1, 0), "\"x\"");
	CHECK_SLICE(FIXED("{\"a\":1", JSON, -1, 0), "NULL");
	CHECK_SLICE(FIXED("***", BYTEA, -1, 0), "NULL");
	CHECK(slice_eq(FIXED("\\xdead", BYTEA, -1, 1), slice_of("\336\255", 2)));
	CHECK_SLICE(FIXED("{}", TEXT_ARRAY, -1, 0), "NULL");
	CHECK_SLICE(FIXED("a\377", TEXT, -1, 0), "NULL");
	CHECK_SLICE(FIXED("x", TEXT, -1, 2), "NULL");
}

static void
hash_is_hmac_sha256(void)
{
	uint8_t h[SHA256_LEN];
	struct buf hex = {0};

	hmac_sha256(h, SLICE_LIT("policy key"), SLICE_LIT("ana@example.com"));
	hex_put(&hex, slice_of(h, sizeof(h)));
	buf_putc(&hex, 0);
	CHECK_SLICE(text(MASK_HASH, 0, "ana@example.com"), (char *) hex.p);
	CHECK_SLICE(mask_value(MASK_HASH, 0, NULL, BPCHAR, 4 + 20, 0,
			       SLICE_LIT("ana@example.com     ")),
		    (hex.p[20] = 0, (char *) hex.p));
	CHECK_INT(mask_value(MASK_HASH, 0, NULL, VARCHAR, 24, 0, SLICE_LIT("x")).n, 20);
	CHECK_INT(mask_value(MASK_HASH, 0, NULL, BPCHAR, 104, 0, SLICE_LIT("x")).n, 100);
	CHECK_INT(mask_value(MASK_HASH, 0, NULL, BYTEA, -1, 1, SLICE_LIT("ab")).n, 32);
	CHECK_INT(mask_value(MASK_HASH, 0, NULL, BYTEA, -1, 0, SLICE_LIT("\\x6162")).n, 66);
	buf_reset(&hex);
	buf_puts(&hex, "\\x");
	hmac_sha256(h, SLICE_LIT("policy key"), SLICE_LIT("ab"));
	hex_put(&hex, slice_of(h, sizeof(h)));
	buf_putc(&hex, 0);
	CHECK_SLICE(mask_value(MASK_HASH, 0, NULL, BYTEA, -1, 0, SLICE_LIT("\\x6162")),
		    (char *) hex.p);
	CHECK_SLICE(mask_value(MASK_HASH, 0, NULL, INT4, -1, 1, SLICE_LIT("abcd")), "NULL");
	buf_fini(&hex);
}

/* No kernel for the type, no value of the type: NULL, in every format. */
static void
masks_are_total(void)
{
	for (uint32_t oid = 0; oid < 5100; oid++) {
		for (int k = MASK_CLEAR; k < MASK_COUNT; k++) {
			for (uint16_t format = 0; format < 3; format++) {
				static const char clear[] = "Zq7#clear-TEXT";
				struct slice got = mask_value((enum mask) k, 2, "x", oid, -1,
							      format, slice_str(clear));

				CHECK(!memmem(got.p, got.n, clear, sizeof(clear) - 1));
				if (k == MASK_NULL || k == MASK_CLEAR || format == 2)
					CHECK_SLICE(got, "NULL");
			}
		}
	}
}

/* ---- year, month, round, bucket -------------------------------------------------------- */

#define COARSE(kernel, n, type, in) mask_value(kernel, n, NULL, type, -1, 0, slice_str(in))

static void
dates_keep_their_year_or_month(void)
{
	static const struct {
		uint32_t type;
		const char *in, *year, *month;
	} t[] = {
		{DATE, "2024-02-29", "2024-01-01", "2024-02-01"},
		{DATE, "0001-12-31", "0001-01-01", "0001-12-01"},
		{DATE, "5874897-12-31", "5874897-01-01", "5874897-12-01"},
		{DATE, "0044-03-15 BC", "NULL", "NULL"},
		{DATE, "infinity", "NULL", "NULL"},
		{DATE, "-infinity", "NULL", "NULL"},
		{DATE, "29.02.2024", "NULL", "NULL"},
		{DATE, "02/29/2024", "NULL", "NULL"},
		{DATE, "29-02-2024", "NULL", "NULL"},
		{DATE, "2023-02-29", "NULL", "NULL"},
		{DATE, "2023-13-01", "NULL", "NULL"},
		{DATE, "2024-02-29 ", "NULL", "NULL"},
		{DATE, "", "NULL", "NULL"},
		{TIMESTAMP, "1999-12-31 23:59:59.999999", "1999-01-01 00:00:00",
		 "1999-12-01 00:00:00"},
		{TIMESTAMP, "Fri Dec 31 23:59:59 1999", "NULL", "NULL"},
		{TIMESTAMP, "1999-12-31 23:59:59 BC", "NULL", "NULL"},
		{TIMESTAMPTZ, "2024-06-15 12:00:00+02", "2024-01-01 00:00:00+00",
		 "2024-06-01 00:00:00+00"},
		{TIMESTAMPTZ, "2024-01-01 01:30:00.5+02", "2023-01-01 00:00:00+00",
		 "2023-12-01 00:00:00+00"},
		{TIMESTAMPTZ, "2023-12-31 20:30:00-03:30", "2024-01-01 00:00:00+00",
		 "2024-01-01 00:00:00+00"},
		{TIMESTAMPTZ, "2024-06-15 12:00:00+05:53:28", "2024-01-01 00:00:00+00",
		 "2024-06-01 00:00:00+00"},
		{TIMESTAMPTZ, "0001-01-01 01:00:00+02", "NULL", "NULL"},
		{TIMESTAMPTZ, "2024-06-15 12:00:00 CEST", "NULL", "NULL"},
		{TIMESTAMPTZ, "2024-06-15 12:00:00", "NULL", "NULL"},
		{TIME_TYPE, "12:00:00", "NULL", "NULL"},
		{TEXT, "2024-02-29", "NULL", "NULL"},
		{INT4, "2024", "NULL", "NULL"},
	};

	for (size_t i = 0; i < COUNT_OF(t); i++) {
		CHECK_SLICE(COARSE(MASK_YEAR, 0, t[i].type, t[i].in), t[i].year);
		CHECK_SLICE(COARSE(MASK_MONTH, 0, t[i].type, t[i].in), t[i].month);
	}
}

static int64_t
coarse_binary(enum mask kernel, uint32_t n, uint32_t type, int64_t v)
{
	uint8_t b[8];
	size_t size = type == INT2 ? 2 : type == INT4 || type == DATE ? 4 : 8;
	struct slice got;

	if (size == 2)
		put_be16(b, (uint16_t) v);
	else if (size == 4)
		put_be32(b, (uint32_t) v);
	else
		put_be64(b, (uint64_t) v);
	got = mask_value(kernel, n, NULL, type, -1, 1, slice_of(b, size));
	if (slice_is(got, "NULL"))
		return INT64_MIN;
	CHECK_INT(got.n, size);
	return size == 2   ? (int16_t) get_be16(got.p)
	       : size == 4 ? (int32_t) get_be32(got.p)
			   : (int64_t) get_be64(got.p);
}

static void
binary_dates_keep_their_year_or_month(void)
{
	const int64_t day = INT64_C(86400000000);

	CHECK_INT(coarse_binary(MASK_YEAR, 0, DATE, 8825), 8766);   /* 2024-02-29 */
	CHECK_INT(coarse_binary(MASK_MONTH, 0, DATE, 8825), 8797);
	CHECK_INT(coarse_binary(MASK_YEAR, 0, DATE, -1), -365);
	CHECK_INT(coarse_binary(MASK_MONTH, 0, DATE, -730119), -730119); /* 0001-01-01 */
	CHECK_INT(coarse_binary(MASK_MONTH, 0, DATE, -730120), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_YEAR, 0, DATE, DATE_INFINITY), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_YEAR, 0, DATE, INT32_MIN), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_YEAR, 0, TIMESTAMP, -1), -365 * day);
	CHECK_INT(coarse_binary(MASK_MONTH, 0, TIMESTAMPTZ, -1), -31 * day);
	CHECK_INT(coarse_binary(MASK_YEAR, 0, TIMESTAMP, INT64_MAX), INT64_MIN);
	/* Every day of 800 years: a first of January that is not later, less than a year ago. */
	for (int64_t d = -146097; d < 146097; d++) {
		int64_t year = coarse_binary(MASK_YEAR, 0, DATE, d);
		int64_t month = coarse_binary(MASK_MONTH, 0, DATE, d);

		CHECK(year <= month && month <= d && d - year < 366 && d - month < 31);
		CHECK_INT(coarse_binary(MASK_YEAR, 0, DATE, year), year);
		CHECK_INT(coarse_binary(MASK_MONTH, 0, DATE, month), month);
	}
}

static void
numbers_are_rounded(void)
{
	static const struct {
		uint32_t type, n;
		const char *in, *round, *bucket;
	} t[] = {
		{INT4, 1000, "52499", "52000", "52000"},
		{INT4, 1000, "52500", "53000", "52000"},
		{INT4, 1000, "-1", "0", "-1000"},
		{INT4, 1000, "-52500", "-53000", "-53000"},
		{INT4, 1000, "-2000", "-2000", "-2000"},
		{INT4, 7, "3", "0", "0"},
		{INT4, 7, "4", "7", "0"},
		{INT2, 1000, "32767", "NULL", "32000"},
		{INT2, 1000, "-32768", "NULL", "NULL"},
		{INT2, 8, "-32768", "-32768", "-32768"},
		{INT4, 10, "2147483647", "NULL", "2147483640"},
		{INT8, 10, "9223372036854775807", "NULL", "9223372036854775800"},
		{INT8, 8, "-9223372036854775808", "-9223372036854775808",
		 "-9223372036854775808"},
		{INT4, 1, "52500", "NULL", "NULL"},
		{INT4, 10, "12a", "NULL", "NULL"},
		{INT4, 10, "", "NULL", "NULL"},
		{NUMERIC, 100, "1234.56", "1200", "1200"},
		{NUMERIC, 100, "-0.01", "0", "-100"},
		{NUMERIC, 7, "3.5", "7", "0"},
		{NUMERIC, 7, "3.4999", "0", "0"},
		{NUMERIC, 7, "-3.5", "-7", "-7"},
		{NUMERIC, 10, "NaN", "NULL", "NULL"},
		{NUMERIC, 10, "Infinity", "NULL", "NULL"},
		{NUMERIC, 10, "99999999999999999999", "NULL", "NULL"},
		{FLOAT8, 100, "149.99", "100", "100"},
		{FLOAT8, 100, "1.5e+02", "200", "100"},
		{FLOAT8, 100, "-1e-300", "0", "-100"},
		{FLOAT8, 100, "-0", "0", "0"},
		{FLOAT8, 100, "9.1e+15", "NULL", "NULL"},
		{FLOAT8, 100, "NaN", "NULL", "NULL"},
		{FLOAT8, 100, "-Infinity", "NULL", "NULL"},
		{FLOAT8, 100, "0x10", "NULL", "NULL"},
		{FLOAT4, 10, "1.6777216e+07", "16777220", "16777210"},
		{DATE, 10, "2024-02-29", "NULL", "NULL"},
		{MONEY, 10, "$12.00", "NULL", "NULL"},
		{TEXT, 10, "1234", "NULL", "NULL"},
	};

	for (size_t i = 0; i < COUNT_OF(t); i++) {
		CHECK_SLICE(COARSE(MASK_ROUND, t[i].n, t[i].type, t[i].in), t[i].round);
		CHECK_SLICE(COARSE(MASK_BUCKET, t[i].n, t[i].type, t[i].in), t[i].bucket);
	}
	/* numeric(4, 1) holds 999.9 and no more, and shows one digit behind the point. */
	CHECK_SLICE(mask_value(MASK_ROUND, 100, NULL, NUMERIC, 4 << 16 | 5, 0, SLICE_LIT("949.9")),
		    "900.0");
	CHECK_SLICE(mask_value(MASK_ROUND, 100, NULL, NUMERIC, 4 << 16 | 5, 0, SLICE_LIT("950.0")),
		    "NULL");
	/* numeric(2, -3) and numeric(2, 4) have no room for just any multiple. */
	CHECK_SLICE(mask_value(MASK_ROUND, 100, NULL, NUMERIC, (2 << 16 | (-3 & 0x7ff)) + 4, 0,
			       SLICE_LIT("5000")), "NULL");
	CHECK_SLICE(mask_value(MASK_ROUND, 100, NULL, NUMERIC, (2 << 16 | 4) + 4, 0,
			       SLICE_LIT("0.0012")), "NULL");
}

static void
binary_numbers_are_rounded(void)
{
	static const uint8_t numeric[] = {0, 2, 0, 1, 0x40, 0, 0, 2, 0, 12, 0x0d, 0x80};
	static const uint8_t nan[] = {0, 0, 0, 0, 0xc0, 0, 0, 0};
	struct slice got;

	CHECK_INT(coarse_binary(MASK_ROUND, 1000, INT2, 32767), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_BUCKET, 1000, INT2, -32768), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_BUCKET, 1000, INT4, -1), -1000);
	CHECK_INT(coarse_binary(MASK_ROUND, 1000, INT8, -1500), -2000);
	CHECK_INT(coarse_binary(MASK_ROUND, 2, INT8, INT64_MAX), INT64_MIN);
	CHECK_INT(coarse_binary(MASK_BUCKET, 2, INT8, INT64_MAX), INT64_MAX - 1);
	/* -123456 is -(12 * 10000 + 3456) */
	got = mask_value(MASK_BUCKET, 1000, NULL, NUMERIC, 10 << 16 | 6, 1,
			 slice_of(numeric, sizeof(numeric)));
	CHECK_INT(got.n, 12);
	CHECK_INT(get_be16(got.p + 4), 0x4000);
	CHECK_INT(get_be16(got.p + 6), 2);
	CHECK_INT(get_be16(got.p + 8), 12);
	CHECK_INT(get_be16(got.p + 10), 4000);
	CHECK_SLICE(mask_value(MASK_BUCKET, 10, NULL, NUMERIC, -1, 1, slice_of(nan, sizeof(nan))),
		    "NULL");
	for (int i = 0; i < 20000; i++) {
		int64_t v = (int32_t) random64(), n = 2 + (int64_t) (random64() % 5000);
		int64_t low = coarse_binary(MASK_BUCKET, (uint32_t) n, INT8, v);
		int64_t near = coarse_binary(MASK_ROUND, (uint32_t) n, INT8, v);
		char text[24], want[24];

		CHECK(low % n == 0 && low <= v && v - low < n);
		CHECK(near % n == 0 && 2 * llabs(v - near) <= n);
		snprintf(text, sizeof(text), "%lld", (long long) v);
		snprintf(want, sizeof(want), "%lld", (long long) near);
		CHECK_SLICE(COARSE(MASK_ROUND, (uint32_t) n, i & 1 ? NUMERIC : INT8, text), want);
	}
}

static size_t
random_text(uint8_t *p, size_t max, bool ascii)
{
	static const char *const chars[] = {"a", "Z", "5", "x", "Q", "0", "@", ".", "-", " ",
					    "\303\251", "\344\270\255", "\360\240\200\201", "\377"};
	size_t n = 0, want = random64() % max;

	while (n + 4 < want) {
		const char *c = chars[random64() % (ascii ? 10 : COUNT_OF(chars))];

		memcpy(p + n, c, strlen(c));
		n += strlen(c);
	}
	return n;
}

static size_t
count_chars(struct slice s)
{
	size_t chars = 0;

	for (size_t i = 0; i < s.n; i++)
		chars += (s.p[i] & 0xc0) != 0x80;
	return chars;
}

static void
text_masks_over_random_text(void)
{
	static const enum mask kernels[] = {MASK_FIRST, MASK_LAST, MASK_PARTIAL, MASK_PSEUDONYM};

	for (int i = 0; i < 40000; i++) {
		uint8_t in[400];
		enum mask k = kernels[i % 4];
		size_t n = random_text(in, i % 50 ? 40 : 400, i % 3);
		uint32_t keep = random64() % 8;
		struct slice got = mask_value(k, keep, NULL, i % 5 ? TEXT : BPCHAR, -1, i & 1,
					      slice_of(in, n));
		size_t same = 0;

		CHECK_INT(count_chars(got), count_chars(slice_of(in, n)));
		for (size_t j = 0; j < got.n; j++)
			CHECK(got.p[j] != 0xff);
		if (n == 0 || k == MASK_PSEUDONYM || i % 3 == 0)
			continue;
		for (size_t j = 0; j < got.n; j++)
			same += got.p[j] == in[j];
		if (k != MASK_PARTIAL && i % 5)
			CHECK_INT(same, n > 2 * keep ? keep : 0);
	}
}

/* "12.34" -> 1234 */
static int
hundredths(const char *s)
{
	return atoi(s) * 100 + atoi(strchr(s, '.') + 1);
}

/* All values of a shape map to different values of that shape. */
static void
pseudonyms_permute(void)
{
	static uint8_t seen[70000];
	struct mask_spec m = {.kernel = MASK_PSEUDONYM, .key = &key};
	struct mask_op op = mask_bind(&m, TEXT, -1, 0);
	struct mask_op i2 = mask_bind(&m, INT2, -1, 0), b2 = mask_bind(&m, INT2, -1, 1);
	struct mask_op num = mask_bind(&m, NUMERIC, -1, 0);
	char in[32];
	int changed = 0;

	memset(seen, 0, sizeof(seen));
	for (int v = 0; v < 26 * 26 * 10; v++) {
		struct slice got;

		snprintf(in, sizeof(in), "%c-%c%d", 'a' + v / 260, 'A' + v / 10 % 26, v % 10);
		got = apply(&op, slice_str(in));
		REQUIRE(got.n == 4 && got.p[1] == '-');
		REQUIRE(got.p[0] >= 'a' && got.p[0] <= 'z' && got.p[2] >= 'A' && got.p[2] <= 'Z' &&
			got.p[3] >= '0' && got.p[3] <= '9');
		changed += memcmp(got.p, in, 4) != 0;
		CHECK(!seen[(got.p[0] - 'a') * 260 + (got.p[2] - 'A') * 10 + got.p[3] - '0']++);
	}
	CHECK(changed > 6700);
	memset(seen, 0, sizeof(seen));
	/* five digits are the ones that walk: 10000 to 32767 */
	for (int v = -1100; v <= 32767; v++) {
		uint8_t bin[2];
		struct slice got;
		int w;

		snprintf(in, sizeof(in), "%d", v);
		got = apply(&i2, slice_str(in));
		REQUIRE(got.n == strlen(in) && got.n < sizeof(shown));
		memcpy(shown, got.p, got.n);
		shown[got.n] = 0;
		w = atoi(shown);
		REQUIRE(w >= -32768 && w <= 32767);
		CHECK(!seen[w + 32768]++ || w == 0);
		if (v % 16)
			continue;
		put_be16(bin, (uint16_t) v);
		got = apply(&b2, slice_of(bin, 2));
		CHECK_INT((int16_t) get_be16(got.p), w);
	}
	memset(seen, 0, sizeof(seen));
	for (int v = 0; v < 10000; v++) {
		struct slice got;

		snprintf(in, sizeof(in), "%d.%02d", v / 100, v % 100);
		got = apply(&num, slice_str(in));
		REQUIRE(got.n == strlen(in));
		memcpy(shown, got.p, got.n);
		shown[got.n] = 0;
		CHECK(!seen[hundredths(shown)]++);
	}
}

static void
pseudonyms_of_odd_values(void)
{
	struct slice a, b;
	struct buf keep = {0};
	uint8_t big[3000];

	CHECK_SLICE(text(MASK_PSEUDONYM, 0, "--- !"), "*****");
	CHECK_SLICE(text(MASK_PSEUDONYM, 0, ""), "");
	CHECK_SLICE(mask_value(MASK_PSEUDONYM, 0, NULL, NUMERIC, -1, 0, SLICE_LIT("NaN")), "NULL");
	CHECK_SLICE(mask_value(MASK_PSEUDONYM, 0, NULL, INT4, -1, 0, SLICE_LIT("12a")), "NULL");
	CHECK_SLICE(mask_value(MASK_PSEUDONYM, 0, NULL, INT4, -1, 1, SLICE_LIT("12a")), "NULL");
	CHECK_INT(mask_value(MASK_PSEUDONYM, 0, NULL, INT8, -1, 0,
			     SLICE_LIT("-9223372036854775808")).n, 20);
	CHECK_SLICE(mask_value(MASK_PSEUDONYM, 0, NULL, INT8, -1, 0,
			       SLICE_LIT("9223372036854775808")), "NULL");
	/* text and binary agree for numeric: 1234567.8900 */
	a = mask_value(MASK_PSEUDONYM, 0, NULL, NUMERIC, -1, 0, SLICE_LIT("1234567.8900"));
	CHECK_INT(a.n, 12);
	memcpy(shown, a.p, a.n);
	shown[a.n] = 0;
	a = mask_value(MASK_FIXED, 0, shown, NUMERIC, -1, 1, SLICE_LIT(""));
	buf_put_slice(&keep, a);
	b = mask_value(MASK_PSEUDONYM, 0, NULL, NUMERIC, -1, 1,
		       slice_of("\0\3\0\1\0\0\0\4\0\173\021\327\042\304", 14));
	CHECK(slice_eq(buf_slice(&keep), b));
	/* a long text: same length, other letters, the same each time */
	memset(big, 'k', sizeof(big));
	buf_reset(&keep);
	buf_put_slice(&keep, mask_value(MASK_PSEUDONYM, 0, NULL, TEXT, -1, 0,
					slice_of(big, sizeof(big))));
	CHECK_INT(keep.n, sizeof(big));
	CHECK(!memmem(keep.p, keep.n, "kkkkk", 5));
	CHECK(slice_eq(buf_slice(&keep), mask_value(MASK_PSEUDONYM, 0, NULL, TEXT, -1, 1,
						    slice_of(big, sizeof(big)))));
	a = mask_value(MASK_PSEUDONYM, 0, NULL, UUID, -1, 0,
		       SLICE_LIT("123e4567-e89b-12d3-a456-426614174000"));
	CHECK(a.n == 36 && a.p[14] == '4' && memcmp(a.p, "123e4567", 8) != 0);
	CHECK_SLICE(mask_value(MASK_PSEUDONYM, 0, NULL, UUID, -1, 0, SLICE_LIT("123e4567")),
		    "NULL");
	buf_fini(&keep);
}

static void
keys(void)
{
	mask_key_init(&key, SLICE_LIT("policy key"));
	CHECK(key.inner[0] == ('p' ^ 0x36));
}

TEST_MAIN(TEST(keys), TEST(first_and_last_reveal_the_smaller_half),
	  TEST(partial_knows_mail_and_phones), TEST(fixed_is_a_value_of_the_type_or_null),
	  TEST(hash_is_hmac_sha256), TEST(masks_are_total), TEST(dates_keep_their_year_or_month),
	  TEST(binary_dates_keep_their_year_or_month), TEST(numbers_are_rounded),
	  TEST(binary_numbers_are_rounded), TEST(text_masks_over_random_text),
	  TEST(pseudonyms_permute), TEST(pseudonyms_of_odd_values))
