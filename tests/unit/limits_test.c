/* SPDX-License-Identifier: MIT
 *
 * The compiler at its limits: more rules, instructions or constants than an image may hold are
 * errors with their codes (E0606, E0607, E0613, E0617), not crashes or hours; and what a large
 * policy costs to compile and to run, printed.
 */
#include "base/clock.h"
#include "compiler/compile.h"
#include "vm/index.h"

#include "tests/unit/test.h"

#include <time.h>

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

static bool
compile(const struct buf *text, struct arena *arena, struct buf *out, struct diag_queue *q,
	struct sources *sources)
{
	struct slice s = arena_copy(arena, buf_slice(text));
	struct compile_options options = {.text = &s};

	sources_init(sources, arena);
	diag_init(q, sources, arena);
	return compile_policy("big.weir", arena, q, out, &options, NULL);
}

static void
refused(const struct buf *text, const char *code)
{
	struct buf out = {0}, said = {0};
	struct sources sources;
	struct diag_queue q;
	struct arena arena;

	arena_init(&arena, 0);
	CHECK(!compile(text, &arena, &out, &q, &sources));
	diag_print(&q, &said, false);
	buf_putc(&said, 0);
	CHECK(strstr((const char *) said.p, code));
	buf_fini(&out);
	buf_fini(&said);
	arena_fini(&arena);
}

static void
too_many_rules(void)
{
	struct buf b = {0};

	buf_puts(&b, "policy big\n");
	for (int i = 0; i <= VM_MAX_RULES; i++)
		buf_printf(&b, "deny r%d do sql.drop\n", i);
	refused(&b, "E0606");
	buf_fini(&b);
}

/* Each let doubles the one before: 2^40 tests, if somebody wrote them all down. */
static void
too_costly(void)
{
	struct buf b = {0};

	buf_puts(&b, "policy big\nlet l0 = table = \"a\" or schema = \"b\"\n");
	for (int i = 1; i < 40; i++)
		buf_printf(&b, "let l%d = l%d or not l%d\n", i, i - 1, i - 1);
	buf_puts(&b, "deny all when l39\n");
	refused(&b, "E0607");
	buf_fini(&b);
}

static void
too_many_constants(void)
{
	struct buf b = {0};

	buf_puts(&b, "policy big\n");
	for (int i = 0; i < 2000; i++) {
		buf_printf(&b, "deny r%d when table = \"x\"", i);
		for (int k = 0; k < 33; k++)
			buf_printf(&b, " or table = \"t%d\"", i * 33 + k);
		buf_putc(&b, '\n');
	}
	refused(&b, "E0613");
	buf_fini(&b);
}

static void
too_many_columns(void)
{
	struct buf b = {0};

	buf_puts(&b, "policy big\ndata card = column cards.pan\nmask card with null when row.c0");
	for (int i = 1; i <= VM_MAX_ROW_COLUMNS; i++)
		buf_printf(&b, " or row.c%d", i);
	buf_putc(&b, '\n');
	refused(&b, "E0617");
	buf_fini(&b);
}

static void
put_rules(struct buf *b, int n)
{
	static const char *const kinds[] = {"allow", "deny", "hold"};

	buf_puts(b, "policy big\n");
	for (int i = 0; i < 50; i++)
		buf_printf(b, "group g%d = idp \"group-%d\"\n", i, i);
	buf_puts(b, "target t = postgres \"orders*\"\ndata card = column payments.cards.pan\n");
	for (int i = 0; i < n; i++) {
		buf_printf(b, "%s r%d \"rule number %d\" who g%d, g%d on t do sql.select, sql.update "
			      "when table = \"app.t%d\" and not sql.where unless user.kind = human",
			   kinds[i % 3], i, i, i % 50, (i + 7) % 50, i);
		buf_puts(b, i % 3 == 2 ? " for 1 of g0 not self within 5m\n" : "\n");
	}
}

