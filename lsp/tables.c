/* SPDX-License-Identifier: MIT
 *
 * Names of the policy's catalog: where the policy says one, what the catalog's text says of it, and
 * which there are.
 */
#include "lsp/lsp_internal.h"

#include "vm/match.h"

#include <stdlib.h>

enum { SHOWN_LINES = 60, SHOWN_NAMES = 20, MAX_PLACES = 100 };

static struct slice
text_at(const struct analysis *a, struct span at)
{
	return slice_of(a->sources.files[at.file].text.p + at.off, at.len);
}

/* ---- Where the policy says one ---- */

static bool
has(struct span at, const struct spot *spot)
{
	return at.file == spot->file && at.off <= spot->off && spot->off <= at.off + at.len;
}

static struct slice
part(const char *name)
{
	return name && strcmp(name, "*") != 0 ? slice_str(name) : (struct slice){0};
}

static bool
is_name_byte(uint8_t b)
{
	return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
	       b == '_' || b == '-' || b == '.' || b == '*' || b >= 0x80;
}

/* The dotted word that the place is in. */
static struct span
word_at(const struct spot *spot)
{
	struct slice text = spot->a->sources.files[spot->file].text;
	size_t from = spot->off, to = spot->off;

	while (from > 0 && is_name_byte(text.p[from - 1]))
		from--;
	while (to < text.n && is_name_byte(text.p[to]))
		to++;
	return (struct span){spot->file, (uint32_t) from, (uint32_t) (to - from)};
}

/* column crm.people.{email, phone}: a name in front of its last dot is the table's. */
static bool
in_data(const struct spot *spot, const struct data_decl *d, struct table_at *out)
{
	struct span word = word_at(spot);
	const uint8_t *text = spot->a->sources.files[spot->file].text.p + word.off;
	size_t before = spot->off - word.off, n = word.len;

	for (const struct data_item *i = d->items; i && n; i = i->next) {
		struct slice whole = slice_str(i->kind == DATA_COLUMN ? i->column : "");
		bool ends = whole.n >= n && memcmp(whole.p + whole.n - n, text, n) == 0;
		bool begins = whole.n >= n && memcmp(whole.p, text, n) == 0;

		/* `.{` takes its own dot along. */
		if (!has(i->at, spot) && !(begins && (whole.n == n || text[n - 1] == '.' ||
						      whole.p[n] == '.')))
			continue;
		if (!ends && !begins)
			continue;
		*out = (struct table_at){.at = word,
					 .schema = part(i->parts[0]),
					 .table = part(i->parts[1]),
					 .column = part(i->parts[2])};
		if (!ends || (whole.n == n && memchr(text + before, '.', n - before)))
			out->column = (struct slice){0};
		return out->table.n || out->column.n;
	}
	return false;
}

static int
fact_of(const struct expr *e)
{
	return e && e->kind == X_NAME ? fact_find(slice_str(e->name)) : -1;
}

/* The string at the place, and the fact that it is compared with (-1: none). */
static const struct expr *
string_at(const struct expr *e, const struct spot *spot, int fact, int *found)
{
	const struct expr *s = NULL;
	int l, r;

	if (!e || (e->kind == X_STRING && !has(e->at, spot)))
		return NULL;
	if (e->kind == X_STRING) {
		*found = fact;
		return e;
	}
	if (e->kind == X_SET || e->kind == X_CALL || e->kind == X_ALT) {
		for (const struct expr *i = e->kind == X_SET ? e->l : NULL; i && !s; i = i->next)
			s = string_at(i, spot, fact, found);
		return s;
	}
	l = fact_of(e->l);
	r = fact_of(e->r);
	s = string_at(e->l, spot, r, found);
	return s ? s : string_at(e->r, spot, l, found);
}

/* with table = "crm.people" */
static const struct expr *
string_of_test(const struct test_decl *t, const struct spot *spot, int *fact)
{
	const struct expr *s = NULL;

	for (const struct cell *c = t->facts; c && !s; c = c->next)
		if (c->name.s)
			s = string_at(c->value, spot, fact_find(slice_str(c->name.s)), fact);
	return s;
}

static const struct expr *
string_of_policy(const struct policy *p, const struct spot *spot, int *fact)
{
	const struct expr *s = NULL;

	for (const struct let_decl *d = p->lets; d && !s; d = d->next)
		s = string_at(d->expr, spot, -1, fact);
	for (const struct rule *r = p->rules; r && !s; r = r->next)
		for (const struct clause *c = has(r->at, spot) ? r->clauses : NULL; c && !s;
		     c = c->next)
			s = string_at(c->expr, spot, -1, fact);
	for (const struct test_decl *t = p->tests; t && !s; t = t->next)
		s = has(t->at, spot) ? string_of_test(t, spot, fact) : NULL;
	return s;
}

