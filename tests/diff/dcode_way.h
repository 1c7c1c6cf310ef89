/* SPDX-License-Identifier: MIT
 *
 * The way that facts take through the code of a diagram, instruction by instruction, without the
 * machine that does it in the product.
 */
#ifndef WEIR_TESTS_DCODE_WAY_H
#define WEIR_TESTS_DCODE_WAY_H

#include "vm/exec.h"

struct dcode_way {
	bool to_list;
	uint32_t ops;
	bool matched[VM_MAX_RULES]; /* by `match` */
	size_t first, again;	    /* instructions that test the same */
};

/* False when something is tested twice. */
bool dcode_way_of(const struct image *img, enum vm_entry e, const struct facts *f,
		  struct dcode_way *way);

#endif
