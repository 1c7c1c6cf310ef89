/* SPDX-License-Identifier: MIT
 *
 * Between grammar/lexer.re, which finds where a token ends, and compiler/lex.c, which makes it one.
 */
#ifndef WEIR_COMPILER_LEX_INTERNAL_H
#define WEIR_COMPILER_LEX_INTERNAL_H

#include "compiler/lex.h"

struct lexer {
	struct diag_queue *q;
	struct interner *in;
	struct tokens *out;
	struct slice text;
	uint32_t file;
	unsigned newlines; /* since the last token */
};

void lex_scan(struct lexer *lx); /* generated */

void lex_newline(struct lexer *lx);
void lex_comment(struct lexer *lx, struct slice s);
void lex_name(struct lexer *lx, struct slice s);
void lex_pattern(struct lexer *lx, struct slice s);
void lex_foreign(struct lexer *lx, struct slice s);
void lex_number(struct lexer *lx, struct slice s);
void lex_bad_number(struct lexer *lx, struct slice s);
void lex_clock(struct lexer *lx, struct slice s);
void lex_address(struct lexer *lx, struct slice s);
void lex_string(struct lexer *lx, struct slice s);
void lex_open_string(struct lexer *lx, struct slice s);
void lex_regex(struct lexer *lx, struct slice s);
void lex_open_regex(struct lexer *lx, struct slice s);
void lex_mark(struct lexer *lx, int code, struct slice s);
void lex_bad_character(struct lexer *lx, struct slice s);

#endif
