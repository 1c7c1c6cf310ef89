/* SPDX-License-Identifier: MIT
 *
 * The lists of columns. What PostgreSQL does with names and order (parse_relation.c,
 * parse_clause.c) is done again here; where it cannot be known the strictest possibility stands.
 */
#include "gate/gate_lineage.h"

enum {
	COLUMNS_MAX = 200000, /* of one statement, over all lists and passes */
	PASSES_MAX = 64,
	DEPTH_MAX = 1500, /* queries and joins in each other: over twice the analyser's limit */
};

static const struct lineage_list *query_list(struct lineage *l, uint32_t query);

static const struct lineage_column clean = {.rule = -1, .typmod = -1};

/* ---- columns and lists ----------------------------------------------------------------------- */

/* As select_common_type and select_common_typmod have it: a length that is not the same in both is
 * none, and what only a domain declares the other side does not. */
static void
column_join_types(struct lineage_column *c, const struct lineage_column *b)
{
	if (c->declared != b->declared || c->typmod != b->typmod) {
		c->declared = c->type;
		c->typmod = -1;
	}
	if (c->type != b->type)
		c->type = c->declared = 0;
}

/* What is c in one row may be b in another. */
static void
column_join(struct lineage *l, struct lineage_column *c, const struct lineage_column *b)
{
	const struct image_rule *rules = l->class->epoch->image->rules;

	if (b->rule >= 0)
		c->modes = c->rule < 0 ? b->modes : vm_modes_join(c->modes, b->modes);
	c->derived = c->derived || b->derived;
	if (b->rule >= 0 &&
	    (c->rule < 0 || vm_mask_cmp(&rules[b->rule].mask, &rules[c->rule].mask) > 0))
		c->rule = b->rule;
	if (!c->table) {
		c->table = b->table;
		c->column = b->column;
	}
	column_join_types(c, b);
	c->exact = false;
}

static struct lineage_column
column_of_table(struct lineage *l, const struct catalog_relation *r,
		const struct catalog_column *col)
{
	const struct gate_masked *m = class_mask(l->class, r->oid, col->attnum);

	return (struct lineage_column){.name = col->name,
				       .rule = m ? (int16_t) m->rule : -1,
				       .exact = true,
				       .derived = m && m->derived,
				       .modes = m ? m->modes : vm_modes_open,
				       .type = col->base_type,
				       .declared = col->type,
				       .typmod = col->typmod,
				       .oid = r->oid,
				       .attnum = col->attnum,
				       .table = m ? r : NULL,
				       .column = col->name};
}

static struct lineage_list
list_new(struct lineage *l, uint32_t room)
{
	struct lineage_list list = {0};

	l->columns += room;
	if (l->columns > COLUMNS_MAX)
		l->lost = true;
	else
		list.c = ARENA_ARRAY(l->arena, struct lineage_column, room + 1);
	return list;
}

static void
list_add(struct lineage_list *list, const struct lineage_column *c)
{
	if (!list->c)
		return;
	list->c[list->n++] = *c;
	list->n_gaps += c->gap;
}

static void
list_append(struct lineage_list *list, const struct lineage_list *more)
{
	for (uint32_t i = 0; i < more->n; i++)
		list_add(list, &more->c[i]);
}

static struct lineage_list
list_gap(struct lineage *l)
{
	struct lineage_column gap = clean;
	struct lineage_list list = list_new(l, 1);

	gap.gap = true;
	list_add(&list, &gap);
	return list;
}

uint32_t
lineage_masked(const struct lineage_list *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < list->n; i++)
		n += list->c[i].rule >= 0;
	return n;
}

bool
lineage_has_nameless(const struct lineage_list *list)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (!list->c[i].name.n)
			return true;
	return false;
}

/* The list of a relation whose alias, or of a CTE whose head, names its first columns. */
static struct lineage_list
list_renamed(struct lineage *l, const struct lineage_list *from, uint32_t first, uint32_t n)
{
	struct lineage_list list = list_new(l, from->n);
	bool gap = false;

	list_append(&list, from);
	list.n_merged = from->n_merged;
	for (uint32_t i = 0; i < list.n && i < n; i++) {
		gap = gap || list.c[i].gap;
		/* Behind a gap it is anyone's guess which column a name names. */
		list.c[i].name = gap ? (struct slice){0} : l->facts->names[first + i];
	}
	for (uint32_t i = n; gap && i < list.n; i++)
		list.c[i].name = (struct slice){0};
	return list;
}

