/* SPDX-License-Identifier: MIT
 *
 * For tests/lang/lang_test.py: prints the syntax tree of a policy on standard output and its
 * diagnostics on standard error. `lang_dump [--json] FILE`; exits 0 clean, 1 with errors.
 */
#include "compiler/parse.h"

#include <stdio.h>
#include <string.h>

int
main(int argc, char **argv)
{
	bool json = argc > 2 && strcmp(argv[1], "--json") == 0;
	struct sources sources;
	struct diag_queue q;
	struct arena arena;
	struct buf out = {0}, text = {0};
	struct policy *p;

	if (argc < 2)
		return 2;
	arena_init(&arena, 0);
	sources_init(&sources, &arena);
	diag_init(&q, &sources, &arena);
	p = parse_policy(&arena, &q, argv[argc - 1], NULL);
	ast_dump(p, &out);
	fwrite(out.p, 1, out.n, stdout);
	if (json)
		diag_print_json(&q, &text);
	else
		diag_print(&q, &text, false);
	if (text.n)
		fwrite(text.p, 1, text.n, stderr);
	buf_fini(&out);
	buf_fini(&text);
	json = !diag_ok(&q);
	arena_fini(&arena);
	return json;
}
