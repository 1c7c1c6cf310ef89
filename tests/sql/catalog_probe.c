/* SPDX-License-Identifier: MIT
 *
 * catalog_probe CONNINFO: runs the catalog's queries on a server, builds a snapshot, prints what
 * lies outside the system schemas.
 */
#include "sql/catalog.h"

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

int
main(int argc, char **argv)
{
	static const char *const settings[] = {"search_path", "standard_conforming_strings",
					       "server_encoding"};
	PGconn *conn = argc == 2 ? PQconnectdb(argv[1]) : NULL;
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
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		printf("%s = %.*s\n", settings[i], SLICE_ARG(catalog_setting(c, settings[i])));
	printf("shadows lower=%d upper=%d\n", catalog_shadows(c, 'f', SLICE_LIT("lower")),
	       catalog_shadows(c, 'f', SLICE_LIT("upper")));
	for (size_t i = 0; i < catalog_count(c); i++) {
		const struct catalog_relation *r = catalog_at(c, i);

		if (!slice_is(r->schema, "pg_catalog") &&
		    !slice_is(r->schema, "information_schema"))
			show(c, r);
	}
	catalog_free(c);
	PQfinish(conn);
	return 0;
}
