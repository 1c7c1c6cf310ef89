/* SPDX-License-Identifier: MIT
 *
 * Row by row: masks whose conditions read values of the row, and rows that are not shown at all.
 * Such a condition speaks of the row of the table that the rule's data is in, so it must be plain
 * which row that is: the statement names the table once, and nothing between the table and the
 * output (a subquery, a CTE) could have put columns of different rows side by side. Where it is not
 * plain, or the value is NULL, not in the result or of a type that is not read, it is unknown, and
 * what is unknown masks and drops. A statement whose rows could only all be dropped is refused.
 */
#include "gate/gate_internal.h"
#include "gate/gate_value.h"

#include "base/endian.h"

#include <stdlib.h>

enum {
	ROW_TABLES = 4,   /* of one result with rules by row; more: always masked */
	ROW_OPTIONS = 4,  /* masks of one column; more: always the strictest */
	ROW_DROPS = 8,    /* drop rules of one table; more: every drop rule */
};

/* ---- tables under drop rules ----------------------------------------------------------------- */

static int
oid_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

	return (x > y) - (x < y);
}

bool
class_drops(const struct gate_class *c, uint32_t oid)
{
	return c->n_dropping &&
	       bsearch(&oid, c->dropping, c->n_dropping, sizeof(oid), oid_cmp) != NULL;
}

/* The rule's data names a column of the relation, or of one that it inherits. */
static bool
covers(const struct gate_class *c, uint16_t rule, const struct catalog_relation *r,
       struct slice column, int depth)
{
	const struct catalog_relation *p;

	for (uint32_t i = 0; i < r->n_columns; i++) {
		const struct catalog_column *col = &r->columns[i];

		if (!col->dropped && (!column.n || slice_eq(col->name, column)) &&
		    class_rule_covers(c, rule, r, col))
			return true;
	}
	for (uint32_t i = 0; depth && (p = catalog_parent(c->catalog->catalog, r, i)); i++)
		if (covers(c, rule, p, column, depth - 1))
			return true;
	return false;
}

static void
add_dropping(struct gate_class *c, const struct catalog_relation *r, int depth)
{
	const struct catalog_relation *p;
	size_t i;

	for (i = 0; i < c->n_dropping && c->dropping[i] != r->oid; i++)
		;
	if (i == c->n_dropping)
		c->dropping[c->n_dropping++] = r->oid;
	/* Reading a parent reads its children and partitions. */
	for (uint32_t k = 0; depth && (p = catalog_parent(c->catalog->catalog, r, k)); k++)
		add_dropping(c, p, depth - 1);
}

static bool
reads_dropping(const struct gate_class *c, const struct catalog_relation *view)
{
	uint32_t n;
	const struct catalog_depend *d =
		catalog_view_depends(c->catalog->catalog, view, &n);

	for (uint32_t i = 0; i < n; i++)
		for (size_t k = 0; k < c->n_dropping; k++)
			if (c->dropping[k] == d[i].relation->oid)
				return true;
	return false;
}

void
class_find_dropping(struct gate_class *c)
{
	const struct catalog *cat = c->catalog->catalog;
	const struct image *img = c->epoch->image;
	size_t n = catalog_count(cat), tables;

	if (!img->has_drops)
		return;
	c->dropping = ARENA_ARRAY(&c->arena, uint32_t, n + 1);
	for (int r = decision_next(&c->masks, -1); r >= 0; r = decision_next(&c->masks, r))
		for (size_t i = 0; img->rules[r].kind == VM_DROP && i < n; i++)
			if (covers(c, (uint16_t) r, catalog_at(cat, i), (struct slice){0}, 32))
				add_dropping(c, catalog_at(cat, i), 32);
	tables = c->n_dropping;
	for (size_t i = 0; tables && i < n; i++)
		if (reads_dropping(c, catalog_at(cat, i)))
			add_dropping(c, catalog_at(cat, i), 0);
	if (c->n_dropping)
		qsort(c->dropping, c->n_dropping, sizeof(*c->dropping), oid_cmp);
}

/* ---- what cannot be filtered ----------------------------------------------------------------- */

static const struct catalog_relation *
resolve(const struct gate_class *c, const struct catalog_path *path, const struct sql_relation *as)
{
	if (as->kind != SQL_REL_TABLE || !c->catalog ||
	    (!as->schema.n && (!path || path->truncated)))
		return NULL;
	return catalog_resolve(c->catalog->catalog, path, as->schema, as->name);
}

