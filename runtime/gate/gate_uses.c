/* SPDX-License-Identifier: MIT
 *
 * What masks forbid of a statement: each use of a masked column must show it bare, count it, or be
 * what all of its masks open. Whatever an open use can learn must be in the result, where it is
 * hidden, or be counted: never in whether the server fails.
 */
#include "gate/gate_lineage.h"

/* ---- refusals -------------------------------------------------------------------------------- */

static const char *
use_hint(struct lineage *l, const struct lineage_column *c, bool row)
{
	static const char closed[] =
		"a masked column may be selected by itself, also through sub-selects, or counted; "
		"take it out of expressions, conditions, sorting, joins, DISTINCT and writes";
	const struct mask_modes m = c->modes;

	if (row || (!m.lookup && !m.derived && !m.over))
		return closed;
	return arena_printf(
		l->arena, "%s%s%s%s%s", closed, "; open to you",
		m.derived ? ": output expressions of ||, text functions, coalesce(), min(), max() and casts "
			    "to text, computed once"
			  : "",
		m.lookup ? ": column = value, joined by AND, in WHERE on the table itself" : "",
		m.over ? arena_printf(l->arena, ": sum, avg, stddev and variance of it in a SELECT from "
				      "this table alone with HAVING count(%.*s) >= %u",
				      SLICE_ARG(c->column), m.over)
		       : "");
}

static void
refuse_use(struct lineage *l, struct gate_refusal *why, const struct sql_use *u,
	   const struct lineage_column *c, bool row)
{
	struct arena *a = l->arena;
	const char *what = row ? arena_printf(a, "whole rows of %.*s", SLICE_ARG(c->table->name))
			       : arena_printf(a, "%.*s.%.*s", SLICE_ARG(c->table->name),
					      SLICE_ARG(c->column));

	if (why->code)
		return;
	*why = (struct gate_refusal){
		.code = "WEIR-MASKED-USE",
		.message = arena_printf(a, "%s %s masked and may not be used in %s", what,
					row ? "are" : "is", context_info[u->context].name),
		.hint = use_hint(l, c, row)};
}

static bool
shows(const struct sql_use *u)
{
	return u->context == CONTEXT_OUTPUT || u->context == CONTEXT_COUNT;
}

/* ---- what masks open ------------------------------------------------------------------------- */

enum {
	DERIVES = 1, /* grammar/allowing.def cannot fail on it */
	COMPARES = 2,
	SUMS = 4,
};

static unsigned
type_opens(uint32_t base_type)
{
	switch (base_type) {
	case 16: /* bool */
		return DERIVES;
	case 19: /* name, text, char(n), varchar, uuid */
	case 25:
	case 1042:
	case 1043:
	case 2950:
		return DERIVES | COMPARES;
	case 20: /* int8, int2, int4 */
	case 21:
	case 23:
		return DERIVES | COMPARES | SUMS;
	case 1082: /* date */
		return COMPARES;
	case 1700: /* numeric */
		return COMPARES | SUMS;
	default:
		return 0;
	}
}

static bool
is_stored(const struct catalog_relation *r)
{
	return r && (r->kind == 'r' || r->kind == 'p');
}

/* The one table that the aggregate's own query reads has it: not one further out. */
static bool
is_of_own_table(struct lineage *l, const struct sql_use *u)
{
	for (uint32_t k = 0; k < u->n_candidates; k++) {
		const struct sql_candidate *c = &l->facts->candidates[u->candidates + k];
		const struct catalog_relation *r = l->relations[c->relation];

		if (c->level == 0 && lineage_is_plain(&l->facts->relations[c->relation]) &&
		    is_stored(r) && catalog_column_named(r, u->column))
			return true;
	}
	return false;
}

/* Compared with a value, in a statement that counts it. */
static bool
looks_up(struct lineage *l, const struct sql_use *u, const struct lineage_column *c)
{
	return u->flags & SQL_USE_LOOKUP && u->context == CONTEXT_PREDICATE && l->may_look_up &&
	       c->modes.lookup && c->exact && !c->derived && type_opens(c->type) & COMPARES &&
	       is_stored(catalog_by_oid(l->class->catalog->catalog, c->oid));
}

/* What coalesce() evaluates beside a masked column, it evaluates or not by whether that is NULL,
 * and converts to a type they have in common: neither may fail. What a sub-select or a view
 * computed is put in its place by the planner. */
static void
check_coalesced(struct lineage *l, struct gate_refusal *why, const struct sql_output *o)
{
	const struct sql_use *uses = l->facts->uses, *masked = NULL;
	struct lineage_column c, hidden = {.rule = -1};
	bool fine = true;
	uint32_t n = 0;

	for (uint32_t i = o->uses; o->derives && i < o->uses + o->n_uses; i++) {
		bool found = uses[i].flags & SQL_USE_COALESCED && lineage_find(l, &uses[i], &c);

		if (!(uses[i].flags & SQL_USE_COALESCED) || (l->excused && l->excused[i]))
			continue;
		n++;
		if (found && c.rule >= 0) {
			masked = &uses[i];
			hidden = c;
		}
		fine = fine && found && c.exact && type_opens(c.type) & DERIVES &&
		       is_stored(catalog_by_oid(l->class->catalog->catalog, c.oid));
	}
	if (masked && n > 1 && !fine)
		refuse_use(l, why, masked, &hidden, false);
}

