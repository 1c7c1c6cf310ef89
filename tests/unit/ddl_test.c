/* SPDX-License-Identifier: MIT
 *
 * Schemas as text: what the snapshot has of them, what is passed over, what is refused and where.
 */
#include "sql/ddl.h"
#include "tests/unit/test.h"

static struct arena arena;
static struct ddl *ddl;
static struct catalog *catalog;

/* What is wrong, with its place; NULL: nothing. The snapshot is in `catalog`. */
static const char *
reads(const char *text)
{
	static char out[256];
	struct ddl_error err;
	const char *error;

	catalog_free(catalog);
	catalog = NULL;
	arena_fini(&arena);
	arena_init(&arena, 0);
	ddl = ddl_new(&arena);
	if (!ddl_read(ddl, slice_str(text), &err)) {
		snprintf(out, sizeof(out), "%u: %s", err.at, err.text);
		return out;
	}
	catalog = ddl_finish(ddl, &error);
	return catalog ? NULL : error;
}

/* "name:type name:type ..." of a relation; NULL: there is none. */
static const char *
columns(const char *schema, const char *name)
{
	static char out[512];
	const struct catalog_relation *r =
		catalog ? catalog_resolve(catalog, NULL, slice_str(schema), slice_str(name)) : NULL;
	size_t n = 0;

	out[0] = 0;
	for (uint32_t i = 0; r && i < r->n_columns; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%.*s:%u", i ? " " : "",
				      SLICE_ARG(r->columns[i].name), r->columns[i].base_type);
	return r ? out : "none";
}

#define HAS(schema, name, want)                                                                    \
	do {                                                                                       \
		const char *got_ = columns((schema), (name));                                      \
		if (strcmp(got_, (want)) != 0) {                                                   \
			test_failures++;                                                           \
			printf("# %d: %s is \"%s\", want \"%s\"\n", __LINE__, (name), got_,        \
			       (want));                                                            \
		}                                                                                  \
	} while (0)
#define READS(text)                                                                                \
	do {                                                                                       \
		const char *got_ = reads(text);                                                    \
		if (got_) {                                                                        \
			test_failures++;                                                           \
			printf("# %d: %s\n", __LINE__, got_);                                      \
		}                                                                                  \
	} while (0)
#define FAILS(text, want)                                                                          \
	do {                                                                                       \
		const char *got_ = reads(text);                                                    \
		if (!got_ || strncmp(got_, (want), strlen(want)) != 0) {                           \
			test_failures++;                                                           \
			printf("# %d: \"%s\", want \"%s\"\n", __LINE__, got_ ? got_ : "fine",      \
			       (want));                                                            \
		}                                                                                  \
	} while (0)

static void
tables_and_types(void)
{
	READS("create table cards (id bigserial primary key, pan text not null, n numeric(10,2)[],"
	      " c char(4), ok boolean default true, at timestamptz, constraint x check (id > 0));\n"
	      "create type app.mood as enum ('sad', 'glad');\n"
	      "create domain app.mail as varchar(80) check (value like '%@%');\n"
	      "create table app.people (like cards, m app.mood, e app.mail, \"Odd \"\"name\" "
	      "int4);");
	HAS("public", "cards", "id:20 pan:25 n:1231 c:1042 ok:16 at:1184");
	HAS("app", "people",
	    "id:20 pan:25 n:1231 c:1042 ok:16 at:1184 m:100001 e:1043 Odd \"name:23");
	HAS("app", "cards", "none");
	const struct catalog_relation *r =
		catalog_resolve(catalog, NULL, SLICE_LIT("app"), SLICE_LIT("people"));

	REQUIRE(r != NULL);
	CHECK(strcmp(ddl_small(ddl, r->oid, 4), "char(4)") == 0);
	CHECK(strcmp(ddl_small(ddl, r->oid, 5), "a boolean") == 0);
	CHECK(strcmp(ddl_small(ddl, r->oid, 7), "an enumeration") == 0);
	CHECK(!ddl_small(ddl, r->oid, 2) && !ddl_small(ddl, r->oid, 8) && !ddl_small(ddl, 1, 1));
}

static void
nothing_to_go_by(void)
{
	FAILS("", "no table or view in it");
	FAILS("create table t ();", "no table or view in it");
	FAILS("create view v as select * from elsewhere;", "no table or view in it");
}

static void
views_of_views(void)
{
	struct buf text = {0};

	/* n views, each of the one before, read n (n + 1) / 2 relations. */
	buf_puts(&text, "create table v0 (a int);");
	for (int i = 1; i <= 1413; i++)
		buf_printf(&text, "create view v%d as select * from v%d;", i, i - 1);
	for (int i = 0; i < 2; i++) {
		const char *got;

		buf_putc(&text, 0);
		got = reads((const char *) text.p);
		CHECK(i ? got && strstr(got, "through others too, is more than 1000000") : !got);
		text.n--;
		buf_puts(&text, "create view w as select * from v1413;");
	}
	buf_fini(&text);
}

