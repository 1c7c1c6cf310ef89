/* SPDX-License-Identifier: MIT
 *
 * The few primitives Weir needs, over OpenSSL's EVP with algorithms fetched once.
 * Failures of the library itself (out of memory, broken provider) panic: nothing may go on
 * without them. Failures that depend on input return false.
 */
#ifndef WEIR_BASE_CRYPTO_H
#define WEIR_BASE_CRYPTO_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/slice.h"

enum { SHA256_LEN = 32, ED25519_SEED_LEN = 32, ED25519_PUB_LEN = 32, ED25519_SIG_LEN = 64 };

void sha256(uint8_t out[SHA256_LEN], struct slice data);
/* SHA-256 of the concatenation of n slices. */
void sha256v(uint8_t out[SHA256_LEN], const struct slice *parts, size_t n);
void hmac_sha256(uint8_t out[SHA256_LEN], struct slice key, struct slice data);
/* PBKDF2-HMAC-SHA-256 (RFC 8018), SCRAM's Hi(). */
void pbkdf2_sha256(uint8_t out[SHA256_LEN], struct slice password, struct slice salt,
		   uint32_t iterations);
void md5_hex(char out[33], const struct slice *parts, size_t n); /* PostgreSQL's md5 method only */
void random_bytes(void *out, size_t n);

void ed25519_public(uint8_t pub[ED25519_PUB_LEN], const uint8_t seed[ED25519_SEED_LEN]);
void ed25519_sign(uint8_t sig[ED25519_SIG_LEN], const uint8_t seed[ED25519_SEED_LEN],
		  struct slice msg);
bool ed25519_verify(const uint8_t sig[ED25519_SIG_LEN], const uint8_t pub[ED25519_PUB_LEN],
		    struct slice msg) MUST_CHECK;

/* Standard alphabet with padding (RFC 4648 section 4). Decoding is strict. */
void base64_put(struct buf *out, struct slice data);
bool base64_get(struct buf *out, struct slice text) MUST_CHECK;
void hex_put(struct buf *out, struct slice data); /* lower case */
bool hex_get(struct buf *out, struct slice text) MUST_CHECK;

#endif
