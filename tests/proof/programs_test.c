/* SPDX-License-Identifier: MIT
 *
 * Every small program, without exception: all instructions that can be made of representative and
 * boundary operands, and all ways of going through up to five instructions, of a list and of a
 * diagram. What the verifier takes is run, with everything known and with nothing, over arrays that
 * end exactly where the image says (the sanitized build sees each byte beyond); what it does not
 * take has its code.
 */
#include "vm/exec.h"
#include "vm/verify.h"

#include <stdlib.h>

#include "tests/unit/test.h"

enum { N_RULES = 2 * VM_RULE_COUNT, N_ROW_COLUMNS = 2, MAX_FREE = 5, MAX_FREE_DIAGRAM = 4 };

static struct image img;
static struct facts facts[2]; /* nothing is known; everything is */
static struct arena scratch;
static uint64_t taken_ops[OP_COUNT], refused[IMAGE_ERROR_COUNT], n_taken, n_programs;

/* A copy of its own allocation, so that its end is an end. */
static void *
exact(const void *from, size_t n)
{
	void *p = malloc(n);

	assert(p);
	return memcpy(p, from, n);
}

static struct slice
exact_text(const char *s)
{
	return slice_of(exact(s, strlen(s)), strlen(s));
}

static void
make_constants(void)
{
	static const uint16_t next[] = {0, 2, 2, 2}; /* /d/ */
	static const uint8_t class_of[256] = {['d'] = 1}, accepts[] = {0, 1};
	const struct regex dfa = {exact(next, sizeof(next)), exact(class_of, sizeof(class_of)),
				  exact(accepts, sizeof(accepts)), 2, 2, 2};
	struct slice strings[] = {exact_text("a"), exact_text("dba")};
	const struct constant k[CONSTANT_COUNT] = {
		[CONSTANT_NUMBER] = {.kind = CONSTANT_NUMBER, .number = INT64_MIN},
		[CONSTANT_STRING] = {.kind = CONSTANT_STRING, .string = exact_text("*a*b")},
		[CONSTANT_STRINGS] = {.kind = CONSTANT_STRINGS, .n_cases = 2,
				      .strings = {exact(strings, sizeof(strings)), 2}},
		[CONSTANT_ACTIONS] = {.kind = CONSTANT_ACTIONS, .n_cases = 128,
				      .actions = {{UINT64_MAX, UINT64_MAX}}},
		[CONSTANT_VALUES] = {.kind = CONSTANT_VALUES, .n_cases = 32,
				     .values = {TYPE_ENUM_WEEKDAY, UINT32_MAX}},
		[CONSTANT_NETWORK] = {.kind = CONSTANT_NETWORK, .network = {{0}, 128}},
		[CONSTANT_REGEX] = {.kind = CONSTANT_REGEX, .regex = {exact_text("/d/"), dfa}},
		[CONSTANT_USES] = {.kind = CONSTANT_USES, .n_cases = 1,
				   .uses = {0, UINT16_MAX}},
	};

	img.constants = exact(k, sizeof(k));
	img.n_constants = CONSTANT_COUNT;
}

static void
make_rules(void)
{
	struct image_rule rules[N_RULES] = {0};
	int8_t ranks[N_RULES];

	for (int i = 0; i < N_RULES; i++) {
		rules[i].kind = (enum vm_rule) (i % VM_RULE_COUNT);
		rules[i].shadow = i >= VM_RULE_COUNT;
		ranks[i] = rules[i].kind <= VM_DENY ? (int8_t) rules[i].kind : -1;
	}
	img.rules = exact(rules, sizeof(rules));
	img.ranks = exact(ranks, sizeof(ranks));
	img.n_rules = N_RULES;
}

