/* SPDX-License-Identifier: MIT
 *
 * How long wrong keys wait for their answer.
 */
#include "tests/unit/test.h"

#include "base/clock.h"
#include "session/knocks.h"

static const uint8_t V4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 7};
static const uint8_t V4_NEXT[16] = {[10] = 0xff, 0xff, 192, 0, 2, 8};
static const uint8_t V6[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1};
static const uint8_t V6_SAME[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 9, 9, 9};
static const uint8_t V6_OTHER[16] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1};

static uint64_t
wrong(struct knocks *k, const uint8_t from[16], const char *name, uint64_t at_s)
{
	unsigned failures;
	uint64_t ns = knocks_wrong(k, from, slice_str(name), at_s * NS_PER_S, &failures);

	CHECK(failures >= 1 && failures <= KNOCKS_MAX);
	return ns / NS_PER_MS;
}

static void
it_grows_to_a_bound(void)
{
	struct knocks *k = knocks_new();
	uint64_t want = KNOCKS_FIRST_MS;

	for (int i = 0; i < KNOCKS_FREE; i++)
		CHECK_INT(wrong(k, V4, "ana", 1000), 0);
	for (int i = 0; i < 100; i++) {
		CHECK_INT(wrong(k, V4, "ana", 1000), want);
		want = want * 2 < KNOCKS_LAST_MS ? want * 2 : KNOCKS_LAST_MS;
	}
	knocks_free(k);
}

static void
of_others_it_is_their_own(void)
{
	struct knocks *k = knocks_new();

	for (int i = 0; i < 100; i++) {
		(void) wrong(k, V4, "ana", 1000);
		(void) wrong(k, V6, "ana", 1000);
	}
	/* One of 4096 may share the place: not all of them do. */
	CHECK(!wrong(k, V4, "bo", 1000) || !wrong(k, V4, "cy", 1000));
	CHECK(!wrong(k, V4_NEXT, "ana", 1000) || !wrong(k, V4_NEXT, "bo", 1000));
	CHECK(!wrong(k, V6_OTHER, "ana", 1000) || !wrong(k, V6_OTHER, "bo", 1000));
	CHECK_INT(wrong(k, V6_SAME, "ana", 1000), KNOCKS_LAST_MS);
	knocks_free(k);
}

static void
it_is_forgiven(void)
{
	struct knocks *k = knocks_new();
	uint64_t now = 1000;

	for (int i = 0; i < 100; i++)
		(void) wrong(k, V4, "ana", now);
	CHECK_INT(wrong(k, V4, "ana", now + KNOCKS_FORGIVE_S - 1), KNOCKS_LAST_MS);
	now += (KNOCKS_MAX - KNOCKS_FREE) * KNOCKS_FORGIVE_S;
	CHECK_INT(wrong(k, V4, "ana", now), KNOCKS_FIRST_MS);
	/* Whoever goes on guessing slowly is forgiven no more than time has passed. */
	CHECK_INT(wrong(k, V4, "ana", now + KNOCKS_FORGIVE_S), KNOCKS_FIRST_MS);
	CHECK_INT(wrong(k, V4, "ana", now + KNOCKS_FORGIVE_S), 2 * KNOCKS_FIRST_MS);
	CHECK_INT(wrong(k, V4, "ana", now + 100 * KNOCKS_FORGIVE_S), 0);
	knocks_free(k);
}

/* Each worker has the time at which its turn began. */
static void
a_clock_that_is_behind_forgives_nothing(void)
{
	struct knocks *k = knocks_new();

	for (int i = 0; i < 100; i++)
		(void) wrong(k, V4, "ana", 1000);
	CHECK_INT(wrong(k, V4, "ana", 999), KNOCKS_LAST_MS);
	CHECK_INT(wrong(k, V4, "ana", 1000), KNOCKS_LAST_MS);
	knocks_free(k);
}

TEST_MAIN(TEST(it_grows_to_a_bound), TEST(of_others_it_is_their_own), TEST(it_is_forgiven),
	  TEST(a_clock_that_is_behind_forgives_nothing))
