/* SPDX-License-Identifier: MIT
 *
 * A session's own temporary relations, as its server lists them: no snapshot of the catalog has
 * them, since they come and go with the session's transactions. The listing is kept as it came, so
 * that two can be compared, and read into relations when it is another.
 */
#include "sql/catalog.h"

enum { FIELDS = 8, COLUMNS_MAX = 1600, RELATIONS_MAX = 10000 };

void
catalog_temporary_put(struct buf *rows, const struct slice *fields, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t length = fields[i].p ? (uint32_t)fields[i].n : UINT32_MAX;

		buf_put(rows, &length, sizeof(length));
		if (fields[i].p)
			buf_put(rows, fields[i].p, fields[i].n);
	}
}

static bool
next_row(struct slice *rows, struct slice fields[FIELDS])
{
	for (unsigned i = 0; i < FIELDS; i++) {
		uint32_t length;

		if (rows->n < sizeof(length))
			return false;
		memcpy(&length, rows->p, sizeof(length));
		*rows = slice_of(rows->p + sizeof(length), rows->n - sizeof(length));
		fields[i] = (struct slice){0};
		if (length == UINT32_MAX)
			continue;
		if (length > rows->n)
			return false;
		fields[i] = slice_of(rows->p, length);
		*rows = slice_of(rows->p + length, rows->n - length);
	}
	return true;
}

static bool
number(struct slice s, uint64_t max, uint32_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || s.n > 10)
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = (uint32_t)v;
	return s.n && v && v <= max;
}

/* PostgreSQL's own types have none below -1. */
static int32_t
modifier(struct slice s)
{
	uint32_t v;

	return number(s, INT32_MAX, &v) || slice_is(s, "0") ? (int32_t)v : -1;
}

/* How many relations the rows are of, and how many columns those have; gaps are dropped ones. */
static bool
count(struct slice rows, uint32_t *relations, uint32_t *columns)
{
	struct slice f[FIELDS];
	uint32_t oid, last = 0, attnum, of_last = 0;

	*relations = *columns = 0;
	for (; rows.n; last = oid) {
		if (!next_row(&rows, f) || !number(f[0], UINT32_MAX, &oid) || oid < last ||
		    !f[1].n || f[2].n != 1 || f[3].n != 1)
			return false;
		if (oid != last) {
			++*relations;
			of_last = 0;
		}
		if (!f[4].p && oid != last)
			continue;
		if (!number(f[4], COLUMNS_MAX, &attnum) || attnum <= of_last || !f[5].n)
			return false;
		*columns += attnum - of_last;
		of_last = attnum;
	}
	return *relations <= RELATIONS_MAX;
}

static void
add_column(struct catalog_relation *r, struct catalog_column *c, const struct slice *f,
	   uint32_t attnum, struct arena *arena)
{
	uint32_t type = 0;

	(void)!number(f[6], UINT32_MAX, &type);
	for (; r->n_columns < attnum; r->n_columns++)
		c[r->n_columns] = (struct catalog_column){
			.attnum = (int16_t)(r->n_columns + 1), .typmod = -1, .dropped = true};
	c[attnum - 1] = (struct catalog_column){.name = arena_copy(arena, f[5]),
						.type = type,
						.base_type = type,
						.typmod = modifier(f[7]),
						.attnum = (int16_t)attnum};
}

bool
catalog_temporary_read(struct slice rows, struct catalog_path *path, struct arena *arena)
{
	struct catalog_relation *relations, *r = NULL;
	struct catalog_column *columns;
	struct slice f[FIELDS];
	uint32_t n, n_columns, oid, attnum;

	path->temporary = NULL;
	path->n_temporary = 0;
	if (!count(rows, &n, &n_columns))
		return false;
	relations = ARENA_ARRAY(arena, struct catalog_relation, n + 1);
	columns = ARENA_ARRAY(arena, struct catalog_column, n_columns + 1);
	while (rows.n && next_row(&rows, f)) {
		(void)!number(f[0], UINT32_MAX, &oid); /* count() has looked at it */
		if (!r || r->oid != oid) {
			columns += r ? r->n_columns : 0;
			r = r ? r + 1 : relations;
			*r = (struct catalog_relation){.oid = oid,
						       .schema = SLICE_LIT("pg_temp"),
						       .name = arena_copy(arena, f[1]),
						       .kind = (char)f[2].p[0],
						       .persistence = 't',
						       .inherits = f[3].p[0] == 't',
						       .columns = columns};
		}
		if (number(f[4], COLUMNS_MAX, &attnum))
			add_column(r, columns, f, attnum, arena);
	}
	path->temporary = relations;
	path->n_temporary = n;
	return true;
}

const struct catalog_relation *
catalog_temporary(const struct catalog_path *path, struct slice name)
{
	for (uint32_t i = 0; path && i < path->n_temporary; i++)
		if (slice_eq(path->temporary[i].name, name))
			return &path->temporary[i];
	return NULL;
}
