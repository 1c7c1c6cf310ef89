/* SPDX-License-Identifier: MIT
 *
 * Attempts from the most natural to the most literal: a statement that has the effect by itself,
 * the same with all names quoted, and a statement whose facts `with` sets one by one. Each is
 * parsed and run under both policies; only what passes and fails as it should is shown.
 */
#include "cli/witness_test.h"

#include "cli/describe.h"
#include "cli/policy.h"
#include "cli/policy_run.h"
#include "cli/witness_sql.h"
#include "gate/epoch.h"
#include "proto/pg/mask.h"

enum attempt { PLAIN, QUOTED, PLAIN_WITH, LITERAL_WITH, ATTEMPTS };
enum { OID_TEXT = 25, MAX_CELLS = 8 };
enum { SAMPLE_NUMBER = 2, SAMPLE_DATE = 3 };

/* ---- The test ---- */

static int
group_of(const struct image *img, struct slice idp)
{
	for (size_t i = 0; i < img->n_groups; i++)
		if (slice_eq(img->groups[i].idp, idp))
			return (int) i;
	return -1;
}

/* A name that both policies have for a group of the identity provider. */
static bool
group_name(const struct witness_test *t, struct slice idp, struct slice *out)
{
	int i = group_of(t->passes, idp), k;

	if (i < 0)
		return false;
	*out = t->passes->groups[i].name;
	if (!t->fails)
		return true;
	k = image_group_find(t->fails, *out);
	return k >= 0 && slice_eq(t->fails->groups[k].idp, idp);
}

static bool
put_principal(struct buf *out, const struct witness_test *t)
{
	const struct value *v = t->witness->facts.v;
	struct slice name;
	bool all = true;

	buf_printf(out, "\n  as %s ", enum_name(TYPE_ENUM_USER_KIND, (int) v[FACT_USER_KIND].i));
	describe_string(out, v[FACT_USER_NAME].s);
	for (size_t i = 0; i < v[FACT_USER_GROUPS].set.n; i++)
		all &= group_name(t, v[FACT_USER_GROUPS].set.v[i], &name);
	for (size_t i = 0; all && i < v[FACT_USER_GROUPS].set.n; i++) {
		(void) group_name(t, v[FACT_USER_GROUPS].set.v[i], &name);
		buf_printf(out, "%s%.*s", i ? ", " : " in ", SLICE_ARG(name));
	}
	buf_puts(out, "\n  on ");
	describe_string(out, v[FACT_TARGET_NAME].s);
	return all;
}

static bool
is_of_row(const struct witness_test *t)
{
	return t->shows == SHOWS_CELL || t->shows == SHOWS_ROW;
}

static bool
wants_with(const struct witness_test *t, enum fact f, enum attempt attempt, bool groups_said)
{
	bool named = t->witness->named >> f & 1;
	const struct value *v = &t->witness->facts.v[f];

	switch (f) {
	case FACT_USER_NAME:
	case FACT_USER_KIND:
	case FACT_TARGET_NAME:
	case FACT_TARGET_PROTOCOL:
	case FACT_SQL_TEXT:
		return false;
	case FACT_USER_GROUPS:
		return !groups_said;
	case FACT_ACTION:
		return attempt == LITERAL_WITH && !is_of_row(t) && !t->statements;
	case FACT_COLUMNS: /* the language has no empty set */
		return !is_of_row(t) && !t->statements && named && attempt >= PLAIN_WITH &&
		       (!v->known || v->set.n);
	default:
		/* What is shown of a column, or done with it, is asked by its own statement. */
		if (fact_info[f].phase == PHASE_EFFECT && (is_of_row(t) || t->statements))
			return false;
		if (fact_info[f].phase == PHASE_EFFECT || f == FACT_SQL_STATEMENTS ||
		    f == FACT_SQL_PARAMETERS)
			return named && attempt >= PLAIN_WITH;
		/* `weir test` takes the usual for granted as well. */
		return named && !space_is_usual(f, v);
	}
}

static void
put_with(struct buf *out, const struct witness_test *t, enum attempt attempt, bool groups_said)
{
	const char *sep = "\n  with ";

	for (int f = 0; f < FACT_COUNT; f++)
		if (wants_with(t, (enum fact) f, attempt, groups_said)) {
			buf_printf(out, "%s%s = ", sep, fact_info[f].name);
			describe_value(out, (enum fact) f, &t->witness->facts.v[f]);
			sep = ", ";
		}
}

/* ---- Rows ---- */