static bool
is_opened(struct lineage *l, const struct sql_use *u, const struct lineage_column *c)
{
	/* PREDICATE: the count that proves it. */
	bool grouped = u->context == CONTEXT_FUNCTION || u->context == CONTEXT_ORDER ||
		       u->context == CONTEXT_PREDICATE;

	/* Computed once: what comes of it may be passed on, but not be made longer and longer. */
	if (u->flags & SQL_USE_DERIVES && c->modes.derived && !c->derived && c->exact &&
	    type_opens(c->type) & DERIVES)
		return true;
	if (u->over && c->modes.over && u->over >= c->modes.over && !c->derived &&
	    grouped && type_opens(c->type) & SUMS)
		return is_of_own_table(l, u);
	return looks_up(l, u, c);
}

uint32_t
lineage_lookups(struct lineage *l, uint32_t first, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = first; i < first + n; i++) {
		const struct sql_use *u = &l->facts->uses[i];
		struct lineage_column c;

		count += u->flags & SQL_USE_LOOKUP && lineage_find(l, u, &c) && c.rule >= 0 &&
			 looks_up(l, u, &c);
	}
	return count;
}

/* ---- what masks forbid ----------------------------------------------------------------------- */

/* The first masked column of a relation. */
static const struct lineage_column *
carries(struct lineage *l, uint32_t relation)
{
	const struct catalog_relation *r = l->relations[relation];
	const struct lineage_list *list;

	if (lineage_is_plain(&l->facts->relations[relation]) &&
	    (!r || !class_governs(l->class, r->oid)))
		return NULL;
	list = lineage_columns(l, relation);
	for (uint32_t i = 0; i < list->n; i++)
		if (list->c[i].rule >= 0)
			return &list->c[i];
	return NULL;
}

static void
check_row(struct lineage *l, struct gate_refusal *why, const struct sql_use *u, uint32_t relation)
{
	bool fine = u->flags & SQL_USE_STAR ? shows(u) : u->context == CONTEXT_COUNT;
	const struct lineage_column *c = fine ? NULL : carries(l, relation);

	if (c)
		refuse_use(l, why, u, c, true);
}

