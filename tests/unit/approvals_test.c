/* SPDX-License-Identifier: MIT */
#include "session/approvals.h"
#include "tests/unit/test.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define T0 (UINT64_C(1700000000) * NS_PER_S)
#define MINUTE (60 * NS_PER_S)

static const struct slice g_dba[] = {{(const uint8_t *) "dba-oncall", 10}};
static const struct slice g_sec[] = {{(const uint8_t *) "security", 8}};
static const struct slice g_both[] = {{(const uint8_t *) "dba-oncall", 10},
				      {(const uint8_t *) "security", 8}};
static const struct slice g_agents[] = {{(const uint8_t *) "ai-agents", 9}};

static struct {
	int n, fail;
	enum approval_event_type type;
	bool completes;
	char by[32], reason[32];
	unsigned changed;
	void (*during)(void);
} seen;

static int
on_record(void *ctx UNUSED, const struct approval_event *ev)
{
	seen.n++;
	seen.type = ev->type;
	seen.completes = ev->completes;
	snprintf(seen.by, sizeof(seen.by), "%s", ev->by);
	snprintf(seen.reason, sizeof(seen.reason), "%s", ev->reason);
	if (seen.during)
		seen.during();
	return seen.fail;
}

static void
on_changed(void *ctx UNUSED, const char *id UNUSED, uint64_t waiter)
{
	CHECK_INT(waiter, 42);
	seen.changed++;
}

static struct approvals *store;
static struct approval_ask ask;
static struct approval_need needs[2];
static struct approval_rule rules[1];
static struct approval_status st;

static void
set_up(void)
{
	struct approvals_hooks hooks = {.record = on_record, .changed = on_changed};

	memset(&seen, 0, sizeof(seen));
	store = approvals_open(&hooks, NULL);
	rules[0] = (struct approval_rule){SLICE_LIT("ddl"), SLICE_LIT("schema changes wait")};
	needs[0] = (struct approval_need){1, 0, SLICE_LIT("dba"), g_dba, 1};
	needs[1] = (struct approval_need){1, 0, SLICE_LIT("security"), g_sec, 1};
	ask = (struct approval_ask){
		.subject = {.protocol = SLICE_LIT("postgres"),
			    .principal = SLICE_LIT("planner-7"),
			    .target = SLICE_LIT("orders"),
			    .database = SLICE_LIT("orders"),
			    .db_role = SLICE_LIT("app")},
		.kind = PRINCIPAL_AGENT,
		.statement = SLICE_LIT("drop table people"),
		.rules = rules,
		.n_rules = 1,
		.needs = needs,
		.n_needs = 1,
		.not_self = true,
		.within_ns = 15 * MINUTE,
		.release_ns = 10 * MINUTE,
		.max_uses = 1,
		.waiter = 42,
	};
	sha256(ask.subject.command_sha256, ask.statement);
}

static void
create(uint64_t now)
{
	struct approval_event ev = {0};

	CHECK_INT(approvals_create(store, &ask, now, &st, &ev), APPROVAL_ERR_NONE);
	CHECK_INT(ev.type, APPROVAL_EV_REQUEST);
	approval_event_done(&ev);
}

static enum approval_error
decide(const char *name, enum principal_kind kind, const struct slice *groups, size_t n,
       bool approve, const char *reason, uint64_t now)
{
	struct approval_decider by = {slice_str(name), kind, groups, n, slice_str(reason), {0}};
	enum approval_error e = approvals_decide(store, st.id, approve, &by, now);

	if (!approvals_peek(store, st.id, &st))
		CHECK(false);
	return e;
}

#define HUMAN(name, groups, approve, reason)                                                      \
	decide(name, PRINCIPAL_HUMAN, groups, COUNT_OF(groups), approve, reason, T0 + MINUTE)

static enum approval_error
use(const char *id, uint64_t now)
{
	struct approval_event ev = {0};
	enum approval_error e = approvals_use(store, id, &ask.subject, now, &ev);

	CHECK_INT(ev.store != NULL, e == APPROVAL_ERR_NONE);
	if (e == APPROVAL_ERR_NONE)
		CHECK_INT(ev.type, APPROVAL_EV_USE);
	approval_event_done(&ev);
	return e;
}

