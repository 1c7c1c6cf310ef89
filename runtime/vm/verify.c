/* SPDX-License-Identifier: MIT
 *
 * What code must be to run unwatched: known instructions, operands that exist and fit, forward
 * jumps within the entry point, one `end` as the last instruction. Then every run ends, and the
 * longest one is found in one pass from the end. Code of a diagram may end in many places, but all
 * of it must be reached; its switches do not stand in each other's ways, and behind `set-match`
 * stand matches, linked within themselves.
 */
#include "vm/verify.h"

#include <stdarg.h>
#include <stdio.h>

/* The kinds of fact operand in opcodes.def: a type, or one of these. */
enum { FACT_KIND_NONE = -1, FACT_KIND_ENUM = -2, FACT_KIND_NUMBER = -3, FACT_KIND_COLUMN = -4,
       FACT_KIND_ANY = -5 };
enum {
#define TYPE(id, name, sentence) FACT_KIND_##id = TYPE_##id,
#include "grammar/types.def"
#undef TYPE
};
/* Constant operands: a kind of constant, or one of these. */
enum { ARG_NONE = -1, ARG_RULE = -2, ARG_DISTANCE = -3 };
enum {
#define CONSTANT(id, name, sentence) ARG_##id = CONSTANT_##id,
#include "grammar/constants.def"
#undef CONSTANT
};

static const struct {
	int fact, arg;
} operands[OP_COUNT] = {
#define OP(id, name, fact, constant, sentence) {FACT_KIND_##fact, ARG_##constant},
#include "grammar/opcodes.def"
#undef OP
};

static const char *const error_codes[IMAGE_ERROR_COUNT] = {
	[IMAGE_OK] = "V0000",
#define IMAGE_ERROR(id, code, sentence) [IMAGE_ERROR_##id] = code,
#include "grammar/image_errors.def"
#undef IMAGE_ERROR
};

const char *
image_error_name(enum image_error_code code)
{
	assert(code < IMAGE_ERROR_COUNT);
	return error_codes[code];
}

bool
image_fail(struct image_error *err, enum image_error_code code, const char *fmt, ...)
{
	va_list ap;
	int n;

	err->code = code;
	n = snprintf(err->text, sizeof(err->text), "%s: ", error_codes[code]);
	va_start(ap, fmt);
	vsnprintf(err->text + n, sizeof(err->text) - (size_t) n, fmt, ap);
	va_end(ap);
	return false;
}

bool
vm_op_reads_fact(unsigned op)
{
	return op < OP_COUNT && operands[op].fact != FACT_KIND_NONE && !vm_op_reads_row(op);
}

bool
vm_op_reads_row(unsigned op)
{
	return op < OP_COUNT && operands[op].fact == FACT_KIND_COLUMN;
}

bool
vm_op_of_diagram(unsigned op)
{
	return op >= OP_KNOWN && op <= OP_USES_SWITCH;
}

bool
vm_op_is_test(unsigned op)
{
	return op < OP_MATCH || (op >= OP_KNOWN && op <= OP_MATCHED);
}

size_t
vm_switch_ways(const struct image *img, const struct insn *in)
{
	return in->op >= OP_ACTION_SWITCH && in->op <= OP_USES_SWITCH
		       ? (size_t) img->constants[in->arg].n_cases + 2
		       : 0;
}

static bool
fact_fits(const struct image *img, const struct insn *in, enum vm_entry e)
{
	int want = operands[in->op].fact;
	const struct fact_info *fact;

	if (want == FACT_KIND_NONE)
		return in->fact == 0;
	if (want == FACT_KIND_COLUMN)
		return e == ENTRY_ROW && in->fact < img->n_row_columns;
	if (in->fact >= FACT_COUNT)
		return false;
	fact = &fact_info[in->fact];
	if ((e == ENTRY_CONNECT || e == ENTRY_WATCH_CONNECT) && fact->phase > PHASE_CONNECT)
		return false;
	if ((e == ENTRY_RESULT || e == ENTRY_ROW) && fact->phase > PHASE_COMMAND)
		return false;
	if (want == FACT_KIND_ANY)
		return true;
	if (want == FACT_KIND_ENUM)
		return type_is_enum(fact->type);
	if (want == FACT_KIND_NUMBER)
		return fact->type == TYPE_INT || fact->type == TYPE_TIME;
	return (int) fact->type == want;
}

