/* SPDX-License-Identifier: MIT */
#include "compiler/findings.h"

#include "compiler/prove.h"
#include "compiler/rule_digest.h"

/* Of the rules that could be meant, so many are named. */
enum { MAX_NOTES = 5 };

struct look {
	struct diag_queue *q;
	const struct policy *tree;
	const struct image *img;
	struct prover prover;
	struct diagram *g;
	struct space *s;
	const struct rule **rules; /* of the tree, by position in the image */
	bool *said;		   /* something was found about the rule */
};

/* Whether the rule has a say in the verdict: a shadow rule has none, and that is meant. */
static bool
decides(const struct look *l, size_t i)
{
	return l->img->rules[i].kind <= VM_DENY && !l->img->rules[i].shadow;
}

static bool
can_be(const struct look *l, uint32_t root)
{
	uint32_t *values = ARENA_ARRAY(l->s->arena, uint32_t, l->s->n_vars + 1);

	return dd_witness(l->s->dd, dd_and(l->s->dd, root, space_feasible(l->s)), l->s->arena,
			  values);
}

static uint32_t
match_of(const struct look *l, enum vm_entry e, size_t i)
{
	if (e != ENTRY_CONNECT)
		return l->g->match[e][i];
	return dd_or(l->s->dd, l->g->match[e][i], l->g->may[i]);
}

static bool
was_said(const struct look *l, size_t i)
{
	for (const struct diag *d = l->q->first; d; d = d->next)
		if (d->id == DIAG_NEVER_MATCHES &&
		    memcmp(&d->at, &l->rules[i]->name.at, sizeof(d->at)) == 0)
			return true;
	return l->said[i];
}

static struct diag *
say(struct look *l, size_t i, struct diag *d)
{
	l->said[i] = true;
	return d;
}

#define SAY(l, i, id, ...)                                                                         \
	say((l), (i),                                                                              \
	    diag((l)->q, id, (l)->rules[i]->name.at, vm_rule_info[(l)->img->rules[i].kind].name,   \
		 (l)->rules[i]->name.s __VA_OPT__(, ) __VA_ARGS__))

static void
find_unreachable(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules; i++) {
		bool any = false;

		for (int e = 0; e < ENTRY_COUNT && !any; e++)
			any = can_be(l, l->g->match[e][i]);
		if (!any && !was_said(l, i))
			diag_note(
				l->q, SAY(l, i, UNREACHABLE), SPAN_NONE,
				"its clauses contradict each other, or what is known of commands");
	}
}

/* Which of the stronger rules are in the way. */
static void
note_stronger(struct look *l, struct diag *d, size_t i)
{
	uint32_t match = l->g->match[ENTRY_COMMAND][i];
	int n = 0;

	for (size_t k = 0; k < l->img->n_rules && n < MAX_NOTES; k++) {
		enum vm_rule kind = l->img->rules[k].kind;

		if (kind > VM_DENY || kind <= l->img->rules[i].kind ||
		    !can_be(l, dd_and(l->s->dd, match, l->g->match[ENTRY_COMMAND][k])))
			continue;
		diag_note(l->q, d, l->rules[k]->name.at, "%s '%s' decides there",
			  vm_rule_info[kind].name, l->rules[k]->name.s);
		n++;
	}
}

static void
find_shadowed(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules; i++) {
		enum vm_rule kind = l->img->rules[i].kind;
		bool wins = false;

		if (!decides(l, i) || kind == VM_DENY || was_said(l, i))
			continue;
		for (int e = ENTRY_CONNECT; e <= ENTRY_COMMAND; e++)
			wins |= can_be(
				l, dd_and(l->s->dd, l->g->match[e][i], l->g->verdict[e][kind]));
		if (!wins)
			note_stronger(l, SAY(l, i, SHADOWED), i);
	}
}

/* ---- Redundant rules ---- */

static bool
same_effect(const struct look *l, size_t a, size_t b)
{
	const struct image_rule *x = &l->img->rules[a], *y = &l->img->rules[b];
	struct buf t = {0}, u = {0};
	bool same = x->kind == y->kind;

	if (same && x->kind == VM_HOLD) {
		rule_hold_terms(&t, l->img, &x->hold);
		rule_hold_terms(&u, l->img, &y->hold);
		same = slice_eq(buf_slice(&t), buf_slice(&u));
		buf_fini(&t);
		buf_fini(&u);
	}
	return same;
}

/* Where the rule decides, and none of the others of its effect matches. `before[i]`: all of its
 * effect that stand before; `after`: those after it that are needed. */
static bool
is_needed(const struct look *l, enum vm_entry e, size_t i, uint32_t before, uint32_t after)
{
	struct dd *d = l->s->dd;
	uint32_t mine = dd_and(d, match_of(l, e, i), l->g->verdict[e][l->img->rules[i].kind]);

	mine = dd_without(d, mine, before);
	if (mine != DD_FALSE)
		mine = dd_without(d, mine, after);
	return mine != DD_FALSE && can_be(l, mine);
}

static uint32_t
without_all(const struct look *l, enum vm_entry e, uint32_t mine, const size_t *v, size_t n,
	    size_t but)
{
	for (size_t i = 0; i < n; i++)
		if (i != but)
			mine = dd_without(l->s->dd, mine, match_of(l, e, v[i]));
	return mine;
}

