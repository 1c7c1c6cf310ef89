/* SPDX-License-Identifier: MIT */
#include "compiler/edits.h"

bool
edits_can_remove(const struct policy *p, const struct rule *r)
{
	if (r->at.file != p->at.file)
		return false; /* others may import it as well */
	for (const struct test_decl *t = p->tests; t; t = t->next)
		for (const struct expect *e = t->expects; e; e = e->next)
			if (e->by.s == r->name.s)
				return false;
	return true;
}

void
edits_remove(struct diag_queue *q, struct diag *d, const struct policy *p, const struct rule *r)
{
	if (edits_can_remove(p, r))
		diag_edit(q, d, r->at, "%s", "");
}

void
edits_offer_removal(struct diag_queue *q, struct diag *d, const struct policy *p,
		    const struct rule *r)
{
	if (edits_can_remove(p, r))
		diag_offer(q, d, r->at, "%s", "");
}

void
edits_offer_without(struct diag_queue *q, struct diag *d, const struct ref *list,
		    const char *name)
{
	const struct ref *before = NULL, *r = list;

	for (; r && strcmp(r->name.s, name) != 0; r = r->next)
		before = r;
	if (!r || (!before && !r->next))
		return;
	if (before) {
		uint32_t from = before->name.at.off + before->name.at.len;
		uint32_t to = r->name.at.off + r->name.at.len;

		diag_offer(q, d, (struct span){r->name.at.file, from, to - from}, "%s", "");
		return;
	}
	diag_offer(q, d, (struct span){r->name.at.file, r->name.at.off,
				       r->next->name.at.off - r->name.at.off}, "%s", "");
}

static const struct clause *
last_of(const struct rule *r, enum clause_kind kind)
{
	const struct clause *found = NULL;

	for (const struct clause *c = r->clauses; c; c = c->next)
		found = c->kind == kind ? c : found;
	return found;
}

void
edits_offer_not_self(struct diag_queue *q, struct diag *d, const struct rule *hold)
{
	struct span at = last_of(hold, CLAUSE_FOR)->at;

	diag_offer(q, d, (struct span){at.file, at.off + at.len, 0}, "%s", " not self");
}

void
edits_offer_null(struct diag_queue *q, struct diag *d, const struct rule *mask)
{
	const struct clause *with = last_of(mask, CLAUSE_WITH);

	diag_offer(q, d, with->kernel->name.at, "%s", "null");
}

static bool
counts_lookups(const struct clause *c)
{
	return c->kind == CLAUSE_AMOUNT && c->amount && c->amount->kind == AMOUNT_LOOKUPS;
}

void
edits_remove_lookups(struct diag_queue *q, struct diag *d, const struct policy *p,
		     const struct rule *limit)
{
	bool others = false;

	for (const struct clause *c = limit->clauses; c; c = c->next)
		others = others || (c->kind == CLAUSE_AMOUNT && !counts_lookups(c));
	if (!others)
		edits_remove(q, d, p, limit);
	for (const struct clause *c = limit->clauses; c && others; c = c->next)
		if (counts_lookups(c) && c->at.file == p->at.file)
			diag_edit(q, d, c->at, "%s", "");
}
