/* SPDX-License-Identifier: MIT */
#include "compiler/elsewhere.h"

#include "sql/catalog.h"
#include "sql/sql.h"

enum { DEPTH_MAX = 32 }; /* as the gateway follows parents */

static bool
is_relative(const struct elsewhere_relatives *of, const struct catalog_relation *r)
{
	for (size_t i = 0; i < of->n; i++)
		if (of->v[i] == r)
			return true;
	return false;
}

static void
add_relative(struct space *s, struct elsewhere_relatives *of, const struct catalog_relation *r)
{
	if (of->n == of->room) {
		const struct catalog_relation **old = of->v;

		of->room = of->room ? 2 * of->room : 4;
		of->v = ARENA_ARRAY(s->arena, const struct catalog_relation *, of->room);
		if (of->n)
			memcpy(of->v, old, of->n * sizeof(*old));
	}
	of->v[of->n++] = r;
}

/* What `below` inherits, from `at` on. */
static void
add_above(struct space *s, const struct catalog *c, struct elsewhere_relatives *all,
	  const struct catalog_relation *below, const struct catalog_relation *at, int depth)
{
	struct elsewhere_relatives *of = &all[below - catalog_at(c, 0)];
	const struct catalog_relation *p;

	for (uint32_t i = 0; depth && (p = catalog_parent(c, at, i)); i++) {
		if (p == below || is_relative(of, p))
			continue;
		add_relative(s, of, p);
		add_above(s, c, all, below, p, depth - 1);
	}
}

/* First what is above each, which is little; then of that what is below. */
static struct elsewhere_relatives *
collect_relatives(struct space *s, const struct catalog *c)
{
	size_t n = catalog_count(c);
	struct elsewhere_relatives *all =
		ARENA_ARRAY(s->arena, struct elsewhere_relatives, n + 1);
	size_t *above = ARENA_ARRAY(s->arena, size_t, n + 1);

	for (size_t i = 0; i < n; i++) {
		if (catalog_at(c, i)->n_parents)
			add_above(s, c, all, catalog_at(c, i), catalog_at(c, i), DEPTH_MAX);
		above[i] = all[i].n;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < above[i]; k++)
			add_relative(s, &all[all[i].v[k] - catalog_at(c, 0)], catalog_at(c, i));
	return all;
}

static void
list_relations(struct space *s, const struct catalog *c, struct elsewhere *e)
{
	const struct elsewhere_relatives *relatives = collect_relatives(s, c);

	for (size_t i = 0; i < catalog_count(c); i++) {
		const struct catalog_relation *r = catalog_at(c, i);
		struct elsewhere_relation *x = &e->v[e->n++];

		*x = (struct elsewhere_relation){
			.catalog = c, .relation = r, .schema = r->schema,
			.inherits = relatives[i].n > 0, .relatives = relatives};
		x->name = slice_str(arena_printf(s->arena, "%.*s.%.*s", SLICE_ARG(r->schema),
						 SLICE_ARG(r->name)));
		x->class = partition_find(s->facts[FACT_TABLE].strings, x->name);
		e->known[x->class] = true;
	}
}

const struct elsewhere *
elsewhere_of(struct space *s)
{
	struct elsewhere *e = s->elsewhere;
	size_t n = 0;

	if (e)
		return e;
	s->elsewhere = e = ARENA_NEW(s->arena, struct elsewhere);
	if (!s->fact_var[FACT_TABLE] || !s->catalogs)
		return e;
	for (size_t i = 0; i < s->n_images; i++)
		n += s->catalogs[i] ? catalog_count(s->catalogs[i]) : 0;
	e->v = ARENA_ARRAY(s->arena, struct elsewhere_relation, n + 1);
	e->has = ARENA_ARRAY(s->arena, uint8_t *, s->columns.n_kinds + 1);
	e->known = ARENA_ARRAY(s->arena, bool, s->facts[FACT_TABLE].n + 1);
	for (size_t i = 0; i < s->n_images; i++)
		if (s->catalogs[i])
			list_relations(s, s->catalogs[i], e);
	return e;
}

bool
elsewhere_is_view(const struct elsewhere_relation *e)
{
	return e->relation->kind == 'v' || e->relation->kind == 'm';
}

/* ---- Tables that inherit ---- */

static const struct elsewhere_relatives *
relatives_of(const struct elsewhere_relation *e, const struct catalog_relation *r)
{
	return &e->relatives[r - catalog_at(e->catalog, 0)];
}