/* As few others as say the same together. */
static void
note_same(struct look *l, struct diag *d, size_t i, enum vm_entry e)
{
	uint32_t mine =
		dd_and(l->s->dd, match_of(l, e, i), l->g->verdict[e][l->img->rules[i].kind]);
	size_t v[MAX_NOTES * 4], n = 0;
	uint32_t rest = dd_and(l->s->dd, mine, space_feasible(l->s));

	for (size_t k = 0; k < l->img->n_rules && n < COUNT_OF(v); k++) {
		uint32_t less;

		if (k == i || l->said[k] || !same_effect(l, i, k))
			continue;
		less = dd_without(l->s->dd, rest, match_of(l, e, k));
		if (less != rest)
			v[n++] = k;
		rest = less;
	}
	for (size_t k = n; k-- > 0;)
		if (!can_be(l, without_all(l, e, mine, v, n, k)))
			memmove(&v[k], &v[k + 1], (--n - k) * sizeof(*v));
	for (size_t k = 0; k < n && k < MAX_NOTES; k++)
		diag_note(l->q, d, l->rules[v[k]]->name.at, "'%s' says %s already",
			  l->rules[v[k]]->name.s, n == 1 ? "it" : "part of it");
}

/* From the last to the first, so that of two that say the same the later is named. */
static void
find_redundant_of(struct look *l, const size_t *same, size_t n)
{
	struct dd *d = l->s->dd;
	uint32_t *before[2], after[2] = {DD_FALSE, DD_FALSE};

	for (int e = ENTRY_CONNECT; e <= ENTRY_COMMAND; e++) {
		before[e] = ARENA_ARRAY(l->s->arena, uint32_t, n + 1);
		before[e][0] = DD_FALSE;
		for (size_t i = 0; i < n; i++)
			before[e][i + 1] =
				dd_or(d, before[e][i], match_of(l, (enum vm_entry) e, same[i]));
	}
	for (size_t i = n; i-- > 0;) {
		bool needed = was_said(l, same[i]);

		for (int e = ENTRY_CONNECT; e <= ENTRY_COMMAND && !needed; e++)
			needed = is_needed(l, (enum vm_entry) e, same[i], before[e][i], after[e]);
		if (!needed)
			note_same(l, SAY(l, same[i], REDUNDANT), same[i],
				  can_be(l, l->g->match[ENTRY_COMMAND][same[i]]) ? ENTRY_COMMAND
										 : ENTRY_CONNECT);
		for (int e = ENTRY_CONNECT; e <= ENTRY_COMMAND && needed; e++)
			after[e] = dd_or(d, after[e], match_of(l, (enum vm_entry) e, same[i]));
	}
}

static void
find_redundant(struct look *l)
{
	size_t *same = ARENA_ARRAY(l->s->arena, size_t, l->img->n_rules + 1), n;
	bool *done = ARENA_ARRAY(l->s->arena, bool, l->img->n_rules + 1);

	for (size_t i = 0; i < l->img->n_rules; i++) {
		if (!decides(l, i) || done[i])
			continue;
		n = 0;
		for (size_t k = i; k < l->img->n_rules; k++)
			if (!done[k] && decides(l, k) && same_effect(l, i, k)) {
				done[k] = true;
				same[n++] = k;
			}
		find_redundant_of(l, same, n);
	}
}

/* ---- Strict ---- */

/* Data that somebody sees as it is, unless a proof says who may. */
static void
find_unmasked(struct look *l)
{
	for (const struct data_decl *d = l->tree->data; d; d = d->next) {
		struct ref data = {.name = d->name};
		struct prove_decl k = {.kind = PROVE_ONLY_SEE, .data = &data};
		struct counterexample x;
		bool proved = false;

		for (const struct prove_decl *p = l->tree->proofs; p; p = p->next)
			for (const struct ref *r = p->data; r; r = r->next)
				proved |= r->name.s == d->name.s;
		if (proved || prove(&l->prover, &k, &x) != PROOF_FAILS)
			continue;
		diag_note(l->q,
			  diag(l->q, UNMASKED, d->name.at, d->name.s, SLICE_ARG(x.place.schema),
			       SLICE_ARG(x.place.table), SLICE_ARG(x.place.column)),
			  SPAN_NONE,
			  "if that is meant, say who may: `prove only GROUP see %s unmasked`",
			  d->name.s);
	}
}

static void
find_untested(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules; i++) {
		bool tested = false;

		for (const struct test_decl *t = l->tree->tests; t && !tested; t = t->next)
			for (const struct expect *e = t->expects; e; e = e->next)
				tested |= e->by.s && strcmp(e->by.s, l->rules[i]->name.s) == 0;
		if (!tested && !l->said[i])
			(void) SAY(l, i, UNTESTED);
	}
}

/* Rules of the tree by name: the image has them in the order of the text. */
static void
find_rules(struct look *l, struct arena *arena)
{
	const struct rule *r = l->tree->rules;

	l->rules = ARENA_ARRAY(arena, const struct rule *, l->img->n_rules + 1);
	for (size_t i = 0; i < l->img->n_rules; i++) {
		while (!slice_is(l->img->rules[i].name, r->name.s))
			r = r->next;
		l->rules[i] = r;
	}
}

void
findings(struct diag_queue *q, const struct policy *tree, const struct image *img,
	 struct arena *arena, bool strict)
{
	struct look l = {.q = q, .tree = tree, .img = img};

	prover_init(&l.prover, arena, img);
	l.s = l.prover.space;
	l.g = l.prover.diagram;
	if (!l.s) {
		diag(q, ENTANGLED, tree->name.at, l.prover.why);
		return;
	}
	l.said = ARENA_ARRAY(arena, bool, img->n_rules + 1);
	find_rules(&l, arena);
	find_unreachable(&l);
	find_shadowed(&l);
	find_redundant(&l);
	if (strict) {
		find_unmasked(&l);
		find_untested(&l);
	}
}