/* The statement's select list (or RETURNING); NULL: its result is none. */
static const struct sql_query *
select_of(const struct sql_facts *f, const struct sql_stmt *st)
{
	return st->query >= 0 && f->queries[st->query].kind == SQL_QUERY_SELECT
		       ? &f->queries[st->query]
		       : NULL;
}

/* A candidate is the relation, or a join that has it. */
static bool
has_relation(const struct sql_facts *f, uint32_t candidate, uint32_t relation)
{
	const struct sql_relation *r = &f->relations[candidate];

	for (uint32_t i = 0; r->kind == SQL_REL_JOIN && i < r->n_left + r->n_right; i++)
		if (has_relation(f, f->members[r->members + i], relation))
			return true;
	return candidate == relation;
}

/* COPY t TO STDOUT, COPY (SELECT ...) TO STDOUT. */
static bool
copies_out(const struct sql_stmt *st)
{
	return st->kind == SQL_KIND_COPY && !st->copy->from && st->copy->where == SQL_COPY_STREAM &&
	       (!st->copy->query || st->inner == SQL_KIND_QUERY);
}

/* The statement's rows are rows of the relation, each by itself. */
static bool
is_plain(const struct gate_class *c, const struct catalog_path *path, const struct sql_facts *f,
	 const struct sql_stmt *st, uint32_t oid)
{
	bool reads = st->kind == SQL_KIND_QUERY || copies_out(st);
	unsigned n = 0;

	if (!reads && st->kind != SQL_KIND_INSERT && st->kind != SQL_KIND_UPDATE &&
	    st->kind != SQL_KIND_DELETE)
		return false;
	/* A row of a UNION is that of either arm. */
	if (sql_has_result(f, st) && !select_of(f, st))
		return false;
	for (uint32_t i = st->relations; i < st->relations + st->n_relations; i++) {
		const struct sql_relation *as = &f->relations[i];
		const struct catalog_relation *r = resolve(c, path, as);

		if (as->query >= 0 && as->query == st->query)
			continue; /* the result itself, of which ORDER BY 1 speaks */
		if (as->kind == SQL_REL_CTE || as->kind == SQL_REL_SUBQUERY ||
		    as->kind == SQL_REL_EXCLUDED || (as->kind == SQL_REL_TABLE && !r))
			return false;
		/* What a write reads elsewhere goes into the table, not to the client. */
		if (r && r->oid == oid && !reads && !as->target)
			return false;
		n += r && r->oid == oid;
	}
	return n == 1;
}

static bool
outputs_column(const struct sql_facts *f, const struct sql_stmt *st, uint32_t relation,
	       struct slice column)
{
	const struct sql_query *q = select_of(f, st);

	for (uint32_t i = 0; q && i < q->n_outputs; i++) {
		const struct sql_output *o = &f->outputs[q->outputs + i];
		const struct sql_use *u = o->use >= 0 ? &f->uses[o->use] : NULL;

		if (!u || (o->kind != SQL_OUTPUT_STAR && !slice_eq(u->column, column)))
			continue;
		for (uint32_t k = 0; k < u->n_candidates; k++)
			if (has_relation(f, f->candidates[u->candidates + k].relation, relation))
				return true;
	}
	return false;
}

/* Names of columns that the drop rules read and the statement does not show; NULL: none. */
static const char *
missing_columns(const struct gate_class *c, const struct sql_facts *f, const struct sql_stmt *st,
		uint32_t relation, const struct catalog_relation *r, struct arena *a)
{
	const struct image *img = c->epoch->image;
	const char *names = NULL;

	for (int k = decision_next(&c->masks, -1); k >= 0; k = decision_next(&c->masks, k))
		for (size_t i = 0; img->rules[k].kind == VM_DROP && i < img->n_row_columns; i++) {
			if (!(img->rules[k].row_columns >> i & 1) ||
			    !catalog_column_named(r, img->row_columns[i]) ||
			    !covers(c, (uint16_t) k, r, (struct slice){0}, 32) ||
			    outputs_column(f, st, relation, img->row_columns[i]))
				continue;
			names = arena_printf(a, "%s%s%.*s", names ? names : "", names ? ", " : "",
					     SLICE_ARG(img->row_columns[i]));
		}
	return names;
}

static bool
all_plain_outputs(const struct sql_facts *f, const struct sql_stmt *st)
{
	const struct sql_query *q = select_of(f, st);

	for (uint32_t i = 0; q && i < q->n_outputs; i++)
		if (f->outputs[q->outputs + i].kind == SQL_OUTPUT_OTHER ||
		    f->outputs[q->outputs + i].use < 0)
			return false;
	return true;
}

