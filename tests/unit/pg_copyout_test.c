/* SPDX-License-Identifier: MIT
 *
 * COPY TO STDOUT: what comes out of each format, the same at every cut of the stream, and what is
 * refused.
 */
#include "proto/pg/copyout.h"
#include "tests/unit/test.h"

static const struct mask_spec last2 = {.kernel = MASK_LAST, .n = 2};
static const struct mask_spec fixed = {.kernel = MASK_FIXED,
				       .text = {(const uint8_t *)"a\tb\\", 4}};
static const struct mask_spec quotes = {.kernel = MASK_FIXED,
					.text = {(const uint8_t *)"x\"\\,", 4}};
static const struct mask_spec null = {.kernel = MASK_NULL};
static const struct mask_spec seven = {.kernel = MASK_FIXED, .text = {(const uint8_t *) "7", 1}};

enum { MAX_ROW = 256 };

/* Feeds in two parts, or byte by byte; payloads with "|" behind each message, or "!REASON". */
static void
stream(const struct copyout_options *o, const struct copyout_column *cols, size_t n_cols,
       struct slice in, size_t cut, struct buf *got)
{
	struct mask_op ops[4];
	struct copyout c;
	struct buf out = {0};
	enum pg_reason r = PG_R_OK;
	struct pg_framer f;
	struct pg_frame m;
	size_t step = cut == SIZE_MAX ? 1 : in.n;

	REQUIRE(copyout_init(&c, o, cols, n_cols, ops, MAX_ROW));
	if (cut != SIZE_MAX && cut > 0)
		r = copyout_feed(&c, in.p, cut, &out);
	for (size_t at = cut == SIZE_MAX ? 0 : cut; at < in.n && !r; at += step) {
		/* memory of its own, so that a read too far is seen */
		size_t n = in.n - at < step ? in.n - at : step;
		uint8_t *copy = malloc(n);

		memcpy(copy, in.p + at, n);
		r = copyout_feed(&c, copy, n, &out);
		free(copy);
	}
	if (!r)
		r = copyout_end(&c);
	pg_framer_init(&f, PG_FROM_SERVER, 1 << 20);
	for (size_t at = 0; at < out.n; at += m.raw.n) {
		REQUIRE(pg_frame_next(&f, out.p + at, out.n - at, &m) == WIRE_OK && m.last);
		CHECK_INT(m.type, 'd');
		buf_put_slice(got, m.body);
		buf_putc(got, '|');
	}
	if (r)
		buf_printf(got, "!%s", pg_reason_name(r));
	copyout_fini(&c);
	buf_fini(&out);
}

static void
expect(const struct copyout_options *o, const struct copyout_column *cols, size_t n_cols,
       struct slice in, struct slice want)
{
	struct buf got = {0};

	for (size_t cut = 0; cut <= in.n + 1; cut++) {
		buf_reset(&got);
		stream(o, cols, n_cols, in, cut > in.n ? SIZE_MAX : cut, &got);
		if (!slice_eq(buf_slice(&got), want)) {
			CHECK(!"the expected stream");
			printf("# cut %zu of \"%.*s\"\n# gives \"%.*s\"\n# want  \"%.*s\"\n", cut,
			       SLICE_ARG(in), SLICE_ARG(buf_slice(&got)), SLICE_ARG(want));
			break;
		}
	}
	buf_fini(&got);
}

#define S(text) slice_of(text, sizeof(text) - 1)

