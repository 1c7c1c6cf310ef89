/* SPDX-License-Identifier: MIT
 *
 * What is doubtful about a policy that is correct, found by looking at all inputs at once.
 */
#ifndef WEIR_COMPILER_FINDINGS_H
#define WEIR_COMPILER_FINDINGS_H

#include "compiler/ast.h"
#include "compiler/diag.h"
#include "vm/image.h"

/* The image is the tree's, which had no errors. `strict` also asks for tests of every rule, and for
 * a proof of who sees data as it is. */
void findings(struct diag_queue *q, const struct policy *tree, const struct image *img,
	      struct arena *arena, bool strict);

#endif
