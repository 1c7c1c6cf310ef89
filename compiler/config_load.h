/* SPDX-License-Identifier: MIT
 *
 * Reads the gateway's configuration. The struct and what may be asked of it are
 * runtime/config/config.h; the text shares the policy language's lexical rules and diagnostics.
 */
#ifndef WEIR_COMPILER_CONFIG_LOAD_H
#define WEIR_COMPILER_CONFIG_LOAD_H

#include "compiler/diag.h"
#include "config/config.h"

/* Fills `out`; strings and the text live in the arena. Passwords are fetched now: files read,
 * environment looked up, password-command run with /bin/sh -c (first line of its output, 10 s).
 * False: an error is in the queue, and `out` holds no secrets. Warnings alone return true.
 * The copy of the text that diagnostics quote has its secrets starred out before this returns.
 * Call config_wipe before arena_fini. */
bool config_load(const char *path, struct arena *arena, struct config *out, struct diag_queue *q)
	MUST_CHECK;
/* The same on a text in memory, with `path` telling the folder and the name for diagnostics.
 * `fetch_secrets` false leaves password-file, -env and -command unread, for checks and fuzzers,
 * and resolves no host names. */
bool config_load_text(const char *path, struct slice text, bool fetch_secrets, struct arena *arena,
		      struct config *out, struct diag_queue *q) MUST_CHECK;

/* The password of a target as its file or command has it now, appended to `secret`, which the
 * caller wipes. False: why not is appended to `said`; soon, once stop_fd is readable. */
bool config_password_again(const struct config_target *t, int stop_fd, struct buf *secret,
			   struct buf *said) MUST_CHECK;

#endif
