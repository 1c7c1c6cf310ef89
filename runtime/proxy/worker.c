/* SPDX-License-Identifier: MIT */
#include "proxy/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/conn.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FACTS_CACHE = 16 << 20,	  /* bytes of statement shapes and facts a worker remembers */
	RESULT_WAIT_NS = 2000000, /* how long a result's record may wait for company */
	/* Of a cancel pid: the slot from 1, as drivers take 0 for none; the rest is the worker. */
	SLOT_MASK = 0xffffff,
	SURPLUS = 32,  /* connections beyond the limit, to be told so, and for cancel requests */
	ALONE_AFTER = 64, /* deliveries in a row to one session */
	STOP_MS = 200, /* for last words and cancel requests at the end */
};

struct message {
	enum message_kind {
		MSG_EPOCH,
		MSG_CATALOG,
		MSG_PASSWORD,
		MSG_CANCEL,
		MSG_TAKEN,
		MSG_APPROVAL,
		MSG_POOL,
		MSG_PING,
		MSG_DRAIN,
		MSG_STOP,
	} kind;
	struct message *next;
	struct epoch *epoch;
	size_t target;
	struct catalog_ref *catalog;
	char trouble[200];
	struct catalog_age age;
	struct password_news password;
	uint32_t pid;
	uint8_t key[PG_CANCEL_KEY_MAX];
	size_t n_key;
	uint64_t waiter;
};

struct worker {
	struct worker_config config;
	struct worker_shared shared;
	struct ring_listener listener;
	atomic_uint pings, pongs;
	struct ring_event inbox_event, audit_event;
	struct ring_timer stop_timer;
	struct ring_timer flush_timer; /* of records that nobody waits for */
	pthread_t thread;

	pthread_mutex_t lock; /* of the inbox and of `started` */
	pthread_cond_t changed;
	struct message *inbox, **inbox_end;
	bool started, failed, stopping, drain_told;
	char error[256];

	char (*troubles)[200]; /* by target: what gate_set_catalog refers to */
	struct worker_stats stats; /* published each turn, read by anybody */
	struct pool_stats *pools;  /* likewise, by target */
};

struct worker_shared *
worker_shared(struct worker *w)
{
	return &w->shared;
}

const struct worker_config *
worker_config(const struct worker *w)
{
	return &w->config;
}

static uint32_t
n_slots(const struct worker *w)
{
	return w->config.max_connections + SURPLUS;
}

