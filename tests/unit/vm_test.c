/* SPDX-License-Identifier: MIT
 *
 * The policy machine by hand-made code: every opcode with its three outcomes and all flags, the
 * verdicts, the joins, what the verifier refuses, matching, and the tables of names.
 */
#include "vm/exec.h"
#include "vm/match.h"
#include "vm/verify.h"

#include "tests/unit/test.h"

static const struct image_column card_columns[] = {
	{SLICE_LIT("payments"), SLICE_LIT("cards"), SLICE_LIT("pan")},
	{SLICE_LIT("*"), SLICE_LIT("*"), SLICE_LIT("card_number")},
};
static const struct image_data datas[] = {{SLICE_LIT("card"), card_columns, 2, 0}};
static const struct slice two_strings[] = {SLICE_LIT("ai-agents"), SLICE_LIT("dba")};

enum { K_NUMBER, K_STRING, K_STRINGS, K_ACTIONS, K_VALUES, K_NETWORK, K_USES, K_REGEX, K_COUNT };
/* /^app\./: a, p, the dot, and other bytes */
static const uint16_t app_next[] = {20, 4,  20, 20, 20, 20, 8,	20, 20, 20, 12, 20,
				    20, 20, 20, 16, 16, 16, 16, 16, 20, 20, 20, 20};
static const uint8_t app_classes[256] = {['a'] = 1, ['p'] = 2, ['.'] = 3};
static const uint8_t app_accepts[] = {0, 0, 0, 0, 1, 0};
static struct constant constants[K_COUNT] = {
	[K_NUMBER] = {.kind = CONSTANT_NUMBER, .number = 5},
	[K_STRING] = {.kind = CONSTANT_STRING, .string = SLICE_LIT("app.*")},
	[K_STRINGS] = {.kind = CONSTANT_STRINGS, .strings = {two_strings, 2}},
	[K_ACTIONS] = {.kind = CONSTANT_ACTIONS},
	[K_VALUES] = {.kind = CONSTANT_VALUES,
		      .values = {TYPE_ENUM_USER_KIND, 1u << USER_KIND_AGENT}},
	[K_NETWORK] = {.kind = CONSTANT_NETWORK,
		       .network = {{[10] = 0xff, [11] = 0xff, [12] = 10}, 104}},
	[K_REGEX] = {.kind = CONSTANT_REGEX,
		     .regex = {SLICE_LIT("/^app\\./"),
			       {app_next, app_classes, app_accepts, 6, 4, 16}}},
	[K_USES] = {.kind = CONSTANT_USES, .uses = {0, CONTEXT_BIT(JOIN) | CONTEXT_BIT(ORDER)}},
};

static const uint16_t class_0[] = {0};
static const struct image_rule rules[] = {
	{.kind = VM_ALLOW, .name = SLICE_LIT("a")},
	{.kind = VM_HOLD, .name = SLICE_LIT("h")},
	{.kind = VM_DENY, .name = SLICE_LIT("d")},
	{.kind = VM_MASK, .name = SLICE_LIT("last4"),
	 .mask = {.data = class_0, .n_data = 1, .kernel = MASK_LAST, .count = 4,
		  .modes = {.lookup = true, .derived = true, .over = 10}}},
	{.kind = VM_MASK, .name = SLICE_LIT("last2"),
	 .mask = {.data = class_0, .n_data = 1, .kernel = MASK_LAST, .count = 2,
		  .modes = {.lookup = true, .over = 20}}},
	{.kind = VM_MASK, .name = SLICE_LIT("gone"),
	 .mask = {.data = class_0, .n_data = 1, .kernel = MASK_NULL}},
	{.kind = VM_LIMIT, .name = SLICE_LIT("few")},
	{.kind = VM_DROP, .name = SLICE_LIT("gone"), .mask = {.data = class_0, .n_data = 1}},
	{.kind = VM_RECORD, .name = SLICE_LIT("more"), .recorded = RECORDED_BIT(TEXT)},
	{.kind = VM_NOTIFY, .name = SLICE_LIT("tell"), .channel = SLICE_LIT("oncall")},
	{.kind = VM_ALLOW, .shadow = true, .name = SLICE_LIT("sa")},
	{.kind = VM_HOLD, .shadow = true, .name = SLICE_LIT("sh")},
	{.kind = VM_DENY, .shadow = true, .name = SLICE_LIT("sd")},
	{.kind = VM_MASK, .shadow = true, .name = SLICE_LIT("sm"),
	 .mask = {.data = class_0, .n_data = 1, .kernel = MASK_LAST, .count = 2}},
	{.kind = VM_DROP, .shadow = true, .name = SLICE_LIT("sg"),
	 .mask = {.data = class_0, .n_data = 1}},
};
static const int8_t ranks[] = {VM_ALLOW, VM_HOLD, VM_DENY, -1, -1, -1, -1, -1,
			       -1, -1, VM_ALLOW, VM_HOLD, VM_DENY, -1, -1};
enum { ALLOW_RULE, HOLD_RULE, DENY_RULE, LAST4_RULE, LAST2_RULE, NULL_RULE, LIMIT_RULE,
       DROP_RULE, RECORD_RULE, NOTIFY_RULE, SHADOW_ALLOW, SHADOW_HOLD, SHADOW_DENY, SHADOW_MASK,
       SHADOW_DROP };

