/* SPDX-License-Identifier: MIT
 *
 * SCRAM, both sides. Message texts are built with the grammar of RFC 5802 section 7 in view:
 *
 *   client  gs2-header client-first-bare        n,,n=,r=CNONCE
 *   server  server-first                        r=CNONCE SNONCE,s=SALT,i=ITERATIONS
 *   client  client-final-without-proof,p=PROOF  c=BINDING,r=CNONCE SNONCE,p=PROOF
 *   server  server-final                        v=SIGNATURE
 *
 * The output buffer serves as scratch space for base64; what was put there is wiped and taken off.
 */
#include "proto/pg/scram.h"

#include "base/secret.h"

#include <stdio.h>

enum { ST_NEW, ST_FIRST, ST_FINAL, ST_DONE, ST_FAILED };
enum { AUTH_MESSAGE = 3 * SCRAM_TEXT + 2 };

#define GS2_PLUS "p=tls-server-end-point,,"

/* ---- pieces of messages ----------------------------------------------------------------- */

/* Takes "x=value" off the front of *in, up to a comma or the end. */
static bool
take_attr(struct slice *in, char name, struct slice *value)
{
	const uint8_t *comma;

	if (in->n < 2 || in->p[0] != (uint8_t) name || in->p[1] != '=')
		return false;
	comma = memchr(in->p, ',', in->n);
	*value = slice_of(in->p + 2, (comma ? (size_t) (comma - in->p) : in->n) - 2);
	*in = comma ? slice_of(comma + 1, in->n - value->n - 3) : slice_of(in->p + in->n, 0);
	return true;
}

/* printable = %x21-2B / %x2D-7E, at least one */
static bool
is_nonce(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ',')
			return false;
	return s.n > 0;
}

static void
take_back(struct buf *b, size_t n)
{
	if (b->failed || b->n <= n)
		return;
	secret_wipe(b->p + n, b->n - n);
	b->n = n;
}

/* True when text is the base64 of exactly n bytes, which go to data. */
static bool
decode(struct slice text, uint8_t *data, size_t max, size_t *n, struct buf *scratch)
{
	size_t at = scratch->n;
	bool ok = base64_get(scratch, text) && !scratch->failed && scratch->n - at <= max;

	if (ok) {
		*n = scratch->n - at;
		if (*n)
			memcpy(data, scratch->p + at, *n);
	}
	take_back(scratch, at);
	return ok;
}

/* Appends c='s value: base64 of the GS2 header, with the binding when there is one. */
static void
put_binding(struct buf *out, uint8_t gs2, struct slice binding)
{
	uint8_t data[sizeof(GS2_PLUS) + 64];
	size_t n = sizeof(GS2_PLUS) - 1;

	if (gs2 != 'p') {
		base64_put(out, gs2 == 'y' ? SLICE_LIT("y,,") : SLICE_LIT("n,,"));
		return;
	}
	assert(binding.n > 0 && binding.n <= 64);
	memcpy(data, GS2_PLUS, n);
	memcpy(data + n, binding.p, binding.n);
	base64_put(out, slice_of(data, n + binding.n));
}

/* AuthMessage := client-first-bare "," server-first "," client-final-without-proof */
static size_t
auth_message(uint8_t out[AUTH_MESSAGE], struct slice bare, struct slice first, struct slice final)
{
	size_t n = 0;

	assert(bare.n <= SCRAM_TEXT && first.n <= SCRAM_TEXT && final.n <= SCRAM_TEXT);
	memcpy(out, bare.p, bare.n);
	n = bare.n;
	out[n++] = ',';
	memcpy(out + n, first.p, first.n);
	n += first.n;
	out[n++] = ',';
	memcpy(out + n, final.p, final.n);
	return n + final.n;
}

/* SaltedPassword -> ClientKey and ServerKey */
static void
derive_keys(struct slice password, struct slice salt, uint32_t iterations,
	    uint8_t client_key[SHA256_LEN], uint8_t server_key[SHA256_LEN])
{
	uint8_t salted[SHA256_LEN];

	pbkdf2_sha256(salted, password, salt, iterations);
	hmac_sha256(client_key, slice_of(salted, SHA256_LEN), SLICE_LIT("Client Key"));
	hmac_sha256(server_key, slice_of(salted, SHA256_LEN), SLICE_LIT("Server Key"));
	secret_wipe(salted, sizeof(salted));
}