/* The list with its gap filled so that it has n columns; as it is when that cannot be. */
static struct lineage_list
list_filled(struct lineage *l, const struct lineage_list *from, uint32_t n)
{
	struct lineage_list list;

	if (from->n_gaps != 1 || n + 1 < from->n)
		return *from;
	list = list_new(l, n);
	for (uint32_t i = 0; i < from->n; i++) {
		if (!from->c[i].gap)
			list_add(&list, &from->c[i]);
		for (uint32_t k = from->n - 1; from->c[i].gap && k < n; k++)
			list_add(&list, &clean);
	}
	return list;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum found { FOUND_NOT, FOUND_MAYBE, FOUND };

/* What `name` is in a list; a nameless masked column is what it may be. */
static enum found
find_in_list(struct lineage *l, const struct lineage_list *list, struct slice name,
	     struct lineage_column *out)
{
	enum found f = FOUND_NOT;

	for (uint32_t i = 0; i < list->n; i++) {
		if (!list->c[i].name.n || !slice_eq(list->c[i].name, name))
			continue;
		if (f == FOUND)
			column_join(l, out, &list->c[i]);
		else
			*out = list->c[i];
		f = FOUND;
	}
	for (uint32_t i = 0; i < list->n && f != FOUND; i++) {
		if (list->c[i].name.n)
			continue;
		f = FOUND_MAYBE;
		if (list->c[i].rule >= 0) {
			*out = list->c[i];
			out->exact = false;
			f = FOUND;
		}
	}
	return f;
}

bool
lineage_is_plain(const struct sql_relation *r)
{
	return (r->kind == SQL_REL_TABLE || r->kind == SQL_REL_EXCLUDED) && !r->renamed;
}

static enum found
find_in_relation(struct lineage *l, uint32_t relation, struct slice name,
		 struct lineage_column *out)
{
	const struct catalog_relation *r = l->relations[relation];
	const struct catalog_column *col;

	if (!lineage_is_plain(&l->facts->relations[relation]))
		return find_in_list(l, lineage_columns(l, relation), name, out);
	col = r ? catalog_column_named(r, name) : NULL;
	if (!col)
		return FOUND_NOT;
	*out = column_of_table(l, r, col);
	return FOUND;
}

/* Column nth of a list; behind a gap it may be any. */
static bool
find_nth(struct lineage *l, const struct lineage_list *list, uint32_t nth,
	 struct lineage_column *out)
{
	bool any = false;

	for (uint32_t i = 0; i < nth && i < list->n; i++) {
		if (list->c[i].gap)
			break;
		if (i + 1 == nth) {
			*out = list->c[i];
			return true;
		}
	}
	for (uint32_t i = 0; i < list->n && list->n_gaps; i++) {
		if (any)
			column_join(l, out, &list->c[i]);
		else
			*out = list->c[i];
		any = true;
	}
	return any;
}

uint32_t
lineage_level(struct lineage *l, const struct sql_use *u, struct lineage_column *out)
{
	const struct sql_candidate *c = l->facts->candidates + u->candidates;
	uint32_t level = UINT32_MAX;

	*out = clean;
	if (u->nth)
		return u->n_candidates && find_nth(l, lineage_columns(l, c->relation), u->nth, out)
			       ? c->level
			       : UINT32_MAX;
	for (uint32_t k = 0; k < u->n_candidates; k++) {
		struct lineage_column one = clean;

		if (c[k].level > level ||
		    find_in_relation(l, c[k].relation, u->column, &one) != FOUND)
			continue;
		if (c[k].level == level)
			column_join(l, out, &one);
		else
			*out = one;
		level = c[k].level;
	}
	return level;
}

bool
lineage_find(struct lineage *l, const struct sql_use *u, struct lineage_column *out)
{
	return lineage_level(l, u, out) != UINT32_MAX;
}

/* ---- relations ------------------------------------------------------------------------------- */

static struct lineage_list
table_list(struct lineage *l, const struct sql_relation *as, const struct catalog_relation *r)
{
	struct lineage_list list = list_new(l, r->n_columns);

	for (uint32_t i = 0; i < r->n_columns; i++) {
		struct lineage_column c;

		if (r->columns[i].dropped || (as->copied && r->columns[i].generated))
			continue;
		c = column_of_table(l, r, &r->columns[i]);
		list_add(&list, &c);
	}
	return list;
}

static struct lineage_list
side_list(struct lineage *l, const uint32_t *members, uint32_t n)
{
	struct lineage_list list;
	uint32_t columns = 0;

	for (uint32_t i = 0; i < n; i++)
		columns += lineage_columns(l, members[i])->n;
	list = list_new(l, columns);
	for (uint32_t i = 0; i < n; i++)
		list_append(&list, lineage_columns(l, members[i]));
	return list;
}

static int
position(const struct lineage_list *list, struct slice name)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->c[i].name.n && slice_eq(list->c[i].name, name))
			return (int) i;
	return -1;
}

