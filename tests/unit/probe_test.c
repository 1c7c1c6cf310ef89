/* SPDX-License-Identifier: MIT
 *
 * What the parser says of half-written texts: which tokens could follow, which words are keywords.
 */
#include "compiler/probe.h"

#include "policy.h"
#include "test.h"

static bool
may(const char *text, int code)
{
	struct arena arena;
	struct probe p;
	bool yes;

	arena_init(&arena, 0);
	probe_text(&arena, slice_str(text), &p);
	yes = p.may[code];
	arena_fini(&arena);
	return yes;
}

static void
what_may_follow(void)
{
	CHECK(may("", TK_POLICY) && may("", TK_ALLOW) && !may("", TK_WHO) && !may("", TK_NAME));
	CHECK(may("allow ", TK_NAME) && !may("allow ", TK_WHO) && !may("allow ", TK_STRING));
	CHECK(may("allow a", TK_STRING) && may("allow a", TK_WHO) && may("allow a", TK_DENY));
	CHECK(!may("allow a", TK_AND) && may("allow a when b", TK_AND));
	CHECK(may("allow a who b", TK_COMMA) && may("allow a who b", TK_WHEN));
	CHECK(may("allow a when ", TK_NOT) && may("allow a when ", TK_NAME));
	CHECK(may("test \"x\" ", TK_EXPECT) && !may("test \"x\" ", TK_WHO));
	CHECK(may("allow = who a\n", TK_WHO)); /* after a mistake too */
}

static void
keywords_and_names(void)
{
	static const bool want[] = {true, false, true, false, false, false, true, false};
	struct arena arena;
	struct probe p;

	/* allow who who deny , allow # deny deny when */
	arena_init(&arena, 0);
	probe_text(&arena, SLICE_LIT("allow who who deny, allow # deny\ndeny when"), &p);
	REQUIRE(p.n == COUNT_OF(want) + 2);
	for (size_t i = 0, k = 0; i + 1 < p.n; i++)
		if (p.v[i].code != TK_COMMA)
			CHECK_INT(p.word[i], want[k++]);
	arena_fini(&arena);
}

static void
clauses_of_rules(void)
{
	CHECK(probe_rule_takes(TK_HOLD, TK_FOR) && !probe_rule_takes(TK_ALLOW, TK_FOR));
	CHECK(probe_rule_takes(TK_MASK, TK_WITH) && !probe_rule_takes(TK_DROP, TK_WITH));
	CHECK(probe_rule_takes(TK_LIMIT, TK_BYTES) && !probe_rule_takes(TK_HOLD, TK_BYTES));
	CHECK(probe_rule_takes(TK_DENY, TK_WHEN) && probe_rule_takes(TK_LIMIT, TK_WHO));
}

TEST_MAIN(TEST(what_may_follow), TEST(keywords_and_names), TEST(clauses_of_rules))
