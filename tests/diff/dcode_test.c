/* SPDX-License-Identifier: MIT
 *
 * What the compiler asks about the diagrams it has made: each instruction of those of an example is
 * changed in some ways that the verifier takes, and where the comparison with the list says that
 * nothing has changed, no facts may tell the two apart.
 *
 *   DCODE_POLICY=FILE   another policy; DIFF_SEED=N   other facts
 */
#include "compiler/compile.h"
#include "compiler/dcode.h"
#include "vm/verify.h"

#include "tests/diff/dcode_way.h"
#include "tests/unit/test.h"
#include "tests/diff/random.h"

enum { FACTS = 300 };

static const char *const usual =
	"policy shop\n"
	"data pay = column app.t1.pay\n"
	"mask a of pay with null when row.country = \"de\" unless who dba\n"
	"mask b of pay with hash when row.country in {\"de\", \"fr\"} or row.pay > 100\n"
	"mask c of pay with year when row.country matches \"f*\" and row.pay >= 10\n"
	"drop d of pay when row.pay < 3 unless row.country = \"it\"\n"
	"group dba = idp \"dba\"\ngroup ops = idp \"ops\"\ngroup app = idp \"app\"\n"
	"target main = postgres \"main*\"\n"
	"allow read who app on main do sql.select when schema in {\"app\", \"app-eu\"}\n"
	"allow write who app, ops on main do sql.insert, sql.update when table = \"app.t1\"\n"
	"allow own who ops do sql.select when table starts with \"ops.\" and user.kind = human\n"
	"deny wide do sql.update, sql.delete when not sql.where or sql.where-constant\n"
	"deny far unless client.address in 10.0.0.0/8 or client.address in 10.1.0.0/16\n"
	"deny night do sql.ddl when time.of-day < 06:00 or time.of-day >= 22:00\n"
	"hold ddl do sql.ddl for 1 of dba not self within 5m\n"
	"deny eu do sql.delete when schema matches /^(app|ops)-[a-z]+$/\n"
	"deny old do sql.insert when table matches /^app(-eu)?\\.t[2-9]$|old/\n"
	"limit much who app do sql.select when sql.statements > 3 rows 10 per command\n"
	"allow all who dba do sql.select\n"
	"allow work who app, ops do sql.select, sql.delete\n"
	"record dbas who dba do sql.select with text\n"
	"record apps who app do sql.select with text\n"
	"record both who app, dba do sql.select with strict\n"
	"record not-ops do sql.select, sql.drop with text unless who ops\n"
	"deny no-dba do sql.drop unless who dba\n"
	"deny no-app do sql.drop unless who app\n"
	"deny nobody do sql.drop unless who app, ops\n"
	"deny no-d do sql.drop unless who d\n"
	"deny no-e do sql.drop unless who e\n"
	"deny no-f do sql.drop unless who f\n"
	"deny no-h do sql.drop unless who h, d\n"
	"group d = idp \"d\"\ngroup e = idp \"e\"\ngroup f = idp \"f\"\ngroup h = idp \"h\"\n";

static struct arena arena;
static struct image *img;
static struct row_value row[2];