static struct image
image_with(const struct insn *code, size_t n)
{
	struct image img = {
		.rules = rules, .ranks = ranks, .n_rules = COUNT_OF(rules),
		.data = datas, .n_data = 1,
		.constants = constants, .n_constants = K_COUNT,
	};

	constants[K_ACTIONS].actions = (struct action_set){0};
	action_set_add(&constants[K_ACTIONS].actions, ACTION_SQL_DROP);
	for (int e = 0; e < ENTRY_COUNT; e++)
		img.entry[e] = (struct image_entry){.code = code, .n = n, .cost = VM_MAX_OPS};
	return img;
}

/* Does the deny rule match behind this one test? */
static bool
passes(struct insn test, const struct facts *f)
{
	struct insn code[] = {test, {.op = OP_MATCH, .arg = DENY_RULE}, {.op = OP_END}};
	struct image img = image_with(code, 3);
	struct image_error err;
	struct arena scratch;
	struct decision d;

	arena_init(&scratch, 0);
	code[0].skip = 1;
	if (!vm_verify(&img, ENTRY_COMMAND, &img.entry[ENTRY_COMMAND], &scratch, &err))
		printf("# %s\n", err.text), test_failures++;
	arena_fini(&scratch);
	vm_decide(&img, ENTRY_COMMAND, f, &d);
	CHECK_INT(d.ops, d.verdict == VERDICT_DENY && !d.by_default ? 3 : 2);
	return !d.by_default;
}

/* All flags, given what the plain test comes to: 0, 1, or -1 for unknown. */
static void
check_flags(unsigned op, unsigned fact, unsigned arg, const struct facts *f, int outcome)
{
	for (unsigned flags = 0; flags <= INSN_FLAGS; flags++) {
		bool value =
			outcome < 0 ? flags & INSN_UNKNOWN : outcome != (bool)(flags & INSN_NOT);
		bool want = flags & INSN_SKIP_TRUE ? !value : value;
		bool got = passes((struct insn){(uint8_t) op, (uint8_t) flags, (uint16_t) fact, 0,
						(uint16_t) arg},
				  f);

		if (got != want) {
			printf("# op %u flags %u: %d, want %d\n", op, flags, got, want);
			test_failures++;
		}
	}
}

static void
action_in(void)
{
	struct facts f = {0};

	check_flags(OP_ACTION_IN, FACT_ACTION, K_ACTIONS, &f, -1);
	facts_int(&f, FACT_ACTION, ACTION_SQL_DROP);
	check_flags(OP_ACTION_IN, FACT_ACTION, K_ACTIONS, &f, 1);
	facts_int(&f, FACT_ACTION, ACTION_SQL_SELECT);
	check_flags(OP_ACTION_IN, FACT_ACTION, K_ACTIONS, &f, 0);
}

static void
set_any(void)
{
	const struct slice in[] = {SLICE_LIT("x"), SLICE_LIT("dba")}, out[] = {SLICE_LIT("db")};
	struct facts f = {0};

	check_flags(OP_SET_ANY, FACT_USER_GROUPS, K_STRINGS, &f, -1);
	facts_set(&f, FACT_USER_GROUPS, in, 2);
	check_flags(OP_SET_ANY, FACT_USER_GROUPS, K_STRINGS, &f, 1);
	facts_set(&f, FACT_USER_GROUPS, out, 1);
	check_flags(OP_SET_ANY, FACT_USER_GROUPS, K_STRINGS, &f, 0);
	facts_set(&f, FACT_USER_GROUPS, NULL, 0);
	check_flags(OP_SET_ANY, FACT_USER_GROUPS, K_STRINGS, &f, 0);
}

static void
set_glob(void)
{
	const struct slice in[] = {SLICE_LIT("x"), SLICE_LIT("app.y")}, out[] = {SLICE_LIT("app")};
	struct facts f = {0};

	check_flags(OP_SET_GLOB, FACT_COLUMNS, K_STRING, &f, -1);
	facts_set(&f, FACT_COLUMNS, in, 2);
	check_flags(OP_SET_GLOB, FACT_COLUMNS, K_STRING, &f, 1);
	facts_set(&f, FACT_COLUMNS, out, 1);
	check_flags(OP_SET_GLOB, FACT_COLUMNS, K_STRING, &f, 0);
}

static void
regexes(void)
{
	const struct slice in[] = {SLICE_LIT("x"), SLICE_LIT("app.y")}, out[] = {SLICE_LIT("app")};
	struct facts f = {0};

	check_flags(OP_SET_REGEX, FACT_COLUMNS, K_REGEX, &f, -1);
	facts_set(&f, FACT_COLUMNS, in, 2);
	check_flags(OP_SET_REGEX, FACT_COLUMNS, K_REGEX, &f, 1);
	facts_set(&f, FACT_COLUMNS, out, 1);
	check_flags(OP_SET_REGEX, FACT_COLUMNS, K_REGEX, &f, 0);
	check_flags(OP_STR_REGEX, FACT_TABLE, K_REGEX, &f, -1);
	facts_string(&f, FACT_TABLE, SLICE_LIT("app.orders"));
	check_flags(OP_STR_REGEX, FACT_TABLE, K_REGEX, &f, 1);
	facts_string(&f, FACT_TABLE, SLICE_LIT("crm.app."));
	check_flags(OP_STR_REGEX, FACT_TABLE, K_REGEX, &f, 0);
	facts_string(&f, FACT_TABLE, SLICE_LIT(""));
	check_flags(OP_STR_REGEX, FACT_TABLE, K_REGEX, &f, 0);
}

