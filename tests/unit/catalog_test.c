/* SPDX-License-Identifier: MIT
 *
 * The catalog snapshot from rows made up here: names resolve as PostgreSQL would, links hold, bad
 * rows fail the build. tests/sql/catalog_test.py does the same against a server.
 */
#include "base/arena.h"
#include "sql/catalog.h"
#include "sql/catalog_names.h"
#include "sql/shape.h"
#include "test.h"

static bool
row(struct catalog_build *b, enum catalog_query q, const char *const f[9])
{
	struct slice s[9];

	for (unsigned i = 0; i < catalog_queries[q].n_fields; i++)
		s[i] = slice_str(f[i]);
	return catalog_build_row(b, q, s, catalog_queries[q].n_fields);
}

#define ROW(b, q, ...) row((b), (q), (const char *const[9]){__VA_ARGS__})

#define DIGEST "5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c"

static struct catalog_build *
small(void)
{
	struct catalog_build *b = catalog_build_start();

	CHECK(ROW(b, CATALOG_Q_SETTINGS, "search_path", "\"$user\", public"));
	CHECK(ROW(b, CATALOG_Q_RELATIONS, "12", "public", "people", "r", "p", "f", "7"));
	CHECK(ROW(b, CATALOG_Q_RELATIONS, "11", "s", "people", "p", "p", "f", "8"));
	CHECK(ROW(b, CATALOG_Q_RELATIONS, "13", "s", "kid", "r", "p", "t", "9"));
	CHECK(ROW(b, CATALOG_Q_RELATIONS, "14", "s", "v", "v", "p", "f", "10"));
	CHECK(ROW(b, CATALOG_Q_COLUMNS, "11", "3", "ssn", "900", "f", "ssn_type", "s", "1043",
		  "44"));
	CHECK(ROW(b, CATALOG_Q_COLUMNS, "11", "1", "id", "23", "f", "int4", "pg_catalog", "23",
		  "-1"));
	CHECK(ROW(b, CATALOG_Q_COLUMNS, "11", "2", "...dropped", "0", "t", "", "", "0", "-1"));
	CHECK(ROW(b, CATALOG_Q_PARENTS, "13", "11"));
	CHECK(ROW(b, CATALOG_Q_VIEWS, "14", "11", "3"));
	CHECK(ROW(b, CATALOG_Q_GENERATED, "11", "3", "1", "s"));
	CHECK(ROW(b, CATALOG_Q_GENERATED, "11", "3", "2", "v"));
	CHECK(ROW(b, CATALOG_Q_GENERATED, "4711", "2", "1", "s")); /* temporary */
	CHECK(ROW(b, CATALOG_Q_GENERATED, "11", "4", "0", "s"));   /* of a column that came later */
	CHECK(ROW(b, CATALOG_Q_FUNCTIONS, "public", "lower", "f"));
	CHECK(ROW(b, CATALOG_Q_BODIES, "s", "net", "a text", DIGEST, "sql, volatile", "f"));
	CHECK(ROW(b, CATALOG_Q_BODIES, "public", "net", "integer", "", "internal, immutable", "a"));
	CHECK(ROW(b, CATALOG_Q_BODIES, "public", "lower", "my", DIGEST, "c, stable", "f"));
	CHECK(ROW(b, CATALOG_Q_DEFINITIONS, "14", "select people.ssn from s.people"));
	CHECK(ROW(b, CATALOG_Q_DEFINITIONS, "4711", "select 1")); /* gone meanwhile */
	return b;
}

