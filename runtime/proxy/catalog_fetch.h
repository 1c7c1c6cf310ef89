/* SPDX-License-Identifier: MIT
 *
 * One read of a target's catalog over a connection of its own, through libpq. Blocks its thread
 * until done, the deadline or the stop descriptor becomes readable.
 */
#ifndef WEIR_PROXY_CATALOG_FETCH_H
#define WEIR_PROXY_CATALOG_FETCH_H

#include "proxy/config.h"
#include "sql/catalog.h"

struct fetch_trouble {
	const char *text; /* static: what a client may be told; NULL: stopped */
	char detail[512]; /* for the operator: what libpq or the server said, on one line */
};

/* Drops libpq's variables from the environment. Once, before there are threads. */
void catalog_fetch_prepare(void);
/* NULL on failure, with *why filled. */
struct catalog *catalog_fetch(const struct config_target *target, int stop_fd,
			      struct fetch_trouble *why) MUST_CHECK;
/* The same connection for somebody else's questions: read-only unless told otherwise. PQfinish when
 * done; NULL on failure, with *why filled. */
struct pg_conn;
struct pg_conn *catalog_fetch_connect(const struct config_target *target,
				      struct fetch_trouble *why) MUST_CHECK;

#endif
