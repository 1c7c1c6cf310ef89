/* SPDX-License-Identifier: MIT
 *
 * `catalog "FILE"`: the tables and columns that there are. What data classes, conditions and tests
 * name must be among them. Columns of a view that cannot be told from its query may have any name.
 */
#include "compiler/check_internal.h"
#include "compiler/foreign.h"

#include "compiler/parse.h"
#include "sql/ddl.h"
#include "vm/match.h"

#include <stdlib.h>

/* ---- reading it ------------------------------------------------------------------------------ */

/* `all` counts the bytes of catalogs, which have a limit of their own. */
static bool
read_file(struct check *c, const struct catalog_decl *k, struct ddl *ddl, size_t *all,
	  uint32_t *file)
{
	const struct parse_loader *loader = c->p->loader;
	const char *error = "files cannot be read here";
	struct ddl_error err;
	struct slice text;
	struct span at;

	if (!loader || !loader->load(loader->ctx, c->arena, k->file, &text, &error)) {
		diag(c->q, FILE_UNREADABLE, k->path.at, k->file, error);
		return false;
	}
	if (!diag_fits(c->q, k->path.at, k->file, text.n, all))
		return false;
	error = foreign_catalog(text);
	if (error) {
		diag(c->q, CATALOG_UNREADABLE, k->path.at, error);
		return false;
	}
	*file = sources_add(c->q->sources, k->file, text, k->path.at);
	text = c->q->sources->files[*file].text;
	if (ddl_read(ddl, slice_str(arena_str(c->arena, text)), &err))
		return true;
	at = (struct span){*file, err.at, err.at < text.n};
	diag(c->q, CATALOG_UNREADABLE, at, err.text);
	return false;
}

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *) a, *(const struct slice *) b);
}

static void
sort_schemas(struct check *c)
{
	size_t n = catalog_count(c->catalog);

	c->schemas = ARENA_ARRAY(c->arena, struct slice, n + 1);
	for (size_t i = 0; i < n; i++)
		c->schemas[i] = catalog_at(c->catalog, i)->schema;
	qsort(c->schemas, n, sizeof(*c->schemas), compare_slices);
}

/* What the policy vouches for counts as being there, unchanged: its tests are about the rest. */
static void
add_trusted(struct check *c, struct ddl *ddl)
{
	for (const struct trust_decl *t = c->p->trusts; t; t = t->next) {
		struct slice s = t->function.v, digest = t->digest.v;
		size_t dot, open;

		if (!check_is_function(s) || !check_is_digest(digest))
			continue; /* an error, which is told */
		dot = (size_t) ((const uint8_t *) memchr(s.p, '.', s.n) - s.p);
		open = (size_t) ((const uint8_t *) memchr(s.p, '(', s.n) - s.p);
		ddl_function(ddl, slice_of(s.p, dot), slice_of(s.p + dot + 1, open - dot - 1),
			     slice_of(s.p + open + 1, s.n - open - 2),
			     slice_of(digest.p + digest.n - 64, 64));
	}
}

void
check_catalog(struct check *c)
{
	bool without = c->p->loader && c->p->loader->no_catalogs;
	struct ddl *ddl = c->p->catalogs && !without ? ddl_new(c->arena) : NULL;
	const char *error;
	bool good = true;
	size_t n = 0, all = 0;

	for (const struct catalog_decl *k = c->p->catalogs; k; k = k->next)
		n++;
	c->catalog_files = ARENA_ARRAY(c->arena, uint32_t, n + 1);
	n = 0;
	for (const struct catalog_decl *k = c->p->catalogs; k && ddl; k = k->next) {
		good = read_file(c, k, ddl, &all, &c->catalog_files[n++]) && good;
		if (all > SOURCE_MAX_BYTES)
			break;
	}
	if (!ddl || !good)
		return;
	c->ddl = ddl;
	add_trusted(c, ddl);
	c->catalog = ddl_finish(ddl, &error);
	if (c->catalog)
		sort_schemas(c);
	else
		diag(c->q, CATALOG_UNREADABLE, c->p->catalogs->at, error);
}

bool
checked_place(const struct checked *p, uint32_t relation, int attnum, struct span *statement,
	      struct span *name)
{
	struct ddl_place place;
	uint32_t file;

	if (!p->ddl || !ddl_place(p->ddl, relation, attnum, &place))
		return false;
	file = p->catalog_files[place.text];
	*statement = (struct span){file, place.from, place.to - place.from};
	*name = (struct span){file, place.at, place.to - place.at};
	return true;
}

void
checked_free(struct checked *p)
{
	catalog_free((struct catalog *)(uintptr_t)p->catalog);
	p->catalog = NULL;
}

