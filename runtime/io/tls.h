/* SPDX-License-Identifier: MIT
 *
 * TLS settings, shared by the streams of any thread: TLS 1.2 and newer, no compression, no
 * renegotiation, no session tickets kept on our side as a client. Errors are sentences that name
 * the file.
 */
#ifndef WEIR_IO_TLS_H
#define WEIR_IO_TLS_H

#include "base/assert.h"
#include "base/buf.h"

struct tls_context;

/* The server's side: PEM chain and key. NULL on failure, and err says why. */
struct tls_context *tls_server(const char *cert_file, const char *key_file, char *err,
			       size_t err_n) MUST_CHECK;
/* The client's side. verify: the chain must end in ca_file (NULL: the system's store) and the
 * certificate must carry the host given to stream_tls. Without verify any certificate passes. */
struct tls_context *tls_client(bool verify, const char *ca_file, char *err, size_t err_n)
	MUST_CHECK;
/* A server's: the protocol that clients may name by ALPN (at most 32 bytes); one that names only
 * others is turned away. */
void tls_set_protocol(struct tls_context *c, const char *name);
/* Streams that use it keep it until they end: another may take its place. NULL is fine. */
void tls_context_free(struct tls_context *c);

/* When the first certificate of a server's chain is no longer valid, in seconds since 1970; 0: it
 * does not say. */
int64_t tls_not_after(const struct tls_context *c);

/* SHA-256 (or the certificate's own stronger hash) of our certificate as tls-server-end-point
 * channel binding wants it (RFC 5929 section 4.1); empty for a client context. */
struct slice tls_server_end_point(const struct tls_context *c);

#endif
