/* SPDX-License-Identifier: MIT */
#include "cli/witness_sql.h"

#include "compiler/known.h"

/* $T is the table, $C a column, $W a WHERE clause, $F a function, $S a setting, $O any table. */
static const struct {
	enum action action;
	const char *sql;
} patterns[] = {
	{ACTION_SQL_SELECT, "select $C from $T$W"},
	{ACTION_SQL_SHOW, "show $S"},
	{ACTION_SQL_COPY_OUT, "copy $T ($C) to stdout"},
	{ACTION_SQL_INSERT, "insert into $T ($C) values (1)"},
	{ACTION_SQL_UPDATE, "update $T set $C = 1$W"},
	{ACTION_SQL_DELETE, "delete from $T$W"},
	{ACTION_SQL_COPY_IN, "copy $T ($C) from stdin"},
	{ACTION_SQL_CREATE, "create table $T ($C int)"},
	{ACTION_SQL_ALTER, "alter table $T add note text"},
	{ACTION_SQL_DROP, "drop table $T"},
	{ACTION_SQL_TRUNCATE, "truncate $T"},
	{ACTION_SQL_COMMENT, "comment on table $T is 'note'"},
	{ACTION_SQL_REFRESH, "refresh materialized view $T"},
	{ACTION_SQL_GRANT, "grant select on $T to public"},
	{ACTION_SQL_ROLE, "create role clerk"},
	{ACTION_SQL_BEGIN, "begin"},
	{ACTION_SQL_COMMIT, "commit"},
	{ACTION_SQL_ROLLBACK, "rollback"},
	{ACTION_SQL_SAVEPOINT, "savepoint one"},
	{ACTION_SQL_TWO_PHASE, "prepare transaction 'one'"},
	{ACTION_SQL_SET, "set $S = 1"},
	{ACTION_SQL_CONFIGURE, "set $S = 1"},
	{ACTION_SQL_RESET, "reset all"},
	{ACTION_SQL_DISCARD, "discard all"},
	{ACTION_SQL_LISTEN, "listen news"},
	{ACTION_SQL_NOTIFY, "notify news"},
	{ACTION_SQL_LOCK, "lock table $T"},
	{ACTION_SQL_CALL, "call $F()"},
	{ACTION_SQL_OPAQUE_FUNCTION, "select $F()"},
	{ACTION_SQL_VACUUM, "vacuum $T"},
	{ACTION_SQL_ANALYZE, "analyze $T"},
	{ACTION_SQL_CHECKPOINT, "checkpoint"},
	{ACTION_SQL_REINDEX, "reindex table $T"},
	{ACTION_SQL_CLUSTER, "cluster $T"},
	{ACTION_SQL_ALTER_SYSTEM, "alter system set work_mem = '8MB'"},
	{ACTION_SQL_ANONYMOUS_CODE, "do 'begin end'"},
	{ACTION_SQL_LOAD, "load 'library'"},
	{ACTION_SQL_FILE, "copy $T to '/tmp/out'"},
	{ACTION_SQL_PROGRAM, "copy $T to program 'cat'"},
	{ACTION_SQL_UNPARSED, "selec"},
	{ACTION_SQL_FETCH, "fetch next from one"},
	{ACTION_SQL_PREPARE, "deallocate one"},
	{ACTION_SQL_DECLARE, "close one"},
	{ACTION_SQL_BACKEND, "select pg_cancel_backend(1)"},
	{ACTION_SQL_LARGE_OBJECT, "select lo_unlink(1)"},
	{ACTION_SQL_REPLICATION, "create publication one for all tables"},
};

/* Of a column in each context. */
static const char *const of_use[N_CONTEXTS] = {
	[CONTEXT_OUTPUT] = "select $C from $T",
	[CONTEXT_EXPRESSION] = "select $C || '' from $T",
	[CONTEXT_PREDICATE] = "select 1 from $T where $C = 'x'",
	[CONTEXT_JOIN] = "select 1 from $T a join $T b on a.$C = b.$C",
	[CONTEXT_GROUP] = "select 1 from $T group by $C",
	[CONTEXT_ORDER] = "select 1 from $T order by $C",
	[CONTEXT_DISTINCT] = "select distinct $C from $T",
	[CONTEXT_FUNCTION] = "select lower($C) from $T",
	[CONTEXT_WHOLE_ROW] = "select row_to_json(t) from $T t",
	[CONTEXT_WRITE_SOURCE] = "insert into $O select $C from $T",
	[CONTEXT_COUNT] = "select count($C) from $T",
	[CONTEXT_EXPLAIN] = "explain select $C from $T",
};

static void
put_name(struct buf *out, struct slice name, bool quote)
{
	for (size_t i = 0; i < name.n; i++)
		quote |= !(name.p[i] == '_' || (name.p[i] >= 'a' && name.p[i] <= 'z') ||
			   (i && name.p[i] >= '0' && name.p[i] <= '9'));
	if (quote || !name.n)
		buf_putc(out, '"');
	for (size_t i = 0; i < name.n; i++) {
		buf_putc(out, name.p[i]);
		if (name.p[i] == '"')
			buf_putc(out, '"');
	}
	if (quote || !name.n)
		buf_putc(out, '"');
}

