/* SPDX-License-Identifier: MIT */
/* OpenSSL would rather have hashes made through EVP. A record's are short, and a lone client's
 * query would spend more on EVP's dispatch and allocations than on hashing. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

void
sha256v(uint8_t out[SHA256_LEN], const struct slice *parts, size_t n)
{
	SHA256_CTX ctx;
	int ok = SHA256_Init(&ctx);

	for (size_t i = 0; i < n; i++)
		ok &= SHA256_Update(&ctx, parts[i].p, parts[i].n);
	ok &= SHA256_Final(out, &ctx);
	assert(ok == 1);
}

void
sha256(uint8_t out[SHA256_LEN], struct slice data)
{
	sha256v(out, &data, 1);
}

void
hmac_sha256(uint8_t out[SHA256_LEN], struct slice key, struct slice data)
{
	unsigned n = SHA256_LEN;
	unsigned char *r;

	assert(key.n <= INT32_MAX);
	r = HMAC(EVP_sha256(), key.p ? (const void *) key.p : "", (int) key.n, data.p, data.n, out,
		 &n);
	assert(r != NULL && n == SHA256_LEN);
}

void
pbkdf2_sha256(uint8_t out[SHA256_LEN], struct slice password, struct slice salt,
	      uint32_t iterations)
{
	int ok;

	assert(password.n <= INT32_MAX && salt.n <= INT32_MAX && iterations <= INT32_MAX);
	ok = PKCS5_PBKDF2_HMAC((const char *) password.p, (int) password.n, salt.p, (int) salt.n,
			       (int) iterations, EVP_sha256(), SHA256_LEN, out);
	assert(ok == 1);
}

void
md5_hex(char out[33], const struct slice *parts, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sum[16];
	int ok;

	assert(ctx != NULL);
	ok = EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
	for (size_t i = 0; i < n; i++)
		ok &= EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
	ok &= EVP_DigestFinal_ex(ctx, sum, NULL);
	assert(ok == 1);
	EVP_MD_CTX_free(ctx);
	for (int i = 0; i < 16; i++) {
		out[2 * i] = digits[sum[i] >> 4];
		out[2 * i + 1] = digits[sum[i] & 15];
	}
	out[32] = 0;
}

void
random_bytes(void *out, size_t n)
{
	int ok;

	assert(n <= INT32_MAX);
	ok = RAND_bytes(out, (int) n);
	assert(ok == 1);
}

void
ed25519_public(uint8_t pub[ED25519_PUB_LEN], const uint8_t seed[ED25519_SEED_LEN])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_LEN);
	size_t n = ED25519_PUB_LEN;
	int ok;

	assert(k != NULL);
	ok = EVP_PKEY_get_raw_public_key(k, pub, &n);
	assert(ok == 1 && n == ED25519_PUB_LEN);
	EVP_PKEY_free(k);
}

void
ed25519_sign(uint8_t sig[ED25519_SIG_LEN], const uint8_t seed[ED25519_SEED_LEN], struct slice msg)
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = ED25519_SIG_LEN;
	int ok;

	assert(k != NULL && ctx != NULL);
	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
	     EVP_DigestSign(ctx, sig, &n, msg.p, msg.n) == 1;
	assert(ok && n == ED25519_SIG_LEN);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
}

bool
ed25519_verify(const uint8_t sig[ED25519_SIG_LEN], const uint8_t pub[ED25519_PUB_LEN],
	       struct slice msg)
{
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, pub, ED25519_PUB_LEN);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	assert(ctx != NULL);
	/* A key that is no curve point is the input's fault, not ours. */
	ok = k && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
	     EVP_DigestVerify(ctx, sig, ED25519_SIG_LEN, msg.p, msg.n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok;
}

void
base64_put(struct buf *out, struct slice data)
{
	size_t n = (data.n + 2) / 3 * 4;
	uint8_t *to = buf_reserve(out, n + 1); /* EVP writes a NUL */

	assert(data.n <= INT32_MAX / 2);
	if (!to)
		return;
	EVP_EncodeBlock(to, data.p, (int) data.n);
	out->n += n;
}

bool
base64_get(struct buf *out, struct slice text)
{
	size_t n = text.n / 4 * 3, pad = 0;
	uint8_t *to;
	struct buf check = {0};
	bool ok;

	if (text.n % 4 != 0 || text.n > INT32_MAX)
		return false;
	if (text.n == 0)
		return true;
	to = buf_reserve(out, n);
	if (!to || EVP_DecodeBlock(to, text.p, (int) text.n) != (int) n)
		return false;
	pad = (size_t) (text.p[text.n - 1] == '=') + (size_t) (text.p[text.n - 2] == '=');
	/* EVP is lax about white space and stray bits: only what encodes back is accepted. */
	base64_put(&check, slice_of(to, n - pad));
	ok = !check.failed && slice_eq(buf_slice(&check), text);
	buf_wipe(&check);
	if (ok)
		out->n += n - pad;
	return ok;
}

void
hex_put(struct buf *out, struct slice data)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < data.n; i++) {
		buf_putc(out, (uint8_t) digits[data.p[i] >> 4]);
		buf_putc(out, (uint8_t) digits[data.p[i] & 15]);
	}
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
hex_get(struct buf *out, struct slice text)
{
	if (text.n % 2)
		return false;
	for (size_t i = 0; i < text.n; i += 2) {
		int hi = hex_digit(text.p[i]), lo = hex_digit(text.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		buf_putc(out, (uint8_t) (hi << 4 | lo));
	}
	return !out->failed;
}
