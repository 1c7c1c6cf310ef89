/* SPDX-License-Identifier: MIT
 *
 * A proof is that nothing is left of a diagram: of the inputs that would break the statement. What
 * a hold lets through once it is released counts as seen, and as run with a hold.
 */
#include "compiler/prove.h"

void
prover_init(struct prover *p, struct arena *arena, const struct image *img,
	    const struct catalog *catalog)
{
	const struct image **images = ARENA_ARRAY(arena, const struct image *, 1);

	*p = (struct prover){.arena = arena, .img = img, .catalog = catalog};
	images[0] = img;
	p->space = space_new_apart(arena, images, 1, &p->why);
	if (!p->space)
		return;
	p->space->catalogs = &p->catalog;
	p->why = "the rules, which depend on each other in too many ways";
	p->diagram = diagram_matches(p->space, 0);
	if (!p->diagram) {
		p->space = NULL;
		return;
	}
	(void) space_feasible(p->space);
	p->mark = dd_mark(p->space->dd);
	p->scoped = !diagram_verdicts(p->diagram);
}

/* Where the verdicts of everything are too large, those of what the proof is about. */
static bool
look_at(struct prover *p, uint32_t scope)
{
	return !p->scoped || diagram_verdicts_in(p->diagram, scope);
}

/* The principal is in none of the groups. What no rule tells apart needs no condition. */
static uint32_t
in_none(struct prover *p, const struct ref *groups)
{
	struct space *s = p->space;
	uint32_t root = DD_TRUE;

	for (const struct ref *r = groups; r && s->member_var[FACT_USER_GROUPS]; r = r->next) {
		int g = image_group_find(p->img, slice_str(r->name.s));
		const struct partition *names = s->facts[FACT_USER_GROUPS].strings;
		uint32_t class;

		assert(g >= 0); /* checked */
		class = (uint32_t) partition_find(names, p->img->groups[g].idp);
		if (names->classes[class].constant)
			root = dd_and(s->dd, root,
				      dd_between(s->dd, s->member_var[FACT_USER_GROUPS] - 1 + class,
						 0, 1));
	}
	return root;
}

/* Rather what runs at once: a test shows that. */
static bool
find(struct prover *p, uint32_t root, struct counterexample *out)
{
	struct dd *d = p->space->dd;
	struct decision x;
	struct facts f;

	if (!witness_find(p->space,
			  dd_and(d, root, p->diagram->verdict[ENTRY_COMMAND][VERDICT_ALLOW]),
			  &out->witness) &&
	    !witness_find(p->space, root, &out->witness))
		return false;
	witness_facts(p->space, &out->witness, 0, &f);
	vm_decide(p->img, ENTRY_COMMAND, &f, &x);
	out->verdict = x.verdict;
	return true;
}

static bool
has_kind(const struct prover *p, size_t kind, const struct ref *data)
{
	for (const struct ref *r = data; r; r = r->next)
		for (size_t i = 0; i < p->img->n_data; i++)
			if (slice_is(p->img->data[i].name, r->name.s) &&
			    data_set_has(&p->space->columns.kinds[kind].data,
					 p->space->columns.data_of[0][i]))
				return true;
	return false;
}

/* Where it is read under another name than its own. */
static uint32_t
through_views(struct prover *p, size_t kind)
{
	return dd_and(p->space->dd, reading_selects(p->space),
		      reading_elsewhere(p->diagram, kind, ELSEWHERE_SHOWN));
}

/* Statistics show values of every column, and are refused only to whom masks or drops of columns
 * apply. */
static uint32_t
by_statistics(struct prover *p)
{
	struct dd *d = p->space->dd;
	uint32_t root = dd_and(d, reading_selects(p->space),
			       reading_telling(p->space, READING_TELLS_VALUES));

	for (size_t i = 0; i < p->img->n_rules && root != DD_FALSE; i++)
		if (p->img->rules[i].by_column)
			root = dd_without(d, root, p->diagram->match[ENTRY_RESULT][i]);
	return root;
}

/* Somebody sees a column as it is: of a table that has it, or else through a view. */
static bool
find_seen(struct prover *p, size_t kind, uint32_t others, struct counterexample *out)
{
	struct space *s = p->space;
	struct dd *d = s->dd;
	uint32_t bare = dd_where(d, reading_masks(p->diagram, kind), dd_leaf(0));
	uint32_t shown = dd_and(d, others, bare);
	uint32_t root = dd_without(d, dd_and(d, shown, reading_where(s, kind)),
				   reading_drops(p->diagram, kind));

	return find(p, dd_and(d, root, reading_known(s, kind)), out) || find(p, root, out) ||
	       (!p->tables_only &&
		find(p, dd_and(d, shown, through_views(p, kind)), out));
}

