/* SPDX-License-Identifier: MIT
 *
 * The audit record of an approval's event, the same whoever writes it: a worker (request, use,
 * close) or the control threads (decisions, expiries).
 *
 * People know a request by its short id, which is the record's `request`; `approval` is that id's
 * characters followed by the first bytes of the binding, so that it is never the same twice.
 */
#ifndef WEIR_SESSION_APPROVAL_RECORD_H
#define WEIR_SESSION_APPROVAL_RECORD_H

#include "audit/record.h"
#include "session/approvals.h"

struct approval_record {
	struct audit_record record; /* the caller may set session, sseq, refs and source */
	/* private: what `record` points to */
	union {
		struct audit_approval_request request;
		struct audit_approval_decision decision;
		struct audit_approval_close close;
	} body;
	struct audit_principal principal, approver;
	struct audit_target target;
	struct audit_correlation correlation;
	struct audit_group groups[APPROVAL_MAX_NEEDS];
	struct slice excluded[1];
};

struct audit_id approval_audit_id(const struct approval *a);
/* Everything is borrowed from the event: encode before approval_event_done. `by`, when the
 * caller knows whoever decided, gives kind and groups; it may be NULL. */
void approval_record_fill(struct approval_record *r, const struct approval_event *ev,
			  const struct config_principal *by, uint64_t boot_ns);

#endif
