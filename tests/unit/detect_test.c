/* SPDX-License-Identifier: MIT
 *
 * Detectors: chosen values, and random texts against a reference that tries every position with
 * regular expressions of the C library and knows nothing of blocks and places.
 */
#include "proto/pg/detect_mask.h"
#include "tests/unit/test.h"

#include <regex.h>

enum { TEXT_MAX = 700 };

static uint64_t
random64(void)
{
	static uint64_t s = 0x9e3779b97f4a7c15;

	s ^= s << 13;
	s ^= s >> 7;
	return s ^= s << 17;
}

static int
id_of(const char *name)
{
	return detector_find(slice_str(name));
}

/* What one detector finds, joined with '|'. */
static const char *
found(const char *name, struct slice text)
{
	static char out[4096];
	struct detect d;
	struct detect_hit h;
	size_t n = 0;

	detect_begin(&d, UINT32_C(1) << id_of(name), text);
	out[0] = 0;
	while (detect_next(&d, &h))
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%.*s", n ? "|" : "", (int)h.n,
				      (const char *)text.p + h.at);
	return out;
}

#define FINDS(name, text, want)                                                                    \
	do {                                                                                       \
		const char *got_ = found((name), slice_str(text));                                 \
		if (strcmp(got_, (want)) != 0) {                                                   \
			test_failures++;                                                           \
			printf("# %d: %s in \"%s\": \"%s\", want \"%s\"\n", __LINE__, (name),      \
			       (text), got_, (want));                                              \
		}                                                                                  \
	} while (0)

static void
cards(void)
{
	FINDS("card", "4111111111111111", "4111111111111111");
	FINDS("card", "card: 4111 1111 1111 1111.", "4111 1111 1111 1111");
	FINDS("card", "4111-1111-1111-1111", "4111-1111-1111-1111");
	FINDS("card", "378282246310005, 3782 822463 10005", "378282246310005|3782 822463 10005");
	FINDS("card", "5555555555554444 6011111111111117", "5555555555554444|6011111111111117");
	FINDS("card", "{\"a\":\"x\\n4111111111111111\"}", "4111111111111111");
	FINDS("card", "7 4111 1111 1111 1111 12", "4111 1111 1111 1111");
	FINDS("card", "4222222222222", "4222222222222");
	/* the checksum, the length, the issuer, a longer number, digits behind a point */
	FINDS("card", "4111111111111112", "");
	FINDS("card", "411111111111111", "");
	FINDS("card", "1111111111111117", "");
	FINDS("card", "04111111111111111", "");
	FINDS("card", "41111111111111110", "");
	FINDS("card", "0.4111111111111111", "");
	FINDS("card", "4111  1111 1111 1111", "");
}

static void
addresses(void)
{
	FINDS("email", "a@b.cc", "a@b.cc");
	FINDS("email", "mail ana.b+c@mail.example.org, or", "ana.b+c@mail.example.org");
	FINDS("email", "x@y.zz<p@q.rr>", "x@y.zz|p@q.rr");
	FINDS("email",
	      "jos\xc3\xa9@b\xc3\xbc"
	      "cher.example",
	      "jos\xc3\xa9@b\xc3\xbc"
	      "cher.example");
	FINDS("email", "user@localhost @example.com a@b a@.com", "");
	FINDS("email", "ends with a dot: a@b.com.", "a@b.com");
}

static void
accounts(void)
{
	FINDS("iban", "DE89370400440532013000", "DE89370400440532013000");
	FINDS("iban", "to GB29 NWBK 6016 1331 9268 19 now", "GB29 NWBK 6016 1331 9268 19");
	FINDS("iban", "fr14 2004 1010 0505 0001 3m02 606", "fr14 2004 1010 0505 0001 3m02 606");
	FINDS("iban", "NO9386011117947", "NO9386011117947");
	FINDS("iban", "MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S");
	FINDS("iban", "DE89370400440532013001", "");
	FINDS("iban", "DE8937040044053201300", "");
	FINDS("iban", "DE893704004405320130000", "");
	FINDS("iban", "XX89370400440532013000", "");
	FINDS("iban", "ADE89370400440532013000", "");
}

