/* SPDX-License-Identifier: MIT
 *
 * TLS over a stream. A BIO of our own reads straight from the received buffer and writes
 * straight into the stream's send queue, so OpenSSL's own buffers (released while idle) are the
 * only ones between.
 */
#include "io/tls.h"

#include "io/stream_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EARLY_LIMIT = 64 * 1024, RECORD_BYTES = 16384 };

struct tls_context {
	atomic_uint refs; /* the owner's, and one of each session */
	SSL_CTX *ctx;
	BIO_METHOD *method;
	bool server, verify;
	uint8_t end_point[EVP_MAX_MD_SIZE];
	unsigned end_point_n;
	uint8_t protocol[1 + 32]; /* length and name, as ALPN has it */
};

struct tls_session {
	struct tls_context *context;
	SSL *ssl;
	struct stream *stream;
	bool ready, goodbye_sent;
	const uint8_t *in; /* ciphertext at hand during tls_session_receive */
	size_t in_n;
	struct buf early; /* plaintext sent before the handshake was done */
	char reason[200];
};

/* ---- Context ------------------------------------------------------------------------------- */

static int
bio_read(BIO *b, char *to, int n)
{
	struct tls_session *t = BIO_get_data(b);
	size_t part = n > 0 ? (size_t) n : 0;

	BIO_clear_retry_flags(b);
	if (part > t->in_n)
		part = t->in_n;
	if (part == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(to, t->in, part);
	t->in += part;
	t->in_n -= part;
	return (int) part;
}

static int
bio_write(BIO *b, const char *from, int n)
{
	struct tls_session *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	/* A stream that cannot take it has failed by then, and drops it. */
	stream_queue_copy(t->stream, from, (size_t) n);
	return n;
}

static long
bio_ctrl(BIO *b, int cmd, long arg, void *p)
{
	(void) b, (void) arg, (void) p;
	return cmd == BIO_CTRL_FLUSH;
}

static void
explain(char *err, size_t err_n, const char *what, const char *file)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	snprintf(err, err_n, "%s%s%s: %s", what, file ? " " : "", file ? file : "",
		 why ? why : strerror(errno));
	ERR_clear_error();
}

/* A key with a passphrase is refused: nobody sits there to be asked for it. */
static int
no_passphrase(char *to UNUSED, int size UNUSED, int writing UNUSED, void *ctx UNUSED)
{
	return -1;
}

static struct tls_context *
context_new(bool server, char *err, size_t err_n)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	if (!c)
		goto fail;
	atomic_init(&c->refs, 1);
	c->server = server;
	c->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	c->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir stream");
	if (!c->ctx || !c->method)
		goto fail;
	BIO_meth_set_read(c->method, bio_read);
	BIO_meth_set_write(c->method, bio_write);
	BIO_meth_set_ctrl(c->method, bio_ctrl);
	if (!SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION))
		goto fail;
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(c->ctx, 0);
	SSL_CTX_set_default_passwd_cb(c->ctx, no_passphrase);
	return c;
fail:
	explain(err, err_n, "cannot set up TLS", NULL);
	tls_context_free(c);
	return NULL;
}

/* RFC 5929 section 4.1: the certificate's own signature hash, SHA-256 for the broken ones. */
static bool
compute_end_point(struct tls_context *c)
{
	X509 *cert = SSL_CTX_get0_certificate(c->ctx);
	const EVP_MD *md = NULL;
	int md_nid = NID_undef, pk_nid = NID_undef;

	if (!cert)
		return false;
	/* Ed25519 and its like have no hash of their own. */
	if (OBJ_find_sigid_algs(X509_get_signature_nid(cert), &md_nid, &pk_nid) &&
	    md_nid != NID_undef && md_nid != NID_md5 && md_nid != NID_sha1)
		md = EVP_get_digestbynid(md_nid);
	return X509_digest(cert, md ? md : EVP_sha256(), c->end_point, &c->end_point_n) == 1;
}