static void
gen_facts(struct facts *f, struct slice *groups)
{
	static const struct slice names[] = {SLICE_LIT("dba"), SLICE_LIT("ops"), SLICE_LIT("app"),
					     SLICE_LIT("x"), SLICE_LIT("d"), SLICE_LIT("h")};
	static const struct slice schemas[] = {SLICE_LIT("app"), SLICE_LIT("app-eu"),
					       SLICE_LIT("ops"), SLICE_LIT("x")};
	static const struct slice tables[] = {SLICE_LIT("app.t1"), SLICE_LIT("app.t2"),
					      SLICE_LIT("ops.t"), SLICE_LIT("app-eu.t1"),
					      SLICE_LIT("x.y"),	  SLICE_LIT("t1"),
					      SLICE_LIT("a.b.c")};
	static const enum action actions[] = {ACTION_SQL_SELECT, ACTION_SQL_UPDATE,
					      ACTION_SQL_INSERT, ACTION_SQL_DELETE,
					      ACTION_SQL_DROP,	 ACTION_SQL_BEGIN};
	const uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = (uint8_t) (10 + rnd(2)),
				     [13] = (uint8_t) rnd(2), [15] = 1};
	struct slice table = PICK(tables);
	const uint8_t *dot = memchr(table.p, '.', table.n);
	static const char *const texts[] = {"de", "fr", "it", "fi", "", "7", "101", "2"};
	size_t n = rnd(4);

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		row[i] = (struct row_value){.known = rnd(6), .s = slice_str(PICK(texts))};
		row[i].is_int = row[i].known && row[i].s.n && row[i].s.p[0] <= '9';
		row[i].i = row[i].is_int ? atoi((const char *) row[i].s.p) : 0;
	}
	*f = (struct facts){.uses_known = true};
	for (size_t i = 0; i < n; i++)
		groups[i] = PICK(names);
	f->row = rnd(9) ? row : NULL;
	facts_set(f, FACT_USER_GROUPS, groups, n);
	facts_int(f, FACT_USER_KIND, rnd(USER_KIND_COUNT));
	facts_int(f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	facts_string(f, FACT_TARGET_NAME, rnd(3) ? SLICE_LIT("main-1") : SLICE_LIT("other"));
	facts_int(f, FACT_ACTION, PICK(actions));
	facts_string(f, FACT_TABLE, table);
	facts_string(f, FACT_SCHEMA,
		     dot && rnd(4) ? slice_of(table.p, (size_t) (dot - table.p)) : PICK(schemas));
	facts_bool(f, FACT_SQL_WHERE, rnd(2));
	facts_bool(f, FACT_SQL_WHERE_CONSTANT, rnd(2));
	facts_int(f, FACT_SQL_STATEMENTS, rnd(6));
	facts_int(f, FACT_TIME_OF_DAY, rnd(24) * 3600);
	facts_address(f, FACT_CLIENT_ADDRESS, address);
	for (int i = 0; i < FACT_COUNT; i++)
		if (rnd(12) == 0)
			facts_unknown(f, (enum fact) i);
}

static bool
decide_alike(enum vm_entry e)
{
	struct image list = *img;
	struct decision a, b;
	struct slice groups[4];
	struct facts f;

	list.entry[e].n_diagram = 0;
	for (int i = 0; i < FACTS; i++) {
		gen_facts(&f, groups);
		vm_decide(img, e, &f, &a);
		vm_decide(&list, e, &f, &b);
		if (a.verdict != b.verdict || a.by_default != b.by_default)
			return false;
		for (size_t r = 0; r < img->n_rules; r++)
			if (decision_has(&a, r) != decision_has(&b, r))
				return false;
	}
	return true;
}

static bool
says_alike(void)
{
	const struct image *images = img;
	struct slice wrong = {0};
	struct arena scratch;
	const char *why;
	struct space *s;
	bool alike, unsure = true;

	arena_init(&scratch, 0);
	s = space_new(&scratch, &images, 1, &why);
	CHECK(s != NULL);
	alike = dcode_agrees(s, &wrong, &unsure);
	CHECK(!unsure && alike == (wrong.p == NULL));
	arena_fini(&scratch);
	return alike;
}

static uint64_t tried, noticed, harmless;

static void
try(enum vm_entry e, struct insn *at, struct insn changed)
{
	struct insn was = *at;
	struct image_entry entry = img->entry[e];
	struct image_error err;

	*at = changed;
	if (vm_verify(img, e, &entry, &arena, &err)) {
		tried++;
		if (!says_alike()) {
			noticed++;
		} else {
			uint32_t cost = img->entry[e].cost;

			harmless++;
			img->entry[e].cost = entry.cost;
			CHECK(decide_alike(e));
			img->entry[e].cost = cost;
		}
	}
	*at = was;
}

static void
change_each(enum vm_entry e)
{
	struct image_entry *entry = &img->entry[e];
	struct insn *code = ARENA_ARRAY(&arena, struct insn, entry->n_diagram);

	memcpy(code, entry->diagram, entry->n_diagram * sizeof(*code));
	entry->diagram = code;
	for (size_t i = 0; i < entry->n_diagram && !test_failures; i++) {
		struct insn in = code[i];

		in.flags ^= INSN_SKIP_TRUE;
		if (vm_op_is_test(in.op))
			try(e, &code[i], in);
		in = code[i];
		in.flags ^= INSN_UNKNOWN;
		if (vm_op_is_test(in.op))
			try(e, &code[i], in);
		in = code[i];
		in.skip++;
		if (in.op == OP_FAR || in.op == OP_SET_MATCH || in.op == OP_MATCH ||
		    vm_op_is_test(in.op))
			try(e, &code[i], in);
		in = code[i];
		in.skip = 0;
		if (code[i].op == OP_MATCH && code[i].skip)
			try(e, &code[i], in);
		in = code[i];
		in.flags ^= INSN_NOT;
		if (in.op == OP_MATCH || in.op == OP_SET_MATCH || vm_op_is_test(in.op))
			try(e, &code[i], in);
		in = code[i];
		in.arg = (uint16_t) ((in.arg + 1u) % img->n_rules);
		if (in.op == OP_MATCH || in.op == OP_MATCHED)
			try(e, &code[i], in);
		if (in.op == OP_LIST)
			try(e, &code[i], (struct insn){.op = OP_END});
		if (in.op == OP_END)
			try(e, &code[i], (struct insn){.op = OP_LIST});
	}
}

