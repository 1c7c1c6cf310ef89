/* SPDX-License-Identifier: MIT
 *
 * Matching of strings and addresses. A glob is text where * stands for any run of bytes, the empty
 * one included; a backslash is an ordinary byte. Of a regular expression only the automaton is here
 * that the compiler made of it (compiler/regex.h): a step per byte, and nothing to go back to.
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

enum { REGEX_MAX_STATES = 4096, REGEX_MAX_CELLS = 65535 };

/* A deterministic automaton over bytes that is in state 0 at the beginning of a text. A state is a
 * row of `next`, and is named by where that begins. */
struct regex {
	const uint16_t *next;	 /* n_states rows of n_classes */
	const uint8_t *class_of; /* of each of the 256 bytes */
	const uint8_t *accepts;	 /* of each state: 1 when a text that ends there matches */
	uint32_t n_states, n_classes;
	uint32_t sinks; /* the first row of the states at the end that nothing leads out of */
};

bool match_regex(const struct regex *r, struct slice text);
/* Finds `sinks` once the rest is there. */
void regex_find_sinks(struct regex *r);

bool match_network(const uint8_t network[16], unsigned prefix, const uint8_t addr[16]);
/* "10.0.0.0/8", "::1", "2001:db8::/32"; IPv4 is mapped, its prefix counted from 96. False when it is
 * not one, or when bits after the prefix are set. */
bool match_network_parse(struct slice text, uint8_t network[16], uint8_t *prefix);

#endif
