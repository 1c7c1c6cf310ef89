/* SPDX-License-Identifier: MIT
 *
 * Regular expressions of policies: /^app\.(orders|stock)$/i. What can be said is what an automaton
 * can answer in a step per byte: characters, classes, `.`, alternatives, groups, repetition and the
 * two anchors. The automaton is the smallest one there is, with its states and classes in an order
 * that the set of texts alone decides: expressions of the same texts have the same automaton.
 *
 * Texts are UTF-8. What is not UTF-8 is no character: `.` and [^a] do not match it.
 */
#ifndef WEIR_COMPILER_REGEX_H
#define WEIR_COMPILER_REGEX_H

#include "base/arena.h"
#include "vm/match.h"

enum regex_status {
	REGEX_OK,
	REGEX_WRONG,	   /* what stands there means nothing */
	REGEX_UNSUPPORTED, /* it means something elsewhere, which no such automaton can do */
	REGEX_LARGE	   /* more states, or more work to find them, than there may be */
};

struct regex_error {
	size_t at, n; /* bytes of the pattern */
	const char *what, *hint; /* the hint may be NULL */
};

/* /PATTERN/OPTIONS taken apart; false: it has not both slashes. */
bool regex_split(struct slice literal, struct slice *pattern, struct slice *options);
/* The pattern is valid UTF-8, without the slashes around it; `fold`: a letter of a-z means both of
 * its cases. *work is how much of that may be done, and is what is left of it afterwards. */
enum regex_status regex_compile(struct arena *arena, struct slice pattern, bool fold, size_t *work,
				struct regex *out, struct regex_error *err);

/* The automaton of the texts of which what is before the first dot matches r. NULL: too large. */
struct regex *regex_before_dot(struct arena *arena, const struct regex *r);
/* The automaton of the texts that the whole numbers from lo to hi have, one each. */
struct regex *regex_between(struct arena *arena, int64_t lo, int64_t hi);
bool regex_same(const struct regex *a, const struct regex *b);

#endif
