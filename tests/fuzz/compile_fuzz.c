/* SPDX-License-Identifier: MIT
 *
 * Any text through the whole compiler. What compiles must load: the checker and the emitter never
 * make what the loader refuses.
 */
#include "compiler/compile.h"
#include "vm/exec.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct image_trust trust = {.allow_unsigned = true};
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

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	text = arena_copy(&arena, slice_of(data, n));
	if (compile_policy("a.weir", &arena, &q, &out, &options, NULL)) {
		img = image_load(&arena, buf_slice(&out), &trust, &err);
		if (!img)
			fprintf(stderr, "%s\n", err.text);
		assert(img);
		vm_decide(img, ENTRY_COMMAND, &nothing, &d);
		assert(d.ops <= img->entry[ENTRY_COMMAND].cost);
	} else {
		assert(!diag_ok(&q));
	}
	diag_print(&q, &said, false);
	buf_fini(&said);
	buf_fini(&out);
	arena_fini(&arena);
	return 0;
}
