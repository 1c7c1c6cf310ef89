/* SPDX-License-Identifier: MIT
 *
 * Golden facts: tests/sql/NAME.txt holds blocks of `-- what it shows`, a statement after `> `, and
 * the facts expected. UPDATE=1 rewrites the files; read the diff. Then: every statement node of the
 * library is known, and threads may parse at the same time.
 */
#include "base/buf.h"
#include "sql/sql.h"
#include "test.h"

#include <dirent.h>
#include <pthread.h>

#include "sql/analyse.h"

static struct arena arena;

static struct slice
facts_of(struct slice text, struct buf *out)
{
	struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct slice z = slice_of(arena_str(&arena, text), text.n);

	buf_reset(out);
	sql_facts_print(out, sql_analyse(z, &limits, &arena));
	return buf_slice(out);
}

static bool
next_line(struct slice *rest, struct slice *line)
{
	const uint8_t *nl;

	if (!rest->n)
		return false;
	nl = memchr(rest->p, '\n', rest->n);
	line->p = rest->p;
	line->n = nl ? (size_t)(nl - rest->p) : rest->n;
	rest->p += line->n + (nl != NULL);
	rest->n -= line->n + (nl != NULL);
	return true;
}

/* Rebuilds a golden file with the facts we get now. */
static int
rebuild(struct slice in, struct buf *out)
{
	struct buf facts = {0};
	struct slice line;
	int n = 0;

	while (next_line(&in, &line)) {
		bool is_sql = line.n >= 2 && line.p[0] == '>' && line.p[1] == ' ';

		if (!is_sql && line.n && line.p[0] != '-')
			continue; /* facts of the file */
		buf_put_slice(out, line);
		buf_putc(out, '\n');
		if (is_sql) {
			buf_put_slice(out, facts_of(slice_of(line.p + 2, line.n - 2), &facts));
			arena_reset(&arena);
			n++;
		}
	}
	buf_fini(&facts);
	return n;
}

static void
show_difference(const char *name, struct slice want, struct slice got)
{
	struct slice a, b;
	int line = 1;

	while (next_line(&want, &a) && next_line(&got, &b)) {
		if (!slice_eq(a, b)) {
			printf("# %s:%d: want: %.*s\n", name, line, SLICE_ARG(a));
			printf("# %s:%d: got:  %.*s\n", name, line, SLICE_ARG(b));
			return;
		}
		line++;
	}
	printf("# %s: lengths differ after line %d\n", name, line);
}

static void
golden(const char *name)
{
	char path[256];
	struct buf in = {0}, out = {0};
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "tests/sql/%s", name);
	f = fopen(path, "r");
	REQUIRE(f);
	while ((c = getc(f)) != EOF)
		buf_putc(&in, (uint8_t)c);
	fclose(f);
	CHECK(rebuild(buf_slice(&in), &out) > 0);
	if (getenv("UPDATE")) {
		f = fopen(path, "w");
		REQUIRE(f);
		fwrite(out.p, 1, out.n, f);
		fclose(f);
	} else if (!slice_eq(buf_slice(&in), buf_slice(&out))) {
		show_difference(path, buf_slice(&in), buf_slice(&out));
		test_failures++;
	}
	buf_fini(&in);
	buf_fini(&out);
}

static void
golden_files(void)
{
	DIR *d = opendir("tests/sql");
	struct dirent *e;
	int n = 0;

	REQUIRE(d);
	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);

		if (len > 4 && strcmp(e->d_name + len - 4, ".txt") == 0) {
			golden(e->d_name);
			n++;
		}
	}
	closedir(d);
	CHECK(n >= 3);
}

static void
every_statement_is_known(void)
{
	int n = 0;

	/* The tags of statements are one run in nodes.h. */
	for (int t = T_InsertStmt; t <= T_AlterStatsStmt; t++) {
		/* Never the top of a raw parse tree: PL/pgSQL's, parts of ALTER TABLE, of an SQL
		 * function, of the analysed tree. */
		if (t == T_PLAssignStmt || t == T_ReplicaIdentityStmt || t == T_AlterTableCmd ||
		    t == T_ReturnStmt || t == T_SetOperationStmt)
			continue;
		if (!an_statement_known((NodeTag)t)) {
			printf("# node tag %d is not in statements.def\n", t);
			test_failures++;
		}
		n++;
	}
	CHECK(n > 100);
	CHECK(!an_statement_known(T_ReturnStmt));
}