static void
make_facts(void)
{
	const uint8_t address[16] = {0};
	struct slice member = exact_text("dba");
	const struct slice *set = exact(&member, sizeof(member));
	const struct data_use use = {member, member, member, UINT16_MAX};
	const struct row_value row[N_ROW_COLUMNS] = {{.known = true, .s = member},
						     {.known = true, .is_int = true, .s = member}};
	struct facts *f = &facts[1];

	for (int i = 0; i < FACT_COUNT; i++) {
		enum fact id = (enum fact) i;

		if (fact_info[i].type == TYPE_BOOL)
			facts_bool(f, id, true);
		else if (fact_info[i].type == TYPE_STRING)
			facts_string(f, id, member);
		else if (fact_info[i].type == TYPE_SET)
			facts_set(f, id, set, 1);
		else if (fact_info[i].type == TYPE_ADDRESS)
			facts_address(f, id, address);
		else
			facts_int(f, id, type_is_enum(fact_info[i].type)
						 ? enum_count(fact_info[i].type) - 1
						 : ACTION_COUNT - 1);
	}
	f->uses = exact(&use, sizeof(use));
	f->n_uses = 1;
	f->uses_known = true;
	f->row = exact(row, sizeof(row));
}

static void
make_image(void)
{
	const struct image_column column = {exact_text("*"), exact_text("d*"), exact_text("dba")};
	const struct image_data data = {.columns = exact(&column, sizeof(column)), .n_columns = 1};

	img.data = exact(&data, sizeof(data));
	img.n_data = 1;
	img.n_row_columns = N_ROW_COLUMNS;
	make_constants();
	make_rules();
	make_facts();
}

/* Verifies, and runs what is taken. The code is in an allocation of its size. */
static bool
try(const struct insn *code, size_t n, enum vm_entry e, bool diagram)
{
	static const struct insn end = {.op = OP_END};
	struct image_entry entry = {.code = diagram ? &end : code, .n = diagram ? 1 : n,
				    .diagram = code, .n_diagram = diagram ? n : 0};
	struct image_error err;
	struct decision d;

	n_programs++;
	arena_reset(&scratch);
	if (!vm_verify(&img, e, &entry, &scratch, &err)) {
		CHECK(err.code >= IMAGE_ERROR_OPCODE && err.code < IMAGE_ERROR_COUNT);
		refused[err.code]++;
		return false;
	}
	img.entry[e] = entry;
	for (int k = 0; k < 2; k++) {
		vm_decide(&img, e, &facts[k], &d);
		CHECK(d.ops >= 1 && d.ops <= entry.cost && entry.cost <= 3 * n + diagram);
		for (int r = -1; (r = decision_next(&d, r)) >= 0;)
			CHECK(r < N_RULES);
	}
	n_taken++;
	return true;
}

static const uint16_t boundary_facts[] = {
	0, 1, FACT_USER_GROUPS, FACT_TARGET_NAME, FACT_CLIENT_ADDRESS, FACT_ACTION, FACT_SQL_WHERE,
	FACT_TARGET_PROTOCOL, FACT_TIME_OF_DAY, FACT_TIME_WEEKDAY, FACT_COUNT - 1, FACT_COUNT, 63,
	64, UINT16_MAX};
static const uint16_t boundary_args[] = {
	CONSTANT_NUMBER, CONSTANT_STRING, CONSTANT_STRINGS, CONSTANT_ACTIONS, CONSTANT_VALUES,
	CONSTANT_NETWORK, CONSTANT_REGEX, CONSTANT_USES, CONSTANT_COUNT,
	VM_RULE_COUNT + VM_DENY, N_RULES - 1, N_RULES, UINT16_MAX};
static const uint16_t boundary_skips[] = {0, 1, 2, UINT16_MAX};
static const uint8_t boundary_flags[] = {0,	      INSN_NOT,	      INSN_UNKNOWN,
					 INSN_SKIP_TRUE, INSN_FLAGS, INSN_FLAGS + 1, UINT8_MAX};

/* One instruction, then `end`, at one entry point; n instructions in all. */
static void
each_operand(struct insn *code, size_t n, enum vm_entry e, bool diagram)
{
	for (size_t f = 0; f < COUNT_OF(boundary_facts); f++)
		for (size_t a = 0; a < COUNT_OF(boundary_args); a++)
			for (size_t s = 0; s < COUNT_OF(boundary_skips); s++)
				for (size_t g = 0; g < COUNT_OF(boundary_flags); g++) {
					code[0].fact = boundary_facts[f];
					code[0].arg = boundary_args[a];
					code[0].skip = boundary_skips[s];
					code[0].flags = boundary_flags[g];
					if (try(code, n, e, diagram))
						taken_ops[code[0].op]++;
				}
}