/* ---- verifiers -------------------------------------------------------------------------- */

void
scram_verifier_derive(struct scram_verifier *v, struct slice password,
		      const uint8_t salt[SCRAM_SALT], uint32_t iterations)
{
	uint8_t client_key[SHA256_LEN];

	assert(iterations >= 1 && iterations <= SCRAM_MAX_ITERATIONS);
	memcpy(v->salt, salt, SCRAM_SALT);
	v->iterations = iterations;
	derive_keys(password, slice_of(salt, SCRAM_SALT), iterations, client_key, v->server_key);
	sha256(v->stored_key, slice_of(client_key, SHA256_LEN));
	secret_wipe(client_key, sizeof(client_key));
}

void
scram_verifier_mock(struct scram_verifier *v, const uint8_t key[SHA256_LEN], struct slice user)
{
	uint8_t h[SHA256_LEN];

	hmac_sha256(h, slice_of(key, SHA256_LEN), user);
	memcpy(v->salt, h, SCRAM_SALT);
	v->iterations = SCRAM_ITERATIONS;
	/* No password has these keys: they are hashes of something else. */
	hmac_sha256(v->stored_key, slice_of(key, SHA256_LEN), slice_of(h, SHA256_LEN));
	hmac_sha256(v->server_key, slice_of(key, SHA256_LEN), slice_of(v->stored_key, SHA256_LEN));
}

/* ---- server ----------------------------------------------------------------------------- */

void
scram_server_init(struct scram_server *s, const struct scram_verifier *verifier, bool mock,
		  struct slice binding, const uint8_t nonce[SCRAM_NONCE])
{
	assert(binding.n <= 64);
	memset(s, 0, sizeof(*s));
	s->verifier = verifier;
	s->mock = mock;
	s->binding = binding;
	s->state = ST_NEW;
	memcpy(s->nonce, nonce, SCRAM_NONCE);
}

void
scram_server_mechanisms(const struct scram_server *s, struct buf *out)
{
	if (s->binding.n)
		buf_put(out, SCRAM_PLUS_NAME, sizeof(SCRAM_PLUS_NAME));
	buf_put(out, SCRAM_NAME, sizeof(SCRAM_NAME));
	buf_putc(out, 0);
}

static enum pg_reason
server_fail(struct scram_server *s, enum pg_reason r)
{
	secret_wipe(s, sizeof(*s));
	s->state = ST_FAILED; /* a login takes one exchange */
	return r;
}

/* gs2-cbind-flag "," [authzid] "," ; an authzid is refused, as PostgreSQL does. */
static enum pg_reason
server_gs2(struct scram_server *s, struct slice *in)
{
	size_t n = in->n && in->p[0] == 'p' ? sizeof(GS2_PLUS) - 1 : 3;

	if (in->n < n)
		return PG_R_SASL_MESSAGE;
	s->gs2 = in->p[0];
	if (s->plus != (s->gs2 == 'p'))
		return PG_R_SASL_BINDING;
	switch (s->gs2) {
	case 'p':
		if (memcmp(in->p, GS2_PLUS, n) != 0)
			return PG_R_SASL_BINDING;
		break;
	case 'y':
		/* "I could bind, you did not offer it": but we did, so somebody took it away. */
		if (s->binding.n)
			return PG_R_SASL_BINDING;
		/* fall through */
	case 'n':
		if (memcmp(in->p + 1, ",,", 2) != 0)
			return PG_R_SASL_MESSAGE;
		break;
	default:
		return PG_R_SASL_MESSAGE;
	}
	*in = slice_of(in->p + n, in->n - n);
	return PG_R_OK;
}

/* server-first-message, kept for the AuthMessage. */
static bool
server_compose(struct scram_server *s, struct slice client_nonce, struct buf *out)
{
	size_t at = out->n;

	buf_puts(out, "r=");
	buf_put_slice(out, client_nonce);
	base64_put(out, slice_of(s->nonce, SCRAM_NONCE));
	s->n_nonce = (uint16_t) (out->n - at - 2);
	buf_puts(out, ",s=");
	base64_put(out, slice_of(s->verifier->salt, SCRAM_SALT));
	buf_printf(out, ",i=%u", s->verifier->iterations);
	if (out->failed)
		return false;
	s->n_first = (uint16_t) (out->n - at);
	memcpy(s->first, out->p + at, s->n_first);
	return true;
}

