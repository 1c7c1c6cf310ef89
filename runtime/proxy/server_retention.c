/* SPDX-License-Identifier: MIT
 *
 * The thread that removes what is older than the configuration's `retention` from the audit log:
 * reading segments again takes too long for the main thread. It looks once an hour (under a
 * retention of a few days more often), the first time after as long: a clock that is wrong when the
 * machine starts has until then to be set right. One that is set forward later has as long.
 */
#include "audit/prune.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/server_internal.h"
#include "proxy/server_steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	HOUR = 3600,
	LOOKS = 100,  /* in the time of the retention, at least */
	LEAP_S = 60, /* that a clock goes ahead by itself between two looks, at the very most */
};

struct retention {
	struct server *s;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool stop;
	bool changed; /* with lock: the configuration has, or it is to stop */
	/* The thread's own. */
	uint64_t wall_ns, mono_ns; /* of the last look */
	uint64_t stays_ns; /* newest record of the oldest segment; 0: not known */
	uint64_t told_until; /* what a hold keeps, as recorded last */
	struct buf trouble;  /* as told last */
};

static void
tell(struct retention *t, const struct prune_report *r, struct slice trouble)
{
	char oldest[28], newest[28];

	if (r->segments) {
		clock_format(r->oldest_ns, oldest);
		clock_format(r->newest_ns, newest);
		log_info("retention pruned segments=%llu records=%llu-%llu from=%s to=%s bytes=%llu",
			 (unsigned long long) r->segments, (unsigned long long) r->first,
			 (unsigned long long) r->until - 1, oldest, newest,
			 (unsigned long long) r->bytes);
	}
	/* Once, not each hour again. */
	if (trouble.n && !slice_eq(trouble, buf_slice(&t->trouble)))
		log_error("retention: %.*s", SLICE_ARG(trouble));
	buf_reset(&t->trouble);
	buf_put_slice(&t->trouble, trouble);
}

/* Whether the time of day is ahead of the time that went by since the last look: what is new would
 * look old. It counts when nobody has set it back until the next. */
static bool
leapt(struct retention *t, uint64_t wall, uint64_t mono)
{
	uint64_t due = t->wall_ns + (mono - t->mono_ns);
	bool leap = wall > due + LEAP_S * NS_PER_S;

	if (leap)
		log_warn("retention: the clock was set forward by %llu s; nothing is removed before "
			 "the next look", (unsigned long long) ((wall - due) / NS_PER_S));
	t->wall_ns = wall;
	t->mono_ns = mono;
	return leap;
}

static void
look(struct retention *t, const struct config *c)
{
	char policy[64];
	uint64_t now = clock_wall_ns(), age = c->retention_seconds * NS_PER_S;
	struct audit_principal who = {.kind = AUDIT_principal_kind_NODE,
				      .subject = slice_str("weir"),
				      .assurance = AUDIT_assurance_PROVEN};
	struct prune_request q = {.by = "the gateway", .policy = policy, .who = &who,
				  .told_until = t->told_until, .stop = &t->stop};
	struct prune_report r;
	struct buf error = {0};

	if (leapt(t, now, clock_mono_ns()) || age >= now ||
	    (t->stays_ns && t->stays_ns >= now - age))
		return;
	snprintf(policy, sizeof(policy), "retention %.40s", c->retention);
	q.cutoff_ns = now - age;
	if (audit_prune(t->s->audit, t->s->retention_lane, &q, &r, &error) == 0) {
		t->stays_ns = r.kept_ns;
		if (r.held_until && r.held_until != t->told_until)
			log_warn("retention held hold=%s records=%llu", r.held_by,
				 (unsigned long long) r.held_until - 1);
		t->told_until = r.held_until;
	}
	tell(t, &r, buf_slice(&error));
	buf_fini(&error);
}

static uint64_t
pause_seconds(const struct config *c)
{
	uint64_t n = c->retention_seconds ? c->retention_seconds / LOOKS : HOUR;

	return n < 1 ? 1 : n > HOUR ? HOUR : n;
}

/* Sleeps for so long or until the configuration changes. True: it slept. */
static bool
sleep_for(struct retention *t, uint64_t seconds)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t) seconds;
	pthread_mutex_lock(&t->lock);
	while (!t->changed && rc == 0)
		rc = pthread_cond_timedwait(&t->wake, &t->lock, &until);
	t->changed = false;
	pthread_mutex_unlock(&t->lock);
	return rc == ETIMEDOUT;
}

static void *
run(void *arg)
{
	struct retention *t = arg;

	pthread_setname_np(pthread_self(), "weir-retention");
	while (!atomic_load(&t->stop)) {
		struct epoch *e = server_epoch(t->s);

		if (sleep_for(t, pause_seconds(&e->config)) && e->config.retention_seconds)
			look(t, &e->config);
		epoch_unref(e);
	}
	return NULL;
}

bool
server_open_retention(struct server *s, struct buf *error)
{
	struct retention *t = calloc(1, sizeof(*t));
	pthread_condattr_t clock;
	int err;

	assert(t != NULL);
	t->s = s;
	t->wall_ns = clock_wall_ns();
	t->mono_ns = clock_mono_ns();
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &clock);
	pthread_condattr_destroy(&clock);
	err = pthread_create(&t->thread, NULL, run, t);
	if (err == 0) {
		s->retention = t;
		return true;
	}
	free(t);
	buf_printf(error, "cannot start a thread: %s\n", strerror(err));
	return false;
}

static void
wake(struct retention *t)
{
	pthread_mutex_lock(&t->lock);
	t->changed = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void
server_wake_retention(struct server *s)
{
	if (s->retention)
		wake(s->retention);
}

/* A prune that is at work ends with the segment that it reads. */
void
server_close_retention(struct server *s)
{
	struct retention *t = s->retention;

	if (!t)
		return;
	atomic_store(&t->stop, true);
	wake(t);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	buf_fini(&t->trouble);
	free(t);
	s->retention = NULL;
}
