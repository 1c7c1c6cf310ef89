/* SPDX-License-Identifier: MIT
 *
 * The constants of an image while it is made: each is kept as the bytes that will stand in the
 * file, so equal constants are found by comparing bytes and the writer only has to join them.
 */
#ifndef WEIR_COMPILER_CONSTANTS_H
#define WEIR_COMPILER_CONSTANTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "vm/image.h"

struct constants;

struct constants *constants_new(struct arena *arena);
size_t constants_count(const struct constants *c);
void constants_write(const struct constants *c, struct buf *out);

/* Each returns the index of the constant, adding it if it is new. */
uint32_t constant_number(struct constants *c, int64_t v);
uint32_t constant_string(struct constants *c, struct slice s);
/* Sorts v in place and drops repetitions. */
uint32_t constant_strings(struct constants *c, struct slice *v, size_t n);
uint32_t constant_actions(struct constants *c, const struct action_set *set);
uint32_t constant_values(struct constants *c, enum type type, uint32_t mask);
uint32_t constant_network(struct constants *c, const uint8_t addr[16], uint8_t prefix);
/* `text` is how it is written. */
uint32_t constant_regex(struct constants *c, struct slice text, const struct regex *r);
uint32_t constant_uses(struct constants *c, unsigned data, unsigned contexts);

#endif