static void
a_changed_diagram_is_noticed(void)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct slice text = slice_str(usual);
	const struct compile_options options = {.text = &text};
	const char *path = getenv("DCODE_POLICY"), *seed = getenv("DIFF_SEED");
	struct buf bytes = {0};
	struct sources sources;
	struct diag_queue q;
	struct image_error err;

	if (seed)
		state = strtoull(seed, NULL, 0) | 1;
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	REQUIRE(compile_policy(path ? path : "shop.weir", &arena, &q, &bytes,
			       path ? &(struct compile_options){0} : &options, NULL));
	img = image_load(&arena, buf_slice(&bytes), &trust, &err);
	REQUIRE(img && img->entry[ENTRY_COMMAND].n_diagram > 50);
	REQUIRE(img->entry[ENTRY_ROW].n_diagram && img->n_row_columns <= COUNT_OF(row));
	CHECK(says_alike() && decide_alike(ENTRY_COMMAND) && decide_alike(ENTRY_ROW));
	change_each(ENTRY_COMMAND);
	change_each(ENTRY_ROW);
	printf("# %llu changes, %llu noticed, %llu that make no difference\n",
	       (unsigned long long) tried, (unsigned long long) noticed,
	       (unsigned long long) harmless);
	CHECK(noticed > tried / 2 && harmless > 0);
	buf_fini(&bytes);
	arena_fini(&arena);
}

/* ---- Policies ---- */

static void
compile(struct slice text, struct diag_queue *q, struct sources *sources)
{
	const struct image_trust trust = {.allow_unsigned = true};
	const struct compile_options options = {.text = &text};
	struct buf bytes = {0};
	struct image_error err;

	arena_init(&arena, 0);
	sources_init(sources, &arena);
	diag_init(q, sources, &arena);
	REQUIRE(compile_policy("p.weir", &arena, q, &bytes, &options, NULL));
	img = image_load(&arena, buf_slice(&bytes), &trust, &err);
	REQUIRE(img != NULL);
	buf_fini(&bytes);
}

/* Tables of two schemas that lead to the same rules: the code of the first does not run on into
 * that of the second. Found by random policies. */
static void
each_schema_has_its_tables(void)
{
	static const char *const texts[] = {
		/* What only the end of the first should have led to was led to by nothing. */
		"policy p\n"
		"deny t do sql.select, sql.drop when table in {\"app.a\", \"hr.b\"}\n"
		"deny s do sql.drop when schema = \"app\"\n",
		/* A table of the first was asked for as one of the second, and not denied. */
		"policy p\n"
		"allow s do sql.insert unless schema = \"app\"\n"
		"deny t do sql.insert when table in {\"app.a\", \"hr.b\"}\n",
		"policy p\n"
		"deny t do sql.insert unless table = \"app.a\" or schema = \"hr\"\n"
		"allow s do sql.insert when not (table = \"hr.a\")\n",
		/* Names of both patterns have two dots, and are in no schema. */
		"policy p\n"
		"allow s do sql.select when schema = \"a\"\n"
		"allow t do sql.select, sql.insert when table matches \"*-eu.*\"\n",
		"policy p\n"
		"allow t do sql.select when table matches \"*-eu.*\"\n"
		"deny s do sql.drop, sql.select when schema matches \"*p*\"\n",
		/* What is before the first of two dots is no schema. */
		"policy p\n"
		"allow t do sql.select when table matches /^a\\.b/ or table = \"a-eu.t\"\n"
		"deny s do sql.drop, sql.select when schema matches /^a|b$/\n"
		"allow u do sql.drop when schema matches /^a.*eu$/ and table matches \"*.t\"\n"};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct sources sources;
		struct diag_queue q;

		compile(slice_str(texts[i]), &q, &sources);
		CHECK(img->entry[ENTRY_COMMAND].n_diagram > 0);
		CHECK(says_alike());
		arena_fini(&arena);
	}
}