static void
strings(void)
{
	struct facts f = {0};

	check_flags(OP_STR_GLOB, FACT_TABLE, K_STRING, &f, -1);
	check_flags(OP_STR_IN, FACT_USER_NAME, K_STRINGS, &f, -1);
	facts_string(&f, FACT_TABLE, SLICE_LIT("app.orders"));
	check_flags(OP_STR_GLOB, FACT_TABLE, K_STRING, &f, 1);
	facts_string(&f, FACT_TABLE, SLICE_LIT("apporders"));
	check_flags(OP_STR_GLOB, FACT_TABLE, K_STRING, &f, 0);
	facts_string(&f, FACT_USER_NAME, SLICE_LIT("ai-agents"));
	check_flags(OP_STR_IN, FACT_USER_NAME, K_STRINGS, &f, 1);
	facts_string(&f, FACT_USER_NAME, SLICE_LIT(""));
	check_flags(OP_STR_IN, FACT_USER_NAME, K_STRINGS, &f, 0);
}

static void
flags_and_values(void)
{
	struct facts f = {0};

	check_flags(OP_BOOL, FACT_SQL_WHERE, 0, &f, -1);
	check_flags(OP_ENUM_IN, FACT_USER_KIND, K_VALUES, &f, -1);
	facts_bool(&f, FACT_SQL_WHERE, true);
	check_flags(OP_BOOL, FACT_SQL_WHERE, 0, &f, 1);
	facts_bool(&f, FACT_SQL_WHERE, false);
	check_flags(OP_BOOL, FACT_SQL_WHERE, 0, &f, 0);
	facts_int(&f, FACT_USER_KIND, USER_KIND_AGENT);
	check_flags(OP_ENUM_IN, FACT_USER_KIND, K_VALUES, &f, 1);
	facts_int(&f, FACT_USER_KIND, USER_KIND_HUMAN);
	check_flags(OP_ENUM_IN, FACT_USER_KIND, K_VALUES, &f, 0);
}

static void
numbers(void)
{
	struct facts f = {0};

	for (int op = OP_NUM_EQ; op <= OP_NUM_LE; op++)
		check_flags((unsigned) op, FACT_SQL_STATEMENTS, K_NUMBER, &f, -1);
	for (int v = 4; v <= 6; v++) {
		facts_int(&f, FACT_SQL_STATEMENTS, v);
		check_flags(OP_NUM_EQ, FACT_SQL_STATEMENTS, K_NUMBER, &f, v == 5);
		check_flags(OP_NUM_LT, FACT_SQL_STATEMENTS, K_NUMBER, &f, v < 5);
		check_flags(OP_NUM_LE, FACT_SQL_STATEMENTS, K_NUMBER, &f, v <= 5);
	}
	facts_int(&f, FACT_TIME_OF_DAY, 3);
	check_flags(OP_NUM_LT, FACT_TIME_OF_DAY, K_NUMBER, &f, 1);
}

static void
addresses(void)
{
	const uint8_t in[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9};
	const uint8_t out[16] = {[10] = 0xff, [11] = 0xff, [12] = 11};
	struct facts f = {0};

	check_flags(OP_ADDR_IN, FACT_CLIENT_ADDRESS, K_NETWORK, &f, -1);
	facts_address(&f, FACT_CLIENT_ADDRESS, in);
	check_flags(OP_ADDR_IN, FACT_CLIENT_ADDRESS, K_NETWORK, &f, 1);
	facts_address(&f, FACT_CLIENT_ADDRESS, out);
	check_flags(OP_ADDR_IN, FACT_CLIENT_ADDRESS, K_NETWORK, &f, 0);
}

/* One use, and whether the list is complete. */
static void
check_uses(const char *schema, const char *table, const char *column, unsigned contexts, bool known,
	   int want)
{
	struct data_use u = {slice_str(schema), slice_str(table), slice_str(column),
			     (uint16_t) contexts};
	struct facts f = {.uses = &u, .n_uses = 1, .uses_known = known};

	check_flags(OP_USES, 0, K_USES, &f, want);
}

static void
uses(void)
{
	struct facts f = {0};

	check_flags(OP_USES, 0, K_USES, &f, -1);
	f.uses_known = true;
	check_flags(OP_USES, 0, K_USES, &f, 0);
	check_uses("payments", "cards", "pan", CONTEXT_BIT(JOIN), true, 1);
	check_uses("payments", "cards", "pan", CONTEXT_BIT(JOIN), false, 1);
	check_uses("payments", "cards", "pan", CONTEXT_BIT(OUTPUT), true, 0);
	check_uses("payments", "cards", "pan", CONTEXT_BIT(OUTPUT), false, -1);
	check_uses("shop", "cards", "pan", CONTEXT_BIT(JOIN), true, 0);
	check_uses("shop", "any", "card_number", CONTEXT_BIT(ORDER), true, 1);
	/* What cannot be told may be it. */
	check_uses("", "cards", "pan", CONTEXT_BIT(JOIN), true, -1);
	check_uses("payments", "", "pan", CONTEXT_BIT(JOIN), true, -1);
	check_uses("payments", "cards", "", CONTEXT_BIT(JOIN), true, -1);
	/* A whole row has every column of its table; whether that has a card_number nobody says. */
	check_uses("payments", "cards", "", CONTEXT_BIT(JOIN) | CONTEXT_BIT(WHOLE_ROW), true, 1);
	check_uses("shop", "x", "", CONTEXT_BIT(JOIN) | CONTEXT_BIT(WHOLE_ROW), true, -1);
}

