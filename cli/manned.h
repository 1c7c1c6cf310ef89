/* SPDX-License-Identifier: MIT
 *
 * A policy and the people of a configuration: holds that nobody there could release.
 */
#ifndef WEIR_CLI_MANNED_H
#define WEIR_CLI_MANNED_H

#include "base/arena.h"
#include "compiler/diag.h"
#include "config/config.h"
#include "vm/image.h"

void manned_look(struct diag_queue *q, const struct image *img, const struct config *c,
		 struct arena *arena);

#endif
