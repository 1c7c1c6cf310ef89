/* SPDX-License-Identifier: MIT
 *
 * The store of held commands: a bounded list under one mutex.
 *
 *   create ─► PENDING ──votes meet every need──► APPROVED ──last use──► USED
 *                │  │                              │   │
 *                │  └── one rejection ─► REJECTED ◄┘   │
 *                └── time, client gone ─► EXPIRED, CANCELLED
 *
 * Deciding takes a second mutex, held while the audit record becomes durable, so that decisions are
 * taken one at a time and workers never wait for a disk. Lock order: decide, then lock.
 */
#include "session/approvals.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct approvals {
	pthread_mutex_t lock;   /* the list and every mutable field */
	pthread_mutex_t decide; /* one decision at a time */
	struct approvals_hooks hooks;
	struct approvals_limits limits;
	struct approval *first, **last;
	size_t n_closed;
};

struct approvals *
approvals_open(const struct approvals_hooks *hooks, const struct approvals_limits *limits)
{
	struct approvals *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->decide, NULL);
	if (hooks)
		s->hooks = *hooks;
	if (limits)
		s->limits = *limits;
	if (s->limits.per_principal == 0)
		s->limits.per_principal = 16;
	if (s->limits.total == 0)
		s->limits.total = 1024;
	if (s->limits.keep_ns == 0)
		s->limits.keep_ns = 3600 * NS_PER_S;
	s->last = &s->first;
	return s;
}

static void
approval_free(struct approval *a)
{
	for (size_t i = 0; i < a->n_votes; i++)
		free((char *) a->votes[i].by); /* reason and ticket are in the same block */
	free(a);
}

void
approvals_close(struct approvals *s)
{
	struct approval *a, *next;

	if (!s)
		return;
	for (a = s->first; a; a = next) {
		next = a->next;
		assert(a->refs == 1);
		approval_free(a);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->decide);
	free(s);
}

static bool
is_open(const struct approval *a)
{
	return a->state == APPROVAL_PENDING || a->state == APPROVAL_APPROVED;
}

static struct approval *
find_id(struct approvals *s, const char *id)
{
	for (struct approval *a = s->first; a; a = a->next)
		if (strcmp(a->id, id) == 0)
			return a;
	return NULL;
}

static void
unref(struct approval *a)
{
	assert(a->refs > 0);
	if (--a->refs == 0)
		approval_free(a);
}

static void
close_as(struct approvals *s, struct approval *a, enum approval_state st, const char *why,
	 uint64_t now)
{
	assert(is_open(a));
	assert(st != APPROVAL_PENDING && st != APPROVAL_APPROVED);
	a->state = st;
	a->closed_why = why;
	a->closed_ns = now;
	s->n_closed++;
}

/* Forgets closed requests that are old, or the oldest when there are too many. */
static void
forget(struct approvals *s, uint64_t now)
{
	struct approval **at = &s->first;

	while (*at) {
		struct approval *a = *at;

		if (is_open(a) || (now - a->closed_ns < s->limits.keep_ns &&
				   s->n_closed <= s->limits.total)) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		s->n_closed--;
		unref(a);
	}
	s->last = at;
}

static void
event_fill(struct approvals *s, struct approval *a, enum approval_event_type type, uint64_t now,
	   struct approval_event *ev)
{
	*ev = (struct approval_event){
		.type = type,
		.approval = a,
		.at_ns = now,
		.by = "",
		.reason = "",
		.ticket = "",
		.state = a->state,
		.why = a->closed_why ? a->closed_why : "",
		.use = a->uses,
		.store = s,
	};
	a->refs++;
}

void
approval_event_done(struct approval_event *ev)
{
	struct approvals *s = ev->store;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	unref((struct approval *) ev->approval);
	pthread_mutex_unlock(&s->lock);
	memset(ev, 0, sizeof(*ev));
}

/* Two passes over the same code: the first counts, the second copies. */
struct copier {
	char *p; /* NULL while counting */
	size_t n;
};

static void *
copy_bytes(struct copier *c, const void *p, size_t n, size_t align)
{
	char *to;

	c->n = (c->n + align - 1) & ~(align - 1);
	to = c->p ? c->p + c->n : NULL;
	if (to && n)
		memcpy(to, p, n);
	c->n += n;
	return to;
}