static void
put_dotted(struct buf *out, struct slice name, bool quote)
{
	const uint8_t *dot = name.n ? memchr(name.p, '.', name.n) : NULL;

	if (dot) {
		put_name(out, slice_of(name.p, (size_t) (dot - name.p)), quote);
		buf_putc(out, '.');
		name = slice_of(dot + 1, name.n - (size_t) (dot - name.p) - 1);
	}
	put_name(out, name, quote);
}

static struct slice
text_of(const struct facts *f, enum fact id, const char *otherwise)
{
	return f->v[id].known && f->v[id].s.n ? f->v[id].s : slice_str(otherwise);
}

static void
put_where(struct buf *out, const struct witness_sql *w, struct slice column)
{
	const struct value *where = &w->facts->v[FACT_SQL_WHERE];

	if (!w->where_named || !where->b)
		return;
	if (w->facts->v[FACT_SQL_WHERE_CONSTANT].b) {
		buf_puts(out, " where true");
		return;
	}
	buf_puts(out, " where ");
	put_name(out, column, w->quote);
	buf_puts(out, " = 1");
}

/* One that there is, if the policy has a catalog. */
static void
put_any_table(struct buf *out, const struct witness_sql *w)
{
	const struct image_relation *r = known_first(&w->names, 1, (struct slice){0});

	put_name(out, r ? r->schema : SLICE_LIT("public"), w->quote);
	buf_putc(out, '.');
	put_name(out, r ? r->name : SLICE_LIT("things"), w->quote);
}

/* Of the table that the witness is about; without one of any. */
static struct slice
some_column(const struct witness_sql *w)
{
	const struct value *table = &w->facts->v[FACT_TABLE];
	const struct image_relation *r = table->known
						 ? known_table(&w->names, 1, table->s)
						 : known_first(&w->names, 1, (struct slice){0});

	return r && r->n_columns && !known_has(r, SLICE_LIT("id")) ? r->columns[0]
								   : SLICE_LIT("id");
}

void
witness_pattern(struct buf *out, const struct witness_sql *w, const char *p, struct slice table,
		struct slice column)
{
	for (; *p; p++) {
		if (*p != '$') {
			buf_putc(out, (uint8_t) *p);
			continue;
		}
		switch (*++p) {
		case 'T':
			if (table.n)
				put_dotted(out, table, w->quote);
			else
				put_any_table(out, w);
			break;
		case 'C':
			put_name(out, column, w->quote);
			break;
		case 'W':
			put_where(out, w, column);
			break;
		case 'O':
			put_any_table(out, w);
			break;
		case 'F':
			put_dotted(out, text_of(w->facts, FACT_FUNCTION, "app.work"), w->quote);
			break;
		default:
			put_dotted(out, text_of(w->facts, FACT_SETTING, "work_mem"), w->quote);
		}
	}
}

static void
put_uses(struct buf *out, const struct witness_sql *w)
{
	for (size_t i = 0; i < w->facts->n_uses; i++) {
		const struct data_use *u = &w->facts->uses[i];
		struct buf table = {0};

		buf_printf(&table, "%.*s.%.*s", SLICE_ARG(u->schema), SLICE_ARG(u->table));
		for (int c = 0; c < N_CONTEXTS; c++)
			if (u->contexts >> c & 1) {
				buf_puts(out, i ? "; " : "");
				witness_pattern(out, w, of_use[c], buf_slice(&table), u->column);
				break;
			}
		buf_fini(&table);
	}
}

bool
witness_sql(struct buf *out, const struct witness_sql *w)
{
	const struct facts *f = w->facts;
	const struct value *columns = &f->v[FACT_COLUMNS];
	struct slice column = some_column(w);

	if (w->uses_named && f->n_uses) {
		put_uses(out, w);
		return true;
	}
	if (columns->known && columns->set.n)
		column = columns->set.v[0];
	for (size_t i = 0; i < COUNT_OF(patterns); i++)
		if (patterns[i].action == (enum action) f->v[FACT_ACTION].i) {
			witness_pattern(out, w, patterns[i].sql,
				    text_of(f, FACT_TABLE, ""), column);
			return true;
		}
	buf_puts(out, "select 1");
	return false;
}

void
witness_call(struct buf *out, const struct witness_sql *w, struct slice function)
{
	const uint8_t *open = memchr(function.p, '(', function.n);
	size_t at = open ? (size_t) (open - function.p) : function.n;
	const char *sep = "";

	buf_puts(out, "select ");
	put_dotted(out, slice_of(function.p, at), w->quote);
	for (buf_putc(out, '('); at + 2 < function.n; sep = ", ") {
		buf_printf(out, "%snull", sep);
		do
			at++;
		while (at + 1 < function.n && function.p[at] != ',');
	}
	buf_puts(out, ") from ");
	witness_pattern(out, w, "$T", text_of(w->facts, FACT_TABLE, ""), SLICE_LIT("id"));
}

void
witness_select(struct buf *out, struct slice schema, struct slice table,
	       const struct slice *columns, size_t n)
{
	buf_puts(out, "select ");
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? ", " : "");
		put_name(out, columns[i], false);
	}
	buf_puts(out, " from ");
	put_name(out, schema, false);
	buf_putc(out, '.');
	put_name(out, table, false);
}
