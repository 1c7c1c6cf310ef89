/* SPDX-License-Identifier: MIT
 *
 * Policy text to syntax tree: lexing, parsing, imports. What is wrong goes to the diagnostics;
 * the tree is returned even then, for further checks, and is whole only if diag_ok(). Every file
 * read is in the queue's sources, the root first: a digest over the policy is over those texts.
 */
#ifndef WEIR_COMPILER_PARSE_H
#define WEIR_COMPILER_PARSE_H

#include "compiler/ast.h"
#include "compiler/diag.h"

/* Gives the text of an imported file. `path` is relative to the root file's folder or absolute,
 * with "." and ".." resolved. False: `*error` says why. The text must live as long as the arena. */
struct parse_loader {
	bool (*load)(void *ctx, struct arena *arena, const char *path, struct slice *text,
		     const char **error);
	void *ctx;
	/* declarations of a command line, as if they stood at the root file's end; or NULL */
	const struct slice *more;
	bool no_catalogs; /* they are not at hand: the policy is taken without */
	bool on_screen;	  /* the root's text is before its author already, and may be half written:
			   * it is read even if it looks like something else (foreign.h) */
};

/* Reads from the file system; NULL as a loader means this one. */
extern const struct parse_loader parse_file_loader;

/* Parses the root file at `path` and all it imports. Never NULL. The arena outlives the tree. */
struct policy *parse_policy(struct arena *arena, struct diag_queue *q, const char *path,
			    const struct parse_loader *loader);
/* As above with the root file's text at hand; imports are refused when loader is NULL. */
struct policy *parse_policy_text(struct arena *arena, struct diag_queue *q, const char *path,
				 struct slice text, const struct parse_loader *loader);

/* "a/b.weir" + "../c.weir" -> "c.weir": the folder of `from`, then `path`, without "." and "..". */
const char *parse_import_path(struct arena *arena, const char *from, const char *path);

#endif