/* A merged column, if both sides have it, and takes it out of the sides. */
static void
merge(struct lineage *l, struct lineage_list *out, struct slice name, struct lineage_list *left,
      struct lineage_list *right, bool *taken)
{
	int a = position(left, name), b = position(right, name);
	struct lineage_column c;

	if (a < 0 || b < 0 || taken[a] || taken[left->n + (uint32_t) b])
		return;
	c = left->c[a];
	column_join(l, &c, &right->c[b]);
	taken[a] = taken[left->n + (uint32_t) b] = true;
	list_add(out, &c);
	out->n_merged++;
}

/* Which columns are merged, and where the others come, is not known: fine when all are clean. */
static bool
merges_unknown(const struct lineage *l, const struct sql_relation *r,
	       const struct lineage_list *left, const struct lineage_list *right)
{
	bool unknown = r->natural && (lineage_has_nameless(left) || lineage_has_nameless(right));

	for (uint32_t i = 0; i < r->n_merged; i++)
		unknown = unknown || position(left, l->facts->names[r->merged + i]) < 0 ||
			  position(right, l->facts->names[r->merged + i]) < 0;
	return unknown;
}

/* Merged columns first, in USING's order or the left side's; then what is left of the sides. */
static struct lineage_list
join_list(struct lineage *l, const struct sql_relation *r)
{
	const struct sql_facts *f = l->facts;
	struct lineage_list left = side_list(l, f->members + r->members, r->n_left);
	struct lineage_list right =
		side_list(l, f->members + r->members + r->n_left, r->n_right);
	struct lineage_list out;
	bool *taken;

	if (merges_unknown(l, r, &left, &right)) {
		l->lost = l->lost || lineage_masked(&left) || lineage_masked(&right);
		return list_gap(l);
	}
	out = list_new(l, left.n + right.n);
	taken = ARENA_ARRAY(l->arena, bool, left.n + right.n + 1);
	for (uint32_t i = 0; r->natural && i < left.n; i++)
		merge(l, &out, left.c[i].name, &left, &right, taken);
	for (uint32_t i = 0; i < r->n_merged; i++)
		merge(l, &out, f->names[r->merged + i], &left, &right, taken);
	for (uint32_t i = 0; !r->only_merged && i < left.n; i++)
		if (!taken[i])
			list_add(&out, &left.c[i]);
	for (uint32_t i = 0; !r->only_merged && i < right.n; i++)
		if (!taken[left.n + i])
			list_add(&out, &right.c[i]);
	return out;
}

