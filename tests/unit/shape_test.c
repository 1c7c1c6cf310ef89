/* SPDX-License-Identifier: MIT
 *
 * The tokenizer against libpg_query's scanner, statement by statement and on mutated input: where
 * both accept, kinds and boundaries are equal; where PostgreSQL's scanner accepts and ours
 * declines, the share is bounded. Then what shapes merge and what they must not.
 */
#include "sql/secrets.h"
#include "sql/shape.h"
#include "test.h"

#include <pg_query.h>
#include <time.h>

enum {
	PG_IDENT = 258,
	PG_UIDENT,
	PG_FCONST,
	PG_SCONST,
	PG_USCONST,
	PG_BCONST,
	PG_XCONST,
	PG_OP,
	PG_ICONST,
	PG_PARAM,
	PG_TYPECAST,
	PG_NOT_EQUALS = 274,
	PG_SQL_COMMENT,
	PG_C_COMMENT
};

static const char *const corpus[] = {
	"select 1",
	"SELECT id, Name FROM People p WHERE p.id = 4 AND name LIKE 'a%' ORDER BY name LIMIT 10",
	"select 'a' 'b'",
	"select 'a'\n'b', 'c' \t\r\n  'd'",
	"select 'a' -- why\n'b'",
	"select 'a'\n-- why\n'b'",
	"select 'a' /* no */\n'b'",
	"select E'it\\'s', e'\\\\', E'a\\\n'\n'b\\''",
	"select 'back\\', 'slash'",
	"select b'0101', B'1', x'ff', X'0', n'nchar', N'x'\n'y'",
	"select U&'d\\0061t\\+000061', u&'x!0061' uescape '!', U&\"d\\0061t\" , u&\"a\" from t",
	"select u & 'x', u&x, u& 'x'",
	"select $$a$$, $x$ $$ $y$ $x$, $_1$a$b$_1$, $a$$b$a$",
	"select a$x$, b$1, a$x$b$x$ from t",
	"select $1, $22+$3, $1::int",
	"select 1, 12345678901, 2147483647, 2147483648, 1.5, .5, 5., 1e10, 1.e5, .5e-3, 1E+9",
	"select 1..2, a[1:2], a[1..2]",
	"select 1a",
	"select 1.5x, 1e, 1e+, 0x10, 1_000",
	"select a+-1, a<-1, a@-1, a!=-1, a<>-1, a*-b, a%-b, a||-b, a -- c\n, b",
	"select 1 +-+ 2, 3 <=- 4, 5 @+- 6, 7 *- 8, 9 @- 1",
	"select a=>b, a:=b, a::b, a<=b, a>=b, a!=b, a<>b, a=-b",
	"select 1/*x*/+/*y*/2, 3+/* /* nested */ */4, 5*/**/6",
	"select 1--\r+2",
	"select 1--\n+2 --",
	"select /*+ hint */ a /*- b */ /*/ c */",
	"select \"a\", \"A\"\"b\", \"a b\".\"c\" from \"t\"",
	"select a ~~ b, a !~~* b, a ? b, a ?| b, a ?& b, a #> b, a #>> b, a @> b, a <@ b, |/ 4, @ "
	"-5, a <-> b",
	"select a->b, a->>'c', a#-b, a @@ b, a &&& b, a |||/ b",
	"insert into t (a, b) values (1, 'x'), (default, null) on conflict (a) do update set b = "
	"excluded.b returning *",
	"update t set a = $1, (b, c) = (2, 3) where id = any($2)",
	"with recursive r(n) as (values (1) union all select n + 1 from r where n < 5) select * "
	"from r;",
	"create function f(a int) returns int language plpgsql as $body$ begin return a; end "
	"$body$",
	"copy t (a, b) from '/tmp/x' with (format csv, delimiter '|')",
	"set a.b to 'x', 1, off; ;; show all",
	"select \xc3\xa9t\xc3\xa9, '\xe2\x82\xac', \"\xf0\x9f\x98\x80\" from \xc3\x89",
	"select interval '1' day, date '2020-01-01', time with time zone 'now'",
	"begin; declare c cursor for select 1; fetch 3 from c; commit",
	"select case when a then b else c end, array[1,2][1], row(1,2), (a).b, (a).*",
	"select \fa\f, b\v from t",
	"select 'unterminated",
	"select \"unterminated",
	"select $x$ unterminated $y$",
	"select /* unterminated /* */",
	"select \"\" from t",
	"select a \\ b",
	"select {a}",
	"$",
	"$a",
	"'",
	"E'\\",
	"E'\\'",
	"--",
	"-- x\n",
	"/**/",
	"/*",
	"*/",
	".",
	"..",
	"...",
	"1.",
	"1..",
	":",
	"::",
	":::",
	"@",
	"",
	" ",
	"u&",
	"u&'",
	"n'",
	"$1a",
	"$a$",
	"a.",
	"a..b",
	"select 1 where a<>-1 and b>=-1 and c=@-1 and d !=~- 1 and e ^- 2 and f `- 2",
};
enum { N_CORPUS = sizeof(corpus) / sizeof(corpus[0]) };

