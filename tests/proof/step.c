/* SPDX-License-Identifier: MIT
 *
 * One step of the machine, for Frama-C's Eva (tests/proof/proof_test.sh): whatever 8 bytes an
 * instruction is made of, at the place AT of code of LENGTH instructions: when check_insn takes it,
 * `vm_run` executes it over any facts without reading or jumping outside, and is at a later
 * instruction of the same code. That holds for each instruction of verified code, so a run is a
 * chain of such steps and ends.
 *
 * The sources themselves are included. All other instructions are `end`, which reads nothing, but
 * for matches behind `set-match`; so `vm_run` does the step, fetches what it leads to, and returns.
 * What is assumed is what the loader makes and what engines fill in: each slice has its bytes, each
 * list its elements, indices of data classes are those of the image, prefixes are at most 128, and
 * a fact has the type that facts.def says.
 */
#include "vm/exec.c"
#include "vm/match.c"
#include "vm/verify.c"

#include <__fc_builtin.h>

enum { TEXT = 3, ELEMENTS = 2, STATES = 3, KINDS = 2 };
#ifndef FIRST_OP
#define FIRST_OP 0
#endif

enum { FACT_STABLE = true, FACT_VARYING = false };

const struct fact_info fact_info[FACT_COUNT] = {
#define ENUM_VALUE(list, id, name)
#define FACT(id, name, type, protocol, phase, cached, sentence)                                   \
	{name, sentence, TYPE_##type, FACT_OF_##protocol, PHASE_##phase, FACT_##cached},
#include "grammar/facts.def"
#undef FACT
#undef ENUM_VALUE
};
const struct named entry_info[ENTRY_COUNT];

static struct insn code[LENGTH];
static uint8_t text[TEXT];
static struct slice slices[ELEMENTS];
static uint16_t rows[STATES * KINDS];
static uint8_t kinds[256], accepts[STATES];
static struct constant constants[CONSTANT_COUNT];
static struct image_rule rules[VM_MAX_RULES];
static int8_t ranks[VM_MAX_RULES];
static struct image_column columns[ELEMENTS];
static struct image_data data[ELEMENTS];
static struct data_use uses[ELEMENTS];
static struct row_value row[VM_MAX_ROW_COLUMNS];
static struct facts facts;
static struct image img = {
	.rules = rules, .n_rules = VM_MAX_RULES, .ranks = ranks, .data = data, .n_data = ELEMENTS,
	.constants = constants, .n_constants = CONSTANT_COUNT, .n_row_columns = VM_MAX_ROW_COLUMNS};

static uint64_t
up_to(unsigned max)
{
	return Frama_C_unsigned_int_interval(0, max);
}

static struct slice
any_slice(void)
{
	return (struct slice){text, up_to(TEXT)};
}

static int64_t
any_number(void)
{
	return Frama_C_long_interval(INT64_MIN, INT64_MAX);
}

static void
any_constant(struct constant *k)
{
	k->n_cases = (uint32_t) up_to(UINT32_MAX);
	switch (k->kind) {
	case CONSTANT_NUMBER:
		k->number = any_number();
		break;
	case CONSTANT_STRING:
		k->string = any_slice();
		break;
	case CONSTANT_STRINGS:
		k->strings.v = slices;
		k->strings.n = up_to(ELEMENTS);
		break;
	case CONSTANT_ACTIONS:
		k->actions.w[0] = (uint64_t) any_number();
		k->actions.w[1] = (uint64_t) any_number();
		break;
	case CONSTANT_VALUES:
		k->values.type = (enum type) up_to(TYPE_COUNT - 1);
		k->values.mask = (uint32_t) up_to(UINT32_MAX);
		break;
	case CONSTANT_NETWORK:
		Frama_C_make_unknown((char *) k->network.addr, 16);
		k->network.prefix = (uint8_t) up_to(128);
		break;
	case CONSTANT_REGEX: /* what load_regex lets through: rows and classes of the table */
		k->regex.text = any_slice();
		k->regex.dfa = (struct regex){.next = rows, .class_of = kinds, .accepts = accepts,
					      .n_states = STATES, .n_classes = KINDS,
					      .sinks = (uint32_t) up_to(STATES * KINDS)};
		break;
	default:
		k->uses.data = (uint16_t) up_to(ELEMENTS - 1);
		k->uses.contexts = (uint16_t) up_to(UINT16_MAX);
	}
}

static void
any_fact(struct value *v, enum type type)
{
	v->known = up_to(1);
	switch (type) {
	case TYPE_BOOL:
		v->b = up_to(1);
		break;
	case TYPE_STRING:
		v->s = any_slice();
		break;
	case TYPE_SET:
		v->set.v = slices;
		v->set.n = up_to(ELEMENTS);
		break;
	case TYPE_ADDRESS:
		Frama_C_make_unknown((char *) v->addr, 16);
		break;
	case TYPE_ACTION:
		v->i = (int64_t) up_to(ACTION_COUNT - 1);
		break;
	case TYPE_INT:
	case TYPE_TIME:
		v->i = any_number();
		break;
	default: /* values of enumerations: load_values has 32 bits for them */
		v->i = (int64_t) up_to(31);
	}
}

static void
any_lists(void)
{
	Frama_C_make_unknown((char *) text, sizeof(text));
	/* In a place that is not known: for Eva all of them may have got it. */
	kinds[up_to(255)] = (uint8_t) up_to(KINDS - 1);
	rows[up_to(STATES * KINDS - 1)] = (uint16_t) (KINDS * up_to(STATES - 1));
	Frama_C_make_unknown((char *) accepts, sizeof(accepts));
	//@ loop unroll ELEMENTS;
	for (int i = 0; i < ELEMENTS; i++) {
		slices[i] = any_slice();
		columns[i] = (struct image_column){any_slice(), any_slice(), any_slice()};
		data[i].columns = columns;
		data[i].n_columns = up_to(ELEMENTS);
		uses[i] = (struct data_use){any_slice(), any_slice(), any_slice(),
					    (uint16_t) up_to(UINT16_MAX)};
	}
	//@ loop unroll VM_MAX_ROW_COLUMNS;
	for (int i = 0; i < VM_MAX_ROW_COLUMNS; i++) {
		row[i].known = up_to(1);
		row[i].is_int = up_to(1);
		row[i].s = any_slice();
		row[i].i = any_number();
	}
	for (int i = 0; i < VM_MAX_RULES; i++) {
		rules[i].kind = (enum vm_rule) up_to(VM_RULE_COUNT - 1);
		rules[i].shadow = up_to(1);
		ranks[i] = (int8_t) Frama_C_interval(-1, VM_DENY);
	}
}

static void
any_image_and_facts(void)
{
	any_lists();
	//@ loop unroll CONSTANT_COUNT;
	for (int i = 0; i < CONSTANT_COUNT; i++) {
		constants[i].kind = (enum constant_kind) i;
		any_constant(&constants[i]);
	}
	//@ loop unroll FACT_COUNT;
	for (int i = 0; i < FACT_COUNT; i++)
		any_fact(&facts.v[i], fact_info[i].type);
	facts.uses = uses;
	facts.n_uses = up_to(ELEMENTS);
	facts.uses_known = up_to(1);
	facts.row = up_to(1) ? row : NULL;
}

struct range {
	unsigned min, max;
};

/* Behind a set-match that goes past so many, as check_insn and check_matches want them: of rules
 * that exist, and linked to others of these. */
static void
any_matches(unsigned n)
{
	//@ loop unroll LENGTH;
	for (unsigned i = 0; i < n; i++) {
		struct insn *in = &code[AT + 1 + i];

		in->op = up_to(1) ? OP_MATCH : OP_MAY;
		in->flags = up_to(1) ? INSN_NOT : 0;
		in->arg = (uint16_t) up_to(VM_MAX_RULES - 1);
		in->skip = (uint16_t) up_to(n - 1 - i);
	}
}

/* Any instruction of this op, with a fact, an argument and a skip of these ranges. */
static void
step(unsigned op, unsigned fact, struct range arg, struct range skip)
{
	const struct code part = {.v = code, .n = LENGTH, .diagram = up_to(1)};
	enum vm_entry e = (enum vm_entry) up_to(ENTRY_COUNT - 1);
	struct decision d = {0};
	struct image_error err;
	int worst;

	memset(code, OP_END, sizeof(code));
	code[AT].op = (uint8_t) op;
	code[AT].flags = (uint8_t) up_to(UINT8_MAX);
	code[AT].fact = (uint16_t) fact;
	code[AT].skip = (uint16_t) Frama_C_unsigned_int_interval(skip.min, skip.max);
	code[AT].arg = (uint16_t) Frama_C_unsigned_int_interval(arg.min, arg.max);
	if (op == OP_SET_MATCH && skip.min == skip.max)
		any_matches(skip.min);
	if (!check_insn(&img, e, &part, AT, &err))
		return;
	//@ assert known_op: op < OP_COUNT;
	worst = vm_run(&img, &code[AT], &facts, &d);
	//@ assert one_step: d.ops == (op == OP_END ? 0 : 1) || op == OP_SET_MATCH;
	//@ assert a_verdict: (op == OP_LIST ? VM_RUN_LIST : -1) <= worst <= VM_DENY;
}

/* Ranges, because Eva keeps no relation between an argument and what stands behind it. */
static void
steps_by(unsigned op, unsigned fact, struct range skip)
{
	//@ loop unroll CONSTANT_COUNT;
	for (unsigned k = 0; k < CONSTANT_COUNT; k++)
		step(op, fact, (struct range){k, k}, skip);
	step(op, fact, (struct range){CONSTANT_COUNT, VM_MAX_RULES - 1}, skip);
	step(op, fact, (struct range){VM_MAX_RULES, UINT16_MAX}, skip);
}

static void
steps_with(unsigned op, unsigned fact)
{
	if (op == OP_SET_MATCH) {
		//@ loop unroll LENGTH;
		for (unsigned n = 0; n <= LENGTH - 2 - AT; n++)
			steps_by(op, fact, (struct range){n, n});
		steps_by(op, fact, (struct range){LENGTH - 1 - AT, UINT16_MAX});
	} else {
		steps_by(op, fact, (struct range){0, UINT16_MAX});
	}
}

static unsigned
any_fact_of(enum type type)
{
	unsigned fact = FACT_COUNT;

	//@ loop unroll FACT_COUNT;
	for (unsigned i = 0; i < FACT_COUNT; i++)
		if (fact_info[i].type == type && (fact == FACT_COUNT || up_to(1)))
			fact = i;
	return fact;
}

void
main(void)
{
	any_image_and_facts();
	//@ loop unroll OP_COUNT;
	for (unsigned op = FIRST_OP; op < OP_COUNT; op++) {
		if (vm_op_reads_fact(op)) {
			//@ loop unroll TYPE_COUNT;
			for (unsigned type = 0; type < TYPE_COUNT; type++)
				steps_with(op, any_fact_of(type));
			steps_with(op, Frama_C_unsigned_int_interval(FACT_COUNT, UINT16_MAX));
		} else {
			steps_with(op, up_to(VM_MAX_ROW_COLUMNS - 1));
			steps_with(op,
				   Frama_C_unsigned_int_interval(VM_MAX_ROW_COLUMNS, UINT16_MAX));
		}
	}
	steps_with((unsigned) Frama_C_interval(OP_COUNT, UINT8_MAX), up_to(UINT16_MAX));
}