/* ---- what it has ----------------------------------------------------------------------------- */

struct wanted {
	struct slice schema, table, column; /* globs; n = 0: any */
};

static bool
like(struct slice pattern, struct slice name)
{
	return !pattern.n || match_glob(pattern, name);
}

/* The server's own schemas are in no catalog. A pattern may mean them when it begins like them. */
static bool
is_system(struct slice glob)
{
	static const char *const own[] = {"pg_", "information_schema"};
	const uint8_t *star = glob.n ? memchr(glob.p, '*', glob.n) : NULL;
	size_t begins = star ? (size_t) (star - glob.p) : glob.n;

	for (size_t i = 0; i < COUNT_OF(own); i++) {
		size_t whole = strlen(own[i]), n = begins < whole ? begins : whole;

		if (n && memcmp(glob.p, own[i], n) == 0 && (star || n == whole))
			return true;
	}
	return false;
}

static bool
column_of(const struct check *c, const struct catalog_relation *r, struct slice column)
{
	if (ddl_is_vague(c->ddl, r->oid))
		return true;
	for (uint32_t i = 0; i < r->n_columns; i++)
		if (like(column, r->columns[i].name))
			return true;
	return false;
}

enum missing { HAS_ALL, NO_SUCH_SCHEMA, NO_SUCH_TABLE, NO_SUCH_COLUMN };

/* Most names are those of one table, or of a schema, and it is there. */
static bool
has_exactly(const struct check *c, const struct wanted *w)
{
	const struct catalog_path none = {0};
	const struct catalog_relation *r;

	if (!w->schema.n || match_is_glob(w->schema) || match_is_glob(w->table))
		return false;
	if (!w->table.n && !w->column.n)
		return bsearch(&w->schema, c->schemas, catalog_count(c->catalog),
			       sizeof(*c->schemas), compare_slices) != NULL;
	r = w->table.n ? catalog_resolve(c->catalog, &none, w->schema, w->table) : NULL;
	return r && (!w->column.n || column_of(c, r, w->column));
}

static enum missing
missing(const struct check *c, const struct wanted *w)
{
	enum missing best = NO_SUCH_SCHEMA;

	if (is_system(w->schema) || has_exactly(c, w))
		return HAS_ALL;
	for (size_t i = 0; i < catalog_count(c->catalog); i++) {
		const struct catalog_relation *r = catalog_at(c->catalog, i);

		if (!like(w->schema, r->schema))
			continue;
		if (!like(w->table, r->name)) {
			best = best < NO_SUCH_TABLE ? NO_SUCH_TABLE : best;
			continue;
		}
		if (!w->column.n || column_of(c, r, w->column))
			return HAS_ALL;
		best = NO_SUCH_COLUMN;
	}
	return best;
}

static const char *
table_name(const struct check *c, struct slice schema, struct slice table)
{
	if (!schema.n)
		return arena_str(c->arena, table);
	return arena_printf(c->arena, "%.*s.%.*s", SLICE_ARG(schema), SLICE_ARG(table));
}

/* The nearest of what stands where the name does not. */
static void
suggest(struct check *c, struct diag *d, const struct wanted *w, enum missing what)
{
	size_t n = 0, cap = 1;
	const char **names;

	for (size_t i = 0; i < catalog_count(c->catalog); i++)
		cap += 1 + (what == NO_SUCH_COLUMN ? catalog_at(c->catalog, i)->n_columns : 0);
	names = ARENA_ARRAY(c->arena, const char *, cap);
	for (size_t i = 0; i < catalog_count(c->catalog); i++) {
		const struct catalog_relation *r = catalog_at(c->catalog, i);

		if (what == NO_SUCH_SCHEMA)
			names[n++] = arena_str(c->arena, r->schema);
		else if (what == NO_SUCH_TABLE)
			names[n++] = table_name(c, w->schema.n ? r->schema : w->schema, r->name);
		for (uint32_t k = 0; what == NO_SUCH_COLUMN && k < r->n_columns &&
				     like(w->schema, r->schema) && like(w->table, r->name);
		     k++)
			names[n++] = arena_str(c->arena, r->columns[k].name);
	}
	check_suggest(c, d,
		      what == NO_SUCH_SCHEMA  ? arena_str(c->arena, w->schema)
		      : what == NO_SUCH_TABLE ? table_name(c, w->schema, w->table)
					      : arena_str(c->arena, w->column),
		      names, n);
}

