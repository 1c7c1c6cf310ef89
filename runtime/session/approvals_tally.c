/* SPDX-License-Identifier: MIT
 *
 * Who may decide a held command, and what is still missing. A need is "n of group"; within a rule
 * every place is filled by another person.
 */
#include "session/approvals.h"

uint32_t
approval_serves(const struct approval *a, const struct approval_decider *who)
{
	uint32_t served = 0;

	for (size_t i = 0; i < a->ask.n_needs; i++)
		for (size_t j = 0; j < a->ask.needs[i].n_groups; j++)
			for (size_t k = 0; k < who->n_groups; k++)
				if (slice_eq(a->ask.needs[i].groups[j], who->groups[k]))
					served |= 1u << i;
	return served;
}

bool
approval_is_requester(const struct approval *a, const struct approval_decider *who)
{
	return slice_eq(a->ask.subject.principal, who->name);
}

bool
approval_visible(const struct approval *a, const struct approval_decider *who)
{
	return approval_is_requester(a, who) || approval_serves(a, who) != 0;
}

bool
approval_eligible(const struct approval *a, const struct approval_decider *who)
{
	return who->kind != PRINCIPAL_AGENT &&
	       !(a->ask.not_self && approval_is_requester(a, who)) && approval_serves(a, who) != 0;
}

/* Places in one rule's needs, each to be filled by another person: bipartite matching, so that
 * somebody who is in two groups fills the place that nobody else can. */
struct places {
	const struct approval *a;
	size_t n;
	uint8_t need[APPROVAL_MAX_VOTES];
	int8_t vote[APPROVAL_MAX_VOTES]; /* who fills it; -1 nobody */
};

static bool
place_vote(struct places *p, size_t vote, uint32_t *tried)
{
	for (size_t i = 0; i < p->n; i++) {
		if ((*tried & 1u << i) || !(p->a->votes[vote].needs & 1u << p->need[i]))
			continue;
		*tried |= 1u << i;
		if (p->vote[i] < 0 || place_vote(p, (size_t) p->vote[i], tried)) {
			p->vote[i] = (int8_t) vote;
			return true;
		}
	}
	return false;
}

static void
fill_places(struct places *p, const struct approval *a, unsigned rule)
{
	*p = (struct places){.a = a};
	for (size_t i = 0; i < a->ask.n_needs; i++)
		for (unsigned k = 0; a->ask.needs[i].rule == rule && k < a->ask.needs[i].n; k++) {
			if (p->n == APPROVAL_MAX_VOTES)
				break; /* create() made such a request unapprovable */
			p->need[p->n] = (uint8_t) i;
			p->vote[p->n++] = -1;
		}
	for (size_t v = 0; v < a->n_votes; v++) {
		uint32_t tried = 0;

		if (a->votes[v].approve)
			(void) place_vote(p, v, &tried);
	}
}

unsigned
approval_met(const struct approval *a, size_t need)
{
	struct places p;
	unsigned met = 0;

	assert(need < a->ask.n_needs);
	fill_places(&p, a, a->ask.needs[need].rule);
	for (size_t i = 0; i < p.n; i++)
		met += p.need[i] == need && p.vote[i] >= 0;
	return met;
}

bool
approval_is_complete(const struct approval *a)
{
	for (size_t i = 0; i < a->ask.n_needs; i++)
		if (approval_met(a, i) < a->ask.needs[i].n)
			return false;
	return a->ask.n_needs > 0;
}
