/* SPDX-License-Identifier: MIT
 *
 * The parts below the decision diagrams: classes of strings, the diagrams themselves, and what a
 * large policy costs. That diagrams and machine agree is tests/diff's to say.
 */
#include "base/clock.h"
#include "compiler/compile.h"
#include "compiler/cover.h"
#include "compiler/diagram.h"
#include "compiler/witness.h"
#include "vm/match.h"

#include "tests/unit/test.h"

static const struct pattern overlapping[] = {
	{.text = SLICE_LIT("app.orders")},
	{.text = SLICE_LIT("a")},
	{.text = SLICE_LIT("app.*"), .glob = true},
	{.text = SLICE_LIT("*.orders"), .glob = true},
	{.text = SLICE_LIT("*s*o*"), .glob = true},
	{.text = SLICE_LIT("a*"), .glob = true},
	{.text = SLICE_LIT("*a"), .glob = true},
	{.text = SLICE_LIT("a*a"), .glob = true},
	{.text = SLICE_LIT("")},
};

static bool
same_matches(struct slice a, struct slice b)
{
	for (size_t i = 0; i < COUNT_OF(overlapping); i++) {
		const struct pattern *p = &overlapping[i];
		bool x = p->glob ? match_glob(p->text, a) : slice_eq(p->text, a);
		bool y = p->glob ? match_glob(p->text, b) : slice_eq(p->text, b);

		if (x != y)
			return false;
	}
	return true;
}

/* Every string of up to five of these letters is in the class whose own string matches the same. */
static void
every_string_has_its_class(void)
{
	static const char letters[] = "ao.srx";
	struct arena arena;
	struct partition *p;
	size_t seen[64] = {0}, n = 0;

	arena_init(&arena, 0);
	p = partition_new(&arena, overlapping, COUNT_OF(overlapping), PARTITION_STRINGS);
	REQUIRE(p && p->n <= 64);
	for (uint32_t code = 0; code < 6 * 7 * 7 * 7 * 7; code++) {
		char s[8];
		size_t len = 0, class;

		for (uint32_t c = code; c; c /= 7)
			if (c % 7)
				s[len++] = letters[c % 7 - 1];
		class = partition_find(p, slice_of(s, len));
		CHECK(same_matches(p->classes[class].text, slice_of(s, len)));
		seen[class]++;
	}
	for (size_t i = 0; i < p->n; i++) {
		CHECK_INT(partition_find(p, p->classes[i].text), i);
		n += seen[i] > 0;
		for (size_t k = 0; k < i; k++)
			CHECK(!same_matches(p->classes[i].text, p->classes[k].text));
	}
	CHECK_INT(n, 10);
	arena_fini(&arena);
}

/* `a*` and `*a` without `a*a` is "a" alone, and a constant has it. */
static void
a_class_without_strings_is_none(void)
{
	struct arena arena;
	struct partition *p;

	arena_init(&arena, 0);
	p = partition_new(&arena, overlapping, COUNT_OF(overlapping), PARTITION_STRINGS);
	REQUIRE(p);
	for (size_t i = 0; i < p->n; i++) {
		struct slice s = p->classes[i].text;

		if (match_glob(SLICE_LIT("a*"), s) && match_glob(SLICE_LIT("*a"), s) &&
		    !match_glob(SLICE_LIT("a*a"), s))
			CHECK(slice_is(s, "a") && p->classes[i].constant);
	}
	arena_fini(&arena);
}

static void
what_overlaps_too_much_is_refused(void)
{
	struct pattern v[24];
	struct arena arena;

	arena_init(&arena, 0);
	for (size_t i = 0; i < COUNT_OF(v); i++)
		v[i] = (struct pattern){
			.text = slice_str(arena_printf(&arena, "*%c%c*", (int) ('a' + i),
						       (int) ('b' + i))),
			.glob = true};
	CHECK(partition_new(&arena, v, 6, PARTITION_STRINGS) != NULL);
	CHECK(partition_new(&arena, v, COUNT_OF(v), PARTITION_STRINGS) == NULL);
	arena_fini(&arena);
}