static const struct slice samples[] = {
	SLICE_LIT("4111111111111111"),
	SLICE_LIT("anna.schmidt@example.org"),
	[SAMPLE_NUMBER] = SLICE_LIT("52525"),
	[SAMPLE_DATE] = SLICE_LIT("1980-05-17"),
	SLICE_LIT(
		"a value that is longer than what any mask would show of it, which is sixty four"),
};

/* What each detector finds. */
static const struct slice detected[DETECTOR_COUNT] = {
	[DETECTOR_CARD] = SLICE_LIT("4111111111111111"),
	[DETECTOR_EMAIL] = SLICE_LIT("anna.schmidt@example.org"),
	[DETECTOR_IBAN] = SLICE_LIT("DE02120300000000202051"),
	[DETECTOR_SSN] = SLICE_LIT("123-45-6789"),
	[DETECTOR_PHONE] = SLICE_LIT("+49 30 1234567"),
	[DETECTOR_JWT] = SLICE_LIT("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLTE"),
	[DETECTOR_AWS_KEY] = SLICE_LIT("AKIAIOSFODNN7EXAMPLE"),
	[DETECTOR_PRIVATE_KEY] = SLICE_LIT("-----BEGIN PRIVATE KEY-----"),
};

/* The columns of the row that matter, the one that is shown first. */
static size_t
row_columns(const struct witness_test *t, struct slice *names, struct slice *values,
	    struct slice sample)
{
	size_t n = 0;

	names[n] = t->column;
	values[n++] = sample;
	for (size_t i = 0; i < t->space->n_row_columns && n < MAX_CELLS; i++) {
		const struct row_value *v = &t->witness->rows[i];

		if (!v->known)
			continue;
		if (slice_eq(t->space->row_columns[i], t->column)) {
			values[0] = v->s;
			continue;
		}
		names[n] = t->space->row_columns[i];
		values[n++] = v->s;
	}
	return n;
}

static bool
is_whole_number(struct slice s)
{
	size_t i = s.n > 1 && s.p[0] == '-';

	for (; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0 && s.n < 19 && !(s.n > 1 && s.p[0] == '0');
}

static void
put_cell(struct buf *out, const struct witness_test *t, struct slice name, struct slice value)
{
	describe_string(out, name);
	buf_puts(out, ": ");
	for (size_t i = 0; i < t->space->n_row_columns; i++)
		if (slice_eq(t->space->row_columns[i], name) && t->witness->rows[i].is_int &&
		    is_whole_number(value)) {
			buf_put_slice(out, value);
			return;
		}
	describe_string(out, value);
}

static void
put_masked(struct buf *out, const struct image_mask *m, struct slice in, uint32_t type,
	   int32_t typmod)
{
	struct mask_key key;
	struct mask_spec spec = {.kernel = m->kernel, .n = m->count, .text = m->text, .key = &key};
	struct mask_op op;
	struct buf masked = {0};

	mask_key_init(&key, slice_str("weir test"));
	op = mask_bind(&spec, run_value_type(m->kernel, in, type), typmod, 0);
	if (mask_rewrite(&op, in, &masked))
		describe_string(out, buf_slice(&masked));
	else
		buf_puts(out, "null");
	buf_fini(&masked);
}

/* The table of the catalog; NULL: it does not have it, or there is none. */
static const struct catalog_relation *
table_of(const struct witness_test *t, struct slice schema, struct slice name)
{
	return t->passes_catalog
		       ? catalog_resolve(t->passes_catalog->catalog, NULL, schema, name)
		       : NULL;
}

static const struct catalog_column *
column_of(const struct witness_test *t)
{
	const struct catalog_relation *r = table_of(t, t->schema, t->table);

	return r ? catalog_column_named(r, t->column) : NULL;
}

static uint32_t
type_of(const struct witness_test *t)
{
	const struct catalog_column *c = column_of(t);

	return c && c->base_type ? c->base_type : OID_TEXT;
}

static int32_t
typmod_of(const struct witness_test *t)
{
	const struct catalog_column *c = column_of(t);

	return c ? c->typmod : -1;
}

/* What a column of the type would hold. */
static size_t
natural_sample(uint32_t type)
{
	enum { INT8 = 20, INT2, INT4 = 23, FLOAT4 = 700, FLOAT8, DATE = 1082, TIMESTAMP = 1114,
	       TIMESTAMPTZ = 1184, NUMERIC = 1700 };

	switch (type) {
	case INT2:
	case INT4:
	case INT8:
	case FLOAT4:
	case FLOAT8:
	case NUMERIC:
		return SAMPLE_NUMBER;
	case DATE:
	case TIMESTAMP:
	case TIMESTAMPTZ:
		return SAMPLE_DATE;
	default:
		return 0;
	}
}

static void
put_row_test(struct buf *out, const struct witness_test *t, struct slice sample)
{
	struct slice names[MAX_CELLS], values[MAX_CELLS];
	size_t n = row_columns(t, names, values, sample);
	struct buf sql = {0};

	witness_select(&sql, t->schema, t->table, names, n);
	buf_puts(out, "\n  run ");
	describe_string(out, buf_slice(&sql));
	buf_fini(&sql);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i ? ", " : "\n  row (");
		put_cell(out, t, names[i], values[i]);
	}
	if (t->shows == SHOWS_ROW && t->by.n) {
		buf_printf(out, ")\n  expect dropped by %.*s\n", SLICE_ARG(t->by));
		return;
	}
	buf_puts(out, ")\n  expect (");
	describe_string(out, names[0]);
	buf_puts(out, ": ");
	if (t->mask)
		put_masked(out, t->mask, values[0], type_of(t), typmod_of(t));
	else
		describe_string(out, values[0]);
	buf_puts(out, ")\n");
}

