/* SPDX-License-Identifier: MIT
 *
 * The verifier: what image_load asks about code before it can ever run, and the cost of it.
 */
#ifndef WEIR_VM_VERIFY_H
#define WEIR_VM_VERIFY_H

#include "vm/image.h"

/* Checks every instruction of the entry point (operands, types, jumps, end) and computes cost,
 * facts, uses and stable. `scratch` is for one number per instruction. False with *err filled. */
bool vm_verify(const struct image *img, enum vm_entry e, struct image_entry *entry,
	       struct arena *scratch, struct image_error *err) MUST_CHECK;
bool vm_op_reads_fact(unsigned op); /* has a fact operand; any number is allowed */
bool vm_op_reads_row(unsigned op);  /* its fact operand is a column of the row */
/* Which rules ENTRY_ROW can match, and which columns they read. */
void vm_note_row_rules(struct image_rule *rules, const struct image_entry *entry);
/* Fills *err: "CODE: text". Always returns false. */
bool image_fail(struct image_error *err, enum image_error_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