static struct slice
copy_slice(struct copier *c, struct slice s)
{
	struct slice out = {copy_bytes(c, s.p, s.n, 1), s.n};

	(void) copy_bytes(c, "", 1, 1);
	return out;
}

static struct slice
cut(struct slice s)
{
	return slice_of(s.p, s.n < APPROVAL_MAX_TEXT ? s.n : APPROVAL_MAX_TEXT);
}

static void
copy_ask(struct copier *c, const struct approval_ask *from, struct approval_ask *to)
{
	struct approval_rule *rules;
	struct approval_need *needs;

	*to = *from;
	to->subject.protocol = copy_slice(c, from->subject.protocol);
	to->subject.principal = copy_slice(c, from->subject.principal);
	to->subject.target = copy_slice(c, from->subject.target);
	to->subject.database = copy_slice(c, from->subject.database);
	to->subject.db_role = copy_slice(c, from->subject.db_role);
	to->subject.search_path = copy_slice(c, from->subject.search_path);
	to->subject.path_user = copy_slice(c, from->subject.path_user);
	to->client = copy_slice(c, from->client);
	to->application = copy_slice(c, from->application);
	to->statement = copy_slice(c, cut(from->statement));
	to->parameters = copy_slice(c, cut(from->parameters));
	to->rules = rules = copy_bytes(c, from->rules, from->n_rules * sizeof(*rules), 8);
	for (size_t i = 0; i < from->n_rules; i++) {
		struct approval_rule r = {copy_slice(c, from->rules[i].name),
					  copy_slice(c, from->rules[i].sentence)};
		if (rules)
			rules[i] = r;
	}
	to->needs = needs = copy_bytes(c, from->needs, from->n_needs * sizeof(*needs), 8);
	for (size_t i = 0; i < from->n_needs; i++) {
		const struct approval_need *f = &from->needs[i];
		struct slice label = copy_slice(c, f->label);
		struct slice *groups = copy_bytes(c, f->groups, f->n_groups * sizeof(*groups), 8);

		for (size_t k = 0; k < f->n_groups; k++) {
			struct slice g = copy_slice(c, f->groups[k]);
			if (groups)
				groups[k] = g;
		}
		if (needs) {
			needs[i].label = label;
			needs[i].groups = groups;
		}
	}
}

static const char *
why_unapprovable(const struct approval_ask *ask)
{
	const char *why = approval_text_problem(ask->statement);
	uint64_t people = 0;

	if (why)
		return why;
	if (approval_text_problem(ask->parameters))
		return "its parameters cannot be shown whole and faithfully";
	if (ask->n_needs == 0)
		return "the rule names nobody who may approve it";
	for (size_t i = 0; i < ask->n_needs; i++) {
		people += ask->needs[i].n;
		if (ask->needs[i].n == 0)
			return "the rule asks for the approval of 0 people";
	}
	return people > APPROVAL_MAX_VOTES ? "it needs more people than can be counted" : NULL;
}

/* 40 random bits in Crockford's base 32: easy to read out, not worth guessing (knowing an id gives
 * no right to anything). */
static void
new_id(struct approvals *s, char id[APPROVAL_ID_LEN + 1])
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint8_t raw[APPROVAL_ID_LEN];

	do {
		random_bytes(raw, sizeof(raw));
		for (int i = 0; i < APPROVAL_ID_LEN; i++)
			id[i] = alphabet[raw[i] & 31];
		id[APPROVAL_ID_LEN] = 0;
	} while (find_id(s, id));
}

static struct approval *
approval_new(const struct approval_ask *ask, uint64_t now)
{
	struct approval_ask counted;
	struct copier c = {0};
	struct approval *a;

	copy_ask(&c, ask, &counted);
	a = calloc(1, sizeof(*a) + c.n);
	if (!a)
		return NULL;
	c = (struct copier){.p = (char *) (a + 1)};
	copy_ask(&c, ask, &a->ask);
	a->created_ns = now;
	a->decide_by_ns = now + ask->within_ns;
	a->not_after_ns = a->decide_by_ns + ask->release_ns;
	a->unapprovable = why_unapprovable(ask);
	a->refs = 1;
	approval_binding(a->binding, &a->ask.subject, now, a->not_after_ns, ask->max_uses);
	approval_subject_key(a->key, &a->ask.subject);
	return a;
}

