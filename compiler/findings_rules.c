/* SPDX-License-Identifier: MIT
 *
 * Rules that other rules make idle. Of a rule's region an input is asked for, and which rules
 * match there: those in the way are taken out of the region, until there is an input at which none
 * is, or nothing is left. So only rules that meet are put together, few of thousands, and the first
 * input nearly always shows that the rule is needed. Where many meet, one that steps aside does.
 */
#include "compiler/findings_internal.h"
#include "compiler/rule_digest.h"

#include <stdlib.h>

enum { MOST_LOOKS = 2000 }; /* at inputs, for one rule */

/* Rules in the way, each once. */
struct way {
	uint32_t *v;
	size_t n;
	bool *has; /* by rule */
};

struct idle {
	struct look *l;
	uint32_t *may_match; /* at connect, by rule: it matches, or could match some command */
	uint32_t *values;    /* of an input at connect, or where many rules match */
	uint32_t *way;	     /* what the region asks for there; DD_LEAF: nothing */
	uint64_t *effect;    /* by rule: equal for those that decide the same */
	bool *needed;        /* of those looked at */
	bool *removed;	     /* an edit takes it out */
	uint32_t *hits;      /* rules that match the input */
	size_t n_hits;
	uint32_t *depth; /* by rule: how far down its condition asks */
	struct way stronger, same;
	bool crowded; /* the rule before met so many that it had to step aside */
	bool given_up;
};

static void
way_add(struct way *w, uint32_t rule)
{
	if (!w->has[rule])
		w->v[w->n++] = rule;
	w->has[rule] = true;
}

static void
way_clear(struct way *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->has[w->v[i]] = false;
	w->n = 0;
}

