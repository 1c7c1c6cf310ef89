/* SPDX-License-Identifier: MIT
 *
 * Which masks and drops are about what a command touches. All that match are in force; a reader who
 * asks about orders does not want to read of cards.
 */
#include "cli/explain.h"

/* Effects behind which anything could be read. */
static const enum action blind_actions[] = {
	ACTION_SQL_OPAQUE_FUNCTION, ACTION_SQL_CALL, ACTION_SQL_FUNCTION_CALL,
	ACTION_SQL_ANONYMOUS_CODE,  ACTION_SQL_FETCH, ACTION_SQL_LOAD,
	ACTION_SQL_FILE,	    ACTION_SQL_PROGRAM, ACTION_SQL_NETWORK,
	ACTION_SQL_REPLICATION,	    ACTION_SQL_UNPARSED,
};

enum { ANCESTORS_MAX = 32 };

/* By its own name, or by that of what it inherits from: children and partitions are governed as
 * their parents are. */
static bool
covers(const struct explanation *x, const struct image_rule *rule, const struct catalog_relation *r,
       struct slice column, int depth)
{
	const struct catalog_relation *p;

	if (vm_rule_covers(x->policy->image, rule, r->schema, r->name, column))
		return true;
	for (uint32_t i = 0;
	     depth && (p = catalog_parent(x->policy->catalog->catalog, r, i)) != NULL; i++)
		if (covers(x, rule, p, column, depth - 1))
			return true;
	return false;
}

static bool
descends(const struct catalog *c, const struct catalog_relation *r,
	 const struct catalog_relation *from, int depth)
{
	const struct catalog_relation *p;

	if (r == from)
		return true;
	for (uint32_t i = 0; depth && (p = catalog_parent(c, r, i)) != NULL; i++)
		if (descends(c, p, from, depth - 1))
			return true;
	return false;
}

/* The column shows what it is made of. */
static bool
covers_generated(const struct explanation *x, const struct image_rule *rule,
		 const struct catalog_relation *r, struct slice column)
{
	size_t n;
	const struct catalog_generated *g = catalog_generated(x->policy->catalog->catalog, &n);

	for (size_t i = 0; i < n; i++) {
		const struct catalog_column *from = catalog_column(r, g[i].from);

		if (g[i].relation == r && from &&
		    slice_eq(catalog_column(r, g[i].attnum)->name, column) &&
		    covers(x, rule, r, from->name, ANCESTORS_MAX))
			return true;
	}
	return false;
}

/* A column of a table: who reads that reads its children and partitions. An empty one is any. A
 * view has the columns of others. */
static bool
column_touches(const struct explanation *x, const struct image_rule *rule, struct slice schema,
	       struct slice table, struct slice column)
{
	const struct catalog *c = x->policy->catalog ? x->policy->catalog->catalog : NULL;
	const struct catalog_relation *of = c ? catalog_resolve(c, NULL, schema, table) : NULL;

	if (!c)
		return vm_rule_covers(x->policy->image, rule, schema, table, column);
	if (!of || of->kind == 'v' || of->kind == 'm')
		return true;
	for (size_t i = 0; i < catalog_count(c); i++) {
		const struct catalog_relation *r = catalog_at(c, i);

		if (descends(c, r, of, ANCESTORS_MAX) &&
		    (covers(x, rule, r, column, ANCESTORS_MAX) ||
		     covers_generated(x, rule, r, column)))
			return true;
	}
	return false;
}

static bool
effect_touches(const struct explanation *x, const struct facts *f, const struct image_rule *rule)
{
	const struct value *table = &f->v[FACT_TABLE], *schema = &f->v[FACT_SCHEMA];
	const struct value *columns = &f->v[FACT_COLUMNS];
	struct slice name;

	for (size_t i = 0; i < COUNT_OF(blind_actions); i++)
		if (f->v[FACT_ACTION].known && f->v[FACT_ACTION].i == (int64_t) blind_actions[i])
			return true;
	if (!table->known || !schema->known || table->s.n <= schema->s.n)
		return !columns->known || columns->set.n;
	name = slice_of(table->s.p + schema->s.n + 1, table->s.n - schema->s.n - 1);
	if (!columns->known || rule->kind == VM_DROP)
		return column_touches(x, rule, schema->s, name, (struct slice){0});
	for (size_t i = 0; i < columns->set.n; i++)
		if (column_touches(x, rule, schema->s, name, columns->set.v[i]))
			return true;
	return false;
}

/* The gateway's own analysis has found it. */
static bool
is_found(const struct run *r, size_t rule)
{
	for (uint32_t i = 0; i < r->n_outputs; i++)
		if (r->outputs[i].rule == (int) rule)
			return true;
	for (uint8_t i = 0; i < r->n_use_rules; i++)
		if (r->use_rules[i] == rule)
			return true;
	return r->use_rule == (int) rule;
}

bool
explanation_touches(const struct explanation *x, size_t rule)
{
	const struct image_rule *r = &x->policy->image->rules[rule];

	if ((r->kind != VM_MASK && r->kind != VM_DROP) || r->detectors ||
	    x->entry != ENTRY_COMMAND || (x->run && is_found(x->run, rule)))
		return true;
	for (size_t i = 0; i < x->n; i++)
		if (effect_touches(x, &x->effects[i], r))
			return true;
	return false;
}