/* Instructions of a decision that three of n rules concern. */
static uint32_t
many_rules(int n, uint64_t most_ns)
{
	const struct image_trust trust = {.allow_unsigned = true};
	const struct slice groups[] = {SLICE_LIT("group-3"), SLICE_LIT("group-20")};
	struct facts f = {.uses_known = true};
	struct buf text = {0}, out = {0};
	struct sources sources;
	struct image_error err;
	struct diag_queue q;
	struct decision d = {0};
	struct arena arena;
	struct image *img;
	uint64_t start = cpu_ns(), compiled, loaded;

	put_rules(&text, n);
	arena_init(&arena, 0);
	CHECK(compile(&text, &arena, &out, &q, &sources));
	compiled = cpu_ns();
	CHECK(compiled - start < most_ns);
	img = image_load(&arena, buf_slice(&out), &trust, &err);
	loaded = cpu_ns();
	CHECK(img && img->entry[ENTRY_COMMAND].index && loaded - compiled < most_ns);
	printf("# %d rules: %zu bytes of text compile in %.1f ms to %zu, loaded in %.1f ms, "
	       "index %zu\n", n, text.n, (double) (compiled - start) / 1e6, out.n, (double) (loaded - compiled) / 1e6,
	       vm_index_bytes(img->entry[ENTRY_COMMAND].index));
	facts_set(&f, FACT_USER_GROUPS, groups, 2);
	facts_int(&f, FACT_USER_KIND, USER_KIND_AGENT);
	facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	facts_string(&f, FACT_TARGET_NAME, SLICE_LIT("orders"));
	facts_int(&f, FACT_ACTION, ACTION_SQL_UPDATE);
	facts_string(&f, FACT_TABLE, SLICE_LIT("app.t103"));
	facts_bool(&f, FACT_SQL_WHERE, false);
	start = cpu_ns();
	for (int i = 0; i < 5000; i++)
		vm_decide(img, ENTRY_COMMAND, &f, &d);
	printf("# a decision takes %u instructions of at most %u, %.0f ns\n", d.ops,
	       img->entry[ENTRY_COMMAND].cost, (double) (cpu_ns() - start) / 5000);
	CHECK_INT(d.verdict, VERDICT_DENY);
	CHECK(!d.by_default);
	CHECK(decision_has(&d, 103));
	buf_fini(&text);
	buf_fini(&out);
	arena_fini(&arena);
	return d.ops;
}

/* The goals are 100 ms and 1.5 s; this allows for sanitizers and busy machines. */
static void
rules_that_do_not_concern_it_cost_nothing(void)
{
	uint32_t few = many_rules(200, NS_PER_S), ops = many_rules(1000, NS_PER_S);

	CHECK_INT(ops, few);
	CHECK_INT(many_rules(10000, 10 * NS_PER_S), few);
}

/* Long names of columns that differ at their ends, and many instructions that read them: loading
 * compares the names once, in some milliseconds; for each instruction many seconds. */
static void
long_names_of_columns(void)
{
	enum { NAMES = 60, LENGTH = 130000, RULES = 30, TESTS = 900 };
	const struct image_trust trust = {.allow_unsigned = true};
	struct buf text = {0}, out = {0};
	struct sources sources;
	struct image_error err;
	struct diag_queue q;
	struct arena arena;
	uint64_t start;

	buf_puts(&text, "policy big\ndata card = column cards.pan\n");
	for (int i = 0; i < NAMES; i++) {
		buf_printf(&text, "let l%d = row.", i);
		for (int k = 0; k < LENGTH; k++)
			buf_putc(&text, 'x');
		buf_printf(&text, "%02d = \"a\"\n", i);
	}
	for (int r = 0; r < RULES; r++) {
		buf_printf(&text, "mask m%d of card with null when l0", r);
		for (int i = 1; i < TESTS; i++)
			buf_printf(&text, " or l%d", i % NAMES);
		buf_putc(&text, '\n');
	}
	arena_init(&arena, 0);
	CHECK(compile(&text, &arena, &out, &q, &sources));
	start = cpu_ns();
	CHECK(image_load(&arena, buf_slice(&out), &trust, &err));
	printf("# %d instructions over %d names of %d characters load in %.1f ms\n", RULES * TESTS,
	       NAMES, LENGTH, (double) (cpu_ns() - start) / 1e6);
	CHECK(cpu_ns() - start < NS_PER_S);
	buf_fini(&text);
	buf_fini(&out);
	arena_fini(&arena);
}

/* The share of dispatch, without string comparisons. */
static void
cheap_instructions(void)
{
	enum { N = 4000, ROUNDS = 500 };
	struct insn *code = calloc(N + 1, sizeof(*code));
	struct image img = {.entry[ENTRY_COMMAND] = {.code = code, .n = N + 1, .cost = N + 1}};
	struct facts f = {0};
	struct decision d;
	uint64_t start;

	facts_bool(&f, FACT_SQL_WHERE, true);
	facts_bool(&f, FACT_CLIENT_TLS, true);
	for (int i = 0; i < N; i++)
		code[i] = (struct insn){.op = OP_BOOL,
					.fact = i % 2 ? FACT_SQL_WHERE : FACT_CLIENT_TLS};
	code[N].op = OP_END;
	start = cpu_ns();
	for (int i = 0; i < ROUNDS; i++)
		vm_decide(&img, ENTRY_COMMAND, &f, &d);
	printf("# a flag test takes %.2f ns\n", (double) (cpu_ns() - start) / ROUNDS / (N + 1));
	CHECK_INT(d.ops, N + 1);
	free(code);
}

TEST_MAIN(TEST(too_many_rules), TEST(too_costly), TEST(too_many_constants), TEST(too_many_columns),
	  TEST(rules_that_do_not_concern_it_cost_nothing), TEST(long_names_of_columns),
	  TEST(cheap_instructions))
