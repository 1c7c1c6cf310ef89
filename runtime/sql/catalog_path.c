/* SPDX-License-Identifier: MIT
 *
 * A search path as the server says it, taken apart as the server does.
 */
#include "sql/catalog.h"

static bool
path_item(struct slice s, size_t *at, struct slice *name, struct arena *arena)
{
	uint8_t *o = arena_try_alloc(arena, s.n + 1);
	size_t i = *at, n = 0;

	if (!o)
		return false;
	if (i < s.n && s.p[i] == '"') {
		for (i++;; o[n++] = s.p[i++]) {
			if (i >= s.n)
				return false; /* unterminated */
			if (s.p[i] == '"' && (++i >= s.n || s.p[i] != '"'))
				break;
		}
	} else {
		for (; i < s.n && s.p[i] != ',' && s.p[i] != ' ' && s.p[i] != '\t'; i++)
			o[n++] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i];
	}
	*at = i;
	*name = slice_of(o, n);
	return n > 0;
}

static bool
listed(const struct slice *s, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (slice_is(s[i], name))
			return true;
	return false;
}

void
catalog_path_parse(struct slice setting, struct slice user, struct catalog_path *out,
		   struct arena *arena)
{
	enum { MAX = sizeof(out->schemas) / sizeof(out->schemas[0]), IMPLICIT = 2 };
	struct slice items[MAX];
	unsigned n = 0;
	size_t at = 0;

	*out = (struct catalog_path){0};
	while (at < setting.n) {
		while (at < setting.n && strchr(" \t\n\r\f", setting.p[at]) && setting.p[at])
			at++;
		if (at == setting.n && n == 0)
			break;
		if (n == MAX - IMPLICIT || !path_item(setting, &at, &items[n], arena)) {
			out->truncated = true;
			return;
		}
		if (slice_is(items[n], "$user"))
			items[n] = user;
		/* One of these is what others call pg_temp: which, only the server knows. */
		if (items[n].n > 8 && memcmp(items[n].p, "pg_temp_", 8) == 0) {
			out->truncated = true;
			return;
		}
		n++;
		while (at < setting.n && strchr(" \t\n\r\f", setting.p[at]) && setting.p[at])
			at++;
		if (at < setting.n && setting.p[at++] != ',') {
			out->truncated = true;
			return;
		}
	}
	if (!listed(items, n, "pg_temp"))
		out->schemas[out->n++] = SLICE_LIT("pg_temp");
	if (!listed(items, n, "pg_catalog"))
		out->schemas[out->n++] = SLICE_LIT("pg_catalog");
	for (unsigned i = 0; i < n; i++)
		out->schemas[out->n++] = items[i];
}