struct pg_token {
	int start, end, kind;
};

static uint64_t
varint(const uint8_t **p)
{
	uint64_t v = 0;

	for (int shift = 0;; shift += 7) {
		v |= (uint64_t)(**p & 0x7f) << shift;
		if (!(*(*p)++ & 0x80))
			return v;
	}
}

/* ScanResult of pg_query.proto, comments left out. -1: the scanner refused the text. */
static int
pg_tokens(const char *text, struct pg_token *out, int max)
{
	PgQueryScanResult r = pg_query_scan(text);
	const uint8_t *p = (const uint8_t *)r.pbuf.data, *end = p + r.pbuf.len;
	int n = 0;

	if (r.error) {
		pg_query_free_scan_result(r);
		return -1;
	}
	while (p < end) {
		uint64_t tag = varint(&p), len = varint(&p);

		if (tag == (2 << 3 | 2)) {
			const uint8_t *stop = p + len;
			struct pg_token t = {0};

			while (p < stop) {
				uint64_t field = varint(&p), v = varint(&p);

				if (field == 1 << 3)
					t.start = (int)v;
				else if (field == 2 << 3)
					t.end = (int)v;
				else if (field == 4 << 3)
					t.kind = (int)v;
			}
			if (t.kind != PG_SQL_COMMENT && t.kind != PG_C_COMMENT && n < max)
				out[n++] = t;
		}
	}
	pg_query_free_scan_result(r);
	return n;
}

static bool
same_kind(const struct sql_token *t, int pg, const char *text)
{
	switch (t->kind) {
	case SQL_TOK_IDENT:
		return pg == PG_IDENT || pg > PG_C_COMMENT;
	case SQL_TOK_QIDENT:
		return pg == PG_IDENT;
	case SQL_TOK_UIDENT:
		return pg == PG_UIDENT;
	case SQL_TOK_ICONST:
		return pg == PG_ICONST;
	case SQL_TOK_FCONST:
		return pg == PG_FCONST;
	case SQL_TOK_SCONST:
		return pg == PG_SCONST;
	case SQL_TOK_USCONST:
		return pg == PG_USCONST;
	case SQL_TOK_BCONST:
		return pg == PG_BCONST;
	case SQL_TOK_XCONST:
		return pg == PG_XCONST;
	case SQL_TOK_NCHAR:
		return pg > PG_C_COMMENT;
	case SQL_TOK_PARAM:
		return pg == PG_PARAM;
	case SQL_TOK_OP:
		return pg == PG_OP || (pg >= PG_TYPECAST && pg <= PG_NOT_EQUALS);
	case SQL_TOK_SELF:
		return pg == (uint8_t)text[t->at];
	default:
		return false;
	}
}

/* libpg_query reports no length for U& forms; the next token's start shows where they ended. */
static bool
same_end(const struct sql_token *t, int end)
{
	return (int)(t->at + t->n) == end || t->kind == SQL_TOK_UIDENT ||
	       t->kind == SQL_TOK_USCONST;
}

enum outcome { AGREE, BOTH_REFUSE, WE_DECLINE, WE_ACCEPT, DISAGREE };

