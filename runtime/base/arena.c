/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(16) uint8_t data[];
};

enum { BLOCK_MIN = 4096 };

void
arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){.limit = limit};
}

void
arena_fini(struct arena *a)
{
	while (a->head) {
		struct arena_block *b = a->head;

		a->head = b->next;
		free(b);
	}
	a->used = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;

	/* Blocks double in size, so the newest is the largest. */
	if (keep) {
		struct arena_block *rest = keep->next;

		while (rest) {
			struct arena_block *next = rest->next;

			free(rest);
			rest = next;
		}
		memset(keep->data, 0, keep->used);
		keep->next = NULL;
		keep->used = 0;
	}
	a->used = 0;
}

static struct arena_block *
block_new(struct arena *a, size_t n)
{
	size_t size = a->head ? a->head->size * 2 : BLOCK_MIN;
	struct arena_block *b;

	if (size > ((size_t) 1 << 20))
		size = (size_t) 1 << 20;
	if (size < n)
		size = n;
	b = calloc(1, sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->head;
	a->head = b;
	return b;
}

void *
arena_try_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + 15) & ~(size_t) 15;
	if (a->limit && (n > a->limit || a->used > a->limit - n))
		return NULL;
	if (!b || b->size - b->used < n) {
		b = block_new(a, n);
		if (!b)
			return NULL;
	}
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p = arena_try_alloc(a, n);

	assert(p != NULL);
	return p;
}

struct slice
arena_copy(struct arena *a, struct slice s)
{
	uint8_t *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

char *
arena_str(struct arena *a, struct slice s)
{
	return (char *) (uintptr_t) arena_copy(a, s).p;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	int n;
	char *p;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	p = arena_alloc(a, (size_t) n + 1);
	vsnprintf(p, (size_t) n + 1, fmt, again);
	va_end(again);
	return p;
}
