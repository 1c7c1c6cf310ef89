/* SPDX-License-Identifier: MIT */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void (*panic_hook)(void);

void
panic_at(const char *file, int line, const char *func, const char *what)
{
	void (*hook)(void) = panic_hook;

	fprintf(stderr, "weir: panic at %s:%d in %s: %s\n", file, line, func, what);
	panic_hook = NULL; /* a panic inside the hook must not recurse */
	if (hook)
		hook();
	abort();
}
