/* SPDX-License-Identifier: MIT
 *
 * What scanning a text for detectors costs: no I/O, one thread.
 *
 *   detect [ROUNDS] [--gate]    prints the best of ROUNDS (7) in GB/s, over 256 KB of each kind of
 *                               text; --gate makes it an error (exit 1) that text in which nothing
 *                               is found goes through at less than 1 GB/s
 */
#include "proto/pg/detect.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 256 << 10, REPEAT = 40 };

static const struct {
	const char *what, *text;
} texts[] = {
	{"prose",
	 "The committee met on Tuesday at noon, and after some discussion it was agreed that "
	 "the proposal should be sent to all members before the end of June. "},
	{"log lines",
	 "2026-11-25 18:40:22.123 UTC [12345] LOG: duration: 12.345 ms  statement: select "
	 "id, name from shop.orders where id = 4711 and state = 'open'\n"},
	{"numbers",
	 "17,23.50,1764095,2026-11-25,19.99,3,44120,0.07,128,9001,55.1,12,77310,8.25,640,31,"},
	{"JSON",
	 "{\"id\": 4711, \"name\": \"Ada\", \"tags\": [\"new\", \"vip\"], \"total\": 129.90, "
	 "\"at\": \"2026-11-25T18:40:22Z\", \"ok\": true}"},
	{"mail in each 100 bytes",
	 "please write to ada.lovelace@example.com, she will know what to do about "
	 "this, or call her tomorrow. "},
};

static double
best(uint32_t wanted, struct slice text, int rounds, uint64_t *hits)
{
	uint64_t least = UINT64_MAX;

	for (int r = 0; r < rounds; r++) {
		uint64_t start = clock_mono_ns(), took;

		*hits = 0;
		for (int i = 0; i < REPEAT; i++) {
			struct detect d;
			struct detect_hit h;

			detect_begin(&d, wanted, text);
			while (detect_next(&d, &h))
				++*hits;
		}
		took = clock_mono_ns() - start;
		least = took < least ? took : least;
	}
	return (double)text.n * REPEAT / (double)least;
}

int
main(int argc, char **argv)
{
	bool gate = argc > 1 && strcmp(argv[argc - 1], "--gate") == 0, slow = false;
	int rounds = argc > 1 + gate ? (int)strtol(argv[1], NULL, 10) : 7;
	char *p = malloc(SIZE);
	uint64_t hits;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		size_t n = strlen(texts[i].text);
		double all, one;

		for (size_t at = 0; at < SIZE; at++)
			p[at] = texts[i].text[at % n];
		all = best(UINT32_MAX, slice_of(p, SIZE), rounds, &hits);
		one = best(DETECTOR_BIT(CARD), slice_of(p, SIZE), rounds, &(uint64_t){0});
		slow = slow || (hits == 0 && all < 1);
		printf("%-24s all %5.2f GB/s   card %5.2f GB/s   %llu hits\n", texts[i].what, all,
		       one, (unsigned long long)hits / REPEAT);
	}
	free(p);
	return gate && slow;
}
