/* SPDX-License-Identifier: MIT
 *
 * What the records say to each other, checked over a whole log. Records of different threads are
 * ordered only by what waited for what, so everything but sseq is judged at the end.
 */
#ifndef WEIR_AUDIT_MEANING_H
#define WEIR_AUDIT_MEANING_H

#include "audit/brief.h"
#include "audit/idmap.h"

enum { MEANING_APPROVERS_MAX = 32 };

struct approver {
	struct audit_id who; /* digest of issuer and subject */
	struct audit_id groups[BRIEF_GROUPS_MAX];
	size_t n_groups;
};

struct approval {
	struct audit_id binding, requester;
	struct audit_id groups[BRIEF_GROUPS_MAX];
	uint64_t need[BRIEF_GROUPS_MAX], max_uses, uses;
	size_t n_groups, n_approvers;
	bool requested, rejected, other_binding;
	struct approver approvers[MEANING_APPROVERS_MAX];
};

struct held {
	struct audit_id intent;
	uint64_t index;
};

struct meaning {
	struct idmap sessions; /* last sseq */
	struct idmap intents;  /* verdict */
	struct idmap policies; /* 1 = loaded, else index + 2 of the first use */
	struct idmap approvals, approval_of; /* position + 1, by approval id and by intent id */
	struct approval *v;
	size_t n, cap;
	struct held *ran; /* held commands that ran, held connections that were let in */
	size_t n_ran, cap_ran;
	uint64_t n_sessions, n_commands, n_results, n_held;
	/* Of a log whose beginning was pruned: the newest time in what is gone, else 0. What may
	 * have been on record there is not missed. */
	uint64_t pruned_ns;
	bool started; /* the gateway was started in what is here: it has loaded its policy here */
	void (*problem)(void *arg, uint64_t index, const char *what);
	void *arg;
};

void meaning_record(struct meaning *m, uint64_t index, const struct audit_brief *b);
void meaning_end(struct meaning *m);
void meaning_fini(struct meaning *m);

#endif