static bool
in_string(const struct spot *spot, struct table_at *out)
{
	int fact = -1;
	const struct expr *s = string_of_policy(spot->a->policy, spot, &fact);
	const uint8_t *dot = s && s->string.n ? memchr(s->string.p, '.', s->string.n) : NULL;

	if (!s || !s->string.n)
		return false;
	*out = (struct table_at){.at = s->at};
	if (fact == FACT_SCHEMA)
		out->schema = s->string;
	else if (fact == FACT_COLUMNS)
		out->column = s->string;
	else if (fact == FACT_TABLE && dot) {
		out->schema = slice_of(s->string.p, (size_t) (dot - s->string.p));
		out->table = slice_of(dot + 1, s->string.n - out->schema.n - 1);
	} else {
		return false;
	}
	return true;
}

bool
lsp_table_at(const struct spot *spot, struct table_at *out)
{
	const struct policy *p = spot->a->policy;

	if (!spot->a->catalog)
		return false;
	for (const struct data_decl *d = p->data; d; d = d->next)
		if (has(d->at, spot) && !has(d->name.at, spot))
			return in_data(spot, d, out);
	return in_string(spot, out);
}

/* ---- What it stands for ---- */

static bool
like(struct slice pattern, struct slice name)
{
	return !pattern.n || match_glob(pattern, name);
}

/* Calls back for each relation, or column of one, until that returns false. */
typedef bool named_fn(void *ctx, const struct catalog_relation *r, const struct catalog_column *c);

static void
each_named(const struct analysis *a, const struct table_at *t, named_fn *fn, void *ctx)
{
	for (size_t i = 0; i < catalog_count(a->catalog); i++) {
		const struct catalog_relation *r = catalog_at(a->catalog, i);

		if (!like(t->schema, r->schema) || !like(t->table, r->name))
			continue;
		if (!t->column.n && !fn(ctx, r, NULL))
			return;
		for (uint32_t k = 0; t->column.n && k < r->n_columns; k++)
			if (like(t->column, r->columns[k].name) && !fn(ctx, r, &r->columns[k]))
				return;
	}
}

struct listing {
	struct buf text;
	size_t n;
	const struct catalog_relation *r; /* the first */
	const struct catalog_column *c;
};

static bool
list_one(void *ctx, const struct catalog_relation *r, const struct catalog_column *c)
{
	struct listing *l = ctx;

	if (!l->n++) {
		l->r = r;
		l->c = c;
	}
	if (l->n > SHOWN_NAMES)
		return true;
	buf_printf(&l->text, "%s`%.*s.%.*s", l->n > 1 ? ", " : "", SLICE_ARG(r->schema),
		   SLICE_ARG(r->name));
	if (c)
		buf_printf(&l->text, ".%.*s", SLICE_ARG(c->name));
	buf_putc(&l->text, '`');
	return true;
}

static bool
place_of(const struct analysis *a, const struct catalog_relation *r, const struct catalog_column *c,
	 struct span *statement, struct span *name)
{
	return checked_place(a->checked, r->oid, c ? c->attnum : 0, statement, name) ||
	       (c && checked_place(a->checked, r->oid, 0, statement, name));
}

/* The statement, or the line of a column, as it is written. */
static void
put_written(struct buf *b, const struct analysis *a, const struct listing *l)
{
	struct span statement, name;
	struct slice text;
	unsigned lines = 0;
	size_t i = 0;

	if (!place_of(a, l->r, l->c, &statement, &name))
		return;
	text = text_at(a, l->c ? name : statement);
	buf_puts(b, "```sql\n");
	for (; i < text.n && lines < (l->c ? 1 : SHOWN_LINES); i++) {
		buf_putc(b, text.p[i]);
		lines += text.p[i] == '\n';
	}
	buf_puts(b, b->p[b->n - 1] == '\n' ? "" : "\n");
	buf_puts(b, i < text.n && !l->c ? "...\n```\n\n" : "```\n\n");
}

/* The data classes that a column is of. */
static void
put_classes(struct buf *b, const struct analysis *a, const struct listing *l)
{
	const char *sep = "\n\nData: ";

	for (const struct data_decl *d = a->policy->data; d && l->c; d = d->next)
		for (const struct data_item *i = d->items; i; i = i->next) {
			if (i->kind != DATA_COLUMN || !d->name.s ||
			    !like(part(i->parts[0]), l->r->schema) ||
			    !like(part(i->parts[1]), l->r->name) ||
			    !like(part(i->parts[2]), l->c->name))
				continue;
			buf_printf(b, "%s`%s`", sep, d->name.s);
			sep = ", ";
			break;
		}
}

static const char *
kept(struct lsp *s, struct buf *b)
{
	const char *text = arena_str(&s->scratch, buf_slice(b));

	buf_fini(b);
	return text;
}

