/* SPDX-License-Identifier: MIT
 *
 * Checked and emitted policy to the bytes of an image (runtime/vm/image.c describes them). The same
 * sources give the same bytes, wherever they lie.
 */
#ifndef WEIR_COMPILER_IMAGE_BUILD_H
#define WEIR_COMPILER_IMAGE_BUILD_H

#include "compiler/compile.h"
#include "compiler/emit.h"

void image_build(const struct checked *p, const struct emitted code[ENTRY_COUNT],
		 struct sources *sources, const struct compile_options *options, struct buf *out);

#endif