/* Where a table of that name is, if not there. */
static void
note_elsewhere(struct check *c, struct diag *d, struct slice table)
{
	for (size_t i = 0; i < catalog_count(c->catalog); i++) {
		const struct catalog_relation *r = catalog_at(c->catalog, i);

		if (slice_eq(r->name, table)) {
			diag_note(c->q, d, SPAN_NONE, "there is a table %s",
				  table_name(c, r->schema, r->name));
			return;
		}
	}
}

/* Reports what the catalog does not have. `at`: the whole name. */
static void
must_have(struct check *c, const struct wanted *w, struct span at)
{
	enum missing what = missing(c, w);
	const char *whole;
	struct diag *d;

	if (what == HAS_ALL)
		return;
	whole = table_name(c, w->schema, w->table);
	if (what == NO_SUCH_SCHEMA)
		d = diag(c->q, NO_SCHEMA, at, arena_str(c->arena, w->schema));
	else if (what == NO_SUCH_TABLE)
		d = diag(c->q, NO_TABLE, at, whole);
	else
		d = diag(c->q, NO_COLUMN, at,
			 table_name(c, w->table.n ? slice_str(whole) : w->table, w->column));
	suggest(c, d, w, what);
	if (what == NO_SUCH_TABLE || (what == NO_SUCH_SCHEMA && w->table.n))
		note_elsewhere(c, d, w->table);
}

/* ---- data classes ---------------------------------------------------------------------------- */

static struct slice
part(const char *name)
{
	return name && strcmp(name, "*") != 0 ? slice_str(name) : (struct slice){0};
}

static void
check_classes(struct check *c)
{
	for (const struct data_decl *d = c->p->data; d; d = d->next)
		for (const struct data_item *i = d->items; i; i = i->next)
			if (i->kind == DATA_COLUMN)
				must_have(c,
					  &(struct wanted){part(i->parts[0]), part(i->parts[1]),
							   part(i->parts[2])},
					  i->at);
}

/* ---- conditions ------------------------------------------------------------------------------ */

/* A rule about such a table is about none, and a deny of it denies nothing. */
static void
check_bare(struct check *c, enum fact fact, const struct expr *v)
{
	const char *text = arena_str(c->arena, v->string);

	if (fact != FACT_TABLE || strpbrk(text, ".*") || c->bare_told)
		return;
	c->bare_told = true;
	diag_note(c->q, diag(c->q, BARE_TABLE, v->at, text), SPAN_NONE,
		  "a table of the schema public is written \"public.%s\"", text);
}

static const char *
whole_name(const struct check *c, const struct catalog_relation *r)
{
	return table_name(c, r->schema, r->name);
}

/* A pattern without a dot: of the schema, the table, or both. */
static void
check_whole(struct check *c, struct slice glob, const struct expr *v)
{
	if (is_system(glob) || (*glob.p == '*' && memmem(glob.p, glob.n, "pg_", 3)))
		return;
	for (size_t i = 0; i < catalog_count(c->catalog); i++)
		if (match_glob(glob, slice_str(whole_name(c, catalog_at(c->catalog, i)))))
			return;
	note_elsewhere(c, diag(c->q, NO_TABLE, v->at, arena_str(c->arena, glob)), v->string);
}

/* `as`: the comparison that the name stands in. */
static void
check_name(struct check *c, enum fact fact, const struct expr *v, enum expr_kind as)
{
	struct slice s = v->string;
	struct wanted w = {0};
	const uint8_t *dot;

	if (v->kind != X_STRING || !s.n || ((as == X_STARTS || as == X_ENDS) && match_is_glob(s)))
		return;
	if (as == X_STARTS || as == X_ENDS)
		s = slice_str(arena_printf(c->arena, as == X_STARTS ? "%.*s*" : "*%.*s",
					   SLICE_ARG(s)));
	dot = memchr(s.p, '.', s.n);
	if (!c->catalog) {
		if (as != X_STARTS && as != X_ENDS)
			check_bare(c, fact, v);
		return;
	}
	if (fact == FACT_SCHEMA) {
		w.schema = s;
	} else if (fact == FACT_COLUMNS) {
		w.column = s;
	} else if (dot) {
		w.schema = slice_of(s.p, (size_t) (dot - s.p));
		w.table = slice_of(dot + 1, s.n - w.schema.n - 1);
	} else {
		check_whole(c, s, v);
		return;
	}
	must_have(c, &w, v->at);
}