/* A switch has as many `end`s behind it as it has ways, and one too few or too many. */
static void
each_switch(enum opcode op, size_t n_cases)
{
	for (size_t n = 1 + n_cases; n < 5 + n_cases; n++) {
		struct insn *code = calloc(n, sizeof(*code));

		assert(code);
		for (size_t i = 1; i < n; i++)
			code[i].op = OP_END;
		code[0].op = (uint8_t) op;
		each_operand(code, n, op == OP_ROW_SWITCH ? ENTRY_ROW : ENTRY_COMMAND, true);
		free(code);
	}
}

/* A match for each of two strings behind it, and one too few or too many. */
static void
each_set_match(void)
{
	for (size_t n = 2; n < 6; n++) {
		struct insn *code = calloc(n, sizeof(*code));

		assert(code);
		code[0].op = OP_SET_MATCH;
		for (size_t i = 1; i + 1 < n; i++)
			code[i] = (struct insn){.op = OP_MATCH, .arg = VM_DENY};
		code[n - 1].op = OP_END;
		each_operand(code, n, ENTRY_COMMAND, true);
		free(code);
	}
}

static void
every_instruction(void)
{
	static const struct insn end[2] = {{.op = OP_END}, {.op = OP_END}};
	struct insn *code = exact(end, sizeof(end));

	for (int e = 0; e < ENTRY_COUNT; e++)
		for (unsigned op = 0; op <= OP_COUNT; op++) {
			code[0].op = (uint8_t) op;
			each_operand(code, 2, (enum vm_entry) e, false);
			each_operand(code, 2, (enum vm_entry) e, true);
		}
	CHECK_INT(taken_ops[OP_LIST], 0);
	CHECK_INT(taken_ops[OP_END], 0);
	code[0] = (struct insn){.op = OP_LIST};
	taken_ops[OP_LIST] += try(code, 1, ENTRY_COMMAND, true);
	each_switch(OP_ACTION_SWITCH, img.constants[CONSTANT_ACTIONS].n_cases);
	each_switch(OP_STR_SWITCH, img.constants[CONSTANT_STRINGS].n_cases);
	each_switch(OP_ROW_SWITCH, img.constants[CONSTANT_STRINGS].n_cases);
	each_switch(OP_ENUM_SWITCH, img.constants[CONSTANT_VALUES].n_cases);
	each_switch(OP_USES_SWITCH, img.constants[CONSTANT_USES].n_cases);
	each_set_match();
	for (unsigned op = 0; op < OP_END; op++)
		CHECK(taken_ops[op] > 0);
	for (int code_ = IMAGE_ERROR_OPCODE; code_ < IMAGE_ERROR_COST; code_++)
		CHECK(refused[code_] > 0);
	free(code);
	printf("# %llu programs, %llu taken and run\n", (unsigned long long) n_programs,
	       (unsigned long long) n_taken);
}

/* The longest way, by trying each; 0 when some way leaves the code or meets an `end` before the
 * last instruction. */
static unsigned
longest_way(const struct insn *code, size_t n, size_t at)
{
	unsigned a, b;

	if (at >= n)
		return 0;
	if (code[at].op == OP_END)
		return at + 1 == n;
	a = longest_way(code, n, at + 1 + code[at].skip);
	b = code[at].op == OP_JUMP ? a : longest_way(code, n, at + 1);
	return a && b ? 1 + (a > b ? a : b) : 0;
}

/* Jumps and tests that jump either way, by every distance up to past the end. */
static size_t
make_ways(struct insn *v, size_t n)
{
	size_t k = 0;

	v[k++] = (struct insn){.op = OP_END};
	v[k++] = (struct insn){.op = OP_MATCH, .arg = VM_DENY};
	for (uint16_t skip = 0; skip <= n; skip++) {
		v[k++] = (struct insn){.op = OP_JUMP, .skip = skip};
		v[k++] = (struct insn){.op = OP_BOOL, .fact = FACT_SQL_WHERE, .skip = skip};
		v[k++] = (struct insn){.op = OP_BOOL, .flags = INSN_SKIP_TRUE | INSN_UNKNOWN,
				       .fact = FACT_SQL_WHERE, .skip = skip};
	}
	return k;
}

