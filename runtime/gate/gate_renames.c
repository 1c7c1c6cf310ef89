/* SPDX-License-Identifier: MIT
 *
 * Rules on tables go by names, so whoever may rename could take a table from under a deny or hold
 * that is there for just them. What gives something another name is therefore refused when such a
 * rule, in force for the session, matches some action under the name of today and not under the
 * next one. Where people release the rename itself, they have looked at it.
 */
#include "gate/gate_look.h"

#include "sql/dotted.h"

/* What nothing is called. */
#define NAMELESS SLICE_LIT("\001")

struct names {
	struct slice schema, name;
	const struct slice *columns;
	size_t n_columns;
	bool known;
};

static void
set_names(struct look *l, struct facts *f, const struct names *n)
{
	struct slice table;

	facts_unknown(f, FACT_TABLE);
	facts_unknown(f, FACT_SCHEMA);
	facts_unknown(f, FACT_COLUMNS);
	if (!n->known || !sql_dotted(l->ask->arena, n->schema, n->name, &table))
		return;
	facts_string(f, FACT_TABLE, table);
	facts_string(f, FACT_SCHEMA, n->schema);
	facts_set(f, FACT_COLUMNS, n->columns, n->n_columns);
}

/* A deny or hold that `was` matches and `is` does not; -1: there is none. */
static int
shaken_off(const struct image *img, const struct decision *was, const struct decision *is)
{
	for (int r = decision_next(was, -1); r >= 0; r = decision_next(was, r))
		if ((img->rules[r].kind == VM_DENY || img->rules[r].kind == VM_HOLD) &&
		    !decision_has(is, (size_t) r))
			return r;
	return -1;
}

/* Of the command nothing is known but its action: what is unknown is denied and held. */
static int
rule_left(struct look *l, const struct names *was, const struct names *is)
{
	const struct image *img = l->class->epoch->image;
	struct facts before = l->class->facts, after;
	struct action_set leaves = {0};
	struct decision d[2];
	int r = -1;

	class_set_time(&before, l->ask->now_wall_ns);
	after = before;
	set_names(l, &before, was);
	set_names(l, &after, is);
	action_leaves(ACTION_SQL, &leaves);
	for (enum action a = ACTION_SQL; r < 0 && a < ACTION_COUNT; a++) {
		if (!action_set_has(&leaves, a))
			continue;
		facts_int(&before, FACT_ACTION, a);
		facts_int(&after, FACT_ACTION, a);
		vm_decide(img, ENTRY_COMMAND, &before, &d[0]);
		vm_decide(img, ENTRY_COMMAND, &after, &d[1]);
		r = shaken_off(img, &d[0], &d[1]);
	}
	return r;
}

static struct names
names_of_today(struct look *l, const struct sql_effect *e, const struct catalog_relation *r)
{
	struct names n = {.schema = e->schema, .name = e->object};
	size_t room = r ? r->n_columns + 1 : 1;
	struct slice table, *columns = ARENA_ARRAY(l->ask->arena, struct slice, room);

	for (uint32_t i = 0; r && i < r->n_columns; i++)
		if (!r->columns[i].dropped)
			columns[n.n_columns++] = r->columns[i].name;
	n.columns = columns;
	if (r) {
		n.schema = r->schema;
		n.name = r->name;
	}
	/* Without its schema it is not: whatever rules name may be meant. */
	n.known = n.name.n && sql_dotted(l->ask->arena, n.schema, n.name, &table);
	return n;
}

/* What takes the place of the name. SET SCHEMA, and what renames a column or all that is in a
 * schema: as if that were no name at all. */
static int
rule_left_by(struct look *l, const struct sql_effect *e, const struct names *was)
{
	struct names is = {NAMELESS, NAMELESS, NULL, 0, true};

	if (e->flags & SQL_EFFECT_NAME && was->known)
		is = (struct names){was->schema, e->value, was->columns, was->n_columns, true};
	return rule_left(l, was, &is);
}

/* The catalog has no such table: it is an index, a type, or new, somewhere in the search path. */
static int
rule_left_in_path(struct look *l, const struct sql_effect *e, struct names was)
{
	int rule = -1;

	was.known = true;
	for (unsigned i = 0; rule < 0 && i < l->path->n; i++) {
		was.schema = l->path->schemas[i];
		rule = rule_left_by(l, e, &was);
	}
	return rule;
}

static void
check(struct look *l, const struct sql_effect *e)
{
	const struct image *img = l->class->epoch->image;
	const struct catalog_relation *r =
		e->object.n ? look_resolve(l, e->schema, e->object) : NULL;
	struct names was = names_of_today(l, e, r);
	int rule;

	if (catalog_is_temporary(r))
		return;
	if (!r && e->object.n && !e->schema.n && l->path && !l->path->truncated)
		rule = rule_left_in_path(l, e, was);
	else
		rule = rule_left_by(l, e, &was);
	if (rule < 0)
		return;
	look_refuse(l, NULL, "WEIR-RENAME",
		    arena_printf(l->ask->arena, "rule \"%.*s\" is in force for you by %s, and would not be "
				 "under another name", SLICE_ARG(img->rules[rule].name),
				 was.known ? arena_printf(l->ask->arena, "the name of %.*s",
							  SLICE_ARG(was.name))
					   : "the names of tables"),
		    "let somebody rename it whom the rule does not apply to, or have the policy hold "
		    "sql.alter, for people to release it");
}

void
look_check_renames(struct look *l)
{
	const struct sql_facts *f = l->facts;

	const uint64_t names = UINT64_C(1) << FACT_TABLE | UINT64_C(1) << FACT_SCHEMA |
			       UINT64_C(1) << FACT_COLUMNS;

	if (!(l->class->epoch->image->entry[ENTRY_COMMAND].facts & names))
		return;
	for (uint32_t s = 0; s < f->n_stmts; s++) {
		const struct sql_stmt *st = &f->stmts[s];

		for (uint32_t i = 0; st->flags & SQL_RENAMES && i < st->n_effects; i++)
			if (f->effects[st->effects + i].action == ACTION_SQL_ALTER)
				check(l, &f->effects[st->effects + i]);
	}
}
