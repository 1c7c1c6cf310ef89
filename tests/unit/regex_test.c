/* SPDX-License-Identifier: MIT
 *
 * Regular expressions: the automaton against a naive matcher, what is refused and where, and what
 * classes of strings they make. REGEX_SEED=N: other random patterns.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "compiler/partition.h"
#include "compiler/regex.h"
#include "tests/diff/regex_ref.h"

#include "tests/unit/test.h"
#include "tests/diff/random.h"

#ifdef WEIR_ASAN
enum { PATTERNS = 3000 };
#else
enum { PATTERNS = 10 * 1000 };
#endif
enum { WORK = 1 << 23, TEXTS = 60 };

static struct arena arena;

static enum regex_status
compile_as(const char *pattern, bool fold, struct regex *out, struct regex_error *err)
{
	size_t work = WORK;

	return regex_compile(&arena, slice_str(pattern), fold, &work, out, err);
}

static struct regex
compile(const char *pattern)
{
	struct regex r = {0};
	struct regex_error err;

	if (compile_as(pattern, false, &r, &err) != REGEX_OK) {
		printf("# /%s/: %s\n", pattern, err.what);
		test_failures++;
		abort();
	}
	return r;
}

/* ---- Against the reference ---- */

static const char *const atoms[] = {"a", "b",   "ab",     "A",     ".",       "[ab]",     "[^a]",
				    "é", "[à-ö]", "\\.", "[b-é]", "\\d",     "\\W",      "[^\\w]",
				    "^", "$",	"€",	  "[a-b0]", "[^é€]", "[\\]a-]",   "\\n",
				    "😀"};
static const char *const repeats[] = {"*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "{0}"};
static const char *const letters[] = {"a", "b", "A", "B", "0", ".", "é", "à", "€", "😀", "\n", "-",
				      "]", "\xff", "\xc3", "_"};

static void
gen_pattern(struct buf *b, unsigned depth)
{
	for (uint32_t n = rnd(4) + (depth > 2); n; n--) {
		bool anchor = false;

		if (depth && rnd(3) == 0) {
			buf_puts(b, rnd(2) ? "(" : "(?:");
			gen_pattern(b, depth - 1);
			buf_putc(b, ')');
		} else {
			const char *atom = PICK(atoms);

			anchor = *atom == '^' || *atom == '$';
			buf_puts(b, atom);
		}
		if (!anchor && rnd(3) == 0)
			buf_puts(b, PICK(repeats));
		if (rnd(6) == 0)
			buf_putc(b, '|');
	}
}

static struct slice
gen_text(uint8_t *out)
{
	size_t n = 0;

	for (uint32_t k = rnd(9); k; k--) {
		const char *s = PICK(letters);

		memcpy(out + n, s, strlen(s));
		n += strlen(s);
	}
	return slice_of(out, n);
}

static void
automaton_and_reference_agree(void)
{
	size_t taken = 0, matched = 0, asked = 0;

	if (getenv("REGEX_SEED"))
		state = strtoul(getenv("REGEX_SEED"), NULL, 10) | 1;
	for (int i = 0; i < PATTERNS; i++) {
		struct buf b = {0};
		struct regex r;
		struct regex_error err;
		bool fold = rnd(3) == 0;
		enum regex_status status;

		gen_pattern(&b, 3);
		buf_putc(&b, '\0');
		status = compile_as((const char *) b.p, fold, &r, &err);
		CHECK(status == REGEX_OK || status == REGEX_LARGE);
		for (int k = 0; k < TEXTS && status == REGEX_OK; k++) {
			uint8_t text[REGEX_REF_MAX + 1];
			struct slice t = gen_text(text);
			bool want = regex_ref(slice_of(b.p, b.n - 1), fold, t);

			if (match_regex(&r, t) != want) {
				printf("# /%s/%s and \"%.*s\": %d wanted\n", (const char *) b.p,
				       fold ? "i" : "", SLICE_ARG(t), want);
				test_failures++;
			}
			asked++;
			matched += want;
		}
		taken += status == REGEX_OK;
		buf_fini(&b);
		arena_reset(&arena);
	}
	printf("# %zu patterns, %zu texts, %zu match\n", taken, asked, matched);
	CHECK(taken > PATTERNS * 9 / 10);
	CHECK(matched > asked / 10 && matched < asked * 9 / 10);
}

/* Text and automaton are UTF-8 to the last character: each of some thousand code points alone. */
static void
characters_are_what_they_say(void)
{
	struct regex any = compile("^.$"), high = compile("^[é-😀]$"), not_a = compile("^[^a]$");
	struct regex high2 = compile("^[\xed\x9f\xbf-\xee\x80\x80]$"); /* around what are no characters */

	for (uint32_t c = 1; c <= 0x10ffff; c += c < 0x900 ? 1 : 37) {
		uint8_t s[4];
		size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
		uint32_t v = c;
		bool good = c < 0xd800 || c > 0xdfff;
		struct slice t = slice_of(s, n);

		for (size_t i = n; i > 1; i--, v >>= 6)
			s[i - 1] = (uint8_t) (0x80 | (v & 0x3f));
		s[0] = (uint8_t) (lead[n] | v);
		CHECK(match_regex(&any, t) == good);
		CHECK(match_regex(&not_a, t) == (good && c != 'a'));
		CHECK(match_regex(&high, t) == (good && c >= 0xe9 && c <= 0x1f600));
		CHECK(match_regex(&high2, t) == (c == 0xd7ff || c == 0xe000));
	}
	CHECK(!match_regex(&any, SLICE_LIT("\xc0\x80")));     /* overlong */
	CHECK(!match_regex(&any, SLICE_LIT("\xf4\x90\x80\x80"))); /* past the last */
}

/* ---- The smallest, and the same for the same texts ---- */

static void
equal_texts_make_equal_automata(void)
{
	static const struct {
		const char *a, *b;
		uint32_t states;
	} pairs[] = {
		{"a|b", "[ab]", 2},
		{"^(ab|ac)$", "^a[bc]$", 4},
		{"^(a*)*b$", "^a*b$", 3},
		{"x", ".*x.*|x", 2},
		{"^a{2,4}$", "^aaa?a?$", 6},
		{"^$", "^$|^^$", 2},
		{"a*", "", 1},
		{"(a|b)*a(a|b){3}$", "(a|b)*a(a|b)(a|b)[ab]$|aa[ab]{2}b$", 0},
		{"$a", "b^", 1},
		{"\\d", "[0-9]", 2},
		{"[^\\W\\d]", "[a-zA-Z_]", 2},
	};

	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct regex a = compile(pairs[i].a), b = compile(pairs[i].b);

		if (!regex_same(&a, &b))
			printf("# /%s/ and /%s/: %u and %u states\n", pairs[i].a, pairs[i].b,
			       a.n_states, b.n_states);
		CHECK(regex_same(&a, &b));
		if (pairs[i].states)
			CHECK_INT(a.n_states, pairs[i].states);
	}
	arena_reset(&arena);
}

