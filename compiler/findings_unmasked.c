/* SPDX-License-Identifier: MIT
 *
 * Data that somebody sees as it is. What a mask excepts by `unless` or `when` is meant, and who may
 * is said there. Not so where every mask of a class names whom it is for, by `who` or `on`: an
 * allow that somebody adds for others later is for unmasked data, and no line says so. That is
 * told always; with `strict` all is that no `prove only` covers.
 */
#include "compiler/findings_internal.h"
#include "vm/match.h"

enum { MOST_WORK = 1 << 24 }; /* some seconds */

/* Whether a rule in force masks the class. */
static bool
masks(const struct look *l, size_t i, size_t data)
{
	const struct image_rule *r = &l->img->rules[i];

	for (size_t k = 0; k < r->mask.n_data && r->kind == VM_MASK && !r->shadow; k++)
		if (r->mask.data[k] == data)
			return true;
	return false;
}

static bool
names_whom(const struct rule *r)
{
	for (const struct clause *c = r->clauses; c; c = c->next)
		if (c->kind == CLAUSE_WHO || c->kind == CLAUSE_ON)
			return true;
	return false;
}

/* By class: all masks of it say whom they are for, and there is one. */
static bool *
find_suspects(const struct look *l)
{
	bool *suspect = ARENA_ARRAY(l->arena, bool, l->img->n_data + 1);

	for (int all = 0; all < 2; all++)
		for (size_t i = 0; i < l->img->n_rules; i++) {
			const struct image_rule *r = &l->img->rules[i];

			if (r->kind != VM_MASK || r->shadow || names_whom(l->rules[i]) == all)
				continue;
			for (size_t k = 0; k < r->mask.n_data; k++)
				suspect[r->mask.data[k]] = !all;
		}
	return suspect;
}

static bool
is_proved(const struct look *l, const struct data_decl *d)
{
	for (const struct prove_decl *p = l->tree->proofs; p; p = p->next)
		for (const struct ref *r = p->data; r; r = r->next)
			if (r->name.s == d->name.s)
				return true;
	return false;
}

/* ---- Whom the masks are for ---- */

static uint32_t
in_group(const struct look *l, struct space *s, const char *name)
{
	int g = image_group_find(l->img, slice_str(name));
	uint32_t var = s->member_var[FACT_USER_GROUPS], class;

	assert(g >= 0 && var); /* checked, and read by the mask */
	class = (uint32_t) partition_find(s->facts[FACT_USER_GROUPS].strings,
					  l->img->groups[g].idp);
	return dd_between(s->dd, var - 1 + class, 1, 2);
}

static uint32_t
on_target(const struct look *l, struct space *s, const char *name)
{
	const struct domain *d = &s->facts[FACT_TARGET_NAME];
	uint32_t var = s->fact_var[FACT_TARGET_NAME], root = DD_FALSE;

	assert(var);
	for (size_t t = 0; t < l->img->n_targets; t++)
		for (uint32_t i = 0; i < d->n && slice_is(l->img->targets[t].name, name); i++)
			if (match_glob(l->img->targets[t].pattern, d->values[i].s))
				root = dd_or(s->dd, root, dd_between(s->dd, var - 1, i + 1, i + 2));
	return root;
}

static uint32_t
whom(const struct look *l, struct space *s, const struct rule *r)
{
	uint32_t all = DD_TRUE;

	for (const struct clause *c = r->clauses; c; c = c->next) {
		uint32_t any = DD_FALSE;

		if (c->kind != CLAUSE_WHO && c->kind != CLAUSE_ON)
			continue;
		for (const struct ref *n = c->names; n; n = n->next)
			any = dd_or(s->dd, any,
				    c->kind == CLAUSE_WHO ? in_group(l, s, n->name.s)
							  : on_target(l, s, n->name.s));
		all = dd_and(s->dd, all, any);
	}
	return all;
}

static uint32_t
left_out(const struct look *l, struct space *s, size_t data)
{
	uint32_t root = DD_TRUE;

	for (size_t i = 0; i < l->img->n_rules; i++)
		if (masks(l, i, data))
			root = dd_without(s->dd, root, whom(l, s, l->rules[i]));
	return root;
}

/* ---- What is said ---- */

static struct slice
group_name(const struct look *l, struct slice idp)
{
	for (size_t g = 0; g < l->img->n_groups; g++)
		if (slice_eq(l->img->groups[g].idp, idp))
			return l->img->groups[g].name;
	return idp;
}

/* "somebody of audit, on a target 'orders'" */
static void
note_who(struct look *l, struct diag *d, const struct counterexample *x)
{
	const struct value *groups = &x->witness.facts.v[FACT_USER_GROUPS];
	const struct value *target = &x->witness.facts.v[FACT_TARGET_NAME];
	struct buf b = {0};

	for (size_t i = 0; groups->known && i < groups->set.n; i++)
		buf_printf(&b, "%s%.*s", i ? ", " : " of ",
			   SLICE_ARG(group_name(l, groups->set.v[i])));
	diag_note(l->q, d, SPAN_NONE, "by somebody%.*s, on a target '%.*s'",
		  b.n ? (int) b.n : 15, b.n ? (const char *) b.p : " who is in none",
		  SLICE_ARG(target->s));
	buf_fini(&b);
}

static void
say(struct look *l, const struct data_decl *d, size_t data, const struct counterexample *x,
    bool suspect)
{
	struct diag *said = diag(l->q, UNMASKED, d->name.at, d->name.s, SLICE_ARG(x->place.schema),
				 SLICE_ARG(x->place.table), SLICE_ARG(x->place.column));

	if (suspect) {
		note_who(l, said, x);
		for (size_t i = 0; i < l->img->n_rules; i++)
			if (masks(l, i, data))
				diag_note(l->q, said, l->rules[i]->name.at,
					  "it is masked only for whom this names; `unless who` "
					  "would name the exceptions instead");
	}
	diag_note(l->q, said, SPAN_NONE,
		  "if that is meant, say who may: `prove only GROUP see %s unmasked`", d->name.s);
}

void
find_unmasked(struct look *l, bool strict)
{
	const bool *suspects = find_suspects(l);
	struct prover prover = {0};
	size_t i = 0;

	for (const struct data_decl *d = l->tree->data; d; d = d->next, i++) {
		struct ref data = {.name = d->name};
		struct counterexample x;
		uint32_t where;

		if ((!strict && !suspects[i]) || is_proved(l, d))
			continue;
		if (!prover.arena)
			prover_init(&prover, l->arena, l->img, NULL);
		prover.tables_only = true;
		if (!prover.space) {
			if (strict)
				diag(l->q, ENTANGLED, l->tree->name.at, prover.why);
			return;
		}
		if (dd_work(prover.space->dd) > MOST_WORK) {
			diag(l->q, ENTANGLED, d->name.at,
			     "who sees data as it is, of this class and those behind it");
			return;
		}
		where = strict ? DD_TRUE : left_out(l, prover.space, i);
		if (prove_seen(&prover, &data, where, &x) == PROOF_FAILS)
			say(l, d, i, &x, suspects[i]);
	}
}
