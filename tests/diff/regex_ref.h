/* SPDX-License-Identifier: MIT
 *
 * Regular expressions once more: no automaton, but the set of places where each part of a pattern
 * can end, from the set of those where it can begin.
 */
#ifndef WEIR_TESTS_REGEX_REF_H
#define WEIR_TESTS_REGEX_REF_H

#include "base/slice.h"

enum { REGEX_REF_MAX = 63 }; /* bytes of a text */

/* Of a pattern that the compiler takes, without its slashes. */
bool regex_ref(struct slice pattern, bool fold, struct slice text);
/* As it is written: /PATTERN/ or /PATTERN/i. */
bool regex_ref_literal(struct slice literal, struct slice text);

#endif
