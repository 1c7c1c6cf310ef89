/* SPDX-License-Identifier: MIT
 *
 * Row plans: which fields they cover, rows masked in place and rewritten, and malformed rows, each
 * cut at every byte.
 */
#include "proto/pg/rowplan.h"
#include "tests/unit/test.h"

#include "base/endian.h"

#include <time.h>

static const struct mask_spec last4 = {.kernel = MASK_LAST, .n = 4};
static const struct mask_spec to_null = {.kernel = MASK_NULL};
static const struct mask_spec fixed = {.kernel = MASK_FIXED, .text = {(const uint8_t *) "xyz", 3}};
static const struct mask_spec all = {
	.kernel = MASK_FIXED, .text = {(const uint8_t *) "xyz", 3}, .nulls = true};
static const struct mask_spec all_null = {.kernel = MASK_NULL, .nulls = true};
static const struct mask_spec clear = {.kernel = MASK_CLEAR};

#ifndef WEIR_ASAN
static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}
#endif

/* The mask of each field, by its attnum; NULL: none. */
static const struct mask_spec *
by_attnum(void *ctx, const struct pg_field *f, unsigned index, uint32_t *type)
{
	const struct mask_spec *const *masks = ctx;

	CHECK_INT(f->attnum, index + 1);
	if (*type == 99999)
		*type = 25;
	return masks[f->attnum - 1];
}

static void
describe(struct buf *b, int n, uint32_t type)
{
	buf_reset(b);
	buf_be16(b, (uint16_t) n);
	for (int i = 0; i < n; i++) {
		buf_put(b, "c", 2);
		buf_be32(b, 16384);
		buf_be16(b, (uint16_t) (i + 1));
		buf_be32(b, type);
		buf_be16(b, 0xffff);
		buf_be32(b, 0xffffffff);
		buf_be16(b, 0);
	}
}

static struct pg_rowplan *
plan(struct arena *a, const struct mask_spec *const *masks, int n, uint32_t type,
     const struct pg_formats *formats, enum pg_reason *why)
{
	struct buf b = {0};
	struct pg_fields f;
	struct pg_rowplan *p = NULL;

	describe(&b, n, type);
	*why = pg_read_row_description(buf_slice(&b), &f);
	if (!*why)
		*why = pg_rowplan_build(a, f, formats, by_attnum, (void *) masks, NULL, &p);
	buf_fini(&b);
	return p;
}

static void
row(struct buf *b, const char *const *values, int n)
{
	size_t at = pg_begin(b, 'D');

	buf_be16(b, (uint16_t) n);
	for (int i = 0; i < n; i++) {
		buf_be32(b, values[i] ? (uint32_t) strlen(values[i]) : UINT32_MAX);
		if (values[i])
			buf_puts(b, values[i]);
	}
	pg_end(b, at);
}

static void
plans_cover_masked_fields_only(void)
{
	struct arena a;
	enum pg_reason why;
	const struct mask_spec *masks[3] = {NULL, &clear, NULL};
	struct pg_formats bad = {2, (const uint8_t *) "\0\0\0\1"};
	struct pg_formats one = {1, (const uint8_t *) "\0\1"};
	struct pg_rowplan *p;

	arena_init(&a, 0);
	CHECK(!plan(&a, masks, 3, 25, NULL, &why) && !why);
	masks[2] = &last4;
	p = plan(&a, masks, 3, 25, &one, &why);
	REQUIRE(p && !why);
	CHECK_INT(p->n_cells, 1);
	CHECK_INT(p->cells[0].field, 2);
	CHECK_INT(p->cells[0].op.format, 1);
	CHECK_INT(pg_rowplan_bytes(p), sizeof(*p) + sizeof(p->cells[0]));
	CHECK(!plan(&a, masks, 3, 25, &bad, &why));
	CHECK_INT(why, PG_R_FORMAT_COUNT);
	/* a type without a kernel, and one that is known to be text under another OID */
	p = plan(&a, masks, 3, 600, NULL, &why);
	CHECK(p && mask_op_is_null(&p->cells[0].op));
	p = plan(&a, masks, 3, 99999, NULL, &why);
	CHECK(p && !mask_op_is_null(&p->cells[0].op));
	arena_fini(&a);
}

