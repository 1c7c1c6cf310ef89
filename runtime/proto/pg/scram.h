/* SPDX-License-Identifier: MIT
 *
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677; channel binding tls-server-end-point, RFC
 * 5929) for both sides, and PostgreSQL's md5 response. State machines over bytes: no clock, no
 * randomness of their own (the caller gives nonces), no allocation but in the output buffer.
 *
 * The gateway as server derives a verifier per principal once, at load; a login costs a few HMACs.
 * Messages given must not lie in the output buffer, which is also scratch space.
 * For an unknown user it runs the same exchange against a mock verifier and fails at the end.
 * A password is used as its raw bytes: for ASCII that is SASLprep, for the rest it is PostgreSQL's
 * own fallback for strings that SASLprep refuses.
 */
#ifndef WEIR_PG_SCRAM_H
#define WEIR_PG_SCRAM_H

#include "base/crypto.h"
#include "proto/pg/wire.h"

enum { SCRAM_SALT = 16, SCRAM_NONCE = 18, SCRAM_ITERATIONS = 4096, SCRAM_MAX_ITERATIONS = 1000000 };

#define SCRAM_NAME "SCRAM-SHA-256"
#define SCRAM_PLUS_NAME "SCRAM-SHA-256-PLUS"

struct scram_verifier {
	uint8_t salt[SCRAM_SALT];
	uint32_t iterations;
	uint8_t stored_key[SHA256_LEN], server_key[SHA256_LEN];
};

/* About 1 ms of CPU: at load only. */
void scram_verifier_derive(struct scram_verifier *v, struct slice password,
			   const uint8_t salt[SCRAM_SALT], uint32_t iterations);
/* For a user that does not exist: the same salt each time, and nobody knows the password. */
void scram_verifier_mock(struct scram_verifier *v, const uint8_t key[SHA256_LEN],
			 struct slice user);

enum { SCRAM_TEXT = 512 }; /* bound of each message kept */

struct scram_server {
	const struct scram_verifier *verifier;
	bool mock;
	struct slice binding; /* hash of our certificate; empty: PLUS is not offered */
	bool plus;
	uint8_t state;
	uint8_t nonce[SCRAM_NONCE];
	uint8_t gs2;   /* 'n', 'y' or 'p' */
	uint16_t n_bare, n_first, n_nonce;
	uint8_t bare[SCRAM_TEXT];  /* client-first-message-bare */
	uint8_t first[SCRAM_TEXT]; /* server-first-message, starts with r=<nonce> */
};

/* verifier (and binding) must outlive s. nonce: fresh random bytes. */
void scram_server_init(struct scram_server *s, const struct scram_verifier *verifier, bool mock,
		       struct slice binding, const uint8_t nonce[SCRAM_NONCE]);
/* Mechanism names for AuthenticationSASL, each ended by 0, and the last 0. */
void scram_server_mechanisms(const struct scram_server *s, struct buf *out);
/* SASLInitialResponse -> server-first-message for AuthenticationSASLContinue. */
enum pg_reason scram_server_first(struct scram_server *s, struct slice mechanism,
				  struct slice message, struct buf *out) MUST_CHECK;
/* SASLResponse -> server-final-message for AuthenticationSASLFinal. PG_R_AUTHENTICATION_FAILED for
 * a wrong password and for a mock alike. s is wiped. */
enum pg_reason scram_server_final(struct scram_server *s, struct slice message,
				  struct buf *out) MUST_CHECK;

/* What PBKDF2 gave for one salt: kept per target so that it runs once, not per connection. */
struct scram_client_keys {
	uint8_t salt[64];
	size_t n_salt; /* 0: nothing cached */
	uint32_t iterations;
	uint8_t client_key[SHA256_LEN], server_key[SHA256_LEN];
};

struct scram_client {
	struct slice password;
	struct scram_client_keys *keys; /* may be NULL */
	struct slice binding;           /* hash of the server's certificate; empty: no TLS */
	uint8_t state;
	uint8_t gs2;
	bool plus;
	uint8_t nonce[SCRAM_NONCE];
	uint8_t server_signature[SHA256_LEN];
};

void scram_client_init(struct scram_client *c, struct slice password,
		       struct scram_client_keys *keys, struct slice binding,
		       const uint8_t nonce[SCRAM_NONCE]);
/* Chooses from AuthenticationSASL's list (PLUS whenever there is a binding and it is offered) and
 * writes the initial response. *mechanism for pg_put_sasl_initial. */
enum pg_reason scram_client_first(struct scram_client *c, struct slice mechanisms,
				  const char **mechanism, struct buf *out) MUST_CHECK;
enum pg_reason scram_client_final(struct scram_client *c, struct slice server_first,
				  struct buf *out) MUST_CHECK;
/* Checks the server's signature. Only after PG_R_OK may AuthenticationOk be believed. */
enum pg_reason scram_client_verify(struct scram_client *c, struct slice server_final) MUST_CHECK;
bool scram_client_is_done(const struct scram_client *c);
void scram_client_wipe(struct scram_client *c);

/* "md5" and 32 hexadecimal digits, NUL-terminated. */
void pg_md5_response(char out[36], struct slice user, struct slice password,
		     const uint8_t salt[4]);

#endif
