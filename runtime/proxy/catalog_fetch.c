/* SPDX-License-Identifier: MIT
 *
 * libpq takes what it is not told from the environment and the home folder. Everything that could
 * change who is asked, or how sure we are of it, is therefore told here.
 */
#include "proxy/catalog_fetch.h"

#include "base/clock.h"
#include "base/log.h"
#include "proxy/catalog_reader.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <limits.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNREACHABLE "the gateway has no connection to the target"
#define UNREADABLE "the target's catalog cannot be read"
#define DEBIAN_CA "/etc/ssl/certs/ca-certificates.crt"
/* A file that is not there: libpq then has no client certificate and no root of its own. */
#define NO_FILE "/nonexistent/weir"

enum { MAX_FIELDS = 16 };

struct fetch {
	PGconn *conn;
	int stop_fd;
	uint64_t deadline;
	const char *phase;
	struct fetch_trouble *why;
};

/* Keeps the first trouble; the detail becomes one line. */
static bool
fail(struct fetch *f, const char *text, const char *detail)
{
	struct fetch_trouble *w = f->why;
	size_t n = 0;

	if (w->text)
		return false;
	w->text = text;
	for (const char *p = detail; *p && n < sizeof(w->detail) - 1; p++) {
		bool space = (unsigned char) *p <= ' ';

		if (space && (n == 0 || w->detail[n - 1] == ' '))
			continue;
		w->detail[n++] = space ? ' ' : *p;
	}
	while (n > 0 && w->detail[n - 1] == ' ')
		n--;
	w->detail[n] = 0;
	return false;
}

/* Waits until libpq's socket is ready. False: the time is up, or the gateway stops. */
static bool
wait_socket(struct fetch *f, short events)
{
	for (;;) {
		struct pollfd fds[] = {{PQsocket(f->conn), events, 0}, {f->stop_fd, POLLIN, 0}};
		uint64_t now = clock_mono_ns();
		int ready;

		if (now >= f->deadline)
			return fail(f, f->phase, "no answer in time");
		ready = poll(fds, COUNT_OF(fds), (int) ((f->deadline - now) / NS_PER_MS) + 1);
		if (ready > 0 && fds[1].revents)
			return false;
		if (ready > 0)
			return true;
	}
}

static const char *
ssl_mode(enum tls_mode mode)
{
	static const char *const names[] = {
		[TLS_OFF] = "disable",
		[TLS_PREFER] = "prefer",
		[TLS_REQUIRE] = "require",
		[TLS_VERIFY_FULL] = "verify-full",
	};

	assert((size_t) mode < COUNT_OF(names));
	return names[mode];
}

static const char *
root_file(const struct config_target *t)
{
	const char *file = t->ca_file;

	/* With a root file at hand libpq would verify for `require` too, which is not what it
	 * says. */
	if (t->tls != TLS_VERIFY_FULL)
		return NO_FILE;
	if (!file)
		file = getenv(X509_get_default_cert_file_env());
	if (!file && access(X509_get_default_cert_file(), R_OK) == 0)
		file = X509_get_default_cert_file();
	return file ? file : DEBIAN_CA;
}

static bool
numeric_address(const struct sockaddr_storage *a, char host[INET6_ADDRSTRLEN], char port[8])
{
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *) a;

		snprintf(port, 8, "%u", ntohs(in->sin_port));
		return inet_ntop(AF_INET, &in->sin_addr, host, INET6_ADDRSTRLEN) != NULL;
	}
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *) a;

		snprintf(port, 8, "%u", ntohs(in->sin6_port));
		return inet_ntop(AF_INET6, &in->sin6_addr, host, INET6_ADDRSTRLEN) != NULL;
	}
	return false;
}

/* Rows, notices and warnings of the server are not the operator's concern. */
static void
drop_notice(void *ctx UNUSED, const PGresult *r UNUSED)
{
}

