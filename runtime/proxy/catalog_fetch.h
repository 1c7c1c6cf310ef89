/* SPDX-License-Identifier: MIT
 *
 * One read of a target's catalog over a connection of its own, through libpq. Blocks its thread
 * until done, the deadline or the stop descriptor becomes readable.
 */
#ifndef WEIR_PROXY_CATALOG_FETCH_H
#define WEIR_PROXY_CATALOG_FETCH_H

#include "config/config.h"
#include "sql/catalog.h"

struct fetch_trouble {
	const char *text; /* static: what a client may be told; NULL: stopped */
	char detail[512]; /* for the operator: what libpq or the server said, on one line */
	bool password; /* the target refused the login's password */
};

/* Drops libpq's variables from the environment. Once, before there are threads. */
void catalog_fetch_prepare(void);
/* NULL on failure, with *why filled. `announces`: the target has the event trigger that tells of
 * schema changes; NULL: nobody asks. */
struct catalog *catalog_fetch(const struct config_target *target, int stop_fd,
			      struct fetch_trouble *why, bool *announces) MUST_CHECK;
/* The same connection for somebody else's questions: read-only unless told otherwise. PQfinish when
 * done; NULL on failure, with *why filled. */
struct pg_conn;
struct pg_conn *catalog_fetch_connect(const struct config_target *target,
				      struct fetch_trouble *why) MUST_CHECK;

/* Schema changes as the target announces them. A message says that something changed, never what:
 * whoever may NOTIFY can make the catalog be read again, and nothing else. */
struct pg_conn *catalog_ears_open(const struct config_target *target, int stop_fd);
int catalog_ears_fd(const struct pg_conn *ears); /* -1 for NULL, which poll overlooks */
/* False: the connection is lost. */
bool catalog_ears_heard(struct pg_conn *ears, bool *changed) MUST_CHECK;
void catalog_ears_close(struct pg_conn *ears); /* NULL is fine */

#endif
