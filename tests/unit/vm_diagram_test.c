/* SPDX-License-Identifier: MIT
 *
 * Instructions that stand in the code of diagrams: where each goes, for whatever is known, and what
 * the verifier refuses of them.
 */
#include "vm/exec.h"
#include "vm/verify.h"

#include "tests/unit/test.h"

enum { K_STRINGS, K_ACTIONS, K_VALUES, K_USES, K_EMPTY, K_COUNT };
enum { N_RULES = 8 };

static const struct slice strings[] = {SLICE_LIT("app"), SLICE_LIT("ops"), SLICE_LIT("x")};
static const struct image_column column = {SLICE_LIT("app"), SLICE_LIT("t"), SLICE_LIT("c")};
static const struct image_data data = {.columns = &column, .n_columns = 1};
static struct constant constants[K_COUNT] = {
	[K_STRINGS] = {.kind = CONSTANT_STRINGS, .n_cases = 3, .strings = {strings, 3}},
	[K_ACTIONS] = {.kind = CONSTANT_ACTIONS, .n_cases = 2},
	[K_VALUES] = {.kind = CONSTANT_VALUES, .n_cases = 2,
		      .values = {TYPE_ENUM_WEEKDAY, 1u << WEEKDAY_MON | 1u << WEEKDAY_FRI}},
	[K_USES] = {.kind = CONSTANT_USES, .n_cases = 1, .uses = {0, CONTEXT_BIT(JOIN)}},
	[K_EMPTY] = {.kind = CONSTANT_STRINGS},
};
static const struct insn end = {.op = OP_END};
static struct image_rule rules[N_RULES];
static int8_t ranks[N_RULES];
static struct arena arena;

/* Of an image whose list matches rule 7. */
static enum image_error_code
load_at(struct image *img, enum vm_entry e, const struct insn *code, size_t n)
{
	static const struct insn list[] = {{.op = OP_MATCH, .arg = 7}, {.op = OP_END}};
	static const struct slice columns[] = {SLICE_LIT("a"), SLICE_LIT("b")};
	struct image_error err = {0};

	for (int i = 0; i < N_RULES; i++) {
		rules[i].kind = e == ENTRY_ROW ? VM_DROP : VM_DENY;
		ranks[i] = e == ENTRY_ROW ? -1 : VM_DENY;
	}
	action_set_add(&constants[K_ACTIONS].actions, ACTION_SQL_SELECT);
	action_set_add(&constants[K_ACTIONS].actions, ACTION_SQL_DROP);
	*img = (struct image){.rules = rules, .ranks = ranks, .n_rules = N_RULES, .data = &data,
			      .n_data = 1, .constants = constants, .n_constants = K_COUNT,
			      .row_columns = columns, .n_row_columns = 2};
	img->entry[e] = (struct image_entry){.code = list, .n = 2, .diagram = code, .n_diagram = n};
	if (vm_verify(img, e, &img->entry[e], &arena, &err))
		return IMAGE_OK;
	CHECK(strncmp(err.text, image_error_name(err.code), 5) == 0);
	return err.code;
}

static enum image_error_code
load(struct image *img, const struct insn *code, size_t n)
{
	return load_at(img, ENTRY_COMMAND, code, n);
}

/* The way that a switch takes: behind each stands a match of the rule of its number. */
static int
way(struct insn in, const struct facts *f)
{
	enum vm_entry e = vm_op_reads_row(in.op) ? ENTRY_ROW : ENTRY_COMMAND;
	size_t ways = constants[in.arg].n_cases + 2;
	struct insn code[1 + 5 + 5 * 2] = {in};
	struct image img;
	struct decision d;

	for (size_t i = 0; i < ways; i++) {
		code[1 + i] = (struct insn){.op = OP_FAR, .skip = (uint16_t) (ways + i - 1)};
		code[1 + ways + 2 * i] = (struct insn){.op = OP_MATCH, .arg = (uint16_t) i};
		code[2 + ways + 2 * i] = end;
	}
	CHECK_INT(load_at(&img, e, code, 1 + 3 * ways), IMAGE_OK);
	CHECK_INT(img.entry[e].cost, 4);
	vm_decide(&img, e, f, &d);
	CHECK_INT(d.ops, 4);
	CHECK_INT(decision_next(&d, decision_next(&d, -1)), -1);
	return decision_next(&d, -1);
}

