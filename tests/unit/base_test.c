/* SPDX-License-Identifier: MIT */
#include "tests/unit/test.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/cbor.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/utf8.h"

static void
sha256_matches_fips_vector(void)
{
	uint8_t d[SHA256_LEN];
	struct buf hex = {0};

	sha256(d, SLICE_LIT("abc"));
	hex_put(&hex, slice_of(d, sizeof(d)));
	CHECK_SLICE(buf_slice(&hex),
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	buf_fini(&hex);
}

static void
ed25519_signs_and_refuses(void)
{
	uint8_t seed[ED25519_SEED_LEN] = {7}, pub[ED25519_PUB_LEN], sig[ED25519_SIG_LEN];

	ed25519_public(pub, seed);
	ed25519_sign(sig, seed, SLICE_LIT("head"));
	CHECK(ed25519_verify(sig, pub, SLICE_LIT("head")));
	CHECK(!ed25519_verify(sig, pub, SLICE_LIT("heaD")));
	sig[3] ^= 1;
	CHECK(!ed25519_verify(sig, pub, SLICE_LIT("head")));
}

static void
base64_is_strict(void)
{
	static const char *const bad[] = {"QQ=", "QQ==\n", "QR==", "Q===", "=QQ=", "QQ==QQ=="};
	struct buf b = {0};

	base64_put(&b, SLICE_LIT("A"));
	CHECK_SLICE(buf_slice(&b), "QQ==");
	buf_reset(&b);
	CHECK(base64_get(&b, SLICE_LIT("QUJD")));
	CHECK_SLICE(buf_slice(&b), "ABC");
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		CHECK(!base64_get(&b, slice_str(bad[i])));
	buf_fini(&b);
}

static void
cbor_round_trips(void)
{
	static const int64_t ints[] = {0, 23, 24, 255, 256, 65535, 65536, INT64_MAX, -1, -25, -300};
	struct buf b = {0};
	struct cbor_reader r;
	int64_t last = -1;

	cbor_map(&b, 2);
	cbor_uint(&b, 1);
	cbor_array(&b, COUNT_OF(ints));
	for (size_t i = 0; i < COUNT_OF(ints); i++)
		cbor_int(&b, ints[i]);
	cbor_uint(&b, 9);
	cbor_text(&b, SLICE_LIT("weir"));
	cbor_reader_init(&r, buf_slice(&b));
	CHECK_INT(cbor_get_map(&r, 8), 2);
	CHECK_INT(cbor_map_key(&r, &last), 1);
	CHECK_INT(cbor_get_array(&r, 64), COUNT_OF(ints));
	for (size_t i = 0; i < COUNT_OF(ints); i++)
		CHECK_INT(cbor_get_int(&r), ints[i]);
	CHECK_INT(cbor_map_key(&r, &last), 9);
	CHECK_SLICE(cbor_get_text(&r), "weir");
	CHECK(cbor_done(&r));
	buf_fini(&b);
}

static void
cbor_refuses_what_it_would_not_write(void)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
		{"\x18\x17", 2},         /* 23 in two bytes */
		{"\x19\x00\xff", 3},     /* 255 in three */
		{"\x5f\x41\x61\xff", 4}, /* indefinite string */
		{"\xf6", 1},             /* null */
		{"\xc0\x00", 2},         /* tag */
		{"\xf9\x00\x00", 3},     /* float */
		{"\x43\x61", 2},         /* string longer than input */
		{"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", 9}, /* 2^64-1 elements */
		{"\x1b\x00", 2},         /* truncated head */
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct cbor_reader r;

		cbor_reader_init(&r, slice_of(bad[i].bytes, bad[i].n));
		cbor_skip(&r);
		CHECK(!cbor_done(&r));
		CHECK(r.error != NULL);
	}
}

static void
arena_limits_and_resets(void)
{
	struct arena a;
	uint8_t *p;

	arena_init(&a, 10000);
	p = arena_try_alloc(&a, 9000);
	CHECK(p && p[8999] == 0);
	CHECK(arena_try_alloc(&a, 2000) == NULL);
	memset(p, 0xff, 9000);
	arena_reset(&a);
	p = arena_try_alloc(&a, 9000);
	CHECK(p && p[0] == 0 && p[8999] == 0);
	arena_fini(&a);
}

static void
what_a_terminal_obeys_is_made_visible(void)
{
	struct buf b = {0};

	buf_put_visible(&b, SLICE_LIT("a\"\\\t\n\x1b\xc3\xa9\xff\xe2\x80\xae"));
	CHECK_SLICE(buf_slice(&b), "a\"\\\t\\u000a\\u001b\xc3\xa9\\ufffd\\u202e");
	buf_fini(&b);
}

static void
json_strings_escape_what_is_not_text(void)
{
	struct buf b = {0};

	/* Behind what is no UTF-8: U+009B, U+202E, U+2028, U+1F600, U+E0041. */
	buf_json_string(&b, SLICE_LIT("a\"\\\n\x01\xc3\xa9\xff\xed\xa0\x80\xc2\x9b\xe2\x80\xae"
				      "\xe2\x80\xa8\xf0\x9f\x98\x80\xf3\xa0\x81\x81"));
	CHECK_SLICE(buf_slice(&b), "\"a\\\"\\\\\\n\\u0001\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd"
				   "\\u009b\\u202e\\u2028\xf0\x9f\x98\x80\\udb40\\udc41\"");
	buf_fini(&b);
}

static void
buf_over_its_limit_is_failed(void)
{
	struct buf b = {.limit = 8};

	buf_puts(&b, "12345678");
	CHECK(!b.failed);
	buf_putc(&b, '9');
	CHECK(b.failed && b.n == 8);
	buf_fini(&b);
}

static void
clock_formats_utc(void)
{
	char t[28];

	clock_format(UINT64_C(1795514523123456789), t);
	CHECK_SLICE(slice_str(t), "2026-11-24T10:02:03.123456Z");
}

/* What is not ASCII is found at every place of every length, and judged there. */
static void
utf8_is_looked_at_to_its_end(void)
{
	for (size_t n = 0; n < 40; n++) {
		char text[41];

		memset(text, 'a', sizeof(text));
		CHECK(utf8_valid(slice_of(text, n)));
		for (size_t i = 0; i < n; i++) {
			text[i] = (char) 0x80;
			CHECK(!utf8_valid(slice_of(text, n)));
			text[i] = (char) 0xc3;
			text[i + 1] = (char) 0xa9; /* of the last, outside */
			CHECK(utf8_valid(slice_of(text, n)) == (i + 1 < n));
			text[i] = text[i + 1] = 'a';
		}
	}
}

TEST_MAIN(TEST(sha256_matches_fips_vector), TEST(ed25519_signs_and_refuses), TEST(base64_is_strict),
	  TEST(cbor_round_trips), TEST(cbor_refuses_what_it_would_not_write),
	  TEST(arena_limits_and_resets), TEST(json_strings_escape_what_is_not_text),
	  TEST(what_a_terminal_obeys_is_made_visible), TEST(utf8_is_looked_at_to_its_end),
	  TEST(buf_over_its_limit_is_failed), TEST(clock_formats_utc))