static bool
is_system_column(struct slice name)
{
	static const char *const names[] = {"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return true;
	return false;
}

/* r.name where r has no such column is name(r), the whole row given to a function (design:
 * PostgreSQL 2.4). */
static void
check_attribute(struct lineage *l, struct gate_refusal *why, const struct sql_use *u)
{
	bool open = false; /* some columns have names that are not known */

	if (!u->qualifier.n || is_system_column(u->column))
		return;
	for (uint32_t k = 0; k < u->n_candidates; k++) {
		uint32_t i = l->facts->candidates[u->candidates + k].relation;
		const struct lineage_column *c = carries(l, i);

		if (c)
			refuse_use(l, why, u, c, true);
		open = open || (!lineage_is_plain(&l->facts->relations[i]) &&
				lineage_has_nameless(lineage_columns(l, i)));
	}
	if (why->code || (open && !catalog_shadows(l->class->catalog->catalog, 'f', u->column)))
		return;
	*why = (struct gate_refusal){
		.sqlstate = "42703",
		.code = "WEIR-MASK-OPAQUE",
		.message = arena_printf(l->arena, "%.*s.%.*s is no column, and as a function it could "
					"read masked columns", SLICE_ARG(u->qualifier),
					SLICE_ARG(u->column)),
		.hint = "name a column"};
}

static void
check_column(struct lineage *l, struct gate_refusal *why, const struct sql_use *u)
{
	struct lineage_column c;

	if (!lineage_find(l, u, &c)) {
		if (u->flags & SQL_USE_ROW_UNLESS_COLUMN && u->row_relation >= 0)
			check_row(l, why, u, (uint32_t) u->row_relation);
		check_attribute(l, why, u);
	} else if (c.rule >= 0 && !shows(u) && !(u->flags & SQL_USE_ROW_UNLESS_COLUMN) &&
		   !is_opened(l, u, &c)) {
		refuse_use(l, why, u, &c, false);
	}
}

static void
check_natural(struct lineage *l, struct gate_refusal *why, const struct sql_use *u)
{
	const struct lineage_list *list = lineage_columns(l, (uint32_t) u->row_relation);

	for (uint32_t i = 0; i < list->n_merged; i++)
		if (list->c[i].rule >= 0)
			refuse_use(l, why, u, &list->c[i], false);
}

/* All columns of the relation are known. */
static bool
is_closed(struct lineage *l, uint32_t relation)
{
	const struct catalog_relation *r = l->relations[relation];
	const struct lineage_list *list;

	if (lineage_is_plain(&l->facts->relations[relation]))
		return r && !catalog_is_temporary(r);
	list = lineage_columns(l, relation);
	return list->n && !lineage_has_nameless(list);
}

/* The policy masks a column of the relation, or would if it had one of that name. */
static bool
may_mask(struct lineage *l, uint32_t relation, struct slice name)
{
	const struct catalog_relation *r = l->relations[relation];
	const struct gate_class *c = l->class;

	if (carries(l, relation))
		return true;
	if (!r || !lineage_is_plain(&l->facts->relations[relation]))
		return false;
	for (int k = decision_next(&c->masks, -1); k >= 0; k = decision_next(&c->masks, k))
		if (vm_rule_covers(c->epoch->image, &c->epoch->image->rules[k], r->schema, r->name,
				   name))
			return true;
	return false;
}

/* A masked column that has got the name would be what is meant, not what is found on that level:
 * any nearer one hides it (one beside it makes the name ambiguous to the server). The whole row of
 * what is called so itself is refused. */
static bool
may_be_hidden(struct lineage *l, const struct sql_use *u, uint32_t level)
{
	const struct sql_candidate *c = l->facts->candidates + u->candidates;

	for (uint32_t k = 0; k < u->n_candidates; k++)
		if (c[k].level < level &&
		    (level != UINT32_MAX ||
		     !slice_eq(l->facts->relations[c[k].relation].alias, u->column)) &&
		    may_mask(l, c[k].relation, u->column))
			return true;
	return false;
}

/* The level of what has the name by its alias, whatever columns there are; not beyond `level`. */
static uint32_t
named_level(struct lineage *l, const struct sql_use *u, uint32_t level)
{
	const struct sql_candidate *c = l->facts->candidates + u->candidates;

	for (uint32_t k = 0; k < u->n_candidates; k++) {
		const struct sql_relation *r = &l->facts->relations[c[k].relation];

		for (uint32_t i = 0; i < r->n_names && c[k].level < level; i++)
			if (slice_eq(l->facts->names[r->names + i], u->column))
				level = c[k].level;
	}
	return level;
}

static bool
all_closed(struct lineage *l, const struct sql_use *u)
{
	for (uint32_t k = 0; k < u->n_candidates; k++)
		if (!is_closed(l, l->facts->candidates[u->candidates + k].relation))
			return false;
	return true;
}

static enum lineage_doubt
doubt_of(struct lineage *l, const struct sql_use *u)
{
	const unsigned other = SQL_USE_STAR | SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN |
			       SQL_USE_OUTPUT | SQL_USE_AMBIGUOUS | SQL_USE_MAYBE;
	const unsigned otherwise = SQL_USE_ROW_OR_COLUMN | SQL_USE_OPTIONAL;
	struct lineage_column c;
	uint32_t level;

	/* What both sides have is compared, and not written anywhere. */
	if (u->flags & SQL_USE_NATURAL)
		return carries(l, (uint32_t) u->row_relation) ? LINEAGE_HIDDEN : LINEAGE_SURE;
	if (u->flags & other || u->nth || !u->n_candidates || is_system_column(u->column))
		return LINEAGE_SURE;
	level = named_level(l, u, lineage_level(l, u, &c));
	if (level == UINT32_MAX && !(u->flags & otherwise) && all_closed(l, u))
		return LINEAGE_UNKNOWN;
	return may_be_hidden(l, u, level) ? LINEAGE_HIDDEN : LINEAGE_SURE;
}

enum lineage_doubt
lineage_doubt(struct lineage *l)
{
	enum lineage_doubt most = LINEAGE_SURE;

	for (uint32_t i = 0; i < l->facts->n_uses; i++) {
		enum lineage_doubt doubt = doubt_of(l, &l->facts->uses[i]);

		most = doubt > most ? doubt : most;
	}
	return most;
}

bool
lineage_check(struct lineage *l, struct gate_refusal *why)
{
	const struct sql_facts *f = l->facts;

	for (uint32_t i = 0; i < f->n_uses && !why->code; i++) {
		const struct sql_use *u = &f->uses[i];

		if (u->flags & SQL_USE_MAYBE || (l->excused && l->excused[i]))
			continue;
		for (uint32_t k = 0; u->flags & SQL_USE_AMBIGUOUS && k < f->n_relations; k++) {
			const struct lineage_column *c = carries(l, k);

			if (c)
				refuse_use(l, why, u, c, false);
		}
		if (u->flags & SQL_USE_NATURAL)
			check_natural(l, why, u);
		else if (u->flags & (SQL_USE_STAR | SQL_USE_ROW))
			for (uint32_t k = 0; k < u->n_candidates; k++)
				check_row(l, why, u, f->candidates[u->candidates + k].relation);
		else
			check_column(l, why, u);
	}
	for (uint32_t i = 0; i < f->n_outputs && !why->code; i++)
		check_coalesced(l, why, &f->outputs[i]);
	if (l->lost && !why->code)
		*why = (struct gate_refusal){
			.sqlstate = "54001",
			.code = "WEIR-LINEAGE",
			.message = "where the columns of this statement come from cannot be followed",
			.hint = "write it with fewer nested queries and with named columns instead of *, "
				"or leave out the tables with masked columns"};
	return !why->code;
}