static bool
start_connection(struct fetch *f, const struct config_target *t,
		 const struct sockaddr_storage *to)
{
	char host[INET6_ADDRSTRLEN], port[8];

	if (!numeric_address(to, host, port))
		return fail(f, UNREACHABLE, "its address is not IPv4 or IPv6");

	const char *const options[][2] = {
		/* `host` is what the certificate must say, `hostaddr` where we go. */
		{"host", t->address.host},
		{"hostaddr", host},
		{"port", port},
		{"dbname", t->database},
		{"user", t->login},
		/* An empty one would be looked for in PGPASSWORD; with none set any will fail. */
		{"password", t->password && t->password[0] ? t->password : "-"},
		{"passfile", NO_FILE},
		{"sslmode", ssl_mode(t->tls)},
		{"sslrootcert", root_file(t)},
		{"sslcert", NO_FILE},
		{"sslkey", NO_FILE},
		{"sslcrl", NO_FILE},
		{"ssl_min_protocol_version", "TLSv1.2"},
		{"channel_binding", "prefer"},
		{"gssencmode", "disable"},
		{"client_encoding", "UTF8"},
		{"options", "-c default_transaction_read_only=on"},
		{"application_name", "weir-catalog"},
		{"target_session_attrs", "any"},
		{"keepalives", "1"},
	};
	const char *keys[COUNT_OF(options) + 1], *values[COUNT_OF(options) + 1];

	for (size_t i = 0; i < COUNT_OF(options); i++) {
		keys[i] = options[i][0];
		values[i] = options[i][1];
	}
	keys[COUNT_OF(options)] = values[COUNT_OF(options)] = NULL;
	/* 0: a database name is a name, never a connection string. */
	f->conn = PQconnectStartParams(keys, values, 0);
	assert(f->conn != NULL);
	PQsetErrorVerbosity(f->conn, PQERRORS_VERBOSE); /* with the SQLSTATE: it is not told else */
	PQsetNoticeReceiver(f->conn, drop_notice, NULL);
	return true;
}

/* "FATAL:  28P01: password authentication failed ...\nLOCATION:  auth_failed, auth.c:330". libpq
 * gives no SQLSTATE of a connection that did not come about, and translates the first word. */
static bool
refused(struct fetch *f)
{
	const char *said = PQerrorMessage(f->conn), *line = strstr(said, "\nLOCATION:");
	const char *state = strstr(said, ":  28");
	struct buf text = {0};

	buf_printf(&text, "%.*s", line ? (int) (line - said) : INT_MAX, said);
	buf_putc(&text, 0);
	fail(f, UNREACHABLE, (const char *) text.p);
	buf_fini(&text);
	f->why->password = state && strlen(state) > 8 && state[8] == ':' &&
			   PQconnectionUsedPassword(f->conn);
	return false;
}

static bool
connect_address(struct fetch *f, const struct config_target *t, const struct sockaddr_storage *to)
{
	PostgresPollingStatusType st = PGRES_POLLING_WRITING;

	if (!start_connection(f, t, to))
		return false;
	if (PQstatus(f->conn) == CONNECTION_BAD)
		return fail(f, UNREACHABLE, PQerrorMessage(f->conn));
	while (st != PGRES_POLLING_OK) {
		if (st == PGRES_POLLING_FAILED)
			return refused(f);
		if (!wait_socket(f, st == PGRES_POLLING_READING ? POLLIN : POLLOUT))
			return false;
		st = PQconnectPoll(f->conn);
	}
	PQsetErrorVerbosity(f->conn, PQERRORS_DEFAULT);
	return true;
}

/* Each of its addresses has the time that one has. The trouble is that of the last one. */
static bool
connect_target(struct fetch *f, const struct config_target *t)
{
	struct sockaddr_storage to;
	socklen_t len;

	for (size_t i = 0; endpoint_address(&t->address, i, &to, &len); i++) {
		PQfinish(f->conn);
		f->conn = NULL;
		f->why->text = NULL;
		f->deadline = clock_mono_ns() + CATALOG_CONNECT_SECONDS * NS_PER_S;
		if (connect_address(f, t, &to))
			return true;
		/* Who refuses the password here counts how often. */
		if (!f->why->text || f->why->password)
			return false;
	}
	return f->why->text ? false : fail(f, UNREACHABLE, "it has no address");
}

/* The next result of the query under way, NULL after the last one; *ok tells it from trouble. */
static PGresult *
next_result(struct fetch *f, bool *ok)
{
	*ok = false;
	while (PQisBusy(f->conn)) {
		if (!wait_socket(f, POLLIN))
			return NULL;
		if (!PQconsumeInput(f->conn)) {
			fail(f, UNREADABLE, PQerrorMessage(f->conn));
			return NULL;
		}
	}
	*ok = true;
	return PQgetResult(f->conn);
}

static bool
feed_row(struct fetch *f, struct catalog_build *b, enum catalog_query q, const PGresult *r)
{
	struct slice fields[MAX_FIELDS];
	int n = PQnfields(r);

	if (n != (int) catalog_queries[q].n_fields || n > MAX_FIELDS)
		return fail(f, UNREADABLE, "a catalog query has another number of columns");
	for (int i = 0; i < n; i++)
		fields[i] = PQgetisnull(r, 0, i)
				    ? (struct slice){0}
				    : slice_of(PQgetvalue(r, 0, i), (size_t) PQgetlength(r, 0, i));
	if (!catalog_build_row(b, q, fields, (unsigned) n))
		return fail(f, UNREADABLE, "a row of the catalog is not what PostgreSQL has there");
	return true;
}