/* Some name of the catalog is one of an expression's texts. */
static bool
has_like(const struct check *c, enum fact fact, const struct regex *dfa)
{
	for (size_t i = 0; i < catalog_count(c->catalog); i++) {
		const struct catalog_relation *r = catalog_at(c->catalog, i);

		if (fact == FACT_COLUMNS && ddl_is_vague(c->ddl, r->oid))
			return true;
		if (fact == FACT_SCHEMA && match_regex(dfa, r->schema))
			return true;
		if (fact == FACT_TABLE &&
		    match_regex(dfa, slice_str(whole_name(c, r))))
			return true;
		for (uint32_t k = 0; fact == FACT_COLUMNS && k < r->n_columns; k++)
			if (match_regex(dfa, r->columns[k].name))
				return true;
	}
	return false;
}

/* Where an expression is after a text that goes on. UINT32_MAX: it is like no such text. */
static uint32_t
row_after(const struct regex *dfa, const char *text)
{
	uint32_t row = 0;

	for (; *text; text++)
		row = dfa->next[row + dfa->class_of[(uint8_t) *text]];
	return row >= dfa->sinks && !dfa->accepts[row / dfa->n_classes] ? UINT32_MAX : row;
}

/* It speaks of the server's own tables: it tells their names from others of the same shape. */
static bool
is_system_like(enum fact fact, const struct regex *dfa)
{
	static const char *const own[][2] = {
		{"pg_", "qq_"},
		{"information_schema", "qqqqqqqqqqq_qqqqqq"},
		{"pg_catalog.pg_", "qq_qqqqqqq.qq_"},
		{"pg_toast.pg_toast_", "qq_qqqqq.qq_qqqqq_"},
		{"information_schema.", "qqqqqqqqqqq_qqqqqq."},
	};

	for (size_t i = fact == FACT_TABLE ? 2 : 0; i < COUNT_OF(own); i++) {
		uint32_t row = row_after(dfa, own[i][0]);

		if (row != UINT32_MAX && row != row_after(dfa, own[i][1]))
			return true;
	}
	return false;
}

static void
check_regex_names(struct check *c, enum fact fact, const struct expr *e)
{
	uint32_t constant;
	const struct regex *dfa = c->catalog ? check_regex(c, e, &constant) : NULL;
	const char *text = arena_str(c->arena, e->string);

	if (!dfa || has_like(c, fact, dfa) || (fact != FACT_COLUMNS && is_system_like(fact, dfa)))
		return;
	if (fact == FACT_SCHEMA)
		diag(c->q, NO_SCHEMA, e->at, text);
	else if (fact == FACT_TABLE)
		diag(c->q, NO_TABLE, e->at, text);
	else
		diag(c->q, NO_COLUMN, e->at, text);
}

static void
check_names_in(struct check *c, const struct expr *e)
{
	const struct expr *l, *r;
	int fact;

	if (!e)
		return;
	l = e->l;
	r = e->r;
	if (e->kind == X_COMPARE && l && l->kind != X_NAME) {
		l = e->r;
		r = e->l;
	}
	if (e->kind == X_IN && r && r->kind == X_NAME &&
	    fact_find(slice_str(r->name)) == FACT_COLUMNS) {
		check_name(c, FACT_COLUMNS, check_value_of(c, l), X_IN);
		return;
	}
	fact = (e->kind == X_COMPARE || e->kind == X_IN || e->kind == X_MATCHES ||
		e->kind == X_STARTS || e->kind == X_ENDS) &&
			       l && l->kind == X_NAME
		       ? fact_find(slice_str(l->name))
		       : -1;
	if (fact == FACT_TABLE || fact == FACT_SCHEMA || fact == FACT_COLUMNS) {
		r = r ? check_value_of(c, r) : NULL;
		if (r && r->kind == X_REGEX)
			check_regex_names(c, (enum fact)fact, r);
		for (const struct expr *v = r && r->kind == X_SET ? r->l : r; v;
		     v = r->kind == X_SET ? v->next : NULL)
			check_name(c, (enum fact)fact, v, e->kind);
		return;
	}
	if (e->kind != X_OR && e->kind != X_AND && e->kind != X_NOT)
		return;
	check_names_in(c, e->l);
	check_names_in(c, e->r);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* A relation of a test's statement; NULL: none of the catalog's. */
static const struct catalog_relation *
resolve(const struct check *c, const struct sql_relation *r)
{
	struct catalog_path path = {.schemas = {SLICE_LIT("public")}, .n = 1};

	return r->kind == SQL_REL_TABLE ? catalog_resolve(c->catalog, &path, r->schema, r->name)
					: NULL;
}

static void
check_use(struct check *c, const struct sql_facts *f, const struct sql_use *u, struct span at)
{
	const unsigned open = SQL_USE_STAR | SQL_USE_ROW | SQL_USE_ROW_UNLESS_COLUMN |
			      SQL_USE_OPTIONAL | SQL_USE_OUTPUT | SQL_USE_ROW_OR_COLUMN |
			      SQL_USE_AMBIGUOUS;
	const struct sql_relation *rel = NULL;

	if (u->flags & open || !u->column.n || u->nth)
		return;
	for (uint32_t i = 0; i < u->n_candidates; i++) {
		const struct catalog_relation *r;

		rel = &f->relations[f->candidates[u->candidates + i].relation];
		r = resolve(c, rel);
		if (rel->renamed || !r || column_of(c, r, u->column) ||
		    catalog_column_named(r, u->column))
			return;
	}
	/* System columns every table has. */
	if (rel && !slice_is(u->column, "ctid") && !slice_is(u->column, "xmin") &&
	    !slice_is(u->column, "tableoid") && !slice_is(u->column, "xmax"))
		must_have(c, &(struct wanted){rel->schema, rel->name, u->column}, at);
}

static void
check_statement(struct check *c, const struct test_decl *t)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	const struct sql_facts *f = sql_analyse(t->sql.v, &limits, c->arena);

	if (f->status != SQL_OK)
		return; /* that is what the test may be about */
	for (uint32_t i = 0; i < f->n_relations; i++) {
		const struct sql_relation *r = &f->relations[i];

		if (r->kind != SQL_REL_TABLE || is_system(r->schema) || resolve(c, r))
			continue;
		if (!r->schema.n && strncmp((const char *)r->name.p, "pg_", 3) == 0)
			continue;
		must_have(c,
			  &(struct wanted){
				  r->schema.n ? r->schema : SLICE_LIT("public"), r->name, {0}},
			  t->sql.at);
		return;
	}
	for (uint32_t i = 0; i < f->n_uses; i++)
		check_use(c, f, &f->uses[i], t->sql.at);
}

