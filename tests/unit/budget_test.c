/* SPDX-License-Identifier: MIT
 *
 * Budgets: never more than the maximum in any span, wherever it begins; never lost for longer than
 * a span and a slice; exact when several threads take at once.
 */
#include "base/clock.h"
#include "gate/limits.h"

#include "tests/unit/test.h"

#include <pthread.h>

#define HOUR (3600 * NS_PER_S)
#define SLICE (HOUR / 32)

static void
takes_what_is_left(void)
{
	struct budget *b = budget_new(HOUR);

	CHECK_INT(budget_take(b, 100, 60, HOUR), 60);
	CHECK_INT(budget_wait(b, 100, HOUR), 0);
	CHECK_INT(budget_take(b, 100, 60, HOUR), 40);
	CHECK_INT(budget_take(b, 100, 1, HOUR + 1), 0);
	CHECK_INT(budget_wait(b, 100, HOUR), 33 * SLICE);
	/* A larger maximum is larger at once, a smaller one smaller. */
	CHECK_INT(budget_take(b, 110, 60, HOUR + 2), 10);
	CHECK_INT(budget_take(b, 50, 1, HOUR + 3), 0);
	budget_give_back(b, 30, HOUR + 4);
	CHECK_INT(budget_take(b, 100, 60, HOUR + 5), 20);
	budget_unref(b);
}

static void
comes_back(void)
{
	struct budget *b = budget_new(HOUR);
	uint64_t now = 10 * HOUR;

	CHECK_INT(budget_take(b, 10, 4, now), 4);
	CHECK_INT(budget_take(b, 10, 6, now + 16 * SLICE), 6);
	CHECK_INT(budget_wait(b, 10, now + 20 * SLICE), 13 * SLICE);
	CHECK_INT(budget_take(b, 10, 9, now + 33 * SLICE - 1), 0);
	CHECK_INT(budget_take(b, 10, 9, now + 33 * SLICE), 4);
	CHECK_INT(budget_take(b, 10, 9, now + 49 * SLICE), 6);
	/* A clock that is a turn behind changes nothing. */
	CHECK_INT(budget_take(b, 10, 9, now), 0);
	CHECK_INT(budget_take(b, 10, 9, now + 1000 * HOUR), 9);
	budget_unref(b);
}

/* Takes at random times, and looks back over every span that ends at a take. */
static void
no_span_sees_more(void)
{
	enum { TAKES = 4000, MAX = 500 };
	static uint64_t at[TAKES], got[TAKES];
	struct budget *b = budget_new(HOUR);
	uint64_t now = HOUR, x = 88172645463325252u, total = 0;

	for (int i = 0; i < TAKES; i++) {
		uint64_t sum = 0;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		now += x % (HOUR / 50);
		at[i] = now;
		got[i] = budget_take(b, MAX, x >> 32 & 63, now);
		total += got[i];
		for (int k = i; k >= 0 && at[k] + HOUR > now; k--)
			sum += got[k];
		CHECK(sum <= MAX);
	}
	/* And it is not simply shut: over the whole time most of what was possible was given. */
	CHECK(total > (now - HOUR) / HOUR * MAX * 8 / 10);
	budget_unref(b);
}

static void *
taker(void *arg)
{
	struct budget *b = arg;
	uint64_t got = 0;

	for (int i = 0; i < 20000; i++) {
		uint64_t n = budget_take(b, 50000, 3, HOUR + (uint64_t) i);

		got += n;
		if (i % 5 == 0 && n) {
			budget_give_back(b, 1, HOUR + (uint64_t) i);
			got--;
		}
	}
	return (void *) (uintptr_t) got;
}

static void
threads(void)
{
	struct budget *b = budget_new(HOUR);
	pthread_t t[4];
	uint64_t sum = 0;
	void *got;

	for (size_t i = 0; i < COUNT_OF(t); i++)
		CHECK_INT(pthread_create(&t[i], NULL, taker, b), 0);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		pthread_join(t[i], &got);
		sum += (uintptr_t) got;
	}
	CHECK_INT(sum, 50000);
	budget_unref(b);
}

/* Back from a file, later, maybe on a clock that began again: all that can still count does,
 * and nothing for longer than two slices more. */
static void
comes_back_after_a_restart(void)
{
	const uint64_t slice = HOUR / 32, saved_at = 100 * HOUR + slice / 3;

	for (uint64_t later = 0; later < HOUR + 4 * slice; later += slice / 2) {
		for (uint64_t now = 5; now < 300 * HOUR; now += 299 * HOUR) {
			struct budget *b = budget_new(HOUR), *c = budget_new(HOUR);
			uint64_t taken[BUDGET_RING], began;

			CHECK_INT(budget_take(b, 100, 70, saved_at), 70);
			began = budget_save(b, taken, saved_at);
			CHECK(began <= saved_at && saved_at - began < slice);
			CHECK(!budget_is_full(b, saved_at));
			CHECK(budget_is_full(c, now));
			budget_load(c, taken, saved_at - began + later, now);
			if (later < HOUR)
				CHECK_INT(budget_take(c, 100, 100, now), 30);
			if (later >= HOUR + 3 * slice)
				CHECK_INT(budget_take(c, 100, 100, now), 100);
			CHECK_INT(budget_take(c, 100, 100, now + HOUR + 3 * slice), 100);
			budget_unref(b);
			budget_unref(c);
		}
	}
}

static void
exhausted(void)
{
	struct budget *b = budget_new(HOUR);

	budget_exhaust(b, 7);
	CHECK_INT(budget_take(b, UINT64_C(1) << 50, 1, 7 + HOUR - HOUR / 32), 0);
	CHECK(budget_wait(b, 5, 7) >= HOUR);
	CHECK_INT(budget_take(b, 5, 5, 7 + HOUR + HOUR / 16), 5);
	budget_unref(b);
}

TEST_MAIN(TEST(comes_back_after_a_restart), TEST(exhausted),
	  TEST(takes_what_is_left), TEST(comes_back), TEST(no_span_sees_more), TEST(threads))
