/* SPDX-License-Identifier: MIT
 *
 * What holds between facts, so that no analysis speaks of commands that cannot be: the engines fill
 * them so (runtime/gate/gate_decide.c).
 */
#include "compiler/space.h"

static const enum action without_object[] = {
	ACTION_SQL_BEGIN,     ACTION_SQL_COMMIT,  ACTION_SQL_ROLLBACK,	ACTION_SQL_SAVEPOINT,
	ACTION_SQL_TWO_PHASE, ACTION_SQL_SET,	  ACTION_SQL_CONFIGURE, ACTION_SQL_RESET,
	ACTION_SQL_SHOW,      ACTION_SQL_DISCARD, ACTION_SQL_CHECKPOINT};
static const enum action with_setting[] = {ACTION_SQL_SET, ACTION_SQL_CONFIGURE, ACTION_SQL_RESET,
					   ACTION_SQL_SHOW};
static const enum action with_where[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE,	ACTION_SQL_DELETE,
					 ACTION_SQL_MERGE,  ACTION_SQL_INSERT,	ACTION_SQL_COPY_IN,
					 ACTION_SQL_LOCK,   ACTION_SQL_EXPLAIN, ACTION_SQL_CREATE};

static bool
is_among(enum action a, const enum action *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == a)
			return true;
	return false;
}

bool
space_has_object(enum action a)
{
	return !is_among(a, without_object, COUNT_OF(without_object));
}

bool
space_may_lack(enum fact f)
{
	return f == FACT_TABLE || f == FACT_SCHEMA || f == FACT_FUNCTION || f == FACT_SETTING ||
	       f == FACT_COLUMNS;
}

bool
space_has_setting(enum action a)
{
	return is_among(a, with_setting, COUNT_OF(with_setting));
}

bool
space_has_where(enum action a)
{
	return is_among(a, with_where, COUNT_OF(with_where));
}

static uint32_t
action_among(struct space *s, const enum action *v, size_t n)
{
	uint32_t root = DD_FALSE;

	if (!s->fact_var[FACT_ACTION])
		return DD_TRUE;
	for (size_t i = 0; i < n; i++)
		root = dd_or(s->dd, root,
			     dd_between(s->dd, s->fact_var[FACT_ACTION] - 1, v[i] + 1u, v[i] + 2u));
	return root;
}

uint32_t
space_objects(struct space *s)
{
	if (!s->fact_var[FACT_ACTION])
		return DD_FALSE;
	return dd_not(s->dd, action_among(s, without_object, COUNT_OF(without_object)));
}

static uint32_t
implies(struct space *s, uint32_t a, uint32_t b)
{
	return dd_not(s->dd, dd_without(s->dd, a, b));
}

static uint32_t
is_known(struct space *s, enum fact f)
{
	uint32_t var = s->fact_var[f] - 1;

	return s->fact_var[f] ? dd_between(s->dd, var, 1, s->dd_vars[var].width) : DD_FALSE;
}

static uint32_t
is_true(struct space *s, enum fact f)
{
	return s->fact_var[f] ? dd_between(s->dd, s->fact_var[f] - 1, 2, 3) : DD_FALSE;
}

/* A table is known with its schema, which its name begins with. */
static uint32_t
table_in_schema(struct space *s)
{
	const struct domain *tables = &s->facts[FACT_TABLE], *schemas = &s->facts[FACT_SCHEMA];
	uint32_t table = s->fact_var[FACT_TABLE] - 1, schema = s->fact_var[FACT_SCHEMA] - 1;
	struct dd_run *runs;

	if (!s->fact_var[FACT_TABLE] || !s->fact_var[FACT_SCHEMA])
		return DD_TRUE;
	runs = ARENA_ARRAY(s->arena, struct dd_run, tables->n + 1);
	runs[0] = (struct dd_run){1, dd_between(s->dd, schema, SPACE_UNKNOWN, 1)};
	for (uint32_t i = 0; i < tables->n; i++) {
		struct slice name = tables->values[i].s;
		const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;
		uint32_t in = DD_FALSE;

		if (tables->possible[i] && dot) {
			size_t class = partition_find(schemas->strings,
						      slice_of(name.p, (size_t) (dot - name.p)));

			in = dd_between(s->dd, schema, (uint32_t) class + 1, (uint32_t) class + 2);
		}
		runs[i + 1] = (struct dd_run){i + 2, in};
	}
	return dd_node(s->dd, table, runs, tables->n + 1);
}

