/* SPDX-License-Identifier: MIT
 *
 * Messages out of a stream of bytes: a head of `Name: value` lines with Content-Length, an empty
 * line, and so many bytes of body. Takes any split, and never holds more than its limits.
 */
#ifndef WEIR_LSP_RPC_H
#define WEIR_LSP_RPC_H

#include "base/buf.h"

/* A policy of SOURCE_MAX_BYTES fits even if most of it is escaped. */
enum { RPC_MAX_HEAD = 4096, RPC_MAX_BODY = 64 << 20 };

enum rpc_event {
	RPC_MORE,	 /* all bytes are used up, the message is not whole */
	RPC_MESSAGE,	 /* the body is in rpc->body until the next call */
	RPC_TOO_LARGE, /* a body over the limit went by; go on */
	RPC_BROKEN,	 /* no head that makes sense: nobody knows where the next one starts */
};

/* Zeroed memory waits for the first byte. */
struct rpc_reader {
	struct buf body;
	size_t left; /* bytes of the body to come */
	uint16_t head_n;
	bool in_body, too_large, broken, given;
	uint8_t head[RPC_MAX_HEAD];
};

/* Takes bytes from the front of *in. */
enum rpc_event rpc_take(struct rpc_reader *r, struct slice *in) MUST_CHECK;
void rpc_fini(struct rpc_reader *r);
/* Appends a message: its head and the body. */
void rpc_put(struct buf *out, struct slice body);

#endif