/* The end of a long text is not read when it cannot matter. */
static void
sinks_are_at_the_end(void)
{
	struct regex drop = compile("drop"), begins = compile("^a");

	CHECK_INT(drop.sinks, (drop.n_states - 1) * drop.n_classes);
	CHECK_INT(begins.sinks, (begins.n_states - 2) * begins.n_classes);
	for (uint32_t row = 0; row < drop.n_states * drop.n_classes; row += drop.n_classes)
		CHECK(row < drop.sinks || drop.accepts[row / drop.n_classes]);
}

/* ---- What is refused ---- */

static void
mistakes_are_shown_where_they_are(void)
{
	static const struct {
		const char *pattern;
		enum regex_status status;
		size_t at, n;
	} cases[] = {
		{"a(b", REGEX_WRONG, 1, 1},	   {"ab)", REGEX_WRONG, 2, 1},
		{"a[bc", REGEX_WRONG, 1, 3},	   {"[]a]", REGEX_WRONG, 0, 2},
		{"a[[:alpha:]]", REGEX_WRONG, 2, 1}, {"*a", REGEX_WRONG, 0, 1},
		{"a**", REGEX_WRONG, 1, 2},	   {"a{3", REGEX_WRONG, 1, 2},
		{"a{,3}", REGEX_WRONG, 1, 1},	   {"a{3,2}", REGEX_WRONG, 1, 5},
		{"a{1001}", REGEX_WRONG, 1, 6},	   {"a{x}", REGEX_WRONG, 1, 1},
		{"^*", REGEX_WRONG, 1, 1},	   {"[b-a]", REGEX_WRONG, 1, 3},
		{"[\\d-z]", REGEX_WRONG, 1, 4},	   {"a\\", REGEX_WRONG, 1, 1},
		{"a\\q", REGEX_WRONG, 1, 2},	   {"a]", REGEX_WRONG, 1, 1},
		{"a\\1", REGEX_UNSUPPORTED, 1, 2}, {"\\bx", REGEX_UNSUPPORTED, 0, 2},
		{"(?=a)", REGEX_UNSUPPORTED, 0, 3}, {"(?<n>a)", REGEX_UNSUPPORTED, 0, 3},
		{"(?i)a", REGEX_UNSUPPORTED, 0, 3}, {"a*?", REGEX_WRONG, 1, 2},
		{"\\pL", REGEX_UNSUPPORTED, 0, 2}, {"(?", REGEX_UNSUPPORTED, 0, 2},
		{"a\\é", REGEX_WRONG, 1, 3},	   {"é(", REGEX_WRONG, 2, 1},
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct regex r;
		struct regex_error err = {0};
		enum regex_status status = compile_as(cases[i].pattern, false, &r, &err);

		CHECK(status == cases[i].status && err.at == cases[i].at && err.n == cases[i].n);
		if (status != cases[i].status || err.at != cases[i].at || err.n != cases[i].n)
			printf("# /%s/: %d at %zu, %zu: %s\n", cases[i].pattern, status, err.at,
			       err.n, err.what ? err.what : "?");
	}
}

