/* SPDX-License-Identifier: MIT
 *
 * A snapshot is built in two steps: rows are copied as they come, then finish() checks and sorts
 * them. Everything lives in one arena with a limit, so that a hostile catalog fails the build and
 * not the gateway. Relations are found by name in a hash table, since every statement's are, again
 * each time; all else by binary searches in sorted arrays.
 */
#include "sql/catalog.h"

#include "base/crypto.h"
#include "sql/catalog_names.h"
#include "sql/catalog_types.h"
#include "sql/functions.h"

#include <stdlib.h>

enum { FIELDS_MAX = 9, ROWS_MAX = 8000000, COLUMNS_MAX = 1600 };
static const size_t ARENA_LIMIT = (size_t)1 << 30;

struct row {
	enum catalog_query q;
	struct slice f[FIELDS_MAX];
};

struct shadow {
	char kind;
	struct slice name;
};

struct setting {
	struct slice name, value;
};

/* What refers to a relation, before it is attached to it. */
struct link {
	uint32_t from, to;
	int16_t attnum;
};

struct catalog {
	struct arena arena;
	struct catalog_relation *relations; /* by schema, name */
	uint32_t *by_oid;		    /* indices into relations, by oid */
	struct catalog_names names;
	struct catalog_types types;
	struct catalog_column *columns;
	const struct catalog_relation **parents;
	struct catalog_depend *depends;
	struct catalog_generated *generated;
	struct shadow *shadows;
	struct catalog_function *functions;
	struct setting *settings;
	uint32_t n_relations, n_columns, n_parents, n_depends, n_generated, n_shadows,
		n_functions, n_settings;
	bool keeps;
	uint8_t digest[SHA256_LEN];
};

struct catalog_build {
	struct catalog *c;
	struct row **rows;
	size_t n, cap;
	size_t count[CATALOG_QUERY_COUNT];
	const char *error;
};

struct catalog_build *
catalog_build_start(void)
{
	struct catalog_build *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->c = calloc(1, sizeof(*b->c));
	if (!b->c) {
		free(b);
		return NULL;
	}
	arena_init(&b->c->arena, ARENA_LIMIT);
	return b;
}

void
catalog_build_abandon(struct catalog_build *b)
{
	if (!b)
		return;
	catalog_free(b->c);
	free(b->rows);
	free(b);
}

void
catalog_free(struct catalog *c)
{
	if (!c)
		return;
	arena_fini(&c->arena);
	free(c);
}

static bool
fail(struct catalog_build *b, const char *why)
{
	if (!b->error)
		b->error = why;
	return false;
}

