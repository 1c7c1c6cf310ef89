/* SPDX-License-Identifier: MIT
 *
 * Whether an image's diagrams say what its lists of rules say. Of what is compiled here that is
 * shown before it is given away (compile.c); an image may be another compiler's, or changed and
 * signed again. Its rules are what people have read, its diagrams what runs.
 */
#ifndef WEIR_COMPILER_IMAGE_DIAGRAMS_H
#define WEIR_COMPILER_IMAGE_DIAGRAMS_H

#include "base/buf.h"
#include "vm/image.h"

/* False, with why, when they differ. Diagrams that are too large to be compared are taken away, so
 * that the lists decide, and *dropped is set. */
bool image_diagrams_agree(struct image *img, struct buf *why, bool *dropped) MUST_CHECK;

#endif
