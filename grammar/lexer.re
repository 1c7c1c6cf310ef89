/* SPDX-License-Identifier: MIT
 *
 * The tokens of the policy language and of the configuration (re2c). If this is C with `goto`s,
 * you are reading the generated file: edit grammar/lexer.re.
 *
 * The text was checked by lex_check_text before: valid UTF-8, no NUL, no invisible characters. It
 * has a NUL behind its last byte, where the rule $ ends the scan.
 */
#include "compiler/lex_internal.h"

#include "policy.h"

void
lex_scan(struct lexer *lx)
{
	const uint8_t *YYCURSOR = lx->text.p, *YYMARKER = YYCURSOR;
	const uint8_t *const YYLIMIT = lx->text.p + lx->text.n;

	for (;;) {
		const uint8_t *start = YYCURSOR;
#define HERE slice_of(start, (size_t) (YYCURSOR - start))
		/*!re2c
		re2c:define:YYCTYPE = "uint8_t";
		re2c:yyfill:enable  = 0;
		re2c:eof            = 0;

		digit    = [0-9];
		hex      = [0-9a-fA-F];
		letter   = [a-zA-Z_];
		high     = [\x80-\xff];
		part     = letter [a-zA-Z0-9_]* ("-" [a-zA-Z0-9_]+)*;
		globpart = [a-zA-Z_*] [a-zA-Z0-9_*]* ("-" [a-zA-Z0-9_*]+)*;
		name     = part ("." part)*;
		pattern  = globpart ("." globpart)*;
		foreign  = ([a-zA-Z0-9_.-]* high)+ [a-zA-Z0-9_.-]*;
		number   = "-"? digit+ [a-zA-Z]*;
		ipv4     = digit{1,3} "." digit{1,3} "." digit{1,3} "." digit{1,3};
		group    = hex{0,4} ":";
		ipv6     = group{2,7} hex{0,4} | group{2,6} ipv4;
		address  = (ipv4 | ipv6) ("/" digit+)?;
		dotted   = "-"? digit+ ("." digit*)+;
		clock    = digit{1,2} ":" digit{2};
		char     = [^"\\\n\x00] | "\\" [^\n\x00];

		rechar   = [^/\\\n\x00] | "\\" [^\n\x00];

		$                    { return; }
		[ \t\r]+             { continue; }
		"\n"                 { lex_newline(lx); continue; }
		"#" [^\n\x00]*       { lex_comment(lx, HERE); continue; }
		name                 { lex_name(lx, HERE); continue; }
		pattern              { lex_pattern(lx, HERE); continue; }
		foreign              { lex_foreign(lx, HERE); continue; }
		number               { lex_number(lx, HERE); continue; }
		clock                { lex_clock(lx, HERE); continue; }
		address              { lex_address(lx, HERE); continue; }
		dotted               { lex_bad_number(lx, HERE); continue; }
		"\"" char* "\""      { lex_string(lx, HERE); continue; }
		"\"" char* "\\"?     { lex_open_string(lx, HERE); continue; }
		"/" rechar* "/" [a-zA-Z0-9_]* { lex_regex(lx, HERE); continue; }
		"/" rechar* "\\"?     { lex_open_regex(lx, HERE); continue; }
		"="                  { lex_mark(lx, TK_EQ, HERE); continue; }
		"!="                 { lex_mark(lx, TK_NE, HERE); continue; }
		"<"                  { lex_mark(lx, TK_LT, HERE); continue; }
		"<="                 { lex_mark(lx, TK_LE, HERE); continue; }
		">"                  { lex_mark(lx, TK_GT, HERE); continue; }
		">="                 { lex_mark(lx, TK_GE, HERE); continue; }
		"("                  { lex_mark(lx, TK_LP, HERE); continue; }
		")"                  { lex_mark(lx, TK_RP, HERE); continue; }
		"{"                  { lex_mark(lx, TK_LBRACE, HERE); continue; }
		".{"                 { lex_mark(lx, TK_DOT_LBRACE, HERE); continue; }
		"}"                  { lex_mark(lx, TK_RBRACE, HERE); continue; }
		"["                  { lex_mark(lx, TK_LBRACKET, HERE); continue; }
		"]"                  { lex_mark(lx, TK_RBRACKET, HERE); continue; }
		","                  { lex_mark(lx, TK_COMMA, HERE); continue; }
		":"                  { lex_mark(lx, TK_COLON, HERE); continue; }
		"|"                  { lex_mark(lx, TK_BAR, HERE); continue; }
		*                    { lex_bad_character(lx, HERE); continue; }
		*/
	}
}
