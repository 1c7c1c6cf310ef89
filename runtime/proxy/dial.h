/* SPDX-License-Identifier: MIT
 *
 * Connecting to a target. Its name may have several addresses, which are tried in the resolver's
 * order: whoever is told by `on_close` that it did not come to a connection dials again.
 */
#ifndef WEIR_PROXY_DIAL_H
#define WEIR_PROXY_DIAL_H

#include "io/stream.h"
#include "config/config.h"

struct dial {
	size_t next; /* address to be tried; 0: begin */
	struct sockaddr_storage addr; /* being connected to */
};

/* Begins to connect to the next address. 0; or -errno: there is none left, or to none of them. */
int dial_next(struct dial *d, struct ring *r, const struct endpoint *to,
	      const struct stream_ops *ops, void *ctx, struct stream **out) MUST_CHECK;

/* Another address was not reached, and this one is tried now. The log says it once a minute: of a
 * name like `localhost` each connection may pass over the same one. Any thread. */
void dial_passed_over(const char *target, const char *reason, uint64_t now_ns);

#endif