static bool
refused(struct gate_refusal *why, const char *message, const char *hint)
{
	*why = (struct gate_refusal){"WEIR-ROW-FILTER", message, NULL, hint, NULL};
	return false;
}

static bool
may_read(const struct gate_class *c, const struct catalog_path *path, const struct sql_facts *f,
	 const struct sql_stmt *st, uint32_t relation, const struct catalog_relation *r,
	 struct arena *a, struct gate_refusal *why)
{
	static const char plainly[] = "select plain columns of the table itself, in a SELECT";
	const char *name = arena_str(a, r->name), *columns;

	if (r->kind == 'v' || r->kind == 'm')
		return refused(why, arena_printf(a, "view %s reads a table whose rows are filtered",
						 name), plainly);
	/* What is only written is not shown. */
	if (f->relations[relation].target && !sql_has_result(f, st) && st->kind != SQL_KIND_MERGE)
		return true;
	if (!is_plain(c, path, f, st, r->oid))
		return refused(why, arena_printf(a, "rows of %s are filtered, which cannot be done in "
						 "this statement", name), plainly);
	if (!all_plain_outputs(f, st))
		return refused(why, arena_printf(a, "rows of %s are filtered: expressions over them "
						 "could show what is filtered", name), plainly);
	columns = missing_columns(c, f, st, relation, r, a);
	if (columns)
		return refused(why, arena_printf(a, "rows of %s are filtered by their %s", name, columns),
			       arena_printf(a, "select %s as well, so that rows can be told apart",
					    columns));
	return true;
}

bool
gate_rows_allowed(const struct gate_class *c, const struct catalog_path *path,
		  const struct sql_facts *f, struct arena *a, struct gate_refusal *why)
{
	for (uint32_t s = 0; c->n_dropping && s < f->n_stmts; s++) {
		const struct sql_stmt *st = &f->stmts[s];

		for (uint32_t i = st->relations; i < st->relations + st->n_relations; i++) {
			const struct catalog_relation *r = resolve(c, path, &f->relations[i]);

			if (r && class_drops(c, r->oid) && !may_read(c, path, f, st, i, r, a, why))
				return false;
		}
	}
	return true;
}

void
gate_note_drops(const struct gate_class *c, struct gate_verdict *v)
{
	const struct image *img = c->epoch->image;

	for (int r = decision_next(&c->masks, -1); r >= 0; r = decision_next(&c->masks, r)) {
		uint8_t k = 0;

		while (img->rules[r].kind == VM_DROP && k < v->n_masks && v->masks[k] != r)
			k++;
		if (img->rules[r].kind == VM_DROP && k == v->n_masks && k < VERDICT_MASKS)
			v->masks[v->n_masks++] = (uint16_t) r;
	}
}

/* ---- a result -------------------------------------------------------------------------------- */

struct row_table {
	uint32_t oid;
	bool plain;      /* whose row it is, is known */
	bool drops;      /* drop rules speak of it */
	uint8_t n_drops; /* ROW_DROPS + 1: every drop rule */
	uint16_t drop[ROW_DROPS];
	/* By row column of the image: which field, how it is read; -1: none. */
	int16_t field[VM_MAX_ROW_COLUMNS];
	uint8_t reading[VM_MAX_ROW_COLUMNS];
};

/* The masks of one cell, the strictest first; what stands behind the last one that is by row. */
struct row_choice {
	uint16_t cell;
	uint8_t table, n;
	struct {
		uint16_t rule;
		bool by_row;
		struct mask_op op;
	} option[ROW_OPTIONS];
};

struct gate_rows {
	struct gate *gate;
	struct gate_class *class; /* counted */
	const struct catalog_path *path; /* while it is planned: what unqualified names mean */
	struct facts facts;
	struct decision decision;
	uint16_t n_fields, n_tables, n_choices;
	struct row_value row[VM_MAX_ROW_COLUMNS];
	char text[VM_MAX_ROW_COLUMNS][VALUE_TEXT];
	struct row_table tables[ROW_TABLES];
	struct row_choice choices[];
};

/* A field of a result, whoever described it. */
struct row_field {
	uint32_t table, type;
	int32_t typmod;
	int32_t cell; /* of what masks it; -1: nothing does */
	int16_t attnum;
	uint16_t format;
};

