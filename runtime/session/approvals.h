/* SPDX-License-Identifier: MIT
 *
 * The commands that wait for a person, and what people said. A hold belongs to exact bytes,
 * parameters, principal, target, database role and policy digest (struct approval_subject); what
 * runs after the release is compared with that again, in the same step that consumes it.
 *
 * Thread-safe: workers create, watch, use and cancel; the admin thread lists and decides. Requests
 * are in memory only: a restart drops everything that waits and every unused release (the audit log
 * has what was decided; whoever asked sends the command again). No clock here: `now` is always
 * clock_wall_ns() of the caller.
 *
 * Every transition is an event that belongs in the audit log. Decisions are recorded through
 * approvals_hooks.record, which blocks until durable, before anybody is told. The worker's own
 * transitions (request, use, close) are handed to the caller, who records them its own way: `use`
 * must be durable before the command's first byte goes upstream.
 */
#ifndef WEIR_SESSION_APPROVALS_H
#define WEIR_SESSION_APPROVALS_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "config/config.h" /* enum principal_kind */

enum approval_state {
#define APPROVAL_STATE(id, name, sentence) APPROVAL_##id,
#include "session/approvals.def"
	APPROVAL_N_STATES
};

enum approval_event_type {
#define APPROVAL_EVENT(id, type, sentence) APPROVAL_EV_##id,
#include "session/approvals.def"
	APPROVAL_N_EVENTS
};

enum approval_error {
#define APPROVAL_ERROR(id, code, status, sentence, hint) APPROVAL_ERR_##id,
#include "session/approvals.def"
	APPROVAL_N_ERRORS
};

enum {
	APPROVAL_ID_LEN = 8,
	APPROVAL_MAX_NEEDS = 8,   /* over all rules that hold one command */
	APPROVAL_MAX_RULES = 8,
	APPROVAL_MAX_VOTES = 32,
	APPROVAL_MAX_TEXT = 64 << 10,   /* statement or parameters; longer cannot be approved */
	APPROVAL_MAX_REASON = 2000,
};

/* What an approval is bound to. Strings are borrowed. */
struct approval_subject {
	/* Of the exact bytes, and of formats, types and values (zero without any). Of connecting:
	 * zero, and of the rules that hold it. */
	uint8_t command_sha256[SHA256_LEN], params_sha256[SHA256_LEN];
	uint8_t policy_sha256[SHA256_LEN];  /* the image under which it was held */
	uint8_t objects_sha256[SHA256_LEN]; /* the tables and functions it is about; or 0 */
	struct slice protocol;              /* "postgres" */
	struct slice principal, target, database, db_role;
	/* What unqualified names mean: search_path, and the role that "$user" stands for in it. */
	struct slice search_path, path_user;
};

/* "n of group": `groups` are the principal groups that the policy's group stands for (any will
 * do), `label` is what the policy calls it. Needs with the same `rule` must be met by different
 * people; one person may serve several rules. */
struct approval_need {
	unsigned n;
	unsigned rule; /* index into rules */
	struct slice label;
	const struct slice *groups;
	size_t n_groups;
};

struct approval_rule {
	struct slice name, sentence; /* sentence may be empty */
};

/* What a worker asks for; everything is copied. With several holding rules the caller joins them:
 * smallest times, the strictest flags, all needs. */
struct approval_ask {
	struct approval_subject subject;
	enum principal_kind kind;
	bool connects;           /* a session is to be opened: there is no statement */
	struct slice client;     /* "10.0.0.7:51234", for people; may be empty */
	struct slice application; /* what it calls itself; may be empty */
	struct slice statement;  /* exact bytes */
	struct slice parameters; /* rendered for people, "$1 = 'x'\n$2 = 7"; may be empty */
	const struct approval_rule *rules;
	size_t n_rules;
	const struct approval_need *needs;
	size_t n_needs;
	bool not_self, reason_required, ticket_required;
	uint64_t within_ns;  /* to decide in, from now */
	uint64_t release_ns; /* after the decision, to be used in */
	unsigned max_uses;   /* 1 = once; 0 = any number within release_ns */
	uint64_t waiter;     /* opaque, given back to `changed`; which session waits */
};

struct approval_vote {
	bool approve;
	uint64_t at_ns;
	uint32_t needs;     /* bit i: the voter was in a group of needs[i] when voting */
	const char *by;
	const char *reason, *ticket; /* "" when not given */
};

