/* SPDX-License-Identifier: MIT
 *
 * What recovery, the verifier and the command line need to know of a record, read from its leaf
 * without building the whole structure. Slices point into the leaf.
 */
#ifndef WEIR_AUDIT_BRIEF_H
#define WEIR_AUDIT_BRIEF_H

#include "audit/record.h"

enum { BRIEF_REFS_MAX = 8, BRIEF_GROUPS_MAX = 16, BRIEF_RULES_MAX = 8 };

struct brief_principal {
	struct slice issuer, subject, name;
	struct slice groups[BRIEF_GROUPS_MAX];
	size_t n_groups;
};

struct audit_brief {
	uint64_t type, time, sseq;
	struct audit_id id, session;
	struct slice policy; /* 32 bytes or empty */
	struct audit_id refs[BRIEF_REFS_MAX];
	size_t n_refs;
	struct brief_principal principal;
	struct slice target, body;

	/* command, session.start */
	unsigned verdict;
	struct slice rules[BRIEF_RULES_MAX];
	size_t n_rules;
	struct slice shadow[BRIEF_RULES_MAX]; /* of a result as well */
	size_t n_shadow;
	struct slice statement;
	/* result */
	unsigned status;
	struct slice code;
	uint64_t rows;
	uint64_t server_pid, server_connection; /* of a command as well; 0: none */
	/* approvals */
	struct audit_id approval;
	struct slice binding; /* 32 bytes or empty */
	unsigned approval_verdict, approval_state;
	struct brief_principal approver;
	struct slice groups[BRIEF_GROUPS_MAX];
	uint64_t need[BRIEF_GROUPS_MAX];
	size_t n_groups;
	uint64_t max_uses;
	unsigned log_state; /* log.state */
	/* retention.prune; of a hold's block until and newest */
	uint64_t until, oldest, newest;
	struct slice remains; /* 32 bytes or empty */
	struct {
		struct slice name, reason, by, policy;
		unsigned action;
		uint64_t from, to;
	} hold;
	/* policy.load */
	struct slice new_digest, signed_by, kept_signed_by; /* 32 bytes or empty */
	unsigned outcome;
	bool kept;
};

/* NULL, or why the leaf is not a record in deterministic encoding: shortest heads, ascending keys,
 * UTF-8 text, nothing left over. What passes re-encodes to the same bytes. */
const char *audit_leaf_check(struct slice leaf) MUST_CHECK;
/* Likewise; fills *b. */
const char *audit_brief_get(struct audit_brief *b, struct slice leaf) MUST_CHECK;

#endif