static void
names_resolve(void)
{
	const char *error;
	struct catalog *c = catalog_build_finish(small(), &error);
	const struct catalog_relation *r;
	const struct catalog_depend *d;
	const struct catalog_generated *g;
	struct catalog_path path;
	size_t n_generated;
	struct arena a;
	uint32_t n;

	REQUIRE(c);
	arena_init(&a, 0);
	catalog_path_parse(SLICE_LIT("\"$user\", public"), SLICE_LIT("s"), &path, &a);
	r = catalog_resolve(c, &path, SLICE_LIT(""), SLICE_LIT("people"));
	REQUIRE(r);
	CHECK_INT(r->oid, 11);
	CHECK(catalog_by_oid(c, 11) == r);
	CHECK_INT(catalog_resolve(c, &path, SLICE_LIT("public"), SLICE_LIT("people"))->oid, 12);
	CHECK(!catalog_resolve(c, &path, SLICE_LIT("other"), SLICE_LIT("people")));
	CHECK(!catalog_resolve(c, &path, SLICE_LIT(""), SLICE_LIT("People")));
	CHECK(!catalog_resolve(c, NULL, SLICE_LIT(""), SLICE_LIT("people")));
	CHECK_INT(catalog_column_named(r, SLICE_LIT("ssn"))->attnum, 3);
	CHECK_INT(catalog_column(r, 3)->base_type, 1043);
	CHECK_INT(catalog_column(r, 3)->typmod, 44);
	CHECK_INT(catalog_column(r, 1)->typmod, -1);
	CHECK(!catalog_column(r, 2));
	CHECK(!catalog_column(r, 4));
	CHECK(!catalog_column(r, 0));
	CHECK(catalog_parent(c, catalog_by_oid(c, 13), 0) == r);
	CHECK(!catalog_parent(c, catalog_by_oid(c, 13), 1));
	CHECK(!catalog_by_oid(c, 11)->definition);
	REQUIRE(catalog_by_oid(c, 14)->definition);
	CHECK_INT(catalog_by_oid(c, 14)->definition->status, SQL_OK);
	CHECK_INT(catalog_by_oid(c, 14)->definition->n_stmts, 1);
	d = catalog_view_depends(c, catalog_by_oid(c, 14), &n);
	REQUIRE(n == 1);
	CHECK(d->relation == r && d->attnum == 3);
	g = catalog_generated(c, &n_generated);
	REQUIRE(n_generated == 2);
	CHECK(r->columns[2].generated && !r->columns[0].generated);
	CHECK(g[0].relation == r && g[0].attnum == 3 && g[0].from == 1 && !g[0].when_read);
	CHECK(g[1].relation == r && g[1].attnum == 3 && g[1].from == 2 && g[1].when_read);
	CHECK(catalog_shadows(c, 'f', SLICE_LIT("lower")));
	CHECK(!catalog_shadows(c, 'o', SLICE_LIT("lower")));
	CHECK(!catalog_shadows(c, 'f', SLICE_LIT("upper")));
	CHECK_SLICE(catalog_setting(c, "search_path"), "\"$user\", public");
	CHECK_SLICE(catalog_setting(c, "nothing"), "");
	arena_fini(&a);
	catalog_free(c);
}

static void
functions_are_found(void)
{
	const char *error;
	struct catalog *c = catalog_build_finish(small(), &error);
	const struct catalog_function *f;
	size_t n;

	REQUIRE(c);
	f = catalog_functions(c, &n);
	CHECK_INT(n, 3);
	CHECK_SLICE(f[0].name, "lower");
	f = catalog_functions_named(c, SLICE_LIT("net"), &n);
	REQUIRE(n == 2);
	CHECK_SLICE(f[0].schema, "public");
	CHECK(!f[0].has_digest);
	CHECK_SLICE(f[1].arguments, "a text");
	CHECK(f[1].has_digest && f[1].digest[0] == 0x5f && f[1].digest[31] == 0x1c);
	catalog_functions_named(c, SLICE_LIT("ne"), &n);
	CHECK_INT(n, 0);
	catalog_functions_named(c, SLICE_LIT("zzz"), &n);
	CHECK_INT(n, 0);
	catalog_free(c);
}

