/* SPDX-License-Identifier: MIT
 *
 * Sets of actions in as few words as the tree of actions allows.
 */
#ifndef WEIR_COMPILER_ACTIONS_H
#define WEIR_COMPILER_ACTIONS_H

#include "base/buf.h"
#include "vm/names.h"

/* "sql.ddl, sql.select"; a node stands for all leaves below it. */
void actions_put(struct buf *out, const struct action_set *set);

#endif
