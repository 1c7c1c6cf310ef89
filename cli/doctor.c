/* SPDX-License-Identifier: MIT
 *
 * weir doctor: looks at a target with the gateway's own login for ways around the gateway. It only
 * reads; the SQL that it prints is for somebody with the rights to run it.
 */
#include "cli/doctor.h"

#include "base/log.h"
#include "cli/cli.h"
#include "cli/policy.h"
#include "compiler/config_load.h"
#include "session/approvals.h"
#include "proxy/catalog_fetch.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { N_PARAMETERS = 4, OID_ARRAY = 1028, INT2_ARRAY = 1005, TEXT_ARRAY = 1009 };

static const char help[] =
	"usage: weir doctor postgres TARGET -c FILE [--json | --sql]\n\n"
	"Connects to a target as the gateway does and reports every way around the gateway that can\n"
	"be seen with that login: its attributes and memberships, what it may create and execute,\n"
	"masked columns that it need not read, settings, extensions, pg_hba.conf. Changes nothing.\n\n"
	"  -c, --config FILE  the gateway's configuration\n"
	"  --sql              print what closes the findings as one script, to be read and then run by\n"
	"                     a superuser: weir doctor postgres orders -c weir.conf --sql >close.sql\n"
	"  --json             print the findings as JSON\n\n"
	"Exit code: 0 clean, 1 findings, 2 usage, or not everything could be looked at.\n";

struct options {
	const char *target, *config;
	bool json, sql;
};

struct run {
	struct doctor doctor;
	struct epoch *epoch;
	struct catalog_ref *catalog;
	struct doctor_policy policy;
	PGconn *conn;
};

/* What a server says is shown, not obeyed by the terminal. */
static int
trouble(const char *what, const char *detail)
{
	struct buf b = {0};

	approval_put_visible(&b, slice_str(detail), false);
	fprintf(stderr, "weir doctor: %s: %.*s\n", what, SLICE_ARG(buf_slice(&b)));
	buf_fini(&b);
	return EXIT_USAGE;
}

void
doctor_unseen(struct doctor *d, const char *what, const char *why)
{
	assert(d->n_unseen < UNSEEN_MAX);
	d->unseen[d->n_unseen++] = (struct unseen){what, why};
}

/* ---- configuration and policy ---------------------------------------------------------------- */

static bool
load_config(struct run *r, const char *path)
{
	struct arena arena;
	struct sources sources;
	struct diag_queue diags;
	bool good;

	r->epoch = epoch_new();
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&diags, &sources, &arena);
	good = config_load(path, &r->epoch->arena, &r->epoch->config, &diags);
	if (diags.n_errors + diags.n_warnings)
		diag_report(&diags);
	arena_fini(&arena);
	return good;
}

static bool
load_policy(struct run *r)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct image_error err;
	struct cli_policy p;
	bool good = cli_policy_open(&p, "doctor", r->epoch->config.policy_path) == EXIT_OK;

	if (good) {
		/* The epoch owns what it holds. */
		r->epoch->image = image_load(&r->epoch->arena, p.image->bytes, &trust, &err);
		assert(r->epoch->image != NULL);
	}
	cli_policy_close(&p);
	return good;
}

static bool
find_target(struct run *r, const char *name, size_t *index)
{
	const struct config *c = &r->epoch->config;

	for (size_t i = 0; i < c->n_targets; i++) {
		if (strcmp(c->targets[i].name, name) != 0)
			continue;
		r->doctor.target = &c->targets[i];
		*index = i;
		return true;
	}
	fprintf(stderr, "weir doctor: the configuration has no target '%s'; it has", name);
	for (size_t i = 0; i < c->n_targets; i++)
		fprintf(stderr, " %s", c->targets[i].name);
	fputc('\n', stderr);
	return false;
}