enum pg_reason
scram_server_first(struct scram_server *s, struct slice mechanism, struct slice message,
		   struct buf *out)
{
	struct slice rest = message, bare, user, nonce;
	enum pg_reason r;

	if (s->state != ST_NEW)
		return PG_R_SASL_MESSAGE;
	s->plus = slice_is(mechanism, SCRAM_PLUS_NAME);
	if (!(s->plus ? s->binding.n > 0 : slice_is(mechanism, SCRAM_NAME)))
		return server_fail(s, PG_R_SASL_MECHANISM);
	r = server_gs2(s, &rest);
	if (r)
		return server_fail(s, r);
	bare = rest;
	/* The user was named in the startup packet; the one here is ignored, as PostgreSQL does.
	 * The text around the nonce (s=, i=, ...) must fit SCRAM_TEXT too. */
	if (bare.n > SCRAM_TEXT - 80 || !take_attr(&rest, 'n', &user) ||
	    !take_attr(&rest, 'r', &nonce) || !is_nonce(nonce))
		return server_fail(s, PG_R_SASL_MESSAGE);
	s->n_bare = (uint16_t) bare.n;
	memcpy(s->bare, bare.p, bare.n);
	if (!server_compose(s, nonce, out))
		return server_fail(s, PG_R_NO_MEMORY);
	s->state = ST_FIRST;
	return PG_R_OK;
}

/* Checks the attributes of client-final; *without_proof and proof for the signature. */
static enum pg_reason
server_read_final(struct scram_server *s, struct slice message, struct slice *without_proof,
		  uint8_t proof[SHA256_LEN], struct buf *scratch)
{
	struct slice rest = message, c, r, p;
	size_t at = scratch->n, n = 0;
	bool same;

	if (message.n > SCRAM_TEXT || !take_attr(&rest, 'c', &c) || !take_attr(&rest, 'r', &r))
		return PG_R_SASL_MESSAGE;
	put_binding(scratch, s->gs2, s->binding);
	same = !scratch->failed && slice_eq(slice_of(scratch->p + at, scratch->n - at), c);
	take_back(scratch, at);
	if (!same)
		return PG_R_SASL_BINDING;
	if (!slice_eq(r, slice_of(s->first + 2, s->n_nonce)))
		return PG_R_SASL_NONCE;
	/* Extensions may stand before the proof and are ignored; "m" would be mandatory. */
	while (rest.n && rest.p[0] != 'p') {
		if (rest.p[0] == 'm' || !take_attr(&rest, (char) rest.p[0], &p))
			return PG_R_SASL_MESSAGE;
	}
	*without_proof = slice_of(message.p, (size_t) (rest.p - message.p) - (rest.n > 0));
	if (!take_attr(&rest, 'p', &p) || rest.n || p.p + p.n != message.p + message.n ||
	    !decode(p, proof, SHA256_LEN, &n, scratch) || n != SHA256_LEN)
		return PG_R_SASL_MESSAGE;
	return PG_R_OK;
}

enum pg_reason
scram_server_final(struct scram_server *s, struct slice message, struct buf *out)
{
	uint8_t proof[SHA256_LEN], signature[SHA256_LEN], key[SHA256_LEN];
	uint8_t auth[AUTH_MESSAGE];
	struct slice without_proof;
	bool good;
	size_t n;
	enum pg_reason r;

	if (s->state != ST_FIRST)
		return PG_R_SASL_MESSAGE;
	r = server_read_final(s, message, &without_proof, proof, out);
	if (r)
		return server_fail(s, r);
	n = auth_message(auth, slice_of(s->bare, s->n_bare), slice_of(s->first, s->n_first),
			 without_proof);
	hmac_sha256(signature, slice_of(s->verifier->stored_key, SHA256_LEN), slice_of(auth, n));
	for (size_t i = 0; i < SHA256_LEN; i++)
		proof[i] ^= signature[i]; /* ClientKey */
	sha256(key, slice_of(proof, SHA256_LEN));
	good = secret_eq(slice_of(key, SHA256_LEN), slice_of(s->verifier->stored_key, SHA256_LEN));
	good &= !s->mock;
	hmac_sha256(signature, slice_of(s->verifier->server_key, SHA256_LEN), slice_of(auth, n));
	if (good) {
		buf_puts(out, "v=");
		base64_put(out, slice_of(signature, SHA256_LEN));
	}
	secret_wipe(proof, sizeof(proof));
	secret_wipe(key, sizeof(key));
	secret_wipe(signature, sizeof(signature));
	r = !good ? PG_R_AUTHENTICATION_FAILED : out->failed ? PG_R_NO_MEMORY : PG_R_OK;
	return server_fail(s, r);
}