static void
put_cut(char *out, size_t size, struct slice text)
{
	struct buf b = {0};
	size_t n;

	approval_put_visible(&b, text, false);
	n = b.n < size - 1 ? b.n : size - 1;
	while (n < b.n && n > 0 && (b.p[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a character */
	if (n)
		memcpy(out, b.p, n);
	out[n] = 0;
	buf_fini(&b);
}

static void
status_fill(const struct approval *a, struct approval_status *st)
{
	struct buf b = {0};

	*st = (struct approval_status){
		.state = a->state,
		.decide_by_ns = a->decide_by_ns,
		.release_until_ns = a->release_until_ns,
		.unapprovable = a->unapprovable,
	};
	memcpy(st->id, a->id, sizeof(st->id));
	for (size_t i = 0; i < a->ask.n_needs; i++)
		buf_printf(&b, "%s%u of %u %.*s", i ? ", " : "", approval_met(a, i),
			   a->ask.needs[i].n, SLICE_ARG(a->ask.needs[i].label));
	put_cut(st->tally, sizeof(st->tally), buf_slice(&b));
	buf_fini(&b);
	if (a->n_votes) {
		const struct approval_vote *v = &a->votes[a->n_votes - 1];

		put_cut(st->by, sizeof(st->by), slice_str(v->by));
		put_cut(st->reason, sizeof(st->reason), slice_str(v->reason));
	}
}

enum approval_error
approvals_create(struct approvals *s, const struct approval_ask *ask, uint64_t now,
		 struct approval_status *st, struct approval_event *ev)
{
	unsigned own = 0, total = 0;
	enum approval_error e = APPROVAL_ERR_NONE;
	struct approval *a;

	assert(ask->n_needs <= APPROVAL_MAX_NEEDS && ask->n_rules <= APPROVAL_MAX_RULES);
	a = approval_new(ask, now);
	if (!a)
		return APPROVAL_ERR_FULL;
	pthread_mutex_lock(&s->lock);
	forget(s, now);
	for (const struct approval *o = s->first; o; o = o->next) {
		total += is_open(o);
		own += is_open(o) && slice_eq(o->ask.subject.principal, ask->subject.principal);
	}
	if (own >= s->limits.per_principal)
		e = APPROVAL_ERR_FULL_PRINCIPAL;
	else if (total >= s->limits.total)
		e = APPROVAL_ERR_FULL;
	if (e == APPROVAL_ERR_NONE) {
		new_id(s, a->id);
		*s->last = a;
		s->last = &a->next;
		status_fill(a, st);
		event_fill(s, a, APPROVAL_EV_REQUEST, now, ev);
	}
	pthread_mutex_unlock(&s->lock);
	if (e != APPROVAL_ERR_NONE)
		approval_free(a);
	return e;
}

bool
approvals_peek(struct approvals *s, const char *id, struct approval_status *st)
{
	const struct approval *a;

	pthread_mutex_lock(&s->lock);
	a = find_id(s, id);
	if (a)
		status_fill(a, st);
	pthread_mutex_unlock(&s->lock);
	return a != NULL;
}

static bool
in_window(const struct approval *a, uint64_t now)
{
	return a->state == APPROVAL_APPROVED && !a->frozen && now >= a->created_ns &&
	       now < a->release_until_ns && (a->ask.max_uses == 0 || a->uses < a->ask.max_uses);
}

bool
approvals_find(struct approvals *s, const struct approval_subject *subject, uint64_t now,
	       struct approval_status *st)
{
	uint8_t key[SHA256_LEN];
	const struct approval *found = NULL;

	approval_subject_key(key, subject);
	pthread_mutex_lock(&s->lock);
	for (const struct approval *a = s->first; a; a = a->next)
		if (memcmp(a->key, key, SHA256_LEN) == 0 &&
		    (in_window(a, now) || (a->state == APPROVAL_PENDING && now < a->decide_by_ns &&
					   !(found && found->state == APPROVAL_APPROVED))))
			found = a;
	if (found)
		status_fill(found, st);
	pthread_mutex_unlock(&s->lock);
	return found != NULL;
}

enum approval_error
approvals_use(struct approvals *s, const char *id, const struct approval_subject *subject,
	      uint64_t now, struct approval_event *ev)
{
	enum approval_error e = APPROVAL_ERR_NONE;
	uint8_t binding[SHA256_LEN];
	struct approval *a;

	pthread_mutex_lock(&s->lock);
	a = find_id(s, id);
	if (!a) {
		e = APPROVAL_ERR_NOT_FOUND;
	} else if (!in_window(a, now)) {
		e = APPROVAL_ERR_NOT_APPROVED;
	} else {
		approval_binding(binding, subject, a->created_ns, a->not_after_ns,
				 a->ask.max_uses);
		if (memcmp(binding, a->binding, SHA256_LEN) != 0)
			e = APPROVAL_ERR_MISMATCH;
	}
	if (e == APPROVAL_ERR_NONE) {
		a->uses++;
		if (a->ask.max_uses && a->uses == a->ask.max_uses)
			close_as(s, a, APPROVAL_USED, NULL, now);
		event_fill(s, a, APPROVAL_EV_USE, now, ev);
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

bool
approvals_cancel(struct approvals *s, const char *id, const char *why, uint64_t now,
		 struct approval_event *ev)
{
	struct approval *a;
	bool done;

	pthread_mutex_lock(&s->lock);
	a = find_id(s, id);
	done = a && is_open(a);
	if (done) {
		close_as(s, a, APPROVAL_CANCELLED, why, now);
		event_fill(s, a, APPROVAL_EV_CLOSE, now, ev);
	}
	pthread_mutex_unlock(&s->lock);
	return done;
}

static bool
expire_one(struct approvals *s, uint64_t now, struct approval_event *ev)
{
	struct approval *a;

	for (a = s->first; a; a = a->next) {
		if (a->state == APPROVAL_PENDING && now >= a->decide_by_ns)
			close_as(s, a, APPROVAL_EXPIRED, "nobody decided in time", now);
		else if (a->state == APPROVAL_APPROVED && now >= a->release_until_ns)
			close_as(s, a, APPROVAL_EXPIRED, "the release was not used in time", now);
		else
			continue;
		event_fill(s, a, APPROVAL_EV_CLOSE, now, ev);
		return true;
	}
	return false;
}

static void
tell_closed(struct approvals *s, struct approval_event *ev,
	    void (*closed)(void *ctx, const struct approval_event *ev), void *ctx)
{
	if (closed)
		closed(ctx, ev);
	if (s->hooks.changed)
		s->hooks.changed(s->hooks.ctx, ev->approval->id, ev->approval->ask.waiter);
	approval_event_done(ev);
}

uint64_t
approvals_sweep(struct approvals *s, uint64_t now,
		void (*closed)(void *ctx, const struct approval_event *ev), void *ctx)
{
	uint64_t next = now + NS_PER_S;
	struct approval_event ev;
	bool found;

	do {
		pthread_mutex_lock(&s->lock);
		found = expire_one(s, now, &ev);
		pthread_mutex_unlock(&s->lock);
		if (found)
			tell_closed(s, &ev, closed, ctx);
	} while (found);

	pthread_mutex_lock(&s->lock);
	forget(s, now);
	for (const struct approval *a = s->first; a; a = a->next) {
		uint64_t due = a->state == APPROVAL_PENDING ? a->decide_by_ns : a->release_until_ns;

		if (is_open(a) && due < next)
			next = due;
	}
	pthread_mutex_unlock(&s->lock);
	return next;
}

/* Who may not give a vote any more has not given it: should that change again, so may the vote. */
static void
recount(struct approval *a,
	bool (*find)(void *ctx, struct slice name, struct approval_decider *who), void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->n_votes; i++) {
		struct approval_vote *v = &a->votes[i];
		struct approval_decider who = {0};

		if (v->approve)
			v->needs &= find(ctx, slice_str(v->by), &who) && approval_eligible(a, &who)
					    ? approval_serves(a, &who)
					    : 0;
		if (v->approve && !v->needs)
			free((char *) v->by);
		else
			a->votes[kept++] = *v;
	}
	a->n_votes = kept;
}

/* Who waits for people asks them anew; a release would be there again with its policy. */
static bool
revoke_one(struct approvals *s, uint64_t now, const uint8_t policy[SHA256_LEN],
	   struct approval_event *ev)
{
	for (struct approval *a = s->first; a; a = a->next) {
		bool moved = memcmp(a->ask.subject.policy_sha256, policy, SHA256_LEN) != 0;

		if (a->state != APPROVAL_APPROVED || (!moved && approval_is_complete(a)))
			continue;
		close_as(s, a, APPROVAL_CANCELLED,
			 moved ? "the policy changed" : "who approved it may not any more", now);
		event_fill(s, a, APPROVAL_EV_CLOSE, now, ev);
		return true;
	}
	return false;
}

void
approvals_review(struct approvals *s, uint64_t now, const uint8_t policy[SHA256_LEN],
		 bool (*find)(void *ctx, struct slice name, struct approval_decider *who),
		 void (*closed)(void *ctx, const struct approval_event *ev), void *ctx)
{
	struct approval_event ev;

	pthread_mutex_lock(&s->decide);
	pthread_mutex_lock(&s->lock);
	for (struct approval *a = s->first; a; a = a->next)
		if (is_open(a))
			recount(a, find, ctx);
	while (revoke_one(s, now, policy, &ev)) {
		pthread_mutex_unlock(&s->lock);
		tell_closed(s, &ev, closed, ctx);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->decide);
}

static enum approval_error
may_approve(const struct approval *a, const struct approval_decider *by, uint64_t now)
{
	if (by->kind == PRINCIPAL_AGENT)
		return APPROVAL_ERR_AGENT;
	if (a->ask.not_self && approval_is_requester(a, by))
		return APPROVAL_ERR_SELF;
	if (!approval_serves(a, by))
		return APPROVAL_ERR_NOT_ELIGIBLE;
	if (a->state != APPROVAL_PENDING || now >= a->decide_by_ns)
		return APPROVAL_ERR_CLOSED;
	for (size_t i = 0; i < a->n_votes; i++)
		if (a->votes[i].approve && slice_is(by->name, a->votes[i].by))
			return APPROVAL_ERR_DUPLICATE;
	if (a->unapprovable)
		return APPROVAL_ERR_UNSHOWABLE;
	if (a->ask.reason_required && by->reason.n == 0)
		return APPROVAL_ERR_REASON_REQUIRED;
	if (a->ask.ticket_required && by->ticket.n == 0)
		return APPROVAL_ERR_TICKET_REQUIRED;
	return APPROVAL_ERR_NONE;
}

static enum approval_error
may_reject(const struct approval *a, const struct approval_decider *by, uint64_t now)
{
	if (!approval_is_requester(a, by)) {
		if (by->kind == PRINCIPAL_AGENT)
			return APPROVAL_ERR_AGENT;
		if (by->reason.n == 0)
			return APPROVAL_ERR_REASON_REQUIRED;
	}
	if (!is_open(a) || (a->state == APPROVAL_PENDING && now >= a->decide_by_ns))
		return APPROVAL_ERR_CLOSED;
	return APPROVAL_ERR_NONE;
}

/* Writes the vote behind the last one that counts; its strings live in one block. False without
 * memory. One at a time: s->decide is held. */
static bool
vote_prepare(struct approval *a, bool approve, const struct approval_decider *by, uint64_t now)
{
	struct copier c = {.p = malloc(by->name.n + by->reason.n + by->ticket.n + 3)};
	struct approval_vote *v = &a->votes[a->n_votes];

	if (!c.p)
		return false;
	*v = (struct approval_vote){
		.approve = approve,
		.at_ns = now,
		.needs = approval_serves(a, by),
		.by = (const char *) copy_slice(&c, by->name).p,
		.reason = (const char *) copy_slice(&c, by->reason).p,
		.ticket = (const char *) copy_slice(&c, by->ticket).p,
	};
	return true;
}

/* Checks under the lock and, when all is well, prepares the vote: it counts once recorded. */
static enum approval_error
decide_begin(struct approvals *s, const char *id, bool approve, const struct approval_decider *by,
	     uint64_t now, struct approval_event *ev)
{
	struct approval *a = find_id(s, id);
	const struct approval_vote *vote;
	enum approval_error e;

	if (!a || !approval_visible(a, by))
		return APPROVAL_ERR_NOT_FOUND;
	e = approve ? may_approve(a, by, now) : may_reject(a, by, now);
	if (e != APPROVAL_ERR_NONE)
		return e;
	/* Complete requests leave PENDING, and create() bounds the people needed; those who serve
	 * no missing place may still fill the table. */
	if (a->n_votes == APPROVAL_MAX_VOTES)
		return APPROVAL_ERR_NOT_ELIGIBLE;
	if (!s->hooks.record || !vote_prepare(a, approve, by, now))
		return APPROVAL_ERR_AUDIT;
	vote = &a->votes[a->n_votes];
	event_fill(s, a, approve ? APPROVAL_EV_APPROVE : APPROVAL_EV_REJECT, now, ev);
	ev->by = vote->by;
	ev->reason = vote->reason;
	ev->ticket = vote->ticket;
	a->n_votes++;
	ev->completes = approve && approval_is_complete(a);
	a->n_votes--;
	a->frozen = !approve;
	return APPROVAL_ERR_NONE;
}

static enum approval_error
decide_end(struct approvals *s, struct approval_event *ev, int recorded)
{
	struct approval *a = (struct approval *) ev->approval;

	a->frozen = false;
	if (recorded != 0) {
		free((char *) a->votes[a->n_votes].by);
		return APPROVAL_ERR_AUDIT;
	}
	a->n_votes++;
	if (!is_open(a))
		return APPROVAL_ERR_CLOSED; /* cancelled while it was being recorded */
	a->decided_ns = ev->at_ns;
	if (ev->type == APPROVAL_EV_REJECT) {
		close_as(s, a, APPROVAL_REJECTED, NULL, ev->at_ns);
	} else if (ev->completes) {
		a->state = APPROVAL_APPROVED;
		a->release_until_ns = ev->at_ns + a->ask.release_ns;
	}
	return APPROVAL_ERR_NONE;
}

enum approval_error
approvals_decide(struct approvals *s, const char *id, bool approve,
		 const struct approval_decider *by, uint64_t now)
{
	struct approval_event ev = {0};
	enum approval_error e;

	assert(by->reason.n <= APPROVAL_MAX_REASON && by->ticket.n <= APPROVAL_MAX_REASON);
	pthread_mutex_lock(&s->decide);
	pthread_mutex_lock(&s->lock);
	e = decide_begin(s, id, approve, by, now, &ev);
	pthread_mutex_unlock(&s->lock);
	if (ev.store) {
		int recorded = s->hooks.record(s->hooks.ctx, &ev);

		pthread_mutex_lock(&s->lock);
		e = decide_end(s, &ev, recorded);
		pthread_mutex_unlock(&s->lock);
		if (e == APPROVAL_ERR_NONE && s->hooks.changed)
			s->hooks.changed(s->hooks.ctx, ev.approval->id, ev.approval->ask.waiter);
	}
	pthread_mutex_unlock(&s->decide);
	approval_event_done(&ev);
	return e;
}

void
approvals_each(struct approvals *s, void (*fn)(void *ctx, const struct approval *a), void *ctx)
{
	pthread_mutex_lock(&s->lock);
	for (const struct approval *a = s->first; a; a = a->next)
		fn(ctx, a);
	pthread_mutex_unlock(&s->lock);
}

bool
approvals_with(struct approvals *s, const char *id,
	       void (*fn)(void *ctx, const struct approval *a), void *ctx)
{
	const struct approval *a;

	pthread_mutex_lock(&s->lock);
	a = find_id(s, id);
	if (a)
		fn(ctx, a);
	pthread_mutex_unlock(&s->lock);
	return a != NULL;
}
