/* SPDX-License-Identifier: MIT */
#include "gate/limits.h"

#include "base/clock.h"
#include "gate/epoch.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLICES = 32, RING = BUDGET_RING };

/* Of a session: its slice outlasts every clock, and RING of them fit. */
#define FOREVER (UINT64_MAX / 2)
static_assert((int) RING == SLICES + 1, "the current slice and a span");

struct budget {
	atomic_uint refs;
	/* Taken once for a delivery of rows, not once a row, and by one principal's sessions. */
	pthread_mutex_t lock;
	uint64_t slice_ns;
	/* The current one: time by slice_ns, a ring later, so that what is older than the clock
	 * (after a restart of the machine) has a number too. */
	uint64_t slice;
	uint64_t total; /* sum of taken[] */
	uint64_t taken[RING]; /* by slice modulo RING */
};

struct budget *
budget_new(uint64_t span_ns)
{
	struct budget *b = calloc(1, sizeof(*b));

	assert(b != NULL && span_ns >= SLICES);
	atomic_init(&b->refs, 1);
	pthread_mutex_init(&b->lock, NULL);
	b->slice_ns = span_ns / SLICES;
	return b;
}

static struct budget *
budget_ref(struct budget *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void
budget_unref(struct budget *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* What is older than a span no longer counts. Workers' clocks differ by a turn: never back. */
static void
advance(struct budget *b, uint64_t now)
{
	uint64_t slice = now / b->slice_ns + RING;

	if (slice <= b->slice)
		return;
	for (uint64_t i = slice - b->slice > RING ? RING : slice - b->slice; i > 0; i--) {
		uint64_t *t = &b->taken[(slice - i + 1) % RING];

		b->total -= *t;
		*t = 0;
	}
	b->slice = slice;
}

uint64_t
budget_take(struct budget *b, uint64_t max, uint64_t n, uint64_t now)
{
	uint64_t left;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	left = b->total < max ? max - b->total : 0;
	if (n > left)
		n = left;
	b->total += n;
	b->taken[b->slice % RING] += n;
	pthread_mutex_unlock(&b->lock);
	return n;
}

void
budget_give_back(struct budget *b, uint64_t n, uint64_t now)
{
	uint64_t *t;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	/* Of this slice only: giving back what another slice took could let too much pass. */
	t = &b->taken[b->slice % RING];
	if (n > *t)
		n = *t;
	*t -= n;
	b->total -= n;
	pthread_mutex_unlock(&b->lock);
}

uint64_t
budget_wait(struct budget *b, uint64_t max, uint64_t now)
{
	uint64_t wait = 0, left, at;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	left = b->total;
	for (uint64_t i = RING - 1; left >= max && i < RING; i--) {
		if (i > b->slice)
			continue;
		left -= b->taken[(b->slice - i) % RING];
		/* Slice s is forgotten when slice s + RING begins. */
		at = (b->slice - i) * b->slice_ns;
		wait = at > now ? at - now : 1;
	}
	pthread_mutex_unlock(&b->lock);
	return wait;
}

bool
budget_is_full(struct budget *b, uint64_t now)
{
	bool full;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	full = b->total == 0;
	pthread_mutex_unlock(&b->lock);
	return full;
}

uint64_t
budget_save(struct budget *b, uint64_t taken[BUDGET_RING], uint64_t now)
{
	uint64_t began;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	for (uint64_t i = 0; i < RING; i++)
		taken[i] = b->taken[(b->slice + 1 + i) % RING];
	began = (b->slice - RING) * b->slice_ns;
	pthread_mutex_unlock(&b->lock);
	return began < now ? began : now;
}

void
budget_load(struct budget *b, const uint64_t taken[BUDGET_RING], uint64_t age, uint64_t now)
{
	/* Its slices lie across ours: what may belong to two goes to the later one, and one more,
	 * because it may have been taken at its end. */
	uint64_t slices = age < b->slice_ns ? 0 : age / b->slice_ns - 1;

	pthread_mutex_lock(&b->lock);
	advance(b, now);
	for (uint64_t i = 0; i < RING; i++) {
		uint64_t back = RING - 1 - i + slices;

		if (back >= RING || taken[i] > UINT64_MAX / 2 - b->total)
			continue;
		b->taken[(b->slice - back) % RING] += taken[i];
		b->total += taken[i];
	}
	pthread_mutex_unlock(&b->lock);
}

void
budget_exhaust(struct budget *b, uint64_t now)
{
	pthread_mutex_lock(&b->lock);
	advance(b, now);
	b->taken[b->slice % RING] += UINT64_MAX / 4 - b->total;
	b->total = UINT64_MAX / 4;
	pthread_mutex_unlock(&b->lock);
}

/* ---- of an epoch ----------------------------------------------------------------------------- */

static bool
is_budget(const struct image_amount *a)
{
	return limit_per_info[a->per].seconds != 0;
}

struct budget *
limits_budget(const struct epoch *e, struct slice principal, struct slice rule,
	      enum limit_unit unit, enum limit_per per)
{
	const struct image *img = e->image;
	const struct config_principal *p = config_principal_find(&e->config, principal);
	int r = image_rule_find(img, rule);
	size_t slot;

	if (!p || r < 0 || img->rules[r].kind != VM_LIMIT)
		return NULL;
	slot = e->budget_at[r];
	for (size_t i = 0; i < img->rules[r].limit.n_amounts; i++) {
		const struct image_amount *b = &img->rules[r].limit.amounts[i];

		if (!is_budget(b))
			continue;
		if (b->unit == unit && b->per == per)
			return e->budgets[(size_t) (p - e->config.principals) * e->n_budgets +
					  slot];
		slot++;
	}
	return NULL;
}

static void
attach_rule(struct epoch *e, const struct epoch *was, size_t principal, size_t rule)
{
	const struct image_rule *r = &e->image->rules[rule];
	size_t slot = principal * e->n_budgets + e->budget_at[rule];

	for (size_t i = 0; r->kind == VM_LIMIT && i < r->limit.n_amounts; i++) {
		const struct image_amount *a = &r->limit.amounts[i];
		struct budget *b;

		if (!is_budget(a))
			continue;
		b = was ? limits_budget(was, slice_str(e->config.principals[principal].name),
					r->name, a->unit, a->per)
			: NULL;
		e->budgets[slot++] =
			b ? budget_ref(b) : budget_new(limit_per_info[a->per].seconds * NS_PER_S);
	}
}

void
limits_attach(struct epoch *e, const struct epoch *was)
{
	const struct image *img = e->image;

	assert(!e->budgets);
	e->n_budgets = 0;
	e->budget_at = ARENA_ARRAY(&e->arena, uint32_t, img->n_rules + 1);
	for (size_t r = 0; r < img->n_rules; r++) {
		e->budget_at[r] = (uint32_t) e->n_budgets;
		for (size_t i = 0; i < img->rules[r].limit.n_amounts; i++)
			e->n_budgets += is_budget(&img->rules[r].limit.amounts[i]);
	}
	e->budgets = ARENA_ARRAY(&e->arena, struct budget *,
				 e->n_budgets * e->config.n_principals + 1);
	for (size_t p = 0; p < e->config.n_principals; p++)
		for (size_t r = 0; r < img->n_rules; r++)
			attach_rule(e, was, p, r);
}

void
limits_detach(struct epoch *e)
{
	for (size_t i = 0; e->budgets && i < e->n_budgets * e->config.n_principals; i++)
		budget_unref(e->budgets[i]);
	e->budgets = NULL;
}

size_t
limits_budgets(const struct image *img, const uint16_t *rules, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < img->rules[rules[i]].limit.n_amounts; k++)
			count += img->rules[rules[i]].limit.amounts[k].per != PER_COMMAND;
	return count;
}

/* ---- of a session ---------------------------------------------------------------------------- */

static struct budget *
own_budget(struct limit_own **own, struct slice rule, enum limit_unit unit)
{
	struct limit_own *o = *own;

	while (o && (o->unit != unit || !slice_eq(o->rule, rule)))
		o = o->next;
	if (!o) {
		uint8_t *name;

		o = malloc(sizeof(*o) + rule.n);
		assert(o != NULL);
		name = (uint8_t *) (o + 1);
		memcpy(name, rule.p, rule.n);
		*o = (struct limit_own){*own, budget_new(FOREVER), unit, slice_of(name, rule.n)};
		*own = o;
	}
	return o->budget;
}

void
limits_own_free(struct limit_own *own)
{
	while (own) {
		struct limit_own *next = own->next;

		budget_unref(own->budget);
		free(own);
		own = next;
	}
}

/* ---- of a command ---------------------------------------------------------------------------- */

static void
fold_rule(const struct epoch *e, size_t principal, uint16_t rule, struct limit_own **own,
	  struct limit_set *out)
{
	const struct image_limit *l = &e->image->rules[rule].limit;
	size_t slot = principal * e->n_budgets + e->budget_at[rule];

	for (size_t i = 0; i < l->n_amounts; i++) {
		const struct image_amount *a = &l->amounts[i];
		uint64_t max = a->unit == LIMIT_TIME ? a->n * NS_PER_MS : a->n;
		struct limit_bound *b = &out->bound[a->unit];

		if (is_budget(a) || a->per == PER_SESSION) {
			struct budget *budget =
				is_budget(a) ? e->budgets[slot++]
					     : own_budget(own, e->image->rules[rule].name, a->unit);

			assert(out->n_meters < LIMIT_BUDGETS);
			out->meters[out->n_meters++] = (struct limit_meter){
				budget, max, 0, rule, a->unit, a->per};
		} else if (max < b->max) {
			*b = (struct limit_bound){max, rule};
		}
	}
}

void
limits_fold(const struct epoch *e, size_t principal, const uint16_t *rules, size_t n,
	    struct limit_own **own, struct limit_set *out)
{
	for (int u = 0; u < LIMIT_UNIT_COUNT; u++)
		out->bound[u] = (struct limit_bound){.max = UINT64_MAX};
	out->n_meters = 0;
	for (size_t i = 0; i < n; i++)
		fold_rule(e, principal, rules[i], own, out);
}