/* Somebody sees it in statistics. */
static bool
find_told(struct prover *p, size_t kind, uint32_t others, struct counterexample *out)
{
	return !p->tables_only &&
	       find(p, dd_and(p->space->dd, others, by_statistics(p)), out) &&
	       reading_move_telling(p->space, &out->witness, kind, &out->place);
}

static enum proof
prove_only(struct prover *p, const struct ref *data, uint32_t where, struct counterexample *out)
{
	struct space *s = p->space;
	struct dd *d = s->dd;
	uint32_t scope = p->scoped ? DD_FALSE : DD_TRUE, others;

	for (size_t i = 0; i < s->columns.n_kinds && p->scoped; i++)
		if (has_kind(p, i, data))
			scope = dd_or(d, scope,
				      dd_or(d, reading_where(s, i),
					    through_views(p, i)));
	if (p->scoped)
		scope = dd_or(d, scope, by_statistics(p));
	if (!look_at(p, scope))
		return PROOF_TOO_HARD;
	others = dd_without(d, dd_and(d, where, scope),
			    p->diagram->verdict[ENTRY_COMMAND][VERDICT_DENY]);
	for (size_t i = 0; i < s->columns.n_kinds; i++)
		if (has_kind(p, i, data) && find_seen(p, i, others, out)) {
			out->place = reading_place(s, &out->witness, i, ELSEWHERE_SHOWN);
			return PROOF_FAILS;
		}
	for (size_t i = 0; i < s->columns.n_kinds; i++)
		if (has_kind(p, i, data)) /* it is the same of each */
			return find_told(p, i, others, out) ? PROOF_FAILS : PROOF_HOLDS;
	return PROOF_HOLDS;
}

static enum proof
prove_nobody(struct prover *p, const struct prove_decl *k, struct counterexample *out)
{
	struct space *s = p->space;
	struct dd *d = s->dd;
	struct action_set set = {0};
	uint32_t among = DD_FALSE, root;

	for (const struct ref *r = k->actions; r; r = r->next)
		if (!action_set_of(slice_str(r->name.s), &set))
			panic_at(__FILE__, __LINE__, __func__, "actions are checked");
	for (enum action a = 0; a < ACTION_COUNT && s->fact_var[FACT_ACTION]; a++)
		if (action_set_has(&set, a))
			among = dd_or(d, among,
				      dd_between(d, s->fact_var[FACT_ACTION] - 1, a + 1u, a + 2u));
	if (!s->fact_var[FACT_ACTION])
		among = DD_TRUE;
	if (!look_at(p, among))
		return PROOF_TOO_HARD;
	root = dd_and(d, p->diagram->verdict[ENTRY_COMMAND][VERDICT_ALLOW], among);
	if (!find(p, root, out))
		return PROOF_HOLDS;
	/* Where no rule asks for the action, any of them is an example. */
	for (enum action a = ACTION_COUNT; a-- > 0 && !s->fact_var[FACT_ACTION];)
		if (action_set_has(&set, a))
			facts_int(&out->witness.facts, FACT_ACTION, a);
	return PROOF_FAILS;
}

static enum proof
unless_full(struct prover *p, enum proof result)
{
	if (!dd_full(p->space->dd))
		return result;
	p->why = "the rules, which depend on each other in too many ways";
	return PROOF_TOO_HARD;
}

enum proof
prove(struct prover *p, const struct prove_decl *k, struct counterexample *out)
{
	enum proof result;

	*out = (struct counterexample){0};
	if (!p->space)
		return PROOF_TOO_HARD;
	if (p->scoped)
		dd_release(p->space->dd, p->mark);
	result = k->kind == PROVE_ONLY_SEE ? prove_only(p, k->data, in_none(p, k->groups), out)
					   : prove_nobody(p, k, out);
	return unless_full(p, result);
}

enum proof
prove_seen(struct prover *p, const struct ref *data, uint32_t where, struct counterexample *out)
{
	*out = (struct counterexample){0};
	return unless_full(p, prove_only(p, data, where, out));
}

static void
put_names(struct buf *out, const struct ref *names)
{
	for (const struct ref *r = names; r; r = r->next)
		buf_printf(out, "%s%s", r == names ? " " : ", ", r->name.s);
}

void
prove_text(struct buf *out, const struct prove_decl *k)
{
	if (k->kind == PROVE_ONLY_SEE) {
		buf_puts(out, "only");
		put_names(out, k->groups);
		buf_puts(out, " see");
		put_names(out, k->data);
		buf_puts(out, " unmasked");
	} else {
		buf_puts(out, "nobody runs");
		put_names(out, k->actions);
		buf_puts(out, " without a hold");
	}
}
