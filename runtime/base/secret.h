/* SPDX-License-Identifier: MIT
 *
 * Passwords, keys and salted hashes are wiped as soon as they are no longer needed and compared
 * in constant time.
 */
#ifndef WEIR_BASE_SECRET_H
#define WEIR_BASE_SECRET_H

#include "base/slice.h"

#include <openssl/crypto.h>

static inline void
secret_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

/* Leaks the lengths, never the contents. */
static inline bool
secret_eq(struct slice a, struct slice b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

#endif
