/* SPDX-License-Identifier: MIT
 *
 * The verifier: what image_load asks about code before it can ever run, and the cost of it.
 */
#ifndef WEIR_VM_VERIFY_H
#define WEIR_VM_VERIFY_H

#include "vm/image.h"

/* Checks every instruction of the entry point, of its list and of its diagram (operands, types,
 * jumps, end), and computes cost, facts, uses and stable. `scratch` is for one number per
 * instruction. False with *err filled. */
bool vm_verify(const struct image *img, enum vm_entry e, struct image_entry *entry,
	       struct arena *scratch, struct image_error *err) MUST_CHECK;
bool vm_op_reads_fact(unsigned op); /* has a fact operand; any number is allowed */
bool vm_op_reads_row(unsigned op);  /* its fact operand is a column of the row */
bool vm_op_of_diagram(unsigned op); /* stands in a diagram's code only */
bool vm_op_is_test(unsigned op);
/* The ways on from a switch, which are the instructions behind it; 0 when it is none. */
size_t vm_switch_ways(const struct image *img, const struct insn *in);
/* How far a test, a jump, a `far` or a `set-match` goes past the next instruction. */
static inline size_t
vm_distance(const struct insn *in)
{
	return in->skip + (in->op == OP_FAR ? (size_t) in->arg << 16 : 0);
}
/* Which rules ENTRY_ROW can match, and which columns they read. */
void vm_note_row_rules(struct image_rule *rules, const struct image_entry *entry);
/* Fills *err: "CODE: text". Always returns false. */
bool image_fail(struct image_error *err, enum image_error_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