static void
text_format(void)
{
	struct copyout_options o;
	struct copyout_column c[3] = {
		{NULL, 23, -1, 0, 0}, {&last2, 25, -1, 0, 0}, {NULL, 25, -1, 0, 0}};

	copyout_defaults(&o, COPYOUT_TEXT);
	expect(&o, c, 3, S("1\tsecret\tx\\ty\n2\t\\N\t\\N\n"),
	       S("1\t****et\tx\\ty\n|2\t\\N\t\\N\n|"));
	/* escapes count as the character they stand for */
	expect(&o, c, 3, S("1\tab\\tc\\\\\\nde\tx\n"), S("1\t******de\tx\n|"));
	/* the value \N is no NULL */
	expect(&o, c, 3, S("1\t\\\\N\tx\n"), S("1\t**\tx\n|"));
	expect(&o, c, 3, S(""), S(""));
	expect(&o, c, 3, S("1\t\t\n"), S("1\t\t\n|"));
	c[1].mask = &fixed;
	expect(&o, c, 3, S("1\tsecret\tx\n"), S("1\ta\\tb\\\\\tx\n|"));
	expect(&o, c, 3, S("1\t\tx\n"), S("1\ta\\tb\\\\\tx\n|"));
	/* varchar(3), char(5) */
	c[1] = (struct copyout_column){&fixed, 1043, 7, 0, 0};
	expect(&o, c, 3, S("1\tsec\tx\n"), S("1\ta\\tb\tx\n|"));
	c[1] = (struct copyout_column){&seven, 1042, 9, 0, 0};
	expect(&o, c, 3, S("1\tsec  \tx\n"), S("1\t7    \tx\n|"));
	c[1] = (struct copyout_column){&null, 25, -1, 0, 0};
	expect(&o, c, 3, S("1\tsecret\tx\n"), S("1\t\\N\tx\n|"));
	o.header = true;
	expect(&o, c, 3, S("id\tname\tx\n1\tsecret\tx\n"), S("id\tname\tx\n|1\t\\N\tx\n|"));
	/* under another null string an equal value would show: it is masked like any value */
	o = (struct copyout_options){.format = COPYOUT_TEXT, .delimiter = '|', .null = S("ana")};
	c[1].mask = &last2;
	expect(&o, c, 3, S("1|ana|ana\n1|a\\|bcd|\n"), S("1|***|ana\n|1|***cd|\n|"));
}

static void
csv_format(void)
{
	struct copyout_options o;
	struct copyout_column c[3] = {
		{NULL, 23, -1, 0, 0}, {&last2, 25, -1, 0, 0}, {NULL, 25, -1, 0, 0}};

	copyout_defaults(&o, COPYOUT_CSV);
	expect(&o, c, 3, S("1,secret,x\n2,,\"\"\n3,\"\",\n"),
	       S("1,\"****et\",x\n|2,,\"\"\n|3,\"\",\n|"));
	expect(&o, c, 3, S("1,\"a,b\nc\"\"d\",\"x\ny\"\n"), S("1,\"*****\"\"d\",\"x\ny\"\n|"));
	c[1].mask = &quotes;
	expect(&o, c, 3, S("1,secret,x\n"), S("1,\"x\"\"\\,\",x\n|"));
	c[1].mask = &null;
	o.header = true;
	expect(&o, c, 3, S("id,\"na\nme\",x\n1,secret,x\n"), S("id,\"na\nme\",x\n|1,,x\n|"));
	o.header = false;
	o.escape = '\\';
	o.quote = '\'';
	o.delimiter = ';';
	o.null = S("nil");
	c[1].mask = &last2;
	expect(&o, c, 3, S("1;'a\\'b\\\\c;d';'\\''\n2;nil;x\n3;'nil';x\n"),
	       S("1;'*****;d';'\\''\n|2;nil;x\n|3;'***';x\n|"));
	c[1].mask = &quotes;
	expect(&o, c, 3, S("1;a;x\n"), S("1;'x\"\\\\,';x\n|"));
}

#define HEAD "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"

static void
binary_format(void)
{
	struct copyout_options o;
	struct copyout_column c[2] = {{&seven, 23, -1, 0, 0}, {&last2, 25, -1, 0, 0}};

	copyout_defaults(&o, COPYOUT_BINARY);
	expect(&o, c, 2, S(HEAD "\0\2\0\0\0\4\0\0\0\1\0\0\0\6secret"
				"\0\2\377\377\377\377\0\0\0\0"
				"\377\377"),
	       S(HEAD "\0\2\0\0\0\4\0\0\0\7\0\0\0\6****et|\0\2\377\377\377\377\0\0\0\0|"
		      "\377\377|"));
	c[1].mask = &null;
	c[0].mask = NULL;
	expect(&o, c, 2, S("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3ext\0\2\0\0\0\0\0\0\0\1s\377\377"),
	       S("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3ext\0\2\0\0\0\0\377\377\377\377|\377\377|"));
}

