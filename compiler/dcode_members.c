/* SPDX-License-Identifier: MIT
 *
 * Rules that say nothing but who: of thousands for a group each, or with exceptions for one, one
 * look at the groups of a user tells which match. They come first, so that they are not part of
 * each way on; what asks for one of those groups besides asks whether the rule has matched, so that
 * no way asks for it twice.
 */
#include "compiler/dcode_put.h"

#include <stdlib.h>

enum {
	LEAST = 4,	  /* tests of one member each are as fast for fewer */
	LEAST_EXCEPT = 8, /* ... of exceptions, whose rules are all gone through */
	MAX_MATCHES = 1 << 15, /* of one block */
};

/* The variable that alone is asked for, + 1, besides whether the set is known (*known, + 1). */
static uint32_t
member_of(const struct dcode_vars *v, uint32_t node, uint32_t *known, bool *except)
{
	const struct dd_run *runs;
	uint32_t var;
	size_t n;

	*known = 0;
	if (dd_is_leaf(node))
		return 0;
	var = dd_var_of(v->dd, node);
	runs = dd_runs(v->dd, node, &n);
	if (v->vars[var].kind == DVAR_KNOWN && dd_is_leaf(runs[0].child) &&
	    !dd_is_leaf(runs[1].child)) {
		*known = var + 1;
		var = dd_var_of(v->dd, runs[1].child);
		runs = dd_runs(v->dd, runs[1].child, &n);
	}
	if (v->vars[var].kind != DVAR_MEMBER || v->vars[var].op != OP_SET_ANY ||
	    !dd_is_leaf(runs[0].child) || !dd_is_leaf(runs[1].child))
		return 0;
	*except = runs[0].child == DD_TRUE;
	return var + 1;
}

static void
note_vars(const struct dcode_vars *v, struct members *m, uint32_t node)
{
	const struct dd_run *runs;
	size_t n;

	if (dd_is_leaf(node) || m->nodes[node].search == m->search)
		return;
	m->nodes[node].search = m->search;
	m->asked[dd_var_of(v->dd, node)].search = m->search;
	runs = dd_runs(v->dd, node, &n);
	for (size_t i = 0; i < n; i++)
		note_vars(v, m, runs[i].child);
}

static void
begin_search(const struct dcode_vars *v, struct members *m, size_t n_rests)
{
	size_t n = dd_nodes(v->dd);

	if (!m->asked) {
		m->asked = ARENA_ARRAY(v->arena, struct searched, v->n + 1);
		m->told = ARENA_ARRAY(v->arena, struct searched, v->n + 1);
	}
	if (n > m->n_nodes) {
		m->n_nodes = 2 * n;
		m->nodes = ARENA_ARRAY(v->arena, struct searched, m->n_nodes);
	}
	m->search++;
	m->var = ARENA_ARRAY(v->arena, uint32_t, n_rests);
	m->except = ARENA_ARRAY(v->arena, bool, n_rests);
	m->known = 0;
}

/* The set that the most of them ask for; *excepts: there are exceptions enough, which count by the
 * members that they name, as tests of those would. */
static enum fact
usual_set(const struct dcode_vars *v, struct members *m, const struct rest *rests, size_t n,
	  bool *excepts)
{
	size_t count[FACT_COUNT][2] = {0}, best = 0;
	enum fact set = FACT_COUNT;

	for (size_t i = 0; i < n; i++) {
		bool except = false;
		uint32_t known, var = member_of(v, rests[i].node, &known, &except);

		if (!var || (except && m->asked[var - 1].search == m->search))
			continue;
		count[v->vars[var - 1].fact][except]++;
		if (except)
			m->asked[var - 1].search = m->search;
	}
	m->search++;
	for (int f = 0; f < FACT_COUNT; f++) {
		bool many = count[f][1] >= LEAST_EXCEPT;
		size_t all = count[f][0] + (many ? count[f][1] : 0);

		if (all < LEAST || all <= best)
			continue;
		best = all;
		set = (enum fact) f;
		*excepts = many;
	}
	return set;
}

/* That a rule has matched tells of its member; what `may` match some command later does not. */
static bool
tells(const struct dcode_vars *v, uint32_t outcome)
{
	return v->matched_var && v->outcomes[outcome].op == OP_MATCH;
}

size_t
dcode_members(const struct dcode_vars *v, struct members *m, const struct rest *rests, size_t n)
{
	bool excepts = false;
	enum fact set;
	size_t found = 0, matches = 0;
	uint32_t known, var;

	if (n < LEAST)
		return 0;
	begin_search(v, m, n);
	set = usual_set(v, m, rests, n, &excepts);
	if (set == FACT_COUNT)
		return 0;
	for (size_t i = 0; i < n; i++) {
		var = member_of(v, rests[i].node, &known, &m->except[i]);
		if (var && v->vars[var - 1].fact == set && (excepts || !m->except[i]))
			m->var[i] = var;
		else
			note_vars(v, m, rests[i].node);
	}
	for (size_t i = 0; i < n; i++) {
		var = m->var[i];
		if (var && tells(v, rests[i].outcome))
			m->told[var - 1] =
				(struct searched){m->search, 2 * rests[i].outcome + m->except[i]};
	}
	for (size_t i = 0; i < n; i++) {
		var = m->var[i];
		if (var && m->asked[var - 1].search == m->search &&
		    m->told[var - 1].search != m->search)
			m->var[i] = var = 0;
		if (!var)
			continue;
		(void) member_of(v, rests[i].node, &m->known, &m->except[i]);
		matches += v->img->constants[v->vars[var - 1].constant].strings.n;
		found++;
	}
	m->search++; /* of nodes: what is told of them */
	return found >= LEAST && matches <= MAX_MATCHES ? found : 0;
}