struct row_fields {
	const struct sql_facts *facts;
	const struct sql_stmt *stmt; /* NULL: not to be told */
	struct row_field *v;
	size_t n, n_cells;
};

static void
find_fields(struct gate_rows *r, struct row_table *t, const struct row_fields *fields)
{
	const struct image *img = r->class->epoch->image;
	const struct catalog_relation *rel = catalog_by_oid(r->class->catalog->catalog, t->oid);

	for (size_t i = 0; i < img->n_row_columns; i++)
		t->field[i] = -1;
	for (size_t i = 0; t->plain && rel && i < fields->n; i++) {
		const struct row_field *f = &fields->v[i];
		const struct catalog_column *col =
			f->table == t->oid ? catalog_column(rel, f->attnum) : NULL;

		for (size_t k = 0; col && k < img->n_row_columns; k++)
			if (slice_eq(col->name, img->row_columns[k])) {
				t->field[k] = (int16_t) i;
				t->reading[k] = (uint8_t) reading_of(f->type, f->format);
			}
	}
}

static void
find_drops(struct gate_rows *r, struct row_table *t)
{
	const struct gate_class *c = r->class;
	const struct image *img = c->epoch->image;
	const struct catalog_relation *rel = catalog_by_oid(c->catalog->catalog, t->oid);

	t->drops = class_drops(c, t->oid);
	if (!t->drops)
		return;
	for (int k = decision_next(&c->masks, -1); rel && k >= 0; k = decision_next(&c->masks, k)) {
		if (img->rules[k].kind != VM_DROP ||
		    !covers(c, (uint16_t) k, rel, (struct slice){0}, 32))
			continue;
		if (t->n_drops < ROW_DROPS)
			t->drop[t->n_drops] = (uint16_t) k;
		t->n_drops++;
	}
	/* Covered by what a child or a view's source has: whatever drops there, drops here. */
	if (t->n_drops == 0 || t->n_drops > ROW_DROPS)
		t->n_drops = ROW_DROPS + 1;
}

/* The masks that may apply to a column, the strictest first, up to the first that always does. 0:
 * it cannot be told row by row. */
static unsigned
mask_options(const struct gate_class *c, uint32_t table, int attnum, uint16_t out[ROW_OPTIONS])
{
	const struct image *img = c->epoch->image;
	const struct catalog_relation *r = catalog_by_oid(c->catalog->catalog, table);
	const struct catalog_column *col = r ? catalog_column(r, attnum) : NULL;
	unsigned n = 0;

	/* What a view passes on may be masked by rules that do not name the view. */
	if (r && (r->kind == 'v' || r->kind == 'm'))
		return 0;
	for (int k = decision_next(&c->masks, -1); col && k >= 0; k = decision_next(&c->masks, k)) {
		unsigned at = n;

		if (img->rules[k].kind != VM_MASK || !covers(c, (uint16_t) k, r, col->name, 32))
			continue;
		if (n == ROW_OPTIONS)
			return 0;
		for (; at > 0 && vm_mask_cmp(&img->rules[k].mask,
					     &img->rules[out[at - 1]].mask) > 0; at--)
			out[at] = out[at - 1];
		out[at] = (uint16_t) k;
		n++;
	}
	for (unsigned i = 0; i < n; i++)
		if (!img->rules[out[i]].by_row)
			return i + 1;
	return n;
}

static struct row_table *
table_at(struct gate_rows *r, uint32_t oid)
{
	for (uint16_t i = 0; i < r->n_tables; i++)
		if (r->tables[i].oid == oid)
			return &r->tables[i];
	return NULL;
}

/* NULL: too many tables. */
static struct row_table *
add_table(struct gate_rows *r, uint32_t oid, const struct row_fields *fields)
{
	struct row_table *t = table_at(r, oid);

	if (t || r->n_tables == ROW_TABLES)
		return t;
	t = &r->tables[r->n_tables++];
	t->oid = oid;
	t->plain = fields->stmt && is_plain(r->class, r->path, fields->facts, fields->stmt, oid);
	find_fields(r, t, fields);
	find_drops(r, t);
	return t;
}

static void
add_choice(struct gate_rows *r, struct row_table *t, const struct row_field *f)
{
	const struct gate_class *c = r->class;
	struct row_choice *x = &r->choices[r->n_choices];
	uint16_t rules[ROW_OPTIONS];
	unsigned n = mask_options(c, f->table, f->attnum, rules);

	if (!n || !c->epoch->image->rules[rules[0]].by_row)
		return;
	*x = (struct row_choice){.cell = (uint16_t) f->cell, .n = (uint8_t) n};
	x->table = (uint8_t) (t - r->tables);
	for (unsigned i = 0; i < n; i++) {
		x->option[i].rule = rules[i];
		x->option[i].by_row = c->epoch->image->rules[rules[i]].by_row;
		x->option[i].op = mask_bind(&c->epoch->masks[rules[i]], f->type, f->typmod,
					    f->format);
	}
	r->n_choices++;
}