/* Pairs of variables far apart: exponential in this order, and stopped. */
static void
a_diagram_that_grows_is_stopped(void)
{
	enum { PAIRS = 24 };
	struct dd_var vars[2 * PAIRS];
	struct arena arena;
	uint32_t root = DD_FALSE;
	struct dd *d;

	arena_init(&arena, 0);
	for (size_t i = 0; i < COUNT_OF(vars); i++)
		vars[i] = (struct dd_var){.width = 2, .dear = DD_LEAF, .cost = 1};
	d = dd_new(&arena, vars, COUNT_OF(vars), 100000);
	for (uint32_t i = 0; i < PAIRS; i++)
		root = dd_or(d, root,
			     dd_and(d, dd_between(d, i, 1, 2), dd_between(d, i + PAIRS, 1, 2)));
	CHECK(dd_full(d));
	CHECK(dd_nodes(d) < 60000);
	arena_fini(&arena);
}

static void
equal_functions_are_equal_roots(void)
{
	struct dd_var vars[3] = {{.width = 5, .dear = DD_LEAF},
				 {.width = 3, .dear = DD_LEAF},
				 {.width = 2, .dear = DD_LEAF}};
	struct arena arena;
	uint32_t a, b, c, left, right, values[3] = {0};
	struct dd *d;

	arena_init(&arena, 0);
	d = dd_new(&arena, vars, 3, 1000);
	a = dd_between(d, 0, 1, 3);
	b = dd_between(d, 1, 0, 1);
	c = dd_between(d, 2, 1, 2);
	left = dd_and(d, a, dd_or(d, b, c));
	right = dd_not(d, dd_and(d, dd_not(d, dd_and(d, a, b)), dd_not(d, dd_and(d, a, c))));
	CHECK(left == right);
	CHECK(dd_differ(d, left, right) == DD_FALSE);
	CHECK(dd_exists(d, left, 0) == dd_or(d, b, c));
	CHECK(dd_restrict(d, left, 0, 2) == dd_or(d, b, c));
	CHECK(dd_restrict(d, left, 0, 4) == DD_FALSE);
	values[0] = 2;
	CHECK(dd_eval(d, left, values) == DD_TRUE);
	values[1] = 1;
	CHECK(dd_eval(d, left, values) == DD_FALSE);
	arena_fini(&arena);
}

static uint32_t
random_function(struct dd *d, const struct dd_var *vars, uint32_t n_vars, uint32_t *state)
{
	uint32_t root = DD_FALSE;

	for (int i = 0; i < 4; i++) {
		uint32_t product = DD_TRUE;

		for (uint32_t v = 0; v < n_vars; v++) {
			uint32_t first, end;

			*state = *state * 1103515245 + 12345;
			first = (*state >> 16) % vars[v].width;
			end = first + 1 + (*state >> 24) % (vars[v].width - first);
			if (*state >> 12 & 1)
				product = dd_and(d, product, dd_between(d, v, first, end));
		}
		root = dd_or(d, root, product);
	}
	return root;
}

/* Whatever must be covered is, and nothing that must not. */
static void
a_cover_is_exact(void)
{
	enum { VARS = 5 };
	struct dd_var vars[VARS];
	uint32_t state = 7, cases = 0;
	struct arena arena;

	for (uint32_t i = 0; i < VARS; i++)
		vars[i] = (struct dd_var){.width = 2 + i % 3, .dear = DD_LEAF, .cost = 1};
	for (int round = 0; round < 300; round++) {
		uint32_t may, must, got = DD_FALSE;
		struct cover c;
		struct dd *d;

		arena_init(&arena, 0);
		d = dd_new(&arena, vars, VARS, 100000);
		may = random_function(d, vars, VARS, &state);
		must = dd_and(d, may, random_function(d, vars, VARS, &state));
		c = dd_cover(d, vars, &arena, must, may, 1000);
		REQUIRE(!c.full);
		for (const struct cover_case *i = c.cases; i; i = i->next) {
			uint32_t one = DD_TRUE;

			for (size_t k = 0; k < i->n; k++) {
				uint32_t any = DD_FALSE;

				for (uint32_t v = 0; v < vars[i->parts[k].var].width; v++)
					if (i->parts[k].values[v])
						any = dd_or(
							d, any,
							dd_between(d, i->parts[k].var, v, v + 1));
				one = dd_and(d, one, any);
			}
			got = dd_or(d, got, one);
		}
		CHECK(dd_without(d, must, got) == DD_FALSE);
		CHECK(dd_without(d, got, may) == DD_FALSE);
		cases += (uint32_t) c.n;
		arena_fini(&arena);
	}
	CHECK(cases > 300);
	CHECK(cases < 300 * 6);
}

