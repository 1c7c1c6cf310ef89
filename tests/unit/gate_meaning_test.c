/* SPDX-License-Identifier: MIT
 *
 * What the names of a text mean is remembered, and must not be when it is another: under another
 * path, in another catalog, under another policy, of another text. What a record would say is
 * looked at, before and after, and back again.
 */
#include "base/endian.h"
#include "gate/gate.h"
#include "sql/shape.h"
#include "tests/wire/wire_stage.h"
#include "test.h"

static struct gate *gate;
static struct gate_session *session;
static struct arena arena;

static struct stage
staged(const char *const *lines)
{
	struct stage st = {0};

	for (; *lines; lines++)
		st.lines[st.n++] = strdup(*lines);
	if (!wire_set_stage(&st, "gate_meaning_test")) {
		CHECK(!"the stage is set");
		exit(1);
	}
	for (size_t i = 0; i < st.n; i++)
		free(st.lines[i]);
	return st;
}

#define POLICY "policy", "policy test", "default allow", "end"

static const char *const both[] = {POLICY, "table a.t 101 id:23", "table a.u 103 id:23",
				   "table b.t 102 id:23", "table b.u 104 id:23",
				   "table b.v 105 id:23", NULL};
/* What was a.t has gone to another schema. */
static const char *const moved[] = {POLICY, "table c.t 101 id:23", "table b.t 102 id:23", NULL};

static void
open_all(struct stage *st)
{
	struct gate_client client = {0};

	sql_shape_init();
	arena_init(&arena, 0);
	gate = gate_open(1 << 20, 1, NULL);
	gate_set_epoch(gate, st->epoch);
	gate_set_catalog(gate, 0, st->catalog, NULL, (struct catalog_age){0});
	session = gate_session_open(gate, SLICE_LIT("agent"), SLICE_LIT("orders"), &client);
}

static void
close_all(void)
{
	gate_session_close(gate, session);
	gate_close(gate);
	arena_fini(&arena);
}

/* The schemas of all effects' tables, as a record has them, each followed by a blank. */
static struct slice
schemas(const char *text)
{
	struct gate_ask ask = {.facts = gate_facts(gate, slice_str(text)), .arena = &arena,
			       .tx = 'I'};
	struct gate_verdict v;
	struct slice schema, table;
	char *all = "";

	gate_decide(gate, session, &ask, &v);
	CHECK_INT(v.verdict, VERDICT_ALLOW);
	for (uint32_t i = 0; i < ask.facts->n_effects; i++)
		if (gate_effect_names(session, &ask, &ask.facts->effects[i], &schema, &table))
			all = arena_printf(&arena, "%s%.*s ", all, SLICE_ARG(schema));
	return slice_str(all);
}

static void
path(const char *setting)
{
	gate_session_path(session, slice_str(setting), SLICE_LIT("app"), (struct slice){0});
}

/* A description of one column of that table fits the text. */
static bool
named(const char *text, uint32_t table)
{
	uint8_t d[] = {0, 1, 'i', 'd', 0, 0, 0, 0, 0, 0, 1, /* field, table, column */
		       0, 0, 0, 23, 0, 4, 255, 255, 255, 255, 0, 0};
	struct pg_fields fields;

	put_be32(d + 5, table);
	CHECK_INT(pg_read_row_description(slice_of(d, sizeof(d)), &fields), PG_R_OK);
	return gate_result_named(session, gate_facts(gate, slice_str(text)), fields, false, &arena);
}

static void
another_path(void)
{
	struct stage st = staged(both);

	open_all(&st);
	path("a");
	CHECK_SLICE(schemas("select id from t"), "a ");
	CHECK(named("select id from t", 101));
	path("b, a");
	CHECK_SLICE(schemas("select id from t"), "b ");
	CHECK(named("select id from t", 102));
	CHECK(!named("select id from t", 101));
	path("a");
	CHECK_SLICE(schemas("select id from t"), "a ");
	CHECK(!named("select id from t", 102));
	close_all();
}

static void
another_catalog(void)
{
	struct stage st = staged(both), again = staged(both), next = staged(moved);
	struct catalog_ref *catalogs[] = {st.catalog, again.catalog, next.catalog};

	epoch_unref(again.epoch);
	epoch_unref(next.epoch);
	catalog_ref_get(st.catalog);
	open_all(&st);
	path("a, b");
	/* Often enough that places in the memory are used again. */
	for (int i = 0; i < 200; i++) {
		bool gone = i % 3 == 2;

		gate_set_catalog(gate, 0, catalog_ref_get(catalogs[i % 3]), NULL,
				 (struct catalog_age){0});
		for (int k = 0; k < 2; k++)
			CHECK_SLICE(schemas("select id from t"), gone ? "b " : "a ");
		CHECK(named("select id from t", 101) != gone);
	}
	for (size_t i = 0; i < COUNT_OF(catalogs); i++)
		catalog_ref_put(catalogs[i]);
	close_all();
}

static void
another_policy(void)
{
	struct stage st = staged(both), next = staged(both);
	struct config_principal *who =
		(struct config_principal *) (uintptr_t) next.epoch->config.principals;

	catalog_ref_put(next.catalog);
	open_all(&st);
	path("a");
	CHECK_SLICE(schemas("select id from t"), "a ");
	CHECK_INT(gate_user_kind(session), PRINCIPAL_AGENT);
	who->kind = PRINCIPAL_HUMAN;
	gate_set_epoch(gate, next.epoch);
	CHECK_INT(gate_user_kind(session), PRINCIPAL_HUMAN); /* at once, not with a command */
	CHECK_SLICE(schemas("select id from t"), "a ");
	CHECK(named("select id from t", 101));
	close_all();
}

/* More texts than there is room for, and in turn: each means its own. */
static void
another_text(void)
{
	struct stage st = staged(both);

	open_all(&st);
	path("a, b");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5000; i++) {
			const char *table = i % 3 == 0 ? "t" : i % 3 == 1 ? "u" : "v";
			char *text = arena_printf(&arena, "select id as c%d from %s", i, table);

			if (!slice_is(schemas(text), i % 3 == 2 ? "b " : "a "))
				CHECK(!"the text means its own table");
			arena_reset(&arena);
		}
	}
	CHECK_SLICE(schemas("select 1 from t, b.t x, u, b.u y, v"), "a b a b b ");
	CHECK_SLICE(schemas("select 1 from t, b.t x, u, b.u y, v"), "a b a b b ");
	close_all();
}

TEST_MAIN(TEST(another_path), TEST(another_catalog), TEST(another_policy), TEST(another_text))