/* ---- client ----------------------------------------------------------------------------- */

void
scram_client_init(struct scram_client *c, struct slice password, struct scram_client_keys *keys,
		  struct slice binding, const uint8_t nonce[SCRAM_NONCE])
{
	assert(binding.n <= 64);
	memset(c, 0, sizeof(*c));
	c->password = password;
	c->keys = keys;
	c->binding = binding;
	c->state = ST_NEW;
	memcpy(c->nonce, nonce, SCRAM_NONCE);
}

static void
put_client_bare(const struct scram_client *c, struct buf *out)
{
	buf_puts(out, "n=,r=");
	base64_put(out, slice_of(c->nonce, SCRAM_NONCE));
}

static bool
offers(struct slice mechanisms, const char *name)
{
	while (mechanisms.n) {
		const uint8_t *nul = memchr(mechanisms.p, 0, mechanisms.n);
		size_t n = nul ? (size_t) (nul - mechanisms.p) : mechanisms.n;

		if (slice_is(slice_of(mechanisms.p, n), name))
			return true;
		mechanisms = slice_of(mechanisms.p + n + (nul != NULL),
				      mechanisms.n - n - (nul != NULL));
	}
	return false;
}

enum pg_reason
scram_client_first(struct scram_client *c, struct slice mechanisms, const char **mechanism,
		   struct buf *out)
{
	if (c->state != ST_NEW)
		return PG_R_SASL_MESSAGE;
	c->plus = c->binding.n > 0 && offers(mechanisms, SCRAM_PLUS_NAME);
	if (!c->plus && !offers(mechanisms, SCRAM_NAME))
		return PG_R_SASL_MECHANISM;
	c->gs2 = c->plus ? 'p' : c->binding.n ? 'y' : 'n';
	*mechanism = c->plus ? SCRAM_PLUS_NAME : SCRAM_NAME;
	buf_puts(out, c->plus ? GS2_PLUS : c->gs2 == 'y' ? "y,," : "n,,");
	put_client_bare(c, out);
	c->state = ST_FIRST;
	return out->failed ? PG_R_NO_MEMORY : PG_R_OK;
}

static bool
read_iterations(struct slice s, uint32_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || *v > SCRAM_MAX_ITERATIONS)
			return false;
		*v = *v * 10 + (uint32_t) (s.p[i] - '0');
	}
	return s.n > 0 && *v >= 1 && *v <= SCRAM_MAX_ITERATIONS;
}

/* The keys for this salt, from the cache or by PBKDF2, which then fills the cache. */
static void
client_keys(struct scram_client *c, struct slice salt, uint32_t iterations,
	    uint8_t client_key[SHA256_LEN], uint8_t server_key[SHA256_LEN])
{
	struct scram_client_keys *k = c->keys;

	if (k && k->n_salt && k->iterations == iterations &&
	    slice_eq(slice_of(k->salt, k->n_salt), salt)) {
		memcpy(client_key, k->client_key, SHA256_LEN);
		memcpy(server_key, k->server_key, SHA256_LEN);
		return;
	}
	derive_keys(c->password, salt, iterations, client_key, server_key);
	if (!k)
		return;
	assert(salt.n <= sizeof(k->salt));
	memcpy(k->salt, salt.p, salt.n);
	k->n_salt = salt.n;
	k->iterations = iterations;
	memcpy(k->client_key, client_key, SHA256_LEN);
	memcpy(k->server_key, server_key, SHA256_LEN);
}

/* Reads server-first; the nonce must start with ours and go on. */
static enum pg_reason
client_read_first(struct scram_client *c, struct slice message, struct slice *nonce,
		  uint8_t salt[64], size_t *n_salt, uint32_t *iterations, struct buf *scratch)
{
	struct slice rest = message, s, i;
	size_t at = scratch->n, n;
	bool ours;

	if (message.n > SCRAM_TEXT - 128 || !take_attr(&rest, 'r', nonce) || !is_nonce(*nonce) ||
	    !take_attr(&rest, 's', &s) || !take_attr(&rest, 'i', &i) ||
	    !decode(s, salt, 64, n_salt, scratch) || *n_salt == 0)
		return PG_R_SASL_MESSAGE;
	if (!read_iterations(i, iterations))
		return PG_R_SASL_ITERATIONS;
	base64_put(scratch, slice_of(c->nonce, SCRAM_NONCE));
	n = scratch->n - at;
	ours = !scratch->failed && nonce->n > n && memcmp(nonce->p, scratch->p + at, n) == 0;
	take_back(scratch, at);
	return ours ? PG_R_OK : PG_R_SASL_NONCE;
}