static void
switches(void)
{
	const struct insn by_string = {.op = OP_STR_SWITCH, .fact = FACT_SCHEMA, .arg = K_STRINGS};
	const struct insn none = {.op = OP_STR_SWITCH, .fact = FACT_SCHEMA, .arg = K_EMPTY};
	const struct insn by_action = {
		.op = OP_ACTION_SWITCH, .fact = FACT_ACTION, .arg = K_ACTIONS};
	const struct insn by_value = {
		.op = OP_ENUM_SWITCH, .fact = FACT_TIME_WEEKDAY, .arg = K_VALUES};
	const struct insn by_use = {.op = OP_USES_SWITCH, .arg = K_USES};
	const struct data_use use = {SLICE_LIT("app"), SLICE_LIT("t"), SLICE_LIT("c"),
				     CONTEXT_BIT(JOIN)};
	struct facts f = {0};

	CHECK_INT(way(by_string, &f), 0);
	CHECK_INT(way(by_action, &f), 0);
	CHECK_INT(way(by_value, &f), 0);
	CHECK_INT(way(by_use, &f), 0);
	for (size_t i = 0; i < COUNT_OF(strings); i++) {
		facts_string(&f, FACT_SCHEMA, strings[i]);
		CHECK_INT(way(by_string, &f), (int) i + 2);
	}
	facts_string(&f, FACT_SCHEMA, SLICE_LIT("apps"));
	CHECK_INT(way(by_string, &f), 1);
	CHECK_INT(way(none, &f), 1);
	facts_int(&f, FACT_ACTION, ACTION_SQL_SELECT);
	CHECK_INT(way(by_action, &f), ACTION_SQL_SELECT < ACTION_SQL_DROP ? 2 : 3);
	facts_int(&f, FACT_ACTION, ACTION_SQL_DROP);
	CHECK_INT(way(by_action, &f), ACTION_SQL_SELECT < ACTION_SQL_DROP ? 3 : 2);
	facts_int(&f, FACT_ACTION, ACTION_SQL_BEGIN);
	CHECK_INT(way(by_action, &f), 1);
	facts_int(&f, FACT_TIME_WEEKDAY, WEEKDAY_FRI);
	CHECK_INT(way(by_value, &f), 3);
	facts_int(&f, FACT_TIME_WEEKDAY, WEEKDAY_TUE);
	CHECK_INT(way(by_value, &f), 1);
	f.uses_known = true;
	CHECK_INT(way(by_use, &f), 1);
	f.uses = &use;
	f.n_uses = 1;
	CHECK_INT(way(by_use, &f), 2);
}

/* By the value's text, whether it is a number besides or not. */
static void
switch_of_rows(void)
{
	const struct insn in = {.op = OP_ROW_SWITCH, .fact = 1, .arg = K_STRINGS};
	struct row_value row[2] = {{.known = true, .s = strings[0]}, {.known = false}};
	struct facts f = {0};
	struct image img;

	CHECK_INT(way(in, &f), 0);
	f.row = row;
	CHECK_INT(way(in, &f), 0);
	row[1].known = true;
	for (size_t i = 0; i < COUNT_OF(strings); i++) {
		row[1].s = strings[i];
		CHECK_INT(way(in, &f), (int) i + 2);
	}
	row[1] = (struct row_value){.known = true, .is_int = true, .i = 1, .s = SLICE_LIT("1")};
	CHECK_INT(way(in, &f), 1);
	CHECK_INT(load(&img, &in, 1), IMAGE_ERROR_FACT);
	CHECK_INT(load_at(&img, ENTRY_ROW,
			  &(struct insn){.op = OP_ROW_SWITCH, .fact = 2, .arg = K_STRINGS}, 1),
		  IMAGE_ERROR_FACT);
}

/* Does the test pass? When not, the list is asked. */
static bool
passes(struct insn test, const struct facts *f)
{
	const struct insn code[] = {test, {.op = OP_LIST}, {.op = OP_MATCH}, end};
	struct image img;
	struct decision d;

	((struct insn *) (uintptr_t) code)[0].skip = 1;
	((struct insn *) (uintptr_t) code)[0].flags = INSN_SKIP_TRUE;
	CHECK_INT(load(&img, code, COUNT_OF(code)), IMAGE_OK);
	CHECK_INT(img.entry[ENTRY_COMMAND].cost, 4);
	vm_decide(&img, ENTRY_COMMAND, f, &d);
	CHECK(decision_has(&d, 0) != decision_has(&d, 7));
	CHECK_INT(d.ops, decision_has(&d, 0) ? 3 : 4);
	return decision_has(&d, 0);
}

