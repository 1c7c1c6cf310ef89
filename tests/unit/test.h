/* SPDX-License-Identifier: MIT
 *
 * A unit test is one program that prints TAP. TEST_MAIN(a, b, c) runs the functions in order;
 * CHECK records a failure and goes on, REQUIRE leaves the test.
 */
#ifndef WEIR_TESTS_TEST_H
#define WEIR_TESTS_TEST_H

#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_failures;

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			test_failures++;                                                          \
			printf("# %s:%d: CHECK(%s)\n", __FILE__, __LINE__, #cond);                \
		}                                                                                 \
	} while (0)

#define REQUIRE(cond)                                                                             \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			test_failures++;                                                          \
			printf("# %s:%d: REQUIRE(%s)\n", __FILE__, __LINE__, #cond);              \
			return;                                                                   \
		}                                                                                 \
	} while (0)

#define CHECK_INT(got, want)                                                                      \
	do {                                                                                      \
		long long got_ = (long long) (got), want_ = (long long) (want);                   \
		if (got_ != want_) {                                                              \
			test_failures++;                                                          \
			printf("# %s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #got, got_, \
			       want_);                                                            \
		}                                                                                 \
	} while (0)

/* got: struct slice, want: C string */
#define CHECK_SLICE(got, want)                                                                    \
	do {                                                                                      \
		struct slice got_ = (got);                                                        \
		if (!slice_is(got_, (want))) {                                                    \
			test_failures++;                                                          \
			printf("# %s:%d: %s is \"%.*s\", want \"%s\"\n", __FILE__, __LINE__, #got, \
			       SLICE_ARG(got_), (want));                                          \
		}                                                                                 \
	} while (0)

struct test_case {
	const char *name;
	void (*run)(void);
};

static inline int
test_run(const struct test_case *tests, int n)
{
	int failed = 0;

	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		test_failures = 0;
		tests[i].run();
		printf("%sok %d - %s\n", test_failures ? "not " : "", i + 1, tests[i].name);
		fflush(stdout);
		failed += test_failures != 0;
	}
	return failed != 0;
}

#define TEST(name) {#name, name}
#define TEST_MAIN(...)                                                                            \
	int main(void)                                                                            \
	{                                                                                         \
		static const struct test_case tests[] = {__VA_ARGS__};                            \
		return test_run(tests, (int) (sizeof(tests) / sizeof(tests[0])));                 \
	}

#endif
