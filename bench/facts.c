/* SPDX-License-Identifier: MIT
 *
 * What the facts of a statement cost: no I/O, one thread.
 *
 *   facts [ROUNDS] [--gate]    prints the best of ROUNDS (7): of 100 bytes whose shape is known and
 *                              whose constants are new each time, and of 200 bytes that are parsed;
 *                              --gate makes more than 400 ns and 20 us an error (exit 1)
 */
#include "sql/sql.h"
#include "sql/shape.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPEAT = 20000, MISSES = 500, HIT_NS = 400, MISS_NS = 20000, CACHE = 16 << 20 };

/* Exactly `size` bytes; numbers differ in a constant or, shaped, in the shape. */
static struct slice
statement(char out[256], size_t size, unsigned number, bool shaped)
{
	int n = shaped ? snprintf(out, 256,
				  "select o.id, o.note, p.amount, c.name as c%06u from shop.orders o join "
				  "shop.payments p on p.order_id = o.id left join shop.customers c on "
				  "c.id = o.customer_id where o.state = 'open' and o.id = %u",
				  number, number)
		       : snprintf(out, 256,
				  "select id, note, amount from shop.orders where state = 'open' and "
				  "customer_id = %06u limit 10",
				  number);

	while (n > 0 && (size_t)n < size)
		out[n++] = ' ';
	return slice_of(out, size);
}

static uint64_t
best(size_t size, bool shaped, int repeat, int rounds)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	uint64_t least = UINT64_MAX;
	char text[256];

	for (int r = 0; r < rounds; r++) {
		struct sql_cache *c = sql_cache_open(CACHE, &limits);
		uint64_t took = 0;

		/* Kept when it comes the second time. */
		sql_cache_facts(c, statement(text, size, 0, shaped));
		sql_cache_facts(c, statement(text, size, 0, shaped));
		for (int i = 1; i <= repeat; i++) {
			struct slice s = statement(text, size, (unsigned)i, shaped);
			uint64_t start = clock_mono_ns();

			sql_cache_facts(c, s);
			took += clock_mono_ns() - start;
		}
		took /= (uint64_t)repeat;
		least = took < least ? took : least;
		if (sql_cache_stats(c).misses != (shaped ? (uint64_t)repeat + 2 : 2)) {
			fprintf(stderr, "facts: these are not the hits and misses that are timed\n");
			exit(2);
		}
		sql_cache_close(c);
	}
	return least;
}

int
main(int argc, char **argv)
{
	bool gate = argc > 1 && strcmp(argv[argc - 1], "--gate") == 0;
	int rounds = argc > 1 + gate ? (int)strtol(argv[1], NULL, 10) : 7;
	uint64_t hit, miss;

	sql_shape_init();
	hit = best(100, false, REPEAT, rounds);
	miss = best(200, true, MISSES, rounds);
	printf("100 bytes, shape known  %6llu ns   at most %d\n", (unsigned long long)hit, HIT_NS);
	printf("200 bytes, parsed       %6llu ns   at most %d\n", (unsigned long long)miss, MISS_NS);
	return gate && (hit > HIT_NS || miss > MISS_NS);
}