static void
add_shown(struct gate_rows *r, const struct row_fields *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct row_field *f = &fields->v[i];
		struct row_table *t = f->cell >= 0 || class_drops(r->class, f->table)
					      ? add_table(r, f->table, fields)
					      : NULL;

		if (t && f->cell >= 0)
			add_choice(r, t, f);
	}
}

/* Tables that the statement reads and does not show. */
static bool
add_read(struct gate_rows *r, const struct row_fields *fields)
{
	const struct sql_stmt *st = fields->stmt;

	for (uint32_t i = st ? st->relations : 0; st && i < st->relations + st->n_relations; i++) {
		const struct catalog_relation *rel = resolve(r->class, r->path,
							     &fields->facts->relations[i]);

		if (rel && class_drops(r->class, rel->oid) && !add_table(r, rel->oid, fields))
			return false;
	}
	return true;
}

/* Nothing reads rows: the program is one `end`. */
static bool
reads_none(const struct gate_class *c)
{
	return !c || !c->catalog || c->epoch->image->entry[ENTRY_ROW].n < 2;
}

static enum pg_reason
make_rows(struct gate_session *s, const struct row_fields *fields, struct gate_rows **out)
{
	struct gate_class *c = s->class;
	struct gate_rows *r = calloc(1, sizeof(*r) + fields->n_cells * sizeof(r->choices[0]));
	bool any = false;

	if (!r)
		return PG_R_NO_MEMORY;
	r->gate = s->gate;
	r->class = c;
	r->path = s->path ? &s->path->path : &c->path;
	c->refs++;
	r->facts = c->facts;
	r->n_fields = (uint16_t) fields->n;
	add_shown(r, fields);
	if (!add_read(r, fields)) {
		gate_rows_free(r);
		return PG_R_ROW_FIELDS;
	}
	for (uint16_t i = 0; i < r->n_tables; i++)
		any = any || r->tables[i].drops;
	if (any || r->n_choices)
		*out = r;
	else
		gate_rows_free(r);
	return PG_R_OK;
}

enum pg_reason
gate_rows_plan(struct gate_session *s, const struct gate_result *res,
	       const struct pg_rowplan *plan, struct gate_rows **out)
{
	struct row_fields fields = {.facts = res->facts, .stmt = res->stmt, .n = res->fields.n};
	struct pg_fields left = res->fields;
	enum pg_reason reason;
	struct pg_field f;

	*out = NULL;
	if (reads_none(s->class))
		return PG_R_OK;
	fields.v = calloc(fields.n + 1, sizeof(*fields.v));
	if (!fields.v)
		return PG_R_NO_MEMORY;
	for (unsigned i = 0; pg_fields_next(&left, &f); i++) {
		bool masked = plan && fields.n_cells < plan->n_cells &&
			      plan->cells[fields.n_cells].field == i;

		fields.v[i] = (struct row_field){
			.table = f.table, .attnum = f.attnum, .type = f.type, .typmod = f.typmod,
			.format = res->formats ? pg_format(*res->formats, i) : f.format,
			.cell = masked ? (int32_t) fields.n_cells : -1};
		fields.n_cells += masked;
	}
	reason = make_rows(s, &fields, out);
	free(fields.v);
	return reason;
}

enum pg_reason
gate_rows_copy(struct gate_session *s, const struct sql_facts *f, const struct sql_stmt *st,
	       const struct copyout_column *columns, size_t n, struct gate_rows **out)
{
	struct row_fields fields = {.facts = f, .stmt = st, .n = n, .n_cells = n};
	enum pg_reason reason;

	*out = NULL;
	if (reads_none(s->class))
		return PG_R_OK;
	fields.v = calloc(n + 1, sizeof(*fields.v));
	if (!fields.v)
		return PG_R_NO_MEMORY;
	for (size_t i = 0; i < n; i++)
		fields.v[i] = (struct row_field){
			.table = columns[i].table, .attnum = columns[i].attnum,
			.type = columns[i].type, .typmod = columns[i].typmod,
			.format = st->copy->format == SQL_COPY_BINARY,
			.cell = columns[i].mask ? (int32_t) i : -1};
	reason = make_rows(s, &fields, out);
	free(fields.v);
	return reason;
}

