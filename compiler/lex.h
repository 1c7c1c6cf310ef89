/* SPDX-License-Identifier: MIT
 *
 * Text to tokens, for policies and configurations alike. A whole file is turned into one array
 * that ends with TK_END; comments are in it too (for fmt), everybody else skips them.
 * What is wrong is reported here and becomes the nearest sensible token, so the parser never
 * complains about it again.
 */
#ifndef WEIR_COMPILER_LEX_H
#define WEIR_COMPILER_LEX_H

#include "compiler/ast.h"
#include "compiler/diag.h"

/* Beside the codes of the generated policy.h. */
enum { TK_END = 0, TK_COMMENT = -1 };

enum word_class { WORD_NONE, WORD_DECL, WORD_CLAUSE, WORD_WORD };

struct symbol {
	struct symbol *next;
	const char *s;
	size_t len;
	uint64_t hash;
	int keyword; /* its token code, or 0 */
	enum word_class class;
};

struct interner {
	struct arena *arena;
	struct symbol **buckets;
	size_t n, cap; /* cap is a power of two */
};

void interner_init(struct interner *in, struct arena *arena); /* knows the keywords then */
struct symbol *intern(struct interner *in, struct slice s);

/* What the parser found a token to begin; for fmt, which must not guess. */
enum token_role { ROLE_NONE, ROLE_DECL, ROLE_CLAUSE };

struct token {
	int code;
	enum token_role role;
	bool line_start;	  /* the first token on its line */
	uint8_t newlines;	  /* line ends since the token before it, at most 2 */
	struct span at;
	const struct symbol *sym; /* names, patterns and keywords */
	struct slice string;	  /* strings: decoded, NUL-terminated besides */
	int64_t number;		  /* numbers, durations (ms), sizes (bytes), times (s), prefixes */
	struct cidr address;
};

struct tokens {
	struct token *v; /* v[n - 1] is TK_END */
	size_t n, cap;
	struct token *comments; /* of a policy that is parsed: those that were among them */
	size_t n_comments;
};

void lex(struct diag_queue *q, struct interner *in, uint32_t file, struct tokens *out);

/* The valid UTF-8 character at p and its length: the ASCII that it is taken for, or NULL. */
const char *lex_taken_for(const uint8_t *p, uint32_t *c, size_t *n);

/* How a message names a token code: "a name", "`who`". */
const char *token_code_name(int code);

#endif
