/* SPDX-License-Identifier: MIT
 *
 * Files that are something else than what is asked for: a private key, a password, an image.
 * Errors quote what they are about, and of these nothing may be shown. So who reads a file asks
 * here first, and says what it is instead of what is in it.
 */
#ifndef WEIR_COMPILER_FOREIGN_H
#define WEIR_COMPILER_FOREIGN_H

#include "base/arena.h"

/* Why the text can be no policy, or part of one, in words that quote nothing of it; NULL: it may be
 * one. Some line must begin with a declaration, if any has more than a comment. */
const char *foreign_policy(struct slice text);
/* The same of a configuration, whose lines begin with one of the words, and of a catalog. */
const char *foreign_config(struct slice text, const char *const *words, size_t n);
const char *foreign_catalog(struct slice text);

#endif
