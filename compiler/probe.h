/* SPDX-License-Identifier: MIT
 *
 * For editors: what each token of a text is to the parser, and what could stand at the text's end.
 * Both are asked of the parser's own tables, so a new construct of the grammar is known here too.
 */
#ifndef WEIR_COMPILER_PROBE_H
#define WEIR_COMPILER_PROBE_H

#include "compiler/lex.h"

struct probe {
	struct token *v; /* with comments; v[n - 1] is TK_END; texts are slices of the text given */
	size_t n;
	bool *word;    /* per token: a keyword that is one here, and not a name */
	bool *may;     /* per token code: it could stand at the end, as itself */
	int n_codes;
};

void probe_text(struct arena *arena, struct slice text, struct probe *out);

/* The keyword with this token code; NULL: it is no keyword. */
const char *probe_keyword(int code);

/* Whether the clause that starts with one keyword can stand in a rule that starts with another. */
bool probe_rule_takes(int rule, int clause);

#endif