static bool
says_entangled(const struct diag_queue *q, const char *what)
{
	for (const struct diag *d = q->first; d; d = d->next)
		if (d->id == DIAG_NO_DIAGRAM && strstr(d->text, what))
			return true;
	return false;
}

/* Names are told apart by too many patterns, whatever the action. */
static void
results_too_are_said_to_be_too_much(void)
{
	struct buf text = {0};
	struct sources sources;
	struct diag_queue q;

	buf_puts(&text, "policy p\ndata d = column a.b\nallow r do sql.select\n");
	for (int i = 0; i < 70; i++)
		buf_printf(&text, "mask m%d of d with null when user.name matches \"f%d-*\" and "
				  "time.of-day < 01:%02d\n",
			   i, i, i % 60);
	compile(buf_slice(&text), &q, &sources);
	CHECK(img->entry[ENTRY_RESULT].n_diagram > 0 && says_alike());
	CHECK(says_entangled(&q, "of result are") && !says_entangled(&q, "of command are"));
	arena_fini(&arena);
	buf_fini(&text);
}

/* A table without a schema is never in one, and seventy patterns are left to the list: the rules
 * that only those would lead to have no code. */
static void
what_nothing_leads_to_is_left_out(void)
{
	struct buf text = {0};
	struct sources sources;
	struct diag_queue q;

	compile(SLICE_LIT("policy p\n"
			  "allow t do sql.select, sql.update when table in {\"a\", \"b\"}\n"
			  "allow s do sql.update when table in {\"a\", \"b\"} and schema = \"c\"\n"),
		&q, &sources);
	CHECK(img->entry[ENTRY_COMMAND].n_diagram > 0 && says_alike());
	arena_fini(&arena);
	buf_puts(&text, "policy p\n");
	for (int i = 0; i < 70; i++)
		buf_printf(&text, "allow r%d do sql.select when function matches \"f%d.*\" and "
				  "sql.statements = %d\n",
			   i, i, i);
	compile(buf_slice(&text), &q, &sources);
	CHECK(img->entry[ENTRY_COMMAND].n_diagram > 0 && says_alike());
	CHECK(says_entangled(&q, "of sql.select are"));
	arena_fini(&arena);
	buf_fini(&text);
}

/* ---- What goes to the list ---- */

static bool
goes_to_list(const struct facts *f)
{
	static struct dcode_way way;

	CHECK(dcode_way_of(img, ENTRY_COMMAND, f, &way));
	return way.to_list;
}

/* Of two actions one has rules with too many patterns for users; facts that are not known are for
 * the list. */
static void
the_list_decides_what_is_too_large(void)
{
	const struct image_trust trust = {.allow_unsigned = true};
	struct buf text = {0}, bytes = {0};
	struct slice s, groups[4];
	const struct compile_options options = {.text = &s};
	struct sources sources;
	struct diag_queue q;
	struct image_error err;
	struct facts f;

	buf_puts(&text, "policy shop\n");
	for (int i = 0; i < 70; i++)
		buf_printf(&text, "deny r%d do sql.select when user.name matches \"u%d-*\" and "
				  "sql.statements = %d\n",
			   i, i, i);
	buf_puts(&text, "group g1 = idp \"g1\"\ngroup g2 = idp \"g2\"\nallow w who g1 do sql.update when schema = \"app\"\n"
			"allow x who g2 do sql.update when table = \"app.t1\"\n");
	s = buf_slice(&text);
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	REQUIRE(compile_policy("p.weir", &arena, &q, &bytes, &options, NULL));
	CHECK_INT(q.n_warnings, 1);
	img = image_load(&arena, buf_slice(&bytes), &trust, &err);
	REQUIRE(img && img->entry[ENTRY_COMMAND].n_diagram);
	do
		gen_facts(&f, groups);
	while (!f.v[FACT_ACTION].known || !f.v[FACT_USER_GROUPS].known);
	facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
	facts_string(&f, FACT_TABLE, SLICE_LIT("app.t1"));
	facts_string(&f, FACT_SCHEMA, SLICE_LIT("app"));
	facts_string(&f, FACT_USER_NAME, SLICE_LIT("u1-a"));
	facts_int(&f, FACT_SQL_STATEMENTS, 2);
	facts_int(&f, FACT_ACTION, ACTION_SQL_SELECT);
	CHECK(goes_to_list(&f));
	facts_int(&f, FACT_ACTION, ACTION_SQL_UPDATE);
	CHECK(!goes_to_list(&f));
	facts_string(&f, FACT_SCHEMA, SLICE_LIT("ap"));
	CHECK(goes_to_list(&f));
	facts_unknown(&f, FACT_SCHEMA);
	CHECK(goes_to_list(&f));
	facts_unknown(&f, FACT_ACTION);
	CHECK(goes_to_list(&f));
	buf_fini(&text);
	buf_fini(&bytes);
	arena_fini(&arena);
}