static bool
in_schema(const char *table, const char *schema)
{
	struct facts f = {0};

	if (table)
		facts_string(&f, FACT_TABLE, slice_str(table));
	if (schema)
		facts_string(&f, FACT_SCHEMA, slice_str(schema));
	return passes((struct insn){.op = OP_IN_SCHEMA}, &f);
}

static void
tests(void)
{
	const struct insn known = {.op = OP_KNOWN, .fact = FACT_USER_GROUPS};
	struct facts f = {0};

	CHECK(!passes(known, &f));
	facts_set(&f, FACT_USER_GROUPS, strings, 0);
	CHECK(passes(known, &f));
	CHECK(in_schema("app.t", "app") && in_schema(".t", "") && in_schema("app.", "app"));
	CHECK(!in_schema("app.t", "ap") && !in_schema("app.t", "apps") && !in_schema("app", "app"));
	CHECK(!in_schema("app.t.u", "app") && !in_schema("a.b.t", "a.b"));
	CHECK(!in_schema("bpp.t", "app"));
	CHECK(!in_schema("app.t", NULL) && !in_schema(NULL, "app") && !in_schema(NULL, NULL));
}

/* What matched on the way matches once, and the list adds its own. */
static void
on_to_the_list(void)
{
	const struct insn code[] = {
		{.op = OP_MATCH, .arg = 7}, {.op = OP_MATCH, .arg = 3}, {.op = OP_LIST}};
	struct facts f = {0};
	struct image img;
	struct decision d;

	CHECK_INT(load(&img, code, COUNT_OF(code)), IMAGE_OK);
	CHECK_INT(img.entry[ENTRY_COMMAND].cost, 5);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(d.ops == 5 && d.verdict == VERDICT_DENY && !d.by_default);
	CHECK_INT(decision_next(&d, -1), 3);
	CHECK_INT(decision_next(&d, 3), 7);
	CHECK_INT(decision_next(&d, 7), -1);
}

/* Of the strings "app", "ops" and "x" the second has two rules, and the third another one. */
static void
members(void)
{
	const struct insn code[] = {
		{.op = OP_SET_MATCH, .fact = FACT_USER_GROUPS, .skip = 5, .arg = K_STRINGS},
		{.op = OP_MATCH, .arg = 0},
		{.op = OP_MATCH, .arg = 1, .skip = 2},
		{.op = OP_MATCH, .arg = 2},
		{.op = OP_MATCH, .arg = 3, .skip = 1},
		{.op = OP_MATCH, .arg = 4},
		{.op = OP_MATCHED, .skip = 1, .arg = 4},
		{.op = OP_MATCH, .arg = 5},
		{.op = OP_MATCH, .arg = 6},
		end};
	static const struct {
		size_t first, n;
		unsigned rules, ops;
	} sets[] = {{0, 0, 1 << 6, 4},			       {0, 1, 1 | 1 << 6, 5},
		    {1, 1, 2 | 8 | 16 | 1 << 5 | 1 << 6, 8},   {2, 1, 4 | 1 << 6, 5},
		    {0, 3, 31 | 1 << 5 | 1 << 6, 10}};
	struct facts f = {0};
	struct image img;
	struct decision d;

	CHECK_INT(load(&img, code, COUNT_OF(code)), IMAGE_OK);
	CHECK_INT(img.entry[ENTRY_COMMAND].cost, 10);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(decision_next(&d, -1) == 6 && d.ops == 4);
	for (size_t i = 0; i < COUNT_OF(sets); i++) {
		facts_set(&f, FACT_USER_GROUPS, strings + sets[i].first, sets[i].n);
		vm_decide(&img, ENTRY_COMMAND, &f, &d);
		for (unsigned r = 0; r < N_RULES; r++)
			CHECK(decision_has(&d, r) == (sets[i].rules >> r & 1));
		CHECK_INT(d.ops, sets[i].ops);
	}
}

