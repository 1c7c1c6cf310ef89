/* SPDX-License-Identifier: MIT
 *
 * What libpq can do, printed: client CONNINFO. Run directly and through the gateway, the output
 * must be the same.
 */
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *c;

static void
notice(void *ctx, const char *message)
{
	(void) ctx;
	printf("notice: %s", message);
}

static void
show(PGresult *r)
{
	printf("%s", PQresStatus(PQresultStatus(r)));
	if (*PQcmdStatus(r))
		printf(" %s", PQcmdStatus(r));
	for (int i = 0; i < PQntuples(r); i++)
		for (int k = 0; k < PQnfields(r); k++) {
			printf("%s%s=", k ? "," : " ", PQfname(r, k));
			if (PQgetisnull(r, i, k))
				printf("NULL");
			else if (PQfformat(r, k) == 0)
				printf("%s", PQgetvalue(r, i, k));
			else
				for (int b = 0; b < PQgetlength(r, i, k); b++)
					printf("%02x", (unsigned char) PQgetvalue(r, i, k)[b]);
		}
	if (PQresultStatus(r) == PGRES_FATAL_ERROR)
		printf(" %s %s", PQresultErrorField(r, PG_DIAG_SQLSTATE),
		       PQresultVerboseErrorMessage(r, PQERRORS_VERBOSE, PQSHOW_CONTEXT_ALWAYS));
	printf("\n");
	PQclear(r);
}

static void
run(const char *sql)
{
	show(PQexec(c, sql));
}

/* Every result of what was sent. */
static void
drain(void)
{
	for (PGresult *r; (r = PQgetResult(c)) != NULL;)
		show(r);
}

static void
simple(void)
{
	run("select 1 as a, 'text' as b, null as c, '\\x0102'::bytea as d, array[1, 2] as e");
	run("select 1; select 2; select 1 / 0; select 3");
	run("");
	run(";;");
	run("do $$ begin raise notice 'hello %', 1; raise warning 'careful'; end $$");
	run("selec 1");
	run("begin; insert into t values (1, 'x'); select 1 / 0; commit");
	run("rollback");
	PQsendQuery(c, "select 1 as a; insert into t values (2, 'two') returning b; select 'end'");
	drain();
}

static void
extended(void)
{
	const char *values[] = {"42", "a'b\\c\xc3\xa4"}, *one[] = {"7"};
	int formats[] = {0, 0};

	show(PQexecParams(c, "select $1::int + 1 as n, $2::text as t, null::text", 2, NULL, values,
			  NULL, formats, 0));
	show(PQexecParams(c, "select $1::int + 1 as n, $2::text as t, 1.5::numeric, now() > 'epoch'", 2,
			  NULL, values, NULL, formats, 1));
	show(PQprepare(c, "q", "select a, b from t where a < $1 order by a", 0, NULL));
	show(PQdescribePrepared(c, "q"));
	for (int i = 0; i < 7; i++)
		show(PQexecPrepared(c, "q", 1, one, NULL, NULL, i & 1));
	run("begin");
	run("declare k cursor for select g from generate_series(1, 5) g");
	show(PQdescribePortal(c, "k"));
	run("fetch 2 from k");
	run("move 1 in k");
	run("fetch all from k");
	run("commit");
	show(PQexecParams(c, "select 1 / $1::int", 1, NULL, (const char *[]){"0"}, NULL, NULL, 0));
	run("deallocate q");
}

static void
pipeline(void)
{
	char text[20];
	const char *values[] = {text};
	int n = 0, syncs = 0;

	PQenterPipelineMode(c);
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "%d", i % 10 == 9 ? 0 : i + 1);
		PQsendQueryParams(c, "select 100 / $1::int as q", 1, NULL, values, NULL, NULL, 0);
		if (i % 10 == 4)
			PQsendFlushRequest(c);
		if (i % 20 == 19)
			PQpipelineSync(c);
	}
	PQpipelineSync(c);
	PQsendPrepare(c, "p", "select $1::text || 'x' as p", 0, NULL);
	PQsendDescribePrepared(c, "p");
	PQsendQueryPrepared(c, "p", 1, values, NULL, NULL, 0);
	PQpipelineSync(c);
	while (syncs < 4 && n < 1000) {
		PGresult *r = PQgetResult(c);

		n++;
		if (!r)
			continue;
		syncs += PQresultStatus(r) == PGRES_PIPELINE_SYNC;
		show(r);
	}
	printf("%d\n", PQexitPipelineMode(c));
}