/* ---- Columns ---- */

static bool
is_of_kind(const struct space *s, const struct catalog_relation *r, struct slice column,
	   size_t kind)
{
	return columns_find(&s->columns, r->schema, r->name, column) == (int)kind;
}

static bool
inherits_kind(const struct space *s, const struct elsewhere_relation *e,
	      const struct catalog_relation *r, struct slice column, size_t kind)
{
	const struct elsewhere_relatives *of = relatives_of(e, r);

	for (size_t i = 0; i < of->n; i++)
		if (is_of_kind(s, of->v[i], column, kind) && catalog_column_named(of->v[i], column))
			return true;
	return false;
}

/* Some column of it (attnum 0: any) is computed from one of the kind. */
static bool
computes_kind(const struct space *s, const struct elsewhere_relation *e,
	      const struct catalog_relation *r, int attnum, size_t kind)
{
	size_t n;
	const struct catalog_generated *g = catalog_generated(e->catalog, &n);

	for (size_t i = 0; i < n; i++) {
		const struct catalog_column *from =
			g[i].relation == r ? catalog_column(r, g[i].from) : NULL;

		if (from && (!attnum || g[i].attnum == attnum) &&
		    (is_of_kind(s, r, from->name, kind) ||
		     inherits_kind(s, e, r, from->name, kind)))
			return true;
	}
	return false;
}

/* A column of a table (attnum 0: any) is masked as the kind is. */
static bool
has_kind(const struct space *s, const struct elsewhere_relation *e,
	 const struct catalog_relation *r, int attnum, size_t kind)
{
	for (uint32_t i = 0; i < r->n_columns; i++)
		if ((!attnum || r->columns[i].attnum == attnum) && !r->columns[i].dropped &&
		    (is_of_kind(s, r, r->columns[i].name, kind) ||
		     inherits_kind(s, e, r, r->columns[i].name, kind)))
			return true;
	return computes_kind(s, e, r, attnum, kind);
}

/* What a view reads, through views below it as well, has such a column. */
static bool
depends_on(const struct space *s, const struct elsewhere_relation *e,
	   const struct catalog_relation *r, size_t kind)
{
	uint32_t n;
	const struct catalog_depend *d = catalog_view_depends(e->catalog, r, &n);

	for (uint32_t i = 0; i < n; i++)
		if (has_kind(s, e, d[i].relation, d[i].attnum, kind))
			return true;
	return false;
}

static bool
is_summed(const struct sql_facts *f)
{
	for (uint32_t i = 0; f && i < f->n_uses; i++)
		if (f->uses[i].over)
			return true;
	return false;
}

/* It, or a view that it reads, computes an aggregate that only a mask can open. */
static bool
sums(const struct catalog *c, const struct catalog_relation *r)
{
	uint32_t n;
	const struct catalog_depend *d = catalog_view_depends(c, r, &n);

	if (is_summed(r->definition))
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (is_summed(d[i].relation->definition))
			return true;
	return false;
}

/* What a use in a view's query means has such a column, or may have it. */
static bool
candidate_reads(const struct space *s, const struct elsewhere_relation *e,
		const struct sql_facts *f, const struct sql_use *u,
		const struct sql_relation *named, size_t kind)
{
	const struct catalog_relation *from =
		catalog_resolve(e->catalog, NULL, named->schema, named->name);
	const struct catalog_column *column;

	if (named->kind == SQL_REL_JOIN) {
		for (uint32_t i = 0; i < named->n_left + named->n_right; i++) {
			uint32_t member = f->members[named->members + i];

			if (candidate_reads(s, e, f, u, &f->relations[member], kind))
				return true;
		}
		return false;
	}
	column = from && u->column.n ? catalog_column_named(from, u->column) : NULL;
	if (column && named->renamed)
		column = NULL;
	return !from || depends_on(s, e, from, kind) ||
	       has_kind(s, e, from, column ? column->attnum : 0, kind);
}

static bool
use_reads(const struct space *s, const struct elsewhere_relation *e, const struct sql_facts *f,
	  const struct sql_use *u, size_t kind)
{
	for (uint32_t k = 0; k < u->n_candidates; k++) {
		uint32_t at = f->candidates[u->candidates + k].relation;

		if (candidate_reads(s, e, f, u, &f->relations[at], kind))
			return true;
	}
	return false;
}

