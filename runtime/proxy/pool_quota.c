/* SPDX-License-Identifier: MIT */
#include "proxy/pool_quota.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct share {
	unsigned open;
	bool wants;
};

struct quota {
	atomic_uint open, wanting;
	struct share *shares; /* by worker */
};

struct pool_quota {
	pthread_mutex_t lock; /* of the shares */
	size_t n_targets;
	unsigned n_workers;
	struct quota *targets;
};

struct pool_quota *
pool_quota_new(size_t n_targets, unsigned n_workers)
{
	struct pool_quota *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	q->n_targets = n_targets;
	q->n_workers = n_workers;
	q->targets = calloc(n_targets + 1, sizeof(*q->targets));
	for (size_t i = 0; q->targets && i < n_targets; i++) {
		q->targets[i].shares = calloc(n_workers, sizeof(struct share));
		if (q->targets[i].shares)
			continue;
		pool_quota_free(q);
		return NULL;
	}
	if (q->targets)
		return q;
	pool_quota_free(q);
	return NULL;
}

void
pool_quota_free(struct pool_quota *q)
{
	if (!q)
		return;
	for (size_t i = 0; q->targets && i < q->n_targets; i++)
		free(q->targets[i].shares);
	free(q->targets);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

static void
set_wants(struct quota *t, struct share *s, bool wants)
{
	if (s->wants == wants)
		return;
	s->wants = wants;
	if (wants)
		t->wanting++;
	else
		t->wanting--;
}

bool
pool_quota_take(struct pool_quota *q, size_t target, unsigned worker, unsigned size)
{
	struct quota *t = &q->targets[target];
	struct share *s = &t->shares[worker];
	bool taken;

	pthread_mutex_lock(&q->lock);
	taken = t->open < size;
	if (taken) {
		t->open++;
		s->open++;
	}
	set_wants(t, s, !taken);
	pthread_mutex_unlock(&q->lock);
	return taken;
}

unsigned
pool_quota_give(struct pool_quota *q, size_t target, unsigned worker)
{
	struct quota *t = &q->targets[target];
	unsigned to = q->n_workers;

	pthread_mutex_lock(&q->lock);
	assert(t->open > 0 && t->shares[worker].open > 0);
	t->open--;
	t->shares[worker].open--;
	for (unsigned i = 0; i < q->n_workers; i++)
		if (t->shares[i].wants &&
		    (to == q->n_workers || t->shares[i].open < t->shares[to].open))
			to = i;
	pthread_mutex_unlock(&q->lock);
	return to;
}

void
pool_quota_content(struct pool_quota *q, size_t target, unsigned worker)
{
	struct quota *t = &q->targets[target];

	if (!atomic_load_explicit(&t->wanting, memory_order_relaxed))
		return;
	pthread_mutex_lock(&q->lock);
	set_wants(t, &t->shares[worker], false);
	pthread_mutex_unlock(&q->lock);
}

bool
pool_quota_asked(struct pool_quota *q, size_t target, unsigned worker, bool idle)
{
	struct quota *t = &q->targets[target];
	bool asked = false;

	if (!atomic_load_explicit(&t->wanting, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&q->lock);
	for (unsigned i = 0; i < q->n_workers; i++)
		asked = asked || (i != worker && t->shares[i].wants &&
				  (idle || t->shares[i].open + 1 < t->shares[worker].open));
	pthread_mutex_unlock(&q->lock);
	return asked;
}

bool
pool_quota_over(const struct pool_quota *q, size_t target, unsigned size)
{
	return atomic_load_explicit(&q->targets[target].open, memory_order_relaxed) > size;
}