static void
single_rows(void)
{
	PQsendQuery(c, "select g, repeat('x', g % 50) from generate_series(1, 300) g");
	PQsetSingleRowMode(c);
	drain();
	PQsendQuery(c, "select 1 / (3 - g) from generate_series(1, 5) g");
	PQsetSingleRowMode(c);
	drain();
}

static void
copy(void)
{
	static char big[200000];
	char *line;
	int n;
	size_t bytes = 0;

	memset(big, 'z', sizeof(big) - 1);
	big[sizeof(big) - 2] = '\n';
	memcpy(big, "900\t", 4);
	run("copy t from stdin");
	for (int i = 100; i < 160; i++) {
		char row[40];

		n = snprintf(row, sizeof(row), "%d\trow %d\n", i, i);
		PQputCopyData(c, row, n / 2);
		PQputCopyData(c, row + n / 2, n - n / 2);
	}
	PQputCopyData(c, big, (int) sizeof(big) - 1);
	PQputCopyEnd(c, NULL);
	drain();
	run("copy t from stdin");
	PQputCopyData(c, "1000\tgone\n", 10);
	PQputCopyEnd(c, "the client thought better of it");
	drain();
	run("copy t from stdin");
	PQputCopyData(c, "not a number\n", 13);
	PQputCopyEnd(c, NULL);
	drain();
	run("copy (select a, length(b) from t where a >= 100 order by a) to stdout");
	while ((n = PQgetCopyData(c, &line, 0)) > 0) {
		printf("%.*s", n, line);
		PQfreemem(line);
	}
	drain();
	run("copy (select * from t order by a) to stdout (format binary)");
	while ((n = PQgetCopyData(c, &line, 0)) > 0) {
		bytes += (size_t) n;
		PQfreemem(line);
	}
	printf("%zu bytes\n", bytes);
	drain();
	show(PQexecParams(c, "copy t to stdout", 0, NULL, NULL, NULL, NULL, 0));
	while ((n = PQgetCopyData(c, &line, 0)) > 0)
		PQfreemem(line);
	drain();
}

static void
cancel(void)
{
	PGcancel *k = PQgetCancel(c);
	char why[256] = "";

	PQsendQuery(c, "select pg_sleep(20)");
	poll(NULL, 0, 200);
	printf("cancel %d %s\n", PQcancel(k, why, sizeof(why)), why);
	drain();
	PQfreeCancel(k);
	run("select 'after the cancel'");
}

static void
notify(void)
{
	PGnotify *got;

	run("listen news");
	run("notify news, 'payload'");
	run("select pg_notify('news', 'by function')");
	while ((got = PQnotifies(c)) != NULL) {
		printf("notified %s %s %d\n", got->relname, got->extra,
		       got->be_pid == PQbackendPID(c));
		PQfreemem(got);
	}
	run("unlisten *");
}

static void
large_objects(void)
{
	char back[40] = "";
	Oid oid;
	int fd;

	run("begin");
	oid = lo_create(c, 4711);
	fd = lo_open(c, oid, INV_READ | INV_WRITE);
	printf("%u %d %d\n", oid, fd, lo_write(c, fd, "in the large", 12));
	printf("%d %d", lo_lseek(c, fd, 3, SEEK_SET), lo_read(c, fd, back, sizeof(back) - 1));
	printf(" %s %d\n", back, lo_close(c, fd));
	run("commit");
	printf("%d %d\n", lo_unlink(c, oid), lo_unlink(c, 4712));
	printf("%s", PQerrorMessage(c));
}

int
main(int argc, char **argv)
{
	c = PQconnectdb(argc > 1 ? argv[1] : "");
	if (PQstatus(c) != CONNECTION_OK) {
		printf("%s", PQerrorMessage(c));
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	PQsetNoticeProcessor(c, notice, NULL);
	for (const char *const *p = (const char *const[]){"client_encoding", "server_encoding",
							 "DateStyle", "is_superuser",
							 "integer_datetimes", "TimeZone",
							 "standard_conforming_strings", NULL};
	     *p; p++)
		printf("%s=%s\n", *p, PQparameterStatus(c, *p));
	/* `pool transaction`: nothing that is the connection's own. */
	run(getenv("CLIENTS_SHARED") ? "create table t (a int, b text)"
				     : "create temp table t (a int, b text)");
	simple();
	extended();
	pipeline();
	single_rows();
	copy();
	cancel();
	if (!getenv("CLIENTS_SHARED"))
		notify();
	large_objects();
	PQfinish(c);
	return 0;
}
