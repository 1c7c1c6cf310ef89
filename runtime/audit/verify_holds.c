/* SPDX-License-Identifier: MIT */
#include "audit/verify_holds.h"

#include "audit/merkle.h"
#include "base/clock.h"
#include "base/endian.h"

static void
copy(char *out, size_t max, struct slice s)
{
	size_t n = s.n < max ? s.n : max;

	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
}

static struct active_hold *
find(struct active_holds *a, const struct audit_brief *b)
{
	for (size_t i = 0; b->n_refs && i < a->n; i++)
		if (memcmp(a->v[i].id.b, b->refs[0].b, sizeof(a->v[i].id.b)) == 0)
			return &a->v[i];
	return NULL;
}

static void
on_set(struct active_holds *a, uint64_t index, const struct audit_brief *b, struct slice leaf)
{
	struct active_hold *h = &a->v[a->n];

	if (a->n == HOLDS_MAX) {
		a->problem(a->arg, index, "more holds are in force than there can be");
		return;
	}
	*h = (struct active_hold){.id = b->id, .time = b->time, .from = b->hold.from,
				  .to = b->hold.to};
	copy(h->name, HOLD_NAME_MAX, b->hold.name);
	copy(h->by, HOLD_BY_MAX, b->hold.by);
	merkle_leaf(h->leaf, leaf);
	a->n++;
}

static void
on_release(struct active_holds *a, uint64_t index, const struct audit_brief *b)
{
	struct active_hold *h = find(a, b);

	if (!h) {
		/* The first 48 bits of an id are the milliseconds of its time. */
		if (b->n_refs == 0 || get_be64(b->refs[0].b) >> 16 > a->pruned_ns / NS_PER_MS)
			a->problem(a->arg, index, "a hold was released that was not in force");
		return;
	}
	if (slice_is(b->hold.by, h->by))
		a->problem(a->arg, index, "a hold was released by who had set it");
	*h = a->v[--a->n];
}

static void
on_block(struct active_holds *a, const struct audit_brief *b)
{
	struct active_hold *h = find(a, b);

	if (!h)
		return;
	h->until = b->until;
	h->newest = b->newest;
	copy(h->policy, HOLD_NAME_MAX, b->hold.policy);
}

static void
on_prune(struct active_holds *a, uint64_t index, const struct audit_brief *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct active_hold *h = &a->v[i];

		if (b->newest >= h->time ||
		    (b->newest >= h->from && (!h->to || b->oldest < h->to)))
			a->problem(a->arg, index, "records were pruned that a hold keeps");
	}
}

void
active_holds_record(struct active_holds *a, uint64_t index, const struct audit_brief *b,
		    struct slice leaf)
{
	if (b->type == AUDIT_retention_prune)
		on_prune(a, index, b);
	else if (b->type != AUDIT_hold)
		return;
	else if (b->hold.action == AUDIT_hold_action_SET)
		on_set(a, index, b, leaf);
	else if (b->hold.action == AUDIT_hold_action_RELEASE)
		on_release(a, index, b);
	else if (b->hold.action == AUDIT_hold_action_BLOCK)
		on_block(a, b);
}

bool
active_hold_in(const struct active_hold *a, const struct holds *file)
{
	uint8_t leaf[SHA256_LEN];

	for (size_t i = 0; i < file->n; i++) {
		merkle_leaf(leaf, file->v[i].leaf);
		if (memcmp(leaf, a->leaf, sizeof(leaf)) == 0)
			return true;
	}
	return false;
}