static enum outcome
compare(const char *text)
{
	static struct pg_token pg[4096];
	int n = pg_tokens(text, pg, 4096);
	struct slice s = slice_str(text);
	uint32_t at = 0;

	for (int i = 0;; i++) {
		struct sql_token t = sql_token_next(s, &at);

		if (t.kind == SQL_TOK_ERROR)
			return n < 0 ? BOTH_REFUSE : WE_DECLINE;
		if (n < 0) {
			/* Escapes inside a string are judged by the parser alone. */
			if (t.kind == SQL_TOK_END)
				return WE_ACCEPT;
			continue;
		}
		if (t.kind == SQL_TOK_END)
			return i == n ? AGREE : DISAGREE;
		if (i >= n || (int)t.at != pg[i].start || !same_end(&t, pg[i].end) ||
		    !same_kind(&t, pg[i].kind, text)) {
			printf("# token %d: ours %d [%u,%u) theirs %d [%d,%d) in: %s\n", i, t.kind,
			       t.at, t.at + t.n, i < n ? pg[i].kind : -1, i < n ? pg[i].start : -1,
			       i < n ? pg[i].end : -1, text);
			return DISAGREE;
		}
	}
}

static void
scanner_agrees_on_corpus(void)
{
	for (int i = 0; i < N_CORPUS; i++) {
		enum outcome o = compare(corpus[i]);

		CHECK(o != DISAGREE);
		if (o == WE_DECLINE || o == WE_ACCEPT)
			printf("# %s: %s\n", o == WE_DECLINE ? "declined" : "accepted alone",
			       corpus[i]);
	}
}

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t
rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

static void
mutate(char *text, size_t cap)
{
	static const char bits[] = "'\"$\\-/*+<>=@!?.:;()[]eEuU&bBxXnN01.9a_ \n\r\t\f|%^`~#,{";
	size_t n;

	snprintf(text, cap, "%s", corpus[rnd(N_CORPUS)]);
	for (int k = 1 + (int)rnd(6); k; k--) {
		n = strlen(text);
		size_t at = rnd((uint32_t)n + 1);

		switch (rnd(4)) {
		case 0: /* replace */
			if (n)
				text[at % n] = bits[rnd(sizeof(bits) - 1)];
			break;
		case 1: /* insert */
			if (n + 2 < cap) {
				memmove(text + at + 1, text + at, n - at + 1);
				text[at] = bits[rnd(sizeof(bits) - 1)];
			}
			break;
		case 2: /* cut */
			if (n > at)
				memmove(text + at, text + at + 1, n - at);
			break;
		default: { /* splice */
			const char *other = corpus[rnd(N_CORPUS)];
			size_t from = rnd((uint32_t)strlen(other) + 1), len = rnd(12);

			if (len > strlen(other + from))
				len = strlen(other + from);
			if (n + len + 1 < cap) {
				memmove(text + at + len, text + at, n - at + 1);
				memcpy(text + at, other + from, len);
			}
		}
		}
	}
}

static void
scanner_agrees_on_mutations(void)
{
	long total = 200000, counts[5] = {0};
	char text[2048];

#ifdef WEIR_ASAN
	total = 40000;
#endif
	for (long i = 0; i < total; i++) {
		uint32_t at;
		enum outcome o;

		mutate(text, sizeof(text));
		if (sql_text_ok(slice_str(text), &at) != SQL_TEXT_OK)
			continue;
		o = compare(text);
		counts[o]++;
		if (o == DISAGREE && counts[o] > 10)
			break;
	}
	printf("# agree %ld, both refuse %ld, declined %ld, accepted alone %ld, disagree %ld\n",
	       counts[AGREE], counts[BOTH_REFUSE], counts[WE_DECLINE], counts[WE_ACCEPT],
	       counts[DISAGREE]);
	CHECK_INT(counts[DISAGREE], 0);
	CHECK(counts[AGREE] > total / 4);
	CHECK(counts[WE_DECLINE] < total / 5);
	CHECK(counts[WE_ACCEPT] < total / 50);
}

static struct buf scratch_a, scratch_b;

static struct sql_shape
shape_of(const char *text, struct buf *scratch)
{
	struct sql_shape s;

	sql_shape(slice_str(text), 1 << 20, 500, scratch, &s);
	return s;
}

static bool
merged(const char *a, const char *b)
{
	struct sql_shape x = shape_of(a, &scratch_a), y = shape_of(b, &scratch_b);
	bool same = slice_eq(x.bytes, y.bytes);

	CHECK_INT(x.status, SQL_SHAPE_OK);
	CHECK_INT(y.status, SQL_SHAPE_OK);
	CHECK(same == (x.hash[0] == y.hash[0] && x.hash[1] == y.hash[1]));
	return same;
}