/* `yes` where a variable of two values is 1, else `no`; these may ask for earlier ones. */
static uint32_t
choose(struct dd *d, uint32_t var, uint32_t yes, uint32_t no)
{
	uint32_t is = dd_between(d, var, 1, 2);

	return dd_or(d, dd_and(d, is, yes), dd_without(d, no, is));
}

/* Who matches an exception's rule is no member. */
static uint32_t
tell(const struct dcode_vars *v, uint32_t told_by, const struct dd_run *member)
{
	bool except = told_by & 1;

	return choose(v->dd, v->matched_var - 1 + told_by / 2, member[!except].child,
		      member[except].child);
}

uint32_t
dcode_members_told(const struct dcode_vars *v, struct members *m, uint32_t node)
{
	const struct dd_run *runs;
	struct dd_run *told;
	uint32_t var, result;
	size_t n;

	if (dd_is_leaf(node))
		return node;
	if (m->nodes[node].search == m->search)
		return m->nodes[node].result;
	var = dd_var_of(v->dd, node);
	runs = dd_runs(v->dd, node, &n);
	told = ARENA_ARRAY(v->arena, struct dd_run, n);
	memcpy(told, runs, n * sizeof(*told));
	for (size_t i = 0; i < n; i++)
		told[i].child = dcode_members_told(v, m, told[i].child);
	if (var + 1 == m->known)
		result = told[1].child;
	else if (m->told[var].search + 1 == m->search)
		result = tell(v, m->told[var].result, told);
	else if (v->vars[var].kind == DVAR_MATCHED)
		result = choose(v->dd, var, told[1].child, told[0].child);
	else
		result = dd_node(v->dd, var, told, n);
	m->nodes[node] = (struct searched){m->search, result};
	return result;
}

/* ---- Instructions ---- */

/* A rule that matches by a string, or by its lack. */
struct pair {
	struct slice string;
	uint32_t outcome;
	bool except;
};

static int
compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = slice_cmp(x->string, y->string);

	return c ? c : (x->outcome > y->outcome) - (x->outcome < y->outcome);
}

static struct pair *
find_pairs(struct putter *p, const struct block *block, size_t *n)
{
	const struct member *members = &p->b->members[block->first];
	const struct constant *constants = p->v->img->constants;
	struct pair *pairs;

	*n = 0;
	for (uint32_t i = 0; i < block->n; i++)
		*n += constants[p->v->vars[members[i].var].constant].strings.n;
	pairs = ARENA_ARRAY(p->arena, struct pair, *n + 1);
	*n = 0;
	for (uint32_t i = 0; i < block->n; i++) {
		const struct constant *k = &constants[p->v->vars[members[i].var].constant];

		for (size_t s = 0; s < k->strings.n; s++)
			pairs[(*n)++] = (struct pair){k->strings.v[s], members[i].outcome,
						      members[i].except};
	}
	qsort(pairs, *n, sizeof(*pairs), compare_pairs);
	return pairs;
}

/* The first match of each string, then the others, each after the one that leads to it. */
static void
put_look(struct putter *p, enum fact set, const struct pair *pairs, size_t n)
{
	struct slice *v = ARENA_ARRAY(p->arena, struct slice, n + 1);
	struct insn *matches = ARENA_ARRAY(p->arena, struct insn, n + 1);
	struct insn in = {.op = OP_SET_MATCH, .fact = (uint16_t) set, .skip = (uint16_t) n};
	size_t n_strings = 0, at = 0, others;

	for (size_t i = 0; i < n; i++)
		if (i == 0 || !slice_eq(pairs[i].string, pairs[i - 1].string))
			v[n_strings++] = pairs[i].string;
	others = n_strings;
	n_strings = 0;
	for (size_t i = 0; i < n; i++) {
		const struct outcome *o = &p->v->outcomes[pairs[i].outcome];
		bool first = i == 0 || !slice_eq(pairs[i].string, pairs[i - 1].string);
		size_t before = at;

		at = first ? n_strings++ : others++;
		if (!first)
			matches[before].skip = (uint16_t) (at - before);
		matches[at] = (struct insn){.op = o->op, .arg = o->rule,
					    .flags = pairs[i].except ? INSN_NOT : 0};
		in.flags |= matches[at].flags;
	}
	in.arg = dcode_constant_strings(p, v, n_strings);
	dcode_put(p, in);
	for (size_t i = 0; i < n; i++)
		dcode_put(p, matches[i]);
}

/* One look for all when some group has rules and exceptions, so that it is asked for once. Else
 * the exceptions have their own: only those need to be gone through, each. */
void
dcode_put_members(struct putter *p, const struct block *block)
{
	enum fact set = p->v->vars[block->var].fact;
	size_t n, n_rules = 0, n_except = 0;
	struct pair *pairs = find_pairs(p, block, &n);
	struct pair *except = ARENA_ARRAY(p->arena, struct pair, n + 1);
	struct pair *rules = ARENA_ARRAY(p->arena, struct pair, n + 1);
	bool together = false;

	for (size_t i = 0; i < n; i++) {
		if (pairs[i].except)
			except[n_except++] = pairs[i];
		else
			rules[n_rules++] = pairs[i];
		together |= i && slice_eq(pairs[i].string, pairs[i - 1].string) &&
			    pairs[i].except != pairs[i - 1].except;
	}
	if (together) {
		put_look(p, set, pairs, n);
	} else {
		if (n_rules)
			put_look(p, set, rules, n_rules);
		if (n_except)
			put_look(p, set, except, n_except);
	}
	dcode_go(p, block->next);
}