/* A column that is used as one class of data is used as every other that has it. */
static uint32_t
used_together(struct space *s, uint32_t data, uint32_t context)
{
	uint32_t some = DD_FALSE;

	for (size_t i = 0; i < s->columns.n_kinds; i++) {
		const struct data_set *kind = &s->columns.kinds[i].data;
		uint32_t all = DD_TRUE;

		if (!data_set_has(kind, data))
			continue;
		for (uint32_t d = 0; d < s->columns.n_data; d++)
			if (d != data && data_set_has(kind, d) && s->use_var[d][context])
				all = dd_and(s->dd, all,
					     dd_between(s->dd, s->use_var[d][context] - 1,
							SPACE_USED, SPACE_USED + 1));
		some = dd_or(s->dd, some, all);
	}
	return implies(s,
		       dd_between(s->dd, s->use_var[data][context] - 1, SPACE_USED, SPACE_USED + 1),
		       some);
}

/* Either all uses are known, or there may be any. */
static uint32_t
uses(struct space *s)
{
	uint32_t sure = DD_TRUE, maybe = DD_TRUE, all = DD_TRUE;

	for (uint32_t d = 0; d < s->columns.n_data; d++)
		for (uint32_t x = 0; x < N_CONTEXTS; x++) {
			uint32_t var = s->use_var[d][x] - 1;

			if (!s->use_var[d][x])
				continue;
			all = dd_and(s->dd, all, used_together(s, d, x));
			sure = dd_without(
				s->dd, sure,
				dd_between(s->dd, var, SPACE_MAYBE_USED, SPACE_MAYBE_USED + 1));
			maybe = dd_and(s->dd, maybe,
				       dd_between(s->dd, var, SPACE_MAYBE_USED, SPACE_USED + 1));
		}
	return dd_and(s->dd, all, dd_or(s->dd, sure, maybe));
}

uint32_t
space_feasible(struct space *s)
{
	struct dd *d = s->dd;
	uint32_t no_object = DD_FALSE, root;

	if (s->has_feasible)
		return s->feasible;
	if (s->fact_var[FACT_ACTION])
		no_object = action_among(s, without_object, COUNT_OF(without_object));
	root = table_in_schema(s);
	root = dd_without(d, root, dd_and(d, no_object, is_known(s, FACT_TABLE)));
	root = dd_without(d, root, dd_and(d, no_object, is_known(s, FACT_SCHEMA)));
	root = dd_and(d, root,
		      implies(s, is_known(s, FACT_SETTING),
			      action_among(s, with_setting, COUNT_OF(with_setting))));
	for (int f = FACT_SQL_WHERE; f <= FACT_SQL_WHERE_CONSTANT; f++)
		root = dd_and(d, root,
			      implies(s, is_true(s, (enum fact) f),
				      action_among(s, with_where, COUNT_OF(with_where))));
	if (s->fact_var[FACT_SQL_WHERE])
		root = dd_and(d, root,
			      implies(s, is_true(s, FACT_SQL_WHERE_CONSTANT),
				      is_true(s, FACT_SQL_WHERE)));
	root = dd_and(d, root, uses(s));
	for (uint32_t i = 0; i < s->n_row_columns; i++)
		root = dd_and(d, root, space_row_feasible(s, i));
	s->feasible = root;
	s->has_feasible = true;
	return root;
}
