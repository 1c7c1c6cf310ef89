/* SPDX-License-Identifier: MIT
 *
 * Diagnostics as SARIF 2.1.0 (OASIS), which code review tools read: one run, its rules from
 * grammar/diags.def, a result for each diagnostic with its notes and edits.
 */
#ifndef WEIR_COMPILER_SARIF_H
#define WEIR_COMPILER_SARIF_H

#include "compiler/diag.h"

void sarif_print(struct diag_queue *q, const char *version, struct buf *out);

#endif