/* Rule 0 is for "app"; 1 for who is not in "ops", 2 for who is in neither "ops" nor "x". */
static void
exceptions(void)
{
	const struct insn code[] = {
		{.op = OP_SET_MATCH, .flags = INSN_NOT, .fact = FACT_USER_GROUPS, .skip = 4,
		 .arg = K_STRINGS},
		{.op = OP_MATCH, .arg = 0},
		{.op = OP_MATCH, .flags = INSN_NOT, .arg = 1, .skip = 2},
		{.op = OP_MATCH, .flags = INSN_NOT, .arg = 2},
		{.op = OP_MATCH, .flags = INSN_NOT, .arg = 2},
		end};
	const struct slice twice[] = {strings[1], strings[1], strings[1]};
	static const unsigned matching[] = {6, 7, 0, 2, 1}, ops[] = {6, 7, 8, 7, 10};
	struct facts f = {0};
	struct image img;
	struct decision d;

	CHECK_INT(load(&img, code, COUNT_OF(code)), IMAGE_OK);
	CHECK_INT(img.entry[ENTRY_COMMAND].cost, 10);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(decision_next(&d, -1) == -1 && d.ops == 2); /* not known: nothing matches */
	for (size_t i = 0; i < COUNT_OF(matching); i++) {
		size_t first = i == 0 || i == 4 ? 0 : i - 1;

		facts_set(&f, FACT_USER_GROUPS, strings + first, i == 0 ? 0 : i == 4 ? 3 : 1);
		vm_decide(&img, ENTRY_COMMAND, &f, &d);
		for (unsigned r = 0; r < N_RULES; r++)
			CHECK(decision_has(&d, r) == (matching[i] >> r & 1));
		CHECK_INT(d.ops, ops[i]);
	}
	facts_set(&f, FACT_USER_GROUPS, twice, 3);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(decision_next(&d, -1) == -1 && d.ops == ops[2]);
}

/* Farther than a test can skip. */
static void
far(void)
{
	enum { N = 200 * 1000 };
	struct insn *code = calloc(N + 4, sizeof(*code));
	struct facts f = {0};
	struct image img;
	struct decision d;

	REQUIRE(code);
	code[0] = (struct insn){.op = OP_BOOL, .fact = FACT_SQL_WHERE, .skip = 1};
	code[1] = (struct insn){.op = OP_FAR, .skip = N & 0xffff, .arg = N >> 16};
	for (size_t i = 2; i < N + 2; i++)
		code[i] = (struct insn){.op = OP_MATCH};
	code[N + 2] = (struct insn){.op = OP_MATCH, .arg = 1};
	code[N + 3] = end;
	CHECK_INT(load(&img, code, N + 4), IMAGE_OK);
	facts_bool(&f, FACT_SQL_WHERE, true);
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK(d.ops == 4 && decision_has(&d, 1) && !decision_has(&d, 0));
	code[1].skip += 2;
	CHECK_INT(load(&img, code, N + 4), IMAGE_ERROR_JUMP);
	code[1].arg = UINT16_MAX;
	CHECK_INT(load(&img, code, N + 4), IMAGE_ERROR_JUMP);
	free(code);
}

