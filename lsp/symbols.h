/* SPDX-License-Identifier: MIT
 *
 * Where a policy says a name that means something: declarations and uses, from its syntax tree.
 */
#ifndef WEIR_LSP_SYMBOLS_H
#define WEIR_LSP_SYMBOLS_H

#include "base/arena.h"
#include "compiler/ast.h"
#include "vm/names.h"

enum symbol_kind {
	SYMBOL_POLICY,
	SYMBOL_GROUP,
	SYMBOL_TARGET,
	SYMBOL_DATA,
	SYMBOL_LET,
	SYMBOL_RULE,
	SYMBOL_DECLARED, /* those above are declared in policies, those below are built in */
	SYMBOL_FACT = SYMBOL_DECLARED,
	SYMBOL_ACTION, /* or a ready-made set */
	SYMBOL_MASK,
	SYMBOL_VALUE, /* of an enumeration: `type` */
	SYMBOL_CONTEXT,
	SYMBOL_PER,
	SYMBOL_WORD, /* of an expression, known to nobody */
};

struct symbol_at {
	struct span at;
	enum symbol_kind kind;
	const char *name;
	enum type type;
	bool declares;
};

struct symbols {
	struct symbol_at *v; /* in the order of files and texts */
	size_t n, cap;
	struct arena *arena;
	const struct policy *policy;
};

void symbols_init(struct symbols *s, struct arena *arena, const struct policy *p);
/* The one whose name the offset is in or right behind; NULL: none. */
const struct symbol_at *symbols_find(const struct symbols *s, uint32_t file, size_t off);
/* Whether b means what a means. A mask or drop without `of` has its own name as data class: then
 * the two go together. */
bool symbols_same(const struct symbols *s, const struct symbol_at *a, const struct symbol_at *b);

const char *symbol_kind_name(enum symbol_kind kind); /* "data class" */
/* The declaration; NULL. */
const struct rule *symbols_rule(const struct symbols *s, const char *name);
bool rule_has_clause(const struct rule *r, enum clause_kind kind);

#endif
