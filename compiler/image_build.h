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

/* The same image, signed: its body, counter and digest stay as they are. The bytes are of an image
 * that was loaded. */
void image_sign(struct slice image, const uint8_t seed[ED25519_SEED_LEN], struct buf *out);

#endif