static bool
take_result(struct fetch *f, struct catalog_build *b, enum catalog_query q, const PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK: /* the end of the rows */
		return true;
	case PGRES_SINGLE_TUPLE:
		return b ? feed_row(f, b, q, r) : true;
	default:
		return fail(f, UNREADABLE, PQresultErrorMessage(r));
	}
}

/* Runs a statement; rows go to b one at a time, so that memory does not grow with them. */
static bool
run(struct fetch *f, const char *sql, struct catalog_build *b, enum catalog_query q)
{
	bool ok;

	if (!PQsendQuery(f->conn, sql))
		return fail(f, UNREADABLE, PQerrorMessage(f->conn));
	PQsetSingleRowMode(f->conn);
	for (PGresult *r; (r = next_result(f, &ok)) != NULL; PQclear(r)) {
		if (take_result(f, b, q, r))
			continue;
		PQclear(r);
		return false;
	}
	return ok;
}


/* The one field of the one row that sql gives. */
static bool
ask(struct fetch *f, const char *sql, char *value, size_t n)
{
	bool ok, found = false;

	if (!PQsendQuery(f->conn, sql))
		return fail(f, UNREADABLE, PQerrorMessage(f->conn));
	for (PGresult *r; (r = next_result(f, &ok)) != NULL; PQclear(r)) {
		if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1) {
			snprintf(value, n, "%s", PQgetvalue(r, 0, 0));
			found = true;
		} else {
			fail(f, UNREADABLE, PQresultErrorMessage(r));
		}
	}
	return ok && found;
}

/* Which server this is, wherever it runs; "": the login may not know. */
static bool
ask_identity(struct fetch *f, char *id, size_t n)
{
	char may[8];

	id[0] = 0;
	return ask(f, "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', "
		      "'EXECUTE')", may, sizeof(may)) &&
	       (strcmp(may, "t") != 0 ||
		ask(f, "SELECT system_identifier FROM pg_catalog.pg_control_system()", id, n));
}

static const char *
parameter(struct fetch *f, const char *name)
{
	const char *v = PQparameterStatus(f->conn, name);

	return v ? v : "";
}

/* Statements are read as PostgreSQL reads them only under these settings:
 * strings without escapes, and identifiers whose bytes above 0x7f are not folded. A server whose
 * encoding has one byte a character folds them by its locale. */
static bool
check_server(struct fetch *f)
{
	const char *encoding = parameter(f, "server_encoding");
	char ctype[64];

	if (strcmp(parameter(f, "standard_conforming_strings"), "on") != 0)
		return fail(f, "the target starts sessions with standard_conforming_strings off",
			    "reset it for the login's role and for the database: ALTER ROLE ... RESET "
			    "standard_conforming_strings; ALTER DATABASE ... RESET ...");
	if (strcmp(encoding, "UTF8") == 0)
		return true;
	if (strcmp(encoding, "SQL_ASCII") != 0)
		return fail(f, "the target's database is in an encoding that the gateway does not read",
			    "server_encoding must be UTF8, or SQL_ASCII with LC_CTYPE C");
	if (!ask(f,
		 "SELECT d.datctype FROM pg_catalog.pg_database d "
		 "WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()",
		 ctype, sizeof(ctype)))
		return fail(f, UNREADABLE, "no row for the current database");
	if (strcmp(ctype, "C") != 0 && strcmp(ctype, "POSIX") != 0)
		return fail(f, "the target's database is in an encoding that the gateway does not read",
			    "server_encoding SQL_ASCII is read with LC_CTYPE C only");
	return true;
}

/* What views are made of. Reading it waits for locks on what they read, which another session may
 * hold for long: then the catalog does without, and views cannot be read under masks. */
static bool
read_definitions(struct fetch *f, struct catalog_build *b)
{
	bool ok, drained;

	if (!run(f, "SAVEPOINT definitions; SET LOCAL lock_timeout = '2s'", NULL, 0))
		return false;
	ok = run(f, catalog_queries[CATALOG_Q_DEFINITIONS].sql, b, CATALOG_Q_DEFINITIONS);
	for (PGresult *r; !ok && (r = next_result(f, &drained)) != NULL;)
		PQclear(r);
	if (ok || PQstatus(f->conn) != CONNECTION_OK ||
	    PQtransactionStatus(f->conn) != PQTRANS_INERROR)
		return ok;
	log_warn("views cannot be read under masks: their definitions could not be read: %s",
		 f->why->detail);
	*f->why = (struct fetch_trouble){0};
	return run(f, "ROLLBACK TO SAVEPOINT definitions", NULL, 0);
}