/* ---- masks ----------------------------------------------------------------------------------- */

static void
check_small(struct check *c, const struct checked_rule *rule, const struct data_item *item)
{
	struct slice schema = part(item->parts[0]), table = part(item->parts[1]);
	struct slice column = part(item->parts[2]);

	for (size_t i = 0; i < catalog_count(c->catalog); i++) {
		const struct catalog_relation *r = catalog_at(c->catalog, i);

		for (uint32_t k = 0;
		     k < r->n_columns && like(schema, r->schema) && like(table, r->name); k++) {
			const char *small = ddl_small(c->ddl, r->oid, r->columns[k].attnum);

			struct diag *d;

			if (!small || !like(column, r->columns[k].name))
				continue;
			d = diag(c->q, SMALL_DOMAIN, rule->ast->name.at, rule->ast->name.s,
				 SLICE_ARG(r->name), SLICE_ARG(r->columns[k].name), small);
			diag_note(c->q, d, item->at, "the column is named here");
			edits_offer_null(c->q, d, rule->ast);
			return;
		}
	}
}

static void
check_masks(struct check *c, const struct checked *out)
{
	for (size_t i = 0; i < out->n_rules; i++) {
		const struct checked_rule *rule = &out->rules[i];

		if (rule->kind != VM_MASK ||
		    (rule->mask.kernel != MASK_HASH && rule->mask.kernel != MASK_PSEUDONYM))
			continue;
		for (size_t k = 0; k < rule->mask.n_data; k++) {
			const struct data_decl *d = c->lists[LIST_DATA].decl[rule->mask.data[k]];

			for (const struct data_item *item = d->items; item; item = item->next)
				if (item->kind == DATA_COLUMN)
					check_small(c, rule, item);
		}
	}
}

void
check_catalog_names(struct check *c, struct checked *out)
{
	out->n_files = c->q->sources->n;
	for (const struct catalog_decl *k = c->p->catalogs; k; k = k->next)
		for (uint32_t i = out->n_files; i > 0; i--)
			if (strcmp(c->q->sources->files[i - 1].path, k->file) == 0)
				out->n_files = i - 1;
	if (c->catalog)
		check_classes(c);
	for (const struct let_decl *l = c->p->lets; l; l = l->next) {
		c->bare_told = false;
		check_names_in(c, l->expr);
	}
	for (const struct rule *r = c->p->rules; r; r = r->next) {
		c->bare_told = false;
		for (const struct clause *cl = r->clauses; cl; cl = cl->next)
			check_names_in(c, cl->expr);
	}
	if (!c->catalog)
		return;
	out->catalog = c->catalog;
	out->ddl = c->ddl;
	out->catalog_files = c->catalog_files;
	for (const struct test_decl *t = c->p->tests; t; t = t->next)
		if (t->sql.v.p)
			check_statement(c, t);
	check_masks(c, out);
}