/* ---- Attempts ---- */

static void
put_statement(struct buf *out, const struct witness_test *t, const struct witness_sql *sql)
{
	struct buf table = {0};

	buf_printf(&table, "%.*s.%.*s", SLICE_ARG(t->schema), SLICE_ARG(t->table));
	witness_pattern(out, sql, t->statements[0], buf_slice(&table), t->column);
	buf_fini(&table);
}

/* What a rule looks for in the text of the statement. */
static void
put_words(struct buf *out, const struct witness_test *t)
{
	const struct value *text = &t->witness->facts.v[FACT_SQL_TEXT];

	if (t->witness->named >> FACT_SQL_TEXT & 1 && text->known && text->s.n)
		buf_printf(out, " -- %.*s", SLICE_ARG(text->s));
}

static void
put_expect(struct buf *out, const struct witness_test *t)
{
	if (t->shows == SHOWS_OBLIGATION)
		buf_printf(out, "\n  expect %s by %.*s\n", t->expect, SLICE_ARG(t->by));
	else
		buf_printf(out, "\n  expect %s\n", vm_rule_info[t->verdict].name);
}

static void
put_test(struct buf *out, const struct witness_test *t, enum attempt attempt, struct slice sample)
{
	struct witness_sql sql = {.facts = &t->witness->facts,
				  .where_named = t->witness->named >> FACT_SQL_WHERE & 1,
				  .uses_named = t->witness->uses_named,
				  .names = t->passes,
				  .quote = attempt != PLAIN};
	struct buf text = {0};
	bool said;

	buf_puts(out, "test ");
	describe_string(out, slice_str(t->name));
	said = put_principal(out, t);
	put_with(out, t, attempt, said);
	if (is_of_row(t)) {
		put_row_test(out, t, sample);
		return;
	}
	if (t->connects) {
		put_expect(out, t);
		return;
	}
	if (t->statements)
		put_statement(&text, t, &sql);
	else if (t->calls.n)
		witness_call(&text, &sql, t->calls);
	else if (attempt == LITERAL_WITH && !(sql.uses_named && sql.facts->n_uses))
		buf_puts(&text, "select 1");
	else
		(void) witness_sql(&text, &sql);
	put_words(&text, t);
	buf_puts(out, "\n  run ");
	describe_string(out, buf_slice(&text));
	put_expect(out, t);
	buf_fini(&text);
}

/* The statement's tables and columns are in the catalog, so that the test is one of that policy. */
static bool
is_known(const struct witness_test *t, const struct sql_facts *f)
{
	for (uint32_t i = 0; i < f->n_relations; i++)
		if (f->relations[i].kind == SQL_REL_TABLE &&
		    !table_of(t, f->relations[i].schema, f->relations[i].name))
			return false;
	for (uint32_t i = 0; i < f->n_uses; i++) {
		const struct sql_use *u = &f->uses[i];
		bool found = u->n_candidates == 0 || !u->column.n;

		for (uint32_t k = 0; k < u->n_candidates && !found; k++) {
			const struct sql_relation *rel =
				&f->relations[f->candidates[u->candidates + k].relation];
			const struct catalog_relation *r = table_of(t, rel->schema, rel->name);

			found = !r || catalog_column_named(r, u->column);
		}
		if (!found)
			return false;
	}
	return true;
}

