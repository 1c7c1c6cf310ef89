/* SPDX-License-Identifier: MIT */
#include "proxy/pool_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"

#include <stdlib.h>

/* Whoever waits longer than this for a connection of its own key gets one that another key has. */
enum { PATIENCE_MS = 500 };

struct pool *
pool_open(const struct pool_config *c)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->config = *c;
	p->targets = calloc(c->n_targets + 1, sizeof(*p->targets));
	if (p->targets)
		return p;
	pool_free(p);
	return NULL;
}

void
pool_free(struct pool *p)
{
	if (!p)
		return;
	assert(!p->all);
	buf_wipe(&p->scratch);
	free(p->targets);
	free(p);
}

const struct config_target *
pool_target_config(const struct pool *p, size_t target)
{
	return gate_target_config(p->config.gate, target);
}

void
pool_todo(struct pool *p, size_t target)
{
	p->targets[target].todo = p->todo = p->changed = true;
}

/* What a reload to `pool none` leaves of sessions that share is served as before. */
static unsigned
size_of(const struct pool *p, size_t target)
{
	const struct config_pool *c = &pool_target_config(p, target)->pool;

	return c->mode == POOL_NONE ? UINT32_MAX : c->size;
}

static bool
keeps(const struct pool *p, size_t target)
{
	return !p->draining && pool_target_config(p, target)->pool.mode != POOL_NONE &&
	       !pool_quota_over(p->config.quota, target, size_of(p, target));
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct pool_key *
pool_key_get(struct pool *p, size_t target, enum pool_mode mode, struct slice startup,
	     uint16_t minor)
{
	struct pool_key *k = p->targets[target].keys;
	uint8_t *copy;

	while (k && !(k->mode == mode && slice_eq(k->startup, startup)))
		k = k->next;
	if (!k) {
		k = calloc(1, sizeof(*k));
		copy = malloc(startup.n + 1);
		assert(k != NULL && copy != NULL);
		memcpy(copy, startup.p, startup.n);
		copy[startup.n] = 0;
		*k = (struct pool_key){.next = p->targets[target].keys,
				       .pool = p,
				       .target = target,
				       .mode = mode,
				       .minor = minor,
				       .startup = slice_of(copy, startup.n)};
		p->targets[target].keys = k;
	}
	k->refs++;
	return k;
}

void
pool_key_put(struct pool_key *k)
{
	struct pool_key **at;

	if (!k || --k->refs)
		return;
	assert(!k->idle && !k->first);
	at = &k->pool->targets[k->target].keys;
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	buf_fini(&k->welcome);
	free((void *) (uintptr_t) k->startup.p);
	free(k);
}

const struct buf *
pool_key_welcome(const struct pool_key *k)
{
	return k->welcome.n ? &k->welcome : NULL;
}

/* ---- connections ----------------------------------------------------------------------------- */

void
pooled_add(struct pool_key *k, struct pooled *c)
{
	struct pool *p = k->pool;

	c->key = k;
	k->refs++;
	k->n_opening++;
	c->all_next = p->all;
	c->all_at = &p->all;
	if (p->all)
		p->all->all_at = &c->all_next;
	p->all = c;
	p->targets[k->target].stats.open++;
	p->targets[k->target].stats.opened++;
	p->changed = true;
}

void
pooled_unlink(struct pooled *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->key->idle = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->next = c->prev = NULL;
	c->key->n_idle--;
}

static void idle_over(void *ctx);

static void
watch_idle(struct pool *p, uint64_t at)
{
	if (p->idle_timer.index && p->idle_timer.due_ns <= at)
		return;
	if (ring_timer_at(p->config.ring, &p->idle_timer, at, idle_over, p) < 0)
		log_error("no memory for a timer");
}

static uint64_t
idle_until(const struct pooled *c)
{
	return c->idle_since +
	       pool_target_config(c->key->pool, c->key->target)->pool.idle_seconds * NS_PER_S;
}

static void
idle_over(void *ctx)
{
	struct pool *p = ctx;
	uint64_t now = ring_now(p->config.ring), next = UINT64_MAX;

	for (struct pooled *c = p->all; c; c = c->all_next) {
		if (c->state != POOLED_IDLE)
			continue;
		if (idle_until(c) <= now)
			pooled_close(c);
		else if (idle_until(c) < next)
			next = idle_until(c);
	}
	if (next != UINT64_MAX)
		watch_idle(p, next);
}

void
pooled_idle(struct pooled *c)
{
	struct pool_key *k = c->key;
	struct pool *p = k->pool;

	if (c->state < POOLED_IDLE)
		k->n_opening--;
	c->state = POOLED_IDLE;
	c->idle_since = ring_now(p->config.ring);
	c->next = k->idle;
	c->prev = NULL;
	if (k->idle)
		k->idle->prev = c;
	k->idle = c;
	k->n_idle++;
	p->changed = true;
	if (!keeps(p, k->target) && !k->first)
		pooled_close(c);
	else if (k->first || pool_quota_asked(p->config.quota, k->target, p->config.worker, true))
		pool_todo(p, k->target);
	if (c->state == POOLED_IDLE)
		watch_idle(p, idle_until(c));
}

static struct backend *
lend(struct pooled *c, const struct pool_waiter *w, struct stream **stream)
{
	struct pool_target *t = &c->key->pool->targets[c->key->target];

	pooled_unlink(c);
	c->state = POOLED_LENT;
	t->stats.handovers += c->lent_to != w;
	c->lent_to = w;
	t->stats.lent++;
	c->key->pool->changed = true;
	*stream = c->stream;
	return &c->backend;
}

void
pool_return(struct pool *p, struct backend *b, enum backend_left left)
{
	struct pooled *c = (struct pooled *) b;
	struct pool_target *t = &p->targets[c->key->target];

	/* P1 */
	assert(c->state == POOLED_LENT);
	t->stats.lent--;
	t->stats.prepared += b->n_prepared;
	b->n_prepared = 0;
	p->changed = true;
	stream_set_owner(c->stream, &pooled_ops, c);
	stream_resume(c->stream);
	stream_pace(c->stream, 0);
	pg_framer_init(&c->framer, PG_FROM_SERVER, c->framer.max_whole);
	if (left != BACKEND_UNKNOWN &&
	    (b->spoiled || (b->role_set && left == BACKEND_DIRTY))) {
		t->stats.spoiled++;
		pooled_close(c);
	} else if (left == BACKEND_UNKNOWN) {
		c->state = POOLED_CLEANING; /* whatever it is in the middle of: no good-bye */
		pooled_close(c);
	} else if (left == BACKEND_DIRTY && (!p->draining || c->key->first)) {
		pooled_clean(c);
	} else if (left == BACKEND_DIRTY) {
		pooled_close(c);
	} else {
		pooled_idle(c);
	}
}

void
pooled_gone(struct pooled *c, const char *cause)
{
	struct pool_key *k = c->key;
	struct pool *p = k->pool;
	size_t target = k->target;
	unsigned to;

	if (c->state == POOLED_IDLE)
		pooled_unlink(c);
	else if (c->state == POOLED_CLOSING)
		p->targets[target].n_closing--;
	else if (c->state < POOLED_IDLE)
		pooled_refused(c, cause, (struct slice){0});
	ring_timer_stop(p->config.ring, &c->timer);
	*c->all_at = c->all_next;
	if (c->all_next)
		c->all_next->all_at = c->all_at;
	server_login_wipe(&c->login);
	backend_fini(&c->backend);
	buf_fini(&c->pending);
	secret_wipe(&c->backend, sizeof(c->backend));
	free(c);
	p->targets[target].stats.open--;
	p->targets[target].stats.closed++;
	pool_key_put(k);
	pool_todo(p, target);
	to = pool_quota_give(p->config.quota, target, p->config.worker);
	if (to < p->config.n_workers && to != p->config.worker)
		p->config.wake(p->config.ctx, target, to);
}

void
pool_lost(struct pool *p, struct backend *b)
{
	struct pooled *c = (struct pooled *) b;

	/* P1 */
	assert(c->state == POOLED_LENT);
	p->targets[c->key->target].stats.lent--;
	pooled_gone(c, "");
}

/* ---- waiting --------------------------------------------------------------------------------- */

void
pool_withdraw(struct pool *p, struct pool_waiter *w)
{
	struct pool_key *k = w->key;

	if (!k)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		k->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		k->last = w->prev;
	w->next = w->prev = NULL;
	w->key = NULL;
	p->changed = true;
	k->n_waiting--;
	if (--p->targets[k->target].stats.waiting == 0)
		pool_quota_content(p->config.quota, k->target, p->config.worker);
}

/* Half a message in it: who knows. */
static struct pooled *
take_idle(struct pool_key *k)
{
	while (k->idle && k->idle->pending.n)
		pooled_close(k->idle);
	return k->idle;
}

struct backend *
pool_borrow(struct pool *p, struct pool_key *k, struct pool_waiter *w, struct stream **stream)
{
	struct pool_target *t = &p->targets[k->target];
	struct pooled *c = k->first ? NULL : take_idle(k);

	assert(!w->key);
	if (c)
		return lend(c, w, stream);
	if (t->stats.waiting >= pool_target_config(p, k->target)->pool.queue) {
		t->stats.refused++;
		p->changed = true;
		return NULL;
	}
	w->key = k;
	w->next = NULL;
	w->prev = k->last;
	w->since = ring_now(p->config.ring);
	if (k->last)
		k->last->next = w;
	else
		k->first = w;
	k->last = w;
	k->n_waiting++;
	t->stats.waiting++;
	t->stats.waits++;
	pool_todo(p, k->target);
	return NULL;
}

void
pooled_refused(struct pooled *c, const char *cause, struct slice word)
{
	struct pool_key *k = c->key;
	struct pool_waiter *w = k->first;

	assert(c->state < POOLED_IDLE);
	k->n_opening--;
	c->state = POOLED_CLEANING; /* no longer among those that open */
	log_error("target connection failed target=%s address=%s cause=%s",
		  pool_target_config(k->pool, k->target)->name,
		  pool_target_config(k->pool, k->target)->address.text, log_quote(cause).text);
	if (!w)
		return;
	pool_withdraw(k->pool, w);
	w->failed(w, cause, word);
}

void
pooled_doubted(struct pooled *c)
{
	struct pool_key *k = c->key;
	struct pool *p = k->pool;

	assert(c->state < POOLED_IDLE);
	k->n_opening--;
	c->state = POOLED_CLEANING; /* no longer among those that open */
	log_warn("target refused the password target=%s cause=%s",
		 pool_target_config(p, k->target)->name, log_quote(c->login.cause).text);
	p->config.password_refused(p->config.ctx, k->target, c->epoch, c->version);
}

static struct pool_key *
longest_waiting(const struct pool_target *t)
{
	struct pool_key *found = NULL;

	for (struct pool_key *k = t->keys; k; k = k->next)
		if (k->first && !k->idle && !k->n_opening &&
		    (!found || k->first->since < found->first->since))
			found = k;
	return found;
}

/* An idle connection, that of the longest idle one, which nobody of its key waits for (or, after
 * `patience`, somebody who came later). */
static struct pooled *
dispensable(struct pool *p, size_t target, const struct pool_key *for_key)
{
	bool patient = ring_now(p->config.ring) - for_key->first->since < PATIENCE_MS * NS_PER_MS;
	struct pooled *found = NULL;

	for (struct pool_key *k = p->targets[target].keys; k; k = k->next) {
		if (!k->idle || k == for_key ||
		    (k->first && (patient || k->first->since < for_key->first->since)))
			continue;
		for (struct pooled *c = k->idle; c; c = c->next)
			if (!found || c->idle_since < found->idle_since)
				found = c;
	}
	return found;
}

static bool
password_is_doubted(const struct pool *p, const struct pool_key *k)
{
	uint64_t epoch, version;

	return gate_password(p->config.gate, k->target, &epoch, &version) == PASSWORD_DOUBTED;
}

/* Connections for those who wait and have none on the way. */
static void
open_more(struct pool *p, struct pool_key *k)
{
	const char *cause = "";
	struct pool_waiter *w;

	while (k->n_waiting > k->n_opening + k->n_idle && !password_is_doubted(p, k)) {
		struct pooled *other;

		if (pool_quota_take(p->config.quota, k->target, p->config.worker,
				    size_of(p, k->target))) {
			if (pooled_open(k, &cause))
				continue;
			(void) pool_quota_give(p->config.quota, k->target, p->config.worker);
			w = k->first;
			pool_withdraw(p, w);
			w->failed(w, cause, (struct slice){0});
			continue;
		}
		if (p->targets[k->target].n_closing)
			return; /* when it is gone there is room */
		other = dispensable(p, k->target, k);
		if (other)
			pooled_close(other);
		else
			p->config.wake(p->config.ctx, k->target, p->config.n_workers);
		return;
	}
}

static void
serve_key(struct pool *p, struct pool_key *k)
{
	struct pooled *c;

	if (k->first && k->idle &&
	    pool_quota_asked(p->config.quota, k->target, p->config.worker, false))
		pooled_close(k->idle); /* another worker has fewer of them */
	while (k->first && (c = take_idle(k)) != NULL) {
		struct pool_waiter *w = k->first;
		struct pool_key *other = longest_waiting(&p->targets[k->target]);
		struct stream *stream;
		struct backend *b;

		if (other && other->first->since < w->since &&
		    dispensable(p, k->target, other) != NULL)
			return;
		pool_withdraw(p, w);
		b = lend(c, w, &stream);
		w->lent(w, b, stream);
	}
}

static void
serve(struct pool *p, size_t target)
{
	struct pool_target *t = &p->targets[target];
	struct pool_key *k, *next;

	/* Serving may be the end of a key. */
	for (k = t->keys; k; k = next) {
		k->refs++;
		serve_key(p, k);
		if (k->first)
			open_more(p, k);
		next = k->next;
		pool_key_put(k);
	}
	if (t->stats.waiting)
		return;
	for (k = t->keys; k; k = k->next)
		if (k->idle &&
		    pool_quota_asked(p->config.quota, target, p->config.worker, true)) {
			pooled_close(k->idle);
			return;
		}
}

void
pool_run(struct pool *p)
{
	while (p->todo) {
		p->todo = false;
		for (size_t i = 0; i < p->config.n_targets; i++)
			if (p->targets[i].todo) {
				p->targets[i].todo = false;
				serve(p, i);
			}
	}
}

void
pool_look(struct pool *p, size_t target)
{
	pool_todo(p, target);
}

/* ---- the whole ------------------------------------------------------------------------------- */

void
pool_reload(struct pool *p)
{
	for (struct pooled *c = p->all; c; c = c->all_next)
		if (c->state == POOLED_IDLE && !keeps(p, c->key->target))
			pooled_close(c);
	for (size_t i = 0; i < p->config.n_targets; i++)
		pool_todo(p, i);
	idle_over(p);
}

void
pool_drain(struct pool *p)
{
	p->draining = true;
	pool_reload(p);
}

void
pool_abort(struct pool *p)
{
	for (struct pooled *c = p->all; c; c = c->all_next)
		if (c->state == POOLED_IDLE)
			pooled_close(c);
		else if (c->state != POOLED_LENT && c->state != POOLED_CLOSING)
			stream_abort(c->stream);
	ring_timer_stop(p->config.ring, &p->idle_timer);
}

void
pool_stats(struct pool *p, struct pool_stats *out)
{
	if (!p->changed)
		return;
	p->changed = false;
	for (size_t i = 0; i < p->config.n_targets; i++) {
		struct pool_stats *st = &p->targets[i].stats;

		st->idle = st->opening = 0;
		st->oldest_wait = 0;
		for (const struct pool_key *k = p->targets[i].keys; k; k = k->next) {
			st->idle += k->n_idle;
			st->opening += k->n_opening;
			if (k->first && (!st->oldest_wait || k->first->since < st->oldest_wait))
				st->oldest_wait = k->first->since;
		}
		out[i] = *st;
	}
}