void
gate_rows_free(struct gate_rows *r)
{
	if (!r)
		return;
	class_unref(r->class);
	free(r);
}

/* ---- a row ----------------------------------------------------------------------------------- */

/* Fills r->row for a table. False: the row is malformed. */
static bool
read_row(struct gate_rows *r, const struct row_table *t, const uint8_t *msg, size_t n)
{
	size_t columns = r->class->epoch->image->n_row_columns, at = PG_HEADER + 2;

	memset(r->row, 0, columns * sizeof(r->row[0]));
	if (n < at || get_be16(msg + PG_HEADER) != r->n_fields)
		return false;
	for (int i = 0; t->plain && i < r->n_fields; i++) {
		uint32_t len;

		if (n - at < 4)
			return false;
		len = get_be32(msg + at);
		at += 4;
		if (len == UINT32_MAX)
			continue;
		if (len > n - at)
			return false;
		for (size_t k = 0; k < columns; k++)
			if (t->field[k] == i)
				read_value(&r->row[k], (enum reading) t->reading[k],
					   slice_of(msg + at, len), r->text[k]);
		at += len;
	}
	return true;
}

static bool
is_dropped(const struct gate_rows *r, const struct row_table *t)
{
	const struct image *img = r->class->epoch->image;
	const struct decision *d = &r->decision;

	if (!t->drops)
		return false;
	for (uint8_t i = 0; t->n_drops <= ROW_DROPS && i < t->n_drops; i++)
		if (decision_has(d, t->drop[i]))
			return true;
	for (int k = decision_next(d, -1); t->n_drops > ROW_DROPS && k >= 0;
	     k = decision_next(d, k))
		if (img->rules[k].kind == VM_DROP)
			return true;
	return false;
}

/* NULL: nothing masks the cell in this row. */
static const struct mask_op *
chosen(const struct gate_rows *r, const struct row_choice *x)
{
	for (uint8_t i = 0; i < x->n; i++)
		if (!x->option[i].by_row || decision_has(&r->decision, x->option[i].rule))
			return &x->option[i].op;
	return NULL;
}

/* The row of one table is in r->row. False: it is not shown. */
static bool
decide(struct gate_rows *r, const struct row_table *t)
{
	r->facts.row = r->row;
	vm_decide(r->class->epoch->image, ENTRY_ROW, &r->facts, &r->decision);
	r->gate->stats.row_ops += r->decision.ops;
	r->gate->stats.rows++;
	return !is_dropped(r, t);
}

enum gate_row
gate_rows_apply(struct gate_rows *r, struct pg_rowplan *plan, const uint8_t *msg, size_t n)
{
	for (uint16_t i = 0; i < r->n_tables; i++) {
		if (!read_row(r, &r->tables[i], msg, n))
			return GATE_ROW_BAD;
		if (!decide(r, &r->tables[i]))
			return GATE_ROW_DROPPED;
		for (uint16_t k = 0; k < r->n_choices; k++) {
			struct pg_rowplan_cell *cell = &plan->cells[r->choices[k].cell];
			const struct mask_op *op;

			if (r->choices[k].table != i)
				continue;
			op = chosen(r, &r->choices[k]);
			cell->off = !op;
			if (op)
				cell->op = *op;
		}
	}
	return GATE_ROW_SHOWN;
}

enum gate_row
gate_rows_apply_copy(struct gate_rows *r, const struct copyout_value *values, struct mask_op *ops)
{
	size_t columns = r->class->epoch->image->n_row_columns;

	for (uint16_t i = 0; i < r->n_tables; i++) {
		const struct row_table *t = &r->tables[i];

		memset(r->row, 0, columns * sizeof(r->row[0]));
		for (size_t k = 0; t->plain && k < columns; k++)
			if (t->field[k] >= 0 && !values[t->field[k]].null)
				read_value(&r->row[k], (enum reading) t->reading[k],
					   values[t->field[k]].v, r->text[k]);
		if (!decide(r, t))
			return GATE_ROW_DROPPED;
		for (uint16_t k = 0; k < r->n_choices; k++) {
			const struct mask_op *op;

			if (r->choices[k].table != i)
				continue;
			op = chosen(r, &r->choices[k]);
			ops[r->choices[k].cell] = op ? *op : (struct mask_op){0};
		}
	}
	return GATE_ROW_SHOWN;
}