static void
jump_and_end(void)
{
	struct insn code[] = {{.op = OP_JUMP, .skip = 1},
			      {.op = OP_MATCH, .arg = DENY_RULE},
			      {.op = OP_MATCH, .arg = HOLD_RULE},
			      {.op = OP_END}};
	struct image img = image_with(code, 4);
	struct facts f = {0};
	struct decision d;

	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK_INT(d.verdict, VERDICT_HOLD);
	CHECK_INT(d.ops, 3);
	CHECK_INT(decision_next(&d, -1), HOLD_RULE);
	CHECK_INT(decision_next(&d, HOLD_RULE), -1);
}

/* deny > hold > allow, whatever the order; `by default` without any. */
static void
verdicts(void)
{
	static const unsigned char orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}};
	struct facts f = {0};
	struct decision d;

	for (size_t o = 0; o < COUNT_OF(orders); o++)
		for (size_t n = 0; n <= 3; n++) {
			struct insn code[4] = {0};
			int worst = -1;

			for (size_t i = 0; i < n; i++) {
				code[i] = (struct insn){.op = OP_MATCH, .arg = orders[o][i]};
				worst = orders[o][i] > worst ? orders[o][i] : worst;
			}
			code[n].op = OP_END;
			struct image img = image_with(code, n + 1);
			vm_decide(&img, ENTRY_COMMAND, &f, &d);
			CHECK_INT(d.verdict, n ? worst : VERDICT_DENY);
			CHECK_INT(d.by_default, n == 0);
			CHECK_INT(decision_next_deciding(&img, &d, -1), n ? worst : -1);
			if (n == 0) {
				img.default_allow = true;
				vm_decide(&img, ENTRY_COMMAND, &f, &d);
				CHECK_INT(d.verdict, VERDICT_ALLOW);
				CHECK(d.by_default);
			}
		}
}

/* An obligation decides nothing, and only a command can be limited or recorded. */
static void
obligation_has_no_verdict(uint16_t obligation)
{
	struct insn code[] = {{.op = OP_MATCH, .arg = obligation},
			      {.op = OP_MATCH, .arg = HOLD_RULE},
			      {.op = OP_END}};
	struct image img = image_with(code, 3);
	struct image_error err;
	struct arena scratch;
	struct facts f = {0};
	struct decision d;

	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK_INT(d.verdict, VERDICT_HOLD);
	CHECK_INT(decision_next_deciding(&img, &d, -1), HOLD_RULE);
	CHECK_INT(decision_next_deciding(&img, &d, HOLD_RULE), -1);
	CHECK_INT(decision_next(&d, HOLD_RULE), obligation);
	code[1] = (struct insn){.op = OP_JUMP};
	vm_decide(&img, ENTRY_COMMAND, &f, &d);
	CHECK_INT(d.verdict, VERDICT_DENY);
	CHECK(d.by_default);
	arena_init(&scratch, 0);
	for (int e = 0; e < ENTRY_COUNT; e++)
		CHECK(vm_verify(&img, (enum vm_entry) e, &img.entry[e], &scratch, &err) ==
		      (e == ENTRY_COMMAND));
	CHECK_INT(err.code, IMAGE_ERROR_RULE_KIND);
	arena_fini(&scratch);
}

static void
limits_have_no_verdict(void)
{
	obligation_has_no_verdict(LIMIT_RULE);
	obligation_has_no_verdict(RECORD_RULE);
}

/* A rule that is only watched can be matched where nothing is decided, and nowhere else; one that
 * is in force never there. */
static void
shadow_rules_stay_apart(void)
{
	struct insn code[] = {{.op = OP_MATCH}, {.op = OP_END}};
	struct image img = image_with(code, 2);
	struct image_error err;
	struct arena scratch;

	arena_init(&scratch, 0);
	for (uint16_t r = 0; r < COUNT_OF(rules); r++)
		for (int e = 0; e < ENTRY_COUNT; e++) {
			bool watch = e == ENTRY_WATCH || e == ENTRY_WATCH_CONNECT, good;

			code[0].op = OP_MATCH;
			code[0].arg = r;
			good = vm_verify(&img, (enum vm_entry) e, &img.entry[e], &scratch, &err);
			CHECK(!good || image_rule_watched(&rules[r]) == watch);
			CHECK(good || !image_rule_watched(&rules[r]) || !watch ||
			      (e == ENTRY_WATCH_CONNECT && rules[r].kind > VM_DENY));
			CHECK(good || err.code == IMAGE_ERROR_RULE_KIND);
			code[0].op = OP_MAY;
			CHECK(vm_verify(&img, (enum vm_entry) e, &img.entry[e], &scratch, &err) ==
			      (rules[r].kind <= VM_HOLD && rules[r].shadow == watch &&
			       (e == ENTRY_CONNECT || e == ENTRY_WATCH_CONNECT)));
		}
	arena_fini(&scratch);
}

