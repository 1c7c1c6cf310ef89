/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL 15's lexical rules (src/backend/parser/scan.l), standard_conforming_strings on. If you are
 * reading build/gen/sql_lex.c: this is generated from grammar/sql.re.
 *
 * The text ends with a NUL, which no rule crosses, so no limit is checked per byte. What scan.l reports
 * as an error, or as a stray character that no grammar rule accepts, is SQL_TOK_ERROR.
 * Quoted forms and comments are finished by lex_*() in runtime/sql/lex.c.
 */
#include "sql/lex.h"

#define DONE(ok, kind) return sql_lex_done(ok, kind, s, &YYCURSOR, start, end)

enum sql_token_kind
sql_lex(const uint8_t **start, const uint8_t **end)
{
	const uint8_t *YYCURSOR = *end, *YYMARKER, *s;

again:
	s = YYCURSOR;
	/*!re2c
	re2c:define:YYCTYPE = "uint8_t";
	re2c:yyfill:enable  = 0;
	re2c:indent:top     = 1;

	space       = [ \t\n\r\f];
	digit       = [0-9];
	ident_start = [A-Za-z_\x80-\xff];
	ident_cont  = [A-Za-z_\x80-\xff0-9$];
	op_char     = [~!@#^&|`?+*/%<>=-];
	dollar_tag  = "$" ([A-Za-z_\x80-\xff] [A-Za-z_\x80-\xff0-9]*)? "$";

	integer     = digit+;
	decimal     = digit* "." digit+ | digit+ "." digit*;
	real        = (integer | decimal) [Ee] [+-]? digit+;
	real_fail   = (integer | decimal) [Ee] [+-]?;
	junk        = (integer | decimal | real) ident_start | "$" digit+ ident_start;

	space+                        { goto again; }
	"--" [^\n\r\x00]*             { goto again; }
	"/*" op_char*                 { YYCURSOR = s + 2;
					if (sql_lex_comment(&YYCURSOR))
						goto again;
					DONE(false, SQL_TOK_ERROR); }

	ident_start ident_cont*       { DONE(true, SQL_TOK_IDENT); }
	"'"                           { DONE(sql_lex_string(&YYCURSOR, LEX_PLAIN), SQL_TOK_SCONST); }
	[eE] "'"                      { DONE(sql_lex_string(&YYCURSOR, LEX_ESCAPES), SQL_TOK_SCONST); }
	[bB] "'"                      { DONE(sql_lex_string(&YYCURSOR, LEX_BITS), SQL_TOK_BCONST); }
	[xX] "'"                      { DONE(sql_lex_string(&YYCURSOR, LEX_BITS), SQL_TOK_XCONST); }
	[uU] "&'"                     { DONE(sql_lex_string(&YYCURSOR, LEX_PLAIN), SQL_TOK_USCONST); }
	[nN] / "'"                    { DONE(true, SQL_TOK_NCHAR); }
	"\""                          { DONE(sql_lex_name(&YYCURSOR), SQL_TOK_QIDENT); }
	[uU] "&\""                    { DONE(sql_lex_name(&YYCURSOR), SQL_TOK_UIDENT); }
	dollar_tag                    { DONE(sql_lex_dollar(s, &YYCURSOR), SQL_TOK_SCONST); }

	integer / ".."                { DONE(true, sql_lex_integer(s, YYCURSOR)); }
	integer                       { DONE(true, sql_lex_integer(s, YYCURSOR)); }
	decimal | real                { DONE(true, SQL_TOK_FCONST); }
	junk | real_fail              { DONE(false, SQL_TOK_ERROR); }
	"$" digit+                    { DONE(sql_lex_param(s, YYCURSOR), SQL_TOK_PARAM); }

	"::" | ".." | ":="            { DONE(true, SQL_TOK_OP); }
	op_char+                      { YYCURSOR = sql_lex_operator(s, YYCURSOR);
					DONE(YYCURSOR - s < 64, sql_lex_operator_kind(s, YYCURSOR)); }
	[,()[\].;:]                   { DONE(true, SQL_TOK_SELF); }

	"\x00"                        { *start = *end = s;
					return SQL_TOK_END; }
	*                             { DONE(false, SQL_TOK_ERROR); }
	*/
}