static bool
arg_fits(const struct image *img, const struct insn *in)
{
	int want = operands[in->op].arg;

	if (want == ARG_NONE)
		return in->arg == 0;
	if (want == ARG_RULE)
		return in->arg < img->n_rules;
	if (want == ARG_DISTANCE)
		return true;
	if (in->arg >= img->n_constants || (int) img->constants[in->arg].kind != want)
		return false;
	if (want == ARG_VALUES && img->constants[in->arg].values.type != fact_info[in->fact].type)
		return false;
	return true;
}

/* A rule may match only where its kind is asked for; above all, what is only watched never where
 * something is decided. */
static bool
rule_fits(const struct image *img, const struct insn *in, enum vm_entry e)
{
	enum vm_rule kind = img->rules[in->arg].kind;
	bool watches = e == ENTRY_WATCH || e == ENTRY_WATCH_CONNECT;

	if (image_rule_watched(&img->rules[in->arg]) != watches)
		return false;
	if (in->op == OP_MAY)
		return (e == ENTRY_CONNECT || e == ENTRY_WATCH_CONNECT) && kind <= VM_HOLD;
	if (watches)
		return e == ENTRY_WATCH || kind <= VM_DENY;
	if (kind == VM_LIMIT || kind == VM_RECORD)
		return e == ENTRY_COMMAND;
	return (kind == VM_MASK || kind == VM_DROP) == (e == ENTRY_RESULT || e == ENTRY_ROW);
}

/* The list of an entry point, or its diagram. */
struct code {
	const struct insn *v;
	size_t n;
	bool diagram;
};

/* `left` instructions stand behind the next one. Each operand is compared for itself, so that it
 * can be proved (tests/proof). */
static bool
stays_inside(const struct image *img, const struct insn *in, size_t left)
{
	if (in->op == OP_FAR) {
		if (in->arg > left >> 16)
			return false;
		if (in->arg == left >> 16 && in->skip > (left & 0xffff))
			return false;
	} else if (in->op >= OP_ACTION_SWITCH && in->op <= OP_USES_SWITCH) {
		if (img->constants[in->arg].n_cases >= left)
			return false;
	} else if (in->skip > left) {
		return false;
	} else if (in->op == OP_SET_MATCH && img->constants[in->arg].n_cases > in->skip) {
		return false;
	}
	return true;
}

static bool
is_match(const struct insn *in)
{
	return in->op == OP_MATCH || in->op == OP_MAY;
}

static bool
check_insn(const struct image *img, enum vm_entry e, const struct code *code, size_t at,
	   struct image_error *err)
{
	const struct insn *in = &code->v[at];
	const char *where = entry_info[e].name;
	bool is_test = vm_op_is_test(in->op), ends = in->op == OP_END || in->op == OP_LIST;
	bool of_set = in->op == OP_SET_MATCH || (code->diagram && is_match(in));
	bool has_skip = is_test || in->op == OP_JUMP || in->op == OP_FAR || of_set;
	uint8_t flags = is_test ? INSN_FLAGS : of_set ? INSN_NOT : 0;

	if (in->op >= OP_COUNT || (!code->diagram && vm_op_of_diagram(in->op)))
		return image_fail(err, IMAGE_ERROR_OPCODE, "%s: instruction %zu: opcode %u", where,
				  at, in->op);
	if (in->flags & ~flags || (in->skip && !has_skip))
		return image_fail(err, IMAGE_ERROR_FLAGS,
				  "%s: instruction %zu: flags or skip it does not have", where, at);
	if (!fact_fits(img, in, e))
		return image_fail(err, IMAGE_ERROR_FACT, "%s: instruction %zu: fact %u", where, at,
				  in->fact);
	if (!arg_fits(img, in))
		return image_fail(err, IMAGE_ERROR_ARGUMENT, "%s: instruction %zu: argument %u",
				  where, at, in->arg);
	if (is_match(in) && !rule_fits(img, in, e))
		return image_fail(err, IMAGE_ERROR_RULE_KIND, "%s: instruction %zu: rule %u", where,
				  at, in->arg);
	if (code->diagram ? !ends && at + 1 == code->n : ends != (at + 1 == code->n))
		return image_fail(err, IMAGE_ERROR_NO_END, "%s: instruction %zu of %zu", where, at,
				  code->n);
	if (!stays_inside(img, in, ends ? 0 : code->n - at - 2))
		return image_fail(err, IMAGE_ERROR_JUMP, "%s: instruction %zu: leaves the %zu behind it",
				  where, at, code->n - at - 1);
	return true;
}