/* Does the drop rule match behind one test of the row's second column? */
static bool
row_passes(enum opcode op, uint16_t constant, const struct row_value *row)
{
	static const struct slice columns[] = {SLICE_LIT("a"), SLICE_LIT("b")};
	struct insn code[] = {{.op = (uint8_t) op, .flags = INSN_UNKNOWN, .fact = 1, .skip = 1,
			       .arg = constant},
			      {.op = OP_MATCH, .arg = DROP_RULE},
			      {.op = OP_END}};
	struct image img = image_with(code, 3);
	struct facts f = {.row = row};
	struct image_error err;
	struct arena scratch;
	struct decision d;
	bool unknown, as_text;

	arena_init(&scratch, 0);
	img.row_columns = columns;
	img.n_row_columns = 1;
	CHECK(!vm_verify(&img, ENTRY_ROW, &img.entry[ENTRY_ROW], &scratch, &err));
	CHECK_INT(err.code, IMAGE_ERROR_FACT);
	img.n_row_columns = 2;
	for (int e = 0; e < ENTRY_COUNT; e++)
		CHECK(vm_verify(&img, (enum vm_entry) e, &img.entry[e], &scratch, &err) ==
		      (e == ENTRY_ROW));
	arena_fini(&scratch);
	vm_decide(&img, ENTRY_ROW, &f, &d);
	unknown = decision_next(&d, -1) == DROP_RULE;
	code[0].flags = INSN_UNKNOWN | INSN_NOT;
	vm_decide(&img, ENTRY_ROW, &f, &d);
	/* What is unknown matches either way. */
	as_text = op == OP_ROW_IN || op == OP_ROW_GLOB || op == OP_ROW_REGEX;
	CHECK(!row || (row[1].known && as_text) || row[1].is_int
		      ? (decision_next(&d, -1) == DROP_RULE) != unknown || !row
		      : unknown && decision_next(&d, -1) == DROP_RULE);
	return unknown;
}

static void
rows(void)
{
	struct row_value text[2] = {{0}, {.known = true, .s = SLICE_LIT("dba")}};
	struct row_value app[2] = {{0}, {.known = true, .s = SLICE_LIT("app.x")}};
	struct row_value number[2] = {{0}, {.known = true, .is_int = true, .i = 5,
					    .s = SLICE_LIT("5")}};
	struct row_value none[2] = {{.known = true, .is_int = true, .i = 5}, {0}};

	CHECK(row_passes(OP_ROW_IN, K_STRINGS, text));
	CHECK(!row_passes(OP_ROW_IN, K_STRINGS, app));
	CHECK(!row_passes(OP_ROW_IN, K_STRINGS, number));
	CHECK(row_passes(OP_ROW_IN, K_STRINGS, none));
	CHECK(row_passes(OP_ROW_IN, K_STRINGS, NULL));
	CHECK(row_passes(OP_ROW_GLOB, K_STRING, app));
	CHECK(!row_passes(OP_ROW_GLOB, K_STRING, text));
	CHECK(row_passes(OP_ROW_REGEX, K_REGEX, app));
	CHECK(!row_passes(OP_ROW_REGEX, K_REGEX, text));
	CHECK(row_passes(OP_ROW_REGEX, K_REGEX, none));
	CHECK(row_passes(OP_ROW_EQ, K_NUMBER, number));
	CHECK(!row_passes(OP_ROW_LT, K_NUMBER, number));
	CHECK(row_passes(OP_ROW_LE, K_NUMBER, number));
	number[1].i = 6;
	CHECK(!row_passes(OP_ROW_EQ, K_NUMBER, number));
	CHECK(!row_passes(OP_ROW_LE, K_NUMBER, number));
	number[1].i = 4;
	CHECK(row_passes(OP_ROW_LT, K_NUMBER, number));
	/* Text is no number. */
	CHECK(row_passes(OP_ROW_EQ, K_NUMBER, text));
	CHECK(row_passes(OP_ROW_LT, K_NUMBER, none));
}

/* may: opens the session; a hold of commands is not one of the session. */
static void
may(void)
{
	struct insn code[] = {{.op = OP_MAY, .arg = HOLD_RULE}, {.op = OP_END}};
	struct image img = image_with(code, 2);
	struct facts f = {0};
	struct decision d;

	vm_decide(&img, ENTRY_CONNECT, &f, &d);
	CHECK_INT(d.verdict, VERDICT_ALLOW);
	CHECK(!d.by_default);
	CHECK_INT(decision_next(&d, -1), -1);
	code[0].arg = ALLOW_RULE;
	vm_decide(&img, ENTRY_CONNECT, &f, &d);
	CHECK_INT(decision_next_deciding(&img, &d, -1), ALLOW_RULE);
}

static void
joins(void)
{
	struct insn allow[] = {{.op = OP_MATCH, .arg = ALLOW_RULE}, {.op = OP_END}};
	struct insn hold[] = {{.op = OP_MATCH, .arg = HOLD_RULE}, {.op = OP_END}};
	struct insn none[] = {{.op = OP_END}};
	struct image img = image_with(allow, 2);
	struct decision a, h, n, all;
	struct facts f = {0};

	vm_decide(&img, ENTRY_COMMAND, &f, &a);
	img.entry[ENTRY_COMMAND].code = hold;
	vm_decide(&img, ENTRY_COMMAND, &f, &h);
	img.entry[ENTRY_COMMAND].code = none;
	vm_decide(&img, ENTRY_COMMAND, &f, &n);

	vm_join_init(&all);
	CHECK_INT(all.verdict, VERDICT_DENY); /* nothing was decided */
	CHECK(all.by_default);
	vm_join(&all, &a);
	CHECK_INT(all.verdict, VERDICT_ALLOW);
	CHECK(!all.by_default);
	vm_join(&all, &h);
	CHECK_INT(all.verdict, VERDICT_HOLD);
	CHECK_INT(decision_next(&all, -1), ALLOW_RULE);
	CHECK_INT(decision_next_deciding(&img, &all, -1), HOLD_RULE);
	vm_join(&all, &n);
	CHECK_INT(all.verdict, VERDICT_DENY);
	CHECK(all.by_default);
	CHECK_INT(decision_next_deciding(&img, &all, -1), -1);
	CHECK_INT(all.effects, 3);
	CHECK_INT(all.ops, 2 + 2 + 1);
}