/* Applies to a copy of the row; the row that goes out is in *got. */
static enum pg_reason
apply(const struct pg_rowplan *p, struct slice msg, struct buf *got, bool *rewritten)
{
	struct pg_row_counts c = {0};
	struct buf out = {0};
	uint8_t *copy = malloc(msg.n ? msg.n : 1);
	enum pg_reason r;

	memcpy(copy, msg.p, msg.n);
	buf_puts(&out, "before");
	r = pg_rowplan_apply(p, copy, msg.n, &out, rewritten, &c);
	CHECK(memcmp(out.p, "before", 6) == 0);
	buf_reset(got);
	if (r)
		CHECK_INT(out.n, 6);
	else if (*rewritten)
		buf_put(got, out.p + 6, out.n - 6);
	else
		buf_put(got, copy, msg.n);
	free(copy);
	buf_fini(&out);
	return r;
}

static void
rows_are_masked(void)
{
	static const struct {
		const struct mask_spec *masks[4];
		const char *in[4], *want[4];
		bool rewritten;
	} t[] = {
		{{NULL, &last4}, {"1", "4111111111111111", "x", NULL},
		 {"1", "************1111", "x", NULL}, false},
		{{NULL, &last4}, {"1", NULL, "x", ""}, {"1", NULL, "x", ""}, false},
		{{&to_null, NULL, NULL, &last4}, {"1", "2", "3", "1234567890"},
		 {NULL, "2", "3", "******7890"}, true},
		{{&last4, NULL, &to_null, NULL}, {"1234567890", "2", "3", "4"},
		 {"******7890", "2", NULL, "4"}, true},
		{{&fixed, &fixed, &fixed, &fixed}, {"abc", "abcd", "", NULL},
		 {"xyz", "xyz", "xyz", NULL}, true},
		{{&fixed, NULL, NULL, NULL}, {"abc", "d", "", NULL}, {"xyz", "d", "", NULL}, false},
		{{&to_null, &to_null, &to_null, &to_null}, {"a", "b", "c", NULL},
		 {NULL, NULL, NULL, NULL}, true},
		{{&all, NULL, &all, &last4}, {NULL, "b", NULL, NULL}, {"xyz", "b", "xyz", NULL},
		 true},
		{{NULL, &all_null, &all, &all}, {NULL, NULL, "abc", NULL}, {NULL, NULL, "xyz", "xyz"},
		 true},
	};
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		enum pg_reason why;
		struct pg_rowplan *p = plan(&a, t[i].masks, 4, 25, NULL, &why);
		struct buf in = {0}, want = {0}, got = {0};
		bool rewritten;

		REQUIRE(p);
		row(&in, t[i].in, 4);
		row(&want, t[i].want, 4);
		CHECK_INT(apply(p, buf_slice(&in), &got, &rewritten), PG_R_OK);
		CHECK(slice_eq(buf_slice(&got), buf_slice(&want)));
		CHECK_INT(rewritten, t[i].rewritten);
		buf_fini(&in);
		buf_fini(&want);
		buf_fini(&got);
	}
	arena_fini(&a);
}