/* What would take states or time without end is told in a moment. */
static void
large_ones_are_bounded(void)
{
	static const char *const large[] = {
		"(a|b)*a(a|b){12}$", "((((a{1000}){1000}){1000}){1000})", "(((){1000}){1000}){1000}",
		"(.*a){999}b", "[a-z]{1000}[0-9]{1000}.{1000}", "((a?){1000}){1000}$", "(.{1,30}x){1,30}"};
	struct regex r;
	struct regex_error err;
	struct buf deep = {0};
	uint64_t start = clock_mono_ns();

	for (size_t i = 0; i < COUNT_OF(large); i++) {
		enum regex_status status = compile_as(large[i], false, &r, &err);

		CHECK(status == REGEX_LARGE);
		if (status != REGEX_LARGE)
			printf("# /%s/: %u states\n", large[i], r.n_states);
	}
	for (int i = 0; i < 100 * 1000; i++)
		buf_putc(&deep, '(');
	buf_putc(&deep, '\0');
	CHECK(compile_as((const char *) deep.p, false, &r, &err) == REGEX_LARGE);
	printf("# %.0f ms\n", (double) (clock_mono_ns() - start) / 1e6);
	CHECK(clock_mono_ns() - start < 20 * NS_PER_S);
	buf_fini(&deep);
	r = compile("^[a-z0-9_]{1,1000}$");
	CHECK_INT(r.n_states, 1002);
	r = compile("^.{1,255}$");
	printf("# a name of 255 characters: %u states, %u classes\n", r.n_states, r.n_classes);
}

/* ---- Classes of strings ---- */

static const char *const patterns[] = {"^a+$", "b", "^(ab)*$", "a.*b$", "^.{2}$", "[^ab]"};
enum { N_PATTERNS = COUNT_OF(patterns), MAX_CLASSES = 256 };

static uint32_t
signs_of(const struct regex *r, struct slice s)
{
	uint32_t signs = 0;

	for (size_t i = 0; i < N_PATTERNS; i++)
		signs |= (uint32_t) match_regex(&r[i], s) << i;
	signs |= (uint32_t) match_glob(SLICE_LIT("a*b"), s) << N_PATTERNS;
	signs |= (uint32_t) match_glob(SLICE_LIT("*.*"), s) << (N_PATTERNS + 1);
	return signs | (uint32_t) slice_is(s, "ab") << (N_PATTERNS + 2) |
	       (uint32_t) slice_is(s, "aé") << (N_PATTERNS + 3);
}

/* All strings of up to six letters: those, and no others, have classes; and a class is shown by one
 * of its shortest. */