static void
masks(void)
{
	static const struct mask_modes more[][2] = {{{.lookup = true}, {0}},
						    {{.derived = true}, {0}},
						    {{.over = 20}, {0}},
						    {{.over = 10}, {.over = 20}}};
	struct insn code[] = {{.op = OP_MATCH, .arg = LAST4_RULE},
			      {.op = OP_MATCH, .arg = LAST2_RULE},
			      {.op = OP_MATCH, .arg = NULL_RULE},
			      {.op = OP_END}};
	struct image img = image_with(code, 4);
	struct slice pay = SLICE_LIT("payments"), cards = SLICE_LIT("cards"), pan = SLICE_LIT("pan");
	struct facts f = {0};
	struct decision d;

	vm_decide(&img, ENTRY_RESULT, &f, &d);
	CHECK_INT(d.verdict, VERDICT_ALLOW);
	CHECK_INT(vm_mask_for(&img, &d, pay, cards, pan), NULL_RULE);
	CHECK_INT(vm_mask_for(&img, &d, pay, cards, SLICE_LIT("name")), -1);
	CHECK_INT(vm_mask_for(&img, &d, pay, cards, SLICE_LIT("")), NULL_RULE);
	code[2] = (struct insn){.op = OP_END};
	vm_decide(&img, ENTRY_RESULT, &f, &d);
	CHECK_INT(vm_mask_for(&img, &d, pay, cards, pan), LAST2_RULE); /* reveals less */
	CHECK(vm_mask_cmp(&rules[LAST4_RULE].mask, &rules[LAST2_RULE].mask) < 0);
	CHECK(vm_mask_cmp(&rules[NULL_RULE].mask, &rules[LAST2_RULE].mask) > 0);
	CHECK_INT(vm_mask_cmp(&rules[LAST4_RULE].mask, &rules[LAST4_RULE].mask), 0);
	/* of the same mask, what opens less is stricter */
	for (size_t i = 0; i < COUNT_OF(more); i++) {
		struct image_mask a = rules[LAST4_RULE].mask, b = a;

		a.modes = more[i][0];
		b.modes = more[i][1];
		CHECK(vm_mask_cmp(&a, &b) < 0 && vm_mask_cmp(&b, &a) > 0);
	}
}

/* What every mask opens that applies; a column without one is open. */
static void
modes(void)
{
	struct insn code[] = {{.op = OP_MATCH, .arg = LAST4_RULE},
			      {.op = OP_MATCH, .arg = LAST2_RULE},
			      {.op = OP_MATCH, .arg = NULL_RULE},
			      {.op = OP_END}};
	struct image img = image_with(code, 4);
	struct slice pay = SLICE_LIT("payments"), cards = SLICE_LIT("cards"), pan = SLICE_LIT("pan");
	struct facts f = {0};
	struct decision d;
	struct mask_modes m;

	vm_decide(&img, ENTRY_RESULT, &f, &d);
	m = vm_modes_for(&img, &d, pay, cards, pan);
	CHECK(!m.lookup && !m.derived && !m.over);
	code[2] = (struct insn){.op = OP_END};
	vm_decide(&img, ENTRY_RESULT, &f, &d);
	m = vm_modes_for(&img, &d, pay, cards, pan);
	CHECK(m.lookup && !m.derived);
	CHECK_INT(m.over, 20);
	m = vm_modes_for(&img, &d, pay, cards, SLICE_LIT("name"));
	CHECK(m.lookup && m.derived && m.over);
	code[1] = (struct insn){.op = OP_END};
	vm_decide(&img, ENTRY_RESULT, &f, &d);
	m = vm_modes_for(&img, &d, pay, cards, pan);
	CHECK(m.derived);
	CHECK_INT(m.over, 10);
}

static void
refuse(enum vm_entry e, const struct insn *code, size_t n, enum image_error_code want)
{
	struct image img = image_with(code, n);
	struct image_error err = {0};
	struct arena scratch;

	arena_init(&scratch, 0);
	if (vm_verify(&img, e, &img.entry[e], &scratch, &err) || err.code != want) {
		printf("# got %s, want %s\n", err.code ? err.text : "accepted", image_error_name(want));
		test_failures++;
	}
	CHECK(!err.code || strncmp(err.text, image_error_name(want), 5) == 0);
	arena_fini(&scratch);
}