static bool
number(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.n || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t d = (uint64_t)(s.p[i] - '0');

		if (s.p[i] < '0' || s.p[i] > '9' || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return v <= max;
}

/* A type's modifier is a number with a sign. */
static bool
modifier(struct slice s, int32_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v = 0;
	bool good = number(slice_of(s.p + minus, s.n - minus), (uint64_t)INT32_MAX + minus, &v);

	*out = (int32_t)(minus ? -(int64_t)v : (int64_t)v);
	return good;
}

static uint64_t
num(struct slice s)
{
	uint64_t v = 0;

	(void)!number(s, UINT64_MAX, &v); /* checked when the row came */
	return v;
}

static bool
valid(const struct row *r)
{
	const struct slice *f = r->f;
	int32_t typmod;
	uint64_t v;

	switch (r->q) {
	case CATALOG_Q_SETTINGS:
		return f[0].n > 0;
	case CATALOG_Q_RELATIONS:
		return number(f[0], UINT32_MAX, &v) && v && f[1].n && f[2].n && f[3].n == 1 &&
		       f[4].n == 1 && f[5].n == 1 && number(f[6], UINT64_MAX, &v);
	case CATALOG_Q_COLUMNS:
		return number(f[0], UINT32_MAX, &v) && number(f[1], COLUMNS_MAX, &v) && v &&
		       f[2].n && number(f[3], UINT32_MAX, &v) && f[4].n == 1 &&
		       number(f[7], UINT32_MAX, &v) && modifier(f[8], &typmod);
	case CATALOG_Q_PARENTS:
		return number(f[0], UINT32_MAX, &v) && number(f[1], UINT32_MAX, &v);
	case CATALOG_Q_VIEWS:
		return number(f[0], UINT32_MAX, &v) && number(f[1], UINT32_MAX, &v) &&
		       (number(f[2], COLUMNS_MAX, &v) || (f[2].n && f[2].p[0] == '-'));
	case CATALOG_Q_FUNCTIONS:
		return f[0].n && f[1].n && f[2].n == 1;
	case CATALOG_Q_BUILT_IN:
		return number(f[0], UINT32_MAX, &v) && v && f[1].n;
	case CATALOG_Q_TYPES:
	case CATALOG_Q_CASTS:
	case CATALOG_Q_OVERLOADS:
		return catalog_types_valid(r->q, f);
	case CATALOG_Q_GENERATED:
		return number(f[0], UINT32_MAX, &v) && number(f[1], COLUMNS_MAX, &v) &&
		       number(f[2], COLUMNS_MAX, &v) && f[3].n == 1;
	case CATALOG_Q_BODIES:
		return f[0].n && f[1].n && (f[3].n == 0 || f[3].n == 2 * SHA256_LEN) &&
		       f[5].n == 1;
	case CATALOG_Q_CODE:
		return number(f[0], UINT32_MAX, &v) && f[1].n == 1;
	case CATALOG_Q_DEFINITIONS:
		return number(f[0], UINT32_MAX, &v) && f[1].n;
	case CATALOG_QUERY_COUNT:
		break;
	}
	return false;
}

bool
catalog_build_row(struct catalog_build *b, enum catalog_query q, const struct slice *fields,
		  unsigned n)
{
	struct row *r;
	uint8_t *text;
	size_t bytes = 0;

	if (b->error)
		return false;
	if ((unsigned)q >= CATALOG_QUERY_COUNT || n != catalog_queries[q].n_fields)
		return fail(b, "a catalog row has another number of fields than was asked for");
	/* Only what is not as the table of functions has it is kept. */
	if (q == CATALOG_Q_BUILT_IN &&
	    func_is_known(num(fields[0]), fields[1], fields[2], fields[3]))
		return true;
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 1024;
		struct row **more =
			cap <= ROWS_MAX ? realloc(b->rows, cap * sizeof(struct row *)) : NULL;

		if (!more)
			return fail(b, "the catalog has too many rows");
		b->rows = more;
		b->cap = cap;
	}
	for (unsigned i = 0; i < n; i++)
		bytes += fields[i].n;
	r = arena_try_alloc(&b->c->arena, sizeof(*r) + bytes);
	if (!r)
		return fail(b, "the catalog is too big");
	r->q = q;
	text = (uint8_t *)(r + 1);
	for (unsigned i = 0; i < n; i++) {
		r->f[i] = slice_of(text, fields[i].n);
		if (fields[i].n)
			memcpy(text, fields[i].p, fields[i].n);
		text += fields[i].n;
	}
	if (!valid(r))
		return fail(b, "a catalog row has a field that is not what it should be");
	b->rows[b->n++] = r;
	b->count[q]++;
	return true;
}

/* ---- finish ---- */

static int
row_order(const void *x, const void *y)
{
	const struct row *a = *(struct row *const *)x, *b = *(struct row *const *)y;
	int c = (a->q > b->q) - (a->q < b->q);

	for (unsigned i = 0; c == 0 && i < catalog_queries[a->q].n_fields; i++)
		c = slice_cmp(a->f[i], b->f[i]);
	return c;
}

static void
digest_rows(struct catalog_build *b)
{
	uint8_t d[SHA256_LEN] = {0};

	/* A chain of hashes over rows in order; lengths keep fields apart. */
	for (size_t i = 0; i < b->n; i++) {
		const struct row *r = b->rows[i];
		uint64_t head[FIELDS_MAX + 1] = {(uint64_t)r->q};
		struct slice parts[FIELDS_MAX + 2] = {slice_of(d, sizeof(d)),
						      slice_of(head, sizeof(head))};

		for (unsigned k = 0; k < catalog_queries[r->q].n_fields; k++) {
			head[k + 1] = r->f[k].n;
			parts[k + 2] = r->f[k];
		}
		sha256v(d, parts, catalog_queries[r->q].n_fields + 2);
	}
	memcpy(b->c->digest, d, sizeof(d));
}

