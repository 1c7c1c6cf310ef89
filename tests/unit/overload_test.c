/* SPDX-License-Identifier: MIT
 *
 * Which of several of a name a call can mean, with types and overloads made up here, and what the
 * analyser knows of the arguments. tests/e2e/resolve_test.py compares with servers.
 */
#include "base/arena.h"
#include "sql/typing.h"
#include "test.h"

static void
put(struct catalog_build *b, enum catalog_query q, const char *const f[9])
{
	struct slice s[9];

	for (unsigned i = 0; i < catalog_queries[q].n_fields; i++)
		s[i] = slice_str(f[i]);
	CHECK(catalog_build_row(b, q, s, catalog_queries[q].n_fields));
}

#define PUT(q, ...) put(b, CATALOG_Q_##q, (const char *const[9]){__VA_ARGS__})

static struct catalog *
made(void)
{
	struct catalog_build *b = catalog_build_start();
	struct catalog *c;
	const char *error;

	PUT(SETTINGS, "search_path", "public");
	PUT(RELATIONS, "12", "public", "t", "r", "p", "f", "7");
	PUT(COLUMNS, "12", "1", "id", "23", "f", "", "", "23", "-1");
	PUT(COLUMNS, "12", "2", "m", "16400", "f", "", "", "16400", "-1");
	PUT(COLUMNS, "12", "3", "w", "16401", "f", "", "", "25", "-1");
	PUT(COLUMNS, "12", "4", "ids", "1007", "f", "", "", "1007", "-1");
	PUT(TYPES, "23", "pg_catalog", "int4", "N", "f", "b", "23", "0", "1007");
	PUT(TYPES, "20", "pg_catalog", "int8", "N", "f", "b", "20", "0", "1016");
	PUT(TYPES, "1700", "pg_catalog", "numeric", "N", "f", "b", "1700", "0", "0");
	PUT(TYPES, "701", "pg_catalog", "float8", "N", "t", "b", "701", "0", "0");
	PUT(TYPES, "25", "pg_catalog", "text", "S", "t", "b", "25", "0", "0");
	PUT(TYPES, "1043", "pg_catalog", "varchar", "S", "f", "b", "1043", "0", "0");
	PUT(TYPES, "705", "pg_catalog", "unknown", "X", "f", "p", "705", "0", "0");
	PUT(TYPES, "1007", "pg_catalog", "_int4", "A", "f", "b", "1007", "23", "0");
	PUT(TYPES, "16", "pg_catalog", "bool", "B", "t", "b", "16", "0", "1000");
	PUT(TYPES, "1000", "pg_catalog", "_bool", "A", "f", "b", "1000", "16", "0");
	PUT(TYPES, "16400", "public", "mood", "E", "f", "e", "16400", "0", "0");
	PUT(TYPES, "16401", "public", "word", "S", "f", "d", "25", "0", "0");
	PUT(TYPES, "16402", "public", "soft", "E", "f", "e", "16402", "0", "0");
	PUT(CASTS, "23", "20", "i", "", "");
	PUT(CASTS, "23", "701", "i", "", "");
	PUT(CASTS, "20", "701", "i", "", "");
	PUT(CASTS, "1700", "701", "i", "", "");
	PUT(CASTS, "1043", "25", "i", "", "");
	PUT(CASTS, "16402", "25", "i", "public", "soften");
	PUT(CASTS, "16400", "23", "e", "public", "numbered");
	PUT(CASTS, "23", "16", "e", "other", "truth");
	PUT(OVERLOADS, "f", "1", "pg_catalog", "lower", "25", "25", "0", "0");
	PUT(OVERLOADS, "f", "20001", "public", "lower", "16400", "25", "0", "0");
	PUT(OVERLOADS, "f", "2", "pg_catalog", "left", "25 23", "25", "0", "0");
	PUT(OVERLOADS, "f", "20002", "public", "left", "25 23", "25", "0", "0");
	PUT(OVERLOADS, "f", "3", "pg_catalog", "upper", "25", "25", "0", "0");
	PUT(OVERLOADS, "f", "20003", "public", "upper", "16401", "25", "16401", "0");
	PUT(OVERLOADS, "f", "4", "pg_catalog", "sqrt", "701", "701", "0", "0");
	PUT(OVERLOADS, "f", "20004", "other", "sqrt", "23 23", "23", "0", "1");
	PUT(OVERLOADS, "f", "5", "pg_catalog", "now", "", "1184", "0", "0");
	PUT(OVERLOADS, "o", "10", "pg_catalog", "+", "23 23", "23", "0", "0");
	PUT(OVERLOADS, "o", "11", "pg_catalog", "+", "20 20", "20", "0", "0");
	PUT(OVERLOADS, "o", "20010", "public", "+", "1007 23", "1007", "0", "0");
	PUT(OVERLOADS, "o", "12", "pg_catalog", "-", "25 23", "25", "0", "0");
	PUT(OVERLOADS, "o", "20012", "public", "-", "25 25", "25", "0", "0");
	c = catalog_build_finish(b, &error);
	if (!c)
		abort();
	return c;
}