static void
what_does_not_follow_the_format_is_refused(void)
{
	struct copyout_options o;
	struct copyout_column c[2] = {{NULL, 25, -1, 0, 0}, {&last2, 25, -1, 0, 0}};
	char big[2 * MAX_ROW];

	memset(big, 'x', sizeof(big));
	copyout_defaults(&o, COPYOUT_TEXT);
	expect(&o, c, 2, S("1\n"), S("!COPY_FIELDS"));
	expect(&o, c, 2, S("1\t2\t3\n"), S("!COPY_FIELDS"));
	expect(&o, c, 2, S("1\t2"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("1\t2\\\n"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("1\ta\\x41\n"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("1\ta\\101\n"), S("!COPY_FORMAT"));
	expect(&o, c, 2, slice_of(big, sizeof(big)), S("!COPY_TOO_LARGE"));
	big[0] = '\t';
	expect(&o, c, 2, slice_of(big, sizeof(big)), S("!COPY_TOO_LARGE"));
	copyout_defaults(&o, COPYOUT_CSV);
	expect(&o, c, 2, S("1,a\"b\"\n"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("1,\"a\"b\n"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("1,\"a\n"), S("!COPY_FORMAT"));
	copyout_defaults(&o, COPYOUT_BINARY);
	expect(&o, c, 2, S("PGCOPY\n\377\r\r\0\0\0\0\0\0\0\0\0"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S("PGCOPY\n\377\r\n\0\0\0\0\0\377\0\0\0"), S("!COPY_TOO_LARGE"));
	expect(&o, c, 2, S(HEAD "\0\3"), S("!COPY_FIELDS"));
	expect(&o, c, 2, S(HEAD "\0\2\377\377\377\376"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S(HEAD "\0\2\177\377\377\377"), S("!COPY_TOO_LARGE"));
	expect(&o, c, 2, S(HEAD "\0\2\0\0\0\1"), S("!COPY_FORMAT"));
	expect(&o, c, 2, S(HEAD "\377\377x"), S(HEAD "\377\377|!COPY_FORMAT"));
}

static void
options_that_no_server_accepts_are_refused(void)
{
	static const struct copyout_options bad[] = {
		{COPYOUT_TEXT, 'a', 0, 0, {0}, false},
		{COPYOUT_TEXT, '\\', 0, 0, {0}, false},
		{COPYOUT_TEXT, '\n', 0, 0, {0}, false},
		{COPYOUT_TEXT, '|', 0, 0, {(const uint8_t *) "a|b", 3}, false},
		{COPYOUT_CSV, ',', ',', '"', {0}, false},
		{COPYOUT_CSV, ',', '\n', '"', {0}, false},
		{COPYOUT_CSV, ',', '"', '"', {(const uint8_t *) "\"", 1}, false},
		{COPYOUT_CSV, 0, '"', '"', {0}, false},
	};
	struct copyout_column c[1] = {{&last2, 25, -1, 0, 0}};
	struct copyout_options o;
	struct mask_op ops[1];
	struct copyout x;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		CHECK(!copyout_init(&x, &bad[i], c, 1, ops, MAX_ROW));
	copyout_defaults(&o, COPYOUT_CSV);
	CHECK(!copyout_init(&x, &o, c, 0, ops, MAX_ROW));
	CHECK(!copyout_init(&x, &o, c, 1, ops, 0));
}

/* What a piece is behind what was fed: "a|b|-" with - for NULL, "=" for no row, "!" broken. */
static void
peek_behind(const struct copyout_options *o, struct slice fed, struct slice in, const char *want)
{
	struct copyout_column c[3] = {{.type = 23, .typmod = -1},
				      {.mask = &last2, .type = 25, .typmod = -1},
				      {.type = 25, .typmod = -1}};
	struct copyout_value v[3];
	struct buf scratch = {0}, got = {0}, out = {0};
	uint8_t *copy = malloc(in.n + 1);
	enum copyout_piece piece;
	struct mask_op ops[3];
	struct copyout x;
	size_t frame;

	memcpy(copy, in.p, in.n);
	REQUIRE(copyout_init(&x, o, c, 3, ops, MAX_ROW));
	REQUIRE(copyout_feed(&x, fed.p, fed.n, &out) == PG_R_OK);
	piece = copyout_peek(&x, copy, in.n, v, &frame, &scratch);
	if (piece != COPYOUT_ROW)
		buf_putc(&got, piece == COPYOUT_FRAME ? '=' : '!');
	for (int i = 0; piece == COPYOUT_ROW && i < 3; i++) {
		buf_puts(&got, i ? "|" : "");
		if (v[i].null)
			buf_putc(&got, '-');
		else
			buf_put_slice(&got, v[i].v);
	}
	CHECK_SLICE(buf_slice(&got), want);
	copyout_fini(&x);
	buf_fini(&scratch);
	buf_fini(&got);
	buf_fini(&out);
	free(copy);
}

#define PEEK(o, text, want) peek_behind((o), S(""), S(text), (want))

static void
rows_are_read_before_they_are_fed(void)
{
	struct copyout_options o;

	copyout_defaults(&o, COPYOUT_TEXT);
	PEEK(&o, "1\ta\\tb\t\\N\n", "1|a\tb|-");
	PEEK(&o, "\t\t\n", "||");
	PEEK(&o, "1\t2\n", "!");
	PEEK(&o, "1\t2\t3\t4\n", "!");
	PEEK(&o, "1\t2\t3", "!");
	PEEK(&o, "1\t2\t3\n1\t2\t3\n", "!");
	PEEK(&o, "1\t2\t3\n1", "!");
	PEEK(&o, "1\t\\x41\t3\n", "!");
	PEEK(&o, "", "!");
	peek_behind(&o, S("1\t2\t3\n"), S("4\t5\t6\n"), "4|5|6");
	/* What was fed before is part of the row: "0\t1" is no value of its first column. */
	peek_behind(&o, S("0"), S("1\t2\t3\n"), "!");
	peek_behind(&o, S("0\t"), S("1\t2\t3\n"), "!");
	o.null = SLICE_LIT("DE");
	PEEK(&o, "DE\t\\\\N\tF\n", "-|\\N|F");
	copyout_defaults(&o, COPYOUT_CSV);
	PEEK(&o, "1,\"a,\"\"\nb\",\n", "1|a,\"\nb|-");
	PEEK(&o, "\"\",\"x\"\"\",y\n", "|x\"|y");
	PEEK(&o, "1,\"2\n,3\n", "!");
	PEEK(&o, "1,a\"b\",3\n", "!");
	peek_behind(&o, S("\""), S("1,2,3\n"), "!");
	o.header = true;
	PEEK(&o, "a,b,c\n", "=");
	PEEK(&o, "a,b,c\n1,2,3\n", "!");
	peek_behind(&o, S("a,b,c\n"), S("1,2,3\n"), "1|2|3");
}

#define ROW "\0\3\0\0\0\1x\377\377\377\377\0\0\0\2yz"

static void
binary_rows_are_read_before_they_are_fed(void)
{
	static const char all[] = HEAD ROW;
	struct copyout_options o;

	copyout_defaults(&o, COPYOUT_BINARY);
	PEEK(&o, HEAD ROW, "x|-|yz");
	for (size_t n = 0; n < sizeof(all) - 1; n++)
		peek_behind(&o, S(""), slice_of(all, n), n == sizeof(HEAD) - 1 ? "=" : "!");
	PEEK(&o, HEAD ROW ROW, "!");
	PEEK(&o, HEAD "\377\377", "=");
	PEEK(&o, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3ext" ROW, "x|-|yz");
	PEEK(&o, ROW, "!");
	peek_behind(&o, S(HEAD), S(ROW), "x|-|yz");
	peek_behind(&o, S(HEAD ROW), S(ROW), "x|-|yz");
	peek_behind(&o, S(HEAD ROW), S("\377\377"), "=");
	peek_behind(&o, S(HEAD ROW), S("\377\377x"), "!");
	peek_behind(&o, S(HEAD "\0"), S("\3" ROW), "!");
	peek_behind(&o, S(HEAD "\377\377"), S(ROW), "!");
	/* As long as header and trailer, and it ends like one. */
	peek_behind(&o, S(HEAD ROW), S("\0\3\0\0\0\7seven77\377\377\377\377\377\377\377\377"),
		    "seven77|-|-");
}

TEST_MAIN(TEST(text_format), TEST(csv_format), TEST(binary_format),
	  TEST(what_does_not_follow_the_format_is_refused),
	  TEST(options_that_no_server_accepts_are_refused),
	  TEST(rows_are_read_before_they_are_fed),
	  TEST(binary_rows_are_read_before_they_are_fed))