static void *
array(struct catalog_build *b, size_t n, size_t size)
{
	void *p = arena_try_alloc(&b->c->arena, (n + 1) * size);

	if (!p)
		fail(b, "the catalog is too big");
	return p;
}

static int
relation_order(const void *x, const void *y)
{
	const struct catalog_relation *a = x, *b = y;
	int c = slice_cmp(a->schema, b->schema);

	return c ? c : slice_cmp(a->name, b->name);
}

static int
link_order(const void *x, const void *y)
{
	const struct link *a = x, *b = y;

	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	if (a->to != b->to)
		return a->to < b->to ? -1 : 1;
	return (a->attnum > b->attnum) - (a->attnum < b->attnum);
}

static int
shadow_order(const void *x, const void *y)
{
	const struct shadow *a = x, *b = y;

	return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : slice_cmp(a->name, b->name);
}

static int
function_order(const void *x, const void *y)
{
	const struct catalog_function *a = x, *b = y;
	int c = slice_cmp(a->name, b->name);

	if (!c)
		c = slice_cmp(a->schema, b->schema);
	return c ? c : slice_cmp(a->arguments, b->arguments);
}

static bool
function_of(struct catalog_build *b, const struct slice *f, struct catalog_function *out)
{
	struct buf digest = {0};
	bool good;

	*out = (struct catalog_function){.schema = f[0], .name = f[1], .arguments = f[2],
					 .note = f[4], .procedure = slice_is(f[5], "p")};
	if (!f[3].n)
		return true;
	good = hex_get(&digest, f[3]) && digest.n == SHA256_LEN;
	if (good)
		memcpy(out->digest, digest.p, SHA256_LEN);
	out->has_digest = good;
	buf_fini(&digest);
	return good || fail(b, "the digest of a function is not hexadecimal");
}

