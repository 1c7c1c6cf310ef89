/* SPDX-License-Identifier: MIT
 *
 * A borrowed run of bytes. Never NUL-terminated, never owned; zeroed memory is the empty slice.
 */
#ifndef WEIR_BASE_SLICE_H
#define WEIR_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

#define SLICE_LIT(s) ((struct slice){(const uint8_t *) (s), sizeof(s) - 1})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int) (s).n, (const char *) (s).p

static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

static inline struct slice
slice_str(const char *s)
{
	return (struct slice){(const uint8_t *) s, s ? strlen(s) : 0};
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

/* Bytewise order, the shorter first when one is a prefix of the other. */
static inline int
slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

#endif