enum pg_reason
scram_client_final(struct scram_client *c, struct slice server_first, struct buf *out)
{
	uint8_t salt[64], client_key[SHA256_LEN], server_key[SHA256_LEN], stored[SHA256_LEN];
	uint8_t proof[SHA256_LEN], auth[AUTH_MESSAGE], bare[64];
	size_t n_salt, n, n_bare, at = out->n;
	struct slice nonce;
	uint32_t iterations;
	enum pg_reason r;

	if (c->state != ST_FIRST)
		return PG_R_SASL_MESSAGE;
	c->state = ST_FAILED; /* until all went well */
	r = client_read_first(c, server_first, &nonce, salt, &n_salt, &iterations, out);
	if (r)
		return r;
	put_client_bare(c, out);
	n_bare = out->n - at;
	if (out->failed)
		return PG_R_NO_MEMORY;
	assert(n_bare <= sizeof(bare));
	memcpy(bare, out->p + at, n_bare);
	take_back(out, at);

	buf_puts(out, "c=");
	put_binding(out, c->gs2, c->binding);
	buf_puts(out, ",r=");
	buf_put_slice(out, nonce);
	if (out->failed || out->n - at > SCRAM_TEXT)
		return PG_R_SASL_MESSAGE;
	client_keys(c, slice_of(salt, n_salt), iterations, client_key, server_key);
	n = auth_message(auth, slice_of(bare, n_bare), server_first,
			 slice_of(out->p + at, out->n - at));
	sha256(stored, slice_of(client_key, SHA256_LEN));
	hmac_sha256(proof, slice_of(stored, SHA256_LEN), slice_of(auth, n));
	for (size_t i = 0; i < SHA256_LEN; i++)
		proof[i] ^= client_key[i];
	hmac_sha256(c->server_signature, slice_of(server_key, SHA256_LEN), slice_of(auth, n));
	buf_puts(out, ",p=");
	base64_put(out, slice_of(proof, SHA256_LEN));
	secret_wipe(client_key, sizeof(client_key));
	secret_wipe(server_key, sizeof(server_key));
	secret_wipe(stored, sizeof(stored));
	if (out->failed)
		return PG_R_NO_MEMORY;
	c->state = ST_FINAL;
	return PG_R_OK;
}

enum pg_reason
scram_client_verify(struct scram_client *c, struct slice server_final)
{
	struct slice rest = server_final, v;
	struct buf scratch = {0};
	bool good;

	if (c->state != ST_FINAL)
		return PG_R_SASL_MESSAGE;
	c->state = ST_FAILED;
	if (take_attr(&rest, 'e', &v))
		return PG_R_AUTHENTICATION_FAILED;
	if (server_final.n > SCRAM_TEXT || !take_attr(&rest, 'v', &v))
		return PG_R_SASL_MESSAGE;
	good = base64_get(&scratch, v) && !scratch.failed &&
	       secret_eq(buf_slice(&scratch), slice_of(c->server_signature, SHA256_LEN));
	buf_fini(&scratch);
	if (!good)
		return PG_R_SASL_SERVER_SIGNATURE;
	c->state = ST_DONE;
	return PG_R_OK;
}

bool
scram_client_is_done(const struct scram_client *c)
{
	return c->state == ST_DONE;
}

void
scram_client_wipe(struct scram_client *c)
{
	secret_wipe(c, sizeof(*c));
}

/* ---- md5 -------------------------------------------------------------------------------- */

/* concat('md5', md5(concat(md5(concat(password, username)), salt))) */
void
pg_md5_response(char out[36], struct slice user, struct slice password, const uint8_t salt[4])
{
	struct slice parts[2] = {password, user};
	char inner[33];

	md5_hex(inner, parts, 2);
	parts[0] = slice_of(inner, 32);
	parts[1] = slice_of(salt, 4);
	memcpy(out, "md5", 3);
	md5_hex(out + 3, parts, 2);
	secret_wipe(inner, sizeof(inner));
}