static void
approve_and_use_once(void)
{
	set_up();
	create(T0);
	CHECK_INT(st.state, APPROVAL_PENDING);
	CHECK(strcmp(st.tally, "0 of 1 dba") == 0);
	CHECK_INT(use(st.id, T0), APPROVAL_ERR_NOT_APPROVED);
	CHECK_INT(HUMAN("ana", g_dba, true, "planned"), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	CHECK(strcmp(st.by, "ana") == 0 && strcmp(st.reason, "planned") == 0);
	CHECK_INT(seen.n, 1);
	CHECK_INT(seen.changed, 1);
	CHECK(seen.completes && seen.type == APPROVAL_EV_APPROVE);
	CHECK_INT(HUMAN("bo", g_dba, true, ""), APPROVAL_ERR_CLOSED);
	CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_NONE);
	CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_NOT_APPROVED);
	if (!approvals_peek(store, st.id, &st))
		CHECK(false);
	CHECK_INT(st.state, APPROVAL_USED);
	approvals_close(store);
}

/* Each part of the subject, changed by itself, makes the release worthless. */
static void
binding_covers_every_part(void)
{
	struct approval_subject base, *s = &ask.subject;

	set_up();
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	base = *s;
	for (int i = 0; i < 11; i++) {
		*s = base;
		switch (i) {
		case 0: s->command_sha256[31] ^= 1; break;
		case 1: s->params_sha256[0] ^= 1; break;
		case 2: s->policy_sha256[7] ^= 1; break;
		case 3: s->protocol = SLICE_LIT("mysql"); break;
		case 4: s->principal = SLICE_LIT("planner-8"); break;
		case 5: s->target = SLICE_LIT("order"); break;
		case 6: s->database = SLICE_LIT("order"); break;
		case 7: s->db_role = SLICE_LIT("postgres"); break;
		case 8: s->search_path = SLICE_LIT("private"); break;
		case 9: s->path_user = SLICE_LIT("postgres"); break;
		case 10: s->objects_sha256[31] ^= 1; break;
		}
		CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_MISMATCH);
		struct approval_status other;
		CHECK(!approvals_find(store, s, T0 + 2 * MINUTE, &other));
	}
	*s = base;
	CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_NONE);
	approvals_close(store);
}

/* The digest is part of the evidence: its bytes must never change by accident. */
static void
binding_is_stable(void)
{
	uint8_t b[SHA256_LEN];
	struct buf hex = {0};

	set_up();
	approval_binding(b, &ask.subject, T0, T0 + MINUTE, 1);
	hex_put(&hex, slice_of(b, sizeof(b)));
	CHECK_SLICE(buf_slice(&hex),
		    "3e0f218d3edfd2a1eb8087b51fc8e793cf7735e20678d93dafafe7cb1c89b438");
	buf_fini(&hex);
	approvals_close(store);
}

static void
who_may_not(void)
{
	set_up();
	create(T0);
	/* Somebody in no group cannot even learn that it exists. */
	CHECK_INT(HUMAN("eve", g_sec, true, "x"), APPROVAL_ERR_NOT_FOUND);
	CHECK_INT(HUMAN("planner-7", g_dba, true, "x"), APPROVAL_ERR_SELF);
	CHECK_INT(decide("robot", PRINCIPAL_AGENT, g_dba, 1, true, "x", T0), APPROVAL_ERR_AGENT);
	CHECK_INT(decide("robot", PRINCIPAL_AGENT, g_dba, 1, false, "x", T0), APPROVAL_ERR_AGENT);
	CHECK_INT(decide("planner-7", PRINCIPAL_AGENT, g_agents, 1, true, "x", T0), APPROVAL_ERR_AGENT);
	CHECK_INT(HUMAN("ana", g_dba, false, ""), APPROVAL_ERR_REASON_REQUIRED);
	CHECK_INT(seen.n, 0);
	CHECK_INT(st.state, APPROVAL_PENDING);
	CHECK_INT(decide("ana", PRINCIPAL_HUMAN, g_dba, 1, true, "", T0 + 15 * MINUTE),
		  APPROVAL_ERR_CLOSED);
	/* Whoever asked may take it back, agent or not. */
	CHECK_INT(decide("planner-7", PRINCIPAL_AGENT, g_agents, 1, false, "", T0), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_REJECTED);
	approvals_close(store);
}

