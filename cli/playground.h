/* SPDX-License-Identifier: MIT
 *
 * Between the files of `weir playground`: the server (playground.c) hands texts to a process of
 * their own (playground_run.c), in which they are evaluated (playground_eval.c).
 */
#ifndef WEIR_CLI_PLAYGROUND_H
#define WEIR_CLI_PLAYGROUND_H

#include "base/buf.h"

enum playground_error {
	PLAYGROUND_OK,
#define PLAYGROUND_ERROR(id, code, status, sentence, hint) PLAYGROUND_ERR_##id,
#include "cli/playground.def"
#undef PLAYGROUND_ERROR
	PLAYGROUND_N_ERRORS
};

enum { PLAYGROUND_MAX_ANSWER = 8 << 20 };

/* What is in the page; never NULL. principal and on are one line each. */
struct playground_texts {
	const char *policy, *schema, *principal, *on, *sql, *rows;
};

/* The policy at a path with its imports in their places, and its catalogs. False: it cannot be
 * read. */
bool playground_start(const char *path, struct buf *policy, struct buf *schema) MUST_CHECK;

/* The answer as JSON. Reads no file. */
void playground_eval(const struct playground_texts *t, struct buf *out);

/* The same in a child whose time and memory are bounded and that can open nothing; it is ended when
 * the client's socket is closed. The caller has one thread. */
enum playground_error playground_run(const struct playground_texts *t, int client, struct buf *out);

#endif
