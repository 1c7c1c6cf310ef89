/* SPDX-License-Identifier: MIT */
#include "tests/unit/test.h"

#include "audit/segment.h"

static void
frame_round_trips_and_any_flip_shows(void)
{
	uint8_t bytes[64] = {0};
	struct frame f;

	frame_put(bytes, 7, FRAME_RECORD, 41, SLICE_LIT("some leaf"));
	REQUIRE(frame_get(&f, slice_of(bytes, sizeof(bytes)), 7) == FRAME_OK);
	CHECK_INT(f.index, 41);
	CHECK_INT(f.size, 40);
	CHECK_SLICE(f.payload, "some leaf");
	CHECK(frame_get(&f, slice_of(bytes, sizeof(bytes)), 8) == FRAME_BAD);
	CHECK(frame_get(&f, slice_of(bytes, 39), 7) == FRAME_BAD);
	for (size_t bit = 0; bit < 40 * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK(frame_get(&f, slice_of(bytes, sizeof(bytes)), 7) == FRAME_BAD);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
}

static void
a_mark_ends_on_a_sector_with_zeros(void)
{
	_Alignas(8) uint8_t bytes[MARK_FRAME_MAX] = {0};
	struct trailer t = {.count = 3, .size = 9, .commit_ns = 1}, got;
	struct frame f;

	for (uint64_t at = SEGMENT_HEADER_LEN; at < SEGMENT_HEADER_LEN + 1024; at += 8) {
		size_t n = mark_payload(at, TRAILER_LEN);
		struct slice payload = slice_of(bytes + FRAME_HEADER_LEN, n);

		CHECK(n >= TRAILER_LEN && n < TRAILER_LEN + SEGMENT_SECTOR);
		CHECK_INT((at + FRAME_HEADER_LEN + n) % SEGMENT_SECTOR, 0);
		memset(bytes, 0, sizeof(bytes));
		trailer_put(bytes + FRAME_HEADER_LEN, &t);
		frame_put(bytes, 7, FRAME_TRAILER, 9, payload);
		REQUIRE(frame_get(&f, slice_of(bytes, sizeof(bytes)), 7) == FRAME_OK);
		CHECK_INT(f.size, FRAME_HEADER_LEN + n);
		CHECK(trailer_get(&got, &f) && got.size == 9 && got.count == 3);
		if (n == TRAILER_LEN)
			continue;
		bytes[FRAME_HEADER_LEN + n - 1] = 1;
		frame_put(bytes, 7, FRAME_TRAILER, 9, payload);
		REQUIRE(frame_get(&f, slice_of(bytes, sizeof(bytes)), 7) == FRAME_OK);
		CHECK(!trailer_get(&got, &f));
	}
	/* A whole sector of zeros is more than it takes. */
	memset(bytes, 0, sizeof(bytes));
	trailer_put(bytes + FRAME_HEADER_LEN, &t);
	frame_put(bytes, 7, FRAME_TRAILER, 9,
		  slice_of(bytes + FRAME_HEADER_LEN, TRAILER_LEN + SEGMENT_SECTOR));
	REQUIRE(frame_get(&f, slice_of(bytes, sizeof(bytes)), 7) == FRAME_OK);
	CHECK(!trailer_get(&got, &f));
}

TEST_MAIN(TEST(frame_round_trips_and_any_flip_shows), TEST(a_mark_ends_on_a_sector_with_zeros))
