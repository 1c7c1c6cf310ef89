/* SPDX-License-Identifier: MIT
 *
 * An image as text, for people and for golden tests. One line per instruction.
 */
#ifndef WEIR_VM_DISASM_H
#define WEIR_VM_DISASM_H

#include "base/buf.h"
#include "vm/image.h"

void vm_disasm(struct buf *out, const struct image *img);

#endif