static void
numbers(void)
{
	FINDS("ssn", "ssn 123-45-6789!", "123-45-6789");
	FINDS("ssn", "123 45 6789", "123 45 6789");
	FINDS("ssn", "123-45 6789 000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000", "");
	FINDS("ssn", "1123-45-6789 123-45-67890 1-123-45-6789 123-45-6789-1", "");
	FINDS("phone", "+49 30 1234567", "+49 30 1234567");
	FINDS("phone", "call (212) 555-0123 or 212.555.0124", "(212) 555-0123|212.555.0124");
	FINDS("phone", "+14155552671", "+14155552671");
	FINDS("phone", "+49 30 12345678 20241", "+49 30 12345678");
	FINDS("phone", "2024-01-02 10:11:12+02 1212-555-0123 +1 2 3 4 112-555-0123x",
	      "+1 2 3 4 112-555-0123");
}

static void
secrets(void)
{
	static const char token[] = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-_x";

	FINDS("jwt", token, token);
	FINDS("jwt", "eyJx.eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
	      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln");
	FINDS("jwt", "eyJhbGciOiJIUzI1NiJ9 eyJ.a.b", "");
	FINDS("aws-key", "id=AKIAIOSFODNN7EXAMPLE;", "AKIAIOSFODNN7EXAMPLE");
	FINDS("aws-key", "AKIAIOSFODNN7EXAMPL XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLE1", "");
	FINDS("private-key", "-----BEGIN PRIVATE KEY-----\nMII", "-----BEGIN PRIVATE KEY-----");
	FINDS("private-key", "-----BEGIN OPENSSH PRIVATE KEY-----",
	      "-----BEGIN OPENSSH PRIVATE KEY-----");
	FINDS("private-key", "------BEGIN PGP PRIVATE KEY BLOCK-----",
	      "-----BEGIN PGP PRIVATE KEY BLOCK-----");
	FINDS("private-key", "-----BEGIN PUBLIC KEY----- -----BEGIN CERTIFICATE-----", "");
}

/* A hit is found wherever it lies in its blocks, with nothing readable around the text. */
static void
every_offset(void)
{
	static const char *const values[DETECTOR_COUNT] = {
		"4111 1111 1111 1111",
		"ana@example.com",
		"GB29 NWBK 6016 1331 9268 19",
		"123-45-6789",
		"+49 30 1234567",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
		"AKIAIOSFODNN7EXAMPLE",
		"-----BEGIN RSA PRIVATE KEY-----"};

	for (int w = 0; w < DETECTOR_COUNT; w++)
		for (size_t before = 0; before < 200; before++) {
			size_t n = strlen(values[w]), behind = before % 7;
			uint8_t *p = malloc(before + n + behind);
			struct detect d;
			struct detect_hit h;

			memset(p, '~' + 1, before + n + behind);
			memcpy(p + before, values[w], n);
			detect_begin(&d, UINT32_MAX, slice_of(p, before + n + behind));
			CHECK(detect_next(&d, &h) && (int)h.what == w && h.at == before &&
			      h.n == n);
			CHECK(!detect_next(&d, &h));
			free(p);
		}
}

/* ---- what is shown ----------------------------------------------------------------------------
 */

/* The value under a mask for all detectors; "NULL", or "=" when nothing was found. */
static const char *
shown(const struct mask_spec *m, uint32_t type, uint16_t format, struct slice in)
{
	static char out[512];
	struct detect_rules r = {.wanted = UINT32_MAX >> (32 - DETECTOR_COUNT)};
	struct detect_field f = detect_field_of(type, -1, format);
	struct buf b = {0};
	uint32_t found;
	enum detect_result what;

	for (int i = 0; i < DETECTOR_COUNT; i++)
		r.mask[i] = m;
	what = detect_look(&r, &f, in, &found);
	if (what == DETECT_CLEAN)
		return "=";
	if (what == DETECT_BLIND || !detect_show(&r, &f, in, found, &b)) {
		buf_fini(&b);
		return "NULL";
	}
	snprintf(out, sizeof(out), "%.*s", (int)b.n, (const char *)b.p);
	buf_fini(&b);
	return out;
}

#define SHOWS(m, type, format, in, want)                                                           \
	do {                                                                                       \
		const char *got_ = shown((m), (type), (format), (in));                             \
		if (strcmp(got_, (want)) != 0) {                                                   \
			test_failures++;                                                           \
			printf("# %d: \"%s\", want \"%s\"\n", __LINE__, got_, (want));             \
		}                                                                                  \
	} while (0)
#define S(text) slice_str(text)

static const struct mask_spec last = {.kernel = MASK_LAST, .n = 4};
static const struct mask_spec fixed = {.kernel = MASK_FIXED, .text = {(const uint8_t *)"(x)", 3}};
static const struct mask_spec none = {.kernel = MASK_NULL};
static const struct mask_spec partial = {.kernel = MASK_PARTIAL};

static void
parts_and_whole_values(void)
{
	enum { TEXT = 25, JSON = 114, INT8 = 20, NUMERIC = 1700, TEXTS = 1009, UUID = 2950 };

	SHOWS(&last, TEXT, 0, S("a 4111111111111111 b x@example.com c"),
	      "a ************1111 b *********.com c");
	SHOWS(&partial, TEXT, 1, S("to ana@example.com"), "to a**@example.com");
	SHOWS(&fixed, TEXT, 0, S("a 4111111111111111 b"), "(x)");
	SHOWS(&none, TEXT, 0, S("a 4111111111111111 b"), "NULL");
	SHOWS(&last, TEXT, 0, S("nothing"), "=");
	/* overlapping: one address, whose local part is a card */
	SHOWS(&last, TEXT, 0, S("4111111111111111@example.com."), "************************.com.");
	SHOWS(&last, JSON, 0, S("{\"a\": \"4111111111111111\", \"\\\"\": \"x@example.com\"}"),
	      "{\"a\": \"************1111\", \"\\\"\": \"*********.com\"}");
	SHOWS(&last, JSON, 0, S("{\"a\": \"4111111111111111\", \"b\": 4111111111111111}"), "NULL");
	SHOWS(&last, INT8, 0, S("4111111111111111"), "NULL");
	SHOWS(&last, INT8, 0, S("4111111111111112"), "=");
	SHOWS(&last, TEXTS, 0, S("{a,\"b 4111111111111111\"}"), "{a,\"b ************1111\"}");
	SHOWS(&last, UUID, 0, S("41111111-1111-1111-1111-111111111111"), "=");
	SHOWS(&last, 701, 0, S("4.111111111111111e+15"), "NULL");
	SHOWS(&last, 99999, 0, S("4111111111111111"), "************1111");
	SHOWS(&last, 99999, 1, S("harmless"), "NULL");
	/* A key is what stands behind its first line. */
	SHOWS(&last, TEXT, 0, S("-----BEGIN PRIVATE KEY-----MIIB"),
	      "***************************MIIB");
	SHOWS(&last, JSON, 0, S("\"-----BEGIN PRIVATE KEY-----MIIB\""), "NULL");
}

static void
binary_values(void)
{
	static const uint8_t number[] = {0, 0x0e, 0x9b, 0x08, 0xa5, 0x68, 0xf1, 0xc7};
	static const uint8_t numeric[] = {0,	4,    0, 3,    0, 0,	0, 0,
					  0x10, 0x0f, 4, 0x57, 4, 0x57, 4, 0x57};
	static const uint8_t array[] = "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\1\0\0\0\1"
				       "\0\0\0\x31"
				       "4111111111111111 is followed by as many as fit...";
	static const uint8_t record[] = "\0\0\0\2\0\0\0\x17\0\0\0\4aaaa"
					"\0\0\0\x19\0\0\0\x0d"
					"x@example.com";

	SHOWS(&last, 20, 1, slice_of(number, 8), "NULL");
	SHOWS(&last, 1700, 1, slice_of(numeric, sizeof(numeric)), "NULL");
	SHOWS(&last, 1700, 1, slice_of(numeric, 10), "NULL"); /* malformed */
	SHOWS(&last, 1009, 1, slice_of(array, sizeof(array) - 1), "NULL");
	SHOWS(&last, 2249, 1, slice_of(record, sizeof(record) - 1), "NULL");
	SHOWS(&last, 2249, 1, slice_of(record, sizeof(record) - 3), "NULL"); /* cut */
	SHOWS(&last, 3802, 1, S("\1{\"a\": \"4111111111111111\"}"),
	      "\1{\"a\": \"************1111\"}");
	for (size_t n = 0; n < sizeof(array) - 1; n++)
		(void)shown(&last, 1009, 1, slice_of(array, n));
}

/* ---- the reference --------------------------------------------------------------------------- */

static regex_t shapes[DETECTOR_COUNT];

static void
compile_shapes(void)
{
	static const char *const text[DETECTOR_COUNT] = {
		"^[2-6]([ -]?[0-9]){12,18}$",
		"^[-0-9A-Za-z!#$%&'*+/"
		"=?^_`{|}~.\x80-\xff]{1,64}@([-0-9A-Za-z\x80-\xff]+\\.)+[A-Za-z\x80-\xff]{2,}$",
		"^[A-Za-z]{2}[0-9]{2}([ -]?[0-9A-Za-z]){11,30}$",
		"^([0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4})$",
		"^(\\+[1-9]([ ().-]{0,2}[0-9]){6,14}|(\\([2-9][0-9]{2}\\) ?|[2-9][0-9]{2}[ "
		".-])[2-9][0-9]{2}[ .-][0-9]{4})$",
		"^eyJ[-_0-9A-Za-z]{7,}\\.[-_0-9A-Za-z]+\\.[-_0-9A-Za-z]*$",
		"^A(KI|SI|BI|CC)A[0-9A-Z]{16}$",
		"^-----BEGIN ([0-9A-Z]+ ){0,4}PRIVATE KEY( BLOCK)?-----$"};

	for (int i = 0; i < DETECTOR_COUNT; i++)
		if (regcomp(&shapes[i], text[i], REG_EXTENDED | REG_NOSUB) != 0)
			abort();
}

static bool
digit_at(const char *s, size_t n, size_t i)
{
	return i < n && s[i] >= '0' && s[i] <= '9';
}

static bool
luhn(const char *digits)
{
	size_t n = strlen(digits);
	int sum = 0;

	for (size_t i = 0; i < n; i++) {
		int v = digits[n - 1 - i] - '0';

		v = i % 2 ? v * 2 : v;
		sum += v / 10 + v % 10;
	}
	return sum % 10 == 0;
}

static bool
card_is(const char *s, size_t len)
{
	char digits[64] = "";
	size_t n = 0;
	long head;
	bool known;

	for (size_t i = 0; i < len; i++)
		if (digit_at(s, len, i))
			digits[n++] = s[i];
	digits[n] = 0;
	head = strtol((char[]){digits[0], digits[1], digits[2], digits[3], 0}, NULL, 10);
	known = head / 1000 == 4 ? n == 13 || n == 16 || n == 19
		: (head >= 5100 && head < 5600) || (head >= 2221 && head <= 2720) ? n == 16
		: head / 100 == 34 || head / 100 == 37				  ? n == 15
		: head / 100 == 36 || head / 100 == 38 || head / 100 == 39 || head / 10 <= 305
			? (head >= 3000 && n >= 14)
		: head >= 3528 && head <= 3589 ? n >= 16
					       : head / 100 == 50 || head >= 5600;
	return known && luhn(digits);
}

/* Digit by digit of the rearranged number, as ISO 7064 has it. */
static bool
iban_is(const char *s, size_t len)
{
	char turned[64];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < len; i++)
		if (s[i] != ' ' && s[i] != '-')
			turned[n++] = (char)(s[i] >= 'a' ? s[i] - 32 : s[i]);
	for (size_t i = 0; i < n; i++) {
		char c = turned[(i + 4) % n];

		r = digit_at(&c, 1, 0) ? (r * 10 + c - '0') % 97 : (r * 100 + c - 'A' + 10) % 97;
	}
	return r == 1 && ((memcmp(turned, "DE", 2) == 0 && n == 22) ||
			  (memcmp(turned, "GB", 2) == 0 && n == 22) ||
			  (memcmp(turned, "NO", 2) == 0 && n == 15));
}