/* One request. The first part never changes after creation, so whoever holds a reference reads it
 * without the lock; the second part is read inside approvals_each/approvals_with only. */
struct approval {
	char id[APPROVAL_ID_LEN + 1];
	uint8_t binding[SHA256_LEN]; /* audit.md: SHA-256("weir-approval-v2" || CBOR) */
	uint8_t key[SHA256_LEN];     /* over the subject alone, for the async mode */
	struct approval_ask ask;     /* slices point into memory of its own */
	uint64_t created_ns;
	uint64_t decide_by_ns;
	uint64_t not_after_ns; /* the binding's exp: no use after this, whenever it was approved */
	const char *unapprovable; /* NULL, or why nobody may approve it */

	enum approval_state state;
	struct approval_vote votes[APPROVAL_MAX_VOTES];
	size_t n_votes;
	uint64_t decided_ns;
	uint64_t release_until_ns; /* APPROVED: use before this */
	uint64_t closed_ns;
	unsigned uses;
	const char *closed_why; /* static; EXPIRED and CANCELLED */
	/* private */
	bool frozen; /* a rejection is being recorded: no use meanwhile */
	unsigned refs;
	struct approval *next;
};

/* For the audit log. Holds a reference on `approval` until approval_event_done. */
struct approval_event {
	enum approval_event_type type;
	const struct approval *approval; /* its constant part, and the constant part only */
	uint64_t at_ns;
	const char *by;             /* APPROVE, REJECT */
	const char *reason, *ticket; /* APPROVE, REJECT; "" when not given */
	bool completes;             /* APPROVE: with this one nothing more is needed */
	enum approval_state state;  /* CLOSE: EXPIRED or CANCELLED */
	const char *why;            /* CLOSE: one phrase */
	unsigned use;               /* USE: 1 for the first */
	struct approvals *store;    /* private */
};

struct approvals_hooks {
	void *ctx;
	/* Records a decision; returns 0 once it is durable, -errno when it will not be. Called on
	 * the deciding thread, with no lock that workers take. NULL: decisions are refused. */
	int (*record)(void *ctx, const struct approval_event *ev);
	/* Something changed about a request: look with approvals_peek. Any thread, no lock held. */
	void (*changed)(void *ctx, const char *id, uint64_t waiter);
};

struct approvals_limits {
	unsigned per_principal; /* pending and approved-unused; 0 = 16 */
	unsigned total;         /* likewise; 0 = 1024 */
	uint64_t keep_ns;       /* how long a closed request can still be shown; 0 = 1 h */
};

struct approvals;

struct approvals *approvals_open(const struct approvals_hooks *hooks,
				 const struct approvals_limits *limits);
void approvals_close(struct approvals *s);

/* What a waiting session needs; copied out. */
struct approval_status {
	char id[APPROVAL_ID_LEN + 1];
	enum approval_state state;
	char tally[128];  /* "1 of 2 dba", "1 of 1 dba, 0 of 1 security" */
	char by[64];      /* who decided last, escaped and perhaps cut; "" */
	char reason[256]; /* likewise */
	uint64_t decide_by_ns, release_until_ns;
	const char *unapprovable; /* static; NULL */
};

/* Holds a command. On success fills *st, and *ev (type REQUEST), which must be released. */
enum approval_error approvals_create(struct approvals *s, const struct approval_ask *ask,
				     uint64_t now, struct approval_status *st,
				     struct approval_event *ev) MUST_CHECK;
/* False when the id is unknown (forgotten after keep_ns). */
bool approvals_peek(struct approvals *s, const char *id, struct approval_status *st) MUST_CHECK;
/* The youngest approved request for exactly this subject, or else the youngest that is pending. */
bool approvals_find(struct approvals *s, const struct approval_subject *subject, uint64_t now,
		    struct approval_status *st) MUST_CHECK;
/* Consumes one use if, and only if, `subject` is what was approved and the window is open. On NONE
 * fills *ev (type USE): make it durable, then forward. There is no way back. */
enum approval_error approvals_use(struct approvals *s, const char *id,
				  const struct approval_subject *subject, uint64_t now,
				  struct approval_event *ev) MUST_CHECK;
