/* SPDX-License-Identifier: MIT
 *
 * What shadow rules would have done: each by itself, against every verdict that the rules in force
 * can come to, over one effect and over several.
 */
#include "compiler/compile.h"
#include "vm/watch.h"

#include "tests/unit/test.h"

#define HEAD                                                                                       \
	"policy p\ngroup dba = idp \"dba\"\ndata card = column cards.pan\ndata pin = column cards.pin\n"
#define HOLD " for 1 of dba not self within 5m\n"

static struct arena arena;

static const struct image *
image_of(const char *text)
{
	static const struct image_trust trust = {.allow_unsigned = true};
	struct sources sources;
	struct diag_queue q;
	struct slice s = slice_str(text);
	struct compile_options options = {.text = &s};
	struct image_error err;
	struct image *img = NULL;
	struct buf b = {0};

	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	if (compile_policy("p.weir", &arena, &q, &b, &options, NULL))
		img = image_load(&arena, buf_slice(&b), &trust, &err);
	else
		diag_report(&q);
	buf_fini(&b);
	return img;
}

static void
effect(const struct image *img, enum action a, struct watch *w, struct decision *joined)
{
	struct facts f = {0};
	struct decision d;

	facts_int(&f, FACT_ACTION, a);
	facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	f.uses_known = true;
	vm_decide(img, ENTRY_COMMAND, &f, &d);
	vm_join(joined, &d);
	watch_effect(img, ENTRY_WATCH, &f, &d, w);
}

/* What the last rule of the policy would have done to a select, or to a select and an insert. */
static int
would(const char *text, bool insert)
{
	const struct image *img;
	struct decision joined;
	struct watch w;
	int got;

	arena_init(&arena, 0);
	img = image_of(text);
	if (!img) {
		arena_fini(&arena);
		return -2;
	}
	watch_init(&w);
	vm_join_init(&joined);
	effect(img, ACTION_SQL_SELECT, &w, &joined);
	if (insert)
		effect(img, ACTION_SQL_INSERT, &w, &joined);
	got = watch_outcome(img, &w, (int) img->n_rules - 1, joined.verdict, false);
	arena_fini(&arena);
	return got;
}

static void
verdicts(void)
{
	static const struct {
		const char *rules, *shadow;
		int want;
	} cases[] = {
		{"", "allow s do sql.select", VM_ALLOW},
		{"", "hold s do sql.select" HOLD, VM_HOLD},
		{"", "deny s do sql.select", WATCH_NOTHING},
		{"", "allow s do sql.insert", WATCH_NOTHING},
		{"allow a\n", "allow s do sql.select", WATCH_NOTHING},
		{"allow a\n", "hold s do sql.select" HOLD, VM_HOLD},
		{"allow a\n", "deny s do sql.select", VM_DENY},
		{"hold h" HOLD, "allow s", WATCH_NOTHING},
		{"hold h" HOLD, "hold s" HOLD, WATCH_NOTHING},
		{"hold h" HOLD, "deny s", VM_DENY},
		{"deny d\n", "allow s", WATCH_NOTHING},
		{"deny d\n", "hold s" HOLD, WATCH_NOTHING},
		{"default allow\n", "hold s" HOLD, VM_HOLD},
		{"default allow\n", "deny s", VM_DENY},
		{"default allow\n", "allow s", WATCH_NOTHING},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf b = {0};
		int got;

		buf_printf(&b, HEAD "%sshadow %s\n", cases[i].rules, cases[i].shadow);
		buf_putc(&b, 0);
		got = would((char *) b.p, false);
		if (got != cases[i].want)
			printf("# %zu: %s%s: %d\n", i, cases[i].rules, cases[i].shadow, got);
		CHECK_INT(got, cases[i].want);
		buf_fini(&b);
	}
}

/* An allow must cover every effect that no rule in force speaks of; one held or denied effect is
 * enough. */
static void
several_effects(void)
{
	CHECK_INT(would(HEAD "shadow allow s do sql.select, sql.insert", true), VM_ALLOW);
	CHECK_INT(would(HEAD "shadow allow s do sql.insert", true), WATCH_NOTHING);
	CHECK_INT(would(HEAD "allow a do sql.select\nshadow allow s do sql.insert", true), VM_ALLOW);
	CHECK_INT(would(HEAD "allow a do sql.insert\nshadow allow s do sql.insert", true),
		  WATCH_NOTHING);
	CHECK_INT(would(HEAD "allow a\nshadow hold s do sql.insert" HOLD, true), VM_HOLD);
	CHECK_INT(would(HEAD "allow a do sql.select\nshadow hold s do sql.insert" HOLD, true),
		  VM_HOLD);
	CHECK_INT(would(HEAD "allow a do sql.insert\nshadow hold s do sql.insert" HOLD, true),
		  WATCH_NOTHING);
	CHECK_INT(would(HEAD "allow a\nshadow deny s do sql.insert", true), VM_DENY);
}