/* Its query names such a column, or all of a table that has one; of a view any column will do. */
static bool
view_reads(const struct space *s, const struct elsewhere_relation *e,
	   const struct catalog_relation *r, size_t kind)
{
	const struct sql_facts *f = r->definition;

	if (!f)
		return depends_on(s, e, r, kind);
	for (uint32_t i = 0; i < f->n_uses; i++)
		if (use_reads(s, e, f, &f->uses[i], kind))
			return true;
	return false;
}

struct slice
elsewhere_own(const struct space *s, const struct elsewhere_relation *e, size_t kind)
{
	const struct catalog_relation *r = e->relation;

	for (uint32_t i = 0; i < r->n_columns; i++)
		if (!r->columns[i].dropped && is_of_kind(s, r, r->columns[i].name, kind))
			return r->columns[i].name;
	return (struct slice){0};
}

/* Of a view that has such a column itself: another of its columns is one, or may be. */
static bool
view_has_more(const struct space *s, const struct elsewhere_relation *e, size_t kind)
{
	const struct catalog_relation *r = e->relation;
	const struct sql_facts *f = r->definition;
	const struct sql_query *q = NULL;

	if (f && f->n_stmts == 1 && f->stmts[0].query >= 0)
		q = &f->queries[f->stmts[0].query];
	if (!q || q->kind != SQL_QUERY_SELECT || q->n_outputs != r->n_columns)
		return view_reads(s, e, r, kind);
	for (uint32_t i = 0; i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];

		if (is_of_kind(s, r, r->columns[i].name, kind))
			continue;
		if (o->kind != SQL_OUTPUT_COLUMN || o->use < 0)
			return view_reads(s, e, r, kind);
		if (use_reads(s, e, f, &f->uses[o->use], kind))
			return true;
	}
	return false;
}

static bool
matters(const struct space *s, const struct elsewhere_relation *e, size_t kind,
	enum elsewhere_use what)
{
	const struct catalog_relation *r = e->relation;

	if (!elsewhere_is_view(e)) {
		if (what <= ELSEWHERE_USED && computes_kind(s, e, r, 0, kind))
			return true;
		return e->inherits && !elsewhere_own(s, e, kind).n && has_kind(s, e, r, 0, kind);
	}
	/* What is compared, or summed, is a table's; a view may have been made of sums. */
	if (what == ELSEWHERE_LOOKED_UP || (what == ELSEWHERE_SUMMED && !sums(e->catalog, r)))
		return false;
	return elsewhere_own(s, e, kind).n ? view_has_more(s, e, kind)
					   : view_reads(s, e, r, kind);
}

bool
elsewhere_has(const struct space *s, const struct elsewhere_relation *e, size_t kind,
	      enum elsewhere_use what)
{
	enum { NO = 1, YES };
	struct elsewhere *all = s->elsewhere;
	uint8_t *said;

	if (!all->has[kind])
		all->has[kind] = ARENA_ARRAY(s->arena, uint8_t, all->n * ELSEWHERE_USES);
	said = &all->has[kind][(size_t) (e - all->v) * ELSEWHERE_USES + what];
	if (!*said)
		*said = matters(s, e, kind, what) ? YES : NO;
	return *said == YES;
}

/* ---- Rows ---- */

/* Whether the rule's data has a column of it. */
static bool
is_covered(const struct catalog_relation *r, const struct image *img, const struct image_rule *rule)
{
	for (uint32_t i = 0; i < r->n_columns; i++)
		if (!r->columns[i].dropped &&
		    vm_rule_covers(img, rule, r->schema, r->name, r->columns[i].name))
			return true;
	return false;
}

static bool
is_dropped(const struct elsewhere_relation *e, const struct catalog_relation *r,
	   const struct image *img, const struct image_rule *rule)
{
	const struct elsewhere_relatives *of = relatives_of(e, r);

	if (is_covered(r, img, rule))
		return true;
	for (size_t i = 0; i < of->n; i++)
		if (is_covered(of->v[i], img, rule))
			return true;
	return false;
}

bool
elsewhere_drops(const struct elsewhere_relation *e, const struct image *img,
		const struct image_rule *rule)
{
	uint32_t n;
	const struct catalog_depend *d = catalog_view_depends(e->catalog, e->relation, &n);

	if (rule->kind != VM_DROP)
		return false;
	if (is_dropped(e, e->relation, img, rule))
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (is_dropped(e, d[i].relation, img, rule))
			return true;
	return false;
}