/* ---- Rules that say only who ---- */

static size_t
count_ops(enum vm_entry e, enum opcode op)
{
	size_t n = 0;

	for (size_t i = 0; i < img->entry[e].n_diagram; i++)
		n += img->entry[e].diagram[i].op == op;
	return n;
}

/* What the user's groups are, of `n`. */
static void
put_groups(struct facts *f, struct slice *groups, int n)
{
	static char names[3][16];

	for (int i = 0; i < 3; i++) {
		snprintf(names[i], sizeof(names[i]), "g%u", rnd((uint32_t) n + 5));
		groups[i] = slice_str(names[i]);
	}
	facts_set(f, FACT_USER_GROUPS, groups, rnd(4));
}

/* A thousand groups, each with a rule for itself, one for two, one that limits and one for a table:
 * one look at the groups tells which of them match, and no group is asked for again. */
static void
one_look_tells_who(void)
{
	enum { N = 1000 };
	struct buf text = {0};
	struct sources sources;
	struct diag_queue q;
	struct slice groups[4];
	struct image list;
	struct facts f;
	size_t n_matched = 0;

	buf_puts(&text, "policy shop\n");
	for (int i = 0; i < N; i++)
		buf_printf(&text, "group g%d = idp \"g%d\"\n"
				  "allow r%d who g%d do sql.select, sql.insert\n"
				  "deny d%d who g%d, g%d do sql.insert\n"
				  "limit l%d who g%d do sql.select rows 10 per command\n"
				  "hold t%d who g%d do sql.select when table = \"app.t%d\" "
				  "for 1 of g0 within 5m\n",
			   i, i, i, i, i, i, (i + 1) % N, i, i, i, (i + 7) % N, i);
	compile(buf_slice(&text), &q, &sources);
	CHECK(!says_entangled(&q, "") && says_alike());
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_SET_MATCH), 2);
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_MATCHED), N);
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_SET_ANY), 0);
	CHECK_INT(count_ops(ENTRY_CONNECT, OP_SET_MATCH), 1);
	list = *img;
	for (int e = 0; e < ENTRY_COUNT; e++)
		list.entry[e].n_diagram = 0;
	for (int i = 0; i < 20 * FACTS; i++) {
		static struct dcode_way way;
		static struct decision a, b;
		enum vm_entry e = rnd(4) ? ENTRY_COMMAND : ENTRY_CONNECT;

		gen_facts(&f, groups);
		if (f.v[FACT_USER_GROUPS].known)
			put_groups(&f, groups, rnd(2) ? 10 : N);
		vm_decide(img, e, &f, &a);
		vm_decide(&list, e, &f, &b);
		CHECK(a.verdict == b.verdict && a.by_default == b.by_default);
		for (size_t r = 0; r < img->n_rules; r++) {
			CHECK(decision_has(&a, r) == decision_has(&b, r));
			n_matched += decision_has(&a, r);
		}
		CHECK(dcode_way_of(img, e, &f, &way));
		CHECK(way.to_list || a.ops < 20);
	}
	CHECK(n_matched > 1000);
	arena_fini(&arena);
	buf_fini(&text);
}

/* Whoever is in no group, or not in the groups of an exception, is of interest to thousands of
 * rules: one look as well, beside rules for the same groups and with tables. */
