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

/* Views and partitions carry the columns of other tables. */
static bool
is_more_than_itself(const struct explanation *x, struct slice schema, struct slice table)
{
	const struct catalog_relation *r;

	if (!x->policy->catalog)
		return false;
	r = catalog_resolve(x->policy->catalog->catalog, NULL, schema, table);
	return !r || r->kind != 'r' || r->n_parents;
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
	if (is_more_than_itself(x, schema->s, name))
		return true;
	if (!columns->known || rule->kind == VM_DROP)
		return vm_rule_covers(x->policy->image, rule, schema->s, name, (struct slice){0});
	for (size_t i = 0; i < columns->set.n; i++)
		if (vm_rule_covers(x->policy->image, rule, schema->s, name, columns->set.v[i]))
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