/* What a policy sees of a call: values could be put anywhere with most of these. */
static void
functions_have_actions(void)
{
	static const struct {
		const char *name;
		enum action action;
	} calls[] = {
		{"lower", ACTION_SQL_SELECT},
		{"setval", ACTION_SQL_UPDATE},
		{"set_config", ACTION_SQL_CONFIGURE},
		{"pg_notify", ACTION_SQL_NOTIFY},
		{"pg_advisory_lock", ACTION_SQL_LOCK},
		{"lo_from_bytea", ACTION_SQL_LARGE_OBJECT},
		{"pg_read_binary_file", ACTION_SQL_FILE},
		{"dblink_exec", ACTION_SQL_NETWORK},
		{"pg_terminate_backend", ACTION_SQL_BACKEND},
		{"pg_logical_emit_message", ACTION_SQL_REPLICATION},
		{"query_to_xml", ACTION_SQL_OPAQUE_FUNCTION},
		{"of_somebody", ACTION_SQL_OPAQUE_FUNCTION},
	};

	for (size_t i = 0; i < COUNT_OF(calls); i++)
		CHECK_INT(func_action(func_class(slice_str(calls[i].name))), calls[i].action);
}

static void
functions_have_classes(void)
{
	static const struct {
		const char *name;
		uint64_t oid;
	} rows[] = {
#define FUNC(name, oid, first, last, class, arguments, traits) {#name, oid},
#define EXTENSION(name, class)
#include "grammar/functions.def"
#undef FUNC
#undef EXTENSION
	};
	struct slice text = SLICE_LIT("text"), traits = SLICE_LIT("fii");

	for (size_t i = 1; i < COUNT_OF(rows); i++) {
		int c = strcmp(rows[i - 1].name, rows[i].name);

		if (c > 0 || (c == 0 && rows[i - 1].oid > rows[i].oid)) {
			printf("# %s is not before %s\n", rows[i - 1].name, rows[i].name);
			test_failures++;
		}
	}
	CHECK_INT(func_class(SLICE_LIT("lower")), FUNC_SAFE);
	CHECK_INT(func_class(SLICE_LIT("pg_read_file")), FUNC_FILE);
	CHECK_INT(func_class(SLICE_LIT("query_to_xml")), FUNC_DYNAMIC);
	CHECK_INT(func_class(SLICE_LIT("dblink")), FUNC_NETWORK);
	CHECK_INT(func_class(SLICE_LIT("pg_stat_get_activity")), FUNC_MONITOR);
	CHECK_INT(func_class(SLICE_LIT("no_such_function")), FUNC_OPAQUE);
	/* Of 15 and 16 computes, of 17 and 18 takes what no statement has. */
	CHECK_INT(func_class(SLICE_LIT("interval_avg")), FUNC_INTERNAL);
	CHECK(func_is_known(870, SLICE_LIT("lower"), text, traits));
	CHECK(!func_is_known(16999, SLICE_LIT("lower"), text, traits));
	CHECK(!func_is_known(871, SLICE_LIT("lower"), text, traits));
	CHECK(!func_is_known(870, SLICE_LIT("lower"), SLICE_LIT("bytea"), traits));
	CHECK(!func_is_known(870, SLICE_LIT("lower"), text, SLICE_LIT("fsi")));
	CHECK(!func_is_known(870, SLICE_LIT("lower"), text, SLICE_LIT("fii!")));
	CHECK(!func_is_known(870, SLICE_LIT("new"), text, traits));
	CHECK(func_is_known(13500, SLICE_LIT("plpgsql_call_handler"), SLICE_LIT(""), SLICE_LIT("fcv")));
	CHECK(!func_is_known(16500, SLICE_LIT("plpgsql_call_handler"), SLICE_LIT(""), SLICE_LIT("fcv")));
}

enum { TEXT_MAX = 4000000 };