static void
search_paths_parse(void)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{"", "pg_temp,pg_catalog"},
		{"a", "pg_temp,pg_catalog,a"},
		{"\"A b\" , C", "pg_temp,pg_catalog,A b,c"},
		{"\"x\"\"y\"", "pg_temp,pg_catalog,x\"y"},
		{"a, pg_catalog", "pg_temp,a,pg_catalog"},
		{"pg_temp, \"$user\"", "pg_catalog,pg_temp,me"},
		{"public, pg_temp_3", NULL},
		{"\"open", NULL},
		{"a b", NULL},
		{"a,,b", NULL},
		{"\"\"", NULL},
	};
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct catalog_path p;
		char got[256] = "";

		catalog_path_parse(slice_str(cases[i].text), SLICE_LIT("me"), &p, &a);
		CHECK_INT(p.truncated, cases[i].want == NULL);
		for (unsigned k = 0; k < p.n && !p.truncated; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s",
				 k ? "," : "", SLICE_ARG(p.schemas[k]));
		if (cases[i].want && strcmp(got, cases[i].want) != 0) {
			printf("# %s: %s, want %s\n", cases[i].text, got, cases[i].want);
			test_failures++;
		}
	}
	arena_fini(&a);
}

static void
put_listing(struct buf *rows, const char *const (*rowsof)[8], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct slice f[8];

		for (unsigned k = 0; k < 8; k++)
			f[k] = rowsof[i][k] ? slice_str(rowsof[i][k]) : (struct slice){0};
		catalog_temporary_put(rows, f, 8);
	}
}

static const char *const listing[][8] = {
	{"90", "own", "r", "f", "1", "id", "23", "-1"},
	{"90", "own", "r", "f", "3", "note", "1043", "44"},
	{"91", "bare", "r", "t", NULL, NULL, NULL, NULL},
	{"92", "Own", "v", "f", "2", "x", NULL, "0"},
};

static const char *const people[][8] = {{"90", "people", "r", "f", "1", "a", "23", "-1"}};

static void
temporary_relations(void)
{
	struct arena a;
	const char *error;
	struct catalog *c = catalog_build_finish(small(), &error);
	struct catalog_path path, later;
	const struct catalog_relation *r;
	struct buf rows = {0};

	REQUIRE(c);
	arena_init(&a, 0);
	put_listing(&rows, listing, 4);
	catalog_path_parse(SLICE_LIT("public"), SLICE_LIT("me"), &path, &a);
	catalog_path_parse(SLICE_LIT("public, pg_temp"), SLICE_LIT("me"), &later, &a);
	CHECK(catalog_temporary_read(buf_slice(&rows), &path, &a));
	CHECK_INT(path.n_temporary, 3);
	r = catalog_resolve(c, &path, (struct slice){0}, SLICE_LIT("own"));
	REQUIRE(r);
	CHECK_INT(r->oid, 90);
	CHECK_INT(r->n_columns, 3);
	CHECK(r->columns[1].dropped && !r->columns[2].dropped && r->persistence == 't');
	CHECK_INT(catalog_column_named(r, SLICE_LIT("note"))->attnum, 3);
	CHECK_INT(catalog_column_named(r, SLICE_LIT("note"))->typmod, 44);
	CHECK_INT(catalog_column_named(r, SLICE_LIT("id"))->typmod, -1);
	CHECK_INT(r->columns[1].typmod, -1);
	r = catalog_temporary(&path, SLICE_LIT("Own"));
	CHECK_INT(r->columns[1].typmod, 0);
	CHECK(catalog_resolve(c, &path, SLICE_LIT("pg_temp"), SLICE_LIT("bare"))->inherits);
	CHECK_INT(catalog_temporary(&path, SLICE_LIT("Own"))->kind, 'v');
	CHECK(!catalog_resolve(c, &path, SLICE_LIT("public"), SLICE_LIT("own")));
	CHECK(!catalog_resolve(c, NULL, SLICE_LIT("pg_temp"), SLICE_LIT("own")));
	/* What is there for all comes first where the path says so. */
	buf_reset(&rows);
	put_listing(&rows, people, 1);
	CHECK(catalog_temporary_read(buf_slice(&rows), &path, &a));
	CHECK(catalog_temporary_read(buf_slice(&rows), &later, &a));
	CHECK_INT(catalog_resolve(c, &path, (struct slice){0}, SLICE_LIT("people"))->oid, 90);
	CHECK_INT(catalog_resolve(c, &later, (struct slice){0}, SLICE_LIT("people"))->oid, 12);
	buf_fini(&rows);
	arena_fini(&a);
	catalog_free(c);
}