static struct image *
compile(struct arena *arena, const struct buf *text, struct buf *bytes)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct slice s = buf_slice(text);
	struct compile_options options = {.text = &s};
	struct image_error err = {0};
	struct sources sources;
	struct diag_queue q;
	struct image *img;

	sources_init(&sources, arena);
	diag_init(&q, &sources, arena);
	if (!compile_policy("large.weir", arena, &q, bytes, &options, NULL)) {
		diag_report(&q);
		return NULL;
	}
	img = image_load(arena, buf_slice(bytes), &trust, &err);
	if (!img)
		printf("# %s\n", err.text);
	return img;
}

static void
put_large(struct buf *b, unsigned n)
{
	static const char *const kinds[] = {"allow", "deny", "hold", "allow"};
	static const char *const actions[] = {"sql.select", "sql.write", "sql.ddl", "sql.read"};

	buf_puts(b, "policy large\ntarget t = postgres \"orders*\"\n");
	for (unsigned i = 0; i < 20; i++)
		buf_printf(b, "group g%u = idp \"group-%u\"\n", i, i);
	for (unsigned i = 0; i < n; i++) {
		buf_printf(b, "%s r%u who g%u on t do %s when table in {\"s%u.t%u\", \"s%u.u%u\"}",
			   kinds[i % 4], i, i % 20, actions[i / 4 % 4], i % 7, i / 2, i % 7, i);
		if (i % 5 == 0)
			buf_printf(b, " and time.of-day < %02u:00", 1 + i % 23);
		if (i % 50 == 0)
			buf_printf(b, " or table matches \"s%u.x%u*\"", i % 7, i);
		if (i % 4 == 2)
			buf_puts(b, " for 1 of g0 not self within 5m");
		buf_putc(b, '\n');
	}
}

/* Bounds with room for a loaded machine; measured on a quiet one it is a tenth. */
static void
a_thousand_rules_are_quick(void)
{
	struct buf text = {0}, bytes = {0};
	const struct image *img;
	struct arena arena;
	const char *why;
	struct space *s;
	struct diagram *g;
	struct witness w;
	uint64_t start, made;

	arena_init(&arena, 0);
	put_large(&text, 1000);
	start = clock_mono_ns();
	img = compile(&arena, &text, &bytes);
	REQUIRE(img);
	made = clock_mono_ns();
	s = space_new(&arena, &img, 1, &why);
	REQUIRE(s);
	g = diagram_new(s, 0);
	REQUIRE(g);
	CHECK(witness_find(s, g->verdict[ENTRY_COMMAND][VERDICT_HOLD], &w));
	printf("# 1000 rules: compiled in %.1f ms, diagram in %.1f ms, %zu nodes\n",
	       (double) (made - start) / 1e6, (double) (clock_mono_ns() - made) / 1e6,
	       dd_nodes(s->dd));
	CHECK(clock_mono_ns() - start < 3 * NS_PER_S);
	buf_fini(&text);
	buf_fini(&bytes);
	arena_fini(&arena);
}

TEST_MAIN(TEST(every_string_has_its_class), TEST(a_class_without_strings_is_none),
	  TEST(what_overlaps_too_much_is_refused), TEST(equal_functions_are_equal_roots),
	  TEST(a_cover_is_exact), TEST(a_diagram_that_grows_is_stopped),
	  TEST(a_thousand_rules_are_quick))
