/* SPDX-License-Identifier: MIT
 *
 * The pages of docs/diagnostics/, which are part of the program: what a code means, and an example
 * of what is wrong and of what is right.
 */
#ifndef WEIR_COMPILER_DIAG_PAGE_H
#define WEIR_COMPILER_DIAG_PAGE_H

#include "base/buf.h"

/* The page's Markdown; empty when there is none for this code ("E0402"). */
struct slice diag_page(const char *code);
/* The page for a terminal: a heading, examples indented instead of fenced. */
void diag_page_print(struct slice page, struct buf *out, bool colour);

#endif