static int
oid_pair_order(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static struct catalog_relation *
relation_mut(struct catalog *c, uint32_t oid)
{
	return (struct catalog_relation *)catalog_by_oid(c, oid);
}

static bool
build_relations(struct catalog_build *b)
{
	struct catalog *c = b->c;
	size_t n = b->count[CATALOG_Q_RELATIONS];
	uint64_t *pairs;

	c->relations = array(b, n, sizeof(*c->relations));
	c->by_oid = array(b, n, sizeof(*c->by_oid));
	pairs = array(b, n, sizeof(*pairs));
	if (b->error)
		return false;
	for (size_t i = 0; i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;

		if (b->rows[i]->q == CATALOG_Q_RELATIONS)
			c->relations[c->n_relations++] = (struct catalog_relation){
				.oid = (uint32_t)num(f[0]),
				.schema = f[1],
				.name = f[2],
				.kind = (char)f[3].p[0],
				.persistence = (char)f[4].p[0],
				.partition = f[5].p[0] == 't',
				.version = num(f[6]),
			};
	}
	qsort(c->relations, n, sizeof(*c->relations), relation_order);
	for (uint32_t i = 0; i < n; i++)
		pairs[i] = (uint64_t)c->relations[i].oid << 32 | i;
	qsort(pairs, n, sizeof(*pairs), oid_pair_order);
	for (uint32_t i = 0; i < n; i++) {
		if (i && pairs[i] >> 32 == pairs[i - 1] >> 32)
			return fail(b, "two relations of the catalog have one OID");
		if (i && relation_order(&c->relations[i - 1], &c->relations[i]) == 0)
			return fail(b, "two relations of the catalog have one name");
		c->by_oid[i] = (uint32_t)pairs[i];
	}
	return true;
}

static bool
index_names(struct catalog_build *b)
{
	struct catalog *c = b->c;

	return catalog_names_build(&c->names, &c->arena, c->relations, c->n_relations) ||
	       fail(b, "the catalog is too big");
}

static bool
build_columns(struct catalog_build *b)
{
	struct catalog *c = b->c;
	size_t at = 0;

	/* First how many each relation has, then their places, then the columns themselves. */
	for (size_t i = 0; i < b->n; i++) {
		struct catalog_relation *r;

		if (b->rows[i]->q != CATALOG_Q_COLUMNS)
			continue;
		r = relation_mut(c, (uint32_t)num(b->rows[i]->f[0]));
		if (!r)
			return fail(b, "a column of the catalog belongs to no relation");
		if (num(b->rows[i]->f[1]) > r->n_columns)
			r->n_columns = (uint32_t)num(b->rows[i]->f[1]);
	}
	for (uint32_t i = 0; i < c->n_relations; i++)
		at += c->relations[i].n_columns;
	c->columns = array(b, at, sizeof(*c->columns));
	if (b->error)
		return false;
	for (size_t i = 0, k = 0; i < c->n_relations; i++) {
		c->relations[i].columns = c->columns + k;
		for (uint32_t a = 0; a < c->relations[i].n_columns; a++, k++)
			c->columns[k] = (struct catalog_column){.attnum = (int16_t)(a + 1),
								.dropped = true,
								.typmod = -1};
	}
	for (size_t i = 0; i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;
		struct catalog_column *col;

		if (b->rows[i]->q != CATALOG_Q_COLUMNS)
			continue;
		col = (struct catalog_column *)relation_mut(c, (uint32_t)num(f[0]))->columns +
		      num(f[1]) - 1;
		col->name = f[2];
		col->type = (uint32_t)num(f[3]);
		col->dropped = f[4].p[0] == 't';
		col->base_type = (uint32_t)num(f[7]);
		(void)!modifier(f[8], &col->typmod); /* checked when the row came */
	}
	return true;
}

static struct link *
links(struct catalog_build *b, enum catalog_query q)
{
	struct link *l = array(b, b->count[q], sizeof(*l));
	size_t n = 0;

	for (size_t i = 0; l && i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;

		if (b->rows[i]->q != q)
			continue;
		/* A system column (negative number) counts as the whole relation. */
		l[n++] = (struct link){(uint32_t)num(f[0]), (uint32_t)num(f[1]),
				       q == CATALOG_Q_VIEWS && f[2].p[0] != '-' ? (int16_t)num(f[2])
										: 0};
	}
	if (l)
		qsort(l, n, sizeof(*l), link_order);
	return l;
}

/* Links to relations that are not listed (indexes' parents, system catalogs of another kind) are
 * left out for parents; for views they cannot be judged, so they fail. */
static bool
build_links(struct catalog_build *b)
{
	struct catalog *c = b->c;
	struct link *p = links(b, CATALOG_Q_PARENTS), *v = links(b, CATALOG_Q_VIEWS);

	c->parents = array(b, b->count[CATALOG_Q_PARENTS], sizeof(struct catalog_relation *));
	c->depends = array(b, b->count[CATALOG_Q_VIEWS], sizeof(*c->depends));
	if (b->error)
		return false;
	for (size_t i = 0; i < b->count[CATALOG_Q_PARENTS]; i++) {
		struct catalog_relation *from = relation_mut(c, p[i].from);
		const struct catalog_relation *to = catalog_by_oid(c, p[i].to);

		if (!from || !to)
			continue;
		if (!from->n_parents++)
			from->first_parent = c->n_parents;
		c->parents[c->n_parents++] = to;
	}
	for (size_t i = 0; i < b->count[CATALOG_Q_VIEWS]; i++) {
		struct catalog_relation *from = relation_mut(c, v[i].from);
		const struct catalog_relation *to = catalog_by_oid(c, v[i].to);

		if (!from) /* a rule of a temporary view */
			continue;
		if (!to)
			return fail(b, "a view reads a relation that the catalog does not list");
		if (!from->n_depends++)
			from->first_depend = c->n_depends;
		c->depends[c->n_depends++] = (struct catalog_depend){to, v[i].attnum};
	}
	return true;
}

static bool
build_generated(struct catalog_build *b)
{
	struct catalog *c = b->c;

	c->generated = array(b, b->count[CATALOG_Q_GENERATED], sizeof(*c->generated));
	for (size_t i = 0; !b->error && i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;
		const struct catalog_relation *r;
		uint64_t attnum;

		if (b->rows[i]->q != CATALOG_Q_GENERATED)
			continue;
		r = catalog_by_oid(c, (uint32_t)num(f[0]));
		attnum = num(f[1]);
		if (!r || !attnum || attnum > r->n_columns) /* it is temporary */
			continue;
		c->columns[r->columns - c->columns + (ptrdiff_t)attnum - 1].generated = true;
		c->generated[c->n_generated++] = (struct catalog_generated){
			r, (int16_t)attnum, (int16_t)num(f[2]), f[3].p[0] != 's'};
	}
	return !b->error;
}

static bool
build_rest(struct catalog_build *b)
{
	struct catalog *c = b->c;

	c->shadows = array(b, b->count[CATALOG_Q_FUNCTIONS] + b->count[CATALOG_Q_BUILT_IN],
			   sizeof(*c->shadows));
	c->functions = array(b, b->count[CATALOG_Q_BODIES], sizeof(*c->functions));
	c->settings = array(b, b->count[CATALOG_Q_SETTINGS], sizeof(*c->settings));
	if (b->error)
		return false;
	for (size_t i = 0; i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;

		if (b->rows[i]->q == CATALOG_Q_FUNCTIONS)
			c->shadows[c->n_shadows++] = (struct shadow){(char)f[2].p[0], f[1]};
		else if (b->rows[i]->q == CATALOG_Q_BUILT_IN)
			c->shadows[c->n_shadows++] = (struct shadow){'x', f[1]};
		else if (b->rows[i]->q == CATALOG_Q_SETTINGS)
			c->settings[c->n_settings++] = (struct setting){f[0], f[1]};
		else if (b->rows[i]->q == CATALOG_Q_BODIES &&
			 !function_of(b, f, &c->functions[c->n_functions++]))
			return false;
	}
	qsort(c->functions, c->n_functions, sizeof(*c->functions), function_order);
	qsort(c->shadows, c->n_shadows, sizeof(*c->shadows), shadow_order);
	return true;
}

static bool
build_types(struct catalog_build *b)
{
	struct catalog_types *t = &b->c->types;
	bool good = catalog_types_room(t, &b->c->arena, b->count[CATALOG_Q_TYPES],
				       b->count[CATALOG_Q_CASTS], b->count[CATALOG_Q_OVERLOADS]);

	for (size_t i = 0; good && i < b->n; i++)
		good = catalog_types_add(t, &b->c->arena, b->rows[i]->q, b->rows[i]->f);
	if (!good)
		return fail(b, "the catalog is too big");
	catalog_types_sort(t);
	return true;
}

/* A row about what is not listed (a temporary table) says nothing. */
static bool
build_code(struct catalog_build *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;
		struct catalog_relation *r;

		if (b->rows[i]->q != CATALOG_Q_CODE)
			continue;
		b->c->keeps = b->c->keeps || f[1].p[0] == 'k';
		r = relation_mut(b->c, (uint32_t)num(f[0]));
		if (!r)
			continue;
		r->write_runs = true;
		r->read_runs = f[1].p[0] == 'r';
	}
	return true;
}

