/* SPDX-License-Identifier: MIT
 *
 * Amounts of limits that other amounts make idle. One limit has to cover the other's region: of
 * budgets that cover it together each leaves as much as it has.
 */
#include "compiler/findings_internal.h"

/* A DataRow of one digit: its header, the number of columns, a length, the digit. */
enum { SMALLEST_ROW = 12 };

struct other {
	size_t rule;
	const struct image_amount *amount;
};

/* Whatever counts for `inner` counts for `outer`. A minute's commands are of many sessions. */
static bool
span_within(enum limit_per inner, enum limit_per outer)
{
	if (inner == outer || (inner == PER_COMMAND && outer == PER_SESSION))
		return true;
	return limit_per_info[inner].seconds &&
	       limit_per_info[outer].seconds > limit_per_info[inner].seconds;
}

/* Of two that say the same the later is idle. */
static bool
is_idle(const struct image_amount *a, size_t rule, const struct other *o)
{
	const struct image_amount *b = o->amount;

	return a != b && a->unit == b->unit && span_within(a->per, b->per) &&
	       (b->n < a->n || (b->n == a->n && (a->per != b->per || o->rule < rule)));
}

/* A command ends when the budget is used up, so it never gets more; but for what comes back while
 * it is slow. */
static bool
is_beyond(const struct image_amount *a, const struct image_amount *b)
{
	return a->unit == b->unit && a->per == PER_COMMAND && limit_per_info[b->per].seconds &&
	       b->n < a->n;
}

static const char *
text_of(struct look *l, const struct image_amount *a)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} units[] = {{3600 * 1000, "h"}, {60 * 1000, "m"}, {1000, "s"}, {1, "ms"}};
	uint64_t n = a->n;
	const char *unit = "";

	for (size_t i = 0; i < COUNT_OF(units) && a->unit == LIMIT_TIME && !*unit; i++)
		if (a->n % units[i].ms == 0) {
			n = a->n / units[i].ms;
			unit = units[i].name;
		}
	return arena_printf(l->arena, "%s %llu%s per %s", limit_unit_info[a->unit].name,
			    (unsigned long long) n, unit, limit_per_info[a->per].name);
}

/* The clause of an amount: the image has them in the order of the text. */
static const struct clause *
clause_of(const struct rule *r, size_t amount)
{
	const struct clause *c = r->clauses;

	while (c->kind != CLAUSE_AMOUNT || amount-- > 0)
		c = c->next;
	return c;
}

/* Of very many that match one input, those may match every other one that do so whatever the
 * groups: an input is looked for at which none of the others does. */
static size_t
leave_out(struct look *l, size_t i, const struct witness *w, const struct facts *f,
	  uint32_t *limits, size_t n)
{
	uint32_t *values = ARENA_ARRAY(&l->scratch, uint32_t, l->s->n_vars + 1);
	uint32_t *others = ARENA_ARRAY(&l->scratch, uint32_t, n);
	const uint32_t *match = l->g->match[ENTRY_COMMAND];
	size_t n_others = 0, kept = 0, at = 0;

	while (at < n && limits[at] != i)
		at++;
	if (at == n)
		return n; /* the input was not what the way says */
	space_values(l->s, 0, f, values);
	/* What was in the way of the limit before is the first. */
	for (size_t k = 1; k < n; k++) {
		uint32_t other = match[limits[(at + n - k) % n]];

		if (aside_has_way(l->s, other, values, w->values))
			others[n_others++] = other;
	}
	if (!aside_find(l->aside, l->s, match[i], others, n_others, values, w->values))
		return n;
	for (size_t k = 0; k < n; k++)
		if (limits[k] == i || !aside_has_way(l->s, match[limits[k]], values, w->values))
			limits[kept++] = limits[k];
	return kept;
}