#define REFUSE(e, want, ...)                                                                      \
	do {                                                                                      \
		const struct insn code_[] = {__VA_ARGS__};                                        \
		refuse((e), code_, COUNT_OF(code_), IMAGE_ERROR_##want);                          \
	} while (0)
#define I(...) ((struct insn){__VA_ARGS__})
#define END I(.op = OP_END)

static void
verifier(void)
{
	refuse(ENTRY_COMMAND, NULL, 0, IMAGE_ERROR_NO_END); /* V0207 */
	REFUSE(ENTRY_COMMAND, OPCODE, I(.op = OP_COUNT), END); /* V0201 */
	REFUSE(ENTRY_COMMAND, OPCODE, I(.op = 255), END);
	/* V0202 */
	REFUSE(ENTRY_COMMAND, FLAGS, I(.op = OP_BOOL, .flags = 8, .fact = FACT_SQL_WHERE), END);
	REFUSE(ENTRY_COMMAND, FLAGS, I(.op = OP_MATCH, .flags = 1), END);
	REFUSE(ENTRY_COMMAND, FLAGS, I(.op = OP_END, .skip = 1));
	REFUSE(ENTRY_COMMAND, FACT, I(.op = OP_BOOL, .fact = FACT_TABLE), END); /* V0203 */
	REFUSE(ENTRY_COMMAND, FACT, I(.op = OP_BOOL, .fact = FACT_COUNT), END);
	REFUSE(ENTRY_COMMAND, FACT, I(.op = OP_MATCH, .fact = 1), END);
	REFUSE(ENTRY_COMMAND, FACT, I(.op = OP_NUM_EQ, .fact = FACT_SQL_WHERE), END);
	REFUSE(ENTRY_COMMAND, FACT, I(.op = OP_ENUM_IN, .fact = FACT_TABLE, .arg = K_VALUES), END);
	REFUSE(ENTRY_CONNECT, FACT, I(.op = OP_BOOL, .fact = FACT_SQL_WHERE), END);
	REFUSE(ENTRY_RESULT, FACT, I(.op = OP_BOOL, .fact = FACT_SQL_WHERE), END);
	/* V0204 */
	REFUSE(ENTRY_COMMAND, JUMP, I(.op = OP_BOOL, .fact = FACT_SQL_WHERE, .skip = 1), END);
	REFUSE(ENTRY_COMMAND, JUMP, I(.op = OP_JUMP, .skip = 65535), END);
	/* V0205 */
	REFUSE(ENTRY_COMMAND, ARGUMENT, I(.op = OP_STR_IN, .fact = FACT_TABLE, .arg = K_STRING),
	       END);
	REFUSE(ENTRY_COMMAND, ARGUMENT, I(.op = OP_STR_IN, .fact = FACT_TABLE, .arg = K_COUNT),
	       END);
	REFUSE(ENTRY_COMMAND, ARGUMENT, I(.op = OP_MATCH, .arg = COUNT_OF(rules)), END);
	REFUSE(ENTRY_COMMAND, ARGUMENT, I(.op = OP_BOOL, .fact = FACT_SQL_WHERE, .arg = 1), END);
	REFUSE(ENTRY_COMMAND, ARGUMENT,
	       I(.op = OP_ENUM_IN, .fact = FACT_TIME_WEEKDAY, .arg = K_VALUES), END);
	REFUSE(ENTRY_COMMAND, RULE_KIND, I(.op = OP_MATCH, .arg = LAST4_RULE), END); /* V0206 */
	REFUSE(ENTRY_RESULT, RULE_KIND, I(.op = OP_MATCH, .arg = DENY_RULE), END);
	REFUSE(ENTRY_COMMAND, RULE_KIND, I(.op = OP_MAY, .arg = ALLOW_RULE), END);
	REFUSE(ENTRY_CONNECT, RULE_KIND, I(.op = OP_MAY, .arg = DENY_RULE), END);
	REFUSE(ENTRY_COMMAND, NO_END, I(.op = OP_MATCH));
	REFUSE(ENTRY_COMMAND, NO_END, END, END);
}

/* The longest path counts, not the length: V0208. */
static void
cost(void)
{
	enum { N = VM_MAX_OPS + 2 };
	struct insn *code = calloc(N, sizeof(*code));
	struct image img = image_with(code, 4);
	struct image_error err;
	struct arena scratch;

	code[0] = (struct insn){OP_BOOL, 0, FACT_SQL_WHERE, 2, 0};
	code[1] = (struct insn){.op = OP_MATCH, .arg = ALLOW_RULE};
	code[2] = (struct insn){.op = OP_JUMP};
	code[3] = (struct insn){.op = OP_END};
	arena_init(&scratch, 0);
	CHECK(vm_verify(&img, ENTRY_COMMAND, &img.entry[ENTRY_COMMAND], &scratch, &err));
	CHECK_INT(img.entry[ENTRY_COMMAND].cost, 4);
	CHECK_INT(img.entry[ENTRY_COMMAND].facts, UINT64_C(1) << FACT_SQL_WHERE);
	CHECK(img.entry[ENTRY_COMMAND].stable);
	code[0].fact = FACT_SQL_IN_TRANSACTION;
	CHECK(vm_verify(&img, ENTRY_COMMAND, &img.entry[ENTRY_COMMAND], &scratch, &err));
	CHECK(!img.entry[ENTRY_COMMAND].stable);
	for (size_t i = 0; i < N; i++)
		code[i] = (struct insn){.op = OP_MATCH, .arg = ALLOW_RULE};
	code[N - 1] = (struct insn){.op = OP_END};
	refuse(ENTRY_COMMAND, code, N, IMAGE_ERROR_COST);
	arena_fini(&scratch);
	free(code);
}

static void
globs(void)
{
	static const struct {
		const char *pattern, *text;
		bool want;
	} cases[] = {
		{"", "", true},         {"", "a", false},          {"*", "", true},
		{"*", "abc", true},     {"a*", "a", true},         {"a*", "b", false},
		{"*a", "ba", true},     {"*a", "ab", false},       {"a*b*c", "abc", true},
		{"a*b*c", "axbybc", true}, {"a*b*c", "acb", false}, {"**", "x", true},
		{"a**b", "ab", true},   {"people.*", "people.x", true},
		{"people.*", "people", false}, {"*.pan", "a.b.pan", true}, {"a?c", "abc", false},
		{"\\*", "*", false},    {"\\*", "\\x", true},
	};
	char text[2000], pattern[1001];

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (match_glob(slice_str(cases[i].pattern), slice_str(cases[i].text)) !=
		    cases[i].want) {
			printf("# %s on %s\n", cases[i].pattern, cases[i].text);
			test_failures++;
		}
	/* a*a*a*...b on aaaa...: would never end in a matcher that tries all splits */
	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? '*' : 'a';
	pattern[sizeof(pattern) - 1] = 'b';
	CHECK(!match_glob(slice_of(pattern, sizeof(pattern)), slice_of(text, sizeof(text))));
}

static void
networks(void)
{
	static const char *const bad[] = {"", "x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/08",
					  "10.0.0.1/8", "::1/129", "::1/64", "1.2.3.4/-1",
					  "1.2.3.4/8x", "01.2.3.4"};
	uint8_t net[16], addr[16], prefix;

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (match_network_parse(slice_str(bad[i]), net, &prefix))
			printf("# took %s\n", bad[i]), test_failures++;
	REQUIRE(match_network_parse(SLICE_LIT("10.0.0.0/9"), net, &prefix));
	CHECK_INT(prefix, 105);
	REQUIRE(match_network_parse(SLICE_LIT("10.127.0.1"), addr, &(uint8_t){0}));
	CHECK(match_network(net, prefix, addr));
	REQUIRE(match_network_parse(SLICE_LIT("10.128.0.1"), addr, &(uint8_t){0}));
	CHECK(!match_network(net, prefix, addr));
	REQUIRE(match_network_parse(SLICE_LIT("::/0"), net, &prefix));
	CHECK_INT(prefix, 0);
	CHECK(match_network(net, prefix, addr));
	REQUIRE(match_network_parse(SLICE_LIT("2001:db8::/32"), net, &prefix));
	CHECK(!match_network(net, prefix, addr));
}

static void
names(void)
{
	struct action_set set = {0};

	CHECK_INT(fact_find(SLICE_LIT("sql.where")), FACT_SQL_WHERE);
	CHECK_INT(fact_find(SLICE_LIT("sql.wher")), -1);
	CHECK_INT(action_find(SLICE_LIT("sql.drop")), ACTION_SQL_DROP);
	CHECK_INT(action_find(SLICE_LIT("")), -1);
	CHECK_INT(context_find(SLICE_LIT("whole-row")), CONTEXT_WHOLE_ROW);
	CHECK_INT(mask_find(SLICE_LIT("pseudonym")), MASK_PSEUDONYM);
	CHECK_INT(type_find(SLICE_LIT("weekday")), TYPE_ENUM_WEEKDAY);
	CHECK_INT(enum_find(TYPE_ENUM_WEEKDAY, SLICE_LIT("sun")), WEEKDAY_SUN);
	CHECK_INT(enum_find(TYPE_ENUM_USER_KIND, SLICE_LIT("agent")), USER_KIND_AGENT);
	CHECK_INT(enum_count(TYPE_ENUM_USER_KIND), USER_KIND_COUNT);
	CHECK_INT(enum_count(TYPE_ENUM_WEEKDAY), WEEKDAY_COUNT);
	CHECK_INT(enum_count(TYPE_ENUM_PROTOCOL), PROTOCOL_COUNT);
	CHECK(!action_is_leaf(ACTION_SQL_DDL));
	CHECK(action_is_leaf(ACTION_CONNECT));
	CHECK(action_set_of(SLICE_LIT("sql.ddl"), &set));
	CHECK(action_set_has(&set, ACTION_SQL_DROP));
	CHECK(action_set_has(&set, ACTION_SQL_ROLE));
	CHECK(!action_set_has(&set, ACTION_SQL_DDL));
	CHECK(!action_set_has(&set, ACTION_SQL_SELECT));
	set = (struct action_set){0};
	CHECK(action_set_of(SLICE_LIT("sql.basics"), &set));
	CHECK(action_set_has(&set, ACTION_SQL_FETCH));
	CHECK(!action_set_has(&set, ACTION_SQL_SELECT));
	CHECK(!action_set_of(SLICE_LIT("sql.nothing"), &set));
	set = (struct action_set){0};
	CHECK(action_set_of(SLICE_LIT("sql"), &set));
	for (enum action a = ACTION_SQL; a < ACTION_COUNT; a++)
		CHECK_INT(action_set_has(&set, a), action_is_leaf(a));
}

TEST_MAIN(TEST(action_in), TEST(set_any), TEST(set_glob), TEST(regexes), TEST(strings),
	  TEST(flags_and_values),
	  TEST(numbers), TEST(addresses), TEST(uses), TEST(jump_and_end), TEST(verdicts),
	  TEST(limits_have_no_verdict), TEST(shadow_rules_stay_apart), TEST(rows), TEST(may),
	  TEST(joins), TEST(masks), TEST(modes), TEST(verifier), TEST(cost), TEST(globs),
	  TEST(networks),
	  TEST(names))
