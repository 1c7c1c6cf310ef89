/* SPDX-License-Identifier: MIT
 *
 * Columns of rows that are compared with numbers and with patterns: automata of whole numbers, and
 * which classes have a value in common, against trying numbers. SPACE_SEED=N: other random ones.
 */
#include "compiler/compile.h"
#include "compiler/regex.h"
#include "compiler/witness.h"

#include "tests/unit/test.h"
#include "tests/diff/random.h"

#ifdef WEIR_ASAN
enum { BOUNDS = 200, POLICIES = 60, TRIED = 3000 };
#else
enum { BOUNDS = 2000, POLICIES = 150, TRIED = 12000 };
#endif
enum { NUMBER_TEXT = 24 };

static struct slice
text_of(int64_t v, char text[NUMBER_TEXT])
{
	return slice_of(text, (size_t)snprintf(text, NUMBER_TEXT, "%lld", (long long)v));
}

/* Small ones, those of any length, and what is next to the largest and to powers of ten. */
static int64_t
any_number(void)
{
	int64_t v = 1;

	switch (rnd(5)) {
	case 0:
		return (int64_t)rnd(40) - 20;
	case 1:
		return INT64_MIN + (int64_t)rnd(12);
	case 2:
		return INT64_MAX - (int64_t)rnd(12);
	case 3:
		for (uint32_t n = rnd(18); n; n--)
			v *= 10;
		return (rnd(2) ? v : -v) + (int64_t)rnd(5) - 2;
	default:
		return (int64_t)((uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX)) >> rnd(63);
	}
}

static bool
has(const struct regex *r, int64_t v)
{
	char text[NUMBER_TEXT];

	return match_regex(r, text_of(v, text));
}

static void
an_automaton_has_the_numbers_between(void)
{
	static const char *const none[] = {"",
					   "-",
					   "-0",
					   "+1",
					   "00",
					   "007",
					   "-07",
					   " 1",
					   "1 ",
					   "1.0",
					   "1e2",
					   "--1",
					   "1-",
					   "a",
					   "9223372036854775808",
					   "-9223372036854775809",
					   "10000000000000000000"};

	for (int i = 0; i < BOUNDS; i++) {
		int64_t a = any_number(), b = any_number(), lo = a < b ? a : b, hi = a < b ? b : a;
		struct arena arena;
		struct regex *r;

		arena_init(&arena, 0);
		r = regex_between(&arena, lo, hi);
		for (int k = 0; k < 200; k++) {
			int64_t v = any_number();

			CHECK(has(r, v) == (v >= lo && v <= hi));
		}
		CHECK(has(r, lo) && has(r, hi));
		CHECK(lo == INT64_MIN || !has(r, lo - 1));
		CHECK(hi == INT64_MAX || !has(r, hi + 1));
		for (size_t k = 0; k < COUNT_OF(none); k++)
			CHECK(!match_regex(r, slice_str(none[k])));
		arena_fini(&arena);
	}
}

static const struct image *
compile(struct arena *arena, const struct buf *text, struct buf *bytes)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct slice s = buf_slice(text);
	struct compile_options options = {.text = &s};
	struct image_error err = {0};
	struct sources sources;
	struct diag_queue q;

	sources_init(&sources, arena);
	diag_init(&q, &sources, arena);
	if (!compile_policy("rows.weir", arena, &q, bytes, &options, NULL)) {
		diag_report(&q);
		return NULL;
	}
	return image_load(arena, buf_slice(bytes), &trust, &err);
}

static void
put_test(struct buf *b)
{
	static const char *const of_text[] = {"matches /^9/",	   "matches /^-?[13579]+$/",
					      "matches /7/",	   "matches /^[0-9]{3}$/",
					      "matches /00$/",	   "matches /^1.*1$/",
					      "matches /[a-f]/",   "matches /^-/",
					      "matches \"*77\"",   "matches \"1*\"",
					      "matches \"*5*5*\"", "= \"777\"",
					      "= \"x\"",	   "in {\"-1\", \"42\"}",
					      "starts with \"0\"", "in {\"0\", \"00\"}"};
	static const char *const compares[] = {"=", "<", "<=", ">", ">="};
	static const int bounds[] = {0, 1, 9, 10, 77, 99, 500, 700, 1000, 2500};

	if (rnd(2))
		buf_printf(b, "row.n %s", PICK(of_text));
	else
		buf_printf(b, "row.n %s %d", PICK(compares), PICK(bounds));
}

