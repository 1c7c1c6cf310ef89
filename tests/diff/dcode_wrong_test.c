/* SPDX-License-Identifier: MIT
 *
 * A diagram that does not say what the rules say is left out of the image, and the warning does not
 * speak of policies that are too entangled. The comparison is not the real one here: no policy is
 * known whose diagram is wrong.
 */
#include "compiler/compile.h"
#include "compiler/dcode.h"

#include "tests/unit/test.h"

static const char *disagrees; /* "rule (entry point)"; NULL: it agrees */
static bool too_large;	      /* to be compared */

bool
dcode_agrees(struct space *s, struct slice *why, bool *unsure)
{
	(void) s;
	*unsure = too_large;
	if (!disagrees || too_large)
		return true;
	*why = slice_str(disagrees);
	return false;
}

static void
check_compiles(const char *want, bool has_diagram)
{
	static const char text[] = "policy shop\ngroup app = idp \"app\"\n"
				   "allow read who app do sql.select when table = \"app.t\"\n";
	const struct image_trust trust = {.allow_unsigned = true};
	struct slice s = slice_str(text);
	const struct compile_options options = {.text = &s};
	struct buf bytes = {0};
	struct arena arena;
	struct sources sources;
	struct diag_queue q;
	struct image_error err;
	struct image *img;
	bool has = false;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	REQUIRE(compile_policy("p.weir", &arena, &q, &bytes, &options, NULL));
	img = image_load(&arena, buf_slice(&bytes), &trust, &err);
	REQUIRE(img);
	CHECK((q.n_warnings > 0) == (want[0] != 0));
	for (const struct diag *d = q.first; d; d = d->next) { /* one of each entry point */
		CHECK_SLICE(slice_str(diag_code(d->id)), want);
		if (!too_large)
			CHECK(strstr(d->text, disagrees) && strstr(d->text, "report"));
	}
	for (int e = 0; e < ENTRY_COUNT; e++)
		has |= img->entry[e].n_diagram > 0;
	CHECK(has == has_diagram);
	buf_fini(&bytes);
	arena_fini(&arena);
}

static void
a_wrong_diagram_is_left_out_and_reported(void)
{
	check_compiles("", true);
	disagrees = "read (command)";
	check_compiles("W1227", false);
	too_large = true;
	check_compiles("W1226", false);
}

TEST_MAIN(TEST(a_wrong_diagram_is_left_out_and_reported))