/* Views are read as statements are. What cannot be is not a reason to refuse the catalog: nobody
 * under a mask can read such a view. */
static bool
build_definitions(struct catalog_build *b)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct arena *a = &b->c->arena;

	for (size_t i = 0; i < b->n; i++) {
		const struct slice *f = b->rows[i]->f;
		struct catalog_relation *r;
		uint8_t *text;

		if (b->rows[i]->q != CATALOG_Q_DEFINITIONS)
			continue;
		r = relation_mut(b->c, (uint32_t)num(f[0]));
		text = arena_try_alloc(a, f[1].n + 1);
		if (!text)
			return fail(b, "the catalog is too big");
		memcpy(text, f[1].p, f[1].n);
		if (r)
			r->definition = sql_analyse(slice_of(text, f[1].n), &limits, a);
	}
	return true;
}

struct catalog *
catalog_build_finish(struct catalog_build *b, const char **error)
{
	struct catalog *c = b->c;

	if (!b->error && (!b->count[CATALOG_Q_SETTINGS] || !b->count[CATALOG_Q_RELATIONS] ||
			  !b->count[CATALOG_Q_COLUMNS]))
		fail(b, "the catalog is empty: its queries returned no rows");
	if (!b->error) {
		qsort(b->rows, b->n, sizeof(struct row *), row_order);
		digest_rows(b);
		(void)(build_relations(b) && build_code(b) && index_names(b) && build_columns(b) &&
		       build_links(b) && build_generated(b) && build_rest(b) && build_types(b) &&
		       build_definitions(b));
	}
	*error = b->error;
	if (b->error) {
		catalog_build_abandon(b);
		return NULL;
	}
	free(b->rows);
	free(b);
	return c;
}

