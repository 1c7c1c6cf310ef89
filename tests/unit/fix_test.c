/* SPDX-License-Identifier: MIT
 *
 * Suggested edits applied to texts: what overlaps, what belongs together, what takes its line
 * along.
 */
#include "compiler/fix.h"
#include "tests/unit/test.h"

struct bench {
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct buf said;
	struct slice texts[2];
	struct fix_counts n;
	struct fix_asked asked;
};

static void
open_bench(struct bench *b, const char *text)
{
	*b = (struct bench){0};
	arena_init(&b->arena, 0);
	sources_init(&b->sources, &b->arena);
	diag_init(&b->q, &b->sources, &b->arena);
	sources_add(&b->sources, "a.weir", slice_str(text), SPAN_NONE);
	sources_add(&b->sources, "b.weir", slice_str("second\n"), SPAN_NONE);
}

static struct diag *
complain(struct bench *b)
{
	return diag(&b->q, BAD_DEFAULT, ((struct span){0, 0, 1}));
}

static void
edit(struct bench *b, struct diag *d, uint32_t off, uint32_t len, const char *text)
{
	diag_edit(&b->q, d, (struct span){0, off, len}, "%s", text);
}

/* Applies and compares the first text. */
static bool
gives(struct bench *b, const char *want)
{
	b->n = fix_apply(&b->q, &b->asked, &b->arena, b->texts, &b->said);
	if (!slice_is(b->texts[0], want))
		printf("# got: %.*s\n", SLICE_ARG(b->texts[0]));
	return slice_is(b->texts[0], want);
}

static void
close_bench(struct bench *b)
{
	buf_fini(&b->said);
	arena_fini(&b->arena);
}

static void
test_applies(void)
{
	struct bench b;
	struct diag *d;

	open_bench(&b, "one two three\n");
	edit(&b, complain(&b), 8, 5, "3");
	edit(&b, complain(&b), 0, 3, "1");
	d = complain(&b);
	diag_edit(&b.q, d, (struct span){1, 0, 6}, "2nd");
	CHECK(gives(&b, "1 two 3\n"));
	CHECK(slice_is(b.texts[1], "2nd\n"));
	CHECK(b.n.applied == 3 && b.n.conflicts == 0);
	close_bench(&b);
}

static void
test_overlaps(void)
{
	struct bench b;
	struct diag *d;

	open_bench(&b, "one two three\n");
	edit(&b, complain(&b), 0, 7, "x");
	edit(&b, complain(&b), 4, 3, "y"); /* inside */
	edit(&b, complain(&b), 8, 5, "3");
	CHECK(gives(&b, "one two 3\n"));
	CHECK(b.n.applied == 1 && b.n.conflicts == 2);
	close_bench(&b);

	open_bench(&b, "one two three\n"); /* the same edit twice is one; two insertions are not */
	edit(&b, complain(&b), 0, 3, "1");
	edit(&b, complain(&b), 0, 3, "1");
	edit(&b, complain(&b), 8, 0, "a ");
	edit(&b, complain(&b), 8, 0, "b ");
	CHECK(gives(&b, "1 two three\n"));
	CHECK(b.n.applied == 2 && b.n.conflicts == 2);
	close_bench(&b);

	open_bench(&b, "one two three\n"); /* all edits of a diagnostic, or none */
	d = complain(&b);
	edit(&b, d, 0, 3, "1");
	edit(&b, d, 4, 3, "2");
	edit(&b, complain(&b), 4, 3, "II");
	CHECK(gives(&b, "one two three\n"));
	CHECK(b.n.applied == 0 && b.n.conflicts == 2);
	CHECK(b.said.n == 0);
	close_bench(&b);

	open_bench(&b, "one two three\n"); /* side by side */
	edit(&b, complain(&b), 0, 4, "1");
	edit(&b, complain(&b), 4, 4, "2");
	CHECK(gives(&b, "12three\n"));
	close_bench(&b);
}

static void
test_asked(void)
{
	struct bench b;
	struct diag *d;

	open_bench(&b, "one two\n");
	d = diag(&b.q, DEFAULT_ALLOW, ((struct span){0, 0, 1}));
	diag_offer(&b.q, d, (struct span){0, 0, 3}, "1");
	edit(&b, complain(&b), 0, 3, "I");
	CHECK(gives(&b, "I two\n"));
	CHECK(b.n.applied == 1 && b.n.conflicts == 0);
	b.asked.of[DIAG_DEFAULT_ALLOW] = true;
	CHECK(gives(&b, "one two\n"));
	CHECK(b.n.applied == 0 && b.n.conflicts == 2);
	close_bench(&b);
}

static void
test_lines(void)
{
	struct bench b;

	open_bench(&b, "one\n  two  \nthree\n");
	edit(&b, complain(&b), 6, 3, "");
	CHECK(gives(&b, "one\nthree\n"));
	close_bench(&b);
	open_bench(&b, "one\ntwo # why\nthree");
	edit(&b, complain(&b), 4, 3, "");
	edit(&b, complain(&b), 14, 5, "");
	CHECK(gives(&b, "one\n # why\n"));
	close_bench(&b);
	open_bench(&b, "one two\nthree\n"); /* both halves of a line */
	edit(&b, complain(&b), 0, 3, "");
	edit(&b, complain(&b), 4, 3, "");
	CHECK(gives(&b, " \nthree\n"));
	close_bench(&b);
}

static void
test_what_is_said(void)
{
	struct bench b;

	open_bench(&b, "a\xd0\xb0\n");
	edit(&b, complain(&b), 0, 3, "aa");
	CHECK(gives(&b, "aa\n"));
	CHECK(slice_is(buf_slice(&b.said), "a.weir:1:1: E0608: 'a<U+0430>' is now 'aa'\n"));
	close_bench(&b);
}

TEST_MAIN(TEST(test_applies), TEST(test_overlaps), TEST(test_asked), TEST(test_lines),
	  TEST(test_what_is_said))
