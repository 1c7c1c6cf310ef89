/* SPDX-License-Identifier: MIT
 *
 * For tests/lang/lang_test.py: prints the syntax tree of a policy on standard output and its
 * diagnostics on standard error. `lang_dump [--json] FILE`; exits 0 clean, 1 with errors.
 * `lang_dump --trace FILE` prints what the parser does in place of the tree: which tokens it takes,
 * which rules of the grammar it reduces by (tests/manual_test.py).
 */
#include "compiler/parse.h"

#include <stdio.h>
#include <string.h>

/* Of the generated parser. */
void policy_parseTrace(FILE *out, char *prompt);

int
main(int argc, char **argv)
{
	bool json = argc > 2 && strcmp(argv[1], "--json") == 0;
	bool trace = argc > 2 && strcmp(argv[1], "--trace") == 0;
	static char prompt[] = "";
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
	if (trace)
		policy_parseTrace(stdout, prompt);
	p = parse_policy(&arena, &q, argv[argc - 1], &parse_file_loader);
	if (!trace)
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