const uint8_t *
catalog_digest(const struct catalog *c)
{
	return c->digest;
}

bool
catalog_keeps(const struct catalog *c)
{
	return c->keeps;
}

struct slice
catalog_setting(const struct catalog *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_settings; i++)
		if (slice_is(c->settings[i].name, name))
			return c->settings[i].value;
	return (struct slice){0};
}

static const struct catalog_relation *
find_in(const struct catalog *c, const struct catalog_path *path, struct slice schema,
	struct slice name)
{
	return slice_is(schema, "pg_temp") ? catalog_temporary(path, name)
					   : catalog_names_find(&c->names, schema, name);
}

const struct catalog_relation *
catalog_resolve(const struct catalog *c, const struct catalog_path *path, struct slice schema,
		struct slice name)
{
	if (schema.n)
		return find_in(c, path, schema, name);
	for (unsigned i = 0; path && !path->truncated && i < path->n; i++) {
		const struct catalog_relation *r = find_in(c, path, path->schemas[i], name);

		if (r)
			return r;
	}
	return NULL;
}

const struct catalog_relation *
catalog_by_oid(const struct catalog *c, uint32_t oid)
{
	uint32_t lo = 0, hi = c->n_relations;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct catalog_relation *r = &c->relations[c->by_oid[mid]];

		if (r->oid == oid)
			return r;
		if (r->oid < oid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct catalog_column *
catalog_column(const struct catalog_relation *r, int attnum)
{
	if (attnum < 1 || (uint32_t)attnum > r->n_columns || r->columns[attnum - 1].dropped)
		return NULL;
	return &r->columns[attnum - 1];
}

const struct catalog_column *
catalog_column_named(const struct catalog_relation *r, struct slice name)
{
	for (uint32_t i = 0; i < r->n_columns; i++)
		if (!r->columns[i].dropped && slice_eq(r->columns[i].name, name))
			return &r->columns[i];
	return NULL;
}

const struct catalog_relation *
catalog_parent(const struct catalog *c, const struct catalog_relation *r, uint32_t i)
{
	return i < r->n_parents ? c->parents[r->first_parent + i] : NULL;
}

const struct catalog_depend *
catalog_view_depends(const struct catalog *c, const struct catalog_relation *r, uint32_t *n)
{
	*n = r->n_depends;
	return c->depends + r->first_depend;
}

const struct catalog_generated *
catalog_generated(const struct catalog *c, size_t *n)
{
	*n = c->n_generated;
	return c->generated;
}

const struct catalog_function *
catalog_functions(const struct catalog *c, size_t *n)
{
	*n = c->n_functions;
	return c->functions;
}

const struct catalog_function *
catalog_functions_named(const struct catalog *c, struct slice name, size_t *n)
{
	size_t lo = 0, hi = c->n_functions;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (slice_cmp(c->functions[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*n = 0;
	while (lo + *n < c->n_functions && slice_eq(c->functions[lo + *n].name, name))
		++*n;
	return c->functions + lo;
}

const struct catalog_types *
catalog_types(const struct catalog *c)
{
	return &c->types;
}

bool
catalog_shadows(const struct catalog *c, char kind, struct slice name)
{
	struct shadow key = {kind, name};

	return bsearch(&key, c->shadows, c->n_shadows, sizeof(key), shadow_order) != NULL;
}

size_t
catalog_count(const struct catalog *c)
{
	return c->n_relations;
}

const struct catalog_relation *
catalog_at(const struct catalog *c, size_t i)
{
	return &c->relations[i];
}