static void
refused(const char *text, size_t n, const char *sqlstate)
{
	struct sql_limits limits = {TEXT_MAX, 500, 1 << 20};
	const struct sql_facts *f = sql_analyse(slice_of(text, n), &limits, &arena);

	if (strcmp(f->sqlstate, sqlstate) != 0 || f->n_effects != 1 ||
	    f->effects[0].action != ACTION_SQL_UNPARSED) {
		printf("# %.60s: %s, want %s (%.*s)\n", text, f->sqlstate, sqlstate,
		       SLICE_ARG(f->error));
		test_failures++;
	}
	CHECK(!f->pure_read);
	CHECK_INT(f->stmts[0].query, -1);
	arena_reset(&arena);
}

/* The same for a text that was put together, which is emptied. */
static void
refused_text(struct buf *text, const char *sqlstate)
{
	buf_putc(text, 0);
	REQUIRE(!text->failed);
	refused((const char *)text->p, text->n - 1, sqlstate);
	buf_reset(text);
}

static void
hostile_texts_are_refused(void)
{
	enum { N = 300000 };
	struct buf big = {0};

	refused("select 1\0; drop table t", 23, "22021");
	refused("select '\xc0\xaf'", 11, "22021");
	refused("selec 1", 7, "42601");
	refused("select 'a' -- x\n'b'", 19, "42601");
	buf_puts(&big, "select '");
	for (int i = 0; i < TEXT_MAX; i++)
		buf_putc(&big, 'x');
	buf_puts(&big, "'");
	refused_text(&big, "54000");
	for (int i = 0; i < N; i++)
		buf_putc(&big, '(');
	refused_text(&big, "54001");
	buf_puts(&big, "select ");
	for (int i = 0; i < 7500; i++)
		buf_puts(&big, "1+");
	buf_puts(&big, "1");
	refused_text(&big, "54001");
	buf_puts(&big, "select ");
	for (int i = 0; i < 2000; i++)
		buf_puts(&big, "not ");
	buf_puts(&big, "true");
	refused_text(&big, "54001");
	buf_puts(&big, "select 1");
	for (int i = 0; i < 3000; i++)
		buf_puts(&big, " union all select 1");
	refused_text(&big, "54001");
	/* Quadratic facts: many columns over many relations. */
	buf_puts(&big, "select 1 from t");
	for (int i = 0; i < 400; i++)
		buf_printf(&big, " join t%d on a = b", i);
	refused_text(&big, "54000");
	buf_puts(&big, "select a from t0");
	for (int i = 1; i < 2000; i++)
		buf_printf(&big, ", t%d", i);
	buf_puts(&big, " where a = 1");
	for (int i = 1; i < 2000; i++)
		buf_printf(&big, " and exists (select %d where b%d = c)", i, i);
	refused_text(&big, "54000");
	buf_fini(&big);
}

static void *
parse_many(void *arg)
{
	static const char *const texts[] = {
		"select id, name from people p where p.id = 4 and name like 'a%' order by 2",
		"update t set a = 1 where b = 2 returning *",
		"select from where",
		"with x as (delete from t returning a) insert into u select a from x",
	};
	struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct arena mine;
	struct buf out = {0};
	uint64_t *sum = arg;

	arena_init(&mine, 0);
	for (int i = 0; i < 4000; i++) {
		const char *t = texts[i % 4];

		buf_reset(&out);
		sql_facts_print(&out, sql_analyse(slice_str(t), &limits, &mine));
		for (size_t k = 0; k < out.n; k++)
			*sum = *sum * 31 + out.p[k];
		arena_reset(&mine);
	}
	arena_fini(&mine);
	buf_fini(&out);
	return NULL;
}

static void
threads_parse_at_once(void)
{
	enum { THREADS = 6 };
	pthread_t t[THREADS];
	uint64_t sums[THREADS] = {0};

	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&t[i], NULL, parse_many, &sums[i]) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 1; i < THREADS; i++)
		CHECK(sums[i] == sums[0] && sums[i]);
}

int
main(void)
{
	static const struct test_case tests[] = {
		TEST(golden_files),	      TEST(every_statement_is_known),
		TEST(functions_have_classes), TEST(functions_have_actions),
		TEST(hostile_texts_are_refused), TEST(threads_parse_at_once),
	};
	int rc;

	arena_init(&arena, 0);
	rc = test_run(tests, (int)(sizeof(tests) / sizeof(tests[0])));
	arena_fini(&arena);
	return rc;
}
