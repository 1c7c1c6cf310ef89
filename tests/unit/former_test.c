/* SPDX-License-Identifier: MIT
 *
 * What columns were once called: what is noted, what is left of it when they are renamed, detached
 * or gone, what is said of it; and that bytes which nobody wrote are refused.
 */
#include "compiler/compile.h"
#include "gate/former.h"
#include "tests/unit/test.h"

static struct arena arena; /* of the test that runs; zeroed is empty */

static const struct image *
image_of(const char *data)
{
	static const struct image_trust trust = {.allow_unsigned = true};
	struct slice s = slice_str(arena_printf(&arena, "policy p\n%s\nallow a do sql\n", data));
	struct compile_options options = {.text = &s};
	struct image_error err;
	struct sources sources;
	struct image *img = NULL;
	struct diag_queue q;
	struct buf b = {0};

	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	if (compile_policy("p.weir", &arena, &q, &b, &options, NULL))
		img = image_load(&arena, buf_slice(&b), &trust, &err);
	else
		diag_report(&q);
	buf_fini(&b);
	assert(img != NULL);
	return img;
}

/* Lines "OID SCHEMA TABLE COLUMN ...", a column called - is gone, "< OID" behind a table inherits. */
static struct catalog *
catalog_of(const char *const *tables)
{
	struct catalog_build *b = catalog_build_start();
	const char *error;
	bool good = catalog_build_row(
		b, CATALOG_Q_SETTINGS, (struct slice[]){SLICE_LIT("search_path"), {0}}, 2);

	for (; good && *tables; tables++) {
		struct slice w[12];
		char number[4] = "1";
		unsigned n = 0;

		for (const char *p = *tables; n < COUNT_OF(w) && *p; p += *p == ' ') {
			size_t len = strcspn(p, " ");

			w[n++] = slice_of(p, len);
			p += len;
		}
		good = catalog_build_row(b, CATALOG_Q_RELATIONS,
					 (struct slice[]){w[0], w[1], w[2], SLICE_LIT("r"),
							  SLICE_LIT("p"), SLICE_LIT("f"),
							  SLICE_LIT("7")}, 7);
		for (unsigned i = 3; good && i < n && !slice_is(w[i], "<"); i++, number[0]++)
			good = catalog_build_row(
				b, CATALOG_Q_COLUMNS,
				(struct slice[]){w[0], slice_str(number), w[i], SLICE_LIT("25"),
						 slice_is(w[i], "-") ? SLICE_LIT("t")
								     : SLICE_LIT("f"),
						 SLICE_LIT("text"), SLICE_LIT("pg_catalog"),
						 SLICE_LIT("25"), SLICE_LIT("-1")}, 9);
		if (good && n > 5 && slice_is(w[n - 2], "<"))
			good = catalog_build_row(b, CATALOG_Q_PARENTS,
						 (struct slice[]){w[0], w[n - 1]}, 2);
	}
	assert(good);
	return catalog_build_finish(b, &error);
}

#define CATALOG(...) catalog_of((const char *const[]){__VA_ARGS__, NULL})

/* "OID.NUMBER SCHEMA.TABLE.COLUMN, ..." */
static const char *
list(const struct former *f)
{
	const char *s = "";

	for (size_t i = 0; f && i < f->n; i++)
		s = arena_printf(&arena, "%s%s%u.%d %.*s.%.*s.%.*s", s, i ? ", " : "", f->v[i].oid,
				 f->v[i].attnum, SLICE_ARG(f->v[i].schema),
				 SLICE_ARG(f->v[i].table), SLICE_ARG(f->v[i].column));
	return s;
}

static const char *
note(struct former **known, const char *data, const struct catalog *cat)
{
	struct former *now = former_note(*known, image_of(data), cat);

	if (!now)
		return "nothing new";
	former_free(*known);
	*known = now;
	return list(now);
}

static const char *
moved(const struct former *known, const struct catalog *cat)
{
	struct former *f = former_moved(&known, 1, cat);
	const char *s = list(f);

	former_free(f);
	return s;
}

#define CHECK_TEXT(got, want) CHECK_SLICE(slice_str(got), want)
#define PAN "data pan = column pay.cards.pan"

static void
names_stay(void)
{
	struct catalog *was = CATALOG("20 pay cards id pan", "30 open t pan"),
		       *is = CATALOG("20 old cards id number", "30 pay cards pan"),
		       *gone = CATALOG("20 old cards id -", "30 pay cards pan");
	struct former *known = NULL;
	size_t n;

	CHECK_TEXT(note(&known, PAN, was), "20.2 pay.cards.pan");
	CHECK_TEXT(note(&known, PAN, was), "nothing new");
	CHECK_TEXT(moved(known, was), "");
	CHECK_TEXT(moved(known, is), "20.2 pay.cards.pan");
	CHECK_TEXT(note(&known, PAN, is), "20.2 pay.cards.pan, 30.1 pay.cards.pan");
	CHECK(former_find(known, 20, 2, &n) == known->v && n == 1);
	CHECK(former_find(known, 30, 0, &n) == known->v + 1 && n == 1);
	CHECK(!former_find(known, 20, 1, &n) && n == 0);
	CHECK(!former_find(NULL, 20, 2, &n) && n == 0);
	/* A policy that covers nothing forgets nothing; a column that is gone is. */
	CHECK_TEXT(note(&known, "data pan = column pay.cards.other", is), "nothing new");
	CHECK_TEXT(note(&known, PAN, gone), "30.1 pay.cards.pan");
	former_free(known);
	catalog_free(was);
	catalog_free(is);
	catalog_free(gone);
	arena_fini(&arena);
}

