/* SPDX-License-Identifier: MIT
 *
 * An index over the code of an entry point, so that a decision costs what the rules cost that may
 * concern the command, not what all rules cost (docs/decisions/0008).
 *
 * It is made when an image is loaded, from code that is verified already, and is no part of the
 * image. It only leaves code out: code that would have skipped itself, because one of its first
 * tests cannot pass by the value that a fact has. That is shown of every index before it is used
 * (index_check.c). All other code runs as it is written, its tests included, on the same machine;
 * so a decision is the same with and without.
 */
#ifndef WEIR_VM_INDEX_H
#define WEIR_VM_INDEX_H

#include "vm/exec.h"

enum {
	VM_INDEX_LEAST = 6, /* pieces of code below which running them all is as fast */
	VM_INDEX_BYTES = 32 << 20,
};

/* NULL when the entry point has fewer than `least` pieces, or when the index would take more than
 * VM_INDEX_BYTES: the code runs whole then. In the second case *too_big is set. */
const struct vm_index *vm_index_build(const struct image *img, enum vm_entry e, size_t least,
				      struct arena *a, bool *too_big);
/* Whether, whatever the facts, the index runs all code that could do something, and no other. */
bool vm_index_leaves_nothing_out(const struct vm_index *x, const struct image *img,
				 enum vm_entry e);
size_t vm_index_bytes(const struct vm_index *x);
/* Runs what may match; as vm_run over the whole code. */
int vm_index_run(const struct vm_index *x, const struct image *img, const struct facts *f,
		 struct decision *d);

#endif
