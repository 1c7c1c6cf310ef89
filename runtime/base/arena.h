/* SPDX-License-Identifier: MIT
 *
 * Bump allocator. Everything in it dies together: one arena per compile, one scratch arena per
 * worker that is reset after each command. Memory is zeroed. Out of memory panics in tools and is
 * bounded by `limit` in the gateway: arena_try_alloc returns NULL at the limit.
 */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/assert.h"
#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used;  /* bytes handed out since the last reset */
	size_t limit; /* 0 = none */
};

void arena_init(struct arena *a, size_t limit);
void arena_fini(struct arena *a);
/* Forgets all allocations, keeps the largest block for reuse. */
void arena_reset(struct arena *a);

/* Zeroed, 16-byte aligned. NULL only at the limit. */
void *arena_try_alloc(struct arena *a, size_t n) MUST_CHECK;
/* As above; panics at the limit, so only for arenas without one. */
void *arena_alloc(struct arena *a, size_t n) MUST_CHECK;
/* Copies; the result has a NUL after it that is not counted. */
struct slice arena_copy(struct arena *a, struct slice s);
char *arena_str(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define ARENA_NEW(a, type) ((type *) arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *) arena_alloc((a), sizeof(type) * (size_t) (n)))

#endif
