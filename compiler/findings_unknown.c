/* SPDX-License-Identifier: MIT
 *
 * Rules that read a fact of actions that never have it: `begin` has no table. Unknown helps to
 * deny and never to allow, so a deny applies to all of them and an allow to none, which is hardly
 * what its author had in mind.
 */
#include "compiler/findings_internal.h"

enum { MOST_TRIES = 200 }; /* at rules that would allow what is denied */

static const enum fact partly_unknown[] = {FACT_TABLE, FACT_SCHEMA, FACT_FUNCTION, FACT_SETTING};

static bool
never_known(enum fact f, enum action a)
{
	if (a == ACTION_CONNECT || a == ACTION_SQL_UNPARSED)
		return false;
	if (f == FACT_SETTING)
		return !space_has_setting(a);
	if (f == FACT_FUNCTION)
		return a != ACTION_SQL_CALL && a != ACTION_SQL_OPAQUE_FUNCTION;
	return !space_has_object(a);
}

static uint32_t
where_unknown(const struct look *l, enum fact f, enum action a)
{
	uint32_t action = l->s->fact_var[FACT_ACTION], var = l->s->fact_var[f];

	return dd_and(l->s->dd, dd_between(l->s->dd, action - 1, a + 1u, a + 2u),
		      dd_between(l->s->dd, var - 1, SPACE_UNKNOWN, SPACE_UNKNOWN + 1));
}

/* The rule's condition for one action, walked from its topmost node. */
static uint32_t
for_action(const struct look *l, size_t i, enum action a)
{
	uint32_t root = l->g->match[ENTRY_COMMAND][i], var = l->s->fact_var[FACT_ACTION] - 1;
	const struct dd_run *runs;
	size_t n;

	if (dd_is_leaf(root) || dd_var_of(l->s->dd, root) != var)
		return root;
	runs = dd_runs(l->s->dd, root, &n);
	while (runs->end <= a + 1u)
		runs++;
	return runs->child;
}

static bool
reads(const struct look *l, uint32_t root, enum fact f)
{
	return root != DD_FALSE && l->s->fact_var[f] &&
	       dd_restrict(l->s->dd, root, l->s->fact_var[f] - 1, SPACE_UNKNOWN) != root;
}

/* Some rule would let it through, were it not for this one. */
static bool
is_open(const struct look *l, size_t i, uint32_t region)
{
	int tries = 0;

	for (size_t k = 0; k < l->img->n_rules && tries < MOST_TRIES; k++) {
		const struct image_rule *r = &l->img->rules[k];

		if (!look_decides(l, k) || r->kind >= l->img->rules[i].kind)
			continue;
		tries++;
		if (look_can_be(l, dd_and(l->s->dd, region, l->g->match[ENTRY_COMMAND][k])))
			return true;
	}
	return l->img->default_allow && look_can_be(l, region);
}

static void
note_actions(struct look *l, struct diag *d, const struct action_set *set)
{
	struct buf names = {0};
	int n = 0, more = 0;

	for (int a = 0; a < ACTION_COUNT; a++) {
		if (!action_set_has(set, (enum action) a))
			continue;
		if (n++ < FINDINGS_NOTES)
			buf_printf(&names, "%s%s", n > 1 ? ", " : "", action_info[a].name);
		else
			more++;
	}
	if (more)
		buf_printf(&names, " and %d more", more);
	diag_note(l->q, d, SPAN_NONE,
		  "so of %.*s: name the actions that are meant in `do`, or leave these out with "
		  "`unless do`",
		  SLICE_ARG(buf_slice(&names)));
	buf_fini(&names);
}

/* A deny or hold that applies where nobody can know what it asks for. */
static void
find_strict(struct look *l, size_t i, enum fact f)
{
	struct action_set hit = {0};
	enum action first = ACTION_NONE;

	for (int k = 0; k < ACTION_COUNT; k++) {
		enum action a = (enum action) k;
		uint32_t root = for_action(l, i, a), region;

		if (!never_known(f, a) || !reads(l, root, f))
			continue;
		region = dd_and(l->s->dd, root, where_unknown(l, f, a));
		if (!look_can_be(l, region) || !is_open(l, i, region))
			continue;
		action_set_add(&hit, a);
		first = first == ACTION_NONE ? a : first;
	}
	if (first == ACTION_NONE || look_lost(l))
		return;
	note_actions(l, SAY(l, i, UNKNOWN_THERE, action_info[first].name, fact_info[f].name), &hit);
}

/* An entry of `do` of which an allow reaches less than half. That SET has a setting and LISTEN has
 * none is what whoever asks for one knows; that BEGIN has no table is easily forgotten. */
static void
find_dead(struct look *l, size_t i, enum fact f, const struct ref *entry)
{
	struct action_set set = {0};
	int n = 0, dead = 0;

	if (!action_set_of(slice_str(entry->name.s), &set))
		return;
	for (int k = 0; k < ACTION_COUNT; k++) {
		enum action a = (enum action) k;

		if (!action_set_has(&set, a))
			continue;
		n++;
		dead += never_known(f, a) &&
			!look_can_be(l, dd_and(l->s->dd, l->g->match[ENTRY_COMMAND][i],
					       where_unknown(l, f, a)));
	}
	if (2 * dead > n && !look_lost(l))
		diag_note(l->q,
			  look_say(l, i,
				   diag(l->q, DEAD_ACTION, entry->name.at, l->rules[i]->name.s,
					dead == n ? "nothing" : "hardly anything",
					entry->name.s, fact_info[f].name)),
			  SPAN_NONE, "give these actions an allow of their own, without `%s`",
			  fact_info[f].name);
}

static void
look_into(struct look *l, size_t i)
{
	uint32_t match = l->g->match[ENTRY_COMMAND][i];

	for (size_t k = 0; k < COUNT_OF(partly_unknown) && !l->said[i]; k++) {
		enum fact f = partly_unknown[k];

		if (!reads(l, match, f))
			continue;
		if (l->img->rules[i].kind != VM_ALLOW) {
			find_strict(l, i, f);
			continue;
		}
		for (const struct clause *c = l->rules[i]->clauses;
		     c && (f == FACT_TABLE || f == FACT_SCHEMA); c = c->next)
			for (const struct ref *r = c->names; c->kind == CLAUSE_DO && r; r = r->next)
				find_dead(l, i, f, r);
	}
}

void
find_unknown(struct look *l)
{
	for (size_t i = 0; i < l->img->n_rules && l->s->fact_var[FACT_ACTION]; i++) {
		bool lost = look_tired(l);

		if (!look_decides(l, i) || l->said[i])
			continue;
		if (!lost)
			look_into(l, i);
		look_done(l, i, lost || look_lost(l));
	}
}