/* Of `set-match`: each match behind it can be looked at once for its string, as no two lead to one,
 * and once more when some are inverted. */
static uint32_t
own_cost(const struct insn *in)
{
	if (in->op != OP_SET_MATCH)
		return 1;
	return 1 + in->skip * (in->flags & INSN_NOT ? UINT32_C(2) : UINT32_C(1));
}

/* Of a list the instructions after `end` cannot be reached by falling through, so the last is the
 * only one. A way that ends in `list` costs what the list does, too. */
static uint32_t
longest(const struct image *img, const struct code *code, uint32_t list, struct arena *scratch)
{
	uint32_t *cost = ARENA_ARRAY(scratch, uint32_t, code->n);

	for (size_t i = code->n; i-- > 0;) {
		const struct insn *in = &code->v[i];
		size_t ways = vm_switch_ways(img, in);
		uint32_t next = in->op == OP_LIST ? list : 0;

		if (is_match(in))
			next = cost[i + 1];
		else if (in->op != OP_END && in->op != OP_LIST)
			next = cost[i + 1 + vm_distance(in)];
		if (vm_op_is_test(in->op) && cost[i + 1] > next)
			next = cost[i + 1];
		for (size_t k = 1; k <= ways; k++)
			next = cost[i + k] > next ? cost[i + k] : next;
		cost[i] = next + own_cost(in);
	}
	return cost[0];
}

/* Those behind `set-match` at `at`, one for each string and the rest linked to from one before, and
 * from one only, or what one look takes would not be bounded by how many they are; no `set-match`
 * is among them. `linked` is false of what stands behind. */
static bool
check_matches(const struct image *img, enum vm_entry e, const struct code *code, size_t at,
	      bool *linked, struct image_error *err)
{
	const struct insn *in = &code->v[at];
	size_t first = at + 1, cases = img->constants[in->arg].n_cases, end = first + in->skip;

	for (size_t i = 0; i < cases; i++)
		linked[first + i] = true;
	for (size_t i = first; i < end; i++) {
		const struct insn *match = &code->v[i];

		if (!is_match(match) || match->skip >= end - i ||
		    match->flags & ~in->flags || (match->skip && linked[i + match->skip]))
			return image_fail(err, IMAGE_ERROR_JUMP,
					  "%s: instruction %zu: no match of `set-match`",
					  entry_info[e].name, i);
		if (!linked[i])
			return image_fail(err, IMAGE_ERROR_UNREACHED,
					  "%s: instruction %zu of the diagram", entry_info[e].name, i);
		linked[i + match->skip] = true;
	}
	return true;
}

/* Every instruction is on some way, and no switch stands among the ways of another, so that
 * looking at all of them takes one pass. */
static bool
check_ways(const struct image *img, enum vm_entry e, const struct code *code,
	   struct arena *scratch, struct image_error *err)
{
	bool *reached = ARENA_ARRAY(scratch, bool, code->n);
	bool *linked = ARENA_ARRAY(scratch, bool, code->n);
	size_t busy = 0, matches = 0;

	reached[0] = true;
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->v[i];
		size_t ways = vm_switch_ways(img, in);