static void
one_look_tells_who_is_excepted(void)
{
	enum { N = 1000 };
	struct buf text = {0};
	struct sources sources;
	struct diag_queue q;
	struct slice groups[4];
	struct image list;
	struct facts f;
	size_t n_matched = 0, n_left = 0;

	buf_puts(&text, "policy shop\n");
	for (int i = 0; i < N; i++)
		buf_printf(&text, "group g%d = idp \"g%d\"\n"
				  "deny d%d do sql.select, sql.delete unless who g%d\n"
				  "allow a%d do sql.update unless who g%d, g%d\n"
				  "allow w%d who g%d do sql.delete\n"
				  "hold t%d do sql.select when table = \"app.t%d\" "
				  "for 1 of g0 within 5m unless who g%d\n"
				  "limit l%d who h%d do sql.select rows 10 per command\n"
				  "group h%d = idp \"h%d\"\n",
			   i, i, i, i, i, i, (i + 1) % N, i, i, i, i, i, i, i, i, i);
	compile(buf_slice(&text), &q, &sources);
	CHECK(!says_entangled(&q, "") && says_alike());
	/* Of select rules and exceptions are for other groups, of delete for the same. */
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_SET_MATCH), 4);
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_MATCHED), N);
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_SET_ANY), 0);
	list = *img;
	for (int e = 0; e < ENTRY_COUNT; e++)
		list.entry[e].n_diagram = 0;
	for (int i = 0; i < 4 * FACTS; i++) {
		static struct dcode_way way;
		static struct decision a, b;
		enum vm_entry e = rnd(4) ? ENTRY_COMMAND : ENTRY_CONNECT;

		gen_facts(&f, groups);
		if (f.v[FACT_USER_GROUPS].known)
			put_groups(&f, groups, rnd(2) ? 10 : N);
		vm_decide(img, e, &f, &a);
		vm_decide(&list, e, &f, &b);
		CHECK(a.verdict == b.verdict && a.by_default == b.by_default);
		for (size_t r = 0; r < img->n_rules; r++) {
			CHECK(decision_has(&a, r) == decision_has(&b, r));
			n_matched += decision_has(&a, r);
		}
		CHECK(dcode_way_of(img, e, &f, &way));
		CHECK(way.to_list || a.ops == way.ops);
		n_left += way.to_list;
	}
	CHECK(n_matched > 100 * 1000 && n_left > 0 && n_left < 2 * FACTS);
	arena_fini(&arena);
	buf_fini(&text);
}

/* A regular expression of schemas is asked of the schema of tables that nothing names; those of
 * "app" are found by the switch. */
static void
schemas_are_told_by_regular_expressions(void)
{
	static const struct {
		struct slice schema, table;
		bool allowed;
	} cases[] = {
		{SLICE_LIT("app"), SLICE_LIT("app.t"), true},
		{SLICE_LIT("app"), SLICE_LIT("app.keys"), false},
		{SLICE_LIT("app-eu"), SLICE_LIT("app-eu.t"), true},
		{SLICE_LIT("tmp_17"), SLICE_LIT("tmp_17.a_log"), true},
		{SLICE_LIT("tmp_17"), SLICE_LIT("tmp_17.a"), false},
		{SLICE_LIT("tmp_"), SLICE_LIT("tmp_.a_log"), false},
		{SLICE_LIT("x"), SLICE_LIT("x.y"), false},
	};
	struct sources sources;
	struct decision d;
	struct diag_queue q;

	compile(SLICE_LIT("policy p\n"
			  "allow a do sql.select when schema matches /^app(-eu)?$/\n"
			  "deny b do sql.select when table = \"app.keys\"\n"
			  "allow c do sql.select when schema matches /^tmp_[0-9]+$/ and "
			  "table matches \"*_log\"\n"),
		&q, &sources);
	CHECK_INT(q.n_warnings, 0);
	CHECK(says_alike());
	CHECK(count_ops(ENTRY_COMMAND, OP_IN_SCHEMA) > 0);
	CHECK_INT(count_ops(ENTRY_COMMAND, OP_STR_REGEX), 2);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct facts f = {.uses_known = true};

		facts_int(&f, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
		facts_int(&f, FACT_ACTION, ACTION_SQL_SELECT);
		facts_string(&f, FACT_SCHEMA, cases[i].schema);
		facts_string(&f, FACT_TABLE, cases[i].table);
		CHECK(!goes_to_list(&f));
		vm_decide(img, ENTRY_COMMAND, &f, &d);
		CHECK_INT(d.verdict, cases[i].allowed ? VERDICT_ALLOW : VERDICT_DENY);
	}
	arena_fini(&arena);
}

TEST_MAIN(TEST(a_changed_diagram_is_noticed), TEST(each_schema_has_its_tables),
	  TEST(what_nothing_leads_to_is_left_out),
	  TEST(results_too_are_said_to_be_too_much),
	  TEST(schemas_are_told_by_regular_expressions),
	  TEST(the_list_decides_what_is_too_large), TEST(one_look_tells_who),
	  TEST(one_look_tells_who_is_excepted))
