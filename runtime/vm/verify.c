/* SPDX-License-Identifier: MIT
 *
 * What code must be to run unwatched: known instructions, operands that exist and fit, forward
 * jumps within the entry point, one `end` as the last instruction. Then every run ends, and the
 * longest one is found in one pass from the end.
 */
#include "vm/verify.h"

#include <stdarg.h>
#include <stdio.h>

/* The kinds of fact operand in opcodes.def: a type, or one of these. */
enum { FACT_KIND_NONE = -1, FACT_KIND_ENUM = -2, FACT_KIND_NUMBER = -3, FACT_KIND_COLUMN = -4 };
enum {
#define TYPE(id, name, sentence) FACT_KIND_##id = TYPE_##id,
#include "grammar/types.def"
#undef TYPE
};
/* Constant operands: a kind of constant, or one of these. */
enum { ARG_NONE = -1, ARG_RULE = -2 };
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

static bool
check_insn(const struct image *img, enum vm_entry e, const struct image_entry *entry, size_t at,
	   struct image_error *err)
{
	const struct insn *in = &entry->code[at];
	const char *where = entry_info[e].name;
	bool is_test = in->op < OP_MATCH;

	if (in->op >= OP_COUNT)
		return image_fail(err, IMAGE_ERROR_OPCODE, "%s: instruction %zu: opcode %u", where,
				  at, in->op);
	if (in->flags & ~(is_test ? INSN_FLAGS : 0) ||
	    (in->skip && !is_test && in->op != OP_JUMP))
		return image_fail(err, IMAGE_ERROR_FLAGS,
				  "%s: instruction %zu: flags or skip it does not have", where, at);
	if (!fact_fits(img, in, e))
		return image_fail(err, IMAGE_ERROR_FACT, "%s: instruction %zu: fact %u", where, at,
				  in->fact);
	if (!arg_fits(img, in))
		return image_fail(err, IMAGE_ERROR_ARGUMENT, "%s: instruction %zu: argument %u",
				  where, at, in->arg);
	if ((in->op == OP_MATCH || in->op == OP_MAY) && !rule_fits(img, in, e))
		return image_fail(err, IMAGE_ERROR_RULE_KIND, "%s: instruction %zu: rule %u", where,
				  at, in->arg);
	if ((in->op == OP_END) != (at + 1 == entry->n))
		return image_fail(err, IMAGE_ERROR_NO_END, "%s: instruction %zu of %zu", where, at,
				  entry->n);
	if ((size_t) in->skip >= entry->n - at - (in->op != OP_END))
		return image_fail(err, IMAGE_ERROR_JUMP, "%s: instruction %zu: skips %u of %zu", where,
				  at, in->skip, entry->n - at - 1);
	return true;
}

/* The instructions after `end` cannot be reached by falling through, so the last is the only
 * one. */
static uint32_t
longest(const struct image_entry *entry, struct arena *scratch)
{
	uint32_t *cost = ARENA_ARRAY(scratch, uint32_t, entry->n);

	for (size_t i = entry->n; i-- > 0;) {
		const struct insn *in = &entry->code[i];
		uint32_t next = 0;

		if (in->op != OP_END) {
			next = cost[i + 1 + in->skip];
			if (in->op != OP_JUMP && cost[i + 1] > next)
				next = cost[i + 1];
		}
		cost[i] = next + 1;
	}
	return cost[0];
}

bool
vm_verify(const struct image *img, enum vm_entry e, struct image_entry *entry,
	  struct arena *scratch, struct image_error *err)
{
	if (entry->n == 0)
		return image_fail(err, IMAGE_ERROR_NO_END, "%s: no code", entry_info[e].name);
	entry->facts = 0;
	entry->uses = false;
	entry->stable = true;
	for (size_t i = 0; i < entry->n; i++) {
		const struct insn *in = &entry->code[i];

		if (!check_insn(img, e, entry, i, err))
			return false;
		if (in->op == OP_USES)
			entry->uses = true;
		if (vm_op_reads_row(in->op))
			entry->stable = false;
		if (vm_op_reads_fact(in->op)) {
			entry->facts |= UINT64_C(1) << in->fact;
			entry->stable &= fact_info[in->fact].stable;
		}
	}
	entry->cost = longest(entry, scratch);
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