/* Without a catalog the rest can be looked at all the same, but the answer is not whole. */
static void
ask_policy(struct run *r, size_t target)
{
	struct fetch_trouble why;
	struct catalog *c = catalog_fetch(r->doctor.target, -1, &why, NULL);

	if (c) {
		r->catalog = catalog_ref_new(c);
	} else {
		struct buf b = {0};

		buf_printf(&b, "%s: ", why.text);
		approval_put_visible(&b, slice_str(why.detail), false);
		doctor_unseen(&r->doctor, "relations with masked columns",
			      arena_str(&r->doctor.arena, buf_slice(&b)));
		r->doctor.incomplete = true;
		buf_fini(&b);
	}
	doctor_policy_ask(&r->policy, r->epoch, target, r->catalog);
	if (r->policy.varies)
		doctor_unseen(&r->doctor, "grants on masked columns",
			      "masks of this policy depend on time, address, application or TLS, so "
			      "that no column is hidden for certain: compare its grants by hand");
	assert(!r->policy.unmatched.failed && !r->policy.governed.failed &&
	       !r->policy.hidden_columns.failed);
}

/* ---- questions ------------------------------------------------------------------------------- */

static bool
run_sql(struct run *r, const char *sql)
{
	PGresult *res = PQexec(r->conn, sql);
	bool good = PQresultStatus(res) == PGRES_COMMAND_OK;

	PQclear(res);
	return good;
}

/* Replaces {name} by the row's column of that name. */
static struct slice
fill(struct run *r, const char *template, const PGresult *res, int row)
{
	struct buf out = {0};
	struct slice sql;
	const char *end;

	for (const char *p = template; *p; p++) {
		char name[32];
		int column;

		if (*p != '{') {
			buf_putc(&out, (uint8_t) *p);
			continue;
		}
		end = strchr(p, '}');
		assert(end != NULL && (size_t) (end - p) < sizeof(name));
		snprintf(name, sizeof(name), "%.*s", (int) (end - p - 1), p + 1);
		column = PQfnumber(res, name);
		assert(column > 0);
		buf_puts(&out, PQgetvalue(res, row, column));
		p = end;
	}
	assert(!out.failed);
	sql = arena_copy(&r->doctor.arena, buf_slice(&out));
	buf_fini(&out);
	return sql;
}

static void
add(struct run *r, enum finding_id id, const PGresult *res, int row)
{
	struct doctor *d = &r->doctor;

	if (d->n == d->cap) {
		struct finding *old = d->findings;

		d->cap = d->cap ? d->cap * 2 : 32;
		d->findings = ARENA_ARRAY(&d->arena, struct finding, d->cap);
		if (d->n)
			memcpy(d->findings, old, d->n * sizeof(*old));
	}
	d->findings[d->n++] = (struct finding){
		id, arena_copy(&d->arena, slice_str(PQgetvalue(res, row, 0))),
		fill(r, finding_info[id].sql, res, row)};
}

static PGresult *
query(struct run *r, const char *sql)
{
	static const Oid types[N_PARAMETERS] = {OID_ARRAY, OID_ARRAY, INT2_ARRAY, TEXT_ARRAY};
	const char *const values[N_PARAMETERS] = {
		arena_str(&r->doctor.arena, buf_slice(&r->policy.governed)),
		arena_str(&r->doctor.arena, buf_slice(&r->policy.hidden_tables)),
		arena_str(&r->doctor.arena, buf_slice(&r->policy.hidden_columns)),
		arena_str(&r->doctor.arena, buf_slice(&r->policy.unmatched))};

	return PQexecParams(r->conn, sql, N_PARAMETERS, types, values, NULL, NULL, 0);
}

static bool
ask(struct run *r, enum finding_id id)
{
	PGresult *res = query(r, doctor_queries[id]);
	bool good = PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!good)
		trouble(finding_info[id].code, PQresultErrorMessage(res));
	for (int i = 0; good && i < PQntuples(res); i++)
		add(r, id, res, i);
	PQclear(res);
	return good;
}

static bool
hba_is_readable(struct run *r)
{
	PGresult *res = PQexec(r->conn, doctor_hba_query);
	bool yes = PQresultStatus(res) == PGRES_TUPLES_OK && *PQgetvalue(res, 0, 0) == 't';

	PQclear(res);
	return yes;
}

