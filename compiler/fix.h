/* SPDX-License-Identifier: MIT
 *
 * Applies the edits that diagnostics suggest. Text in, text out: who reads and writes files, and
 * how often it is tried again, is up to the caller.
 */
#ifndef WEIR_COMPILER_FIX_H
#define WEIR_COMPILER_FIX_H

#include "compiler/diag.h"

struct fix_counts {
	unsigned applied;   /* diagnostics whose edits are in the texts */
	unsigned conflicts; /* left alone because others edit the same place */
};

/* What edits are made although other things can be meant. */
struct fix_asked {
	bool of[DIAG_COUNT];
};

/* texts[i], for each file of the queue's sources, becomes its text with the edits; the text of an
 * untouched file is the source's own. Where edits of different diagnostics overlap, neither
 * is applied, unless they are the same. A deletion takes the line with it when it leaves a blank
 * one. Each edit that is applied is one line of *said. */
struct fix_counts fix_apply(struct diag_queue *q, const struct fix_asked *asked,
			    struct arena *arena, struct slice *texts, struct buf *said);

#endif
