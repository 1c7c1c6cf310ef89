/* SPDX-License-Identifier: MIT
 *
 * A language server (LSP 3.17) for policies: bytes of an editor in, bytes for it out. No
 * descriptor, no clock; files that are not open in the editor are asked of a loader. What an editor
 * sends is half-written most of the time: every answer is from what could be read.
 */
#ifndef WEIR_LSP_LSP_H
#define WEIR_LSP_LSP_H

#include "base/buf.h"
#include "compiler/parse.h"

struct lsp;

/* What is not open in the editor. */
struct lsp_disk {
	struct parse_loader files;
	/* The names of the policies in a folder, in the arena, the last one NULL; NULL: none. They
	 * are looked at when a file without a `policy` line is opened. */
	const char **(*list)(struct arena *arena, const char *folder);
};

enum { LSP_MAX_LISTED = 64 }; /* names of a folder that are worth returning */

struct lsp *lsp_new(const struct lsp_disk *disk, const char *version);
void lsp_free(struct lsp *s);
/* Takes bytes in any split and appends what there is to say. Diagnostics are made when all whole
 * messages are done, so that fast typing is checked once. */
void lsp_feed(struct lsp *s, struct slice bytes, struct buf *out);
/* True when the editor has said `exit`, or nothing more can be read: *code is the exit code. */
bool lsp_over(const struct lsp *s, int *code) MUST_CHECK;

#endif
