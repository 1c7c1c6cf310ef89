/* SPDX-License-Identifier: MIT
 *
 * What a session cannot do where it has a server connection for a transaction only, because it
 * would stay behind on that connection. Sans-I/O.
 */
#ifndef WEIR_SESSION_POOL_RULES_H
#define WEIR_SESSION_POOL_RULES_H

#include "base/buf.h"
#include "gate/gate.h"

/* A setting that the server reports, and that can be set again on another connection. */
bool pool_carries(const struct buf *reported, struct slice name);
/* Which of grammar/carried.def it is: carried too, but asked for; -1: none of them. */
int pool_kept(struct slice name);
enum {
	POOL_KEPT = 0
#define CARRIED(name, reading, values) +1
#include "grammar/carried.def"
#undef CARRIED
};
struct pool_kept_info {
	const char *name;
	bool reading;	    /* what is prepared under one value is not shared with another */
	const char *values; /* may be set to; empty: any */
};
extern const struct pool_kept_info pool_kept_info[];
/* One that is made up, or an extension's (app.tenant): carried by its name. */
bool pool_is_own(struct slice name);
enum {
	POOL_OWN = 64, /* of a session */
	POOL_OWN_NAME = 127,
	POOL_OWN_VALUE = 4096,	   /* bytes of one */
	POOL_OWN_BYTES = 16 << 10, /* ... of all of them */
};
extern const char pool_own_hint[];
/* What is read under it may mean something else under another value. */
bool pool_reading_depends(struct slice name);
/* Temporary objects would be made in it. */
bool pool_path_is_temporary(struct slice search_path);
/* False: *why (texts in the arena) says what stands in the way. own: names that the client may
 * DEALLOCATE are the gateway's to drop. */
bool pool_allows(const struct sql_facts *f, const struct buf *reported, struct arena *a,
		 struct gate_refusal *why) MUST_CHECK;

/* A call that gives random() a new seed: who set the old one could foresee what it gives. */
void pool_put_seed(struct buf *b);

#endif
