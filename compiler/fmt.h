/* SPDX-License-Identifier: MIT
 *
 * The canonical layout of a policy. Only white space changes: tokens and comments stay as they
 * are, in their order. The author decides which clauses share a line and where blank lines stand
 * (at most one); the rest is settled:
 *
 *   - a declaration starts in column 1, a clause on its own line is indented by two, what follows a
 *     break inside a clause by four; clauses on one line stand three spaces apart,
 *     but `with` and `of` one space behind what they tell more of;
 *   - lines longer than 100 columns are broken before clauses, after commas, before `and` and `or`;
 *   - `on` and `do` at the start of a line are padded to the width of `who`;
 *   - the `=` of successive declarations of one kind are aligned.
 */
#ifndef WEIR_COMPILER_FMT_H
#define WEIR_COMPILER_FMT_H

#include "compiler/diag.h"

/* Appends the formatted text. False, with nothing appended, if the text does not parse: the reasons
 * are in the queue. Imports are not read. fmt(fmt(x)) is fmt(x), and the syntax tree stays the
 * same: both are checked here before the text is handed out. */
bool fmt_policy(struct arena *arena, struct diag_queue *q, const char *path, struct slice text,
		struct buf *out) MUST_CHECK;

#endif
