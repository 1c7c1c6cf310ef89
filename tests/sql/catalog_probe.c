/* SPDX-License-Identifier: MIT
 *
 * catalog_probe CONNINFO: runs the catalog's queries on a server, builds a snapshot, prints what
 * lies outside the system schemas. catalog_probe CONNINFO calls: reads a statement a line, and
 * prints for each what its calls can mean there: f or o, whether that can be what is not
 * PostgreSQL's, OIDs.
 */
#include "sql/typing.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static bool
feed(struct catalog_build *b, PGconn *conn, enum catalog_query q)
{
	PGresult *r = PQexec(conn, catalog_queries[q].sql);
	bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

	if (!ok)
		fprintf(stderr, "query %d: %s", (int)q, PQresultErrorMessage(r));
	for (int i = 0; ok && i < PQntuples(r); i++) {
		struct slice f[9];
		int n = PQnfields(r);

		for (int k = 0; k < n && k < 9; k++)
			f[k] = slice_of(PQgetvalue(r, i, k), (size_t)PQgetlength(r, i, k));
		ok = catalog_build_row(b, q, f, (unsigned)n);
	}
	PQclear(r);
	return ok;
}

static void
show(const struct catalog *c, const struct catalog_relation *r)
{
	const struct catalog_depend *d;
	uint32_t n;

	printf("relation %.*s.%.*s %c%s\n", SLICE_ARG(r->schema), SLICE_ARG(r->name), r->kind,
	       r->partition ? " partition" : "");
	for (int i = 1; i <= (int)r->n_columns; i++) {
		const struct catalog_column *col = catalog_column(r, i);

		if (col)
			printf("  %d %.*s %u:%d%s\n", i, SLICE_ARG(col->name), col->base_type,
			       col->typmod, col->base_type != col->type ? " domain" : "");
	}
	for (uint32_t i = 0; catalog_parent(c, r, i); i++)
		printf("  parent %.*s\n", SLICE_ARG(catalog_parent(c, r, i)->name));
	d = catalog_view_depends(c, r, &n);
	for (uint32_t i = 0; i < n; i++)
		printf("  reads %.*s %d\n", SLICE_ARG(d[i].relation->name), d[i].attnum);
	if (r->definition)
		printf("  is %s\n",
		       r->definition->n_stmts == 1 && r->definition->stmts[0].kind == SQL_KIND_QUERY
			       ? "query"
			       : r->definition->sqlstate);
}

static void
show_call(void *ctx, const struct sql_apply *ap, const struct overload_choice *choice,
	  const uint32_t *oids)
{
	const struct sql_facts *f = ctx;
	const struct sql_call *call = &f->calls[ap->call];

	printf("%c %s", call->flags & SQL_CALL_OPERATOR ? 'o' : 'f',
	       choice->own ? "own" : "built-in");
	for (uint32_t i = 0; i < choice->n; i++)
		printf(" %u", oids[i]);
	printf("\n");
}

static void
show_calls(const struct catalog *c)
{
	static const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	char line[10000];

	while (fgets(line, sizeof(line), stdin)) {
		const struct catalog_relation **relations;
		struct catalog_path path;
		const struct sql_facts *f;
		struct typing t;
		struct arena a;

		arena_init(&a, 0);
		line[strcspn(line, "\n")] = 0;
		f = sql_analyse(slice_str(line), &limits, &a);
		catalog_path_parse(catalog_setting(c, "search_path"), SLICE_LIT("nobody"), &path,
				   &a);
		relations = ARENA_ARRAY(&a, const struct catalog_relation *, f->n_relations + 1);
		for (uint32_t i = 0; i < f->n_relations; i++)
			if (f->relations[i].kind == SQL_REL_TABLE)
				relations[i] = catalog_resolve(c, &path, f->relations[i].schema,
							       f->relations[i].name);
		t = (struct typing){.catalog = c,
				    .path = &path,
				    .facts = f,
				    .relations = relations,
				    .arena = &a,
				    .chosen = show_call,
				    .ctx = (void *)f};
		if (!typing_own(&t))
			printf("not looked at\n");
		printf(".\n");
		arena_fini(&a);
	}
}

int
main(int argc, char **argv)
{
	static const char *const settings[] = {"search_path", "standard_conforming_strings",
					       "server_encoding"};
	PGconn *conn = argc >= 2 ? PQconnectdb(argv[1]) : NULL;
	struct catalog_build *b = catalog_build_start();
	struct catalog *c;
	const char *error;
	bool ok = b && PQstatus(conn) == CONNECTION_OK;

	for (int q = 0; ok && q < CATALOG_QUERY_COUNT; q++)
		ok = feed(b, conn, q);
	c = b ? catalog_build_finish(b, &error) : NULL;
	if (!ok || !c) {
		fprintf(stderr, "catalog_probe: %s\n", c ? PQerrorMessage(conn) : error);
		return 1;
	}
	if (argc == 3)
		show_calls(c);
	for (size_t i = 0; argc == 2 && i < sizeof(settings) / sizeof(settings[0]); i++)
		printf("%s = %.*s\n", settings[i], SLICE_ARG(catalog_setting(c, settings[i])));
	if (argc == 2)
		printf("shadows lower=%d upper=%d\n", catalog_shadows(c, 'f', SLICE_LIT("lower")),
	       catalog_shadows(c, 'f', SLICE_LIT("upper")));
	for (size_t i = 0; argc == 2 && i < catalog_count(c); i++) {
		const struct catalog_relation *r = catalog_at(c, i);

		if (!slice_is(r->schema, "pg_catalog") &&
		    !slice_is(r->schema, "information_schema"))
			show(c, r);
	}
	catalog_free(c);
	PQfinish(conn);
	return 0;
}