/* Of the limits that match some input of the rule, those that match every input. */
static size_t
find_wider(struct look *l, size_t i, uint32_t *wider)
{
	uint32_t mine = l->g->match[ENTRY_COMMAND][i];
	struct decision d;
	struct witness w;
	struct facts f;
	size_t n = 0, kept = 0;

	arena_reset(&l->scratch);
	if (!witness_find_in(l->s, mine, &l->scratch, &w))
		return 0;
	witness_facts(l->s, &w, 0, &f);
	vm_decide(l->img, ENTRY_COMMAND, &f, &d);
	for (int r = decision_next(&d, -1); r >= 0; r = decision_next(&d, r))
		if (l->img->rules[r].kind == VM_LIMIT)
			wider[n++] = (uint32_t) r;
	if (n > FINDINGS_MANY)
		n = leave_out(l, i, &w, &f, wider, n);
	for (size_t k = 0; k < n && !look_lost(l); k++)
		if (!look_can_be(l, dd_without(l->s->dd, mine,
					       l->g->match[ENTRY_COMMAND][wider[k]])))
			wider[kept++] = wider[k];
	return look_lost(l) ? 0 : kept;
}

/* The amount that makes this one idle, or that it is beyond. False: there is none. */
static bool
find_other(const struct look *l, size_t i, const struct image_amount *a, const uint32_t *wider,
	   size_t n, bool beyond, struct other *out)
{
	for (size_t k = 0; k < n; k++) {
		const struct image_limit *limit = &l->img->rules[wider[k]].limit;

		for (size_t m = 0; m < limit->n_amounts; m++) {
			*out = (struct other){wider[k], &limit->amounts[m]};
			if (beyond ? is_beyond(a, out->amount) : is_idle(a, i, out))
				return true;
		}
	}
	return false;
}

/* What is left out changes nothing, unless a test speaks of it. */
static void
suggest(struct look *l, struct diag *d, size_t i, size_t amount, size_t n_idle)
{
	const struct rule *r = l->rules[i];

	if (r->at.file != l->tree->at.file)
		return; /* others may import it as well */
	if (n_idle < l->img->rules[i].limit.n_amounts)
		diag_edit(l->q, d, clause_of(r, amount)->at, "%s", "");
	else if (amount == 0)
		edits_remove(l->q, d, l->tree, r);
}

static struct diag *
say(struct look *l, size_t i, size_t amount, const struct other *o, bool idle)
{
	const struct rule *mine = l->rules[i], *other = l->rules[o->rule];
	struct span at = clause_of(mine, amount)->at;
	const char *a = text_of(l, &l->img->rules[i].limit.amounts[amount]);
	const char *b = text_of(l, o->amount);
	struct diag *d = idle ? diag(l->q, LIMIT_IDLE, at, a, mine->name.s, other->name.s, b)
			      : diag(l->q, LIMIT_BEYOND, at, a, mine->name.s, other->name.s, b);

	if (o->rule != i)
		diag_note(l->q, d, other->name.at, "limit '%s'", other->name.s);
	return d;
}

static void
look_into(struct look *l, size_t i, uint32_t *wider)
{
	const struct image_limit *limit = &l->img->rules[i].limit;
	size_t n = find_wider(l, i, wider), n_idle = 0;
	struct other o;

	for (size_t k = 0; k < limit->n_amounts; k++)
		n_idle += find_other(l, i, &limit->amounts[k], wider, n, false, &o);
	for (size_t k = 0; k < limit->n_amounts; k++) {
		const struct image_amount *a = &limit->amounts[k];
		bool idle = find_other(l, i, a, wider, n, false, &o);

		if (idle)
			suggest(l, say(l, i, k, &o, true), i, k, n_idle);
		else if (find_other(l, i, a, wider, n, true, &o))
			(void) say(l, i, k, &o, false);
	}
}

static void
find_tiny(struct look *l, size_t i)
{
	const struct image_limit *limit = &l->img->rules[i].limit;

	for (size_t k = 0; k < limit->n_amounts; k++)
		if (limit->amounts[k].unit == LIMIT_BYTES && limit->amounts[k].n < SMALLEST_ROW)
			diag(l->q, LIMIT_TINY, clause_of(l->rules[i], k)->at,
			     text_of(l, &limit->amounts[k]), l->rules[i]->name.s, SMALLEST_ROW);
}

void
find_idle_limits(struct look *l)
{
	uint32_t *wider = ARENA_ARRAY(l->arena, uint32_t, l->img->n_rules + 1);

	for (size_t i = 0; i < l->img->n_rules; i++) {
		bool lost = look_tired(l);

		if (l->img->rules[i].kind != VM_LIMIT || l->img->rules[i].shadow || l->said[i])
			continue;
		find_tiny(l, i);
		if (!lost)
			look_into(l, i, wider);
		look_done(l, i, lost || look_lost(l));
	}
}