void
worker_conn_gone(struct worker *w, struct conn *c)
{
	struct worker_shared *sh = &w->shared;

	assert(sh->conns[c->slot] == c);
	sh->conns[c->slot] = NULL;
	sh->free_slots[sh->n_free++] = c->slot;
	sh->n_conns--;
	atomic_fetch_sub(w->config.n_connections, 1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct message *
message_new(enum message_kind kind)
{
	struct message *m = calloc(1, sizeof(*m));

	assert(m != NULL);
	m->kind = kind;
	return m;
}

static void
post(struct worker *w, struct message *m)
{
	pthread_mutex_lock(&w->lock);
	*w->inbox_end = m;
	w->inbox_end = &m->next;
	pthread_mutex_unlock(&w->lock);
	ring_event_signal(&w->inbox_event);
}

void
worker_post_epoch(struct worker *w, struct epoch *e)
{
	struct message *m = message_new(MSG_EPOCH);

	m->epoch = e;
	post(w, m);
}

void
worker_post_catalog(struct worker *w, size_t target, struct catalog_ref *c, const char *trouble,
		    struct catalog_age age)
{
	struct message *m = message_new(MSG_CATALOG);

	m->target = target;
	m->catalog = c;
	m->age = age;
	if (trouble)
		snprintf(m->trouble, sizeof(m->trouble), "%s", trouble);
	post(w, m);
}

void
worker_post_password(struct worker *w, size_t target, struct password_news news)
{
	struct message *m = message_new(MSG_PASSWORD);

	m->target = target;
	m->password = news;
	post(w, m);
}

void
worker_post_cancel(struct worker *w, uint32_t pid, struct slice key, uint64_t waiter)
{
	struct message *m = message_new(MSG_CANCEL);

	m->pid = pid;
	m->n_key = key.n < sizeof(m->key) ? key.n : sizeof(m->key);
	memcpy(m->key, key.p, m->n_key);
	m->waiter = waiter;
	post(w, m);
}

void
worker_post_taken(struct worker *w, uint64_t waiter)
{
	struct message *m = message_new(MSG_TAKEN);

	m->waiter = waiter;
	post(w, m);
}

void
worker_post_approval(struct worker *w, const char *id UNUSED, uint64_t waiter)
{
	struct message *m = message_new(MSG_APPROVAL);

	m->waiter = waiter;
	post(w, m);
}

void
worker_ping(struct worker *w)
{
	atomic_fetch_add(&w->pings, 1);
	post(w, message_new(MSG_PING));
}

bool
worker_answers(const struct worker *w)
{
	return atomic_load(&w->pongs) == atomic_load(&w->pings);
}

void
worker_post_pool(struct worker *w, size_t target)
{
	struct message *m = message_new(MSG_POOL);

	m->target = target;
	post(w, m);
}

void
worker_drain(struct worker *w)
{
	post(w, message_new(MSG_DRAIN));
}

static void
each_session(struct worker *w, void (*fn)(struct session *s))
{
	for (uint32_t i = 0; i < n_slots(w); i++)
		if (w->shared.conns[i])
			fn(w->shared.conns[i]->session);
}

static void
each_conn(struct worker *w, void (*fn)(struct conn *c))
{
	for (uint32_t i = 0; i < n_slots(w); i++)
		if (w->shared.conns[i])
			fn(w->shared.conns[i]);
}

static void
stop_now(void *ctx)
{
	each_conn(ctx, conn_end_now);
}

/* Who waits at the door is judged by the new policy, who waits for a password may have it. */
static void
reloaded(struct session *s)
{
	if (s->phase == SESSION_HELD || s->phase == SESSION_WAITING)
		session_kick(s);
}

static void
set_password(struct worker *w, struct message *m)
{
	gate_set_password(w->shared.env.gate, m->target, m->password);
	pool_look(w->shared.pool, m->target);
	each_session(w, reloaded);
}

void
worker_password_refused(struct worker *w, size_t target, uint64_t epoch, uint64_t version)
{
	if (gate_password_refused(w->shared.env.gate, target, epoch, version))
		w->config.host->password_refused(w->config.host->ctx, target, epoch, version);
}

static void
pool_password_refused(void *ctx, size_t target, uint64_t epoch, uint64_t version)
{
	worker_password_refused(ctx, target, epoch, version);
}

static void
set_catalog(struct worker *w, struct message *m)
{
	memcpy(w->troubles[m->target], m->trouble, sizeof(m->trouble));
	gate_set_catalog(w->shared.env.gate, m->target, m->catalog, w->troubles[m->target], m->age);
	each_session(w, session_kick);
}

static struct session *
session_at(struct worker *w, uint32_t slot)
{
	if (slot >= n_slots(w) || !w->shared.conns[slot])
		return NULL;
	return w->shared.conns[slot]->session;
}

/* Takes the reference over. What sessions have begun with of it they keep. */
static void
use_epoch(struct worker *w, struct epoch *e)
{
	struct session_env *env = &w->shared.env;

	gate_set_epoch(env->gate, e);
	env->tls = e->tls != NULL;
	env->tls_binding = e->tls ? tls_server_end_point(e->tls) : (struct slice){0};
	env->notice_ms = e->config.notice_seconds * 1000;
	env->login_ms = e->config.login_seconds * 1000;
	env->max_message = e->config.max_message_bytes;
}

static void
handle(struct worker *w, struct message *m)
{
	struct worker_shared *sh = &w->shared;
	struct session *s;

	switch (m->kind) {
	case MSG_EPOCH:
		use_epoch(w, m->epoch);
		pool_reload(sh->pool);
		each_session(w, reloaded);
		break;
	case MSG_CATALOG:
		set_catalog(w, m);
		break;
	case MSG_PASSWORD:
		set_password(w, m);
		break;
	case MSG_CANCEL:
		s = session_at(w, (m->pid & SLOT_MASK) - 1);
		if (s)
			session_cancel(s, slice_of(m->key, m->n_key));
		w->config.host->cancelled(w->config.host->ctx, m->waiter);
		break;
	case MSG_TAKEN:
		s = session_at(w, (uint32_t) m->waiter);
		if (s)
			session_cancel_taken(s);
		break;
	case MSG_APPROVAL:
		/* A slot that has moved on only looks and finds nothing new. */
		s = session_at(w, (uint32_t) m->waiter);
		if (s)
			session_kick(s);
		break;
	case MSG_PING:
		atomic_fetch_add(&w->pongs, 1);
		break;
	case MSG_POOL:
		pool_look(sh->pool, m->target);
		break;
	case MSG_DRAIN:
		sh->draining = true;
		ring_unlisten(&w->listener);
		pool_drain(sh->pool);
		each_conn(w, conn_drain);
		break;
	case MSG_STOP:
		w->stopping = true;
		ring_unlisten(&w->listener);
		pool_drain(sh->pool);
		each_conn(w, conn_end_soon);
		if (ring_timer_at(sh->ring, &w->stop_timer,
				  ring_now(sh->ring) + STOP_MS * NS_PER_MS, stop_now, w) < 0)
			stop_now(w);
		break;
	}
}

static void
read_inbox(void *ctx)
{
	struct worker *w = ctx;
	struct message *m;

	pthread_mutex_lock(&w->lock);
	m = w->inbox;
	w->inbox = NULL;
	w->inbox_end = &w->inbox;
	pthread_mutex_unlock(&w->lock);
	while (m) {
		struct message *next = m->next;

		handle(w, m);
		free(m);
		m = next;
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Everybody whose record is durable goes on; who must wait longer parks again. */
static void
release_durable(struct worker *w)
{
	struct worker_shared *sh = &w->shared;
	struct conn *c = sh->parked, *next;
	bool failed = audit_state(w->config.audit) == AUDIT_FAILED;

	for (; c; c = next) {
		next = c->wait_next;
		if (c->wait_ticket > sh->durable && !failed)
			continue;
		*c->wait_at = c->wait_next;
		if (c->wait_next)
			c->wait_next->wait_at = c->wait_at;
		c->wait_ticket = 0;
		if (failed)
			session_fatal(c->session, "58030", "WEIR-AUDIT", "the audit log has failed",
				      "the gateway's operator must look at its log and disk");
		else
			session_durable(c->session);
	}
}

static void
publish(struct worker *w)
{
	struct worker_stats *st = &w->stats;
	const struct worker_shared *sh = &w->shared;

	pool_stats(sh->pool, w->pools);
	st->ring = *ring_counters(sh->ring);
	st->gate = gate_stats(sh->env.gate);
	st->connections = sh->n_conns;
	st->accepted = sh->accepted;
	st->gave_way = sh->gave_way;
	st->sessions = sh->env.counters.sessions;
	st->commands = sh->env.counters.commands;
	st->allowed = sh->env.counters.allowed;
	st->denied = sh->env.counters.denied;
	st->held = sh->env.counters.held;
	st->limited = sh->env.counters.limited;
	st->lookups = sh->env.counters.lookups;
	st->rows_dropped = sh->env.counters.rows_dropped;
	st->cells_masked = sh->env.counters.cells_masked;
	st->auth_failures = sh->env.counters.auth_failures;
	st->protocol_errors = sh->env.counters.protocol_errors;
	st->command_allocs = sh->env.counters.allocs;
}

static void
flush_records(void *ctx)
{
	struct worker *w = ctx;

	w->shared.unflushed = false;
	audit_flush(w->config.audit, w->config.index);
}

/* Records that somebody waits for travel, and no news of the committer is slept over (audit.h has
 * the protocol). */
static void
arm_records(struct worker *w)
{
	struct worker_shared *sh = &w->shared;
	const struct worker_config *c = &w->config;

	sh->unflushed = false;
	ring_timer_stop(sh->ring, &w->flush_timer);
	while (!audit_arm(c->audit, c->index, sh->durable)) {
		uint64_t durable = audit_durable(c->audit, c->index);

		if (durable == sh->durable && audit_state(c->audit) != AUDIT_FAILED)
			break;
		sh->durable = durable;
		release_durable(w);
		if (audit_state(c->audit) == AUDIT_FAILED)
			break;
	}
}

/* One client has had the worker to itself for a while, and waits for its record. */
static bool
alone(const struct worker_shared *sh)
{
	return sh->parked && !sh->parked->wait_next && sh->parked == sh->last_active &&
	       sh->n_in_a_row >= ALONE_AFTER;
}

/* The two hand-overs between threads cost a lone client more time than anything but the flush, and
 * while it waits there is nobody else to serve (docs/decisions/0005). */
static void
commit_alone(void *ctx)
{
	struct worker *w = ctx;
	const struct worker_config *c = &w->config;

	if (audit_commit_now(c->audit)) {
		w->shared.unflushed = false;
		ring_timer_stop(w->shared.ring, &w->flush_timer);
		w->shared.durable = audit_durable(c->audit, c->index);
		release_durable(w);
	}
	if (w->shared.parked)
		arm_records(w);
}

/* Right before the ring waits. What nobody waits for, the results, goes with the next batch: a
 * flush of its own would double the flushes of a lone client. */
static void
before_wait(void *ctx)
{
	struct worker *w = ctx;
	struct worker_shared *sh = &w->shared;

	pool_run(sh->pool);
	publish(w);
	ring_send_at_once(sh->ring, sh->n_in_a_row >= ALONE_AFTER);
	if (alone(sh))
		ring_after_submit(sh->ring, commit_alone, w);
	else if (sh->parked)
		arm_records(w);
	else if (sh->unflushed && !w->flush_timer.index &&
		 ring_timer_at(sh->ring, &w->flush_timer, ring_now(sh->ring) + RESULT_WAIT_NS,
			       flush_records, w) < 0)
		flush_records(w);
}

static void
audit_news(void *ctx)
{
	struct worker *w = ctx;

	w->shared.durable = audit_durable(w->config.audit, w->config.index);
	release_durable(w);
}

static void
accepted(void *ctx, int fd)
{
	struct worker *w = ctx;

	w->shared.accepted++;
	conn_open(w, fd);
}

static bool
fail(struct worker *w, const char *what, int rc)
{
	snprintf(w->error, sizeof(w->error), "%s: %s", what, strerror(-rc));
	return false;
}

static bool
open_env(struct worker *w)
{
	struct worker_shared *sh = &w->shared;
	const struct config *cfg = &w->config.epoch->config;
	uint32_t n = n_slots(w);

	sh->env = (struct session_env){
		.gate = gate_open(FACTS_CACHE, cfg->n_targets, w->config.moves),
		.approvals = w->config.approvals,
		.knocks = w->config.knocks,
	};
	arena_init(&sh->env.arena, 0);
	sh->conns = calloc(n, sizeof(*sh->conns));
	sh->free_slots = calloc(n, sizeof(*sh->free_slots));
	w->troubles = calloc(cfg->n_targets, sizeof(*w->troubles));
	w->pools = calloc(cfg->n_targets + 1, sizeof(*w->pools));
	if (!w->pools || !sh->env.gate || !sh->conns || !sh->free_slots || !w->troubles)
		return fail(w, "memory", -ENOMEM);
	for (uint32_t i = 0; i < n; i++)
		sh->free_slots[i] = n - 1 - i;
	sh->n_free = n;
	use_epoch(w, w->config.epoch);
	return true;
}

static void
wake_pool(void *ctx, size_t target, unsigned worker)
{
	struct worker *w = ctx;

	w->config.host->pool(w->config.host->ctx, target, worker, w->config.index);
}

static bool
open_pool(struct worker *w)
{
	struct worker_shared *sh = &w->shared;
	const struct config *cfg = &w->config.epoch->config;
	struct pool_config pc = {.worker = w->config.index,
				 .n_workers = w->config.n_workers,
				 .n_targets = cfg->n_targets,
				 .ring = sh->ring,
				 .gate = sh->env.gate,
				 .quota = w->config.quota,
				 .ctx = w,
				 .wake = wake_pool,
				 .password_refused = pool_password_refused};

	sh->pool = pool_open(&pc);
	return sh->pool != NULL;
}

static bool
open_ring(struct worker *w)
{
	struct worker_shared *sh = &w->shared;
	const struct endpoint *at = &w->config.epoch->config.listen_postgres;
	struct ring_config rc = {.max_slots = n_slots(w) * 3 + 16};
	int r;

	r = ring_open(&sh->ring, &rc, w->error, sizeof(w->error));
	if (r < 0)
		return false;
	if (!open_pool(w))
		return fail(w, "memory", -ENOMEM);
	ring_before_wait(sh->ring, before_wait, w);
	r = ring_event_open(sh->ring, &w->inbox_event, read_inbox, w);
	if (r < 0)
		return fail(w, "eventfd", r);
	r = ring_event_watch(sh->ring, &w->audit_event,
			     audit_eventfd(w->config.audit, w->config.index), audit_news, w);
	if (r < 0)
		return fail(w, "audit eventfd", r);
	r = ring_listen(sh->ring, &w->listener, (const struct sockaddr *) &at->addr, at->addr_len,
			accepted, w);
	if (r < 0)
		return fail(w, at->text, r);
	return true;
}

static void
close_all(struct worker *w)
{
	struct worker_shared *sh = &w->shared;

	if (sh->ring) {
		ring_before_wait(sh->ring, NULL, NULL);
		if (sh->pool)
			pool_abort(sh->pool);
		ring_timer_stop(sh->ring, &w->stop_timer);
		ring_event_close(&w->inbox_event);
		ring_event_close(&w->audit_event);
		ring_timer_stop(sh->ring, &w->flush_timer);
		ring_unlisten(&w->listener);
		/* Closing slots still owe completions. */
		for (int i = 0; i < 1000 && ring_live(sh->ring); i++)
			if (ring_turn(sh->ring, NS_PER_MS) < 0)
				break;
		if (!ring_live(sh->ring)) {
			pool_free(sh->pool);
			ring_close(sh->ring);
		}
	}
	gate_close(sh->env.gate);
	session_env_fini(&sh->env);
	free(sh->conns);
	free(sh->free_slots);
}

static void *
run(void *ctx)
{
	struct worker *w = ctx;
	bool ok;

	ok = open_env(w) && open_ring(w);
	pthread_mutex_lock(&w->lock);
	w->started = true;
	w->failed = !ok;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	while (ok && !(w->stopping && w->shared.n_conns == 0)) {
		int rc = ring_turn(w->shared.ring, UINT64_MAX);

		if (rc < 0) {
			log_error("worker %u: the ring is broken: %s", w->config.index, strerror(-rc));
			break;
		}
		if (w->shared.draining && w->shared.n_conns == 0 && !w->drain_told) {
			w->drain_told = true;
			w->config.host->drained(w->config.host->ctx, w->config.index);
		}
	}
	close_all(w);
	return NULL;
}

struct worker *
worker_start(const struct worker_config *c, struct buf *error)
{
	struct worker *w = calloc(1, sizeof(*w));
	char name[16];

	assert(w != NULL);
	assert(c->max_connections <= SLOT_MASK - SURPLUS);
	w->config = *c;
	w->inbox_end = &w->inbox;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		buf_puts(error, "cannot start a thread\n");
		free(w);
		return NULL;
	}
	snprintf(name, sizeof(name), "weir-worker-%u", c->index);
	pthread_setname_np(w->thread, name);
	pthread_mutex_lock(&w->lock);
	while (!w->started)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	if (!w->failed)
		return w;
	pthread_join(w->thread, NULL);
	buf_printf(error, "worker %u: %s\n", c->index, w->error);
	free(w->troubles);
	free(w->pools);
	free(w);
	return NULL;
}

void
worker_stop(struct worker *w)
{
	struct message *m;

	if (!w)
		return;
	post(w, message_new(MSG_STOP));
	pthread_join(w->thread, NULL);
	while ((m = w->inbox) != NULL) {
		w->inbox = m->next;
		epoch_unref(m->epoch);
		catalog_ref_put(m->catalog);
		password_put(m->password.password);
		free(m);
	}
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w->troubles);
	free(w->pools);
	free(w);
}

const struct pool_stats *
worker_pools(const struct worker *w)
{
	return w->pools;
}

void
worker_stats(const struct worker *w, struct worker_stats *s)
{
	*s = w->stats;
}
