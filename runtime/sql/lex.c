/* SPDX-License-Identifier: MIT
 *
 * The parts of PostgreSQL's lexical rules that are loops rather than patterns: comments that nest,
 * quoted forms, dollar quotes, where an operator ends. Rule names in comments are scan.l's.
 */
#include "sql/lex.h"

bool
sql_lex_comment(const uint8_t **p)
{
	const uint8_t *c = *p;
	unsigned depth = 1;

	for (; *c; c++) {
		if (c[0] == '/' && c[1] == '*') {
			depth++;
			c++;
		} else if (c[0] == '*' && c[1] == '/') {
			c++;
			if (--depth == 0) {
				*p = c + 1;
				return true;
			}
		}
	}
	*p = c;
	return false;
}

enum continuation { CONTINUES, ENDS, COMMENTED };

/* quotecontinue: white space with at least one newline in it, then a quote. The server lets `--`
 * comments stand in between; libpg_query, which keeps comments as tokens, does not, so the two
 * would read such a text differently: it is refused. */
static enum continuation
continuation(const uint8_t **p)
{
	const uint8_t *c = *p;
	bool newline = false, comment = false;

	for (;; c++) {
		if (*c == '\n' || *c == '\r') {
			newline = true;
		} else if (c[0] == '-' && c[1] == '-') {
			comment = true;
			while (c[1] && c[1] != '\n' && c[1] != '\r')
				c++;
		} else if (*c != ' ' && *c != '\t' && *c != '\f') {
			break;
		}
	}
	if (!newline || *c != '\'')
		return ENDS;
	*p = c + 1;
	return comment ? COMMENTED : CONTINUES;
}

bool
sql_lex_string(const uint8_t **p, enum sql_lex_string kind)
{
	const uint8_t *c = *p;

	for (;;) {
		while (*c && *c != '\'' && *c != '\\')
			c++;
		if (*c == '\\') {
			c += kind == LEX_ESCAPES && c[1] ? 2 : 1;
		} else if (*c == '\'') {
			enum continuation more;

			if (*++c == '\'' && kind != LEX_BITS) { /* xqdouble */
				c++;
				continue;
			}
			more = continuation(&c);
			if (more != CONTINUES) {
				*p = c;
				return more == ENDS;
			}
		} else {
			*p = c;
			return false;
		}
	}
}

bool
sql_lex_name(const uint8_t **p)
{
	const uint8_t *c = *p;

	for (;; c++) {
		if (*c == '"') {
			if (c[1] != '"')
				break;
			c++;
		} else if (!*c) {
			*p = c;
			return false;
		}
	}
	if (c == *p) /* zero-length name */
		return false;
	*p = c + 1;
	return true;
}

bool
sql_lex_dollar(const uint8_t *tag, const uint8_t **p)
{
	size_t n = (size_t)(*p - tag);
	const uint8_t *c = *p;

	for (; *c; c++) {
		if (*c == '$' && strncmp((const char *)c, (const char *)tag, n) == 0) {
			*p = c + n;
			return true;
		}
	}
	*p = c;
	return false;
}

enum sql_token_kind
sql_lex_integer(const uint8_t *s, const uint8_t *end)
{
	uint64_t v = 0;

	for (; s < end; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > INT32_MAX)
			return SQL_TOK_FCONST;
	}
	return SQL_TOK_ICONST;
}

bool
sql_lex_param(const uint8_t *s, const uint8_t *end)
{
	uint32_t v = 0;

	/* The server reads more digits with atol() and wraps; nobody needs them. */
	for (s++; s < end; s++) {
		v = v * 10 + (uint32_t)(*s - '0');
		if (v > UINT16_MAX)
			return false;
	}
	return true;
}

/* "operator": it ends before a comment starts; and a trailing + or - belongs to the next token
 * unless a character that SQL's own operators lack comes before it. */
const uint8_t *
sql_lex_operator(const uint8_t *s, const uint8_t *end)
{
	bool special = false;
	const uint8_t *c;

	for (c = s; c < end; c++) {
		if (c + 1 < end && ((c[0] == '/' && c[1] == '*') || (c[0] == '-' && c[1] == '-')))
			break;
		if (strchr("~!@#^&|`?%", *c) && *c)
			special = true;
	}
	end = c;
	if (end - s > 1 && (end[-1] == '+' || end[-1] == '-') && !special) {
		while (end - s > 1 && (end[-1] == '+' || end[-1] == '-'))
			end--;
	}
	return end;
}

enum sql_token_kind
sql_lex_operator_kind(const uint8_t *s, const uint8_t *end)
{
	return end - s == 1 && strchr("+-*/%^<>=", *s) && *s ? SQL_TOK_SELF : SQL_TOK_OP;
}
