/* SPDX-License-Identifier: MIT
 *
 * Assertions are always on. They state what this program guarantees to itself; what a peer,
 * a policy author or the kernel may do is handled as an error, never asserted.
 */
#ifndef WEIR_BASE_ASSERT_H
#define WEIR_BASE_ASSERT_H

#include <assert.h> /* for static_assert; its assert() is replaced below */

#undef assert
#define assert(cond) ((cond) ? (void) 0 : panic_at(__FILE__, __LINE__, __func__, #cond))

/* For checks that cost more than O(1): sanitized and fuzzing builds only. */
#if defined(WEIR_ASAN) || defined(WEIR_FUZZ)
#define debug_assert(cond) assert(cond)
#else
#define debug_assert(cond) ((void) 0)
#endif

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

_Noreturn void panic_at(const char *file, int line, const char *func, const char *what);

/* Called once by panic_at before abort(), to print the state of the program; may be NULL. */
extern void (*panic_hook)(void);

#endif