const char *
lsp_about_table(struct lsp *s, const struct analysis *a, const struct table_at *t)
{
	struct listing l = {0};
	struct buf b = {0};

	each_named(a, t, list_one, &l);
	if (l.n == 1)
		put_written(&b, a, &l);
	if (l.n == 1)
		buf_printf(&b, "%s of the catalog: ", l.c ? "Column" : "Table");
	else if (l.n)
		buf_printf(&b, "Stands for %zu %s: ", l.n, l.c ? "columns" : "tables");
	buf_put_slice(&b, buf_slice(&l.text));
	if (l.n > SHOWN_NAMES)
		buf_puts(&b, ", ...");
	if (l.n == 1)
		put_classes(&b, a, &l);
	buf_fini(&l.text);
	if (l.n)
		return kept(s, &b);
	buf_fini(&b);
	return NULL;
}

const char *
lsp_about_columns(struct lsp *s, const struct analysis *a, const char *data)
{
	struct listing l = {0};
	const char *out = "";

	for (const struct data_decl *d = a->policy->data; d && a->catalog; d = d->next)
		for (const struct data_item *i = d->name.s && strcmp(d->name.s, data) == 0
							 ? d->items
							 : NULL;
		     i; i = i->next)
			if (i->kind == DATA_COLUMN)
				each_named(a,
					   &(struct table_at){.schema = part(i->parts[0]),
							      .table = part(i->parts[1]),
							      .column = slice_str(i->parts[2])},
					   list_one, &l);
	if (l.n)
		out = arena_printf(&s->scratch, "\n\nIn the catalog: %.*s%s",
				   SLICE_ARG(buf_slice(&l.text)),
				   l.n > SHOWN_NAMES ? ", ..." : "");
	buf_fini(&l.text);
	return out;
}

struct places {
	struct lsp *s;
	struct analysis *a;
	json_t *list;
};

static bool
add_place(void *ctx, const struct catalog_relation *r, const struct catalog_column *c)
{
	struct places *p = ctx;
	struct span statement, name;

	if (place_of(p->a, r, c, &statement, &name)) {
		name.len = 0;
		json_array_append_new(p->list, lsp_location(p->s, p->a, name));
	}
	return json_array_size(p->list) < MAX_PLACES;
}

json_t *
lsp_table_places(struct lsp *s, struct analysis *a, const struct table_at *t)
{
	struct places p = {s, a, json_array()};

	each_named(a, t, add_place, &p);
	return p.list;
}

/* ---- Which there are ---- */

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Sorted, each once. */
static const char **
finish(const char **v, size_t n)
{
	size_t kept_ = 0;

	if (n)
		qsort(v, n, sizeof(*v), compare);
	for (size_t i = 0; i < n; i++)
		if (!kept_ || strcmp(v[kept_ - 1], v[i]) != 0)
			v[kept_++] = v[i];
	v[kept_] = NULL;
	return v;
}

const char **
lsp_tables(struct lsp *s, const struct analysis *a, bool schemas)
{
	size_t n = a->catalog ? catalog_count(a->catalog) : 0;
	const char **v = ARENA_ARRAY(&s->scratch, const char *, n + 1);

	for (size_t i = 0; i < n; i++) {
		const struct catalog_relation *r = catalog_at(a->catalog, i);

		v[i] = schemas ? arena_str(&s->scratch, r->schema)
			       : arena_printf(&s->scratch, "%.*s.%.*s", SLICE_ARG(r->schema),
					      SLICE_ARG(r->name));
	}
	return finish(v, n);
}

/* `TABLE` or `SCHEMA.TABLE`; without a schema it is one of public, as in patterns. */
static bool
is_table(const struct catalog_relation *r, struct slice name)
{
	const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;
	struct slice schema = SLICE_LIT("public");

	if (dot)
		schema = slice_of(name.p, (size_t) (dot - name.p));
	if (dot)
		name = slice_of(dot + 1, name.n - schema.n - 1);
	return slice_eq(r->schema, schema) && slice_eq(r->name, name);
}

const char **
lsp_columns(struct lsp *s, const struct analysis *a, struct slice table)
{
	size_t n = 0, cap = 1;
	const char **v;

	for (size_t i = 0; a->catalog && i < catalog_count(a->catalog); i++)
		cap += catalog_at(a->catalog, i)->n_columns;
	v = ARENA_ARRAY(&s->scratch, const char *, cap);
	for (size_t i = 0; a->catalog && i < catalog_count(a->catalog); i++) {
		const struct catalog_relation *r = catalog_at(a->catalog, i);

		for (uint32_t k = 0; k < r->n_columns && (!table.n || is_table(r, table)); k++)
			v[n++] = arena_str(&s->scratch, r->columns[k].name);
	}
	return finish(v, n);
}