static struct catalog *
read_catalog(struct fetch *f)
{
	struct catalog_build *b = catalog_build_start();
	const char *error = "";
	struct catalog *c;
	char set[96], id[24];
	struct slice setting[2] = {SLICE_LIT("system_identifier")};
	bool ok;

	snprintf(set, sizeof(set), "SET LOCAL statement_timeout = %u",
		 CATALOG_READ_SECONDS * 1000u);
	ok = ask_identity(f, id, sizeof(id));
	setting[1] = slice_str(id);
	ok = ok && catalog_build_row(b, CATALOG_Q_SETTINGS, setting, 2) &&
	     run(f, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL, 0) &&
	     run(f, "SET LOCAL search_path = pg_catalog", NULL, 0) && run(f, set, NULL, 0);
	for (unsigned q = 0; ok && q < CATALOG_Q_DEFINITIONS; q++)
		ok = run(f, catalog_queries[q].sql, b, q);
	ok = ok && read_definitions(f, b);
	if (!ok || !run(f, "COMMIT", NULL, 0)) {
		catalog_build_abandon(b);
		return NULL;
	}
	c = catalog_build_finish(b, &error);
	if (!c)
		fail(f, UNREADABLE, error);
	return c;
}

void
catalog_fetch_prepare(void)
{
	static const char *const more[] = {"PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIRESSL",
					   "PGTZ",          "PGDATESTYLE",  "PGGEQO"};
	PQconninfoOption *all = PQconndefaults();

	for (const PQconninfoOption *o = all; o && o->keyword; o++)
		/* It may be what `password-env` names; a password is always given here. */
		if (o->envvar && strcmp(o->envvar, "PGPASSWORD") != 0)
			unsetenv(o->envvar);
	PQconninfoFree(all);
	for (size_t i = 0; i < COUNT_OF(more); i++)
		unsetenv(more[i]);
}

/* `weir doctor` prints the trigger. */
#define ANNOUNCES                                                                                  \
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_event_trigger"                              \
	" WHERE evtname OPERATOR(pg_catalog.=) 'weir_catalog_changed'"                             \
	" AND evtenabled OPERATOR(pg_catalog.<>) 'D'"

struct catalog *
catalog_fetch(const struct config_target *target, int stop_fd, struct fetch_trouble *why,
	      bool *announces)
{
	char triggers[24] = "0";
	struct fetch f = {
		.stop_fd = stop_fd,
		.why = why,
		.phase = UNREACHABLE,
	};
	struct catalog *c = NULL;

	*why = (struct fetch_trouble){0};
	if (connect_target(&f, target)) {
		f.deadline = clock_mono_ns() + CATALOG_READ_SECONDS * NS_PER_S;
		f.phase = UNREADABLE;
		if (check_server(&f) && ask(&f, ANNOUNCES, triggers, sizeof(triggers)))
			c = read_catalog(&f);
	}
	PQfinish(f.conn);
	if (announces)
		*announces = strcmp(triggers, "0") != 0;
	return c;
}

struct pg_conn *
catalog_ears_open(const struct config_target *target, int stop_fd)
{
	struct fetch_trouble why = {0};
	struct fetch f = {
		.stop_fd = stop_fd,
		.why = &why,
		.phase = UNREACHABLE,
	};

	if (connect_target(&f, target) && run(&f, "LISTEN weir_catalog", NULL, 0))
		return f.conn;
	PQfinish(f.conn);
	return NULL;
}

int
catalog_ears_fd(const struct pg_conn *ears)
{
	return ears ? PQsocket(ears) : -1;
}

bool
catalog_ears_heard(struct pg_conn *ears, bool *changed)
{
	bool good = PQconsumeInput(ears);

	for (PGnotify *n; (n = PQnotifies(ears)) != NULL; PQfreemem(n))
		*changed = true;
	return good;
}

void
catalog_ears_close(struct pg_conn *ears)
{
	PQfinish(ears);
}

struct pg_conn *
catalog_fetch_connect(const struct config_target *target, struct fetch_trouble *why)
{
	struct fetch f = {
		.stop_fd = -1, /* which poll overlooks */
		.why = why,
		.phase = UNREACHABLE,
	};

	*why = (struct fetch_trouble){0};
	if (connect_target(&f, target))
		return f.conn;
	PQfinish(f.conn);
	return NULL;
}