		if (!reached[i] && !linked[i])
			return image_fail(err, IMAGE_ERROR_UNREACHED,
					  "%s: instruction %zu of the diagram", entry_info[e].name, i);
		if (ways && i < busy)
			return image_fail(err, IMAGE_ERROR_JUMP,
					  "%s: instruction %zu: a switch in a switch",
					  entry_info[e].name, i);
		busy = ways ? i + 1 + ways : busy;
		if (is_match(in) && (in->skip || in->flags) && i >= matches)
			return image_fail(err, IMAGE_ERROR_FLAGS,
					  "%s: instruction %zu: flags or skip it does not have",
					  entry_info[e].name, i);
		if (in->op == OP_SET_MATCH && !check_matches(img, e, code, i, linked, err))
			return false;
		matches = in->op == OP_SET_MATCH ? i + 1 + in->skip : matches;
		for (size_t k = 1; k <= ways; k++)
			reached[i + k] = true;
		if (in->op == OP_END || in->op == OP_LIST || ways)
			continue;
		reached[i + 1 + (is_match(in) ? 0 : vm_distance(in))] = true;
		if (vm_op_is_test(in->op))
			reached[i + 1] = true;
	}
	return true;
}

static bool
check_code(const struct image *img, enum vm_entry e, const struct code *code,
	   struct image_entry *entry, struct image_error *err)
{
	for (size_t i = 0; i < code->n; i++) {
		const struct insn *in = &code->v[i];

		if (!check_insn(img, e, code, i, err))
			return false;
		if (in->op == OP_USES || in->op == OP_USES_SWITCH)
			entry->uses = true;
		if (vm_op_reads_row(in->op))
			entry->stable = false;
		if (vm_op_reads_fact(in->op)) {
			entry->facts |= UINT64_C(1) << in->fact;
			entry->stable &= fact_info[in->fact].stable;
		}
		if (in->op == OP_IN_SCHEMA) {
			static_assert(FACT_TABLE < 64 && FACT_SCHEMA < 64, "bits of facts");
			entry->facts |= UINT64_C(1) << FACT_TABLE | UINT64_C(1) << FACT_SCHEMA;
			entry->stable &= fact_info[FACT_TABLE].stable &&
					 fact_info[FACT_SCHEMA].stable;
		}
	}
	return true;
}

bool
vm_verify(const struct image *img, enum vm_entry e, struct image_entry *entry,
	  struct arena *scratch, struct image_error *err)
{
	const struct code list = {entry->code, entry->n, false};
	const struct code diagram = {entry->diagram, entry->n_diagram, true};

	if (entry->n == 0)
		return image_fail(err, IMAGE_ERROR_NO_END, "%s: no code", entry_info[e].name);
	entry->facts = 0;
	entry->uses = false;
	entry->stable = true;
	if (!check_code(img, e, &list, entry, err))
		return false;
	entry->cost = longest(img, &list, 0, scratch);
	if (diagram.n > VM_MAX_DIAGRAM)
		return image_fail(err, IMAGE_ERROR_COST, "%s: a diagram of %zu instructions, the limit is %d",
				  entry_info[e].name, diagram.n, VM_MAX_DIAGRAM);
	if (diagram.n) {
		uint32_t cost;

		if (!check_code(img, e, &diagram, entry, err) ||
		    !check_ways(img, e, &diagram, scratch, err))
			return false;
		cost = longest(img, &diagram, entry->cost, scratch);
		entry->cost = cost > entry->cost ? cost : entry->cost;
	}
	if (entry->cost > VM_MAX_OPS)
		return image_fail(err, IMAGE_ERROR_COST, "%s: up to %u instructions, the limit is %d",
				  entry_info[e].name, entry->cost, VM_MAX_OPS);
	return true;
}

/* The tests before a match, back to the one before it, are the rule's own. */
void
vm_note_row_rules(struct image_rule *rules, const struct image_entry *entry)
{
	uint64_t columns = 0;

	static_assert(VM_MAX_ROW_COLUMNS <= 64, "columns fit image_rule.row_columns");
	for (size_t i = 0; i < entry->n; i++) {
		const struct insn *in = &entry->code[i];

		if (vm_op_reads_row(in->op))
			columns |= UINT64_C(1) << in->fact;
		if (in->op != OP_MATCH)
			continue;
		rules[in->arg].by_row = true;
		rules[in->arg].row_columns |= columns;
		columns = 0;
	}
}
