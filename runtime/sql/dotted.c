/* SPDX-License-Identifier: MIT */
#include "sql/dotted.h"

#include <string.h>

static bool
has_dot(struct slice s)
{
	return s.n && memchr(s.p, '.', s.n);
}

bool
sql_dotted(struct arena *a, struct slice schema, struct slice name, struct slice *out)
{
	uint8_t *p;

	if (!schema.n || has_dot(schema))
		return false;
	p = arena_alloc(a, schema.n + name.n + 1);
	memcpy(p, schema.p, schema.n);
	p[schema.n] = '.';
	if (name.n)
		memcpy(p + schema.n + 1, name.p, name.n);
	*out = slice_of(p, schema.n + name.n + 1);
	return true;
}

bool
sql_dotted_function(struct arena *a, struct slice schema, struct slice name, struct slice *out)
{
	if (schema.n)
		return sql_dotted(a, schema, name, out);
	*out = name;
	return !has_dot(name);
}
