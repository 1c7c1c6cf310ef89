/* SPDX-License-Identifier: MIT
 *
 * Between the generated automaton (grammar/sql.re) and what finishes its longer tokens. Internal to
 * sql/. All of it stops at the NUL after the text.
 */
#ifndef WEIR_SQL_LEX_H
#define WEIR_SQL_LEX_H

#include "sql/shape.h"

/* Scans from *end; sets [*start, *end) to the token. */
enum sql_token_kind sql_lex(const uint8_t **start, const uint8_t **end);

/* Each begins after the opening characters and moves *p past the closing ones; false when the text
 * ends (or for a zero-length name) first. */
bool sql_lex_comment(const uint8_t **p);
/* With its continuations on further lines. Bit strings know no doubled quote. */
enum sql_lex_string { LEX_PLAIN, LEX_ESCAPES, LEX_BITS };
bool sql_lex_string(const uint8_t **p, enum sql_lex_string kind);
bool sql_lex_name(const uint8_t **p);
bool sql_lex_dollar(const uint8_t *tag, const uint8_t **p);

enum sql_token_kind sql_lex_integer(const uint8_t *s, const uint8_t *end);
/* a number a protocol parameter can have */
bool sql_lex_param(const uint8_t *s, const uint8_t *end);
/* Where an operator that began at s really ends. */
const uint8_t *sql_lex_operator(const uint8_t *s, const uint8_t *end);
enum sql_token_kind sql_lex_operator_kind(const uint8_t *s, const uint8_t *end);

static inline enum sql_token_kind
sql_lex_done(bool ok, enum sql_token_kind kind, const uint8_t *s, const uint8_t *const *e,
	 const uint8_t **start, const uint8_t **end)
{
	/* e is a pointer because `ok` may be a call that moves the cursor. */
	*start = s;
	*end = *e;
	return ok ? kind : SQL_TOK_ERROR;
}

#endif
