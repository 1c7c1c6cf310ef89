/* SPDX-License-Identifier: MIT
 *
 * The admin listener: HTTP/1.1 with JSON, one thread of libmicrohttpd, loopback unless TLS is
 * configured. Who asks proves it with a principal's key:
 *
 *   Authorization: Bearer KEY
 *   X-Weir-Principal: ana
 *
 *   GET  /v1/approvals?state=pending     what the principal asked for or may decide
 *   GET  /v1/approvals/ID
 *   POST /v1/approvals/ID/approve        {"reason": "...", "ticket": "..."}
 *   POST /v1/approvals/ID/reject
 *   GET  /v1/audit/holds                 legal holds in force
 *   POST /v1/audit/holds/NAME            {"reason": "...", "from": SECONDS, "to": SECONDS}
 *   POST /v1/audit/holds/NAME/release    {"reason": "..."}
 *   GET  /v1/status                      version, policy, connections, audit
 *   GET  /v1/metrics                     Prometheus text
 *   GET  /v1/pools                       server connections that sessions share, by target
 *
 * Errors are application/problem+json (RFC 9457) with a stable `code` and a `hint`.
 */
#ifndef WEIR_PROXY_ADMIN_H
#define WEIR_PROXY_ADMIN_H

#include "audit/holds.h"
#include "base/assert.h"
#include "base/buf.h"
#include "session/approvals.h"
#include "config/config.h"

struct admin_hooks {
	void *ctx;
	/* The configuration in force, with a reference that config_put gives back. */
	const struct config *(*config_get)(void *ctx);
	void (*config_put)(void *ctx, const struct config *c);
	/* Append one JSON object / Prometheus text. NULL: an empty object / nothing. */
	void (*status)(void *ctx, struct buf *out);
	void (*metrics)(void *ctx, struct buf *out);
	void (*pools)(void *ctx, struct buf *out); /* {"pools": [...]} */
	/* Legal holds: sets, or releases. Whether `who` may was checked. */
	enum hold_error (*hold)(void *ctx, const struct approval_decider *who,
				struct hold_request *q, bool release);
	/* Appends {"holds": [...]}; false: they cannot be read. */
	bool (*holds)(void *ctx, struct buf *out);
	/* A refused authentication, for the audit log and the operator; may be NULL. `claimed` is
	 * what the client called itself. */
	void (*auth_failed)(void *ctx, struct slice claimed, const char *from);
};

struct admin;

/* Starts to listen. *out is set on success; -errno otherwise, with a sentence in err. `where` with
 * port 0 takes a free one. With tls_cert (PEM files) it speaks HTTPS; without, `where` must be
 * loopback (-EPERM). */
int admin_open(struct admin **out, const struct endpoint *where, const char *tls_cert,
	       const char *tls_key, struct approvals *approvals, const struct admin_hooks *hooks,
	       char err[256]) MUST_CHECK;
unsigned admin_port(const struct admin *a);
/* Another certificate, or none, from the next connection on; NULL: no TLS. Those open are closed.
 * -errno, and what was in use stays: the reason is in err. */
int admin_set_tls(struct admin *a, const char *tls_cert, const char *tls_key,
		  char err[256]) MUST_CHECK;
/* Waits for requests under way. */
void admin_close(struct admin *a);

#endif
