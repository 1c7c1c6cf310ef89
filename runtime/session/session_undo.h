/* SPDX-License-Identifier: MIT
 *
 * What code that nobody sees may have left on a shared server connection is undone before
 * anything of another session goes there.
 */
#ifndef WEIR_SESSION_SESSION_UNDO_H
#define WEIR_SESSION_SESSION_UNDO_H

#include "session/session.h"

/* The command goes to the connection: code may run unseen with it. */
void session_undo_follow(struct session *s, const struct command *c);
/* It has judged the statement, which may be bound again: then the planner runs some. */
void session_undo_judged(struct session *s, struct statement *st, const struct command *c);
void session_undo_bound(struct session *s, const struct statement *st);
/* Some may have, for another session. */
bool session_undo_due(const struct session *s);
/* It is about to be sent. */
void session_undo_begin(struct session *s);
void session_undo_put(struct buf *b);

#endif