/* Taken means: from each instruction, every way ends at the one `end`. */
static void
check_ways(const struct insn *code, size_t n)
{
	bool sound = true, took = try(code, n, ENTRY_COMMAND, false);

	for (size_t i = 0; i < n && sound; i++)
		sound = longest_way(code, n, i) > 0;
	CHECK(took == sound);
	if (took)
		CHECK_INT(img.entry[ENTRY_COMMAND].cost, longest_way(code, n, 0));
}

static void
every_way(void)
{
	static const struct insn end[MAX_FREE + 1] = {[0 ... MAX_FREE] = {.op = OP_END}};
	struct insn ways[2 + 3 * (MAX_FREE + 1)];

	n_programs = n_taken = 0;
	for (size_t n_free = 0; n_free <= MAX_FREE; n_free++) {
		struct insn *code = exact(end, (n_free + 1) * sizeof(end[0]));
		size_t n_ways = make_ways(ways, n_free), total = 1;

		for (size_t i = 0; i < n_free; i++)
			total *= n_ways;
		for (size_t number = 0; number < total; number++) {
			for (size_t i = 0, rest = number; i < n_free; i++, rest /= n_ways)
				code[i] = ways[rest % n_ways];
			check_ways(code, n_free + 1);
		}
		free(code);
	}
	CHECK(n_taken > n_programs / 100);
	printf("# %llu programs, %llu taken and run\n", (unsigned long long) n_programs,
	       (unsigned long long) n_taken);
}

static unsigned
longest_and_one(unsigned longest)
{
	return longest ? longest + 1 : 0;
}

/* Behind `set-match` stand matches, the first for one string each, the others linked to once. */
static bool
check_links(const struct insn *code, size_t n, size_t at, bool *seen)
{
	size_t cases = img.constants[code[at].arg].n_cases, end = at + 1 + code[at].skip;
	bool linked[MAX_FREE_DIAGRAM + 8] = {0}, not = false;

	if (end >= n || cases > code[at].skip)
		return false;
	for (size_t i = at + 1; i < end; i++) {
		size_t to = i + code[i].skip;

		linked[i] |= i <= at + cases;
		not |= code[i].flags & INSN_NOT;
		if (code[i].op != OP_MATCH || to >= end || !linked[i])
			return false;
		if (to > i && (linked[to] || to <= at + cases))
			return false;
		seen[i] = linked[to] = true;
	}
	return !not || code[at].flags & INSN_NOT;
}

/* The same of a diagram: 0 when some way leaves it; otherwise `seen` is where ways come by. */
static unsigned
longest_diagram_way(const struct insn *code, size_t n, size_t at, bool *seen)
{
	unsigned a, b = 1, own = 1;
	size_t far = 0;

	if (at >= n)
		return 0;
	seen[at] = true;
	switch ((enum opcode) code[at].op) {
	case OP_END:
		return 1;
	case OP_LIST:
		return 2; /* and the `end` of the list */
	case OP_USES_SWITCH:
		a = longest_diagram_way(code, n, at + 1, seen);
		for (size_t i = 2; i <= 3 && a; i++) {
			b = longest_diagram_way(code, n, at + i, seen);
			a = b == 0 ? 0 : b > a ? b : a;
		}
		return a ? a + 1 : 0;
	case OP_MATCH:
		return longest_and_one(longest_diagram_way(code, n, at + 1, seen));
	case OP_SET_MATCH:
		own = 1 + (code[at].flags & INSN_NOT ? 2u : 1u) * code[at].skip;
		break;
	case OP_FAR:
		far = (size_t) code[at].arg << 16;
		break;
	case OP_BOOL:
		b = longest_diagram_way(code, n, at + 1, seen);
		break;
	default:
		break;
	}
	a = longest_diagram_way(code, n, at + 1 + code[at].skip + far, seen);
	return a && b ? own + (a > b ? a : b) : 0;
}