/* What the last rule would have done to one column in one place. */
static int
would_show(const char *text, uint16_t contexts)
{
	const struct data_use use = {SLICE_LIT("public"), SLICE_LIT("cards"), SLICE_LIT("pan"),
				     contexts};
	const struct image *img;
	struct decision joined, masks;
	struct facts f = {0};
	struct watch w;
	int got;

	arena_init(&arena, 0);
	img = image_of(text);
	if (!img) {
		arena_fini(&arena);
		return -2;
	}
	watch_init(&w);
	vm_join_init(&joined);
	effect(img, ACTION_SQL_SELECT, &w, &joined);
	facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	vm_decide(img, ENTRY_RESULT, &f, &masks);
	watch_use(img, &masks, &use, &w);
	watch_table(img, use.schema, use.table, &w);
	got = watch_outcome(img, &w, (int) img->n_rules - 1, joined.verdict, false);
	arena_fini(&arena);
	return got;
}

static void
masks_and_drops(void)
{
	const uint16_t out = CONTEXT_BIT(OUTPUT), order = CONTEXT_BIT(ORDER);

	CHECK_INT(would_show(HEAD "allow a\nshadow mask card with last(4)", out), VM_MASK);
	CHECK_INT(would_show(HEAD "allow a\nshadow mask card with last(4)", order), VM_DENY);
	CHECK_INT(would_show(HEAD "allow a\nshadow mask card with last(4)", out | order), VM_DENY);
	CHECK_INT(would_show(HEAD "allow a\nshadow mask card with last(4)", CONTEXT_BIT(COUNT)),
		  WATCH_NOTHING);
	CHECK_INT(would_show(HEAD "allow a\nshadow mask pin with last(4)", out), WATCH_NOTHING);
	CHECK_INT(would_show(HEAD "deny d\nshadow mask card with last(4)", out), WATCH_NOTHING);
	CHECK_INT(would_show(HEAD "allow a\nmask card with null\nshadow mask c of card with last(4)",
			     out), WATCH_NOTHING);
	CHECK_INT(would_show(HEAD "allow a\nmask card with last(4)\nshadow mask c of card with null",
			     out), VM_MASK);
	CHECK_INT(would_show(HEAD "allow a\nshadow drop x of card when row.id = 1", out), VM_DROP);
	CHECK_INT(would_show(HEAD "allow a\nshadow limit x rows 1", out), VM_LIMIT);
	CHECK_INT(would_show(HEAD "allow a\nshadow record x with strict", out), VM_RECORD);
	CHECK_INT(would_show(HEAD "deny d\nshadow record x with strict", out), VM_RECORD);
	CHECK_INT(would_show(HEAD "deny d\nshadow notify x to oncall", out), VM_NOTIFY);
	CHECK_INT(would_show(HEAD "allow a\nnotify x to oncall", out), WATCH_NOTHING);
}

/* Nothing that decides changes with a shadow rule: the code is the same. */
static void
nothing_else_changes(void)
{
	const char *plain = HEAD "allow a do sql.select\nmask card with last(4)\n";
	const char *with = HEAD "allow a do sql.select\nmask card with last(4)\n"
				"shadow deny d when sql.text matches \"*x*\"\n"
				"shadow mask m of pin with null when time.of-day < 12:00\n"
				"shadow limit l rows 1\n";
	const struct image *one, *two;

	arena_init(&arena, 0);
	one = image_of(plain);
	two = image_of(with);
	REQUIRE(one && two);
	for (int e = 0; e < ENTRY_WATCH; e++) {
		CHECK_INT(one->entry[e].cost, two->entry[e].cost);
		CHECK(one->entry[e].facts == two->entry[e].facts);
		CHECK_INT(one->entry[e].stable, two->entry[e].stable);
	}
	CHECK(!watch_has(one, ENTRY_WATCH) && watch_has(two, ENTRY_WATCH));
	CHECK(!two->entry[ENTRY_WATCH].stable && !two->has_limits);
	arena_fini(&arena);
}

TEST_MAIN(TEST(verdicts), TEST(several_effects), TEST(masks_and_drops), TEST(nothing_else_changes))