/* The client went away: `why` is static. False (and no event) when it is not open any more. */
bool approvals_cancel(struct approvals *s, const char *id, const char *why, uint64_t now,
		      struct approval_event *ev) MUST_CHECK;
/* Expires what is due and forgets what is old. Each expiry is given to `closed` (no lock held),
 * which records it; the event is released afterwards. Returns when to call again, at most 1 s
 * on. */
uint64_t approvals_sweep(struct approvals *s, uint64_t now,
			 void (*closed)(void *ctx, const struct approval_event *ev), void *ctx);

struct approval_decider {
	struct slice name;
	enum principal_kind kind;
	const struct slice *groups;
	size_t n_groups;
	struct slice reason, ticket; /* may be empty */
};

/* Another policy is in force, and others may decide: `find` fills in what somebody is (false:
 * nobody that is known). A vote that its voter could not give any more does not count any more. A
 * release that lacks it, or is of another policy, ends, which `closed` is told of as by
 * approvals_sweep. Waits for a decision that is being recorded. */
void approvals_review(struct approvals *s, uint64_t now, const uint8_t policy_sha256[SHA256_LEN],
		      bool (*find)(void *ctx, struct slice name, struct approval_decider *who),
		      void (*closed)(void *ctx, const struct approval_event *ev), void *ctx);

/* Approves or rejects. Blocks until the decision is durable. NOT_FOUND also when the decider may
 * not see the request. A rejection needs a reason, is possible until the release is used, and
 * whoever asked may always reject, which withdraws the request. Reason and ticket are UTF-8 of at
 * most APPROVAL_MAX_REASON bytes. */
enum approval_error approvals_decide(struct approvals *s, const char *id, bool approve,
				     const struct approval_decider *by, uint64_t now) MUST_CHECK;

/* Calls fn for every request, oldest first, with the lock held: read, do not block. `with` returns
 * false when there is no such id. */
void approvals_each(struct approvals *s, void (*fn)(void *ctx, const struct approval *a),
		    void *ctx);
bool approvals_with(struct approvals *s, const char *id,
		    void (*fn)(void *ctx, const struct approval *a), void *ctx);

void approval_event_done(struct approval_event *ev);

/* Own requests, and those one may decide. */
bool approval_visible(const struct approval *a, const struct approval_decider *who);
bool approval_eligible(const struct approval *a, const struct approval_decider *who);
bool approval_is_requester(const struct approval *a, const struct approval_decider *who);
/* Bit i: `who` is in a group of needs[i]. */
uint32_t approval_serves(const struct approval *a, const struct approval_decider *who);
/* How many of need i are met, no person counted twice within a rule. */
unsigned approval_met(const struct approval *a, size_t need);
bool approval_is_complete(const struct approval *a);
const char *approval_state_name(enum approval_state st);
bool approval_state_parse(struct slice name, enum approval_state *st) MUST_CHECK;
const char *approval_event_name(enum approval_event_type t); /* audit record type */
const char *approval_error_code(enum approval_error e);
int approval_error_status(enum approval_error e);
const char *approval_error_text(enum approval_error e);
const char *approval_error_hint(enum approval_error e);

/* The binding: SHA-256("weir-approval-v2" || CBOR array of the subject, nbf, exp, max_uses). */
void approval_binding(uint8_t out[SHA256_LEN], const struct approval_subject *s, uint64_t nbf_ns,
		      uint64_t exp_ns, unsigned max_uses);
/* Digest of the subject alone: what the async mode looks a request up by. */
void approval_subject_key(uint8_t out[SHA256_LEN], const struct approval_subject *s);
/* Digest of Bind parameters: feed formats and values in order. NULL value: p == NULL, n == 0. */
struct approval_param {
	uint32_t type_oid;
	bool binary, null;
	struct slice value;
};
void approval_params_digest(uint8_t out[SHA256_LEN], const struct approval_param *params, size_t n);

/* Appends text for a terminal or a page: whatever could hide or reorder it (control, bidirectional,
 * zero-width, line-separator and tag characters, invalid UTF-8) becomes visible as \u{202e} or
 * \x1b. Newline and tab stay when `multiline`, else they are escaped as well. */
void approval_put_visible(struct buf *out, struct slice text, bool multiline);
/* NULL when an approver can be shown this text faithfully, else why not (static). */
const char *approval_text_problem(struct slice text);

#endif