static void
shapes_merge_what_means_the_same(void)
{
	CHECK(merged("select 1", "SELECT\n\t2 -- two"));
	CHECK(merged("select * from t where a = 'x' and b in (1, 2)",
		     "select*from t where a='it''s'and b in(3/**/,4)"));
	CHECK(merged("insert into t values ($1, 5.5)", "INSERT INTO T VALUES ($1, .5)"));
	CHECK(merged("(select 'a' 'b')" + 0, "(select $$a$$ e'b')"));
	CHECK(merged("with a as (select 1) update t set b = 5",
		     "with a as (select 7) update t set b = 6"));
}

static void
shapes_keep_what_differs(void)
{
	static const char *const pairs[][2] = {
		{"select 1", "select $1"},
		{"select 1", "select '1'"},
		{"select 1", "select 1.0"},
		{"select 1", "select 99999999999"},
		{"select $1", "select $2"},
		{"select 1 where true", "select 1 where false"},
		{"select 1 where 1=1", "select 1 where a=1"},
		{"select a from t", "select \"a\" from t"},
		{"select a from t", "select \"A\" from t"},
		{"select a.b", "select a, b"},
		{"select ab", "select a b"},
		{"select \"a\" b", "select \"a b\""},
		{"set a = 1", "set a = 2"},
		{"set a to 'x'", "set a to 'y'"},
		{"copy t to '/tmp/a'", "copy t to '/tmp/b'"},
		{"select 1; set a = 1", "select 1; set a = 2"},
		{"select 1; set a = 1", "select 2; set a = 1"},
		{"explain (analyze 1) select 1", "explain (analyze 0) select 1"},
		{"fetch 1 from c", "fetch 2 from c"},
		{"select a - - b", "select a -b"},
		{"select a <> b", "select a < > b"},
		{"select b'1'", "select x'1'"},
		{"select b'1'", "select '1'"},
		{"select N'1'", "select '1'"},
		{"select U&'\\0061'", "select U&'\\0062'"},
		{"select 1;", "select 1"},
		{"(select 1)", "select 1"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (merged(pairs[i][0], pairs[i][1])) {
			printf("# merged: %s | %s\n", pairs[i][0], pairs[i][1]);
			test_failures++;
		}
	}
}

static void
limits_refuse(void)
{
	struct sql_shape s;
	char deep[4001];

	memset(deep, '(', 4000);
	deep[4000] = 0;
	CHECK_INT(shape_of(deep, &scratch_a).status, SQL_SHAPE_DEEP);
	sql_shape(SLICE_LIT("select 1"), 7, 10, &scratch_a, &s);
	CHECK_INT(s.status, SQL_SHAPE_LONG);
	CHECK_INT(shape_of("select 'a", &scratch_a).status, SQL_SHAPE_ERROR);
	CHECK_INT(shape_of("select 'a", &scratch_a).error_at, 7);
	sql_shape(SLICE_LIT("select 1\0, 2"), 100, 10, &scratch_a, &s);
	CHECK_INT(s.status, SQL_SHAPE_ERROR);
}

static void
text_is_utf8_without_nul(void)
{
	static const struct {
		const char *p;
		size_t n;
		enum sql_text_status want;
	} cases[] = {
		{"plain ascii text, long enough", 29, SQL_TEXT_OK},
		{"", 0, SQL_TEXT_OK},
		{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and more", 18, SQL_TEXT_OK},
		{"select 1\0; drop table t", 23, SQL_TEXT_NUL},
		{"\xc0\xaf", 2, SQL_TEXT_UTF8},
		{"\xe0\x80\xaf", 3, SQL_TEXT_UTF8},
		{"\xed\xa0\x80", 3, SQL_TEXT_UTF8},
		{"\xf4\x90\x80\x80", 4, SQL_TEXT_UTF8},
		{"aaaaaaaaaaaa\xe2\x82", 14, SQL_TEXT_UTF8},
		{"\x80", 1, SQL_TEXT_UTF8},
		{"\xff", 1, SQL_TEXT_UTF8},
	};
	uint32_t at;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CHECK_INT(sql_text_ok(slice_of(cases[i].p, cases[i].n), &at), cases[i].want);
	CHECK_INT(sql_text_ok(SLICE_LIT("select 1\0"), &at), SQL_TEXT_NUL);
	CHECK_INT(at, 8);
}

static void
tokens_can_be_found_again(void)
{
	struct slice s = SLICE_LIT("select /* x */ a . \"b\" from t");
	struct sql_token t;

	REQUIRE(sql_token_find(s, 3, &t));
	CHECK_SLICE(slice_of(s.p + t.at, t.n), "\"b\"");
	CHECK(!sql_token_find(s, 6, &t));
}

static void
speed(void)
{
#ifndef WEIR_ASAN
	static const char sql[] =
		"select id, name, total from orders o where o.customer_id = 12345 "
		"and status = 'open' order by id limit 10";
	struct timespec a, b;
	struct sql_shape s;
	double best = 1e9;

	for (int k = 0; k < 20; k++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int i = 0; i < 10000; i++)
			sql_shape(SLICE_LIT(sql), 1 << 20, 500, &scratch_a, &s);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ns =
			((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
			1e4;
		best = ns < best ? ns : best;
	}
	printf("# shape of %zu bytes, %u tokens: %.0f ns\n", sizeof(sql) - 1, s.n_tokens, best);
#endif
	CHECK(true);
}

static void
passwords_are_taken_out(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"alter role r password 'SECRET'", "alter role r password '***'"},
		{"create user u encrypted Password E'SE\\'CRET' login; select 'x'",
		 "create user u encrypted Password '***' login; select 'x'"},
		{"alter role r password $$SECRET$$", "alter role r password '***'"},
		{"alter role r password $x$SECRET$x$ x", "alter role r password '***' x"},
		{"alter role r password U&'SECRET' uescape '!'",
		 "alter role r password '***' uescape '!'"},
		{"alter role r password /* ' */ 'SEC'\n'RET'", "alter role r password /* ' */ '***'"},
		{"alter role r password N'SECRET'", "alter role r password N'***'"},
		{"alter role r password ''", "alter role r password '***'"},
		{"alter role r password null", "alter role r password null"},
		{"options (user 'u', \"password\" 'SECRET', sslpassword 'SECRET')",
		 "options (user 'u', \"password\" '***', sslpassword '***')"},
		{"select dblink('host=h password=SECRET user=u', 'select 1')",
		 "select dblink('host=h password=*** user=u', 'select 1')"},
		{"select dblink('password = ''SEC RET'' user=u')",
		 "select dblink('password = ''***'' user=u')"},
		{"do $$ begin execute 'alter role r password ''SECRET'''; end $$",
		 "do $$ begin execute 'alter role r password ''***'''; end $$"},
		{"do $$ begin alter role r password 'SECRET'; drop table t; end $$",
		 "do $$ begin alter role r password '***'; drop table t; end $$"},
		{"alter role r password 'SECRET", "alter role r password '***"},
		{"select password, 'x' from t where note = 'password forgotten'",
		 "select password, 'x' from t where note = 'password forgotten'"},
		/* What begins or ends like the word right before it. */
		{"'ppassword=SECRET paspassword=SECRET passwpassword=SECRET'",
		 "'ppassword=*** paspassword=*** passwpassword=***'"},
		{"'dpassword=SECRET;password=SECRET x'", "'dpassword=*** x'"},
		{"password", "password"},
		{"'password'", "'password'"},
		{"'password=", "'password="},
	};
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice got = sql_without_secrets(slice_str(cases[i].text), &a);

		CHECK(slice_is(got, cases[i].want));
		if (!slice_is(got, cases[i].want))
			printf("# %.*s\n", SLICE_ARG(got));
		for (size_t n = 0; n < strlen(cases[i].text); n++)
			CHECK(sql_without_secrets(slice_of(cases[i].text, n), &a).n <= 2 * n + 8);
	}
	arena_fini(&a);
}

int
main(void)
{
	static const struct test_case tests[] = {
		TEST(scanner_agrees_on_corpus),
		TEST(scanner_agrees_on_mutations),
		TEST(shapes_merge_what_means_the_same),
		TEST(shapes_keep_what_differs),
		TEST(limits_refuse),
		TEST(text_is_utf8_without_nul),
		TEST(tokens_can_be_found_again),
		TEST(passwords_are_taken_out),
		TEST(speed),
	};
	int rc;

	sql_shape_init();
	rc = test_run(tests, (int)(sizeof(tests) / sizeof(tests[0])));
	buf_fini(&scratch_a);
	buf_fini(&scratch_b);
	return rc;
}