static bool
alone(const char *s, size_t n, size_t at, size_t end)
{
	if (at &&
	    (digit_at(s, n, at - 1) || (s[at - 1] == '-' && at > 1 && digit_at(s, n, at - 2))))
		return false;
	return !(digit_at(s, n, end) || (end < n && s[end] == '-' && digit_at(s, n, end + 1)));
}

static bool
capital_at(const char *s, size_t n, size_t i)
{
	return i < n && ((s[i] >= 'A' && s[i] <= 'Z') || digit_at(s, n, i));
}

static bool
alnum_at(const char *s, size_t n, size_t i)
{
	return capital_at(s, n, i) || (i < n && s[i] >= 'a' && s[i] <= 'z');
}

/* May s[at..end), which has the shape, stand where it does? */
static bool
stands(int what, const char *s, size_t n, size_t at, size_t end)
{
	switch (what) {
	case DETECTOR_CARD:
		return !(at && digit_at(s, n, at - 1)) && !digit_at(s, n, end) &&
		       !(at > 1 && s[at - 1] == '.' && digit_at(s, n, at - 2)) &&
		       card_is(s + at, end - at);
	case DETECTOR_IBAN:
		return !(at && capital_at(s, n, at - 1)) && !alnum_at(s, n, end) &&
		       iban_is(s + at, end - at);
	case DETECTOR_SSN:
		return alone(s, n, at, end) && s[at] != '9' && memcmp(s + at, "000", 3) &&
		       memcmp(s + at, "666", 3) && memcmp(s + at + 4, "00", 2) &&
		       memcmp(s + at + 7, "0000", 4);
	case DETECTOR_PHONE:
		return s[at] == '+' ? !(at && digit_at(s, n, at - 1)) && !digit_at(s, n, end)
				    : alone(s, n, at, end);
	case DETECTOR_AWS_KEY:
		return !(at && capital_at(s, n, at - 1)) && !alnum_at(s, n, end);
	default:
		return true;
	}
}

