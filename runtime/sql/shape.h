/* SPDX-License-Identifier: MIT
 *
 * PostgreSQL's lexical rules (scan.l of 15, standard_conforming_strings = on) as one re2c
 * automaton, and the shape of a statement: its tokens with literals replaced by their kind,
 * comments and white space gone. Two texts of equal shape have the same parse tree except for the
 * values of literals.
 *
 * Literals are merged only while they can be nothing but values: in a message whose statements all
 * begin with SELECT, INSERT, UPDATE, DELETE, VALUES, TABLE, WITH or a parenthesis. In any other
 * (SET, COPY, DECLARE, EXPLAIN ...) they are kept verbatim. Facts that still depend on a literal's
 * value (ORDER BY 2, set_config('role', ...)) are marked so by the analyser and cached by exact
 * text.
 *
 * Every text must be followed by a NUL byte, which its length does not count (strings of the
 * protocol are). Offsets and lengths are bytes.
 */
#ifndef WEIR_SQL_SHAPE_H
#define WEIR_SQL_SHAPE_H

#include "base/buf.h"
#include "base/slice.h"

enum sql_token_kind {
	SQL_TOK_END,
	SQL_TOK_IDENT,	 /* identifier or keyword; not folded here, the shape folds A-Z */
	SQL_TOK_QIDENT,	 /* "quoted" */
	SQL_TOK_UIDENT,	 /* U&"..." */
	SQL_TOK_ICONST,	 /* decimal that fits in int32 */
	SQL_TOK_FCONST,	 /* any other number */
	SQL_TOK_SCONST,	 /* '...' with its continuations, E'...', $tag$...$tag$ */
	SQL_TOK_USCONST, /* U&'...' */
	SQL_TOK_BCONST,	 /* B'...' */
	SQL_TOK_XCONST,	 /* X'...' */
	SQL_TOK_NCHAR,	 /* the N of N'...'; the string follows as SCONST */
	SQL_TOK_PARAM,	 /* $1 */
	SQL_TOK_OP,	 /* operator, or one of :: .. := => <= >= <> != */
	SQL_TOK_SELF,	 /* one of , ( ) [ ] . ; : + - * / % ^ < > = */
	SQL_TOK_ERROR,	 /* what PostgreSQL's scanner refuses as well, or a form left to it */
};

struct sql_token {
	enum sql_token_kind kind;
	uint32_t at, n;
};

/* Scans one token from *at, which is advanced past it. END at the end of the text; after ERROR the
 * rest is not scanned (token.at is where it begins). */
struct sql_token sql_token_next(struct slice text, uint32_t *at);

/* Why a text has no shape. */
enum sql_shape_status {
	SQL_SHAPE_OK,
	SQL_SHAPE_ERROR, /* the scanner stopped at error_at: a syntax error, or left to the parser
			  */
	SQL_SHAPE_LONG,	 /* over the limit given, or over 1 GiB */
	SQL_SHAPE_DEEP,	 /* brackets nest deeper than the limit given */
	SQL_SHAPE_MEMORY,
};

struct sql_shape {
	enum sql_shape_status status;
	struct slice bytes; /* in the caller's buffer; injective over token sequences */
	uint64_t hash[2];   /* XXH3-128 of bytes, with this process's secret */
	uint32_t n_tokens, n_literals;
	uint32_t max_param; /* highest $n */
	uint32_t error_at;
	bool verbatim; /* literals were kept */
	bool unusual; /* U& forms, non-ASCII identifiers folded by no table here, over-long names */
};

/* Draws the secret of this process; call once before any thread hashes. */
void sql_shape_init(void);
uint64_t sql_shape_seed(void); /* part of that secret, for other keyed hashes */

/* scratch is reset and holds the shape until it is used again. It grows to at most 3 n + 32 bytes.
 */
void sql_shape(struct slice text, uint32_t max_bytes, uint32_t max_depth, struct buf *scratch,
	       struct sql_shape *out);

/* Where token number `ordinal` (from 0) lies; false when the text has fewer. Walks the text: for
 * messages about a refusal, not for the path of every statement. */
bool sql_token_find(struct slice text, uint32_t ordinal, struct sql_token *out);

/* 22021 (character_not_in_repertoire) when the text holds a NUL or is not well-formed UTF-8 (RFC
 * 3629: no overlong forms, no surrogates, at most U+10FFFF); NULL when it is fine. */
enum sql_text_status { SQL_TEXT_OK, SQL_TEXT_NUL, SQL_TEXT_UTF8 };
enum sql_text_status sql_text_ok(struct slice text, uint32_t *at);

#endif
