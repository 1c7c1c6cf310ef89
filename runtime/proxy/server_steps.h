/* SPDX-License-Identifier: MIT
 *
 * The steps of the start, in the order in which server.c takes them. False: the reason is appended
 * to error, and server_close undoes what was done.
 */
#ifndef WEIR_PROXY_SERVER_STEPS_H
#define WEIR_PROXY_SERVER_STEPS_H

#include "proxy/server_internal.h"

bool server_protect_memory(const struct server_options *o, struct buf *error) MUST_CHECK;
bool server_open_state(struct server *s, struct buf *error) MUST_CHECK;
bool server_open_files(struct server *s, struct buf *error) MUST_CHECK;
bool server_reserve_address(struct server *s, struct buf *error) MUST_CHECK;
bool server_open_admin(struct server *s, struct buf *error) MUST_CHECK;
bool server_open_channels(struct server *s, struct buf *error) MUST_CHECK;
bool server_open_workers(struct server *s, struct worker_host *host, struct buf *error) MUST_CHECK;
bool server_open_retention(struct server *s, struct buf *error) MUST_CHECK;
void server_close_retention(struct server *s);
bool server_open_catalogs(struct server *s, struct buf *error) MUST_CHECK;
void server_close(struct server *s);

#endif