static bool
has_shape(int what, const char *s, size_t n)
{
	char copy[TEXT_MAX + 1];

	memcpy(copy, s, n);
	copy[n] = 0;
	return regexec(&shapes[what], copy, 0, NULL, 0) == 0;
}

/* The first match at or behind `from`: of those that begin there, the longest. */
static bool
reference(int what, const char *s, size_t n, size_t from, size_t *at, size_t *len)
{
	for (size_t i = from; i < n; i++)
		for (size_t e = n; e > i + 5; e--)
			if ((e - i < 45 || what == DETECTOR_JWT || what == DETECTOR_EMAIL) &&
			    has_shape(what, s + i, e - i) && stands(what, s, n, i, e)) {
				*at = i;
				*len = e - i;
				return true;
			}
	return false;
}

/* Pieces of what is looked for, whole or spoilt, among what stands around such things. */
static const char *const whole[DETECTOR_COUNT] = {
	"4111 1111 1111 1111",	"ana@example.com",
	"NO9386011117947",	"123-45-6789",
	"+49 30 1234567",	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
	"AKIAIOSFODNN7EXAMPLE", "-----BEGIN PRIVATE KEY-----"};
static const char *const pieces[] = {"4111111111111111",
				     "4111 1111 1111 1111",
				     "3782-822463-10005",
				     "41111111",
				     "6011",
				     "ana@example.com",
				     "x.y+z",
				     "@",
				     ".example.org",
				     "b\xc3\xbc",
				     "DE89370400440532013000",
				     "GB29 NWBK 6016 1331 9268 19",
				     "NO9386011117947",
				     "DE89",
				     "0123",
				     "123-45-6789",
				     "123 45 6789",
				     "-45-6789",
				     "+49 30 1234567",
				     "(212) 555-0123",
				     "212-555-0123",
				     "+",
				     "(",
				     "eyJhbGciOiJIUzI1NiJ9",
				     ".eyJzdWIiOiIxIn0",
				     ".c2ln",
				     "eyJ",
				     "AKIAIOSFODNN7EXAMPLE",
				     "ASIA",
				     "AKIA",
				     "-----BEGIN ",
				     "RSA ",
				     "PRIVATE KEY",
				     "-----",
				     " BLOCK",
				     "5",
				     "77",
				     " ",
				     "  ",
				     "-",
				     ".",
				     ",",
				     "\\n",
				     "n",
				     "A",
				     "word",
				     "\t",
				     "_",
				     "Z9"};