static void
bad_listings_are_not_read(void)
{
	static const char *const bad[][1][8] = {
		{{"0", "own", "r", "f", "1", "id", "23", "-1"}},
		{{"99999999999", "own", "r", "f", "1", "id", "23", "-1"}},
		{{"90", "", "r", "f", "1", "id", "23", "-1"}},
		{{"90", "own", "rv", "f", "1", "id", "23", "-1"}},
		{{"90", "own", "r", NULL, "1", "id", "23", "-1"}},
		{{"90", "own", "r", "f", "1601", "id", "23", "-1"}},
		{{"90", "own", "r", "f", "-1", "id", "23", "-1"}},
		{{"90", "own", "r", "f", "1", NULL, "23", "-1"}},
	};
	struct catalog_path path = {0};
	struct buf rows = {0};
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_reset(&rows);
		put_listing(&rows, bad[i], 1);
		CHECK(!catalog_temporary_read(buf_slice(&rows), &path, &a));
		CHECK(!path.temporary && !path.n_temporary);
	}
	buf_reset(&rows);
	put_listing(&rows, listing, 2);
	put_listing(&rows, listing, 1); /* a column twice */
	CHECK(!catalog_temporary_read(buf_slice(&rows), &path, &a));
	/* Cut anywhere, or with another byte anywhere, it is read or refused, and nothing else. */
	buf_reset(&rows);
	put_listing(&rows, listing, 4);
	for (size_t n = 0; n < rows.n; n++) {
		uint8_t was = rows.p[n];

		(void)!catalog_temporary_read(slice_of(rows.p, n), &path, &a);
		rows.p[n] = 0xff;
		(void)!catalog_temporary_read(buf_slice(&rows), &path, &a);
		rows.p[n] = was;
	}
	buf_fini(&rows);
	arena_fini(&a);
}

static void
bad_rows_fail_the_build(void)
{
	static const struct {
		enum catalog_query q;
		const char *f[9];
	} rows[] = {
		{CATALOG_Q_RELATIONS, {"x", "s", "t", "r", "p", "f", "1"}},
		{CATALOG_Q_RELATIONS, {"99999999999", "s", "t", "r", "p", "f", "1"}},
		{CATALOG_Q_RELATIONS, {"-1", "s", "t", "r", "p", "f", "1"}},
		{CATALOG_Q_RELATIONS, {"11", "s", "other", "r", "p", "f", "1"}},  /* oid twice */
		{CATALOG_Q_RELATIONS, {"99", "s", "people", "r", "p", "f", "1"}}, /* name twice */
		{CATALOG_Q_COLUMNS, {"77", "1", "a", "23", "f", "", "", "23", "-1"}},
		{CATALOG_Q_COLUMNS, {"11", "0", "a", "23", "f", "", "", "23", "-1"}},
		{CATALOG_Q_COLUMNS, {"11", "70000", "a", "23", "f", "", "", "23", "-1"}},
		{CATALOG_Q_COLUMNS, {"12", "1", "a", "23", "f", "", "", "23", ""}},
		{CATALOG_Q_COLUMNS, {"12", "1", "a", "23", "f", "", "", "23", "-"}},
		{CATALOG_Q_COLUMNS, {"12", "1", "a", "23", "f", "", "", "23", "4a"}},
		{CATALOG_Q_COLUMNS, {"12", "1", "a", "23", "f", "", "", "23", "2147483648"}},
		{CATALOG_Q_COLUMNS, {"12", "1", "a", "23", "f", "", "", "23", "-2147483649"}},
		{CATALOG_Q_VIEWS, {"14", "77", "1"}},
		{CATALOG_Q_FUNCTIONS, {"public", "", "f"}},
		{CATALOG_Q_TYPES, {"x", "s", "t", "S", "f", "b", "1", "0", "0"}},
		{CATALOG_Q_TYPES, {"1", "s", "t", "", "f", "b", "1", "0", "0"}},
		{CATALOG_Q_TYPES, {"1", "s", "t", "S", "f", "b", "1", "0", "4294967296"}},
		{CATALOG_Q_CASTS, {"1", "-1", "i", "", ""}},
		{CATALOG_Q_CASTS, {"1", "2", "", "", ""}},
		{CATALOG_Q_OVERLOADS, {"f", "1", "s", "n", "23  23", "1", "0", "0"}},
		{CATALOG_Q_OVERLOADS, {"f", "1", "s", "n", "23,23", "1", "0", "0"}},
		{CATALOG_Q_OVERLOADS, {"f", "1", "s", "", "23", "1", "0", "0"}},
		{CATALOG_Q_OVERLOADS, {"f", "1", "s", "n", "23", "1", "0", "101"}},
		{CATALOG_Q_BODIES, {"public", "f", "", "5f", "", "f"}},
		{CATALOG_Q_BODIES, {"public", "f", "", "x" "f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c5f1c", "", "f"}},
	};
	const char *error;
	struct catalog *c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct catalog_build *b = small();

		(void)!row(b, rows[i].q, rows[i].f);
		error = NULL;
		c = catalog_build_finish(b, &error);
		CHECK(!c);
		CHECK(error && *error);
	}
	c = catalog_build_finish(catalog_build_start(), &error);
	CHECK(!c);
}