#define REFUSE(want, ...)                                                                         \
	do {                                                                                      \
		const struct insn code_[] = {__VA_ARGS__};                                        \
		CHECK_INT(load(&img, code_, COUNT_OF(code_)), IMAGE_ERROR_##want);                \
	} while (0)
#define I(...) ((struct insn){__VA_ARGS__})
#define SET(set, n) I(.op = OP_SET_MATCH, .fact = FACT_USER_GROUPS, .skip = (n), .arg = (set))

static void
refusals(void)
{
	const struct insn list_only = {.op = OP_LIST};
	struct insn *many = calloc(VM_MAX_DIAGRAM + 1, sizeof(*many));
	struct image img;
	struct image_error err;

	REQUIRE(many);
	REFUSE(NO_END, I(.op = OP_MATCH));
	REFUSE(UNREACHED, end, end);
	REFUSE(UNREACHED, I(.op = OP_FAR, .skip = 1), end, end);
	REFUSE(JUMP, I(.op = OP_FAR, .skip = 1), end);
	REFUSE(JUMP, I(.op = OP_USES_SWITCH, .arg = K_USES), end, end);
	REFUSE(UNREACHED, I(.op = OP_USES_SWITCH, .arg = K_USES), end, end, end, end);
	REFUSE(JUMP, I(.op = OP_USES_SWITCH, .arg = K_USES), end, end,
	       I(.op = OP_USES_SWITCH, .arg = K_USES), end, end, end);
	REFUSE(FLAGS, I(.op = OP_USES_SWITCH, .flags = INSN_NOT, .arg = K_USES), end, end, end);
	REFUSE(ARGUMENT, I(.op = OP_USES_SWITCH, .arg = K_STRINGS), end, end, end);
	REFUSE(ARGUMENT, I(.op = OP_USES_SWITCH, .arg = K_COUNT), end, end, end);
	REFUSE(FACT, I(.op = OP_STR_SWITCH, .fact = FACT_ACTION, .arg = K_EMPTY), end, end);
	REFUSE(ARGUMENT, I(.op = OP_ENUM_SWITCH, .fact = FACT_USER_KIND, .arg = K_VALUES), end, end,
	       end, end);
	REFUSE(FACT, I(.op = OP_KNOWN, .fact = FACT_COUNT), end);
	REFUSE(FACT, I(.op = OP_SET_MATCH, .fact = FACT_SCHEMA, .arg = K_EMPTY), end);
	REFUSE(ARGUMENT, SET(K_VALUES, 0), end);
	REFUSE(JUMP, SET(K_EMPTY, 1), end);
	REFUSE(JUMP, SET(K_STRINGS, 2), I(.op = OP_MATCH), I(.op = OP_MATCH), end);
	REFUSE(JUMP, SET(K_STRINGS, 3), I(.op = OP_MATCH), I(.op = OP_MATCH), I(.op = OP_FAR), end);
	REFUSE(JUMP, SET(K_STRINGS, 3), I(.op = OP_MATCH), I(.op = OP_MATCH),
	       I(.op = OP_MATCH, .skip = 1), end);
	REFUSE(UNREACHED, SET(K_EMPTY, 1), I(.op = OP_MATCH), end);
	/* Two lead to one, or one to that of a string. */
	REFUSE(JUMP, SET(K_STRINGS, 4), I(.op = OP_MATCH, .skip = 3), I(.op = OP_MATCH, .skip = 2),
	       I(.op = OP_MATCH), I(.op = OP_MATCH), end);
	REFUSE(JUMP, SET(K_STRINGS, 3), I(.op = OP_MATCH, .skip = 1), I(.op = OP_MATCH),
	       I(.op = OP_MATCH), end);
	REFUSE(JUMP, SET(K_STRINGS, 3), I(.op = OP_MATCH), I(.op = OP_MATCH, .flags = INSN_NOT),
	       I(.op = OP_MATCH), end);
	REFUSE(FLAGS, I(.op = OP_MATCH, .flags = INSN_NOT), end);
	REFUSE(FLAGS, SET(K_EMPTY, 0), I(.op = OP_MATCH, .flags = INSN_NOT), end);
	REFUSE(FLAGS, SET(K_STRINGS, 3), I(.op = OP_MATCH), I(.op = OP_MATCH),
	       I(.op = OP_MATCH, .flags = INSN_UNKNOWN), end);
	REFUSE(FLAGS, I(.op = OP_MATCH, .skip = 1), end, end);
	REFUSE(FLAGS, SET(K_EMPTY, 0), I(.op = OP_MATCH, .skip = 1), end, end);
	REFUSE(ARGUMENT, I(.op = OP_MATCHED, .arg = N_RULES), end);
	REFUSE(FLAGS, I(.op = OP_LIST, .skip = 1));
	img.entry[ENTRY_COMMAND] = (struct image_entry){.code = &list_only, .n = 1};
	CHECK(!vm_verify(&img, ENTRY_COMMAND, &img.entry[ENTRY_COMMAND], &arena, &err));
	CHECK_INT(err.code, IMAGE_ERROR_OPCODE);
	for (size_t i = 0; i < VM_MAX_DIAGRAM; i++)
		many[i] = I(.op = OP_FAR, .skip = 0);
	many[VM_MAX_DIAGRAM] = end;
	CHECK_INT(load(&img, many, VM_MAX_DIAGRAM + 1), IMAGE_ERROR_COST);
	free(many);
}

int
main(void)
{
	static const struct test_case cases[] = {TEST(switches), TEST(switch_of_rows),
						 TEST(tests), TEST(on_to_the_list),
						 TEST(members), TEST(exceptions), TEST(far),
						 TEST(refusals)};

	arena_init(&arena, 0);
	return test_run(cases, COUNT_OF(cases));
}