static const struct row_pair *
find_pair(const struct row_pairs *pairs, size_t text, size_t number)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (pairs->v[i].text == text && pairs->v[i].number == number)
			return &pairs->v[i];
	return NULL;
}

/* Whatever number there is, its classes are a pair; and of each pair there is a number. */
static void
check_pairs(const struct space *s)
{
	const struct row_pairs *pairs = &s->row_pairs[0];
	const struct domain *texts = &s->row_texts[0], *ints = &s->row_ints[0];
	char text[NUMBER_TEXT];

	for (int64_t v = -TRIED; v <= TRIED; v++)
		CHECK(find_pair(pairs, partition_find(texts->strings, text_of(v, text)),
				domain_find_number(ints, v)));
	for (size_t i = 0; i < pairs->n; i++) {
		const struct row_pair *p = &pairs->v[i];

		CHECK_INT(domain_find_number(ints, p->value), p->number);
		CHECK_INT(partition_find(texts->strings, text_of(p->value, text)), p->text);
		CHECK(space_row_number(s, 0, p->number, p->text + 1) == p->value);
	}
}

/* Pairs, and no others, are in what can be. */
static void
check_feasible(struct space *s)
{
	uint32_t can = space_row_feasible(s, 0),
		 *values = ARENA_ARRAY(s->arena, uint32_t, s->n_vars);

	for (uint32_t t = 0; t <= s->row_texts[0].n; t++)
		for (uint32_t i = 0; i <= s->row_ints[0].n; i++) {
			bool is = i == SPACE_UNKNOWN ||
				  (t != SPACE_UNKNOWN &&
				   find_pair(&s->row_pairs[0], t - 1, i - 1) != NULL);

			values[s->row_text_var[0] - 1] = t;
			values[s->row_int_var[0] - 1] = i;
			CHECK((dd_eval(s->dd, can, values) == DD_TRUE) == is);
		}
}

static void
numbers_have_the_texts_that_they_have(void)
{
	size_t pairs = 0, possible = 0;

	for (int i = 0; i < POLICIES; i++) {
		struct buf text = {0}, bytes = {0};
		const struct image *img;
		struct arena arena;
		const char *why;
		struct space *s;

		arena_init(&arena, 0);
		buf_puts(&text, "policy rows\ntarget t = postgres \"t\"\ndata n = column a.b.n\n"
				"drop first of n when row.n matches /^5/ and row.n < 60\n");
		for (uint32_t k = 0, n = 1 + rnd(4); k < n; k++) {
			buf_printf(&text, "drop r%u of n when ", k);
			put_test(&text);
			buf_puts(&text, rnd(2) ? " and " : " or ");
			put_test(&text);
			buf_putc(&text, '\n');
		}
		img = compile(&arena, &text, &bytes);
		REQUIRE(img);
		s = space_new(&arena, &img, 1, &why);
		REQUIRE(s);
		check_pairs(s);
		check_feasible(s);
		pairs += s->row_pairs[0].n;
		possible += s->row_texts[0].n * s->row_ints[0].n;
		buf_fini(&text);
		buf_fini(&bytes);
		arena_fini(&arena);
	}
	CHECK(pairs > POLICIES * 4 && pairs < possible * 3 / 4);
}

int
main(void)
{
	static const struct test_case tests[] = {TEST(an_automaton_has_the_numbers_between),
						 TEST(numbers_have_the_texts_that_they_have)};

	if (getenv("SPACE_SEED"))
		state = strtoul(getenv("SPACE_SEED"), NULL, 10) | 1;
	return test_run(tests, COUNT_OF(tests));
}
