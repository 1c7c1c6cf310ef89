/* SPDX-License-Identifier: MIT
 *
 * Matching of strings and addresses. No regular expressions: globs where * stands for any run of
 * bytes, the empty one included; a backslash is an ordinary byte.
 */
#ifndef WEIR_VM_MATCH_H
#define WEIR_VM_MATCH_H

#include "base/slice.h"

/* Linear in the text times the literal pieces of the pattern; never exponential. */
bool match_glob(struct slice pattern, struct slice text);
bool match_is_glob(struct slice pattern); /* has a * */
/* v is strictly ascending. */
bool match_in(const struct slice *v, size_t n, struct slice s);
size_t match_find(const struct slice *v, size_t n, struct slice s); /* where; n: nowhere */
bool match_network(const uint8_t network[16], unsigned prefix, const uint8_t addr[16]);
/* "10.0.0.0/8", "::1", "2001:db8::/32"; IPv4 is mapped, its prefix counted from 96. False when it is
 * not one, or when bits after the prefix are set. */
bool match_network_parse(struct slice text, uint8_t network[16], uint8_t *prefix);

#endif
