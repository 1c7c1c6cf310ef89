/* SPDX-License-Identifier: MIT
 *
 * Any bytes as an image. What the loader takes must run at every entry point, with nothing known
 * and with something known, within the cost it was promised, and must print.
 */
#include "vm/disasm.h"
#include "vm/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* With a diagram, which may be anybody's and say anything; then the list with an index, even where
 * the code is too short to deserve one, and without. */
static void
decide(struct image *img, enum vm_entry e, const struct facts *f, struct arena *arena,
       struct decision *d)
{
	const struct vm_index *index = img->entry[e].index;
	size_t n_diagram = img->entry[e].n_diagram;
	struct decision whole;
	bool too_big;

	vm_decide(img, e, f, &whole);
	assert(whole.ops <= img->entry[e].cost);
	img->entry[e].n_diagram = 0;
	img->entry[e].index = NULL;
	vm_decide(img, e, f, &whole);
	img->entry[e].index = vm_index_build(img, e, 1, arena, &too_big);
	vm_decide(img, e, f, d);
	img->entry[e].index = index;
	img->entry[e].n_diagram = n_diagram;
	assert(d->verdict == whole.verdict && d->by_default == whole.by_default);
	for (int r = -1; (r = decision_next(&whole, r)) >= 0;)
		assert(decision_next(d, r - 1) == r);
	for (int r = -1; (r = decision_next(d, r)) >= 0;)
		assert(decision_next(&whole, r - 1) == r);
	assert(d->ops <= whole.ops && whole.ops <= img->entry[e].cost);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct image_trust trust = {.allow_unsigned = true};
	const struct slice groups[] = {SLICE_LIT("ai-agents"), SLICE_LIT("dba-oncall")};
	const struct data_use use = {SLICE_LIT("payments"), SLICE_LIT("cards"), SLICE_LIT("pan"),
				     CONTEXT_BIT(JOIN) | CONTEXT_BIT(OUTPUT)};
	struct facts nothing = {0}, some = {.uses = &use, .n_uses = 1, .uses_known = true};
	struct image_error err;
	struct decision d, all;
	struct arena arena;
	struct image *img;
	struct buf out = {0};

	arena_init(&arena, 0);
	img = image_load(&arena, slice_of(data, n), &trust, &err);
	assert((img == NULL) == (err.code != IMAGE_OK));
	for (int e = 0; img && e < ENTRY_COUNT; e++) {
		facts_set(&some, FACT_USER_GROUPS, groups, 2);
		facts_int(&some, FACT_TARGET_PROTOCOL, PROTOCOL_POSTGRES);
		facts_string(&some, FACT_TARGET_NAME, SLICE_LIT("orders"));
		facts_int(&some, FACT_ACTION, ACTION_SQL_DROP);
		facts_bool(&some, FACT_SQL_WHERE, false);
		vm_join_init(&all);
		decide(img, (enum vm_entry) e, &nothing, &arena, &d);
		vm_join(&all, &d);
		decide(img, (enum vm_entry) e, &some, &arena, &d);
		vm_join(&all, &d);
		for (int r = -1; (r = decision_next(&all, r)) >= 0;)
			assert((size_t) r < img->n_rules);
		(void) vm_mask_for(img, &d, use.schema, use.table, use.column);
	}
	if (img)
		vm_disasm(&out, img);
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
