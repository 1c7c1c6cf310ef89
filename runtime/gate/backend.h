/* SPDX-License-Identifier: MIT
 *
 * What is known of one logged-in connection to a server: its cancel key, the settings that the
 * server reports, and whether it may ever serve another session. Sans-I/O; who owns the socket says
 * so (conn.c, pool.c).
 */
#ifndef WEIR_GATE_BACKEND_H
#define WEIR_GATE_BACKEND_H

#include "base/buf.h"
#include "proto/pg/wire.h"
#include "gate/prepared.h"

/* What a session leaves behind on a connection. */
enum backend_left {
	BACKEND_CLEAN, /* nothing of it, but what is known here */
	BACKEND_DIRTY, /* nothing is under way; to be cleaned */
	BACKEND_UNKNOWN,
};

struct backend {
	uint32_t pid;
	uint32_t number; /* among those of all workers since the start; 0: not logged in */
	uint16_t key_len; /* 0: the server gave none */
	uint8_t key[PG_CANCEL_KEY_MAX];
	bool tls;
	/* What was done on it cannot be undone for sure: it ends with its session. */
	bool spoiled;
	/* It began under a role (ALTER ROLE ... SET role, or as it was opened) that DISCARD ALL
	 * does not go back to. */
	bool role_set;
	/* Code that nobody saw may have left something since the last undoing (session_undo.c), and
	 * for whom it is nobody else's: the session that has it, or had it last; 0: none. */
	bool unseen;
	uint64_t holder;
	struct buf reported; /* settings, as below */
	struct buf kept; /* those that sessions carry (grammar/carried.def) and that are not what it
			  * began with */
	struct buf path; /* search_path and role of session_path.c; empty: not known */
	struct prepared_names names; /* prepared statements that sessions carry */
	unsigned n_prepared; /* of them, prepared for who has it now */
};

void backend_fini(struct backend *b);

/* Settings with their values in the order in which they were first reported: name, 0, value, 0. */
bool settings_next(const struct buf *b, size_t *at, struct pg_param *out);
/* p == NULL: not there. Names compare without case, as the server does. */
struct slice settings_get(const struct buf *b, struct slice name);
void settings_set(struct buf *b, struct slice name, struct slice value);
void settings_drop(struct buf *b, struct slice name);
/* As ParameterStatus messages. */
void settings_put(const struct buf *b, struct buf *out);
bool settings_same_name(struct slice a, struct slice b);

#endif
