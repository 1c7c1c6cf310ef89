/* SPDX-License-Identifier: MIT */
#include "gate/backend.h"

void
backend_fini(struct backend *b)
{
	buf_fini(&b->reported);
	buf_fini(&b->kept);
	buf_fini(&b->path);
	prepared_clear(&b->names);
}

bool
settings_same_name(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if ((a.p[i] | 0x20) != (b.p[i] | 0x20))
			return false;
	return true;
}

bool
settings_next(const struct buf *b, size_t *at, struct pg_param *out)
{
	if (*at >= b->n)
		return false;
	out->name = slice_str((const char *) b->p + *at);
	*at += out->name.n + 1;
	out->value = slice_str((const char *) b->p + *at);
	*at += out->value.n + 1;
	return true;
}

static bool
find(const struct buf *b, struct slice name, struct pg_param *out)
{
	size_t at = 0;

	while (settings_next(b, &at, out))
		if (settings_same_name(out->name, name))
			return true;
	return false;
}

struct slice
settings_get(const struct buf *b, struct slice name)
{
	struct pg_param p;

	return find(b, name, &p) ? p.value : (struct slice){0};
}

static void
put_pair(struct buf *b, struct slice name, struct slice value)
{
	buf_put_slice(b, name);
	buf_putc(b, 0);
	buf_put_slice(b, value);
	buf_putc(b, 0);
}

void
settings_set(struct buf *b, struct slice name, struct slice value)
{
	struct buf next = {0};
	struct pg_param p;
	size_t at = 0;

	if (!find(b, name, &p)) {
		put_pair(b, name, value);
		return;
	}
	if (slice_eq(p.value, value))
		return;
	while (settings_next(b, &at, &p))
		put_pair(&next, p.name, settings_same_name(p.name, name) ? value : p.value);
	buf_fini(b);
	*b = next;
}

void
settings_drop(struct buf *b, struct slice name)
{
	struct buf next = {0};
	struct pg_param p;
	size_t at = 0;

	if (!find(b, name, &p))
		return;
	while (settings_next(b, &at, &p))
		if (!settings_same_name(p.name, name))
			put_pair(&next, p.name, p.value);
	buf_fini(b);
	*b = next;
}

void
settings_put(const struct buf *b, struct buf *out)
{
	struct pg_param p;
	size_t at = 0;

	while (settings_next(b, &at, &p))
		pg_put_parameter_status(out, p.name, p.value);
}
