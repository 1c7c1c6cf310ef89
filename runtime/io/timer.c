/* SPDX-License-Identifier: MIT
 *
 * Timers: a binary heap of pointers, each timer knowing its place, so that stop and move are
 * logarithmic and a stopped timer costs nothing.
 */
#include "io/internal.h"

#include <errno.h>
#include <stdlib.h>

static void
heap_set(struct ring *r, uint32_t i, struct ring_timer *t)
{
	r->heap[i] = t;
	t->index = i + 1;
}

static void
heap_up(struct ring *r, uint32_t i, struct ring_timer *t)
{
	while (i > 0 && r->heap[(i - 1) / 2]->due_ns > t->due_ns) {
		heap_set(r, i, r->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(r, i, t);
}

static void
heap_down(struct ring *r, uint32_t i, struct ring_timer *t)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= r->n_timers)
			break;
		if (child + 1 < r->n_timers && r->heap[child + 1]->due_ns < r->heap[child]->due_ns)
			child++;
		if (r->heap[child]->due_ns >= t->due_ns)
			break;
		heap_set(r, i, r->heap[child]);
		i = child;
	}
	heap_set(r, i, t);
}

int
ring_timer_at(struct ring *r, struct ring_timer *t, uint64_t due_ns, void (*fn)(void *ctx),
	      void *ctx)
{
	ring_timer_stop(r, t);
	if (r->n_timers == r->cap_timers) {
		uint32_t cap = r->cap_timers ? r->cap_timers * 2 : 64;
		struct ring_timer **heap = realloc(r->heap, cap * sizeof(struct ring_timer *));

		if (!heap)
			return -ENOMEM;
		r->heap = heap;
		r->cap_timers = cap;
		r->n.allocs++;
	}
	t->due_ns = due_ns;
	t->fn = fn;
	t->ctx = ctx;
	heap_up(r, r->n_timers++, t);
	return 0;
}

void
ring_timer_stop(struct ring *r, struct ring_timer *t)
{
	struct ring_timer *last;
	uint32_t i;

	if (t->index == 0)
		return;
	i = t->index - 1;
	assert(i < r->n_timers);
	assert(r->heap[i] == t);
	t->index = 0;
	last = r->heap[--r->n_timers];
	if (last == t)
		return;
	heap_up(r, i, last);
	heap_down(r, last->index - 1, last);
}

void
timers_run(struct ring *r)
{
	while (r->n_timers > 0 && r->heap[0]->due_ns <= r->now) {
		struct ring_timer *t = r->heap[0];

		ring_timer_stop(r, t);
		t->fn(t->ctx);
	}
}

uint64_t
timers_next(const struct ring *r)
{
	return r->n_timers ? r->heap[0]->due_ns : UINT64_MAX;
}