/* The key was read, and is another certificate's: OpenSSL then does not take it. */
static bool
is_mismatch(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_GET_LIB(code) == ERR_LIB_X509 &&
	       (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH ||
		ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
}

struct tls_context *
tls_server(const char *cert_file, const char *key_file, char *err, size_t err_n)
{
	struct tls_context *c = context_new(true, err, err_n);

	if (!c)
		return NULL;
	if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_file) != 1) {
		explain(err, err_n, "cannot read the certificate", cert_file);
	} else if (SSL_CTX_use_PrivateKey_file(c->ctx, key_file, SSL_FILETYPE_PEM) != 1 &&
		   !is_mismatch()) {
		explain(err, err_n, "cannot read the private key", key_file);
	} else if (SSL_CTX_check_private_key(c->ctx) != 1) {
		snprintf(err, err_n, "the private key %s does not belong to the certificate %s",
			 key_file, cert_file);
		ERR_clear_error();
	} else if (!compute_end_point(c)) {
		explain(err, err_n, "cannot hash the certificate", cert_file);
	} else {
		return c;
	}
	tls_context_free(c);
	return NULL;
}

struct tls_context *
tls_client(bool verify, const char *ca_file, char *err, size_t err_n)
{
	struct tls_context *c = context_new(false, err, err_n);

	if (!c)
		return NULL;
	c->verify = verify;
	if (!verify)
		return c;
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	if (ca_file ? SSL_CTX_load_verify_locations(c->ctx, ca_file, NULL) == 1
		    : SSL_CTX_set_default_verify_paths(c->ctx) == 1)
		return c;
	explain(err, err_n, "cannot read the certificate authority", ca_file);
	tls_context_free(c);
	return NULL;
}

