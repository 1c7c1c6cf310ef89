/* SPDX-License-Identifier: MIT
 *
 * Any text through the whole compiler. What compiles must load: the checker and the emitter never
 * make what the loader refuses. What explains decisions agrees with the machine (it asserts that),
 * and what diagnostics suggest can be applied.
 */
#include "compiler/compile.h"
#include "compiler/explain.h"
#include "compiler/fix.h"
#include "compiler/sarif.h"
#include "vm/exec.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct image_trust trust = {.allow_unsigned = true};
	static const struct fix_asked asked = {
		.of[DIAG_SELF_APPROVAL] = true, .of[DIAG_DEFAULT_ALLOW] = true};
	struct slice text;
	struct compile_options options = {.text = &text};
	struct facts nothing = {0};
	struct buf out = {0}, said = {0};
	struct image_error err;
	struct decision d;
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct image *img;
	struct checked *checked;
	struct explained x;
	struct slice fixed[1];

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	text = arena_copy(&arena, slice_of(data, n));
	if (compile_policy_checked("a.weir", &arena, &q, &out, &options, NULL, &checked)) {
		img = image_load(&arena, buf_slice(&out), &trust, &err);
		if (!img)
			fprintf(stderr, "%s\n", err.text);
		assert(img);
		vm_decide(img, ENTRY_COMMAND, &nothing, &d);
		assert(d.ops <= img->entry[ENTRY_COMMAND].cost);
		for (int e = 0; e < ENTRY_COUNT; e++)
			explain(checked, img, (enum vm_entry) e, &nothing, &arena, &x);
	} else {
		assert(!diag_ok(&q));
	}
	diag_print(&q, &said, false);
	sarif_print(&q, "0", &said);
	if (sources.n == 1)
		fix_apply(&q, &asked, &arena, fixed, &said);
	buf_fini(&said);
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
