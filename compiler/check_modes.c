/* SPDX-License-Identifier: MIT
 *
 * What a mask opens on purpose (`allowing lookup, derived, aggregates over 20`), and whether what
 * is opened is bounded.
 */
#include "compiler/check_internal.h"

#include "vm/image_format.h"

enum { SMALL_GROUP = 5 };

struct mask_modes
check_modes(struct check *c, const struct kernel *k)
{
	struct mask_modes m = {.lookup = k->lookup, .derived = k->derived};

	if (k->aggregates_over > IMAGE_MAX_OVER) {
		diag(c->q, OUT_OF_RANGE, k->aggregates_at, "the size of a group", "2",
		     "1000000000");
		return m;
	}
	m.over = (uint32_t) k->aggregates_over;
	if (m.over >= IMAGE_MIN_OVER && m.over < SMALL_GROUP)
		diag(c->q, SMALL_GROUPS, k->aggregates_at, m.over);
	return m;
}

/* ---- lookups are bounded --------------------------------------------------------------------- */

static bool
names_within(const struct ref *inner, const struct ref *outer)
{
	for (; inner; inner = inner->next) {
		const struct ref *o = outer;

		while (o && o->name.s != inner->name.s)
			o = o->next;
		if (!o)
			return false;
	}
	return true;
}

static bool
same_expr(const struct expr *a, const struct expr *b)
{
	struct buf x = {0}, y = {0};
	bool same;

	if (!a || !b)
		return !a && !b;
	ast_dump_expr(a, &x);
	ast_dump_expr(b, &y);
	same = !x.failed && !y.failed && slice_eq(buf_slice(&x), buf_slice(&y));
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

/* Statements that can look something up. */
static bool
has_lookups(const struct ref *actions)
{
	static const enum action looking[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE,
					      ACTION_SQL_DELETE};
	struct action_set set = {0};

	for (; actions; actions = actions->next)
		if (!action_set_of(slice_str(actions->name.s), &set))
			return false;
	for (size_t i = 0; i < COUNT_OF(looking); i++)
		if (!action_set_has(&set, looking[i]))
			return false;
	return true;
}

/* Whoever the mask applies to, the limit's clause applies to as well. */
static bool
clause_follows(const struct clause *limit, const struct rule *mask)
{
	switch (limit->kind) {
	case CLAUSE_AMOUNT:
		return true;
	case CLAUSE_DO:
		return has_lookups(limit->names);
	default:
		break;
	}
	for (const struct clause *m = mask->clauses; m; m = m->next) {
		if (m->kind != limit->kind || m->unless != limit->unless)
			continue;
		if (m->expr || limit->expr ? same_expr(m->expr, limit->expr)
		    : m->kind == CLAUSE_UNLESS ? names_within(limit->names, m->names)
					       : names_within(m->names, limit->names))
			return true;
	}
	return false;
}

static bool
has_amount(const struct rule *r)
{
	for (const struct clause *cl = r->clauses; cl; cl = cl->next)
		if (cl->kind == CLAUSE_AMOUNT && cl->amount && cl->amount->kind == AMOUNT_LOOKUPS)
			return true;
	return false;
}

static bool
bounds(const struct rule *limit, const struct rule *mask)
{
	if (limit->kind != RULE_LIMIT || limit->shadow || !has_amount(limit))
		return false;
	for (const struct clause *cl = limit->clauses; cl; cl = cl->next)
		if (!clause_follows(cl, mask))
			return false;
	return true;
}

static const struct kernel *
kernel_of(const struct rule *r)
{
	for (const struct clause *cl = r->clauses; cl; cl = cl->next)
		if (cl->kind == CLAUSE_WITH && r->kind == RULE_MASK)
			return cl->kernel;
	return NULL;
}

void
check_lookups(struct check *c)
{
	bool opened = false;

	for (const struct rule *m = c->p->rules; m; m = m->next) {
		const struct kernel *k = kernel_of(m);
		const struct rule *l = c->p->rules;

		if (!k || !k->lookup)
			continue;
		opened = true;
		while (l && !bounds(l, m))
			l = l->next;
		if (!l)
			diag_note(c->q, diag(c->q, LOOKUPS_UNBOUNDED, k->lookup_at, m->name.s),
				  SPAN_NONE,
				  "such as `limit guesses lookups 100 per hour`, with the mask's own "
				  "`who` and `unless` or none");
	}
	for (const struct rule *l = c->p->rules; l && !opened; l = l->next)
		if (l->kind == RULE_LIMIT && has_amount(l))
			edits_remove_lookups(c->q,
					     diag(c->q, LOOKUPS_CLOSED, l->name.at, l->name.s),
					     c->p, l);
}