static void
lengths(void)
{
	static const struct {
		const char *name;
		int typmod; /* as pg_attribute has it in PostgreSQL 15 */
	} want[] = {{"a", 44},	     {"b", 9},	     {"c", 5},	{"d", -1}, {"e", 8},
		    {"f", 1},	     {"g", 3},	     {"h", -1}, {"i", 655366}, {"j", 262148},
		    {"k", 264194},    {"l", -1},      {"m", 0},	{"n", 3},  {"o", -1},
		    {"p", 84},	     {"q", 84},	     {"r", 44},	{"s", -1}};
	const struct catalog_relation *r, *v;

	READS("create domain mail as varchar(80); create domain work_mail as mail;"
	      "create table t (a varchar(40), b char(5), c char, d bpchar, e bit(8), f bit,"
	      " g varbit(3), h varbit, i numeric(10,2), j numeric(4), k numeric(4,-2), l numeric,"
	      " m timestamp(0), n timestamptz(3), o text, p mail, q work_mail, r varchar(40)[],"
	      " s varchar(99999999));"
	      "create view v as select a, p from t; create table u (a varchar(10));"
	      "create view w as select a from t union select a from t;"
	      "create view x as select a from t join u using (a);");
	r = catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("t"));
	REQUIRE(r && r->n_columns == COUNT_OF(want));
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		CHECK_SLICE(r->columns[i].name, want[i].name);
		CHECK_INT(r->columns[i].typmod, want[i].typmod);
	}
	v = catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("v"));
	REQUIRE(v && v->n_columns == 2);
	CHECK_INT(v->columns[0].typmod, 44);
	CHECK_INT(v->columns[1].typmod, 84);
	/* The arms of a UNION and both sides of USING may differ. */
	v = catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("w"));
	REQUIRE(v && v->n_columns == 1);
	CHECK_INT(v->columns[0].typmod, -1);
	v = catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("x"));
	REQUIRE(v && v->n_columns == 1);
	CHECK_INT(v->columns[0].typmod, -1);
}

static void
children(void)
{
	READS("create table p (id int, day date) partition by range (day);"
	      "create table p1 partition of p for values from ('2026-01-01') to ('2027-01-01');"
	      "create table p2 (id int, day date); alter table only p attach partition p2 default;"
	      "create table c (more text) inherits (p2);");
	HAS("public", "p1", "id:23 day:1082");
	HAS("public", "c", "id:23 day:1082 more:25");
	const struct catalog_relation *r =
		catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("p2"));

	REQUIRE(r && r->partition);
	CHECK_SLICE(catalog_parent(catalog, r, 0)->name, "p");
}

/* "column<from ..." of all generated columns; from 0 is left out. */
static const char *
generated(void)
{
	static char out[512];
	size_t n, len = 0;
	const struct catalog_generated *g = catalog_generated(catalog, &n);

	out[0] = 0;
	for (size_t i = 0; i < n; i++)
		if (g[i].from)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%.*s.%d<%d ",
						SLICE_ARG(g[i].relation->name), g[i].attnum,
						g[i].from);
	return out;
}

static void
generated_columns(void)
{
	READS("create table t (low text generated always as (lower(\"Mail\" || t.b)) stored, \"Mail\" text,"
	      " b text, id int generated always as identity, n int not null generated always as (1) stored);"
	      "create table c (more int) inherits (t); create table l (like t);"
	      "create table g (like t including all); alter table l add x text generated always as (b) stored");
	CHECK_SLICE(slice_str(generated()), "t.1<2 t.1<3 c.1<2 c.1<3 l.6<3 g.1<2 g.1<3 ");
	const struct catalog_relation *t =
		catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("t"));

	REQUIRE(t && t->n_columns == 5);
	CHECK(t->columns[0].generated && !t->columns[1].generated && !t->columns[3].generated &&
	      t->columns[4].generated);
	/* As pg_dump writes partitions. */
	READS("create table p (id int, a text, b text generated always as (reverse(a)) stored) partition by list (id);"
	      "create table p1 (id int, a text, b text generated always as (reverse(a)) stored);"
	      "alter table only p attach partition p1 for values in (1)");
	CHECK_SLICE(slice_str(generated()), "p.3<2 p1.3<2 ");
}