static bool
names_what_there_is(const struct witness_test *t, const struct test_decl *test)
{
	const struct sql_limits limits = SQL_LIMITS_DEFAULT;
	struct arena arena;
	bool known;

	if (!t->passes_catalog || !test->sql.v.p) /* opening a session names nothing */
		return true;
	arena_init(&arena, 0);
	known = is_known(t, sql_analyse(test->sql.v, &limits, &arena));
	arena_fini(&arena);
	return known;
}

/* 1: passes, 0: fails, -1: it is no text of the language, or of this policy. */
static int
run_test(const struct witness_test *t, bool passes, struct slice text)
{
	struct catalog_ref *catalog = passes ? t->passes_catalog : t->fails_catalog;
	const struct image *img = passes ? t->passes : t->fails;
	struct cli_policy p = {.image = (struct image *) (uintptr_t) img,
			       .catalog = catalog ? catalog_ref_get(catalog) : NULL};
	struct test_counts n = {0};
	struct buf out = {0};
	bool good;

	/* A rule that there is not does nothing. */
	if (t->shows == SHOWS_OBLIGATION && image_rule_find(img, t->by) < 0)
		return 0;
	arena_init(&p.arena, 0);
	sources_init(&p.sources, &p.arena);
	diag_init(&p.diags, &p.sources, &p.arena);
	p.tree = parse_policy_text(&p.arena, &p.diags, "witness.weir", text, &parse_file_loader);
	good = diag_ok(&p.diags) && (!passes || names_what_there_is(t, p.tree->tests));
	if (good)
		n = cli_policy_test(&p, false, &out);
	buf_fini(&out);
	cli_policy_close(&p);
	return !good || n.passed + n.failed != 1 ? -1 : n.passed == 1;
}

static bool
try_test(struct buf *out, const struct witness_test *t)
{
	bool values = t->shows == SHOWS_CELL && t->detector >= 0;
	size_t n_samples = t->shows == SHOWS_CELL && !values ? COUNT_OF(samples) : 1;
	size_t first = natural_sample(type_of(t));

	for (int attempt = 0; attempt < ATTEMPTS; attempt++)
		for (size_t sample = 0; sample < n_samples; sample++) {
			struct buf text = {0};
			bool good;

			put_test(&text, t, (enum attempt) attempt,
				 values ? detected[t->detector]
					: samples[(first + sample) % COUNT_OF(samples)]);
			good = !text.failed && run_test(t, true, buf_slice(&text)) == 1 &&
			       (!t->fails || run_test(t, false, buf_slice(&text)) == 0);
			if (good)
				buf_put_slice(out, buf_slice(&text));
			buf_fini(&text);
			if (good)
				return true;
		}
	return false;
}

/* A view may call the column something else. */
static bool
try_columns(struct buf *out, const struct witness_test *t)
{
	const struct catalog_relation *r = t->view ? table_of(t, t->schema, t->table) : NULL;
	struct witness_test other = *t;
	bool good = try_test(out, t);

	for (uint32_t i = 0; r && !good && i < r->n_columns; i++) {
		other.column = r->columns[i].name;
		good = try_test(out, &other);
	}
	return good;
}

/* What a mask forbids, and does to views. */
static const char *const forbidden[] = {"select $C from $T",
					"select 1 from $T where $C = '1'",
					"delete from $T where $C = '1'",
					"update $T set $C = '1' where $C = '1'",
					"explain update $T set $C = $C",
					"insert into $T ($C) values ('1') on conflict ($C) do nothing",
					"alter table $T add note text",
					"select app.work()",
					"call app.work()",
					"do 'begin end'",
					NULL};

/* What is shown cannot be shown where one of the policies refuses the command. */
static bool
try_verdicts(struct buf *out, const struct witness_test *t)
{
	const enum verdict verdicts[] = {VERDICT_DENY, t->verdict};
	struct witness_test other = *t;
	bool good = false;

	other.shows = SHOWS_VERDICT;
	for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
		other.verdict = verdicts[i];
		for (other.statements = forbidden; !good && other.statements[0]; other.statements++)
			good = try_columns(out, &other);
	}
	return good;
}

bool
witness_test(struct buf *out, const struct witness_test *t)
{
	struct witness_test other = *t;
	bool good = !t->statements && try_columns(out, t);

	for (; other.statements && !good && other.statements[0]; other.statements++)
		good = try_columns(out, &other);
	return good || (is_of_row(t) && t->fails && t->detector < 0 && try_verdicts(out, t));
}

/* ---- Facts ---- */