static void
self_approval_only_when_the_rule_lets(void)
{
	set_up();
	ask.not_self = false;
	ask.subject.principal = SLICE_LIT("ana");
	ask.kind = PRINCIPAL_HUMAN;
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	approvals_close(store);
}

static void
required_reason_and_ticket(void)
{
	struct approval_decider by = {SLICE_LIT("ana"), PRINCIPAL_HUMAN, g_dba, 1, {0}, {0}};

	set_up();
	ask.reason_required = ask.ticket_required = true;
	create(T0);
	CHECK_INT(approvals_decide(store, st.id, true, &by, T0), APPROVAL_ERR_REASON_REQUIRED);
	by.reason = SLICE_LIT("because");
	CHECK_INT(approvals_decide(store, st.id, true, &by, T0), APPROVAL_ERR_TICKET_REQUIRED);
	by.ticket = SLICE_LIT("OPS-1");
	CHECK_INT(approvals_decide(store, st.id, true, &by, T0), APPROVAL_ERR_NONE);
	CHECK(strcmp(seen.reason, "because") == 0);
	approvals_close(store);
}

/* "1 of dba and 1 of security": two people, though either of them may be in both groups. */
static void
two_people_fill_two_places(void)
{
	set_up();
	ask.n_needs = 2;
	create(T0);
	CHECK_INT(HUMAN("ana", g_both, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_PENDING);
	CHECK(!seen.completes);
	CHECK(strcmp(st.tally, "1 of 1 dba, 0 of 1 security") == 0);
	CHECK_INT(HUMAN("ana", g_both, true, ""), APPROVAL_ERR_DUPLICATE);
	/* bo can only be the DBA: ana moves to the other place. */
	CHECK_INT(HUMAN("bo", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	CHECK(strcmp(st.tally, "1 of 1 dba, 1 of 1 security") == 0);
	/* That it is over comes before that ana has voted: nobody else is needed any more. */
	CHECK_INT(HUMAN("ana", g_both, true, ""), APPROVAL_ERR_CLOSED);
	approvals_close(store);
}

static void
one_person_serves_two_rules(void)
{
	set_up();
	ask.n_needs = 2;
	needs[1].rule = 1;
	create(T0);
	CHECK_INT(HUMAN("ana", g_both, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	approvals_close(store);
}

static void
two_of_one_group(void)
{
	set_up();
	needs[0].n = 2;
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK(strcmp(st.tally, "1 of 2 dba") == 0);
	CHECK_INT(seen.changed, 1);
	CHECK_INT(HUMAN("bo", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	approvals_close(store);
}

static void
one_rejection_ends_it(void)
{
	set_up();
	needs[0].n = 2;
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(HUMAN("bo", g_dba, false, "no"), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_REJECTED);
	CHECK_INT(use(st.id, T0 + MINUTE), APPROVAL_ERR_NOT_APPROVED);
	approvals_close(store);
}

static void
a_release_can_be_taken_back_until_used(void)
{
	set_up();
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(HUMAN("ana", g_dba, false, "changed my mind"), APPROVAL_ERR_NONE);
	CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_NOT_APPROVED);
	approvals_close(store);
}

static void
use_while_recording(void)
{
	CHECK_INT(use(st.id, T0 + MINUTE), APPROVAL_ERR_NOT_APPROVED);
}

/* A decision that is not in the log was not taken; nothing runs while a rejection is written. */
static void
nothing_happens_without_a_record(void)
{
	struct approval_decider ana = {SLICE_LIT("ana"), PRINCIPAL_HUMAN, g_dba, 1, {0}, {0}};

	set_up();
	create(T0);
	seen.fail = -EIO;
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_AUDIT);
	CHECK_INT(st.state, APPROVAL_PENDING);
	CHECK_INT(seen.changed, 0);
	CHECK(strcmp(st.tally, "0 of 1 dba") == 0);
	seen.fail = 0;
	seen.during = use_while_recording;
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(HUMAN("ana", g_dba, false, "stop"), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_REJECTED);
	approvals_close(store);

	store = approvals_open(NULL, NULL);
	create(T0);
	CHECK_INT(approvals_decide(store, st.id, true, &ana, T0), APPROVAL_ERR_AUDIT);
	approvals_close(store);
}

static struct {
	int n;
	char why[64];
} closed;

static void
on_closed(void *ctx UNUSED, const struct approval_event *ev)
{
	closed.n++;
	CHECK_INT(ev->type, APPROVAL_EV_CLOSE);
	CHECK_INT(ev->state, APPROVAL_EXPIRED);
	snprintf(closed.why, sizeof(closed.why), "%s", ev->why);
}

static void
expires(void)
{
	char first[APPROVAL_ID_LEN + 1];

	set_up();
	memset(&closed, 0, sizeof(closed));
	create(T0);
	memcpy(first, st.id, sizeof(first));
	CHECK_INT(approvals_sweep(store, T0 + 15 * MINUTE - 5, on_closed, NULL), T0 + 15 * MINUTE);
	CHECK_INT(closed.n, 0);
	approvals_sweep(store, T0 + 15 * MINUTE, on_closed, NULL);
	CHECK_INT(closed.n, 1);
	CHECK(strcmp(closed.why, "nobody decided in time") == 0);
	CHECK_INT(seen.changed, 1);
	CHECK(approvals_peek(store, first, &st));
	CHECK_INT(st.state, APPROVAL_EXPIRED);

	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(use(st.id, T0 + 11 * MINUTE), APPROVAL_ERR_NOT_APPROVED);
	approvals_sweep(store, T0 + 11 * MINUTE, on_closed, NULL);
	CHECK(strcmp(closed.why, "the release was not used in time") == 0);

	/* Closed ones can be shown for an hour. */
	approvals_sweep(store, T0 + 90 * MINUTE, on_closed, NULL);
	CHECK(!approvals_peek(store, first, &st));
	approvals_close(store);
}

static const struct slice *now_in;
static size_t n_now_in;
static enum principal_kind now_kind;

/* bo is as he was; ana is what the test says. */
static bool
find(void *ctx UNUSED, struct slice name, struct approval_decider *who)
{
	bool ana = slice_is(name, "ana");

	*who = (struct approval_decider){.name = name,
					 .kind = ana ? now_kind : PRINCIPAL_HUMAN,
					 .groups = ana ? now_in : g_dba,
					 .n_groups = ana ? n_now_in : 1};
	return !ana || now_in;
}

static void
on_revoked(void *ctx UNUSED, const struct approval_event *ev)
{
	closed.n++;
	CHECK_INT(ev->type, APPROVAL_EV_CLOSE);
	CHECK_INT(ev->state, APPROVAL_CANCELLED);
	snprintf(closed.why, sizeof(closed.why), "%s", ev->why);
}

static enum approval_state
review(enum principal_kind kind, const struct slice *groups, size_t n)
{
	now_kind = kind;
	now_in = groups;
	n_now_in = n;
	closed.n = 0;
	approvals_review(store, T0 + MINUTE, ask.subject.policy_sha256, find, on_revoked, NULL);
	CHECK(approvals_peek(store, st.id, &st));
	return st.state;
}

/* Who could not give an approval any more has not given it. */
static void
who_may_not_any_more(void)
{
	static const struct {
		enum principal_kind kind;
		const struct slice *groups;
	} lost[] = {{PRINCIPAL_HUMAN, NULL},	  /* gone */
		    {PRINCIPAL_HUMAN, g_agents}, /* not in the group any more */
		    {PRINCIPAL_AGENT, g_dba}};

	for (size_t i = 0; i < COUNT_OF(lost); i++) {
		set_up();
		create(T0);
		CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
		CHECK_INT(review(PRINCIPAL_HUMAN, g_dba, 1), APPROVAL_APPROVED);
		CHECK_INT(closed.n, 0);
		CHECK_INT(review(lost[i].kind, lost[i].groups, 1), APPROVAL_CANCELLED);
		CHECK_INT(closed.n, 1);
		CHECK_INT(seen.changed, 2);
		CHECK(strcmp(closed.why, "who approved it may not any more") == 0);
		CHECK_INT(use(st.id, T0 + MINUTE), APPROVAL_ERR_NOT_APPROVED);
		approvals_close(store);
	}
	/* What was not complete yet lacks it again, and has it again when it is given again. */
	set_up();
	needs[0].n = 2;
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(review(PRINCIPAL_HUMAN, NULL, 0), APPROVAL_PENDING);
	CHECK_INT(HUMAN("bo", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK(strcmp(st.tally, "1 of 2 dba") == 0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED);
	approvals_close(store);
	/* Of two places the one that she has left is empty. */
	set_up();
	ask.n_needs = 2;
	needs[1].rule = 1;
	create(T0);
	CHECK_INT(HUMAN("ana", g_both, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(review(PRINCIPAL_HUMAN, g_dba, 1), APPROVAL_CANCELLED);
	CHECK(strcmp(st.tally, "1 of 1 dba, 0 of 1 security") == 0);
	approvals_close(store);
}

/* A release does not come back with its policy. */
static void
another_policy_ends_a_release(void)
{
	uint8_t other[SHA256_LEN] = {1};

	set_up();
	now_in = g_dba;
	n_now_in = 1;
	now_kind = PRINCIPAL_HUMAN;
	create(T0);
	approvals_review(store, T0, other, find, on_revoked, NULL);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	CHECK_INT(st.state, APPROVAL_APPROVED); /* of what still waits in its session */
	closed.n = 0;
	approvals_review(store, T0 + MINUTE, other, find, on_revoked, NULL);
	CHECK_INT(closed.n, 1);
	CHECK(strcmp(closed.why, "the policy changed") == 0);
	CHECK_INT(use(st.id, T0 + MINUTE), APPROVAL_ERR_NOT_APPROVED);
	approvals_close(store);
}

static void
cancel_is_final(void)
{
	struct approval_event ev = {0};

	set_up();
	create(T0);
	REQUIRE(approvals_cancel(store, st.id, "the client cancelled", T0, &ev));
	CHECK_INT(ev.state, APPROVAL_CANCELLED);
	CHECK(strcmp(ev.why, "the client cancelled") == 0);
	approval_event_done(&ev);
	CHECK(!approvals_cancel(store, st.id, "again", T0, &ev));
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_CLOSED);
	CHECK_INT(use(st.id, T0), APPROVAL_ERR_NOT_APPROVED);
	approvals_close(store);
}

static void
async_finds_the_same_bytes(void)
{
	struct approval_status again;

	set_up();
	CHECK(!approvals_find(store, &ask.subject, T0, &again));
	create(T0);
	REQUIRE(approvals_find(store, &ask.subject, T0 + 1, &again));
	CHECK(strcmp(again.id, st.id) == 0);
	CHECK(!approvals_find(store, &ask.subject, T0 + 15 * MINUTE, &again));
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	REQUIRE(approvals_find(store, &ask.subject, T0 + 2 * MINUTE, &again));
	CHECK_INT(use(again.id, T0 + 2 * MINUTE), APPROVAL_ERR_NONE);
	CHECK(!approvals_find(store, &ask.subject, T0 + 2 * MINUTE, &again));
	approvals_close(store);
}

static void
many_uses_within_a_window(void)
{
	set_up();
	ask.max_uses = 0;
	create(T0);
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	for (int i = 0; i < 5; i++)
		CHECK_INT(use(st.id, T0 + 2 * MINUTE), APPROVAL_ERR_NONE);
	CHECK_INT(use(st.id, T0 + 11 * MINUTE), APPROVAL_ERR_NOT_APPROVED);
	approvals_close(store);
}

static void
floods_are_bounded(void)
{
	struct approvals_limits limits = {.per_principal = 3, .total = 5};
	struct approval_event ev = {0};

	set_up();
	approvals_close(store);
	store = approvals_open(NULL, &limits);
	for (int i = 0; i < 3; i++)
		create(T0);
	CHECK_INT(approvals_create(store, &ask, T0, &st, &ev), APPROVAL_ERR_FULL_PRINCIPAL);
	ask.subject.principal = SLICE_LIT("other");
	create(T0);
	create(T0);
	ask.subject.principal = SLICE_LIT("third");
	CHECK_INT(approvals_create(store, &ask, T0, &st, &ev), APPROVAL_ERR_FULL);
	/* Closed ones do not count, and do not pile up. */
	approvals_sweep(store, T0 + 15 * MINUTE, NULL, NULL);
	for (int i = 0; i < 40; i++) {
		create(T0 + 15 * MINUTE);
		REQUIRE(approvals_cancel(store, st.id, "x", T0 + 15 * MINUTE, &ev));
		approval_event_done(&ev);
	}
	approvals_close(store);
}

static void
what_cannot_be_shown_cannot_be_approved(void)
{
	static char big[APPROVAL_MAX_TEXT + 2];
	static const char *bad[] = {
		"drop\x1b[2K table people", "select 1 \xe2\x80\xae--", "a\x7f", "\xc2\x85",
		"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xe2\x81\xa6x", "\xd8\x9c",
	};

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		set_up();
		ask.statement = slice_str(bad[i]);
		create(T0);
		CHECK(st.unapprovable != NULL);
		CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_UNSHOWABLE);
		CHECK_INT(HUMAN("ana", g_dba, false, "cannot read it"), APPROVAL_ERR_NONE);
		approvals_close(store);
	}
	set_up();
	memset(big, 'x', sizeof(big));
	ask.statement = slice_of(big, sizeof(big));
	create(T0);
	CHECK(st.unapprovable && strstr(st.unapprovable, "too long"));
	ask.statement = SLICE_LIT("select '\xe4\xbd\xa0\xe5\xa5\xbd'\n\t;\r\n");
	create(T0);
	CHECK(st.unapprovable == NULL);
	ask.parameters = slice_of(big, sizeof(big));
	create(T0);
	CHECK(st.unapprovable && strstr(st.unapprovable, "parameters"));
	ask.parameters = (struct slice){0};
	ask.n_needs = 0;
	create(T0);
	CHECK(st.unapprovable && strstr(st.unapprovable, "nobody"));
	approvals_close(store);
}

static void
visible_text(void)
{
	struct buf b = {0};

	approval_put_visible(&b, SLICE_LIT("a\x1b[2K\xe2\x80\xae\xe2\x80\x8b\xc3\xa9\xff\r\n\tz"), true);
	CHECK_SLICE(buf_slice(&b), "a\\x1b[2K\\u{202e}\\u{200b}\xc3\xa9\\xff\\r\n\tz");
	buf_reset(&b);
	approval_put_visible(&b, SLICE_LIT("a\nb\tc\xe2\x80\xa8"), false);
	CHECK_SLICE(buf_slice(&b), "a\\nb\\tc\\u{2028}");
	buf_reset(&b);
	approval_put_visible(&b, SLICE_LIT("\xe2\x80"), false); /* cut short */
	CHECK_SLICE(buf_slice(&b), "\\xe2\\x80");
	buf_fini(&b);
}

static void
parameters_have_one_digest(void)
{
	struct approval_param p[2] = {{25, false, false, SLICE_LIT("ab")}, {25, false, false, SLICE_LIT("c")}};
	struct approval_param q[2] = {{25, false, false, SLICE_LIT("a")}, {25, false, false, SLICE_LIT("bc")}};
	uint8_t none[SHA256_LEN] = {0}, a[SHA256_LEN], b[SHA256_LEN];

	approval_params_digest(a, p, 0);
	CHECK(memcmp(a, none, sizeof(a)) == 0);
	approval_params_digest(a, p, 2);
	approval_params_digest(b, q, 2);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	q[0] = p[0];
	q[1] = (struct approval_param){25, false, true, {0}};
	approval_params_digest(a, q, 2);
	q[1].null = false;
	approval_params_digest(b, q, 2);
	CHECK(memcmp(a, b, sizeof(a)) != 0);
}

/* Several workers race to use one release, while others create, decide and sweep. */
static atomic_int race_used, race_refused;

static void *
race(void *arg)
{
	struct approval_event ev = {0};
	struct approval_status mine;
	const char *id = arg;

	for (int i = 0; i < 200; i++) {
		if (approvals_use(store, id, &ask.subject, T0 + 2 * MINUTE, &ev) ==
		    APPROVAL_ERR_NONE) {
			atomic_fetch_add(&race_used, 1);
			approval_event_done(&ev);
		}
		if (approvals_create(store, &ask, T0 + 2 * MINUTE, &mine, &ev) ==
		    APPROVAL_ERR_NONE) {
			struct approval_decider by = {SLICE_LIT("bo"), PRINCIPAL_HUMAN, g_dba, 1,
						      SLICE_LIT("r"), {0}};
			approval_event_done(&ev);
			if (approvals_decide(store, mine.id, i & 1, &by, T0 + 2 * MINUTE) !=
			    APPROVAL_ERR_NONE)
				atomic_fetch_add(&race_refused, 1);
			if (approvals_cancel(store, mine.id, "x", T0 + 2 * MINUTE, &ev))
				approval_event_done(&ev);
		}
		approvals_sweep(store, T0 + 2 * MINUTE, NULL, NULL);
	}
	return NULL;
}

static int
record_quietly(void *ctx UNUSED, const struct approval_event *ev)
{
	return ev->by[0] ? 0 : -EINVAL;
}

static void
one_use_under_a_race(void)
{
	struct approvals_hooks hooks = {.record = record_quietly};
	pthread_t t[4];
	char id[APPROVAL_ID_LEN + 1];

	set_up();
	approvals_close(store);
	store = approvals_open(&hooks, NULL);
	create(T0);
	memcpy(id, st.id, sizeof(id));
	CHECK_INT(HUMAN("ana", g_dba, true, ""), APPROVAL_ERR_NONE);
	race_used = race_refused = 0;
	for (size_t i = 0; i < COUNT_OF(t); i++)
		CHECK_INT(pthread_create(&t[i], NULL, race, id), 0);
	for (size_t i = 0; i < COUNT_OF(t); i++)
		pthread_join(t[i], NULL);
	CHECK_INT(race_used, 1);
	CHECK_INT(race_refused, 0);
	approvals_close(store);
}

static void
names(void)
{
	enum approval_state s;

	CHECK(approval_state_parse(SLICE_LIT("pending"), &s) && s == APPROVAL_PENDING);
	CHECK(!approval_state_parse(SLICE_LIT("Pending"), &s));
	for (int e = 0; e < APPROVAL_N_ERRORS; e++) {
		CHECK(approval_error_code(e)[0] && approval_error_text(e)[0]);
		CHECK(e == APPROVAL_ERR_NONE || approval_error_hint(e)[0]);
		CHECK(e == APPROVAL_ERR_NONE || approval_error_status(e) >= 400);
	}
	CHECK(strcmp(approval_event_name(APPROVAL_EV_USE), "approval.use") == 0);
	CHECK(strcmp(approval_state_name(APPROVAL_USED), "used") == 0);
}

TEST_MAIN(TEST(approve_and_use_once), TEST(binding_covers_every_part), TEST(binding_is_stable),
	  TEST(who_may_not), TEST(self_approval_only_when_the_rule_lets),
	  TEST(required_reason_and_ticket), TEST(two_people_fill_two_places),
	  TEST(one_person_serves_two_rules), TEST(two_of_one_group), TEST(one_rejection_ends_it),
	  TEST(a_release_can_be_taken_back_until_used), TEST(nothing_happens_without_a_record),
	  TEST(expires), TEST(who_may_not_any_more), TEST(another_policy_ends_a_release),
	  TEST(cancel_is_final), TEST(async_finds_the_same_bytes),
	  TEST(many_uses_within_a_window), TEST(floods_are_bounded),
	  TEST(what_cannot_be_shown_cannot_be_approved), TEST(visible_text),
	  TEST(parameters_have_one_digest), TEST(one_use_under_a_race), TEST(names))