/* Taken means: no way leaves it, all of it is on some way, and no switch stands in another's. */
static void
check_diagram(const struct insn *code, size_t n)
{
	bool took = try(code, n, ENTRY_COMMAND, true), seen[MAX_FREE_DIAGRAM + 1] = {0}, again[8];
	unsigned longest = longest_diagram_way(code, n, 0, seen);
	bool sound = longest > 0;

	for (size_t i = 0, busy = 0, links = 0; i < n; i++) {
		bool is_switch = code[i].op == OP_USES_SWITCH;

		if (sound && code[i].op == OP_SET_MATCH)
			sound = check_links(code, n, i, seen);
		links = code[i].op == OP_SET_MATCH ? i + 1 + code[i].skip : links;
		if (code[i].op == OP_MATCH && (code[i].skip || code[i].flags))
			sound = sound && i < links;
		sound = sound && seen[i] && !(is_switch && i < busy) &&
			longest_diagram_way(code, n, i, again) > 0;
		busy = is_switch ? i + 4 : busy;
	}
	CHECK(took == sound);
	if (took)
		CHECK_INT(img.entry[ENTRY_COMMAND].cost, longest);
}

static size_t
make_diagram_ways(struct insn *v, size_t n)
{
	size_t k = 0;

	v[k++] = (struct insn){.op = OP_END};
	v[k++] = (struct insn){.op = OP_LIST};
	v[k++] = (struct insn){.op = OP_MATCH, .arg = VM_DENY};
	v[k++] = (struct insn){.op = OP_MATCH, .arg = VM_HOLD, .skip = 1};
	v[k++] = (struct insn){.op = OP_MATCH, .flags = INSN_NOT, .arg = VM_DENY};
	for (uint16_t skip = 2; skip <= 3; skip++)
		v[k++] = (struct insn){.op = OP_SET_MATCH, .flags = skip == 3 ? INSN_NOT : 0,
				       .fact = FACT_USER_GROUPS, .skip = skip,
				       .arg = CONSTANT_STRINGS};
	v[k++] = (struct insn){.op = OP_USES_SWITCH, .arg = CONSTANT_USES};
	v[k++] = (struct insn){.op = OP_FAR, .arg = 1};
	for (uint16_t skip = 0; skip <= n; skip++) {
		v[k++] = (struct insn){.op = OP_FAR, .skip = skip};
		v[k++] = (struct insn){.op = OP_BOOL, .fact = FACT_SQL_WHERE, .skip = skip};
	}
	return k;
}

static void
every_way_of_a_diagram(void)
{
	n_programs = n_taken = 0;
	for (size_t n = 1; n <= MAX_FREE_DIAGRAM + 1; n++) {
		struct insn *code = calloc(n, sizeof(*code)), ways[9 + 2 * (MAX_FREE_DIAGRAM + 2)];
		size_t n_ways = make_diagram_ways(ways, n), total = 1;

		assert(code);
		for (size_t i = 0; i < n; i++)
			total *= n_ways;
		for (size_t number = 0; number < total; number++) {
			for (size_t i = 0, rest = number; i < n; i++, rest /= n_ways)
				code[i] = ways[rest % n_ways];
			check_diagram(code, n);
		}
		free(code);
	}
	CHECK(n_taken > n_programs / 2000);
	printf("# %llu programs, %llu taken and run\n", (unsigned long long) n_programs,
	       (unsigned long long) n_taken);
}

/* No code at all, and code that costs exactly the limit and one more. */
static void
length_limits(void)
{
	struct insn *code = calloc(VM_MAX_OPS + 1, sizeof(*code));

	assert(code);
	CHECK(!try(code, 0, ENTRY_COMMAND, false));
	for (size_t i = 0; i < VM_MAX_OPS; i++)
		code[i] = (struct insn){.op = OP_JUMP};
	code[VM_MAX_OPS - 1].op = OP_END;
	CHECK(try(code, VM_MAX_OPS, ENTRY_COMMAND, false));
	code[VM_MAX_OPS - 1].op = OP_JUMP;
	code[VM_MAX_OPS].op = OP_END;
	refused[IMAGE_ERROR_COST] = 0;
	CHECK(!try(code, VM_MAX_OPS + 1, ENTRY_COMMAND, false));
	CHECK_INT(refused[IMAGE_ERROR_COST], 1);
	free(code);
}

int
main(void)
{
	static const struct test_case tests[] = {TEST(every_instruction), TEST(every_way),
						 TEST(every_way_of_a_diagram),
						 TEST(length_limits)};

	arena_init(&scratch, 0);
	make_image();
	return test_run(tests, COUNT_OF(tests));
}