static void
malformed_rows_are_refused(void)
{
	static const char *const values[3] = {"one", "1234567890", "three"};
	const struct mask_spec *masks[3] = {NULL, &to_null, &last4};
	struct arena a;
	enum pg_reason why;
	struct pg_rowplan *p;
	struct buf in = {0}, got = {0};
	bool rewritten;

	arena_init(&a, 0);
	p = plan(&a, masks, 3, 25, NULL, &why);
	REQUIRE(p);
	row(&in, values, 3);
	/* cut short, with the length field as it was and as it would have to be */
	for (size_t n = 0; n < in.n; n++) {
		CHECK(apply(p, slice_of(in.p, n), &got, &rewritten) != PG_R_OK);
		if (n < 5)
			continue;
		put_be32(in.p + 1, (uint32_t) n - 1);
		CHECK(apply(p, slice_of(in.p, n), &got, &rewritten) != PG_R_OK);
		put_be32(in.p + 1, (uint32_t) in.n - 1);
	}
	in.p[6] = 2;
	CHECK_INT(apply(p, buf_slice(&in), &got, &rewritten), PG_R_ROW_FIELDS);
	in.p[6] = 3;
	put_be32(in.p + 7, 0xfffffffe);
	CHECK_INT(apply(p, buf_slice(&in), &got, &rewritten), PG_R_TRUNCATED);
	put_be32(in.p + 7, 3);
	in.p[0] = 'd';
	CHECK_INT(apply(p, buf_slice(&in), &got, &rewritten), PG_R_TRUNCATED);
	buf_fini(&in);
	buf_fini(&got);
	arena_fini(&a);
}

static void
a_row_beyond_the_limit_is_refused(void)
{
	static const char *const values[1] = {"a"};
	const struct mask_spec big = {.kernel = MASK_FIXED, .text = SLICE_LIT("123456789")};
	const struct mask_spec *masks[1] = {&big};
	struct pg_row_counts c = {0};
	struct arena a;
	enum pg_reason why;
	struct buf in = {0}, out = {.limit = 12};
	bool rewritten;

	arena_init(&a, 0);
	row(&in, values, 1);
	CHECK_INT(pg_rowplan_apply(plan(&a, masks, 1, 25, NULL, &why), in.p, in.n, &out,
				   &rewritten, &c),
		  PG_R_ROW_TOO_LARGE);
	buf_fini(&in);
	buf_fini(&out);
	arena_fini(&a);
}

/* At least 1.2 GB/s of rows; slow machines may have half of it. */
static void
rewriting_is_fast(void)
{
#ifndef WEIR_ASAN
	enum { ROWS = 2000, ROUNDS = 25 };
	static const char *const values[6] = {
		"1234567890", "Ada Lovelace, countess", "4111111111111111",
		"ada.lovelace@example.com", "+44 20 7946 0958", "12 St James's Square, London SW1Y"};
	const struct mask_spec *masks[6] = {NULL, NULL, &fixed};
	struct pg_row_counts c = {0};
	struct arena a;
	enum pg_reason why;
	struct buf in = {0}, out = {0};
	struct pg_rowplan *p;
	bool rewritten = false;
	double best = 1e12;

	arena_init(&a, 0);
	p = plan(&a, masks, 6, 25, NULL, &why);
	REQUIRE(p);
	row(&in, values, 6);
	for (int k = 0; k < ROUNDS; k++) {
		uint64_t start = cpu_ns();
		double took;

		for (int i = 0; i < ROWS; i++) {
			buf_reset(&out);
			CHECK_INT(pg_rowplan_apply(p, in.p, in.n, &out, &rewritten, &c), PG_R_OK);
		}
		took = (double) (cpu_ns() - start);
		best = took < best ? took : best;
	}
	CHECK(rewritten && c.cells == (uint64_t) ROWS * ROUNDS);
	printf("# %.2f GB/s of rows rewritten, target 1.2\n", (double) in.n * ROWS / best);
	CHECK((double) in.n * ROWS / best > 0.6);
	buf_fini(&in);
	buf_fini(&out);
	arena_fini(&a);
#else
	CHECK(true);
#endif
}

TEST_MAIN(TEST(plans_cover_masked_fields_only), TEST(rows_are_masked),
	  TEST(malformed_rows_are_refused), TEST(a_row_beyond_the_limit_is_refused),
	  TEST(rewriting_is_fast))
