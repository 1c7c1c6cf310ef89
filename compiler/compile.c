/* SPDX-License-Identifier: MIT */
#include "compiler/compile.h"

#include "compiler/image_build.h"

bool
compile_policy_checked(const char *path, struct arena *arena, struct diag_queue *q,
		       struct buf *out, const struct compile_options *options,
		       struct policy **tree, struct checked **checked)
{
	struct emitted code[ENTRY_COUNT];
	struct policy *p;
	bool good;
	const struct parse_loader *loader =
		options->loader ? options->loader : &parse_file_loader;

	p = options->text ? parse_policy_text(arena, q, path, *options->text, loader)
			  : parse_policy(arena, q, path, loader);
	if (tree)
		*tree = p;
	/* What was parsed is checked even then: all errors in one run. */
	*checked = check_policy(p, arena, q);
	good = diag_ok(q) && emit_policy(*checked, arena, q, code);
	if (good)
		image_build(*checked, code, q->sources, options, out);
	if (options->catalog) {
		*options->catalog = (struct catalog *) (uintptr_t) (*checked)->catalog;
		(*checked)->catalog = NULL;
	}
	checked_free(*checked);
	return good;
}

bool
compile_policy(const char *path, struct arena *arena, struct diag_queue *q, struct buf *out,
	       const struct compile_options *options, struct policy **tree)
{
	struct checked *checked;

	return compile_policy_checked(path, arena, q, out, options, tree, &checked);
}