static void
views(void)
{
	READS("create table t (a int, b text); create table u (b text, c uuid);"
	      "create view v as select * from t;"
	      "create or replace view w (x, y) as select b, a + 1 from v with local check option;"
	      "create view j as select * from t join u using (b);"
	      "create view s as select q.a, (select max(c) from u) as m, 'k' from (select a from "
	      "t) q;"
	      "create materialized view m as select a from t union all select 2 with no data;"
	      "create view n as with z(k) as (select c from u) select k from z;"
	      "create view f as select * from generate_series(1, 2);");
	HAS("public", "v", "a:23 b:25");
	HAS("public", "w", "x:25 y:0");
	HAS("public", "j", "b:25 a:23 c:2950");
	HAS("public", "s", "a:23 m:0 ?column?:0");
	HAS("public", "m", "a:23");
	HAS("public", "n", "k:2950");
	HAS("public", "f", "");
	const struct catalog_relation *w =
		catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("w"));
	uint32_t n;

	REQUIRE(w && w->definition && w->definition->n_relations >= 1);
	CHECK_SLICE(w->definition->relations[0].schema, "public");
	CHECK(!ddl_is_vague(ddl, w->oid));
	catalog_view_depends(catalog, w, &n);
	CHECK_INT(n, 2); /* v, and t behind it */
	CHECK(ddl_is_vague(
		ddl, catalog_resolve(catalog, NULL, SLICE_LIT("public"), SLICE_LIT("f"))->oid));
}

/* As pg_dump writes it. */
static void
a_dump(void)
{
	READS("--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = "
	      "0;\n"
	      "SELECT pg_catalog.set_config('search_path', '', false);\nSET row_security = off;\n"
	      "CREATE SCHEMA app;\nALTER SCHEMA app OWNER TO me;\n"
	      "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;\n"
	      "CREATE FUNCTION app.f(x integer) RETURNS integer LANGUAGE sql\n"
	      "    AS $_$ select 1; select 2; $_$;\n"
	      "CREATE FUNCTION app.g() RETURNS integer LANGUAGE sql BEGIN ATOMIC\n"
	      " SELECT CASE WHEN true THEN 1 ELSE 2 END; SELECT 3; END;\n"
	      "SET default_tablespace = '';\nCREATE TABLE app.t (\n    id integer NOT NULL,\n"
	      "    name character varying(20) DEFAULT 'x'::character varying\n);\n"
	      "ALTER TABLE app.t OWNER TO me;\nCOMMENT ON TABLE app.t IS 'a; b';\n"
	      "ALTER TABLE app.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (\n"
	      "    SEQUENCE NAME app.t_id_seq START WITH 1);\n"
	      "CREATE VIEW app.v AS\n SELECT t.id,\n    t.name\n   FROM app.t;\n"
	      "CREATE INDEX i ON app.t USING btree (name);ALTER INDEX app.i ATTACH PARTITION "
	      "app.j;\nGRANT SELECT ON TABLE app.t TO "
	      "PUBLIC;\n"
	      "CREATE TRIGGER g BEFORE UPDATE ON app.t FOR EACH ROW EXECUTE FUNCTION app.h();\n"
	      "\\unrestrict abc\n");
	HAS("app", "t", "id:23 name:1043");
	HAS("app", "v", "id:23 name:1043");
}

static void
refusals(void)
{
	FAILS("create table t (a int);\ncreate tabel u (b int);", "31: syntax error");
	FAILS("create table t (a int); create table t (b int);", "37: a second relation");
	FAILS("create table t (a int, a text);", "23: a second column");
	FAILS("create table t (a int); alter table t drop column a;", "36: this changes a table");
	FAILS("create table t (a int); alter table t rename a to b;", "36: this renames");
	FAILS("create table t (a int); drop table t;", "24: this drops");
	READS("drop table if exists t; create table t (a int);");
	FAILS("create table t partition of p default;", "28: relation \"p\"");
	FAILS("create table t (a int); copy t from stdin;\n1\n\\.\n", "24: rows are no part");
	FAILS("select 'open", "7: not a token");
	FAILS("select '\xff'", "8: not text in UTF-8");
	FAILS("-- only a comment", "no table or view in it has a column");
}

/* The text from the place on, up to the end of its statement. */
static struct slice
said(const char *text, const char *name, int attnum)
{
	const struct catalog_relation *r =
		catalog_resolve(catalog, NULL, SLICE_LIT("public"), slice_str(name));
	struct ddl_place place;

	if (!r || !ddl_place(ddl, r->oid, attnum, &place))
		return SLICE_LIT("nowhere");
	CHECK(place.text == 0 && place.from <= place.at);
	return slice_of(text + place.at, place.to - place.at);
}

static void
places(void)
{
	static const char text[] = "-- what there is\ncreate table p (a int);\n"
				   "create table c (b int) inherits (p); alter table c add d int;";

	READS(text);
	CHECK(slice_is(said(text, "p", 0), "p (a int);"));
	CHECK(slice_is(said(text, "p", 1), "a int);"));
	CHECK(slice_is(said(text, "c", 1), "nowhere")); /* it is p's */
	CHECK(slice_is(said(text, "c", 2), "b int) inherits (p);"));
	CHECK(slice_is(said(text, "c", 3), "d int;"));
	CHECK(slice_is(said(text, "c", 4), "nowhere"));
}

TEST_MAIN(TEST(tables_and_types), TEST(nothing_to_go_by), TEST(views_of_views), TEST(lengths),
	  TEST(children), TEST(generated_columns), TEST(views), TEST(a_dump),
	  TEST(refusals), TEST(places))