static int
choose_protocol(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_n,
		const unsigned char *in, unsigned in_n, void *ctx)
{
	const struct tls_context *c = ctx;

	for (unsigned at = 0; at < in_n; at += 1u + in[at]) {
		if (in[at] != c->protocol[0] || in_n - at <= in[at] ||
		    memcmp(in + at, c->protocol, 1u + in[at]) != 0)
			continue;
		*out = in + at + 1;
		*out_n = in[at];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
tls_set_protocol(struct tls_context *c, const char *name)
{
	size_t n = strlen(name);

	assert(c->server && n > 0 && n < sizeof(c->protocol));
	c->protocol[0] = (uint8_t) n;
	memcpy(c->protocol + 1, name, n);
	SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, c);
}

void
tls_context_free(struct tls_context *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(c->ctx);
	BIO_meth_free(c->method);
	free(c);
}

struct slice
tls_server_end_point(const struct tls_context *c)
{
	return slice_of(c->end_point, c->end_point_n);
}

static void
take_earlier(int64_t *at, const X509 *cert)
{
	struct tm tm;
	int64_t t;

	if (!cert || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return;
	t = timegm(&tm);
	if (!*at || t < *at)
		*at = t;
}

int64_t
tls_not_after(const struct tls_context *c)
{
	STACK_OF(X509) *chain = NULL;
	int64_t at = 0;

	take_earlier(&at, SSL_CTX_get0_certificate(c->ctx));
	if (SSL_CTX_get0_chain_certs(c->ctx, &chain) == 1)
		for (int i = 0; i < sk_X509_num(chain); i++)
			take_earlier(&at, sk_X509_value(chain, i));
	return at;
}

/* ---- Session ------------------------------------------------------------------------------- */

static bool
set_host(SSL *ssl, const char *host, bool verify)
{
	uint8_t ip[sizeof(struct in6_addr)];
	bool is_ip = inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;

	if (!is_ip && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (!verify)
		return true;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_ip)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set1_host(ssl, host) == 1;
}

struct tls_session *
tls_session_new(struct tls_context *c, struct stream *s, const char *host)
{
	struct tls_session *t = calloc(1, sizeof(*t));
	BIO *bio = t ? BIO_new(c->method) : NULL;

	if (!bio) {
		free(t);
		return NULL;
	}
	t->stream = s;
	t->context = c;
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	t->early.limit = EARLY_LIMIT;
	t->ssl = SSL_new(c->ctx);
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	/* A context that verifies without a name would accept any certificate of the authority. */
	if (!t->ssl || (c->verify && !host) || (host && !set_host(t->ssl, host, c->verify))) {
		BIO_free(bio);
		tls_session_free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, bio, bio);
	if (c->server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

void
tls_session_free(struct tls_session *t)
{
	SSL_free(t->ssl);
	tls_context_free(t->context);
	buf_wipe(&t->early);
	free(t);
}

static void
fail(struct tls_session *t, const char *doing)
{
	unsigned long code = ERR_peek_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;
	long verified = SSL_get_verify_result(t->ssl);

	if (verified != X509_V_OK)
		snprintf(t->reason, sizeof(t->reason), "TLS %s: the server's certificate: %s",
			 doing, X509_verify_cert_error_string(verified));
	else
		snprintf(t->reason, sizeof(t->reason), "TLS %s: %s", doing,
			 why ? why : "unexpected end");
	ERR_clear_error();
	stream_fail_flushed(t->stream, -EPROTO, t->reason);
}

static void
handshake(struct tls_session *t)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1) {
		t->ready = true;
		stream_secured(t->stream);
		if (t->early.failed) {
			stream_fail(t->stream, -ENOBUFS, "too much was sent before TLS was ready");
		} else if (t->early.n) {
			tls_session_send(t, t->early.p, t->early.n);
			buf_wipe(&t->early);
		}
		return;
	}
	if (SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ)
		fail(t, "handshake");
}

void
tls_session_start(struct tls_session *t)
{
	if (!SSL_is_server(t->ssl))
		handshake(t);
}

/* Plaintext of what is at hand, several records to a buffer. */
static void
decrypt(struct tls_session *t)
{
	struct stream *s = t->stream;
	struct iobuf *b = NULL;
	size_t used = 0, n;
	int why;

	while (s->state == STREAM_OPEN) {
		if (!b) {
			b = iobuf_new(s->ring);
			used = 0;
		}
		if (!b) {
			stream_fail(s, -ENOBUFS, "every buffer is in use");
			return;
		}
		ERR_clear_error();
		if (SSL_read_ex(t->ssl, b->p + used, IOBUF_BYTES - used, &n) != 1)
			break;
		s->ring->n.bytes_copied += n;
		stream_deliver(s, b, b->p + used, n);
		used += n;
		/* A small rest would cut records into small pieces. */
		if (used > IOBUF_BYTES / 2) {
			iobuf_put(b);
			b = NULL;
		}
	}
	if (b)
		iobuf_put(b);
	if (s->state != STREAM_OPEN)
		return;
	why = SSL_get_error(t->ssl, 0);
	if (why == SSL_ERROR_ZERO_RETURN)
		stream_deliver_eof(s);
	else if (why != SSL_ERROR_WANT_READ)
		fail(t, "receive");
}

void
tls_session_receive(struct tls_session *t, const uint8_t *p, size_t n)
{
	if (t->stream->state != STREAM_OPEN)
		return;
	t->in = p;
	t->in_n = n;
	if (!t->ready)
		handshake(t);
	if (t->ready)
		decrypt(t);
	t->in = NULL;
	t->in_n = 0;
}

void
tls_session_send(struct tls_session *t, const uint8_t *p, size_t n)
{
	if (!t->ready) {
		buf_put(&t->early, p, n);
		return;
	}
	while (n > 0 && t->stream->state == STREAM_OPEN) {
		size_t part = n < RECORD_BYTES ? n : RECORD_BYTES, done = 0;

		ERR_clear_error();
		if (SSL_write_ex(t->ssl, p, part, &done) != 1) {
			fail(t, "send");
			return;
		}
		p += done;
		n -= done;
	}
}

void
tls_session_shutdown(struct tls_session *t)
{
	if (!t->ready || t->goodbye_sent)
		return;
	t->goodbye_sent = true;
	ERR_clear_error();
	if (SSL_shutdown(t->ssl) < 0)
		ERR_clear_error(); /* the other side is gone; closing goes on */
}

bool
tls_session_agreed(const struct tls_session *t)
{
	const unsigned char *name;
	unsigned n;

	SSL_get0_alpn_selected(t->ssl, &name, &n);
	return n > 0;
}

bool
tls_session_eof(const struct tls_session *t)
{
	return t->ready && (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN);
}