static size_t
random_text(int what, char *out, size_t max)
{
	size_t n = 0, want = 1 + random64() % 14;

	for (size_t i = 0; i < want; i++) {
		const char *p =
			random64() % 6 ? pieces[random64() % COUNT_OF(pieces)] : whole[what];
		size_t len = strlen(p);

		if (random64() % 5 == 0)
			len = random64() % (len + 1);
		if (n + len > max)
			break;
		memcpy(out + n, p, len);
		if (len && random64() % 9 == 0)
			out[n + random64() % len] = (char)(33 + random64() % 94);
		n += len;
	}
	return n;
}

static void
against_reference(void)
{
	char text[TEXT_MAX];
	unsigned hits = 0;

	compile_shapes();
	for (int round = 0; round < 4000 && test_failures < 5; round++) {
		int what = round % DETECTOR_COUNT;
		size_t n = random_text(what, text, 110), at = 0, len = 0, from = 0;
		struct detect d;
		struct detect_hit h = {0};
		bool want, got;

		detect_begin(&d, UINT32_C(1) << what, slice_of(text, n));
		do {
			want = reference(what, text, n, from, &at, &len);
			got = detect_next(&d, &h);
			hits += want;
			if (want != got || (want && (h.at != at || h.n != len))) {
				test_failures++;
				printf("# %s in \"%.*s\": %d at %zu+%zu, want %d at %zu+%zu\n",
				       detector_info[what].name, (int)n, text, got, h.at, h.n, want,
				       at, len);
				break;
			}
			from = at + len;
		} while (want);
	}
	CHECK(hits > 500);
}

/* Texts that make a scan go over the same bytes again and again if anything does. */
static void
stays_linear(void)
{
	static const char *const bad[] = {
		"eyJ",	       "eyJ.", "a@",   "@a.",		"4-",  "4 ", "4", "+1 ", "(2", "-B",
		"-----BEGIN ", "AAA",  "AB12", "eyJaaaaaaaa.a", "a.a@"};
	enum { SIZE = 4 << 20 };
	char *p = malloc(SIZE);

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		size_t n = strlen(bad[i]);
		struct detect d;
		struct detect_hit h;

		for (size_t k = 0; k + n <= SIZE; k += n)
			memcpy(p + k, bad[i], n);
		detect_begin(&d, UINT32_MAX, slice_of(p, SIZE / n * n));
		while (detect_next(&d, &h))
			CHECK(h.n > 0);
	}
	free(p);
}

TEST_MAIN({"cards", cards}, {"addresses", addresses}, {"accounts", accounts}, {"numbers", numbers},
	  {"secrets", secrets}, {"parts and whole values", parts_and_whole_values},
	  {"binary values", binary_values}, {"every offset", every_offset},
	  {"against a reference", against_reference}, {"stays linear", stays_linear})