static void
put_json_value(struct buf *out, enum fact f, const struct value *v)
{
	struct buf text = {0};

	switch (fact_info[f].type) {
	case TYPE_BOOL:
	case TYPE_INT:
		describe_value(out, f, v);
		return;
	case TYPE_STRING:
		buf_json_string(out, v->s);
		return;
	case TYPE_SET:
		for (size_t i = 0; i < v->set.n; i++) {
			buf_puts(out, i ? ", " : "[");
			buf_json_string(out, v->set.v[i]);
		}
		buf_puts(out, v->set.n ? "]" : "[]");
		return;
	case TYPE_TIME:
		buf_printf(out, "\"%02d:%02d:%02d\"", (int) (v->i / 3600), (int) (v->i / 60 % 60),
			   (int) (v->i % 60));
		return;
	default:
		describe_value(&text, f, v);
		buf_json_string(out, buf_slice(&text));
		buf_fini(&text);
	}
}

static void
put_json_row(struct buf *out, const struct space *s, const struct witness *w)
{
	const char *sep = ", \"row\": {";
	bool any = false;

	for (size_t i = 0; i < s->n_row_columns; i++) {
		if (!w->rows[i].known)
			continue;
		buf_puts(out, sep);
		buf_json_string(out, s->row_columns[i]);
		buf_puts(out, ": ");
		if (w->rows[i].is_int)
			buf_printf(out, "%lld", (long long) w->rows[i].i);
		else
			buf_json_string(out, w->rows[i].s);
		sep = ", ";
		any = true;
	}
	if (any)
		buf_putc(out, '}');
}

void
witness_json(struct buf *out, const struct space *s, const struct witness *w, enum vm_entry entry)
{
	const struct facts *f = &w->facts;

	buf_printf(out, "{\"entry\": \"%s\"", entry_info[entry].name);
	for (int i = 0; i < FACT_COUNT; i++) {
		if (!f->v[i].known || (i == FACT_SQL_TEXT && !(w->named >> i & 1)))
			continue;
		if (entry == ENTRY_CONNECT && fact_info[i].phase > PHASE_CONNECT)
			continue;
		buf_printf(out, ", \"%s\": ", fact_info[i].name);
		put_json_value(out, (enum fact) i, &f->v[i]);
	}
	if (f->uses_known && entry != ENTRY_CONNECT) {
		buf_puts(out, ", \"uses\": [");
		for (size_t i = 0; i < f->n_uses; i++) {
			const struct data_use *u = &f->uses[i];

			buf_puts(out, i ? ", {\"schema\": " : "{\"schema\": ");
			buf_json_string(out, u->schema);
			buf_puts(out, ", \"table\": ");
			buf_json_string(out, u->table);
			buf_puts(out, ", \"column\": ");
			buf_json_string(out, u->column);
			buf_puts(out, ", \"contexts\": [");
			for (int c = 0, k = 0; c < N_CONTEXTS; c++)
				if (u->contexts >> c & 1)
					buf_printf(out, "%s\"%s\"", k++ ? ", " : "",
						   context_info[c].name);
			buf_puts(out, "]}");
		}
		buf_putc(out, ']');
	}
	put_json_row(out, s, w);
	buf_putc(out, '}');
}

void
witness_text(struct buf *out, const struct space *s, const struct witness *w)
{
	const char *sep = "";

	for (int f = 0; f < FACT_COUNT; f++) {
		const struct value *v = &w->facts.v[f];

		if (!(w->named >> f & 1) && f != FACT_ACTION && f != FACT_TABLE)
			continue;
		if (f != FACT_ACTION && f != FACT_TABLE && space_is_usual((enum fact) f, v))
			continue;
		if (!v->known && !(w->named >> f & 1))
			continue;
		buf_printf(out, "%s%s = ", sep, fact_info[f].name);
		describe_value(out, (enum fact) f, v);
		sep = ", ";
	}
	for (size_t i = 0; i < w->facts.n_uses && w->uses_named; i++) {
		const struct data_use *u = &w->facts.uses[i];

		for (int c = 0; c < N_CONTEXTS; c++)
			if (u->contexts >> c & 1)
				buf_printf(out, "%suses %.*s.%.*s.%.*s (%s)", sep,
					   SLICE_ARG(u->schema), SLICE_ARG(u->table),
					   SLICE_ARG(u->column), context_info[c].name);
		sep = ", ";
	}
	for (size_t i = 0; i < s->n_row_columns; i++)
		if (w->rows[i].known) {
			buf_printf(out, "%srow.%.*s = ", sep, SLICE_ARG(s->row_columns[i]));
			describe_string(out, w->rows[i].s);
			sep = ", ";
		}
}
