/* SPDX-License-Identifier: MIT
 *
 * Any text through lexer, parser, diagnostics and fmt. fmt itself asserts that its output formats
 * to itself and keeps the tree. Imports find the same text again, which is a cycle or a repeat.
 */
#include "compiler/fmt.h"
#include "compiler/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
load(void *ctx, struct arena *arena UNUSED, const char *path UNUSED, struct slice *text,
     const char **error UNUSED)
{
	*text = *(const struct slice *) ctx;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = slice_of(data, n);
	struct parse_loader loader = {.load = load, .ctx = &text};
	struct buf dump = {0}, said = {0}, formatted = {0};
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	bool clean, ok;

	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	ast_dump(parse_policy_text(&arena, &q, "a.weir", text, n % 2 ? &loader : NULL), &dump);
	clean = diag_ok(&q);
	diag_print(&q, &said, n % 3);
	diag_print_json(&q, &said);
	diag_init(&q, &sources, &arena);
	ok = fmt_policy(&arena, &q, "a.weir", text, &formatted);
	assert(!clean || ok);
	buf_fini(&dump);
	buf_fini(&said);
	buf_fini(&formatted);
	arena_fini(&arena);
	return 0;
}