/* What is declared of parameters. */
static struct {
	bool known;
	uint32_t types[2];
} declared;

/* "own" and "" as typing_own says for the calls in question, or "?" */
static const char *
meant(const struct catalog *c, const char *search_path, const char *sql)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	static char text[300];
	const struct catalog_relation *relations[10] = {0};
	struct catalog_path path;
	struct arena a;
	struct typing t = {.catalog = c,
			   .path = search_path ? &path : NULL,
			   .parameters_known = declared.known,
			   .parameters = declared.types,
			   .n_parameters = COUNT_OF(declared.types),
			   .arena = &a};
	const bool *own;
	bool any = false;

	snprintf(text, sizeof(text), "%s", sql);
	arena_init(&a, 0);
	if (search_path)
		catalog_path_parse(slice_str(search_path), SLICE_LIT("me"), &path, &a);
	t.facts = sql_analyse(slice_str(text), &limits, &a);
	if (t.facts->status != SQL_OK || t.facts->n_relations > COUNT_OF(relations))
		return "not read";
	for (uint32_t i = 0; i < t.facts->n_relations; i++)
		if (t.facts->relations[i].kind == SQL_REL_TABLE)
			relations[i] = catalog_resolve(c, NULL, SLICE_LIT("public"),
						       t.facts->relations[i].name);
	t.relations = relations;
	own = typing_own(&t);
	for (uint32_t i = 0; own && i < t.facts->n_calls; i++)
		any = any || own[i];
	arena_fini(&a);
	return !own ? "?" : any ? "own" : "";
}

static const struct {
	const char *sql, *is;
} calls[] = {
	{"select lower('x')", ""},		    /* text is what strings are taken for */
	{"select lower(m) from t", "own"},
	{"select lower(w) from t", ""},		    /* a domain is what it is over */
	{"select lower(id) from t", "own"},	    /* nothing fits: it may be a cast */
	{"select lower($1)", "own"},		    /* of any type */
	{"select lower(lower('x'))", ""},
	{"select lower(x) from (select m as x from t) s", "own"},
	{"select lower(x) from (select w as x from t) s", ""},
	{"select lower(x) from (select w from t) s(x)", "own"},
	{"with s as (select w as x from t) select lower(x) from s", ""},
	{"select lower(x) from (select w as x, * from t) s", "own"},
	{"select (select lower(w) from t x) from t", ""},
	{"select lower(m::text), lower(id::varchar) from t", ""},
	{"select lower(m::nothing) from t", "own"},
	{"select lower('x'::soft)", "own"},	    /* by a cast that somebody made */
	{"select lower(case when true then 'x' end)", ""},
	{"select lower(case when true then m end) from t", "own"},
	{"select lower(case id when 1 then w else 'x' end) from t where 1 is null", "own"}, /* = */
	{"select lower(coalesce(w, 'x')), lower(greatest('x', w)) from t", ""},
	{"select lower(coalesce(null, m)) from t", "own"},
	{"select lower(coalesce(id, m)) from t", "own"}, /* an error at the server */
	{"select lower((select w from t)), lower((select 'x'))", ""},
	{"select lower((select m from t))", "own"},
	{"select lower((select w, id from t)) from t", "own"},
	{"select lower((select w from t where m is null)) from t", ""},
	{"select lower((select 'x' union select null))", ""},
	{"select lower((select null union select m from t))", "own"},
	{"select lower((values ('x')))", "own"},
	{"select lower((select lower(m) from t))", "own"},
	{"select lower((select coalesce((select m from t), (select null))))", "own"},
	{"select upper(coalesce(w, w)) from t", "own"}, /* all of the domain: it stays that */
	{"select upper(coalesce(w, 'x')) from t", ""},
	{"select array[1, id] + 1 from t", "own"},
	{"select array[1.5, id] + 1 from t", "own"},
	{"select array(select id from t) + 1 from t", "own"},
	{"select array['x', w] + 1 from t", "own"},	/* nothing fits */
	{"select lower(a => 'x')", "own"},
	{"select lower(variadic array['x'])", "own"},
	{"select left(w, 1) from t", ""},	    /* pg_catalog comes first */
	{"select upper(w) from t", "own"},	    /* exactly that type */
	{"select upper('x'), upper('x'::text)", ""},
	{"select sqrt(1), sqrt(id) from t", ""},    /* not in the search path */
	{"select id + 1, id + 5000000000, id + id::int8 from t", ""},
	{"select ids + 1 from t", "own"},
	{"select id + 1 from t where ids is null", ""},
	{"select id + 1 + 1 + id from t", ""},
	{"select (ids + 1) + 1 from t", "own"},
	{"select '1' + id from t", ""},
	{"select w - '1' from t", "own"},	    /* beside what text is under is text */
	{"select w - 1 from t", ""},
	{"select now()", ""},
	{"select id from t where id = 1", "own"},   /* no such operator is listed: nobody knows */
};

