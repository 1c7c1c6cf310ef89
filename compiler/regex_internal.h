/* SPDX-License-Identifier: MIT
 *
 * What the parts of regular expressions share: regex_parse.c reads a pattern, regex_nfa.c makes an
 * automaton of it that can be in many states at once, regex.c the one that is in one.
 */
#ifndef WEIR_COMPILER_REGEX_INTERNAL_H
#define WEIR_COMPILER_REGEX_INTERNAL_H

#include "compiler/regex.h"

enum { REGEX_MAX_DEPTH = 100, REGEX_MAX_REPEAT = 1000, REGEX_MAX_NODES = 1 << 16 };

#define REGEX_MANY UINT32_MAX /* as the most repetitions: no limit */

enum re_kind {
	RE_SET,	   /* one character of `ranges` */
	RE_CAT,	   /* the children, one after another; none: the empty text */
	RE_ALT,	   /* one of the children */
	RE_REPEAT, /* the child, `min` to `max` times */
	RE_BEGIN,
	RE_END
};

struct re_range {
	uint32_t lo, hi; /* code points */
};

struct re {
	struct re *next; /* among the children of one parent */
	enum re_kind kind;
	struct re *first, *last;
	const struct re_range *ranges; /* ascending, apart from each other */
	size_t n_ranges;
	uint32_t min, max;
};

enum nfa_kind { NFA_SPLIT, NFA_BYTES, NFA_BEGIN, NFA_END, NFA_MATCH };

struct nfa_node {
	enum nfa_kind kind;
	uint8_t lo, hi;	   /* BYTES */
	uint32_t to, also; /* also: SPLIT */
};

struct nfa {
	struct arena *arena;
	struct nfa_node *nodes;
	uint32_t n, cap;
	uint32_t start;
	uint32_t parts; /* of the expression that were made nodes of, repeated ones each time */
};

/* NULL: *err says why, *status how. */
struct re *regex_parse(struct arena *arena, struct slice pattern, bool fold,
		       enum regex_status *status, struct regex_error *err);
/* False: too large. The automaton finds the expression anywhere in a text. */
bool regex_nfa(struct arena *arena, const struct re *re, struct nfa *out);

#endif
