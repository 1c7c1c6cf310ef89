/* SPDX-License-Identifier: MIT
 *
 * Between admin.c and its parts: who asks, and JSON of a held command.
 */
#ifndef WEIR_PROXY_ADMIN_INTERNAL_H
#define WEIR_PROXY_ADMIN_INTERNAL_H

#include "proxy/admin.h"

#include <jansson.h>

enum admin_error {
#define ADMIN_ERROR(id, code, status, sentence, hint) ADMIN_ERR_##id,
#include "proxy/admin.def"
#undef ADMIN_ERROR
	ADMIN_N_ERRORS,
	ADMIN_OK = ADMIN_N_ERRORS
};

/* Wrong keys per address and claimed name: a bucket of ADMIN_TRIES, one more every ADMIN_REFILL_S
 * seconds. Slots are shared by hash; a collision throttles a stranger too, and no more. */
enum { ADMIN_TRIES = 8, ADMIN_REFILL_S = 2, ADMIN_BUCKETS = 256 };

struct admin_bucket {
	uint64_t used;    /* failures not yet forgiven */
	uint64_t since_s; /* monotonic seconds of the last look */
};

struct admin_auth {
	struct admin_bucket buckets[ADMIN_BUCKETS];
	uint8_t seed[16]; /* so that nobody outside can aim at a slot */
};

/* Checks name and key against the configuration. *out borrows from `c`. ADMIN_OK, UNAUTHENTICATED
 * or THROTTLED; a right key is not counted. Takes the same time for unknown names and
 * wrong keys. */
enum admin_error admin_authenticate(struct admin_auth *a, const struct config *c, struct slice name,
				    struct slice key, const char *address, uint64_t now_s,
				    const struct config_principal **out);
/* Splits `Bearer KEY` (with `name` from its own header) or `Basic base64(NAME:KEY)`. scratch holds
 * what was decoded and is wiped by the caller. */
bool admin_credentials(const char *authorization, const char *principal, struct buf *scratch,
		       struct slice *name, struct slice *key);

/* A held command as `who` may see it; cuts the statement when `brief`. NULL without memory. */
json_t *admin_approval_json(const struct approval *a, const struct approval_decider *who,
			    bool brief);

/* What `rest` behind /v1/audit/holds asks for. ADMIN_OK: the answer is in *out. admin_holds.c */
enum admin_error admin_holds(const struct admin_hooks *h, const struct approval_decider *who,
			     const char *rest, bool get, struct slice body, struct buf *out);

#endif