/* Who renames in a loop makes no long list. */
static void
patterns_need_one_name(void)
{
	static const char data[] = "data pan = column pay.cards_*.pan, column pay.*.pan";
	struct former *known = NULL;

	for (int i = 0; i < 9; i++) {
		const char *line = arena_printf(&arena, "20 pay cards_%d pan", i);
		struct catalog *c = CATALOG(line);

		CHECK_TEXT(note(&known, data, c), i ? "nothing new" : "20.1 pay.cards_0.pan");
		CHECK_TEXT(moved(known, c), i ? "20.1 pay.cards_0.pan" : "");
		if (i == 8)
			CHECK_TEXT(note(&known, "data x = column pay.cards_8.pan", c),
				   "20.1 pay.cards_0.pan, 20.1 pay.cards_8.pan");
		catalog_free(c);
	}
	CHECK_INT(known->most, 2);
	former_free(known);
	arena_fini(&arena);
}

static void
children_keep_what_they_inherit(void)
{
	struct catalog *was = CATALOG("20 pay cards pan", "30 pay old pan note < 20"),
		       *is = CATALOG("20 pay cards pan", "30 pay old pan note"),
		       *both = CATALOG("20 pay cards number", "30 pay old number note < 20");
	struct former *known = NULL;

	CHECK_TEXT(note(&known, PAN, was), "20.1 pay.cards.pan, 30.1 pay.cards.pan");
	CHECK_TEXT(moved(known, was), "");
	CHECK_TEXT(moved(known, is), "30.1 pay.cards.pan");
	CHECK_TEXT(moved(known, both), "20.1 pay.cards.pan, 30.1 pay.cards.pan");
	former_free(known);
	catalog_free(was);
	catalog_free(is);
	catalog_free(both);
	arena_fini(&arena);
}

/* Below a column that was renamed before; and two levels below. */
static void
children_of_what_was_renamed(void)
{
	struct catalog *was = CATALOG("20 pay cards pan"),
		       *is = CATALOG("20 pay cards number", "30 pay late id number < 20",
				     "40 pay later number < 30"),
		       *apart = CATALOG("20 pay cards number", "30 pay late id number",
					"40 pay later number");
	struct former *known = NULL;

	CHECK_TEXT(note(&known, PAN, was), "20.1 pay.cards.pan");
	CHECK_TEXT(note(&known, PAN, is),
		   "20.1 pay.cards.pan, 30.2 pay.cards.pan, 40.1 pay.cards.pan");
	CHECK_TEXT(note(&known, PAN, is), "nothing new");
	CHECK_TEXT(moved(known, apart),
		   "20.1 pay.cards.pan, 30.2 pay.cards.pan, 40.1 pay.cards.pan");
	former_free(known);
	catalog_free(was);
	catalog_free(is);
	catalog_free(apart);
	arena_fini(&arena);
}

static const char *
only(const char *data, const struct former *known, const struct catalog *cat)
{
	struct former *f = former_moved(&known, 1, cat);
	struct buf out = {0};
	const char *s;

	(void) former_only(f, image_of(data), cat, &out);
	s = arena_str(&arena, buf_slice(&out));
	buf_fini(&out);
	former_free(f);
	return s;
}

static void
what_is_said(void)
{
	struct catalog *was = CATALOG("20 pay cards id pan"), *is = CATALOG("20 pay cards id n\nr");
	struct former *known = NULL;

	CHECK_TEXT(note(&known, PAN ", column *.cards.pan", was), "20.2 pay.cards.pan");
	CHECK_TEXT(only(PAN, known, was), "");
	CHECK_TEXT(only(PAN, known, is), "\"pay.cards.n\\nr\" was \"pay.cards.pan\" (data pan)");
	CHECK_TEXT(only("data pan = column pay.cards.*", known, is), "");
	CHECK_TEXT(only("data pan = column pay.cards.id", known, is), "");
	former_free(known);
	catalog_free(was);
	catalog_free(is);
	arena_fini(&arena);
}

static struct former *
get(struct slice bytes, bool *done)
{
	struct cbor_reader r;
	struct former *f;

	cbor_reader_init(&r, bytes);
	f = former_get(&r);
	*done = cbor_done(&r);
	return f;
}

/* Cut anywhere, with any byte another: it is refused, or is names. */
static void
bytes(void)
{
	struct catalog *c = CATALOG("20 pay cards pan pin", "70000 pay old pan < 20");
	struct former *known = NULL, *f;
	struct buf b = {0};
	bool done;

	(void) note(&known, PAN ", column *.*.pin", c);
	former_put(known, &b);
	f = get(buf_slice(&b), &done);
	CHECK(f && done);
	CHECK_TEXT(list(f), list(known));
	CHECK_INT(f->most, known->most);
	former_free(f);
	for (size_t i = 0; i < b.n; i++) {
		f = get(slice_of(b.p, i), &done);
		CHECK(!f);
		former_free(f);
		for (int x = 1; x < 256; x++) {
			b.p[i] ^= (uint8_t) x;
			f = get(buf_slice(&b), &done);
			for (size_t k = 0; f && k < f->n; k++)
				CHECK(f->v[k].oid && f->v[k].attnum > 0 && f->v[k].column.n);
			former_free(f);
			b.p[i] ^= (uint8_t) x;
		}
	}
	buf_fini(&b);
	former_free(known);
	catalog_free(c);
	arena_fini(&arena);
}

TEST_MAIN(TEST(names_stay), TEST(patterns_need_one_name), TEST(children_keep_what_they_inherit),
	  TEST(children_of_what_was_renamed), TEST(what_is_said), TEST(bytes))