const struct lineage_list *
lineage_columns(struct lineage *l, uint32_t relation)
{
	struct lineage_list *list = &l->of_relation[relation], made;
	const struct sql_relation *r = &l->facts->relations[relation];

	/* What a query that is being looked at has so far may grow: not to be kept. */
	if (list->state == LIST_DONE &&
	    (r->query < 0 || l->of_query[r->query].state == LIST_DONE))
		return list;
	if (++l->depth > DEPTH_MAX) {
		l->lost = true;
		made = list_gap(l);
	} else if (r->kind == SQL_REL_JOIN) {
		made = join_list(l, r);
	} else if (r->query >= 0) {
		made = *query_list(l, (uint32_t) r->query);
	} else if (l->relations[relation]) {
		made = table_list(l, r, l->relations[relation]);
	} else if (r->width) {
		made = list_new(l, r->width);
		for (uint32_t i = 0; i < r->width; i++)
			list_add(&made, &clean);
	} else {
		made = list_gap(l); /* a function; a table that does not resolve is refused */
	}
	l->depth--;
	if (r->n_names)
		made = list_renamed(l, &made, r->names, r->n_names);
	*list = made;
	list->state = LIST_DONE;
	return list;
}

/* ---- queries --------------------------------------------------------------------------------- */

/* Whatever is computed from a masked column is masked whole. */
static void
output_computed(struct lineage *l, const struct sql_output *o, struct lineage_column *c)
{
	for (uint32_t i = o->uses; i < o->uses + o->n_uses; i++) {
		const struct sql_use *u = &l->facts->uses[i];
		struct lineage_column one;

		if (!(u->flags & SQL_USE_DERIVES) || (l->excused && l->excused[i]) ||
		    !lineage_find(l, u, &one) || one.rule < 0)
			continue;
		column_join(l, c, &one);
		c->derived = true;
	}
}

static void
output_single(struct lineage *l, const struct sql_output *o, struct lineage_column *c)
{
	*c = clean;
	if (o->kind == SQL_OUTPUT_COLUMN && o->use >= 0) {
		(void) lineage_find(l, &l->facts->uses[o->use], c);
		c->name = o->name;
	} else if (o->kind == SQL_OUTPUT_QUERY && o->query >= 0) {
		const struct lineage_list *q = query_list(l, (uint32_t) o->query);

		if (q->n && !q->c[0].gap)
			*c = q->c[0];
		c->exact = false;
	} else if (o->derives) {
		output_computed(l, o, c);
	}
	c->gap = false;
	if (o->name.n)
		c->name = o->name;
}

static uint32_t
output_width(struct lineage *l, const struct sql_output *o)
{
	const struct sql_use *u = o->use >= 0 ? &l->facts->uses[o->use] : NULL;
	uint32_t n = 0;

	if (o->kind != SQL_OUTPUT_STAR || !u)
		return 1;
	for (uint32_t k = 0; k < u->n_candidates; k++)
		n += lineage_columns(l, l->facts->candidates[u->candidates + k].relation)->n;
	return n;
}

static struct lineage_list
select_list(struct lineage *l, const struct sql_query *q)
{
	const struct sql_facts *f = l->facts;
	struct lineage_list list;
	uint32_t n = 0;

	for (uint32_t i = 0; i < q->n_outputs; i++)
		n += output_width(l, &f->outputs[q->outputs + i]);
	list = list_new(l, n);
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];
		const struct sql_use *u = o->use >= 0 ? &f->uses[o->use] : NULL;
		struct lineage_column c;

		if (o->kind != SQL_OUTPUT_STAR) {
			output_single(l, o, &c);
			list_add(&list, &c);
		} else if (!u) {
			c = clean;
			c.gap = true;
			list_add(&list, &c);
		}
		for (uint32_t k = 0; o->kind == SQL_OUTPUT_STAR && u && k < u->n_candidates; k++)
			list_append(&list,
				    lineage_columns(l, f->candidates[u->candidates + k].relation));
	}
	return list;
}

static struct lineage_list
values_list(struct lineage *l, const struct sql_query *q)
{
	struct lineage_list list = list_new(l, q->width);

	for (uint32_t i = 0; i < q->width; i++) {
		struct lineage_column c = clean;

		c.name = slice_str(arena_printf(l->arena, "column%u", i + 1));
		list_add(&list, &c);
	}
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &l->facts->outputs[q->outputs + i];
		struct lineage_column c;

		output_single(l, o, &c);
		if (o->column < list.n)
			column_join(l, &list.c[o->column], &c);
	}
	return list;
}

