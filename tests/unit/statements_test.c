/* SPDX-License-Identifier: MIT
 *
 * The map of portals over the ends of transactions: what outlives them stays and is found, all else
 * is gone, and so is the memory that many took. Names are hashed with a seed of the process, so
 * that each run has other runs of places.
 */
#include "gate/statements.h"
#include "sql/shape.h"
#include "test.h"

#include <stdio.h>

static struct sql_cache *cache;
static size_t bytes;

static struct slice
name_of(unsigned i, char text[20])
{
	snprintf(text, 20, "p%u", i);
	return slice_str(text);
}

static struct portal *
portal(unsigned i, bool outlives)
{
	const struct sql_facts *f = sql_cache_facts(cache, SLICE_LIT("select 1"));
	struct pg_formats formats = {0};
	struct statement *st;
	struct portal *p;
	char text[20];

	sql_facts_hold(f);
	st = statement_new((struct slice){0}, SLICE_LIT("select 1"), (struct slice){0}, f);
	p = portal_new(i ? name_of(i, text) : (struct slice){0}, st, (struct slice){0}, &formats);
	statement_unref(st);
	object_count(&p->object, &bytes);
	p->outlives_transaction = outlives;
	return p;
}

static void
open_cache(void)
{
	struct sql_limits limits = SQL_LIMITS_DEFAULT;

	sql_shape_init();
	bytes = 0;
	cache = sql_cache_open(1 << 20, &limits);
}

static void
some_outlive_their_transaction(void)
{
	struct name_map m = {0};
	char text[20];

	open_cache();
	for (unsigned round = 0; round < 50; round++) {
		unsigned n = round * 7 % 200, kept = 0;

		for (unsigned i = 0; i <= n; i++)
			CHECK(names_put(&m, &portal(i, i % 5 == 3)->object, PORTALS_MAX));
		portals_end_transaction(&m);
		for (unsigned i = 0; i <= n; i++) {
			bool found = names_get(&m, i ? name_of(i, text) : (struct slice){0});

			CHECK(found == (i % 5 == 3));
			kept += found;
		}
		CHECK_INT(m.n, kept);
		portals_end_transaction(&m);
		CHECK_INT(m.n, kept);
		for (unsigned i = 3; i <= n; i += 5)
			names_drop(&m, name_of(i, text));
		CHECK_INT(m.n, 0);
		CHECK_INT(bytes, 0);
		portals_end_transaction(&m);
		CHECK(m.cap <= 8);
	}
	names_clear(&m);
	sql_cache_close(cache);
}

/* The unnamed portal of one transaction after another takes no memory anew. */
static void
one_portal_after_another_keeps_its_place(void)
{
	struct name_map m = {0};
	struct object **slots;

	open_cache();
	CHECK(names_put(&m, &portal(0, false)->object, PORTALS_MAX));
	slots = m.slot;
	for (int i = 0; i < 10; i++) {
		portals_end_transaction(&m);
		CHECK_INT(m.n, 0);
		CHECK_INT(bytes, 0);
		CHECK(names_put(&m, &portal(0, false)->object, PORTALS_MAX));
		CHECK(m.slot == slots);
	}
	names_clear(&m);
	sql_cache_close(cache);
}

TEST_MAIN(TEST(some_outlive_their_transaction), TEST(one_portal_after_another_keeps_its_place))
