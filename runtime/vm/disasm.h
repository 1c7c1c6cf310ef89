/* SPDX-License-Identifier: MIT
 *
 * An image as text, for people and for golden tests. One line per instruction.
 */
#ifndef WEIR_VM_DISASM_H
#define WEIR_VM_DISASM_H

#include "base/buf.h"
#include "vm/image.h"

void vm_disasm(struct buf *out, const struct image *img);
/* " allowing lookup, derived", as a policy has it; nothing where nothing is open. */
void vm_put_modes(struct buf *out, const struct mask_modes *m);

/* Called before each instruction of an entry point is put: image_insn(entry, at). */
typedef void vm_disasm_note(void *ctx, struct buf *out, enum vm_entry e, size_t at);
void vm_disasm_noted(struct buf *out, const struct image *img, vm_disasm_note *note, void *ctx);

#endif
