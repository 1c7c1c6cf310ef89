/* SPDX-License-Identifier: MIT
 *
 * Who asks on the admin listener. Keys are compared as digests, so that neither their contents nor
 * their length shows in the time it takes.
 */
#include "base/secret.h"
#include "proxy/admin_internal.h"

#include <strings.h>

static struct admin_bucket *
bucket_of(struct admin_auth *a, struct slice name, const char *address)
{
	uint8_t d[SHA256_LEN];
	struct slice parts[] = {
		slice_of(a->seed, sizeof(a->seed)),
		slice_of(address, strlen(address) + 1),
		name,
	};

	sha256v(d, parts, COUNT_OF(parts));
	return &a->buckets[d[0] % ADMIN_BUCKETS];
}

static const struct config_principal *
principal_find(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->n_principals; i++)
		if (slice_is(name, c->principals[i].name))
			return &c->principals[i];
	return NULL;
}

enum admin_error
admin_authenticate(struct admin_auth *a, const struct config *c, struct slice name,
		   struct slice key, const char *address, uint64_t now_s,
		   const struct config_principal **out)
{
	struct admin_bucket *b = bucket_of(a, name, address);
	const struct config_principal *p = principal_find(c, name);
	uint64_t forgiven = (now_s - b->since_s) / ADMIN_REFILL_S;
	uint8_t want[SHA256_LEN], got[SHA256_LEN];
	bool right;

	*out = NULL;
	if (forgiven) {
		b->used -= forgiven < b->used ? forgiven : b->used;
		b->since_s = now_s;
	}
	if (b->used >= ADMIN_TRIES)
		return ADMIN_ERR_THROTTLED;
	sha256(want, slice_str(p && p->key ? p->key : ""));
	sha256(got, key);
	right = CRYPTO_memcmp(want, got, SHA256_LEN) == 0;
	secret_wipe(want, sizeof(want));
	secret_wipe(got, sizeof(got));
	if (!right || !p || !p->key || key.n == 0) {
		b->used++;
		return ADMIN_ERR_UNAUTHENTICATED;
	}
	*out = p;
	return ADMIN_OK;
}

bool
admin_credentials(const char *authorization, const char *principal, struct buf *scratch,
		  struct slice *name, struct slice *key)
{
	if (!authorization)
		return false;
	if (strncasecmp(authorization, "Bearer ", 7) == 0 && principal) {
		*name = slice_str(principal);
		*key = slice_str(authorization + 7);
		return true;
	}
	if (strncasecmp(authorization, "Basic ", 6) == 0) {
		const uint8_t *colon;

		if (!base64_get(scratch, slice_str(authorization + 6)) || scratch->n == 0)
			return false;
		colon = memchr(scratch->p, ':', scratch->n);
		if (!colon)
			return false;
		*name = slice_of(scratch->p, (size_t) (colon - scratch->p));
		*key = slice_of(colon + 1, (size_t) (scratch->p + scratch->n - colon - 1));
		return true;
	}
	return false;
}