static void
classes_are_those_that_strings_have(void)
{
	static const char *const alphabet[] = {"a", "b", ".", "é", "x"};
	struct pattern v[N_PATTERNS + 4] = {{.text = SLICE_LIT("a*b"), .glob = true},
					    {.text = SLICE_LIT("*.*"), .glob = true},
					    {.text = SLICE_LIT("ab")},
					    {.text = SLICE_LIT("aé")}};
	struct regex r[N_PATTERNS];
	size_t shortest[MAX_CLASSES], met = 0;
	struct partition *p;

	for (size_t i = 0; i < N_PATTERNS; i++) {
		r[i] = compile(patterns[i]);
		v[4 + i] = (struct pattern){.text = slice_str(patterns[i]), .regex = &r[i]};
	}
	p = partition_new(&arena, v, COUNT_OF(v), PARTITION_STRINGS);
	REQUIRE(p && p->n <= MAX_CLASSES);
	memset(shortest, 0xff, sizeof(shortest));
	for (uint32_t code = 0; code < 6 * 6 * 6 * 6 * 6 * 6; code++) {
		uint8_t s[16];
		size_t n = 0, class;

		for (uint32_t c = code; c; c /= 6)
			if (c % 6) {
				const char *l = alphabet[c % 6 - 1];

				memcpy(s + n, l, strlen(l));
				n += strlen(l);
			}
		class = partition_find(p, slice_of(s, n));
		CHECK(signs_of(r, p->classes[class].text) == signs_of(r, slice_of(s, n)));
		shortest[class] = n < shortest[class] ? n : shortest[class];
	}
	for (size_t i = 0; i < p->n; i++) {
		if (!p->classes[i].possible)
			continue;
		CHECK(utf8_valid(p->classes[i].text));
		CHECK_INT(partition_find(p, p->classes[i].text), i);
		CHECK(shortest[i] != SIZE_MAX && p->classes[i].text.n <= shortest[i]);
		met++;
	}
	printf("# %zu classes, %zu of them of UTF-8\n", p->n, met);
	CHECK(met > 20);
}

/* Of an expression of bytes that begin a character, another character goes on with it. */
static void
characters_are_finished(void)
{
	struct regex r = compile("^é");
	struct pattern v[] = {{.text = SLICE_LIT("/^é/"), .regex = &r},
			      {.text = SLICE_LIT("\xc3*"), .glob = true}};
	struct partition *p = partition_new(&arena, v, COUNT_OF(v), PARTITION_STRINGS);
	size_t possible = 0;

	REQUIRE(p);
	for (size_t i = 0; i < p->n; i++)
		possible += p->classes[i].possible;
	CHECK_INT(p->n, 3);
	CHECK_INT(possible, 3); /* é, è, and x */
}

static void
too_many_at_once_are_refused(void)
{
	struct pattern v[24];
	struct regex r[24];
	uint64_t start = clock_mono_ns();

	for (size_t i = 0; i < COUNT_OF(v); i++) {
		r[i] = compile(arena_printf(&arena, "%c.*%c", (int) ('a' + i), (int) ('b' + i)));
		v[i] = (struct pattern){.text = SLICE_LIT("/"), .regex = &r[i]};
	}
	CHECK(partition_new(&arena, v, 6, PARTITION_STRINGS) != NULL);
	CHECK(partition_new(&arena, v, COUNT_OF(v), PARTITION_STRINGS) == NULL);
	CHECK(clock_mono_ns() - start < 20 * NS_PER_S);
}

static void
a_step_is_a_byte(void)
{
	enum { LENGTH = 1 << 20 };
	uint8_t *text = malloc(LENGTH);
	struct regex r = compile("(drop|truncate)\\s+table");
	uint64_t start, took;

	REQUIRE(text);
	memset(text, 'd', LENGTH);
	start = clock_mono_ns();
	for (int i = 0; i < 8; i++)
		CHECK(!match_regex(&r, slice_of(text, LENGTH)));
	took = clock_mono_ns() - start;
	printf("# %.2f ns a byte\n", (double) took / 8 / LENGTH);
	free(text);
}

int
main(void)
{
	static const struct test_case tests[] = {
		TEST(automaton_and_reference_agree), TEST(characters_are_what_they_say),
		TEST(equal_texts_make_equal_automata), TEST(sinks_are_at_the_end),
		TEST(mistakes_are_shown_where_they_are), TEST(large_ones_are_bounded),
		TEST(classes_are_those_that_strings_have), TEST(characters_are_finished),
		TEST(too_many_at_once_are_refused), TEST(a_step_is_a_byte)};

	arena_init(&arena, 0);
	return test_run(tests, COUNT_OF(tests));
}