static struct lineage_list
union_list(struct lineage *l, const struct sql_query *q, struct lineage_list *so_far)
{
	struct lineage_list left = *query_list(l, q->left), right, list;

	/* A recursive CTE's second arm reads what the first gave. */
	if (!so_far->c) {
		*so_far = q->n_names ? list_renamed(l, &left, q->names, q->n_names) : left;
		so_far->n_merged = 0;
		so_far->state = LIST_BUSY;
	}
	right = *query_list(l, q->right);
	if (!left.n_gaps)
		right = list_filled(l, &right, left.n);
	if (!right.n_gaps)
		left = list_filled(l, &left, right.n);
	if (left.n_gaps || right.n_gaps) {
		l->lost = l->lost || lineage_masked(&left) || lineage_masked(&right);
		return list_gap(l);
	}
	list = list_new(l, left.n);
	list_append(&list, &left);
	for (uint32_t i = 0; i < list.n; i++) {
		if (i < right.n)
			column_join(l, &list.c[i], &right.c[i]);
		list.c[i].exact = false;
	}
	/* Arms of different width the server refuses; an arm without columns is not known yet. */
	for (uint32_t i = list.n; i < right.n; i++)
		l->lost = l->lost || right.c[i].rule >= 0;
	return list;
}

static bool
modes_differ(const struct lineage_column *a, const struct lineage_column *b)
{
	return a->modes.lookup != b->modes.lookup || a->modes.derived != b->modes.derived ||
	       a->modes.over != b->modes.over;
}

static bool
list_differs(const struct lineage_list *a, const struct lineage_list *b)
{
	if (a->n != b->n)
		return true;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->c[i].rule != b->c[i].rule || a->c[i].gap != b->c[i].gap ||
		    a->c[i].derived != b->c[i].derived || modes_differ(&a->c[i], &b->c[i]) ||
		    !slice_eq(a->c[i].name, b->c[i].name))
			return true;
	return false;
}

static const struct lineage_list *
query_list(struct lineage *l, uint32_t query)
{
	struct lineage_list *list = &l->of_query[query], before = *list, made = {0};
	const struct sql_query *q = &l->facts->queries[query];

	if (list->state == LIST_DONE)
		return list;
	if (list->state == LIST_BUSY || ++l->depth > DEPTH_MAX) {
		l->again = true;
		l->lost = l->lost || l->depth > DEPTH_MAX;
		return list;
	}
	list->state = LIST_BUSY;
	switch (q->kind) {
	case SQL_QUERY_SELECT: made = select_list(l, q); break;
	case SQL_QUERY_UNION: made = union_list(l, q, list); break;
	case SQL_QUERY_VALUES: made = values_list(l, q); break;
	case SQL_QUERY_NONE: break;
	}
	l->depth--;
	if (q->n_names)
		made = list_renamed(l, &made, q->names, q->n_names);
	l->changed = l->changed || list_differs(&before, &made);
	*list = made;
	list->state = LIST_DONE;
	return list;
}

static void
start_pass(struct lineage *l)
{
	for (uint32_t i = 0; i < l->facts->n_relations; i++)
		l->of_relation[i].state = LIST_NEW;
	for (uint32_t i = 0; i < l->facts->n_queries; i++)
		l->of_query[i].state = LIST_NEW;
	l->again = l->changed = false;
}

void
lineage_follow(struct lineage *l)
{
	const struct sql_facts *f = l->facts;

	l->of_relation = ARENA_ARRAY(l->arena, struct lineage_list, f->n_relations + 1);
	l->of_query = ARENA_ARRAY(l->arena, struct lineage_list, f->n_queries + 1);
	for (unsigned pass = 0;; pass++) {
		start_pass(l);
		for (uint32_t i = 0; i < f->n_queries && !l->lost; i++)
			query_list(l, i);
		if (!l->again || !l->changed || l->lost)
			return;
		l->lost = pass >= PASSES_MAX;
	}
}

const struct lineage_list *
lineage_result(struct lineage *l, int32_t query, uint32_t n)
{
	struct lineage_list *list = ARENA_NEW(l->arena, struct lineage_list);

	if (l->lost || query < 0)
		return NULL;
	*list = *query_list(l, (uint32_t) query);
	if (n)
		*list = list_filled(l, list, n);
	return l->lost ? NULL : list;
}