static bool
ask_everything(struct run *r)
{
	const char *version = PQparameterStatus(r->conn, "server_version");
	bool hba;

	r->doctor.server = arena_copy(&r->doctor.arena, slice_str(version ? version : "?"));
	/* The settings of the role may be bad: they are what is looked for. */
	if (!run_sql(r, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") ||
	    !run_sql(r, "SET LOCAL search_path = pg_catalog, pg_temp") ||
	    !run_sql(r, "SET LOCAL standard_conforming_strings = on") ||
	    !run_sql(r, "SET LOCAL ROLE NONE") ||
	    !run_sql(r, "SET LOCAL statement_timeout = '30s'")) {
		trouble("the target takes no questions", PQerrorMessage(r->conn));
		return false;
	}
	hba = hba_is_readable(r);
	if (!hba)
		doctor_unseen(&r->doctor, "pg_hba.conf",
			      "the login may not read pg_hba_file_rules, which is as it should be: "
			      "ask the DBA whether it lets anybody but the gateway's address in, "
			      "since who connects directly meets no policy");
	for (enum finding_id id = 0; id < FINDING_COUNT; id++) {
		if (!hba && (id == FINDING_HBA_TRUST || id == FINDING_HBA_AROUND))
			continue;
		if (!ask(r, id))
			return false;
	}
	return true;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int
unreachable(const struct fetch_trouble *why, const struct options *o)
{
	int code = trouble(why->text, why->detail);

	fprintf(stderr, "  look at `address`, `login` and `tls` of the target %s in %s\n", o->target,
		o->config);
	return code;
}

static int
examine(struct run *r, const struct options *o)
{
	struct fetch_trouble why;
	struct buf out = {0};
	size_t index;

	if (!load_config(r, o->config) || !find_target(r, o->target, &index) || !load_policy(r))
		return EXIT_USAGE;
	catalog_fetch_prepare();
	r->conn = catalog_fetch_connect(r->doctor.target, &why);
	if (!r->conn)
		return unreachable(&why, o);
	ask_policy(r, index);
	if (!ask_everything(r))
		return EXIT_USAGE;
	(o->json  ? doctor_print_json
	 : o->sql ? doctor_print_sql
		  : doctor_print_text)(&r->doctor, &out);
	cli_print(&out);
	buf_fini(&out);
	return r->doctor.n ? EXIT_NEGATIVE : r->doctor.incomplete ? EXIT_USAGE : EXIT_OK;
}

static int
read_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
					      {"json", no_argument, NULL, 'j'},
					      {"sql", no_argument, NULL, 's'},
					      {0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:", longs, NULL)) != -1)
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 's':
			o->sql = true;
			break;
		default:
			return cli_usage_error("doctor", "no option '%s', or its value is missing",
					       argv[optind - 1]);
		}
	if (argc - optind < 1 || strcmp(argv[optind], "postgres") != 0)
		return cli_usage_error("doctor", "what kind of target? `postgres`");
	if (argc - optind != 2)
		return cli_usage_error("doctor", "which target? one name of the configuration");
	if (!o->config)
		return cli_usage_error("doctor", "which configuration? -c FILE");
	if (o->json && o->sql)
		return cli_usage_error("doctor", "--json or --sql, not both");
	o->target = argv[optind + 1];
	return EXIT_OK;
}

int
cmd_doctor(int argc, char **argv)
{
	struct options o = {0};
	struct run r = {0};
	int code;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return fputs(help, stdout), EXIT_OK;
	code = read_options(argc, argv, &o);
	if (code != EXIT_OK)
		return code;
	log_min_level = LOG_ERROR;
	arena_init(&r.doctor.arena, 0);
	code = examine(&r, &o);
	PQfinish(r.conn);
	catalog_ref_put(r.catalog);
	epoch_unref(r.epoch);
	buf_fini(&r.policy.governed);
	buf_fini(&r.policy.hidden_tables);
	buf_fini(&r.policy.hidden_columns);
	buf_fini(&r.policy.unmatched);
	arena_fini(&r.doctor.arena);
	return code;
}