/* How many casts may be made by what is not PostgreSQL's. */
static const struct {
	const char *sql;
	int n, n_own; /* also of a type that is not known */
} casts[] = {
	{"select m::int from t", 1, 1},
	{"select m::text, 'x'::int, id::text, w::int from t", 0, 0},
	{"select id::bool, 1::bool from t", 1, 1},
	{"select (1 + 1)::bool", 1, 1},
	{"select $1::int", 0, 1},
	{"select $1::bool", 1, 1},
	{"select ids::bool[] from t", 1, 1},
	{"select m::soft from t", 0, 0},
	{"select m::nothing from t", 1, 1},
	{"select (lower(m))::int from t", 0, 0},
};

static int
made_by_own(const struct catalog *c, const char *sql, bool own_types)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	const struct catalog_relation *relations[10] = {0};
	struct catalog_path path;
	struct arena a;
	struct typing t = {.catalog = c, .path = &path, .arena = &a, .relations = relations};
	const bool *made;
	int n = 0;

	arena_init(&a, 0);
	catalog_path_parse(SLICE_LIT("public"), SLICE_LIT("me"), &path, &a);
	t.facts = sql_analyse(slice_str(sql), &limits, &a);
	for (uint32_t i = 0; i < t.facts->n_relations && i < COUNT_OF(relations); i++)
		relations[i] = catalog_resolve(c, NULL, SLICE_LIT("public"),
					       t.facts->relations[i].name);
	made = typing_casts(&t, own_types);
	for (size_t i = 0; made && i < catalog_types(c)->n_casts; i++)
		n += made[i];
	arena_fini(&a);
	return n;
}

static void
casts_call(void)
{
	struct catalog *c = made();

	for (size_t i = 0; i < COUNT_OF(casts); i++) {
		CHECK_INT(made_by_own(c, casts[i].sql, false), casts[i].n);
		CHECK_INT(made_by_own(c, casts[i].sql, true), casts[i].n_own);
	}
	catalog_free(c);
}

static void
calls_mean(void)
{
	struct catalog *c = made();

	for (size_t i = 0; i < COUNT_OF(calls); i++)
		if (strcmp(meant(c, "public", calls[i].sql), calls[i].is) != 0) {
			printf("# %s: %s\n", calls[i].sql, meant(c, "public", calls[i].sql));
			CHECK(!"what it can mean");
		}
	CHECK_SLICE(slice_str(meant(c, "public, pg_catalog", "select left(w, 1) from t")), "own");
	CHECK_SLICE(slice_str(meant(c, NULL, "select left(w, 1) from t")), "own");
	CHECK_SLICE(slice_str(meant(c, "public, other", "select sqrt(id) from t")), "own");
	CHECK_SLICE(slice_str(meant(c, NULL, "select sqrt(id) from t")), "own");
	CHECK_SLICE(slice_str(meant(c, "public, other", "select sqrt(1.0::numeric)")), "");
	catalog_free(c);
}

static void
parameters_are_of_types(void)
{
	struct catalog *c = made();

	declared.known = true;
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($1), upper($3)")), "");
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($1), upper($1)")), "own");
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($65)")), "own");
	CHECK_SLICE(slice_str(meant(c, "public", "prepare p as select lower($1)")), "");
	CHECK_SLICE(slice_str(meant(c, "public", "prepare p(text) as select lower($1), lower($1)")),
		    "");
	CHECK_SLICE(slice_str(meant(c, "public", "prepare p(mood) as select lower($1)")), "own");
	CHECK_SLICE(slice_str(meant(c, "public", "prepare p(unknown) as select lower($1)")), "own");
	declared.types[0] = 25;
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($1), upper($1)")), "");
	CHECK_SLICE(slice_str(meant(c, "public", "prepare p as select lower($1), upper($1)")),
		    "own");
	declared.types[0] = 16400;
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($1)")), "own");
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($2)")), "");
	declared.types[0] = 705;
	CHECK_SLICE(slice_str(meant(c, "public", "select lower($1), upper($1)")), "own");
	declared.types[0] = 0;
	declared.known = false;
	catalog_free(c);
}

/* A statement of thousands of calls is not looked at, and takes no time. */
static void
too_many_calls(void)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct catalog *c = made();
	struct typing t = {.catalog = c};
	struct buf sql = {0};
	struct arena a;

	arena_init(&a, 0);
	t.arena = &a;
	buf_puts(&sql, "select 1");
	for (int i = 0; i < 3000; i++)
		buf_puts(&sql, ", 1 + 1");
	buf_putc(&sql, 0);
	t.facts = sql_analyse(slice_of(sql.p, sql.n - 1), &limits, &a);
	CHECK(t.facts->status == SQL_OK && !typing_own(&t));
	buf_fini(&sql);
	arena_fini(&a);
	catalog_free(c);
}

TEST_MAIN(TEST(calls_mean), TEST(casts_call), TEST(parameters_are_of_types),
	  TEST(too_many_calls))