static int
compare_rules(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

/* The last variable on one of the longer ways, which is enough to put rules into an order. */
static uint32_t
depth_of(const struct dd *d, uint32_t node)
{
	uint32_t depth = 0;

	while (!dd_is_leaf(node)) {
		size_t n, i = 0;
		const struct dd_run *runs = dd_runs(d, node, &n);

		depth = dd_var_of(d, node);
		while (i + 1 < n && dd_is_leaf(runs[i].child))
			i++;
		node = runs[i].child;
	}
	return depth;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

/* Who is in no group meets all rules with an exception for one: taken out from the bottom of the
 * region upwards each is a step, and otherwise a way down past all before it. First are those that
 * are in the way whatever the groups: little is left then, or nothing. */
static void
order_hits(struct idle *x, enum vm_entry e)
{
	const struct look *l = x->l;
	uint64_t *keys;

	if (x->n_hits <= FINDINGS_MANY)
		return;
	keys = ARENA_ARRAY(&x->l->scratch, uint64_t, x->n_hits);
	for (size_t i = 0; i < x->n_hits; i++) {
		uint32_t rule = x->hits[i];
		uint32_t root = e == ENTRY_COMMAND ? l->g->match[e][rule] : x->may_match[rule];
		bool free = aside_has_way(l->s, root, x->values, x->way);

		keys[i] = (uint64_t) free << 63 | (uint64_t) (INT32_MAX - x->depth[rule]) << 32 |
			  rule;
	}
	qsort(keys, x->n_hits, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < x->n_hits; i++)
		x->hits[i] = (uint32_t) keys[i];
}

/* Which rules match some input of the region. False: there is none. */
static bool
look_at(struct idle *x, enum vm_entry e, uint32_t region)
{
	struct look *l = x->l;
	struct decision d;
	struct witness w;
	struct facts f;

	arena_reset(&l->scratch);
	x->n_hits = 0;
	if (region == DD_FALSE || !witness_find_in(l->s, region, &l->scratch, &w))
		return false;
	witness_facts(l->s, &w, 0, &f);
	x->way = w.values;
	if (e == ENTRY_COMMAND) {
		vm_decide(l->img, e, &f, &d);
		for (int r = decision_next(&d, -1); r >= 0; r = decision_next(&d, r))
			x->hits[x->n_hits++] = (uint32_t) r;
		if (x->n_hits > FINDINGS_MANY)
			space_values(l->s, 0, &f, x->values);
		return true;
	}
	space_values(l->s, 0, &f, x->values);
	for (uint32_t r = 0; r < l->img->n_rules; r++)
		if (dd_eval(l->s->dd, x->may_match[r], x->values) == DD_TRUE)
			x->hits[x->n_hits++] = r;
	return true;
}

static bool
is_stronger(const struct idle *x, enum vm_entry e, size_t i, uint32_t by)
{
	const struct look *l = x->l;

	return look_decides(l, by) && l->img->rules[by].kind > l->img->rules[i].kind &&
	       (e == ENTRY_COMMAND ||
		dd_eval(l->s->dd, l->g->match[e][by], x->values) == DD_TRUE);
}

/* Of two that say the same the later is the one that is not needed. */
static bool
says_the_same(const struct idle *x, size_t i, uint32_t by)
{
	return by != i && look_decides(x->l, by) && x->effect[by] == x->effect[i] &&
	       (by < i || x->needed[by]);
}

/* Among others that are in the way of the rule at some input of the region, is there another at
 * which none is? False: it has not been found. */
static bool
steps_aside(struct idle *x, enum vm_entry e, size_t i, uint32_t region, bool also)
{
	struct look *l = x->l;
	size_t n_rules = l->img->n_rules, n = 0;
	uint32_t *roots;
	struct witness w;
	struct facts f;

	arena_reset(&l->scratch);
	if (region == DD_FALSE || !witness_find_in(l->s, region, &l->scratch, &w))
		return false;
	witness_facts(l->s, &w, 0, &f);
	x->way = w.values;
	space_values(l->s, 0, &f, x->values);
	roots = ARENA_ARRAY(&l->scratch, uint32_t, n_rules);
	/* What was in the way of the rule before stands next to this one. */
	for (size_t k = 1; k < n_rules; k++) {
		uint32_t by = (uint32_t) ((i + k) % n_rules);

		if (look_decides(l, by) && l->img->rules[by].kind > l->img->rules[i].kind)
			roots[n++] = l->g->match[e][by];
		else if (also && says_the_same(x, i, by))
			roots[n++] = e == ENTRY_COMMAND ? l->g->match[e][by] : x->may_match[by];
	}
	x->crowded = aside_find(l->aside, l->s, region, roots, n, x->values, x->way);
	return x->crowded;
}

/* Looks for an input of the region at which nothing is in the way of the rule: stronger rules, and
 * when `also` others that say the same. *wins: there is one without stronger rules. */
static bool
is_free(struct idle *x, enum vm_entry e, size_t i, uint32_t region, bool also, bool *wins)
{
	struct look *l = x->l;
	int looks = 0;

	if (x->crowded && steps_aside(x, e, i, region, also))
		return *wins = true;
	while (!look_lost(l) && looks++ < MOST_LOOKS && look_at(x, e, region)) {
		bool strong = false, any = false;
		uint32_t was = region;

		if (x->n_hits > FINDINGS_MANY && steps_aside(x, e, i, region, also))
			return *wins = true;
		order_hits(x, e);
		for (size_t k = 0; k < x->n_hits; k++) {
			uint32_t by = x->hits[k];
			bool stronger = is_stronger(x, e, i, by);

			if (!stronger && !(also && says_the_same(x, i, by)))
				continue;
			any = true;
			strong = strong || stronger;
			if (stronger || region != DD_FALSE)
				way_add(stronger ? &x->stronger : &x->same, by);
			if (region == DD_FALSE)
				continue; /* without these, too, nothing is left */
			region = dd_without(l->s->dd, region,
					    e == ENTRY_COMMAND || stronger ? l->g->match[e][by]
									   : x->may_match[by]);
		}
		*wins = *wins || !strong;
		/* The same region: the input was not what the way says, so believe neither. */
		if (!any || region == was)
			return *wins = true;
	}
	/* Left in the middle: nothing is found, and that is said. */
	if (look_lost(l) || looks > MOST_LOOKS)
		x->given_up = *wins = true;
	return *wins && x->given_up;
}

/* A session is opened for whoever has some allow or hold: nobody may have this one alone, even if
 * nothing comes of it. */
static bool
opens_a_door(const struct idle *x, size_t i)
{
	struct look *l = x->l;
	uint32_t region = x->may_match[i];

	for (size_t k = 0; k < l->img->n_rules && region != DD_FALSE && !look_lost(l); k++)
		if (k != i && look_decides(l, k) && l->img->rules[k].kind != VM_DENY &&
		    !x->removed[k])
			region = dd_without(l->s->dd, region, x->may_match[k]);
	return look_lost(l) || look_can_be(l, region);
}

static void
suggest(struct idle *x, struct diag *d, size_t i)
{
	edits_remove(x->l->q, d, x->l->tree, x->l->rules[i]);
	x->removed[i] = d->edits != NULL;
	x->needed[i] = !x->removed[i];
}

static void
note_stronger(struct idle *x, struct diag *d)
{
	struct look *l = x->l;

	qsort(x->stronger.v, x->stronger.n, sizeof(*x->stronger.v), compare_rules);
	for (size_t k = 0; k < x->stronger.n && k < FINDINGS_NOTES; k++) {
		uint32_t by = x->stronger.v[k];

		diag_note(l->q, d, l->rules[by]->name.at, "%s '%s' decides there",
			  vm_rule_info[l->img->rules[by].kind].name, l->rules[by]->name.s);
	}
}

static uint32_t
without_all(const struct idle *x, enum vm_entry e, uint32_t mine, const uint32_t *v, size_t n,
	    size_t but)
{
	for (size_t i = 0; i < n; i++)
		if (i != but)
			mine = dd_without(x->l->s->dd, mine,
					  e == ENTRY_COMMAND ? x->l->g->match[e][v[i]]
							     : x->may_match[v[i]]);
	return mine;
}

/* Of many that may say the same, one that says it alone stands first then. */
static bool
says_all(struct idle *x, enum vm_entry e, uint32_t mine, uint32_t *v, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		uint32_t one = v[k];

		if (look_can_be(x->l, without_all(x, e, mine, &one, 1, 1)))
			continue;
		v[0] = one;
		return true;
	}
	return false;
}

/* Where no stronger rule decides. */
static uint32_t
mine_alone(const struct idle *x, enum vm_entry e, size_t i)
{
	const struct look *l = x->l;
	uint32_t mine = e == ENTRY_COMMAND ? l->g->match[e][i] : x->may_match[i];

	for (size_t k = 0; k < x->stronger.n; k++)
		mine = dd_without(l->s->dd, mine, l->g->match[e][x->stronger.v[k]]);
	return mine;
}

/* As few others as say the same together. */
static void
note_same(struct idle *x, struct diag *d, size_t i)
{
	struct look *l = x->l;
	enum vm_entry e = ENTRY_COMMAND;
	uint32_t mine = mine_alone(x, e, i);
	size_t n = x->same.n;
	uint32_t *v = ARENA_ARRAY(&l->scratch, uint32_t, n + 1);

	if (!look_can_be(l, mine))
		mine = mine_alone(x, e = ENTRY_CONNECT, i);
	memcpy(v, x->same.v, n * sizeof(*v));
	qsort(v, n, sizeof(*v), compare_rules);
	if (n > 4 * FINDINGS_NOTES && says_all(x, e, mine, v, n))
		n = 1;
	for (size_t k = n; k-- > 0 && n <= 4 * FINDINGS_NOTES;)
		if (!look_can_be(l, without_all(x, e, mine, v, n, k)))
			memmove(&v[k], &v[k + 1], (--n - k) * sizeof(*v));
	for (size_t k = 0; k < n && k < FINDINGS_NOTES; k++)
		diag_note(l->q, d, l->rules[v[k]]->name.at, "'%s' says %s already",
			  l->rules[v[k]]->name.s, n == 1 ? "it" : "part of it");
}

static void
look_into(struct idle *x, size_t i)
{
	struct look *l = x->l;
	enum vm_rule kind = l->img->rules[i].kind;
	uint32_t command = l->g->match[ENTRY_COMMAND][i];
	uint32_t connect = l->g->match[ENTRY_CONNECT][i];
	bool wins = false, ignored = false, free;
	struct diag *d;

	x->given_up = false;
	way_clear(&x->stronger);
	way_clear(&x->same);
	free = is_free(x, ENTRY_COMMAND, i, command, true, &wins);
	/* Others that say the same may have hidden where it wins. */
	if (!free && !wins && kind != VM_DENY)
		wins = is_free(x, ENTRY_COMMAND, i, command, false, &ignored) ||
		       is_free(x, ENTRY_CONNECT, i, connect, false, &ignored);
	if (!free && (wins || kind == VM_DENY))
		free = is_free(x, ENTRY_CONNECT, i, kind == VM_ALLOW ? x->may_match[i] : connect,
			       true, &ignored);
	x->needed[i] = true;
	if (!free && !x->given_up) {
		if (!wins && kind != VM_DENY) {
			note_stronger(x, d = SAY(l, i, SHADOWED));
			if (!opens_a_door(x, i))
				suggest(x, d, i);
		} else {
			note_same(x, d = SAY(l, i, REDUNDANT), i);
			suggest(x, d, i);
			x->needed[i] = false;
		}
	}
	look_done(l, i, x->given_up);
}

static void
way_init(struct look *l, struct way *w)
{
	w->v = ARENA_ARRAY(l->arena, uint32_t, l->img->n_rules + 1);
	w->has = ARENA_ARRAY(l->arena, bool, l->img->n_rules + 1);
}

void
find_idle_rules(struct look *l)
{
	struct idle x = {.l = l};
	size_t n = l->img->n_rules;

	x.may_match = ARENA_ARRAY(l->arena, uint32_t, n + 1);
	x.effect = ARENA_ARRAY(l->arena, uint64_t, n + 1);
	x.needed = ARENA_ARRAY(l->arena, bool, n + 1);
	x.removed = ARENA_ARRAY(l->arena, bool, n + 1);
	x.hits = ARENA_ARRAY(l->arena, uint32_t, n + 1);
	x.depth = ARENA_ARRAY(l->arena, uint32_t, n + 1);
	x.values = ARENA_ARRAY(l->arena, uint32_t, l->s->n_vars + 1);
	way_init(l, &x.stronger);
	way_init(l, &x.same);
	for (size_t i = 0; i < n; i++) {
		x.may_match[i] =
			dd_or(l->s->dd, l->g->match[ENTRY_CONNECT][i], l->g->may[i]);
		x.effect[i] = rule_effect(l->img, i);
		x.depth[i] = depth_of(l->s->dd, l->g->match[ENTRY_COMMAND][i]);
	}
	l->mark = l->question = dd_mark(l->s->dd);
	l->aside = aside_new(l->arena, l->s);
	for (size_t i = n; i-- > 0;) {
		x.needed[i] = l->said[i];
		if (!look_decides(l, i) || l->said[i])
			continue;
		if (look_tired(l)) {
			look_skip(l, i);
			x.needed[i] = true;
			continue;
		}
		look_into(&x, i);
	}
}