static void
digest_names_the_rows(void)
{
	const char *error;
	struct catalog_build *b = small();
	struct catalog *x = catalog_build_finish(small(), &error), *y;

	CHECK(ROW(b, CATALOG_Q_FUNCTIONS, "public", "upper", "f"));
	y = catalog_build_finish(b, &error);
	REQUIRE(x && y);
	CHECK(memcmp(catalog_digest(x), catalog_digest(y), 32) != 0);
	catalog_free(y);
	y = catalog_build_finish(small(), &error);
	REQUIRE(y);
	CHECK(memcmp(catalog_digest(x), catalog_digest(y), 32) == 0);
	catalog_free(x);
	catalog_free(y);
}

/* The longest row of full places: what finding a name that is not there can take. */
static size_t
longest_row(const struct catalog_names *t)
{
	size_t longest = 0, row = 0;

	for (size_t at = 0; at <= 2 * t->mask; at++) {
		row = t->slots[at & t->mask] ? row + 1 : 0;
		longest = row > longest ? row : longest;
	}
	return longest;
}

/* Whoever may create tables chooses their names. */
static void
names_do_not_meet(void)
{
	static const char *const shapes[] = {"abcdef%c%c", "sales_2024_%c%c", "%c%c", "x%cy%cz"};
	enum { N = 94 * 94 };
	struct catalog_relation *r = calloc(N, sizeof(*r));
	char(*names)[24] = calloc(N, sizeof(*names));
	struct catalog_names t;
	struct arena a;

	REQUIRE(r && names);
	sql_shape_init();
	for (size_t s = 0; s < COUNT_OF(shapes); s++) {
		arena_init(&a, 0);
		for (int i = 0; i < N; i++) {
			snprintf(names[i], sizeof(names[i]), shapes[s], '!' + i / 94, '!' + i % 94);
			r[i].schema = SLICE_LIT("app");
			r[i].name = slice_str(names[i]);
		}
		REQUIRE(catalog_names_build(&t, &a, r, N));
		CHECK(longest_row(&t) < 300);
		for (int i = 0; i < N; i++)
			CHECK(catalog_names_find(&t, r[i].schema, r[i].name) == &r[i]);
		CHECK(!catalog_names_find(&t, SLICE_LIT("app"), SLICE_LIT("nobody")));
		arena_fini(&a);
	}
	free(r);
	free(names);
}

TEST_MAIN(TEST(names_resolve), TEST(functions_are_found), TEST(search_paths_parse),
	  TEST(temporary_relations), TEST(bad_listings_are_not_read),
	  TEST(bad_rows_fail_the_build), TEST(digest_names_the_rows),
	  TEST(names_do_not_meet))
